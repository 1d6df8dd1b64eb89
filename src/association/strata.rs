//! One pair over strata: a common odds ratio, its test and the test that it is common.

use serde::{Deserialize, Serialize};

use crate::association::contingency::log_interval;
use crate::association::{ChiSquaredTest, PairCounts};
use crate::error::Result;
use crate::evaluation::{Estimate, check};

/// The common odds ratio of strata; made by [`mantel_haenszel`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MantelHaenszel {
    /// The odds ratio; `se` is that of its logarithm.
    pub odds_ratio: Estimate,
    /// Strata given.
    pub n_strata: usize,
    /// Strata that bear on it: both items vary there.
    pub n_informative: usize,
}

/// The odds ratio common to all strata, with the interval of Robins, Breslow and Greenland.
///
/// Strata in which an item is constant add nothing, as in R's `mantelhaen.test`; unlike there,
/// strata of a single patient are passed over instead of refused. Source: Mantel and Haenszel, J.
/// Natl. Cancer Inst. 22, 1959, doi 10.1093/jnci/22.4.719; variance by Robins, Breslow and
/// Greenland, Biometrics 42, 1986, doi 10.2307/2531052. Cost: one pass.
///
/// # Errors
/// [`Undefined`](crate::error::ErrorKind::Undefined) where no stratum is informative or the ratio
/// is 0 or infinite; [`Parameter`](crate::error::ErrorKind::Parameter) for a level outside (0, 1).
///
/// ```
/// use galen::association::{PairCounts, mantel_haenszel};
/// # fn main() -> galen::Result<()> {
/// // Twice the odds in both strata, though the pooled table hides it.
/// let strata = [PairCounts::new(60, 20, 30, 12)?, PairCounts::new(90, 60, 20, 15)?];
/// let found = mantel_haenszel(&strata, 0.95)?;
/// assert!((found.odds_ratio.value - (12.0 * 22.0 / 60.0 + 15.0 * 25.0 / 90.0)
///     / (8.0 * 18.0 / 60.0 + 45.0 * 5.0 / 90.0)).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
pub fn mantel_haenszel(strata: &[PairCounts], level: f64) -> Result<MantelHaenszel> {
    const WHAT: &str = "mantel_haenszel";
    check::level(WHAT, level)?;
    let (mut r, mut s) = (0.0, 0.0);
    let (mut pr, mut ps_qr, mut qs) = (0.0, 0.0, 0.0);
    for stratum in strata {
        let [a, b, c, d] = stratum.cells().map(|count| count as f64);
        let n = stratum.n() as f64;
        let (with, against) = (a * d / n, b * c / n);
        let (p, q) = ((a + d) / n, (b + c) / n);
        r += with;
        s += against;
        pr += p * with;
        ps_qr += p * against + q * with;
        qs += q * against;
    }
    if r == 0.0 || s == 0.0 {
        return Err(check::undefined(
            WHAT,
            "no stratum has pairs on both sides; the common odds ratio is 0, infinite or 0/0",
        ));
    }
    let variance = pr / (2.0 * r * r) + ps_qr / (2.0 * r * s) + qs / (2.0 * s * s);
    Ok(MantelHaenszel {
        odds_ratio: log_interval(r / s, variance.sqrt(), level),
        n_strata: strata.len(),
        n_informative: strata.iter().filter(|stratum| informative(stratum)).count(),
    })
}

/// Test of no association in any stratum (Mantel and Haenszel 1959, doi 10.1093/jnci/22.4.719).
///
/// `correct` subtracts one half from the distance to expectation where that is at least one half,
/// as R's `mantelhaen.test` does. Strata in which an item is constant add nothing.
///
/// # Errors
/// [`Undefined`](crate::error::ErrorKind::Undefined) where no stratum is informative.
pub fn mantel_haenszel_test(strata: &[PairCounts], correct: bool) -> Result<ChiSquaredTest> {
    let (mut distance, mut variance) = (0.0, 0.0);
    for stratum in strata.iter().filter(|stratum| informative(stratum)) {
        let (n, a, b) = (
            stratum.n() as f64,
            stratum.n_a() as f64,
            stratum.n_b() as f64,
        );
        distance += stratum.n_ab() as f64 - stratum.expected();
        variance += (a * (n - a) / n) * (b * (n - b) / n) / (n - 1.0);
    }
    if variance == 0.0 {
        return Err(check::undefined(
            "mantel_haenszel_test",
            "in every stratum an item is constant",
        ));
    }
    let distance = distance.abs();
    let step = if correct && distance >= 0.5 { 0.5 } else { 0.0 };
    Ok(ChiSquaredTest::new(
        (distance - step).powi(2) / variance,
        1.0,
    ))
}

/// Test that the odds ratio is the same in all strata (Breslow and Day, Statistical Methods in
/// Cancer Research I, 1980, section 4.4).
///
/// `tarone` corrects for the odds ratio being that of Mantel and Haenszel, which is not the likeliest
/// one (Tarone, Biometrika 72, 1985, doi 10.1093/biomet/72.1.91). Degrees of freedom: informative
/// strata less one.
///
/// # Errors
/// [`Undefined`](crate::error::ErrorKind::Undefined) with fewer than two informative strata, or
/// where the common odds ratio is 0 or infinite.
pub fn breslow_day(strata: &[PairCounts], tarone: bool) -> Result<ChiSquaredTest> {
    const WHAT: &str = "breslow_day";
    let common = mantel_haenszel(strata, 0.95)?.odds_ratio.value;
    let (mut statistic, mut off, mut total, mut used) = (0.0, 0.0, 0.0, 0_u32);
    for stratum in strata.iter().filter(|stratum| informative(stratum)) {
        let (n, a, b) = (
            stratum.n() as f64,
            stratum.n_a() as f64,
            stratum.n_b() as f64,
        );
        let joint = joint_at(n, a, b, common);
        let variance =
            1.0 / (1.0 / joint + 1.0 / (a - joint) + 1.0 / (b - joint) + 1.0 / (n - a - b + joint));
        let gap = stratum.n_ab() as f64 - joint;
        statistic += gap * gap / variance;
        off += gap;
        total += variance;
        used += 1;
    }
    if used < 2 {
        return Err(check::undefined(
            WHAT,
            "fewer than two strata are informative",
        ));
    }
    if tarone {
        statistic -= off * off / total;
    }
    Ok(ChiSquaredTest::new(statistic.max(0.0), f64::from(used - 1)))
}

/// Both items vary in the stratum.
fn informative(stratum: &PairCounts) -> bool {
    let varies = |count: u64| count > 0 && count < stratum.n();
    varies(stratum.n_a()) && varies(stratum.n_b())
}

/// The joint count at which a table with these margins has the odds ratio.
fn joint_at(n: f64, a: f64, b: f64, odds_ratio: f64) -> f64 {
    // (1 - r) x^2 + q x - r a b = 0, by the form of the root that does not cancel.
    let (square, constant) = (1.0 - odds_ratio, odds_ratio * a * b);
    let linear = n - a - b + odds_ratio * (a + b);
    let root = (linear * linear + 4.0 * square * constant).max(0.0).sqrt();
    if linear >= 0.0 {
        2.0 * constant / (linear + root)
    } else {
        (root - linear) / (2.0 * square)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(cells: [u64; 4]) -> PairCounts {
        let [a, b, c, d] = cells;
        PairCounts::new(a + b + c + d, a + b, a + c, a).unwrap()
    }

    /// Oesophageal cancer and alcohol by age (Breslow and Day 1980, table 4.1).
    fn ille_et_vilaine() -> Vec<PairCounts> {
        [
            [1, 9, 0, 106],
            [4, 26, 5, 164],
            [25, 29, 21, 138],
            [42, 27, 34, 139],
            [19, 18, 36, 88],
            [5, 0, 8, 31],
        ]
        .map(pair)
        .to_vec()
    }

    #[test]
    fn drinking_and_oesophageal_cancer() {
        let strata = ille_et_vilaine();
        let found = mantel_haenszel(&strata, 0.95).unwrap();
        assert!((found.odds_ratio.value - 5.16).abs() < 0.005);
        assert_eq!((found.n_strata, found.n_informative), (6, 6));
        let test = mantel_haenszel_test(&strata, true).unwrap();
        assert!(
            (test.statistic - 83.215).abs() < 0.001,
            "{}",
            test.statistic
        );
        let homogeneous = breslow_day(&strata, false).unwrap();
        assert!((homogeneous.statistic - 9.3234).abs() < 1e-4);
        assert_eq!(homogeneous.df, 5.0);
        let tarone = breslow_day(&strata, true).unwrap();
        assert!(tarone.statistic < homogeneous.statistic);
    }

    #[test]
    fn strata_without_variation_add_nothing() {
        let strata = ille_et_vilaine();
        let mut more = strata.clone();
        more.extend([
            pair([0, 0, 5, 9]),
            pair([3, 0, 4, 0]),
            pair([1, 0, 0, 0]),
            pair([0, 7, 0, 2]),
        ]);
        let (plain, padded) = (
            mantel_haenszel(&strata, 0.9).unwrap(),
            mantel_haenszel(&more, 0.9).unwrap(),
        );
        assert_eq!(plain.odds_ratio, padded.odds_ratio);
        assert_eq!((padded.n_strata, padded.n_informative), (10, 6));
        assert_eq!(
            mantel_haenszel_test(&strata, false).unwrap(),
            mantel_haenszel_test(&more, false).unwrap()
        );
        assert_eq!(
            breslow_day(&strata, true).unwrap(),
            breslow_day(&more, true).unwrap()
        );
    }

    #[test]
    fn one_stratum_is_the_plain_table() {
        let one = pair([8, 2, 8, 22]);
        let found = mantel_haenszel(&[one], 0.95).unwrap().odds_ratio;
        let woolf = one.odds_ratio(0.95, Default::default()).unwrap();
        assert!((found.value - woolf.value).abs() < 1e-12);
        // With one stratum the variance is Woolf's.
        assert!((found.se.unwrap() - woolf.se.unwrap()).abs() < 1e-12);
        assert!(breslow_day(&[one], false).is_err());
    }

    #[test]
    fn the_correction_never_passes_expectation() {
        // Observed 5, expected 100/21: nearer than one half, hence no correction.
        let near = [pair([5, 5, 5, 6])];
        let plain = mantel_haenszel_test(&near, false).unwrap();
        assert_eq!(mantel_haenszel_test(&near, true).unwrap(), plain);
        let variance = 10.0 * 11.0 * 10.0 * 11.0 / (21.0 * 21.0 * 20.0);
        assert!((plain.statistic - (5.0 / 21.0_f64).powi(2) / variance).abs() < 1e-14);
    }

    #[test]
    fn the_joint_count_has_the_odds_ratio() {
        for odds_ratio in [1e-6, 0.3, 1.0, 1.0 + 1e-9, 7.0, 1e6] {
            for (n, a, b) in [(100.0, 30.0, 40.0), (100.0, 70.0, 90.0), (1e6, 3.0, 5e5)] {
                let x = joint_at(n, a, b, odds_ratio);
                let found = x * (n - a - b + x) / ((a - x) * (b - x));
                assert!(
                    (found / odds_ratio - 1.0).abs() < 1e-6,
                    "{odds_ratio} {n}: {found}"
                );
            }
        }
    }

    #[test]
    fn nothing_to_compare_is_refused() {
        let zero = pair([0, 4, 3, 5]);
        assert!(mantel_haenszel(&[], 0.95).is_err());
        assert!(mantel_haenszel(&[zero], 0.95).is_err());
        assert!(mantel_haenszel(&[pair([1, 2, 3, 4])], 1.5).is_err());
        assert!(mantel_haenszel_test(&[pair([0, 0, 3, 5])], true).is_err());
        assert!(mantel_haenszel_test(&[zero], true).is_ok());
    }
}
