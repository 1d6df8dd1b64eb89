//! What a penalised fit is asked, and what it finds.

use serde::{Deserialize, Serialize};

use crate::kernel::linear::pass::Point;

/// What is minimised, and where to stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Problem {
    /// Sum of weights.
    pub(crate) weight: f64,
    /// Penalty factors of the terms.
    pub(crate) l1: Vec<f64>,
    pub(crate) l2: Vec<f64>,
    /// Terms whose coefficient is fixed at zero.
    pub(crate) excluded: Vec<bool>,
    pub(crate) intercept: bool,
    pub(crate) strengths: Strengths,
    /// Largest optimality gap of a solution, on the scale of standardised terms.
    pub(crate) tolerance: f64,
    /// Newton steps per strength.
    pub(crate) max_iterations: usize,
}

/// The strengths of a path, largest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Strengths {
    Given(Vec<f64>),
    /// `n` values from the smallest one without active terms down to `ratio` times it.
    Automatic {
        n: usize,
        ratio: f64,
    },
}

/// The solution at one strength.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Solution {
    pub(crate) strength: f64,
    pub(crate) point: Point,
    /// Mean loss without penalty.
    pub(crate) loss: f64,
    /// Optimality gap on all terms.
    pub(crate) gap: f64,
    pub(crate) iterations: usize,
    pub(crate) converged: bool,
    /// Largest absolute linear predictor.
    pub(crate) widest: f64,
}
