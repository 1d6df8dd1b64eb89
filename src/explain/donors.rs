//! Whose value a row gets when a feature is permuted.

use std::collections::BTreeMap;

use crate::numeric::seed::{Stream, shuffle, uniform};
use crate::numeric::stable::sum;

/// Rows between which values are exchanged.
pub(super) struct Exchange {
    /// Rows of every stratum.
    pub(super) strata: Vec<Vec<u32>>,
    /// Stratum of every row.
    pub(super) of_row: Vec<u32>,
    /// Weights where rows do not count alike.
    weights: Option<Vec<f64>>,
}

impl Exchange {
    pub(super) fn new(n_rows: usize, strata: Option<&[u32]>, weights: Option<&[f64]>) -> Self {
        let mut rows: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for row in 0..n_rows {
            let stratum = strata.map_or(0, |strata| strata[row]);
            rows.entry(stratum).or_default().push(row as u32);
        }
        let mut of_row = vec![0; n_rows];
        for (place, rows) in rows.values().enumerate() {
            for row in rows {
                of_row[*row as usize] = place as u32;
            }
        }
        let alike = |weights: &[f64]| weights.windows(2).all(|pair| pair[0] == pair[1]);
        Self {
            strata: rows.into_values().collect(),
            of_row,
            weights: weights.filter(|weights| !alike(weights)).map(<[_]>::to_vec),
        }
    }

    /// A donor for every row. Rows that count alike each give once: a permutation. With weights, a row
    /// of a stratum of `n` rows and weight `W` gives `n w / W` times, up to the next whole number above
    /// or below (systematic sampling): where a weight of 2 stands for two equal rows, both give.
    pub(super) fn draw(&self, stream: &mut Stream) -> Vec<u32> {
        let mut donors = vec![0; self.of_row.len()];
        for rows in &self.strata {
            let start = uniform(stream);
            let mut pool = match &self.weights {
                None => rows.clone(),
                Some(weights) => systematic(rows, weights, start),
            };
            shuffle(&mut pool, stream);
            for (row, donor) in rows.iter().zip(pool) {
                donors[*row as usize] = donor;
            }
        }
        donors
    }
}

/// As many of `rows` as they are, each in proportion to its weight; the rows themselves when nothing
/// weighs.
fn systematic(rows: &[u32], weights: &[f64], start: f64) -> Vec<u32> {
    let total = sum(rows.iter().map(|row| weights[*row as usize]));
    if total <= 0.0 {
        return rows.to_vec();
    }
    let step = total / rows.len() as f64;
    let mut reached = 0.0;
    let mut drawn = Vec::with_capacity(rows.len());
    let mut last = 0;
    for row in rows {
        let weight = weights[*row as usize];
        if weight > 0.0 {
            last = *row;
        }
        reached += weight;
        while drawn.len() < rows.len() && (drawn.len() as f64 + start) * step < reached {
            drawn.push(*row);
        }
    }
    // Rounding may leave the last place open.
    drawn.resize(rows.len(), last);
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::seed::stream;

    fn counts(donors: &[u32]) -> Vec<usize> {
        (0..donors.len() as u32)
            .map(|row| donors.iter().filter(|donor| **donor == row).count())
            .collect()
    }

    #[test]
    fn rows_that_count_alike_give_once() {
        for weights in [None, Some([0.1; 9].as_slice())] {
            let exchange = Exchange::new(9, None, weights);
            let donors = exchange.draw(&mut stream(3, 1));
            assert_eq!(counts(&donors), [1; 9]);
            assert_ne!(donors, (0..9).collect::<Vec<_>>());
        }
    }

    #[test]
    fn values_stay_in_their_stratum() {
        let strata = [4, 1, 4, 1, 4, 2];
        let exchange = Exchange::new(6, Some(&strata), None);
        let mut moved = false;
        for task in 0..20 {
            let donors = exchange.draw(&mut stream(0, task));
            assert_eq!(counts(&donors), [1; 6]);
            for (row, donor) in donors.iter().enumerate() {
                assert_eq!(strata[row], strata[*donor as usize]);
                moved |= row != *donor as usize;
            }
        }
        assert!(moved);
    }

    #[test]
    fn a_row_gives_in_proportion_to_its_weight() {
        let weights = [2.0, 1.0, 0.0, 1.0, 1.5, 0.5];
        let exchange = Exchange::new(6, None, Some(&weights));
        let mut total = [0.0; 6];
        for task in 0..400 {
            let found = counts(&exchange.draw(&mut stream(0, task)));
            assert_eq!((found[0], found[1], found[2], found[3]), (2, 1, 0, 1));
            assert!(found[4] == 1 || found[4] == 2);
            for (total, n) in total.iter_mut().zip(found) {
                *total += n as f64 / 400.0;
            }
        }
        assert!((total[4] - 1.5).abs() < 0.1, "{total:?}");
        // A stratum that weighs nothing keeps all its rows.
        assert_eq!(systematic(&[3, 1], &[0.0; 4], 0.5), [3, 1]);
    }
}
