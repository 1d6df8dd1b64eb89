//! The fitted random forest.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::params::{NAME, RandomForestParams, RandomForestValidParams};
use crate::classification::boosting::FeatureImportance;
use crate::classification::boosting::importance::of_trees;
use crate::classification::trees::close::{close_trees, same_names};
use crate::classification::trees::held::{Form, Held};
use crate::classification::trees::told;
use crate::design::binned::Binner;
use crate::error::Result;
use crate::estimator::{ClassLabel, Model, ModelHeader, Persist, RowsSource, Summary, Term};
use crate::kernel::tree::flat::Tree;
use crate::kernel::tree::model::{Ensemble, Trees};
use crate::kernel::tree::walk::Forest;

/// A fitted random forest; `L` is the type of the class labels.
///
/// ```
/// use galen::classification::RandomForest;
/// use galen::estimator::Control;
/// use galen::prelude::*;
///
/// # fn main() -> galen::Result<()> {
/// let people = galen::simulate::readmissions(2_000, 7);
/// let cohort = Cohort::new(people.matrix, people.target);
/// let (train, test) = Split::holdout(0.25, 1).apply(&cohort)?;
/// let params = RandomForest::params().n_trees(20).check()?;
/// let (model, out_of_bag) = params.fit_with_oob(&train, &Control::silent())?;
/// let risk = model.predict_risk(test.rows())?;
/// assert!(risk.iter().all(|risk| (0.0..=1.0).contains(risk)));
/// // An honest estimate of the error, from the training patients alone.
/// assert!(out_of_bag.brier() < 0.25);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent, bound = "L: ClassLabel")]
pub struct RandomForest<L: ClassLabel = bool> {
    pub(super) wire: Held<Wire<L>>,
}

/// Plain data of the model; every invariant is checked before it becomes one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: ClassLabel")]
pub(super) struct Wire<L: ClassLabel> {
    pub(super) header: ModelHeader,
    pub(super) params: RandomForestValidParams,
    pub(super) binner: Binner,
    /// In sorted order, as `predict_proba` lists them.
    pub(super) classes: Vec<L>,
    /// Position in `classes` of the class whose probability trees sum up; 0 with three or more.
    pub(super) modelled: u32,
    /// Whether the modelled class was named as the event.
    pub(super) event_named: bool,
    /// Values are shares of the classes.
    pub(super) trees: Vec<Tree>,
    /// Features that no cut could divide.
    pub(super) constant: Vec<String>,
}

impl<L: ClassLabel> Form for Wire<L> {
    type Layout = Forest;

    fn check(&self) -> Result<()> {
        self.check_all()
    }

    fn lay_out(&self) -> Self::Layout {
        let output = (self.classes.len() == 2).then_some(self.modelled as usize);
        Forest::of_shares(&self.trees, output, self.classes.len())
    }
}

impl<L: ClassLabel> Persist for RandomForest<L> {
    const KIND: &'static str = "random-forest";

    fn check(&self) -> Result<()> {
        self.wire.check_all()
    }
}

impl<L: ClassLabel> fmt::Debug for RandomForest<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = [
            ("n_features", self.wire.binner.schema.len()),
            ("n_classes", self.wire.classes.len()),
            ("n_trees", self.n_trees()),
        ];
        told::debug(f, NAME, sizes)
    }
}

impl RandomForest {
    /// Settings with their defaults:
    ///
    /// | setting | default | why |
    /// | --- | --- | --- |
    /// | `n_trees` | 100 | little is gained by more |
    /// | `impurity` | Gini | gains are exact |
    /// | `max_leaves` | 255 | on noisy outcomes small leaves blur the ranking and the calibration |
    /// | `max_depth` | 64 | no limit in effect; leaves are the limit |
    /// | `min_leaf_rows` | 20 | no share is the story of a few patients; fewer where there are few patients |
    /// | `min_split_rows` | 2 | |
    /// | `min_leaf_weight`, `min_gain` | 0 | |
    /// | `features_per_node` | square root | trees that err apart |
    /// | `random_cuts` | no | |
    /// | `bootstrap` | no | half of the patients, each once, vary as a bootstrap does (Friedman and Hall, J. Stat. Plan. Inference 137, 2007, doi 10.1016/j.jspi.2006.06.002), favour no feature for its number of values (Strobl et al., 2007), and cost less |
    /// | `row_share` | 0.5 | |
    /// | `by_patient` | yes | rows of a patient are alike |
    /// | `balanced` | no | spoils calibration |
    /// | `class_weights`, `class_weight` | none | spoil calibration |
    /// | `event` | none | `true` is the event of flags; text and numbers must be told |
    /// | `max_bins` | 255 | a byte a value |
    /// | `seed` | 0 | |
    pub fn params() -> RandomForestParams {
        RandomForestParams::default()
    }

    /// Settings of extra trees: as [`Self::params`], but with one random cut for every drawn feature, and
    /// all patients in every tree, hence nobody out of bag.
    pub fn extra_trees() -> RandomForestParams {
        RandomForestParams::extra()
    }
}

impl<L: ClassLabel> RandomForest<L> {
    /// The model of these data, once they are checked.
    pub(super) fn of(wire: Wire<L>) -> Result<Self> {
        let wire = Held::new(wire)?;
        Ok(Self { wire })
    }

    /// Classes in the order of the columns of [`Classify::predict_proba`](crate::estimator::Classify::predict_proba).
    pub fn classes(&self) -> &[L] {
        &self.wire.classes
    }

    /// Number of trees.
    pub fn n_trees(&self) -> usize {
        self.wire.trees.len()
    }

    /// Number of leaves of all trees.
    pub fn n_leaves(&self) -> usize {
        self.wire.trees.iter().map(Tree::n_leaves).sum()
    }

    /// Length of the longest way from a root to a leaf.
    pub fn depth(&self) -> usize {
        self.wire.trees.iter().map(Tree::depth).max().unwrap_or(0)
    }

    /// Features that no cut could divide: the same for all training rows.
    pub fn constant_features(&self) -> &[String] {
        &self.wire.constant
    }

    /// The settings that the model was fitted with.
    pub fn settings(&self) -> &RandomForestValidParams {
        &self.wire.params
    }

    /// Decrease of impurity by share of all weight, the mean of all trees, and number of cuts of every
    /// feature, in the order of the schema.
    ///
    /// Both are read off the training rows: they favour features with many values, and features that
    /// stand for each other share what either would get alone (Strobl et al., BMC Bioinformatics 8:25,
    /// 2007, doi 10.1186/1471-2105-8-25). They tell what the model uses, not what the outcome depends on.
    pub fn importance(&self) -> Vec<FeatureImportance> {
        let n_trees = self.wire.trees.len() as f64;
        of_trees(&self.wire.binner.schema, &self.wire.trees, |tree| {
            let whole = tree.nodes.first().map_or(0.0, |root| root.cover);
            if whole > 0.0 {
                1.0 / (whole * n_trees)
            } else {
                0.0
            }
        })
    }

    /// Position of the modelled class where there are two.
    pub(super) fn modelled(&self) -> Option<usize> {
        (self.wire.classes.len() == 2).then_some(self.wire.modelled as usize)
    }
}

impl<L: ClassLabel> Trees for RandomForest<L> {
    /// Probabilities: of all classes, in their order.
    fn ensemble(&self) -> Ensemble<'_> {
        let wire = &self.wire;
        let features = wire.binner.schema.features().iter();
        Ensemble {
            trees: &wire.trees,
            feeds: vec![0; wire.trees.len()],
            scale: 1.0 / wire.trees.len() as f64,
            base: vec![0.0; wire.classes.len()],
            outputs: wire.classes.iter().map(ClassLabel::text).collect(),
            features: features.map(|feature| feature.name().to_string()).collect(),
        }
    }

    fn for_values<T: Send>(
        &self,
        rows: RowsSource<'_>,
        take: impl Fn(Range<usize>, &[f64]) -> T + Sync + Send,
    ) -> Result<Vec<T>> {
        self.wire.binner.for_values(rows, take)
    }
}

impl<L: ClassLabel> Model for RandomForest<L> {
    fn header(&self) -> &ModelHeader {
        &self.wire.header
    }
}

impl<L: ClassLabel> Summary for RandomForest<L> {
    /// None: trees have no terms; see [`RandomForest::importance`].
    fn terms(&self) -> Vec<Term> {
        Vec::new()
    }

    fn facts(&self) -> Vec<(String, String)> {
        let wire = &self.wire;
        let params = &wire.params;
        let mut facts = vec![("estimator".to_string(), NAME.to_string())];
        let mut add = |name: &str, text: String| facts.push((name.to_string(), text));
        match self.modelled() {
            Some(modelled) => add("modelled class", wire.header.classes[modelled].clone()),
            None => add("classes", wire.classes.len().to_string()),
        }
        add("rows", wire.header.n_rows.to_string());
        if let Some(events) = wire.header.n_events {
            add("events", events.to_string());
        }
        let n_features = wire.binner.schema.len();
        add("features", n_features.to_string());
        let each = params.features_per_node.of(n_features);
        add("features of a node", each.to_string());
        add("trees", self.n_trees().to_string());
        add("leaves", self.n_leaves().to_string());
        add("depth", self.depth().to_string());
        let cuts = if params.random_cuts { "random" } else { "best" };
        add("cuts", cuts.into());
        let drawn = match (params.takes_all(), params.bootstrap) {
            (true, _) => "all",
            (false, true) => "with replacement",
            (false, false) => "without replacement",
        };
        add("patients of a tree", drawn.into());
        add("smallest rows of a leaf", params.min_leaf_rows.to_string());
        facts
    }

    fn warnings(&self) -> Vec<String> {
        let wire = &self.wire;
        let weighted = wire.params.weighting().is_some();
        let mut warnings = told::warnings(&wire.constant, told::no_cut(&wire.trees), weighted);
        if wire.params.balanced {
            warnings.push("balanced draws: probabilities are not calibrated to the data".into());
        }
        warnings
    }
}

impl<L: ClassLabel> approx::AbsDiffEq for RandomForest<L> {
    type Epsilon = f64;

    fn default_epsilon() -> f64 {
        f64::EPSILON
    }

    /// Same features, classes and shape of trees; thresholds and shares within `epsilon`.
    fn abs_diff_eq(&self, other: &Self, epsilon: f64) -> bool {
        close(self, other, |a, b| f64::abs_diff_eq(&a, &b, epsilon))
    }
}

impl<L: ClassLabel> approx::RelativeEq for RandomForest<L> {
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
    a: &RandomForest<L>,
    b: &RandomForest<L>,
    same: impl Fn(f64, f64) -> bool,
) -> bool {
    let (a, b) = (&a.wire, &b.wire);
    a.classes == b.classes
        && a.modelled == b.modelled
        && same_names(&a.binner.schema, &b.binner.schema)
        && close_trees(&a.trees, &b.trees, &same)
}
