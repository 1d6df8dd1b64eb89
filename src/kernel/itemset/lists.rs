//! Rows by lists: what they have in common, and what is left of them for an extension.

use super::eclat::NONE;
use super::prepare::Rows;

/// Whether all rows of a list have an item above the pivot in common.
pub(super) fn common_above(rows: &Rows, list: &[u32], pivot: u32, common: &mut Vec<u32>) -> bool {
    common.clear();
    let mut list = list.iter().map(|&row| rows.row(row as usize));
    if let Some(first) = list.next() {
        common.extend(first.iter().rev().take_while(|&&item| item > pivot));
    }
    while !common.is_empty() {
        let Some(row) = list.next() else {
            return true;
        };
        common.retain(|item| row.binary_search(item).is_ok());
    }
    false
}

/// Rows of a list, reduced to the items before `end` that `map` knows. Rows with fewer than two of
/// them say nothing about pairs and are left out; where all rows of a set will be looked at
/// (`whole`), only rows without any of the `free` items that go on. Returns the number of pairs.
pub(super) fn project(
    rows: &Rows,
    list: &[u32],
    map: &[u32],
    out: &mut Rows,
    end: u32,
    free: usize,
    whole: bool,
) -> u64 {
    out.clear();
    let mut pairs = 0;
    for &row in list {
        let start = out.items.len();
        let row_items = rows.row(row as usize);
        let mut at = start;
        let mut going_on = 0;
        // Written in any case and kept by moving on: no branch to mispredict.
        out.items.resize(start + row_items.len(), 0);
        for &item in row_items {
            if item >= end {
                break;
            }
            let local = map[item as usize];
            out.items[at] = local;
            at += usize::from(local != NONE);
            going_on += usize::from((local as usize) < free);
        }
        out.items.truncate(at);
        if going_on < if whole { 1 } else { 2 } {
            out.items.truncate(start);
            continue;
        }
        pairs += (going_on * (going_on - 1) / 2) as u64;
        out.offsets.push(out.items.len());
        if !rows.weights.is_empty() {
            out.weights.push(rows.weights[row as usize]);
        }
    }
    pairs
}
