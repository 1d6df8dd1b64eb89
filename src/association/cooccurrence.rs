//! Which two items come together more often than chance, age and long records explain?
//!
//! | what explains a pair away | setting |
//! |---|---|
//! | chance | Fisher's exact test, always |
//! | age, sex, site | [`CooccurrenceParams::find_within`]: exact or Mantel-Haenszel test within strata |
//! | long records: patients with many items of any kind | [`CooccurrenceParams::record_lengths`] |
//! | the number of pairs looked at | [`CooccurrenceParams::adjustment`], over all of them |
//!
//! A pair must survive everything asked for: its p-value is the largest of them.

use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

use crate::association::covers::{Covers, by_stratum, counts, pooled};
use crate::association::pair_table::{Pair, Pairs, RecordExpectation};
use crate::association::{
    Adjustment, Alternative, PairCounts, PairNull, RecordModel, RecordModelParams, Strata,
    Stratified, adjust,
};
use crate::design::Items;
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::params::Checker;
use crate::numeric::parallel::map_tasks;

const NAME: &str = "cooccurrence";

/// Settings of a search for pairs, checked; made by `check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CooccurrenceValidParams {
    min_count: u64,
    min_expected: f64,
    alternative: Alternative,
    record_lengths: bool,
    adjustment: Adjustment,
    alpha: f64,
    level: f64,
}

/// Settings of a search for pairs of items.
///
/// | setting | default |
/// |---|---|
/// | [`min_count`](Self::min_count) | 10 units of each item |
/// | [`min_expected`](Self::min_expected) | 1 unit with both under independence |
/// | [`alternative`](Self::alternative) | greater: more often together |
/// | [`record_lengths`](Self::record_lengths) | not judged |
/// | [`adjustment`](Self::adjustment), [`alpha`](Self::alpha) | Benjamini-Yekutieli, 0.05 |
/// | [`level`](Self::level) | 0.95 |
///
/// ```
/// use galen::association::{Cooccurrence, Strata};
/// use galen::design::Items;
///
/// # fn main() -> galen::Result<()> {
/// // Forty old and forty young patients: grey hair and deafness are signs of age, gout is of thirst.
/// let mut pairs = Vec::new();
/// for patient in 0..80 {
///     let old = patient < 40;
///     let has = |share: usize| patient % 10 < share;
///     pairs.extend((has(if old { 8 } else { 1 })).then_some((patient, "grey")));
///     pairs.extend((patient * 7 % 10 < if old { 7 } else { 1 }).then_some((patient, "deaf")));
///     pairs.extend((patient % 3 == 0).then_some((patient, "gout")));
///     pairs.extend((patient % 3 == 0 || patient == 1).then_some((patient, "thirst")));
/// }
/// let items = Items::from_pairs(80, pairs, &Default::default())?;
/// let crude = Cooccurrence::params().find(&items)?;
/// assert_eq!(crude.len(), 2);
/// let strata = Strata::new((0..80).map(|patient| patient < 40));
/// let within = Cooccurrence::params().find_within(&items, &strata)?;
/// let found = within.iter().next().expect("one pair");
/// assert_eq!((within.len(), within.name(found.a), within.name(found.b)), (1, "gout", "thirst"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CooccurrenceParams(CooccurrenceValidParams);

/// Pairs of items that come together more often than expected: comorbidity, drugs taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cooccurrence;

impl Cooccurrence {
    /// Settings of the search.
    pub fn params() -> CooccurrenceParams {
        CooccurrenceParams(CooccurrenceValidParams {
            min_count: 10,
            min_expected: 1.0,
            alternative: Alternative::Greater,
            record_lengths: false,
            adjustment: Adjustment::BenjaminiYekutieli,
            alpha: 0.05,
            level: 0.95,
        })
    }
}

impl CooccurrenceParams {
    /// Sets the least number of units of an item.
    #[must_use]
    pub fn min_count(mut self, units: u64) -> Self {
        self.0.min_count = units;
        self
    }

    /// Sets the number of units with both that independence must let expect for a pair to be judged.
    #[must_use]
    pub fn min_expected(mut self, units: f64) -> Self {
        self.0.min_expected = units;
        self
    }

    /// Sets which pairs are sought: more often together, more rarely (drugs that are never given
    /// together, impossible claims), or both.
    #[must_use]
    pub fn alternative(mut self, alternative: Alternative) -> Self {
        self.0.alternative = alternative;
        self
    }

    /// Judges pairs by what is expected from the lengths of the records too: [`RecordModel`], with the
    /// number of items of a unit as its record's length.
    #[must_use]
    pub fn record_lengths(mut self, judged: bool) -> Self {
        self.0.record_lengths = judged;
        self
    }

    /// Sets what is controlled over all pairs.
    #[must_use]
    pub fn adjustment(mut self, adjustment: Adjustment) -> Self {
        self.0.adjustment = adjustment;
        self
    }

    /// Keeps pairs of an adjusted p-value of at most this; 1 keeps all.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.0.alpha = alpha;
        self
    }

    /// Sets the confidence level of the odds ratio within strata.
    #[must_use]
    pub fn level(mut self, level: f64) -> Self {
        self.0.level = level;
        self
    }

    /// Checks the settings and searches: see [`CooccurrenceValidParams::find`].
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] and those of the search.
    pub fn find(&self, items: &Items) -> Result<Pairs> {
        self.check_ref()?.find(items)
    }

    /// Checks the settings and searches within strata: see [`CooccurrenceValidParams::find_within`].
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn find_within(&self, items: &Items, strata: &Strata) -> Result<Pairs> {
        self.check_ref()?.find_within(items, strata)
    }
}

impl ParamGuard for CooccurrenceParams {
    type Checked = CooccurrenceValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&CooccurrenceValidParams> {
        let (checker, own) = (Checker::new(NAME), &self.0);
        checker.require(own.min_count >= 1, "min_count", own.min_count, ">= 1")?;
        checker.not_negative("min_expected", own.min_expected)?;
        let share = own.alpha > 0.0 && own.alpha <= 1.0;
        checker.require(share, "alpha", own.alpha, "in (0, 1]")?;
        let inside = own.level > 0.0 && own.level < 1.0;
        checker.require(inside, "level", own.level, "in (0, 1)")?;
        Ok(own)
    }

    fn check(self) -> Result<CooccurrenceValidParams> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// Everything that the search for one item needs.
struct Search<'a> {
    items: &'a Items,
    strata: Option<&'a Strata>,
    n_strata: usize,
    /// Items that are judged, their units, and their position among them by item.
    judged: Vec<u32>,
    units: Vec<Vec<u32>>,
    slots: Vec<u32>,
    /// Units by stratum, and by stratum and item.
    sizes: Vec<u64>,
    margins: Vec<u64>,
    /// Where some units do not know an item.
    covers: Option<Covers<'a>>,
    records: Option<RecordModel>,
}

impl CooccurrenceValidParams {
    /// All pairs that pass, smallest p-value first.
    ///
    /// Pairs of which one stands above the other, and levels of one feature that exclude each other,
    /// are not judged. A unit that does not know an item is left out of the pair's counts. Cost: the
    /// pairs that each unit has; items in parallel.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] where record lengths are to be judged and units do not know features.
    pub fn find(&self, items: &Items) -> Result<Pairs> {
        self.search(items, None)
    }

    /// As [`Self::find`], within strata: a common odds ratio, its p-value, and whether strata agree.
    ///
    /// # Errors
    /// As [`Self::find`]; [`ErrorKind::LengthMismatch`] for strata of other units.
    pub fn find_within(&self, items: &Items, strata: &Strata) -> Result<Pairs> {
        strata.check(items.n_units())?;
        self.search(items, Some(strata))
    }

    fn search(&self, items: &Items, strata: Option<&Strata>) -> Result<Pairs> {
        let search = self.prepare(items, strata)?;
        let found = map_tasks(search.judged.len(), |at| self.pairs_of(&search, at));
        let mut drafts = Vec::new();
        let mut n_tests = 0;
        for part in found {
            let (pairs, tests) = part?;
            drafts.extend(pairs);
            n_tests += tests;
        }
        let p: Vec<f64> = drafts.iter().map(|pair| pair.p).collect();
        let adjusted = adjust(&p, Some(n_tests), self.adjustment)?;
        for (pair, adjusted) in drafts.iter_mut().zip(adjusted) {
            pair.adjusted_p = adjusted;
        }
        drafts.retain(|pair| pair.adjusted_p <= self.alpha);
        // Many p-values are 0 to rounding: then the larger association comes first.
        let strength = |pair: &Pair| pair.counts.phi().unwrap_or(0.0).abs();
        drafts.sort_by(|a, b| {
            a.p.total_cmp(&b.p)
                .then(strength(b).total_cmp(&strength(a)))
        });
        Ok(Pairs {
            names: items.names().to_vec(),
            supports: items.supports(),
            n_units: items.n_units(),
            n_tests,
            adjustment: self.adjustment,
            alpha: self.alpha,
            pairs: drafts,
        })
    }

    fn prepare<'a>(&self, items: &'a Items, strata: Option<&'a Strata>) -> Result<Search<'a>> {
        let (n_units, n_items) = (items.n_units(), items.n_items());
        let supports = items.supports();
        let some_unknown = (0..items.n_features()).any(|at| !items.unknown_units(at).is_empty());
        if self.record_lengths && some_unknown {
            let text = "cooccurrence: record_lengths needs items that are known of every unit";
            return Err(ErrorKind::Schema(text.into()).into());
        }
        let mut slots = vec![u32::MAX; n_items];
        let mut judged = Vec::new();
        for item in 0..n_items {
            if supports[item] >= self.min_count && supports[item] < n_units as u64 {
                slots[item] = judged.len() as u32;
                judged.push(item as u32);
            }
        }
        let n_strata = strata.map_or(1, Strata::len);
        let stratum = |unit: usize| strata.map_or(0, |strata| strata.of(unit) as usize);
        let mut units = vec![Vec::new(); judged.len()];
        let mut sizes = vec![0; n_strata];
        let mut margins = vec![0; n_strata * judged.len()];
        for unit in 0..n_units {
            sizes[stratum(unit)] += 1;
            for item in items.basket(unit) {
                let slot = slots[item as usize] as usize;
                if slot < judged.len() {
                    units[slot].push(unit as u32);
                    margins[stratum(unit) * judged.len() + slot] += 1;
                }
            }
        }
        let records = if self.record_lengths {
            let lengths: Vec<u64> = (0..n_units)
                .map(|unit| items.basket(unit).count() as u64)
                .collect();
            Some(RecordModel::fit(
                &lengths,
                &supports,
                &RecordModelParams::default(),
            )?)
        } else {
            None
        };
        Ok(Search {
            items,
            strata,
            n_strata,
            covers: some_unknown.then(|| Covers::new(items, strata, &judged)),
            judged,
            units,
            slots,
            sizes,
            margins,
            records,
        })
    }

    /// Pairs of one item with later ones, and how many were judged.
    fn pairs_of(&self, search: &Search<'_>, first: usize) -> Result<(Vec<Pair>, u64)> {
        let (items, a, width) = (search.items, search.judged[first], search.judged.len());
        let mut joint = vec![0_u64; search.n_strata * width];
        for unit in &search.units[first] {
            let unit = *unit as usize;
            let stratum = search.strata.map_or(0, |strata| strata.of(unit) as usize);
            let row = &mut joint[stratum * width..][..width];
            for item in items.basket(unit) {
                if let Some(count) = row.get_mut(search.slots[item as usize] as usize) {
                    *count += 1;
                }
            }
        }
        let (mut found, mut n_tests) = (Vec::new(), 0);
        for second in first + 1..width {
            let b = search.judged[second];
            if items.related(a, b) || items.exclude(a, b) {
                continue;
            }
            let tables = match &search.covers {
                Some(covers) => covers.tables(&[], &[a], &[b]),
                None => (0..search.n_strata)
                    .map(|stratum| {
                        let at = |slot: usize| stratum * width + slot;
                        let margin = |slot: usize| search.margins[at(slot)];
                        [
                            search.sizes[stratum],
                            margin(first),
                            margin(second),
                            joint[at(second)],
                        ]
                    })
                    .collect(),
            };
            let all = pooled(&tables);
            if all[0] == 0 {
                continue;
            }
            let counts = counts(all, false)?;
            if counts.expected() < self.min_expected {
                continue;
            }
            n_tests += 1;
            if let Some(pair) = self.judge(search, a, b, counts, &tables)? {
                found.push(pair);
            }
        }
        Ok((found, n_tests))
    }

    /// The pair, where no test speaks against it yet.
    fn judge(
        &self,
        search: &Search<'_>,
        a: u32,
        b: u32,
        counts: PairCounts,
        tables: &[[u64; 4]],
    ) -> Result<Option<Pair>> {
        let stratified = match search.strata {
            Some(_) => {
                let strata = by_stratum(tables, false)?;
                Some(Stratified::new(&strata, self.alternative, self.level)?)
            }
            None => None,
        };
        let mut p = match &stratified {
            Some(within) => within.p,
            None => counts.fisher_p(self.alternative),
        };
        if p > self.alpha {
            return Ok(None);
        }
        let records = match &search.records {
            Some(model) => {
                let null = model.pair(a as usize, b as usize)?;
                let expectation = self.by_records(&null, counts.n_ab());
                p = p.max(expectation.p);
                Some(expectation)
            }
            None => None,
        };
        Ok(Some(Pair {
            a,
            b,
            counts,
            p,
            adjusted_p: f64::NAN,
            stratified,
            records,
        }))
    }

    fn by_records(&self, null: &PairNull, observed: u64) -> RecordExpectation {
        let (upper, lower) = (null.upper_tail(observed), null.lower_tail(observed));
        let p = match self.alternative {
            Alternative::Greater => upper.p,
            Alternative::Less => lower.p,
            Alternative::TwoSided => (2.0 * upper.p.min(lower.p)).min(1.0),
        };
        RecordExpectation {
            expected: null.expected(),
            adjusted_lift: null.adjusted_lift(observed),
            z: null.z(observed),
            p,
        }
    }
}

#[cfg(test)]
#[path = "cooccurrence_tests.rs"]
mod tests;
