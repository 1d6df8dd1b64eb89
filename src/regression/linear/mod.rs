//! Linear regression: the expected value of a number as a sum of effects.
//!
//! ```text
//! y = intercept + sum_j coefficient_j * x_j + error
//! ```
//!
//! Ordinary or weighted least squares with standard errors, tests, intervals, R2 and the overall
//! test; robust covariances where errors have unequal variances or patients repeat.
//!
//! **Prefer it** when the effects must be read and the target is roughly continuous. **Prefer
//! trees** when effects bend or interact and nobody has listed how, and a model of counts for
//! counts near zero.
//!
//! The first solution comes from a triangular factor of centred columns that is merged over chunks
//! of rows, never from a Gram matrix; it is then refined against residuals of the raw columns with
//! twice the digits of f64, so that coefficients are those of the exact least-squares problem of
//! the given numbers to nearly full precision, standard errors to about the digits that the
//! condition number leaves. Columns that are combinations of earlier ones get no coefficient and
//! are named ([`LinearRegression::aliased`]).
//!
//! Missing numbers are imputed and marked ([`crate::design::Preparation`]); row weights are
//! honoured ([`RowWeights`]). A fit is one pass of `2 rows x columns^2` operations and two or three
//! of about `60 rows x columns`; a prediction is one pass. Fitted by rounds: in memory, over a
//! stream, or across parties.
//!
//! Sources: Bjorck, *Numerical Methods for Least Squares Problems*, 1996, doi
//! 10.1137/1.9781611971484; White, Econometrica 48(4), 1980, doi 10.2307/1912934; MacKinnon and
//! White, J. Econometrics 29(3), 1985, doi 10.1016/0304-4076(85)90158-7; Liang and Zeger,
//! Biometrika 73(1), 1986, doi 10.1093/biomet/73.1.13.

mod columns;
mod fit;
mod inference;
mod messages;
mod model;
mod params;
mod rounds;
#[cfg(test)]
mod shard_tests;
mod solve;
#[cfg(test)]
mod tests;

pub use messages::{LinearPartial, LinearQuestion};
pub use model::{LinearRegression, OverallTest};
pub use params::{Covariance, LinearRegressionParams, LinearRegressionValidParams, RowWeights};
pub use rounds::{LinearLocal, LinearOutcome, LinearRounds, LinearState};
