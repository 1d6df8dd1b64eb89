//! What must hold of the data of a model, wherever they come from.

use super::model::Wire;
use super::params::NAME;
use crate::classification::trees::check::{self, Claims, are_shares, asks_in_kind};
use crate::design::binned::Bins;
use crate::error::Result;
use crate::estimator::ClassLabel;

fn refuse(what: &str) -> Result<()> {
    check::refuse(NAME, what)
}

impl<L: ClassLabel> Wire<L> {
    pub(super) fn check_all(&self) -> Result<()> {
        Claims {
            name: NAME,
            header: &self.header,
            settings: self.params.check_all(),
            seed: self.params.seed,
            binner: &self.binner,
            classes: &self.classes,
            event: self.event.map(|event| event as usize),
            constant: &self.constant,
        }
        .check()?;
        self.check_tree()?;
        self.check_surrogates()?;
        self.check_path()
    }

    fn check_tree(&self) -> Result<()> {
        let tree = &self.tree;
        let schema = &self.binner.schema;
        tree.check(schema.len())?;
        if tree.n_outputs as usize != self.classes.len() {
            return refuse("a share for every class expected");
        }
        if tree.depth() > self.params.max_depth || tree.n_leaves() > self.params.max_leaves {
            return refuse("a tree beyond its own limits");
        }
        let shares = tree.values.chunks(self.classes.len());
        for (shares, node) in shares.zip(&tree.nodes) {
            if !are_shares(shares) {
                return refuse("shares of classes that are none");
            }
            if node.rows == 0 || node.cover <= 0.0 || node.gain < 0.0 {
                return refuse("a node without rows, or a cut that makes it worse");
            }
            if node.is_leaf() {
                continue;
            }
            if !asks_in_kind(node, schema) {
                return refuse("a cut of another kind than its feature");
            }
            let below = [node.left, node.right].map(|child| tree.nodes[child as usize].rows);
            if below[0].checked_add(below[1]) != Some(node.rows) {
                return refuse("a node whose children have other rows");
            }
        }
        let gains: f64 = tree.nodes.iter().map(|node| node.gain).sum();
        if !gains.is_finite() || tree.nodes[0].rows != self.header.n_rows {
            return refuse("rows or gains that do not add up");
        }
        Ok(())
    }

    fn check_surrogates(&self) -> Result<()> {
        if self.surrogates.len() != self.tree.nodes.len() {
            return refuse("a list of surrogates for every node expected");
        }
        for (list, node) in self.surrogates.iter().zip(&self.tree.nodes) {
            if node.is_leaf() && !list.is_empty() {
                return refuse("surrogates of a leaf");
            }
            for other in list {
                let bins = self.binner.bins.get(other.feature as usize);
                let same_kind = match bins {
                    Some(Bins::Number(_)) => other.set.is_none(),
                    Some(Bins::Levels { .. }) => other.set.is_some(),
                    None => false,
                };
                let share = |value: f64| (0.0..=1.0).contains(&value);
                if !same_kind || other.feature == node.feature || !other.threshold.is_finite() {
                    return refuse("a surrogate that asks for no other feature in its own way");
                }
                if !share(other.agreement) || !share(other.adjusted) {
                    return refuse("an agreement outside 0 to 1");
                }
            }
        }
        Ok(())
    }

    fn check_path(&self) -> Result<()> {
        let path = &self.path;
        let finite = |value: f64| value.is_finite() && value >= 0.0;
        let sound = path.iter().all(|step| {
            finite(step.strength)
                && finite(step.cost)
                && step.validation.is_none_or(finite)
                && step.standard_error.is_none_or(finite)
        });
        let nested = path
            .windows(2)
            .all(|pair| pair[0].strength < pair[1].strength && pair[0].leaves > pair[1].leaves);
        let ends = path.last().is_some_and(|step| step.leaves == 1)
            && path
                .first()
                .is_some_and(|step| step.strength == 0.0 && step.leaves <= self.grown_leaves);
        if !sound || !nested || !ends {
            return refuse("a pruning path that does not go from the grown tree to the root");
        }
        let leaves = match self.chosen {
            None => Some(self.grown_leaves),
            Some(at) => usize::try_from(at)
                .ok()
                .and_then(|at| path.get(at))
                .map(|step| step.leaves),
        };
        if leaves != Some(self.tree.n_leaves() as u64) {
            return refuse("a tree that is not the chosen step of its pruning path");
        }
        Ok(())
    }
}
