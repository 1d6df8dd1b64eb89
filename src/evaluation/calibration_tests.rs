//! Tests of `calibration.rs`: hand-worked numbers, identities, refusals.

use super::*;
use crate::numeric::seed::stream;
use rand::Rng;

fn cohort(n: usize) -> (Vec<bool>, Vec<f64>, Vec<f64>) {
    let mut random = stream(11, 0);
    let risk: Vec<f64> = (0..n)
        .map(|_| f64::from(random.gen_range(1..100)) / 100.0)
        .collect();
    let truth = risk
        .iter()
        .map(|p| random.gen_bool(0.2 + 0.5 * p))
        .collect();
    let weights = (0..n)
        .map(|_| f64::from(random.gen_range(0_u32..4)))
        .collect();
    (truth, risk, weights)
}

/// Rows repeated by integer weights.
fn repeated(truth: &[bool], risk: &[f64], weights: &[f64]) -> (Vec<bool>, Vec<f64>) {
    (0..truth.len())
        .flat_map(|row| std::iter::repeat_n((truth[row], risk[row]), weights[row] as usize))
        .unzip()
}

#[test]
fn losses_worked_by_hand() {
    let truth = [true, false, false, true];
    let risk = [0.8, 0.4, 0.0, 1.0];
    assert!((brier(&truth, &risk, None).unwrap() - 0.05).abs() < 1e-15);
    assert!((brier_scaled(&truth, &risk, None).unwrap() - 0.8).abs() < 1e-14);
    let weighted = brier(&truth, &risk, Some(&[1.0, 3.0, 0.0, 1.0])).unwrap();
    assert!((weighted - (0.04 + 3.0 * 0.16) / 5.0).abs() < 1e-15);
    let loss = log_loss(&truth, &risk, None).unwrap();
    assert!((loss + (0.8_f64.ln() + 0.6_f64.ln()) / 4.0).abs() < 1e-14);
    let wrong = log_loss(&[true], &[0.0], None).unwrap();
    assert!((wrong + RISK_CLIP.ln()).abs() < 1e-9, "finite: {wrong}");
}

#[test]
fn parts_add_up_exactly() {
    let (truth, risk, weights) = cohort(500);
    for bins in [
        Bins::EqualSize(10),
        Bins::EqualWidth(7),
        Bins::EqualSize(1),
        Bins::EqualWidth(1000),
    ] {
        for weights in [None, Some(weights.as_slice())] {
            let parts = brier_parts(&truth, &risk, weights, bins).unwrap();
            let sum =
                parts.reliability - parts.resolution + parts.uncertainty + parts.within_variance
                    - 2.0 * parts.within_covariance;
            assert!((sum - parts.brier).abs() < 1e-14, "{bins:?}");
        }
    }
    // One bin per distinct risk: Murphy's three parts suffice.
    let parts = brier_parts(&truth, &risk, None, Bins::EqualWidth(1000)).unwrap();
    assert!(parts.within_variance < 1e-28);
    assert!((parts.reliability - parts.resolution + parts.uncertainty - parts.brier).abs() < 1e-13);
}

#[test]
fn equal_sizes_keep_ties_together_in_any_row_order() {
    let risk = [0.1, 0.1, 0.1, 0.2, 0.9, 0.9];
    assert_eq!(
        bin_of_rows(&risk, None, Bins::EqualSize(3)),
        [0, 0, 0, 1, 2, 2]
    );
    let back: Vec<f64> = risk.iter().rev().copied().collect();
    assert_eq!(
        bin_of_rows(&back, None, Bins::EqualSize(3)),
        [2, 2, 1, 0, 0, 0]
    );
    assert_eq!(
        bin_of_rows(&[0.0, 0.1, 0.99, 1.0], None, Bins::EqualWidth(10)),
        [0, 1, 9, 9]
    );
    let ece = expected_calibration_error(
        &[true, false, false, true],
        &[0.2, 0.2, 0.8, 0.8],
        None,
        Bins::EqualWidth(2),
    );
    assert!((ece.unwrap() - 0.3).abs() < 1e-15);
}

#[test]
fn a_two_by_two_table_has_its_line_in_closed_form() {
    // Risks 0.2 and 0.5 with 3 of 8 and 9 of 12 events.
    let mut truth = vec![true; 3];
    truth.extend([false; 5]);
    truth.extend([true; 9]);
    truth.extend([false; 3]);
    let mut risk = vec![0.2; 8];
    risk.extend([0.5; 12]);
    let found = calibration(&truth, &risk, None, 0.95).unwrap();
    let (low, high) = (logit(3.0 / 8.0), logit(9.0 / 12.0));
    let slope = (high - low) / (0.0 - logit(0.2));
    assert!((found.slope.value - slope).abs() < 1e-12);
    assert!((found.intercept.value - high).abs() < 1e-12);
    // Variance of a log odds is 1/events + 1/non-events.
    let (v_low, v_high) = (1.0 / 3.0 + 1.0 / 5.0, 1.0 / 9.0 + 1.0 / 3.0);
    assert!((found.intercept.se.unwrap() - f64::sqrt(v_high)).abs() < 1e-12);
    let se = f64::sqrt(v_low + v_high) / -logit(0.2);
    assert!((found.slope.se.unwrap() - se).abs() < 1e-12);
    assert!((found.observed_over_expected - 12.0 / 7.6).abs() < 1e-14);
    // The shift solves 8 p + 12 q = 12.
    let s = found.in_the_large.value;
    let sum = 8.0 * logistic(logit(0.2) + s) + 12.0 * logistic(s);
    assert!((sum - 12.0).abs() < 1e-11);
}

#[test]
fn weights_repeat_rows() {
    let (truth, risk, weights) = cohort(200);
    let (long_truth, long_risk) = repeated(&truth, &risk, &weights);
    let weighted = calibration(&truth, &risk, Some(&weights), 0.9).unwrap();
    let long = calibration(&long_truth, &long_risk, None, 0.9).unwrap();
    assert!((weighted.slope.value - long.slope.value).abs() < 1e-12);
    assert!((weighted.in_the_large.value - long.in_the_large.value).abs() < 1e-12);
    // In the interval a row is one observation, so it is not that of the repeated rows, and not
    // that of other multiples.
    assert!(weighted.slope.se.unwrap() > 1.1 * long.slope.se.unwrap());
    let double: Vec<f64> = weights.iter().map(|weight| 2.0 * weight).collect();
    let doubled = calibration(&truth, &risk, Some(&double), 0.9).unwrap();
    assert!((weighted.slope.lower - doubled.slope.lower).abs() < 1e-12);
    assert!((weighted.in_the_large.upper - doubled.in_the_large.upper).abs() < 1e-12);
    assert!((weighted.covariance - doubled.covariance).abs() < 1e-12);
    let ones = vec![1.0; 200];
    assert_eq!(
        calibration(&truth, &risk, None, 0.9).unwrap(),
        calibration(&truth, &risk, Some(&ones), 0.9).unwrap()
    );
}

#[test]
fn extreme_risks_are_counted_and_do_not_break_the_fit() {
    let (truth, mut risk, _) = cohort(300);
    risk[0] = 0.0;
    risk[1] = 1.0;
    let found = calibration(&truth, &risk, None, 0.95).unwrap();
    assert_eq!(found.n_clipped, 2);
    // All risks far too low: the shift is large, not lost.
    let low: Vec<f64> = risk.iter().map(|p| p * 1e-12 + 1e-14).collect();
    let found = calibration(&truth, &low, None, 0.95).unwrap();
    assert!(found.in_the_large.value > 20.0);
}

#[test]
fn what_has_no_slope_is_refused() {
    let undefined = |truth: &[bool], risk: &[f64]| {
        matches!(
            calibration(truth, risk, None, 0.95).unwrap_err().kind(),
            ErrorKind::Undefined { .. }
        )
    };
    assert!(undefined(&[true, false], &[0.3, 0.3]));
    assert!(undefined(&[true, true, false], &[0.6, 0.5, 0.5]));
    assert!(undefined(&[false, false, true], &[0.6, 0.7, 0.5]));
    assert!(matches!(
        calibration(&[true, true], &[0.1, 0.2], None, 0.95)
            .unwrap_err()
            .kind(),
        ErrorKind::SingleClass { .. }
    ));
    assert!(matches!(
        brier(&[true], &[1.5], None).unwrap_err().kind(),
        ErrorKind::OutOfRange { row: Some(0), .. }
    ));
    assert!(matches!(
        brier_parts(&[true], &[0.5], None, Bins::EqualSize(0))
            .unwrap_err()
            .kind(),
        ErrorKind::Parameter { .. }
    ));
}
