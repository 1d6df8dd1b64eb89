//! Two items in one cohort: every measure and test of the four counts.

use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};
use crate::evaluation::check;
use crate::evaluation::{Estimate, wilson};
use crate::numeric::hypergeometric::{Hypergeometric, Side};
use crate::numeric::special::{chi_squared_upper, normal_quantile};

/// Counts of patients by two items A and B; every measure can be recomputed from them.
///
/// ```text
///            B              no B
///   A        n_ab           n_a - n_ab            n_a
///   no A     n_b - n_ab     n - n_a - n_b + n_ab  n - n_a
///            n_b            n - n_b               n
/// ```
///
/// A rule reads "A, therefore B". Measures return `None` where they are 0/0 and infinity where they
/// are a positive number over zero.
///
/// ```
/// use galen::association::{Alternative, PairCounts};
/// # fn main() -> galen::Result<()> {
/// let pair = PairCounts::new(1_000, 120, 200, 60)?;
/// assert_eq!(pair.support(), 0.06);
/// assert_eq!(pair.lift(), Some(2.5));
/// let odds = pair.odds_ratio(0.95, Default::default())?;
/// assert!((odds.value - 60.0 * 740.0 / (60.0 * 140.0)).abs() < 1e-12 && odds.lower > 1.0);
/// assert!(pair.fisher_p(Alternative::TwoSided) < 1e-10);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawCounts")]
pub struct PairCounts {
    n: u64,
    n_a: u64,
    n_b: u64,
    n_ab: u64,
}

/// What is read of saved counts before they are checked.
#[derive(Deserialize)]
struct RawCounts {
    n: u64,
    n_a: u64,
    n_b: u64,
    n_ab: u64,
}

impl TryFrom<RawCounts> for PairCounts {
    type Error = crate::Error;

    fn try_from(raw: RawCounts) -> Result<Self> {
        Self::new(raw.n, raw.n_a, raw.n_b, raw.n_ab)
    }
}

/// Direction of an exact test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Alternative {
    /// Any association; the default.
    #[default]
    TwoSided,
    /// A and B together more often than by chance.
    Greater,
    /// A and B together less often than by chance.
    Less,
}

impl From<Alternative> for Side {
    fn from(alternative: Alternative) -> Self {
        match alternative {
            Alternative::TwoSided => Self::Both,
            Alternative::Greater => Self::Upper,
            Alternative::Less => Self::Lower,
        }
    }
}

/// Whether one half is added to all four cells of a ratio (Haldane 1956, Anscombe 1956).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum HalfCorrection {
    /// Only where a cell is zero; the default.
    #[default]
    IfZero,
    /// Never: a zero cell gives 0 or infinity and no standard error.
    Never,
    /// Always.
    Always,
}

/// A test by a chi-squared statistic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ChiSquaredTest {
    /// The statistic.
    pub statistic: f64,
    /// Degrees of freedom.
    pub df: f64,
    /// P(chi-squared >= statistic).
    pub p: f64,
}

impl ChiSquaredTest {
    pub(crate) fn new(statistic: f64, df: f64) -> Self {
        Self {
            statistic,
            df,
            p: chi_squared_upper(statistic, df),
        }
    }
}

/// Rough bound of a count: products of four stay far inside the range of f64 and sums inside u64.
const MOST_PATIENTS: u64 = 1 << 52;

impl PairCounts {
    /// Counts of all patients, of those with A, with B and with both.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for counts that no cohort can have: none at all, more with an item
    /// than patients, more with both than with one, fewer with both than the margins force; and
    /// for more than 2^52 patients.
    pub fn new(n: u64, n_a: u64, n_b: u64, n_ab: u64) -> Result<Self> {
        let rule = if n == 0 || n > MOST_PATIENTS {
            "from one to 2^52 patients"
        } else if n_a > n || n_b > n {
            "no more patients with an item than patients"
        } else if n_ab > n_a.min(n_b) {
            "no more patients with both items than with either"
        } else if n_a + n_b - n_ab > n {
            "no more patients with A or B than patients"
        } else {
            return Ok(Self { n, n_a, n_b, n_ab });
        };
        Err(ErrorKind::OutOfRange {
            what: "PairCounts",
            row: None,
            column: None,
            rule,
        }
        .into())
    }

    /// All patients.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Patients with A.
    pub fn n_a(&self) -> u64 {
        self.n_a
    }

    /// Patients with B.
    pub fn n_b(&self) -> u64 {
        self.n_b
    }

    /// Patients with both.
    pub fn n_ab(&self) -> u64 {
        self.n_ab
    }

    /// Both, only A, only B, neither.
    pub fn cells(&self) -> [u64; 4] {
        let Self { n, n_a, n_b, n_ab } = *self;
        [n_ab, n_a - n_ab, n_b - n_ab, n + n_ab - n_a - n_b]
    }

    fn cells_f64(&self) -> [f64; 4] {
        self.cells().map(|count| count as f64)
    }

    /// Patients expected with both if A and B were independent.
    pub fn expected(&self) -> f64 {
        self.n_a as f64 * self.n_b as f64 / self.n as f64
    }

    /// Share of the patients with both.
    pub fn support(&self) -> f64 {
        self.n_ab as f64 / self.n as f64
    }

    /// Share with B among the patients with A.
    pub fn confidence(&self) -> Option<f64> {
        ratio(self.n_ab as f64, self.n_a as f64)
    }

    /// Confidence with Wilson's score interval (1927, doi 10.1080/01621459.1927.10502953).
    ///
    /// # Errors
    /// [`ErrorKind::Undefined`] without patients with A; [`ErrorKind::Parameter`] for a level
    /// outside (0, 1).
    pub fn confidence_interval(&self, level: f64) -> Result<Estimate> {
        check::level("confidence", level)?;
        if self.n_a == 0 {
            return Err(check::undefined("confidence", "no patient has A"));
        }
        wilson(self.n_ab as f64, self.n_a as f64, level)
    }

    /// Patients with both over those expected (Brin and others, SIGMOD 1997, doi
    /// 10.1145/253260.253325).
    pub fn lift(&self) -> Option<f64> {
        ratio(
            self.n_ab as f64 * self.n as f64,
            self.n_a as f64 * self.n_b as f64,
        )
    }

    /// Lift with the interval of its logarithm by the delta method under multinomial sampling.
    ///
    /// The variance of log lift is `1/n_ab - 1/n_a - 1/n_b + (2 lift - 1)/n` (Bishop, Fienberg and
    /// Holland, Discrete Multivariate Analysis, 1975, section 14.6). `se` is that of the logarithm.
    ///
    /// # Errors
    /// [`ErrorKind::Undefined`] where no patient has both; [`ErrorKind::Parameter`] for a level
    /// outside (0, 1).
    pub fn lift_interval(&self, level: f64) -> Result<Estimate> {
        check::level("lift", level)?;
        let Some(lift) = self.lift().filter(|lift| *lift > 0.0) else {
            return Err(check::undefined(
                "interval of lift",
                "no patient has both items",
            ));
        };
        let inverse = |count: u64| 1.0 / count as f64;
        let variance = (inverse(self.n_ab) - inverse(self.n_a)) - inverse(self.n_b)
            + (2.0 * lift - 1.0) / self.n as f64;
        Ok(log_interval(lift, variance.max(0.0).sqrt(), level))
    }

    /// Support less the support expected under independence (Piatetsky-Shapiro 1991).
    pub fn leverage(&self) -> f64 {
        self.determinant() / (self.n as f64 * self.n as f64)
    }

    /// How many times more often the rule would fail if A and B were independent; infinite where
    /// it never fails (Brin and others, SIGMOD 1997, doi 10.1145/253260.253325).
    pub fn conviction(&self) -> Option<f64> {
        ratio(
            self.n_a as f64 * (self.n - self.n_b) as f64,
            self.n as f64 * (self.n_a - self.n_ab) as f64,
        )
    }

    /// Zhang's measure, from -1 (never together) by 0 (independent) to 1 (Zhang, PAKDD 2000, doi
    /// 10.1007/3-540-45571-X_40).
    pub fn zhang(&self) -> Option<f64> {
        let (n, a, b, ab) = (
            self.n as f64,
            self.n_a as f64,
            self.n_b as f64,
            self.n_ab as f64,
        );
        ratio(self.determinant(), (ab * (n - a)).max(a * (b - ab)))
    }

    /// Share with both among those with A or B; independent of the patients with neither.
    pub fn jaccard(&self) -> Option<f64> {
        ratio(self.n_ab as f64, (self.n_a + self.n_b - self.n_ab) as f64)
    }

    /// Mean of the confidences of both directions; independent of the patients with neither.
    pub fn kulczynski(&self) -> Option<f64> {
        let (a, b) = (
            ratio(self.n_ab as f64, self.n_a as f64)?,
            ratio(self.n_ab as f64, self.n_b as f64)?,
        );
        Some(0.5 * (a + b))
    }

    /// Correlation of A and B; `None` where an item is constant.
    ///
    /// It has no interval here: Fisher's transformation holds for normal variables, not for items.
    pub fn phi(&self) -> Option<f64> {
        let product = |x: u64, y: u64| x as f64 * y as f64;
        let scale = product(self.n_a, self.n - self.n_a).sqrt()
            * product(self.n_b, self.n - self.n_b).sqrt();
        (scale > 0.0).then(|| self.determinant() / scale)
    }

    /// Odds of B with A over odds of B without, with the interval of its logarithm (Woolf, Ann.
    /// Hum. Genet. 19, 1955, doi 10.1111/j.1469-1809.1955.tb01348.x).
    ///
    /// `se` is that of the logarithm. With [`HalfCorrection::Never`] a zero cell gives the interval
    /// from 0 to infinity and no standard error.
    ///
    /// # Errors
    /// [`ErrorKind::Undefined`] where the ratio is 0/0 (never with a correction);
    /// [`ErrorKind::Parameter`] for a level outside (0, 1).
    pub fn odds_ratio(&self, level: f64, correction: HalfCorrection) -> Result<Estimate> {
        const WHAT: &str = "odds ratio";
        check::level(WHAT, level)?;
        let [a, b, c, d] = self.corrected(correction);
        let Some(value) = ratio(a * d, b * c) else {
            return Err(check::undefined(
                WHAT,
                "a row or column of the table is zero",
            ));
        };
        let variance = 1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d;
        Ok(log_interval(value, variance.sqrt(), level))
    }

    /// Share with B among those with A over that among those without, with the interval of its
    /// logarithm (Katz and others, Biometrics 34, 1978, doi 10.2307/2530610).
    ///
    /// `se` is that of the logarithm. A correction adds one half to all four cells.
    ///
    /// # Errors
    /// [`ErrorKind::Undefined`] where a group is empty or nobody has B; [`ErrorKind::Parameter`]
    /// for a level outside (0, 1).
    pub fn relative_risk(&self, level: f64, correction: HalfCorrection) -> Result<Estimate> {
        const WHAT: &str = "relative risk";
        check::level(WHAT, level)?;
        let [a, b, c, d] = self.corrected(correction);
        let Some(value) = ratio(a * (c + d), c * (a + b)) else {
            return Err(check::undefined(WHAT, "a group is empty or nobody has B"));
        };
        // 1/a - 1/(a + b) without cancellation.
        let variance = b / (a * (a + b)) + d / (c * (c + d));
        Ok(log_interval(value, variance.sqrt(), level))
    }

    /// Share with B among those with A less that among those without, with the hybrid score
    /// interval (Newcombe, Stat. Med. 17, 1998, 873-890, method 10).
    ///
    /// # Errors
    /// [`ErrorKind::Undefined`] where a group is empty; [`ErrorKind::Parameter`] for a level
    /// outside (0, 1).
    pub fn risk_difference(&self, level: f64) -> Result<Estimate> {
        const WHAT: &str = "risk difference";
        check::level(WHAT, level)?;
        if self.n_a == 0 || self.n_a == self.n {
            return Err(check::undefined(WHAT, "a group is empty"));
        }
        let [a, _, c, _] = self.cells_f64();
        let with = wilson(a, self.n_a as f64, level)?;
        let without = wilson(c, (self.n - self.n_a) as f64, level)?;
        let value = with.value - without.value;
        let down = (with.value - with.lower).hypot(without.upper - without.value);
        let up = (with.upper - with.value).hypot(without.value - without.lower);
        Ok(Estimate {
            value,
            se: None,
            lower: (value - down).max(-1.0),
            upper: (value + up).min(1.0),
            level,
        })
    }

    /// Pearson's test of independence; `yates` moves counts up to one half towards expectation
    /// (Yates 1934, doi 10.2307/2983604). `None` where an item is constant.
    pub fn chi_squared(&self, yates: bool) -> Option<ChiSquaredTest> {
        let n = self.n as f64;
        // All four cells are equally far from expectation.
        let distance = self.determinant().abs() / n;
        let distance = if yates {
            distance - distance.min(0.5)
        } else {
            distance
        };
        let product = |x: u64, y: u64| x as f64 * y as f64;
        let margins = [
            product(self.n_a, self.n - self.n_a),
            product(self.n_b, self.n - self.n_b),
        ];
        if margins.contains(&0.0) {
            return None;
        }
        let statistic = (distance * n / margins[0]) * (distance * n / margins[1]) * n;
        Some(ChiSquaredTest::new(statistic, 1.0))
    }

    /// The smallest of the four expected counts; below 5 a chi-squared test is doubtful.
    pub fn least_expected(&self) -> f64 {
        let a = self.n_a.min(self.n - self.n_a) as f64;
        let b = self.n_b.min(self.n - self.n_b) as f64;
        a * b / self.n as f64
    }

    /// Fisher's exact p-value, each tail summed as itself; 0 only below 1e-308.
    ///
    /// Two-sided it sums all tables that are no more likely than the observed one, those within a
    /// relative 1e-7 taken as equally likely, as R's `fisher.test` does (Fisher, J. R. Stat. Soc.
    /// 98, 1935, doi 10.2307/2342435). Cost: proportional to the standard deviation of the count,
    /// well below a microsecond for small margins.
    pub fn fisher_p(&self, alternative: Alternative) -> f64 {
        self.distribution().p(self.n_ab, alternative.into())
    }

    /// Natural logarithm of [`Self::fisher_p`], for p-values below the range of f64.
    pub fn fisher_log_p(&self, alternative: Alternative) -> f64 {
        self.distribution().log_p(self.n_ab, alternative.into())
    }

    fn distribution(&self) -> Hypergeometric {
        Hypergeometric::new(self.n, self.n_a, self.n_b)
    }

    /// ad - bc, rounded once: equal to n n_ab - n_a n_b.
    fn determinant(&self) -> f64 {
        let product = |x: u64, y: u64| i128::from(x) * i128::from(y);
        (product(self.n, self.n_ab) - product(self.n_a, self.n_b)) as f64
    }

    fn corrected(&self, correction: HalfCorrection) -> [f64; 4] {
        let cells = self.cells_f64();
        let add = match correction {
            HalfCorrection::Never => false,
            HalfCorrection::Always => true,
            HalfCorrection::IfZero => cells.contains(&0.0),
        };
        cells.map(|count| if add { count + 0.5 } else { count })
    }
}

/// A quotient; `None` for 0/0.
pub(crate) fn ratio(top: f64, bottom: f64) -> Option<f64> {
    (top != 0.0 || bottom != 0.0).then(|| top / bottom)
}

/// The interval of a positive number from the standard error of its logarithm; without one, all
/// positive numbers.
pub(crate) fn log_interval(value: f64, se: f64, level: f64) -> Estimate {
    if !se.is_finite() || value == 0.0 || value.is_infinite() {
        return Estimate {
            value,
            se: None,
            lower: 0.0,
            upper: f64::INFINITY,
            level,
        };
    }
    let reach = normal_quantile(0.5 + 0.5 * level) * se;
    Estimate {
        value,
        se: Some(se),
        lower: value * libm::exp(-reach),
        upper: value * libm::exp(reach),
        level,
    }
}

#[cfg(test)]
#[path = "contingency_tests.rs"]
mod tests;
