//! Every itemset with its units, for statistics that need to know who has it.
//!
//! Depth first over bits of units, with a least support that the caller may raise on the way.

use crate::association::{Cover, Visit};

/// What an enumeration hands over beside the units: positions of the items.
pub(crate) type Found<'f> = dyn FnMut(&[usize], Cover<'_>) -> u64 + 'f;

/// Bits of items, to enumerate sets of.
#[derive(Debug)]
pub(crate) struct CoverSearch {
    /// Items by falling support, so that few sets are missed by a least support that rises.
    pub(crate) rows: Vec<Vec<u64>>,
    /// Bits of all units.
    pub(crate) all: Vec<u64>,
    /// Largest number of items of a set; without it closed sets are handed out, of any length.
    pub(crate) longest: Option<usize>,
}

struct Run<'r, 'f> {
    search: &'r CoverSearch,
    wanted: u64,
    visit: &'r mut Found<'f>,
}

fn count(words: &[u64]) -> u64 {
    words.iter().map(|word| u64::from(word.count_ones())).sum()
}

fn within(cover: &[u64], row: &[u64]) -> bool {
    cover.iter().zip(row).all(|(cover, row)| cover & !row == 0)
}

impl CoverSearch {
    /// Hands over every set of at least the least support, which the visitor may raise.
    pub(crate) fn run(&self, min_support: u64, visit: &mut Found<'_>) {
        let mut run = Run {
            search: self,
            wanted: min_support.max(1),
            visit,
        };
        match self.longest {
            Some(longest) => run.sets(&self.all, &mut Vec::new(), 0, longest),
            None => {
                let everyone = |row: &Vec<u64>| within(&self.all, row);
                let root: Vec<bool> = self.rows.iter().map(everyone).collect();
                run.closed(&self.all, &root, 0);
            }
        }
    }

    /// As [`Self::run`], for callers that ask for the units only.
    pub(crate) fn covers(&self, min_support: u64, visit: &mut Visit<'_>) {
        self.run(min_support, &mut |_, cover| visit(cover));
    }
}

impl Run<'_, '_> {
    fn joint(&self, cover: &[u64], item: usize) -> Option<(Vec<u64>, u64)> {
        let row = &self.search.rows[item];
        let words: Vec<u64> = cover.iter().zip(row).map(|(a, b)| a & b).collect();
        let support = count(&words);
        (support >= self.wanted).then_some((words, support))
    }

    /// Sets of up to `left` more items. An item that all units of the set have adds nothing.
    fn sets(&mut self, cover: &[u64], set: &mut Vec<usize>, from: usize, left: usize) {
        let support = count(cover);
        for item in from..self.search.rows.len() {
            let Some((words, joint)) = self.joint(cover, item) else {
                continue;
            };
            if joint == support {
                continue;
            }
            set.push(item);
            let cover = Cover {
                words: &words,
                support: joint,
            };
            self.wanted = (self.visit)(set, cover).max(self.wanted);
            if left > 1 {
                self.sets(&words, set, item + 1, left - 1);
            }
            set.pop();
        }
    }

    /// Closed sets: each is reached from one set only, by the smallest item that brings in no earlier
    /// one (prefix-preserving extension: Uno, Kiyomi and Arimura 2004, FIMI).
    fn closed(&mut self, cover: &[u64], set: &[bool], from: usize) {
        let rows = &self.search.rows;
        for item in from..rows.len() {
            if set[item] {
                continue;
            }
            let Some((words, support)) = self.joint(cover, item) else {
                continue;
            };
            if (0..item).any(|earlier| !set[earlier] && within(&words, &rows[earlier])) {
                continue;
            }
            let mut closure = set.to_vec();
            closure[item] = true;
            for later in item + 1..rows.len() {
                closure[later] = set[later] || within(&words, &rows[later]);
            }
            let positions: Vec<usize> = (0..rows.len()).filter(|at| closure[*at]).collect();
            let cover = Cover {
                words: &words,
                support,
            };
            self.wanted = (self.visit)(&positions, cover).max(self.wanted);
            self.closed(&words, &closure, item + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::seed::{stream, uniform};
    use std::collections::{BTreeMap, BTreeSet};

    fn random(n: usize, k: usize, task: u64) -> CoverSearch {
        let mut stream = stream(8, task);
        let row = |_| {
            let bits = (0..n).filter(|_| uniform(&mut stream) < 0.6);
            bits.fold(0_u64, |word, unit| word | 1 << unit)
        };
        let rows: Vec<u64> = (0..k).map(row).collect();
        CoverSearch {
            rows: rows.into_iter().map(|word| vec![word]).collect(),
            all: vec![(1 << n) - 1],
            longest: None,
        }
    }

    #[test]
    fn closed_sets_are_those_of_brute_force() {
        for task in 0..200 {
            let search = random(7, 6, task);
            let mut expected: BTreeMap<Vec<usize>, u64> = BTreeMap::new();
            for mask in 1_u32..1 << 6 {
                let has = |at: &usize| mask >> at & 1 == 1;
                let cover = (0..6)
                    .filter(has)
                    .fold(search.all[0], |c, at| c & search.rows[at][0]);
                let closure: Vec<usize> = (0..6)
                    .filter(|at| cover & !search.rows[*at][0] == 0)
                    .collect();
                if count(&[cover]) >= 2 && cover != search.all[0] {
                    expected.insert(closure, cover);
                }
            }
            let mut found = BTreeMap::new();
            search.run(2, &mut |set, cover| {
                assert_eq!(count(cover.words), cover.support);
                assert!(found.insert(set.to_vec(), cover.words[0]).is_none());
                2
            });
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn short_sets_cover_all_that_differ() {
        for task in 0..100 {
            let mut search = random(7, 6, task);
            search.longest = Some(2);
            let mut expected = BTreeSet::new();
            for a in 0..6 {
                for b in a..6 {
                    let cover = search.rows[a][0] & search.rows[b][0];
                    if count(&[cover]) >= 1 && cover != search.all[0] {
                        expected.insert(cover);
                    }
                }
            }
            let mut found = BTreeSet::new();
            search.run(0, &mut |set, cover| {
                assert!(set.len() <= 2);
                found.insert(cover.words[0]);
                1
            });
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_raised_support_ends_the_search_early() {
        let search = random(40, 10, 3);
        let mut handed = 0;
        search.run(1, &mut |_, _| {
            handed += 1;
            u64::MAX
        });
        assert_eq!(handed, 1);
    }
}
