//! What is learnt: targets without missing values.

use ndarray::Array1;

use crate::error::{ErrorKind, Result};
use crate::matrix::column::{Column, ColumnView};

/// A two-class target whose event is named.
///
/// ```
/// use galen::matrix::Binary;
/// # fn main() -> galen::Result<()> {
/// let target = Binary::event("<30").of_labels(["NO", "<30", "NO"])?;
/// assert_eq!((target.len(), target.n_events()), (3, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    event: String,
    happened: Array1<bool>,
}

/// Names the event of a [`Binary`] target; made by [`Binary::event`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinaryEvent {
    event: String,
    against: Option<String>,
}

impl Binary {
    /// Starts a target whose event is the level `event`; every other level is the non-event.
    pub fn event(event: impl Into<String>) -> BinaryEvent {
        BinaryEvent {
            event: event.into(),
            against: None,
        }
    }

    /// A target from flags; `name` says what `true` means.
    pub fn from_flags(name: impl Into<String>, happened: impl IntoIterator<Item = bool>) -> Self {
        Self {
            event: name.into(),
            happened: happened.into_iter().collect(),
        }
    }

    /// Name of the event.
    pub fn event_name(&self) -> &str {
        &self.event
    }

    /// Whether the event happened, by row.
    pub fn values(&self) -> &Array1<bool> {
        &self.happened
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.happened.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.happened.is_empty()
    }

    /// Number of events.
    pub fn n_events(&self) -> usize {
        self.happened.iter().filter(|event| **event).count()
    }

    /// The given rows.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for a row that does not exist.
    pub fn select_rows(&self, rows: &[usize]) -> Result<Self> {
        Ok(Self {
            event: self.event.clone(),
            happened: select(&self.happened, rows)?,
        })
    }
}

impl BinaryEvent {
    /// Names the only other level that may occur: a third level is then an error.
    #[must_use]
    pub fn against(mut self, level: impl Into<String>) -> Self {
        self.against = Some(level.into());
        self
    }

    /// The target from one label per row.
    ///
    /// # Errors
    /// [`ErrorKind::TargetKind`] when the event does not occur, or when a level other than the
    /// one named by [`Self::against`] does.
    pub fn of_labels<S: AsRef<str>>(&self, labels: impl IntoIterator<Item = S>) -> Result<Binary> {
        let mut others = std::collections::BTreeSet::new();
        let mut happened = Vec::new();
        for label in labels {
            let label = label.as_ref();
            happened.push(label == self.event);
            if label != self.event && others.len() < 3 {
                others.insert(label.to_string());
            }
        }
        if !happened.is_empty() && !happened.contains(&true) {
            return Err(ErrorKind::TargetKind {
                what: "binary target",
                expected: format!("at least one row with the event `{}`", self.event),
                found: "none".into(),
            }
            .into());
        }
        if let Some(against) = &self.against {
            let unexpected = others.iter().filter(|level| *level != against).count();
            if unexpected > 0 {
                return Err(ErrorKind::TargetKind {
                    what: "binary target",
                    expected: format!("the levels `{}` and `{against}` only", self.event),
                    found: "a third level".into(),
                }
                .into());
            }
        }
        Ok(Binary {
            event: self.event.clone(),
            happened: happened.into(),
        })
    }

    /// The target from a categorical column.
    ///
    /// # Errors
    /// As [`Self::of_labels`]; [`ErrorKind::NonFinite`] for a missing value,
    /// [`ErrorKind::TargetKind`] for a column of numbers.
    pub fn of_column(&self, column: ColumnView<'_>) -> Result<Binary> {
        require_levels(column)?;
        let mut labels = Vec::with_capacity(column.len());
        for row in 0..column.len() {
            labels.push(column.level(row).ok_or_else(|| missing_target(row))?);
        }
        self.of_labels(labels)
    }
}

/// A target of two or more classes with their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes {
    labels: Array1<String>,
}

impl Classes {
    /// One class per row.
    pub fn new<S: Into<String>>(labels: impl IntoIterator<Item = S>) -> Self {
        Self {
            labels: labels.into_iter().map(Into::into).collect(),
        }
    }

    /// The target from a categorical column.
    ///
    /// # Errors
    /// [`ErrorKind::NonFinite`] for a missing value, [`ErrorKind::TargetKind`] for numbers.
    pub fn of_column(column: ColumnView<'_>) -> Result<Self> {
        require_levels(column)?;
        let mut labels = Vec::with_capacity(column.len());
        for row in 0..column.len() {
            labels.push(
                column
                    .level(row)
                    .ok_or_else(|| missing_target(row))?
                    .to_string(),
            );
        }
        Ok(Self {
            labels: labels.into(),
        })
    }

    /// Class of each row.
    pub fn values(&self) -> &Array1<String> {
        &self.labels
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The given rows.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for a row that does not exist.
    pub fn select_rows(&self, rows: &[usize]) -> Result<Self> {
        Ok(Self {
            labels: select(&self.labels, rows)?,
        })
    }
}

/// A continuous target: finite numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Values(Array1<f64>);

impl Values {
    /// One finite number per row.
    ///
    /// # Errors
    /// [`ErrorKind::NonFinite`] for NaN or an infinity.
    pub fn new(values: impl IntoIterator<Item = f64>) -> Result<Self> {
        let values: Array1<f64> = values.into_iter().collect();
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(Self(values)),
            Some(row) => Err(ErrorKind::NonFinite {
                what: "target",
                row: Some(row),
                column: None,
                rule: "finite values",
            }
            .into()),
        }
    }

    /// The numbers.
    pub fn values(&self) -> &Array1<f64> {
        &self.0
    }

    /// The given rows.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for a row that does not exist.
    pub fn select_rows(&self, rows: &[usize]) -> Result<Self> {
        Ok(Self(select(&self.0, rows)?))
    }
}

/// A target of whole numbers, zero or more.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts(Array1<f64>);

impl Counts {
    /// One count per row.
    ///
    /// # Errors
    /// [`ErrorKind::NonFinite`] or [`ErrorKind::OutOfRange`] for anything but whole numbers of
    /// zero or more.
    pub fn new(values: impl IntoIterator<Item = f64>) -> Result<Self> {
        let Values(values) = Values::new(values)?;
        match values
            .iter()
            .position(|value| *value < 0.0 || value.fract() != 0.0)
        {
            None => Ok(Self(values)),
            Some(row) => Err(out_of_range(row, "whole numbers of zero or more")),
        }
    }

    /// The counts as numbers.
    pub fn values(&self) -> &Array1<f64> {
        &self.0
    }

    /// The given rows.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for a row that does not exist.
    pub fn select_rows(&self, rows: &[usize]) -> Result<Self> {
        Ok(Self(select(&self.0, rows)?))
    }
}

/// A right-censored time to event.
#[derive(Debug, Clone, PartialEq)]
pub struct Survival {
    times: Array1<f64>,
    events: Array1<bool>,
}

impl Survival {
    /// Follow-up time (zero or more, one unit for all rows) and whether it ended in the event.
    ///
    /// # Errors
    /// [`ErrorKind::LengthMismatch`], [`ErrorKind::NonFinite`], [`ErrorKind::OutOfRange`] for a
    /// negative time.
    pub fn new(
        times: impl IntoIterator<Item = f64>,
        events: impl IntoIterator<Item = bool>,
    ) -> Result<Self> {
        let Values(times) = Values::new(times)?;
        let events: Array1<bool> = events.into_iter().collect();
        if times.len() != events.len() {
            return Err(ErrorKind::LengthMismatch {
                what: "survival events",
                expected: times.len(),
                found: events.len(),
            }
            .into());
        }
        match times.iter().position(|time| *time < 0.0) {
            None => Ok(Self { times, events }),
            Some(row) => Err(out_of_range(row, "times of zero or more")),
        }
    }

    /// Follow-up times.
    pub fn times(&self) -> &Array1<f64> {
        &self.times
    }

    /// Whether follow-up ended in the event.
    pub fn events(&self) -> &Array1<bool> {
        &self.events
    }

    /// The given rows.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for a row that does not exist.
    pub fn select_rows(&self, rows: &[usize]) -> Result<Self> {
        Ok(Self {
            times: select(&self.times, rows)?,
            events: select(&self.events, rows)?,
        })
    }
}

fn select<T: Clone>(values: &Array1<T>, rows: &[usize]) -> Result<Array1<T>> {
    let mut selected = Vec::with_capacity(rows.len());
    for (position, row) in rows.iter().enumerate() {
        match values.get(*row) {
            Some(value) => selected.push(value.clone()),
            None => {
                return Err(ErrorKind::OutOfRange {
                    what: "row selection",
                    row: Some(position),
                    column: None,
                    rule: "row numbers below the number of rows",
                }
                .into());
            }
        }
    }
    Ok(selected.into())
}

fn require_levels(column: ColumnView<'_>) -> Result<()> {
    if matches!(column.column, Column::Categorical(_)) {
        return Ok(());
    }
    Err(ErrorKind::TargetKind {
        what: "class target",
        expected: "a column of levels".into(),
        found: "a column of numbers".into(),
    }
    .into())
}

fn missing_target(row: usize) -> crate::error::Error {
    ErrorKind::NonFinite {
        what: "target",
        row: Some(row),
        column: None,
        rule: "no missing values",
    }
    .into()
}

fn out_of_range(row: usize, rule: &'static str) -> crate::error::Error {
    ErrorKind::OutOfRange {
        what: "target",
        row: Some(row),
        column: None,
        rule,
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_level_is_an_error_when_two_are_named() {
        let labels = ["NO", "<30", ">30"];
        assert_eq!(
            Binary::event("<30").of_labels(labels).unwrap().n_events(),
            1
        );
        let error = Binary::event("<30")
            .against("NO")
            .of_labels(labels)
            .unwrap_err();
        assert!(error.to_string().contains("a third level"));
        assert!(
            !error.to_string().contains(">30"),
            "no cell value in the message"
        );
        assert!(Binary::event("died").of_labels(labels).is_err());
    }

    #[test]
    fn missing_and_impossible_targets_name_the_row() {
        let column = Column::categorical([Some("a"), None]);
        let view = ColumnView {
            column: &column,
            selection: None,
        };
        assert!(
            Classes::of_column(view)
                .unwrap_err()
                .to_string()
                .contains("row 1")
        );
        assert!(Values::new([0.0, f64::NAN]).is_err());
        assert!(
            Counts::new([0.0, 1.5])
                .unwrap_err()
                .to_string()
                .contains("row 1")
        );
        assert!(Counts::new([-1.0]).is_err());
        assert!(Survival::new([1.0, -1.0], [true, false]).is_err());
        assert!(Survival::new([1.0], [true, false]).is_err());
    }

    #[test]
    fn selection_repeats_and_checks() {
        let target = Binary::from_flags("died", [true, false]);
        assert_eq!(target.select_rows(&[0, 0, 1]).unwrap().n_events(), 2);
        assert!(target.select_rows(&[2]).is_err());
    }
}
