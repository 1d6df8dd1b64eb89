//! Trees for classes on features drawn at every node: those of forests.
//!
//! What is drawn at a node depends on the seed and the way from the root to it, never on the order of
//! visits: a limit of leaves that is not reached changes nothing but the numbers of nodes.

use crate::design::binned::{Binner, Bins, MISSING};
use crate::error::Result;
use crate::estimator::Control;
use crate::kernel::tree::class_grow::{self, Guide, Leaf, Limits, partition};
use crate::kernel::tree::class_histogram::{ClassBins, Columns, Counts, Item, count};
use crate::kernel::tree::class_search::{Asked, Shown};
use crate::kernel::tree::class_split::{Bounds, ClassCut, Impurity, Node as Searched};
use crate::kernel::tree::flat::{NO_SET, Node, Tree, holds};
use crate::kernel::tree::grow::Grown;
use crate::kernel::tree::partition::set_bit;
use crate::kernel::tree::split::Place;
use crate::numeric::parallel::map_each;
use crate::numeric::seed::{below, stream};

/// Features counted and searched as one task.
const BATCH: usize = 8;

/// Below so many additions a second thread costs more than it brings.
const WORTH_SHARING: usize = 40_000;

/// How a tree grows; checked by the caller.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClassGrowth {
    pub(crate) impurity: Impurity,
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
        }
    }

    /// Grows a tree on the rows of a weight above zero. Values of nodes are shares of the classes; gains
    /// and covers are in weights. `key` is what the draws of this tree depend on.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Cancelled`].
    pub(crate) fn grow(
        &mut self,
        rows: ClassRows<'_>,
        key: u64,
        control: &Control,
    ) -> Result<Grown> {
        let items: Vec<Item> = (0..self.columns.n_rows)
            .filter(|row| rows.weights[*row] > 0)
            .map(|row| Item {
                row: row as u32,
                class: rows.classes[row],
                weight: rows.weights[row],
            })
            .collect();
        self.order.clone_from(&self.features);
        let growth = self.growth;
        let min_weight = (growth.min_leaf_weight / rows.unit).ceil() as i64;
        let limits = Limits {
            max_depth: growth.max_depth,
            max_leaves: growth.max_leaves,
            min_leaf_rows: growth.min_leaf_rows,
            min_leaf_weight: min_weight,
            min_split_rows: growth.min_split_rows,
        };
        let heaviest = items.iter().map(|item| item.weight).max().unwrap_or(0);
        let mut drawing = Drawing {
            binner: self.binner,
            columns: self.columns,
            growth,
            share: self.share,
            order: &mut self.order,
            scratch: &mut self.scratch,
            bounds: Bounds {
                min_weight,
                min_rows: 0,
                min_gain: growth.min_gain / rows.unit,
                known_only: false,
            },
            heaviest,
        };
        let grown = class_grow::grow(&mut drawing, &limits, items, rows.n_classes, key, control)?;
        Ok(self.lay_out(grown, rows.unit))
    }

    /// A grown tree as plain data.
    fn lay_out(&self, grown: class_grow::Grown<ClassCut>, unit: f64) -> Grown {
        let n_classes = grown.n_classes as f64;
        let mut tree = Tree {
            n_outputs: grown.n_classes as u32,
            ..Tree::default()
        };
        let mut by_bins = vec![[0; 4]; grown.nodes.len()];
        for (at, node) in grown.nodes.iter().enumerate() {
            let weight = grown.weight(at);
            tree.nodes.push(Node::leaf(weight as f64 * unit, node.rows));
            let shares = grown.counts(at).iter().map(|part| match weight {
                0 => 1.0 / n_classes,
                weight => *part as f64 / weight as f64,
            });
            tree.values.extend(shares);
        }
        for (at, node) in grown.nodes.iter().enumerate() {
            let Some(cut) = &node.cut else { continue };
            let missing_left = goes_left_missing(cut);
            let mut bins = left_bins(cut);
            let (threshold, set) = match (cut.place, &self.binner.bins[cut.feature as usize]) {
                (Place::Levels(mut levels), _) => {
                    if missing_left {
                        for (word, absent) in levels.iter_mut().zip(cut.absent) {
                            *word |= absent;
                        }
                        bins = levels;
                        set_bit(&mut bins, MISSING, true);
                    }
                    tree.sets.push(levels);
                    (0.0, tree.sets.len() as u32 - 1)
                }
                (Place::Number(bin), Bins::Number(edges)) => {
                    let edge = edges.get(bin as usize).copied();
                    (edge.unwrap_or(f64::MAX), NO_SET)
                }
                (Place::Number(bin), Bins::Levels { .. }) => (f64::from(bin), NO_SET),
            };
            by_bins[at] = bins;
            tree.nodes[at] = Node {
                feature: cut.feature,
                threshold,
                set,
                left: node.left,
                right: node.right,
                missing_left,
                gain: cut.gain * unit,
                ..tree.nodes[at]
            };
        }
        Grown {
            tree,
            rows: grown.rows,
            segments: grown.segments,
            by_bins,
        }
    }
}

/// Where missing values go: to the heavier side if the node has none.
fn goes_left_missing(cut: &ClassCut) -> bool {
    cut.missing_left.unwrap_or(cut.sides[0] >= cut.sides[1])
}

/// Bins on the left of a cut, that of missing values among them.
fn left_bins(cut: &ClassCut) -> [u64; 4] {
    let mut bins = [0; 4];
    match cut.place {
        Place::Number(last) => (0..=last).for_each(|bin| set_bit(&mut bins, bin, true)),
        Place::Levels(levels) => bins = levels,
    }
    set_bit(&mut bins, MISSING, goes_left_missing(cut));
    bins
}

/// A grower on the rows of one tree.
struct Drawing<'g> {
    binner: &'g Binner,
    columns: &'g Columns,
    growth: &'g ClassGrowth,
    share: bool,
    order: &'g mut Vec<u32>,
    scratch: &'g mut Vec<Scratch>,
    bounds: Bounds,
    heaviest: i64,
}

impl Guide for Drawing<'_> {
    type Cut = ClassCut;

    fn gain(cut: &ClassCut) -> f64 {
        cut.gain
    }

    fn part(&mut self, cut: &mut ClassCut, items: &mut [Item], aside: &mut Vec<Item>) -> usize {
        let bins = left_bins(cut);
        let table: [bool; 256] = std::array::from_fn(|bin| holds(&bins, bin));
        match &self.columns.bins[cut.feature as usize] {
            ClassBins::Dense(bins) => {
                partition(items, aside, |item| table[bins[item.row as usize] as usize])
            }
            ClassBins::Listed(listed) => {
                let mut cursor = listed.cursor();
                partition(items, aside, |item| table[cursor.bin(item.row) as usize])
            }
        }
    }

    fn seek(&mut self, leaf: &Leaf, items: &[Item]) -> Result<Option<ClassCut>> {
        let least = self.growth.min_leaf_rows;
        let few = (items.len() as u64) < 16 * least;
        let cut = self.drawn(leaf, items, least > 1 && few);
        // A side heavier than so many rows can be has enough of them.
        let most = self.heaviest.saturating_mul(least as i64 - 1);
        let unsure = |cut: &ClassCut| least > 1 && !few && cut.lighter() <= most;
        Ok(match cut {
            Some(cut) if unsure(&cut) => self.drawn(leaf, items, true),
            cut => cut,
        })
    }
}

impl Drawing<'_> {
    /// The best cut of features drawn at a node.
    fn drawn(&mut self, leaf: &Leaf, items: &[Item], by_rows: bool) -> Option<ClassCut> {
        let bounds = Bounds {
            min_rows: if by_rows {
                self.growth.min_leaf_rows
            } else {
                0
            },
            ..self.bounds
        };
        let rows = items.len() as u64;
        let node = Searched::new(self.growth.impurity, &leaf.totals, rows, bounds);
        let n = self.order.len();
        let each = self.growth.features_per_node.clamp(1, n.max(1));
        if each == n {
            let features = std::mem::take(self.order);
            let cut = self.best(&node, &features, leaf, items, by_rows);
            *self.order = features;
            return cut;
        }
        // The front of `order` is shuffled as far as features are drawn, and put back after.
        let mut r = stream(leaf.key, 0);
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
            cut = self.best(&node, &features, leaf, items, by_rows);
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
        leaf: &Leaf,
        items: &[Item],
        by_rows: bool,
    ) -> Option<ClassCut> {
        let n_classes = leaf.totals.len();
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
                &leaf.totals,
                by_rows,
                counts,
            );
            room.cut = None;
            for (feature, counts) in features.iter().zip(counts) {
                let asked = Asked {
                    feature: *feature,
                    n_bins: n_bins(*feature),
                    levels: matches!(binner.bins[*feature as usize], Bins::Levels { .. }),
                };
                let shown = Shown { asked, counts };
                room.cut = if random {
                    let mut r = stream(leaf.key, 1 + u64::from(*feature));
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
}
