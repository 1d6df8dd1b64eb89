//! The information component: observed over expected reports on a logarithmic scale, shrunk.

use crate::association::PairCounts;
use crate::error::Result;
use crate::evaluation::{Estimate, check};
use crate::numeric::polygamma::{digamma, trigamma};
use crate::numeric::special::{gamma_upper_quantile, normal_quantile};

/// Added to observed and expected counts: the pull towards the expectation.
const SHRINKAGE: f64 = 0.5;

/// The information component log2((O + 1/2) / (E + 1/2)) with its exact credible interval.
///
/// The interval is that of a Gamma(O + 1/2, rate E + 1/2) posterior of the ratio of true to
/// expected counts; its lower end at level 0.95 is the IC025, above zero in a signal. Bits. Source:
/// Norén, Hopstadius and Bate, Stat. Methods Med. Res. 22, 2013, doi 10.1177/0962280211403604.
///
/// # Errors
/// [`OutOfRange`](crate::error::ErrorKind::OutOfRange) for a negative or non-finite expected count;
/// [`Parameter`](crate::error::ErrorKind::Parameter) for a level outside (0, 1).
///
/// ```
/// use galen::association::information_component;
/// # fn main() -> galen::Result<()> {
/// // Ten reports where two were expected.
/// let found = information_component(10, 2.0, 0.95)?;
/// assert!((found.value - (10.5_f64 / 2.5).log2()).abs() < 1e-12);
/// assert!(found.lower > 1.0 && found.upper < 2.9);
/// # Ok(())
/// # }
/// ```
pub fn information_component(observed: u64, expected: f64, level: f64) -> Result<Estimate> {
    const WHAT: &str = "information_component";
    check::level(WHAT, level)?;
    check::each(
        WHAT,
        &[expected],
        "an expected count of zero or more",
        |v| v >= 0.0,
    )?;
    let (shape, rate) = (observed as f64 + SHRINKAGE, expected + SHRINKAGE);
    let tail = 0.5 * (1.0 - level);
    let end = |upper_tail: f64| libm::log2(gamma_upper_quantile(shape, upper_tail) / rate);
    Ok(Estimate {
        value: libm::log2(shape / rate),
        se: None,
        lower: end(1.0 - tail),
        upper: end(tail),
        level,
    })
}

/// The information component of the Bayesian confidence propagation neural network.
///
/// Beta(1, 1) priors of the margins and one of the pair that expects independence; mean and
/// variance of log2 of the ratio in closed form and a normal interval. Bits. Sources: Bate and
/// others, Eur. J. Clin. Pharmacol. 54, 1998, doi 10.1007/s002280050466; closed form by Gould,
/// Pharmacoepidemiol. Drug Saf. 12, 2003, doi 10.1002/pds.848. [`information_component`] is its
/// successor and takes stratified expectations.
///
/// # Errors
/// [`Parameter`](crate::error::ErrorKind::Parameter) for a level outside (0, 1).
pub fn bcpnn(counts: &PairCounts, level: f64) -> Result<Estimate> {
    check::level("bcpnn", level)?;
    let [n, a, b, ab] =
        [counts.n(), counts.n_a(), counts.n_b(), counts.n_ab()].map(|count| count as f64);
    let (drug, event) = (1.0 + a, 1.0 + b);
    let all = 2.0 + n;
    let joint = 1.0 + ab;
    // The prior weight of the pair makes its expected share the product of the margins'.
    let joint_all = joint + n - ab - 1.0 + all * all / (drug * event);
    let mean = digamma(joint)
        - digamma(joint_all)
        - (digamma(drug) - digamma(all))
        - (digamma(event) - digamma(all));
    let variance = (trigamma(joint) - trigamma(joint_all))
        + (trigamma(drug) - trigamma(all))
        + (trigamma(event) - trigamma(all));
    let bits = std::f64::consts::LN_2;
    let (value, se) = (mean / bits, variance.sqrt() / bits);
    let reach = normal_quantile(0.5 + 0.5 * level) * se;
    Ok(Estimate {
        value,
        se: Some(se),
        lower: value - reach,
        upper: value + reach,
        level,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_reports_the_component_is_still_finite() {
        let none = information_component(0, 0.0, 0.95).unwrap();
        assert_eq!(none.value, 0.0);
        assert!(none.lower < -9.0 && none.upper > 2.0);
        let many = information_component(0, 1e6, 0.95).unwrap();
        assert!(many.upper < -10.0);
    }

    #[test]
    fn the_interval_holds_its_level() {
        use crate::numeric::special::gamma_tails;
        for (observed, expected) in [(0, 0.3), (1, 0.01), (3, 7.0), (4_000, 3_900.0)] {
            let found = information_component(observed, expected, 0.9).unwrap();
            let at =
                |bits: f64| gamma_tails(observed as f64 + 0.5, libm::exp2(bits) * (expected + 0.5));
            assert!((at(found.lower).0 - 0.05).abs() < 1e-12);
            assert!((at(found.upper).1 - 0.05).abs() < 1e-12);
        }
    }

    #[test]
    fn both_forms_meet_for_large_counts() {
        let pair = PairCounts::new(1_000_000, 20_000, 30_000, 1_800).unwrap();
        let old = bcpnn(&pair, 0.95).unwrap();
        let new = information_component(1_800, pair.expected(), 0.95).unwrap();
        assert!((old.value - new.value).abs() < 0.01);
        assert!((old.lower - new.lower).abs() < 0.02);
    }

    #[test]
    fn refusals() {
        assert!(information_component(1, -1.0, 0.95).is_err());
        assert!(information_component(1, f64::NAN, 0.95).is_err());
        assert!(information_component(1, 1.0, 0.0).is_err());
        assert!(bcpnn(&PairCounts::new(1, 1, 1, 1).unwrap(), 1.0).is_err());
    }
}
