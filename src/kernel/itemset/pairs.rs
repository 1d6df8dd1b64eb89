//! Joint weights of all pairs of items, from one pass over the rows.

use super::prepare::Prepared;
use crate::numeric::parallel;

/// Items up to which pairs are counted in one pass over the rows.
const MOST_PAIRED: usize = 2_000;

/// Place of a pair, the smaller item second.
#[inline(always)]
pub(super) fn at(large: usize, small: usize) -> usize {
    large * (large - 1) / 2 + small
}

/// Joint weights of all pairs: rows are read once, in their order, where lists of items would come
/// back to each of them as often as it has items.
pub(super) fn all_pairs(data: &Prepared) -> Option<Vec<u32>> {
    let n = data.n_items();
    if !(2..=MOST_PAIRED).contains(&n) || data.total > u64::from(u32::MAX) {
        return None;
    }
    let rows = &data.rows;
    let parts = parallel::threads().clamp(1, 8);
    let share = rows.len().div_ceil(parts).max(1);
    let counted = parallel::map_tasks(parts, |part| {
        let mut pairs = vec![0_u32; n * (n - 1) / 2];
        for row in (part * share).min(rows.len())..((part + 1) * share).min(rows.len()) {
            let weight = rows.weight(row) as u32;
            let items = rows.row(row);
            for (place, &large) in items.iter().enumerate().skip(1) {
                let large = large as usize;
                let own = &mut pairs[at(large, 0)..at(large, large)];
                for &small in &items[..place] {
                    own[small as usize] += weight;
                }
            }
        }
        pairs
    });
    counted.into_iter().reduce(|mut sum, part| {
        for (sum, more) in sum.iter_mut().zip(part) {
            *sum += more;
        }
        sum
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::itemset::prepare::Rows;

    #[test]
    fn pairs_are_counted_with_their_weights() {
        let data = Prepared {
            rows: Rows {
                offsets: vec![0, 3, 5, 5, 6],
                items: vec![0, 1, 2, 0, 2, 1],
                weights: vec![2, 3, 1, 5],
            },
            ids: vec![7, 8, 9],
            supports: vec![5, 7, 5],
            required: Vec::new(),
            total: 11,
            total_all: 11,
        };
        let pairs = all_pairs(&data).unwrap();
        assert_eq!([at(1, 0), at(2, 0), at(2, 1)], [0, 1, 2]);
        assert_eq!(pairs, [2, 5, 2]);
        let huge = Prepared {
            total: u64::from(u32::MAX) + 1,
            ..data
        };
        assert!(all_pairs(&huge).is_none());
    }
}
