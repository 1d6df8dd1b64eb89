//! Fill values that need more than one pass: the weighted median and the most frequent value, as
//! questions that another fit asks between its statistics and its encoder.
//!
//! ```text
//!   start -> question --> answer(batch) -> sums -> merge -> advance --> fills, one per feature
//!               ^                                              |
//!               +------------------ next question -------------+
//! ```

use serde::{Deserialize, Serialize};

use crate::design::align::{align, refuse_infinite};
use crate::design::prepare::{Impute, Preparation};
use crate::design::stored::stored;
use crate::error::{ErrorKind, Result};
use crate::estimator::rounds::{Batch, Next, Partial};
use crate::matrix::Schema;
use crate::numeric::sketch::{Cells, Counts, QuantileSearch, Rule, Scratch, Share};

/// Most distinct values of one feature whose most frequent one is looked for: they travel between
/// parties, and a feature with more of them is measured, not chosen.
const MAX_DISTINCT: usize = 100_000;

/// What is asked of every batch; holds no patient rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FillQuestion {
    /// What is asked of each feature, in schema order.
    features: Vec<Ask>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Ask {
    /// Levels have no fill value.
    Nothing,
    /// Rows by cell within the open nodes of a search.
    Cells(Cells),
    /// Rows by distinct value.
    Distinct,
}

/// The answer of some rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FillSums {
    fingerprint: u64,
    rows: u64,
    features: Vec<Counts>,
}

impl FillQuestion {
    /// The sums over one batch. Rows of weight zero are as if absent.
    ///
    /// # Errors
    /// [`ErrorKind::NonFinite`] for an infinity, [`ErrorKind::OutOfRange`] for a weight below 0 or
    /// above 2^31, [`ErrorKind::TooLarge`] beyond 100,000 distinct values of one feature.
    pub(crate) fn answer(&self, schema: &Schema, batch: &Batch<'_>) -> Result<FillSums> {
        if self.features.len() != schema.len() {
            return Err(ErrorKind::Saved("question about another schema".into()).into());
        }
        let readers = align(schema, batch.rows)?;
        let start = batch.range.start;
        let weights = batch.weights.map(|weights| &weights[batch.range.clone()]);
        let mut buffer = vec![0.0; batch.range.len()];
        let mut scratch = Scratch::default();
        let mut features = Vec::with_capacity(schema.len());
        for ((feature, reader), ask) in schema.features().iter().zip(&readers).zip(&self.features) {
            if feature.kind().is_categorical() || *ask == Ask::Nothing {
                features.push(Counts::default());
                continue;
            }
            if let (Ask::Cells(cells), None) = (ask, weights)
                && let Some(stored) = stored(reader, start, buffer.len())
            {
                let zeros = (buffer.len() - stored.len()) as u32;
                features.push(scratch.count_sparse(cells, stored, zeros)?);
                continue;
            }
            reader.fill(start, &mut buffer);
            refuse_infinite(feature, start, &buffer)?;
            features.push(match ask {
                Ask::Cells(cells) => scratch.count(cells, &buffer, weights, start)?,
                _ => few(Counts::distinct(&buffer, weights, start)?)?,
            });
        }
        let rows = match weights {
            Some(weights) => weights.iter().filter(|weight| **weight > 0.0).count(),
            None => buffer.len(),
        };
        Ok(FillSums {
            fingerprint: schema.fingerprint(),
            rows: rows as u64,
            features,
        })
    }
}

/// Refuses counts of too many values.
fn few(counts: Counts) -> Result<Counts> {
    if counts.len() > MAX_DISTINCT {
        return Err(ErrorKind::TooLarge {
            what: "most frequent value: one feature with too many distinct values (16 bytes each)",
            bytes: 16 * counts.len() as u64,
            ceiling: 16 * MAX_DISTINCT as u64,
        }
        .into());
    }
    Ok(counts)
}

impl Partial for FillSums {
    fn merge(mut self, other: Self) -> Result<Self> {
        if self.fingerprint != other.fingerprint || self.features.len() != other.features.len() {
            return Err(ErrorKind::Schema("partials of different schemas".into()).into());
        }
        self.rows = self.rows.saturating_add(other.rows);
        let pairs = self.features.into_iter().zip(other.features);
        // A median opens at most two nodes: its cells stay below this limit by construction.
        self.features = pairs.map(|(a, b)| few(a.merge(b))).collect::<Result<_>>()?;
        Ok(self)
    }

    fn n_rows(&self) -> u64 {
        self.rows
    }

    fn smallest_count(&self) -> u64 {
        let cells = self.features.iter().filter_map(Counts::smallest_count);
        cells.min().unwrap_or(self.rows).min(self.rows)
    }

    fn n_numbers(&self) -> usize {
        self.features.iter().map(Counts::len).sum()
    }
}

/// What the coordinator remembers between questions.
#[derive(Debug, Clone)]
pub(crate) struct FillSearch {
    fingerprint: u64,
    /// The search of each feature; none for levels and for most frequent values.
    medians: Vec<Option<QuantileSearch>>,
}

impl FillSearch {
    /// The search and its first question; `None` where the preparation needs no fill values.
    pub(crate) fn start(
        schema: &Schema,
        preparation: &Preparation,
    ) -> Option<(Self, FillQuestion)> {
        let ask = match preparation.impute {
            Impute::Median => Ask::Cells(Cells::root()),
            Impute::MostFrequent => Ask::Distinct,
            _ => return None,
        };
        let median = matches!(ask, Ask::Cells(_));
        let (mut features, mut medians) = (Vec::new(), Vec::new());
        for feature in schema.features() {
            let number = !feature.kind().is_categorical();
            features.push(if number { ask.clone() } else { Ask::Nothing });
            medians.push(
                (number && median)
                    .then(|| QuantileSearch::new(Rule::Weighted, vec![Share::percent(50)])),
            );
        }
        let search = Self {
            fingerprint: schema.fingerprint(),
            medians,
        };
        // With levels only there is nothing to ask.
        let any = features.iter().any(|ask| *ask != Ask::Nothing);
        any.then_some((search, FillQuestion { features }))
    }

    /// Takes the sums over all rows: the next question, or one fill value per feature (0 for
    /// levels and for features without any present value).
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] for sums of another schema or question.
    pub(crate) fn advance(&mut self, total: &FillSums) -> Result<Next<FillQuestion, Vec<f64>>> {
        if total.fingerprint != self.fingerprint || total.features.len() != self.medians.len() {
            return Err(ErrorKind::Schema("partials of different schemas".into()).into());
        }
        let mut asks = Vec::with_capacity(self.medians.len());
        let mut fills = Vec::with_capacity(self.medians.len());
        for (search, counts) in self.medians.iter_mut().zip(&total.features) {
            let Some(search) = search else {
                asks.push(Ask::Nothing);
                fills.push(counts.mode().filter(|mode| mode.is_finite()).unwrap_or(0.0));
                continue;
            };
            if search.question().is_some() {
                search.advance(counts)?;
            }
            match search.question() {
                Some(cells) => asks.push(Ask::Cells(cells)),
                None => asks.push(Ask::Nothing),
            }
            fills.push(0.0);
        }
        if asks.iter().any(|ask| *ask != Ask::Nothing) {
            return Ok(Next::Ask(FillQuestion { features: asks }));
        }
        for (search, fill) in self.medians.iter().zip(&mut fills) {
            if let Some(search) = search {
                let values = search.values()?.unwrap_or_default();
                *fill = values.first().copied().unwrap_or(0.0);
            }
        }
        Ok(Next::Done(fills))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimator::RowsSource;
    use crate::estimator::rounds::{TargetBatch, decode, encode};
    use crate::matrix::{Column, Feature, PatientMatrix};
    use crate::numeric::seed;

    /// Fills over shards that exchange bytes only.
    fn fills(
        matrix: &PatientMatrix,
        weights: Option<&[f64]>,
        impute: Impute,
        shard: usize,
    ) -> Result<Vec<f64>> {
        let preparation = Preparation::default().impute(impute);
        let (mut search, mut question) = FillSearch::start(matrix.schema(), &preparation).unwrap();
        loop {
            let question_bytes = encode(&question)?;
            let mut total: Option<FillSums> = None;
            for start in (0..matrix.n_rows()).step_by(shard) {
                let batch = Batch {
                    rows: RowsSource::Matrix(matrix),
                    range: start..(start + shard).min(matrix.n_rows()),
                    target: TargetBatch::None,
                    weights,
                };
                let asked: FillQuestion = decode(&question_bytes)?;
                let sums = encode(&asked.answer(matrix.schema(), &batch)?)?;
                let sums = decode(&sums)?;
                total = Some(match total {
                    Some(total) => total.merge(sums)?,
                    None => sums,
                });
            }
            match search.advance(&total.unwrap())? {
                Next::Ask(next) => question = next,
                Next::Done(fills) => return Ok(fills),
            }
        }
    }

    fn cohort(n: usize) -> (PatientMatrix, Vec<f64>) {
        let mut stream = seed::stream(11, 0);
        let draw = |scale: f64| {
            move |stream: &mut seed::Stream| {
                let value = (seed::uniform(stream) - 0.4) * scale;
                if seed::uniform(stream) < 0.2 {
                    f64::NAN
                } else {
                    value
                }
            }
        };
        let (lab, count) = (draw(1e4), draw(12.0));
        let lab: Vec<f64> = (0..n).map(|_| lab(&mut stream)).collect();
        let count: Vec<f64> = (0..n).map(|_| count(&mut stream).floor()).collect();
        let weights = (0..n)
            .map(|_| (seed::uniform(&mut stream) * 4.0).floor() / 4.0)
            .collect();
        let matrix = PatientMatrix::new(vec![
            (Feature::numeric("lab"), Column::dense(lab).unwrap()),
            (
                Feature::category("ward"),
                Column::categorical(vec![Some("a"); n]),
            ),
            (Feature::numeric("count"), Column::dense(count).unwrap()),
            (
                Feature::numeric("none"),
                Column::dense(vec![f64::NAN; n]).unwrap(),
            ),
            (
                Feature::numeric("rare"),
                Column::sparse(n, vec![(1, 3.0), (2, -2.0)]).unwrap(),
            ),
        ])
        .unwrap();
        (matrix, weights)
    }

    /// Present values and weights above zero, sorted by value.
    fn sorted(values: &[f64], weights: &[f64]) -> Vec<(f64, f64)> {
        let pairs = values.iter().copied().zip(weights.iter().copied());
        let mut pairs: Vec<_> = pairs.filter(|(v, w)| !v.is_nan() && *w > 0.0).collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        pairs
    }

    fn direct_median(values: &[f64], weights: &[f64]) -> f64 {
        let pairs = sorted(values, weights);
        let half = pairs.iter().map(|pair| pair.1).sum::<f64>() / 2.0;
        let mut upto = 0.0;
        for (position, (value, weight)) in pairs.iter().enumerate() {
            upto += weight;
            if upto == half {
                return value.midpoint(pairs[position + 1].0);
            }
            if upto > half {
                return *value;
            }
        }
        0.0
    }

    fn direct_mode(values: &[f64], weights: &[f64]) -> f64 {
        let mut best = (0.0, 0.0);
        for same in sorted(values, weights).chunk_by(|a, b| a.0 == b.0) {
            let weight = same.iter().map(|pair| pair.1).sum::<f64>();
            if weight > best.1 {
                best = (same[0].0, weight);
            }
        }
        best.0
    }

    #[test]
    fn medians_and_modes_equal_direct_computation_in_any_shards() {
        let (matrix, weights) = cohort(700);
        let ones = vec![1.0; 700];
        for (given, used) in [(None, &ones), (Some(&weights[..]), &weights)] {
            let columns: Vec<Vec<f64>> = (0..5).map(|i| matrix.view(i).to_vec()).collect();
            let direct = |rule: fn(&[f64], &[f64]) -> f64| -> Vec<f64> {
                let number = |i: usize| if i == 1 { 0.0 } else { rule(&columns[i], used) };
                (0..5).map(number).collect()
            };
            for shard in [11, 64, 700] {
                assert_eq!(
                    fills(&matrix, given, Impute::Median, shard).unwrap(),
                    direct(direct_median)
                );
                assert_eq!(
                    fills(&matrix, given, Impute::MostFrequent, shard).unwrap(),
                    direct(direct_mode)
                );
            }
        }
    }

    #[test]
    fn only_the_two_rules_ask() {
        let (matrix, _) = cohort(3);
        for impute in [Impute::Mean, Impute::Constant(1.0), Impute::Refuse] {
            let preparation = Preparation::default().impute(impute);
            assert!(FillSearch::start(matrix.schema(), &preparation).is_none());
        }
        let wards = matrix.select(&["ward"]).unwrap();
        let preparation = Preparation::default().impute(Impute::Median);
        assert!(FillSearch::start(wards.schema(), &preparation).is_none());
    }

    #[test]
    fn too_many_values_and_other_schemas_are_refused() {
        let n = MAX_DISTINCT + 1;
        let values: Vec<f64> = (0..n).map(|i| i as f64).collect();
        let matrix = PatientMatrix::from_columns([("x", values)]).unwrap();
        let error = fills(&matrix, None, Impute::MostFrequent, 60_000).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::TooLarge { .. }),
            "{error}"
        );
        assert_eq!(fills(&matrix, None, Impute::Median, n).unwrap(), [50_000.0]);

        let (other, _) = cohort(4);
        let preparation = Preparation::default().impute(Impute::Median);
        let (_, question) = FillSearch::start(matrix.schema(), &preparation).unwrap();
        let batch = Batch {
            rows: RowsSource::Matrix(&other),
            range: 0..4,
            target: TargetBatch::None,
            weights: None,
        };
        assert!(question.answer(other.schema(), &batch).is_err());
        let (mut search, asked) = FillSearch::start(other.schema(), &preparation).unwrap();
        let sums = asked.answer(other.schema(), &batch).unwrap();
        assert_eq!((sums.n_rows(), sums.smallest_count()), (4, 1));
        assert!(search.advance(&sums).is_ok());
        let (mut wrong, _) = FillSearch::start(matrix.schema(), &preparation).unwrap();
        assert!(wrong.advance(&sums).is_err());
    }
}
