//! What attributions read of the model.

use std::ops::Range;

use super::model::DecisionTree;
use crate::error::{ErrorKind, Result};
use crate::estimator::{ClassLabel, RowsSource};
use crate::kernel::tree::model::{Ensemble, Trees};

impl<L: ClassLabel> Trees for DecisionTree<L> {
    /// Shares of the classes.
    fn ensemble(&self) -> Ensemble<'_> {
        let wire = &self.wire;
        Ensemble {
            trees: std::slice::from_ref(&wire.tree),
            feeds: vec![0],
            scale: 1.0,
            base: vec![0.0; wire.classes.len()],
            outputs: wire.classes.iter().map(ClassLabel::text).collect(),
            features: wire
                .binner
                .schema
                .features()
                .iter()
                .map(|feature| feature.name().to_string())
                .collect(),
        }
    }

    /// Refuses a missing value that a surrogate would stand in for: the way of the row then hangs on
    /// two features at once, and no attribution says so.
    fn for_values<T: Send>(
        &self,
        rows: RowsSource<'_>,
        take: impl Fn(Range<usize>, &[f64]) -> T + Sync + Send,
    ) -> Result<Vec<T>> {
        let binner = &self.wire.binner;
        let with = self.wire.tree.nodes.iter().zip(&self.wire.surrogates);
        let mut features: Vec<usize> = with
            .filter(|(_, list)| !list.is_empty())
            .map(|(node, _)| node.feature as usize)
            .collect();
        features.sort_unstable();
        features.dedup();
        if !features.is_empty() {
            let width = binner.schema.len();
            let found = binner.for_values(rows, |range, values| {
                let mut rows = values.chunks_exact(width).enumerate();
                rows.find_map(|(at, row)| {
                    let missing = features.iter().find(|feature| row[**feature].is_nan());
                    missing.map(|feature| (range.start + at, *feature))
                })
            })?;
            if let Some((row, feature)) = found.into_iter().flatten().next() {
                return Err(ErrorKind::NonFinite {
                    what: "attributions of a tree with surrogates",
                    row: Some(row),
                    column: Some(binner.schema.features()[feature].name().to_string()),
                    rule: "a value, as attributions cannot follow a surrogate",
                }
                .into());
            }
        }
        binner.for_values(rows, take)
    }
}
