//! The cells of one patient as trees read them.

use crate::classification::logistic::Cell;
use crate::design::binned::{Binner, Bins};
use crate::error::{Error, ErrorKind, Result};

/// Rows up to this many cells are read without an allocation.
const ON_STACK: usize = 256;

/// What every cell of a row must be, features in schema order.
#[derive(Debug, Clone)]
pub(in crate::classification) struct Cells<'a>(Vec<FeatureValue<'a>>);

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

impl<'a> Cells<'a> {
    pub(in crate::classification) fn new(binner: &'a Binner) -> Self {
        let features = binner.schema.features().iter().zip(&binner.bins);
        let features = features.map(|(feature, bins)| match bins {
            Bins::Number(_) => FeatureValue::Number {
                name: feature.name(),
                range: feature.plausible_range(),
            },
            Bins::Levels { levels, pooled } => {
                let known = levels.iter().enumerate();
                let mut known: Vec<(&str, f64)> = known
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
        });
        Self(features.collect())
    }

    /// Number of cells of a row.
    pub(in crate::classification) fn n_features(&self) -> usize {
        self.0.len()
    }

    /// What `read` makes of the values of a row, NaN where missing.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureCount`], [`ErrorKind::FeatureMismatch`], [`ErrorKind::NonFinite`] for an
    /// infinity, [`ErrorKind::OutOfRange`]; those of `read`.
    #[inline]
    pub(in crate::classification) fn with_values<T>(
        &self,
        row: &[Cell<'_>],
        read: impl FnOnce(&[f64]) -> Result<T>,
    ) -> Result<T> {
        if row.len() != self.0.len() {
            return Err(ErrorKind::FeatureCount {
                expected: self.0.len(),
                found: row.len(),
            }
            .into());
        }
        let mut on_stack = [0.0; ON_STACK];
        let mut on_heap = Vec::new();
        let values = match on_stack.get_mut(..row.len()) {
            Some(values) => values,
            None => {
                on_heap.resize(row.len(), 0.0);
                on_heap.as_mut_slice()
            }
        };
        for ((value, feature), cell) in values.iter_mut().zip(&self.0).zip(row) {
            *value = feature.value(*cell)?;
        }
        read(values)
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

fn mismatch(name: &str, expected: &str, found: &str) -> Error {
    ErrorKind::FeatureMismatch {
        name: name.to_string(),
        expected: expected.into(),
        found: found.into(),
    }
    .into()
}
