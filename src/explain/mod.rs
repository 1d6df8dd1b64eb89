//! Attributions: what each feature of a row adds to its prediction.
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
mod engine;
mod figures;
mod interventional;
mod linear_shap;
mod paths;
mod plain;
mod quadrature;
mod tree_shap;

pub use attribution::Attributions;
pub use interventional::interventional_shap;
pub use linear_shap::{LinearPredictor, linear_shap};
pub use plain::{PlainNode, PlainTree, PlainTrees};
pub use tree_shap::tree_shap;

pub use crate::kernel::tree::model::TreeModel;

#[cfg(test)]
mod random_trees;
#[cfg(test)]
mod tests;
