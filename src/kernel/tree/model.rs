//! What others may ask of a fitted model made of trees.

use std::ops::Range;

use crate::error::Result;
use crate::estimator::RowsSource;
use crate::kernel::tree::flat::Tree;

/// A fitted model whose raw prediction is a sum of trees; sealed, models of this crate have it.
pub trait TreeModel: Trees {}
impl<M: Trees + ?Sized> TreeModel for M {}

/// The trees behind a [`TreeModel`].
pub trait Trees {
    /// The trees and what goes with them.
    fn ensemble(&self) -> Ensemble<'_>;

    /// Calls `take` with chunks of rows as the trees read them: row-major, NaN where missing; results
    /// in row order.
    ///
    /// # Errors
    /// What the model refuses of rows.
    fn for_values<T: Send>(
        &self,
        rows: RowsSource<'_>,
        take: impl Fn(Range<usize>, &[f64]) -> T + Sync + Send,
    ) -> Result<Vec<T>>
    where
        Self: Sized;
}

/// Trees with the outputs they feed. The raw prediction of output `o` is
/// `base[o] + scale * (sum of the trees that feed it)`.
#[derive(Debug, Clone)]
pub struct Ensemble<'a> {
    pub(crate) trees: &'a [Tree],
    /// First output that each tree feeds; the others of its values feed those behind it.
    pub(crate) feeds: Vec<u32>,
    /// Factor of all leaf values: 1 for sums, one over the number of trees for means.
    pub(crate) scale: f64,
    /// One number an output.
    pub(crate) base: Vec<f64>,
    pub(crate) outputs: Vec<String>,
    pub(crate) features: Vec<String>,
}
