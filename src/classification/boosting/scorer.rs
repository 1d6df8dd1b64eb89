//! Scoring one patient at a time, as a service does it.

use super::model::GradientBoosting;
use crate::classification::logistic::Cell;
use crate::classification::trees::cells::Cells;
use crate::error::Result;
use crate::estimator::ClassLabel;
use crate::kernel::tree::walk::Forest;
use crate::numeric::stable::logistic;

/// A model laid out for rows of one fixed shape: features in schema order, no allocation per row up to
/// 256 features.
///
/// Gives the same bits as `predict_risk` on the same row. Made by [`GradientBoosting::scorer`].
#[derive(Debug, Clone)]
pub struct BoostingScorer<'a> {
    cells: Cells<'a>,
    forest: &'a Forest,
}

impl<L: ClassLabel> GradientBoosting<L> {
    /// Lays the model out for scoring one row at a time.
    ///
    /// # Errors
    /// [`ErrorKind::TargetKind`](crate::error::ErrorKind::TargetKind) when the event was never named,
    /// or with three classes and more.
    pub fn scorer(&self) -> Result<BoostingScorer<'_>> {
        self.check_event("row scorer")?;
        Ok(BoostingScorer {
            cells: Cells::new(&self.wire.binner),
            forest: self.wire.layout(),
        })
    }
}

impl BoostingScorer<'_> {
    /// Number of cells of a row.
    pub fn n_features(&self) -> usize {
        self.cells.n_features()
    }

    /// Risk of the event for one row, cells in the order of the model's schema. Levels that training
    /// did not show count as missing.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureCount`](crate::error::ErrorKind::FeatureCount) for another number of cells,
    /// [`ErrorKind::FeatureMismatch`](crate::error::ErrorKind::FeatureMismatch) for a level where a
    /// number is expected or the reverse,
    /// [`ErrorKind::NonFinite`](crate::error::ErrorKind::NonFinite) for an infinity,
    /// [`ErrorKind::OutOfRange`](crate::error::ErrorKind::OutOfRange) outside the plausible range of a
    /// feature.
    pub fn risk(&self, row: &[Cell<'_>]) -> Result<f64> {
        let score = |values: &[f64]| {
            let mut score = [0.0];
            self.forest.score(values, &mut score);
            Ok(logistic(score[0]))
        };
        self.cells.with_values(row, score)
    }
}
