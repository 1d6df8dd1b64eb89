//! When two models are about the same.

use crate::estimator::Schema;
use crate::kernel::tree::flat::Tree;

/// Equal lengths, and numbers that are the same pair by pair.
pub(in crate::classification) fn close_numbers(
    a: &[f64],
    b: &[f64],
    same: impl Fn(f64, f64) -> bool,
) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(*a, *b))
}

/// The same cuts of the same features, up to thresholds and values.
pub(in crate::classification) fn close_trees(
    a: &[Tree],
    b: &[Tree],
    same: impl Fn(f64, f64) -> bool,
) -> bool {
    let close = |a: &Tree, b: &Tree| {
        close_numbers(&a.values, &b.values, &same)
            && a.sets == b.sets
            && a.nodes.len() == b.nodes.len()
            && a.nodes.iter().zip(&b.nodes).all(|(a, b)| {
                (a.feature, a.set, a.left, a.right, a.missing_left)
                    == (b.feature, b.set, b.left, b.right, b.missing_left)
                    && same(a.threshold, b.threshold)
            })
    };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(a, b))
}

/// The same names in the same order.
pub(in crate::classification) fn same_names(a: &Schema, b: &Schema) -> bool {
    let names = |schema: &Schema| -> Vec<String> {
        let features = schema.features().iter();
        features.map(|feature| feature.name().to_string()).collect()
    };
    names(a) == names(b)
}
