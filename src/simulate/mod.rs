//! Seeded patients, encounters, events and baskets whose truth is known, for documentation, tests
//! and benches. No real person stands behind any row.
//!
//! | function | what it makes | truth that comes with it |
//! | --- | --- | --- |
//! | [`readmissions`] | encounters with a 30-day outcome | risk of every row, log-odds of every term |
//! | [`patients`] | one row per patient, no outcome | odds ratios between comorbidities |
//! | [`events`] | coded events in time | odds ratios of planted pairs and of one without effect |
//! | [`baskets`] | sets of items | expected support of planted itemsets and of every item |
//! | [`wide_codes`] | many sparse counts and flags, rare outcome codes | risk of every row, the few log-odds that are not 0 |
//! | [`linear`] | normal features, continuous target | coefficients, intercept and noise |
//!
//! Everything is decided by the arguments alone: the same seed gives the same bits at any number
//! of threads, and the stream of a patient belongs to the patient's number. Patient `i` of a seed
//! is the same person in [`patients`], [`readmissions`] and [`events`], so that the three tables
//! can be joined by key.
//!
//! ```
//! # fn main() -> galen::Result<()> {
//! let cohort = galen::simulate::readmissions(5_000, 42);
//! assert_eq!(cohort.matrix.n_rows(), 5_000);
//! let creatinine = cohort.matrix.column("creatinine")?;
//! assert!((0..5_000).any(|row| creatinine.is_missing(row)));
//!
//! let events = cohort.target.n_events() as f64;
//! let expected: f64 = cohort.true_risk.iter().sum();
//! assert!((events - expected).abs() / 5_000.0 < 0.02);
//! assert_eq!(cohort.log_odds("ward=oncology"), Some(0.45));
//! # Ok(())
//! # }
//! ```

mod baskets;
mod draw;
mod events;
mod linear;
mod people;
mod readmissions;
mod wide;

pub use baskets::{Baskets, PlantedItemset, baskets};
pub use events::{CodedEvent, Histories, PlantedAssociation, events};
pub use linear::{Linear, linear};
pub use people::patients;
pub use readmissions::{Readmissions, readmissions};
pub use wide::{WideCodes, wide_codes};

use crate::matrix::{Column, Feature, PatientMatrix, RowKeys};

/// A true coefficient of a simulated outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Coefficient {
    /// `intercept`, the name of a feature, or `feature=level`.
    pub term: String,
    /// Log-odds per unit of the feature, against the level whose log-odds are 0.
    pub log_odds: f64,
}

impl Coefficient {
    fn new(term: impl Into<String>, log_odds: f64) -> Self {
        Self {
            term: term.into(),
            log_odds,
        }
    }

    fn find(coefficients: &[Self], term: &str) -> Option<f64> {
        coefficients
            .iter()
            .find(|coefficient| coefficient.term == term)
            .map(|coefficient| coefficient.log_odds)
    }
}

/// Rows that a matrix can number; asked before anything is drawn.
fn check_rows(n: usize) {
    assert!(
        crate::matrix::column::check_row_count(n).is_ok(),
        "simulated rows must stay below 2^32 - 1"
    );
}

/// A matrix of columns made here, which cannot break the rules of a matrix.
fn assemble(columns: Vec<(Feature, Column)>, keys: RowKeys) -> PatientMatrix {
    PatientMatrix::new(columns)
        .and_then(|matrix| matrix.with_keys(keys))
        .expect("simulated columns satisfy the rules of a matrix")
}

/// As [`assemble`]; without columns, `n_rows` rows of nothing.
fn assemble_rows(n_rows: usize, columns: Vec<(Feature, Column)>, keys: RowKeys) -> PatientMatrix {
    if !columns.is_empty() {
        return assemble(columns, keys);
    }
    PatientMatrix::from_array(ndarray::Array2::zeros((n_rows, 0)))
        .and_then(|matrix| matrix.with_keys(keys))
        .expect("simulated rows satisfy the rules of a matrix")
}

/// A dense column of finite numbers and NaN.
fn dense<R>(rows: &[R], value: impl Fn(&R) -> f64) -> Column {
    Column::Dense(rows.iter().map(value).collect())
}

/// A dense column of zeros and ones.
fn flags<R>(rows: &[R], is_set: impl Fn(&R) -> bool) -> Column {
    dense(rows, |row| f64::from(u8::from(is_set(row))))
}

/// A column of levels from a table in alphabetical order.
fn levels<R>(rows: &[R], table: &[&str], code: impl Fn(&R) -> usize) -> Column {
    Column::from_codes(
        rows.iter().map(|row| Some(code(row) as u32)),
        table.iter().map(ToString::to_string).collect(),
    )
    .expect("codes are positions in the table")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_the_same_bits_at_any_thread_count() {
        let digest = || {
            let text = format!(
                "{:?}{:?}{:?}{:?}{:?}{:?}",
                readmissions(5_000, 3),
                patients(5_000, 3),
                events(4_200, 3),
                baskets(4_200, 40, 3),
                wide_codes(4_200, 30, 0.05, 3).unwrap(),
                linear(4_200, &[1.0, -1.0], 0.5, 3).unwrap(),
            );
            crate::numeric::seed::text_code(&text)
        };
        let with_threads = |n| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build();
            pool.unwrap().install(digest)
        };
        assert_eq!(with_threads(1), with_threads(3));
        assert_ne!(
            format!("{:?}", patients(10, 3)),
            format!("{:?}", patients(10, 4))
        );
    }

    #[test]
    fn no_rows_and_one_row_are_tables_too() {
        for n in [0, 1, 2] {
            let cohort = readmissions(n, 0);
            assert_eq!(cohort.matrix.n_rows(), n);
            assert_eq!(cohort.target.len(), n);
            assert_eq!(cohort.true_risk.len(), n);
            assert_eq!(patients(n, 0).n_rows(), n);
            assert!(events(n, 0).events.iter().all(|e| e.patient as usize <= n));
            assert_eq!(baskets(n, 0, 0).baskets.len(), n);
            assert_eq!(baskets(n, 1, 0).to_matrix().n_rows(), n);
            assert_eq!(wide_codes(n, 0, 0.1, 0).unwrap().target.len(), n);
            assert_eq!(wide_codes(n, 5, 0.1, 0).unwrap().matrix.n_rows(), n);
            assert_eq!(linear(n, &[], 0.0, 0).unwrap().matrix.n_rows(), n);
            assert_eq!(linear(n, &[1.0], 1.0, 0).unwrap().matrix.n_rows(), n);
        }
    }

    #[test]
    #[should_panic(expected = "below 2^32 - 1")]
    fn more_rows_than_a_matrix_numbers_are_refused_at_once() {
        let _ = readmissions(u32::MAX as usize, 0);
    }
}
