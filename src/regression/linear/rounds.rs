//! The fit as rounds: prepare, fill, factor, refine, and gather scores where they are asked for.
//!
//! ```text
//! prepare    levels, means, spreads of columns and target
//! fill       medians or most frequent values, where the preparation wants them
//! factor     R of [1 Z y] on standardised columns, merged over chunks (TSQR): first solution, rank
//! refine     r = y - X b with twice the digits on the raw columns; b += (R'R)^-1 X'r
//!            again until b stands still
//! scores     leverages and squared scores for robust covariances
//! ```
//!
//! The correction is that of the corrected seminormal equations (Bjorck, Linear Algebra Appl.
//! 88/89, 1987, doi 10.1016/0024-3795(87)90101-7); with residuals of twice the digits each step
//! gains about as many digits as the condition number leaves.

use std::sync::Arc;

use super::columns::{Outcome, Plan, Residuals, Shape, Solution};
use super::messages::{Answer, Ask, LinearPartial, LinearQuestion, Scores, TargetSums, differ};
use super::params::{Covariance, LinearRegressionValidParams, NAME, RowWeights};
use super::solve::{SETTLED, add_step, independent, is_small, raw_step, weakest};
use crate::design::Coding;
use crate::design::block::{Block, Design};
use crate::design::encode::{Encoder, power_of_two};
use crate::design::fills::FillSearch;
use crate::design::statistics::Statistics;
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::Schema;
use crate::estimator::rounds::{Batch, Next, Rounds, TargetBatch};
use crate::kernel::linear::factor::Factor;
use crate::numeric::linalg::{gram_add, reciprocal_condition, solve_upper, solve_upper_transposed};
use crate::numeric::twofold::Twofold;

/// Largest number of columns of a fit: its factors are dense.
const MAX_COLUMNS: usize = 2048;

/// Share of a centred column that rounding of its raw values may make up, times its size over its
/// spread; columns shorter than that after projection are noise.
const ROUNDING: f64 = 64.0 * f64::EPSILON;

/// Change in standard errors below which a coefficient near zero counts as settled.
const SETTLED_ERRORS: f64 = 1e-12;

/// Change of fitted values relative to the target below which nothing is left to refine.
const NOTHING: f64 = 1e-24;

/// Limit of refinements.
const MAX_REFINEMENTS: usize = 30;

/// Distance of a leverage from one below which a squared residual cannot be corrected.
const FULL_LEVERAGE: f64 = 1e-10;

/// A linear fit over rounds; see [`crate::estimator::rounds`].
#[derive(Debug, Clone)]
pub struct LinearRounds {
    pub(super) params: LinearRegressionValidParams,
    pub(super) schema: Schema,
    pub(super) positional: bool,
}

/// What the rounds conclude.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearOutcome {
    pub(super) plan: Arc<Plan>,
    pub(super) solution: Solution,
    /// Terms without a coefficient: constant, or combinations of earlier ones.
    pub(super) aliased: Vec<u32>,
    pub(super) n_rows: u64,
    pub(super) weight: f64,
    pub(super) df: f64,
    /// Squares of the target over its unit: residual, about the mean, about zero.
    pub(super) residual_squares: f64,
    pub(super) centred_squares: f64,
    pub(super) total_squares: f64,
    pub(super) reciprocal_condition: f64,
    pub(super) refinements: usize,
    pub(super) smallest_level: u64,
    /// Lower triangle of the squared scores, without a correction for the number of rows.
    pub(super) meat: Option<Vec<f64>>,
}

/// What the coordinator remembers.
#[derive(Debug, Default)]
pub struct LinearState {
    /// What preparation learnt, while fill values are still searched for.
    prepared: Option<(Statistics, TargetSums)>,
    fills: Option<FillSearch>,
    outcome: Option<LinearOutcome>,
    target: TargetSums,
    smallest_level: u64,
    previous: Option<f64>,
}

/// What a batch keeps: its design, target and weights.
#[derive(Debug, Default)]
pub struct LinearLocal {
    design: Option<Design>,
    target: Vec<f64>,
    weights: Vec<f64>,
}

impl LinearLocal {
    /// The blocks with their outcomes.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (&Block, Outcome<'_>)> {
        let blocks = self.design.iter().flat_map(|design| &design.blocks);
        let mut start = 0;
        blocks.map(move |block| {
            let range = start..start + block.n_rows;
            start = range.end;
            let outcome = Outcome {
                target: &self.target[range.clone()],
                weights: &self.weights[range],
            };
            (block, outcome)
        })
    }
}

impl Rounds for LinearRounds {
    type Question = LinearQuestion;
    type State = LinearState;
    type Partial = LinearPartial;
    type Local = LinearLocal;
    type Outcome = LinearOutcome;

    fn open(&self) -> Result<(Self::Question, Self::State)> {
        Ok((LinearQuestion(Ask::Prepare), LinearState::default()))
    }

    fn answer(
        &self,
        question: &Self::Question,
        batch: &Batch<'_>,
        local: &mut Self::Local,
    ) -> Result<Self::Partial> {
        let answer = match &question.0 {
            Ask::Prepare => {
                let (target, weights) = target_and_weights(batch)?;
                Answer::Prepared(
                    Statistics::of(&self.schema, batch)?,
                    TargetSums::of(&target, &weights),
                )
            }
            Ask::Fill(question) => Answer::Fill(question.answer(&self.schema, batch)?),
            Ask::Factor(plan, set) => {
                prepare(plan, batch, local)?;
                let k = plan.ones() + set.len() + 1;
                let mut factor = Factor::default();
                for (block, outcome) in local.pieces() {
                    let columns = plan.rooted_columns(block, set, outcome, true);
                    let part = Factor::of(&columns, block.n_rows, k);
                    factor = factor.merge(part).ok_or_else(differ)?;
                }
                Answer::Factor(rows_of(&local.weights), factor)
            }
            Ask::Refine(plan, solution) => {
                prepare(plan, batch, local)?;
                let mut sums = Residuals {
                    gradient: vec![Twofold::default(); solution.point.len()],
                    ..Residuals::default()
                };
                let mut raw = Vec::new();
                for (block, outcome) in local.pieces() {
                    plan.add_residuals(block, solution, outcome, &mut raw, &mut sums);
                }
                Answer::Residuals(sums)
            }
            Ask::Scores(plan, solution) => {
                prepare(plan, batch, local)?;
                let k = solution.point.len();
                let mut scores = Scores {
                    rows: rows_of(&local.weights),
                    k,
                    meat: vec![0.0; k * k],
                };
                for (block, outcome) in local.pieces() {
                    self.add_scores(plan, block, solution, outcome, &mut scores.meat)?;
                }
                Answer::Scores(scores)
            }
        };
        Ok(LinearPartial(answer))
    }

    fn conclude(
        &self,
        state: &mut Self::State,
        question: Self::Question,
        total: Self::Partial,
    ) -> Result<Next<Self::Question, Self::Outcome>> {
        match (question.0, total.0) {
            (Ask::Prepare, Answer::Prepared(statistics, target)) => {
                match FillSearch::start(&self.schema, &self.params.preparation) {
                    None => self.conclude_preparation(state, &statistics, target, None),
                    Some((search, question)) => {
                        state.prepared = Some((statistics, target));
                        state.fills = Some(search);
                        Ok(ask(Ask::Fill(question)))
                    }
                }
            }
            (Ask::Fill(_), Answer::Fill(sums)) => {
                match state.fills.as_mut().ok_or_else(early)?.advance(&sums)? {
                    Next::Ask(question) => Ok(ask(Ask::Fill(question))),
                    Next::Done(fills) => {
                        let (statistics, target) = state.prepared.take().ok_or_else(early)?;
                        self.conclude_preparation(state, &statistics, target, Some(&fills))
                    }
                }
            }
            (Ask::Factor(plan, set), Answer::Factor(_, factor)) => {
                let outcome = self.first_solution(state, plan, &set, &factor)?;
                let next = Ask::Refine(Arc::clone(&outcome.plan), outcome.solution.clone());
                state.outcome = Some(outcome);
                Ok(ask(next))
            }
            (Ask::Refine(..), Answer::Residuals(sums)) => self.refine(state, &sums),
            (Ask::Scores(..), Answer::Scores(scores)) => {
                let mut outcome = state.outcome.take().ok_or_else(early)?;
                outcome.meat = Some(scores.meat);
                Ok(Next::Done(outcome))
            }
            _ => Err(ErrorKind::Schema("answer of another round".into()).into()),
        }
    }
}

fn ask(question: Ask) -> Next<LinearQuestion, LinearOutcome> {
    Next::Ask(LinearQuestion(question))
}

fn early() -> Error {
    ErrorKind::Schema("answer before its question".into()).into()
}

fn rows_of(weights: &[f64]) -> u64 {
    weights.iter().filter(|weight| **weight > 0.0).count() as u64
}

/// Target and weights of a batch.
fn target_and_weights(batch: &Batch<'_>) -> Result<(Vec<f64>, Vec<f64>)> {
    let TargetBatch::Values(values) = batch.target else {
        return Err(ErrorKind::TargetKind {
            what: NAME,
            expected: "numbers".into(),
            found: "another kind of target".into(),
        }
        .into());
    };
    let range = batch.range.clone();
    let target = values[range.clone()].to_vec();
    if let Some(offset) = target.iter().position(|value| !value.is_finite()) {
        return Err(ErrorKind::NonFinite {
            what: "target",
            row: Some(range.start + offset),
            column: None,
            rule: "finite values",
        }
        .into());
    }
    let weights = match batch.weights {
        Some(weights) => weights[range].to_vec(),
        None => vec![1.0; target.len()],
    };
    Ok((target, weights))
}

/// Makes the design of a batch, once.
fn prepare(plan: &Plan, batch: &Batch<'_>, local: &mut LinearLocal) -> Result<()> {
    if local.design.is_some() {
        return Ok(());
    }
    let (mut target, weights) = target_and_weights(batch)?;
    target.iter_mut().for_each(|value| *value /= plan.unit);
    local.design = Some(plan.encoder.apply(batch.rows, batch.range.clone())?);
    local.target = target;
    local.weights = weights;
    Ok(())
}

impl LinearRounds {
    fn conclude_preparation(
        &self,
        state: &mut LinearState,
        statistics: &Statistics,
        target: TargetSums,
        fills: Option<&[f64]>,
    ) -> Result<Next<LinearQuestion, LinearOutcome>> {
        let (plan, set) = self.plan(statistics, target, fills)?;
        state.target = target;
        state.smallest_level = statistics.smallest_count();
        Ok(ask(Ask::Factor(Arc::new(plan), set)))
    }

    fn plan(
        &self,
        statistics: &Statistics,
        target: TargetSums,
        fills: Option<&[f64]>,
    ) -> Result<(Plan, Vec<u32>)> {
        if target.rows == 0 {
            return Err(ErrorKind::NoEffectiveRows { what: NAME }.into());
        }
        let preparation = &self.params.preparation;
        let encoder = Encoder::conclude(
            &self.schema,
            self.positional,
            preparation,
            preparation.coding.unwrap_or(Coding::Reference),
            statistics,
            fills,
        )?;
        let intercept = self.params.intercept;
        let columns = encoder.n_terms() + usize::from(intercept);
        if columns > MAX_COLUMNS {
            return Err(ErrorKind::TooLarge {
                what: "factor of a least-squares fit",
                bytes: 8 * (columns as u64).pow(2),
                ceiling: 8 * (MAX_COLUMNS as u64).pow(2),
            }
            .into());
        }
        let exact = encoder.clone().exact();
        let mut set = Vec::new();
        let mut shapes = Vec::with_capacity(encoder.n_terms());
        for (number, (term, raw)) in encoder.terms().iter().zip(exact.terms()).enumerate() {
            let spread = if term.constant { 0.0 } else { term.scale };
            let (center, spread) = if intercept {
                (term.mean, spread)
            } else {
                (0.0, term.mean.hypot(spread))
            };
            if spread > 0.0 {
                set.push(number as u32);
            }
            shapes.push(Shape {
                center: center / raw.scale,
                spread: if spread > 0.0 {
                    spread / raw.scale
                } else {
                    1.0
                },
            });
        }
        let varying = set.len() + usize::from(intercept);
        if varying as u64 >= target.rows {
            return Err(underdetermined(varying, target.rows));
        }
        let moments = target.moments;
        let size = moments.mean.hypot(moments.variance().sqrt());
        let total = size * size * moments.weight;
        if !total.is_finite() || (target.varies && moments.squares <= 0.0) {
            return Err(scale("target"));
        }
        let unit = power_of_two(size);
        let spread = if intercept {
            moments.variance().sqrt()
        } else {
            size
        };
        let plan = Plan {
            encoder: exact,
            shapes,
            intercept,
            target: Shape {
                center: if intercept { moments.mean / unit } else { 0.0 },
                spread: if spread > 0.0 { spread / unit } else { 1.0 },
            },
            unit,
        };
        Ok((plan, set))
    }

    /// Rank, conditioning and the solution from the factor.
    fn first_solution(
        &self,
        state: &LinearState,
        plan: Arc<Plan>,
        set: &[u32],
        factor: &Factor,
    ) -> Result<LinearOutcome> {
        let width = plan.ones() + set.len();
        if factor.k != width + 1 {
            return Err(differ());
        }
        let tolerances: Vec<f64> = (0..width)
            .map(|column| {
                let Some(term) = column.checked_sub(plan.ones()) else {
                    return 0.0;
                };
                let shape = plan.shapes[set[term] as usize];
                let size = (shape.center.abs() + shape.spread) / shape.spread;
                self.params.tolerance.max(ROUNDING * size)
            })
            .collect();
        let (columns, whole) = independent(factor, width, &tolerances);
        let k = columns.len();
        let kept: Vec<u32> = columns
            .iter()
            .filter_map(|column| column.checked_sub(plan.ones()))
            .map(|position| set[position])
            .collect();
        // The last column holds Q'y.
        let r: Vec<f64> = (0..k)
            .flat_map(|column| {
                whole[column * (k + 1)..column * (k + 1) + k]
                    .iter()
                    .copied()
            })
            .collect();
        let mut step = whole[k * (k + 1)..k * (k + 1) + k].to_vec();
        solve_upper(&r, k, &mut step);
        step.iter_mut()
            .for_each(|value| *value *= plan.target.spread);
        let moments = state.target.moments;
        let count = match self.params.row_weights {
            RowWeights::Copies => moments.weight,
            RowWeights::Precision => state.target.rows as f64,
        };
        let df = count - k as f64;
        if df <= 0.0 {
            return Err(underdetermined(k, count as u64));
        }
        let mut point = vec![Twofold::default(); k];
        if plan.intercept {
            point[0] = Twofold::of(plan.target.center);
        }
        let mut solution = Solution { kept, point, r };
        add_step(&plan, &mut solution, &step);
        let centred = moments.squares / plan.unit / plan.unit;
        let mean = moments.mean / plan.unit;
        let aliased = (0..plan.shapes.len() as u32)
            .filter(|term| !solution.kept.contains(term))
            .collect();
        Ok(LinearOutcome {
            reciprocal_condition: reciprocal_condition(&solution.r, k),
            solution,
            aliased,
            n_rows: state.target.rows,
            weight: moments.weight,
            df,
            residual_squares: 0.0,
            centred_squares: centred,
            total_squares: centred + mean * mean * moments.weight,
            refinements: 0,
            smallest_level: state.smallest_level,
            meat: None,
            plan,
        })
    }

    /// Corrects the solution by what its residuals leave.
    fn refine(
        &self,
        state: &mut LinearState,
        sums: &Residuals,
    ) -> Result<Next<LinearQuestion, LinearOutcome>> {
        let mut outcome = state.outcome.take().ok_or_else(early)?;
        let plan = Arc::clone(&outcome.plan);
        let k = outcome.solution.point.len();
        if sums.gradient.len() != k {
            return Err(differ());
        }
        let mut step: Vec<f64> = Vec::with_capacity(k);
        if plan.intercept {
            step.push(sums.gradient[0].value());
        }
        for (term, sum) in outcome
            .solution
            .kept
            .iter()
            .zip(&sums.gradient[plan.ones()..])
        {
            let shape = plan.shapes[*term as usize];
            let about_mean = match plan.intercept {
                true => sum.plus(sums.gradient[0].times(-shape.center)),
                false => *sum,
            };
            step.push(about_mean.value() / shape.spread);
        }
        solve_upper_transposed(&outcome.solution.r, k, &mut step);
        let gained: f64 = step.iter().map(|value| value * value).sum();
        solve_upper(&outcome.solution.r, k, &mut step);
        if !gained.is_finite() || step.iter().any(|value| !value.is_finite()) {
            return Err(scale("target"));
        }
        // Along the step the sum of squares falls by exactly this much.
        outcome.residual_squares = (sums.squares.value() - gained).max(0.0);
        outcome.refinements += 1;
        let change = gained.sqrt();
        let settled =
            change <= NOTHING * outcome.total_squares.sqrt() || self.stands_still(&outcome, &step);
        let stalled = state
            .previous
            .is_some_and(|previous| change > 0.5 * previous)
            || outcome.refinements >= MAX_REFINEMENTS;
        if !settled && stalled && !is_small(&outcome, &step) {
            return Err(ErrorKind::RankDeficient {
                what: NAME,
                columns: vec![weakest(&outcome)],
            }
            .into());
        }
        add_step(&plan, &mut outcome.solution, &step);
        state.previous = Some(change);
        if !settled && !stalled {
            let next = Ask::Refine(plan, outcome.solution.clone());
            state.outcome = Some(outcome);
            return Ok(ask(next));
        }
        match self.params.covariance {
            Covariance::Model | Covariance::ByPatient => Ok(Next::Done(outcome)),
            _ => {
                let next = Ask::Scores(plan, outcome.solution.clone());
                state.outcome = Some(outcome);
                Ok(ask(next))
            }
        }
    }

    /// Whether every coefficient changes by less than its digits or its error can show.
    fn stands_still(&self, outcome: &LinearOutcome, step: &[f64]) -> bool {
        let change = raw_step(&outcome.plan, &outcome.solution.kept, step);
        let sigma = (outcome.residual_squares / outcome.df).sqrt();
        let roots = super::inference::rooted_inverse(&outcome.plan, &outcome.solution);
        let k = step.len();
        outcome.solution.point.iter().zip(&change).enumerate().all(
            |(row, (coefficient, change))| {
                let error = (0..k).fold(0.0_f64, |sum, j| sum.hypot(roots[j * k + row])) * sigma;
                change.abs() <= SETTLED * coefficient.hi.abs() + SETTLED_ERRORS * error
            },
        )
    }

    fn add_scores(
        &self,
        plan: &Plan,
        block: &Block,
        solution: &Solution,
        outcome: Outcome<'_>,
        meat: &mut [f64],
    ) -> Result<()> {
        let (mut q, residuals) = plan.orthogonal_rows(block, solution, outcome);
        let (n, k) = (block.n_rows, solution.point.len());
        for (row, (residual, weight)) in residuals.iter().zip(outcome.weights).enumerate() {
            if *weight == 0.0 {
                continue;
            }
            let leverage: f64 = (0..k).map(|j| q[j * n + row] * q[j * n + row]).sum();
            // The rows of Q carry one root of the weight. As copies, each of them has its own
            // score and its share of the leverage; as a precision, the score carries the other.
            let (own, leverage) = match self.params.row_weights {
                RowWeights::Copies => (*residual, leverage / weight),
                RowWeights::Precision => (residual * weight.sqrt(), leverage),
            };
            let left = 1.0 - leverage;
            let corrected = match self.params.covariance {
                Covariance::Hc2 | Covariance::Hc3 if left < FULL_LEVERAGE => {
                    return Err(ErrorKind::NoInference {
                        what: NAME,
                        reason: "a row determines a coefficient alone (leverage 1); use the \
                                 covariance without leverages",
                    }
                    .into());
                }
                Covariance::Hc2 => own / left.sqrt(),
                Covariance::Hc3 => own / left,
                _ => own,
            };
            (0..k).for_each(|j| q[j * n + row] *= corrected);
        }
        gram_add(meat, &q, n, k);
        Ok(())
    }
}

fn underdetermined(parameters: usize, rows: u64) -> Error {
    ErrorKind::Underdetermined {
        what: NAME,
        parameters,
        rows: rows as usize,
    }
    .into()
}

pub(super) fn scale(column: &str) -> Error {
    ErrorKind::Scale {
        what: NAME,
        column: column.into(),
    }
    .into()
}
