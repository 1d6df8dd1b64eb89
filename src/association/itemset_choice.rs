//! Which of the frequent sets are wanted: by kind, without what stands above others, the best of them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::association::itemsets::Least;
use crate::association::{ItemsetParams, ItemsetValidParams, Itemsets, SetKind};
use crate::design::Items;
use crate::error::{Error, ErrorKind, Result};

/// The least number of units of a search among `n`.
pub(super) fn least_count(params: &ItemsetValidParams, n: u64) -> u64 {
    least_of(&params.least, n)
}

pub(super) fn least_of(least: &Least, n: u64) -> u64 {
    match *least {
        Least::Count(count) => count,
        Least::Share(share) => {
            // A share of a whole number of units may round to just above it.
            let exact = share * n as f64;
            let near = exact.round();
            let whole = (exact - near).abs() <= 1e-9 * near.max(1.0);
            (if whole { near } else { exact.ceil() }).max(1.0) as u64
        }
    }
}

/// A measure of a set of any length against its items being independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum SetMeasure {
    /// Units with all items.
    Support,
    /// Those over the number expected if all items were independent.
    Lift,
    /// Their share less the share expected if all items were independent.
    Leverage,
    /// Their share of the units with the most frequent item: the smallest confidence of any rule of the
    /// set with one item before (Omiecinski 2003, doi:10.1109/TKDE.2003.1161582).
    AllConfidence,
}

impl SetMeasure {
    fn of(self, support: u64, items: impl Iterator<Item = u64>, n: f64) -> f64 {
        let support = support as f64;
        let (mut expected, mut largest) = (n, 0.0_f64);
        for item in items {
            expected *= item as f64 / n;
            largest = largest.max(item as f64);
        }
        match self {
            Self::Support => support,
            Self::Lift => support / expected,
            Self::Leverage => (support - expected) / n,
            Self::AllConfidence => support / largest,
        }
    }
}

impl ItemsetParams {
    /// The `n` sets of the largest measure among those wanted, largest first; of equal ones the first.
    ///
    /// None of the others is kept: memory is bounded by `n`, time by the frequent sets.
    ///
    /// ```
    /// use galen::association::{FrequentItemsets, SetMeasure};
    /// use galen::design::ItemParams;
    ///
    /// # fn main() -> galen::Result<()> {
    /// let rows = galen::simulate::baskets(2_000, 40, 7).to_matrix();
    /// let items = ItemParams::default().learn(&rows)?.items(&rows)?;
    /// let sets = FrequentItemsets::params().lengths(2..=3).top_by(5, SetMeasure::Leverage, &items)?;
    /// assert_eq!(sets.len(), 5);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`mine`](Self::mine).
    pub fn top_by(&self, n: usize, measure: SetMeasure, items: &Items) -> Result<Itemsets> {
        use linfa::ParamGuard;
        let params = self.check_ref()?;
        let supports = items.supports();
        let units = items.n_units() as f64;
        let value = |set: &[u32], support: u64| {
            let single = set.iter().map(|item| supports[*item as usize]);
            Some(measure.of(support, single, units))
        };
        let mut found = Itemsets::new(items.names(), items.n_units(), false, params.lengths.1);
        for (_, support, set) in params.best(items, n, value)? {
            found.push(&set, support);
        }
        Ok(found)
    }
}

impl ItemsetValidParams {
    /// Increasing items, without what stands above others; `None` where that makes a set redundant.
    pub(super) fn reduced<'a>(
        &self,
        above: impl Fn(u32) -> &'a [u32],
        set: &[u32],
    ) -> Option<Vec<u32>> {
        let mut own = set.to_vec();
        own.sort_unstable();
        let stands_above = |item: &u32| {
            set.iter()
                .any(|other| above(*other).binary_search(item).is_ok())
        };
        match self.kind {
            SetKind::Frequent | SetKind::Generator if own.iter().any(stands_above) => return None,
            SetKind::Frequent | SetKind::Generator => {}
            SetKind::Closed | SetKind::Maximal => own.retain(|item| !stands_above(item)),
        }
        Some(own)
    }

    /// The sets of the largest value, largest first, ties in the order of the search.
    pub(super) fn best(
        &self,
        items: &Items,
        n: usize,
        value: impl Fn(&[u32], u64) -> Option<f64>,
    ) -> Result<Vec<(f64, u64, Vec<u32>)>> {
        let mut kept: Vec<(f64, u64, Vec<u32>)> = Vec::new();
        let cut = |kept: &mut Vec<(f64, u64, Vec<u32>)>| {
            kept.sort_by(|a, b| b.0.total_cmp(&a.0));
            kept.truncate(n);
        };
        let all = Self {
            top: None,
            ..self.clone()
        };
        all.visit(items, |set, support| {
            if let Some(value) = value(set, support) {
                kept.push((value, support, set.to_vec()));
            }
            if kept.len() >= 4 * n.max(64) {
                cut(&mut kept);
            }
            ControlFlow::Continue(())
        })?;
        cut(&mut kept);
        Ok(kept)
    }

    /// The same search for all frequent sets of a part of the units, at a share of them.
    pub(super) fn frequent(&self, share: f64, longest: usize) -> Self {
        Self {
            kind: SetKind::Frequent,
            least: Least::Share(share.clamp(0.0, 1.0)),
            lengths: (1, longest),
            must_have: Vec::new(),
            must_not_have: Vec::new(),
            top: None,
            ..self.clone()
        }
    }

    /// What is wanted of all frequent sets, in the order of a search.
    pub(super) fn chosen(
        &self,
        names: &[String],
        n_units: u64,
        above: &[Vec<u32>],
        mut frequent: BTreeMap<Vec<u32>, u64>,
    ) -> Result<Itemsets> {
        let find = |name: &String| {
            let place = names.iter().position(|known| known == name);
            place.map(|place| place as u32).ok_or_else(|| {
                Error::from(ErrorKind::FeatureNames {
                    missing: vec![name.clone()],
                    suggestion: None,
                })
            })
        };
        let find = |names: &[String]| names.iter().map(find).collect::<Result<Vec<u32>>>();
        let (required, forbidden) = (find(&self.must_have)?, find(&self.must_not_have)?);
        frequent.retain(|set, _| !set.iter().any(|item| forbidden.contains(item)));
        let wanted = self.of_kind(&frequent, n_units);
        let mut ranked: Vec<(u64, u32)> = (0..names.len() as u32)
            .filter(|item| !required.contains(item))
            .map(|item| {
                let mut set = required.clone();
                set.push(item);
                set.sort_unstable();
                set.dedup();
                (frequent.get(&set).copied().unwrap_or(0), item)
            })
            .collect();
        ranked.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut rank = vec![u32::MAX; names.len()];
        for (at, (_, item)) in ranked.iter().enumerate() {
            rank[*item as usize] = at as u32;
        }
        let mut sets: Vec<(Vec<u32>, &Vec<u32>, u64)> = wanted
            .into_iter()
            .filter(|(set, _)| {
                let length = (self.lengths.0..=self.lengths.1).contains(&set.len());
                length && required.iter().all(|item| set.binary_search(item).is_ok())
            })
            .map(|(set, support)| {
                let free = set.iter().filter(|item| !required.contains(item));
                let mut ranks: Vec<u32> = free.map(|item| rank[*item as usize]).collect();
                ranks.sort_unstable_by(|a, b| b.cmp(a));
                (ranks, set, support)
            })
            .collect();
        sets.sort();
        if let Some(top) = self.top {
            sets.sort_by_key(|(_, _, support)| std::cmp::Reverse(*support));
            sets.truncate(top);
        }
        let complete = self.kind == SetKind::Frequent
            && self.lengths.0 == 1
            && self.must_have.is_empty()
            && self.top.is_none();
        let mut found = Itemsets::new(names, n_units as usize, complete, self.lengths.1);
        for (_, set, support) in sets {
            if let Some(set) = self.reduced(|item| &above[item as usize], set) {
                found.push(&set, support);
            }
        }
        Ok(found)
    }

    /// Sets of the kind wanted; every frequent set one item longer tells of its parts.
    fn of_kind<'s>(
        &self,
        frequent: &'s BTreeMap<Vec<u32>, u64>,
        n_units: u64,
    ) -> Vec<(&'s Vec<u32>, u64)> {
        let mut out: BTreeMap<&Vec<u32>, bool> = BTreeMap::new();
        for (set, support) in frequent {
            for at in 0..set.len() {
                let mut part = set.clone();
                part.remove(at);
                if part.is_empty() {
                    if self.kind == SetKind::Generator && *support == n_units {
                        out.insert(set, true);
                    }
                    continue;
                }
                let Some((part, of_part)) = frequent.get_key_value(&part) else {
                    continue;
                };
                match self.kind {
                    SetKind::Closed if of_part == support => _ = out.insert(part, true),
                    SetKind::Maximal => _ = out.insert(part, true),
                    SetKind::Generator if of_part == support => _ = out.insert(set, true),
                    _ => {}
                }
            }
        }
        let kept = frequent.iter().filter(|(set, _)| !out.contains_key(set));
        kept.map(|(set, support)| (set, *support)).collect()
    }
}
