//! Reports with names: what a table of spontaneous reports says, coded once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use crate::association::ReportRows;
use crate::error::{ErrorKind, Result};
use crate::evaluation::check;

const WHAT: &str = "Reports";

/// Spontaneous reports: which drugs and which events each of them names.
///
/// A row says that a report names a drug and an event. A report is the set of its drugs and the set
/// of its events; a row that stands twice says nothing more. Names are taken as written: spelling
/// variants, trade names and levels of a terminology are to be brought together before.
///
/// ```
/// use galen::association::Reports;
/// # fn main() -> galen::Result<()> {
/// let reports = Reports::new([
///     (17, "warfarin", "bleeding"),
///     (17, "aspirin", "bleeding"),
///     (17, "aspirin", "bleeding"),
///     (18, "aspirin", "rash"),
/// ])?;
/// assert_eq!((reports.n_rows(), reports.n_reports()), (4, 2));
/// assert_eq!(reports.drugs().iter().map(|name| &**name).collect::<Vec<_>>(), ["aspirin", "warfarin"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reports {
    report: Vec<u32>,
    drug: Vec<u32>,
    event: Vec<u32>,
    stratum: Option<Vec<u32>>,
    n_reports: usize,
    drugs: Vec<Arc<str>>,
    events: Vec<Arc<str>>,
}

impl Reports {
    /// Reports of rows (report, drug, event); reports may be known by numbers or by text.
    ///
    /// # Errors
    /// [`ErrorKind::TooFewRows`] without rows; [`ErrorKind::OutOfRange`] for a blank name, naming
    /// its row and column.
    pub fn new<K, D, E>(rows: impl IntoIterator<Item = (K, D, E)>) -> Result<Self>
    where
        K: Eq + Hash,
        D: AsRef<str>,
        E: AsRef<str>,
    {
        let rows = rows.into_iter();
        Self::coded(
            rows.map(|(report, drug, event)| (report, drug, event, None::<&str>)),
            false,
        )
    }

    /// Reports of rows (report, drug, event, stratum), for expected counts within strata of age,
    /// sex or year; a label for the unknown is a stratum as any other.
    ///
    /// # Errors
    /// As [`Self::new`]; a blank stratum is refused too.
    pub fn stratified<K, D, E, S>(rows: impl IntoIterator<Item = (K, D, E, S)>) -> Result<Self>
    where
        K: Eq + Hash,
        D: AsRef<str>,
        E: AsRef<str>,
        S: AsRef<str>,
    {
        let rows = rows.into_iter();
        Self::coded(
            rows.map(|(report, drug, event, stratum)| (report, drug, event, Some(stratum))),
            true,
        )
    }

    /// Reports of rows of codes with the names of the codes; codes of one name are one drug, or one
    /// event.
    ///
    /// # Errors
    /// [`ErrorKind::TooFewRows`] without rows; [`ErrorKind::LengthMismatch`] for columns of
    /// different lengths; [`ErrorKind::OutOfRange`] for a code without a name, naming its row, and
    /// for a blank name, naming its place.
    pub fn from_codes<D: AsRef<str>, E: AsRef<str>>(
        rows: ReportRows<'_>,
        drugs: &[D],
        events: &[E],
    ) -> Result<Self> {
        let length = rows.report.len();
        check::rows(WHAT, 1, length)?;
        check::length("drugs of reports", length, rows.drug.len())?;
        check::length("events of reports", length, rows.event.len())?;
        if let Some(stratum) = rows.stratum {
            check::length("strata of reports", length, stratum.len())?;
        }
        let mut reports = Codes::default();
        let report = rows.report.iter().enumerate();
        let report = report
            .map(|(row, report)| reports.code(row, *report))
            .collect::<Result<_>>()?;
        let (drug, drugs) = renamed("drug", rows.drug, drugs)?;
        let (event, events) = renamed("event", rows.event, events)?;
        Ok(Self {
            report,
            drug,
            event,
            stratum: rows.stratum.map(<[u32]>::to_vec),
            n_reports: reports.known.len(),
            drugs,
            events,
        })
    }

    fn coded<K, D, E, S>(
        rows: impl Iterator<Item = (K, D, E, Option<S>)>,
        stratified: bool,
    ) -> Result<Self>
    where
        K: Eq + Hash,
        D: AsRef<str>,
        E: AsRef<str>,
        S: AsRef<str>,
    {
        let mut reports = Codes::default();
        let (mut drugs, mut events, mut strata) =
            (Codes::default(), Codes::default(), Codes::default());
        let mut columns = [const { Vec::<u32>::new() }; 4];
        for (row, (key, drug, event, stratum)) in rows.enumerate() {
            columns[0].push(reports.code(row, key)?);
            columns[1].push(named(&mut drugs, row, "drug", drug.as_ref())?);
            columns[2].push(named(&mut events, row, "event", event.as_ref())?);
            if let Some(stratum) = stratum {
                columns[3].push(named(&mut strata, row, "stratum", stratum.as_ref())?);
            }
        }
        check::rows(WHAT, 1, columns[0].len())?;
        let [report, mut drug, mut event, mut stratum] = columns;
        let drugs = ranked(drugs, &mut drug);
        let events = ranked(events, &mut event);
        ranked(strata, &mut stratum);
        Ok(Self {
            report,
            drug,
            event,
            stratum: stratified.then_some(stratum),
            n_reports: reports.known.len(),
            drugs,
            events,
        })
    }

    /// Number of rows, repeated ones among them.
    pub fn n_rows(&self) -> usize {
        self.report.len()
    }

    /// Number of different reports.
    pub fn n_reports(&self) -> usize {
        self.n_reports
    }

    /// Names of the drugs in byte order; the place of a name is its code.
    pub fn drugs(&self) -> &[Arc<str>] {
        &self.drugs
    }

    /// Names of the events in byte order; the place of a name is its code.
    pub fn events(&self) -> &[Arc<str>] {
        &self.events
    }

    /// The rows as codes, for [`count_reports`](crate::association::count_reports).
    pub fn rows(&self) -> ReportRows<'_> {
        ReportRows {
            report: &self.report,
            drug: &self.drug,
            event: &self.event,
            stratum: self.stratum.as_deref(),
        }
    }
}

/// Codes in order of appearance; only looked up, never walked through.
#[derive(Debug)]
struct Codes<K> {
    known: HashMap<K, u32>,
}

impl<K> Default for Codes<K> {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
        }
    }
}

impl<K: Eq + Hash> Codes<K> {
    fn code(&mut self, row: usize, key: K) -> Result<u32> {
        let next = next_code(row, self.known.len())?;
        Ok(*self.known.entry(key).or_insert(next))
    }
}

impl Codes<String> {
    /// As [`Self::code`], without an allocation for a name seen before.
    fn of_name(&mut self, row: usize, name: &str) -> Result<u32> {
        match self.known.get(name) {
            Some(code) => Ok(*code),
            None => self.code(row, name.to_string()),
        }
    }
}

fn next_code(row: usize, n: usize) -> Result<u32> {
    u32::try_from(n).map_err(|_| refused(row, "report", "fewer than 2^32 different reports"))
}

fn named(codes: &mut Codes<String>, row: usize, column: &'static str, name: &str) -> Result<u32> {
    if name.trim().is_empty() {
        return Err(refused(row, column, "a name that is not blank"));
    }
    codes.of_name(row, name)
}

fn refused(row: usize, column: &'static str, rule: &'static str) -> crate::Error {
    ErrorKind::OutOfRange {
        what: WHAT,
        row: Some(row),
        column: Some(column.into()),
        rule,
    }
    .into()
}

/// Names in byte order, and codes changed to the places of their names: the order of rows does not
/// reach a result.
fn ranked(codes: Codes<String>, column: &mut [u32]) -> Vec<Arc<str>> {
    let mut names: Vec<(String, u32)> = codes.known.into_iter().collect();
    names.sort_unstable();
    let mut rank = vec![0; names.len()];
    for (place, (_, code)) in names.iter().enumerate() {
        rank[*code as usize] = place as u32;
    }
    for code in column {
        *code = rank[*code as usize];
    }
    names.into_iter().map(|(name, _)| name.into()).collect()
}

/// Codes changed to the places of their names in byte order; names without a row are left out.
fn renamed<S: AsRef<str>>(
    column: &'static str,
    codes: &[u32],
    names: &[S],
) -> Result<(Vec<u32>, Vec<Arc<str>>)> {
    if let Some(row) = codes.iter().position(|code| *code as usize >= names.len()) {
        return Err(refused(row, column, "a code that has a name"));
    }
    let mut used = vec![false; names.len()];
    for code in codes {
        used[*code as usize] = true;
    }
    let mut sorted = Vec::new();
    for (place, name) in names.iter().enumerate().filter(|(place, _)| used[*place]) {
        if name.as_ref().trim().is_empty() {
            return Err(refused(place, column, "a name that is not blank"));
        }
        sorted.push(name.as_ref());
    }
    sorted.sort_unstable();
    sorted.dedup();
    let rank = |name: &S| sorted.partition_point(|other| *other < name.as_ref()) as u32;
    let rank: Vec<u32> = names.iter().map(rank).collect();
    let codes = codes.iter().map(|code| rank[*code as usize]).collect();
    Ok((codes, sorted.into_iter().map(Into::into).collect()))
}
