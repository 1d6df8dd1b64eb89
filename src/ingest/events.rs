//! Long coded events: who, when, which code, which value.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::error::{ErrorKind, Result};
use crate::ingest::fields::Fields;
use crate::matrix::{KeyColumn, Time};
use crate::numeric::parallel;

/// Something that happened to a patient: a diagnosis, a laboratory value, a drug, a visit.
///
/// ```
/// use galen::ingest::Event;
/// use galen::matrix::Time;
/// let event = Event::new("p1", Time(0), "4548-4").value(6.1).unit("%");
/// assert_eq!(event.unit.as_deref(), Some("%"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Patient, as in the row keys of the index table.
    pub patient: String,
    /// When it happened.
    pub time: Time,
    /// Code in some terminology.
    pub code: String,
    /// Measured value, where there is one.
    pub value: Option<f64>,
    /// Unit of the value.
    pub unit: Option<String>,
}

impl Event {
    /// An event without a value.
    pub fn new(patient: impl Into<String>, time: Time, code: impl Into<String>) -> Self {
        Self {
            patient: patient.into(),
            time,
            code: code.into(),
            value: None,
            unit: None,
        }
    }

    /// Sets the measured value.
    #[must_use]
    pub fn value(mut self, value: f64) -> Self {
        self.value = Some(value);
        self
    }

    /// Sets the unit of the value.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }
}

/// Position that stands for no unit.
pub(super) const NO_UNIT: u32 = u32::MAX;
/// Order key that stands for no value: that of no finite number.
pub(super) const NO_VALUE: u64 = u64::MAX;

/// One event, in the order in which a table is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) patient: u32,
    pub(super) time: Time,
    pub(super) code: u32,
    pub(super) unit: u32,
    pub(super) value: u64,
}

impl Row {
    /// The value, where there is one.
    pub(super) fn value(&self) -> Option<f64> {
        (self.value != NO_VALUE).then(|| from_order(self.value))
    }
}

/// Events sorted by patient and time.
///
/// The same events in any order make the same table. Memory: 32 bytes per event, and every distinct
/// patient, code and unit once.
///
/// ```
/// use galen::ingest::{Event, EventTable};
/// use galen::matrix::{Span, Time};
///
/// # fn main() -> galen::Result<()> {
/// let events = EventTable::new([
///     Event::new("p2", Time(0), "E11.9"),
///     Event::new("p1", Time(0) + Span::days(3), "4548-4").value(7.2).unit("%"),
///     Event::new("p1", Time(0), "I10"),
/// ])?;
/// assert_eq!((events.len(), events.n_patients()), (3, 2));
/// assert_eq!(events.codes(), ["4548-4", "E11.9", "I10"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct EventTable {
    pub(super) rows: Vec<Row>,
    patients: Vec<String>,
    starts: Vec<usize>,
    pub(super) codes: Vec<String>,
    pub(super) units: Vec<String>,
    observed: Vec<Option<Time>>,
}

impl EventTable {
    /// Sorts events. Cost: `n log n` comparisons, in parallel; one pass when they are sorted.
    ///
    /// # Errors
    /// [`ErrorKind::NonFinite`] for a value that is NaN or infinite.
    pub fn new(events: impl IntoIterator<Item = Event>) -> Result<Self> {
        let mut parts = EventParts::new();
        for event in events {
            parts.push(&event)?;
        }
        Ok(parts.sorted())
    }

    /// Says until when patients were observed: outcomes are censored there.
    ///
    /// Patients without events may be named too; a patient named twice keeps the later time.
    #[must_use]
    pub fn observed_until<P: AsRef<str>>(
        mut self,
        ends: impl IntoIterator<Item = (P, Time)>,
    ) -> Self {
        let mut known: BTreeMap<String, Option<Time>> = (self.patients.iter().cloned())
            .zip(std::mem::take(&mut self.observed))
            .collect();
        for (patient, end) in ends {
            let slot = known.entry(patient.as_ref().to_string()).or_default();
            *slot = (*slot).max(Some(end));
        }
        // Patients without events have an empty range of rows.
        let starts = known.keys().map(|patient| match self.position(patient) {
            Some(position) => self.starts.get(position).copied().unwrap_or(0),
            None => {
                let after = self.patients.partition_point(|p| p < patient);
                self.starts.get(after).copied().unwrap_or(self.rows.len())
            }
        });
        let mut starts: Vec<usize> = starts.collect();
        starts.push(self.rows.len());
        self.starts = starts;
        self.observed = known.values().copied().collect();
        self.patients = known.into_keys().collect();
        self
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no events.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Number of patients.
    pub fn n_patients(&self) -> usize {
        self.patients.len()
    }

    /// Events as (position of the patient, time, code), by patient and time.
    pub fn timed(&self) -> impl Iterator<Item = (usize, Time, &str)> + '_ {
        // Patients that were named for their observation alone move positions, not rows.
        let patients = self.starts.windows(2).enumerate();
        patients.flat_map(move |(patient, range)| {
            let rows = self.rows.get(range[0]..range[1]).unwrap_or_default();
            rows.iter().filter_map(move |row| {
                Some((
                    patient,
                    row.time,
                    self.codes.get(row.code as usize)?.as_str(),
                ))
            })
        })
    }

    /// The distinct codes, sorted.
    pub fn codes(&self) -> &[String] {
        &self.codes
    }

    fn position(&self, patient: &str) -> Option<usize> {
        self.patients
            .binary_search_by(|known| known.as_str().cmp(patient))
            .ok()
    }

    /// Events and end of observation of every label of a key column; `None` for unknown patients.
    pub(super) fn histories(&self, keys: &KeyColumn) -> Vec<Option<History>> {
        keys.labels()
            .iter()
            .map(|label| {
                let position = self.position(label)?;
                let start = self.starts.get(position).copied()?;
                let end = self.starts.get(position + 1).copied()?;
                Some(History {
                    rows: start..end,
                    observed: self.observed.get(position).copied().flatten(),
                })
            })
            .collect()
    }
}

/// Where a patient's events stand.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) rows: Range<usize>,
    pub(super) observed: Option<Time>,
}

/// Number of the text of a row.
pub(super) fn code_at(fields: &Fields, row: usize) -> u32 {
    fields.codes().get(row).copied().unwrap_or(0)
}

/// Events before they are sorted, with texts numbered as they came.
pub(super) struct EventParts {
    pub(super) rows: Vec<Row>,
    pub(super) patients: Fields,
    pub(super) codes: Fields,
    pub(super) units: Fields,
    /// Texts that stand for no unit.
    pub(super) no_unit: BTreeSet<String>,
}

impl EventParts {
    fn new() -> Self {
        Self {
            rows: Vec::new(),
            patients: Fields::whole(),
            codes: Fields::whole(),
            units: Fields::whole(),
            no_unit: Default::default(),
        }
    }

    fn push(&mut self, event: &Event) -> Result<()> {
        let index = self.rows.len();
        if event.value.is_some_and(|value| !value.is_finite()) {
            return Err(ErrorKind::NonFinite {
                what: "events",
                row: Some(index),
                column: Some("value".into()),
                rule: "finite values, or none",
            }
            .into());
        }
        let number = |fields: &mut Fields, text: &str| {
            fields.push(text.as_bytes(), 0, text.len());
            code_at(fields, index)
        };
        let unit = event.unit.as_deref().unwrap_or("");
        self.rows.push(Row {
            patient: number(&mut self.patients, &event.patient),
            time: event.time,
            code: number(&mut self.codes, &event.code),
            unit: number(&mut self.units, unit),
            value: to_order(event.value),
        });
        Ok(())
    }

    /// Renumbers texts in sorted order and sorts the rows: the order of arrival is forgotten.
    pub(super) fn sorted(self) -> EventTable {
        let none = |text: &str| text.is_empty() || self.no_unit.contains(text);
        let (patients, patient_rank) = ranked(&self.patients, |_| false);
        let (codes, code_rank) = ranked(&self.codes, |_| false);
        let (units, unit_rank) = ranked(&self.units, none);
        let rank = |ranks: &[u32], code: u32| ranks.get(code as usize).copied().unwrap_or(NO_UNIT);
        let mut rows = self.rows;
        for row in &mut rows {
            row.patient = rank(&patient_rank, row.patient);
            row.code = rank(&code_rank, row.code);
            row.unit = rank(&unit_rank, row.unit);
        }
        if !rows.is_sorted() {
            parallel::sort_keys(&mut rows);
        }
        let mut starts = Vec::with_capacity(patients.len() + 1);
        let mut start = 0;
        for patient in 0..patients.len() as u32 {
            starts.push(start);
            start += rows
                .get(start..)
                .unwrap_or_default()
                .partition_point(|row| row.patient <= patient);
        }
        starts.push(rows.len());
        EventTable {
            rows,
            observed: vec![None; patients.len()],
            patients,
            starts,
            codes,
            units,
        }
    }
}

/// Sorted texts without those that stand for nothing, and the rank of each number among them.
fn ranked(fields: &Fields, nothing: impl Fn(&str) -> bool) -> (Vec<String>, Vec<u32>) {
    let mut order: Vec<u32> = (0..fields.n_texts() as u32)
        .filter(|code| !nothing(fields.string(*code)))
        .collect();
    order.sort_unstable_by_key(|code| fields.text(*code));
    let mut ranks = vec![NO_UNIT; fields.n_texts()];
    for (rank, code) in order.iter().enumerate() {
        if let Some(slot) = ranks.get_mut(*code as usize) {
            *slot = rank as u32;
        }
    }
    let texts = order.iter().map(|code| fields.string(*code).to_string());
    (texts.collect(), ranks)
}

/// A whole number whose order is that of the values; zeros of both signs are one.
pub(super) fn to_order(value: Option<f64>) -> u64 {
    match value {
        Some(value) if !value.is_nan() => {
            let bits = (value + 0.0).to_bits();
            match bits >> 63 {
                0 => bits | 1 << 63,
                _ => !bits,
            }
        }
        _ => NO_VALUE,
    }
}

fn from_order(key: u64) -> f64 {
    f64::from_bits(match key >> 63 {
        0 => !key,
        _ => key & !(1 << 63),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_keys_keep_values_and_their_order() {
        let values = [f64::MIN, -1.5, -5e-324, 0.0, 5e-324, 2.0, f64::MAX];
        let keys = values.map(|value| to_order(Some(value)));
        assert!(keys.is_sorted());
        assert_eq!(keys.map(from_order), values);
        assert_eq!(to_order(Some(-0.0)), to_order(Some(0.0)));
        assert!(keys.iter().all(|key| *key != NO_VALUE));
    }

    #[test]
    fn the_order_of_arrival_is_forgotten() {
        let events = |order: [usize; 4]| {
            let all = [
                Event::new("b", Time(2), "x").value(1.0).unit("mg"),
                Event::new("a", Time(2), "y"),
                Event::new("a", Time(1), "z").value(2.0).unit("g"),
                Event::new("a", Time(2), "x"),
            ];
            EventTable::new(order.map(|i| all[i].clone())).unwrap()
        };
        let table = events([0, 1, 2, 3]);
        assert_eq!(table, events([3, 2, 1, 0]));
        assert_eq!(table, events([2, 0, 3, 1]));
        assert_eq!(table.starts, [0, 3, 4]);
        assert_eq!(table.units, ["g", "mg"]);
    }

    #[test]
    fn values_must_be_finite() {
        let error = EventTable::new([Event::new("a", Time(0), "x").value(f64::NAN)]).unwrap_err();
        assert!(matches!(
            error.kind(),
            ErrorKind::NonFinite { row: Some(0), .. }
        ));
    }

    #[test]
    fn ends_of_observation_may_name_patients_without_events() {
        let table = EventTable::new([Event::new("b", Time(2), "x"), Event::new("d", Time(2), "x")])
            .unwrap()
            .observed_until([
                ("c", Time(9)),
                ("b", Time(5)),
                ("b", Time(4)),
                ("e", Time(1)),
            ]);
        let keys = KeyColumn::new(["a", "b", "c", "d", "e"]);
        let found: Vec<_> = table
            .histories(&keys)
            .into_iter()
            .map(|history| history.map(|h| (h.rows, h.observed)))
            .collect();
        assert_eq!(
            found,
            [
                None,
                Some((0..1, Some(Time(5)))),
                Some((1..1, Some(Time(9)))),
                Some((1..2, None)),
                Some((2..2, Some(Time(1)))),
            ]
        );
    }
}
