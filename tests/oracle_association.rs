//! Measures and tests of pairs against R, metafor, mlxtend, statsmodels and exact arithmetic.
//!
//! The reference values, their tools and versions stand in `tests/fixtures/association`.

use galen::association::{
    Alternative, Attainable, HalfCorrection, OrderCounts, PairCounts, breslow_day, direction_test,
    mantel_haenszel, mantel_haenszel_test,
};
use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/association");

fn expected(name: &str) -> Value {
    let text = std::fs::read_to_string(format!("{FOLDER}/{name}")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some("inf") => f64::INFINITY,
        Some("-inf") => f64::NEG_INFINITY,
        _ => value.as_f64().unwrap(),
    }
}

/// Relative, and absolute for numbers below `floor`.
#[track_caller]
fn near(found: f64, expected: &Value, tolerance: f64, floor: f64) {
    let expected = number(expected);
    let gap = (found - expected).abs();
    assert!(
        found == expected || gap <= tolerance * expected.abs().max(floor),
        "{found:e} instead of {expected:e}, gap {gap:e}"
    );
}

fn pair(value: &Value) -> PairCounts {
    let at = |place: usize| value[place].as_u64().unwrap();
    PairCounts::new(at(0), at(1), at(2), at(3)).unwrap()
}

fn cells(value: &Value) -> PairCounts {
    let at = |place: usize| value[place].as_u64().unwrap();
    let [a, b, c, d] = [at(0), at(1), at(2), at(3)];
    PairCounts::new(a + b + c + d, a + b, a + c, a).unwrap()
}

const SIDES: [Alternative; 3] = [
    Alternative::TwoSided,
    Alternative::Greater,
    Alternative::Less,
];

#[test]
fn tables_as_r_and_metafor() {
    let mut compared = 0;
    for case in expected("expected.json")["tables"].as_array().unwrap() {
        let pair = pair(&case["counts"]);
        for (side, p) in SIDES.iter().zip(case["fisher"].as_array().unwrap()) {
            // R sums probabilities whose own error grows with the margins to 1e-10.
            near(pair.fisher_p(*side), p, 1e-9, 0.0);
        }
        for (yates, name) in [(false, "chi_squared"), (true, "chi_squared_yates")] {
            match pair.chi_squared(yates) {
                None => assert!(case[name][0].is_null()),
                Some(test) => {
                    near(test.statistic, &case[name][0], 1e-10, 1e-9);
                    near(test.p, &case[name][1], 1e-9, 0.0);
                }
            }
        }
        if let Some(phi) = pair.phi() {
            near(phi, &case["phi"], 1e-12, 1e-3);
            let ratios = [
                (pair.odds_ratio(0.95, HalfCorrection::IfZero), "odds_ratio"),
                (
                    pair.relative_risk(0.95, HalfCorrection::IfZero),
                    "relative_risk",
                ),
            ];
            for (found, name) in ratios {
                let found = found.unwrap();
                for (found, expected) in [found.value, found.se.unwrap(), found.lower, found.upper]
                    .into_iter()
                    .zip(case[name].as_array().unwrap())
                {
                    near(found, expected, 1e-11, 0.0);
                    compared += 1;
                }
            }
        }
        if let Ok(found) = pair.confidence_interval(0.95) {
            near(found.lower, &case["wilson"][0], 1e-11, 1e-3);
            near(found.upper, &case["wilson"][1], 1e-11, 1e-3);
        }
    }
    assert!(compared > 100);
}

#[test]
fn strata_as_r_and_metafor() {
    for (name, case) in expected("expected.json")["strata"].as_object().unwrap() {
        let strata: Vec<PairCounts> = case["strata"]
            .as_array()
            .unwrap()
            .iter()
            .map(cells)
            .collect();
        let odds = mantel_haenszel(&strata, 0.95).unwrap().odds_ratio;
        for (found, expected) in [odds.value, odds.se.unwrap(), odds.lower, odds.upper]
            .into_iter()
            .zip(case["odds_ratio"].as_array().unwrap())
        {
            near(found, expected, 1e-11, 0.0);
        }
        for (correct, key) in [(true, "corrected"), (false, "plain")] {
            let test = mantel_haenszel_test(&strata, correct).unwrap();
            near(test.statistic, &case[key][0], 1e-11, 0.0);
            near(test.p, &case[key][1], 1e-9, 0.0);
        }
        for (tarone, key) in [(false, "breslow_day"), (true, "tarone")] {
            let test = breslow_day(&strata, tarone).unwrap();
            near(test.statistic, &case[key][0], 1e-9, 0.0);
            // metafor counts all strata, also those that say nothing.
            if name != "empty_margins" {
                near(test.p, &case[key][1], 1e-9, 0.0);
            }
        }
    }
}

#[test]
fn rules_as_mlxtend() {
    let all = expected("expected_python.json");
    let rules = all["rules"].as_array().unwrap();
    assert!(rules.len() > 50);
    for rule in rules {
        let pair = pair(&rule["counts"]);
        near(pair.support(), &rule["support"], 1e-12, 0.0);
        near(pair.confidence().unwrap(), &rule["confidence"], 1e-12, 0.0);
        near(pair.lift().unwrap(), &rule["lift"], 1e-12, 0.0);
        // A difference of two shares: mlxtend's own rounding is 1e-16 absolute.
        near(pair.leverage(), &rule["leverage"], 1e-11, 1e-4);
        near(pair.conviction().unwrap(), &rule["conviction"], 1e-11, 0.0);
        near(pair.zhang().unwrap(), &rule["zhang"], 1e-11, 1e-2);
        near(pair.jaccard().unwrap(), &rule["jaccard"], 1e-12, 0.0);
        near(pair.kulczynski().unwrap(), &rule["kulczynski"], 1e-12, 0.0);
    }
    for case in all["newcombe"].as_array().unwrap() {
        let found = pair(&case["counts"]).risk_difference(0.95).unwrap();
        near(found.lower, &case["interval"][0], 1e-11, 1e-2);
        near(found.upper, &case["interval"][1], 1e-11, 1e-2);
    }
}

#[test]
fn fisher_as_fifty_digit_arithmetic() {
    for case in expected("expected_python.json")["exact"]
        .as_array()
        .unwrap()
    {
        let pair = pair(&case["counts"]);
        for (side, log_p) in SIDES.iter().zip(case["log_p"].as_array().unwrap()) {
            let expected = number(log_p);
            let found = pair.fisher_log_p(*side);
            // An absolute error of a logarithm is the relative error of its p-value.
            let allowed = 1e-11 + 1e-14 * expected.abs();
            assert!(
                (found - expected).abs() <= allowed,
                "{pair:?} {side:?} {found} {expected}"
            );
        }
    }
}

#[test]
fn attainable_p_as_scipy() {
    for case in expected("expected_python.json")["attainable"]
        .as_array()
        .unwrap()
    {
        let at = |key: &str| case[key].as_u64().unwrap();
        for (side, key) in [
            (Alternative::Greater, "greater"),
            (Alternative::Less, "less"),
        ] {
            let attainable = Attainable::new(at("n"), at("n_class"), side).unwrap();
            near(attainable.least_p(at("support")), &case[key], 1e-9, 0.0);
        }
    }
}

#[test]
fn order_as_r_binom_test() {
    for case in expected("expected.json")["binomial"].as_array().unwrap() {
        let (first, n) = (case[0].as_u64().unwrap(), case[1].as_u64().unwrap());
        let counts = OrderCounts {
            a_first: first,
            b_first: n - first,
            same_day: 0,
            far_apart: 0,
            a_only: 0,
            b_only: 0,
        };
        let found = direction_test(&counts, number(&case[2]), 0.95).unwrap();
        near(found.p, &case[3], 1e-9, 0.0);
        near(found.p_a_first, &case[4], 1e-9, 0.0);
        near(found.p_b_first, &case[5], 1e-9, 0.0);
        near(found.share.lower, &case[6], 1e-9, 1e-3);
        near(found.share.upper, &case[7], 1e-9, 1e-3);
    }
}
