//! The sets that a search found.

use serde::{Deserialize, Serialize};

use crate::association::saved::RawItemsets;
use crate::kernel::itemset::drive::Table;

/// Itemsets with their supports; made by [`ItemsetParams::mine`](crate::association::ItemsetParams::mine).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawItemsets")]
pub struct Itemsets {
    names: Vec<String>,
    n_units: usize,
    starts: Vec<usize>,
    items: Vec<u32>,
    supports: Vec<u64>,
    /// Whether these are all frequent sets of up to `longest` items.
    complete: bool,
    longest: usize,
}

/// One itemset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Itemset<'a> {
    /// Its items, increasing.
    pub items: &'a [u32],
    /// Number of units that have all of them.
    pub support: u64,
}

impl Itemsets {
    /// No set yet, of named items.
    pub(crate) fn new(names: &[String], n_units: usize, complete: bool, longest: usize) -> Self {
        Self {
            names: names.to_vec(),
            n_units,
            starts: vec![0],
            items: Vec::new(),
            supports: Vec::new(),
            complete,
            longest,
        }
    }

    pub(crate) fn reserve(&mut self, sets: usize) {
        self.supports.reserve(sets);
        self.starts.reserve(sets);
    }

    pub(crate) fn push(&mut self, set: &[u32], support: u64) {
        self.items.extend_from_slice(set);
        self.starts.push(self.items.len());
        self.supports.push(support);
    }

    pub(crate) fn take(&mut self, table: &Table, reduced: impl Fn(&[u32]) -> Option<Vec<u32>>) {
        for (range, support) in table.offsets.windows(2).zip(&table.supports) {
            if let Some(set) = reduced(&table.items[range[0]..range[1]]) {
                self.push(&set, *support);
            }
        }
    }

    /// Number of sets.
    pub fn len(&self) -> usize {
        self.supports.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.supports.is_empty()
    }

    /// Number of units, those without any item among them.
    pub fn n_units(&self) -> usize {
        self.n_units
    }

    /// The sets, each after all of its subsets.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Itemset<'_>> + '_ {
        (0..self.len()).map(|at| self.at(at))
    }

    pub(crate) fn at(&self, at: usize) -> Itemset<'_> {
        Itemset {
            items: &self.items[self.starts[at]..self.starts[at + 1]],
            support: self.supports[at],
        }
    }

    /// Whether these are all frequent sets up to a length, none left out by a setting.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The largest number of items that was asked for.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    pub(crate) fn all_names(&self) -> &[String] {
        &self.names
    }

    /// Names of items.
    ///
    /// # Panics
    /// When there is no such item.
    pub fn names(&self, items: &[u32]) -> Vec<&str> {
        items
            .iter()
            .map(|item| self.names[*item as usize].as_str())
            .collect()
    }
}
