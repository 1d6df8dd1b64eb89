//! Sums of gradient and curvature per code of every column, over the rows of a node.
//!
//! Types, once for all: codes are u8, rows u32, sums i64. A group of eight columns is counted
//! together: one read of a row brings eight codes, and the sixteen kilobytes that they add to stay in
//! a first-level cache.

use crate::design::binned::GROUP;
use crate::design::bundle::{Bundles, CODES, Place};
use crate::kernel::tree::quantise::{BLOCK, halves};

/// Bins of a feature, the one of missing values being the last.
pub(crate) const SLOTS: usize = 256;

/// Sums of one bin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) gradient: i64,
    pub(crate) curvature: i64,
}

/// Sums of one group of columns.
pub(crate) type Part = [[Slot; CODES]; GROUP];

/// Sums of all columns, group by group.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram {
    pub(crate) parts: Vec<Box<Part>>,
}

impl Histogram {
    pub(crate) fn new(n_groups: usize) -> Self {
        Self {
            parts: (0..n_groups)
                .map(|_| Box::new([[Slot::default(); CODES]; GROUP]))
                .collect(),
        }
    }
}

/// Sums of one group over rows; `words` are theirs, in the same order.
pub(crate) fn count(bundles: &Bundles, group: usize, rows: &[u32], words: &[i64], out: &mut Part) {
    let codes = &bundles.groups[group];
    match bundles.lanes(group) {
        1 => count_lanes::<1>(codes, rows, words, out),
        2 => count_lanes::<2>(codes, rows, words, out),
        3 => count_lanes::<3>(codes, rows, words, out),
        4 => count_lanes::<4>(codes, rows, words, out),
        5 => count_lanes::<5>(codes, rows, words, out),
        6 => count_lanes::<6>(codes, rows, words, out),
        7 => count_lanes::<7>(codes, rows, words, out),
        _ => count_lanes::<8>(codes, rows, words, out),
    }
}

fn count_lanes<const LANES: usize>(
    codes: &[[u8; GROUP]],
    rows: &[u32],
    words: &[i64],
    out: &mut Part,
) {
    let mut sums = [[0_i64; CODES]; LANES];
    let mut first = true;
    for (rows, words) in rows.chunks(BLOCK).zip(words.chunks(BLOCK)) {
        for (row, word) in rows.iter().zip(words) {
            let codes = &codes[*row as usize];
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
        *out = [[Slot::default(); CODES]; GROUP];
    }
}

/// Becomes the sums of the other child, given those of one; `parent` is the node's.
pub(crate) fn subtract(parent: &mut Part, child: &Part, lanes: usize) {
    for (parent, child) in parent.iter_mut().zip(child).take(lanes) {
        for (slot, taken) in parent.iter_mut().zip(child) {
            slot.gradient -= taken.gradient;
            slot.curvature -= taken.curvature;
        }
    }
}

/// The sums of a feature, bin by bin, out of those of its column.
pub(crate) fn spread(
    column: &[Slot; CODES],
    n_codes: usize,
    place: Place,
    out: &mut [Slot; SLOTS],
) {
    *out = [Slot::default(); SLOTS];
    let (stride, size) = (place.stride as usize, place.size as usize);
    // Codes run through the bins in steps of `stride`: no division per code.
    for block in column[..n_codes].chunks(stride * size) {
        for (bin, run) in block.chunks(stride).enumerate() {
            let last = place.missing && bin + 1 == size;
            let slot = &mut out[if last { SLOTS - 1 } else { bin }];
            for sum in run {
                slot.gradient += sum.gradient;
                slot.curvature += sum.curvature;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::binned::{BinnedDesign, MISSING};
    use crate::kernel::tree::quantise::{Quantised, Scale};

    #[test]
    fn sums_equal_a_plain_count_over_more_than_a_block() {
        let (n, n_features) = (2 * BLOCK + 77, 11);
        let n_bins: Vec<usize> = (0..n_features).map(|f| [97, 2, 5, 30][f % 4]).collect();
        let bin = |row: usize, feature: usize| {
            let gap = feature % 5 == 1 && row.is_multiple_of(9);
            if gap {
                MISSING
            } else {
                ((row * 31 + feature * 7) % n_bins[feature]) as u8
            }
        };
        let groups = (0..2)
            .map(|group| {
                (0..n)
                    .map(|row| {
                        std::array::from_fn(|lane| {
                            let feature = group * GROUP + lane;
                            if feature < n_features {
                                bin(row, feature)
                            } else {
                                0
                            }
                        })
                    })
                    .collect()
            })
            .collect();
        let design = BinnedDesign {
            n_rows: n,
            n_features,
            groups,
        };
        let bundles = Bundles::new(&design, &n_bins);
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
        let n_groups = bundles.groups.len();
        let counted = |rows: &[u32], words: &[i64]| {
            let mut histogram = Histogram::new(n_groups);
            for (group, part) in histogram.parts.iter_mut().enumerate() {
                count(&bundles, group, rows, words, part);
            }
            histogram
        };
        let whole = counted(&rows, &words);
        let mut slots = [Slot::default(); SLOTS];
        for feature in 0..n_features {
            let place = bundles.places[feature];
            let column = place.column as usize;
            let sums = &whole.parts[column / GROUP][column % GROUP];
            spread(sums, bundles.columns[column].0, place, &mut slots);
            let mut expected = vec![Slot::default(); SLOTS];
            for (row, word) in rows.iter().zip(&words) {
                let slot = &mut expected[bin(*row as usize, feature) as usize];
                let (gradient, curvature) = halves(*word);
                slot.gradient += gradient;
                slot.curvature += curvature;
            }
            assert_eq!(slots.as_slice(), expected, "feature {feature}");
            let total: f64 = expected
                .iter()
                .map(|s| s.gradient as f64 * scale.gradient)
                .sum();
            let exact: f64 = rows.iter().map(|row| gradients[*row as usize]).sum();
            assert!((total - exact).abs() < 0.5 * scale.gradient * rows.len() as f64);
        }
        let mut rest = whole;
        let half = rows.len() / 3;
        let child = counted(&rows[..half], &words[..half]);
        let other = counted(&rows[half..], &words[half..]);
        for group in 0..n_groups {
            subtract(
                &mut rest.parts[group],
                &child.parts[group],
                bundles.lanes(group),
            );
        }
        assert!(
            rest.parts == other.parts,
            "whole numbers: equal to the last bit"
        );
    }
}
