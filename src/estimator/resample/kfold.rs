//! Folds by patient, balanced by class and size.

use crate::error::{ErrorKind, Result};
use crate::estimator::input::{Cohort, TargetRows};
use crate::estimator::params::Checker;
use crate::estimator::resample::Side;
use crate::estimator::resample::groups::{Groups, Parts};
use crate::estimator::sealed::{Test, Train};
use crate::numeric::seed::mix;

/// Cross-validation folds by patient.
///
/// Patients are dealt one by one to the fold that has fewest rows of their class, then fewest
/// rows: rarest class first, patients with most rows first, in seeded order among equals. Folds
/// thus hold nearly equal numbers of events and of rows, also where some patients have many rows.
/// Cost: patients x folds.
///
/// | setting | default | meaning |
/// | --- | --- | --- |
/// | `k` | given | number of folds, 2 or more |
/// | `seed` | 0 | order among patients of one class and size |
/// | `repeats` | 1 | number of times the patients are dealt anew |
///
/// ```
/// # use galen::estimator::{Cohort, KFold};
/// # use galen::matrix::{Binary, PatientMatrix, RowKeys};
/// # fn main() -> galen::Result<()> {
/// # let matrix = PatientMatrix::from_columns([("age", (0..60).map(f64::from).collect::<Vec<_>>())])?
/// #     .with_keys(RowKeys::none().patients((0..60).map(|row| row / 2)))?;
/// # let cohort = Cohort::new(matrix, Binary::from_flags("died", (0..60).map(|row| row % 6 == 0)));
/// let folds = KFold::new(5).seed(1).split(&cohort)?;
/// assert_eq!(folds.len(), 5);
/// assert!(folds.iter().all(|fold| fold.test.report().test.events == Some(2)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KFold {
    k: usize,
    seed: u64,
    repeats: usize,
    independent: bool,
}

/// One fold: the patients of the fold test, all others train.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fold<T> {
    /// Which repeat, from 0.
    pub repeat: usize,
    /// Which fold of it, from 0.
    pub number: usize,
    /// All other folds.
    pub train: Train<T>,
    /// The fold.
    pub test: Test<T>,
}

/// An outer fold with the folds of its training side.
#[derive(Debug)]
#[non_exhaustive]
pub struct NestedFold<T> {
    /// The fold that judges.
    pub outer: Fold<T>,
    /// Folds within its training side, for choosing settings.
    pub inner: Vec<Fold<T>>,
}

impl KFold {
    /// `k` folds.
    pub fn new(k: usize) -> Self {
        Self {
            k,
            seed: 0,
            repeats: 1,
            independent: false,
        }
    }

    /// Sets the seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets how often the patients are dealt anew.
    #[must_use]
    pub fn repeats(mut self, repeats: usize) -> Self {
        self.repeats = repeats;
        self
    }

    /// Declares that every row is a patient of its own, for a table without patient keys.
    #[must_use]
    pub fn i_know_that_rows_are_independent(mut self) -> Self {
        self.independent = true;
        self
    }

    /// Number of repeats.
    pub fn n_repeats(&self) -> usize {
        self.repeats
    }

    /// The folds, repeat by repeat.
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] for fewer than 2 folds or no repeat, [`ErrorKind::TooFewRows`] for
    /// fewer patients than folds, and as [`Split::apply`](crate::estimator::Split::apply).
    pub fn split<T: TargetRows>(&self, cohort: &Cohort<T>) -> Result<Vec<Fold<T>>> {
        let plan = self.plan(cohort)?;
        (0..plan.n_folds())
            .map(|index| plan.fold(cohort, index))
            .collect()
    }

    /// The folds, each with `inner` folds of its training side. Settings are chosen on the inner
    /// folds and judged on the outer one; the inner tests accept only models of their own split.
    ///
    /// # Errors
    /// As [`Self::split`].
    pub fn nested<T: TargetRows>(
        &self,
        cohort: &Cohort<T>,
        inner: &Self,
    ) -> Result<Vec<NestedFold<T>>> {
        self.split(cohort)?
            .into_iter()
            .map(|outer| {
                let inner = inner.split(&outer.train)?;
                Ok(NestedFold { outer, inner })
            })
            .collect()
    }

    /// Deals the patients; the folds are cut later, one at a time.
    pub(crate) fn plan<T: TargetRows>(&self, cohort: &Cohort<T>) -> Result<Plan> {
        let checker = Checker::new("KFold");
        checker.require(self.k >= 2, "k", self.k, "2 or more")?;
        checker.at_least_one("repeats", self.repeats)?;
        let groups = Groups::of("KFold", cohort, self.independent)?;
        if groups.n_groups() < self.k {
            return Err(ErrorKind::TooFewRows {
                what: "KFold: one patient per fold",
                required: self.k,
                found: groups.n_groups(),
            }
            .into());
        }
        let strata = groups.strata();
        let dealt = (0..self.repeats)
            .map(|repeat| self.deal(&groups, &strata, repeat))
            .collect();
        Ok(Plan {
            settings: self.clone(),
            groups,
            dealt,
        })
    }

    /// The fold of every row of `groups`, which hold no fewer patients than there are folds; first
    /// repeat.
    pub(crate) fn deal_rows(&self, groups: &Groups) -> Vec<usize> {
        let folds = self.deal(groups, &groups.strata(), 0);
        (0..groups.n_rows())
            .map(|row| folds[groups.of_row(row)])
            .collect()
    }

    /// The fold of every patient.
    fn deal(&self, groups: &Groups, strata: &[u32], repeat: usize) -> Vec<usize> {
        let seed = mix(mix(self.seed) ^ repeat as u64);
        let (classes, n_classes) = (groups.classes(), groups.n_classes());
        let mut totals = vec![0_usize; n_classes];
        let mut rows = vec![0_usize; groups.n_groups()];
        let mut of_class = vec![0_usize; groups.n_groups()];
        for (row, class) in classes.iter().enumerate() {
            let group = groups.of_row(row);
            totals[*class as usize] += 1;
            rows[group] += 1;
            of_class[group] += usize::from(strata[group] == *class);
        }
        let mut order: Vec<(usize, f64)> = (0..groups.n_groups())
            .map(|group| (group, groups.uniform(seed, group)))
            .collect();
        order.sort_by(|(a, u), (b, v)| {
            let rarity = |group: usize| (totals[strata[group] as usize], strata[group]);
            let size = |group: usize| std::cmp::Reverse((of_class[group], rows[group]));
            (rarity(*a), size(*a))
                .cmp(&(rarity(*b), size(*b)))
                .then(u.total_cmp(v))
                .then(a.cmp(b))
        });
        // Rows of each class per fold count all rows of a patient, not those of its rarest class.
        let mut by_class = vec![vec![0_usize; n_classes]; self.k];
        let mut by_fold = vec![0_usize; self.k];
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); groups.n_groups()];
        for (row, class) in classes.iter().enumerate() {
            members[groups.of_row(row)].push(*class);
        }
        let mut patients = vec![0_usize; self.k];
        let mut folds = vec![0; groups.n_groups()];
        for (dealt, (group, _)) in order.iter().enumerate() {
            let class = strata[*group] as usize;
            // The last patients fill folds that would otherwise stay empty.
            let left = order.len() - dealt;
            let empty = patients.iter().filter(|count| **count == 0).count();
            let fold = (0..self.k)
                .filter(|fold| left > empty || patients[*fold] == 0)
                .min_by_key(|fold| (by_class[*fold][class], by_fold[*fold], *fold))
                .unwrap_or(0);
            folds[*group] = fold;
            patients[fold] += 1;
            by_fold[fold] += rows[*group];
            for class in &members[*group] {
                by_class[fold][*class as usize] += 1;
            }
        }
        folds
    }
}

/// Folds that are dealt but not cut.
#[derive(Debug)]
pub(crate) struct Plan {
    settings: KFold,
    groups: Groups,
    dealt: Vec<Vec<usize>>,
}

impl Plan {
    /// Folds of all repeats.
    pub(crate) fn n_folds(&self) -> usize {
        self.settings.k * self.settings.repeats
    }

    /// Cuts fold `index`, counted through all repeats.
    pub(crate) fn fold<T: TargetRows>(&self, cohort: &Cohort<T>, index: usize) -> Result<Fold<T>> {
        let KFold {
            k, seed, repeats, ..
        } = self.settings;
        let (repeat, number) = (index / k, index % k);
        let sides: Vec<Side> = (0..self.groups.n_rows())
            .map(|row| Side::of(self.dealt[repeat][self.groups.of_row(row)] == number))
            .collect();
        let rule = format!(
            "fold {} of {k}, repeat {} of {repeats}, seed {seed}",
            number + 1,
            repeat + 1
        );
        let (train, test) = Parts::of_sides(rule, &sides).cut(cohort, &self.groups)?;
        Ok(Fold {
            repeat,
            number,
            train,
            test,
        })
    }
}
