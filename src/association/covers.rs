//! Which units have which items, as bits, units of a stratum side by side.
//!
//! ```text
//!   words of stratum 0      words of stratum 1
//!   1101...0 000...0        0110...0        one bit a unit, the last word of a stratum filled up
//! ```

use crate::association::{PairCounts, Strata};
use crate::design::Items;
use crate::error::Result;

/// Bits of some items, and of what is known.
#[derive(Debug)]
pub(crate) struct Covers<'a> {
    items: &'a Items,
    /// First word of every stratum, and the end.
    firsts: Vec<usize>,
    /// The unit of every bit.
    unit_at: Vec<u32>,
    /// Units of every stratum.
    sizes: Vec<u64>,
    /// Position of an item's bits; `u32::MAX` for none.
    slots: Vec<u32>,
    bits: Vec<Vec<u64>>,
    /// Units that know a feature, for features that some do not know.
    known: Vec<Option<Vec<u64>>>,
}

impl<'a> Covers<'a> {
    /// Bits of the items wanted; strata were checked to be of these units.
    pub(crate) fn new(items: &'a Items, strata: Option<&Strata>, wanted: &[u32]) -> Self {
        let n_units = items.n_units();
        let stratum = |unit: usize| strata.map_or(0, |strata| strata.of(unit) as usize);
        let mut sizes = vec![0_u64; strata.map_or(1, Strata::len).max(1)];
        let mut places: Vec<u32> = Vec::with_capacity(n_units);
        for unit in 0..n_units {
            let size = &mut sizes[stratum(unit)];
            places.push(*size as u32);
            *size += 1;
        }
        let mut firsts = vec![0];
        for size in &sizes {
            firsts.push(firsts[firsts.len() - 1] + (*size as usize).div_ceil(64));
        }
        for (unit, place) in places.iter_mut().enumerate() {
            *place += 64 * firsts[stratum(unit)] as u32;
        }
        let words = firsts[firsts.len() - 1];
        let mut unit_at = vec![0; 64 * words];
        for (unit, place) in places.iter().enumerate() {
            unit_at[*place as usize] = unit as u32;
        }
        let mut slots = vec![u32::MAX; items.n_items()];
        let mut bits = Vec::new();
        for item in wanted {
            if slots[*item as usize] == u32::MAX {
                slots[*item as usize] = bits.len() as u32;
                bits.push(vec![0_u64; words]);
            }
        }
        let set = |row: &mut [u64], unit: usize| {
            row[places[unit] as usize / 64] |= 1 << (places[unit] % 64)
        };
        for unit in 0..n_units {
            for item in items.basket(unit) {
                let slot = slots[item as usize];
                if slot != u32::MAX {
                    set(&mut bits[slot as usize], unit);
                }
            }
        }
        let known = (0..items.n_features()).map(|feature| {
            let unknown = items.unknown_units(feature);
            if unknown.is_empty() {
                return None;
            }
            let mut row = vec![0_u64; words];
            let mut unknown = unknown.iter().peekable();
            for unit in 0..n_units {
                if unknown.next_if(|next| **next as usize == unit).is_none() {
                    set(&mut row, unit);
                }
            }
            Some(row)
        });
        let known = known.collect();
        Self {
            items,
            firsts,
            unit_at,
            sizes,
            slots,
            bits,
            known,
        }
    }

    /// Units that have all of some items, by stratum, then increasing.
    pub(crate) fn units(&self, set: &[u32]) -> impl Iterator<Item = usize> + '_ {
        let rows: Vec<&[u64]> = set.iter().map(|item| self.row(*item)).collect();
        let words = self.firsts[self.firsts.len() - 1];
        (0..words).flat_map(move |word| {
            let mut bits = rows.iter().fold(u64::MAX, |bits, row| bits & row[word]);
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros();
                bits &= bits.wrapping_sub(1);
                (bit < 64).then(|| self.unit_at[word * 64 + bit as usize] as usize)
            })
        })
    }

    fn row(&self, item: u32) -> &[u64] {
        &self.bits[self.slots[item as usize] as usize]
    }

    /// Units that have all items of `base`, by A (all items of it), B and both, by stratum, among those
    /// that know all of these items.
    pub(crate) fn tables(&self, base: &[u32], a: &[u32], b: &[u32]) -> Vec<[u64; 4]> {
        let mut features: Vec<usize> = base
            .iter()
            .chain(a)
            .chain(b)
            .filter_map(|item| self.items.feature(*item))
            .collect();
        features.sort_unstable();
        features.dedup();
        let known = features.iter().filter_map(|at| self.known[*at].as_deref());
        let masks: Vec<&[u64]> = known
            .chain(base.iter().map(|item| self.row(*item)))
            .collect();
        let rows_a: Vec<&[u64]> = a.iter().map(|item| self.row(*item)).collect();
        let rows_b: Vec<&[u64]> = b.iter().map(|item| self.row(*item)).collect();
        let strata = self.firsts.windows(2).zip(&self.sizes);
        let table = |(words, size): (&[usize], &u64)| {
            let mut counts = [0_u64; 4];
            for word in words[0]..words[1] {
                let of = |rows: &[&[u64]]| rows.iter().fold(u64::MAX, |bits, row| bits & row[word]);
                let known = of(&masks);
                let (in_a, in_b) = (known & of(&rows_a), known & of(&rows_b));
                counts[0] += u64::from(known.count_ones());
                counts[1] += u64::from(in_a.count_ones());
                counts[2] += u64::from(in_b.count_ones());
                counts[3] += u64::from((in_a & in_b).count_ones());
            }
            if masks.is_empty() {
                counts[0] = *size;
            }
            counts
        };
        strata.map(table).collect()
    }
}

/// The table of all strata together.
pub(crate) fn pooled(tables: &[[u64; 4]]) -> [u64; 4] {
    let add = |sum: [u64; 4], table: &[u64; 4]| std::array::from_fn(|at| sum[at] + table[at]);
    tables.iter().fold([0; 4], add)
}

/// Counts by stratum, those without units left out; of "not B" where B is to be absent.
pub(crate) fn by_stratum(tables: &[[u64; 4]], absent: bool) -> Result<Vec<PairCounts>> {
    let filled = tables.iter().filter(|table| table[0] > 0);
    filled.map(|table| counts(*table, absent)).collect()
}

/// Counts of A and B, or of A and "not B".
pub(crate) fn counts([n, n_a, n_b, n_ab]: [u64; 4], absent: bool) -> Result<PairCounts> {
    if absent {
        PairCounts::new(n, n_a, n - n_b, n_a - n_ab)
    } else {
        PairCounts::new(n, n_a, n_b, n_ab)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::ItemParams;
    use crate::matrix::PatientMatrix;

    #[test]
    fn tables_leave_out_who_does_not_know() {
        let nan = f64::NAN;
        let rows = PatientMatrix::from_columns([
            ("a", vec![1.0, 1.0, 0.0, 0.0, 1.0, nan]),
            ("b", vec![1.0, 0.0, 1.0, 0.0, nan, 1.0]),
        ])
        .unwrap();
        let items = ItemParams::default()
            .cuts("a", [0.5])
            .cuts("b", [0.5])
            .learn(&rows)
            .unwrap()
            .items(&rows)
            .unwrap();
        let (a, b) = (
            items.find("a > 0.5").unwrap(),
            items.find("b > 0.5").unwrap(),
        );
        let covers = Covers::new(&items, None, &[a, b, a]);
        assert_eq!(covers.tables(&[], &[a], &[b]), [[4, 2, 2, 1]]);
        assert_eq!(covers.tables(&[], &[a], &[]), [[5, 3, 5, 3]]);
        let strata = Strata::new([1, 0, 0, 1, 1, 1]);
        let covers = Covers::new(&items, Some(&strata), &[a, b]);
        let tables = covers.tables(&[], &[a], &[b]);
        assert_eq!(tables, [[2, 1, 1, 0], [2, 1, 1, 1]]);
        assert_eq!(pooled(&tables), [4, 2, 2, 1]);
        let absent = by_stratum(&tables, true).unwrap();
        assert_eq!((absent[0].n_b(), absent[0].n_ab()), (1, 1));
    }

    #[test]
    fn strata_of_many_words_are_whole() {
        let pairs = (0..500)
            .filter(|unit| unit % 3 == 0)
            .map(|unit| (unit, "x"));
        let pairs = pairs.chain(
            (0..500)
                .filter(|unit| unit % 5 == 0)
                .map(|unit| (unit, "y")),
        );
        let items = Items::from_pairs(500, pairs, &Default::default()).unwrap();
        let strata = Strata::new((0..500).map(|unit| unit % 7));
        let covers = Covers::new(&items, Some(&strata), &[0, 1]);
        let tables = covers.tables(&[], &[0], &[1]);
        assert_eq!(covers.units(&[0, 1]).count(), 34);
        for (stratum, table) in tables.iter().enumerate() {
            let units = (0..500).filter(|unit| unit % 7 == stratum);
            let count = |by: usize| units.clone().filter(|unit| unit % by == 0).count() as u64;
            assert_eq!(*table, [count(1), count(3), count(5), count(15)]);
        }
    }
}
