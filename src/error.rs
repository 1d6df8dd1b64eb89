//! The one error type of the crate.
//!
//! Kinds are cut by what a caller can do about them, not by module. A message names the parameter,
//! the column and the zero-based row that offend and says what would be valid; it never prints a
//! cell value, because a cell value may be patient data.

use std::fmt;

/// Result of every fallible function of the crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, boxed so that results stay small.
///
/// ```
/// use galen::error::ErrorKind;
/// use galen::matrix::PatientMatrix;
/// use ndarray::array;
///
/// let error = PatientMatrix::from_array(array![[1.0, f64::INFINITY]]).unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::NonFinite { row: Some(0), .. }));
/// assert!(error.to_string().contains("column `x1`"));
/// ```
pub struct Error(Box<ErrorKind>);

impl Error {
    /// The machine-readable kind.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }

    /// The kind by value.
    pub fn into_kind(self) -> ErrorKind {
        *self.0
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self(Box::new(kind))
    }
}

impl From<linfa::Error> for Error {
    fn from(error: linfa::Error) -> Self {
        ErrorKind::Linfa(error.to_string()).into()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for Error {}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

/// The kinds of [`Error`]; rows and columns are counted from zero, lines of files from one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is outside its range; found before any data are touched.
    #[error("{estimator}: {name} = {value}, must be {rule}")]
    Parameter {
        /// Estimator or function whose setting it is.
        estimator: &'static str,
        /// Name of the setting.
        name: &'static str,
        /// The value given (a setting, never patient data).
        value: String,
        /// What is allowed.
        rule: &'static str,
    },
    /// A NaN where none is allowed, or an infinity.
    #[error(
        "{what}: value is not finite at {}, expected {rule}",
        place(row, column)
    )]
    NonFinite {
        /// What was read: a column, a target, weights.
        what: &'static str,
        /// First offending row.
        row: Option<usize>,
        /// Name of the offending column.
        column: Option<String>,
        /// What is allowed.
        rule: &'static str,
    },
    /// A value is finite but outside the domain of its column, target or argument.
    #[error(
        "{what}: value out of range at {}, expected {rule}",
        place(row, column)
    )]
    OutOfRange {
        /// What was read.
        what: &'static str,
        /// First offending row.
        row: Option<usize>,
        /// Name of the offending column.
        column: Option<String>,
        /// What is allowed.
        rule: &'static str,
    },
    /// Two things that go row by row have different lengths.
    #[error("{what}: expected length {expected}, found {found}")]
    LengthMismatch {
        /// Which argument.
        what: &'static str,
        /// Length required.
        expected: usize,
        /// Length given.
        found: usize,
    },
    /// Fewer rows than the method needs.
    #[error("{what}: needs at least {required} rows, found {found}")]
    TooFewRows {
        /// Which method or argument.
        what: &'static str,
        /// Rows required.
        required: usize,
        /// Rows given.
        found: usize,
    },
    /// A matrix without feature columns.
    #[error("{what}: the matrix has no feature columns")]
    NoFeatures {
        /// Which method.
        what: &'static str,
    },
    /// All weights are zero.
    #[error("{what}: no row has a weight above zero")]
    NoEffectiveRows {
        /// Which method.
        what: &'static str,
    },
    /// A bare array has another number of columns than the model was fitted on.
    #[error("expected {expected} feature columns, found {found}")]
    FeatureCount {
        /// Columns of the fitted model.
        expected: usize,
        /// Columns given.
        found: usize,
    },
    /// Named features are missing or unknown.
    #[error("missing feature{} {}{}", if missing.len() > 1 { "s" } else { "" }, list(missing), suggest(suggestion))]
    FeatureNames {
        /// The missing names, in the order of the fitted schema.
        missing: Vec<String>,
        /// The nearest existing name, when one is near.
        suggestion: Option<String>,
    },
    /// A feature exists with another kind, unit or code than expected.
    #[error("feature `{name}`: expected {expected}, found {found}")]
    FeatureMismatch {
        /// Name of the feature.
        name: String,
        /// Expected kind or unit.
        expected: String,
        /// Found kind or unit.
        found: String,
    },
    /// A level that the fitted model has not seen, under a policy that refuses it.
    #[error(
        "feature `{name}`: unseen level at row {row}, expected one of the {known} known levels"
    )]
    UnseenLevel {
        /// Name of the feature.
        name: String,
        /// First offending row.
        row: usize,
        /// Number of levels known to the model.
        known: usize,
    },
    /// Two matrices, or a matrix and a model, disagree in their schemas.
    #[error("schema: {0}")]
    Schema(String),
    /// A key or a name stands twice.
    #[error("{what}: duplicate at row {row}, first seen at row {first}")]
    Duplicate {
        /// What must be unique.
        what: &'static str,
        /// The later row.
        row: usize,
        /// The earlier row.
        first: usize,
    },
    /// The method needs row keys that the matrix lacks.
    #[error("{what}: the matrix has no {key} keys")]
    MissingKeys {
        /// Which method.
        what: &'static str,
        /// Which key: patient, site or index time.
        key: &'static str,
    },
    /// The target has a single class.
    #[error("{what}: the target has a single class; two are required")]
    SingleClass {
        /// Which method.
        what: &'static str,
    },
    /// The target is of a kind that the method does not take.
    #[error("{what}: expected {expected}, found {found}")]
    TargetKind {
        /// Which method.
        what: &'static str,
        /// Kind of target required.
        expected: String,
        /// Kind of target given.
        found: String,
    },
    /// A design without full column rank where inference was asked for.
    #[error("{what}: columns are linearly dependent: {}", list(columns))]
    RankDeficient {
        /// Which method.
        what: &'static str,
        /// The aliased columns.
        columns: Vec<String>,
    },
    /// More parameters than the rows can identify.
    #[error("{what}: {parameters} parameters cannot be identified from {rows} rows")]
    Underdetermined {
        /// Which method.
        what: &'static str,
        /// Free parameters.
        parameters: usize,
        /// Rows with a weight above zero.
        rows: usize,
    },
    /// Inference refused because the fit does not support it.
    #[error("{what}: inference is not available: {reason}")]
    NoInference {
        /// Which method.
        what: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// A quantity that has no value on the given data (one class, 0/0).
    #[error("{what} is undefined: {reason}")]
    Undefined {
        /// Which quantity.
        what: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// Scale of the data overflows or underflows the arithmetic.
    #[error("{what}: scale of column `{column}` exceeds what f64 arithmetic holds; rescale it")]
    Scale {
        /// Which method.
        what: &'static str,
        /// Offending column.
        column: String,
    },
    /// A memory demand above the configured ceiling; found before allocation.
    #[error("{what}: would take {bytes} bytes, the ceiling is {ceiling}")]
    TooLarge {
        /// What would be allocated.
        what: &'static str,
        /// Bytes needed.
        bytes: u64,
        /// Bytes allowed.
        ceiling: u64,
    },
    /// More sets than a bound allows; found before they are made.
    #[error(
        "{what}: at least {at_least:.3e} sets{}, more than {bound} allows; raise the support, bound the lengths, ask for closed or maximal sets, or raise the bound",
        longest_of(*longest)
    )]
    Explosion {
        /// What was asked for.
        what: &'static str,
        /// Number of sets that there are at least.
        at_least: f64,
        /// Number of items of the longest set seen; 0 where not known.
        longest: usize,
        /// The bound that was met.
        bound: &'static str,
    },
    /// The caller's stop signal was set or the deadline passed.
    #[error("cancelled by the caller")]
    Cancelled,
    /// Rows of the same patients would stand on both sides of an evaluation.
    #[error("leak: {0}")]
    Leak(String),
    /// A disclosure rule refuses to let a number leave its site.
    #[error("disclosure: {0}")]
    Disclosure(String),
    /// A file or stream could not be read as a table.
    #[error("line {line}{}: {message}", column.as_ref().map(|c| format!(", column `{c}`")).unwrap_or_default())]
    Ingest {
        /// Line of the file, from 1; 0 when no line is known.
        line: u64,
        /// Column, where one is known.
        column: Option<String>,
        /// What was wrong and what was expected.
        message: String,
    },
    /// A saved model was refused, or could not be written.
    #[error("saved model: {0}")]
    Saved(String),
    /// An error that linfa reports.
    #[error("linfa: {0}")]
    Linfa(String),
}

fn place(row: &Option<usize>, column: &Option<String>) -> String {
    match (row, column) {
        (Some(row), Some(column)) => format!("row {row}, column `{column}`"),
        (Some(row), None) => format!("row {row}"),
        (None, Some(column)) => format!("column `{column}`"),
        (None, None) => "an unknown place".to_string(),
    }
}

/// Names in back quotes; the first five, then how many more.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut text = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// How long sets are, where it is known.
fn longest_of(items: usize) -> String {
    match items {
        0 => String::new(),
        items => format!(" (the longest seen has {items} items)"),
    }
}

fn suggest(name: &Option<String>) -> String {
    match name {
        Some(name) => format!("; did you mean `{name}`?"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_place_and_rule() {
        let error = Error::from(ErrorKind::NonFinite {
            what: "fit",
            row: Some(3),
            column: Some("age".into()),
            rule: "finite values",
        });
        assert_eq!(
            error.to_string(),
            "fit: value is not finite at row 3, column `age`, expected finite values"
        );
        let error = Error::from(ErrorKind::FeatureNames {
            missing: (0..7).map(|i| format!("f{i}")).collect(),
            suggestion: Some("g0".into()),
        });
        assert_eq!(
            error.to_string(),
            "missing features `f0`, `f1`, `f2`, `f3`, `f4` and 2 more; did you mean `g0`?"
        );
    }

    #[test]
    fn result_stays_one_word() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
