//! A number with its uncertainty, and intervals of proportions.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::evaluation::check;
use crate::numeric::special::{beta_quantile, beta_upper_quantile, normal_quantile};

/// An estimate with its standard error and confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The point estimate.
    pub value: f64,
    /// Standard error; `None` where the interval does not come from one.
    pub se: Option<f64>,
    /// Lower end of the interval.
    pub lower: f64,
    /// Upper end of the interval.
    pub upper: f64,
    /// Confidence level of the interval.
    pub level: f64,
}

impl Estimate {
    /// The normal (Wald) interval; `level` is checked by the caller.
    pub(crate) fn wald(value: f64, se: f64, level: f64) -> Self {
        let reach = normal_quantile(0.5 + 0.5 * level) * se;
        Self {
            value,
            se: Some(se),
            lower: value - reach,
            upper: value + reach,
            level,
        }
    }
}

/// Wilson's score interval of a proportion: `successes` of `trials`.
///
/// Close to its level even for rare events and never outside [0, 1] (Wilson, J. Am. Stat. Assoc.
/// 22, 1927, doi 10.1080/01621459.1927.10502953). Counts may be sums of weights.
///
/// # Errors
/// No trials, more successes than trials, negative or non-finite counts, a level outside (0, 1).
///
/// ```
/// use galen::evaluation::wilson;
/// # fn main() -> galen::Result<()> {
/// let found = wilson(1.0, 10.0, 0.95)?;
/// assert!((found.lower - 0.0178762).abs() < 1e-6 && (found.upper - 0.4041500).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
pub fn wilson(successes: f64, trials: f64, level: f64) -> Result<Estimate> {
    const WHAT: &str = "wilson";
    check::level(WHAT, level)?;
    check::each(WHAT, &[successes, trials], "counts of zero or more", |v| {
        v >= 0.0
    })?;
    if trials == 0.0 {
        return Err(check::undefined(WHAT, "there are no trials"));
    }
    if successes > trials {
        return Err(check::parameter(
            WHAT,
            "successes",
            successes,
            "at most the number of trials",
        ));
    }
    let z2 = normal_quantile(0.5 + 0.5 * level).powi(2);
    let value = successes / trials;
    let failures = trials - successes;
    let reach = (z2 * (successes * failures / trials + 0.25 * z2)).sqrt();
    let total = trials + z2;
    Ok(Estimate {
        value,
        se: None,
        lower: if successes == 0.0 {
            0.0
        } else {
            ((successes + 0.5 * z2 - reach) / total).max(0.0)
        },
        upper: if failures == 0.0 {
            1.0
        } else {
            ((successes + 0.5 * z2 + reach) / total).min(1.0)
        },
        level,
    })
}

/// The exact interval of Clopper and Pearson of a proportion: `successes` of `trials`.
///
/// Never covers less than its level, hence wide for few trials (Biometrika 26, 1934, doi
/// 10.1093/biomet/26.4.404).
///
/// # Errors
/// No trials, more successes than trials, a level outside (0, 1).
///
/// ```
/// use galen::evaluation::clopper_pearson;
/// # fn main() -> galen::Result<()> {
/// let found = clopper_pearson(0, 10, 0.95)?;
/// assert_eq!(found.lower, 0.0);
/// assert!((found.upper - (1.0 - 0.025_f64.powf(0.1))).abs() < 1e-14);
/// # Ok(())
/// # }
/// ```
pub fn clopper_pearson(successes: u64, trials: u64, level: f64) -> Result<Estimate> {
    const WHAT: &str = "clopper_pearson";
    check::level(WHAT, level)?;
    if trials == 0 {
        return Err(check::undefined(WHAT, "there are no trials"));
    }
    if successes > trials {
        return Err(check::parameter(
            WHAT,
            "successes",
            successes,
            "at most the number of trials",
        ));
    }
    let (k, n, tail) = (successes as f64, trials as f64, 0.5 * (1.0 - level));
    Ok(Estimate {
        value: k / n,
        se: None,
        lower: if successes == 0 {
            0.0
        } else {
            beta_quantile(k, n - k + 1.0, tail)
        },
        upper: if successes == trials {
            1.0
        } else {
            beta_upper_quantile(k + 1.0, n - k, tail)
        },
        level,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_closed_and_complements_agree() {
        for level in [0.5, 0.95, 0.999] {
            for (k, n) in [(0, 1), (1, 1), (3, 17), (17, 17), (1, 1_000_000)] {
                let exact = clopper_pearson(k, n, level).unwrap();
                let mirror = clopper_pearson(n - k, n, level).unwrap();
                assert!((exact.lower - (1.0 - mirror.upper)).abs() < 1e-12);
                assert!(exact.lower <= exact.value && exact.value <= exact.upper);
                let score = wilson(k as f64, n as f64, level).unwrap();
                assert!(score.lower <= score.value && score.value <= score.upper);
                assert_eq!(score.lower == 0.0, k == 0);
                assert_eq!(score.upper == 1.0, k == n);
            }
        }
    }

    #[test]
    fn impossible_counts_are_refused() {
        assert!(wilson(2.0, 1.0, 0.95).is_err());
        assert!(wilson(0.0, 0.0, 0.95).is_err());
        assert!(wilson(f64::NAN, 1.0, 0.95).is_err());
        assert!(clopper_pearson(0, 0, 0.95).is_err());
        assert!(clopper_pearson(2, 1, 0.95).is_err());
        assert!(clopper_pearson(1, 2, 0.0).is_err());
    }
}
