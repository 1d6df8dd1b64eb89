//! Performance and alerts as a card shows them.

use serde::{Deserialize, Serialize};

use crate::estimator::Relation;
use crate::estimator::figure::{Figure, Shape};
use crate::evaluation::{BinaryBootstrap, Estimate, Resampled, RiskEvaluation, ThresholdReport};
use crate::report::number::{fixed, interval};
use crate::report::suppress::{is_small, protect_line};

/// One number of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// The value.
    pub value: f64,
    /// Lower and upper end of the interval.
    pub interval: Option<[f64; 2]>,
    /// What it is to be read against, for example `1 is ideal`.
    pub against: String,
}

impl Metric {
    /// Name, value and interval.
    pub(super) fn in_words(&self) -> String {
        let value = format!("{} {}", self.name, fixed(self.value, 3));
        match self.interval {
            Some([lower, upper]) => format!("{value} ({})", interval(lower, upper, 3)),
            None => value,
        }
    }
}

/// How good a model is on one set of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Performance {
    /// Which rows.
    pub name: String,
    /// How the model stands to them.
    pub relation: Option<Relation>,
    /// Rows.
    pub n_rows: u64,
    /// Rows with the event; `None` where hidden.
    pub n_events: Option<u64>,
    /// Headline numbers in order of reading.
    pub metrics: Vec<Metric>,
    /// Where the intervals come from.
    pub intervals: String,
    /// Curves.
    pub figures: Vec<Figure>,
    /// Threshold, net benefit of the model, net benefit of acting on all.
    pub decisions: Vec<[f64; 3]>,
    /// What had no value, and why.
    pub notes: Vec<String>,
    pub(super) event_rate: Option<f64>,
}

/// Thresholds at which the table of net benefit is read.
const DECISIONS: [f64; 8] = [0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5];

impl Performance {
    /// From an evaluation, with intervals of a bootstrap by patient where there is one.
    ///
    /// Bins of the calibration curve with fewer than `min_count` events or non-events are left
    /// out, with those that would give them away. ROC, precision-recall and decision curves are
    /// kept as they are, but left out where the events themselves are hidden.
    pub fn new(
        name: impl Into<String>,
        relation: Option<Relation>,
        found: &RiskEvaluation,
        bootstrap: Option<&BinaryBootstrap>,
        min_count: u64,
    ) -> Self {
        let events = found.n_events as u64;
        let others = (found.n_rows - found.n_events) as u64;
        let secret = is_small(events, min_count) || is_small(others, min_count);
        let top = top_of(found);
        let metrics = metrics(found, bootstrap, secret);
        let figures = if secret {
            Vec::new()
        } else {
            let mut decision = found.decision_figure();
            decision.x.range = Some([0.0, top]);
            // The captions of the evaluation carry its own intervals; a card has one for each number.
            let told = |name: &str, rest: &str| {
                let metric = metrics.iter().find(|metric| metric.name == name);
                metric.map_or(String::new(), |metric| {
                    format!("{}{rest}", metric.in_words())
                })
            };
            let mut roc = found.roc_figure();
            roc.caption = told(
                "AUROC",
                ": how often an event has a higher risk than a non-event.",
            );
            let mut calibration = calibration_figure(found, top, min_count);
            calibration.caption = told("Calibration slope", ", 1 is ideal; ")
                + &told("Calibration in the large", ", 0 is ideal.")
                + &calibration.caption;
            vec![roc, found.pr_figure(), calibration, decision]
        };
        let decisions = DECISIONS.iter().filter(|t| !secret && **t <= top);
        Self {
            name: name.into(),
            relation,
            n_rows: found.n_rows as u64,
            n_events: (!secret).then_some(events),
            metrics,
            intervals: intervals(found, bootstrap),
            figures,
            decisions: decisions
                .filter_map(|threshold| {
                    let near = |p: &&_| is_near(p, *threshold);
                    let point = found.decision_curve.iter().find(near)?;
                    Some([point.threshold, point.net_benefit, point.treat_all])
                })
                .collect(),
            notes: found.notes.clone(),
            event_rate: (!secret).then_some(found.event_rate),
        }
    }

    /// Adds how often each risk was predicted to the calibration curve: bins of equal width, those
    /// with fewer than `min_count` rows left empty, with those that would give them away.
    pub(super) fn with_risks(mut self, risk: &[f64], min_count: u64) -> Self {
        const BINS: usize = 50;
        let Some(figure) = self
            .figures
            .iter_mut()
            .find(|figure| figure.title == "Calibration")
        else {
            return self;
        };
        let top = figure.x.range.map_or(1.0, |range| range[1]);
        let mut counts = vec![0_u64; BINS];
        let mut beyond = 0;
        for value in risk {
            match (value / top * BINS as f64) as usize {
                bin if bin < BINS => counts[bin] += 1,
                _ => beyond += 1,
            }
        }
        counts.push(beyond);
        let (hidden, safe) = protect_line(&counts, min_count);
        let bars = counts.iter().zip(&hidden).take(BINS);
        let bars = bars.map(|(n, hidden)| if *hidden || !safe { 0.0 } else { *n as f64 });
        let edges = (0..=BINS).map(|k| top * k as f64 / BINS as f64).collect();
        let counts = bars.collect();
        let histogram = figure
            .clone()
            .with("rows by risk", Shape::Histogram { edges, counts });
        *figure = histogram;
        self
    }
}

/// Where the intervals come from, in words.
fn intervals(found: &RiskEvaluation, bootstrap: Option<&BinaryBootstrap>) -> String {
    let level = level(found.level);
    let from = match bootstrap {
        Some(b) => format!(
            "{level} % intervals: bootstrap by patient, {} resamples of {} patients.",
            b.replicates, b.n_patients
        ),
        None if found.effective_rows.is_some() => format!(
            "{level} % intervals: DeLong for the AUROC, robust for calibration; rows taken as \
             independent, however large their weights."
        ),
        None => format!(
            "{level} % intervals: DeLong for the AUROC, normal for calibration; rows taken as \
             independent."
        ),
    };
    match found.effective_rows {
        Some(rows) => format!(
            "{from} All numbers but counts are weighted; the rows are worth {} unweighted ones.",
            fixed(rows, 1)
        ),
        None => from,
    }
}

fn is_near(point: &crate::evaluation::DecisionPoint, threshold: f64) -> bool {
    (point.threshold - threshold).abs() < 1e-9
}

/// A confidence level in per cent.
pub(super) fn level(level: f64) -> String {
    let percent = 100.0 * level;
    if (percent - percent.round()).abs() < 1e-9 {
        format!("{percent:.0}")
    } else {
        format!("{percent:.1}")
    }
}

/// End of the axes of risk: the first round number above the risks and rates that are shown.
fn top_of(found: &RiskEvaluation) -> f64 {
    let smooth = found.flexible_calibration.iter();
    let risks = smooth
        .flat_map(|f| f.risk.iter().chain(&f.observed))
        .copied();
    let bins = found
        .calibration_curve
        .iter()
        .flat_map(|bin| [bin.mean_risk, bin.upper]);
    let highest = risks.chain(bins).fold(0.0, f64::max);
    [0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
        .into_iter()
        .find(|top| *top >= highest)
        .unwrap_or(1.0)
}

fn calibration_figure(found: &RiskEvaluation, top: f64, min_count: u64) -> Figure {
    let bins = &found.calibration_curve;
    let counts: Vec<u64> = bins.iter().map(|bin| bin.n_events as u64).collect();
    let others: Vec<u64> = bins
        .iter()
        .zip(&counts)
        .map(|(bin, n)| bin.n_rows as u64 - n)
        .collect();
    let (hidden, safe) = protect_line(&counts, min_count);
    let (hidden_too, safe_too) = protect_line(&others, min_count);
    let keep: Vec<bool> = hidden
        .iter()
        .zip(&hidden_too)
        .map(|(a, b)| safe && safe_too && !a && !b)
        .collect();
    let mut figure = found.calibration_figure();
    figure.caption.clear();
    figure.x.range = Some([0.0, top]);
    figure.y.range = Some([0.0, top]);
    for series in &mut figure.series {
        if let Shape::Points { x, y, lower, upper } = &mut series.shape {
            for values in [x, y, lower, upper] {
                let mut place = keep.iter();
                values.retain(|_| place.next().is_some_and(|keep| *keep));
            }
        }
    }
    if keep.contains(&false) {
        figure
            .caption
            .push_str(" Bins with few events or non-events are not drawn.");
    }
    figure
}

fn metrics(
    found: &RiskEvaluation,
    bootstrap: Option<&BinaryBootstrap>,
    secret: bool,
) -> Vec<Metric> {
    let resampled = |of: fn(&BinaryBootstrap) -> &Option<Resampled>| {
        let resampled = bootstrap.and_then(|b| of(b).as_ref());
        resampled.map(|found| [found.lower, found.upper])
    };
    let ends = |found: &Estimate| Some([found.lower, found.upper]);
    let mut list = Vec::new();
    let mut add = |name: &str, value: f64, interval: Option<[f64; 2]>, against: String| {
        list.push(Metric {
            name: name.to_string(),
            value,
            interval,
            against,
        });
    };
    let auroc = &found.auroc;
    add(
        "AUROC",
        auroc.auroc,
        resampled(|b| &b.auroc).or(Some([auroc.lower, auroc.upper])),
        "0.5 is chance".into(),
    );
    let rate = if secret {
        "event rate is chance".to_string()
    } else {
        format!("{:.3} is chance", found.event_rate)
    };
    add("AUPRC", found.auprc, resampled(|b| &b.auprc), rate);
    if let Some(calibration) = &found.calibration {
        let slope = resampled(|b| &b.slope).or(ends(&calibration.slope));
        add(
            "Calibration slope",
            calibration.slope.value,
            slope,
            "1 is ideal".into(),
        );
        let large = resampled(|b| &b.in_the_large).or(ends(&calibration.in_the_large));
        let value = calibration.in_the_large.value;
        add(
            "Calibration in the large",
            value,
            large,
            "0 is ideal".into(),
        );
        if !secret {
            let ratio = calibration.observed_over_expected;
            add(
                "Observed / expected events",
                ratio,
                None,
                "1 is ideal".into(),
            );
        }
    }
    if let Some(smooth) = &found.flexible_calibration {
        add(
            "Integrated calibration index",
            smooth.ici,
            None,
            "0 is ideal".into(),
        );
    }
    add(
        "Brier score",
        found.brier,
        resampled(|b| &b.brier),
        "0 is ideal".into(),
    );
    add(
        "Scaled Brier score",
        found.brier_scaled,
        None,
        "0 is chance, 1 is ideal".into(),
    );
    add("Log loss", found.log_loss, None, "0 is ideal".into());
    list
}

/// One line of the table of alerts; all but the first is `None` where hidden.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AlertLine {
    /// What is flagged, for example `highest 5 %`.
    pub name: String,
    /// Rows at or above this risk are flagged.
    pub threshold: Option<f64>,
    /// Rows flagged.
    pub flagged: Option<u64>,
    /// Events among them.
    pub events: Option<u64>,
    /// Share of the flagged rows that are events.
    pub ppv: Option<Estimate>,
    /// Share of the events that are flagged.
    pub sensitivity: Option<Estimate>,
    /// Flagged rows for one event.
    pub number_needed_to_evaluate: Option<f64>,
}

impl AlertLine {
    /// Lines of reports on the same rows, ordered by the number flagged. A line is hidden where it,
    /// what it leaves, or its difference to the line before holds a count from 1 to one below
    /// `min_count`.
    pub(super) fn of(mut reports: Vec<(String, ThresholdReport)>, min_count: u64) -> Vec<Self> {
        let flagged =
            |report: &ThresholdReport| report.rows.true_positives + report.rows.false_positives;
        reports.sort_by(|a, b| flagged(&a.1).total_cmp(&flagged(&b.1)));
        let (mut events, mut others) = (0, 0);
        let mut lines = Vec::new();
        for (name, report) in reports {
            // Small cells are cells of few rows, whatever these weigh.
            let table = &report.rows;
            let [tp, fp, fn_, tn] = [
                table.true_positives,
                table.false_positives,
                table.false_negatives,
                table.true_negatives,
            ]
            .map(|count| count as u64);
            let rings = [
                tp.saturating_sub(events),
                fp.saturating_sub(others),
                fn_,
                tn,
            ];
            let shown = !rings.iter().any(|count| is_small(*count, min_count));
            if shown {
                (events, others) = (tp, fp);
            }
            lines.push(Self {
                name,
                threshold: shown.then_some(report.threshold),
                flagged: shown.then_some(tp + fp),
                events: shown.then_some(tp),
                ppv: report.ppv.filter(|_| shown),
                sensitivity: report.sensitivity.filter(|_| shown),
                number_needed_to_evaluate: report.number_needed_to_evaluate.filter(|_| shown),
            });
        }
        lines
    }
}

/// How a model stands to rows, in words.
pub(super) fn relation_words(relation: Option<Relation>) -> &'static str {
    match relation {
        Some(Relation::HeldOut) => "test side of the same split",
        Some(Relation::External) => "another table (external)",
        Some(_) => "origin of the training rows unknown",
        None => "not stated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::{RiskOptions, evaluate_risk, threshold_report};

    fn rows() -> (Vec<bool>, Vec<f64>) {
        let risk: Vec<f64> = (0..1000).map(|i| 0.001 + f64::from(i) / 2500.0).collect();
        let truth = (0..1000)
            .map(|i| f64::from(i * 7919 % 1000) / 1000.0 < risk[i as usize])
            .collect();
        (truth, risk)
    }

    #[test]
    fn bins_with_few_events_are_not_drawn() {
        let (truth, risk) = rows();
        let found = evaluate_risk(&truth, &risk, None, &RiskOptions::default()).unwrap();
        let drawn = |min_count| {
            let all = Performance::new("test", None, &found, None, min_count);
            let figure = all.figures[2].clone();
            let points = figure
                .series
                .into_iter()
                .find_map(|series| match series.shape {
                    Shape::Points { x, .. } => Some(x.len()),
                    _ => None,
                });
            points.unwrap()
        };
        assert_eq!(drawn(1), 10);
        assert!(drawn(11) <= 8);
        let secret = Performance::new("test", None, &found, None, 500);
        assert_eq!((secret.n_events, secret.figures.len()), (None, 0));
    }

    #[test]
    fn small_cells_go_by_rows_and_not_by_weights() {
        let (truth, risk) = rows();
        let weights: Vec<f64> = (0..1000).map(|i| 50.0 + f64::from(i % 3)).collect();
        let found = evaluate_risk(&truth, &risk, Some(&weights), &RiskOptions::default()).unwrap();
        let plain = evaluate_risk(&truth, &risk, None, &RiskOptions::default()).unwrap();
        let drawn = |found: &RiskEvaluation, min_count| {
            let all = Performance::new("test", None, found, None, min_count);
            let shapes = all.figures[2].series.iter().map(|series| &series.shape);
            let points = shapes.filter_map(|shape| match shape {
                Shape::Points { x, .. } => Some(x.len()),
                _ => None,
            });
            points.sum::<usize>()
        };
        assert_eq!(drawn(&found, 11), drawn(&plain, 11));
        let report = threshold_report(&truth, &risk, 0.398, Some(&weights), 0.95).unwrap();
        assert!(report.confusion.true_positives + report.confusion.false_positives > 100.0);
        let lines = AlertLine::of(vec![("d".into(), report)], 11);
        assert_eq!(lines[0].flagged, None); // eight rows
        let secret = Performance::new("test", None, &found, None, 500);
        assert_eq!(secret.n_events, None);
        assert!(secret.intervals.contains("weighted"));
    }

    #[test]
    fn alerts_hide_small_counts_and_differences() {
        let (truth, risk) = rows();
        let of = |name: &str, threshold| {
            let report = threshold_report(&truth, &risk, threshold, None, 0.95).unwrap();
            (name.to_string(), report)
        };
        let lines = AlertLine::of(
            vec![of("b", 0.31), of("a", 0.313), of("c", 0.2), of("d", 0.398)],
            11,
        );
        let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["d", "a", "b", "c"]);
        assert_eq!(lines[0].flagged, None); // eight rows
        assert!(lines[1].flagged.is_some());
        assert_eq!(lines[2].flagged, None); // eight rows more
        assert!(lines[3].events.is_some());
    }
}
