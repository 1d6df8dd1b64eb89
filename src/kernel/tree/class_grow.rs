//! One tree for classes, from the root to its leaves, whatever finds its cuts.
//!
//! With a limit of leaves the leaf whose cut gains most is cut next (the lowest number on equal gains);
//! without one, and where it cannot be reached, the order does not matter, and the tree is made depth
//! first, left sides before right ones.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::error::Result;
use crate::estimator::Control;
use crate::kernel::tree::class_histogram::Item;
use crate::numeric::seed::mix;

/// What tells a left child's draws from a right one's.
const SIDES: [u64; 2] = [0x6c65_6674, 0x7269_6768_7400];

/// Limits of a tree; checked by the caller.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Limits {
    pub(crate) max_depth: usize,
    /// Best first up to it; `None` for no limit.
    pub(crate) max_leaves: Option<usize>,
    pub(crate) min_leaf_rows: u64,
    /// In units of weight.
    pub(crate) min_leaf_weight: i64,
    /// Nodes of fewer rows are not cut.
    pub(crate) min_split_rows: u64,
}

impl Limits {
    fn may_be_cut(&self, leaf: &Leaf) -> bool {
        let rows = (leaf.end - leaf.start) as u64;
        let least = 2 * self.min_leaf_rows.max(1);
        let weight: i64 = leaf.totals.iter().sum();
        let classes = leaf.totals.iter().filter(|total| **total > 0).count();
        leaf.depth < self.max_depth
            && rows >= self.min_split_rows.max(least)
            && weight / 2 >= self.min_leaf_weight
            && classes > 1
    }

    /// The limit of leaves, where a tree of so many rows may reach it.
    fn reachable(&self, n_rows: usize) -> Option<usize> {
        let by_depth = 1_u64.checked_shl(self.max_depth.min(64) as u32);
        let by_rows = n_rows as u64 / self.min_leaf_rows.max(1);
        let most = by_depth.unwrap_or(u64::MAX).min(by_rows);
        self.max_leaves.filter(|leaves| (*leaves as u64) < most)
    }
}

/// A leaf while its tree grows.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) node: usize,
    pub(crate) depth: usize,
    /// Weight of every class, in units.
    pub(crate) totals: Vec<i64>,
    /// What its draws depend on.
    pub(crate) key: u64,
    start: usize,
    end: usize,
}

/// A leaf, its items, and whether it may be cut.
pub(crate) type Child<'a> = (&'a Leaf, &'a [Item], bool);

/// What finds the cuts of a tree, and sends its rows.
pub(crate) trait Guide {
    type Cut;

    /// What a cut gains: above zero, on one scale for the whole tree.
    fn gain(cut: &Self::Cut) -> f64;

    /// The best cut of a leaf that may be cut; `None` where none gains enough.
    ///
    /// # Errors
    /// Those of the search.
    fn seek(&mut self, leaf: &Leaf, items: &[Item]) -> Result<Option<Self::Cut>>;

    /// Brings the items that go left to the front, and returns their number.
    fn part(&mut self, cut: &mut Self::Cut, items: &mut [Item], aside: &mut Vec<Item>) -> usize;

    /// Is shown the children of a node that was cut, before either is sought.
    fn parted(&mut self, _parent: usize, _children: [Child<'_>; 2]) {}
}

/// A node of a grown tree; children stand behind their parent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GrownNode<C> {
    pub(crate) cut: Option<C>,
    pub(crate) left: u32,
    pub(crate) right: u32,
    pub(crate) rows: u64,
    pub(crate) depth: u32,
}

/// A grown tree with the weight of every class at every node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grown<C> {
    pub(crate) nodes: Vec<GrownNode<C>>,
    pub(crate) n_classes: usize,
    /// Those of node `i` stand at `i * n_classes`, in units of weight.
    pub(crate) counts: Vec<i64>,
    /// The rows, those of one leaf side by side.
    pub(crate) rows: Vec<u32>,
    /// Node, start and end of the rows of every leaf, by node.
    pub(crate) segments: Vec<(usize, usize, usize)>,
}

impl<C> Grown<C> {
    pub(crate) fn counts(&self, node: usize) -> &[i64] {
        &self.counts[node * self.n_classes..(node + 1) * self.n_classes]
    }

    pub(crate) fn weight(&self, node: usize) -> i64 {
        self.counts(node).iter().sum()
    }

    pub(crate) fn share(&self, node: usize, class: usize) -> f64 {
        self.counts(node)[class] as f64 / self.weight(node) as f64
    }
}

/// A leaf that can be cut: by gain, then the lowest node.
struct Ranked<C>(f64, Leaf, C);

impl<C> PartialEq for Ranked<C> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl<C> Eq for Ranked<C> {}
impl<C> PartialOrd for Ranked<C> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<C> Ord for Ranked<C> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_gain = self.0.total_cmp(&other.0);
        by_gain.then(other.1.node.cmp(&self.1.node))
    }
}

/// A tree while it grows.
struct Growing<'g, G: Guide> {
    guide: &'g mut G,
    limits: &'g Limits,
    control: &'g Control,
    items: Vec<Item>,
    aside: Vec<Item>,
    grown: Grown<G::Cut>,
}

/// Grows a tree on items; `key` is what its draws depend on.
///
/// # Errors
/// Those of the guide; [`crate::error::ErrorKind::Cancelled`].
pub(crate) fn grow<G: Guide>(
    guide: &mut G,
    limits: &Limits,
    items: Vec<Item>,
    n_classes: usize,
    key: u64,
    control: &Control,
) -> Result<Grown<G::Cut>> {
    let n_rows = items.len();
    let mut growing = Growing {
        guide,
        limits,
        control,
        items,
        aside: Vec::new(),
        grown: Grown {
            nodes: Vec::new(),
            n_classes,
            counts: Vec::new(),
            rows: Vec::new(),
            segments: Vec::new(),
        },
    };
    let root = growing.open(0, 0..n_rows, key);
    match limits.reachable(n_rows) {
        Some(most) => growing.best_first(root, most)?,
        None => growing.depth_first(root)?,
    }
    let mut grown = growing.grown;
    grown.segments.sort_unstable();
    grown.rows = growing.items.iter().map(|item| item.row).collect();
    Ok(grown)
}

impl<G: Guide> Growing<'_, G> {
    fn best_first(&mut self, root: Leaf, most: usize) -> Result<()> {
        let mut heap = BinaryHeap::new();
        let mut n_leaves = 1;
        self.offer(root, &mut heap)?;
        while n_leaves < most {
            let Some(Ranked(_, parent, cut)) = heap.pop() else {
                break;
            };
            n_leaves += 1;
            for child in self.cut(parent, cut)? {
                if n_leaves < most {
                    self.offer(child, &mut heap)?;
                } else {
                    self.close(&child);
                }
            }
        }
        for Ranked(_, leaf, _) in heap {
            self.close(&leaf);
        }
        Ok(())
    }

    /// Ranks a leaf that can be cut, and closes any other.
    fn offer(&mut self, leaf: Leaf, heap: &mut BinaryHeap<Ranked<G::Cut>>) -> Result<()> {
        match self.seek(&leaf)? {
            Some(cut) => heap.push(Ranked(G::gain(&cut), leaf, cut)),
            None => self.close(&leaf),
        }
        Ok(())
    }

    fn depth_first(&mut self, root: Leaf) -> Result<()> {
        let mut stack = vec![root];
        while let Some(leaf) = stack.pop() {
            match self.seek(&leaf)? {
                Some(cut) => {
                    let [left, right] = self.cut(leaf, cut)?;
                    stack.push(right);
                    stack.push(left);
                }
                None => self.close(&leaf),
            }
        }
        Ok(())
    }

    fn seek(&mut self, leaf: &Leaf) -> Result<Option<G::Cut>> {
        if !self.limits.may_be_cut(leaf) {
            return Ok(None);
        }
        self.guide.seek(leaf, &self.items[leaf.start..leaf.end])
    }

    /// Cuts a leaf in two.
    fn cut(&mut self, parent: Leaf, mut cut: G::Cut) -> Result<[Leaf; 2]> {
        self.control.check()?;
        let items = &mut self.items[parent.start..parent.end];
        let n_left = self.guide.part(&mut cut, items, &mut self.aside);
        let middle = parent.start + n_left;
        let key = |side: usize| mix(parent.key ^ SIDES[side]);
        let left = self.open(parent.depth + 1, parent.start..middle, key(0));
        let right = self.open(parent.depth + 1, middle..parent.end, key(1));
        let node = &mut self.grown.nodes[parent.node];
        node.cut = Some(cut);
        (node.left, node.right) = (left.node as u32, right.node as u32);
        let (items, limits) = (&self.items, self.limits);
        let children = [&left, &right].map(|leaf| {
            let items = &items[leaf.start..leaf.end];
            (leaf, items, limits.may_be_cut(leaf))
        });
        self.guide.parted(parent.node, children);
        Ok([left, right])
    }

    /// A new leaf of these items.
    fn open(&mut self, depth: usize, range: std::ops::Range<usize>, key: u64) -> Leaf {
        let mut totals = vec![0_i64; self.grown.n_classes];
        for item in &self.items[range.clone()] {
            totals[item.class as usize] += item.weight;
        }
        let node = self.grown.nodes.len();
        self.grown.counts.extend_from_slice(&totals);
        self.grown.nodes.push(GrownNode {
            cut: None,
            left: 0,
            right: 0,
            rows: range.len() as u64,
            depth: depth as u32,
        });
        Leaf {
            node,
            depth,
            totals,
            key,
            start: range.start,
            end: range.end,
        }
    }

    fn close(&mut self, leaf: &Leaf) {
        let segment = (leaf.node, leaf.start, leaf.end);
        self.grown.segments.push(segment);
    }
}

/// Brings the items that go left to the front, both sides in their old order.
#[inline]
pub(crate) fn partition(
    items: &mut [Item],
    aside: &mut Vec<Item>,
    mut goes_left: impl FnMut(&Item) -> bool,
) -> usize {
    aside.resize(aside.len().max(items.len()), Item::default());
    let (mut n_left, mut n_right) = (0, 0);
    for at in 0..items.len() {
        let item = items[at];
        let left = goes_left(&item);
        // Both are written, one of them counts: no branch to guess.
        items[n_left] = item;
        aside[n_right] = item;
        n_left += usize::from(left);
        n_right += usize::from(!left);
    }
    items[n_left..].copy_from_slice(&aside[..n_right]);
    n_left
}
