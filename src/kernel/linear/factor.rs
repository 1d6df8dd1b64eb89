//! Triangular factors that merge: the R of a QR decomposition, chunk by chunk (TSQR; Demmel,
//! Grigori, Hoemmen and Langou, SIAM J. Sci. Comput. 34(1), 2012, doi 10.1137/080731992).
//!
//! Inference comes from these and never from a Gram matrix, whose condition is squared.

use serde::{Deserialize, Serialize};

use crate::design::block::Block;
use crate::design::encode::Term;
use crate::kernel::linear::pass::scaled_columns;
use crate::numeric::linalg::qr_factor;

/// The upper triangular factor of some rows (`k x k`, column-major).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Factor {
    pub(crate) k: usize,
    pub(crate) r: Vec<f64>,
}

impl Factor {
    /// The factor of dense rows (`n x k`, column-major).
    pub(crate) fn of(columns: &[f64], n: usize, k: usize) -> Self {
        Self {
            k,
            r: qr_factor(columns, n, k),
        }
    }

    /// The factor of the standardised terms `set` and a column of ones, rows times `factor`.
    pub(crate) fn of_block(
        terms: &[Term],
        block: &Block,
        set: &[u32],
        factor: &[f64],
        scratch: &mut Vec<f64>,
    ) -> Self {
        scaled_columns(terms, block, set, factor, scratch);
        Self::of(scratch, block.n_rows, set.len() + 1)
    }

    /// The factor of the rows of both; `None` when they have different columns.
    pub(crate) fn merge(self, other: Self) -> Option<Self> {
        if self.k == 0 {
            return Some(other);
        }
        if other.k == 0 {
            return Some(self);
        }
        if self.k != other.k {
            return None;
        }
        let k = self.k;
        let mut stacked = Vec::with_capacity(2 * k * k);
        for column in 0..k {
            stacked.extend_from_slice(&self.r[column * k..(column + 1) * k]);
            stacked.extend_from_slice(&other.r[column * k..(column + 1) * k]);
        }
        Some(Self::of(&stacked, 2 * k, k))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_factor_squares_to_the_whole_gram() {
        let rows = [[1.0, 2.0], [3.0, -1.0], [0.5, 4.0], [2.0, 2.0], [-1.0, 1.0]];
        let columns = |range: std::ops::Range<usize>| {
            let mut out: Vec<f64> = rows[range.clone()].iter().map(|row| row[0]).collect();
            out.extend(rows[range].iter().map(|row| row[1]));
            out
        };
        let whole = Factor::of(&columns(0..5), 5, 2);
        let parts = Factor::of(&columns(0..1), 1, 2)
            .merge(Factor::of(&columns(1..5), 4, 2))
            .unwrap();
        let gram = |f: &Factor| {
            [
                f.r[0] * f.r[0],
                f.r[0] * f.r[2],
                f.r[2] * f.r[2] + f.r[3] * f.r[3],
            ]
        };
        for (a, b) in gram(&whole).iter().zip(gram(&parts)) {
            assert!((a - b).abs() < 1e-12);
        }
        assert_eq!(whole.clone().merge(Factor::default()).unwrap(), whole);
        assert!(whole.merge(Factor::of(&[1.0], 1, 1)).is_none());
    }
}
