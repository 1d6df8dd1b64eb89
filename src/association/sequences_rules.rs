//! Rules "first steps, then the last one", and what chance would make of them.
//!
//! How often the last step follows depends on how much record is left when the first steps are complete.
//! So a patient who completes them on the m-th day of the record is set against all patients with at least m
//! days in theirs: the share of these who have the last step after their own m-th day is what is expected
//! of the patient. The risk set of the m-th event of a patient is that of Prentice, Williams and Peterson
//! (1981, doi:10.1093/biomet/68.2.373).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::association::sequences_earliest::{Bounds, Record, earliest, patients_of_items};
use crate::association::sequences_table::{Sequence, Sequences};
use crate::design::Histories;
use crate::error::{ErrorKind, Result};
use crate::estimator::params::Checker;
use crate::numeric::parallel::map_tasks;

/// A rule "first steps, then the last one"; made by [`Sequences::rules`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SequenceRule {
    /// All steps; the rule parts them before the last.
    pub sequence: Sequence,
    /// Patients with the first steps.
    pub n_first: u64,
    /// Share of these who have the whole sequence.
    pub confidence: f64,
    /// Patients in whom the last step follows, within gap and span, where they first complete the first
    /// steps. Without a largest gap and a span these are all with the sequence; with one it may follow
    /// a later repetition only.
    pub n_followed: u64,
    /// Share of the patients with the first steps in whom the last one would follow by chance.
    pub expected: f64,
    /// `n_followed / n_first` over `expected`: about 1 where the steps have nothing to do with each other.
    /// `None` where nobody's last step is within the bounds.
    pub lift: Option<f64>,
}

impl Sequences {
    /// Rules "first steps, then the last one" of all patterns of two steps and more whose last step is one
    /// item; confidence of `min_confidence` at least; in the order of the patterns.
    ///
    /// `histories` are those that were mined. Everything is counted in them, so that it does not matter
    /// which shorter patterns were asked for (`lengths(2..=3)`, `closed`). What was left out itself makes no
    /// rule: with `closed` a sequence with the support of a longer one, and any sequence below the least
    /// support.
    ///
    /// The expected share of a rule is the mean over the patients who have the first steps. One who
    /// first completes them on the m-th day with any event counts the share, among all patients with m such
    /// days, of those who have the last step later than their own m-th day, within the same gap and
    /// what the span leaves. Days with events are the clock, so that neither long records nor frequent
    /// visits nor an end of follow-up that nobody knows make a lift. What does: items that the same patients
    /// tend to have (age, severity), and, with a largest gap or a span, visits that are closer together in
    /// some patients than in others. Order is in the counts; whether it is more than chance is told by
    /// [`TimeTo`](crate::association::TimeTo).
    ///
    /// Cost: a pass over the records of the patients who can have it for every set of first steps, and one
    /// for every last item; in parallel.
    ///
    /// ```
    /// use galen::association::PrefixSpan;
    /// use galen::design::Histories;
    ///
    /// # fn main() -> galen::Result<()> {
    /// let mut events = Vec::new();
    /// for patient in 0..40 {
    ///     events.push((patient, 0, if patient < 20 { "surgery" } else { "visit" }));
    ///     events.push((patient, 9, if patient < 15 || patient > 34 { "clot" } else { "visit" }));
    /// }
    /// let histories = Histories::from_days(40, events)?;
    /// let found = PrefixSpan::params().min_count(10).mine(&histories)?;
    /// let rules = found.rules(&histories, 0.5)?;
    /// let rule = rules.iter().find(|rule| found.text(&rule.sequence) == "surgery > clot").unwrap();
    /// // 15 of 20 go on to a clot; of all 40 with a first day, 20 do.
    /// assert_eq!((rule.confidence, rule.expected, rule.lift), (0.75, 0.5, Some(1.5)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] for a confidence outside [0, 1]; [`ErrorKind::Schema`] for histories of other
    /// items or another number of patients.
    pub fn rules(&self, histories: &Histories, min_confidence: f64) -> Result<Vec<SequenceRule>> {
        let sound = (0.0..=1.0).contains(&min_confidence);
        let checker = Checker::new("sequences");
        checker.require(sound, "min_confidence", min_confidence, "in [0, 1]")?;
        if histories.names() != self.names || histories.n_patients() != self.n_patients {
            return Err(ErrorKind::Schema(
                "sequences: histories are not those that were mined; items or patients differ"
                    .into(),
            )
            .into());
        }
        let mut by_first: BTreeMap<&[Vec<u32>], Vec<(u32, usize)>> = BTreeMap::new();
        for (at, sequence) in self.sequences.iter().enumerate() {
            if let Some((last, first)) = sequence.steps.split_last()
                && let ([item], false) = (last.as_slice(), first.is_empty())
            {
                by_first.entry(first).or_default().push((*item, at));
            }
        }
        let mut lasts: Vec<u32> = by_first.values().flatten().map(|(item, _)| *item).collect();
        lasts.sort_unstable();
        lasts.dedup();
        let bounds = self.bounds();
        let patients = patients_of_items(histories);
        let reached = Reached::new(histories);
        let later = map_tasks(lasts.len(), |at| {
            Later::new(histories, &patients[lasts[at] as usize], lasts[at], bounds)
        });
        let firsts: Vec<&[Vec<u32>]> = by_first.keys().copied().collect();
        let rules = map_tasks(firsts.len(), |at| {
            let (first, wanted) = (firsts[at], &by_first[firsts[at]]);
            let items: Vec<u32> = wanted.iter().map(|(item, _)| *item).collect();
            let counts = Followed::new(histories, &patients, first, &items, bounds);
            let rule = |(own, (item, at)): (usize, &(u32, usize))| {
                let place = lasts.binary_search(item).ok()?;
                let sequence = &self.sequences[*at];
                let n_first = counts.n_first as f64;
                let confidence = sequence.support as f64 / n_first;
                // Nobody has the first steps: the histories are others after all.
                if counts.n_first < sequence.support || confidence < min_confidence {
                    return None;
                }
                let expected = counts.expected(&later[place], &reached);
                let followed = counts.followed[own] as f64 / n_first;
                let rule = SequenceRule {
                    sequence: sequence.clone(),
                    n_first: counts.n_first,
                    confidence,
                    n_followed: counts.followed[own],
                    expected,
                    lift: (expected > 0.0).then(|| followed / expected),
                };
                Some((*at, rule))
            };
            wanted
                .iter()
                .enumerate()
                .filter_map(rule)
                .collect::<Vec<_>>()
        });
        let mut rules: Vec<(usize, SequenceRule)> = rules.into_iter().flatten().collect();
        rules.sort_by_key(|(at, _)| *at);
        Ok(rules.into_iter().map(|(_, rule)| rule).collect())
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            min_gap: self.gap.0,
            // Days are no farther apart than this.
            max_gap: self.gap.1.filter(|most| *most < u32::MAX),
            span: self.span,
        }
    }
}

/// Numbers that are at least `m`, for every `m`.
fn at_least(numbers: impl Iterator<Item = usize>) -> Vec<u64> {
    let mut counts = vec![0; 1];
    for number in numbers {
        if counts.len() <= number {
            counts.resize(number + 1, 0);
        }
        counts[number] += 1;
    }
    for m in (1..counts.len()).rev() {
        counts[m - 1] += counts[m];
    }
    counts
}

/// Patients with at least as many days with events.
struct Reached(Vec<u64>);

impl Reached {
    fn new(histories: &Histories) -> Self {
        let visits = |patient| Record::of(histories, patient).visits().count();
        Self(at_least((0..histories.n_patients()).map(visits)))
    }
}

/// Patients with an item after their m-th day.
enum Later {
    /// At any time after it, by m.
    Ever(Vec<u64>),
    /// Of every patient and m with the item soon after: m and the days to it, sorted.
    Within(Vec<(u32, u32)>),
}

impl Later {
    fn new(histories: &Histories, patients: &[u32], item: u32, bounds: Bounds) -> Self {
        let record = |patient: &u32| Record::of(histories, *patient as usize);
        let days_of = |record: Record<'_>| -> Vec<i64> {
            let own = record.days.iter().zip(record.items);
            own.filter(|(_, own)| **own == item)
                .map(|(day, _)| i64::from(*day))
                .collect()
        };
        let least = i64::from(bounds.min_gap);
        let most = match (bounds.max_gap, bounds.span) {
            (None, None) => {
                return Self::Ever(at_least(patients.iter().map(|patient| {
                    let own = record(patient);
                    let last = days_of(own).last().copied().unwrap_or(i64::MIN);
                    let before = |(day, _): &(i32, &[u32])| i64::from(*day) + least <= last;
                    own.visits().take_while(before).count()
                })));
            }
            (gap, span) => gap.unwrap_or(u32::MAX).min(span.unwrap_or(u32::MAX)),
        };
        let mut pairs = Vec::new();
        for patient in patients {
            let own = record(patient);
            let days = days_of(own);
            let mut next = 0;
            for ((day, _), visit) in own.visits().zip(1..) {
                let day = i64::from(day);
                while next < days.len() && days[next] < day + least {
                    next += 1;
                }
                let Some(found) = days.get(next) else { break };
                if let Ok(gap) = u32::try_from(found - day)
                    && gap <= most
                {
                    pairs.push((visit, gap));
                }
            }
        }
        pairs.sort_unstable();
        Self::Within(pairs)
    }

    /// Patients with the item at most `days` after their `visit`-th day.
    fn count(&self, visit: u32, days: u32) -> u64 {
        match self {
            Self::Ever(counts) => counts.get(visit as usize).copied().unwrap_or(0),
            Self::Within(pairs) => {
                let end = pairs.partition_point(|pair| *pair <= (visit, days));
                (end - pairs.partition_point(|pair| *pair < (visit, 0))) as u64
            }
        }
    }
}

/// Patients with the first steps, and how they go on.
struct Followed {
    n_first: u64,
    /// Patients by the day with events that completes the steps, and by the days left.
    places: BTreeMap<(u32, u32), u64>,
    /// Patients in whom an item follows, by wanted item.
    followed: Vec<u64>,
}

impl Followed {
    /// `items` increase.
    fn new(
        histories: &Histories,
        patients: &[Vec<u32>],
        first: &[Vec<u32>],
        items: &[u32],
        bounds: Bounds,
    ) -> Self {
        let mut counts = Self {
            n_first: 0,
            places: BTreeMap::new(),
            followed: vec![0; items.len()],
        };
        let rarest = (first.iter().flatten()).min_by_key(|item| patients[**item as usize].len());
        let candidates = rarest.map_or(&[][..], |item| patients[*item as usize].as_slice());
        let mut seen = vec![u32::MAX; items.len()];
        for patient in candidates {
            let record = Record::of(histories, *patient as usize);
            let Some(place) = earliest(record, first, bounds) else {
                continue;
            };
            let spent = place.day.abs_diff(place.start);
            let left = bounds
                .span
                .map_or(u32::MAX, |span| span.saturating_sub(spent));
            let left = left.min(bounds.max_gap.unwrap_or(u32::MAX));
            counts.n_first += 1;
            *counts.places.entry((place.visit, left)).or_default() += 1;
            let after = |day: i32| i64::from(day) - i64::from(place.day);
            let from = record
                .days
                .partition_point(|day| after(*day) < i64::from(bounds.min_gap));
            for (day, item) in record.days[from..].iter().zip(&record.items[from..]) {
                if after(*day) > i64::from(left) {
                    break;
                }
                if let Ok(at) = items.binary_search(item)
                    && seen[at] != *patient
                {
                    seen[at] = *patient;
                    counts.followed[at] += 1;
                }
            }
        }
        counts
    }

    /// The mean share of those who reached the same day and have the item after it.
    fn expected(&self, later: &Later, reached: &Reached) -> f64 {
        let of_place = |((visit, left), n): (&(u32, u32), &u64)| {
            let share = later.count(*visit, *left) as f64 / reached.0[*visit as usize] as f64;
            *n as f64 * share
        };
        self.places.iter().map(of_place).sum::<f64>() / self.n_first as f64
    }
}

#[cfg(test)]
#[path = "sequences_rules_tests.rs"]
mod tests;
