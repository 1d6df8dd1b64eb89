//! What travels between the coordinator and the rows: questions, and answers that merge.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::columns::{Plan, Residuals, Solution};
use crate::design::fills::{FillQuestion, FillSums};
use crate::design::statistics::Statistics;
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::rounds::Partial;
use crate::kernel::linear::factor::Factor;
use crate::numeric::moments::Moments;

/// What a round asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LinearQuestion(pub(super) Ask);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Ask {
    Prepare,
    Fill(FillQuestion),
    /// The factor of these terms and the target.
    Factor(Arc<Plan>, Vec<u32>),
    Refine(Arc<Plan>, Solution),
    Scores(Arc<Plan>, Solution),
}

/// What a batch answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LinearPartial(pub(super) Answer);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Answer {
    Prepared(Statistics, TargetSums),
    Fill(FillSums),
    Factor(u64, Factor),
    Residuals(Residuals),
    Scores(Scores),
}

/// Sums of the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct TargetSums {
    pub(super) rows: u64,
    pub(super) moments: Moments,
    pub(super) varies: bool,
}

/// Squared scores in the basis of orthonormal columns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Scores {
    pub(super) rows: u64,
    pub(super) k: usize,
    pub(super) meat: Vec<f64>,
}

impl TargetSums {
    pub(super) fn of(target: &[f64], weights: &[f64]) -> Self {
        let (mut values, mut counted) = (Vec::new(), Vec::new());
        for (value, weight) in target.iter().zip(weights).filter(|(_, w)| **w > 0.0) {
            values.push(*value + 0.0);
            counted.push(*weight);
        }
        Self {
            rows: values.len() as u64,
            moments: Moments::of(&values, Some(&counted)),
            varies: values.iter().any(|value| *value != values[0]),
        }
    }
}

pub(super) fn differ() -> Error {
    ErrorKind::Schema("partials of different rounds or schemas".into()).into()
}

impl Partial for LinearPartial {
    fn merge(self, other: Self) -> Result<Self> {
        Ok(Self(match (self.0, other.0) {
            (Answer::Prepared(a, y), Answer::Prepared(b, z)) => {
                let apart = y.rows > 0 && z.rows > 0 && y.moments.mean != z.moments.mean;
                let sums = TargetSums {
                    rows: y.rows + z.rows,
                    moments: y.moments.merge(z.moments),
                    varies: y.varies || z.varies || apart,
                };
                Answer::Prepared(a.merge(b)?, sums)
            }
            (Answer::Fill(a), Answer::Fill(b)) => Answer::Fill(a.merge(b)?),
            (Answer::Factor(n, a), Answer::Factor(m, b)) => {
                Answer::Factor(n + m, a.merge(b).ok_or_else(differ)?)
            }
            (Answer::Residuals(a), Answer::Residuals(b)) => Answer::Residuals(a.merge(b)?),
            (Answer::Scores(mut a), Answer::Scores(b)) => {
                if a.k != b.k || a.meat.len() != b.meat.len() {
                    return Err(differ());
                }
                a.rows += b.rows;
                a.meat.iter_mut().zip(&b.meat).for_each(|(x, y)| *x += y);
                Answer::Scores(a)
            }
            _ => return Err(differ()),
        }))
    }

    fn n_rows(&self) -> u64 {
        match &self.0 {
            Answer::Prepared(_, target) => target.rows,
            Answer::Fill(sums) => sums.n_rows(),
            Answer::Factor(rows, _) => *rows,
            Answer::Residuals(sums) => sums.rows,
            Answer::Scores(scores) => scores.rows,
        }
    }

    fn smallest_count(&self) -> u64 {
        match &self.0 {
            Answer::Prepared(statistics, _) => statistics.smallest_count(),
            Answer::Fill(sums) => sums.smallest_count(),
            _ => self.n_rows(),
        }
    }

    fn n_numbers(&self) -> usize {
        match &self.0 {
            Answer::Prepared(statistics, _) => statistics.n_numbers() + 3,
            Answer::Fill(sums) => sums.n_numbers(),
            Answer::Factor(_, factor) => factor.k * (factor.k + 1) / 2,
            Answer::Residuals(sums) => sums.gradient.len() + 1,
            Answer::Scores(scores) => scores.k * (scores.k + 1) / 2,
        }
    }
}
