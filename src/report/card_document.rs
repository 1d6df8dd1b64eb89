//! From a model card to a document: the order and the words.

use crate::estimator::Term;
use crate::estimator::figure::{Axis, Figure, Shape};
use crate::evaluation::Estimate;
use crate::report::model_card::{Audit, ModelCard};
use crate::report::number::{NONE, count, fixed, interval, p_value, percent, significant};
use crate::report::performance::{AlertLine, Metric, Performance, relation_words};
use crate::report::render::{Block, Document, Table};
use crate::report::suppress::{HIDDEN, hidden_note};

/// Quantiles of the normal distribution by which the level of an interval is told.
const LEVELS: [(f64, &str); 3] = [
    (1.644_854, "90 %"),
    (1.959_964, "95 %"),
    (2.575_829, "99 %"),
];
/// So many terms still make a readable figure.
const TERMS_DRAWN: usize = 40;

pub(super) fn document(card: &ModelCard) -> Document {
    let mut page = Document::new(card.title.clone());
    page.subtitle = match &card.date {
        Some(date) => format!("Model card, {date}"),
        None => "Model card".into(),
    };
    use_and_findings(card, &mut page);
    data(card, &mut page);
    model(card, &mut page);
    for performance in &card.performance {
        evaluation(card, performance, &mut page);
    }
    utility(card, &mut page);
    section(&mut page, "Subgroups", !card.subgroups.is_empty());
    for audit in &card.subgroups {
        page.blocks
            .push(Block::Table(audit_table(audit, card.min_count)));
    }
    if !card.figures.is_empty() {
        page.heading(2, "Further figures");
        page.blocks.push(Block::Figures(card.figures.clone()));
    }
    section(&mut page, "Limits", !card.limits.is_empty());
    if !card.limits.is_empty() {
        page.blocks.push(Block::List(card.limits.clone()));
    }
    section(
        &mut page,
        "Reproducibility",
        !card.reproducibility.is_empty(),
    );
    if !card.reproducibility.is_empty() {
        page.blocks.push(Block::Pairs(card.reproducibility.clone()));
    }
    page.heading(2, "References");
    page.blocks.push(Block::References(references(card)));
    page
}

fn section(page: &mut Document, title: &str, wanted: bool) {
    if wanted {
        page.heading(2, title);
    }
}

fn use_and_findings(card: &ModelCard, page: &mut Document) {
    let uses = [
        ("For", &card.intended_use),
        ("Not for", &card.not_for),
        ("Outcome", &card.outcome),
    ];
    if uses.iter().any(|(_, texts)| !texts.is_empty()) {
        page.heading(2, "Intended use");
        let pairs = uses.iter().filter(|(_, texts)| !texts.is_empty());
        let pairs = pairs.map(|(name, texts)| (name.to_string(), texts.join(" ")));
        page.blocks.push(Block::Pairs(pairs.collect()));
    }
    let headline = card.performance.iter().map(|performance| {
        let shown = performance
            .metrics
            .iter()
            .filter(|metric| ["AUROC", "Calibration slope"].contains(&metric.name.as_str()));
        let shown: Vec<String> = shown.map(Metric::in_words).collect();
        (performance.name.clone(), shown.join("; "))
    });
    let headline: Vec<(String, String)> = headline.collect();
    if !headline.is_empty() {
        page.heading(2, "In short");
        page.blocks.push(Block::Pairs(headline));
    }
    let findings = card.findings();
    section(
        page,
        "What to look at first",
        !findings.is_empty() || !card.warnings.is_empty(),
    );
    for finding in findings {
        page.blocks.push(Block::Note {
            severity: finding.severity,
            title: finding.id.replace('-', " "),
            text: format!("{} {}", finding.why, finding.advice),
        });
    }
    for warning in &card.warnings {
        page.blocks.push(Block::Note {
            severity: super::lint::Severity::Caution,
            title: "warning".into(),
            text: format!("{warning}."),
        });
    }
}

fn data(card: &ModelCard, page: &mut Document) {
    let wanted = !card.sources.is_empty()
        || !card.flow.is_empty()
        || card.split.is_some()
        || card.table_one.is_some();
    section(page, "Data", wanted);
    for source in &card.sources {
        page.paragraph(source.clone());
    }
    let or_hidden = |n: Option<u64>| n.map_or(HIDDEN.to_string(), count);
    if !card.flow.is_empty() {
        let known = card.flow.iter().any(|line| line.patients.is_some());
        let mut table = Table::new("Flow of rows").text("Step").number("Rows left");
        if known {
            table = table.number("Patients left");
        }
        for line in &card.flow {
            let patients = match line.patients {
                None if !line.hidden => NONE.to_string(),
                n => or_hidden(n),
            };
            let cells = [line.label.clone(), or_hidden(line.rows), patients];
            table = table.row(cells.into_iter().take(2 + usize::from(known)));
        }
        if card.flow.iter().any(|line| line.hidden) {
            table = table.note(hidden_note(card.min_count));
        }
        page.blocks.push(Block::Table(table));
    }
    if let Some(split) = &card.split {
        let mut table = Table::new(format!("Split: {}", split.rule))
            .text("Side")
            .number("Rows")
            .number("Patients")
            .number("Events");
        let mut hides = false;
        for (name, [rows, patients, events]) in &split.sides {
            let dropped = name.starts_with("Dropped");
            hides |= rows.is_none() || patients.is_none() || (events.is_none() && !dropped);
            let events = if dropped {
                NONE.to_string()
            } else {
                or_hidden(*events)
            };
            table = table.row([name.clone(), or_hidden(*rows), or_hidden(*patients), events]);
        }
        if hides {
            table = table.note(hidden_note(card.min_count));
        }
        page.blocks.push(Block::Table(table));
    }
    if let Some(table) = &card.table_one {
        page.blocks.push(Block::Table(table.to_table()));
    }
    if !card.missing.is_empty() || !card.missing_policy.is_empty() {
        page.heading(2, "Missing values");
        for text in &card.missing_policy {
            page.paragraph(text.clone());
        }
    }
    if !card.missing.is_empty() {
        let mut table = Table::new("Training rows without a value")
            .text("Feature")
            .number("Missing");
        for (name, share) in &card.missing {
            let share = match share {
                None => HIDDEN.to_string(),
                Some(share) if *share < 0.01 => "< 1 %".into(),
                Some(share) => format!("{} %", fixed(100.0 * share, 0)),
            };
            table = table.row([name.clone(), share]);
        }
        if card.missing.iter().any(|(_, share)| share.is_none()) {
            table = table.note(hidden_note(card.min_count));
        }
        page.blocks.push(Block::Table(table));
    }
}

fn model(card: &ModelCard, page: &mut Document) {
    if !card.predictors.is_empty() {
        page.heading(2, "Predictors");
        let coded = card.predictors.iter().any(|p| p.code.is_some());
        let mut table = Table::new("Features that the model reads")
            .text("Feature")
            .text("Kind")
            .text("Unit")
            .text("Sensitive");
        if coded {
            table = table.text("Code");
        }
        for p in &card.predictors {
            let optional = [&p.unit, &p.sensitive, &p.code];
            let [unit, sensitive, code] = optional.map(|text| text.clone().unwrap_or_default());
            let cells = [p.name.clone(), p.kind.clone(), unit, sensitive, code];
            table = table.row(cells.into_iter().take(4 + usize::from(coded)));
        }
        page.blocks.push(Block::Table(table));
    }
    section(
        page,
        "Full model",
        !card.terms.is_empty() || !card.settings.is_empty(),
    );
    if !card.settings.is_empty() {
        page.blocks.push(Block::Pairs(card.settings.clone()));
    }
    if !card.terms.is_empty() {
        page.blocks
            .push(Block::Table(terms_table(&card.terms, card.log_odds)));
        if let Some(figure) = coefficients(&card.terms, card.log_odds) {
            page.blocks.push(Block::Figures(vec![figure]));
        }
    }
}

fn terms_table(terms: &[Term], log_odds: bool) -> Table {
    let inferred = terms.iter().any(|term| term.standard_error.is_some());
    let heading = match (level_of(terms), log_odds) {
        (Some(level), true) => format!("{level} CI of odds ratio"),
        (Some(level), false) => format!("{level} CI"),
        (None, true) => "Interval of odds ratio".into(),
        (None, false) => "Interval".into(),
    };
    let mut table = Table::new("All terms of the linear predictor, in original units")
        .text("Term")
        .number("Estimate");
    if inferred {
        table = table.number("SE");
    }
    if log_odds {
        table = table.number("Odds ratio");
    }
    if inferred {
        table = table.number(heading).number("p");
    }
    for term in terms {
        let or_none =
            |value: Option<f64>, print: fn(f64) -> String| value.map_or(NONE.to_string(), print);
        // The odds of an intercept are no ratio.
        let ratio = log_odds && term.name != "intercept";
        let print = |value: f64| match libm::exp(value) {
            _ if !ratio => significant(value),
            odds if odds < 10.0 => fixed(odds, 3),
            odds => significant(odds),
        };
        let mut cells = vec![term.name.clone(), significant(term.estimate)];
        if inferred {
            cells.push(or_none(term.standard_error, significant));
        }
        if log_odds {
            cells.push(if ratio {
                print(term.estimate)
            } else {
                NONE.into()
            });
        }
        if inferred {
            cells.push(match (term.lower, term.upper) {
                (Some(lower), Some(upper)) if ratio || !log_odds => {
                    format!("{} to {}", print(lower), print(upper))
                }
                _ => NONE.into(),
            });
            cells.push(or_none(term.p, p_value));
        }
        table.push(false, cells);
    }
    if log_odds {
        table = table.note(
            "Estimates are log-odds per unit of the feature; odds ratios are per unit. The risk is 1 / (1 + exp(-sum)).",
        );
    }
    if !inferred {
        table = table.note("Without standard errors: a penalised estimate is biased on purpose.");
    }
    table
}

/// The level that the intervals of the terms have, told by their half-widths.
fn level_of(terms: &[Term]) -> Option<&'static str> {
    let term = terms
        .iter()
        .find(|term| term.standard_error.is_some_and(|se| se > 0.0))?;
    let reach = (term.upper? - term.estimate) / term.standard_error?;
    let known = LEVELS
        .iter()
        .find(|(quantile, _)| (quantile - reach).abs() < 0.02);
    known.map(|(_, name)| *name)
}

/// Dots and intervals of all terms; of a logistic model as odds ratios.
fn coefficients(terms: &[Term], log_odds: bool) -> Option<Figure> {
    let terms: Vec<&Term> = terms
        .iter()
        .filter(|term| term.name != "intercept")
        .collect();
    if terms.is_empty() || terms.len() > TERMS_DRAWN {
        return None;
    }
    let scale = |value: f64| if log_odds { libm::exp(value) } else { value };
    let of = |pick: fn(&Term) -> Option<f64>| -> Vec<f64> {
        let values: Option<Vec<f64>> = terms.iter().map(|term| pick(term).map(scale)).collect();
        values.unwrap_or_default()
    };
    let (lower, upper) = (of(|t| t.lower), of(|t| t.upper));
    let shape = Shape::Points {
        x: (0..terms.len()).map(|i| i as f64).collect(),
        y: terms.iter().map(|term| scale(term.estimate)).collect(),
        lower,
        upper,
    };
    let names = terms.iter().map(|term| term.name.clone());
    let value = if log_odds {
        Axis::new("Odds ratio per unit").logarithmic()
    } else {
        Axis::new("Estimate per unit")
    };
    let caption = if log_odds {
        "Odds ratio of each term with its interval; a numeric feature by one of its units."
    } else {
        "Estimate of each term with its interval; a numeric feature by one of its units."
    };
    let figure = Figure::new("Terms of the model", Axis::new("").categories(names), value);
    let figure = figure.caption(caption).with("", shape);
    Some(figure.horizontal("no effect", if log_odds { 1.0 } else { 0.0 }))
}

fn evaluation(card: &ModelCard, performance: &Performance, page: &mut Document) {
    page.heading(2, &format!("Performance: {}", performance.name));
    let events = match performance.n_events {
        Some(events) => format!(
            "{} rows, {} events ({}); {}.",
            count(performance.n_rows),
            count(events),
            percent(events as f64 / performance.n_rows as f64),
            relation_words(performance.relation)
        ),
        None => format!(
            "{} rows; number of events hidden, below {}; {}.",
            count(performance.n_rows),
            card.min_count,
            relation_words(performance.relation)
        ),
    };
    page.paragraph(events);
    let mut table = Table::new("Discrimination, calibration and overall fit")
        .text("Measure")
        .number("Estimate")
        .number("Interval")
        .text("Reading");
    for metric in &performance.metrics {
        let ends = metric
            .interval
            .map_or(NONE.into(), |[low, high]| interval(low, high, 3));
        let cells = [
            metric.name.clone(),
            fixed(metric.value, 3),
            ends,
            metric.against.clone(),
        ];
        table = table.row(cells);
    }
    table = table.note(performance.intervals.clone());
    page.blocks.push(Block::Table(table));
    if !performance.figures.is_empty() {
        page.blocks
            .push(Block::Figures(performance.figures.clone()));
    }
    if !performance.decisions.is_empty() {
        let mut table = Table::new("Net benefit, true positives per 1,000 rows")
            .text("Threshold")
            .number("Model")
            .number("Act on all")
            .number("Act on none");
        for [threshold, model, all] in &performance.decisions {
            let per = |value: f64| fixed(1000.0 * value, 0);
            table = table.row([percent(*threshold), per(*model), per(*all), "0".into()]);
        }
        page.blocks.push(Block::Table(table));
    }
    for note in &performance.notes {
        page.paragraph(format!("{note}."));
    }
}

fn utility(card: &ModelCard, page: &mut Document) {
    if !card.alerts.is_empty() {
        page.heading(2, "Alerts");
        page.blocks
            .push(Block::Table(alert_table(&card.alerts, card.min_count)));
    }
    if card.comparisons.is_empty() {
        return;
    }
    page.heading(2, "Comparators");
    let mut table = Table::new("AUROC on the same rows, compared in pairs (DeLong)")
        .text("Comparator")
        .number("Its AUROC")
        .number("Model")
        .number("Difference")
        .number("Interval")
        .number("p");
    for comparison in &card.comparisons {
        let test = &comparison.test;
        table = table.row([
            comparison.comparator.clone(),
            fixed(test.auroc_b, 3),
            fixed(test.auroc_a, 3),
            fixed(test.difference, 3),
            interval(test.lower, test.upper, 3),
            p_value(test.p),
        ]);
    }
    page.blocks.push(Block::Table(table));
}

fn alert_table(lines: &[AlertLine], min_count: u64) -> Table {
    let mut table = Table::new("Rows with the highest predicted risks")
        .text("Flagged")
        .number("Risk from")
        .number("Rows")
        .number("Events")
        .number("PPV")
        .number("Sensitivity")
        .number("Rows per event");
    for line in lines {
        let or = |text: Option<String>| {
            let absent = if line.flagged.is_none() { HIDDEN } else { NONE };
            text.unwrap_or(absent.to_string())
        };
        table = table.row([
            line.name.clone(),
            or(line.threshold.map(|t| fixed(t, 3))),
            or(line.flagged.map(count)),
            or(line.events.map(count)),
            or(line.ppv.as_ref().map(share)),
            or(line.sensitivity.as_ref().map(share)),
            or(line.number_needed_to_evaluate.map(|n| fixed(n, 1))),
        ]);
    }
    table = table.note(
        "PPV: share of the flagged rows that are events; sensitivity: share of the events that are \
         flagged; both with exact intervals in per cent.",
    );
    if lines.iter().any(|line| line.flagged.is_none()) {
        table = table.note(hidden_note(min_count));
    }
    table
}

/// A proportion in per cent with its interval.
fn share(found: &Estimate) -> String {
    format!(
        "{} ({})",
        fixed(100.0 * found.value, 1),
        interval(100.0 * found.lower, 100.0 * found.upper, 1)
    )
}

fn audit_table(audit: &Audit, min_count: u64) -> Table {
    let mut table = Table::new(format!("Performance by {}", audit.by))
        .text("Group")
        .number("Rows")
        .number("Events")
        .number("AUROC")
        .number("Observed / expected")
        .number("Slope");
    let with_ends = |value: f64, lower: f64, upper: f64| {
        format!("{} ({})", fixed(value, 2), interval(lower, upper, 2))
    };
    for group in &audit.groups {
        let or = |text: Option<String>| {
            text.unwrap_or(if group.suppressed { HIDDEN } else { NONE }.to_string())
        };
        let estimate = |found: &Estimate| with_ends(found.value, found.lower, found.upper);
        table = table.row([
            group.group.clone(),
            or(group.n_rows.map(|n| count(n as u64))),
            or(group.n_events.map(|n| count(n as u64))),
            or(group
                .auroc
                .as_ref()
                .map(|a| with_ends(a.auroc, a.lower, a.upper))),
            or(group.observed_over_expected.as_ref().map(estimate)),
            or(group.calibration_slope.as_ref().map(estimate)),
        ]);
    }
    if audit.groups.is_empty() {
        table = table.note("Withheld: groups are too small to be shown.");
    }
    if audit.groups.iter().any(|group| group.suppressed) {
        table = table.note(hidden_note(min_count));
    }
    table
}

fn references(card: &ModelCard) -> Vec<(String, String)> {
    let mut list = vec![(
        "Collins et al. TRIPOD+AI statement. BMJ 385, 2024.",
        "10.1136/bmj-2023-078378",
    )];
    if card.table_one.is_some() {
        list.push((
            "Austin. Balance diagnostics by standardized differences. Stat. Med. 28, 2009.",
            "10.1002/sim.3697",
        ));
    }
    if !card.performance.is_empty() {
        list.push((
            "DeLong, DeLong, Clarke-Pearson. Comparing areas under ROC curves. Biometrics 44, 1988.",
            "10.2307/2531595",
        ));
        list.push((
            "Van Calster et al. Calibration: the Achilles heel of predictive analytics. BMC Med. 17, \
             2019.",
            "10.1186/s12916-019-1466-7",
        ));
        list.push((
            "Vickers, Elkin. Decision curve analysis. Med. Decis. Making 26, 2006.",
            "10.1177/0272989X06295361",
        ));
    }
    let own = |(text, doi): (&str, &str)| (text.to_string(), doi.to_string());
    list.into_iter().map(own).collect()
}
