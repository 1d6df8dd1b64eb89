//! Classification: the risk of an event, the probability of classes.

pub mod logistic;

pub use logistic::{
    ClassWeights, Covariance, Inference, LogisticPath, LogisticPathParams, LogisticRegression,
    LogisticRegressionParams, RowScorer,
};
