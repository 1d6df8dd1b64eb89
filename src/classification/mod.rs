//! Classification: the risk of an event, the probability of classes.

pub mod boosting;
pub mod decision_tree;
pub mod forest;
pub mod logistic;
mod trees;

pub use boosting::{
    BoostingScorer, Direction, FeatureImportance, GradientBoosting, GradientBoostingParams, Growth,
};
pub use decision_tree::{
    Cuts, DecisionTree, DecisionTreeParams, Impurity, MissingValues, Pruning, PruningRule,
    PruningStep, TreeScorer,
};
pub use forest::{FeaturesPerNode, ForestScorer, OutOfBag, RandomForest, RandomForestParams};
pub use logistic::{
    ClassWeights, Covariance, Inference, LogisticPath, LogisticPathParams, LogisticRegression,
    LogisticRegressionParams, RowScorer,
};
