//! The design of a batch: standardised columns in blocks of rows that fit a cache.
//!
//! ```text
//!   chunk of 4096 rows = blocks of 1024 rows
//!   block: dense terms, one after the other      | t0 row 0..1023 | t3 row 0..1023 | ...
//!          sparse terms, stored entries only     | t1: rows, values | t2: rows, values | ...
//! ```
//!
//! Numbers are stored standardised. Levels, markers of missing values and sparse columns are
//! stored raw; their centring is implicit: a term `z = (x - c) / s` is never written out as a
//! dense column unless a Gram matrix needs it.

use crate::design::align::{Reader, align, all_finite, not_finite, refuse_infinite, row_major};
use crate::design::encode::{Encoder, Encoding};
use crate::design::prepare::Unseen;
use crate::error::{ErrorKind, Result};
use crate::estimator::RowsSource;
use crate::matrix::column::MISSING_CODE;

/// Rows of one block: 50 dense columns then take 400 kB, within a second-level cache.
pub(crate) const BLOCK_ROWS: usize = 1024;

/// Columns transposed together: a cache line of a row, and as many write streams as a core follows.
const TILE: usize = 8;

/// Standardised terms of at most [`BLOCK_ROWS`] rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Block {
    pub(crate) n_rows: usize,
    /// Terms stored densely, and their columns one after the other.
    pub(crate) dense_terms: Vec<u32>,
    pub(crate) dense: Vec<f64>,
    /// Terms stored sparsely; entries of term `i` are `starts[i]..starts[i + 1]`.
    pub(crate) sparse_terms: Vec<u32>,
    pub(crate) starts: Vec<u32>,
    pub(crate) rows: Vec<u16>,
    pub(crate) values: Vec<f64>,
}

impl Block {
    /// The dense column at a position of `dense_terms`.
    pub(crate) fn column(&self, position: usize) -> &[f64] {
        &self.dense[position * self.n_rows..(position + 1) * self.n_rows]
    }

    /// The stored entries of the sparse term at a position of `sparse_terms`.
    pub(crate) fn entries(&self, position: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let range = self.starts[position] as usize..self.starts[position + 1] as usize;
        self.rows[range.clone()]
            .iter()
            .zip(&self.values[range])
            .map(|(row, value)| (*row as usize, *value))
    }
}

/// The design of some rows: blocks in row order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Design {
    pub(crate) blocks: Vec<Block>,
}

impl Encoder {
    /// The design of rows `range`; rows are named in errors by their number in `rows`.
    pub(crate) fn apply(
        &self,
        rows: RowsSource<'_>,
        range: std::ops::Range<usize>,
    ) -> Result<Design> {
        let readers = align(self.schema(), rows)?;
        let tables = level_tables(self, &readers);
        let mut blocks = Vec::with_capacity(range.len().div_ceil(BLOCK_ROWS));
        let mut start = range.start;
        while start < range.end {
            let n_rows = BLOCK_ROWS.min(range.end - start);
            blocks.push(match self.array_block(rows, start, n_rows) {
                Some(block) => block,
                None => self.block(&readers, &tables, start, n_rows)?,
            });
            start += n_rows;
        }
        Ok(Design { blocks })
    }

    /// The block of a complete row-major array whose features are all plain numbers, transposed and
    /// standardised in one go; `None` where any of that does not hold.
    fn array_block(&self, rows: RowsSource<'_>, start: usize, n_rows: usize) -> Option<Block> {
        let (flat, n_columns) = row_major(rows, start, n_rows)?;
        let plain = self.terms().len() == n_columns && n_rows > 0;
        if !plain || self.terms().iter().any(|term| term.constant) || !all_finite(&flat) {
            return None;
        }
        let mut dense = vec![0.0; flat.len()];
        for first in (0..n_columns).step_by(TILE) {
            let last = (first + TILE).min(n_columns);
            let terms = &self.terms()[first..last];
            let mut columns: Vec<&mut [f64]> = dense[first * n_rows..last * n_rows]
                .chunks_exact_mut(n_rows)
                .collect();
            for (row, values) in flat.chunks_exact(n_columns).enumerate() {
                for ((column, value), term) in
                    columns.iter_mut().zip(&values[first..last]).zip(terms)
                {
                    column[row] = (value - term.center) / term.scale;
                }
            }
        }
        Some(Block {
            n_rows,
            dense_terms: (0..n_columns as u32).collect(),
            dense,
            starts: vec![0],
            ..Block::default()
        })
    }

    fn block(
        &self,
        readers: &[Reader<'_>],
        tables: &[Vec<Option<u32>>],
        start: usize,
        n_rows: usize,
    ) -> Result<Block> {
        let mut block = Block {
            n_rows,
            starts: vec![0],
            ..Block::default()
        };
        let mut buffer = vec![0.0; n_rows];
        let mut codes = vec![0; n_rows];
        for (position, encoding) in self.encodings().iter().enumerate() {
            let feature = &self.schema().features()[position];
            match encoding {
                Encoding::Number {
                    term,
                    fill,
                    missing,
                } => {
                    let spec = &self.terms()[*term as usize];
                    if let Some(entries) = sparse_entries(&readers[position], start, n_rows) {
                        block.push_sparse(*term, entries);
                        if let Some(missing) = missing {
                            block.push_sparse(*missing, std::iter::empty());
                        }
                        continue;
                    }
                    readers[position].fill(start, &mut buffer);
                    if all_finite(&buffer) && !spec.constant {
                        for value in &mut buffer {
                            *value = (*value - spec.center) / spec.scale;
                        }
                        block.dense_terms.push(*term);
                        block.dense.extend_from_slice(&buffer);
                        if let Some(missing) = missing {
                            block.push_sparse(*missing, std::iter::empty());
                        }
                        continue;
                    }
                    refuse_infinite(feature, start, &buffer)?;
                    let mut absent = Vec::new();
                    for (row, value) in buffer.iter_mut().enumerate() {
                        if value.is_nan() {
                            let Some(fill) = fill else {
                                return Err(not_finite(
                                    feature,
                                    start + row,
                                    "no missing values (the preparation refuses them)",
                                ));
                            };
                            absent.push((row as u16, 1.0));
                            *value = *fill;
                        }
                        *value = if spec.constant {
                            0.0
                        } else {
                            (*value - spec.center) / spec.scale
                        };
                    }
                    block.dense_terms.push(*term);
                    block.dense.extend_from_slice(&buffer);
                    if let Some(missing) = missing {
                        block.push_sparse(*missing, absent.into_iter());
                    }
                }
                Encoding::Levels {
                    terms,
                    missing,
                    levels,
                    ..
                } => {
                    codes.fill(MISSING_CODE);
                    if let Reader::View(view) = &readers[position] {
                        view.fill_codes(start, &mut codes);
                    }
                    let mut entries = vec![Vec::new(); terms.len()];
                    for (row, code) in codes.iter().enumerate() {
                        let found = if *code == MISSING_CODE {
                            *missing
                        } else {
                            match tables[position][*code as usize] {
                                Some(UNSEEN) => {
                                    return Err(ErrorKind::UnseenLevel {
                                        name: feature.name().to_string(),
                                        row: start + row,
                                        known: levels.len(),
                                    }
                                    .into());
                                }
                                found => found,
                            }
                        };
                        match found {
                            Some(AVERAGE) => {
                                for term in terms.clone() {
                                    let share = self.terms()[term as usize].mean;
                                    entries[(term - terms.start) as usize]
                                        .push((row as u16, share));
                                }
                            }
                            Some(term) => {
                                entries[(term - terms.start) as usize].push((row as u16, 1.0));
                            }
                            None => {}
                        }
                    }
                    for (term, entries) in terms.clone().zip(entries) {
                        block.push_sparse(term, entries.into_iter());
                    }
                }
            }
        }
        Ok(block)
    }
}

impl Block {
    fn push_sparse(&mut self, term: u32, entries: impl Iterator<Item = (u16, f64)>) {
        self.sparse_terms.push(term);
        for (row, value) in entries {
            self.rows.push(row);
            self.values.push(value);
        }
        self.starts.push(self.rows.len() as u32);
    }
}

/// Marks a level that must be refused.
const UNSEEN: u32 = u32::MAX;
/// Marks a level that stands for the training average: each term takes its own mean.
const AVERAGE: u32 = u32::MAX - 1;

/// For each categorical feature: the term of every level code of the given rows.
pub(crate) fn level_tables(encoder: &Encoder, readers: &[Reader<'_>]) -> Vec<Vec<Option<u32>>> {
    encoder
        .encodings()
        .iter()
        .zip(readers)
        .map(|(encoding, reader)| match (encoding, reader) {
            (
                Encoding::Levels {
                    levels,
                    rare,
                    unseen,
                    ..
                },
                Reader::View(view),
            ) => view
                .levels()
                .iter()
                .map(|level| {
                    match levels.binary_search_by(|(known, _)| known.as_str().cmp(level)) {
                        Ok(found) => levels[found].1,
                        Err(_) => match (unseen, rare) {
                            (Unseen::Refuse, _) => Some(UNSEEN),
                            (Unseen::Average, Some(rare)) => Some(*rare),
                            (Unseen::Average, None) => Some(AVERAGE),
                        },
                    }
                })
                .collect(),
            _ => Vec::new(),
        })
        .collect()
}

/// The stored entries of `start..start + n_rows` where the column is sparse and not a view.
fn sparse_entries<'a>(
    reader: &Reader<'a>,
    start: usize,
    n_rows: usize,
) -> Option<impl Iterator<Item = (u16, f64)> + use<'a>> {
    let Reader::View(view) = reader else {
        return None;
    };
    let (rows, values) = view.stored_between(start, start + n_rows)?;
    Some(
        rows.iter()
            .zip(values)
            .map(move |(row, value)| ((*row as usize - start) as u16, *value)),
    )
}
