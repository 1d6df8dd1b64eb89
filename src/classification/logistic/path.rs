//! A path of penalised fits, and the choice among them by folds of patients.

use linfa::dataset::{AsSingleTargets, DatasetBase};
use linfa::traits::Fit;
use serde::{Deserialize, Serialize};

use super::fit::{Fitted, fit_cohort};
use super::model::LogisticRegression;
use super::params::{LogisticPathParams, LogisticPathValidParams};
use crate::design::align::cut_sparse;
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::input::RowsAccess;
use crate::estimator::{
    ClassLabel, Cohort, Control, KFold, ParamGuard, RowsSource, TargetRows, TrainingRows,
};
use crate::kernel::linear::problem::Strengths;
use crate::numeric::parallel::map_tasks;
use crate::numeric::stable::log1p_exp;

/// Logistic regressions at a decreasing sequence of penalty strengths.
///
/// ```
/// use galen::prelude::*;
///
/// # fn main() -> galen::Result<()> {
/// let people = galen::simulate::readmissions(1_500, 3);
/// let cohort = Cohort::new(people.matrix, people.target);
/// let choice = LogisticRegression::path()
///     .l1_ratio(0.5)
///     .n_strengths(20)
///     .choose(&cohort, &KFold::new(3).seed(1))?;
/// let model = choice.one_standard_error()?;
/// assert!(model.n_active() <= choice.best()?.n_active());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticPath<L: ClassLabel = bool> {
    models: Vec<LogisticRegression<L>>,
}

impl<L: ClassLabel> LogisticPath<L> {
    /// The models, strongest penalty first.
    pub fn models(&self) -> &[LogisticRegression<L>] {
        &self.models
    }

    /// The strengths, largest first.
    pub fn strengths(&self) -> Vec<f64> {
        self.models
            .iter()
            .map(LogisticRegression::strength)
            .collect()
    }
}

impl<R, T> Fit<R, T, Error> for LogisticPathValidParams
where
    R: TrainingRows,
    T: AsSingleTargets,
    T::Elem: ClassLabel,
{
    type Object = LogisticPath<T::Elem>;

    fn fit(&self, cohort: &DatasetBase<R, T>) -> Result<Self::Object> {
        self.fit_with_control(cohort, &Control::silent())
    }
}

impl LogisticPathValidParams {
    fn strengths(&self) -> Strengths {
        match &self.strengths {
            Some(strengths) => Strengths::Given(strengths.clone()),
            None => Strengths::Automatic {
                n: self.n_strengths,
                ratio: self.min_ratio,
            },
        }
    }

    /// Fits, reporting each round to `control`, which may cancel.
    ///
    /// # Errors
    /// As `fit`; [`ErrorKind::Cancelled`].
    pub fn fit_with_control<R, T>(
        &self,
        cohort: &DatasetBase<R, T>,
        control: &Control,
    ) -> Result<LogisticPath<T::Elem>>
    where
        R: TrainingRows,
        T: AsSingleTargets,
        T::Elem: ClassLabel,
    {
        let fitted: Fitted<T::Elem> = fit_cohort(&self.base, self.strengths(), cohort, control)?;
        let models = fitted
            .models(&self.base)
            .into_iter()
            .collect::<Result<_>>()?;
        Ok(LogisticPath { models })
    }
}

impl LogisticPathParams {
    /// Fits the path and chooses a strength by the out-of-fold deviance over folds of patients.
    ///
    /// All folds use the strengths of the whole cohort; folds run in parallel. Cost: one path more
    /// than there are folds.
    ///
    /// # Errors
    /// As `fit`; as [`KFold`] for patients that cannot be folded.
    pub fn choose<T>(&self, cohort: &Cohort<T>, folds: &KFold) -> Result<PathChoice<T::Elem>>
    where
        T: AsSingleTargets + TargetRows + Send + Sync,
        T::Elem: ClassLabel,
    {
        let params = self.check_ref()?;
        let path = params.fit(cohort)?;
        let inner = LogisticPathValidParams {
            strengths: Some(path.strengths()),
            ..params.clone()
        };
        let plan = folds.plan(cohort)?;
        let losses = map_tasks(plan.n_folds(), |index| -> Result<Vec<(f64, f64)>> {
            let fold = plan.fold(cohort, index)?;
            let fitted = inner.fit(&fold.train)?;
            let truth = fold.test.target().as_single_targets();
            let weights = fold.test.weights();
            let rows = fold.test.rows().source();
            let owned = cut_sparse(rows);
            let rows = owned.as_ref().map_or(rows, RowsSource::Matrix);
            fitted
                .models
                .iter()
                .map(|model| {
                    let eta = model.linear_predictor(rows)?;
                    let event = &model.classes()[model.wire.modelled];
                    let (mut loss, mut total) = (0.0, 0.0);
                    for (row, eta) in eta.iter().enumerate() {
                        let weight = weights.map_or(1.0, |all| all[row]);
                        let sign = if truth[row] == *event { -1.0 } else { 1.0 };
                        loss += weight * log1p_exp(sign * eta);
                        total += weight;
                    }
                    Ok((2.0 * loss, total))
                })
                .collect()
        });
        let losses = losses.into_iter().collect::<Result<Vec<_>>>()?;
        Ok(PathChoice::new(path, &losses))
    }
}

/// A path with the out-of-fold deviance of every strength.
#[derive(Debug, Clone, PartialEq)]
pub struct PathChoice<L: ClassLabel = bool> {
    path: LogisticPath<L>,
    scores: Vec<PathScore>,
}

/// Out-of-fold performance of one strength.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PathScore {
    /// Size of the penalty.
    pub strength: f64,
    /// Mean out-of-fold deviance per unit of weight.
    pub deviance: f64,
    /// Standard error of that mean over folds.
    pub standard_error: f64,
    /// Terms that are not zero in the fit on all rows.
    pub n_active: usize,
}

impl<L: ClassLabel> PathChoice<L> {
    fn new(path: LogisticPath<L>, folds: &[Vec<(f64, f64)>]) -> Self {
        let scores = path
            .models
            .iter()
            .enumerate()
            .map(|(index, model)| {
                let total: f64 = folds.iter().map(|fold| fold[index].1).sum();
                let deviance = folds.iter().map(|fold| fold[index].0).sum::<f64>() / total;
                // As glmnet: weighted variance of fold means over folds less one.
                let variance = folds
                    .iter()
                    .map(|fold| {
                        let (loss, weight) = fold[index];
                        weight * (loss / weight - deviance).powi(2)
                    })
                    .sum::<f64>()
                    / total;
                let standard_error = (variance / (folds.len() as f64 - 1.0)).sqrt();
                PathScore {
                    strength: model.strength(),
                    deviance,
                    standard_error,
                    n_active: model.n_active(),
                }
            })
            .collect();
        Self { path, scores }
    }

    /// The path on all rows.
    pub fn path(&self) -> &LogisticPath<L> {
        &self.path
    }

    /// Out-of-fold performance of every strength, largest strength first.
    pub fn scores(&self) -> &[PathScore] {
        &self.scores
    }

    fn best_index(&self) -> usize {
        (0..self.scores.len())
            .min_by(|a, b| {
                self.scores[*a]
                    .deviance
                    .total_cmp(&self.scores[*b].deviance)
            })
            .unwrap_or(0)
    }

    fn model(&self, index: usize) -> Result<&LogisticRegression<L>> {
        self.path.models.get(index).ok_or_else(|| {
            ErrorKind::Undefined {
                what: "choice on a path",
                reason: "the path is empty",
            }
            .into()
        })
    }

    /// The model of the lowest out-of-fold deviance; on ties the stronger penalty.
    ///
    /// # Errors
    /// [`ErrorKind::Undefined`] for an empty path, which no fit returns.
    pub fn best(&self) -> Result<&LogisticRegression<L>> {
        self.model(self.best_index())
    }

    /// The strongest penalty within one standard error of the lowest deviance (Breiman, Friedman,
    /// Olshen and Stone 1984): fewer terms at a loss that the folds cannot see.
    ///
    /// # Errors
    /// As [`Self::best`].
    pub fn one_standard_error(&self) -> Result<&LogisticRegression<L>> {
        let best = self.best_index();
        let limit = self
            .scores
            .get(best)
            .map_or(f64::INFINITY, |score| score.deviance + score.standard_error);
        let index = self.scores.iter().position(|score| score.deviance <= limit);
        self.model(index.unwrap_or(best))
    }
}
