//! What follows what, how soon, and is the order more than chance?
//!
//! ```text
//!   first A              first B
//!   ---+--------------------+-------->   followed: the time to B is known
//!   ---+-------------------------|       observed until here, or the window ends: censored
//!   --B+A                                B on the same day or before: not at risk
//! ```
//!
//! A may be several steps: then their first completion is day zero. A landmark begins the time at risk later.
//!
//! The direction of a pair is tested against the order that the two have by their own times of occurrence
//! ([`null_order_share`](crate::association::null_order_share)); among pairs that are found, the time from A to B
//! is a survival curve (Kaplan and Meier 1958, doi:10.1080/01621459.1958.10501452). Order is no cause.
//!
//! How long a patient was observed has to be known: without [`Histories::followed_until`] a search is refused.

use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

use crate::association::sequences_earliest::{Bounds, Record, earliest};
use crate::association::time_to_days::{FirstDays, both, null_share, orders};
use crate::association::time_to_follow_up::{CurvePoint, FollowUp};
use crate::association::{Adjustment, DirectionTest, adjust, direction_test};
use crate::design::Histories;
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::params::Checker;
use crate::numeric::parallel::map_tasks;
use crate::numeric::product_limit::{Ending, ProductLimit};

const NAME: &str = "time to";

/// Settings of a search for what follows what, checked; made by `check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeToValidParams {
    landmark: u32,
    window: u32,
    span: Option<u32>,
    min_count: u64,
    adjustment: Adjustment,
    alpha: f64,
    level: f64,
}

/// Settings of a search for what follows what.
///
/// | setting | default |
/// |---|---|
/// | [`landmark`](Self::landmark) | 0: B from the day after A on |
/// | [`window`](Self::window) | 365 days |
/// | [`span`](Self::span) | any |
/// | [`min_count`](Self::min_count) | 10 patients with an order |
/// | [`adjustment`](Self::adjustment), [`alpha`](Self::alpha) | Benjamini-Yekutieli, 0.05 |
/// | [`level`](Self::level) | 0.95 |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimeToParams(TimeToValidParams);

impl TimeToParams {
    /// Begins the time at risk this many days after A, for B from the first day of a window to the last:
    /// `landmark(30).window(365)`.
    ///
    /// Who has B earlier, or is no longer observed on that day, is not at risk, and the curve is of those who
    /// are (landmark analysis: Anderson, Cain and Gelber 1983, doi:10.1200/JCO.1983.1.11.710). Orders of fewer
    /// days do not count either way. For effects that need time, and where A is given because of the first
    /// signs of B.
    #[must_use]
    pub fn landmark(mut self, days: u32) -> Self {
        self.0.landmark = days;
        self
    }

    /// Sets the days from the first to the last of several steps before B, at most.
    #[must_use]
    pub fn span(mut self, days: u32) -> Self {
        self.0.span = Some(days);
        self
    }

    /// Sets the last day after A on which B counts, and up to which an order does.
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
        let pairs = days.pairs(histories, params.min_count);
        let tested = map_tasks(pairs.len(), |at| {
            let (a, b) = pairs[at];
            let [a_day, b_day] = both(&days.of_item[a as usize], &days.of_item[b as usize]);
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
            let mut found = params.follow(
                histories,
                vec![vec![a]],
                &days.of_item[a as usize],
                &days,
                b,
            )?;
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
        self.of_sequence(histories, &[&[a]], b)
    }

    /// Several items or steps before B: from the day on which the steps are first completed to the first
    /// `b` after it.
    ///
    /// The items of a step fall on one day and the steps on days one after the other, within
    /// [`span`](Self::span). Who has `b` up to the day of completion is not at risk. The order is tested
    /// between that day and the first `b`.
    ///
    /// ```
    /// use galen::association::TimeTo;
    /// use galen::design::Histories;
    ///
    /// # fn main() -> galen::Result<()> {
    /// let mut events = Vec::new();
    /// for patient in 0..8 {
    ///     events.extend([(patient, 0, "E11"), (patient, 30, "metformin"), (patient, 30, "diet")]);
    ///     if patient < 6 {
    ///         events.push((patient, 40 + 10 * patient as i32, "hypoglycaemia"));
    ///     }
    /// }
    /// let histories = Histories::from_days(8, events)?
    ///     .followed_until((0..8).map(|patient| (patient, 200)))?;
    /// let steps: [&[&str]; 2] = [&["E11"], &["metformin", "diet"]];
    /// let found = TimeTo::params().of_sequence(&histories, &steps, "hypoglycaemia")?;
    /// assert_eq!(found.names[0], "E11 > diet + metformin");
    /// // Days count from the second step.
    /// assert_eq!((found.n_at_risk, found.n_followed, found.median), (8, 6, Some(45.0)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`Self::of`]; [`ErrorKind::Parameter`] for steps without an item or none at all.
    pub fn of_sequence(
        &self,
        histories: &Histories,
        steps: &[&[&str]],
        b: &str,
    ) -> Result<FollowUp> {
        let params = self.check_ref()?;
        let some = !steps.is_empty() && steps.iter().all(|step| !step.is_empty());
        let rule = "at least one, each of at least one item";
        Checker::new(NAME).require(some, "steps", steps.len(), rule)?;
        histories.require_ends()?;
        let find = |name: &str| {
            histories.find(name).ok_or_else(|| {
                Error::from(ErrorKind::FeatureNames {
                    missing: vec![name.into()],
                    suggestion: None,
                })
            })
        };
        let mut a = Vec::with_capacity(steps.len());
        for step in steps {
            let items: Result<Vec<u32>> = step.iter().map(|name| find(name)).collect();
            let mut items = items?;
            items.sort_unstable();
            items.dedup();
            a.push(items);
        }
        let b = find(b)?;
        let bounds = Bounds {
            min_gap: 1,
            max_gap: None,
            span: params.span,
        };
        let completed = |patient: usize| {
            let place = earliest(Record::of(histories, patient), &a, bounds)?;
            Some((patient as u32, place.day))
        };
        let starts: Vec<(u32, i32)> = (0..histories.n_patients()).filter_map(completed).collect();
        params.follow(histories, a, &starts, &FirstDays::new(histories), b)
    }
}

impl ParamGuard for TimeToParams {
    type Checked = TimeToValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&TimeToValidParams> {
        let (checker, own) = (Checker::new(NAME), &self.0);
        checker.require(own.window >= 1, "window", own.window, ">= 1")?;
        let early = own.landmark <= own.window;
        checker.require(early, "landmark", own.landmark, "not beyond the window")?;
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
            landmark: 0,
            window: 365,
            span: None,
            min_count: 10,
            adjustment: Adjustment::BenjaminiYekutieli,
            alpha: 0.05,
            level: 0.95,
        })
    }
}

impl TimeToValidParams {
    /// The test of order; `None` where too few patients or none at all show one.
    fn direction(&self, a: &[Option<i64>], b: &[Option<i64>]) -> Result<Option<DirectionTest>> {
        let counts = orders(a, b, self.landmark, self.window)?;
        if counts.a_first + counts.b_first < self.min_count.max(1) {
            return Ok(None);
        }
        // Where the times of occurrence force the order, it tells nothing.
        match null_share(a, b, self.landmark, self.window) {
            Some(share) if share > 0.0 && share < 1.0 => {
                Ok(Some(direction_test(&counts, share, self.level)?))
            }
            _ => Ok(None),
        }
    }

    /// From the day of A of every patient who has it to the first B.
    fn follow(
        &self,
        histories: &Histories,
        a: Vec<Vec<u32>>,
        starts: &[(u32, i32)],
        days: &FirstDays,
        b: u32,
    ) -> Result<FollowUp> {
        let [a_day, b_day] = both(starts, &days.of_item[b as usize]);
        let direction = self.direction(&a_day, &b_day)?;
        let mut b_days = days.of_item[b as usize].iter().peekable();
        let (mut times, mut events) = (Vec::new(), Vec::new());
        for (patient, start) in starts {
            while b_days.next_if(|entry| entry.0 < *patient).is_some() {}
            let end = b_days
                .peek()
                .filter(|entry| entry.0 == *patient)
                .map(|entry| entry.1);
            if end.is_some_and(|end| end <= *start) {
                continue;
            }
            let after = |day: i32| i64::from(day) - i64::from(*start);
            let (landmark, window) = (i64::from(self.landmark), i64::from(self.window));
            // Ends were asked for before.
            let until = histories.until(*patient as usize).unwrap_or(*start);
            let observed = after(until).min(window);
            if observed < landmark || end.is_some_and(|end| after(end) < landmark) {
                continue;
            }
            let followed = end.map(after).filter(|days| *days <= window);
            times.push(followed.unwrap_or(observed) as f64);
            events.push(followed.is_some());
        }
        if times.is_empty() {
            return Err(ErrorKind::Undefined {
                what: NAME,
                reason: "no patient is at risk: every one with A has B before the time at risk begins, \
                         or is not observed then",
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
            names: [told(histories, &a), histories.names()[b as usize].clone()],
            a,
            b,
            n_a: starts.len() as u64,
            landmark: self.landmark,
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

/// Steps in words.
fn told(histories: &Histories, steps: &[Vec<u32>]) -> String {
    let name = |item: &u32| histories.names()[*item as usize].as_str();
    let step = |step: &Vec<u32>| step.iter().map(name).collect::<Vec<_>>().join(" + ");
    steps.iter().map(step).collect::<Vec<_>>().join(" > ")
}

#[cfg(test)]
#[path = "time_to_tests.rs"]
mod tests;
