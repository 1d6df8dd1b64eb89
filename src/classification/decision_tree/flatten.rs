//! A grown and pruned tree as the model keeps it: thresholds in the units of the features.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::coded::{Cut, Grown, Labelled, NO_VALUE, Side};
use super::prune::Sequence;
use crate::design::align::align;
use crate::design::binned::{Binner, Bins};
use crate::design::edges::between;
use crate::error::Result;
use crate::estimator::RowsSource;
use crate::kernel::tree::flat::{LevelSet, NO_SET, Node, Tree};
use crate::numeric::parallel::map_tasks;

/// Numbers up to it: all that are known.
pub(super) const ANY: f64 = f64::MAX;

/// A cut on another feature that stands in where a value is missing, as plain data.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Surrogate {
    pub(super) feature: u32,
    /// Numbers up to it are on its side, where it has no set.
    pub(super) threshold: f64,
    /// Levels on its side.
    pub(super) set: Option<LevelSet>,
    /// Whether its side goes left.
    pub(super) side_left: bool,
    pub(super) agreement: f64,
    pub(super) adjusted: f64,
}

/// What the model keeps.
#[derive(Debug)]
pub(super) struct Flat {
    pub(super) tree: Tree,
    /// By node of the tree.
    pub(super) surrogates: Vec<Vec<Surrogate>>,
}

/// Lays out the nodes that stay at a strength (all without one), left branch first.
///
/// # Errors
/// Those of reading rows.
#[allow(clippy::too_many_arguments)] // once, from `fit`
pub(super) fn flatten(
    grown: &Grown,
    data: &Labelled,
    path: &Sequence,
    strength: Option<f64>,
    unit: f64,
    binner: &Binner,
    rows: RowsSource<'_>,
    used: &[u32],
) -> Result<Flat> {
    let kept = |at: usize| strength.is_none_or(|strength| path.strength[at] > strength);
    let gaps = gaps(grown, &kept, data, binner, rows, used)?;
    let mut flat = Flat {
        tree: Tree {
            n_outputs: grown.n_classes as u32,
            ..Tree::default()
        },
        surrogates: Vec::new(),
    };
    // Node of the grown tree, and which child of which new node it is.
    let mut stack: Vec<(usize, Option<(usize, bool)>)> = vec![(0, None)];
    while let Some((from, parent)) = stack.pop() {
        let at = flat.tree.nodes.len();
        if let Some((parent, is_left)) = parent {
            let parent = &mut flat.tree.nodes[parent];
            if is_left {
                parent.left = at as u32;
            } else {
                parent.right = at as u32;
            }
        }
        let weight = grown.weight(from) as f64;
        let mut node = Node::leaf(weight * unit, grown.nodes[from].rows);
        let mut stand_ins = Vec::new();
        if let Some(cut) = grown.nodes[from].cut.as_ref().filter(|_| kept(from)) {
            node.feature = cut.feature;
            node.missing_left = cut.missing_left;
            node.gain = cut.gain;
            (node.threshold, node.set) = question(cut, gaps[from], data, &mut flat.tree.sets);
            stand_ins = surrogates(cut, binner);
            stack.push((grown.nodes[from].right as usize, Some((at, false))));
            stack.push((grown.nodes[from].left as usize, Some((at, true))));
        }
        flat.tree.nodes.push(node);
        flat.surrogates.push(stand_ins);
        let shares = (0..grown.n_classes).map(|class| grown.share(from, class));
        flat.tree.values.extend(shares);
    }
    Ok(flat)
}

/// Threshold and set of a cut.
fn question(cut: &Cut, gap: Gap, data: &Labelled, sets: &mut Vec<LevelSet>) -> (f64, u32) {
    let (n_bins, levels) = data.bins[cut.feature as usize];
    let set = match cut.side {
        Side::UpTo(_) => return (between(gap.low, gap.high), NO_SET),
        Side::Known if !levels => return (ANY, NO_SET),
        Side::Known => {
            let mut set = [0; 4];
            (0..n_bins).for_each(|bin| set[bin / 64] |= 1 << (bin % 64));
            set
        }
        Side::In(set) => set,
    };
    sets.push(set);
    (0.0, sets.len() as u32 - 1)
}

fn surrogates(cut: &Cut, binner: &Binner) -> Vec<Surrogate> {
    let of = |other: &super::coded::StandIn| {
        let (threshold, set) = match (other.side, &binner.bins[other.feature as usize]) {
            (Side::UpTo(last), Bins::Number(edges)) => (*edges.get(last as usize)?, None),
            (Side::In(set), Bins::Levels { .. }) => (0.0, Some(set)),
            _ => return None,
        };
        Some(Surrogate {
            feature: other.feature,
            threshold,
            set,
            side_left: other.same,
            agreement: other.agreement,
            adjusted: other.adjusted,
        })
    };
    cut.stand_ins.iter().filter_map(of).collect()
}

/// The largest value that goes left of a cut and the smallest that goes right.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Gap {
    low: f64,
    high: f64,
}

const NO_GAP: Gap = Gap {
    low: f64::NEG_INFINITY,
    high: f64::INFINITY,
};

/// The gaps of the cuts that stay, from the training rows: a threshold is put in the middle of its
/// gap at the node, not at the edge of a bin of all rows. Codes are in the order of values: only the
/// values of two codes are read.
fn gaps(
    grown: &Grown,
    kept: &(impl Fn(usize) -> bool + Sync),
    data: &Labelled,
    binner: &Binner,
    rows: RowsSource<'_>,
    used: &[u32],
) -> Result<Vec<Gap>> {
    let readers = align(&binner.schema, rows)?;
    let below = below(grown);
    Ok(map_tasks(grown.nodes.len(), |node| {
        let cut = grown.nodes[node].cut.as_ref().filter(|_| kept(node));
        let Some((feature, last)) = cut.and_then(|cut| match cut.side {
            Side::UpTo(last) => Some((cut.feature as usize, last)),
            _ => None,
        }) else {
            return NO_GAP;
        };
        let of_node = &grown.rows[below[node].clone()];
        let codes = || {
            let codes = of_node.iter();
            let codes = codes.map(|row| (*row, data.codes.code(feature, *row as usize)));
            codes.filter(|(_, code)| *code != NO_VALUE)
        };
        let ends = codes().fold((None, NO_VALUE), |(low, high), (_, code)| {
            if code <= last {
                (low.max(Some(code)), high)
            } else {
                (low, high.min(code))
            }
        });
        let mut gap = NO_GAP;
        for (row, code) in codes() {
            if Some(code) != ends.0 && code != ends.1 {
                continue;
            }
            let mut value = [0.0];
            readers[feature].fill(used[row as usize] as usize, &mut value);
            if code <= last {
                gap.low = gap.low.max(value[0]);
            } else {
                gap.high = gap.high.min(value[0]);
            }
        }
        gap
    }))
}

/// Where the rows of every node stand among those of the tree.
fn below(grown: &Grown) -> Vec<Range<usize>> {
    let mut below = vec![0..0; grown.nodes.len()];
    for (leaf, start, end) in &grown.segments {
        below[*leaf] = *start..*end;
    }
    for (at, node) in grown.nodes.iter().enumerate().rev() {
        if node.cut.is_some() {
            // Left ones stand before right ones.
            below[at] = below[node.left as usize].start..below[node.right as usize].end;
        }
    }
    below
}
