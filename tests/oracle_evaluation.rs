//! Metrics against R (pROC, survival, loess, glm) and exact rational arithmetic.
//!
//! The reference values, their tools and versions stand in `tests/fixtures/evaluation`.

use std::collections::BTreeMap;

use galen::evaluation::{
    Bins, LoessOptions, auprc, auroc, auroc_delong, auroc_paired, brier, brier_parts, calibration,
    calibration_curve, clopper_pearson, concordance, confusion, decision_curve,
    expected_calibration_error, flexible_calibration, log_loss, net_benefit, wilson,
};
use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/evaluation");

fn expected() -> Value {
    let text = std::fs::read_to_string(format!("{FOLDER}/expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Columns of a table of numbers by name.
fn table(name: &str) -> BTreeMap<String, Vec<f64>> {
    let text = std::fs::read_to_string(format!("{FOLDER}/{name}")).unwrap();
    let mut lines = text.lines();
    let names: Vec<String> = lines.next().unwrap().split(',').map(String::from).collect();
    let rows: Vec<Vec<f64>> = lines
        .map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect())
        .collect();
    names
        .into_iter()
        .enumerate()
        .map(|(place, name)| (name, rows.iter().map(|row| row[place]).collect()))
        .collect()
}

fn flags(column: &[f64]) -> Vec<bool> {
    column.iter().map(|value| *value == 1.0).collect()
}

#[track_caller]
fn near(found: f64, expected: &Value, tolerance: f64) {
    let expected = expected.as_f64().unwrap();
    let error = (found - expected).abs() / expected.abs().max(1.0);
    assert!(
        error <= tolerance,
        "{found} is not {expected} (off by {error:e})"
    );
}

/// Relative comparison, for small numbers.
#[track_caller]
fn close(found: f64, expected: &Value, tolerance: f64) {
    let expected = expected.as_f64().unwrap();
    assert!(
        (found / expected - 1.0).abs() <= tolerance,
        "{found} is not {expected}"
    );
}

/// A data set: truth, scores by name, weights.
struct Case {
    name: &'static str,
    truth: Vec<bool>,
    scores: Vec<(&'static str, Vec<f64>)>,
    weights: Option<Vec<f64>>,
}

fn cases() -> Vec<Case> {
    let made = table("input_scores.csv");
    let real = table("input_diabetes.csv");
    let of = |table: &BTreeMap<String, Vec<f64>>, names: [&'static str; 2], from: usize| {
        names
            .map(|name| (name, table[name][from..].to_vec()))
            .into()
    };
    vec![
        Case {
            name: "scores",
            truth: flags(&made["label"]),
            scores: of(&made, ["score_a", "score_b"], 0),
            weights: Some(made["weight"].clone()),
        },
        Case {
            name: "diabetes",
            truth: flags(&real["label"]),
            scores: of(&real, ["probability", "number_inpatient"], 0),
            weights: None,
        },
        Case {
            name: "diabetes_late",
            truth: flags(&real["label"][2000..]),
            scores: of(&real, ["probability_half", "number_inpatient"], 2000),
            weights: None,
        },
    ]
}

#[test]
fn areas_and_delong_variances_equal_those_of_proc() {
    let expected = expected();
    for case in cases() {
        let reference = &expected[case.name]["discrimination"];
        for (name, score) in &case.scores {
            let found = auroc_delong(&case.truth, score, None, 0.95).unwrap();
            let reference = &reference[*name];
            near(found.auroc, &reference["auroc"], 1e-12);
            close(found.variance, &reference["delong_variance"], 1e-9);
            near(found.lower, &reference["ci_95"][0], 1e-10);
            near(found.upper, &reference["ci_95"][1], 1e-10);
        }
        let [(_, a), (_, b)] = case.scores.as_slice() else {
            panic!("two scores");
        };
        let found = auroc_paired(&case.truth, a, b, None, 0.95).unwrap();
        let reference = &reference["paired"];
        close(found.z, &reference["z"], 1e-9);
        close(found.p, &reference["p"], 1e-8);
        near(found.lower, &reference["difference_ci_95"][0], 1e-10);
        near(found.upper, &reference["difference_ci_95"][1], 1e-10);
    }
}

#[test]
fn sums_over_rows_equal_exact_arithmetic() {
    let expected = expected();
    for case in cases() {
        for (name, risk) in &case.scores {
            let reference = &expected[case.name]["exact"][*name];
            for (kind, weights) in [("unweighted", None), ("weighted", case.weights.as_deref())] {
                let reference = &reference[kind];
                if reference.is_null() {
                    continue;
                }
                let truth = &case.truth;
                near(
                    auroc(truth, risk, weights).unwrap(),
                    &reference["auroc"],
                    1e-12,
                );
                let area = auprc(truth, risk, weights).unwrap();
                near(area, &reference["average_precision"], 1e-12);
                near(
                    brier(truth, risk, weights).unwrap(),
                    &reference["brier"],
                    1e-12,
                );
                near(
                    log_loss(truth, risk, weights).unwrap(),
                    &reference["log_loss"],
                    1e-12,
                );
                let line = calibration(truth, risk, weights, 0.95).unwrap();
                let ratio = line.observed_over_expected;
                near(ratio, &reference["observed_over_expected"], 1e-12);
                parts(
                    truth,
                    risk,
                    weights,
                    Bins::EqualWidth(10),
                    &reference["equal_width_10"],
                );
                utility(
                    truth,
                    risk,
                    weights,
                    reference["utility"].as_array().unwrap(),
                );
            }
            // The reference cuts ties by row order where this library keeps them together, so bins
            // of equal size are compared where no tie spans a cut.
            if case.name != "scores" && !reference.is_null() {
                let reference = &reference["unweighted"]["equal_size_10"];
                parts(&case.truth, risk, None, Bins::EqualSize(10), reference);
            }
        }
    }
}

fn parts(truth: &[bool], risk: &[f64], weights: Option<&[f64]>, bins: Bins, reference: &Value) {
    let found = brier_parts(truth, risk, weights, bins).unwrap();
    near(found.reliability, &reference["reliability"], 1e-12);
    near(found.resolution, &reference["resolution"], 1e-12);
    near(found.uncertainty, &reference["uncertainty"], 1e-12);
    near(
        found.within_variance,
        &reference["within_bin_variance"],
        1e-12,
    );
    near(
        found.within_covariance,
        &reference["within_bin_covariance"],
        1e-12,
    );
    let error = expected_calibration_error(truth, risk, weights, bins).unwrap();
    near(error, &reference["expected_calibration_error"], 1e-12);
    let curve = calibration_curve(truth, risk, weights, bins, 0.95).unwrap();
    let rows = reference["bins"].as_array().unwrap();
    assert_eq!(curve.len(), rows.len());
    for (bin, row) in curve.iter().zip(rows) {
        assert_eq!(bin.n_rows as u64, row["rows"].as_u64().unwrap());
        near(bin.weight, &row["weight"], 1e-12);
        near(bin.mean_risk, &row["mean_score"], 1e-12);
        near(bin.event_rate, &row["event_rate"], 1e-12);
    }
}

fn utility(truth: &[bool], risk: &[f64], weights: Option<&[f64]>, rows: &[Value]) {
    let thresholds: Vec<f64> = rows
        .iter()
        .map(|row| row["threshold"].as_f64().unwrap())
        .collect();
    let curve = decision_curve(truth, risk, &thresholds, weights).unwrap();
    for ((row, threshold), point) in rows.iter().zip(thresholds).zip(curve) {
        let found = confusion(truth, risk, threshold, weights).unwrap();
        near(found.true_positives, &row["true_positives"], 1e-12);
        near(found.false_positives, &row["false_positives"], 1e-12);
        near(found.false_negatives, &row["false_negatives"], 1e-12);
        near(found.true_negatives, &row["true_negatives"], 1e-12);
        let single = net_benefit(truth, risk, threshold, weights).unwrap();
        near(single, &row["net_benefit"], 1e-12);
        near(point.net_benefit, &row["net_benefit"], 1e-12);
        near(point.treat_all, &row["net_benefit_treat_all"], 1e-12);
    }
}

#[test]
fn calibration_equals_that_of_glm() {
    let expected = expected();
    for case in cases() {
        for (name, risk) in &case.scores {
            let reference = &expected[case.name]["calibration"][*name];
            if reference.is_null() {
                continue;
            }
            let found = calibration(&case.truth, risk, None, 0.95).unwrap();
            near(
                found.in_the_large.value,
                &reference["intercept_in_the_large"],
                1e-10,
            );
            let se = found.in_the_large.se.unwrap();
            near(se, &reference["intercept_in_the_large_se"], 1e-10);
            near(
                found.intercept.value,
                &reference["intercept_with_slope"],
                1e-9,
            );
            near(
                found.intercept.se.unwrap(),
                &reference["intercept_with_slope_se"],
                1e-9,
            );
            near(found.slope.value, &reference["slope"], 1e-9);
            near(found.slope.se.unwrap(), &reference["slope_se"], 1e-9);
            near(
                found.covariance,
                &reference["slope_intercept_covariance"],
                1e-9,
            );
            near(found.slope.lower, &reference["wald_95_slope"][0], 1e-9);
            near(
                found.in_the_large.upper,
                &reference["wald_95_intercept_in_the_large"][1],
                1e-9,
            );
        }
    }
}

#[test]
fn smooth_curves_equal_direct_loess() {
    let expected = expected();
    for case in cases() {
        for (name, risk) in &case.scores {
            let reference = &expected[case.name]["calibration"][*name]["loess_direct"];
            if reference.is_null() {
                continue;
            }
            // A local fit at every distinct risk is R's direct surface: equal to rounding.
            let every = LoessOptions {
                max_fits: risk.len(),
                ..LoessOptions::default()
            };
            let found = flexible_calibration(&case.truth, risk, None, every).unwrap();
            near(found.ici, &reference["ici"], 1e-9);
            near(found.e50, &reference["e50"], 1e-9);
            near(found.e90, &reference["e90"], 1e-9);
            // The largest distance lies at the sparse end, where the local design is nearly flat and
            // rounding shows first.
            near(found.emax, &reference["emax"], 1e-8);
            let least = found.observed.iter().copied().fold(f64::INFINITY, f64::min);
            near(least, &reference["smallest_fit"], 1e-9);
            // By default 400 fits are joined by cubics.
            let found =
                flexible_calibration(&case.truth, risk, None, LoessOptions::default()).unwrap();
            near(found.ici, &reference["ici"], 1e-4);
            near(found.e90, &reference["e90"], 1e-3);
        }
    }
}

#[test]
fn proportions_equal_those_of_r() {
    for row in expected()["proportions"].as_array().unwrap() {
        let [successes, trials, level] =
            ["successes", "trials", "level"].map(|key| row[key].as_f64().unwrap());
        let exact = clopper_pearson(successes as u64, trials as u64, level).unwrap();
        near(exact.lower, &row["clopper_pearson"][0], 1e-10);
        near(exact.upper, &row["clopper_pearson"][1], 1e-10);
        let score = wilson(successes, trials, level).unwrap();
        near(score.lower, &row["wilson"][0], 1e-10);
        near(score.upper, &row["wilson"][1], 1e-10);
    }
}

#[test]
fn concordance_equals_that_of_survival() {
    let data = table("input_heart_failure.csv");
    let events = flags(&data["DEATH_EVENT"]);
    for name in ["age", "serum_creatinine"] {
        let reference = &expected()["concordance"][name];
        let found = concordance(&data["time"], &events, &data[name], None, 0.95).unwrap();
        near(found.concordance.value, &reference["concordance"], 1e-12);
        close(
            found.concordance.se.unwrap(),
            &reference["standard_error"],
            1e-10,
        );
        near(found.concordant, &reference["counts"]["concordant"], 0.0);
        near(found.discordant, &reference["counts"]["discordant"], 0.0);
        near(found.tied, &reference["counts"]["tied.x"], 0.0);
    }
}
