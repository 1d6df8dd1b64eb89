//! Is acting on the risk worth it? Net benefit, decision curves and where to put the threshold.
//!
//! A row is flagged when its risk is at or above the threshold.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::evaluation::check::{self, weight_of};
use crate::evaluation::confusion::confusion;
use crate::evaluation::ranked::groups;
use crate::numeric::rank::order;
use crate::numeric::stable::{Sum, sum};

/// Net benefit at one threshold; made by [`decision_curve`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DecisionPoint {
    /// Risk threshold.
    pub threshold: f64,
    /// Net benefit of acting on rows at or above the threshold.
    pub net_benefit: f64,
    /// Net benefit of acting on all rows; acting on none has 0.
    pub treat_all: f64,
    /// Net benefit as a share of the highest possible, the event rate.
    pub standardized: f64,
    /// Share of the rows that are flagged.
    pub flagged: f64,
}

/// A threshold that keeps to a workload; made by [`threshold_for_fraction`] and
/// [`threshold_for_alerts`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WorkloadThreshold {
    /// Rows with a score at or above it are flagged.
    pub threshold: f64,
    /// How many rows of the given ones it flags.
    pub n_flagged: usize,
    /// Their weight, at most the workload; their number where there are no weights.
    pub weight: f64,
}

/// Net benefit at a risk threshold: true positives minus false positives at the exchange rate
/// threshold / (1 - threshold), per row.
///
/// Vickers and Elkin, Med. Decis. Making 26, 2006, doi 10.1177/0272989X06295361. The threshold says
/// how many false alarms a true one is worth: 0.1 stands for nine. Needs calibrated risks.
///
/// # Errors
/// Other lengths, risks outside [0, 1], bad weights, a threshold outside (0, 1).
///
/// ```
/// use galen::evaluation::net_benefit;
/// # fn main() -> galen::Result<()> {
/// let truth = [true, false, true, false];
/// // One true and one false alarm among four rows, each false alarm at a quarter.
/// let found = net_benefit(&truth, &[0.9, 0.3, 0.1, 0.1], 0.2, None)?;
/// assert!((found - (0.25 - 0.25 * 0.25)).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
pub fn net_benefit(
    truth: &[bool],
    risk: &[f64],
    threshold: f64,
    weights: Option<&[f64]>,
) -> Result<f64> {
    const WHAT: &str = "net_benefit";
    check::threshold(WHAT, threshold)?;
    check::risk(WHAT, truth, risk, weights)?;
    let table = confusion(truth, risk, threshold, weights)?;
    Ok(benefit(
        table.true_positives,
        table.false_positives,
        table.total(),
        threshold,
    ))
}

pub(crate) fn benefit(hits: f64, alarms: f64, total: f64, threshold: f64) -> f64 {
    hits / total - alarms / total * (threshold / (1.0 - threshold))
}

/// Net benefit over thresholds, beside acting on all rows and on none; in the order given.
///
/// # Errors
/// As [`net_benefit`]; no events, where the standardized benefit has no value; no thresholds.
pub fn decision_curve(
    truth: &[bool],
    risk: &[f64],
    thresholds: &[f64],
    weights: Option<&[f64]>,
) -> Result<Vec<DecisionPoint>> {
    const WHAT: &str = "decision_curve";
    for threshold in thresholds {
        check::threshold(WHAT, *threshold)?;
    }
    if thresholds.is_empty() {
        return Err(check::parameter(WHAT, "thresholds", "none", "one or more"));
    }
    check::risk(WHAT, truth, risk, weights)?;
    let (events, nonevents) = check::class_weights(truth, weights);
    if events <= 0.0 {
        return Err(check::undefined(WHAT, "no row is an event"));
    }
    let total = events + nonevents;
    let mut points: Vec<Option<DecisionPoint>> = vec![None; thresholds.len()];
    let ranked = groups(truth, risk, weights);
    let mut next = ranked.iter().peekable();
    let (mut hits, mut alarms) = (0.0, 0.0);
    for place in order(thresholds).into_iter().rev() {
        let threshold = thresholds[place];
        while let Some(group) = next.next_if(|group| group.score >= threshold) {
            hits += group.events;
            alarms += group.nonevents;
        }
        let net_benefit = benefit(hits, alarms, total, threshold);
        points[place] = Some(DecisionPoint {
            threshold,
            net_benefit,
            treat_all: benefit(events, nonevents, total, threshold),
            standardized: net_benefit / (events / total),
            flagged: (hits + alarms) / total,
        });
    }
    Ok(points.into_iter().flatten().collect())
}

/// The risk threshold at which acting costs as much as not acting: the cost of a false positive
/// over the sum of both costs.
///
/// # Errors
/// Costs that are not finite and above zero.
///
/// ```
/// use galen::evaluation::threshold_for_costs;
/// # fn main() -> galen::Result<()> {
/// // Missing an event costs nine times as much as a false alarm.
/// assert!((threshold_for_costs(1.0, 9.0)? - 0.1).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
pub fn threshold_for_costs(false_positive: f64, false_negative: f64) -> Result<f64> {
    const WHAT: &str = "threshold_for_costs";
    for (name, cost) in [
        ("false_positive", false_positive),
        ("false_negative", false_negative),
    ] {
        if !(cost > 0.0 && cost.is_finite()) {
            return Err(check::parameter(WHAT, name, cost, "finite and above 0"));
        }
    }
    // By the ratio, so that large costs do not overflow.
    Ok(1.0 / (1.0 + false_negative / false_positive))
}

/// The lowest threshold that flags at most the share `fraction` of the rows, or of their weight.
///
/// Tied scores are flagged together or not at all, so fewer rows may be flagged than allowed.
///
/// # Errors
/// Non-finite scores, bad weights, no rows, a fraction outside (0, 1]; undefined when already the
/// rows tied at the highest score are too many.
///
/// ```
/// use galen::evaluation::threshold_for_fraction;
/// # fn main() -> galen::Result<()> {
/// let found = threshold_for_fraction(&[0.1, 0.8, 0.6, 0.6, 0.2], None, 0.5)?;
/// assert_eq!((found.threshold, found.n_flagged), (0.8, 1));
/// # Ok(())
/// # }
/// ```
pub fn threshold_for_fraction(
    score: &[f64],
    weights: Option<&[f64]>,
    fraction: f64,
) -> Result<WorkloadThreshold> {
    const WHAT: &str = "threshold_for_fraction";
    if !(fraction > 0.0 && fraction <= 1.0) {
        return Err(check::parameter(
            WHAT,
            "fraction",
            fraction,
            "above 0 and at most 1",
        ));
    }
    check::weights(WHAT, score.len(), weights)?;
    let total = weights.map_or(score.len() as f64, |weights| sum(weights.iter().copied()));
    highest(WHAT, score, weights, fraction * total)
}

/// The lowest threshold that flags at most `per_day` rows a day, or that weight, when the given rows
/// were seen in `days` days.
///
/// # Errors
/// As [`threshold_for_fraction`]; days or alerts that are not finite and above zero.
pub fn threshold_for_alerts(
    score: &[f64],
    weights: Option<&[f64]>,
    days: f64,
    per_day: f64,
) -> Result<WorkloadThreshold> {
    const WHAT: &str = "threshold_for_alerts";
    for (name, value) in [("days", days), ("per_day", per_day)] {
        if !(value > 0.0 && value.is_finite()) {
            return Err(check::parameter(WHAT, name, value, "finite and above 0"));
        }
    }
    check::weights(WHAT, score.len(), weights)?;
    highest(WHAT, score, weights, days * per_day)
}

fn highest(
    what: &'static str,
    score: &[f64],
    weights: Option<&[f64]>,
    allowed: f64,
) -> Result<WorkloadThreshold> {
    check::rows(what, 1, score.len())?;
    check::finite(what, score)?;
    // A share such as 0.07 of 100 rows means seven, whatever its last bit says.
    let allowed = allowed * (1.0 + 1e-12);
    let rows = order(score);
    let mut found = None;
    let (mut n_flagged, mut weight) = (0, Sum::default());
    for tied in rows.chunk_by(|a, b| score[*a] == score[*b]).rev() {
        for row in tied {
            n_flagged += usize::from(weight_of(weights, *row) > 0.0);
            weight.add(weight_of(weights, *row));
        }
        if weight.value() > allowed {
            break;
        }
        found = tied.first().map(|row| WorkloadThreshold {
            threshold: score[*row],
            n_flagged,
            weight: weight.value(),
        });
    }
    // Rows without weight at the top are no reason to stop there.
    found.filter(|found| found.n_flagged > 0).ok_or_else(|| {
        check::undefined(
            what,
            "the rows at the highest score are more than the workload allows",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_is_the_net_benefit_at_each_threshold() {
        let truth = [true, false, true, false, false, true];
        let risk = [0.9, 0.5, 0.5, 0.2, 0.1, 0.05];
        let weights = [1.0, 2.0, 0.5, 1.0, 0.0, 3.0];
        let thresholds = [0.5, 0.05, 0.95, 0.2];
        for weights in [None, Some(weights.as_slice())] {
            let curve = decision_curve(&truth, &risk, &thresholds, weights).unwrap();
            for (point, threshold) in curve.iter().zip(thresholds) {
                assert_eq!(point.threshold, threshold);
                let single = net_benefit(&truth, &risk, threshold, weights).unwrap();
                assert!((point.net_benefit - single).abs() < 1e-15);
            }
            // At the lowest risk all rows are flagged; above the highest none.
            assert!((curve[1].net_benefit - curve[1].treat_all).abs() < 1e-15);
            assert_eq!((curve[2].net_benefit, curve[2].flagged), (0.0, 0.0));
        }
        let plain = decision_curve(&truth, &risk, &[0.5], None).unwrap();
        // Two true and one false alarm; the exchange rate is one.
        assert!((plain[0].net_benefit - 1.0 / 6.0).abs() < 1e-15);
        assert!((plain[0].standardized - 1.0 / 3.0).abs() < 1e-15);
        assert!(decision_curve(&truth, &risk, &[], None).is_err());
        assert!(decision_curve(&truth, &risk, &[1.0], None).is_err());
        assert!(decision_curve(&[false], &[0.5], &[0.5], None).is_err());
    }

    #[test]
    fn workloads_are_kept_under_ties() {
        let score = [0.9, 0.8, 0.8, 0.7, 0.1];
        let flagged = |per_day| threshold_for_alerts(&score, None, 2.0, per_day);
        assert_eq!(flagged(0.5).unwrap().threshold, 0.9);
        assert_eq!(flagged(1.0).unwrap().n_flagged, 1);
        assert_eq!(flagged(1.5).unwrap().threshold, 0.8);
        assert_eq!(flagged(100.0).unwrap().n_flagged, 5);
        assert!(flagged(0.4).is_err());
        assert!(threshold_for_alerts(&[0.5, 0.5], None, 1.0, 1.0).is_err());
        let hundred: Vec<f64> = (0..100).map(f64::from).collect();
        let found = threshold_for_fraction(&hundred, None, 0.07).unwrap();
        assert_eq!((found.threshold, found.n_flagged), (93.0, 7));
        // Repeated rows and weights agree; rows without weight change nothing.
        let weights = [1.0, 0.0, 2.0, 3.0, 1.0];
        let repeated = [0.9, 0.8, 0.8, 0.7, 0.7, 0.7, 0.1];
        for per_day in [1.0, 2.0, 3.0, 4.0, 7.0] {
            let weighed = threshold_for_alerts(&score, Some(&weights), 1.0, per_day).unwrap();
            let long = threshold_for_alerts(&repeated, None, 1.0, per_day).unwrap();
            assert_eq!(weighed.threshold, long.threshold);
            assert_eq!(weighed.weight, long.n_flagged as f64);
        }
        let found = threshold_for_fraction(&score, Some(&weights), 0.5).unwrap();
        assert_eq!((found.threshold, found.n_flagged), (0.8, 2));
        assert!(threshold_for_fraction(&score, Some(&[1.0; 4]), 0.5).is_err());
        // A missed event costs four false alarms: act from one in five on.
        assert_eq!(threshold_for_costs(1.0, 4.0).unwrap(), 0.2);
        assert!(threshold_for_costs(1.0, f64::INFINITY).is_err());
        assert_eq!(threshold_for_costs(1e300, 1e300).unwrap(), 0.5);
    }
}
