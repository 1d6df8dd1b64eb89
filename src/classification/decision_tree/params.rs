//! Settings of a decision tree.

use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

use crate::classification::logistic::ClassWeights;
use crate::classification::trees::classes::Weighting;
use crate::classification::trees::settings::{MOST_LEAVES, check_sizes};
use crate::design::binned::MAX_BINS;
use crate::error::{Error, Result};
use crate::estimator::params::Checker;
pub use crate::kernel::tree::class_split::Impurity;

pub(super) const NAME: &str = "DecisionTree";

/// Deeper trees are no reading matter; keeps recursions short.
pub(super) const MOST_DEPTH: usize = 128;

/// More stand-ins than anyone reads.
const MOST_SURROGATES: usize = 100;

/// Where rows go whose value of the feature asked is missing, or a level not seen in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum MissingValues {
    /// To the side where the missing values of training fitted better; where there were none, to the
    /// heavier side. That a value is missing then carries news, as in records of care it often does.
    LearnedSide,
    /// Where the best stand-in says that the value would have sent them: cuts on other features, by
    /// how often they agree with the cut (Breiman et al. 1984, section 5.3), then the heavier side.
    /// That a value is missing then carries no news.
    Surrogate,
}

/// How the cuts of numbers are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Cuts {
    /// Between at most 255 bins of a feature: exact where it has no more distinct values. Bins are
    /// learnt from at most 65,536 rows.
    Binned,
    /// Between any two values, searched by `linfa-trees`; for two classes, values that are all there,
    /// categories of at most two levels and rows of one weight. Slower, on one thread.
    Exact,
}

/// Which of the pruned trees is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum PruningRule {
    /// The one with the lowest loss over the folds.
    Minimum,
    /// The smallest one whose loss is within a standard error of the lowest.
    OneStandardError,
}

/// How far a grown tree is pruned; strengths are impurity a leaf, as a share of all weight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Pruning {
    /// Not at all.
    None,
    /// To the subtree that is best when every leaf costs this much.
    Strength(f64),
    /// To the strength chosen by cross-validation over patients (rows, where there are no patient
    /// keys), by the Brier score on the folds left out.
    CrossValidated {
        /// Number of folds, 2 or more; as many as patients where those are fewer.
        folds: usize,
        /// Which tree is taken.
        rule: PruningRule,
    },
}

/// Checked settings of [`super::DecisionTree`]; made by `check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionTreeValidParams {
    pub(crate) max_depth: usize,
    pub(crate) max_leaves: usize,
    pub(crate) min_leaf_rows: usize,
    pub(crate) min_gain: f64,
    pub(crate) impurity: Impurity,
    pub(crate) missing: MissingValues,
    pub(crate) max_surrogates: usize,
    pub(crate) cuts: Cuts,
    pub(crate) max_bins: usize,
    pub(crate) pruning: Pruning,
    pub(crate) class_weights: ClassWeights,
    #[serde(default)]
    pub(crate) class_factors: Vec<(String, f64)>,
    pub(crate) event: Option<String>,
    pub(crate) seed: u64,
}

/// Settings of [`super::DecisionTree`], not yet checked; `fit` checks them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionTreeParams(DecisionTreeValidParams);

impl Default for DecisionTreeParams {
    fn default() -> Self {
        Self(DecisionTreeValidParams {
            max_depth: 5,
            max_leaves: MOST_LEAVES,
            min_leaf_rows: 20,
            min_gain: 0.0,
            impurity: Impurity::Gini,
            missing: MissingValues::LearnedSide,
            max_surrogates: 5,
            cuts: Cuts::Binned,
            max_bins: MAX_BINS,
            pruning: Pruning::CrossValidated {
                folds: 10,
                rule: PruningRule::OneStandardError,
            },
            class_weights: ClassWeights::None,
            class_factors: Vec::new(),
            event: None,
            seed: 0,
        })
    }
}

impl DecisionTreeParams {
    /// Sets the largest number of cuts between the root and a leaf, 1 to 128.
    #[must_use]
    pub fn max_depth(mut self, max_depth: usize) -> Self {
        self.0.max_depth = max_depth;
        self
    }

    /// Sets the largest number of leaves before pruning, 2 or more: the cuts that gain most are made
    /// first.
    #[must_use]
    pub fn max_leaves(mut self, max_leaves: usize) -> Self {
        self.0.max_leaves = max_leaves;
        self
    }

    /// Sets the smallest number of rows of a leaf, whatever their weights.
    #[must_use]
    pub fn min_leaf_rows(mut self, min_leaf_rows: usize) -> Self {
        self.0.min_leaf_rows = min_leaf_rows;
        self
    }

    /// Sets the gain above which a cut is made: the impurity it takes away, times the share of all
    /// weight that it concerns.
    #[must_use]
    pub fn min_gain(mut self, min_gain: f64) -> Self {
        self.0.min_gain = min_gain;
        self
    }

    /// Sets what a cut is to lower.
    #[must_use]
    pub fn impurity(mut self, impurity: Impurity) -> Self {
        self.0.impurity = impurity;
        self
    }

    /// Sets where rows with a missing value go.
    #[must_use]
    pub fn missing_values(mut self, missing: MissingValues) -> Self {
        self.0.missing = missing;
        self
    }

    /// Sets the largest number of stand-ins of a cut, 1 to 100, with [`MissingValues::Surrogate`].
    #[must_use]
    pub fn max_surrogates(mut self, max_surrogates: usize) -> Self {
        self.0.max_surrogates = max_surrogates;
        self
    }

    /// Sets how cuts of numbers are found.
    #[must_use]
    pub fn cuts(mut self, cuts: Cuts) -> Self {
        self.0.cuts = cuts;
        self
    }

    /// Sets the largest number of bins of a feature, 2 to 255, missing values apart.
    #[must_use]
    pub fn max_bins(mut self, max_bins: usize) -> Self {
        self.0.max_bins = max_bins;
        self
    }

    /// Sets how far the grown tree is pruned.
    #[must_use]
    pub fn pruning(mut self, pruning: Pruning) -> Self {
        self.0.pruning = pruning;
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

    /// Sets the seed by which patients are dealt to folds.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }
}

impl DecisionTreeValidParams {
    /// The rule of every setting.
    pub(super) fn check_all(&self) -> Result<()> {
        let checker = Checker::new(NAME);
        checker.within(
            "max_depth",
            self.max_depth,
            1..=MOST_DEPTH,
            "within 1..=128",
        )?;
        check_sizes(checker, self.max_leaves, self.max_bins)?;
        checker.within(
            "max_surrogates",
            self.max_surrogates,
            1..=MOST_SURROGATES,
            "within 1..=100",
        )?;
        checker.at_least_one("min_leaf_rows", self.min_leaf_rows)?;
        checker.not_negative("min_gain", self.min_gain)?;
        match self.pruning {
            Pruning::None => {}
            Pruning::Strength(strength) => checker.not_negative("pruning", strength)?,
            Pruning::CrossValidated { folds, .. } => {
                let sound = (2..=1_000).contains(&folds);
                checker.require(sound, "pruning", folds, "2 to 1000 folds")?;
            }
        }
        checker.require(
            self.cuts == Cuts::Binned || self.missing == MissingValues::LearnedSide,
            "missing_values",
            "Surrogate",
            "the default with exact cuts, which take no missing values",
        )?;
        self.weighting().check(checker)?;
        checker.require(
            self.cuts == Cuts::Binned || !self.weighting().is_some(),
            "class_weights",
            "weights",
            "none with exact cuts, whose rows have one weight",
        )
    }

    /// What classes weigh, on top of row weights.
    pub(super) fn weighting(&self) -> Weighting<'_> {
        Weighting {
            classes: self.class_weights,
            named: &self.class_factors,
        }
    }
}

impl ParamGuard for DecisionTreeParams {
    type Checked = DecisionTreeValidParams;
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
        let p = DecisionTreeParams::default;
        let rule = PruningRule::Minimum;
        for (params, name) in [
            (p().max_depth(0), "max_depth"),
            (p().max_depth(129), "max_depth"),
            (p().max_leaves(1), "max_leaves"),
            (p().min_leaf_rows(0), "min_leaf_rows"),
            (p().min_gain(f64::NAN), "min_gain"),
            (p().max_bins(256), "max_bins"),
            (p().max_surrogates(0), "max_surrogates"),
            (p().pruning(Pruning::Strength(-0.1)), "pruning"),
            (
                p().pruning(Pruning::CrossValidated { folds: 1, rule }),
                "pruning",
            ),
            (
                p().class_weights(ClassWeights::Given(0.0, 1.0)),
                "class_weights",
            ),
            (
                p().cuts(Cuts::Exact).class_weights(ClassWeights::Balanced),
                "class_weights",
            ),
            (
                p().cuts(Cuts::Exact)
                    .missing_values(MissingValues::Surrogate),
                "missing_values",
            ),
        ] {
            let error = params.check_ref().unwrap_err().to_string();
            assert!(error.contains(&format!("{name} =")), "{error}");
        }
        assert!(p().check_ref().is_ok());
        assert!(p().cuts(Cuts::Exact).check_ref().is_ok());
    }
}
