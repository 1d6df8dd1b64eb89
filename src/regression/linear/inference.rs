//! Covariance of the coefficients, from the triangular factor alone.

use super::columns::{Plan, Solution};
use super::params::Covariance;
use super::rounds::{LinearLocal, LinearOutcome, scale};
use crate::error::{ErrorKind, Result};
use crate::estimator::KeyColumn;
use crate::kernel::linear::clusters::PatientScores;
use crate::numeric::linalg::{divide_columns, mirror_lower, sandwich};

/// `T R^-1` (`k x k`, column-major) where `T` takes standardised coefficients to raw ones: its
/// rows squared and summed are the diagonal of `(X'X)^-1`, without a difference that cancels.
pub(super) fn rooted_inverse(plan: &Plan, solution: &Solution) -> Vec<f64> {
    let k = solution.point.len();
    let ones = plan.ones();
    let mut matrix = vec![0.0; k * k];
    if plan.intercept {
        matrix[0] = 1.0;
    }
    for (position, term) in solution.kept.iter().enumerate() {
        let shape = plan.shapes[*term as usize];
        let column = position + ones;
        matrix[column * k + column] = 1.0 / shape.spread;
        if plan.intercept {
            matrix[column * k] = -shape.center / shape.spread;
        }
    }
    divide_columns(&mut matrix, k, &solution.r, k);
    matrix
}

/// Sum over patients of the outer product of their summed scores: lower triangle, and the number
/// of patients.
pub(super) fn meat_by_patient(
    locals: &[LinearLocal],
    outcome: &LinearOutcome,
    patients: &KeyColumn,
) -> Result<(Vec<f64>, usize)> {
    let k = outcome.solution.point.len();
    let mut scores = PatientScores::new(k);
    let mut first = 0;
    for (block, part) in locals.iter().flat_map(LinearLocal::pieces) {
        let (q, residuals) = outcome.plan.orthogonal_rows(block, &outcome.solution, part);
        let n = block.n_rows;
        for (row, residual) in residuals.iter().enumerate() {
            let weight = part.weights[row];
            if let Some(code) = patients.codes().get(first + row).filter(|_| weight > 0.0) {
                scores.add(*code, |j| q[j * n + row] * weight.sqrt() * residual);
            }
        }
        first += n;
    }
    scores.meat()
}

/// The covariance of the coefficients in original units (`k x k`).
pub(super) fn covariance(
    outcome: &LinearOutcome,
    kind: Covariance,
    patients: Option<(&[f64], usize)>,
) -> Result<Vec<f64>> {
    let plan = &outcome.plan;
    let k = outcome.solution.point.len();
    let count = outcome.df + k as f64;
    let (meat, factor) = match (kind, patients, &outcome.meat) {
        (Covariance::Model, _, _) => (None, outcome.residual_squares / outcome.df),
        (Covariance::ByPatient, Some((meat, groups)), _) => {
            let groups = groups as f64;
            let factor = groups / (groups - 1.0) * ((count - 1.0) / outcome.df);
            (Some(meat.to_vec()), factor)
        }
        (Covariance::Hc1, _, Some(meat)) => (Some(meat.clone()), count / outcome.df),
        (_, _, Some(meat)) => (Some(meat.clone()), 1.0),
        _ => return Err(ErrorKind::Schema("no scores for this covariance".into()).into()),
    };
    let middle = match meat {
        Some(mut meat) => {
            mirror_lower(&mut meat, k);
            meat
        }
        None => (0..k * k).map(|at| f64::from(at % (k + 1) == 0)).collect(),
    };
    let mut matrix = sandwich(&rooted_inverse(plan, &outcome.solution), &middle, k);
    mirror_lower(&mut matrix, k);
    let units = units(plan, &outcome.solution.kept);
    for column in 0..k {
        for row in 0..k {
            let value = &mut matrix[column * k + row];
            *value = *value * factor * units[row] * units[column];
            if !value.is_finite() {
                return Err(scale("target"));
            }
        }
    }
    Ok(matrix)
}

/// Powers of two that take coefficients of the exact design to original units.
pub(super) fn units(plan: &Plan, kept: &[u32]) -> Vec<f64> {
    let terms = plan.encoder.terms();
    let intercept = plan.intercept.then_some(plan.unit);
    intercept
        .into_iter()
        .chain(
            kept.iter()
                .map(|term| plan.unit / terms[*term as usize].scale),
        )
        .collect()
}
