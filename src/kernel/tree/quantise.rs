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

    #[inline(always)]
    fn word(&self, gradient: f64, curvature: f64) -> i64 {
        let g = (gradient / self.gradient).round_ties_even() as i64;
        let h = (curvature / self.curvature).round_ties_even() as i64;
        (g << 32) + h
    }
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
                let rows = gradients.iter().zip(curvatures.iter());
                for ((word, fine), (g, h)) in words.iter_mut().zip(fine.iter_mut()).zip(rows) {
                    *word = scale.word(*g, *h);
                    *fine = (
                        (g / scale.fine_gradient).round_ties_even() as i64,
                        (h / scale.fine_curvature).round_ties_even() as i64,
                    );
                }
            },
        );
    }
}
