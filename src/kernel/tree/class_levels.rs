//! The best cut of the levels of a category.

use std::cmp::Reverse;

use crate::design::binned::MISSING;
use crate::kernel::tree::class_histogram::bits;
use crate::kernel::tree::class_search::{Found, Shown};
use crate::kernel::tree::class_split::{ClassCut, Node, Score};
use crate::kernel::tree::flat::LevelSet;
use crate::kernel::tree::partition::set_bit;
use crate::kernel::tree::split::Place;

/// With many classes, levels are put in order by the shares of so many of the heaviest.
const ORDERS: usize = 16;

impl Node<'_> {
    /// Bins of the node, that of missing values among them, and the levels that it does not show.
    pub(super) fn shown_levels(&self, shown: Shown<'_>) -> (Vec<u8>, LevelSet) {
        let filled = bits(&shown.counts.filled);
        let order: Vec<u8> = filled
            .filter(|bin| self.weight_of(shown.counts, *bin) > 0)
            .collect();
        let mut absent = [0; 4];
        for bin in 0..shown.asked.n_bins.min(usize::from(MISSING)) {
            set_bit(&mut absent, bin as u8, true);
        }
        for bin in &order {
            set_bit(&mut absent, *bin, false);
        }
        (order, absent)
    }

    /// Levels in the order of the share of a class, cut like a number: of two classes no other way to
    /// part the levels gains more (Fisher, J. Am. Stat. Assoc. 53, 1958,
    /// doi 10.1080/01621459.1958.10501479), missing values being one level more. Of more classes the best
    /// order of any class against the others is taken, with missing values on either side.
    pub(super) fn by_levels(
        &self,
        shown: Shown<'_>,
        best: Option<&Score>,
        left: &mut [i64],
    ) -> Option<ClassCut> {
        let n_classes = self.totals.len();
        let missing = self.missing(shown.counts) > 0;
        let (mut order, absent) = self.shown_levels(shown);
        let mut classes: Vec<usize> = (0..n_classes).collect();
        if n_classes == 2 {
            classes = vec![1];
        } else {
            classes.sort_by_key(|class| (Reverse(self.totals[*class]), *class));
            classes.truncate(ORDERS);
        }
        // A level like the others, or apart from them.
        let among = missing && n_classes == 2;
        if !among {
            order.retain(|bin| *bin != MISSING);
        }
        let starts: &[Option<u8>] = match missing && !among {
            true => &[None, Some(MISSING)],
            false => &[None],
        };
        let mut best = best.copied();
        let mut cut = None;
        for class in classes {
            if self.totals[class] == 0 {
                continue;
            }
            let part = |bin: u8| {
                let of_class = shown.counts.bin(bin, n_classes)[class];
                (
                    i128::from(of_class),
                    i128::from(self.weight_of(shown.counts, bin)),
                )
            };
            order.sort_by(|a, b| {
                let ((x, x_all), (y, y_all)) = (part(*a), part(*b));
                (x * y_all).cmp(&(y * x_all)).then(a.cmp(b))
            });
            for start in starts {
                let bins = order.iter().copied();
                let found = self.along(shown.counts, bins, *start, best.as_ref(), left);
                let Some(found) = found else { continue };
                best = Some(found.score);
                let cut_here = self.level_cut(shown, &order, *start, &found, missing);
                cut = Some(ClassCut { absent, ..cut_here });
            }
        }
        cut
    }

    /// The cut after a bin in an order of levels.
    fn level_cut(
        &self,
        shown: Shown<'_>,
        order: &[u8],
        start: Option<u8>,
        found: &Found,
        missing: bool,
    ) -> ClassCut {
        let mut set = [0; 4];
        let mut missing_left = start.is_some();
        for bin in order {
            if *bin == MISSING {
                missing_left = true;
            } else {
                set_bit(&mut set, *bin, true);
            }
            if *bin == found.bin {
                break;
            }
        }
        let missing_left = missing.then_some(missing_left);
        self.cut(shown.asked, Place::Levels(set), missing_left, found)
    }
}
