//! The bin of a number by a table instead of a search.
//!
//! ```text
//!   value -> cell of a grid over the edges -> edges below that cell + edges within it below the value
//! ```
//!
//! A grid is any map of numbers to cells that never falls: an edge in a lower cell than a value is below
//! it, one in a higher cell is not, and only those in the value's own cell are compared. Even cells suit
//! most features; where they leave too many edges in one cell, as between a few huge numbers, cells of
//! equal stretches of keys do, whose length grows with the number; where neither does, edges are searched.

use crate::design::binned::{Bins, MISSING};
use crate::design::edges::key;

/// Cells of a grid: many more than edges, few enough for the first cache.
const CELLS: usize = 4_096;

/// Most edges of a cell.
const MOST_WITHIN: usize = 8;

/// Room for the edges, and for a cell's worth of comparisons after the last one.
const ROOM: usize = 256 + MOST_WITHIN;

/// Below so many values a table costs more than it saves.
const WORTH_A_TABLE: usize = 2_048;

/// Its last bits count upwards from zero: adding it rounds to a whole number.
const ROUNDS: f64 = (1_u64 << 52) as f64;

/// How a number finds its cell.
#[derive(Debug, Clone, Copy)]
enum Grid {
    Even { low: f64, scale: f64 },
    Keys { first: u64, shift: u32 },
}

impl Grid {
    #[inline(always)]
    fn even(value: f64, low: f64, scale: f64) -> usize {
        let at = (value - low) * scale;
        // In this form NaN becomes 0.
        let at = if at > 0.0 { at } else { 0.0 };
        let last = (CELLS - 1) as f64;
        let at = if at < last { at } else { last };
        (at + ROUNDS).to_bits() as usize % CELLS
    }

    #[inline(always)]
    fn by_key(value: f64, first: u64, shift: u32) -> usize {
        let at = key(value).saturating_sub(first) >> (shift & 63);
        (at as usize).min(CELLS - 1)
    }

    fn cell(self, value: f64) -> usize {
        match self {
            Self::Even { low, scale } => Self::even(value, low, scale),
            Self::Keys { first, shift } => Self::by_key(value, first, shift),
        }
    }
}

/// Cells, the number of edges below each, and the edges.
#[derive(Debug)]
struct Table {
    grid: Grid,
    below: [u8; CELLS],
    edges: [f64; ROOM],
    /// Most edges of a cell.
    within: usize,
}

impl Table {
    /// `None` where a cell would hold too many edges.
    fn new(edges: &[f64], grid: Grid) -> Option<Self> {
        let mut room = [f64::INFINITY; ROOM];
        room[..edges.len()].copy_from_slice(edges);
        let (mut below, mut within) = ([0; CELLS], 0);
        let mut at = 0;
        let mut next = 0;
        while at < edges.len() {
            let cell = grid.cell(edges[at]);
            below[next..=cell].fill(at as u8);
            next = cell + 1;
            let first = at;
            while at < edges.len() && grid.cell(edges[at]) == cell {
                at += 1;
            }
            within = within.max(at - first);
        }
        below[next..].fill(edges.len() as u8);
        (within <= MOST_WITHIN).then_some(Self {
            grid,
            below,
            edges: room,
            within,
        })
    }

    #[inline(always)]
    fn bins<const WITHIN: usize>(
        &self,
        values: &[f64],
        cell: impl Fn(f64) -> usize,
        put: &mut impl FnMut(usize, u8),
    ) {
        for (at, value) in values.iter().enumerate() {
            let below = self.below[cell(*value)];
            let mut bin = below;
            for next in 0..WITHIN {
                bin += u8::from(self.edges[below as usize + next] < *value);
            }
            put(at, if value.is_nan() { MISSING } else { bin });
        }
    }

    #[inline(always)]
    fn within(&self, values: &[f64], cell: impl Fn(f64) -> usize, put: &mut impl FnMut(usize, u8)) {
        match self.within {
            0..=1 => self.bins::<1>(values, cell, put),
            2 => self.bins::<2>(values, cell, put),
            3 => self.bins::<3>(values, cell, put),
            4 => self.bins::<4>(values, cell, put),
            _ => self.bins::<MOST_WITHIN>(values, cell, put),
        }
    }
}

/// The bins of numbers between given edges.
#[derive(Debug)]
pub(crate) struct Lookup<'a> {
    edges: &'a [f64],
    table: Option<Box<Table>>,
}

impl<'a> Lookup<'a> {
    /// `edges` are increasing, finite and at most 254; about `n_values` numbers will be asked.
    pub(crate) fn new(edges: &'a [f64], n_values: usize) -> Self {
        let mut table = None;
        if let [low, .., high] = edges
            && n_values >= WORTH_A_TABLE
            && edges.len() < usize::from(MISSING)
        {
            let scale = (CELLS - 1) as f64 / (high - low);
            if scale.is_finite() && scale > 0.0 {
                table = Table::new(edges, Grid::Even { low: *low, scale });
            }
            if table.as_ref().is_none_or(|table| table.within > 4) {
                let first = key(*low);
                let spare = (key(*high) - first).leading_zeros();
                let shift = (u64::BITS - spare).saturating_sub(CELLS.trailing_zeros());
                let keys = Table::new(edges, Grid::Keys { first, shift });
                let fewer = |a: &Table, b: &Table| a.within < b.within;
                table = match (table, keys) {
                    (Some(even), Some(keys)) if fewer(&even, &keys) => Some(even),
                    (even, keys) => keys.or(even),
                };
            }
        }
        Self {
            edges,
            table: table.map(Box::new),
        }
    }

    /// Calls `put` with the position and the bin of every value.
    #[inline]
    pub(crate) fn bins(&self, values: &[f64], mut put: impl FnMut(usize, u8)) {
        let Some(table) = &self.table else {
            for (at, value) in values.iter().enumerate() {
                put(at, Bins::of_number(self.edges, *value));
            }
            return;
        };
        match table.grid {
            Grid::Even { low, scale } => {
                let cell = |value| Grid::even(value, low, scale);
                table.within(values, cell, &mut put);
            }
            Grid::Keys { first, shift } => {
                let cell = |value| Grid::by_key(value, first, shift);
                table.within(values, cell, &mut put);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::seed::{below, stream, uniform};

    /// The numbers where a bin may change, and their neighbours.
    fn probes(edges: &[f64]) -> Vec<f64> {
        let mut probes = vec![
            0.0,
            -0.0,
            f64::NAN,
            -f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            -f64::MIN_POSITIVE,
            5e-324,
            -5e-324,
        ];
        for edge in edges {
            probes.extend([*edge, edge.next_up(), edge.next_down(), -edge]);
        }
        for pair in edges.windows(2) {
            probes.extend([pair[0] / 2.0 + pair[1] / 2.0]);
        }
        probes
    }

    /// The kind of table that was made: even cells, cells of keys, none.
    fn same_as_a_search(edges: &[f64]) -> &'static str {
        assert!(edges.windows(2).all(|pair| pair[0] < pair[1]) && edges.len() < 255);
        let probes = probes(edges);
        let mut found = Vec::new();
        let lookup = Lookup::new(edges, usize::MAX);
        lookup.bins(&probes, |at, bin| {
            assert_eq!(at, found.len());
            found.push(bin);
        });
        for (value, bin) in probes.iter().zip(found) {
            let expected = if value.is_nan() {
                MISSING
            } else {
                edges.partition_point(|edge| edge < value) as u8
            };
            assert_eq!(bin, expected, "{value:e} among {edges:?}");
        }
        match lookup.table.map(|table| table.grid) {
            Some(Grid::Even { .. }) => "even",
            Some(Grid::Keys { .. }) => "keys",
            None => "none",
        }
    }

    fn edges(n: usize, mut next: impl FnMut() -> f64) -> Vec<f64> {
        let mut edges: Vec<f64> = (0..n).map(|_| next()).collect();
        edges.sort_by(f64::total_cmp);
        edges.dedup();
        edges
    }

    #[test]
    fn bins_are_those_of_a_search() {
        let mut kinds = std::collections::BTreeMap::new();
        let mut r = stream(3, 3);
        for _ in 0..60 {
            let n = 2 + below(&mut r, 253);
            let lists = [
                // Even, shifted far off, skewed, spread over all magnitudes, any bits at all.
                edges(n, || uniform(&mut r)),
                edges(n, || 1e9 + uniform(&mut r)),
                edges(n, || libm::exp(4.0 * uniform(&mut r))),
                edges(n, || libm::exp(600.0 * uniform(&mut r) - 300.0)),
                edges(n, || {
                    libm::exp(80.0 * uniform(&mut r))
                        * if below(&mut r, 2) == 0 { 1.0 } else { -1.0 }
                }),
                edges(n, || (below(&mut r, 90) as f64 - 20.0) / 2.0),
                edges(n, || f64::from_bits(below(&mut r, 1_000) as u64)),
                edges(n, || {
                    f64::from_bits((1.5_f64).to_bits() + below(&mut r, 300) as u64)
                }),
                edges(n, || {
                    let far = below(&mut r, 10) == 0;
                    if far {
                        1e300 * (uniform(&mut r) - 0.5)
                    } else {
                        uniform(&mut r)
                    }
                }),
            ];
            for list in lists {
                *kinds.entry(same_as_a_search(&list)).or_insert(0) += 1;
            }
        }
        assert!(
            kinds.len() == 3 && kinds.values().all(|n| *n > 10),
            "{kinds:?}"
        );
    }

    #[test]
    fn few_and_extreme_edges() {
        for list in [
            vec![],
            vec![0.0],
            vec![-0.0],
            vec![0.0, 5e-324],
            vec![-5e-324, -0.0, 5e-324],
            vec![f64::MIN, f64::MAX],
            vec![f64::MIN, 0.0, f64::MAX],
            vec![f64::MIN, f64::MIN.next_up()],
            vec![-1.0, -0.0, 1.0],
            (0..254).map(f64::from).collect(),
            (0..254).map(|at| f64::from(at).exp2()).collect(),
        ] {
            same_as_a_search(&list);
        }
        // Few values are not worth a table.
        assert!(Lookup::new(&[1.0, 2.0], 100).table.is_none());
        assert!(Lookup::new(&[1.0, 2.0], 100_000).table.is_some());
    }
}
