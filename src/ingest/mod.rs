//! From the outside world to a [`PatientMatrix`](crate::matrix::PatientMatrix): delimited text,
//! records of the caller, long coded events, and the flow of a cohort.

pub mod codes;
mod columns;
mod csv;
mod dates;
mod fields;
mod number;
mod options;
mod source;
mod table;

pub use options::{Limits, TableReader};
pub use table::{Coercion, CoercionKind, Table};
