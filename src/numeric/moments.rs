//! Centred moments that merge (Chan, Golub and LeVeque, Am. Stat. 37, 1983,
//! doi 10.1080/00031305.1983.10483115).

use serde::{Deserialize, Serialize};

/// Weight, mean and sum of squared deviations of a stream of numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moments {
    /// Sum of weights.
    pub(crate) weight: f64,
    /// Weighted mean.
    pub(crate) mean: f64,
    /// Weighted sum of squared deviations from the mean.
    pub(crate) squares: f64,
}

impl Moments {
    /// The moments of a slice in two passes; exact centring keeps the digits of the deviations.
    pub(crate) fn of(values: &[f64], weights: Option<&[f64]>) -> Self {
        let Some(weights) = weights else {
            return Self::of_equal(values);
        };
        let weight_of = |index: usize| weights[index];
        let (mut weight, mut total) = (0.0, 0.0);
        // Sums are taken about the first value, so that a large common offset costs no digits.
        let origin = values.first().copied().unwrap_or(0.0);
        for (index, value) in values.iter().enumerate() {
            weight += weight_of(index);
            total += weight_of(index) * (value - origin);
        }
        if weight == 0.0 {
            return Self::default();
        }
        let mean = origin + total / weight;
        let (mut squares, mut drift) = (0.0, 0.0);
        for (index, value) in values.iter().enumerate() {
            let deviation = value - mean;
            squares += weight_of(index) * deviation * deviation;
            drift += weight_of(index) * deviation;
        }
        Self {
            weight,
            mean: mean + drift / weight,
            squares: squares - drift * drift / weight,
        }
    }

    /// The same with all weights one: eight running sums, added in a fixed order.
    fn of_equal(values: &[f64]) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        let weight = values.len() as f64;
        let origin = values[0];
        let total = lanes(values, |value| value - origin);
        let mean = origin + total / weight;
        let squares = lanes(values, |value| (value - mean) * (value - mean));
        let drift = lanes(values, |value| value - mean);
        Self {
            weight,
            mean: mean + drift / weight,
            squares: squares - drift * drift / weight,
        }
    }

    /// A block of `weight` equal values.
    pub(crate) fn constant(value: f64, weight: f64) -> Self {
        Self {
            weight,
            mean: value,
            squares: 0.0,
        }
    }

    /// The moments of both streams together.
    pub(crate) fn merge(self, other: Self) -> Self {
        if self.weight == 0.0 {
            return other;
        }
        if other.weight == 0.0 {
            return self;
        }
        let weight = self.weight + other.weight;
        let gap = other.mean - self.mean;
        let share = other.weight / weight;
        Self {
            weight,
            mean: self.mean + gap * share,
            squares: self.squares + other.squares + gap * gap * self.weight * share,
        }
    }

    /// Population variance; 0 without weight.
    pub(crate) fn variance(self) -> f64 {
        if self.weight > 0.0 {
            (self.squares / self.weight).max(0.0)
        } else {
            0.0
        }
    }
}

/// Sum of a function of the values in eight lanes.
#[inline(always)]
fn lanes(values: &[f64], of: impl Fn(f64) -> f64) -> f64 {
    let (head, tail) = values.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for chunk in head {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += of(*value);
        }
    }
    let rest: f64 = tail.iter().map(|value| of(*value)).sum();
    ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6]))
        + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
        + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_equals_one_pass() {
        let values: Vec<f64> = (0..100).map(|i| 1e9 + (i * i % 17) as f64).collect();
        let whole = Moments::of(&values, None);
        let parts = Moments::of(&values[..33], None).merge(Moments::of(&values[33..], None));
        assert!((whole.mean - parts.mean).abs() < 1e-6);
        assert!((whole.squares / parts.squares - 1.0).abs() < 1e-9);
        assert_eq!(whole.merge(Moments::default()), whole);
    }

    #[test]
    fn weights_repeat_rows() {
        let repeated = Moments::of(&[1.0, 2.0, 2.0, 5.0], None);
        let weighted = Moments::of(&[1.0, 2.0, 5.0, 9.0], Some(&[1.0, 2.0, 1.0, 0.0]));
        assert!((repeated.mean - weighted.mean).abs() < 1e-15);
        assert!((repeated.squares - weighted.squares).abs() < 1e-13);
        assert_eq!(Moments::constant(3.0, 2.0).variance(), 0.0);
    }

    #[test]
    fn nist_numacc3_and_4_keep_their_digits() {
        // NIST StRD univariate NumAcc3 and NumAcc4: mean and standard deviation certified exactly.
        for (base, mean) in [(1_000_000.0, 1_000_000.2), (10_000_000.0, 10_000_000.2)] {
            let mut values = vec![base + 0.2];
            for _ in 0..500 {
                values.extend([base + 0.1, base + 0.3]);
            }
            let moments = Moments::of(&values, None);
            let sd = (moments.squares / 1000.0).sqrt();
            assert!((moments.mean / mean - 1.0).abs() < 1e-15);
            assert!((sd / 0.1 - 1.0).abs() < 1e-8);
        }
    }
}
