//! What happened after the index time: outcomes by time at risk.

use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};
use crate::ingest::events::{EventTable, History};
use crate::ingest::matcher::CodeMatcher;
use crate::ingest::window_scan::index_of;
use crate::matrix::{Binary, PatientMatrix, Span, Survival, Time};

/// The first event after the index time, in the window `(index, index + horizon]`.
///
/// No event of this window can be a feature: [`WindowFeatures`](crate::ingest::WindowFeatures) ends
/// where it begins. (With `include_index` an event at the index time is a feature; it is never an
/// outcome.)
///
/// ```
/// use galen::ingest::{Event, EventTable, OutcomeSpec};
/// use galen::matrix::{PatientMatrix, RowKeys, Span, Time};
///
/// # fn main() -> galen::Result<()> {
/// let day = |n| Time(0) + Span::days(n);
/// let events = EventTable::new([
///     Event::new("a", day(100), "readmitted"), // at the index time: not an outcome
///     Event::new("b", day(112), "readmitted"),
/// ])?
/// .observed_until([("a", day(120)), ("b", day(150)), ("c", day(200))]);
/// let keys = RowKeys::none().patients(["a", "b", "c"]).times([day(100); 3]);
/// let index = PatientMatrix::from_columns([("age", vec![54.0, 61.0, 70.0])])?.with_keys(keys)?;
///
/// let outcome = OutcomeSpec::new("readmitted").within(Span::days(30)).named("readmitted in 30 d");
/// assert_eq!(outcome.binary(&index, &events)?.n_events(), 1);
/// assert_eq!(outcome.observed(&index, &events)?, [false, true, true]);
/// let survival = outcome.survival(&index, &events)?;
/// assert_eq!(survival.times().to_vec(), [20.0, 12.0, 30.0]);
/// assert_eq!(survival.events().to_vec(), [false, true, false]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutcomeSpec {
    codes: CodeMatcher,
    horizon: Option<Span>,
    name: Option<String>,
}

/// What is known of one row.
#[derive(Debug, Clone, Copy)]
struct Course {
    index: Time,
    /// First event within the horizon and the observation.
    event: Option<Time>,
    /// End of the horizon, where there is one.
    horizon: Option<Time>,
    /// End of observation, where there is one.
    observed: Option<Time>,
}

impl OutcomeSpec {
    /// An outcome of the given codes, without a horizon.
    pub fn new(codes: impl Into<CodeMatcher>) -> Self {
        Self {
            codes: codes.into(),
            horizon: None,
            name: None,
        }
    }

    /// Looks ahead no further than `horizon`.
    #[must_use]
    pub fn within(mut self, horizon: Span) -> Self {
        self.horizon = Some(horizon);
        self
    }

    /// Names the event of the target; default are the codes.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Whether the event happened within the horizon, for every row of `index`.
    ///
    /// A row whose observation ends before the horizon counts as without event: drop the rows that
    /// [`Self::observed`] names, or use [`Self::survival`].
    ///
    /// # Errors
    /// [`ErrorKind::MissingKeys`] where `index` lacks patients or index times;
    /// [`ErrorKind::Parameter`] for a horizon of zero or less; [`ErrorKind::OutOfRange`] for a row
    /// whose observation ends before its index time.
    pub fn binary(&self, index: &PatientMatrix, events: &EventTable) -> Result<Binary> {
        let courses = self.courses(index, events)?;
        let name = self.name.clone().unwrap_or_else(|| self.codes.to_string());
        Ok(Binary::from_flags(
            name,
            courses.iter().map(|course| course.event.is_some()),
        ))
    }

    /// Whether each row's answer is known: the event happened, or observation reaches the horizon.
    /// Patients without an end of observation count as observed.
    ///
    /// # Errors
    /// As [`Self::binary`].
    pub fn observed(&self, index: &PatientMatrix, events: &EventTable) -> Result<Vec<bool>> {
        let courses = self.courses(index, events)?;
        Ok(courses
            .iter()
            .map(|course| {
                course.event.is_some()
                    || course
                        .observed
                        .is_none_or(|end| course.horizon.is_some_and(|h| end >= h))
            })
            .collect())
    }

    /// Days from the index time to the event, censored at the end of observation or at the horizon,
    /// whichever is first.
    ///
    /// # Errors
    /// As [`Self::binary`]; [`ErrorKind::Undefined`] for a row with neither an event, nor a horizon,
    /// nor an end of observation.
    pub fn survival(&self, index: &PatientMatrix, events: &EventTable) -> Result<Survival> {
        let courses = self.courses(index, events)?;
        let mut times = Vec::with_capacity(courses.len());
        for course in &courses {
            let censored = match (course.horizon, course.observed) {
                (Some(horizon), Some(observed)) => Some(horizon.min(observed)),
                (horizon, observed) => horizon.or(observed),
            };
            let end = course.event.or(censored).ok_or(ErrorKind::Undefined {
                what: "follow-up time",
                reason: "a row has no event, no horizon and no end of observation",
            })?;
            times.push((end - course.index).as_days());
        }
        Survival::new(times, courses.iter().map(|course| course.event.is_some()))
    }

    fn courses(&self, index: &PatientMatrix, events: &EventTable) -> Result<Vec<Course>> {
        if let Some(horizon) = self.horizon.filter(|span| *span <= Span(0)) {
            return Err(ErrorKind::Parameter {
                estimator: "OutcomeSpec",
                name: "within",
                value: format!("{horizon:?}"),
                rule: "longer than zero",
            }
            .into());
        }
        let (histories, patients, times) = index_of(index, events, "OutcomeSpec")?;
        let mut wanted = vec![false; events.codes().len()];
        for position in self.codes.positions(events.codes()) {
            if let Some(slot) = wanted.get_mut(position as usize) {
                *slot = true;
            }
        }
        let mut courses = Vec::with_capacity(times.len());
        for (row, (patient, time)) in patients.iter().zip(times).enumerate() {
            let history = histories.get(*patient as usize).and_then(Option::as_ref);
            courses.push(self.course(history, events, &wanted, *time, row)?);
        }
        Ok(courses)
    }

    fn course(
        &self,
        history: Option<&History>,
        events: &EventTable,
        wanted: &[bool],
        index: Time,
        row: usize,
    ) -> Result<Course> {
        let horizon = self.horizon.map(|span| index + span);
        let observed = history.and_then(|history| history.observed);
        if observed.is_some_and(|end| end < index) {
            return Err(ErrorKind::OutOfRange {
                what: "end of observation",
                row: Some(row),
                column: None,
                rule: "not before the index time",
            }
            .into());
        }
        let rows = history
            .and_then(|history| events.rows.get(history.rows.clone()))
            .unwrap_or_default();
        let start = rows.partition_point(|event| event.time <= index);
        let event = rows
            .get(start..)
            .unwrap_or_default()
            .iter()
            .take_while(|event| {
                horizon.is_none_or(|end| event.time <= end)
                    && observed.is_none_or(|end| event.time <= end)
            })
            .find(|event| wanted.get(event.code as usize).copied().unwrap_or(false))
            .map(|event| event.time);
        Ok(Course {
            index,
            event,
            horizon,
            observed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Event;
    use crate::matrix::RowKeys;

    fn day(n: i64) -> Time {
        Time(0) + Span::days(n)
    }

    fn index(rows: &[(&str, i64)]) -> PatientMatrix {
        let keys = RowKeys::none()
            .patients(rows.iter().map(|(patient, _)| patient))
            .times(rows.iter().map(|(_, time)| day(*time)));
        PatientMatrix::from_columns([("x", vec![0.0; rows.len()])])
            .unwrap()
            .with_keys(keys)
            .unwrap()
    }

    #[test]
    fn windows_are_open_at_the_index_time_and_closed_at_the_horizon() {
        let events =
            EventTable::new([Event::new("a", day(10), "d"), Event::new("a", day(40), "d")])
                .unwrap();
        let outcome = OutcomeSpec::new("d").within(Span::days(30));
        let rows = index(&[("a", 9), ("a", 10), ("a", 11), ("a", 40), ("unknown", 0)]);
        let target = outcome.binary(&rows, &events).unwrap();
        assert_eq!(target.values().to_vec(), [true, true, true, false, false]);
        let survival = outcome.survival(&rows, &events).unwrap();
        assert_eq!(survival.times().to_vec(), [1.0, 30.0, 29.0, 30.0, 30.0]);
    }

    #[test]
    fn what_cannot_be_known_is_refused() {
        let events = EventTable::new([Event::new("a", day(10), "d")]).unwrap();
        let open = OutcomeSpec::new("d");
        assert!(open.survival(&index(&[("a", 9)]), &events).is_ok());
        assert!(matches!(
            open.survival(&index(&[("a", 11)]), &events)
                .unwrap_err()
                .kind(),
            ErrorKind::Undefined { .. }
        ));
        assert!(
            open.clone()
                .within(Span(0))
                .binary(&index(&[("a", 9)]), &events)
                .is_err()
        );
        let ended = events.clone().observed_until([("a", day(5))]);
        assert!(matches!(
            open.binary(&index(&[("a", 9)]), &ended).unwrap_err().kind(),
            ErrorKind::OutOfRange { row: Some(0), .. }
        ));
        // An event after the end of observation did not happen under observation.
        assert_eq!(
            open.binary(&index(&[("a", 4)]), &ended).unwrap().n_events(),
            0
        );
        let bare = PatientMatrix::from_columns([("x", vec![0.0])]).unwrap();
        assert!(open.binary(&bare, &events).is_err());
    }
}
