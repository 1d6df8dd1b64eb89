//! Does A come before B? Order of two events in the same patients.

use serde::{Deserialize, Serialize};

use crate::association::contingency::ratio;
use crate::error::Result;
use crate::evaluation::{Estimate, check, clopper_pearson};
use crate::numeric::discrete::binomial_two_sided;
use crate::numeric::special::{binomial_lower, binomial_upper};

/// Patients by the order of their first A and first B; made by [`order_counts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCounts {
    /// A before B, at most the window apart.
    pub a_first: u64,
    /// B before A, at most the window apart.
    pub b_first: u64,
    /// Both on one day.
    pub same_day: u64,
    /// Both, farther apart than the window.
    pub far_apart: u64,
    /// A without B.
    pub a_only: u64,
    /// B without A.
    pub b_only: u64,
}

/// A test of the order of A and B; made by [`direction_test`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DirectionTest {
    /// Share of A first among the patients of a known order, with its exact interval.
    pub share: Estimate,
    /// The share without direction.
    pub null_share: f64,
    /// Odds of A first over those without direction: the adjusted sequence ratio.
    pub sequence_ratio: Estimate,
    /// Exact p-value of any direction.
    pub p: f64,
    /// Exact p-value of A before B.
    pub p_a_first: f64,
    /// Exact p-value of B before A.
    pub p_b_first: f64,
}

/// Counts patients by the order of their first A and first B, at most `window_days` apart.
///
/// Patients row by row; a day is any whole number that rises with time (days since birth or since
/// 1970), `None` where the event was not seen.
///
/// # Errors
/// [`LengthMismatch`](crate::error::ErrorKind::LengthMismatch) for columns of different lengths.
///
/// ```
/// use galen::association::order_counts;
/// # fn main() -> galen::Result<()> {
/// let a = [Some(10), Some(50), Some(5), Some(7), None];
/// let b = [Some(12), Some(20), Some(5), Some(900), Some(3)];
/// let found = order_counts(&a, &b, 365)?;
/// assert_eq!((found.a_first, found.b_first, found.same_day), (1, 1, 1));
/// assert_eq!((found.far_apart, found.a_only, found.b_only), (1, 0, 1));
/// # Ok(())
/// # }
/// ```
pub fn order_counts(
    a_day: &[Option<i64>],
    b_day: &[Option<i64>],
    window_days: u64,
) -> Result<OrderCounts> {
    check::length("days of B", a_day.len(), b_day.len())?;
    let mut counts = OrderCounts {
        a_first: 0,
        b_first: 0,
        same_day: 0,
        far_apart: 0,
        a_only: 0,
        b_only: 0,
    };
    for days in a_day.iter().zip(b_day) {
        let count = match days {
            (None, None) => continue,
            (Some(_), None) => &mut counts.a_only,
            (None, Some(_)) => &mut counts.b_only,
            (Some(a), Some(b)) if a.abs_diff(*b) > window_days => &mut counts.far_apart,
            (Some(a), Some(b)) if a < b => &mut counts.a_first,
            (Some(a), Some(b)) if a > b => &mut counts.b_first,
            _ => &mut counts.same_day,
        };
        *count += 1;
    }
    Ok(counts)
}

/// Tests whether one event comes first more often than without direction.
///
/// Patients with both on one day or farther apart than the window say nothing. With `null_share`
/// one half this is the binomial test by which disease trajectories are given a direction (Jensen
/// and others, Nat. Commun. 5, 2014, doi 10.1038/ncomms5022); it takes A and B to occur at equal
/// times of life or calendar. Where they do not, [`null_order_share`] gives the share that their
/// own rates bring about, taken here as known. Two-sided p-values sum the counts that are no more
/// likely, as R's `binom.test`. Order is no cause.
///
/// # Errors
/// [`Undefined`](crate::error::ErrorKind::Undefined) where no patient shows an order;
/// [`Parameter`](crate::error::ErrorKind::Parameter) for a level or a null share outside (0, 1).
///
/// ```
/// use galen::association::{OrderCounts, direction_test};
/// # fn main() -> galen::Result<()> {
/// let counts = OrderCounts {
///     a_first: 9, b_first: 1, same_day: 3, far_apart: 0, a_only: 40, b_only: 60,
/// };
/// let found = direction_test(&counts, 0.5, 0.95)?;
/// assert_eq!(found.share.value, 0.9);
/// assert!((found.p - 22.0 / 1024.0).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
pub fn direction_test(counts: &OrderCounts, null_share: f64, level: f64) -> Result<DirectionTest> {
    const WHAT: &str = "direction_test";
    check::level(WHAT, level)?;
    if !(null_share > 0.0 && null_share < 1.0) {
        return Err(check::parameter(
            WHAT,
            "null_share",
            null_share,
            "above 0 and below 1",
        ));
    }
    let n = counts.a_first + counts.b_first;
    if n == 0 {
        return Err(check::undefined(
            WHAT,
            "no patient shows an order within the window",
        ));
    }
    let share = clopper_pearson(counts.a_first, n, level)?;
    let null_odds = null_share / (1.0 - null_share);
    let odds = |share: f64| share / (1.0 - share) / null_odds;
    Ok(DirectionTest {
        share,
        null_share,
        sequence_ratio: Estimate {
            value: ratio(counts.a_first as f64, counts.b_first as f64).unwrap_or(f64::NAN)
                / null_odds,
            se: None,
            lower: odds(share.lower),
            upper: odds(share.upper),
            level,
        },
        p: binomial_two_sided(counts.a_first, n, null_share),
        p_a_first: binomial_upper(counts.a_first, n, null_share),
        p_b_first: binomial_lower(counts.a_first, n, null_share),
    })
}

/// The share of A first that the times of A and of B bring about without any relation.
///
/// Every first A is set against every first B of the whole cohort, at most `window_days` apart and
/// not on the same day: the null-effect sequence ratio of sequence symmetry analysis, as a share.
/// An event that spreads or that belongs to a later age is thereby not taken for a consequence.
/// Sources: Hallas, Epidemiology 7, 1996, doi 10.1097/00001648-199609000-00005; Tsiropoulos,
/// Andersen and Hallas, Pharmacoepidemiol. Drug Saf. 18, 2009, doi 10.1002/pds.1743. Cost: two
/// sorts.
///
/// # Errors
/// [`LengthMismatch`](crate::error::ErrorKind::LengthMismatch) for columns of different lengths;
/// [`Undefined`](crate::error::ErrorKind::Undefined) where no A and B are within the window.
///
/// ```
/// use galen::association::null_order_share;
/// # fn main() -> galen::Result<()> {
/// // Every A is before every B but one.
/// let a = [Some(1), Some(2), Some(3), None, None];
/// let b = [None, None, Some(9), Some(8), Some(0)];
/// assert_eq!(null_order_share(&a, &b, 30)?, 6.0 / 9.0);
/// # Ok(())
/// # }
/// ```
pub fn null_order_share(
    a_day: &[Option<i64>],
    b_day: &[Option<i64>],
    window_days: u64,
) -> Result<f64> {
    check::length("days of B", a_day.len(), b_day.len())?;
    let mut b: Vec<i64> = b_day.iter().flatten().copied().collect();
    b.sort_unstable();
    let window = i64::try_from(window_days).unwrap_or(i64::MAX);
    let (mut a_first, mut b_first) = (0_u64, 0_u64);
    for day in a_day.iter().flatten() {
        let before = |limit: i64| b.partition_point(|other| *other < limit);
        let up_to = |limit: i64| b.partition_point(|other| *other <= limit);
        a_first += (up_to(day.saturating_add(window)) - up_to(*day)) as u64;
        b_first += (before(*day) - before(day.saturating_sub(window))) as u64;
    }
    ratio(a_first as f64, (a_first + b_first) as f64).ok_or_else(|| {
        check::undefined(
            "null_order_share",
            "no A and B stand within the window on different days",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::seed::{Stream, stream, uniform};

    /// First days of A and B in 3,000 patients: A spreads early, B late; `pull` of the patients
    /// with A get B some weeks later because of it.
    fn cohort(pull: f64, stream: &mut Stream) -> [Vec<Option<i64>>; 2] {
        let mut days = [Vec::new(), Vec::new()];
        for _ in 0..3_000 {
            let a = (uniform(stream) < 0.3).then(|| (1_000.0 * uniform(stream).powi(2)) as i64);
            let own = (uniform(stream) < 0.3).then(|| (1_000.0 * uniform(stream).sqrt()) as i64);
            let caused = a.filter(|_| uniform(stream) < pull);
            let caused = caused.map(|day| day + 1 + (60.0 * uniform(stream)) as i64);
            days[0].push(a);
            days[1].push(match (own, caused) {
                (Some(x), Some(y)) => Some(x.min(y)),
                (x, y) => x.or(y),
            });
        }
        days
    }

    #[test]
    fn rates_that_differ_in_time_are_no_direction() {
        let (mut naive, mut adjusted) = (0, 0);
        for task in 0..200 {
            let [a, b] = cohort(0.0, &mut stream(21, task));
            let counts = order_counts(&a, &b, 400).unwrap();
            let null = null_order_share(&a, &b, 400).unwrap();
            naive += u32::from(direction_test(&counts, 0.5, 0.95).unwrap().p < 0.05);
            adjusted += u32::from(direction_test(&counts, null, 0.95).unwrap().p < 0.05);
        }
        assert!(naive > 190, "the plain test finds {naive} of 200");
        // 0.05 and three standard errors: up to 19.
        assert!(adjusted <= 19, "the adjusted test finds {adjusted} of 200");
    }

    #[test]
    fn a_planted_direction_is_found_both_ways() {
        let [a, b] = cohort(0.25, &mut stream(22, 0));
        let counts = order_counts(&a, &b, 400).unwrap();
        let null = null_order_share(&a, &b, 400).unwrap();
        let found = direction_test(&counts, null, 0.95).unwrap();
        assert!(
            found.p_a_first < 1e-4 && found.sequence_ratio.lower > 1.0,
            "{found:?}"
        );
        let counts = order_counts(&b, &a, 400).unwrap();
        let turned = null_order_share(&b, &a, 400).unwrap();
        assert!((turned - (1.0 - null)).abs() < 1e-12);
        let other = direction_test(&counts, turned, 0.95).unwrap();
        assert!((other.p_b_first / found.p_a_first - 1.0).abs() < 1e-9);
        assert!((other.sequence_ratio.value * found.sequence_ratio.value - 1.0).abs() < 1e-12);
        assert!((other.sequence_ratio.lower * found.sequence_ratio.upper - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_ratio_and_its_ends_are_over_the_null() {
        let counts = OrderCounts {
            a_first: 30,
            b_first: 10,
            same_day: 0,
            far_apart: 0,
            a_only: 0,
            b_only: 0,
        };
        let plain = direction_test(&counts, 0.5, 0.95).unwrap();
        let odds = |share: f64| share / (1.0 - share);
        assert_eq!(plain.sequence_ratio.value, 3.0);
        assert!((plain.sequence_ratio.lower - odds(plain.share.lower)).abs() < 1e-12);
        // Twice the odds without direction: half the ratio.
        let found = direction_test(&counts, 2.0 / 3.0, 0.95)
            .unwrap()
            .sequence_ratio;
        for (found, plain) in [
            (found.value, plain.sequence_ratio.value),
            (found.lower, plain.sequence_ratio.lower),
            (found.upper, plain.sequence_ratio.upper),
        ] {
            assert!((2.0 * found / plain - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn null_share_as_counted_pair_by_pair() {
        let [a, b] = cohort(0.1, &mut stream(23, 0));
        let (mut first, mut second) = (0_u64, 0_u64);
        for x in a.iter().flatten() {
            for y in b.iter().flatten() {
                if x != y && x.abs_diff(*y) <= 30 {
                    first += u64::from(x < y);
                    second += u64::from(x > y);
                }
            }
        }
        let expected = first as f64 / (first + second) as f64;
        assert_eq!(null_order_share(&a, &b, 30).unwrap(), expected);
    }

    #[test]
    fn edges_and_refusals() {
        let far = order_counts(&[Some(i64::MIN)], &[Some(i64::MAX)], u64::MAX).unwrap();
        assert_eq!(far.a_first, 1);
        assert!(null_order_share(&[Some(i64::MAX)], &[Some(i64::MIN)], u64::MAX).is_err());
        assert!(null_order_share(&[None], &[Some(1)], 5).is_err());
        assert!(order_counts(&[None], &[], 5).is_err());
        let only = direction_test(&far, 0.5, 0.95).unwrap();
        assert_eq!(only.sequence_ratio.value, f64::INFINITY);
        assert_eq!((only.share.value, only.p), (1.0, 1.0));
        let none = order_counts(&[Some(1)], &[Some(1)], 5).unwrap();
        assert!(direction_test(&none, 0.5, 0.95).is_err());
        assert!(direction_test(&far, 1.0, 0.95).is_err());
        assert!(direction_test(&far, 0.5, 0.0).is_err());
    }
}
