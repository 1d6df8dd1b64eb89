//! Attributions as data.

use std::fmt;

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis};
use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};
use crate::kernel::tree::model::Ensemble;
use crate::numeric::stable::sum;

/// What each feature adds to each raw prediction: rows x features x outputs, with a base value per
/// output.
///
/// `base + sum over features` is the raw prediction of a row. Pictures of one output are made by
/// [`bar`](Self::bar), [`beeswarm`](Self::beeswarm), [`waterfall`](Self::waterfall) and
/// [`dependence`](Self::dependence).
///
/// ```
/// use galen::explain::Attributions;
/// # fn main() -> galen::Result<()> {
/// let values = vec![0.5, -0.25, -0.5, 0.0]; // 2 rows x 2 features x 1 output
/// let found = Attributions::new(["age", "bmi"], ["log-odds"], vec![-1.0], values)?;
/// assert_eq!(found.sum()[[0, 0]], -0.75);
/// assert_eq!(found.mean_abs()[[0, 0]], 0.5);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Plain", into = "Plain")]
pub struct Attributions {
    features: Vec<String>,
    outputs: Vec<String>,
    base: Vec<f64>,
    /// Rows x features x outputs.
    values: Array3<f64>,
}

/// As it is saved.
#[derive(Serialize, Deserialize)]
struct Plain {
    features: Vec<String>,
    outputs: Vec<String>,
    base: Vec<f64>,
    n_rows: usize,
    values: Vec<f64>,
}

impl From<Attributions> for Plain {
    fn from(from: Attributions) -> Self {
        Self {
            n_rows: from.n_rows(),
            features: from.features,
            outputs: from.outputs,
            base: from.base,
            values: from.values.into_iter().collect(),
        }
    }
}

impl TryFrom<Plain> for Attributions {
    type Error = crate::Error;

    fn try_from(plain: Plain) -> Result<Self> {
        let found = Self::shaped(
            plain.features,
            plain.outputs,
            plain.base,
            plain.n_rows,
            plain.values,
        )?;
        found.check()?;
        Ok(found)
    }
}

impl fmt::Debug for Attributions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attributions")
            .field("n_rows", &self.n_rows())
            .field("features", &self.features)
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}

impl Attributions {
    /// Attributions from their parts; `values` go row by row, in a row feature by feature, in a feature
    /// output by output.
    ///
    /// # Errors
    /// [`ErrorKind::LengthMismatch`] for base values or values that do not fit,
    /// [`ErrorKind::NonFinite`] for a number that is not finite.
    pub fn new<F: Into<String>, O: Into<String>>(
        features: impl IntoIterator<Item = F>,
        outputs: impl IntoIterator<Item = O>,
        base: Vec<f64>,
        values: Vec<f64>,
    ) -> Result<Self> {
        let features: Vec<String> = features.into_iter().map(Into::into).collect();
        let outputs: Vec<String> = outputs.into_iter().map(Into::into).collect();
        let n_rows = values.len() / (features.len() * outputs.len()).max(1);
        let found = Self::shaped(features, outputs, base, n_rows, values)?;
        found.check()?;
        Ok(found)
    }

    fn shaped(
        features: Vec<String>,
        outputs: Vec<String>,
        base: Vec<f64>,
        n_rows: usize,
        values: Vec<f64>,
    ) -> Result<Self> {
        let length = |what, expected, found| ErrorKind::LengthMismatch {
            what,
            expected,
            found,
        };
        if base.len() != outputs.len() {
            return Err(length("base values", outputs.len(), base.len()).into());
        }
        let n_values = values.len();
        let shape = (n_rows, features.len(), outputs.len());
        let size = shape.0.saturating_mul(shape.1).saturating_mul(shape.2);
        let values = Array3::from_shape_vec(shape, values);
        Ok(Self {
            features,
            outputs,
            base,
            values: values.map_err(|_| length("attributions", size, n_values))?,
        })
    }

    fn check(&self) -> Result<()> {
        let finite = |value: &f64| value.is_finite();
        let place = self.values.indexed_iter().find(|(_, value)| !finite(value));
        if place.is_none() && self.base.iter().all(finite) {
            return Ok(());
        }
        Err(ErrorKind::NonFinite {
            what: "attributions",
            row: place.map(|((row, ..), _)| row),
            column: place.map(|((_, feature, _), _)| self.features[feature].clone()),
            rule: "finite values",
        }
        .into())
    }

    /// Of trees: what comes from there is finite.
    pub(super) fn of(ensemble: Ensemble<'_>, base: Vec<f64>, values: Vec<f64>) -> Result<Self> {
        let n_rows = values.len() / (ensemble.features.len() * ensemble.outputs.len()).max(1);
        Self::shaped(ensemble.features, ensemble.outputs, base, n_rows, values)
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.values.len_of(Axis(0))
    }

    /// Names of the features.
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// Names of the outputs.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// Base value of every output: the prediction when nothing of a row is known.
    pub fn base(&self) -> &[f64] {
        &self.base
    }

    /// The attributions, rows x features x outputs.
    pub fn values(&self) -> ArrayView3<'_, f64> {
        self.values.view()
    }

    /// The attributions of one output, rows x features.
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] for an output that there is not.
    pub fn output(&self, output: usize) -> Result<ArrayView2<'_, f64>> {
        self.known("output", output, self.outputs.len())?;
        Ok(self.values.index_axis(Axis(2), output))
    }

    /// Refuses a position that there is not.
    pub(super) fn known(&self, what: &'static str, position: usize, n: usize) -> Result<()> {
        if position < n {
            return Ok(());
        }
        Err(ErrorKind::Parameter {
            estimator: "Attributions",
            name: what,
            value: position.to_string(),
            rule: "a position below their number",
        }
        .into())
    }

    /// Raw predictions: base value plus attributions, rows x outputs.
    pub fn sum(&self) -> Array2<f64> {
        let values = self.values();
        Array2::from_shape_fn((self.n_rows(), self.outputs.len()), |(row, output)| {
            let row = values.index_axis(Axis(0), row);
            let row = row.column(output);
            sum(std::iter::once(self.base[output]).chain(row.iter().copied()))
        })
    }

    /// Mean absolute attribution, features x outputs: how much a feature matters over these rows.
    /// Zero without rows.
    pub fn mean_abs(&self) -> Array2<f64> {
        let values = self.values();
        let n = self.n_rows().max(1) as f64;
        Array2::from_shape_fn(
            (self.features.len(), self.outputs.len()),
            |(feature, output)| {
                let column = values.index_axis(Axis(2), output);
                let column = column.column(feature);
                sum(column.iter().map(|value| value.abs())) / n
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn found() -> Attributions {
        let values = (1..=12).map(|i| f64::from(i) * if i % 3 == 0 { -1.0 } else { 1.0 });
        Attributions::new(
            ["a", "b"],
            ["u", "v", "w"],
            vec![1.0, 2.0, 3.0],
            values.collect(),
        )
        .unwrap()
    }

    #[test]
    fn values_stand_by_row_feature_and_output() {
        let found = found();
        assert_eq!(found.n_rows(), 2);
        assert_eq!(found.values()[[1, 0, 2]], -9.0);
        assert_eq!(found.output(1).unwrap(), array![[2.0, 5.0], [8.0, 11.0]]);
        assert!(found.output(3).is_err());
        assert_eq!(found.sum(), array![[6.0, 9.0, -6.0], [18.0, 21.0, -18.0]]);
        assert_eq!(found.mean_abs()[[1, 2]], 9.0);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |base: Vec<f64>, values: Vec<f64>| {
            Attributions::new(["a", "b"], ["y"], base, values).is_err()
        };
        assert!(!refused(vec![0.0], vec![0.0; 4]));
        assert!(!refused(vec![0.0], vec![]));
        assert!(refused(vec![], vec![0.0; 4]));
        assert!(refused(vec![0.0], vec![0.0; 3]));
        assert!(refused(vec![0.0], vec![0.0, f64::NAN]));
        assert!(refused(vec![f64::INFINITY], vec![0.0; 2]));
    }

    #[test]
    fn saved_attributions_are_checked_and_debug_shows_no_rows() {
        let text = serde_json::to_string(&found()).unwrap();
        assert_eq!(
            serde_json::from_str::<Attributions>(&text).unwrap(),
            found()
        );
        let broken = text.replace("\"n_rows\":2", "\"n_rows\":18446744073709551615");
        assert!(serde_json::from_str::<Attributions>(&broken).is_err());
        assert!(!format!("{:?}", found()).contains("11.0"));
    }
}
