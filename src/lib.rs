//! Healthcare data mining over one patient-feature matrix.

pub mod error;
pub mod ingest;
pub mod matrix;
mod numeric;

pub use error::{Error, Result};
pub use ndarray;
