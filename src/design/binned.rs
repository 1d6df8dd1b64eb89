//! Features as bins of one byte, for trees: edges are learnt on training rows, then applied to any.
//!
//! ```text
//!   rows of 8 features side by side:  | f0 f1 ... f7 | f0 f1 ... f7 | ...   group 0
//!                                     | f8 f9 ...    |                      group 1
//! ```
//!
//! A number falls in the first bin whose edge it does not exceed; a level has a bin of its own, the
//! rarest share one where there are too many. Missing values, and levels that training did not show,
//! are bin [`MISSING`].

use serde::{Deserialize, Serialize};

use crate::design::align::{Reader, align, refuse_infinite};
use crate::error::{ErrorKind, Result};
use crate::estimator::{RowsSource, Schema};
use crate::matrix::column::MISSING_CODE;
use crate::numeric::parallel::{CHUNK_ROWS, map_chunks, map_tasks};
use crate::numeric::seed::mix;

/// The bin of missing values.
pub(crate) const MISSING: u8 = 255;

/// Most bins of present values.
pub(crate) const MAX_BINS: usize = 255;

/// Features whose bins stand side by side: one read brings all of them.
pub(crate) const GROUP: usize = 8;

/// Rows that edges are learnt from, at most; drawn by row number.
const SAMPLE: usize = 65_536;

/// The bins of one feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Bins {
    /// Upper edges, increasing; the last bin has none.
    Number(Vec<f64>),
    /// Levels by bin, most frequent first; with `pooled`, the last bin is that of all others seen.
    Levels { levels: Vec<String>, pooled: bool },
}

impl Bins {
    /// Number of bins of present values.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Number(edges) => edges.len() + 1,
            Self::Levels { levels, pooled } => levels.len() + usize::from(*pooled),
        }
    }

    #[inline]
    fn of_number(edges: &[f64], value: f64) -> u8 {
        if value.is_nan() {
            return MISSING;
        }
        edges.partition_point(|edge| *edge < value) as u8
    }
}

/// What training taught of every feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Binner {
    pub(crate) schema: Schema,
    pub(crate) positional: bool,
    pub(crate) bins: Vec<Bins>,
}

/// The bins of some rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BinnedDesign {
    pub(crate) n_rows: usize,
    pub(crate) n_features: usize,
    /// Groups of [`GROUP`] features; the last one is filled up with bin 0.
    pub(crate) groups: Vec<Vec<[u8; GROUP]>>,
}

impl BinnedDesign {
    /// The given rows.
    pub(crate) fn select(&self, rows: &[u32]) -> Self {
        Self {
            n_rows: rows.len(),
            n_features: self.n_features,
            groups: map_tasks(self.groups.len(), |group| {
                let group = &self.groups[group];
                rows.iter().map(|row| group[*row as usize]).collect()
            }),
        }
    }

    /// Number of rows in every bin of a feature.
    pub(crate) fn counts(&self, feature: usize) -> [u64; 256] {
        let mut counts = [0; 256];
        for row in &self.groups[feature / GROUP] {
            counts[row[feature % GROUP] as usize] += 1;
        }
        counts
    }

    /// The bin of a feature in a row.
    #[inline]
    pub(crate) fn bin(&self, feature: usize, row: usize) -> u8 {
        self.groups[feature / GROUP][row][feature % GROUP]
    }
}

impl Binner {
    /// Checks bins that were read from a file.
    ///
    /// # Errors
    /// [`ErrorKind::Saved`] naming what does not hold.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |what: &str| Err(ErrorKind::Saved(format!("bins: {what}")).into());
        if self.bins.len() != self.schema.len() {
            return refuse("one list for every feature expected");
        }
        for (bins, feature) in self.bins.iter().zip(self.schema.features()) {
            if bins.len() > MAX_BINS {
                return refuse("more than a byte counts");
            }
            match bins {
                Bins::Number(edges) => {
                    let increasing = edges.windows(2).all(|pair| pair[0] < pair[1]);
                    let finite = edges.iter().all(|edge| edge.is_finite());
                    if !increasing || !finite || feature.kind().is_categorical() {
                        return refuse("increasing finite edges of a number expected");
                    }
                }
                Bins::Levels { levels, .. } => {
                    let distinct: std::collections::BTreeSet<&String> = levels.iter().collect();
                    if distinct.len() != levels.len() || !feature.kind().is_categorical() {
                        return refuse("levels of a category, each once, expected");
                    }
                }
            }
        }
        Ok(())
    }

    /// Learns the bins of all features from rows of positive weight.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::NonFinite`] for an infinity.
    pub(crate) fn learn(
        schema: Schema,
        positional: bool,
        rows: RowsSource<'_>,
        weights: Option<&[f64]>,
        max_bins: usize,
    ) -> Result<Self> {
        let readers = align(&schema, rows)?;
        let n_rows = rows.n_rows();
        let used: Vec<u32> = (0..n_rows)
            .filter(|row| weights.is_none_or(|weights| weights[*row] > 0.0))
            .map(|row| row as u32)
            .collect();
        let sample = sampled(&used);
        let max_bins = max_bins.min(MAX_BINS);
        let features = schema.features();
        let bins = map_tasks(features.len(), |position| {
            let reader = &readers[position];
            if features[position].kind().is_categorical() {
                return Ok(level_bins(reader, &used, max_bins));
            }
            let mut column = vec![0.0; n_rows];
            reader.fill(0, &mut column);
            refuse_infinite(&features[position], 0, &column)?;
            Ok(number_bins(&column, &sample, weights, max_bins))
        });
        let bins = bins.into_iter().collect::<Result<Vec<_>>>()?;
        Ok(Self {
            schema,
            positional,
            bins,
        })
    }

    /// The bins of rows.
    ///
    /// # Errors
    /// Those of alignment; [`crate::error::ErrorKind::NonFinite`] for an infinity.
    pub(crate) fn apply(&self, rows: RowsSource<'_>) -> Result<BinnedDesign> {
        let readers = align(&self.schema, rows)?;
        let tables: Vec<Vec<u8>> = self
            .bins
            .iter()
            .zip(&readers)
            .map(|(bins, reader)| level_table(bins, reader))
            .collect();
        let n_rows = rows.n_rows();
        let n_groups = self.bins.len().div_ceil(GROUP);
        let groups = map_tasks(n_groups, |group| {
            let mut out = vec![[0_u8; GROUP]; n_rows];
            let mut numbers = vec![0.0; CHUNK_ROWS];
            let mut codes = vec![0; CHUNK_ROWS];
            let first = group * GROUP;
            for (start, part) in out.chunks_mut(CHUNK_ROWS).enumerate() {
                let start = start * CHUNK_ROWS;
                for position in first..(first + GROUP).min(self.bins.len()) {
                    let lane = position - first;
                    match &self.bins[position] {
                        Bins::Number(edges) => {
                            let numbers = &mut numbers[..part.len()];
                            readers[position].fill(start, numbers);
                            refuse_infinite(&self.schema.features()[position], start, numbers)?;
                            for (slot, value) in part.iter_mut().zip(numbers.iter()) {
                                slot[lane] = Bins::of_number(edges, *value);
                            }
                        }
                        Bins::Levels { .. } => {
                            let codes = &mut codes[..part.len()];
                            codes.fill(MISSING_CODE);
                            if let Reader::View(view) = &readers[position] {
                                view.fill_codes(start, codes);
                            }
                            let table = &tables[position];
                            for (slot, code) in part.iter_mut().zip(codes.iter()) {
                                slot[lane] = table.get(*code as usize).copied().unwrap_or(MISSING);
                            }
                        }
                    }
                }
            }
            Ok(out)
        });
        Ok(BinnedDesign {
            n_rows,
            n_features: self.bins.len(),
            groups: groups.into_iter().collect::<Result<_>>()?,
        })
    }

    /// Calls `take` with chunks of rows as trees read them: row-major, numbers as they are, levels as
    /// the number of their bin, NaN where missing; results in row order.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub(crate) fn for_values<T: Send>(
        &self,
        rows: RowsSource<'_>,
        take: impl Fn(std::ops::Range<usize>, &[f64]) -> T + Sync + Send,
    ) -> Result<Vec<T>> {
        let readers = align(&self.schema, rows)?;
        let tables: Vec<Vec<u8>> = self
            .bins
            .iter()
            .zip(&readers)
            .map(|(bins, reader)| level_table(bins, reader))
            .collect();
        let width = self.bins.len();
        map_chunks(rows.n_rows(), |range| {
            let n = range.len();
            let mut values = vec![0.0; n * width];
            let (mut numbers, mut codes) = (vec![0.0; n], vec![0; n]);
            for position in 0..width {
                match &self.bins[position] {
                    Bins::Number(_) => {
                        readers[position].fill(range.start, &mut numbers);
                        let feature = &self.schema.features()[position];
                        refuse_infinite(feature, range.start, &numbers)?;
                    }
                    Bins::Levels { .. } => {
                        codes.fill(MISSING_CODE);
                        if let Reader::View(view) = &readers[position] {
                            view.fill_codes(range.start, &mut codes);
                        }
                        let table = &tables[position];
                        for (slot, code) in numbers.iter_mut().zip(&codes) {
                            *slot = match table.get(*code as usize) {
                                Some(bin) if *bin != MISSING => f64::from(*bin),
                                _ => f64::NAN,
                            };
                        }
                    }
                }
                for (slot, value) in values[position..].iter_mut().step_by(width).zip(&numbers) {
                    *slot = *value;
                }
            }
            Ok(take(range, &values))
        })
        .into_iter()
        .collect()
    }
}

/// At most [`SAMPLE`] rows, chosen by a hash of their number.
fn sampled(used: &[u32]) -> Vec<u32> {
    if used.len() <= SAMPLE {
        return used.to_vec();
    }
    let share = (SAMPLE as f64 / used.len() as f64 * u32::MAX as f64) as u32;
    used.iter()
        .copied()
        .filter(|row| (mix(u64::from(*row)) >> 32) as u32 <= share)
        .collect()
}

/// Bins of about equal weight of sampled rows; a value never falls in two.
fn number_bins(column: &[f64], sample: &[u32], weights: Option<&[f64]>, max_bins: usize) -> Bins {
    let mut values: Vec<(f64, f64)> = sample
        .iter()
        .map(|row| {
            let row = *row as usize;
            (column[row], weights.map_or(1.0, |weights| weights[row]))
        })
        .filter(|(value, _)| !value.is_nan())
        .collect();
    // By weight too, so that sums do not depend on the order of rows.
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    // Runs of equal values, zero being one whatever its sign.
    let mut runs: Vec<(f64, f64)> = Vec::new();
    for (value, weight) in values {
        match runs.last_mut() {
            Some((last, sum)) if *last == value => *sum += weight,
            _ => runs.push((value, weight)),
        }
    }
    let mut edges = Vec::new();
    let mut left: f64 = runs.iter().map(|(_, weight)| weight).sum();
    let mut open = 0.0;
    for pair in runs.windows(2) {
        let [(value, weight), (next, next_weight)] = [pair[0], pair[1]];
        open += weight;
        left -= weight;
        let bins_left = (max_bins - 1).saturating_sub(edges.len());
        if bins_left == 0 {
            break;
        }
        // What one bin should hold if all that is not yet cut were dealt evenly.
        let fair = (open + left) / (bins_left + 1) as f64;
        let close =
            runs.len() <= max_bins || open >= fair || (next_weight >= fair && open >= fair / 2.0);
        if close {
            edges.push(between(value, next));
            open = 0.0;
        }
    }
    Bins::Number(edges)
}

/// A number from `low` on and below `high`: the middle where it is.
fn between(low: f64, high: f64) -> f64 {
    let middle = low / 2.0 + high / 2.0;
    if middle >= low && middle < high {
        middle
    } else {
        low
    }
}

fn level_bins(reader: &Reader<'_>, used: &[u32], max_bins: usize) -> Bins {
    let Reader::View(view) = reader else {
        return Bins::Levels {
            levels: Vec::new(),
            pooled: false,
        };
    };
    let mut counts = vec![0_usize; view.levels().len()];
    for row in used {
        if let Some(code) = view.code(*row as usize) {
            counts[code as usize] += 1;
        }
    }
    let mut seen: Vec<(usize, &String)> = counts
        .into_iter()
        .zip(view.levels())
        .filter(|(count, _)| *count > 0)
        .collect();
    seen.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    let pooled = seen.len() > max_bins;
    let own = if pooled { max_bins - 1 } else { seen.len() };
    Bins::Levels {
        levels: seen[..own]
            .iter()
            .map(|(_, level)| (*level).clone())
            .collect(),
        pooled,
    }
}

/// The bin of every level code of the given rows.
fn level_table(bins: &Bins, reader: &Reader<'_>) -> Vec<u8> {
    let (Bins::Levels { levels, pooled }, Reader::View(view)) = (bins, reader) else {
        return Vec::new();
    };
    let known: std::collections::BTreeMap<&str, usize> = levels
        .iter()
        .enumerate()
        .map(|(bin, level)| (level.as_str(), bin))
        .collect();
    view.levels()
        .iter()
        .map(|level| match known.get(level.as_str()) {
            Some(bin) => *bin as u8,
            // With a pool, what has no bin of its own is rare: seen or not, it is treated alike.
            None if *pooled => levels.len() as u8,
            None => MISSING,
        })
        .collect()
}
