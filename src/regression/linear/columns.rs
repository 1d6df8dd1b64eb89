//! The columns of a block: raw ones for residuals with twice the digits, standardised ones for
//! factors.

use serde::{Deserialize, Serialize};

use crate::design::block::Block;
use crate::design::encode::{Encoder, Term};
use crate::error::{ErrorKind, Result};
use crate::numeric::linalg::divide_columns;
use crate::numeric::simd::dispatch;
use crate::numeric::twofold::{Twofold, two_product, two_sum};

/// Centre and spread of a column of the exact design.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Shape {
    pub(super) center: f64,
    pub(super) spread: f64,
}

/// Everything that preparation fixed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Raw values over powers of two.
    pub(super) encoder: Encoder,
    /// One shape per term.
    pub(super) shapes: Vec<Shape>,
    pub(super) intercept: bool,
    pub(super) target: Shape,
    /// Power of two by which the target is divided.
    pub(super) unit: f64,
}

/// A fit at its solution, as far as the rows need it: terms, coefficients, factor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Solution {
    pub(super) kept: Vec<u32>,
    /// Intercept first where there is one; for the exact design.
    pub(super) point: Vec<Twofold>,
    /// Factor of the standardised columns, ones first where there is an intercept.
    pub(super) r: Vec<f64>,
}

/// Target and weights of the rows of a block; the target is divided by its unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome<'a> {
    pub(super) target: &'a [f64],
    pub(super) weights: &'a [f64],
}

/// Sums of the residuals at a point.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Residuals {
    pub(super) rows: u64,
    pub(super) squares: Twofold,
    /// `sum w r x` of every raw column, ones first where there is an intercept.
    pub(super) gradient: Vec<Twofold>,
}

impl Residuals {
    pub(super) fn merge(mut self, other: Self) -> Result<Self> {
        if self.gradient.is_empty() {
            self.gradient = vec![Twofold::default(); other.gradient.len()];
        }
        if !other.gradient.is_empty() && other.gradient.len() != self.gradient.len() {
            return Err(ErrorKind::Schema("partials of different schemas".into()).into());
        }
        self.rows += other.rows;
        self.squares = self.squares.plus(other.squares);
        for (sum, more) in self.gradient.iter_mut().zip(&other.gradient) {
            *sum = sum.plus(*more);
        }
        Ok(self)
    }
}

/// Writes the raw columns of `set`, one after the other.
pub(super) fn raw_columns(terms: &[Term], block: &Block, set: &[u32], out: &mut Vec<f64>) {
    let n = block.n_rows.max(1);
    out.clear();
    out.resize(block.n_rows * set.len(), 0.0);
    for (term, column) in set.iter().zip(out.chunks_exact_mut(n)) {
        // Terms of a block stand in increasing order within each list.
        if let Ok(position) = block.dense_terms.binary_search(term) {
            column.copy_from_slice(block.column(position));
        } else if let Ok(position) = block.sparse_terms.binary_search(term) {
            let scale = terms[*term as usize].scale;
            for (row, value) in block.entries(position) {
                column[row] = value / scale;
            }
        }
    }
}

impl Plan {
    /// Columns of ones (1) or none (0).
    pub(super) fn ones(&self) -> usize {
        usize::from(self.intercept)
    }

    /// The standardised columns of `set`, ones first where there is an intercept, each row times
    /// the root of its weight; with `target` the standardised target last.
    pub(super) fn rooted_columns(
        &self,
        block: &Block,
        set: &[u32],
        outcome: Outcome<'_>,
        target: bool,
    ) -> Vec<f64> {
        let roots: Vec<f64> = outcome.weights.iter().map(|weight| weight.sqrt()).collect();
        let mut raw = Vec::new();
        raw_columns(self.encoder.terms(), block, set, &mut raw);
        let n = block.n_rows;
        let mut out = Vec::with_capacity(n * (set.len() + 2));
        if self.intercept {
            out.extend_from_slice(&roots);
        }
        let mut push = |column: &[f64], shape: Shape| {
            out.extend(
                column
                    .iter()
                    .zip(&roots)
                    .map(|(value, root)| (value - shape.center) / shape.spread * root),
            );
        };
        for (term, column) in set.iter().zip(raw.chunks_exact(n.max(1))) {
            push(column, self.shapes[*term as usize]);
        }
        if target {
            push(outcome.target, self.target);
        }
        out
    }

    /// Residuals of a block at a point, with twice the digits.
    pub(super) fn residuals(&self, raw: &[f64], point: &[Twofold], target: &[f64]) -> Vec<Twofold> {
        let mut residuals: Vec<Twofold> = target.iter().map(|value| Twofold::of(*value)).collect();
        subtract_fit(raw, point, self.intercept, &mut residuals);
        residuals
    }

    /// Adds the sums of one block at a point.
    pub(super) fn add_residuals(
        &self,
        block: &Block,
        solution: &Solution,
        outcome: Outcome<'_>,
        raw: &mut Vec<f64>,
        sums: &mut Residuals,
    ) {
        raw_columns(self.encoder.terms(), block, &solution.kept, raw);
        let mut residuals = self.residuals(raw, &solution.point, outcome.target);
        for (residual, weight) in residuals.iter_mut().zip(outcome.weights) {
            let weighted = residual.times(*weight);
            let square = weighted
                .times(residual.hi)
                .plus(weighted.times(residual.lo));
            sums.squares = sums.squares.plus(square);
            sums.rows += u64::from(*weight > 0.0);
            *residual = weighted;
        }
        let ones = self.ones();
        if let Some(sum) = sums.gradient.first_mut().filter(|_| self.intercept) {
            *sum = residuals
                .iter()
                .fold(*sum, |sum, residual| sum.plus(*residual));
        }
        let columns = raw.chunks_exact(block.n_rows.max(1));
        for (sum, column) in sums.gradient.iter_mut().skip(ones).zip(columns) {
            *sum = sum.plus(product_sum(column, &residuals));
        }
    }

    /// Rows of `Q` (standardised columns times the inverse factor, roots of weights included) and
    /// residuals of a block at the solution.
    pub(super) fn orthogonal_rows(
        &self,
        block: &Block,
        solution: &Solution,
        outcome: Outcome<'_>,
    ) -> (Vec<f64>, Vec<f64>) {
        let mut q = self.rooted_columns(block, &solution.kept, outcome, false);
        let k = solution.point.len();
        divide_columns(&mut q, block.n_rows, &solution.r, k);
        let mut raw = Vec::new();
        raw_columns(self.encoder.terms(), block, &solution.kept, &mut raw);
        let residuals = self
            .residuals(&raw, &solution.point, outcome.target)
            .iter()
            .map(|residual| residual.value())
            .collect();
        (q, residuals)
    }
}

/// Subtracts the fitted values of raw columns from `values`.
pub(super) fn subtract_fit(raw: &[f64], point: &[Twofold], ones: bool, values: &mut [Twofold]) {
    let (first, rest) = point.split_at(usize::from(ones).min(point.len()));
    dispatch(|| {
        for coefficient in first {
            let minus = coefficient.negative();
            values
                .iter_mut()
                .for_each(|value| *value = value.plus(minus));
        }
        for (coefficient, column) in rest.iter().zip(raw.chunks_exact(values.len().max(1))) {
            for (value, x) in values.iter_mut().zip(column) {
                let (product, error) = two_product(coefficient.hi, *x);
                let low = error + coefficient.lo * x;
                let (sum, lost) = two_sum(value.hi, -product);
                let (hi, lo) = two_sum(sum, lost + (value.lo - low));
                *value = Twofold { hi, lo };
            }
        }
    });
}

/// Running sums of a product sum; a fixed number, so that the order of addition is fixed.
const LANES: usize = 8;

/// `sum x r` with twice the digits.
fn product_sum(column: &[f64], residuals: &[Twofold]) -> Twofold {
    dispatch(|| {
        let mut hi = [0.0; LANES];
        let mut lo = [0.0; LANES];
        let (x_head, x_tail) = column.as_chunks::<LANES>();
        let (r_head, r_tail) = residuals.as_chunks::<LANES>();
        for (x, r) in x_head.iter().zip(r_head) {
            for lane in 0..LANES {
                let (product, error) = two_product(x[lane], r[lane].hi);
                let (sum, lost) = two_sum(hi[lane], product);
                hi[lane] = sum;
                lo[lane] += lost + (error + x[lane] * r[lane].lo);
            }
        }
        let mut total = Twofold::default();
        for (hi, lo) in hi.into_iter().zip(lo) {
            let (hi, lo) = two_sum(hi, lo);
            total = total.plus(Twofold { hi, lo });
        }
        for (x, r) in x_tail.iter().zip(r_tail) {
            total = total.plus(r.times(*x));
        }
        total
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_sums_keep_what_cancels() {
        // 1000 terms of 3e15 that cancel in pairs, and one part in 3e19 that does not.
        let column: Vec<f64> = (0..1001).map(|i| f64::from(i % 2 * 2 - 1) * 1e8).collect();
        let mut residuals = vec![Twofold::of(1e8 / 3.0); 1000];
        residuals.push(Twofold { hi: 0.0, lo: 0.0 });
        residuals[500].lo = 1e-12;
        let sum = product_sum(&column, &residuals).value();
        assert!((sum / -1e-4 - 1.0).abs() < 1e-6, "{sum:e}");
    }

    #[test]
    fn fit_is_taken_off_exactly() {
        let point = [Twofold::of(0.1), Twofold { hi: 3.0, lo: 1e-20 }];
        let mut values = [Twofold::of(0.1), Twofold::of(3.1)];
        subtract_fit(&[1.0, 2.0], &point, true, &mut values);
        assert_eq!(values[0].value(), -3.0);
        assert!((values[1].lo + values[1].hi + 3.0 - (3.1 - 0.1 - 3.0)).abs() < 1e-15);
        let mut small = [Twofold::of(3.0)];
        subtract_fit(&[1.0], &point[1..], false, &mut small);
        assert_eq!(small[0].value(), -1e-20);
    }
}
