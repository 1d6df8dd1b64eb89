//! Cuts between any two values, searched by `linfa-trees`.
//!
//! A tree of one cut is fitted to the rows of every node; the rest is ours. What it lacks is made up
//! for here: it takes no missing values (a NaN never ends), so there are none; it holds values within
//! 1e-5 for equal, so it gets ranks; in a deeper tree it skips a cut below which an equal value
//! belongs to another node, so every node is fitted by itself, with a limit of depth; it joins leaves
//! of one label, so the cut is read off the node and labels are not; it sums in the order of a hash
//! map, so there are two classes, whose sums have one order.

use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use linfa_trees::{DecisionTree, SplitQuality};
use ndarray::{Array1, Array2};

use super::coded::{Codes, Cut, Labelled, Side};
use super::cut::part_by_codes;
use super::params::{Impurity, NAME};
use crate::design::binned::{Binner, Bins};
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::{ParamGuard, RowsSource};
use crate::kernel::tree::class_grow::{Guide, Leaf};
use crate::kernel::tree::class_histogram::Item;
use crate::kernel::tree::class_split::{Bounds, Node};
use crate::kernel::tree::flat::LevelSet;

/// Rows are counted in single precision there.
const MOST_ROWS: usize = 1 << 24;

/// Cuts between values, by their ranks.
#[derive(Debug)]
pub(super) struct ByValues<'a> {
    pub(super) data: &'a Labelled,
    pub(super) impurity: Impurity,
    pub(super) min_leaf_rows: u64,
    /// As a share of all weight.
    pub(super) min_gain: f64,
}

impl Guide for ByValues<'_> {
    type Cut = Cut;

    fn gain(cut: &Cut) -> f64 {
        cut.gain
    }

    fn seek(&mut self, leaf: &Leaf, items: &[Item]) -> Result<Option<Cut>> {
        let data = self.data;
        let n_features = data.codes.n_features();
        let ranks = Array2::from_shape_fn((items.len(), n_features), |(at, feature)| {
            f64::from(data.codes.code(feature, items[at].row as usize))
        });
        let labels: Array1<bool> = items.iter().map(|item| item.class == 1).collect();
        let quality = match self.impurity {
            Impurity::Gini => SplitQuality::Gini,
            Impurity::Entropy => SplitQuality::Entropy,
        };
        let stump = DecisionTree::<f64, bool>::params()
            .split_quality(quality)
            .max_depth(Some(1))
            .min_weight_leaf(self.min_leaf_rows as f32)
            .min_impurity_decrease(f64::EPSILON)
            .check()
            .map_err(of_linfa)?
            .fit(&DatasetBase::new(ranks, labels))
            .map_err(of_linfa)?;
        let (feature, middle, decrease) = stump.root_node().split();
        if !(decrease > 0.0 && middle >= 0.0) {
            return Ok(None);
        }
        // Between two ranks, hence the lower one goes left.
        let last = middle.floor() as u32;
        let (mut left, mut n_left) = ([0_i64; 2], 0);
        for item in items {
            if data.codes.code(feature, item.row as usize) <= last {
                left[item.class as usize] += item.weight;
                n_left += 1;
            }
        }
        if n_left.min(items.len() as u64 - n_left) < self.min_leaf_rows {
            return Ok(None);
        }
        let bounds = Bounds {
            min_weight: 0,
            min_rows: 0,
            min_gain: 0.0,
            known_only: false,
        };
        let node = Node::new(self.impurity, &leaf.totals, items.len() as u64, bounds);
        let heavier = 2 * left.iter().sum::<i64>() > leaf.totals.iter().sum();
        let side = if data.is_level(feature) {
            // Of two levels the lighter one is listed.
            let listed = if heavier { 1 } else { 0 };
            let mut set: LevelSet = [0; 4];
            set[0] = 1 << listed;
            Side::In(set)
        } else {
            Side::UpTo(last)
        };
        // All rows have one weight.
        let whole = items.first().map_or(1.0, |item| item.weight as f64) * data.n_rows() as f64;
        let cut = node.gain_of(&left).map(|gain| Cut {
            feature: feature as u32,
            missing_left: heavier && !data.is_level(feature),
            side,
            gain: gain / whole,
            stand_ins: Vec::new(),
        });
        Ok(cut.filter(|cut| cut.gain > self.min_gain))
    }

    fn part(&mut self, cut: &mut Cut, items: &mut [Item], aside: &mut Vec<Item>) -> usize {
        part_by_codes(cut, &self.data.codes, items, aside)
    }
}

fn of_linfa(error: linfa::Error) -> Error {
    ErrorKind::Linfa(error.to_string()).into()
}

/// Whether exact cuts can be searched at all.
///
/// # Errors
/// [`ErrorKind::TargetKind`] for three classes and more, [`ErrorKind::OutOfRange`] for rows of
/// different weights, [`ErrorKind::FeatureMismatch`] for a category of three levels and more,
/// [`ErrorKind::Parameter`] beyond 2^24 rows.
pub(super) fn admit(binner: &Binner, n_classes: usize, weights: &[u32]) -> Result<()> {
    if n_classes > 2 {
        return Err(ErrorKind::TargetKind {
            what: "DecisionTree with exact cuts",
            expected: "two classes".into(),
            found: format!("{n_classes} classes"),
        }
        .into());
    }
    if weights.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(ErrorKind::OutOfRange {
            what: "weights of a tree with exact cuts",
            row: None,
            column: None,
            rule: "one weight for all rows (binned cuts take any)",
        }
        .into());
    }
    if weights.len() > MOST_ROWS {
        return Err(ErrorKind::Parameter {
            estimator: NAME,
            name: "cuts",
            value: "Exact".into(),
            rule: "Binned beyond 16,777,216 rows",
        }
        .into());
    }
    for (feature, bins) in binner.schema.features().iter().zip(&binner.bins) {
        if let Bins::Levels { .. } = bins
            && bins.len() > 2
        {
            return Err(ErrorKind::FeatureMismatch {
                name: feature.name().to_string(),
                expected: "a number or a category of two levels, as cuts are exact".into(),
                found: format!("a category of {} levels", bins.len()),
            }
            .into());
        }
    }
    Ok(())
}

/// Ranks of the values of the used rows.
///
/// # Errors
/// [`ErrorKind::NonFinite`] for a missing value; those of alignment.
pub(super) fn ranks(binner: &Binner, rows: RowsSource<'_>, used: &[u32]) -> Result<Codes> {
    let width = binner.bins.len();
    let chunks = binner.for_values(rows, |range, values| {
        let first = used.partition_point(|row| (*row as usize) < range.start);
        let last = used.partition_point(|row| (*row as usize) < range.end);
        let mut columns = vec![Vec::with_capacity(last - first); width];
        for row in &used[first..last] {
            let at = (*row as usize - range.start) * width;
            for (column, value) in columns.iter_mut().zip(&values[at..at + width]) {
                column.push(*value);
            }
        }
        columns
    })?;
    let mut ranks = Vec::with_capacity(width);
    for (feature, name) in binner.schema.features().iter().enumerate() {
        let column: Vec<f64> = chunks
            .iter()
            .flat_map(|chunk| &chunk[feature])
            .copied()
            .collect();
        if let Some(at) = column.iter().position(|value| value.is_nan()) {
            return Err(no_value(name.name(), used[at] as usize));
        }
        let mut distinct = column.clone();
        distinct.sort_unstable_by(f64::total_cmp);
        distinct.dedup();
        let rank = |value: &f64| distinct.partition_point(|other| other < value) as u32;
        ranks.push(column.iter().map(rank).collect());
    }
    Ok(Codes::Ranks(ranks))
}

/// The error of a missing value where cuts are exact.
pub(super) fn no_value(column: &str, row: usize) -> Error {
    ErrorKind::NonFinite {
        what: "DecisionTree with exact cuts",
        row: Some(row),
        column: Some(column.to_string()),
        rule: "a value, or a level seen in training (binned cuts take missing values)",
    }
    .into()
}
