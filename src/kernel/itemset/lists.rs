//! Rows by lists: what is left of them for an extension.

use super::buckets::Deal;
use super::eclat::NONE;
use super::prepare::Rows;

/// Rows of a list, reduced to the items before `end` that `map` knows; those left with too few are
/// left out. Returns the number of pairs.
pub(super) fn project(
    rows: &Rows,
    list: &[u32],
    map: &[u32],
    out: &mut Rows,
    (end, deal): (u32, Deal),
) -> u64 {
    out.clear();
    let mut pairs = 0;
    for &row in list {
        let start = out.items.len();
        let items = rows.row(row as usize);
        let mut at = start;
        // Written in any case and kept by moving on: no branch to mispredict.
        out.items.resize(start + items.len(), 0);
        for &item in items.iter().take_while(|item| **item < end) {
            let local = map[item as usize];
            out.items[at] = local;
            at += usize::from(local != NONE);
        }
        let own = at - start;
        if own < deal.least {
            out.items.truncate(start);
            continue;
        }
        out.items.truncate(at);
        pairs += (own * (own - 1) / 2) as u64;
        out.offsets.push(at);
        if !rows.weights.is_empty() {
            out.weights.push(rows.weights[row as usize]);
        }
        if !rows.origins.is_empty() {
            out.origins.push(rows.origins[row as usize]);
        }
    }
    pairs
}
