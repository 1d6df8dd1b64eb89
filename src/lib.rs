//! Healthcare data mining over one patient-feature matrix.

pub mod error;
pub mod matrix;
mod numeric;
pub mod simulate;

pub use error::{Error, Result};
pub use ndarray;
