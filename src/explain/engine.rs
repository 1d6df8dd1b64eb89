//! Attributions of many rows, leaf by leaf.
//!
//! What a leaf adds to a row depends only on which conditions on the way to the leaf the row meets. So
//! for a block of rows and a leaf
//!
//! ```text
//!   questions of the tree, asked once a node and row --> conditions met, as bits: the pattern
//!   patterns that occur, each worked out once by the rule --> a table: pattern x feature
//!   row by row: attributions += table[pattern of the row]
//! ```
//!
//! which leaves one addition per row, leaf and feature on the way. A rule says what a pattern is worth.
//! The sums of a row go tree by tree and leaf by leaf, wherever its block ends: the same bits at any
//! number of threads, alone or among other rows.

use crate::error::Result;
use crate::estimator::RowsSource;
use crate::explain::paths::{Way, answers, conditions, for_ways, n_words, pattern};
use crate::kernel::tree::flat::Tree;
use crate::kernel::tree::model::{Ensemble, TreeModel};
use crate::numeric::parallel::map_tasks;
use crate::numeric::simd::{NullaryFnOnce, dispatch};

/// Patterns that one byte numbers.
const BYTE: usize = 256;
/// Longest way whose patterns are numbered; on a longer one every row has its own.
const NUMBERED: usize = 16;
/// Fewer rows than that are not worth a table either.
const FEW_ROWS: usize = 32;
/// Rows of a block at most: two bytes number its patterns.
const MOST_ROWS: usize = 1024;
const FEWEST_ROWS: usize = 64;
/// Bytes that the sums, the values and the answers of a block should not exceed by far.
const BLOCK_BYTES: usize = 1 << 21;

/// What absent features are replaced by.
pub(super) trait Rule: Sync {
    /// What is worked out once a tree, and once a leaf; reused.
    type Tree: Default;
    type Leaf: Default;

    fn tree(&self, tree: &Tree, column_of: &[u32], state: &mut Self::Tree);

    fn leaf(&self, way: &Way, tree: &Self::Tree, state: &mut Self::Leaf);

    /// Attributions to the way's features, for a leaf of value 1 and a row that meets these
    /// conditions. To be inlined, since it is compiled for several instruction levels.
    fn fill(&self, leaf: &Self::Leaf, met: &[u64], out: &mut [f64]);
}

/// Features that any tree asks: only these have columns.
#[derive(Debug)]
pub(super) struct Columns {
    /// Column of a feature; `u32::MAX` where no tree asks it.
    pub(super) column_of: Vec<u32>,
    pub(super) used: Vec<u32>,
}

impl Columns {
    pub(super) fn new(ensemble: &Ensemble<'_>) -> Self {
        let mut column_of = vec![u32::MAX; ensemble.features.len()];
        for tree in ensemble.trees {
            for node in tree.nodes.iter().filter(|node| !node.is_leaf()) {
                column_of[node.feature as usize] = 0;
            }
        }
        let mut used = Vec::new();
        for (feature, column) in column_of.iter_mut().enumerate() {
            if *column == 0 {
                *column = used.len() as u32;
                used.push(feature as u32);
            }
        }
        Self { column_of, used }
    }

    /// Appends the used values of row-major rows, row-major still.
    pub(super) fn pick(&self, values: &[f64], out: &mut Vec<f64>) {
        for row in values.chunks(self.column_of.len().max(1)) {
            out.extend(self.used.iter().map(|feature| row[*feature as usize]));
        }
    }

    /// The used values of row-major rows, column by column.
    fn turned(&self, values: &[f64], n: usize) -> Vec<f64> {
        let mut out = vec![0.0; self.used.len() * n];
        for (feature, column) in self.used.iter().zip(out.chunks_mut(n.max(1))) {
            let rows = values[*feature as usize..].iter();
            for (slot, value) in column.iter_mut().zip(rows.step_by(self.column_of.len())) {
                *slot = *value;
            }
        }
        out
    }

    fn block_rows(&self, ensemble: &Ensemble<'_>) -> usize {
        let nodes = ensemble.trees.iter().map(|tree| tree.nodes.len()).max();
        let numbers = self.used.len() * (1 + ensemble.outputs.len());
        let rows = BLOCK_BYTES / (8 * numbers + nodes.unwrap_or(0)).max(1);
        rows.clamp(FEWEST_ROWS, MOST_ROWS)
    }
}

/// Attributions of all rows: rows x features x outputs.
pub(super) fn attribute<M: TreeModel, R: Rule>(
    model: &M,
    ensemble: &Ensemble<'_>,
    columns: &Columns,
    rows: RowsSource<'_>,
    rule: &R,
) -> Result<Vec<f64>> {
    let width = ensemble.features.len();
    let step = columns.block_rows(ensemble);
    let chunks = model.for_values(rows, |range, values| {
        let n = range.len();
        map_tasks(n.div_ceil(step), |block| {
            let (start, end) = (block * step, ((block + 1) * step).min(n));
            let values = &values[start * width..end * width];
            attribute_block(ensemble, columns, rule, values, end - start)
        })
    })?;
    let mut all = Vec::with_capacity(rows.n_rows() * width * ensemble.outputs.len());
    for block in chunks.into_iter().flatten() {
        all.extend(block);
    }
    Ok(all)
}

fn attribute_block<R: Rule>(
    ensemble: &Ensemble<'_>,
    columns: &Columns,
    rule: &R,
    values: &[f64],
    n: usize,
) -> Vec<f64> {
    let n_used = columns.used.len();
    let n_outputs = ensemble.outputs.len();
    let values = columns.turned(values, n);
    let mut sums = vec![0.0; n_outputs * n_used * n];
    let (mut answered, mut met, mut planes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut of_tree, mut of_leaf) = (R::Tree::default(), R::Leaf::default());
    let mut patterns = Patterns::default();
    let mut table = Table::default();
    for (tree, feeds) in ensemble.trees.iter().zip(&ensemble.feeds) {
        answers(tree, &columns.column_of, &values, n, &mut answered);
        rule.tree(tree, &columns.column_of, &mut of_tree);
        for_ways(tree, &columns.column_of, |way| {
            if way.columns.is_empty() {
                return;
            }
            conditions(way, &answered, n, &mut met, &mut planes);
            patterns.find(&planes, n, way.columns.len());
            rule.leaf(way, &of_tree, &mut of_leaf);
            table.fill(rule, &of_leaf, &patterns, way.columns.len());
            for (output, value) in tree.value(way.leaf).iter().enumerate() {
                let output = *feeds as usize + output;
                let factor = value * ensemble.scale;
                for (place, column) in way.columns.iter().enumerate() {
                    let first = (output * n_used + *column as usize) * n;
                    let sums = &mut sums[first..first + n];
                    table.add(place, factor, &patterns, &planes, sums);
                }
            }
        });
    }
    let width = ensemble.features.len();
    let mut out = vec![0.0; n * width * n_outputs];
    for (place, sums) in sums.chunks(n.max(1)).enumerate() {
        let (output, feature) = (place / n_used, columns.used[place % n_used] as usize);
        let slots = out[feature * n_outputs + output..].iter_mut();
        for (slot, sum) in slots.step_by(width * n_outputs).zip(sums) {
            *slot = *sum;
        }
    }
    out
}

/// The different patterns among the rows of a block.
#[derive(Debug, Default)]
struct Patterns {
    /// Whether the pattern's only byte is its number.
    direct: bool,
    /// Number of each row's pattern, in one byte if all fit; not where `direct`.
    bytes: Vec<u8>,
    shorts: Vec<u16>,
    /// Numbers below it.
    height: usize,
    /// Numbers that occur, and their bits.
    seen: Vec<u16>,
    words: Vec<u64>,
    n_words: usize,
    index: Vec<u16>,
}

impl Patterns {
    fn find(&mut self, planes: &[u8], n: usize, length: usize) {
        const UNKNOWN: u16 = u16::MAX;
        let own = length > NUMBERED || n < FEW_ROWS;
        self.direct = length <= 8 && !own;
        self.n_words = n_words(length);
        self.bytes.clear();
        self.shorts.clear();
        self.seen.clear();
        self.words.clear();
        self.height = BYTE;
        if self.direct {
            let mut occurs = [false; BYTE];
            for byte in &planes[..n] {
                occurs[*byte as usize] = true;
            }
            let seen = (0..BYTE as u16).filter(|number| occurs[*number as usize]);
            self.seen.extend(seen);
            self.words
                .extend(self.seen.iter().map(|seen| u64::from(*seen)));
            return;
        }
        if own {
            self.height = n;
            self.seen.extend(0..n as u16);
            self.shorts.extend(0..n as u16);
            self.words.resize(n * self.n_words, 0);
            for (row, words) in self.words.chunks_mut(self.n_words).enumerate() {
                pattern(planes, n, row, words);
            }
            return;
        }
        self.index.clear();
        self.index.resize(1 << length, UNKNOWN);
        let (low, high) = planes.split_at(n);
        for (low, high) in low.iter().zip(high) {
            let bits = u16::from_le_bytes([*low, *high]);
            let number = &mut self.index[bits as usize];
            if *number == UNKNOWN {
                *number = self.seen.len() as u16;
                self.seen.push(*number);
                self.words.push(u64::from(bits));
            }
            self.shorts.push(*number);
        }
        if self.seen.len() <= BYTE {
            self.bytes
                .extend(self.shorts.iter().map(|short| *short as u8));
        } else {
            self.height = self.seen.len();
        }
    }
}

/// What each pattern adds to each feature of a way.
#[derive(Debug, Default)]
struct Table {
    height: usize,
    worth: Vec<f64>,
    row: Vec<f64>,
}

impl Table {
    fn fill<R: Rule>(&mut self, rule: &R, leaf: &R::Leaf, patterns: &Patterns, length: usize) {
        self.height = patterns.height;
        let size = length * self.height;
        if self.worth.len() < size {
            self.worth.resize(size, 0.0);
        }
        self.row.resize(length, 0.0);
        dispatch(Fill {
            rule,
            leaf,
            patterns,
            table: self,
        });
    }

    /// Adds `factor` times the worth of every row's pattern.
    fn add(
        &mut self,
        place: usize,
        factor: f64,
        patterns: &Patterns,
        planes: &[u8],
        sums: &mut [f64],
    ) {
        let worth = &self.worth[place * self.height..][..self.height];
        let bytes = if patterns.direct {
            &planes[..sums.len()]
        } else {
            &patterns.bytes
        };
        if let Ok(worth) = <&[f64; BYTE]>::try_from(worth)
            && bytes.len() == sums.len()
        {
            // A byte is always a place of this array: no check in the loop.
            let scaled = worth.map(|worth| worth * factor);
            for (sum, byte) in sums.iter_mut().zip(bytes) {
                *sum += scaled[*byte as usize];
            }
            return;
        }
        for (sum, short) in sums.iter_mut().zip(&patterns.shorts) {
            *sum += worth[*short as usize] * factor;
        }
    }
}

/// The filling of a table, for the machine's instruction level.
struct Fill<'a, R: Rule> {
    rule: &'a R,
    leaf: &'a R::Leaf,
    patterns: &'a Patterns,
    table: &'a mut Table,
}

impl<R: Rule> NullaryFnOnce for Fill<'_, R> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Table { height, worth, row } = self.table;
        let words = self.patterns.words.chunks(self.patterns.n_words);
        for (number, words) in self.patterns.seen.iter().zip(words) {
            self.rule.fill(self.leaf, words, row);
            let slots = worth[*number as usize..].iter_mut();
            for (slot, worth) in slots.step_by(*height).zip(row.iter()) {
                *slot = *worth;
            }
        }
    }
}
