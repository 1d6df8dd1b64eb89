//! Partial dependence, ICE and permutation importance against scikit-learn on the Cleveland heart
//! disease data.

use std::collections::BTreeMap;

use galen::estimator::Rows;
use galen::evaluation::{auroc, log_loss};
use galen::explain::{
    Better, DependenceOptions, LogOddsOf, Output, PermutationOptions, PlainTree, PlainTrees,
    RiskOf, ice_curves, log_loss_of_row, partial_dependence, partial_dependence_pair,
    permutation_importance, permutation_importance_by,
};
use galen::ingest::TableReader;
use galen::prelude::*;
use serde::Deserialize;

/// A metric of truth, risk and weights.
type Metric = fn(&[bool], &[f64], Option<&[f64]>) -> galen::Result<f64>;

#[derive(Deserialize)]
struct Reference {
    features: Vec<String>,
    chosen: Vec<usize>,
    pair: BTreeMap<String, Vec<f64>>,
    base: f64,
    trees: Vec<PlainTree>,
    cases: BTreeMap<String, Case>,
}

#[derive(Deserialize)]
struct Case {
    dependence: Vec<Dependence>,
    importance: Importance,
    #[serde(default)]
    pair: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Dependence {
    feature: String,
    scale: String,
    grid: Vec<f64>,
    weighted: bool,
    mean: Vec<f64>,
    curves: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Importance {
    baseline: f64,
    all_pairs: Vec<f64>,
    mean: Vec<f64>,
    sd: Vec<f64>,
    n_repeats: f64,
}

fn reference() -> Reference {
    let text = std::fs::read_to_string("tests/fixtures/dependence/expected.json").unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The rows of Cleveland whose `ca` is known.
fn cleveland(features: &[String]) -> (PatientMatrix, Vec<bool>) {
    let file = std::fs::File::open("examples/data/heart_disease.csv").unwrap();
    let table = TableReader::new()
        .missing_tokens(["?"])
        .declare(Feature::category("hospital"))
        .read(file);
    let matrix = table.unwrap().into_matrix();
    let (hospital, ca) = (
        matrix.column("hospital").unwrap(),
        matrix.column("ca").unwrap(),
    );
    let here = |row| hospital.level(row) == Some("Cleveland") && !ca.is_missing(row);
    let rows = matrix.filter(here).unwrap();
    let num = rows.column("num").unwrap();
    let truth = num.to_vec().iter().map(|num| *num > 0.0).collect();
    let mut single = rows.select(features).unwrap();
    for name in features {
        let feature = Feature::numeric(name);
        single = single
            .derive(feature, &[name], |values| f64::from(values[0] as f32))
            .unwrap();
    }
    (single, truth)
}

fn logistic(rows: &PatientMatrix, truth: &[bool]) -> impl PredictRisk + Sync + use<> {
    let event = Binary::from_flags("disease", truth.iter().copied());
    let params = LogisticRegression::params().tolerance(1e-12);
    params.fit(&Cohort::new(rows.clone(), event)).unwrap()
}

/// Boosting of the reference, read off its trees.
struct Trees {
    trees: PlainTrees,
    log_odds: bool,
}

impl Output for Trees {
    fn label(&self) -> String {
        "Risk of disease".into()
    }

    fn numbers(&self, rows: &impl Rows) -> galen::Result<Vec<f64>> {
        let raw = self.trees.raw(rows)?;
        let number = |raw: &f64| {
            if self.log_odds {
                *raw
            } else {
                1.0 / (1.0 + (-raw).exp())
            }
        };
        Ok(raw.iter().map(number).collect())
    }
}

fn boosting(reference: &Reference, log_odds: bool) -> Trees {
    let (features, trees) = (reference.features.clone(), reference.trees.clone());
    let trees = PlainTrees::new(features, ["log-odds"], vec![reference.base], trees).unwrap();
    Trees { trees, log_odds }
}

fn options(case: &Dependence, n: usize) -> DependenceOptions {
    let weights = (0..n).map(|row| 0.5 + (row % 4) as f64 / 2.0).collect();
    DependenceOptions {
        grid: Some(case.grid.clone()),
        weights: case.weighted.then_some(weights),
        ..DependenceOptions::default()
    }
}

fn gap(a: impl IntoIterator<Item = f64>, b: &[f64]) -> f64 {
    let a: Vec<f64> = a.into_iter().collect();
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .fold(0.0, |most, (a, b)| (a - b).abs().max(most))
}

#[test]
fn dependence_and_curves_of_a_logistic_model() {
    let reference = reference();
    let (rows, truth) = cleveland(&reference.features);
    assert_eq!(
        (rows.n_rows(), truth.iter().filter(|t| **t).count()),
        (299, 138)
    );
    let model = logistic(&rows, &truth);
    for case in &reference.cases["logistic"].dependence {
        let options = options(case, rows.n_rows());
        let feature = case.feature.as_str();
        let (found, curves) = match case.scale.as_str() {
            "risk" => {
                let output = RiskOf(&model);
                let curves = ice_curves(&output, &rows, feature, &reference.chosen, &options);
                (
                    partial_dependence(&output, &rows, feature, &options),
                    curves,
                )
            }
            _ => {
                let output = LogOddsOf(&model);
                let curves = ice_curves(&output, &rows, feature, &reference.chosen, &options);
                (
                    partial_dependence(&output, &rows, feature, &options),
                    curves,
                )
            }
        };
        let means = found.unwrap().points.into_iter().map(|point| point.mean);
        let apart = gap(means, &case.mean);
        assert!(apart < 1e-9, "{feature} {}: {apart:e}", case.scale);
        if !case.weighted {
            assert_eq!(case.curves.len(), reference.chosen.len());
            let apart = gap(curves.unwrap().values, &case.curves.concat());
            assert!(apart < 1e-9, "{feature} {}: {apart:e}", case.scale);
        }
    }
}

#[test]
fn dependence_and_curves_of_boosting() {
    let reference = reference();
    let rows = cleveland(&reference.features).0.to_array();
    let case = &reference.cases["boosting"];
    for case in &case.dependence {
        let options = options(case, rows.nrows());
        let output = boosting(&reference, case.scale == "log-odds");
        let position = reference
            .features
            .iter()
            .position(|name| *name == case.feature);
        let feature = format!("x{}", position.unwrap());
        let found = partial_dependence(&output, &rows, &feature, &options).unwrap();
        let apart = gap(found.points.iter().map(|point| point.mean), &case.mean);
        assert!(apart < 1e-9, "{}: {apart:e}", case.feature);
        if !case.weighted {
            let curves = ice_curves(&output, &rows, &feature, &reference.chosen, &options);
            let apart = gap(curves.unwrap().values, &case.curves.concat());
            assert!(apart < 1e-9, "{}: {apart:e}", case.feature);
        }
    }
    // Drops of the ST segment, and vessels: their four values are the grid.
    let options = DependenceOptions {
        grid: Some(reference.pair["oldpeak"].clone()),
        ..DependenceOptions::default()
    };
    let output = boosting(&reference, false);
    let found = partial_dependence_pair(&output, &rows, ["x5", "x6"], &options).unwrap();
    assert_eq!(found.grids[1], reference.pair["ca"]);
    let apart = gap(found.mean, &case.pair.concat());
    assert!(apart < 1e-9, "{apart:e}");
}

fn check_importance(found: &galen::explain::PermutationImportance, expected: &Importance) {
    assert!((found.baseline - expected.baseline).abs() < 1e-9);
    for (place, found) in found.features.iter().enumerate() {
        let own = found.monte_carlo_se.unwrap();
        let apart = (found.value - expected.all_pairs[place]).abs();
        assert!(apart < 4.5 * own, "{}: {apart:e}, {own:e}", found.name);
        let theirs = expected.sd[place] / expected.n_repeats.sqrt();
        let apart = (found.value - expected.mean[place]).abs();
        assert!(apart < 4.5 * own.hypot(theirs), "{}: {apart:e}", found.name);
    }
}

#[test]
fn importance_is_that_of_the_reference() {
    let reference = reference();
    let (rows, truth) = cleveland(&reference.features);
    let options = PermutationOptions {
        n_repeats: 100,
        replicates: 40,
        ..PermutationOptions::default()
    };
    let model = logistic(&rows, &truth);
    let found = permutation_importance(&RiskOf(&model), &rows, &truth, log_loss_of_row, &options);
    let found = found.unwrap();
    check_importance(&found, &reference.cases["logistic"].importance);
    assert_eq!(found.ranked()[0].name, "ca");
    assert!(found.get("ca").unwrap().lower > Some(0.05));
    assert!(
        found.get("age").unwrap().lower < Some(0.0),
        "adds nothing to the others"
    );
    let array = rows.to_array();
    let output = boosting(&reference, false);
    let found = permutation_importance(&output, &array, &truth, log_loss_of_row, &options).unwrap();
    check_importance(&found, &reference.cases["boosting"].importance);
    // The metric of the evaluation floor goes the same way.
    let few = PermutationOptions {
        features: Some(vec!["x6".into()]),
        ..options
    };
    let by = |metric: Metric, better| {
        permutation_importance_by(&output, &array, &truth, metric, better, &few).unwrap()
    };
    let by_metric = by(log_loss, Better::Smaller);
    let (a, b) = (&found.features[6], &by_metric.features[0]);
    assert!((a.value - b.value).abs() < 1e-12);
    assert!(
        (a.se.unwrap() / b.se.unwrap() - 1.0).abs() < 0.35,
        "{a:?}, {b:?}"
    );
    let area = &by(auroc, Better::Larger).features[0];
    assert!(
        area.value > 0.02 && area.lower > Some(0.0) && area.upper < Some(0.2),
        "{area:?}"
    );
}

#[cfg(feature = "report")]
#[test]
fn all_figures_are_drawn() {
    let reference = reference();
    let rows = cleveland(&reference.features).0;
    let array = rows.to_array();
    let output = boosting(&reference, true);
    let options = DependenceOptions::default();
    let number = partial_dependence(&output, &array, "x4", &options).unwrap();
    let pair = partial_dependence_pair(&output, &array, ["x4", "x6"], &options).unwrap();
    let chosen: Vec<usize> = (0..40).collect();
    let curves = ice_curves(&output, &array, "x4", &chosen, &options).unwrap();
    let truth = vec![true; rows.n_rows()];
    let few = PermutationOptions {
        n_repeats: 2,
        ..PermutationOptions::default()
    };
    let importance = permutation_importance(&output, &array, &truth, |_, x| x, &few).unwrap();
    for (figure, word, lines) in [
        (number.figure(), "middle 80 % of rows", 1),
        (pair.figure(), "x6 3", 4),
        (curves.figure(), "Each patient by x4", 41),
        (curves.centred(0).unwrap().figure(), "change", 41),
        (importance.bar(5), "x6", 0),
    ] {
        let image = galen::report::svg(&figure);
        assert!(image.contains(word), "{word}");
        let found = figure
            .series
            .iter()
            .filter(|series| matches!(series.shape, galen::estimator::figure::Shape::Line { .. }));
        assert_eq!(found.count(), lines, "{word}");
        if let Ok(folder) = std::env::var("FIGURES") {
            std::fs::write(format!("{folder}/{}.svg", word.replace(' ', "_")), image).unwrap();
        }
    }
}
