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

use crate::design::binned::MISSING;
use crate::kernel::tree::class_histogram::{Counts, bits};
use crate::kernel::tree::flat::LevelSet;
use crate::kernel::tree::partition::set_bit;
use crate::kernel::tree::split::Place;
use crate::numeric::seed::{Stream, below, uniform};

/// Up to this weight `D_k` is exact as `f64`.
const EXACT_FLOAT: i64 = 1 << 26;

/// Below this weight gains are fractions of 128 bits: `D_k^2` together are at most `n^4 / 4`, `l r` at
/// most `n^2 / 4`.
const EXACT_FRACTION: i64 = 1 << 22;

/// Gains nearer to each other than this part of them are looked at more closely.
const CLOSE: f64 = 1e-12;

/// What the impurity of a node is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Criterion {
    /// Gini: the chance that two patients drawn from the node are of different classes.
    Gini,
    /// Entropy, in nats: pays more for small classes.
    Entropy,
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
    /// Weight of the lighter side.
    pub(crate) lighter: i64,
    score: Score,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Score {
    /// The gain is `top / bottom`, up to a factor of the node.
    top: f64,
    bottom: f64,
    exact: Option<(u128, u128)>,
}

/// A node, and what bounds its cuts.
#[derive(Debug, Clone)]
pub(crate) struct Node<'a> {
    criterion: Criterion,
    totals: &'a [i64],
    weight: i64,
    rows: u64,
    min_weight: i64,
    /// Least rows of a side; below 2 they are not asked for.
    min_rows: u64,
    min_gain: f64,
    /// Entropy times weight.
    entropy: f64,
    /// What rounding may add to a gain.
    slack: f64,
}

/// The left side of a cut.
#[derive(Debug, Clone, Copy)]
struct Side<'s> {
    totals: &'s [i64],
    weight: i64,
    rows: u64,
}

/// How a feature stands in a node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a> {
    pub(crate) feature: u32,
    pub(crate) counts: &'a Counts,
    /// Bins of present values.
    pub(crate) n_bins: usize,
    pub(crate) levels: bool,
}

/// What a search found: the bin after which it is cut.
struct Found {
    bin: u8,
    score: Score,
    lighter: i64,
}

fn x_log_x(weight: i64) -> f64 {
    if weight == 0 {
        return 0.0;
    }
    let weight = weight as f64;
    weight * libm::log(weight)
}

fn entropy(totals: &[i64], weight: i64) -> f64 {
    x_log_x(weight) - totals.iter().map(|part| x_log_x(*part)).sum::<f64>()
}

impl<'a> Node<'a> {
    /// `min_weight` and `min_gain` are in units of weight.
    pub(crate) fn new(
        criterion: Criterion,
        totals: &'a [i64],
        rows: u64,
        min_weight: i64,
        min_rows: u64,
        min_gain: f64,
    ) -> Self {
        let weight = totals.iter().sum();
        let (mut of_node, mut slack) = (0.0, 0.0);
        if criterion == Criterion::Entropy {
            of_node = entropy(totals, weight);
            let n = totals.len() as f64 + 3.0;
            slack = 4.0 * n * f64::EPSILON * x_log_x(weight.max(3));
        }
        Self {
            criterion,
            totals,
            weight,
            rows,
            min_weight,
            min_rows,
            min_gain,
            entropy: of_node,
            slack,
        }
    }

    fn parted(&self, side: Side<'_>) -> impl Iterator<Item = i128> {
        let (n, weight) = (i128::from(self.weight), i128::from(side.weight));
        let pairs = side.totals.iter().zip(self.totals);
        pairs.map(move |(left, all)| n * i128::from(*left) - weight * i128::from(*all))
    }

    /// Top and bottom of the gain of a cut; `None` where it is not allowed, or useless.
    #[inline(always)]
    fn score(&self, side: Side<'_>) -> Option<(f64, f64)> {
        let right = self.weight - side.weight;
        if side.weight < self.min_weight.max(1) || right < self.min_weight.max(1) {
            return None;
        }
        if self.min_rows > 1 && (side.rows < self.min_rows || self.rows - side.rows < self.min_rows)
        {
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
        if self.criterion == Criterion::Gini {
            return Some((top, side.weight as f64 * right as f64));
        }
        let left = entropy(side.totals, side.weight);
        let rest = side.totals.iter().zip(self.totals);
        let rest: f64 = rest.map(|(left, all)| x_log_x(all - left)).sum();
        let gain = self.entropy - left - (x_log_x(right) - rest);
        (gain > self.slack).then_some((gain, 1.0))
    }

    /// The gain as a fraction of whole numbers.
    fn exact(&self, side: Side<'_>) -> Option<(u128, u128)> {
        if self.criterion != Criterion::Gini || self.weight >= EXACT_FRACTION {
            return None;
        }
        let top = self.parted(side).map(|parted| parted.unsigned_abs().pow(2));
        let bottom = i128::from(side.weight) * i128::from(self.weight - side.weight);
        Some((top.sum(), bottom.unsigned_abs()))
    }

    /// Whether a gain is larger than the best one so far.
    #[inline(always)]
    fn beats(
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

    fn gain(&self, score: &Score) -> f64 {
        match self.criterion {
            Criterion::Gini => score.top / score.bottom / self.weight as f64,
            Criterion::Entropy => score.top,
        }
    }

    /// The best cut after one of the bins in this order, where it beats `best`; the bin in `start` goes
    /// left before.
    #[inline]
    fn along(
        &self,
        counts: &Counts,
        order: impl Iterator<Item = u8>,
        start: Option<u8>,
        best: Option<&Score>,
        left: &mut [i64],
    ) -> Option<Found> {
        let n_classes = self.totals.len();
        left.fill(0);
        let (mut weight, mut rows) = (0, 0);
        let mut score = best.copied();
        let mut found = None;
        let mut started = start;
        let mut order = order;
        loop {
            let opening = started.take();
            let Some(bin) = opening.or_else(|| order.next()) else {
                break;
            };
            let mut here = 0;
            for (left, part) in left.iter_mut().zip(counts.bin(bin, n_classes)) {
                *left += part;
                here += part;
            }
            if here == 0 {
                continue;
            }
            weight += here;
            if self.min_rows > 1 {
                rows += u64::from(counts.rows[bin as usize]);
            }
            if opening.is_some() {
                continue;
            }
            if weight == self.weight {
                break;
            }
            let side = Side {
                totals: left,
                weight,
                rows,
            };
            let Some(new) = self.score(side) else {
                continue;
            };
            if self.beats(new, || self.exact(side), score.as_ref()) {
                let new = Score {
                    top: new.0,
                    bottom: new.1,
                    exact: self.exact(side),
                };
                score = Some(new);
                found = Some(Found {
                    bin,
                    score: new,
                    lighter: weight.min(self.weight - weight),
                });
            }
        }
        found
    }

    /// The best cut of a feature where it beats `best`, else that.
    pub(crate) fn best_cut(
        &self,
        shown: Shown<'_>,
        best: Option<ClassCut>,
        left: &mut [i64],
    ) -> Option<ClassCut> {
        let found = if shown.levels {
            self.by_levels(shown, best.as_ref().map(|cut| &cut.score), left)
        } else {
            self.by_number(shown, best.as_ref().map(|cut| &cut.score), left)
        };
        found.or(best)
    }

    fn cut(&self, shown: Shown<'_>, place: Place, missing: Option<bool>, of: &Found) -> ClassCut {
        ClassCut {
            feature: shown.feature,
            place,
            absent: [0; 4],
            gain: self.gain(&of.score),
            missing_left: missing,
            lighter: of.lighter,
            score: of.score,
        }
    }

    fn weight_of(&self, counts: &Counts, bin: u8) -> i64 {
        counts.bin(bin, self.totals.len()).iter().sum()
    }

    fn by_number(
        &self,
        shown: Shown<'_>,
        best: Option<&Score>,
        left: &mut [i64],
    ) -> Option<ClassCut> {
        let counts = shown.counts;
        let missing = self.weight_of(counts, MISSING);
        let mut present = counts.filled;
        set_bit(&mut present, MISSING, false);
        let right = self.along(counts, bits(&present), None, best, left);
        let right = right.map(|found| {
            // All present values on one side: what is cut is whether there is a value.
            let last = bits(&present)
                .filter(|bin| self.weight_of(counts, *bin) > 0)
                .last();
            let place = if last == Some(found.bin) {
                Place::Number(shown.n_bins.saturating_sub(1) as u8)
            } else {
                Place::Number(found.bin)
            };
            self.cut(shown, place, (missing > 0).then_some(false), &found)
        });
        if missing == 0 {
            return right;
        }
        let best = right.as_ref().map(|cut| &cut.score).or(best);
        let found = self.along(counts, bits(&present), Some(MISSING), best, left);
        let found = found.map(|found| {
            let place = Place::Number(found.bin);
            self.cut(shown, place, Some(true), &found)
        });
        found.or(right)
    }

    /// Bins of the node, that of missing values among them, and the levels that it does not show.
    fn shown_levels(&self, shown: Shown<'_>) -> (Vec<u8>, LevelSet) {
        let filled = bits(&shown.counts.filled);
        let order: Vec<u8> = filled
            .filter(|bin| self.weight_of(shown.counts, *bin) > 0)
            .collect();
        let mut absent = [0; 4];
        for bin in 0..shown.n_bins.min(usize::from(MISSING)) {
            set_bit(&mut absent, bin as u8, true);
        }
        for bin in &order {
            set_bit(&mut absent, *bin, false);
        }
        (order, absent)
    }

    /// Levels in the order of the share of a class, cut like a number: of two classes no other way to
    /// part the levels gains more (Fisher, J. Am. Stat. Assoc. 53, 1958,
    /// doi 10.1080/01621459.1958.10501479); of more the best order of any class against the others is
    /// taken. Missing values are one level more.
    fn by_levels(
        &self,
        shown: Shown<'_>,
        best: Option<&Score>,
        left: &mut [i64],
    ) -> Option<ClassCut> {
        let n_classes = self.totals.len();
        let (mut order, absent) = self.shown_levels(shown);
        let mut best = best.copied();
        let mut cut = None;
        let first = if n_classes == 2 { 1 } else { 0 };
        for class in first..n_classes {
            if self.totals[class] == 0 {
                continue;
            }
            let part = |bin: u8| {
                let of_class = shown.counts.bin(bin, n_classes)[class];
                (
                    i128::from(of_class),
                    i128::from(self.weight_of(shown.counts, bin)),
                )
            };
            order.sort_by(|a, b| {
                let ((x, x_all), (y, y_all)) = (part(*a), part(*b));
                (x * y_all).cmp(&(y * x_all)).then(a.cmp(b))
            });
            let bins = order.iter().copied();
            let Some(found) = self.along(shown.counts, bins, None, best.as_ref(), left) else {
                continue;
            };
            best = Some(found.score);
            let mut set = [0; 4];
            let mut missing_left = order.contains(&MISSING).then_some(false);
            for bin in &order {
                if *bin == MISSING {
                    missing_left = Some(true);
                } else {
                    set_bit(&mut set, *bin, true);
                }
                if *bin == found.bin {
                    break;
                }
            }
            cut = Some(ClassCut {
                absent,
                ..self.cut(shown, Place::Levels(set), missing_left, &found)
            });
        }
        cut
    }

    /// One cut at random between the smallest and the largest bin of the node, missing values on either
    /// side, where it beats `best`, else that (Geurts, Ernst and Wehenkel, Mach. Learn. 63, 2006,
    /// doi 10.1007/s10994-006-6226-1). Levels fall on either side at random, one at least on each.
    pub(crate) fn random_cut(
        &self,
        shown: Shown<'_>,
        best: Option<ClassCut>,
        left: &mut [i64],
        stream: &mut Stream,
    ) -> Option<ClassCut> {
        let counts = shown.counts;
        let (mut present, absent) = self.shown_levels(shown);
        let missing = present.last() == Some(&MISSING);
        if missing {
            present.pop();
        }
        let (Some(low), Some(high)) = (present.first(), present.last()) else {
            return best;
        };
        let mut set = [0; 4];
        let place = if shown.levels {
            let n = present.len();
            let to_left = below(stream, n);
            let to_right = (to_left + 1 + below(stream, n.max(2) - 1)) % n.max(1);
            for (at, bin) in present.iter().enumerate() {
                let drawn = uniform(stream) < 0.5;
                let goes = at == to_left || (drawn && at != to_right);
                set_bit(&mut set, *bin, goes);
            }
            Place::Levels(set)
        } else {
            let last = if low == high {
                shown.n_bins.saturating_sub(1) as u8
            } else {
                low + below(stream, usize::from(high - low)) as u8
            };
            for bin in present.iter().filter(|bin| **bin <= last) {
                set_bit(&mut set, *bin, true);
            }
            Place::Number(last)
        };
        let mut best = best;
        left.fill(0);
        let (mut weight, mut rows) = (0, 0);
        let mut add = |set: &LevelSet, left: &mut [i64]| {
            for bin in bits(set) {
                for (left, part) in left.iter_mut().zip(counts.bin(bin, self.totals.len())) {
                    *left += part;
                    weight += part;
                }
                rows += u64::from(counts.rows[bin as usize]);
            }
            (weight, rows)
        };
        let only_missing = [0, 0, 0, 1 << 63];
        for (set, missing_left) in [(set, false), (only_missing, true)] {
            if missing_left && !missing {
                break;
            }
            let (weight, rows) = add(&set, left);
            let side = Side {
                totals: left,
                weight,
                rows,
            };
            let Some(new) = self.score(side) else {
                continue;
            };
            let score = best.as_ref().map(|cut| &cut.score);
            if self.beats(new, || self.exact(side), score) {
                let found = Found {
                    bin: 0,
                    score: Score {
                        top: new.0,
                        bottom: new.1,
                        exact: self.exact(side),
                    },
                    lighter: weight.min(self.weight - weight),
                };
                best = Some(ClassCut {
                    absent: if shown.levels { absent } else { [0; 4] },
                    ..self.cut(shown, place, missing.then_some(missing_left), &found)
                });
            }
        }
        best
    }

    /// Whether a cut gains more than the least gain asked for.
    pub(crate) fn pays(&self, cut: &ClassCut) -> bool {
        cut.gain.partial_cmp(&self.min_gain) == Some(Ordering::Greater)
    }
}
