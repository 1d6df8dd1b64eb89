//! Cost-complexity pruning: the subtrees that are best when a leaf costs more and more.
//!
//! ```text
//!   strength of a node = (cost as a leaf - cost of its branch) / (leaves of its branch - 1)
//! ```
//!
//! The node with the least strength is made a leaf, again and again; the subtrees that arise are
//! nested, and each is the smallest that minimises `cost + strength x leaves` up to the strength of
//! the next. The cost of a tree is the impurity of its leaves by their share of all weight, not their
//! errors: with a rare event most trees make the same errors as none.
//!
//! Source: Breiman, Friedman, Olshen and Stone, *Classification and Regression Trees*, 1984,
//! chapter 3, ISBN 978-0412048418.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::coded::Grown;
use crate::kernel::tree::class_split::{Impurity, impurity_of};

/// Strengths that differ by less are one; relative to the larger.
const SAME: f64 = 1e-10;

/// One of the nested trees of a pruning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PruningStep {
    /// The least cost of a leaf at which this tree is the best; 0 for the grown tree.
    pub strength: f64,
    /// Its number of leaves.
    pub leaves: u64,
    /// Impurity of its leaves on the training rows, by their share of all weight.
    pub cost: f64,
    /// Mean Brier score (summed over classes) on the folds left out; `None` without
    /// cross-validation.
    pub validation: Option<f64>,
    /// Its standard error, from fold to fold.
    pub standard_error: Option<f64>,
}

/// The nested trees of a grown one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sequence {
    pub(super) steps: Vec<PruningStep>,
    /// By node, the strength from which on it is a leaf or gone; 0 for leaves of the grown tree.
    pub(super) strength: Vec<f64>,
}

impl Sequence {
    /// The step that is best at a strength.
    pub(super) fn at(&self, strength: f64) -> usize {
        let later = self.steps.partition_point(|step| step.strength <= strength);
        later.saturating_sub(1)
    }
}

/// Prunes step by step down to the root.
pub(super) fn sequence(grown: &Grown, impurity: Impurity) -> Sequence {
    let n = grown.nodes.len();
    let whole = grown.weight(0) as f64;
    let cost: Vec<f64> = (0..n)
        .map(|node| impurity_of(impurity, grown.counts(node)) / whole)
        .collect();
    let mut parent = vec![usize::MAX; n];
    // Cost and leaves of the branch of every node; a node that is a leaf now is its own branch.
    let mut branch: Vec<(f64, u64)> = cost.iter().map(|cost| (*cost, 1)).collect();
    for at in (0..n).rev() {
        let node = &grown.nodes[at];
        if node.cut.is_some() {
            let (left, right) = (node.left as usize, node.right as usize);
            (parent[left], parent[right]) = (at, at);
            branch[at] = both(branch[left], branch[right]);
        }
    }
    let weakness = |at: usize, branch: &[(f64, u64)]| -> (u64, usize) {
        let (below, leaves) = branch[at];
        let strength = (cost[at] - below).max(0.0) / (leaves - 1) as f64;
        // Not negative, hence its bits are in its order.
        (strength.to_bits(), at)
    };
    let mut queue: BTreeSet<(u64, usize)> = (0..n)
        .filter(|at| branch[*at].1 > 1)
        .map(|at| weakness(at, &branch))
        .collect();
    let step = |strength: f64, branch: &[(f64, u64)]| PruningStep {
        strength,
        leaves: branch[0].1,
        cost: branch[0].0,
        validation: None,
        standard_error: None,
    };
    let mut steps = vec![step(0.0, &branch)];
    let mut strength = vec![0.0; n];
    while let Some((bits, at)) = queue.pop_first() {
        let last = steps.last().map_or(0.0, |step| step.strength);
        let found = f64::from_bits(bits);
        let same = found <= last * (1.0 + SAME);
        let now = if same { last } else { found };
        // The branch of the node goes.
        let mut gone = vec![at];
        while let Some(node) = gone.pop() {
            if branch[node].1 > 1 {
                queue.remove(&weakness(node, &branch));
                let node_at = &grown.nodes[node];
                gone.extend([node_at.left as usize, node_at.right as usize]);
                strength[node] = now;
            }
        }
        let mut stale = Vec::new();
        let mut up = parent[at];
        while up != usize::MAX {
            stale.push(up);
            queue.remove(&weakness(up, &branch));
            up = parent[up];
        }
        branch[at] = (cost[at], 1);
        for up in stale {
            let node = &grown.nodes[up];
            branch[up] = both(branch[node.left as usize], branch[node.right as usize]);
            queue.insert(weakness(up, &branch));
        }
        if same {
            // Equal strengths go together.
            if let Some(last) = steps.last_mut() {
                *last = step(now, &branch);
            }
        } else {
            steps.push(step(now, &branch));
        }
    }
    Sequence { steps, strength }
}

fn both(a: (f64, u64), b: (f64, u64)) -> (f64, u64) {
    (a.0 + b.0, a.1 + b.1)
}
