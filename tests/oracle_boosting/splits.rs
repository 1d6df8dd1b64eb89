//! The readmission data in ten patient-grouped splits, on the rows and columns that other packages got
//! (`tests/fixtures/trees/flagship.py`).
//!
//! All ten are fitted where `GALEN_LONG` is set, as `.ci/run long` does; two of them otherwise.

use galen::evaluation::{auroc, calibration, evaluate_sealed};
use galen::prelude::*;
use serde_json::Value;

use crate::features::{features, read};
use crate::{number, recorded};

/// What CatBoost, LightGBM and scikit-learn reach is the line; XGBoost is shown.
const PEERS: [&str; 5] = [
    "lightgbm",
    "sklearn",
    "catboost",
    "catboost, depth 6",
    "xgboost",
];

/// Ours on one split.
struct Ours {
    area: f64,
    slope: f64,
}

/// SplitMix64 of the patient's number and the split, divisible by five (Steele, Lea and Flood 2014,
/// doi 10.1145/2714064.2660195).
pub(crate) fn tested(patient: u64, split: u64) -> bool {
    let mut z = patient.wrapping_add((split + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)).is_multiple_of(5)
}

fn fit(cohort: &Cohort<Binary>, split: u64, entry: &Value) -> galen::Result<Ours> {
    let by_hash =
        Split::by_rule(move |patient| patient.parse().is_ok_and(|number| tested(number, split)));
    let (train, test) = by_hash.apply(cohort)?;
    let model = GradientBoosting::params()
        .n_trees(200)
        .learning_rate(0.05)
        .max_leaves(16)
        .min_leaf_rows(100)
        .feature_share(0.3)
        .fit(&train)?;
    let scored = evaluate_sealed(&test, &model)?;
    let (truth, risk) = (scored.truth.to_vec(), scored.risk.to_vec());
    let events = truth.iter().filter(|event| **event).count();
    assert_eq!(truth.len() as f64, number(&entry["test_rows"]));
    assert_eq!(events as f64, number(&entry["test_events"]));
    Ok(Ours {
        area: auroc(&truth, &risk, None)?,
        slope: calibration(&truth, &risk, None, 0.95)?.slope.value,
    })
}

/// Mean and its standard error. Training rows are shared between splits, so the variance of a mean of
/// `n` counts `1 / n + 1 / 4` times that of one split (Nadeau and Bengio, Machine Learning 52, 2003,
/// doi 10.1023/A:1024068626366), a fifth being tested on.
pub(crate) fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0) * (1.0 / n + 0.25)).sqrt())
}

#[test]
fn not_below_the_best_on_patient_grouped_splits() {
    let all = std::env::var_os("GALEN_LONG").is_some();
    let recorded = recorded("flagship.json");
    let splits = recorded["splits"].as_array().expect("splits");
    let (encounters, outcome) = read().expect("the data of the example");
    let matrix = features(encounters.matrix()).expect("its features");
    let names: Vec<&str> = matrix
        .schema()
        .features()
        .iter()
        .map(Feature::name)
        .collect();
    let mut theirs: Vec<&str> = recorded["columns"]["names"]
        .as_array()
        .expect("names")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let mut ours = names.clone();
    ours.sort_unstable();
    theirs.sort_unstable();
    assert_eq!(ours, theirs);
    let cohort = Cohort::new(matrix, outcome);
    let n = if all { splits.len() } else { 2 };
    let mut found = Vec::new();
    for (split, entry) in splits.iter().enumerate().take(n) {
        let start = std::time::Instant::now();
        let ours = fit(&cohort, split as u64, entry).expect("a fit");
        println!(
            "split {split}: AUROC {:.5}, slope {:.3}, {:.1} s",
            ours.area,
            ours.slope,
            start.elapsed().as_secs_f64()
        );
        found.push(ours);
    }
    for peer in PEERS {
        let differences: Vec<f64> = found
            .iter()
            .zip(splits)
            .map(|(ours, entry)| ours.area - number(&entry[peer]["auroc"]))
            .collect();
        let (mean, error) = mean_and_error(&differences);
        println!("ours less {peer}: {mean:+.5} (standard error {error:.5})");
    }
}
