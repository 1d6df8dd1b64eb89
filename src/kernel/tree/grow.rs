//! One tree, from the root to its leaves.

use crate::design::binned::{Binner, Bins, GROUP, MISSING};
use crate::design::bundle::{Bundles, CODES};
use crate::kernel::tree::flat::{NO_SET, Node, Tree};
use crate::kernel::tree::histogram::{Histogram, Part, SLOTS, Slot, count, spread, subtract};
use crate::kernel::tree::partition::{PARTITION_ROWS, partition, set_bit};
use crate::kernel::tree::quantise::{Quantised, Scale, halves};
use crate::kernel::tree::split::{Asked, Cut, Limits, Place, best_cut};
use crate::numeric::parallel::{map_each, map_tasks};

/// Below so many additions a second thread costs more than it brings.
const WORTH_SHARING: usize = 20_000;

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
#[derive(Debug)]
struct Open {
    node: usize,
    depth: usize,
    start: usize,
    end: usize,
    histogram: Option<Histogram>,
    cut: Option<Cut>,
    bounds: (f64, f64),
    /// Interaction groups that hold all features asked so far, and the features that these leave.
    features: Option<(Vec<bool>, Vec<bool>)>,
}

/// A grown tree and where its rows went.
#[derive(Debug)]
pub(crate) struct Grown {
    pub(crate) tree: Tree,
    /// The rows, those of one leaf side by side.
    pub(crate) rows: Vec<u32>,
    /// Node, start and end of every leaf.
    pub(crate) leaves: Vec<(usize, usize, usize)>,
    /// Cut of every inner node by bins: for rows whose bins are at hand.
    pub(crate) by_bins: Vec<[u64; 4]>,
}

/// Grows trees on one design.
#[derive(Debug)]
pub(crate) struct Grower<'a> {
    binner: &'a Binner,
    bundles: &'a Bundles,
    growth: &'a Growth,
    /// Histograms to use again.
    pool: Vec<Histogram>,
    words: Vec<i64>,
    aside: Vec<u32>,
}

impl<'a> Grower<'a> {
    pub(crate) fn new(binner: &'a Binner, bundles: &'a Bundles, growth: &'a Growth) -> Self {
        Self {
            binner,
            bundles,
            growth,
            pool: Vec::new(),
            words: Vec::new(),
            aside: Vec::new(),
        }
    }

    /// Grows a tree on `rows` with the features that `allowed` leaves; values of leaves are steps
    /// times `rate`, `weights` are whole numbers.
    pub(crate) fn grow(
        &mut self,
        quantised: &Quantised,
        weights: Option<(&[i64], f64)>,
        mut rows: Vec<u32>,
        allowed: &[bool],
        rate: f64,
    ) -> Grown {
        let mut tree = Tree {
            n_outputs: 1,
            ..Tree::default()
        };
        let mut by_bins = Vec::new();
        tree.nodes.push(Node::leaf(0.0, rows.len() as u64));
        by_bins.push([0; 4]);
        let mut root = Open {
            node: 0,
            depth: 0,
            start: 0,
            end: rows.len(),
            histogram: None,
            cut: None,
            bounds: (f64::NEG_INFINITY, f64::INFINITY),
            features: None,
        };
        if self.may_be_cut(&root) && self.growth.max_leaves > 1 {
            let mut histogram = self.histogram();
            self.gather(quantised, &rows);
            let [cuts, _] = self.pass(
                &mut histogram,
                None,
                &rows,
                [Some(&root), None],
                quantised,
                allowed,
            );
            root.cut = self.settle(cuts, &root, &histogram, quantised, &rows, allowed);
            root.histogram = Some(histogram);
        }
        let mut open = vec![root];
        while open.len() < self.growth.max_leaves {
            let Some(next) = self.next(&open) else { break };
            let parent = open.swap_remove(next);
            let last = open.len() + 2 >= self.growth.max_leaves;
            let children = self.cut(
                parent,
                &mut tree,
                &mut by_bins,
                &mut rows,
                quantised,
                allowed,
                last,
            );
            open.extend(children);
        }
        open.sort_by_key(|leaf| leaf.node);
        tree.values = vec![0.0; tree.nodes.len()];
        let values = map_tasks(open.len(), |index| {
            let leaf = &open[index];
            self.value(&rows[leaf.start..leaf.end], quantised, weights, leaf.bounds)
        });
        let mut leaves = Vec::with_capacity(open.len());
        for (leaf, (value, cover)) in open.into_iter().zip(values) {
            self.pool.extend(leaf.histogram);
            tree.values[leaf.node] = value * rate;
            tree.nodes[leaf.node].cover = cover;
            leaves.push((leaf.node, leaf.start, leaf.end));
        }
        for at in (0..tree.nodes.len()).rev() {
            let node = tree.nodes[at];
            if !node.is_leaf() {
                tree.nodes[at].cover =
                    tree.nodes[node.left as usize].cover + tree.nodes[node.right as usize].cover;
            }
        }
        tree.average_inner();
        Grown {
            tree,
            rows,
            leaves,
            by_bins,
        }
    }

    /// The open leaf to cut next; on equal gains the first.
    fn next(&self, open: &[Open]) -> Option<usize> {
        let mut best: Option<(usize, usize, f64, usize)> = None;
        for (place, leaf) in open.iter().enumerate() {
            let Some(cut) = &leaf.cut else { continue };
            let depth = if self.growth.level_by_level {
                leaf.depth
            } else {
                0
            };
            let better = best.is_none_or(|(best_depth, node, gain, _)| {
                depth < best_depth
                    || (depth == best_depth
                        && (cut.gain > gain || (cut.gain == gain && leaf.node < node)))
            });
            if better {
                best = Some((depth, leaf.node, cut.gain, place));
            }
        }
        best.map(|(_, _, _, place)| place)
    }

    fn may_be_cut(&self, leaf: &Open) -> bool {
        let rows = (leaf.end - leaf.start) as u64;
        leaf.depth < self.growth.max_depth && rows >= 2 * self.growth.min_leaf_rows.max(1)
    }

    fn histogram(&mut self) -> Histogram {
        let n_groups = self.bundles.groups.len();
        self.pool.pop().unwrap_or_else(|| Histogram::new(n_groups))
    }

    fn gather(&mut self, quantised: &Quantised, rows: &[u32]) {
        self.words.resize(rows.len(), 0);
        let words = self.words.chunks_mut(PARTITION_ROWS);
        let mut parts: Vec<_> = words.zip(rows.chunks(PARTITION_ROWS)).collect();
        map_each(&mut parts, true, |_, (words, rows)| {
            for (word, row) in words.iter_mut().zip(rows.iter()) {
                *word = quantised.words[*row as usize];
            }
        });
    }

    /// Counts the gathered rows into `counted`, takes that from `parent`, and finds the best cut of
    /// every feature on either side that asks: all in one go, group by group.
    fn pass(
        &self,
        counted: &mut Histogram,
        parent: Option<&mut Histogram>,
        rows: &[u32],
        asking: [Option<&Open>; 2],
        quantised: &Quantised,
        allowed: &[bool],
    ) -> [Vec<Cut>; 2] {
        type Task<'t> = (&'t mut Part, Option<&'t mut Part>, [Vec<Cut>; 2]);
        let mut parents = parent.map(|parent| parent.parts.iter_mut());
        let mut tasks: Vec<Task<'_>> = counted
            .parts
            .iter_mut()
            .map(|part| {
                let parent = parents.as_mut().and_then(Iterator::next);
                (
                    &mut **part,
                    parent.map(|part| &mut **part),
                    [Vec::new(), Vec::new()],
                )
            })
            .collect();
        let n_columns = self.bundles.columns.len();
        let share = (rows.len() + 4 * CODES) * n_columns >= WORTH_SHARING;
        map_each(&mut tasks, share, |group, (counted, parent, cuts)| {
            count(self.bundles, group, rows, &self.words, counted);
            if let Some(parent) = parent {
                subtract(parent, counted, self.bundles.lanes(group));
            }
            let sides = [Some(&**counted), parent.as_deref()];
            for ((side, leaf), cuts) in sides.into_iter().zip(asking).zip(cuts) {
                if let (Some(part), Some(leaf)) = (side, leaf) {
                    self.search(group, part, leaf, &quantised.scale, allowed, cuts);
                }
            }
        });
        let mut found = [Vec::new(), Vec::new()];
        for (_, _, cuts) in tasks {
            for (all, cuts) in found.iter_mut().zip(cuts) {
                all.extend(cuts);
            }
        }
        found
    }

    /// Cuts a leaf in two.
    #[expect(
        clippy::too_many_arguments,
        reason = "all of them are the state of one tree"
    )]
    fn cut(
        &mut self,
        parent: Open,
        tree: &mut Tree,
        by_bins: &mut Vec<[u64; 4]>,
        rows: &mut [u32],
        quantised: &Quantised,
        allowed: &[bool],
        last: bool,
    ) -> Vec<Open> {
        let Some(cut) = parent.cut else {
            return vec![parent];
        };
        let feature = cut.feature as usize;
        let left_bins = self.left_bins(&cut);
        let segment = &mut rows[parent.start..parent.end];
        let n_left = partition(self.bundles, feature, &left_bins, segment, &mut self.aside);
        let middle = parent.start + n_left;
        let missing_left = cut.missing_left.unwrap_or(n_left * 2 >= segment.len());
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
        let mut bins = left_bins;
        set_bit(&mut bins, MISSING, missing_left);
        by_bins[parent.node] = bins;
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
        tree.nodes.push(Node::leaf(0.0, n_left as u64));
        tree.nodes
            .push(Node::leaf(0.0, (parent.end - middle) as u64));
        let (left_bounds, right_bounds) = self.bounds(&cut, parent.bounds, &quantised.scale);
        let features = self.features(&parent, cut.feature);
        let child = |node, start, end, bounds| Open {
            node,
            depth: parent.depth + 1,
            start,
            end,
            histogram: None,
            cut: None,
            bounds,
            features: features.clone(),
        };
        let mut children = vec![
            child(left, parent.start, middle, left_bounds),
            child(right, middle, parent.end, right_bounds),
        ];
        let wanted = [self.may_be_cut(&children[0]), self.may_be_cut(&children[1])];
        let Some(mut histogram) = parent.histogram else {
            return children;
        };
        if last || wanted == [false, false] {
            self.pool.push(histogram);
            return children;
        }
        // The smaller child is counted, the other one is what is left of the parent.
        let small = usize::from(n_left * 2 > parent.end - parent.start);
        let mut counted = self.histogram();
        let (start, end) = (children[small].start, children[small].end);
        self.gather(quantised, &rows[start..end]);
        let ask = |place: usize| wanted[place].then_some(&children[place]);
        let [of_small, of_large] = self.pass(
            &mut counted,
            Some(&mut histogram),
            &rows[start..end],
            [ask(small), ask(1 - small)],
            quantised,
            allowed,
        );
        let sides = [(small, counted, of_small), (1 - small, histogram, of_large)];
        for (place, histogram, cuts) in sides {
            if wanted[place] {
                let child = &children[place];
                let part = &rows[child.start..child.end];
                let cut = self.settle(cuts, child, &histogram, quantised, part, allowed);
                children[place].cut = cut;
                children[place].histogram = Some(histogram);
            } else {
                self.pool.push(histogram);
            }
        }
        children
    }

    /// Bins that go left, as bits.
    fn left_bins(&self, cut: &Cut) -> [u64; 4] {
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
    fn features(&self, parent: &Open, feature: u32) -> Option<(Vec<bool>, Vec<bool>)> {
        if self.growth.interactions.is_empty() {
            return None;
        }
        let mut groups: Vec<bool> = match &parent.features {
            Some((groups, _)) => groups.clone(),
            None => vec![true; self.growth.interactions.len()],
        };
        let mut left = vec![false; self.bundles.places.len()];
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

    fn limits(&self, bounds: (f64, f64)) -> Limits {
        Limits {
            l1: self.growth.l1,
            l2: self.growth.l2,
            min_weight: self.growth.min_leaf_weight,
            min_gain: self.growth.min_gain,
            bounds,
        }
    }

    /// The best cuts of the features of one group.
    fn search(
        &self,
        group: usize,
        part: &Part,
        leaf: &Open,
        scale: &Scale,
        allowed: &[bool],
        cuts: &mut Vec<Cut>,
    ) {
        // Every row has a code in every column: any one of them adds up to the node.
        let mut total = Slot::default();
        for slot in &part[0] {
            total.gradient += slot.gradient;
            total.curvature += slot.curvature;
        }
        let mut slots = [Slot::default(); SLOTS];
        let lanes = self.bundles.lanes(group);
        for (lane, column) in part.iter().enumerate().take(lanes) {
            let (n_codes, features) = &self.bundles.columns[group * GROUP + lane];
            for feature in features {
                let feature = *feature as usize;
                let barred = leaf
                    .features
                    .as_ref()
                    .is_some_and(|(_, left)| !left[feature]);
                if !allowed[feature] || barred {
                    continue;
                }
                let place = self.bundles.places[feature];
                let own = place.size as usize == *n_codes && !place.missing;
                let slots = if own {
                    column
                } else {
                    spread(column, *n_codes, place, &mut slots);
                    &slots
                };
                let asked = self.asked(feature, slots, None);
                cuts.extend(best_cut(asked, total, scale, &self.limits(leaf.bounds)));
            }
        }
    }

    fn asked<'s>(
        &self,
        feature: usize,
        slots: &'s [Slot; SLOTS],
        counts: Option<&'s [u32; SLOTS]>,
    ) -> Asked<'s> {
        Asked {
            feature: feature as u32,
            slots,
            n_bins: self.binner.bins[feature].len(),
            levels: matches!(self.binner.bins[feature], Bins::Levels { .. }),
            monotone: self.direction(feature as u32),
            rows: counts.map(|counts| (counts, self.growth.min_leaf_rows.max(1))),
        }
    }

    /// The best of the cuts that leaves enough rows on both sides; on equal gains the first feature.
    fn settle(
        &self,
        mut cuts: Vec<Cut>,
        leaf: &Open,
        histogram: &Histogram,
        quantised: &Quantised,
        rows: &[u32],
        allowed: &[bool],
    ) -> Option<Cut> {
        debug_assert!(cuts.iter().all(|cut| allowed[cut.feature as usize]));
        let mut exact = vec![false; self.bundles.places.len()];
        loop {
            let place = (0..cuts.len()).reduce(|best, place| {
                let (a, b) = (&cuts[best], &cuts[place]);
                let better = b.gain > a.gain || (b.gain == a.gain && b.feature < a.feature);
                if better { place } else { best }
            })?;
            let best = cuts[place];
            let feature = best.feature as usize;
            if exact[feature] || self.surely_enough(&best) {
                return Some(best);
            }
            // Its rows may be too few: count them, and look again at this feature.
            let mut counts = [0; SLOTS];
            for row in rows {
                counts[self.bundles.bin(feature, *row as usize) as usize] += 1;
            }
            exact[feature] = true;
            let at = self.bundles.places[feature];
            let column = at.column as usize;
            let sums = &histogram.parts[column / GROUP][column % GROUP];
            let mut total = Slot::default();
            for slot in sums {
                total.gradient += slot.gradient;
                total.curvature += slot.curvature;
            }
            let mut slots = [Slot::default(); SLOTS];
            spread(sums, self.bundles.columns[column].0, at, &mut slots);
            let asked = self.asked(feature, &slots, Some(&counts));
            match best_cut(asked, total, &quantised.scale, &self.limits(leaf.bounds)) {
                Some(cut) => cuts[place] = cut,
                None => {
                    cuts.swap_remove(place);
                }
            }
        }
    }

    /// Whether the curvature on either side cannot come from too few rows.
    fn surely_enough(&self, cut: &Cut) -> bool {
        let least = self.growth.min_leaf_rows.max(1) as i64;
        let (largest, _) = halves(i64::from(131_071_u32) << 32);
        let smaller = cut.left.curvature.min(cut.right.curvature);
        smaller > (least - 1) * largest
    }

    /// Value (before the rate) and cover of a leaf.
    fn value(
        &self,
        rows: &[u32],
        quantised: &Quantised,
        weights: Option<(&[i64], f64)>,
        bounds: (f64, f64),
    ) -> (f64, f64) {
        let (mut g, mut h, mut w) = (0_i64, 0_i64, 0_i64);
        for row in rows {
            let (gradient, curvature) = quantised.fine[*row as usize];
            g += gradient;
            h += curvature;
        }
        let cover = match weights {
            None => rows.len() as f64,
            Some((weights, unit)) => {
                for row in rows {
                    w += weights[*row as usize];
                }
                w as f64 * unit
            }
        };
        let scale = &quantised.scale;
        let value = self.limits(bounds).value(
            g as f64 * scale.fine_gradient,
            h as f64 * scale.fine_curvature,
        );
        (value, cover)
    }
}
