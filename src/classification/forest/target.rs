//! The classes that a forest sees.

use super::params::{NAME, RandomForestValidParams};
use crate::classification::boosting::target::{Outcome, present};
use crate::classification::logistic::ClassWeights;
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::ClassLabel;

/// Classes, class of every row by position, and the event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Classes<L> {
    /// In sorted order.
    pub(super) classes: Vec<L>,
    /// Position of the class whose probability is modelled; 0 with three classes or more.
    pub(super) modelled: usize,
    pub(super) event_named: bool,
    /// Position of the class of every row, 0 where the row is absent.
    pub(super) codes: Vec<u32>,
}

fn target_kind(expected: &str, found: &str) -> Error {
    ErrorKind::TargetKind {
        what: NAME,
        expected: expected.into(),
        found: found.into(),
    }
    .into()
}

impl<L: ClassLabel> Classes<L> {
    /// Reads the classes of a target, of which `known` lists all labels in sorted order.
    pub(super) fn new(
        params: &RandomForestValidParams,
        known: Vec<L>,
        codes: Vec<u32>,
        weights: Option<&[f64]>,
    ) -> Result<Self> {
        let mut seen = vec![false; known.len()];
        for (row, code) in codes.iter().enumerate() {
            seen[*code as usize] |= present(weights, row);
        }
        let pairs = known.iter().zip(&seen).filter(|(_, seen)| **seen);
        let classes: Vec<L> = pairs.map(|(class, _)| class.clone()).collect();
        if classes.len() < 2 {
            return Err(ErrorKind::SingleClass { what: NAME }.into());
        }
        let (modelled, event_named) = event(params, &classes)?;
        // With the last of two classes as number 1, numbers are positions.
        let outcome = Outcome::of_classes(classes, 1, event_named, known, codes, weights)?;
        Ok(Self {
            classes: outcome.classes,
            modelled,
            event_named,
            codes: outcome.codes,
        })
    }
}

/// Position of the modelled class, and whether it is a named event.
fn event<L: ClassLabel>(params: &RandomForestValidParams, classes: &[L]) -> Result<(usize, bool)> {
    if classes.len() > 2 {
        if params.event.is_some() {
            return Err(target_kind(
                "two classes, as an event is named",
                "more than two",
            ));
        }
        if matches!(params.class_weights, ClassWeights::Given(..)) {
            return Err(target_kind(
                "two classes, as weights of two are given",
                "more than two",
            ));
        }
        return Ok((0, false));
    }
    match &params.event {
        Some(event) => match classes.iter().position(|class| class.text() == *event) {
            Some(position) => Ok((position, true)),
            None => Err(target_kind(
                "the named event among the classes",
                "other classes",
            )),
        },
        None => Ok((1, L::natural_event().as_ref() == Some(&classes[1]))),
    }
}
