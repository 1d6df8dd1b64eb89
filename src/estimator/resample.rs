//! Splits of a cohort into a [`Train`] and a [`Test`] side: always by patient.
//!
//! Every random choice belongs to a patient key and a seed, never to a row number, so that a
//! cohort in another row order splits the same way. Rows of one patient never stand on both
//! sides; where a rule would put them there (two sites, two years), the rows of one side are
//! dropped and counted. Each split has a code made of its rule, its seed and its test patients;
//! models fitted on the training side carry it, and [`Test::check`] compares it.
//!
//! Rows that repeat rows of the same table (oversampling before the split) are refused with
//! [`ErrorKind::Leak`]: rebalance the training side after the split, or use weights.

mod bootstrap;
mod groups;
mod kfold;

use std::fmt;
use std::sync::Arc;

use crate::error::{ErrorKind, Result};
use crate::estimator::input::{Cohort, TargetRows};
use crate::estimator::params::Checker;
use crate::estimator::sealed::{Test, Train};
use crate::matrix::{Span, Time};

pub use bootstrap::Bootstrap;
pub(crate) use groups::Groups;
use groups::Parts;
pub use kfold::{Fold, KFold, NestedFold};

/// A rule that cuts a cohort once, by patient.
///
/// ```
/// use galen::estimator::{Cohort, Split};
/// use galen::matrix::{Binary, PatientMatrix, RowKeys, Span, Time};
///
/// # fn main() -> galen::Result<()> {
/// let age: Vec<f64> = (0..60).map(|row| 40.0 + f64::from(row % 30)).collect();
/// let matrix = PatientMatrix::from_columns([("age", age)])?.with_keys(
///     RowKeys::none()
///         .patients((0..60).map(|row| row / 2))
///         .times((0..60).map(|row| Time(0) + Span::days(row))),
/// )?;
/// let cohort = Cohort::new(matrix, Binary::from_flags("died", (0..60).map(|row| row % 5 == 0)));
///
/// let (train, test) = Split::holdout(0.3, 42).apply(&cohort)?;
/// assert_eq!(train.report().test.patients, test.n_patients());
///
/// // Fitted on the past, tested on the future; 7 days between them belong to neither side.
/// let later = Split::by_time(Time(0) + Span::days(40), Span::days(7));
/// let (_, test) = later.apply(&cohort)?;
/// assert_eq!(test.n_rows(), 13);
///
/// // Two rows per patient: a split by rows would put patients on both sides.
/// assert!(Split::rows(0.3, 42).apply(&cohort).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Split {
    rules: Vec<Rule>,
    overlap: Overlap,
    independent: bool,
}

/// Which rows go when a rule puts a patient on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Overlap {
    /// The training rows go: the test side stays as the rule defines it (the default).
    #[default]
    DropTraining,
    /// The test rows go: the test side then holds patients never met before.
    DropTest,
}

#[derive(Clone)]
enum Rule {
    Holdout {
        fraction: f64,
        seed: u64,
        stratified: bool,
    },
    Rows {
        fraction: f64,
        seed: u64,
    },
    Patients(Arc<dyn Fn(&str) -> bool + Send + Sync>),
    Sites(Vec<String>),
    Time {
        cut: Time,
        gap: Span,
    },
}

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Train,
    Test,
    Dropped(&'static str),
}

const IN_GAP: &str = "index time within the gap";
const MIXED: &str = "training side of one rule and test side of another";
const TRAIN_OVERLAP: &str = "training rows of patients who stand in the test side";
const TEST_OVERLAP: &str = "test rows of patients who stand in the training side";

impl Side {
    fn of(test: bool) -> Self {
        if test { Self::Test } else { Self::Train }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (dropped @ Self::Dropped(_), _) | (_, dropped @ Self::Dropped(_)) => dropped,
            (a, b) if a == b => a,
            _ => Self::Dropped(MIXED),
        }
    }
}

impl Split {
    fn new(rule: Rule) -> Self {
        Self {
            rules: vec![rule],
            overlap: Overlap::default(),
            independent: false,
        }
    }

    /// Each patient goes to the test side with probability `fraction` (above 0, below 1).
    ///
    /// The choice depends on the patient and the seed alone: in a table that grows, patients stay
    /// on their side.
    pub fn holdout(fraction: f64, seed: u64) -> Self {
        Self::new(Rule::Holdout {
            fraction,
            seed,
            stratified: false,
        })
    }

    /// The given fraction of patients, rounded, of each outcome: patients with an event and
    /// without, or by their rarest class; numeric targets count as one class.
    pub fn stratified_holdout(fraction: f64, seed: u64) -> Self {
        Self::new(Rule::Holdout {
            fraction,
            seed,
            stratified: true,
        })
    }

    /// Each row goes to the test side with probability `fraction`, whoever's row it is.
    ///
    /// This is the split that flatters a model when patients return: [`Self::apply`] refuses it,
    /// with the number of patients who would stand on both sides, unless there are none.
    pub fn rows(fraction: f64, seed: u64) -> Self {
        Self::new(Rule::Rows { fraction, seed })
    }

    /// A split by rows of a table without patient keys; the name is the declaration.
    ///
    /// [`Self::apply`] refuses it where patient keys exist.
    pub fn by_row_i_know_that_rows_are_independent(fraction: f64, seed: u64) -> Self {
        Self::holdout(fraction, seed).i_know_that_rows_are_independent()
    }

    /// The patients for whom `is_test` is true go to the test side.
    pub fn by_rule(is_test: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self::new(Rule::Patients(Arc::new(is_test)))
    }

    /// All rows of the named sites go to the test side. Patients of both a named and another site
    /// lose their training rows (see [`Self::overlap`]).
    pub fn by_site<S: AsRef<str>>(sites: &[S]) -> Self {
        let mut sites: Vec<String> = sites.iter().map(|site| site.as_ref().to_string()).collect();
        sites.sort();
        sites.dedup();
        Self::new(Rule::Sites(sites))
    }

    /// Rows with an index time before `cut` train, rows at `cut + gap` or later test, rows between
    /// are dropped. Let the gap be at least the time at risk, so that no training outcome reaches
    /// into the test period. Patients of both periods lose their training rows (see
    /// [`Self::overlap`]).
    pub fn by_time(cut: Time, gap: Span) -> Self {
        Self::new(Rule::Time { cut, gap })
    }

    /// Both rules at once: a row trains where both say so and tests where both say so; the others
    /// are dropped and counted.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.rules.extend(other.rules);
        self.independent |= other.independent;
        self
    }

    /// Sets which rows go when a rule puts a patient on both sides.
    #[must_use]
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Declares that every row is a patient of its own, for a table without patient keys.
    #[must_use]
    pub fn i_know_that_rows_are_independent(mut self) -> Self {
        self.independent = true;
        self
    }

    /// Splits a cohort; weights and keys go with their rows. Cost: one pass over the rows.
    ///
    /// # Errors
    /// [`ErrorKind::MissingKeys`] without patient keys, or without the site keys or index times a
    /// rule asks for; [`ErrorKind::Leak`] for rows that stand twice, for a split by rows that
    /// shares patients, and for rows declared independent against their keys;
    /// [`ErrorKind::Parameter`] for a fraction outside (0, 1), a negative gap or an unknown site;
    /// [`ErrorKind::TooFewRows`] for an empty side; [`ErrorKind::LengthMismatch`].
    pub fn apply<T: TargetRows>(&self, cohort: &Cohort<T>) -> Result<(Train<T>, Test<T>)> {
        for rule in &self.rules {
            rule.check()?;
        }
        let groups = Groups::of("Split", cohort, self.independent)?;
        let mut sides = vec![None; groups.n_rows()];
        for rule in &self.rules {
            for (slot, side) in sides.iter_mut().zip(rule.sides(cohort, &groups)?) {
                *slot = Some(slot.map_or(side, |before: Side| before.and(side)));
            }
        }
        let mut sides: Vec<Side> = sides.into_iter().flatten().collect();
        // A split by rows is not repaired but refused, in `Parts::cut`.
        if !self
            .rules
            .iter()
            .any(|rule| matches!(rule, Rule::Rows { .. }))
        {
            self.settle_overlap(&groups, &mut sides);
        }
        Parts::of_sides(self.describe(), &sides).cut(cohort, &groups)
    }

    /// One split per site, in the order of site names: the site tests, all others train.
    ///
    /// ```
    /// # use galen::estimator::{Cohort, Split};
    /// # use galen::matrix::{Binary, PatientMatrix, RowKeys};
    /// # fn main() -> galen::Result<()> {
    /// let matrix = PatientMatrix::from_columns([("age", vec![40.0, 50.0, 60.0])])?
    ///     .with_keys(RowKeys::none().patients(["a", "b", "c"]).sites(["north", "south", "north"]))?;
    /// let cohort = Cohort::new(matrix, Binary::from_flags("died", [true, false, false]));
    /// let folds = Split::leave_one_site_out(&cohort)?;
    /// assert_eq!(folds[0].site, "north");
    /// assert_eq!(folds[0].test.n_rows(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn leave_one_site_out<T: TargetRows>(cohort: &Cohort<T>) -> Result<Vec<SiteFold<T>>> {
        let sites = groups::require_sites(cohort)?;
        let mut names: Vec<&str> = (0..sites.len()).map(|row| sites.label(row)).collect();
        names.sort_unstable();
        names.dedup();
        names
            .into_iter()
            .map(|site| {
                let (train, test) = Self::by_site(&[site]).apply(cohort)?;
                Ok(SiteFold {
                    site: site.to_string(),
                    train,
                    test,
                })
            })
            .collect()
    }

    fn settle_overlap(&self, groups: &Groups, sides: &mut [Side]) {
        let mut stands = vec![(false, false); groups.n_groups()];
        for (row, side) in sides.iter().enumerate() {
            let (trains, tests) = &mut stands[groups.of_row(row)];
            *trains |= *side == Side::Train;
            *tests |= *side == Side::Test;
        }
        let (loser, why) = match self.overlap {
            Overlap::DropTraining => (Side::Train, TRAIN_OVERLAP),
            Overlap::DropTest => (Side::Test, TEST_OVERLAP),
        };
        for (row, side) in sides.iter_mut().enumerate() {
            if stands[groups.of_row(row)] == (true, true) && *side == loser {
                *side = Side::Dropped(why);
            }
        }
    }

    fn describe(&self) -> String {
        let rules: Vec<String> = self.rules.iter().map(Rule::describe).collect();
        let mut text = rules.join(" and ");
        if self.overlap == Overlap::DropTest {
            text.push_str(", returning patients train");
        }
        if self.independent {
            text.push_str(", rows declared independent");
        }
        text
    }
}

impl Rule {
    fn check(&self) -> Result<()> {
        match self {
            Self::Holdout { fraction, .. } | Self::Rows { fraction, .. } => Checker::new("Split")
                .require(
                    *fraction > 0.0 && *fraction < 1.0,
                    "fraction",
                    fraction,
                    "above 0 and below 1",
                ),
            Self::Time { gap, .. } => Checker::new("Split").require(
                *gap >= Span(0),
                "gap",
                format!("{} days", gap.as_days()),
                "zero or more",
            ),
            Self::Sites(sites) => Checker::new("Split").require(
                !sites.is_empty(),
                "sites",
                sites.len(),
                "at least one site",
            ),
            Self::Patients(_) => Ok(()),
        }
    }

    fn sides<T: TargetRows>(&self, cohort: &Cohort<T>, groups: &Groups) -> Result<Vec<Side>> {
        let by_group = |tests: Vec<bool>| {
            (0..groups.n_rows())
                .map(|row| Side::of(tests[groups.of_row(row)]))
                .collect()
        };
        Ok(match self {
            Self::Holdout {
                fraction,
                seed,
                stratified: false,
            } => by_group(
                (0..groups.n_groups())
                    .map(|group| groups.uniform(*seed, group) < *fraction)
                    .collect(),
            ),
            Self::Holdout { fraction, seed, .. } => {
                by_group(stratified(groups, &groups.strata(), *fraction, *seed))
            }
            Self::Rows { fraction, seed } => (0..groups.n_rows())
                .map(|row| Side::of(groups.uniform_of_row(*seed, row) < *fraction))
                .collect(),
            Self::Patients(is_test) => by_group(
                (0..groups.n_groups())
                    .map(|group| is_test(groups.label(group)))
                    .collect(),
            ),
            Self::Sites(named) => {
                let sites = groups::require_sites(cohort)?;
                let present: std::collections::BTreeSet<&str> =
                    (0..sites.len()).map(|row| sites.label(row)).collect();
                if let Some(unknown) = named.iter().find(|site| !present.contains(site.as_str())) {
                    Checker::new("Split").require(
                        false,
                        "sites",
                        unknown,
                        "the name of a site with rows",
                    )?;
                }
                (0..sites.len())
                    .map(|row| {
                        let site = sites.label(row);
                        Side::of(
                            named
                                .binary_search_by(|name| name.as_str().cmp(site))
                                .is_ok(),
                        )
                    })
                    .collect()
            }
            Self::Time { cut, gap } => cohort
                .records
                .keys()
                .index_times()
                .ok_or(ErrorKind::MissingKeys {
                    what: "Split::by_time",
                    key: "index time",
                })?
                .iter()
                .map(|time| match time {
                    time if time < cut => Side::Train,
                    time if *time < *cut + *gap => Side::Dropped(IN_GAP),
                    _ => Side::Test,
                })
                .collect(),
        })
    }

    fn describe(&self) -> String {
        match self {
            Self::Holdout {
                fraction,
                seed,
                stratified,
            } => {
                let how = if *stratified { ", stratified" } else { "" };
                format!("holdout of {fraction} of patients{how}, seed {seed}")
            }
            Self::Rows { fraction, seed } => format!("holdout of {fraction} of rows, seed {seed}"),
            Self::Patients(_) => "patients chosen by the caller".into(),
            Self::Sites(sites) => format!("test sites {}", sites.join(", ")),
            Self::Time { cut, gap } => {
                format!("index time from {} us, gap {} days", cut.0, gap.as_days())
            }
        }
    }
}

/// The patients of each stratum with the lowest random numbers, as many as the fraction says.
fn stratified(groups: &Groups, strata: &[u32], fraction: f64, seed: u64) -> Vec<bool> {
    let mut order: Vec<(u32, f64, usize)> = (0..groups.n_groups())
        .map(|group| (strata[group], groups.uniform(seed, group), group))
        .collect();
    order.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    let mut tests = vec![false; groups.n_groups()];
    for stratum in order.chunk_by(|a, b| a.0 == b.0) {
        let taken = (fraction * stratum.len() as f64).round() as usize;
        for (_, _, group) in &stratum[..taken.min(stratum.len())] {
            tests[*group] = true;
        }
    }
    tests
}

impl fmt::Debug for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Split").field(&self.describe()).finish()
    }
}

/// A split that leaves one site out.
#[derive(Debug)]
#[non_exhaustive]
pub struct SiteFold<T> {
    /// The site that tests.
    pub site: String,
    /// Rows of all other sites, without the patients of the test site.
    pub train: Train<T>,
    /// Rows of the site.
    pub test: Test<T>,
}

#[cfg(test)]
#[path = "resample/tests.rs"]
mod tests;
