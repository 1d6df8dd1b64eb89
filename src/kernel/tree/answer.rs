//! What holders of rows answer about a growing tree: rows walk to its nodes by their bins and are added
//! up there.

use serde::{Deserialize, Serialize};

use crate::design::binned::{BinnedDesign, Binner, Bins, Held, MISSING};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::tree::flat::{Tree, holds};
use crate::kernel::tree::histogram::{SLOTS, Slot};
use crate::kernel::tree::partition::{Ask, leaves, set_bit};
use crate::kernel::tree::quantise::halves;
use crate::kernel::tree::split::{Cut, Place};

/// A node as rows walk by it; children stand side by side behind it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// What a leaf adds.
    Leaf(f64),
    /// Bins up to `last` go left.
    Upto {
        feature: u32,
        left: u32,
        last: u8,
        missing: bool,
    },
    /// Bins in the set go left.
    Set {
        feature: u32,
        left: u32,
        bins: [u64; 4],
    },
}

impl Step {
    pub(super) fn of(cut: &Cut, left: u32) -> Self {
        let feature = cut.feature;
        let missing = cut.missing_left == Some(true);
        match cut.place {
            Place::Number(last) => Self::Upto {
                feature,
                left,
                last,
                missing,
            },
            Place::Levels(mut bins) => {
                set_bit(&mut bins, MISSING, missing);
                Self::Set {
                    feature,
                    left,
                    bins,
                }
            }
        }
    }
}

/// The steps of a grown tree.
pub(crate) fn steps_of(tree: &Tree, by_bins: &[[u64; 4]], binner: &Binner) -> Vec<Step> {
    let nodes = tree.nodes.iter().zip(by_bins).enumerate();
    nodes
        .map(|(at, (node, bins))| {
            if node.is_leaf() {
                return Step::Leaf(tree.values.get(at).copied().unwrap_or(0.0));
            }
            let (feature, left, bins) = (node.feature, node.left, *bins);
            let n_left = (0..usize::from(MISSING)).take_while(|bin| holds(&bins, *bin));
            match (&binner.bins[feature as usize], n_left.count()) {
                (Bins::Number(_), n @ 1..) => Step::Upto {
                    feature,
                    left,
                    last: (n - 1) as u8,
                    missing: node.missing_left,
                },
                _ => Step::Set {
                    feature,
                    left,
                    bins,
                },
            }
        })
        .collect()
}

/// Steps ready to be walked.
#[derive(Debug)]
pub(crate) struct Walk(Vec<Stop>);

#[derive(Debug, Clone, Copy)]
struct Stop {
    feature: usize,
    /// 0 in a leaf.
    left: usize,
    bins: [u64; 4],
    value: f64,
}

impl Walk {
    /// # Errors
    /// [`ErrorKind::Schema`] for steps that are no tree on so many features.
    pub(crate) fn new(steps: &[Step], n_features: usize) -> Result<Self> {
        let refuse = || Error::from(ErrorKind::Schema("steps that are no tree".into()));
        let inner = |at: usize, feature: u32, left: u32, bins| {
            let (feature, left) = (feature as usize, left as usize);
            let sound = feature < n_features && left > at && left + 1 < steps.len();
            sound.then_some(Stop {
                feature,
                left,
                bins,
                value: 0.0,
            })
        };
        let stop = |(at, step): (usize, &Step)| match *step {
            Step::Leaf(value) => value.is_finite().then_some(Stop {
                feature: 0,
                left: 0,
                bins: [0; 4],
                value,
            }),
            Step::Upto {
                feature,
                left,
                last,
                missing,
            } => {
                let mut bins = [0; 4];
                for bin in 0..=last.min(MISSING - 1) {
                    set_bit(&mut bins, bin, true);
                }
                set_bit(&mut bins, MISSING, missing);
                inner(at, feature, left, bins)
            }
            Step::Set {
                feature,
                left,
                bins,
            } => inner(at, feature, left, bins),
        };
        let stops: Option<Vec<Stop>> = steps.iter().enumerate().map(stop).collect();
        match stops {
            Some(stops) if !stops.is_empty() => Ok(Self(stops)),
            _ => Err(refuse()),
        }
    }

    pub(crate) fn n_nodes(&self) -> usize {
        self.0.len()
    }

    /// The leaves of all rows.
    pub(crate) fn leaves(&self, design: &BinnedDesign) -> Vec<u32> {
        leaves(design, 0..design.n_rows, |at| {
            let stop = &self.0[at];
            (stop.left > 0).then_some(Ask {
                feature: stop.feature,
                bins: &stop.bins,
                left: stop.left,
                right: stop.left + 1,
            })
        })
    }

    /// Adds to every row's score what its leaf adds.
    pub(crate) fn add_to(&self, design: &BinnedDesign, scores: &mut [f64]) {
        for (leaf, score) in self.leaves(design).into_iter().zip(scores) {
            *score += self.0[leaf as usize].value;
        }
    }
}

/// Sums of one bin of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BinSum {
    pub(crate) gradient: i64,
    pub(crate) curvature: i64,
    pub(crate) rows: u64,
}

impl BinSum {
    pub(crate) fn add(&mut self, other: &Self) {
        self.gradient = self.gradient.wrapping_add(other.gradient);
        self.curvature = self.curvature.wrapping_add(other.curvature);
        self.rows = self.rows.saturating_add(other.rows);
    }

    pub(super) fn take_away(&mut self, other: &Self) {
        self.gradient = self.gradient.wrapping_sub(other.gradient);
        self.curvature = self.curvature.wrapping_sub(other.curvature);
        self.rows = self.rows.saturating_sub(other.rows);
    }
}

/// Where the bins of the drawn features stand in the sums of a node, those of missing values last.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Feature, first place, bins of present values.
    pub(super) features: Vec<(usize, usize, usize)>,
    pub(crate) len: usize,
}

impl Layout {
    pub(crate) fn new(binner: &Binner, allowed: &[bool]) -> Self {
        let mut len = 0;
        let mut features = Vec::new();
        for (feature, (bins, allowed)) in binner.bins.iter().zip(allowed).enumerate() {
            if *allowed {
                features.push((feature, len, bins.len()));
                len += bins.len() + 1;
            }
        }
        Self { features, len }
    }

    /// Counts rows by the asked node that they come to, if any; `words` are those of all rows.
    pub(crate) fn count(
        &self,
        design: &BinnedDesign,
        walk: &Walk,
        asked: &[u32],
        rows: &[u32],
        words: &[i64],
    ) -> Vec<Vec<BinSum>> {
        let mut places = vec![usize::MAX; walk.n_nodes()];
        for (place, node) in asked.iter().enumerate() {
            if let Some(slot) = places.get_mut(*node as usize) {
                *slot = place;
            }
        }
        let leaves = walk.leaves(design);
        // By row, the place of the node that it comes to among those asked.
        let mut place_of = vec![usize::MAX; design.n_rows];
        for row in rows {
            place_of[*row as usize] = places[leaves[*row as usize] as usize];
        }
        let one = |row: usize| {
            let (gradient, curvature) = halves(words[row]);
            BinSum {
                gradient,
                curvature,
                rows: 1,
            }
        };
        let held = |at: &(usize, usize, usize)| (design.held(at.0), at.1, at.2);
        let mut dense = Vec::new();
        let mut listed = Vec::new();
        for (held, first, n_bins) in self.features.iter().map(held) {
            match held {
                Held::Dense(group, lane) => dense.push((group, lane, first, n_bins)),
                Held::Listed(list) => listed.push((list, first, n_bins)),
            }
        }
        let mut sums = vec![vec![BinSum::default(); self.len]; asked.len()];
        let mut totals = vec![BinSum::default(); asked.len()];
        for row in rows {
            let row = *row as usize;
            let Some(sums) = sums.get_mut(place_of[row]) else {
                continue;
            };
            let one = one(row);
            totals[place_of[row]].add(&one);
            for (group, lane, first, n_bins) in &dense {
                let bin = usize::from(group[row][*lane]).min(*n_bins);
                sums[first + bin].add(&one);
            }
        }
        for (list, first, n_bins) in listed {
            let bin_of = |bin: u8| first + usize::from(bin).min(n_bins);
            let common = bin_of(list.common);
            for (sums, total) in sums.iter_mut().zip(&totals) {
                sums[common].add(total);
            }
            for (row, bin) in list.rows.iter().zip(&list.bins) {
                let row = *row as usize;
                if let Some(sums) = sums.get_mut(place_of[row]) {
                    let one = one(row);
                    sums[common].take_away(&one);
                    sums[bin_of(*bin)].add(&one);
                }
            }
        }
        sums
    }

    pub(super) fn rows(&self, sums: &[BinSum]) -> u64 {
        let first = self.features.first();
        first.map_or(0, |(_, first, n_bins)| {
            let bins = sums[*first..].iter().take(n_bins + 1);
            bins.fold(0, |rows: u64, bin| rows.saturating_add(bin.rows))
        })
    }

    /// Whether enough rows of a node are in other bins of a feature than its most frequent one: on one
    /// side of every cut there are no others.
    pub(super) fn divides(&self, at: (usize, usize), sums: &[BinSum], least: u64) -> bool {
        let bins = sums[at.0..].iter().take(at.1 + 1);
        let (all, most) = bins.fold((0_u64, 0), |(all, most), bin| {
            (all.saturating_add(bin.rows), bin.rows.max(most))
        });
        all - most >= least
    }

    pub(super) fn slots(
        &self,
        at: (usize, usize),
        sums: &[BinSum],
    ) -> ([Slot; SLOTS], [u32; SLOTS]) {
        let (first, n_bins) = at;
        let mut slots = [Slot::default(); SLOTS];
        let mut rows = [0; SLOTS];
        for (bin, sum) in sums[first..].iter().take(n_bins + 1).enumerate() {
            let bin = if bin == n_bins { SLOTS - 1 } else { bin };
            slots[bin] = Slot {
                gradient: sum.gradient,
                curvature: sum.curvature,
            };
            rows[bin] = u32::try_from(sum.rows).unwrap_or(u32::MAX);
        }
        (slots, rows)
    }
}

/// Fine sums of a leaf.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeafSum {
    pub(crate) gradient: i64,
    pub(crate) curvature: i64,
    pub(crate) weight: i64,
    pub(crate) rows: u64,
}

impl LeafSum {
    pub(crate) fn add(&mut self, other: &Self) {
        self.gradient = self.gradient.wrapping_add(other.gradient);
        self.curvature = self.curvature.wrapping_add(other.curvature);
        self.weight = self.weight.wrapping_add(other.weight);
        self.rows = self.rows.saturating_add(other.rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_are_no_tree_are_refused() {
        let upto = |feature, left| Step::Upto {
            feature,
            left,
            last: 3,
            missing: false,
        };
        let leaf = Step::Leaf(0.5);
        assert!(Walk::new(&[upto(1, 1), leaf, leaf], 2).is_ok());
        for steps in [
            vec![],
            vec![upto(2, 1), leaf, leaf],
            vec![upto(0, 0), leaf, leaf],
            vec![upto(0, 2), leaf, leaf],
            vec![Step::Leaf(f64::NAN)],
        ] {
            assert!(Walk::new(&steps, 2).is_err(), "{steps:?}");
        }
    }

    #[test]
    fn rows_walk_by_bins_levels_and_gaps() {
        let columns = [vec![2, 4, 4, MISSING], vec![0, 5, 6, 5]];
        let design = BinnedDesign::of_columns(4, columns);
        let mut bins = [0; 4];
        set_bit(&mut bins, 5, true);
        let steps = [
            Step::Upto {
                feature: 0,
                left: 1,
                last: 3,
                missing: false,
            },
            Step::Leaf(1.0),
            Step::Set {
                feature: 1,
                left: 3,
                bins,
            },
            Step::Leaf(2.0),
            Step::Leaf(4.0),
        ];
        let mut scores = vec![0.5; 4];
        Walk::new(&steps, 2).unwrap().add_to(&design, &mut scores);
        assert_eq!(scores, [1.5, 2.5, 4.5, 2.5]);
    }
}
