//! What many patients go through in the same order: sequential patterns by PrefixSpan.
//!
//! | question | here |
//! |---|---|
//! | Which orders of events are frequent? | [`PrefixSpan`]: patterns of any length, with gaps and spans in days |
//! | Which step follows the others more often than by the length of records? | [`Sequences::rules`] |
//! | What follows what, how often and how soon, and is it more than chance? | [`TimeTo`](crate::association::TimeTo), pair by pair |
//! | Which ways do patients take? | [`Pathways`](crate::association::Pathways): every patient on exactly one |
//!
//! A pattern is a list of steps, each a set of items of one day. A patient has it when such days follow one
//! another within the gaps and the span; every patient counts once, however often. Below a hierarchy
//! ([`Histories::with_ancestors`]) a step holds no item beside what stands above it.
//!
//! Common histories have more patterns than can be counted (60 days in the same order have 2^60): where one
//! long pattern proves that there are too many, a search is refused before it begins.
//!
//! Sources: Pei et al. (2004), doi:10.1109/TKDE.2004.77; gaps and spans as Srikant and Agrawal (1996),
//! doi:10.1007/BFb0014140.

use std::ops::{ControlFlow, RangeInclusive};
use std::time::Duration;

use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

use crate::association::itemset_choice::least_of;
use crate::association::itemsets::{Least, told_as};
use crate::association::sequences_table::{Sequence, Sequences};
use crate::design::Histories;
use crate::error::{Error, Result};
use crate::estimator::params::Checker;
use crate::kernel::itemset::limits::Limits;
use crate::kernel::itemset::prefix_span::SequenceSettings;
use crate::kernel::itemset::sequence_data::Sequences as Flat;
use crate::kernel::itemset::sequence_patterns::{Pattern, collect, visit};
use crate::kernel::itemset::sequence_top::top;

const NAME: &str = "sequences";

/// Settings of a search for sequential patterns, checked; made by `check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrefixSpanValidParams {
    least: Least,
    lengths: (usize, usize),
    gap: (u32, Option<u32>),
    span: Option<u32>,
    closed: bool,
    top: Option<usize>,
    most_sets: u64,
    most_bytes: u64,
    most_seconds: Option<f64>,
}

/// Settings of a search for sequential patterns.
///
/// | setting | default |
/// |---|---|
/// | [`min_support`](Self::min_support) or [`min_count`](Self::min_count) | 0.01 of the patients |
/// | [`lengths`](Self::lengths) | any number of items |
/// | [`gap`](Self::gap) | one day at least between steps |
/// | [`span`](Self::span) | any |
/// | [`closed`](Self::closed) | all patterns |
/// | [`top`](Self::top) | all patterns |
/// | [`most_sets`](Self::most_sets) | 100,000,000 patterns |
/// | [`most_bytes`](Self::most_bytes) | 4 GiB |
/// | [`most_seconds`](Self::most_seconds) | none |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PrefixSpanParams(PrefixSpanValidParams);

/// Frequent sequences of events by growth of prefixes, the method of that name (Pei et al. 2004,
/// doi:10.1109/TKDE.2004.77).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixSpan;

impl PrefixSpan {
    /// Settings of the search.
    ///
    /// ```
    /// use galen::association::PrefixSpan;
    /// use galen::design::Histories;
    ///
    /// # fn main() -> galen::Result<()> {
    /// let events = [
    ///     (0, 1, "E11"), (0, 8, "metformin"), (0, 90, "insulin"),
    ///     (1, 5, "E11"), (1, 30, "metformin"),
    ///     (2, 2, "metformin"), (2, 9, "E11"),
    /// ];
    /// let histories = Histories::from_days(3, events)?;
    /// let found = PrefixSpan::params().min_count(2).lengths(2..=3).mine(&histories)?;
    /// let texts: Vec<String> = found.iter().map(|sequence| found.text(sequence)).collect();
    /// assert_eq!(texts, ["E11 > metformin"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn params() -> PrefixSpanParams {
        PrefixSpanParams(PrefixSpanValidParams {
            least: Least::Share(0.01),
            lengths: (1, usize::MAX),
            gap: (1, None),
            span: None,
            closed: false,
            top: None,
            most_sets: Limits::default().max_sets,
            most_bytes: Limits::default().max_bytes,
            most_seconds: None,
        })
    }
}

impl PrefixSpanParams {
    /// Sets the least share of patients, in (0, 1].
    #[must_use]
    pub fn min_support(mut self, share: f64) -> Self {
        self.0.least = Least::Share(share);
        self
    }

    /// Sets the least number of patients instead, one at least.
    #[must_use]
    pub fn min_count(mut self, patients: u64) -> Self {
        self.0.least = Least::Count(patients);
        self
    }

    /// Sets the numbers of items of a pattern, all of its steps together.
    #[must_use]
    pub fn lengths(mut self, lengths: RangeInclusive<usize>) -> Self {
        self.0.lengths = (*lengths.start(), *lengths.end());
        self
    }

    /// Sets the days from one step to the next, at least one.
    #[must_use]
    pub fn gap(mut self, days: RangeInclusive<u32>) -> Self {
        self.0.gap = (*days.start(), Some(*days.end()));
        self
    }

    /// Sets the days from the first to the last step, at most.
    #[must_use]
    pub fn span(mut self, days: u32) -> Self {
        self.0.span = Some(days);
        self
    }

    /// Leaves out patterns that another one, with one more item and the same patients, contains.
    #[must_use]
    pub fn closed(mut self, closed: bool) -> Self {
        self.0.closed = closed;
        self
    }

    /// Keeps the patterns of largest support only, the largest first; of equal ones the first.
    ///
    /// No more than these are ever kept, so that the bounds on patterns and bytes do not matter and the
    /// least support may be small; with `closed` the bounds hold, as all patterns of the support that is
    /// reached are looked at.
    ///
    /// ```
    /// use galen::association::PrefixSpan;
    /// use galen::design::Histories;
    ///
    /// # fn main() -> galen::Result<()> {
    /// // Sixty events in the same order: 2^60 patterns.
    /// let events = (0..60).map(|day| (0, day, format!("event {day:02}")));
    /// let histories = Histories::from_days(1, events)?;
    /// let params = PrefixSpan::params().min_count(1);
    /// assert!(params.mine(&histories).is_err());
    /// let found = params.top(2).mine(&histories)?;
    /// let texts: Vec<String> = found.iter().map(|sequence| found.text(sequence)).collect();
    /// assert_eq!(texts, ["event 00", "event 00 > event 01"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn top(mut self, patterns: usize) -> Self {
        self.0.top = Some(patterns);
        self
    }

    /// Sets the number of patterns beyond which the search ends in an error. Where one long pattern proves
    /// that there are more, it ends before it begins.
    #[must_use]
    pub fn most_sets(mut self, patterns: u64) -> Self {
        self.0.most_sets = patterns;
        self
    }

    /// Sets the bytes that kept patterns may take, and what finds the closed ones, before the search ends in
    /// an error.
    #[must_use]
    pub fn most_bytes(mut self, bytes: u64) -> Self {
        self.0.most_bytes = bytes;
        self
    }

    /// Sets the seconds after which the search ends in an error. What such a search gives is the same as
    /// ever, but whether it gives anything hangs on the machine.
    #[must_use]
    pub fn most_seconds(mut self, seconds: f64) -> Self {
        self.0.most_seconds = Some(seconds);
        self
    }

    /// Checks the settings and searches: see [`PrefixSpanValidParams::mine`].
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`](crate::error::ErrorKind::Parameter) and those of the search.
    pub fn mine(&self, histories: &Histories) -> Result<Sequences> {
        self.check_ref()?.mine(histories)
    }
}

impl ParamGuard for PrefixSpanParams {
    type Checked = PrefixSpanValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&PrefixSpanValidParams> {
        let (checker, own) = (Checker::new(NAME), &self.0);
        match own.least {
            Least::Share(share) => {
                let sound = share > 0.0 && share <= 1.0;
                checker.require(sound, "min_support", share, "in (0, 1]")?;
            }
            Least::Count(count) => checker.require(count > 0, "min_count", count, ">= 1")?,
        }
        let (first, last) = own.lengths;
        let rule = "from 1, the first not above the last";
        checker.require(first >= 1 && first <= last, "lengths", first, rule)?;
        let (least, most) = own.gap;
        let sound = least >= 1 && most.is_none_or(|most| least <= most);
        checker.require(sound, "gap", least, rule)?;
        checker.require(own.top != Some(0), "top", 0, ">= 1")?;
        if let Some(seconds) = own.most_seconds {
            let sound = Duration::try_from_secs_f64(seconds).is_ok() && seconds > 0.0;
            checker.require(sound, "most_seconds", seconds, "> 0")?;
        }
        Ok(own)
    }

    fn check(self) -> Result<PrefixSpanValidParams> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl PrefixSpanValidParams {
    /// All patterns wanted, depth first: after a pattern those with one more item on its last day, by
    /// item, then those with an item on a later day, by item. With [`top`](PrefixSpanParams::top) the largest
    /// support first.
    ///
    /// Cost: in proportion to the patterns and the places where patients can end them; first items in
    /// parallel.
    ///
    /// # Errors
    /// [`ErrorKind::Explosion`](crate::error::ErrorKind::Explosion) beyond `most_sets`, `most_bytes` or
    /// `most_seconds`.
    pub fn mine(&self, histories: &Histories) -> Result<Sequences> {
        let mut found = Sequences {
            names: histories.names().to_vec(),
            n_patients: histories.n_patients(),
            gap: self.gap,
            span: self.span,
            sequences: Vec::new(),
        };
        let mut keep = |pattern: &Pattern, support: u64| {
            found.sequences.push(sequence(pattern, support));
            true
        };
        if self.top.is_some() {
            self.run(histories, &mut keep)?;
            return Ok(found);
        }
        let settings = self.settings(histories);
        let patterns = collect(&flat(histories), &settings).map_err(told_as(NAME))?;
        patterns.visit(keep);
        Ok(found)
    }

    /// Hands every pattern over until the visitor breaks; none is kept, but for closed ones and the
    /// largest.
    ///
    /// # Errors
    /// As [`Self::mine`].
    pub fn visit(
        &self,
        histories: &Histories,
        mut visitor: impl FnMut(Sequence) -> ControlFlow<()>,
    ) -> Result<()> {
        self.run(histories, &mut |pattern, support| {
            visitor(sequence(pattern, support)).is_continue()
        })
    }

    /// Number of patterns by their number of items: position 0 counts those of one.
    ///
    /// # Errors
    /// As [`Self::mine`].
    pub fn count(&self, histories: &Histories) -> Result<Vec<u64>> {
        let mut counts = Vec::new();
        self.run(histories, &mut |pattern, _| {
            let at = pattern.items.len() - 1;
            if counts.len() <= at {
                counts.resize(at + 1, 0);
            }
            counts[at] += 1;
            true
        })?;
        Ok(counts)
    }

    fn run(
        &self,
        histories: &Histories,
        visitor: &mut dyn FnMut(&Pattern, u64) -> bool,
    ) -> Result<()> {
        let settings = self.settings(histories);
        let Some(patterns) = self.top else {
            return visit(&flat(histories), &settings, visitor).map_err(told_as(NAME));
        };
        for (pattern, support) in
            top(&flat(histories), &settings, patterns).map_err(told_as(NAME))?
        {
            if !visitor(&pattern, support) {
                break;
            }
        }
        Ok(())
    }

    fn settings(&self, histories: &Histories) -> SequenceSettings {
        SequenceSettings {
            min_gap: self.gap.0,
            // Days are no farther apart than this.
            max_gap: self.gap.1.filter(|most| *most < u32::MAX),
            max_span: self.span,
            min_length: self.lengths.0,
            max_length: self.lengths.1,
            closed: self.closed,
            limits: Limits {
                max_sets: self.most_sets,
                max_bytes: self.most_bytes,
                max_time: self.most_seconds.map(Duration::from_secs_f64),
            },
            ..SequenceSettings::new(least_of(&self.least, histories.n_patients() as u64))
        }
    }
}

fn flat(histories: &Histories) -> Flat<'_> {
    Flat {
        offsets: histories.starts(),
        days: histories.days(),
        items: histories.items(),
        above: histories.all_above(),
    }
}

fn sequence(pattern: &Pattern, support: u64) -> Sequence {
    let mut start = 0;
    let step = |end: &usize| {
        let step = pattern.items[start..*end].to_vec();
        start = *end;
        step
    };
    Sequence {
        steps: pattern.ends.iter().map(step).collect(),
        support,
    }
}

#[cfg(test)]
#[path = "sequences_tests.rs"]
mod tests;
