//! Features as bins of one byte, for trees: edges are learnt on training rows, then applied to any
//! (`edges` says how).
//!
//! ```text
//!   rows of 8 features side by side:  | f0 f1 ... f7 | f0 f1 ... f7 | ...   group 0
//!                                     | f8 f9 ...    |                      group 1
//! ```
//!
//! A number falls in the first bin whose edge it does not exceed; a level has a bin of its own, the
//! rarest share one where there are too many. Missing values, and levels that training did not show,
//! are bin [`MISSING`].

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::design::align::{Reader, align, refuse_infinite};
use crate::design::edges::{edges_of, whole_weight};
use crate::design::lookup::Lookup;
use crate::error::{ErrorKind, Result};
use crate::estimator::{RowsSource, Schema};
use crate::matrix::column::MISSING_CODE;
use crate::numeric::parallel::{CHUNK_ROWS, map_chunks, map_tasks};

/// The bin of missing values.
pub(crate) const MISSING: u8 = 255;

/// Most bins of present values.
pub(crate) const MAX_BINS: usize = 255;

/// Features whose bins stand side by side: one read brings all of them.
pub(crate) const GROUP: usize = 8;

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
    pub(super) fn of_number(edges: &[f64], value: f64) -> u8 {
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
        let present = |row: usize| weights.is_none_or(|weights| weights[row] > 0.0);
        let all_present = (0..n_rows).all(present);
        let whole = weights.and_then(whole_weights);
        let max_bins = max_bins.min(MAX_BINS);
        let features = schema.features();
        let bins = map_tasks(features.len(), |position| {
            let reader = &readers[position];
            if features[position].kind().is_categorical() {
                let counts = level_counts(reader, (0..n_rows).filter(|row| present(*row)));
                return Ok(level_bins(counts, max_bins));
            }
            let mut column = vec![0.0; n_rows];
            reader.fill(0, &mut column);
            refuse_infinite(&features[position], 0, &column)?;
            if !all_present {
                for (row, value) in column.iter_mut().enumerate() {
                    *value = if present(row) { *value } else { f64::NAN };
                }
            }
            Ok(Bins::Number(edges_of(&column, whole.as_deref(), max_bins)))
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
        self.apply_range(rows, 0..rows.n_rows())
    }

    /// The bins of some of the rows.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub(crate) fn apply_range(
        &self,
        rows: RowsSource<'_>,
        range: Range<usize>,
    ) -> Result<BinnedDesign> {
        let readers = align(&self.schema, rows)?;
        let tables: Vec<Vec<u8>> = self
            .bins
            .iter()
            .zip(&readers)
            .map(|(bins, reader)| level_table(bins, reader))
            .collect();
        let n_rows = range.len();
        let n_groups = self.bins.len().div_ceil(GROUP);
        let groups = map_tasks(n_groups, |group| {
            let mut out = vec![[0_u8; GROUP]; n_rows];
            let mut numbers = vec![0.0; CHUNK_ROWS];
            let mut codes = vec![0; CHUNK_ROWS];
            let mut lookups: [Option<Lookup<'_>>; GROUP] = Default::default();
            let first = group * GROUP;
            for (start, part) in out.chunks_mut(CHUNK_ROWS).enumerate() {
                let start = range.start + start * CHUNK_ROWS;
                for position in first..(first + GROUP).min(self.bins.len()) {
                    let lane = position - first;
                    match &self.bins[position] {
                        Bins::Number(edges) => {
                            let numbers = &mut numbers[..part.len()];
                            readers[position].fill(start, numbers);
                            refuse_infinite(&self.schema.features()[position], start, numbers)?;
                            lookups[lane]
                                .get_or_insert_with(|| Lookup::new(edges, n_rows))
                                .bins(numbers, |at, bin| part[at][lane] = bin);
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
        take: impl Fn(Range<usize>, &[f64]) -> T + Sync + Send,
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

/// Weights as whole numbers, 0 where there is none; `None` where all others are alike.
pub(super) fn whole_weights(weights: &[f64]) -> Option<Vec<u64>> {
    let present = || weights.iter().copied().filter(|weight| *weight > 0.0);
    let range = (
        present().fold(f64::INFINITY, f64::min),
        present().fold(0.0, f64::max),
    );
    if range.0 >= range.1 {
        return None;
    }
    let whole = |weight: &f64| match *weight > 0.0 {
        true => whole_weight(*weight, range),
        false => 0,
    };
    Some(weights.iter().map(whole).collect())
}

/// Rows of every level that has any.
pub(crate) fn level_counts(
    reader: &Reader<'_>,
    rows: impl Iterator<Item = usize>,
) -> BTreeMap<String, u64> {
    let Reader::View(view) = reader else {
        return BTreeMap::new();
    };
    let mut counts = vec![0_u64; view.levels().len()];
    for row in rows {
        if let Some(code) = view.code(row) {
            counts[code as usize] += 1;
        }
    }
    let seen = counts.into_iter().zip(view.levels());
    let seen = seen.filter(|(count, _)| *count > 0);
    seen.map(|(count, level)| (level.clone(), count)).collect()
}

/// A bin for each level, the most frequent first; the rarest share one where there are too many.
pub(crate) fn level_bins(counts: BTreeMap<String, u64>, max_bins: usize) -> Bins {
    let mut seen: Vec<(String, u64)> = counts.into_iter().collect();
    // Stable: on equal counts by name.
    seen.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let pooled = seen.len() > max_bins;
    seen.truncate(if pooled { max_bins - 1 } else { seen.len() });
    Bins::Levels {
        levels: seen.into_iter().map(|(level, _)| level).collect(),
        pooled,
    }
}

/// The bin of every level code of the given rows.
fn level_table(bins: &Bins, reader: &Reader<'_>) -> Vec<u8> {
    let (Bins::Levels { levels, pooled }, Reader::View(view)) = (bins, reader) else {
        return Vec::new();
    };
    let known: BTreeMap<&str, usize> = levels
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
