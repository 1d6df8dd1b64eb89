//! Baskets recoded for mining: frequent items only, ranked by frequency, identical rows merged.
//!
//! Rank 0 is the most frequent item (ties: smaller id first). Rows hold ranks in ascending order.
//! Required items are taken out: the rows that contain them all are kept and the items are put in
//! front of every set found; supports and ranks are then those within these rows.

use std::collections::HashMap;

use super::MineError;
use super::recode::{Block, NONE};
use super::spread::MOST;
use crate::numeric::parallel;

/// Baskets of distinct item ids as compressed rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Baskets<'a> {
    /// Start of every basket in `items`, and its end.
    pub(crate) offsets: &'a [usize],
    /// Items of all baskets; any order within a basket.
    pub(crate) items: &'a [u32],
    /// Weight of every basket; one without.
    pub(crate) weights: Option<&'a [u64]>,
}

/// Rows of ascending ranks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    pub(crate) offsets: Vec<usize>,
    pub(crate) items: Vec<u32>,
    /// Weight of every row; one where empty.
    pub(crate) weights: Vec<u64>,
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> &[u32] {
        &self.items[self.offsets[row]..self.offsets[row + 1]]
    }

    #[inline(always)]
    pub(crate) fn weight(&self, row: usize) -> u64 {
        if self.weights.is_empty() {
            1
        } else {
            self.weights[row]
        }
    }

    pub(crate) fn clear(&mut self) {
        self.offsets.clear();
        self.offsets.push(0);
        self.items.clear();
        self.weights.clear();
    }

    /// The rows of all parts, one part after the other.
    pub(super) fn joined(parts: Vec<Self>) -> Self {
        let mut rows = Self {
            offsets: Vec::with_capacity(parts.iter().map(Self::len).sum::<usize>() + 1),
            items: Vec::with_capacity(parts.iter().map(|part| part.items.len()).sum()),
            ..Self::default()
        };
        rows.offsets.push(0);
        for part in parts {
            let base = rows.items.len();
            rows.items.extend_from_slice(&part.items);
            let ends = part.offsets.iter().skip(1);
            rows.offsets.extend(ends.map(|end| base + end));
            rows.weights.extend_from_slice(&part.weights);
        }
        rows
    }

    /// Rows that contain each of `n` items, ascending, as compressed lists.
    pub(crate) fn transpose(&self, n: usize, starts: &mut Vec<usize>, lists: &mut Vec<u32>) {
        starts.clear();
        starts.resize(n + 1, 0);
        for &item in &self.items {
            starts[item as usize + 1] += 1;
        }
        for item in 0..n {
            starts[item + 1] += starts[item];
        }
        lists.clear();
        lists.resize(self.items.len(), 0);
        for (row, ends) in self.offsets.windows(2).enumerate() {
            for &item in &self.items[ends[0]..ends[1]] {
                let slot = &mut starts[item as usize];
                lists[*slot] = row as u32;
                *slot += 1;
            }
        }
        starts.copy_within(0..n, 1);
        starts[0] = 0;
    }
}

/// The recoded baskets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prepared {
    pub(crate) rows: Rows,
    /// Caller's id by rank.
    pub(crate) ids: Vec<u32>,
    /// Support by rank.
    pub(crate) supports: Vec<u64>,
    /// Required items, in front of every set.
    pub(crate) required: Vec<u32>,
    /// Weight of all baskets that contain the required items.
    pub(crate) total: u64,
    /// Weight of all baskets.
    pub(crate) total_all: u64,
}

impl Prepared {
    pub(crate) fn n_items(&self) -> usize {
        self.ids.len()
    }
}

/// One row in so many is looked at before all are merged.
const SAMPLE: usize = 8;

/// Ids as dense numbers: a table when ids are small, else a map.
enum Index {
    Table(usize),
    Map(HashMap<u32, u32>),
}

impl Index {
    fn new(items: &[u32]) -> Self {
        let most = items.iter().max().map_or(0, |&id| id as usize + 1);
        if most <= (1 << 20) + 4 * items.len() {
            return Self::Table(most);
        }
        let mut ids = items.to_vec();
        parallel::sort_keys(&mut ids);
        ids.dedup();
        Self::Map((0..).zip(ids).map(|(index, id)| (id, index)).collect())
    }

    fn len(&self) -> usize {
        match self {
            Self::Table(n) => *n,
            Self::Map(map) => map.len(),
        }
    }

    #[inline(always)]
    fn get(&self, id: u32) -> u32 {
        match self {
            Self::Table(n) if (id as usize) < *n => id,
            Self::Table(_) => NONE,
            Self::Map(map) => map.get(&id).copied().unwrap_or(NONE),
        }
    }
}

fn check(baskets: &Baskets<'_>) -> Result<(), MineError> {
    let offsets = baskets.offsets;
    let ordered = offsets.windows(2).all(|ends| ends[0] <= ends[1]);
    if offsets.first() != Some(&0) || offsets.last() != Some(&baskets.items.len()) || !ordered {
        return Err(MineError::Input(
            "offsets: must ascend from 0 to the number of items",
        ));
    }
    if offsets.len() + baskets.items.len() > MOST {
        return Err(MineError::Input(
            "baskets: they and their items must be fewer than 2^31",
        ));
    }
    if let Some(weights) = baskets.weights {
        if weights.len() + 1 != offsets.len() {
            return Err(MineError::Input("weights: must be one per basket"));
        }
        let total = weights.iter().try_fold(0u64, |sum, &w| sum.checked_add(w));
        if total.is_none_or(|sum| sum > u64::MAX / 2) {
            return Err(MineError::Input("weights: must sum to less than 2^63"));
        }
    }
    Ok(())
}

/// Recodes baskets. With `whole`, rows without the required items stay and required items are not
/// taken out but given the last ranks; supports are then over all rows, while items too rare
/// together with the required ones are still dropped.
pub(crate) fn prepare(
    baskets: &Baskets<'_>,
    min_support: u64,
    required: &[u32],
    forbidden: &[u32],
    whole: bool,
) -> Result<Prepared, MineError> {
    check(baskets)?;
    let n_rows = baskets.offsets.len() - 1;
    let weight = |row: usize| baskets.weights.map_or(1, |weights| weights[row]);
    let basket = |row: usize| &baskets.items[baskets.offsets[row]..baskets.offsets[row + 1]];
    let mut required = required.to_vec();
    required.sort_unstable();
    required.dedup();
    let holds =
        |row: usize| required.is_empty() || required.iter().all(|item| basket(row).contains(item));
    // Support of every id; a basket that lists an item twice counts once.
    let index = Index::new(baskets.items);
    let mut counts: Vec<(u64, u32)> = vec![(0, NONE); index.len()];
    let (mut total, mut total_all) = (0, 0);
    for row in 0..n_rows {
        total_all += weight(row);
        if !holds(row) {
            continue;
        }
        total += weight(row);
        for &id in basket(row) {
            let slot = &mut counts[index.get(id) as usize];
            if slot.1 != row as u32 {
                *slot = (slot.0 + weight(row), row as u32);
            }
        }
    }
    for &id in forbidden {
        if let Some(slot) = counts.get_mut(index.get(id) as usize) {
            slot.0 = 0;
        }
    }
    let mut out = Prepared {
        required: required.clone(),
        total,
        total_all,
        ..Prepared::default()
    };
    out.rows.clear();
    let impossible = required.iter().any(|id| forbidden.contains(id));
    if impossible || total < min_support {
        out.total = 0;
        return Ok(out);
    }
    // Ranks.
    let id_of = |at: usize, ids: &HashMap<u32, u32>| match &index {
        Index::Table(_) => at as u32,
        Index::Map(_) => ids[&(at as u32)],
    };
    let back: HashMap<u32, u32> = match &index {
        Index::Table(_) => HashMap::new(),
        Index::Map(map) => map.iter().map(|(&id, &at)| (at, id)).collect(),
    };
    let mut order: Vec<(bool, std::cmp::Reverse<u64>, u32)> = Vec::new();
    for (at, slot) in counts.iter().enumerate() {
        if slot.0 >= min_support.max(1) {
            let id = id_of(at, &back);
            let must = required.binary_search(&id).is_ok();
            if whole || !must {
                order.push((must, std::cmp::Reverse(slot.0), id));
            }
        }
    }
    order.sort_unstable();
    let mut rank = vec![NONE; index.len()];
    for (at, &(_, support, id)) in order.iter().enumerate() {
        rank[index.get(id) as usize] = at as u32;
        out.ids.push(id);
        out.supports.push(support.0);
    }
    // Rows of ranks, chunk by chunk.
    let filtered = !whole && !required.is_empty();
    let parts = parallel::map_chunks(n_rows, |range| {
        let mut part = Rows::default();
        part.clear();
        let mut block = Block::default();
        for row in range {
            if weight(row) != 0 && (!filtered || holds(row)) {
                let ranks = basket(row).iter().map(|&id| rank[index.get(id) as usize]);
                block.push(ranks, baskets.weights.map(|weights| weights[row]));
            }
        }
        block.pour(out.ids.len(), &mut part);
        part
    });
    out.rows = Rows::joined(parts);
    merge(&mut out.rows);
    if whole {
        out.recount();
    }
    Ok(out)
}

impl Prepared {
    fn recount(&mut self) {
        self.supports.iter_mut().for_each(|support| *support = 0);
        for row in 0..self.rows.len() {
            let weight = self.rows.weight(row);
            for &item in self.rows.row(row) {
                self.supports[item as usize] += weight;
            }
        }
        self.total = self.total_all;
    }
}

/// Merges identical rows and adds their weights, where that makes the rows markedly fewer.
fn merge(rows: &mut Rows) {
    let n = rows.len();
    if n > SAMPLE * 1_024 {
        // Of rows of which a quarter repeats another, one in twelve does so within an eighth of them.
        let sample = n.div_ceil(SAMPLE);
        let (distinct, _) = leaders(rows, sample, SAMPLE);
        if (sample - distinct) * 24 < sample {
            return;
        }
    }
    let (distinct, first) = leaders(rows, n, 1);
    if distinct * 4 > n * 3 {
        return;
    }
    let mut merged = Rows::default();
    merged.clear();
    let mut place = vec![NONE; n];
    for row in 0..n {
        let leader = first[row] as usize;
        if leader == row {
            place[row] = merged.len() as u32;
            merged.items.extend_from_slice(rows.row(row));
            merged.offsets.push(merged.items.len());
            merged.weights.push(0);
        }
        merged.weights[place[leader] as usize] += rows.weight(row);
    }
    *rows = merged;
}

/// Looks at `n` rows, every `step`th: how many are distinct, and the first like each.
fn leaders(rows: &Rows, n: usize, step: usize) -> (usize, Vec<u32>) {
    let slots = (2 * n).next_power_of_two().max(2);
    let mut table = vec![NONE; slots];
    let mut first: Vec<u32> = Vec::with_capacity(n);
    let mut distinct = 0;
    for row in (0..n).map(|at| at * step) {
        // A multiplicative hash; equality is checked, so it decides speed only.
        let mut hash = 0u64;
        for &item in rows.row(row) {
            hash = (hash.rotate_left(5) ^ u64::from(item)).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
        let mut slot = (hash >> 32) as usize & (slots - 1);
        loop {
            let other = table[slot];
            if other == NONE {
                table[slot] = row as u32;
                first.push(row as u32);
                distinct += 1;
                break;
            }
            if rows.row(other as usize) == rows.row(row) {
                first.push(other);
                break;
            }
            slot = (slot + 1) & (slots - 1);
        }
    }
    (distinct, first)
}
