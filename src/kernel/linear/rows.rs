//! The same sums over complete rows of plain numbers as they lie in memory: no design is made.
//!
//! Centring and scaling are implicit: with `z = (x - c) / s`, a linear predictor is the dot product
//! of `x - c` with `b / s`. The centre is taken away from every value, not from the sums, which
//! would cost digits where a mean is large beside its spread.

use crate::design::block::BLOCK_ROWS;
use crate::design::encode::Term;
use crate::kernel::linear::pass::{Outcome, Request, Scratch, Sums, sum, widest};
use crate::kernel::loss::Loss;
use crate::numeric::linalg::gram_add_rows;
use crate::numeric::simd::{NullaryFnOnce, dispatch};

/// Partial sums of a dot product; a fixed number, so that the order of addition is fixed.
const LANES: usize = 8;

/// Adds the sums of row-major rows at a point; one value a term, all of them finite.
pub(crate) fn add_rows(
    loss: Loss,
    terms: &[Term],
    rows: &[f64],
    outcome: Outcome<'_>,
    request: &Request,
    scratch: &mut Scratch,
    sums: &mut Sums,
) {
    let n_terms = terms.len();
    let centers: Vec<f64> = terms.iter().map(|term| term.center).collect();
    let factors: Vec<f64> = terms.iter().map(|term| 1.0 / term.scale).collect();
    let slopes: Vec<f64> = request
        .point
        .coefficients
        .iter()
        .zip(&factors)
        .map(|(beta, factor)| beta * factor)
        .collect();
    let mut start = 0;
    for part in rows.chunks(BLOCK_ROWS * n_terms) {
        let n = part.len() / n_terms;
        let range = start..start + n;
        start = range.end;
        let weights = &outcome.weights[range.clone()];
        let mut gradient = vec![0.0; n_terms];
        let (loss_sum, total, widest) = dispatch(Evaluate {
            loss,
            rows: part,
            centers: &centers,
            slopes: &slopes,
            intercept: request.point.intercept,
            outcome: Outcome {
                target: &outcome.target[range.clone()],
                weights,
                offset: outcome.offset.map(|offset| &offset[range]),
            },
            eta: &mut scratch.eta,
            curvature: &mut scratch.curvature,
            gradient: &mut gradient,
        });
        sums.loss += loss_sum;
        sums.gradient_intercept += total;
        sums.widest = sums.widest.max(widest);
        for ((slot, value), factor) in sums.gradient.iter_mut().zip(&gradient).zip(&factors) {
            *slot += value * factor;
        }
        sums.count(weights);
        if let Some(set) = &request.gram {
            dispatch(Scale {
                rows: part,
                set,
                centers: &centers,
                factors: &factors,
                curvature: &scratch.curvature,
                out: &mut scratch.columns,
            });
            gram_add_rows(&mut sums.gram, &scratch.columns, n, set.len() + 1);
        }
    }
}

/// Rows taken together: 50 columns of them stay in a first-level cache between the linear predictor
/// and the gradient.
const STRIP: usize = 64;

struct Evaluate<'a> {
    loss: Loss,
    rows: &'a [f64],
    centers: &'a [f64],
    slopes: &'a [f64],
    intercept: f64,
    outcome: Outcome<'a>,
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
            rows,
            centers,
            slopes,
            intercept,
            outcome,
            eta,
            curvature,
            gradient,
        } = self;
        let n_terms = centers.len();
        let n = rows.len() / n_terms;
        eta.resize(n, 0.0);
        curvature.resize(n, 0.0);
        let (mut loss_sum, mut total, mut largest) = (0.0, 0.0, 0.0);
        for start in (0..n).step_by(STRIP) {
            let range = start..(start + STRIP).min(n);
            let rows = &rows[range.start * n_terms..range.end * n_terms];
            let eta = &mut eta[range.clone()];
            // A plain loop: the closure of an iterator would not be compiled for wide vectors.
            for (eta, row) in eta.iter_mut().zip(rows.chunks_exact(n_terms)) {
                *eta = intercept + centered_dot(row, centers, slopes);
            }
            if let Some(offset) = outcome.offset {
                for (eta, offset) in eta.iter_mut().zip(&offset[range.clone()]) {
                    *eta += offset;
                }
            }
            let widest = widest(eta);
            largest = if widest > largest { widest } else { largest };
            let (target, weights) = (
                &outcome.target[range.clone()],
                &outcome.weights[range.clone()],
            );
            loss_sum += loss.evaluate(eta, target, weights, &mut curvature[range]);
            total += sum(eta);
            add_centered(rows, eta, centers, gradient);
        }
        (loss_sum, total, largest)
    }
}

/// Adds every row, less the centres, times its residual; four rows at a time quarter the traffic of
/// the running sums.
#[inline(always)]
fn add_centered(rows: &[f64], residuals: &[f64], centers: &[f64], sums: &mut [f64]) {
    let n_terms = centers.len();
    let (fours, rest) = residuals.as_chunks::<4>();
    let (four_rows, rest_rows) = rows.split_at(fours.len() * 4 * n_terms);
    for (rows, [r0, r1, r2, r3]) in four_rows.chunks_exact(4 * n_terms).zip(fours) {
        let (low, high) = rows.split_at(2 * n_terms);
        let ((x0, x1), (x2, x3)) = (low.split_at(n_terms), high.split_at(n_terms));
        let (low, high) = (x0.iter().zip(x1), x2.iter().zip(x3));
        let slots = sums.iter_mut().zip(centers);
        for ((slot, c), ((x0, x1), (x2, x3))) in slots.zip(low.zip(high)) {
            *slot += (r0 * (x0 - c) + r1 * (x1 - c)) + (r2 * (x2 - c) + r3 * (x3 - c));
        }
    }
    for (row, residual) in rest_rows.chunks_exact(n_terms).zip(rest) {
        for ((slot, value), center) in sums.iter_mut().zip(row).zip(centers) {
            *slot += residual * (value - center);
        }
    }
}

/// `(row - centers) . slopes` with eight running sums, added in a fixed order.
#[inline(always)]
fn centered_dot(row: &[f64], centers: &[f64], slopes: &[f64]) -> f64 {
    let (row, row_rest) = row.as_chunks::<LANES>();
    let (centers, centers_rest) = centers.as_chunks::<LANES>();
    let (slopes, slopes_rest) = slopes.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for ((row, centers), slopes) in row.iter().zip(centers).zip(slopes) {
        for lane in 0..LANES {
            lanes[lane] += (row[lane] - centers[lane]) * slopes[lane];
        }
    }
    let mut rest = 0.0;
    for ((value, center), slope) in row_rest.iter().zip(centers_rest).zip(slopes_rest) {
        rest += (value - center) * slope;
    }
    let halves = [
        lanes[0] + lanes[4],
        lanes[1] + lanes[5],
        lanes[2] + lanes[6],
        lanes[3] + lanes[7],
    ];
    ((halves[0] + halves[2]) + (halves[1] + halves[3])) + rest
}

/// Writes the standardised terms of `set` and a one for every row, times the root of its curvature.
struct Scale<'a> {
    rows: &'a [f64],
    set: &'a [u32],
    centers: &'a [f64],
    factors: &'a [f64],
    curvature: &'a [f64],
    out: &'a mut Vec<f64>,
}

impl NullaryFnOnce for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let n_terms = self.centers.len();
        let width = self.set.len() + 1;
        let rows = self.rows.chunks_exact(n_terms);
        self.out.resize(rows.len() * width, 0.0);
        let all = self.set.len() == n_terms;
        let outs = self.out.chunks_exact_mut(width);
        for ((row, out), curvature) in rows.zip(outs).zip(self.curvature) {
            let root = curvature.sqrt();
            out[width - 1] = root;
            if all {
                let scales = self.centers.iter().zip(self.factors);
                for ((slot, value), (center, factor)) in out.iter_mut().zip(row).zip(scales) {
                    *slot = (value - center) * factor * root;
                }
            } else {
                for (slot, term) in out.iter_mut().zip(self.set) {
                    let term = *term as usize;
                    *slot = (row[term] - self.centers[term]) * self.factors[term] * root;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::block::Block;
    use crate::kernel::linear::pass::{Point, add_block};

    /// Rows in memory against the columns of the standardised design, over more than one block and
    /// a width that fills no vector.
    #[test]
    fn rows_give_the_sums_of_the_design() {
        let (n, k) = (BLOCK_ROWS + 37, 7);
        let value = |i: usize| ((i * 2_654_435_761) % 1_000_003) as f64 / 1e3;
        let rows: Vec<f64> = (0..n * k).map(value).collect();
        let terms: Vec<Term> = (0..k)
            .map(|j| Term {
                name: String::new(),
                mean: 500.0,
                center: 500.0 + j as f64,
                scale: 250.0 + j as f64,
                constant: false,
            })
            .collect();
        let target: Vec<f64> = (0..n).map(|i| f64::from(i % 3 == 0)).collect();
        let weights: Vec<f64> = (0..n).map(|i| (i % 4) as f64).collect();
        let offset: Vec<f64> = (0..n).map(|i| (i % 5) as f64 / 10.0).collect();
        let block = Block {
            n_rows: n,
            dense_terms: (0..k as u32).collect(),
            dense: (0..k)
                .flat_map(|j| {
                    let (rows, term) = (&rows, &terms[j]);
                    (0..n).map(move |i| (rows[i * k + j] - term.center) / term.scale)
                })
                .collect(),
            starts: vec![0],
            ..Block::default()
        };
        for set in [(0..k as u32).collect::<Vec<_>>(), vec![1, 4]] {
            let request = Request {
                point: Point {
                    intercept: -0.4,
                    coefficients: (0..k).map(|j| 0.3 - 0.1 * j as f64).collect(),
                },
                gram: Some(set.clone()),
                pilot: false,
            };
            let outcome = Outcome {
                target: &target,
                weights: &weights,
                offset: Some(&offset),
            };
            let empty = || Sums {
                gradient: vec![0.0; k],
                gram: vec![0.0; (set.len() + 1).pow(2)],
                ..Sums::default()
            };
            let (mut direct, mut design) = (empty(), empty());
            let scratch = &mut Scratch::default();
            add_rows(
                Loss::Logistic,
                &terms,
                &rows,
                outcome,
                &request,
                scratch,
                &mut direct,
            );
            add_block(
                Loss::Logistic,
                &terms,
                &block,
                outcome,
                &request,
                scratch,
                &mut design,
            );
            let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * (1.0 + b.abs());
            assert!(close(direct.loss, design.loss) && close(direct.widest, design.widest));
            assert!(close(direct.gradient_intercept, design.gradient_intercept));
            assert_eq!((direct.rows, direct.weight), (design.rows, design.weight));
            for (a, b) in direct.gradient.iter().zip(&design.gradient) {
                assert!(close(*a, *b));
            }
            let width = set.len() + 1;
            for column in 0..width {
                for row in column..width {
                    let place = column * width + row;
                    assert!(close(direct.gram[place], design.gram[place]));
                }
            }
        }
    }
}
