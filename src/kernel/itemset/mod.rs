//! Mining of frequent, closed, maximal and generator itemsets.
//!
//! Order. Items are ranked by support among the baskets that contain the required items, largest
//! first, ties by smaller id. A set is written with its required items first (by id) and then from
//! its last rank down. Sets come in the order of the numbers whose binary digit r says whether the
//! item of rank r is in the set: every set comes after all of its subsets. Algorithm and number of
//! threads change nothing of it.

mod apriori;
mod buckets;
mod check;
pub(crate) mod drive;
mod eclat;
mod fp_growth;
mod fp_tree;
mod generators;
mod intersect;
pub(crate) mod limits;
mod lists;
mod matrix;
mod pairs;
pub(crate) mod prefix_span;
pub(crate) mod prepare;
mod recode;
#[cfg(test)]
mod sequence_bounds_tests;
pub(crate) mod sequence_data;
pub(crate) mod sequence_patterns;
mod sequence_probe;
#[cfg(test)]
mod sequence_tests;
pub(crate) mod sequence_top;
pub(crate) mod sink;
mod spread;
#[cfg(test)]
mod tests;
pub(crate) mod top;
mod vertical;
#[cfg(test)]
mod wide_tests;

use limits::{Limits, Overrun};
use sink::Sink;

/// Which sets are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// All sets with at least the minimum support.
    Frequent,
    /// Frequent sets without a superset of the same support.
    Closed,
    /// Frequent sets without a frequent superset.
    Maximal,
    /// Frequent sets without a subset of the same support; the empty set counts as a subset.
    Generators,
}

/// How to find them; the sets and their order are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// The fastest expected for the data.
    Auto,
    /// Level by level, with candidates counted in a prefix tree.
    Apriori,
    /// Conditional prefix trees.
    FpGrowth,
    /// Row lists and bitsets.
    Eclat,
}

/// What to mine.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Least weight of the baskets that contain a set; at least one.
    pub(crate) min_support: u64,
    pub(crate) target: Target,
    pub(crate) algorithm: Algorithm,
    /// Least number of items of a set handed out.
    pub(crate) min_length: usize,
    /// Largest number of items of a set handed out. Closed and maximal sets longer than this are
    /// left out, not cut.
    pub(crate) max_length: usize,
    /// Items that every set must contain.
    pub(crate) required: Vec<u32>,
    /// Items that are treated as if no basket held them.
    pub(crate) forbidden: Vec<u32>,
    pub(crate) limits: Limits,
    /// Whether a run that cannot but break a bound is refused before it begins.
    pub(crate) look_ahead: bool,
}

impl Settings {
    /// Frequent sets of any length by the fastest algorithm.
    pub(crate) fn new(min_support: u64) -> Self {
        Self {
            min_support,
            target: Target::Frequent,
            algorithm: Algorithm::Auto,
            min_length: 1,
            max_length: usize::MAX,
            required: Vec::new(),
            forbidden: Vec::new(),
            limits: Limits::default(),
            look_ahead: true,
        }
    }
}

/// Why a run gave no result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MineError {
    /// The input or a setting breaks a rule.
    Input(&'static str),
    /// A bound of the run was met.
    Overrun(Overrun),
}

/// A search cut into tasks whose results follow one another in canonical order.
pub(crate) trait Miner: Sync {
    /// Number of tasks.
    fn tasks(&self) -> usize;
    /// Runs one task.
    fn run<S: Sink>(&self, task: usize, sink: &mut S);
}
