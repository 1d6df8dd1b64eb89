//! A grown and pruned tree as the model keeps it: thresholds in the units of the features.

use serde::{Deserialize, Serialize};

use super::coded::{Cut, Grown, Labelled, NO_VALUE, Side};
use super::prune::Sequence;
use crate::design::align::align;
use crate::design::binned::{Binner, Bins};
use crate::design::edges::between;
use crate::error::Result;
use crate::estimator::RowsSource;
use crate::kernel::tree::flat::{LevelSet, NO_SET, Node, Tree};
use crate::numeric::parallel::map_chunks;

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

/// The largest value that goes left of a cut and the smallest that goes right, with their codes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Gap {
    low: f64,
    high: f64,
    low_code: u32,
    high_code: u32,
}

impl Gap {
    const NONE: Self = Self {
        low: f64::NEG_INFINITY,
        high: f64::INFINITY,
        low_code: 0,
        high_code: u32::MAX,
    };

    /// Takes a value on the left; codes are in the order of values, hence it is only read where its code
    /// is not below the largest one so far.
    fn on_left(&mut self, code: u32, value: impl FnOnce() -> f64) {
        if code > self.low_code {
            (self.low_code, self.low) = (code, value());
        } else if code == self.low_code {
            self.low = self.low.max(value());
        }
    }

    fn on_right(&mut self, code: u32, value: impl FnOnce() -> f64) {
        if code < self.high_code {
            (self.high_code, self.high) = (code, value());
        } else if code == self.high_code {
            self.high = self.high.min(value());
        }
    }
}

/// The gaps of the cuts that stay, from the training rows: a threshold is put in the middle of its
/// gap at the node, not at the edge of a bin of all rows.
fn gaps(
    grown: &Grown,
    kept: &(impl Fn(usize) -> bool + Sync),
    data: &Labelled,
    binner: &Binner,
    rows: RowsSource<'_>,
    used: &[u32],
) -> Result<Vec<Gap>> {
    let n_nodes = grown.nodes.len();
    let readers = align(&binner.schema, rows)?;
    let chunks = map_chunks(used.len(), |range| {
        let mut gaps = vec![Gap::NONE; n_nodes];
        for at in range {
            let mut node = 0;
            while let Some(cut) = grown.nodes[node].cut.as_ref().filter(|_| kept(node)) {
                let left = cut.goes_left(&data.codes, at);
                if let Side::UpTo(last) = cut.side {
                    let feature = cut.feature as usize;
                    let value = || {
                        let mut value = [0.0];
                        readers[feature].fill(used[at] as usize, &mut value);
                        value[0]
                    };
                    match data.codes.code(feature, at) {
                        NO_VALUE => {}
                        code if code <= last => gaps[node].on_left(code, value),
                        code => gaps[node].on_right(code, value),
                    }
                }
                let children = &grown.nodes[node];
                node = if left { children.left } else { children.right } as usize;
            }
        }
        gaps
    });
    let mut all = vec![Gap::NONE; n_nodes];
    for gaps in chunks {
        for (all, gap) in all.iter_mut().zip(gaps) {
            all.on_left(gap.low_code, || gap.low);
            all.on_right(gap.high_code, || gap.high);
        }
    }
    Ok(all)
}
