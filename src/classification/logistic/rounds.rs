//! The fit as rounds: prepare, check the rank, walk the path, gather the information.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::params::{ClassWeights, LogisticRegressionValidParams};
use crate::design::Coding;
use crate::design::align::{Reader, align};
use crate::design::block::Design;
use crate::design::encode::Encoder;
use crate::design::statistics::{Statistics, Tally};
use crate::error::{ErrorKind, Result};
use crate::estimator::rounds::{Batch, Next, Partial, Rounds, TargetBatch};
use crate::kernel::linear::factor::Factor;
use crate::kernel::linear::pass::{
    Outcome, Point, Request, Scratch, Sums, add_block, linear_predictor, scaled_columns,
};
use crate::kernel::linear::path::{Path, Problem, Solution, Strengths};
use crate::kernel::loss::Loss;
use crate::matrix::Schema;
use crate::numeric::linalg::{
    independent_columns, mirror_lower, reciprocal_condition, solve_upper, solve_upper_transposed,
    submatrix,
};

const NAME: &str = "LogisticRegression";

/// Largest number of columns of an unpenalised fit: its factors are dense.
const MAX_UNPENALISED: usize = 2048;

/// Share of its own length below which a standardised column counts as a combination of others.
const ALIASED: f64 = 1e-12;

/// Reciprocal condition of the first Gram matrix above which no column can be aliased.
const SURELY_INDEPENDENT: f64 = 1e-8;

/// Linear predictor from which separation is looked for, at most: a risk of 6e-6 or its complement.
/// Where terms run off, it reaches `ln(sqrt(share) / tolerance)` before the gap is within the
/// tolerance, `share` being the share of rows that are told apart; half of `ln(1 / tolerance)`
/// therefore misses none down to one row in `1 / tolerance`.
const WIDE: f64 = 12.0;

/// Largest gap of an unpenalised fit, whatever is asked: looser, a fit whose terms run off stops
/// too early to be told from one that has converged.
const UNPENALISED_TOLERANCE: f64 = 1e-7;

/// Margin, relative to the largest, below which a row does not speak against separation.
const MARGIN: f64 = 1e-6;

/// Share of the largest component from which a term belongs to a separating direction.
const COMPONENT: f64 = 1e-3;

/// Largest last step, relative to the coefficient or 1: beyond it, the solution is left as it is.
const LAST_STEP: f64 = 1e-3;

/// Newton steps after which a fit that has not settled is looked at for separation.
const PATIENCE: usize = 12;

/// A logistic fit over rounds; see [`crate::estimator::rounds`].
#[derive(Debug, Clone)]
pub struct LogisticRounds {
    pub(super) params: LogisticRegressionValidParams,
    pub(super) strengths: Strengths,
    /// Features, the offset column left out.
    pub(super) schema: Schema,
    pub(super) positional: bool,
}

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
    Sums(Sums),
    Rank(u64, Factor),
    Separation(Margins),
    Information(Information),
}

/// Margins `(2y - 1) z d` along a direction.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Margins {
    rows: u64,
    smallest: f64,
    largest: f64,
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

/// What the coordinator remembers.
#[derive(Debug)]
pub struct LogisticState {
    plan: Option<Arc<Plan>>,
    path: Option<Path>,
    problem: Option<Problem>,
    start: f64,
    weight: f64,
    n_rows: u64,
    n_events: u64,
    smallest_level: u64,
    ranked: bool,
    looked: bool,
    passes: usize,
    separated: Vec<String>,
}

/// What a batch keeps: its design and outcomes.
#[derive(Debug, Default)]
pub struct LogisticLocal {
    design: Option<Design>,
    target: Vec<f64>,
    weights: Vec<f64>,
    offset: Option<Vec<f64>>,
    scratch: Scratch,
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
            _ => self.n_rows(),
        }
    }

    fn n_numbers(&self) -> usize {
        match &self.0 {
            Answer::Prepared(statistics, classes) => statistics.n_numbers() + classes.len(),
            Answer::Sums(sums) => sums.gradient.len() + 2 + sums.gram.len() / 2,
            Answer::Rank(_, factor) => factor.r.len() / 2,
            Answer::Separation(_) => 2,
            Answer::Information(information) => information.factor.r.len(),
        }
    }
}

impl LogisticRounds {
    fn penalised(&self) -> bool {
        !matches!(&self.strengths, Strengths::Given(list) if list.contains(&0.0))
    }

    /// The gap at which a solution has converged.
    fn tolerance(&self) -> f64 {
        if self.penalised() {
            self.params.tolerance
        } else {
            self.params.tolerance.min(UNPENALISED_TOLERANCE)
        }
    }

    /// The design, outcomes and weights of a batch, made once.
    fn prepare(&self, plan: &Plan, batch: &Batch<'_>, local: &mut LogisticLocal) -> Result<()> {
        if local.design.is_some() {
            return Ok(());
        }
        let range = batch.range.clone();
        let (target, weights) = outcomes(batch, &plan.classes, plan.factors)?;
        local.target = target;
        local.weights = weights;
        local.offset = match &plan.offset {
            None => None,
            Some(column) => Some(read_offset(column, batch)?),
        };
        local.design = Some(plan.encoder.apply(batch.rows, range)?);
        Ok(())
    }
}

/// 0/1 outcome and weight of every row of a batch.
fn outcomes(
    batch: &Batch<'_>,
    classes: &[String; 2],
    factors: [f64; 2],
) -> Result<(Vec<f64>, Vec<f64>)> {
    let TargetBatch::Classes { codes, labels } = batch.target else {
        return Err(target_kind("classes", "another kind of target"));
    };
    // A third class is an error unless all its rows have weight zero: those are as if absent.
    let numbers: Vec<Option<usize>> = labels
        .iter()
        .map(|label| classes.iter().position(|class| class == label))
        .collect();
    let mut target = Vec::with_capacity(batch.range.len());
    let mut weights = Vec::with_capacity(batch.range.len());
    for row in batch.range.clone() {
        let weight = batch.weights.map_or(1.0, |all| all[row]);
        let number = match numbers[codes[row] as usize] {
            Some(number) => number,
            None if weight == 0.0 => 0,
            None => return Err(target_kind("two classes", "a third class")),
        };
        target.push(number as f64);
        weights.push(weight * factors[number]);
    }
    Ok((target, weights))
}

/// The offset column of a batch, in the rows of `batch.range`.
pub(super) fn read_offset(column: &str, batch: &Batch<'_>) -> Result<Vec<f64>> {
    let feature = match batch.rows {
        crate::estimator::RowsSource::Matrix(matrix) => {
            matrix.schema().features()[matrix.schema().find(column)?].clone()
        }
        crate::estimator::RowsSource::Array(_) => {
            return Err(ErrorKind::FeatureNames {
                missing: vec![column.to_string()],
                suggestion: None,
            }
            .into());
        }
    };
    let schema = Schema::new(vec![feature.clone()])?;
    let readers = align(&schema, batch.rows)?;
    let mut values = vec![0.0; batch.range.len()];
    if let [reader @ Reader::View(_)] = &readers[..] {
        reader.fill(batch.range.start, &mut values);
    }
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(values),
        Some(row) => Err(ErrorKind::NonFinite {
            what: "offset",
            row: Some(batch.range.start + row),
            column: Some(column.to_string()),
            rule: "finite values without gaps",
        }
        .into()),
    }
}

pub(super) fn target_kind(expected: &str, found: &str) -> crate::error::Error {
    ErrorKind::TargetKind {
        what: NAME,
        expected: expected.into(),
        found: found.into(),
    }
    .into()
}

impl Rounds for LogisticRounds {
    type Question = LogisticQuestion;
    type State = LogisticState;
    type Partial = LogisticPartial;
    type Local = LogisticLocal;
    type Outcome = LogisticOutcome;

    fn open(&self) -> Result<(Self::Question, Self::State)> {
        let state = LogisticState {
            plan: None,
            path: None,
            problem: None,
            start: 0.0,
            weight: 0.0,
            n_rows: 0,
            n_events: 0,
            smallest_level: 0,
            ranked: self.penalised(),
            looked: false,
            passes: 0,
            separated: Vec::new(),
        };
        Ok((LogisticQuestion(Ask::Prepare), state))
    }

    fn answer(
        &self,
        question: &Self::Question,
        batch: &Batch<'_>,
        local: &mut Self::Local,
    ) -> Result<Self::Partial> {
        if let Ask::Prepare = &question.0 {
            return self.answer_prepare(batch);
        }
        let (Ask::Sums(plan, _)
        | Ask::Rank(plan)
        | Ask::Separation(plan, _)
        | Ask::Information(plan, _, _)) = &question.0
        else {
            return self.answer_prepare(batch);
        };
        self.prepare(plan, batch, local)?;
        let LogisticLocal {
            design: Some(design),
            target,
            weights,
            offset,
            scratch,
        } = local
        else {
            return Err(ErrorKind::Schema("batch without a design".into()).into());
        };
        let terms = plan.encoder.terms();
        let rows = weights.iter().filter(|weight| **weight > 0.0).count() as u64;
        let mut start = 0;
        let mut pieces = design.blocks.iter().map(|block| {
            let range = start..start + block.n_rows;
            start = range.end;
            let outcome = Outcome {
                target: &target[range.clone()],
                weights: &weights[range.clone()],
                offset: offset.as_ref().map(|offset| &offset[range]),
            };
            (block, outcome)
        });
        Ok(LogisticPartial(match &question.0 {
            Ask::Sums(_, request) => {
                let mut sums = Sums {
                    gradient: vec![0.0; terms.len()],
                    gram: vec![
                        0.0;
                        request
                            .gram
                            .as_ref()
                            .map_or(0, |set| (set.len() + 1).pow(2))
                    ],
                    ..Sums::default()
                };
                for (block, outcome) in pieces {
                    add_block(
                        Loss::Logistic,
                        terms,
                        block,
                        outcome,
                        request,
                        scratch,
                        &mut sums,
                    );
                }
                Answer::Sums(sums)
            }
            Ask::Rank(_) => {
                let set: Vec<u32> = (0..terms.len() as u32).collect();
                let mut columns = Vec::new();
                let factor = pieces.try_fold(Factor::default(), |factor, (block, outcome)| {
                    let roots: Vec<f64> = outcome
                        .weights
                        .iter()
                        .map(|weight| f64::from(*weight > 0.0))
                        .collect();
                    factor.merge(Factor::of_block(terms, block, &set, &roots, &mut columns))
                });
                Answer::Rank(rows, factor.unwrap_or_default())
            }
            Ask::Separation(_, direction) => {
                let mut margins = Margins {
                    rows,
                    smallest: f64::INFINITY,
                    largest: 0.0,
                };
                let mut eta = Vec::new();
                for (block, outcome) in pieces {
                    linear_predictor(terms, block, direction, None, &mut eta);
                    for (row, value) in eta.iter().enumerate() {
                        if outcome.weights[row] > 0.0 {
                            let margin = if outcome.target[row] > 0.5 {
                                *value
                            } else {
                                -value
                            };
                            margins.smallest = margins.smallest.min(margin);
                            margins.largest = margins.largest.max(margin);
                        }
                    }
                }
                Answer::Separation(margins)
            }
            Ask::Information(_, point, set) => {
                let mut information = Information {
                    rows,
                    ..Information::default()
                };
                for (block, outcome) in pieces {
                    add_information(terms, block, outcome, point, set, &mut information)?;
                }
                Answer::Information(information)
            }
            Ask::Prepare => return self.answer_prepare(batch),
        }))
    }

    fn conclude(
        &self,
        state: &mut Self::State,
        question: Self::Question,
        total: Self::Partial,
    ) -> Result<Next<Self::Question, Self::Outcome>> {
        match (question.0, total.0) {
            (Ask::Prepare, Answer::Prepared(statistics, classes)) => {
                self.conclude_preparation(state, &statistics, &classes)
            }
            (Ask::Rank(plan), Answer::Rank(_, factor)) => {
                let k = factor.k;
                let kept = independent_columns(&rotate_last_first(&factor.r, k), k, ALIASED);
                let mut problem = missing(state.problem.take())?;
                for term in 0..k - 1 {
                    problem.excluded[term] |= !kept.contains(&(term + 1));
                }
                state.ranked = true;
                self.start(state, plan, problem)
            }
            (Ask::Sums(plan, request), Answer::Sums(sums)) => {
                self.conclude_sums(state, plan, &request, sums)
            }
            (Ask::Separation(plan, direction), Answer::Separation(margins)) => {
                if margins.smallest >= -MARGIN * margins.largest && margins.largest > 0.0 {
                    let largest = direction
                        .coefficients
                        .iter()
                        .fold(0.0_f64, |m, d| m.max(d.abs()));
                    state.separated = plan
                        .encoder
                        .terms()
                        .iter()
                        .zip(&direction.coefficients)
                        .filter(|(_, d)| d.abs() >= COMPONENT * largest)
                        .map(|(term, _)| term.name.clone())
                        .collect();
                }
                self.after_path(state, plan)
            }
            (Ask::Information(plan, _, set), Answer::Information(information)) => Ok(Next::Done(
                self.outcome(state, plan, Some((set, information)))?,
            )),
            _ => Err(ErrorKind::Schema("answer of another round".into()).into()),
        }
    }
}

impl LogisticRounds {
    fn answer_prepare(&self, batch: &Batch<'_>) -> Result<LogisticPartial> {
        let statistics = Statistics::of(&self.schema, batch)?;
        let TargetBatch::Classes { codes, labels } = batch.target else {
            return Err(target_kind("classes", "another kind of target"));
        };
        let mut tallies = vec![Tally::default(); labels.len()];
        for row in batch.range.clone() {
            let weight = batch.weights.map_or(1.0, |weights| weights[row]);
            if weight > 0.0 {
                let tally = &mut tallies[codes[row] as usize];
                tally.rows += 1;
                tally.weight += weight;
            }
        }
        let classes = labels.iter().cloned().zip(tallies).collect();
        Ok(LogisticPartial(Answer::Prepared(statistics, classes)))
    }

    fn conclude_preparation(
        &self,
        state: &mut LogisticState,
        statistics: &Statistics,
        classes: &BTreeMap<String, Tally>,
    ) -> Result<Next<LogisticQuestion, LogisticOutcome>> {
        let seen: Vec<(&String, &Tally)> =
            classes.iter().filter(|(_, tally)| tally.rows > 0).collect();
        let [(first, a), (second, b)] = seen[..] else {
            return Err(if seen.len() < 2 {
                ErrorKind::SingleClass { what: NAME }.into()
            } else {
                target_kind("two classes", "more than two")
            });
        };
        let swapped = match &self.params.event {
            None => false,
            Some(event) if event == second => false,
            Some(event) if event == first => true,
            Some(_) => {
                return Err(target_kind(
                    "the named event among the classes",
                    "other classes",
                ));
            }
        };
        let (non_event, event) = if swapped { (b, a) } else { (a, b) };
        let mut names = [first.clone(), second.clone()];
        if swapped {
            names.swap(0, 1);
        }
        let factors = match self.params.class_weights {
            ClassWeights::None => [1.0, 1.0],
            ClassWeights::Given(x, y) => [x, y],
            ClassWeights::Balanced => {
                let half = (non_event.weight + event.weight) / 2.0;
                [half / non_event.weight, half / event.weight]
            }
        };
        let penalised = self.penalised();
        let default = if penalised {
            Coding::OneHot
        } else {
            Coding::Reference
        };
        let coding = self.params.preparation.coding.unwrap_or(default);
        let mut encoder = Encoder::conclude(
            &self.schema,
            self.positional,
            &self.params.preparation,
            coding,
            statistics,
            None,
        )?;
        if !self.params.intercept {
            encoder = encoder.uncentered();
        }
        let n_terms = encoder.n_terms();
        if !penalised {
            self.check_identified(n_terms, statistics.rows)?;
        }
        let scale = |power: i32| -> Vec<f64> {
            encoder
                .terms()
                .iter()
                .map(|term| {
                    if self.params.standardize {
                        1.0
                    } else {
                        term.scale.powi(-power)
                    }
                })
                .collect()
        };
        let (l1, l2) = (scale(1), scale(2));
        let ratio = self.params.l1_ratio;
        let (p0, p1) = (non_event.weight * factors[0], event.weight * factors[1]);
        state.weight = p0 + p1;
        if !state.weight.is_finite() || p0 == 0.0 || p1 == 0.0 {
            return Err(ErrorKind::OutOfRange {
                what: "class weights times row weights",
                row: None,
                column: None,
                rule: "sums that f64 holds",
            }
            .into());
        }
        state.n_rows = non_event.rows + event.rows;
        state.n_events = event.rows;
        state.smallest_level = statistics.smallest_count();
        state.start = if self.params.intercept {
            // As a difference: a share of 1 up to rounding has no finite logit.
            libm::log(p1) - libm::log(p0)
        } else {
            0.0
        };
        let problem = Problem {
            weight: state.weight,
            l1: l1.iter().map(|factor| ratio * factor).collect(),
            l2: l2.iter().map(|factor| (1.0 - ratio) * factor).collect(),
            excluded: encoder.terms().iter().map(|term| term.constant).collect(),
            intercept: self.params.intercept,
            strengths: self.strengths.clone(),
            tolerance: self.tolerance(),
            max_iterations: self.params.max_iterations,
        };
        let plan = Arc::new(Plan {
            encoder,
            classes: names,
            factors,
            offset: self.params.offset.clone(),
        });
        self.start(state, plan, problem)
    }

    fn check_identified(&self, n_terms: usize, rows: u64) -> Result<()> {
        let parameters = n_terms + usize::from(self.params.intercept);
        if n_terms > MAX_UNPENALISED {
            return Err(ErrorKind::TooLarge {
                what: "factor of an unpenalised fit",
                bytes: 8 * (n_terms as u64).pow(2),
                ceiling: 8 * (MAX_UNPENALISED as u64).pow(2),
            }
            .into());
        }
        if parameters as u64 >= rows {
            return Err(ErrorKind::Underdetermined {
                what: NAME,
                parameters,
                rows: rows as usize,
            }
            .into());
        }
        Ok(())
    }

    fn start(
        &self,
        state: &mut LogisticState,
        plan: Arc<Plan>,
        problem: Problem,
    ) -> Result<Next<LogisticQuestion, LogisticOutcome>> {
        let (path, request) = Path::start(problem.clone(), state.start);
        state.problem = Some(problem);
        state.path = Some(path);
        state.plan = Some(Arc::clone(&plan));
        Ok(Next::Ask(LogisticQuestion(Ask::Sums(plan, request))))
    }

    fn conclude_sums(
        &self,
        state: &mut LogisticState,
        plan: Arc<Plan>,
        request: &Request,
        sums: Sums,
    ) -> Result<Next<LogisticQuestion, LogisticOutcome>> {
        if !state.ranked {
            // A well-conditioned first Gram matrix shows full rank; otherwise ask for the factor.
            let k = request.gram.as_ref().map_or(0, Vec::len) + 1;
            let mut gram = sums.gram.clone();
            let full = gram.len() == k * k && k == plan.encoder.n_terms() + 1 && {
                mirror_lower(&mut gram, k);
                reciprocal_condition(&gram, k) > SURELY_INDEPENDENT
            };
            if !full {
                return Ok(Next::Ask(LogisticQuestion(Ask::Rank(plan))));
            }
            state.ranked = true;
        }
        state.passes += 1;
        let path = missing(state.path.as_mut())?;
        let request = path.advance(&sums);
        let wide = WIDE.min(-self.tolerance().ln() / 2.0);
        let runs_off = !self.penalised() && !state.looked && sums.widest > wide;
        let look = runs_off && (request.is_none() || state.passes.is_multiple_of(PATIENCE));
        match (request, path.last_step()) {
            (request, Some(direction)) if look => {
                let direction = direction.clone();
                state.looked = request.is_none();
                path.set_aside(request);
                Ok(Next::Ask(LogisticQuestion(Ask::Separation(
                    plan, direction,
                ))))
            }
            (Some(request), _) => Ok(Next::Ask(LogisticQuestion(Ask::Sums(plan, request)))),
            (None, _) => self.after_path(state, plan),
        }
    }

    /// The path is walked: gather the information of an unpenalised fit, or end.
    fn after_path(
        &self,
        state: &mut LogisticState,
        plan: Arc<Plan>,
    ) -> Result<Next<LogisticQuestion, LogisticOutcome>> {
        let path = missing(state.path.as_mut())?;
        if let Some(request) = path.resume() {
            if state.separated.is_empty() {
                return Ok(Next::Ask(LogisticQuestion(Ask::Sums(plan, request))));
            }
            path.abandon();
        }
        let solution = path.solutions().last();
        match solution {
            Some(solution)
                if !self.penalised() && solution.converged && state.separated.is_empty() =>
            {
                let excluded = &missing(state.problem.as_ref())?.excluded;
                let set = (0..excluded.len() as u32)
                    .filter(|term| !excluded[*term as usize])
                    .collect();
                let point = solution.point.clone();
                Ok(Next::Ask(LogisticQuestion(Ask::Information(
                    plan, point, set,
                ))))
            }
            _ => Ok(Next::Done(self.outcome(state, plan, None)?)),
        }
    }

    fn outcome(
        &self,
        state: &mut LogisticState,
        plan: Arc<Plan>,
        information: Option<(Vec<u32>, Information)>,
    ) -> Result<LogisticOutcome> {
        let path = missing(state.path.as_ref())?;
        let mut solutions = path.solutions().to_vec();
        if let (Some((set, sums)), Some(solution)) = (&information, solutions.last_mut()) {
            last_step(self.params.intercept, set, sums, state.weight, solution);
        }
        Ok(LogisticOutcome {
            plan,
            solutions,
            null_loss: path.null_loss(),
            weight: state.weight,
            n_rows: state.n_rows,
            n_events: state.n_events,
            smallest_level: state.smallest_level,
            excluded: missing(state.problem.as_ref())?.excluded.clone(),
            separated: std::mem::take(&mut state.separated),
            information,
        })
    }
}

impl LogisticLocal {
    /// Calls `take` with the score columns (terms of `set`, then ones) of every block, its number
    /// of rows and their weights.
    pub(super) fn visit(
        &self,
        terms: &[crate::design::encode::Term],
        point: &Point,
        loss: Loss,
        set: &[u32],
        mut take: impl FnMut(&[f64], usize, &[f64]),
    ) {
        let (mut eta, mut columns) = (Vec::new(), Vec::new());
        let mut start = 0;
        for block in self.design.iter().flat_map(|design| &design.blocks) {
            let range = start..start + block.n_rows;
            start = range.end;
            let offset = self.offset.as_ref().map(|offset| &offset[range.clone()]);
            linear_predictor(terms, block, point, offset, &mut eta);
            let mut curvature = vec![0.0; block.n_rows];
            let weights = &self.weights[range.clone()];
            loss.evaluate(&mut eta, &self.target[range], weights, &mut curvature);
            scaled_columns(terms, block, set, &eta, &mut columns);
            take(&columns, block.n_rows, weights);
        }
    }
}

/// Sums of both, either of which may still be empty; `None` when their lengths differ.
fn add(mut a: Vec<f64>, b: Vec<f64>) -> Option<Vec<f64>> {
    if a.is_empty() || b.is_empty() {
        return Some(if a.is_empty() { b } else { a });
    }
    if a.len() != b.len() {
        return None;
    }
    a.iter_mut().zip(&b).for_each(|(x, y)| *x += y);
    Some(a)
}

/// The Newton step that the information at the solution pays for: a gap within the tolerance still
/// leaves correlated terms off by 1e-7 of their size, this step leaves rounding.
fn last_step(
    intercept: bool,
    set: &[u32],
    information: &Information,
    weight: f64,
    solution: &mut Solution,
) {
    let k = set.len() + usize::from(intercept);
    let whole = set.len() + 1;
    if information.factor.k != whole || information.gradient.len() != whole {
        return;
    }
    // The column of ones is the last of the factor: without it, the leading block.
    let factor = submatrix(&information.factor.r, whole, &(0..k).collect::<Vec<_>>());
    let mut step = information.gradient[..k].to_vec();
    solve_upper_transposed(&factor, k, &mut step);
    let decrement: f64 = step.iter().map(|value| value * value).sum();
    solve_upper(&factor, k, &mut step);
    let mut point = solution.point.clone();
    let mut small = true;
    let mut take = |value: &mut f64, step: f64| {
        small &= step.abs() <= LAST_STEP * value.abs().max(1.0);
        *value -= step;
    };
    for (term, step) in set.iter().zip(&step) {
        take(&mut point.coefficients[*term as usize], *step);
    }
    if intercept {
        take(&mut point.intercept, step[k - 1]);
    }
    if small {
        solution.point = point;
        solution.loss = (solution.loss - decrement / 2.0 / weight).max(0.0);
    }
}

fn missing<T>(value: Option<T>) -> Result<T> {
    value.ok_or_else(|| ErrorKind::Schema("answer before its question".into()).into())
}

/// Moves the last column (the ones) to the front, so that columns equal to it count as aliased.
fn rotate_last_first(r: &[f64], k: usize) -> Vec<f64> {
    let mut rotated = r[(k - 1) * k..].to_vec();
    rotated.extend_from_slice(&r[..(k - 1) * k]);
    rotated
}

fn add_information(
    terms: &[crate::design::encode::Term],
    block: &crate::design::block::Block,
    outcome: Outcome<'_>,
    point: &Point,
    set: &[u32],
    information: &mut Information,
) -> Result<()> {
    let mut eta = Vec::new();
    linear_predictor(terms, block, point, outcome.offset, &mut eta);
    let mut curvature = vec![0.0; block.n_rows];
    Loss::Logistic.evaluate(&mut eta, outcome.target, outcome.weights, &mut curvature);
    let roots: Vec<f64> = curvature.iter().map(|h| h.sqrt()).collect();
    let mut columns = Vec::new();
    let k = set.len() + 1;
    let factor = Factor::of_block(terms, block, set, &roots, &mut columns);
    let merged = std::mem::take(&mut information.factor).merge(factor);
    information.factor = missing(merged)?;
    // eta now holds the weighted residuals: scores are residual times row.
    scaled_columns(terms, block, set, &eta, &mut columns);
    let gradient = columns
        .chunks_exact(block.n_rows)
        .map(|column| column.iter().sum());
    let before = std::mem::take(&mut information.gradient);
    information.gradient = missing(add(before, gradient.collect()))?;
    if information.meat.is_empty() {
        information.meat = vec![0.0; k * k];
    }
    crate::numeric::linalg::gram_add(&mut information.meat, &columns, block.n_rows, k);
    Ok(())
}
