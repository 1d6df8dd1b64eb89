//! How good are the predictions? Plain functions on arrays of truth and prediction.

mod validate;

pub use validate::{
    CrossValidated, FoldScore, PredictedTest, ScoredTest, cross_validate, evaluate_sealed,
    groups_of, predict_sealed, score_with,
};
