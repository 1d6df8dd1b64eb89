//! From the root to the leaves: the cut that gains most is made first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::coded::{Cut, Grown, GrownNode, Labelled};
use super::cut::{Finder, Found};
use super::surrogate::stand_ins;
use crate::error::Result;
use crate::estimator::Control;

/// Limits of a tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) max_depth: usize,
    pub(super) max_leaves: usize,
    pub(super) min_leaf_rows: u64,
    /// As a share of all weight.
    pub(super) min_gain: f64,
    /// Stand-ins of a cut; 0 for none.
    pub(super) surrogates: usize,
}

/// Grows a tree on all rows of `data`.
///
/// # Errors
/// Those of the finder; [`crate::error::ErrorKind::Cancelled`].
pub(super) fn grow(
    data: &Labelled,
    finder: &dyn Finder,
    limits: &Limits,
    control: &Control,
) -> Result<Grown> {
    let mut grower = Grower {
        data,
        finder,
        limits,
        grown: Grown {
            nodes: Vec::new(),
            n_classes: data.n_classes,
            counts: Vec::new(),
        },
        open: Vec::new(),
        queue: BinaryHeap::new(),
    };
    grower.add((0..data.n_rows() as u32).collect(), 0)?;
    let mut n_leaves = 1;
    while n_leaves < limits.max_leaves {
        control.check()?;
        let Some((_, Reverse(at))) = grower.queue.pop() else {
            break;
        };
        if let Some(open) = grower.open[at].take() {
            grower.cut(at, open)?;
            n_leaves += 1;
        }
    }
    Ok(grower.grown)
}

/// A leaf that may still be cut.
struct Open {
    found: Found,
    rows: Vec<u32>,
}

struct Grower<'a> {
    data: &'a Labelled,
    finder: &'a dyn Finder,
    limits: &'a Limits,
    grown: Grown,
    /// By node.
    open: Vec<Option<Open>>,
    /// Gains are positive, hence their bits are in their order; of equal ones the older node.
    queue: BinaryHeap<(u64, Reverse<usize>)>,
}

impl Grower<'_> {
    /// Adds a leaf and looks for its best cut.
    fn add(&mut self, rows: Vec<u32>, depth: u32) -> Result<u32> {
        let at = self.grown.nodes.len();
        let counts = self.data.totals(&rows);
        let mixed = counts.iter().filter(|count| **count > 0).count() > 1;
        self.grown.counts.extend_from_slice(&counts);
        self.grown.nodes.push(GrownNode {
            cut: None,
            left: 0,
            right: 0,
            rows: rows.len() as u64,
            depth,
        });
        let enough = rows.len() as u64 / 2 >= self.limits.min_leaf_rows;
        let mut open = None;
        if mixed && enough && (depth as usize) < self.limits.max_depth {
            let whole = self.grown.weight(0) as f64;
            let found = self.finder.best(self.data, &rows)?;
            if let Some(found) = found.filter(|f| f.gain / whole > self.limits.min_gain) {
                self.queue.push((found.gain.to_bits(), Reverse(at)));
                open = Some(Open { found, rows });
            }
        }
        self.open.push(open);
        Ok(at as u32)
    }

    fn cut(&mut self, at: usize, open: Open) -> Result<()> {
        let Open { found, rows } = open;
        let depth = self.grown.nodes[at].depth + 1;
        let mut cut = Cut {
            feature: found.feature,
            side: found.side,
            missing_left: found.missing_left,
            gain: found.gain / self.grown.weight(0) as f64,
            stand_ins: Vec::new(),
        };
        if self.limits.surrogates > 0 {
            cut.stand_ins = stand_ins(self.data, &cut, &rows, self.limits.surrogates);
        }
        let (left, right) = rows
            .iter()
            .partition(|row| cut.goes_left(&self.data.codes, **row as usize));
        drop(rows);
        self.grown.nodes[at].cut = Some(cut);
        self.grown.nodes[at].left = self.add(left, depth)?;
        self.grown.nodes[at].right = self.add(right, depth)?;
        Ok(())
    }
}
