//! Scoring one patient at a time, as a service does it.

use super::model::GradientBoosting;
use crate::classification::logistic::Cell;
use crate::design::binned::Bins;
use crate::error::{ErrorKind, Result};
use crate::estimator::ClassLabel;
use crate::kernel::tree::walk::Forest;
use crate::numeric::stable::logistic;

/// A model laid out for rows of one fixed shape: features in schema order.
///
/// Gives the same bits as `predict_risk` on the same row. Made by [`GradientBoosting::scorer`].
#[derive(Debug, Clone)]
pub struct BoostingScorer<'a> {
    features: Vec<FeatureValue<'a>>,
    forest: &'a Forest,
}

#[derive(Debug, Clone)]
enum FeatureValue<'a> {
    Number {
        name: &'a str,
        range: Option<(f64, f64)>,
    },
    Levels {
        name: &'a str,
        /// In sorted order, with the number that trees know them by.
        levels: Vec<(&'a str, f64)>,
        /// What any other level is.
        other: f64,
    },
}

impl<L: ClassLabel> GradientBoosting<L> {
    /// Lays the model out for scoring one row at a time.
    ///
    /// # Errors
    /// [`ErrorKind::TargetKind`] when the event was never named, or with three classes and more.
    pub fn scorer(&self) -> Result<BoostingScorer<'_>> {
        self.check_event("row scorer")?;
        let features = self.wire.binner.schema.features();
        let features = features
            .iter()
            .zip(&self.wire.binner.bins)
            .map(|(feature, bins)| match bins {
                Bins::Number(_) => FeatureValue::Number {
                    name: feature.name(),
                    range: feature.plausible_range(),
                },
                Bins::Levels { levels, pooled } => {
                    let mut known: Vec<(&str, f64)> = levels
                        .iter()
                        .enumerate()
                        .map(|(bin, level)| (level.as_str(), bin as f64))
                        .collect();
                    known.sort_by(|a, b| a.0.cmp(b.0));
                    FeatureValue::Levels {
                        name: feature.name(),
                        levels: known,
                        other: if *pooled {
                            levels.len() as f64
                        } else {
                            f64::NAN
                        },
                    }
                }
            })
            .collect();
        Ok(BoostingScorer {
            features,
            forest: &self.forest,
        })
    }
}

impl BoostingScorer<'_> {
    /// Number of cells of a row.
    pub fn n_features(&self) -> usize {
        self.features.len()
    }

    /// Risk of the event for one row, cells in the order of the model's schema. Levels that training
    /// did not show count as missing.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureCount`] for another number of cells, [`ErrorKind::FeatureMismatch`] for a
    /// level where a number is expected or the reverse, [`ErrorKind::NonFinite`] for an infinity,
    /// [`ErrorKind::OutOfRange`] outside the plausible range of a feature.
    pub fn risk(&self, row: &[Cell<'_>]) -> Result<f64> {
        if row.len() != self.features.len() {
            return Err(ErrorKind::FeatureCount {
                expected: self.features.len(),
                found: row.len(),
            }
            .into());
        }
        let mut values = Vec::with_capacity(row.len());
        for (feature, cell) in self.features.iter().zip(row) {
            values.push(feature.value(*cell)?);
        }
        let mut score = [0.0];
        self.forest.score(&values, &mut score);
        Ok(logistic(score[0]))
    }
}

impl FeatureValue<'_> {
    /// The cell as trees read it.
    #[inline]
    fn value(&self, cell: Cell<'_>) -> Result<f64> {
        match (self, cell) {
            (_, Cell::Missing) => Ok(f64::NAN),
            (Self::Number { name, range }, Cell::Number(value)) => {
                if value.is_infinite() {
                    return Err(ErrorKind::NonFinite {
                        what: "row",
                        row: Some(0),
                        column: Some((*name).to_string()),
                        rule: "a finite number, or missing",
                    }
                    .into());
                }
                if range.is_some_and(|(low, high)| value < low || value > high) {
                    return Err(ErrorKind::OutOfRange {
                        what: "row",
                        row: Some(0),
                        column: Some((*name).to_string()),
                        rule: "a value within the plausible range of the feature",
                    }
                    .into());
                }
                Ok(value)
            }
            (Self::Levels { levels, other, .. }, Cell::Level(level)) => {
                let found = levels.binary_search_by(|(known, _)| (*known).cmp(level));
                Ok(found.map_or(*other, |at| levels[at].1))
            }
            (Self::Number { name, .. }, Cell::Level(_)) => {
                Err(mismatch(name, "a number", "a level"))
            }
            (Self::Levels { name, .. }, Cell::Number(_)) => {
                Err(mismatch(name, "a level", "a number"))
            }
        }
    }
}

fn mismatch(name: &str, expected: &str, found: &str) -> crate::error::Error {
    ErrorKind::FeatureMismatch {
        name: name.to_string(),
        expected: expected.into(),
        found: found.into(),
    }
    .into()
}
