//! Tails of a sum of independent yes-or-no variables with unequal probabilities.
//!
//! Most cases are summed exactly, large classes as binomials at once: every term is a sum of positive numbers, so that small tails
//! keep their digits. Large ones take the saddle-point tail of Lugannani and Rice with the lattice
//! correction (Daniels, Int. Stat. Rev. 55, 1987, doi 10.2307/1403269), whose relative error falls
//! with the variance; the tests hold it below 0.1 per cent from a variance of 4, far into the tail.

use crate::numeric::special::normal_upper;
use crate::numeric::stable::{logistic, sum};

/// Steps up to which a tail is summed exactly; some milliseconds.
const EXACT_STEPS: u64 = 4_000_000;
/// Above this mean the probability of zero leaves the range of f64 in an exact sum.
const EXACT_MEAN: f64 = 600.0;
/// Closer to the mean, in standard deviations, the limit of the tail formula is taken.
const CENTRE: f64 = 1e-5;

/// Classes of variables of one probability, with their sizes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PoissonBinomial {
    /// Probability, above zero and below one, and number of variables.
    classes: Vec<(f64, u64)>,
    /// Variables that are always one.
    sure: u64,
}

/// A tail and whether it is exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TailValue {
    pub(crate) p: f64,
    pub(crate) exact: bool,
}

impl PoissonBinomial {
    /// Probabilities from 0 to 1 with the number of variables of each.
    pub(crate) fn new(classes: impl IntoIterator<Item = (f64, u64)>) -> Self {
        let (mut kept, mut sure) = (Vec::new(), 0);
        for (p, size) in classes {
            if p >= 1.0 {
                sure += size;
            } else if p > 0.0 && size > 0 {
                kept.push((p, size));
            }
        }
        Self {
            classes: kept,
            sure,
        }
    }

    pub(crate) fn mean(&self) -> f64 {
        self.sure as f64 + sum(self.classes.iter().map(|(p, size)| p * *size as f64))
    }

    pub(crate) fn variance(&self) -> f64 {
        sum(self
            .classes
            .iter()
            .map(|(p, size)| p * (1.0 - p) * *size as f64))
    }

    /// P(X >= k).
    pub(crate) fn upper(&self, k: u64) -> TailValue {
        let exact = |p| TailValue { p, exact: true };
        let (Some(k), n) = (k.checked_sub(self.sure), self.unsure()) else {
            return exact(1.0);
        };
        if k == 0 {
            return exact(1.0);
        }
        if k > n {
            return exact(0.0);
        }
        if self.is_small(k) {
            return exact(self.exact_upper(k));
        }
        if k == n {
            let log = sum(self
                .classes
                .iter()
                .map(|(p, size)| *size as f64 * libm::log(*p)));
            return exact(libm::exp(log));
        }
        TailValue {
            p: self.saddle_upper(k),
            exact: false,
        }
    }

    /// P(X <= k).
    pub(crate) fn lower(&self, k: u64) -> TailValue {
        let exact = |p| TailValue { p, exact: true };
        let (Some(k), n) = (k.checked_sub(self.sure), self.unsure()) else {
            return exact(0.0);
        };
        if k >= n {
            return exact(1.0);
        }
        if self.is_small(k + 1) {
            return exact(self.exact_lower(k));
        }
        // The mirrored variables are one where these are zero.
        let mirror = Self {
            classes: self
                .classes
                .iter()
                .map(|(p, size)| (1.0 - p, *size))
                .collect(),
            sure: 0,
        };
        mirror.upper(n - k)
    }

    fn unsure(&self) -> u64 {
        self.classes.iter().map(|(_, size)| size).sum()
    }

    fn is_small(&self, k: u64) -> bool {
        let steps = |size: u64| size.min(k).saturating_mul(k);
        let total = self
            .classes
            .iter()
            .fold(0_u64, |all, (_, size)| all.saturating_add(steps(*size)));
        total <= EXACT_STEPS && self.mean() <= EXACT_MEAN
    }

    /// Probabilities of 0, 1, ..., k - 1, and of k or more.
    fn exact_below(&self, k: u64) -> (Vec<f64>, f64) {
        let mut probability = vec![0.0; k as usize];
        probability[0] = 1.0;
        let (mut beyond, mut reached) = (0.0, 0_usize);
        let last = probability.len() - 1;
        for (p, size) in &self.classes {
            if *size > k {
                // One large class at once: a binomial, cut at k with its tail.
                let (exactly, at_least) = binomial_to(*p, *size, probability.len());
                for x in (0..=last).rev() {
                    beyond += probability[x] * at_least[k as usize - x];
                    let ways = (0..=x).map(|y| probability[y] * exactly[x - y]);
                    probability[x] = ways.sum();
                }
                reached = last;
                continue;
            }
            for _ in 0..*size {
                beyond += probability[last] * p;
                reached = (reached + 1).min(last);
                for x in (1..=reached).rev() {
                    probability[x] = probability[x] * (1.0 - p) + probability[x - 1] * p;
                }
                probability[0] *= 1.0 - p;
            }
        }
        (probability, beyond)
    }

    fn exact_upper(&self, k: u64) -> f64 {
        self.exact_below(k).1.min(1.0)
    }

    fn exact_lower(&self, k: u64) -> f64 {
        sum(self.exact_below(k + 1).0).min(1.0)
    }

    /// Cumulant function, its first and its second derivative at `t`.
    fn cumulants(&self, t: f64) -> [f64; 3] {
        let (mut value, mut slope, mut curve) = (0.0, 0.0, 0.0);
        let up = libm::expm1(t);
        for (p, size) in &self.classes {
            let size = *size as f64;
            // log(1 - p + p e^t); from the other side where e^t overflows.
            value += size
                * if t > 30.0 {
                    t + libm::log(*p + (1.0 - p) * libm::exp(-t))
                } else {
                    libm::log1p(p * up)
                };
            let tilted = logistic(t + libm::log(*p) - libm::log1p(-p));
            slope += size * tilted;
            curve += size * tilted * (1.0 - tilted);
        }
        [value, slope, curve]
    }

    /// P(X >= k) for 0 < k < n.
    fn saddle_upper(&self, k: u64) -> f64 {
        let k = k as f64;
        let Some(t) = self.saddle(k) else {
            return f64::NAN;
        };
        let [value, _, curve] = self.cumulants(t);
        let sd = self.variance().sqrt();
        let w = (2.0 * (t * k - value)).max(0.0).sqrt().copysign(t);
        let bend = if (t * sd).abs() < CENTRE {
            let third = sum(self
                .classes
                .iter()
                .map(|(p, size)| p * (1.0 - p) * (1.0 - 2.0 * p) * *size as f64));
            (0.5 - third / (6.0 * sd * sd)) / sd
        } else {
            1.0 / (-libm::expm1(-t) * curve.sqrt()) - 1.0 / w
        };
        let density = libm::exp(-0.5 * w * w) / (2.0 * std::f64::consts::PI).sqrt();
        (normal_upper(w) + density * bend).clamp(0.0, 1.0)
    }

    /// The tilt under which the mean is `k`: Newton steps inside a bracket.
    fn saddle(&self, k: f64) -> Option<f64> {
        let (mut low, mut high) = (-1.0, 1.0);
        while self.cumulants(low)[1] > k {
            low *= 2.0;
            if low < -1e4 {
                return None;
            }
        }
        while self.cumulants(high)[1] < k {
            high *= 2.0;
            if high > 1e4 {
                return None;
            }
        }
        let mut t = 0.0_f64.clamp(low, high);
        for _ in 0..200 {
            let [_, slope, curve] = self.cumulants(t);
            if slope > k {
                high = t;
            } else {
                low = t;
            }
            let newton = t - (slope - k) / curve;
            let next = if newton > low && newton < high {
                newton
            } else {
                0.5 * (low + high)
            };
            if (next - t).abs() <= 1e-13 * t.abs().max(1e-3) {
                return Some(next);
            }
            t = next;
        }
        Some(t)
    }
}

/// Probabilities of exactly 0, ..., k - 1 and of at least 0, ..., k of a binomial with mean below
/// 600 and more than k trials.
fn binomial_to(p: f64, size: u64, k: usize) -> (Vec<f64>, Vec<f64>) {
    let odds = p / (1.0 - p);
    let mut exactly = vec![libm::exp(size as f64 * libm::log1p(-p))];
    for x in 1..=size {
        let term = exactly[x as usize - 1] * odds * (size - x + 1) as f64 / x as f64;
        exactly.push(term);
        if x as usize >= k && x as f64 > size as f64 * p && term <= 1e-20 * exactly[k] {
            break;
        }
    }
    // From the far end, so that small tails keep their digits.
    let mut at_least = exactly.clone();
    for x in (0..at_least.len() - 1).rev() {
        at_least[x] += at_least[x + 1];
    }
    exactly.truncate(k);
    (exactly, at_least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::special::{binomial_lower, binomial_upper};

    #[test]
    fn three_variables_by_hand() {
        let three = PoissonBinomial::new([(0.5, 1), (0.2, 1), (0.1, 1), (0.0, 4), (1.0, 2)]);
        assert!((three.mean() - 2.8).abs() < 1e-15);
        assert!((three.variance() - 0.5).abs() < 1e-15);
        let uppers = [1.0, 1.0, 1.0, 0.64, 0.15, 0.01, 0.0, 0.0];
        for k in 0..7 {
            let found = three.upper(k as u64);
            assert!(
                found.exact && (found.p - uppers[k]).abs() < 1e-15,
                "{k}: {found:?}"
            );
            let lower = three.lower(k as u64);
            assert!(
                (lower.p - (1.0 - uppers[k + 1])).abs() < 1e-15,
                "{k}: {lower:?}"
            );
        }
    }

    #[test]
    fn sums_of_whole_fractions() {
        let text = include_str!("../../tests/fixtures/association/expected_python.json");
        let all: serde_json::Value = serde_json::from_str(text).unwrap();
        for case in all["sums"].as_array().unwrap() {
            let classes = case["classes"].as_array().unwrap().iter();
            let classes = classes.map(|c| (c[0].as_f64().unwrap(), c[1].as_u64().unwrap()));
            let sum = PoissonBinomial::new(classes);
            for (key, upper) in [("upper", true), ("lower", false)] {
                for (k, expected) in case[key].as_array().unwrap().iter().enumerate() {
                    let k = k as u64;
                    let found = if upper { sum.upper(k) } else { sum.lower(k) };
                    let gap = (found.p / expected.as_f64().unwrap() - 1.0).abs();
                    assert!(gap < 1e-12, "{key} {k}: {gap:e}");
                }
            }
        }
    }

    #[test]
    fn equal_probabilities_are_binomial() {
        let sum = PoissonBinomial::new([(0.03, 150), (0.03, 50)]);
        for k in 1..60 {
            let (upper, lower) = (binomial_upper(k, 200, 0.03), binomial_lower(k, 200, 0.03));
            assert!((sum.upper(k).p / upper - 1.0).abs() < 1e-12);
            assert!((sum.lower(k).p / lower - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn classes_at_once_are_variables_one_by_one() {
        let classes = [(0.004, 700), (0.02, 300), (0.3, 4), (1e-5, 5_000)];
        let at_once = PoissonBinomial::new(classes);
        let mut single = Vec::new();
        for (p, size) in classes {
            single.extend((0..size).map(|_| (p, 1)));
        }
        let single = PoissonBinomial::new(single);
        for k in [1, 2, 9, 30, 100] {
            let (found, expected) = (at_once.exact_upper(k), single.exact_upper(k));
            assert!(
                (found / expected - 1.0).abs() < 1e-11,
                "{k}: {found:e} {expected:e}"
            );
            let (found, expected) = (at_once.exact_lower(k), single.exact_lower(k));
            assert!(
                (found / expected - 1.0).abs() < 1e-11,
                "{k}: {found:e} {expected:e}"
            );
        }
    }

    /// Largest relative error of the saddle-point tail where the tail is above 1e-200.
    fn worst(classes: &[(f64, u64)], most: u64) -> f64 {
        let sum = PoissonBinomial::new(classes.iter().copied());
        (1..most.min(sum.unsure()))
            .map(|k| (sum.exact_upper(k), sum.saddle_upper(k)))
            .filter(|(exact, _)| *exact > 1e-200)
            .map(|(exact, found)| (found / exact - 1.0).abs())
            .fold(0.0, f64::max)
    }

    #[test]
    fn the_stated_error_of_large_sums_holds() {
        // Variance about 4, of few and of many variables, and 25.
        let found = [
            worst(&[(0.02, 90), (0.005, 300), (0.1, 12), (0.3, 3)], 200),
            worst(&[(2e-5, 100_000), (1e-6, 2_000_000)], 120),
            worst(&[(0.02, 500), (0.005, 1_500), (0.1, 75), (0.3, 15)], 200),
        ];
        assert!(
            found[0] < 1e-3 && found[1] < 1e-3 && found[2] < 2e-4,
            "{found:?}"
        );
    }

    #[test]
    fn large_sums_take_the_saddle_point_and_meet_the_normal() {
        let sum = PoissonBinomial::new([(0.3, 400_000), (0.5, 100_000), (0.9, 1_000)]);
        let found = sum.upper(170_900);
        assert!(!found.exact);
        assert!((found.p - 0.5).abs() < 2e-3, "{found:?}");
        let reach = 170_900 + (5.0 * sum.variance().sqrt()) as u64;
        let far = sum.upper(reach).p
            / normal_upper((reach as f64 - 0.5 - 170_900.0) / sum.variance().sqrt());
        assert!((far - 1.0).abs() < 0.02, "{far}");
        let total = sum.upper(171_200).p + sum.lower(171_199).p;
        assert!((total - 1.0).abs() < 1e-4, "{total}");
    }
}
