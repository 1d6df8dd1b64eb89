//! The fitted linear regression.

use linfa::traits::PredictInplace;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use super::columns::{raw_columns, subtract_fit};
use super::params::{Covariance, LinearRegressionParams, NAME, RowWeights};
use crate::design::encode::Encoder;
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::input::RowsAccess;
use crate::estimator::{Model, ModelHeader, Persist, Regress, Rows, RowsSource, Summary, Term};
use crate::numeric::parallel;
use crate::numeric::special::{f_upper, t_upper, t_upper_quantile};
use crate::numeric::twofold::Twofold;

/// Reciprocal condition below which a reader is warned.
const ILL_CONDITIONED: f64 = 1e-8;

/// Residual sum of squares, relative to that of the target, that rounding alone leaves.
const PERFECT: f64 = 1e-28;

/// Name of the intercept among the terms.
const INTERCEPT: &str = "intercept";

/// A fitted linear regression.
///
/// ```
/// use galen::prelude::*;
///
/// # fn main() -> galen::Result<()> {
/// let rows = PatientMatrix::from_columns([("age", vec![30.0, 40.0, 50.0, 60.0])])?;
/// let cohort = Cohort::new(rows, Values::new([118.0, 123.0, 126.0, 133.0])?);
/// let model = LinearRegression::params().fit(&cohort)?;
/// assert!((model.coefficients()[0].1 - 0.48).abs() < 1e-12);
/// assert!(model.r_squared().is_some_and(|r| r > 0.97));
/// let next = PatientMatrix::from_columns([("age", vec![70.0])])?;
/// assert!((model.try_predict(&next)?[0] - 137.0).abs() < 1e-9);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct LinearRegression {
    wire: Wire,
}

/// Plain data of the model; every invariant is checked before it becomes one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wire {
    pub(super) header: ModelHeader,
    /// Raw values over powers of two.
    pub(super) encoder: Encoder,
    pub(super) intercept: bool,
    /// Power of two by which the target is divided.
    pub(super) unit: f64,
    /// Terms with a coefficient.
    pub(super) kept: Vec<u32>,
    /// Intercept first where there is one; for the design of the encoder and the divided target.
    pub(super) point: Vec<Twofold>,
    pub(super) aliased: Vec<String>,
    /// Covariance of the coefficients in original units, column-major.
    pub(super) covariance: Vec<f64>,
    pub(super) kind: Covariance,
    pub(super) row_weights: RowWeights,
    pub(super) level: f64,
    /// Degrees of freedom of tests of coefficients.
    pub(super) test_df: f64,
    pub(super) df: f64,
    pub(super) weight: f64,
    /// Squares of the divided target: residual, about the mean, about zero.
    pub(super) residual_squares: f64,
    pub(super) centred_squares: f64,
    pub(super) total_squares: f64,
    pub(super) reciprocal_condition: f64,
    pub(super) refinements: u64,
}

impl From<LinearRegression> for Wire {
    fn from(model: LinearRegression) -> Self {
        model.wire
    }
}

impl TryFrom<Wire> for LinearRegression {
    type Error = Error;

    fn try_from(wire: Wire) -> Result<Self> {
        let model = Self { wire };
        model.check()?;
        Ok(model)
    }
}

impl Persist for LinearRegression {
    const KIND: &'static str = "linear-regression";

    fn check(&self) -> Result<()> {
        let wire = &self.wire;
        let refuse = |what: &str| Err(ErrorKind::Saved(format!("{NAME}: {what}")).into());
        if wire.header.estimator != NAME {
            return refuse("another estimator in the header");
        }
        if wire.header.schema != *wire.encoder.schema()
            || wire.header.positional != wire.encoder.positional()
        {
            return refuse("header and preparation disagree");
        }
        let n_terms = wire.encoder.n_terms();
        let in_order = wire.kept.windows(2).all(|pair| pair[0] < pair[1]);
        let inside = wire
            .kept
            .last()
            .is_none_or(|term| (*term as usize) < n_terms);
        if !in_order || !inside || wire.kept.len() + wire.aliased.len() != n_terms {
            return refuse("every term must have a coefficient or be named as aliased");
        }
        let k = wire.kept.len() + usize::from(wire.intercept);
        if wire.point.len() != k || wire.covariance.len() != k * k {
            return refuse("sizes of coefficients and covariance do not fit");
        }
        let squares = [
            wire.residual_squares,
            wire.centred_squares,
            wire.total_squares,
            wire.reciprocal_condition,
        ];
        let positive = [wire.df, wire.test_df, wire.weight, wire.unit];
        if !wire.point.iter().all(|b| b.is_normal())
            || !wire.covariance.iter().all(|v| v.is_finite())
            || !(0..k).all(|j| wire.covariance[j * k + j] >= 0.0)
            || !squares.iter().all(|v| v.is_finite() && *v >= 0.0)
            || !positive.iter().all(|v| v.is_finite() && *v > 0.0)
            || !self.estimates().iter().all(|b| b.is_finite())
            || !self.residual_sum_of_squares().is_finite()
        {
            return refuse("numbers must be finite, sums of squares not negative");
        }
        if !(wire.level > 0.0 && wire.level < 1.0) {
            return refuse("level must be within (0, 1)");
        }
        Ok(())
    }
}

/// The F test that all coefficients but the intercept are zero, under equal variances.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OverallTest {
    /// The F statistic.
    pub statistic: f64,
    /// Degrees of freedom of the model: its terms.
    pub df_model: f64,
    /// Degrees of freedom of the residuals.
    pub df_residual: f64,
    /// P(F > statistic) where all coefficients are zero; the smallest positive normal number where
    /// it is smaller than that.
    pub p: f64,
}

impl LinearRegression {
    /// Settings with their defaults:
    ///
    /// | setting | default | why |
    /// | --- | --- | --- |
    /// | `intercept` | true | |
    /// | `preparation` | impute the mean and mark it, reference coding | identified |
    /// | `covariance` | model | the one of textbooks; by patient where patients repeat |
    /// | `row_weights` | copies | weight 2 is the row twice, as everywhere in this crate |
    /// | `level` | 0.95 | |
    /// | `tolerance` | 1e-11 | keeps a polynomial of degree ten, drops exact combinations |
    pub fn params() -> LinearRegressionParams {
        LinearRegressionParams::default()
    }

    /// Number of coefficients, the intercept included.
    pub fn rank(&self) -> usize {
        self.wire.point.len()
    }

    /// Names and coefficients in original units, without the intercept and aliased terms.
    pub fn coefficients(&self) -> Vec<(&str, f64)> {
        let ones = usize::from(self.wire.intercept);
        self.names()
            .into_iter()
            .zip(self.estimates())
            .skip(ones)
            .collect()
    }

    /// The intercept in original units; 0 where there is none.
    pub fn intercept(&self) -> f64 {
        if self.wire.intercept {
            self.estimates().first().copied().unwrap_or(0.0)
        } else {
            0.0
        }
    }

    /// Names of the coefficients: `intercept` where there is one, then the terms.
    pub fn names(&self) -> Vec<&str> {
        let terms = self.wire.encoder.terms();
        let intercept = self.wire.intercept.then_some(INTERCEPT);
        let kept = self.wire.kept.iter();
        intercept
            .into_iter()
            .chain(kept.map(|term| terms[*term as usize].name.as_str()))
            .collect()
    }

    /// Coefficients in original units, in the order of [`Self::names`].
    pub fn estimates(&self) -> Vec<f64> {
        let terms = self.wire.encoder.terms();
        let intercept = self.wire.intercept.then_some(1.0);
        let scales = self
            .wire
            .kept
            .iter()
            .map(|term| terms[*term as usize].scale);
        intercept
            .into_iter()
            .chain(scales)
            .zip(&self.wire.point)
            .map(|(scale, b)| b.value() * (self.wire.unit / scale))
            .collect()
    }

    /// Covariance of the coefficients (square, in the order of [`Self::names`]).
    pub fn covariance(&self) -> Array2<f64> {
        let k = self.rank();
        Array2::from_shape_fn((k, k), |(row, column)| {
            self.wire.covariance[column * k + row]
        })
    }

    /// Which covariance it is.
    pub fn covariance_kind(&self) -> Covariance {
        self.wire.kind
    }

    /// Standard errors, in the order of [`Self::names`].
    pub fn standard_errors(&self) -> Vec<f64> {
        let k = self.rank();
        (0..k)
            .map(|j| self.wire.covariance[j * k + j].sqrt())
            .collect()
    }

    /// Terms left out because they are constant (beside an intercept) or combinations of earlier
    /// ones; their effect is part of the others'.
    pub fn aliased(&self) -> &[String] {
        &self.wire.aliased
    }

    /// Smallest over largest singular value of the standardised columns: 1 is orthogonal, 1e-16
    /// indistinguishable from dependent.
    pub fn reciprocal_condition(&self) -> f64 {
        self.wire.reciprocal_condition
    }

    /// Whether the reciprocal condition is below 1e-8: coefficients then hang on the last digits
    /// of the data.
    pub fn is_ill_conditioned(&self) -> bool {
        self.wire.reciprocal_condition < ILL_CONDITIONED
    }

    /// Sum of squared residuals, weighted.
    pub fn residual_sum_of_squares(&self) -> f64 {
        self.wire.residual_squares * self.wire.unit * self.wire.unit
    }

    /// Whether the residuals are no more than rounding: tests are then meaningless.
    pub fn is_perfect_fit(&self) -> bool {
        self.wire.residual_squares <= PERFECT * self.wire.total_squares
    }

    /// Residual standard deviation.
    pub fn sigma(&self) -> f64 {
        (self.wire.residual_squares / self.wire.df).sqrt() * self.wire.unit
    }

    /// Residual degrees of freedom.
    pub fn df_residual(&self) -> f64 {
        self.wire.df
    }

    /// Degrees of freedom of the tests and intervals of coefficients.
    pub fn df_tests(&self) -> f64 {
        self.wire.test_df
    }

    /// Sum of the row weights.
    pub fn weight(&self) -> f64 {
        self.wire.weight
    }

    /// Passes that refined the first solution.
    pub fn refinements(&self) -> u64 {
        self.wire.refinements
    }

    /// Whether R2 compares with the mean of the target (true) or, without an intercept, with zero
    /// (false); the two cannot be compared.
    pub fn r_squared_is_centered(&self) -> bool {
        self.wire.intercept
    }

    /// Squares of the target that the model competes with.
    fn reference_squares(&self) -> f64 {
        if self.wire.intercept {
            self.wire.centred_squares
        } else {
            self.wire.total_squares
        }
    }

    /// Share of the squares of the target that the model explains; about the mean with an
    /// intercept, about zero without. `None` for a constant target.
    pub fn r_squared(&self) -> Option<f64> {
        let total = self.reference_squares();
        (total > 0.0).then(|| (1.0 - self.wire.residual_squares / total).max(0.0))
    }

    /// R2 with a charge for every coefficient; may be negative.
    pub fn adjusted_r_squared(&self) -> Option<f64> {
        let total = self.reference_squares();
        let free = self.wire.df + self.n_slopes();
        (total > 0.0).then(|| 1.0 - self.wire.residual_squares / total * (free / self.wire.df))
    }

    fn n_slopes(&self) -> f64 {
        self.wire.kept.len() as f64
    }

    /// The overall F test; `None` without terms, for a constant target or residuals of zero. It
    /// assumes equal variances whatever the covariance.
    pub fn overall_test(&self) -> Option<OverallTest> {
        let (residual, df_model) = (self.wire.residual_squares, self.n_slopes());
        let explained = (self.reference_squares() - residual).max(0.0);
        if df_model == 0.0 || residual <= 0.0 || self.reference_squares() <= 0.0 {
            return None;
        }
        let df_residual = self.wire.df;
        let statistic = explained / df_model / (residual / df_residual);
        statistic.is_finite().then(|| OverallTest {
            statistic,
            df_model,
            df_residual,
            p: shown(f_upper(statistic, df_model, df_residual)),
        })
    }

    fn predict(&self, rows: RowsSource<'_>) -> Result<Array1<f64>> {
        let wire = &self.wire;
        if rows.n_rows() == 0 {
            crate::design::align::align(wire.encoder.schema(), rows)?;
            return Ok(Array1::zeros(0));
        }
        let chunks = parallel::map_chunks(rows.n_rows(), |range| -> Result<Vec<f64>> {
            let design = wire.encoder.apply(rows, range.clone())?;
            let mut all = Vec::with_capacity(range.len());
            let mut raw = Vec::new();
            for block in &design.blocks {
                raw_columns(wire.encoder.terms(), block, &wire.kept, &mut raw);
                let mut values = vec![Twofold::default(); block.n_rows];
                subtract_fit(&raw, &wire.point, wire.intercept, &mut values);
                all.extend(values.iter().map(|value| -value.value() * wire.unit));
            }
            Ok(all)
        });
        let mut all = Vec::with_capacity(rows.n_rows());
        for chunk in chunks {
            all.extend(chunk?);
        }
        Ok(all.into())
    }
}

impl Model for LinearRegression {
    fn header(&self) -> &ModelHeader {
        &self.wire.header
    }
}

impl Regress for LinearRegression {
    fn try_predict(&self, rows: &impl Rows) -> Result<Array1<f64>> {
        self.predict(rows.source())
    }
}

impl<R: Rows> PredictInplace<R, Array1<f64>> for LinearRegression {
    /// linfa's prediction.
    ///
    /// # Panics
    /// Where [`Regress::try_predict`] returns an error, as linfa's signature has none.
    fn predict_inplace<'a>(&'a self, rows: &'a R, values: &mut Array1<f64>) {
        let predicted = match self.predict(rows.source()) {
            Ok(predicted) => predicted,
            Err(error) => panic!("predict: {error} (use try_predict, which returns the error)"),
        };
        assert_eq!(
            predicted.len(),
            values.len(),
            "predict: values of another length than rows"
        );
        values.assign(&predicted);
    }

    fn default_target(&self, rows: &R) -> Array1<f64> {
        Array1::zeros(rows.nsamples())
    }
}

impl Summary for LinearRegression {
    /// Student's t and its intervals; no test where a standard error is zero. Aliased terms are
    /// listed with an estimate of 0 and nothing else. A p-value too small for a number is the
    /// smallest positive normal one, never 0.
    fn terms(&self) -> Vec<Term> {
        let wire = &self.wire;
        let df = wire.test_df;
        let reach = t_upper_quantile((1.0 - wire.level) / 2.0, df);
        let mut inferred = self.estimates().into_iter().zip(self.standard_errors());
        let mut line = |name: &str, kept: bool| {
            let Some((estimate, error)) = kept.then(|| inferred.next()).flatten() else {
                return Term {
                    name: name.to_string(),
                    estimate: 0.0,
                    standard_error: None,
                    statistic: None,
                    p: None,
                    lower: None,
                    upper: None,
                };
            };
            let t = (error > 0.0).then(|| estimate / error);
            Term {
                name: name.to_string(),
                estimate,
                standard_error: Some(error),
                statistic: t,
                p: t.map(|t| shown(2.0 * t_upper(t.abs(), df))),
                lower: Some(estimate - reach * error),
                upper: Some(estimate + reach * error),
            }
        };
        let mut terms = Vec::with_capacity(wire.encoder.n_terms() + 1);
        terms.extend(wire.intercept.then(|| line(INTERCEPT, true)));
        for (number, term) in wire.encoder.terms().iter().enumerate() {
            let kept = wire.kept.binary_search(&(number as u32)).is_ok();
            terms.push(line(&term.name, kept));
        }
        terms
    }

    fn facts(&self) -> Vec<(String, String)> {
        let wire = &self.wire;
        let number = |value: Option<f64>| value.map_or("undefined".into(), |v| format!("{v:.6}"));
        let about = if wire.intercept { "the mean" } else { "zero" };
        let mut facts = vec![
            ("estimator".to_string(), NAME.to_string()),
            ("rows".into(), wire.header.n_rows.to_string()),
            ("sum of weights".into(), format!("{}", wire.weight)),
            ("row weights".into(), format!("{:?}", wire.row_weights)),
            ("terms".into(), wire.encoder.n_terms().to_string()),
            ("coefficients".into(), self.rank().to_string()),
            ("residual degrees of freedom".into(), format!("{}", wire.df)),
            (
                "residual sum of squares".into(),
                format!("{:.6e}", self.residual_sum_of_squares()),
            ),
            ("sigma".into(), format!("{:.6e}", self.sigma())),
            (format!("R2 about {about}"), number(self.r_squared())),
            ("adjusted R2".into(), number(self.adjusted_r_squared())),
        ];
        if let Some(test) = self.overall_test() {
            facts.push((
                format!("F({}, {})", test.df_model, test.df_residual),
                format!("{:.6}", test.statistic),
            ));
            facts.push(("p of F".into(), format!("{:.3e}", test.p)));
        }
        facts.push(("covariance".into(), format!("{:?}", wire.kind)));
        facts.push((
            "reciprocal condition".into(),
            format!("{:.1e}", wire.reciprocal_condition),
        ));
        facts
    }

    fn warnings(&self) -> Vec<String> {
        let wire = &self.wire;
        let mut warnings = Vec::new();
        if !wire.aliased.is_empty() {
            warnings.push(format!(
                "left out as constant or combinations of earlier terms: {}",
                wire.aliased.join(", ")
            ));
        }
        if self.is_ill_conditioned() {
            warnings.push(format!(
                "ill-conditioned terms: reciprocal condition {:.1e}; coefficients hang on the \
                 last digits of the data",
                wire.reciprocal_condition
            ));
        }
        if self.reference_squares() <= 0.0 {
            warnings.push("the target is constant: R2 and F are undefined".into());
        } else if self.is_perfect_fit() {
            warnings.push("the fit is perfect up to rounding: tests mean nothing".into());
        }
        if !wire.intercept {
            warnings.push("no intercept: R2 and F compare with zero, not with the mean".into());
        }
        warnings
    }
}

/// A p-value as it is given: within (0, 1], however small.
fn shown(p: f64) -> f64 {
    p.clamp(f64::MIN_POSITIVE, 1.0)
}

impl approx::AbsDiffEq for LinearRegression {
    type Epsilon = f64;

    fn default_epsilon() -> f64 {
        f64::EPSILON
    }

    /// Same terms; coefficients and standard errors in original units within `epsilon`.
    fn abs_diff_eq(&self, other: &Self, epsilon: f64) -> bool {
        close(self, other, |a, b| f64::abs_diff_eq(&a, &b, epsilon))
    }
}

impl approx::RelativeEq for LinearRegression {
    fn default_max_relative() -> f64 {
        f64::EPSILON
    }

    fn relative_eq(&self, other: &Self, epsilon: f64, max_relative: f64) -> bool {
        close(self, other, |a, b| {
            f64::relative_eq(&a, &b, epsilon, max_relative)
        })
    }
}

fn close(a: &LinearRegression, b: &LinearRegression, same: impl Fn(f64, f64) -> bool) -> bool {
    let all = |x: &[f64], y: &[f64]| x.iter().zip(y).all(|(x, y)| same(*x, *y));
    a.names() == b.names()
        && a.aliased() == b.aliased()
        && all(&a.estimates(), &b.estimates())
        && all(&a.standard_errors(), &b.standard_errors())
}
