//! Row keys: whose row it is, where it was made and as of when.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::error::{ErrorKind, Result};
use crate::matrix::time::Time;

/// A key per row, stored once per distinct key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyColumn {
    codes: Arc<[u32]>,
    labels: Arc<[String]>,
}

impl KeyColumn {
    /// Keys from anything that prints, numbered in order of first appearance.
    pub fn new<K: ToString>(keys: impl IntoIterator<Item = K>) -> Self {
        let mut numbers: HashMap<String, u32> = HashMap::new();
        let mut labels = Vec::new();
        let codes = keys
            .into_iter()
            .map(|key| {
                let key = key.to_string();
                *numbers.entry(key).or_insert_with_key(|key| {
                    labels.push(key.clone());
                    (labels.len() - 1) as u32
                })
            })
            .collect();
        Self {
            codes,
            labels: labels.into(),
        }
    }

    /// Keys already numbered: one code per row into labels that are distinct and in order of first
    /// appearance, as [`Self::new`] would number them. The caller keeps codes below their number.
    pub(crate) fn from_codes(codes: Vec<u32>, labels: Vec<String>) -> Self {
        Self {
            codes: codes.into(),
            labels: labels.into(),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// Code of each row into [`Self::labels`]. Labels that no row uses may remain in a view.
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// The distinct keys.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The key of a row.
    ///
    /// # Panics
    /// When `row` is outside the column.
    pub fn label(&self, row: usize) -> &str {
        &self.labels[self.codes[row] as usize]
    }

    /// Number of distinct keys in use.
    pub fn n_distinct(&self) -> usize {
        let mut used = vec![false; self.labels.len()];
        for code in self.codes.iter() {
            used[*code as usize] = true;
        }
        used.into_iter().filter(|used| *used).count()
    }

    fn select(&self, rows: &[u32]) -> Self {
        Self {
            codes: rows.iter().map(|row| self.codes[*row as usize]).collect(),
            labels: Arc::clone(&self.labels),
        }
    }
}

/// Patient, site and index time of every row; each is optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowKeys {
    patients: Option<KeyColumn>,
    sites: Option<KeyColumn>,
    times: Option<Arc<[Time]>>,
}

impl RowKeys {
    /// No keys: every row counts as a patient of its own where a method allows that.
    pub fn none() -> Self {
        Self::default()
    }

    /// Sets the patient of every row.
    #[must_use]
    pub fn patients<K: ToString>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.patients = Some(KeyColumn::new(keys));
        self
    }

    /// Sets the site (hospital, registry) of every row.
    #[must_use]
    pub fn sites<K: ToString>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.sites = Some(KeyColumn::new(keys));
        self
    }

    /// Sets patient and site keys that are already numbered; `None` leaves what is there.
    #[must_use]
    pub(crate) fn numbered(
        mut self,
        patients: Option<KeyColumn>,
        sites: Option<KeyColumn>,
    ) -> Self {
        self.patients = patients.or(self.patients);
        self.sites = sites.or(self.sites);
        self
    }

    /// Sets the index time of every row: features look back from it, outcomes look ahead.
    #[must_use]
    pub fn times(mut self, times: impl IntoIterator<Item = Time>) -> Self {
        self.times = Some(times.into_iter().collect());
        self
    }

    /// Patient keys.
    pub fn patient_keys(&self) -> Option<&KeyColumn> {
        self.patients.as_ref()
    }

    /// Site keys.
    pub fn site_keys(&self) -> Option<&KeyColumn> {
        self.sites.as_ref()
    }

    /// Index times.
    pub fn index_times(&self) -> Option<&[Time]> {
        self.times.as_deref()
    }

    /// Patient keys, or the error that names who needs them.
    pub(crate) fn require_patients(&self, what: &'static str) -> Result<&KeyColumn> {
        self.patients.as_ref().ok_or_else(|| {
            ErrorKind::MissingKeys {
                what,
                key: "patient",
            }
            .into()
        })
    }

    /// Checks lengths, and that no patient has two rows at one index time.
    pub(crate) fn check(&self, n_rows: usize) -> Result<()> {
        let lengths = [
            ("patient keys", self.patients.as_ref().map(KeyColumn::len)),
            ("site keys", self.sites.as_ref().map(KeyColumn::len)),
            ("index times", self.times.as_ref().map(|times| times.len())),
        ];
        for (what, length) in lengths {
            if let Some(found) = length
                && found != n_rows
            {
                return Err(ErrorKind::LengthMismatch {
                    what,
                    expected: n_rows,
                    found,
                }
                .into());
            }
        }
        if let (Some(patients), Some(times)) = (&self.patients, &self.times) {
            let mut seen = HashMap::with_capacity(n_rows);
            for row in 0..n_rows {
                if let Some(first) = seen.insert((patients.codes[row], times[row]), row) {
                    return Err(ErrorKind::Duplicate {
                        what: "patient and index time",
                        row,
                        first,
                    }
                    .into());
                }
            }
        }
        Ok(())
    }

    pub(crate) fn select(&self, rows: &[u32]) -> Self {
        Self {
            patients: self.patients.as_ref().map(|keys| keys.select(rows)),
            sites: self.sites.as_ref().map(|keys| keys.select(rows)),
            times: self
                .times
                .as_ref()
                .map(|times| rows.iter().map(|row| times[*row as usize]).collect()),
        }
    }

    /// Rows of `parts` one after the other; a key is kept only where all parts have it.
    pub(crate) fn concat(parts: &[&Self]) -> Self {
        let labels = |pick: fn(&Self) -> Option<&KeyColumn>| {
            parts
                .iter()
                .map(|part| pick(part))
                .collect::<Option<Vec<_>>>()
                .map(|keys| {
                    KeyColumn::new(
                        keys.into_iter()
                            .flat_map(|key| (0..key.len()).map(move |row| key.label(row))),
                    )
                })
        };
        let times: Option<Vec<&[Time]>> = parts.iter().map(|part| part.index_times()).collect();
        Self {
            patients: labels(Self::patient_keys),
            sites: labels(Self::site_keys),
            times: times.map(|times| times.concat().into()),
        }
    }

    /// First row of each `(patient, time)`; time is 0 where there are none.
    pub(crate) fn rows_by_key(&self, what: &'static str) -> Result<BTreeMap<(&str, Time), usize>> {
        let patients = self.require_patients(what)?;
        let mut rows = BTreeMap::new();
        for row in 0..patients.len() {
            let time = self.times.as_ref().map_or(Time(0), |times| times[row]);
            if let Some(first) = rows.insert((patients.label(row), time), row) {
                return Err(ErrorKind::Duplicate {
                    what: "patient and index time",
                    row,
                    first,
                }
                .into());
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_rows_of_a_patient_at_one_time_are_refused() {
        let keys = RowKeys::none()
            .patients([7, 7, 8])
            .times([Time(1), Time(2), Time(1)]);
        assert!(keys.check(3).is_ok());
        let keys = RowKeys::none()
            .patients([7, 8, 7])
            .times([Time(1), Time(1), Time(1)]);
        assert!(matches!(
            keys.check(3).unwrap_err().kind(),
            ErrorKind::Duplicate {
                row: 2,
                first: 0,
                ..
            }
        ));
        assert!(keys.check(4).is_err());
    }

    #[test]
    fn distinct_counts_only_keys_in_use() {
        let keys = KeyColumn::new(["a", "b", "a", "c"]);
        assert_eq!(keys.n_distinct(), 3);
        assert_eq!(keys.select(&[0, 2]).n_distinct(), 1);
        assert_eq!(keys.label(2), "a");
    }
}
