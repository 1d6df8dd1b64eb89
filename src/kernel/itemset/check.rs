//! Tests of one set against the rows: is it closed, maximal, a generator?
//!
//! A few rows are enough to show that a set is closed (what they have in common is the set) or
//! that it is a generator (for each item a row with all the others but not it), so most tests end
//! after a few rows of the list of the set's rarest item.

use super::prepare::Rows;

/// Rows with their lists by item.
#[derive(Debug)]
pub(crate) struct Checker<'a> {
    rows: &'a Rows,
    starts: Vec<usize>,
    lists: Vec<u32>,
    n_items: usize,
}

/// Whether `row` contains `set`; both ascending.
#[inline]
fn contains(row: &[u32], set: &[u32]) -> bool {
    let mut rest = row.iter();
    set.iter().all(|item| {
        for other in rest.by_ref() {
            if other >= item {
                return other == item;
            }
        }
        false
    })
}

impl<'a> Checker<'a> {
    pub(crate) fn new(rows: &'a Rows, n_items: usize) -> Self {
        let (mut starts, mut lists) = (Vec::new(), Vec::new());
        rows.transpose(n_items, &mut starts, &mut lists);
        Self {
            rows,
            starts,
            lists,
            n_items,
        }
    }

    /// Rows that contain the set (ascending ranks, not empty).
    fn rows_of<'b>(&'b self, set: &'b [u32]) -> impl Iterator<Item = usize> + 'b {
        let rarest = set
            .iter()
            .map(|&item| item as usize)
            .min_by_key(|&item| self.starts[item + 1] - self.starts[item]);
        let list = match rarest {
            Some(item) => &self.lists[self.starts[item]..self.starts[item + 1]],
            None => &[],
        };
        list.iter()
            .map(|&row| row as usize)
            .filter(move |&row| contains(self.rows.row(row), set))
    }

    /// Whether all rows of the set have another item in common.
    pub(crate) fn covered(&self, set: &[u32], common: &mut Vec<u32>) -> bool {
        let mut rows = self.rows_of(set);
        let Some(first) = rows.next() else {
            return true;
        };
        common.clear();
        common.extend_from_slice(self.rows.row(first));
        for row in rows {
            if common.len() == set.len() {
                return false;
            }
            let mut rest = self.rows.row(row).iter().peekable();
            common.retain(|&item| {
                while rest.next_if(|&&other| other < item).is_some() {}
                rest.peek() == Some(&&item)
            });
        }
        common.len() > set.len()
    }

    /// Whether an item beyond the set reaches the support together with it.
    pub(crate) fn extendable(&self, set: &[u32], min_support: u64, counts: &mut Vec<u64>) -> bool {
        counts.clear();
        counts.resize(self.n_items, 0);
        for row in self.rows_of(set) {
            let weight = self.rows.weight(row);
            for &item in self.rows.row(row) {
                counts[item as usize] += weight;
            }
        }
        for &item in set {
            counts[item as usize] = 0;
        }
        counts.iter().any(|&count| count >= min_support)
    }

    /// Whether every item of the set takes rows away from the rest of it; `total` and `supports`
    /// serve single items.
    pub(crate) fn generator(&self, set: &[u32], total: u64, supports: &[u64]) -> bool {
        if let [item] = set {
            return supports[*item as usize] < total;
        }
        let mut rest = Vec::with_capacity(set.len());
        set.iter().all(|item| {
            rest.clear();
            rest.extend(set.iter().filter(|other| *other != item));
            self.rows_of(&rest)
                .any(|row| self.rows.row(row).binary_search(item).is_err())
        })
    }
}
