//! Baskets turned into rows of ranks, a block of them at a time.
//!
//! Rows are not sorted one by one: the block is turned to lists of rows by rank and back again, rank by
//! rank, which leaves every row in order.

use super::prepare::Rows;

/// Rank of an item that is not kept.
pub(super) const NONE: u32 = u32::MAX;

/// A block of rows as it is read, and room to put them in order.
#[derive(Debug, Default)]
pub(super) struct Block {
    codes: Vec<u32>,
    /// Where the rows begin, and where the last one ends.
    starts: Vec<usize>,
    weights: Vec<u64>,
    lists: Vec<u32>,
    places: Vec<usize>,
    next: Vec<usize>,
}

impl Block {
    /// Adds a row; what has no rank is left out.
    pub(super) fn push(&mut self, ranks: impl ExactSizeIterator<Item = u32>, weight: Option<u64>) {
        if self.starts.is_empty() {
            self.starts.push(0);
        }
        let first = self.codes.len();
        let mut to = first;
        self.codes.resize(first + ranks.len(), 0);
        for rank in ranks {
            // Written in any case and kept by moving on: no branch to mispredict.
            self.codes[to] = rank;
            to += usize::from(rank != NONE);
        }
        self.codes.truncate(to);
        if to > first {
            self.starts.push(to);
            self.weights.extend(weight);
        }
    }

    /// Hands the rows over, in order and each item once, and is empty again.
    pub(super) fn pour(&mut self, n_items: usize, out: &mut Rows) {
        if self.codes.len() >= n_items {
            self.turn(n_items);
        } else {
            for ends in self.starts.windows(2) {
                self.codes[ends[0]..ends[1]].sort_unstable();
            }
        }
        let first = out.items.len();
        let mut to = first;
        out.items.resize(first + self.codes.len(), 0);
        for ends in self.starts.windows(2) {
            let mut last = NONE;
            for &rank in &self.codes[ends[0]..ends[1]] {
                out.items[to] = rank;
                to += usize::from(rank != last);
                last = rank;
            }
            out.offsets.push(to);
        }
        out.items.truncate(to);
        out.weights.append(&mut self.weights);
        self.codes.clear();
        self.starts.clear();
    }

    /// Puts all rows in order at once.
    fn turn(&mut self, n_items: usize) {
        let places = &mut self.places;
        places.clear();
        places.resize(n_items + 1, 0);
        for &rank in &self.codes {
            places[rank as usize + 1] += 1;
        }
        for rank in 0..n_items {
            places[rank + 1] += places[rank];
        }
        self.lists.clear();
        self.lists.resize(self.codes.len(), 0);
        for (row, ends) in (0..).zip(self.starts.windows(2)) {
            for &rank in &self.codes[ends[0]..ends[1]] {
                let place = &mut places[rank as usize];
                self.lists[*place] = row;
                *place += 1;
            }
        }
        self.next.clear();
        self.next.extend_from_slice(&self.starts);
        let mut from = 0;
        for (rank, &end) in (0..n_items as u32).zip(places.iter()) {
            for &row in &self.lists[from..end] {
                let next = &mut self.next[row as usize];
                self.codes[*next] = rank;
                *next += 1;
            }
            from = end;
        }
    }
}
