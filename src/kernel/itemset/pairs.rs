//! Joint weights of all pairs of items, from one pass over the rows.

use super::buckets::{Bucket, Deal, Frequent};
use super::prepare::{Prepared, Rows};
use crate::numeric::parallel;

/// Items up to which pairs are counted in one pass over the rows.
pub(super) const MOST_PAIRED: usize = 2_000;
/// Pairs dealt out at most, to every item of the rows: as many bytes as lists of rows take.
const MOST_DEALT: usize = 6;
/// Pairs that are dealt out as long as they are no more than double that.
const FEW: usize = 1 << 24;

/// Place of a pair, the smaller item second.
#[inline(always)]
pub(super) fn at(large: usize, small: usize) -> usize {
    large * (large - 1) / 2 + small
}

/// What is known of pairs.
#[derive(Debug)]
pub(super) struct Pairs {
    /// Joint weights: see [`at`].
    counts: Vec<u32>,
    buckets: Option<Vec<Bucket>>,
}

impl Pairs {
    /// Counts all pairs: rows are read once, in their order. `None` where there are too many.
    pub(super) fn new(data: &Prepared, least: u64, deal: Deal) -> Option<Self> {
        let n = data.n_items();
        if !(2..=MOST_PAIRED).contains(&n) || data.total > u64::from(u32::MAX) {
            return None;
        }
        let rows = &data.rows;
        let parts = parallel::threads().clamp(1, 8);
        let share = rows.len().div_ceil(parts).max(1);
        let range =
            |part: usize| (part * share).min(rows.len())..((part + 1) * share).min(rows.len());
        let mut counted = parallel::map_tasks(parts, |part| {
            let mut pairs = vec![0_u32; n * (n - 1) / 2];
            for row in range(part) {
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
        let total = (parts > 1).then(|| sum(&counted));
        let frequent = Frequent::new(total.as_ref().unwrap_or(&counted[0]), n, least, deal.whole);
        let sizes: Vec<Vec<u64>> = counted.iter().map(|own| frequent.sums(own)).collect();
        let most = rows.items.len().saturating_mul(MOST_DEALT);
        let most = most.max(most.saturating_mul(2).min(FEW));
        let buckets = (sizes.iter().flatten().sum::<u64>() <= most as u64).then(|| {
            parallel::map_tasks(parts, |part| {
                Bucket::fill(data, range(part), &sizes[part], &frequent, deal)
            })
        });
        let counts = total.unwrap_or_else(|| counted.swap_remove(0));
        Some(Self { counts, buckets })
    }

    /// Whether the rows of a pivot can be had here.
    pub(super) fn dealt(&self) -> bool {
        self.buckets.is_some()
    }

    /// The joint weight of two items, the smaller one second.
    #[inline(always)]
    pub(super) fn of(&self, large: usize, small: usize) -> u64 {
        u64::from(self.counts[at(large, small)])
    }

    /// The rows of an item, reduced to what `map` knows of what comes before it. Returns the number
    /// of pairs in them.
    pub(super) fn project(
        &self,
        item: usize,
        weights: &[u64],
        map: (&[u32], u32),
        out: &mut Rows,
        deal: Deal,
    ) -> u64 {
        out.clear();
        let buckets = self.buckets.iter().flatten();
        buckets
            .map(|bucket| bucket.project(item, weights, map, out, deal))
            .sum()
    }
}

fn sum(parts: &[Vec<u32>]) -> Vec<u32> {
    let mut sum = parts[0].clone();
    for part in &parts[1..] {
        for (sum, more) in sum.iter_mut().zip(part) {
            *sum += more;
        }
    }
    sum
}
