//! Sums of gradient and curvature per code of every column, over the rows of a node.
//!
//! Types, once for all: codes are u8, rows u32, sums i64. A group of eight columns is counted
//! together: the sixteen kilobytes that they add to stay in a first-level cache. All groups of a panel
//! are counted for some rows before the next ones: the rows of a node are scattered, and the line of
//! memory of each is fetched once.

use std::ops::Range;

use crate::design::binned::GROUP;
use crate::design::bundle::{Bundles, CODES, Panel, Place};
use crate::kernel::tree::listed::ListedSums;
use crate::kernel::tree::quantise::{BLOCK, halves};

/// Bins of a feature, the one of missing values being the last.
pub(crate) const SLOTS: usize = 256;

/// Sums of one bin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) gradient: i64,
    pub(crate) curvature: i64,
}

/// Words of one group of columns, gradient and curvature not yet apart.
type Packed = [[i64; CODES]; GROUP];

/// Sums of one group of columns.
pub(crate) type Part = [[Slot; CODES]; GROUP];

/// Sums of all columns, group by group.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram {
    pub(crate) parts: Vec<Box<Part>>,
    /// Those of listed features.
    pub(crate) listed: ListedSums,
}

impl Histogram {
    pub(crate) fn new(n_groups: usize) -> Self {
        Self {
            parts: (0..n_groups)
                .map(|_| Box::new([[Slot::default(); CODES]; GROUP]))
                .collect(),
            listed: ListedSums::default(),
        }
    }
}

/// Rows whose lines are fetched together, then counted group by group.
const STRIP: usize = 1_024;

/// Sums of the groups of a panel that `groups` names, over rows in rising order; `all_words` are
/// those of all rows.
pub(crate) fn count(
    bundles: &Bundles,
    panel: &Panel,
    groups: Range<usize>,
    rows: &[u32],
    all_words: &[i64],
    out: &mut [&mut Part],
) {
    let mut sums = vec![[[0_i64; CODES]; GROUP]; groups.len()];
    let mut lines = Vec::new();
    let places = groups.start - panel.groups.start..groups.end - panel.groups.start;
    let mut first = true;
    let mut gathered = [0; STRIP];
    for rows in rows.chunks(BLOCK) {
        for rows in rows.chunks(STRIP) {
            let (first, last) = (rows[0] as usize, rows[rows.len() - 1] as usize);
            if last - first + 1 == rows.len() {
                let words = &all_words[first..=last];
                let step = panel.groups.len();
                let codes = &panel.codes[first * step..(last + 1) * step];
                for (place, (sums, group)) in sums.iter_mut().zip(groups.clone()).enumerate() {
                    let lines = codes[places.start + place..].iter().step_by(step);
                    by_lanes(bundles.lanes(group), lines, words, sums);
                }
                continue;
            }
            // Nothing but fetching: many lines are then under way at a time.
            lines.resize(places.len() * STRIP, [0; GROUP]);
            let words = &mut gathered[..rows.len()];
            for (word, row) in words.iter_mut().zip(rows) {
                *word = all_words[*row as usize];
            }
            match places.len() {
                1 => fetch::<1>(panel, places.start, rows, &mut lines),
                2 => fetch::<2>(panel, places.start, rows, &mut lines),
                3 => fetch::<3>(panel, places.start, rows, &mut lines),
                4 => fetch::<4>(panel, places.start, rows, &mut lines),
                5 => fetch::<5>(panel, places.start, rows, &mut lines),
                6 => fetch::<6>(panel, places.start, rows, &mut lines),
                7 => fetch::<7>(panel, places.start, rows, &mut lines),
                _ => fetch::<8>(panel, places.start, rows, &mut lines),
            }
            for (place, (sums, group)) in sums.iter_mut().zip(groups.clone()).enumerate() {
                let lines = &lines[place * STRIP..place * STRIP + rows.len()];
                by_lanes(bundles.lanes(group), lines.iter(), words, sums);
            }
        }
        for (out, sums) in out.iter_mut().zip(&mut sums) {
            for (out, sums) in out.iter_mut().zip(sums) {
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
        }
        first = false;
    }
    if first {
        for out in out {
            **out = [[Slot::default(); CODES]; GROUP];
        }
    }
}

/// The codes of some rows in `WIDTH` groups from `start` on, group by group.
fn fetch<const WIDTH: usize>(panel: &Panel, start: usize, rows: &[u32], lines: &mut [[u8; GROUP]]) {
    let step = panel.groups.len();
    let mut lines = lines.chunks_mut(STRIP);
    let mut lines: [&mut [[u8; GROUP]]; WIDTH] =
        std::array::from_fn(|_| lines.next().unwrap_or_default());
    for (at, row) in rows.iter().enumerate() {
        let from = *row as usize * step + start;
        let codes = &panel.codes[from..from + WIDTH];
        for (lines, codes) in lines.iter_mut().zip(codes) {
            lines[at] = *codes;
        }
    }
}

#[inline(always)]
fn by_lanes<'a>(
    lanes: usize,
    lines: impl Iterator<Item = &'a [u8; GROUP]>,
    words: &[i64],
    sums: &mut Packed,
) {
    match lanes {
        1 => count_lanes::<1>(lines, words, sums),
        2 => count_lanes::<2>(lines, words, sums),
        3 => count_lanes::<3>(lines, words, sums),
        4 => count_lanes::<4>(lines, words, sums),
        5 => count_lanes::<5>(lines, words, sums),
        6 => count_lanes::<6>(lines, words, sums),
        7 => count_lanes::<7>(lines, words, sums),
        _ => count_lanes::<8>(lines, words, sums),
    }
}

fn count_lanes<'a, const LANES: usize>(
    lines: impl Iterator<Item = &'a [u8; GROUP]>,
    words: &[i64],
    sums: &mut Packed,
) {
    for (codes, word) in lines.zip(words) {
        for (sums, code) in sums.iter_mut().zip(codes).take(LANES) {
            sums[*code as usize] += word;
        }
    }
}

/// Adds sums of other rows.
pub(crate) fn add(sums: &mut Part, others: &Part, lanes: usize) {
    for (sums, others) in sums.iter_mut().zip(others).take(lanes) {
        for (slot, other) in sums.iter_mut().zip(others) {
            slot.gradient += other.gradient;
            slot.curvature += other.curvature;
        }
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
        let columns = (0..n_features).map(|feature| (0..n).map(|row| bin(row, feature)).collect());
        let design = BinnedDesign::of_columns(n, columns);
        let bundles = Bundles::new(&design, &n_bins);
        let gradients: Vec<f64> = (0..n).map(|i| ((i % 13) as f64 - 6.0) / 6.0).collect();
        let curvatures: Vec<f64> = (0..n).map(|i| (i % 5) as f64 / 16.0).collect();
        let scale = Scale::new(1.0, 0.25, n);
        let mut quantised = Quantised::default();
        quantised.set(scale, &gradients, &curvatures);
        let rows: Vec<u32> = (0..n as u32).filter(|row| row % 7 != 3).collect();
        let n_groups = bundles.n_groups();
        let counted = |rows: &[u32]| {
            let mut histogram = Histogram::new(n_groups);
            let mut parts: Vec<&mut Part> =
                histogram.parts.iter_mut().map(|part| &mut **part).collect();
            for panel in &bundles.panels {
                let groups = panel.groups.clone();
                count(
                    &bundles,
                    panel,
                    groups.clone(),
                    rows,
                    &quantised.words,
                    &mut parts[groups],
                );
            }
            histogram
        };
        let whole = counted(&rows);
        let mut slots = [Slot::default(); SLOTS];
        for feature in 0..n_features {
            let place = bundles.places[feature];
            let column = place.column as usize;
            let sums = &whole.parts[column / GROUP][column % GROUP];
            spread(sums, bundles.columns[column].0, place, &mut slots);
            let mut expected = vec![Slot::default(); SLOTS];
            for row in &rows {
                let word = &quantised.words[*row as usize];
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
        let child = counted(&rows[..half]);
        let other = counted(&rows[half..]);
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
