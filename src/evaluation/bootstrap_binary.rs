//! The bootstrap of a risk model's headline numbers, fast enough for a thousand resamples of any
//! cohort: rows are sorted once, a resample only counts them again.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::evaluation::bootstrap::{BootstrapOptions, Patients, Resampled, resampled};
use crate::evaluation::calibration::clip;
use crate::evaluation::check;
use crate::evaluation::utility::benefit;
use crate::evaluation::weighted::Weighed;
use crate::numeric::parallel::map_tasks;
use crate::numeric::rank::order;
use crate::numeric::stable::{logistic, logit};

/// Headline numbers of a risk model with bootstrap intervals; made by [`bootstrap_binary`].
///
/// A number is `None` where it has no value on the full rows or in more than half of the resamples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BinaryBootstrap {
    /// Area under the ROC curve.
    pub auroc: Option<Resampled>,
    /// Average precision.
    pub auprc: Option<Resampled>,
    /// Brier score.
    pub brier: Option<Resampled>,
    /// Calibration in the large.
    pub in_the_large: Option<Resampled>,
    /// Calibration intercept.
    pub intercept: Option<Resampled>,
    /// Calibration slope.
    pub slope: Option<Resampled>,
    /// Share of the events that are flagged at the threshold.
    pub sensitivity: Option<Resampled>,
    /// Share of the non-events that are not flagged.
    pub specificity: Option<Resampled>,
    /// Share of the flagged rows that are events.
    pub ppv: Option<Resampled>,
    /// Share of the other rows that are non-events.
    pub npv: Option<Resampled>,
    /// Net benefit at the threshold.
    pub net_benefit: Option<Resampled>,
    /// Threshold at or above which rows are flagged.
    pub threshold: f64,
    /// Number of patients drawn from.
    pub n_patients: usize,
    /// Number of resamples.
    pub replicates: usize,
}

/// Number of statistics of [`BinaryBootstrap`].
const N: usize = 11;

/// Bootstrap by patient of discrimination, calibration, rates and net benefit.
///
/// `patients` has one code per row; without it every row is its own patient. Rows count by their
/// weight times the number of draws of their patient; weights are taken as given, so that those which
/// were estimated add an uncertainty that is not in the intervals. Equal to
/// [`bootstrap`](crate::evaluation::bootstrap) with the weighted metrics, at a fraction of the time:
/// O(n log n) once and O(n) per resample, resamples in parallel.
///
/// # Errors
/// Other lengths, risks outside [0, 1], bad weights, a threshold outside (0, 1), settings outside
/// their ranges, fewer than two patients, a single class.
///
/// ```
/// use galen::evaluation::{BootstrapOptions, bootstrap_binary};
/// # fn main() -> galen::Result<()> {
/// let risk: Vec<f64> = (0..300).map(|i| 0.05 + 0.9 * f64::from(i) / 300.0).collect();
/// let truth: Vec<bool> = (0..300).map(|i| f64::from(i * 77 % 300) / 300.0 < risk[i as usize]).collect();
/// let patients: Vec<u32> = (0..300).map(|i| i / 2).collect();
/// let found = bootstrap_binary(&truth, &risk, None, Some(&patients), 0.3, BootstrapOptions::default())?;
/// let slope = found.slope.expect("events and non-events overlap");
/// assert!(slope.lower < slope.estimate && slope.estimate < slope.upper);
/// # Ok(())
/// # }
/// ```
pub fn bootstrap_binary(
    truth: &[bool],
    risk: &[f64],
    weights: Option<&[f64]>,
    patients: Option<&[u32]>,
    threshold: f64,
    options: BootstrapOptions,
) -> Result<BinaryBootstrap> {
    const WHAT: &str = "bootstrap_binary";
    options.check(WHAT)?;
    check::threshold(WHAT, threshold)?;
    check::risk(WHAT, truth, risk, weights)?;
    if let Some(patients) = patients {
        check::length(WHAT, truth.len(), patients.len())?;
    }
    let rows = Weighed::of(truth, risk, weights);
    let kept = patients.map(|patients| rows.select(patients));
    let (truth, risk, weights) = (&*rows.truth, &*rows.score, rows.weights());
    check::both_classes(WHAT, truth, weights)?;
    let patients = Patients::of(WHAT, truth.len(), kept.as_deref())?;
    let sorted = Sorted::of(truth, risk, weights, &patients);
    let full = sorted.statistics(&vec![1; patients.count], threshold, [0.0; 3]);
    let starts = [3, 4, 5].map(|place| full[place].unwrap_or(0.0));
    let replicates = map_tasks(options.replicates, |replicate| {
        let drawn = patients.draw(options.seed, replicate);
        sorted.statistics(&drawn, threshold, starts)
    });
    let without = options.bca.then(|| {
        map_tasks(patients.count, |left_out| {
            let mut drawn = vec![1; patients.count];
            drawn[left_out] = 0;
            sorted.statistics(&drawn, threshold, starts)
        })
    });
    let summary = |place: usize| {
        full[place].and_then(|estimate| {
            let values = replicates.iter().map(|values| values[place]);
            let without: Option<Vec<Option<f64>>> = without
                .as_ref()
                .map(|without| without.iter().map(|values| values[place]).collect());
            resampled(estimate, values, options.level, without.as_deref())
        })
    };
    Ok(BinaryBootstrap {
        auroc: summary(0),
        auprc: summary(1),
        brier: summary(2),
        in_the_large: summary(3),
        intercept: summary(4),
        slope: summary(5),
        sensitivity: summary(6),
        specificity: summary(7),
        ppv: summary(8),
        npv: summary(9),
        net_benefit: summary(10),
        threshold,
        n_patients: patients.count,
        replicates: options.replicates,
    })
}

/// Rows from the highest risk to the lowest, gathered by equal risk.
struct Sorted {
    /// Patient and truth of each row.
    rows: Vec<(u32, bool)>,
    /// Weight of each row; `None` where all are one.
    weights: Option<Vec<f64>>,
    /// First row of each group, and the number of rows at the end.
    starts: Vec<usize>,
    /// Risk of each group.
    risk: Vec<f64>,
    /// Log odds of each group's risk.
    log_odds: Vec<f64>,
}

/// A group as one resample counts it.
#[derive(Clone, Copy)]
struct Counted {
    x: f64,
    events: f64,
    total: f64,
}

impl Sorted {
    fn of(truth: &[bool], risk: &[f64], weights: Option<&[f64]>, patients: &Patients) -> Self {
        let by_risk = order(risk);
        let mut sorted = Self {
            rows: Vec::with_capacity(risk.len()),
            weights: weights.map(|_| Vec::with_capacity(risk.len())),
            starts: Vec::new(),
            risk: Vec::new(),
            log_odds: Vec::new(),
        };
        for tied in by_risk.chunk_by(|a, b| risk[*a] == risk[*b]).rev() {
            sorted.starts.push(sorted.rows.len());
            sorted.risk.push(risk[tied[0]]);
            sorted.log_odds.push(logit(clip(risk[tied[0]])));
            let group = tied.iter().map(|row| (patients.of_row[*row], truth[*row]));
            sorted.rows.extend(group);
            if let (Some(sorted), Some(weights)) = (&mut sorted.weights, weights) {
                sorted.extend(tied.iter().map(|row| weights[*row]));
            }
        }
        sorted.starts.push(sorted.rows.len());
        sorted
    }

    /// Weight of the events and of the other rows among `rows`, each as often as its patient was drawn.
    fn count(&self, drawn: &[u32], rows: Range<usize>) -> (f64, f64) {
        let Some(weights) = &self.weights else {
            let (mut of_event, mut of_other) = (0_u64, 0_u64);
            for &(patient, event) in &self.rows[rows] {
                let times = u64::from(drawn[patient as usize]);
                let mask = u64::from(event).wrapping_neg();
                of_event += times & mask;
                of_other += times & !mask;
            }
            return (of_event as f64, of_other as f64);
        };
        let (mut events, mut others) = (0.0, 0.0);
        for (&(patient, event), weight) in self.rows[rows.clone()].iter().zip(&weights[rows]) {
            let times = f64::from(drawn[patient as usize]) * weight;
            if event {
                events += times;
            } else {
                others += times;
            }
        }
        (events, others)
    }

    /// All numbers for rows counted as often as their patient was drawn. `starts` are the solutions
    /// of the logistic fits on the full rows: shift, intercept, slope.
    fn statistics(&self, drawn: &[u32], threshold: f64, starts: [f64; 3]) -> [Option<f64>; N] {
        let mut counted = Vec::with_capacity(self.risk.len());
        // Sums of whole numbers below 2^53 are exact in any order.
        let (mut hits, mut alarms, mut wins) = (0.0, 0.0, 0.0);
        let (mut precision, mut squares) = (0.0, 0.0);
        let (mut flagged_hits, mut flagged_alarms) = (0.0, 0.0);
        // Lowest and highest group of each class: do the classes overlap?
        let mut range = [[usize::MAX, 0]; 2];
        for (group, bounds) in self.starts.windows(2).enumerate() {
            let (events, others) = self.count(drawn, bounds[0]..bounds[1]);
            if events + others == 0.0 {
                continue;
            }
            for (class, times) in [others, events].into_iter().enumerate() {
                if times > 0.0 {
                    range[class] = [range[class][0].min(group), group];
                }
            }
            wins += others * (hits + 0.5 * events);
            hits += events;
            alarms += others;
            precision += events * (hits / (hits + alarms));
            let risk = self.risk[group];
            squares += events * (1.0 - risk) * (1.0 - risk) + others * risk * risk;
            if risk >= threshold {
                (flagged_hits, flagged_alarms) = (hits, alarms);
            }
            counted.push(Counted {
                x: self.log_odds[group],
                events,
                total: events + others,
            });
        }
        let total = hits + alarms;
        let both = hits > 0.0 && alarms > 0.0;
        let [others, events] = range;
        let overlap = both && events[0] < others[1] && others[0] < events[1];
        let shift = if both {
            fit_shift(&counted, starts[0])
        } else {
            None
        };
        let line = if overlap {
            fit_line(&counted, [starts[1], starts[2]])
        } else {
            None
        };
        let ratio = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        // By class, so that nothing is left where all rows are flagged.
        let passed = (hits - flagged_hits) + (alarms - flagged_alarms);
        [
            ratio(wins, hits * alarms),
            ratio(precision, hits),
            ratio(squares, total),
            shift,
            line.map(|line| line[0]),
            line.map(|line| line[1]),
            ratio(flagged_hits, hits),
            ratio(alarms - flagged_alarms, alarms),
            ratio(flagged_hits, flagged_hits + flagged_alarms),
            ratio(alarms - flagged_alarms, passed),
            (total > 0.0).then(|| benefit(flagged_hits, flagged_alarms, total, threshold)),
        ]
    }
}

/// Steps allowed; from the solution on the full rows two or three suffice.
const MAX_STEPS: usize = 60;

/// Intercept with slope 1; `None` where Newton's steps do not settle.
fn fit_shift(groups: &[Counted], start: f64) -> Option<f64> {
    let mut shift = start;
    for _ in 0..MAX_STEPS {
        let (mut score, mut information) = (0.0, 0.0);
        for group in groups {
            let p = logistic(group.x + shift);
            score += group.events - group.total * p;
            information += group.total * p * (1.0 - p);
        }
        let step = (score / information).clamp(-4.0, 4.0);
        if !step.is_finite() {
            return None;
        }
        shift += step;
        if step.abs() <= 1e-8 {
            return Some(shift);
        }
    }
    None
}

/// Intercept and slope; `None` where Newton's steps do not settle.
fn fit_line(groups: &[Counted], start: [f64; 2]) -> Option<[f64; 2]> {
    let [mut intercept, mut slope] = start;
    for _ in 0..MAX_STEPS {
        let (mut s0, mut s1, mut i0, mut i1, mut i2) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for group in groups {
            let p = logistic(intercept + slope * group.x);
            let residual = group.events - group.total * p;
            let information = group.total * p * (1.0 - p);
            s0 += residual;
            s1 += residual * group.x;
            i0 += information;
            i1 += information * group.x;
            i2 += information * group.x * group.x;
        }
        let centre = i1 / i0;
        let spread = i2 - i1 * centre;
        let tilt = (s1 - s0 * centre) / spread;
        // A long step may leave the region where Newton's model holds: it is shortened.
        let shorten = (2.0 / tilt.abs()).min(1.0);
        let shift = s0 / i0 - tilt * centre;
        if !(shift.is_finite() && tilt.is_finite() && spread > 0.0) {
            return None;
        }
        intercept += shorten * shift;
        slope += shorten * tilt;
        if tilt.abs() <= 1e-8 && shift.abs() <= 1e-8 * intercept.abs().max(1.0) {
            return Some([intercept, slope]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::check::weight_of;
    use crate::evaluation::{auprc, auroc, bootstrap, brier, calibration, confusion, net_benefit};
    use crate::numeric::seed::stream;
    use rand::Rng;

    fn cohort(n: usize) -> (Vec<bool>, Vec<f64>, Vec<u32>) {
        let mut random = stream(21, 0);
        let risk: Vec<f64> = (0..n)
            .map(|_| f64::from(random.gen_range(1..50)) / 50.0)
            .collect();
        let truth = risk
            .iter()
            .map(|p| random.gen_bool(0.1 + 0.6 * p))
            .collect();
        let patients = (0..n)
            .map(|_| random.gen_range(0..n as u32 / 2) * 3)
            .collect();
        (truth, risk, patients)
    }

    #[test]
    fn equal_to_the_weighted_metrics_in_every_resample() {
        let (truth, risk, patients) = cohort(150);
        let options = BootstrapOptions {
            replicates: 60,
            seed: 4,
            level: 0.9,
            bca: true,
        };
        let own: Vec<f64> = (0..150).map(|i| 0.25 + f64::from(i * 7 % 13)).collect();
        for own in [None, Some(own.as_slice())] {
            let fast = bootstrap_binary(&truth, &risk, own, Some(&patients), 0.5, options).unwrap();
            let slow = bootstrap(150, Some(&patients), options, |drawn| {
                let weights: Vec<f64> = drawn
                    .iter()
                    .enumerate()
                    .map(|(row, times)| times * weight_of(own, row))
                    .collect();
                let weights = Some(weights.as_slice());
                let line = calibration(&truth, &risk, weights, 0.9)?;
                let table = confusion(&truth, &risk, 0.5, weights)?;
                Ok(vec![
                    auroc(&truth, &risk, weights)?,
                    auprc(&truth, &risk, weights)?,
                    brier(&truth, &risk, weights)?,
                    line.in_the_large.value,
                    line.intercept.value,
                    line.slope.value,
                    table.sensitivity().unwrap(),
                    table.specificity().unwrap(),
                    table.ppv().unwrap(),
                    table.npv().unwrap(),
                    net_benefit(&truth, &risk, 0.5, weights)?,
                ])
            })
            .unwrap();
            let fast = [
                fast.auroc,
                fast.auprc,
                fast.brier,
                fast.in_the_large,
                fast.intercept,
                fast.slope,
                fast.sensitivity,
                fast.specificity,
                fast.ppv,
                fast.npv,
                fast.net_benefit,
            ];
            for (place, (fast, slow)) in fast.into_iter().zip(slow).enumerate() {
                let fast = fast.unwrap();
                let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{place}: {a} {b}");
                near(fast.estimate, slow.estimate);
                near(fast.se, slow.se);
                near(fast.lower, slow.lower);
                near(fast.basic_upper, slow.basic_upper);
                near(fast.bca.unwrap()[0], slow.bca.unwrap()[0]);
                near(fast.bca.unwrap()[1], slow.bca.unwrap()[1]);
            }
        }
    }

    #[test]
    fn separation_leaves_the_slope_without_value() {
        let truth = [true, true, true, false, false, false];
        let risk = [0.9, 0.8, 0.7, 0.3, 0.2, 0.1];
        let found =
            bootstrap_binary(&truth, &risk, None, None, 0.5, BootstrapOptions::default()).unwrap();
        assert_eq!(found.slope, None);
        let auroc = found.auroc.unwrap();
        assert_eq!((auroc.estimate, auroc.lower), (1.0, 1.0));
        assert!(auroc.n_failed > 0, "some resamples hold one class");
        assert!(
            bootstrap_binary(
                &[true; 3],
                &[0.5; 3],
                None,
                None,
                0.5,
                BootstrapOptions::default()
            )
            .is_err()
        );
        assert!(
            bootstrap_binary(&truth, &risk, None, None, 1.0, BootstrapOptions::default()).is_err()
        );
    }
}
