//! Boosting: trees added one after the other, each to the gradient of the loss so far (Friedman,
//! Ann. Stat. 29(5), 2001, doi 10.1214/aos/1013203451; second-order steps as Chen and Guestrin, KDD
//! 2016, doi 10.1145/2939672.2939785).

use serde::{Deserialize, Serialize};

use crate::design::binned::{BinnedDesign, Binner, Bins};
use crate::design::bundle::Bundles;
use crate::error::Result;
use crate::estimator::Control;
use crate::kernel::tree::decide::Growth;
use crate::kernel::tree::flat::Tree;
use crate::kernel::tree::gradient::{
    Gradients, LossScale, Objective, class_sums, weight_unit, whole_weight,
};
use crate::kernel::tree::grow::{Grower, Grown};
use crate::kernel::tree::partition::{bins_of, leaves_of};
use crate::kernel::tree::quantise::Quantised;
use crate::numeric::parallel::{CHUNK_ROWS, map_each, within_pool};
use crate::numeric::seed::{mix, shuffle, stream};

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
    /// What every row is drawn by; its place where there is none.
    pub(crate) draws: Option<&'a [u64]>,
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
    binner: &Binner,
    objective: Objective,
    train: Labelled<'_>,
    validation: Option<Labelled<'_>>,
    start: Option<(&[f64], &[Tree])>,
    settings: &Settings,
    control: &Control,
) -> Result<Boosted> {
    within_pool(|| {
        run(
            binner, objective, train, validation, start, settings, control,
        )
    })
}

fn run(
    binner: &Binner,
    objective: Objective,
    train: Labelled<'_>,
    validation: Option<Labelled<'_>>,
    start: Option<(&[f64], &[Tree])>,
    settings: &Settings,
    control: &Control,
) -> Result<Boosted> {
    let n_outputs = objective.n_outputs();
    let weight = train.largest_weight();
    let sums = train.class_sums(objective);
    let base = match start {
        Some((base, _)) => base.to_vec(),
        None => objective.base_scores(&sums, weight),
    };
    let losses = LossScale::new(&sums, weight);
    let before = start.map_or(&[][..], |(_, trees)| trees);
    let mut scores = Scores::new(binner, train, &base, before);
    let mut watched = validation.map(|rows| {
        let losses = LossScale::new(&rows.class_sums(objective), rows.largest_weight());
        (rows, Scores::new(binner, rows, &base, before), losses)
    });
    let growth = settings.growth();
    let n_bins: Vec<usize> = binner.bins.iter().map(Bins::len).collect();
    let bundles = Bundles::new(train.design, &n_bins);
    let mut grower = Grower::new(binner, &bundles, &growth);
    let used: Vec<u32> = (0..train.design.n_rows as u32)
        .filter(|row| train.weights[*row as usize] > 0.0)
        .collect();
    let covers = covers(train.weights, weight);
    let scale = objective.scale(weight, used.len());
    let mut gradients = Gradients::new(n_outputs, train.design.n_rows);
    let mut quantised = Quantised::default();
    let mut boosted = Boosted {
        base,
        trees: Vec::new(),
        train_loss: Vec::new(),
        validation_loss: Vec::new(),
        stopped_early: false,
    };
    let mut watch = Watch::new(settings.patience);
    let (classes, weights) = (train.classes, train.weights);
    gradients.take(objective, classes, weights, &scores.0, &losses);
    for iteration in 0..settings.n_trees {
        control.step("tree", iteration, Some(settings.n_trees))?;
        // Counted from the first tree of all, so that going on draws what one run would have drawn.
        let turn = before.len() / n_outputs + iteration;
        let rows = drawn_rows(&used, train.draws, settings, turn);
        let allowed = drawn_features(binner.bins.len(), settings, turn);
        for output in 0..n_outputs {
            quantised.set(
                scale,
                &gradients.gradients[output],
                &gradients.curvatures[output],
            );
            let weights = covers.as_ref().map(|(whole, unit)| (&whole[..], *unit));
            let grown = grower.grow(
                &quantised,
                weights,
                rows.clone(),
                &allowed,
                settings.learning_rate,
            );
            scores.add(
                &grown,
                train.design,
                output,
                rows.len() == train.design.n_rows,
            );
            if let Some((rows, scores, _)) = &mut watched {
                scores.add(&grown, rows.design, output, false);
            }
            boosted.trees.push(grown.tree);
        }
        let sum = gradients.take(objective, classes, weights, &scores.0, &losses);
        let validation = watched
            .as_ref()
            .map(|(rows, scores, losses)| mean_loss(objective, *rows, scores, losses));
        if watch.ends(&mut boosted, losses.mean(sum), validation) {
            break;
        }
    }
    watch.finish(&mut boosted);
    Ok(boosted)
}

impl Labelled<'_> {
    fn largest_weight(&self) -> f64 {
        self.weights.iter().fold(0.0_f64, |m, w| m.max(*w))
    }

    fn class_sums(&self, objective: Objective) -> Vec<i64> {
        let (classes, weights) = (self.classes, self.weights);
        class_sums(
            classes,
            weights,
            self.largest_weight(),
            objective.n_classes(),
        )
    }
}

/// Looks after the losses: when boosting ends, and what it keeps.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    patience: usize,
    best: usize,
    best_loss: f64,
}

impl Watch {
    pub(crate) fn new(patience: usize) -> Self {
        Self {
            patience,
            best: 0,
            best_loss: f64::INFINITY,
        }
    }

    /// Notes the mean losses after an iteration; whether it was the last one.
    pub(crate) fn ends(
        &mut self,
        boosted: &mut Boosted,
        train: f64,
        validation: Option<f64>,
    ) -> bool {
        boosted.train_loss.push(train);
        let Some(loss) = validation else { return false };
        boosted.validation_loss.push(loss);
        let iteration = boosted.train_loss.len();
        if loss < self.best_loss {
            (self.best, self.best_loss) = (iteration, loss);
        }
        boosted.stopped_early = self.patience > 0 && iteration - self.best >= self.patience;
        boosted.stopped_early
    }

    /// Leaves out the trees after the best iteration, where one was looked for.
    pub(crate) fn finish(&self, boosted: &mut Boosted) {
        if self.patience > 0 && !boosted.validation_loss.is_empty() {
            boosted.trees.truncate(self.best * boosted.base.len());
        }
    }
}

fn mean_loss(objective: Objective, rows: Labelled<'_>, scores: &Scores, losses: &LossScale) -> f64 {
    let mut gradients = Gradients::new(objective.n_outputs(), rows.design.n_rows);
    let sum = gradients.take(objective, rows.classes, rows.weights, &scores.0, losses);
    losses.mean(sum)
}

impl Settings {
    pub(crate) fn growth(&self) -> Growth {
        Growth {
            max_leaves: self.max_leaves,
            max_depth: self.max_depth,
            min_leaf_rows: self.min_leaf_rows,
            min_leaf_weight: self.min_leaf_weight,
            min_gain: self.min_gain,
            l1: self.l1,
            l2: self.l2,
            level_by_level: self.order == Order::DepthFirst,
            monotone: self.monotone.clone(),
            interactions: self.interactions.clone(),
        }
    }
}

/// Weights as whole numbers and what one of them is worth; `None` where all are one.
fn covers(weights: &[f64], largest: f64) -> Option<(Vec<i64>, f64)> {
    if weights.iter().all(|weight| *weight == 1.0) {
        return None;
    }
    let unit = weight_unit(largest);
    let whole = weights
        .iter()
        .map(|weight| whole_weight(*weight, unit))
        .collect();
    Some((whole, unit))
}

fn drawn_rows(
    used: &[u32],
    draws: Option<&[u64]>,
    settings: &Settings,
    iteration: usize,
) -> Vec<u32> {
    let Some(draw) = Draw::new(settings, iteration) else {
        return used.to_vec();
    };
    let number = |row: u32| draws.map_or(u64::from(row), |draws| draws[row as usize]);
    used.iter()
        .copied()
        .filter(|row| draw.takes(number(*row)))
        .collect()
}

/// Which rows a tree grows on, by the number of their patient, or their own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw {
    key: u64,
    limit: u64,
}

impl Draw {
    /// `None` where all rows are taken.
    pub(crate) fn new(settings: &Settings, iteration: usize) -> Option<Self> {
        (settings.row_share < 1.0).then(|| Self {
            key: mix(mix(settings.seed) ^ iteration as u64),
            limit: (settings.row_share * u32::MAX as f64) as u64,
        })
    }

    pub(crate) fn takes(&self, number: u64) -> bool {
        mix(self.key ^ number) >> 32 <= self.limit
    }
}

pub(crate) fn drawn_features(n: usize, settings: &Settings, iteration: usize) -> Vec<bool> {
    if settings.feature_share >= 1.0 {
        return vec![true; n];
    }
    let mut stream = stream(settings.seed ^ 0x6665_6174, iteration as u64);
    let mut order: Vec<usize> = (0..n).collect();
    shuffle(&mut order, &mut stream);
    let wanted = ((n as f64 * settings.feature_share).round() as usize).clamp(1, n);
    let mut allowed = vec![false; n];
    for feature in &order[..wanted] {
        allowed[*feature] = true;
    }
    allowed
}

/// Rows whose scores are added to together: a second-level cache holds them.
const SCORE_ROWS: usize = 16_384;

/// Raw scores of rows, output by output.
#[derive(Debug)]
struct Scores(Vec<Vec<f64>>);

impl Scores {
    fn new(binner: &Binner, rows: Labelled<'_>, base: &[f64], trees: &[Tree]) -> Self {
        let n = rows.design.n_rows;
        let mut scores = Self(base.iter().map(|base| vec![*base; n]).collect());
        for (place, tree) in trees.iter().enumerate() {
            let output = place % base.len().max(1);
            let by_bins = bins_of(tree, binner);
            scores.add_tree(tree, &by_bins, rows.design, output);
        }
        scores
    }

    /// Adds a tree; rows that it grew on are where it left them, unless some were not drawn.
    fn add(&mut self, grown: &Grown, design: &BinnedDesign, output: usize, all_drawn: bool) {
        if !all_drawn {
            self.add_tree(&grown.tree, &grown.by_bins, design, output);
            return;
        }
        let mut parts: Vec<&mut [f64]> = self.0[output].chunks_mut(SCORE_ROWS).collect();
        map_each(&mut parts, true, |index, part| {
            let first = (index * SCORE_ROWS) as u32;
            let after = first + part.len() as u32;
            for (node, start, end) in &grown.segments {
                let value = grown.tree.values[*node];
                let rows = &grown.rows[*start..*end];
                let from = rows.partition_point(|row| *row < first);
                let to = rows.partition_point(|row| *row < after);
                for row in &rows[from..to] {
                    part[(row - first) as usize] += value;
                }
            }
        });
    }

    fn add_tree(
        &mut self,
        tree: &Tree,
        by_bins: &[[u64; 4]],
        design: &BinnedDesign,
        output: usize,
    ) {
        let mut parts: Vec<&mut [f64]> = self.0[output].chunks_mut(CHUNK_ROWS).collect();
        map_each(&mut parts, true, |index, part| {
            let start = index * CHUNK_ROWS;
            let leaves = leaves_of(tree, by_bins, design, start..start + part.len());
            for (score, leaf) in part.iter_mut().zip(leaves) {
                *score += tree.values[leaf as usize];
            }
        });
    }
}
