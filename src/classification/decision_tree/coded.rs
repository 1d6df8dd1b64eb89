//! Rows as codes of their values, and cuts of those codes.

use crate::design::binned::{BinnedDesign, MISSING};
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
    /// Whether all weights are 1.
    pub(super) unweighted: bool,
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
            unweighted: self.unweighted,
            bins: self.bins.clone(),
        }
    }

    pub(super) fn is_level(&self, feature: usize) -> bool {
        self.bins[feature].1
    }

    /// Weight of every class among some rows.
    pub(super) fn totals(&self, rows: &[u32]) -> Vec<u64> {
        let mut totals = vec![0; self.n_classes];
        for row in rows {
            let row = *row as usize;
            totals[self.classes[row] as usize] += u64::from(self.weights[row]);
        }
        totals
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

/// A node of a grown tree; children stand behind their parent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GrownNode {
    pub(super) cut: Option<Cut>,
    pub(super) left: u32,
    pub(super) right: u32,
    pub(super) rows: u64,
    pub(super) depth: u32,
}

/// A grown tree with the weight of every class at every node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grown {
    pub(super) nodes: Vec<GrownNode>,
    pub(super) n_classes: usize,
    /// Those of node `i` stand at `i * n_classes`.
    pub(super) counts: Vec<u64>,
}

impl Grown {
    pub(super) fn counts(&self, node: usize) -> &[u64] {
        &self.counts[node * self.n_classes..(node + 1) * self.n_classes]
    }

    pub(super) fn weight(&self, node: usize) -> u64 {
        self.counts(node).iter().sum()
    }

    pub(super) fn share(&self, node: usize, class: usize) -> f64 {
        self.counts(node)[class] as f64 / self.weight(node) as f64
    }

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
