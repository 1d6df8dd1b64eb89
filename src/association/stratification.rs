//! A stratum for every unit, and a test of two items within strata that is exact where it can be.

use serde::{Deserialize, Serialize};

use crate::association::saved::RawStrata;
use crate::association::{
    Alternative, ChiSquaredTest, PairCounts, breslow_day, mantel_haenszel, mantel_haenszel_test,
};
use crate::design::Items;
use crate::error::Result;
use crate::evaluation::{Estimate, check};
use crate::numeric::hypergeometric::Hypergeometric;
use crate::numeric::special::normal_upper;

/// The stratum of every unit (age band, sex, site), within which items are compared.
///
/// ```
/// use galen::association::Strata;
///
/// let strata = Strata::new(["40 to 64, F", "65 and over, M", "40 to 64, F"]);
/// assert_eq!((strata.len(), strata.n_units()), (2, 3));
/// assert_eq!(strata.of(2), 0);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawStrata")]
pub struct Strata {
    of_unit: Vec<u32>,
    n: usize,
}

impl Strata {
    /// Strata from one label a unit, numbered in the order of the labels.
    pub fn new<L: Ord>(labels: impl IntoIterator<Item = L>) -> Self {
        let labels: Vec<L> = labels.into_iter().collect();
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by(|a, b| labels[*a].cmp(&labels[*b]));
        let mut of_unit = vec![0; labels.len()];
        let mut n = 0;
        for run in order.chunk_by(|a, b| labels[*a] == labels[*b]) {
            for unit in run {
                of_unit[*unit] = n as u32;
            }
            n += 1;
        }
        Self { of_unit, n }
    }

    /// Units with the same items make a stratum: items of age bands, sex and site alone.
    ///
    /// ```
    /// use galen::association::Strata;
    /// use galen::design::ItemParams;
    /// use galen::matrix::PatientMatrix;
    ///
    /// # fn main() -> galen::Result<()> {
    /// let rows = PatientMatrix::from_columns([("age", vec![34.0, 71.0, 66.0, f64::NAN])])?;
    /// let ages = ItemParams::default().cuts("age", [40.0, 65.0]).learn(&rows)?;
    /// let strata = Strata::of_items(&ages.items(&rows)?);
    /// assert_eq!(strata.len(), 3); // up to 40, above 65, not known
    /// # Ok(())
    /// # }
    /// ```
    pub fn of_items(items: &Items) -> Self {
        Self::new((0..items.n_units()).map(|unit| items.basket(unit).collect::<Vec<u32>>()))
    }

    /// Number of strata.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether there is no unit.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Number of units.
    pub fn n_units(&self) -> usize {
        self.of_unit.len()
    }

    /// The stratum of a unit.
    ///
    /// # Panics
    /// When there is no such unit.
    pub fn of(&self, unit: usize) -> u32 {
        self.of_unit[unit]
    }

    pub(crate) fn check(&self, n_units: usize) -> Result<()> {
        check::length("strata of units", n_units, self.of_unit.len())
    }
}

/// What strata say of two items.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stratified {
    /// Common odds ratio of Mantel and Haenszel; `None` where it is 0, infinite or 0/0.
    pub odds_ratio: Option<Estimate>,
    /// Test that the odds ratio is the same in all strata; `None` where it is undefined.
    pub homogeneity: Option<ChiSquaredTest>,
    /// Strata in which both items vary.
    pub n_informative: usize,
    /// p-value of association within strata.
    pub p: f64,
    /// Whether `p` is exact; else it is that of Mantel and Haenszel's statistic, corrected for
    /// continuity.
    pub exact: bool,
}

/// Joint counts up to which the distribution over all strata is worked out.
const MOST_EXACT: u64 = 600;

impl Stratified {
    /// From the counts by stratum; strata without units are left out before.
    pub(crate) fn new(strata: &[PairCounts], alternative: Alternative, level: f64) -> Result<Self> {
        check::level("strata", level)?;
        let common = mantel_haenszel(strata, level).ok();
        let (p, exact) = stratified_p(strata, alternative);
        let varies = |count: u64, n: u64| count > 0 && count < n;
        let informative = strata
            .iter()
            .filter(|s| varies(s.n_a(), s.n()) && varies(s.n_b(), s.n()));
        Ok(Self {
            odds_ratio: common.map(|common| common.odds_ratio),
            homogeneity: breslow_day(strata, true).ok(),
            n_informative: informative.count(),
            p,
            exact,
        })
    }
}

/// p-value of two items given the margins of every stratum, and whether it is exact.
///
/// The number of units with both is a sum of hypergeometric counts. Where it can take at most 600
/// values its distribution is worked out (the exact conditional test, as R's
/// `mantelhaen.test(exact = TRUE)`); else it is nearly normal and Mantel and Haenszel's statistic is
/// taken, one half nearer to expectation. No informative stratum: 1.
pub(crate) fn stratified_p(strata: &[PairCounts], alternative: Alternative) -> (f64, bool) {
    let nulls = strata
        .iter()
        .map(|s| (Hypergeometric::new(s.n(), s.n_a(), s.n_b()), s.n_ab()));
    let varying: Vec<(Hypergeometric, u64)> = nulls
        .filter(|(null, _)| null.least() < null.most())
        .collect();
    if varying.is_empty() {
        return (1.0, true);
    }
    let width: u64 = varying
        .iter()
        .map(|(null, _)| null.most() - null.least())
        .fold(0, u64::saturating_add);
    if width <= MOST_EXACT {
        return (convolved_p(&varying, alternative), true);
    }
    let distance: f64 = strata.iter().map(|s| s.n_ab() as f64 - s.expected()).sum();
    let Ok(test) = mantel_haenszel_test(strata, true) else {
        return (1.0, false);
    };
    let upper = normal_upper(test.statistic.sqrt());
    let p = match alternative {
        Alternative::TwoSided => test.p,
        Alternative::Greater if distance > 0.0 => upper,
        Alternative::Less if distance < 0.0 => upper,
        _ => 1.0 - upper,
    };
    (p, false)
}

fn convolved_p(strata: &[(Hypergeometric, u64)], alternative: Alternative) -> f64 {
    // Weights are relative to the largest: only ratios matter, and none is lost to range.
    let mut weights = vec![1.0];
    let mut observed = 0;
    for (null, joint) in strata {
        observed += (joint - null.least()) as usize;
        let logs = (null.least()..=null.most()).map(|x| null.log_probability(x));
        let own: Vec<f64> = logs.map(libm::exp).collect();
        let mut next = vec![0.0; weights.len() + own.len() - 1];
        for (at, weight) in weights.iter().enumerate() {
            for (by, share) in own.iter().enumerate() {
                next[at + by] += weight * share;
            }
        }
        weights = next;
    }
    let total: f64 = weights.iter().sum();
    let sum: f64 = match alternative {
        Alternative::Greater => weights[observed..].iter().rev().sum(),
        Alternative::Less => weights[..=observed].iter().sum(),
        Alternative::TwoSided => {
            // Counts within a relative 1e-7 are equally likely, as for one table.
            let limit = weights[observed] * (1.0 + 1e-7);
            weights.iter().filter(|weight| **weight <= limit).sum()
        }
    };
    (sum / total).min(1.0)
}

#[cfg(test)]
#[path = "stratification_tests.rs"]
mod tests;
