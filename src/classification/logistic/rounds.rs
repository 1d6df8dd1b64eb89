//! The fit as rounds: prepare, check the rank, walk the path, gather the information.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::answer::{LogisticLocal, target_kind};
use super::messages::{
    Answer, Ask, Information, LogisticOutcome, LogisticPartial, LogisticQuestion, Plan,
};
use super::params::{ClassWeights, LogisticRegressionValidParams};
use crate::design::Coding;
use crate::design::encode::Encoder;
use crate::design::fills::FillSearch;
use crate::design::statistics::{Statistics, Tally};
use crate::error::{ErrorKind, Result};
use crate::estimator::Schema;
use crate::estimator::rounds::{Batch, Next, Rounds};
use crate::kernel::linear::pass::{PILOT_SHARE, Request, Sums};
use crate::kernel::linear::path::Path;
use crate::kernel::linear::problem::{Problem, Solution, Strengths};
use crate::numeric::linalg::{
    independent_columns, mirror_lower, reciprocal_condition, solve_upper, solve_upper_transposed,
    submatrix,
};
use crate::numeric::parallel::CHUNK_ROWS;

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

/// Largest number of terms of a fit that a pilot starts: above, its Gram matrices outweigh passes.
const PILOT_TERMS: usize = 128;

/// Rows of a pilot for every term; its Gram matrix is then within about a tenth of the whole one.
const PILOT_ROWS_PER_TERM: u64 = 100;

/// A logistic fit over rounds; see [`crate::estimator::rounds`].
#[derive(Debug, Clone)]
pub struct LogisticRounds {
    pub(super) params: LogisticRegressionValidParams,
    pub(super) strengths: Strengths,
    /// Features, the offset column left out.
    pub(super) schema: Schema,
    pub(super) positional: bool,
    /// Whether a pilot may run: in memory only. Sums over part of a site's rows would say more of
    /// fewer patients than the fit needs, and the site's disclosure rule may refuse them.
    pub(super) pilot: bool,
}

/// What the coordinator remembers.
#[derive(Debug)]
pub struct LogisticState {
    /// What preparation learnt, while fill values are still searched for.
    prepared: Option<(Statistics, BTreeMap<String, Tally>)>,
    fills: Option<FillSearch>,
    plan: Option<Arc<Plan>>,
    path: Option<Path>,
    pilot: Option<Path>,
    /// Mean loss at the start, where it follows from the classes alone.
    null_loss: Option<f64>,
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
}

impl Rounds for LogisticRounds {
    type Question = LogisticQuestion;
    type State = LogisticState;
    type Partial = LogisticPartial;
    type Local = LogisticLocal;
    type Outcome = LogisticOutcome;

    fn open(&self) -> Result<(Self::Question, Self::State)> {
        let state = LogisticState {
            prepared: None,
            fills: None,
            plan: None,
            path: None,
            pilot: None,
            null_loss: None,
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
        self.answer_batch(question, batch, local)
    }

    fn conclude(
        &self,
        state: &mut Self::State,
        question: Self::Question,
        total: Self::Partial,
    ) -> Result<Next<Self::Question, Self::Outcome>> {
        match (question.0, total.0) {
            (Ask::Prepare, Answer::Prepared(statistics, classes)) => {
                match FillSearch::start(&self.schema, &self.params.preparation) {
                    None => self.conclude_preparation(state, &statistics, &classes, None),
                    Some((search, question)) => {
                        state.prepared = Some((statistics, classes));
                        state.fills = Some(search);
                        Ok(Next::Ask(LogisticQuestion(Ask::Fill(question))))
                    }
                }
            }
            (Ask::Fill(_), Answer::Fill(sums)) => {
                match missing(state.fills.as_mut())?.advance(&sums)? {
                    Next::Ask(question) => Ok(Next::Ask(LogisticQuestion(Ask::Fill(question)))),
                    Next::Done(fills) => {
                        let (statistics, classes) = missing(state.prepared.take())?;
                        self.conclude_preparation(state, &statistics, &classes, Some(&fills))
                    }
                }
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
    fn conclude_preparation(
        &self,
        state: &mut LogisticState,
        statistics: &Statistics,
        classes: &BTreeMap<String, Tally>,
        fills: Option<&[f64]>,
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
            fills,
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
        if self.params.offset.is_none() {
            let share = |part: f64| part / state.weight;
            state.null_loss = Some(if self.params.intercept {
                -share(p1) * libm::log(share(p1)) - share(p0) * libm::log(share(p0))
            } else {
                std::f64::consts::LN_2
            });
        }
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
        let pilot =
            self.pilot && state.null_loss.is_some() && self.pilot_pays(&problem, state.n_rows);
        let (path, request) = if pilot {
            Path::pilot(problem.clone(), state.start)
        } else {
            Path::start(problem.clone(), state.start)
        };
        state.problem = Some(problem);
        if pilot {
            state.pilot = Some(path);
        } else {
            state.path = Some(path);
        }
        state.plan = Some(Arc::clone(&plan));
        Ok(Next::Ask(LogisticQuestion(Ask::Sums(plan, request))))
    }

    /// Whether part of the rows should find the start: one strength, and rows enough that an eighth
    /// of them still determines every term.
    fn pilot_pays(&self, problem: &Problem, rows: u64) -> bool {
        let share = rows / PILOT_SHARE as u64;
        matches!(&self.strengths, Strengths::Given(list) if list.len() == 1)
            && problem.l1.len() <= PILOT_TERMS
            && share >= CHUNK_ROWS as u64
            && share >= PILOT_ROWS_PER_TERM * (problem.l1.len() as u64 + 1)
    }

    fn conclude_pilot(
        &self,
        state: &mut LogisticState,
        plan: Arc<Plan>,
        sums: &Sums,
    ) -> Result<Next<LogisticQuestion, LogisticOutcome>> {
        let mut pilot = missing(state.pilot.take())?;
        let problem = missing(state.problem.clone())?;
        // Terms of full rank on some rows are so on all; the contrary is found on all rows only.
        state.ranked = state.ranked || full_rank(sums, plan.encoder.n_terms());
        let (path, request) = if !state.ranked {
            Path::start(problem, state.start)
        } else if let Some(request) = pilot.advance(sums) {
            state.pilot = Some(pilot);
            return Ok(Next::Ask(LogisticQuestion(Ask::Sums(plan, request))));
        } else {
            let null_loss = missing(state.null_loss)?;
            Path::follow(problem, state.start, null_loss, pilot)
        };
        state.path = Some(path);
        Ok(Next::Ask(LogisticQuestion(Ask::Sums(plan, request))))
    }

    fn conclude_sums(
        &self,
        state: &mut LogisticState,
        plan: Arc<Plan>,
        request: &Request,
        sums: Sums,
    ) -> Result<Next<LogisticQuestion, LogisticOutcome>> {
        if request.pilot {
            return self.conclude_pilot(state, plan, &sums);
        }
        if !state.ranked {
            if !full_rank(&sums, plan.encoder.n_terms()) {
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

/// Whether a well-conditioned Gram matrix of all terms shows full rank.
fn full_rank(sums: &Sums, n_terms: usize) -> bool {
    let k = n_terms + 1;
    let mut gram = sums.gram.clone();
    gram.len() == k * k && {
        mirror_lower(&mut gram, k);
        reciprocal_condition(&gram, k) > SURELY_INDEPENDENT
    }
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

pub(super) fn missing<T>(value: Option<T>) -> Result<T> {
    value.ok_or_else(|| ErrorKind::Schema("answer before its question".into()).into())
}

/// Moves the last column (the ones) to the front, so that columns equal to it count as aliased.
fn rotate_last_first(r: &[f64], k: usize) -> Vec<f64> {
    let mut rotated = r[(k - 1) * k..].to_vec();
    rotated.extend_from_slice(&r[..(k - 1) * k]);
    rotated
}
