//! The best cut of a node, from the class weights of its bins.
//!
//! ```text
//!   rows of the node -> [rows, weight by class] of every bin -> cuts in order -> the purest two sides
//! ```
//!
//! Purity of a side is `sum c^2 / W` (Gini) or `sum c log2(c / W)` (entropy) for class weights `c` and
//! their sum `W`: weight times the negative impurity, up to a constant. All sums are whole numbers.

use std::sync::Arc;

use super::coded::{Labelled, Side};
use super::params::Impurity;
use crate::design::binned::{BinnedDesign, GROUP, MISSING};
use crate::design::listed::Listed;
use crate::error::Result;
use crate::kernel::tree::flat::LevelSet;
use crate::numeric::parallel::map_tasks;

/// Gains that are rounding only, as a share of the weight of the node.
const NOISE: f64 = 1e-13;

/// With many classes, levels are put in order by the shares of so many of the largest.
const ORDERS: usize = 16;

/// Rows times features above which a node is worth several threads.
const SHARED: usize = 1 << 16;

/// Listed features searched as one task.
const LISTS: usize = 256;

/// A cut that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    pub(super) feature: u32,
    pub(super) side: Side,
    pub(super) missing_left: bool,
    /// Purity of both sides less that of the node, on the scale of weights.
    pub(super) gain: f64,
}

/// The way to the best cut of a node.
pub(super) trait Finder: Sync {
    /// `None` where no cut makes the node purer.
    fn best(&self, data: &Labelled, rows: &[u32]) -> Result<Option<Found>>;
}

/// Weight of a side times its purity.
pub(super) fn purity(impurity: Impurity, counts: &[u64]) -> f64 {
    let weight = counts.iter().sum::<u64>() as f64;
    if weight == 0.0 {
        return 0.0;
    }
    let parts = counts.iter().filter(|count| **count > 0);
    match impurity {
        Impurity::Gini => {
            parts
                .map(|count| *count as f64 * (*count as f64))
                .sum::<f64>()
                / weight
        }
        Impurity::Entropy => parts
            .map(|count| *count as f64 * libm::log2(*count as f64 / weight))
            .sum(),
    }
}

/// Weight of a node times its impurity.
pub(super) fn impurity_of(impurity: Impurity, counts: &[u64]) -> f64 {
    let pure = match impurity {
        Impurity::Gini => counts.iter().sum::<u64>() as f64,
        Impurity::Entropy => 0.0,
    };
    (pure - purity(impurity, counts)).max(0.0)
}

/// Cuts between bins.
#[derive(Debug)]
pub(super) struct ByBins<'a> {
    /// Of the rows of `data`.
    pub(super) design: &'a BinnedDesign,
    pub(super) impurity: Impurity,
    pub(super) min_leaf_rows: u64,
    /// Whether missing values take part in the search; else a feature is judged by the rows that
    /// have it.
    pub(super) learn_missing: bool,
}

impl Finder for ByBins<'_> {
    fn best(&self, data: &Labelled, rows: &[u32]) -> Result<Option<Found>> {
        let n_groups = self.design.groups.len();
        let lists = self.design.listed.chunks(LISTS);
        let mut totals = vec![rows.len() as u64];
        totals.extend(data.totals(rows));
        let task = |at: usize| match at.checked_sub(n_groups) {
            None => self.of_group(data, rows, at),
            Some(at) => {
                let lists = self.design.listed.chunks(LISTS).nth(at);
                self.of_lists(data, rows, lists.unwrap_or_default(), &totals)
            }
        };
        let n_tasks = n_groups + lists.len();
        let found: Vec<Option<Found>> = if rows.len() * data.bins.len() >= SHARED {
            map_tasks(n_tasks, task)
        } else {
            (0..n_tasks).map(task).collect()
        };
        Ok(found.into_iter().flatten().reduce(better))
    }
}

/// The first feature of equal ones.
fn better(a: Found, b: Found) -> Found {
    let first = b.gain == a.gain && b.feature < a.feature;
    if b.gain > a.gain || first { b } else { a }
}

impl ByBins<'_> {
    /// The best cut of the features that stand side by side.
    fn of_group(&self, data: &Labelled, rows: &[u32], group: usize) -> Option<Found> {
        let width = data.n_classes + 1;
        let bins = &self.design.groups[group];
        let sums = if data.unweighted && data.n_classes == 2 {
            two_classes(data, bins, rows)
        } else {
            let mut sums = vec![0_u64; GROUP * 256 * width];
            for row in rows {
                let row = *row as usize;
                let (class, weight) = (data.classes[row] as usize, u64::from(data.weights[row]));
                for (lane, bin) in bins[row].iter().enumerate() {
                    let at = (lane * 256 + usize::from(*bin)) * width;
                    sums[at] += 1;
                    sums[at + 1 + class] += weight;
                }
            }
            sums
        };
        let features = self.design.dense.iter().skip(group * GROUP).take(GROUP);
        let sums = sums.chunks(256 * width);
        features
            .zip(sums)
            .filter_map(|(feature, sums)| self.of_feature(data, *feature, sums))
            .reduce(better)
    }

    /// The best cut of listed features: only the listed rows are counted, the others are what is left
    /// of `totals`.
    fn of_lists(
        &self,
        data: &Labelled,
        rows: &[u32],
        lists: &[(u32, Arc<Listed>)],
        totals: &[u64],
    ) -> Option<Found> {
        let width = totals.len();
        let mut sums = vec![0_u64; 256 * width];
        let mut best = None;
        for (feature, listed) in lists {
            let mut n_found = 0;
            let common = usize::from(listed.common) * width;
            sums[common..common + width].copy_from_slice(totals);
            let place_of = |place: usize| rows[place];
            listed.among(rows.len(), place_of, |place, bin| {
                let row = rows[place] as usize;
                let (class, weight) = (data.classes[row] as usize, u64::from(data.weights[row]));
                let at = usize::from(bin) * width;
                sums[at] += 1;
                sums[at + 1 + class] += weight;
                sums[common] -= 1;
                sums[common + 1 + class] -= weight;
                n_found += 1;
            });
            // One side of any cut has none but listed rows.
            if n_found >= self.min_leaf_rows.max(1) {
                let found = self.of_feature(data, *feature, &sums);
                best = best.into_iter().chain(found).reduce(better);
            }
            sums[common..common + width].fill(0);
            let n_bins = data.bins[*feature as usize].0;
            sums[..n_bins * width].fill(0);
            sums[usize::from(MISSING) * width..].fill(0);
        }
        best
    }

    fn of_feature(&self, data: &Labelled, feature: u32, sums: &[u64]) -> Option<Found> {
        let (n_bins, levels) = data.bins[feature as usize];
        let search = Search::new(self, sums, n_bins);
        let best = if levels {
            search.levels()
        } else {
            search.numbers()
        };
        best.map(|(gain, side, missing_left)| Found {
            feature,
            side,
            missing_left,
            gain,
        })
    }
}

/// Sums of rows of weight 1 and two classes: both are counted at once, the rows of class 1 in the upper
/// half of a word, in a table that the first cache holds.
fn two_classes(data: &Labelled, bins: &[[u8; GROUP]], rows: &[u32]) -> Vec<u64> {
    let mut pairs = [[0_u64; 256]; GROUP];
    for row in rows {
        let row = *row as usize;
        let one = 1 + (u64::from(data.classes[row]) << 32);
        for (lane, bin) in pairs.iter_mut().zip(&bins[row]) {
            lane[usize::from(*bin)] += one;
        }
    }
    let mut sums = Vec::with_capacity(GROUP * 256 * 3);
    for pair in pairs.as_flattened() {
        let (rows, events) = (pair & u64::from(u32::MAX), pair >> 32);
        sums.extend([rows, rows - events, events]);
    }
    sums
}

/// The search along one feature; slot 0 of every sum counts rows, the others weigh classes.
struct Search<'a> {
    rule: &'a ByBins<'a>,
    sums: &'a [u64],
    width: usize,
    n_bins: usize,
    present: Vec<u64>,
    missing: Vec<u64>,
    /// Purity of the node.
    whole: f64,
    least: f64,
}

type Best = Option<(f64, Side, bool)>;

impl<'a> Search<'a> {
    fn new(rule: &'a ByBins<'a>, sums: &'a [u64], n_bins: usize) -> Self {
        let width = sums.len() / 256;
        let mut present = vec![0; width];
        for bin in sums.chunks(width).take(n_bins) {
            add(&mut present, bin);
        }
        let missing = if rule.learn_missing {
            sums[usize::from(MISSING) * width..].to_vec()
        } else {
            vec![0; width]
        };
        let mut node = present.clone();
        add(&mut node, &missing);
        Self {
            rule,
            sums,
            width,
            n_bins,
            whole: purity(rule.impurity, &node[1..]),
            least: NOISE * node[1..].iter().sum::<u64>() as f64,
            present,
            missing,
        }
    }

    fn bin(&self, bin: usize) -> &[u64] {
        &self.sums[bin * self.width..(bin + 1) * self.width]
    }

    /// Gain of a left side of present values, with the missing ones on either side.
    fn weigh(&self, left: &[u64], best: &mut Best, side: impl Fn() -> Side) {
        let right: Vec<u64> = self
            .present
            .iter()
            .zip(left)
            .map(|(all, l)| all - l)
            .collect();
        let mut judge = |left: &[u64], right: &[u64], missing_left: bool| {
            if left[0].min(right[0]) < self.rule.min_leaf_rows {
                return;
            }
            let impurity = self.rule.impurity;
            let gain = purity(impurity, &left[1..]) + purity(impurity, &right[1..]) - self.whole;
            if gain > best.map_or(self.least, |(gain, ..)| gain) {
                *best = Some((gain, side(), missing_left));
            }
        };
        if self.missing[0] == 0 {
            let heavier = left[1..].iter().sum::<u64>() > right[1..].iter().sum::<u64>();
            judge(left, &right, heavier);
            return;
        }
        let with = |side: &[u64]| -> Vec<u64> {
            side.iter().zip(&self.missing).map(|(a, b)| a + b).collect()
        };
        judge(left, &with(&right), false);
        if right[0] > 0 {
            judge(&with(left), &right, true);
        }
    }

    fn numbers(&self) -> Best {
        let mut best = None;
        let mut left = vec![0; self.width];
        for bin in 0..self.n_bins {
            if self.bin(bin)[0] == 0 {
                continue;
            }
            add(&mut left, self.bin(bin));
            if left[0] == self.present[0] {
                break;
            }
            self.weigh(&left, &mut best, || Side::UpTo(bin as u32));
        }
        self.known(&mut best);
        best
    }

    /// What is known against what is missing.
    fn known(&self, best: &mut Best) {
        if self.missing[0] > 0 && self.present[0] > 0 {
            self.weigh(&self.present, best, || Side::Known);
        }
    }

    /// Levels by the share of a class are cut like numbers: with two classes one of these cuts is the
    /// best of all (Breiman et al. 1984, theorem 4.5), with more the best of several orders is taken.
    fn levels(&self) -> Best {
        let seen: Vec<usize> = (0..self.n_bins)
            .filter(|bin| self.bin(*bin)[0] > 0)
            .collect();
        let mut classes: Vec<usize> = (1..self.width).collect();
        if classes.len() == 2 {
            classes = vec![2];
        } else {
            classes.sort_by_key(|class| (std::cmp::Reverse(self.present[*class]), *class));
            classes.truncate(ORDERS);
        }
        let mut best: Best = None;
        for class in classes {
            let share = |bin: usize| {
                let sums = self.bin(bin);
                sums[class] as f64 / sums[1..].iter().sum::<u64>() as f64
            };
            let mut order: Vec<(f64, usize)> = seen.iter().map(|bin| (share(*bin), *bin)).collect();
            order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let mut left = vec![0; self.width];
            let mut set: LevelSet = [0; 4];
            for (_, bin) in order.iter().take(seen.len().saturating_sub(1)) {
                add(&mut left, self.bin(*bin));
                set[bin / 64] |= 1 << (bin % 64);
                self.weigh(&left, &mut best, || Side::In(set));
            }
        }
        if let Some((_, side, missing_left)) = &mut best
            && let Side::In(set) = side
        {
            // The lighter side is listed, so that a level without rows here goes to the heavier one.
            let weight = |listed: bool| -> u64 {
                let inside = |bin: &&usize| (set[*bin / 64] >> (*bin % 64) & 1 == 1) == listed;
                let bins = seen.iter().filter(inside);
                bins.map(|bin| self.bin(*bin)[1..].iter().sum::<u64>())
                    .sum()
            };
            if weight(true) > weight(false) {
                for bin in &seen {
                    set[bin / 64] ^= 1 << (bin % 64);
                }
                *missing_left = !*missing_left;
            }
        }
        self.known(&mut best);
        best
    }
}

fn add(sums: &mut [u64], more: &[u64]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}
