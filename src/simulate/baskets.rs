//! Baskets of items with planted itemsets whose support is known.

use std::sync::Arc;

use super::check_rows;
use super::draw::{Draw, Streams, each};
use crate::matrix::{Column, Feature, PatientMatrix, RowKeys};

/// Chance that a basket holds a planted itemset as such, by the set's size of 2, 3 and 4 items.
const PLANTED: [(usize, f64); 3] = [(2, 0.08), (3, 0.05), (4, 0.03)];
/// Chance of the commonest item outside planted sets, and how fast chances fall with rank.
const COMMONEST: f64 = 0.25;
const FALL: f64 = -0.7;

/// Sets of items, one per patient, with what is planted in them; made by [`baskets`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Baskets {
    /// Names of the items: letter and digits, as diagnosis codes have them.
    pub items: Vec<String>,
    /// The items of each basket as positions in `items`, increasing.
    pub baskets: Vec<Vec<u32>>,
    /// Probability that a basket holds the item, by item.
    pub item_supports: Vec<f64>,
    /// What is planted.
    pub itemsets: Vec<PlantedItemset>,
}

/// Items that come together more often than chance has it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlantedItemset {
    /// Positions in [`Baskets::items`], increasing.
    pub items: Vec<u32>,
    /// Probability that a basket holds all of them.
    pub support: f64,
}

/// `n` baskets over `n_items` items, the first ones common and the last ones rare.
///
/// Item `j` enters a basket by chance with probability `0.25 (j + 1)^-0.7`. On top, itemsets of 2,
/// 3 and 4 items enter as a whole with probability 0.08, 0.05 and 0.03; they share no item, and
/// with fewer than 9 items only those that find room are planted. All of this is independent, so
/// the expected support of a planted set is `q + (1 - q) x product of chances`. Cost: proportional
/// to the items in the baskets.
///
/// ```
/// # fn main() -> galen::Result<()> {
/// let baskets = galen::simulate::baskets(2_000, 50, 3);
/// let pair = &baskets.itemsets[0];
/// let holds = |basket: &&Vec<u32>| pair.items.iter().all(|item| basket.contains(item));
/// let support = baskets.baskets.iter().filter(holds).count() as f64 / 2_000.0;
/// assert!((support - pair.support).abs() < 0.03);
/// assert_eq!(baskets.to_matrix().n_columns(), 50);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// When `n` or `n_items` is 2^32 - 1 or more.
#[must_use]
pub fn baskets(n: usize, n_items: usize, seed: u64) -> Baskets {
    check_rows(n);
    check_rows(n_items);
    let sets = planted_sets(n_items);
    let streams = Streams::new("simulate/baskets", seed);
    let baskets = each(n, |index| {
        let mut draw = streams.of(index);
        let mut basket = Vec::new();
        for (set, chance) in &sets {
            if draw.chance(*chance) {
                basket.extend_from_slice(set);
            }
        }
        draw_by_chance(n_items, &mut basket, &mut draw);
        basket.sort_unstable();
        basket.dedup();
        basket
    });
    let mut item_supports: Vec<f64> = (0..n_items).map(chance_of).collect();
    for (set, q) in &sets {
        for item in set {
            let support = &mut item_supports[*item as usize];
            *support = q + (1.0 - q) * *support;
        }
    }
    let itemsets = sets.into_iter().map(|(items, q)| {
        let all: f64 = items.iter().map(|item| chance_of(*item as usize)).product();
        PlantedItemset {
            items,
            support: q + (1.0 - q) * all,
        }
    });
    Baskets {
        items: (0..n_items).map(code).collect(),
        itemsets: itemsets.collect(),
        baskets,
        item_supports,
    }
}

impl Baskets {
    /// The baskets as sparse flags, one row per patient and one column per item.
    #[must_use]
    pub fn to_matrix(&self) -> PatientMatrix {
        let n_rows = self.baskets.len();
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); self.items.len()];
        for (row, basket) in self.baskets.iter().enumerate() {
            for item in basket {
                rows[*item as usize].push(row as u32);
            }
        }
        let columns = self.items.iter().zip(rows).map(|(item, rows)| {
            let values: Arc<[f64]> = vec![1.0; rows.len()].into();
            let column = crate::matrix::column::SparseColumn {
                n_rows,
                rows: rows.into(),
                values,
            };
            (Feature::flag(item.clone()), Column::Sparse(column))
        });
        super::assemble_rows(
            n_rows,
            columns.collect(),
            RowKeys::none().patients(1..=n_rows),
        )
    }
}

fn chance_of(item: usize) -> f64 {
    COMMONEST * libm::pow((item + 1) as f64, FALL)
}

/// The planted sets that find room: items evenly spaced, no item in two sets.
fn planted_sets(n_items: usize) -> Vec<(Vec<u32>, f64)> {
    let wanted: usize = PLANTED.iter().map(|(size, _)| size).sum();
    let step = (n_items / wanted).max(1);
    let mut first = 0;
    let mut sets = Vec::new();
    for (size, chance) in PLANTED {
        if first + size > n_items {
            break;
        }
        let items = (first..first + size).map(|place| (place * step) as u32);
        sets.push((items.collect(), chance));
        first += size;
    }
    sets
}

/// Items by chance. Chances fall, so the chance at the present item bounds those that follow: jump
/// at that rate, keep the landing with the ratio of chances (Miller and Hagberg, WAW 2011,
/// doi 10.1007/978-3-642-21286-4_10).
fn draw_by_chance(n_items: usize, basket: &mut Vec<u32>, draw: &mut Draw) {
    let (mut item, mut bound) = (0, COMMONEST);
    while item < n_items {
        item = item.saturating_add(draw.failures(bound));
        if item >= n_items {
            break;
        }
        let chance = chance_of(item);
        if draw.chance(chance / bound) {
            basket.push(item as u32);
        }
        bound = chance;
        item += 1;
    }
}

/// `A00`, `A01`, ..., `Z99`, then `A00.1`, ...
fn code(item: usize) -> String {
    let (round, place) = (item / 2600, item % 2600);
    let letter = char::from(b'A' + (place / 100) as u8);
    match round {
        0 => format!("{letter}{:02}", place % 100),
        _ => format!("{letter}{:02}.{round}", place % 100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_share(found: usize, n: usize, p: f64, what: &str) {
        let error = (p * (1.0 - p) / n as f64).sqrt();
        let share = found as f64 / n as f64;
        assert!(
            (share - p).abs() < 4.5 * error,
            "{what}: {share}, expected {p}"
        );
    }

    #[test]
    fn supports_are_as_expected() {
        let n = 20_000;
        let made = baskets(n, 60, 1);
        assert_eq!(
            made.itemsets
                .iter()
                .map(|set| set.items.len())
                .collect::<Vec<_>>(),
            [2, 3, 4]
        );
        for set in &made.itemsets {
            let holds = |basket: &&Vec<u32>| set.items.iter().all(|item| basket.contains(item));
            let found = made.baskets.iter().filter(holds).count();
            assert_share(found, n, set.support, "itemset");
            let apart: f64 = set
                .items
                .iter()
                .map(|i| made.item_supports[*i as usize])
                .product();
            assert!(set.support > 1.8 * apart, "planted sets stand out");
        }
        for (item, support) in made.item_supports.iter().enumerate() {
            let has = |basket: &&Vec<u32>| basket.binary_search(&(item as u32)).is_ok();
            assert_share(made.baskets.iter().filter(has).count(), n, *support, "item");
        }
        // Two items of different sets are independent.
        let (a, b) = (made.itemsets[0].items[0], made.itemsets[1].items[0]);
        let both = |basket: &&Vec<u32>| basket.contains(&a) && basket.contains(&b);
        let p = made.item_supports[a as usize] * made.item_supports[b as usize];
        assert_share(
            made.baskets.iter().filter(both).count(),
            n,
            p,
            "independent pair",
        );
    }

    #[test]
    fn baskets_are_sorted_sets_and_the_matrix_shows_them() {
        let made = baskets(300, 20, 4);
        let matrix = made.to_matrix();
        for (row, basket) in made.baskets.iter().enumerate() {
            assert!(basket.windows(2).all(|pair| pair[0] < pair[1]));
            for item in 0..20 {
                let set = matrix.view(item).value(row) == 1.0;
                assert_eq!(set, basket.contains(&(item as u32)));
            }
        }
    }

    #[test]
    fn few_items_leave_room_for_few_sets() {
        let planted = |n_items| baskets(5, n_items, 0).itemsets.len();
        assert_eq!([0, 1, 2, 4, 5, 8, 9].map(planted), [0, 0, 1, 1, 2, 2, 3]);
    }

    #[test]
    fn names_of_items_are_unique() {
        assert_eq!([code(0), code(2599), code(2600)], ["A00", "Z99", "A00.1"]);
    }
}
