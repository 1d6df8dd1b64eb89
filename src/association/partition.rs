//! Itemsets over shards or sites that hand over counts and no rows.
//!
//! ```text
//!   1. names   what items are there, and how many units?
//!   2. sets    what is frequent with you, at the share of units that is wanted?
//!   3. counts  how many of your units have each of these sets?
//! ```
//!
//! A set that is frequent over all shards is frequent in one of them at least, at the same share of its
//! units; so the union of what is frequent anywhere holds all, and one more count makes it exact
//! (Savasere, Omiecinski and Navathe 1995, VLDB). The sets and their order are those of one search over
//! all units together. Every patient's rows must be in one shard.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::association::itemset_choice::least_count;
use crate::association::{ItemsetParams, ItemsetValidParams, Itemsets, SetKind};
use crate::design::Items;
use crate::error::{ErrorKind, Result};
use crate::estimator::rounds::{Next, Partial};
use crate::numeric::parallel::map_chunks;

/// What is asked of every shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemsetQuestion {
    /// Items by name; those of sets are positions here.
    names: Vec<String>,
    ask: Ask,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Ask {
    Names,
    Sets { share: f64, longest: usize },
    Counts(Vec<Vec<u32>>),
}

/// What a shard answers, or several together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemsetPartial {
    n_units: u64,
    /// Names as the shards list them, where they list the same.
    listed: Option<Vec<String>>,
    /// Items of a name: units, and names above.
    items: BTreeMap<String, (u64, BTreeSet<String>)>,
    sets: BTreeSet<Vec<u32>>,
    counts: Vec<u64>,
    smallest: u64,
}

impl Partial for ItemsetPartial {
    fn merge(mut self, other: Self) -> Result<Self> {
        if self.counts.len() != other.counts.len() {
            let text = "itemsets: answers to different questions";
            return Err(ErrorKind::Schema(text.into()).into());
        }
        self.n_units += other.n_units;
        if self.listed != other.listed {
            self.listed = None;
        }
        for (name, (count, above)) in other.items {
            let own = self.items.entry(name).or_default();
            own.0 += count;
            own.1.extend(above);
        }
        self.sets.extend(other.sets);
        for (own, more) in self.counts.iter_mut().zip(other.counts) {
            *own += more;
        }
        self.smallest = self.smallest.min(other.smallest);
        Ok(self)
    }

    fn n_rows(&self) -> u64 {
        self.n_units
    }

    fn smallest_count(&self) -> u64 {
        self.smallest
    }

    fn n_numbers(&self) -> usize {
        self.items.len() + self.counts.len() + self.sets.len()
    }
}

/// A search for itemsets in three rounds.
///
/// ```
/// use galen::association::{FrequentItemsets, ItemsetRounds};
/// use galen::design::Items;
/// use galen::estimator::rounds::{Next, Partial};
///
/// # fn main() -> galen::Result<()> {
/// let site = |pairs: [(usize, &'static str); 4]| Items::from_pairs(2, pairs, &Default::default());
/// let sites = [
///     site([(0, "E11"), (0, "I10"), (1, "I10"), (1, "J45")])?,
///     site([(0, "E11"), (0, "I10"), (1, "E11"), (1, "I10")])?,
/// ];
/// let rounds = ItemsetRounds::new(&FrequentItemsets::params().min_support(0.5))?;
/// let (mut question, mut state) = rounds.open();
/// let sets = loop {
///     // At the sites; questions and answers travel as serde data.
///     let first = rounds.answer(&question, &sites[0])?;
///     let total = first.merge(rounds.answer(&question, &sites[1])?)?;
///     match rounds.conclude(&mut state, question, total)? {
///         Next::Ask(next) => question = next,
///         Next::Done(sets) => break sets,
///     }
/// };
/// let both = sets.iter().find(|set| set.items.len() == 2).expect("a pair");
/// assert_eq!((sets.names(both.items), both.support), (vec!["E11", "I10"], 3));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ItemsetRounds {
    params: ItemsetValidParams,
}

/// What the coordinator remembers between questions.
#[derive(Debug, Clone, Default)]
pub struct ItemsetState {
    n_units: u64,
    above: Vec<Vec<u32>>,
}

impl ItemsetRounds {
    /// A search with these settings; the method decides speed only.
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`].
    pub fn new(params: &ItemsetParams) -> Result<Self> {
        use linfa::ParamGuard;
        Ok(Self {
            params: params.check_ref()?.clone(),
        })
    }

    /// The first question.
    pub fn open(&self) -> (ItemsetQuestion, ItemsetState) {
        let question = ItemsetQuestion {
            names: Vec::new(),
            ask: Ask::Names,
        };
        (question, ItemsetState::default())
    }

    /// What a shard answers; judge it by
    /// [`Disclosure::judge`](crate::estimator::rounds::Disclosure::judge) before it leaves the site.
    ///
    /// # Errors
    /// [`ErrorKind::Explosion`]; [`ErrorKind::Schema`] for a question of items out of bounds.
    pub fn answer(&self, question: &ItemsetQuestion, shard: &Items) -> Result<ItemsetPartial> {
        let mut partial = ItemsetPartial {
            n_units: shard.n_units() as u64,
            listed: None,
            items: BTreeMap::new(),
            sets: BTreeSet::new(),
            counts: Vec::new(),
            smallest: u64::MAX,
        };
        let places: BTreeMap<&str, u32> =
            shard.names().iter().map(String::as_str).zip(0..).collect();
        match &question.ask {
            Ask::Names => {
                for (item, support) in shard.supports().into_iter().enumerate() {
                    let above = shard.above(item as u32).iter();
                    let above = above.map(|above| shard.name(*above).to_string()).collect();
                    partial
                        .items
                        .insert(shard.name(item as u32).into(), (support, above));
                    partial.see(support);
                }
                partial.listed = Some(shard.names().to_vec());
            }
            Ask::Sets { share, longest } => {
                let theirs: BTreeMap<u32, u32> = (question.names.iter().zip(0..))
                    .filter_map(|(name, at)| Some((*places.get(name.as_str())?, at)))
                    .collect();
                if shard.n_units() > 0 {
                    let search = self.params.frequent(*share, *longest);
                    let see = |set: &[u32], support: u64| {
                        let mut set: Vec<u32> = set
                            .iter()
                            .filter_map(|item| theirs.get(item).copied())
                            .collect();
                        set.sort_unstable();
                        partial.sets.insert(set);
                        partial.see(support);
                        ControlFlow::Continue(())
                    };
                    // Whether a set is closed hangs on what stands above its items too.
                    match self.params.kind {
                        SetKind::Closed | SetKind::Maximal => search.visit_all(shard, see)?,
                        SetKind::Frequent | SetKind::Generator => search.visit(shard, see)?,
                    }
                }
            }
            Ask::Counts(sets) => {
                if sets
                    .iter()
                    .flatten()
                    .any(|item| *item as usize >= question.names.len())
                {
                    let text = "itemsets: a question of items that it does not name";
                    return Err(ErrorKind::Schema(text.into()).into());
                }
                let own: Vec<Option<u32>> = (question.names.iter())
                    .map(|name| places.get(name.as_str()).copied())
                    .collect();
                partial.counts = supports_of(sets, &own, shard);
                for at in 0..partial.counts.len() {
                    partial.see(partial.counts[at]);
                }
            }
        }
        partial.smallest = partial.smallest.min(partial.n_units);
        Ok(partial)
    }

    /// The next question, or the sets.
    ///
    /// # Errors
    /// [`ErrorKind::TooFewRows`] without units; [`ErrorKind::FeatureNames`] for a setting that names an
    /// item that nobody has; [`ErrorKind::Schema`] for an answer to another question.
    pub fn conclude(
        &self,
        state: &mut ItemsetState,
        question: ItemsetQuestion,
        total: ItemsetPartial,
    ) -> Result<Next<ItemsetQuestion, Itemsets>> {
        let names = question.names;
        match question.ask {
            Ask::Names => {
                if total.n_units == 0 {
                    return Err(ErrorKind::TooFewRows {
                        what: "itemsets",
                        required: 1,
                        found: 0,
                    }
                    .into());
                }
                let sorted = || total.items.keys().cloned().collect();
                let names: Vec<String> = total.listed.clone().unwrap_or_else(sorted);
                let places: BTreeMap<&str, u32> =
                    names.iter().map(String::as_str).zip(0..).collect();
                let place = |name: &String| places.get(name.as_str()).copied();
                state.above = names
                    .iter()
                    .map(|name| {
                        let above = total
                            .items
                            .get(name)
                            .into_iter()
                            .flat_map(|(_, above)| above);
                        let mut above: Vec<u32> = above.filter_map(place).collect();
                        above.sort_unstable();
                        above
                    })
                    .collect();
                state.n_units = total.n_units;
                let least = least_count(&self.params, total.n_units);
                // A set that is closed or maximal among short ones only is neither.
                let longest = self
                    .params
                    .lengths
                    .1
                    .saturating_add(match self.params.kind {
                        SetKind::Closed | SetKind::Maximal => 1,
                        SetKind::Frequent | SetKind::Generator => 0,
                    });
                let share = least as f64 / total.n_units as f64;
                let ask = Ask::Sets { share, longest };
                Ok(Next::Ask(ItemsetQuestion { names, ask }))
            }
            Ask::Sets { .. } => {
                let ask = Ask::Counts(total.sets.into_iter().collect());
                Ok(Next::Ask(ItemsetQuestion { names, ask }))
            }
            Ask::Counts(sets) => {
                if sets.len() != total.counts.len() {
                    let text = "itemsets: an answer to another question";
                    return Err(ErrorKind::Schema(text.into()).into());
                }
                let least = least_count(&self.params, state.n_units);
                let frequent: BTreeMap<Vec<u32>, u64> = (sets.into_iter().zip(total.counts))
                    .filter(|(_, count)| *count >= least)
                    .collect();
                Ok(Next::Done(self.params.chosen(
                    &names,
                    state.n_units,
                    &state.above,
                    frequent,
                )?))
            }
        }
    }
}

impl ItemsetPartial {
    /// A count that can be read from the answer.
    fn see(&mut self, count: u64) {
        if count > 0 {
            self.smallest = self.smallest.min(count);
        }
    }
}

/// Units that have all items of each set; sets in order share what their first items select.
fn supports_of(sets: &[Vec<u32>], own: &[Option<u32>], shard: &Items) -> Vec<u64> {
    let n_words = shard.n_units().div_ceil(64);
    let mut rows = vec![Vec::new(); own.len()];
    let mut slots = vec![u32::MAX; shard.n_items()];
    for item in sets.iter().flatten() {
        if let (Some(place), true) = (own[*item as usize], rows[*item as usize].is_empty()) {
            rows[*item as usize] = vec![0_u64; n_words];
            slots[place as usize] = *item;
        }
    }
    for unit in 0..shard.n_units() {
        for item in shard.basket(unit) {
            if let Some(row) = rows.get_mut(slots[item as usize] as usize) {
                row[unit / 64] |= 1 << (unit % 64);
            }
        }
    }
    let counts = map_chunks(sets.len(), |range| {
        // Bits of the first items of the last set, by length.
        let mut path: Vec<(u32, Vec<u64>)> = Vec::new();
        let count = |set: &Vec<u32>, path: &mut Vec<(u32, Vec<u64>)>| {
            let same = set
                .iter()
                .zip(path.iter())
                .take_while(|(a, b)| **a == b.0)
                .count();
            path.truncate(same);
            for item in &set[same..] {
                let row = &rows[*item as usize];
                let joint = match path.last() {
                    None => row.clone(),
                    Some((_, above)) if row.is_empty() || above.is_empty() => Vec::new(),
                    Some((_, above)) => above.iter().zip(row).map(|(a, b)| a & b).collect(),
                };
                path.push((*item, joint));
            }
            let words = path.last().map_or(&[][..], |(_, words)| words);
            words.iter().map(|word| u64::from(word.count_ones())).sum()
        };
        sets[range]
            .iter()
            .map(|set| count(set, &mut path))
            .collect::<Vec<u64>>()
    });
    counts.into_iter().flatten().collect()
}

#[cfg(test)]
#[path = "partition_tests.rs"]
mod tests;
