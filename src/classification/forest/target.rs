//! The classes that a forest sees.

use super::params::{NAME, RandomForestValidParams};
use crate::classification::boosting::target::Outcome;
use crate::classification::trees::classes::{classes_present, event_among};
use crate::error::Result;
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

impl<L: ClassLabel> Classes<L> {
    /// Reads the classes of a target, of which `known` lists all labels in sorted order.
    pub(super) fn new(
        params: &RandomForestValidParams,
        known: Vec<L>,
        codes: Vec<u32>,
        weights: Option<&[f64]>,
    ) -> Result<Self> {
        let classes = classes_present(NAME, &known, &codes, weights)?;
        let event = event_among(NAME, params.event.as_deref(), params.weighting(), &classes)?;
        let (modelled, event_named) = (
            event.unwrap_or(usize::from(classes.len() == 2)),
            event.is_some(),
        );
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
