//! Sparse columns by their stored entries: what they cost is in proportion to these.

use crate::design::align::Reader;
use crate::design::statistics::{FeatureSums, Tally};
use crate::numeric::moments::Moments;

/// The stored values of rows `start..start + n_rows` where the column is sparse and not a view;
/// all other rows are zero.
pub(crate) fn stored<'a>(reader: &Reader<'a>, start: usize, n_rows: usize) -> Option<&'a [f64]> {
    Some(stored_rows(reader, start, n_rows)?.1)
}

/// As [`stored`], with the rows before the values.
pub(crate) fn stored_rows<'a>(
    reader: &Reader<'a>,
    start: usize,
    n_rows: usize,
) -> Option<(&'a [u32], &'a [f64])> {
    let Reader::View(view) = reader else {
        return None;
    };
    view.stored_between(start, start + n_rows)
}

/// The sums of a sparse column that is not a view over the rows of `weights`; rows of weight zero
/// are as if absent.
pub(crate) fn sparse_sums(
    reader: &Reader<'_>,
    start: usize,
    weights: &[f64],
    weighted: bool,
) -> Option<FeatureSums> {
    let Reader::View(view) = reader else {
        return None;
    };
    let (rows, values) = view.stored_between(start, start + weights.len())?;
    let (moments, present, zeros) = if weighted {
        let (mut kept, mut kept_weights) = (Vec::new(), Vec::new());
        for (row, value) in rows.iter().zip(values) {
            let weight = weights[*row as usize - start];
            if weight > 0.0 {
                kept.push(*value);
                kept_weights.push(weight);
            }
        }
        let present = weights.iter().filter(|weight| **weight > 0.0).count();
        let zeros = present - kept.len();
        let moments = Moments::of(&kept, Some(&kept_weights));
        let rest = weights.iter().sum::<f64>() - moments.weight;
        let rest = if zeros > 0 { rest.max(0.0) } else { 0.0 };
        (with_zeros(moments, rest), present, zeros)
    } else {
        let zeros = weights.len() - values.len();
        let moments = Moments::of(values, None);
        (with_zeros(moments, zeros as f64), weights.len(), zeros)
    };
    // Of the rows that count: whether two of them differ.
    let mut counted = rows
        .iter()
        .zip(values)
        .filter(|(row, _)| weights[**row as usize - start] > 0.0)
        .map(|(_, value)| *value);
    let first = if zeros > 0 { Some(0.0) } else { counted.next() };
    let varies = first.is_some_and(|first| counted.any(|value| value != first));
    Some(FeatureSums::Number {
        moments,
        present: present as u64,
        missing: Tally::default(),
        varies,
    })
}

fn with_zeros(moments: Moments, weight: f64) -> Moments {
    Moments::constant(0.0, weight).merge(moments)
}

#[cfg(test)]
mod tests {
    use crate::design::statistics::{FeatureSums, Statistics};
    use crate::estimator::RowsSource;
    use crate::estimator::rounds::{Batch, TargetBatch};
    use crate::matrix::{Column, Feature, PatientMatrix};

    fn sums(column: Column, weights: Option<&[f64]>) -> FeatureSums {
        let matrix = PatientMatrix::new(vec![(Feature::numeric("a"), column)]).unwrap();
        let batch = Batch {
            rows: RowsSource::Matrix(&matrix),
            range: 0..matrix.n_rows(),
            target: TargetBatch::None,
            weights,
        };
        let statistics = Statistics::of(matrix.schema(), &batch).unwrap();
        statistics.features.into_iter().next().unwrap()
    }

    #[test]
    fn stored_entries_give_the_sums_of_all_rows() {
        let cases: [&[(usize, f64)]; 4] = [
            &[(1, 2.0), (4, -3.0)],
            &[],
            &[(0, 5.0), (1, 5.0), (2, 5.0), (3, 5.0), (4, 5.0)],
            &[(2, 1.0)],
        ];
        let weightings = [
            None,
            Some([1.0, 2.0, 0.5, 1.0, 3.0]),
            Some([1.0, 0.0, 0.0, 2.0, 1.0]),
            Some([0.0, 1.0, 0.0, 0.0, 2.0]),
        ];
        for entries in cases {
            let mut dense = vec![0.0; 5];
            for (row, value) in entries {
                dense[*row] = *value;
            }
            for weights in weightings {
                let weights = weights.as_ref().map(|weights| &weights[..]);
                let sparse = sums(Column::sparse(5, entries.to_vec()).unwrap(), weights);
                let dense = sums(Column::dense(dense.clone()).unwrap(), weights);
                let (
                    FeatureSums::Number {
                        moments: a,
                        present: n,
                        missing,
                        varies,
                    },
                    FeatureSums::Number {
                        moments: b,
                        present: m,
                        missing: none,
                        varies: differs,
                    },
                ) = (sparse, dense)
                else {
                    panic!("numbers");
                };
                assert_eq!((n, missing, varies), (m, none, differs));
                assert_eq!(a.weight, b.weight);
                assert!((a.mean - b.mean).abs() < 1e-15);
                assert!((a.squares - b.squares).abs() < 1e-14);
            }
        }
    }
}
