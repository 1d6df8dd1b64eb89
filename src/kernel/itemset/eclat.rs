//! Depth-first mining by item lists and bitsets: frequent, closed and maximal sets.
//!
//! A prefix is extended by more frequent items only. Near the root, where rows are many and
//! sparse, the rows of a prefix are projected as lists, the supports of all pairs that extend it
//! are counted in one triangular matrix (two levels at once), and the rows of each extension are
//! found through item lists. As soon as bitsets are cheaper, the subtree goes over to a class of
//! bitsets ([`super::vertical`]). Zaki (2000), doi:10.1109/69.846291; occurrence deliver and the
//! closure test without a store of closed sets after Uno, Kiyomi and Arimura (2004, LCM 2).
//!
//! A prefix is the head of a closed set unless an item passed over on the way holds all its rows.
//! What the first few rows have in common mostly settles that.

use std::ops::Range;

use super::Miner;
use super::lists::{common_above, project};
use super::pairs::{all_pairs, at};
use super::prepare::{Prepared, Rows};
use super::sink::Sink;
use super::vertical::{Arena, Class};

pub(super) const NONE: u32 = u32::MAX;

/// Which sets are handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Frequent,
    Closed,
    Maximal,
}

/// The miner over prepared baskets.
#[derive(Debug)]
pub(crate) struct Eclat<'a> {
    data: &'a Prepared,
    min_support: u64,
    most: usize,
    kind: Kind,
    starts: Vec<usize>,
    lists: Vec<u32>,
    tasks: Vec<Range<usize>>,
    /// Items in every row: in every closed set.
    full: usize,
    /// Weight on the cost of lists against that of bitsets.
    lists_cost: f64,
    /// Joint weights of all pairs of items, where they are few enough: see [`at`].
    pairs: Option<Vec<u32>>,
}

impl<'a> Eclat<'a> {
    pub(crate) fn new(data: &'a Prepared, min_support: u64, most: usize, kind: Kind) -> Self {
        let n = data.n_items();
        let (mut starts, mut lists) = (Vec::new(), Vec::new());
        data.rows.transpose(n, &mut starts, &mut lists);
        let full = match kind {
            Kind::Frequent => 0,
            _ => data
                .supports
                .iter()
                .take_while(|&&s| s == data.total)
                .count(),
        };
        let cost = |item: usize| (starts[item + 1] - starts[item]) as u64 + item as u64;
        let total: u64 = (full..n).map(cost).sum();
        let share = total / 192 + 1;
        let mut tasks = Vec::new();
        let (mut start, mut sum) = (full, 0);
        for item in full..n {
            sum += cost(item);
            if sum >= share || item + 1 == n {
                tasks.push(start..item + 1);
                (start, sum) = (item + 1, 0);
            }
        }
        Self {
            data,
            min_support,
            most,
            kind,
            starts,
            lists,
            tasks,
            full,
            lists_cost: 1.0,
            pairs: all_pairs(data),
        }
    }

    /// Shifts the choice between lists and bitsets, so that tests reach both.
    #[cfg(test)]
    pub(crate) fn with_lists_cost(mut self, cost: f64) -> Self {
        self.lists_cost = cost;
        // Where lists are taken whatever they cost, they count pairs too.
        self.pairs = self.pairs.filter(|_| cost < 1.0);
        self
    }
}

impl Miner for Eclat<'_> {
    fn tasks(&self) -> usize {
        self.tasks.len() + 1
    }

    fn run<S: Sink>(&self, task: usize, sink: &mut S) {
        if self.kind == Kind::Frequent {
            Search::<S, false>::new(self, sink).run(task);
        } else {
            Search::<S, true>::new(self, sink).run(task);
        }
    }
}

/// Rows and tables of one depth of the horizontal search, kept for reuse.
#[derive(Debug, Default)]
struct Level {
    rows: Rows,
    starts: Vec<usize>,
    lists: Vec<u32>,
    pairs: Vec<u32>,
    map: Vec<u32>,
    counts: Vec<u64>,
    found: Found,
}

/// Extensions of a prefix and, where sets are closed, the items passed over on the way that are
/// frequent with it.
#[derive(Debug, Default)]
struct Found {
    items: Vec<u32>,
    supports: Vec<u64>,
    /// Index of every one in the node above.
    from: Vec<u32>,
    /// Number of extensions; items passed over follow them.
    free: usize,
}

/// One task's search; `CLOSED` also serves maximal sets.
struct Search<'a, S: Sink, const CLOSED: bool> {
    miner: &'a Eclat<'a>,
    sink: &'a mut S,
    /// Ids of the prefix, or ranks where sets are closed.
    stack: Vec<u32>,
    set: Vec<u32>,
    /// Items that all rows looked at have in common.
    common: Vec<u32>,
    /// Ranks of the items of the first class of bitsets, and which of them are on the stack.
    names: Vec<u32>,
    inside: Vec<u64>,
    absorbed: Vec<usize>,
    levels: Vec<Level>,
    arena: Arena,
}

impl<'a, S: Sink, const CLOSED: bool> Search<'a, S, CLOSED> {
    fn new(miner: &'a Eclat<'a>, sink: &'a mut S) -> Self {
        let stack = if CLOSED {
            (0..miner.full as u32).collect()
        } else {
            miner.data.required.clone()
        };
        Self {
            miner,
            sink,
            stack,
            set: Vec::new(),
            common: Vec::new(),
            names: Vec::new(),
            inside: Vec::new(),
            absorbed: Vec::new(),
            levels: Vec::new(),
            arena: Arena::new(),
        }
    }

    fn run(&mut self, task: usize) {
        let data = self.miner.data;
        if task == 0 {
            let alone = self.miner.full == data.n_items();
            if data.total >= self.miner.min_support {
                self.emit(data.total, alone);
            }
            return;
        }
        let n = data.n_items();
        let mut counts = vec![0u64; n];
        let mut map = vec![NONE; n];
        let mut level = Level::default();
        for item in self.miner.tasks[task - 1].clone() {
            if self.sink.step() {
                return;
            }
            self.first(item, &mut counts, &mut map, &mut level);
        }
    }

    /// Hands out the set on the stack; `alone` when no item extends it.
    #[inline(always)]
    fn emit(&mut self, support: u64, alone: bool) {
        if !CLOSED {
            if !self.stack.is_empty() {
                self.sink.take(&self.stack, support);
            }
            return;
        }
        if self.miner.kind == Kind::Maximal && !alone {
            return;
        }
        let data = self.miner.data;
        self.set.clear();
        self.set.extend_from_slice(&self.stack);
        self.set.sort_unstable_by(|a, b| b.cmp(a));
        for item in &mut self.set {
            *item = data.ids[*item as usize];
        }
        if data.required.is_empty() {
            if !self.set.is_empty() {
                self.sink.take(&self.set, support);
            }
        } else {
            let mut set = data.required.clone();
            set.extend_from_slice(&self.set);
            self.sink.take(&set, support);
        }
    }

    #[inline(always)]
    fn push(&mut self, item: u32) {
        self.stack.push(if CLOSED {
            item
        } else {
            self.miner.data.ids[item as usize]
        });
    }

    /// Length of the sets that the stack stands for.
    fn length(&self) -> usize {
        if CLOSED {
            self.stack.len() + self.miner.data.required.len()
        } else {
            self.stack.len()
        }
    }

    /// The subtree of one item.
    fn first(&mut self, item: usize, counts: &mut [u64], map: &mut [u32], level: &mut Level) {
        let miner = self.miner;
        let all = &miner.data.rows;
        let list = &miner.lists[miner.starts[item]..miner.starts[item + 1]];
        let support = miner.data.supports[item];
        let depth = self.stack.len();
        self.push(item as u32);
        if !CLOSED && self.length() >= miner.most {
            self.emit(support, true);
            self.stack.truncate(depth);
            return;
        }
        match &miner.pairs {
            Some(pairs) => {
                for (small, count) in counts[..item].iter_mut().enumerate() {
                    *count = u64::from(pairs[at(item, small)]);
                }
                if CLOSED {
                    for (large, count) in counts.iter_mut().enumerate().skip(item + 1) {
                        *count = u64::from(pairs[at(large, item)]);
                    }
                }
            }
            None => {
                for &row in list {
                    let weight = all.weight(row as usize);
                    for &other in all.row(row as usize) {
                        if !CLOSED && other as usize >= item {
                            break;
                        }
                        counts[other as usize] += weight;
                    }
                }
            }
        }
        let found = &mut level.found;
        found.clear();
        for (other, count) in counts.iter().enumerate().take(item).skip(miner.full) {
            let (other, count) = (other as u32, *count);
            if count >= miner.min_support {
                found.add::<CLOSED>(other, count, other, support, &mut self.stack);
            }
        }
        let mut covered = false;
        if CLOSED {
            for (other, count) in counts.iter().enumerate().skip(item + 1) {
                if *count >= miner.min_support {
                    covered |= *count == support;
                    found.pass(other as u32, other as u32);
                }
            }
            counts.fill(0);
        } else {
            counts[..item].fill(0);
        }
        if !covered {
            self.emit(support, found.items.is_empty());
            if found.free > 0 && self.length() < miner.most {
                for (local, &other) in (0..).zip(&found.from) {
                    map[other as usize] = local;
                }
                let pivot = if CLOSED { NONE } else { item as u32 };
                let pairs = project(all, list, map, &mut level.rows, pivot, found.free, CLOSED);
                for &other in &found.from {
                    map[other as usize] = NONE;
                }
                self.node(&level.found, &level.rows, pairs);
            }
        }
        self.stack.truncate(depth);
    }

    /// All sets that extend the stack, which holds `rows`.
    fn node(&mut self, found: &Found, rows: &Rows, pairs: u64) {
        let free = found.free as f64;
        let width = rows.len() as f64 / 64.0 + 1.0;
        let tested = free * free * 0.5;
        let bitsets = tested * width * 0.4 + found.items.len() as f64 * width;
        let lists = tested * 0.7 + pairs as f64 * 3.0;
        if bitsets <= lists * self.miner.lists_cost || self.miner.data.total > u64::from(u32::MAX) {
            let n = found.items.len();
            if CLOSED {
                // Members are named by place, so that they find their bit in a row's mask.
                self.names.clear();
                self.names.extend_from_slice(&found.items);
                self.inside.clear();
                self.inside.resize(n.div_ceil(64), 0);
                let places: Vec<u32> = (0..found.free as u32).collect();
                let class = self.arena.root(rows, &places, &found.supports, n, true);
                self.grow_closed(&class);
            } else {
                let class = self
                    .arena
                    .root(rows, &found.items, &found.supports, n, false);
                self.grow(&class);
            }
        } else {
            let mut level = self.levels.pop().unwrap_or_default();
            self.pairs(found, rows, &mut level);
            self.levels.push(level);
        }
    }

    /// Two levels from one pass over the rows.
    fn pairs(&mut self, above: &Found, rows: &Rows, level: &mut Level) {
        let n = above.items.len();
        let min_support = self.miner.min_support;
        let free = above.free;
        level.pairs.clear();
        level.pairs.resize(free * (free - 1) / 2, 0);
        for at in 0..rows.len() {
            let row = rows.row(at);
            let weight = rows.weight(at) as u32;
            for (i, &high) in row.iter().enumerate().skip(1) {
                let high = high as usize;
                if CLOSED && high >= free {
                    break;
                }
                let base = high * (high - 1) / 2;
                let counts = &mut level.pairs[base..base + high];
                for &low in &row[..i] {
                    counts[low as usize] += weight;
                }
            }
        }
        level.map.clear();
        level.map.resize(n, NONE);
        let mut listed = false;
        if CLOSED {
            level.counts.clear();
            level.counts.resize(n, 0);
        }
        for pivot in 0..free {
            if self.sink.step() {
                return;
            }
            let support = above.supports[pivot];
            let depth = self.stack.len();
            self.push(above.items[pivot]);
            let found = &mut level.found;
            found.clear();
            if CLOSED || self.stack.len() < self.miner.most {
                let base = pivot * pivot.saturating_sub(1) / 2;
                for (other, &count) in level.pairs[base..base + pivot].iter().enumerate() {
                    let count = u64::from(count);
                    if count >= min_support {
                        let item = above.items[other];
                        found.add::<CLOSED>(item, count, other as u32, support, &mut self.stack);
                    }
                }
            }
            if !listed && (CLOSED || found.free > 1) {
                rows.transpose(n, &mut level.starts, &mut level.lists);
                listed = true;
            }
            let list = if listed {
                &level.lists[level.starts[pivot]..level.starts[pivot + 1]]
            } else {
                &[]
            };
            let mut covered = CLOSED && common_above(rows, list, pivot as u32, &mut self.common);
            let go_on = found.free > 0 && (!CLOSED || self.length() < self.miner.most);
            if CLOSED && !covered && (go_on || self.miner.kind == Kind::Maximal) {
                for &row in list {
                    let weight = rows.weight(row as usize);
                    for &item in rows.row(row as usize).iter().rev() {
                        if item <= pivot as u32 {
                            break;
                        }
                        level.counts[item as usize] += weight;
                    }
                }
                for other in pivot + 1..n {
                    if std::mem::take(&mut level.counts[other]) >= min_support {
                        level.found.pass(above.items[other], other as u32);
                    }
                }
            }
            let found = &level.found;
            covered |= self.sink.stopped();
            if !covered {
                self.emit(support, found.items.is_empty());
                if found.free == 1 && !CLOSED {
                    let (item, support) = (found.items[0], found.supports[0]);
                    self.push(item);
                    self.emit(support, true);
                } else if found.free > 0 && self.length() < self.miner.most {
                    for (local, &other) in (0..).zip(&found.from) {
                        level.map[other as usize] = local;
                    }
                    let end = if CLOSED { NONE } else { pivot as u32 };
                    let pairs = project(
                        rows,
                        list,
                        &level.map,
                        &mut level.rows,
                        end,
                        found.free,
                        CLOSED,
                    );
                    for &other in &found.from {
                        level.map[other as usize] = NONE;
                    }
                    self.node(&level.found, &level.rows, pairs);
                }
            }
            self.stack.truncate(depth);
        }
    }

    /// Subtree of a class of bitsets: frequent sets.
    fn grow(&mut self, class: &Class) {
        let deepest = self.stack.len() + 1 >= self.miner.most;
        for member in class.start..class.end {
            if self.sink.step() {
                return;
            }
            self.push(self.arena.items[member]);
            self.sink.take(&self.stack, self.arena.supports[member]);
            if member > class.start && !deepest {
                let least = self.miner.min_support;
                let child = self.arena.extend(class, member, least);
                if child.len() == 1 {
                    self.push(self.arena.items[child.start]);
                    self.sink
                        .take(&self.stack, self.arena.supports[child.start]);
                    self.stack.pop();
                } else if child.len() > 1 {
                    self.grow(&child);
                }
                self.arena.drop_class(&child, class);
            }
            self.stack.pop();
        }
    }

    /// Subtree of a class of bitsets: closed and maximal sets.
    fn grow_closed(&mut self, class: &Class) {
        let least = self.miner.min_support;
        for member in class.start..class.end {
            if self.sink.step() {
                return;
            }
            let support = self.arena.supports[member];
            let pivot = self.arena.items[member] as usize;
            // Perfect extensions lie below the pivot, so they need not be known yet.
            if self.arena.covered(class, member, pivot, &self.inside) {
                continue;
            }
            let depth = self.stack.len();
            let absorbed = self.absorbed.len();
            self.take_in(pivot);
            let child = self.arena.extend(class, member, least);
            let rest = self.absorb(&child, support);
            let mut alone = rest.len() == 0;
            if alone && self.miner.kind == Kind::Maximal {
                let inside = &self.inside;
                alone = !self.arena.extendable(class, member, pivot, inside, least);
            }
            self.emit(support, alone);
            if rest.len() > 0 && self.length() < self.miner.most {
                self.grow_closed(&rest);
            }
            self.arena.drop_class(&child, class);
            self.stack.truncate(depth);
            for place in self.absorbed.drain(absorbed..) {
                self.inside[place / 64] &= !(1 << (place % 64));
            }
        }
    }

    /// Puts an item of the first class on the stack.
    fn take_in(&mut self, place: usize) {
        self.stack.push(self.names[place]);
        self.inside[place / 64] |= 1 << (place % 64);
        self.absorbed.push(place);
    }

    /// Moves perfect extensions of a class from the class to the stack.
    fn absorb(&mut self, class: &Class, support: u64) -> Class {
        let mut rest = *class;
        rest.end = class.start;
        for member in class.start..class.end {
            if self.arena.supports[member] == support {
                self.take_in(self.arena.items[member] as usize);
            } else {
                self.arena.shift(class, member, rest.end);
                rest.end += 1;
            }
        }
        rest
    }
}

impl Found {
    fn clear(&mut self) {
        self.items.clear();
        self.supports.clear();
        self.from.clear();
        self.free = 0;
    }

    /// Adds an item passed over.
    fn pass(&mut self, item: u32, from: u32) {
        self.items.push(item);
        self.from.push(from);
    }

    /// Takes an extension; a perfect one goes to the stack where sets are closed.
    #[inline(always)]
    fn add<const CLOSED: bool>(
        &mut self,
        item: u32,
        count: u64,
        from: u32,
        support: u64,
        stack: &mut Vec<u32>,
    ) {
        if CLOSED && count == support {
            stack.push(item);
        } else {
            self.items.push(item);
            self.supports.push(count);
            self.from.push(from);
            self.free += 1;
        }
    }
}
