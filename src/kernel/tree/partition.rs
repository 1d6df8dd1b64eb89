//! Which bins go left at a node, and the rows that follow them.

use crate::design::binned::{BinnedDesign, Binner, Bins, GROUP, MISSING};
use crate::design::bundle::{Bundles, CODES};
use crate::kernel::tree::flat::{Tree, holds};

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
    let column = place.column as usize;
    let table: [bool; CODES] = std::array::from_fn(|code| holds(left, place.bin(code) as usize));
    let (codes, lane) = (&bundles.groups[column / GROUP], column % GROUP);
    aside.resize(aside.len().max(rows.len()), 0);
    let (mut n_left, mut n_right) = (0, 0);
    for at in 0..rows.len() {
        let row = rows[at];
        let goes_left = table[codes[row as usize][lane] as usize];
        // Both are written, one of them counts: no branch to guess.
        rows[n_left] = row;
        aside[n_right] = row;
        n_left += usize::from(goes_left);
        n_right += usize::from(!goes_left);
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
