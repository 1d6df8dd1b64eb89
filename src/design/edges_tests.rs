//! Edges: keys, counts by every way, a bin for each of few values.

use super::*;
use crate::numeric::seed::{below, stream, uniform};

#[test]
fn keys_are_in_the_order_of_numbers() {
    let values = [
        f64::MIN,
        -2.5,
        -f64::MIN_POSITIVE,
        0.0,
        5e-324,
        1.0,
        1.0 + f64::EPSILON,
        f64::MAX,
    ];
    let keys: Vec<u64> = values.iter().map(|value| key(*value)).collect();
    assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(key(-0.0), key(0.0));
    for (value, key) in values.iter().zip(keys) {
        assert_eq!(number(key), *value);
        assert!(is_finite(key));
    }
    for value in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(!is_finite(key(value)));
    }
}

/// Columns of every kind: smooth, spiked, of few values, far from zero, tiny, one value, none.
fn columns(n: usize) -> Vec<Vec<f64>> {
    let mut r = stream(11, 0);
    let mut bell = || (0..6).map(|_| uniform(&mut r)).sum::<f64>() - 3.0;
    let bells: Vec<f64> = (0..n).map(|_| bell()).collect();
    let mut r = stream(12, 0);
    let mut of = |make: &dyn Fn(usize, f64, usize) -> f64| -> Vec<f64> {
        (0..n)
            .map(|row| make(row, uniform(&mut r), below(&mut r, 1_000)))
            .collect()
    };
    vec![
        bells.clone(),
        of(&|_, u, _| u),
        of(&|_, u, _| 1e9 + u),
        of(&|_, u, k| if k < 700 { 37.0 } else { 36.0 + 2.0 * u }),
        of(&|_, _, k| (k % 40) as f64 / 10.0),
        of(&|_, _, k| f64::from(u8::from(k < 3))),
        of(&|_, u, k| if k < 300 { f64::NAN } else { (20.0 * u).exp() }),
        of(&|_, _, k| 1.0 + k as f64 * f64::EPSILON),
        vec![4.0; n],
        vec![f64::NAN; n],
        of(&|row, _, _| if row % 2 == 0 { -0.0 } else { 0.0 }),
    ]
}

#[test]
fn tables_sorting_and_shards_give_the_same_edges() {
    let n = 20_000;
    assert!(n > FEW_ROWS);
    let mut r = stream(5, 0);
    let weights: Vec<u64> = (0..n).map(|_| 1 + below(&mut r, 1 << 31) as u64).collect();
    for (at, column) in columns(n).iter().enumerate() {
        for (max_bins, weights) in [(255, None), (16, None), (255, Some(&weights[..]))] {
            let whole = edges_of(column, weights, max_bins);
            assert!(
                whole.windows(2).all(|pair| pair[0] < pair[1]),
                "column {at}"
            );
            assert!(whole.len() < max_bins);
            for shards in [1, 3, 64] {
                let mut search = Search::new(max_bins);
                while !search.asked().is_empty() {
                    let counted = (0..shards).map(|shard| {
                        let rows = (shard..n).step_by(shards);
                        let part: Vec<f64> = rows.clone().map(|row| column[row]).collect();
                        let weights: Option<Vec<u64>> =
                            weights.map(|all| rows.map(|row| all[row]).collect());
                        count(&part, weights.as_deref(), search.asked(), search.stage == 0)
                    });
                    let counted = counted.reduce(merge).unwrap_or_default();
                    search.advance(counted);
                }
                assert_eq!(search.edges(), whole, "column {at}, {shards} shards");
            }
        }
    }
}

#[test]
fn bins_are_of_about_equal_weight() {
    let n = 20_000;
    for (at, column) in columns(n).into_iter().enumerate().take(3) {
        let edges = edges_of(&column, None, 255);
        assert!(edges.len() >= 230, "column {at}: {}", edges.len());
        let mut counts = vec![0; edges.len() + 1];
        for value in &column {
            counts[edges.partition_point(|edge| edge < value)] += 1;
        }
        let fair = n / 255;
        let most = counts.iter().max().copied().unwrap_or(0);
        assert!(most <= 2 * fair, "column {at}: {most} of {fair}");
    }
}

#[test]
fn few_values_have_a_bin_each() {
    // Rare neighbours within one cell of the first stage, below the weight that is cut.
    let mut column = vec![0.0; 50_000];
    column[7] = 1_000_001.0;
    column[8] = 1_000_002.0;
    column[9] = 1_000_004.0;
    let edges = edges_of(&column, None, 255);
    assert_eq!(edges, [500_000.5, 1_000_001.5, 1_000_003.0]);
    assert_eq!(edges_of(&column[..2_000], None, 255), edges);
    let steps: Vec<f64> = (0..30_000).map(|row| f64::from(row % 255)).collect();
    let edges = edges_of(&steps, None, 255);
    let halves: Vec<f64> = (0..254).map(|value| f64::from(value) + 0.5).collect();
    assert_eq!(edges, halves);
}

#[test]
fn weights_become_whole_numbers() {
    assert_eq!(whole_weight(3.0, (3.0, 3.0)), 1);
    assert_eq!(whole_weight(2.0, (1.0, 2.0)), 1 << 31);
    assert_eq!(whole_weight(1.0, (1.0, 2.0)), 1 << 30);
    assert_eq!(whole_weight(1e-300, (1e-300, 2.0)), 1);
}

#[test]
fn counts_that_cannot_be_end_the_search() {
    let absurd = |number| Cell {
        number,
        rows: 1,
        weight: u64::MAX,
        least: u64::from(number) * 3,
        most: u64::MAX - u64::from(number),
    };
    let mut search = Search::new(255);
    let mut stages = 0;
    while !search.asked().is_empty() {
        stages += 1;
        search.advance(vec![absurd(1), absurd(2), absurd(9)]);
    }
    assert_eq!(stages, MOST_STAGES);
}

#[test]
fn stored_values_give_the_edges_of_all_rows() {
    for n in [900, 20_000] {
        let mut r = stream(21, 0);
        for (seldom, kind) in [(0.02, 0), (0.03, 1), (0.4, 2), (1.0, 1), (0.0, 0)] {
            let column: Vec<f64> = (0..n)
                .map(|_| match (uniform(&mut r) < seldom, kind) {
                    (false, _) => 0.0,
                    (true, 0) => 1.0,
                    (true, 1) => uniform(&mut r) - 0.5,
                    (true, _) => below(&mut r, 9) as f64 - 3.0,
                })
                .collect();
            let stored: Vec<usize> = (0..n).filter(|row| column[*row] != 0.0).collect();
            let values: Vec<f64> = stored.iter().map(|row| column[*row]).collect();
            let weights: Vec<u64> = (0..n as u64).map(|row| 1 + row * row % 1_000).collect();
            let of_stored: Vec<u64> = stored.iter().map(|row| weights[*row]).collect();
            let zeros = (n - stored.len()) as u64;
            let weight = weights.iter().sum::<u64>() - of_stored.iter().sum::<u64>();
            for max_bins in [2, 16, 255] {
                let plain = edges_of_stored(&values, None, (zeros, zeros), max_bins);
                assert_eq!(plain, edges_of(&column, None, max_bins));
                let weighted =
                    edges_of_stored(&values, Some(&of_stored), (zeros, weight), max_bins);
                assert_eq!(weighted, edges_of(&column, Some(&weights), max_bins));
            }
            let mut search = Search::new(16);
            while !search.asked().is_empty() {
                let first = search.stage == 0;
                let dense = count(&column, None, search.asked(), first);
                let sparse = count_stored(&values, None, (zeros, zeros), search.asked(), first);
                assert_eq!(sparse, dense);
                search.advance(dense);
            }
        }
        // A zero may be stored.
        let zeros = (n as u64 - 2, n as u64 - 2);
        let mut column = vec![0.0; n];
        column[7] = 3.0;
        let edges = edges_of_stored(&[-0.0, 3.0], None, zeros, 16);
        assert_eq!(edges, edges_of(&column, None, 16));
    }
}
