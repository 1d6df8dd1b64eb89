//! Cuts between bins: what the kernel finds, as this tree asks it.

use super::coded::{Codes, Cut, Labelled, NO_VALUE, Side};
use super::surrogate::stand_ins;
use crate::design::binned::{BinnedDesign, Held, MISSING};
use crate::error::Result;
use crate::kernel::tree::class_grow::{Child, Guide, Leaf, partition};
use crate::kernel::tree::class_histogram::Item;
use crate::kernel::tree::class_split::ClassCut;
use crate::kernel::tree::class_whole::{AllFeatures, Seeking};
use crate::kernel::tree::flat::LevelSet;
use crate::kernel::tree::split::Place;

/// Finds cuts between bins and sends rows by them.
#[derive(Debug)]
pub(super) struct ByBins<'a> {
    data: &'a Labelled,
    design: &'a BinnedDesign,
    all: AllFeatures<'a>,
    /// Weight of all items.
    whole: f64,
    /// Stand-ins of a cut; 0 for none.
    surrogates: usize,
}

impl<'a> ByBins<'a> {
    /// `min_gain` of `seeking` is a share of all weight; `design` holds the rows of `data`.
    pub(super) fn new(
        data: &'a Labelled,
        design: &'a BinnedDesign,
        seeking: Seeking,
        surrogates: usize,
        items: &[Item],
    ) -> Self {
        let whole = items.iter().map(|item| item.weight).sum::<i64>() as f64;
        let seeking = Seeking {
            min_gain: seeking.min_gain * whole,
            ..seeking
        };
        Self {
            data,
            design,
            all: AllFeatures::new(design, &data.bins, seeking, data.n_classes, items),
            whole,
            surrogates,
        }
    }

    /// The side of a cut that is listed, and whether missing values, or all rows, go to it.
    fn side(&self, found: &ClassCut, items: &[Item]) -> (Side, bool) {
        let feature = found.feature as usize;
        // Where nothing is missing, it would go to the heavier side.
        let missing_left = found
            .missing_left
            .unwrap_or(found.sides[0] > found.sides[1]);
        let n_bins = self.data.bins[feature].0;
        match found.place {
            Place::Number(last) if usize::from(last) + 1 >= n_bins => (Side::Known, missing_left),
            Place::Number(last) => (Side::UpTo(u32::from(last)), missing_left),
            Place::Levels(set) => {
                let mut shown: LevelSet = [0; 4];
                (0..n_bins).for_each(|bin| shown[bin / 64] |= 1 << (bin % 64));
                for (shown, absent) in shown.iter_mut().zip(found.absent) {
                    *shown &= !absent;
                }
                if set == shown {
                    return (Side::Known, missing_left);
                }
                if set == [0; 4] {
                    return (Side::Known, !missing_left);
                }
                // The lighter side is listed, so that a level without rows here goes to the heavier one.
                let mut weights = [0_i64; 2];
                for item in items {
                    let bin = self.design.bin(feature, item.row as usize);
                    if bin != MISSING {
                        let listed = Side::In(set).holds(u32::from(bin));
                        weights[usize::from(listed)] += item.weight;
                    }
                }
                if weights[1] <= weights[0] {
                    return (Side::In(set), missing_left);
                }
                for (shown, listed) in shown.iter_mut().zip(set) {
                    *shown &= !listed;
                }
                (Side::In(shown), !missing_left)
            }
        }
    }
}

impl Guide for ByBins<'_> {
    type Cut = Cut;

    fn gain(cut: &Cut) -> f64 {
        cut.gain
    }

    fn seek(&mut self, leaf: &Leaf, items: &[Item]) -> Result<Option<Cut>> {
        Ok(self.all.seek(leaf, items).map(|found| {
            let (side, missing_left) = self.side(&found, items);
            Cut {
                feature: found.feature,
                side,
                missing_left,
                gain: found.gain / self.whole,
                stand_ins: Vec::new(),
            }
        }))
    }

    fn part(&mut self, cut: &mut Cut, items: &mut [Item], aside: &mut Vec<Item>) -> usize {
        if self.surrogates > 0 {
            cut.stand_ins = stand_ins(self.data, cut, items, self.surrogates);
        }
        if !cut.stand_ins.is_empty() {
            return part_by_codes(cut, &self.data.codes, items, aside);
        }
        let table: [bool; 256] = std::array::from_fn(|bin| {
            if bin == usize::from(MISSING) {
                cut.missing_left
            } else {
                cut.side.holds(bin as u32)
            }
        });
        let feature = cut.feature as usize;
        match self.design.held(feature) {
            Held::Dense(group, lane) => partition(items, aside, |item| {
                table[usize::from(group[item.row as usize][lane])]
            }),
            Held::Listed(listed) => {
                let mut cursor = listed.cursor();
                partition(items, aside, |item| {
                    table[usize::from(cursor.bin(item.row))]
                })
            }
        }
    }

    fn parted(&mut self, parent: usize, children: [Child<'_>; 2]) {
        self.all.parted(parent, children);
    }
}

/// Brings the items to the front that a cut sends left.
pub(super) fn part_by_codes(
    cut: &Cut,
    codes: &Codes,
    items: &mut [Item],
    aside: &mut Vec<Item>,
) -> usize {
    partition(items, aside, |item| cut.goes_left(codes, item.row as usize))
}

/// The codes of a feature in some rows that have it.
pub(super) fn known<'i>(
    codes: &'i Codes,
    feature: usize,
    items: &'i [Item],
) -> impl Iterator<Item = (Item, u32)> + 'i {
    let pairs = items
        .iter()
        .map(move |item| (*item, codes.code(feature, item.row as usize)));
    pairs.filter(|(_, code)| *code != NO_VALUE)
}
