//! What goes between the coordinator of a logistic fit and the holders of rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::design::encode::Encoder;
use crate::design::fills::{FillQuestion, FillSums};
use crate::design::statistics::{Statistics, Tally};
use crate::error::{ErrorKind, Result};
use crate::estimator::rounds::Partial;
use crate::kernel::linear::factor::Factor;
use crate::kernel::linear::pass::{Point, Request, Sums};
use crate::kernel::linear::problem::Solution;

/// Everything that preparation fixed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) encoder: Encoder,
    /// The two classes, non-event first where the event is named.
    pub(super) classes: [String; 2],
    pub(super) factors: [f64; 2],
    pub(super) offset: Option<String>,
}

/// What a round asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogisticQuestion(pub(super) Ask);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Ask {
    Prepare,
    Fill(FillQuestion),
    Sums(Arc<Plan>, Request),
    Rank(Arc<Plan>),
    Separation(Arc<Plan>, Point),
    Information(Arc<Plan>, Point, Vec<u32>),
}

/// What a batch answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogisticPartial(pub(super) Answer);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Answer {
    Prepared(Statistics, BTreeMap<String, Tally>),
    Fill(FillSums),
    Sums(Sums),
    Rank(u64, Factor),
    Separation(Margins),
    Information(Information),
}

/// Margins `(2y - 1) z d` along a direction.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Margins {
    pub(super) rows: u64,
    pub(super) smallest: f64,
    pub(super) largest: f64,
}

/// Factor of the expected information, gradient and sum of squared scores.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Information {
    pub(super) rows: u64,
    pub(super) factor: Factor,
    pub(super) gradient: Vec<f64>,
    pub(super) meat: Vec<f64>,
}

/// What the rounds conclude.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticOutcome {
    pub(super) plan: Arc<Plan>,
    pub(super) solutions: Vec<Solution>,
    pub(super) null_loss: f64,
    pub(super) weight: f64,
    pub(super) n_rows: u64,
    pub(super) n_events: u64,
    pub(super) smallest_level: u64,
    /// Terms without a coefficient of their own: constant or combinations of others.
    pub(super) excluded: Vec<bool>,
    pub(super) separated: Vec<String>,
    pub(super) information: Option<(Vec<u32>, Information)>,
}

impl Partial for LogisticPartial {
    fn merge(self, other: Self) -> Result<Self> {
        let differ = || ErrorKind::Schema("partials of different rounds or schemas".into());
        Ok(Self(match (self.0, other.0) {
            (Answer::Prepared(a, mut classes), Answer::Prepared(b, more)) => {
                for (class, tally) in more {
                    let slot = classes.entry(class).or_default();
                    slot.rows += tally.rows;
                    slot.weight += tally.weight;
                }
                Answer::Prepared(a.merge(b)?, classes)
            }
            (Answer::Fill(a), Answer::Fill(b)) => Answer::Fill(a.merge(b)?),
            (Answer::Sums(a), Answer::Sums(b)) => Answer::Sums(a.merge(b).ok_or_else(differ)?),
            (Answer::Rank(n, a), Answer::Rank(m, b)) => {
                Answer::Rank(n + m, a.merge(b).ok_or_else(differ)?)
            }
            (Answer::Separation(a), Answer::Separation(b)) => Answer::Separation(Margins {
                rows: a.rows + b.rows,
                smallest: a.smallest.min(b.smallest),
                largest: a.largest.max(b.largest),
            }),
            (Answer::Information(a), Answer::Information(b)) => Answer::Information(Information {
                rows: a.rows + b.rows,
                factor: a.factor.merge(b.factor).ok_or_else(differ)?,
                gradient: add(a.gradient, b.gradient).ok_or_else(differ)?,
                meat: add(a.meat, b.meat).ok_or_else(differ)?,
            }),
            _ => return Err(differ().into()),
        }))
    }

    fn n_rows(&self) -> u64 {
        match &self.0 {
            Answer::Prepared(statistics, _) => statistics.rows,
            Answer::Fill(sums) => sums.n_rows(),
            Answer::Sums(sums) => sums.rows,
            Answer::Rank(rows, _) => *rows,
            Answer::Separation(margins) => margins.rows,
            Answer::Information(information) => information.rows,
        }
    }

    fn smallest_count(&self) -> u64 {
        match &self.0 {
            Answer::Prepared(statistics, classes) => classes
                .values()
                .map(|tally| tally.rows)
                .filter(|rows| *rows > 0)
                .fold(statistics.smallest_count(), u64::min),
            Answer::Fill(sums) => sums.smallest_count(),
            _ => self.n_rows(),
        }
    }

    fn n_numbers(&self) -> usize {
        match &self.0 {
            Answer::Prepared(statistics, classes) => statistics.n_numbers() + classes.len(),
            Answer::Fill(sums) => sums.n_numbers(),
            Answer::Sums(sums) => sums.gradient.len() + 2 + sums.gram.len() / 2,
            Answer::Rank(_, factor) => factor.r.len() / 2,
            Answer::Separation(_) => 2,
            Answer::Information(information) => information.factor.r.len(),
        }
    }
}

/// Sums of both, either of which may still be empty; `None` when their lengths differ.
pub(super) fn add(mut a: Vec<f64>, b: Vec<f64>) -> Option<Vec<f64>> {
    if a.is_empty() || b.is_empty() {
        return Some(if a.is_empty() { b } else { a });
    }
    if a.len() != b.len() {
        return None;
    }
    a.iter_mut().zip(&b).for_each(|(x, y)| *x += y);
    Some(a)
}
