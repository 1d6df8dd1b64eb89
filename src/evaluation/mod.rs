//! How good are the predictions? Plain functions on arrays of truth and prediction.

mod validate;

pub use validate::{
    CrossValidated, FoldScore, ScoredTest, cross_validate, evaluate_sealed, groups_of, score_with,
};
