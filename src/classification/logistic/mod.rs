//! Logistic regression: the log-odds of an event as a sum of effects.
//!
//! ```text
//! log(p / (1 - p)) = intercept + offset + sum_j coefficient_j * x_j
//! ```
//!
//! Without a penalty (the default) it is the maximum-likelihood model of medical statistics, with
//! standard errors, intervals, odds ratios and a check for separation. With a penalty it is ridge,
//! lasso or elastic net, at one strength or along a path ([`LogisticPath`]). The objective is
//! glmnet's: `(1 / W) sum_i w_i loss_i + strength * sum_j (l1_ratio |b_j| + (1 - l1_ratio) b_j^2
//! / 2)` on terms of variance 1, so a strength means the same on any number of rows.
//!
//! **Prefer it** when the effects must be read, few events are at hand, or a score must travel.
//! **Prefer trees** when effects bend or interact and nobody has listed how.
//!
//! Missing numbers are imputed and marked ([`crate::design::Preparation`]); row weights and class
//! weights are honoured. A fit is a few passes over the rows, each `rows x terms`, plus Gram
//! matrices of `rows x terms^2 / 2`; a prediction is one pass. Fitted by rounds: in memory, over a
//! stream, or across parties.
//!
//! Sources: McCullagh and Nelder, *Generalized Linear Models*, 1989, doi
//! 10.1007/978-1-4899-3242-6; Friedman, Hastie and Tibshirani, J. Stat. Softw. 33(1), 2010, doi
//! 10.18637/jss.v033.i01; Albert and Anderson, Biometrika 71(1), 1984, doi 10.1093/biomet/71.1.1;
//! White, Econometrica 48(4), 1980, doi 10.2307/1912934; Liang and Zeger, Biometrika 73(1), 1986,
//! doi 10.1093/biomet/73.1.13.

mod answer;
mod fit;
mod inference;
mod messages;
mod model;
mod params;
mod path;
#[cfg(test)]
mod pilot_tests;
mod rounds;
mod scorer;

pub use answer::LogisticLocal;
pub use inference::Inference;
pub use messages::{LogisticOutcome, LogisticPartial, LogisticQuestion};
pub use model::LogisticRegression;
pub use params::{
    ClassWeights, Covariance, LogisticPathParams, LogisticPathValidParams,
    LogisticRegressionParams, LogisticRegressionValidParams,
};
pub use path::{LogisticPath, PathChoice, PathScore};
pub use rounds::{LogisticRounds, LogisticState};
pub use scorer::{Cell, RowScorer};
