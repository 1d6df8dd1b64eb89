//! One tree on rows in memory, from the root to its leaves: what is counted; [`decide`] says what of.
//!
//! [`decide`]: crate::kernel::tree::decide

use crate::design::binned::{Binner, GROUP, MISSING};
use crate::design::bundle::{Bundles, CODES, Panel};
use crate::kernel::tree::decide::{Draft, Growth, Leaf, Rules, left_bins, total};
use crate::kernel::tree::flat::Tree;
use crate::kernel::tree::histogram::{Histogram, Part, SLOTS, Slot, add, count, spread, subtract};
use crate::kernel::tree::listed::{ByRow, ListedSums, Slots, Spread};
use crate::kernel::tree::partition::{partition, set_bit};
use crate::kernel::tree::quantise::{Quantised, Scale};
use crate::kernel::tree::split::Cut;
use crate::numeric::parallel::{map_each, map_tasks, threads};

/// Below so many additions a second thread costs more than it brings.
const WORTH_SHARING: usize = 200_000;

/// Fewer rows are not counted by stretches: adding those up would cost more.
const STRETCH_ROWS: usize = 4_096;

/// A leaf of so many rows keeps all threads busy by itself.
const ALONE_ROWS: usize = 262_144;

/// Most leaves that are worked out at a time: some of them may never be cut.
const MOST_AHEAD: usize = 4;

/// Listed features searched as one task.
const SEARCHED: usize = 1_024;

/// Most stretches of a node, times panels: bounds the memory that their sums take.
const MOST_STRETCHES: usize = 64;

/// A leaf while its tree grows, with where its rows are.
#[derive(Debug)]
struct Open {
    leaf: Leaf,
    start: usize,
    end: usize,
    histogram: Option<Histogram>,
    /// Its children, once they are worked out; its rows then stand as theirs.
    children: Option<Box<[Open; 2]>>,
}

/// What working out children needs.
#[derive(Debug)]
struct Scratch {
    /// Sums to use again.
    counted: Option<Histogram>,
    aside: Vec<u32>,
}

/// A grown tree and where its rows went.
#[derive(Debug)]
pub(crate) struct Grown {
    pub(crate) tree: Tree,
    /// The rows, those of one leaf side by side.
    pub(crate) rows: Vec<u32>,
    /// Node, start and end of rows of one leaf, in rising order; a leaf may have two of them.
    pub(crate) segments: Vec<(usize, usize, usize)>,
    /// Cut of every inner node by bins: for rows whose bins are at hand.
    pub(crate) by_bins: Vec<[u64; 4]>,
}

/// The parts of a histogram that each panel counts into.
fn by_panel<'a>(
    bundles: &'a Bundles,
    parts: &'a mut [Box<Part>],
) -> Vec<(&'a Panel, Vec<&'a mut Part>)> {
    let mut parts = parts.iter_mut().map(|part| &mut **part);
    let of_panel = |panel: &'a Panel| (panel, parts.by_ref().take(panel.groups.len()).collect());
    bundles.panels.iter().map(of_panel).collect()
}

/// Grows trees on one design.
#[derive(Debug)]
pub(crate) struct Grower<'a> {
    rules: Rules<'a>,
    bundles: &'a Bundles,
    /// Entries of listed features.
    listed: ByRow,
    /// Histograms to use again.
    pool: Vec<Histogram>,
    /// Rows on their way, to use again.
    asides: Vec<Vec<u32>>,
}

impl<'a> Grower<'a> {
    pub(crate) fn new(binner: &'a Binner, bundles: &'a Bundles, growth: &'a Growth) -> Self {
        let n_bins = |feature: usize| binner.bins[feature].len();
        Self {
            rules: Rules { binner, growth },
            listed: ByRow::new(bundles.n_rows, &bundles.listed, n_bins),
            bundles,
            pool: Vec::new(),
            asides: Vec::new(),
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
        let rules = self.rules;
        let n_rows = rows.len() as u64;
        let mut draft = Draft::new(n_rows);
        let mut root = Open {
            leaf: rules.root(n_rows),
            start: 0,
            end: rows.len(),
            histogram: None,
            children: None,
        };
        if rules.may_be_cut(&root.leaf) && rules.growth.max_leaves > 1 {
            let mut histogram = self.histogram();
            let [cuts, _] = self.pass(
                &mut histogram,
                None,
                &rows,
                [Some(&root.leaf), None],
                quantised,
                allowed,
            );
            root.leaf.cut = self.settle(cuts, &root.leaf, &histogram, quantised, &rows);
            root.histogram = Some(histogram);
        }
        let mut open = vec![root];
        while open.len() < rules.growth.max_leaves {
            let Some(next) = rules.next(open.iter().map(|open| &open.leaf)) else {
                break;
            };
            if open[next].children.is_none() {
                self.prepare(&mut open, &mut rows, quantised, allowed);
            }
            let parent = open.swap_remove(next);
            open.extend(self.cut(parent, &mut draft, &quantised.scale));
        }
        open.sort_by_key(|open| open.leaf.node);
        let values = map_tasks(open.len(), |index| {
            let Open {
                leaf, start, end, ..
            } = &open[index];
            self.value(&rows[*start..*end], quantised, weights, leaf)
        });
        let nodes: Vec<usize> = open.iter().map(|open| open.leaf.node).collect();
        let mut segments = Vec::with_capacity(open.len());
        for open in open {
            self.pool.extend(open.histogram);
            // Rows stand in rising order on either side of a cut that was worked out in vain.
            let middle = open.children.as_ref().map_or(open.end, |pair| pair[0].end);
            for child in open.children.into_iter().flat_map(|pair| pair.into_iter()) {
                self.pool.extend(child.histogram);
            }
            segments.push((open.leaf.node, open.start, middle));
            if middle < open.end {
                segments.push((open.leaf.node, middle, open.end));
            }
        }
        let valued = nodes.into_iter().zip(values);
        let valued = valued.map(|(node, (value, cover))| (node, value, cover));
        let (tree, by_bins) = draft.finish(valued, rate);
        Grown {
            tree,
            rows,
            segments,
            by_bins,
        }
    }

    fn histogram(&mut self) -> Histogram {
        self.pool.pop().unwrap_or_else(|| Histogram {
            listed: self.listed.sums(),
            ..Histogram::new(self.bundles.n_groups())
        })
    }

    /// Counts the rows into `counted`, takes that from `parent`, and finds the best cut of
    /// every feature on either side that asks: all in one go, group by group.
    fn pass(
        &self,
        counted: &mut Histogram,
        parent: Option<&mut Histogram>,
        rows: &[u32],
        asking: [Option<&Leaf>; 2],
        quantised: &Quantised,
        allowed: &[bool],
    ) -> [Vec<Cut>; 2] {
        type Task<'t> = (&'t mut Part, Option<&'t mut Part>, [Vec<Cut>; 2]);
        let Histogram { parts, listed } = counted;
        let (mut parent, listed_parent) = match parent {
            Some(Histogram { parts, listed }) => (Some(parts.iter_mut()), Some(listed)),
            None => (None, None),
        };
        let sides = (listed, listed_parent);
        let mut found = self.pass_listed(sides, rows, asking, quantised, allowed);
        let (bundles, words) = (self.bundles, &quantised.words);
        let share = (rows.len() + 4 * CODES) * bundles.columns.len() >= WORTH_SHARING;
        let stretches = match self.n_stretches(rows.len()) {
            1 => Vec::new(),
            n => self.count_stretches(rows, words, n),
        };
        // Few rows, but enough for two threads: a group is counted by the thread that searches it.
        let by_group = stretches.is_empty() && share && bundles.panels.len() < threads();
        if stretches.is_empty() && !by_group {
            let mut tasks = by_panel(bundles, parts);
            map_each(&mut tasks, share, |_, (panel, out)| {
                count(bundles, panel, panel.groups.clone(), rows, words, out);
            });
        }
        let mut tasks: Vec<Task<'_>> = parts
            .iter_mut()
            .map(|part| {
                let parent = parent.as_mut().and_then(Iterator::next);
                (
                    &mut **part,
                    parent.map(|part| &mut **part),
                    [Vec::new(), Vec::new()],
                )
            })
            .collect();
        map_each(&mut tasks, share, |group, (counted, parent, cuts)| {
            if let Some((first, others)) = stretches.split_first() {
                counted.copy_from_slice(&*first.parts[group]);
                for other in others {
                    add(counted, &other.parts[group], bundles.lanes(group));
                }
            } else if by_group {
                let panel = bundles.panel_of(group);
                count(
                    bundles,
                    panel,
                    group..group + 1,
                    rows,
                    words,
                    &mut [counted],
                );
            }
            if let Some(parent) = parent {
                subtract(parent, counted, bundles.lanes(group));
            }
            let sides = [Some(&**counted), parent.as_deref()];
            for ((side, leaf), cuts) in sides.into_iter().zip(asking).zip(cuts) {
                if let (Some(part), Some(leaf)) = (side, leaf) {
                    self.search(group, part, leaf, &quantised.scale, allowed, cuts);
                }
            }
        });
        for (_, _, cuts) in tasks {
            for (all, cuts) in found.iter_mut().zip(cuts) {
                all.extend(cuts);
            }
        }
        found
    }

    /// The same for listed features, sums and parent's sums given; the cuts of either side.
    fn pass_listed(
        &self,
        (counted, parent): (&mut ListedSums, Option<&mut ListedSums>),
        rows: &[u32],
        asking: [Option<&Leaf>; 2],
        quantised: &Quantised,
        allowed: &[bool],
    ) -> [Vec<Cut>; 2] {
        let features = &self.listed.features;
        if features.is_empty() {
            return [Vec::new(), Vec::new()];
        }
        self.listed.count(rows, &quantised.words, counted);
        let parent = parent.map(|parent| {
            parent.subtract(counted);
            &*parent
        });
        let sides = [Some(&*counted), parent];
        let mut tasks: Vec<(&[Slots], [Vec<Cut>; 2])> = features
            .chunks(SEARCHED)
            .map(|features| (features, [Vec::new(), Vec::new()]))
            .collect();
        map_each(&mut tasks, true, |_, (features, cuts)| {
            for ((sums, leaf), cuts) in sides.into_iter().zip(asking).zip(cuts) {
                if let (Some(sums), Some(leaf)) = (sums, leaf) {
                    self.search_listed(features, sums, leaf, &quantised.scale, allowed, cuts);
                }
            }
        });
        let mut found = [Vec::new(), Vec::new()];
        for (_, cuts) in tasks {
            for (all, cuts) in found.iter_mut().zip(cuts) {
                all.extend(cuts);
            }
        }
        found
    }

    /// Whether so many rows of `all` may be one side of a cut, and all others the other one.
    fn enough(&self, rows: u64, all: u64) -> bool {
        let least = self.rules.growth.min_leaf_rows.max(1);
        rows >= least && all - rows >= least
    }

    fn search_listed(
        &self,
        features: &[Slots],
        sums: &ListedSums,
        leaf: &Leaf,
        scale: &Scale,
        allowed: &[bool],
        cuts: &mut Vec<Cut>,
    ) {
        let mut spread = Spread::new();
        for of in features {
            let feature = of.feature as usize;
            // One side of any cut has none but listed rows: too few of them, and none is made.
            let listed = sums.rows(of);
            let all = if of.is_flag() { leaf.rows } else { u64::MAX };
            if !self.enough(listed, all) || !allowed[feature] || !self.rules.may_ask(leaf, feature)
            {
                continue;
            }
            spread.set(of, sums, leaf.rows);
            let (slots, total) = (&spread.slots, sums.total);
            cuts.extend(self.rules.best(leaf, feature, slots, total, None, scale));
            spread.clear(of);
        }
    }

    /// In how many stretches rows are counted; whole numbers add up to the same in any of them.
    fn n_stretches(&self, n_rows: usize) -> usize {
        let wanted = match threads() {
            1 => 1,
            n => 2 * n,
        };
        let most = (MOST_STRETCHES / self.bundles.panels.len().max(1)).min(wanted);
        (n_rows / STRETCH_ROWS).min(most).max(1)
    }

    /// Sums of all columns over stretches of rows, each on its own.
    fn count_stretches(&self, rows: &[u32], words: &[i64], n: usize) -> Vec<Histogram> {
        let length = rows.len().div_ceil(n);
        let mut stretches: Vec<Histogram> = (0..n)
            .map(|_| Histogram::new(self.bundles.n_groups()))
            .collect();
        let mut tasks = Vec::new();
        for (histogram, rows) in stretches.iter_mut().zip(rows.chunks(length)) {
            let of_panels = by_panel(self.bundles, &mut histogram.parts).into_iter();
            tasks.extend(of_panels.map(|(panel, out)| (panel, rows, out)));
        }
        map_each(&mut tasks, true, |_, (panel, rows, out)| {
            count(self.bundles, panel, panel.groups.clone(), rows, words, out);
        });
        stretches
    }

    /// Works out the children of the leaf to cut next, and beside it those of leaves that will most
    /// likely follow: small ones are cheaper one to a thread than one after the other by all threads.
    fn prepare(
        &mut self,
        open: &mut [Open],
        rows: &mut [u32],
        quantised: &Quantised,
        allowed: &[bool],
    ) {
        let rules = self.rules;
        // Cuts still to be made; what the last one leaves is not cut again.
        let left = rules.growth.max_leaves - open.len();
        let mut chosen: Vec<usize> = Vec::new();
        while chosen.len() < left.min(threads()).min(MOST_AHEAD) {
            let waits = |place: usize, open: &Open| {
                open.children.is_none()
                    && !chosen.contains(&place)
                    && (chosen.is_empty() || open.end - open.start < ALONE_ROWS)
            };
            let places: Vec<usize> = (0..open.len())
                .filter(|place| waits(*place, &open[*place]))
                .collect();
            let Some(best) = rules.next(places.iter().map(|place| &open[*place].leaf)) else {
                break;
            };
            let place = places[best];
            chosen.push(place);
            if open[place].end - open[place].start >= ALONE_ROWS {
                break;
            }
        }
        let mut tasks: Vec<(&mut Open, &mut [u32], Scratch)> = Vec::new();
        let mut chosen: Vec<&mut Open> = open
            .iter_mut()
            .enumerate()
            .filter(|(place, _)| chosen.contains(place))
            .map(|(_, open)| open)
            .collect();
        chosen.sort_by_key(|open| open.start);
        let (mut rest, mut passed) = (rows, 0);
        for open in chosen {
            let (_, from) = rest.split_at_mut(open.start - passed);
            let (segment, after) = from.split_at_mut(open.end - open.start);
            (rest, passed) = (after, open.end);
            let scratch = Scratch {
                counted: Some(self.histogram()),
                aside: self.asides.pop().unwrap_or_default(),
            };
            tasks.push((open, segment, scratch));
        }
        let several = tasks.len() > 1;
        map_each(&mut tasks, several, |_, (open, rows, scratch)| {
            self.halve(open, rows, scratch, left > 1, quantised, allowed);
        });
        for (_, _, scratch) in tasks {
            self.asides.push(scratch.aside);
            self.pool.extend(scratch.counted);
        }
    }

    /// Parts the rows of a leaf and, if `counting`, finds the best cuts of both sides.
    fn halve(
        &self,
        open: &mut Open,
        rows: &mut [u32],
        scratch: &mut Scratch,
        counting: bool,
        quantised: &Quantised,
        allowed: &[bool],
    ) {
        let Some(cut) = &mut open.leaf.cut else {
            return;
        };
        let rules = self.rules;
        let mut goes_left = left_bins(cut);
        let feature = cut.feature as usize;
        let mut n_left = partition(self.bundles, feature, &goes_left, rows, &mut scratch.aside);
        if cut.missing_left.is_none() {
            let goes = rules.missing_goes_left(n_left as u64, rows.len() as u64);
            cut.missing_left = Some(goes);
            let missing = match self.listed.of(feature) {
                Some(slots) => slots.missing,
                None => self.bundles.places[feature].missing,
            };
            let is_missing = |row: &u32| self.bundles.bin(feature, *row as usize) == MISSING;
            if goes && missing && rows[n_left..].iter().any(is_missing) {
                // Rows are sent in rising order, and stand in it on either side.
                rows.sort_unstable();
                set_bit(&mut goes_left, MISSING, true);
                n_left = partition(self.bundles, feature, &goes_left, rows, &mut scratch.aside);
            }
        }
        let cut = *cut;
        let middle = open.start + n_left;
        let sizes = [n_left, rows.len() - n_left];
        let sides = sizes.map(|size| (0, size as u64));
        let [left, right] = rules.children(&open.leaf, &cut, sides, &quantised.scale);
        let child = |leaf, start, end| Open {
            leaf,
            start,
            end,
            histogram: None,
            children: None,
        };
        let mut children = [
            child(left, open.start, middle),
            child(right, middle, open.end),
        ];
        let wanted = [0, 1].map(|side: usize| rules.may_be_cut(&children[side].leaf));
        let parent = match &mut open.histogram {
            Some(histogram) if counting && wanted != [false, false] => histogram,
            _ => {
                open.children = Some(Box::new(children));
                return;
            }
        };
        // The smaller child is counted, the other one is what is left of the parent.
        let (of_left, of_right) = rows.split_at(n_left);
        let of_side = [of_left, of_right];
        let small = usize::from(n_left > sizes[1]);
        let ask = |place: usize| wanted[place].then_some(&children[place].leaf);
        let Some(mut counted) = scratch.counted.take() else {
            return;
        };
        let [of_small, of_large] = self.pass(
            &mut counted,
            Some(parent),
            of_side[small],
            [ask(small), ask(1 - small)],
            quantised,
            allowed,
        );
        let rest = std::mem::take(parent);
        open.histogram = None;
        for (place, histogram, cuts) in [(small, counted, of_small), (1 - small, rest, of_large)] {
            let child = &mut children[place];
            if wanted[place] {
                let rows = of_side[place];
                child.leaf.cut = self.settle(cuts, &child.leaf, &histogram, quantised, rows);
            }
            child.histogram = Some(histogram);
        }
        open.children = Some(Box::new(children));
    }

    /// Cuts a leaf whose children are worked out.
    fn cut(&mut self, parent: Open, draft: &mut Draft, scale: &Scale) -> Vec<Open> {
        self.pool.extend(parent.histogram);
        let (Some(cut), Some(mut children)) = (parent.leaf.cut, parent.children) else {
            return Vec::new();
        };
        let n_left = (children[0].end - children[0].start) as u64;
        let leaves = self.rules.split(draft, &parent.leaf, &cut, n_left, scale);
        for (child, leaf) in children.iter_mut().zip(leaves) {
            let cut = child.leaf.cut;
            child.leaf = leaf;
            child.leaf.cut = cut;
            if child.leaf.cut.is_none() {
                self.pool.extend(child.histogram.take());
            }
        }
        children.into_iter().collect()
    }

    /// The best cuts of the features of one group.
    fn search(
        &self,
        group: usize,
        part: &Part,
        leaf: &Leaf,
        scale: &Scale,
        allowed: &[bool],
        cuts: &mut Vec<Cut>,
    ) {
        // Every row has a code in every column: any one of them adds up to the node.
        let total = total(&part[0]);
        let mut slots = [Slot::default(); SLOTS];
        let lanes = self.bundles.lanes(group);
        for (lane, column) in part.iter().enumerate().take(lanes) {
            let (n_codes, features) = &self.bundles.columns[group * GROUP + lane];
            for feature in features {
                let feature = *feature as usize;
                if !allowed[feature] || !self.rules.may_ask(leaf, feature) {
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
                cuts.extend(self.rules.best(leaf, feature, slots, total, None, scale));
            }
        }
    }

    /// The best of the cuts that leaves enough of the rows on both sides.
    fn settle(
        &self,
        cuts: Vec<Cut>,
        leaf: &Leaf,
        histogram: &Histogram,
        quantised: &Quantised,
        rows: &[u32],
    ) -> Option<Cut> {
        let mut room = Spread::new();
        self.rules.settle(cuts, |cut| {
            let feature = cut.feature as usize;
            let scale = &quantised.scale;
            if let Some(of) = self.listed.of(feature) {
                let n_rows = rows.len() as u64;
                if of.is_flag() {
                    // It has no other cut, and its rows are known.
                    let enough = self.enough(histogram.listed.rows(of), n_rows);
                    return enough.then_some(*cut);
                }
                room.set(of, &histogram.listed, n_rows);
                let (slots, counts) = (&room.slots, Some(&room.rows));
                let total = histogram.listed.total;
                let cut = self.rules.best(leaf, feature, slots, total, counts, scale);
                room.clear(of);
                return cut;
            }
            let mut counts = [0; SLOTS];
            for row in rows {
                counts[self.bundles.bin(feature, *row as usize) as usize] += 1;
            }
            let at = self.bundles.places[feature];
            let column = at.column as usize;
            let sums = &histogram.parts[column / GROUP][column % GROUP];
            let mut slots = [Slot::default(); SLOTS];
            spread(sums, self.bundles.columns[column].0, at, &mut slots);
            let total = total(sums);
            self.rules
                .best(leaf, feature, &slots, total, Some(&counts), scale)
        })
    }

    /// Value (before the rate) and cover of a leaf.
    fn value(
        &self,
        rows: &[u32],
        quantised: &Quantised,
        weights: Option<(&[i64], f64)>,
        leaf: &Leaf,
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
        (self.rules.value(g, h, &quantised.scale, leaf.bounds), cover)
    }
}
