//! Rows with some values changed: what explanations ask a model about.

use linfa::dataset::Records;
use ndarray::Array2;

use crate::error::{ErrorKind, Result};
use crate::estimator::input::{Key, Readable, Rows, RowsSource};
use crate::matrix::PatientMatrix;

/// Rows of one's own, made from rows that a model reads. They are rows to predict, not to learn from:
/// sealed test rows stay sealed in them.
#[derive(Clone)]
pub(crate) enum OwnRows {
    /// Named columns, not a view.
    Matrix(PatientMatrix),
    /// A bare array.
    Array(Array2<f64>),
}

impl OwnRows {
    /// A copy; columns of a matrix that is not a view are shared.
    pub(crate) fn of(rows: RowsSource<'_>) -> Self {
        match rows {
            RowsSource::Matrix(matrix) => Self::Matrix(matrix.materialize()),
            RowsSource::Array(array) => Self::Array(array.to_owned()),
        }
    }

    /// Names of the columns.
    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Self::Matrix(matrix) => {
                let features = matrix.schema().features().iter();
                features.map(|feature| feature.name().into()).collect()
            }
            Self::Array(array) => (0..array.ncols())
                .map(|index| format!("x{index}"))
                .collect(),
        }
    }

    /// Position of a column.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureNames`].
    pub(crate) fn position(&self, name: &str) -> Result<usize> {
        match self {
            Self::Matrix(matrix) => matrix.schema().find(name),
            Self::Array(_) => {
                let found = self.names().iter().position(|known| known == name);
                found.ok_or_else(|| {
                    ErrorKind::FeatureNames {
                        missing: vec![name.into()],
                        suggestion: None,
                    }
                    .into()
                })
            }
        }
    }

    /// Unit of a column.
    pub(crate) fn unit(&self, position: usize) -> Option<&str> {
        match self {
            Self::Matrix(matrix) => matrix.schema().features()[position].unit_name(),
            Self::Array(_) => None,
        }
    }

    /// Numbers of a column, codes for levels, NaN where missing; and whether it holds levels, with
    /// their names.
    pub(crate) fn column(&self, position: usize) -> (Vec<f64>, Option<Vec<String>>) {
        match self {
            Self::Matrix(matrix) => {
                let view = matrix.view(position);
                let kind = matrix.schema().features()[position].kind();
                let levels = kind.is_categorical().then(|| view.levels().to_vec());
                (view.to_vec(), levels)
            }
            Self::Array(array) => (array.column(position).to_vec(), None),
        }
    }

    /// Patient of every row as a number, where there are patient keys.
    pub(crate) fn patients(&self) -> Option<&[u32]> {
        match self {
            Self::Matrix(matrix) => Some(matrix.keys().patient_keys()?.codes()),
            Self::Array(_) => None,
        }
    }

    /// Site of every row as a number, where there are site keys.
    pub(crate) fn sites(&self) -> Option<&[u32]> {
        match self {
            Self::Matrix(matrix) => Some(matrix.keys().site_keys()?.codes()),
            Self::Array(_) => None,
        }
    }

    /// Row `i` takes the values of the columns at `positions` from row `donors[i]`.
    pub(crate) fn with_rows_of(&self, positions: &[usize], donors: &[u32]) -> Self {
        match self {
            Self::Matrix(matrix) => Self::Matrix(matrix.with_rows_of(positions, donors)),
            Self::Array(array) => {
                let mut changed = array.clone();
                for position in positions {
                    let from = array.column(*position);
                    let to = changed.column_mut(*position);
                    to.into_iter()
                        .zip(donors)
                        .for_each(|(slot, donor)| *slot = from[*donor as usize]);
                }
                Self::Array(changed)
            }
        }
    }

    /// All rows have one value in the column at `position`.
    ///
    /// # Errors
    /// What a matrix refuses of the column.
    pub(crate) fn with_value(&self, position: usize, value: f64) -> Result<Self> {
        match self {
            Self::Matrix(matrix) => Ok(Self::Matrix(matrix.with_value(position, value)?)),
            Self::Array(array) => {
                let mut changed = array.clone();
                changed.column_mut(position).fill(value);
                Ok(Self::Array(changed))
            }
        }
    }

    /// The given rows; they exist.
    ///
    /// # Errors
    /// What a matrix refuses of a selection.
    pub(crate) fn take(&self, rows: &[usize]) -> Result<Self> {
        match self {
            Self::Matrix(matrix) => Ok(Self::Matrix(matrix.select_rows(rows)?.materialize())),
            Self::Array(array) => Ok(Self::Array(array.select(ndarray::Axis(0), rows))),
        }
    }
}

impl Records for OwnRows {
    type Elem = f64;

    fn nsamples(&self) -> usize {
        match self {
            Self::Matrix(matrix) => matrix.n_rows(),
            Self::Array(array) => array.nrows(),
        }
    }

    fn nfeatures(&self) -> usize {
        match self {
            Self::Matrix(matrix) => matrix.n_columns(),
            Self::Array(array) => array.ncols(),
        }
    }
}

impl Readable for OwnRows {
    fn read(&self, _: Key) -> RowsSource<'_> {
        match self {
            Self::Matrix(matrix) => RowsSource::Matrix(matrix),
            Self::Array(array) => RowsSource::Array(array.view()),
        }
    }
}
impl Rows for OwnRows {}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn an_array_and_a_matrix_change_alike() {
        let values = array![[1.0, 4.0], [2.0, f64::NAN], [3.0, 6.0]];
        let matrix = PatientMatrix::from_array(values.view()).unwrap();
        let both = [
            OwnRows::of(RowsSource::Array(values.view())),
            OwnRows::of(RowsSource::Matrix(&matrix)),
        ];
        let numbers = |rows: &OwnRows| [0, 1].map(|at| format!("{:?}", rows.column(at).0));
        for rows in both {
            assert_eq!(rows.names(), ["x0", "x1"]);
            assert_eq!(rows.position("x1").unwrap(), 1);
            assert!(rows.position("x2").is_err());
            let moved = rows.with_rows_of(&[1], &[1, 2, 0]);
            assert_eq!(numbers(&moved), ["[1.0, 2.0, 3.0]", "[NaN, 6.0, 4.0]"]);
            let set = rows.with_value(0, 5.0).unwrap();
            assert_eq!(numbers(&set), ["[5.0, 5.0, 5.0]", "[4.0, NaN, 6.0]"]);
            let two = rows.take(&[2, 0]).unwrap();
            assert_eq!(numbers(&two), ["[3.0, 1.0]", "[6.0, 4.0]"]);
            assert_eq!((two.nsamples(), two.nfeatures()), (2, 2));
        }
    }
}
