//! The fitted decision tree.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::flatten::Surrogate;
use super::params::{
    Cuts, DecisionTreeParams, DecisionTreeValidParams, Impurity, MissingValues, NAME,
};
use super::prune::PruningStep;
use crate::classification::boosting::FeatureImportance;
use crate::classification::boosting::importance::of_trees;
use crate::classification::trees::close::{close_trees, same_names};
use crate::classification::trees::held::{Form, Held};
use crate::classification::trees::told;
use crate::design::binned::Binner;
use crate::error::Result;
use crate::estimator::{ClassLabel, Model, ModelHeader, Persist, Summary, Term};
use crate::kernel::tree::flat::Tree;

/// A fitted decision tree; `L` is the type of the class labels.
///
/// ```
/// use galen::classification::DecisionTree;
/// use galen::prelude::*;
///
/// # fn main() -> galen::Result<()> {
/// let people = galen::simulate::readmissions(3_000, 7);
/// let cohort = Cohort::new(people.matrix, people.target);
/// let (train, test) = Split::holdout(0.25, 1).apply(&cohort)?;
/// let tree = DecisionTree::params().max_depth(4).fit(&train)?;
/// let risk = tree.predict_risk(test.rows())?;
/// assert!(risk.iter().all(|risk| (0.0..=1.0).contains(risk)));
/// // What it says, to read or to check: one rule for every leaf.
/// println!("{}", tree.to_text());
/// assert_eq!(tree.rules().len(), tree.n_leaves());
/// // Which trees were weighed against each other.
/// let path = tree.pruning_path();
/// assert!(path.windows(2).all(|pair| pair[0].leaves > pair[1].leaves));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent, bound = "L: ClassLabel")]
pub struct DecisionTree<L: ClassLabel = bool> {
    pub(super) wire: Held<Wire<L>>,
}

/// Plain data of the model; every invariant is checked before it becomes one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: ClassLabel")]
pub(super) struct Wire<L: ClassLabel> {
    pub(super) header: ModelHeader,
    pub(super) params: DecisionTreeValidParams,
    pub(super) binner: Binner,
    /// In sorted order, as `predict_proba` lists them.
    pub(super) classes: Vec<L>,
    /// Position in `classes` of the named event.
    pub(super) event: Option<u32>,
    /// Shares of the classes at every node.
    pub(super) tree: Tree,
    /// By node, best first; empty lists without them.
    pub(super) surrogates: Vec<Vec<Surrogate>>,
    pub(super) path: Vec<PruningStep>,
    /// The step of `path` that was taken; `None` where nothing was pruned.
    pub(super) chosen: Option<u64>,
    /// Leaves before pruning.
    pub(super) grown_leaves: u64,
    /// Features that no cut could divide.
    pub(super) constant: Vec<String>,
}

impl<L: ClassLabel> Form for Wire<L> {
    type Layout = ();

    fn check(&self) -> Result<()> {
        self.check_all()
    }

    fn lay_out(&self) -> Self::Layout {}
}

impl<L: ClassLabel> Persist for DecisionTree<L> {
    const KIND: &'static str = "decision-tree";

    fn check(&self) -> Result<()> {
        self.wire.check_all()
    }
}

impl<L: ClassLabel> fmt::Debug for DecisionTree<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = [
            ("n_features", self.wire.binner.schema.len()),
            ("n_classes", self.wire.classes.len()),
            ("n_leaves", self.n_leaves()),
        ];
        told::debug(f, NAME, sizes)
    }
}

impl DecisionTree {
    /// Settings with their defaults:
    ///
    /// | setting | default | why |
    /// | --- | --- | --- |
    /// | `max_depth` | 5 | at most 32 leaves: a tree that one page shows |
    /// | `max_leaves` | 131072 | no limit in effect; depth is the limit |
    /// | `min_leaf_rows` | 20 | no leaf is the story of a few patients, shares stand on some rows |
    /// | `min_gain` | 0 | |
    /// | `impurity` | Gini | its cost is the Brier score |
    /// | `missing_values` | learned side | that a value is missing often carries news |
    /// | `max_surrogates` | 5 | with surrogates: more are rarely reached |
    /// | `cuts` | binned | exact up to 255 distinct values, close beyond, and far faster |
    /// | `max_bins` | 255 | a byte a value |
    /// | `pruning` | 10 folds, one standard error | the smallest tree that serves about as well |
    /// | `class_weights`, `class_weight` | none | weights spoil calibration |
    /// | `event` | none | `true` is the event of flags; text and numbers must be told |
    /// | `seed` | 0 | deals patients to folds |
    pub fn params() -> DecisionTreeParams {
        DecisionTreeParams::default()
    }
}

impl<L: ClassLabel> DecisionTree<L> {
    /// The model of these data, once they are checked.
    pub(super) fn of(wire: Wire<L>) -> Result<Self> {
        let wire = Held::new(wire)?;
        Ok(Self { wire })
    }

    /// Classes in the order of the columns of [`Classify::predict_proba`](crate::estimator::Classify::predict_proba).
    pub fn classes(&self) -> &[L] {
        &self.wire.classes
    }

    /// Number of leaves.
    pub fn n_leaves(&self) -> usize {
        self.wire.tree.n_leaves()
    }

    /// Length of the longest way from the root to a leaf.
    pub fn depth(&self) -> usize {
        self.wire.tree.depth()
    }

    /// The nested trees that pruning chose from, the grown one first and the root last: strength,
    /// leaves, cost, and how they fared over the folds.
    pub fn pruning_path(&self) -> &[PruningStep] {
        &self.wire.path
    }

    /// Position in [`Self::pruning_path`] of this tree; `None` where nothing was pruned.
    pub fn pruning_step(&self) -> Option<usize> {
        self.wire.chosen.map(|chosen| chosen as usize)
    }

    /// Features that no cut could divide: the same for all training rows.
    pub fn constant_features(&self) -> &[String] {
        &self.wire.constant
    }

    /// The settings that the model was fitted with.
    pub fn settings(&self) -> &DecisionTreeValidParams {
        &self.wire.params
    }

    /// Gain and number of cuts of every feature, in the order of the schema; gains are impurity taken
    /// away, by share of all weight.
    ///
    /// Both are read off the training rows: they favour features with many values, and of two
    /// features that stand for each other one gets all.
    pub fn importance(&self) -> Vec<FeatureImportance> {
        let trees = std::slice::from_ref(&self.wire.tree);
        of_trees(&self.wire.binner.schema, trees, |_| 1.0)
    }
}

impl<L: ClassLabel> Model for DecisionTree<L> {
    fn header(&self) -> &ModelHeader {
        &self.wire.header
    }
}

impl<L: ClassLabel> Summary for DecisionTree<L> {
    /// None: a tree has no terms; see [`DecisionTree::rules`].
    fn terms(&self) -> Vec<Term> {
        Vec::new()
    }

    fn facts(&self) -> Vec<(String, String)> {
        let wire = &self.wire;
        let params = &wire.params;
        let mut facts = vec![("estimator".to_string(), NAME.to_string())];
        let mut add = |name: &str, text: String| facts.push((name.to_string(), text));
        match &wire.header.event {
            Some(event) => add("event", event.clone()),
            None => add("classes", wire.classes.len().to_string()),
        }
        add("rows", wire.header.n_rows.to_string());
        if let Some(events) = wire.header.n_events {
            add("events", events.to_string());
        }
        add("features", wire.binner.schema.len().to_string());
        add("leaves", self.n_leaves().to_string());
        add("leaves before pruning", wire.grown_leaves.to_string());
        add("depth", self.depth().to_string());
        add("smallest rows of a leaf", params.min_leaf_rows.to_string());
        let impurity = match params.impurity {
            Impurity::Gini => "Gini",
            Impurity::Entropy => "entropy",
        };
        add("impurity", impurity.into());
        let missing = match (params.cuts, params.missing) {
            (Cuts::Exact, _) => "refused",
            (_, MissingValues::LearnedSide) => "a side of every cut is learnt",
            (_, MissingValues::Surrogate) => "surrogate cuts",
        };
        add("missing values", missing.into());
        let cuts = match params.cuts {
            Cuts::Binned => "binned",
            Cuts::Exact => "exact",
        };
        add("cuts", cuts.into());
        if let Some(step) = self.pruning_step().and_then(|at| wire.path.get(at)) {
            add("pruning strength", format!("{:.6}", step.strength));
            if let (Some(loss), Some(error)) = (step.validation, step.standard_error) {
                add(
                    "Brier score over folds, summed over classes",
                    format!("{loss:.6}"),
                );
                add("its standard error", format!("{error:.6}"));
            }
        }
        facts
    }

    fn warnings(&self) -> Vec<String> {
        let wire = &self.wire;
        let no_cut = (wire.tree.nodes.len() == 1).then(|| {
            let why = if wire.grown_leaves > 1 {
                "pruning left no cut: none served rows that were not seen"
            } else {
                "few rows for `min_leaf_rows`, or features without effect"
            };
            format!("the tree has no cut, every row gets the same answer ({why})")
        });
        told::warnings(&wire.constant, no_cut, wire.params.weighting().is_some())
    }
}

impl<L: ClassLabel> approx::AbsDiffEq for DecisionTree<L> {
    type Epsilon = f64;

    fn default_epsilon() -> f64 {
        f64::EPSILON
    }

    /// Same features, classes and shape; thresholds and shares within `epsilon`.
    fn abs_diff_eq(&self, other: &Self, epsilon: f64) -> bool {
        close(self, other, |a, b| f64::abs_diff_eq(&a, &b, epsilon))
    }
}

impl<L: ClassLabel> approx::RelativeEq for DecisionTree<L> {
    fn default_max_relative() -> f64 {
        f64::EPSILON
    }

    fn relative_eq(&self, other: &Self, epsilon: f64, max_relative: f64) -> bool {
        close(self, other, |a, b| {
            f64::relative_eq(&a, &b, epsilon, max_relative)
        })
    }
}

fn close<L: ClassLabel>(
    a: &DecisionTree<L>,
    b: &DecisionTree<L>,
    same: impl Fn(f64, f64) -> bool,
) -> bool {
    let (a, b) = (&a.wire, &b.wire);
    let tree = |wire: &Wire<L>| std::slice::from_ref(&wire.tree).to_vec();
    a.classes == b.classes
        && same_names(&a.binner.schema, &b.binner.schema)
        && close_trees(&tree(a), &tree(b), same)
}
