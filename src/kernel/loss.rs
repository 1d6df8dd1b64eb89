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
        match self {
            Self::Logistic => logistic(eta, target, weights, curvature),
        }
    }
}

/// Running sums of the loss; a fixed number, so that the order of addition is fixed.
const LANES: usize = 8;

#[inline(always)]
fn logistic(eta: &mut [f64], target: &[f64], weights: &[f64], curvature: &mut [f64]) -> f64 {
    let n = eta.len();
    let (target, weights, curvature) = (&target[..n], &weights[..n], &mut curvature[..n]);
    let mut lanes = [0.0; LANES];
    for start in (0..n).step_by(LANES) {
        for lane in 0..LANES.min(n - start) {
            let row = start + lane;
            // With e = exp(-|eta|): log(1 + exp(eta)) = max(eta, 0) + log1p(e), and both
            // probabilities are ratios of 1 and e to 1 + e, exact in either tail.
            let value = eta[row];
            let e = exp_neg(value.abs());
            let whole = 1.0 / (1.0 + e);
            let (risk, rest) = if value >= 0.0 {
                (whole, e * whole)
            } else {
                (e * whole, whole)
            };
            let weight = weights[row];
            // y is 0 or 1: the residual is taken from the smaller tail, without cancellation.
            let residual = if target[row] > 0.5 { -rest } else { risk };
            let gain = if target[row] > 0.5 { value } else { 0.0 };
            lanes[lane] += weight * (value.max(0.0) - gain + log1p_unit(e));
            eta[row] = weight * residual;
            curvature[row] = weight * risk * rest;
        }
    }
    ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6]))
        + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
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
