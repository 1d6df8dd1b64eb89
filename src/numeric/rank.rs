//! Ranks with ties, quantiles, isotonic pooling.

use crate::numeric::parallel::sort_by;

/// Row numbers in ascending order of `values`; equal values in row order.
pub(crate) fn order(values: &[f64]) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..values.len()).collect();
    sort_by(&mut rows, |a, b| values[*a].total_cmp(&values[*b]));
    rows
}

/// Ranks from 1; tied values share the mean of their ranks.
pub(crate) fn midranks(values: &[f64]) -> Vec<f64> {
    let rows = order(values);
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in rows.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = before as f64 + 0.5 * (tied.len() as f64 + 1.0);
        for &row in tied {
            ranks[row] = rank;
        }
        before += tied.len();
    }
    ranks
}

/// Quantile of type 7 (Hyndman and Fan, Am. Stat. 50, 1996, doi 10.1080/00031305.1996.10473566) of
/// values sorted ascending: linear between order statistics, the first at 0 and the last at 1.
/// `None` without values.
pub(crate) fn quantile_sorted(sorted: &[f64], p: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = p.clamp(0.0, 1.0) * last as f64;
    let below = at.floor();
    let index = below as usize;
    let low = sorted[index];
    let high = sorted[(index + 1).min(last)];
    Some(if at == below {
        low
    } else {
        low + (at - below) * (high - low)
    })
}

/// Quantile of type 7 with weights: of whole weights, the quantile of the repeated values.
///
/// Other weights are scaled to add up to the number of values (Harrell's `wtd.quantile` with
/// `normwt = TRUE`), so that their size does not matter. Values of weight zero do not exist; `None`
/// without weight.
pub(crate) fn weighted_quantile(values: &[f64], weights: &[f64], p: f64) -> Option<f64> {
    let rows: Vec<usize> = order(values)
        .into_iter()
        .filter(|row| weights[*row] > 0.0)
        .collect();
    let last = *rows.last()?;
    let total: f64 = rows.iter().map(|row| weights[*row]).sum();
    let whole = rows.iter().all(|row| weights[*row].fract() == 0.0);
    let (n, factor) = if whole {
        (total, 1.0)
    } else {
        (rows.len() as f64, rows.len() as f64 / total)
    };
    // The value at place k is the first whose weight and that of all before reach k + 1.
    let at = |place: f64| {
        let mut reached = 0.0;
        for row in &rows {
            reached += weights[*row] * factor;
            if reached >= (place + 1.0) * (1.0 - 1e-12) {
                return values[*row];
            }
        }
        values[last]
    };
    let place = p.clamp(0.0, 1.0) * (n - 1.0);
    let (low, high) = (at(place.floor()), at(place.floor() + 1.0));
    let share = place - place.floor();
    Some(if share == 0.0 {
        low
    } else {
        low + share * (high - low)
    })
}

/// Isotonic regression by pooling adjacent violators: the non-decreasing sequence nearest to
/// `values` in weighted squares. All weights are above zero. O(n).
pub(crate) fn isotonic(values: &[f64], weights: &[f64]) -> Vec<f64> {
    // Blocks: weighted sum, weight, number of values.
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    for (&value, &weight) in values.iter().zip(weights) {
        let mut block = (value * weight, weight, 1);
        while let Some(&(sum, before, count)) = blocks.last() {
            if sum * block.1 <= block.0 * before {
                break;
            }
            block = (block.0 + sum, block.1 + before, block.2 + count);
            blocks.pop();
        }
        blocks.push(block);
    }
    blocks
        .into_iter()
        .flat_map(|(sum, weight, count)| std::iter::repeat_n(sum / weight, count))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weighted_quantiles_do_not_depend_on_the_size_of_weights() {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        for size in [0.1, 1.0, 3.7] {
            assert_eq!(weighted_quantile(&values, &[size; 10], 0.5), Some(5.5));
        }
        // Whole weights are repeated values: 1, 2, 2, 2, 9.
        let (values, weights) = ([9.0, 1.0, 2.0, 5.0], [1.0, 1.0, 3.0, 0.0]);
        assert_eq!(weighted_quantile(&values, &weights, 0.5), Some(2.0));
        assert_eq!(weighted_quantile(&values, &weights, 0.875), Some(5.5));
        assert_eq!(weighted_quantile(&values, &[0.0; 4], 0.5), None);
    }

    #[test]
    fn ties_share_their_rank() {
        assert_eq!(midranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        assert!(midranks(&[]).is_empty());
    }

    #[test]
    fn quantiles_of_type_seven() {
        // R: quantile(c(1, 2, 4, 8), c(0, .25, .5, .9, 1)).
        let sorted = [1.0, 2.0, 4.0, 8.0];
        for (p, expected) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            assert!((quantile_sorted(&sorted, p).unwrap() - expected).abs() < 1e-14);
            let weighted = weighted_quantile(&sorted, &[1.0; 4], p).unwrap();
            assert!((weighted - expected).abs() < 1e-14);
        }
        assert_eq!(quantile_sorted(&[], 0.5), None);
    }

    #[test]
    fn integer_weights_repeat_values() {
        let values = [5.0, 1.0, 2.5, 9.0, 4.0];
        let weights = [2.0, 3.0, 0.0, 1.0, 4.0];
        let mut repeated: Vec<f64> = values
            .iter()
            .zip(weights)
            .flat_map(|(v, w)| std::iter::repeat_n(*v, w as usize))
            .collect();
        repeated.sort_by(f64::total_cmp);
        for step in 0..=40 {
            let p = f64::from(step) / 40.0;
            let plain = quantile_sorted(&repeated, p).unwrap();
            let weighted = weighted_quantile(&values, &weights, p).unwrap();
            assert!((plain - weighted).abs() < 1e-12, "{p}: {plain} {weighted}");
        }
        assert_eq!(weighted_quantile(&[1.0], &[0.0], 0.5), None);
    }

    #[test]
    fn violators_are_pooled() {
        let found = isotonic(
            &[1.0, 3.0, 2.0, 2.0, 5.0, 4.0],
            &[1.0, 1.0, 1.0, 2.0, 1.0, 3.0],
        );
        let expected = [1.0, 2.25, 2.25, 2.25, 4.25, 4.25];
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-15);
        }
        assert!(isotonic(&[], &[]).is_empty());
    }
}
