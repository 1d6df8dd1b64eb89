//! The exact binomial test.

use crate::numeric::hypergeometric::{TIE, binomial_log};
use crate::numeric::special::{binomial_lower, binomial_upper};

/// Two-sided p-value of `k` of `n` under `share`: all counts that are no more likely.
///
/// As R's `binom.test`: probabilities within a relative 1e-7 are equal.
pub(crate) fn binomial_two_sided(k: u64, n: u64, share: f64) -> f64 {
    if share <= 0.0 {
        return if k == 0 { 1.0 } else { 0.0 };
    }
    if share >= 1.0 {
        return if k == n { 1.0 } else { 0.0 };
    }
    let log = |k: u64| binomial_log(k as f64, n as f64, share, 1.0 - share);
    let limit = log(k) + libm::log1p(TIE);
    let mode = (((n + 1) as f64 * share) as u64).min(n);
    if log(mode) <= limit {
        return 1.0;
    }
    if k > mode {
        // The largest count below the mode that is no more likely.
        let far = boundary(0, mode, |low| log(low) <= limit);
        let far = far.map_or(0.0, |far| binomial_lower(far, n, share));
        (binomial_upper(k, n, share) + far).min(1.0)
    } else {
        let far = boundary(0, n - mode, |step| log(n - step) <= limit);
        let far = far.map_or(0.0, |step| binomial_upper(n - step, n, share));
        (binomial_lower(k, n, share) + far).min(1.0)
    }
}

/// The last place from `low` on (below `high`) at which a falling condition holds.
fn boundary(mut low: u64, mut high: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    if !holds(low) {
        return None;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tails_by_hand() {
        // R 4.2.2: binom.test(c(682, 243), p = 3/4) gives 0.3825.
        assert!((binomial_two_sided(682, 925, 0.75) - 0.382_491_6).abs() < 1e-6);
        // 1 of 4 at one half: everything but 2 of 4.
        assert!((binomial_two_sided(1, 4, 0.5) - 10.0 / 16.0).abs() < 1e-15);
        assert!((binomial_two_sided(0, 4, 0.5) - 2.0 / 16.0).abs() < 1e-15);
        // 3 of 3 at 0.2: no other count is as rare.
        assert!((binomial_two_sided(3, 3, 0.2) - 0.008).abs() < 1e-16);
        assert_eq!(binomial_two_sided(2, 4, 0.5), 1.0);
        assert_eq!(binomial_two_sided(0, 7, 0.0), 1.0);
        assert_eq!(binomial_two_sided(0, 0, 0.3), 1.0);
    }

    #[test]
    fn as_summed_over_all_counts() {
        for (n, share) in [(1_u64, 0.3), (9, 0.5), (40, 0.07), (73, 0.61)] {
            let log = |k: u64| binomial_log(k as f64, n as f64, share, 1.0 - share);
            for k in 0..=n {
                let expected: f64 = (0..=n)
                    .filter(|other| log(*other) <= log(k) + 1e-7)
                    .map(|other| libm::exp(log(other)))
                    .sum();
                let found = binomial_two_sided(k, n, share);
                assert!((found / expected - 1.0).abs() < 1e-11, "{n} {share} {k}");
            }
        }
    }
}
