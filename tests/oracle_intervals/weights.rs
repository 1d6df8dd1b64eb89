//! Weighted metrics and their intervals.

use galen::evaluation::{
    Estimate, LoessOptions, RiskOptions, SubgroupOptions, auprc, auroc, auroc_delong, auroc_paired,
    calibration, decision_curve, evaluate_risk, flexible_calibration, subgroups, threshold_report,
};
use serde_json::Value;

use crate::{Input, close, expected, near};

const KINDS: [&str; 2] = ["weight", "repeats"];

#[test]
fn weighted_numbers_equal_those_of_scikit_learn() {
    let input = Input::read();
    let (truth, risk, visits) = (
        input.truth(),
        input.numbers("risk"),
        input.numbers("inpatient"),
    );
    let expected = expected();
    for kind in KINDS {
        let weights = input.numbers(kind);
        let reference = &expected["weights"][kind]["scikit_learn"];
        let found = evaluate_risk(&truth, &risk, Some(&weights), &RiskOptions::default()).unwrap();
        near(found.auroc.auroc, &reference["auroc"], 1e-13);
        near(found.auprc, &reference["auprc"], 1e-13);
        near(found.brier, &reference["brier"], 1e-13);
        near(found.brier_scaled, &reference["brier_scaled"], 1e-12);
        near(found.brier_parts.brier, &reference["brier"], 1e-13);
        near(found.log_loss, &reference["log_loss"], 1e-12);
        near(found.event_rate, &reference["event_rate"], 1e-13);
        near(found.mean_risk, &reference["mean_risk"], 1e-13);
        // Ten distinct numbers: ties everywhere.
        let weights = Some(weights.as_slice());
        let tied = auroc(&truth, &visits, weights).unwrap();
        near(tied, &reference["auroc_inpatient"], 1e-13);
        let tied = auprc(&truth, &visits, weights).unwrap();
        near(tied, &reference["auprc_inpatient"], 1e-13);
        for row in reference["utility"].as_array().unwrap() {
            let threshold = row["threshold"].as_f64().unwrap();
            let found = threshold_report(&truth, &risk, threshold, weights, 0.95).unwrap();
            let table = &found.confusion;
            near(table.true_positives, &row["true_positives"], 1e-12);
            near(table.false_positives, &row["false_positives"], 1e-12);
            near(table.false_negatives, &row["false_negatives"], 1e-12);
            near(table.true_negatives, &row["true_negatives"], 1e-12);
            near(found.mcc.unwrap(), &row["mcc"], 1e-12);
            near(found.net_benefit, &row["net_benefit"], 1e-13);
            let point = decision_curve(&truth, &risk, &[threshold], weights).unwrap()[0];
            near(point.net_benefit, &row["net_benefit"], 1e-13);
            near(point.treat_all, &row["treat_all"], 1e-13);
            if kind == "repeats" {
                near(point.net_benefit, &row["dcurves"]["net_benefit"], 1e-13);
                near(point.treat_all, &row["dcurves"]["treat_all"], 1e-13);
            }
        }
    }
}

#[test]
fn variances_of_weighted_areas_equal_those_of_survey() {
    let input = Input::read();
    let (truth, risk, visits) = (
        input.truth(),
        input.numbers("risk"),
        input.numbers("inpatient"),
    );
    let expected = expected();
    for kind in KINDS {
        let weights = input.numbers(kind);
        let weights = Some(weights.as_slice());
        let reference = &expected["weights"][kind]["areas"];
        for (name, score) in [("risk", &risk), ("inpatient", &visits)] {
            let found = auroc_delong(&truth, score, weights, 0.95).unwrap();
            near(found.auroc, &reference[name]["value"], 1e-12);
            close(found.variance, &reference[name]["variance"], 1e-10);
        }
        let found = auroc_paired(&truth, &risk, &visits, weights, 0.95).unwrap();
        let reference = &reference["difference"];
        near(found.difference, &reference["value"], 1e-12);
        close(found.se * found.se, &reference["variance"], 1e-10);
    }
}

#[test]
fn weighted_calibration_equals_that_of_svyglm() {
    let input = Input::read();
    let (truth, risk) = (input.truth(), input.numbers("risk"));
    let expected = expected();
    for kind in KINDS {
        let weights = input.numbers(kind);
        let found = calibration(&truth, &risk, Some(&weights), 0.95).unwrap();
        line(&found, &expected["weights"][kind]["calibration"]);
    }
}

fn line(found: &galen::evaluation::Calibration, reference: &Value) {
    near(found.in_the_large.value, &reference["in_the_large"], 1e-10);
    let se = |estimate: &Estimate| estimate.se.unwrap();
    close(se(&found.in_the_large), &reference["in_the_large_se"], 1e-9);
    near(found.intercept.value, &reference["intercept"], 1e-10);
    close(se(&found.intercept), &reference["intercept_se"], 1e-9);
    near(found.slope.value, &reference["slope"], 1e-10);
    close(se(&found.slope), &reference["slope_se"], 1e-9);
    close(found.covariance, &reference["covariance"], 1e-9);
}

#[test]
fn weighted_shares_have_the_intervals_of_their_effective_rows() {
    let input = Input::read();
    let (truth, risk) = (input.truth(), input.numbers("risk"));
    let expected = expected();
    for kind in KINDS {
        let weights = input.numbers(kind);
        for row in expected["weights"][kind]["shares"].as_array().unwrap() {
            let threshold = row["threshold"].as_f64().unwrap();
            let found = threshold_report(&truth, &risk, threshold, Some(&weights), 0.95).unwrap();
            for (name, share) in [
                ("flagged", Some(found.flagged)),
                ("accuracy", Some(found.accuracy)),
                ("sensitivity", found.sensitivity),
                ("specificity", found.specificity),
                ("ppv", found.ppv),
                ("npv", found.npv),
            ] {
                let share = share.unwrap();
                near(share.value, &row[name]["share"], 1e-12);
                near(share.lower, &row[name]["exact"][0], 1e-10);
                near(share.upper, &row[name]["exact"][1], 1e-10);
            }
        }
    }
}

#[test]
fn whole_weights_smooth_as_repeated_rows() {
    let input = Input::read();
    let (truth, risk, weights) = (
        input.truth(),
        input.numbers("risk"),
        input.numbers("repeats"),
    );
    let every = LoessOptions {
        max_fits: risk.len(),
        ..LoessOptions::default()
    };
    let found = flexible_calibration(&truth, &risk, Some(&weights), every).unwrap();
    let reference = &expected()["weights"]["repeats"]["smooth"];
    near(found.ici, &reference["ici"], 1e-10);
    near(found.e50, &reference["e50"], 1e-10);
    near(found.e90, &reference["e90"], 1e-10);
    near(found.emax, &reference["emax"], 1e-8);
}

#[test]
fn weights_with_fractions_smooth_alike_at_any_scale() {
    let input = Input::read();
    let (truth, risk, weights) = (
        input.truth(),
        input.numbers("risk"),
        input.numbers("weight"),
    );
    let of = |scale: f64| {
        let weights: Vec<f64> = weights.iter().map(|weight| scale * weight).collect();
        flexible_calibration(&truth, &risk, Some(&weights), LoessOptions::default()).unwrap()
    };
    let [small, plain, large] = [1e-6, 1.0, 1e6].map(of);
    for other in [small, large] {
        assert!((other.ici - plain.ici).abs() < 1e-9);
        assert!((other.e50 - plain.e50).abs() < 1e-9);
        assert!((other.e90 - plain.e90).abs() < 1e-9);
    }
    let without = flexible_calibration(&truth, &risk, None, LoessOptions::default()).unwrap();
    assert!((plain.ici - without.ici).abs() > 1e-3);
}

#[test]
fn subgroups_equal_glm_and_survey() {
    let input = Input::read();
    let (truth, risk, weights) = (
        input.truth(),
        input.numbers("risk"),
        input.numbers("weight"),
    );
    let older = ["60-70", "70-80", "80-90", "90-100"];
    let age = input.text("age").into_iter().map(|age| {
        let older = older.contains(&age.as_str());
        String::from(if older { "older" } else { "younger" })
    });
    for (by, group) in [("sex", input.text("sex")), ("age", age.collect())] {
        let reference = &expected()["subgroups"][by];
        let options = SubgroupOptions::default();
        let plain = subgroups(&truth, &risk, None, &group, options).unwrap();
        let weighted = subgroups(&truth, &risk, Some(&weights), &group, options).unwrap();
        assert_eq!((plain.len(), weighted.len()), (2, 2));
        for (plain, weighted) in plain.iter().zip(&weighted) {
            let reference = &reference[plain.group.as_str()];
            for found in [plain, weighted] {
                assert_eq!(found.n_rows.map(|n| n as u64), reference["rows"].as_u64());
                let events = found.n_events.map(|n| n as u64);
                assert_eq!(events, reference["events"].as_u64());
            }
            for (found, kind) in [(plain, "unweighted"), (weighted, "weighted")] {
                let ratio = found.observed_over_expected.unwrap();
                near(ratio.value, &reference[kind]["value"], 1e-12);
                near(ratio.lower, &reference[kind]["ci_95"][0], 1e-10);
                near(ratio.upper, &reference[kind]["ci_95"][1], 1e-10);
            }
            let area = weighted.auroc.as_ref().unwrap();
            near(area.auroc, &reference["weighted_area"]["value"], 1e-12);
            close(
                area.variance,
                &reference["weighted_area"]["variance"],
                1e-10,
            );
            let rate = weighted.event_rate.unwrap();
            near(rate.value, &reference["weighted_rate"]["share"], 1e-12);
            near(rate.lower, &reference["weighted_rate"]["wilson"][0], 1e-10);
            near(rate.upper, &reference["weighted_rate"]["wilson"][1], 1e-10);
            let slope = weighted.calibration_slope.unwrap();
            let line = &reference["weighted_calibration"];
            near(slope.value, &line["slope"], 1e-10);
            close(slope.se.unwrap(), &line["slope_se"], 1e-9);
        }
    }
}
