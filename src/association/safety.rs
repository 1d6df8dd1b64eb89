//! Safety signals: from named reports to a table of pairs, each judged by four methods.
//!
//! ```text
//!  Reports --count--> pairs with N and E --> PRR, ROR, chi-squared    of all reports together
//!                          |           \--> IC                        E summed over strata
//!                          \-- prior of all pairs --> EBGM            E summed over strata
//!                     at least min_reports --> verdicts, sorted
//! ```

use std::cmp::Ordering;
use std::sync::Arc;

use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

use crate::association::{
    ChiSquaredTest, CountCell, DrugInteractions, EvansCriteria, GammaMixture, GammaPoissonFit,
    GammaPoissonParams, PairCounts, ReportCounts, ReportedPair, Reports, ShrunkRatio, ZeroCounts,
    count_reports, disproportionality, fit_gamma_poisson, information_component,
};
use crate::error::{Error, Result};
use crate::estimator::params::Checker;
use crate::evaluation::Estimate;
use crate::numeric::parallel::{map_chunks, sort_by};

const NAME: &str = "safety signals";

/// Fewer pairs than parameters of the prior say nothing of it.
const LEAST_PAIRS: usize = 5;

/// Which drugs and events are reported together too often, by the methods in use.
///
/// | measure | a signal if |
/// |---|---|
/// | proportional reporting ratio | the [`EvansCriteria`] are met |
/// | reporting odds ratio | its lower limit is above 1 |
/// | information component | its lower limit is above 0 |
/// | empirical Bayes geometric mean | EB05 is above 2 ([`SafetyParams::min_eb05`]) |
///
/// Reports are volunteered and nobody counts who took a drug: a signal is no rate and no cause, it
/// is a pair to look at. Nothing is corrected for the number of pairs; the information component and
/// the geometric mean are shrunk instead.
///
/// ```
/// use galen::association::{Reports, SafetySignals, SignalMeasure};
/// # fn main() -> galen::Result<()> {
/// // Eighty reports of four drugs; five of drug A's twenty name a rash, one of all the others.
/// let rows = (0..80).map(|report| {
///     let drug = ["A", "B", "C", "D"][report % 4];
///     let event = if [0, 4, 8, 12, 16, 21].contains(&report) { "rash" } else { "nausea" };
///     (report, drug, event)
/// });
/// let signals = SafetySignals::params().min_reports(3).find(&Reports::new(rows)?)?;
/// let first = &signals.top(1, SignalMeasure::Prr)[0];
/// assert_eq!((&*first.drug, &*first.event, first.counts.n_ab()), ("A", "rash", 5));
/// assert!(first.verdicts.evans && first.prr.is_some_and(|prr| (prr.value - 15.0).abs() < 1e-12));
/// println!("{signals}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SafetySignals;

impl SafetySignals {
    /// Settings of the search: three reports at least, limits of level 0.95, the criteria of Evans,
    /// a prior fitted to all reported pairs.
    pub fn params() -> SafetyParams {
        SafetyParams(SafetyValidParams {
            min_reports: 3,
            level: 0.95,
            evans: EvansCriteria::default(),
            min_eb05: 2.0,
            prior: Prior::Fitted(GammaPoissonParams::default()),
        })
    }
}

/// Where the prior of the geometric means comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Prior {
    Fitted(GammaPoissonParams),
    Known(GammaMixture),
    Without,
}

/// Settings of a search for safety signals; made by [`SafetySignals::params`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SafetyParams(SafetyValidParams);

/// Settings of a search for safety signals, checked; made by `check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SafetyValidParams {
    pub(super) min_reports: u64,
    pub(super) level: f64,
    evans: EvansCriteria,
    min_eb05: f64,
    prior: Prior,
}

impl SafetyParams {
    /// Sets the least reports of a pair (or of two drugs and an event) to be listed and judged; 3 by
    /// default, 1 lists all. Rarer pairs count in the margins and in the prior as before.
    #[must_use]
    pub fn min_reports(mut self, reports: u64) -> Self {
        self.0.min_reports = reports;
        self
    }

    /// Sets the level of the limits of PRR, ROR, IC and omega, in (0, 1); 0.95 by default.
    #[must_use]
    pub fn level(mut self, level: f64) -> Self {
        self.0.level = level;
        self
    }

    /// Sets the criteria of a signal by the proportional reporting ratio.
    #[must_use]
    pub fn evans(mut self, criteria: EvansCriteria) -> Self {
        self.0.evans = criteria;
        self
    }

    /// Sets what EB05 must exceed in a signal; 2 by default.
    #[must_use]
    pub fn min_eb05(mut self, above: f64) -> Self {
        self.0.min_eb05 = above;
        self
    }

    /// Sets how the prior of the geometric means is fitted. With [`ZeroCounts::Included`] the pairs
    /// that no report names are added.
    #[must_use]
    pub fn prior(mut self, params: GammaPoissonParams) -> Self {
        self.0.prior = Prior::Fitted(params);
        self
    }

    /// Takes a prior that is known, for example of an earlier extract, instead of fitting one.
    #[must_use]
    pub fn known_prior(mut self, prior: GammaMixture) -> Self {
        self.0.prior = Prior::Known(prior);
        self
    }

    /// Leaves the geometric means out.
    #[must_use]
    pub fn without_prior(mut self) -> Self {
        self.0.prior = Prior::Without;
        self
    }

    /// Checks the settings and searches: see [`SafetyValidParams::find`].
    ///
    /// # Errors
    /// [`Parameter`](crate::error::ErrorKind::Parameter) and those of the search.
    pub fn find(&self, reports: &Reports) -> Result<Signals> {
        self.check_ref()?.find(reports)
    }

    /// Checks the settings and searches: see [`SafetyValidParams::interactions`].
    ///
    /// # Errors
    /// [`Parameter`](crate::error::ErrorKind::Parameter) and those of the search.
    pub fn interactions(&self, reports: &Reports) -> Result<DrugInteractions> {
        self.check_ref()?.interactions(reports)
    }
}

impl ParamGuard for SafetyParams {
    type Checked = SafetyValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&SafetyValidParams> {
        let checker = Checker::new(NAME);
        let own = &self.0;
        checker.require(own.min_reports >= 1, "min_reports", own.min_reports, ">= 1")?;
        checker.inside_unit("level", own.level)?;
        checker.not_negative("evans.min_prr", own.evans.min_prr)?;
        checker.not_negative("evans.min_chi_squared", own.evans.min_chi_squared)?;
        checker.not_negative("min_eb05", own.min_eb05)?;
        if let Prior::Known(prior) = &own.prior {
            prior.check()?;
        }
        Ok(own)
    }

    fn check(self) -> Result<SafetyValidParams> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl SafetyValidParams {
    /// Counts, measures and verdicts of every pair that is reported often enough.
    ///
    /// Counts are of different reports. The geometric means are left out where fewer than five pairs
    /// are reported. Cost: sorts of rows and pairs; the fit of the prior; a quantile or two per
    /// pair, in parallel.
    ///
    /// # Errors
    /// [`OutOfRange`](crate::error::ErrorKind::OutOfRange) for a report in two strata, naming its
    /// row; [`Parameter`](crate::error::ErrorKind::Parameter) for settings of the prior outside
    /// their range; [`TooLarge`](crate::error::ErrorKind::TooLarge) where unreported pairs are
    /// asked for and are too many.
    pub fn find(&self, reports: &Reports) -> Result<Signals> {
        let counts = count_reports(reports.rows())?;
        let (prior, fit) = self.prior_of(&counts)?;
        let listed: Vec<&ReportedPair> = counts
            .pairs
            .iter()
            .filter(|pair| pair.counts.n_ab() >= self.min_reports)
            .collect();
        let judged = map_chunks(listed.len(), |range| {
            let pairs = listed[range].iter();
            pairs
                .map(|pair| self.judged(pair, reports, prior.as_ref()))
                .collect::<Result<Vec<Signal>>>()
        });
        let mut signals = Vec::with_capacity(listed.len());
        for chunk in judged {
            signals.extend(chunk?);
        }
        sort_by(&mut signals, order(SignalMeasure::Ic));
        Ok(Signals {
            n_reports: counts.n_reports,
            n_drugs: counts.drugs.len(),
            n_events: counts.events.len(),
            n_pairs: counts.pairs.len(),
            min_reports: self.min_reports,
            stratified: reports.rows().stratum.is_some(),
            prior,
            fit,
            signals,
        })
    }

    fn prior_of(
        &self,
        counts: &ReportCounts,
    ) -> Result<(Option<GammaMixture>, Option<GammaPoissonFit>)> {
        let params = match &self.prior {
            Prior::Known(prior) => return Ok((Some(*prior), None)),
            Prior::Fitted(params) if counts.pairs.len() >= LEAST_PAIRS => params,
            Prior::Fitted(_) | Prior::Without => return Ok((None, None)),
        };
        let pairs = counts.pairs.iter();
        let mut cells: Vec<CountCell> = pairs
            .map(|pair| CountCell {
                count: pair.counts.n_ab(),
                expected: pair.expected,
                weight: 1.0,
            })
            .collect();
        if params.zeros == ZeroCounts::Included {
            cells.extend(counts.unreported()?.iter().map(|cell| CountCell {
                count: 0,
                expected: cell.expected,
                weight: cell.n_pairs as f64,
            }));
        }
        let fit = fit_gamma_poisson(&cells, params)?;
        Ok((Some(fit.prior), Some(fit)))
    }

    fn judged(
        &self,
        pair: &ReportedPair,
        reports: &Reports,
        prior: Option<&GammaMixture>,
    ) -> Result<Signal> {
        let (n, expected) = (pair.counts.n_ab(), pair.expected);
        let crude = disproportionality(&pair.counts, &self.evans, self.level)?;
        let ic = information_component(n, expected, self.level)?;
        let ebgm = prior.map(|prior| prior.score(n, expected)).transpose()?;
        Ok(Signal {
            drug: Arc::clone(&reports.drugs()[pair.drug as usize]),
            event: Arc::clone(&reports.events()[pair.event as usize]),
            counts: pair.counts,
            expected,
            prr: crude.prr,
            ror: crude.ror,
            chi_squared: crude.chi_squared,
            ic,
            ebgm,
            verdicts: Verdicts {
                evans: crude.signal,
                ror: crude.ror.is_some_and(|ror| ror.lower > 1.0),
                ic: ic.lower > 0.0,
                ebgm: ebgm.is_some_and(|score| score.eb05 > self.min_eb05),
            },
        })
    }
}

/// A measure of disproportionate reporting, and the verdict that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SignalMeasure {
    /// Proportional reporting ratio; verdict by the criteria of Evans.
    Prr,
    /// Reporting odds ratio; verdict by its lower limit.
    Ror,
    /// Information component; verdict by its lower limit.
    Ic,
    /// Empirical Bayes geometric mean; verdict by its 5 per cent quantile.
    Ebgm,
}

impl SignalMeasure {
    /// All measures.
    pub const ALL: [Self; 4] = [Self::Prr, Self::Ror, Self::Ic, Self::Ebgm];

    /// Its usual abbreviation.
    pub fn word(self) -> &'static str {
        match self {
            Self::Prr => "PRR",
            Self::Ror => "ROR",
            Self::Ic => "IC",
            Self::Ebgm => "EBGM",
        }
    }
}

/// Whether a pair is a signal, method by method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdicts {
    /// Criteria of Evans met.
    pub evans: bool,
    /// Lower limit of the reporting odds ratio above 1; never where the ratio is infinite, which
    /// has no limits.
    pub ror: bool,
    /// Lower limit of the information component above 0.
    pub ic: bool,
    /// EB05 above its bound.
    pub ebgm: bool,
}

impl Verdicts {
    /// The verdict of one measure.
    pub fn by(self, measure: SignalMeasure) -> bool {
        match measure {
            SignalMeasure::Prr => self.evans,
            SignalMeasure::Ror => self.ror,
            SignalMeasure::Ic => self.ic,
            SignalMeasure::Ebgm => self.ebgm,
        }
    }

    /// How many of the four methods see a signal.
    pub fn n_methods(self) -> usize {
        SignalMeasure::ALL
            .into_iter()
            .filter(|measure| self.by(*measure))
            .count()
    }
}

/// One drug with one event, judged; made by [`SafetyValidParams::find`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Name of the drug.
    pub drug: Arc<str>,
    /// Name of the event.
    pub event: Arc<str>,
    /// All reports, those with the drug (A), with the event (B) and with both.
    pub counts: PairCounts,
    /// Reports expected with both, summed over strata where reports have them.
    pub expected: f64,
    /// Proportional reporting ratio of all reports together; infinite where the event is reported
    /// with this drug only, `None` where all reports name the drug.
    pub prr: Option<Estimate>,
    /// Reporting odds ratio of all reports together; `None` for 0/0.
    pub ror: Option<Estimate>,
    /// Chi-squared with Yates' correction; `None` where drug or event stands in all reports.
    pub chi_squared: Option<ChiSquaredTest>,
    /// Information component, bits.
    pub ic: Estimate,
    /// Shrunk ratio; `None` without a prior.
    pub ebgm: Option<ShrunkRatio>,
    /// Whether it is a signal, method by method.
    pub verdicts: Verdicts,
}

impl Signal {
    /// A measure with its limits; those of the geometric mean are EB05 and EB95, level 0.9.
    pub fn estimate(&self, measure: SignalMeasure) -> Option<Estimate> {
        match measure {
            SignalMeasure::Prr => self.prr,
            SignalMeasure::Ror => self.ror,
            SignalMeasure::Ic => Some(self.ic),
            SignalMeasure::Ebgm => self.ebgm.map(|score| Estimate {
                value: score.ebgm,
                se: None,
                lower: score.eb05,
                upper: score.eb95,
                level: 0.9,
            }),
        }
    }
}

/// Pairs of drug and event, judged; made by [`SafetyValidParams::find`].
///
/// Printed it tells the numbers of signals and the first ten pairs; [`Self::table`] tells more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signals {
    /// Different reports.
    pub n_reports: u64,
    /// Drugs reported.
    pub n_drugs: usize,
    /// Events reported.
    pub n_events: usize,
    /// Pairs reported at least once.
    pub n_pairs: usize,
    /// Least reports of a listed pair.
    pub min_reports: u64,
    /// Whether expected counts are summed over strata.
    pub stratified: bool,
    /// The prior of the geometric means.
    pub prior: Option<GammaMixture>,
    /// How its fit went; `None` where it was known before.
    pub fit: Option<GammaPoissonFit>,
    /// The listed pairs, largest lower limit of the information component first.
    pub signals: Vec<Signal>,
}

impl Signals {
    /// The listed pairs that are signals by the measure.
    pub fn found_by(&self, measure: SignalMeasure) -> impl Iterator<Item = &Signal> {
        self.signals
            .iter()
            .filter(move |signal| signal.verdicts.by(measure))
    }

    /// Number of signals by the measure.
    pub fn n_found_by(&self, measure: SignalMeasure) -> usize {
        self.found_by(measure).count()
    }

    /// The `k` listed pairs of largest lower limit of the measure; of equal ones those of more
    /// reports, then by name. What has no limits comes last.
    pub fn top(&self, k: usize, measure: SignalMeasure) -> Vec<&Signal> {
        let mut all: Vec<&Signal> = self.signals.iter().collect();
        let order = order(measure);
        all.sort_by(|a, b| order(a, b));
        all.truncate(k);
        all
    }
}

fn order(measure: SignalMeasure) -> impl Fn(&Signal, &Signal) -> Ordering {
    let lower = move |signal: &Signal| {
        let estimate = signal.estimate(measure);
        estimate.map_or(f64::NEG_INFINITY, |estimate| estimate.lower)
    };
    move |a, b| {
        let reports = || b.counts.n_ab().cmp(&a.counts.n_ab());
        let names = || (&a.drug, &a.event).cmp(&(&b.drug, &b.event));
        lower(b)
            .total_cmp(&lower(a))
            .then_with(reports)
            .then_with(names)
    }
}

#[cfg(test)]
#[path = "safety_tests.rs"]
mod tests;
