//! `PatientMatrix`: schema, columns and row keys; views, joins and derived columns.

use std::sync::Arc;

use ndarray::{Array2, ArrayBase, Data, Ix2};

use crate::error::{ErrorKind, Result};
use crate::matrix::column::{Column, ColumnView, Selection, check_row_count};
use crate::matrix::rows::RowKeys;
use crate::matrix::schema::{Feature, Schema};
use crate::numeric::seed::{mix, text_code};

/// The patient-feature matrix: a row is a patient at an index time, a column is a feature.
///
/// A column store with shared columns: cloning, selecting rows and selecting columns copy no
/// values. Build one from an array, from columns or from a file ([`crate::ingest`]).
///
/// ```
/// use galen::matrix::{Column, Feature, PatientMatrix, RowKeys};
///
/// # fn main() -> galen::Result<()> {
/// let matrix = PatientMatrix::new(vec![
///     (Feature::numeric("age").unit("a"), Column::dense(vec![54.0, 61.0, f64::NAN])?),
///     (Feature::category("sex"), Column::categorical([Some("f"), Some("m"), None])),
/// ])?
/// .with_keys(RowKeys::none().patients(["p1", "p2", "p1"]))?;
/// assert_eq!((matrix.n_rows(), matrix.n_columns()), (3, 2));
/// assert_eq!(matrix.column("sex")?.level(1), Some("m"));
/// let first = matrix.select_rows(&[0, 2])?;
/// assert!(first.column("age")?.is_missing(1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PatientMatrix {
    pub(super) schema: Schema,
    pub(super) columns: Arc<[Column]>,
    pub(super) selection: Option<Selection>,
    pub(super) keys: RowKeys,
    pub(super) n_rows: usize,
    pub(super) origin: u64,
    pub(super) splits: Arc<[u64]>,
}

impl PatientMatrix {
    /// A matrix of described columns, all of one length.
    ///
    /// # Errors
    /// [`ErrorKind::LengthMismatch`] for columns of different lengths, [`ErrorKind::Schema`] for a
    /// repeated name, [`ErrorKind::FeatureMismatch`] where storage and kind disagree,
    /// [`ErrorKind::OutOfRange`] for a negative or fractional count or a flag other than 0 and 1,
    /// [`ErrorKind::NonFinite`] for an infinity.
    pub fn new(columns: Vec<(Feature, Column)>) -> Result<Self> {
        let n_rows = columns.first().map_or(0, |(_, column)| column.len());
        check_row_count(n_rows)?;
        for (feature, column) in &columns {
            check_column(feature, column, n_rows)?;
        }
        let (features, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let mut matrix = Self {
            schema: Schema::new(features)?,
            columns: columns.into(),
            selection: None,
            keys: RowKeys::none(),
            n_rows,
            origin: 0,
            splits: Arc::new([]),
        };
        matrix.origin = matrix.digest_of_values();
        Ok(matrix)
    }

    /// A matrix of numeric features `x0`, `x1`, ... from an array (rows x columns); NaN is missing.
    ///
    /// # Errors
    /// [`ErrorKind::NonFinite`] for an infinity.
    pub fn from_array<S: Data<Elem = f64>>(values: ArrayBase<S, Ix2>) -> Result<Self> {
        let columns = values
            .columns()
            .into_iter()
            .enumerate()
            .map(|(index, column)| {
                let values: Arc<[f64]> = column.iter().copied().collect();
                (Feature::numeric(format!("x{index}")), Column::Dense(values))
            })
            .collect();
        let mut matrix = Self::new(columns)?;
        matrix.n_rows = values.nrows();
        Ok(matrix)
    }

    /// A matrix of numeric features from names and values; NaN is missing.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn from_columns<N, V>(columns: impl IntoIterator<Item = (N, V)>) -> Result<Self>
    where
        N: Into<String>,
        V: Into<Vec<f64>>,
    {
        Self::new(
            columns
                .into_iter()
                .map(|(name, values)| {
                    let values: Vec<f64> = values.into();
                    (Feature::numeric(name), Column::Dense(values.into()))
                })
                .collect(),
        )
    }

    /// Sets the row keys.
    ///
    /// # Errors
    /// [`ErrorKind::LengthMismatch`] for keys of another length, [`ErrorKind::Duplicate`] where a
    /// patient has two rows at one index time.
    pub fn with_keys(mut self, keys: RowKeys) -> Result<Self> {
        keys.check(self.n_rows)?;
        self.keys = keys;
        // A view, or the training side of a split, stays part of the table it was cut from.
        let is_part = self.selection.is_some() || !self.splits.is_empty();
        if let Some(patients) = self.keys.patient_keys().filter(|_| !is_part) {
            let labels = patients.labels().iter();
            let sum = labels.fold(0_u64, |sum, label| sum.wrapping_add(text_code(label)));
            self.origin = mix(sum ^ mix(self.n_rows as u64));
        }
        Ok(self)
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Number of feature columns.
    pub fn n_columns(&self) -> usize {
        self.columns.len()
    }

    /// Features in column order.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Row keys.
    pub fn keys(&self) -> &RowKeys {
        &self.keys
    }

    /// A 64-bit digest of the table this matrix was cut from. Views and derived columns keep it,
    /// so that a model can tell rows of its own table from rows of another.
    pub fn origin(&self) -> u64 {
        self.origin
    }

    /// The splits whose training side these rows are, outermost first; empty for whole tables.
    pub(crate) fn splits(&self) -> &[u64] {
        &self.splits
    }

    /// The same rows, marked as the training side of one more split.
    pub(crate) fn with_split(&self, split: u64) -> Self {
        let mut splits = self.splits.to_vec();
        splits.push(split);
        Self {
            splits: splits.into(),
            ..self.clone()
        }
    }

    /// A column by name.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureNames`], with the nearest name, when there is no such column.
    pub fn column(&self, name: &str) -> Result<ColumnView<'_>> {
        Ok(self.view(self.schema.find(name)?))
    }

    /// A column by position.
    ///
    /// # Panics
    /// When `index` is not below [`Self::n_columns`].
    pub fn view(&self, index: usize) -> ColumnView<'_> {
        ColumnView {
            column: &self.columns[index],
            selection: self.selection.as_ref(),
        }
    }

    /// The given rows in the given order, repeats allowed; shares all columns.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for a row that does not exist.
    pub fn select_rows(&self, rows: &[usize]) -> Result<Self> {
        if let Some(position) = rows.iter().position(|row| *row >= self.n_rows) {
            return Err(ErrorKind::OutOfRange {
                what: "row selection",
                row: Some(position),
                column: None,
                rule: "row numbers below the number of rows",
            }
            .into());
        }
        check_row_count(rows.len())?;
        let rows: Vec<u32> = rows.iter().map(|row| *row as u32).collect();
        let keys = self.keys.select(&rows);
        let base = match &self.selection {
            Some(selection) => rows
                .iter()
                .map(|row| selection.rows[*row as usize])
                .collect(),
            None => rows,
        };
        Ok(Self {
            n_rows: base.len(),
            selection: Some(Selection::new(base)),
            keys,
            ..self.clone()
        })
    }

    /// The rows for which `keep` is true of the row number; shares all columns.
    ///
    /// # Errors
    /// As [`Self::select_rows`].
    pub fn filter(&self, keep: impl Fn(usize) -> bool) -> Result<Self> {
        let rows: Vec<usize> = (0..self.n_rows).filter(|row| keep(*row)).collect();
        self.select_rows(&rows)
    }

    /// The named columns in the given order.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureNames`] for unknown names, [`ErrorKind::Schema`] for a name given twice.
    pub fn select<N: AsRef<str>>(&self, names: &[N]) -> Result<Self> {
        let missing: Vec<String> = names
            .iter()
            .map(|name| name.as_ref().to_string())
            .filter(|name| self.schema.position(name).is_none())
            .collect();
        if !missing.is_empty() {
            return Err(self.schema.unknown(missing));
        }
        let positions: Vec<usize> = names
            .iter()
            .filter_map(|name| self.schema.position(name.as_ref()))
            .collect();
        self.take_columns(&positions)
    }

    /// All columns but the named ones.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureNames`] for unknown names.
    pub fn without<N: AsRef<str>>(&self, names: &[N]) -> Result<Self> {
        let mut dropped = Vec::with_capacity(names.len());
        for name in names {
            dropped.push(self.schema.find(name.as_ref())?);
        }
        let positions: Vec<usize> = (0..self.n_columns())
            .filter(|position| !dropped.contains(position))
            .collect();
        self.take_columns(&positions)
    }

    fn take_columns(&self, positions: &[usize]) -> Result<Self> {
        let features = self.schema.features();
        Ok(Self {
            schema: Schema::new(positions.iter().map(|p| features[*p].clone()).collect())?,
            columns: positions.iter().map(|p| self.columns[*p].clone()).collect(),
            ..self.clone()
        })
    }

    /// The matrix with one more column, or with the column of that name replaced.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_column(&self, feature: Feature, column: Column) -> Result<Self> {
        check_column(&feature, &column, self.n_rows)?;
        // A column made for a view is as long as the view: the others are cut to it first.
        let whole = self.materialize();
        let mut features = whole.schema.features().to_vec();
        let mut columns = whole.columns.to_vec();
        match whole.schema.position(feature.name()) {
            Some(position) => {
                features[position] = feature;
                columns[position] = column;
            }
            None => {
                features.push(feature);
                columns.push(column);
            }
        }
        Ok(Self {
            schema: Schema::new(features)?,
            columns: columns.into(),
            ..whole
        })
    }

    /// The matrix with a numeric column computed row by row from others; NaN marks missing.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureNames`] for unknown names, [`ErrorKind::NonFinite`] where `compute`
    /// returns an infinity.
    pub fn derive<N: AsRef<str>>(
        &self,
        feature: Feature,
        from: &[N],
        compute: impl Fn(&[f64]) -> f64,
    ) -> Result<Self> {
        let mut inputs = Vec::with_capacity(from.len());
        for name in from {
            inputs.push(self.column(name.as_ref())?.to_vec());
        }
        let mut row_values = vec![0.0; inputs.len()];
        let values: Vec<f64> = (0..self.n_rows)
            .map(|row| {
                for (slot, input) in row_values.iter_mut().zip(&inputs) {
                    *slot = input[row];
                }
                compute(&row_values)
            })
            .collect();
        self.with_column(feature, Column::Dense(values.into()))
    }

    /// Whether rows are seen through a selection.
    pub(crate) fn is_view(&self) -> bool {
        self.selection.is_some()
    }

    /// The same rows with storage of their own where this is a view.
    pub(crate) fn materialize(&self) -> Self {
        if self.selection.is_none() {
            return self.clone();
        }
        let columns = (0..self.n_columns()).map(|index| self.view(index).to_column());
        Self {
            columns: columns.collect(),
            selection: None,
            ..self.clone()
        }
    }

    /// All values as an array (rows x columns); codes stand for levels, NaN for missing.
    pub fn to_array(&self) -> Array2<f64> {
        let mut array = Array2::zeros((self.n_rows, self.n_columns()));
        for index in 0..self.n_columns() {
            let values = self.view(index).to_vec();
            array
                .column_mut(index)
                .iter_mut()
                .zip(values)
                .for_each(|(slot, value)| *slot = value);
        }
        array
    }

    /// Schema, size and up to 256 values of every column, mixed: enough to tell tables apart.
    fn digest_of_values(&self) -> u64 {
        const SAMPLED: usize = 256;
        let mut digest = mix(self.schema.fingerprint() ^ self.n_rows as u64);
        let step = self.n_rows.div_ceil(SAMPLED).max(1);
        for column in self.columns.iter() {
            match column {
                Column::Dense(values) => {
                    for value in values.iter().step_by(step) {
                        digest = mix(digest ^ value.to_bits());
                    }
                }
                Column::Sparse(sparse) => {
                    let step = sparse.values.len().div_ceil(SAMPLED).max(1);
                    for (row, value) in sparse.rows.iter().zip(sparse.values.iter()).step_by(step) {
                        digest = mix(digest ^ value.to_bits() ^ u64::from(*row));
                    }
                }
                Column::Categorical(categorical) => {
                    for code in categorical.codes.iter().step_by(step) {
                        digest = mix(digest ^ u64::from(*code));
                    }
                }
            }
        }
        digest
    }
}

/// Length, storage against kind, and the domain of counts and flags.
pub(super) fn check_column(feature: &Feature, column: &Column, n_rows: usize) -> Result<()> {
    use crate::matrix::schema::FeatureKind;

    if column.len() != n_rows {
        return Err(ErrorKind::LengthMismatch {
            what: "column",
            expected: n_rows,
            found: column.len(),
        }
        .into());
    }
    let stored_as_levels = matches!(column, Column::Categorical(_));
    if stored_as_levels != feature.kind().is_categorical() {
        return Err(ErrorKind::FeatureMismatch {
            name: feature.name().to_string(),
            expected: format!(
                "{} storage for kind {}",
                if feature.kind().is_categorical() {
                    "categorical"
                } else {
                    "numeric"
                },
                feature.kind()
            ),
            found: format!(
                "{} storage",
                if stored_as_levels {
                    "categorical"
                } else {
                    "numeric"
                }
            ),
        }
        .into());
    }
    let (values, rows): (&[f64], Option<&[u32]>) = match column {
        Column::Dense(values) => (values, None),
        Column::Sparse(sparse) => (&sparse.values, Some(&sparse.rows)),
        Column::Categorical(_) => return Ok(()),
    };
    let row_of = |position: usize| Some(rows.map_or(position, |rows| rows[position] as usize));
    if let Some(position) = values.iter().position(|value| value.is_infinite()) {
        return Err(ErrorKind::NonFinite {
            what: "matrix",
            row: row_of(position),
            column: Some(feature.name().to_string()),
            rule: "finite values, or NaN for missing",
        }
        .into());
    }
    let (allowed, rule): (fn(f64) -> bool, _) = match feature.kind() {
        FeatureKind::Count => (
            |value| value >= 0.0 && value.fract() == 0.0,
            "whole numbers of zero or more",
        ),
        FeatureKind::Flag => (|value| value == 0.0 || value == 1.0, "0 or 1"),
        _ => return Ok(()),
    };
    match values
        .iter()
        .position(|value| !value.is_nan() && !allowed(*value))
    {
        None => Ok(()),
        Some(position) => Err(ErrorKind::OutOfRange {
            what: "matrix",
            row: row_of(position),
            column: Some(feature.name().to_string()),
            rule,
        }
        .into()),
    }
}

impl approx::AbsDiffEq for PatientMatrix {
    type Epsilon = f64;

    fn default_epsilon() -> f64 {
        f64::EPSILON
    }

    fn abs_diff_eq(&self, other: &Self, epsilon: f64) -> bool {
        same_values(self, other, |a, b| f64::abs_diff_eq(&a, &b, epsilon))
    }
}

impl approx::RelativeEq for PatientMatrix {
    fn default_max_relative() -> f64 {
        f64::EPSILON
    }

    fn relative_eq(&self, other: &Self, epsilon: f64, max_relative: f64) -> bool {
        same_values(self, other, |a, b| {
            f64::relative_eq(&a, &b, epsilon, max_relative)
        })
    }
}

/// Same schema and keys, same levels, numbers equal under `close`, missing where missing.
fn same_values(a: &PatientMatrix, b: &PatientMatrix, close: impl Fn(f64, f64) -> bool) -> bool {
    a.n_rows == b.n_rows
        && a.schema == b.schema
        && a.keys == b.keys
        && (0..a.n_columns()).all(|index| {
            let (x, y) = (a.view(index), b.view(index));
            let categorical = a.schema.features()[index].kind().is_categorical();
            (0..a.n_rows).all(|row| {
                if categorical {
                    return x.level(row) == y.level(row);
                }
                let (p, q) = (x.value(row), y.value(row));
                (p.is_nan() && q.is_nan()) || close(p, q)
            })
        })
}

#[cfg(test)]
#[path = "patients_tests.rs"]
mod tests;
