//! Estimates from patients that a tree did not learn from.

use ndarray::{Array2, ArrayView2};

use super::fit::Growing;
use crate::kernel::tree::flat::Tree;
use crate::numeric::parallel::map_chunks;
use crate::numeric::stable::sum;

/// Least probability that a logarithm is taken of: a class that no tree expects costs much, not
/// everything.
const LEAST: f64 = 1e-15;

/// What the trees that did not learn from a patient say of them: an estimate of the error on new
/// patients, without a second sample. A row is out of bag for a tree only if no row of its patient was
/// drawn. Forests of few trees answer for fewer trees here, hence slightly worse, than they do later.
///
/// Made by [`RandomForestValidParams::fit_with_oob`](super::RandomForestValidParams::fit_with_oob); it
/// holds predictions of patients, so treat it as patient data.
#[derive(Clone, PartialEq)]
pub struct OutOfBag {
    proba: Array2<f64>,
    n_trees: Vec<u32>,
    rows: usize,
    log_loss: f64,
    brier: f64,
    error_rate: f64,
}

impl std::fmt::Debug for OutOfBag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Sums only: never what is said of one patient.
        f.debug_struct("OutOfBag")
            .field("rows", &self.rows)
            .field("log_loss", &self.log_loss)
            .field("brier", &self.brier)
            .field("error_rate", &self.error_rate)
            .finish_non_exhaustive()
    }
}

impl OutOfBag {
    /// Probabilities (training rows x classes), classes in the order of the model; NaN for rows that
    /// every tree learnt from, and for rows of weight zero.
    pub fn proba(&self) -> ArrayView2<'_, f64> {
        self.proba.view()
    }

    /// Number of trees behind each row of [`Self::proba`].
    pub fn n_trees(&self) -> &[u32] {
        &self.n_trees
    }

    /// Number of rows that some tree did not learn from.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Mean log loss by row weights, in nats; probabilities are taken as at least 1e-15. NaN without
    /// rows.
    pub fn log_loss(&self) -> f64 {
        self.log_loss
    }

    /// Brier score by row weights: the mean squared distance of the event's probability for two classes
    /// (0.25 is a guess of one half), half the sum over classes in general. NaN without rows.
    pub fn brier(&self) -> f64 {
        self.brier
    }

    /// Share of rows, by weight, whose most probable class is not theirs; of equal ones the first counts.
    /// NaN without rows.
    pub fn error_rate(&self) -> f64 {
        self.error_rate
    }
}

impl Growing<'_> {
    /// Answers for the rows in `used`, of `n_rows` in all, whose weights are `weights`.
    pub(super) fn out_of_bag(
        &self,
        grown: &[(Tree, Vec<[u64; 4]>)],
        n_rows: usize,
        used: &[u32],
        weights: &[f64],
    ) -> OutOfBag {
        let n_classes = self.n_classes;
        let unit_of = self.unit_of();
        let mut sums = vec![0.0; used.len() * n_classes];
        let mut counts = vec![0_u32; used.len()];
        // One tree after the other, so that sums do not depend on threads; rows side by side.
        for (at, (tree, by_bins)) in grown.iter().enumerate() {
            let drawn = self.drawn(at);
            let parts = map_chunks(used.len(), |range| {
                let rows = range.filter(|row| drawn[unit_of[*row] as usize] == 0);
                rows.map(|row| (row, self.columns.leaf(tree, by_bins, row)))
                    .collect::<Vec<_>>()
            });
            for (row, leaf) in parts.into_iter().flatten() {
                counts[row] += 1;
                let sums = &mut sums[row * n_classes..][..n_classes];
                for (sum, share) in sums.iter_mut().zip(tree.value(leaf)) {
                    *sum += share;
                }
            }
        }
        let mut proba = Array2::from_elem((n_rows, n_classes), f64::NAN);
        let mut n_trees = vec![0; n_rows];
        let (mut log, mut square, mut wrong, mut weight) = (vec![], vec![], vec![], vec![]);
        for (at, row) in used.iter().enumerate() {
            let (row, count) = (*row as usize, counts[at]);
            n_trees[row] = count;
            if count == 0 {
                continue;
            }
            let mut largest = 0;
            let mut distance = 0.0;
            let class = self.classes[at] as usize;
            for position in 0..n_classes {
                let p = sums[at * n_classes + position] / f64::from(count);
                proba[(row, position)] = p;
                let truth = f64::from(u8::from(position == class));
                distance += (p - truth) * (p - truth);
                if p > proba[(row, largest)] {
                    largest = position;
                }
            }
            let p = proba[(row, class)].max(LEAST);
            log.push(-weights[at] * libm::log(p));
            square.push(weights[at] * distance / 2.0);
            wrong.push(weights[at] * f64::from(u8::from(largest != class)));
            weight.push(weights[at]);
        }
        let rows = weight.len();
        let whole = sum(weight);
        OutOfBag {
            proba,
            n_trees,
            rows,
            log_loss: sum(log) / whole,
            brier: sum(square) / whole,
            error_rate: sum(wrong) / whole,
        }
    }
}
