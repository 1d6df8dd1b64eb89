//! Safety signals as text and as a figure.

use std::fmt;

use crate::association::{Signal, SignalMeasure, Signals};
use crate::estimator::figure::{Axis, Figure, Shape};
use crate::evaluation::Estimate;

/// Letters of a name in a table.
pub(super) const LONGEST_NAME: usize = 34;
/// Letters of both names beside a figure, and those of them that an event may take.
const LONGEST_LABEL: usize = 34;
const LONGEST_EVENT: usize = 18;

impl Signals {
    /// The `k` pairs of largest lower limit of the measure, as text.
    pub fn table(&self, k: usize, measure: SignalMeasure) -> String {
        Shown {
            signals: self,
            k,
            measure,
        }
        .to_string()
    }

    /// The `k` pairs of largest lower limit of the measure with their limits, as a figure; pairs
    /// whose measure is infinite or has no value are left out.
    pub fn figure(&self, k: usize, measure: SignalMeasure) -> Figure {
        let (mut y, mut lower, mut upper) = (Vec::new(), Vec::new(), Vec::new());
        let mut names = Vec::new();
        for signal in self.top(self.signals.len(), measure) {
            let Some(estimate) = signal.estimate(measure) else {
                continue;
            };
            if names.len() == k || !estimate.value.is_finite() {
                continue;
            }
            names.push(label(signal));
            y.push(estimate.value);
            lower.push(estimate.lower);
            upper.push(estimate.upper);
        }
        let (label, none, limits) = match measure {
            SignalMeasure::Prr => ("Proportional reporting ratio", 1.0, "limits of the level"),
            SignalMeasure::Ror => ("Reporting odds ratio", 1.0, "limits of the level"),
            SignalMeasure::Ic => ("Information component", 0.0, "limits of the level"),
            SignalMeasure::Ebgm => ("Empirical Bayes geometric mean", 1.0, "EB05 and EB95"),
        };
        let mut axis = Axis::new(label);
        axis = match measure {
            SignalMeasure::Ic => axis.unit("bits"),
            _ => axis.logarithmic(),
        };
        let x = (0..y.len()).map(|place| place as f64).collect();
        Figure::new(
            "Drugs and events reported together above expectation",
            Axis::new("Drug, event").categories(names),
            axis,
        )
        .caption(format!(
            "Bars are {limits}. Reports are volunteered: no rate and no cause is shown."
        ))
        .with(measure.word(), Shape::Points { x, y, lower, upper })
        .horizontal("as expected", none)
    }
}

impl fmt::Display for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table(10, SignalMeasure::Ic))
    }
}

struct Shown<'a> {
    signals: &'a Signals,
    k: usize,
    measure: SignalMeasure,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.signals;
        writeln!(
            f,
            "{} reports of {} drugs and {} events: {} pairs, {} of them in {} reports or more",
            all.n_reports,
            all.n_drugs,
            all.n_events,
            all.n_pairs,
            all.signals.len(),
            all.min_reports
        )?;
        let counts = SignalMeasure::ALL.map(|measure| {
            let n = all.n_found_by(measure);
            format!("{} {n}", measure.word())
        });
        let every = all.signals.iter();
        let every = every.filter(|signal| signal.verdicts.n_methods() == SignalMeasure::ALL.len());
        writeln!(
            f,
            "signals: {}; by all four {}",
            counts.join(", "),
            every.count()
        )?;
        if let Some(fit) = all.fit
            && (!fit.converged || fit.at_bound || fit.n_agreeing < 2)
        {
            writeln!(f, "the prior of EBGM is doubtful: its fit is not settled")?;
        }
        let expected = if all.stratified { "E (strata)" } else { "E" };
        let heads = [
            "drug",
            "event",
            "by",
            "N",
            expected,
            "PRR (limits)",
            "ROR (limits)",
            "chi2",
            "IC (limits)",
            "EBGM (5, 95 %)",
        ];
        let mut lines = vec![heads.map(String::from).to_vec()];
        for signal in all.top(self.k, self.measure) {
            lines.push(line(signal));
        }
        aligned(f, &lines, 3)?;
        writeln!(
            f,
            "by: signal by P PRR, R ROR, I IC, E EBGM. Sorted by the lower limit of {}.",
            self.measure.word()
        )?;
        writeln!(
            f,
            "Reports are volunteered, patients are not counted: a signal is no rate and no cause."
        )
    }
}

fn line(signal: &Signal) -> Vec<String> {
    let by: String = SignalMeasure::ALL
        .into_iter()
        .zip(['P', 'R', 'I', 'E'])
        .map(|(measure, letter)| match signal.verdicts.by(measure) {
            true => letter,
            false => '.',
        })
        .collect();
    let mut line = vec![
        cut(&signal.drug, LONGEST_NAME),
        cut(&signal.event, LONGEST_NAME),
        by,
        signal.counts.n_ab().to_string(),
        format!("{:.2}", signal.expected),
        interval(signal.prr),
        interval(signal.ror),
        signal
            .chi_squared
            .map_or_else(|| "-".into(), |test| short(test.statistic)),
    ];
    line.push(interval(Some(signal.ic)));
    line.push(interval(signal.estimate(SignalMeasure::Ebgm)));
    line
}

/// A value with its limits.
pub(super) fn interval(estimate: Option<Estimate>) -> String {
    match estimate {
        None => "-".into(),
        Some(estimate) if estimate.value.is_infinite() => "inf".into(),
        Some(Estimate {
            value,
            lower,
            upper,
            ..
        }) => format!("{} ({}, {})", short(value), short(lower), short(upper)),
    }
}

/// Three figures or so.
fn short(value: f64) -> String {
    match value.abs() {
        size if size < 9.995 => format!("{value:.2}"),
        size if size < 99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Both names, so that something of each is left.
fn label(signal: &Signal) -> String {
    let event = cut(&signal.event, LONGEST_EVENT);
    let left = LONGEST_LABEL.saturating_sub(event.chars().count() + 2);
    format!("{}, {event}", cut(&signal.drug, left))
}

/// A name cut to so many letters.
pub(super) fn cut(name: &str, longest: usize) -> String {
    if name.chars().count() <= longest {
        return name.into();
    }
    let kept = name.chars().take(longest.saturating_sub(1));
    let kept: String = kept.collect();
    format!("{}…", kept.trim_end())
}

/// Lines in columns: the first `left` to the left, the others to the right.
pub(super) fn aligned(
    f: &mut fmt::Formatter<'_>,
    lines: &[Vec<String>],
    left: usize,
) -> fmt::Result {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for line in lines {
        let mut text = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            if column > 0 {
                text.push_str("  ");
            }
            text.push_str(&match column < left {
                true => format!("{cell:<width$}"),
                false => format!("{cell:>width$}"),
            });
        }
        writeln!(f, "{}", text.trim_end())?;
    }
    Ok(())
}
