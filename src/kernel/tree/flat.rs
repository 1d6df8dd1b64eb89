//! A tree as plain data: nodes in one array, children behind their parent.

use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};

/// `feature` of a leaf.
pub(crate) const LEAF: u32 = u32::MAX;

/// `set` of a node that cuts a number.
pub(crate) const NO_SET: u32 = u32::MAX;

/// One node. Values of a row are numbers, or the code of a level as a number; NaN where missing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Node {
    /// Feature that is asked, or [`LEAF`].
    pub(crate) feature: u32,
    /// Numbers up to it go left.
    pub(crate) threshold: f64,
    /// Levels in this set go left, where it is not [`NO_SET`].
    pub(crate) set: u32,
    pub(crate) left: u32,
    pub(crate) right: u32,
    /// Whether missing values, and levels not seen in training, go left.
    pub(crate) missing_left: bool,
    /// Weight of the training rows that came here.
    pub(crate) cover: f64,
    /// Number of them.
    pub(crate) rows: u64,
    /// What the cut gained; 0 in a leaf.
    pub(crate) gain: f64,
}

impl Node {
    pub(crate) fn leaf(cover: f64, rows: u64) -> Self {
        Self {
            feature: LEAF,
            threshold: 0.0,
            set: NO_SET,
            left: 0,
            right: 0,
            missing_left: false,
            cover,
            rows,
            gain: 0.0,
        }
    }

    pub(crate) fn is_leaf(&self) -> bool {
        self.feature == LEAF
    }
}

/// Codes 0 to 255 as bits.
pub(crate) type LevelSet = [u64; 4];

/// Whether a set holds a code.
#[inline]
pub(crate) fn holds(set: &LevelSet, code: usize) -> bool {
    set.get(code / 64)
        .is_some_and(|word| word >> (code % 64) & 1 == 1)
}

/// A tree with `n_outputs` values at every node; those of inner nodes are the means of what is below
/// them by cover.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    pub(crate) sets: Vec<LevelSet>,
    pub(crate) n_outputs: u32,
    /// Values of node `i` stand at `i * n_outputs`.
    pub(crate) values: Vec<f64>,
}

impl Tree {
    /// Whether a row with these values goes left at an inner node.
    #[inline]
    pub(crate) fn goes_left(&self, node: &Node, value: f64) -> bool {
        if node.set == NO_SET {
            return if value.is_nan() {
                node.missing_left
            } else {
                value <= node.threshold
            };
        }
        if value.is_nan() {
            return node.missing_left;
        }
        holds(&self.sets[node.set as usize], value as usize)
    }

    /// The leaf of a row, given the values of all features.
    #[inline]
    pub(crate) fn leaf(&self, row: &[f64]) -> usize {
        let mut at = 0;
        loop {
            let node = &self.nodes[at];
            if node.is_leaf() {
                return at;
            }
            at = if self.goes_left(node, row[node.feature as usize]) {
                node.left
            } else {
                node.right
            } as usize;
        }
    }

    /// Values of a node.
    #[inline]
    pub(crate) fn value(&self, node: usize) -> &[f64] {
        let width = self.n_outputs as usize;
        &self.values[node * width..(node + 1) * width]
    }

    pub(crate) fn n_leaves(&self) -> usize {
        self.nodes.iter().filter(|node| node.is_leaf()).count()
    }

    /// Length of the longest way from the root to a leaf.
    pub(crate) fn depth(&self) -> usize {
        let mut depths = vec![0_usize; self.nodes.len()];
        let mut deepest = 0;
        for (at, node) in self.nodes.iter().enumerate() {
            deepest = deepest.max(depths[at]);
            if !node.is_leaf() {
                depths[node.left as usize] = depths[at] + 1;
                depths[node.right as usize] = depths[at] + 1;
            }
        }
        deepest
    }

    /// Makes the values of inner nodes the means of their leaves by cover.
    pub(crate) fn average_inner(&mut self) {
        let width = self.n_outputs as usize;
        for at in (0..self.nodes.len()).rev() {
            let node = self.nodes[at];
            if node.is_leaf() {
                continue;
            }
            let (left, right) = (node.left as usize, node.right as usize);
            let (a, b) = (self.nodes[left].cover, self.nodes[right].cover);
            let share = if a + b > 0.0 { a / (a + b) } else { 0.5 };
            for output in 0..width {
                self.values[at * width + output] = share * self.values[left * width + output]
                    + (1.0 - share) * self.values[right * width + output];
            }
        }
    }

    /// Checks everything that walking relies on: for trees read from files.
    ///
    /// # Errors
    /// [`ErrorKind::Saved`] naming what does not hold.
    pub(crate) fn check(&self, n_features: usize) -> Result<()> {
        let refuse = |what: &str| Err(ErrorKind::Saved(format!("a tree {what}")).into());
        let n = self.nodes.len();
        let width = self.n_outputs as usize;
        if n == 0 || width == 0 || n.checked_mul(width) != Some(self.values.len()) {
            return refuse("without nodes, or with another number of values than its nodes need");
        }
        let mut parents = vec![false; n];
        for (at, node) in self.nodes.iter().enumerate() {
            let sound = node.cover.is_finite() && node.cover >= 0.0 && node.gain.is_finite();
            if !sound || !node.threshold.is_finite() {
                return refuse("with a number that is not finite, or a negative cover");
            }
            if node.is_leaf() {
                continue;
            }
            if node.feature as usize >= n_features {
                return refuse("that asks for a feature which the schema does not have");
            }
            if node.set != NO_SET && node.set as usize >= self.sets.len() {
                return refuse("that asks for a set of levels which it does not have");
            }
            for child in [node.left as usize, node.right as usize] {
                if child <= at || child >= n || parents[child] {
                    return refuse("whose children do not each stand once behind their parent");
                }
                parents[child] = true;
            }
        }
        if parents.iter().skip(1).any(|reached| !reached) {
            return refuse("with a node that no way leads to");
        }
        if self.values.iter().any(|value| !value.is_finite()) {
            return refuse("with a value that is not finite");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x0 <= 1 ? (x1 in {0, 70} ? 1 : 2) : 3, missing x0 to the right, missing x1 to the left.
    fn tree() -> Tree {
        let inner = |feature, set, left, right, missing_left| Node {
            feature,
            threshold: 1.0,
            set,
            left,
            right,
            missing_left,
            gain: 1.0,
            ..Node::leaf(4.0, 4)
        };
        Tree {
            nodes: vec![
                inner(0, NO_SET, 1, 2, false),
                inner(1, 0, 3, 4, true),
                Node::leaf(1.0, 1),
                Node::leaf(1.0, 1),
                Node::leaf(2.0, 2),
            ],
            sets: vec![[1, 1 << 6, 0, 0]],
            n_outputs: 1,
            values: vec![0.0, 0.0, 3.0, 1.0, 2.0],
        }
    }

    #[test]
    fn rows_find_their_leaves() {
        let tree = tree();
        let value = |row: [f64; 2]| tree.value(tree.leaf(&row))[0];
        assert_eq!(value([1.0, 0.0]), 1.0);
        assert_eq!(value([0.0, 70.0]), 1.0);
        assert_eq!(value([0.0, 1.0]), 2.0);
        assert_eq!(value([1.5, 0.0]), 3.0);
        assert_eq!(value([f64::NAN, 0.0]), 3.0);
        assert_eq!(value([0.0, f64::NAN]), 1.0);
        assert_eq!(value([0.0, 300.0]), 2.0, "a code beyond the set is outside");
        assert_eq!((tree.n_leaves(), tree.depth()), (3, 2));
    }

    #[test]
    fn inner_values_are_means_by_cover() {
        let mut tree = tree();
        tree.average_inner();
        assert_eq!(tree.value(1)[0], 5.0 / 3.0);
    }

    #[test]
    fn unsound_trees_are_refused() {
        assert!(tree().check(2).is_ok());
        let broken = |change: fn(&mut Tree)| {
            let mut tree = tree();
            change(&mut tree);
            tree.check(2).is_err()
        };
        assert!(tree().check(1).is_err(), "feature 1 of 1");
        assert!(broken(|tree| tree.nodes[1].left = 0), "a cycle");
        assert!(broken(|tree| tree.nodes[1].left = 2), "two parents");
        assert!(broken(|tree| tree.nodes[1].right = 9), "out of range");
        assert!(broken(|tree| tree.nodes[1].set = 1), "no such set");
        assert!(broken(|tree| tree.nodes[0].threshold = f64::NAN));
        assert!(broken(|tree| tree.values[2] = f64::INFINITY));
        assert!(broken(|tree| tree.values.truncate(4)));
        assert!(broken(|tree| tree.nodes.push(Node::leaf(1.0, 1))));
    }
}
