//! Sums of gradient and curvature per bin of every feature, over the rows of a node.
//!
//! Types, once for all: bins are u8, rows u32, sums i64. A group of eight features is counted
//! together: one read of a row brings eight bins, and the sixteen kilobytes that they add to stay in
//! a first-level cache.

use crate::design::binned::{BinnedDesign, GROUP};
use crate::kernel::tree::quantise::{BLOCK, halves};
use crate::numeric::parallel::map_each;

/// Bins of a feature, the one of missing values being the last.
pub(crate) const SLOTS: usize = 256;

/// Sums of one bin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) gradient: i64,
    pub(crate) curvature: i64,
}

/// Sums of one group of features.
pub(crate) type Part = [[Slot; SLOTS]; GROUP];

/// Sums of all features.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram {
    pub(crate) parts: Vec<Box<Part>>,
}

/// Below so many additions a second thread costs more than it brings.
const WORTH_SHARING: usize = 30_000;

impl Histogram {
    pub(crate) fn new(n_groups: usize) -> Self {
        Self {
            parts: (0..n_groups)
                .map(|_| Box::new([[Slot::default(); SLOTS]; GROUP]))
                .collect(),
        }
    }

    /// Sums over rows; `words` are theirs, in the same order.
    pub(crate) fn count(&mut self, design: &BinnedDesign, rows: &[u32], words: &[i64]) {
        let share = rows.len() * design.groups.len() * GROUP >= WORTH_SHARING;
        map_each(&mut self.parts, share, |group, part| {
            count_group(&design.groups[group], rows, words, part);
        });
    }

    /// Becomes the histogram of the other child, given that of one child; `self` is the parent's.
    pub(crate) fn subtract(&mut self, child: &Self) {
        for (parent, child) in self.parts.iter_mut().zip(&child.parts) {
            for (parent, child) in parent.iter_mut().zip(child.iter()) {
                for (slot, taken) in parent.iter_mut().zip(child) {
                    slot.gradient -= taken.gradient;
                    slot.curvature -= taken.curvature;
                }
            }
        }
    }

    /// The slots of a feature.
    #[inline]
    pub(crate) fn feature(&self, feature: usize) -> &[Slot; SLOTS] {
        &self.parts[feature / GROUP][feature % GROUP]
    }
}

fn count_group(bins: &[[u8; GROUP]], rows: &[u32], words: &[i64], out: &mut Part) {
    let mut sums = [[0_i64; SLOTS]; GROUP];
    let mut first = true;
    for (rows, words) in rows.chunks(BLOCK).zip(words.chunks(BLOCK)) {
        for (row, word) in rows.iter().zip(words) {
            let codes = &bins[*row as usize];
            for (sums, code) in sums.iter_mut().zip(codes) {
                sums[*code as usize] += word;
            }
        }
        for (out, sums) in out.iter_mut().zip(&mut sums) {
            for (slot, sum) in out.iter_mut().zip(sums) {
                let (gradient, curvature) = halves(*sum);
                let before = if first { Slot::default() } else { *slot };
                *slot = Slot {
                    gradient: before.gradient + gradient,
                    curvature: before.curvature + curvature,
                };
                *sum = 0;
            }
        }
        first = false;
    }
    if first {
        *out = [[Slot::default(); SLOTS]; GROUP];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tree::quantise::{Quantised, Scale};

    #[test]
    fn sums_equal_a_plain_count_over_more_than_a_block() {
        let (n, n_features) = (2 * BLOCK + 77, 11);
        let bin = |row: usize, feature: usize| ((row * 31 + feature * 7) % 97) as u8;
        let groups = (0..2)
            .map(|group| {
                (0..n)
                    .map(|row| std::array::from_fn(|lane| bin(row, group * GROUP + lane)))
                    .collect()
            })
            .collect();
        let design = BinnedDesign {
            n_rows: n,
            n_features,
            groups,
        };
        let gradients: Vec<f64> = (0..n).map(|i| ((i % 13) as f64 - 6.0) / 6.0).collect();
        let curvatures: Vec<f64> = (0..n).map(|i| (i % 5) as f64 / 16.0).collect();
        let scale = Scale::new(1.0, 0.25, n);
        let mut quantised = Quantised::default();
        quantised.set(scale, &gradients, &curvatures);
        let rows: Vec<u32> = (0..n as u32).filter(|row| row % 7 != 3).collect();
        let words: Vec<i64> = rows
            .iter()
            .map(|row| quantised.words[*row as usize])
            .collect();
        let mut histogram = Histogram::new(2);
        histogram.count(&design, &rows, &words);
        for feature in 0..n_features {
            let mut expected = vec![(0.0, 0.0); SLOTS];
            for row in &rows {
                let slot = &mut expected[bin(*row as usize, feature) as usize];
                slot.0 += gradients[*row as usize];
                slot.1 += curvatures[*row as usize];
            }
            for (slot, (g, h)) in histogram.feature(feature).iter().zip(expected) {
                let count = rows.len() as f64 / 97.0 + 1.0;
                assert!(
                    (slot.gradient as f64 * scale.gradient - g).abs() <= count * scale.gradient
                );
                assert!(
                    (slot.curvature as f64 * scale.curvature - h).abs() <= count * scale.curvature
                );
            }
        }
        let mut rest = histogram.clone();
        let half = rows.len() / 3;
        let mut child = Histogram::new(2);
        child.count(&design, &rows[..half], &words[..half]);
        rest.subtract(&child);
        let mut other = Histogram::new(2);
        other.count(&design, &rows[half..], &words[half..]);
        assert_eq!(
            rest.parts, other.parts,
            "whole numbers: equal to the last bit"
        );
    }
}
