//! Order statistics by counting, against sorting.

use super::*;
use crate::numeric::seed;

/// Runs a search over shards; each shard is counted on its own.
fn search(
    rule: Rule,
    percents: &[u32],
    values: &[f64],
    weights: Option<&[f64]>,
    shard: usize,
) -> Option<Vec<f64>> {
    let shares = percents.iter().map(|p| Share::percent(*p)).collect();
    let mut search = QuantileSearch::new(rule, shares);
    let mut scratch = Scratch::default();
    while let Some(question) = search.question() {
        let mut total = Counts::default();
        for start in (0..values.len()).step_by(shard) {
            let range = start..(start + shard).min(values.len());
            let part = scratch
                .count(
                    &question,
                    &values[range.clone()],
                    weights.map(|weights| &weights[range.clone()]),
                    start,
                )
                .unwrap();
            // Merging from either side gives the same.
            total = if start % 2 == 0 {
                total.merge(part)
            } else {
                part.merge(total)
            };
        }
        search.advance(&total).unwrap();
    }
    search.values().unwrap()
}

fn type_7(values: &[f64], percent: u32) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() - 1) * percent as usize;
    let (low, rest) = (place / 100, place % 100);
    between(
        sorted[low],
        sorted[(low + 1).min(sorted.len() - 1)],
        rest as f64 / 100.0,
    )
}

#[test]
fn keys_sort_as_numbers_and_return() {
    let numbers = [
        f64::MIN,
        -1.5,
        -1.0,
        -f64::MIN_POSITIVE,
        -5e-324,
        0.0,
        5e-324,
        1.0,
        1.0 + f64::EPSILON,
        f64::MAX,
    ];
    assert!(numbers.windows(2).all(|w| key_of(w[0]) < key_of(w[1])));
    for number in numbers {
        assert_eq!(value_of(key_of(number)).to_bits(), number.to_bits());
    }
    assert_eq!(key_of(-0.0), key_of(0.0));
    assert_eq!(WIDTHS.iter().sum::<u32>(), 64);
}

#[test]
fn linear_quantiles_worked_by_hand() {
    // R: quantile(c(1, 2, 3, 4, 10), c(0, .25, .5, .9, 1)) gives 1, 2, 3, 7.6, 10.
    let values = [10.0, f64::NAN, 3.0, 1.0, 4.0, 2.0];
    let found = search(Rule::Linear, &[0, 25, 50, 90, 100], &values, None, 2).unwrap();
    assert_eq!(found, [1.0, 2.0, 3.0, 4.0 + 0.6 * 6.0, 10.0]);
    assert_eq!(
        search(Rule::Linear, &[1, 50], &[7.0], None, 1).unwrap(),
        [7.0, 7.0]
    );
    assert_eq!(search(Rule::Linear, &[50], &[f64::NAN], None, 1), None);
    assert_eq!(search(Rule::Linear, &[50], &[], None, 1), None);
}

#[test]
fn weighted_quantiles_worked_by_hand() {
    // Cumulative weights 1, 3, 6 of 6: one half is reached exactly at 2, so the midpoint with 5.
    let (values, weights) = ([5.0, 1.0, 2.0, 9.0], [3.0, 1.0, 2.0, 0.0]);
    let median = |weights: &[f64]| search(Rule::Weighted, &[50], &values, Some(weights), 1);
    assert_eq!(median(&weights).unwrap(), [3.5]);
    assert_eq!(median(&[2.9, 1.0, 2.0, 0.0]).unwrap(), [2.0]);
    assert_eq!(median(&[3.1, 1.0, 2.0, 0.0]).unwrap(), [5.0]);
    // A tiny weight counts, a weight of zero does not.
    assert_eq!(median(&[0.0, 0.0, 0.0, 1e-300]).unwrap(), [9.0]);
    assert_eq!(median(&[0.0; 4]), None);
    let ends = search(Rule::Weighted, &[0, 100], &values, Some(&weights), 4);
    assert_eq!(ends.unwrap(), [1.0, 5.0]);
}

#[test]
fn any_shards_equal_sorting() {
    let mut stream = seed::stream(3, 0);
    let percents = [0, 1, 5, 25, 50, 75, 95, 99, 100];
    for n in [1, 2, 10, 997] {
        let values: Vec<f64> = (0..n)
            .map(|i| match i % 7 {
                0 => f64::NAN,
                1 => -seed::uniform(&mut stream) * 1e-3,
                2 => (seed::uniform(&mut stream) * 10.0).floor(),
                _ => seed::uniform(&mut stream) * 1e5 - 3e4,
            })
            .collect();
        if values.iter().all(|v| v.is_nan()) {
            continue;
        }
        let expected: Vec<f64> = percents.iter().map(|p| type_7(&values, *p)).collect();
        for shard in [1, 16, n] {
            let found = search(Rule::Linear, &percents, &values, None, shard).unwrap();
            assert_eq!(found, expected, "{n} rows in shards of {shard}");
        }
        // Equal weights of any size: the weighted median is the usual one.
        let weights = vec![0.1; n];
        let median = search(Rule::Weighted, &[50], &values, Some(&weights), 16).unwrap();
        assert_eq!(median, [type_7(&values, 50)]);
    }
}

#[test]
fn weighted_and_plain_shards_merge() {
    let plain = Counts::distinct(&[1.0, 1.0, 2.0], None, 0).unwrap();
    let weighted = Counts::distinct(&[2.0, 3.0], Some(&[1.5, 0.25]), 0).unwrap();
    let merged = plain.clone().merge(weighted.clone());
    assert_eq!(merged, weighted.merge(plain.clone()));
    assert_eq!(merged.mode(), Some(2.0));
    assert_eq!(plain.mode(), Some(1.0));
    // A tie is settled by the smaller value.
    let tie = Counts::distinct(&[4.0, -1.0, f64::NAN], None, 0).unwrap();
    assert_eq!((tie.mode(), tie.len()), (Some(-1.0), 2));
}

#[test]
fn impossible_weights_and_foreign_counts_are_refused() {
    let mut scratch = Scratch::default();
    for weight in [-1.0, f64::NAN, 1e10] {
        let error = scratch
            .count(&Cells::root(), &[1.0, 2.0], Some(&[1.0, weight]), 5)
            .unwrap_err();
        assert!(error.to_string().contains("row 6"), "{error}");
        // Nothing of the refused column is left behind.
        let counts = scratch.count(&Cells::root(), &[], None, 0).unwrap();
        assert_eq!(counts.len(), 0);
        assert!(Counts::distinct(&[2.0], Some(&[weight]), 0).is_err());
    }
    let mut search = QuantileSearch::new(Rule::Linear, vec![Share::percent(50)]);
    assert!(search.values().is_err(), "no question was answered yet");
    let root = scratch.count(&Cells::root(), &[1.0, 2.0], None, 0).unwrap();
    search.advance(&root).unwrap();
    let empty = Counts::default();
    assert!(search.advance(&empty).is_err());
    let unsorted = Counts {
        cells: vec![(2, 1), (1, 1)],
        mass: Vec::new(),
    };
    assert!(search.advance(&unsorted).is_err());
    for bad in [
        Cells {
            level: 5,
            nodes: vec![0],
        },
        Cells {
            level: 1,
            nodes: vec![3, 3],
        },
    ] {
        assert!(scratch.count(&bad, &[1.0], None, 0).is_err());
    }
}
