//! What must hold of the data of a model, wherever they come from.

use super::model::Wire;
use super::params::NAME;
use crate::error::{ErrorKind, Result};
use crate::estimator::ClassLabel;
use crate::kernel::tree::flat::NO_SET;

impl<L: ClassLabel> Wire<L> {
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |what: &str| Err(ErrorKind::Saved(format!("{NAME}: {what}")).into());
        let header = &self.header;
        if header.estimator != NAME {
            return refuse("another estimator in the header");
        }
        if let Err(error) = self.params.check_all() {
            return refuse(&error.to_string());
        }
        self.binner.check()?;
        let schema = &self.binner.schema;
        if header.schema != *schema || schema.is_empty() {
            return refuse("header and bins have different features, or none");
        }
        let sorted = self.classes.windows(2).all(|pair| pair[0] < pair[1]);
        let n_classes = self.classes.len();
        if n_classes < 2 || !sorted {
            return refuse("two classes or more in sorted order expected");
        }
        let two = n_classes == 2;
        if self.modelled > u32::from(two) || (self.event_named && !two) {
            return refuse("the modelled class is not one of two");
        }
        let texts: Vec<String> = self.classes.iter().map(ClassLabel::text).collect();
        let event = || texts.get(self.modelled as usize).cloned();
        if texts != header.classes || header.positional != self.binner.positional {
            return refuse("header and model disagree");
        }
        if header.event != self.event_named.then(event).flatten()
            || header.n_events.is_some() != self.event_named
            || header.seed != self.params.seed
        {
            return refuse("header and model name different events or seeds");
        }
        if self.base.len() != if two { 1 } else { n_classes } {
            return refuse("one raw score for two classes, else one for every class expected");
        }
        self.check_trees()?;
        let n_iterations = self.trees.len() / self.base.len();
        let all_finite = self
            .train_loss
            .iter()
            .chain(&self.validation_loss)
            .all(|loss| loss.is_finite());
        if !all_finite
            || self.train_loss.len() < n_iterations
            || (!self.validation_loss.is_empty()
                && self.validation_loss.len() != self.train_loss.len())
        {
            return refuse("a finite loss for every iteration expected");
        }
        let is_feature = |name: &String| schema.position(name).is_some();
        if !self.constant.iter().all(is_feature) {
            return refuse("a constant feature is not among the features");
        }
        Ok(())
    }

    fn check_trees(&self) -> Result<()> {
        let refuse = |what: &str| Err(ErrorKind::Saved(format!("{NAME}: {what}")).into());
        if !self.trees.len().is_multiple_of(self.base.len()) {
            return refuse("a tree for every output expected");
        }
        let features = self.binner.schema.features();
        // No row's score is larger than these sums, hence every score is finite.
        let mut reach: f64 = self.base.iter().map(|base| base.abs()).sum();
        let mut gain = 0.0;
        for tree in &self.trees {
            tree.check(features.len())?;
            if tree.n_outputs != 1 {
                return refuse("trees of one value expected");
            }
            for node in tree.nodes.iter().filter(|node| !node.is_leaf()) {
                let by_levels = node.set != NO_SET;
                let feature = features.get(node.feature as usize);
                if feature.is_none_or(|f| f.kind().is_categorical() != by_levels) {
                    return refuse("a cut of another kind than its feature");
                }
                gain += node.gain.abs();
            }
            reach += tree.values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        }
        if !reach.is_finite() || !gain.is_finite() {
            return refuse("values so large that their sums are not finite");
        }
        Ok(())
    }
}
