//! Pairs of items that were found, as a list and as a graph.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::association::rule_table::shown;
use crate::association::saved::RawPairs;
use crate::association::{Adjustment, PairCounts, Stratified};
use crate::estimator::figure::{Axis, Figure, GraphEdge, GraphNode};

/// Two items that come together more often (or more rarely) than expected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The item of smaller number.
    pub a: u32,
    /// The other item.
    pub b: u32,
    /// Units by both items, among those that know both.
    pub counts: PairCounts,
    /// The largest of the p-values asked for.
    pub p: f64,
    /// That p-value adjusted for all pairs judged.
    pub adjusted_p: f64,
    /// What strata say, where the search had some.
    pub stratified: Option<Stratified>,
    /// What record lengths let expect, where they were judged.
    pub records: Option<RecordExpectation>,
}

/// What the lengths of the records let expect of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RecordExpectation {
    /// Expected units with both.
    pub expected: f64,
    /// Observed over expected; `None` for 0/0.
    pub adjusted_lift: Option<f64>,
    /// Observed less expected in standard deviations; `None` where nothing varies.
    pub z: Option<f64>,
    /// p-value under the record model.
    pub p: f64,
}

/// Pairs, smallest p-value first; found by [`Cooccurrence`](crate::association::Cooccurrence).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawPairs")]
pub struct Pairs {
    pub(super) names: Vec<String>,
    pub(super) supports: Vec<u64>,
    pub(super) n_units: usize,
    pub(super) n_tests: u64,
    pub(super) adjustment: Adjustment,
    pub(super) alpha: f64,
    pub(super) pairs: Vec<Pair>,
}

/// An item of a [`Network`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// The item.
    pub item: u32,
    /// Its name.
    pub name: String,
    /// Number of units that have it.
    pub support: u64,
}

/// A pair of a [`Network`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// Position of one item in the nodes.
    pub from: usize,
    /// Position of the other.
    pub to: usize,
    /// Units with both.
    pub n: u64,
    /// Logarithm of the odds ratio, the common one of strata where there are some; negative for pairs
    /// that are rarely together. One half is added to every cell where a cell is empty.
    pub log_odds: f64,
    /// p-value adjusted for all pairs judged.
    pub adjusted_p: f64,
}

/// Pairs as a graph: items are nodes, pairs are edges.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Network {
    /// Items of any pair, largest support first.
    pub nodes: Vec<Node>,
    /// Pairs, smallest p-value first.
    pub edges: Vec<Edge>,
}

impl Pairs {
    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The pairs.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Pair> + '_ {
        self.pairs.iter()
    }

    /// Number of pairs judged: what p-values were adjusted for.
    pub fn n_tests(&self) -> u64 {
        self.n_tests
    }

    /// Number of units.
    pub fn n_units(&self) -> usize {
        self.n_units
    }

    /// What was controlled over the pairs.
    pub fn adjustment(&self) -> Adjustment {
        self.adjustment
    }

    /// The largest adjusted p-value that was let through.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// The name of an item.
    ///
    /// # Panics
    /// When there is no such item.
    pub fn name(&self, item: u32) -> &str {
        &self.names[item as usize]
    }

    /// The pairs for which a condition holds, in their order.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&Pair) -> bool) -> Self {
        Self {
            pairs: self
                .pairs
                .iter()
                .filter(|pair| keep(pair))
                .cloned()
                .collect(),
            names: self.names.clone(),
            supports: self.supports.clone(),
            ..*self
        }
    }

    /// The first `n_edges` pairs as a graph.
    pub fn network(&self, n_edges: usize) -> Network {
        let pairs = &self.pairs[..self.pairs.len().min(n_edges)];
        let mut items: Vec<u32> = pairs.iter().flat_map(|pair| [pair.a, pair.b]).collect();
        items.sort_unstable();
        items.dedup();
        let support = |item: u32| self.supports[item as usize];
        items.sort_by_key(|item| std::cmp::Reverse(support(*item)));
        let places: BTreeMap<u32, usize> = items
            .iter()
            .zip(0..)
            .map(|(item, at)| (*item, at))
            .collect();
        let nodes = items.iter().map(|item| Node {
            item: *item,
            name: self.name(*item).into(),
            support: support(*item),
        });
        let edges = pairs.iter().map(|pair| Edge {
            from: places[&pair.a],
            to: places[&pair.b],
            n: pair.counts.n_ab(),
            log_odds: log_odds(pair),
            adjusted_p: pair.adjusted_p,
        });
        Network {
            nodes: nodes.collect(),
            edges: edges.collect(),
        }
    }
}

impl Network {
    /// The graph as a drawing: circles by units, lines by odds ratio, dashed where items are rarely
    /// together; `group` names what the colour of an item stands for, or nothing.
    ///
    /// ```
    /// use galen::association::Cooccurrence;
    /// use galen::design::Items;
    /// use galen::report::svg;
    ///
    /// # fn main() -> galen::Result<()> {
    /// let both = (0..40).flat_map(|patient| [(patient, "gout"), (patient, "thirst")]);
    /// let items = Items::from_pairs(100, both, &Default::default())?;
    /// let network = Cooccurrence::params().find(&items)?.network(30);
    /// let drawing = svg(&network.figure("Pairs", |_| String::new()));
    /// assert!(drawing.starts_with("<svg") && drawing.contains("thirst"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn figure(&self, title: impl Into<String>, group: impl Fn(&str) -> String) -> Figure {
        let node =
            |node: &Node| GraphNode::new(&node.name, node.support as f64).group(group(&node.name));
        let edge = |edge: &Edge| GraphEdge::new(edge.from as u32, edge.to as u32, edge.log_odds);
        Figure::new(
            title,
            Axis::new("patients"),
            Axis::new("logarithm of the odds ratio"),
        )
        .graph(
            self.nodes.iter().map(node).collect(),
            self.edges.iter().map(edge).collect(),
        )
    }
}

fn log_odds(pair: &Pair) -> f64 {
    let common = pair.stratified.and_then(|within| within.odds_ratio);
    if let Some(common) = common {
        return libm::log(common.value);
    }
    let cells = pair.counts.cells().map(|count| count as f64);
    let half = if cells.contains(&0.0) { 0.5 } else { 0.0 };
    let [a, b, c, d] = cells.map(|count| count + half);
    libm::log(a * d / (b * c))
}

/// Pairs printed at most; the rest is counted.
const MOST_LINES: usize = 40;

impl fmt::Display for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>8} {:>9} {:>7} {:>10}  pair",
            "units", "expected", "odds", "adjusted p"
        )?;
        for pair in self.pairs.iter().take(MOST_LINES) {
            let expected = pair.records.map_or(pair.counts.expected(), |r| r.expected);
            writeln!(
                f,
                "{:>8} {:>9.1} {:>7.2} {:>10}  {} and {}",
                pair.counts.n_ab(),
                expected,
                libm::exp(log_odds(pair)),
                shown(pair.adjusted_p),
                self.name(pair.a),
                self.name(pair.b)
            )?;
        }
        match self.pairs.len().saturating_sub(MOST_LINES) {
            0 => Ok(()),
            more => writeln!(f, "... and {more} more"),
        }
    }
}
