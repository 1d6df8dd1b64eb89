//! The model card: everything a reader must know of a model, in the order of TRIPOD+AI (Collins et
//! al., BMJ 385, 2024, doi 10.1136/bmj-2023-078378).

use serde::{Deserialize, Serialize};

use crate::estimator::{Figure, SplitReport, Summary, Term};
use crate::evaluation::{PairedAuroc, Subgroup};
use crate::matrix::{PatientMatrix, Schema};
use crate::report::card_document;
use crate::report::lint::{EvaluationFacts, Facts, Finding, GroupFacts, lint};
use crate::report::performance::{AlertLine, Performance};
use crate::report::render::Document;
use crate::report::suppress::{MIN_COUNT, is_small, protect_line};
use crate::report::table_one::TableOne;

/// A card that is filled section by section and printed in three formats.
///
/// Numbers arrive computed; small counts are hidden when they arrive, so that no format and no
/// saved card holds them. Sections without content are not printed.
///
/// ```
/// use galen::prelude::*;
/// use galen::report::ModelCard;
///
/// # fn main() -> galen::Result<()> {
/// let people = galen::simulate::readmissions(1_000, 7);
/// let cohort = Cohort::new(people.matrix, people.target);
/// let (train, _) = Split::holdout(0.3, 1).apply(&cohort)?;
/// let model = LogisticRegression::params().fit(&train)?;
/// let card = ModelCard::new("Readmission within 30 days")
///     .intended_use("Ordering of follow-up calls after discharge.")
///     .flow([("Encounters", 1_000, None)])
///     .split(train.report())
///     .model(&model)
///     .limit("Simulated patients.");
/// assert!(card.to_text().contains("Full model"));
/// assert_eq!(card.to_html(), card.to_html());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelCard {
    /// What the model predicts, in a few words.
    pub title: String,
    /// Date of the card as it is to be printed; none unless given.
    pub date: Option<String>,
    /// What the model is for.
    pub intended_use: Vec<String>,
    /// What it must not be used for.
    pub not_for: Vec<String>,
    /// Where the data come from.
    pub sources: Vec<String>,
    /// What counts as the event, and when.
    pub outcome: Vec<String>,
    /// Who was in the data and who was left out.
    pub flow: Vec<FlowLine>,
    /// The split.
    pub split: Option<SplitLines>,
    /// Characteristics by group.
    pub table_one: Option<TableOne>,
    /// How missing values were treated.
    pub missing_policy: Vec<String>,
    /// Share of rows without a value; `None` where hidden.
    pub missing: Vec<(String, Option<f64>)>,
    /// What the model reads.
    pub predictors: Vec<Predictor>,
    /// The full table of terms.
    pub terms: Vec<Term>,
    /// Whether terms are log-odds, so that their exponentials are odds ratios.
    pub log_odds: bool,
    /// Settings and facts of the fit.
    pub settings: Vec<(String, String)>,
    /// Evaluations.
    pub performance: Vec<Performance>,
    /// Comparisons with other scores on the same rows.
    pub comparisons: Vec<Comparison>,
    /// What is found among the rows with the highest risks.
    pub alerts: Vec<AlertLine>,
    /// Audits by group.
    pub subgroups: Vec<Audit>,
    /// Further figures.
    pub figures: Vec<Figure>,
    /// Limits.
    pub limits: Vec<String>,
    /// What is needed to get the same numbers again.
    pub reproducibility: Vec<(String, String)>,
    /// Warnings of the fit and of the user.
    pub warnings: Vec<String>,
    /// What the lint knows.
    pub facts: Facts,
    /// Counts from 1 to one below this are hidden.
    pub min_count: u64,
}

/// Rows and patients after a step; `None` where hidden or unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowLine {
    /// What the step left, or why rows were dropped.
    pub label: String,
    /// Rows left.
    pub rows: Option<u64>,
    /// Patients left.
    pub patients: Option<u64>,
    /// Whether numbers of this line are hidden.
    pub hidden: bool,
}

/// A split in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitLines {
    /// Code of the split.
    pub id: String,
    /// The rule in words.
    pub rule: String,
    /// Name, rows, patients and events of each side, and of what was dropped; `None` where hidden
    /// or unknown.
    pub sides: Vec<(String, [Option<u64>; 3])>,
}

/// A feature that the model reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predictor {
    /// Name.
    pub name: String,
    /// Kind in words.
    pub kind: String,
    /// Unit.
    pub unit: Option<String>,
    /// Code and its terminology.
    pub code: Option<String>,
    /// Why fairness is to be looked at.
    pub sensitive: Option<String>,
}

/// A paired comparison of two scores on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The other score.
    pub comparator: String,
    /// The test; the model comes first.
    pub test: PairedAuroc,
}

/// An audit by group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// What the groups go by.
    pub by: String,
    /// One entry per group.
    pub groups: Vec<Subgroup>,
}

impl ModelCard {
    /// An empty card.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            date: None,
            intended_use: Vec::new(),
            not_for: Vec::new(),
            sources: Vec::new(),
            outcome: Vec::new(),
            flow: Vec::new(),
            split: None,
            table_one: None,
            missing_policy: Vec::new(),
            missing: Vec::new(),
            predictors: Vec::new(),
            terms: Vec::new(),
            log_odds: false,
            settings: Vec::new(),
            performance: Vec::new(),
            comparisons: Vec::new(),
            alerts: Vec::new(),
            subgroups: Vec::new(),
            figures: Vec::new(),
            limits: Vec::new(),
            reproducibility: Vec::new(),
            warnings: Vec::new(),
            facts: Facts::default(),
            min_count: MIN_COUNT,
        }
    }

    /// Hides counts from 1 to one below `min_count` in what is added from here on; default 11.
    pub fn min_count(mut self, min_count: u64) -> Self {
        self.min_count = min_count;
        self
    }

    /// Date to print; without one the card has none and stays the same from day to day.
    pub fn date(mut self, date: impl Into<String>) -> Self {
        self.date = Some(date.into());
        self
    }

    /// A sentence on what the model is for.
    pub fn intended_use(mut self, text: impl Into<String>) -> Self {
        self.intended_use.push(text.into());
        self
    }

    /// A sentence on what it must not be used for.
    pub fn not_for(mut self, text: impl Into<String>) -> Self {
        self.not_for.push(text.into());
        self
    }

    /// A sentence on where the data come from: setting, place, dates.
    pub fn source(mut self, text: impl Into<String>) -> Self {
        self.sources.push(text.into());
        self
    }

    /// A sentence on what counts as the event, and within which time.
    pub fn outcome(mut self, text: impl Into<String>) -> Self {
        self.outcome.push(text.into());
        self
    }

    /// Who was in the data, step by step: label, rows left, patients left where known.
    ///
    /// A step that drops few rows or patients is hidden with a neighbour.
    pub fn flow<S: Into<String>>(
        mut self,
        lines: impl IntoIterator<Item = (S, usize, Option<usize>)>,
    ) -> Self {
        let lines: Vec<(String, usize, Option<usize>)> = lines
            .into_iter()
            .map(|(label, rows, of)| (label.into(), rows, of))
            .collect();
        self.flow = hide_flow(&lines, self.min_count);
        self
    }

    /// The split that made the test side.
    pub fn split(mut self, report: &SplitReport) -> Self {
        self.facts.test_opened |= report.opened;
        self.split = Some(hide_split(report, self.min_count));
        self
    }

    /// Table 1.
    pub fn table_one(mut self, table: TableOne) -> Self {
        self.table_one = Some(table);
        self
    }

    /// A sentence on how missing values were treated.
    pub fn missing_policy(mut self, text: impl Into<String>) -> Self {
        self.missing_policy.push(text.into());
        self
    }

    /// Share of rows without a value, feature by feature, and whether rows have patient keys.
    pub fn data(mut self, matrix: &PatientMatrix) -> Self {
        let n_rows = matrix.n_rows();
        self.facts.patient_keys = Some(matrix.keys().patient_keys().is_some());
        self.missing.clear();
        self.facts.missing.clear();
        for feature in matrix.schema().features() {
            let Ok(column) = matrix.column(feature.name()) else {
                continue;
            };
            let missing = (0..n_rows).filter(|row| column.is_missing(*row)).count();
            let secret = is_small(missing as u64, self.min_count)
                || is_small((n_rows - missing) as u64, self.min_count);
            let share = if n_rows == 0 {
                0.0
            } else {
                missing as f64 / n_rows as f64
            };
            // Whole percents: counts are the business of Table 1, which hides them in concert.
            let share = (100.0 * share).round() / 100.0;
            if !secret {
                self.facts.missing.push((feature.name().to_string(), share));
            }
            if missing > 0 {
                self.missing
                    .push((feature.name().to_string(), (!secret).then_some(share)));
            }
        }
        self
    }

    /// Everything the fitted model says of itself: predictors, terms, settings, warnings, origin.
    ///
    /// The lint reads from the facts of the fit `penalty strength`, `deviance`, `null deviance` and
    /// `converged`, where they are.
    pub fn model(mut self, model: &impl Summary) -> Self {
        let header = model.header();
        self.predictors = predictors(&header.schema);
        self.terms = model.terms();
        self.log_odds = header.estimator.starts_with("Logistic");
        self.settings = model.facts();
        self.warnings.extend(model.warnings());
        self.reproducibility = reproducibility(header);
        read_fit(&mut self.facts, model);
        self
    }

    /// An evaluation.
    pub fn performance(mut self, performance: Performance) -> Self {
        let value = |name: &str| {
            let metric = performance
                .metrics
                .iter()
                .find(|metric| metric.name == name);
            metric.map(|metric| metric.value)
        };
        self.facts.evaluations.push(EvaluationFacts {
            name: performance.name.clone(),
            relation: performance.relation,
            event_rate: performance.event_rate,
            auroc: value("AUROC"),
            slope: value("Calibration slope"),
        });
        if self.facts.headline.is_none() {
            self.facts.headline = performance
                .metrics
                .first()
                .map(|metric| metric.name.clone());
        }
        self.performance.push(performance);
        self
    }

    /// A paired comparison of the model, first, with another score.
    pub fn compared_with(mut self, comparator: impl Into<String>, test: PairedAuroc) -> Self {
        self.comparisons.push(Comparison {
            comparator: comparator.into(),
            test,
        });
        self
    }

    /// What is found among the rows with the highest risks.
    pub fn alerts(mut self, lines: Vec<AlertLine>) -> Self {
        self.alerts = lines;
        self
    }

    /// An audit by group; groups below the bound of the card take the whole audit out.
    pub fn subgroups(mut self, by: impl Into<String>, mut groups: Vec<Subgroup>) -> Self {
        let by = by.into();
        let secret = |group: &Subgroup| {
            group
                .n_rows
                .is_some_and(|n| is_small(n as u64, self.min_count))
                || group
                    .n_events
                    .is_some_and(|n| is_small(n as u64, self.min_count))
        };
        if groups.iter().any(secret) {
            groups.clear();
        }
        let known = self.facts.groups.get_or_insert_default();
        known.extend(groups.iter().map(|group| {
            GroupFacts {
                by: by.clone(),
                group: group.group.clone(),
                auroc: group.auroc.as_ref().map(|a| [a.auroc, a.lower, a.upper]),
                observed_over_expected: group
                    .observed_over_expected
                    .map(|ratio| [ratio.value, ratio.lower, ratio.upper]),
            }
        }));
        self.subgroups.push(Audit { by, groups });
        self
    }

    /// A further figure.
    pub fn figure(mut self, figure: Figure) -> Self {
        self.figures.push(figure);
        self
    }

    /// A sentence on a limit of the model or of the data.
    pub fn limit(mut self, text: impl Into<String>) -> Self {
        self.limits.push(text.into());
        self
    }

    /// A warning.
    pub fn warning(mut self, text: impl Into<String>) -> Self {
        self.warnings.push(text.into());
        self
    }

    /// A further line on how to get the same numbers again.
    pub fn reproduce(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.reproducibility.push((name.into(), value.into()));
        self
    }

    /// Tells the lint what no number shows.
    ///
    /// ```
    /// use galen::report::ModelCard;
    ///
    /// let card = ModelCard::new("Sepsis").know(|facts| {
    ///     facts.tuned_on_test = true;
    ///     facts.after_index.push("discharge code".into());
    /// });
    /// assert_eq!(card.findings().len(), 2);
    /// ```
    pub fn know(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        change(&mut self.facts);
        self
    }

    /// What the lint says of the card as it stands.
    pub fn findings(&self) -> Vec<Finding> {
        lint(&self.facts)
    }

    /// The card as a document.
    pub fn document(&self) -> Document {
        card_document::document(self)
    }

    /// Plain text.
    pub fn to_text(&self) -> String {
        self.document().to_text()
    }

    /// Markdown.
    pub fn to_markdown(&self) -> String {
        self.document().to_markdown()
    }

    /// One self-contained HTML page; figures are drawn with the feature `report`.
    pub fn to_html(&self) -> String {
        self.document().to_html()
    }
}

fn predictors(schema: &Schema) -> Vec<Predictor> {
    let features = schema.features().iter();
    features
        .map(|feature| Predictor {
            name: feature.name().to_string(),
            kind: feature.kind().to_string(),
            unit: feature.unit_name().map(str::to_string),
            code: feature
                .terminology()
                .map(|code| format!("{} {}", code.system, code.code)),
            sensitive: feature
                .sensitive_role()
                .map(|role| format!("{role:?}").to_lowercase()),
        })
        .collect()
}

fn reproducibility(header: &crate::estimator::ModelHeader) -> Vec<(String, String)> {
    let mut lines = vec![
        (
            "crate".to_string(),
            format!("galen {}", header.crate_version),
        ),
        ("platform".into(), header.platform.clone()),
        ("seed".into(), header.seed.to_string()),
        (
            "schema digest".into(),
            format!("{:016x}", header.schema.fingerprint()),
        ),
    ];
    if let Some(origin) = header.lineage.origin {
        lines.push(("table digest".into(), format!("{origin:016x}")));
    }
    for split in &header.lineage.splits {
        lines.push(("split".into(), format!("{split:016x}")));
    }
    let rows = if header.contains_training_rows {
        "yes"
    } else {
        "no"
    };
    lines.push(("model stores rows of patients".into(), rows.into()));
    lines
}

/// What the lint wants to know of a fit.
fn read_fit(facts: &mut Facts, model: &impl Summary) {
    let header = model.header();
    let listed = model.facts();
    let text = |name: &str| {
        let line = listed.iter().find(|(known, _)| known == name);
        line.map(|(_, text)| text.as_str())
    };
    let number = |name: &str| text(name).and_then(|text| text.parse::<f64>().ok());
    let terms = model.terms();
    let inferred = terms
        .iter()
        .filter(|t| t.standard_error.is_some() && t.name != "intercept")
        .count();
    facts.n_rows = Some(header.n_rows);
    facts.n_events = header.n_events;
    facts.converged = text("converged").map(|text| text == "true");
    facts.penalised = number("penalty strength").map(|strength| {
        strength > 0.0 || (inferred == 0 && terms.len() > 1 && facts.converged == Some(true))
    });
    let free = terms.iter().filter(|t| t.name != "intercept").count();
    facts.n_parameters = Some(if inferred > 0 { inferred } else { free } as u64);
    facts.likelihood_ratio = match (number("null deviance"), number("deviance")) {
        (Some(null), Some(deviance)) => Some(null - deviance),
        _ => None,
    };
    for warning in model.warnings() {
        facts.separated |= warning.starts_with("separation");
        facts.dropped_columns |= warning.starts_with("left out");
        facts.class_weights |= warning.starts_with("class weights");
    }
    if facts.separated {
        facts.penalised = number("penalty strength").map(|strength| strength > 0.0);
    }
}

/// Hides steps that drop few rows or patients. Numbers left between the first and the last hidden
/// step go as well: each is a partial sum.
fn hide_flow(lines: &[(String, usize, Option<usize>)], min_count: u64) -> Vec<FlowLine> {
    let dropped = |of: &dyn Fn(usize) -> u64| -> Vec<u64> {
        (1..lines.len())
            .map(|i| of(i - 1).saturating_sub(of(i)))
            .collect()
    };
    let rows = dropped(&|i| lines[i].1 as u64);
    let patients = dropped(&|i| lines[i].2.unwrap_or(0) as u64);
    let (mut hidden, mut safe) = protect_line(&rows, min_count);
    let (too, safe_too) = protect_line(&patients, min_count);
    hidden
        .iter_mut()
        .zip(too)
        .for_each(|(hidden, too)| *hidden |= too);
    safe &= safe_too;
    let first = hidden.iter().position(|hidden| *hidden);
    let last = hidden.iter().rposition(|hidden| *hidden);
    let place = |line: usize| match (first, last) {
        // Line i + 1 is what step i left; the last hidden step leaves a known number.
        (Some(first), Some(last)) if safe => line > first && line <= last,
        (Some(_), Some(last)) => line <= last,
        _ => false,
    };
    let lines = lines.iter().enumerate();
    lines
        .map(|(i, (label, rows, patients))| {
            let few = is_small(*rows as u64, min_count)
                || patients.is_some_and(|n| is_small(n as u64, min_count));
            let hidden = place(i) || few;
            FlowLine {
                label: label.clone(),
                rows: (!hidden).then_some(*rows as u64),
                patients: patients.filter(|_| !hidden).map(|n| n as u64),
                hidden,
            }
        })
        .collect()
}

fn hide_split(report: &SplitReport, min_count: u64) -> SplitLines {
    let side = |name: &str, count: &crate::estimator::SideCount| {
        let counts = [Some(count.rows), Some(count.patients), count.events];
        (name.to_string(), counts.map(|n| n.map(|n| n as u64)))
    };
    let mut sides = vec![side("Training", &report.train), side("Test", &report.test)];
    for dropped in &report.dropped {
        let counts = [Some(dropped.rows), Some(dropped.patients), None];
        sides.push((
            format!("Dropped: {}", dropped.why),
            counts.map(|n| n.map(|n| n as u64)),
        ));
    }
    for column in 0..3 {
        let counts: Vec<u64> = sides.iter().map(|(_, c)| c[column].unwrap_or(0)).collect();
        let (hidden, safe) = protect_line(&counts, min_count);
        for ((_, counts), hidden) in sides.iter_mut().zip(hidden) {
            if hidden || !safe {
                counts[column] = None;
            }
        }
    }
    SplitLines {
        id: format!("{:016x}", report.id),
        rule: report.rule.clone(),
        sides,
    }
}

#[cfg(test)]
#[path = "model_card_tests.rs"]
mod tests;
