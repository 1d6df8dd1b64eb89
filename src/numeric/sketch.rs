//! Exact order statistics by counting on a fixed grid of keys.
//!
//! Every number has a 64-bit key that sorts as the number does. A search counts rows by the first
//! 16 bits of their keys, opens the few cells that hold a wanted rank, counts those by the next 12
//! bits, and knows the number after five questions. All counts are integers, so that the result is
//! the same for any partition of the rows and any number of threads.
//!
//! ```text
//!   key  | 16 | 12 | 12 | 12 | 12 |      sign, exponent and 4 bits first; a cell of the first
//!          1    2    3    4    5         level spans a sixteenth of a power of two
//! ```
//!
//! Weights are counted in units of 2^-64: exact for 32-bit weights of at least 2^-40 and for 64-bit
//! weights of at least 2^-11, rounded to the nearest unit, at least one, below that.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};

/// Bits of the key that each level reads: few levels, since a stream is read once per level, and
/// few cells per open node, since cells are what parties send.
const WIDTHS: [u32; 5] = [16, 12, 12, 12, 12];

/// Mass of a weight of one.
const UNIT: u128 = 1 << 64;

/// Largest weight of a row: 2^31, so that 2^32 rows stay below the end of the integers.
const MAX_WEIGHT: f64 = 2_147_483_648.0;

/// Most nodes that one question may open.
const MAX_NODES: usize = 256;

/// The key of a number: sorts as numbers do; -0 and 0 share one.
pub(crate) fn key_of(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}

/// The number of a key.
pub(crate) fn value_of(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 {
        key ^ (1 << 63)
    } else {
        !key
    })
}

/// A weight in units of 2^-64.
fn mass_of(weight: f64, row: usize) -> Result<u128> {
    if !(0.0..=MAX_WEIGHT).contains(&weight) {
        return Err(ErrorKind::OutOfRange {
            what: "weights",
            row: Some(row),
            column: None,
            rule: "weights from 0 to 2^31 where order statistics are asked for",
        }
        .into());
    }
    if weight == 0.0 {
        return Ok(0);
    }
    Ok(((weight * UNIT as f64).round() as u128).max(1))
}

/// Rows and mass by cell; cells in increasing order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Cell and its rows.
    cells: Vec<(u64, u64)>,
    /// Mass of each cell; none where every row weighs one.
    mass: Vec<u128>,
}

impl Counts {
    fn with_capacity(cells: usize, weighted: bool) -> Self {
        Self {
            cells: Vec::with_capacity(cells),
            mass: Vec::with_capacity(if weighted { cells } else { 0 }),
        }
    }

    fn push(&mut self, (cell, rows, mass): (u64, u64, u128), weighted: bool) {
        self.cells.push((cell, rows));
        if weighted {
            self.mass.push(mass);
        }
    }

    /// Cell, rows and mass.
    fn iter(&self) -> impl Iterator<Item = (u64, u64, u128)> + '_ {
        self.cells.iter().enumerate().map(|(index, (cell, rows))| {
            let even = UNIT.saturating_mul(u128::from(*rows));
            (*cell, *rows, self.mass.get(index).copied().unwrap_or(even))
        })
    }

    /// Whether the counts could have been made by [`Scratch`]; false for tampered bytes only.
    fn well_formed(&self) -> bool {
        (self.mass.is_empty() || self.mass.len() == self.cells.len())
            && self.cells.windows(2).all(|pair| pair[0].0 < pair[1].0)
    }

    /// Counts of distinct values: the cell is the whole key. Missing values and rows of weight
    /// zero are left out.
    pub(crate) fn distinct(
        values: &[f64],
        weights: Option<&[f64]>,
        first_row: usize,
    ) -> Result<Self> {
        let mut keys = Vec::with_capacity(values.len());
        for (offset, value) in values.iter().enumerate() {
            let mass = match weights.and_then(|weights| weights.get(offset)) {
                Some(weight) => mass_of(*weight, first_row + offset)?,
                None => UNIT,
            };
            if mass > 0 && !value.is_nan() {
                keys.push((key_of(*value), mass));
            }
        }
        keys.sort_unstable();
        let weighted = weights.is_some();
        let mut counts = Self::default();
        for same in keys.chunk_by(|a, b| a.0 == b.0) {
            let mass = same
                .iter()
                .fold(0_u128, |sum, (_, mass)| sum.saturating_add(*mass));
            counts.push((same[0].0, same.len() as u64, mass), weighted);
        }
        Ok(counts)
    }

    /// The counts of both.
    pub(crate) fn merge(self, other: Self) -> Self {
        if self.cells.is_empty() {
            return other;
        }
        if other.cells.is_empty() {
            return self;
        }
        let weighted = !self.mass.is_empty() || !other.mass.is_empty();
        let mut merged = Self::with_capacity(self.cells.len().max(other.cells.len()), weighted);
        let (mut left, mut right) = (self.iter().peekable(), other.iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) => a.0.cmp(&b.0),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return merged,
            };
            let a = if order.is_le() { left.next() } else { None };
            let b = if order.is_ge() { right.next() } else { None };
            let sum = match (a, b) {
                (Some(a), Some(b)) => (a.0, a.1.saturating_add(b.1), a.2.saturating_add(b.2)),
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => return merged,
            };
            merged.push(sum, weighted);
        }
    }

    /// Number of cells.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Smallest number of rows of a cell.
    pub(crate) fn smallest_count(&self) -> Option<u64> {
        self.cells.iter().map(|(_, rows)| *rows).min()
    }

    /// Of counts of distinct values, the value of most mass, the smallest of them on ties.
    pub(crate) fn mode(&self) -> Option<f64> {
        let mut best: Option<(u64, u128)> = None;
        for (cell, _, mass) in self.iter() {
            if best.is_none_or(|(_, most)| mass > most) {
                best = Some((cell, mass));
            }
        }
        best.map(|(cell, _)| value_of(cell))
    }
}

/// What a search asks of one column: rows by cell within the open nodes of a level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cells {
    level: u8,
    /// First bits of the keys of each open node, in increasing order.
    nodes: Vec<u64>,
}

impl Cells {
    /// The first question of every search.
    pub(crate) fn root() -> Self {
        Self {
            level: 0,
            nodes: vec![0],
        }
    }

    /// Width of this level and bits below it.
    fn widths(&self) -> Result<(u32, u32)> {
        let level = usize::from(self.level);
        let sorted = self.nodes.windows(2).all(|pair| pair[0] < pair[1]);
        match WIDTHS.get(level) {
            Some(width) if sorted && self.nodes.len() <= MAX_NODES => {
                Ok((*width, WIDTHS.iter().skip(level + 1).sum()))
            }
            _ => Err(ErrorKind::Saved("no question of this search".into()).into()),
        }
    }
}

/// Memory that counting reuses from column to column.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    rows: Vec<u32>,
    mass: Vec<u128>,
    touched: Vec<u32>,
}

impl Scratch {
    /// Counts values from row `first_row` on. Missing values and rows of weight zero are left out.
    pub(crate) fn count(
        &mut self,
        question: &Cells,
        values: &[f64],
        weights: Option<&[f64]>,
        first_row: usize,
    ) -> Result<Counts> {
        self.tally(question, values, weights, first_row)?;
        Ok(self.drain(weights.is_some()))
    }

    /// Counts a sparse column: `zeros` rows hold zero and are not among the values. Every row
    /// weighs one.
    pub(crate) fn count_sparse(
        &mut self,
        question: &Cells,
        stored: &[f64],
        zeros: u32,
    ) -> Result<Counts> {
        self.tally(question, stored, None, 0)?;
        let (width, below) = question.widths()?;
        let zero = key_of(0.0);
        let prefix = zero.checked_shr(below + width).unwrap_or(0);
        if zeros > 0
            && let Ok(node) = question.nodes.binary_search(&prefix)
        {
            let slot = (node << width) + ((zero >> below) & ((1 << width) - 1)) as usize;
            if self.rows[slot] == 0 {
                self.touched.push(slot as u32);
            }
            self.rows[slot] += zeros;
        }
        Ok(self.drain(false))
    }

    /// Adds values to the memory, which is as new after an error.
    fn tally(
        &mut self,
        question: &Cells,
        values: &[f64],
        weights: Option<&[f64]>,
        first_row: usize,
    ) -> Result<()> {
        let (width, below) = question.widths()?;
        let slots = question.nodes.len() << width;
        self.rows.resize(self.rows.len().max(slots), 0);
        if weights.is_some() {
            self.mass.resize(self.mass.len().max(slots), 0);
        }
        let mask = (1_u64 << width) - 1;
        let nodes = &question.nodes[..];
        let (lowest, highest) = match (nodes.first(), nodes.last()) {
            (Some(first), Some(last)) => (*first, *last),
            _ => return Ok(()),
        };
        for (offset, value) in values.iter().enumerate() {
            if value.is_nan() {
                continue;
            }
            let key = key_of(*value);
            let prefix = key.checked_shr(below + width).unwrap_or(0);
            if prefix < lowest || prefix > highest {
                continue;
            }
            let Ok(node) = nodes.binary_search(&prefix) else {
                continue;
            };
            let slot = (node << width) + ((key >> below) & mask) as usize;
            if let Some(weight) = weights.and_then(|weights| weights.get(offset)) {
                let mass = mass_of(*weight, first_row + offset);
                match mass {
                    Ok(0) => continue,
                    Ok(mass) => self.mass[slot] = self.mass[slot].saturating_add(mass),
                    Err(error) => {
                        self.drain(weights.is_some());
                        return Err(error);
                    }
                }
            }
            if self.rows[slot] == 0 {
                self.touched.push(slot as u32);
            }
            self.rows[slot] += 1;
        }
        Ok(())
    }

    /// The counts so far; leaves the memory as new.
    fn drain(&mut self, weighted: bool) -> Counts {
        self.touched.sort_unstable();
        let mut counts = Counts::with_capacity(self.touched.len(), weighted);
        for slot in self.touched.drain(..) {
            let index = slot as usize;
            let rows = std::mem::take(&mut self.rows[index]);
            let mass = if weighted {
                std::mem::take(&mut self.mass[index])
            } else {
                0
            };
            counts.push((u64::from(slot), u64::from(rows), mass), weighted);
        }
        counts
    }
}

/// A share of the rows or of the weight, as an exact fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    part: u32,
    whole: u32,
}

impl Share {
    /// `percent` of 100, at most all.
    pub(crate) fn percent(percent: u32) -> Self {
        Self {
            part: percent.min(100),
            whole: 100,
        }
    }

    /// Quotient and remainder of `total * part / whole` without overflow.
    fn of(self, total: u128) -> (u128, u128) {
        let (part, whole) = (u128::from(self.part), u128::from(self.whole));
        let rest = (total % whole) * part;
        ((total / whole) * part + rest / whole, rest % whole)
    }
}

/// Which number stands at a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Type 7 of Hyndman and Fan (Am. Stat. 50, 1996, doi 10.1080/00031305.1996.10473566): linear
    /// between the order statistics around `(n - 1) * share`. Rows count alike whatever they weigh.
    Linear,
    /// The smallest value whose cumulative weight reaches the share of the total; the midpoint of
    /// it and the next value where the share is reached exactly. With equal weights and a share of
    /// one half this is the usual median.
    Weighted,
}

/// A search for the numbers at given shares of one column.
#[derive(Debug, Clone)]
pub(crate) struct QuantileSearch {
    rule: Rule,
    shares: Vec<Share>,
    level: u8,
    nodes: Vec<Node>,
    /// What is looked for: the smallest value with more than `rank` mass up to it.
    targets: Vec<Target>,
    /// Of each share: rank below, rank above, how far between them.
    between: Vec<(u128, u128, f64)>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    prefix: u64,
    /// Mass of all smaller values.
    before: u128,
}

#[derive(Debug, Clone, Copy)]
struct Target {
    rank: u128,
    node: usize,
}

impl QuantileSearch {
    /// A search that starts with [`Cells::root`].
    pub(crate) fn new(rule: Rule, shares: Vec<Share>) -> Self {
        Self {
            rule,
            shares,
            level: 0,
            nodes: vec![Node {
                prefix: 0,
                before: 0,
            }],
            targets: Vec::new(),
            between: Vec::new(),
        }
    }

    /// The next question; `None` once the numbers are known.
    pub(crate) fn question(&self) -> Option<Cells> {
        let open = usize::from(self.level) < WIDTHS.len() && !self.nodes.is_empty();
        open.then(|| Cells {
            level: self.level,
            nodes: self.nodes.iter().map(|node| node.prefix).collect(),
        })
    }

    /// Takes the counts over all rows that answer the question.
    pub(crate) fn advance(&mut self, counts: &Counts) -> Result<()> {
        let Some(width) = WIDTHS.get(usize::from(self.level)) else {
            return Err(foreign());
        };
        if !counts.well_formed() {
            return Err(foreign());
        }
        // Under the linear rule a row is a row.
        let mass = |rows: u64, mass: u128| match self.rule {
            Rule::Linear => u128::from(rows),
            Rule::Weighted => mass,
        };
        let cells: Vec<(u64, u128)> = counts
            .iter()
            .map(|(cell, rows, weight)| (cell, mass(rows, weight)))
            .collect();
        if self.level == 0 {
            let total = cells
                .iter()
                .fold(0_u128, |sum, (_, mass)| sum.saturating_add(*mass));
            self.set_targets(total);
        }
        let mut nodes: Vec<Node> = Vec::new();
        for target in &mut self.targets {
            let node = self.nodes.get(target.node).ok_or_else(foreign)?;
            let first = (target.node as u64) << width;
            let end = first + (1 << width);
            let start = cells.partition_point(|(cell, _)| *cell < first);
            let mut before = node.before;
            let inside = cells.iter().skip(start);
            let found = inside
                .take_while(|(cell, _)| *cell < end)
                .find(|(_, mass)| {
                    let upto = before.saturating_add(*mass);
                    let reached = upto > target.rank;
                    if !reached {
                        before = upto;
                    }
                    reached
                });
            let (cell, _) = found.ok_or_else(foreign)?;
            let prefix = (node.prefix << width) | (cell - first);
            // Ranks are in order, hence nodes come in order.
            if nodes.last().is_none_or(|last| last.prefix != prefix) {
                nodes.push(Node { prefix, before });
            }
            target.node = nodes.len() - 1;
        }
        self.nodes = nodes;
        self.level += 1;
        Ok(())
    }

    fn set_targets(&mut self, total: u128) {
        if total == 0 {
            return;
        }
        let last = total - 1;
        self.between = self
            .shares
            .iter()
            .map(|share| match self.rule {
                Rule::Linear => {
                    let (rank, rest) = share.of(last);
                    let fraction = rest as f64 / f64::from(share.whole);
                    (rank, (rank + 1).min(last), fraction)
                }
                Rule::Weighted => {
                    let (reached, rest) = share.of(total);
                    let low = if rest == 0 {
                        reached.max(1) - 1
                    } else {
                        reached
                    };
                    (low.min(last), reached.min(last), 0.5)
                }
            })
            .collect();
        let mut ranks: Vec<u128> = Vec::new();
        for (low, high, _) in &self.between {
            ranks.extend([*low, *high]);
        }
        ranks.sort_unstable();
        ranks.dedup();
        self.targets = ranks
            .into_iter()
            .map(|rank| Target { rank, node: 0 })
            .collect();
    }

    /// The number at each share, in the order they were given; `None` for a column without values.
    pub(crate) fn values(&self) -> Result<Option<Vec<f64>>> {
        if self.level > 0 && self.targets.is_empty() {
            return Ok(None);
        }
        if self.question().is_some() {
            return Err(foreign());
        }
        let at = |rank: u128| {
            let position = self
                .targets
                .binary_search_by(|target| target.rank.cmp(&rank))
                .map_err(|_| foreign())?;
            let node = self.nodes.get(self.targets[position].node);
            let value = value_of(node.ok_or_else(foreign)?.prefix);
            if value.is_finite() {
                Ok(value)
            } else {
                Err(foreign())
            }
        };
        let values = self
            .between
            .iter()
            .map(|(low, high, fraction)| Ok(between(at(*low)?, at(*high)?, *fraction)));
        values.collect::<Result<Vec<f64>>>().map(Some)
    }
}

/// The number a fraction of the way from `low` to `high`.
fn between(low: f64, high: f64, fraction: f64) -> f64 {
    let gap = high - low;
    if fraction == 0.0 || gap == 0.0 {
        low
    } else if fraction == 0.5 {
        low.midpoint(high)
    } else if gap.is_finite() {
        low + fraction * gap
    } else {
        low * (1.0 - fraction) + high * fraction
    }
}

fn foreign() -> crate::error::Error {
    ErrorKind::Schema("counts that answer another question".into()).into()
}

#[cfg(test)]
#[path = "sketch_tests.rs"]
mod tests;
