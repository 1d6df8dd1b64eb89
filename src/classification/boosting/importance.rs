//! What the features did for the trees.

use serde::{Deserialize, Serialize};

use super::model::GradientBoosting;
use crate::estimator::{ClassLabel, Schema};
use crate::kernel::tree::flat::Tree;

/// What one feature did for the trees of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FeatureImportance {
    /// The feature.
    pub feature: String,
    /// Sum of the gains of its cuts: by how much they lowered the loss on the training rows.
    pub gain: f64,
    /// Its part of the gains of all features; 0 where nothing was cut.
    pub share: f64,
    /// Number of its cuts.
    pub count: u64,
}

impl<L: ClassLabel> GradientBoosting<L> {
    /// Gain and number of cuts of every feature, in the order of the schema.
    ///
    /// Both are read off the training rows: they favour features with many values, and features
    /// that stand for each other share what either would get alone (Strobl et al., BMC
    /// Bioinformatics 8:25, 2007, doi 10.1186/1471-2105-8-25). They tell what the model uses, not
    /// what the outcome depends on.
    pub fn importance(&self) -> Vec<FeatureImportance> {
        of_trees(&self.wire.binner.schema, &self.wire.trees, |_| 1.0)
    }
}

/// Gain, times what gains of its tree are worth, and number of cuts of every feature of a schema.
pub(in crate::classification) fn of_trees(
    schema: &Schema,
    trees: &[Tree],
    worth: impl Fn(&Tree) -> f64,
) -> Vec<FeatureImportance> {
    let mut list: Vec<FeatureImportance> = schema
        .features()
        .iter()
        .map(|feature| FeatureImportance {
            feature: feature.name().to_string(),
            gain: 0.0,
            share: 0.0,
            count: 0,
        })
        .collect();
    for tree in trees {
        let worth = worth(tree);
        for node in tree.nodes.iter().filter(|node| !node.is_leaf()) {
            if let Some(of_feature) = list.get_mut(node.feature as usize) {
                of_feature.gain += node.gain * worth;
                of_feature.count += 1;
            }
        }
    }
    let largest = list.iter().fold(0.0_f64, |m, item| m.max(item.gain));
    if largest > 0.0 {
        // Relative to the largest first: a sum of gains may overflow.
        let whole: f64 = list.iter().map(|item| item.gain / largest).sum();
        for item in &mut list {
            item.share = item.gain / largest / whole;
        }
    }
    list
}
