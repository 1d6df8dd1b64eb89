//! What the model is worth on small data that it did not see, against other packages on the same rows
//! and settings (`tests/fixtures/trees/heldout.py`).

use galen::evaluation::{auroc, log_loss};
use galen::prelude::*;
use linfa::DatasetBase;
use ndarray::{Array1, Axis};
use serde_json::Value;

use crate::data::{BREAST, HEART, KIDNEY, Table};
use crate::splits::{mean_and_error, tested};
use crate::{number, recorded};

const PEERS: [&str; 5] = [
    "lightgbm",
    "sklearn",
    "xgboost",
    "catboost",
    "catboost, ten steps",
];

/// AUROC and log loss on the rows of a split; of `grades` the mean AUROC of each against the others.
fn fit(
    table: &Table,
    grades: bool,
    split: u64,
    entry: &Value,
    settings: &Value,
) -> galen::Result<[f64; 2]> {
    let (test, train): (Vec<usize>, Vec<usize>) =
        (0..table.y.len()).partition(|row| tested(*row as u64, split));
    let truth =
        |rows: &[usize]| -> Vec<bool> { rows.iter().map(|row| table.y[*row] > 0).collect() };
    assert_eq!(test.len() as f64, number(&entry["rows"]));
    let events = truth(&test).iter().filter(|event| **event).count();
    assert_eq!(events as f64, number(&entry["events"]));
    let whole = |name: &str| number(&settings[name]) as usize;
    let params = GradientBoosting::params()
        .n_trees(whole("n_trees"))
        .learning_rate(number(&settings["learning_rate"]))
        .max_leaves(whole("leaves"))
        .min_leaf_rows(1)
        .min_leaf_weight(number(&settings["min_leaf_weight"]))
        .l2(number(&settings["l2"]));
    let (x, tested) = (
        table.x.select(Axis(0), &train),
        table.x.select(Axis(0), &test),
    );
    if grades {
        let labels = train.iter().map(|row| table.y[*row].to_string());
        let model = params.fit(&DatasetBase::new(x, labels.collect::<Array1<String>>()))?;
        let proba = model.predict_proba(&tested)?;
        let (mut area, mut loss) = (0.0, 0.0);
        for (at, class) in model.classes().iter().enumerate() {
            let is: Vec<bool> = test
                .iter()
                .map(|row| table.y[*row].to_string() == *class)
                .collect();
            let risk = proba.column(at).to_vec();
            area += auroc(&is, &risk, None)? / model.classes().len() as f64;
            let of_class = risk.iter().zip(&is).filter(|(_, is)| **is);
            loss -= of_class.map(|(p, _)| p.ln()).sum::<f64>() / test.len() as f64;
        }
        return Ok([area, loss]);
    }
    let model = params.fit(&DatasetBase::new(x, Array1::from(truth(&train))))?;
    let risk = model.predict_risk(&tested)?.to_vec();
    let truth = truth(&test);
    Ok([auroc(&truth, &risk, None)?, log_loss(&truth, &risk, None)?])
}

/// Shown, not asked for: ten steps to the values of every leaf fit faster than the one step of all
/// others, so that a hundred small trees are more trees to it (log loss of kidney disease 0.014
/// against 0.034 to 0.047).
const SHOWN: &str = "catboost, ten steps";

/// Not below any of them by more than the standard error of the paired difference; in five grades by
/// more than two: a step of XGBoost is there half of one of LightGBM's and ours by its definition of
/// curvature, and CatBoost's trees are plainer, hence both overfit less at these settings.
#[test]
fn not_below_other_packages_on_small_data() {
    let recorded = recorded("heldout.json");
    let mut below = Vec::new();
    for (name, table) in [
        ("heart", &*HEART),
        ("kidney", &*KIDNEY),
        ("breast", &*BREAST),
        ("heart, five grades", &*HEART),
    ] {
        let grades = name.ends_with("grades");
        let allowed = if grades { 2.0 } else { 1.0 };
        let splits = recorded["tables"][name].as_array().expect("splits");
        assert_eq!(splits.len(), 40);
        let ours: Vec<[f64; 2]> = splits
            .iter()
            .enumerate()
            .map(|(split, entry)| fit(table, grades, split as u64, entry, &recorded["settings"]))
            .collect::<galen::Result<_>>()
            .expect("fits");
        for (at, what, better) in [(0, "auroc", 1.0), (1, "log_loss", -1.0)] {
            let mean = ours.iter().map(|ours| ours[at]).sum::<f64>() / ours.len() as f64;
            println!("{name}, {what}: ours {mean:.5}");
            for peer in PEERS {
                let gains: Vec<f64> = ours
                    .iter()
                    .zip(splits)
                    .map(|(ours, entry)| better * (ours[at] - number(&entry[peer][what])))
                    .collect();
                let (gain, error) = mean_and_error(&gains);
                println!("  better than {peer} by {gain:+.5} (standard error {error:.5})");
                if peer != SHOWN && (gain.is_nan() || gain < -allowed * error) {
                    below.push(format!("{name}, {what}, {peer}: {gain} ({error})"));
                }
            }
        }
    }
    assert!(below.is_empty(), "{}", below.join("\n"));
}
