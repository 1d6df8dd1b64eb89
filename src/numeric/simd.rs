//! Run-time dispatch to the widest vectors of the machine, through pulp.
//!
//! The default build targets SSE2 only; a loop wrapped in [`dispatch`] is compiled once per
//! instruction level and the right one is picked at run time. No level contracts or reorders
//! floating-point arithmetic by itself, so plain loops give the same bits on every level.

pub(crate) use pulp::{Arch, NullaryFnOnce};

/// Runs `work` compiled for the machine's instruction level. The work, and what it calls, must be
/// `#[inline(always)]` to profit.
#[inline(always)]
pub(crate) fn dispatch<F: NullaryFnOnce>(work: F) -> F::Output {
    Arch::new().dispatch(work)
}

/// Name of the instruction level that dispatch picks.
pub(crate) fn level() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            return "avx512";
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
        {
            return "avx2";
        }
    }
    "baseline"
}

/// Partial sums of a dot product; a fixed number, so that the order of addition is fixed.
const LANES: usize = 8;

/// Dot product with eight running sums, added in a fixed order.
#[inline(always)]
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (a_head, a_tail) = a.as_chunks::<LANES>();
    let (b_head, b_tail) = b.as_chunks::<LANES>();
    for (x, y) in a_head.iter().zip(b_head) {
        for lane in 0..LANES {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    let mut rest = 0.0;
    for (x, y) in a_tail.iter().zip(b_tail) {
        rest += x * y;
    }
    let pairs = [
        lanes[0] + lanes[4],
        lanes[1] + lanes[5],
        lanes[2] + lanes[6],
        lanes[3] + lanes[7],
    ];
    ((pairs[0] + pairs[2]) + (pairs[1] + pairs[3])) + rest
}

/// `out += factor * column`.
#[inline(always)]
pub(crate) fn add_scaled(out: &mut [f64], factor: f64, column: &[f64]) {
    for (slot, value) in out.iter_mut().zip(column) {
        *slot += factor * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dispatched_dot_equals_the_plain_one_to_the_bit() {
        struct Work<'a>(&'a [f64], &'a [f64]);
        impl NullaryFnOnce for Work<'_> {
            type Output = f64;

            #[inline(always)]
            fn call(self) -> f64 {
                dot(self.0, self.1)
            }
        }
        let a: Vec<f64> = (0..1003).map(|i| (i as f64 * 0.37).sin()).collect();
        let b: Vec<f64> = (0..1003).map(|i| (i as f64 * 0.11).cos()).collect();
        assert_eq!(dispatch(Work(&a, &b)).to_bits(), dot(&a, &b).to_bits());
        let plain: f64 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
        assert!((dot(&a, &b) - plain).abs() < 1e-12);
    }
}
