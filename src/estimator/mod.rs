//! The contract of every estimator: what it reads, what it promises, how it is fitted, split,
//! saved and stopped.

pub(crate) mod changed;
pub mod control;
pub mod figure;
pub mod input;
pub mod model;
pub(crate) mod params;
pub mod resample;
pub mod rounds;
pub mod saved;
pub mod sealed;

pub use control::{Control, Progress};
pub use figure::Figure;
pub use input::{ClassLabel, Cohort, Rows, RowsSource, TargetRows, TrainingRows};
pub use linfa::ParamGuard;
pub use linfa::traits::{Fit, Predict, PredictInplace};
pub use model::{
    Classify, Lineage, Model, ModelHeader, PredictRisk, Regress, RowDerived, Summary, Term,
};
pub use resample::{Bootstrap, Fold, KFold, NestedFold, Overlap, SiteFold, Split};
pub use saved::{Limits, Persist, Saved};
pub use sealed::{Dropped, OpenedTest, Relation, SideCount, SplitReport, Test, TestRows, Train};

// Families and evaluation take what they need of the matrix from here: the contract is all they
// read.
pub(crate) use crate::matrix::{Binary, KeyColumn, PatientMatrix, Schema};
