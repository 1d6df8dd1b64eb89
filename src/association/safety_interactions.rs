//! Two drugs with an event, over all that reports name often enough.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::association::safety_show::{LONGEST_NAME, aligned, cut, interval};
use crate::association::{
    Interaction, InteractionCounts, ReportCounts, ReportRows, Reports, SafetyValidParams,
    count_reports, omega,
};
use crate::error::{ErrorKind, Result};
use crate::numeric::parallel::{map_tasks, sort_by};

/// Two drugs with an event; made by [`SafetyValidParams::interactions`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrugInteraction {
    /// Name of the first drug, in byte order.
    pub first: Arc<str>,
    /// Name of the second drug.
    pub second: Arc<str>,
    /// Name of the event.
    pub event: Arc<str>,
    /// Reports by exposure to the two drugs.
    pub counts: InteractionCounts,
    /// What either drug explains, and Omega.
    pub measure: Interaction,
    /// Whether the lower limit of Omega is above 0.
    pub signal: bool,
}

/// Pairs of drugs with an event, judged; made by [`SafetyValidParams::interactions`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrugInteractions {
    /// Different reports.
    pub n_reports: u64,
    /// Least reports of two drugs and an event that are listed.
    pub min_reports: u64,
    /// Listed ones and those without a measure.
    pub n_tested: usize,
    /// Those without a measure: no report names neither drug, or one of them without the other.
    pub n_undefined: usize,
    /// Largest lower limit of Omega first.
    pub interactions: Vec<DrugInteraction>,
}

impl SafetyValidParams {
    /// Omega of every two drugs with every event that enough reports name together.
    ///
    /// Strata are not used. Cost: pairs of drugs within each report, and the events of reports that
    /// share a pair; first drugs in parallel, one held at a time.
    ///
    /// # Errors
    /// [`OutOfRange`](ErrorKind::OutOfRange) for columns of reports that disagree.
    ///
    /// ```
    /// use galen::association::{Reports, SafetySignals};
    /// # fn main() -> galen::Result<()> {
    /// // Either drug alone: one bleeding in fifty reports; both together: eight in ten.
    /// let drugs = |report: u32| match report {
    ///     0..50 => vec!["aspirin"],
    ///     50..100 => vec!["warfarin"],
    ///     100..110 => vec!["aspirin", "warfarin"],
    ///     _ => vec!["paracetamol"],
    /// };
    /// let event = |report: u32| match report {
    ///     0 | 50 | 100..108 | 110 => "bleeding",
    ///     _ => "nausea",
    /// };
    /// let rows = (0..200).flat_map(|report| {
    ///     drugs(report).into_iter().map(move |drug| (report, drug, event(report)))
    /// });
    /// let found = SafetySignals::params().interactions(&Reports::new(rows)?)?;
    /// let first = &found.interactions[0];
    /// assert_eq!((&*first.first, &*first.second, &*first.event), ("aspirin", "warfarin", "bleeding"));
    /// assert!(first.signal && first.measure.expected < 1.0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn interactions(&self, reports: &Reports) -> Result<DrugInteractions> {
        let rows = ReportRows {
            stratum: None,
            ..reports.rows()
        };
        let counts = count_reports(rows)?;
        let lists = Lists {
            drugs: Grouped::of(reports.n_reports(), rows.report, rows.drug),
            events: Grouped::of(reports.n_reports(), rows.report, rows.event),
            reports: Grouped::of(reports.drugs().len(), rows.drug, rows.report),
        };
        let found = map_tasks(reports.drugs().len(), |first| {
            self.with_first(first as u32, &lists, &counts)
        });
        let mut all = DrugInteractions {
            n_reports: counts.n_reports,
            min_reports: self.min_reports,
            n_tested: 0,
            n_undefined: 0,
            interactions: Vec::new(),
        };
        let name = |names: &[Arc<str>], code: u32| Arc::clone(&names[code as usize]);
        for of_first in found {
            let of_first = of_first?;
            all.n_undefined += of_first.n_undefined;
            for (codes, counts, measure) in of_first.measured {
                all.interactions.push(DrugInteraction {
                    first: name(reports.drugs(), codes[0]),
                    second: name(reports.drugs(), codes[1]),
                    event: name(reports.events(), codes[2]),
                    counts,
                    measure,
                    signal: measure.omega.lower > 0.0,
                });
            }
        }
        all.n_tested = all.n_undefined + all.interactions.len();
        sort_by(&mut all.interactions, |a, b| {
            let lower = b.measure.omega.lower.total_cmp(&a.measure.omega.lower);
            let names = || (&a.first, &a.second, &a.event).cmp(&(&b.first, &b.second, &b.event));
            lower
                .then_with(|| b.counts.both.1.cmp(&a.counts.both.1))
                .then_with(names)
        });
        Ok(all)
    }

    fn with_first(&self, first: u32, lists: &Lists, counts: &ReportCounts) -> Result<OfFirst> {
        let mut found = OfFirst::default();
        let mut partners: Vec<(u32, u32)> = Vec::new();
        for report in lists.reports.of_key(first) {
            let drugs = lists.drugs.of_key(*report).iter();
            partners.extend(
                drugs
                    .filter(|drug| **drug > first)
                    .map(|drug| (*drug, *report)),
            );
        }
        partners.sort_unstable();
        for both in partners.chunk_by(|a, b| a.0 == b.0) {
            let second = both[0].0;
            if (both.len() as u64) < self.min_reports {
                continue;
            }
            let reports = both.iter();
            let mut events: Vec<u32> = reports
                .flat_map(|(_, report)| lists.events.of_key(*report))
                .copied()
                .collect();
            events.sort_unstable();
            for same in events.chunk_by(|a, b| a == b) {
                let (event, n_all) = (same[0], same.len() as u64);
                if n_all < self.min_reports {
                    continue;
                }
                let groups = groups(counts, [first, second, event], both.len() as u64, n_all);
                match omega(&groups, self.level) {
                    Ok(measure) => found
                        .measured
                        .push(([first, second, event], groups, measure)),
                    Err(error) if matches!(error.kind(), ErrorKind::Undefined { .. }) => {
                        found.n_undefined += 1;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(found)
    }
}

/// What is found with one drug as the first.
#[derive(Debug, Default)]
struct OfFirst {
    n_undefined: usize,
    measured: Vec<([u32; 3], InteractionCounts, Interaction)>,
}

#[derive(Debug)]
struct Lists {
    /// Drugs of every report.
    drugs: Grouped,
    /// Events of every report.
    events: Grouped,
    /// Reports of every drug.
    reports: Grouped,
}

/// Different values of every key, increasing.
#[derive(Debug)]
struct Grouped {
    starts: Vec<usize>,
    values: Vec<u32>,
}

impl Grouped {
    fn of(n_keys: usize, keys: &[u32], values: &[u32]) -> Self {
        let mut pairs: Vec<(u32, u32)> = keys.iter().copied().zip(values.iter().copied()).collect();
        crate::numeric::parallel::sort_keys(&mut pairs);
        pairs.dedup();
        let starts = (0..=n_keys)
            .map(|key| pairs.partition_point(|(other, _)| (*other as usize) < key))
            .collect();
        let values = pairs.into_iter().map(|(_, value)| value).collect();
        Self { starts, values }
    }

    fn of_key(&self, key: u32) -> &[u32] {
        &self.values[self.starts[key as usize]..self.starts[key as usize + 1]]
    }
}

/// Reports by exposure, from margins and pairs; codes are places in the lists of names.
fn groups(counts: &ReportCounts, codes: [u32; 3], both: u64, both_event: u64) -> InteractionCounts {
    let [first, second, event] = codes;
    let drug = |code: u32| counts.drugs[code as usize].1;
    let with_event = |drug: u32| {
        let place = counts
            .pairs
            .binary_search_by_key(&(drug, event), |pair| (pair.drug, pair.event));
        place.map_or(0, |place| counts.pairs[place].counts.n_ab())
    };
    let (n_first, n_second) = (drug(first), drug(second));
    let (e_first, e_second) = (with_event(first), with_event(second));
    InteractionCounts {
        neither: (
            counts.n_reports + both - n_first - n_second,
            counts.events[event as usize].1 + both_event - e_first - e_second,
        ),
        first: (n_first - both, e_first - both_event),
        second: (n_second - both, e_second - both_event),
        both: (both, both_event),
    }
}

impl fmt::Display for DrugInteractions {
    /// The first ten, and what they are not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 10;
        let signals = self.interactions.iter().filter(|found| found.signal);
        writeln!(
            f,
            "{} reports; {} times two drugs and an event together in {} or more; {} above expectation{}",
            self.n_reports,
            self.n_tested,
            self.min_reports,
            signals.count(),
            match self.n_undefined {
                0 => String::new(),
                n => format!(", {n} without a measure"),
            }
        )?;
        let heads = [
            "first drug",
            "second drug",
            "event",
            "N",
            "E",
            "omega (limits)",
        ];
        let mut lines = vec![heads.map(String::from).to_vec()];
        for found in self.interactions.iter().take(SHOWN) {
            lines.push(vec![
                cut(&found.first, LONGEST_NAME),
                cut(&found.second, LONGEST_NAME),
                cut(&found.event, LONGEST_NAME),
                found.counts.both.1.to_string(),
                format!("{:.1}", found.measure.expected),
                interval(Some(found.measure.omega)),
            ]);
        }
        aligned(f, &lines, 3)?;
        writeln!(
            f,
            "E: what either drug explains. Two drugs may share their patients; no cause is shown."
        )
    }
}
