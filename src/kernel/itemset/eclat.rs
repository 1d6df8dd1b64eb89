//! Depth-first mining by item lists and bitsets: frequent, closed and maximal sets.
//!
//! A prefix is extended by more frequent items only. Pairs are counted first, in one pass over the
//! rows, and their rows dealt out in a second ([`super::buckets`]). Where the rows of a prefix are
//! many and sparse, they are projected as lists, the supports of all pairs that extend it are
//! counted in one triangular matrix (two levels at once), and the rows of each extension are found
//! through item lists. As soon as bitsets are cheaper, the subtree goes over to a class of bitsets
//! ([`super::vertical`]). Zaki (2000), doi:10.1109/69.846291; occurrence deliver and the closure test
//! without a store of closed sets after Uno, Kiyomi and Arimura (2004, LCM 2).
//!
//! Where sets are closed, items that were passed over on the way come along as long as they are
//! frequent with the prefix: a prefix is the head of a closed set unless one of them holds all its
//! rows, and maximal unless one holds enough of them.

use std::ops::Range;

use super::Miner;
use super::buckets::Deal;
use super::lists::{Lists, project};
use super::matrix::Matrix;
use super::pairs::Pairs;
use super::prepare::{Prepared, Rows};
use super::sink::Sink;
use super::spread::Spread;
use super::vertical::{Arena, Class};

pub(super) const NONE: u32 = u32::MAX;
/// Words that stay in fast memory.
const MOST_BITS: f64 = (1 << 18) as f64;

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
    tasks: Vec<Range<usize>>,
    /// Items in every row: in every closed set.
    full: usize,
    /// Weight on the cost of lists against that of bitsets.
    lists_cost: f64,
    /// Words of bitsets that are made for pivots whose pairs were counted in lists.
    most_bits: f64,
    deal: Deal,
    /// Pairs of items, where they are few enough.
    pairs: Option<Pairs>,
    /// Rows by item, where pairs do not have them.
    spread: Option<Spread>,
}

impl<'a> Eclat<'a> {
    pub(crate) fn new(data: &'a Prepared, min_support: u64, most: usize, kind: Kind) -> Self {
        let n = data.n_items();
        // Pairs themselves are looked at again where sets are closed.
        let closed = kind != Kind::Frequent;
        let deal = Deal {
            least: if closed { 1 } else { 2 },
            told: !data.rows.weights.is_empty(),
            whole: closed,
        };
        let pairs = Pairs::new(data, min_support, deal);
        let dealt = pairs.as_ref().is_some_and(Pairs::dealt);
        let spread = (!dealt).then(|| Spread::new(data));
        let full = match kind {
            Kind::Frequent => 0,
            _ => data
                .supports
                .iter()
                .take_while(|&&s| s == data.total)
                .count(),
        };
        let cost = |item: usize| data.supports[item].min(data.rows.len() as u64) + item as u64;
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
            tasks,
            full,
            lists_cost: 1.0,
            most_bits: MOST_BITS,
            deal,
            pairs,
            spread,
        }
    }

    /// Shifts the choices between lists, rows and bitsets, so that tests reach all.
    #[cfg(test)]
    pub(crate) fn with_costs(mut self, cost: f64, most_bits: f64) -> Self {
        self.lists_cost = cost;
        self.most_bits = most_bits;
        // Where lists are taken whatever they cost, they count pairs too.
        if cost >= 1.0 {
            self.pairs = None;
            self.spread = Some(Spread::new(self.data));
        }
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
    lists: Lists,
    /// Whether they are those of this level's rows.
    listed: bool,
    /// The level's rows as bitsets.
    root: Option<Class>,
    matrix: Matrix,
    map: Vec<u32>,
    found: Found,
}

/// Extensions of a prefix.
#[derive(Debug, Default)]
struct Found {
    items: Vec<u32>,
    supports: Vec<u64>,
    /// Index of every one in the node above; behind the extensions come the items passed over.
    from: Vec<u32>,
}

/// One task's search; `CLOSED` also serves maximal sets.
struct Search<'a, S: Sink, const CLOSED: bool> {
    miner: &'a Eclat<'a>,
    sink: &'a mut S,
    /// Ids of the prefix, or ranks where sets are closed.
    stack: Vec<u32>,
    set: Vec<u32>,
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

    /// Takes an extension; a perfect one goes to the stack where sets are closed.
    #[inline(always)]
    fn add(&mut self, found: &mut Found, item: u32, count: u64, from: u32, support: u64) {
        if CLOSED && count == support {
            self.push(item);
        } else {
            found.items.push(item);
            found.supports.push(count);
            found.from.push(from);
        }
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
        let weights = &miner.data.rows.weights;
        let support = miner.data.supports[item];
        let depth = self.stack.len();
        self.push(item as u32);
        if !CLOSED && self.length() >= miner.most {
            self.emit(support, true);
            self.stack.truncate(depth);
            return;
        }
        let end = if CLOSED { counts.len() } else { item };
        if let Some(pairs) = &miner.pairs {
            for (small, count) in counts[..item].iter_mut().enumerate() {
                *count = pairs.of(item, small);
            }
            for (large, count) in counts[..end].iter_mut().enumerate().skip(item + 1) {
                *count = pairs.of(large, item);
            }
        } else if let Some(spread) = &miner.spread {
            spread.count(item, weights, CLOSED, counts);
        }
        let found = &mut level.found;
        found.clear();
        for (other, count) in counts.iter().enumerate().take(item).skip(miner.full) {
            if *count >= miner.min_support {
                self.add(found, other as u32, *count, other as u32, support);
            }
        }
        let extensions = found.items.len();
        let mut bound: u64 = found.supports.iter().sum();
        let mut most = 0;
        for (other, &count) in counts[..end].iter().enumerate().skip(item + 1) {
            most = most.max(count);
            if count >= miner.min_support {
                found.from.push(other as u32);
                bound += count;
            }
        }
        counts[..end].fill(0);
        if most < support {
            self.emit(support, extensions == 0 && most < miner.min_support);
            if extensions > 0 && self.length() < miner.most {
                for (local, &other) in (0..).zip(&found.from) {
                    map[other as usize] = local;
                }
                let (rows, deal) = (&mut level.rows, miner.deal);
                let mut pairs = 0;
                if let Some(spread) = &miner.spread {
                    pairs = spread.project(item, weights, map, rows, (deal, bound));
                } else if let Some(dealt) = &miner.pairs {
                    pairs = dealt.project(item, weights, (map, extensions as u32), rows, deal);
                }
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
        if !CLOSED && pairs == 0 {
            for (&item, &support) in found.items.iter().zip(&found.supports) {
                self.push(item);
                self.emit(support, true);
                self.stack.pop();
            }
            return;
        }
        let free = found.items.len() as f64;
        let passed = found.from.len() as f64 - free;
        let width = rows.len() as f64 / 64.0 + 1.0;
        let tested = free * (free * 0.5 + passed);
        let bitsets = tested * width * 0.4 + (free + passed) * width;
        let lists = tested * 0.7 + pairs as f64 * 3.0;
        if bitsets <= lists * self.miner.lists_cost || self.miner.data.total > u64::from(u32::MAX) {
            let class = self
                .arena
                .root(rows, &found.items, &found.supports, found.from.len(), 0);
            self.subtree(&class);
        } else {
            let mut level = self.levels.pop().unwrap_or_default();
            self.pairs(found, rows, &mut level);
            self.levels.push(level);
        }
    }

    /// Two levels from one pass over the rows.
    fn pairs(&mut self, above: &Found, rows: &Rows, level: &mut Level) {
        let (n, free) = (above.from.len(), above.items.len());
        let least = self.miner.min_support;
        level.matrix.count(rows, n, free, least, CLOSED);
        level.map.clear();
        level.map.resize(n, NONE);
        level.listed = false;
        level.root = None;
        for pivot in 0..free {
            if self.sink.step() {
                return;
            }
            let support = above.supports[pivot];
            let most = if CLOSED { level.matrix.most(pivot) } else { 0 };
            if most >= support {
                continue;
            }
            let depth = self.stack.len();
            self.push(above.items[pivot]);
            let found = &mut level.found;
            found.clear();
            if CLOSED || self.stack.len() < self.miner.most {
                for &(other, count) in level.matrix.before(pivot) {
                    let item = above.items[other as usize];
                    self.add(found, item, u64::from(count), other, support);
                }
            }
            self.emit(support, found.items.is_empty() && most < least);
            if !found.items.is_empty() && self.length() < self.miner.most {
                let (matrix, kind) = (&level.matrix, self.miner.kind);
                let passed = if CLOSED { matrix.passed(pivot) } else { &[] };
                let supports = &found.supports;
                let enough = |at: usize| {
                    if kind == Kind::Maximal {
                        least
                    } else {
                        supports[at]
                    }
                };
                if matrix.flat(passed, &found.from, least, enough) {
                    for (&item, &support) in found.items.iter().zip(supports) {
                        self.push(item);
                        self.emit(support, true);
                        self.stack.pop();
                    }
                } else {
                    self.deeper(above, rows, level, pivot);
                }
            }
            self.stack.truncate(depth);
        }
    }

    /// The sets of a pivot, extensions that the level found, and more.
    fn deeper(&mut self, above: &Found, rows: &Rows, level: &mut Level, pivot: usize) {
        let n = above.from.len();
        // Shorter rows say nothing of what is not known from pairs: sets of a pivot and two more, or who
        // else has all rows of a pivot and one more.
        let shortest = if CLOSED { 2 } else { 3 };
        let found = &mut level.found;
        if CLOSED {
            let least = self.miner.min_support;
            level.matrix.pass(pivot, least, &mut found.from);
        }
        if n as f64 * (rows.len() as f64 / 64.0 + 1.0) <= self.miner.most_bits {
            let arena = &mut self.arena;
            let root = *level.root.get_or_insert_with(|| {
                arena.root(rows, &above.items, &above.supports, n, shortest)
            });
            let class = arena.select(&root, pivot, &found.from, &found.items, &found.supports);
            self.subtree(&class);
            self.arena.drop_class(&class, &root);
            return;
        }
        if !level.listed {
            level.lists.fill(rows, n, shortest);
            level.listed = true;
        }
        for (local, &other) in (0..).zip(&found.from) {
            level.map[other as usize] = local;
        }
        let list = level.lists.of(pivot);
        let rules = (pivot as u32, self.miner.deal);
        let pairs = project(rows, list, &level.map, &mut level.rows, rules);
        for &other in &found.from {
            level.map[other as usize] = NONE;
        }
        self.node(&level.found, &level.rows, pairs);
    }

    fn subtree(&mut self, class: &Class) {
        if CLOSED {
            self.grow_closed(class);
        } else {
            self.grow(class);
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
        for member in class.start..class.passed {
            if self.sink.step() {
                return;
            }
            if self.arena.covered(class, member) {
                continue;
            }
            let support = self.arena.supports[member];
            let depth = self.stack.len();
            self.push(self.arena.items[member]);
            let child = self.arena.extend(class, member, least);
            let mut rest = self.absorb(&child, support);
            let mut alone = rest.len() == 0;
            if alone && self.miner.kind == Kind::Maximal {
                alone = !self.arena.extendable(class, member, least);
            }
            self.emit(support, alone);
            if rest.len() > 0 && self.length() < self.miner.most {
                self.arena.pass(class, member, &mut rest, least);
                self.grow_closed(&rest);
            }
            self.arena.drop_class(&child, class);
            self.stack.truncate(depth);
        }
    }

    /// Moves perfect extensions of a class from the class to the stack.
    fn absorb(&mut self, class: &Class, support: u64) -> Class {
        let mut rest = *class;
        rest.passed = class.start;
        for member in class.start..class.passed {
            if self.arena.supports[member] == support {
                self.push(self.arena.items[member]);
            } else {
                self.arena.shift(class, member, rest.passed);
                rest.passed += 1;
            }
        }
        rest.end = rest.passed;
        rest
    }
}

impl Found {
    fn clear(&mut self) {
        self.items.clear();
        self.supports.clear();
        self.from.clear();
    }
}
