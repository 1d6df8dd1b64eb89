//! Generators: sets of which every item takes rows away, depth first.
//!
//! For each item of the prefix the rows are kept that hold all the others but not it, its critical
//! rows; a set is a generator as long as none of these runs empty (DefMe: Soulet and Rioult 2014,
//! doi:10.1007/978-3-319-06605-9_38). Being a generator passes to subsets, so the search ends where
//! one runs empty. Row sets keep their nonzero words only.

use std::ops::Range;

use super::Miner;
use super::prepare::Prepared;
use super::sink::Sink;

/// The miner over whole prepared data: required items have the last ranks.
#[derive(Debug)]
pub(crate) struct Generators<'a> {
    data: &'a Prepared,
    min_support: u64,
    most: usize,
    width: usize,
    words: Vec<u64>,
    tasks: Vec<Range<usize>>,
    /// Number of required items.
    fixed: usize,
}

/// Nonzero words of a set of rows.
type Sparse = Vec<(u32, u64)>;

impl<'a> Generators<'a> {
    pub(crate) fn new(data: &'a Prepared, min_support: u64, most: usize) -> Self {
        let n = data.n_items();
        let width = data.rows.len().div_ceil(64);
        let mut words = vec![0u64; n * width];
        for row in 0..data.rows.len() {
            for &item in data.rows.row(row) {
                words[item as usize * width + row / 64] |= 1 << (row % 64);
            }
        }
        let fixed = data.required.len().min(n);
        let free = n - fixed;
        let share = free.div_ceil(192).max(1);
        Self {
            data,
            min_support,
            most,
            width,
            words,
            tasks: (0..free)
                .step_by(share)
                .map(|start| start..(start + share).min(free))
                .collect(),
            fixed,
        }
    }

    fn column(&self, item: usize) -> &[u64] {
        &self.words[item * self.width..(item + 1) * self.width]
    }

    fn weight(&self, rows: &[(u32, u64)]) -> u64 {
        if self.data.rows.weights.is_empty() {
            return rows
                .iter()
                .map(|(_, word)| u64::from(word.count_ones()))
                .sum();
        }
        let mut sum = 0;
        for &(at, word) in rows {
            let mut rest = word;
            while rest != 0 {
                sum += self.data.rows.weights[at as usize * 64 + rest.trailing_zeros() as usize];
                rest &= rest - 1;
            }
        }
        sum
    }
}

impl Miner for Generators<'_> {
    fn tasks(&self) -> usize {
        self.tasks.len() + 1
    }

    fn run<S: Sink>(&self, task: usize, sink: &mut S) {
        let data = self.data;
        let n = data.n_items();
        if n < data.required.len() || data.total == 0 {
            return;
        }
        // Rows without any of the items still count as critical rows of a single item.
        let known: u64 = (0..data.rows.len()).map(|row| data.rows.weight(row)).sum();
        let mut search = Search {
            miner: self,
            sink,
            stack: Vec::new(),
            pool: Vec::new(),
            lost: data.total - known,
        };
        let mut node = Node {
            rows: (0..self.width as u32)
                .map(|at| {
                    let left = data.rows.len() - at as usize * 64;
                    (
                        at,
                        if left >= 64 {
                            u64::MAX
                        } else {
                            (1 << left) - 1
                        },
                    )
                })
                .collect(),
            support: data.total,
            critical: Vec::new(),
        };
        for (at, item) in (n - self.fixed..n).rev().enumerate() {
            let Some(next) = search.extend(&node, item, at == 0) else {
                return;
            };
            node = next;
        }
        search.stack.extend_from_slice(&data.required);
        if task == 0 {
            if self.fixed > 0 {
                search.sink.take(&search.stack, node.support);
            }
            return;
        }
        if search.stack.len() >= self.most {
            return;
        }
        for item in self.tasks[task - 1].clone() {
            let first = search.stack.is_empty();
            search.candidate(&node, item, &|| (0..item).collect(), first);
        }
    }
}

/// Rows of a prefix and the critical rows of each of its items.
#[derive(Debug, Default)]
struct Node {
    rows: Sparse,
    support: u64,
    critical: Vec<Sparse>,
}

struct Search<'a, S: Sink> {
    miner: &'a Generators<'a>,
    sink: &'a mut S,
    stack: Vec<u32>,
    pool: Vec<Sparse>,
    /// Weight of baskets that hold none of the items.
    lost: u64,
}

/// Rows that also contain a column's item.
fn meet(rows: &[(u32, u64)], column: &[u64], out: &mut Sparse) {
    out.clear();
    for &(at, word) in rows {
        let word = word & column[at as usize];
        if word != 0 {
            out.push((at, word));
        }
    }
}

impl<S: Sink> Search<'_, S> {
    /// The prefix with one more item, if frequent and a generator. `first` when it is the only
    /// item.
    fn extend(&mut self, node: &Node, item: usize, first: bool) -> Option<Node> {
        let miner = self.miner;
        let column = miner.column(item);
        let mut rows = self.pool.pop().unwrap_or_default();
        meet(&node.rows, column, &mut rows);
        let support = miner.weight(&rows);
        let free = support >= miner.min_support
            && support < node.support
            && node.critical.iter().all(|critical| {
                critical
                    .iter()
                    .any(|&(at, word)| word & column[at as usize] != 0)
            });
        if !free {
            self.pool.push(rows);
            return None;
        }
        let mut critical = Vec::with_capacity(node.critical.len() + 1);
        for old in &node.critical {
            let mut new = self.pool.pop().unwrap_or_default();
            meet(old, column, &mut new);
            critical.push(new);
        }
        let mut own = self.pool.pop().unwrap_or_default();
        own.clear();
        for &(at, word) in &node.rows {
            let word = word & !column[at as usize];
            if word != 0 {
                own.push((at, word));
            }
        }
        // Baskets outside the rows are critical for a single item, and no longer with a second.
        debug_assert!(!own.is_empty() || first && self.lost > 0);
        critical.push(own);
        Some(Node {
            rows,
            support,
            critical,
        })
    }

    fn candidate(
        &mut self,
        node: &Node,
        item: usize,
        extensions: &dyn Fn() -> Vec<usize>,
        first: bool,
    ) -> bool {
        if self.sink.step() {
            return false;
        }
        let Some(next) = self.extend(node, item, first) else {
            return false;
        };
        self.stack.push(self.miner.data.ids[item]);
        self.sink.take(&self.stack, next.support);
        if self.stack.len() < self.miner.most {
            let mut kept: Vec<usize> = Vec::new();
            for other in extensions() {
                let so_far = kept.clone();
                if self.candidate(&next, other, &|| so_far.clone(), false) {
                    kept.push(other);
                }
            }
        }
        self.stack.pop();
        self.pool.push(next.rows);
        self.pool.extend(next.critical);
        true
    }
}
