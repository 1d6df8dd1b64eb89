//! Columns: dense, sparse and categorical storage, and what missing means in each.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{ErrorKind, Result};

/// The reserved code of a missing category.
pub(crate) const MISSING_CODE: u32 = u32::MAX;

/// Storage of one feature. Cloning shares the storage.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Column {
    /// One number per row; NaN is the only missing value, infinities are refused on entry.
    Dense(Arc<[f64]>),
    /// Row numbers in increasing order with their values; an absent entry is 0, never missing.
    Sparse(SparseColumn),
    /// One level per row, or missing.
    Categorical(CategoricalColumn),
}

/// A sparse column: entries in increasing row order; absent means 0.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseColumn {
    pub(crate) n_rows: usize,
    pub(crate) rows: Arc<[u32]>,
    pub(crate) values: Arc<[f64]>,
}

/// A column of levels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CategoricalColumn {
    pub(crate) codes: Arc<[u32]>,
    pub(crate) levels: Arc<[String]>,
}

impl Column {
    /// A dense column; NaN is missing.
    ///
    /// # Errors
    /// [`ErrorKind::NonFinite`] for an infinity.
    pub fn dense(values: impl Into<Arc<[f64]>>) -> Result<Self> {
        let values = values.into();
        if let Some(row) = values.iter().position(|value| value.is_infinite()) {
            return Err(ErrorKind::NonFinite {
                what: "column",
                row: Some(row),
                column: None,
                rule: "finite values, or NaN for missing",
            }
            .into());
        }
        Ok(Self::Dense(values))
    }

    /// A sparse column of `n_rows` rows from `(row, value)` pairs in any order.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for a row outside the column, [`ErrorKind::Duplicate`] for a row
    /// given twice, [`ErrorKind::NonFinite`] for NaN or an infinity.
    pub fn sparse(n_rows: usize, mut entries: Vec<(usize, f64)>) -> Result<Self> {
        check_row_count(n_rows)?;
        entries.sort_by_key(|(row, _)| *row);
        for (position, (row, value)) in entries.iter().enumerate() {
            if *row >= n_rows {
                return Err(ErrorKind::OutOfRange {
                    what: "sparse column",
                    row: Some(*row),
                    column: None,
                    rule: "row numbers below the number of rows",
                }
                .into());
            }
            if !value.is_finite() {
                return Err(ErrorKind::NonFinite {
                    what: "sparse column",
                    row: Some(*row),
                    column: None,
                    rule: "finite values (absent entries are 0, never missing)",
                }
                .into());
            }
            if position > 0 && entries[position - 1].0 == *row {
                return Err(ErrorKind::Duplicate {
                    what: "row of a sparse column",
                    row: *row,
                    first: *row,
                }
                .into());
            }
        }
        entries.retain(|(_, value)| *value != 0.0);
        Ok(Self::Sparse(SparseColumn {
            n_rows,
            rows: entries.iter().map(|(row, _)| *row as u32).collect(),
            values: entries.iter().map(|(_, value)| *value).collect(),
        }))
    }

    /// A categorical column from one optional level per row; levels are numbered in sorted order.
    pub fn categorical<S: AsRef<str>>(values: impl IntoIterator<Item = Option<S>>) -> Self {
        let values: Vec<Option<S>> = values.into_iter().collect();
        let mut numbers: BTreeMap<&str, u32> = values
            .iter()
            .flatten()
            .map(|value| (value.as_ref(), 0))
            .collect();
        for (number, slot) in numbers.values_mut().enumerate() {
            *slot = number as u32;
        }
        let codes = values
            .iter()
            .map(|value| match value {
                Some(level) => numbers[level.as_ref()],
                None => MISSING_CODE,
            })
            .collect();
        let levels = numbers.keys().map(|level| level.to_string()).collect();
        Self::Categorical(CategoricalColumn { codes, levels })
    }

    /// A categorical column from codes into a table of levels; `None` is missing.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for a code outside the table, [`ErrorKind::Schema`] for a level
    /// that stands twice.
    pub fn from_codes(
        codes: impl IntoIterator<Item = Option<u32>>,
        levels: Vec<String>,
    ) -> Result<Self> {
        let mut seen = std::collections::BTreeSet::new();
        if !levels.iter().all(|level| seen.insert(level.as_str())) {
            return Err(ErrorKind::Schema("a level stands twice in its table".into()).into());
        }
        let codes: Vec<u32> = codes
            .into_iter()
            .map(|code| code.unwrap_or(MISSING_CODE))
            .collect();
        if let Some(row) = codes
            .iter()
            .position(|&code| code != MISSING_CODE && code as usize >= levels.len())
        {
            return Err(ErrorKind::OutOfRange {
                what: "categorical column",
                row: Some(row),
                column: None,
                rule: "codes below the number of levels",
            }
            .into());
        }
        Ok(Self::Categorical(CategoricalColumn {
            codes: codes.into(),
            levels: levels.into(),
        }))
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Dense(values) => values.len(),
            Self::Sparse(sparse) => sparse.n_rows,
            Self::Categorical(categorical) => categorical.codes.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Row numbers are u32 in kernels.
pub(crate) fn check_row_count(n_rows: usize) -> Result<()> {
    if n_rows >= u32::MAX as usize {
        return Err(ErrorKind::TooLarge {
            what: "number of rows",
            bytes: n_rows as u64,
            ceiling: u64::from(u32::MAX) - 1,
        }
        .into());
    }
    Ok(())
}

/// The rows of a view: none means all rows of the base, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Selection {
    /// Base row of each view row.
    pub(crate) rows: Arc<[u32]>,
    /// `(base row, view row)` sorted, when `rows` is not strictly increasing.
    sorted: Option<Arc<[(u32, u32)]>>,
}

impl Selection {
    pub(crate) fn new(rows: Vec<u32>) -> Self {
        let increasing = rows.windows(2).all(|pair| pair[0] < pair[1]);
        let sorted = (!increasing).then(|| {
            let mut pairs: Vec<(u32, u32)> = rows
                .iter()
                .enumerate()
                .map(|(view, base)| (*base, view as u32))
                .collect();
            pairs.sort_unstable();
            pairs.into()
        });
        Self {
            rows: rows.into(),
            sorted,
        }
    }

    /// Calls `found` with every view row that shows `base`.
    fn views_of(&self, base: u32, mut found: impl FnMut(u32)) {
        match &self.sorted {
            None => {
                if let Ok(view) = self.rows.binary_search(&base) {
                    found(view as u32);
                }
            }
            Some(pairs) => {
                let start = pairs.partition_point(|(row, _)| *row < base);
                pairs[start..]
                    .iter()
                    .take_while(|(row, _)| *row == base)
                    .for_each(|(_, view)| found(*view));
            }
        }
    }
}

/// A column as seen through a matrix: rows are those of the view.
#[derive(Debug, Clone, Copy)]
pub struct ColumnView<'a> {
    pub(crate) column: &'a Column,
    pub(crate) selection: Option<&'a Selection>,
}

impl<'a> ColumnView<'a> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self.selection {
            Some(selection) => selection.rows.len(),
            None => self.column.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether absent entries are not stored.
    pub fn is_sparse(&self) -> bool {
        matches!(self.column, Column::Sparse(_))
    }

    /// Levels of a categorical column; empty for numbers.
    pub fn levels(&self) -> &'a [String] {
        match self.column {
            Column::Categorical(categorical) => &categorical.levels,
            _ => &[],
        }
    }

    fn base_row(&self, row: usize) -> usize {
        match self.selection {
            Some(selection) => selection.rows[row] as usize,
            None => row,
        }
    }

    /// The number at `row`, NaN when missing; the code of the level in a categorical column.
    ///
    /// # Panics
    /// When `row` is outside the view.
    pub fn value(&self, row: usize) -> f64 {
        let base = self.base_row(row);
        match self.column {
            Column::Dense(values) => values[base],
            Column::Sparse(sparse) => {
                assert!(base < sparse.n_rows, "row outside the column");
                match sparse.rows.binary_search(&(base as u32)) {
                    Ok(position) => sparse.values[position],
                    Err(_) => 0.0,
                }
            }
            Column::Categorical(categorical) => match categorical.codes[base] {
                MISSING_CODE => f64::NAN,
                code => f64::from(code),
            },
        }
    }

    /// The level at `row`, `None` when missing or when the column holds numbers.
    ///
    /// # Panics
    /// When `row` is outside the view.
    pub fn level(&self, row: usize) -> Option<&'a str> {
        match self.column {
            Column::Categorical(categorical) => categorical
                .levels
                .get(categorical.codes[self.base_row(row)] as usize)
                .map(String::as_str),
            _ => None,
        }
    }

    /// The code of the level at `row`; `None` when missing or when the column holds numbers.
    ///
    /// # Panics
    /// When `row` is outside the view.
    pub fn code(&self, row: usize) -> Option<u32> {
        match self.column {
            Column::Categorical(categorical) => {
                let code = categorical.codes[self.base_row(row)];
                (code != MISSING_CODE).then_some(code)
            }
            _ => None,
        }
    }

    /// Whether the value at `row` is missing.
    ///
    /// # Panics
    /// When `row` is outside the view.
    pub fn is_missing(&self, row: usize) -> bool {
        self.value(row).is_nan()
    }

    /// All numbers in row order (codes for a categorical column), NaN where missing.
    pub fn to_vec(&self) -> Vec<f64> {
        let mut out = vec![0.0; self.len()];
        self.fill(0, &mut out);
        out
    }

    /// Writes the numbers of rows `start..start + out.len()`.
    pub(crate) fn fill(&self, start: usize, out: &mut [f64]) {
        let end = start + out.len();
        match (self.column, self.selection) {
            (Column::Dense(values), None) => out.copy_from_slice(&values[start..end]),
            (Column::Dense(values), Some(selection)) => {
                for (slot, row) in out.iter_mut().zip(&selection.rows[start..end]) {
                    *slot = values[*row as usize];
                }
            }
            (Column::Sparse(sparse), None) => {
                out.fill(0.0);
                let first = sparse.rows.partition_point(|row| (*row as usize) < start);
                for (row, value) in sparse.rows[first..].iter().zip(&sparse.values[first..]) {
                    if *row as usize >= end {
                        break;
                    }
                    out[*row as usize - start] = *value;
                }
            }
            _ => {
                for (offset, slot) in out.iter_mut().enumerate() {
                    *slot = self.value(start + offset);
                }
            }
        }
    }

    /// Writes the codes of rows `start..start + out.len()`; missing is the reserved code.
    pub(crate) fn fill_codes(&self, start: usize, out: &mut [u32]) {
        if let Column::Categorical(categorical) = self.column {
            for (offset, slot) in out.iter_mut().enumerate() {
                *slot = categorical.codes[self.base_row(start + offset)];
            }
        }
    }

    /// Rows and values stored between two rows of a sparse column that is not seen through a view.
    pub(crate) fn stored_between(
        &self,
        start: usize,
        end: usize,
    ) -> Option<(&'a [u32], &'a [f64])> {
        let (Column::Sparse(sparse), None) = (self.column, self.selection) else {
            return None;
        };
        let first = sparse.rows.partition_point(|row| (*row as usize) < start);
        let last = sparse.rows.partition_point(|row| (*row as usize) < end);
        Some((&sparse.rows[first..last], &sparse.values[first..last]))
    }

    /// What is seen, with storage of its own where it is seen through a selection.
    pub(crate) fn to_column(self) -> Column {
        let Some(selection) = self.selection else {
            return self.column.clone();
        };
        match self.column {
            Column::Dense(_) => Column::Dense(self.to_vec().into()),
            Column::Sparse(_) => {
                let entries = self.entries().unwrap_or_default();
                Column::Sparse(SparseColumn {
                    n_rows: self.len(),
                    rows: entries.iter().map(|(row, _)| *row).collect(),
                    values: entries.iter().map(|(_, value)| *value).collect(),
                })
            }
            Column::Categorical(categorical) => Column::Categorical(CategoricalColumn {
                codes: selection
                    .rows
                    .iter()
                    .map(|row| categorical.codes[*row as usize])
                    .collect(),
                levels: Arc::clone(&categorical.levels),
            }),
        }
    }

    /// The stored `(row, value)` entries of a sparse column in row order of the view.
    pub(crate) fn entries(&self) -> Option<Vec<(u32, f64)>> {
        let Column::Sparse(sparse) = self.column else {
            return None;
        };
        let stored = sparse
            .rows
            .iter()
            .copied()
            .zip(sparse.values.iter().copied());
        let Some(selection) = self.selection else {
            return Some(stored.collect());
        };
        let mut entries = Vec::new();
        for (base, value) in stored {
            selection.views_of(base, |view| entries.push((view, value)));
        }
        entries.sort_unstable_by_key(|(view, _)| *view);
        Some(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_entries_follow_any_selection() {
        let column = Column::sparse(6, vec![(4, 2.0), (1, 1.0), (3, 0.0)]).unwrap();
        for rows in [vec![1, 2, 4], vec![4, 4, 0, 1], vec![]] {
            let selection = Selection::new(rows.clone());
            let view = ColumnView {
                column: &column,
                selection: Some(&selection),
            };
            let mut dense = vec![0.0; rows.len()];
            for (row, value) in view.entries().unwrap() {
                dense[row as usize] = value;
            }
            assert_eq!(dense, view.to_vec());
        }
    }

    #[test]
    fn bad_columns_are_refused_by_row() {
        let error = Column::dense(vec![1.0, f64::NAN, f64::NEG_INFINITY]).unwrap_err();
        assert!(matches!(
            error.kind(),
            ErrorKind::NonFinite { row: Some(2), .. }
        ));
        assert!(Column::sparse(2, vec![(2, 1.0)]).is_err());
        assert!(Column::sparse(2, vec![(1, 1.0), (1, 2.0)]).is_err());
        assert!(Column::sparse(2, vec![(1, f64::NAN)]).is_err());
        assert!(Column::from_codes([Some(1)], vec!["a".into()]).is_err());
    }

    #[test]
    fn levels_are_sorted_and_missing_is_kept() {
        let column = Column::categorical([Some("b"), None, Some("a")]);
        let view = ColumnView {
            column: &column,
            selection: None,
        };
        assert_eq!(view.levels(), ["a", "b"]);
        assert_eq!(view.level(0), Some("b"));
        assert!(view.is_missing(1) && view.code(1).is_none());
    }
}
