//! Which ways may be told: none of fewer patients than allowed, not even by subtraction.
//!
//! ```text
//!   a > b > c   7 \                      every patient stays in one group: a way, a beginning that is
//!   a > b > d   6  > a > b > ...  13     left open, the others, or those without a step; a group has
//!   a > b       0 /                      nobody or at least the least number
//! ```
//!
//! Groups share no patient and make up all of them, so that whatever is added up or subtracted
//! from the table is made of whole groups.

use std::collections::BTreeMap;

/// Items of every step.
pub(super) type Steps = Vec<Vec<u32>>;
/// Days between the steps of every patient.
pub(super) type Gaps = Vec<Vec<i32>>;

/// Patients that are told together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    pub(super) steps: Steps,
    /// How these patients go on is not told.
    pub(super) open: bool,
    pub(super) gaps: Gaps,
}

/// What may be told of a cohort.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    /// The largest first; of equal ones by steps.
    pub(super) groups: Vec<Group>,
    pub(super) n_others: u64,
    pub(super) n_without: u64,
}

/// Folds what is too rare into beginnings, then into others.
pub(super) fn told(mut ways: BTreeMap<Steps, Gaps>, n_without: u64, least: u64) -> Told {
    let enough = |gaps: &Gaps| gaps.len() as u64 >= least;
    let mut groups = Vec::new();
    let mut n_others = 0;
    // Patients too few to be told, by the beginning that they share.
    let mut rare: BTreeMap<Steps, Gaps> = BTreeMap::new();
    let longest = ways.keys().map(Vec::len).max().unwrap_or(0);
    for length in (1..=longest).rev() {
        let of_length = |steps: &Steps| steps.len() == length;
        let mut here: BTreeMap<Steps, [Gaps; 2]> = BTreeMap::new();
        for (open, from) in [&mut ways, &mut rare].into_iter().enumerate() {
            for steps in from.keys().filter(|steps| of_length(steps)).cloned() {
                here.entry(steps).or_default();
            }
            for (steps, own) in &mut here {
                own[open] = from.remove(steps).unwrap_or_default();
            }
        }
        for (mut steps, [whole, mut left]) in here {
            if enough(&whole) {
                groups.push(Group {
                    steps: steps.clone(),
                    open: false,
                    gaps: whole,
                });
            } else {
                left.extend(whole);
            }
            if left.is_empty() {
                continue;
            }
            if enough(&left) {
                groups.push(Group {
                    steps,
                    open: true,
                    gaps: left,
                });
                continue;
            }
            steps.pop();
            if steps.is_empty() {
                n_others += left.len() as u64;
            } else {
                rare.entry(steps).or_default().extend(left);
            }
        }
    }
    groups.sort_by(|a, b| {
        let sizes = b.gaps.len().cmp(&a.gaps.len());
        sizes.then_with(|| (&a.steps, a.open).cmp(&(&b.steps, b.open)))
    });
    let few = |n: u64| n > 0 && n < least;
    let mut told = Told {
        groups,
        n_others,
        n_without,
    };
    if few(told.n_without) {
        told.n_others += std::mem::take(&mut told.n_without);
    }
    // The others would be known as the rest of all patients: they take in the smallest groups.
    while few(told.n_others) {
        match told.groups.pop() {
            Some(smallest) => told.n_others += smallest.gaps.len() as u64,
            None if told.n_without > 0 => told.n_others += std::mem::take(&mut told.n_without),
            None => break,
        }
    }
    told
}
