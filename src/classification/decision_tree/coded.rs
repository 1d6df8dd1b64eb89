//! Rows as codes of their values, and cuts of those codes.

use crate::design::binned::{BinnedDesign, MISSING};
use crate::kernel::tree::class_grow;
use crate::kernel::tree::class_histogram::Item;
use crate::kernel::tree::flat::{LevelSet, holds};

/// The code of a missing value.
pub(super) const NO_VALUE: u32 = u32::MAX;

/// Where the values of rows stand among those of training; levels are numbered by their bin.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Codes {
    /// Bins of a byte.
    Bins(BinnedDesign),
    /// By feature, the rank of the value of every row among the distinct ones.
    Ranks(Vec<Vec<u32>>),
}

impl Codes {
    #[inline]
    pub(super) fn code(&self, feature: usize, row: usize) -> u32 {
        match self {
            Self::Bins(design) => match design.bin(feature, row) {
                MISSING => NO_VALUE,
                bin => u32::from(bin),
            },
            Self::Ranks(ranks) => ranks[feature][row],
        }
    }

    pub(super) fn n_features(&self) -> usize {
        match self {
            Self::Bins(design) => design.n_features,
            Self::Ranks(ranks) => ranks.len(),
        }
    }

    pub(super) fn select(&self, rows: &[u32]) -> Self {
        match self {
            Self::Bins(design) => Self::Bins(design.select(rows)),
            Self::Ranks(ranks) => Self::Ranks(
                ranks
                    .iter()
                    .map(|ranks| rows.iter().map(|row| ranks[*row as usize]).collect())
                    .collect(),
            ),
        }
    }
}

/// Rows with what is known of them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Labelled {
    pub(super) codes: Codes,
    pub(super) classes: Vec<u32>,
    /// Whole-number weights, 1 or more.
    pub(super) weights: Vec<u32>,
    pub(super) n_classes: usize,
    /// By feature, its number of bins and whether they are levels.
    pub(super) bins: Vec<(usize, bool)>,
}

impl Labelled {
    pub(super) fn n_rows(&self) -> usize {
        self.classes.len()
    }

    pub(super) fn select(&self, rows: &[u32]) -> Self {
        let of = |list: &[u32]| rows.iter().map(|row| list[*row as usize]).collect();
        Self {
            codes: self.codes.select(rows),
            classes: of(&self.classes),
            weights: of(&self.weights),
            n_classes: self.n_classes,
            bins: self.bins.clone(),
        }
    }

    pub(super) fn is_level(&self, feature: usize) -> bool {
        self.bins[feature].1
    }

    /// The rows as trees for classes take them.
    pub(super) fn items(&self) -> Vec<Item> {
        let pairs = self.classes.iter().zip(&self.weights);
        let items = pairs.enumerate().map(|(row, (class, weight))| Item {
            row: row as u32,
            class: *class,
            weight: i64::from(*weight),
        });
        items.collect()
    }
}

/// The codes on one side of a cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Side {
    /// Those of numbers up to this one.
    UpTo(u32),
    /// Those of these levels.
    In(LevelSet),
    /// All: what is known against what is missing.
    Known,
}

impl Side {
    #[inline]
    pub(super) fn holds(&self, code: u32) -> bool {
        match self {
            Self::UpTo(last) => code <= *last,
            Self::In(set) => holds(set, code as usize),
            Self::Known => true,
        }
    }
}

/// A cut on another feature that stands in where the value of the first one is missing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct StandIn {
    pub(super) feature: u32,
    pub(super) side: Side,
    /// Whether rows on that side go left.
    pub(super) same: bool,
    /// Share of weight sent as by the cut itself, missing values by majority.
    pub(super) agreement: f64,
    /// What it gets right of that which the majority gets wrong.
    pub(super) adjusted: f64,
}

/// A cut: codes of its side go left.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cut {
    pub(super) feature: u32,
    pub(super) side: Side,
    /// Where rows go that neither the feature nor a stand-in can tell.
    pub(super) missing_left: bool,
    /// Impurity taken away, as a share of all weight.
    pub(super) gain: f64,
    /// Best first.
    pub(super) stand_ins: Vec<StandIn>,
}

impl Cut {
    #[inline]
    pub(super) fn goes_left(&self, codes: &Codes, row: usize) -> bool {
        let code = codes.code(self.feature as usize, row);
        if code != NO_VALUE {
            return self.side.holds(code);
        }
        for other in &self.stand_ins {
            let code = codes.code(other.feature as usize, row);
            if code != NO_VALUE {
                return other.side.holds(code) == other.same;
            }
        }
        self.missing_left
    }
}

/// A grown tree.
pub(super) type Grown = class_grow::Grown<Cut>;

impl Grown {
    /// Calls `see` with the nodes on the way of a row, root first.
    pub(super) fn way(&self, codes: &Codes, row: usize, mut see: impl FnMut(usize)) {
        let mut at = 0;
        loop {
            see(at);
            let node = &self.nodes[at];
            at = match &node.cut {
                None => return,
                Some(cut) if cut.goes_left(codes, row) => node.left,
                Some(_) => node.right,
            } as usize;
        }
    }
}
