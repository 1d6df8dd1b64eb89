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

/// Maps items that each task may change and merges the results as they come, in the tree of
/// [`merge_tree`]; few of them are held at a time. `None` without items.
pub(crate) fn map_merge<I, T, F, M>(items: &mut [I], map: F, merge: M) -> Option<T>
where
    I: Send,
    T: Send,
    F: Fn(usize, &mut I) -> T + Sync,
    M: Fn(T, T) -> T + Sync,
{
    fn part<I, T, F, M>(items: &mut [I], first: usize, map: &F, merge: &M) -> Option<T>
    where
        I: Send,
        T: Send,
        F: Fn(usize, &mut I) -> T + Sync,
        M: Fn(T, T) -> T + Sync,
    {
        match items {
            [] => None,
            [item] => Some(map(first, item)),
            _ => {
                // Pairs of pairs of pairs: the left side is a complete tree.
                let cut = items.len().next_power_of_two() / 2;
                let (left, right) = items.split_at_mut(cut);
                let (left, right) = rayon::join(
                    || part(left, first, map, merge),
                    || part(right, first + cut, map, merge),
                );
                Some(merge(left?, right?))
            }
        }
    }
    part(items, 0, &map, &merge)
}

/// Runs work on a thread of the pool: where it hands out thousands of small tasks, each would
/// otherwise wake a thread and wait for it.
pub(crate) fn within_pool<T, F>(work: F) -> T
where
    T: Send,
    F: FnOnce() -> T + Send,
{
    rayon::scope(|_| work())
}

/// Number of threads of the pool in use. It may decide how work is dealt, never what comes out.
pub(crate) fn threads() -> usize {
    rayon::current_num_threads()
}

/// Runs a task on every item, in parallel where `share` says that it pays.
pub(crate) fn map_each<I, F>(items: &mut [I], share: bool, task: F)
where
    I: Send,
    F: Fn(usize, &mut I) + Sync + Send,
{
    if share && items.len() > 1 {
        items
            .par_iter_mut()
            .enumerate()
            .for_each(|(index, item)| task(index, item));
    } else {
        for (index, item) in items.iter_mut().enumerate() {
            task(index, item);
        }
    }
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
    fn merging_as_results_come_has_the_tree_of_merging_at_the_end() {
        let text = |index: usize| index.to_string();
        let join = |a: String, b: String| format!("({a} {b})");
        for n in 1..40 {
            let merged = map_merge(&mut vec![(); n], |index, ()| text(index), join);
            assert_eq!(merged, merge_tree((0..n).map(text).collect(), join));
        }
        assert!(map_merge(&mut [], |_, ()| String::new(), join).is_none());
    }

    #[test]
    fn merge_tree_keeps_order() {
        let parts: Vec<String> = (0..5).map(|i| i.to_string()).collect();
        assert_eq!(merge_tree(parts, |a, b| a + &b).unwrap(), "01234");
        assert!(merge_tree(Vec::<u8>::new(), |a, _| a).is_none());
    }
}
