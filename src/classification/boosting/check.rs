//! What must hold of the data of a model, wherever they come from.

use super::model::Wire;
use super::params::NAME;
use crate::classification::trees::check::{Claims, asks_in_kind, refuse};
use crate::error::Result;
use crate::estimator::ClassLabel;

impl<L: ClassLabel> Wire<L> {
    pub(super) fn check_all(&self) -> Result<()> {
        Claims {
            name: NAME,
            header: &self.header,
            settings: self.params.check_all(),
            seed: self.params.seed,
            binner: &self.binner,
            classes: &self.classes,
            event: self.event_named.then_some(self.modelled as usize),
            constant: &self.constant,
        }
        .check()?;
        let two = self.classes.len() == 2;
        if self.modelled > u32::from(two) {
            return refuse(NAME, "the modelled class is not one of two");
        }
        if self.base.len() != if two { 1 } else { self.classes.len() } {
            return refuse(
                NAME,
                "one raw score for two classes, else one for every class expected",
            );
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
            return refuse(NAME, "a finite loss for every iteration expected");
        }
        Ok(())
    }

    fn check_trees(&self) -> Result<()> {
        if !self.trees.len().is_multiple_of(self.base.len()) {
            return refuse(NAME, "a tree for every output expected");
        }
        let schema = &self.binner.schema;
        // No row's score is larger than these sums, hence every score is finite.
        let mut reach: f64 = self.base.iter().map(|base| base.abs()).sum();
        let mut gain = 0.0;
        for tree in &self.trees {
            tree.check(schema.len())?;
            if tree.n_outputs != 1 {
                return refuse(NAME, "trees of one value expected");
            }
            for node in tree.nodes.iter().filter(|node| !node.is_leaf()) {
                if !asks_in_kind(node, schema) {
                    return refuse(NAME, "a cut of another kind than its feature");
                }
                gain += node.gain.abs();
            }
            reach += tree.values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        }
        if !reach.is_finite() || !gain.is_finite() {
            return refuse(NAME, "values so large that their sums are not finite");
        }
        Ok(())
    }
}
