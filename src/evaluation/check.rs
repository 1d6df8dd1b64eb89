//! Refusals shared by all metrics: lengths, NaN, probabilities, weights, classes, levels.

use crate::error::{ErrorKind, Result};
use crate::estimator::input::check_row_weights;

/// Refuses another length than that of the truth.
pub(crate) fn length(what: &'static str, expected: usize, found: usize) -> Result<()> {
    if expected == found {
        Ok(())
    } else {
        Err(ErrorKind::LengthMismatch {
            what,
            expected,
            found,
        }
        .into())
    }
}

/// Refuses NaN and infinities.
pub(crate) fn finite(what: &'static str, values: &[f64]) -> Result<()> {
    // One branch-free pass decides; the row is looked for only when there is one to name.
    let bad = values
        .iter()
        .fold(false, |bad, value| bad | !value.is_finite());
    if !bad {
        return Ok(());
    }
    Err(ErrorKind::NonFinite {
        what,
        row: values.iter().position(|value| !value.is_finite()),
        column: None,
        rule: "finite numbers",
    }
    .into())
}

/// Refuses what is not a probability.
pub(crate) fn probabilities(what: &'static str, values: &[f64]) -> Result<()> {
    finite(what, values)?;
    match values.iter().position(|value| !(0.0..=1.0).contains(value)) {
        None => Ok(()),
        Some(row) => Err(ErrorKind::OutOfRange {
            what,
            row: Some(row),
            column: None,
            rule: "probabilities between 0 and 1",
        }
        .into()),
    }
}

/// Refuses values that break `rule`.
pub(crate) fn each(
    what: &'static str,
    values: &[f64],
    rule: &'static str,
    holds: impl Fn(f64) -> bool,
) -> Result<()> {
    finite(what, values)?;
    match values.iter().position(|value| !holds(*value)) {
        None => Ok(()),
        Some(row) => Err(ErrorKind::OutOfRange {
            what,
            row: Some(row),
            column: None,
            rule,
        }
        .into()),
    }
}

/// Refuses what a fit refuses: weights of another length, negative or non-finite ones, and weights
/// that are all zero.
pub(crate) fn weights(what: &'static str, rows: usize, weights: Option<&[f64]>) -> Result<()> {
    match weights {
        None => Ok(()),
        Some(weights) => check_row_weights(what, rows, weights),
    }
}

/// Refuses fewer rows than `required`.
pub(crate) fn rows(what: &'static str, required: usize, found: usize) -> Result<()> {
    if found < required {
        return Err(ErrorKind::TooFewRows {
            what,
            required,
            found,
        }
        .into());
    }
    Ok(())
}

/// Truth, scores and weights of a ranking metric.
pub(crate) fn ranking(
    what: &'static str,
    truth: &[bool],
    score: &[f64],
    weight: Option<&[f64]>,
) -> Result<()> {
    rows(what, 1, truth.len())?;
    length(what, truth.len(), score.len())?;
    finite(what, score)?;
    weights(what, truth.len(), weight)
}

/// Truth, probabilities and weights of a probability metric.
pub(crate) fn risk(
    what: &'static str,
    truth: &[bool],
    risk: &[f64],
    weight: Option<&[f64]>,
) -> Result<()> {
    rows(what, 1, truth.len())?;
    length(what, truth.len(), risk.len())?;
    probabilities(what, risk)?;
    weights(what, truth.len(), weight)
}

/// Refuses a truth whose events or non-events have no weight; returns both weights.
pub(crate) fn both_classes(
    what: &'static str,
    truth: &[bool],
    weights: Option<&[f64]>,
) -> Result<(f64, f64)> {
    let (events, nonevents) = class_weights(truth, weights);
    if events > 0.0 && nonevents > 0.0 {
        Ok((events, nonevents))
    } else {
        Err(ErrorKind::SingleClass { what }.into())
    }
}

/// Weight of the events and of the non-events.
pub(crate) fn class_weights(truth: &[bool], weights: Option<&[f64]>) -> (f64, f64) {
    match weights {
        None => {
            let events = truth.iter().filter(|event| **event).count();
            (events as f64, (truth.len() - events) as f64)
        }
        Some(weights) => {
            let of = |class: bool| {
                crate::numeric::stable::sum(
                    truth
                        .iter()
                        .zip(weights)
                        .filter(|(event, _)| **event == class)
                        .map(|(_, weight)| *weight),
                )
            };
            (of(true), of(false))
        }
    }
}

/// Refuses a confidence level outside (0, 1).
pub(crate) fn level(estimator: &'static str, level: f64) -> Result<()> {
    if level > 0.0 && level < 1.0 {
        return Ok(());
    }
    Err(parameter(
        estimator,
        "level",
        level,
        "above 0 and below 1, for example 0.95",
    ))
}

/// Refuses a risk threshold outside (0, 1).
pub(crate) fn threshold(estimator: &'static str, threshold: f64) -> Result<()> {
    if threshold > 0.0 && threshold < 1.0 {
        return Ok(());
    }
    Err(parameter(
        estimator,
        "threshold",
        threshold,
        "above 0 and below 1",
    ))
}

/// The error of a setting outside its range.
pub(crate) fn parameter(
    estimator: &'static str,
    name: &'static str,
    value: impl std::fmt::Display,
    rule: &'static str,
) -> crate::Error {
    ErrorKind::Parameter {
        estimator,
        name,
        value: value.to_string(),
        rule,
    }
    .into()
}

/// The error of a quantity without a value.
pub(crate) fn undefined(what: &'static str, reason: &'static str) -> crate::Error {
    ErrorKind::Undefined { what, reason }.into()
}

/// Weight of a row; 1 without weights.
#[inline]
pub(crate) fn weight_of(weights: Option<&[f64]>, row: usize) -> f64 {
    weights.map_or(1.0, |weights| weights[row])
}
