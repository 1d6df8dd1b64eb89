//! Sums and products with twice the digits of f64: a number as the unevaluated sum of two.
//!
//! The exact sum is Knuth's (*The Art of Computer Programming* 2, 4.2.2), the exact product
//! Dekker's (Numer. Math. 18, 1971, doi 10.1007/BF01397083). It needs no fused instruction, so
//! every machine gives the same bits. Magnitudes must stay below 1e145: callers scale by powers of
//! two first.

use serde::{Deserialize, Serialize};

/// 2^27 + 1 cuts a number of 53 bits into two of 26.
const SPLITTER: f64 = 134_217_729.0;

/// `hi + lo` with `hi` the nearest f64.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Twofold {
    pub(crate) hi: f64,
    pub(crate) lo: f64,
}

/// The rounded sum and its rounding error.
#[inline(always)]
pub(crate) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// The rounded sum and its rounding error where `a` is the larger one.
#[inline(always)]
fn fast_two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, b - (sum - a))
}

#[inline(always)]
fn split(a: f64) -> (f64, f64) {
    let big = SPLITTER * a;
    let head = big - (big - a);
    (head, a - head)
}

/// The rounded product and its rounding error.
#[inline(always)]
pub(crate) fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    let (a_head, a_tail) = split(a);
    let (b_head, b_tail) = split(b);
    let error =
        a_tail * b_tail - (((product - a_head * b_head) - a_tail * b_head) - a_head * b_tail);
    (product, error)
}

impl Twofold {
    /// A plain number.
    #[inline(always)]
    pub(crate) fn of(value: f64) -> Self {
        Self { hi: value, lo: 0.0 }
    }

    /// The nearest f64.
    #[inline(always)]
    pub(crate) fn value(self) -> f64 {
        self.hi + self.lo
    }

    /// The sum, to about 104 bits.
    #[inline(always)]
    pub(crate) fn plus(self, other: Self) -> Self {
        let (sum, error) = two_sum(self.hi, other.hi);
        let (low, low_error) = two_sum(self.lo, other.lo);
        let (sum, error) = fast_two_sum(sum, error + low);
        let (hi, lo) = fast_two_sum(sum, error + low_error);
        Self { hi, lo }
    }

    /// The product with a plain number.
    #[inline(always)]
    pub(crate) fn times(self, factor: f64) -> Self {
        let (product, error) = two_product(self.hi, factor);
        let (hi, lo) = fast_two_sum(product, error + self.lo * factor);
        Self { hi, lo }
    }

    /// The negative.
    #[inline(always)]
    pub(crate) fn negative(self) -> Self {
        Self {
            hi: -self.hi,
            lo: -self.lo,
        }
    }

    /// Whether both parts are finite and the first is the rounded sum.
    pub(crate) fn is_normal(self) -> bool {
        self.hi.is_finite() && self.lo.is_finite() && self.hi + self.lo == self.hi
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_sums_and_products_are_exact() {
        assert_eq!(two_sum(1.0, 1e-20), (1.0, 1e-20));
        assert_eq!(two_sum(1e-20, -1.0), (-1.0, 1e-20));
        // (2^27 + 1)(2^27 - 1) = 2^54 - 1 needs 54 bits.
        assert_eq!(
            two_product(134_217_729.0, 134_217_727.0),
            (18_014_398_509_481_984.0, -1.0)
        );
    }

    #[test]
    fn what_cancels_leaves_its_digits() {
        // 3 * 0.1 - 0.3 in the binary values of the literals; the other way is exact in f64.
        let third = Twofold::of(0.1)
            .times(3.0)
            .plus(Twofold::of(0.3).negative());
        let exact = 3.0 * (0.1 - 0.09375) - (0.3 - 0.28125);
        assert_eq!(third.value(), exact);
        let mut sum = Twofold::default();
        for term in [1e10, 1.0, 1e-12, -1e10, -1.0] {
            sum = sum.plus(Twofold::of(term));
        }
        assert!((sum.value() / 1e-12 - 1.0).abs() < 1e-9);
        assert!(sum.is_normal());
        assert!(!Twofold { hi: 1.0, lo: 1.0 }.is_normal());
    }
}
