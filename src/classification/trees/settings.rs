//! Rules of settings that models of trees share.

use crate::design::binned::MAX_BINS;
use crate::error::Result;
use crate::estimator::params::Checker;

/// More leaves than bins of all features can tell apart in practice; keeps sizes far from overflow.
pub(in crate::classification) const MOST_LEAVES: usize = 131_072;

/// More trees than any fit needs; keeps sizes far from overflow.
const MOST_TREES: usize = 1_000_000;

/// The number of trees.
pub(in crate::classification) fn check_n_trees(checker: Checker, n_trees: usize) -> Result<()> {
    checker.within("n_trees", n_trees, 1..=MOST_TREES, "within 1..=1000000")
}

/// Leaves of a tree and bins of a feature.
pub(in crate::classification) fn check_sizes(
    checker: Checker,
    max_leaves: usize,
    max_bins: usize,
) -> Result<()> {
    let leaves = 2..=MOST_LEAVES;
    checker.within("max_leaves", max_leaves, leaves, "within 2..=131072")?;
    checker.within("max_bins", max_bins, 2..=MAX_BINS, "within 2..=255")
}
