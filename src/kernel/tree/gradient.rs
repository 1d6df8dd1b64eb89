//! Gradients, curvatures and losses of rows at their scores; losses add up as whole numbers, the same
//! in any order.

use serde::{Deserialize, Serialize};

use crate::kernel::loss::Loss;
use crate::kernel::tree::quantise::Scale;
use crate::numeric::parallel::{CHUNK_ROWS, map_each};
use crate::numeric::simd::{NullaryFnOnce, dispatch};

/// What is boosted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Objective {
    /// Two classes, one raw score: the log-odds of class 1.
    Binary,
    /// A raw score for each of `n` classes; probabilities are their softmax.
    Classes(u32),
}

impl Objective {
    /// For `n` classes.
    pub(crate) fn of(n_classes: usize) -> Self {
        match n_classes {
            2 => Self::Binary,
            n => Self::Classes(n as u32),
        }
    }

    pub(crate) fn n_outputs(self) -> usize {
        match self {
            Self::Binary => 1,
            Self::Classes(n) => n as usize,
        }
    }

    pub(crate) fn n_classes(self) -> usize {
        match self {
            Self::Binary => 2,
            Self::Classes(n) => n as usize,
        }
    }

    /// Largest gradient and curvature of a row of this weight.
    pub(crate) fn scale(self, weight: f64, rows: usize) -> Scale {
        let factor = match self {
            Self::Binary => 1.0,
            Self::Classes(n) => class_factor(n as usize),
        };
        Scale::new(weight, weight * factor / 4.0, rows)
    }

    /// Log-odds of the classes, given their weights as whole numbers; a class without weight counts
    /// as half a row.
    pub(crate) fn base_scores(self, sums: &[i64], largest: f64) -> Vec<f64> {
        let unit = weight_unit(largest);
        let log = |class: usize| {
            let sum = sums.get(class).copied().unwrap_or(0);
            libm::log((sum as f64 * unit).max(largest / 2.0))
        };
        match self {
            Self::Binary => vec![log(1) - log(0)],
            Self::Classes(n) => {
                let n = n as usize;
                let mean = (0..n).map(log).sum::<f64>() / n as f64;
                (0..n).map(|class| log(class) - mean).collect()
            }
        }
    }
}

/// Curvature of softmax scores counts by this much more, as their sum is free (Friedman 2001, eq. 24).
fn class_factor(n: usize) -> f64 {
    n as f64 / (n as f64 - 1.0)
}

/// Bits of a whole weight.
const WEIGHT_BITS: i32 = 32;

/// What a whole weight of one is worth, `largest` being the largest weight.
pub(crate) fn weight_unit(largest: f64) -> f64 {
    largest / 2_f64.powi(WEIGHT_BITS)
}

/// A weight as a whole number.
pub(crate) fn whole_weight(weight: f64, unit: f64) -> i64 {
    (weight / unit).round_ties_even() as i64
}

/// Weight of every class as whole numbers.
pub(crate) fn class_sums(
    classes: &[u32],
    weights: &[f64],
    largest: f64,
    n_classes: usize,
) -> Vec<i64> {
    let unit = weight_unit(largest);
    let mut sums = vec![0_i64; n_classes];
    for (class, weight) in classes.iter().zip(weights) {
        sums[*class as usize] += whole_weight(*weight, unit);
    }
    sums
}

/// Bits of the loss of a row whose weight is the largest and whose loss is one.
const LOSS_BITS: i32 = 35;

/// How losses become whole numbers and these a mean.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct LossScale {
    /// Whole numbers of a weighted loss of one.
    pub(crate) per_unit: f64,
    unit: f64,
    /// Weight of all rows.
    weight: f64,
}

impl LossScale {
    /// For rows of these weights by class, the largest of all being `largest`.
    pub(crate) fn new(sums: &[i64], largest: f64) -> Self {
        let unit = largest / 2_f64.powi(LOSS_BITS);
        let sum: i128 = sums.iter().map(|sum| i128::from(*sum)).sum();
        Self {
            per_unit: 1.0 / unit,
            unit,
            weight: sum as f64 * weight_unit(largest),
        }
    }

    /// The mean loss of rows whose losses add up to `sum`.
    pub(crate) fn mean(&self, sum: i128) -> f64 {
        sum as f64 * self.unit / self.weight
    }
}

/// Gradients and curvatures, output by output.
#[derive(Debug, Default)]
pub(crate) struct Gradients {
    pub(crate) gradients: Vec<Vec<f64>>,
    pub(crate) curvatures: Vec<Vec<f64>>,
}

impl Gradients {
    pub(crate) fn new(n_outputs: usize, n_rows: usize) -> Self {
        Self {
            gradients: vec![vec![0.0; n_rows]; n_outputs],
            curvatures: vec![vec![0.0; n_rows]; n_outputs],
        }
    }

    /// Takes gradients at the given scores; the sum of losses there.
    pub(crate) fn take(
        &mut self,
        objective: Objective,
        classes: &[u32],
        weights: &[f64],
        scores: &[Vec<f64>],
        losses: &LossScale,
    ) -> i128 {
        let per_unit = losses.per_unit;
        let mut losses = vec![0_i64; classes.len().div_ceil(CHUNK_ROWS)];
        match objective {
            Objective::Binary => {
                let parts = self.gradients[0].chunks_mut(CHUNK_ROWS);
                let mut parts: Vec<_> = parts
                    .zip(self.curvatures[0].chunks_mut(CHUNK_ROWS))
                    .zip(&mut losses)
                    .collect();
                map_each(
                    &mut parts,
                    true,
                    |index, ((gradients, curvatures), loss)| {
                        let range = index * CHUNK_ROWS..index * CHUNK_ROWS + gradients.len();
                        gradients.copy_from_slice(&scores[0][range.clone()]);
                        let target: Vec<f64> = classes[range.clone()]
                            .iter()
                            .map(|class| f64::from(*class))
                            .collect();
                        **loss = dispatch(Evaluate {
                            eta: gradients,
                            target: &target,
                            weights: &weights[range],
                            curvature: curvatures,
                            per_unit,
                        });
                    },
                );
            }
            Objective::Classes(_) => {
                let n_outputs = scores.len();
                let factor = class_factor(n_outputs);
                type Slices<'a> = Vec<&'a mut [f64]>;
                let mut parts: Vec<(Slices<'_>, Slices<'_>, &mut i64)> = losses
                    .iter_mut()
                    .map(|loss| (Vec::new(), Vec::new(), loss))
                    .collect();
                for output in &mut self.gradients {
                    for (part, slice) in parts.iter_mut().zip(output.chunks_mut(CHUNK_ROWS)) {
                        part.0.push(slice);
                    }
                }
                for output in &mut self.curvatures {
                    for (part, slice) in parts.iter_mut().zip(output.chunks_mut(CHUNK_ROWS)) {
                        part.1.push(slice);
                    }
                }
                map_each(&mut parts, true, |index, (gradients, curvatures, loss)| {
                    let mut risks = vec![0.0; n_outputs];
                    let start = index * CHUNK_ROWS;
                    for offset in 0..gradients[0].len() {
                        let row = start + offset;
                        let (weight, class) = (weights[row], classes[row] as usize);
                        let of_row = weight * softmax(scores, row, class, &mut risks);
                        **loss += Loss::whole(of_row, per_unit);
                        for (output, p) in risks.iter().enumerate() {
                            let event = f64::from(u8::from(output == class));
                            gradients[output][offset] = weight * (p - event);
                            curvatures[output][offset] = weight * factor * p * (1.0 - p);
                        }
                    }
                });
            }
        }
        losses.into_iter().map(i128::from).sum()
    }
}

/// Writes the probabilities of a row; the negative log-likelihood of its class.
fn softmax(scores: &[Vec<f64>], row: usize, class: usize, risks: &mut [f64]) -> f64 {
    let largest = scores
        .iter()
        .fold(f64::NEG_INFINITY, |m, output| m.max(output[row]));
    let mut total = 0.0;
    for (risk, output) in risks.iter_mut().zip(scores) {
        *risk = libm::exp(output[row] - largest);
        total += *risk;
    }
    for risk in risks.iter_mut() {
        *risk /= total;
    }
    libm::log(total) - (scores[class][row] - largest)
}

struct Evaluate<'a> {
    eta: &'a mut [f64],
    target: &'a [f64],
    weights: &'a [f64],
    curvature: &'a mut [f64],
    per_unit: f64,
}

impl NullaryFnOnce for Evaluate<'_> {
    type Output = i64;

    #[inline(always)]
    fn call(self) -> i64 {
        let Self {
            eta,
            target,
            weights,
            curvature,
            per_unit,
        } = self;
        Loss::Logistic.evaluate_whole(eta, target, weights, curvature, per_unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_add_up_to_the_same_in_any_order_and_shards() {
        let n = 5_003;
        let classes: Vec<u32> = (0..n as u32).map(|row| row * 7 % 3).collect();
        let weights: Vec<f64> = (0..n).map(|row| 0.1 + (row % 11) as f64 / 3.0).collect();
        let scores: Vec<Vec<f64>> = (1..4)
            .map(|k| (0..n).map(|row| ((row * k) as f64).sin() * 9.0).collect())
            .collect();
        for objective in [Objective::Binary, Objective::Classes(3)] {
            let k = objective.n_outputs();
            let classes: Vec<u32> = match objective {
                Objective::Binary => classes.iter().map(|class| class % 2).collect(),
                Objective::Classes(_) => classes.clone(),
            };
            let sums = class_sums(&classes, &weights, 10.1 / 3.0 + 0.1, 3);
            let losses = LossScale::new(&sums, 10.1 / 3.0 + 0.1);
            let of = |rows: &[usize]| {
                let pick =
                    |values: &[f64]| -> Vec<f64> { rows.iter().map(|r| values[*r]).collect() };
                let of_rows: Vec<u32> = rows.iter().map(|row| classes[*row]).collect();
                let picked: Vec<Vec<f64>> = scores[..k].iter().map(|s| pick(s)).collect();
                let mut gradients = Gradients::new(k, rows.len());
                gradients.take(objective, &of_rows, &pick(&weights), &picked, &losses)
            };
            let all: Vec<usize> = (0..n).collect();
            let turned: Vec<usize> = (0..n).rev().collect();
            assert_eq!(of(&all), of(&turned));
            assert_eq!(of(&all), of(&all[..1_111]) + of(&all[1_111..]));
            let plain: f64 = all
                .iter()
                .map(|row| {
                    let class = classes[*row] as usize;
                    let loss = match objective {
                        Objective::Binary => {
                            let x = scores[0][*row];
                            if class == 1 {
                                (-x).exp().ln_1p()
                            } else {
                                x.exp().ln_1p()
                            }
                        }
                        Objective::Classes(_) => {
                            let sum: f64 = scores.iter().map(|s| s[*row].exp()).sum();
                            sum.ln() - scores[class][*row]
                        }
                    };
                    weights[*row] * loss
                })
                .sum();
            let mean = plain / weights.iter().sum::<f64>();
            assert!((losses.mean(of(&all)) / mean - 1.0).abs() < 1e-9);
        }
    }
}
