//! Gradients as whole numbers, so that their sums do not depend on any order.
//!
//! Two scales: a coarse one for histograms, where gradient and curvature share one 64-bit word and one
//! addition, and a fine one for the values of leaves. A histogram decides between cuts; what a leaf
//! says is worked out from the fine numbers.
//!
//! ```text
//!   word of a row:   | gradient, 32 bits signed | curvature, 32 bits |     one addition adds both
//! ```
//!
//! (Shi et al., Quantized Training of Gradient Boosting Decision Trees, NeurIPS 2022, doi
//! 10.48550/arXiv.2207.09682, go much coarser; here rounding is to the nearest and nothing is random.)

use crate::numeric::parallel::{CHUNK_ROWS, map_each};
use crate::numeric::simd::{NullaryFnOnce, dispatch};

/// Rows whose words may be added before the halves would meet.
pub(crate) const BLOCK: usize = 16_384;

/// Largest coarse number: [`BLOCK`] of them stay below 2^31.
const COARSE: f64 = 131_071.0;

/// Bits of a sum of fine numbers over all rows.
const FINE_BITS: u32 = 61;

/// Gradients and curvatures of all rows at two scales.
#[derive(Debug, Clone, Default)]
pub(crate) struct Quantised {
    /// Word of every row; see the module.
    pub(crate) words: Vec<i64>,
    pub(crate) fine: Vec<(i64, i64)>,
    pub(crate) scale: Scale,
}

/// What one whole number is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    pub(crate) gradient: f64,
    pub(crate) curvature: f64,
    pub(crate) fine_gradient: f64,
    pub(crate) fine_curvature: f64,
}

impl Default for Scale {
    fn default() -> Self {
        Self::new(1.0, 1.0, 1)
    }
}

impl Scale {
    /// For gradients up to `gradient` and curvatures up to `curvature` in size, over `rows` rows.
    pub(crate) fn new(gradient: f64, curvature: f64, rows: usize) -> Self {
        let row_bits = usize::BITS - rows.max(1).leading_zeros();
        let fine = 2_f64.powi((FINE_BITS - row_bits.min(FINE_BITS - 8)).min(48) as i32);
        Self {
            gradient: gradient / COARSE,
            curvature: curvature / COARSE,
            fine_gradient: gradient / fine,
            fine_curvature: curvature / fine,
        }
    }
}

/// Adding it rounds to the nearest whole number, which the low bits then hold, for sizes below 2^51.
pub(crate) const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// The nearest whole number, without a branch or a call.
#[inline(always)]
fn whole(x: f64) -> i64 {
    (x + ROUNDER).to_bits().wrapping_sub(ROUNDER.to_bits()) as i64
}

/// Gradient and curvature halves of a sum of words.
#[inline(always)]
pub(crate) fn halves(word: i64) -> (i64, i64) {
    (word >> 32, word & 0xffff_ffff)
}

impl Quantised {
    /// Rounds the gradients and curvatures of all rows; neither may exceed the scale.
    pub(crate) fn set(&mut self, scale: Scale, gradients: &[f64], curvatures: &[f64]) {
        let n = gradients.len();
        self.scale = scale;
        self.words.resize(n, 0);
        self.fine.resize(n, (0, 0));
        let rows = gradients
            .chunks(CHUNK_ROWS)
            .zip(curvatures.chunks(CHUNK_ROWS));
        let slots = self.words.chunks_mut(CHUNK_ROWS);
        let mut parts: Vec<_> = slots
            .zip(self.fine.chunks_mut(CHUNK_ROWS))
            .zip(rows)
            .collect();
        map_each(
            &mut parts,
            true,
            |_, ((words, fine), (gradients, curvatures))| {
                dispatch(Round {
                    scale,
                    gradients,
                    curvatures,
                    words,
                    fine,
                });
            },
        );
    }
}

struct Round<'a> {
    scale: Scale,
    gradients: &'a [f64],
    curvatures: &'a [f64],
    words: &'a mut [i64],
    fine: &'a mut [(i64, i64)],
}

impl NullaryFnOnce for Round<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let scale = self.scale;
        let (g, h) = (1.0 / scale.gradient, 1.0 / scale.curvature);
        let (fine_g, fine_h) = (1.0 / scale.fine_gradient, 1.0 / scale.fine_curvature);
        let rows = self.gradients.iter().zip(self.curvatures);
        let slots = self.words.iter_mut().zip(self.fine.iter_mut());
        for ((word, fine), (gradient, curvature)) in slots.zip(rows) {
            *word = (whole(gradient * g) << 32) + whole(curvature * h);
            *fine = (whole(gradient * fine_g), whole(curvature * fine_h));
        }
    }
}
