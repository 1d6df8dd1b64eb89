//! The prior of reporting ratios by maximum likelihood, from several starts.

use serde::{Deserialize, Serialize};

use crate::association::shrinkage::{check_expected, log_rising};
use crate::association::{CountCell, GammaMixture};
use crate::error::{ErrorKind, Result};
use crate::evaluation::check;
use crate::numeric::parallel::map_tasks;
use crate::numeric::polygamma::digamma;
use crate::numeric::stable::{Sum, logistic, logit};

/// What is done about pairs that no report names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ZeroCounts {
    /// They are left out and the likelihood is that of counts above zero; the default.
    #[default]
    Truncated,
    /// They are among the cells.
    Included,
}

/// Settings of [`fit_gamma_poisson`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GammaPoissonParams {
    /// Pairs without reports; default truncated.
    pub zeros: ZeroCounts,
    /// Starts of the search; default nine priors, DuMouchel's first: the
    /// likelihood has several summits.
    pub starts: Vec<GammaMixture>,
    /// Steps per start; default 500.
    pub max_iterations: usize,
    /// Largest slope of the mean log-likelihood by a logarithm of a parameter at which the search
    /// ends; default 1e-9.
    pub tolerance: f64,
}

impl Default for GammaPoissonParams {
    fn default() -> Self {
        let start = |shape, rate, share| GammaMixture { shape, rate, share };
        Self {
            zeros: ZeroCounts::Truncated,
            starts: vec![
                start([0.2, 2.0], [0.1, 4.0], 1.0 / 3.0),
                start([0.1, 10.0], [0.1, 10.0], 0.2),
                start([0.3, 6.0], [0.5, 6.0], 0.5),
                start([0.5, 12.0], [0.3, 12.0], 0.8),
                start([0.2, 5.0], [0.2, 5.0], 0.4),
                start([3.0, 1.5], [0.5, 2.0], 0.1),
                start([8.0, 3.0], [2.0, 3.0], 0.2),
                start([20.0, 1.5], [1.5, 1.5], 0.03),
                start([15.0, 2.0], [1.0, 2.0], 0.02),
            ],
            max_iterations: 500,
            tolerance: 1e-9,
        }
    }
}

/// A fitted prior; made by [`fit_gamma_poisson`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GammaPoissonFit {
    /// The prior; its first component has the larger mean.
    pub prior: GammaMixture,
    /// Log-likelihood at the prior, by weight of the cells.
    pub log_likelihood: f64,
    /// Whether the best start ended by the tolerance.
    pub converged: bool,
    /// Whether a parameter ran to the bound of the search (1e-6, 1e6): the mixture has then fewer
    /// free parameters than five.
    pub at_bound: bool,
    /// Starts that came to the same log-likelihood, within a relative 1e-6; one alone is doubtful.
    pub n_agreeing: usize,
    /// Steps of the best start.
    pub n_iterations: usize,
}

/// Bounds of logarithms of shapes and rates, and of the log odds of the share.
const BOUND: f64 = 13.815_510_557_964_274;

/// Fits the five parameters of the prior of reporting ratios by maximum likelihood.
///
/// Counts are negative binomial around each component, truncated at one or not by `params.zeros`.
/// Equal cells are gathered without loss; large tables may be squashed before by
/// [`squash`](crate::association::squash). Quasi-Newton steps with exact slopes run in logarithms
/// of the parameters from every start, and the best end is kept. Sources: DuMouchel, Am. Stat. 53,
/// 1999, doi 10.1080/00031305.1999.10474456 (model, equation 12); DuMouchel and Pregibon, KDD 2001,
/// doi 10.1145/502512.502526 (truncation). Cost: about a hundred passes over the unequal cells per
/// start, starts in parallel.
///
/// # Errors
/// [`ErrorKind::TooFewRows`] for fewer than five cells; [`ErrorKind::OutOfRange`] for expectations
/// or weights that are not above zero, or a zero count where zeros are truncated;
/// [`ErrorKind::Parameter`] for settings outside their range.
///
/// ```
/// use galen::association::{CountCell, GammaPoissonParams, fit_gamma_poisson};
/// # fn main() -> galen::Result<()> {
/// // One pair in twenty is reported six times as often as expected, the others about as often.
/// let cells: Vec<CountCell> = (0..400_u32)
///     .map(|i| {
///         let expected = 0.5 + f64::from(i % 10);
///         let noise = 1.0 + f64::from(i % 7) / 4.0 - 0.75;
///         let ratio = if i % 20 == 3 { 6.0 } else { 1.0 };
///         let count = (expected * ratio * noise).ceil() as u64;
///         CountCell { count, expected, weight: 1.0 }
///     })
///     .collect();
/// let fit = fit_gamma_poisson(&cells, &GammaPoissonParams::default())?;
/// // Nine reports where one was expected are believed to be an excess, though not a ninefold one.
/// let score = fit.prior.score(9, 1.0)?;
/// assert!(score.ebgm > 2.0 && score.ebgm < 9.0, "{fit:?}");
/// # Ok(())
/// # }
/// ```
pub fn fit_gamma_poisson(
    cells: &[CountCell],
    params: &GammaPoissonParams,
) -> Result<GammaPoissonFit> {
    check_input(cells, params)?;
    let data = Gathered::new(cells, params.zeros);
    let ends = map_tasks(params.starts.len(), |task| {
        ascend(&data, to_free(&params.starts[task]), params)
    });
    let mut best = &ends[0];
    for end in &ends[1..] {
        // The first of equals stays, so that the order of the starts decides ties.
        if end.value < best.value || best.value.is_nan() {
            best = end;
        }
    }
    let near = 1e-6 * best.value.abs().max(1.0);
    let mut prior = from_free(&best.at);
    if prior.shape[0] * prior.rate[1] < prior.shape[1] * prior.rate[0] {
        prior.shape.swap(0, 1);
        prior.rate.swap(0, 1);
        prior.share = 1.0 - prior.share;
    }
    Ok(GammaPoissonFit {
        prior,
        log_likelihood: -best.value,
        converged: best.converged,
        at_bound: best.at.iter().any(|value| value.abs() >= BOUND),
        n_agreeing: ends
            .iter()
            .filter(|end| end.value - best.value <= near)
            .count(),
        n_iterations: best.n_iterations,
    })
}

fn check_input(cells: &[CountCell], params: &GammaPoissonParams) -> Result<()> {
    const WHAT: &str = "fit_gamma_poisson";
    if params.starts.is_empty() {
        return Err(check::parameter(
            WHAT,
            "starts",
            "none",
            "at least one start",
        ));
    }
    for start in &params.starts {
        start.check()?;
    }
    if params.max_iterations == 0 {
        return Err(check::parameter(WHAT, "max_iterations", 0, "at least 1"));
    }
    if !(params.tolerance > 0.0 && params.tolerance.is_finite()) {
        return Err(check::parameter(
            WHAT,
            "tolerance",
            params.tolerance,
            "above zero",
        ));
    }
    check::rows(WHAT, 5, cells.len())?;
    check_expected(&cells.iter().map(|cell| cell.expected).collect::<Vec<_>>())?;
    let weights: Vec<f64> = cells.iter().map(|cell| cell.weight).collect();
    check::each("weights of cells", &weights, "numbers above zero", |v| {
        v > 0.0
    })?;
    if params.zeros == ZeroCounts::Truncated
        && let Some(row) = cells.iter().position(|cell| cell.count == 0)
    {
        return Err(ErrorKind::OutOfRange {
            what: "counts of cells",
            row: Some(row),
            column: None,
            rule: "counts above zero where zeros are truncated",
        }
        .into());
    }
    Ok(())
}

/// Unequal cells, by count, then expectation.
struct Gathered {
    /// Unequal counts, rising, with log of their factorials.
    counts: Vec<(f64, f64)>,
    /// Place of the count, expectation, weight.
    cells: Vec<(usize, f64, f64)>,
    total: f64,
    truncated: bool,
}

impl Gathered {
    fn new(cells: &[CountCell], zeros: ZeroCounts) -> Self {
        let mut sorted: Vec<&CountCell> = cells.iter().collect();
        sorted.sort_by(|a, b| {
            a.count
                .cmp(&b.count)
                .then(a.expected.total_cmp(&b.expected))
        });
        let mut found = Self {
            counts: Vec::new(),
            cells: Vec::new(),
            total: 0.0,
            truncated: zeros == ZeroCounts::Truncated,
        };
        for same in sorted.chunk_by(|a, b| a.count == b.count && a.expected == b.expected) {
            let n = same[0].count as f64;
            if found.counts.last().is_none_or(|(last, _)| *last != n) {
                found.counts.push((n, libm::lgamma(n + 1.0)));
            }
            let weight = same.iter().map(|cell| cell.weight).sum::<f64>();
            found
                .cells
                .push((found.counts.len() - 1, same[0].expected, weight));
            found.total += weight;
        }
        found
    }

    /// Minus the log-likelihood and its slopes by the free parameters.
    fn value(&self, free: &[f64; 5]) -> (f64, [f64; 5]) {
        let prior = from_free(free);
        let log_share = [
            -libm::log1p(libm::exp(-free[4])),
            -libm::log1p(libm::exp(free[4])),
        ];
        // What hangs on the count alone: log of the rising factorial and its slope by the shape.
        let tables = prior.shape.map(|shape| {
            let entry = |(n, _): &(f64, f64)| (log_rising(shape, *n), slope_of_rising(shape, *n));
            self.counts.iter().map(entry).collect::<Vec<_>>()
        });
        let (mut value, mut slopes) = (Sum::default(), [Sum::default(); 5]);
        for (place, expected, weight) in &self.cells {
            let (n, log_factorial) = self.counts[*place];
            let (mut logs, mut by_shape, mut by_rate) = ([0.0; 2], [0.0; 2], [0.0; 2]);
            for c in 0..2 {
                let (shape, rate) = (prior.shape[c], prior.rate[c]);
                let (rising, rising_slope) = tables[c][*place];
                let miss = -libm::log1p(expected / rate);
                let hit = -libm::log1p(rate / expected);
                // P(count > 0) of the component.
                let (seen, log_seen) = if self.truncated {
                    let seen = -libm::expm1(shape * miss);
                    (seen, libm::log(seen))
                } else {
                    (1.0, 0.0)
                };
                logs[c] = log_share[c] + rising + shape * miss + n * hit - log_seen;
                by_shape[c] = shape * (rising_slope + miss / seen);
                by_rate[c] = (shape * expected / seen - n * rate) / (rate + expected);
            }
            let top = logs[0].max(logs[1]);
            let log = top + libm::log1p(libm::exp(logs[0].min(logs[1]) - top));
            let first = libm::exp(logs[0] - log);
            value.add(weight * (log_factorial - log));
            for (c, part) in [first, 1.0 - first].into_iter().enumerate() {
                slopes[2 * c].add(-weight * part * by_shape[c]);
                slopes[2 * c + 1].add(-weight * part * by_rate[c]);
            }
            slopes[4].add(-weight * (first - prior.share));
        }
        (value.value(), slopes.map(Sum::value))
    }
}

/// 1/shape + 1/(shape + 1) + ... + 1/(shape + n - 1).
fn slope_of_rising(shape: f64, n: f64) -> f64 {
    if n <= 32.0 {
        (0..n as u32)
            .map(|step| 1.0 / (shape + f64::from(step)))
            .sum()
    } else {
        digamma(shape + n) - digamma(shape)
    }
}

fn to_free(prior: &GammaMixture) -> [f64; 5] {
    let share = prior.share.clamp(1e-6, 1.0 - 1e-6);
    [
        libm::log(prior.shape[0]),
        libm::log(prior.rate[0]),
        libm::log(prior.shape[1]),
        libm::log(prior.rate[1]),
        logit(share),
    ]
    .map(|value| value.clamp(-BOUND, BOUND))
}

fn from_free(free: &[f64; 5]) -> GammaMixture {
    GammaMixture {
        shape: [libm::exp(free[0]), libm::exp(free[2])],
        rate: [libm::exp(free[1]), libm::exp(free[3])],
        share: logistic(free[4]),
    }
}

/// Where one start ended.
struct End {
    at: [f64; 5],
    value: f64,
    converged: bool,
    n_iterations: usize,
}

/// Quasi-Newton descent (BFGS; Nocedal and Wright, Numerical Optimization, 2006, chapter 6) of
/// minus the log-likelihood inside the bounds.
fn ascend(data: &Gathered, start: [f64; 5], params: &GammaPoissonParams) -> End {
    let identity: [[f64; 5]; 5] =
        std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j))));
    let scale = 1.0 / data.total;
    let mut at = start;
    let (mut value, mut slopes) = data.value(&at);
    let mut inverse = identity.map(|row| row.map(|entry| entry * scale));
    let mut fresh = true;
    for iteration in 0..params.max_iterations {
        // Slopes that push out of the bounds do not count.
        let held: [bool; 5] = std::array::from_fn(|i| {
            (at[i] >= BOUND && slopes[i] < 0.0) || (at[i] <= -BOUND && slopes[i] > 0.0)
        });
        let steepest = (0..5)
            .filter(|i| !held[*i])
            .map(|i| slopes[i].abs())
            .fold(0.0, f64::max);
        if steepest * scale <= params.tolerance {
            return End {
                at,
                value,
                converged: true,
                n_iterations: iteration,
            };
        }
        let free = |i: usize, entry: f64| if held[i] { 0.0 } else { entry };
        let step: [f64; 5] = std::array::from_fn(|i| {
            free(
                i,
                -(0..5)
                    .map(|j| inverse[i][j] * free(j, slopes[j]))
                    .sum::<f64>(),
            )
        });
        let Some(next) = line_search(data, &at, value, &slopes, &step) else {
            if fresh {
                break;
            }
            inverse = identity.map(|row| row.map(|entry| entry * scale));
            fresh = true;
            continue;
        };
        let moved: [f64; 5] = std::array::from_fn(|i| next.0[i] - at[i]);
        let turned: [f64; 5] = std::array::from_fn(|i| next.2[i] - slopes[i]);
        fresh = !update(&mut inverse, &moved, &turned);
        if fresh {
            inverse = identity.map(|row| row.map(|entry| entry * scale));
        }
        (at, value, slopes) = next;
    }
    End {
        at,
        value,
        converged: false,
        n_iterations: params.max_iterations,
    }
}

/// Halves the step until it descends; near the end, where values no longer tell, until the slope
/// along the step shrinks.
fn line_search(
    data: &Gathered,
    at: &[f64; 5],
    value: f64,
    slopes: &[f64; 5],
    step: &[f64; 5],
) -> Option<([f64; 5], f64, [f64; 5])> {
    let along = |slopes: &[f64; 5]| (0..5).map(|i| slopes[i] * step[i]).sum::<f64>();
    let fall = along(slopes);
    if fall >= 0.0 || !fall.is_finite() {
        return None;
    }
    // No parameter changes by more than a factor of e^2 at once.
    let longest = step
        .iter()
        .fold(0.0_f64, |longest, part| longest.max(part.abs()));
    let mut length = (2.0 / longest).min(1.0);
    let noise = 1e-13 * value.abs();
    for _ in 0..50 {
        let next: [f64; 5] =
            std::array::from_fn(|i| (at[i] + length * step[i]).clamp(-BOUND, BOUND));
        let (next_value, next_slopes) = data.value(&next);
        let enough = next_value <= value + 1e-4 * length * fall;
        let level = next_value <= value + noise && along(&next_slopes).abs() <= 0.9 * fall.abs();
        if next_value.is_finite() && (enough || level) && next != *at {
            return Some((next, next_value, next_slopes));
        }
        length *= 0.5;
    }
    None
}

/// The rank-two update of the inverse curvature; false where the curvature is not positive.
fn update(inverse: &mut [[f64; 5]; 5], moved: &[f64; 5], turned: &[f64; 5]) -> bool {
    let dot = |a: &[f64; 5], b: &[f64; 5]| (0..5).map(|i| a[i] * b[i]).sum::<f64>();
    let curvature = dot(moved, turned);
    if curvature <= 1e-14 * (dot(moved, moved) * dot(turned, turned)).sqrt() {
        return false;
    }
    let through: [f64; 5] = std::array::from_fn(|i| dot(&inverse[i], turned));
    let size = 1.0 + dot(turned, &through) / curvature;
    for i in 0..5 {
        for j in 0..5 {
            inverse[i][j] +=
                (size * moved[i] * moved[j] - through[i] * moved[j] - moved[i] * through[j])
                    / curvature;
        }
    }
    true
}

#[cfg(test)]
#[path = "shrinkage_fit_tests.rs"]
mod tests;
