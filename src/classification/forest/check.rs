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
        if self.trees.len() != self.params.n_trees {
            return refuse("as many trees as the settings say expected");
        }
        self.check_trees()?;
        let is_feature = |name: &String| schema.position(name).is_some();
        if !self.constant.iter().all(is_feature) {
            return refuse("a constant feature is not among the features");
        }
        Ok(())
    }

    fn check_trees(&self) -> Result<()> {
        let refuse = |what: &str| Err(ErrorKind::Saved(format!("{NAME}: {what}")).into());
        let features = self.binner.schema.features();
        let n_classes = self.classes.len();
        let mut gain = 0.0;
        for tree in &self.trees {
            tree.check(features.len())?;
            if tree.n_outputs as usize != n_classes {
                return refuse("trees of a share for every class expected");
            }
            for node in tree.nodes.iter().filter(|node| !node.is_leaf()) {
                let by_levels = node.set != NO_SET;
                let feature = features.get(node.feature as usize);
                if feature.is_none_or(|f| f.kind().is_categorical() != by_levels) {
                    return refuse("a cut of another kind than its feature");
                }
                gain += node.gain.abs();
            }
            for shares in tree.values.chunks(n_classes) {
                let within = shares.iter().all(|share| (0.0..=1.0).contains(share));
                let sum: f64 = shares.iter().sum();
                if !within || (sum - 1.0).abs() > 1e-9 {
                    return refuse("shares of classes that add up to one expected");
                }
            }
        }
        if !f64::is_finite(gain) {
            return refuse("gains so large that their sum is not finite");
        }
        Ok(())
    }
}
