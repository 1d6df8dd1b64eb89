//! Spontaneous reports: how often a drug and an event are reported together, and how often
//! expected.
//!
//! ```text
//!  (report, drug, event) rows --sort, unique--> drugs and events of every report
//!                                                     |
//!                       reports per drug, event, pair of both, stratum
//!                                                     |
//!                       observed N, expected E = sum over strata of N_drug N_event / N
//! ```

use serde::{Deserialize, Serialize};

use crate::association::PairCounts;
use crate::error::{ErrorKind, Result};
use crate::evaluation::check;
use crate::numeric::parallel::sort_keys;

/// Rows of reports as codes, all of one length; a row says that a report names a drug and an event.
///
/// A report is a set of drugs and a set of events: which stands beside which in a row does not
/// matter, and a report with drug and event in different rows counts for the pair.
#[derive(Debug, Clone, Copy)]
pub struct ReportRows<'a> {
    /// The report of each row.
    pub report: &'a [u32],
    /// The drug of each row.
    pub drug: &'a [u32],
    /// The event of each row.
    pub event: &'a [u32],
    /// The stratum (sex, age band, year) of each row's report; one stratum without it.
    pub stratum: Option<&'a [u32]>,
}

/// One drug with one event; made by [`count_reports`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReportedPair {
    /// Code of the drug.
    pub drug: u32,
    /// Code of the event.
    pub event: u32,
    /// All reports, those with the drug, with the event and with both.
    pub counts: PairCounts,
    /// Reports expected with both if drug and event were independent within each stratum.
    pub expected: f64,
}

/// Pairs of drug and event counted by unique reports; made by [`count_reports`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportCounts {
    /// Unique reports.
    pub n_reports: u64,
    /// Codes of the drugs, rising, and the reports of each.
    pub drugs: Vec<(u32, u64)>,
    /// Codes of the events, rising, and the reports of each.
    pub events: Vec<(u32, u64)>,
    /// Pairs reported at least once, by drug, then event.
    pub pairs: Vec<ReportedPair>,
    /// By stratum: reports, reports of each drug (in the order of `drugs`), of each event.
    strata: Vec<StratumCounts>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct StratumCounts {
    n: u64,
    drugs: Vec<u64>,
    events: Vec<u64>,
}

/// Expected counts of unreported pairs, gathered where equal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WeightedExpectation {
    /// Expected reports of each of the pairs.
    pub expected: f64,
    /// How many pairs.
    pub n_pairs: u64,
}

/// Counts unique reports by drug, event and pair.
///
/// Repeated rows count once; a report that names a drug with several events counts once for the
/// drug. Expected counts are summed over strata (Norén, Bate, Orre and Edwards, Stat. Med. 25,
/// 2006, doi 10.1002/sim.2473; DuMouchel, Am. Stat. 53, 1999, doi 10.1080/00031305.1999.10474456).
/// Cost: sorts of the rows and of
/// the pairs of drug and event of all reports.
///
/// # Errors
/// [`ErrorKind::TooFewRows`] without rows; [`ErrorKind::LengthMismatch`] for columns of different
/// lengths; [`ErrorKind::OutOfRange`] for a report that stands in two strata, naming its row.
///
/// ```
/// use galen::association::{ReportRows, count_reports};
/// # fn main() -> galen::Result<()> {
/// let counts = count_reports(ReportRows {
///     report: &[1, 1, 1, 2, 3, 4],
///     drug: &[7, 7, 7, 7, 8, 8],
///     event: &[0, 0, 5, 0, 0, 5],
///     stratum: None,
/// })?;
/// assert_eq!(counts.n_reports, 4);
/// let first = &counts.pairs[0];
/// assert_eq!((first.drug, first.event, first.counts.n_ab()), (7, 0, 2));
/// assert_eq!(first.expected, 2.0 * 3.0 / 4.0);
/// # Ok(())
/// # }
/// ```
pub fn count_reports(rows: ReportRows<'_>) -> Result<ReportCounts> {
    const WHAT: &str = "count_reports";
    let length = rows.report.len();
    check::rows(WHAT, 1, length)?;
    check::length("drugs of reports", length, rows.drug.len())?;
    check::length("events of reports", length, rows.event.len())?;
    if let Some(stratum) = rows.stratum {
        check::length("strata of reports", length, stratum.len())?;
    }
    let drug_codes = unique(rows.drug.to_vec());
    let event_codes = unique(rows.event.to_vec());
    let reports = reports_with_strata(&rows)?;
    let n_strata = reports.iter().map(|(_, s)| s + 1).max().unwrap_or(1) as usize;
    let mut strata = vec![
        StratumCounts {
            n: 0,
            drugs: vec![0; drug_codes.len()],
            events: vec![0; event_codes.len()],
        };
        n_strata
    ];
    for (_, stratum) in &reports {
        strata[*stratum as usize].n += 1;
    }
    let stratum_of = |report: u32| {
        let place = reports.partition_point(|(other, _)| *other < report);
        reports[place].1 as usize
    };
    // Places of drugs and of events, by report.
    let named = |codes: &[u32], items: &[u32]| {
        let rows = rows.report.iter().zip(items);
        unique(
            rows.map(|(report, item)| (*report, place(codes, *item) as u32))
                .collect(),
        )
    };
    let drugs: Vec<(u32, u32)> = named(&drug_codes, rows.drug);
    let events: Vec<(u32, u32)> = named(&event_codes, rows.event);
    for (report, drug) in &drugs {
        strata[stratum_of(*report)].drugs[*drug as usize] += 1;
    }
    for (report, event) in &events {
        strata[stratum_of(*report)].events[*event as usize] += 1;
    }
    let mut counts = ReportCounts {
        n_reports: reports.len() as u64,
        drugs: totals(&drug_codes, strata.iter().map(|stratum| &stratum.drugs)),
        events: totals(&event_codes, strata.iter().map(|stratum| &stratum.events)),
        pairs: Vec::new(),
        strata,
    };
    let mut both = Vec::new();
    let same_report = |a: &(u32, u32), b: &(u32, u32)| a.0 == b.0;
    for (drugs, events) in drugs
        .chunk_by(same_report)
        .zip(events.chunk_by(same_report))
    {
        for (_, drug) in drugs {
            both.extend(events.iter().map(|(_, event)| (*drug, *event)));
        }
    }
    sort_keys(&mut both);
    for same in both.chunk_by(|a, b| a == b) {
        let (d, e) = (same[0].0 as usize, same[0].1 as usize);
        counts.pairs.push(ReportedPair {
            drug: drug_codes[d],
            event: event_codes[e],
            counts: PairCounts::new(
                counts.n_reports,
                counts.drugs[d].1,
                counts.events[e].1,
                same.len() as u64,
            )?,
            expected: counts.expected_at(d, e),
        });
    }
    Ok(counts)
}

impl ReportCounts {
    /// Expected reports of a drug with an event, also where none was seen; `None` for unknown codes.
    pub fn expected(&self, drug: u32, event: u32) -> Option<f64> {
        let drug = self.drugs.binary_search_by_key(&drug, |(code, _)| *code);
        let event = self.events.binary_search_by_key(&event, |(code, _)| *code);
        Some(self.expected_at(drug.ok()?, event.ok()?))
    }

    fn expected_at(&self, drug: usize, event: usize) -> f64 {
        let part = |stratum: &StratumCounts| {
            let (drug, event) = (stratum.drugs[drug], stratum.events[event]);
            if drug == 0 || event == 0 {
                0.0
            } else {
                drug as f64 * event as f64 / stratum.n as f64
            }
        };
        self.strata.iter().map(part).sum()
    }

    /// Expected counts of all pairs that no report names, equal ones gathered without any loss.
    ///
    /// Without strata the expected count hangs on the two margins only, and drugs and events with
    /// equal margins are taken together. Order: rising.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] where more than 2 GB would be held (a quarter of a billion pairs).
    pub fn unreported(&self) -> Result<Vec<WeightedExpectation>> {
        const CEILING: u64 = 2 << 30;
        let drugs = self.profiles(|stratum| &stratum.drugs, self.drugs.len());
        let events = self.profiles(|stratum| &stratum.events, self.events.len());
        let bytes = (drugs.len() as u64)
            .saturating_mul(events.len() as u64)
            .saturating_mul(16);
        if bytes > CEILING {
            return Err(ErrorKind::TooLarge {
                what: "unreported pairs",
                bytes,
                ceiling: CEILING,
            }
            .into());
        }
        // Positive floats sort as their bits.
        let mut cells = Vec::with_capacity(drugs.len() * events.len() + self.pairs.len());
        for (drug, n_drugs) in &drugs {
            for (event, n_events) in &events {
                let expected = self.expected_at(*drug, *event);
                cells.push((expected.to_bits(), (n_drugs * n_events) as i64));
            }
        }
        // Reported pairs are taken away again.
        cells.extend(self.pairs.iter().map(|pair| (pair.expected.to_bits(), -1)));
        sort_keys(&mut cells);
        let gathered = cells
            .chunk_by(|a, b| a.0 == b.0)
            .map(|same| WeightedExpectation {
                expected: f64::from_bits(same[0].0),
                n_pairs: same.iter().map(|(_, weight)| weight).sum::<i64>() as u64,
            });
        Ok(gathered
            .filter(|cell| cell.n_pairs > 0 && cell.expected > 0.0)
            .collect())
    }

    /// One representative of each set of equal margins, with the size of the set.
    fn profiles(&self, of: impl Fn(&StratumCounts) -> &Vec<u64>, n: usize) -> Vec<(usize, u64)> {
        let mut keys: Vec<(Vec<u64>, usize)> = (0..n)
            .map(|item| {
                (
                    self.strata
                        .iter()
                        .map(|stratum| of(stratum)[item])
                        .collect(),
                    item,
                )
            })
            .collect();
        keys.sort_unstable();
        keys.chunk_by(|a, b| a.0 == b.0)
            .map(|same| (same[0].1, same.len() as u64))
            .collect()
    }
}

/// Unique reports, rising, each with the place of its stratum.
fn reports_with_strata(rows: &ReportRows<'_>) -> Result<Vec<(u32, u32)>> {
    let Some(stratum) = rows.stratum else {
        return Ok(unique(rows.report.to_vec())
            .into_iter()
            .map(|report| (report, 0))
            .collect());
    };
    let codes = unique(stratum.to_vec());
    let places = rows.report.iter().zip(stratum);
    let places = places.map(|(report, stratum)| (*report, place(&codes, *stratum) as u32));
    let reports = unique(places.collect::<Vec<_>>());
    if let Some(twice) = reports.windows(2).find(|two| two[0].0 == two[1].0) {
        let report = twice[0].0;
        let first = rows.report.iter().position(|other| *other == report);
        let own = first.map(|row| stratum[row]);
        let row = (0..stratum.len())
            .find(|row| rows.report[*row] == report && Some(stratum[*row]) != own);
        return Err(ErrorKind::OutOfRange {
            what: "strata of reports",
            row,
            column: None,
            rule: "one stratum for all rows of a report",
        }
        .into());
    }
    Ok(reports)
}

fn unique<T: Ord + Send>(mut items: Vec<T>) -> Vec<T> {
    sort_keys(&mut items);
    items.dedup();
    items
}

/// Place of a code that is known to stand in the list.
fn place(codes: &[u32], code: u32) -> usize {
    codes.partition_point(|other| *other < code)
}

fn totals<'a>(codes: &[u32], strata: impl Iterator<Item = &'a Vec<u64>>) -> Vec<(u32, u64)> {
    let mut totals: Vec<(u32, u64)> = codes.iter().map(|code| (*code, 0)).collect();
    for stratum in strata {
        for (total, count) in totals.iter_mut().zip(stratum) {
            total.1 += count;
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::seed::{below, stream};

    /// Rows with repeats: 60 reports, 5 drugs, 7 events.
    fn sample() -> [Vec<u32>; 4] {
        let mut stream = stream(3, 0);
        let mut rows = [const { Vec::new() }; 4];
        for _ in 0..400 {
            let report = below(&mut stream, 60) as u32;
            rows[0].push(report * 10);
            rows[1].push(below(&mut stream, 5) as u32 + 100);
            rows[2].push(below(&mut stream, 7) as u32);
            rows[3].push(report % 3);
        }
        rows
    }

    #[test]
    fn as_counted_with_sets() {
        use std::collections::BTreeSet;
        let [report, drug, event, stratum] = sample();
        let found = count_reports(ReportRows {
            report: &report,
            drug: &drug,
            event: &event,
            stratum: Some(&stratum),
        })
        .unwrap();
        let reports = |keep: &dyn Fn(usize) -> bool| {
            let rows = (0..report.len()).filter(|row| keep(*row));
            rows.map(|row| report[row]).collect::<BTreeSet<_>>().len() as u64
        };
        assert_eq!(found.n_reports, reports(&|_| true));
        for pair in &found.pairs {
            let is_drug = |row: usize| drug[row] == pair.drug;
            let is_event = |row: usize| event[row] == pair.event;
            assert_eq!(pair.counts.n_a(), reports(&is_drug));
            assert_eq!(pair.counts.n_b(), reports(&is_event));
            let with_event: BTreeSet<u32> = (0..report.len())
                .filter(|row| is_event(*row))
                .map(|row| report[row])
                .collect();
            let both = |row: usize| is_drug(row) && with_event.contains(&report[row]);
            assert_eq!(pair.counts.n_ab(), reports(&both));
            let expected: f64 = (0..3)
                .map(|s| {
                    let within = |row: usize| stratum[row] == s;
                    reports(&|row| within(row) && is_drug(row)) as f64
                        * reports(&|row| within(row) && is_event(row)) as f64
                        / reports(&within) as f64
                })
                .sum();
            assert!((pair.expected - expected).abs() < 1e-12);
            assert_eq!(found.expected(pair.drug, pair.event), Some(pair.expected));
        }
        assert_eq!(found.expected(99, 0), None);
    }

    #[test]
    fn pairs_and_unreported_pairs_make_the_whole_grid() {
        let [report, drug, event, stratum] = sample();
        for strata in [None, Some(&stratum[..])] {
            let found = count_reports(ReportRows {
                report: &report[..40],
                drug: &drug[..40],
                event: &event[..40],
                stratum: strata.map(|strata| &strata[..40]),
            })
            .unwrap();
            let rest = found.unreported().unwrap();
            let n: u64 = rest.iter().map(|cell| cell.n_pairs).sum();
            let mut sum: f64 = rest
                .iter()
                .map(|cell| cell.expected * cell.n_pairs as f64)
                .sum();
            sum += found.pairs.iter().map(|pair| pair.expected).sum::<f64>();
            let mut whole = 0.0;
            let mut possible = 0;
            for (drug, _) in &found.drugs {
                for (event, _) in &found.events {
                    let expected = found.expected(*drug, *event).unwrap();
                    whole += expected;
                    possible += u64::from(expected > 0.0);
                }
            }
            assert_eq!(n + found.pairs.len() as u64, possible);
            assert!((sum - whole).abs() < 1e-9);
        }
    }

    #[test]
    fn a_report_in_two_strata_is_refused() {
        let rows = ReportRows {
            report: &[4, 5, 4],
            drug: &[1, 1, 1],
            event: &[1, 1, 2],
            stratum: Some(&[0, 1, 1]),
        };
        let error = count_reports(rows).unwrap_err();
        assert!(error.to_string().contains("row 2"), "{error}");
        let short = ReportRows {
            event: &[1],
            ..rows
        };
        assert!(count_reports(short).is_err());
        let empty = ReportRows {
            report: &[],
            drug: &[],
            event: &[],
            stratum: None,
        };
        assert!(count_reports(empty).is_err());
    }
}
