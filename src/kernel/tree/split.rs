//! The best cut of a node, from its histogram alone.
//!
//! With `G` and `H` the sums of gradient and curvature, a child is worth `T(G)^2 / (H + l2)` where `T`
//! shrinks by `l1`; a cut gains what its children are worth less what the node is worth.

use crate::kernel::tree::flat::LevelSet;
use crate::kernel::tree::histogram::{SLOTS, Slot};
use crate::kernel::tree::quantise::{ROUNDER, Scale};
use crate::numeric::simd::{NullaryFnOnce, dispatch};

/// So few bins are searched in tables of their own size: most flags and counts.
const FEW_BINS: usize = 8;

/// The bins of a number.
const IN_ORDER: [u8; SLOTS] = {
    let mut bins = [0; SLOTS];
    let mut bin = 0;
    while bin < SLOTS {
        bins[bin] = bin as u8;
        bin += 1;
    }
    bins
};

/// The slot of missing values.
const MISSING_SLOT: usize = SLOTS - 1;

/// Penalty on second derivatives of cuts of levels, which have many ways to fit noise, and the same for
/// their order; as in LightGBM.
const LEVELS_L2: f64 = 10.0;
const LEVELS_SMOOTHING: f64 = 10.0;

/// So few levels cannot fit much noise: no penalty.
const FEW_LEVELS: usize = 4;

/// Among more levels than these, one with little curvature (about ten events, or fewer) has no place of
/// its own in the order: all such stay on the right.
const MANY_LEVELS: usize = 16;
const LEAST_OF_MANY: f64 = 10.0;

/// What bounds a cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) l1: f64,
    pub(crate) l2: f64,
    pub(crate) min_weight: f64,
    pub(crate) min_gain: f64,
    /// Least and largest value that a leaf below may have.
    pub(crate) bounds: (f64, f64),
}

/// Where a node is cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Place {
    /// Bins up to it go left.
    Number(u8),
    /// Bins in it go left.
    Levels(LevelSet),
}

/// A cut of a node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cut {
    pub(crate) feature: u32,
    pub(crate) place: Place,
    pub(crate) gain: f64,
    /// Where missing values go; `None` if the node has none.
    pub(crate) missing_left: Option<bool>,
    pub(crate) left: Slot,
    pub(crate) right: Slot,
}

/// Shrinks by `l1` towards zero.
#[inline(always)]
fn shrink(gradient: f64, l1: f64) -> f64 {
    if l1 == 0.0 {
        return gradient;
    }
    (gradient.abs() - l1).max(0.0).copysign(gradient)
}

impl Limits {
    /// The value of a leaf with these sums.
    #[inline]
    pub(crate) fn value(&self, gradient: f64, curvature: f64) -> f64 {
        let whole = curvature + self.l2;
        if whole <= 0.0 {
            return 0.0_f64.clamp(self.bounds.0, self.bounds.1);
        }
        (-shrink(gradient, self.l1) / whole).clamp(self.bounds.0, self.bounds.1)
    }

    /// What the children must be worth more than.
    fn least(&self, node: f64) -> f64 {
        (self.min_gain + node).max(node + f64::EPSILON * node.abs())
    }

    fn bounded(&self) -> bool {
        self.bounds != (f64::NEG_INFINITY, f64::INFINITY)
    }

    /// What a child with these sums is worth, twice the decrease of the objective.
    #[inline(always)]
    fn worth(&self, gradient: f64, curvature: f64, l2: f64) -> f64 {
        let shrunk = shrink(gradient, self.l1);
        shrunk * shrunk / (curvature + l2)
    }

    /// The same where the value may not be the best one.
    fn bounded_worth(&self, gradient: f64, curvature: f64, l2: f64) -> f64 {
        let value = self.value(gradient, curvature);
        -(2.0 * shrink(gradient, self.l1) * value + (curvature + l2) * value * value)
    }
}

/// What a search knows of a feature.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) feature: u32,
    pub(crate) slots: &'a [Slot; SLOTS],
    /// Bins of present values.
    pub(crate) n_bins: usize,
    pub(crate) levels: bool,
    /// -1, 0 or 1: the direction that values must take along it.
    pub(crate) monotone: i8,
    /// Rows of every bin, where few rows in a child must be ruled out exactly, and the least number.
    pub(crate) rows: Option<(&'a [u32; SLOTS], u64)>,
}

/// The best cut of one feature, on equal gains the first; `None` where nothing gains.
pub(crate) fn best_cut(
    asked: Asked<'_>,
    total: Slot,
    scale: &Scale,
    limits: &Limits,
) -> Option<Cut> {
    if asked.levels {
        return by_levels(asked, total, scale, limits);
    }
    let missing = asked.slots[MISSING_SLOT];
    let has_missing =
        missing != Slot::default() || asked.rows.is_some_and(|(rows, _)| rows[MISSING_SLOT] > 0);
    let order = &IN_ORDER;
    let last = if has_missing {
        asked.n_bins
    } else {
        asked.n_bins.saturating_sub(1)
    };
    let start = |from: Slot, rows: u64| Search {
        asked,
        total,
        scale,
        limits,
        l2: limits.l2,
        from,
        from_rows: rows,
    };
    let plain = !limits.bounded() && limits.l1 == 0.0;
    let (right, left) = if plain && asked.monotone == 0 && asked.rows.is_none() {
        let given = (&asked.slots[..last], asked.n_bins, total);
        let missing = has_missing.then_some(missing);
        if last <= FEW_BINS {
            Prefix::<FEW_BINS>::search(given, missing, scale, limits)
        } else {
            Prefix::<SLOTS>::search(given, missing, scale, limits)
        }
    } else {
        let right = start(Slot::default(), 0).along(&order[..last]);
        let left = has_missing.then(|| {
            let rows = asked
                .rows
                .map_or(0, |(rows, _)| u64::from(rows[MISSING_SLOT]));
            let present = asked.n_bins.saturating_sub(1);
            start(missing, rows).along(&order[..present])
        });
        (right, left.flatten())
    };
    let missing_left = has_missing.then_some(false);
    let cut = |found: Found, missing_left| Cut {
        feature: asked.feature,
        place: Place::Number(order[found.place]),
        gain: found.gain,
        missing_left,
        left: found.left,
        right: minus(total, found.left),
    };
    match (right, left) {
        (Some(right), Some(left)) if left.gain > right.gain => Some(cut(left, Some(true))),
        (Some(right), _) => Some(cut(right, missing_left)),
        (None, Some(left)) => Some(cut(left, Some(true))),
        (None, None) => None,
    }
}

/// Levels in the order of their mean gradient, cut like a number (Fisher, J. Am. Stat. Assoc. 53, 1958,
/// doi 10.1080/01621459.1958.10501479); missing values are one level more.
fn by_levels(asked: Asked<'_>, total: Slot, scale: &Scale, limits: &Limits) -> Option<Cut> {
    let filled = || {
        (0..asked.n_bins)
            .chain([MISSING_SLOT])
            .filter(|bin| asked.slots[*bin] != Slot::default())
    };
    let n_levels = filled().count();
    let least = if n_levels > MANY_LEVELS {
        LEAST_OF_MANY
    } else {
        0.0
    };
    let mut order: Vec<(f64, u8)> = filled()
        .map(|bin| {
            let slot = asked.slots[bin];
            let gradient = slot.gradient as f64 * scale.gradient;
            (gradient, slot.curvature as f64 * scale.curvature, bin)
        })
        .filter(|(_, curvature, _)| *curvature >= least)
        .map(|(gradient, curvature, bin)| (gradient / (curvature + LEVELS_SMOOTHING), bin as u8))
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let order: Vec<u8> = order.into_iter().map(|(_, bin)| bin).collect();
    let search = Search {
        asked,
        total,
        scale,
        limits,
        l2: limits.l2
            + if n_levels > FEW_LEVELS {
                LEVELS_L2
            } else {
                0.0
            },
        from: Slot::default(),
        from_rows: 0,
    };
    // With levels set aside the right is never empty.
    let aside = n_levels > order.len();
    let last = order.len().saturating_sub(usize::from(!aside));
    let found = search.along(order.get(..last)?)?;
    let mut set = [0; 4];
    let mut missing_left = filled().any(|bin| bin == MISSING_SLOT).then_some(false);
    for (place, bin) in order.iter().enumerate() {
        let left = place <= found.place;
        if *bin as usize == MISSING_SLOT {
            missing_left = Some(left);
        } else if left {
            set[*bin as usize / 64] |= 1 << (bin % 64);
        }
    }
    Some(Cut {
        feature: asked.feature,
        place: Place::Levels(set),
        gain: found.gain,
        missing_left,
        left: found.left,
        right: minus(total, found.left),
    })
}

fn minus(total: Slot, part: Slot) -> Slot {
    Slot {
        gradient: total.gradient - part.gradient,
        curvature: total.curvature - part.curvature,
    }
}

/// Sums over the bins of a number from the first one on: for cuts that nothing but the least weight
/// and gain bounds, whose worth is then worked out side by side.
struct Prefix<'a, const N: usize> {
    gradient: [i64; N],
    curvature: [i64; N],
    total: Slot,
    scale: &'a Scale,
    limits: &'a Limits,
}

impl<'a, const N: usize> Prefix<'a, N> {
    /// The best cut with missing values on the right and, where there are any, on the left.
    fn search(
        (slots, n_bins, total): (&[Slot], usize, Slot),
        missing: Option<Slot>,
        scale: &'a Scale,
        limits: &'a Limits,
    ) -> (Option<Found>, Option<Found>) {
        let prefix = Self::new(slots, total, scale, limits);
        let left = missing.and_then(|missing| prefix.best(missing, n_bins.saturating_sub(1)));
        (prefix.best(Slot::default(), slots.len()), left)
    }

    fn new(slots: &[Slot], total: Slot, scale: &'a Scale, limits: &'a Limits) -> Self {
        let (mut gradient, mut curvature) = ([0; N], [0; N]);
        let mut sum = Slot::default();
        for ((gradient, curvature), slot) in gradient.iter_mut().zip(&mut curvature).zip(slots) {
            sum.gradient += slot.gradient;
            sum.curvature += slot.curvature;
            (*gradient, *curvature) = (sum.gradient, sum.curvature);
        }
        Self {
            gradient,
            curvature,
            total,
            scale,
            limits,
        }
    }

    /// The best cut after one of the first `n` bins, with `from` on the left from the start.
    fn best(&self, from: Slot, n: usize) -> Option<Found> {
        let mut worths = [f64::NEG_INFINITY; N];
        dispatch(Worths {
            prefix: self,
            from,
            worths: &mut worths[..n],
        });
        let limits = self.limits;
        let (g, h) = (
            self.total.gradient as f64 * self.scale.gradient,
            self.total.curvature as f64 * self.scale.curvature,
        );
        let node = limits.worth(g, h, limits.l2);
        let mut least = limits.least(node);
        let mut best = None;
        for (place, worth) in worths[..n].iter().enumerate() {
            if *worth > least {
                least = *worth;
                best = Some(place);
            }
        }
        best.map(|place| Found {
            place,
            gain: worths[place] - node,
            left: Slot {
                gradient: from.gradient + self.gradient[place],
                curvature: from.curvature + self.curvature[place],
            },
        })
    }
}

struct Worths<'a, const N: usize> {
    prefix: &'a Prefix<'a, N>,
    from: Slot,
    worths: &'a mut [f64],
}

impl<const N: usize> NullaryFnOnce for Worths<'_, N> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Prefix {
            gradient,
            curvature,
            total,
            scale,
            limits,
        } = self.prefix;
        // Sums stay below 2^51 in size: as numbers, and less one another, they are exact.
        let (g, h) = (exact(total.gradient), exact(total.curvature));
        // All by value: behind a reference they would be read anew for every bin, one at a time.
        let (l2, least, from) = (limits.l2, limits.min_weight, self.from);
        let Scale {
            gradient: unit_g,
            curvature: unit_h,
            ..
        } = **scale;
        let sums = gradient.iter().zip(curvature);
        for (worth, (gradient, curvature)) in self.worths.iter_mut().zip(sums) {
            let left_g = exact(from.gradient + gradient);
            let left_h = exact(from.curvature + curvature);
            let (gl, hl) = (left_g * unit_g, left_h * unit_h);
            let gr = (g - left_g) * unit_g;
            let hr = (h - left_h) * unit_h;
            // One division instead of two.
            let (a, b) = (hl + l2, hr + l2);
            let value = (gl * gl * b + gr * gr * a) / (a * b);
            let enough = hl >= least && hr >= least;
            *worth = if enough { value } else { f64::NEG_INFINITY };
        }
    }
}

/// A whole number below 2^51 in size, without a conversion that takes one at a time.
#[inline(always)]
fn exact(whole: i64) -> f64 {
    f64::from_bits(ROUNDER.to_bits().wrapping_add(whole as u64)) - ROUNDER
}

struct Search<'a> {
    asked: Asked<'a>,
    total: Slot,
    scale: &'a Scale,
    limits: &'a Limits,
    l2: f64,
    /// What goes left from the start.
    from: Slot,
    from_rows: u64,
}

struct Found {
    place: usize,
    gain: f64,
    left: Slot,
}

impl Search<'_> {
    /// The best cut after one of the bins in this order.
    fn along(&self, order: &[u8]) -> Option<Found> {
        let Self {
            scale, limits, l2, ..
        } = *self;
        let real = |slot: Slot| {
            (
                slot.gradient as f64 * scale.gradient,
                slot.curvature as f64 * scale.curvature,
            )
        };
        let (g, h) = real(self.total);
        let bounded = limits.bounded() || self.asked.monotone != 0;
        let node = if bounded {
            limits.bounded_worth(g, h, l2)
        } else {
            limits.worth(g, h, l2)
        };
        let all_rows = self.asked.rows.map(|(rows, least)| {
            let sum: u64 = rows.iter().map(|rows| u64::from(*rows)).sum();
            (rows, least, sum)
        });
        let (mut left, mut left_rows) = (self.from, self.from_rows);
        let mut best: Option<Found> = None;
        let mut least = limits.least(node);
        for (place, bin) in order.iter().enumerate() {
            let slot = self.asked.slots[*bin as usize];
            if slot == Slot::default() && all_rows.is_none() {
                continue;
            }
            left.gradient += slot.gradient;
            left.curvature += slot.curvature;
            if let Some((rows, at_least, sum)) = all_rows {
                left_rows += u64::from(rows[*bin as usize]);
                if left_rows < at_least || sum - left_rows < at_least {
                    continue;
                }
            }
            let (gl, hl) = real(left);
            let (gr, hr) = real(minus(self.total, left));
            if hl < limits.min_weight || hr < limits.min_weight {
                continue;
            }
            let worth = if bounded {
                let (vl, vr) = (limits.value(gl, hl), limits.value(gr, hr));
                if f64::from(self.asked.monotone) * (vr - vl) < 0.0 {
                    continue;
                }
                limits.bounded_worth(gl, hl, l2) + limits.bounded_worth(gr, hr, l2)
            } else if limits.l1 == 0.0 {
                // As in `Worths`, to the bit.
                let (a, b) = (hl + l2, hr + l2);
                (gl * gl * b + gr * gr * a) / (a * b)
            } else {
                limits.worth(gl, hl, l2) + limits.worth(gr, hr, l2)
            };
            if worth > least {
                least = worth;
                best = Some(Found {
                    place,
                    gain: worth - node,
                    left,
                });
            }
        }
        best
    }
}
