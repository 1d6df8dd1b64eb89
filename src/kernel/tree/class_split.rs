//! The best cut of a node by how far it parts the classes.
//!
//! With whole weights `n` of a node, `l` and `r` of its sides, and `n_k`, `l_k` of class `k`, let
//! `D_k = n l_k - l n_k`. A cut lowers the weighted Gini impurity by `sum_k D_k^2 / (n l r)` exactly: it is
//! 0 only where both sides have the shares of the node, and then the cut is not made. No difference of
//! near numbers is taken, hence noise of rounding never looks like a gain.
//!
//! Gains that agree to [`CLOSE`] are compared as fractions of whole numbers where these fit 128 bits (a
//! node of less than four million units of weight), else they count as equal, and the first stays: the
//! lowest feature, missing values on the right, the lowest bin.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::kernel::tree::flat::LevelSet;
use crate::kernel::tree::split::Place;

/// Up to this weight `D_k` is exact as `f64`.
pub(super) const EXACT_FLOAT: i64 = 1 << 26;

/// Below this weight gains are fractions of 128 bits: `D_k^2` together are at most `n^4 / 4`, `l r` at
/// most `n^2 / 4`.
const EXACT_FRACTION: i64 = 1 << 22;

/// Gains nearer to each other than this part of them are looked at more closely.
pub(super) const CLOSE: f64 = 1e-12;

/// What a cut is to lower: how mixed the classes of a node are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Impurity {
    /// `sum of p (1 - p)` over the classes: the chance that two patients drawn from the node are of
    /// different classes, and the mean squared error (Brier) of the shares themselves.
    Gini,
    /// `- sum of p log2 p` over the classes, in bits: pays more for small classes.
    Entropy,
}

/// Weight of a node times its impurity.
pub(crate) fn impurity_of(impurity: Impurity, totals: &[i64]) -> f64 {
    let weight: i64 = totals.iter().sum();
    if weight == 0 {
        return 0.0;
    }
    let all = weight as f64;
    let parts = totals.iter().map(|part| *part as f64);
    let mixed = match impurity {
        Impurity::Gini => all - parts.map(|part| part * part).sum::<f64>() / all,
        Impurity::Entropy => -parts
            .filter(|part| *part > 0.0)
            .map(|part| part * libm::log2(part / all))
            .sum::<f64>(),
    };
    mixed.max(0.0)
}

/// A cut of a node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ClassCut {
    pub(crate) feature: u32,
    pub(crate) place: Place,
    /// Levels that the node did not show: they go where missing values go.
    pub(crate) absent: LevelSet,
    /// Decrease of impurity times weight, in units of weight.
    pub(crate) gain: f64,
    /// Where missing values go; `None` if the node has none.
    pub(crate) missing_left: Option<bool>,
    /// Weights of the left and the right side, as they were judged.
    pub(crate) sides: [i64; 2],
    pub(super) score: Score,
}

impl ClassCut {
    /// Weight of the lighter side.
    pub(crate) fn lighter(&self) -> i64 {
        self.sides[0].min(self.sides[1])
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Score {
    /// The gain is `top / bottom`, up to a factor of the node.
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) exact: Option<(u128, u128)>,
}

/// What bounds the cuts of a node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bounds {
    /// Least weight of a side, in units.
    pub(crate) min_weight: i64,
    /// Least rows of a side; below 2 they are not asked for.
    pub(crate) min_rows: u64,
    /// In units of weight; a cut must gain more.
    pub(crate) min_gain: f64,
    /// Whether a feature is judged by the rows that have it, missing values being on neither side.
    pub(crate) known_only: bool,
}

/// A node, and what bounds its cuts.
#[derive(Debug, Clone)]
pub(crate) struct Node<'a> {
    pub(super) impurity: Impurity,
    pub(super) totals: &'a [i64],
    pub(super) weight: i64,
    pub(super) rows: u64,
    pub(super) bounds: Bounds,
    /// Entropy times weight.
    entropy: f64,
    /// What rounding may add to a gain.
    slack: f64,
}

/// The left side of a cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side<'s> {
    pub(super) totals: &'s [i64],
    pub(super) weight: i64,
    pub(super) rows: u64,
}

fn x_log_x(weight: i64) -> f64 {
    if weight == 0 {
        return 0.0;
    }
    let weight = weight as f64;
    weight * libm::log2(weight)
}

fn entropy(totals: &[i64], weight: i64) -> f64 {
    x_log_x(weight) - totals.iter().map(|part| x_log_x(*part)).sum::<f64>()
}

impl<'a> Node<'a> {
    pub(crate) fn new(impurity: Impurity, totals: &'a [i64], rows: u64, bounds: Bounds) -> Self {
        let weight = totals.iter().sum();
        let (mut of_node, mut slack) = (0.0, 0.0);
        if impurity == Impurity::Entropy {
            of_node = entropy(totals, weight);
            let n = totals.len() as f64 + 3.0;
            slack = 4.0 * n * f64::EPSILON * x_log_x(weight.max(3));
        }
        Self {
            impurity,
            totals,
            weight,
            rows,
            bounds,
            entropy: of_node,
            slack,
        }
    }

    /// The node without its missing values, whose sums `totals` does not hold.
    pub(super) fn known<'k>(&self, totals: &'k [i64], missing_rows: u64) -> Node<'k> {
        let rows = self.rows.saturating_sub(missing_rows);
        Node::new(self.impurity, totals, rows, self.bounds)
    }

    fn parted(&self, side: Side<'_>) -> impl Iterator<Item = i128> {
        let (n, weight) = (i128::from(self.weight), i128::from(side.weight));
        let pairs = side.totals.iter().zip(self.totals);
        pairs.map(move |(left, all)| n * i128::from(*left) - weight * i128::from(*all))
    }

    /// Top and bottom of the gain of a cut; `None` where it is not allowed, or useless.
    #[inline(always)]
    pub(super) fn score(&self, side: Side<'_>) -> Option<(f64, f64)> {
        let right = self.weight - side.weight;
        let Bounds {
            min_weight,
            min_rows,
            known_only,
            ..
        } = self.bounds;
        if side.weight < min_weight.max(1) || right < min_weight.max(1) {
            return None;
        }
        if min_rows > 1 && (side.rows < min_rows || self.rows - side.rows < min_rows) {
            return None;
        }
        let mut top = 0.0;
        if self.weight <= EXACT_FLOAT {
            let (n, weight) = (self.weight as f64, side.weight as f64);
            if let ([left, _], [all, _]) = (side.totals, self.totals) {
                // Of two classes, one parts as the other does.
                let parted = n * *left as f64 - weight * *all as f64;
                top = 2.0 * parted * parted;
            } else {
                for (left, all) in side.totals.iter().zip(self.totals) {
                    let parted = n * *left as f64 - weight * *all as f64;
                    top += parted * parted;
                }
            }
        } else {
            for parted in self.parted(side) {
                let parted = parted as f64;
                top += parted * parted;
            }
        }
        if top == 0.0 {
            return None;
        }
        if self.impurity == Impurity::Gini {
            let bottom = side.weight as f64 * right as f64;
            // Features that are known of different rows are not parts of one node.
            let of_node = if known_only { self.weight as f64 } else { 1.0 };
            return Some((top, bottom * of_node));
        }
        let left = entropy(side.totals, side.weight);
        let rest = side.totals.iter().zip(self.totals);
        let rest: f64 = rest.map(|(left, all)| x_log_x(all - left)).sum();
        let gain = self.entropy - left - (x_log_x(right) - rest);
        (gain > self.slack).then_some((gain, 1.0))
    }

    /// The gain as a fraction of whole numbers.
    pub(super) fn exact(&self, side: Side<'_>) -> Option<(u128, u128)> {
        let apart = self.impurity != Impurity::Gini || self.bounds.known_only;
        if apart || self.weight >= EXACT_FRACTION {
            return None;
        }
        let top = self.parted(side).map(|parted| parted.unsigned_abs().pow(2));
        let bottom = i128::from(side.weight) * i128::from(self.weight - side.weight);
        Some((top.sum(), bottom.unsigned_abs()))
    }

    /// Whether a gain is larger than the best one so far.
    #[inline(always)]
    pub(super) fn beats(
        &self,
        (top, bottom): (f64, f64),
        exact: impl FnOnce() -> Option<(u128, u128)>,
        best: Option<&Score>,
    ) -> bool {
        let Some(best) = best else { return true };
        let (new, old) = (top * best.bottom, best.top * bottom);
        let near = CLOSE * old + self.slack;
        if new > old + near {
            return true;
        }
        if new < old - near {
            return false;
        }
        match (exact(), best.exact) {
            (Some((top, bottom)), Some((best_top, best_bottom))) => {
                top * best_bottom > best_top * bottom
            }
            _ => false,
        }
    }

    /// Of two cuts the second where it gains more.
    pub(crate) fn better(
        &self,
        first: Option<ClassCut>,
        second: Option<ClassCut>,
    ) -> Option<ClassCut> {
        let (Some(a), Some(b)) = (&first, &second) else {
            return first.or(second);
        };
        let (top, bottom) = (b.score.top, b.score.bottom);
        if self.beats((top, bottom), || b.score.exact, Some(&a.score)) {
            second
        } else {
            first
        }
    }

    pub(super) fn gain(&self, score: &Score) -> f64 {
        match self.impurity {
            Impurity::Gini if self.bounds.known_only => score.top / score.bottom,
            Impurity::Gini => score.top / score.bottom / self.weight as f64,
            Impurity::Entropy => score.top,
        }
    }

    /// The gain of a left side of these totals, as [`ClassCut::gain`] has it; `None` where it is not
    /// allowed, or parts nothing. Rows are not looked at.
    pub(crate) fn gain_of(&self, left: &[i64]) -> Option<f64> {
        let (top, bottom) = self.score(Side {
            totals: left,
            weight: left.iter().sum(),
            rows: self.rows / 2,
        })?;
        Some(self.gain(&Score {
            top,
            bottom,
            exact: None,
        }))
    }

    /// Whether a cut gains more than the least gain asked for.
    pub(crate) fn pays(&self, cut: &ClassCut) -> bool {
        cut.gain.partial_cmp(&self.bounds.min_gain) == Some(Ordering::Greater)
    }
}
