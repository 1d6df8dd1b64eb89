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
const MAX_SWEEPS: usize = 10_000;

/// Change of a coordinate, in units of its own curvature, below which a sweep counts as quiet;
/// relative to the largest change of the first sweep.
const QUIET: f64 = 1e-10;

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

    fn descend(&self) -> Vec<f64> {
        let k = self.gradient.len();
        let mut slope = self.gradient.to_vec();
        let mut step = vec![0.0; k];
        let movable: Vec<usize> = (0..k)
            .filter(|j| self.hessian[j * k + j] > 0.0 && (*j + 1 < k || self.intercept))
            .collect();
        let mut first = 0.0_f64;
        let mut active: Vec<usize> = Vec::new();
        let mut sweeps = 0;
        // Full sweeps find the active terms; sweeps over those alone settle them.
        while sweeps < MAX_SWEEPS {
            let change = self.sweep(&movable, &mut step, &mut slope);
            sweeps += 1;
            if sweeps == 1 {
                first = change;
            }
            if change <= QUIET * first || change == 0.0 {
                break;
            }
            active.clear();
            active.extend(
                movable
                    .iter()
                    .copied()
                    .filter(|&j| self.l1[j] == 0.0 || self.current[j] + step[j] != 0.0),
            );
            while sweeps < MAX_SWEEPS {
                sweeps += 1;
                if self.sweep(&active, &mut step, &mut slope) <= QUIET * first {
                    break;
                }
            }
        }
        step
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
