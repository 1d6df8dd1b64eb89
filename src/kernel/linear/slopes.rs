//! Steps from slopes alone, for more terms than a Gram matrix can hold.
//!
//! Limited-memory BFGS (Liu and Nocedal, Math. Program. 45, 1989, doi 10.1007/BF01589116): the
//! curvature is learnt from the last steps and the change of slope along them. A step costs one
//! pass over the rows and a few dozen operations per term.

use std::collections::VecDeque;

/// Steps that are remembered.
const MEMORY: usize = 12;

/// One step, the change of slope along it, and the inverse of their product.
#[derive(Debug, Clone)]
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    inverse: f64,
}

/// What is known of the curvature.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slopes {
    pairs: VecDeque<Pair>,
}

impl Slopes {
    /// Learns from a step; one without curvature along it is left out.
    pub(crate) fn learn(&mut self, step: Vec<f64>, change: Vec<f64>) {
        let product = inner(&step, &change);
        if product.is_nan() || product <= f64::EPSILON * inner(&change, &change) {
            return;
        }
        if self.pairs.len() == MEMORY {
            self.pairs.pop_front();
        }
        self.pairs.push_back(Pair {
            step,
            change,
            inverse: 1.0 / product,
        });
    }

    /// Forgets everything.
    pub(crate) fn forget(&mut self) {
        self.pairs.clear();
    }

    /// The step downhill; `curvature` stands for the whole until a step has been learnt from.
    pub(crate) fn step(&self, slope: &[f64], curvature: f64) -> Vec<f64> {
        let mut step: Vec<f64> = slope.iter().map(|value| -value).collect();
        let mut shares = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let share = pair.inverse * inner(&pair.step, &step);
            add(&mut step, -share, &pair.change);
            shares.push(share);
        }
        let scale = match self.pairs.back() {
            Some(pair) => 1.0 / (pair.inverse * inner(&pair.change, &pair.change)),
            None => 1.0 / curvature,
        };
        step.iter_mut().for_each(|value| *value *= scale);
        for (pair, share) in self.pairs.iter().zip(shares.iter().rev()) {
            let back = pair.inverse * inner(&pair.change, &step);
            add(&mut step, share - back, &pair.step);
        }
        step
    }
}

/// `a - b`.
pub(crate) fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(sum: &mut [f64], factor: f64, values: &[f64]) {
    for (slot, value) in sum.iter_mut().zip(values) {
        *slot += factor * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quadratic_is_solved_in_a_few_steps() {
        // Diagonal curvature 1, 2, ..., 8; smallest at 1, 1, ..., 1.
        let slope_at = |x: &[f64]| -> Vec<f64> {
            let slope = x
                .iter()
                .enumerate()
                .map(|(j, x)| (j + 1) as f64 * (x - 1.0));
            slope.collect()
        };
        let mut slopes = Slopes::default();
        let mut x = vec![0.0; 8];
        for _ in 0..40 {
            let slope = slope_at(&x);
            let step = slopes.step(&slope, 8.0);
            add(&mut x, 1.0, &step);
            let change = slope_at(&x)
                .iter()
                .zip(&slope)
                .map(|(a, b)| a - b)
                .collect();
            slopes.learn(step, change);
        }
        assert!(x.iter().all(|x| (x - 1.0).abs() < 1e-9), "{x:?}");
    }

    #[test]
    fn the_first_step_is_scaled_and_flat_steps_teach_nothing() {
        let mut slopes = Slopes::default();
        assert_eq!(slopes.step(&[2.0, -4.0], 2.0), [-1.0, 2.0]);
        slopes.learn(vec![1.0, 0.0], vec![0.0, 1.0]);
        slopes.learn(vec![1.0, 0.0], vec![f64::NAN, 0.0]);
        assert_eq!(slopes.step(&[2.0, -4.0], 2.0), [-1.0, 2.0]);
        slopes.learn(vec![1.0, 1.0], vec![4.0, 4.0]);
        assert_eq!(slopes.step(&[2.0, -4.0], 2.0), [-0.5, 1.0]);
        slopes.forget();
        assert_eq!(slopes.step(&[2.0, -4.0], 2.0), [-1.0, 2.0]);
    }
}
