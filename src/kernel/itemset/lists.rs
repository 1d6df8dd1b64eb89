//! Rows by lists: what is left of them for an extension.

use super::buckets::Deal;
use super::eclat::NONE;
use super::prepare::Rows;

/// The rows of every item.
#[derive(Debug, Default)]
pub(super) struct Lists {
    starts: Vec<usize>,
    ends: Vec<usize>,
    rows: Vec<u32>,
}

impl Lists {
    /// Turns rows of at least so many of `n` items around.
    pub(super) fn fill(&mut self, rows: &Rows, n: usize, least: usize) {
        let starts = &mut self.starts;
        starts.clear();
        starts.resize(n + 1, 0);
        for &item in &rows.items {
            starts[item as usize + 1] += 1;
        }
        // Room for all, whether they come or not.
        for item in 0..n {
            starts[item + 1] += starts[item];
        }
        self.ends.clear();
        self.ends.extend_from_slice(&starts[..n]);
        self.rows.resize(rows.items.len().max(self.rows.len()), 0);
        for (row, ends) in (0..).zip(rows.offsets.windows(2)) {
            let items = &rows.items[ends[0]..ends[1]];
            if items.len() < least {
                continue;
            }
            for &item in items {
                let end = &mut self.ends[item as usize];
                self.rows[*end] = row;
                *end += 1;
            }
        }
    }

    pub(super) fn of(&self, item: usize) -> &[u32] {
        &self.rows[self.starts[item]..self.ends[item]]
    }
}

/// Rows of a list, reduced to what `map` knows; those with too few before the pivot are left out, and
/// what comes behind it where whole rows are not asked for. Returns the number of pairs.
pub(super) fn project(
    rows: &Rows,
    list: &[u32],
    map: &[u32],
    out: &mut Rows,
    (pivot, deal): (u32, Deal),
) -> u64 {
    out.clear();
    let mut pairs = 0;
    for &row in list {
        let start = out.items.len();
        let items = rows.row(row as usize);
        let mut at = start;
        // Written in any case and kept by moving on: no branch to mispredict.
        out.items.resize(start + items.len(), 0);
        let mut rest = items.iter();
        for &item in rest.by_ref().take_while(|item| **item < pivot) {
            let local = map[item as usize];
            out.items[at] = local;
            at += usize::from(local != NONE);
        }
        let own = at - start;
        if own < deal.least {
            out.items.truncate(start);
            continue;
        }
        if deal.whole {
            for &item in rest {
                let local = map[item as usize];
                out.items[at] = local;
                at += usize::from(local != NONE);
            }
        }
        out.items.truncate(at);
        pairs += deal.pairs(own, at - start);
        out.offsets.push(at);
        if !rows.weights.is_empty() {
            out.weights.push(rows.weights[row as usize]);
        }
    }
    pairs
}
