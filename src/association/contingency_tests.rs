use super::*;

fn near(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance * expected.abs().max(1.0),
        "{found} instead of {expected}"
    );
}

#[test]
fn measures_by_hand() {
    // 40 patients: 10 with A, 16 with B, 8 with both; cells 8, 2, 8, 22.
    let pair = PairCounts::new(40, 10, 16, 8).unwrap();
    assert_eq!(pair.cells(), [8, 2, 8, 22]);
    assert_eq!(pair.expected(), 4.0);
    assert_eq!(pair.support(), 0.2);
    assert_eq!(pair.confidence(), Some(0.8));
    assert_eq!(pair.lift(), Some(2.0));
    near(pair.leverage(), 0.1, 1e-16);
    near(pair.conviction().unwrap(), 3.0, 1e-15);
    near(pair.zhang().unwrap(), 160.0 / 240.0, 1e-15);
    near(pair.jaccard().unwrap(), 8.0 / 18.0, 1e-15);
    near(pair.kulczynski().unwrap(), 0.65, 1e-15);
    near(pair.phi().unwrap(), 160.0 / 115_200.0_f64.sqrt(), 1e-15);
    let odds = pair.odds_ratio(0.95, HalfCorrection::IfZero).unwrap();
    near(odds.value, 11.0, 1e-15);
    let se = (1.0 / 8.0 + 1.0 / 2.0 + 1.0 / 8.0 + 1.0 / 22.0_f64).sqrt();
    near(odds.se.unwrap(), se, 1e-15);
    near(odds.upper, 11.0 * (1.959_963_984_540_054 * se).exp(), 1e-14);
    let risk = pair.relative_risk(0.95, HalfCorrection::Never).unwrap();
    near(risk.value, 3.0, 1e-15);
    let se = (1.0 / 8.0 - 1.0 / 10.0 + 1.0 / 8.0 - 1.0 / 30.0_f64).sqrt();
    near(risk.se.unwrap(), se, 1e-14);
    let plain = pair.chi_squared(false).unwrap();
    near(plain.statistic, 40.0 * 160.0 * 160.0 / 115_200.0, 1e-14);
    near(
        pair.chi_squared(true).unwrap().statistic,
        3.5 * 3.5 * (1.0 / 4.0 + 1.0 / 6.0 + 1.0 / 12.0 + 1.0 / 18.0),
        1e-14,
    );
    assert_eq!(pair.least_expected(), 4.0);
}

#[test]
fn newcombe_printed_example() {
    // Newcombe 1998, Table II (a): 56/70 against 48/80, method 10: 0.0524 to 0.3339.
    let pair = PairCounts::new(150, 70, 104, 56).unwrap();
    let found = pair.risk_difference(0.95).unwrap();
    near(found.value, 0.2, 1e-15);
    near(found.lower, 0.0524, 5e-5);
    near(found.upper, 0.3339, 5e-5);
}

#[test]
fn lift_interval_by_sampling() {
    // The standard error of log lift, by cohorts drawn anew from the same four shares.
    use crate::numeric::seed::{stream, uniform};
    let pair = PairCounts::new(2_000, 300, 500, 150).unwrap();
    let ends: Vec<f64> = pair
        .cells()
        .iter()
        .scan(0.0, |sum, cell| {
            *sum += *cell as f64 / 2_000.0;
            Some(*sum)
        })
        .collect();
    let logs: Vec<f64> = (0..2_000)
        .map(|task| {
            let mut stream = stream(11, task);
            let mut cells = [0_u64; 4];
            for _ in 0..2_000 {
                let at = uniform(&mut stream);
                cells[ends.iter().position(|end| at < *end).unwrap_or(3)] += 1;
            }
            let drawn = PairCounts::new(2_000, cells[0] + cells[1], cells[0] + cells[2], cells[0]);
            drawn.unwrap().lift().unwrap().ln()
        })
        .collect();
    let mean = logs.iter().sum::<f64>() / 2_000.0;
    let sd = (logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / 1_999.0).sqrt();
    // 2,000 draws know a standard deviation to 1.6 per cent.
    let se = pair.lift_interval(0.95).unwrap().se.unwrap();
    near(se / sd, 1.0, 0.06);
}

#[test]
fn fisher_of_the_tea_lady_and_r() {
    // 3 of 4 cups right: 17/70 one-sided, 34/70 two-sided.
    let tea = PairCounts::new(8, 4, 4, 3).unwrap();
    near(tea.fisher_p(Alternative::Greater), 17.0 / 70.0, 1e-15);
    near(tea.fisher_p(Alternative::TwoSided), 34.0 / 70.0, 1e-15);
    near(tea.fisher_p(Alternative::Less), 69.0 / 70.0, 1e-15);
    let far = PairCounts::new(10_000_000, 100_000, 100_000, 20_000).unwrap();
    assert_eq!(far.fisher_p(Alternative::TwoSided), 0.0);
    assert!(far.fisher_log_p(Alternative::TwoSided) < -1e4);
}

#[test]
fn edges() {
    let none = PairCounts::new(10, 0, 4, 0).unwrap();
    assert_eq!(none.confidence(), None);
    assert_eq!(none.lift(), None);
    assert_eq!(none.phi(), None);
    assert_eq!(none.chi_squared(true), None);
    assert!(none.confidence_interval(0.95).is_err());
    assert!(none.lift_interval(0.95).is_err());
    assert!(none.risk_difference(0.95).is_err());
    assert!(none.odds_ratio(0.95, HalfCorrection::Never).is_err());
    assert!(none.odds_ratio(0.95, HalfCorrection::IfZero).is_ok());
    assert_eq!(none.fisher_p(Alternative::TwoSided), 1.0);
    let all = PairCounts::new(10, 4, 4, 4).unwrap();
    assert_eq!(all.conviction(), Some(f64::INFINITY));
    assert_eq!(all.zhang(), Some(1.0));
    let odds = all.odds_ratio(0.9, HalfCorrection::Never).unwrap();
    assert_eq!(
        (odds.value, odds.se, odds.lower),
        (f64::INFINITY, None, 0.0)
    );
    near(
        all.odds_ratio(0.9, HalfCorrection::IfZero).unwrap().value,
        4.5 * 6.5 / 0.25,
        1e-15,
    );
    assert!(all.odds_ratio(1.0, HalfCorrection::IfZero).is_err());
}

#[test]
fn impossible_counts_are_refused() {
    for (n, a, b, ab) in [
        (0, 0, 0, 0),
        (5, 6, 1, 1),
        (5, 1, 6, 1),
        (5, 2, 3, 3),
        (5, 4, 4, 2),
        (u64::MAX, 1, 1, 1),
    ] {
        assert!(PairCounts::new(n, a, b, ab).is_err(), "{n} {a} {b} {ab}");
    }
    assert!(serde_json::from_str::<PairCounts>(r#"{"n":5,"n_a":4,"n_b":4,"n_ab":2}"#).is_err());
    let pair = PairCounts::new(9, 4, 4, 2).unwrap();
    let text = serde_json::to_string(&pair).unwrap();
    assert_eq!(serde_json::from_str::<PairCounts>(&text).unwrap(), pair);
}

#[test]
fn swapping_the_items_keeps_symmetric_measures() {
    for (n, a, b, ab) in [(40, 10, 16, 8), (40, 30, 16, 8), (1_000, 3, 700, 1)] {
        let pair = PairCounts::new(n, a, b, ab).unwrap();
        let other = PairCounts::new(n, b, a, ab).unwrap();
        assert_eq!(pair.lift(), other.lift());
        assert_eq!(pair.leverage(), other.leverage());
        near(pair.phi().unwrap(), other.phi().unwrap(), 1e-15);
        for alternative in [
            Alternative::TwoSided,
            Alternative::Greater,
            Alternative::Less,
        ] {
            let (p, q) = (pair.fisher_p(alternative), other.fisher_p(alternative));
            near(p / q, 1.0, 1e-13);
        }
        // Every interval holds its estimate.
        let intervals = [
            pair.odds_ratio(0.95, HalfCorrection::IfZero),
            pair.relative_risk(0.95, HalfCorrection::Always),
            pair.risk_difference(0.95),
            pair.lift_interval(0.95),
            pair.confidence_interval(0.95),
        ];
        for found in intervals {
            let found = found.unwrap();
            assert!(found.lower < found.value && found.value < found.upper);
        }
    }
}
