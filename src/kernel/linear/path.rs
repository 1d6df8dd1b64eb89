//! The path of solutions over penalty strengths, one question at a time.
//!
//! Proximal Newton steps with a kept Hessian: a pass over the rows gives loss and gradient, which
//! decide whether the optimality conditions hold; a Gram matrix is asked for only when steps stop
//! paying or when a term enters that the kept one does not cover. The next strength starts at the
//! last solution, whose gradient is known, so most strengths cost one or two passes. Terms are
//! screened by the strong rule (Tibshirani et al., J. R. Stat. Soc. B 74, 2012,
//! doi 10.1111/j.1467-9868.2011.01004.x) and every solution is checked on all terms.

#[path = "path_slopes.rs"]
mod by_slopes;
#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;

use crate::kernel::linear::pass::{Point, Request, Sums};
use crate::kernel::linear::problem::{Problem, Solution, Strengths};
use crate::kernel::linear::quadratic::Quadratic;
use crate::kernel::linear::slopes::{self, Slopes};

/// Up to this many terms the Gram matrix always holds all of them.
const ALL_TERMS: usize = 256;

/// Largest working set; more terms are taken in turn, those with the largest slopes first.
const MAX_SET: usize = 2048;

/// Steps by slopes alone that count as one Newton step.
const STEPS_PER_NEWTON: usize = 10;

/// A step that leaves more than this share of the optimality gap asks for a fresh Gram matrix,
/// which costs about as much as this many passes more per hundred terms.
const PAYING: f64 = 0.25;

/// Cost of a Gram matrix in passes, for every term of the working set: one that costs more than the
/// passes it would spare is not asked for.
const GRAM_PASSES_PER_TERM: f64 = 0.06;

/// The same for large working sets, whose Gram matrix costs dozens of passes.
const PAYING_LARGE: f64 = 0.4;

/// Working sets above this count as large.
const LARGE_SET: usize = 128;

/// A Gram matrix covers the terms that would enter down to this share of the strength.
const AHEAD: f64 = 0.6;

/// Share of the predicted decrease that a step must bring (Armijo).
const SUFFICIENT: f64 = 1e-4;

/// Rounding of a mean loss: smaller predicted decreases cannot be measured and are accepted.
const MEASURABLE: f64 = 1e-13;

/// Smallest l1 share that defines the first strength of an automatic sequence, as in glmnet.
const MIN_L1_RATIO: f64 = 1e-3;

/// A step under trial.
#[derive(Debug, Clone)]
struct Trial {
    step: Point,
    length: f64,
    predicted: f64,
    previous_gap: f64,
}

/// The state of a path between questions.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    problem: Problem,
    max_set: usize,
    strengths: Vec<f64>,
    at: Option<usize>,
    point: Point,
    objective_loss: f64,
    gradient: Vec<f64>,
    gradient_intercept: f64,
    widest: f64,
    set: Vec<u32>,
    hessian: Vec<f64>,
    trial: Option<Trial>,
    wants_gram: bool,
    iterations: usize,
    solutions: Vec<Solution>,
    null_loss: f64,
    last_step: Option<Point>,
    /// For a ridge penalty on more terms than a working set holds.
    slopes: Option<Slopes>,
    pending: Option<Request>,
    pilot: bool,
    /// Where to begin anew if the first point turns out worse than the intercept alone.
    fallback: Option<Point>,
}

/// Optimality gap at which a pilot ends: its rows know the solution no better.
const PILOT_TOLERANCE: f64 = 1e-3;

/// Newton steps of a pilot.
const PILOT_ITERATIONS: usize = 3;

impl Path {
    /// Starts at the given intercept with all coefficients zero.
    pub(crate) fn start(problem: Problem, intercept: f64) -> (Self, Request) {
        Self::start_with(problem, intercept, MAX_SET)
    }

    fn start_with(problem: Problem, intercept: f64, max_set: usize) -> (Self, Request) {
        let n_terms = problem.l1.len();
        let strengths = match &problem.strengths {
            Strengths::Given(strengths) => strengths.clone(),
            Strengths::Automatic { .. } => Vec::new(),
        };
        let set: Vec<u32> = if n_terms <= ALL_TERMS {
            (0..n_terms as u32)
                .filter(|term| !problem.excluded[*term as usize])
                .collect()
        } else {
            Vec::new()
        };
        let terms = problem.excluded.iter().filter(|excluded| !**excluded);
        let ridge = problem.l1.iter().all(|l1| *l1 == 0.0);
        let path = Self {
            max_set,
            slopes: (ridge && terms.count() > max_set).then(Slopes::default),
            problem,
            strengths,
            at: None,
            point: Point {
                intercept,
                coefficients: vec![0.0; n_terms],
            },
            objective_loss: f64::INFINITY,
            gradient: Vec::new(),
            gradient_intercept: 0.0,
            widest: 0.0,
            set,
            hessian: Vec::new(),
            trial: None,
            wants_gram: true,
            iterations: 0,
            solutions: Vec::new(),
            null_loss: f64::NAN,
            last_step: None,
            pending: None,
            pilot: false,
            fallback: None,
        };
        let request = path.request(path.point.clone());
        (path, request)
    }

    /// A few Newton steps at one strength on part of the rows: a start, and a Gram matrix, that
    /// spare the whole table most of its passes. Every pass asks for a Gram matrix.
    pub(crate) fn pilot(problem: Problem, intercept: f64) -> (Self, Request) {
        let problem = Problem {
            tolerance: problem.tolerance.max(PILOT_TOLERANCE),
            max_iterations: problem.max_iterations.min(PILOT_ITERATIONS),
            ..problem
        };
        let (mut path, _) = Self::start(problem, intercept);
        path.pilot = true;
        path.at = Some(0);
        let request = path.request(path.point.clone());
        (path, request)
    }

    /// Starts where a finished pilot ended, with its Gram matrix; `null_loss` is the mean loss at
    /// the intercept `start` alone.
    pub(crate) fn follow(
        problem: Problem,
        start: f64,
        null_loss: f64,
        pilot: Self,
    ) -> (Self, Request) {
        let (mut path, first) = Self::start(problem, start);
        let gram_fits = pilot.hessian.len() == (path.set.len() + 1).pow(2);
        if !gram_fits || !pilot.objective_loss.is_finite() {
            return (path, first);
        }
        path.fallback = Some(std::mem::replace(&mut path.point, pilot.point));
        path.hessian = pilot.hessian;
        path.at = Some(0);
        path.null_loss = null_loss;
        path.wants_gram = false;
        let request = path.request(path.point.clone());
        (path, request)
    }

    /// Solutions found so far, in the order of strengths.
    pub(crate) fn solutions(&self) -> &[Solution] {
        &self.solutions
    }

    /// Mean loss with the intercept alone.
    pub(crate) fn null_loss(&self) -> f64 {
        self.null_loss
    }

    /// The last accepted step at full length: where a fit runs off, the direction of no return.
    pub(crate) fn last_step(&self) -> Option<&Point> {
        self.last_step.as_ref()
    }

    /// Puts the path aside while the caller asks something else.
    pub(crate) fn set_aside(&mut self, pending: Option<Request>) {
        self.pending = pending;
    }

    /// The request that was put aside, if there is one.
    pub(crate) fn resume(&mut self) -> Option<Request> {
        self.pending.take()
    }

    /// Records the point reached as the solution at the strength in work, not converged.
    pub(crate) fn abandon(&mut self) {
        if self.solutions.len() < self.strengths.len().max(1) {
            self.record(self.gap(), false);
        }
    }

    fn request(&self, point: Point) -> Request {
        Request {
            point,
            gram: (self.wants_gram || self.pilot).then(|| self.set.clone()),
            pilot: self.pilot,
        }
    }

    fn strength(&self) -> f64 {
        self.at.map_or(f64::INFINITY, |at| self.strengths[at])
    }

    /// Digests the sums at the requested point; the next request, or `None` at the end.
    pub(crate) fn advance(&mut self, sums: &Sums) -> Option<Request> {
        if self.pilot {
            self.problem.weight = sums.weight;
        }
        let loss = sums.loss / self.problem.weight;
        if let Some(fallback) = self.fallback.take() {
            let gain = self.objective(loss, &self.point) - self.null_loss;
            if gain > MEASURABLE * (1.0 + self.null_loss) || gain.is_nan() {
                self.point = fallback;
                self.wants_gram = true;
                return Some(self.request(self.point.clone()));
            }
        }
        if let Some(trial) = self.trial.take() {
            let tried = along(&self.point, &trial.step, trial.length);
            let gain =
                self.objective(loss, &tried) - self.objective(self.objective_loss, &self.point);
            let measurable = MEASURABLE * (1.0 + self.objective_loss.abs());
            let enough = SUFFICIENT * trial.length * trial.predicted;
            // NaN, from a step into overflow, is not a sufficient decrease either.
            let sufficient = gain <= enough.max(-measurable) + measurable;
            if !sufficient && trial.length > 1e-10 {
                let shorter = Trial {
                    length: trial.length / 2.0,
                    ..trial
                };
                let request = self.request(along(&self.point, &shorter.step, shorter.length));
                self.trial = Some(shorter);
                return Some(request);
            }
            let of_set = self.set_slope();
            let of_all = self.by_slopes().then(|| (self.flat(), self.slope()));
            self.accept(sums, tried, loss);
            if let Some((point, slope)) = of_all {
                let step = slopes::difference(&self.flat(), &point);
                let change = slopes::difference(&self.slope(), &slope);
                if let Some(slopes) = &mut self.slopes {
                    slopes.learn(step, change);
                }
            } else if sums.gram.is_empty() {
                self.correct(&of_set, &trial);
            }
            self.last_step = Some(trial.step);
            let gap = self.gap();
            let paying = if self.set.len() > LARGE_SET {
                PAYING_LARGE
            } else {
                PAYING
            };
            self.wants_gram = gap > paying * trial.previous_gap
                && passes_left(gap, trial.previous_gap, self.problem.tolerance)
                    > GRAM_PASSES_PER_TERM * self.set.len() as f64
                && !self.by_slopes();
        } else {
            self.accept(sums, self.point.clone(), loss);
            self.wants_gram = false;
        }
        self.proceed()
    }

    /// From an evaluated point: records solutions while the conditions hold, then steps.
    fn proceed(&mut self) -> Option<Request> {
        loop {
            let gap = self.gap();
            let steps = if self.by_slopes() {
                STEPS_PER_NEWTON
            } else {
                1
            };
            let stuck = self.iterations / steps >= self.problem.max_iterations;
            if gap <= self.problem.tolerance || stuck {
                match self.at {
                    None => self.open_strengths(),
                    Some(at) => {
                        self.record(gap, gap <= self.problem.tolerance);
                        self.at = Some(at + 1);
                    }
                }
                self.iterations = 0;
                if let Some(slopes) = &mut self.slopes {
                    slopes.forget();
                }
                if self.at.is_some_and(|at| at >= self.strengths.len()) {
                    return None;
                }
                continue;
            }
            if !self.by_slopes() && (self.hessian.is_empty() || !self.covered()) {
                let wider = self.wider_set();
                // A set that is full leaves terms out: it is worked on before the next one.
                if self.hessian.is_empty() || wider != self.set {
                    self.set = wider;
                    self.wants_gram = true;
                    return Some(self.request(self.point.clone()));
                }
            }
            let step = if self.by_slopes() {
                self.step_by_slopes()
            } else {
                self.step()
            };
            let Some((step, predicted)) = step else {
                self.iterations = steps * self.problem.max_iterations;
                continue;
            };
            self.iterations += 1;
            self.trial = Some(Trial {
                step,
                length: 1.0,
                predicted,
                previous_gap: gap,
            });
            let trial = self.trial.as_ref()?;
            return Some(self.request(along(&self.point, &trial.step, 1.0)));
        }
    }

    fn accept(&mut self, sums: &Sums, point: Point, loss: f64) {
        let weight = self.problem.weight;
        self.point = point;
        self.objective_loss = loss;
        self.gradient = sums.gradient.iter().map(|value| value / weight).collect();
        self.gradient_intercept = sums.gradient_intercept / weight;
        self.widest = sums.widest;
        let k = self.set.len() + 1;
        if sums.gram.len() == k * k {
            self.hessian = sums.gram.iter().map(|value| value / weight).collect();
            crate::numeric::linalg::mirror_lower(&mut self.hessian, k);
        }
    }

    /// After the intercept-only fit: fixes the strengths.
    fn open_strengths(&mut self) {
        self.null_loss = self.objective_loss;
        if let Strengths::Automatic { n, ratio } = self.problem.strengths {
            let largest = (0..self.gradient.len())
                .filter(|j| !self.problem.excluded[*j])
                .map(|j| {
                    self.gradient[j].abs() / self.problem.l1[j].max(MIN_L1_RATIO * self.scale(j))
                })
                .fold(0.0, f64::max)
                .max(f64::MIN_POSITIVE.sqrt());
            self.strengths = (0..n)
                .map(|i| {
                    if n == 1 {
                        return largest;
                    }
                    largest * ratio.powf(i as f64 / (n - 1) as f64)
                })
                .collect();
        }
        self.at = Some(0);
    }

    /// The penalty factor of a term as if it were pure l1. With `u` that factor, `l1 = r u` and
    /// `l2 = (1 - r) u^2` for the mix `r`: `u` solves `u^2 - l1 u - l2 = 0`.
    fn scale(&self, term: usize) -> f64 {
        let (l1, l2) = (self.problem.l1[term], self.problem.l2[term]);
        (l1 + (l1 * l1 + 4.0 * l2).sqrt()) / 2.0
    }

    fn record(&mut self, gap: f64, converged: bool) {
        self.solutions.push(Solution {
            strength: self.strength(),
            point: self.point.clone(),
            loss: self.objective_loss,
            gap,
            iterations: self.iterations,
            converged,
            widest: self.widest,
        });
    }

    fn objective(&self, loss: f64, point: &Point) -> f64 {
        let strength = self.strength();
        if strength.is_infinite() || strength == 0.0 {
            return loss;
        }
        let penalty: f64 = point
            .coefficients
            .iter()
            .enumerate()
            .map(|(j, b)| self.problem.l1[j] * b.abs() + self.problem.l2[j] * b * b / 2.0)
            .sum();
        loss + strength * penalty
    }

    /// How far a term is from its optimality condition.
    fn term_gap(&self, j: usize, strength: f64) -> f64 {
        if self.problem.excluded[j] || strength.is_infinite() {
            return 0.0;
        }
        let b = self.point.coefficients[j];
        let slope = self.gradient[j] + strength * self.problem.l2[j] * b;
        let threshold = strength * self.problem.l1[j];
        if b == 0.0 {
            (slope.abs() - threshold).max(0.0)
        } else {
            (slope + threshold * b.signum()).abs()
        }
    }

    fn gap(&self) -> f64 {
        let strength = self.strength();
        let intercept = if self.problem.intercept {
            self.gradient_intercept.abs()
        } else {
            0.0
        };
        (0..self.gradient.len())
            .map(|j| self.term_gap(j, strength))
            .fold(intercept, f64::max)
    }

    /// Whether every term that is active or violates its condition is in the working set.
    fn covered(&self) -> bool {
        let strength = self.strength();
        (0..self.gradient.len()).all(|j| {
            let needed = self.point.coefficients[j] != 0.0
                || self.term_gap(j, strength) > self.problem.tolerance;
            !needed || self.set.binary_search(&(j as u32)).is_ok()
        })
    }

    /// The working set and the terms that will enter soon, so that one Gram matrix serves several
    /// strengths.
    fn wider_set(&self) -> Vec<u32> {
        let strength = self.strength();
        if strength.is_infinite() {
            return self.set.clone();
        }
        let mut wider: Vec<u32> = (0..self.gradient.len())
            .filter(|&j| {
                !self.problem.excluded[j]
                    && (self.point.coefficients[j] != 0.0
                        || self.gradient[j].abs() >= AHEAD * strength * self.problem.l1[j])
            })
            .map(|j| j as u32)
            .collect();
        if wider.len() > self.max_set {
            // Too many at once: the worst offenders this time, the others next time.
            wider.sort_by(|a, b| {
                let gap = |term: &u32| self.term_gap(*term as usize, strength);
                gap(b).total_cmp(&gap(a)).then(a.cmp(b))
            });
            wider.truncate(self.max_set);
            wider.sort_unstable();
        }
        wider
    }

    /// The step on the working set and its predicted change of the objective.
    fn step(&self) -> Option<(Point, f64)> {
        let strength = self.strength();
        let free: Vec<usize> = if strength.is_infinite() {
            Vec::new()
        } else {
            (0..self.set.len()).collect()
        };
        let k = free.len() + 1;
        let whole = self.set.len() + 1;
        let pick = |position: usize| {
            if position + 1 == k {
                whole - 1
            } else {
                free[position]
            }
        };
        let mut hessian = vec![0.0; k * k];
        for column in 0..k {
            for row in 0..k {
                hessian[column * k + row] = self.hessian[pick(column) * whole + pick(row)];
            }
        }
        let of_terms = |value: &dyn Fn(usize) -> f64, intercept: f64| -> Vec<f64> {
            let mut out: Vec<f64> = free
                .iter()
                .map(|position| value(self.set[*position] as usize))
                .collect();
            out.push(intercept);
            out
        };
        let penalty = if strength.is_infinite() {
            0.0
        } else {
            strength
        };
        let gradient = of_terms(&|j| self.gradient[j], self.gradient_intercept);
        let current = of_terms(&|j| self.point.coefficients[j], self.point.intercept);
        let l1 = of_terms(&|j| penalty * self.problem.l1[j], 0.0);
        let l2 = of_terms(&|j| penalty * self.problem.l2[j], 0.0);
        let step = Quadratic {
            hessian: &hessian,
            gradient: &gradient,
            current: &current,
            l1: &l1,
            l2: &l2,
            intercept: self.problem.intercept,
        }
        .step()?;
        let mut predicted = 0.0;
        for j in 0..k {
            let (old, new) = (current[j], current[j] + step[j]);
            predicted += gradient[j] * step[j]
                + l1[j] * (new.abs() - old.abs())
                + l2[j] * (new * new - old * old) / 2.0;
        }
        let mut point = Point {
            intercept: step[k - 1],
            coefficients: vec![0.0; self.point.coefficients.len()],
        };
        for (position, value) in free.iter().zip(&step) {
            point.coefficients[self.set[*position] as usize] = *value;
        }
        Some((point, predicted))
    }
}

/// Passes until the tolerance if every one leaves as much of the gap as the last did.
fn passes_left(gap: f64, previous: f64, tolerance: f64) -> f64 {
    if gap <= tolerance {
        return 0.0;
    }
    if gap >= previous {
        return f64::INFINITY;
    }
    (gap / tolerance).ln() / (previous / gap).ln()
}

/// `start + length * step`; a coefficient that a full step brings to zero is exactly zero.
fn along(start: &Point, step: &Point, length: f64) -> Point {
    Point {
        intercept: start.intercept + length * step.intercept,
        coefficients: start
            .coefficients
            .iter()
            .zip(&step.coefficients)
            .map(|(b, d)| {
                let moved = b + length * d;
                if moved.abs() <= f64::EPSILON * b.abs() {
                    0.0
                } else {
                    moved
                }
            })
            .collect(),
    }
}
