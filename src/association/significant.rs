//! Which itemsets come with a class, of all itemsets that there are?
//!
//! Here the search space is every itemset (or every one up to a length), however rare; the chance of any
//! false finding is held over all of them. Itemsets that are too rare to reach any small p-value are not
//! paid for ([`tarone`]); with permutations of the class, sets that say the same are paid for once
//! ([`westfall_young`]): the stronger test, at the price of as many passes.

use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

use crate::association::cover_search::CoverSearch;
use crate::association::{
    Alternative, PairCounts, PermutationParams, Strata, tarone, westfall_young,
};
use crate::design::Items;
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::params::Checker;

const NAME: &str = "significant itemsets";

/// Settings of a search for itemsets of a class, checked; made by `check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignificantValidParams {
    alpha: f64,
    alternative: Alternative,
    n_permutations: Option<usize>,
    seed: u64,
    longest: Option<usize>,
}

/// Settings of a search for itemsets of a class.
///
/// | setting | default |
/// |---|---|
/// | [`alpha`](Self::alpha) | 0.05 |
/// | [`alternative`](Self::alternative) | greater: the class is more frequent with the itemset |
/// | [`permutations`](Self::permutations), [`seed`](Self::seed) | 1,000, 0 |
/// | [`max_length`](Self::max_length) | any |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignificantParams(SignificantValidParams);

impl SignificantParams {
    /// Sets the chance of any false finding.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.0.alpha = alpha;
        self
    }

    /// Sets which itemsets are sought: where the class is more frequent, rarer, or either.
    #[must_use]
    pub fn alternative(mut self, alternative: Alternative) -> Self {
        self.0.alternative = alternative;
        self
    }

    /// Sets the number of permutations of the class, at least `1 / alpha - 1`.
    #[must_use]
    pub fn permutations(mut self, n: usize) -> Self {
        self.0.n_permutations = Some(n);
        self
    }

    /// Corrects by Tarone's count of testable itemsets instead of permutations: faster, stricter, and
    /// without strata.
    #[must_use]
    pub fn without_permutations(mut self) -> Self {
        self.0.n_permutations = None;
        self
    }

    /// Sets the seed of permutations.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }

    /// Looks at itemsets of up to this many items instead of at closed ones of any length.
    #[must_use]
    pub fn max_length(mut self, items: usize) -> Self {
        self.0.longest = Some(items);
        self
    }

    /// Checks the settings and searches: see [`SignificantValidParams::find`].
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] and those of the search.
    pub fn find(
        &self,
        items: &Items,
        class: &str,
        strata: Option<&Strata>,
    ) -> Result<SignificantItemsets> {
        self.check_ref()?.find(items, class, strata)
    }
}

impl ParamGuard for SignificantParams {
    type Checked = SignificantValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&SignificantValidParams> {
        let (checker, own) = (Checker::new(NAME), &self.0);
        let inside = own.alpha > 0.0 && own.alpha < 1.0;
        checker.require(inside, "alpha", own.alpha, "in (0, 1)")?;
        let longest = own.longest.unwrap_or(1);
        checker.require(longest >= 1, "max_length", longest, ">= 1")?;
        Ok(own)
    }

    fn check(self) -> Result<SignificantValidParams> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// One itemset of a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignificantItemset {
    /// Its items, increasing, without what stands above others of them.
    pub items: Vec<u32>,
    /// Units by the itemset and the class.
    pub counts: PairCounts,
    /// Fisher's p-value.
    pub p: f64,
    /// p-value adjusted for all itemsets; at most `alpha`.
    pub adjusted_p: f64,
}

/// Itemsets that come with a class, smallest p-value first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignificantItemsets {
    /// The itemsets.
    pub sets: Vec<SignificantItemset>,
    /// Fisher p-values up to this are significant.
    pub level: f64,
    /// Itemsets of fewer units cannot be significant.
    pub min_support: u64,
    /// Itemsets looked at.
    pub n_visited: u64,
}

impl SignificantItemsets {
    /// Settings of the search.
    ///
    /// ```
    /// use galen::association::SignificantItemsets;
    /// use galen::design::Items;
    ///
    /// # fn main() -> galen::Result<()> {
    /// // Of 120 patients those with both drugs fall.
    /// let mut pairs = Vec::new();
    /// for patient in 0..120 {
    ///     let (first, second) = (patient % 2 == 0, patient % 3 == 0);
    ///     pairs.extend(first.then_some((patient, "opioid")));
    ///     pairs.extend(second.then_some((patient, "sedative")));
    ///     pairs.extend((first && second || patient % 7 == 0).then_some((patient, "fall")));
    /// }
    /// let items = Items::from_pairs(120, pairs, &Default::default())?;
    /// let found = SignificantItemsets::params().permutations(200).find(&items, "fall", None)?;
    /// let first: Vec<&str> = found.sets[0].items.iter().map(|item| items.name(*item)).collect();
    /// assert_eq!(first, ["opioid", "sedative"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn params() -> SignificantParams {
        SignificantParams(SignificantValidParams {
            alpha: 0.05,
            alternative: Alternative::Greater,
            n_permutations: Some(1_000),
            seed: 0,
            longest: None,
        })
    }
}

impl SignificantValidParams {
    /// All itemsets that come with the class, an item by name.
    ///
    /// With strata (age band, site) classes are permuted within them, so that what they explain is no
    /// finding. The class itself, other items of its feature, and what stands above or below it take
    /// no part. Units that do not know an item count as without it; units of which the class is not
    /// known are an error. Cost: itemsets times permutations times units / 64, twice the itemsets.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureNames`] where the class is no item; [`ErrorKind::OutOfRange`] where it is
    /// not known of a unit; [`ErrorKind::SingleClass`] where all or none have it;
    /// [`ErrorKind::Parameter`] for too few permutations, and for strata without permutations.
    pub fn find(
        &self,
        items: &Items,
        class: &str,
        strata: Option<&Strata>,
    ) -> Result<SignificantItemsets> {
        let class_item = items.find_all(&[class.to_string()])?[0];
        if let Some(unit) = items.unknown(class_item).first() {
            return Err(ErrorKind::OutOfRange {
                what: "class of itemsets",
                row: items
                    .first_rows()
                    .get(*unit as usize)
                    .map(|row| *row as usize),
                column: Some(class.into()),
                rule: "known of every unit",
            }
            .into());
        }
        if let Some(strata) = strata {
            strata.check(items.n_units())?;
            let permuted = self.n_permutations.is_some();
            let rule = "permutations, where there are strata";
            Checker::new(NAME).require(permuted, "without_permutations", true, rule)?;
        }
        let n_units = items.n_units();
        let mut has_class = vec![false; n_units];
        for (unit, has) in has_class.iter_mut().enumerate() {
            *has = items.basket(unit).any(|item| item == class_item);
        }
        let (own, search) = self.search(items, class_item);
        let n = n_units as u64;
        let n_class = has_class.iter().filter(|has| **has).count() as u64;
        // The p-value that is significant, and the adjusted p-value of each.
        let adjusted: Box<dyn Fn(f64) -> Option<f64>>;
        let (level, min_support, n_visited) = match self.n_permutations {
            Some(n_permutations) => {
                let params = PermutationParams {
                    alpha: self.alpha,
                    n_permutations,
                    alternative: self.alternative,
                    seed: self.seed,
                };
                let stratum: Option<Vec<u32>> =
                    strata.map(|strata| (0..n_units).map(|unit| strata.of(unit)).collect());
                let enumerate = |least, visit: &mut crate::association::Visit<'_>| {
                    search.covers(least, visit);
                };
                let null = westfall_young(&has_class, stratum.as_deref(), &params, enumerate)?;
                let told = (null.threshold(), null.min_support, null.n_visited);
                adjusted = Box::new(move |p| null.adjusted_p(p));
                told
            }
            None => {
                let found = tarone(n, n_class, self.alpha, self.alternative, |least, visit| {
                    search.covers(least, visit);
                })?;
                let (testable, alpha) = (found.n_testable.max(1) as f64, self.alpha);
                adjusted = Box::new(move |p| {
                    let adjusted = (p * testable).min(1.0);
                    (adjusted <= alpha).then_some(adjusted)
                });
                (found.level, found.min_support, found.n_visited)
            }
        };
        let mut sets = Vec::new();
        let class_words = bits(&has_class);
        let mut first_error = None;
        search.run(min_support.min(n), &mut |set, cover| {
            let both = cover.words.iter().zip(&class_words);
            let n_ab: u64 = both.map(|(a, b)| u64::from((a & b).count_ones())).sum();
            match PairCounts::new(n, cover.support, n_class, n_ab) {
                Ok(counts) => {
                    let p = counts.fisher_p(self.alternative);
                    if let Some(adjusted_p) = adjusted(p) {
                        let set: Vec<u32> = set.iter().map(|at| own[*at]).collect();
                        sets.push(SignificantItemset {
                            items: lowest(items, set),
                            counts,
                            p,
                            adjusted_p,
                        });
                    }
                    0
                }
                Err(error) => {
                    first_error.get_or_insert(error);
                    u64::MAX
                }
            }
        });
        if let Some(error) = first_error {
            return Err(error);
        }
        sets.sort_by(|a, b| {
            let by_length = || a.items.len().cmp(&b.items.len());
            a.p.total_cmp(&b.p)
                .then_with(by_length)
                .then_with(|| a.items.cmp(&b.items))
        });
        Ok(SignificantItemsets {
            sets,
            level,
            min_support,
            n_visited,
        })
    }

    /// Items that take part, and their bits.
    fn search(&self, items: &Items, class: u32) -> (Vec<u32>, CoverSearch) {
        let supports = items.supports();
        let mut own: Vec<u32> = (0..items.n_items() as u32)
            .filter(|item| {
                let same =
                    items.feature(*item).is_some() && items.feature(*item) == items.feature(class);
                *item != class
                    && !same
                    && !items.related(*item, class)
                    && supports[*item as usize] > 0
            })
            .collect();
        own.sort_by_key(|item| std::cmp::Reverse(supports[*item as usize]));
        let mut slots = vec![usize::MAX; items.n_items()];
        for (slot, item) in own.iter().enumerate() {
            slots[*item as usize] = slot;
        }
        let n_words = items.n_units().div_ceil(64);
        let mut rows = vec![vec![0_u64; n_words]; own.len()];
        for unit in 0..items.n_units() {
            for item in items.basket(unit) {
                if let Some(row) = rows.get_mut(slots[item as usize]) {
                    row[unit / 64] |= 1 << (unit % 64);
                }
            }
        }
        let all = bits(&vec![true; items.n_units()]);
        let longest = self.longest;
        (own, CoverSearch { rows, all, longest })
    }
}

fn bits(marks: &[bool]) -> Vec<u64> {
    let mut words = vec![0; marks.len().div_ceil(64)];
    for (unit, _) in marks.iter().enumerate().filter(|(_, mark)| **mark) {
        words[unit / 64] |= 1 << (unit % 64);
    }
    words
}

/// Increasing items without what stands above others of them.
fn lowest(items: &Items, mut set: Vec<u32>) -> Vec<u32> {
    set.sort_unstable();
    let stands_above = |item: &u32| {
        set.iter()
            .any(|other| items.above(*other).binary_search(item).is_ok())
    };
    set.iter()
        .filter(|item| !stands_above(item))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::Hierarchy;
    use crate::numeric::seed::{stream, uniform};

    fn cohort(n: usize, planted: bool, task: u64) -> Items {
        let mut stream = stream(55, task);
        let mut pairs = Vec::new();
        for unit in 0..n {
            let has: Vec<bool> = (0..8).map(|_| uniform(&mut stream) < 0.4).collect();
            for (at, _) in has.iter().enumerate().filter(|(_, has)| **has) {
                pairs.push((unit, format!("i{at}")));
            }
            let risk = if planted && has[0] && has[1] {
                0.8
            } else {
                0.25
            };
            if uniform(&mut stream) < risk {
                pairs.push((unit, "class".into()));
            }
        }
        Items::from_pairs(n, pairs, &Hierarchy::default()).unwrap()
    }

    fn names(items: &Items, set: &SignificantItemset) -> String {
        let names: Vec<&str> = set.items.iter().map(|item| items.name(*item)).collect();
        names.join(" ")
    }

    #[test]
    fn planted_pairs_are_found_by_either_correction() {
        let items = cohort(300, true, 1);
        let params = SignificantItemsets::params().permutations(200);
        let settings = [
            params.clone(),
            params.clone().max_length(3),
            params.clone().without_permutations(),
            params.max_length(2).without_permutations(),
        ];
        for params in settings {
            let found = params.find(&items, "class", None).unwrap();
            assert_eq!(names(&items, &found.sets[0]), "i0 i1");
            assert!(
                found
                    .sets
                    .iter()
                    .all(|set| set.p <= found.level * (1.0 + 1e-9))
            );
            assert!(found.sets.iter().all(|set| set.adjusted_p <= 0.05));
            assert!(
                found
                    .sets
                    .iter()
                    .all(|set| !names(&items, set).contains("class"))
            );
        }
    }

    #[test]
    fn the_level_is_held_over_all_itemsets() {
        let mut false_families = [0, 0];
        for task in 0..100 {
            let items = cohort(80, false, 100 + task);
            let params = SignificantItemsets::params().permutations(99);
            let permuted = params.find(&items, "class", None).unwrap();
            let counted = params
                .without_permutations()
                .find(&items, "class", None)
                .unwrap();
            false_families[0] += usize::from(!permuted.sets.is_empty());
            false_families[1] += usize::from(!counted.sets.is_empty());
        }
        // 0.05 of 100 and three standard errors.
        assert!(
            false_families.iter().all(|found| *found <= 11),
            "{false_families:?}"
        );
    }

    #[test]
    fn what_strata_explain_is_no_finding() {
        let mut stream = stream(56, 0);
        let (mut pairs, mut old) = (Vec::new(), Vec::new());
        for unit in 0..400 {
            let is_old = unit % 2 == 0;
            old.push(is_old);
            for name in ["grey", "class"] {
                if uniform(&mut stream) < if is_old { 0.7 } else { 0.1 } {
                    pairs.push((unit, name));
                }
            }
        }
        let items = Items::from_pairs(400, pairs, &Hierarchy::default()).unwrap();
        let params = SignificantItemsets::params().permutations(199);
        assert_eq!(params.find(&items, "class", None).unwrap().sets.len(), 1);
        let strata = Strata::new(old);
        assert!(
            params
                .find(&items, "class", Some(&strata))
                .unwrap()
                .sets
                .is_empty()
        );
        let refused = params
            .without_permutations()
            .find(&items, "class", Some(&strata));
        assert!(refused.unwrap_err().to_string().contains("permutations"));
    }

    #[test]
    fn bad_input_is_refused() {
        let items = cohort(60, true, 3);
        let params = SignificantItemsets::params();
        assert!(params.find(&items, "nobody", None).is_err());
        assert!(
            params
                .clone()
                .alpha(1.0)
                .find(&items, "class", None)
                .is_err()
        );
        assert!(
            params
                .clone()
                .max_length(0)
                .find(&items, "class", None)
                .is_err()
        );
        assert!(
            params
                .clone()
                .permutations(3)
                .find(&items, "class", None)
                .is_err()
        );
        let everyone = Items::from_pairs(2, [(0, "a"), (1, "a"), (1, "b")], &Hierarchy::default());
        let error = params.find(&everyone.unwrap(), "a", None).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::SingleClass { .. }),
            "{error}"
        );
    }
}
