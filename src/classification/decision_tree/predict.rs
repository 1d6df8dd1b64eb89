//! Shares and labels of rows.

use std::ops::Range;

use linfa::traits::PredictInplace;
use ndarray::{Array1, Array2};

use super::exact::no_value;
use super::flatten::Surrogate;
use super::model::{DecisionTree, Wire};
use super::params::Cuts;
use crate::classification::trees::classes::need_event;
use crate::design::align::cut_sparse;
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::input::RowsAccess;
use crate::estimator::{ClassLabel, Classify, PredictRisk, Rows, RowsSource};
use crate::kernel::tree::flat::{Node, holds};

impl Surrogate {
    /// Whether a value that is not missing goes left.
    #[inline]
    fn goes_left(&self, value: f64) -> bool {
        let inside = match &self.set {
            Some(set) => holds(set, value as usize),
            None => value <= self.threshold,
        };
        inside == self.side_left
    }
}

impl<L: ClassLabel> Wire<L> {
    /// Whether a row goes left at an inner node.
    #[inline]
    fn goes_left(&self, at: usize, node: &Node, row: &[f64]) -> bool {
        let value = row[node.feature as usize];
        if value.is_nan() {
            for other in &self.surrogates[at] {
                let value = row[other.feature as usize];
                if !value.is_nan() {
                    return other.goes_left(value);
                }
            }
        }
        self.tree.goes_left(node, value)
    }

    /// Refuses a missing value where cuts are exact; `at` is the number of the row.
    #[inline]
    pub(super) fn check_row(&self, row: &[f64], at: usize) -> Result<()> {
        if self.params.cuts == Cuts::Exact
            && let Some(feature) = row.iter().position(|value| value.is_nan())
        {
            let name = self.binner.schema.features()[feature].name();
            return Err(no_value(name, at));
        }
        Ok(())
    }

    /// The leaf of a row.
    #[inline]
    pub(super) fn leaf(&self, row: &[f64]) -> usize {
        let mut at = 0;
        loop {
            let node = &self.tree.nodes[at];
            if node.is_leaf() {
                return at;
            }
            at = if self.goes_left(at, node, row) {
                node.left
            } else {
                node.right
            } as usize;
        }
    }
}

impl<L: ClassLabel> DecisionTree<L> {
    /// The leaf of every row, as [`Rule::node`](super::Rule) numbers them.
    ///
    /// # Errors
    /// As [`Classify::predict_proba`].
    pub fn apply(&self, rows: &impl Rows) -> Result<Array1<usize>> {
        Ok(self.leaves(rows.source())?.into())
    }

    fn leaves(&self, rows: RowsSource<'_>) -> Result<Vec<usize>> {
        let width = self.wire.binner.schema.len();
        let leaves = |range: Range<usize>, values: &[f64]| -> Result<Vec<usize>> {
            let mut leaves = Vec::with_capacity(range.len());
            for (at, row) in values.chunks_exact(width).enumerate() {
                self.wire.check_row(row, range.start + at)?;
                leaves.push(self.wire.leaf(row));
            }
            Ok(leaves)
        };
        let binner = &self.wire.binner;
        let chunks = match cut_sparse(rows) {
            Some(matrix) => binner.for_values(RowsSource::Matrix(&matrix), leaves),
            None => binner.for_values(rows, leaves),
        }?;
        let chunks = chunks.into_iter().collect::<Result<Vec<_>>>()?;
        Ok(chunks.concat())
    }

    /// Position of the largest share of a node; of equal ones the event, else the first.
    pub(super) fn largest(&self, node: usize) -> usize {
        let shares = self.wire.tree.value(node);
        let mut best = self.wire.event.map_or(0, |event| event as usize);
        for (at, share) in shares.iter().enumerate() {
            if *share > shares[best] {
                best = at;
            }
        }
        best
    }
}

impl<L: ClassLabel> Classify for DecisionTree<L> {
    /// Shares of the classes in the leaf of every row. A value that is missing, or a level not seen in
    /// training, is no error unless cuts are exact.
    fn predict_proba(&self, rows: &impl Rows) -> Result<Array2<f64>> {
        let leaves = self.leaves(rows.source())?;
        let width = self.wire.classes.len();
        let mut all = Vec::with_capacity(leaves.len() * width);
        for leaf in &leaves {
            all.extend_from_slice(self.wire.tree.value(*leaf));
        }
        Array2::from_shape_vec((leaves.len(), width), all)
            .map_err(|error| Error::from(ErrorKind::Schema(error.to_string())))
    }
}

impl<L: ClassLabel> PredictRisk for DecisionTree<L> {
    fn predict_risk(&self, rows: &impl Rows) -> Result<Array1<f64>> {
        need_event(self.wire.event.is_some(), "risk")?;
        let event = self.wire.event.unwrap_or_default() as usize;
        let leaves = self.leaves(rows.source())?;
        let risk = |leaf: &usize| self.wire.tree.value(*leaf)[event];
        Ok(leaves.iter().map(risk).collect())
    }
}

impl<R: Rows, L: ClassLabel> PredictInplace<R, Array1<L>> for DecisionTree<L> {
    /// linfa's prediction of labels: the class with the largest share, of equal ones the event, else the
    /// first.
    ///
    /// # Panics
    /// Where [`Classify::predict_proba`] returns an error, as linfa's signature has none.
    fn predict_inplace<'a>(&'a self, rows: &'a R, labels: &mut Array1<L>) {
        let leaves = match self.leaves(rows.source()) {
            Ok(leaves) => leaves,
            Err(error) => panic!("predict: {error} (use predict_proba, which returns the error)"),
        };
        assert_eq!(
            leaves.len(),
            labels.len(),
            "predict: labels of another length than rows"
        );
        for (label, leaf) in labels.iter_mut().zip(leaves) {
            *label = self.wire.classes[self.largest(leaf)].clone();
        }
    }

    fn default_target(&self, rows: &R) -> Array1<L> {
        Array1::default(rows.nsamples())
    }
}
