//! Shapley values of trees, absent features replaced by those of background rows.
//!
//! Against one background row a leaf is reached by exactly the mixtures that take its own features `a`
//! (conditions that only the row meets) from the row and the other `b` ones (that only the background
//! row meets) from the background: where a condition is met by neither, by no mixture. A leaf of value
//! `v` then adds `v (a - 1)! b! / (a + b)!` to each of the former and takes `v a! (b - 1)! / (a + b)!`
//! from each of the latter.

use crate::error::{ErrorKind, Result};
use crate::estimator::Rows;
use crate::estimator::input::RowsAccess;
use crate::explain::attribution::Attributions;
use crate::explain::engine::{Columns, Rule, attribute};
use crate::explain::paths::{Way, answers, conditions, n_words, pattern};
use crate::kernel::tree::flat::Tree;
use crate::kernel::tree::model::{Ensemble, TreeModel};

/// Attributions of rows under a model made of trees, against background rows (interventional TreeSHAP).
///
/// A feature that is left out takes its values from the background rows, one after the other and
/// regardless of the other features; the result is the mean over them, exact for this background. The
/// base value is the mean raw prediction of the background. Choose rows that a reader would compare
/// with: a few hundred of the training rows for "against the average patient".
///
/// Cost: as [`tree_shap`](crate::explain::tree_shap()) plus, for every leaf and thousand rows, the
/// different patterns of the rows times those of the background. The same bits at any number of
/// threads.
///
/// Lundberg et al., Nature Machine Intelligence 2, 2020, doi 10.1038/s42256-019-0138-9.
///
/// # Errors
/// [`ErrorKind::TooFewRows`] for an empty background; what the model refuses of rows.
///
/// ```
/// use galen::explain::{PlainNode, PlainTree, PlainTrees, interventional_shap};
/// use ndarray::array;
/// # fn main() -> galen::Result<()> {
/// let tree = PlainTree::new(vec![
///     PlainNode::number(0, 60.0, true, [1, 2], 100.0),
///     PlainNode::leaf(vec![-1.0], 70.0),
///     PlainNode::leaf(vec![1.0], 30.0),
/// ]);
/// let model = PlainTrees::new(["age", "bmi"], ["log-odds"], vec![0.0], vec![tree])?;
/// let background = array![[50.0, 20.0], [66.0, 31.0]];
/// let found = interventional_shap(&model, &array![[72.0, 25.0]], &background)?;
/// assert_eq!(found.base(), [0.0]);
/// assert_eq!(found.values()[[0, 0, 0]], 1.0);
/// # Ok(())
/// # }
/// ```
pub fn interventional_shap<M: TreeModel, R: Rows, B: Rows>(
    model: &M,
    rows: &R,
    background: &B,
) -> Result<Attributions> {
    let ensemble = model.ensemble();
    let columns = Columns::new(&ensemble);
    let (rule, base) = background_rule(model, &ensemble, &columns, background)?;
    let values = attribute(model, &ensemble, &columns, rows.source(), &rule)?;
    Attributions::of(ensemble, base, values)
}

/// The rule, and the mean prediction of the background.
fn background_rule<M: TreeModel, B: Rows>(
    model: &M,
    ensemble: &Ensemble<'_>,
    columns: &Columns,
    background: &B,
) -> Result<(Against, Vec<f64>)> {
    let source = background.source();
    let n = source.n_rows();
    if n == 0 {
        return Err(ErrorKind::TooFewRows {
            what: "interventional_shap background",
            required: 1,
            found: 0,
        }
        .into());
    }
    let width = ensemble.features.len();
    let chunks = model.for_values(source, |_, values| {
        let mut picked = Vec::new();
        columns.pick(values, &mut picked);
        let mut sums = vec![0.0; ensemble.outputs.len()];
        for row in values.chunks(width.max(1)) {
            for (tree, feeds) in ensemble.trees.iter().zip(&ensemble.feeds) {
                let values = tree.value(tree.leaf(row));
                for (sum, value) in sums[*feeds as usize..].iter_mut().zip(values) {
                    *sum += value;
                }
            }
        }
        (picked, sums)
    })?;
    let mut base = vec![0.0; ensemble.outputs.len()];
    let mut picked = Vec::new();
    for (values, sums) in chunks {
        picked.extend(values);
        base.iter_mut()
            .zip(&sums)
            .for_each(|(base, sum)| *base += sum);
    }
    for (base, start) in base.iter_mut().zip(&ensemble.base) {
        *base = start + ensemble.scale * *base / n as f64;
    }
    let n_used = columns.used.len();
    let mut turned = vec![0.0; picked.len()];
    for (row, values) in picked.chunks(n_used.max(1)).enumerate() {
        for (column, value) in values.iter().enumerate() {
            turned[column * n + row] = *value;
        }
    }
    let rule = Against {
        columns: turned,
        n,
        worths: worths(),
    };
    Ok((rule, base))
}

/// Side of the table of [`worth`].
const KNOWN: usize = 33;

/// `(own - 1)! other! / (own + other)!`
fn worth(own: usize, other: usize) -> f64 {
    if own == 0 {
        return 0.0;
    }
    (1..=other).fold(1.0 / own as f64, |worth, i| {
        worth * i as f64 / (own + i) as f64
    })
}

fn worths() -> Vec<f64> {
    (0..KNOWN * KNOWN)
        .map(|place| worth(place / KNOWN, place % KNOWN))
        .collect()
}

/// Absent features are replaced by those of background rows.
struct Against {
    /// Column-major.
    columns: Vec<f64>,
    n: usize,
    worths: Vec<f64>,
}

impl Against {
    fn worth(&self, own: usize, other: usize) -> f64 {
        if own < KNOWN && other < KNOWN {
            self.worths[own * KNOWN + other]
        } else {
            worth(own, other)
        }
    }
}

/// The different patterns of the background at a leaf.
#[derive(Default)]
struct Others {
    n_words: usize,
    /// Bits that a pattern may have, word by word.
    all: Vec<u64>,
    words: Vec<u64>,
    /// Share of the background rows that have each pattern.
    shares: Vec<f64>,
    met: Vec<u8>,
    planes: Vec<u8>,
    rows: Vec<u64>,
    order: Vec<u32>,
}

impl Rule for Against {
    type Tree = Vec<u8>;
    type Leaf = Others;

    fn tree(&self, tree: &Tree, column_of: &[u32], answered: &mut Vec<u8>) {
        answers(tree, column_of, &self.columns, self.n, answered);
    }

    fn leaf(&self, way: &Way, answered: &Vec<u8>, others: &mut Others) {
        let length = way.columns.len();
        let width = n_words(length);
        others.n_words = width;
        others.all.clear();
        others.all.resize(width, u64::MAX);
        if !length.is_multiple_of(64) {
            others.all[width - 1] = (1 << (length % 64)) - 1;
        }
        conditions(way, answered, self.n, &mut others.met, &mut others.planes);
        others.rows.resize(self.n * width, 0);
        for (row, words) in others.rows.chunks_mut(width).enumerate() {
            pattern(&others.planes, self.n, row, words);
        }
        let words_of = |row: u32| &others.rows[row as usize * width..][..width];
        others.order.clear();
        others.order.extend(0..self.n as u32);
        others.order.sort_unstable_by_key(|row| words_of(*row));
        others.words.clear();
        others.shares.clear();
        for equal in others.order.chunk_by(|a, b| words_of(*a) == words_of(*b)) {
            others.words.extend(words_of(equal[0]));
            others.shares.push(equal.len() as f64 / self.n as f64);
        }
    }

    #[inline(always)]
    fn fill(&self, others: &Others, met: &[u64], out: &mut [f64]) {
        out.fill(0.0);
        let patterns = others.words.chunks(others.n_words);
        for (other, share) in patterns.zip(&others.shares) {
            let words = || met.iter().zip(other);
            if words()
                .zip(&others.all)
                .any(|((a, b), all)| (a | b) != *all)
            {
                continue;
            }
            let count = |words: &mut dyn Iterator<Item = u64>| -> usize {
                words.map(|word| word.count_ones() as usize).sum()
            };
            let n_own = count(&mut words().map(|(a, b)| a & !b));
            let n_other = count(&mut words().map(|(a, b)| b & !a));
            let own = share * self.worth(n_own, n_other);
            let other = share * self.worth(n_other, n_own);
            for (place, (a, b)) in words().enumerate() {
                for k in bits(a & !b) {
                    out[place * 64 + k] += own;
                }
                for k in bits(b & !a) {
                    out[place * 64 + k] -= other;
                }
            }
        }
    }
}

/// Places of the bits of a word.
fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = word.trailing_zeros() as usize;
        word &= word.wrapping_sub(1);
        (place < 64).then_some(place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worths_are_quotients_of_factorials() {
        assert_eq!(worth(0, 3), 0.0);
        assert_eq!(worth(1, 0), 1.0);
        assert!((worth(2, 3) - 1.0 * 6.0 / 120.0).abs() < 1e-17);
        assert!((worth(4, 1) - 6.0 / 120.0).abs() < 1e-17);
        assert!(worth(900, 900) >= 0.0);
    }

    #[test]
    fn bits_are_found_in_order() {
        assert_eq!(bits(1 << 63 | 5).collect::<Vec<_>>(), [0, 2, 63]);
        assert_eq!(bits(0).count(), 0);
    }
}
