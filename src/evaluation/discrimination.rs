//! Does the score put events above non-events? AUROC, AUPRC and their curves.
//!
//! All functions take the truth (`true` = the event happened), a score by row (a risk, or any
//! number that is higher for more likely events) and optional weights. Tied scores count one half.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::evaluation::check::{self, weight_of};
use crate::evaluation::ranked::{Group, descending, groups, key};
use crate::evaluation::weighted::{Weighed, two_of_each, variance_of_mean};
use crate::numeric::parallel::sort_keys;
use crate::numeric::special::{normal_quantile, normal_upper};
use crate::numeric::stable::{Sum, sum};

/// Area under the ROC curve with its DeLong interval; made by [`auroc_delong`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Auroc {
    /// Probability that a random event scores above a random non-event, ties counted one half.
    pub auroc: f64,
    /// DeLong variance of the area.
    pub variance: f64,
    /// Square root of the variance.
    pub se: f64,
    /// Lower end of the interval, not below 0.
    pub lower: f64,
    /// Upper end of the interval, not above 1.
    pub upper: f64,
    /// Confidence level of the interval.
    pub level: f64,
    /// Number of rows with the event; weights do not count here.
    pub n_events: usize,
    /// Number of rows without it.
    pub n_nonevents: usize,
}

/// Two areas on the same rows compared; made by [`auroc_paired`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedAuroc {
    /// AUROC of the first score.
    pub auroc_a: f64,
    /// AUROC of the second score.
    pub auroc_b: f64,
    /// First minus second.
    pub difference: f64,
    /// Standard error of the difference, covariance included.
    pub se: f64,
    /// Difference in standard errors; 0 when both scores rank alike.
    pub z: f64,
    /// Two-sided p-value of no difference.
    pub p: f64,
    /// Lower end of the interval of the difference.
    pub lower: f64,
    /// Upper end of the interval of the difference.
    pub upper: f64,
    /// Confidence level of the interval.
    pub level: f64,
}

/// One point of a ROC curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RocPoint {
    /// Rows with a score at or above it are flagged; `None` on the first point, where none is.
    pub threshold: Option<f64>,
    /// Share of the non-events that are flagged (1 - specificity).
    pub false_positive_rate: f64,
    /// Share of the events that are flagged.
    pub sensitivity: f64,
}

/// One point of a precision-recall curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PrPoint {
    /// Rows with a score at or above it are flagged.
    pub threshold: f64,
    /// Share of the events that are flagged (sensitivity).
    pub recall: f64,
    /// Share of the flagged rows that are events (positive predictive value).
    pub precision: f64,
}

/// Area under the ROC curve: the probability that a random event scores above a random non-event.
///
/// 0.5 is chance, 1 is perfect ranking; it does not depend on how common the event is and says
/// nothing about calibration. With weights, rows count by weight. O(n log n), sorted in parallel.
///
/// # Errors
/// Other lengths, non-finite scores, negative weights; [`SingleClass`](crate::error::ErrorKind::SingleClass)
/// when events or non-events are missing.
///
/// ```
/// use galen::evaluation::auroc;
/// # fn main() -> galen::Result<()> {
/// let truth = [false, false, true, true];
/// assert_eq!(auroc(&truth, &[0.1, 0.4, 0.35, 0.8], None)?, 0.75);
/// # Ok(())
/// # }
/// ```
pub fn auroc(truth: &[bool], score: &[f64], weights: Option<&[f64]>) -> Result<f64> {
    const WHAT: &str = "auroc";
    check::ranking(WHAT, truth, score, weights)?;
    let (events, nonevents) = check::both_classes(WHAT, truth, weights)?;
    let mut above = Sum::default();
    let mut wins = Sum::default();
    descending(truth, score, weights, |group| {
        wins.add(group.nonevents * (above.value() + 0.5 * group.events));
        above.add(group.events);
    });
    Ok((wins.value() / (events * nonevents)).clamp(0.0, 1.0))
}

/// AUROC with the variance of DeLong and a normal interval at `level` (usually 0.95).
///
/// The interval is cut at 0 and 1. Under perfect separation the variance is 0 and the interval a
/// point: then prefer a bootstrap or report the counts. With weights, placements are shares of
/// weight and a row is one observation, so the interval does not depend on the weights' scale.
///
/// DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988, doi 10.2307/2531595, by ranks as in Sun
/// and Xu, IEEE Signal Process. Lett. 21, 2014, doi 10.1109/LSP.2014.2337313: O(n log n).
///
/// # Errors
/// As [`auroc`]; fewer than two events or two non-events; a level outside (0, 1).
///
/// ```
/// use galen::evaluation::auroc_delong;
/// # fn main() -> galen::Result<()> {
/// let truth = [false, false, false, true, true];
/// let found = auroc_delong(&truth, &[0.1, 0.2, 0.4, 0.3, 0.9], None, 0.95)?;
/// assert!((found.auroc - 5.0 / 6.0).abs() < 1e-15);
/// assert!(found.lower < found.auroc && found.upper == 1.0);
/// # Ok(())
/// # }
/// ```
pub fn auroc_delong(
    truth: &[bool],
    score: &[f64],
    weights: Option<&[f64]>,
    level: f64,
) -> Result<Auroc> {
    const WHAT: &str = "auroc_delong";
    check::level(WHAT, level)?;
    check::ranking(WHAT, truth, score, weights)?;
    let rows = Weighed::of(truth, score, weights);
    let (truth, score) = (&*rows.truth, &*rows.score);
    let (events, nonevents) = two_of_each(WHAT, truth, rows.weights())?;
    let (auroc, variance) = match rows.weights() {
        None => delong_of_groups(&groups(truth, score, None), events, nonevents),
        Some(weights) => {
            let area = auroc(truth, score, Some(weights))?;
            let placement = placements(truth, score, Some(weights), events, nonevents);
            let part = |class: bool, total: f64| {
                let rows = (0..truth.len()).filter(|row| truth[*row] == class);
                variance_of_mean(rows.map(|row| (placement[row], weights[row])), area, total)
            };
            (area, part(true, events) + part(false, nonevents))
        }
    };
    let se = variance.sqrt();
    let reach = normal_quantile(0.5 + 0.5 * level) * se;
    Ok(Auroc {
        auroc,
        variance,
        se,
        lower: (auroc - reach).max(0.0),
        upper: (auroc + reach).min(1.0),
        level,
        n_events: truth.iter().filter(|event| **event).count(),
        n_nonevents: truth.iter().filter(|event| !**event).count(),
    })
}

/// Area and DeLong variance of groups in descending order of score.
///
/// The placement of an event is the share of non-events below it, that of a non-event the share of
/// events above it; the variance adds those of the two placements over their numbers.
pub(crate) fn delong_of_groups(groups: &[Group], events: f64, nonevents: f64) -> (f64, f64) {
    let mut above = 0.0;
    let mut wins = Sum::default();
    for group in groups {
        wins.add(group.nonevents * (above + 0.5 * group.events));
        above += group.events;
    }
    let auroc = (wins.value() / (events * nonevents)).clamp(0.0, 1.0);
    let (mut above, mut below) = (0.0, nonevents);
    let (mut of_events, mut of_nonevents) = (Sum::default(), Sum::default());
    for group in groups {
        below -= group.nonevents;
        let event = (below + 0.5 * group.nonevents) / nonevents - auroc;
        let nonevent = (above + 0.5 * group.events) / events - auroc;
        of_events.add(group.events * event * event);
        of_nonevents.add(group.nonevents * nonevent * nonevent);
        above += group.events;
    }
    let variance = of_events.value() / ((events - 1.0) * events)
        + of_nonevents.value() / ((nonevents - 1.0) * nonevents);
    (auroc, variance)
}

/// Compares the AUROC of two scores on the same rows (DeLong's test for correlated areas); weights as
/// in [`auroc_delong`].
///
/// # Errors
/// As [`auroc_delong`]; undefined when the areas differ while every placement differs by the same
/// amount, so that the standard error is zero.
///
/// ```
/// use galen::evaluation::auroc_paired;
/// # fn main() -> galen::Result<()> {
/// let truth = [false, false, false, true, true, true];
/// let good = [0.1, 0.2, 0.4, 0.3, 0.8, 0.9];
/// let poor = [0.1, 0.7, 0.4, 0.3, 0.2, 0.9];
/// let found = auroc_paired(&truth, &good, &poor, None, 0.95)?;
/// assert!(found.difference > 0.0 && found.p < 1.0);
/// # Ok(())
/// # }
/// ```
pub fn auroc_paired(
    truth: &[bool],
    score_a: &[f64],
    score_b: &[f64],
    weights: Option<&[f64]>,
    level: f64,
) -> Result<PairedAuroc> {
    const WHAT: &str = "auroc_paired";
    check::level(WHAT, level)?;
    check::ranking(WHAT, truth, score_a, weights)?;
    check::ranking(WHAT, truth, score_b, weights)?;
    let rows = Weighed::of(truth, score_a, weights);
    let score_b = rows.select(score_b);
    let (truth, weights) = (&*rows.truth, rows.weights());
    let (events, nonevents) = two_of_each(WHAT, truth, weights)?;
    let a = placements(truth, &rows.score, weights, events, nonevents);
    let b = placements(truth, &score_b, weights, events, nonevents);
    let of = |class: bool| truth.iter().enumerate().filter(move |(_, t)| **t == class);
    let weight = |row: usize| weight_of(weights, row);
    let mean_a = sum(of(true).map(|(row, _)| weight(row) * a[row])) / events;
    let mean_b = sum(of(true).map(|(row, _)| weight(row) * b[row])) / events;
    // Differences of placements, not of variances: two scores that rank alike give exactly zero.
    let part = |class: bool, n: f64| {
        let mean = sum(of(class).map(|(row, _)| weight(row) * (a[row] - b[row]))) / n;
        if weights.is_some() {
            let rows = of(class).map(|(row, _)| (a[row] - b[row], weight(row)));
            return variance_of_mean(rows, mean, n);
        }
        let squares = sum(of(class).map(|(row, _)| (a[row] - b[row] - mean).powi(2)));
        squares / ((n - 1.0) * n)
    };
    let difference = mean_a - mean_b;
    let se = (part(true, events) + part(false, nonevents)).sqrt();
    let z = if se > 0.0 {
        difference / se
    } else if difference == 0.0 {
        0.0
    } else {
        return Err(check::undefined(
            WHAT,
            "the difference of the areas has no variance",
        ));
    };
    let reach = normal_quantile(0.5 + 0.5 * level) * se;
    Ok(PairedAuroc {
        auroc_a: mean_a,
        auroc_b: mean_b,
        difference,
        se,
        z,
        p: (2.0 * normal_upper(z.abs())).min(1.0),
        lower: difference - reach,
        upper: difference + reach,
        level,
    })
}

/// Area under the precision-recall curve as average precision.
///
/// The sum over distinct scores, highest first, of precision times the gain in recall; no
/// interpolation and no trapezoids, which are optimistic (Davis and Goadrich, ICML 2006, doi
/// 10.1145/1143844.1143874). A score without information reaches the event rate, so quote that
/// beside it. O(n log n).
///
/// # Errors
/// Other lengths, non-finite scores, negative weights; no events.
///
/// ```
/// use galen::evaluation::auprc;
/// # fn main() -> galen::Result<()> {
/// let truth = [false, false, true, true];
/// let found = auprc(&truth, &[0.1, 0.4, 0.35, 0.8], None)?;
/// assert!((found - (0.5 + 0.5 * 2.0 / 3.0)).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
pub fn auprc(truth: &[bool], score: &[f64], weights: Option<&[f64]>) -> Result<f64> {
    const WHAT: &str = "auprc";
    check::ranking(WHAT, truth, score, weights)?;
    let (events, _) = check::class_weights(truth, weights);
    if events <= 0.0 {
        return Err(check::undefined(WHAT, "no row is an event"));
    }
    let (mut hits, mut flagged, mut area) = (0.0, 0.0, Sum::default());
    descending(truth, score, weights, |group| {
        hits += group.events;
        flagged += group.events + group.nonevents;
        if group.events > 0.0 {
            area.add(group.events * (hits / flagged));
        }
    });
    Ok((area.value() / events).clamp(0.0, 1.0))
}

/// The ROC curve: one point per distinct score, after the point where nobody is flagged.
///
/// # Errors
/// As [`auroc`].
pub fn roc_curve(truth: &[bool], score: &[f64], weights: Option<&[f64]>) -> Result<Vec<RocPoint>> {
    const WHAT: &str = "roc_curve";
    check::ranking(WHAT, truth, score, weights)?;
    let (events, nonevents) = check::both_classes(WHAT, truth, weights)?;
    let mut points = vec![RocPoint {
        threshold: None,
        false_positive_rate: 0.0,
        sensitivity: 0.0,
    }];
    let (mut hits, mut alarms) = (Sum::default(), Sum::default());
    descending(truth, score, weights, |group| {
        hits.add(group.events);
        alarms.add(group.nonevents);
        points.push(RocPoint {
            threshold: Some(group.score),
            false_positive_rate: (alarms.value() / nonevents).min(1.0),
            sensitivity: (hits.value() / events).min(1.0),
        });
    });
    Ok(points)
}

/// The precision-recall curve: one point per distinct score, highest score first.
///
/// # Errors
/// As [`auprc`].
pub fn pr_curve(truth: &[bool], score: &[f64], weights: Option<&[f64]>) -> Result<Vec<PrPoint>> {
    const WHAT: &str = "pr_curve";
    check::ranking(WHAT, truth, score, weights)?;
    let (events, _) = check::class_weights(truth, weights);
    if events <= 0.0 {
        return Err(check::undefined(WHAT, "no row is an event"));
    }
    let mut points = Vec::new();
    let (mut hits, mut flagged) = (Sum::default(), Sum::default());
    descending(truth, score, weights, |group| {
        hits.add(group.events);
        flagged.add(group.events);
        flagged.add(group.nonevents);
        points.push(PrPoint {
            threshold: group.score,
            recall: (hits.value() / events).min(1.0),
            precision: (hits.value() / flagged.value()).min(1.0),
        });
    });
    Ok(points)
}

/// By row: share of the opposite class that an event beats, or that beats a non-event.
fn placements(
    truth: &[bool],
    score: &[f64],
    weights: Option<&[f64]>,
    events: f64,
    nonevents: f64,
) -> Vec<f64> {
    let mut keys: Vec<(u64, usize)> = score.iter().map(|s| key(*s)).zip(0..).collect();
    sort_keys(&mut keys);
    let mut placement = vec![0.0; truth.len()];
    // Sums of whole numbers are exact; those of weights keep what they would lose.
    let (mut below, mut not_above) = (Sum::default(), Sum::default());
    for tied in keys.chunk_by(|a, b| a.0 == b.0) {
        let (mut hits, mut misses) = (Sum::default(), Sum::default());
        for &(_, row) in tied {
            let side = if truth[row] { &mut hits } else { &mut misses };
            side.add(weight_of(weights, row));
        }
        let (hits, misses) = (hits.value(), misses.value());
        not_above.add(hits);
        let above = events - not_above.value();
        for &(_, row) in tied {
            placement[row] = if truth[row] {
                (below.value() + 0.5 * misses) / nonevents
            } else {
                (above + 0.5 * hits) / events
            };
        }
        below.add(misses);
    }
    placement
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::numeric::seed::stream;
    use rand::Rng;

    /// Rows with many ties, in a fixed pseudo-random order.
    fn rows(n: usize, distinct: u32, seed: u64) -> (Vec<bool>, Vec<f64>, Vec<f64>) {
        let mut random = stream(seed, 0);
        let truth: Vec<bool> = (0..n).map(|_| random.gen_bool(0.3)).collect();
        let score = truth
            .iter()
            .map(|t| {
                f64::from(random.gen_range(0..distinct))
                    + if *t { f64::from(distinct / 4) } else { 0.0 }
            })
            .collect();
        let weights = (0..n)
            .map(|_| f64::from(random.gen_range(0_u32..4)))
            .collect();
        (truth, score, weights)
    }

    /// The share of a pair that the event wins.
    fn win(event: f64, nonevent: f64) -> f64 {
        if event > nonevent {
            1.0
        } else if event == nonevent {
            0.5
        } else {
            0.0
        }
    }

    fn slow_auroc(truth: &[bool], score: &[f64], weight: &[f64]) -> f64 {
        let (mut wins, mut pairs) = (0.0, 0.0);
        for i in (0..truth.len()).filter(|i| truth[*i]) {
            for j in (0..truth.len()).filter(|j| !truth[*j]) {
                wins += weight[i] * weight[j] * win(score[i], score[j]);
                pairs += weight[i] * weight[j];
            }
        }
        wins / pairs
    }

    fn slow_auprc(truth: &[bool], score: &[f64], weight: &[f64]) -> f64 {
        let mut thresholds = score.to_vec();
        thresholds.sort_by(|a, b| b.total_cmp(a));
        thresholds.dedup();
        let total: f64 = (0..truth.len())
            .filter(|i| truth[*i])
            .map(|i| weight[i])
            .sum();
        let (mut area, mut recall) = (0.0, 0.0);
        for t in thresholds {
            let flagged = || (0..truth.len()).filter(|i| score[*i] >= t);
            let all: f64 = flagged().map(|i| weight[i]).sum();
            let hits: f64 = flagged().filter(|i| truth[*i]).map(|i| weight[i]).sum();
            if all > 0.0 {
                area += (hits / total - recall) * hits / all;
                recall = hits / total;
            }
        }
        area
    }

    /// DeLong's variance from the table of all pairs.
    fn slow_variance(truth: &[bool], score: &[f64]) -> f64 {
        let events: Vec<f64> = (0..truth.len())
            .filter(|i| truth[*i])
            .map(|i| score[i])
            .collect();
        let others: Vec<f64> = (0..truth.len())
            .filter(|i| !truth[*i])
            .map(|i| score[i])
            .collect();
        let spread = |parts: Vec<f64>| {
            let n = parts.len() as f64;
            let mean = parts.iter().sum::<f64>() / n;
            parts.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0) / n
        };
        let share = |wins: f64, n: usize| wins / n as f64;
        spread(
            events
                .iter()
                .map(|e| share(others.iter().map(|o| win(*e, *o)).sum(), others.len()))
                .collect(),
        ) + spread(
            others
                .iter()
                .map(|o| share(events.iter().map(|e| win(*e, *o)).sum(), events.len()))
                .collect(),
        )
    }

    #[test]
    fn equal_to_the_definition_by_pairs() {
        for (n, distinct) in [(60, 5), (201, 40), (333, 1_000_000)] {
            let (truth, score, weights) = rows(n, distinct, 7);
            let ones = vec![1.0; n];
            let area = auroc(&truth, &score, None).unwrap();
            assert!((area - slow_auroc(&truth, &score, &ones)).abs() < 1e-13);
            assert_eq!(area, auroc(&truth, &score, Some(&ones)).unwrap());
            let weighted = auroc(&truth, &score, Some(&weights)).unwrap();
            assert!((weighted - slow_auroc(&truth, &score, &weights)).abs() < 1e-13);
            assert_ne!(area, weighted);
            let precision = auprc(&truth, &score, None).unwrap();
            assert!((precision - slow_auprc(&truth, &score, &ones)).abs() < 1e-13);
            let weighted = auprc(&truth, &score, Some(&weights)).unwrap();
            assert!((weighted - slow_auprc(&truth, &score, &weights)).abs() < 1e-13);
            let found = auroc_delong(&truth, &score, None, 0.95).unwrap();
            assert!((found.variance / slow_variance(&truth, &score) - 1.0).abs() < 1e-11);
            assert_eq!(found.auroc, area);
        }
    }

    #[test]
    fn pairs_of_scores_have_their_covariance() {
        let (truth, a, _) = rows(150, 30, 1);
        let (_, b, _) = rows(150, 9, 2);
        let found = auroc_paired(&truth, &a, &b, None, 0.9).unwrap();
        assert!((found.auroc_a - auroc(&truth, &a, None).unwrap()).abs() < 1e-14);
        // Unpaired, the variances would add up.
        let apart = slow_variance(&truth, &a) + slow_variance(&truth, &b);
        assert!(found.se * found.se != apart && found.se > 0.0);
        let swapped = auroc_paired(&truth, &b, &a, None, 0.9).unwrap();
        assert_eq!(found.difference, -swapped.difference);
        assert_eq!(found.p, swapped.p);
        let same = auroc_paired(&truth, &a, &a, None, 0.95).unwrap();
        assert_eq!(
            (same.difference, same.se, same.z, same.p),
            (0.0, 0.0, 0.0, 1.0)
        );
        // A constant rival has placements of one half and no variance of its own.
        let flat = auroc_paired(&truth, &a, &vec![1.0; 150], None, 0.95).unwrap();
        assert!((flat.se.powi(2) / slow_variance(&truth, &a) - 1.0).abs() < 1e-11);
        assert_eq!(flat.auroc_b, 0.5);
    }

    #[test]
    fn curves_end_where_all_are_flagged_and_enclose_the_area() {
        let (truth, score, weights) = rows(120, 15, 3);
        let roc = roc_curve(&truth, &score, Some(&weights)).unwrap();
        let last = roc.last().unwrap();
        assert_eq!((last.false_positive_rate, last.sensitivity), (1.0, 1.0));
        let area: f64 = roc
            .windows(2)
            .map(|p| {
                (p[1].false_positive_rate - p[0].false_positive_rate)
                    * 0.5
                    * (p[0].sensitivity + p[1].sensitivity)
            })
            .sum();
        assert!((area - auroc(&truth, &score, Some(&weights)).unwrap()).abs() < 1e-13);
        let pr = pr_curve(&truth, &score, None).unwrap();
        let rate = truth.iter().filter(|t| **t).count() as f64 / 120.0;
        assert_eq!(pr.last().unwrap().recall, 1.0);
        assert!((pr.last().unwrap().precision - rate).abs() < 1e-15);
    }

    #[test]
    fn bad_input_is_refused_by_name() {
        let truth = [true, false, true];
        let kind = |result: Result<f64>| result.unwrap_err().into_kind();
        assert!(matches!(
            kind(auroc(&truth, &[0.1, 0.2], None)),
            ErrorKind::LengthMismatch {
                expected: 3,
                found: 2,
                ..
            }
        ));
        assert!(matches!(
            kind(auroc(&truth, &[0.1, f64::NAN, 0.2], None)),
            ErrorKind::NonFinite { row: Some(1), .. }
        ));
        assert!(matches!(
            kind(auroc(&[true; 3], &[0.1, 0.2, 0.3], None)),
            ErrorKind::SingleClass { .. }
        ));
        assert!(matches!(
            kind(auroc(&truth, &[0.1, 0.2, 0.3], Some(&[1.0, 0.0, 1.0]))),
            ErrorKind::SingleClass { .. }
        ));
        assert!(matches!(
            kind(auroc(&truth, &[0.1, 0.2, 0.3], Some(&[0.0; 3]))),
            ErrorKind::NoEffectiveRows { .. }
        ));
        assert!(matches!(
            kind(auroc(&[], &[], None)),
            ErrorKind::TooFewRows { .. }
        ));
        assert!(matches!(
            kind(auprc(&[false; 2], &[0.1, 0.2], None)),
            ErrorKind::Undefined { .. }
        ));
        assert!(auroc_delong(&truth, &[0.1, 0.2, 0.3], None, 0.95).is_err());
        assert!(auroc_delong(&truth, &[0.1, 0.2, 0.3], None, 1.0).is_err());
    }
}
