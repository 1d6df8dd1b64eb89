//! Whether an item that was passed over belongs to a set, or may: asked of the rows themselves.

use super::prepare::Rows;

/// Looks for items above the last pivot that come with a set.
#[derive(Debug)]
pub(super) struct Above<'a> {
    rows: &'a Rows,
    /// Items that are in the set.
    inside: Vec<bool>,
    counts: Vec<u64>,
    candidates: Vec<u32>,
}

impl<'a> Above<'a> {
    pub(super) fn new(rows: &'a Rows, n: usize) -> Self {
        Self {
            rows,
            inside: vec![false; n],
            counts: vec![0; n],
            candidates: Vec::new(),
        }
    }

    /// Says whether an item is in the set.
    pub(super) fn set(&mut self, item: u32, inside: bool) {
        self.inside[item as usize] = inside;
    }

    /// Whether an item above `pivot` and outside the set reaches `least` among the rows of the set,
    /// which come with their weights and add up to `support`.
    ///
    /// An item may miss rows of weight `support - least`: only those met before as much has passed are
    /// followed, and no longer than they can still make it. Two or three rows settle most questions.
    pub(super) fn any(
        &mut self,
        pivot: u32,
        support: u64,
        least: u64,
        rows: impl Iterator<Item = (u32, u64)>,
    ) -> bool {
        let Some(slack) = support.checked_sub(least) else {
            return false;
        };
        let (counts, candidates) = (&mut self.counts, &mut self.candidates);
        let mut seen = 0;
        let mut reached = false;
        for (row, weight) in rows {
            let items = self.rows.row(row as usize);
            if seen <= slack {
                for &item in items.iter().rev().take_while(|item| **item > pivot) {
                    if !self.inside[item as usize] {
                        let count = &mut counts[item as usize];
                        if *count == 0 {
                            candidates.push(item);
                        }
                        *count += weight;
                        reached |= *count >= least;
                    }
                }
            } else {
                for &item in candidates.iter() {
                    if items.binary_search(&item).is_ok() {
                        counts[item as usize] += weight;
                        reached |= counts[item as usize] >= least;
                    }
                }
            }
            seen += weight;
            if reached {
                break;
            }
            if seen > slack {
                candidates.retain(|&item| {
                    let count = &mut counts[item as usize];
                    let open = *count + slack >= seen;
                    if !open {
                        *count = 0;
                    }
                    open
                });
                if candidates.is_empty() {
                    break;
                }
            }
        }
        for item in candidates.drain(..) {
            counts[item as usize] = 0;
        }
        reached
    }
}
