//! What fit and predict read: rows, class labels, weights; and linfa's traits for them.

use std::collections::BTreeMap;
use std::fmt;

use linfa::dataset::{AsTargets, DatasetBase, Records};
use ndarray::{ArrayBase, ArrayView1, ArrayView2, Data, Ix1, Ix2};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{ErrorKind, Result};
use crate::matrix::{Binary, Classes, PatientMatrix};

/// The training set: rows, target and weights in linfa's own type, hence linfa's `with_weights`,
/// `Fit` and `Predict` apply.
///
/// ```
/// use galen::estimator::Cohort;
/// use galen::matrix::{Binary, PatientMatrix};
/// # fn main() -> galen::Result<()> {
/// let matrix = PatientMatrix::from_columns([("age", vec![40.0, 71.0])])?;
/// let cohort = Cohort::new(matrix, Binary::event("died").of_labels(["alive", "died"])?)
///     .with_weights(vec![1.0, 2.0].into());
/// assert_eq!(cohort.records.n_rows(), 2);
/// # Ok(())
/// # }
/// ```
pub type Cohort<T> = DatasetBase<PatientMatrix, T>;

mod sealed {
    use super::RowsSource;

    pub trait Sealed {}

    /// Asked for by [`Readable::read`]; only this crate can make one, hence sealed test rows cannot
    /// be read from outside, not even through a generic bound.
    #[derive(Debug, Clone, Copy)]
    pub struct Key(());

    impl Key {
        pub(in crate::estimator::input) fn new() -> Self {
            Self(())
        }
    }

    /// The way to the values behind [`Rows`](super::Rows).
    pub trait Readable {
        /// The rows in one of two shapes.
        fn read(&self, key: Key) -> RowsSource<'_>;
    }
}
pub(crate) use sealed::{Key, Readable, Sealed};

/// Values behind [`Rows`], for this crate only: import it to call `rows.source()`.
pub(crate) trait RowsAccess: Rows {
    /// The rows in one of two shapes.
    fn source(&self) -> RowsSource<'_> {
        self.read(Key::new())
    }
}
impl<R: Rows> RowsAccess for R {}

/// Rows in one of the two shapes that estimators read.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum RowsSource<'a> {
    /// Named, typed columns.
    Matrix(&'a PatientMatrix),
    /// A bare array (rows x columns) whose features are called `x0`, `x1`, ...
    Array(ArrayView2<'a, f64>),
}

impl RowsSource<'_> {
    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        match self {
            Self::Matrix(matrix) => matrix.n_rows(),
            Self::Array(array) => array.nrows(),
        }
    }

    /// Number of feature columns.
    pub fn n_columns(&self) -> usize {
        match self {
            Self::Matrix(matrix) => matrix.n_columns(),
            Self::Array(array) => array.ncols(),
        }
    }
}

/// Rows that a fitted model can read: a [`PatientMatrix`], an array of f64, or sealed test rows.
///
/// The trait is sealed and has no method of its own: what a model may read, a caller may not.
pub trait Rows: Records + Readable {}

/// Rows that may be learnt from; sealed test rows are [`Rows`] only.
pub trait TrainingRows: Rows {}

impl Records for PatientMatrix {
    type Elem = f64;

    fn nsamples(&self) -> usize {
        self.n_rows()
    }

    fn nfeatures(&self) -> usize {
        self.n_columns()
    }
}

impl Readable for PatientMatrix {
    fn read(&self, _: Key) -> RowsSource<'_> {
        RowsSource::Matrix(self)
    }
}
impl Rows for PatientMatrix {}
impl TrainingRows for PatientMatrix {}

impl<S: Data<Elem = f64>> Readable for ArrayBase<S, Ix2> {
    fn read(&self, _: Key) -> RowsSource<'_> {
        RowsSource::Array(self.view())
    }
}
impl<S: Data<Elem = f64>> Rows for ArrayBase<S, Ix2> {}
impl<S: Data<Elem = f64>> TrainingRows for ArrayBase<S, Ix2> {}

impl<R: Rows> Readable for &R {
    fn read(&self, key: Key) -> RowsSource<'_> {
        (**self).read(key)
    }
}
impl<R: Rows> Rows for &R {}
impl<R: TrainingRows> TrainingRows for &R {}

impl AsTargets for Binary {
    type Elem = bool;
    type Ix = Ix1;

    fn as_targets(&self) -> ArrayView1<'_, bool> {
        self.values().view()
    }
}

impl AsTargets for Classes {
    type Elem = String;
    type Ix = Ix1;

    fn as_targets(&self) -> ArrayView1<'_, String> {
        self.values().view()
    }
}

impl AsTargets for crate::matrix::Values {
    type Elem = f64;
    type Ix = Ix1;

    fn as_targets(&self) -> ArrayView1<'_, f64> {
        self.values().view()
    }
}

impl AsTargets for crate::matrix::Counts {
    type Elem = f64;
    type Ix = Ix1;

    fn as_targets(&self) -> ArrayView1<'_, f64> {
        self.values().view()
    }
}

/// Targets whose rows can be chosen, so that a cohort can be split.
pub trait TargetRows: Clone {
    /// Number of rows.
    fn n_rows(&self) -> usize;

    /// The given rows, repeats allowed.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for a row that does not exist.
    fn take(&self, rows: &[usize]) -> Result<Self>;

    /// Whether the event happened, by row; `None` for a target without a named event.
    fn events(&self) -> Option<Vec<bool>> {
        None
    }

    /// A class number per row, by which splits are balanced; one class for numbers.
    fn strata(&self) -> Vec<u32> {
        match self.events() {
            Some(events) => events.into_iter().map(u32::from).collect(),
            None => vec![0; self.n_rows()],
        }
    }
}

macro_rules! target_rows {
    ($($target:ty => $length:expr, { $($more:tt)* })*) => {$(
        impl TargetRows for $target {
            fn n_rows(&self) -> usize {
                let length: fn(&Self) -> usize = $length;
                length(self)
            }

            fn take(&self, rows: &[usize]) -> Result<Self> {
                self.select_rows(rows)
            }

            $($more)*
        }
    )*};
}

target_rows! {
    Binary => Binary::len, {
        fn events(&self) -> Option<Vec<bool>> {
            Some(self.values().to_vec())
        }
    }
    Classes => Classes::len, {
        fn strata(&self) -> Vec<u32> {
            encode_classes(self.values().view()).1
        }
    }
    crate::matrix::Values => |target| target.values().len(), {}
    crate::matrix::Counts => |target| target.values().len(), {}
    crate::matrix::Survival => |target| target.times().len(), {
        fn events(&self) -> Option<Vec<bool>> {
            Some(self.events().to_vec())
        }
    }
}

/// A class of a target: `bool` (true is the event), `usize` or `String`.
pub trait ClassLabel:
    Clone + Ord + fmt::Debug + Default + Serialize + DeserializeOwned + Send + Sync + Sealed + 'static
{
    /// The class as text, as it stands in saved models and reports.
    fn text(&self) -> String;

    /// The class of a text, if it is one.
    fn from_text(text: &str) -> Option<Self>;

    /// The class that is the event without being named: `true`.
    fn natural_event() -> Option<Self> {
        None
    }
}

impl Sealed for bool {}
impl ClassLabel for bool {
    fn text(&self) -> String {
        self.to_string()
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn natural_event() -> Option<Self> {
        Some(true)
    }
}

impl Sealed for usize {}
impl ClassLabel for usize {
    fn text(&self) -> String {
        self.to_string()
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Sealed for String {}
impl ClassLabel for String {
    fn text(&self) -> String {
        self.clone()
    }

    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_string())
    }
}

/// Classes in sorted order and the class number of every row.
pub(crate) fn encode_classes<L: ClassLabel>(labels: ArrayView1<'_, L>) -> (Vec<L>, Vec<u32>) {
    let mut numbers: BTreeMap<&L, u32> = BTreeMap::new();
    for label in labels {
        numbers.entry(label).or_insert(0);
    }
    for (number, slot) in numbers.values_mut().enumerate() {
        *slot = number as u32;
    }
    let codes = labels.iter().map(|label| numbers[label]).collect();
    (
        numbers.keys().map(|label| (*label).clone()).collect(),
        codes,
    )
}

/// Checked row weights in f64; `None` where the cohort has none, and where all are one: the two are
/// the same to the bit by taking the same way.
///
/// # Errors
/// [`ErrorKind::LengthMismatch`], [`ErrorKind::OutOfRange`] for a negative weight,
/// [`ErrorKind::NonFinite`], [`ErrorKind::NoEffectiveRows`] when all are zero.
pub(crate) fn check_weights<R: Records, T>(
    what: &'static str,
    cohort: &DatasetBase<R, T>,
) -> Result<Option<Vec<f64>>> {
    let weights = &cohort.weights;
    if weights.is_empty() {
        return Ok(None);
    }
    let weights: Vec<f64> = weights.iter().map(|weight| f64::from(*weight)).collect();
    check_row_weights(what, cohort.records.nsamples(), &weights)?;
    Ok(weights
        .iter()
        .any(|weight| *weight != 1.0)
        .then_some(weights))
}

/// The rule for row weights, the same at fit and in evaluation.
///
/// # Errors
/// As [`check_weights`].
pub(crate) fn check_row_weights(what: &'static str, n_rows: usize, weights: &[f64]) -> Result<()> {
    if weights.len() != n_rows {
        return Err(ErrorKind::LengthMismatch {
            what: "weights",
            expected: n_rows,
            found: weights.len(),
        }
        .into());
    }
    if let Some(row) = weights.iter().position(|weight| !weight.is_finite()) {
        return Err(ErrorKind::NonFinite {
            what: "weights",
            row: Some(row),
            column: None,
            rule: "finite weights of zero or more",
        }
        .into());
    }
    if let Some(row) = weights.iter().position(|weight| *weight < 0.0) {
        return Err(ErrorKind::OutOfRange {
            what: "weights",
            row: Some(row),
            column: None,
            rule: "finite weights of zero or more",
        }
        .into());
    }
    if weights.iter().all(|weight| *weight == 0.0) {
        return Err(ErrorKind::NoEffectiveRows { what }.into());
    }
    Ok(())
}

/// Checks that the target has one value per row and that there are rows and columns.
pub(crate) fn check_shape(
    what: &'static str,
    rows: RowsSource<'_>,
    target_rows: usize,
    required: usize,
) -> Result<()> {
    if target_rows != rows.n_rows() {
        return Err(ErrorKind::LengthMismatch {
            what: "target",
            expected: rows.n_rows(),
            found: target_rows,
        }
        .into());
    }
    if rows.n_rows() < required {
        return Err(ErrorKind::TooFewRows {
            what,
            required,
            found: rows.n_rows(),
        }
        .into());
    }
    if rows.n_columns() == 0 {
        return Err(ErrorKind::NoFeatures { what }.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn weights_are_checked_one_by_one() {
        let with = |weights: Vec<f32>| {
            let cohort = DatasetBase::new(Array2::<f64>::zeros((3, 1)), array![true, false, true]);
            check_weights("fit", &cohort.with_weights(weights.into()))
        };
        assert_eq!(with(vec![1.0, 0.0, 2.5]).unwrap().unwrap(), [1.0, 0.0, 2.5]);
        for (weights, text) in [
            (vec![1.0, -1.0, 1.0], "row 1"),
            (vec![1.0, 1.0, f32::NAN], "row 2"),
            (vec![1.0], "expected length 3, found 1"),
            (vec![0.0; 3], "no row has a weight above zero"),
        ] {
            assert!(with(weights).unwrap_err().to_string().contains(text));
        }
    }

    #[test]
    fn classes_are_sorted() {
        let labels = array!["b".to_string(), "a".into(), "b".into()];
        let (classes, codes) = encode_classes(labels.view());
        assert_eq!(classes, ["a", "b"]);
        assert_eq!(codes, [1, 0, 1]);
    }
}
