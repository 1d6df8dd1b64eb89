//! How far off are predicted numbers? Errors, deviances and quantile loss.
//!
//! All functions take the truth, the prediction by row and optional case weights.

use crate::error::Result;
use crate::evaluation::check::{self, weight_of};
use crate::numeric::rank::weighted_quantile;
use crate::numeric::stable::Sum;

/// Mean error: prediction minus truth. Positive means predicted too high.
///
/// # Errors
/// Other lengths, non-finite values, bad weights, no rows.
pub fn mean_error(truth: &[f64], predicted: &[f64], weights: Option<&[f64]>) -> Result<f64> {
    checked("mean_error", truth, predicted, weights)?;
    Ok(mean(truth, predicted, weights, |t, p| p - t))
}

/// Mean absolute error, in the unit of the target.
///
/// # Errors
/// As [`mean_error`].
///
/// ```
/// use galen::evaluation::mae;
/// # fn main() -> galen::Result<()> {
/// assert_eq!(mae(&[1.0, 2.0], &[2.0, 4.0], None)?, 1.5);
/// # Ok(())
/// # }
/// ```
pub fn mae(truth: &[f64], predicted: &[f64], weights: Option<&[f64]>) -> Result<f64> {
    checked("mae", truth, predicted, weights)?;
    Ok(mean(truth, predicted, weights, |t, p| (p - t).abs()))
}

/// Root of the mean squared error, in the unit of the target; large errors weigh more.
///
/// # Errors
/// As [`mean_error`].
pub fn rmse(truth: &[f64], predicted: &[f64], weights: Option<&[f64]>) -> Result<f64> {
    checked("rmse", truth, predicted, weights)?;
    // Errors are scaled by the largest, so that squares neither overflow nor vanish.
    let largest = largest_error(truth, predicted);
    if largest == 0.0 {
        return Ok(0.0);
    }
    let square = mean(truth, predicted, weights, |t, p| {
        ((p - t) / largest).powi(2)
    });
    Ok(largest * square.sqrt())
}

/// Coefficient of determination: 1 - squared errors / squared distances from the mean of the truth.
///
/// 1 is perfect, 0 as good as the mean of these rows, negative worse.
///
/// # Errors
/// As [`mean_error`]; undefined when the truth is constant.
pub fn r2(truth: &[f64], predicted: &[f64], weights: Option<&[f64]>) -> Result<f64> {
    const WHAT: &str = "r2";
    checked(WHAT, truth, predicted, weights)?;
    let average = mean(truth, truth, weights, |t, _| t);
    let spread = mean(truth, truth, weights, |t, _| (t - average).powi(2));
    let weighted = |row: &usize| weight_of(weights, *row) > 0.0;
    let first = (0..truth.len()).find(weighted).map(|row| truth[row]);
    let constant = (0..truth.len())
        .filter(weighted)
        .all(|row| Some(truth[row]) == first);
    if constant || spread <= 0.0 {
        return Err(check::undefined(WHAT, "the truth is constant"));
    }
    Ok(1.0 - mean(truth, predicted, weights, |t, p| (p - t).powi(2)) / spread)
}

/// Median absolute error: half of the rows are nearer (weighted quantile of type 7).
///
/// # Errors
/// As [`mean_error`].
pub fn median_absolute_error(
    truth: &[f64],
    predicted: &[f64],
    weights: Option<&[f64]>,
) -> Result<f64> {
    const WHAT: &str = "median_absolute_error";
    checked(WHAT, truth, predicted, weights)?;
    median(WHAT, truth, predicted, weights, |t, p| (p - t).abs())
}

/// Median of |prediction - truth| / |truth|: a relative error that outliers do not move.
///
/// # Errors
/// As [`mean_error`]; a truth of zero.
pub fn median_relative_error(
    truth: &[f64],
    predicted: &[f64],
    weights: Option<&[f64]>,
) -> Result<f64> {
    const WHAT: &str = "median_relative_error";
    checked(WHAT, truth, predicted, weights)?;
    check::each(WHAT, truth, "a truth other than zero", |t| t != 0.0)?;
    median(WHAT, truth, predicted, weights, |t, p| ((p - t) / t).abs())
}

/// Mean Poisson deviance, for counts and rates: 2 (t log(t / p) - t + p).
///
/// # Errors
/// As [`mean_error`]; a negative truth, a prediction that is not above zero.
pub fn poisson_deviance(truth: &[f64], predicted: &[f64], weights: Option<&[f64]>) -> Result<f64> {
    const WHAT: &str = "poisson_deviance";
    checked(WHAT, truth, predicted, weights)?;
    check::each(WHAT, truth, "counts of zero or more", |t| t >= 0.0)?;
    check::each(WHAT, predicted, "predictions above zero", |p| p > 0.0)?;
    Ok(mean(truth, predicted, weights, |t, p| {
        let log = if t > 0.0 { t * libm::log(t / p) } else { 0.0 };
        (2.0 * (log - t + p)).max(0.0)
    }))
}

/// Mean gamma deviance, for costs and durations: 2 (log(p / t) + t / p - 1).
///
/// # Errors
/// As [`mean_error`]; a truth or prediction that is not above zero.
pub fn gamma_deviance(truth: &[f64], predicted: &[f64], weights: Option<&[f64]>) -> Result<f64> {
    const WHAT: &str = "gamma_deviance";
    checked(WHAT, truth, predicted, weights)?;
    check::each(WHAT, truth, "values above zero", |t| t > 0.0)?;
    check::each(WHAT, predicted, "predictions above zero", |p| p > 0.0)?;
    Ok(mean(truth, predicted, weights, |t, p| {
        (2.0 * (libm::log(p / t) + t / p - 1.0)).max(0.0)
    }))
}

/// Mean pinball loss of predicted quantiles: least when `predicted` is the `quantile` of the truth.
///
/// Koenker and Bassett, Econometrica 46, 1978, doi 10.2307/1913643.
///
/// # Errors
/// As [`mean_error`]; a quantile outside (0, 1).
///
/// ```
/// use galen::evaluation::pinball;
/// # fn main() -> galen::Result<()> {
/// // For the 90th percentile, too low costs nine times as much as too high.
/// let low = pinball(&[10.0], &[9.0], 0.9, None)?;
/// let high = pinball(&[10.0], &[11.0], 0.9, None)?;
/// assert!((low - 0.9).abs() < 1e-15 && (high - 0.1).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
pub fn pinball(
    truth: &[f64],
    predicted: &[f64],
    quantile: f64,
    weights: Option<&[f64]>,
) -> Result<f64> {
    const WHAT: &str = "pinball";
    if !(quantile > 0.0 && quantile < 1.0) {
        return Err(check::parameter(
            WHAT,
            "quantile",
            quantile,
            "above 0 and below 1",
        ));
    }
    checked(WHAT, truth, predicted, weights)?;
    Ok(mean(truth, predicted, weights, |t, p| {
        if t >= p {
            quantile * (t - p)
        } else {
            (1.0 - quantile) * (p - t)
        }
    }))
}

fn checked(
    what: &'static str,
    truth: &[f64],
    predicted: &[f64],
    weights: Option<&[f64]>,
) -> Result<()> {
    check::rows(what, 1, truth.len())?;
    check::length(what, truth.len(), predicted.len())?;
    check::finite(what, truth)?;
    check::finite(what, predicted)?;
    check::weights(what, truth.len(), weights)?;
    if largest_error(truth, predicted).is_finite() {
        return Ok(());
    }
    Err(check::undefined(what, "an error exceeds what f64 holds"))
}

fn largest_error(truth: &[f64], predicted: &[f64]) -> f64 {
    truth
        .iter()
        .zip(predicted)
        .map(|(t, p)| (p - t).abs())
        .fold(0.0, f64::max)
}

fn mean(
    truth: &[f64],
    predicted: &[f64],
    weights: Option<&[f64]>,
    loss: impl Fn(f64, f64) -> f64,
) -> f64 {
    let (mut total, mut weight_sum) = (Sum::default(), Sum::default());
    for row in 0..truth.len() {
        let weight = weight_of(weights, row);
        total.add(weight * loss(truth[row], predicted[row]));
        weight_sum.add(weight);
    }
    total.value() / weight_sum.value()
}

fn median(
    what: &'static str,
    truth: &[f64],
    predicted: &[f64],
    weights: Option<&[f64]>,
    loss: impl Fn(f64, f64) -> f64,
) -> Result<f64> {
    let losses: Vec<f64> = truth
        .iter()
        .zip(predicted)
        .map(|(t, p)| loss(*t, *p))
        .collect();
    let ones = vec![1.0; losses.len()];
    weighted_quantile(&losses, weights.unwrap_or(&ones), 0.5)
        .ok_or_else(|| check::undefined(what, "there are no rows"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUTH: [f64; 4] = [1.0, 2.0, 4.0, 8.0];
    const FOUND: [f64; 4] = [2.0, 2.0, 3.0, 4.0];

    #[test]
    fn errors_worked_by_hand() {
        let near = |found: Result<f64>, expected: f64| {
            assert!((found.unwrap() - expected).abs() < 1e-14);
        };
        near(mean_error(&TRUTH, &FOUND, None), -1.0);
        near(mae(&TRUTH, &FOUND, None), 1.5);
        near(rmse(&TRUTH, &FOUND, None), f64::sqrt(18.0 / 4.0));
        near(r2(&TRUTH, &FOUND, None), 1.0 - 18.0 / 28.75);
        near(median_absolute_error(&TRUTH, &FOUND, None), 1.0);
        near(median_relative_error(&TRUTH, &FOUND, None), 0.375);
        near(mae(&TRUTH, &FOUND, Some(&[1.0, 0.0, 0.0, 3.0])), 13.0 / 4.0);
        near(
            poisson_deviance(&[0.0, 2.0], &[1.0, 1.0], None),
            (2.0 + 2.0 * (2.0 * 2.0_f64.ln() - 1.0)) / 2.0,
        );
        near(
            gamma_deviance(&[2.0], &[1.0], None),
            2.0 * (1.0 - 2.0_f64.ln()),
        );
        // Too low by 1 and 4, too high by 1: 0.9 (1 + 4) + 0.1 over four rows.
        near(pinball(&TRUTH, &FOUND, 0.9, None), 4.6 / 4.0);
        assert_eq!(poisson_deviance(&TRUTH, &TRUTH, None).unwrap(), 0.0);
        assert_eq!(gamma_deviance(&TRUTH, &TRUTH, None).unwrap(), 0.0);
    }

    #[test]
    fn weights_repeat_rows_in_every_metric() {
        let weights = [1.0, 2.0, 0.0, 3.0];
        let long = |values: &[f64; 4]| {
            [
                values[0], values[1], values[1], values[3], values[3], values[3],
            ]
        };
        let (truth, found) = (long(&TRUTH), long(&FOUND));
        type Metric = fn(&[f64], &[f64], Option<&[f64]>) -> Result<f64>;
        let metrics: [Metric; 9] = [
            mean_error,
            mae,
            rmse,
            r2,
            median_absolute_error,
            median_relative_error,
            poisson_deviance,
            gamma_deviance,
            |t, p, w| pinball(t, p, 0.3, w),
        ];
        for (place, metric) in metrics.iter().enumerate() {
            let weighted = metric(&TRUTH, &FOUND, Some(&weights)).unwrap();
            let repeated = metric(&truth, &found, None).unwrap();
            let plain = metric(&TRUTH, &FOUND, None).unwrap();
            assert!(
                (weighted - repeated).abs() < 1e-14,
                "{place}: {weighted} {repeated}"
            );
            assert!((weighted - plain).abs() > 1e-3, "{place}: weights move it");
        }
    }

    #[test]
    fn scale_and_domain_are_guarded() {
        assert!(
            (rmse(&[1e200, 0.0], &[0.0, 0.0], None).unwrap() / 1e200 - 0.5_f64.sqrt()).abs()
                < 1e-15
        );
        assert!(mae(&[f64::MAX], &[f64::MIN], None).is_err());
        assert!(r2(&[3.0, 3.0], &[1.0, 2.0], None).is_err());
        assert!(r2(&[3.0, 3.0, 9.0], &[1.0, 2.0, 2.0], Some(&[1.0, 1.0, 0.0])).is_err());
        assert!(median_relative_error(&[0.0], &[1.0], None).is_err());
        assert!(poisson_deviance(&[1.0], &[0.0], None).is_err());
        assert!(gamma_deviance(&[0.0], &[1.0], None).is_err());
        assert!(pinball(&[1.0], &[1.0], 1.0, None).is_err());
        assert!(mae(&[], &[], None).is_err());
        assert!(mae(&[f64::NAN], &[1.0], None).is_err());
    }
}
