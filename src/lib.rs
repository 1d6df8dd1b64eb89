//! Healthcare data mining over one patient-feature matrix.

pub mod association;
pub mod classification;
pub mod design;
pub mod error;
pub mod estimator;
pub mod evaluation;
pub mod explain;
pub mod ingest;
mod kernel;
pub mod matrix;
mod numeric;
pub mod prelude;
pub mod regression;
pub mod report;
pub mod simulate;

pub use error::{Error, Result};
pub use ndarray;

/// The code of the README runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
