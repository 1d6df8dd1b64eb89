//! Rows dealt out by pivot in one pass: for every item, what comes before it in its rows, or around
//! it, and is frequent together with it.
//!
//! The weights of all pairs say how much room every item needs. Where rows are read in order, nothing
//! is looked up twice; item by item they would be come back to as often as they have items.

use std::ops::Range;

use super::eclat::NONE;
use super::pairs::{MOST_PAIRED, at};
use super::prepare::{Prepared, Rows};

/// Closes a row.
const END: u16 = 1 << 15;
const _: () = assert!(MOST_PAIRED <= END as usize);

/// What a stretch of rows deals out.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Rows of all items: number of the row in two halves where rows are told, then its items, the
    /// last with `END`.
    stream: Vec<u16>,
    starts: Vec<usize>,
    ends: Vec<usize>,
}

/// Pairs that are frequent, as bits by the larger item or by both.
#[derive(Debug)]
pub(super) struct Frequent {
    words: Vec<u64>,
    width: usize,
    whole: bool,
}

impl Frequent {
    pub(super) fn new(counts: &[u32], n: usize, least: u64, whole: bool) -> Self {
        let width = n.div_ceil(64);
        let least = u32::try_from(least).unwrap_or(u32::MAX);
        let mut words = vec![0_u64; n * width];
        for large in 1..n {
            let counts = &counts[at(large, 0)..at(large, large)];
            for (part, counts) in counts.chunks(64).enumerate() {
                let mut word = 0;
                for (bit, &count) in counts.iter().enumerate() {
                    word |= u64::from(count >= least) << bit;
                }
                words[large * width + part] = word;
            }
        }
        let mut frequent = Self {
            words,
            width,
            whole,
        };
        if whole {
            for large in 1..n {
                for small in frequent.before(large) {
                    frequent.words[small * width + large / 64] |= 1 << (large % 64);
                }
            }
        }
        frequent
    }

    fn row(&self, item: usize) -> &[u64] {
        &self.words[item * self.width..(item + 1) * self.width]
    }

    /// The items before one that are frequent with it.
    fn before(&self, large: usize) -> Vec<usize> {
        let mut found = Vec::new();
        for (part, &word) in self.row(large)[..=large / 64].iter().enumerate() {
            let mut rest = word;
            while rest != 0 {
                let small = part * 64 + rest.trailing_zeros() as usize;
                if small < large {
                    found.push(small);
                }
                rest &= rest - 1;
            }
        }
        found
    }

    /// Sum of the counts of frequent pairs, by larger item or by both.
    pub(super) fn sums(&self, counts: &[u32]) -> Vec<u64> {
        let n = self.words.len() / self.width;
        let mut sums = vec![0; n];
        for large in 1..n {
            for small in self.before(large) {
                let count = u64::from(counts[at(large, small)]);
                sums[large] += count;
                if self.whole {
                    sums[small] += count;
                }
            }
        }
        sums
    }
}

/// Which rows are dealt out, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deal {
    /// Fewest items before a pivot for which its row is kept.
    pub(super) least: usize,
    /// Whether numbers of rows are told, which lead to their weights.
    pub(super) told: bool,
    /// Whether what comes behind the pivot is taken along.
    pub(super) whole: bool,
}

impl Deal {
    /// Pairs in a row whose first `own` of `all` items come before the pivot.
    #[inline(always)]
    pub(super) fn pairs(self, own: usize, all: usize) -> u64 {
        (own * (own - 1) / 2 + own * (all - own)) as u64
    }
}

impl Bucket {
    /// Deals out rows; `sums` are those of the pairs in them.
    pub(super) fn fill(
        data: &Prepared,
        range: Range<usize>,
        sums: &[u64],
        frequent: &Frequent,
        deal: Deal,
    ) -> Self {
        let rows = &data.rows;
        let halves = if deal.told { 2 } else { 0 };
        let mut starts = Vec::with_capacity(sums.len());
        let mut size = 0;
        for (&sum, &support) in sums.iter().zip(&data.supports) {
            starts.push(size);
            // What is not kept is written all the same, behind what is.
            size += sum as usize + halves * sum.min(support) as usize + halves + 1;
        }
        let mut stream = vec![0_u16; size];
        let mut ends = starts.clone();
        for row in range {
            let items = rows.row(row);
            for (place, &large) in items.iter().enumerate().skip(deal.least) {
                let large = large as usize;
                if sums[large] == 0 {
                    continue;
                }
                let mut to = ends[large];
                if deal.told {
                    stream[to] = row as u16;
                    stream[to + 1] = (row >> 16) as u16;
                    to += 2;
                }
                let first = to;
                let words = frequent.row(large);
                for &small in &items[..place] {
                    // Written in any case and kept by moving on: no branch to mispredict.
                    stream[to] = small as u16;
                    to += (words[small as usize / 64] >> (small % 64)) as usize & 1;
                }
                if to - first < deal.least {
                    continue;
                }
                if deal.whole {
                    for &other in &items[place + 1..] {
                        stream[to] = other as u16;
                        to += (words[other as usize / 64] >> (other % 64)) as usize & 1;
                    }
                }
                stream[to - 1] |= END;
                ends[large] = to;
            }
        }
        Self {
            stream,
            starts,
            ends,
        }
    }

    /// Adds the rows of an item, as far as `map` knows their items, the first `free` of them
    /// extensions. Returns the number of pairs.
    pub(super) fn project(
        &self,
        item: usize,
        weights: &[u64],
        (map, free): (&[u32], u32),
        out: &mut Rows,
        deal: Deal,
    ) -> u64 {
        let stream = &self.stream[self.starts[item]..self.ends[item]];
        let mut to = out.items.len();
        out.items.resize(to + stream.len(), 0);
        let mut pairs = 0;
        let mut rest = stream.iter();
        while !rest.as_slice().is_empty() {
            let row = if deal.told {
                let mut half = || rest.next().map_or(0, |half| u32::from(*half));
                half() | half() << 16
            } else {
                0
            };
            let (first, mut own) = (to, 0);
            for &code in rest.by_ref() {
                let local = map[usize::from(code & !END)];
                out.items[to] = local;
                to += usize::from(local != NONE);
                own += usize::from(local < free);
                if code >= END {
                    break;
                }
            }
            if own < deal.least {
                to = first;
                continue;
            }
            pairs += deal.pairs(own, to - first);
            out.offsets.push(to);
            if deal.told {
                out.weights.push(weights[row as usize]);
            }
        }
        out.items.truncate(to);
        pairs
    }
}
