//! From a cohort, or any source of rows, to the fitted model.

use linfa::dataset::{AsSingleTargets, DatasetBase};
use linfa::traits::Fit;

use super::inference::{covariance, meat_by_patient};
use super::model::{LinearRegression, Wire};
use super::params::{Covariance, LinearRegressionValidParams, NAME};
use super::rounds::{LinearOutcome, LinearRounds};
use crate::design::align::schema_of;
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::input::{RowsAccess, check_shape, check_weights};
use crate::estimator::rounds::{Memory, Source, TargetBatch, drive};
use crate::estimator::{Control, Lineage, ModelHeader, RowDerived, RowsSource, TrainingRows};
use crate::estimator::{PatientMatrix, Schema};

impl<R, T> Fit<R, T, Error> for LinearRegressionValidParams
where
    R: TrainingRows,
    T: AsSingleTargets<Elem = f64>,
{
    type Object = LinearRegression;

    fn fit(&self, cohort: &DatasetBase<R, T>) -> Result<Self::Object> {
        self.fit_with_control(cohort, &Control::silent())
    }
}

impl LinearRegressionValidParams {
    /// Fits, reporting each round to `control`, which may cancel.
    ///
    /// # Errors
    /// [`ErrorKind::LengthMismatch`], [`ErrorKind::TooFewRows`], [`ErrorKind::NoFeatures`];
    /// [`ErrorKind::NonFinite`] for a target or a value that is not finite, or a missing one where
    /// the preparation refuses it; [`ErrorKind::Underdetermined`] where there are not more rows
    /// than columns; [`ErrorKind::RankDeficient`] where the columns are so nearly dependent that
    /// refinement does not settle; [`ErrorKind::MissingKeys`] for a covariance by patient without
    /// patient keys; [`ErrorKind::NoInference`] for a row of leverage 1 under HC2 or HC3;
    /// [`ErrorKind::Scale`]; [`ErrorKind::Cancelled`].
    pub fn fit_with_control<R, T>(
        &self,
        cohort: &DatasetBase<R, T>,
        control: &Control,
    ) -> Result<LinearRegression>
    where
        R: TrainingRows,
        T: AsSingleTargets<Elem = f64>,
    {
        let rows = cohort.records.source();
        let target = cohort.targets.as_single_targets().to_vec();
        check_shape(NAME, rows, target.len(), 2)?;
        let weights = check_weights(NAME, cohort)?;
        let (schema, positional) = schema_of(rows)?;
        // Sparse columns of a view would be searched once per chunk; they are cut once instead.
        let owned: Option<PatientMatrix> = match rows {
            RowsSource::Matrix(matrix)
                if (0..matrix.n_columns()).any(|column| matrix.view(column).is_sparse()) =>
            {
                Some(matrix.materialize())
            }
            _ => None,
        };
        let source = owned.as_ref().map_or(rows, RowsSource::Matrix);
        let patients = match (self.covariance, rows) {
            (Covariance::ByPatient, RowsSource::Matrix(matrix)) => {
                Some(matrix.keys().require_patients(NAME)?)
            }
            (Covariance::ByPatient, RowsSource::Array(_)) => {
                return Err(ErrorKind::MissingKeys {
                    what: NAME,
                    key: "patient",
                }
                .into());
            }
            _ => None,
        };
        let rounds = LinearRounds {
            params: self.clone(),
            schema,
            positional,
        };
        let mut memory = Memory::new(source, TargetBatch::Values(&target), weights.as_deref());
        let outcome = drive(&rounds, &mut memory, control)?;
        let meat = match patients {
            Some(patients) => Some(meat_by_patient(memory.locals(), &outcome, patients)?),
            None => None,
        };
        self.model(&rounds, &outcome, Lineage::of(rows), meat)
    }

    /// The rounds of this fit, for a source that is not in memory; `schema` lists the features.
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] for a covariance by patient, which needs the rows of a patient in
    /// one place.
    pub fn rounds(&self, schema: &Schema) -> Result<LinearRounds> {
        if self.covariance == Covariance::ByPatient {
            return Err(ErrorKind::Parameter {
                estimator: NAME,
                name: "covariance",
                value: "ByPatient".into(),
                rule: "another one when rows are not in memory",
            }
            .into());
        }
        Ok(LinearRounds {
            params: self.clone(),
            schema: schema.clone(),
            positional: false,
        })
    }

    /// Fits over any source of rows; the same loop as `fit`.
    ///
    /// # Errors
    /// As [`Self::fit_with_control`], and those of the source.
    pub fn fit_over<S: Source<LinearRounds>>(
        &self,
        rounds: &LinearRounds,
        source: &mut S,
        control: &Control,
    ) -> Result<LinearRegression> {
        let outcome = drive(rounds, source, control)?;
        self.model(rounds, &outcome, Lineage::default(), None)
    }

    fn model(
        &self,
        rounds: &LinearRounds,
        outcome: &LinearOutcome,
        lineage: Lineage,
        patients: Option<(Vec<f64>, usize)>,
    ) -> Result<LinearRegression> {
        let plan = &outcome.plan;
        let terms = plan.encoder.terms();
        let mut header = ModelHeader::new(NAME, plan.encoder.schema().clone(), rounds.positional);
        header.n_rows = outcome.n_rows;
        header.lineage = lineage;
        header.row_derived = vec![RowDerived {
            part: "means, spreads and levels of the prepared features".into(),
            smallest_count: outcome.smallest_level,
        }];
        let by_patient = patients.as_ref().map(|(meat, groups)| (&meat[..], *groups));
        let covariance = covariance(outcome, self.covariance, by_patient)?;
        let df = outcome.df;
        LinearRegression::try_from(Wire {
            header,
            encoder: plan.encoder.clone(),
            intercept: plan.intercept,
            unit: plan.unit,
            kept: outcome.solution.kept.clone(),
            point: outcome.solution.point.clone(),
            aliased: outcome
                .aliased
                .iter()
                .map(|term| terms[*term as usize].name.clone())
                .collect(),
            covariance,
            kind: self.covariance,
            row_weights: self.row_weights,
            level: self.level,
            test_df: patients.map_or(df, |(_, groups)| (groups - 1) as f64),
            df,
            weight: outcome.weight,
            residual_squares: outcome.residual_squares,
            centred_squares: outcome.centred_squares,
            total_squares: outcome.total_squares,
            reciprocal_condition: outcome.reciprocal_condition,
            refinements: outcome.refinements as u64,
        })
        .map_err(|_| super::rounds::scale("target"))
    }
}
