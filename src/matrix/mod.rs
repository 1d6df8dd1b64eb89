//! The common patient-feature matrix: a row is a patient at an index time, a column is a feature
//! with a name, a kind and a unit.

pub mod column;
mod combine;
pub mod patients;
mod replace;
pub mod rows;
pub mod schema;
pub mod target;
pub mod time;

pub use column::{Column, ColumnView};
pub use patients::PatientMatrix;
pub use rows::{KeyColumn, RowKeys};
pub use schema::{Feature, FeatureCode, FeatureKind, Schema, Sensitive};
pub use target::{Binary, Classes, Counts, Survival, Values};
pub use time::{Span, Time};

/// Another name of [`PatientMatrix`], as the literature says it.
pub type PatientFeatureMatrix = PatientMatrix;
