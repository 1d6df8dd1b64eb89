//! Tails of the hypergeometric distribution: Fisher's exact test.
//!
//! `x` of the `n_b` marked ones are found among `n_a` drawn from `n`. Every tail is summed as
//! itself, outward from its largest term, so that small p-values keep their digits; the tail that
//! holds the mode is one minus the other. Few possible values are weighed by ratios of neighbours
//! alone, without a logarithm; otherwise the largest term is in saddle-point form (Loader, Fast and
//! accurate computation of binomial probabilities, 2000), good for n to ten million and beyond.

use crate::numeric::special::{deviance, stirling_error};

/// Terms closer than this are taken as equally likely, as R's `fisher.test` does.
pub(crate) const TIE: f64 = 1e-7;
/// With more possible values than this, the sums start at a computed term.
const FEW: u64 = 96;
/// Below this a weight by ratios has lost digits or is about to; the logarithm takes over.
const FAINT: f64 = 1e-200;
/// A tail ends where a term no longer changes its sum.
const NEGLIGIBLE: f64 = 1e-18;

/// Which tables count as at least as extreme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// All that are no more likely than the observed one.
    Both,
    /// As many joint ones or more.
    Upper,
    /// As many joint ones or fewer.
    Lower,
}

/// The distribution of the joint count under fixed margins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hypergeometric {
    n: u64,
    n_a: u64,
    n_b: u64,
}

impl Hypergeometric {
    /// Margins of a table; neither exceeds `n` (checked by the caller).
    pub(crate) fn new(n: u64, n_a: u64, n_b: u64) -> Self {
        Self { n, n_a, n_b }
    }

    /// The smallest possible joint count.
    pub(crate) fn least(&self) -> u64 {
        (self.n_a + self.n_b).saturating_sub(self.n)
    }

    /// The largest possible joint count.
    pub(crate) fn most(&self) -> u64 {
        self.n_a.min(self.n_b)
    }

    /// The likeliest joint count.
    fn mode(&self) -> u64 {
        let (a, b, n) = (
            u128::from(self.n_a) + 1,
            u128::from(self.n_b) + 1,
            u128::from(self.n) + 2,
        );
        ((a * b / n) as u64).clamp(self.least(), self.most())
    }

    /// P(x + 1) / P(x).
    #[inline]
    fn ratio(&self, x: u64) -> f64 {
        let up = (self.n_a - x) as f64 * (self.n_b - x) as f64;
        up / ((x + 1) as f64 * (self.n + x + 1 - self.n_a - self.n_b) as f64)
    }

    /// log P(x); minus infinity where x is impossible.
    pub(crate) fn log_probability(&self, x: u64) -> f64 {
        if x < self.least() || x > self.most() {
            return f64::NEG_INFINITY;
        }
        if self.least() == self.most() {
            return 0.0;
        }
        // Three binomials of one and the same share: x of n_a, n_b - x of n - n_a, n_b of n.
        let (n, rest) = (self.n as f64, (self.n - self.n_a) as f64);
        let (share, other) = (self.n_b as f64 / n, (self.n - self.n_b) as f64 / n);
        binomial_log(x as f64, self.n_a as f64, share, other)
            + binomial_log((self.n_b - x) as f64, rest, share, other)
            - binomial_log(self.n_b as f64, n, share, other)
    }

    /// The logarithm of the p-value of `x`.
    pub(crate) fn log_p(&self, x: u64, side: Side) -> f64 {
        let (least, most) = (self.least(), self.most());
        if least == most {
            return 0.0;
        }
        if most - least < FEW
            && let Some(p) = self.p_by_ratios(x, side)
        {
            return libm::log(p);
        }
        match side {
            Side::Lower => self.log_lower(x),
            Side::Upper => self.log_upper(x),
            Side::Both => self.log_both(x),
        }
    }

    /// The p-value of `x`, in which `x` itself counts; 0 only where it is below 1e-308.
    pub(crate) fn p(&self, x: u64, side: Side) -> f64 {
        let (least, most) = (self.least(), self.most());
        if least == most {
            return 1.0;
        }
        if most - least < FEW
            && let Some(p) = self.p_by_ratios(x, side)
        {
            return p;
        }
        libm::exp(self.log_p(x, side)).min(1.0)
    }

    /// Sums of all weights relative to the mode; `None` where the sum is too faint for its digits.
    fn p_by_ratios(&self, x: u64, side: Side) -> Option<f64> {
        let (least, most, mode) = (self.least(), self.most(), self.mode());
        let mut weights = [0.0_f64; FEW as usize];
        let at = |value: u64| (value - least) as usize;
        weights[at(mode)] = 1.0;
        let mut weight = 1.0;
        for value in mode..most {
            weight *= self.ratio(value);
            weights[at(value + 1)] = weight;
        }
        weight = 1.0;
        for value in (least..mode).rev() {
            weight /= self.ratio(value);
            weights[at(value)] = weight;
        }
        let weights = &weights[..=at(most)];
        let place = at(x);
        // Ends first, so that small weights are not lost.
        let left = |end: usize| weights[..end].iter().sum::<f64>();
        let right = |start: usize| weights[start..].iter().rev().sum::<f64>();
        let (chosen, others) = match side {
            Side::Upper => (right(place), left(place)),
            Side::Lower => (left(place + 1), right(place + 1)),
            Side::Both => {
                let limit = weights[place] * (1.0 + TIE);
                weights.iter().fold((0.0, 0.0), |(rare, common), weight| {
                    if *weight <= limit {
                        (rare + weight, common)
                    } else {
                        (rare, common + weight)
                    }
                })
            }
        };
        (chosen > FAINT).then(|| chosen / (chosen + others))
    }

    fn log_lower(&self, x: u64) -> f64 {
        if x >= self.most() {
            return 0.0;
        }
        if x < self.mode() {
            self.log_outward_down(x)
        } else {
            libm::log1p(-libm::exp(self.log_outward_up(x + 1)))
        }
    }

    fn log_upper(&self, x: u64) -> f64 {
        if x <= self.least() {
            return 0.0;
        }
        if x > self.mode() {
            self.log_outward_up(x)
        } else {
            libm::log1p(-libm::exp(self.log_outward_down(x - 1)))
        }
    }

    fn log_both(&self, x: u64) -> f64 {
        let observed = self.log_probability(x);
        let limit = observed + libm::log1p(TIE);
        if self.log_probability(self.mode()) <= limit {
            return 0.0;
        }
        let (near, far) = if x > self.mode() {
            let far = self
                .last_rare_below(limit)
                .map(|y| self.log_outward_down(y));
            (self.log_outward_up(x), far)
        } else {
            let far = self.first_rare_above(limit).map(|y| self.log_outward_up(y));
            (self.log_outward_down(x), far)
        };
        match far {
            Some(far) => {
                let (small, large) = if far < near { (far, near) } else { (near, far) };
                (large + libm::log1p(libm::exp(small - large))).min(0.0)
            }
            None => near,
        }
    }

    /// The largest value below the mode whose log probability does not exceed `limit`.
    fn last_rare_below(&self, limit: f64) -> Option<u64> {
        let (mut low, mut high) = (self.least(), self.mode());
        if self.log_probability(low) > limit {
            return None;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.log_probability(middle) <= limit {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(low)
    }

    /// The smallest value above the mode whose log probability does not exceed `limit`.
    fn first_rare_above(&self, limit: f64) -> Option<u64> {
        let (mut low, mut high) = (self.mode(), self.most());
        if self.log_probability(high) > limit {
            return None;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.log_probability(middle) <= limit {
                high = middle;
            } else {
                low = middle;
            }
        }
        Some(high)
    }

    /// log P(X >= x) for x above the mode, where terms fall outward.
    fn log_outward_up(&self, x: u64) -> f64 {
        let (mut term, mut total) = (1.0, 1.0);
        for value in x..self.most() {
            term *= self.ratio(value);
            total += term;
            if term < NEGLIGIBLE * total {
                break;
            }
        }
        self.log_probability(x) + libm::log(total)
    }

    /// log P(X <= x) for x below the mode.
    fn log_outward_down(&self, x: u64) -> f64 {
        let (mut term, mut total) = (1.0, 1.0);
        for value in (self.least()..x).rev() {
            term /= self.ratio(value);
            total += term;
            if term < NEGLIGIBLE * total {
                break;
            }
        }
        self.log_probability(x) + libm::log(total)
    }
}

/// log of the binomial probability of `x` in `n` at `share`, with `other` = 1 - share.
pub(crate) fn binomial_log(x: f64, n: f64, share: f64, other: f64) -> f64 {
    // The logarithm of the share that is near one, from the one that is near zero.
    let log = |one: f64, rest: f64| {
        if rest < 0.5 {
            libm::log1p(-rest)
        } else {
            libm::log(one)
        }
    };
    if x == 0.0 {
        return n * log(other, share);
    }
    if x == n {
        return n * log(share, other);
    }
    stirling_error(n)
        - stirling_error(x)
        - stirling_error(n - x)
        - deviance(x, n * share)
        - deviance(n - x, n * other)
        + 0.5 * libm::log(n / (2.0 * std::f64::consts::PI * x * (n - x)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by whole numbers: binomial coefficients as u128.
    fn plain(n: u64, n_a: u64, n_b: u64, x: u64, side: Side) -> f64 {
        let choose = |n: u64, k: u64| {
            (0..k).fold(1_u128, |value, i| {
                value * u128::from(n - i) / u128::from(i + 1)
            })
        };
        let table = Hypergeometric::new(n, n_a, n_b);
        let ways = |v: u64| choose(n_a, v) * choose(n - n_a, n_b - v);
        let chosen: u128 = (table.least()..=table.most())
            .filter(|v| match side {
                Side::Both => ways(*v) <= ways(x),
                Side::Upper => *v >= x,
                Side::Lower => *v <= x,
            })
            .map(ways)
            .sum();
        chosen as f64 / choose(n, n_b) as f64
    }

    #[test]
    fn all_small_tables_as_whole_numbers() {
        for n in [1_u64, 2, 5, 13, 24, 40] {
            for n_a in 0..=n {
                for n_b in 0..=n {
                    let table = Hypergeometric::new(n, n_a, n_b);
                    for x in table.least()..=table.most() {
                        for side in [Side::Both, Side::Upper, Side::Lower] {
                            let expected = plain(n, n_a, n_b, x, side);
                            for found in [table.p(x, side), libm::exp(table.log_p(x, side))] {
                                let gap = (found / expected - 1.0).abs();
                                assert!(gap < 1e-13, "{n} {n_a} {n_b} {x} {side:?}: {gap:e}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn both_ways_meet() {
        // The same tables by ratios and by computed terms.
        for (n, n_a, n_b) in [(200, 90, 80), (5_000, 60, 900), (1_000_000, 40, 500_000)] {
            let table = Hypergeometric::new(n, n_a, n_b);
            for x in table.least()..=table.most() {
                let found = [table.log_both(x), table.log_upper(x), table.log_lower(x)];
                for (log, side) in found
                    .into_iter()
                    .zip([Side::Both, Side::Upper, Side::Lower])
                {
                    let Some(p) = table.p_by_ratios(x, side) else {
                        continue;
                    };
                    let gap = (libm::exp(log) / p - 1.0).abs();
                    assert!(gap < 1e-12, "{n} {n_a} {n_b} {x} {side:?}: {gap:e}");
                }
            }
        }
    }

    #[test]
    fn far_tails_are_logarithms() {
        // One way among C(2000, 1000): log p = log 2 (both ends) - log C(2000, 1000).
        let table = Hypergeometric::new(2_000, 1_000, 1_000);
        let choose = libm::lgamma(2_001.0) - 2.0 * libm::lgamma(1_001.0);
        assert!((table.log_p(1_000, Side::Upper) + choose).abs() < 1e-9);
        assert!((table.log_p(1_000, Side::Both) + choose - 2.0_f64.ln()).abs() < 1e-9);
        assert_eq!(table.p(1_000, Side::Both), 0.0);
        assert_eq!(Hypergeometric::new(9, 0, 4).p(0, Side::Both), 1.0);
    }
}
