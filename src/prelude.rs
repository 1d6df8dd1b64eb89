//! The names a user types, in one import.

pub use crate::classification::{DecisionTree, GradientBoosting, LogisticRegression};
pub use crate::estimator::{
    Classify, Cohort, Fit, KFold, Model, ParamGuard, PredictRisk, Regress, Split,
};
pub use crate::matrix::{Binary, Feature, PatientMatrix, RowKeys, Span, Time, Values};
pub use crate::regression::LinearRegression;
