//! What follows A: numbers, a curve, its drawing.

use serde::{Deserialize, Serialize};

use crate::association::DirectionTest;
use crate::estimator::figure::{Axis, Figure, Shape};

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
    /// What comes first: one item, or the items of several steps.
    pub a: Vec<Vec<u32>>,
    /// What follows.
    pub b: u32,
    /// Names of both; of several steps as in "E11 > diet + metformin".
    pub names: [String; 2],
    /// Patients with A.
    pub n_a: u64,
    /// Day after A on which the time at risk begins.
    pub landmark: u32,
    /// Those without B up to the day of the first A, or before the landmark, who are observed then.
    pub n_at_risk: u64,
    /// Those of them who have B within the window.
    pub n_followed: u64,
    /// Days after A by which half of those at risk have B; `None` where the curve does not get there.
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
            let start = (f64::from(self.landmark), 1.0);
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
