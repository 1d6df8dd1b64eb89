//! A tree on rows that others hold: what is asked of them, and what follows from their sums.
//!
//! ```text
//!   open leaves, best first -> the likeliest of them are cut on trial -> sums of the smaller child
//!        ^                                                                     |
//!        +------ cuts of both children (the larger one: parent less smaller) <-+
//! ```
//!
//! Leaves are counted ahead of their turn, so that a tree takes about as many rounds as it is deep;
//! which of them are cut, and in what order, is decided as in memory.

use serde::{Deserialize, Serialize};

use crate::design::binned::{BinnedDesign, Binner, Bins, MISSING};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::tree::decide::{Draft, Leaf, Rules, left_bins, total};
use crate::kernel::tree::flat::{Tree, holds};
use crate::kernel::tree::histogram::{SLOTS, Slot};
use crate::kernel::tree::partition::set_bit;
use crate::kernel::tree::quantise::{Scale, halves};
use crate::kernel::tree::split::{Cut, Place};

/// A node as rows walk by it; children stand side by side behind it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// What a leaf adds.
    Leaf(f64),
    /// Bins up to `last` go left.
    Upto {
        feature: u32,
        left: u32,
        last: u8,
        missing: bool,
    },
    /// Bins in the set go left.
    Set {
        feature: u32,
        left: u32,
        bins: [u64; 4],
    },
}

impl Step {
    fn of(cut: &Cut, left: u32) -> Self {
        let feature = cut.feature;
        let missing = cut.missing_left == Some(true);
        match cut.place {
            Place::Number(last) => Self::Upto {
                feature,
                left,
                last,
                missing,
            },
            Place::Levels(mut bins) => {
                set_bit(&mut bins, MISSING, missing);
                Self::Set {
                    feature,
                    left,
                    bins,
                }
            }
        }
    }
}

/// The steps of a grown tree.
pub(crate) fn steps_of(tree: &Tree, by_bins: &[[u64; 4]], binner: &Binner) -> Vec<Step> {
    let nodes = tree.nodes.iter().zip(by_bins).enumerate();
    nodes
        .map(|(at, (node, bins))| {
            if node.is_leaf() {
                return Step::Leaf(tree.values.get(at).copied().unwrap_or(0.0));
            }
            let (feature, left, bins) = (node.feature, node.left, *bins);
            let n_left = (0..usize::from(MISSING)).take_while(|bin| holds(&bins, *bin));
            match (&binner.bins[feature as usize], n_left.count()) {
                (Bins::Number(_), n @ 1..) => Step::Upto {
                    feature,
                    left,
                    last: (n - 1) as u8,
                    missing: node.missing_left,
                },
                _ => Step::Set {
                    feature,
                    left,
                    bins,
                },
            }
        })
        .collect()
}

/// Steps ready to be walked.
#[derive(Debug)]
pub(crate) struct Walk(Vec<Stop>);

#[derive(Debug, Clone, Copy)]
struct Stop {
    feature: usize,
    /// 0 in a leaf.
    left: usize,
    bins: [u64; 4],
    value: f64,
}

impl Walk {
    /// # Errors
    /// [`ErrorKind::Schema`] for steps that are no tree on so many features.
    pub(crate) fn new(steps: &[Step], n_features: usize) -> Result<Self> {
        let refuse = || Error::from(ErrorKind::Schema("steps that are no tree".into()));
        let inner = |at: usize, feature: u32, left: u32, bins| {
            let (feature, left) = (feature as usize, left as usize);
            let sound = feature < n_features && left > at && left + 1 < steps.len();
            sound.then_some(Stop {
                feature,
                left,
                bins,
                value: 0.0,
            })
        };
        let stop = |(at, step): (usize, &Step)| match *step {
            Step::Leaf(value) => value.is_finite().then_some(Stop {
                feature: 0,
                left: 0,
                bins: [0; 4],
                value,
            }),
            Step::Upto {
                feature,
                left,
                last,
                missing,
            } => {
                let mut bins = [0; 4];
                for bin in 0..=last.min(MISSING - 1) {
                    set_bit(&mut bins, bin, true);
                }
                set_bit(&mut bins, MISSING, missing);
                inner(at, feature, left, bins)
            }
            Step::Set {
                feature,
                left,
                bins,
            } => inner(at, feature, left, bins),
        };
        let stops: Option<Vec<Stop>> = steps.iter().enumerate().map(stop).collect();
        match stops {
            Some(stops) if !stops.is_empty() => Ok(Self(stops)),
            _ => Err(refuse()),
        }
    }

    pub(crate) fn n_nodes(&self) -> usize {
        self.0.len()
    }

    /// The leaf of a row.
    #[inline]
    pub(crate) fn leaf(&self, design: &BinnedDesign, row: usize) -> usize {
        let mut at = 0;
        loop {
            let stop = &self.0[at];
            if stop.left == 0 {
                return at;
            }
            let bin = design.bin(stop.feature, row) as usize;
            at = stop.left + usize::from(!holds(&stop.bins, bin));
        }
    }

    /// Adds to every row's score what its leaf adds.
    pub(crate) fn add_to(&self, design: &BinnedDesign, scores: &mut [f64]) {
        for (row, score) in scores.iter_mut().enumerate() {
            *score += self.0[self.leaf(design, row)].value;
        }
    }
}

/// Sums of one bin of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BinSum {
    gradient: i64,
    curvature: i64,
    pub(crate) rows: u64,
}

impl BinSum {
    pub(crate) fn add(&mut self, other: &Self) {
        self.gradient = self.gradient.wrapping_add(other.gradient);
        self.curvature = self.curvature.wrapping_add(other.curvature);
        self.rows = self.rows.saturating_add(other.rows);
    }

    fn take_away(&mut self, other: &Self) {
        self.gradient = self.gradient.wrapping_sub(other.gradient);
        self.curvature = self.curvature.wrapping_sub(other.curvature);
        self.rows = self.rows.saturating_sub(other.rows);
    }
}

/// Where the bins of the drawn features stand in the sums of a node, those of missing values last.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Feature, first place, bins of present values.
    features: Vec<(usize, usize, usize)>,
    pub(crate) len: usize,
}

impl Layout {
    pub(crate) fn new(binner: &Binner, allowed: &[bool]) -> Self {
        let mut len = 0;
        let mut features = Vec::new();
        for (feature, (bins, allowed)) in binner.bins.iter().zip(allowed).enumerate() {
            if *allowed {
                features.push((feature, len, bins.len()));
                len += bins.len() + 1;
            }
        }
        Self { features, len }
    }

    /// Counts rows by the asked node that they come to, if any; `words` are those of all rows.
    pub(crate) fn count(
        &self,
        design: &BinnedDesign,
        walk: &Walk,
        asked: &[u32],
        rows: &[u32],
        words: &[i64],
    ) -> Vec<Vec<BinSum>> {
        let mut places = vec![usize::MAX; walk.n_nodes()];
        for (place, node) in asked.iter().enumerate() {
            if let Some(slot) = places.get_mut(*node as usize) {
                *slot = place;
            }
        }
        let mut sums = vec![vec![BinSum::default(); self.len]; asked.len()];
        for row in rows {
            let row = *row as usize;
            let Some(sums) = sums.get_mut(places[walk.leaf(design, row)]) else {
                continue;
            };
            let (gradient, curvature) = halves(words[row]);
            let one = BinSum {
                gradient,
                curvature,
                rows: 1,
            };
            for (feature, first, n_bins) in &self.features {
                let bin = usize::from(design.bin(*feature, row)).min(*n_bins);
                sums[first + bin].add(&one);
            }
        }
        sums
    }

    fn rows(&self, sums: &[BinSum]) -> u64 {
        let first = self.features.first();
        first.map_or(0, |(_, first, n_bins)| {
            let bins = sums[*first..].iter().take(n_bins + 1);
            bins.fold(0, |rows: u64, bin| rows.saturating_add(bin.rows))
        })
    }

    fn slots(&self, at: (usize, usize), sums: &[BinSum]) -> ([Slot; SLOTS], [u32; SLOTS]) {
        let (first, n_bins) = at;
        let mut slots = [Slot::default(); SLOTS];
        let mut rows = [0; SLOTS];
        for (bin, sum) in sums[first..].iter().take(n_bins + 1).enumerate() {
            let bin = if bin == n_bins { SLOTS - 1 } else { bin };
            slots[bin] = Slot {
                gradient: sum.gradient,
                curvature: sum.curvature,
            };
            rows[bin] = u32::try_from(sum.rows).unwrap_or(u32::MAX);
        }
        (slots, rows)
    }
}

/// What a tree is grown by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) rules: Rules<'a>,
    pub(crate) layout: &'a Layout,
    pub(crate) scale: &'a Scale,
}

/// A node that is or may become part of the tree.
#[derive(Debug)]
struct Trial {
    leaf: Leaf,
    parent: usize,
    sums: Option<Vec<BinSum>>,
    /// Rows that its cut sends left.
    n_left: u64,
    /// The left one of its children.
    left: Option<usize>,
}

/// A tree while its rows are asked about.
#[derive(Debug, Default)]
pub(crate) struct Growing {
    trials: Vec<Trial>,
    asked: Vec<u32>,
    /// The tree and its leaves, once all is decided.
    done: Option<(Draft, Vec<Leaf>)>,
}

impl Growing {
    /// A tree whose root is asked about.
    pub(crate) fn new() -> Self {
        Self {
            asked: vec![0],
            ..Self::default()
        }
    }

    /// Nodes whose sums are wanted; none once all is decided.
    pub(crate) fn asked(&self) -> &[u32] {
        &self.asked
    }

    /// The nodes so far, by which rows walk to those asked about.
    pub(crate) fn steps(&self) -> Vec<Step> {
        if self.trials.is_empty() {
            return vec![Step::Leaf(0.0)];
        }
        let step = |trial: &Trial| match (trial.left, &trial.leaf.cut) {
            (Some(left), Some(cut)) => Step::of(cut, left as u32),
            _ => Step::Leaf(0.0),
        };
        self.trials.iter().map(step).collect()
    }

    /// Takes the sums of the nodes asked about.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] for sums of another question.
    pub(crate) fn take(&mut self, ground: Ground<'_>, sums: Vec<Vec<BinSum>>) -> Result<()> {
        let asked = std::mem::take(&mut self.asked);
        let fits = sums.len() == asked.len();
        if !fits || sums.iter().any(|sums| sums.len() != ground.layout.len) {
            return Err(ErrorKind::Schema("sums of another question".into()).into());
        }
        for (node, sums) in asked.into_iter().zip(sums) {
            let node = node as usize;
            if self.trials.is_empty() {
                let rows = ground.layout.rows(&sums);
                self.trials.push(Trial::new(ground.rules.root(rows), 0));
                self.weigh(ground, 0, sums);
                continue;
            }
            let parent = self.trials[node].parent;
            let (Some(left), Some(mut rest)) =
                (self.trials[parent].left, self.trials[parent].sums.take())
            else {
                continue;
            };
            for (slot, taken) in rest.iter_mut().zip(&sums) {
                slot.take_away(taken);
            }
            self.weigh(ground, node, sums);
            self.weigh(ground, 2 * left + 1 - node, rest);
        }
        self.advance(ground);
        Ok(())
    }

    /// Finds the cut of a node.
    fn weigh(&mut self, ground: Ground<'_>, node: usize, sums: Vec<BinSum>) {
        let Ground {
            rules,
            layout,
            scale,
        } = ground;
        let trial = &mut self.trials[node];
        let leaf = &trial.leaf;
        if !rules.may_be_cut(leaf) {
            return;
        }
        let mut cuts = Vec::new();
        for (feature, first, n_bins) in &layout.features {
            if rules.may_ask(leaf, *feature) {
                let (slots, _) = layout.slots((*first, *n_bins), &sums);
                cuts.extend(rules.best(leaf, *feature, &slots, total(&slots), None, scale));
            }
        }
        let of = |feature: usize| {
            let found = layout.features.iter().find(|(at, _, _)| *at == feature);
            found.map(|(_, first, n_bins)| layout.slots((*first, *n_bins), &sums))
        };
        let cut = rules.settle(cuts, |feature| {
            let (slots, rows) = of(feature)?;
            rules.best(leaf, feature, &slots, total(&slots), Some(&rows), scale)
        });
        let settled = cut.and_then(|mut cut| {
            let (_, rows) = of(cut.feature as usize)?;
            let n_left = |cut: &Cut| -> u64 {
                let bins = left_bins(cut);
                let to_left = rows
                    .iter()
                    .enumerate()
                    .filter(|(bin, _)| holds(&bins, *bin));
                to_left.map(|(_, rows)| u64::from(*rows)).sum()
            };
            if cut.missing_left.is_none() {
                cut.missing_left = Some(rules.missing_goes_left(n_left(&cut), leaf.rows));
            }
            Some((cut, n_left(&cut).min(leaf.rows)))
        });
        if let Some((cut, n_left)) = settled {
            trial.leaf.cut = Some(cut);
            trial.n_left = n_left;
        }
        trial.sums = Some(sums);
    }

    /// Cuts what is sure to be cut and, on trial, what may be, until rows must be asked again.
    fn advance(&mut self, ground: Ground<'_>) {
        let rules = ground.rules;
        loop {
            let (draft, open, ready) = self.replay(ground);
            if ready {
                let mut leaves: Vec<Leaf> = open.into_iter().map(|(leaf, _)| leaf).collect();
                leaves.sort_by_key(|leaf| leaf.node);
                self.done = Some((draft, leaves));
                return;
            }
            // Leaves behind so many better ones will not be reached.
            let room = rules.growth.max_leaves - open.len();
            let mut ranked: Vec<(&Leaf, &Cut, usize)> = open
                .iter()
                .filter_map(|(leaf, trial)| Some((leaf, leaf.cut.as_ref()?, *trial)))
                .collect();
            ranked.sort_by(|a, b| match rules.goes_first((a.0, a.1), (b.0, b.1)) {
                true => std::cmp::Ordering::Less,
                false => std::cmp::Ordering::Greater,
            });
            let likely: Vec<usize> = ranked.iter().take(room).map(|(_, _, at)| *at).collect();
            for trial in likely {
                self.cut_on_trial(ground, trial);
            }
            if !self.asked.is_empty() {
                return;
            }
        }
    }

    fn cut_on_trial(&mut self, ground: Ground<'_>, node: usize) {
        let rules = ground.rules;
        let trial = &self.trials[node];
        let (None, Some(cut)) = (trial.left, trial.leaf.cut) else {
            return;
        };
        let n_right = trial.leaf.rows - trial.n_left;
        let sides = [(0, trial.n_left), (0, n_right)];
        let children = rules.children(&trial.leaf, &cut, sides, ground.scale);
        let wanted = children.iter().any(|child| rules.may_be_cut(child));
        let left = self.trials.len();
        if wanted {
            let small = usize::from(trial.n_left > n_right);
            self.asked.push((left + small) as u32);
        }
        self.trials[node].left = Some(left);
        self.trials
            .extend(children.map(|child| Trial::new(child, node)));
    }

    /// The tree as far as it is decided, its open leaves and the trials they are, and whether it is
    /// complete.
    fn replay(&self, ground: Ground<'_>) -> (Draft, Vec<(Leaf, usize)>, bool) {
        let (rules, trials) = (ground.rules, &self.trials);
        let most = rules.growth.max_leaves;
        let mut draft = Draft::new(trials[0].leaf.rows);
        let mut open = vec![(trials[0].leaf.clone(), 0)];
        while open.len() < most {
            let Some(next) = rules.next(open.iter().map(|(leaf, _)| leaf)) else {
                break;
            };
            let last = open.len() + 1 >= most;
            let trial = &trials[open[next].1];
            if trial.left.is_none() && !last {
                return (draft, open, false);
            }
            let (parent, _) = open.swap_remove(next);
            let Some(cut) = parent.cut else { break };
            let (n_left, scale) = (trial.n_left, ground.scale);
            let children = rules.split(&mut draft, &parent, &cut, n_left, scale);
            for (side, mut child) in children.into_iter().enumerate() {
                let at = trial.left.map_or(0, |left| left + side);
                // As in memory: what the last cut leaves is not looked at.
                child.cut = if last { None } else { trials[at].leaf.cut };
                open.push((child, at));
            }
        }
        (draft, open, true)
    }

    /// The complete tree, all leaves of value 0, and its leaves in order.
    pub(crate) fn done(&mut self) -> Option<(Draft, Vec<Leaf>)> {
        self.done.take()
    }

    /// The steps of the complete tree.
    pub(crate) fn final_steps(&self, binner: &Binner) -> Vec<Step> {
        self.done.as_ref().map_or_else(Vec::new, |(draft, _)| {
            steps_of(&draft.tree, &draft.by_bins, binner)
        })
    }
}

impl Trial {
    fn new(leaf: Leaf, parent: usize) -> Self {
        Self {
            leaf,
            parent,
            sums: None,
            n_left: 0,
            left: None,
        }
    }
}

/// Fine sums of a leaf.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeafSum {
    pub(crate) gradient: i64,
    pub(crate) curvature: i64,
    pub(crate) weight: i64,
    pub(crate) rows: u64,
}

impl LeafSum {
    pub(crate) fn add(&mut self, other: &Self) {
        self.gradient = self.gradient.wrapping_add(other.gradient);
        self.curvature = self.curvature.wrapping_add(other.curvature);
        self.weight = self.weight.wrapping_add(other.weight);
        self.rows = self.rows.saturating_add(other.rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_are_no_tree_are_refused() {
        let upto = |feature, left| Step::Upto {
            feature,
            left,
            last: 3,
            missing: false,
        };
        let leaf = Step::Leaf(0.5);
        assert!(Walk::new(&[upto(1, 1), leaf, leaf], 2).is_ok());
        for steps in [
            vec![],
            vec![upto(2, 1), leaf, leaf],
            vec![upto(0, 0), leaf, leaf],
            vec![upto(0, 2), leaf, leaf],
            vec![Step::Leaf(f64::NAN)],
        ] {
            assert!(Walk::new(&steps, 2).is_err(), "{steps:?}");
        }
    }

    #[test]
    fn rows_walk_by_bins_levels_and_gaps() {
        let mut design = BinnedDesign {
            n_rows: 4,
            n_features: 2,
            groups: vec![vec![[0; 8]; 4]],
        };
        for (row, bins) in [[2, 0], [4, 5], [4, 6], [MISSING, 5]].iter().enumerate() {
            design.groups[0][row][..2].copy_from_slice(bins);
        }
        let mut bins = [0; 4];
        set_bit(&mut bins, 5, true);
        let steps = [
            Step::Upto {
                feature: 0,
                left: 1,
                last: 3,
                missing: false,
            },
            Step::Leaf(1.0),
            Step::Set {
                feature: 1,
                left: 3,
                bins,
            },
            Step::Leaf(2.0),
            Step::Leaf(4.0),
        ];
        let mut scores = vec![0.5; 4];
        Walk::new(&steps, 2).unwrap().add_to(&design, &mut scores);
        assert_eq!(scores, [1.5, 2.5, 4.5, 2.5]);
    }
}
