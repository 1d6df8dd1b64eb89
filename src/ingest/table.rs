//! `Table`: a matrix with what was read beside it, and what was changed on the way.

use std::fmt;
use std::sync::Arc;

use ndarray::{Array1, Array2};
use serde::Serialize;

use crate::error::{ErrorKind, Result};
use crate::matrix::{Column, ColumnView, Feature, KeyColumn, PatientMatrix, RowKeys, Schema, Time};

/// A table as read: features with row keys, outcomes, weights and the list of coercions.
#[derive(Debug, Clone)]
pub struct Table {
    matrix: PatientMatrix,
    outcomes: Vec<(Feature, Column)>,
    weights: Option<Arc<[f64]>>,
    coercions: Vec<Coercion>,
}

/// Fields of one column that were changed in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coercion {
    /// Name of the column.
    pub column: String,
    /// What was done.
    pub kind: CoercionKind,
    /// Number of fields.
    pub count: usize,
}

/// What was done to fields on the way into a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CoercionKind {
    /// An empty field became missing.
    EmptyToMissing,
    /// A missing token became missing.
    TokenToMissing,
    /// A word became the 0 or 1 of a flag.
    WordToFlag,
    /// A number stayed a level of a column that was sniffed as a category.
    NumberToLevel,
    /// Blanks around a number were dropped.
    BlanksDropped,
    /// Zeros in front of a number were dropped: a code may have been read as a number.
    LeadingZerosDropped,
    /// A whole number lost digits that an f64 does not hold: an identifier may have been read as
    /// a number.
    DigitsLost,
    /// A date became a number of days since 1970-01-01.
    DateToDays,
    /// A column without any value was taken as numeric.
    NoValues,
}

impl fmt::Display for Coercion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            CoercionKind::EmptyToMissing => "empty, now missing",
            CoercionKind::TokenToMissing => "missing token, now missing",
            CoercionKind::WordToFlag => "word, now 0 or 1",
            CoercionKind::NumberToLevel => "number, kept as a level",
            CoercionKind::BlanksDropped => "number, blanks dropped",
            CoercionKind::LeadingZerosDropped => "number, leading zeros dropped",
            CoercionKind::DigitsLost => "whole number, digits lost",
            CoercionKind::DateToDays => "date, now days since 1970-01-01",
            CoercionKind::NoValues => "rows without any value, taken as numeric",
        };
        write!(f, "{}: {} {what}", self.column, self.count)
    }
}

impl Table {
    /// The features with their row keys.
    pub fn matrix(&self) -> &PatientMatrix {
        &self.matrix
    }

    /// The features with their row keys, by value.
    pub fn into_matrix(self) -> PatientMatrix {
        self.matrix
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.matrix.n_rows()
    }

    /// Names and kinds of the outcome columns in file order.
    pub fn outcomes(&self) -> impl Iterator<Item = &Feature> {
        self.outcomes.iter().map(|(feature, _)| feature)
    }

    /// An outcome column, ready for [`Binary`](crate::matrix::Binary) and the other targets.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureNames`], with the nearest name, when there is no such outcome.
    pub fn outcome(&self, name: &str) -> Result<ColumnView<'_>> {
        match self.outcomes.iter().find(|(f, _)| f.name() == name) {
            Some((_, column)) => Ok(ColumnView {
                column,
                selection: None,
            }),
            None => {
                let known = Schema::new(self.outcomes().cloned().collect())?;
                Err(known.unknown(vec![name.to_string()]))
            }
        }
    }

    /// Row weights, where a column of them was named.
    pub fn weights(&self) -> Option<Array1<f64>> {
        self.weights
            .as_ref()
            .map(|weights| weights.iter().copied().collect())
    }

    /// What was changed, by column in file order.
    pub fn coercions(&self) -> &[Coercion] {
        &self.coercions
    }
}

/// The parts of a table while it is put together.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) features: Vec<(Feature, Column)>,
    pub(super) outcomes: Vec<(Feature, Column)>,
    pub(super) weights: Option<Arc<[f64]>>,
    pub(super) patients: Option<KeyColumn>,
    pub(super) sites: Option<KeyColumn>,
    pub(super) times: Option<Vec<Time>>,
    pub(super) coercions: Vec<Coercion>,
}

impl Parts {
    /// Adds the columns of `other` after these.
    pub(super) fn append(&mut self, other: Self) {
        self.features.extend(other.features);
        self.outcomes.extend(other.outcomes);
        self.coercions.extend(other.coercions);
        self.weights = self.weights.take().or(other.weights);
        self.patients = self.patients.take().or(other.patients);
        self.sites = self.sites.take().or(other.sites);
        self.times = self.times.take().or(other.times);
    }

    /// The table of `n_rows` rows.
    ///
    /// A table may consist of keys alone: an index table whose features come from events.
    pub(super) fn finish(self, n_rows: usize) -> Result<Table> {
        if n_rows == 0 {
            return Err(ErrorKind::TooFewRows {
                what: "table",
                required: 1,
                found: 0,
            }
            .into());
        }
        let matrix = if self.features.is_empty() {
            PatientMatrix::from_array(Array2::<f64>::zeros((n_rows, 0)))?
        } else {
            PatientMatrix::new(self.features)?
        };
        let mut keys = RowKeys::none().numbered(self.patients, self.sites);
        if let Some(times) = self.times {
            keys = keys.times(times);
        }
        Ok(Table {
            matrix: matrix.with_keys(keys)?,
            outcomes: self.outcomes,
            weights: self.weights,
            coercions: self.coercions,
        })
    }
}
