//! From a cohort, or any source of rows, to the fitted model.

use linfa::dataset::{AsSingleTargets, DatasetBase};
use linfa::traits::Fit;

use super::inference::Inference;
use super::messages::LogisticOutcome;
use super::model::{LogisticRegression, Wire};
use super::params::{ClassWeights, Covariance, LogisticRegressionValidParams};
use super::rounds::LogisticRounds;
use crate::design::align::{cut_sparse, lay_out, schema_of};
use crate::design::prepare::Preparation;
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::input::{RowsAccess, check_shape, check_weights, encode_classes};
use crate::estimator::rounds::{Memory, Source, TargetBatch, drive};
use crate::estimator::{
    ClassLabel, Control, KeyColumn, Lineage, ModelHeader, RowDerived, RowsSource, Schema,
    TrainingRows,
};
use crate::kernel::linear::clusters::PatientScores;
use crate::kernel::linear::problem::{Solution, Strengths};
use crate::kernel::loss::Loss;

pub(super) const NAME: &str = "LogisticRegression";

impl<R, T> Fit<R, T, Error> for LogisticRegressionValidParams
where
    R: TrainingRows,
    T: AsSingleTargets,
    T::Elem: ClassLabel,
{
    type Object = LogisticRegression<T::Elem>;

    fn fit(&self, cohort: &DatasetBase<R, T>) -> Result<Self::Object> {
        self.fit_with_control(cohort, &Control::silent())
    }
}

impl LogisticRegressionValidParams {
    /// Fits, reporting each round to `control`, which may cancel.
    ///
    /// # Errors
    /// As `fit`; [`ErrorKind::Cancelled`].
    pub fn fit_with_control<R, T>(
        &self,
        cohort: &DatasetBase<R, T>,
        control: &Control,
    ) -> Result<LogisticRegression<T::Elem>>
    where
        R: TrainingRows,
        T: AsSingleTargets,
        T::Elem: ClassLabel,
    {
        let strengths = Strengths::Given(vec![self.strength]);
        let fitted = fit_cohort(self, strengths, cohort, control)?;
        fitted.last(self)
    }

    /// The rounds of this fit, for a source that is not in memory. `schema` lists the features
    /// (an offset column may be among them; it is left out).
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] for a covariance by patient, which needs the rows of a patient in
    /// one place.
    pub fn rounds(&self, schema: &Schema) -> Result<LogisticRounds> {
        if self.covariance == Covariance::ByPatient {
            return Err(ErrorKind::Parameter {
                estimator: NAME,
                name: "covariance",
                value: "ByPatient".into(),
                rule: "another one when rows are not in memory",
            }
            .into());
        }
        Ok(LogisticRounds {
            params: self.clone(),
            strengths: Strengths::Given(vec![self.strength]),
            schema: without_offset(schema, self.offset.as_deref())?,
            positional: false,
            pilot: false,
        })
    }

    /// Fits over any source of rows; the same loop as `fit`.
    ///
    /// # Errors
    /// As `fit`, and those of the source.
    pub fn fit_over<L, S>(
        &self,
        rounds: &LogisticRounds,
        source: &mut S,
        control: &Control,
    ) -> Result<LogisticRegression<L>>
    where
        L: ClassLabel,
        S: Source<LogisticRounds>,
    {
        let outcome = drive(rounds, source, control)?;
        let mut texts = outcome.plan.classes.clone();
        texts.sort();
        let mut classes = texts
            .iter()
            .map(|text| L::from_text(text))
            .collect::<Option<Vec<L>>>()
            .ok_or_else(|| super::answer::target_kind("labels of the asked type", "other text"))?;
        classes.sort();
        let fitted = Fitted {
            outcome,
            classes,
            lineage: Lineage::default(),
            meat: None,
            positional: false,
        };
        fitted.last(self)
    }
}

/// What a drive over a cohort gave, with the typed classes.
pub(super) struct Fitted<L> {
    pub(super) outcome: LogisticOutcome,
    pub(super) classes: Vec<L>,
    pub(super) lineage: Lineage,
    pub(super) meat: Option<Vec<f64>>,
    pub(super) positional: bool,
}

/// Checks a cohort and drives the rounds over it in memory.
pub(super) fn fit_cohort<R, T>(
    params: &LogisticRegressionValidParams,
    strengths: Strengths,
    cohort: &DatasetBase<R, T>,
    control: &Control,
) -> Result<Fitted<T::Elem>>
where
    R: TrainingRows,
    T: AsSingleTargets,
    T::Elem: ClassLabel,
{
    let rows = cohort.records.source();
    let target = cohort.targets.as_single_targets();
    check_shape(NAME, rows, target.len(), 2)?;
    let weights = check_weights(NAME, cohort)?;
    let (classes, codes) = encode_classes(target);
    let labels: Vec<String> = classes.iter().map(ClassLabel::text).collect();
    let (schema, positional) = schema_of(rows)?;
    let schema = without_offset(&schema, params.offset.as_deref())?;
    if schema.is_empty() {
        return Err(ErrorKind::NoFeatures { what: NAME }.into());
    }
    let owned = cut_sparse(rows);
    let laid_out = lay_out(rows);
    let source = match (&owned, &laid_out) {
        (Some(matrix), _) => RowsSource::Matrix(matrix),
        (None, Some(array)) => RowsSource::Array(array.view()),
        (None, None) => rows,
    };
    let rounds = LogisticRounds {
        params: params.clone(),
        strengths,
        schema,
        positional,
        pilot: true,
    };
    let target_batch = TargetBatch::Classes {
        codes: &codes,
        labels: &labels,
    };
    let mut memory = Memory::new(source, target_batch, weights.as_deref());
    let outcome = drive(&rounds, &mut memory, control)?;
    let mut used: Vec<T::Elem> = classes
        .iter()
        .filter(|class| outcome.plan.classes.contains(&class.text()))
        .cloned()
        .collect();
    used.sort();
    let meat = match (params.covariance, &outcome.information) {
        (Covariance::ByPatient, Some((set, _))) => {
            let RowsSource::Matrix(matrix) = rows else {
                return Err(ErrorKind::MissingKeys {
                    what: NAME,
                    key: "patient",
                }
                .into());
            };
            let patients = matrix.keys().require_patients(NAME)?;
            Some(memory.meat_by_patient(&outcome, set, patients)?)
        }
        _ => None,
    };
    Ok(Fitted {
        outcome,
        classes: used,
        lineage: Lineage::of(rows),
        meat,
        positional,
    })
}

fn without_offset(schema: &Schema, offset: Option<&str>) -> Result<Schema> {
    let Some(offset) = offset else {
        return Ok(schema.clone());
    };
    let position = schema.find(offset)?;
    let mut features = schema.features().to_vec();
    features.remove(position);
    Schema::new(features)
}

impl Memory<'_, super::answer::LogisticLocal> {
    /// Sum over patients of the outer product of their summed scores, times `G / (G - 1)`.
    fn meat_by_patient(
        &self,
        outcome: &LogisticOutcome,
        set: &[u32],
        patients: &KeyColumn,
    ) -> Result<Vec<f64>> {
        let k = set.len() + 1;
        let solution = outcome
            .solutions
            .last()
            .ok_or_else(|| ErrorKind::Schema("no solution".into()))?;
        let terms = outcome.plan.encoder.terms();
        let mut scores = PatientScores::new(k);
        let mut row = 0;
        for local in self.locals() {
            local.visit(
                terms,
                &solution.point,
                Loss::Logistic,
                set,
                |columns, n, weights| {
                    for (offset, weight) in weights.iter().enumerate() {
                        if *weight > 0.0 {
                            let patient = patients.codes()[row + offset];
                            scores.add(patient, |j| columns[j * n + offset]);
                        }
                    }
                    row += n;
                },
            );
        }
        let (mut meat, groups) = scores.meat()?;
        let factor = groups as f64 / (groups - 1) as f64;
        meat.iter_mut().for_each(|value| *value *= factor);
        Ok(meat)
    }
}

impl<L: ClassLabel> Fitted<L> {
    /// The model of the last solution.
    pub(super) fn last(
        &self,
        params: &LogisticRegressionValidParams,
    ) -> Result<LogisticRegression<L>> {
        match self.outcome.solutions.last() {
            Some(solution) => self.model(params, solution),
            None => Err(ErrorKind::Schema("no solution".into()).into()),
        }
    }

    /// One model per solution.
    pub(super) fn models(
        &self,
        params: &LogisticRegressionValidParams,
    ) -> Vec<Result<LogisticRegression<L>>> {
        self.outcome
            .solutions
            .iter()
            .map(|solution| self.model(params, solution))
            .collect()
    }

    pub(super) fn model(
        &self,
        params: &LogisticRegressionValidParams,
        solution: &Solution,
    ) -> Result<LogisticRegression<L>> {
        let outcome = &self.outcome;
        let plan = &outcome.plan;
        let texts: Vec<String> = self.classes.iter().map(ClassLabel::text).collect();
        let modelled = texts
            .iter()
            .position(|text| *text == plan.classes[1])
            .ok_or_else(|| {
                ErrorKind::Schema("the modelled class is not among the classes".into())
            })?;
        let natural = L::natural_event().map(|event| event.text());
        let event_named = params.event.is_some() || natural.as_deref() == Some(&plan.classes[1]);
        let mut header = ModelHeader::new(NAME, plan.encoder.schema().clone(), self.positional);
        header.n_rows = outcome.n_rows;
        header.n_events = event_named.then_some(outcome.n_events);
        header.classes = texts;
        header.event = event_named.then(|| plan.classes[1].clone());
        header.lineage = self.lineage.clone();
        header.row_derived = row_derived(&params.preparation, outcome);
        let inference = match &outcome.information {
            Some((set, information)) => Some(Inference::new(
                &plan.encoder,
                &solution.point,
                params.intercept,
                set,
                information,
                params.covariance,
                params.level,
                self.meat.as_deref(),
            )?),
            None => None,
        };
        let aliased = plan
            .encoder
            .terms()
            .iter()
            .zip(&outcome.excluded)
            .filter(|(_, excluded)| **excluded)
            .map(|(term, _)| term.name.clone())
            .collect();
        Ok(LogisticRegression {
            wire: Wire {
                header,
                encoder: plan.encoder.clone(),
                point: solution.point.clone(),
                intercept: params.intercept,
                classes: self.classes.clone(),
                modelled,
                event_named,
                offset: plan.offset.clone(),
                strength: solution.strength,
                l1_ratio: params.l1_ratio,
                weight: outcome.weight,
                loss: solution.loss,
                null_loss: outcome.null_loss,
                gap: solution.gap,
                iterations: solution.iterations as u64,
                converged: solution.converged && outcome.separated.is_empty(),
                weighted_classes: params.class_weights != ClassWeights::None,
                separated: outcome.separated.clone(),
                aliased,
                inference,
            },
        })
    }
}

fn row_derived(_: &Preparation, outcome: &LogisticOutcome) -> Vec<RowDerived> {
    vec![RowDerived {
        part: "means, spreads and levels of the prepared features".into(),
        smallest_count: outcome.smallest_level,
    }]
}
