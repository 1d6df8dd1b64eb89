//! The readmission example on its sealed test rows, and against scikit-learn on the same rows and
//! columns (`tests/fixtures/flagship/identical.py`).
//!
//! The features, the split and the preparation are the example's own; the strength is the one its
//! folds choose, so that one fit is enough here.

#[path = "../examples/readmission_risk/features.rs"]
#[allow(dead_code)] // columns of the report
mod features;

use std::fs::File;
use std::sync::LazyLock;

use galen::evaluation::{
    LoessOptions, ScoredTest, auroc, auroc_paired, brier, calibration, evaluate_sealed,
    flexible_calibration,
};
use galen::ingest::TableReader;
use galen::prelude::*;
use serde_json::Value;

use features::{Outcome, by_patient, preparation, read};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/flagship");

const L1_RATIO: f64 = 0.5;

/// scikit-learn's solver left a slope of 9e-7 (`largest_slope_left`) and its risks have six
/// digits; the largest difference seen is 1.7e-5.
const RISKS_AGREE: f64 = 1e-4;

/// Areas are apart by 1.4e-7; rounding to six digits moves one by up to 1e-6.
const AREAS_AGREE: f64 = 1e-5;

/// How far above the minimum the recorded solution may be for the comparison to mean anything;
/// it is 1.6e-11.
const OBJECTIVES_AGREE: f64 = 1e-9;

/// The example's cohort, its model and the scored test rows, made once.
struct Run {
    rows: usize,
    events: usize,
    train_rows: usize,
    model: LogisticRegression,
    scored: ScoredTest,
    recorded: Value,
}

static RUN: LazyLock<Run> = LazyLock::new(|| run().expect("the example fits"));

fn run() -> Outcome<Run> {
    let recorded: Value = serde_json::from_reader(std::io::BufReader::new(File::open(format!(
        "{FOLDER}/identical.json"
    ))?))?;
    let (cohort, outcome) = read()?;
    let (rows, events) = (cohort.matrix().n_rows(), outcome.n_events());
    let features = features::features(cohort.matrix())?;
    let (train, test) = by_patient().apply(&Cohort::new(features, outcome))?;
    let model = LogisticRegression::params()
        .strength(number(&recorded, "strength"))
        .l1_ratio(L1_RATIO)
        .preparation(preparation())
        .fit(&train)?;
    Ok(Run {
        rows,
        events,
        train_rows: train.report().train.rows,
        scored: evaluate_sealed(&test, &model)?,
        model,
        recorded,
    })
}

fn number(recorded: &Value, name: &str) -> f64 {
    recorded[name].as_f64().expect("a recorded number")
}

/// A numeric column of a fixture.
fn column(matrix: &PatientMatrix, name: &str) -> Vec<f64> {
    matrix.column(name).expect("a recorded column").to_vec()
}

/// scikit-learn's outcomes and risks of the test rows, in the order of the data.
fn peer() -> (Vec<bool>, Vec<f64>) {
    let file = File::open(format!("{FOLDER}/identical.csv.gz")).expect("a fixture");
    let table = TableReader::new()
        .declare(Feature::numeric("readmitted"))
        .ignore("encounter_id")
        .read(file)
        .expect("a table");
    let matrix = table.into_matrix();
    let truth = column(&matrix, "readmitted")
        .into_iter()
        .map(|value| value == 1.0);
    (truth.collect(), column(&matrix, "probability"))
}

/// Names, spreads and scikit-learn's coefficients (on terms of variance 1) of all columns.
fn peer_columns() -> (Vec<String>, Vec<f64>, Vec<f64>) {
    let file = File::open(format!("{FOLDER}/identical_columns.csv")).expect("a fixture");
    let table = TableReader::new()
        .declare(Feature::category("name"))
        .read(file)
        .expect("a table");
    let matrix = table.into_matrix();
    let names = matrix.column("name").expect("a recorded column");
    let names = (0..matrix.n_rows()).map(|row| names.level(row).expect("a name").to_string());
    (
        names.collect(),
        column(&matrix, "spread"),
        column(&matrix, "coefficient"),
    )
}

#[test]
fn rows_events_and_columns_are_those_of_the_recorded_design() {
    let run = &*RUN;
    assert_eq!((run.rows, run.events), (99_343, 11_314));
    assert_eq!(run.train_rows, 79_485);
    let truth = run.scored.truth.to_vec();
    let events = truth.iter().filter(|event| **event).count();
    assert_eq!((truth.len(), events), (19_858, 2_223));
    assert_eq!(truth, peer().0);

    let names: Vec<&str> = run.model.coefficients().iter().map(|term| term.0).collect();
    assert_eq!(names, peer_columns().0);
    assert_eq!(names.len(), 631);
}

#[test]
fn the_example_ranks_and_is_calibrated_on_sealed_rows() {
    let run = &*RUN;
    let (truth, risk) = (run.scored.truth.to_vec(), run.scored.risk.to_vec());
    let area = auroc(&truth, &risk, None).unwrap();
    assert!(area >= 0.657, "AUROC {area}");
    let ici = flexible_calibration(&truth, &risk, None, LoessOptions::default())
        .unwrap()
        .ici;
    assert!(ici <= 0.01, "ICI {ici}");
    let slope = calibration(&truth, &risk, None, 0.95).unwrap().slope.value;
    assert!((0.9..=1.1).contains(&slope), "slope {slope}");
    for (name, ours, tolerance) in [
        ("auroc", area, AREAS_AGREE),
        ("ici", ici, 1e-5), // another grid of local fits
        ("slope", slope, 1e-4),
        ("brier", brier(&truth, &risk, None).unwrap(), 1e-6),
        ("active", run.model.n_active() as f64, 0.5),
    ] {
        let theirs = number(&run.recorded, name);
        assert!((ours - theirs).abs() < tolerance, "{name}: {ours} {theirs}");
    }
    println!("AUROC {area:.6}, ICI {ici:.6}, slope {slope:.6}");
}

/// AUROC of scikit-learn's histogram boosting on the same sealed rows with its own 22 columns, as
/// recorded with the data.
const BOOSTED_BEFORE: f64 = 0.6639;

#[test]
fn boosting_is_not_below_the_line_and_explains_itself() {
    let (cohort, outcome) = read().unwrap();
    let features = features::features(cohort.matrix()).unwrap();
    let (train, test) = by_patient().apply(&Cohort::new(features, outcome)).unwrap();
    // Small steps of small trees on few columns each: risks of a rare event stay calibrated.
    let model = GradientBoosting::params()
        .n_trees(200)
        .learning_rate(0.05)
        .max_leaves(16)
        .min_leaf_rows(100)
        .feature_share(0.3)
        .fit(&train)
        .unwrap();
    let scored = evaluate_sealed(&test, &model).unwrap();
    let (truth, risk) = (scored.truth.to_vec(), scored.risk.to_vec());
    let area = auroc(&truth, &risk, None).unwrap();
    let slope = calibration(&truth, &risk, None, 0.95).unwrap().slope.value;
    println!("boosting: AUROC {area:.4}, slope {slope:.3}");
    assert!(area >= BOOSTED_BEFORE + 0.01, "AUROC {area}");
    assert!((0.9..=1.1).contains(&slope), "slope {slope}");
    let some: Vec<usize> = (0..300).collect();
    let rows = train.records.select_rows(&some).unwrap();
    let raw = model.decision(&rows).unwrap();
    let sums = galen::explain::tree_shap(&model, &rows).unwrap().sum();
    for (sum, raw) in sums.iter().zip(&raw) {
        assert!((sum - raw).abs() < 1e-9);
    }
}

#[test]
fn not_below_scikit_learn_on_the_same_rows_and_columns() {
    let run = &*RUN;
    let (truth, theirs) = peer();
    let ours = run.scored.risk.to_vec();
    let paired = auroc_paired(&truth, &ours, &theirs, None, 0.95).unwrap();
    println!("{paired:?}");
    assert!((paired.auroc_b - number(&run.recorded, "auroc")).abs() < AREAS_AGREE);
    assert!(paired.difference >= -AREAS_AGREE, "{paired:?}");
    assert!(
        paired.difference >= 0.0 || paired.p > 0.05,
        "significantly worse: {paired:?}"
    );

    let largest = ours
        .iter()
        .zip(&theirs)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max);
    println!("largest difference of two risks {largest:e}");
    assert!(largest < RISKS_AGREE, "{largest:e}");
}

/// Both minimise glmnet's objective, which is strongly convex: with curvature at least
/// `m = strength * (1 - l1_ratio)`, a point whose objective is `d` above the minimum lies within
/// `sqrt(2 d / m)` of the minimiser. No tolerance is chosen here beyond the nine recorded digits.
#[test]
fn the_same_minimum_reached_at_least_as_closely() {
    let run = &*RUN;
    let (_, spreads, theirs) = peer_columns();
    let ours: Vec<f64> = run
        .model
        .coefficients()
        .iter()
        .zip(&spreads)
        .map(|((_, b), spread)| b * spread)
        .collect();
    let strength = number(&run.recorded, "strength");
    let absolute: f64 = ours.iter().map(|b| b.abs()).sum();
    let squares: f64 = ours.iter().map(|b| b * b).sum();
    let objective = run.model.deviance() / (2.0 * run.train_rows as f64)
        + strength * (L1_RATIO * absolute + (1.0 - L1_RATIO) * squares / 2.0);
    let above = number(&run.recorded, "objective") - objective;
    let apart: f64 = ours.iter().zip(&theirs).map(|(a, b)| (a - b).powi(2)).sum();
    println!(
        "objective {objective}, scikit-learn's {above:e} above it; coefficients {:e} apart",
        apart.sqrt()
    );
    assert!(run.model.converged());
    assert!(above > -1e-12, "{above:e}");
    assert!(above < OBJECTIVES_AGREE, "{above:e}");
    let reach = (2.0 * above.max(0.0) / (strength * (1.0 - L1_RATIO))).sqrt();
    assert!(apart.sqrt() <= reach + 1e-6, "{} {reach}", apart.sqrt());
}
