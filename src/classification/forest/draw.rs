//! Which rows a tree learns from.

use crate::classification::forest::params::RandomForestValidParams;
use crate::estimator::RowsSource;
use crate::numeric::seed::{mix, text_code};

/// Most times that one patient comes; beyond it a Poisson count has no chance worth a digit.
const MOST: u8 = 40;

/// How often a draw that takes nobody is repeated before everybody is taken.
const ATTEMPTS: u64 = 8;

/// What is drawn together: patients, or rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Units {
    /// Unit of every row.
    pub(super) of_row: Vec<u32>,
    /// What the draws of a unit depend on.
    codes: Vec<u64>,
    /// Mean number of draws of a unit.
    rates: Vec<f64>,
    replace: bool,
    all: bool,
}

/// The key of a tree under a seed.
pub(super) fn tree_key(seed: u64, tree: usize) -> u64 {
    mix(mix(seed) ^ mix(tree as u64 ^ 0x7472_6565))
}

impl Units {
    /// Of the rows in `used`, whose classes are `classes`.
    pub(super) fn new(
        params: &RandomForestValidParams,
        rows: RowsSource<'_>,
        used: &[u32],
        classes: &[u32],
        n_classes: usize,
    ) -> Self {
        let keys = match rows {
            RowsSource::Matrix(matrix) if params.by_patient => matrix.keys().patient_keys(),
            _ => None,
        };
        let (of_row, codes): (Vec<u32>, Vec<u64>) = match keys {
            Some(keys) => {
                let labels = keys.labels();
                let codes = labels.iter().map(|label| text_code(label)).collect();
                let all = keys.codes();
                (used.iter().map(|row| all[*row as usize]).collect(), codes)
            }
            None => (
                (0..used.len() as u32).collect(),
                (0..used.len() as u64).map(mix).collect(),
            ),
        };
        let rates = rates(params, &of_row, codes.len(), classes, n_classes);
        Self {
            of_row,
            codes,
            rates,
            replace: params.bootstrap,
            all: params.takes_all(),
        }
    }

    /// How often each unit is drawn for a tree.
    pub(super) fn draw(&self, tree_key: u64) -> Vec<u8> {
        if self.all {
            return vec![1; self.codes.len()];
        }
        for attempt in 0..ATTEMPTS {
            let key = mix(tree_key ^ attempt);
            let drawn: Vec<u8> = (self.codes.iter().zip(&self.rates))
                .map(|(code, rate)| {
                    // 53 bits of a hash of both.
                    let uniform = (mix(key ^ code) >> 11) as f64 * 2.0_f64.powi(-53);
                    if self.replace {
                        poisson(uniform, *rate)
                    } else {
                        u8::from(uniform < *rate)
                    }
                })
                .collect();
            if self.of_row.iter().any(|unit| drawn[*unit as usize] > 0) {
                return drawn;
            }
        }
        vec![1; self.codes.len()]
    }
}

/// The Poisson count at a uniform number, by inversion.
fn poisson(uniform: f64, rate: f64) -> u8 {
    let mut term = libm::exp(-rate);
    let mut below = term;
    let mut count = 0;
    while uniform >= below && count < MOST {
        count += 1;
        term *= rate / f64::from(count);
        below += term;
    }
    count
}

/// Mean number of draws of every unit: `row_share`, or with balanced draws such that all classes come
/// as often as the rarest.
fn rates(
    params: &RandomForestValidParams,
    of_row: &[u32],
    n_units: usize,
    classes: &[u32],
    n_classes: usize,
) -> Vec<f64> {
    if !params.balanced {
        return vec![params.row_share; n_units];
    }
    let mut rows_of = vec![0_u64; n_classes];
    for class in classes {
        rows_of[*class as usize] += 1;
    }
    let mut class_of: Vec<Option<u32>> = vec![None; n_units];
    for (unit, class) in of_row.iter().zip(classes) {
        let slot = &mut class_of[*unit as usize];
        let rarer = |class: u32| (rows_of[class as usize], class);
        if slot.is_none_or(|before| rarer(*class) < rarer(before)) {
            *slot = Some(*class);
        }
    }
    let mut units_of = vec![0_u64; n_classes];
    for class in class_of.iter().flatten() {
        units_of[*class as usize] += 1;
    }
    let least = units_of.iter().copied().filter(|n| *n > 0).min();
    let least = least.unwrap_or(0) as f64;
    let rate = |class: &Option<u32>| match class {
        Some(class) => params.row_share * least / units_of[*class as usize] as f64,
        None => 0.0,
    };
    class_of.iter().map(rate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classification::RandomForest;
    use crate::estimator::ParamGuard;
    use crate::matrix::{PatientMatrix, RowKeys};
    use ndarray::Array2;

    #[test]
    fn poisson_counts_have_their_shares() {
        assert_eq!(poisson(0.0, 1.0), 0);
        let e = (-1.0_f64).exp();
        assert_eq!((poisson(e - 1e-9, 1.0), poisson(e + 1e-9, 1.0)), (0, 1));
        assert_eq!(
            (poisson(2.0 * e - 1e-9, 1.0), poisson(2.0 * e + 1e-9, 1.0)),
            (1, 2)
        );
        assert!(poisson(1.0 - f64::EPSILON / 2.0, 1.0) <= MOST);
    }

    #[test]
    fn rows_are_drawn_about_once() {
        let rows = Array2::zeros((20_000, 1));
        let used: Vec<u32> = (0..20_000).collect();
        let params = RandomForest::params().bootstrap(true).row_share(1.0);
        let params = params.check().unwrap();
        let source = RowsSource::Array(rows.view());
        let units = Units::new(&params, source, &used, &vec![0; 20_000], 2);
        let drawn = units.draw(tree_key(0, 3));
        let none = drawn.iter().filter(|n| **n == 0).count() as f64 / 20_000.0;
        let mean = drawn.iter().map(|n| f64::from(*n)).sum::<f64>() / 20_000.0;
        assert!((none - (-1.0_f64).exp()).abs() < 0.01, "{none}");
        assert!((mean - 1.0).abs() < 0.03, "{mean}");
        assert_ne!(drawn, units.draw(tree_key(0, 4)));
        assert_ne!(drawn, units.draw(tree_key(1, 3)));
        let half = RandomForest::params().bootstrap(false).row_share(0.5);
        let half = half.check().unwrap();
        let units = Units::new(&half, source, &used, &vec![0; 20_000], 2);
        let drawn = units.draw(tree_key(0, 3));
        assert!(drawn.iter().all(|n| *n <= 1));
        let share = drawn.iter().filter(|n| **n == 1).count() as f64 / 20_000.0;
        assert!((share - 0.5).abs() < 0.02, "{share}");
    }

    #[test]
    fn patients_come_whole_whatever_their_order() {
        let matrix = |order: &[u32]| {
            let patients = order.iter().map(|row| row % 100);
            PatientMatrix::from_columns([("age", vec![1.0; order.len()])])
                .unwrap()
                .with_keys(RowKeys::none().patients(patients))
                .unwrap()
        };
        let params = RandomForest::params().check().unwrap();
        let order: Vec<u32> = (0..300).collect();
        let turned: Vec<u32> = (0..300).rev().collect();
        let used = order.clone();
        let times = |order: &[u32]| {
            let matrix = matrix(order);
            let units = Units::new(&params, RowsSource::Matrix(&matrix), &used, &[0; 300], 2);
            let drawn = units.draw(tree_key(0, 0));
            let rows = units.of_row.iter().map(|unit| drawn[*unit as usize]);
            rows.collect::<Vec<u8>>()
        };
        let (a, mut b) = (times(&order), times(&turned));
        b.reverse();
        assert_eq!(a, b);
        assert_eq!((&a[..100], &a[100..200]), (&a[100..200], &a[200..]));
    }

    #[test]
    fn balanced_draws_take_as_many_of_every_class() {
        let n = 30_000;
        let rows = Array2::zeros((n, 1));
        let used: Vec<u32> = (0..n as u32).collect();
        let classes: Vec<u32> = (0..n).map(|row| u32::from(row % 10 == 0)).collect();
        let params = RandomForest::params().bootstrap(true).row_share(1.0);
        let params = params.balanced(true).check().unwrap();
        let source = RowsSource::Array(rows.view());
        let units = Units::new(&params, source, &used, &classes, 2);
        let drawn = units.draw(tree_key(0, 0));
        let of = |class: u32| -> f64 {
            let pairs = drawn.iter().zip(&classes).filter(|(_, c)| **c == class);
            pairs.map(|(n, _)| f64::from(*n)).sum()
        };
        assert!((of(0) / 3_000.0 - 1.0).abs() < 0.08, "{}", of(0));
        assert!((of(1) / 3_000.0 - 1.0).abs() < 0.08, "{}", of(1));
    }
}
