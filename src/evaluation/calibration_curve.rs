//! Calibration curves: by bins with intervals, and by local regression with its summary indices.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::evaluation::calibration::{Bins, bin_of_rows, check_bins, gather, outcome};
use crate::evaluation::check::{self, weight_of};
use crate::evaluation::estimate::wilson;
use crate::evaluation::weighted::{Weighed, WeightedShare, unequal_to_one};
use crate::numeric::parallel::map_tasks;
use crate::numeric::rank::{order, quantile_sorted, weighted_quantile};
use crate::numeric::stable::{Sum, sum};

/// One bin of a calibration curve; made by [`calibration_curve`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// Number of rows with a weight above zero.
    pub n_rows: usize,
    /// Number of them with the event.
    pub n_events: usize,
    /// Sum of their weights.
    pub weight: f64,
    /// Mean predicted risk.
    pub mean_risk: f64,
    /// Event rate.
    pub event_rate: f64,
    /// Lower end of the Wilson interval of the event rate.
    pub lower: f64,
    /// Upper end of the Wilson interval of the event rate.
    pub upper: f64,
}

/// Settings of [`flexible_calibration`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LoessOptions {
    /// Share of the rows in each local fit: above 0, at most 1; default 0.75.
    pub span: f64,
    /// At most as many distinct risks get a local fit of their own, spread over the ranks; between
    /// them the curve is interpolated by cubics with the fitted slopes. At least 2; default 400.
    pub max_fits: usize,
}

impl Default for LoessOptions {
    fn default() -> Self {
        Self {
            span: 0.75,
            max_fits: 400,
        }
    }
}

/// A smooth calibration curve with its indices; made by [`flexible_calibration`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlexibleCalibration {
    /// Risks at which the curve was fitted, ascending.
    pub risk: Vec<f64>,
    /// Smoothed event rates there; not cut to [0, 1], so that the indices keep their definition.
    pub observed: Vec<f64>,
    /// Integrated calibration index: mean over rows of |risk - smoothed event rate|.
    pub ici: f64,
    /// Median of these distances.
    pub e50: f64,
    /// Their 90th percentile (type 7).
    pub e90: f64,
    /// The largest of them.
    pub emax: f64,
}

/// Mean risk against event rate by bins of risk, with Wilson intervals at `level`.
///
/// Under weights the interval is that of the effective number of rows of the bin: p (1 - p) over the
/// variance of the weighted rate p, Kish's number where p is 0 or 1.
///
/// # Errors
/// Other lengths, risks outside [0, 1], bad weights, zero bins, a level outside (0, 1).
///
/// ```
/// use galen::evaluation::{Bins, calibration_curve};
/// # fn main() -> galen::Result<()> {
/// let truth = [false, false, true, true, false, true];
/// let curve = calibration_curve(&truth, &[0.1, 0.2, 0.3, 0.7, 0.8, 0.9], None, Bins::EqualSize(2), 0.95)?;
/// assert!((curve[0].mean_risk - 0.2).abs() < 1e-15 && curve[1].event_rate == 2.0 / 3.0);
/// # Ok(())
/// # }
/// ```
pub fn calibration_curve(
    truth: &[bool],
    risk: &[f64],
    weights: Option<&[f64]>,
    bins: Bins,
    level: f64,
) -> Result<Vec<CalibrationBin>> {
    const WHAT: &str = "calibration_curve";
    check::level(WHAT, level)?;
    check_bins(WHAT, bins)?;
    check::risk(WHAT, truth, risk, weights)?;
    let weights = unequal_to_one(weights);
    gather(truth, risk, weights, &bin_of_rows(risk, weights, bins))
        .into_iter()
        .map(|bin| {
            let share = match weights {
                None => None,
                Some(_) => WeightedShare::of(bin.events, bin.others),
            };
            let rate = match share {
                None => wilson(bin.observed * bin.weight, bin.weight, level)?,
                Some(share) => share.wilson(level)?,
            };
            Ok(CalibrationBin {
                n_rows: bin.rows,
                n_events: bin.events.rows,
                weight: bin.weight,
                mean_risk: bin.risk,
                event_rate: bin.observed,
                lower: rate.lower,
                upper: rate.upper,
            })
        })
        .collect()
}

/// A smooth calibration curve by local quadratic regression, with ICI, E50, E90 and Emax.
///
/// Loess of degree 2 with tricube weights (Cleveland, J. Am. Stat. Assoc. 74, 1979, doi
/// 10.1080/01621459.1979.10481038) of the outcome on the risk; indices of Austin and Steyerberg,
/// Stat. Med. 38, 2019, doi 10.1002/sim.8281. With at most `max_fits` distinct risks every fit is
/// direct (R's `surface = "direct"`); with more the curve is interpolated, and beyond 20,000 distinct
/// risks neighbours are first merged into 20,000 groups of equal size. The indices are biased upwards
/// in small cohorts, where even a perfect model has wiggles.
///
/// Under weights the span is a share of the weight, rounded down to whole rows where all weights are
/// whole, so that these repeat rows; E50 and E90 are then of type 7 as well, while for weights with
/// fractions they are the smallest distance that half, or nine tenths, of the weight does not exceed.
///
/// # Errors
/// Other lengths, risks outside [0, 1], settings outside their ranges, fewer than 10 rows, a single
/// class.
///
/// ```
/// use galen::evaluation::{LoessOptions, flexible_calibration};
/// # fn main() -> galen::Result<()> {
/// let risk: Vec<f64> = (0..500).map(|i| 0.1 + 0.8 * f64::from(i) / 500.0).collect();
/// let truth: Vec<bool> = (0..500).map(|i| f64::from(i * 7919 % 500) / 500.0 < risk[i as usize]).collect();
/// let found = flexible_calibration(&truth, &risk, None, LoessOptions::default())?;
/// assert!(found.ici < 0.05 && found.e50 <= found.e90 && found.e90 <= found.emax);
/// # Ok(())
/// # }
/// ```
pub fn flexible_calibration(
    truth: &[bool],
    risk: &[f64],
    weights: Option<&[f64]>,
    options: LoessOptions,
) -> Result<FlexibleCalibration> {
    const WHAT: &str = "flexible_calibration";
    if !(options.span > 0.0 && options.span <= 1.0) {
        return Err(check::parameter(
            WHAT,
            "span",
            options.span,
            "above 0 and at most 1",
        ));
    }
    if options.max_fits < 2 {
        return Err(check::parameter(
            WHAT,
            "max_fits",
            options.max_fits,
            "2 or more",
        ));
    }
    check::risk(WHAT, truth, risk, weights)?;
    let weighed = Weighed::of(truth, risk, weights);
    let (truth, risk, weights) = (&*weighed.truth, &*weighed.score, weighed.weights());
    check::rows(WHAT, 10, truth.len())?;
    check::both_classes(WHAT, truth, None)?;

    let rows = order(risk);
    let whole = weights.is_none_or(|weights| weights.iter().all(|weight| weight.fract() == 0.0));
    let cloud = Cloud::of(truth, risk, weights, &rows);
    let (at, fits) = cloud.curve(options, whole);
    let mut distance: Vec<(f64, f64)> = Vec::with_capacity(risk.len());
    let mut segment = 0;
    for &row in &rows {
        while segment + 2 < at.len() && at[segment + 1] < risk[row] {
            segment += 1;
        }
        let fit = interpolate(&at, &fits, segment, risk[row]);
        distance.push(((risk[row] - fit).abs(), weight_of(weights, row)));
    }
    distance.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total = sum(distance.iter().map(|(_, weight)| *weight));
    let (values, shares): (Vec<f64>, Vec<f64>) = distance.iter().copied().unzip();
    let quantile = |p| match weights {
        None => quantile_sorted(&values, p),
        Some(_) if whole => weighted_quantile(&values, &shares, p),
        Some(_) => reached(&distance, p * total),
    };
    Ok(FlexibleCalibration {
        ici: sum(distance.iter().map(|(value, weight)| value * weight)) / total,
        e50: quantile(0.5).unwrap_or(0.0),
        e90: quantile(0.9).unwrap_or(0.0),
        emax: quantile(1.0).unwrap_or(0.0),
        observed: fits.iter().map(|fit| fit.value).collect(),
        risk: at,
    })
}

/// The first of ascending values at which the summed weight reaches `target`.
fn reached(values: &[(f64, f64)], target: f64) -> Option<f64> {
    let mut below = Sum::default();
    let found = values.iter().find(|(_, weight)| {
        below.add(*weight);
        // A share such as 0.9 of the weight is met whatever its last bits say.
        below.value() >= target * (1.0 - 1e-12)
    });
    found.or(values.last()).map(|(value, _)| *value)
}

/// Distinct risks beyond which neighbours are merged: with that many the merging moves the curve by
/// far less than its rounding in any report.
const MAX_POINTS: usize = 20_000;

/// Distinct risks in ascending order with the mean outcome and the weight of their rows.
struct Cloud {
    x: Vec<f64>,
    y: Vec<f64>,
    n: Vec<f64>,
    /// Weight before each point.
    before: Vec<f64>,
}

/// Value and slope of a local fit.
#[derive(Debug, Clone, Copy)]
struct LocalFit {
    value: f64,
    slope: f64,
}

impl Cloud {
    fn of(truth: &[bool], risk: &[f64], weights: Option<&[f64]>, rows: &[usize]) -> Self {
        let distinct = rows.windows(2).filter(|w| risk[w[0]] != risk[w[1]]).count() + 1;
        let group = |place: usize| place * MAX_POINTS / rows.len();
        let mut cloud = Self {
            x: Vec::new(),
            y: Vec::new(),
            n: Vec::new(),
            before: Vec::new(),
        };
        let mut start = 0;
        let mut before = Sum::default();
        while start < rows.len() {
            let mut end = start + 1;
            let same = |place: usize| {
                risk[rows[place]] == risk[rows[start]]
                    || (distinct > MAX_POINTS && group(place) == group(start))
            };
            while end < rows.len() && same(end) {
                end += 1;
            }
            let over = |term: &dyn Fn(usize) -> f64| -> f64 {
                let terms = rows[start..end].iter();
                terms.map(|row| weight_of(weights, *row) * term(*row)).sum()
            };
            let n = over(&|_| 1.0);
            // The first plus mean differences: equal risks keep their exact value.
            let first = risk[rows[start]];
            cloud.x.push(first + over(&|row| risk[row] - first) / n);
            cloud.y.push(over(&|row| outcome(truth[row])) / n);
            cloud.n.push(n);
            cloud.before.push(before.value());
            before.add(n);
            start = end;
        }
        cloud
    }

    /// The fits and where they stand.
    fn curve(&self, options: LoessOptions, whole: bool) -> (Vec<f64>, Vec<LocalFit>) {
        let last = self.x.len() - 1;
        let fits = options.max_fits.min(self.x.len());
        let places: Vec<usize> = if fits == self.x.len() {
            (0..fits).collect()
        } else {
            (0..fits).map(|k| k * last / (fits - 1)).collect()
        };
        let total = self.before[last] + self.n[last];
        let neighbours = if whole {
            (options.span * total + 1e-5).floor().max(1.0)
        } else {
            // A little less than all, which rounding would not reach.
            options.span * total * (1.0 - 1e-12)
        };
        let found = map_tasks(places.len(), |k| self.fit(places[k], neighbours));
        (
            places.into_iter().map(|place| self.x[place]).collect(),
            found,
        )
    }

    /// The window of the nearest `neighbours` rows around a point, and the distance of the last.
    fn window(&self, place: usize, neighbours: f64) -> (usize, usize, f64) {
        let centre = self.x[place];
        let (mut low, mut high) = (place, place);
        let mut inside = self.n[place];
        let mut reach = 0.0;
        while inside < neighbours {
            let left = (low > 0).then(|| centre - self.x[low - 1]);
            let right = self.x.get(high + 1).map(|x| x - centre);
            let take_left = match (left, right) {
                (Some(left), Some(right)) => left <= right,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            if take_left {
                low -= 1;
                inside += self.n[low];
                reach = centre - self.x[low];
            } else {
                high += 1;
                inside += self.n[high];
                reach = self.x[high] - centre;
            }
        }
        (low, high, reach)
    }

    /// Local quadratic fit at a point on orthogonal polynomials, which need no matrix and drop a
    /// degree by themselves where the window has too few distinct risks.
    fn fit(&self, place: usize, neighbours: f64) -> LocalFit {
        let centre = self.x[place];
        let (low, high, reach) = self.window(place, neighbours);
        if reach == 0.0 {
            return LocalFit {
                value: self.y[place],
                slope: 0.0,
            };
        }
        let scaled: Vec<(f64, f64, f64)> = (low..=high)
            .filter_map(|i| {
                let u = (self.x[i] - centre) / reach;
                let weight = self.n[i] * tricube(u.abs());
                (weight > 0.0).then_some((u, weight, self.y[i]))
            })
            .collect();
        let over = |term: &dyn Fn(f64, f64) -> f64| -> f64 {
            scaled
                .iter()
                .map(|(u, weight, y)| weight * term(*u, *y))
                .sum()
        };
        let weight = over(&|_, _| 1.0);
        let mean_u = over(&|u, _| u) / weight;
        let mean_y = over(&|_, y| y) / weight;
        let second = over(&|u, _| (u - mean_u).powi(2));
        let mut fit = LocalFit {
            value: mean_y,
            slope: 0.0,
        };
        if second <= 1e-12 * weight {
            return fit;
        }
        let third = over(&|u, _| (u - mean_u).powi(3));
        let linear = over(&|u, y| (u - mean_u) * (y - mean_y)) / second;
        fit.value -= linear * mean_u;
        fit.slope = linear / reach;
        // Second polynomial: v^2 - (third / second) v - second / weight, with v = u - mean_u.
        let (tilt, level) = (third / second, second / weight);
        let polynomial = |u: f64| {
            let v = u - mean_u;
            v * v - tilt * v - level
        };
        let norm = over(&|u, _| polynomial(u).powi(2));
        if norm > 1e-12 * second {
            let bend = over(&|u, y| polynomial(u) * (y - mean_y)) / norm;
            fit.value += bend * polynomial(0.0);
            fit.slope += bend * (-2.0 * mean_u - tilt) / reach;
        }
        fit
    }
}

/// Weight at a distance in units of the bandwidth, with the flat ends of the original program.
fn tricube(distance: f64) -> f64 {
    if distance >= 0.999 {
        0.0
    } else if distance <= 0.001 {
        1.0
    } else {
        (1.0 - distance.powi(3)).powi(3)
    }
}

/// Cubic through two fits with their slopes; beyond the ends the line of the end's slope.
fn interpolate(at: &[f64], fits: &[LocalFit], segment: usize, x: f64) -> f64 {
    let Some(right) = fits.get(segment + 1) else {
        return fits[segment].value;
    };
    let left = fits[segment];
    let width = at[segment + 1] - at[segment];
    let t = (x - at[segment]) / width;
    if t <= 0.0 {
        return left.value + left.slope * (x - at[segment]);
    }
    if t >= 1.0 {
        return right.value + right.slope * (x - at[segment + 1]);
    }
    let (s, t2) = (1.0 - t, t * t);
    let s2 = s * s;
    (1.0 + 2.0 * t) * s2 * left.value
        + (1.0 + 2.0 * s) * t2 * right.value
        + width * (t * s2 * left.slope - s * t2 * right.slope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::seed::stream;
    use rand::Rng;

    fn cohort(n: usize) -> (Vec<bool>, Vec<f64>) {
        let mut random = stream(5, 0);
        let risk: Vec<f64> = (0..n).map(|_| random.gen_range(0.02..0.98)).collect();
        let truth = risk.iter().map(|p| random.gen_bool(p * p)).collect();
        (truth, risk)
    }

    #[test]
    fn bins_carry_counts_and_intervals() {
        let truth = [false, false, true, true];
        let curve = calibration_curve(
            &truth,
            &[0.1, 0.3, 0.6, 0.6],
            None,
            Bins::EqualWidth(2),
            0.95,
        )
        .unwrap();
        assert_eq!(curve.len(), 2);
        assert_eq!(
            (curve[0].n_rows, curve[0].event_rate, curve[0].lower),
            (2, 0.0, 0.0)
        );
        assert_eq!((curve[1].event_rate, curve[1].upper), (1.0, 1.0));
        assert!(
            (curve[0].upper - 0.657_619_772_493).abs() < 1e-9,
            "{}",
            curve[0].upper
        );
    }

    #[test]
    fn a_fit_at_every_risk_and_an_interpolated_curve_agree() {
        let (truth, risk) = cohort(3000);
        let direct = LoessOptions {
            max_fits: 3000,
            ..LoessOptions::default()
        };
        let direct = flexible_calibration(&truth, &risk, None, direct).unwrap();
        let coarse = flexible_calibration(&truth, &risk, None, LoessOptions::default()).unwrap();
        assert!((direct.ici - coarse.ici).abs() < 1e-5);
        assert!((direct.emax - coarse.emax).abs() < 1e-4);
        assert_eq!(coarse.risk.len(), 400);
        // The truth is the square of the risk: mean of p - p^2 over (0.02, 0.98).
        assert!((direct.ici - 0.173).abs() < 0.03);
    }

    #[test]
    fn merged_neighbours_move_nothing_visible() {
        let (truth, risk) = cohort(50_000);
        let found = flexible_calibration(&truth, &risk, None, LoessOptions::default()).unwrap();
        let rows = order(&risk);
        assert!(Cloud::of(&truth, &risk, None, &rows).x.len() <= MAX_POINTS);
        let (few_truth, few_risk) = (&truth[..19_000], &risk[..19_000]);
        let fewer =
            flexible_calibration(few_truth, few_risk, None, LoessOptions::default()).unwrap();
        assert!((found.ici - fewer.ici).abs() < 0.01);
    }

    #[test]
    fn the_fit_solves_its_weighted_least_squares() {
        // Quadratics are reproduced: outcome rates given as means of groups.
        let cloud = Cloud {
            x: (0..30).map(|i| f64::from(i) / 30.0).collect(),
            y: (0..30)
                .map(|i| 0.1 + 0.5 * (f64::from(i) / 30.0).powi(2))
                .collect(),
            n: vec![2.0; 30],
            before: (0..30).map(|i| 2.0 * f64::from(i)).collect(),
        };
        let fit = cloud.fit(11, 45.0);
        assert!((fit.value - cloud.y[11]).abs() < 1e-13);
        assert!((fit.slope - 11.0 / 30.0).abs() < 1e-12);
    }

    #[test]
    fn few_distinct_risks_lower_the_degree() {
        let truth: Vec<bool> = (0..40).map(|i| i % 4 == 0).collect();
        let risk: Vec<f64> = (0..40).map(|i| if i < 20 { 0.2 } else { 0.3 }).collect();
        let found = flexible_calibration(&truth, &risk, None, LoessOptions::default()).unwrap();
        assert!(found.observed.iter().all(|v| v.is_finite()));
        let flat = flexible_calibration(&truth, &[0.3; 40], None, LoessOptions::default()).unwrap();
        assert!((flat.ici - 0.05).abs() < 1e-15);
        assert!(
            flexible_calibration(&truth[..9], &risk[..9], None, LoessOptions::default()).is_err()
        );
        let bad = LoessOptions {
            span: 0.0,
            ..LoessOptions::default()
        };
        assert!(flexible_calibration(&truth, &risk, None, bad).is_err());
    }
}
