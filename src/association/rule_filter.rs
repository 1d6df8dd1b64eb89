//! Rules that say no more than simpler ones.

use crate::association::covers::counts;
use crate::association::rule_table::Rule;
use crate::association::rules::Counter;
use crate::association::{Alternative, RuleValidParams};
use crate::design::Items;
use crate::numeric::parallel::map_chunks;

/// Antecedents up to this length are set against all of their parts, longer ones against those of one
/// item less and against no condition.
const ALL_PARTS: usize = 12;

impl RuleValidParams {
    /// Improvement of every rule, and without those that a setting takes for redundant.
    pub(super) fn without_redundant(
        &self,
        mut rules: Vec<Rule>,
        counter: &Counter<'_>,
        items: &Items,
    ) -> Vec<Rule> {
        let judged = map_chunks(rules.len(), |range| {
            let judge = |rule: &Rule| {
                let improvement = improvement(rule, counter);
                let improves = match (self.min_improvement, improvement) {
                    (Some(least), Some(found)) => found > least || (least > 0.0 && found >= least),
                    (Some(_), None) => false,
                    (None, _) => true,
                };
                let kept = improves
                    && self
                        .productive
                        .is_none_or(|alpha| productive(rule, counter, alpha))
                    && self
                        .min_interest
                        .is_none_or(|ratio| interesting(rule, counter, items, ratio));
                (improvement, kept)
            };
            rules[range].iter().map(judge).collect::<Vec<_>>()
        });
        let mut judged = judged.into_iter().flatten();
        rules.retain_mut(|rule| match judged.next() {
            Some((improvement, kept)) => {
                rule.improvement = improvement;
                kept
            }
            None => false,
        });
        rules
    }
}

/// Confidence less the largest of rules with a part of the antecedent, nothing at all among them.
fn improvement(rule: &Rule, counter: &Counter<'_>) -> Option<f64> {
    let own = rule.counts.confidence()?;
    let items = &rule.antecedent;
    let confidence = |part: &[u32]| {
        let table = counter.table(&[], part, &rule.consequent)?;
        counts(table, rule.absent).ok()?.confidence()
    };
    let mut largest = confidence(&[])?;
    let mut compare = |part: &[u32]| {
        if let Some(found) = confidence(part) {
            largest = largest.max(found);
        }
    };
    if items.len() <= ALL_PARTS {
        for mask in 1..(1_u32 << items.len()) - 1 {
            let part = items
                .iter()
                .enumerate()
                .filter(|(at, _)| mask >> at & 1 == 1);
            compare(&part.map(|(_, item)| *item).collect::<Vec<u32>>());
        }
    } else {
        for at in 0..items.len() {
            compare(&without(items, at));
        }
    }
    Some(own - largest)
}

fn without(items: &[u32], at: usize) -> Vec<u32> {
    let mut rest = items.to_vec();
    rest.remove(at);
    rest
}

/// Whether every item matters given the others.
fn productive(rule: &Rule, counter: &Counter<'_>, alpha: f64) -> bool {
    (0..rule.antecedent.len()).all(|at| {
        let base = without(&rule.antecedent, at);
        let table = counter.table(&base, &rule.antecedent[at..=at], &rule.consequent);
        let given = table.and_then(|table| counts(table, rule.absent).ok());
        given.is_some_and(|given| given.fisher_p(Alternative::Greater) <= alpha)
    })
}

/// Whether the rule says more than rules of what stands above its items foretell.
fn interesting(rule: &Rule, counter: &Counter<'_>, items: &Items, ratio: f64) -> bool {
    let (joint, leading) = (rule.counts.n_ab() as f64, rule.counts.n_a() as f64);
    let foretold = |item: u32, above: u32, in_consequent: bool| -> Option<bool> {
        let (own, parent) = (
            counter.support(&[item])? as f64,
            counter.support(&[above])? as f64,
        );
        let lift = |side: &[u32]| {
            let mut side: Vec<u32> = side
                .iter()
                .map(|x| if *x == item { above } else { *x })
                .collect();
            side.sort_unstable();
            side
        };
        let (a, b) = (lift(&rule.antecedent), lift(&rule.consequent));
        let all: Vec<u32> = a.iter().chain(&b).copied().collect();
        let overlapping = |x: &u32| *x != above && items.related(*x, above);
        let repeated = all.iter().filter(|x| **x == above).count() > 1;
        if repeated || all.iter().any(overlapping) {
            return None;
        }
        let general = counts(counter.table(&[], &a, &b)?, rule.absent).ok()?;
        let share = own / parent;
        let expected = general.n_ab() as f64 * share;
        let confidence = general.confidence()? * if in_consequent { share } else { 1.0 };
        Some(joint >= ratio * expected || joint / leading >= ratio * confidence)
    };
    // Absence is not inherited: who rarely has a disease may often have its siblings.
    let sides = [(&rule.antecedent, false), (&rule.consequent, true)];
    sides
        .into_iter()
        .filter(|(_, in_consequent)| !(*in_consequent && rule.absent))
        .all(|(side, in_consequent)| {
            side.iter().all(|item| {
                let above = items.above(*item).iter();
                above
                    .map(|above| foretold(*item, *above, in_consequent))
                    .all(|found| found != Some(false))
            })
        })
}
