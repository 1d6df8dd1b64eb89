//! Finding the features of a schema in given rows: by name in a matrix, by position in an array.

use std::borrow::Cow;

use ndarray::{Array2, ArrayView2, Axis};

use crate::error::{ErrorKind, Result};
use crate::estimator::RowsSource;
use crate::matrix::{ColumnView, Feature, PatientMatrix, Schema};

/// One feature as it is read from given rows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reader<'a> {
    /// A column of a matrix.
    View(ColumnView<'a>),
    /// A column of an array.
    Array(ArrayView2<'a, f64>, usize),
}

impl Reader<'_> {
    /// Writes the numbers of rows `start..start + out.len()`, NaN where missing.
    pub(crate) fn fill(&self, start: usize, out: &mut [f64]) {
        match self {
            Self::View(view) => view.fill(start, out),
            Self::Array(array, column) => {
                for (offset, slot) in out.iter_mut().enumerate() {
                    *slot = array[(start + offset, *column)];
                }
            }
        }
    }
}

/// Rows `start..start + n_rows` of an array in row-major order, copied only where the array has
/// another layout, so that results do not depend on the layout; `None` for a matrix.
pub(crate) fn row_major(
    rows: RowsSource<'_>,
    start: usize,
    n_rows: usize,
) -> Option<(Cow<'_, [f64]>, usize)> {
    let RowsSource::Array(array) = rows else {
        return None;
    };
    let n_columns = array.ncols();
    if let Some(flat) = array.to_slice() {
        let part = flat.get(start * n_columns..(start + n_rows) * n_columns)?;
        return Some((Cow::Borrowed(part), n_columns));
    }
    let part = array.slice_axis(Axis(0), (start..start + n_rows).into());
    Some((Cow::Owned(part.iter().copied().collect()), n_columns))
}

/// The rows with sparse columns of their own, where a view would search them for every row; `None`
/// where they can be read as they are.
pub(crate) fn cut_sparse(rows: RowsSource<'_>) -> Option<PatientMatrix> {
    match rows {
        RowsSource::Matrix(matrix)
            if matrix.is_view()
                && (0..matrix.n_columns()).any(|column| matrix.view(column).is_sparse()) =>
        {
            Some(matrix.materialize())
        }
        _ => None,
    }
}

/// A row-major copy of an array of another layout, which every pass would copy part by part; `None`
/// where rows can be read as they are.
pub(crate) fn lay_out(rows: RowsSource<'_>) -> Option<Array2<f64>> {
    match rows {
        RowsSource::Array(array) if !array.is_standard_layout() => {
            Some(array.as_standard_layout().into_owned())
        }
        _ => None,
    }
}

/// Whether no value is NaN or infinite; looks at all values, which is faster than stopping early.
pub(crate) fn all_finite(values: &[f64]) -> bool {
    values
        .iter()
        .fold(true, |finite, value| finite & value.is_finite())
}

/// The schema of rows; features of an array are called `x0`, `x1`, ...
pub(crate) fn schema_of(rows: RowsSource<'_>) -> Result<(Schema, bool)> {
    match rows {
        RowsSource::Matrix(matrix) => Ok((matrix.schema().clone(), false)),
        RowsSource::Array(array) => {
            let features = (0..array.ncols())
                .map(|column| Feature::numeric(format!("x{column}")))
                .collect();
            Ok((Schema::new(features)?, true))
        }
    }
}

/// The features of `schema` in `rows`, in schema order. A matrix is aligned by name: missing names
/// and other kinds or units are errors, extra columns are ignored. An array is aligned by position
/// and must have the same width; a model fitted on an array reads a matrix by the names `x0`, ...
pub(crate) fn align<'a>(schema: &Schema, rows: RowsSource<'a>) -> Result<Vec<Reader<'a>>> {
    match rows {
        RowsSource::Matrix(matrix) => {
            let missing: Vec<String> = schema
                .features()
                .iter()
                .filter(|feature| matrix.schema().position(feature.name()).is_none())
                .map(|feature| feature.name().to_string())
                .collect();
            if !missing.is_empty() {
                return Err(matrix.schema().unknown(missing));
            }
            schema
                .features()
                .iter()
                .map(|feature| {
                    let position = matrix.schema().find(feature.name())?;
                    feature.check_same(&matrix.schema().features()[position])?;
                    Ok(Reader::View(matrix.view(position)))
                })
                .collect()
        }
        RowsSource::Array(array) => {
            if array.ncols() != schema.len() {
                return Err(ErrorKind::FeatureCount {
                    expected: schema.len(),
                    found: array.ncols(),
                }
                .into());
            }
            if let Some(feature) = schema
                .features()
                .iter()
                .find(|feature| feature.kind().is_categorical())
            {
                return Err(ErrorKind::FeatureMismatch {
                    name: feature.name().to_string(),
                    expected: feature.kind().to_string(),
                    found: "a column of a bare array".into(),
                }
                .into());
            }
            Ok((0..array.ncols())
                .map(|column| Reader::Array(array, column))
                .collect())
        }
    }
}

/// Refuses an infinity in values read from row `start` on.
pub(crate) fn refuse_infinite(feature: &Feature, start: usize, values: &[f64]) -> Result<()> {
    // Looking at all of them is faster than stopping early; few columns have any.
    let any = values
        .iter()
        .fold(false, |any, value| any | value.is_infinite());
    if !any {
        return Ok(());
    }
    match values.iter().position(|value| value.is_infinite()) {
        None => Ok(()),
        Some(offset) => Err(not_finite(
            feature,
            start + offset,
            "finite values, or NaN for missing",
        )),
    }
}

/// Refuses an infinity among the stored values of a sparse column.
pub(crate) fn refuse_infinite_stored(
    feature: &Feature,
    rows: &[u32],
    values: &[f64],
) -> Result<()> {
    match values.iter().position(|value| value.is_infinite()) {
        None => Ok(()),
        Some(at) => Err(not_finite(
            feature,
            rows[at] as usize,
            "finite values, or NaN for missing",
        )),
    }
}

/// The error for a value that is not finite.
pub(crate) fn not_finite(feature: &Feature, row: usize, rule: &'static str) -> crate::error::Error {
    ErrorKind::NonFinite {
        what: "rows",
        row: Some(row),
        column: Some(feature.name().to_string()),
        rule,
    }
    .into()
}
