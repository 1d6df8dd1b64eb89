//! Scoring one patient at a time, as a service does it.

use super::model::{DecisionTree, Wire};
use crate::classification::logistic::Cell;
use crate::classification::trees::cells::Cells;
use crate::classification::trees::classes::need_event;
use crate::error::Result;
use crate::estimator::ClassLabel;

/// A tree laid out for rows of one fixed shape: features in schema order, no allocation per row up to
/// 256 features.
///
/// Gives the same bits as `predict_risk` on the same row. Made by [`DecisionTree::scorer`].
///
/// ```
/// use galen::classification::DecisionTree;
/// use galen::classification::decision_tree::Pruning;
/// use galen::classification::logistic::Cell;
/// use galen::prelude::*;
///
/// # fn main() -> galen::Result<()> {
/// let age = vec![40.0, 45.0, 71.0, 80.0];
/// let matrix = PatientMatrix::from_columns([("age", age)])?;
/// let target = Binary::from_flags("died", [false, false, true, true]);
/// let params = DecisionTree::params().min_leaf_rows(1).pruning(Pruning::None);
/// let tree = params.fit(&Cohort::new(matrix, target))?;
/// let scorer = tree.scorer()?;
/// assert_eq!(scorer.risk(&[Cell::Number(75.0)])?, 1.0);
/// assert_eq!(scorer.risk(&[Cell::Number(41.0)])?, 0.0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TreeScorer<'a, L: ClassLabel = bool> {
    cells: Cells<'a>,
    wire: &'a Wire<L>,
    event: usize,
}

impl<L: ClassLabel> DecisionTree<L> {
    /// Lays the tree out for scoring one row at a time.
    ///
    /// # Errors
    /// [`ErrorKind::TargetKind`](crate::error::ErrorKind::TargetKind) when the event was never named,
    /// or with three classes and more.
    pub fn scorer(&self) -> Result<TreeScorer<'_, L>> {
        need_event(self.wire.event.is_some(), "row scorer")?;
        Ok(TreeScorer {
            cells: Cells::new(&self.wire.binner),
            wire: &self.wire,
            event: self.wire.event.unwrap_or_default() as usize,
        })
    }
}

impl<L: ClassLabel> TreeScorer<'_, L> {
    /// Number of cells of a row.
    pub fn n_features(&self) -> usize {
        self.cells.n_features()
    }

    /// Risk of the event for one row, cells in the order of the model's schema. Levels that training
    /// did not show count as missing.
    ///
    /// # Errors
    /// As [`BoostingScorer::risk`](crate::classification::BoostingScorer::risk); with exact cuts also
    /// [`ErrorKind::NonFinite`](crate::error::ErrorKind::NonFinite) for a missing value.
    pub fn risk(&self, row: &[Cell<'_>]) -> Result<f64> {
        self.cells.with_values(row, |values| {
            self.wire.check_row(values, 0)?;
            Ok(self.wire.tree.value(self.wire.leaf(values))[self.event])
        })
    }
}
