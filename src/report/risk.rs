//! The whole report of a risk model in one call.

use crate::error::{ErrorKind, Result};
use crate::estimator::Summary;
use crate::evaluation::{
    BootstrapOptions, RiskOptions, ScoredTest, SubgroupOptions, auroc_paired, bootstrap_binary,
    evaluate_risk, subgroups, threshold_for_fraction, threshold_report,
};
use crate::report::model_card::ModelCard;
use crate::report::performance::{AlertLine, Performance};
use crate::report::suppress::MIN_COUNT;

/// Settings of [`risk_report`].
#[derive(Debug, Clone, PartialEq)]
pub struct ReportOptions {
    /// Title of the card; default from the estimator.
    pub title: Option<String>,
    /// Settings of the evaluation.
    pub risk: RiskOptions,
    /// Bootstrap by patient for the intervals; default 1,000 resamples. `None` keeps the intervals
    /// that take rows as independent.
    pub bootstrap: Option<BootstrapOptions>,
    /// Shares of rows to flag in the table of alerts; default 1, 5, 10, 20 and 30 %.
    pub fractions: Vec<f64>,
    /// Other scores on the same test rows, made by [`score_with`](crate::evaluation::score_with) or
    /// [`evaluate_sealed`](crate::evaluation::evaluate_sealed).
    pub comparators: Vec<ScoredTest>,
    /// Names of audits and the group of every test row, made by
    /// [`groups_of`](crate::evaluation::groups_of); rows without a group form the group `missing`.
    pub subgroups: Vec<(String, Vec<Option<String>>)>,
    /// Counts from 1 to one below this are hidden; default 11.
    pub min_count: u64,
}

impl Default for ReportOptions {
    fn default() -> Self {
        Self {
            title: None,
            risk: RiskOptions::default(),
            bootstrap: Some(BootstrapOptions::default()),
            fractions: vec![0.01, 0.05, 0.1, 0.2, 0.3],
            comparators: Vec::new(),
            subgroups: Vec::new(),
            min_count: MIN_COUNT,
        }
    }
}

impl ReportOptions {
    /// With a title.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// With another score on the same rows.
    pub fn comparator(mut self, scored: ScoredTest) -> Self {
        self.comparators.push(scored);
        self
    }

    /// With an audit by group.
    pub fn subgroup(mut self, by: impl Into<String>, groups: Vec<Option<String>>) -> Self {
        self.subgroups.push((by.into(), groups));
        self
    }
}

/// A model card with everything that the model and its scored test rows can tell: split, terms,
/// performance with intervals, curves, alerts, comparators, subgroups, origin.
///
/// What only people know is added to the card afterwards: intended use, sources, flow, Table 1,
/// limits. Where the cohort has weights, every number is weighted by those of the test rows, and the
/// card says so; counts stay counts of rows. Cost: the bootstrap is most of it, O(rows) per resample,
/// in parallel.
///
/// ```
/// use galen::evaluation::{evaluate_sealed, groups_of, score_with};
/// use galen::prelude::*;
/// use galen::report::{ReportOptions, risk_report};
///
/// # fn main() -> galen::Result<()> {
/// let people = galen::simulate::readmissions(2_000, 7);
/// let cohort = Cohort::new(people.matrix, people.target);
/// let (train, test) = Split::holdout(0.4, 1).apply(&cohort)?;
/// let model = LogisticRegression::params().fit(&train)?;
///
/// let options = ReportOptions::default()
///     .title("Readmission within 30 days")
///     .comparator(score_with(&test, "Earlier visits alone", "prior_visits")?)
///     .subgroup("sex", groups_of(&test, "sex")?);
/// # let options = ReportOptions { bootstrap: None, ..options };
/// let card = risk_report(&model, &evaluate_sealed(&test, &model)?, &options)?;
/// assert!(card.to_text().contains("Earlier visits alone"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`ErrorKind::TargetKind`] when the scores are not probabilities; [`ErrorKind::LengthMismatch`]
/// for a comparator or groups of other rows; as [`evaluate_risk`] and [`bootstrap_binary`].
pub fn risk_report(
    model: &impl Summary,
    scored: &ScoredTest,
    options: &ReportOptions,
) -> Result<ModelCard> {
    if !scored.is_probability {
        return Err(ErrorKind::TargetKind {
            what: "risk_report",
            expected: "predicted probabilities".into(),
            found: "a score on a scale of its own".into(),
        }
        .into());
    }
    let truth = scored.truth.to_vec();
    let risk = scored.risk.to_vec();
    let weights = scored.weights.as_ref().map(|weights| weights.to_vec());
    let weights = weights.as_deref();
    let found = evaluate_risk(&truth, &risk, weights, &options.risk)?;
    let patients = scored.patients.as_ref().map(|patients| patients.to_vec());
    let threshold = options.risk.threshold.unwrap_or(found.event_rate);
    let resampled = options
        .bootstrap
        .map(|settings| {
            let patients = patients.as_deref();
            bootstrap_binary(&truth, &risk, weights, patients, threshold, settings)
        })
        .transpose()?;
    let min_count = options.min_count;
    let name = match scored.relation {
        Some(crate::estimator::Relation::External) => "external rows",
        _ => "test side",
    };
    let performance =
        Performance::new(name, scored.relation, &found, resampled.as_ref(), min_count);
    let title = options.title.clone();
    let mut card = ModelCard::new(title.unwrap_or_else(|| model.header().estimator.clone()))
        .min_count(min_count)
        .split(&scored.split)
        .model(model)
        .performance(performance.with_risks(&risk, min_count))
        .alerts(alerts(&truth, &risk, weights, options)?)
        .know(|facts| facts.patient_keys = Some(scored.patients.is_some()));
    for other in &options.comparators {
        if other.truth != scored.truth {
            return Err(ErrorKind::LengthMismatch {
                what: "comparator on the same rows",
                expected: truth.len(),
                found: other.truth.len(),
            }
            .into());
        }
        let test = auroc_paired(
            &truth,
            &risk,
            &other.risk.to_vec(),
            weights,
            options.risk.level,
        )?;
        card = card.compared_with(other.name.clone(), test);
    }
    let bounds = SubgroupOptions {
        level: options.risk.level,
        min_rows: min_count as usize,
        min_class: min_count as usize,
    };
    for (by, groups) in &options.subgroups {
        let groups: Vec<&str> = groups
            .iter()
            .map(|g| g.as_deref().unwrap_or("missing"))
            .collect();
        card = card.subgroups(
            by.clone(),
            subgroups(&truth, &risk, weights, &groups, bounds)?,
        );
    }
    Ok(card)
}

/// Rates among the rows with the highest risks, and at the operating threshold where there is one.
/// Fractions that ties make impossible are left out.
fn alerts(
    truth: &[bool],
    risk: &[f64],
    weights: Option<&[f64]>,
    options: &ReportOptions,
) -> Result<Vec<AlertLine>> {
    let mut reports = Vec::new();
    let mut add = |name: String, threshold: f64| -> Result<()> {
        if threshold > 0.0 && threshold < 1.0 {
            reports.push((
                name,
                threshold_report(truth, risk, threshold, weights, options.risk.level)?,
            ));
        }
        Ok(())
    };
    for fraction in &options.fractions {
        match threshold_for_fraction(risk, weights, *fraction) {
            Ok(found) => add(format!("highest {} %", percent(*fraction)), found.threshold)?,
            Err(error) if matches!(error.kind(), ErrorKind::Undefined { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if let Some(threshold) = options.risk.threshold {
        add("operating threshold".into(), threshold)?;
    }
    Ok(AlertLine::of(reports, options.min_count))
}

/// A share in per cent without needless decimals.
fn percent(share: f64) -> String {
    let text = format!("{:.2}", 100.0 * share);
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}
