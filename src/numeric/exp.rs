//! exp and log1p as polynomials without branches, so that loops over rows become vectors.
//!
//! Plain arithmetic only: the same bits on every instruction level. Both are tested against libm.

use std::f64::consts::{LN_2, LOG2_E};

/// Below `exp(-708.39)` results would be subnormal; they are flushed to zero.
const LARGEST: f64 = 708.0;
/// High part of ln 2: its low 21 bits are zero, so that `n * LN2_HIGH` is exact for |n| < 2^21.
const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
/// ln 2 - [`LN2_HIGH`].
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// Adding and taking away 1.5 * 2^52 rounds to the nearest whole number.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// `exp(-x)` for `x >= 0`, relative error below 4e-16; 0 beyond 708.
#[inline(always)]
pub(crate) fn exp_neg(x: f64) -> f64 {
    let clamped = if x < LARGEST { x } else { LARGEST };
    let shifted = -clamped * LOG2_E + ROUNDER;
    let n = shifted - ROUNDER;
    // -x = n ln2 + r with |r| <= ln2 / 2.
    let r = (-clamped - n * LN2_HIGH) - n * LN2_LOW;
    // Taylor to the 13th power: the remainder at ln2 / 2 is below 2^-57.
    let mut p = 1.0 / 6_227_020_800.0;
    p = p * r + 1.0 / 479_001_600.0;
    p = p * r + 1.0 / 39_916_800.0;
    p = p * r + 1.0 / 3_628_800.0;
    p = p * r + 1.0 / 362_880.0;
    p = p * r + 1.0 / 40_320.0;
    p = p * r + 1.0 / 5_040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * (r * r) + r;
    // The low bits of `shifted` hold n; moved to the exponent they make 2^n.
    let power = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    let value = (p + 1.0) * power;
    if x < LARGEST { value } else { 0.0 }
}

/// `log(1 + e)` for `0 <= e <= 1`, relative error below 4e-16.
#[inline(always)]
pub(crate) fn log1p_unit(e: f64) -> f64 {
    // log1p(e) = 2 atanh(s) with s = e / (2 + e); for e above sqrt(2) - 1, ln 2 is split off:
    // 1 + e = 2 (1 + f), f = (e - 1) / 2, so s = (e - 1) / (3 + e). |s| <= 0.1716.
    let large = e > std::f64::consts::SQRT_2 - 1.0;
    let (above, below, offset) = if large {
        (e - 1.0, 3.0 + e, LN_2)
    } else {
        (e, 2.0 + e, 0.0)
    };
    let s = above / below;
    let q = s * s;
    let mut p = 1.0 / 21.0;
    p = p * q + 1.0 / 19.0;
    p = p * q + 1.0 / 17.0;
    p = p * q + 1.0 / 15.0;
    p = p * q + 1.0 / 13.0;
    p = p * q + 1.0 / 11.0;
    p = p * q + 1.0 / 9.0;
    p = p * q + 1.0 / 7.0;
    p = p * q + 1.0 / 5.0;
    p = p * q + 1.0 / 3.0;
    let double = 2.0 * s;
    offset + (double + double * q * p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_agree_with_libm() {
        for i in 0..70_000 {
            let x = i as f64 * 0.010_113;
            let (ours, theirs) = (exp_neg(x), libm::exp(-x));
            assert!((ours / theirs - 1.0).abs() < 5e-16, "exp at {x}");
        }
        assert_eq!(exp_neg(0.0), 1.0);
        assert_eq!(exp_neg(1e300), 0.0);
        assert_eq!(exp_neg(f64::INFINITY), 0.0);
        for i in 0..=100_000 {
            let e = i as f64 / 100_000.0;
            let (ours, theirs) = (log1p_unit(e), libm::log1p(e));
            assert!((ours - theirs).abs() <= 5e-16 * theirs, "log1p at {e}");
        }
        for power in 1..300 {
            let e = 10.0_f64.powi(-power);
            assert!((log1p_unit(e) / libm::log1p(e) - 1.0).abs() < 5e-16);
        }
    }
}
