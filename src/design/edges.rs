//! Edges of bins from counts on a grid of keys: free of the order of rows, the same over any shards.
//!
//! A number's key is its 64 bits in the order of numbers. Weights, as whole numbers, are counted in
//! cells of that grid: first by the top 16 bits, then finer where a cell holds more than a quarter of
//! what a bin should and more than one value. The cells are the same whoever counts them.
//!
//! ```text
//!   keys:   |      .  . | . ..:::|::.      |            16 bits: 16 cells between 1 and 2
//!                       |.|.|:|:||:|.|                  heavy cells again, by as many bits as needed
//!   edge:   the middle between the largest value of one cell and the smallest of the next
//! ```

use serde::{Deserialize, Serialize};

/// Bits of the first cells.
const PREFIX_BITS: u32 = 16;

/// Bits below them.
const REST: u32 = 64 - PREFIX_BITS;

/// First cells that are looked at together.
const SEEN_TOGETHER: usize = 64;

/// Number of first cells.
const PREFIXES: usize = 1 << PREFIX_BITS;

/// A cell that holds more than one part in so many of a fair bin is cut further.
const PARTS: u128 = 8;

/// More stages than any honest counts need: a key has 64 bits.
const MOST_STAGES: usize = 64;

/// Up to so many rows are sorted rather than counted in tables.
const FEW_ROWS: usize = 8_192;

/// Whole weight of the largest weight.
const WEIGHT: f64 = 2_147_483_648.0;

/// The key of a number: keys are in the order of numbers, 0 and -0 have one.
#[inline(always)]
pub(crate) fn key(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    bits ^ (((bits as i64) >> 63) as u64 | 1 << 63)
}

/// The number of a key.
fn number(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key ^ 1 << 63 } else { !key })
}

/// Whether a key is that of a finite number.
#[inline(always)]
fn is_finite(key: u64) -> bool {
    let top = key >> 52;
    top != 0 && top != 0xfff
}

/// A weight as a whole number, given the smallest and the largest of all; 1 where all are alike.
pub(crate) fn whole_weight(weight: f64, (least, largest): (f64, f64)) -> u64 {
    if least == largest {
        return 1;
    }
    ((weight / largest * WEIGHT).round_ties_even() as u64).max(1)
}

/// Cells of equal length side by side, each the keys that share all but their last `shift` bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stretch {
    first: u64,
    shift: u32,
    cells: u32,
}

impl Stretch {
    /// The cell of a key, counted from the first; beyond `cells` for a key above, negative below.
    #[inline]
    fn place(&self, key: u64) -> i128 {
        i128::from(key.checked_shr(self.shift).unwrap_or(0)) - i128::from(self.first)
    }

    /// First bits of its first key.
    fn prefix(&self) -> usize {
        (self.first << self.shift >> REST) as usize
    }

    /// The cells of all keys by their first bits.
    fn all() -> Self {
        Self {
            first: 0,
            shift: REST,
            cells: PREFIXES as u32,
        }
    }
}

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// Place among all cells of the stretches asked.
    number: u32,
    pub(crate) rows: u64,
    weight: u64,
    /// Smallest and largest key; both 0 in the first stage.
    least: u64,
    most: u64,
}

impl Cell {
    /// Rows behind the scarcest number said of it: its ends are those of single rows.
    pub(crate) fn smallest_count(&self) -> u64 {
        if self.least == self.most {
            self.rows
        } else {
            1
        }
    }
}

/// A value and what holds it.
#[derive(Debug, Clone, Copy)]
struct Run {
    key: u64,
    rows: u64,
    weight: u64,
}

/// Sums over the cells of both, in order.
pub(crate) fn merge(a: Vec<Cell>, b: Vec<Cell>) -> Vec<Cell> {
    let mut out: Vec<Cell> = Vec::with_capacity(a.len().max(b.len()));
    let (mut a, mut b) = (a.into_iter().peekable(), b.into_iter().peekable());
    loop {
        let from_a = match (a.peek(), b.peek()) {
            (None, None) => return out,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(x), Some(y)) => x.number <= y.number,
        };
        let Some(cell) = (if from_a { a.next() } else { b.next() }) else {
            return out;
        };
        match out.last_mut() {
            Some(last) if last.number == cell.number => {
                last.rows = last.rows.saturating_add(cell.rows);
                last.weight = last.weight.saturating_add(cell.weight);
                last.least = last.least.min(cell.least);
                last.most = last.most.max(cell.most);
            }
            _ => out.push(cell),
        }
    }
}

/// The search for the edges of one feature.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    max_bins: usize,
    asked: Vec<Stretch>,
    stage: usize,
    /// Cells in order of their keys.
    cells: Vec<Cell>,
}

impl Search {
    pub(crate) fn new(max_bins: usize) -> Self {
        Self {
            max_bins,
            asked: vec![Stretch::all()],
            stage: 0,
            cells: Vec::new(),
        }
    }

    /// What is to be counted next; nothing once it is done.
    pub(crate) fn asked(&self) -> &[Stretch] {
        &self.asked
    }

    /// Takes the counts of what was asked.
    pub(crate) fn advance(&mut self, counted: Vec<Cell>) {
        let first = self.stage == 0;
        self.stage += 1;
        if first {
            self.cells.clear();
            let total = total_of(&counted);
            let stretches = counted.iter().map(|cell| {
                let bits = self.bits(cell.weight, total);
                Stretch {
                    first: u64::from(cell.number) << bits,
                    shift: REST - bits,
                    cells: 1 << bits,
                }
            });
            self.asked = stretches.collect();
            return;
        }
        self.cells.extend(counted);
        self.cells.sort_by_key(|cell| cell.least);
        self.asked.clear();
        if self.stage >= MOST_STAGES {
            return;
        }
        let total = total_of(&self.cells);
        // Few values: each is to have a bin of its own.
        let few = self.cells.len() <= self.max_bins;
        let mut kept = Vec::with_capacity(self.cells.len());
        for cell in &self.cells {
            let bits = self.bits(cell.weight, total);
            if cell.least >= cell.most || (bits == 0 && !few) {
                kept.push(*cell);
                continue;
            }
            let most_cells = 1_u64 << bits.max(2);
            let shift =
                (0..64).find(|shift| (cell.most >> shift) - (cell.least >> shift) < most_cells);
            let shift = shift.unwrap_or(63);
            let first = cell.least >> shift;
            self.asked.push(Stretch {
                first,
                shift,
                cells: ((cell.most >> shift) - first + 1) as u32,
            });
        }
        self.cells = kept;
    }

    /// Bits by which a cell of this weight is cut; 0 where it is light enough.
    fn bits(&self, weight: u64, total: u64) -> u32 {
        let scaled = u128::from(weight) * PARTS * self.max_bins as u128;
        let times = scaled.div_ceil(u128::from(total.max(1)));
        if times <= 1 {
            return 0;
        }
        // Twice as many as equal parts would need.
        (u128::BITS - (times - 1).leading_zeros() + 1).min(REST)
    }

    /// Edges between bins of about equal weight; a value never falls in two.
    pub(crate) fn edges(&self) -> Vec<f64> {
        let cells = &self.cells;
        let max_bins = self.max_bins;
        let mut edges = Vec::new();
        let mut left: f64 = cells.iter().map(|cell| cell.weight as f64).sum();
        let mut open = 0.0;
        for pair in cells.windows(2) {
            let [cell, next] = [&pair[0], &pair[1]];
            open += cell.weight as f64;
            left -= cell.weight as f64;
            let bins_left = (max_bins - 1).saturating_sub(edges.len());
            if bins_left == 0 {
                break;
            }
            // What one bin should hold if all that is not yet cut were dealt evenly.
            let fair = (open + left) / (bins_left + 1) as f64;
            let close = cells.len() <= max_bins
                || open >= fair
                || (next.weight as f64 >= fair && open >= fair / 2.0);
            if close {
                edges.push(between(number(cell.most), number(next.least)));
                open = 0.0;
            }
        }
        edges
    }
}

fn total_of(cells: &[Cell]) -> u64 {
    cells
        .iter()
        .fold(0, |sum: u64, cell| sum.saturating_add(cell.weight))
}

/// A number from `low` on and below `high`: the middle where it is.
pub(crate) fn between(low: f64, high: f64) -> f64 {
    let middle = low / 2.0 + high / 2.0;
    if middle >= low && middle < high {
        middle
    } else {
        low
    }
}

/// Edges of a column; NaN is absence, `weights` are whole and `None` where all are alike.
pub(crate) fn edges_of(column: &[f64], weights: Option<&[u64]>, max_bins: usize) -> Vec<f64> {
    let mut search = Search::new(max_bins);
    let mut runs = None;
    if column.len() > FEW_ROWS {
        search.advance(by_prefix(column, weights));
    }
    while !search.asked().is_empty() {
        let asked = search.asked();
        let tabled = column.len() > FEW_ROWS && one_a_prefix(asked);
        let counted = if tabled && runs.is_none() {
            by_stretch_of_prefix(column, weights, asked)
        } else {
            let runs = runs.get_or_insert_with(|| {
                let mut among = vec![column.len() <= FEW_ROWS; PREFIXES];
                for stretch in asked {
                    among[stretch.prefix()] = true;
                }
                runs_of(column, weights, |key| among[(key >> REST) as usize])
            });
            count_runs(runs, asked, search.stage == 0)
        };
        search.advance(counted);
    }
    search.edges()
}

/// As [`edges_of`], of the stored values of a sparse column and the rows and weight of its zeros.
pub(crate) fn edges_of_stored(
    values: &[f64],
    weights: Option<&[u64]>,
    zeros: (u64, u64),
    max_bins: usize,
) -> Vec<f64> {
    let runs = runs_of_stored(values, weights, zeros);
    let mut search = Search::new(max_bins);
    while !search.asked().is_empty() {
        let counted = count_runs(&runs, search.asked(), search.stage == 0);
        search.advance(counted);
    }
    search.edges()
}

/// As [`count`], of the stored values of a sparse column and the rows and weight of its zeros.
pub(crate) fn count_stored(
    values: &[f64],
    weights: Option<&[u64]>,
    zeros: (u64, u64),
    stretches: &[Stretch],
    first: bool,
) -> Vec<Cell> {
    count_runs(&runs_of_stored(values, weights, zeros), stretches, first)
}

fn runs_of_stored(values: &[f64], weights: Option<&[u64]>, zeros: (u64, u64)) -> Vec<Run> {
    let mut runs = runs_of(values, weights, |_| true);
    let (rows, weight) = zeros;
    if rows > 0 {
        let zero = key(0.0);
        let place = runs.partition_point(|run| run.key < zero);
        match runs.get_mut(place) {
            // A zero may be stored.
            Some(run) if run.key == zero => {
                run.rows += rows;
                run.weight += weight;
            }
            _ => runs.insert(
                place,
                Run {
                    key: zero,
                    rows,
                    weight,
                },
            ),
        }
    }
    runs
}

/// Counts a batch of numbers as a search asks; `first` in its first stage.
pub(crate) fn count(
    column: &[f64],
    weights: Option<&[u64]>,
    stretches: &[Stretch],
    first: bool,
) -> Vec<Cell> {
    count_runs(&runs_of(column, weights, |_| true), stretches, first)
}

fn runs_of(column: &[f64], weights: Option<&[u64]>, wanted: impl Fn(u64) -> bool) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut take = |key, weight| match runs.last_mut() {
        Some(last) if last.key == key => {
            last.rows += 1;
            last.weight += weight;
        }
        _ => runs.push(Run {
            key,
            rows: 1,
            weight,
        }),
    };
    let keys = column.iter().map(|value| key(*value));
    let wanted = |key: u64| is_finite(key) && wanted(key);
    match weights {
        None => {
            let mut keys: Vec<u64> = keys.filter(|key| wanted(*key)).collect();
            keys.sort_unstable();
            keys.into_iter().for_each(|key| take(key, 1));
        }
        Some(weights) => {
            let pairs = keys.zip(weights.iter().copied());
            let mut pairs: Vec<(u64, u64)> = pairs.filter(|(key, _)| wanted(*key)).collect();
            pairs.sort_unstable();
            pairs
                .into_iter()
                .for_each(|(key, weight)| take(key, weight));
        }
    }
    runs
}

fn count_runs(runs: &[Run], stretches: &[Stretch], first: bool) -> Vec<Cell> {
    let mut out: Vec<Cell> = Vec::new();
    let mut before = 0_u32;
    for stretch in stretches {
        let from = runs.partition_point(|run| stretch.place(run.key) < 0);
        for run in &runs[from..] {
            let place = stretch.place(run.key);
            if place >= i128::from(stretch.cells) {
                break;
            }
            let number = before.saturating_add(place as u32);
            let (least, most) = if first { (0, 0) } else { (run.key, run.key) };
            match out.last_mut() {
                Some(last) if last.number == number => {
                    last.rows += run.rows;
                    last.weight += run.weight;
                    last.most = most;
                }
                _ => out.push(Cell {
                    number,
                    rows: run.rows,
                    weight: run.weight,
                    least,
                    most,
                }),
            }
        }
        before = before.saturating_add(stretch.cells);
    }
    out
}

/// The first stage in a table.
fn by_prefix(column: &[f64], weights: Option<&[u64]>) -> Vec<Cell> {
    let mut sums = vec![0_u64; PREFIXES];
    match weights {
        None => {
            for value in column {
                sums[(key(*value) >> REST) as usize] += 1;
            }
        }
        Some(weights) => {
            for (value, weight) in column.iter().zip(weights) {
                sums[(key(*value) >> REST) as usize] += weight;
            }
        }
    }
    // Most stretches of the table are empty; which ones is seen many cells at a time.
    let filled = |cells: &[u64]| cells.iter().fold(0, |any, sum| any | sum) > 0;
    let stretches = sums.chunks(SEEN_TOGETHER).enumerate();
    let stretches = stretches.filter(|(_, cells)| filled(cells));
    let cells = stretches.flat_map(|(at, cells)| {
        let first = at * SEEN_TOGETHER;
        let cells = cells.iter().enumerate();
        cells.map(move |(prefix, sum)| (first + prefix, *sum))
    });
    cells
        .filter(|(prefix, sum)| *sum > 0 && is_finite((*prefix as u64) << REST))
        .map(|(prefix, weight)| Cell {
            number: prefix as u32,
            rows: weight,
            weight,
            least: 0,
            most: 0,
        })
        .collect()
}

/// Whether stretches, in order, lie within prefixes of their own; those after the first stage lie
/// within one at least.
fn one_a_prefix(stretches: &[Stretch]) -> bool {
    let apart = |pair: &[Stretch]| pair[0].prefix() < pair[1].prefix();
    stretches.windows(2).all(apart)
}

/// A later stage in a table, for stretches within prefixes of their own.
fn by_stretch_of_prefix(
    column: &[f64],
    weights: Option<&[u64]>,
    stretches: &[Stretch],
) -> Vec<Cell> {
    // Keys of no stretch add to a cell of their own, the first.
    let mut of_prefix = vec![0_u32; PREFIXES];
    let nowhere = Stretch {
        first: 0,
        shift: 0,
        cells: 0,
    };
    let mut places = vec![(0, nowhere)];
    let mut n_cells = 1;
    for stretch in stretches {
        of_prefix[stretch.prefix()] = places.len() as u32;
        places.push((n_cells, *stretch));
        n_cells += stretch.cells as usize;
    }
    let empty = Cell {
        number: 0,
        rows: 0,
        weight: 0,
        least: u64::MAX,
        most: 0,
    };
    let mut cells = vec![empty; n_cells];
    let place = |key: u64| {
        let (number, stretch) = &places[of_prefix[(key >> REST) as usize] as usize];
        let place = (key >> (stretch.shift & 63)).wrapping_sub(stretch.first);
        let within = place < u64::from(stretch.cells);
        if within { number + place as usize } else { 0 }
    };
    for (row, value) in column.iter().enumerate() {
        let key = key(*value);
        let cell = &mut cells[place(key)];
        cell.rows += 1;
        if let Some(weights) = weights {
            cell.weight += weights[row];
        }
        cell.least = cell.least.min(key);
        cell.most = cell.most.max(key);
    }
    let cells = cells.into_iter().skip(1).enumerate();
    let filled = cells.filter(|(_, cell)| cell.rows > 0);
    let numbered = |(number, cell): (usize, Cell)| Cell {
        number: number as u32,
        weight: if weights.is_some() {
            cell.weight
        } else {
            cell.rows
        },
        ..cell
    };
    filled.map(numbered).collect()
}

#[cfg(test)]
#[path = "edges_tests.rs"]
mod tests;
