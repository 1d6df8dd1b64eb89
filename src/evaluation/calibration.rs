//! Are the risks right? Brier score and its parts, log loss, calibration intercept and slope.

use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};
use crate::evaluation::check::{self, weight_of};
use crate::evaluation::estimate::Estimate;
use crate::evaluation::weighted::{Tally, unequal_to_one};
use crate::numeric::rank;
use crate::numeric::stable::{Sum, logistic, logit};

/// Risks nearer to 0 or 1 than this are moved to it before a logarithm is taken.
pub const RISK_CLIP: f64 = 1e-15;

/// How rows are gathered into bins of predicted risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Bins {
    /// As many bins of about equal weight: a row's bin is its share of weight at lower risks, so
    /// equal risks stay together and the order of rows does not matter.
    EqualSize(usize),
    /// As many bins of equal width on [0, 1], half-open, the last closed; empty bins are left out.
    EqualWidth(usize),
}

impl Default for Bins {
    /// Ten bins of equal size.
    fn default() -> Self {
        Self::EqualSize(10)
    }
}

/// Rows of one bin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bin {
    pub(crate) index: usize,
    pub(crate) rows: usize,
    pub(crate) events: Tally,
    pub(crate) others: Tally,
    pub(crate) weight: f64,
    /// Mean risk.
    pub(crate) risk: f64,
    /// Event rate.
    pub(crate) observed: f64,
}

/// The Brier score taken apart; made by [`brier_parts`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrierParts {
    /// The score: `reliability - resolution + uncertainty + within_variance - 2 within_covariance`.
    pub brier: f64,
    /// Mean squared distance of mean risk and event rate of the bins; 0 is best.
    pub reliability: f64,
    /// Mean squared distance of the bins' event rates from the overall one; more is better.
    pub resolution: f64,
    /// Variance of the outcome, which no model changes.
    pub uncertainty: f64,
    /// Variance of the risks within bins.
    pub within_variance: f64,
    /// Covariance of risk and outcome within bins.
    pub within_covariance: f64,
    /// Number of bins that hold rows.
    pub n_bins: usize,
}

/// Calibration in the large, intercept and slope; made by [`calibration`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Intercept of the logistic model with slope 1: 0 when the mean risk is right, negative when
    /// risks are too high.
    pub in_the_large: Estimate,
    /// Intercept of the logistic model on the log odds of the risk.
    pub intercept: Estimate,
    /// Slope of that model: 1 is ideal, below 1 means risks too extreme (overfitting).
    pub slope: Estimate,
    /// Covariance of intercept and slope.
    pub covariance: f64,
    /// Weighted number of events.
    pub observed: f64,
    /// Sum of the risks.
    pub expected: f64,
    /// Observed over expected events.
    pub observed_over_expected: f64,
    /// Rows whose risk of 0 or 1 was moved to [`RISK_CLIP`] from it.
    pub n_clipped: usize,
}

/// Brier score: mean squared distance of risk and outcome (0 is perfect).
///
/// Brier, Mon. Weather Rev. 78, 1950. It mixes discrimination and calibration and depends on the
/// event rate: compare with [`brier_scaled`] across cohorts.
///
/// # Errors
/// Other lengths, risks outside [0, 1], bad weights, no rows.
///
/// ```
/// use galen::evaluation::brier;
/// # fn main() -> galen::Result<()> {
/// assert_eq!(brier(&[true, false], &[0.5, 0.5], None)?, 0.25);
/// # Ok(())
/// # }
/// ```
pub fn brier(truth: &[bool], risk: &[f64], weights: Option<&[f64]>) -> Result<f64> {
    check::risk("brier", truth, risk, weights)?;
    Ok(mean(truth, risk, weights, |event, risk| {
        (risk - outcome(event)).powi(2)
    }))
}

/// Scaled Brier score: 1 - Brier / (rate (1 - rate)), the gain over the constant event rate.
///
/// 1 is perfect, 0 no better than the rate, negative worse.
///
/// # Errors
/// As [`brier`]; a single class.
pub fn brier_scaled(truth: &[bool], risk: &[f64], weights: Option<&[f64]>) -> Result<f64> {
    const WHAT: &str = "brier_scaled";
    check::risk(WHAT, truth, risk, weights)?;
    let (events, nonevents) = check::both_classes(WHAT, truth, weights)?;
    let rate = events / (events + nonevents);
    Ok(1.0 - brier(truth, risk, weights)? / (rate * (1.0 - rate)))
}

/// Log loss: mean of -log of the probability given to what happened, in nats.
///
/// Risks are first moved [`RISK_CLIP`] away from 0 and 1: a certain prediction that fails costs
/// 34.5 instead of infinity.
///
/// # Errors
/// As [`brier`].
pub fn log_loss(truth: &[bool], risk: &[f64], weights: Option<&[f64]>) -> Result<f64> {
    check::risk("log_loss", truth, risk, weights)?;
    Ok(mean(truth, risk, weights, |event, risk| {
        let risk = clip(risk);
        -if event {
            libm::log(risk)
        } else {
            libm::log1p(-risk)
        }
    }))
}

/// Takes the Brier score apart by bins of risk so that the parts add up exactly.
///
/// Murphy, J. Appl. Meteorol. 12, 1973; with the two within-bin terms of Stephenson, Coelho and
/// Jolliffe, Weather Forecast. 23, 2008, doi 10.1175/2007WAF2006116.1.
///
/// # Errors
/// As [`brier`]; zero bins.
pub fn brier_parts(
    truth: &[bool],
    risk: &[f64],
    weights: Option<&[f64]>,
    bins: Bins,
) -> Result<BrierParts> {
    const WHAT: &str = "brier_parts";
    check_bins(WHAT, bins)?;
    check::risk(WHAT, truth, risk, weights)?;
    let place = bin_of_rows(risk, weights, bins);
    let bins = gather(truth, risk, weights, &place);
    let (events, nonevents) = check::class_weights(truth, weights);
    let total = events + nonevents;
    let rate = events / total;
    let mut parts = BrierParts {
        brier: brier(truth, risk, weights)?,
        reliability: 0.0,
        resolution: 0.0,
        uncertainty: rate * (1.0 - rate),
        within_variance: 0.0,
        within_covariance: 0.0,
        n_bins: bins.len(),
    };
    let mut by_index = vec![(0.0, 0.0); bins.last().map_or(0, |bin| bin.index + 1)];
    for bin in &bins {
        let share = bin.weight / total;
        parts.reliability += share * (bin.risk - bin.observed).powi(2);
        parts.resolution += share * (bin.observed - rate).powi(2);
        by_index[bin.index] = (bin.risk, bin.observed);
    }
    let (mut variance, mut covariance) = (Sum::default(), Sum::default());
    for row in 0..truth.len() {
        let (bin_risk, bin_rate) = by_index[place[row]];
        let weight = weight_of(weights, row);
        let from_mean = risk[row] - bin_risk;
        variance.add(weight * from_mean * from_mean);
        covariance.add(weight * from_mean * (outcome(truth[row]) - bin_rate));
    }
    parts.within_variance = variance.value() / total;
    parts.within_covariance = covariance.value() / total;
    Ok(parts)
}

/// Expected calibration error: weighted mean over bins of |mean risk - event rate|.
///
/// Depends on the bins; zero does not prove calibration. Prefer [`calibration`] and
/// [`flexible_calibration`](crate::evaluation::flexible_calibration).
///
/// # Errors
/// As [`brier_parts`].
pub fn expected_calibration_error(
    truth: &[bool],
    risk: &[f64],
    weights: Option<&[f64]>,
    bins: Bins,
) -> Result<f64> {
    const WHAT: &str = "expected_calibration_error";
    check_bins(WHAT, bins)?;
    check::risk(WHAT, truth, risk, weights)?;
    let bins = gather(truth, risk, weights, &bin_of_rows(risk, weights, bins));
    let total: f64 = bins.iter().map(|bin| bin.weight).sum();
    Ok(bins
        .iter()
        .map(|bin| bin.weight / total * (bin.risk - bin.observed).abs())
        .sum())
}

/// Calibration in the large, calibration intercept and slope with Wald intervals at `level`.
///
/// Logistic regression of the outcome on the log odds of the risk (Cox, Biometrika 45, 1958, doi
/// 10.1093/biomet/45.3-4.562), by Newton's method. Risks of exactly 0 and 1 are moved by
/// [`RISK_CLIP`]; such rows have great leverage on the slope, so they are counted. Under weights the
/// standard errors are the robust ones of R's `survey::svyglm` (Binder, Int. Stat. Rev. 51, 1983, doi
/// 10.2307/1402588), in which a row is one observation.
///
/// # Errors
/// As [`brier`]; a single class; undefined when all risks are equal or when the risks separate the
/// classes, where no finite slope exists.
///
/// ```
/// use galen::evaluation::calibration;
/// # fn main() -> galen::Result<()> {
/// // Risk 0.2 with one event in five, risk 0.6 with three in five: perfectly calibrated.
/// let truth = [true, false, false, false, false, true, true, true, false, false];
/// let risk = [0.2, 0.2, 0.2, 0.2, 0.2, 0.6, 0.6, 0.6, 0.6, 0.6];
/// let found = calibration(&truth, &risk, None, 0.95)?;
/// assert!(found.in_the_large.value.abs() < 1e-12 && (found.slope.value - 1.0).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
pub fn calibration(
    truth: &[bool],
    risk: &[f64],
    weights: Option<&[f64]>,
    level: f64,
) -> Result<Calibration> {
    const WHAT: &str = "calibration";
    check::level(WHAT, level)?;
    check::risk(WHAT, truth, risk, weights)?;
    let weights = unequal_to_one(weights);
    let (observed, nonevents) = check::both_classes(WHAT, truth, weights)?;
    let log_odds: Vec<f64> = risk.iter().map(|risk| logit(clip(*risk))).collect();
    let weight = |row: usize| weight_of(weights, row);
    identifiable(WHAT, truth, risk, weight)?;
    let rows = || (0..truth.len()).map(|row| (log_odds[row], outcome(truth[row]), weight(row)));
    let (shift, mut shift_variance) = fit_shift(WHAT, rows)?;
    // From a flat line at the event rate Newton's steps never start in a saturated region.
    let rate = observed / (observed + nonevents);
    let mut line = fit_line(WHAT, rows, [logit(rate), 0.0])?;
    if weights.is_some() {
        shift_variance = robust(rows(), [shift, 1.0], [shift_variance, 0.0, 0.0])[0];
        line.variance = robust(rows(), [line.intercept, line.slope], line.variance);
    }
    let expected = (0..risk.len())
        .map(|row| weight(row) * risk[row])
        .collect::<Sum>()
        .value();
    if expected <= 0.0 {
        return Err(check::undefined(WHAT, "all risks are zero"));
    }
    Ok(Calibration {
        in_the_large: Estimate::wald(shift, shift_variance.sqrt(), level),
        intercept: Estimate::wald(line.intercept, line.variance[0].sqrt(), level),
        slope: Estimate::wald(line.slope, line.variance[2].sqrt(), level),
        covariance: line.variance[1],
        observed,
        expected,
        observed_over_expected: observed / expected,
        n_clipped: (0..risk.len())
            .filter(|row| weight(*row) > 0.0 && clip(risk[*row]) != risk[*row])
            .count(),
    })
}

/// A logistic line with the covariance of intercept and slope (11, 12, 22).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Line {
    pub(crate) intercept: f64,
    pub(crate) slope: f64,
    pub(crate) variance: [f64; 3],
}

const MAX_ITERATIONS: usize = 100;

/// Refuses equal risks and risks that separate the classes, where the slope has no finite value.
fn identifiable(
    what: &'static str,
    truth: &[bool],
    risk: &[f64],
    weight: impl Fn(usize) -> f64,
) -> Result<()> {
    // Lowest and highest risk of the non-events and of the events.
    let mut range = [[f64::INFINITY, f64::NEG_INFINITY]; 2];
    for row in (0..truth.len()).filter(|row| weight(*row) > 0.0) {
        let [low, high] = &mut range[usize::from(truth[row])];
        *low = low.min(risk[row]);
        *high = high.max(risk[row]);
    }
    let [nonevents, events] = range;
    if nonevents[0].min(events[0]) == nonevents[1].max(events[1]) {
        return Err(check::undefined(what, "all risks are equal"));
    }
    if events[0] >= nonevents[1] || nonevents[0] >= events[1] {
        return Err(check::undefined(
            what,
            "the risks separate events from non-events, so the slope is infinite",
        ));
    }
    Ok(())
}

/// Intercept with slope 1, and its variance. Rows are (log odds, outcome, weight).
pub(crate) fn fit_shift<I>(what: &'static str, rows: impl Fn() -> I) -> Result<(f64, f64)>
where
    I: Iterator<Item = (f64, f64, f64)>,
{
    // The score decreases in the shift; a bracket guards Newton's steps.
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    let mut shift = 0.0_f64;
    for _ in 0..MAX_ITERATIONS {
        let (mut score, mut information) = (Sum::default(), Sum::default());
        for (log_odds, outcome, weight) in rows() {
            let p = logistic(log_odds + shift);
            score.add(weight * (outcome - p));
            information.add(weight * p * logistic(-log_odds - shift));
        }
        let (score, information) = (score.value(), information.value());
        if score > 0.0 {
            low = shift;
        } else {
            high = shift;
        }
        let step = score / information;
        // Newton squares the error: after a step of 1e-9 nothing is left to gain.
        if step.abs() <= 1e-9 * shift.abs().max(1.0) {
            return Ok((shift + step, 1.0 / information));
        }
        let next = shift + step.clamp(-8.0, 8.0);
        shift = if next > low && next < high {
            next
        } else {
            0.5 * (low + high)
        };
        if !shift.is_finite() {
            break;
        }
    }
    Err(not_converged(what))
}

/// Intercept and slope by damped Newton steps from `start`. Rows are (log odds, outcome, weight).
pub(crate) fn fit_line<I>(what: &'static str, rows: impl Fn() -> I, start: [f64; 2]) -> Result<Line>
where
    I: Iterator<Item = (f64, f64, f64)>,
{
    let [mut intercept, mut slope] = start;
    let mut at = Moments::of(rows(), intercept, slope);
    for _ in 0..MAX_ITERATIONS {
        let [s0, s1] = at.score;
        let variance = at.inverse().ok_or_else(|| not_converged(what))?;
        let step = [
            variance[0] * s0 + variance[1] * s1,
            variance[1] * s0 + variance[2] * s1,
        ];
        // Halving guards the steps: the log-likelihood never gets worse.
        let mut size = 1.0;
        let mut next = Moments::of(rows(), intercept + step[0], slope + step[1]);
        while next.log_likelihood < at.log_likelihood - 1e-12 * at.log_likelihood.abs()
            && size > 1e-6
        {
            size *= 0.5;
            next = Moments::of(rows(), intercept + size * step[0], slope + size * step[1]);
        }
        intercept += size * step[0];
        slope += size * step[1];
        at = next;
        let settled = |step: f64, at: f64| step.abs() <= 1e-8 * at.abs().max(1.0);
        if size == 1.0 && settled(step[0], intercept) && settled(step[1], slope) {
            let variance = at.inverse().ok_or_else(|| not_converged(what))?;
            return Ok(Line {
                intercept,
                slope,
                variance,
            });
        }
    }
    Err(not_converged(what))
}

/// Sandwich variance of a logistic line: the inverse information `bread` on both sides of the summed
/// squares of the rows' scores, times n / (n - 1). Zeros in `bread` leave parameters out.
fn robust(
    rows: impl Iterator<Item = (f64, f64, f64)>,
    [intercept, slope]: [f64; 2],
    bread: [f64; 3],
) -> [f64; 3] {
    let mut sums = [Sum::default(); 3];
    let mut n = 0.0;
    for (x, outcome, weight) in rows.filter(|(_, _, weight)| *weight > 0.0) {
        n += 1.0;
        let score = weight * (outcome - logistic(intercept + slope * x));
        // The row's influence on both parameters.
        let first = score * (bread[0] + bread[1] * x);
        let second = score * (bread[1] + bread[2] * x);
        sums[0].add(first * first);
        sums[1].add(first * second);
        sums[2].add(second * second);
    }
    sums.map(|sum| sum.value() * n / (n - 1.0))
}

/// Log-likelihood, score and information of a logistic line.
struct Moments {
    log_likelihood: f64,
    score: [f64; 2],
    information: [f64; 3],
}

impl Moments {
    fn of(rows: impl Iterator<Item = (f64, f64, f64)>, intercept: f64, slope: f64) -> Self {
        let mut sums = [Sum::default(); 6];
        for (x, outcome, weight) in rows {
            let linear = intercept + slope * x;
            let p = logistic(linear);
            let residual = weight * (outcome - p);
            let information = weight * p * logistic(-linear);
            sums[0].add(weight * (outcome * linear - crate::numeric::stable::log1p_exp(linear)));
            sums[1].add(residual);
            sums[2].add(residual * x);
            sums[3].add(information);
            sums[4].add(information * x);
            sums[5].add(information * x * x);
        }
        let [log_likelihood, s0, s1, i0, i1, i2] = sums.map(Sum::value);
        Self {
            log_likelihood,
            score: [s0, s1],
            information: [i0, i1, i2],
        }
    }

    /// Inverse of the information; `None` where it is singular.
    fn inverse(&self) -> Option<[f64; 3]> {
        let [a, b, c] = self.information;
        // The spread about the weighted mean, not the determinant, tells singularity by scale.
        let centre = b / a;
        let spread = c - b * centre;
        let usable = a > 0.0 && spread > 1e-14 * c && spread.is_finite();
        usable.then(|| [c / (a * spread), -centre / spread, 1.0 / spread])
    }
}

fn not_converged(what: &'static str) -> crate::Error {
    check::undefined(what, "the logistic fit on the log odds does not converge")
}

/// The risk moved away from 0 and 1.
pub(crate) fn clip(risk: f64) -> f64 {
    risk.clamp(RISK_CLIP, 1.0 - RISK_CLIP)
}

pub(crate) fn outcome(event: bool) -> f64 {
    f64::from(u8::from(event))
}

/// Weighted mean of a loss by row.
fn mean(
    truth: &[bool],
    risk: &[f64],
    weights: Option<&[f64]>,
    loss: impl Fn(bool, f64) -> f64,
) -> f64 {
    let (mut total, mut weight_sum) = (Sum::default(), Sum::default());
    for row in 0..truth.len() {
        let weight = weight_of(weights, row);
        total.add(weight * loss(truth[row], risk[row]));
        weight_sum.add(weight);
    }
    total.value() / weight_sum.value()
}

pub(crate) fn check_bins(what: &'static str, bins: Bins) -> Result<()> {
    let (Bins::EqualSize(n) | Bins::EqualWidth(n)) = bins;
    if n == 0 || n > 100_000 {
        return Err(ErrorKind::Parameter {
            estimator: what,
            name: "bins",
            value: n.to_string(),
            rule: "from 1 to 100,000",
        }
        .into());
    }
    Ok(())
}

/// The bin of every row.
pub(crate) fn bin_of_rows(risk: &[f64], weights: Option<&[f64]>, bins: Bins) -> Vec<usize> {
    match bins {
        Bins::EqualWidth(n) => risk
            .iter()
            .map(|risk| ((risk * n as f64) as usize).min(n - 1))
            .collect(),
        Bins::EqualSize(n) => {
            let rows = rank::order(risk);
            let mut total = Sum::default();
            rows.iter()
                .for_each(|row| total.add(weight_of(weights, *row)));
            let mut place = vec![0; risk.len()];
            let mut below = Sum::default();
            for tied in rows.chunk_by(|a, b| risk[*a] == risk[*b]) {
                let bin = ((n as f64 * below.value() / total.value()) as usize).min(n - 1);
                for &row in tied {
                    place[row] = bin;
                    below.add(weight_of(weights, row));
                }
            }
            place
        }
    }
}

/// The bins that hold weight, lowest risk first.
pub(crate) fn gather(
    truth: &[bool],
    risk: &[f64],
    weights: Option<&[f64]>,
    place: &[usize],
) -> Vec<Bin> {
    let n = place.iter().max().map_or(0, |bin| bin + 1);
    let mut sums = vec![([Tally::default(); 2], [Sum::default(); 3]); n];
    for row in 0..truth.len() {
        let weight = weight_of(weights, row);
        if weight > 0.0 {
            let (tallies, [total, risks, events]) = &mut sums[place[row]];
            tallies[usize::from(truth[row])].add(weight);
            total.add(weight);
            risks.add(weight * risk[row]);
            events.add(weight * outcome(truth[row]));
        }
    }
    sums.into_iter()
        .enumerate()
        .filter(|(_, ([others, events], _))| others.rows + events.rows > 0)
        .map(|(index, ([others, events], sums))| {
            let [weight, risks, hits] = sums.map(Sum::value);
            Bin {
                index,
                rows: others.rows + events.rows,
                events,
                others,
                weight,
                risk: risks / weight,
                observed: (hits / weight).clamp(0.0, 1.0),
            }
        })
        .collect()
}

#[cfg(test)]
#[path = "calibration_tests.rs"]
mod tests;
