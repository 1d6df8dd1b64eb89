//! The local quadratic model of a penalised fit: where it is smallest.
//!
//! ```text
//! g' d + d' H d / 2 + strength * sum_j (l1_j |b_j + d_j| + l2_j (b_j + d_j)^2 / 2)
//! ```
//!
//! over the terms of a working set and the intercept, which carries no penalty. Without an l1 part
//! this is a linear system; with one it is solved by coordinate descent on `H` (Friedman, Hastie
//! and Tibshirani, J. Stat. Softw. 33(1), 2010, doi 10.18637/jss.v033.i01, covariance updates).

use crate::numeric::linalg::Cholesky;

/// Sweeps of coordinate descent; a sweep costs the square of the working set.
const MAX_SWEEPS: usize = 2_000;

/// Sweeps between two attempts to settle the active terms by a linear system.
const SETTLE_EVERY: usize = 2;

/// Sign changes in one attempt.
const MAX_SIGN_CHANGES: usize = 8;

/// Change of a coordinate, in units of its own curvature, below which a sweep counts as quiet;
/// relative to the largest change of the first sweep.
const QUIET: f64 = 1e-9;

/// Relative ridge that makes a semidefinite matrix solvable; the line search repairs the step.
const JITTER: f64 = 1e-12;

/// The model around the current point; vectors end with the intercept.
#[derive(Debug)]
pub(crate) struct Quadratic<'a> {
    /// Full symmetric matrix, `k x k`.
    pub(crate) hessian: &'a [f64],
    pub(crate) gradient: &'a [f64],
    pub(crate) current: &'a [f64],
    /// `strength * l1_j`, 0 for the intercept.
    pub(crate) l1: &'a [f64],
    /// `strength * l2_j`, 0 for the intercept.
    pub(crate) l2: &'a [f64],
    /// Whether the intercept may move.
    pub(crate) intercept: bool,
}

impl Quadratic<'_> {
    /// The step to the minimum; `None` when the matrix has no useful curvature.
    pub(crate) fn step(&self) -> Option<Vec<f64>> {
        if self.l1.iter().all(|penalty| *penalty == 0.0) {
            self.newton_step()
        } else {
            Some(self.descend())
        }
    }

    fn newton_step(&self) -> Option<Vec<f64>> {
        let k = self.gradient.len();
        let mut matrix = self.hessian.to_vec();
        let mut step: Vec<f64> = (0..k)
            .map(|j| -(self.gradient[j] + self.l2[j] * self.current[j]))
            .collect();
        for j in 0..k {
            matrix[j * k + j] += self.l2[j];
        }
        if !self.intercept {
            for j in 0..k {
                matrix[j * k + k - 1] = 0.0;
                matrix[(k - 1) * k + j] = 0.0;
            }
            matrix[k * k - 1] = 1.0;
            step[k - 1] = 0.0;
        }
        let largest = (0..k).map(|j| matrix[j * k + j]).fold(0.0, f64::max);
        let factor = Cholesky::new(&matrix, k).or_else(|| {
            for j in 0..k {
                matrix[j * k + j] += JITTER * largest;
            }
            Cholesky::new(&matrix, k)
        })?;
        factor.solve(&mut step);
        step.iter().all(|value| value.is_finite()).then_some(step)
    }

    /// Sweeps find the active terms; a linear system settles them; repeated until no inactive term
    /// wants to move.
    fn descend(&self) -> Vec<f64> {
        let k = self.gradient.len();
        let mut slope = self.gradient.to_vec();
        let mut step = vec![0.0; k];
        let movable: Vec<usize> = (0..k)
            .filter(|j| self.hessian[j * k + j] > 0.0 && (*j + 1 < k || self.intercept))
            .collect();
        let mut first = 0.0_f64;
        let mut solvable = true;
        for sweeps in 0..MAX_SWEEPS {
            let change = self.sweep(&movable, &mut step, &mut slope);
            first = first.max(change);
            if change <= QUIET * first {
                break;
            }
            // One more sweep over the active terms alone lets their signs settle.
            let active = self.active(&movable, &step);
            self.sweep(&active, &mut step, &mut slope);
            if solvable && sweeps % SETTLE_EVERY == 0 {
                solvable = self.settle(&mut step, &mut slope, &movable);
            }
        }
        step
    }

    fn active(&self, movable: &[usize], step: &[f64]) -> Vec<usize> {
        movable
            .iter()
            .copied()
            .filter(|&j| self.l1[j] == 0.0 || self.current[j] + step[j] != 0.0)
            .collect()
    }

    /// Moves the active terms to the minimum that keeps their signs, one sign change at a time
    /// (feature-sign search; Lee, Battle, Raina and Ng, NIPS 19, 2006). False when the active
    /// matrix is singular.
    fn settle(&self, step: &mut [f64], slope: &mut [f64], movable: &[usize]) -> bool {
        let k = slope.len();
        let mut active = self.active(movable, step);
        for _ in 0..MAX_SIGN_CHANGES {
            let mut matrix = crate::numeric::linalg::submatrix(self.hessian, k, &active);
            let size = active.len();
            let mut target: Vec<f64> = active
                .iter()
                .enumerate()
                .map(|(position, &j)| {
                    matrix[position * size + position] += self.l2[j];
                    let value = self.current[j] + step[j];
                    let sign = if self.l1[j] == 0.0 {
                        0.0
                    } else {
                        value.signum()
                    };
                    -(slope[j] + self.l1[j] * sign + self.l2[j] * value)
                })
                .collect();
            let Some(factor) = Cholesky::new(&matrix, size) else {
                return false;
            };
            factor.solve(&mut target);
            if !target.iter().all(|value| value.is_finite()) {
                return false;
            }
            // The first term to reach zero stops the move and leaves the active set.
            let mut length = 1.0;
            let mut leaving = None;
            for (position, &j) in active.iter().enumerate() {
                let value = self.current[j] + step[j];
                if self.l1[j] > 0.0 && value * (value + target[position]) < 0.0 {
                    let reach = -value / target[position];
                    if reach < length {
                        length = reach;
                        leaving = Some(position);
                    }
                }
            }
            for (position, &j) in active.iter().enumerate() {
                let change = length * target[position];
                step[j] += change;
                let column = &self.hessian[j * k..(j + 1) * k];
                for (slot, value) in slope.iter_mut().zip(column) {
                    *slot += change * value;
                }
            }
            let Some(position) = leaving else {
                return true;
            };
            let j = active.remove(position);
            step[j] = -self.current[j];
        }
        true
    }

    /// One pass over coordinates; the largest `sqrt(H_jj) |change_j|`.
    fn sweep(&self, coordinates: &[usize], step: &mut [f64], slope: &mut [f64]) -> f64 {
        let k = slope.len();
        let mut largest = 0.0_f64;
        for &j in coordinates {
            let curvature = self.hessian[j * k + j];
            let old = self.current[j] + step[j];
            let pull = curvature * old - slope[j];
            let new = soft(pull, self.l1[j]) / (curvature + self.l2[j]);
            let change = new - old;
            if change != 0.0 {
                step[j] += change;
                let column = &self.hessian[j * k..(j + 1) * k];
                for (slot, value) in slope.iter_mut().zip(column) {
                    *slot += change * value;
                }
                largest = largest.max(curvature.sqrt() * change.abs());
            }
        }
        largest
    }
}

/// Share of the expected change of slope below which a step says nothing of the curvature.
const FLAT: f64 = 1e-3;

/// Makes a kept Hessian agree with the change of gradient along the last step (Broyden, Fletcher,
/// Goldfarb and Shanno; Nocedal and Wright, Numerical Optimization, 2006, eq. 6.19), so that one
/// matrix serves more steps.
pub(crate) fn secant_update(hessian: &mut [f64], step: &[f64], change: &[f64]) {
    let k = step.len();
    let mut expected = vec![0.0; k];
    for (column, s) in hessian.chunks_exact(k).zip(step) {
        for (slot, h) in expected.iter_mut().zip(column) {
            *slot += h * s;
        }
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (curvature, modelled) = (dot(step, change), dot(step, &expected));
    let informative = modelled > 0.0 && curvature > FLAT * modelled;
    if !informative || !curvature.is_finite() {
        return;
    }
    for (j, column) in hessian.chunks_exact_mut(k).enumerate() {
        let (gain, loss) = (change[j] / curvature, expected[j] / modelled);
        for ((slot, y), e) in column.iter_mut().zip(change).zip(&expected) {
            *slot += gain * y - loss * e;
        }
    }
}

/// Soft threshold.
fn soft(value: f64, threshold: f64) -> f64 {
    if value > threshold {
        value - threshold
    } else if value < -threshold {
        value + threshold
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const H: [f64; 9] = [2.0, 0.5, 0.1, 0.5, 1.0, -0.2, 0.1, -0.2, 0.8];

    fn model<'a>(l1: &'a [f64], l2: &'a [f64], current: &'a [f64]) -> Quadratic<'a> {
        Quadratic {
            hessian: &H,
            gradient: &[1.0, -0.3, 0.2],
            current,
            l1,
            l2,
            intercept: true,
        }
    }

    #[test]
    fn descent_without_threshold_equals_the_linear_system() {
        let (zero, l2, current) = ([0.0; 3], [0.3, 0.1, 0.0], [0.2, -0.1, 0.5]);
        let model = model(&zero, &l2, &current);
        for (a, b) in model.newton_step().unwrap().iter().zip(model.descend()) {
            assert!((a - b).abs() < 1e-9);
        }
    }

    #[test]
    fn the_minimum_meets_its_optimality_conditions() {
        let (l1, l2, current) = ([0.2, 0.6, 0.0], [0.1, 0.1, 0.0], [0.0; 3]);
        let model = model(&l1, &l2, &current);
        let step = model.step().unwrap();
        for j in 0..3 {
            let slope: f64 = model.gradient[j]
                + (0..3).map(|i| H[j * 3 + i] * step[i]).sum::<f64>()
                + l2[j] * step[j];
            if step[j] == 0.0 {
                assert!(slope.abs() <= l1[j] + 1e-12);
            } else {
                assert!((slope + l1[j] * step[j].signum()).abs() < 1e-9);
            }
        }
        assert_eq!(step[1], 0.0, "a small slope stays at zero");
    }

    #[test]
    fn an_updated_hessian_meets_the_secant_condition() {
        let mut hessian = H.to_vec();
        let (step, change) = ([0.5, -1.0, 0.25], [0.9, -1.3, 0.4]);
        secant_update(&mut hessian, &step, &change);
        for i in 0..3 {
            let product: f64 = (0..3).map(|j| hessian[j * 3 + i] * step[j]).sum();
            assert!((product - change[i]).abs() < 1e-14);
            for j in 0..3 {
                assert!((hessian[j * 3 + i] - hessian[i * 3 + j]).abs() < 1e-15);
            }
        }
        assert!(Cholesky::new(&hessian, 3).is_some());
        let kept = hessian.clone();
        secant_update(&mut hessian, &step, &[-0.9, 1.3, -0.4]);
        assert_eq!(hessian, kept, "a convex loss has no negative curvature");
    }

    #[test]
    fn a_fixed_intercept_does_not_move() {
        let (zero, current) = ([0.0; 3], [0.0; 3]);
        let fixed = Quadratic {
            intercept: false,
            ..model(&zero, &zero, &current)
        };
        assert_eq!(fixed.step().unwrap()[2], 0.0);
        assert_eq!(fixed.descend()[2], 0.0);
    }
}
