//! The weighted Gram matrix of many sparse terms, from their stored entries.
//!
//! A sparse column `x` stands for the term `z = (x - c) / s`. Over the rows, with weights `w`,
//!
//! ```text
//! sum w z_a z_b = (sum w x_a x_b - c_a sum w x_b - c_b sum w x_a + c_a c_b sum w) / (s_a s_b)
//! ```
//!
//! so products are formed of stored entries alone, row by row, and centred once at the end: with
//! 30 entries a row, 2,000 terms cost 465 products a row instead of two million. Dense terms of the
//! set and the column of ones are multiplied as columns.

use crate::design::block::Block;
use crate::design::encode::Term;
use crate::kernel::linear::pass::scaled_columns;
use crate::numeric::linalg::gram_add;

/// Up to this many terms the matrix of dense columns fits a cache and is fast as it is.
const MIN_SET: usize = 256;

/// Largest mean of a sparse column in units of its spread: centring afterwards then costs no more
/// than two digits.
const MAX_OFFSET: f64 = 8.0;

/// Products of dense columns that take the time of one product of stored entries.
const DENSE_ADVANTAGE: f64 = 16.0;

/// A sparse term of the set.
#[derive(Debug, Clone, Copy)]
struct Member {
    term: u32,
    /// Position in the set.
    at: usize,
    /// Position among the sparse terms of a block.
    stored: usize,
}

/// Sums of one chunk on the way to its Gram matrix.
#[derive(Debug, Default)]
pub(crate) struct SparseGram {
    k: usize,
    members: Vec<Member>,
    /// The other terms of the set, and their positions with that of the ones at the end.
    dense: Vec<u32>,
    dense_at: Vec<usize>,
    /// Lower triangle of the dense terms and ones.
    small: Vec<f64>,
    /// Products of each member with the dense terms and ones.
    cross: Vec<f64>,
    columns: Vec<f64>,
    starts: Vec<usize>,
    entries: Vec<(u32, f64)>,
}

impl SparseGram {
    /// The way over stored entries where it is the faster one; `None` where it is not.
    pub(crate) fn plan(terms: &[Term], blocks: &[Block], set: &[u32]) -> Option<Self> {
        let stored = &blocks.first()?.sparse_terms;
        let alike = blocks.iter().all(|block| block.sparse_terms == *stored);
        let sorted = stored.windows(2).all(|pair| pair[0] < pair[1]);
        if set.len() <= MIN_SET || !alike || !sorted {
            return None;
        }
        let mut gram = Self {
            k: set.len() + 1,
            ..Self::default()
        };
        for (at, term) in set.iter().enumerate() {
            let spec = &terms[*term as usize];
            match stored.binary_search(term) {
                Ok(stored) if spec.center.abs() <= MAX_OFFSET * spec.scale => {
                    gram.members.push(Member {
                        term: *term,
                        at,
                        stored,
                    });
                }
                _ => {
                    gram.dense.push(*term);
                    gram.dense_at.push(at);
                }
            }
        }
        gram.dense_at.push(set.len());
        let (mut rows, mut entries, mut pairs) = (0.0, 0.0, 0.0);
        let mut of_row = Vec::new();
        for block in blocks {
            of_row.clear();
            of_row.resize(block.n_rows, 0_u32);
            for member in &gram.members {
                for (row, _) in block.entries(member.stored) {
                    of_row[row] += 1;
                }
            }
            rows += block.n_rows as f64;
            for n in &of_row {
                let n = f64::from(*n);
                entries += n;
                pairs += n * n / 2.0;
            }
        }
        let (d, k) = (gram.dense_at.len() as f64, gram.k as f64);
        let by_columns = |k: f64| rows * k * k / 2.0 / DENSE_ADVANTAGE;
        if pairs + entries * d + by_columns(d) >= by_columns(k) {
            return None;
        }
        gram.small = vec![0.0; gram.dense_at.len().pow(2)];
        gram.cross = vec![0.0; gram.dense_at.len() * gram.members.len()];
        Some(gram)
    }

    /// Adds a block; `roots` are the square roots of its weights.
    pub(crate) fn add(&mut self, terms: &[Term], block: &Block, roots: &[f64], gram: &mut [f64]) {
        let (n, d, k) = (block.n_rows, self.dense_at.len(), self.k);
        scaled_columns(terms, block, &self.dense, roots, &mut self.columns);
        gram_add(&mut self.small, &self.columns, n, d);
        // The entries of the block by row, each row in the order of the set.
        self.starts.clear();
        self.starts.resize(n + 1, 0);
        for member in &self.members {
            for (row, _) in block.entries(member.stored) {
                self.starts[row + 1] += 1;
            }
        }
        for row in 0..n {
            self.starts[row + 1] += self.starts[row];
        }
        self.entries.clear();
        self.entries.resize(self.starts[n], (0, 0.0));
        let mut next = self.starts.clone();
        let crosses = self.cross.chunks_exact_mut(d);
        for (member, cross) in self.members.iter().zip(crosses) {
            for (row, value) in block.entries(member.stored) {
                let value = value * roots[row];
                self.entries[next[row]] = (member.at as u32, value);
                next[row] += 1;
                for (slot, column) in cross.iter_mut().zip(self.columns.chunks_exact(n)) {
                    *slot += value * column[row];
                }
            }
        }
        for bounds in self.starts.windows(2) {
            let row = &self.entries[bounds[0]..bounds[1]];
            for (first, (a, x)) in row.iter().enumerate() {
                let column = &mut gram[*a as usize * k..][..k];
                for (b, y) in &row[first..] {
                    column[*b as usize] += x * y;
                }
            }
        }
    }

    /// Centres and scales what was added: `gram` is then what dense columns would have given.
    pub(crate) fn finish(&self, terms: &[Term], gram: &mut [f64]) {
        let (d, k) = (self.dense_at.len(), self.k);
        let lower = |a: usize, b: usize| a.min(b) * k + a.max(b);
        for a in 0..d {
            for b in a..d {
                gram[lower(self.dense_at[a], self.dense_at[b])] = self.small[a * d + b];
            }
        }
        let weight = self.small[d * d - 1];
        for (index, member) in self.members.iter().enumerate() {
            let cross = &self.cross[index * d..(index + 1) * d];
            let (spec, total) = (&terms[member.term as usize], cross[d - 1]);
            for (j, product) in cross.iter().enumerate() {
                // The sum of a dense term is its product with the ones.
                let sum = self.small[j * d + d - 1];
                gram[lower(member.at, self.dense_at[j])] =
                    (product - spec.center * sum) / spec.scale;
            }
            for (offset, other) in self.members[index..].iter().enumerate() {
                let (partner, sum) = (
                    &terms[other.term as usize],
                    self.cross[(index + offset) * d + d - 1],
                );
                let slot = &mut gram[member.at * k + other.at];
                let centring = spec.center * sum + partner.center * total
                    - spec.center * partner.center * weight;
                *slot = (*slot - centring) / (spec.scale * partner.scale);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two blocks of 64 rows: terms 0 and 7 dense, 1 to 6 and 8 to 319 sparse with a few entries.
    fn blocks() -> (Vec<Block>, Vec<Term>) {
        let n_terms = 320_u32;
        let is_dense = |term: u32| term == 0 || term == 7;
        let terms = (0..n_terms)
            .map(|term| Term {
                name: String::new(),
                mean: 0.0,
                center: if is_dense(term) {
                    0.0
                } else {
                    0.05 + 1e-4 * f64::from(term)
                },
                scale: if is_dense(term) { 1.0 } else { 0.3 },
                constant: false,
            })
            .collect();
        let block = |shift: usize| {
            let mut block = Block {
                n_rows: 64,
                starts: vec![0],
                ..Block::default()
            };
            for term in 0..n_terms {
                if is_dense(term) {
                    block.dense_terms.push(term);
                    let value = |row: usize| ((row * 7 + term as usize + shift) % 11) as f64 - 5.0;
                    block.dense.extend((0..64).map(value));
                    continue;
                }
                block.sparse_terms.push(term);
                for row in 0..64 {
                    if (row * 31 + term as usize * 17 + shift).is_multiple_of(29) {
                        block.rows.push(row as u16);
                        block.values.push(1.0 + f64::from(term % 3));
                    }
                }
                block.starts.push(block.rows.len() as u32);
            }
            block
        };
        (vec![block(0), block(5)], terms)
    }

    #[test]
    fn stored_entries_give_the_matrix_of_dense_columns() {
        let (blocks, mut terms) = blocks();
        // Far from zero in units of its spread: multiplied as a column.
        terms[20].center = 9.0;
        let set: Vec<u32> = (0..320).filter(|term| term % 10 != 4).collect();
        let k = set.len() + 1;
        let mut sparse = SparseGram::plan(&terms, &blocks, &set).unwrap();
        assert_eq!(sparse.dense, [0, 7, 20]);
        let (mut found, mut expected) = (vec![0.0; k * k], vec![0.0; k * k]);
        let mut columns = Vec::new();
        for (number, block) in blocks.iter().enumerate() {
            let roots: Vec<f64> = (0..64)
                .map(|row| (0.1 + ((row + number) % 5) as f64).sqrt())
                .collect();
            sparse.add(&terms, block, &roots, &mut found);
            scaled_columns(&terms, block, &set, &roots, &mut columns);
            gram_add(&mut expected, &columns, 64, k);
        }
        sparse.finish(&terms, &mut found);
        for column in 0..k {
            for row in column..k {
                let (a, b) = (found[column * k + row], expected[column * k + row]);
                assert!(
                    (a - b).abs() < 1e-10 * (1.0 + b.abs()),
                    "{row} {column} {a} {b}"
                );
            }
        }
    }

    #[test]
    fn small_sets_and_full_columns_are_left_to_dense_products() {
        let (blocks, terms) = blocks();
        let few: Vec<u32> = (0..MIN_SET as u32).collect();
        assert!(SparseGram::plan(&terms, &blocks, &few).is_none());
        let full: Vec<Block> = blocks
            .iter()
            .map(|block| {
                let n = block.sparse_terms.len();
                Block {
                    starts: (0..=n as u32).map(|i| i * 64).collect(),
                    rows: (0..n).flat_map(|_| 0..64).collect(),
                    values: vec![1.0; n * 64],
                    ..block.clone()
                }
            })
            .collect();
        let set: Vec<u32> = (0..320).collect();
        assert!(SparseGram::plan(&terms, &full, &set).is_none());
        assert!(SparseGram::plan(&terms, &blocks, &set).is_some());
    }
}
