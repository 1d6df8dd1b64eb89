//! Histograms of two classes: a bin is one word, its weight in the lower half, that of class 1 in the
//! upper one.
//!
//! ```text
//!   smaller child: counted        larger child = parent - smaller child        both: one addition a word
//! ```

use crate::design::binned::{GROUP, MISSING};
use crate::kernel::tree::class_histogram::{Counts, Item, SLOTS};
use crate::kernel::tree::class_search::{Asked, Found, Shown};
use crate::kernel::tree::class_split::{CLOSE, ClassCut, EXACT_FLOAT, Impurity, Node, Score, Side};
use crate::kernel::tree::split::Place;

/// Weight that all rows together must stay below.
pub(crate) const MOST_PAIRED: i64 = 1 << 32;

/// Sums of the features that stand side by side.
pub(crate) type Pairs = [[u64; SLOTS]; GROUP];

/// Weights of the two classes.
#[inline(always)]
pub(crate) fn halves(pair: u64) -> [i64; 2] {
    let (all, of_one) = (i64::from(pair as u32), (pair >> 32) as i64);
    [all - of_one, of_one]
}

/// Counts items of two classes anew.
pub(crate) fn count_pairs(items: &[Item], group: &[[u8; GROUP]], pairs: &mut Pairs) {
    *pairs = [[0; SLOTS]; GROUP];
    for item in items {
        let weight = item.weight as u64;
        let word = weight | (weight * u64::from(item.class)) << 32;
        let bins = &group[item.row as usize];
        for (sums, bin) in pairs.iter_mut().zip(bins) {
            sums[*bin as usize] += word;
        }
    }
}

/// Takes one child from its parent: the other child.
pub(crate) fn subtract(parent: &mut Pairs, child: &Pairs) {
    let words = parent.as_flattened_mut().iter_mut();
    for (word, part) in words.zip(child.as_flattened()) {
        // Both halves are at least the child's: none borrows from the other.
        *word -= part;
    }
}

impl Node<'_> {
    /// The best cut of a feature where it beats `best`, else that. `room` is empty, and left so.
    pub(crate) fn best_pair_cut(
        &self,
        asked: Asked,
        sums: &[u64; SLOTS],
        best: Option<ClassCut>,
        room: &mut Counts,
    ) -> Option<ClassCut> {
        let general = asked.levels
            || self.impurity == Impurity::Entropy
            || self.weight > EXACT_FLOAT
            || self.bounds.min_rows > 1;
        if general {
            room.set_pairs(sums);
            let shown = Shown {
                asked,
                counts: room,
            };
            let cut = self.best_cut(shown, best, &mut [0; 2]);
            room.clear(2);
            return cut;
        }
        let missing = halves(sums[usize::from(MISSING)]);
        if self.bounds.known_only && missing != [0; 2] {
            let known = [0, 1].map(|class| self.totals[class] - missing[class]);
            return self.known(&known, 0).scan_pairs(asked, sums, 0, best);
        }
        let word = if self.bounds.known_only {
            0
        } else {
            sums[usize::from(MISSING)]
        };
        self.scan_pairs(asked, sums, word, best)
    }

    /// `missing` is the word of missing values that take part.
    fn scan_pairs(
        &self,
        asked: Asked,
        sums: &[u64; SLOTS],
        missing: u64,
        best: Option<ClassCut>,
    ) -> Option<ClassCut> {
        let bins = &sums[..asked.n_bins.min(usize::from(MISSING))];
        let right = self.scan(bins, 0, best.as_ref().map(|cut| &cut.score));
        let weight = i64::from(missing as u32);
        let best = right
            .map(|found| self.number_cut(asked, &found, weight))
            .or(best);
        if missing == 0 {
            return best;
        }
        let found = self.scan(bins, missing, best.as_ref().map(|cut| &cut.score));
        let found = found.map(|found| {
            let place = Place::Number(found.bin);
            self.cut(asked, place, Some(true), &found)
        });
        found.or(best)
    }

    /// The best cut after one of these bins, `left` being on the left before: as [`Node::along`], which
    /// only sees what is not clearly worse.
    fn scan(&self, bins: &[u64], mut left: u64, best: Option<&Score>) -> Option<Found> {
        let (n, all) = (self.weight as f64, self.totals[1] as f64);
        let of_node = if self.bounds.known_only { n } else { 1.0 };
        let mut score = best.copied();
        let bar = |score: &Option<Score>| match score {
            // Somewhat lower than it is.
            Some(score) => (score.top * (1.0 - 4.0 * CLOSE), score.bottom),
            None => (0.0, 1.0),
        };
        let (mut top_bar, mut bottom_bar) = bar(&score);
        let mut found = None;
        for (bin, word) in bins.iter().enumerate() {
            left += word;
            let (weight, of_one) = (f64::from(left as u32), f64::from((left >> 32) as u32));
            let parted = n * of_one - weight * all;
            let top = 2.0 * parted * parted;
            let bottom = weight * (n - weight) * of_node;
            if top * bottom_bar <= top_bar * bottom {
                continue;
            }
            let totals = halves(left);
            let weight = i64::from(left as u32);
            let side = Side {
                totals: &totals,
                weight,
                rows: 0,
            };
            if let Some(new) = self.improves(side, score.as_ref()) {
                score = Some(new);
                (top_bar, bottom_bar) = bar(&score);
                found = Some(Found {
                    bin: bin as u8,
                    score: new,
                    sides: [weight, self.weight - weight],
                });
            }
        }
        found
    }
}
