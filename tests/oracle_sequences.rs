//! Sequential patterns against the package prefixspan, times to an event against R's survival, tests
//! within strata against R's exact Mantel-Haenszel test.

use galen::association::{Alternative, Cooccurrence, FollowUp, PrefixSpan, Strata, TimeTo};
use galen::design::{Hierarchy, Histories, Items};
use serde_json::Value;

fn expected(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sequences");
    let text = std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    value.as_array().unwrap().iter().map(number).collect()
}

#[track_caller]
fn near(found: f64, expected: f64, tolerance: f64) {
    let gap = (found - expected).abs();
    assert!(
        gap <= tolerance * expected.abs().max(1e-3),
        "{found:e} instead of {expected:e}"
    );
}

#[test]
fn patterns_as_prefixspan() {
    let wanted = expected("expected_python.json");
    let patients = wanted["patients"].as_array().unwrap();
    let events = patients.iter().enumerate().flat_map(|(patient, steps)| {
        let steps = steps.as_str().unwrap().chars().enumerate();
        steps.map(move |(day, step)| (patient, day as i32, step.to_string()))
    });
    let histories = Histories::from_days(patients.len(), events).unwrap();
    for (name, wanted) in wanted["found"].as_object().unwrap() {
        let (least, closed) = match name.split_once(' ') {
            Some((least, _)) => (least, true),
            None => (name.as_str(), false),
        };
        let params = PrefixSpan::params()
            .min_count(least.parse().unwrap())
            .closed(closed);
        let found = params.mine(&histories).unwrap();
        let mut told: Vec<(String, u64)> = found
            .iter()
            .map(|sequence| (found.text(sequence), sequence.support))
            .collect();
        told.sort();
        assert_eq!(told.len() as u64, wanted["n"].as_u64().unwrap(), "{name}");
        let sum: u64 = told.iter().map(|(_, support)| support).sum();
        assert_eq!(sum, wanted["sum"].as_u64().unwrap(), "{name}");
        let first: Vec<(String, u64)> = serde_json::from_value(wanted["first"].clone()).unwrap();
        assert_eq!(told[..first.len()], first, "{name}");
    }
}

/// Times from A to B of the fixture, each in its own patient.
fn times(wanted: &Value) -> Histories {
    let (days, event) = (numbers(&wanted["days"]), numbers(&wanted["event"]));
    let mut events = Vec::new();
    for (patient, (day, came)) in days.iter().zip(&event).enumerate() {
        events.push((patient, 0, "a"));
        if *came == 1.0 {
            events.push((patient, *day as i32, "b"));
        }
    }
    // Who has B is observed beyond it.
    let end = |(day, came): (&f64, &f64)| *day as i32 + 200 * *came as i32;
    let ends = days.iter().zip(&event).map(end).enumerate();
    let histories = Histories::from_days(days.len(), events).unwrap();
    histories.followed_until(ends).unwrap()
}

#[track_caller]
fn curve_as(found: &FollowUp, curve: &Value, median: &Value) {
    let column = |name: &str| numbers(&curve[name]);
    let (day, at_risk, came, ended) = (
        column("day"),
        column("at_risk"),
        column("events"),
        column("censored"),
    );
    let (share, lower, upper) = (column("share"), column("lower"), column("upper"));
    assert_eq!(found.curve.len(), day.len());
    for (at, point) in found.curve.iter().enumerate() {
        assert_eq!(point.day, day[at]);
        let counts = [point.at_risk, point.events, point.censored].map(|count| count as f64);
        assert_eq!(counts, [at_risk[at], came[at], ended[at]]);
        near(point.share, share[at], 1e-12);
        if share[at] > 0.0 && share[at] < 1.0 {
            near(point.lower, lower[at], 1e-12);
            near(point.upper, upper[at], 1e-12);
        }
    }
    let told = [
        found.median,
        found.median_interval.0,
        found.median_interval.1,
    ];
    let wanted: Vec<Option<f64>> = (median.as_array().unwrap().iter().map(Value::as_f64)).collect();
    assert_eq!(told.as_slice(), wanted);
}

#[test]
fn times_to_an_event_as_survival() {
    let wanted = expected("expected.json");
    let params = TimeTo::params().window(1_000);
    let found = params.of(&times(&wanted), "a", "b").unwrap();
    curve_as(&found, &wanted["curve"], &wanted["median"]);
}

/// B from the first to the last day of a window: given that neither B nor the end came before.
#[test]
fn windows_that_begin_later_as_survival() {
    let wanted = expected("expected.json");
    for case in wanted["from"].as_array().unwrap() {
        let window = numbers(&case["window"]);
        let params = TimeTo::params()
            .landmark(window[0] as u32)
            .window(window[1] as u32);
        let found = params.of(&times(&wanted), "a", "b").unwrap();
        assert_eq!(found.n_at_risk, case["n"].as_u64().unwrap());
        curve_as(&found, &case["curve"], &case["median"]);
    }
}

#[test]
fn strata_as_exact_mantel_haenszel() {
    let wanted = expected("expected.json");
    let sides = [
        Alternative::TwoSided,
        Alternative::Greater,
        Alternative::Less,
    ];
    for case in wanted["exact"].as_array().unwrap() {
        let (mut pairs, mut strata) = (Vec::new(), Vec::new());
        for (stratum, cells) in case["strata"].as_array().unwrap().iter().enumerate() {
            for (cell, count) in numbers(cells).into_iter().enumerate() {
                for _ in 0..count as usize {
                    let unit = strata.len();
                    strata.push(stratum);
                    pairs.extend((cell == 0 || cell == 1).then_some((unit, "a")));
                    pairs.extend((cell == 0 || cell == 2).then_some((unit, "b")));
                }
            }
        }
        let items = Items::from_pairs(strata.len(), pairs, &Hierarchy::default()).unwrap();
        let strata = Strata::new(strata);
        for (side, p) in sides.into_iter().zip(numbers(&case["p"])) {
            let params = Cooccurrence::params()
                .alpha(1.0)
                .min_count(1)
                .alternative(side);
            let found = params.find_within(&items, &strata).unwrap();
            let within = found.iter().next().unwrap().stratified.unwrap();
            assert!(within.exact);
            near(within.p, p, 1e-10);
        }
    }
}

/// Everybody has B: the curve ends at 0, where R has no limits.
#[test]
fn medians_of_curves_that_end_as_survival() {
    for case in expected("expected.json")["ended"].as_array().unwrap() {
        let days = numbers(&case["days"]);
        let events = days
            .iter()
            .enumerate()
            .flat_map(|(patient, day)| [(patient, 0, "a"), (patient, *day as i32, "b")]);
        // Everybody has B last: its day is the end.
        let histories = Histories::from_days(days.len(), events).unwrap();
        let histories = histories.followed_to_last_event();
        let found = TimeTo::params().of(&histories, "a", "b").unwrap();
        let told = [
            found.median,
            found.median_interval.0,
            found.median_interval.1,
        ];
        let wanted: Vec<Option<f64>> =
            (case["median"].as_array().unwrap().iter().map(Value::as_f64)).collect();
        assert_eq!(told.as_slice(), wanted);
    }
}
