//! Bins learnt and applied in one go over an array, which is read once instead of twice.

use std::borrow::Cow;

use crate::design::align::{align, refuse_infinite};
use crate::design::binned::{BinnedDesign, Binner, Bins, GROUP, whole_weights};
use crate::design::edges::edges_of;
use crate::design::held::LEAST_LISTED;
use crate::design::listed::LISTED_SHARE;
use crate::design::lookup::Lookup;
use crate::error::Result;
use crate::estimator::{RowsSource, Schema};
use crate::matrix::Feature;
use crate::numeric::parallel::{CHUNK_ROWS, map_each, map_tasks};

/// Rows that tell whether features are nearly all of one bin.
const SAMPLE: usize = 512;

/// Beyond so many rows the columns of a group are more than a thread should hold.
const MOST_ROWS: usize = 1 << 18;

impl Binner {
    /// Learns the bins of all features from rows of positive weight, and those of all rows: as
    /// [`Binner::learn`] and [`Binner::apply`] one after the other.
    ///
    /// # Errors
    /// As both.
    pub(crate) fn learn_and_apply(
        schema: Schema,
        positional: bool,
        rows: RowsSource<'_>,
        weights: Option<&[f64]>,
        max_bins: usize,
    ) -> Result<(Self, BinnedDesign)> {
        let flat = match rows {
            RowsSource::Array(array) if array.nrows() <= MOST_ROWS => array.to_slice(),
            _ => None,
        };
        let Some(flat) = flat else {
            let binner = Self::learn(schema, positional, rows, weights, max_bins)?;
            let design = binner.apply(rows)?;
            return Ok((binner, design));
        };
        // Only for what it refuses.
        align(&schema, rows)?;
        let width = schema.len();
        let whole = weights.and_then(whole_weights);
        let learner = Learner {
            weights: weights.filter(|weights| weights.iter().any(|weight| *weight <= 0.0)),
            whole: whole.as_deref(),
            max_bins,
        };
        let groups = map_tasks(width.div_ceil(GROUP), |group| {
            let first = group * GROUP;
            let features = &schema.features()[first..(first + GROUP).min(width)];
            let columns = columns(flat, width, first, features.len());
            learner.group(features, &columns)
        });
        let (mut bins, mut designs) = (Vec::with_capacity(width), Vec::new());
        for group in groups {
            let (learnt, design) = group?;
            bins.extend(learnt);
            designs.push(design);
        }
        let binner = Self {
            schema,
            positional,
            bins,
        };
        let uneven: usize = designs.iter().map(|group| uneven(group)).sum();
        if uneven >= LEAST_LISTED {
            let design = binner.apply(rows)?;
            return Ok((binner, design));
        }
        let design = BinnedDesign::of_groups(rows.n_rows(), width, designs);
        Ok((binner, design))
    }
}

/// Features of a group that are worth a list, as far as every so many rows tell.
fn uneven(group: &[[u8; GROUP]]) -> usize {
    let step = (group.len() / SAMPLE).max(1);
    let seen = || group.iter().step_by(step);
    let n = seen().count();
    let is_uneven = |lane: &usize| {
        let mut counts = [0_usize; 256];
        seen().for_each(|row| counts[usize::from(row[*lane])] += 1);
        let most = counts.into_iter().max().unwrap_or(0);
        (n - most) * LISTED_SHARE <= n
    };
    (0..GROUP).filter(is_uneven).count()
}

/// Columns of a row-major table, side by side in it: one read of a line of the cache brings all of them.
fn columns(flat: &[f64], width: usize, first: usize, n: usize) -> Vec<Vec<f64>> {
    let n_rows = flat.len() / width.max(1);
    if let (GROUP, true) = (n, n_rows > 0) {
        let mut columns: [Vec<f64>; GROUP] = std::array::from_fn(|_| vec![0.0; n_rows]);
        {
            let mut lanes = columns.each_mut().map(|column| column.as_mut_slice());
            for (at, row) in flat.chunks_exact(width).enumerate() {
                let Some(values) = row[first..].first_chunk::<GROUP>() else {
                    continue;
                };
                for (lane, value) in lanes.iter_mut().zip(values) {
                    lane[at] = *value;
                }
            }
        }
        return columns.into();
    }
    let column = |lane: usize| {
        let rows = flat.chunks_exact(width);
        rows.map(|row| row[first + lane]).collect()
    };
    (0..n).map(column).collect()
}

struct Learner<'a> {
    /// Where some rows are absent.
    weights: Option<&'a [f64]>,
    whole: Option<&'a [u64]>,
    max_bins: usize,
}

type Taught = (Vec<Bins>, Vec<[u8; GROUP]>);

impl Learner<'_> {
    fn group(&self, features: &[Feature], columns: &[Vec<f64>]) -> Result<Taught> {
        let edges = map_tasks(columns.len(), |lane| {
            let column = &columns[lane];
            refuse_infinite(&features[lane], 0, column)?;
            let seen = self.seen(column);
            Ok(edges_of(&seen, self.whole, self.max_bins))
        });
        let edges = edges.into_iter().collect::<Result<Vec<_>>>()?;
        let n_rows = columns.first().map_or(0, Vec::len);
        let lookups: Vec<Lookup<'_>> = edges
            .iter()
            .map(|edges| Lookup::new(edges, n_rows))
            .collect();
        let mut design = vec![[0_u8; GROUP]; n_rows];
        let mut parts: Vec<&mut [[u8; GROUP]]> = design.chunks_mut(CHUNK_ROWS).collect();
        map_each(&mut parts, true, |at, part| {
            let rows = at * CHUNK_ROWS..at * CHUNK_ROWS + part.len();
            for (lane, (lookup, column)) in lookups.iter().zip(columns).enumerate() {
                lookup.bins(&column[rows.clone()], |row, bin| part[row][lane] = bin);
            }
        });
        Ok((edges.into_iter().map(Bins::Number).collect(), design))
    }

    /// A column with NaN in rows that are absent.
    fn seen<'c>(&self, column: &'c [f64]) -> Cow<'c, [f64]> {
        let Some(weights) = self.weights else {
            return Cow::Borrowed(column);
        };
        let pairs = column.iter().zip(weights);
        let seen = pairs.map(|(value, weight)| if *weight > 0.0 { *value } else { f64::NAN });
        Cow::Owned(seen.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::align::schema_of;
    use crate::error::ErrorKind;
    use crate::numeric::seed::{below, stream, uniform};
    use ndarray::Array2;

    #[test]
    fn one_go_teaches_what_two_do() {
        let mut r = stream(12, 0);
        for (n_rows, width) in [(9_000, 11), (300, 8), (5_000, 3), (1, 9), (3_000, 90)] {
            let table = Array2::from_shape_fn((n_rows, width), |(_, column)| {
                match (column % 3, below(&mut r, 8)) {
                    // Enough features for lists.
                    _ if width == 90 => f64::from(u8::from(below(&mut r, 40) == 0)),
                    (1, 0) => f64::NAN,
                    (2, at) => at as f64,
                    _ => libm::exp(uniform(&mut r) * column as f64),
                }
            });
            let rows = RowsSource::Array(table.view());
            let of_rows: Vec<f64> = (0..n_rows).map(|row| (row % 4) as f64).collect();
            for weights in [None, Some(of_rows.as_slice())] {
                let (schema, positional) = schema_of(rows).unwrap();
                let binner = Binner::learn(schema.clone(), positional, rows, weights, 200).unwrap();
                let design = binner.apply(rows).unwrap();
                let both = Binner::learn_and_apply(schema, positional, rows, weights, 200);
                assert!(both.unwrap() == (binner, design), "{n_rows} x {width}");
            }
        }
    }

    #[test]
    fn an_infinity_is_named() {
        let mut table = Array2::zeros((20, 9));
        table[(7, 8)] = f64::INFINITY;
        let rows = RowsSource::Array(table.view());
        let (schema, positional) = schema_of(rows).unwrap();
        let error = Binner::learn_and_apply(schema, positional, rows, None, 255).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::NonFinite { row: Some(7), column: Some(name), .. } if name == "x8"),
            "{error}"
        );
    }
}
