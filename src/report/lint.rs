//! Questionable practice, found in the facts that a model card knows.
//!
//! The rules follow PROBAST+AI (Moons et al., BMJ 388, 2025, doi 10.1136/bmj-2024-082505) and the
//! sources named at each. A finding is a reason to look, not a verdict.

use serde::{Deserialize, Serialize};

use crate::estimator::Relation;

/// Fewer events per parameter than this make an unpenalised model unstable (Peduzzi et al., J.
/// Clin. Epidemiol. 49, 1996, doi 10.1016/S0895-4356(96)00236-3).
const EVENTS_PER_PARAMETER: f64 = 10.0;
/// Expected shrinkage below this asks for more rows or a penalty (Riley et al., Stat. Med. 38,
/// 2019, doi 10.1002/sim.7992).
const SHRINKAGE: f64 = 0.9;
/// Calibration slopes outside are worth a recalibration.
const SLOPES: [f64; 2] = [0.8, 1.25];
/// Clinical outcomes are seldom told apart better; more often a predictor knows the outcome.
const SUSPICIOUS_AUROC: f64 = 0.95;
/// More than this share missing leaves a predictor mostly invented.
const MISSING: f64 = 0.5;
/// With fewer or more events, accuracy is that of a constant guess.
const BALANCED: [f64; 2] = [0.2, 0.8];
/// Difference of AUROC between groups that is worth a sentence, where intervals do not overlap.
const AUROC_GAP: f64 = 0.05;
/// Observed over expected events outside, with an interval that excludes 1.
const RATIOS: [f64; 2] = [0.8, 1.25];

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// Worth saying.
    Note,
    /// Limits what may be concluded.
    Caution,
    /// The numbers may be wrong.
    Serious,
}

impl Severity {
    /// The word as printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Caution => "caution",
            Self::Serious => "serious",
        }
    }
}

/// Something questionable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// Name of the rule, for example `few-events-per-parameter`; stable between versions.
    pub id: String,
    /// How much it weighs.
    pub severity: Severity,
    /// What was found and why it matters.
    pub why: String,
    /// What to do.
    pub advice: String,
}

/// What the rules know of a model; unknown facts raise nothing.
///
/// Model cards fill it from what they are given; the fields that no number shows are for the user.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Facts {
    /// Training rows.
    pub n_rows: Option<u64>,
    /// Training rows with the event.
    pub n_events: Option<u64>,
    /// Estimated parameters without the intercept.
    pub n_parameters: Option<u64>,
    /// Whether the fit was penalised.
    pub penalised: Option<bool>,
    /// Likelihood-ratio statistic of the model against the intercept alone.
    pub likelihood_ratio: Option<f64>,
    /// Whether the fit converged.
    pub converged: Option<bool>,
    /// Whether classes were separated.
    pub separated: bool,
    /// Whether columns were left out, or levels were unseen.
    pub dropped_columns: bool,
    /// Whether classes were weighted.
    pub class_weights: bool,
    /// Whether rows were over- or undersampled by class.
    pub resampled: bool,
    /// Whether probabilities were recalibrated on untouched rows afterwards.
    pub recalibrated: bool,
    /// Whether the rows have patient keys.
    pub patient_keys: Option<bool>,
    /// Whether settings were chosen by looking at the test side.
    pub tuned_on_test: bool,
    /// Whether the outcomes of the test side were laid open.
    pub test_opened: bool,
    /// How many models or versions were evaluated on the test side.
    pub test_evaluations: u32,
    /// Predictors that are recorded after the index time.
    pub after_index: Vec<String>,
    /// Features with the share of rows without a value.
    pub missing: Vec<(String, f64)>,
    /// Evaluations of the model.
    pub evaluations: Vec<EvaluationFacts>,
    /// The number that is put first, for example `AUROC`.
    pub headline: Option<String>,
    /// Groups that were audited; `None` where none were.
    pub groups: Option<Vec<GroupFacts>>,
}

/// One evaluation as the rules see it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct EvaluationFacts {
    /// On which rows.
    pub name: String,
    /// How the model stands to them.
    pub relation: Option<Relation>,
    /// Share of events.
    pub event_rate: Option<f64>,
    /// Area under the ROC curve.
    pub auroc: Option<f64>,
    /// Calibration slope.
    pub slope: Option<f64>,
}

/// One group of an audit as the rules see it: estimate, lower and upper end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct GroupFacts {
    /// What the groups go by.
    pub by: String,
    /// Which group.
    pub group: String,
    /// Area under the ROC curve.
    pub auroc: Option<[f64; 3]>,
    /// Observed over expected events.
    pub observed_over_expected: Option<[f64; 3]>,
}

/// All findings, the weightiest first.
///
/// ```
/// use galen::report::{Facts, lint};
///
/// let mut facts = Facts::default();
/// facts.n_events = Some(60);
/// facts.n_parameters = Some(12);
/// facts.penalised = Some(false);
/// let ids: Vec<String> = lint(&facts).into_iter().map(|finding| finding.id).collect();
/// assert_eq!(ids, ["few-events-per-parameter"]);
/// ```
pub fn lint(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    validity(facts, &mut found);
    fitting(facts, &mut found);
    evaluation(facts, &mut found);
    groups(facts, &mut found);
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

fn add(found: &mut Vec<Finding>, severity: Severity, id: &str, why: String, advice: &str) {
    found.push(Finding {
        id: id.to_string(),
        severity,
        why,
        advice: advice.to_string(),
    });
}

/// Who was seen when.
fn validity(facts: &Facts, found: &mut Vec<Finding>) {
    if facts.tuned_on_test {
        let why =
            "Settings were chosen by looking at the test side, so its numbers are optimistic.";
        let advice =
            "Choose settings by cross-validation on the training side; evaluate on new rows.";
        add(
            found,
            Severity::Serious,
            "tuned-on-test",
            why.into(),
            advice,
        );
    }
    if facts.test_opened {
        let why =
            "The outcomes of the test side were laid open, so nothing keeps them out of a fit.";
        let advice = "Evaluate the final model on rows that nobody has seen.";
        add(found, Severity::Caution, "test-opened", why.into(), advice);
    }
    if facts.test_evaluations > 1 {
        let why = format!(
            "{} models or versions were evaluated on the same test side; the best of several looks \
             better than it is.",
            facts.test_evaluations
        );
        let advice = "Say how the reported model was chosen, or evaluate it on new rows.";
        add(found, Severity::Caution, "test-reused", why, advice);
    }
    if facts.patient_keys == Some(false) {
        let why =
            "Rows have no patient keys: rows of one patient may stand on both sides of the split.";
        let advice = "Add patient keys, or show that every patient has one row.";
        add(
            found,
            Severity::Serious,
            "no-patient-keys",
            why.into(),
            advice,
        );
    }
    if !facts.after_index.is_empty() {
        let why = format!(
            "Recorded after the index time, hence unknown when the risk is needed: {}.",
            facts.after_index.join(", ")
        );
        let advice = "Leave these predictors out and fit again.";
        add(
            found,
            Severity::Serious,
            "predictor-after-index",
            why,
            advice,
        );
    }
    let heavy: Vec<String> = facts
        .missing
        .iter()
        .filter(|(_, share)| *share > MISSING)
        .map(|(name, share)| format!("{name} ({:.0} %)", 100.0 * share))
        .collect();
    if !heavy.is_empty() {
        let why = format!(
            "More than half of the rows have no value: {}.",
            heavy.join(", ")
        );
        let advice = "Ask why it is missing and whether it will be missing in use; compare with a \
                      model without it.";
        add(found, Severity::Caution, "mostly-missing", why, advice);
    }
}

/// How the model was fitted.
fn fitting(facts: &Facts, found: &mut Vec<Finding>) {
    let unpenalised = facts.penalised == Some(false);
    if let (Some(events), Some(parameters), true) =
        (facts.n_events, facts.n_parameters, unpenalised)
    {
        let rarer = facts
            .n_rows
            .map_or(events, |rows| events.min(rows.saturating_sub(events)));
        let ratio = rarer as f64 / parameters as f64;
        if parameters > 0 && ratio < EVENTS_PER_PARAMETER {
            let why = format!(
                "{ratio:.1} rows of the rarer class per parameter in a model without penalty: \
                 coefficients are unstable and risks too extreme."
            );
            let advice = "Use fewer predictors or a penalty, and report performance corrected for \
                          optimism.";
            add(
                found,
                Severity::Serious,
                "few-events-per-parameter",
                why,
                advice,
            );
        }
    }
    if let (Some(statistic), Some(parameters), true) =
        (facts.likelihood_ratio, facts.n_parameters, unpenalised)
    {
        let shrinkage = 1.0 - parameters as f64 / statistic;
        if parameters > 0 && (statistic <= 0.0 || shrinkage < SHRINKAGE) {
            let why = format!(
                "Expected shrinkage is {:.2} (1 - parameters / likelihood-ratio statistic), below \
                 {SHRINKAGE}: in new patients risks will be too extreme.",
                if statistic > 0.0 {
                    shrinkage.max(0.0)
                } else {
                    0.0
                }
            );
            let advice = "Collect more events, drop weak predictors, or fit with a penalty.";
            add(found, Severity::Caution, "expected-shrinkage", why, advice);
        }
    }
    if facts.separated {
        let why =
            "Some predictors tell the classes apart without error: their estimates are not finite.";
        let advice = "Look for a leak of the outcome first; then fit with a small penalty.";
        add(found, Severity::Serious, "separated", why.into(), advice);
    }
    if facts.converged == Some(false) {
        let why = "The fit did not converge: coefficients and risks are not those of the method.";
        let advice = "Raise max_iterations, rescale the columns, or add a small penalty.";
        add(
            found,
            Severity::Serious,
            "not-converged",
            why.into(),
            advice,
        );
    }
    if facts.dropped_columns {
        let why =
            "Columns were left out of the fit, or levels were met that training had not seen.";
        let advice = "See the warnings; say in the report which and why.";
        add(found, Severity::Note, "dropped-columns", why.into(), advice);
    }
    if (facts.resampled || facts.class_weights) && !facts.recalibrated {
        let how = if facts.resampled {
            "resampling"
        } else {
            "weighting"
        };
        let why = format!(
            "Probabilities after {how} by class are not risks: they are too high for the rarer class \
             (van den Goorbergh et al., 2022, doi 10.1093/jamia/ocac093)."
        );
        let advice =
            "Fit without it and move the threshold instead, or recalibrate on untouched rows.";
        add(
            found,
            Severity::Serious,
            "unbalanced-probabilities",
            why,
            advice,
        );
    }
}

/// What the numbers say.
fn evaluation(facts: &Facts, found: &mut Vec<Finding>) {
    let external = |e: &EvaluationFacts| e.relation == Some(Relation::External);
    if !facts.evaluations.is_empty() && !facts.evaluations.iter().any(external) {
        let why =
            "There is no external validation: nothing is known of other places and later times.";
        let advice = "Evaluate unchanged on rows of another site or a later period before use.";
        add(
            found,
            Severity::Note,
            "no-external-validation",
            why.into(),
            advice,
        );
    }
    for evaluation in &facts.evaluations {
        let name = &evaluation.name;
        if let Some(slope) = evaluation
            .slope
            .filter(|s| *s < SLOPES[0] || *s > SLOPES[1])
        {
            let how = if slope < 1.0 {
                "too extreme"
            } else {
                "too timid"
            };
            let why = format!("{name}: calibration slope {slope:.2}; risks are {how}.");
            let advice =
                "Recalibrate on rows apart from the test side, or fit with another penalty.";
            add(found, Severity::Caution, "calibration-slope", why, advice);
        }
        if let Some(auroc) = evaluation.auroc.filter(|a| *a > SUSPICIOUS_AUROC) {
            let why =
                format!("{name}: AUROC {auroc:.3} is higher than clinical outcomes usually allow.");
            let advice = "Check every predictor for knowledge of the outcome, and the split for \
                          patients on both sides.";
            add(found, Severity::Serious, "suspicious-auroc", why, advice);
        }
        if evaluation.relation == Some(Relation::Unverified) {
            let why = format!("{name}: nothing shows that the model has not seen these rows.");
            let advice = "Fit on a patient-feature matrix, whose origin goes into the model.";
            add(found, Severity::Caution, "unverified-rows", why, advice);
        }
    }
    let accuracy = facts
        .headline
        .as_ref()
        .is_some_and(|name| name.to_lowercase().contains("accuracy"));
    let rates = facts.evaluations.iter().filter_map(|e| e.event_rate);
    let unbalanced = |rate: f64| !(BALANCED[0]..=BALANCED[1]).contains(&rate);
    if let Some(rate) = rates.clone().find(|rate| accuracy && unbalanced(*rate)) {
        let why = format!(
            "Accuracy comes first although {:.0} % of rows are events: saying the same of every row \
             is right in {:.0} %.",
            100.0 * rate,
            100.0 * rate.max(1.0 - rate)
        );
        let advice = "Put discrimination, calibration and net benefit first.";
        add(
            found,
            Severity::Caution,
            "accuracy-under-imbalance",
            why,
            advice,
        );
    }
}

/// Whom it serves less well.
fn groups(facts: &Facts, found: &mut Vec<Finding>) {
    let Some(groups) = &facts.groups else {
        return;
    };
    let mut done: Vec<&str> = Vec::new();
    for by in groups.iter().map(|group| group.by.as_str()) {
        if done.contains(&by) {
            continue;
        }
        done.push(by);
        let of = || groups.iter().filter(|group| group.by == by);
        let areas = || of().filter_map(|group| group.auroc.map(|auroc| (group, auroc)));
        let best = areas().max_by(|a, b| a.1[0].total_cmp(&b.1[0]));
        for (group, auroc) in areas() {
            if let Some((top, high)) = best
                && high[0] - auroc[0] > AUROC_GAP
                && auroc[2] < high[1]
            {
                let why = format!(
                    "{by}: AUROC {:.2} in {} against {:.2} in {}.",
                    auroc[0], group.group, high[0], top.group
                );
                let advice = "Look for missing predictors and errors of measurement in that group.";
                add(
                    found,
                    Severity::Caution,
                    "subgroup-discrimination",
                    why,
                    advice,
                );
            }
        }
        for group in of() {
            if let Some([value, lower, upper]) = group.observed_over_expected
                && !(RATIOS[0]..=RATIOS[1]).contains(&value)
                && (lower > 1.0 || upper < 1.0)
            {
                let how = if value > 1.0 {
                    "underestimated"
                } else {
                    "overestimated"
                };
                let why = format!(
                    "{by}: risk is {how} in {} (observed over expected {value:.2}).",
                    group.group
                );
                let advice = "Recalibrate for this group or add what sets it apart; do not use one \
                              threshold for all until then.";
                add(
                    found,
                    Severity::Caution,
                    "subgroup-calibration",
                    why,
                    advice,
                );
            }
        }
    }
}

#[cfg(test)]
#[path = "lint_tests.rs"]
mod tests;
