//! What follows what, how soon, and is the order more than chance?
//!
//! ```text
//!   first A              first B
//!   ---+--------------------+-------->   followed: the time to B is known
//!   ---+-------------------------|       observed until here, or the window ends: censored
//!   --B+A                                B on the same day or before: not at risk
//! ```
//!
//! The direction of a pair is tested against the order that the two have by their own times of
//! occurrence ([`null_order_share`]); among pairs that are found, the time from A to B is a survival curve
//! (Kaplan and Meier 1958, doi:10.1080/01621459.1958.10501452). Order is no cause.
//!
//! How long a patient was observed has to be known: without [`Histories::followed_until`] a search is refused.

use std::collections::BTreeMap;

use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

use crate::association::{
    Adjustment, DirectionTest, adjust, direction_test, null_order_share, order_counts,
};
use crate::design::Histories;
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::figure::{Axis, Figure, Shape};
use crate::estimator::params::Checker;
use crate::numeric::parallel::map_tasks;
use crate::numeric::product_limit::{Ending, ProductLimit};

const NAME: &str = "time to";

/// Settings of a search for what follows what, checked; made by `check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeToValidParams {
    window: u32,
    min_count: u64,
    adjustment: Adjustment,
    alpha: f64,
    level: f64,
}

/// Settings of a search for what follows what.
///
/// | setting | default |
/// |---|---|
/// | [`window`](Self::window) | 365 days |
/// | [`min_count`](Self::min_count) | 10 patients with an order |
/// | [`adjustment`](Self::adjustment), [`alpha`](Self::alpha) | Benjamini-Yekutieli, 0.05 |
/// | [`level`](Self::level) | 0.95 |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimeToParams(TimeToValidParams);

impl TimeToParams {
    /// Sets the days after A within which B counts, and within which an order does.
    #[must_use]
    pub fn window(mut self, days: u32) -> Self {
        self.0.window = days;
        self
    }

    /// Sets the least number of patients with both on different days within the window.
    #[must_use]
    pub fn min_count(mut self, patients: u64) -> Self {
        self.0.min_count = patients;
        self
    }

    /// Sets what is controlled over all pairs.
    #[must_use]
    pub fn adjustment(mut self, adjustment: Adjustment) -> Self {
        self.0.adjustment = adjustment;
        self
    }

    /// Keeps pairs of an adjusted p-value of at most this; 1 keeps all.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.0.alpha = alpha;
        self
    }

    /// Sets the confidence level.
    #[must_use]
    pub fn level(mut self, level: f64) -> Self {
        self.0.level = level;
        self
    }

    /// All pairs whose order is more than chance, smallest p-value first.
    ///
    /// Every pair with enough patients is tested once, two-sided. Cost: the pairs of items that each
    /// patient has; pairs in parallel.
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`]; [`ErrorKind::OutOfRange`] naming a patient with events and without an end
    /// of follow-up ([`Histories::followed_until`]).
    pub fn find(&self, histories: &Histories) -> Result<Vec<FollowUp>> {
        let params = self.check_ref()?;
        histories.require_ends()?;
        let days = FirstDays::new(histories);
        let pairs = days.pairs(params.min_count);
        let tested = map_tasks(pairs.len(), |at| {
            let (a, b) = pairs[at];
            let [a_day, b_day] = days.both(a, b);
            let test = params.direction(&a_day, &b_day)?;
            Ok(test.map(|test| (a, b, test)))
        });
        let tested: Vec<Option<(u32, u32, DirectionTest)>> =
            tested.into_iter().collect::<Result<_>>()?;
        let tested: Vec<(u32, u32, DirectionTest)> = tested.into_iter().flatten().collect();
        let p: Vec<f64> = tested.iter().map(|(_, _, test)| test.p).collect();
        let adjusted = adjust(&p, None, params.adjustment)?;
        let mut order: Vec<usize> = (0..p.len())
            .filter(|at| adjusted[*at] <= params.alpha)
            .collect();
        order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
        let found = map_tasks(order.len(), |at| {
            let (a, b, test) = &tested[order[at]];
            let forward = test.p_a_first <= test.p_b_first;
            let (a, b) = if forward { (*a, *b) } else { (*b, *a) };
            let mut found = params.follow(histories, &days, a, b)?;
            found.adjusted_p = adjusted[order[at]];
            Ok(found)
        });
        found.into_iter().collect()
    }

    /// One pair by name: from the first `a` to the first `b` after it.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureNames`] for a name that is not there; [`ErrorKind::Undefined`] where no
    /// patient is at risk; [`ErrorKind::Parameter`], [`ErrorKind::OutOfRange`] as for [`Self::find`].
    pub fn of(&self, histories: &Histories, a: &str, b: &str) -> Result<FollowUp> {
        let params = self.check_ref()?;
        histories.require_ends()?;
        let find = |name: &str| {
            histories.find(name).ok_or_else(|| {
                Error::from(ErrorKind::FeatureNames {
                    missing: vec![name.into()],
                    suggestion: None,
                })
            })
        };
        params.follow(histories, &FirstDays::new(histories), find(a)?, find(b)?)
    }
}

impl ParamGuard for TimeToParams {
    type Checked = TimeToValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&TimeToValidParams> {
        let (checker, own) = (Checker::new(NAME), &self.0);
        checker.require(own.window >= 1, "window", own.window, ">= 1")?;
        checker.require(own.min_count >= 1, "min_count", own.min_count, ">= 1")?;
        let share = own.alpha > 0.0 && own.alpha <= 1.0;
        checker.require(share, "alpha", own.alpha, "in (0, 1]")?;
        let inside = own.level > 0.0 && own.level < 1.0;
        checker.require(inside, "level", own.level, "in (0, 1)")?;
        Ok(own)
    }

    fn check(self) -> Result<TimeToValidParams> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// Times from one event to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeTo;

impl TimeTo {
    /// Settings of the search.
    ///
    /// ```
    /// use galen::association::TimeTo;
    /// use galen::design::Histories;
    ///
    /// # fn main() -> galen::Result<()> {
    /// // Ten patients start a drug; six of them cough after 10, 20, ... days, all are seen for 100 days.
    /// let starts = (0..10).map(|patient| (patient, 0, "drug"));
    /// let coughs = (0..6).map(|patient| (patient, 10 * (patient as i32 + 1), "cough"));
    /// let histories = Histories::from_days(10, starts.chain(coughs))?
    ///     .followed_until((0..10).map(|patient| (patient, 100)))?;
    /// let found = TimeTo::params().of(&histories, "drug", "cough")?;
    /// assert_eq!((found.n_at_risk, found.n_followed, found.median), (10, 6, Some(55.0)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn params() -> TimeToParams {
        TimeToParams(TimeToValidParams {
            window: 365,
            min_count: 10,
            adjustment: Adjustment::BenjaminiYekutieli,
            alpha: 0.05,
            level: 0.95,
        })
    }
}

/// A day of a curve on which something happens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Days after A.
    pub day: f64,
    /// Patients still at risk just before.
    pub at_risk: u64,
    /// Patients who have B on this day.
    pub events: u64,
    /// Patients whose observation ends on this day.
    pub censored: u64,
    /// Share without B up to and including this day.
    pub share: f64,
    /// Lower end of its interval (log-log); the share itself where it has none.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

/// From A to B.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FollowUp {
    /// The first event.
    pub a: u32,
    /// What follows.
    pub b: u32,
    /// Names of both.
    pub names: [String; 2],
    /// Patients with A.
    pub n_a: u64,
    /// Those without B up to the day of the first A.
    pub n_at_risk: u64,
    /// Those of them who have B within the window.
    pub n_followed: u64,
    /// Days by which half of those at risk have B; `None` where the curve does not get there.
    pub median: Option<f64>,
    /// Interval of the median (Brookmeyer and Crowley 1982, on the log-log scale of the curve); an end
    /// that is not reached is `None`.
    pub median_interval: (Option<f64>, Option<f64>),
    /// Share of those at risk without B, by day.
    pub curve: Vec<CurvePoint>,
    /// Whether A comes first more often than by the times of occurrence of both; `None` where no order
    /// can be expected.
    pub direction: Option<DirectionTest>,
    /// Its two-sided p-value, adjusted for all pairs tested; that of one pair alone is not adjusted.
    pub adjusted_p: f64,
}

impl FollowUp {
    /// The curve as a drawing.
    pub fn figure(&self) -> Figure {
        let [a, b] = &self.names;
        let title = format!("From {a} to {b}");
        let y = Axis::new(format!("share without {b}")).range(0.0, 1.0);
        let steps = |value: fn(&CurvePoint) -> f64| {
            let start = (0.0, 1.0);
            let points = self.curve.iter().map(|point| (point.day, value(point)));
            let (x, y) = std::iter::once(start).chain(points).unzip();
            Shape::Steps { x, y }
        };
        let text = format!(
            "{} patients at risk, {} followed by {b}",
            self.n_at_risk, self.n_followed
        );
        Figure::new(title, Axis::new("time").unit("days"), y)
            .with("share", steps(|point| point.share))
            .with("lower limit", steps(|point| point.lower))
            .with("upper limit", steps(|point| point.upper))
            .caption(text)
    }
}

/// The first day of every item of every patient.
struct FirstDays {
    /// By item: patients and days, by patient.
    of_item: Vec<Vec<(u32, i32)>>,
    /// By patient: items, increasing.
    of_patient: Vec<Vec<u32>>,
}

impl FirstDays {
    fn new(histories: &Histories) -> Self {
        let mut of_item = vec![Vec::new(); histories.names().len()];
        let mut of_patient = Vec::with_capacity(histories.n_patients());
        for patient in 0..histories.n_patients() {
            let mut own = Vec::new();
            for (day, item) in histories.events(patient) {
                let list: &mut Vec<(u32, i32)> = &mut of_item[item as usize];
                if list.last().is_none_or(|last| last.0 != patient as u32) {
                    list.push((patient as u32, day));
                    own.push(item);
                }
            }
            own.sort_unstable();
            of_patient.push(own);
        }
        Self {
            of_item,
            of_patient,
        }
    }

    /// Pairs that enough patients have.
    fn pairs(&self, min_count: u64) -> Vec<(u32, u32)> {
        let frequent = |item: usize| self.of_item[item].len() as u64 >= min_count;
        let found = map_tasks(self.of_item.len(), |a| {
            if !frequent(a) {
                return Vec::new();
            }
            let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
            for (patient, _) in &self.of_item[a] {
                let own = &self.of_patient[*patient as usize];
                let later = own.partition_point(|item| *item <= a as u32);
                for item in &own[later..] {
                    *counts.entry(*item).or_default() += 1;
                }
            }
            let enough = counts.into_iter().filter(|(_, count)| *count >= min_count);
            enough.map(|(b, _)| (a as u32, b)).collect::<Vec<_>>()
        });
        found.into_iter().flatten().collect()
    }

    /// Days of both items of all patients with either.
    fn both(&self, a: u32, b: u32) -> [Vec<Option<i64>>; 2] {
        let (a, b) = (&self.of_item[a as usize], &self.of_item[b as usize]);
        let mut days = [Vec::new(), Vec::new()];
        let (mut i, mut j) = (0, 0);
        while i < a.len() || j < b.len() {
            let left = a.get(i).map_or(u32::MAX, |entry| entry.0);
            let right = b.get(j).map_or(u32::MAX, |entry| entry.0);
            days[0].push((left <= right).then(|| i64::from(a[i].1)));
            days[1].push((right <= left).then(|| i64::from(b[j].1)));
            i += usize::from(left <= right);
            j += usize::from(right <= left);
        }
        days
    }
}

impl TimeToValidParams {
    /// The test of order; `None` where too few patients or none at all show one.
    fn direction(&self, a: &[Option<i64>], b: &[Option<i64>]) -> Result<Option<DirectionTest>> {
        let window = u64::from(self.window);
        let counts = order_counts(a, b, window)?;
        if counts.a_first + counts.b_first < self.min_count.max(1) {
            return Ok(None);
        }
        // Where the times of occurrence force the order, it tells nothing.
        match null_order_share(a, b, window) {
            Ok(share) if share > 0.0 && share < 1.0 => {
                Ok(Some(direction_test(&counts, share, self.level)?))
            }
            _ => Ok(None),
        }
    }

    fn follow(&self, histories: &Histories, days: &FirstDays, a: u32, b: u32) -> Result<FollowUp> {
        let [a_day, b_day] = days.both(a, b);
        let direction = self.direction(&a_day, &b_day)?;
        let mut b_days = days.of_item[b as usize].iter().peekable();
        let (mut times, mut events) = (Vec::new(), Vec::new());
        for (patient, start) in &days.of_item[a as usize] {
            while b_days.next_if(|entry| entry.0 < *patient).is_some() {}
            let end = b_days
                .peek()
                .filter(|entry| entry.0 == *patient)
                .map(|entry| entry.1);
            if end.is_some_and(|end| end <= *start) {
                continue;
            }
            let window = i64::from(self.window);
            let after = |day: i32| i64::from(day) - i64::from(*start);
            // Ends were asked for before.
            let until = histories.until(*patient as usize).unwrap_or(*start);
            let observed = after(until).min(window);
            let followed = end.map(after).filter(|days| *days <= window);
            times.push(followed.unwrap_or(observed) as f64);
            events.push(followed.is_some());
        }
        if times.is_empty() {
            return Err(ErrorKind::Undefined {
                what: NAME,
                reason: "no patient is at risk: every one has B up to the day of A",
            }
            .into());
        }
        let n_followed = events.iter().filter(|event| **event).count() as u64;
        let limits = ProductLimit::new(&times, &events, None, Ending::Event)?;
        let curve: Vec<CurvePoint> = limits
            .steps()
            .iter()
            .map(|step| {
                let interval = limits.interval(step.time, self.level);
                let (lower, upper) = interval.unwrap_or((step.survival, step.survival));
                CurvePoint {
                    day: step.time,
                    at_risk: step.at_risk as u64,
                    events: step.events as u64,
                    censored: step.censored as u64,
                    share: step.survival,
                    lower,
                    upper,
                }
            })
            .collect();
        // The median is later than a day as long as the upper limit is above one half, and so on.
        let reaches = |value: fn(&CurvePoint) -> f64| {
            // A curve that ends at 0 has no limits there.
            let half =
                |point: &&CurvePoint| point.events > 0 && point.share > 0.0 && value(point) <= 0.5;
            curve.iter().find(half).map(|point| point.day)
        };
        Ok(FollowUp {
            a,
            b,
            names: [a, b].map(|item| histories.names()[item as usize].clone()),
            n_a: days.of_item[a as usize].len() as u64,
            n_at_risk: times.len() as u64,
            n_followed,
            median: limits.quantile(0.5),
            median_interval: (reaches(|point| point.lower), reaches(|point| point.upper)),
            curve,
            adjusted_p: direction.as_ref().map_or(1.0, |test| test.p),
            direction,
        })
    }
}

#[cfg(test)]
#[path = "time_to_tests.rs"]
mod tests;
