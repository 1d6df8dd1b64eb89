//! Who is in the cohort, who was dropped and why.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::matrix::{ColumnView, KeyColumn, PatientMatrix};

/// A cohort with the list of steps that made it.
///
/// Small numbers are shown as they are: suppression is left to what publishes them.
///
/// ```
/// use galen::ingest::CohortFlow;
/// use galen::matrix::{PatientMatrix, RowKeys};
///
/// # fn main() -> galen::Result<()> {
/// let visits = PatientMatrix::from_columns([
///     ("age", vec![54.0, 15.0, 71.0, 54.5]),
///     ("died", vec![0.0, 0.0, 1.0, 0.0]),
/// ])?
/// .with_keys(RowKeys::none().patients(["a", "b", "c", "a"]))?;
/// let cohort = CohortFlow::start(visits)
///     .exclude("under 18", |row| row.value("age") < 18.0)?
///     .exclude("died in hospital", |row| row.value("died") == 1.0)?;
/// assert_eq!(cohort.matrix().n_rows(), 2);
/// assert_eq!(cohort.rows(), [0, 3]);
/// println!("{cohort}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct CohortFlow {
    matrix: PatientMatrix,
    rows: Vec<usize>,
    flow: Flow,
}

/// The steps of a cohort in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Rows and patients at the start.
    pub start: FlowCount,
    /// Steps in order.
    pub steps: Vec<FlowStep>,
}

/// Rows, and patients where they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowCount {
    /// Number of rows.
    pub rows: usize,
    /// Number of distinct patients; `None` without patient keys.
    pub patients: Option<usize>,
}

/// One exclusion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowStep {
    /// Why rows were dropped.
    pub reason: String,
    /// Rows dropped by this step.
    pub dropped: usize,
    /// What was left after it.
    pub left: FlowCount,
}

/// A row of the matrix as an exclusion rule sees it.
#[derive(Debug, Clone, Copy)]
pub struct FlowRow<'a> {
    matrix: &'a PatientMatrix,
    row: usize,
    /// A rule cannot return an error: the first unknown name waits here.
    unknown: &'a RefCell<Option<Error>>,
}

impl<'a> FlowRow<'a> {
    /// Number of the row in the matrix that this step was given.
    pub fn index(&self) -> usize {
        self.row
    }

    /// The number in a column (the code of a level), NaN when missing.
    ///
    /// An unknown column is NaN here and an error of the step.
    pub fn value(&self, column: &str) -> f64 {
        self.view(column)
            .map_or(f64::NAN, |view| view.value(self.row))
    }

    /// The level in a column, `None` when missing or when the column holds numbers.
    ///
    /// An unknown column is `None` here and an error of the step.
    pub fn level(&self, column: &str) -> Option<&'a str> {
        self.view(column).and_then(|view| view.level(self.row))
    }

    /// Whether the value in a column is missing.
    ///
    /// An unknown column is missing here and an error of the step.
    pub fn is_missing(&self, column: &str) -> bool {
        self.value(column).is_nan()
    }

    fn view(&self, column: &str) -> Option<ColumnView<'a>> {
        match self.matrix.column(column) {
            Ok(view) => Some(view),
            Err(error) => {
                self.unknown.borrow_mut().get_or_insert(error);
                None
            }
        }
    }
}

impl CohortFlow {
    /// Starts with all rows of a matrix.
    pub fn start(matrix: PatientMatrix) -> Self {
        let start = count(&matrix);
        Self {
            rows: (0..matrix.n_rows()).collect(),
            matrix,
            flow: Flow {
                start,
                steps: Vec::new(),
            },
        }
    }

    /// Drops the rows for which `rule` is true, and writes down why.
    ///
    /// # Errors
    /// [`FeatureNames`](crate::error::ErrorKind::FeatureNames) when the rule asks for a column that
    /// is not there.
    pub fn exclude(
        self,
        reason: impl Into<String>,
        rule: impl Fn(FlowRow<'_>) -> bool,
    ) -> Result<Self> {
        let unknown = RefCell::new(None);
        let dropped: Vec<bool> = (0..self.matrix.n_rows())
            .map(|row| {
                rule(FlowRow {
                    matrix: &self.matrix,
                    row,
                    unknown: &unknown,
                })
            })
            .collect();
        match unknown.into_inner() {
            Some(error) => Err(error),
            None => self.drop_rows(reason.into(), &dropped),
        }
    }

    /// Keeps the first row of every patient: the earliest by index time, or by row order where
    /// there are no index times.
    ///
    /// # Errors
    /// [`MissingKeys`](crate::error::ErrorKind::MissingKeys) without patient keys.
    pub fn first_per_patient(self, reason: impl Into<String>) -> Result<Self> {
        let keys = self.matrix.keys();
        let patients = keys.require_patients("first_per_patient")?;
        let mut first = BTreeMap::new();
        for (row, code) in patients.codes().iter().enumerate() {
            let time = keys.index_times().map(|times| times[row]);
            let kept = first.entry(*code).or_insert((time, row));
            *kept = (*kept).min((time, row));
        }
        let mut dropped = vec![true; self.matrix.n_rows()];
        for (_, row) in first.values() {
            dropped[*row] = false;
        }
        self.drop_rows(reason.into(), &dropped)
    }

    fn drop_rows(mut self, reason: String, dropped: &[bool]) -> Result<Self> {
        let before = self.matrix.n_rows();
        let kept: Vec<usize> = (0..before).filter(|row| !dropped[*row]).collect();
        self.matrix = self.matrix.select_rows(&kept)?;
        self.rows = kept.into_iter().map(|row| self.rows[row]).collect();
        self.flow.steps.push(FlowStep {
            reason,
            dropped: before - self.rows.len(),
            left: count(&self.matrix),
        });
        Ok(self)
    }

    /// The rows that are left.
    pub fn matrix(&self) -> &PatientMatrix {
        &self.matrix
    }

    /// Numbers, in the matrix at the start, of the rows that are left: select outcomes and weights
    /// by them.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// The steps in numbers.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// The rows that are left, by value.
    pub fn into_matrix(self) -> PatientMatrix {
        self.matrix
    }
}

fn count(matrix: &PatientMatrix) -> FlowCount {
    FlowCount {
        rows: matrix.n_rows(),
        patients: matrix.keys().patient_keys().map(KeyColumn::n_distinct),
    }
}

impl fmt::Display for CohortFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.flow.fmt(f)
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "start: {}", self.start)?;
        for step in &self.steps {
            writeln!(f, "  dropped {}: {}", step.dropped, step.reason)?;
            writeln!(f, "  left: {}", step.left)?;
        }
        Ok(())
    }
}

impl fmt::Display for FlowCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows", self.rows)?;
        match self.patients {
            Some(patients) => write!(f, " of {patients} patients"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{RowKeys, Time};

    fn visits() -> PatientMatrix {
        PatientMatrix::from_columns([("age", vec![54.0, 15.0, f64::NAN, 55.0])])
            .unwrap()
            .with_keys(RowKeys::none().patients(["a", "b", "c", "a"]).times([
                Time(5),
                Time(1),
                Time(1),
                Time(2),
            ]))
            .unwrap()
    }

    #[test]
    fn every_dropped_row_is_accounted_for() {
        let cohort = CohortFlow::start(visits())
            .exclude("under 18", |row| row.value("age") < 18.0)
            .unwrap()
            .exclude("age unknown", |row| row.is_missing("age"))
            .unwrap()
            .first_per_patient("later visits")
            .unwrap();
        assert_eq!(cohort.rows(), [3]); // patient a at time 2
        assert_eq!(cohort.matrix().column("age").unwrap().to_vec(), [55.0]);
        assert_eq!(
            cohort.to_string(),
            "start: 4 rows of 3 patients\n  dropped 1: under 18\n  left: 3 rows of 2 patients\n  \
             dropped 1: age unknown\n  left: 2 rows of 1 patients\n  dropped 1: later visits\n  \
             left: 1 rows of 1 patients\n"
        );
        let text = serde_json::to_string(cohort.flow()).unwrap();
        assert_eq!(&serde_json::from_str::<Flow>(&text).unwrap(), cohort.flow());
    }

    #[test]
    fn a_rule_over_an_unknown_column_is_an_error() {
        let error = CohortFlow::start(visits())
            .exclude("under 18", |row| row.value("agee") < 18.0)
            .unwrap_err();
        assert!(error.to_string().contains("did you mean `age`?"));
        let bare = PatientMatrix::from_columns([("age", vec![1.0])]).unwrap();
        assert!(CohortFlow::start(bare).first_per_patient("later").is_err());
    }
}
