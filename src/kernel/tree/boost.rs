//! Boosting: trees added one after the other, each to the gradient of the loss so far (Friedman,
//! Ann. Stat. 29(5), 2001, doi 10.1214/aos/1013203451; second-order steps as Chen and Guestrin, KDD
//! 2016, doi 10.1145/2939672.2939785).

use serde::{Deserialize, Serialize};

use crate::design::binned::{BinnedDesign, Binner};
use crate::error::Result;
use crate::estimator::Control;
use crate::kernel::tree::flat::Tree;

/// What is boosted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Objective {
    /// Two classes, one raw score: the log-odds of class 1.
    Binary,
    /// A raw score for each of `n` classes; probabilities are their softmax.
    Classes(u32),
}

impl Objective {
    pub(crate) fn n_outputs(self) -> usize {
        match self {
            Self::Binary => 1,
            Self::Classes(n) => n as usize,
        }
    }
}

/// How nodes are chosen for cutting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// The leaf with the largest gain first.
    BestFirst,
    /// Level by level.
    DepthFirst,
}

/// Settings of boosting and of its trees, checked by the caller.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) n_trees: usize,
    pub(crate) learning_rate: f64,
    pub(crate) max_leaves: usize,
    pub(crate) max_depth: usize,
    pub(crate) min_leaf_rows: u64,
    /// Smallest sum of second derivatives of a leaf.
    pub(crate) min_leaf_weight: f64,
    pub(crate) min_gain: f64,
    pub(crate) l1: f64,
    pub(crate) l2: f64,
    pub(crate) order: Order,
    /// Share of rows and of features drawn for every tree.
    pub(crate) row_share: f64,
    pub(crate) feature_share: f64,
    /// -1, 0 or 1 a feature; empty for none.
    pub(crate) monotone: Vec<i8>,
    /// Features that may stand on one way from the root, group by group; empty for no limit.
    pub(crate) interactions: Vec<Vec<u32>>,
    /// Iterations without improvement on the validation rows before it ends; 0 for all.
    pub(crate) patience: usize,
    pub(crate) seed: u64,
}

/// Rows with their target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Labelled<'a> {
    pub(crate) design: &'a BinnedDesign,
    /// Class number of every row.
    pub(crate) classes: &'a [u32],
    /// Weight of every row; 0 is absence.
    pub(crate) weights: &'a [f64],
}

/// What boosting found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Boosted {
    /// Raw score of every output before the first tree.
    pub(crate) base: Vec<f64>,
    /// Trees by iteration, within it by output; values are already times the learning rate. With
    /// early stopping, those after the best iteration are left out.
    pub(crate) trees: Vec<Tree>,
    /// Mean loss after every iteration (all that were run), on training and on validation rows.
    pub(crate) train_loss: Vec<f64>,
    pub(crate) validation_loss: Vec<f64>,
    pub(crate) stopped_early: bool,
}

/// Boosts trees on `train`, or goes on from `start` (base and trees of an earlier run).
///
/// # Errors
/// [`crate::error::ErrorKind::Cancelled`] through `control`, which is asked once an iteration.
pub(crate) fn boost(
    _binner: &Binner,
    _objective: Objective,
    _train: Labelled<'_>,
    _validation: Option<Labelled<'_>>,
    _start: Option<(&[f64], &[Tree])>,
    _settings: &Settings,
    _control: &Control,
) -> Result<Boosted> {
    unimplemented!()
}
