//! Many small trees at once: which leaf a row reaches, from masks of leaves.
//!
//! ```text
//!   value of a feature -> its interval among all cuts -> for 16 trees: the leaves that it leaves open
//!                                                        and over all features; the first open leaf is it
//! ```
//!
//! Leaves are numbered from left to right. A row that goes right at a cut cannot reach the leaves on its
//! left; of the leaves that no cut closes the first is the row's (QuickScorer: Lucchese, Nardini, Orlando,
//! Perego, Tonellotto and Venturini 2015, doi:10.1145/2766462.2767733). Here the masks of all cuts of a
//! feature are joined beforehand for every interval between its thresholds, hence a row takes one step a
//! feature and group of trees, and no branch depends on a value.

use std::collections::BTreeMap;
use std::ops::{BitAnd, Not};

use crate::kernel::tree::flat::{LevelSet, holds};
use crate::kernel::tree::walk::{Ask, Walk};

/// Rows whose states are held at a time: they and a table fit the first caches.
const BLOCK: usize = 64;

/// Levels have codes up to 255; one state for all beyond, one for missing ones.
const LEVEL_STATES: usize = 258;

/// A set of leaves.
pub(crate) trait Leaves:
    Copy + Ord + std::fmt::Debug + BitAnd<Output = Self> + Not<Output = Self> + Send + Sync
{
    const ALL: Self;
    /// The leaves of a range.
    fn range(start: u32, end: u32) -> Self;
    /// The first leaf of a set that is not empty.
    fn first(self) -> usize;
}

macro_rules! leaves {
    ($word:ty) => {
        impl Leaves for $word {
            const ALL: Self = Self::MAX;
            fn range(start: u32, end: u32) -> Self {
                let below = |end: u32| Self::MAX.checked_shr(Self::BITS - end).unwrap_or(0);
                below(end) & !below(start)
            }
            #[inline(always)]
            fn first(self) -> usize {
                self.trailing_zeros() as usize
            }
        }
    };
}
leaves!(u32);
leaves!(u64);

/// What is asked of one feature, over all trees.
#[derive(Debug, Clone)]
enum States {
    /// The number of thresholds below a value, and one more for missing ones.
    Number(Vec<f64>),
    Levels,
}

impl States {
    fn len(&self) -> usize {
        match self {
            Self::Number(thresholds) => thresholds.len() + 2,
            Self::Levels => LEVEL_STATES,
        }
    }

    #[inline]
    fn of(&self, value: f64) -> usize {
        match self {
            Self::Number(thresholds) if value.is_nan() => thresholds.len() + 1,
            Self::Number(thresholds) => thresholds.partition_point(|cut| *cut < value),
            Self::Levels if value.is_nan() => LEVEL_STATES - 1,
            Self::Levels => (value as usize).min(LEVEL_STATES - 2),
        }
    }

    /// Whether the rows of a state go left at a cut.
    fn goes_left(&self, state: usize, ask: &Ask, sets: &[LevelSet]) -> bool {
        if state == self.len() - 1 {
            return ask.missing_left;
        }
        match self {
            Self::Number(thresholds) => thresholds.get(state).is_some_and(|t| *t <= ask.cut),
            Self::Levels => holds(&sets[ask.cut as usize], state),
        }
    }
}

/// A feature in a group of trees.
#[derive(Debug, Clone)]
struct Asked {
    /// Among the features that any tree asks for.
    position: usize,
    /// Where its states begin in `rows`.
    start: usize,
}

/// `N` trees.
#[derive(Debug, Clone)]
struct Group<L, const N: usize> {
    asked: Vec<Asked>,
    /// The row of `open` for every state of every asked feature.
    rows: Vec<u16>,
    /// Leaves that a state leaves open in every tree.
    open: Vec<[L; N]>,
    /// Values of the leaves of each tree, side by side.
    values: Vec<f64>,
    /// Where those of each tree begin.
    starts: Vec<usize>,
}

#[derive(Debug, Clone)]
enum Groups {
    /// Trees of up to 32 leaves.
    Small(Vec<Group<u32, 16>>),
    /// Trees of up to 64.
    Large(Vec<Group<u64, 8>>),
}

/// Trees of one value a leaf, as masks.
#[derive(Debug, Clone)]
pub(crate) struct Masks {
    /// Features that are asked, increasing, and their states.
    features: Vec<(usize, States)>,
    groups: Groups,
}

impl Masks {
    /// `None` where trees have more than 64 leaves, or cuts are too many to be numbered.
    pub(crate) fn new(walks: &[Walk]) -> Option<Self> {
        let most = walks.iter().map(Walk::n_leaves).max()?;
        if most > 64 {
            return None;
        }
        let features = states(walks)?;
        let position = |feature: u32| {
            let found = features.binary_search_by_key(&(feature as usize), |(at, _)| *at);
            found.unwrap_or(0)
        };
        let groups = if most <= 32 {
            let groups = walks.chunks(16);
            Groups::Small(
                groups
                    .map(|w| group(w, &features, position))
                    .collect::<Option<_>>()?,
            )
        } else {
            let groups = walks.chunks(8);
            Groups::Large(
                groups
                    .map(|w| group(w, &features, position))
                    .collect::<Option<_>>()?,
            )
        };
        Some(Self { features, groups })
    }

    /// Adds what the trees say of row-major rows of `width` values to `out`, `outputs` a row; trees
    /// belong to outputs in turn.
    pub(crate) fn add(&self, width: usize, rows: &[f64], outputs: usize, out: &mut [f64]) {
        let n_features = self.features.len();
        let mut states = vec![0_u16; BLOCK * n_features];
        let blocks = rows
            .chunks(BLOCK * width)
            .zip(out.chunks_mut(BLOCK * outputs));
        for (block, out) in blocks {
            for (at, (feature, of)) in self.features.iter().enumerate() {
                let values = block[*feature..].iter().step_by(width);
                for (state, value) in states[at..].iter_mut().step_by(n_features).zip(values) {
                    *state = of.of(*value) as u16;
                }
            }
            match &self.groups {
                Groups::Small(groups) => add_groups(groups, &states, n_features, outputs, out),
                Groups::Large(groups) => add_groups(groups, &states, n_features, outputs, out),
            }
        }
    }
}

fn add_groups<L: Leaves, const N: usize>(
    groups: &[Group<L, N>],
    states: &[u16],
    n_features: usize,
    outputs: usize,
    out: &mut [f64],
) {
    let mut first = 0;
    for group in groups {
        for (row, out) in out.chunks_mut(outputs).enumerate() {
            let states = &states[row * n_features..(row + 1) * n_features];
            let mut open = [L::ALL; N];
            for asked in &group.asked {
                let state = usize::from(states[asked.position]);
                let left = &group.open[usize::from(group.rows[asked.start + state])];
                for (open, left) in open.iter_mut().zip(left) {
                    *open = *open & *left;
                }
            }
            let mut output = first;
            for (start, open) in group.starts.iter().zip(&open) {
                out[output] += group.values[start + open.first()];
                output += 1;
                if output == outputs {
                    output = 0;
                }
            }
        }
        first = (first + group.starts.len()) % outputs;
    }
}

/// Features that trees ask for and their states; `None` where one is asked both ways, or has more
/// states than two bytes count.
fn states(walks: &[Walk]) -> Option<Vec<(usize, States)>> {
    let mut features: BTreeMap<usize, States> = BTreeMap::new();
    for ask in walks.iter().flat_map(Walk::asks).map(|(_, ask)| ask) {
        let first = || match ask.levels {
            true => States::Levels,
            false => States::Number(Vec::new()),
        };
        let states = features.entry(ask.feature as usize).or_insert_with(first);
        match (states, ask.levels) {
            (States::Levels, true) => {}
            (States::Number(thresholds), false) => thresholds.push(ask.cut),
            _ => return None,
        }
    }
    for states in features.values_mut() {
        if let States::Number(thresholds) = states {
            thresholds.sort_by(f64::total_cmp);
            thresholds.dedup();
        }
        if states.len() > usize::from(u16::MAX) {
            return None;
        }
    }
    Some(features.into_iter().collect())
}

/// `None` where the tables have more rows than two bytes count.
fn group<L: Leaves, const N: usize>(
    walks: &[Walk],
    features: &[(usize, States)],
    position: impl Fn(u32) -> usize,
) -> Option<Group<L, N>> {
    // Cuts by feature: tree, what is asked, leaves that a row going right cannot reach.
    let mut cuts: BTreeMap<usize, Vec<(usize, Ask, L)>> = BTreeMap::new();
    let (mut values, mut starts) = (Vec::new(), Vec::new());
    for (tree, walk) in walks.iter().enumerate() {
        let ranges = walk.leaf_ranges();
        for (step, ask) in walk.asks() {
            let (start, end) = ranges[ask.child];
            debug_assert_eq!(ranges[step].0, start);
            let closed = L::range(start, end);
            let feature = position(ask.feature);
            cuts.entry(feature).or_default().push((tree, ask, !closed));
        }
        starts.push(values.len());
        values.extend(walk.leaf_values());
    }
    let (mut asked, mut rows, mut open) = (Vec::new(), Vec::new(), Vec::new());
    for (position, cuts) in cuts {
        let states = &features[position].1;
        asked.push(Asked {
            position,
            start: rows.len(),
        });
        let mut known: BTreeMap<[L; N], u16> = BTreeMap::new();
        for state in 0..states.len() {
            let mut row = [L::ALL; N];
            for (tree, ask, mask) in &cuts {
                if !states.goes_left(state, ask, walks[*tree].sets()) {
                    row[*tree] = row[*tree] & *mask;
                }
            }
            let next = u16::try_from(open.len()).ok()?;
            rows.push(*known.entry(row).or_insert_with(|| {
                open.push(row);
                next
            }));
        }
    }
    Some(Group {
        asked,
        rows,
        open,
        values,
        starts,
    })
}
