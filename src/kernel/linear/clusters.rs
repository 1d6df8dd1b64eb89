//! Scores summed by patient: rows of one patient are not independent, and a covariance that treats
//! them so is too small (Liang and Zeger, Biometrika 73(1), 1986, doi 10.1093/biomet/73.1.13).

use std::collections::BTreeMap;

use crate::error::{ErrorKind, Result};
use crate::numeric::linalg::gram_add;

/// Summed scores of every patient, in the order of patient codes.
#[derive(Debug)]
pub(crate) struct PatientScores {
    k: usize,
    sums: BTreeMap<u32, Vec<f64>>,
}

impl PatientScores {
    pub(crate) fn new(k: usize) -> Self {
        Self {
            k,
            sums: BTreeMap::new(),
        }
    }

    /// Adds the score of one row.
    pub(crate) fn add(&mut self, patient: u32, score: impl Fn(usize) -> f64) {
        let sums = self
            .sums
            .entry(patient)
            .or_insert_with(|| vec![0.0; self.k]);
        for (j, slot) in sums.iter_mut().enumerate() {
            *slot += score(j);
        }
    }

    /// Sum over patients of the outer product of their scores (lower triangle, `k x k`), and the
    /// number of patients.
    ///
    /// # Errors
    /// [`ErrorKind::TooFewRows`] for fewer than two patients.
    pub(crate) fn meat(&self) -> Result<(Vec<f64>, usize)> {
        let (k, patients) = (self.k, self.sums.len());
        if patients < 2 {
            return Err(ErrorKind::TooFewRows {
                what: "covariance by patient",
                required: 2,
                found: patients,
            }
            .into());
        }
        let mut columns = vec![0.0; patients * k];
        for (position, scores) in self.sums.values().enumerate() {
            for (j, score) in scores.iter().enumerate() {
                columns[j * patients + position] = *score;
            }
        }
        let mut meat = vec![0.0; k * k];
        gram_add(&mut meat, &columns, patients, k);
        Ok((meat, patients))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_patient_count_as_one() {
        let mut scores = PatientScores::new(2);
        for (patient, row) in [(4, [1.0, 2.0]), (1, [0.5, -1.0]), (4, [-3.0, 1.0])] {
            scores.add(patient, |j| row[j]);
        }
        let (meat, patients) = scores.meat().unwrap();
        // Patient 1: (0.5, -1); patient 4: (-2, 3).
        assert_eq!(patients, 2);
        assert_eq!((meat[0], meat[1], meat[3]), (4.25, -6.5, 10.0));
    }

    #[test]
    fn one_patient_has_no_spread() {
        let mut scores = PatientScores::new(1);
        scores.add(0, |_| 1.0);
        assert!(scores.meat().is_err());
    }
}
