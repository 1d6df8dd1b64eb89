//! Supports of itemsets by their items.

use std::cmp::Ordering;

use crate::association::Itemsets;
use crate::numeric::parallel::sort_by;

/// Itemsets sorted for search; a lookup is a few comparisons of short lists.
#[derive(Debug)]
pub(crate) struct Supports<'a> {
    sets: &'a Itemsets,
    order: Vec<u32>,
}

/// Shorter sets first, then by items.
fn compare(a: &[u32], b: &[u32]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

impl<'a> Supports<'a> {
    pub(crate) fn new(sets: &'a Itemsets) -> Self {
        let mut order: Vec<u32> = (0..sets.len() as u32).collect();
        let items = |at: &u32| sets.at(*at as usize).items;
        sort_by(&mut order, |a, b| compare(items(a), items(b)));
        Self { sets, order }
    }

    /// Support of a set of increasing items; that of no item is the number of units.
    pub(crate) fn of(&self, set: &[u32]) -> Option<u64> {
        if set.is_empty() {
            return Some(self.sets.n_units() as u64);
        }
        let found = self
            .order
            .binary_search_by(|at| compare(self.sets.at(*at as usize).items, set));
        found
            .ok()
            .map(|at| self.sets.at(self.order[at] as usize).support)
    }
}
