//! Healthcare data mining over one patient-feature matrix.

pub mod error;
pub mod estimator;
pub mod evaluation;
pub mod matrix;
mod numeric;

pub use error::{Error, Result};
pub use ndarray;
