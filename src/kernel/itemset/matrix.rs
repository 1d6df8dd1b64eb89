//! Joint weights of all pairs of items that extend a prefix, from one pass over its rows.

use super::prepare::Rows;
use crate::numeric::simd::{Arch, NullaryFnOnce};
use std::ops::{AddAssign, Range};

/// Most extensions whose pairs are looked up one by one.
const FEW: usize = 16;

/// Weights of pairs of which one item at least is an extension; the others were passed over.
#[derive(Debug)]
pub(super) struct Matrix {
    /// Weights where sums fit, else those below: half the memory is half the time.
    narrow: Vec<u16>,
    wide: Vec<u32>,
    /// Number of extensions; behind them come the items passed over.
    free: usize,
    /// Frequent pairs, by larger item: the smaller one and the weight.
    pairs: Vec<(u32, u32)>,
    starts: Vec<usize>,
    /// For every extension, the largest weight with an item that is passed over by then.
    most: Vec<u32>,
    /// The items that are passed over by every extension and frequent with it.
    passed: Vec<u32>,
    passed_starts: Vec<usize>,
    arch: Arch,
}

impl Default for Matrix {
    fn default() -> Self {
        Self {
            narrow: Vec::new(),
            wide: Vec::new(),
            free: 0,
            pairs: Vec::new(),
            starts: Vec::new(),
            most: Vec::new(),
            passed: Vec::new(),
            passed_starts: Vec::new(),
            arch: Arch::new(),
        }
    }
}

impl Matrix {
    /// Counts pairs of the first `free` of `n` items with all, and finds the frequent ones; with
    /// `whole`, from both sides.
    pub(super) fn count(&mut self, rows: &Rows, n: usize, free: usize, least: u64, whole: bool) {
        self.free = free;
        self.narrow.clear();
        self.wide.clear();
        self.pairs.clear();
        self.starts.clear();
        self.starts.push(0);
        let (pairs, starts) = (&mut self.pairs, &mut self.starts);
        let mut end = |found| starts.push(found);
        if rows.weights.is_empty() && rows.len() < usize::from(u16::MAX) {
            let least = u16::try_from(least).unwrap_or(u16::MAX);
            add(&mut self.narrow, rows, n, free, |_| 1);
            for high in 0..n {
                let counts = &self.narrow[line(high, free)];
                self.arch.dispatch(Sweep {
                    counts,
                    least,
                    pairs,
                });
                end(pairs.len());
            }
        } else {
            let least = u32::try_from(least).unwrap_or(u32::MAX);
            add(&mut self.wide, rows, n, free, |row| rows.weight(row) as u32);
            for high in 0..n {
                let counts = &self.wide[line(high, free)];
                self.arch.dispatch(Sweep {
                    counts,
                    least,
                    pairs,
                });
                end(pairs.len());
            }
        }
        if whole {
            self.turn(n);
        }
    }

    /// The same pairs by smaller item.
    fn turn(&mut self, n: usize) {
        let free = self.free;
        self.most.clear();
        self.most.resize(free, 0);
        let starts = &mut self.passed_starts;
        starts.clear();
        starts.resize(free + 1, 0);
        for &(low, count) in &self.pairs {
            let low = low as usize;
            self.most[low] = self.most[low].max(count);
            starts[low + 1] += 1;
        }
        for low in 0..free {
            starts[low + 1] += starts[low];
        }
        self.passed.clear();
        self.passed.resize(self.pairs.len(), 0);
        for high in 0..n {
            for &(low, _) in &self.pairs[self.starts[high]..self.starts[high + 1]] {
                let place = &mut starts[low as usize];
                self.passed[*place] = high as u32;
                *place += 1;
            }
        }
        starts.copy_within(0..free, 1);
        starts[0] = 0;
    }

    /// Items before the pivot that are frequent with it, with their weights.
    pub(super) fn before(&self, pivot: usize) -> &[(u32, u32)] {
        &self.pairs[self.starts[pivot]..self.starts[pivot + 1]]
    }

    /// Items passed over by the pivot that are frequent with it.
    pub(super) fn passed(&self, pivot: usize) -> &[u32] {
        &self.passed[self.passed_starts[pivot]..self.passed_starts[pivot + 1]]
    }

    /// Those passed over by the pivot that are frequent with one of its extensions too: others hold
    /// no set of theirs. Looked up only where extensions are few.
    pub(super) fn pass(&self, pivot: usize, least: u64, members: &mut Vec<u32>) {
        let few = members.len();
        let passed = self.passed(pivot).iter();
        if few > FEW {
            members.extend(passed);
            return;
        }
        for &other in passed {
            let mut own = members[..few].iter();
            if own.any(|&own| self.of(other, own) >= least) {
                members.push(other);
            }
        }
    }

    /// The largest weight of the pivot with an item passed over, if one is frequent with it.
    pub(super) fn most(&self, pivot: usize) -> u64 {
        u64::from(self.most[pivot])
    }

    /// Whether pairs say all about the sets of the pivot and one of its extensions, which come with
    /// their supports: none goes on, and no item passed over comes with `enough` of the rows of one.
    pub(super) fn flat(
        &self,
        passed: &[u32],
        extensions: &[u32],
        least: u64,
        enough: impl Fn(usize) -> u64,
    ) -> bool {
        extensions.len() <= FEW
            && extensions.iter().enumerate().all(|(at, &own)| {
                extensions[..at]
                    .iter()
                    .all(|&other| self.of(own, other) < least)
                    && passed.iter().all(|&other| self.of(other, own) < enough(at))
            })
    }
}

impl Matrix {
    /// The joint weight of two items.
    #[inline(always)]
    fn of(&self, high: u32, low: u32) -> u64 {
        let at = line(high as usize, self.free).start + low as usize;
        match self.narrow.get(at) {
            Some(&count) => u64::from(count),
            None => u64::from(self.wide[at]),
        }
    }
}

/// Where the weights of item `high` with those before it stand, up to `free` of them.
#[inline(always)]
fn line(high: usize, free: usize) -> Range<usize> {
    let start = if high <= free {
        high * high.saturating_sub(1) / 2
    } else {
        free * free.saturating_sub(1) / 2 + (high - free) * free
    };
    start..start + high.min(free)
}

/// Adds up the joint weights of all rows.
#[inline(always)]
fn add<C: Copy + Default + AddAssign>(
    counts: &mut Vec<C>,
    rows: &Rows,
    n: usize,
    free: usize,
    weight: impl Fn(usize) -> C,
) {
    counts.resize(line(n, free).start, C::default());
    for at in 0..rows.len() {
        let row = rows.row(at);
        let weight = weight(at);
        let mut own = 0;
        for &high in row {
            let counts = &mut counts[line(high as usize, free)];
            for &low in &row[..own] {
                counts[low as usize] += weight;
            }
            own += usize::from((high as usize) < free);
        }
    }
}

/// The search for the frequent ones of one line; they are rare.
struct Sweep<'a, C> {
    counts: &'a [C],
    least: C,
    pairs: &'a mut Vec<(u32, u32)>,
}

impl<C: Copy + PartialOrd + Into<u32>> NullaryFnOnce for Sweep<'_, C> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let mut low = 0;
        let (parts, rest) = self.counts.as_chunks::<16>();
        for part in parts {
            let mut some = false;
            for &count in part {
                some |= count >= self.least;
            }
            if some {
                for (low, &count) in (low..).zip(part) {
                    if count >= self.least {
                        self.pairs.push((low, count.into()));
                    }
                }
            }
            low += 16;
        }
        for (low, &count) in (low..).zip(rest) {
            if count >= self.least {
                self.pairs.push((low, count.into()));
            }
        }
    }
}
