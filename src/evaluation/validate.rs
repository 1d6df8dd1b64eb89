//! From a sealed test side, or folds of a cohort, to arrays of truth and prediction.
//!
//! These are the only ways by which the outcomes of a [`Test`] meet a prediction, and each asks
//! [`Test::check`] first: a model that saw the test patients is an error, not an optimistic number.

use ndarray::{Array1, Array2};

use crate::error::{ErrorKind, Result};
use crate::estimator::{
    Binary, Cohort, KFold, PredictRisk, Regress, Relation, SplitReport, TargetRows, Test, Train,
};
use crate::evaluation::bootstrap::BootstrapOptions;
use crate::evaluation::bootstrap_binary::{BinaryBootstrap, bootstrap_binary};
use crate::evaluation::risk::{RiskEvaluation, RiskOptions, evaluate_risk};
use crate::evaluation::subgroup::{Subgroup, SubgroupOptions, subgroups};
use crate::numeric::parallel::map_tasks;

/// Truth and prediction of the rows of one test side, one entry per row in every array.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ScoredTest {
    /// Estimator of the model, or the name given to a comparator.
    pub name: String,
    /// Whether the event happened.
    pub truth: Array1<bool>,
    /// Predicted probability of the event; the score of a comparator on its own scale.
    pub risk: Array1<f64>,
    /// Whether `risk` holds probabilities, so that calibration and net benefit have a meaning.
    pub is_probability: bool,
    /// Weights, where the cohort has them.
    pub weights: Option<Array1<f64>>,
    /// Patient number, where the cohort has patient keys: intervals resample patients.
    pub patients: Option<Array1<u32>>,
    /// How the model stands to the rows; `None` for a comparator, which was not fitted.
    pub relation: Option<Relation>,
    /// The split that sealed the rows.
    pub split: SplitReport,
}

/// Scores a sealed test side with a fitted model, after asking whether the model saw it.
///
/// # Errors
/// [`ErrorKind::Leak`] when the model was fitted on the same table outside the training side of
/// this split; the model's own errors; [`ErrorKind::NonFinite`], [`ErrorKind::OutOfRange`] and
/// [`ErrorKind::LengthMismatch`] for a model that does not return one probability per row.
pub fn evaluate_sealed<M: PredictRisk>(test: &Test<Binary>, model: &M) -> Result<ScoredTest> {
    let relation = test.check(model.header())?;
    let risk = model.predict_risk(test.rows())?;
    check_scores("predicted risk", &risk, test.n_rows())?;
    if let Some(row) = risk.iter().position(|risk| !(0.0..=1.0).contains(risk)) {
        return Err(ErrorKind::OutOfRange {
            what: "predicted risk",
            row: Some(row),
            column: None,
            rule: "probabilities within [0, 1]",
        }
        .into());
    }
    let name = model.header().estimator.clone();
    Ok(scored(test, name, risk, Some(relation)))
}

impl ScoredTest {
    /// Discrimination, calibration and utility of the rows, weighted where the cohort has weights.
    ///
    /// # Errors
    /// [`ErrorKind::TargetKind`] where the scores are no probabilities; as [`evaluate_risk`].
    pub fn evaluate(&self, options: &RiskOptions) -> Result<RiskEvaluation> {
        let (truth, risk) = self.probabilities("ScoredTest::evaluate")?;
        evaluate_risk(&truth, &risk, self.row_weights().as_deref(), options)
    }

    /// Headline numbers with intervals by patient, where the cohort has patient keys, weighted where
    /// it has weights.
    ///
    /// # Errors
    /// As [`ScoredTest::evaluate`] and [`bootstrap_binary`].
    pub fn bootstrap(&self, threshold: f64, options: BootstrapOptions) -> Result<BinaryBootstrap> {
        let (truth, risk) = self.probabilities("ScoredTest::bootstrap")?;
        let patients = self.patients.as_ref().map(|patients| patients.to_vec());
        let (weights, patients) = (self.row_weights(), patients.as_deref());
        bootstrap_binary(
            &truth,
            &risk,
            weights.as_deref(),
            patients,
            threshold,
            options,
        )
    }

    /// Numbers by group, weighted where the cohort has weights; `group` has one name per row.
    ///
    /// # Errors
    /// As [`ScoredTest::evaluate`] and [`subgroups`].
    pub fn subgroups<S: AsRef<str>>(
        &self,
        group: &[S],
        options: SubgroupOptions,
    ) -> Result<Vec<Subgroup>> {
        let (truth, risk) = self.probabilities("ScoredTest::subgroups")?;
        subgroups(&truth, &risk, self.row_weights().as_deref(), group, options)
    }

    fn row_weights(&self) -> Option<Vec<f64>> {
        self.weights.as_ref().map(|weights| weights.to_vec())
    }

    fn probabilities(&self, what: &'static str) -> Result<(Vec<bool>, Vec<f64>)> {
        if !self.is_probability {
            return Err(ErrorKind::TargetKind {
                what,
                expected: "predicted probabilities".into(),
                found: "a score on a scale of its own".into(),
            }
            .into());
        }
        Ok((self.truth.to_vec(), self.risk.to_vec()))
    }
}

/// Truth and predicted numbers of the rows of one test side.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PredictedTest<T> {
    /// Estimator of the model.
    pub name: String,
    /// What came true: values, counts, or times with events.
    pub truth: T,
    /// Predicted number, one per row.
    pub predicted: Array1<f64>,
    /// Weights, where the cohort has them.
    pub weights: Option<Array1<f64>>,
    /// Patient number, where the cohort has patient keys.
    pub patients: Option<Array1<u32>>,
    /// How the model stands to the rows.
    pub relation: Relation,
    /// The split that sealed the rows.
    pub split: SplitReport,
}

/// Predicts a sealed test side with a model of a number (a value, a count, a log hazard), after
/// asking whether the model saw it.
///
/// # Errors
/// As [`evaluate_sealed`], without the range of probabilities.
pub fn predict_sealed<T: TargetRows, M: Regress>(
    test: &Test<T>,
    model: &M,
) -> Result<PredictedTest<T>> {
    let relation = test.check(model.header())?;
    let predicted = model.try_predict(test.rows())?;
    check_scores("prediction", &predicted, test.n_rows())?;
    Ok(PredictedTest {
        name: model.header().estimator.clone(),
        truth: test.target().clone(),
        predicted,
        weights: test.weights().cloned(),
        patients: test.patient_codes(),
        relation,
        split: test.report().clone(),
    })
}

/// Scores a sealed test side with one of its own columns: an existing risk score, or a single
/// laboratory value that a model must beat. Higher means more risk; `name` goes into reports.
///
/// ```
/// use galen::estimator::{Cohort, Split};
/// use galen::evaluation::score_with;
/// use galen::matrix::{Binary, PatientMatrix, RowKeys};
///
/// # fn main() -> galen::Result<()> {
/// let matrix = PatientMatrix::from_columns([("lace", vec![3.0, 11.0, 7.0, 12.0])])?
///     .with_keys(RowKeys::none().patients(["a", "b", "c", "d"]))?;
/// let cohort = Cohort::new(matrix, Binary::from_flags("readmitted", [false, true, false, true]));
/// let (_, test) = Split::by_rule(|patient| patient > "b").apply(&cohort)?;
/// let scored = score_with(&test, "LACE index", "lace")?;
/// assert_eq!(scored.risk.to_vec(), [7.0, 12.0]);
/// assert_eq!(scored.truth.to_vec(), [false, true]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`ErrorKind::FeatureNames`] for an unknown column, [`ErrorKind::FeatureMismatch`] for a column
/// of levels, [`ErrorKind::NonFinite`] where it is missing: fill it before the split, or keep the
/// rows that have it.
pub fn score_with(test: &Test<Binary>, name: &str, column: &str) -> Result<ScoredTest> {
    let score = test.numbers(column)?;
    if let Some(row) = score.iter().position(|score| !score.is_finite()) {
        return Err(ErrorKind::NonFinite {
            what: "comparator",
            row: Some(row),
            column: Some(column.to_string()),
            rule: "a number in every row",
        }
        .into());
    }
    let mut scored = scored(test, name.to_string(), score, None);
    scored.is_probability = false;
    Ok(scored)
}

/// Group of every test row for an audit by subgroup: the level of a category, `0` or `1` of a
/// flag, `None` where missing.
///
/// # Errors
/// [`ErrorKind::FeatureNames`] for an unknown column, [`ErrorKind::FeatureMismatch`] for numbers.
pub fn groups_of<T: TargetRows>(test: &Test<T>, column: &str) -> Result<Vec<Option<String>>> {
    test.group(column)
}

/// Predictions of rows by models that never saw their patients.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CrossValidated {
    /// Whether the event happened, by row of the cohort.
    pub truth: Array1<bool>,
    /// Out-of-fold probability of the event (rows x repeats).
    pub risk: Array2<f64>,
    /// Weights, where the cohort has them.
    pub weights: Option<Array1<f64>>,
    /// Patient number, where the cohort has patient keys.
    pub patients: Option<Array1<u32>>,
    /// The folds, repeat by repeat.
    pub folds: Vec<FoldScore>,
}

/// One fold of a cross-validation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FoldScore {
    /// Which repeat, from 0.
    pub repeat: usize,
    /// Which fold of it, from 0.
    pub number: usize,
    /// Rows of the cohort that the fold tests.
    pub rows: Vec<usize>,
    /// Truth and prediction of these rows.
    pub scored: ScoredTest,
}

/// Fits on every training side and predicts the fold left out; folds run in parallel.
///
/// `fit` is the whole recipe: everything learnt from rows, choice of settings included, belongs
/// into it. Metrics are best taken per fold and then averaged; pooled predictions
/// ([`CrossValidated::risk`]) mix models of different calibration.
///
/// # Errors
/// The error of the first fold that fails; as [`KFold::split`] and [`evaluate_sealed`]:
/// [`ErrorKind::Leak`] where `fit` returns a model that was not fitted on the side it was given.
pub fn cross_validate<M, F>(
    cohort: &Cohort<Binary>,
    folds: &KFold,
    fit: F,
) -> Result<CrossValidated>
where
    M: PredictRisk,
    F: Fn(&Train<Binary>) -> Result<M> + Sync + Send,
{
    let plan = folds.plan(cohort)?;
    let scores = map_tasks(plan.n_folds(), |index| -> Result<FoldScore> {
        let fold = plan.fold(cohort, index)?;
        let model = fit(&fold.train)?;
        if model.header().lineage.origin.is_none() {
            return Err(ErrorKind::Leak(
                "the model of a fold does not say which rows it was fitted on; fit it on the \
                 training side itself"
                    .into(),
            )
            .into());
        }
        Ok(FoldScore {
            repeat: fold.repeat,
            number: fold.number,
            rows: fold.test.positions().to_vec(),
            scored: evaluate_sealed(&fold.test, &model)?,
        })
    });
    let folds: Vec<FoldScore> = scores.into_iter().collect::<Result<_>>()?;
    let repeats = folds.iter().map(|fold| fold.repeat + 1).max().unwrap_or(0);
    let mut risk = Array2::from_elem((cohort.records.n_rows(), repeats), f64::NAN);
    for fold in &folds {
        for (row, value) in fold.rows.iter().zip(&fold.scored.risk) {
            risk[[*row, fold.repeat]] = *value;
        }
    }
    let patients = cohort.records.keys().patient_keys();
    Ok(CrossValidated {
        truth: cohort.targets.values().clone(),
        risk,
        weights: (!cohort.weights.is_empty()).then(|| cohort.weights.mapv(f64::from)),
        patients: patients.map(|patients| patients.codes().iter().copied().collect()),
        folds,
    })
}

fn scored(
    test: &Test<Binary>,
    name: String,
    risk: Array1<f64>,
    relation: Option<Relation>,
) -> ScoredTest {
    ScoredTest {
        name,
        truth: test.outcome_flags().clone(),
        risk,
        is_probability: true,
        weights: test.weights().cloned(),
        patients: test.patient_codes(),
        relation,
        split: test.report().clone(),
    }
}

fn check_scores(what: &'static str, scores: &Array1<f64>, n_rows: usize) -> Result<()> {
    if scores.len() != n_rows {
        return Err(ErrorKind::LengthMismatch {
            what,
            expected: n_rows,
            found: scores.len(),
        }
        .into());
    }
    match scores.iter().position(|score| !score.is_finite()) {
        None => Ok(()),
        Some(row) => Err(ErrorKind::NonFinite {
            what,
            row: Some(row),
            column: None,
            rule: "one finite number per row",
        }
        .into()),
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
