//! Settings of linear regression.

use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

use crate::design::Preparation;
use crate::error::{Error, Result};
use crate::estimator::params::Checker;

pub(super) const NAME: &str = "LinearRegression";

/// Share of its own length, on centred columns, below which a column is a combination of earlier
/// ones. Exact combinations leave about 1e-16 by rounding; a polynomial of degree ten leaves 1e-8.
const DEFAULT_TOLERANCE: f64 = 1e-11;

/// Which covariance of the coefficients the inference uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Covariance {
    /// Equal variances: `sigma^2 (X'WX)^-1`.
    Model,
    /// Heteroscedasticity-consistent sandwich without correction (HC0; White 1980).
    Robust,
    /// HC0 times `n / (n - k)`.
    Hc1,
    /// Squared residuals over `1 - h`, `h` the leverage.
    Hc2,
    /// Squared residuals over `(1 - h)^2`: the most careful one in small samples.
    Hc3,
    /// Sandwich over sums by patient, times `G / (G - 1) * (n - 1) / (n - k)` for `G` patients;
    /// tests then have `G - 1` degrees of freedom.
    ByPatient,
}

/// What a row weight means for the inference; coefficients are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RowWeights {
    /// Weight 2 is the row twice: degrees of freedom count the sum of weights.
    Copies,
    /// Weights are inverse variances up to a factor: degrees of freedom count rows, and a
    /// common factor changes no coefficient and no standard error.
    Precision,
}

/// Checked settings of [`super::LinearRegression`]; made by `check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinearRegressionValidParams {
    pub(crate) intercept: bool,
    pub(crate) preparation: Preparation,
    pub(crate) covariance: Covariance,
    pub(crate) row_weights: RowWeights,
    pub(crate) level: f64,
    pub(crate) tolerance: f64,
}

/// Settings of [`super::LinearRegression`], not yet checked; `fit` checks them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinearRegressionParams(LinearRegressionValidParams);

impl Default for LinearRegressionParams {
    fn default() -> Self {
        Self(LinearRegressionValidParams {
            intercept: true,
            preparation: Preparation::default(),
            covariance: Covariance::Model,
            row_weights: RowWeights::Copies,
            level: 0.95,
            tolerance: DEFAULT_TOLERANCE,
        })
    }
}

impl LinearRegressionParams {
    /// Sets whether there is an intercept.
    #[must_use]
    pub fn intercept(mut self, intercept: bool) -> Self {
        self.0.intercept = intercept;
        self
    }

    /// Sets how missing values and levels are prepared.
    #[must_use]
    pub fn preparation(mut self, preparation: Preparation) -> Self {
        self.0.preparation = preparation;
        self
    }

    /// Sets the covariance that inference uses.
    #[must_use]
    pub fn covariance(mut self, covariance: Covariance) -> Self {
        self.0.covariance = covariance;
        self
    }

    /// Sets what row weights mean for the inference.
    #[must_use]
    pub fn row_weights(mut self, row_weights: RowWeights) -> Self {
        self.0.row_weights = row_weights;
        self
    }

    /// Sets the level of intervals.
    #[must_use]
    pub fn level(mut self, level: f64) -> Self {
        self.0.level = level;
        self
    }

    /// Sets the share of its own length below which a column counts as a combination of earlier
    /// ones; within [0, 1).
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.0.tolerance = tolerance;
        self
    }
}

impl ParamGuard for LinearRegressionParams {
    type Checked = LinearRegressionValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&Self::Checked> {
        let checker = Checker::new(NAME);
        let params = &self.0;
        checker.inside_unit("level", params.level)?;
        checker.require(
            (0.0..1.0).contains(&params.tolerance),
            "tolerance",
            params.tolerance,
            "within [0, 1)",
        )?;
        params.preparation.check(NAME)?;
        Ok(params)
    }

    fn check(self) -> Result<Self::Checked> {
        self.check_ref()?;
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::Impute;

    #[test]
    fn every_setting_outside_its_range_is_named() {
        let default = LinearRegressionParams::default;
        for (params, name) in [
            (default().level(0.0), "level"),
            (default().level(1.0), "level"),
            (default().level(f64::NAN), "level"),
            (default().tolerance(1.0), "tolerance"),
            (default().tolerance(-1e-9), "tolerance"),
            (default().tolerance(f64::NAN), "tolerance"),
            (
                default().preparation(Preparation::default().min_level_rows(0)),
                "min_level_rows",
            ),
            (
                default().preparation(Preparation::default().impute(Impute::Constant(f64::NAN))),
                "impute",
            ),
        ] {
            let error = params.check_ref().unwrap_err().to_string();
            assert!(error.contains(NAME) && error.contains(name), "{error}");
        }
        assert!(default().check_ref().is_ok());
    }

    #[test]
    fn settings_round_trip() {
        let params = LinearRegressionParams::default()
            .covariance(Covariance::Hc3)
            .row_weights(RowWeights::Precision)
            .tolerance(1e-7);
        let text = serde_json::to_string(&params).unwrap();
        let back: LinearRegressionParams = serde_json::from_str(&text).unwrap();
        assert_eq!(back, params);
    }
}
