//! The product-limit estimate of survival (Kaplan and Meier, J. Am. Stat. Assoc. 53, 1958,
//! doi 10.1080/01621459.1958.10501452), with ties and weights.

use crate::error::{ErrorKind, Result};
use crate::numeric::special::normal_upper_quantile;

/// One observed time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Step {
    pub(crate) time: f64,
    /// Weight of the rows whose time is not before this one.
    pub(crate) at_risk: f64,
    /// Weight of the rows whose event is at this time.
    pub(crate) events: f64,
    /// Weight of the rows whose follow-up ends here without event.
    pub(crate) censored: f64,
    /// Share without event up to and including this time.
    pub(crate) survival: f64,
    /// Greenwood's sum: variance of the logarithm of `survival`; infinite once it is 0.
    pub(crate) log_variance: f64,
}

/// Steps of a survival curve, by time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ProductLimit {
    steps: Vec<Step>,
}

/// Which end of follow-up the curve is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The event: the survival curve.
    Event,
    /// Censoring: the curve behind weights by inverse probability of censoring. An event comes
    /// before a censoring at the same time, hence its rows are no longer at risk of censoring.
    Censoring,
}

impl ProductLimit {
    /// The curve of rows with a time, whether it ended in the event, and a weight. Rows of weight
    /// zero are as if absent. A weight counts as that many rows, also in variances; these are too
    /// small where weights are no counts. Cost: a sort.
    ///
    /// # Errors
    /// [`ErrorKind::LengthMismatch`]; [`ErrorKind::OutOfRange`] for a time or weight that is no
    /// number of zero or more; [`ErrorKind::NoEffectiveRows`] without weight.
    pub(crate) fn new(
        times: &[f64],
        events: &[bool],
        weights: Option<&[f64]>,
        ending: Ending,
    ) -> Result<Self> {
        for (what, found) in [
            ("events", events.len()),
            ("weights", weights.map_or(times.len(), <[f64]>::len)),
        ] {
            if found != times.len() {
                return Err(ErrorKind::LengthMismatch {
                    what,
                    expected: times.len(),
                    found,
                }
                .into());
            }
        }
        refuse_negative("times", times)?;
        refuse_negative("weights", weights.unwrap_or(&[]))?;
        let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
        let mut order: Vec<usize> = (0..times.len()).filter(|row| weight(*row) > 0.0).collect();
        if order.is_empty() {
            return Err(ErrorKind::NoEffectiveRows {
                what: "product-limit estimate",
            }
            .into());
        }
        order.sort_by(|a, b| times[*a].total_cmp(&times[*b]));
        let mut steps: Vec<Step> = order
            .chunk_by(|a, b| times[*a] == times[*b])
            .map(|rows| {
                let sum = |kind: bool| {
                    let rows = rows.iter().filter(|row| events[**row] == kind);
                    rows.map(|row| weight(*row)).sum::<f64>()
                };
                Step {
                    time: times[rows[0]] + 0.0,
                    at_risk: 0.0,
                    events: sum(true),
                    censored: sum(false),
                    survival: 1.0,
                    log_variance: 0.0,
                }
            })
            .collect();
        // Summed from the end, so that the last rows at risk are exactly those that end last.
        let mut at_risk = 0.0;
        for step in steps.iter_mut().rev() {
            at_risk += step.events + step.censored;
            step.at_risk = at_risk;
        }
        let (mut survival, mut log_variance) = (1.0, 0.0);
        let later: Vec<f64> = steps.iter().skip(1).map(|step| step.at_risk).collect();
        for (step, later) in steps.iter_mut().zip(later.into_iter().chain([0.0])) {
            // Added up, never taken off: where nobody is left, exactly nothing is.
            let (ended, left) = match ending {
                Ending::Event => (step.events, later + step.censored),
                Ending::Censoring => (step.censored, later),
            };
            if ended > 0.0 {
                let exposed = left + ended;
                survival *= left / exposed;
                log_variance += ended / (exposed * left);
            }
            step.survival = survival;
            step.log_variance = log_variance;
        }
        Ok(Self { steps })
    }

    /// The steps, by time.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The last step at or before `time`.
    fn at(&self, time: f64) -> Option<&Step> {
        let next = self.steps.partition_point(|step| step.time <= time);
        self.steps.get(next.checked_sub(1)?)
    }

    /// Share that remains after `time`; constant beyond the last observed time.
    pub(crate) fn survival(&self, time: f64) -> f64 {
        self.at(time).map_or(1.0, |step| step.survival)
    }

    /// Share that remains just before `time`.
    pub(crate) fn survival_before(&self, time: f64) -> f64 {
        let next = self.steps.partition_point(|step| step.time < time);
        let step = next.checked_sub(1).and_then(|last| self.steps.get(last));
        step.map_or(1.0, |step| step.survival)
    }

    /// Weight at risk at `time`: rows whose time is not before it.
    pub(crate) fn at_risk(&self, time: f64) -> f64 {
        let next = self.steps.partition_point(|step| step.time < time);
        self.steps.get(next).map_or(0.0, |step| step.at_risk)
    }

    /// Greenwood's standard error of the survival at `time`; 0 where survival is 0.
    pub(crate) fn standard_error(&self, time: f64) -> f64 {
        self.at(time).map_or(0.0, |step| {
            if step.survival > 0.0 {
                step.survival * step.log_variance.sqrt()
            } else {
                0.0
            }
        })
    }

    /// Confidence interval of the survival at `time` on the log(-log) scale, which stays within
    /// [0, 1]; `None` where survival is 0 or `level` is outside (0, 1).
    pub(crate) fn interval(&self, time: f64, level: f64) -> Option<(f64, f64)> {
        if !(level > 0.0 && level < 1.0) {
            return None;
        }
        let (survival, log_variance) = self
            .at(time)
            .map_or((1.0, 0.0), |step| (step.survival, step.log_variance));
        if survival >= 1.0 {
            return Some((1.0, 1.0));
        }
        if survival <= 0.0 {
            return None;
        }
        let log = survival.ln();
        let reach = normal_upper_quantile((1.0 - level) / 2.0) * log_variance.sqrt() / -log;
        Some(((log * reach.exp()).exp(), (log * (-reach).exp()).exp()))
    }

    /// The time by which a `share` of the rows has ended: the first at which survival is at or
    /// below `1 - share`, the midpoint of the flat stretch where it equals it; `None` where the
    /// curve does not get there.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        const ROUNDING: f64 = 1e-12;
        let level = 1.0 - share;
        let place = self
            .steps
            .iter()
            .position(|step| step.survival <= level + ROUNDING)?;
        let step = self.steps.get(place)?;
        if step.survival < level - ROUNDING || step.survival == 0.0 {
            return Some(step.time);
        }
        let later = self.steps.get(place..)?;
        let end = later
            .iter()
            .find(|later| later.survival < step.survival)
            .or(later.last())?;
        Some(step.time.midpoint(end.time))
    }
}

fn refuse_negative(what: &'static str, values: &[f64]) -> Result<()> {
    match values
        .iter()
        .position(|value| !value.is_finite() || *value < 0.0)
    {
        None => Ok(()),
        Some(row) => Err(ErrorKind::OutOfRange {
            what,
            row: Some(row),
            column: None,
            rule: "finite numbers of zero or more",
        }
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn heart_failure() -> (Vec<f64>, Vec<bool>, Vec<f64>, Vec<f64>) {
        let text = include_str!("../../tests/fixtures/evaluation/input_heart_failure.csv");
        let (mut times, mut events) = (Vec::new(), Vec::new());
        let (mut repeats, mut creatinine) = (Vec::new(), Vec::new());
        for line in text.lines().skip(1) {
            let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
            repeats.push(cells[0].floor() % 3.0);
            creatinine.push(cells[1]);
            times.push(cells[2]);
            events.push(cells[3] == 1.0);
        }
        (times, events, repeats, creatinine)
    }

    fn numbers(value: &Value) -> Vec<f64> {
        let values = value.as_array().unwrap().iter();
        values.map(|value| value.as_f64().unwrap()).collect()
    }

    fn agree(found: impl IntoIterator<Item = f64>, expected: &Value) {
        for (found, expected) in found.into_iter().zip(numbers(expected)) {
            assert!(
                (found - expected).abs() < 1e-12 * expected.max(1.0),
                "{found} instead of {expected}"
            );
        }
    }

    #[test]
    fn as_r_survfit() {
        let text = include_str!("../../tests/fixtures/survival/expected.json");
        let expected: Value = serde_json::from_str(text).unwrap();
        let (times, events, repeats, creatinine) = heart_failure();
        for (name, weights) in [
            ("plain", None),
            ("repeated_by_age_modulo_3", Some(&repeats)),
            ("weighted_by_creatinine", Some(&creatinine)),
        ] {
            let expected = &expected[name];
            let weights = weights.map(|weights| &weights[..]);
            let curve = ProductLimit::new(&times, &events, weights, Ending::Event).unwrap();
            let at = numbers(&expected["at"]);
            agree(at.iter().map(|t| curve.at_risk(*t)), &expected["at_risk"]);
            agree(at.iter().map(|t| curve.survival(*t)), &expected["survival"]);
            if name == "weighted_by_creatinine" {
                continue;
            }
            let step = |t: &f64| curve.interval(*t, 0.95).unwrap();
            agree(at.iter().map(|t| step(t).0), &expected["log_log_95_lower"]);
            agree(at.iter().map(|t| step(t).1), &expected["log_log_95_upper"]);
            agree(
                at.iter().map(|t| curve.standard_error(*t)),
                &expected["standard_error"],
            );
            let shares = numbers(&expected["quantile_at"]);
            agree(
                shares.iter().map(|share| curve.quantile(*share).unwrap()),
                &expected["quantile"],
            );
            assert_eq!(curve.quantile(0.9), None);
            let steps = curve.steps();
            assert_eq!(steps.len() as u64, expected["times"].as_u64().unwrap());
            let events: f64 = steps.iter().map(|step| step.events).sum();
            assert_eq!(events, expected["events"].as_f64().unwrap());
            let sum: f64 = steps.iter().map(|step| step.survival).sum();
            assert!((sum - expected["sum_of_survival"].as_f64().unwrap()).abs() < 1e-10);
        }
    }

    #[test]
    fn worked_by_hand() {
        // Times 1, 2, 2+, 3, 4+: 4/5, then 3/4 of it, then 1/2 of it.
        let times = [3.0, 2.0, 1.0, 2.0, 4.0];
        let events = [true, true, true, false, false];
        let curve = ProductLimit::new(&times, &events, None, Ending::Event).unwrap();
        for (time, after, before) in [
            (0.5, 1.0, 1.0),
            (1.0, 0.8, 1.0),
            (2.0, 0.6, 0.8),
            (3.5, 0.3, 0.3),
            (9.0, 0.3, 0.3),
        ] {
            assert!((curve.survival(time) - after).abs() < 1e-15);
            assert!((curve.survival_before(time) - before).abs() < 1e-15);
        }
        // Flat at 0.6 from 2 to 3; R: quantile(survfit(...), c(0.4, 0.5)) gives 2.5 and 3.
        assert_eq!(
            (curve.quantile(0.4), curve.quantile(0.5)),
            (Some(2.5), Some(3.0))
        );
        // Censoring: at 2 the event leaves first, so 1 of 3 is censored; at 4 the last one is.
        let censoring = ProductLimit::new(&times, &events, None, Ending::Censoring).unwrap();
        assert!((censoring.survival(2.0) - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!(censoring.survival(4.0), 0.0);
        assert_eq!(censoring.standard_error(4.0), 0.0);
        assert_eq!(censoring.interval(4.0, 0.95), None);
    }

    #[test]
    fn a_last_event_ends_at_zero_whatever_the_weights() {
        let times: Vec<f64> = (0..50).map(f64::from).collect();
        let weights: Vec<f64> = (0..50).map(|i| 0.1 + 0.37 * f64::from(i % 7)).collect();
        let curve = ProductLimit::new(&times, &[true; 50], Some(&weights), Ending::Event).unwrap();
        assert_eq!(curve.survival(49.0), 0.0);
        assert!(curve.survival(48.0) > 0.0);
        // One event and one censoring in the last place: only the censoring curve ends at zero.
        let (times, events, weights) = ([1.0, 1.0], [true, false], [0.7, 0.1]);
        let at_end = |ending| {
            let curve = ProductLimit::new(&times, &events, Some(&weights), ending).unwrap();
            curve.survival(1.0)
        };
        assert!((at_end(Ending::Event) - 0.125).abs() < 1e-15);
        assert_eq!(at_end(Ending::Censoring), 0.0);
    }

    #[test]
    fn impossible_rows_are_refused() {
        let new = |times: &[f64], weights: Option<&[f64]>| {
            ProductLimit::new(times, &[true, false], weights, Ending::Event)
        };
        assert!(new(&[1.0], None).is_err());
        for (times, weights, text) in [
            (
                [1.0, -1.0],
                [1.0, 1.0],
                "times: value out of range at row 1",
            ),
            ([1.0, f64::NAN], [1.0, 1.0], "row 1"),
            (
                [1.0, 1.0],
                [-1.0, 1.0],
                "weights: value out of range at row 0",
            ),
            ([1.0, 1.0], [0.0, 0.0], "no row has a weight above zero"),
        ] {
            let error = new(&times, Some(&weights)).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
