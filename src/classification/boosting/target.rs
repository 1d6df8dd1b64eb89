//! Classes, weights and sides of the rows that boosting sees.

use super::params::{GradientBoostingValidParams, NAME};
use crate::classification::trees::classes::{self, classes_present, event_among, present};
use crate::error::{Error, Result};
use crate::estimator::{ClassLabel, RowsSource};
use crate::numeric::seed::{text_code, uniform_of_key};

pub(super) fn target_kind(expected: &str, found: &str) -> Error {
    classes::target_kind(NAME, expected, found)
}

/// Classes of rows with a weight above zero.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::classification) struct Outcome<L> {
    /// In sorted order.
    pub(in crate::classification) classes: Vec<L>,
    /// Position of the class whose log-odds are modelled; 0 with three classes or more.
    pub(super) modelled: usize,
    pub(super) event_named: bool,
    /// The kernel's class number of every row, 0 where the row is absent: with two classes 1 is the
    /// modelled one, with more it is the position.
    pub(in crate::classification) codes: Vec<u32>,
}

impl<L: ClassLabel> Outcome<L> {
    /// Reads the classes of a target, of which `known` lists all labels in sorted order.
    pub(super) fn new(
        params: &GradientBoostingValidParams,
        known: Vec<L>,
        codes: Vec<u32>,
        weights: Option<&[f64]>,
    ) -> Result<Self> {
        let classes = classes_present(NAME, &known, &codes, weights)?;
        let (modelled, event_named) = event(params, &classes)?;
        Self::of_classes(classes, modelled, event_named, known, codes, weights)
    }

    /// Reads a target by the classes of an earlier fit.
    pub(in crate::classification) fn of_classes(
        classes: Vec<L>,
        modelled: usize,
        event_named: bool,
        known: Vec<L>,
        mut codes: Vec<u32>,
        weights: Option<&[f64]>,
    ) -> Result<Self> {
        let two = classes.len() == 2;
        let numbers: Vec<Option<u32>> = known
            .iter()
            .map(|label| {
                let position = classes.binary_search(label).ok()?;
                Some(if two {
                    u32::from(position == modelled)
                } else {
                    position as u32
                })
            })
            .collect();
        for (row, code) in codes.iter_mut().enumerate() {
            *code = match numbers[*code as usize] {
                Some(number) => number,
                None if present(weights, row) => {
                    return Err(target_kind("the classes of the model", "another class"));
                }
                None => 0,
            };
        }
        Ok(Self {
            classes,
            modelled,
            event_named,
            codes,
        })
    }

    pub(super) fn n_classes(&self) -> usize {
        self.classes.len()
    }

    /// Names of the classes in the order of the kernel.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.classes.iter().map(ClassLabel::text).collect();
        if names.len() == 2 && self.modelled == 0 {
            names.reverse();
        }
        names
    }
}

/// Position of the modelled class, and whether it is a named event.
pub(super) fn event<L: ClassLabel>(
    params: &GradientBoostingValidParams,
    classes: &[L],
) -> Result<(usize, bool)> {
    if classes.len() > 2 && !params.monotone.is_empty() {
        return Err(target_kind(
            "two classes, as a feature is to be monotone",
            "more than two",
        ));
    }
    let event = event_among(NAME, params.event.as_deref(), params.weighting(), classes)?;
    let modelled = event.unwrap_or(usize::from(classes.len() == 2));
    Ok((modelled, event.is_some()))
}

/// Whether the rows of a patient are validated on.
pub(super) fn is_validated(key: &str, share: f64, seed: u64) -> bool {
    // Not the hash of a split with the same seed: it would draw the very patients that the split
    // has already taken out.
    uniform_of_key(!seed, key) < share
}

/// Which rows are validated on: patients by a hash of their key with the seed, rows by one of their
/// number where there are no keys.
pub(super) fn validation_rows(rows: RowsSource<'_>, share: f64, seed: u64) -> Vec<bool> {
    by_patient(rows, |key| is_validated(key, share, seed)).unwrap_or_else(|| {
        (0..rows.n_rows())
            .map(|row| is_validated(&row.to_string(), share, seed))
            .collect()
    })
}

/// What rows are drawn by for each tree: a hash of their patient's key, their number where there are
/// no keys.
pub(super) fn draw_numbers(rows: RowsSource<'_>) -> Vec<u64> {
    by_patient(rows, text_code).unwrap_or_else(|| (0..rows.n_rows() as u64).collect())
}

/// Something of the patient of every row; `None` where there are no keys.
fn by_patient<T: Copy>(rows: RowsSource<'_>, of: impl Fn(&str) -> T) -> Option<Vec<T>> {
    let RowsSource::Matrix(matrix) = rows else {
        return None;
    };
    let keys = matrix.keys().patient_keys()?;
    let of_patients: Vec<T> = keys.labels().iter().map(|label| of(label)).collect();
    let codes = keys.codes().iter();
    Some(codes.map(|code| of_patients[*code as usize]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classification::boosting::GradientBoostingParams;
    use crate::classification::logistic::ClassWeights;
    use crate::error::ErrorKind;
    use crate::estimator::ParamGuard;
    use crate::matrix::{PatientMatrix, RowKeys};

    fn params() -> GradientBoostingValidParams {
        GradientBoostingParams::default().check().unwrap()
    }

    fn texts(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|label| (*label).to_string()).collect()
    }

    #[test]
    fn the_event_is_class_one() {
        let outcome = |event: Option<&str>| {
            let params = GradientBoostingValidParams {
                event: event.map(str::to_string),
                ..params()
            };
            Outcome::new(&params, texts(&["a", "b"]), vec![0, 1, 1], None)
        };
        let (a, b, none) = (
            outcome(Some("a")).unwrap(),
            outcome(Some("b")).unwrap(),
            outcome(None).unwrap(),
        );
        assert_eq!(
            (a.modelled, a.event_named, a.codes),
            (0, true, vec![1, 0, 0])
        );
        assert_eq!(
            (b.modelled, b.event_named, b.codes),
            (1, true, vec![0, 1, 1])
        );
        assert_eq!((none.modelled, none.event_named), (1, false));
        assert!(outcome(Some("c")).is_err());
        let flags = Outcome::new(&params(), vec![false, true], vec![0, 1], None).unwrap();
        assert!(flags.event_named && flags.modelled == 1);
    }

    #[test]
    fn classes_without_weight_are_not_there() {
        let known = || texts(&["a", "b", "c"]);
        let codes = vec![0, 1, 2, 2];
        let weights = [1.0, 0.0, 2.0, 1.0];
        let outcome = Outcome::new(&params(), known(), codes.clone(), Some(&weights)).unwrap();
        assert_eq!(outcome.classes, ["a", "c"]);
        assert_eq!(outcome.codes, [0, 0, 1, 1]);
        let three = Outcome::new(&params(), known(), codes.clone(), None).unwrap();
        assert_eq!((three.n_classes(), three.codes), (3, vec![0, 1, 2, 2]));
        let one = [1.0, 0.0, 0.0, 0.0];
        let error = Outcome::new(&params(), known(), codes.clone(), Some(&one)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::SingleClass { .. }));
        let again = |weights| {
            Outcome::of_classes(
                texts(&["a", "b"]),
                1,
                false,
                known(),
                codes.clone(),
                Some(weights),
            )
        };
        assert_eq!(again(&[1.0, 1.0, 0.0, 0.0]).unwrap().codes, [0, 1, 0, 0]);
        assert!(again(&[1.0; 4]).is_err(), "class c is unknown");
    }

    #[test]
    fn what_holds_for_two_classes_only_is_refused_for_three() {
        let three = |params: GradientBoostingValidParams| {
            Outcome::new(&params, texts(&["a", "b", "c"]), vec![0, 1, 2], None)
        };
        let base = params();
        assert!(three(base.clone()).is_ok());
        let direction = crate::classification::boosting::Direction::Increasing;
        for bad in [
            GradientBoostingValidParams {
                event: Some("a".into()),
                ..base.clone()
            },
            GradientBoostingValidParams {
                class_weights: ClassWeights::Given(1.0, 2.0),
                ..base.clone()
            },
            GradientBoostingValidParams {
                monotone: vec![("x0".into(), direction)],
                ..base.clone()
            },
        ] {
            let error = three(bad).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::TargetKind { .. }));
        }
    }

    #[test]
    fn patients_stay_on_one_side() {
        let n = 2_000_u32;
        let matrix = PatientMatrix::from_columns([("age", vec![1.0; n as usize])])
            .unwrap()
            .with_keys(RowKeys::none().patients((0..n).map(|row| row % 500)))
            .unwrap();
        let drawn = validation_rows(RowsSource::Matrix(&matrix), 0.1, 3);
        for row in 500..n as usize {
            assert_eq!(drawn[row], drawn[row - 500]);
        }
        let share = drawn[..500].iter().filter(|drawn| **drawn).count();
        assert!((25..=75).contains(&share), "{share} of 500 patients");
        assert_ne!(drawn, validation_rows(RowsSource::Matrix(&matrix), 0.1, 4));
        let array = ndarray::Array2::zeros((1_000, 1));
        let drawn = validation_rows(RowsSource::Array(array.view()), 0.1, 3);
        let share = drawn.iter().filter(|drawn| **drawn).count();
        assert!((60..=140).contains(&share), "{share} of 1000 rows");
    }
}
