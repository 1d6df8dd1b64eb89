//! What slopes teach a path: the curvature along its last step, and whole steps where a ridge
//! penalty stands on more terms than a working set holds.

use super::{Path, Trial};
use crate::kernel::linear::pass::Point;
use crate::kernel::linear::quadratic::secant_update;
use crate::kernel::linear::slopes::difference;

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

    /// Mean gradient of the working set and the intercept.
    pub(super) fn set_slope(&self) -> Vec<f64> {
        let set = self.set.iter().map(|term| self.gradient[*term as usize]);
        set.chain([self.gradient_intercept]).collect()
    }

    /// Takes what an accepted step has shown of the curvature into the kept Hessian.
    pub(super) fn correct(&mut self, before: &[f64], trial: &Trial) {
        let (step, set) = (&trial.step, self.set.iter());
        let moved: Vec<f64> = set
            .map(|term| step.coefficients[*term as usize])
            .chain([step.intercept])
            .map(|value| trial.length * value)
            .collect();
        let change = difference(&self.set_slope(), before);
        secant_update(&mut self.hessian, &moved, &change);
    }
}
