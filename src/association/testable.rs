//! Which itemsets can be significant at all? Tarone's correction over every itemset.
//!
//! An itemset of few patients has no table of small p-value, whatever its patients' classes. Such
//! itemsets cannot be false findings and need not be paid for:
//!
//! ```text
//! smallest attainable p
//!  1 |*
//!    | *                     itemsets left of s cannot reach the level:
//!    |   *                   not tested, not counted
//!    |      *  . . . level
//!    |         |*  *  *
//!    +---------s------------ patients of the itemset
//! ```

use serde::{Deserialize, Serialize};

use crate::association::Alternative;
use crate::error::{ErrorKind, Result};
use crate::evaluation::check;
use crate::numeric::hypergeometric::Hypergeometric;

/// The patients of one itemset, as an enumerator hands them over.
#[derive(Debug, Clone, Copy)]
pub struct Cover<'a> {
    /// Patient `r` is bit `r % 64` of word `r / 64`; bits beyond the last patient are zero.
    pub words: &'a [u64],
    /// Number of patients: the bits that are set.
    pub support: u64,
}

/// What an enumerator calls for every itemset; it returns the least support still wanted.
///
/// An enumerator is a closure of the least support and of this: it calls it once for every itemset
/// of at least that support, in any order that does not hang on chance, and may pass over itemsets
/// below the value last returned, which never falls. [`u64::MAX`] asks it to stop. Itemsets of one
/// and the same cover may be handed over once (closed itemsets) or each.
pub type Visit<'v> = dyn FnMut(Cover<'_>) -> u64 + 'v;

/// The smallest p-values of Fisher's test that margins allow.
///
/// ```
/// use galen::association::{Alternative, Attainable};
/// # fn main() -> galen::Result<()> {
/// // 20 patients, 10 of the class: three patients can at best all be of it, 120 of 1,140 ways.
/// let attainable = Attainable::new(20, 10, Alternative::Greater)?;
/// assert!((attainable.least_p(3) - 120.0 / 1_140.0).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attainable {
    n: u64,
    n_class: u64,
    alternative: Alternative,
}

impl Attainable {
    /// Margins of a cohort: patients and patients of the class.
    ///
    /// # Errors
    /// [`ErrorKind::SingleClass`] where none or all are of the class.
    pub fn new(n: u64, n_class: u64, alternative: Alternative) -> Result<Self> {
        if n_class == 0 || n_class >= n {
            return Err(ErrorKind::SingleClass { what: "Attainable" }.into());
        }
        Ok(Self {
            n,
            n_class,
            alternative,
        })
    }

    /// The smallest p-value of an itemset of `support` patients; 1 beyond the cohort.
    pub fn least_p(&self, support: u64) -> f64 {
        if support > self.n {
            return 1.0;
        }
        let table = Hypergeometric::new(self.n, self.n_class, support);
        let p = |x| table.p(x, self.alternative.into());
        match self.alternative {
            Alternative::Greater => p(table.most()),
            Alternative::Less => p(table.least()),
            Alternative::TwoSided => p(table.most()).min(p(table.least())),
        }
    }

    /// The smallest p-value of any itemset of `support` patients or fewer: falls up to the turning
    /// point of [`Self::least_p`] and is constant from there on.
    pub fn bound(&self, support: u64) -> f64 {
        self.least_p(support.min(self.turn()))
    }

    /// The support of the smallest p-value of all.
    fn turn(&self) -> u64 {
        let other = self.n - self.n_class;
        match self.alternative {
            Alternative::Greater => self.n_class,
            Alternative::Less => other,
            Alternative::TwoSided => self.n_class.min(other),
        }
    }

    /// Bounds of all supports from 0 to `n`.
    pub(crate) fn bounds(&self) -> Vec<f64> {
        let turn = self.turn();
        let mut bounds: Vec<f64> = (0..=turn).map(|support| self.least_p(support)).collect();
        let last = bounds.last().copied().unwrap_or(1.0);
        bounds.resize(self.n as usize + 1, last);
        bounds
    }
}

/// Tarone's threshold over all itemsets; made by [`tarone`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Testable {
    /// Itemsets below this support are not tested; above the cohort's size none is.
    pub min_support: u64,
    /// Itemsets that are tested: those of at least this support.
    pub n_testable: u64,
    /// Significant are tested itemsets of a p-value up to this: `alpha / n_testable`.
    pub level: f64,
    /// Itemsets handed over in the search.
    pub n_visited: u64,
}

/// The least support and the corrected level that hold the chance of any false finding among all
/// itemsets at `alpha`.
///
/// The least support is the smallest at which `alpha` over the number of itemsets of that support
/// or more reaches the smallest attainable p-value; those itemsets are tested at `alpha` over their
/// number. Holds under any dependence between itemsets. Sources: Tarone, Biometrics 46, 1990, doi
/// 10.2307/2531456; LAMP by Terada and others, PNAS 110, 2013, doi 10.1073/pnas.1302233110; in one
/// search with rising support as Minato and others, ECML PKDD 2014, doi
/// 10.1007/978-3-662-44851-9_28. Cost: one enumeration and as many bounds as patients of the
/// class.
///
/// # Errors
/// [`ErrorKind::SingleClass`] where none or all of the patients are of the class;
/// [`ErrorKind::Parameter`] for an `alpha` outside (0, 1); [`ErrorKind::OutOfRange`] where the
/// enumerator hands over more patients than there are.
///
/// ```
/// use galen::association::{Alternative, Cover, tarone};
/// # fn main() -> galen::Result<()> {
/// // Of 20 patients 10 have the class; itemsets of 1, 2, 8 and 9 patients.
/// let supports = [1, 2, 8, 9];
/// let found = tarone(20, 10, 0.05, Alternative::Greater, |_, visit| {
///     for support in supports {
///         visit(Cover { words: &[(1 << support) - 1], support });
///     }
/// })?;
/// // One or two patients cannot reach 0.05 / 2.
/// assert_eq!((found.n_testable, found.level), (2, 0.025));
/// # Ok(())
/// # }
/// ```
pub fn tarone(
    n: u64,
    n_class: u64,
    alpha: f64,
    alternative: Alternative,
    enumerate: impl FnOnce(u64, &mut Visit<'_>),
) -> Result<Testable> {
    check_alpha("tarone", alpha)?;
    let bounds = Attainable::new(n, n_class, alternative)?.bounds();
    let mut of_support = vec![0_u64; bounds.len()];
    let (mut min_support, mut testable, mut visited) = (1_usize, 0_u64, 0_u64);
    let mut impossible = false;
    enumerate(1, &mut |cover| {
        visited += 1;
        let Some(place) = usize::try_from(cover.support)
            .ok()
            .filter(|s| *s < bounds.len())
        else {
            impossible = true;
            return u64::MAX;
        };
        if place >= min_support {
            of_support[place] += 1;
            testable += 1;
        }
        while min_support < bounds.len() && testable as f64 * bounds[min_support] > alpha {
            testable -= of_support[min_support];
            min_support += 1;
        }
        min_support as u64
    });
    if impossible {
        return Err(too_many());
    }
    Ok(Testable {
        min_support: min_support as u64,
        n_testable: testable,
        level: alpha / testable.max(1) as f64,
        n_visited: visited,
    })
}

/// Refuses a chance of a false finding outside (0, 1).
pub(crate) fn check_alpha(what: &'static str, alpha: f64) -> Result<()> {
    if alpha > 0.0 && alpha < 1.0 {
        return Ok(());
    }
    Err(check::parameter(
        what,
        "alpha",
        alpha,
        "above 0 and below 1, for example 0.05",
    ))
}

/// The error of an enumerator that hands over a cover which the cohort cannot have.
pub(crate) fn too_many() -> crate::Error {
    ErrorKind::OutOfRange {
        what: "covers of itemsets",
        row: None,
        column: None,
        rule: "one bit per patient of the cohort, as many as the support",
    }
    .into()
}

/// Every itemset of up to `longest` items, depth first: a plain enumerator for tests.
#[cfg(test)]
pub(crate) fn every_itemset(
    items: &[Vec<u64>],
    longest: usize,
    min_support: u64,
    visit: &mut Visit<'_>,
) {
    fn deeper(
        items: &[Vec<u64>],
        cover: &[u64],
        left: usize,
        wanted: &mut u64,
        visit: &mut Visit<'_>,
    ) {
        for (place, item) in items.iter().enumerate() {
            let words: Vec<u64> = cover.iter().zip(item).map(|(a, b)| a & b).collect();
            let support = words.iter().map(|word| u64::from(word.count_ones())).sum();
            if support < *wanted {
                continue;
            }
            *wanted = visit(Cover {
                words: &words,
                support,
            });
            if left > 1 {
                deeper(&items[place + 1..], &words, left - 1, wanted, visit);
            }
        }
    }
    let all = vec![u64::MAX; items.first().map_or(0, Vec::len)];
    deeper(items, &all, longest, &mut min_support.max(1), visit);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::seed::{stream, uniform};

    const ALL: [Alternative; 3] = [
        Alternative::TwoSided,
        Alternative::Greater,
        Alternative::Less,
    ];

    #[test]
    fn least_p_is_the_smallest_of_all_tables() {
        for (n, n_class) in [(12, 1), (15, 4), (16, 8), (17, 12)] {
            for alternative in ALL {
                let attainable = Attainable::new(n, n_class, alternative).unwrap();
                let bounds = attainable.bounds();
                assert_eq!(bounds.len() as u64, n + 1);
                for support in 0..=n {
                    let table = Hypergeometric::new(n, n_class, support);
                    let smallest = (table.least()..=table.most())
                        .map(|x| table.p(x, alternative.into()))
                        .fold(1.0, f64::min);
                    let found = attainable.least_p(support);
                    assert!(
                        (found / smallest - 1.0).abs() < 1e-12,
                        "{n} {n_class} {support}"
                    );
                    assert_eq!(bounds[support as usize], attainable.bound(support));
                    let up_to = (0..=support).map(|fewer| attainable.least_p(fewer));
                    let expected = up_to.fold(1.0, f64::min);
                    let gap = bounds[support as usize] / expected - 1.0;
                    assert!(
                        gap.abs() < 1e-12,
                        "{alternative:?} {n} {n_class} {support}: {gap:e}"
                    );
                }
            }
        }
    }

    fn items(n: usize, share: f64, how_many: usize, seed: u64) -> Vec<Vec<u64>> {
        let mut stream = stream(seed, 1);
        let item = |_| {
            let mut words = vec![0_u64; n.div_ceil(64)];
            for row in 0..n {
                if uniform(&mut stream) < share {
                    words[row / 64] |= 1 << (row % 64);
                }
            }
            words
        };
        (0..how_many).map(item).collect()
    }

    #[test]
    fn the_one_pass_threshold_is_the_slow_one() {
        for seed in 0..20 {
            let items = items(70, 0.3, 9, seed);
            let mut supports = Vec::new();
            every_itemset(&items, 4, 1, &mut |cover| {
                supports.push(cover.support);
                1
            });
            for alternative in ALL {
                let attainable = Attainable::new(70, 25, alternative).unwrap();
                let of = |least: u64| supports.iter().filter(|s| **s >= least).count() as u64;
                let min_support = (1..=70)
                    .find(|least| of(*least) as f64 * attainable.bound(*least) <= 0.05)
                    .unwrap();
                let found = tarone(70, 25, 0.05, alternative, |least, visit| {
                    every_itemset(&items, 4, least, visit);
                })
                .unwrap();
                assert_eq!(found.min_support, min_support);
                assert_eq!(found.n_testable, of(min_support));
                assert_eq!(found.level, 0.05 / of(min_support) as f64);
                assert!(
                    found.n_visited < supports.len() as u64,
                    "rising support saves visits"
                );
            }
        }
    }

    #[test]
    fn refusals() {
        let none = |_: u64, _: &mut Visit<'_>| {};
        assert!(tarone(10, 0, 0.05, Alternative::Greater, none).is_err());
        assert!(tarone(10, 10, 0.05, Alternative::Greater, none).is_err());
        assert!(tarone(10, 5, 1.0, Alternative::Greater, none).is_err());
        let found = tarone(10, 5, 0.05, Alternative::Greater, none).unwrap();
        assert_eq!((found.n_testable, found.level), (0, 0.05));
        let wrong = tarone(10, 5, 0.05, Alternative::Greater, |_, visit| {
            visit(Cover {
                words: &[0],
                support: 11,
            });
        });
        assert!(wrong.is_err());
    }
}
