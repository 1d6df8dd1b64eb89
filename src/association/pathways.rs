//! The ways that patients take: every patient on exactly one, counted.
//!
//! No number here tells of 1 to `min_count - 1` patients, nor does any difference of two. A way of too
//! few patients is folded into its beginning, the way without its last step, which is then left open
//! (`a > b > ...`); a beginning that is still too rare into its own, and what is left over goes to the others.
//! Patients without a step are others where they are too few. Others that are too few take in the smallest
//! of the told ways; where everybody is one group, only the number of patients is told.
//!
//! This holds within one table. Two tables of the same patients under different settings can be set
//! against each other: hand out one of them.

use std::collections::BTreeMap;
use std::fmt;

use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

use crate::association::pathways_told::{Gaps, Group, told};
use crate::design::Histories;
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::figure::{Axis, Figure, FlowLink, FlowNode};
use crate::estimator::params::Checker;

const NAME: &str = "pathways";

/// Which events of a patient make a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Steps {
    /// The first day of every item: what is new. Lines of treatment, spread of a disease.
    #[default]
    New,
    /// Days on which something else happens than on the day before: moves between wards.
    Changed,
    /// Every day with an event.
    Every,
}

/// Settings of a table of pathways, checked; made by `check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathwayValidParams {
    longest: usize,
    steps: Steps,
    start: Option<String>,
    min_count: u64,
}

/// Settings of a table of pathways.
///
/// | setting | default |
/// |---|---|
/// | [`longest`](Self::longest) | 3 steps |
/// | [`steps`](Self::steps) | what is new |
/// | [`start`](Self::start) | the first event of any kind |
/// | [`min_count`](Self::min_count) | 11 patients |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathwayParams(PathwayValidParams);

impl PathwayParams {
    /// Sets the number of steps at which pathways are cut.
    #[must_use]
    pub fn longest(mut self, steps: usize) -> Self {
        self.0.longest = steps;
        self
    }

    /// Sets which events make a step.
    #[must_use]
    pub fn steps(mut self, steps: Steps) -> Self {
        self.0.steps = steps;
        self
    }

    /// Begins every pathway on the first day of this item; patients without it take none.
    #[must_use]
    pub fn start(mut self, name: impl Into<String>) -> Self {
        self.0.start = Some(name.into());
        self
    }

    /// Sets the number of patients below which no group is told; 1 tells all.
    ///
    /// Ways of fewer patients are folded into their beginnings and then into others, as said at
    /// [`Pathways`].
    #[must_use]
    pub fn min_count(mut self, patients: u64) -> Self {
        self.0.min_count = patients;
        self
    }

    /// Counts the pathways, the most frequent first; of equal ones by their items.
    ///
    /// What happens on one day is one step. Rare ways are folded as said at [`Pathways`]. Cost: a sort of the
    /// pathways.
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`]; [`ErrorKind::FeatureNames`] for a start that is not there.
    pub fn count(&self, histories: &Histories) -> Result<Pathways> {
        let params = self.check_ref()?;
        let start = match &params.start {
            None => None,
            Some(name) => Some(histories.find(name).ok_or_else(|| {
                Error::from(ErrorKind::FeatureNames {
                    missing: vec![name.clone()],
                    suggestion: None,
                })
            })?),
        };
        let mut ways: BTreeMap<Vec<Vec<u32>>, Gaps> = BTreeMap::new();
        let mut n_without = 0;
        for patient in 0..histories.n_patients() {
            let (steps, days) = params.way(histories, patient, start);
            if steps.is_empty() {
                n_without += 1;
                continue;
            }
            let gaps = days.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
            ways.entry(steps).or_default().push(gaps.collect());
        }
        let told = told(ways, n_without, params.min_count);
        let n_patients = histories.n_patients() as u64 - told.n_without;
        let mut names = BTreeMap::new();
        for item in told.groups.iter().flat_map(|group| &group.steps).flatten() {
            let name = || histories.names()[*item as usize].clone();
            names.entry(*item).or_insert_with(name);
        }
        let pathway = |group: Group| Pathway {
            median_days: (0..group.steps.len() - 1)
                .map(|at| median(&group.gaps, at))
                .collect(),
            n: group.gaps.len() as u64,
            share: group.gaps.len() as f64 / n_patients as f64,
            steps: group.steps,
            open: group.open,
        };
        Ok(Pathways {
            names,
            longest: params.longest,
            pathways: told.groups.into_iter().map(pathway).collect(),
            n_patients,
            n_without: told.n_without,
            n_others: told.n_others,
        })
    }
}

/// Median days from one step to the next; never of nobody.
fn median(gaps: &Gaps, at: usize) -> f64 {
    let mut days: Vec<i32> = gaps.iter().map(|own| own[at]).collect();
    days.sort_unstable();
    let middle = days.len() / 2;
    let upper = f64::from(days[middle]);
    if days.len() % 2 == 1 {
        upper
    } else {
        0.5 * (upper + f64::from(days[middle - 1]))
    }
}

impl ParamGuard for PathwayParams {
    type Checked = PathwayValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&PathwayValidParams> {
        let (checker, own) = (Checker::new(NAME), &self.0);
        checker.require(own.longest >= 1, "longest", own.longest, ">= 1")?;
        checker.require(own.min_count >= 1, "min_count", own.min_count, ">= 1")?;
        Ok(own)
    }

    fn check(self) -> Result<PathwayValidParams> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl PathwayValidParams {
    /// Steps of a patient, and their days.
    fn way(
        &self,
        histories: &Histories,
        patient: usize,
        start: Option<u32>,
    ) -> (Vec<Vec<u32>>, Vec<i32>) {
        let events: Vec<(i32, u32)> = histories.events(patient).collect();
        let (mut steps, mut days) = (Vec::new(), Vec::new());
        let mut seen: Vec<u32> = Vec::new();
        let mut before: Vec<u32> = Vec::new();
        let mut begun = start.is_none();
        for today in events.chunk_by(|a, b| a.0 == b.0) {
            if steps.len() == self.longest {
                break;
            }
            let all: Vec<u32> = today.iter().map(|event| event.1).collect();
            begun = begun || start.is_some_and(|start| all.contains(&start));
            if !begun {
                continue;
            }
            let mut step: Vec<u32> = match self.steps {
                Steps::New => all
                    .iter()
                    .filter(|item| !seen.contains(item))
                    .copied()
                    .collect(),
                Steps::Changed if before == all => Vec::new(),
                Steps::Changed | Steps::Every => all.clone(),
            };
            seen.extend(&step);
            // What stands above another item of the day says nothing more.
            let above: Vec<u32> = step
                .iter()
                .flat_map(|item| histories.above(*item))
                .copied()
                .collect();
            step.retain(|item| !above.contains(item));
            before = all;
            if !step.is_empty() {
                steps.push(step);
                days.push(today[0].0);
            }
        }
        (steps, days)
    }
}

/// One way, and the patients on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pathway {
    /// Items of every step, increasing within one.
    pub steps: Vec<Vec<u32>>,
    /// Whether this is only how these patients begin: whether they end so or go on is not told, as it
    /// would be of too few.
    pub open: bool,
    /// Number of patients, at least `min_count`.
    pub n: u64,
    /// Their share of the patients on any way.
    pub share: f64,
    /// Median days from each step to the next.
    pub median_days: Vec<f64>,
}

/// Pathways, the most frequent first; every patient is in one group of the table.
///
/// The groups are the pathways, the others and those without a step. Each has nobody or at least `min_count`
/// patients, so that sums and differences tell no smaller number either:
///
/// 1. a way of too few patients is folded into its beginning, the way without its last step, together with
///    those who end there if they are too few too, and left open; where this is enough it is told, else it is
///    folded further;
/// 2. what is left over is the others; patients without a step belong to them where they are too few;
/// 3. where the others are some but too few, the smallest told ways are counted among them until they are
///    enough, and last the patients without a step. What is told of fewer than `min_count` patients
///    altogether is their number alone.
///
/// Number of rare ways, names of items on no told way and days of fewer patients are not kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pathways {
    /// Of the items on told ways.
    names: BTreeMap<u32, String>,
    longest: usize,
    /// The pathways that are told.
    pub pathways: Vec<Pathway>,
    /// Patients on any way, and those without one where they are counted among the others.
    pub n_patients: u64,
    /// Patients without any step; 0 where they are counted among the others.
    pub n_without: u64,
    /// Patients whose way is not told.
    pub n_others: u64,
}

impl Pathways {
    /// Settings of the table.
    ///
    /// ```
    /// use galen::association::Pathways;
    /// use galen::design::Histories;
    ///
    /// # fn main() -> galen::Result<()> {
    /// let mut events = Vec::new();
    /// for patient in 0..30 {
    ///     events.push((patient, 0, "metformin"));
    ///     if patient < 20 {
    ///         events.push((patient, 100 + patient as i32, "insulin"));
    ///     }
    /// }
    /// let found = Pathways::params().min_count(5).count(&Histories::from_days(30, events)?)?;
    /// assert_eq!(found.text(&found.pathways[0]), "metformin > insulin");
    /// assert_eq!((found.pathways[0].n, found.pathways[0].median_days[0]), (20, 109.5));
    /// println!("{found}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn params() -> PathwayParams {
        PathwayParams(PathwayValidParams {
            longest: 3,
            steps: Steps::New,
            start: None,
            min_count: 11,
        })
    }

    /// A pathway in words: "a > b + c", or "a > ..." where it is left open.
    ///
    /// # Panics
    /// When it is of other items.
    pub fn text(&self, pathway: &Pathway) -> String {
        self.labels(pathway).join(" > ")
    }

    fn labels(&self, pathway: &Pathway) -> Vec<String> {
        let step = |items: &Vec<u32>| {
            let name = |item: &u32| self.names[item].as_str();
            items.iter().map(name).collect::<Vec<_>>().join(" + ")
        };
        let open = pathway.open.then(|| OPEN.to_string());
        pathway.steps.iter().map(step).chain(open).collect()
    }

    /// The pathways that are told as a drawing: a column a step, patients as width. Those on rarer ways
    /// are not drawn.
    pub fn figure(&self, title: impl Into<String>) -> Figure {
        let mut nodes: BTreeMap<(usize, String), u64> = BTreeMap::new();
        let mut links: BTreeMap<[(usize, String); 2], u64> = BTreeMap::new();
        for pathway in &self.pathways {
            let steps: Vec<(usize, String)> =
                self.labels(pathway).into_iter().enumerate().collect();
            for step in &steps {
                *nodes.entry(step.clone()).or_default() += pathway.n;
            }
            for pair in steps.windows(2) {
                *links.entry([pair[0].clone(), pair[1].clone()]).or_default() += pathway.n;
            }
        }
        let places: BTreeMap<&(usize, String), u32> = nodes.keys().zip(0..).collect();
        let node = |((step, label), n): (&(usize, String), &u64)| {
            FlowNode::new(*step as u32, label.clone(), *n as f64)
        };
        let link = |(ends, n): (&[(usize, String); 2], &u64)| {
            FlowLink::new(places[&ends[0]], places[&ends[1]], *n as f64)
        };
        let steps = (1..=self.longest.min(24)).map(|step| format!("step {step}"));
        let mut caption = format!(
            "{} of {} patients; the others take rarer ways",
            self.n_patients - self.n_others,
            self.n_patients
        );
        if self.pathways.iter().any(|pathway| pathway.open) {
            caption += "; at \"...\" patients end or go on in rarer ways";
        }
        Figure::new(title, Axis::new("patients"), Axis::new(""))
            .flow(
                steps,
                nodes.iter().map(node).collect(),
                links.iter().map(link).collect(),
            )
            .caption(caption)
    }
}

/// Stands for the rest of a pathway that is left open.
const OPEN: &str = "...";

/// Pathways printed at most; the rest is counted.
const MOST_LINES: usize = 30;

impl fmt::Display for Pathways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>8} {:>7}  {:<16}  pathway",
            "patients", "share", "days between"
        )?;
        for pathway in self.pathways.iter().take(MOST_LINES) {
            let days: Vec<String> = pathway
                .median_days
                .iter()
                .map(|days| format!("{days}"))
                .collect();
            let share = 100.0 * pathway.share;
            let days = days.join(", ");
            writeln!(
                f,
                "{:>8} {share:>5.1} %  {days:<16}  {}",
                pathway.n,
                self.text(pathway)
            )?;
        }
        let more = self.pathways.len().saturating_sub(MOST_LINES);
        if more > 0 {
            writeln!(f, "... and {more} more")?;
        }
        writeln!(f, "{:>8} others, on rarer ways", self.n_others)?;
        writeln!(f, "{:>8} without a step", self.n_without)
    }
}

#[cfg(test)]
#[path = "pathways_tests.rs"]
mod tests;
