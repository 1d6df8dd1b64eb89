//! Class weights by bin: what a cut of classes is judged by.
//!
//! ```text
//!   items of a node (row, class, weight)  +  bins of a feature  ->  weight[bin][class]
//! ```
//!
//! Weights are whole numbers, hence sums are the same in any order. Only the features that a node asks
//! for are counted, several of them in one go over the rows.

use std::sync::Arc;

use crate::design::binned::BinnedDesign;
use crate::design::listed::Listed;
use crate::kernel::tree::flat::{Tree, holds};
use crate::numeric::parallel::map_tasks;

/// Codes of a byte.
pub(crate) const SLOTS: usize = 256;

/// Largest weight that all rows may have together: sums of whole numbers below it are exact as `f64`.
const MOST_WEIGHT: f64 = (1_u64 << 53) as f64;

/// The same where weights have to be rounded: each is known to a part in millions still.
const ROUNDED_WEIGHT: f64 = (1_u64 << 44) as f64;

/// Features counted in one go.
const TOGETHER: usize = 4;

/// A row of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Item {
    pub(crate) row: u32,
    pub(crate) class: u32,
    pub(crate) weight: i64,
}

/// Weights as whole numbers of a unit, and the unit: 1 where weights are whole numbers, else a power of
/// two. A weight above zero stays above it; neither depends on the order of rows.
pub(crate) fn whole_weights(weights: &[f64]) -> (Vec<i64>, f64) {
    let largest = weights.iter().fold(0.0_f64, |m, weight| m.max(*weight));
    let bound = largest * weights.len() as f64;
    let whole = weights.iter().all(|weight| weight.trunc() == *weight);
    let mut unit = 1.0;
    if !(whole && bound <= MOST_WEIGHT) && largest > 0.0 {
        // By the largest weight and the number of rows apart: their product may overflow.
        let exponent = libm::ilogb(largest) + 1 + libm::ilogb(weights.len() as f64) + 1;
        let exponent = exponent - libm::ilogb(ROUNDED_WEIGHT);
        unit = libm::ldexp(1.0, exponent.max(-1_000));
    }
    let codes = weights
        .iter()
        .map(|weight| {
            if *weight > 0.0 {
                ((weight / unit).round() as i64).max(1)
            } else {
                0
            }
        })
        .collect();
    (codes, unit)
}

/// The bins of one feature.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ClassBins {
    /// Row by row.
    Dense(Vec<u8>),
    Listed(Arc<Listed>),
}

impl ClassBins {
    /// The bin of a row.
    #[inline]
    pub(crate) fn bin(&self, row: usize) -> u8 {
        match self {
            Self::Dense(bins) => bins[row],
            Self::Listed(listed) => listed.bin(row as u32),
        }
    }
}

/// As a design holds it.
#[cfg(test)]
impl From<Vec<u8>> for ClassBins {
    fn from(bins: Vec<u8>) -> Self {
        match Listed::of_column(&bins) {
            Some(listed) => Self::Listed(Arc::new(listed)),
            None => Self::Dense(bins),
        }
    }
}

/// Bins by feature.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Columns {
    pub(crate) n_rows: usize,
    pub(crate) bins: Vec<ClassBins>,
}

impl Columns {
    pub(crate) fn new(design: &BinnedDesign) -> Self {
        Self {
            n_rows: design.n_rows,
            bins: map_tasks(design.n_features, |feature| match design.list(feature) {
                Some(listed) => ClassBins::Listed(listed),
                None => ClassBins::Dense(design.column(feature)),
            }),
        }
    }

    /// Features with more than one bin among the given rows, which rise: the others cannot be cut.
    pub(crate) fn varying(&self, rows: &[u32]) -> Vec<u32> {
        let varies = map_tasks(self.bins.len(), |feature| match &self.bins[feature] {
            ClassBins::Dense(bins) => {
                let mut all = rows.iter().map(|row| bins[*row as usize]);
                let first = all.next();
                all.any(|bin| Some(bin) != first)
            }
            ClassBins::Listed(listed) => {
                let (mut first, mut differs, mut n) = (None, false, 0);
                listed.among(
                    rows.len(),
                    |at| rows[at],
                    |_, bin| {
                        differs |= *first.get_or_insert(bin) != bin;
                        n += 1;
                    },
                );
                differs || (n > 0 && n < rows.len())
            }
        });
        (0..self.bins.len() as u32)
            .filter(|feature| varies[*feature as usize])
            .collect()
    }

    /// The leaf of a row in a tree that was grown on these bins.
    #[inline]
    pub(crate) fn leaf(&self, tree: &Tree, by_bins: &[[u64; 4]], row: usize) -> usize {
        let mut at = 0;
        loop {
            let node = &tree.nodes[at];
            if node.is_leaf() {
                return at;
            }
            let bin = self.bins[node.feature as usize].bin(row) as usize;
            at = if holds(&by_bins[at], bin) {
                node.left
            } else {
                node.right
            } as usize;
        }
    }
}

/// What one feature shows of a node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    /// Weight of class `k` in bin `b` at `b * n_classes + k`.
    pub(crate) weights: Vec<i64>,
    /// Rows by bin, where they were asked for.
    pub(crate) rows: Vec<u32>,
    /// Bins that may hold rows; all others do not.
    pub(crate) filled: [u64; 4],
}

impl Counts {
    pub(crate) fn new(n_classes: usize) -> Self {
        Self {
            weights: vec![0; SLOTS * n_classes],
            rows: vec![0; SLOTS],
            filled: [0; 4],
        }
    }

    /// Weights of the classes in a bin.
    #[inline(always)]
    pub(crate) fn bin(&self, bin: u8, n_classes: usize) -> &[i64] {
        &self.weights[bin as usize * n_classes..][..n_classes]
    }

    /// Sets what was counted back to zero: as much work as there are filled bins.
    pub(crate) fn clear(&mut self, n_classes: usize) {
        let Self {
            weights,
            rows,
            filled,
        } = self;
        for bin in bits(filled) {
            weights[bin as usize * n_classes..][..n_classes].fill(0);
            rows[bin as usize] = 0;
        }
        *filled = [0; 4];
    }
}

/// The bins whose bits are set, in increasing order.
#[inline]
pub(crate) fn bits(set: &[u64; 4]) -> impl Iterator<Item = u8> + use<> {
    let set = *set;
    let mut word = 0;
    let mut left = set[0];
    std::iter::from_fn(move || {
        while left == 0 {
            word += 1;
            left = *set.get(word)?;
        }
        let bit = left.trailing_zeros();
        left &= left - 1;
        Some((word as u32 * 64 + bit) as u8)
    })
}

/// All bins below `n` and that of missing values.
fn all_bins(n: usize) -> [u64; 4] {
    let mut set = std::array::from_fn(|word| match n.saturating_sub(64 * word) {
        0 => 0,
        n if n >= 64 => u64::MAX,
        n => (1 << n) - 1,
    });
    set[3] |= 1 << 63;
    set
}

/// Counts items into `counts`, which are empty: one a feature of `features`. `n_bins` says how many bins
/// of present values a feature has, `totals` are the weights of the classes, `by_rows` says whether rows are counted too.
pub(crate) fn count(
    items: &[Item],
    columns: &Columns,
    features: &[u32],
    n_bins: impl Fn(u32) -> usize,
    totals: &[i64],
    by_rows: bool,
    counts: &mut [Counts],
) {
    // Few rows fill few bins: only those are looked at, and cleared, later.
    let few = items.len() < SLOTS / 2;
    let parts = counts.chunks_mut(TOGETHER);
    for (counts, features) in parts.zip(features.chunks(TOGETHER)) {
        if !few {
            for (counts, feature) in counts.iter_mut().zip(features) {
                counts.filled = all_bins(n_bins(*feature));
            }
        }
        match (by_rows, few) {
            (false, false) => count_part::<false, false>(items, columns, features, totals, counts),
            (false, true) => count_part::<false, true>(items, columns, features, totals, counts),
            (true, false) => count_part::<true, false>(items, columns, features, totals, counts),
            (true, true) => count_part::<true, true>(items, columns, features, totals, counts),
        }
    }
}

fn count_part<const ROWS: bool, const MARK: bool>(
    items: &[Item],
    columns: &Columns,
    features: &[u32],
    totals: &[i64],
    counts: &mut [Counts],
) {
    let n_classes = totals.len();
    let bins = |feature: &u32| &columns.bins[*feature as usize];
    let dense = |feature: &u32| match bins(feature) {
        ClassBins::Dense(bins) => Some(bins.as_slice()),
        ClassBins::Listed(_) => None,
    };
    let together: Option<Vec<&[u8]>> = features.iter().map(dense).collect();
    if let (Some(Ok(bins)), Ok(counts)) = (
        together.map(<[&[u8]; TOGETHER]>::try_from),
        <&mut [Counts; TOGETHER]>::try_from(&mut *counts),
    ) {
        return add::<TOGETHER, ROWS, MARK>(items, bins, n_classes, counts);
    }
    for (feature, counts) in features.iter().zip(counts) {
        match bins(feature) {
            ClassBins::Dense(bins) => {
                let counts = std::array::from_mut(counts);
                add::<1, ROWS, MARK>(items, [bins], n_classes, counts);
            }
            ClassBins::Listed(listed) => add_listed::<ROWS, MARK>(items, listed, totals, counts),
        }
    }
}

/// Only listed items are looked at; all others are what they leave of the totals.
fn add_listed<const ROWS: bool, const MARK: bool>(
    items: &[Item],
    listed: &Listed,
    totals: &[i64],
    counts: &mut Counts,
) {
    let n_classes = totals.len();
    let Counts {
        weights,
        rows,
        filled,
    } = counts;
    let common = usize::from(listed.common);
    weights[common * n_classes..][..n_classes].copy_from_slice(totals);
    let mut n_found = 0;
    let mut marks = [0_u64; 4];
    listed.among(
        items.len(),
        |place| items[place].row,
        |place, bin| {
            let (item, bin) = (&items[place], usize::from(bin));
            let class = item.class as usize;
            weights[bin * n_classes + class] += item.weight;
            weights[common * n_classes + class] -= item.weight;
            rows[bin] += u32::from(ROWS);
            marks[bin / 64] |= 1 << (bin % 64);
            n_found += 1;
        },
    );
    let rest = items.len() - n_found;
    if ROWS {
        rows[common] = rest as u32;
    }
    if MARK {
        marks[common / 64] |= u64::from(rest > 0) << (common % 64);
        *filled = marks;
    }
}

#[inline(always)]
fn add<const N: usize, const ROWS: bool, const MARK: bool>(
    items: &[Item],
    bins: [&[u8]; N],
    n_classes: usize,
    counts: &mut [Counts; N],
) {
    let mut filled = [[0_u64; 4]; N];
    {
        let mut slots = counts
            .each_mut()
            .map(|counts| (counts.weights.as_mut_slice(), counts.rows.as_mut_slice()));
        for item in items {
            for lane in 0..N {
                let bin = bins[lane][item.row as usize] as usize;
                let (weights, rows) = &mut slots[lane];
                weights[bin * n_classes + item.class as usize] += item.weight;
                if ROWS {
                    rows[bin] += 1;
                }
                if MARK {
                    filled[lane][bin / 64] |= 1 << (bin % 64);
                }
            }
        }
    }
    if MARK {
        for (counts, filled) in counts.iter_mut().zip(filled) {
            counts.filled = filled;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_weights_stay_as_they_are() {
        let (codes, unit) = whole_weights(&[1.0, 0.0, 3.0]);
        assert_eq!((codes, unit), (vec![1, 0, 3], 1.0));
        let (codes, unit) = whole_weights(&[0.5, 0.0, 0.25, 1e-30]);
        assert_eq!(codes[0], 2 * codes[2]);
        assert_eq!(
            (codes[1], codes[3]),
            (0, 1),
            "what is present stays present"
        );
        assert_eq!(codes[0] as f64 * unit, 0.5);
        let (codes, _) = whole_weights(&[1e300, 1e300, 1.0]);
        assert!(codes.iter().all(|code| *code > 0));
        assert!(codes.iter().sum::<i64>() < 1 << 45);
        assert_eq!(whole_weights(&[5e-324, 0.0]).0, [1, 0]);
        assert_eq!(whole_weights(&[]).0, [0_i64; 0]);
    }

    #[test]
    fn bits_are_listed_in_order() {
        let set = [1 | 1 << 63, 0, 1 << 5, 1 << 63];
        assert_eq!(bits(&set).collect::<Vec<_>>(), [0, 63, 133, 255]);
        assert_eq!(bits(&[0; 4]).count(), 0);
        for n in [0, 1, 64, 65, 254, 255] {
            let mut expected: Vec<u8> = (0..n as u8).collect();
            expected.push(255);
            assert_eq!(bits(&all_bins(n)).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn few_and_many_rows_are_counted_alike() {
        let n = 700;
        let bin = |row: usize, feature: usize| match feature {
            // Listed.
            3 if !row.is_multiple_of(29) => 255,
            4 if row % 67 > 1 => 7,
            _ => ((row * (2 * feature + 3)) % (40 + feature)) as u8,
        };
        let columns = Columns {
            n_rows: n,
            bins: (0..7)
                .map(|feature| {
                    let bins: Vec<u8> = (0..n).map(|row| bin(row, feature)).collect();
                    bins.into()
                })
                .collect(),
        };
        let features = [0, 2, 3, 4, 6];
        for rows in [5, 100, n] {
            let items: Vec<Item> = (0..rows)
                .map(|row| Item {
                    row: row as u32,
                    class: (row % 3) as u32,
                    weight: 1 + (row % 4) as i64,
                })
                .collect();
            let mut counts = vec![Counts::new(3); features.len()];
            let mut totals = vec![0; 3];
            for item in &items {
                totals[item.class as usize] += item.weight;
            }
            count(
                &items,
                &columns,
                &features,
                |_| 50,
                &totals,
                true,
                &mut counts,
            );
            for (feature, counts) in features.iter().zip(&mut counts) {
                let mut weights = vec![0; 3 * SLOTS];
                let mut of_rows = vec![0; SLOTS];
                for item in &items {
                    let bin = bin(item.row as usize, *feature as usize) as usize;
                    weights[bin * 3 + item.class as usize] += item.weight;
                    of_rows[bin] += 1;
                }
                assert_eq!((&counts.weights, &counts.rows), (&weights, &of_rows));
                let filled: Vec<u8> = bits(&counts.filled).collect();
                let holds = |bin: usize| of_rows[bin] > 0;
                assert!((0..SLOTS).all(|bin| !holds(bin) || filled.contains(&(bin as u8))));
                counts.clear(3);
                assert!(counts.weights.iter().all(|weight| *weight == 0));
                assert!(counts.rows.iter().all(|rows| *rows == 0));
            }
        }
    }
}
