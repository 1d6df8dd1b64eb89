//! Boosting: trees added one after the other, each to the gradient of the loss so far (Friedman,
//! Ann. Stat. 29(5), 2001, doi 10.1214/aos/1013203451; second-order steps as Chen and Guestrin, KDD
//! 2016, doi 10.1145/2939672.2939785).

use serde::{Deserialize, Serialize};

use crate::design::binned::{BinnedDesign, Binner, Bins};
use crate::design::bundle::Bundles;
use crate::error::Result;
use crate::estimator::Control;
use crate::kernel::loss::Loss;
use crate::kernel::tree::decide::Growth;
use crate::kernel::tree::flat::Tree;
use crate::kernel::tree::grow::{Grower, Grown};
use crate::kernel::tree::partition::{bins_of, leaf_of_bins};
use crate::kernel::tree::quantise::{Quantised, Scale};
use crate::numeric::parallel::{CHUNK_ROWS, map_each, within_pool};
use crate::numeric::seed::{mix, shuffle, stream};
use crate::numeric::simd::{NullaryFnOnce, dispatch};

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
    let base = match start {
        Some((base, _)) => base.to_vec(),
        None => base_scores(objective, train),
    };
    let before = start.map_or(&[][..], |(_, trees)| trees);
    let mut scores = Scores::new(binner, train, &base, before);
    let mut watched = validation.map(|rows| (rows, Scores::new(binner, rows, &base, before)));
    let growth = settings.growth();
    let n_bins: Vec<usize> = binner.bins.iter().map(Bins::len).collect();
    let bundles = Bundles::new(train.design, &n_bins);
    let mut grower = Grower::new(binner, &bundles, &growth);
    let used: Vec<u32> = (0..train.design.n_rows as u32)
        .filter(|row| train.weights[*row as usize] > 0.0)
        .collect();
    let weight = train.weights.iter().fold(0.0_f64, |m, w| m.max(*w));
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
    let (mut best, mut best_loss) = (0, f64::INFINITY);
    gradients.take(objective, train, &scores);
    for iteration in 0..settings.n_trees {
        control.step("tree", iteration, Some(settings.n_trees))?;
        // Counted from the first tree of all, so that going on draws what one run would have drawn.
        let turn = before.len() / n_outputs + iteration;
        let rows = drawn_rows(&used, settings, turn);
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
            if let Some((rows, scores)) = &mut watched {
                scores.add(&grown, rows.design, output, false);
            }
            boosted.trees.push(grown.tree);
        }
        boosted
            .train_loss
            .push(gradients.take(objective, train, &scores));
        if let Some((rows, scores)) = &watched {
            let loss = mean_loss(objective, *rows, scores);
            boosted.validation_loss.push(loss);
            if loss < best_loss {
                (best, best_loss) = (iteration + 1, loss);
            }
            if settings.patience > 0 && iteration + 1 - best >= settings.patience {
                boosted.stopped_early = true;
                break;
            }
        }
    }
    if watched.is_some() && settings.patience > 0 {
        boosted.trees.truncate(best * n_outputs);
    }
    Ok(boosted)
}

impl Settings {
    fn growth(&self) -> Growth {
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

impl Objective {
    /// Largest gradient and curvature of a row of this weight.
    fn scale(self, weight: f64, rows: usize) -> Scale {
        let factor = match self {
            Self::Binary => 1.0,
            Self::Classes(n) => class_factor(n as usize),
        };
        Scale::new(weight, weight * factor / 4.0, rows)
    }
}

/// Curvature of softmax scores counts by this much more, as their sum is free (Friedman 2001, eq. 24).
fn class_factor(n: usize) -> f64 {
    n as f64 / (n as f64 - 1.0)
}

/// Bits of a whole weight.
const WEIGHT_BITS: i32 = 32;

/// Weights as whole numbers and what one of them is worth; `None` where all are one.
fn covers(weights: &[f64], largest: f64) -> Option<(Vec<i64>, f64)> {
    if weights.iter().all(|weight| *weight == 1.0) {
        return None;
    }
    let unit = largest / 2_f64.powi(WEIGHT_BITS);
    let whole = weights
        .iter()
        .map(|weight| (weight / unit).round_ties_even() as i64)
        .collect();
    Some((whole, unit))
}

/// Log-odds of the classes; a class without weight counts as half a row.
fn base_scores(objective: Objective, train: Labelled<'_>) -> Vec<f64> {
    let n_classes = match objective {
        Objective::Binary => 2,
        Objective::Classes(n) => n as usize,
    };
    let largest = train.weights.iter().fold(0.0_f64, |m, w| m.max(*w));
    let unit = largest / 2_f64.powi(WEIGHT_BITS);
    let mut sums = vec![0_i64; n_classes];
    for (class, weight) in train.classes.iter().zip(train.weights) {
        sums[*class as usize] += (weight / unit).round_ties_even() as i64;
    }
    let log = |class: usize| libm::log((sums[class] as f64 * unit).max(largest / 2.0));
    match objective {
        Objective::Binary => vec![log(1) - log(0)],
        Objective::Classes(_) => {
            let mean = (0..n_classes).map(log).sum::<f64>() / n_classes as f64;
            (0..n_classes).map(|class| log(class) - mean).collect()
        }
    }
}

fn drawn_rows(used: &[u32], settings: &Settings, iteration: usize) -> Vec<u32> {
    if settings.row_share >= 1.0 {
        return used.to_vec();
    }
    let key = mix(mix(settings.seed) ^ iteration as u64);
    let limit = (settings.row_share * u32::MAX as f64) as u64;
    used.iter()
        .copied()
        .filter(|row| mix(key ^ u64::from(*row)) >> 32 <= limit)
        .collect()
}

fn drawn_features(n: usize, settings: &Settings, iteration: usize) -> Vec<bool> {
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
        let scores = &mut self.0[output];
        for (node, start, end) in &grown.leaves {
            let value = grown.tree.values[*node];
            for row in &grown.rows[*start..*end] {
                scores[*row as usize] += value;
            }
        }
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
            for (offset, score) in part.iter_mut().enumerate() {
                *score +=
                    tree.values[leaf_of_bins(tree, by_bins, design, index * CHUNK_ROWS + offset)];
            }
        });
    }
}

/// Gradients and curvatures, output by output.
#[derive(Debug)]
struct Gradients {
    gradients: Vec<Vec<f64>>,
    curvatures: Vec<Vec<f64>>,
}

impl Gradients {
    fn new(n_outputs: usize, n_rows: usize) -> Self {
        Self {
            gradients: vec![vec![0.0; n_rows]; n_outputs],
            curvatures: vec![vec![0.0; n_rows]; n_outputs],
        }
    }

    /// Takes gradients at the given scores; the mean loss there.
    fn take(&mut self, objective: Objective, rows: Labelled<'_>, scores: &Scores) -> f64 {
        let n = rows.design.n_rows;
        let mut losses = vec![0.0; n.div_ceil(CHUNK_ROWS)];
        match objective {
            Objective::Binary => {
                let parts = self.gradients[0].chunks_mut(CHUNK_ROWS);
                let mut parts: Vec<_> = parts
                    .zip(self.curvatures[0].chunks_mut(CHUNK_ROWS))
                    .zip(&mut losses)
                    .collect();
                map_each(
                    &mut parts,
                    true,
                    |index, ((gradients, curvatures), loss)| {
                        let range = index * CHUNK_ROWS..index * CHUNK_ROWS + gradients.len();
                        gradients.copy_from_slice(&scores.0[0][range.clone()]);
                        let target: Vec<f64> = rows.classes[range.clone()]
                            .iter()
                            .map(|class| f64::from(*class))
                            .collect();
                        **loss = dispatch(Evaluate {
                            eta: gradients,
                            target: &target,
                            weights: &rows.weights[range],
                            curvature: curvatures,
                        });
                    },
                );
            }
            Objective::Classes(_) => {
                let n_outputs = scores.0.len();
                let factor = class_factor(n_outputs);
                type Slices<'a> = Vec<&'a mut [f64]>;
                let mut parts: Vec<(Slices<'_>, Slices<'_>, &mut f64)> = losses
                    .iter_mut()
                    .map(|loss| (Vec::new(), Vec::new(), loss))
                    .collect();
                for output in &mut self.gradients {
                    for (part, slice) in parts.iter_mut().zip(output.chunks_mut(CHUNK_ROWS)) {
                        part.0.push(slice);
                    }
                }
                for output in &mut self.curvatures {
                    for (part, slice) in parts.iter_mut().zip(output.chunks_mut(CHUNK_ROWS)) {
                        part.1.push(slice);
                    }
                }
                map_each(&mut parts, true, |index, (gradients, curvatures, loss)| {
                    let mut risks = vec![0.0; n_outputs];
                    let start = index * CHUNK_ROWS;
                    for offset in 0..gradients[0].len() {
                        let row = start + offset;
                        let (weight, class) = (rows.weights[row], rows.classes[row] as usize);
                        **loss += weight * softmax(&scores.0, row, class, &mut risks);
                        for (output, p) in risks.iter().enumerate() {
                            let event = f64::from(u8::from(output == class));
                            gradients[output][offset] = weight * (p - event);
                            curvatures[output][offset] = weight * factor * p * (1.0 - p);
                        }
                    }
                });
            }
        }
        losses.iter().sum::<f64>() / rows.weights.iter().sum::<f64>()
    }
}

/// Writes the probabilities of a row; the negative log-likelihood of its class.
fn softmax(scores: &[Vec<f64>], row: usize, class: usize, risks: &mut [f64]) -> f64 {
    let largest = scores
        .iter()
        .fold(f64::NEG_INFINITY, |m, output| m.max(output[row]));
    let mut total = 0.0;
    for (risk, output) in risks.iter_mut().zip(scores) {
        *risk = libm::exp(output[row] - largest);
        total += *risk;
    }
    for risk in risks.iter_mut() {
        *risk /= total;
    }
    libm::log(total) - (scores[class][row] - largest)
}

fn mean_loss(objective: Objective, rows: Labelled<'_>, scores: &Scores) -> f64 {
    let mut gradients = Gradients::new(objective.n_outputs(), rows.design.n_rows);
    gradients.take(objective, rows, scores)
}

struct Evaluate<'a> {
    eta: &'a mut [f64],
    target: &'a [f64],
    weights: &'a [f64],
    curvature: &'a mut [f64],
}

impl NullaryFnOnce for Evaluate<'_> {
    type Output = f64;

    #[inline(always)]
    fn call(self) -> f64 {
        Loss::Logistic.evaluate(self.eta, self.target, self.weights, self.curvature)
    }
}
