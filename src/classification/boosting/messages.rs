//! What goes between the coordinator of a boosting fit and the holders of rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::design::binned::Binner;
use crate::design::edges::{Cell, Stretch, merge};
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::rounds::Partial;
use crate::kernel::tree::answer::{BinSum, LeafSum, Step};
use crate::kernel::tree::gradient::LossScale;

/// What a round asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BoostingQuestion(pub(super) Ask);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Ask {
    /// Classes, the range of weights, levels.
    Census,
    /// Counts on the grid of keys.
    Cells(CellsAsked),
    /// Rows of every bin; weights after those of classes.
    Bins(Arc<Plan>),
    /// Sums of nodes, and losses after the given trees.
    Nodes(Arc<Start>, Arc<Vec<Vec<Step>>>, Vec<Job>),
    /// Fine sums of all leaves: a tree for every output.
    Leaves(Arc<Start>, Arc<Vec<Vec<Step>>>, Vec<Vec<Step>>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CellsAsked {
    /// In the order of the kernel.
    pub(super) classes: Vec<String>,
    /// Smallest and largest weight of all rows to learn from.
    pub(super) range: (f64, f64),
    pub(super) first: bool,
    /// By feature; none for categories and for features that are done.
    pub(super) stretches: Vec<Vec<Stretch>>,
}

/// What the first rounds fixed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) binner: Binner,
    /// In the order of the kernel.
    pub(super) classes: Vec<String>,
    pub(super) factors: Vec<f64>,
    /// Largest weight, times the factor of its class, of rows to learn from and to validate on.
    pub(super) largest: f64,
    pub(super) largest_validation: f64,
}

/// Where boosting starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Start {
    pub(super) plan: Arc<Plan>,
    pub(super) base: Vec<f64>,
    /// Rows to learn from: the scale of gradients depends on their number.
    pub(super) rows: u64,
    pub(super) losses: LossScale,
    pub(super) validation: LossScale,
}

/// Nodes of one growing tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) output: u32,
    pub(super) steps: Vec<Step>,
    pub(super) asked: Vec<u32>,
}

/// What a batch answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BoostingPartial {
    pub(super) rows: u64,
    pub(super) answer: Answer,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Answer {
    Census(BTreeMap<String, Tally>, Vec<BTreeMap<String, u64>>),
    /// Whole weight of every class, in the first round only; cells by feature.
    Cells(Vec<i64>, Vec<Vec<Cell>>),
    Bins(BinCounts),
    Nodes(Losses, Vec<Vec<Vec<BinSum>>>),
    Leaves(Vec<Vec<LeafSum>>),
}

/// Rows of one class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) rows: u64,
    pub(super) validated: u64,
    /// Smallest and largest weight of rows to learn from.
    pub(super) range: (f64, f64),
    pub(super) largest_validation: f64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            rows: 0,
            validated: 0,
            range: (f64::INFINITY, 0.0),
            largest_validation: 0.0,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct BinCounts {
    /// Rows of every bin, those of missing values last.
    pub(super) filled: Vec<Vec<u64>>,
    /// Whole weight of every class, of rows to learn from and to validate on.
    pub(super) sums: Vec<i64>,
    pub(super) validation_sums: Vec<i64>,
    /// Rows to learn from whose weight is above zero.
    pub(super) used: u64,
}

/// Losses as whole numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Losses {
    pub(super) train: i128,
    pub(super) validation: i128,
}

pub(super) fn differ() -> Error {
    ErrorKind::Schema("partials of different rounds or schemas".into()).into()
}

/// Both of one length, or one of them empty.
fn add_up<T>(mut a: Vec<T>, b: Vec<T>, add: impl Fn(&mut T, T)) -> Result<Vec<T>> {
    if a.is_empty() || b.is_empty() {
        return Ok(if a.is_empty() { b } else { a });
    }
    if a.len() != b.len() {
        return Err(differ());
    }
    for (slot, more) in a.iter_mut().zip(b) {
        add(slot, more);
    }
    Ok(a)
}

fn add_whole(a: &mut i64, b: i64) {
    *a = a.wrapping_add(b);
}

fn add_counts(a: &mut BTreeMap<String, u64>, b: BTreeMap<String, u64>) {
    for (level, rows) in b {
        let slot = a.entry(level).or_default();
        *slot = slot.saturating_add(rows);
    }
}

impl Partial for BoostingPartial {
    fn merge(self, other: Self) -> Result<Self> {
        let rows = self.rows.saturating_add(other.rows);
        let answer = match (self.answer, other.answer) {
            (Answer::Census(mut classes, levels), Answer::Census(more, other)) => {
                for (class, tally) in more {
                    let slot = classes.entry(class).or_default();
                    slot.rows = slot.rows.saturating_add(tally.rows);
                    slot.validated = slot.validated.saturating_add(tally.validated);
                    slot.range.0 = slot.range.0.min(tally.range.0);
                    slot.range.1 = slot.range.1.max(tally.range.1);
                    slot.largest_validation = slot.largest_validation.max(tally.largest_validation);
                }
                Answer::Census(classes, add_up(levels, other, add_counts)?)
            }
            (Answer::Cells(a, cells), Answer::Cells(b, more)) => Answer::Cells(
                add_up(a, b, add_whole)?,
                add_up(cells, more, |a, b| *a = merge(std::mem::take(a), b))?,
            ),
            (Answer::Bins(a), Answer::Bins(b)) => {
                let add_rows = |a: &mut u64, b: u64| *a = a.saturating_add(b);
                let mut filled = Vec::with_capacity(a.filled.len());
                if a.filled.len() != b.filled.len() {
                    return Err(differ());
                }
                for (a, b) in a.filled.into_iter().zip(b.filled) {
                    filled.push(add_up(a, b, add_rows)?);
                }
                Answer::Bins(BinCounts {
                    filled,
                    sums: add_up(a.sums, b.sums, add_whole)?,
                    validation_sums: add_up(a.validation_sums, b.validation_sums, add_whole)?,
                    used: a.used.saturating_add(b.used),
                })
            }
            (Answer::Nodes(a, sums), Answer::Nodes(b, more)) => {
                let losses = Losses {
                    train: a.train.wrapping_add(b.train),
                    validation: a.validation.wrapping_add(b.validation),
                };
                let add = |a: &mut BinSum, b: BinSum| a.add(&b);
                Answer::Nodes(losses, add_nested(sums, more, |a, b| add_up(a, b, add))?)
            }
            (Answer::Leaves(a), Answer::Leaves(b)) => {
                let add = |a: &mut LeafSum, b: LeafSum| a.add(&b);
                let mut sums = Vec::with_capacity(a.len());
                if a.len() != b.len() {
                    return Err(differ());
                }
                for (a, b) in a.into_iter().zip(b) {
                    sums.push(add_up(a, b, add)?);
                }
                Answer::Leaves(sums)
            }
            _ => return Err(differ()),
        };
        Ok(Self { rows, answer })
    }

    fn n_rows(&self) -> u64 {
        self.rows
    }

    /// Bins, levels, cells and leaves are counted one by one; a smallest or largest value is that of
    /// one row.
    fn smallest_count(&self) -> u64 {
        let of = |counts: &mut dyn Iterator<Item = u64>| {
            counts.filter(|rows| *rows > 0).fold(self.rows, u64::min)
        };
        match &self.answer {
            Answer::Census(classes, levels) => {
                let alone = classes.values().any(|tally| {
                    tally.range.0 < tally.range.1
                        || tally.validated > 0 && tally.largest_validation != 1.0
                        || tally.rows > 0 && tally.range.1 != 1.0
                });
                let classes = classes.values();
                let mut rows = classes.flat_map(|tally| [tally.rows, tally.validated]);
                let levels = levels.iter().flat_map(BTreeMap::values).copied();
                of(&mut rows.by_ref().chain(levels).chain(alone.then_some(1)))
            }
            Answer::Cells(_, features) => {
                of(&mut features.iter().flatten().map(Cell::smallest_count))
            }
            Answer::Bins(bins) => of(&mut bins.filled.iter().flatten().copied()),
            Answer::Nodes(_, sums) => of(&mut sums.iter().flatten().flatten().map(|sum| sum.rows)),
            Answer::Leaves(sums) => of(&mut sums.iter().flatten().map(|sum| sum.rows)),
        }
    }

    fn n_numbers(&self) -> usize {
        match &self.answer {
            Answer::Census(classes, levels) => {
                4 * classes.len() + levels.iter().map(BTreeMap::len).sum::<usize>()
            }
            Answer::Cells(sums, features) => {
                sums.len() + 3 * features.iter().map(Vec::len).sum::<usize>()
            }
            Answer::Bins(bins) => {
                let filled: usize = bins.filled.iter().map(Vec::len).sum();
                filled + bins.sums.len() + bins.validation_sums.len()
            }
            Answer::Nodes(_, sums) => {
                let bins = sums.iter().flatten().flatten();
                2 + 3 * bins.filter(|sum| sum.rows > 0).count()
            }
            Answer::Leaves(sums) => 4 * sums.iter().map(Vec::len).sum::<usize>(),
        }
    }
}

type Nested<T> = Vec<Vec<Vec<T>>>;

fn add_nested<T>(
    a: Nested<T>,
    b: Nested<T>,
    add: impl Fn(Vec<T>, Vec<T>) -> Result<Vec<T>>,
) -> Result<Nested<T>> {
    if a.len() != b.len() {
        return Err(differ());
    }
    let mut out = Vec::with_capacity(a.len());
    for (a, b) in a.into_iter().zip(b) {
        if a.len() != b.len() {
            return Err(differ());
        }
        let pairs = a.into_iter().zip(b);
        out.push(pairs.map(|(a, b)| add(a, b)).collect::<Result<_>>()?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::edges::{Search, count};

    fn smallest(rows: u64, answer: Answer) -> u64 {
        BoostingPartial { rows, answer }.smallest_count()
    }

    fn bin(rows: u64) -> BinSum {
        BinSum {
            rows,
            ..BinSum::default()
        }
    }

    #[test]
    fn the_scarcest_number_counts() {
        let tally = |rows, range| Tally {
            rows,
            range,
            ..Tally::default()
        };
        let census = |range| {
            let classes = [("a", tally(9, (1.0, 1.0))), ("b", tally(4, range))];
            let classes = classes.map(|(class, tally)| (class.to_string(), tally));
            let levels = vec![BTreeMap::from([("east".to_string(), 3_u64)])];
            smallest(13, Answer::Census(BTreeMap::from(classes), levels))
        };
        assert_eq!(census((1.0, 1.0)), 3);
        assert_eq!(census((0.5, 1.0)), 1, "a weight is that of one row");
        // Ends of a cell are values of single rows, unless all rows have that value.
        let cells = |second: f64| {
            let column = [vec![1.0; 5], vec![second; 7]].concat();
            let mut search = Search::new(2);
            let first = count(&column, None, search.asked(), true);
            let of_first = smallest(12, Answer::Cells(vec![12], vec![first.clone()]));
            search.advance(first);
            let later = count(&column, None, search.asked(), false);
            (
                of_first,
                smallest(12, Answer::Cells(Vec::new(), vec![later])),
            )
        };
        assert_eq!(cells(3.0), (5, 5));
        assert_eq!(cells(1.000_000_1), (12, 1));
        let bins = BinCounts {
            filled: vec![vec![5, 0, 4], vec![9, 0]],
            ..BinCounts::default()
        };
        assert_eq!(smallest(9, Answer::Bins(bins)), 4);
        let nodes = vec![vec![vec![bin(6), bin(0)], vec![bin(2), bin(4)]]];
        assert_eq!(smallest(9, Answer::Nodes(Losses::default(), nodes)), 2);
        let leaf = |rows| LeafSum {
            rows,
            ..LeafSum::default()
        };
        assert_eq!(smallest(9, Answer::Leaves(vec![vec![leaf(0), leaf(7)]])), 7);
    }

    #[test]
    fn only_answers_to_one_question_merge() {
        let partial = |answer| BoostingPartial { rows: 1, answer };
        let leaves = |n| partial(Answer::Leaves(vec![vec![LeafSum::default(); n]]));
        let bins = |n| {
            let filled = vec![vec![1; n]];
            partial(Answer::Bins(BinCounts {
                filled,
                ..BinCounts::default()
            }))
        };
        assert!(leaves(3).merge(leaves(3)).is_ok());
        assert!(leaves(3).merge(leaves(2)).is_err());
        assert!(leaves(3).merge(bins(3)).is_err());
        assert!(bins(3).merge(bins(2)).is_err());
        let Answer::Bins(sum) = bins(2).merge(bins(2)).unwrap().answer else {
            panic!("bins");
        };
        assert_eq!(sum.filled, [vec![2, 2]]);
    }
}
