//! Shapley values of linear predictors.

use ndarray::{Array2, ArrayView2};

use crate::error::{ErrorKind, Result};
use crate::explain::attribution::Attributions;
use crate::numeric::stable::sum;

/// A linear predictor as plain data: `intercept + rows x coefficients`, for one or more outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearPredictor {
    /// Names of the features.
    pub features: Vec<String>,
    /// Names of the outputs.
    pub outputs: Vec<String>,
    /// One number an output.
    pub intercepts: Vec<f64>,
    /// Features x outputs.
    pub coefficients: Array2<f64>,
}

impl LinearPredictor {
    /// A predictor with one output.
    pub fn single<F: Into<String>>(
        output: impl Into<String>,
        intercept: f64,
        terms: impl IntoIterator<Item = (F, f64)>,
    ) -> Self {
        let (features, coefficients): (Vec<String>, Vec<f64>) = terms
            .into_iter()
            .map(|(name, coefficient)| (name.into(), coefficient))
            .unzip();
        Self {
            features,
            outputs: vec![output.into()],
            intercepts: vec![intercept],
            coefficients: ndarray::Array1::from_vec(coefficients).insert_axis(ndarray::Axis(1)),
        }
    }
}

/// Attributions of rows under a linear predictor, against background rows.
///
/// Features are taken as independent: a feature gets its coefficient times the distance of its value
/// from the background mean, the base value is the prediction at the means. Rows and background are
/// rows x features in the units of the coefficients.
///
/// Štrumbelj and Kononenko, Knowledge and Information Systems 41(3), 2014,
/// doi 10.1007/s10115-013-0679-x.
///
/// # Errors
/// [`ErrorKind::LengthMismatch`] for parts of the predictor that do not fit, [`ErrorKind::FeatureCount`]
/// for other numbers of columns, [`ErrorKind::TooFewRows`] for an empty background,
/// [`ErrorKind::NonFinite`] for missing values or infinities anywhere, and for numbers whose product is
/// too large.
///
/// ```
/// use galen::explain::{LinearPredictor, linear_shap};
/// use ndarray::array;
/// # fn main() -> galen::Result<()> {
/// let predictor = LinearPredictor::single("log-odds", -3.0, [("age", 0.05), ("smoker", 0.7)]);
/// let background = array![[50.0, 0.0], [70.0, 1.0]];
/// let found = linear_shap(&predictor, array![[80.0, 1.0]].view(), background.view())?;
/// assert!((found.values()[[0, 0, 0]] - 1.0).abs() < 1e-12); // 0.05 * (80 - 60)
/// assert!((found.sum()[[0, 0]] - 1.7).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
pub fn linear_shap(
    predictor: &LinearPredictor,
    rows: ArrayView2<'_, f64>,
    background: ArrayView2<'_, f64>,
) -> Result<Attributions> {
    let n_features = predictor.features.len();
    let n_outputs = predictor.outputs.len();
    let lengths = [
        (
            "coefficients by feature",
            n_features,
            predictor.coefficients.nrows(),
        ),
        (
            "coefficients by output",
            n_outputs,
            predictor.coefficients.ncols(),
        ),
        ("intercepts", n_outputs, predictor.intercepts.len()),
    ];
    for (what, expected, found) in lengths {
        if expected != found {
            return Err(ErrorKind::LengthMismatch {
                what,
                expected,
                found,
            }
            .into());
        }
    }
    check(predictor, "rows", rows)?;
    check(predictor, "background", background)?;
    if background.nrows() == 0 {
        return Err(ErrorKind::TooFewRows {
            what: "linear_shap background",
            required: 1,
            found: 0,
        }
        .into());
    }
    let n = background.nrows() as f64;
    let columns = background.columns().into_iter();
    let means: Vec<f64> = columns
        .map(|column| sum(column.iter().map(|value| value / n)))
        .collect();
    let base = (0..n_outputs).map(|output| {
        let terms = predictor.coefficients.column(output);
        let terms = terms.iter().zip(&means).map(|(slope, mean)| slope * mean);
        sum(std::iter::once(predictor.intercepts[output]).chain(terms))
    });
    let base = base.collect();
    let mut values = Vec::with_capacity(rows.nrows() * n_features * n_outputs);
    for row in rows.rows() {
        for (feature, value) in row.iter().enumerate() {
            let distance = value - means[feature];
            let slopes = predictor.coefficients.row(feature);
            values.extend(slopes.iter().map(|slope| slope * distance));
        }
    }
    Attributions::new(&predictor.features, &predictor.outputs, base, values)
}

fn check(predictor: &LinearPredictor, what: &'static str, rows: ArrayView2<'_, f64>) -> Result<()> {
    if rows.ncols() != predictor.features.len() {
        return Err(ErrorKind::FeatureCount {
            expected: predictor.features.len(),
            found: rows.ncols(),
        }
        .into());
    }
    match rows.indexed_iter().find(|(_, value)| !value.is_finite()) {
        None => Ok(()),
        Some(((row, column), _)) => Err(ErrorKind::NonFinite {
            what,
            row: Some(row),
            column: Some(predictor.features[column].clone()),
            rule: "finite values",
        }
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn predictor() -> LinearPredictor {
        LinearPredictor {
            features: vec!["a".into(), "b".into()],
            outputs: vec!["u".into(), "v".into()],
            intercepts: vec![1.0, -1.0],
            coefficients: array![[2.0, 0.0], [-0.5, 4.0]],
        }
    }

    #[test]
    fn attributions_are_coefficients_times_distances() {
        let background = array![[0.0, 2.0], [2.0, 4.0]];
        let rows = array![[3.0, 1.0], [1.0, 3.0]];
        let found = linear_shap(&predictor(), rows.view(), background.view()).unwrap();
        assert_eq!(found.base(), [1.0 + 2.0 - 1.5, -1.0 + 12.0]);
        assert_eq!(found.output(0).unwrap(), array![[4.0, 1.0], [0.0, 0.0]]);
        assert_eq!(found.output(1).unwrap(), array![[0.0, -8.0], [0.0, 0.0]]);
        let raw = rows.dot(&predictor().coefficients) + array![1.0, -1.0];
        assert_eq!(found.sum(), raw);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let sound = array![[0.0, 2.0]];
        let refused = |change: fn(&mut LinearPredictor)| {
            let mut predictor = predictor();
            change(&mut predictor);
            linear_shap(&predictor, sound.view(), sound.view()).is_err()
        };
        assert!(!refused(|_| ()));
        assert!(refused(|predictor| predictor.intercepts.clear()));
        assert!(refused(|predictor| drop(predictor.outputs.pop())));
        assert!(refused(|predictor| drop(predictor.features.pop())));
        assert!(refused(
            |predictor| predictor.coefficients[[0, 0]] = f64::NAN
        ));
        let with = |rows: Array2<f64>, background: Array2<f64>| {
            linear_shap(&predictor(), rows.view(), background.view())
        };
        assert!(with(array![[0.0, f64::NAN]], sound.clone()).is_err());
        assert!(with(sound.clone(), array![[f64::INFINITY, 0.0]]).is_err());
        assert!(with(sound.clone(), array![[0.0]]).is_err());
        assert!(with(sound.clone(), Array2::zeros((0, 2))).is_err());
        assert_eq!(
            with(Array2::zeros((0, 2)), sound.clone()).unwrap().n_rows(),
            0
        );
    }
}
