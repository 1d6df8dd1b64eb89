//! Regression: the expected value of a number.

pub mod linear;

pub use linear::{Covariance, LinearRegression, LinearRegressionParams, OverallTest, RowWeights};
