//! The fitted logistic regression.

use linfa::traits::PredictInplace;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use super::answer::read_offset;
use super::inference::{Inference, raw_intercept};
use super::params::{LogisticPathParams, LogisticRegressionParams};
use crate::design::encode::Encoder;
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::input::RowsAccess;
use crate::estimator::rounds::{Batch, TargetBatch};
use crate::estimator::{
    ClassLabel, Classify, Model, ModelHeader, Persist, PredictRisk, Rows, RowsSource, Summary, Term,
};
use crate::kernel::linear::pass::{Point, linear_predictor};
use crate::numeric::parallel;
use crate::numeric::special::chi_squared_upper;
use crate::numeric::stable::logistic;

const NAME: &str = "LogisticRegression";

/// A fitted logistic regression; `L` is the type of the class labels.
///
/// ```
/// use galen::prelude::*;
///
/// # fn main() -> galen::Result<()> {
/// let people = galen::simulate::readmissions(2_000, 7);
/// let cohort = Cohort::new(people.matrix, people.target);
/// let (train, test) = Split::holdout(0.25, 1).apply(&cohort)?;
/// let model = LogisticRegression::params().strength(0.01).fit(&train)?;
/// let risk = model.predict_risk(test.rows())?;
/// assert!(risk.iter().all(|risk| (0.0..=1.0).contains(risk)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Wire<L>", into = "Wire<L>", bound = "L: ClassLabel")]
pub struct LogisticRegression<L: ClassLabel = bool> {
    pub(super) wire: Wire<L>,
}

/// Plain data of the model; every invariant is checked before it becomes one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: ClassLabel")]
pub(super) struct Wire<L: ClassLabel> {
    pub(super) header: ModelHeader,
    pub(super) encoder: Encoder,
    pub(super) point: Point,
    pub(super) intercept: bool,
    /// Both classes in sorted order, as `predict_proba` lists them.
    pub(super) classes: Vec<L>,
    /// Position in `classes` of the class whose log-odds are modelled.
    pub(super) modelled: usize,
    /// Whether the modelled class was named as the event.
    pub(super) event_named: bool,
    pub(super) offset: Option<String>,
    pub(super) strength: f64,
    pub(super) l1_ratio: f64,
    pub(super) weight: f64,
    pub(super) loss: f64,
    pub(super) null_loss: f64,
    pub(super) gap: f64,
    pub(super) iterations: u64,
    pub(super) converged: bool,
    pub(super) weighted_classes: bool,
    pub(super) separated: Vec<String>,
    pub(super) aliased: Vec<String>,
    pub(super) inference: Option<Inference>,
}

impl<L: ClassLabel> From<LogisticRegression<L>> for Wire<L> {
    fn from(model: LogisticRegression<L>) -> Self {
        model.wire
    }
}

impl<L: ClassLabel> TryFrom<Wire<L>> for LogisticRegression<L> {
    type Error = Error;

    fn try_from(wire: Wire<L>) -> Result<Self> {
        wire.check()?;
        Ok(Self { wire })
    }
}

impl<L: ClassLabel> Wire<L> {
    fn check(&self) -> Result<()> {
        let refuse = |what: &str| Err(ErrorKind::Saved(format!("{NAME}: {what}")).into());
        let header = &self.header;
        if header.estimator != NAME {
            return refuse("another estimator in the header");
        }
        if header.schema != *self.encoder.schema() {
            return refuse("header and encoder have different features");
        }
        if self.point.coefficients.len() != self.encoder.n_terms() {
            return refuse("one coefficient per term expected");
        }
        let numbers = [
            self.point.intercept,
            self.strength,
            self.l1_ratio,
            self.weight,
            self.loss,
            self.null_loss,
            self.gap,
        ];
        if !numbers
            .iter()
            .chain(&self.point.coefficients)
            .all(|x| x.is_finite())
        {
            return refuse("numbers must be finite");
        }
        if self.strength < 0.0 || self.weight <= 0.0 || self.gap < 0.0 {
            return refuse("strength, weight or gap outside its range");
        }
        if self.classes.len() != 2 || self.classes[0] >= self.classes[1] || self.modelled > 1 {
            return refuse("two classes in sorted order expected");
        }
        let texts: Vec<String> = self.classes.iter().map(ClassLabel::text).collect();
        if texts != header.classes || header.positional != self.encoder.positional() {
            return refuse("header and model disagree");
        }
        if header.event != self.event_named.then(|| texts[self.modelled].clone()) {
            return refuse("header and model name different events");
        }
        let is_term = |name: &String| self.encoder.terms().iter().any(|term| term.name == *name);
        if !self.separated.iter().chain(&self.aliased).all(is_term) {
            return refuse("a separated or left-out term is not among the terms");
        }
        if self.aliased.len() > self.encoder.n_terms() {
            return refuse("more terms left out than there are");
        }
        let offset_is_feature = |name: &String| header.schema.position(name).is_some();
        if self.offset.as_ref().is_some_and(offset_is_feature) {
            return refuse("the offset is a feature");
        }
        match &self.inference {
            Some(inference) => inference.check(),
            None => Ok(()),
        }
    }
}

impl<L: ClassLabel> Persist for LogisticRegression<L> {
    const KIND: &'static str = "logistic-regression";

    fn check(&self) -> Result<()> {
        self.wire.check()
    }
}

impl LogisticRegression {
    /// Settings with their defaults:
    ///
    /// | setting | default | why |
    /// | --- | --- | --- |
    /// | `strength` | 0 | maximum likelihood unless a penalty is asked for |
    /// | `l1_ratio` | 0 | ridge where there is a penalty |
    /// | `standardize` | true | a penalty must not depend on units |
    /// | `intercept` | true | |
    /// | `class_weights` | none | weights spoil calibration |
    /// | `event` | none | `true` is the event of flags; text and numbers must be told |
    /// | `offset` | none | |
    /// | `covariance` | model | the one of textbooks; by patient where patients repeat |
    /// | `level` | 0.95 | |
    /// | `tolerance` | 1e-10 | the reference results hold without tuning |
    /// | `max_iterations` | 100 | |
    pub fn params() -> LogisticRegressionParams {
        LogisticRegressionParams::default()
    }

    /// Settings of a whole path of penalties; see [`super::LogisticPath`].
    pub fn path() -> LogisticPathParams {
        LogisticPathParams::default()
    }
}

impl<L: ClassLabel> LogisticRegression<L> {
    /// Classes in the order of the columns of [`Classify::predict_proba`].
    pub fn classes(&self) -> &[L] {
        &self.wire.classes
    }

    /// The intercept in original units; 0 where there is none.
    pub fn intercept(&self) -> f64 {
        raw_intercept(&self.wire.encoder, &self.wire.point)
    }

    /// Names and coefficients of all terms in original units (log-odds per unit).
    pub fn coefficients(&self) -> Vec<(&str, f64)> {
        self.wire
            .encoder
            .terms()
            .iter()
            .zip(&self.wire.point.coefficients)
            .map(|(term, b)| (term.name.as_str(), b / term.scale))
            .collect()
    }

    /// Number of coefficients that are not zero, the intercept apart.
    pub fn n_active(&self) -> usize {
        self.wire
            .point
            .coefficients
            .iter()
            .filter(|b| **b != 0.0)
            .count()
    }

    /// Size of the penalty.
    pub fn strength(&self) -> f64 {
        self.wire.strength
    }

    /// Whether the optimality gap is within the tolerance.
    pub fn converged(&self) -> bool {
        self.wire.converged
    }

    /// Newton steps taken.
    pub fn iterations(&self) -> u64 {
        self.wire.iterations
    }

    /// Largest slope left at the solution, on terms of variance 1.
    pub fn optimality_gap(&self) -> f64 {
        self.wire.gap
    }

    /// Minus twice the weighted log-likelihood.
    pub fn deviance(&self) -> f64 {
        2.0 * self.wire.weight * self.wire.loss
    }

    /// The deviance with the intercept alone.
    pub fn null_deviance(&self) -> f64 {
        2.0 * self.wire.weight * self.wire.null_loss
    }

    /// The weighted log-likelihood.
    pub fn log_likelihood(&self) -> f64 {
        -self.wire.weight * self.wire.loss
    }

    /// Free parameters: terms in the model and the intercept.
    pub fn n_parameters(&self) -> usize {
        let left_out = self.wire.aliased.len();
        self.wire.encoder.n_terms() - left_out + usize::from(self.wire.intercept)
    }

    /// Columns along which the classes are separated: their estimates run off to infinity. Not
    /// empty means that the coefficients are not estimates; refit with a small `strength`.
    pub fn separated(&self) -> &[String] {
        &self.wire.separated
    }

    /// Terms left out because they are constant or combinations of earlier ones.
    pub fn aliased(&self) -> &[String] {
        &self.wire.aliased
    }

    /// Standard errors, tests and intervals.
    ///
    /// # Errors
    /// [`ErrorKind::NoInference`] with the reason: penalised, separated, or not converged.
    pub fn inference(&self) -> Result<&Inference> {
        let reason = if !self.wire.separated.is_empty() {
            "the classes are separated; the estimates are not finite"
        } else if self.wire.strength > 0.0 {
            "standard errors of a penalised fit would ignore its bias"
        } else if !self.wire.converged {
            "the fit did not converge"
        } else {
            "the information matrix is singular"
        };
        self.wire
            .inference
            .as_ref()
            .ok_or_else(|| ErrorKind::NoInference { what: NAME, reason }.into())
    }

    /// Likelihood-ratio test against a model with fewer terms on the same rows: statistic,
    /// degrees of freedom, p (chi-squared).
    ///
    /// # Errors
    /// [`ErrorKind::NoInference`] when either fit is penalised, did not converge or is separated,
    /// or when the smaller model has other rows or not fewer parameters.
    pub fn likelihood_ratio_test(&self, smaller: &Self) -> Result<(f64, usize, f64)> {
        let refuse = |reason| {
            Err(ErrorKind::NoInference {
                what: "likelihood-ratio test",
                reason,
            }
            .into())
        };
        for model in [self, smaller] {
            if model.wire.strength > 0.0
                || !model.wire.converged
                || !model.wire.separated.is_empty()
            {
                return refuse("both fits must be unpenalised, converged and not separated");
            }
        }
        let same_rows = self.wire.header.n_rows == smaller.wire.header.n_rows
            && self.wire.header.n_events == smaller.wire.header.n_events
            && self.wire.weight == smaller.wire.weight;
        if !same_rows || smaller.n_parameters() >= self.n_parameters() {
            return refuse("the smaller model must have the same rows and fewer parameters");
        }
        let statistic = (smaller.deviance() - self.deviance()).max(0.0);
        let df = self.n_parameters() - smaller.n_parameters();
        Ok((statistic, df, chi_squared_upper(statistic, df as f64)))
    }

    /// The overall likelihood-ratio test against the intercept alone.
    ///
    /// # Errors
    /// [`ErrorKind::NoInference`] when the fit is penalised, did not converge or is separated.
    pub fn overall_test(&self) -> Result<(f64, usize, f64)> {
        self.inference()?;
        let statistic = (self.null_deviance() - self.deviance()).max(0.0);
        let df = self.n_parameters() - usize::from(self.wire.intercept);
        Ok((statistic, df, chi_squared_upper(statistic, df as f64)))
    }

    /// Log-odds of the modelled class (one per row).
    ///
    /// # Errors
    /// As [`Classify::predict_proba`].
    pub fn decision(&self, rows: &impl Rows) -> Result<Array1<f64>> {
        self.linear_predictor(rows.source())
    }

    pub(super) fn linear_predictor(&self, rows: RowsSource<'_>) -> Result<Array1<f64>> {
        match crate::design::align::cut_sparse(rows) {
            Some(matrix) => self.linear_predictor_of(RowsSource::Matrix(&matrix)),
            None => self.linear_predictor_of(rows),
        }
    }

    fn linear_predictor_of(&self, rows: RowsSource<'_>) -> Result<Array1<f64>> {
        let wire = &self.wire;
        let n_rows = rows.n_rows();
        if n_rows == 0 {
            crate::design::align::align(wire.encoder.schema(), rows)?;
            return Ok(Array1::zeros(0));
        }
        let chunks = parallel::map_chunks(n_rows, |range| -> Result<Vec<f64>> {
            let design = wire.encoder.apply(rows, range.clone())?;
            let offset = match &wire.offset {
                None => None,
                Some(column) => Some(read_offset(
                    column,
                    &Batch {
                        rows,
                        range: range.clone(),
                        target: TargetBatch::None,
                        weights: None,
                    },
                )?),
            };
            let mut all = Vec::with_capacity(range.len());
            let mut eta = Vec::new();
            for block in &design.blocks {
                let part = offset
                    .as_ref()
                    .map(|offset| &offset[all.len()..all.len() + block.n_rows]);
                linear_predictor(wire.encoder.terms(), block, &wire.point, part, &mut eta);
                if let Some(row) = eta.iter().position(|value| !value.is_finite()) {
                    return Err(overflow(range.start + all.len() + row));
                }
                all.extend_from_slice(&eta);
            }
            Ok(all)
        });
        let mut all = Vec::with_capacity(n_rows);
        for chunk in chunks {
            all.extend(chunk?);
        }
        Ok(all.into())
    }

    fn event_position(&self) -> Result<usize> {
        if self.wire.event_named {
            return Ok(self.wire.modelled);
        }
        Err(ErrorKind::TargetKind {
            what: "risk",
            expected: "a named event (`.event(..)` in the params, or a target of flags)".into(),
            found: "two classes without a named event".into(),
        }
        .into())
    }
}

/// Values or coefficients so large that their sum has no value.
pub(super) fn overflow(row: usize) -> Error {
    ErrorKind::NonFinite {
        what: "log-odds",
        row: Some(row),
        column: None,
        rule: "values whose weighted sum f64 holds",
    }
    .into()
}

impl<L: ClassLabel> Model for LogisticRegression<L> {
    fn header(&self) -> &ModelHeader {
        &self.wire.header
    }
}

impl<L: ClassLabel> Classify for LogisticRegression<L> {
    fn predict_proba(&self, rows: &impl Rows) -> Result<Array2<f64>> {
        let eta = self.linear_predictor(rows.source())?;
        let mut out = Array2::zeros((eta.len(), 2));
        for (row, eta) in eta.iter().enumerate() {
            out[(row, self.wire.modelled)] = logistic(*eta);
            out[(row, 1 - self.wire.modelled)] = logistic(-*eta);
        }
        Ok(out)
    }
}

impl<L: ClassLabel> PredictRisk for LogisticRegression<L> {
    fn predict_risk(&self, rows: &impl Rows) -> Result<Array1<f64>> {
        self.event_position()?;
        Ok(self.linear_predictor(rows.source())?.mapv_into(logistic))
    }
}

impl<R: Rows, L: ClassLabel> PredictInplace<R, Array1<L>> for LogisticRegression<L> {
    /// linfa's prediction of labels; at probability one half the modelled class.
    ///
    /// # Panics
    /// Where [`Classify::predict_proba`] returns an error, as linfa's signature has none.
    fn predict_inplace<'a>(&'a self, rows: &'a R, labels: &mut Array1<L>) {
        let eta = match self.linear_predictor(rows.source()) {
            Ok(eta) => eta,
            Err(error) => panic!("predict: {error} (use predict_proba, which returns the error)"),
        };
        assert_eq!(
            eta.len(),
            labels.len(),
            "predict: labels of another length than rows"
        );
        for (label, eta) in labels.iter_mut().zip(eta) {
            let class = if eta >= 0.0 {
                self.wire.modelled
            } else {
                1 - self.wire.modelled
            };
            *label = self.wire.classes[class].clone();
        }
    }

    fn default_target(&self, rows: &R) -> Array1<L> {
        Array1::default(rows.nsamples())
    }
}

impl<L: ClassLabel> Summary for LogisticRegression<L> {
    fn terms(&self) -> Vec<Term> {
        let inference = self.wire.inference.as_ref();
        let (errors, z, p, intervals) = match inference {
            Some(inference) => (
                inference.standard_errors(),
                inference.z(),
                inference.p(),
                inference.intervals(),
            ),
            None => Default::default(),
        };
        let intercept = self.wire.intercept.then(|| ("intercept", self.intercept()));
        intercept
            .into_iter()
            .chain(self.coefficients())
            .map(|(name, estimate)| {
                let at = inference
                    .and_then(|inference| inference.names().iter().position(|known| known == name));
                Term {
                    name: name.to_string(),
                    estimate,
                    standard_error: at.map(|j| errors[j]),
                    statistic: at.map(|j| z[j]),
                    p: at.map(|j| p[j]),
                    lower: at.map(|j| intervals[j].0),
                    upper: at.map(|j| intervals[j].1),
                }
            })
            .collect()
    }

    fn facts(&self) -> Vec<(String, String)> {
        let wire = &self.wire;
        let mut facts = vec![
            ("estimator".to_string(), NAME.to_string()),
            (
                "modelled class".into(),
                wire.header.classes[wire.modelled].clone(),
            ),
            ("rows".into(), wire.header.n_rows.to_string()),
            ("terms".into(), wire.encoder.n_terms().to_string()),
            ("terms not zero".into(), self.n_active().to_string()),
            ("penalty strength".into(), format!("{:.6}", wire.strength)),
            ("penalty l1 ratio".into(), format!("{:.3}", wire.l1_ratio)),
            ("deviance".into(), format!("{:.4}", self.deviance())),
            (
                "null deviance".into(),
                format!("{:.4}", self.null_deviance()),
            ),
            ("iterations".into(), wire.iterations.to_string()),
            ("converged".into(), wire.converged.to_string()),
        ];
        if let Some(events) = wire.header.n_events {
            facts.insert(3, ("events".into(), events.to_string()));
        }
        if let Some(inference) = &wire.inference {
            facts.push(("covariance".into(), format!("{:?}", inference.kind())));
        }
        facts
    }

    fn warnings(&self) -> Vec<String> {
        let wire = &self.wire;
        let mut warnings = Vec::new();
        if !wire.separated.is_empty() {
            warnings.push(format!(
                "separation: the classes are told apart without error along {}; these estimates \
                 are not finite, refit with a small strength",
                wire.separated.join(", ")
            ));
        }
        if !wire.converged {
            warnings.push(format!("not converged: optimality gap {:.2e}", wire.gap));
        }
        if !wire.aliased.is_empty() {
            warnings.push(format!(
                "left out as constant or combinations of others: {}",
                wire.aliased.join(", ")
            ));
        }
        if let Some(inference) = &wire.inference
            && inference.reciprocal_condition() < 1e-8
        {
            warnings.push(format!(
                "ill-conditioned terms: reciprocal condition {:.1e}",
                inference.reciprocal_condition()
            ));
        }
        if wire.weighted_classes {
            warnings.push("class weights: probabilities are not calibrated to the data".into());
        }
        warnings
    }
}

impl<L: ClassLabel> approx::AbsDiffEq for LogisticRegression<L> {
    type Epsilon = f64;

    fn default_epsilon() -> f64 {
        f64::EPSILON
    }

    /// Same terms and classes, coefficients in original units within `epsilon`.
    fn abs_diff_eq(&self, other: &Self, epsilon: f64) -> bool {
        close(self, other, |a, b| f64::abs_diff_eq(&a, &b, epsilon))
    }
}

impl<L: ClassLabel> approx::RelativeEq for LogisticRegression<L> {
    fn default_max_relative() -> f64 {
        f64::EPSILON
    }

    fn relative_eq(&self, other: &Self, epsilon: f64, max_relative: f64) -> bool {
        close(self, other, |a, b| {
            f64::relative_eq(&a, &b, epsilon, max_relative)
        })
    }
}

fn close<L: ClassLabel>(
    a: &LogisticRegression<L>,
    b: &LogisticRegression<L>,
    same: impl Fn(f64, f64) -> bool,
) -> bool {
    let (x, y) = (a.coefficients(), b.coefficients());
    a.wire.classes == b.wire.classes
        && a.wire.modelled == b.wire.modelled
        && same(a.intercept(), b.intercept())
        && x.len() == y.len()
        && x.iter().zip(&y).all(|(p, q)| p.0 == q.0 && same(p.1, q.1))
}
