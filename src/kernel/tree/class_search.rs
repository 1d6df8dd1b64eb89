//! The best cut of a feature, from the class weights of its bins.

use crate::design::binned::MISSING;
use crate::kernel::tree::class_histogram::{Counts, bits};
use crate::kernel::tree::class_split::{ClassCut, Node, Score, Side};
use crate::kernel::tree::flat::LevelSet;
use crate::kernel::tree::partition::set_bit;
use crate::kernel::tree::split::Place;
use crate::numeric::seed::{Stream, below, uniform};

/// A feature in a node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) feature: u32,
    /// Bins of present values.
    pub(crate) n_bins: usize,
    pub(crate) levels: bool,
}

/// How a feature stands in a node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a> {
    pub(crate) asked: Asked,
    pub(crate) counts: &'a Counts,
}

/// What a search found: the bin after which it is cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) bin: u8,
    pub(super) score: Score,
    /// Weights on the left and on the right.
    pub(super) sides: [i64; 2],
}

impl Node<'_> {
    /// The best cut after one of the bins in this order, where it beats `best`; the bin in `start` goes
    /// left before.
    #[inline]
    pub(super) fn along(
        &self,
        counts: &Counts,
        order: impl Iterator<Item = u8>,
        start: Option<u8>,
        best: Option<&Score>,
        left: &mut [i64],
    ) -> Option<Found> {
        let n_classes = self.totals.len();
        left.fill(0);
        let (mut weight, mut rows) = (0, 0);
        let mut score = best.copied();
        let mut found = None;
        let mut started = start;
        let mut order = order;
        loop {
            let opening = started.take();
            let Some(bin) = opening.or_else(|| order.next()) else {
                break;
            };
            let mut here = 0;
            for (left, part) in left.iter_mut().zip(counts.bin(bin, n_classes)) {
                *left += part;
                here += part;
            }
            if here == 0 {
                continue;
            }
            weight += here;
            if self.bounds.min_rows > 1 {
                rows += u64::from(counts.rows[bin as usize]);
            }
            if opening.is_some() {
                continue;
            }
            if weight == self.weight {
                break;
            }
            let side = Side {
                totals: left,
                weight,
                rows,
            };
            if let Some(new) = self.improves(side, score.as_ref()) {
                score = Some(new);
                found = Some(Found {
                    bin,
                    score: new,
                    sides: [weight, self.weight - weight],
                });
            }
        }
        found
    }

    /// The score of a side, where it is allowed and larger than the best one so far.
    #[inline(always)]
    pub(super) fn improves(&self, side: Side<'_>, best: Option<&Score>) -> Option<Score> {
        let (top, bottom) = self.score(side)?;
        if !self.beats((top, bottom), || self.exact(side), best) {
            return None;
        }
        Some(Score {
            top,
            bottom,
            exact: self.exact(side),
        })
    }

    /// The best cut of a feature where it beats `best`, else that.
    pub(crate) fn best_cut(
        &self,
        shown: Shown<'_>,
        best: Option<ClassCut>,
        left: &mut [i64],
    ) -> Option<ClassCut> {
        let missing = shown.counts.bin(MISSING, self.totals.len());
        if self.bounds.known_only && missing.iter().any(|weight| *weight > 0) {
            let pairs = self.totals.iter().zip(missing);
            let totals: Vec<i64> = pairs.map(|(all, missing)| all - missing).collect();
            let rows = u64::from(shown.counts.rows[usize::from(MISSING)]);
            return self.known(&totals, rows).search(shown, best, left);
        }
        self.search(shown, best, left)
    }

    fn search(
        &self,
        shown: Shown<'_>,
        best: Option<ClassCut>,
        left: &mut [i64],
    ) -> Option<ClassCut> {
        let score = best.as_ref().map(|cut| &cut.score);
        let found = if shown.asked.levels {
            self.by_levels(shown, score, left)
        } else {
            self.by_number(shown, score, left)
        };
        found.or(best)
    }

    pub(super) fn cut(
        &self,
        asked: Asked,
        place: Place,
        missing: Option<bool>,
        of: &Found,
    ) -> ClassCut {
        ClassCut {
            feature: asked.feature,
            place,
            absent: [0; 4],
            gain: self.gain(&of.score),
            missing_left: missing,
            sides: of.sides,
            score: of.score,
        }
    }

    pub(super) fn weight_of(&self, counts: &Counts, bin: u8) -> i64 {
        counts.bin(bin, self.totals.len()).iter().sum()
    }

    /// Weight of missing values that take part.
    pub(super) fn missing(&self, counts: &Counts) -> i64 {
        if self.bounds.known_only {
            0
        } else {
            self.weight_of(counts, MISSING)
        }
    }

    /// A cut of a number with missing values, of this weight, on the right.
    pub(super) fn number_cut(&self, asked: Asked, found: &Found, missing: i64) -> ClassCut {
        // All present values on one side: what is cut is whether there is a value.
        let last = if found.sides[1] == missing {
            asked.n_bins.saturating_sub(1) as u8
        } else {
            found.bin
        };
        self.cut(
            asked,
            Place::Number(last),
            (missing > 0).then_some(false),
            found,
        )
    }

    fn by_number(
        &self,
        shown: Shown<'_>,
        best: Option<&Score>,
        left: &mut [i64],
    ) -> Option<ClassCut> {
        let counts = shown.counts;
        let missing = self.missing(counts);
        let mut present = counts.filled;
        set_bit(&mut present, MISSING, false);
        let right = self.along(counts, bits(&present), None, best, left);
        let right = right.map(|found| self.number_cut(shown.asked, &found, missing));
        if missing == 0 {
            return right;
        }
        let best = right.as_ref().map(|cut| &cut.score).or(best);
        let found = self.along(counts, bits(&present), Some(MISSING), best, left);
        let found = found.map(|found| {
            let place = Place::Number(found.bin);
            self.cut(shown.asked, place, Some(true), &found)
        });
        found.or(right)
    }

    /// One cut at random between the smallest and the largest bin of the node, missing values on either
    /// side, where it beats `best`, else that (Geurts, Ernst and Wehenkel, Mach. Learn. 63, 2006,
    /// doi 10.1007/s10994-006-6226-1). Levels fall on either side at random, one at least on each.
    pub(crate) fn random_cut(
        &self,
        shown: Shown<'_>,
        best: Option<ClassCut>,
        left: &mut [i64],
        stream: &mut Stream,
    ) -> Option<ClassCut> {
        let counts = shown.counts;
        let (mut present, absent) = self.shown_levels(shown);
        let missing = present.pop_if(|last| *last == MISSING).is_some();
        let (Some(low), Some(high)) = (present.first(), present.last()) else {
            return best;
        };
        let mut set = [0; 4];
        let place = if shown.asked.levels {
            let n = present.len();
            let to_left = below(stream, n);
            let to_right = (to_left + 1 + below(stream, n.max(2) - 1)) % n.max(1);
            for (at, bin) in present.iter().enumerate() {
                let drawn = uniform(stream) < 0.5;
                let goes = at == to_left || (drawn && at != to_right);
                set_bit(&mut set, *bin, goes);
            }
            Place::Levels(set)
        } else {
            let last = if low == high {
                shown.asked.n_bins.saturating_sub(1) as u8
            } else {
                low + below(stream, usize::from(high - low)) as u8
            };
            for bin in present.iter().filter(|bin| **bin <= last) {
                set_bit(&mut set, *bin, true);
            }
            Place::Number(last)
        };
        let mut best = best;
        left.fill(0);
        let (mut weight, mut rows) = (0, 0);
        let mut add = |set: &LevelSet, left: &mut [i64]| {
            for bin in bits(set) {
                for (left, part) in left.iter_mut().zip(counts.bin(bin, self.totals.len())) {
                    *left += part;
                    weight += part;
                }
                rows += u64::from(counts.rows[bin as usize]);
            }
            (weight, rows)
        };
        let only_missing = [0, 0, 0, 1 << 63];
        for (set, missing_left) in [(set, false), (only_missing, true)] {
            if missing_left && !missing {
                break;
            }
            let (weight, rows) = add(&set, left);
            let side = Side {
                totals: left,
                weight,
                rows,
            };
            let Some(new) = self.score(side) else {
                continue;
            };
            let score = best.as_ref().map(|cut| &cut.score);
            if self.beats(new, || self.exact(side), score) {
                let found = Found {
                    bin: 0,
                    score: Score {
                        top: new.0,
                        bottom: new.1,
                        exact: self.exact(side),
                    },
                    sides: [weight, self.weight - weight],
                };
                best = Some(ClassCut {
                    absent: if shown.asked.levels { absent } else { [0; 4] },
                    ..self.cut(shown.asked, place, missing.then_some(missing_left), &found)
                });
            }
        }
        best
    }
}
