//! FP-growth: the sets that end in an item are mined in the tree of the paths above its nodes.
//!
//! Han, Pei and Yin (2000), doi:10.1145/335191.335372. Where few items are left, the paths are
//! added up in a table with one entry for every subset, and sums over supersets give the supports
//! of all subsets at once: a small relative of the 16-items machine of Borgelt and of Uno et al.
//! Whether a set is closed, maximal or a generator is asked of the rows ([`super::check`]).

use std::ops::Range;

use super::check::Checker;
use super::fp_tree::Tree;
use super::prepare::Prepared;
use super::sink::Sink;
use super::{Miner, Target};

const NONE: u32 = u32::MAX;
/// Most items of a table of subsets.
const TABLE: usize = 14;

/// The miner over prepared baskets.
#[derive(Debug)]
pub(crate) struct FpGrowth<'a> {
    data: &'a Prepared,
    min_support: u64,
    most: usize,
    target: Target,
    tree: Tree,
    tasks: Vec<Range<usize>>,
    checker: Option<Checker<'a>>,
    full: usize,
    /// All baskets, for generators; the same ranks, required items last.
    whole: &'a Prepared,
    /// Ranks of the required items in `whole`.
    fixed: Vec<u32>,
}

impl<'a> FpGrowth<'a> {
    pub(crate) fn new(
        data: &'a Prepared,
        whole: &'a Prepared,
        min_support: u64,
        most: usize,
        target: Target,
    ) -> Self {
        let n = data.n_items();
        let rows = &data.rows;
        // Items of every row, which stand first in each, belong to every closed set.
        let full = match target {
            Target::Closed | Target::Maximal => data
                .supports
                .iter()
                .take_while(|&&s| s == data.total)
                .count(),
            _ => 0,
        };
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| rows.row(a as usize).cmp(rows.row(b as usize)));
        let mut tree = Tree::default();
        tree.reset(n);
        for row in order {
            tree.insert(&rows.row(row as usize)[full..], rows.weight(row as usize));
        }
        let share = n.div_ceil(192).max(1);
        let checker = match target {
            Target::Frequent => None,
            Target::Generators => Some(Checker::new(&whole.rows, whole.n_items())),
            _ => Some(Checker::new(rows, n)),
        };
        Self {
            data,
            min_support,
            most,
            target,
            tree,
            tasks: (0..n)
                .step_by(share)
                .map(|start| start..(start + share).min(n))
                .collect(),
            checker,
            full,
            whole,
            fixed: match target {
                Target::Generators => (n as u32..whole.n_items() as u32).collect(),
                _ => Vec::new(),
            },
        }
    }
}

impl Miner for FpGrowth<'_> {
    fn tasks(&self) -> usize {
        self.tasks.len() + 1
    }

    fn run<S: Sink>(&self, task: usize, sink: &mut S) {
        let data = self.data;
        let mut search = Search {
            miner: self,
            sink,
            stack: Vec::new(),
            set: Vec::new(),
            scratch: Vec::new(),
            counts: Vec::new(),
            levels: Vec::new(),
            table: Vec::new(),
        };
        let full = self.full;
        search.stack.extend(0..full as u32);
        if self.target == Target::Generators && !data.required.is_empty() && !search.free() {
            return; // no superset of a set that is not a generator is one
        }
        if task == 0 {
            if data.total >= self.min_support && !(data.required.is_empty() && full == 0) {
                let maximal = full == data.n_items();
                if self.target != Target::Maximal || maximal {
                    search.hand_over(data.total);
                }
            }
            return;
        }
        let mut level = search.level(data.n_items());
        for item in self.tasks[task - 1].clone() {
            if item >= full {
                search.item(
                    &self.tree,
                    item,
                    item as u32,
                    data.supports[item],
                    &mut level,
                );
            }
        }
    }
}

/// A conditional tree with what it takes to build it, kept for reuse.
#[derive(Debug, Default)]
struct Level {
    tree: Tree,
    counts: Vec<u64>,
    map: Vec<u32>,
    items: Vec<u32>,
    supports: Vec<u64>,
    locals: Vec<u32>,
    row: Vec<u32>,
}

struct Search<'a, S: Sink> {
    miner: &'a FpGrowth<'a>,
    sink: &'a mut S,
    /// Ranks of the prefix.
    stack: Vec<u32>,
    set: Vec<u32>,
    scratch: Vec<u32>,
    counts: Vec<u64>,
    levels: Vec<Level>,
    table: Vec<u64>,
}

impl<S: Sink> Search<'_, S> {
    fn level(&mut self, n: usize) -> Level {
        let mut level = self.levels.pop().unwrap_or_default();
        level.counts.clear();
        level.counts.resize(n, 0);
        level.map.clear();
        level.map.resize(n, NONE);
        level
    }

    /// Hands out the set on the stack.
    fn hand_over(&mut self, support: u64) {
        let data = self.miner.data;
        self.set.clear();
        self.set.extend_from_slice(&data.required);
        let fixed = self.set.len();
        self.set.extend_from_slice(&self.stack);
        if matches!(self.miner.target, Target::Closed | Target::Maximal) {
            self.set[fixed..].sort_unstable_by(|a, b| b.cmp(a));
        }
        for item in &mut self.set[fixed..] {
            *item = data.ids[*item as usize];
        }
        self.sink.take(&self.set, support);
    }

    fn sorted(&mut self) {
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.stack);
        self.scratch.extend_from_slice(&self.miner.fixed);
        self.scratch.sort_unstable();
    }

    /// Whether the set on the stack is a generator.
    fn free(&mut self) -> bool {
        self.sorted();
        let (miner, whole) = (self.miner, self.miner.whole);
        miner.checker.as_ref().is_none_or(|checker| {
            checker.generator(&self.scratch, whole.total_all, &whole.supports)
        })
    }

    fn length(&self) -> usize {
        self.stack.len() + self.miner.data.required.len()
    }

    /// The sets that extend the stack by `item` of `tree` (rank `rank`) and items above it.
    fn item(&mut self, tree: &Tree, item: usize, rank: u32, support: u64, level: &mut Level) {
        if self.sink.step() {
            return;
        }
        let miner = self.miner;
        let depth = self.stack.len();
        self.stack.push(rank);
        let closing = matches!(miner.target, Target::Closed | Target::Maximal);
        if miner.target == Target::Generators && !self.free() {
            self.stack.pop();
            return;
        }
        if !closing {
            self.hand_over(support);
            if self.length() >= miner.most {
                self.stack.pop();
                return;
            }
        }
        // Supports of the items above.
        let mut steps = 0;
        for (node, count) in tree.nodes(item) {
            tree.above(node, |other| {
                level.counts[other as usize] += count;
                steps += 1;
            });
        }
        let mut locals = std::mem::take(&mut level.locals);
        let mut supports = std::mem::take(&mut level.supports);
        locals.clear();
        supports.clear();
        for other in 0..item {
            let count = std::mem::take(&mut level.counts[other]);
            if count >= miner.min_support {
                let rank = level.rank(other);
                if closing && count == support {
                    self.stack.push(rank);
                } else {
                    level.map[other] = locals.len() as u32;
                    locals.push(other as u32);
                    supports.push(count);
                }
            }
        }
        let mut go_on = !locals.is_empty();
        if closing {
            self.sorted();
            let covered = miner
                .checker
                .as_ref()
                .is_some_and(|checker| checker.covered(&self.scratch, &mut self.set));
            go_on &= !covered;
            let wanted = !covered
                && (miner.target == Target::Closed
                    || locals.is_empty()
                        && !miner.checker.as_ref().is_some_and(|checker| {
                            checker.extendable(&self.scratch, miner.min_support, &mut self.counts)
                        }));
            if wanted {
                self.hand_over(support);
            }
            go_on &= self.length() < miner.most;
        }
        if go_on {
            let n = locals.len();
            if n <= TABLE && miner.target == Target::Frequent && (n << n) <= 4 * steps + 128 {
                self.small(tree, item, &locals, level);
            } else {
                let mut child = self.level(n);
                child.items.clear();
                child
                    .items
                    .extend(locals.iter().map(|&local| level.rank(local as usize)));
                child.tree.reset(n);
                for (node, count) in tree.nodes(item) {
                    level.row.clear();
                    tree.above(node, |other| {
                        let local = level.map[other as usize];
                        if local != NONE {
                            level.row.push(local);
                        }
                    });
                    if !level.row.is_empty() {
                        level.row.reverse();
                        child.tree.insert(&level.row, count);
                    }
                }
                let below = std::mem::take(&mut child.tree);
                for (local, support) in supports.iter().enumerate().take(n) {
                    let rank = child.items[local];
                    self.item(&below, local, rank, *support, &mut child);
                }
                child.tree = below;
                child.items.clear();
                self.levels.push(child);
            }
        }
        for &local in &locals {
            level.map[local as usize] = NONE;
        }
        level.locals = locals;
        level.supports = supports;
        self.stack.truncate(depth);
    }

    /// All sets over few items, from a table of sums over supersets.
    fn small(&mut self, tree: &Tree, item: usize, locals: &[u32], level: &Level) {
        let n = locals.len();
        let mut table = std::mem::take(&mut self.table);
        table.clear();
        table.resize(1 << n, 0);
        for (node, count) in tree.nodes(item) {
            let mut mask = 0;
            tree.above(node, |other| {
                let local = level.map[other as usize];
                if local != NONE {
                    mask |= 1usize << local;
                }
            });
            table[mask] += count;
        }
        for bit in 0..n {
            for block in table.chunks_exact_mut(2 << bit) {
                let (without, with) = block.split_at_mut(1 << bit);
                for (sum, part) in without.iter_mut().zip(with) {
                    *sum += *part;
                }
            }
        }
        self.walk(&table, 0, n, locals, level);
        self.table = table;
    }

    fn walk(&mut self, table: &[u64], mask: usize, below: usize, locals: &[u32], level: &Level) {
        if self.length() >= self.miner.most {
            return;
        }
        for local in 0..below {
            let support = table[mask | 1 << local];
            if support >= self.miner.min_support {
                self.stack.push(level.rank(locals[local] as usize));
                self.hand_over(support);
                if self.sink.stopped() {
                    return;
                }
                self.walk(table, mask | 1 << local, local, locals, level);
                self.stack.pop();
            }
        }
    }
}

impl Level {
    /// Rank of a local item.
    #[inline(always)]
    fn rank(&self, local: usize) -> u32 {
        self.items.get(local).copied().unwrap_or(local as u32)
    }
}
