//! Which bins go left at a node, and the rows that follow them.

use crate::design::binned::{BinnedDesign, Binner, Bins, MISSING};
use crate::design::bundle::{Bundles, CODES};
use crate::kernel::tree::flat::{Tree, holds};
use crate::numeric::parallel::map_each;

/// Rows of one part of a long segment.
pub(crate) const PARTITION_ROWS: usize = 8_192;

/// Sets or clears the bit of a bin.
pub(crate) fn set_bit(bits: &mut [u64; 4], bin: u8, value: bool) {
    let (word, bit) = (bin as usize / 64, bin % 64);
    bits[word] = bits[word] & !(1 << bit) | u64::from(value) << bit;
}

/// Brings the rows whose bin is in `left` to the front, both sides in their old order.
pub(crate) fn partition(
    bundles: &Bundles,
    feature: usize,
    left: &[u64; 4],
    rows: &mut [u32],
    aside: &mut Vec<u32>,
) -> usize {
    let place = bundles.places[feature];
    let table: [bool; CODES] = std::array::from_fn(|code| holds(left, place.bin(code) as usize));
    let codes = &bundles.by_column[place.column as usize];
    let codes = |row: u32| table[codes[row as usize] as usize];
    if rows.len() < 2 * PARTITION_ROWS {
        return in_place(rows, aside, codes);
    }
    // Parts on their own, then one after the other: left sides first.
    let mut parts: Vec<_> = rows
        .chunks(PARTITION_ROWS)
        .map(|part| (part.to_vec(), 0))
        .collect();
    map_each(&mut parts, true, |_, (part, n_left)| {
        let mut aside = Vec::new();
        *n_left = in_place(part, &mut aside, codes);
    });
    let n_left = parts.iter().map(|(_, n_left)| n_left).sum();
    let (mut left, mut right) = rows.split_at_mut(n_left);
    for (part, n_left) in &parts {
        let (to_left, to_right) = part.split_at(*n_left);
        let (here, rest) = left.split_at_mut(to_left.len());
        here.copy_from_slice(to_left);
        left = rest;
        let (here, rest) = right.split_at_mut(to_right.len());
        here.copy_from_slice(to_right);
        right = rest;
    }
    n_left
}

#[inline]
fn in_place(rows: &mut [u32], aside: &mut Vec<u32>, goes_left: impl Fn(u32) -> bool) -> usize {
    aside.resize(aside.len().max(rows.len()), 0);
    let (mut n_left, mut n_right) = (0, 0);
    for at in 0..rows.len() {
        let row = rows[at];
        let left = goes_left(row);
        // Both are written, one of them counts: no branch to guess.
        rows[n_left] = row;
        aside[n_right] = row;
        n_left += usize::from(left);
        n_right += usize::from(!left);
    }
    rows[n_left..].copy_from_slice(&aside[..n_right]);
    n_left
}

/// The leaf of a row, by its bins.
#[inline]
pub(crate) fn leaf_of_bins(
    tree: &Tree,
    by_bins: &[[u64; 4]],
    design: &BinnedDesign,
    row: usize,
) -> usize {
    let mut at = 0;
    loop {
        let node = &tree.nodes[at];
        if node.is_leaf() {
            return at;
        }
        let bin = design.bin(node.feature as usize, row) as usize;
        at = if holds(&by_bins[at], bin) {
            node.left
        } else {
            node.right
        } as usize;
    }
}

/// The bins that go left at every node of a tree that was grown with these bins.
pub(crate) fn bins_of(tree: &Tree, binner: &Binner) -> Vec<[u64; 4]> {
    tree.nodes
        .iter()
        .map(|node| {
            let mut bins = [0; 4];
            if node.is_leaf() {
                return bins;
            }
            match &binner.bins[node.feature as usize] {
                Bins::Number(edges) => {
                    let n_left = edges.partition_point(|edge| *edge <= node.threshold);
                    let all = node.threshold == f64::MAX;
                    for bin in 0..n_left + usize::from(all) {
                        set_bit(&mut bins, bin as u8, true);
                    }
                }
                Bins::Levels { .. } => bins = tree.sets[node.set as usize],
            }
            set_bit(&mut bins, MISSING, node.missing_left);
            bins
        })
        .collect()
}
