//! Parallel work with the same bits at any number of threads.
//!
//! Rows are cut into chunks whose length is a constant, never a function of the thread count. Each
//! chunk is mapped on its own, results are collected in chunk order and merged in a fixed binary
//! tree. This is the only file that names rayon; the caller's pool is used as found.

use std::ops::Range;

use rayon::prelude::*;

/// Rows of one chunk: large enough to hide scheduling, small enough for a few chunks per cache.
pub(crate) const CHUNK_ROWS: usize = 4096;

/// Number of chunks of `rows` rows.
pub(crate) fn n_chunks(rows: usize) -> usize {
    rows.div_ceil(CHUNK_ROWS)
}

/// The rows of chunk `index`.
pub(crate) fn chunk(rows: usize, index: usize) -> Range<usize> {
    let start = (index * CHUNK_ROWS).min(rows);
    start..(start + CHUNK_ROWS).min(rows)
}

/// Maps every chunk of `rows` rows; results in chunk order.
pub(crate) fn map_chunks<T, F>(rows: usize, map: F) -> Vec<T>
where
    T: Send,
    F: Fn(Range<usize>) -> T + Sync + Send,
{
    map_tasks(n_chunks(rows), |index| map(chunk(rows, index)))
}

/// Maps `0..n`; results in order. One task should be worth at least some microseconds.
pub(crate) fn map_tasks<T, F>(n: usize, map: F) -> Vec<T>
where
    T: Send,
    F: Fn(usize) -> T + Sync + Send,
{
    if n <= 1 {
        return (0..n).map(map).collect();
    }
    (0..n).into_par_iter().map(map).collect()
}

/// Maps items that each task may change; results in order.
pub(crate) fn map_items<I, T, F>(items: &mut [I], map: F) -> Vec<T>
where
    I: Send,
    T: Send,
    F: Fn(usize, &mut I) -> T + Sync + Send,
{
    if let [item] = items {
        return vec![map(0, item)];
    }
    items
        .par_iter_mut()
        .enumerate()
        .map(|(index, item)| map(index, item))
        .collect()
}

/// Merges neighbours pairwise until one is left: the shape depends on the length only.
pub(crate) fn merge_tree<T>(mut parts: Vec<T>, merge: impl Fn(T, T) -> T) -> Option<T> {
    while parts.len() > 1 {
        let mut next = Vec::with_capacity(parts.len().div_ceil(2));
        let mut rest = parts.into_iter();
        while let Some(left) = rest.next() {
            next.push(match rest.next() {
                Some(right) => merge(left, right),
                None => left,
            });
        }
        parts = next;
    }
    parts.pop()
}

/// Sorts by a total order in parallel; stable, hence independent of the thread count.
pub(crate) fn sort_by<T, F>(items: &mut [T], compare: F)
where
    T: Send,
    F: Fn(&T, &T) -> std::cmp::Ordering + Sync,
{
    items.par_sort_by(compare);
}

/// Sorts keys that are unique or interchangeable; the fastest order-safe sort.
pub(crate) fn sort_keys<T: Ord + Send>(items: &mut [T]) {
    items.par_sort_unstable();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_all_rows_once() {
        for rows in [0, 1, 4095, 4096, 4097, 20_011] {
            let covered: Vec<usize> = map_chunks(rows, |range| range.collect::<Vec<_>>())
                .into_iter()
                .flatten()
                .collect();
            assert_eq!(covered, (0..rows).collect::<Vec<_>>());
        }
    }

    #[test]
    fn float_sum_has_the_same_bits_at_any_thread_count() {
        let values: Vec<f64> = (0..50_001)
            .map(|i| (i as f64 * 0.731).sin() * 1e3)
            .collect();
        let sum = || {
            let parts = map_chunks(values.len(), |range| values[range].iter().sum::<f64>());
            merge_tree(parts, |a, b| a + b).unwrap().to_bits()
        };
        let expected = sum();
        for threads in [1, 2, 3, 7] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            assert_eq!(pool.install(sum), expected);
        }
    }

    #[test]
    fn merge_tree_keeps_order() {
        let parts: Vec<String> = (0..5).map(|i| i.to_string()).collect();
        assert_eq!(merge_tree(parts, |a, b| a + &b).unwrap(), "01234");
        assert!(merge_tree(Vec::<u8>::new(), |a, _| a).is_none());
    }
}
