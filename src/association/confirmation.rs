//! Rules found in some patients, put to the test in others.
//!
//! Where rules are looked for and judged in the same units, p-values must pay for all rules that could
//! have been found. Other units have seen no search: there only the rules that are put to the test
//! count, however they were chosen (Webb 2007, doi:10.1007/s10994-007-5006-x).

use serde::{Deserialize, Serialize};

use crate::association::covers::{Covers, by_stratum, counts, pooled};
use crate::association::{
    Adjustment, Alternative, PairCounts, Rule, Rules, Strata, Stratified, adjust,
};
use crate::design::{Itemizer, Items};
use crate::error::Result;
use crate::estimator::Rows;
use crate::estimator::params::Checker;
use crate::numeric::parallel::map_chunks;
use crate::numeric::special::{normal_upper, normal_upper_quantile};

/// How rules are confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ConfirmParams {
    /// What is controlled over the rules tested; Holm by default.
    pub adjustment: Adjustment,
    /// Confirmed are rules of an adjusted p-value of at most this; 0.05 by default.
    pub alpha: f64,
    /// Whether to test only as many of the first rules as promise the most confirmations; true by
    /// default. Rules behind them would make the test of every other stricter for little hope.
    pub adaptive: bool,
    /// Confidence level of intervals within strata; 0.95 by default.
    pub level: f64,
}

impl Default for ConfirmParams {
    fn default() -> Self {
        Self {
            adjustment: Adjustment::Holm,
            alpha: 0.05,
            adaptive: true,
            level: 0.95,
        }
    }
}

/// A rule that was put to the test in other units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Confirmed {
    /// The rule as it was found.
    pub rule: Rule,
    /// Its counts in the other units.
    pub counts: PairCounts,
    /// Its p-value there.
    pub p: f64,
    /// That p-value adjusted for the rules tested.
    pub adjusted_p: f64,
    /// What strata say there, where there are some.
    pub stratified: Option<Stratified>,
    /// Whether it is confirmed.
    pub confirmed: bool,
}

/// Rules put to the test, in the order in which they were found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The rules tested.
    pub rules: Vec<Confirmed>,
    /// Rules that were left untested.
    pub n_untested: usize,
}

impl Confirmation {
    /// Number of rules confirmed.
    pub fn n_confirmed(&self) -> usize {
        self.rules.iter().filter(|rule| rule.confirmed).count()
    }
}

impl Rules {
    /// Tests the rules in units that the search did not see; items are found by their names.
    ///
    /// Keep all rows of a patient on one side: the other units must be other patients. Cost: a pass
    /// over the units and their bits per rule.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureNames`](crate::error::ErrorKind::FeatureNames) for an item that the other
    /// units' items lack; [`ErrorKind::Parameter`](crate::error::ErrorKind::Parameter);
    /// [`ErrorKind::LengthMismatch`](crate::error::ErrorKind::LengthMismatch) for strata of other
    /// units; [`ErrorKind::OutOfRange`](crate::error::ErrorKind::OutOfRange) without units.
    ///
    /// ```
    /// use galen::association::{ConfirmParams, FrequentItemsets, Rules};
    /// use galen::design::ItemParams;
    ///
    /// # fn main() -> galen::Result<()> {
    /// let found_in = galen::simulate::baskets(1_000, 30, 1).to_matrix();
    /// let others = galen::simulate::baskets(1_000, 30, 1_001).to_matrix();
    /// let itemizer = ItemParams::default().learn(&found_in)?;
    /// let items = itemizer.items(&found_in)?;
    /// let sets = FrequentItemsets::params().min_support(0.02).lengths(1..=3).mine(&items)?;
    /// let rules = Rules::params().productive(0.05).find(&items, &sets)?;
    /// let told = rules.confirm(&itemizer.items(&others)?, None, &ConfirmParams::default())?;
    /// println!("{} of {} confirmed", told.n_confirmed(), told.rules.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn confirm(
        &self,
        others: &Items,
        strata: Option<&Strata>,
        params: &ConfirmParams,
    ) -> Result<Confirmation> {
        let checker = Checker::new("confirm");
        let share = |value: f64| value > 0.0 && value < 1.0;
        checker.require(share(params.alpha), "alpha", params.alpha, "in (0, 1)")?;
        checker.require(share(params.level), "level", params.level, "in (0, 1)")?;
        if let Some(strata) = strata {
            strata.check(others.n_units())?;
        }
        let tested = if params.adaptive {
            self.promising(others.n_units(), params.alpha)
        } else {
            self.len()
        };
        let rules = &self.rules[..tested];
        let own: Vec<u32> = {
            let of_rule = |rule: &Rule| [rule.antecedent.clone(), rule.consequent.clone()].concat();
            let mut items: Vec<u32> = rules.iter().flat_map(of_rule).collect();
            items.sort_unstable();
            items.dedup();
            items
        };
        let names: Vec<String> = own
            .iter()
            .map(|item| self.names[*item as usize].clone())
            .collect();
        let theirs = others.find_all(&names)?;
        let covers = Covers::new(others, strata, &theirs);
        let find = |side: &[u32]| -> Vec<u32> {
            let place = |item: &u32| theirs[own.partition_point(|other| other < item)];
            side.iter().map(place).collect()
        };
        let found = map_chunks(tested, |range| {
            let test = |rule: &Rule| -> Result<Confirmed> {
                let tables = covers.tables(&[], &find(&rule.antecedent), &find(&rule.consequent));
                let counts = counts(pooled(&tables), rule.absent)?;
                let stratified = match strata {
                    Some(_) => {
                        let strata = by_stratum(&tables, rule.absent)?;
                        Some(Stratified::new(
                            &strata,
                            Alternative::Greater,
                            params.level,
                        )?)
                    }
                    None => None,
                };
                let fisher = || counts.fisher_p(Alternative::Greater);
                Ok(Confirmed {
                    rule: rule.clone(),
                    counts,
                    p: stratified.map_or_else(fisher, |within| within.p),
                    adjusted_p: 1.0,
                    stratified,
                    confirmed: false,
                })
            };
            rules[range].iter().map(test).collect::<Vec<_>>()
        });
        let mut found: Vec<Confirmed> = found.into_iter().flatten().collect::<Result<_>>()?;
        let p: Vec<f64> = found.iter().map(|rule| rule.p).collect();
        for (rule, adjusted) in found.iter_mut().zip(adjust(&p, None, params.adjustment)?) {
            rule.adjusted_p = adjusted;
            rule.confirmed = adjusted <= params.alpha;
        }
        Ok(Confirmation {
            rules: found,
            n_untested: self.len() - tested,
        })
    }

    /// As [`Self::confirm`], in rows whose items only this test may see: the sealed side of a split.
    ///
    /// `strata` makes items of what strata are of (age bands, sex): units with the same of them are
    /// compared.
    ///
    /// # Errors
    /// As [`Self::confirm`] and
    /// [`Itemizer::items`](crate::design::Itemizer::items).
    pub fn confirm_in<R: Rows>(
        &self,
        itemizer: &Itemizer,
        rows: &R,
        strata: Option<&Itemizer>,
        params: &ConfirmParams,
    ) -> Result<Confirmation> {
        let strata = match strata {
            Some(strata) => Some(Strata::of_items(&strata.items_of(rows)?)),
            None => None,
        };
        self.confirm(&itemizer.items_of(rows)?, strata.as_ref(), params)
    }

    /// How many of the first rules promise the most confirmations, were their effects as large as
    /// where they were found and every one tested at its share of `alpha`.
    fn promising(&self, n_others: usize, alpha: f64) -> usize {
        let scale = (n_others as f64 / self.n_units.max(1) as f64).sqrt();
        // Beyond 30 standard deviations every test succeeds.
        let z = |rule: &Rule| match rule.p {
            p if p <= 1e-190 => 30.0,
            p if p >= 0.5 => 0.0,
            p => normal_upper_quantile(p),
        };
        let effects: Vec<f64> = self.rules.iter().map(|rule| scale * z(rule)).collect();
        let promise = |m: usize| -> f64 {
            let limit = normal_upper_quantile(alpha / m as f64);
            effects[..m].iter().map(|z| normal_upper(limit - z)).sum()
        };
        // Rules come by p-value: the promise of doubling lists is enough to find the best length.
        let mut best = (0.0, self.len().min(1));
        let mut m = 1.0_f64;
        loop {
            let length = (m as usize).min(self.len());
            if length == 0 {
                return 0;
            }
            let value = promise(length);
            if value > best.0 {
                best = (value, length);
            }
            if length == self.len() {
                return best.1;
            }
            m = (m * 1.1).max(m + 1.0);
        }
    }
}

#[cfg(test)]
#[path = "confirmation_tests.rs"]
mod tests;
