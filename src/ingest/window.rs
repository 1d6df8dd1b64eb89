//! Features of events in windows that look back from the index time.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};
use crate::ingest::events::{EventTable, NO_UNIT};
use crate::ingest::matcher::CodeMatcher;
use crate::ingest::window_scan::{self, Planned};
use crate::matrix::{Column, Feature, PatientMatrix, Span};

/// What is computed from the events of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Measure {
    Count,
    Ever,
    Latest,
    Min,
    Max,
    Mean,
    Trend,
    TimeSince,
}

impl Measure {
    fn word(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Ever => "ever",
            Self::Latest => "latest",
            Self::Min => "min",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::Trend => "trend",
            Self::TimeSince => "time_since",
        }
    }

    /// Whether absent means zero: a sparse column.
    pub(super) fn is_sparse(self) -> bool {
        matches!(self, Self::Count | Self::Ever)
    }

    /// Whether events without a value are passed over.
    pub(super) fn needs_value(self) -> bool {
        !matches!(self, Self::Count | Self::Ever | Self::TimeSince)
    }
}

/// One feature of the events before the index time.
///
/// The window is `[index - look-back, index)`: an event at the index time itself belongs to what is
/// to be predicted unless [`WindowFeatures::include_index`] says otherwise. Without
/// [`Self::within`] the window is the whole history.
///
/// | feature | value | without events |
/// | --- | --- | --- |
/// | `count` | number of events | 0, not stored |
/// | `ever` | 1 when there is an event | 0, not stored |
/// | `latest` | value at the latest time; the mean where that time has several | missing |
/// | `min`, `max`, `mean` | of all values | missing |
/// | `trend` | least-squares slope per day; needs two distinct times | missing |
/// | `time_since` | days from the latest event to the index time | missing |
///
/// ```
/// use galen::ingest::FeatureSpec;
/// use galen::matrix::Span;
/// let spec = FeatureSpec::latest("4548-4").within(Span::days(180)).unit("%").named("hba1c");
/// assert_eq!(FeatureSpec::count(["E10*", "E11*"]).name(), "count(E10*|E11*)");
/// assert_eq!(spec.name(), "hba1c");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureSpec {
    pub(super) codes: CodeMatcher,
    pub(super) measure: Measure,
    pub(super) look_back: Option<Span>,
    name: Option<String>,
    unit: Option<String>,
}

impl FeatureSpec {
    fn new(measure: Measure, codes: impl Into<CodeMatcher>) -> Self {
        Self {
            codes: codes.into(),
            measure,
            look_back: None,
            name: None,
            unit: None,
        }
    }

    /// Number of events.
    pub fn count(codes: impl Into<CodeMatcher>) -> Self {
        Self::new(Measure::Count, codes)
    }

    /// Whether there is an event.
    pub fn ever(codes: impl Into<CodeMatcher>) -> Self {
        Self::new(Measure::Ever, codes)
    }

    /// The latest value.
    pub fn latest(codes: impl Into<CodeMatcher>) -> Self {
        Self::new(Measure::Latest, codes)
    }

    /// The smallest value.
    pub fn min(codes: impl Into<CodeMatcher>) -> Self {
        Self::new(Measure::Min, codes)
    }

    /// The largest value.
    pub fn max(codes: impl Into<CodeMatcher>) -> Self {
        Self::new(Measure::Max, codes)
    }

    /// The mean of the values.
    pub fn mean(codes: impl Into<CodeMatcher>) -> Self {
        Self::new(Measure::Mean, codes)
    }

    /// The least-squares slope of the values, per day.
    pub fn trend(codes: impl Into<CodeMatcher>) -> Self {
        Self::new(Measure::Trend, codes)
    }

    /// Days since the latest event.
    pub fn time_since(codes: impl Into<CodeMatcher>) -> Self {
        Self::new(Measure::TimeSince, codes)
    }

    /// Looks back no further than `look_back`.
    #[must_use]
    pub fn within(mut self, look_back: Span) -> Self {
        self.look_back = Some(look_back);
        self
    }

    /// Names the feature; default is what it computes, the codes and the look-back.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the unit that every value must have; without it all values must agree in theirs.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// Name of the feature.
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let measure = self.measure.word();
            match self.look_back {
                Some(span) => format!("{measure}({}, {} d)", self.codes, span.as_days()),
                None => format!("{measure}({})", self.codes),
            }
        })
    }

    fn feature(&self) -> Feature {
        let (name, unit) = (self.name(), self.unit.as_deref());
        match (self.measure, unit) {
            (Measure::Count, _) => Feature::count(name),
            (Measure::Ever, _) => Feature::flag(name),
            (Measure::TimeSince, _) => Feature::numeric(name).unit("d"),
            (Measure::Trend, Some(unit)) => Feature::numeric(name).unit(format!("{unit}/d")),
            (_, Some(unit)) => Feature::numeric(name).unit(unit),
            (_, None) => Feature::numeric(name),
        }
    }

    fn check(&self) -> Result<()> {
        if self.look_back.is_some_and(|span| span <= Span(0)) {
            return Err(ErrorKind::Parameter {
                estimator: "FeatureSpec",
                name: "within",
                value: format!("{:?}", self.look_back.unwrap_or_default()),
                rule: "longer than zero",
            }
            .into());
        }
        Ok(())
    }
}

/// Described columns.
type Columns = Vec<(Feature, Column)>;

/// A count column for every code that enough patients have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct AllCodes {
    min_patients: usize,
    look_back: Option<Span>,
}

/// A list of features over windows; it is applied to an index table and an event table.
///
/// ```
/// use galen::ingest::{Event, EventTable, FeatureSpec, WindowFeatures};
/// use galen::matrix::{PatientMatrix, RowKeys, Span, Time};
///
/// # fn main() -> galen::Result<()> {
/// let day = |n| Time(0) + Span::days(n);
/// let events = EventTable::new([
///     Event::new("p1", day(10), "4548-4").value(7.0).unit("%"),
///     Event::new("p1", day(40), "4548-4").value(8.5).unit("%"),
///     Event::new("p1", day(40), "E11.9"),
///     Event::new("p1", day(100), "E11.9"), // at the index time: not a feature
/// ])?;
/// let index = PatientMatrix::from_columns([("age", vec![54.0, 61.0])])?
///     .with_keys(RowKeys::none().patients(["p1", "p2"]).times([day(100), day(100)]))?;
///
/// let features = WindowFeatures::new()
///     .feature(FeatureSpec::count("E11*").named("diabetes"))
///     .feature(FeatureSpec::latest("4548-4").within(Span::days(90)).named("hba1c"))
///     .feature(FeatureSpec::trend("4548-4").named("hba1c_trend"));
/// let matrix = features.add_to(&index, &events)?;
/// assert_eq!(matrix.column("diabetes")?.to_vec(), [1.0, 0.0]);
/// assert_eq!(matrix.column("hba1c")?.value(0), 8.5);
/// assert!(matrix.column("hba1c")?.is_missing(1));
/// assert!((matrix.column("hba1c_trend")?.value(0) - 1.5 / 30.0).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WindowFeatures {
    specs: Vec<FeatureSpec>,
    all_codes: Option<AllCodes>,
    include_index: bool,
    count_repeats: bool,
}

impl WindowFeatures {
    /// No features yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a feature.
    #[must_use]
    pub fn feature(mut self, spec: FeatureSpec) -> Self {
        self.specs.push(spec);
        self
    }

    /// Adds features.
    #[must_use]
    pub fn features(mut self, specs: impl IntoIterator<Item = FeatureSpec>) -> Self {
        self.specs.extend(specs);
        self
    }

    /// Adds a sparse count column for every code that at least `min_patients` patients of the index
    /// table have in the window; `None` looks at the whole history.
    ///
    /// Which codes these are depends on the table: choose them on training rows with
    /// [`Self::chosen_on`] and apply that to every other table.
    #[must_use]
    pub fn all_codes(mut self, min_patients: usize, look_back: Option<Span>) -> Self {
        self.all_codes = Some(AllCodes {
            min_patients,
            look_back,
        });
        self
    }

    /// Whether events at the index time itself count as before it; default false.
    #[must_use]
    pub fn include_index(mut self, include: bool) -> Self {
        self.include_index = include;
        self
    }

    /// Whether identical events (same patient, time, code, value and unit) count once each;
    /// default false: together they are one.
    #[must_use]
    pub fn count_repeats(mut self, count: bool) -> Self {
        self.count_repeats = count;
        self
    }

    /// The features alone, with the row keys of `index`.
    ///
    /// Cost: one pass over the events in the windows, in parallel over rows.
    ///
    /// # Errors
    /// [`ErrorKind::MissingKeys`] where `index` lacks patients or index times;
    /// [`ErrorKind::FeatureMismatch`], naming the feature, where values of one feature differ in
    /// their units anywhere in the event table; [`ErrorKind::Schema`] for two features of one name;
    /// [`ErrorKind::Parameter`] for a look-back of zero or less; [`ErrorKind::NoFeatures`] for an
    /// empty list.
    pub fn compute(&self, index: &PatientMatrix, events: &EventTable) -> Result<PatientMatrix> {
        PatientMatrix::new(self.columns(index, events)?.1)?.with_keys(index.keys().clone())
    }

    /// The columns of `index` with the features beside them.
    ///
    /// # Errors
    /// As [`Self::compute`].
    pub fn add_to(&self, index: &PatientMatrix, events: &EventTable) -> Result<PatientMatrix> {
        let own = index.materialize();
        let mut columns: Vec<(Feature, Column)> = (own.schema().features().iter().enumerate())
            .map(|(position, feature)| (feature.clone(), own.view(position).column.clone()))
            .collect();
        columns.extend(self.columns(index, events)?.1);
        PatientMatrix::new(columns)?.with_keys(index.keys().clone())
    }

    /// The same list with the codes of [`Self::all_codes`] and the units fixed as they are found on
    /// `training`: applied to any table it gives the same columns.
    ///
    /// # Errors
    /// As [`Self::compute`].
    pub fn chosen_on(&self, training: &PatientMatrix, events: &EventTable) -> Result<Self> {
        Ok(Self {
            specs: self.columns(training, events)?.0,
            all_codes: None,
            ..self.clone()
        })
    }

    /// The features in force and their columns.
    fn columns(
        &self,
        index: &PatientMatrix,
        events: &EventTable,
    ) -> Result<(Vec<FeatureSpec>, Columns)> {
        let mut specs = self.specs.clone();
        for spec in &specs {
            spec.check()?;
        }
        let listed = specs.len();
        let mut min_patients = 0;
        if let Some(all) = &self.all_codes {
            min_patients = all.min_patients.max(1);
            specs.extend(events.codes().iter().map(|code| FeatureSpec {
                look_back: all.look_back,
                ..FeatureSpec::count(CodeMatcher::exact(code))
            }));
            if let Some(spec) = specs.last() {
                spec.check()?;
            }
        }
        if specs.is_empty() {
            return Err(ErrorKind::NoFeatures {
                what: "WindowFeatures",
            }
            .into());
        }
        let mut planned: Vec<Planned> = Vec::with_capacity(specs.len());
        for spec in &specs {
            planned.push(Planned {
                codes: spec.codes.positions(events.codes()),
                measure: spec.measure,
                look_back: spec.look_back,
            });
        }
        let units = UnitsOfCodes::of(events);
        for (spec, planned) in specs.iter_mut().zip(&planned) {
            if spec.measure.needs_value() {
                spec.unit = units.agreed(spec, &planned.codes, events)?;
            }
        }
        let window = window_scan::Window {
            include_index: self.include_index,
            count_repeats: self.count_repeats,
        };
        let columns = window_scan::scan(index, events, &planned, window)?;
        let mut kept = Vec::with_capacity(specs.len());
        let mut out = Vec::with_capacity(specs.len());
        for (position, (spec, scanned)) in specs.into_iter().zip(columns).enumerate() {
            if position < listed || scanned.patients_at_least(index, min_patients) {
                out.push((spec.feature(), scanned.column));
                kept.push(spec);
            }
        }
        Ok((kept, out))
    }
}

/// Units with which each code has values.
struct UnitsOfCodes {
    /// First unit of each code, `None` where the code has no value.
    first: Vec<Option<u32>>,
    /// The rare codes with more than one.
    others: BTreeMap<u32, BTreeSet<u32>>,
}

impl UnitsOfCodes {
    fn of(events: &EventTable) -> Self {
        let mut first = vec![None; events.codes().len()];
        let mut others: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for row in events.rows.iter().filter(|row| row.value().is_some()) {
            let Some(slot) = first.get_mut(row.code as usize) else {
                continue;
            };
            if *slot.get_or_insert(row.unit) != row.unit {
                others.entry(row.code).or_default().insert(row.unit);
            }
        }
        Self { first, others }
    }

    /// The one unit of a feature; `None` where no value has one.
    fn agreed(
        &self,
        spec: &FeatureSpec,
        codes: &[u32],
        events: &EventTable,
    ) -> Result<Option<String>> {
        let mut found = BTreeSet::new();
        for code in codes {
            found.extend(self.first.get(*code as usize).copied().flatten());
            found.extend(self.others.get(code).into_iter().flatten());
        }
        let name = |unit: &u32| match *unit {
            NO_UNIT => None,
            unit => events.units.get(unit as usize).cloned(),
        };
        let found: Vec<Option<String>> = found.iter().map(name).collect();
        let agreed = match (found.as_slice(), &spec.unit) {
            ([], declared) => Some(declared.clone()),
            ([one], None) => Some(one.clone()),
            ([one], Some(declared)) if one.as_ref() == Some(declared) => Some(one.clone()),
            _ => None,
        };
        agreed.ok_or_else(|| {
            let quoted = |unit: &Option<String>| match unit {
                Some(unit) => format!("`{unit}`"),
                None => "no unit".into(),
            };
            let found: Vec<String> = found.iter().map(quoted).collect();
            ErrorKind::FeatureMismatch {
                name: spec.name(),
                expected: match &spec.unit {
                    Some(unit) => format!("values in `{unit}`"),
                    None => "values in one unit".into(),
                },
                found: found.join(" and "),
            }
            .into()
        })
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
