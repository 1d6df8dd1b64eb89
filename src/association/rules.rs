//! Rules: who has A often has B, or surprisingly rarely.
//!
//! ```text
//!   frequent sets -> every way to part a set in A and B -> measures -> p-value -> adjusted for the
//!                                                          search space -> redundancy -> Rules
//! ```
//!
//! The search space that p-values are adjusted for holds every frequent A with every frequent B, the
//! pairs too rare together to be frequent among them: these were looked at and passed over because of
//! their joint count, which is what is tested (Webb 2007, doi:10.1007/s10994-007-5006-x). Where sets were
//! left out by a setting ([`Itemsets::is_complete`]), it holds every A and B that items can form.
//! Measures that a rule must reach shorten the list, never the search space.
//!
//! A unit of which an item of a rule is not known says nothing of that rule: it is left out of all four
//! counts.

use crate::association::covers::{Covers, by_stratum, counts, pooled};
use crate::association::rule_space::{Scope, parts};
use crate::association::rule_table::{Rule, Rules};
use crate::association::supports::Supports;
use crate::association::{
    Alternative, Itemsets, PairCounts, RuleParams, RuleValidParams, Strata, Stratified, adjust,
};
use crate::design::Items;
use crate::error::{ErrorKind, Result};
use crate::numeric::parallel::{map_chunks, map_tasks};

/// Units by A, B and both, by itemset.
pub(super) struct Counter<'a> {
    items: &'a Items,
    supports: Supports<'a>,
    /// Where supports alone do not tell.
    covers: Option<Covers<'a>>,
}

impl Counter<'_> {
    /// Counts among units that have all of `base`; `None` where a saved search lacks a set.
    pub(super) fn table(&self, base: &[u32], a: &[u32], b: &[u32]) -> Option<[u64; 4]> {
        let known = |item: &u32| self.items.unknown(*item).is_empty();
        if base.iter().chain(a).chain(b).all(known) {
            let of = |parts: [&[u32]; 3]| self.supports.of(&joined(parts));
            let table = [
                of([base, &[], &[]]),
                of([base, a, &[]]),
                of([base, &[], b]),
                of([base, a, b]),
            ];
            if let [Some(n), Some(n_a), Some(n_b), Some(n_ab)] = table {
                return Some([n, n_a, n_b, n_ab]);
            }
        }
        let covers = self.covers.as_ref()?;
        Some(pooled(&covers.tables(base, a, b)))
    }

    /// Support of a set where it is known.
    pub(super) fn support(&self, set: &[u32]) -> Option<u64> {
        let found = self.supports.of(set);
        found.or_else(|| self.table(&[], set, &[]).map(|table| table[1]))
    }
}

/// All items, increasing.
fn joined(parts: [&[u32]; 3]) -> Vec<u32> {
    let mut all = parts.concat();
    all.sort_unstable();
    all
}

/// A rule before it was judged among the others.
struct Draft {
    antecedent: Vec<u32>,
    consequent: Vec<u32>,
    absent: bool,
    counts: PairCounts,
}

impl Rules {
    /// Settings of a search for rules.
    ///
    /// ```
    /// use galen::association::{FrequentItemsets, Measure, Rules};
    /// use galen::design::ItemParams;
    ///
    /// # fn main() -> galen::Result<()> {
    /// let rows = galen::simulate::baskets(2_000, 40, 7).to_matrix();
    /// let items = ItemParams::default().learn(&rows)?.items(&rows)?;
    /// let sets = FrequentItemsets::params().min_support(0.02).lengths(1..=3).mine(&items)?;
    /// let rules = Rules::params().min_confidence(0.3).min_improvement(0.0).find(&items, &sets)?;
    /// let best = rules.top(3, Measure::Lift);
    /// println!("{best}");
    /// assert!(best.iter().all(|rule| rule.counts.lift() > Some(1.0)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn params() -> RuleParams {
        RuleParams::new()
    }
}

impl RuleValidParams {
    /// All rules that itemsets of these items give and that pass the settings, smallest p-value first.
    ///
    /// p-values are Fisher's, one-sided: B more often with A than without, or more rarely for rules of
    /// absence. Cost: in proportion to the sets and the ways to part them; sets in parallel. Bits of
    /// items (units / 8 bytes each) are made where units do not know features, where sets are
    /// missing, and for strata and rules of absence.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] for sets of other items; [`ErrorKind::FeatureNames`] for a name that is no
    /// item; [`ErrorKind::Explosion`] beyond `most_rules`.
    pub fn find(&self, items: &Items, sets: &Itemsets) -> Result<Rules> {
        self.search(items, sets, None)
    }

    /// As [`Self::find`], with p-values of association within strata, a common odds ratio and the
    /// test that strata agree: what age, sex or site bring about is no rule.
    ///
    /// # Errors
    /// As [`Self::find`]; [`ErrorKind::LengthMismatch`] for strata of other units.
    pub fn find_within(&self, items: &Items, sets: &Itemsets, strata: &Strata) -> Result<Rules> {
        strata.check(items.n_units())?;
        self.search(items, sets, Some(strata))
    }

    fn search(&self, items: &Items, sets: &Itemsets, strata: Option<&Strata>) -> Result<Rules> {
        if sets.all_names() != items.names() || sets.n_units() != items.n_units() {
            let text = "rules: itemsets of other items; expected those searched in these";
            return Err(ErrorKind::Schema(text.into()).into());
        }
        let scope = Scope::new(self, items, sets)?;
        let some_unknown = (0..items.n_features()).any(|f| !items.unknown_units(f).is_empty());
        let bits = strata.is_some() || some_unknown || self.absent.is_some() || !sets.is_complete();
        let counter = Counter {
            items,
            supports: Supports::new(sets),
            covers: bits.then(|| Covers::new(items, strata, &scope.present)),
        };
        let mut drafts = self.present(sets, &scope, &counter)?;
        if let Some(longest) = self.absent {
            drafts.extend(self.lacking(sets, &scope, &counter, longest)?);
        }
        self.refuse_too_many(drafts.len())?;
        let judged = self.judge(drafts, &scope, &counter, strata)?;
        Ok(Rules {
            names: items.names().to_vec(),
            n_units: items.n_units(),
            n_tests: scope.n_tests,
            adjustment: self.adjustment,
            alpha: self.alpha,
            rules: self.without_redundant(judged, &counter, items),
        })
    }

    fn refuse_too_many(&self, rules: usize) -> Result<()> {
        if rules <= self.most_rules {
            return Ok(());
        }
        Err(ErrorKind::Explosion {
            what: "rules",
            at_least: rules as f64,
            longest: 0,
            bound: "most_rules",
        }
        .into())
    }

    fn passes(&self, counts: &PairCounts) -> bool {
        let reaches = |(measure, least): &(super::Measure, f64)| {
            measure.of(counts).is_some_and(|value| value >= *least)
        };
        self.at_least.iter().all(reaches)
    }

    /// Rules of frequent sets that reach the measures.
    fn present(&self, sets: &Itemsets, scope: &Scope, counter: &Counter<'_>) -> Result<Vec<Draft>> {
        let drafts = map_chunks(sets.len(), |range| {
            let mut found = Vec::new();
            for at in range {
                parts(
                    sets.at(at).items,
                    scope,
                    self.max_consequent,
                    &mut |a, b| {
                        // More with both than the margins allow: a set that was saved wrongly.
                        let table = counter.table(&[], a, b);
                        let Some(Ok(counts)) = table.map(|table| counts(table, false)) else {
                            return;
                        };
                        if self.passes(&counts) {
                            found.push(Draft {
                                antecedent: a.to_vec(),
                                consequent: b.to_vec(),
                                absent: false,
                                counts,
                            });
                        }
                    },
                );
                if found.len() > self.most_rules {
                    break;
                }
            }
            found
        });
        let total = drafts.iter().map(Vec::len).sum();
        self.refuse_too_many(total)?;
        Ok(drafts.into_iter().flatten().collect())
    }

    /// Rules of absence: for every A what its units have less often than expected.
    fn lacking(
        &self,
        sets: &Itemsets,
        scope: &Scope,
        counter: &Counter<'_>,
        longest: usize,
    ) -> Result<Vec<Draft>> {
        let (Some(covers), items) = (counter.covers.as_ref(), counter.items) else {
            return Ok(Vec::new());
        };
        let antecedents: Vec<usize> = (0..sets.len())
            .filter(|at| sets.at(*at).items.len() <= longest && scope.starts(sets.at(*at).items))
            .collect();
        let n = items.n_units() as f64;
        let drafts = map_tasks(antecedents.len(), |task| {
            let set = sets.at(antecedents[task]);
            let mut joint = vec![0_u64; items.n_items()];
            for unit in covers.units(set.items) {
                for item in items.basket(unit) {
                    joint[item as usize] += 1;
                }
            }
            let mut found = Vec::new();
            for (item, support) in scope.following() {
                let expected = set.support as f64 * support as f64 / n;
                let excluded = |own: &u32| {
                    *own == item || items.exclude(*own, item) || items.related(*own, item)
                };
                if expected < self.min_expected
                    || joint[item as usize] as f64 >= expected
                    || set.items.iter().any(excluded)
                {
                    continue;
                }
                let all_known = set
                    .items
                    .iter()
                    .chain([&item])
                    .all(|i| items.unknown(*i).is_empty());
                let table = if all_known {
                    let n_ab = joint[item as usize];
                    [items.n_units() as u64, set.support, support, n_ab]
                } else {
                    pooled(&covers.tables(&[], set.items, &[item]))
                };
                let Ok(counts) = counts(table, true) else {
                    continue;
                };
                let [n, n_a, n_b, n_ab] = table.map(|count| count as f64);
                if n_a * n_b >= self.min_expected * n
                    && n_ab * n < n_a * n_b
                    && self.passes(&counts)
                {
                    found.push(Draft {
                        antecedent: set.items.to_vec(),
                        consequent: vec![item],
                        absent: true,
                        counts,
                    });
                }
            }
            found
        });
        Ok(drafts.into_iter().flatten().collect())
    }

    /// p-values, adjusted; what passes, the smallest first.
    fn judge(
        &self,
        drafts: Vec<Draft>,
        scope: &Scope,
        counter: &Counter<'_>,
        strata: Option<&Strata>,
    ) -> Result<Vec<Rule>> {
        let covers = counter.covers.as_ref().filter(|_| strata.is_some());
        let tests = map_chunks(drafts.len(), |range| {
            let test = |draft: &Draft| -> Result<(f64, Option<Stratified>)> {
                let Some(covers) = covers else {
                    return Ok((draft.counts.fisher_log_p(Alternative::Greater), None));
                };
                let tables = covers.tables(&[], &draft.antecedent, &draft.consequent);
                let strata = by_stratum(&tables, draft.absent)?;
                let within = Stratified::new(&strata, Alternative::Greater, self.level)?;
                Ok((libm::log(within.p), Some(within)))
            };
            drafts[range].iter().map(test).collect::<Vec<_>>()
        });
        let tests: Vec<(f64, Option<Stratified>)> =
            tests.into_iter().flatten().collect::<Result<_>>()?;
        let p: Vec<f64> = tests
            .iter()
            .map(|(log_p, _)| libm::exp(*log_p).min(1.0))
            .collect();
        let adjusted = adjust(&p, Some(scope.n_tests), self.adjustment)?;
        let mut order: Vec<usize> = (0..drafts.len())
            .filter(|at| adjusted[*at] <= self.alpha)
            .collect();
        order.sort_by(|a, b| tests[*a].0.total_cmp(&tests[*b].0));
        let mut drafts: Vec<Option<Draft>> = drafts.into_iter().map(Some).collect();
        let rule = |at: usize| {
            let draft = drafts[at].take()?;
            Some(Rule {
                antecedent: draft.antecedent,
                consequent: draft.consequent,
                absent: draft.absent,
                counts: draft.counts,
                p: p[at],
                adjusted_p: adjusted[at],
                improvement: None,
                stratified: tests[at].1,
            })
        };
        Ok(order.into_iter().filter_map(rule).collect())
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
