//! The best cut of a node among all features, whose bins stand side by side in groups.
//!
//! ```text
//!   two classes:   root counted -> smaller child counted, larger = parent - smaller -> ...
//!   else:          every node counted
//! ```
//!
//! Sums are whole numbers: what is subtracted is what would be counted.

use std::collections::BTreeMap;

use crate::design::binned::{BinnedDesign, GROUP};
use crate::kernel::tree::class_grow::{Child, Leaf};
use crate::kernel::tree::class_histogram::{Counts, Item, SLOTS, count_group};
use crate::kernel::tree::class_pairs::{MOST_PAIRED, Pairs, count_pairs, subtract};
use crate::kernel::tree::class_search::{Asked, Shown};
use crate::kernel::tree::class_split::{Bounds, ClassCut, Impurity, Node};
use crate::numeric::parallel::{map_each, map_tasks};

/// Below so many additions a second thread costs more than it brings.
const WORTH_SHARING: usize = 1 << 16;

/// Nodes of fewer rows are counted, not subtracted: they fill few of their bins.
const FEW_ROWS: usize = SLOTS / 2;

/// Bytes that kept sums may take, for each growing tree.
const MOST_KEPT: usize = 64 << 20;

/// How cuts are sought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Seeking {
    pub(crate) impurity: Impurity,
    pub(crate) min_leaf_rows: u64,
    /// In units of weight; a cut must gain more.
    pub(crate) min_gain: f64,
    /// Whether a feature is judged by the rows that have it.
    pub(crate) known_only: bool,
}

/// Sums of all groups of a node of two classes.
type Sums = Vec<Box<Pairs>>;

/// Searches the nodes of one tree.
#[derive(Debug)]
pub(crate) struct AllFeatures<'a> {
    design: &'a BinnedDesign,
    /// By feature, its number of bins and whether they are levels.
    bins: &'a [(usize, bool)],
    seeking: Seeking,
    n_classes: usize,
    heaviest: i64,
    /// Whether two classes are counted in one word.
    paired: bool,
    /// By node that may yet be cut or whose children may.
    kept: BTreeMap<usize, Sums>,
    spare: Vec<Sums>,
    /// Room where one thread works.
    room: Option<Box<[Counts; GROUP]>>,
}

impl<'a> AllFeatures<'a> {
    /// For a tree on these items.
    pub(crate) fn new(
        design: &'a BinnedDesign,
        bins: &'a [(usize, bool)],
        seeking: Seeking,
        n_classes: usize,
        items: &[Item],
    ) -> Self {
        let weights = || items.iter().map(|item| item.weight);
        let total = weights().fold(0_i64, i64::saturating_add);
        Self {
            design,
            bins,
            seeking,
            n_classes,
            heaviest: weights().max().unwrap_or(0),
            paired: n_classes == 2 && total < MOST_PAIRED,
            kept: BTreeMap::new(),
            spare: Vec::new(),
            room: None,
        }
    }

    /// The best cut of a node; what was counted for it is kept where it has one.
    pub(crate) fn seek(&mut self, leaf: &Leaf, items: &[Item]) -> Option<ClassCut> {
        let least = self.seeking.min_leaf_rows;
        let few = (items.len() as u64) < 16 * least;
        // Rows of one weight are counted by their weight.
        let told = least <= 1 || self.heaviest <= 1;
        let first = self.search(leaf, items, !told && few);
        // A side heavier than so many rows can be has enough of them.
        let most = self.heaviest.saturating_mul(least as i64 - 1);
        let cut = match first {
            Some(cut) if !told && !few && cut.lighter() <= most => self.search(leaf, items, true),
            cut => cut,
        };
        if cut.is_none()
            && let Some(sums) = self.kept.remove(&leaf.node)
        {
            self.spare.push(sums);
        }
        cut
    }

    fn search(&mut self, leaf: &Leaf, items: &[Item], by_rows: bool) -> Option<ClassCut> {
        let least = self.seeking.min_leaf_rows;
        let bounds = Bounds {
            min_weight: if self.heaviest <= 1 { least as i64 } else { 0 },
            min_rows: if by_rows { least } else { 0 },
            min_gain: self.seeking.min_gain,
            known_only: self.seeking.known_only,
        };
        let rows = items.len() as u64;
        let node = Node::new(self.seeking.impurity, &leaf.totals, rows, bounds);
        let kept = self.kept.contains_key(&leaf.node);
        let best = if self.paired && !by_rows && (kept || items.len() >= FEW_ROWS) {
            self.by_pairs(&node, leaf, items)
        } else {
            self.by_counts(&node, items, by_rows)
        };
        best.filter(|cut| node.pays(cut))
    }

    fn asked(bins: &[(usize, bool)], feature: usize) -> Asked {
        let (n_bins, levels) = bins[feature];
        Asked {
            feature: feature as u32,
            n_bins,
            levels,
        }
    }

    fn shared(&self, n_items: usize) -> bool {
        n_items.saturating_mul(self.bins.len()) >= WORTH_SHARING
    }

    fn by_pairs(&mut self, node: &Node<'_>, leaf: &Leaf, items: &[Item]) -> Option<ClassCut> {
        let known = self.kept.remove(&leaf.node);
        let count = known.is_none();
        let mut sums = known.unwrap_or_else(|| self.empty());
        let share = if count {
            self.shared(items.len())
        } else {
            // Bins are looked at, not rows.
            self.shared(SLOTS)
        };
        let (groups, bins) = (&self.design.groups, self.bins);
        let mut tasks: Vec<(&mut Pairs, Option<ClassCut>)> =
            sums.iter_mut().map(|part| (&mut **part, None)).collect();
        map_each(&mut tasks, share, |group, (part, best)| {
            if count {
                count_pairs(items, &groups[group], part);
            }
            let mut room = Counts::new(2);
            let first = group * GROUP;
            for (lane, feature) in (first..bins.len().min(first + GROUP)).enumerate() {
                let asked = Self::asked(bins, feature);
                *best = node.best_pair_cut(asked, &part[lane], *best, &mut room);
            }
        });
        let found = tasks.into_iter().map(|(_, best)| best);
        let best = found.fold(None, |a, b| node.better(a, b));
        if self.may_keep() {
            self.kept.insert(leaf.node, sums);
        } else {
            self.spare.push(sums);
        }
        best
    }

    fn by_counts(&mut self, node: &Node<'_>, items: &[Item], by_rows: bool) -> Option<ClassCut> {
        let (groups, bins, n_classes) = (&self.design.groups, self.bins, self.n_classes);
        let search = |group: usize, room: &mut [Counts; GROUP]| {
            let first = group * GROUP;
            // What fills up the last group is all in one bin.
            let n_bins = |lane: usize| bins.get(first + lane).map_or(1, |(n_bins, _)| *n_bins);
            count_group(items, &groups[group], n_bins, n_classes, by_rows, room);
            let mut left = vec![0; n_classes];
            let mut best = None;
            for (lane, counts) in room.iter_mut().enumerate() {
                if first + lane < bins.len() {
                    let asked = Self::asked(bins, first + lane);
                    let shown = Shown { asked, counts };
                    best = node.best_cut(shown, best, &mut left);
                }
                counts.clear(n_classes);
            }
            best
        };
        let empty = || Box::new(std::array::from_fn(|_| Counts::new(n_classes)));
        if self.shared(items.len()) {
            let found = map_tasks(groups.len(), |group| search(group, &mut empty()));
            return found.into_iter().fold(None, |a, b| node.better(a, b));
        }
        let room = self.room.get_or_insert_with(empty);
        (0..groups.len()).fold(None, |best, group| node.better(best, search(group, room)))
    }

    /// Hands the sums of a node on to its children that may be cut.
    pub(crate) fn parted(&mut self, parent: usize, children: [Child<'_>; 2]) {
        let Some(mut sums) = self.kept.remove(&parent) else {
            return;
        };
        let [left, right] = children;
        let (small, large) = if left.1.len() <= right.1.len() {
            (left, right)
        } else {
            (right, left)
        };
        let wanted = |(_, items, may): Child<'_>| may && items.len() >= FEW_ROWS;
        if !wanted(large) {
            // Neither is the small one.
            self.spare.push(sums);
            return;
        }
        let mut counted = self.empty();
        let groups = &self.design.groups;
        let mut tasks: Vec<(&mut Pairs, &mut Pairs)> = (sums.iter_mut().zip(&mut counted))
            .map(|(parent, child)| (&mut **parent, &mut **child))
            .collect();
        let share = self.shared(small.1.len());
        map_each(&mut tasks, share, |group, (parent, child)| {
            count_pairs(small.1, &groups[group], child);
            subtract(parent, child);
        });
        self.kept.insert(large.0.node, sums);
        if wanted(small) && self.may_keep() {
            self.kept.insert(small.0.node, counted);
        } else {
            self.spare.push(counted);
        }
    }

    fn may_keep(&self) -> bool {
        let bytes = self.design.groups.len() * size_of::<Pairs>();
        (self.kept.len() + 1).saturating_mul(bytes) <= MOST_KEPT
    }

    /// Sums of a node, holding whatever they held.
    fn empty(&mut self) -> Sums {
        let n_groups = self.design.groups.len();
        let new = || (0..n_groups).map(|_| Box::new([[0; SLOTS]; GROUP]));
        self.spare.pop().unwrap_or_else(|| new().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::binned::MISSING;
    use crate::error::Result;
    use crate::estimator::Control;
    use crate::kernel::tree::class_grow::{Guide, Limits, grow, partition};
    use crate::kernel::tree::flat::holds;
    use crate::kernel::tree::split::Place;
    use crate::numeric::seed::{below, stream, uniform};

    /// Grows on all features; `forget` makes every node count anew.
    struct Twin<'a> {
        all: AllFeatures<'a>,
        forget: bool,
        subtracted: usize,
    }

    impl Guide for Twin<'_> {
        type Cut = ClassCut;

        fn gain(cut: &ClassCut) -> f64 {
            cut.gain
        }

        fn seek(&mut self, leaf: &Leaf, items: &[Item]) -> Result<Option<ClassCut>> {
            if self.forget {
                self.all.kept.clear();
            }
            self.subtracted += usize::from(self.all.kept.contains_key(&leaf.node));
            Ok(self.all.seek(leaf, items))
        }

        fn part(&mut self, cut: &mut ClassCut, items: &mut [Item], aside: &mut Vec<Item>) -> usize {
            let feature = cut.feature as usize;
            partition(items, aside, |item| {
                match self.all.design.bin(feature, item.row as usize) {
                    MISSING => cut.missing_left.unwrap_or(false),
                    bin => match cut.place {
                        Place::Number(last) => bin <= last,
                        Place::Levels(set) => holds(&set, usize::from(bin)),
                    },
                }
            })
        }

        fn parted(&mut self, parent: usize, children: [Child<'_>; 2]) {
            self.all.parted(parent, children);
        }
    }

    fn data(n: usize, weights: usize) -> (BinnedDesign, Vec<(usize, bool)>, Vec<Item>) {
        let mut r = stream(8, 1);
        let bins: Vec<(usize, bool)> = (0..11)
            .map(|feature| ([3, 40, 255, 9][feature % 4], feature % 5 == 4))
            .collect();
        let mut groups: Vec<Vec<[u8; GROUP]>> = vec![Vec::new(); 2];
        let mut items = Vec::new();
        for row in 0..n {
            let mut score = 0.0;
            let mut of_row = [[0_u8; GROUP]; 2];
            for (feature, (n_bins, _)) in bins.iter().enumerate() {
                let bin = below(&mut r, *n_bins);
                score += bin as f64 / *n_bins as f64 * uniform(&mut r);
                let missing = uniform(&mut r) < 0.1;
                of_row[feature / GROUP][feature % GROUP] =
                    if missing { MISSING } else { bin as u8 };
            }
            for (group, bins) in groups.iter_mut().zip(of_row) {
                group.push(bins);
            }
            items.push(Item {
                row: row as u32,
                class: u32::from(score > 2.9),
                weight: 1 + below(&mut r, weights) as i64,
            });
        }
        let design = BinnedDesign {
            n_rows: n,
            n_features: bins.len(),
            groups,
        };
        (design, bins, items)
    }

    #[test]
    fn kept_sums_are_counted_sums() {
        let limits = Limits {
            max_depth: 12,
            max_leaves: None,
            min_leaf_rows: 5,
            min_leaf_weight: 0,
            min_split_rows: 2,
        };
        for (weights, known_only, impurity) in [
            (1, false, Impurity::Gini),
            (1, true, Impurity::Gini),
            (4, false, Impurity::Gini),
            (4, true, Impurity::Entropy),
            (1, false, Impurity::Entropy),
        ] {
            let (design, bins, items) = data(3_000, weights);
            let seeking = Seeking {
                impurity,
                min_leaf_rows: 5,
                min_gain: 0.0,
                known_only,
            };
            let plant = |forget: bool, paired: bool, max_leaves: Option<usize>| {
                let mut all = AllFeatures::new(&design, &bins, seeking, 2, &items);
                assert!(all.paired);
                all.paired = paired;
                let (mut twin, limits) = (
                    Twin {
                        all,
                        forget,
                        subtracted: 0,
                    },
                    Limits {
                        max_leaves,
                        ..limits.clone()
                    },
                );
                let control = Control::silent();
                let grown = grow(&mut twin, &limits, items.clone(), 2, 0, &control).unwrap();
                assert!(
                    grown
                        .nodes
                        .iter()
                        .all(|node| node.cut.is_some() || node.rows >= 5)
                );
                (grown, twin.subtracted)
            };
            for most in [None, Some(20)] {
                let (tree, subtracted) = plant(false, true, most);
                assert!(tree.nodes.len() > 30 && subtracted > 5, "{subtracted}");
                assert_eq!(tree, plant(true, true, most).0);
                assert_eq!(tree, plant(false, false, most).0);
            }
        }
    }
}
