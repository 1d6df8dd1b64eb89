//! Which rules there are to look at, and how many tests that makes.

use crate::association::{Itemsets, RuleValidParams};
use crate::design::Items;
use crate::error::Result;

/// What may stand where, and the size of the search.
#[derive(Debug)]
pub(super) struct Scope {
    /// Items of any rule, increasing.
    pub(super) present: Vec<u32>,
    /// Number of tests that p-values are adjusted for.
    pub(super) n_tests: u64,
    /// Whether an item may start a rule, and whether it may follow.
    leads: Vec<bool>,
    follows: Vec<bool>,
    /// Whether items that follow never start a rule: then every set parts in one way.
    parted: bool,
    /// Items that follow, with their supports.
    following: Vec<(u32, u64)>,
}

impl Scope {
    pub(super) fn new(params: &RuleValidParams, items: &Items, sets: &Itemsets) -> Result<Self> {
        let n_items = items.n_items();
        let named = |names: &[String], others: bool| -> Result<Vec<bool>> {
            let mut marks = vec![others && names.is_empty(); n_items];
            for item in items.find_all(names)? {
                marks[item as usize] = true;
            }
            Ok(marks)
        };
        let follows = named(&params.consequents, true)?;
        let mut leads = named(&params.antecedents, true)?;
        let parted = !params.consequents.is_empty();
        if parted {
            for (lead, follow) in leads.iter_mut().zip(&follows) {
                *lead &= !follow;
            }
        }
        let mut in_sets = vec![false; n_items];
        for set in sets.iter() {
            for item in set.items {
                in_sets[*item as usize] = true;
            }
        }
        // Among complete sets an item of none is rare; otherwise a setting may have left it out.
        let supports = items.supports();
        let looked_at = |item: usize| in_sets[item] || (!sets.is_complete() && supports[item] > 0);
        let following = (0..n_items)
            .filter(|item| follows[*item] && looked_at(*item))
            .map(|item| (item as u32, supports[item]))
            .collect();
        let present = (0..n_items as u32).filter(|item| looked_at(*item as usize));
        let mut scope = Self {
            present: present.collect(),
            n_tests: 0,
            leads,
            follows,
            parted,
            following,
        };
        let wide = !sets.is_complete();
        scope.n_tests = scope.count(params, sets, wide);
        Ok(scope)
    }

    /// Whether all items may start a rule.
    pub(super) fn starts(&self, set: &[u32]) -> bool {
        set.iter().all(|item| self.leads[*item as usize])
    }

    /// Items that may follow, with their supports.
    pub(super) fn following(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.following.iter().copied()
    }

    /// Tests: at least one for every rule that could have been found.
    fn count(&self, params: &RuleValidParams, sets: &Itemsets, wide: bool) -> u64 {
        let n_following = self.following.len() as u64;
        let mut tests = 0_u64;
        if wide {
            let leads = self.leads.iter().filter(|lead| **lead).count() as u64;
            let longest = sets
                .iter()
                .map(|set| set.items.len() as u64)
                .max()
                .unwrap_or(0);
            for size in 1..longest {
                for after in 1..=(params.max_consequent as u64).min(longest - size) {
                    let ways = choose(leads, size).saturating_mul(choose(n_following, after));
                    tests = tests.saturating_add(ways);
                }
            }
        } else {
            // Frequent A by length, frequent B by length; the items of both are different.
            let mut ends: Vec<u64> = Vec::new();
            for set in sets
                .iter()
                .filter(|set| set.items.len() <= params.max_consequent)
            {
                if set.items.iter().all(|item| self.follows[*item as usize]) {
                    let length = set.items.len();
                    ends.resize(ends.len().max(length + 1), 0);
                    ends[length] += 1;
                }
            }
            for set in sets.iter().filter(|set| self.starts(set.items)) {
                let room = sets.longest() - set.items.len();
                for (length, ends) in ends
                    .iter()
                    .enumerate()
                    .filter(|(length, _)| *length <= room)
                {
                    let shared = |item: &&u32| length == 1 && self.follows[**item as usize];
                    let own = set.items.iter().filter(shared).count() as u64;
                    tests = tests.saturating_add(ends.saturating_sub(own));
                }
            }
        }
        if let Some(longest) = params.absent {
            let short = sets
                .iter()
                .filter(|set| set.items.len() <= longest && self.starts(set.items));
            for set in short {
                let own = set
                    .items
                    .iter()
                    .filter(|item| self.follows[**item as usize]);
                tests = tests.saturating_add(n_following.saturating_sub(own.count() as u64));
            }
        }
        tests
    }
}

/// Ways to choose; the largest number where there are more.
fn choose(n: u64, k: u64) -> u64 {
    if k > n {
        return 0;
    }
    let mut ways = 1_u128;
    for at in 0..k.min(n - k) {
        ways = ways * u128::from(n - at) / u128::from(at + 1);
        if ways > u128::from(u64::MAX) {
            return u64::MAX;
        }
    }
    ways as u64
}

/// Every way to part a set in what starts and what follows, followers of fewer items first.
pub(super) fn parts(
    set: &[u32],
    scope: &Scope,
    max_consequent: usize,
    visit: &mut dyn FnMut(&[u32], &[u32]),
) {
    let follows = |item: &u32| scope.follows[*item as usize];
    if scope.parted {
        let (after, before): (Vec<u32>, Vec<u32>) = set.iter().partition(|item| follows(item));
        let fits = (1..=max_consequent).contains(&after.len());
        if fits && !before.is_empty() && scope.starts(&before) {
            visit(&before, &after);
        }
        return;
    }
    for size in 1..=max_consequent.min(set.len().saturating_sub(1)) {
        // Positions of the items that follow, counted up like the digits of a number.
        let mut chosen: Vec<usize> = (0..size).collect();
        loop {
            let after: Vec<u32> = chosen.iter().map(|at| set[*at]).collect();
            let before: Vec<u32> = (0..set.len())
                .filter(|at| chosen.binary_search(at).is_err())
                .map(|at| set[at])
                .collect();
            if scope.starts(&before) && after.iter().all(follows) {
                visit(&before, &after);
            }
            let Some(turn) = (0..size)
                .rev()
                .find(|at| chosen[*at] + size < set.len() + *at)
            else {
                break;
            };
            chosen[turn] += 1;
            for at in turn + 1..size {
                chosen[at] = chosen[at - 1] + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_choose() {
        assert_eq!(
            [choose(5, 2), choose(5, 0), choose(3, 4), choose(60, 30)],
            [10, 1, 0, 118_264_581_564_861_424]
        );
        assert_eq!(choose(1_000, 500), u64::MAX);
    }

    fn all(n_items: usize, follows: &[usize]) -> Scope {
        let marks: Vec<bool> = (0..n_items)
            .map(|at| follows.is_empty() || follows.contains(&at))
            .collect();
        Scope {
            present: Vec::new(),
            n_tests: 0,
            leads: (0..n_items).map(|at| !follows.contains(&at)).collect(),
            follows: marks,
            parted: !follows.is_empty(),
            following: Vec::new(),
        }
    }

    fn found(set: &[u32], scope: &Scope, most: usize) -> Vec<(Vec<u32>, Vec<u32>)> {
        let mut found = Vec::new();
        parts(set, scope, most, &mut |a, b| {
            found.push((a.to_vec(), b.to_vec()))
        });
        found
    }

    #[test]
    fn a_set_parts_in_every_way() {
        let scope = all(10, &[]);
        let two = found(&[1, 4, 7], &scope, 2);
        let expected = [
            (vec![4, 7], vec![1]),
            (vec![1, 7], vec![4]),
            (vec![1, 4], vec![7]),
            (vec![7], vec![1, 4]),
            (vec![4], vec![1, 7]),
            (vec![1], vec![4, 7]),
        ];
        assert_eq!(two, expected);
        assert_eq!(found(&[0, 1, 2, 3, 4, 5], &scope, 9).len(), 62);
        assert!(found(&[3], &scope, 1).is_empty());
    }

    #[test]
    fn classes_part_a_set_in_one_way() {
        let scope = all(10, &[7, 8]);
        assert_eq!(found(&[1, 4, 7], &scope, 1), [(vec![1, 4], vec![7])]);
        assert!(found(&[1, 7, 8], &scope, 1).is_empty());
        assert_eq!(found(&[1, 7, 8], &scope, 2), [(vec![1], vec![7, 8])]);
        assert!(found(&[7, 8], &scope, 2).is_empty() && found(&[1, 4], &scope, 2).is_empty());
    }
}
