//! Normal features and a continuous target that is linear in them.

use ndarray::Array2;

use super::draw::{Streams, each};
use crate::error::{ErrorKind, Result};
use crate::matrix::{PatientMatrix, RowKeys, Values};

/// The intercept of every linear table; not 0, so that a model without one is caught.
const INTERCEPT: f64 = 1.0;

/// Features `x0`, `x1`, ... and a target that is linear in them; made by [`linear`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Linear {
    /// Independent standard normal features; one row per patient.
    pub matrix: PatientMatrix,
    /// `intercept + sum of coefficient x feature + noise`.
    pub target: Values,
    /// The target before noise was added, by row.
    pub true_mean: Vec<f64>,
    /// True intercept: 1.
    pub intercept: f64,
    /// True coefficients, in column order.
    pub coefficients: Vec<f64>,
    /// True standard deviation of the noise.
    pub noise: f64,
}

/// `n` rows of independent standard normal features, one per coefficient, and a target with normal
/// noise of standard deviation `noise` (0 for none). Cost: a normal draw per cell.
///
/// ```
/// # fn main() -> galen::Result<()> {
/// let table = galen::simulate::linear(100, &[2.0, -0.5], 0.0, 1)?;
/// let (x0, x1) = (table.matrix.column("x0")?, table.matrix.column("x1")?);
/// let expected = 1.0 + 2.0 * x0.value(7) - 0.5 * x1.value(7);
/// assert!((table.target.values()[7] - expected).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`ErrorKind::Parameter`] for a coefficient that is not finite or a noise that is negative or
/// not finite, [`ErrorKind::NonFinite`] where these are so large that the target overflows,
/// [`ErrorKind::TooLarge`] for 2^32 - 1 rows or more.
pub fn linear(n: usize, coefficients: &[f64], noise: f64, seed: u64) -> Result<Linear> {
    if let Some(value) = coefficients.iter().find(|value| !value.is_finite()) {
        return Err(parameter("coefficients", *value, "finite"));
    }
    if !(noise.is_finite() && noise >= 0.0) {
        return Err(parameter("noise", noise, "finite and >= 0"));
    }
    crate::matrix::column::check_row_count(n)?;
    let streams = Streams::new("simulate/linear", seed);
    let rows = each(n, |row| {
        let mut draw = streams.of(row);
        let features: Vec<f64> = coefficients.iter().map(|_| draw.normal()).collect();
        let pairs = features.iter().zip(coefficients);
        let mean = pairs.fold(INTERCEPT, |sum, (x, weight)| sum + x * weight);
        (features, mean, mean + noise * draw.normal())
    });
    let mut values = Array2::zeros((n, coefficients.len()));
    for (mut slots, (features, ..)) in values.rows_mut().into_iter().zip(&rows) {
        for (slot, feature) in slots.iter_mut().zip(features) {
            *slot = *feature;
        }
    }
    Ok(Linear {
        matrix: PatientMatrix::from_array(values)?.with_keys(RowKeys::none().patients(1..=n))?,
        target: Values::new(rows.iter().map(|(.., value)| *value))?,
        true_mean: rows.iter().map(|(_, mean, _)| *mean).collect(),
        intercept: INTERCEPT,
        coefficients: coefficients.to_vec(),
        noise,
    })
}

fn parameter(name: &'static str, value: f64, rule: &'static str) -> crate::error::Error {
    ErrorKind::Parameter {
        estimator: "simulate::linear",
        name,
        value: value.to_string(),
        rule,
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_and_noise_are_recovered() {
        let n = 10_000;
        let table = linear(n, &[2.0, -0.5, 0.0], 0.7, 3).unwrap();
        let target = table.target.values();
        // Features are independent with variance 1: the mean of x y estimates the coefficient,
        // with a variance below E[x^2 y^2] / n < 3 (1 + 4 + 0.25 + 0.49) / n.
        let error = (3.0 * 5.74 / n as f64).sqrt();
        for (index, truth) in table.coefficients.iter().enumerate() {
            let x = table.matrix.view(index).to_vec();
            let found = x.iter().zip(target).map(|(x, y)| x * y).sum::<f64>() / n as f64;
            assert!((found - truth).abs() < 4.0 * error, "{found} for {truth}");
        }
        let squares = target
            .iter()
            .zip(&table.true_mean)
            .map(|(y, m)| (y - m).powi(2));
        let variance = squares.sum::<f64>() / n as f64;
        // Variance of a mean of squares of normals: 2 sigma^4 / n.
        assert!((variance - 0.49).abs() < 4.0 * 0.49 * (2.0 / n as f64).sqrt());
    }

    #[test]
    fn impossible_settings_are_refused() {
        let kind = |coefficients: &[f64], noise| {
            let error = linear(2, coefficients, noise, 0).unwrap_err();
            matches!(error.kind(), ErrorKind::Parameter { .. })
        };
        assert!(kind(&[f64::NAN], 1.0));
        assert!(kind(&[1.0], -1.0));
        assert!(kind(&[1.0], f64::INFINITY));
        assert!(linear(50, &[f64::MAX, f64::MAX], 0.0, 0).is_err());
        assert!(linear(usize::MAX, &[], 0.0, 0).is_err());
    }
}
