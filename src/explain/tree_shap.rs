//! Shapley values of trees, absent features replaced by what the training rows did at their nodes.
//!
//! A leaf of value `v` whose way asks the features `D`, `d` of them, is worth for a set `S` of known
//! features `v` times the product over `D` of `m_k` if `k` is known and of `z_k` if not: `m_k` is 1 if
//! the row meets all conditions on `k` and else 0, `z_k` the share of training rows that they let pass.
//! As `s! (d - 1 - s)! / d!` is the integral of `t^s (1 - t)^(d - 1 - s)` over (0, 1), the Shapley value
//! of feature `j` is
//!
//! ```text
//!   v (m_j - z_j)  integral over t in (0, 1) of  product over k in D, k != j, of  t m_k + (1 - t) z_k
//! ```
//!
//! The integrand is a polynomial of degree `d - 1`, hence `d / 2` points of Gauss and Legendre give it
//! exactly, and no term is negative: nothing cancels.

use crate::error::Result;
use crate::estimator::Rows;
use crate::estimator::input::RowsAccess;
use crate::explain::attribution::Attributions;
use crate::explain::engine::{Columns, Rule, attribute};
use crate::explain::paths::{Way, holds, shares};
use crate::explain::quadrature::{LANES, Lanes, Rule as Quadrature};
use crate::kernel::tree::flat::Tree;
use crate::kernel::tree::model::{Ensemble, TreeModel};

/// Attributions of rows under a model made of trees, by path-dependent TreeSHAP.
///
/// What is explained is the raw prediction (log-odds of a classifier). A feature that is left out is
/// averaged over by the shares of training rows, weighted as in training, at the nodes that ask it: no
/// background rows are needed, and features are taken as dependent in the way that the trees saw.
/// The base value of an output is the mean of its trees over the training rows, by these shares.
/// Exact up to rounding: attributions and base value sum to the raw prediction within about 1e-13 of
/// its size. Missing values and levels go as in prediction.
///
/// Cost: one addition per row, leaf and feature on its way, plus a small table per leaf for every
/// thousand rows; memory is that of the result. The same bits at any number of threads.
///
/// Lundberg et al., Nature Machine Intelligence 2, 2020, doi 10.1038/s42256-019-0138-9. The tables per
/// leaf follow Yang, 2021, arXiv 2109.09847; see also Yu et al., 2022, arXiv 2209.08192.
///
/// # Errors
/// What the model refuses of rows: missing features, other kinds, infinities.
///
/// ```
/// use galen::explain::{PlainNode, PlainTree, PlainTrees, tree_shap};
/// use ndarray::array;
/// # fn main() -> galen::Result<()> {
/// // Older than 60: +1, else -1; of the training rows, 30 were older and 70 were not.
/// let tree = PlainTree::new(vec![
///     PlainNode::number(0, 60.0, true, [1, 2], 100.0),
///     PlainNode::leaf(vec![-1.0], 70.0),
///     PlainNode::leaf(vec![1.0], 30.0),
/// ]);
/// let model = PlainTrees::new(["age", "bmi"], ["log-odds"], vec![0.0], vec![tree])?;
/// let found = tree_shap(&model, &array![[72.0, 25.0]])?;
/// assert!((found.base()[0] - -0.4).abs() < 1e-12);
/// assert!((found.values()[[0, 0, 0]] - 1.4).abs() < 1e-12);
/// assert_eq!(found.values()[[0, 1, 0]], 0.0);
/// # Ok(())
/// # }
/// ```
pub fn tree_shap<M: TreeModel, R: Rows>(model: &M, rows: &R) -> Result<Attributions> {
    let ensemble = model.ensemble();
    let columns = Columns::new(&ensemble);
    let base = base(&ensemble);
    let rule = ByCover::new(columns.used.len());
    let values = attribute(model, &ensemble, &columns, rows.source(), &rule)?;
    Attributions::of(ensemble, base, values)
}

/// Means of the outputs over the training rows.
fn base(ensemble: &Ensemble<'_>) -> Vec<f64> {
    let mut base = ensemble.base.clone();
    for (tree, feeds) in ensemble.trees.iter().zip(&ensemble.feeds) {
        let means = means(tree);
        for (sum, mean) in base[*feeds as usize..].iter_mut().zip(&means) {
            *sum += ensemble.scale * mean;
        }
    }
    base
}

/// Means of the leaves of a tree by cover, whatever is stored at its inner nodes.
fn means(tree: &Tree) -> Vec<f64> {
    let width = tree.n_outputs as usize;
    let mut reach = vec![0.0; tree.nodes.len()];
    reach[0] = 1.0;
    let mut means = vec![0.0; width];
    for (at, node) in tree.nodes.iter().enumerate() {
        if node.is_leaf() {
            for (mean, value) in means.iter_mut().zip(tree.value(at)) {
                *mean += reach[at] * value;
            }
        } else {
            let shares = shares(tree, node);
            reach[node.left as usize] = reach[at] * shares[0];
            reach[node.right as usize] = reach[at] * shares[1];
        }
    }
    means
}

/// Absent features are replaced by shares of covers.
struct ByCover {
    /// Rules of 1, 1, 2, 3, ... chunks of points.
    rules: Vec<Quadrature>,
}

/// The integrand's parts at the points of a rule.
#[derive(Default)]
struct Parts {
    length: usize,
    /// `t m + (1 - t) z` for unmet and met, chunk by chunk, in it feature by feature.
    factors: Vec<[Lanes; 2]>,
    /// `w (1 - z) / (t + (1 - t) z)`: what turns the product of all into a met feature's part.
    met: Vec<Lanes>,
    /// `w / (1 - t)`: the same for all unmet features, times -1.
    unmet: Vec<Lanes>,
}

impl ByCover {
    /// For ways of at most this many features.
    fn new(longest: usize) -> Self {
        let n = longest.div_ceil(2 * LANES) + 1;
        let rules = (0..n)
            .map(|chunks| Quadrature::new(chunks.max(1)))
            .collect();
        Self { rules }
    }
}

impl Rule for ByCover {
    type Tree = ();
    type Leaf = Parts;

    fn tree(&self, _: &Tree, _: &[u32], (): &mut ()) {}

    fn leaf(&self, way: &Way, (): &(), parts: &mut Parts) {
        let n_chunks = way.columns.len().div_ceil(2 * LANES);
        let rule = &self.rules[n_chunks];
        parts.length = way.columns.len();
        parts.factors.clear();
        parts.met.clear();
        parts.unmet.clear();
        for chunk in 0..n_chunks {
            let (t, rest) = (rule.points[chunk], rule.rests[chunk]);
            let weight = rule.weights[chunk];
            for share in &way.shares {
                let unmet = rest.map(|rest| rest * share);
                let mut met = t;
                let mut part = weight;
                for lane in 0..LANES {
                    met[lane] += unmet[lane];
                    part[lane] *= (1.0 - share) / met[lane];
                }
                parts.factors.push([unmet, met]);
                parts.met.push(part);
            }
            let mut part = weight;
            for lane in 0..LANES {
                part[lane] /= rest[lane];
            }
            parts.unmet.push(part);
        }
    }

    #[inline(always)]
    fn fill(&self, parts: &Parts, met: &[u64], out: &mut [f64]) {
        out.fill(0.0);
        let factors = parts.factors.chunks(parts.length);
        let pulls = parts.met.chunks(parts.length).zip(&parts.unmet);
        for (factors, (of_met, of_unmet)) in factors.zip(pulls) {
            let mut product = [1.0; LANES];
            for (k, pair) in factors.iter().enumerate() {
                let factor = &pair[usize::from(holds(met, k))];
                for lane in 0..LANES {
                    product[lane] *= factor[lane];
                }
            }
            let unmet = -dot(&product, of_unmet);
            for (k, (slot, of_met)) in out.iter_mut().zip(of_met).enumerate() {
                // Both, then one: the bits of a pattern cannot be predicted.
                let met_or_not = [unmet, dot(&product, of_met)];
                *slot += met_or_not[usize::from(holds(met, k))];
            }
        }
    }
}

#[inline(always)]
fn dot(a: &Lanes, b: &Lanes) -> f64 {
    (a[0] * b[0] + a[2] * b[2]) + (a[1] * b[1] + a[3] * b[3])
}
