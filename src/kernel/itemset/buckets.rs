//! Rows dealt out by pivot in one pass: for every item, what comes before it in its rows and is
//! frequent together with it.
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

/// Pairs that are frequent, as bits by the larger item.
#[derive(Debug)]
pub(super) struct Frequent {
    words: Vec<u64>,
    width: usize,
}

impl Frequent {
    pub(super) fn new(counts: &[u32], n: usize, least: u64) -> Self {
        let width = n.div_ceil(64);
        let mut words = vec![0_u64; n * width];
        for large in 1..n {
            let own = &mut words[large * width..(large + 1) * width];
            for (small, &count) in counts[at(large, 0)..at(large, large)].iter().enumerate() {
                own[small / 64] |= u64::from(u64::from(count) >= least) << (small % 64);
            }
        }
        Self { words, width }
    }

    fn row(&self, large: usize) -> &[u64] {
        &self.words[large * self.width..(large + 1) * self.width]
    }

    /// Sum of the counts of frequent pairs, by larger item.
    pub(super) fn sums(&self, counts: &[u32]) -> Vec<u64> {
        let sum = |large: usize| {
            let (words, first) = (self.row(large), at(large.max(1), 0));
            let own = counts[first..].iter().take(large).enumerate();
            let bit = |small: usize| words[small / 64] >> (small % 64) & 1;
            own.map(|(small, &count)| u64::from(count) * bit(small))
                .sum()
        };
        (0..self.words.len() / self.width).map(sum).collect()
    }
}

/// Which rows are dealt out, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deal {
    /// Fewest items before a pivot for which its row is kept.
    pub(super) least: usize,
    /// Whether rows are told.
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
                if to - first >= deal.least {
                    stream[to - 1] |= END;
                    ends[large] = to;
                }
            }
        }
        Self {
            stream,
            starts,
            ends,
        }
    }

    /// Adds the rows of an item, as far as `map` knows their items. Returns the number of pairs.
    pub(super) fn project(
        &self,
        item: usize,
        rows: &Rows,
        map: &[u32],
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
            let first = to;
            for &code in rest.by_ref() {
                let local = map[usize::from(code & !END)];
                out.items[to] = local;
                to += usize::from(local != NONE);
                if code >= END {
                    break;
                }
            }
            let own = to - first;
            if own < deal.least {
                to = first;
                continue;
            }
            if deal.whole {
                let row = rows.row(row as usize);
                let behind = row.iter().rev().take_while(|other| **other > item as u32);
                let behind = &row[row.len() - behind.count()..];
                // What is still to come fits as well: it was given room at the start.
                if out.items.len() < to + rest.len() + behind.len() {
                    out.items.resize(to + rest.len() + behind.len(), 0);
                }
                for &other in behind {
                    let local = map[other as usize];
                    out.items[to] = local;
                    to += usize::from(local != NONE);
                }
            }
            pairs += deal.pairs(own, to - first);
            out.offsets.push(to);
            if !rows.weights.is_empty() {
                out.weights.push(rows.weights[row as usize]);
            }
        }
        out.items.truncate(to);
        pairs
    }
}
