//! The two sides of a split: `Train` may be fitted on, `Test` may only be evaluated.
//!
//! The seal guards against accidents, not against malice: whoever holds the whole table can always
//! fit on it. What it makes impossible is to do so without noticing. Nothing that fits takes test
//! rows (a compile-time error), nothing public shows their outcomes before [`Test::open`], and a
//! model that saw test patients through another door is refused by [`Test::check`].

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use linfa::dataset::Records;
use ndarray::Array1;
use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};
use crate::estimator::input::{Cohort, Key, Readable, Rows, RowsSource, TargetRows};
use crate::estimator::model::ModelHeader;
use crate::matrix::{Binary, PatientMatrix, RowKeys, Time};

/// The training side of a split; derefs to [`Cohort`], so that every estimator fits on it.
///
/// ```
/// use galen::estimator::{Split, TrainingRows};
/// # use galen::estimator::Cohort;
/// # use galen::matrix::{Binary, PatientMatrix, RowKeys};
/// # fn main() -> galen::Result<()> {
/// # let matrix = PatientMatrix::from_columns([("age", (0..40).map(f64::from).collect::<Vec<_>>())])?
/// #     .with_keys(RowKeys::none().patients(0..40))?;
/// # let cohort = Cohort::new(matrix, Binary::from_flags("died", (0..40).map(|i| i % 4 == 0)));
/// fn fit_on<R: TrainingRows>(_: &R) {}
///
/// let (train, test) = Split::holdout(0.25, 7).apply(&cohort)?;
/// fit_on(&train.records);
/// assert_eq!(train.records.n_rows() + test.n_rows(), 40);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Train<T> {
    cohort: Cohort<T>,
    report: Arc<SplitReport>,
}

impl<T> Train<T> {
    pub(crate) fn new(cohort: Cohort<T>, report: Arc<SplitReport>) -> Self {
        Self { cohort, report }
    }

    /// What the split did.
    pub fn report(&self) -> &SplitReport {
        &self.report
    }
}

impl<T> Deref for Train<T> {
    type Target = Cohort<T>;

    fn deref(&self) -> &Cohort<T> {
        &self.cohort
    }
}

impl<T> fmt::Debug for Train<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Train")
            .field("n_rows", &self.cohort.records.n_rows())
            .field("n_columns", &self.cohort.records.n_columns())
            .finish_non_exhaustive()
    }
}

/// Feature rows of a [`Test`]: a fitted model predicts them, nothing fits on them.
///
/// They are [`Rows`] and not [`TrainingRows`](crate::estimator::TrainingRows), and have no way
/// back to a matrix:
///
/// ```compile_fail
/// use galen::estimator::{TestRows, TrainingRows};
///
/// fn fit_on<R: TrainingRows>(_: &R) {}
/// fn study(rows: &TestRows) {
///     fit_on(rows);
/// }
/// ```
///
/// The same with the bound that predicting asks for:
///
/// ```
/// use galen::estimator::{Rows, TestRows};
///
/// fn predict_on<R: Rows>(_: &R) {}
/// fn study(rows: &TestRows) {
///     predict_on(rows);
/// }
/// ```
pub struct TestRows(PatientMatrix);

impl fmt::Debug for TestRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestRows")
            .field("n_rows", &self.0.n_rows())
            .field("n_columns", &self.0.n_columns())
            .finish()
    }
}

impl Records for TestRows {
    type Elem = f64;

    fn nsamples(&self) -> usize {
        self.0.n_rows()
    }

    fn nfeatures(&self) -> usize {
        self.0.n_columns()
    }
}

impl Readable for TestRows {
    fn read(&self, _: Key) -> RowsSource<'_> {
        RowsSource::Matrix(&self.0)
    }
}
impl Rows for TestRows {}

/// The test side of a split: rows to predict, and outcomes that only evaluation sees.
///
/// Fitting on it does not compile:
///
/// ```compile_fail
/// # use galen::estimator::{Cohort, Split};
/// # use galen::matrix::{Binary, PatientMatrix, RowKeys};
/// # fn main() -> galen::Result<()> {
/// # let matrix = PatientMatrix::from_columns([("age", (0..40).map(f64::from).collect::<Vec<_>>())])?
/// #     .with_keys(RowKeys::none().patients(0..40))?;
/// # let cohort = Cohort::new(matrix, Binary::from_flags("died", (0..40).map(|i| i % 4 == 0)));
/// fn fit<T>(_: &Cohort<T>) {}
///
/// let (train, test) = Split::holdout(0.25, 7).apply(&cohort)?;
/// fit(&test);
/// # Ok(())
/// # }
/// ```
///
/// The other side of the same split does:
///
/// ```
/// # use galen::estimator::{Cohort, Split};
/// # use galen::matrix::{Binary, PatientMatrix, RowKeys};
/// # fn main() -> galen::Result<()> {
/// # let matrix = PatientMatrix::from_columns([("age", (0..40).map(f64::from).collect::<Vec<_>>())])?
/// #     .with_keys(RowKeys::none().patients(0..40))?;
/// # let cohort = Cohort::new(matrix, Binary::from_flags("died", (0..40).map(|i| i % 4 == 0)));
/// fn fit<T>(_: &Cohort<T>) {}
///
/// let (train, test) = Split::holdout(0.25, 7).apply(&cohort)?;
/// fit(&train);
/// # Ok(())
/// # }
/// ```
pub struct Test<T> {
    rows: TestRows,
    target: T,
    weights: Option<Array1<f64>>,
    /// Row numbers in the cohort that was split.
    positions: Vec<usize>,
    /// The splits a model must have been fitted under, this one last.
    path: Vec<u64>,
    report: Arc<SplitReport>,
}

impl<T: TargetRows> Test<T> {
    /// Seals `cohort`, whose rows stood at `positions`, as the test side of the split in `report`.
    pub(crate) fn new(
        cohort: Cohort<T>,
        positions: Vec<usize>,
        report: Arc<SplitReport>,
    ) -> Result<Self> {
        let weights = crate::estimator::input::check_weights("test rows", &cohort)?;
        let mut path = cohort.records.splits().to_vec();
        path.push(report.id);
        Ok(Self {
            rows: TestRows(cohort.records),
            target: cohort.targets,
            weights: weights.map(Array1::from),
            positions,
            path,
            report,
        })
    }

    /// The rows, for a fitted model to predict.
    pub fn rows(&self) -> &TestRows {
        &self.rows
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.rows.0.n_rows()
    }

    /// Number of patients; rows count where there are no patient keys.
    pub fn n_patients(&self) -> usize {
        match self.rows.0.keys().patient_keys() {
            Some(patients) => patients.n_distinct(),
            None => self.n_rows(),
        }
    }

    /// What the split did, with the number of events on each side.
    pub fn report(&self) -> &SplitReport {
        &self.report
    }

    /// How a model stands to these rows.
    ///
    /// # Errors
    /// [`ErrorKind::Leak`] when the model was fitted on the same table but not on the training
    /// side of this split: on the whole table, on another split, or on these very rows.
    pub fn check(&self, header: &ModelHeader) -> Result<Relation> {
        let lineage = &header.lineage;
        let Some(origin) = lineage.origin else {
            return Ok(Relation::Unverified);
        };
        if origin != self.rows.0.origin() {
            return Ok(Relation::External);
        }
        if lineage.splits.starts_with(&self.path) {
            return Ok(Relation::HeldOut);
        }
        let seen = match lineage.splits.len() {
            0 => "rows of the same table outside any split, which may hold the test patients",
            n if self.path.starts_with(&lineage.splits) && n < self.path.len() => {
                "the rows that were split, before they were split"
            }
            _ => "the training side of another split of the same table",
        };
        Err(ErrorKind::Leak(format!(
            "{} was fitted on {seen}; fit it on the training side that came with this test side",
            header.estimator
        ))
        .into())
    }

    /// Breaks the seal: outcomes, weights and keys as plain arrays. Feature values stay closed.
    ///
    /// The report in the result says `opened`, and no [`Test`] is left to evaluate on.
    pub fn open(self) -> OpenedTest<T> {
        let keys = self.rows.0.keys();
        let labels = |keys: &crate::matrix::KeyColumn| -> Vec<String> {
            (0..keys.len())
                .map(|row| keys.label(row).to_string())
                .collect()
        };
        OpenedTest {
            patients: keys.patient_keys().map(labels),
            sites: keys.site_keys().map(labels),
            times: keys.index_times().map(<[Time]>::to_vec),
            rows: self.positions,
            target: self.target,
            weights: self.weights,
            report: SplitReport {
                opened: true,
                ..SplitReport::clone(&self.report)
            },
        }
    }

    /// Row numbers in the cohort that was split.
    pub(crate) fn positions(&self) -> &[usize] {
        &self.positions
    }

    /// Outcomes; for evaluation only.
    pub(crate) fn target(&self) -> &T {
        &self.target
    }

    /// Row weights in f64; for evaluation only.
    pub(crate) fn weights(&self) -> Option<&Array1<f64>> {
        self.weights.as_ref()
    }

    /// Row keys; for evaluation only.
    pub(crate) fn keys(&self) -> &RowKeys {
        self.rows.0.keys()
    }

    /// Patient number of each row, for intervals that resample patients.
    pub(crate) fn patient_codes(&self) -> Option<Array1<u32>> {
        let patients = self.keys().patient_keys()?;
        Some(patients.codes().iter().copied().collect())
    }

    /// Numbers of a column, NaN where missing; for evaluation only.
    pub(crate) fn numbers(&self, name: &str) -> Result<Array1<f64>> {
        let position = self.rows.0.schema().find(name)?;
        let kind = self.rows.0.schema().features()[position].kind();
        if kind.is_categorical() {
            return Err(ErrorKind::FeatureMismatch {
                name: name.to_string(),
                expected: "a column of numbers".into(),
                found: kind.to_string(),
            }
            .into());
        }
        Ok(self.rows.0.view(position).to_vec().into())
    }

    /// Group of each row for an audit: level of a category, `0` or `1` of a flag, `None` where
    /// missing.
    pub(crate) fn group(&self, name: &str) -> Result<Vec<Option<String>>> {
        use crate::matrix::FeatureKind;

        let position = self.rows.0.schema().find(name)?;
        let column = self.rows.0.view(position);
        match self.rows.0.schema().features()[position].kind() {
            kind if kind.is_categorical() => Ok((0..column.len())
                .map(|row| column.level(row).map(str::to_string))
                .collect()),
            FeatureKind::Flag => Ok(column
                .to_vec()
                .into_iter()
                .map(|value| (!value.is_nan()).then(|| value.to_string()))
                .collect()),
            kind => Err(ErrorKind::FeatureMismatch {
                name: name.to_string(),
                expected: "a category, an ordinal or a flag to group by".into(),
                found: kind.to_string(),
            }
            .into()),
        }
    }
}

impl Test<Binary> {
    /// Whether the event happened, by row; for evaluation only.
    pub(crate) fn outcome_flags(&self) -> &Array1<bool> {
        self.target.values()
    }
}

impl<T> fmt::Debug for Test<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Test")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

/// How a model stands to test rows, where it is not a leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Relation {
    /// Fitted on the training side of the same split.
    HeldOut,
    /// Fitted on another table.
    External,
    /// Fitted on a bare array or on shards, which leave no trace of their table: nothing is known.
    Unverified,
}

/// A test side after [`Test::open`]: outcomes, weights and keys, one entry per row.
#[derive(Clone)]
#[non_exhaustive]
pub struct OpenedTest<T> {
    /// Outcomes.
    pub target: T,
    /// Weights, where the cohort has them.
    pub weights: Option<Array1<f64>>,
    /// Patients, where the cohort has patient keys.
    pub patients: Option<Vec<String>>,
    /// Sites, where the cohort has site keys.
    pub sites: Option<Vec<String>>,
    /// Index times, where the cohort has them.
    pub times: Option<Vec<Time>>,
    /// Row numbers in the cohort that was split.
    pub rows: Vec<usize>,
    /// What the split did; says that the test side was opened.
    pub report: SplitReport,
}

impl<T> fmt::Debug for OpenedTest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedTest")
            .field("n_rows", &self.rows.len())
            .finish_non_exhaustive()
    }
}

/// One side of a split in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SideCount {
    /// Rows.
    pub rows: usize,
    /// Patients; rows where they are independent by declaration.
    pub patients: usize,
    /// Rows with the event, for a target with one.
    pub events: Option<usize>,
}

/// Rows that stand on neither side of a split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Dropped {
    /// Why, for example `index time within the gap`.
    pub why: String,
    /// Rows dropped for this reason.
    pub rows: usize,
    /// Patients with at least one such row.
    pub patients: usize,
}

impl Dropped {
    pub(crate) fn new(why: &str, rows: usize, patients: usize) -> Self {
        Self {
            why: why.to_string(),
            rows,
            patients,
        }
    }
}

/// What a split did: its rule, the size of both sides, and what was dropped and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SplitReport {
    /// Code of the split: rule, seed and test patients; kept in the header of fitted models.
    pub id: u64,
    /// The rule in words.
    pub rule: String,
    /// The side to fit on.
    pub train: SideCount,
    /// The side to evaluate.
    pub test: SideCount,
    /// Rows on neither side, by reason.
    pub dropped: Vec<Dropped>,
    /// Whether the outcomes of the test side were laid open by [`Test::open`].
    pub opened: bool,
}

impl SplitReport {
    pub(crate) fn new(id: u64, rule: String, train: SideCount, test: SideCount) -> Self {
        Self {
            id,
            rule,
            train,
            test,
            dropped: Vec::new(),
            opened: false,
        }
    }
}

impl fmt::Display for SplitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "split: {}", self.rule)?;
        for (side, count) in [("train", &self.train), ("test", &self.test)] {
            write!(
                f,
                "{side}: {} rows, {} patients",
                count.rows, count.patients
            )?;
            match count.events {
                Some(events) => writeln!(f, ", {events} events")?,
                None => writeln!(f)?,
            }
        }
        for dropped in &self.dropped {
            writeln!(
                f,
                "dropped: {} rows of {} patients, {}",
                dropped.rows, dropped.patients, dropped.why
            )?;
        }
        if self.opened {
            writeln!(f, "the test side was opened")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "sealed_tests.rs"]
mod tests;
