//! Settings of random forests.

use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

use crate::classification::logistic::ClassWeights;
use crate::classification::trees::classes::Weighting;
use crate::classification::trees::settings::{check_n_trees, check_sizes};
use crate::design::binned::MAX_BINS;
use crate::error::{Error, Result};
use crate::estimator::params::Checker;
use crate::kernel::tree::class_draw::ClassGrowth;
use crate::kernel::tree::class_split::Impurity;

pub(super) const NAME: &str = "RandomForest";

/// How many features are drawn at every node.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FeaturesPerNode {
    /// The square root of their number, rounded down.
    SquareRoot,
    /// A share of them in (0, 1], rounded, one at least.
    Share(f64),
    /// So many, or all where there are fewer.
    Count(usize),
}

impl FeaturesPerNode {
    /// Of `n` features.
    pub(super) fn of(self, n: usize) -> usize {
        let count = match self {
            Self::SquareRoot => n.isqrt(),
            Self::Share(share) => (share * n as f64).round() as usize,
            Self::Count(count) => count,
        };
        count.clamp(1, n.max(1))
    }
}

/// Checked settings of [`super::RandomForest`]; made by `check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomForestValidParams {
    pub(crate) n_trees: usize,
    pub(crate) impurity: Impurity,
    pub(crate) max_leaves: Option<usize>,
    pub(crate) max_depth: usize,
    pub(crate) min_leaf_rows: usize,
    pub(crate) min_split_rows: usize,
    pub(crate) min_leaf_weight: f64,
    pub(crate) min_gain: f64,
    pub(crate) features_per_node: FeaturesPerNode,
    pub(crate) random_cuts: bool,
    pub(crate) bootstrap: bool,
    pub(crate) row_share: f64,
    pub(crate) by_patient: bool,
    pub(crate) balanced: bool,
    pub(crate) class_weights: ClassWeights,
    #[serde(default)]
    pub(crate) class_factors: Vec<(String, f64)>,
    pub(crate) event: Option<String>,
    pub(crate) max_bins: usize,
    pub(crate) seed: u64,
}

/// Settings of [`super::RandomForest`], not yet checked; `fit` checks them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RandomForestParams(RandomForestValidParams);

impl Default for RandomForestParams {
    fn default() -> Self {
        Self(RandomForestValidParams {
            n_trees: 100,
            impurity: Impurity::Gini,
            max_leaves: Some(255),
            max_depth: 64,
            min_leaf_rows: 20,
            min_split_rows: 2,
            min_leaf_weight: 0.0,
            min_gain: 0.0,
            features_per_node: FeaturesPerNode::SquareRoot,
            random_cuts: false,
            bootstrap: false,
            row_share: 0.5,
            by_patient: true,
            balanced: false,
            class_weights: ClassWeights::None,
            class_factors: Vec::new(),
            event: None,
            max_bins: MAX_BINS,
            seed: 0,
        })
    }
}

impl RandomForestParams {
    /// Those of extra trees: random cuts, all patients in every tree.
    pub(super) fn extra() -> Self {
        Self::default().random_cuts(true).row_share(1.0)
    }

    /// Sets the number of trees; more never fit worse, they cost time.
    #[must_use]
    pub fn n_trees(mut self, n_trees: usize) -> Self {
        self.0.n_trees = n_trees;
        self
    }

    /// Sets what a cut is to lower.
    #[must_use]
    pub fn impurity(mut self, impurity: Impurity) -> Self {
        self.0.impurity = impurity;
        self
    }

    /// Sets the largest number of leaves of a tree, 2 or more, the most gaining ones first; `None` for
    /// no limit.
    #[must_use]
    pub fn max_leaves(mut self, max_leaves: impl Into<Option<usize>>) -> Self {
        self.0.max_leaves = max_leaves.into();
        self
    }

    /// Sets the largest number of cuts between the root and a leaf.
    #[must_use]
    pub fn max_depth(mut self, max_depth: usize) -> Self {
        self.0.max_depth = max_depth;
        self
    }

    /// Sets the smallest number of different rows of a leaf, whatever their weights.
    #[must_use]
    pub fn min_leaf_rows(mut self, min_leaf_rows: usize) -> Self {
        self.0.min_leaf_rows = min_leaf_rows;
        self
    }

    /// Sets the number of different rows below which a node is not cut, 2 or more.
    #[must_use]
    pub fn min_split_rows(mut self, min_split_rows: usize) -> Self {
        self.0.min_split_rows = min_split_rows;
        self
    }

    /// Sets the smallest weight of a leaf: rows as often as they were drawn, by their weights.
    #[must_use]
    pub fn min_leaf_weight(mut self, min_leaf_weight: f64) -> Self {
        self.0.min_leaf_weight = min_leaf_weight;
        self
    }

    /// Sets the decrease of impurity times weight above which a cut is made.
    #[must_use]
    pub fn min_gain(mut self, min_gain: f64) -> Self {
        self.0.min_gain = min_gain;
        self
    }

    /// Sets how many features are drawn at every node. Where none of them can be cut, as many again are
    /// drawn.
    #[must_use]
    pub fn features_per_node(mut self, features_per_node: FeaturesPerNode) -> Self {
        self.0.features_per_node = features_per_node;
        self
    }

    /// Sets whether every drawn feature gets one random cut instead of its best one.
    #[must_use]
    pub fn random_cuts(mut self, random_cuts: bool) -> Self {
        self.0.random_cuts = random_cuts;
        self
    }

    /// Sets whether patients are drawn with replacement (`true`), or at most once.
    #[must_use]
    pub fn bootstrap(mut self, bootstrap: bool) -> Self {
        self.0.bootstrap = bootstrap;
        self
    }

    /// Sets the mean number of times that a patient is drawn for a tree, in (0, 1]; without bootstrap,
    /// the chance of it. Without bootstrap 1 is everybody, and nothing is out of bag.
    #[must_use]
    pub fn row_share(mut self, row_share: f64) -> Self {
        self.0.row_share = row_share;
        self
    }

    /// Sets whether all rows of a patient are drawn together. Off, rows of one patient fall on both
    /// sides, and out-of-bag figures are too good.
    #[must_use]
    pub fn by_patient(mut self, by_patient: bool) -> Self {
        self.0.by_patient = by_patient;
        self
    }

    /// Sets whether all classes are drawn as often as the rarest one: patients of the larger classes
    /// seldom. A patient belongs to the rarest class that any of their rows has. Probabilities are then
    /// not calibrated to the data.
    #[must_use]
    pub fn balanced(mut self, balanced: bool) -> Self {
        self.0.balanced = balanced;
        self
    }

    /// Sets class weights, on top of row weights.
    #[must_use]
    pub fn class_weights(mut self, class_weights: ClassWeights) -> Self {
        self.0.class_weights = class_weights;
        self
    }

    /// Multiplies the weight of one class by a factor, on top of [`Self::class_weights`]; the class by
    /// its name, of any number of classes. Classes without a factor keep their weight.
    #[must_use]
    pub fn class_weight(mut self, class: impl Into<String>, factor: f64) -> Self {
        self.0.class_factors.push((class.into(), factor));
        self
    }

    /// Names the class that is the event, for a target of two classes as text or numbers.
    #[must_use]
    pub fn event(mut self, event: impl Into<String>) -> Self {
        self.0.event = Some(event.into());
        self
    }

    /// Sets the largest number of bins of a feature, 2 to 255, missing values apart.
    #[must_use]
    pub fn max_bins(mut self, max_bins: usize) -> Self {
        self.0.max_bins = max_bins;
        self
    }

    /// Sets the seed of drawn patients, features and cuts.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }
}

impl RandomForestValidParams {
    /// The rule of every setting.
    pub(super) fn check_all(&self) -> Result<()> {
        let checker = Checker::new(NAME);
        check_n_trees(checker, self.n_trees)?;
        check_sizes(checker, self.max_leaves.unwrap_or(2), self.max_bins)?;
        checker.at_least_one("max_depth", self.max_depth)?;
        let most = u32::MAX as usize;
        checker.within(
            "min_leaf_rows",
            self.min_leaf_rows,
            1..=most,
            "within 1..=4294967295",
        )?;
        checker.within(
            "min_split_rows",
            self.min_split_rows,
            2..=most,
            "within 2..=4294967295",
        )?;
        checker.not_negative("min_leaf_weight", self.min_leaf_weight)?;
        checker.not_negative("min_gain", self.min_gain)?;
        checker.share("row_share", self.row_share)?;
        match self.features_per_node {
            FeaturesPerNode::Share(of_all) => checker.share("features_per_node", of_all)?,
            FeaturesPerNode::Count(count) => checker.at_least_one("features_per_node", count)?,
            FeaturesPerNode::SquareRoot => {}
        }
        self.weighting().check(checker)
    }

    /// What classes weigh, on top of row weights.
    pub(super) fn weighting(&self) -> Weighting<'_> {
        Weighting {
            classes: self.class_weights,
            named: &self.class_factors,
        }
    }

    /// The settings of the kernel for so many features.
    pub(super) fn growth(&self, n_features: usize) -> ClassGrowth {
        ClassGrowth {
            impurity: self.impurity,
            max_depth: self.max_depth,
            max_leaves: self.max_leaves,
            min_leaf_rows: self.min_leaf_rows as u64,
            min_leaf_weight: self.min_leaf_weight,
            min_split_rows: self.min_split_rows as u64,
            min_gain: self.min_gain,
            features_per_node: self.features_per_node.of(n_features),
            random_cuts: self.random_cuts,
        }
    }

    /// Whether every tree learns from all rows.
    pub(super) fn takes_all(&self) -> bool {
        !self.bootstrap && self.row_share == 1.0 && !self.balanced
    }
}

impl ParamGuard for RandomForestParams {
    type Checked = RandomForestValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&Self::Checked> {
        self.0.check_all()?;
        Ok(&self.0)
    }

    fn check(self) -> Result<Self::Checked> {
        self.check_ref()?;
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_outside_its_range_is_named() {
        let p = RandomForestParams::default;
        for (params, name) in [
            (p().n_trees(0), "n_trees"),
            (p().max_leaves(1), "max_leaves"),
            (p().max_leaves(usize::MAX), "max_leaves"),
            (p().max_depth(0), "max_depth"),
            (p().min_leaf_rows(0), "min_leaf_rows"),
            (p().min_split_rows(1), "min_split_rows"),
            (p().min_leaf_weight(-1.0), "min_leaf_weight"),
            (p().min_gain(f64::NAN), "min_gain"),
            (p().max_bins(256), "max_bins"),
            (p().row_share(0.0), "row_share"),
            (
                p().features_per_node(FeaturesPerNode::Share(1.5)),
                "features_per_node",
            ),
            (
                p().features_per_node(FeaturesPerNode::Count(0)),
                "features_per_node",
            ),
            (
                p().class_weights(ClassWeights::Given(1.0, 0.0)),
                "class_weights",
            ),
        ] {
            let error = params.check_ref().unwrap_err().to_string();
            assert!(error.contains(&format!("{name} =")), "{error}");
        }
        assert!(p().check_ref().is_ok() && p().max_leaves(None).check_ref().is_ok());
    }

    #[test]
    fn features_of_a_node() {
        let of = |features: FeaturesPerNode, n| features.of(n);
        assert_eq!(of(FeaturesPerNode::SquareRoot, 50), 7);
        assert_eq!(of(FeaturesPerNode::SquareRoot, 1), 1);
        assert_eq!(of(FeaturesPerNode::Share(0.14), 50), 7);
        assert_eq!(of(FeaturesPerNode::Share(1e-9), 50), 1);
        assert_eq!(of(FeaturesPerNode::Count(80), 50), 50);
    }
}
