//! Which leaf is cut next, and where: what growing a tree decides, given sums that others counted.
//!
//! Rows in memory and rows spread over shards count in their own ways and decide here, so that the
//! tree is the same.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::design::binned::{Binner, Bins, MISSING};
use crate::kernel::tree::flat::{NO_SET, Node, Tree};
use crate::kernel::tree::histogram::{SLOTS, Slot};
use crate::kernel::tree::partition::set_bit;
use crate::kernel::tree::quantise::{Scale, halves};
use crate::kernel::tree::split::{Asked, Cut, Limits, Place, best_cut};

/// How a tree grows; checked by the caller.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Growth {
    pub(crate) max_leaves: usize,
    pub(crate) max_depth: usize,
    pub(crate) min_leaf_rows: u64,
    pub(crate) min_leaf_weight: f64,
    pub(crate) min_gain: f64,
    pub(crate) l1: f64,
    pub(crate) l2: f64,
    /// Whether all leaves of a depth are cut before those below them.
    pub(crate) level_by_level: bool,
    pub(crate) monotone: Vec<i8>,
    pub(crate) interactions: Vec<Vec<u32>>,
}

/// A leaf while its tree grows.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub(crate) node: usize,
    pub(crate) depth: usize,
    pub(crate) rows: u64,
    pub(crate) cut: Option<Cut>,
    pub(crate) bounds: (f64, f64),
    /// Interaction groups that hold all features asked so far, and the features that these leave.
    features: Option<(Vec<bool>, Vec<bool>)>,
}

/// A tree while it grows.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) tree: Tree,
    /// Bins that go left at every inner node.
    pub(crate) by_bins: Vec<[u64; 4]>,
}

/// What a tree is grown by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) binner: &'a Binner,
    pub(crate) growth: &'a Growth,
}

/// A cut in the order of gains; on equal gains the first feature is the greater one.
struct Ranked {
    cut: Cut,
    /// Whether the rows of its sides were counted.
    exact: bool,
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Ranked {}
impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_gain = self.cut.gain.total_cmp(&other.cut.gain);
        by_gain.then(other.cut.feature.cmp(&self.cut.feature))
    }
}

/// Sums of all slots.
pub(crate) fn total(slots: &[Slot]) -> Slot {
    let mut total = Slot::default();
    for slot in slots {
        total.gradient += slot.gradient;
        total.curvature += slot.curvature;
    }
    total
}

impl Draft {
    /// A tree of one leaf.
    pub(crate) fn new(rows: u64) -> Self {
        let mut tree = Tree {
            n_outputs: 1,
            ..Tree::default()
        };
        tree.nodes.push(Node::leaf(0.0, rows));
        Self {
            tree,
            by_bins: vec![[0; 4]],
        }
    }

    /// The tree with the values (times `rate`) and covers of its leaves, given by node.
    pub(crate) fn finish(
        mut self,
        leaves: impl IntoIterator<Item = (usize, f64, f64)>,
        rate: f64,
    ) -> (Tree, Vec<[u64; 4]>) {
        let tree = &mut self.tree;
        tree.values = vec![0.0; tree.nodes.len()];
        for (node, value, cover) in leaves {
            tree.values[node] = value * rate;
            tree.nodes[node].cover = cover;
        }
        for at in (0..tree.nodes.len()).rev() {
            let node = tree.nodes[at];
            if !node.is_leaf() {
                tree.nodes[at].cover =
                    tree.nodes[node.left as usize].cover + tree.nodes[node.right as usize].cover;
            }
        }
        tree.average_inner();
        (self.tree, self.by_bins)
    }
}

/// Bins that go left, as bits.
pub(crate) fn left_bins(cut: &Cut) -> [u64; 4] {
    let mut bins = [0; 4];
    match cut.place {
        Place::Number(last) => {
            for bin in 0..=last {
                set_bit(&mut bins, bin, true);
            }
        }
        Place::Levels(levels) => bins = levels,
    }
    set_bit(&mut bins, MISSING, cut.missing_left == Some(true));
    bins
}

impl Rules<'_> {
    /// The leaf that a tree starts from.
    pub(crate) fn root(&self, rows: u64) -> Leaf {
        Leaf {
            node: 0,
            depth: 0,
            rows,
            cut: None,
            bounds: (f64::NEG_INFINITY, f64::INFINITY),
            features: None,
        }
    }

    /// Whether a cut of this leaf is worth looking for.
    pub(crate) fn may_be_cut(&self, leaf: &Leaf) -> bool {
        leaf.depth < self.growth.max_depth && leaf.rows >= 2 * self.growth.min_leaf_rows.max(1)
    }

    /// Whether one of two leaves, each with a cut, is cut before the other; on equal gains the first.
    pub(crate) fn goes_first(&self, a: (&Leaf, &Cut), b: (&Leaf, &Cut)) -> bool {
        let depth = |leaf: &Leaf| match self.growth.level_by_level {
            true => leaf.depth,
            false => 0,
        };
        let (at, other) = (depth(a.0), depth(b.0));
        at < other
            || (at == other
                && (a.1.gain > b.1.gain || (a.1.gain == b.1.gain && a.0.node < b.0.node)))
    }

    /// The place among open leaves of the one to cut next.
    pub(crate) fn next<'l>(&self, open: impl Iterator<Item = &'l Leaf>) -> Option<usize> {
        let mut best: Option<(usize, &Leaf, &Cut)> = None;
        for (place, leaf) in open.enumerate() {
            let Some(cut) = &leaf.cut else { continue };
            if best.is_none_or(|(_, other, its)| self.goes_first((leaf, cut), (other, its))) {
                best = Some((place, leaf, cut));
            }
        }
        best.map(|(place, _, _)| place)
    }

    /// Where missing values go that a cut says nothing of: with more of the rows. They are those to
    /// come, and rows whose gradient rounds to nothing.
    pub(crate) fn missing_goes_left(&self, n_left: u64, n_rows: u64) -> bool {
        2 * n_left >= n_rows
    }

    /// Cuts a leaf in two, `n_left` of its rows going left; where missing values go is settled.
    pub(crate) fn split(
        &self,
        draft: &mut Draft,
        parent: &Leaf,
        cut: &Cut,
        n_left: u64,
        scale: &Scale,
    ) -> [Leaf; 2] {
        let Draft { tree, by_bins } = draft;
        let missing_left = cut.missing_left.unwrap_or(false);
        let n_right = parent.rows - n_left;
        let feature = cut.feature as usize;
        let (left, right) = (tree.nodes.len(), tree.nodes.len() + 1);
        let (threshold, set) = match (cut.place, &self.binner.bins[feature]) {
            (Place::Number(bin), Bins::Number(edges)) => {
                let edge = edges.get(bin as usize).copied();
                (edge.unwrap_or(f64::MAX), NO_SET)
            }
            (Place::Levels(levels), _) => {
                tree.sets.push(levels);
                (0.0, tree.sets.len() as u32 - 1)
            }
            (Place::Number(bin), Bins::Levels { .. }) => (f64::from(bin), NO_SET),
        };
        by_bins[parent.node] = left_bins(cut);
        by_bins.extend([[0; 4]; 2]);
        tree.nodes[parent.node] = Node {
            feature: cut.feature,
            threshold,
            set,
            left: left as u32,
            right: right as u32,
            missing_left,
            gain: cut.gain,
            ..tree.nodes[parent.node]
        };
        tree.nodes.push(Node::leaf(0.0, n_left));
        tree.nodes.push(Node::leaf(0.0, n_right));
        self.children(parent, cut, [(left, n_left), (right, n_right)], scale)
    }

    /// The children of a cut leaf, by node and rows.
    pub(crate) fn children(
        &self,
        parent: &Leaf,
        cut: &Cut,
        sides: [(usize, u64); 2],
        scale: &Scale,
    ) -> [Leaf; 2] {
        let (left_bounds, right_bounds) = self.bounds(cut, parent.bounds, scale);
        let features = self.features(parent, cut.feature);
        let child = |(node, rows), bounds| Leaf {
            node,
            depth: parent.depth + 1,
            rows,
            cut: None,
            bounds,
            features: features.clone(),
        };
        [child(sides[0], left_bounds), child(sides[1], right_bounds)]
    }

    /// Bounds of the children: with a direction to keep, what is left of it stays below what is right.
    fn bounds(&self, cut: &Cut, bounds: (f64, f64), scale: &Scale) -> ((f64, f64), (f64, f64)) {
        let direction = self.direction(cut.feature);
        if direction == 0 {
            return (bounds, bounds);
        }
        let limits = self.limits(bounds);
        let value = |slot: Slot| {
            limits.value(
                slot.gradient as f64 * scale.gradient,
                slot.curvature as f64 * scale.curvature,
            )
        };
        let middle = (value(cut.left) + value(cut.right)) / 2.0;
        let (below, above) = ((bounds.0, middle), (middle, bounds.1));
        if direction > 0 {
            (below, above)
        } else {
            (above, below)
        }
    }

    fn direction(&self, feature: u32) -> i8 {
        self.growth
            .monotone
            .get(feature as usize)
            .copied()
            .unwrap_or(0)
    }

    /// Groups that hold all features asked so far, and what may be asked below a cut: their features.
    fn features(&self, parent: &Leaf, feature: u32) -> Option<(Vec<bool>, Vec<bool>)> {
        if self.growth.interactions.is_empty() {
            return None;
        }
        let mut groups: Vec<bool> = match &parent.features {
            Some((groups, _)) => groups.clone(),
            None => vec![true; self.growth.interactions.len()],
        };
        let mut left = vec![false; self.binner.bins.len()];
        left[feature as usize] = true;
        for (alive, group) in groups.iter_mut().zip(&self.growth.interactions) {
            *alive &= group.contains(&feature);
            if *alive {
                for member in group {
                    left[*member as usize] = true;
                }
            }
        }
        Some((groups, left))
    }

    /// Whether a leaf may be cut by a feature, the features drawn for the tree apart.
    pub(crate) fn may_ask(&self, leaf: &Leaf, feature: usize) -> bool {
        leaf.features.as_ref().is_none_or(|(_, left)| left[feature])
    }

    fn limits(&self, bounds: (f64, f64)) -> Limits {
        Limits {
            l1: self.growth.l1,
            l2: self.growth.l2,
            min_weight: self.growth.min_leaf_weight,
            min_gain: self.growth.min_gain,
            bounds,
        }
    }

    /// The best cut of a leaf by one feature; with the rows of every bin, one that leaves enough of
    /// them on both sides.
    pub(crate) fn best(
        &self,
        leaf: &Leaf,
        feature: usize,
        slots: &[Slot; SLOTS],
        total: Slot,
        rows: Option<&[u32; SLOTS]>,
        scale: &Scale,
    ) -> Option<Cut> {
        let asked = Asked {
            feature: feature as u32,
            slots,
            n_bins: self.binner.bins[feature].len(),
            levels: matches!(self.binner.bins[feature], Bins::Levels { .. }),
            monotone: self.direction(feature as u32),
            rows: rows.map(|rows| (rows, self.growth.min_leaf_rows.max(1))),
        };
        best_cut(asked, total, scale, &self.limits(leaf.bounds))
    }

    /// The best of the cuts that leaves enough rows on both sides; on equal gains the first feature.
    /// Where rows may be too few, `again` looks at its feature once more, with the rows of its bins.
    pub(crate) fn settle(
        &self,
        cuts: Vec<Cut>,
        mut again: impl FnMut(&Cut) -> Option<Cut>,
    ) -> Option<Cut> {
        let ranked = |cut| Ranked { cut, exact: false };
        let mut ranked: BinaryHeap<Ranked> = cuts.into_iter().map(ranked).collect();
        while let Some(Ranked { cut, exact }) = ranked.pop() {
            if exact || self.surely_enough(&cut) {
                return Some(cut);
            }
            if let Some(cut) = again(&cut) {
                ranked.push(Ranked { cut, exact: true });
            }
        }
        None
    }

    /// Whether the curvature on either side cannot come from too few rows.
    fn surely_enough(&self, cut: &Cut) -> bool {
        let least = self.growth.min_leaf_rows.max(1) as i64;
        let (largest, _) = halves(i64::from(131_071_u32) << 32);
        let smaller = cut.left.curvature.min(cut.right.curvature);
        smaller > (least - 1) * largest
    }

    /// The value of a leaf, before the rate, from its fine sums.
    pub(crate) fn value(
        &self,
        gradient: i64,
        curvature: i64,
        scale: &Scale,
        bounds: (f64, f64),
    ) -> f64 {
        self.limits(bounds).value(
            gradient as f64 * scale.fine_gradient,
            curvature as f64 * scale.fine_curvature,
        )
    }
}
