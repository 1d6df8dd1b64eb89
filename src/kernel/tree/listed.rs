//! Sums of listed features over the rows of a node: as much work as their rows have entries.
//!
//! ```text
//!   row -> slots of its entries:   | 3 17 | | 17 402 | 8 | ...      one addition an entry
//!   feature -> its slots:          bins but the common one, which is what the node has left
//! ```

use std::ops::Range;
use std::sync::Arc;

use crate::design::binned::MISSING;
use crate::design::listed::Listed;
use crate::kernel::tree::answer::BinSum;
use crate::kernel::tree::decide::{Leaf, Rules};
use crate::kernel::tree::histogram::{SLOTS, Slot};
use crate::kernel::tree::quantise::{Quantised, Scale, halves};
use crate::kernel::tree::split::Cut;
use crate::numeric::parallel::{map_each, threads};

/// Listed features searched as one task.
const SEARCHED: usize = 1_024;

/// Fewer entries than these, times stretches, are not worth sums of their own.
const STRETCH_ENTRIES: usize = 65_536;

/// The slots of a listed feature.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slots {
    pub(crate) feature: u32,
    /// Whether training has missing values.
    pub(crate) missing: bool,
    first: u32,
    n_bins: u16,
    /// The common bin, that of missing values coming after the others.
    common: u16,
}

impl Slots {
    fn len(&self) -> usize {
        (usize::from(self.n_bins) + usize::from(self.missing)).saturating_sub(1)
    }

    /// Whether there is one bin beside the common one, and both of present values.
    pub(crate) fn is_flag(&self) -> bool {
        self.len() == 1 && !self.missing
    }

    fn range(&self) -> Range<usize> {
        self.first as usize..self.first as usize + self.len()
    }

    /// The slot of a bin that is not the common one.
    fn of(&self, bin: u8) -> u32 {
        let code = match bin {
            MISSING => self.n_bins,
            bin => u16::from(bin),
        };
        self.first + u32::from(code) - u32::from(code > self.common)
    }

    fn bin(&self, code: usize) -> usize {
        match code == usize::from(self.n_bins) {
            true => SLOTS - 1,
            false => code,
        }
    }
}

/// The entries of listed features, row by row.
#[derive(Debug, Clone)]
pub(crate) struct ByRow {
    /// In the order of features.
    pub(crate) features: Vec<Slots>,
    /// The entries of row `i` start at `starts[i]` and end where those of the next row start.
    starts: Vec<usize>,
    slots: Vec<u32>,
    n_slots: usize,
}

/// Sums of all slots of a node.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ListedSums {
    pub(crate) total: Slot,
    slots: Vec<BinSum>,
}

impl ByRow {
    /// Lists of `n_rows` rows; `n_bins` says how many bins of present values a feature has.
    pub(crate) fn new(
        n_rows: usize,
        listed: &[(u32, Arc<Listed>)],
        n_bins: impl Fn(usize) -> usize,
    ) -> Self {
        let mut n_slots = 0;
        let mut features = Vec::with_capacity(listed.len());
        // Two places ahead: counted there, then moved on as they are filled.
        let mut starts = vec![0_usize; if listed.is_empty() { 0 } else { n_rows + 2 }];
        for (feature, list) in listed {
            let n_bins = n_bins(*feature as usize) as u16;
            let common_missing = list.common == MISSING;
            let slots = Slots {
                feature: *feature,
                missing: common_missing || list.bins.contains(&MISSING),
                first: n_slots as u32,
                n_bins,
                common: if common_missing {
                    n_bins
                } else {
                    u16::from(list.common)
                },
            };
            n_slots += slots.len();
            features.push(slots);
            for row in &list.rows {
                starts[*row as usize + 2] += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut slots = vec![0; sum];
        for ((_, list), of) in listed.iter().zip(&features) {
            for (row, bin) in list.rows.iter().zip(&list.bins) {
                let place = &mut starts[*row as usize + 1];
                slots[*place] = of.of(*bin);
                *place += 1;
            }
        }
        Self {
            features,
            starts,
            slots,
            n_slots,
        }
    }

    pub(crate) fn sums(&self) -> ListedSums {
        ListedSums {
            total: Slot::default(),
            slots: vec![BinSum::default(); self.n_slots],
        }
    }

    /// The slots of a feature, if it is listed.
    pub(crate) fn of(&self, feature: usize) -> Option<&Slots> {
        let at = self
            .features
            .binary_search_by_key(&(feature as u32), |slots| slots.feature);
        at.ok().map(|at| &self.features[at])
    }

    /// Sums over rows; `words` are those of all rows.
    pub(crate) fn count(&self, rows: &[u32], words: &[i64], out: &mut ListedSums) {
        *out = ListedSums {
            total: Slot::default(),
            slots: std::mem::take(&mut out.slots),
        };
        out.slots.fill(BinSum::default());
        if self.features.is_empty() {
            return;
        }
        let n_rows = self.starts.len() - 2;
        let entries = self.slots.len() / n_rows.max(1) * rows.len();
        let least = STRETCH_ENTRIES.max(4 * self.n_slots);
        let n = (entries / least).min(threads());
        if n < 2 {
            return self.add(rows, words, out);
        }
        let stretches = rows.chunks(rows.len().div_ceil(n));
        let mut tasks: Vec<_> = stretches.map(|rows| (rows, self.sums())).collect();
        map_each(&mut tasks, true, |_, (rows, sums)| {
            self.add(rows, words, sums)
        });
        for (_, sums) in &tasks {
            out.total.gradient += sums.total.gradient;
            out.total.curvature += sums.total.curvature;
            for (slot, other) in out.slots.iter_mut().zip(&sums.slots) {
                slot.add(other);
            }
        }
    }

    fn add(&self, rows: &[u32], words: &[i64], out: &mut ListedSums) {
        for row in rows {
            let row = *row as usize;
            let (gradient, curvature) = halves(words[row]);
            out.total.gradient += gradient;
            out.total.curvature += curvature;
            for slot in &self.slots[self.starts[row]..self.starts[row + 1]] {
                let slot = &mut out.slots[*slot as usize];
                slot.gradient += gradient;
                slot.curvature += curvature;
                slot.rows += 1;
            }
        }
    }

    /// Counts rows, sums and parent's sums given, and finds the cuts of either side.
    pub(crate) fn pass(
        &self,
        rules: &Rules<'_>,
        (counted, parent): (&mut ListedSums, Option<&mut ListedSums>),
        rows: &[u32],
        asking: [Option<&Leaf>; 2],
        quantised: &Quantised,
        allowed: &[bool],
    ) -> [Vec<Cut>; 2] {
        let features = &self.features;
        if features.is_empty() {
            return [Vec::new(), Vec::new()];
        }
        self.count(rows, &quantised.words, counted);
        let parent = parent.map(|parent| {
            parent.subtract(counted);
            &*parent
        });
        let sides = [Some(&*counted), parent];
        let mut tasks: Vec<(&[Slots], [Vec<Cut>; 2])> = features
            .chunks(SEARCHED)
            .map(|features| (features, [Vec::new(), Vec::new()]))
            .collect();
        map_each(&mut tasks, true, |_, (features, cuts)| {
            for ((sums, leaf), cuts) in sides.into_iter().zip(asking).zip(cuts) {
                if let (Some(sums), Some(leaf)) = (sums, leaf) {
                    search(rules, features, sums, leaf, &quantised.scale, allowed, cuts);
                }
            }
        });
        let mut found = [Vec::new(), Vec::new()];
        for (_, cuts) in tasks {
            for (all, cuts) in found.iter_mut().zip(cuts) {
                all.extend(cuts);
            }
        }
        found
    }
}

/// Whether so many rows of `all` may be one side of a cut, and all others the other one.
pub(crate) fn enough(rules: &Rules<'_>, rows: u64, all: u64) -> bool {
    let least = rules.growth.min_leaf_rows.max(1);
    rows >= least && all - rows >= least
}

fn search(
    rules: &Rules<'_>,
    features: &[Slots],
    sums: &ListedSums,
    leaf: &Leaf,
    scale: &Scale,
    allowed: &[bool],
    cuts: &mut Vec<Cut>,
) {
    let mut spread = Spread::new();
    for of in features {
        let feature = of.feature as usize;
        // One side of any cut has none but listed rows: too few of them, and none is made.
        let listed = sums.rows(of);
        let all = if of.is_flag() { leaf.rows } else { u64::MAX };
        if !enough(rules, listed, all) || !allowed[feature] || !rules.may_ask(leaf, feature) {
            continue;
        }
        spread.set(of, sums, leaf.rows);
        let (slots, total) = (&spread.slots, sums.total);
        cuts.extend(rules.best(leaf, feature, slots, total, None, scale));
        spread.clear(of);
    }
}

impl ListedSums {
    /// Becomes the sums of the other child, given those of one.
    pub(crate) fn subtract(&mut self, child: &Self) {
        self.total.gradient -= child.total.gradient;
        self.total.curvature -= child.total.curvature;
        for (slot, taken) in self.slots.iter_mut().zip(&child.slots) {
            slot.take_away(taken);
        }
    }

    /// Rows of a node in other bins than the common one.
    pub(crate) fn rows(&self, of: &Slots) -> u64 {
        self.slots[of.range()].iter().map(|slot| slot.rows).sum()
    }
}

/// The bins of one feature of a node; all others are empty.
#[derive(Debug)]
pub(crate) struct Spread {
    pub(crate) slots: [Slot; SLOTS],
    pub(crate) rows: [u32; SLOTS],
}

impl Spread {
    pub(crate) fn new() -> Self {
        Self {
            slots: [Slot::default(); SLOTS],
            rows: [0; SLOTS],
        }
    }

    /// Writes the bins of a feature of a node of `n_rows` rows.
    pub(crate) fn set(&mut self, of: &Slots, sums: &ListedSums, n_rows: u64) {
        let (mut rest, mut rows_left) = (sums.total, n_rows);
        let common = usize::from(of.common);
        for (place, sum) in sums.slots[of.range()].iter().enumerate() {
            let bin = of.bin(place + usize::from(place >= common));
            rest.gradient -= sum.gradient;
            rest.curvature -= sum.curvature;
            rows_left -= sum.rows;
            self.slots[bin] = Slot {
                gradient: sum.gradient,
                curvature: sum.curvature,
            };
            self.rows[bin] = sum.rows as u32;
        }
        self.slots[of.bin(common)] = rest;
        self.rows[of.bin(common)] = rows_left as u32;
    }

    /// Empties the bins of a feature again.
    pub(crate) fn clear(&mut self, of: &Slots) {
        for code in 0..=of.len() {
            self.slots[of.bin(code)] = Slot::default();
            self.rows[of.bin(code)] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_lists_are_those_of_every_row() {
        let n = 900_usize;
        // Common bins in the middle, first, last and that of missing values; one feature is constant.
        let bins: [(u8, usize); 5] = [(1, 4), (0, 2), (6, 7), (MISSING, 3), (0, 1)];
        let bin = |feature: usize, row: usize| {
            let (common, n_bins) = bins[feature];
            match (row * 7 + feature) % 50 {
                0 if n_bins > 1 => (row % n_bins) as u8,
                1 if feature == 0 => MISSING,
                _ => common,
            }
        };
        let listed: Vec<(u32, Arc<Listed>)> = (0..bins.len())
            .map(|feature| {
                let column: Vec<u8> = (0..n).map(|row| bin(feature, row)).collect();
                let listed = Listed::of_column(&column).unwrap();
                (3 * feature as u32, Arc::new(listed))
            })
            .collect();
        let by_row = ByRow::new(n, &listed, |feature| bins[feature / 3].1);
        let words: Vec<i64> = (0..n as i64)
            .map(|row| ((row % 19 - 9) << 32) + row % 5)
            .collect();
        let mut sums = by_row.sums();
        let mut spread = Spread::new();
        let all: Vec<u32> = (0..n as u32).collect();
        let some: Vec<u32> = (0..n as u32).filter(|row| row % 3 == 1).collect();
        let rest: Vec<u32> = (0..n as u32).filter(|row| row % 3 != 1).collect();
        let mut whole = by_row.sums();
        by_row.count(&all, &words, &mut whole);
        for rows in [&all, &some, &rest] {
            by_row.count(rows, &words, &mut sums);
            for (feature, of) in by_row.features.iter().enumerate() {
                let mut slots = [Slot::default(); SLOTS];
                let mut counts = [0; SLOTS];
                for row in rows {
                    let (gradient, curvature) = halves(words[*row as usize]);
                    let bin = usize::from(bin(feature, *row as usize));
                    slots[bin].gradient += gradient;
                    slots[bin].curvature += curvature;
                    counts[bin] += 1;
                }
                spread.set(of, &sums, rows.len() as u64);
                assert_eq!((spread.slots, spread.rows), (slots, counts), "{feature}");
                let common = usize::from(bins[feature].0);
                let others = rows.len() as u64 - u64::from(counts[common]);
                assert_eq!(sums.rows(of), others);
                spread.clear(of);
                assert_eq!(spread.slots, [Slot::default(); SLOTS]);
                assert_eq!(spread.rows, [0; SLOTS]);
            }
            if rows.len() == some.len() {
                whole.subtract(&sums);
            }
        }
        assert!(whole == sums, "the rest of the rows");
    }
}
