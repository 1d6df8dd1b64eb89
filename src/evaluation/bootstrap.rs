//! How sure are these numbers? Resampling of patients.
//!
//! Rows of one patient are alike; a bootstrap that draws rows gives intervals that are too narrow.
//! Here patients are drawn with all their rows (Field and Welsh, J. R. Stat. Soc. B 69, 2007, doi
//! 10.1111/j.1467-9868.2007.00593.x). A resample is a vector of multiplicities, never a copy of rows,
//! and its random stream depends on the seed and its number only, so results have the same bits at
//! any number of threads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::evaluation::check;
use crate::numeric::parallel::map_tasks;
use crate::numeric::rank::quantile_sorted;
use crate::numeric::seed::{below, stream};
use crate::numeric::special::{normal_quantile, normal_upper};
use crate::numeric::stable::sum;

/// Settings of the bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BootstrapOptions {
    /// Number of resamples, at least 20; default 1,000.
    pub replicates: usize,
    /// Seed; default 0.
    pub seed: u64,
    /// Confidence level of the intervals; default 0.95.
    pub level: f64,
    /// Whether to add the BCa interval, which needs the statistic once more for every patient;
    /// default false.
    pub bca: bool,
}

impl Default for BootstrapOptions {
    fn default() -> Self {
        Self {
            replicates: 1000,
            seed: 0,
            level: 0.95,
            bca: false,
        }
    }
}

/// A number with its bootstrap intervals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resampled {
    /// The value on all rows, each counted once.
    pub estimate: f64,
    /// Standard deviation of the replicates.
    pub se: f64,
    /// Lower end of the percentile interval.
    pub lower: f64,
    /// Upper end of the percentile interval.
    pub upper: f64,
    /// Lower end of the basic interval: twice the estimate minus the upper percentile.
    pub basic_lower: f64,
    /// Upper end of the basic interval: twice the estimate minus the lower percentile.
    pub basic_upper: f64,
    /// Lower and upper end of the BCa interval, where it was asked for and has a value.
    ///
    /// Percentiles moved for the bias of the replicates and for the change of their spread with the
    /// value, by the jackknife over patients (Efron, J. Am. Stat. Assoc. 82, 1987, doi
    /// 10.1080/01621459.1987.10478410; Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
    /// chapter 14). Replicates equal to the estimate count one half. Without value when the
    /// statistic fails without some patient, or the replicates all lie on one side of the estimate.
    pub bca: Option<[f64; 2]>,
    /// Confidence level of all intervals.
    pub level: f64,
    /// Resamples in which the number had no value (for example a single class); left out.
    pub n_failed: usize,
}

/// Draws patients with replacement and computes `statistic` on each resample.
///
/// `statistic` gets one weight per row: how often its patient was drawn (1 for every row gives the
/// estimate itself); rows that have weights of their own are multiplied by them in the statistic. `patients` has one code per row; without it every row is its own patient. The
/// statistic returns as many numbers every time, in the order of the results.
///
/// # Errors
/// Settings outside their ranges, other lengths, fewer than two patients; whatever the statistic
/// returns on the full rows; undefined when it fails, or is not finite, in more than half of the
/// resamples.
///
/// ```
/// use galen::evaluation::{BootstrapOptions, bootstrap, brier};
/// # fn main() -> galen::Result<()> {
/// let truth = [true, false, true, false, false, true];
/// let risk = [0.9, 0.2, 0.6, 0.4, 0.1, 0.3];
/// let patients = [0, 0, 1, 2, 3, 3];
/// let found = bootstrap(6, Some(&patients), BootstrapOptions::default(), |weights| {
///     Ok(vec![brier(&truth, &risk, Some(weights))?])
/// })?;
/// assert!(found[0].lower < found[0].estimate && found[0].estimate < found[0].upper);
/// # Ok(())
/// # }
/// ```
pub fn bootstrap<F>(
    n_rows: usize,
    patients: Option<&[u32]>,
    options: BootstrapOptions,
    statistic: F,
) -> Result<Vec<Resampled>>
where
    F: Fn(&[f64]) -> Result<Vec<f64>> + Sync,
{
    const WHAT: &str = "bootstrap";
    options.check(WHAT)?;
    let patients = Patients::of(WHAT, n_rows, patients)?;
    let estimates = statistic(&vec![1.0; n_rows])?;
    if let Some(place) = estimates.iter().position(|value| !value.is_finite()) {
        return Err(check::parameter(
            WHAT,
            "statistic",
            format!("not finite at place {place}"),
            "finite numbers",
        ));
    }
    let replicates = map_tasks(options.replicates, |replicate| {
        let drawn = patients.draw(options.seed, replicate);
        let weights: Vec<f64> = patients
            .of_row
            .iter()
            .map(|patient| f64::from(drawn[*patient as usize]))
            .collect();
        statistic(&weights)
            .ok()
            .filter(|values| values.len() == estimates.len())
    });
    let without = options.bca.then(|| {
        map_tasks(patients.count, |left_out| {
            let of_row = patients.of_row.iter();
            let weights: Vec<f64> = of_row
                .map(|patient| f64::from(u8::from(*patient as usize != left_out)))
                .collect();
            statistic(&weights)
                .ok()
                .filter(|values| values.len() == estimates.len())
        })
    });
    estimates
        .iter()
        .enumerate()
        .map(|(place, estimate)| {
            let of = |values: &[Option<Vec<f64>>]| -> Vec<Option<f64>> {
                let values = values.iter();
                values.map(|values| Some(values.as_ref()?[place])).collect()
            };
            let without = without.as_deref().map(of);
            let replicates = of(&replicates).into_iter();
            resampled(*estimate, replicates, options.level, without.as_deref()).ok_or_else(|| {
                check::undefined(
                    WHAT,
                    "the statistic fails in more than half of the resamples",
                )
            })
        })
        .collect()
}

impl BootstrapOptions {
    pub(crate) fn check(&self, what: &'static str) -> Result<()> {
        check::level(what, self.level)?;
        if self.replicates < 20 {
            return Err(check::parameter(
                what,
                "replicates",
                self.replicates,
                "20 or more",
            ));
        }
        Ok(())
    }
}

/// Rows by patient.
pub(crate) struct Patients {
    /// Patient of each row, numbered from 0 in the order of the codes.
    pub(crate) of_row: Vec<u32>,
    pub(crate) count: usize,
}

impl Patients {
    pub(crate) fn of(what: &'static str, n_rows: usize, codes: Option<&[u32]>) -> Result<Self> {
        check::rows(what, 2, n_rows)?;
        if u32::try_from(n_rows).is_err() {
            return Err(check::parameter(what, "rows", n_rows, "below 2^32"));
        }
        let found = match codes {
            None => Self {
                of_row: (0..n_rows as u32).collect(),
                count: n_rows,
            },
            Some(codes) => {
                check::length(what, n_rows, codes.len())?;
                let mut numbers: BTreeMap<u32, u32> = codes.iter().map(|code| (*code, 0)).collect();
                for (number, place) in numbers.values_mut().zip(0..) {
                    *number = place;
                }
                Self {
                    of_row: codes.iter().map(|code| numbers[code]).collect(),
                    count: numbers.len(),
                }
            }
        };
        check::rows(what, 2, found.count)?;
        Ok(found)
    }

    /// How often each patient is drawn in a resample.
    pub(crate) fn draw(&self, seed: u64, replicate: usize) -> Vec<u32> {
        let mut random = stream(seed, replicate as u64);
        let mut drawn = vec![0; self.count];
        for _ in 0..self.count {
            drawn[below(&mut random, self.count)] += 1;
        }
        drawn
    }
}

/// Intervals from replicates, with BCa where there are values `without` each patient; `None` when
/// fewer than half of the replicates have a finite value.
pub(crate) fn resampled(
    estimate: f64,
    replicates: impl Iterator<Item = Option<f64>>,
    level: f64,
    without: Option<&[Option<f64>]>,
) -> Option<Resampled> {
    let mut total = 0;
    let mut values: Vec<f64> = replicates
        .inspect(|_| total += 1)
        .flatten()
        .filter(|value| value.is_finite())
        .collect();
    if values.len() * 2 < total || values.len() < 2 {
        return None;
    }
    let n = values.len() as f64;
    let mean = sum(values.iter().copied()) / n;
    let variance = sum(values.iter().map(|value| (value - mean).powi(2))) / (n - 1.0);
    values.sort_by(f64::total_cmp);
    let lower = quantile_sorted(&values, 0.5 - 0.5 * level)?;
    let upper = quantile_sorted(&values, 0.5 + 0.5 * level)?;
    Some(Resampled {
        estimate,
        se: variance.sqrt(),
        lower,
        upper,
        basic_lower: 2.0 * estimate - upper,
        basic_upper: 2.0 * estimate - lower,
        bca: without.and_then(|without| bca(estimate, &values, without, level)),
        level,
        n_failed: total - values.len(),
    })
}

/// The BCa interval of ascending replicates.
fn bca(estimate: f64, sorted: &[f64], without: &[Option<f64>], level: f64) -> Option<[f64; 2]> {
    let left: Vec<f64> = without.iter().copied().collect::<Option<_>>()?;
    let mean = sum(left.iter().copied()) / left.len() as f64;
    let moment = |power: i32| sum(left.iter().map(|value| (mean - value).powi(power)));
    let squares = moment(2);
    let skew = if squares > 0.0 {
        moment(3) / (6.0 * squares * squares.sqrt())
    } else {
        0.0
    };
    // Replicates that equal the estimate up to rounding are equal to it.
    let slack = 1e-12 * estimate.abs();
    let below = sorted.partition_point(|value| *value < estimate - slack);
    let not_above = sorted.partition_point(|value| *value <= estimate + slack);
    let bias = normal_quantile(0.5 * (below + not_above) as f64 / sorted.len() as f64);
    let end = |tail: f64| {
        let moved = bias + normal_quantile(tail);
        let stretch = 1.0 - skew * moved;
        if !(bias.is_finite() && stretch > 0.0) {
            return None;
        }
        quantile_sorted(sorted, normal_upper(-(bias + moved / stretch)))
    };
    Some([end(0.5 - 0.5 * level)?, end(0.5 + 0.5 * level)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_has_its_known_standard_error() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i * 37 % 400)).collect();
        let options = BootstrapOptions {
            replicates: 2000,
            ..BootstrapOptions::default()
        };
        let mean = |weights: &[f64]| {
            let total: f64 = weights.iter().sum();
            Ok(vec![
                values.iter().zip(weights).map(|(v, w)| v * w).sum::<f64>() / total,
            ])
        };
        let found = bootstrap(400, None, options, mean).unwrap();
        // Standard deviation of 0..399 over the root of 400.
        let expected = ((400.0_f64.powi(2) - 1.0) / 12.0 / 400.0).sqrt();
        assert!((found[0].se / expected - 1.0).abs() < 0.06);
        assert_eq!(found[0].estimate, 199.5);
        assert!((found[0].upper - found[0].lower - 2.0 * 1.96 * expected).abs() < expected);
        // Four copies of each row as one patient: the same information as a hundred rows.
        let patients: Vec<u32> = (0..400).map(|i| (i / 4) as u32 * 10).collect();
        let copies: Vec<f64> = (0..400).map(|i| values[i / 4 * 4]).collect();
        let clustered = bootstrap(400, Some(&patients), options, |weights| {
            let total: f64 = weights.iter().sum();
            Ok(vec![
                copies.iter().zip(weights).map(|(v, w)| v * w).sum::<f64>() / total,
            ])
        });
        assert!(clustered.unwrap()[0].se > 1.7 * expected);
    }

    #[test]
    fn bca_without_bias_or_skew_is_the_percentile_interval() {
        // Replicates 1..=199 about 100; leaving one out moves the value by as much up as down.
        let replicates: Vec<f64> = (1..200).map(f64::from).collect();
        let even: Vec<Option<f64>> = [-1.0, 1.0].repeat(20).into_iter().map(Some).collect();
        let found = |estimate: f64, without: &[Option<f64>]| {
            let replicates = replicates.iter().copied().map(Some);
            resampled(estimate, replicates, 0.9, Some(without)).unwrap()
        };
        let plain = found(100.0, &even);
        let [lower, upper] = plain.bca.unwrap();
        assert!((lower - plain.lower).abs() < 1e-9 && (upper - plain.upper).abs() < 1e-9);
        // Most replicates lie below the estimate: both ends move up, by hand.
        let [lower, upper] = found(150.0, &even).bca.unwrap();
        let bias = normal_quantile(149.5 / 199.0);
        let by_hand = |tail: f64| {
            let p = 1.0 - normal_upper(2.0 * bias + normal_quantile(tail));
            1.0 + 198.0 * p
        };
        assert!((lower - by_hand(0.05)).abs() < 1e-9 && (upper - by_hand(0.95)).abs() < 1e-9);
        // One patient whose absence lowers the value much: a long tail above, ends move up.
        let mut skewed: Vec<Option<f64>> = vec![Some(0.1); 30];
        skewed[7] = Some(-5.0);
        let [lower, upper] = found(100.0, &skewed).bca.unwrap();
        assert!(lower > plain.lower + 1.0 && upper > plain.upper + 1.0);
        // No value without a patient, or no replicate on one side: no interval.
        skewed[3] = None;
        assert_eq!(found(100.0, &skewed).bca, None);
        assert_eq!(found(0.0, &even).bca, None);
        assert_eq!(found(300.0, &even).bca, None);
    }

    #[test]
    fn intervals_worked_by_hand() {
        // 0, 1, ..., 100 in some order, and one failure.
        let values = (0..=100)
            .map(|i| Some(f64::from(i * 37 % 101)))
            .chain([None]);
        let found = resampled(40.0, values, 0.9, None).unwrap();
        let ends = [
            found.lower,
            found.upper,
            found.basic_lower,
            found.basic_upper,
        ];
        for (end, expected) in ends.into_iter().zip([5.0, 95.0, -15.0, 75.0]) {
            assert!((end - expected).abs() < 1e-12, "{end}");
        }
        // Sum of squares about the mean: n (n^2 - 1) / 12.
        assert!((found.se.powi(2) - 101.0 * 10_200.0 / 12.0 / 100.0).abs() < 1e-9);
        assert_eq!((found.estimate, found.n_failed), (40.0, 1));
    }

    #[test]
    fn bits_do_not_depend_on_the_threads() {
        let run = || {
            bootstrap(50, None, BootstrapOptions::default(), |weights| {
                Ok(vec![
                    weights
                        .iter()
                        .zip(0..)
                        .map(|(w, i)| w * f64::from(i).sqrt())
                        .sum(),
                ])
            })
            .unwrap()
        };
        let expected = run();
        let patients = Patients::of("test", 50, None).unwrap();
        assert_ne!(patients.draw(0, 7), patients.draw(1, 7), "the seed is used");
        assert_ne!(patients.draw(0, 7), patients.draw(0, 8), "and the number");
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            assert_eq!(pool.install(run), expected);
        }
    }

    #[test]
    fn failures_are_counted_and_too_many_are_an_error() {
        let fail = |often: f64| {
            move |weights: &[f64]| {
                if weights[0] >= often && weights.iter().any(|w| *w != 1.0) {
                    return Err(check::undefined("test", "by design"));
                }
                Ok(vec![weights[1]])
            }
        };
        let found = bootstrap(30, None, BootstrapOptions::default(), fail(2.0)).unwrap();
        assert!(found[0].n_failed > 150 && found[0].n_failed < 400);
        assert!(bootstrap(30, None, BootstrapOptions::default(), fail(1.0)).is_err());
        assert!(bootstrap(30, Some(&[1; 30]), BootstrapOptions::default(), fail(2.0)).is_err());
        assert!(bootstrap(30, Some(&[1; 29]), BootstrapOptions::default(), fail(2.0)).is_err());
        let few = BootstrapOptions {
            replicates: 5,
            ..BootstrapOptions::default()
        };
        assert!(bootstrap(30, None, few, fail(2.0)).is_err());
        assert!(bootstrap(2, None, BootstrapOptions::default(), |_| Ok(vec![f64::NAN])).is_err());
    }
}
