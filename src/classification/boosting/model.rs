//! The fitted gradient boosting.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::params::{GradientBoostingParams, GradientBoostingValidParams, NAME};
use crate::classification::trees::close::{close_numbers, close_trees, same_names};
use crate::classification::trees::held::{Form, Held};
use crate::classification::trees::told;
use crate::design::binned::Binner;
use crate::error::Result;
use crate::estimator::{ClassLabel, Model, ModelHeader, Persist, Summary, Term};
use crate::kernel::tree::flat::Tree;
use crate::kernel::tree::walk::Forest;

/// Fitted boosted trees; `L` is the type of the class labels.
///
/// ```
/// use galen::classification::GradientBoosting;
/// use galen::prelude::*;
///
/// # fn main() -> galen::Result<()> {
/// let people = galen::simulate::readmissions(2_000, 7);
/// let cohort = Cohort::new(people.matrix, people.target);
/// let (train, test) = Split::holdout(0.25, 1).apply(&cohort)?;
/// let model = GradientBoosting::params().n_trees(20).fit(&train)?;
/// let risk = model.predict_risk(test.rows())?;
/// assert!(risk.iter().all(|risk| (0.0..=1.0).contains(risk)));
/// let most = model.importance().into_iter().max_by(|a, b| a.gain.total_cmp(&b.gain));
/// assert!(most.is_some_and(|most| most.count > 0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent, bound = "L: ClassLabel")]
pub struct GradientBoosting<L: ClassLabel = bool> {
    pub(super) wire: Held<Wire<L>>,
}

/// Plain data of the model; every invariant is checked before it becomes one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: ClassLabel")]
pub(super) struct Wire<L: ClassLabel> {
    pub(super) header: ModelHeader,
    pub(super) params: GradientBoostingValidParams,
    pub(super) binner: Binner,
    /// In sorted order, as `predict_proba` lists them.
    pub(super) classes: Vec<L>,
    /// Position in `classes` of the class whose log-odds are modelled; 0 with three or more.
    pub(super) modelled: u32,
    /// Whether the modelled class was named as the event.
    pub(super) event_named: bool,
    /// Raw score of every output before the first tree.
    pub(super) base: Vec<f64>,
    /// By iteration, within it by output.
    pub(super) trees: Vec<Tree>,
    /// Mean loss after every iteration that was run; those after the best one have no trees.
    pub(super) train_loss: Vec<f64>,
    pub(super) validation_loss: Vec<f64>,
    pub(super) validation_rows: u64,
    pub(super) stopped_early: bool,
    /// Features that no cut could divide.
    pub(super) constant: Vec<String>,
}

impl<L: ClassLabel> Form for Wire<L> {
    type Layout = Forest;

    fn check(&self) -> Result<()> {
        self.check_all()
    }

    fn lay_out(&self) -> Self::Layout {
        Forest::new(&self.base, &self.trees)
    }
}

impl<L: ClassLabel> Persist for GradientBoosting<L> {
    const KIND: &'static str = "gradient-boosting";

    fn check(&self) -> Result<()> {
        self.wire.check_all()
    }
}

impl<L: ClassLabel> fmt::Debug for GradientBoosting<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = [
            ("n_features", self.wire.binner.schema.len()),
            ("n_classes", self.wire.classes.len()),
            ("n_trees", self.n_trees()),
        ];
        told::debug(f, NAME, sizes)
    }
}

impl GradientBoosting {
    /// Settings with their defaults:
    ///
    /// | setting | default | why |
    /// | --- | --- | --- |
    /// | `n_trees` | 100 | enough to learn at this rate; more with early stopping |
    /// | `learning_rate` | 0.1 | small steps generalise better than few large ones |
    /// | `max_leaves` | 31 | as in LightGBM: interactions of up to five features |
    /// | `max_depth` | 64 | no limit in effect; leaves are the limit |
    /// | `min_leaf_rows` | 20 | no leaf is the story of a few patients |
    /// | `min_leaf_weight` | 1e-3 | keeps steps finite where the risk is all but sure |
    /// | `min_gain` | 0 | |
    /// | `l1` | 0 | |
    /// | `l2` | 1 | a leaf of few or sure patients takes a smaller step |
    /// | `max_bins` | 255 | a byte a value |
    /// | `row_share`, `feature_share` | 1 | nothing is drawn unless asked for |
    /// | `growth` | best first | lower loss for as many leaves |
    /// | `monotone`, `interactions` | none | |
    /// | `class_weights`, `class_weight` | none | weights spoil calibration |
    /// | `event` | none | `true` is the event of flags; text and numbers must be told |
    /// | `early_stopping` | none | it takes patients from learning |
    /// | `validation_share` | 0.1 | of patients, with early stopping |
    /// | `seed` | 0 | |
    pub fn params() -> GradientBoostingParams {
        GradientBoostingParams::default()
    }
}

impl<L: ClassLabel> GradientBoosting<L> {
    /// The model of these data, once they are checked.
    pub(super) fn of(wire: Wire<L>) -> Result<Self> {
        let wire = Held::new(wire)?;
        Ok(Self { wire })
    }

    /// Classes in the order of the columns of [`Classify::predict_proba`](crate::estimator::Classify::predict_proba).
    pub fn classes(&self) -> &[L] {
        &self.wire.classes
    }

    /// Number of trees: one an iteration, or one for every class with three or more.
    pub fn n_trees(&self) -> usize {
        self.wire.trees.len()
    }

    /// Number of iterations that the model holds: those up to the best one with early stopping.
    pub fn n_iterations(&self) -> usize {
        self.wire.trees.len() / self.wire.base.len()
    }

    /// Number of leaves of all trees.
    pub fn n_leaves(&self) -> usize {
        self.wire.trees.iter().map(Tree::n_leaves).sum()
    }

    /// Length of the longest way from a root to a leaf.
    pub fn depth(&self) -> usize {
        self.wire.trees.iter().map(Tree::depth).max().unwrap_or(0)
    }

    /// Mean log loss on the training rows after every iteration that was run, by their weights.
    pub fn train_loss(&self) -> &[f64] {
        &self.wire.train_loss
    }

    /// Mean log loss on the validation rows after every iteration that was run; empty without early
    /// stopping.
    pub fn validation_loss(&self) -> &[f64] {
        &self.wire.validation_loss
    }

    /// Whether early stopping ended the fit before all iterations were run.
    pub fn stopped_early(&self) -> bool {
        self.wire.stopped_early
    }

    /// Features that no cut could divide: the same for all training rows.
    pub fn constant_features(&self) -> &[String] {
        &self.wire.constant
    }

    /// The settings that the model was fitted with; `n_trees` counts all iterations asked for.
    pub fn settings(&self) -> &GradientBoostingValidParams {
        &self.wire.params
    }

    /// Number of raw scores of a row.
    pub(super) fn n_outputs(&self) -> usize {
        self.wire.base.len()
    }

    /// Position of the modelled class where there are two.
    pub(super) fn modelled(&self) -> Option<usize> {
        (self.wire.classes.len() == 2).then_some(self.wire.modelled as usize)
    }
}

impl<L: ClassLabel> Model for GradientBoosting<L> {
    fn header(&self) -> &ModelHeader {
        &self.wire.header
    }
}

impl<L: ClassLabel> Summary for GradientBoosting<L> {
    /// None: trees have no terms; see [`GradientBoosting::importance`].
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
        add("features", wire.binner.schema.len().to_string());
        add("iterations", self.n_iterations().to_string());
        add("trees", self.n_trees().to_string());
        add("leaves", self.n_leaves().to_string());
        add("depth", self.depth().to_string());
        add("learning rate", format!("{:.4}", params.learning_rate));
        add("largest number of leaves", params.max_leaves.to_string());
        add("smallest rows of a leaf", params.min_leaf_rows.to_string());
        let at_end = |losses: &[f64]| {
            let last = self.n_iterations().checked_sub(1)?;
            losses.get(last).map(|loss| format!("{loss:.6}"))
        };
        if let Some(loss) = at_end(&wire.train_loss) {
            add("training loss", loss);
        }
        if let Some(loss) = at_end(&wire.validation_loss) {
            add("validation loss", loss);
            add("validation rows", wire.validation_rows.to_string());
        }
        if params.early_stopping.is_some() {
            add("stopped early", wire.stopped_early.to_string());
        }
        facts
    }

    fn warnings(&self) -> Vec<String> {
        let wire = &self.wire;
        let weighted = wire.params.weighting().is_some();
        told::warnings(&wire.constant, told::no_cut(&wire.trees), weighted)
    }
}

impl<L: ClassLabel> approx::AbsDiffEq for GradientBoosting<L> {
    type Epsilon = f64;

    fn default_epsilon() -> f64 {
        f64::EPSILON
    }

    /// Same features, classes and shape of trees; thresholds and values within `epsilon`.
    fn abs_diff_eq(&self, other: &Self, epsilon: f64) -> bool {
        close(self, other, |a, b| f64::abs_diff_eq(&a, &b, epsilon))
    }
}

impl<L: ClassLabel> approx::RelativeEq for GradientBoosting<L> {
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
    a: &GradientBoosting<L>,
    b: &GradientBoosting<L>,
    same: impl Fn(f64, f64) -> bool,
) -> bool {
    let (a, b) = (&a.wire, &b.wire);
    a.classes == b.classes
        && a.modelled == b.modelled
        && same_names(&a.binner.schema, &b.binner.schema)
        && close_numbers(&a.base, &b.base, &same)
        && close_trees(&a.trees, &b.trees, &same)
}
