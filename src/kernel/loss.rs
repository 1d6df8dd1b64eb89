//! Losses of generalised linear models: value, residual and curvature, over slices.

use serde::{Deserialize, Serialize};

use crate::numeric::exp::{exp_neg, log1p_unit};

/// The loss of a linear predictor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub(crate) enum Loss {
    /// Binomial log-likelihood with the logistic link; targets 0 and 1.
    Logistic,
}

impl Loss {
    /// For every row: turns the linear predictor `eta` into the weighted residual
    /// `w (mu - y)`, writes the weighted curvature `w mu'(eta)`, returns the weighted loss.
    #[inline(always)]
    pub(crate) fn evaluate(
        self,
        eta: &mut [f64],
        target: &[f64],
        weights: &[f64],
        curvature: &mut [f64],
    ) -> f64 {
        let mut total = 0.0;
        match self {
            Self::Logistic => logistic(eta, target, weights, curvature, |losses| {
                total += lanes_sum(losses);
            }),
        }
        total
    }

    /// The same with every row's loss times `per_unit` as a whole number, whose sum does not depend
    /// on the order of rows; at most [`MOST_ROWS`] of them.
    #[inline(always)]
    pub(crate) fn evaluate_whole(
        self,
        eta: &mut [f64],
        target: &[f64],
        weights: &[f64],
        curvature: &mut [f64],
        per_unit: f64,
    ) -> i64 {
        debug_assert!(eta.len() <= MOST_ROWS);
        let mut total = 0;
        match self {
            Self::Logistic => logistic(eta, target, weights, curvature, |losses| {
                for loss in losses {
                    total += Self::whole(*loss, per_unit);
                }
            }),
        }
        total
    }

    /// A loss times `per_unit` as a whole number, below 2^50.
    #[inline(always)]
    pub(crate) fn whole(loss: f64, per_unit: f64) -> i64 {
        let times = loss * per_unit;
        let bounded = if times < LARGEST { times } else { LARGEST };
        (bounded + ROUNDER)
            .to_bits()
            .wrapping_sub(ROUNDER.to_bits()) as i64
    }
}

/// Rows whose whole losses may be added up in 64 bits.
const MOST_ROWS: usize = 4_096;

/// Largest whole loss of a row.
const LARGEST: f64 = 1_125_899_906_842_624.0;

/// Adding it rounds to the nearest whole number, which the low bits then hold.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// Rows of one strip: its buffers stay in the first-level cache.
const STRIP: usize = 256;

/// Each step is a plain loop over a strip, which the compiler turns into vectors; steps that feed
/// each other row by row would be left scalar.
#[inline(always)]
fn logistic(
    eta: &mut [f64],
    target: &[f64],
    weights: &[f64],
    curvature: &mut [f64],
    mut take: impl FnMut(&[f64]),
) {
    let n = eta.len();
    let (target, weights, curvature) = (&target[..n], &weights[..n], &mut curvature[..n]);
    let mut losses = [0.0; STRIP];
    for start in (0..n).step_by(STRIP) {
        let rows = start..(start + STRIP).min(n);
        let losses = &mut losses[..rows.len()];
        let eta = &mut eta[rows.clone()];
        let curvature = &mut curvature[rows.clone()];
        for (e, eta) in curvature.iter_mut().zip(eta.iter()) {
            *e = exp_neg(eta.abs());
        }
        for (loss, e) in losses.iter_mut().zip(curvature.iter()) {
            *loss = log1p_unit(*e);
        }
        let outcomes = target[rows.clone()].iter().zip(&weights[rows]);
        let slots = eta.iter_mut().zip(curvature).zip(losses.iter_mut());
        for (((eta, curve), loss), (target, weight)) in slots.zip(outcomes) {
            let row = logistic_row(*eta, *curve, *loss, *target, *weight);
            *loss = row.0;
            *eta = row.1;
            *curve = row.2;
        }
        take(losses);
    }
}

/// Sum with eight running totals, added in a fixed order.
#[inline(always)]
fn lanes_sum(values: &[f64]) -> f64 {
    let (head, tail) = values.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for chunk in head {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    let rest: f64 = tail.iter().sum();
    ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6]))
        + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
        + rest
}

/// Weighted loss, residual and curvature of one row.
///
/// With e = exp(-|eta|): log(1 + exp(eta)) = max(eta, 0) + log1p(e), and both probabilities are
/// ratios of 1 and e to 1 + e, exact in either tail. y is 0 or 1: the residual is taken from the
/// smaller tail, without cancellation.
#[inline(always)]
fn logistic_row(eta: f64, e: f64, log1p_e: f64, target: f64, weight: f64) -> (f64, f64, f64) {
    let whole = 1.0 / (1.0 + e);
    let small = e * whole;
    let (risk, rest) = if eta >= 0.0 {
        (whole, small)
    } else {
        (small, whole)
    };
    let event = target > 0.5;
    let residual = if event { -rest } else { risk };
    let gain = if event { eta } else { 0.0 };
    let above = if eta > 0.0 { eta } else { 0.0 };
    (
        weight * (above - gain + log1p_e),
        weight * residual,
        weight * risk * rest,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::stable::{log1p_exp, logistic as sigmoid};

    #[test]
    fn logistic_matches_its_definition_in_both_tails() {
        let points = [-800.0, -40.0, -1.5, 0.0, 0.3, 5.0, 37.0, 800.0];
        for y in [0.0, 1.0] {
            let mut eta = points;
            let mut curvature = [0.0; 8];
            let weights = [2.0; 8];
            let loss = Loss::Logistic.evaluate(&mut eta, &[y; 8], &weights, &mut curvature);
            let mut expected = 0.0;
            for (i, x) in points.iter().enumerate() {
                expected += 2.0 * (log1p_exp(*x) - y * x);
                let residual = if y == 1.0 { -sigmoid(-x) } else { sigmoid(*x) };
                assert!((eta[i] - 2.0 * residual).abs() <= 1e-14 * residual.abs());
                let h = 2.0 * sigmoid(*x) * sigmoid(-x);
                assert!((curvature[i] - h).abs() <= 1e-14 * h);
            }
            assert!((loss / expected - 1.0).abs() < 1e-14);
        }
    }
}
