//! Settings of gradient boosting.

use std::collections::BTreeSet;

use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

use crate::classification::logistic::ClassWeights;
use crate::classification::trees::classes::Weighting;
use crate::classification::trees::settings::{check_n_trees, check_sizes};
use crate::design::binned::MAX_BINS;
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::Schema;
use crate::estimator::params::Checker;
use crate::kernel::tree::boost::{Order, Settings};

pub(super) const NAME: &str = "GradientBoosting";

/// How a tree grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Growth {
    /// The leaf whose cut gains most is cut next: deep where it pays.
    BestFirst,
    /// Level by level: balanced trees. The limit of leaves still holds.
    DepthFirst,
}

/// The way a risk may go when a number rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Direction {
    /// Never down.
    Increasing,
    /// Never up.
    Decreasing,
}

/// Checked settings of [`super::GradientBoosting`]; made by `check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradientBoostingValidParams {
    pub(crate) n_trees: usize,
    pub(crate) learning_rate: f64,
    pub(crate) max_leaves: usize,
    pub(crate) max_depth: usize,
    pub(crate) min_leaf_rows: usize,
    pub(crate) min_leaf_weight: f64,
    pub(crate) min_gain: f64,
    pub(crate) l1: f64,
    pub(crate) l2: f64,
    pub(crate) max_bins: usize,
    pub(crate) row_share: f64,
    pub(crate) feature_share: f64,
    pub(crate) growth: Growth,
    pub(crate) monotone: Vec<(String, Direction)>,
    pub(crate) interactions: Vec<Vec<String>>,
    pub(crate) class_weights: ClassWeights,
    #[serde(default)]
    pub(crate) class_factors: Vec<(String, f64)>,
    pub(crate) event: Option<String>,
    pub(crate) early_stopping: Option<usize>,
    pub(crate) validation_share: f64,
    pub(crate) seed: u64,
}

/// Settings of [`super::GradientBoosting`], not yet checked; `fit` checks them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GradientBoostingParams(GradientBoostingValidParams);

impl Default for GradientBoostingParams {
    fn default() -> Self {
        Self(GradientBoostingValidParams {
            n_trees: 100,
            learning_rate: 0.1,
            max_leaves: 31,
            max_depth: 64,
            min_leaf_rows: 20,
            min_leaf_weight: 1e-3,
            min_gain: 0.0,
            l1: 0.0,
            l2: 1.0,
            max_bins: MAX_BINS,
            row_share: 1.0,
            feature_share: 1.0,
            growth: Growth::BestFirst,
            monotone: Vec::new(),
            interactions: Vec::new(),
            class_weights: ClassWeights::None,
            class_factors: Vec::new(),
            event: None,
            early_stopping: None,
            validation_share: 0.1,
            seed: 0,
        })
    }
}

impl GradientBoostingParams {
    /// Sets the number of iterations: a tree each, or a tree for every class with three or more.
    #[must_use]
    pub fn n_trees(mut self, n_trees: usize) -> Self {
        self.0.n_trees = n_trees;
        self
    }

    /// Sets the share of every tree's step that is taken, in (0, 1].
    #[must_use]
    pub fn learning_rate(mut self, learning_rate: f64) -> Self {
        self.0.learning_rate = learning_rate;
        self
    }

    /// Sets the largest number of leaves of a tree, 2 or more.
    #[must_use]
    pub fn max_leaves(mut self, max_leaves: usize) -> Self {
        self.0.max_leaves = max_leaves;
        self
    }

    /// Sets the largest number of cuts between the root and a leaf; 1 gives a model without
    /// interactions.
    #[must_use]
    pub fn max_depth(mut self, max_depth: usize) -> Self {
        self.0.max_depth = max_depth;
        self
    }

    /// Sets the smallest number of rows of a leaf, whatever their weights.
    #[must_use]
    pub fn min_leaf_rows(mut self, min_leaf_rows: usize) -> Self {
        self.0.min_leaf_rows = min_leaf_rows;
        self
    }

    /// Sets the smallest sum of second derivatives of a leaf: weight times `p (1 - p)`.
    #[must_use]
    pub fn min_leaf_weight(mut self, min_leaf_weight: f64) -> Self {
        self.0.min_leaf_weight = min_leaf_weight;
        self
    }

    /// Sets the gain above which a cut is made.
    #[must_use]
    pub fn min_gain(mut self, min_gain: f64) -> Self {
        self.0.min_gain = min_gain;
        self
    }

    /// Sets the penalty on the size of leaf values.
    #[must_use]
    pub fn l1(mut self, l1: f64) -> Self {
        self.0.l1 = l1;
        self
    }

    /// Sets the penalty on the squares of leaf values.
    #[must_use]
    pub fn l2(mut self, l2: f64) -> Self {
        self.0.l2 = l2;
        self
    }

    /// Sets the largest number of bins of a feature, 2 to 255, missing values apart.
    #[must_use]
    pub fn max_bins(mut self, max_bins: usize) -> Self {
        self.0.max_bins = max_bins;
        self
    }

    /// Sets the share of rows drawn for every tree, in (0, 1]: all rows of a patient or none, where
    /// there are patient keys, so that the order of rows changes nothing; else rows by their number.
    #[must_use]
    pub fn row_share(mut self, row_share: f64) -> Self {
        self.0.row_share = row_share;
        self
    }

    /// Sets the share of features drawn for every tree, in (0, 1].
    #[must_use]
    pub fn feature_share(mut self, feature_share: f64) -> Self {
        self.0.feature_share = feature_share;
        self
    }

    /// Sets how trees grow.
    #[must_use]
    pub fn growth(mut self, growth: Growth) -> Self {
        self.0.growth = growth;
        self
    }

    /// Lets the risk go one way only as this number rises, all else equal. Missing values are free of
    /// it. For two classes: with more, scores that each go one way do not make probabilities that do,
    /// as these also depend on the scores of the other classes, hence a fit refuses.
    #[must_use]
    pub fn monotone(mut self, feature: impl Into<String>, direction: Direction) -> Self {
        self.0.monotone.push((feature.into(), direction));
        self
    }

    /// Lets features interact within these groups only: all that are asked on the way to a leaf share a
    /// group. A feature in no group stands alone.
    #[must_use]
    pub fn interactions<G, N>(mut self, groups: impl IntoIterator<Item = G>) -> Self
    where
        G: IntoIterator<Item = N>,
        N: Into<String>,
    {
        self.0.interactions = groups
            .into_iter()
            .map(|group| group.into_iter().map(Into::into).collect())
            .collect();
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

    /// Names the class that is the event, for a target of two classes as text or numbers. With more
    /// classes a fit refuses: each of them has its own probability, and none is the one risk.
    #[must_use]
    pub fn event(mut self, event: impl Into<String>) -> Self {
        self.0.event = Some(event.into());
        self
    }

    /// Ends once the loss on validation rows has not improved for `patience` iterations, and keeps
    /// the best one. Validation rows are those of patients drawn by key (rows by number where there
    /// are no patient keys); nothing is learnt from them.
    #[must_use]
    pub fn early_stopping(mut self, patience: usize) -> Self {
        self.0.early_stopping = Some(patience);
        self
    }

    /// Sets the share of patients that early stopping validates on, in (0, 1).
    #[must_use]
    pub fn validation_share(mut self, validation_share: f64) -> Self {
        self.0.validation_share = validation_share;
        self
    }

    /// Sets the seed of drawn rows, features and validation patients.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }
}

impl GradientBoostingValidParams {
    /// The rule of every setting.
    pub(super) fn check_all(&self) -> Result<()> {
        let checker = Checker::new(NAME);
        check_n_trees(checker, self.n_trees)?;
        check_sizes(checker, self.max_leaves, self.max_bins)?;
        checker.at_least_one("max_depth", self.max_depth)?;
        checker.at_least_one("min_leaf_rows", self.min_leaf_rows)?;
        let shares = [
            ("learning_rate", self.learning_rate),
            ("row_share", self.row_share),
            ("feature_share", self.feature_share),
        ];
        for (name, share) in shares {
            checker.share(name, share)?;
        }
        checker.not_negative("min_leaf_weight", self.min_leaf_weight)?;
        checker.not_negative("min_gain", self.min_gain)?;
        checker.not_negative("l1", self.l1)?;
        checker.not_negative("l2", self.l2)?;
        let named: BTreeSet<&String> = self.monotone.iter().map(|(name, _)| name).collect();
        checker.require(
            named.len() == self.monotone.len(),
            "monotone",
            "a list",
            "one direction for a feature",
        )?;
        checker.require(
            self.interactions.iter().all(|group| !group.is_empty()),
            "interactions",
            "a list",
            "groups of at least one feature",
        )?;
        self.weighting().check(checker)?;
        if let Some(patience) = self.early_stopping {
            checker.at_least_one("early_stopping", patience)?;
        }
        checker.inside_unit("validation_share", self.validation_share)
    }

    /// What classes weigh, on top of row weights.
    pub(super) fn weighting(&self) -> Weighting<'_> {
        Weighting {
            classes: self.class_weights,
            named: &self.class_factors,
        }
    }

    /// The settings of the kernel, features by position.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureNames`] for a name that is no feature; [`ErrorKind::FeatureMismatch`] for
    /// a direction of a category.
    pub(super) fn settings(&self, schema: &Schema) -> Result<Settings> {
        let mut monotone = Vec::new();
        if !self.monotone.is_empty() {
            monotone.resize(schema.len(), 0);
        }
        for (name, direction) in &self.monotone {
            let position = schema.find(name)?;
            let kind = schema.features()[position].kind();
            if kind.is_categorical() {
                return Err(ErrorKind::FeatureMismatch {
                    name: name.clone(),
                    expected: "a number, as it is to be monotone".into(),
                    found: kind.to_string(),
                }
                .into());
            }
            monotone[position] = match direction {
                Direction::Increasing => 1,
                Direction::Decreasing => -1,
            };
        }
        let mut interactions = Vec::new();
        let mut grouped = BTreeSet::new();
        for group in &self.interactions {
            let mut positions = BTreeSet::new();
            for name in group {
                positions.insert(schema.find(name)? as u32);
            }
            grouped.extend(positions.iter().copied());
            interactions.push(positions.into_iter().collect());
        }
        if !interactions.is_empty() {
            let alone = (0..schema.len() as u32).filter(|feature| !grouped.contains(feature));
            interactions.extend(alone.map(|feature| vec![feature]));
        }
        Ok(Settings {
            n_trees: self.n_trees,
            learning_rate: self.learning_rate,
            max_leaves: self.max_leaves,
            max_depth: self.max_depth,
            min_leaf_rows: self.min_leaf_rows as u64,
            min_leaf_weight: self.min_leaf_weight,
            min_gain: self.min_gain,
            l1: self.l1,
            l2: self.l2,
            order: match self.growth {
                Growth::BestFirst => Order::BestFirst,
                Growth::DepthFirst => Order::DepthFirst,
            },
            row_share: self.row_share,
            feature_share: self.feature_share,
            monotone,
            interactions,
            patience: self.early_stopping.unwrap_or(0),
            seed: self.seed,
        })
    }
}

impl ParamGuard for GradientBoostingParams {
    type Checked = GradientBoostingValidParams;
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
    use crate::matrix::Feature;

    #[test]
    fn every_setting_outside_its_range_is_named() {
        let p = GradientBoostingParams::default;
        for (params, name) in [
            (p().n_trees(0), "n_trees"),
            (p().learning_rate(0.0), "learning_rate"),
            (p().learning_rate(1.1), "learning_rate"),
            (p().max_leaves(1), "max_leaves"),
            (p().max_depth(0), "max_depth"),
            (p().min_leaf_rows(0), "min_leaf_rows"),
            (p().min_leaf_weight(-1.0), "min_leaf_weight"),
            (p().min_gain(f64::NAN), "min_gain"),
            (p().l1(-1.0), "l1"),
            (p().l2(f64::INFINITY), "l2"),
            (p().max_bins(1), "max_bins"),
            (p().max_bins(256), "max_bins"),
            (p().row_share(0.0), "row_share"),
            (p().feature_share(f64::NAN), "feature_share"),
            (
                p().monotone("age", Direction::Increasing)
                    .monotone("age", Direction::Decreasing),
                "monotone",
            ),
            (p().interactions([Vec::<String>::new()]), "interactions"),
            (
                p().class_weights(ClassWeights::Given(0.0, 1.0)),
                "class_weights",
            ),
            (p().early_stopping(0), "early_stopping"),
            (p().validation_share(1.0), "validation_share"),
        ] {
            let error = params.check_ref().unwrap_err().to_string();
            assert!(error.contains(&format!("{name} =")), "{error}");
        }
        assert!(p().check_ref().is_ok());
    }

    #[test]
    fn names_become_positions() {
        let schema = Schema::new(vec![
            Feature::numeric("age"),
            Feature::category("ward"),
            Feature::numeric("lactate"),
            Feature::numeric("bmi"),
        ])
        .unwrap();
        let params = GradientBoostingParams::default()
            .monotone("lactate", Direction::Increasing)
            .monotone("bmi", Direction::Decreasing)
            .interactions([["lactate", "age"]])
            .check()
            .unwrap();
        let settings = params.settings(&schema).unwrap();
        assert_eq!(settings.monotone, [0, 0, 1, -1]);
        assert_eq!(settings.interactions, [vec![0, 2], vec![1], vec![3]]);
        let plain = GradientBoostingParams::default().check().unwrap();
        let settings = plain.settings(&schema).unwrap();
        assert!(settings.monotone.is_empty() && settings.interactions.is_empty());
        let refused = |params: GradientBoostingParams| {
            let params = params.check().unwrap();
            params.settings(&schema).unwrap_err().to_string()
        };
        let p = GradientBoostingParams::default;
        assert!(refused(p().monotone("lactat", Direction::Increasing)).contains("did you mean"));
        assert!(refused(p().monotone("ward", Direction::Increasing)).contains("ward"));
        assert!(refused(p().interactions([["agee"]])).contains("did you mean"));
    }
}
