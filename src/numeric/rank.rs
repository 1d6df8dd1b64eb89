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

/// Quantile of type 7 with case weights: of integer weights, the quantile of the repeated values.
///
/// With total weight W the place is p (W - 1); the weight of a value covers the places from the
/// weight before it to that plus its own weight minus one. A total weight of one or less gives the
/// value that covers p W. Values of weight zero do not exist; `None` without weight.
pub(crate) fn weighted_quantile(values: &[f64], weights: &[f64], p: f64) -> Option<f64> {
    let rows: Vec<usize> = order(values)
        .into_iter()
        .filter(|row| weights[*row] > 0.0)
        .collect();
    let last = *rows.last()?;
    let total: f64 = rows.iter().map(|row| weights[*row]).sum();
    let place = p.clamp(0.0, 1.0) * (total - 1.0).max(0.0);
    let mut before = 0.0;
    for pair in rows.windows(2) {
        let (row, next) = (pair[0], pair[1]);
        let end = before + weights[row] - 1.0;
        if place <= end {
            return Some(values[row]);
        }
        before += weights[row];
        if place < before {
            let share = (place - end.max(before - 1.0)) / (before - end.max(before - 1.0));
            return Some(values[row] + share * (values[next] - values[row]));
        }
    }
    Some(values[last])
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
