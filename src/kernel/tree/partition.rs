//! Which bins go left at a node, and the rows that follow them.

use std::ops::Range;

use crate::design::binned::{BinnedDesign, Binner, Bins, Held, MISSING};
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

/// Brings the rows whose bin is in `left` to the front; they stand in rising order, then on both sides.
pub(crate) fn partition(
    bundles: &Bundles,
    feature: usize,
    left: &[u64; 4],
    rows: &mut [u32],
    aside: &mut Vec<u32>,
) -> usize {
    if let Some(listed) = bundles.listed(feature) {
        let table: [bool; CODES] = std::array::from_fn(|bin| holds(left, bin));
        let side = || {
            let mut cursor = listed.cursor();
            move |row| table[usize::from(cursor.bin(row))]
        };
        return in_parts(rows, aside, side);
    }
    let place = bundles.places[feature];
    let table: [bool; CODES] = std::array::from_fn(|code| holds(left, place.bin(code) as usize));
    let codes = &bundles.by_column[place.column as usize];
    in_parts(rows, aside, || {
        |row: u32| table[codes[row as usize] as usize]
    })
}

/// Every part of the rows is sent by a side of its own, which sees its rows in rising order.
fn in_parts<S: FnMut(u32) -> bool>(
    rows: &mut [u32],
    aside: &mut Vec<u32>,
    side: impl Fn() -> S + Sync,
) -> usize {
    if rows.len() < 2 * PARTITION_ROWS {
        return in_place(rows, aside, side());
    }
    // Parts on their own, then one after the other: left sides first.
    let mut parts: Vec<_> = rows
        .chunks(PARTITION_ROWS)
        .map(|part| (part.to_vec(), 0))
        .collect();
    map_each(&mut parts, true, |_, (part, n_left)| {
        let mut aside = Vec::new();
        *n_left = in_place(part, &mut aside, side());
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
fn in_place(
    rows: &mut [u32],
    aside: &mut Vec<u32>,
    mut goes_left: impl FnMut(u32) -> bool,
) -> usize {
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

/// What a node asks of its rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) feature: usize,
    /// Bins that go left.
    pub(crate) bins: &'a [u64; 4],
    pub(crate) left: usize,
    pub(crate) right: usize,
}

/// The leaves of some rows by their bins; `ask` says what a node asks, nothing in a leaf. Rows go down
/// together, node by node: a list is passed through once for all rows of a node.
pub(crate) fn leaves<'a>(
    design: &BinnedDesign,
    rows: Range<usize>,
    ask: impl Fn(usize) -> Option<Ask<'a>>,
) -> Vec<u32> {
    let first = rows.start;
    let mut leaves = vec![0; rows.len()];
    let mut open = vec![(0, 0, rows.len())];
    let mut order: Vec<u32> = rows.map(|row| row as u32).collect();
    let mut aside = Vec::new();
    while let Some((node, start, end)) = open.pop() {
        let part = &mut order[start..end];
        let Some(asked) = ask(node) else {
            for row in part {
                leaves[*row as usize - first] = node as u32;
            }
            continue;
        };
        let goes_left = |bin: u8| holds(asked.bins, usize::from(bin));
        let n_left = match design.held(asked.feature) {
            Held::Dense(group, lane) => {
                in_place(part, &mut aside, |row| goes_left(group[row as usize][lane]))
            }
            Held::Listed(listed) => {
                let mut cursor = listed.cursor();
                in_place(part, &mut aside, |row| goes_left(cursor.bin(row)))
            }
        };
        let sides = [
            (asked.right, start + n_left, end),
            (asked.left, start, start + n_left),
        ];
        open.extend(sides.into_iter().filter(|(_, start, end)| start < end));
    }
    leaves
}

/// The leaves of some rows in a tree, by the bins that go left at its nodes.
pub(crate) fn leaves_of(
    tree: &Tree,
    by_bins: &[[u64; 4]],
    design: &BinnedDesign,
    rows: Range<usize>,
) -> Vec<u32> {
    leaves(design, rows, |at| {
        let node = &tree.nodes[at];
        (!node.is_leaf()).then(|| Ask {
            feature: node.feature as usize,
            bins: &by_bins[at],
            left: node.left as usize,
            right: node.right as usize,
        })
    })
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
