//! What must hold of the data of any model of trees.

use crate::design::binned::Binner;
use crate::error::{ErrorKind, Result};
use crate::estimator::{ClassLabel, ModelHeader, Schema};
use crate::kernel::tree::flat::{NO_SET, Node};

/// What a model says of itself in two places or more.
#[derive(Debug)]
pub(in crate::classification) struct Claims<'a, L> {
    pub(in crate::classification) name: &'static str,
    pub(in crate::classification) header: &'a ModelHeader,
    /// Whether the settings keep their rules, and their seed.
    pub(in crate::classification) settings: Result<()>,
    pub(in crate::classification) seed: u64,
    pub(in crate::classification) binner: &'a Binner,
    pub(in crate::classification) classes: &'a [L],
    /// Position in `classes` of the named event.
    pub(in crate::classification) event: Option<usize>,
    pub(in crate::classification) constant: &'a [String],
}

/// A refusal of saved data.
///
/// # Errors
/// Always, [`ErrorKind::Saved`].
pub(in crate::classification) fn refuse(name: &str, what: &str) -> Result<()> {
    Err(ErrorKind::Saved(format!("{name}: {what}")).into())
}

impl<L: ClassLabel> Claims<'_, L> {
    /// # Errors
    /// [`ErrorKind::Saved`] where two places contradict each other.
    pub(in crate::classification) fn check(self) -> Result<()> {
        let refuse = |what: &str| refuse(self.name, what);
        let header = self.header;
        if header.estimator != self.name {
            return refuse("another estimator in the header");
        }
        if let Err(error) = self.settings {
            return refuse(&error.to_string());
        }
        self.binner.check()?;
        let schema = &self.binner.schema;
        if header.schema != *schema || schema.is_empty() {
            return refuse("header and bins have different features, or none");
        }
        let sorted = self.classes.windows(2).all(|pair| pair[0] < pair[1]);
        if self.classes.len() < 2 || !sorted {
            return refuse("two classes or more in sorted order expected");
        }
        let of_two = |event: usize| event < 2 && self.classes.len() == 2;
        if self.event.is_some_and(|event| !of_two(event)) {
            return refuse("the event is not one of two classes");
        }
        let texts: Vec<String> = self.classes.iter().map(ClassLabel::text).collect();
        if texts != header.classes || header.positional != self.binner.positional {
            return refuse("header and model disagree");
        }
        if header.event.as_ref() != self.event.and_then(|event| texts.get(event))
            || header.n_events.is_some() != self.event.is_some()
            || header.seed != self.seed
        {
            return refuse("header and model name different events or seeds");
        }
        let is_feature = |name: &String| schema.position(name).is_some();
        if !self.constant.iter().all(is_feature) {
            return refuse("a constant feature is not among the features");
        }
        Ok(())
    }
}

/// Whether an inner node asks a number for its size and a category for its levels.
pub(in crate::classification) fn asks_in_kind(node: &Node, schema: &Schema) -> bool {
    let feature = schema.features().get(node.feature as usize);
    feature.is_some_and(|feature| feature.kind().is_categorical() == (node.set != NO_SET))
}

/// Whether these are shares of all classes.
pub(in crate::classification) fn are_shares(shares: &[f64]) -> bool {
    let sum: f64 = shares.iter().sum();
    let within = shares.iter().all(|share| (0.0..=1.0).contains(share));
    within && (sum - 1.0).abs() <= 1e-9
}
