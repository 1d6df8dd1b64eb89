//! What a model goes by: for a row, for a feature, for the model as a whole.
//!
//! | question | look at |
//! | --- | --- |
//! | What does each feature add to the prediction of this patient? | [`tree_shap`], [`interventional_shap`], [`linear_shap`] |
//! | Which features does the model need, on patients it has not met? | [`permutation_importance`], [`permutation_importance_by`] |
//! | How does the prediction go with one feature, on average? | [`partial_dependence`], [`partial_dependence_pair`] |
//! | Does it go so for every patient? | [`ice_curves`] |
//!
//! Importance and dependence ask any model through an [`Output`]: the risk, the log-odds, the
//! probability of a class, a predicted value, or a number of your own.
//!
//! # Attributions
//!
//! ```text
//!   model, rows ------------------> tree_shap            covers of the nodes stand for absent features
//!   model, rows, background ------> interventional_shap  values of the background rows do
//!   predictor, rows, background --> linear_shap          coefficients times distances from the mean
//!                                        |
//!                                        v
//!              Attributions: rows x features x outputs, base value of every output
//! ```
//!
//! All three are Shapley values: attributions of a row and the base value sum to its raw prediction
//! (log-odds for a classifier, not a probability), features that no tree asks get zero, features that
//! are interchangeable get the same. They differ in what stands for a feature that is left out, hence
//! in their numbers. None of them is a causal effect: an attribution says how the model uses a
//! feature, not what a change of it would do to a patient.

mod attribution;
mod dependence;
mod dependence_figures;
mod donors;
mod engine;
mod figures;
mod importance;
mod interventional;
mod linear_shap;
mod output;
mod paths;
mod permutation;
mod permuting;
mod plain;
mod quadrature;
mod tree_shap;

pub use attribution::Attributions;
pub use dependence::{
    DependenceOptions, DependencePoint, IceCurves, PairDependence, PartialDependence, ice_curves,
    partial_dependence, partial_dependence_pair,
};
pub use importance::{PermutationImportance, PermutedFeature};
pub use interventional::interventional_shap;
pub use linear_shap::{LinearPredictor, linear_shap};
pub use output::{
    LogOddsOf, Output, ProbabilityOf, RiskOf, ValueOf, absolute_error_of_row, brier_of_row,
    log_loss_of_row, squared_error_of_row,
};
pub use permutation::{
    Better, PermutationOptions, permutation_importance, permutation_importance_by,
};
pub use plain::{PlainNode, PlainTree, PlainTrees};
pub use tree_shap::tree_shap;

pub use crate::kernel::tree::model::TreeModel;

#[cfg(test)]
mod random_trees;
#[cfg(test)]
mod tests;
