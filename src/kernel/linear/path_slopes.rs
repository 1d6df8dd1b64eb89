//! The steps of a path whose ridge penalty stands on more terms than a working set holds.

use super::Path;
use crate::kernel::linear::pass::Point;

impl Path {
    /// Whether steps are found without a Gram matrix: a ridge penalty on very many terms.
    pub(super) fn by_slopes(&self) -> bool {
        self.slopes.is_some() && self.at.is_some()
    }

    /// Coefficients and, last, the intercept.
    pub(super) fn flat(&self) -> Vec<f64> {
        let mut flat = self.point.coefficients.clone();
        flat.push(self.point.intercept);
        flat
    }

    /// The slope of the objective without an l1 part along [`Self::flat`]; 0 for what may not move.
    pub(super) fn slope(&self) -> Vec<f64> {
        let strength = self.strength();
        let mut slope: Vec<f64> = (0..self.gradient.len())
            .map(|j| {
                if self.problem.excluded[j] {
                    return 0.0;
                }
                self.gradient[j] + strength * self.problem.l2[j] * self.point.coefficients[j]
            })
            .collect();
        slope.push(if self.problem.intercept {
            self.gradient_intercept
        } else {
            0.0
        });
        slope
    }

    /// The step from the last slopes and its predicted change of the objective.
    pub(super) fn step_by_slopes(&self) -> Option<(Point, f64)> {
        let slope = self.slope();
        let largest = self.problem.l2.iter().fold(0.0_f64, |m, l2| m.max(*l2));
        let of_ones = self.hessian.last().copied().unwrap_or(1.0);
        let mut step = self
            .slopes
            .as_ref()?
            .step(&slope, of_ones + self.strength() * largest);
        let predicted: f64 = slope.iter().zip(&step).map(|(a, b)| a * b).sum();
        let intercept = step.pop()?;
        // NaN and uphill alike: no useful step.
        (predicted < 0.0).then_some((
            Point {
                intercept,
                coefficients: step,
            },
            predicted,
        ))
    }
}
