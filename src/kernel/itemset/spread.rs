//! Rows for the first step of the search where items are many: one stretch of numbers, each row
//! closed by a mark, and for every item where its rows begin. One look finds a row and its end.

use super::buckets::Deal;
use super::eclat::NONE;
use super::prepare::{Prepared, Rows};

/// Added to the number of a row, which closes it.
const MARK: u32 = 1 << 31;

/// Items and rows that fit, together.
pub(super) const MOST: usize = MARK as usize - 1;

/// Rows, and where those of every item begin.
#[derive(Debug)]
pub(super) struct Spread {
    rows: Vec<u32>,
    starts: Vec<usize>,
    lists: Vec<u32>,
}

impl Spread {
    pub(super) fn new(data: &Prepared) -> Self {
        let (n, from) = (data.n_items(), &data.rows);
        let mut rows = Vec::with_capacity(from.items.len() + from.len());
        for row in 0..from.len() {
            rows.extend_from_slice(from.row(row));
            rows.push(MARK | row as u32);
        }
        let mut starts = vec![0; n + 1];
        for &item in rows.iter().filter(|item| **item < MARK) {
            starts[item as usize + 1] += 1;
        }
        for item in 0..n {
            starts[item + 1] += starts[item];
        }
        let mut lists = vec![0; starts[n]];
        let mut begin = 0;
        for (place, &item) in (1..).zip(&rows) {
            if item >= MARK {
                begin = place;
                continue;
            }
            let slot = &mut starts[item as usize];
            lists[*slot] = begin;
            *slot += 1;
        }
        starts.copy_within(0..n, 1);
        starts[0] = 0;
        Self {
            rows,
            starts,
            lists,
        }
    }

    fn list(&self, item: usize) -> &[u32] {
        &self.lists[self.starts[item]..self.starts[item + 1]]
    }

    /// Adds up the weights of what comes with an item: before it, or anywhere.
    pub(super) fn count(&self, item: usize, weights: &[u64], whole: bool, counts: &mut [u64]) {
        let end = if whole { MARK } else { item as u32 };
        for &start in self.list(item) {
            let row = &self.rows[start as usize..];
            let weight = weight(row, weights);
            for &other in row.iter().take_while(|other| **other < end) {
                counts[other as usize] += weight;
            }
        }
    }

    /// The rows of an item, reduced to what `map` knows; at most `bound` items are left.
    /// Returns the number of pairs.
    pub(super) fn project(
        &self,
        item: usize,
        weights: &[u64],
        map: &[u32],
        out: &mut Rows,
        (deal, bound): (Deal, u64),
    ) -> u64 {
        out.clear();
        let longest = self.list(item).len().saturating_mul(map.len());
        out.items.resize((bound as usize).min(longest) + 1, 0);
        let (mut to, mut pairs) = (0, 0);
        for &start in self.list(item) {
            let row = &self.rows[start as usize..];
            let first = to;
            for &other in row.iter().take_while(|other| **other < item as u32) {
                // Written in any case and kept by moving on: no branch to mispredict.
                let local = map[other as usize];
                out.items[to] = local;
                to += usize::from(local != NONE);
            }
            let own = to - first;
            if own < deal.least {
                to = first;
                continue;
            }
            if deal.whole {
                let behind = row.iter().skip_while(|other| **other <= item as u32);
                for &other in behind.take_while(|other| **other < MARK) {
                    let local = map[other as usize];
                    out.items[to] = local;
                    to += usize::from(local != NONE);
                }
            }
            pairs += deal.pairs(own, to - first);
            out.offsets.push(to);
            if !weights.is_empty() {
                out.weights.push(weights[number(row) as usize]);
            }
        }
        out.items.truncate(to);
        pairs
    }
}

/// The number of the row that begins here.
fn number(row: &[u32]) -> u32 {
    let mark = row.iter().find(|item| **item >= MARK);
    mark.map_or(0, |mark| mark ^ MARK)
}

/// Weight of the row that begins here.
fn weight(row: &[u32], weights: &[u64]) -> u64 {
    if weights.is_empty() {
        return 1;
    }
    weights[number(row) as usize]
}
