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

use crate::design::binned::Binner;
use crate::error::{ErrorKind, Result};
use crate::kernel::tree::answer::{BinSum, Layout, Step, steps_of};
use crate::kernel::tree::decide::{Draft, Leaf, Rules, left_bins, total};
use crate::kernel::tree::flat::holds;
use crate::kernel::tree::quantise::Scale;
use crate::kernel::tree::split::Cut;

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
        let least = rules.growth.min_leaf_rows.max(1);
        let mut cuts = Vec::new();
        for (feature, first, n_bins) in &layout.features {
            if rules.may_ask(leaf, *feature) && layout.divides((*first, *n_bins), &sums, least) {
                let (slots, _) = layout.slots((*first, *n_bins), &sums);
                cuts.extend(rules.best(leaf, *feature, &slots, total(&slots), None, scale));
            }
        }
        let of = |feature: usize| {
            let found = layout
                .features
                .binary_search_by_key(&feature, |(at, ..)| *at);
            let (_, first, n_bins) = *layout.features.get(found.ok()?)?;
            Some(layout.slots((first, n_bins), &sums))
        };
        let cut = rules.settle(cuts, |cut| {
            let feature = cut.feature as usize;
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
