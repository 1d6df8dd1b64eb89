//! Empirical Bayes shrinkage of reporting ratios: EBGM with EB05 and EB95.
//!
//! True reporting ratios are drawn from a mixture of two gamma distributions and counts are Poisson
//! around ratio times expectation, so that the posterior of each ratio is a mixture of two gammas
//! again (DuMouchel, Am. Stat. 53, 1999, doi 10.1080/00031305.1999.10474456).

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::Result;
use crate::evaluation::check;
use crate::numeric::parallel::map_chunks;
use crate::numeric::polygamma::digamma;
use crate::numeric::special::{gamma_tails, gamma_upper_quantile};
use crate::numeric::stable::logistic;

/// A count with its expectation, standing for `weight` pairs of drug and event.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CountCell {
    /// Observed count.
    pub count: u64,
    /// Expected count, above zero.
    pub expected: f64,
    /// Number of pairs that the cell stands for, above zero; 1 for a single pair.
    pub weight: f64,
}

/// The prior of reporting ratios: a mixture of two gamma distributions.
///
/// Made by [`fit_gamma_poisson`](crate::association::fit_gamma_poisson), or from published values.
/// A component has the mean `shape / rate`.
///
/// ```
/// use galen::association::GammaMixture;
/// # fn main() -> galen::Result<()> {
/// // The prior that openEBGM's handbook finds for the dietary supplement reports of 2012.
/// let prior = GammaMixture {
///     shape: [3.25379356, 2.02612692],
///     rate: [0.39988854, 1.90807970],
///     share: 0.06534557,
/// };
/// let score = prior.score(1, 0.0360548272)?;
/// assert!((score.ebgm - 2.23).abs() < 0.005 && (score.eb05 - 0.49).abs() < 0.005);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GammaMixture {
    /// Shapes of the two components.
    pub shape: [f64; 2],
    /// Rates of the two components.
    pub rate: [f64; 2],
    /// Share of the first component.
    pub share: f64,
}

/// The shrunk reporting ratio of one pair; made by [`GammaMixture::score`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ShrunkRatio {
    /// Geometric mean of the posterior of the ratio.
    pub ebgm: f64,
    /// Its 5 per cent quantile; above 2 it is commonly called a signal.
    pub eb05: f64,
    /// Its 95 per cent quantile.
    pub eb95: f64,
    /// Posterior share of the first component.
    pub share: f64,
}

impl GammaMixture {
    /// The shrunk ratio of a count with its expectation.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for an expectation that is not above zero and finite;
    /// [`ErrorKind::Parameter`] for shapes or rates that are not above zero or a share outside
    /// [0, 1].
    pub fn score(&self, count: u64, expected: f64) -> Result<ShrunkRatio> {
        self.check()?;
        check_expected(&[expected])?;
        Ok(self.score_unchecked(count, expected))
    }

    /// The shrunk ratios of many cells, in their order and in parallel.
    ///
    /// # Errors
    /// As [`Self::score`]; the error names the cell.
    pub fn scores(&self, cells: &[CountCell]) -> Result<Vec<ShrunkRatio>> {
        self.check()?;
        let expected: Vec<f64> = cells.iter().map(|cell| cell.expected).collect();
        check_expected(&expected)?;
        let chunks = map_chunks(cells.len(), |range| {
            let cells = cells[range].iter();
            cells
                .map(|cell| self.score_unchecked(cell.count, cell.expected))
                .collect::<Vec<_>>()
        });
        Ok(chunks.into_iter().flatten().collect())
    }

    /// The quantile of the posterior of the ratio at `p`.
    ///
    /// # Errors
    /// As [`Self::score`], and [`ErrorKind::Parameter`] for `p` outside (0, 1).
    pub fn quantile(&self, count: u64, expected: f64, p: f64) -> Result<f64> {
        self.check()?;
        check_expected(&[expected])?;
        if !(p > 0.0 && p < 1.0) {
            return Err(check::parameter(
                "GammaMixture",
                "p",
                p,
                "above 0 and below 1",
            ));
        }
        Ok(self.posterior(count, expected).own_quantile(p))
    }

    fn score_unchecked(&self, count: u64, expected: f64) -> ShrunkRatio {
        let posterior = self.posterior(count, expected);
        ShrunkRatio {
            ebgm: posterior.geometric_mean(),
            eb05: posterior.own_quantile(0.05),
            eb95: posterior.own_quantile(0.95),
            share: posterior.share,
        }
    }

    /// Gammas are conjugate to Poisson counts: shape + count, rate + expectation.
    fn posterior(&self, count: u64, expected: f64) -> GammaMixture {
        let n = count as f64;
        let log = |c: usize| log_marginal(self.shape[c], self.rate[c], n, expected);
        // The share of the first by the odds of the two marginals.
        let odds = libm::log(self.share) - libm::log1p(-self.share) + log(0) - log(1);
        GammaMixture {
            shape: self.shape.map(|shape| shape + n),
            rate: self.rate.map(|rate| rate + expected),
            share: logistic(odds),
        }
    }

    fn geometric_mean(&self) -> f64 {
        let log = |c: usize| digamma(self.shape[c]) - libm::log(self.rate[c]);
        libm::exp(self.share * log(0) + (1.0 - self.share) * log(1))
    }

    /// The quantile of the mixture itself: it lies between those of the components.
    fn own_quantile(&self, p: f64) -> f64 {
        let ends = [0, 1].map(|c| gamma_upper_quantile(self.shape[c], 1.0 - p) / self.rate[c]);
        if self.share >= 1.0 {
            return ends[0];
        }
        if self.share <= 0.0 {
            return ends[1];
        }
        let (mut low, mut high) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        // Newton steps in the logarithm of x on the logarithm of the smaller tail.
        let mut x = if low > 0.0 {
            (low * high).sqrt()
        } else {
            0.5 * high
        };
        for _ in 0..200 {
            if high - low <= 1e-15 * high {
                break;
            }
            let (mut lower, mut upper, mut density) = (0.0, 0.0, 0.0);
            for (c, share) in [self.share, 1.0 - self.share].into_iter().enumerate() {
                let scaled = x * self.rate[c];
                let (below, above) = gamma_tails(self.shape[c], scaled);
                lower += share * below;
                upper += share * above;
                let log = self.shape[c] * libm::log(scaled) - scaled - libm::lgamma(self.shape[c]);
                density += share * libm::exp(log);
            }
            let (gap, slope) = if p <= 0.5 {
                (libm::log(lower / p), density / lower)
            } else {
                (libm::log((1.0 - p) / upper), density / upper)
            };
            if gap > 0.0 {
                high = x;
            } else {
                low = x;
            }
            let newton = x * libm::exp(-gap / slope);
            let next = if newton > low && newton < high {
                newton
            } else {
                0.5 * (low + high)
            };
            if (next - x).abs() <= 1e-14 * x {
                return next;
            }
            x = next;
        }
        x
    }

    pub(crate) fn check(&self) -> Result<()> {
        let parts = [
            ("shape", self.shape[0]),
            ("shape", self.shape[1]),
            ("rate", self.rate[0]),
            ("rate", self.rate[1]),
        ];
        for (name, value) in parts {
            if !(value.is_finite() && value > 0.0) {
                return Err(check::parameter("GammaMixture", name, value, "above zero"));
            }
        }
        if !(0.0..=1.0).contains(&self.share) {
            return Err(check::parameter(
                "GammaMixture",
                "share",
                self.share,
                "from 0 to 1",
            ));
        }
        Ok(())
    }
}

/// Refuses expectations that are not above zero.
pub(crate) fn check_expected(expected: &[f64]) -> Result<()> {
    check::each("expected counts", expected, "numbers above zero", |v| {
        v > 0.0
    })
}

/// log probability of a count when its ratio is drawn from a gamma: negative binomial; the term of
/// the count alone, the same for all gammas, is left out.
fn log_marginal(shape: f64, rate: f64, n: f64, expected: f64) -> f64 {
    log_rising(shape, n) - shape * libm::log1p(expected / rate) - n * libm::log1p(rate / expected)
}

/// log of shape (shape + 1) ... (shape + n - 1).
pub(crate) fn log_rising(shape: f64, n: f64) -> f64 {
    // Few factors one by one: a difference of log-gammas would lose digits.
    if n <= 32.0 {
        (0..n as u32)
            .map(|step| libm::log(shape + f64::from(step)))
            .sum()
    } else {
        libm::lgamma(shape + n) - libm::lgamma(shape)
    }
}

/// Gathers cells of one count whose expectations are near: data squashing.
///
/// Cells with `count` are sorted by expectation; the `keep` largest stay as they are, the others
/// are taken together `bin_size` at a time, with their mean expectation and their number as weight.
/// Other cells come first, unchanged. Source: DuMouchel and Pregibon, KDD 2001, doi
/// 10.1145/502512.502526. Equal cells need no squashing:
/// [`fit_gamma_poisson`](crate::association::fit_gamma_poisson) gathers them without loss.
///
/// # Errors
/// [`ErrorKind::Parameter`] for a bin size below 2; [`ErrorKind::OutOfRange`] for expectations or
/// weights that are not above zero.
///
/// ```
/// use galen::association::{CountCell, squash};
/// # fn main() -> galen::Result<()> {
/// let cells: Vec<CountCell> = (1..=7)
///     .map(|i| CountCell { count: 1, expected: f64::from(i), weight: 1.0 })
///     .collect();
/// let found = squash(&cells, 1, 3, 1)?;
/// assert_eq!(found.len(), 3);
/// assert_eq!((found[0].expected, found[0].weight), (2.0, 3.0));
/// # Ok(())
/// # }
/// ```
pub fn squash(
    cells: &[CountCell],
    count: u64,
    bin_size: usize,
    keep: usize,
) -> Result<Vec<CountCell>> {
    if bin_size < 2 {
        return Err(check::parameter(
            "squash",
            "bin_size",
            bin_size,
            "at least 2",
        ));
    }
    let weights: Vec<f64> = cells.iter().map(|cell| cell.weight).collect();
    check::each("weights of cells", &weights, "numbers above zero", |v| {
        v > 0.0
    })?;
    check_expected(&cells.iter().map(|cell| cell.expected).collect::<Vec<_>>())?;
    let (mut near, mut found): (Vec<CountCell>, Vec<CountCell>) =
        cells.iter().partition(|cell| cell.count == count);
    near.sort_by(|a, b| a.expected.total_cmp(&b.expected));
    let (gathered, kept) = near.split_at(near.len().saturating_sub(keep));
    for bin in gathered.chunks(bin_size) {
        let weight: f64 = bin.iter().map(|cell| cell.weight).sum();
        let total: f64 = bin.iter().map(|cell| cell.weight * cell.expected).sum();
        found.push(CountCell {
            count,
            expected: total / weight,
            weight,
        });
    }
    found.extend_from_slice(kept);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIOR: GammaMixture = GammaMixture {
        shape: [3.253_793_56, 2.026_126_92],
        rate: [0.399_888_54, 1.908_079_70],
        share: 0.065_345_57,
    };

    #[test]
    fn printed_scores_of_open_ebgm() {
        // Vignette "Empirical Bayes metrics", first rows: N, E, share, EBGM, 5 and 95 per cent.
        let rows = [
            (0.036_054_827_2, 0.281_973_7, 2.23, 0.49, 13.85),
            (0.003_873_659_1, 0.340_965_3, 2.58, 0.52, 15.78),
            (0.000_297_973_8, 0.348_231_7, 2.63, 0.52, 16.02),
            (0.076_579_261_0, 0.222_635_6, 1.92, 0.47, 11.77),
            (0.052_741_358_8, 0.255_667_0, 2.09, 0.48, 12.95),
        ];
        for (expected, share, ebgm, low, high) in rows {
            let found = PRIOR.score(1, expected).unwrap();
            assert!((found.share - share).abs() < 1e-6);
            assert!((found.ebgm - ebgm).abs() < 0.0051);
            // The printed quantiles are those of a bisection that ends at half a unit.
            assert!((found.eb05 - low).abs() < 0.0101);
            assert!((found.eb95 - high).abs() < 0.0101);
        }
    }

    #[test]
    fn quantiles_have_their_tails() {
        for (count, expected) in [(0, 0.3), (1, 1e-4), (5, 40.0), (900, 2.0)] {
            let posterior = PRIOR.posterior(count, expected);
            for p in [1e-6, 0.05, 0.5, 0.95, 0.999] {
                let x = PRIOR.quantile(count, expected, p).unwrap();
                let lower: f64 = [posterior.share, 1.0 - posterior.share]
                    .into_iter()
                    .enumerate()
                    .map(|(c, share)| {
                        share * gamma_tails(posterior.shape[c], x * posterior.rate[c]).0
                    })
                    .sum();
                assert!((lower - p).abs() < 1e-12, "{count} {expected} {p}: {lower}");
            }
        }
    }

    #[test]
    fn more_reports_shrink_less() {
        let far = PRIOR.score(400, 100.0).unwrap();
        assert!((far.ebgm - 4.0).abs() < 0.05);
        let near = PRIOR.score(4, 1.0).unwrap();
        assert!(near.ebgm < 3.5 && near.eb95 - near.eb05 > far.eb95 - far.eb05);
        let one = GammaMixture {
            share: 0.0,
            ..PRIOR
        };
        let found = one.score(3, 1.0).unwrap();
        assert_eq!(found.share, 0.0);
        assert!((found.ebgm - (digamma(5.026_126_92) - 2.908_079_70_f64.ln()).exp()).abs() < 1e-14);
    }

    #[test]
    fn squashing_keeps_weight_and_mean() {
        let cells: Vec<CountCell> = (0..101)
            .map(|i| CountCell {
                count: u64::from(i % 3 == 0),
                expected: 1.0 + f64::from((i * 37) % 101),
                weight: 1.0 + f64::from(i % 2),
            })
            .collect();
        let found = squash(&cells, 1, 10, 4).unwrap();
        assert_eq!(found.len(), 67 + 3 + 4);
        let sums = |cells: &[CountCell]| {
            cells.iter().fold((0.0, 0.0), |(w, e), cell| {
                (w + cell.weight, e + cell.weight * cell.expected)
            })
        };
        let (before, after) = (sums(&cells), sums(&found));
        assert!((before.0 - after.0).abs() < 1e-9 && (before.1 - after.1).abs() < 1e-9);
    }

    #[test]
    fn refusals() {
        assert!(PRIOR.score(1, 0.0).is_err());
        assert!(PRIOR.score(1, f64::INFINITY).is_err());
        assert!(PRIOR.quantile(1, 1.0, 1.0).is_err());
        let bad = GammaMixture {
            rate: [0.0, 1.0],
            ..PRIOR
        };
        assert!(bad.score(1, 1.0).is_err());
        assert!(
            GammaMixture {
                share: 1.5,
                ..PRIOR
            }
            .score(1, 1.0)
            .is_err()
        );
        assert!(squash(&[], 1, 1, 0).is_err());
        let cell = CountCell {
            count: 1,
            expected: -1.0,
            weight: 1.0,
        };
        assert!(PRIOR.scores(&[cell]).is_err());
    }
}
