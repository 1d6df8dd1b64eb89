//! All headline numbers and curves of a risk model in one value: what a report shows.

use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};
use crate::estimator::figure::{Axis, Figure, Shape};
use crate::evaluation::calibration::{
    Bins, BrierParts, Calibration, brier, brier_parts, brier_scaled, calibration, log_loss,
};
use crate::evaluation::calibration_curve::{
    CalibrationBin, FlexibleCalibration, LoessOptions, calibration_curve, flexible_calibration,
};
use crate::evaluation::check;
use crate::evaluation::confusion::{ThresholdReport, threshold_report};
use crate::evaluation::discrimination::{
    Auroc, PrPoint, RocPoint, auprc, auroc_delong, pr_curve, roc_curve,
};
use crate::evaluation::utility::{DecisionPoint, decision_curve};
use crate::evaluation::weighted::{Weighed, effective_rows};
use crate::numeric::stable::sum;

/// Settings of [`evaluate_risk`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RiskOptions {
    /// Confidence level of all intervals; default 0.95.
    pub level: f64,
    /// Bins of the calibration curve and of the Brier parts; default ten of equal size.
    pub bins: Bins,
    /// Settings of the smooth calibration curve.
    pub loess: LoessOptions,
    /// Thresholds of the decision curve; default 0.01 to 0.99 by 0.01.
    pub decision_thresholds: Vec<f64>,
    /// Operating threshold of the rates; default none, because only the user knows it.
    pub threshold: Option<f64>,
    /// At most as many points of the ROC and precision-recall curves are kept; default 400.
    pub max_curve_points: usize,
}

impl Default for RiskOptions {
    fn default() -> Self {
        Self {
            level: 0.95,
            bins: Bins::default(),
            loess: LoessOptions::default(),
            decision_thresholds: (1..100).map(|k| f64::from(k) / 100.0).collect(),
            threshold: None,
            max_curve_points: 400,
        }
    }
}

/// A risk model judged on one cohort; made by [`evaluate_risk`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RiskEvaluation {
    /// Number of rows with a weight above zero.
    pub n_rows: usize,
    /// Number of them with the event.
    pub n_events: usize,
    /// Kish's effective number of rows, the square of the sum of weights over the sum of their
    /// squares; `None` where rows count alike.
    pub effective_rows: Option<f64>,
    /// Share of events.
    pub event_rate: f64,
    /// Mean predicted risk.
    pub mean_risk: f64,
    /// AUROC with its DeLong interval.
    pub auroc: Auroc,
    /// Average precision; a score without information reaches the event rate.
    pub auprc: f64,
    /// Brier score.
    pub brier: f64,
    /// Scaled Brier score.
    pub brier_scaled: f64,
    /// The Brier score taken apart.
    pub brier_parts: BrierParts,
    /// Log loss in nats.
    pub log_loss: f64,
    /// Calibration in the large, intercept and slope; `None` where they have no value (see `notes`).
    pub calibration: Option<Calibration>,
    /// Calibration curve by bins.
    pub calibration_curve: Vec<CalibrationBin>,
    /// Smooth calibration curve with ICI, E50, E90, Emax; `None` where it has no value.
    pub flexible_calibration: Option<FlexibleCalibration>,
    /// Rates at the operating threshold, where one was given.
    pub operating_point: Option<ThresholdReport>,
    /// Net benefit over thresholds.
    pub decision_curve: Vec<DecisionPoint>,
    /// ROC curve, thinned.
    pub roc_curve: Vec<RocPoint>,
    /// Precision-recall curve, thinned.
    pub pr_curve: Vec<PrPoint>,
    /// Confidence level of all intervals.
    pub level: f64,
    /// What could not be computed, and why.
    pub notes: Vec<String>,
}

/// Judges predicted risks against what happened: discrimination, calibration and utility.
///
/// With weights every number and curve is weighted and every interval takes a row as one observation
/// (see [Weights](crate::evaluation#weights)). Where patients have several rows the intervals here
/// are too narrow, and [`bootstrap_binary`](crate::evaluation::bootstrap_binary) by patient is the
/// remedy. O(n log n).
///
/// # Errors
/// Other lengths, risks outside [0, 1], bad weights, settings outside their ranges, fewer than two
/// events or two non-events.
///
/// ```
/// use galen::evaluation::{RiskOptions, evaluate_risk};
/// # fn main() -> galen::Result<()> {
/// let risk: Vec<f64> = (0..200).map(|i| 0.05 + 0.9 * f64::from(i) / 200.0).collect();
/// let truth: Vec<bool> = (0..200).map(|i| f64::from(i * 77 % 200) / 200.0 < risk[i as usize]).collect();
/// let found = evaluate_risk(&truth, &risk, None, &RiskOptions { threshold: Some(0.3), ..RiskOptions::default() })?;
/// assert!(found.auroc.auroc > 0.7);
/// assert_eq!(found.figures().len(), 4);
/// # Ok(())
/// # }
/// ```
pub fn evaluate_risk(
    truth: &[bool],
    risk: &[f64],
    weights: Option<&[f64]>,
    options: &RiskOptions,
) -> Result<RiskEvaluation> {
    const WHAT: &str = "evaluate_risk";
    if options.max_curve_points < 2 {
        return Err(check::parameter(
            WHAT,
            "max_curve_points",
            options.max_curve_points,
            "2 or more",
        ));
    }
    check::risk(WHAT, truth, risk, weights)?;
    let rows = Weighed::of(truth, risk, weights);
    let (truth, risk, weights) = (&*rows.truth, &*rows.score, rows.weights());
    let auroc = auroc_delong(truth, risk, weights, options.level)?;
    let mut notes = Vec::new();
    let n_rows = truth.len();
    let (events, nonevents) = check::class_weights(truth, weights);
    let total = events + nonevents;
    let expected = sum((0..n_rows).map(|row| check::weight_of(weights, row) * risk[row]));
    Ok(RiskEvaluation {
        n_rows,
        n_events: auroc.n_events,
        effective_rows: weights.map(effective_rows),
        event_rate: events / total,
        mean_risk: expected / total,
        auprc: auprc(truth, risk, weights)?,
        brier: brier(truth, risk, weights)?,
        brier_scaled: brier_scaled(truth, risk, weights)?,
        brier_parts: brier_parts(truth, risk, weights, options.bins)?,
        log_loss: log_loss(truth, risk, weights)?,
        calibration: where_defined(calibration(truth, risk, weights, options.level), &mut notes)?,
        calibration_curve: calibration_curve(truth, risk, weights, options.bins, options.level)?,
        flexible_calibration: where_defined(
            flexible_calibration(truth, risk, weights, options.loess),
            &mut notes,
        )?,
        operating_point: options
            .threshold
            .map(|threshold| threshold_report(truth, risk, threshold, weights, options.level))
            .transpose()?,
        decision_curve: decision_curve(truth, risk, &options.decision_thresholds, weights)?,
        roc_curve: thin(roc_curve(truth, risk, weights)?, options.max_curve_points),
        pr_curve: thin(pr_curve(truth, risk, weights)?, options.max_curve_points),
        level: options.level,
        auroc,
        notes,
    })
}

/// A quantity without value becomes a note; every other error stays an error.
fn where_defined<T>(result: Result<T>, notes: &mut Vec<String>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::Undefined { .. } | ErrorKind::TooFewRows { .. }
            ) =>
        {
            notes.push(error.to_string());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// At most `most` of the points, evenly by place, both ends kept.
fn thin<T: Clone>(points: Vec<T>, most: usize) -> Vec<T> {
    if points.len() <= most {
        return points;
    }
    let last = points.len() - 1;
    (0..most)
        .map(|k| points[k * last / (most - 1)].clone())
        .collect()
}

impl RiskEvaluation {
    /// ROC, precision-recall, calibration and decision curve.
    pub fn figures(&self) -> Vec<Figure> {
        vec![
            self.roc_figure(),
            self.pr_figure(),
            self.calibration_figure(),
            self.decision_figure(),
        ]
    }

    /// The ROC curve above the diagonal of chance.
    pub fn roc_figure(&self) -> Figure {
        Figure::new(
            "ROC curve",
            Axis::new("1 - specificity").range(0.0, 1.0),
            Axis::new("Sensitivity").range(0.0, 1.0),
        )
        .caption(format!(
            "AUROC {:.3} ({:.3} to {:.3}): how often an event has a higher risk than a non-event.",
            self.auroc.auroc, self.auroc.lower, self.auroc.upper
        ))
        .line(
            "model",
            self.roc_curve
                .iter()
                .map(|p| p.false_positive_rate)
                .collect(),
            self.roc_curve.iter().map(|p| p.sensitivity).collect(),
        )
        .segment("chance", [0.0, 0.0], [1.0, 1.0])
    }

    /// The precision-recall curve above the line of the event rate.
    pub fn pr_figure(&self) -> Figure {
        Figure::new(
            "Precision-recall curve",
            Axis::new("Sensitivity (recall)").range(0.0, 1.0),
            Axis::new("Positive predictive value (precision)").range(0.0, 1.0),
        )
        .caption(format!(
            "AUPRC {:.3} against {:.3} without information.",
            self.auprc, self.event_rate
        ))
        .with(
            "model",
            Shape::Steps {
                x: self.pr_curve.iter().map(|p| p.recall).collect(),
                y: self.pr_curve.iter().map(|p| p.precision).collect(),
            },
        )
        .horizontal("event rate", self.event_rate)
    }

    /// Event rates by bin and the smooth curve around the diagonal of perfect calibration.
    pub fn calibration_figure(&self) -> Figure {
        let bins = &self.calibration_curve;
        let mut figure = Figure::new(
            "Calibration",
            Axis::new("Predicted risk").range(0.0, 1.0),
            Axis::new("Event rate").range(0.0, 1.0),
        )
        .with(
            "bins of risk",
            Shape::Points {
                x: bins.iter().map(|bin| bin.mean_risk).collect(),
                y: bins.iter().map(|bin| bin.event_rate).collect(),
                lower: bins.iter().map(|bin| bin.lower).collect(),
                upper: bins.iter().map(|bin| bin.upper).collect(),
            },
        )
        .segment("perfect", [0.0, 0.0], [1.0, 1.0]);
        if let Some(smooth) = &self.flexible_calibration {
            figure = figure.line(
                "smoothed",
                smooth.risk.clone(),
                smooth.observed.iter().map(|v| v.clamp(0.0, 1.0)).collect(),
            );
        }
        match &self.calibration {
            Some(found) => figure.caption(format!(
                "Slope {:.2} ({:.2} to {:.2}), 1 is ideal; calibration in the large {:.2} ({:.2} to {:.2}), 0 is ideal.",
                found.slope.value,
                found.slope.lower,
                found.slope.upper,
                found.in_the_large.value,
                found.in_the_large.lower,
                found.in_the_large.upper,
            )),
            None => figure,
        }
    }

    /// Net benefit over thresholds beside acting on all rows and on none.
    pub fn decision_figure(&self) -> Figure {
        let mut points: Vec<&DecisionPoint> = self.decision_curve.iter().collect();
        points.sort_by(|a, b| a.threshold.total_cmp(&b.threshold));
        let x: Vec<f64> = points.iter().map(|p| p.threshold).collect();
        // Acting on all rows plunges far below any model: the axis follows the event rate.
        let top = points
            .iter()
            .map(|p| p.net_benefit)
            .fold(self.event_rate, f64::max);
        Figure::new(
            "Decision curve",
            Axis::new("Risk threshold").range(0.0, 1.0),
            Axis::new("Net benefit")
                .unit("true positives per row")
                .range(-0.2 * top, 1.1 * top),
        )
        .caption("The model is worth using at thresholds where its line is the highest.")
        .line(
            "model",
            x.clone(),
            points.iter().map(|p| p.net_benefit).collect(),
        )
        .line(
            "act on all",
            x,
            points.iter().map(|p| p.treat_all).collect(),
        )
        .horizontal("act on none", 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_holds_what_the_functions_give() {
        let risk: Vec<f64> = (0..900).map(|i| 0.02 + f64::from(i) / 1000.0).collect();
        let truth: Vec<bool> = (0..900)
            .map(|i| f64::from(i * 7919 % 900) / 900.0 < risk[i as usize])
            .collect();
        let options = RiskOptions {
            threshold: Some(0.4),
            ..RiskOptions::default()
        };
        let found = evaluate_risk(&truth, &risk, None, &options).unwrap();
        assert_eq!(found.brier, brier(&truth, &risk, None).unwrap());
        assert_eq!(found.roc_curve.len(), 400);
        let end = found.roc_curve.last().unwrap();
        assert_eq!((end.sensitivity, end.false_positive_rate), (1.0, 1.0));
        assert!(found.notes.is_empty() && found.operating_point.is_some());
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(
            serde_json::from_str::<RiskEvaluation>(&text).unwrap(),
            found
        );
        assert_eq!(found.calibration_figure().series.len(), 2);
    }

    #[test]
    fn whole_weights_repeat_rows_in_every_number() {
        let risk: Vec<f64> = (0..400).map(|i| 0.02 + f64::from(i / 2) / 250.0).collect();
        let truth: Vec<bool> = (0..400)
            .map(|i| f64::from(i * 7919 % 400) / 400.0 < risk[i as usize])
            .collect();
        let weights: Vec<f64> = (0..400).map(|i| f64::from(i * 31 % 4)).collect();
        let rows = || (0..400).flat_map(|row| std::iter::repeat_n(row, weights[row] as usize));
        let long_truth: Vec<bool> = rows().map(|row| truth[row]).collect();
        let long_risk: Vec<f64> = rows().map(|row| risk[row]).collect();
        let options = RiskOptions {
            threshold: Some(0.4),
            ..RiskOptions::default()
        };
        let found = evaluate_risk(&truth, &risk, Some(&weights), &options).unwrap();
        let long = evaluate_risk(&long_truth, &long_risk, None, &options).unwrap();
        let numbers = |found: &RiskEvaluation| {
            let line = found.calibration.as_ref().unwrap();
            let smooth = found.flexible_calibration.as_ref().unwrap();
            let point = found.operating_point.as_ref().unwrap();
            let mut list = vec![
                found.event_rate,
                found.mean_risk,
                found.auroc.auroc,
                found.auprc,
                found.brier,
                found.brier_scaled,
                found.brier_parts.resolution,
                found.log_loss,
                line.slope.value,
                line.intercept.value,
                line.in_the_large.value,
                line.observed_over_expected,
                smooth.ici,
                smooth.e50,
                smooth.e90,
                smooth.emax,
                point.sensitivity.unwrap().value,
                point.ppv.unwrap().value,
                point.net_benefit,
                point.mcc.unwrap(),
            ];
            list.extend(found.calibration_curve.iter().map(|bin| bin.event_rate));
            list.extend(found.decision_curve.iter().map(|point| point.net_benefit));
            list.extend(found.roc_curve.iter().map(|point| point.sensitivity));
            list.extend(found.pr_curve.iter().map(|point| point.precision));
            list
        };
        for (place, (a, b)) in numbers(&found).iter().zip(numbers(&long)).enumerate() {
            assert!((a - b).abs() < 1e-10, "{place}: {a} {b}");
        }
        // A row is one observation: the intervals know fewer than the repeated rows pretend.
        assert_eq!(found.n_rows, 300);
        assert!(found.effective_rows.unwrap() < 300.0);
        assert!(found.auroc.se > 1.2 * long.auroc.se);
        // Intervals do not depend on the scale of the weights.
        let large: Vec<f64> = weights.iter().map(|weight| 1000.0 * weight).collect();
        let scaled = evaluate_risk(&truth, &risk, Some(&large), &options).unwrap();
        let ends = |found: &RiskEvaluation| {
            let line = found.calibration.as_ref().unwrap();
            let point = found.operating_point.as_ref().unwrap();
            [
                found.auroc.lower,
                line.slope.lower,
                line.in_the_large.upper,
                found.calibration_curve[3].lower,
                point.ppv.unwrap().lower,
            ]
        };
        for (a, b) in ends(&found).into_iter().zip(ends(&scaled)) {
            assert!((a - b).abs() < 1e-10, "{a} {b}");
        }
        // Weights of one are no weights.
        assert_eq!(
            evaluate_risk(&truth, &risk, Some(&[1.0; 400]), &options).unwrap(),
            evaluate_risk(&truth, &risk, None, &options).unwrap()
        );
        let mut bad = weights.clone();
        bad[7] = -1.0;
        let error = evaluate_risk(&truth, &risk, Some(&bad), &options).unwrap_err();
        assert!(matches!(
            error.kind(),
            ErrorKind::OutOfRange { row: Some(7), .. }
        ));
    }

    #[test]
    fn what_has_no_value_is_a_note() {
        let truth = [true, true, true, false, false, false];
        let risk = [0.9, 0.8, 0.7, 0.3, 0.2, 0.1];
        let found = evaluate_risk(&truth, &risk, None, &RiskOptions::default()).unwrap();
        assert_eq!(
            (
                found.calibration.clone(),
                found.flexible_calibration.clone()
            ),
            (None, None)
        );
        assert_eq!(found.notes.len(), 2);
        assert_eq!(found.figures().len(), 4);
        assert!(evaluate_risk(&[true; 3], &[0.5; 3], None, &RiskOptions::default()).is_err());
    }
}
