//! Who had what on which day: plain data for sequences and pathways.

use std::collections::BTreeMap;

use crate::error::{ErrorKind, Result};
use crate::matrix::Time;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Events of patients by day.
///
/// Days are whole numbers, such as days since 1 January 1970; what happens on one day happens together.
///
/// ```
/// use galen::design::Histories;
///
/// # fn main() -> galen::Result<()> {
/// let events = [(0, 10, "E11"), (0, 40, "metformin"), (1, 3, "E11"), (0, 10, "E11")];
/// let histories = Histories::from_days(3, events)?.followed_until([(1, 90)])?;
/// assert_eq!((histories.n_patients(), histories.n_events()), (3, 3));
/// assert_eq!(histories.names(), ["E11", "metformin"]);
/// assert_eq!(histories.first_days(0), [Some(10), Some(3), None]);
/// assert_eq!((histories.until(0), histories.until(1)), (Some(40), Some(90)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Histories {
    names: Vec<String>,
    /// First event of every patient, and the end.
    starts: Vec<usize>,
    days: Vec<i32>,
    items: Vec<u32>,
    /// Last day on which a patient was observed.
    until: Vec<Option<i32>>,
}

impl Histories {
    /// From events (patient, day, name) in any order; repeated events count once. Items are numbered in
    /// the order of their names; `n_patients` counts patients without events too.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for a patient that is not below `n_patients`.
    pub fn from_days<S: AsRef<str>>(
        n_patients: usize,
        events: impl IntoIterator<Item = (usize, i32, S)>,
    ) -> Result<Self> {
        let mut known: BTreeMap<String, u32> = BTreeMap::new();
        let mut rows: Vec<(u32, i32, u32)> = Vec::new();
        for (at, (patient, day, name)) in events.into_iter().enumerate() {
            if patient >= n_patients || u32::try_from(patient).is_err() {
                return Err(outside(
                    "events",
                    at,
                    "patients below the number of patients",
                ));
            }
            let next = known.len() as u32;
            let item = match known.get(name.as_ref()) {
                Some(item) => *item,
                None => *known.entry(name.as_ref().into()).or_insert(next),
            };
            rows.push((patient as u32, day, item));
        }
        let mut places = vec![0; known.len()];
        for (place, first) in known.values().enumerate() {
            places[*first as usize] = place as u32;
        }
        for row in &mut rows {
            row.2 = places[row.2 as usize];
        }
        rows.sort_unstable();
        rows.dedup();
        let mut starts = vec![0; n_patients + 1];
        for row in &rows {
            starts[row.0 as usize + 1] += 1;
        }
        for patient in 0..n_patients {
            starts[patient + 1] += starts[patient];
        }
        Ok(Self {
            names: known.into_keys().collect(),
            starts,
            days: rows.iter().map(|row| row.1).collect(),
            items: rows.iter().map(|row| row.2).collect(),
            until: vec![None; n_patients],
        })
    }

    /// From events at times; a day runs from midnight to midnight, UTC.
    ///
    /// ```
    /// use galen::design::Histories;
    /// use galen::ingest::{Event, EventTable};
    /// use galen::matrix::{Span, Time};
    ///
    /// # fn main() -> galen::Result<()> {
    /// let events = EventTable::new([
    ///     Event::new("p2", Time(0), "E11.9"),
    ///     Event::new("p1", Time(0) + Span::days(3), "I10"),
    /// ])?;
    /// let histories = Histories::from_times(events.n_patients(), events.timed())?;
    /// assert_eq!(histories.first_days(1), [Some(3), None]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::from_days`]; [`ErrorKind::OutOfRange`] for a time more than 2^31 days away.
    pub fn from_times<S: AsRef<str>>(
        n_patients: usize,
        events: impl IntoIterator<Item = (usize, Time, S)>,
    ) -> Result<Self> {
        let day = |(at, (patient, time, name)): (usize, (usize, Time, S))| match i32::try_from(
            time.0.div_euclid(DAY),
        ) {
            Ok(day) => Ok((patient, day, name)),
            Err(_) => Err(outside("events", at, "times within 2^31 days of 1970")),
        };
        let events: Result<Vec<(usize, i32, S)>> =
            events.into_iter().enumerate().map(day).collect();
        Self::from_days(n_patients, events?)
    }

    /// Says until which day patients were observed; without it the day of the last event is taken. Of
    /// several days of a patient the last counts, and no day before the last event.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for a patient that is not there.
    pub fn followed_until(mut self, ends: impl IntoIterator<Item = (usize, i32)>) -> Result<Self> {
        for (at, (patient, day)) in ends.into_iter().enumerate() {
            match self.until.get_mut(patient) {
                Some(until) => *until = (*until).max(Some(day)),
                None => return Err(outside("ends of follow-up", at, "patients that are there")),
            }
        }
        Ok(self)
    }

    /// Number of patients, those without events among them.
    pub fn n_patients(&self) -> usize {
        self.until.len()
    }

    /// Number of events, repeated ones once.
    pub fn n_events(&self) -> usize {
        self.days.len()
    }

    /// Names of all items, sorted.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The item of a name.
    pub fn find(&self, name: &str) -> Option<u32> {
        let found = self
            .names
            .binary_search_by(|known| known.as_str().cmp(name));
        found.ok().map(|item| item as u32)
    }

    /// The last day on which a patient was observed; `None` for one without events and without end.
    ///
    /// # Panics
    /// When there is no such patient.
    pub fn until(&self, patient: usize) -> Option<i32> {
        let last = self.days[self.starts[patient]..self.starts[patient + 1]].last();
        last.copied().max(self.until[patient])
    }

    /// Events of a patient as (day, item), by day and then by item.
    ///
    /// # Panics
    /// When there is no such patient.
    pub fn events(&self, patient: usize) -> impl ExactSizeIterator<Item = (i32, u32)> + '_ {
        let range = self.starts[patient]..self.starts[patient + 1];
        range.map(|at| (self.days[at], self.items[at]))
    }

    /// The first day of an item, by patient.
    pub fn first_days(&self, item: u32) -> Vec<Option<i64>> {
        let first = |patient: usize| {
            let mut own = self.events(patient).filter(|event| event.1 == item);
            own.next().map(|event| i64::from(event.0))
        };
        (0..self.n_patients()).map(first).collect()
    }

    pub(crate) fn starts(&self) -> &[usize] {
        &self.starts
    }

    pub(crate) fn days(&self) -> &[i32] {
        &self.days
    }

    pub(crate) fn items(&self) -> &[u32] {
        &self.items
    }
}

fn outside(what: &'static str, row: usize, rule: &'static str) -> crate::Error {
    ErrorKind::OutOfRange {
        what,
        row: Some(row),
        column: None,
        rule,
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Span;

    #[test]
    fn events_are_sorted_and_count_once() {
        let events = [
            (1, 5, "b"),
            (0, 9, "a"),
            (1, 5, "a"),
            (1, 2, "c"),
            (1, 5, "b"),
        ];
        let histories = Histories::from_days(3, events).unwrap();
        assert_eq!(
            histories.events(1).collect::<Vec<_>>(),
            [(2, 2), (5, 0), (5, 1)]
        );
        assert_eq!(histories.events(2).len(), 0);
        assert_eq!((histories.until(1), histories.until(2)), (Some(5), None));
        assert_eq!(histories.find("c"), Some(2));
        assert_eq!(histories.find("d"), None);
    }

    #[test]
    fn follow_up_never_ends_before_the_last_event() {
        let histories = Histories::from_days(1, [(0, 50, "a")]).unwrap();
        let ended = histories
            .clone()
            .followed_until([(0, 20), (0, 10)])
            .unwrap();
        assert_eq!(ended.until(0), Some(50));
        assert!(histories.followed_until([(1, 20)]).is_err());
    }

    #[test]
    fn times_before_1970_have_their_own_day() {
        let at = [
            (0, Time(-1), "a"),
            (0, Time(0), "b"),
            (0, Time(0) + Span::hours(23), "c"),
        ];
        let histories = Histories::from_times(1, at).unwrap();
        let days: Vec<i32> = histories.events(0).map(|event| event.0).collect();
        assert_eq!(days, [-1, 0, 0]);
    }

    #[test]
    fn patients_that_are_not_there_are_refused_by_position() {
        let error = Histories::from_days(1, [(0, 1, "a"), (1, 1, "a")]).unwrap_err();
        assert!(matches!(
            error.kind(),
            ErrorKind::OutOfRange { row: Some(1), .. }
        ));
    }
}
