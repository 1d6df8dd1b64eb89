//! The chance of any false finding over all itemsets, by permuted classes.
//!
//! Itemsets overlap, so that a correction by their number is too strict. Permuting the classes keeps
//! all overlaps and shows the smallest p-value that chance brings about (Westfall and Young,
//! Resampling-Based Multiple Testing, 1993). All permutations are followed in one enumeration whose
//! least support rises as small p-values turn up (Llinares-López, Sugiyama, Papaxanthos and
//! Borgwardt, KDD 2015, doi 10.1145/2783258.2783363).

use serde::{Deserialize, Serialize};

use crate::association::testable::{check_alpha, too_many};
use crate::association::{Alternative, Attainable, Cover, Visit};
use crate::error::{ErrorKind, Result};
use crate::evaluation::check;
use crate::numeric::hypergeometric::Hypergeometric;
use crate::numeric::parallel::map_each;
use crate::numeric::seed::{shuffle, stream};

/// Settings of [`westfall_young`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PermutationParams {
    /// Chance of any false finding; default 0.05.
    pub alpha: f64,
    /// Permutations; default 1,000, at least `1 / alpha - 1`.
    pub n_permutations: usize,
    /// Direction of the tests; default two-sided.
    pub alternative: Alternative,
    /// Seed of the permutations; default 0.
    pub seed: u64,
}

impl Default for PermutationParams {
    fn default() -> Self {
        Self {
            alpha: 0.05,
            n_permutations: 1_000,
            alternative: Alternative::TwoSided,
            seed: 0,
        }
    }
}

/// The smallest p-values of permuted classes; made by [`westfall_young`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PermutationNull {
    /// Smallest p-value of each permutation, rising; exact below `exact_below`.
    pub least_p: Vec<f64>,
    /// p-values from here on are above `alpha` once adjusted.
    pub exact_below: f64,
    /// Itemsets below this support cannot be significant.
    pub min_support: u64,
    /// Itemsets handed over in the search.
    pub n_visited: u64,
    /// Chance of any false finding.
    pub alpha: f64,
}

/// p-values that differ by rounding only are equal.
const ROUNDING: f64 = 1e-9;

impl PermutationNull {
    /// The adjusted p-value of an itemset's Fisher p-value: the share of data sets, the observed one
    /// among them, whose smallest p-value is no larger (Phipson and Smyth, Stat. Appl. Genet. Mol.
    /// Biol. 9, 2010, doi 10.2202/1544-6115.1585). `None` where it is above `alpha`.
    pub fn adjusted_p(&self, p: f64) -> Option<f64> {
        if p >= self.exact_below || p.is_nan() {
            return None;
        }
        let below = self
            .least_p
            .partition_point(|least| *least <= p * (1.0 + ROUNDING));
        let adjusted = (below + 1) as f64 / (self.least_p.len() + 1) as f64;
        (adjusted <= self.alpha).then_some(adjusted)
    }

    /// p-values below this are significant.
    pub fn threshold(&self) -> f64 {
        let place = allowed(self.alpha, self.least_p.len()).unwrap_or(0);
        self.least_p
            .get(place)
            .map_or(0.0, |least| least.min(self.exact_below))
    }
}

/// Permutations that may go as low as a significant p-value; `None` where even none is too many.
fn allowed(alpha: f64, n_permutations: usize) -> Option<usize> {
    // A product like 0.05 x 1,000 may round to just below a whole number.
    let most = (alpha * (n_permutations + 1) as f64 * (1.0 + 1e-12)) as usize;
    most.checked_sub(1)
}

/// Permutes the classes and follows the smallest Fisher p-value over all itemsets.
///
/// `class` says who has the class; with `stratum` (age band, site) classes are permuted within
/// strata only, so that what strata explain is no finding; p-values remain those of the whole
/// table, as scores. Significant are itemsets whose [`PermutationNull::adjusted_p`] is a number:
/// the chance of any false one is at most `alpha` where classes are exchangeable (within strata).
/// The enumerator is described at [`Visit`]. Cost: per itemset `n_permutations x patients / 64`
/// words, in parallel for large cohorts.
///
/// # Errors
/// [`ErrorKind::SingleClass`] where none or all have the class; [`ErrorKind::LengthMismatch`] for
/// strata of another length; [`ErrorKind::Parameter`] for settings outside their range;
/// [`ErrorKind::OutOfRange`] where the enumerator hands over a cover that the cohort cannot have.
///
/// ```
/// use galen::association::{Cover, PairCounts, PermutationParams, westfall_young};
/// # fn main() -> galen::Result<()> {
/// // Forty patients, the first twenty with the class; one itemset of its first twelve patients.
/// let class: Vec<bool> = (0..40).map(|row| row < 20).collect();
/// let found = westfall_young(&class, None, &PermutationParams::default(), |_, visit| {
///     visit(Cover { words: &[(1 << 12) - 1], support: 12 });
/// })?;
/// let p = PairCounts::new(40, 12, 20, 12)?.fisher_p(Default::default());
/// assert!(found.adjusted_p(p).is_some());
/// # Ok(())
/// # }
/// ```
pub fn westfall_young(
    class: &[bool],
    stratum: Option<&[u32]>,
    params: &PermutationParams,
    enumerate: impl FnOnce(u64, &mut Visit<'_>),
) -> Result<PermutationNull> {
    const WHAT: &str = "westfall_young";
    check_alpha(WHAT, params.alpha)?;
    let Some(allowed) = allowed(params.alpha, params.n_permutations) else {
        let rule = "at least 1 / alpha - 1";
        return Err(check::parameter(
            WHAT,
            "n_permutations",
            params.n_permutations,
            rule,
        ));
    };
    if let Some(stratum) = stratum {
        check::length("strata of patients", class.len(), stratum.len())?;
    }
    let n_class = class.iter().filter(|has| **has).count() as u64;
    let attainable = Attainable::new(class.len() as u64, n_class, params.alternative)
        .map_err(|_| ErrorKind::SingleClass { what: WHAT })?;
    let mut search = Search {
        bounds: attainable.bounds(),
        tables: vec![None; class.len() + 1],
        margins: (class.len() as u64, n_class),
        alternative: params.alternative,
        permutations: permuted(class, stratum, params),
        n_words: class.len().div_ceil(64),
        allowed,
        min_support: 1,
        n_visited: 0,
        impossible: false,
    };
    enumerate(1, &mut |cover| search.visit(cover));
    if search.impossible {
        return Err(too_many());
    }
    let mut least_p: Vec<f64> = search
        .permutations
        .iter()
        .flat_map(|block| block.least_p.iter().copied())
        .collect();
    least_p.sort_by(f64::total_cmp);
    // Itemsets that were passed over have no p-value below the bound of their support.
    let passed = search
        .bounds
        .get(search.min_support - 1)
        .copied()
        .unwrap_or(1.0);
    Ok(PermutationNull {
        least_p,
        exact_below: if search.min_support == 1 {
            f64::MAX
        } else {
            passed
        },
        min_support: search.min_support as u64,
        n_visited: search.n_visited,
        alpha: params.alpha,
    })
}

/// Permutations that are followed by one task.
const BLOCK: usize = 64;
/// Words per itemset from which tasks are shared between threads.
const SHARED: usize = 1 << 16;

/// Some permutations: their classes, one after the other, and their smallest p-values so far.
struct Block {
    classes: Vec<u64>,
    least_p: Vec<f64>,
}

struct Search {
    /// Smallest p-value by support.
    bounds: Vec<f64>,
    /// p-value by patients with the class, for each support met.
    tables: Vec<Option<Vec<f64>>>,
    margins: (u64, u64),
    alternative: Alternative,
    permutations: Vec<Block>,
    n_words: usize,
    allowed: usize,
    min_support: usize,
    n_visited: u64,
    impossible: bool,
}

impl Search {
    fn visit(&mut self, cover: Cover<'_>) -> u64 {
        self.n_visited += 1;
        let n = self.margins.0;
        let counted: u64 = cover
            .words
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum();
        let beyond =
            !n.is_multiple_of(64) && cover.words.last().is_some_and(|word| word >> (n % 64) != 0);
        if cover.words.len() != self.n_words || counted != cover.support || beyond {
            self.impossible = true;
            return u64::MAX;
        }
        let support = counted as usize;
        if support < self.min_support {
            return self.min_support as u64;
        }
        let (margins, alternative) = (self.margins, self.alternative);
        let table = self.tables[support].get_or_insert_with(|| {
            let null = Hypergeometric::new(margins.0, margins.1, counted);
            let p = |x| {
                if x < null.least() {
                    1.0
                } else {
                    null.p(x, alternative.into())
                }
            };
            (0..=null.most()).map(p).collect()
        });
        let n_words = self.n_words;
        let share = n_words * BLOCK * self.permutations.len() >= SHARED;
        map_each(&mut self.permutations, share, |_, block| {
            let classes = block.classes.chunks_exact(n_words);
            for (class, least_p) in classes.zip(&mut block.least_p) {
                let both: u32 = class
                    .iter()
                    .zip(cover.words)
                    .map(|(a, b)| (a & b).count_ones())
                    .sum();
                *least_p = least_p.min(table[both as usize]);
            }
        });
        // Where too many permutations reach what this support can reach, it is of no use.
        while self.min_support < self.bounds.len()
            && self.at_or_below(self.bounds[self.min_support]) > self.allowed
        {
            self.min_support += 1;
        }
        self.min_support as u64
    }

    fn at_or_below(&self, p: f64) -> usize {
        let limit = p * (1.0 + ROUNDING);
        let reached = |block: &Block| {
            block
                .least_p
                .iter()
                .filter(|least| **least <= limit)
                .count()
        };
        self.permutations.iter().map(reached).sum()
    }
}

/// Permuted classes as bits; permutation `i` hangs on the seed and `i` only.
fn permuted(class: &[bool], stratum: Option<&[u32]>, params: &PermutationParams) -> Vec<Block> {
    let mut order: Vec<usize> = (0..class.len()).collect();
    if let Some(stratum) = stratum {
        order.sort_by_key(|row| stratum[*row]);
    }
    let same = |a: &usize, b: &usize| stratum.is_none_or(|stratum| stratum[*a] == stratum[*b]);
    let groups: Vec<&[usize]> = order.chunk_by(same).collect();
    let n_words = class.len().div_ceil(64);
    let mut blocks = Vec::new();
    for first in (0..params.n_permutations).step_by(BLOCK) {
        let size = BLOCK.min(params.n_permutations - first);
        let mut classes = vec![0_u64; size * n_words];
        for (task, words) in classes.chunks_exact_mut(n_words).enumerate() {
            let mut stream = stream(params.seed, (first + task) as u64);
            for group in &groups {
                let mut drawn: Vec<bool> = group.iter().map(|row| class[*row]).collect();
                shuffle(&mut drawn, &mut stream);
                for (row, has) in group.iter().zip(drawn) {
                    words[row / 64] |= u64::from(has) << (row % 64);
                }
            }
        }
        blocks.push(Block {
            classes,
            least_p: vec![1.0; size],
        });
    }
    blocks
}

#[cfg(test)]
#[path = "permutation_tests.rs"]
mod tests;
