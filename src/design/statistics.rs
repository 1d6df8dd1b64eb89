//! What a preparation learns of each feature, as sums that merge over batches.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::design::align::{Reader, align, all_finite, refuse_infinite, row_major};
use crate::design::stored::sparse_sums;
use crate::error::{ErrorKind, Result};
use crate::estimator::rounds::Batch;
use crate::matrix::Schema;
use crate::numeric::moments::Moments;
use crate::numeric::simd::{NullaryFnOnce, dispatch};

/// Rows and weight of one level, or of missing values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) rows: u64,
    pub(crate) weight: f64,
}

impl Tally {
    fn add(&mut self, weight: f64) {
        self.rows += 1;
        self.weight += weight;
    }

    fn merge(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            weight: self.weight + other.weight,
        }
    }
}

/// Sums of one feature. Rows of weight zero are as if absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum FeatureSums {
    Number {
        moments: Moments,
        present: u64,
        missing: Tally,
        /// Whether two present values differ; guards against a spread that underflows to zero.
        varies: bool,
    },
    Levels {
        levels: BTreeMap<String, Tally>,
        missing: Tally,
    },
}

/// Sums of all features of a schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Statistics {
    pub(crate) fingerprint: u64,
    pub(crate) rows: u64,
    pub(crate) weight: f64,
    pub(crate) features: Vec<FeatureSums>,
}

impl Statistics {
    /// The sums of one batch.
    pub(crate) fn of(schema: &Schema, batch: &Batch<'_>) -> Result<Self> {
        let readers = align(schema, batch.rows)?;
        let start = batch.range.start;
        let weights: Vec<f64> = match batch.weights {
            Some(weights) => weights[batch.range.clone()].to_vec(),
            None => vec![1.0; batch.range.len()],
        };
        let n_rows = batch.range.len();
        let weighted = batch.weights.is_some();
        if !weighted
            && let Some((flat, n_columns)) = row_major(batch.rows, start, n_rows)
            && let Some(features) = array_sums(&flat, n_rows, n_columns)
        {
            return Ok(Self {
                fingerprint: schema.fingerprint(),
                rows: n_rows as u64,
                weight: n_rows as f64,
                features,
            });
        }
        let mut buffer = vec![0.0; n_rows];
        let mut features = Vec::with_capacity(schema.len());
        for (feature, reader) in schema.features().iter().zip(&readers) {
            if feature.kind().is_categorical() {
                features.push(level_sums(reader, start, &weights));
                continue;
            }
            if let Some(sums) = sparse_sums(reader, start, &weights, weighted) {
                features.push(sums);
                continue;
            }
            reader.fill(start, &mut buffer);
            features.push(if !weighted && all_finite(&buffer) {
                complete_sums(&buffer)
            } else {
                refuse_infinite(feature, start, &buffer)?;
                number_sums(&buffer, &weights, weighted)
            });
        }
        Ok(Self {
            fingerprint: schema.fingerprint(),
            rows: weights.iter().filter(|weight| **weight > 0.0).count() as u64,
            weight: weights.iter().sum(),
            features,
        })
    }

    /// The sums over the rows of both.
    pub(crate) fn merge(mut self, other: Self) -> Result<Self> {
        if self.fingerprint != other.fingerprint || self.features.len() != other.features.len() {
            return Err(ErrorKind::Schema("partials of different schemas".into()).into());
        }
        self.rows += other.rows;
        self.weight += other.weight;
        self.features = self
            .features
            .into_iter()
            .zip(other.features)
            .map(|pair| match pair {
                (
                    FeatureSums::Number {
                        moments: a,
                        present: n,
                        missing,
                        varies,
                    },
                    FeatureSums::Number {
                        moments: b,
                        present: m,
                        missing: more,
                        varies: also,
                    },
                ) => Ok(FeatureSums::Number {
                    moments: a.merge(b),
                    present: n + m,
                    missing: missing.merge(more),
                    varies: varies || also || (n > 0 && m > 0 && a.mean != b.mean),
                }),
                (
                    FeatureSums::Levels {
                        mut levels,
                        missing,
                    },
                    FeatureSums::Levels {
                        levels: others,
                        missing: more,
                    },
                ) => {
                    for (level, tally) in others {
                        let slot = levels.entry(level).or_default();
                        *slot = slot.merge(tally);
                    }
                    Ok(FeatureSums::Levels {
                        levels,
                        missing: missing.merge(more),
                    })
                }
                _ => Err(ErrorKind::Schema("partials of different kinds".into()).into()),
            })
            .collect::<Result<_>>()?;
        Ok(self)
    }

    /// Whether all features are numbers without gaps.
    pub(crate) fn complete(&self) -> bool {
        self.features.iter().all(
            |feature| matches!(feature, FeatureSums::Number { missing, .. } if missing.rows == 0),
        )
    }

    /// Smallest number of rows behind a level or a marker of missing values, zero apart.
    pub(crate) fn smallest_count(&self) -> u64 {
        let mut counts = vec![self.rows];
        for feature in &self.features {
            match feature {
                FeatureSums::Number {
                    present, missing, ..
                } => counts.extend([*present, missing.rows]),
                FeatureSums::Levels { levels, missing } => {
                    counts.extend(levels.values().map(|tally| tally.rows));
                    counts.push(missing.rows);
                }
            }
        }
        counts
            .into_iter()
            .filter(|count| *count > 0)
            .min()
            .unwrap_or(0)
    }

    /// Number of free numbers.
    pub(crate) fn n_numbers(&self) -> usize {
        self.features
            .iter()
            .map(|feature| match feature {
                FeatureSums::Number { .. } => 3,
                FeatureSums::Levels { levels, .. } => levels.len() + 1,
            })
            .sum()
    }
}

/// The sums of all columns of a complete row-major array, row by row; `None` when a value is not
/// finite, which the way by columns then names.
fn array_sums(flat: &[f64], n_rows: usize, n_columns: usize) -> Option<Vec<FeatureSums>> {
    if n_rows == 0 || n_columns == 0 {
        return None;
    }
    let mut sums = ArraySums::of(&flat[..n_columns]);
    // Parts that stay in a near cache between the two passes over them.
    for part in flat.chunks(PART_ROWS * n_columns) {
        dispatch(AddPart {
            sums: &mut sums,
            part,
        });
    }
    if !all_finite(&sums.squares) {
        return None;
    }
    let weight = n_rows as f64;
    let features = (0..n_columns).map(|column| FeatureSums::Number {
        moments: Moments {
            weight,
            mean: sums.means[column],
            squares: sums.squares[column],
        },
        present: n_rows as u64,
        missing: Tally::default(),
        varies: sums.spreads[column] > 0.0,
    });
    Some(features.collect())
}

/// Rows of an array summed at a time.
const PART_ROWS: usize = 128;

/// Moments of all columns of an array, merged part by part.
struct ArraySums {
    rows: f64,
    /// The first row: sums are taken about it, so that a large common offset costs no digits.
    origins: Vec<f64>,
    means: Vec<f64>,
    squares: Vec<f64>,
    /// Largest distance from the first row.
    spreads: Vec<f64>,
    totals: Vec<f64>,
    drifts: Vec<f64>,
}

impl ArraySums {
    fn of(first: &[f64]) -> Self {
        let zeros = vec![0.0; first.len()];
        Self {
            rows: 0.0,
            origins: first.to_vec(),
            means: first.to_vec(),
            squares: zeros.clone(),
            spreads: zeros.clone(),
            totals: zeros.clone(),
            drifts: zeros,
        }
    }
}

struct AddPart<'a> {
    sums: &'a mut ArraySums,
    part: &'a [f64],
}

impl NullaryFnOnce for AddPart<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { sums, part } = self;
        let width = sums.origins.len();
        let rows = (part.len() / width) as f64;
        sums.totals.fill(0.0);
        for row in part.chunks_exact(width) {
            let slots = sums.totals.iter_mut().zip(&mut sums.spreads);
            for ((total, spread), (value, origin)) in slots.zip(row.iter().zip(&sums.origins)) {
                let distance = value - origin;
                *total += distance;
                let size = distance.abs();
                *spread = if size > *spread { size } else { *spread };
            }
        }
        // From here on totals are the means of this part.
        for (total, origin) in sums.totals.iter_mut().zip(&sums.origins) {
            *total = origin + *total / rows;
        }
        // Distances between the two means, before `squares` takes both in (Chan et al.).
        let before = sums.rows;
        let shares = (rows / (before + rows), before * rows / (before + rows));
        sums.drifts.fill(0.0);
        for row in part.chunks_exact(width) {
            let slots = sums.squares.iter_mut().zip(&mut sums.drifts);
            for ((square, drift), (value, mean)) in slots.zip(row.iter().zip(&sums.totals)) {
                let deviation = value - mean;
                *square += deviation * deviation;
                *drift += deviation;
            }
        }
        let merged = sums.means.iter_mut().zip(&mut sums.squares);
        for ((mean, square), (part_mean, drift)) in merged.zip(sums.totals.iter().zip(&sums.drifts))
        {
            let part_mean = part_mean + drift / rows;
            *square -= drift * drift / rows;
            let distance = part_mean - *mean;
            *square += distance * distance * shares.1;
            *mean += distance * shares.0;
        }
        sums.rows = before + rows;
    }
}

/// The sums of a column without gaps or weights.
fn complete_sums(values: &[f64]) -> FeatureSums {
    let first = values.first().copied().unwrap_or(0.0);
    FeatureSums::Number {
        moments: Moments::of(values, None),
        present: values.len() as u64,
        missing: Tally::default(),
        varies: values
            .iter()
            .fold(false, |varies, value| varies | (*value != first)),
    }
}

fn number_sums(values: &[f64], weights: &[f64], weighted: bool) -> FeatureSums {
    let mut present = Vec::with_capacity(values.len());
    let mut present_weights = Vec::with_capacity(if weighted { values.len() } else { 0 });
    let mut missing = Tally::default();
    for (value, weight) in values.iter().zip(weights) {
        if *weight == 0.0 {
            continue;
        }
        if value.is_nan() {
            missing.add(*weight);
            continue;
        }
        // Adding zero turns -0.0 into 0.0.
        present.push(*value + 0.0);
        if weighted {
            present_weights.push(*weight);
        }
    }
    FeatureSums::Number {
        moments: Moments::of(&present, weighted.then_some(&present_weights[..])),
        present: present.len() as u64,
        missing,
        varies: present.iter().any(|value| *value != present[0]),
    }
}

fn level_sums(reader: &Reader<'_>, start: usize, weights: &[f64]) -> FeatureSums {
    let mut missing = Tally::default();
    let mut levels = BTreeMap::new();
    if let Reader::View(view) = reader {
        let mut tallies = vec![Tally::default(); view.levels().len()];
        for (offset, weight) in weights.iter().enumerate() {
            if *weight == 0.0 {
                continue;
            }
            match view.code(start + offset) {
                Some(code) => tallies[code as usize].add(*weight),
                None => missing.add(*weight),
            }
        }
        for (level, tally) in view.levels().iter().zip(tallies) {
            if tally.rows > 0 {
                levels.insert(level.clone(), tally);
            }
        }
    }
    FeatureSums::Levels { levels, missing }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimator::RowsSource;
    use crate::estimator::rounds::TargetBatch;
    use crate::matrix::{Column, Feature, PatientMatrix};

    fn batch<'a>(
        matrix: &'a PatientMatrix,
        range: std::ops::Range<usize>,
        weights: Option<&'a [f64]>,
    ) -> Batch<'a> {
        Batch {
            rows: RowsSource::Matrix(matrix),
            range,
            target: TargetBatch::None,
            weights,
        }
    }

    #[test]
    fn halves_merge_to_the_whole_and_weight_zero_is_absence() {
        let matrix = PatientMatrix::new(vec![
            (
                Feature::numeric("a"),
                Column::dense(vec![1.0, f64::NAN, 3.0, 100.0]).unwrap(),
            ),
            (
                Feature::category("b"),
                Column::categorical([Some("u"), Some("v"), None, Some("w")]),
            ),
        ])
        .unwrap();
        let weights = [1.0, 2.0, 1.0, 0.0];
        let whole = Statistics::of(matrix.schema(), &batch(&matrix, 0..4, Some(&weights))).unwrap();
        let merged = Statistics::of(matrix.schema(), &batch(&matrix, 0..2, Some(&weights)))
            .unwrap()
            .merge(Statistics::of(matrix.schema(), &batch(&matrix, 2..4, Some(&weights))).unwrap())
            .unwrap();
        assert_eq!(whole, merged);
        assert_eq!((whole.rows, whole.weight), (3, 4.0));
        let FeatureSums::Number {
            moments, missing, ..
        } = &whole.features[0]
        else {
            panic!("a is a number");
        };
        assert_eq!((moments.mean, missing.rows, missing.weight), (2.0, 1, 2.0));
        let FeatureSums::Levels { levels, .. } = &whole.features[1] else {
            panic!("b has levels");
        };
        assert_eq!(levels.keys().collect::<Vec<_>>(), ["u", "v"]);
        assert_eq!(whole.smallest_count(), 1);
    }
}
