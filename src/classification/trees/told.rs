//! What models of trees tell of themselves in the same words.

use std::fmt;

use crate::kernel::tree::flat::Tree;

/// The short form for debugging: sizes, no patients' numbers.
///
/// # Errors
/// Those of the formatter.
pub(in crate::classification) fn debug(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    sizes: [(&str, usize); 3],
) -> fmt::Result {
    let mut form = f.debug_struct(name);
    for (size, value) in &sizes {
        form.field(size, value);
    }
    form.finish_non_exhaustive()
}

/// Warnings of features that no cut could divide, of trees without a cut, of weighted classes.
pub(in crate::classification) fn warnings(
    constant: &[String],
    no_cut: Option<String>,
    weighted_classes: bool,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if !constant.is_empty() {
        warnings.push(format!("left out as constant: {}", constant.join(", ")));
    }
    warnings.extend(no_cut);
    if weighted_classes {
        warnings.push("class weights: probabilities are not calibrated to the data".into());
    }
    warnings
}

/// The warning of many trees of which none has a cut.
pub(in crate::classification) fn no_cut(trees: &[Tree]) -> Option<String> {
    let text = "no tree has a cut: every row gets the same answer (few rows for `min_leaf_rows`, or \
                features without effect)";
    let none = trees.iter().all(|tree| tree.nodes.len() == 1);
    none.then(|| text.to_string())
}
