//! Disproportionate reporting of one drug with one event: PRR, ROR, Evans' criteria.

use serde::{Deserialize, Serialize};

use crate::association::{ChiSquaredTest, HalfCorrection, PairCounts};
use crate::error::Result;
use crate::evaluation::Estimate;

/// The criteria of a signal by Evans, Waller and Davis (2001).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EvansCriteria {
    /// Reports with both at least; default 3.
    pub min_reports: u64,
    /// Proportional reporting ratio at least; default 2.
    pub min_prr: f64,
    /// Chi-squared with Yates' correction at least; default 4.
    pub min_chi_squared: f64,
}

impl Default for EvansCriteria {
    fn default() -> Self {
        Self {
            min_reports: 3,
            min_prr: 2.0,
            min_chi_squared: 4.0,
        }
    }
}

/// Measures of disproportionate reporting of one pair; made by [`disproportionality`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Disproportionality {
    /// Proportional reporting ratio; infinite where the event is reported with this drug only,
    /// `None` where all reports name the drug.
    pub prr: Option<Estimate>,
    /// Reporting odds ratio; `None` for 0/0.
    pub ror: Option<Estimate>,
    /// Chi-squared with Yates' correction; `None` where drug or event stands in all reports.
    pub chi_squared: Option<ChiSquaredTest>,
    /// Whether all criteria are met.
    pub signal: bool,
}

/// PRR and ROR with intervals, chi-squared and the criteria of Evans, Waller and Davis.
///
/// A is the drug and B the event; counts are of unique reports. The proportional reporting ratio is
/// the relative risk of [`PairCounts::relative_risk`], the reporting odds ratio that of
/// [`PairCounts::odds_ratio`]; intervals are on the logarithm, `se` is that of the logarithm.
/// Sources: Evans, Waller and Davis, Pharmacoepidemiol. Drug Saf. 10, 2001, doi 10.1002/pds.677;
/// van Puijenbroek and others, ibid. 11, 2002, doi 10.1002/pds.668. Disproportionate reporting is
/// no incidence: it says what to look at, not what a drug does.
///
/// # Errors
/// [`Parameter`](crate::error::ErrorKind::Parameter) for a level outside (0, 1).
///
/// ```
/// use galen::association::{EvansCriteria, PairCounts, disproportionality};
/// # fn main() -> galen::Result<()> {
/// // 19 of 70 reports of one product name an event that 43 of 3,356 reports name.
/// let found = disproportionality(
///     &PairCounts::new(3_356, 70, 43, 19)?,
///     &EvansCriteria::default(),
///     0.95,
/// )?;
/// assert!(found.signal && (found.prr.unwrap().value - 37.1630952).abs() < 1e-7);
/// # Ok(())
/// # }
/// ```
pub fn disproportionality(
    counts: &PairCounts,
    criteria: &EvansCriteria,
    level: f64,
) -> Result<Disproportionality> {
    crate::evaluation::check::level("disproportionality", level)?;
    // The level is sound, so that an error says that the ratio is 0/0.
    let prr = counts.relative_risk(level, HalfCorrection::Never).ok();
    let ror = counts.odds_ratio(level, HalfCorrection::Never).ok();
    let chi_squared = counts.chi_squared(true);
    let signal = counts.n_ab() >= criteria.min_reports
        && prr.is_some_and(|prr| prr.value >= criteria.min_prr)
        && chi_squared.is_some_and(|test| test.statistic >= criteria.min_chi_squared);
    Ok(Disproportionality {
        prr,
        ror,
        chi_squared,
        signal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_by_hand() {
        let pair = PairCounts::new(3_356, 45, 842, 42).unwrap();
        let found = disproportionality(&pair, &EvansCriteria::default(), 0.95).unwrap();
        let prr = found.prr.unwrap();
        assert!((prr.value - (42.0 / 45.0) / (800.0 / 3_311.0)).abs() < 1e-12);
        assert!((found.chi_squared.unwrap().statistic - 109.373_406).abs() < 1e-6);
        let ror = found.ror.unwrap();
        assert!((ror.value - 42.0 * 2_511.0 / (3.0 * 800.0)).abs() < 1e-10);
        let se = (1.0 / 42.0 + 1.0 / 3.0 + 1.0 / 800.0 + 1.0 / 2_511.0_f64).sqrt();
        assert!((ror.se.unwrap() - se).abs() < 1e-14);
        assert!(found.signal);
    }

    #[test]
    fn each_criterion_counts() {
        let at = |n_ab, criteria: EvansCriteria| {
            let pair = PairCounts::new(1_000, 20, 40, n_ab).unwrap();
            disproportionality(&pair, &criteria, 0.95).unwrap().signal
        };
        let usual = EvansCriteria::default();
        assert!(at(5, usual) && !at(1, usual));
        assert!(!at(
            5,
            EvansCriteria {
                min_reports: 6,
                ..usual
            }
        ));
        assert!(!at(
            5,
            EvansCriteria {
                min_prr: 9.0,
                ..usual
            }
        ));
        assert!(!at(
            5,
            EvansCriteria {
                min_chi_squared: 90.0,
                ..usual
            }
        ));
    }

    #[test]
    fn an_event_of_one_drug_only_has_an_infinite_ratio() {
        let only = PairCounts::new(100, 10, 4, 4).unwrap();
        let found = disproportionality(&only, &EvansCriteria::default(), 0.95).unwrap();
        assert_eq!(found.prr.unwrap().value, f64::INFINITY);
        assert!(found.signal);
        let all = PairCounts::new(100, 100, 4, 4).unwrap();
        let found = disproportionality(&all, &EvansCriteria::default(), 0.95).unwrap();
        assert_eq!((found.prr, found.ror, found.signal), (None, None, false));
        assert!(disproportionality(&all, &EvansCriteria::default(), 2.0).is_err());
    }
}
