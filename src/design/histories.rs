//! Who had what on which day: plain data for sequences and pathways.

use std::collections::BTreeMap;

use crate::design::hierarchy::Hierarchy;
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
/// let histories = Histories::from_days(3, events)?.followed_until([(0, 75), (1, 90)])?;
/// assert_eq!((histories.n_patients(), histories.n_events()), (3, 3));
/// assert_eq!(histories.names(), ["E11", "metformin"]);
/// assert_eq!(histories.first_days(0), [Some(10), Some(3), None]);
/// assert_eq!((histories.until(0), histories.until(2)), (Some(75), None));
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
    /// Last day on which a patient was observed, where it was said.
    until: Vec<Option<i32>>,
    /// Items above every item, increasing.
    above: Vec<Vec<u32>>,
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
        let above = vec![Vec::new(); known.len()];
        let names = known.into_keys().collect();
        Ok(Self::of_rows(names, above, rows, vec![None; n_patients]))
    }

    /// From patients, days and items in any order.
    fn of_rows(
        names: Vec<String>,
        above: Vec<Vec<u32>>,
        mut rows: Vec<(u32, i32, u32)>,
        until: Vec<Option<i32>>,
    ) -> Self {
        let n_patients = until.len();
        rows.sort_unstable();
        rows.dedup();
        let mut starts = vec![0; n_patients + 1];
        for row in &rows {
            starts[row.0 as usize + 1] += 1;
        }
        for patient in 0..n_patients {
            starts[patient + 1] += starts[patient];
        }
        Self {
            names,
            starts,
            days: rows.iter().map(|row| row.1).collect(),
            items: rows.iter().map(|row| row.2).collect(),
            until,
            above,
        }
    }

    /// Every event comes with all that stands above it, on the same day.
    ///
    /// A pattern then holds no item beside its own ancestor on one day, and no pair is made of the two; over
    /// several days they may follow one another. A step of a pathway leaves out what stands above
    /// another of its items.
    ///
    /// ```
    /// use galen::design::{Hierarchy, Histories};
    ///
    /// # fn main() -> galen::Result<()> {
    /// let icd = Hierarchy::new([("E11.9", "E11"), ("E11.2", "E11")])?;
    /// let events = [(0, 10, "E11.9"), (1, 3, "E11.2"), (1, 3, "I10")];
    /// let histories = Histories::from_days(2, events)?.with_ancestors(&icd);
    /// assert_eq!(histories.names(), ["E11", "E11.2", "E11.9", "I10"]);
    /// assert_eq!(histories.first_days(0), [Some(10), Some(3)]);
    /// assert_eq!(histories.above(1), [0]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_ancestors(self, hierarchy: &Hierarchy) -> Self {
        self.renamed(hierarchy, |name| {
            let mut names = above_of(hierarchy, name);
            names.push(name.to_string());
            names
        })
    }

    /// Replaces items by what stands above them and is a group: categories, blocks, classes. An item that is a
    /// group itself, or that no group stands above, stays as it is.
    ///
    /// ```
    /// use galen::design::{Hierarchy, Histories};
    ///
    /// # fn main() -> galen::Result<()> {
    /// let atc = Hierarchy::by_prefix(["A10BA02", "A10AE04"], &[1, 3, 4])?;
    /// let events = [(0, 1, "A10BA02"), (0, 1, "A10AE04"), (0, 9, "surgery")];
    /// let histories = Histories::from_days(1, events)?.rolled_up(&atc, |group| group.len() == 3);
    /// assert_eq!((histories.names(), histories.n_events()), (["A10", "surgery"].map(String::from).as_slice(), 2));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn rolled_up(self, hierarchy: &Hierarchy, is_group: impl Fn(&str) -> bool) -> Self {
        self.renamed(hierarchy, |name| {
            let mut names = above_of(hierarchy, name);
            names.retain(|above| is_group(above));
            if names.is_empty() || is_group(name) {
                names.push(name.to_string());
            }
            names
        })
    }

    /// Gives every item these names instead of its own.
    fn renamed(&self, hierarchy: &Hierarchy, names: impl Fn(&str) -> Vec<String>) -> Self {
        let of_item: Vec<Vec<String>> = self.names.iter().map(|name| names(name)).collect();
        let mut all: Vec<String> = of_item.iter().flatten().cloned().collect();
        all.sort_unstable();
        all.dedup();
        let place = |name: &String| all.binary_search(name).ok().map(|at| at as u32);
        let items_of = |names: &[String]| names.iter().filter_map(place).collect::<Vec<u32>>();
        let of_item: Vec<Vec<u32>> = of_item.iter().map(|names| items_of(names)).collect();
        let above = all.iter().map(|name| items_of(&above_of(hierarchy, name)));
        let above: Vec<Vec<u32>> = above.collect();
        let mut rows = Vec::with_capacity(self.n_events());
        for patient in 0..self.n_patients() {
            for (day, item) in self.events(patient) {
                let own = of_item[item as usize].iter();
                rows.extend(own.map(|item| (patient as u32, day, *item)));
            }
        }
        Self::of_rows(all, above, rows, self.until.clone())
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

    /// Says until which day patients were observed. Of several days of a patient the last counts.
    ///
    /// Whoever asks how soon something follows needs an end for every patient with events
    /// (`TimeTo` of the module `association`): the day of death, of leaving, or on which the data were
    /// taken.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for a patient that is not there, and for an end before the patient's last
    /// event, naming the row in the ends: either the end is wrong or the event.
    pub fn followed_until(mut self, ends: impl IntoIterator<Item = (usize, i32)>) -> Result<Self> {
        const WHAT: &str = "ends of follow-up";
        let mut rows: BTreeMap<usize, usize> = BTreeMap::new();
        for (at, (patient, day)) in ends.into_iter().enumerate() {
            let until = self
                .until
                .get_mut(patient)
                .ok_or_else(|| outside(WHAT, at, "patients that are there"))?;
            if *until < Some(day) {
                *until = Some(day);
                rows.insert(patient, at);
            }
        }
        for (patient, row) in rows {
            if self.until[patient] < self.last_day(patient) {
                return Err(outside(WHAT, row, "no day before the patient's last event"));
            }
        }
        Ok(self)
    }

    /// Takes the day of the last event for the end of every patient of whom none was said.
    ///
    /// A record rarely ends because observation does: who was well came no more. Times to an event are
    /// then biased, as nobody is seen to stay free of it after the last visit: shares with the event come
    /// out too high and medians too short. For data in which every visit is an event and nothing else is
    /// known; say so where you report it.
    ///
    /// ```
    /// use galen::design::Histories;
    ///
    /// # fn main() -> galen::Result<()> {
    /// let histories = Histories::from_days(2, [(0, 10, "E11"), (0, 40, "I10"), (1, 3, "E11")])?;
    /// assert_eq!(histories.until(0), None);
    /// let histories = histories.followed_until([(1, 90)])?.followed_to_last_event();
    /// assert_eq!((histories.until(0), histories.until(1)), (Some(40), Some(90)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn followed_to_last_event(mut self) -> Self {
        for patient in 0..self.n_patients() {
            self.until[patient] = self.until[patient].or(self.last_day(patient));
        }
        self
    }

    fn last_day(&self, patient: usize) -> Option<i32> {
        let own = &self.days[self.starts[patient]..self.starts[patient + 1]];
        own.last().copied()
    }

    /// Refuses patients with events of whom no end is known.
    pub(crate) fn require_ends(&self) -> Result<()> {
        let unknown =
            |patient: &usize| self.until[*patient].is_none() && self.last_day(*patient).is_some();
        match (0..self.n_patients()).find(unknown) {
            None => Ok(()),
            Some(patient) => Err(outside(
                "ends of follow-up",
                patient,
                "an end for every patient with events: call `Histories::followed_until`, or \
                 `Histories::followed_to_last_event` where nothing but the events is known",
            )),
        }
    }

    /// Number of patients, those without events among them.
    pub fn n_patients(&self) -> usize {
        self.until.len()
    }

    /// Items above an item in the hierarchy that was given, increasing.
    ///
    /// # Panics
    /// When there is no such item.
    pub fn above(&self, item: u32) -> &[u32] {
        &self.above[item as usize]
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

    /// The last day on which a patient was observed; `None` where nobody said it.
    ///
    /// # Panics
    /// When there is no such patient.
    pub fn until(&self, patient: usize) -> Option<i32> {
        self.until[patient]
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

    /// Whether one of two items stands above the other.
    pub(crate) fn related(&self, a: u32, b: u32) -> bool {
        let above = |a: u32, b: u32| self.above(b).binary_search(&a).is_ok();
        above(a, b) || above(b, a)
    }

    pub(crate) fn all_above(&self) -> &[Vec<u32>] {
        &self.above
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

fn above_of(hierarchy: &Hierarchy, name: &str) -> Vec<String> {
    let above = hierarchy.ancestors(name).into_iter();
    above.map(String::from).collect()
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
#[path = "histories_tests.rs"]
mod tests;
