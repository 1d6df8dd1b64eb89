//! Settings of logistic regression.

use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

use crate::design::Preparation;
use crate::error::{Error, Result};
use crate::estimator::params::Checker;

const NAME: &str = "LogisticRegression";
const PATH_NAME: &str = "LogisticPath";

/// Optimality gap of a fit: the largest slope left, on terms of variance 1 and mean loss.
const DEFAULT_TOLERANCE: f64 = 1e-10;

/// How classes are weighted, on top of row weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ClassWeights {
    /// Every row counts as it is: probabilities are those of the data.
    None,
    /// Both classes get half of the weight; probabilities then need recalibration.
    Balanced,
    /// Factors of the non-event and of the event.
    Given(f64, f64),
}

impl ClassWeights {
    /// Weights that are given are finite and above zero.
    pub(in crate::classification) fn check(self, checker: Checker) -> Result<()> {
        if let Self::Given(non_event, event) = self {
            checker.positive("class_weights", non_event)?;
            checker.positive("class_weights", event)?;
        }
        Ok(())
    }
}

/// Which covariance of the coefficients the inference uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Covariance {
    /// Inverse of the expected information.
    Model,
    /// Heteroscedasticity-consistent sandwich without correction (HC0).
    Robust,
    /// HC0 times `n / (n - k)` (HC1).
    RobustCorrected,
    /// Sandwich over sums by patient, times `G / (G - 1)` for `G` patients.
    ByPatient,
}

/// Checked settings of [`super::LogisticRegression`]; made by `check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogisticRegressionValidParams {
    pub(crate) strength: f64,
    pub(crate) l1_ratio: f64,
    pub(crate) standardize: bool,
    pub(crate) intercept: bool,
    pub(crate) class_weights: ClassWeights,
    pub(crate) event: Option<String>,
    pub(crate) offset: Option<String>,
    pub(crate) preparation: Preparation,
    pub(crate) covariance: Covariance,
    pub(crate) level: f64,
    pub(crate) tolerance: f64,
    pub(crate) max_iterations: usize,
}

/// Settings of [`super::LogisticRegression`], not yet checked; `fit` checks them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogisticRegressionParams(LogisticRegressionValidParams);

impl Default for LogisticRegressionParams {
    fn default() -> Self {
        Self(LogisticRegressionValidParams {
            strength: 0.0,
            l1_ratio: 0.0,
            standardize: true,
            intercept: true,
            class_weights: ClassWeights::None,
            event: None,
            offset: None,
            preparation: Preparation::default(),
            covariance: Covariance::Model,
            level: 0.95,
            tolerance: DEFAULT_TOLERANCE,
            max_iterations: 100,
        })
    }
}

impl LogisticRegressionParams {
    /// Sets the size of the penalty; 0 is maximum likelihood.
    #[must_use]
    pub fn strength(mut self, strength: f64) -> Self {
        self.0.strength = strength;
        self
    }

    /// Sets the mix of the penalty: 0 is ridge, 1 is lasso.
    #[must_use]
    pub fn l1_ratio(mut self, l1_ratio: f64) -> Self {
        self.0.l1_ratio = l1_ratio;
        self
    }

    /// Sets whether the penalty sees terms of variance 1 (true) or in their own units (false).
    #[must_use]
    pub fn standardize(mut self, standardize: bool) -> Self {
        self.0.standardize = standardize;
        self
    }

    /// Sets whether there is an intercept.
    #[must_use]
    pub fn intercept(mut self, intercept: bool) -> Self {
        self.0.intercept = intercept;
        self
    }

    /// Sets class weights.
    #[must_use]
    pub fn class_weights(mut self, class_weights: ClassWeights) -> Self {
        self.0.class_weights = class_weights;
        self
    }

    /// Names the class that is the event, for a target of text or numbers.
    #[must_use]
    pub fn event(mut self, event: impl Into<String>) -> Self {
        self.0.event = Some(event.into());
        self
    }

    /// Names the column that is added to the log-odds with coefficient 1; it is no feature.
    #[must_use]
    pub fn offset(mut self, column: impl Into<String>) -> Self {
        self.0.offset = Some(column.into());
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

    /// Sets the level of intervals.
    #[must_use]
    pub fn level(mut self, level: f64) -> Self {
        self.0.level = level;
        self
    }

    /// Sets the optimality gap at which a fit has converged; without a penalty at most 1e-7 counts,
    /// as separation could not be told from convergence otherwise.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.0.tolerance = tolerance;
        self
    }

    /// Sets the limit of Newton steps.
    #[must_use]
    pub fn max_iterations(mut self, max_iterations: usize) -> Self {
        self.0.max_iterations = max_iterations;
        self
    }
}

impl ParamGuard for LogisticRegressionParams {
    type Checked = LogisticRegressionValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&Self::Checked> {
        let checker = Checker::new(NAME);
        let params = &self.0;
        checker.not_negative("strength", params.strength)?;
        checker.fraction("l1_ratio", params.l1_ratio)?;
        checker.inside_unit("level", params.level)?;
        params.class_weights.check(checker)?;
        checker.positive("tolerance", params.tolerance)?;
        checker.at_least_one("max_iterations", params.max_iterations)?;
        params.preparation.check(NAME)?;
        Ok(params)
    }

    fn check(self) -> Result<Self::Checked> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// Checked settings of [`super::LogisticPath`]; made by `check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogisticPathValidParams {
    pub(crate) base: LogisticRegressionValidParams,
    pub(crate) strengths: Option<Vec<f64>>,
    pub(crate) n_strengths: usize,
    pub(crate) min_ratio: f64,
}

/// Settings of [`super::LogisticPath`], not yet checked; `fit` checks them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogisticPathParams {
    valid: LogisticPathValidParams,
    unchecked: LogisticRegressionParams,
}

impl Default for LogisticPathParams {
    fn default() -> Self {
        let unchecked = LogisticRegressionParams::default()
            .l1_ratio(1.0)
            .tolerance(1e-7);
        Self {
            valid: LogisticPathValidParams {
                base: unchecked.0.clone(),
                strengths: None,
                n_strengths: 100,
                min_ratio: 1e-3,
            },
            unchecked,
        }
    }
}

impl LogisticPathParams {
    fn with(
        mut self,
        change: impl FnOnce(LogisticRegressionParams) -> LogisticRegressionParams,
    ) -> Self {
        self.unchecked = change(self.unchecked);
        self.valid.base = self.unchecked.0.clone();
        self
    }

    /// Sets the mix of the penalty: 1 is lasso (default), 0 is ridge.
    #[must_use]
    pub fn l1_ratio(self, l1_ratio: f64) -> Self {
        self.with(|params| params.l1_ratio(l1_ratio))
    }

    /// Sets whether the penalty sees terms of variance 1 (default) or in their own units.
    #[must_use]
    pub fn standardize(self, standardize: bool) -> Self {
        self.with(|params| params.standardize(standardize))
    }

    /// Sets class weights.
    #[must_use]
    pub fn class_weights(self, class_weights: ClassWeights) -> Self {
        self.with(|params| params.class_weights(class_weights))
    }

    /// Names the class that is the event, for a target of text or numbers.
    #[must_use]
    pub fn event(self, event: impl Into<String>) -> Self {
        self.with(|params| params.event(event))
    }

    /// Names the column that is added to the log-odds; it is no feature.
    #[must_use]
    pub fn offset(self, column: impl Into<String>) -> Self {
        self.with(|params| params.offset(column))
    }

    /// Sets how missing values and levels are prepared.
    #[must_use]
    pub fn preparation(self, preparation: Preparation) -> Self {
        self.with(|params| params.preparation(preparation))
    }

    /// Sets the optimality gap of every solution; default 1e-7.
    #[must_use]
    pub fn tolerance(self, tolerance: f64) -> Self {
        self.with(|params| params.tolerance(tolerance))
    }

    /// Sets the limit of Newton steps per strength; default 100.
    #[must_use]
    pub fn max_iterations(self, max_iterations: usize) -> Self {
        self.with(|params| params.max_iterations(max_iterations))
    }

    /// Sets the strengths, largest first.
    #[must_use]
    pub fn strengths(mut self, strengths: impl Into<Vec<f64>>) -> Self {
        self.valid.strengths = Some(strengths.into());
        self
    }

    /// Sets the number of automatic strengths; default 100.
    #[must_use]
    pub fn n_strengths(mut self, n_strengths: usize) -> Self {
        self.valid.n_strengths = n_strengths;
        self
    }

    /// Sets the last automatic strength as a share of the first; default 1e-3.
    #[must_use]
    pub fn min_ratio(mut self, min_ratio: f64) -> Self {
        self.valid.min_ratio = min_ratio;
        self
    }
}

impl ParamGuard for LogisticPathParams {
    type Checked = LogisticPathValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&Self::Checked> {
        let checker = Checker::new(PATH_NAME);
        self.unchecked.check_ref()?;
        let params = &self.valid;
        checker.at_least_one("n_strengths", params.n_strengths)?;
        checker.inside_unit("min_ratio", params.min_ratio)?;
        if let Some(strengths) = &params.strengths {
            checker.at_least_one("strengths", strengths.len())?;
            for strength in strengths {
                checker.positive("strengths", *strength)?;
            }
            checker.require(
                strengths.windows(2).all(|pair| pair[0] > pair[1]),
                "strengths",
                "a list",
                "in decreasing order",
            )?;
        }
        Ok(params)
    }

    fn check(self) -> Result<Self::Checked> {
        self.check_ref()?;
        Ok(self.valid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_outside_its_range_is_named() {
        let default = LogisticRegressionParams::default;
        for (params, name) in [
            (default().strength(-1.0), "strength"),
            (default().strength(f64::NAN), "strength"),
            (default().l1_ratio(1.5), "l1_ratio"),
            (default().level(1.0), "level"),
            (
                default().class_weights(ClassWeights::Given(0.0, 1.0)),
                "class_weights",
            ),
            (default().tolerance(0.0), "tolerance"),
            (default().max_iterations(0), "max_iterations"),
            (
                default().preparation(Preparation::default().min_level_rows(0)),
                "min_level_rows",
            ),
        ] {
            let error = params.check_ref().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        assert!(default().check_ref().is_ok());
        let path = LogisticPathParams::default;
        for (params, name) in [
            (path().n_strengths(0), "n_strengths"),
            (path().min_ratio(1.0), "min_ratio"),
            (path().strengths([0.1, 0.2]), "strengths"),
            (path().strengths([0.1, 0.0]), "strengths"),
            (path().strengths([]), "strengths"),
            (path().l1_ratio(-0.1), "l1_ratio"),
        ] {
            assert!(params.check_ref().unwrap_err().to_string().contains(name));
        }
    }

    #[test]
    fn settings_round_trip() {
        let params = LogisticRegressionParams::default()
            .strength(0.5)
            .event("<30");
        let text = serde_json::to_string(&params).unwrap();
        let back: LogisticRegressionParams = serde_json::from_str(&text).unwrap();
        assert_eq!(back, params);
    }
}
