//! What must hold of the data of a model, wherever they come from.

use super::model::Wire;
use super::params::NAME;
use crate::classification::trees::check::{Claims, are_shares, asks_in_kind, refuse};
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
        if self.trees.len() != self.params.n_trees {
            return refuse(NAME, "as many trees as the settings say expected");
        }
        self.check_trees()
    }

    fn check_trees(&self) -> Result<()> {
        let schema = &self.binner.schema;
        let n_classes = self.classes.len();
        let mut gain = 0.0;
        for tree in &self.trees {
            tree.check(schema.len())?;
            if tree.n_outputs as usize != n_classes {
                return refuse(NAME, "trees of a share for every class expected");
            }
            for node in tree.nodes.iter().filter(|node| !node.is_leaf()) {
                if !asks_in_kind(node, schema) {
                    return refuse(NAME, "a cut of another kind than its feature");
                }
                gain += node.gain.abs();
            }
            for shares in tree.values.chunks(n_classes) {
                if !are_shares(shares) {
                    return refuse(NAME, "shares of classes that add up to one expected");
                }
            }
        }
        if !f64::is_finite(gain) {
            return refuse(NAME, "gains so large that their sum is not finite");
        }
        Ok(())
    }
}
