//! One tree on rows in memory, from the root to its leaves: what is counted; [`decide`] says what of.
//!
//! [`decide`]: crate::kernel::tree::decide

use crate::design::binned::{Binner, GROUP, MISSING};
use crate::design::bundle::{Bundles, CODES, Panel};
use crate::kernel::tree::decide::{Draft, Growth, Leaf, Rules, left_bins, total};
use crate::kernel::tree::flat::Tree;
use crate::kernel::tree::histogram::{Histogram, Part, SLOTS, Slot, add, count, spread, subtract};
use crate::kernel::tree::partition::{PARTITION_ROWS, partition, set_bit};
use crate::kernel::tree::quantise::{Quantised, Scale};
use crate::kernel::tree::split::Cut;
use crate::numeric::parallel::{map_each, map_tasks, threads};

/// Below so many additions a second thread costs more than it brings.
const WORTH_SHARING: usize = 20_000;

/// Fewer rows are not counted by stretches: adding those up would cost more.
const STRETCH_ROWS: usize = 4_096;

/// Most stretches of a node, times panels: bounds the memory that their sums take.
const MOST_STRETCHES: usize = 64;

/// A leaf while its tree grows, with where its rows are.
#[derive(Debug)]
struct Open {
    leaf: Leaf,
    start: usize,
    end: usize,
    histogram: Option<Histogram>,
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

/// The parts of a histogram that each panel counts into.
fn by_panel<'a>(
    bundles: &'a Bundles,
    histogram: &'a mut Histogram,
) -> Vec<(&'a Panel, Vec<&'a mut Part>)> {
    let mut parts = histogram.parts.iter_mut().map(|part| &mut **part);
    let of_panel = |panel: &'a Panel| (panel, parts.by_ref().take(panel.groups.len()).collect());
    bundles.panels.iter().map(of_panel).collect()
}

/// Grows trees on one design.
#[derive(Debug)]
pub(crate) struct Grower<'a> {
    rules: Rules<'a>,
    bundles: &'a Bundles,
    /// Histograms to use again.
    pool: Vec<Histogram>,
    words: Vec<i64>,
    aside: Vec<u32>,
}

impl<'a> Grower<'a> {
    pub(crate) fn new(binner: &'a Binner, bundles: &'a Bundles, growth: &'a Growth) -> Self {
        Self {
            rules: Rules { binner, growth },
            bundles,
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
        let rules = self.rules;
        let n_rows = rows.len() as u64;
        let mut draft = Draft::new(n_rows);
        let mut root = Open {
            leaf: rules.root(n_rows),
            start: 0,
            end: rows.len(),
            histogram: None,
        };
        if rules.may_be_cut(&root.leaf) && rules.growth.max_leaves > 1 {
            let mut histogram = self.histogram();
            self.gather(quantised, &rows);
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
            let parent = open.swap_remove(next);
            let last = open.len() + 2 >= rules.growth.max_leaves;
            let children = self.cut(parent, &mut draft, &mut rows, quantised, allowed, last);
            open.extend(children);
        }
        open.sort_by_key(|open| open.leaf.node);
        let values = map_tasks(open.len(), |index| {
            let Open {
                leaf, start, end, ..
            } = &open[index];
            self.value(&rows[*start..*end], quantised, weights, leaf)
        });
        let mut leaves = Vec::with_capacity(open.len());
        for open in open {
            self.pool.extend(open.histogram);
            leaves.push((open.leaf.node, open.start, open.end));
        }
        let valued = leaves.iter().zip(values);
        let valued = valued.map(|((node, _, _), (value, cover))| (*node, value, cover));
        let (tree, by_bins) = draft.finish(valued, rate);
        Grown {
            tree,
            rows,
            leaves,
            by_bins,
        }
    }

    fn histogram(&mut self) -> Histogram {
        let n_groups = self.bundles.n_groups();
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
        asking: [Option<&Leaf>; 2],
        quantised: &Quantised,
        allowed: &[bool],
    ) -> [Vec<Cut>; 2] {
        type Task<'t> = (&'t mut Part, Option<&'t mut Part>, [Vec<Cut>; 2]);
        let bundles = self.bundles;
        let share = (rows.len() + 4 * CODES) * bundles.columns.len() >= WORTH_SHARING;
        let stretches = match self.n_stretches(rows.len()) {
            1 => Vec::new(),
            n => self.count_stretches(rows, n),
        };
        // Few rows, but enough for two threads: a group is counted by the thread that searches it.
        let by_group = stretches.is_empty() && share && bundles.panels.len() < threads();
        if stretches.is_empty() && !by_group {
            let mut tasks = by_panel(bundles, counted);
            map_each(&mut tasks, share, |_, (panel, out)| {
                count(bundles, panel, panel.groups.clone(), rows, &self.words, out);
            });
        }
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
                    &self.words,
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
        let mut found = [Vec::new(), Vec::new()];
        for (_, _, cuts) in tasks {
            for (all, cuts) in found.iter_mut().zip(cuts) {
                all.extend(cuts);
            }
        }
        found
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
    fn count_stretches(&self, rows: &[u32], n: usize) -> Vec<Histogram> {
        let length = rows.len().div_ceil(n);
        let mut stretches: Vec<Histogram> = (0..n)
            .map(|_| Histogram::new(self.bundles.n_groups()))
            .collect();
        let mut tasks = Vec::new();
        let parts = rows.chunks(length).zip(self.words.chunks(length));
        for (histogram, (rows, words)) in stretches.iter_mut().zip(parts) {
            let of_panels = by_panel(self.bundles, histogram).into_iter();
            tasks.extend(of_panels.map(|(panel, out)| (panel, rows, words, out)));
        }
        map_each(&mut tasks, true, |_, (panel, rows, words, out)| {
            count(self.bundles, panel, panel.groups.clone(), rows, words, out);
        });
        stretches
    }

    /// Cuts a leaf in two.
    fn cut(
        &mut self,
        parent: Open,
        draft: &mut Draft,
        rows: &mut [u32],
        quantised: &Quantised,
        allowed: &[bool],
        last: bool,
    ) -> Vec<Open> {
        let Some(cut) = parent.leaf.cut else {
            return vec![parent];
        };
        let rules = self.rules;
        let segment = &mut rows[parent.start..parent.end];
        let feature = cut.feature as usize;
        let mut goes_left = left_bins(&cut);
        let mut n_left = partition(self.bundles, feature, &goes_left, segment, &mut self.aside);
        let unseen = cut.missing_left.is_none()
            && rules.missing_goes_left(n_left as u64, segment.len() as u64);
        if unseen && self.bundles.places[feature].missing {
            set_bit(&mut goes_left, MISSING, true);
            n_left = partition(self.bundles, feature, &goes_left, segment, &mut self.aside);
        }
        let middle = parent.start + n_left;
        let scale = &quantised.scale;
        let sides = (n_left as u64, cut.missing_left.unwrap_or(unseen));
        let [left, right] = rules.split(draft, &parent.leaf, &cut, sides, scale);
        let child = |leaf, start, end| Open {
            leaf,
            start,
            end,
            histogram: None,
        };
        let mut children = vec![
            child(left, parent.start, middle),
            child(right, middle, parent.end),
        ];
        let wanted = [0, 1].map(|side: usize| rules.may_be_cut(&children[side].leaf));
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
        let ask = |place: usize| wanted[place].then_some(&children[place].leaf);
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
                let Open {
                    leaf, start, end, ..
                } = &children[place];
                let cut = self.settle(cuts, leaf, &histogram, quantised, &rows[*start..*end]);
                children[place].leaf.cut = cut;
                children[place].histogram = Some(histogram);
            } else {
                self.pool.push(histogram);
            }
        }
        children
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
        self.rules.settle(cuts, |feature| {
            let mut counts = [0; SLOTS];
            for row in rows {
                counts[self.bundles.bin(feature, *row as usize) as usize] += 1;
            }
            let at = self.bundles.places[feature];
            let column = at.column as usize;
            let sums = &histogram.parts[column / GROUP][column % GROUP];
            let mut slots = [Slot::default(); SLOTS];
            spread(sums, self.bundles.columns[column].0, at, &mut slots);
            let (total, scale) = (total(sums), &quantised.scale);
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
