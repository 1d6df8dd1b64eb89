//! Counts and rates at one threshold.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::evaluation::check::{self, weight_of};
use crate::evaluation::estimate::{Estimate, clopper_pearson};
use crate::evaluation::utility::benefit;
use crate::evaluation::weighted::{Tally, Weighed, WeightedShare};
use crate::numeric::stable::Sum;

/// Rows by truth and flag, as counts or sums of weights; made by [`confusion`].
///
/// Rates return `None` where they are a division by zero.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Confusion {
    /// Flagged events.
    pub true_positives: f64,
    /// Flagged non-events.
    pub false_positives: f64,
    /// Events that are not flagged.
    pub false_negatives: f64,
    /// Non-events that are not flagged.
    pub true_negatives: f64,
}

/// Rates at one threshold with exact intervals; made by [`threshold_report`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdReport {
    /// Rows at or above it are flagged.
    pub threshold: f64,
    /// The counts, or sums of weights, from which the rates are made.
    pub confusion: Confusion,
    /// The counts of rows; those of `confusion` where there are no weights.
    pub rows: Confusion,
    /// Share of the rows that are flagged.
    pub flagged: Estimate,
    /// Share of the events that are flagged; `None` without events.
    pub sensitivity: Option<Estimate>,
    /// Share of the non-events that are not flagged; `None` without non-events.
    pub specificity: Option<Estimate>,
    /// Share of the flagged rows that are events; `None` when none is flagged.
    pub ppv: Option<Estimate>,
    /// Share of the other rows that are non-events; `None` when all are flagged.
    pub npv: Option<Estimate>,
    /// Share of the rows on the right side.
    pub accuracy: Estimate,
    /// Harmonic mean of sensitivity and positive predictive value.
    pub f1: Option<f64>,
    /// Matthews correlation.
    pub mcc: Option<f64>,
    /// Positive likelihood ratio; `None` also when it is infinite.
    pub lr_positive: Option<f64>,
    /// Negative likelihood ratio; `None` also when it is infinite.
    pub lr_negative: Option<f64>,
    /// Flagged rows to look at for one event.
    pub number_needed_to_evaluate: Option<f64>,
    /// Net benefit at the threshold.
    pub net_benefit: f64,
}

impl Confusion {
    /// All rows.
    pub fn total(&self) -> f64 {
        self.true_positives + self.false_positives + self.false_negatives + self.true_negatives
    }

    /// Share of the events that are flagged (recall).
    pub fn sensitivity(&self) -> Option<f64> {
        ratio(
            self.true_positives,
            self.true_positives + self.false_negatives,
        )
    }

    /// Share of the non-events that are not flagged.
    pub fn specificity(&self) -> Option<f64> {
        ratio(
            self.true_negatives,
            self.true_negatives + self.false_positives,
        )
    }

    /// Share of the flagged rows that are events (precision).
    pub fn ppv(&self) -> Option<f64> {
        ratio(
            self.true_positives,
            self.true_positives + self.false_positives,
        )
    }

    /// Share of the rows not flagged that are non-events.
    pub fn npv(&self) -> Option<f64> {
        ratio(
            self.true_negatives,
            self.true_negatives + self.false_negatives,
        )
    }

    /// Share of the rows on the right side; of little use for rare events.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.true_positives + self.true_negatives, self.total())
    }

    /// Harmonic mean of sensitivity and positive predictive value.
    pub fn f1(&self) -> Option<f64> {
        ratio(
            2.0 * self.true_positives,
            2.0 * self.true_positives + self.false_positives + self.false_negatives,
        )
    }

    /// Matthews correlation: the correlation of truth and flag.
    pub fn mcc(&self) -> Option<f64> {
        let [tp, fp, fn_, tn] = [
            self.true_positives,
            self.false_positives,
            self.false_negatives,
            self.true_negatives,
        ];
        // Roots before the product, so that large counts do not overflow.
        let scale = ((tp + fp).sqrt() * (tp + fn_).sqrt()) * ((tn + fp).sqrt() * (tn + fn_).sqrt());
        ratio(tp * tn - fp * fn_, scale).map(|value| value.clamp(-1.0, 1.0))
    }

    /// How much a flag raises the odds of the event; `None` when it is infinite or 0/0.
    pub fn lr_positive(&self) -> Option<f64> {
        ratio(self.sensitivity()?, 1.0 - self.specificity()?)
    }

    /// How much the lack of a flag lowers the odds; `None` when it is infinite or 0/0.
    pub fn lr_negative(&self) -> Option<f64> {
        ratio(1.0 - self.sensitivity()?, self.specificity()?)
    }

    /// Flagged rows to look at for one event: 1 / positive predictive value.
    pub fn number_needed_to_evaluate(&self) -> Option<f64> {
        ratio(
            self.true_positives + self.false_positives,
            self.true_positives,
        )
    }
}

/// Counts rows by truth and flag (`score >= threshold`); with weights, sums them.
///
/// # Errors
/// Other lengths, non-finite scores or threshold, bad weights, no rows.
///
/// ```
/// use galen::evaluation::confusion;
/// # fn main() -> galen::Result<()> {
/// let found = confusion(&[true, true, false, false], &[0.5, 0.2, 0.5, 0.1], 0.5, None)?;
/// assert_eq!(found.sensitivity(), Some(0.5));
/// assert_eq!(found.ppv(), Some(0.5));
/// # Ok(())
/// # }
/// ```
pub fn confusion(
    truth: &[bool],
    score: &[f64],
    threshold: f64,
    weights: Option<&[f64]>,
) -> Result<Confusion> {
    const WHAT: &str = "confusion";
    if !threshold.is_finite() {
        return Err(check::parameter(WHAT, "threshold", threshold, "finite"));
    }
    check::ranking(WHAT, truth, score, weights)?;
    let mut cells = [Sum::default(); 4];
    for row in 0..truth.len() {
        let cell = 2 * usize::from(truth[row]) + usize::from(score[row] >= threshold);
        cells[cell].add(weight_of(weights, row));
    }
    let [tn, fp, fn_, tp] = cells.map(Sum::value);
    Ok(Confusion {
        true_positives: tp,
        false_positives: fp,
        false_negatives: fn_,
        true_negatives: tn,
    })
}

/// Counts, rates with exact (Clopper-Pearson) intervals at `level`, and net benefit at a threshold.
///
/// Exact intervals take rows as independent; for several rows per patient use a bootstrap by patient.
/// Under weights they are exact intervals at the effective number of rows of each share, p (1 - p)
/// over the variance of the weighted share p (Korn and Graubard, Surv. Methodol. 24, 1998).
///
/// # Errors
/// Other lengths, risks outside [0, 1], bad weights, a threshold or level outside (0, 1), no rows.
///
/// ```
/// use galen::evaluation::threshold_report;
/// # fn main() -> galen::Result<()> {
/// let found = threshold_report(&[true, true, false, false], &[0.5, 0.2, 0.3, 0.1], 0.5, None, 0.95)?;
/// assert_eq!(found.ppv.unwrap().value, 1.0);
/// assert_eq!(found.lr_positive, None); // infinite: no false alarm
/// # Ok(())
/// # }
/// ```
pub fn threshold_report(
    truth: &[bool],
    risk: &[f64],
    threshold: f64,
    weights: Option<&[f64]>,
    level: f64,
) -> Result<ThresholdReport> {
    const WHAT: &str = "threshold_report";
    check::threshold(WHAT, threshold)?;
    check::level(WHAT, level)?;
    check::risk(WHAT, truth, risk, weights)?;
    let weighed = Weighed::of(truth, risk, weights);
    let (truth, risk, weights) = (&*weighed.truth, &*weighed.score, weighed.weights());
    let table = confusion(truth, risk, threshold, weights)?;
    let mut cells = [Tally::default(); 4];
    for row in 0..truth.len() {
        let cell = 2 * usize::from(truth[row]) + usize::from(risk[row] >= threshold);
        cells[cell].add(weight_of(weights, row));
    }
    let [tn, fp, fn_, tp] = cells;
    let share = |part: Tally, rest: Tally| -> Result<Option<Estimate>> {
        let all = part.rows + rest.rows;
        match weights {
            _ if all == 0 => Ok(None),
            None => clopper_pearson(part.rows as u64, all as u64, level).map(Some),
            Some(_) => Ok(WeightedShare::of(part, rest).map(|found| found.exact(level))),
        }
    };
    let of_all = |part: Tally, rest: Tally| {
        share(part, rest)?.ok_or_else(|| check::undefined(WHAT, "there are no rows"))
    };
    Ok(ThresholdReport {
        threshold,
        flagged: of_all(tp.with(fp), tn.with(fn_))?,
        sensitivity: share(tp, fn_)?,
        specificity: share(tn, fp)?,
        ppv: share(tp, fp)?,
        npv: share(tn, fn_)?,
        accuracy: of_all(tp.with(tn), fp.with(fn_))?,
        f1: table.f1(),
        mcc: table.mcc(),
        lr_positive: table.lr_positive(),
        lr_negative: table.lr_negative(),
        number_needed_to_evaluate: table.number_needed_to_evaluate(),
        net_benefit: benefit(
            table.true_positives,
            table.false_positives,
            table.total(),
            threshold,
        ),
        rows: Confusion {
            true_positives: tp.rows as f64,
            false_positives: fp.rows as f64,
            false_negatives: fn_.rows as f64,
            true_negatives: tn.rows as f64,
        },
        confusion: table,
    })
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_worked_by_hand() {
        let table = Confusion {
            true_positives: 6.0,
            false_positives: 2.0,
            false_negatives: 4.0,
            true_negatives: 8.0,
        };
        let near = |found: Option<f64>, expected: f64| {
            assert!((found.unwrap() - expected).abs() < 1e-15);
        };
        near(table.sensitivity(), 0.6);
        near(table.specificity(), 0.8);
        near(table.ppv(), 0.75);
        near(table.npv(), 8.0 / 12.0);
        near(table.accuracy(), 0.7);
        near(table.f1(), 12.0 / 18.0);
        near(table.mcc(), 40.0 / f64::sqrt(8.0 * 10.0 * 10.0 * 12.0));
        near(table.lr_negative(), 0.5);
        assert!((table.lr_positive().unwrap() - 3.0).abs() < 1e-14);
        near(table.number_needed_to_evaluate(), 8.0 / 6.0);
    }

    #[test]
    fn divisions_by_zero_have_no_value() {
        let found = threshold_report(&[false, false], &[0.1, 0.2], 0.5, None, 0.95).unwrap();
        assert_eq!(
            (found.sensitivity, found.ppv, found.mcc),
            (None, None, None)
        );
        assert_eq!((found.f1, found.number_needed_to_evaluate), (None, None));
        assert_eq!(found.specificity.unwrap().value, 1.0);
        assert_eq!(found.net_benefit, 0.0);
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(
            serde_json::from_str::<ThresholdReport>(&text).unwrap(),
            found
        );
    }

    #[test]
    fn the_threshold_itself_is_flagged_and_weights_count() {
        let truth = [true, false, true];
        let found = confusion(&truth, &[0.3, 0.3, 0.29], 0.3, Some(&[2.0, 0.5, 1.0])).unwrap();
        assert_eq!((found.true_positives, found.false_positives), (2.0, 0.5));
        assert_eq!((found.false_negatives, found.true_negatives), (1.0, 0.0));
        assert!(confusion(&truth, &[0.3; 3], f64::NAN, None).is_err());
    }
}
