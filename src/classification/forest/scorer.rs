//! Scoring one patient at a time, as a service does it.

use super::model::RandomForest;
use crate::classification::logistic::Cell;
use crate::classification::trees::cells::Cells;
use crate::classification::trees::classes::need_event;
use crate::error::Result;
use crate::estimator::ClassLabel;
use crate::kernel::tree::walk::Forest;

/// A forest laid out for rows of one fixed shape: features in schema order, no allocation per row up to
/// 256 features.
///
/// Gives the same bits as `predict_risk` on the same row. Made by [`RandomForest::scorer`].
///
/// ```
/// use galen::classification::RandomForest;
/// use galen::classification::logistic::Cell;
/// use galen::prelude::*;
///
/// # fn main() -> galen::Result<()> {
/// let age = vec![40.0, 45.0, 71.0, 80.0];
/// let matrix = PatientMatrix::from_columns([("age", age)])?;
/// let target = Binary::from_flags("died", [false, false, true, true]);
/// let params = RandomForest::params().n_trees(5).min_leaf_rows(1).row_share(1.0);
/// let model = params.fit(&Cohort::new(matrix, target))?;
/// let scorer = model.scorer()?;
/// assert_eq!(scorer.risk(&[Cell::Number(75.0)])?, 1.0);
/// assert_eq!(scorer.risk(&[Cell::Number(41.0)])?, 0.0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ForestScorer<'a> {
    cells: Cells<'a>,
    forest: &'a Forest,
    n_trees: f64,
}

impl<L: ClassLabel> RandomForest<L> {
    /// Lays the model out for scoring one row at a time.
    ///
    /// # Errors
    /// [`ErrorKind::TargetKind`](crate::error::ErrorKind::TargetKind) when the event was never named,
    /// or with three classes and more.
    pub fn scorer(&self) -> Result<ForestScorer<'_>> {
        need_event(self.wire.event_named, "row scorer")?;
        Ok(ForestScorer {
            cells: Cells::new(&self.wire.binner),
            forest: self.wire.layout(),
            n_trees: self.n_trees() as f64,
        })
    }
}

impl ForestScorer<'_> {
    /// Number of cells of a row.
    pub fn n_features(&self) -> usize {
        self.cells.n_features()
    }

    /// Risk of the event for one row, cells in the order of the model's schema. Levels that training
    /// did not show count as missing.
    ///
    /// # Errors
    /// As [`BoostingScorer::risk`](crate::classification::BoostingScorer::risk).
    pub fn risk(&self, row: &[Cell<'_>]) -> Result<f64> {
        let mean = |values: &[f64]| {
            let mut sum = [0.0];
            self.forest.score(values, &mut sum);
            Ok(sum[0] / self.n_trees)
        };
        self.cells.with_values(row, mean)
    }
}
