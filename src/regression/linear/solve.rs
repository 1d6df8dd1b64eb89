//! Small algebra of the coordinator: which columns carry, and steps between the two scales.

use super::columns::{Plan, Solution};
use super::rounds::LinearOutcome;
use crate::kernel::linear::factor::Factor;
use crate::numeric::linalg::qr_factor;
use crate::numeric::twofold::Twofold;

/// Relative change of a coefficient at which refinement ends: the next one would be smaller by
/// the condition number times 1e-16.
pub(super) const SETTLED: f64 = 1e-9;

/// Columns of a factor (its last one, the target, apart) that are no combinations of earlier kept
/// ones, and the factor of these and the target.
pub(super) fn independent(
    factor: &Factor,
    width: usize,
    tolerances: &[f64],
) -> (Vec<usize>, Vec<f64>) {
    let k = factor.k;
    let column = |j: usize| &factor.r[j * k..(j + 1) * k];
    let lengths: Vec<f64> = (0..width)
        .map(|j| {
            column(j)
                .iter()
                .fold(0.0_f64, |sum, value| sum.hypot(*value))
        })
        .collect();
    let mut kept: Vec<usize> = (0..width).collect();
    loop {
        let size = kept.len() + 1;
        let part: Vec<f64> = kept
            .iter()
            .chain([&width])
            .flat_map(|j| column(*j).iter().copied())
            .collect();
        let r = qr_factor(&part, k, size);
        let dependent = (0..kept.len()).find(|&position| {
            let own = lengths[kept[position]];
            own == 0.0 || r[position * size + position].abs() <= tolerances[kept[position]] * own
        });
        match dependent {
            Some(position) => {
                kept.remove(position);
            }
            None => return (kept, r),
        }
    }
}

/// A step on standardised columns as one on raw columns.
pub(super) fn raw_step(plan: &Plan, kept: &[u32], step: &[f64]) -> Vec<f64> {
    let mut raw = step.to_vec();
    let mut shift = 0.0;
    for (slot, term) in raw.iter_mut().skip(plan.ones()).zip(kept) {
        let shape = plan.shapes[*term as usize];
        *slot /= shape.spread;
        shift += *slot * shape.center;
    }
    if plan.intercept {
        raw[0] -= shift;
    }
    raw
}

pub(super) fn add_step(plan: &Plan, solution: &mut Solution, step: &[f64]) {
    let raw = raw_step(plan, &solution.kept, step);
    for (coefficient, change) in solution.point.iter_mut().zip(raw) {
        *coefficient = coefficient.plus(Twofold::of(change));
    }
}

/// Whether a step is small beside the largest standardised coefficient.
pub(super) fn is_small(outcome: &LinearOutcome, step: &[f64]) -> bool {
    let plan = &outcome.plan;
    let slopes = &outcome.solution.point[plan.ones()..];
    let largest = outcome
        .solution
        .kept
        .iter()
        .zip(slopes)
        .map(|(term, b)| (b.hi * plan.shapes[*term as usize].spread).abs())
        .fold(plan.target.spread, f64::max);
    step.iter().all(|value| value.abs() <= SETTLED * largest)
}

/// The term that is nearest to a combination of earlier ones.
pub(super) fn weakest(outcome: &LinearOutcome) -> String {
    let (r, k) = (&outcome.solution.r, outcome.solution.point.len());
    let ones = outcome.plan.ones();
    let own = |j: usize| {
        let length = r[j * k..=j * k + j]
            .iter()
            .fold(0.0_f64, |sum, v| sum.hypot(*v));
        (r[j * k + j] / length).abs()
    };
    (ones..k)
        .min_by(|a, b| own(*a).total_cmp(&own(*b)))
        .map(|j| outcome.solution.kept[j - ones] as usize)
        .map_or_else(String::new, |term| {
            outcome.plan.encoder.terms()[term].name.clone()
        })
}
