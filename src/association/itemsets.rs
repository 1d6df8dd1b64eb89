//! Sets of items that many patients have together.
//!
//! | method | when |
//! |---|---|
//! | [`FrequentItemsets`] | always, unless a reason speaks for another: it takes the fastest expected |
//! | [`Eclat`] | lists and bitsets of patients; fast at any density |
//! | [`FpGrowth`] | prefix trees; low supports on short baskets |
//! | [`Apriori`] | level by level, as the textbook has it: to teach, and to check the others; passes all frequent sets, closed and maximal ones may be wanted as they are |
//!
//! All of them give the same sets in the same order at any number of threads: every set comes after all
//! of its subsets, ranked by the supports of their items.
//!
//! Support counts units that are known to have all items of a set; where an item is unknown, a unit does
//! not count. A set that holds an item and one that stands above it says the same twice (Srikant and
//! Agrawal 1995): among frequent sets and generators it is left out, closed and maximal sets are handed
//! out without what stands above.
//!
//! Sources: Agrawal and Srikant (1994, VLDB); Zaki (2000), doi:10.1109/69.846291; Han, Pei and Yin (2000),
//! doi:10.1145/335191.335372; Uno, Kiyomi and Arimura (2004, FIMI).

use std::ops::{ControlFlow, RangeInclusive};
use std::time::Duration;

use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

use crate::association::Itemsets;
use crate::association::itemset_choice::least_count;
use crate::design::Items;
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::params::Checker;
use crate::kernel::itemset::drive::{collect, count, visit};
use crate::kernel::itemset::limits::{Bound, Limits};
use crate::kernel::itemset::prepare::Baskets;
use crate::kernel::itemset::top::top;
use crate::kernel::itemset::{Algorithm, MineError, Settings, Target};

const NAME: &str = "itemsets";

/// Which sets are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SetKind {
    /// All sets of at least the least support.
    #[default]
    Frequent,
    /// Those without a larger set of the same support.
    Closed,
    /// Those without a larger frequent set.
    Maximal,
    /// Those without a smaller set of the same support.
    Generator,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Method {
    Auto,
    Apriori,
    FpGrowth,
    Eclat,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Least {
    Share(f64),
    Count(u64),
}

/// Settings of a search for itemsets, checked; made by `check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemsetValidParams {
    pub(super) method: Method,
    pub(super) kind: SetKind,
    pub(super) least: Least,
    pub(super) lengths: (usize, usize),
    pub(super) must_have: Vec<String>,
    pub(super) must_not_have: Vec<String>,
    pub(super) top: Option<usize>,
    pub(super) most_sets: u64,
    pub(super) most_bytes: u64,
    pub(super) most_seconds: Option<f64>,
}

/// Settings of a search for itemsets.
///
/// ```
/// use galen::association::FrequentItemsets;
/// use galen::design::ItemParams;
///
/// # fn main() -> galen::Result<()> {
/// let baskets = galen::simulate::baskets(2_000, 40, 7);
/// let rows = baskets.to_matrix();
/// let items = ItemParams::default().learn(&rows)?.items(&rows)?;
/// let sets = FrequentItemsets::params().min_support(0.05).lengths(2..=3).mine(&items)?;
/// assert!(sets.iter().all(|set| set.support >= 100));
/// let first = sets.iter().next().expect("planted sets");
/// println!("{} together: {}", sets.names(first.items).join(" and "), first.support);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemsetParams(ItemsetValidParams);

macro_rules! method {
    ($(#[$doc:meta])* $name:ident, $method:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name;

        impl $name {
            /// Settings of the search; least support 0.01, sets of any length.
            pub fn params() -> ItemsetParams {
                ItemsetParams::new(Method::$method)
            }
        }
    };
}

method!(
    /// Frequent itemsets by the method that is expected to be fastest.
    FrequentItemsets,
    Auto
);
method!(
    /// Frequent itemsets level by level (Agrawal and Srikant 1994).
    Apriori,
    Apriori
);
method!(
    /// Frequent itemsets by conditional prefix trees (Han, Pei and Yin 2000, doi:10.1145/335191.335372).
    FpGrowth,
    FpGrowth
);
method!(
    /// Frequent itemsets by lists and bitsets of units (Zaki 2000, doi:10.1109/69.846291).
    Eclat,
    Eclat
);

impl ItemsetParams {
    fn new(method: Method) -> Self {
        let limits = Limits::default();
        Self(ItemsetValidParams {
            method,
            kind: SetKind::Frequent,
            least: Least::Share(0.01),
            lengths: (1, usize::MAX),
            must_have: Vec::new(),
            must_not_have: Vec::new(),
            top: None,
            most_sets: limits.max_sets,
            most_bytes: limits.max_bytes,
            most_seconds: None,
        })
    }

    /// Sets the least share of units, in (0, 1]; 0.01 by default.
    #[must_use]
    pub fn min_support(mut self, share: f64) -> Self {
        self.0.least = Least::Share(share);
        self
    }

    /// Sets the least number of units instead, one at least.
    #[must_use]
    pub fn min_count(mut self, count: u64) -> Self {
        self.0.least = Least::Count(count);
        self
    }

    /// Sets which sets are wanted; all frequent ones by default.
    #[must_use]
    pub fn kind(mut self, kind: SetKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Sets the numbers of items of a set; any by default. Longer closed and maximal sets are left out,
    /// not cut; what stands above other items counts there.
    #[must_use]
    pub fn lengths(mut self, lengths: RangeInclusive<usize>) -> Self {
        self.0.lengths = (*lengths.start(), *lengths.end());
        self
    }

    /// Adds an item that every set must have, by name.
    #[must_use]
    pub fn must_have(mut self, name: impl Into<String>) -> Self {
        self.0.must_have.push(name.into());
        self
    }

    /// Adds an item that is treated as if no unit had it, by name.
    #[must_use]
    pub fn must_not_have(mut self, name: impl Into<String>) -> Self {
        self.0.must_not_have.push(name.into());
        self
    }

    /// Keeps the sets of largest support only; of equal ones the first. Those are found even where all
    /// sets are beyond counting; maximal ones only within the bound on sets.
    #[must_use]
    pub fn top(mut self, sets: usize) -> Self {
        self.0.top = Some(sets);
        self
    }

    /// Sets the number of sets beyond which the search ends in an error; 100 million by default.
    #[must_use]
    pub fn most_sets(mut self, sets: u64) -> Self {
        self.0.most_sets = sets;
        self
    }

    /// Sets the bytes that kept sets may take before the search ends in an error; 4 GB by default.
    #[must_use]
    pub fn most_bytes(mut self, bytes: u64) -> Self {
        self.0.most_bytes = bytes;
        self
    }

    /// Sets the seconds after which the search ends in an error; none by default. What such a search
    /// gives is the same as ever, but whether it gives anything hangs on the machine.
    #[must_use]
    pub fn most_seconds(mut self, seconds: f64) -> Self {
        self.0.most_seconds = Some(seconds);
        self
    }

    /// Checks the settings and searches: see [`ItemsetValidParams::mine`].
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] and those of the search.
    pub fn mine(&self, items: &Items) -> Result<Itemsets> {
        self.check_ref()?.mine(items)
    }
}

impl ParamGuard for ItemsetParams {
    type Checked = ItemsetValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&ItemsetValidParams> {
        let checker = Checker::new(NAME);
        match self.0.least {
            Least::Share(share) => checker.require(
                share > 0.0 && share <= 1.0,
                "min_support",
                share,
                "in (0, 1]",
            )?,
            Least::Count(count) => checker.require(count > 0, "min_count", count, ">= 1")?,
        }
        let (first, last) = self.0.lengths;
        let sound = first >= 1 && first <= last;
        checker.require(
            sound,
            "lengths",
            first,
            "from 1, the first not above the last",
        )?;
        if let Some(seconds) = self.0.most_seconds {
            let sound = (0.0..=1e9).contains(&seconds);
            checker.require(sound, "most_seconds", seconds, "from 0 to 1e9")?;
        }
        if let Some(sets) = self.0.top {
            checker.require(sets > 0, "top", sets, ">= 1")?;
        }
        Ok(&self.0)
    }

    fn check(self) -> Result<ItemsetValidParams> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl ItemsetValidParams {
    /// All sets wanted, with their supports.
    ///
    /// Cost: in proportion to the sets and the units that share them; subtrees in parallel.
    ///
    /// # Errors
    /// [`ErrorKind::Explosion`] before more sets are made than bounds allow;
    /// [`ErrorKind::FeatureNames`] for a name that is no item.
    pub fn mine(&self, items: &Items) -> Result<Itemsets> {
        let complete = self.kind == SetKind::Frequent
            && self.lengths.0 == 1
            && self.must_have.is_empty()
            && self.top.is_none();
        let (names, longest) = (items.names(), self.lengths.1);
        let mut found = Itemsets::new(names, items.n_units(), complete, longest);
        if let Some(sets) = self.top.filter(|_| layered(items)) {
            // What stands above others takes no place among the first.
            let support = |_: &[u32], support: u64| Some(support as f64);
            for (_, support, set) in self.best(items, sets, support)? {
                found.push(&set, support);
            }
            return Ok(found);
        }
        if let Some(sets) = self.top {
            let table = top(&baskets(items), &self.settings(items)?, sets).map_err(told)?;
            found.take(&table, |set| self.reduced(|item| items.above(item), set));
            return Ok(found);
        }
        let sets = collect(&baskets(items), &self.settings(items)?).map_err(told)?;
        found.reserve(sets.len());
        sets.visit(|set, support| {
            if let Some(set) = self.reduced(|item| items.above(item), set) {
                found.push(&set, support);
            }
            true
        });
        Ok(found)
    }

    /// Hands every set over, its items increasing, until the visitor breaks; none is kept.
    ///
    /// # Errors
    /// As [`Self::mine`].
    pub fn visit(
        &self,
        items: &Items,
        mut visitor: impl FnMut(&[u32], u64) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut hand_over =
            |set: &[u32], support: u64| match self.reduced(|item| items.above(item), set) {
                Some(set) => visitor(&set, support).is_continue(),
                None => true,
            };
        visit(&baskets(items), &self.settings(items)?, &mut hand_over).map_err(told)
    }

    /// As [`Self::visit`], sets with what stands above their items among them.
    pub(super) fn visit_all(
        &self,
        items: &Items,
        mut visitor: impl FnMut(&[u32], u64) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut hand_over = |set: &[u32], support: u64| {
            let mut own = set.to_vec();
            own.sort_unstable();
            visitor(&own, support).is_continue()
        };
        visit(&baskets(items), &self.settings(items)?, &mut hand_over).map_err(told)
    }

    /// Number of sets by length: position 0 counts those of one item.
    ///
    /// # Errors
    /// As [`Self::mine`].
    pub fn count(&self, items: &Items) -> Result<Vec<u64>> {
        let mut counts = if layered(items) {
            let mut counts = Vec::new();
            self.visit(items, |set, _| {
                if counts.len() <= set.len() {
                    counts.resize(set.len() + 1, 0);
                }
                counts[set.len()] += 1;
                ControlFlow::Continue(())
            })?;
            counts
        } else {
            count(&baskets(items), &self.settings(items)?).map_err(told)?
        };
        if !counts.is_empty() {
            counts.remove(0);
        }
        Ok(counts)
    }

    fn settings(&self, items: &Items) -> Result<Settings> {
        let min_support = least_count(self, items.n_units() as u64);
        Ok(Settings {
            target: match self.kind {
                SetKind::Frequent => Target::Frequent,
                SetKind::Closed => Target::Closed,
                SetKind::Maximal => Target::Maximal,
                SetKind::Generator => Target::Generators,
            },
            algorithm: match self.method {
                Method::Auto => Algorithm::Auto,
                Method::Apriori => Algorithm::Apriori,
                Method::FpGrowth => Algorithm::FpGrowth,
                Method::Eclat => Algorithm::Eclat,
            },
            min_length: self.lengths.0,
            max_length: self.lengths.1,
            required: items.find_all(&self.must_have)?,
            forbidden: items.find_all(&self.must_not_have)?,
            limits: Limits {
                max_sets: self.most_sets,
                max_bytes: self.most_bytes,
                max_time: self.most_seconds.map(Duration::from_secs_f64),
            },
            ..Settings::new(min_support)
        })
    }
}

/// Whether any item stands above another.
fn layered(items: &Items) -> bool {
    (0..items.n_items() as u32).any(|item| !items.above(item).is_empty())
}

fn baskets(items: &Items) -> Baskets<'_> {
    Baskets {
        offsets: items.starts(),
        items: items.members(),
        weights: None,
    }
}

fn told(error: MineError) -> Error {
    told_as(NAME)(error)
}

/// The error of a search for what is named.
pub(super) fn told_as(what: &'static str) -> impl Fn(MineError) -> Error {
    move |error| match error {
        MineError::Input(rule) => ErrorKind::Schema(format!("{what}: {rule}")).into(),
        MineError::Overrun(overrun) => ErrorKind::Explosion {
            what,
            at_least: overrun.at_least,
            longest: overrun.longest,
            bound: match overrun.bound {
                Bound::Sets => "most_sets",
                Bound::Bytes => "most_bytes",
                Bound::Time => "most_seconds",
            },
        }
        .into(),
    }
}

#[cfg(test)]
#[path = "itemsets_tests.rs"]
mod tests;
