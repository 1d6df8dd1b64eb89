//! Bootstrap by patient.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::estimator::input::{Cohort, TargetRows};
use crate::estimator::params::Checker;
use crate::estimator::resample::groups::{Groups, Parts};
use crate::estimator::sealed::{Test, Train};
use crate::numeric::seed::mix;

/// Increment of SplitMix64 (Steele, Lea and Flood, 2014, doi 10.1145/2660193.2660195).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Bootstrap samples by patient: patients are drawn with replacement, all rows of a patient come
/// with each draw, and the patients never drawn (about 37 of 100) are the sealed test side.
///
/// Draws depend on the seed, the number of the sample and the patient keys, not on row order
/// (Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, for the method; clusters as
/// units as in Davison and Hinkley, 1997, section 3.8).
///
/// ```
/// # use galen::estimator::{Bootstrap, Cohort};
/// # use galen::matrix::{Binary, PatientMatrix, RowKeys};
/// # fn main() -> galen::Result<()> {
/// # let matrix = PatientMatrix::from_columns([("age", (0..60).map(f64::from).collect::<Vec<_>>())])?
/// #     .with_keys(RowKeys::none().patients((0..60).map(|row| row / 2)))?;
/// # let cohort = Cohort::new(matrix, Binary::from_flags("died", (0..60).map(|row| row % 6 == 0)));
/// let bootstrap = Bootstrap::new(20).seed(3);
/// let (train, out_of_bag) = bootstrap.draw(&cohort, 0)?;
/// assert_eq!(train.records.n_rows(), 60);
/// assert!(out_of_bag.n_rows() > 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    samples: usize,
    seed: u64,
    independent: bool,
}

impl Bootstrap {
    /// `samples` bootstrap samples, seed 0.
    pub fn new(samples: usize) -> Self {
        Self {
            samples,
            seed: 0,
            independent: false,
        }
    }

    /// Sets the seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Declares that every row is a patient of its own, for a table without patient keys.
    #[must_use]
    pub fn i_know_that_rows_are_independent(mut self) -> Self {
        self.independent = true;
        self
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.samples
    }

    /// Sample `index`, the same whichever others are drawn: the drawn rows, repeats included, and
    /// the patients out of the bag.
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`](crate::error::ErrorKind::Parameter) for an index that is not below
    /// the number of samples, [`ErrorKind::TooFewRows`](crate::error::ErrorKind::TooFewRows) where
    /// the bag holds all patients (likely only with very few), and as
    /// [`Split::apply`](crate::estimator::Split::apply).
    pub fn draw<T: TargetRows>(
        &self,
        cohort: &Cohort<T>,
        index: usize,
    ) -> Result<(Train<T>, Test<T>)> {
        Checker::new("Bootstrap").require(
            index < self.samples,
            "index",
            index,
            "below the number of samples",
        )?;
        let groups = Groups::of("Bootstrap", cohort, self.independent)?;
        self.parts(&groups, index).cut(cohort, &groups)
    }

    /// All samples in order; holds their rows at once, so prefer [`Self::draw`] for many.
    ///
    /// # Errors
    /// As [`Self::draw`].
    pub fn split<T: TargetRows>(&self, cohort: &Cohort<T>) -> Result<Vec<(Train<T>, Test<T>)>> {
        Checker::new("Bootstrap").at_least_one("samples", self.samples)?;
        let groups = Groups::of("Bootstrap", cohort, self.independent)?;
        (0..self.samples)
            .map(|index| self.parts(&groups, index).cut(cohort, &groups))
            .collect()
    }

    fn parts(&self, groups: &Groups, index: usize) -> Parts {
        let n = groups.n_groups();
        let start = mix(mix(self.seed) ^ index as u64);
        let mut drawn = vec![0_usize; n];
        for draw in 0..n as u64 {
            let bits = mix(start.wrapping_add(draw.wrapping_mul(GOLDEN)));
            // The high half of the product is uniform on 0..n up to n / 2^64.
            drawn[((u128::from(bits) * n as u128) >> 64) as usize] += 1;
        }
        let mut train = Vec::with_capacity(groups.n_rows());
        let mut test = Vec::new();
        for row in 0..groups.n_rows() {
            match drawn[groups.of_row(row)] {
                0 => test.push(row),
                times => train.extend(std::iter::repeat_n(row, times)),
            }
        }
        Parts {
            rule: format!("bootstrap sample {index} by patient, seed {}", self.seed),
            train,
            test,
            dropped: BTreeMap::new(),
        }
    }
}
