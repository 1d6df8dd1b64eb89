//! One tree for classes, from the root to its leaves.
//!
//! With a limit of leaves the leaf whose cut gains most is cut next (the lowest number on equal gains);
//! without one the order does not matter, and the tree is made depth first, left sides before right ones.
//! What is drawn at a node depends on the seed and the way from the root to it, never on the order of
//! visits: a limit of leaves that is not reached changes nothing but the numbers of nodes.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::design::binned::{Binner, Bins, MISSING};
use crate::kernel::tree::class_histogram::{ClassBins, Columns, Counts, Item, count};
use crate::kernel::tree::class_split::{ClassCut, Criterion, Node as Searched, Shown};
use crate::kernel::tree::flat::{NO_SET, Node, Tree, holds};
use crate::kernel::tree::grow::Grown;
use crate::kernel::tree::partition::set_bit;
use crate::kernel::tree::split::Place;
use crate::numeric::parallel::map_each;
use crate::numeric::seed::{below, mix, stream};

/// Features counted and searched as one task.
const BATCH: usize = 8;

/// Below so many additions a second thread costs more than it brings.
const WORTH_SHARING: usize = 40_000;

/// What tells a left child's draws from a right one's.
const SIDES: [u64; 2] = [0x6c65_6674, 0x7269_6768_7400];

/// How a tree grows; checked by the caller.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClassGrowth {
    pub(crate) criterion: Criterion,
    pub(crate) max_depth: usize,
    /// Best first up to it; `None` for no limit, depth first.
    pub(crate) max_leaves: Option<usize>,
    pub(crate) min_leaf_rows: u64,
    pub(crate) min_leaf_weight: f64,
    /// Nodes of fewer rows are not cut.
    pub(crate) min_split_rows: u64,
    /// Least decrease of impurity times weight; a cut must gain more.
    pub(crate) min_gain: f64,
    /// Features drawn at a node; where none of them can be cut, as many again are drawn.
    pub(crate) features_per_node: usize,
    /// One random cut a drawn feature instead of its best one.
    pub(crate) random_cuts: bool,
}

/// Classes and weights of all rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClassRows<'a> {
    pub(crate) classes: &'a [u32],
    /// Whole numbers of `unit`.
    pub(crate) weights: &'a [i64],
    pub(crate) unit: f64,
    pub(crate) n_classes: usize,
}

/// A leaf while its tree grows.
#[derive(Debug)]
struct Open {
    node: usize,
    depth: usize,
    start: usize,
    end: usize,
    totals: Vec<i64>,
    key: u64,
    cut: Option<ClassCut>,
}

/// By gain, then the lowest node.
#[derive(Debug)]
struct Ranked(f64, Open);

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
        let by_gain = self.0.total_cmp(&other.0);
        by_gain.then(other.1.node.cmp(&self.1.node))
    }
}

/// Room of one task.
#[derive(Debug)]
struct Scratch {
    counts: Vec<Counts>,
    left: Vec<i64>,
    cut: Option<ClassCut>,
}

/// Grows trees on one design.
#[derive(Debug)]
pub(crate) struct ClassGrower<'a> {
    binner: &'a Binner,
    columns: &'a Columns,
    growth: &'a ClassGrowth,
    /// Features that may be asked, in increasing order.
    features: Vec<u32>,
    /// Whether several threads work on one node: not where trees grow side by side.
    share: bool,
    order: Vec<u32>,
    scratch: Vec<Scratch>,
    aside: Vec<Item>,
}

/// A tree while it grows.
struct Growing<'r> {
    tree: Tree,
    by_bins: Vec<[u64; 4]>,
    items: Vec<Item>,
    rows: ClassRows<'r>,
    /// Least weight of a side in units.
    min_weight: i64,
    heaviest: i64,
    done: Vec<(usize, usize, usize)>,
}

impl<'a> ClassGrower<'a> {
    /// `features` are those that may be asked, in increasing order: the varying ones.
    pub(crate) fn new(
        binner: &'a Binner,
        columns: &'a Columns,
        growth: &'a ClassGrowth,
        features: Vec<u32>,
        share: bool,
    ) -> Self {
        Self {
            binner,
            columns,
            growth,
            features,
            share,
            order: Vec::new(),
            scratch: Vec::new(),
            aside: Vec::new(),
        }
    }

    /// Grows a tree on the rows of a weight above zero. Values of nodes are shares of the classes; gains
    /// and covers are in weights. `key` is what the draws of this tree depend on.
    pub(crate) fn grow(&mut self, rows: ClassRows<'_>, key: u64) -> Grown {
        let items: Vec<Item> = (0..self.columns.n_rows)
            .filter(|row| rows.weights[*row] > 0)
            .map(|row| Item {
                row: row as u32,
                class: rows.classes[row],
                weight: rows.weights[row],
            })
            .collect();
        self.order.clone_from(&self.features);
        let min_weight = (self.growth.min_leaf_weight / rows.unit).ceil();
        let mut growing = Growing {
            tree: Tree {
                n_outputs: rows.n_classes as u32,
                ..Tree::default()
            },
            by_bins: Vec::new(),
            rows,
            min_weight: min_weight as i64,
            heaviest: items.iter().map(|item| item.weight).max().unwrap_or(0),
            items,
            done: Vec::new(),
        };
        let root = growing.open(0, 0, growing.items.len(), key);
        match self.growth.max_leaves {
            Some(most) => self.best_first(&mut growing, root, most),
            None => self.depth_first(&mut growing, root),
        }
        growing.done.sort_unstable();
        Grown {
            tree: growing.tree,
            rows: growing.items.iter().map(|item| item.row).collect(),
            segments: growing.done,
            by_bins: growing.by_bins,
        }
    }

    fn best_first(&mut self, growing: &mut Growing<'_>, mut root: Open, most: usize) {
        let mut heap = BinaryHeap::new();
        let mut n_leaves = 1;
        self.seek(growing, &mut root);
        let offer = |heap: &mut BinaryHeap<Ranked>, open: Open, growing: &mut Growing<'_>| {
            match &open.cut {
                Some(cut) => heap.push(Ranked(cut.gain, open)),
                None => growing.close(&open),
            }
        };
        offer(&mut heap, root, growing);
        while n_leaves < most {
            let Some(Ranked(_, parent)) = heap.pop() else {
                break;
            };
            n_leaves += 1;
            for mut child in self.cut(growing, &parent).into_iter().flatten() {
                if n_leaves < most {
                    self.seek(growing, &mut child);
                }
                offer(&mut heap, child, growing);
            }
        }
        for Ranked(_, open) in heap {
            growing.close(&open);
        }
    }

    fn depth_first(&mut self, growing: &mut Growing<'_>, root: Open) {
        let mut stack = vec![root];
        while let Some(mut open) = stack.pop() {
            self.seek(growing, &mut open);
            match self.cut(growing, &open) {
                Some([left, right]) => {
                    stack.push(right);
                    stack.push(left);
                }
                None => growing.close(&open),
            }
        }
    }

    fn may_be_cut(&self, growing: &Growing<'_>, open: &Open) -> bool {
        let rows = (open.end - open.start) as u64;
        let least = 2 * self.growth.min_leaf_rows.max(1);
        let weight: i64 = open.totals.iter().sum();
        let classes = open.totals.iter().filter(|total| **total > 0).count();
        open.depth < self.growth.max_depth
            && rows >= self.growth.min_split_rows.max(least)
            && weight / 2 >= growing.min_weight
            && classes > 1
    }

    /// Finds the cut of a leaf.
    fn seek(&mut self, growing: &Growing<'_>, open: &mut Open) {
        if !self.may_be_cut(growing, open) {
            return;
        }
        let items = &growing.items[open.start..open.end];
        let least = self.growth.min_leaf_rows;
        let few = (items.len() as u64) < 16 * least;
        let cut = self.drawn(growing, open, items, least > 1 && few);
        // A side heavier than so many rows can be has enough of them.
        let unsure = |cut: &ClassCut| {
            let most = growing.heaviest.saturating_mul(least as i64 - 1);
            least > 1 && !few && cut.lighter <= most
        };
        open.cut = match cut {
            Some(cut) if unsure(&cut) => self.drawn(growing, open, items, true),
            cut => cut,
        };
    }

    /// The best cut of features drawn at a node.
    fn drawn(
        &mut self,
        growing: &Growing<'_>,
        open: &Open,
        items: &[Item],
        by_rows: bool,
    ) -> Option<ClassCut> {
        let min_rows = if by_rows {
            self.growth.min_leaf_rows
        } else {
            0
        };
        let node = Searched::new(
            self.growth.criterion,
            &open.totals,
            items.len() as u64,
            growing.min_weight,
            min_rows,
            self.growth.min_gain / growing.rows.unit,
        );
        let n = self.order.len();
        let each = self.growth.features_per_node.clamp(1, n.max(1));
        if each == n {
            let features = std::mem::take(&mut self.order);
            let cut = self.best(&node, &features, growing, open, items, by_rows);
            self.order = features;
            return cut;
        }
        // The front of `order` is shuffled as far as features are drawn, and put back after.
        let mut r = stream(open.key, 0);
        let mut swaps = Vec::with_capacity(each);
        let mut cut = None;
        while cut.is_none() && swaps.len() < n {
            let first = swaps.len();
            for at in first..(first + each).min(n) {
                let other = at + below(&mut r, n - at);
                self.order.swap(at, other);
                swaps.push(other);
            }
            let mut features = self.order[first..swaps.len()].to_vec();
            features.sort_unstable();
            cut = self.best(&node, &features, growing, open, items, by_rows);
        }
        for (at, other) in swaps.into_iter().enumerate().rev() {
            self.order.swap(at, other);
        }
        cut
    }

    /// The best cut of these features that gains enough.
    fn best(
        &mut self,
        node: &Searched<'_>,
        features: &[u32],
        growing: &Growing<'_>,
        open: &Open,
        items: &[Item],
        by_rows: bool,
    ) -> Option<ClassCut> {
        let n_classes = growing.rows.n_classes;
        let share = self.share && items.len().saturating_mul(features.len()) >= WORTH_SHARING;
        let wanted = if share {
            features.len().div_ceil(BATCH)
        } else {
            1
        };
        while self.scratch.len() < wanted {
            self.scratch.push(Scratch {
                counts: vec![Counts::new(n_classes); BATCH],
                left: vec![0; n_classes],
                cut: None,
            });
        }
        let (binner, columns, random) = (self.binner, self.columns, self.growth.random_cuts);
        let search = |features: &[u32], room: &mut Scratch| {
            let counts = &mut room.counts[..features.len()];
            let n_bins = |feature: u32| binner.bins[feature as usize].len();
            count(
                items,
                columns,
                features,
                n_bins,
                &open.totals,
                by_rows,
                counts,
            );
            room.cut = None;
            for (feature, counts) in features.iter().zip(counts) {
                let shown = Shown {
                    feature: *feature,
                    counts,
                    n_bins: n_bins(*feature),
                    levels: matches!(binner.bins[*feature as usize], Bins::Levels { .. }),
                };
                room.cut = if random {
                    let mut r = stream(open.key, 1 + u64::from(*feature));
                    node.random_cut(shown, room.cut, &mut room.left, &mut r)
                } else {
                    node.best_cut(shown, room.cut, &mut room.left)
                };
                counts.clear(n_classes);
            }
        };
        let mut best = None;
        if share {
            let rooms = self.scratch.iter_mut();
            let mut tasks: Vec<_> = features.chunks(BATCH).zip(rooms).collect();
            map_each(&mut tasks, true, |_, (features, room)| {
                search(features, room)
            });
            for (_, room) in tasks {
                best = node.better(best, room.cut);
            }
        } else if let Some(room) = self.scratch.first_mut() {
            for features in features.chunks(BATCH) {
                search(features, room);
                best = node.better(best, room.cut);
            }
        }
        best.filter(|cut| node.pays(cut))
    }

    /// Cuts a leaf in two; `None` where it has no cut.
    fn cut(&mut self, growing: &mut Growing<'_>, parent: &Open) -> Option<[Open; 2]> {
        let cut = parent.cut?;
        let mut bins = [0; 4];
        match cut.place {
            Place::Number(last) => (0..=last).for_each(|bin| set_bit(&mut bins, bin, true)),
            Place::Levels(levels) => bins = levels,
        }
        set_bit(&mut bins, MISSING, cut.missing_left == Some(true));
        let table: [bool; 256] = std::array::from_fn(|bin| holds(&bins, bin));
        let segment = &mut growing.items[parent.start..parent.end];
        let aside = &mut self.aside;
        let n_left = match &self.columns.bins[cut.feature as usize] {
            ClassBins::Dense(bins) => partition(segment, aside, |item| {
                table[bins[item.row as usize] as usize]
            }),
            ClassBins::Listed(listed) => {
                let mut cursor = listed.cursor();
                partition(segment, aside, |item| table[cursor.bin(item.row) as usize])
            }
        };
        let middle = parent.start + n_left;
        let key = |side: usize| mix(parent.key ^ SIDES[side]);
        let left = growing.open(parent.depth + 1, parent.start, middle, key(0));
        let right = growing.open(parent.depth + 1, middle, parent.end, key(1));
        let weights = [&left, &right].map(|open| open.totals.iter().sum::<i64>());
        let missing_left = cut.missing_left.unwrap_or(weights[0] >= weights[1]);
        set_bit(&mut bins, MISSING, missing_left);
        let (threshold, set) = match (cut.place, &self.binner.bins[cut.feature as usize]) {
            (Place::Levels(mut levels), _) => {
                if missing_left {
                    for (word, absent) in levels.iter_mut().zip(cut.absent) {
                        *word |= absent;
                    }
                    bins = levels;
                    set_bit(&mut bins, MISSING, true);
                }
                growing.tree.sets.push(levels);
                (0.0, growing.tree.sets.len() as u32 - 1)
            }
            (Place::Number(bin), Bins::Number(edges)) => {
                let edge = edges.get(bin as usize).copied();
                (edge.unwrap_or(f64::MAX), NO_SET)
            }
            (Place::Number(bin), Bins::Levels { .. }) => (f64::from(bin), NO_SET),
        };
        growing.by_bins[parent.node] = bins;
        growing.tree.nodes[parent.node] = Node {
            feature: cut.feature,
            threshold,
            set,
            left: left.node as u32,
            right: right.node as u32,
            missing_left,
            gain: cut.gain * growing.rows.unit,
            ..growing.tree.nodes[parent.node]
        };
        Some([left, right])
    }
}

impl Growing<'_> {
    /// A new leaf of these items.
    fn open(&mut self, depth: usize, start: usize, end: usize, key: u64) -> Open {
        let mut totals = vec![0_i64; self.rows.n_classes];
        for item in &self.items[start..end] {
            totals[item.class as usize] += item.weight;
        }
        let weight: i64 = totals.iter().sum();
        let node = self.tree.nodes.len();
        let cover = weight as f64 * self.rows.unit;
        self.tree
            .nodes
            .push(Node::leaf(cover, (end - start) as u64));
        self.by_bins.push([0; 4]);
        let n_classes = totals.len() as f64;
        self.tree.values.extend(totals.iter().map(|total| {
            if weight > 0 {
                *total as f64 / weight as f64
            } else {
                1.0 / n_classes
            }
        }));
        Open {
            node,
            depth,
            start,
            end,
            totals,
            key,
            cut: None,
        }
    }

    fn close(&mut self, open: &Open) {
        self.done.push((open.node, open.start, open.end));
    }
}

/// Brings the items that go left to the front, both sides in their old order.
#[inline]
fn partition(
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
