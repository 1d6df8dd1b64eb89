//! The units that a split keeps together, and the cut itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{ErrorKind, Result};
use crate::estimator::input::{Cohort, RowsSource, TargetRows};
use crate::estimator::resample::Side;
use crate::estimator::sealed::{Dropped, SideCount, SplitReport, Test, Train};
use crate::matrix::{KeyColumn, PatientMatrix};
use crate::numeric::seed::{mix, text_code, uniform_of_key};

/// Patients in the order of their keys (not of their rows), and the patient of every row.
#[derive(Debug)]
pub(crate) struct Groups {
    codes: Vec<u32>,
    labels: Labels,
    /// Row of the whole table behind each row of a view.
    base: Option<Arc<[u32]>>,
    events: Option<Vec<bool>>,
    /// Class of every row, numbered without holes.
    classes: Vec<u32>,
    n_classes: usize,
}

#[derive(Debug)]
enum Labels {
    Patients(Vec<String>),
    /// Rows declared independent: the row number is the key.
    Rows(Vec<String>),
}

impl Groups {
    /// Patients of a cohort, or its rows where they are `independent` and have no patient keys.
    pub(crate) fn of<T: TargetRows>(
        what: &'static str,
        cohort: &Cohort<T>,
        independent: bool,
    ) -> Result<Self> {
        let matrix = &cohort.records;
        let n_rows = matrix.n_rows();
        check_length("target", n_rows, cohort.targets.n_rows())?;
        if !cohort.weights.is_empty() {
            check_length("weights", n_rows, cohort.weights.len())?;
        }
        if n_rows < 2 {
            return Err(ErrorKind::TooFewRows {
                what,
                required: 2,
                found: n_rows,
            }
            .into());
        }
        let base = (matrix.n_columns() > 0)
            .then(|| matrix.view(0).selection)
            .flatten()
            .map(|selection| Arc::clone(&selection.rows));
        let patients = matrix.keys().patient_keys();
        if independent && let Some(patients) = patients {
            return Err(ErrorKind::Leak(format!(
                "{what}: rows were declared independent, but the matrix has patient keys ({} \
                 patients in {n_rows} rows); split by patient",
                patients.n_distinct()
            ))
            .into());
        }
        // Inside a training side repeats are harmless as long as patients stay together: a
        // bootstrap sample may be split again. Elsewhere they were made before the first split.
        if patients.is_none() || matrix.splits().is_empty() {
            refuse_repeats(what, matrix, base.as_deref())?;
        }
        let (codes, labels) = match patients {
            Some(patients) => by_key(patients),
            None if independent => {
                let label = |row: usize| base.as_ref().map_or(row, |base| base[row] as usize);
                (
                    (0..n_rows as u32).collect(),
                    Labels::Rows((0..n_rows).map(|row| label(row).to_string()).collect()),
                )
            }
            None => {
                return Err(ErrorKind::MissingKeys {
                    what,
                    key: "patient",
                }
                .into());
            }
        };
        let events = cohort.targets.events();
        let classes = cohort.targets.strata();
        check_length("target", n_rows, classes.len())?;
        check_length("target", n_rows, events.as_ref().map_or(n_rows, Vec::len))?;
        let mut found = classes.clone();
        found.sort_unstable();
        found.dedup();
        Ok(Self {
            codes,
            labels,
            base,
            events,
            classes: classes
                .iter()
                .map(|class| found.partition_point(|other| other < class) as u32)
                .collect(),
            n_classes: found.len(),
        })
    }

    /// Patients of some rows of a fit, or the rows themselves where there are no patient keys;
    /// `classes` are those of these rows, numbered without holes.
    ///
    /// For choices within a fit only: rows that repeat others are not refused here.
    pub(crate) fn within(rows: RowsSource<'_>, used: &[u32], classes: &[u32]) -> Self {
        let patients = match rows {
            RowsSource::Matrix(matrix) => matrix.keys().patient_keys(),
            RowsSource::Array(_) => None,
        };
        let (codes, labels) = match patients {
            Some(patients) => {
                let (codes, labels) = by_key(patients);
                let of_used: Vec<u32> = used.iter().map(|row| codes[*row as usize]).collect();
                // Patients none of whose rows is used are not there.
                let mut seen = of_used.clone();
                seen.sort_unstable();
                seen.dedup();
                let (Labels::Patients(all) | Labels::Rows(all)) = labels;
                let kept = seen.iter().map(|code| all[*code as usize].clone());
                let number = |code: &u32| seen.partition_point(|other| other < code) as u32;
                (
                    of_used.iter().map(number).collect(),
                    Labels::Patients(kept.collect()),
                )
            }
            None => (
                (0..used.len() as u32).collect(),
                Labels::Rows(used.iter().map(ToString::to_string).collect()),
            ),
        };
        Self {
            codes,
            labels,
            base: None,
            events: None,
            classes: classes.to_vec(),
            n_classes: classes.iter().max().map_or(0, |class| *class as usize + 1),
        }
    }

    /// Class of every row, from 0 without holes.
    pub(crate) fn classes(&self) -> &[u32] {
        &self.classes
    }

    /// Number of classes.
    pub(crate) fn n_classes(&self) -> usize {
        self.n_classes
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.codes.len()
    }

    pub(crate) fn n_groups(&self) -> usize {
        self.labels().len()
    }

    pub(crate) fn of_row(&self, row: usize) -> usize {
        self.codes[row] as usize
    }

    pub(crate) fn label(&self, group: usize) -> &str {
        &self.labels()[group]
    }

    fn labels(&self) -> &[String] {
        match &self.labels {
            Labels::Patients(labels) | Labels::Rows(labels) => labels,
        }
    }

    /// A number in [0, 1) of a patient.
    pub(crate) fn uniform(&self, seed: u64, group: usize) -> f64 {
        uniform_of_key(seed, self.label(group))
    }

    /// A number in [0, 1) of a row of the whole table.
    pub(crate) fn uniform_of_row(&self, seed: u64, row: usize) -> f64 {
        let base = self.base.as_ref().map_or(row, |base| base[row] as usize);
        uniform_of_key(seed, &base.to_string())
    }

    /// The class by which each patient is balanced: the rarest (by rows) that the patient has.
    pub(crate) fn strata(&self) -> Vec<u32> {
        let mut totals = vec![0_usize; self.n_classes];
        for class in &self.classes {
            totals[*class as usize] += 1;
        }
        // On equal totals the higher class number, which is the event of a binary target.
        let rank = |class: u32| (totals[class as usize], std::cmp::Reverse(class));
        let mut strata: Vec<Option<u32>> = vec![None; self.n_groups()];
        for (row, class) in self.classes.iter().enumerate() {
            let slot = &mut strata[self.of_row(row)];
            if slot.is_none_or(|held| rank(*class) < rank(held)) {
                *slot = Some(*class);
            }
        }
        strata.into_iter().map(Option::unwrap_or_default).collect()
    }

    fn count(&self, rows: &[usize]) -> SideCount {
        let mut count = SideCount::default();
        count.rows = rows.len();
        count.patients = self.distinct(rows);
        count.events = self
            .events
            .as_ref()
            .map(|events| rows.iter().filter(|row| events[**row]).count());
        count
    }

    fn distinct(&self, rows: &[usize]) -> usize {
        self.stands(rows)
            .into_iter()
            .filter(|stands| *stands)
            .count()
    }

    fn stands(&self, rows: &[usize]) -> Vec<bool> {
        let mut stands = vec![false; self.n_groups()];
        for row in rows {
            stands[self.of_row(*row)] = true;
        }
        stands
    }
}

/// Patients numbered in the order of their keys, so that row order does not matter.
fn by_key(patients: &KeyColumn) -> (Vec<u32>, Labels) {
    let mut used = vec![false; patients.labels().len()];
    for code in patients.codes() {
        used[*code as usize] = true;
    }
    let mut order: Vec<usize> = (0..used.len()).filter(|code| used[*code]).collect();
    order.sort_unstable_by(|a, b| patients.labels()[*a].cmp(&patients.labels()[*b]));
    let mut rank = vec![0_u32; used.len()];
    for (position, code) in order.iter().enumerate() {
        rank[*code] = position as u32;
    }
    let codes = patients
        .codes()
        .iter()
        .map(|code| rank[*code as usize])
        .collect();
    let labels = order
        .into_iter()
        .map(|code| patients.labels()[code].clone())
        .collect();
    (codes, Labels::Patients(labels))
}

/// Rows of the table that stand more than once: by storage, or by patient and index time.
fn refuse_repeats(what: &str, matrix: &PatientMatrix, base: Option<&[u32]>) -> Result<()> {
    let mut repeats = 0;
    if let Some(base) = base {
        let mut sorted = base.to_vec();
        sorted.sort_unstable();
        repeats = sorted.windows(2).filter(|pair| pair[0] == pair[1]).count();
    }
    let keys = matrix.keys();
    if let (0, Some(patients), Some(times)) = (repeats, keys.patient_keys(), keys.index_times()) {
        let mut sorted: Vec<_> = patients.codes().iter().zip(times).collect();
        sorted.sort_unstable();
        repeats = sorted.windows(2).filter(|pair| pair[0] == pair[1]).count();
    }
    if repeats == 0 {
        return Ok(());
    }
    Err(ErrorKind::Leak(format!(
        "{what}: {repeats} rows repeat other rows of the table; split first, then resample the \
         training side or give weights"
    ))
    .into())
}

fn check_length(what: &'static str, expected: usize, found: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(ErrorKind::LengthMismatch {
        what,
        expected,
        found,
    }
    .into())
}

/// Site keys, or the error.
pub(super) fn require_sites<T>(cohort: &Cohort<T>) -> Result<&KeyColumn> {
    cohort.records.keys().site_keys().ok_or_else(|| {
        ErrorKind::MissingKeys {
            what: "Split::by_site",
            key: "site",
        }
        .into()
    })
}

/// The rows of both sides, before they are cut.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) rule: String,
    pub(super) train: Vec<usize>,
    pub(super) test: Vec<usize>,
    pub(super) dropped: BTreeMap<&'static str, Vec<usize>>,
}

impl Parts {
    pub(super) fn of_sides(rule: String, sides: &[Side]) -> Self {
        let mut parts = Self {
            rule,
            train: Vec::new(),
            test: Vec::new(),
            dropped: BTreeMap::new(),
        };
        for (row, side) in sides.iter().enumerate() {
            match side {
                Side::Train => parts.train.push(row),
                Side::Test => parts.test.push(row),
                Side::Dropped(why) => parts.dropped.entry(why).or_default().push(row),
            }
        }
        parts
    }

    /// Cuts the cohort; the last guard against a patient on both sides stands here.
    pub(super) fn cut<T: TargetRows>(
        self,
        cohort: &Cohort<T>,
        groups: &Groups,
    ) -> Result<(Train<T>, Test<T>)> {
        for (what, rows) in [
            ("training side of a split", &self.train),
            ("test side of a split", &self.test),
        ] {
            if rows.is_empty() {
                return Err(ErrorKind::TooFewRows {
                    what,
                    required: 1,
                    found: 0,
                }
                .into());
            }
        }
        let tests = groups.stands(&self.test);
        let shared = groups
            .stands(&self.train)
            .iter()
            .zip(&tests)
            .filter(|(trains, tests)| **trains && **tests)
            .count();
        if shared > 0 {
            return Err(ErrorKind::Leak(format!(
                "{shared} of {} patients would stand on both sides of the split ({}); split by \
                 patient",
                groups.n_groups(),
                self.rule
            ))
            .into());
        }
        // A sum, so that the order of rows without patient keys does not matter.
        let set = (0..groups.n_groups())
            .filter(|group| tests[*group])
            .fold(0_u64, |sum, group| {
                sum.wrapping_add(text_code(groups.label(group)))
            });
        let id = mix(mix(text_code(&self.rule)) ^ set);
        let mut report = SplitReport::new(
            id,
            self.rule,
            groups.count(&self.train),
            groups.count(&self.test),
        );
        report.dropped = self
            .dropped
            .iter()
            .map(|(why, rows)| Dropped::new(why, rows.len(), groups.distinct(rows)))
            .collect();
        let report = Arc::new(report);
        let mut train = select(cohort, &self.train)?;
        train.records = train.records.with_split(id);
        let test = select(cohort, &self.test)?;
        Ok((
            Train::new(train, Arc::clone(&report)),
            Test::new(test, self.test, report)?,
        ))
    }
}

/// Rows, target and weights of the given rows.
fn select<T: TargetRows>(cohort: &Cohort<T>, rows: &[usize]) -> Result<Cohort<T>> {
    let side = Cohort::new(
        cohort.records.select_rows(rows)?,
        cohort.targets.take(rows)?,
    );
    if cohort.weights.is_empty() {
        return Ok(side);
    }
    Ok(side.with_weights(rows.iter().map(|row| cohort.weights[*row]).collect()))
}
