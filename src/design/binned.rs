//! Features as bins of one byte, for trees: edges are learnt on training rows, then applied to any
//! (`edges` says how).
//!
//! A number falls in the first bin whose edge it does not exceed; a level has a bin of its own, the
//! rarest share one where there are too many. Missing values, and levels that training did not show,
//! are bin [`MISSING`].

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::design::align::{Reader, align, refuse_infinite, refuse_infinite_stored};
use crate::design::edges::{edges_of, edges_of_stored, whole_weight};
use crate::design::held::{Column, Filling, LEAST_LISTED};
use crate::design::lookup::Lookup;
use crate::design::stored::stored_rows;
use crate::error::{ErrorKind, Result};
use crate::estimator::{RowsSource, Schema};
use crate::matrix::column::MISSING_CODE;
use crate::numeric::parallel::{CHUNK_ROWS, map_chunks, map_tasks, threads};

pub(crate) use crate::design::held::{BinnedDesign, GROUP, Held};

/// The bin of missing values.
pub(crate) const MISSING: u8 = 255;

/// Most bins of present values.
pub(crate) const MAX_BINS: usize = 255;

/// Values that are read at a time for prediction: 8 MB.
const MOST_VALUES: usize = 1 << 20;

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
        let whole = whole.as_deref();
        let all = (
            (0..n_rows).filter(|row| present(*row)).count() as u64,
            whole.map_or(0, |whole| whole.iter().sum::<u64>()),
        );
        let max_bins = max_bins.min(MAX_BINS);
        let features = schema.features();
        let bins = map_tasks(features.len(), |position| {
            let reader = &readers[position];
            if features[position].kind().is_categorical() {
                let counts = level_counts(reader, (0..n_rows).filter(|row| present(*row)));
                return Ok(level_bins(counts, max_bins));
            }
            if let Some((rows, values)) = stored_rows(reader, 0, n_rows) {
                refuse_infinite_stored(&features[position], rows, values)?;
                let kept = rows.iter().zip(values);
                let kept = kept.filter(|(row, _)| present(**row as usize));
                let (rows, values): (Vec<u32>, Vec<f64>) = kept.unzip();
                let weights: Option<Vec<u64>> =
                    whole.map(|whole| rows.iter().map(|row| whole[*row as usize]).collect());
                let zeros = all.0 - rows.len() as u64;
                let weight = weights
                    .as_ref()
                    .map_or(zeros, |w| all.1 - w.iter().sum::<u64>());
                let edges = edges_of_stored(&values, weights.as_deref(), (zeros, weight), max_bins);
                return Ok(Bins::Number(edges));
            }
            let mut column = vec![0.0; n_rows];
            reader.fill(0, &mut column);
            refuse_infinite(&features[position], 0, &column)?;
            if !all_present {
                for (row, value) in column.iter_mut().enumerate() {
                    *value = if present(row) { *value } else { f64::NAN };
                }
            }
            Ok(Bins::Number(edges_of(&column, whole, max_bins)))
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
        let n_blocks = self.bins.len().div_ceil(GROUP);
        let mut filling = Filling::new(n_rows, LEAST_LISTED);
        // A block a thread at a time: what is not laid out yet takes little memory.
        let together = threads();
        for first in (0..n_blocks).step_by(together) {
            let blocks = map_tasks(together.min(n_blocks - first), |block| {
                let position = (first + block) * GROUP;
                let positions = position..(position + GROUP).min(self.bins.len());
                self.block(positions, &readers, &tables, range.clone())
            });
            for block in blocks {
                filling.push(block?);
            }
        }
        Ok(filling.finish())
    }

    /// The bins of features that are read together: those of an array stand side by side in it.
    fn block(
        &self,
        positions: Range<usize>,
        readers: &[Reader<'_>],
        tables: &[Vec<u8>],
        range: Range<usize>,
    ) -> Result<Vec<Column>> {
        let n_rows = range.len();
        let features = self.schema.features();
        let mut stored = Vec::with_capacity(GROUP);
        for position in positions.clone() {
            stored.push(match &self.bins[position] {
                Bins::Number(edges) => match stored_rows(&readers[position], range.start, n_rows) {
                    None => None,
                    Some((rows, values)) => {
                        refuse_infinite_stored(&features[position], rows, values)?;
                        let rows: Vec<u32> =
                            rows.iter().map(|row| row - range.start as u32).collect();
                        let bins = values.iter().map(|v| Bins::of_number(edges, *v)).collect();
                        let rest = Bins::of_number(edges, 0.0);
                        Some(Column::of_stored(n_rows, &rows, bins, rest))
                    }
                },
                Bins::Levels { .. } => None,
            });
        }
        let size = |stored: &Option<Column>| if stored.is_some() { 0 } else { n_rows };
        let mut columns: Vec<Vec<u8>> = stored.iter().map(|s| vec![0; size(s)]).collect();
        let mut lookups: [Option<Lookup<'_>>; GROUP] = Default::default();
        let mut numbers = vec![0.0; CHUNK_ROWS.min(n_rows)];
        let mut codes = vec![0; CHUNK_ROWS.min(n_rows)];
        for first in (0..n_rows).step_by(CHUNK_ROWS) {
            let n = CHUNK_ROWS.min(n_rows - first);
            let start = range.start + first;
            let lanes = columns.iter_mut().zip(&mut lookups);
            for (position, (column, lookup)) in positions.clone().zip(lanes) {
                let Some(part) = column.get_mut(first..first + n) else {
                    continue;
                };
                match &self.bins[position] {
                    Bins::Number(edges) => {
                        let numbers = &mut numbers[..n];
                        readers[position].fill(start, numbers);
                        refuse_infinite(&features[position], start, numbers)?;
                        lookup
                            .get_or_insert_with(|| Lookup::new(edges, n_rows))
                            .bins(numbers, |at, bin| part[at] = bin);
                    }
                    Bins::Levels { .. } => {
                        let codes = &mut codes[..n];
                        codes.fill(MISSING_CODE);
                        if let Reader::View(view) = &readers[position] {
                            view.fill_codes(start, codes);
                        }
                        let table = &tables[position];
                        for (slot, code) in part.iter_mut().zip(codes.iter()) {
                            *slot = table.get(*code as usize).copied().unwrap_or(MISSING);
                        }
                    }
                }
            }
        }
        let columns = stored.into_iter().zip(columns);
        Ok(columns
            .map(|(stored, column)| stored.unwrap_or_else(|| Column::of(column)))
            .collect())
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
        let most = (MOST_VALUES / width.max(1)).max(1);
        let found = map_chunks(rows.n_rows(), |range| {
            let mut found = Vec::new();
            let mut values = vec![0.0; most.min(range.len()) * width];
            for start in range.clone().step_by(most) {
                let part = start..range.end.min(start + most);
                let values = &mut values[..part.len() * width];
                self.read(&readers, &tables, part.clone(), values)?;
                found.push(take(part, values));
            }
            Ok(found)
        });
        let found = found.into_iter().collect::<Result<Vec<_>>>()?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Writes rows as trees read them.
    fn read(
        &self,
        readers: &[Reader<'_>],
        tables: &[Vec<u8>],
        range: Range<usize>,
        values: &mut [f64],
    ) -> Result<()> {
        let (n, width) = (range.len(), self.bins.len());
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
        Ok(())
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
