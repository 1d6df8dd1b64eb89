//! One pass over a design: loss, gradient and, where asked, the weighted Gram matrix.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::design::block::Block;
use crate::design::encode::Term;
use crate::kernel::linear::sparse_gram::SparseGram;
use crate::kernel::loss::Loss;
use crate::numeric::linalg::gram_add;
use crate::numeric::parallel::CHUNK_ROWS;
use crate::numeric::simd::{NullaryFnOnce, add_scaled, dispatch, dot};

/// Intercept and coefficients on the scale of standardised terms.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) intercept: f64,
    pub(crate) coefficients: Vec<f64>,
}

/// What a pass is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) point: Point,
    /// Terms of the Gram matrix; the intercept is added as its last column.
    pub(crate) gram: Option<Vec<u32>>,
    /// Whether the first part of every chunk is enough; see [`pilot_rows`].
    pub(crate) pilot: bool,
}

/// Share of the rows that a pilot reads.
pub(crate) const PILOT_SHARE: usize = 8;

/// The rows of a pilot among `range`: the first eighth of a whole chunk, hence rows from everywhere
/// in the order of the table; all of a shorter one, so that few rows never stand for a small site.
pub(crate) fn pilot_rows(range: Range<usize>) -> Range<usize> {
    if range.len() < CHUNK_ROWS {
        return range;
    }
    range.start..range.start + range.len() / PILOT_SHARE
}

/// Sums over rows at one point; weighted, not divided by the weight.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Sums {
    pub(crate) rows: u64,
    pub(crate) weight: f64,
    pub(crate) loss: f64,
    pub(crate) gradient: Vec<f64>,
    pub(crate) gradient_intercept: f64,
    /// Lower triangle, column-major, intercept last; empty where not asked.
    pub(crate) gram: Vec<f64>,
    /// Largest absolute linear predictor.
    pub(crate) widest: f64,
}

impl Sums {
    /// The sums over the rows of both; `None` when their shapes differ.
    pub(crate) fn merge(mut self, other: Self) -> Option<Self> {
        if self.gradient.len() != other.gradient.len() || self.gram.len() != other.gram.len() {
            return None;
        }
        self.rows += other.rows;
        self.weight += other.weight;
        self.loss += other.loss;
        self.gradient_intercept += other.gradient_intercept;
        self.widest = self.widest.max(other.widest);
        add(&mut self.gradient, &other.gradient);
        add(&mut self.gram, &other.gram);
        Some(self)
    }

    /// Counts rows and their weight; rows of weight zero are as if absent.
    pub(crate) fn count(&mut self, weights: &[f64]) {
        self.rows += weights.iter().filter(|weight| **weight > 0.0).count() as u64;
        self.weight += sum(weights);
    }
}

fn add(sum: &mut [f64], terms: &[f64]) {
    for (slot, term) in sum.iter_mut().zip(terms) {
        *slot += term;
    }
}

/// Target, weights and offset of the rows of a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome<'a> {
    pub(crate) target: &'a [f64],
    pub(crate) weights: &'a [f64],
    pub(crate) offset: Option<&'a [f64]>,
}

/// Buffers that a pass reuses from block to block.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) eta: Vec<f64>,
    pub(crate) curvature: Vec<f64>,
    pub(crate) columns: Vec<f64>,
    /// Where set, Gram matrices are made of stored entries; see [`SparseGram`].
    pub(crate) sparse: Option<SparseGram>,
}

/// Adds the sums of one block at a point.
pub(crate) fn add_block(
    loss: Loss,
    terms: &[Term],
    block: &Block,
    outcome: Outcome<'_>,
    request: &Request,
    scratch: &mut Scratch,
    sums: &mut Sums,
) {
    let n = block.n_rows;
    let k = request.gram.as_ref().map_or(0, |set| set.len() + 1);
    if sums.gradient.is_empty() {
        sums.gradient = vec![0.0; terms.len()];
        sums.gram = vec![0.0; k * k];
    }
    let (loss_sum, gradient_intercept, widest) = dispatch(Evaluate {
        loss,
        terms,
        block,
        outcome,
        point: &request.point,
        eta: &mut scratch.eta,
        curvature: &mut scratch.curvature,
        gradient: &mut sums.gradient,
    });
    sums.loss += loss_sum;
    sums.gradient_intercept += gradient_intercept;
    sums.widest = sums.widest.max(widest);
    sums.count(outcome.weights);
    if let Some(set) = &request.gram {
        for h in &mut scratch.curvature {
            *h = h.sqrt();
        }
        if let Some(sparse) = &mut scratch.sparse {
            sparse.add(terms, block, &scratch.curvature[..n], &mut sums.gram);
            return;
        }
        scaled_columns(terms, block, set, &scratch.curvature, &mut scratch.columns);
        gram_add(&mut sums.gram, &scratch.columns, n, k);
    }
}

/// The arithmetic of one block. A type of its own and not a closure: a closure of this size is not
/// inlined into the dispatched function and would run on the narrowest vectors.
struct Evaluate<'a> {
    loss: Loss,
    terms: &'a [Term],
    block: &'a Block,
    outcome: Outcome<'a>,
    point: &'a Point,
    eta: &'a mut Vec<f64>,
    curvature: &'a mut Vec<f64>,
    gradient: &'a mut [f64],
}

impl NullaryFnOnce for Evaluate<'_> {
    /// Loss, sum of residuals, largest absolute linear predictor.
    type Output = (f64, f64, f64);

    #[inline(always)]
    fn call(self) -> Self::Output {
        let Self {
            loss,
            terms,
            block,
            outcome,
            point,
            eta,
            curvature,
            gradient,
        } = self;
        let n = block.n_rows;
        linear_predictor(terms, block, point, outcome.offset, eta);
        let widest = widest(eta);
        curvature.resize(n, 0.0);
        let loss_sum = loss.evaluate(eta, outcome.target, outcome.weights, curvature);
        let residual = &eta[..n];
        let total = sum(residual);
        for (position, term) in block.dense_terms.iter().enumerate() {
            gradient[*term as usize] += dot(block.column(position), residual);
        }
        for (position, term) in block.sparse_terms.iter().enumerate() {
            let spec = &terms[*term as usize];
            let mut stored = 0.0;
            for (row, value) in block.entries(position) {
                stored += residual[row] * value;
            }
            gradient[*term as usize] += (stored - spec.center * total) / spec.scale;
        }
        (loss_sum, total, widest)
    }
}

/// Largest absolute value, with eight running maxima.
#[inline(always)]
pub(crate) fn widest(values: &[f64]) -> f64 {
    let (head, tail) = values.as_chunks::<8>();
    let larger = |a: f64, b: f64| if b > a { b } else { a };
    let mut lanes = [0.0; 8];
    for chunk in head {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, value.abs());
        }
    }
    let rest = tail
        .iter()
        .fold(0.0, |widest, value| larger(widest, value.abs()));
    lanes.into_iter().fold(rest, larger)
}

/// Sum with eight running totals, added in a fixed order.
#[inline(always)]
pub(crate) fn sum(values: &[f64]) -> f64 {
    let (head, tail) = values.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for chunk in head {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.iter().sum::<f64>() + tail.iter().sum::<f64>()
}

/// Writes `b0 + z b + offset` of every row of the block.
#[inline(always)]
pub(crate) fn linear_predictor(
    terms: &[Term],
    block: &Block,
    point: &Point,
    offset: Option<&[f64]>,
    eta: &mut Vec<f64>,
) {
    let mut base = point.intercept;
    for term in &block.sparse_terms {
        let beta = point.coefficients[*term as usize];
        if beta != 0.0 {
            let spec = &terms[*term as usize];
            base -= beta / spec.scale * spec.center;
        }
    }
    eta.clear();
    match offset {
        Some(offset) => eta.extend(offset[..block.n_rows].iter().map(|value| base + value)),
        None => eta.resize(block.n_rows, base),
    }
    for (position, term) in block.dense_terms.iter().enumerate() {
        let beta = point.coefficients[*term as usize];
        if beta != 0.0 {
            add_scaled(eta, beta, block.column(position));
        }
    }
    for (position, term) in block.sparse_terms.iter().enumerate() {
        let beta = point.coefficients[*term as usize];
        if beta != 0.0 {
            let factor = beta / terms[*term as usize].scale;
            for (row, value) in block.entries(position) {
                eta[row] += factor * value;
            }
        }
    }
}

/// Writes the standardised columns of `set` and a column of ones, each row times `factor`.
pub(crate) fn scaled_columns(
    terms: &[Term],
    block: &Block,
    set: &[u32],
    factor: &[f64],
    columns: &mut Vec<f64>,
) {
    let n = block.n_rows;
    columns.clear();
    columns.reserve((set.len() + 1) * n);
    let place = |list: &[u32], term: u32| list.iter().position(|other| *other == term);
    // Terms of a block are in increasing order of their numbers within each list.
    for term in set {
        let start = columns.len();
        if let Ok(position) = block.dense_terms.binary_search(term) {
            let column = block.column(position);
            columns.extend(
                column
                    .iter()
                    .zip(factor)
                    .map(|(value, factor)| value * factor),
            );
        } else if let Some(position) = block
            .sparse_terms
            .binary_search(term)
            .ok()
            .or_else(|| place(&block.sparse_terms, *term))
        {
            let spec = &terms[*term as usize];
            let zero = -spec.center / spec.scale;
            columns.extend(factor[..n].iter().map(|factor| zero * factor));
            for (row, value) in block.entries(position) {
                columns[start + row] = (value - spec.center) / spec.scale * factor[row];
            }
        } else {
            columns.resize(start + n, 0.0);
        }
    }
    columns.extend_from_slice(&factor[..n]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three rows: term 0 dense, term 1 sparse (values 0, 2, 0 with centre 0.5 and scale 2).
    fn block() -> (Block, Vec<Term>) {
        let term = |center: f64, scale: f64| Term {
            name: String::new(),
            mean: center,
            center,
            scale,
            constant: false,
        };
        let block = Block {
            n_rows: 3,
            dense_terms: vec![0],
            dense: vec![1.0, -1.0, 0.5],
            sparse_terms: vec![1],
            starts: vec![0, 1],
            rows: vec![1],
            values: vec![2.0],
        };
        (block, vec![term(0.0, 1.0), term(0.5, 2.0)])
    }

    #[test]
    fn sums_equal_the_definition_row_by_row() {
        let (block, terms) = block();
        let z = [[1.0, -0.25], [-1.0, 0.75], [0.5, -0.25]];
        let (y, w, offset) = ([1.0, 0.0, 1.0], [1.0, 2.0, 0.5], [0.1, 0.0, -0.2]);
        let request = Request {
            point: Point {
                intercept: 0.3,
                coefficients: vec![0.7, -0.4],
            },
            gram: Some(vec![0, 1]),
            pilot: false,
        };
        let mut sums = Sums::default();
        let outcome = Outcome {
            target: &y,
            weights: &w,
            offset: Some(&offset),
        };
        add_block(
            Loss::Logistic,
            &terms,
            &block,
            outcome,
            &request,
            &mut Scratch::default(),
            &mut sums,
        );
        let (mut loss, mut gradient, mut gram) = (0.0, [0.0; 3], [[0.0; 3]; 3]);
        for i in 0..3 {
            let row = [z[i][0], z[i][1], 1.0];
            let eta = 0.3 + offset[i] + 0.7 * row[0] - 0.4 * row[1];
            let p = 1.0 / (1.0 + f64::exp(-eta));
            loss -= w[i] * (y[i] * p.ln() + (1.0 - y[i]) * (1.0 - p).ln());
            for a in 0..3 {
                gradient[a] += w[i] * (p - y[i]) * row[a];
                for b in 0..3 {
                    gram[a][b] += w[i] * p * (1.0 - p) * row[a] * row[b];
                }
            }
        }
        assert!((sums.loss - loss).abs() < 1e-14);
        assert!((sums.gradient[0] - gradient[0]).abs() < 1e-14);
        assert!((sums.gradient[1] - gradient[1]).abs() < 1e-14);
        assert!((sums.gradient_intercept - gradient[2]).abs() < 1e-14);
        for (row, expected) in gram.iter().enumerate() {
            for (column, value) in expected.iter().enumerate().take(row + 1) {
                assert!((sums.gram[column * 3 + row] - value).abs() < 1e-14);
            }
        }
        assert_eq!(sums.rows, 3);
    }
}
