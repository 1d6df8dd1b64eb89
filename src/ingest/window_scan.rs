//! One pass over the events of all windows.

use std::ops::Range;

use crate::error::{ErrorKind, Result};
use crate::ingest::events::{EventTable, History, Row};
use crate::ingest::window::Measure;
use crate::matrix::{Column, PatientMatrix, Span, Time};
use crate::numeric::parallel;

/// A feature with its codes looked up.
pub(super) struct Planned {
    pub(super) codes: Vec<u32>,
    pub(super) measure: Measure,
    pub(super) look_back: Option<Span>,
}

/// What counts as before the index time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) include_index: bool,
    pub(super) count_repeats: bool,
}

/// A column with the rows that have an event.
pub(super) struct Scanned {
    pub(super) column: Column,
    /// Rows with an event, for sparse columns.
    rows: Vec<u32>,
}

impl Scanned {
    /// Whether at least `n` distinct patients have an event.
    pub(super) fn patients_at_least(&self, index: &PatientMatrix, n: usize) -> bool {
        if self.rows.len() < n {
            return false;
        }
        let codes = index.keys().patient_keys().map_or(&[][..], |p| p.codes());
        let mut patients: Vec<u32> = (self.rows.iter())
            .filter_map(|row| codes.get(*row as usize).copied())
            .collect();
        patients.sort_unstable();
        patients.dedup();
        patients.len() >= n
    }
}

/// Histories by patient code, patient code of every row, index time of every row.
pub(super) type Index<'a> = (Vec<Option<History>>, &'a [u32], &'a [Time]);

/// Patient and index time of every row, or the error for what is missing.
pub(super) fn index_of<'a>(
    index: &'a PatientMatrix,
    events: &EventTable,
    what: &'static str,
) -> Result<Index<'a>> {
    let keys = index.keys();
    let patients = keys.require_patients(what)?;
    let times = keys.index_times().ok_or(ErrorKind::MissingKeys {
        what,
        key: "index time",
    })?;
    Ok((events.histories(patients), patients.codes(), times))
}

/// Whether an event says the same as the one above it; rows of a table are sorted.
pub(super) fn repeats(rows: &[Row], position: usize) -> bool {
    position > 0 && rows.get(position) == rows.get(position - 1)
}

/// Computes all planned columns.
pub(super) fn scan(
    index: &PatientMatrix,
    events: &EventTable,
    planned: &[Planned],
    window: Window,
) -> Result<Vec<Scanned>> {
    let (histories, patients, times) = index_of(index, events, "WindowFeatures")?;
    let plan = Plan::new(planned, events.codes().len());
    let n_rows = index.n_rows();
    let parts = parallel::map_chunks(n_rows, |range| {
        let mut scanner = Scanner::new(&plan, range.len());
        for row in range.clone() {
            let history = (patients.get(row))
                .and_then(|code| histories.get(*code as usize))
                .and_then(Option::as_ref);
            if let (Some(history), Some(time)) = (history, times.get(row)) {
                let rows = events.rows.get(history.rows.clone()).unwrap_or_default();
                scanner.row(rows, *time, window);
            }
            scanner.write(row, row - range.start, times.get(row).copied());
        }
        scanner.out
    });
    plan.columns(parts, n_rows)
}

/// Which features an event of each code feeds.
struct Plan<'a> {
    planned: &'a [Planned],
    /// Features of a code stand at `starts[code]..starts[code + 1]` of `fed`.
    starts: Vec<usize>,
    fed: Vec<u32>,
    /// Distinct look-backs, and the one of each feature.
    look_backs: Vec<Option<Span>>,
    look_back_of: Vec<usize>,
    /// Number among the dense features; the sparse ones have none.
    dense_of: Vec<Option<usize>>,
    n_dense: usize,
}

impl<'a> Plan<'a> {
    fn new(planned: &'a [Planned], n_codes: usize) -> Self {
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        let mut look_backs: Vec<Option<Span>> = Vec::new();
        let mut look_back_of = Vec::with_capacity(planned.len());
        let mut dense_of = Vec::with_capacity(planned.len());
        let mut n_dense = 0;
        for (number, feature) in planned.iter().enumerate() {
            pairs.extend(feature.codes.iter().map(|code| (*code, number as u32)));
            let known = look_backs.iter().position(|l| *l == feature.look_back);
            look_back_of.push(known.unwrap_or(look_backs.len()));
            if known.is_none() {
                look_backs.push(feature.look_back);
            }
            let dense = !feature.measure.is_sparse();
            dense_of.push(dense.then_some(n_dense));
            n_dense += usize::from(dense);
        }
        pairs.sort_unstable();
        let starts = (0..=n_codes as u32)
            .map(|code| pairs.partition_point(|(c, _)| *c < code))
            .collect();
        Self {
            planned,
            starts,
            fed: pairs.into_iter().map(|(_, number)| number).collect(),
            look_backs,
            look_back_of,
            dense_of,
            n_dense,
        }
    }

    fn fed_by(&self, code: u32) -> &[u32] {
        let bound = |at: usize| self.starts.get(at).copied().unwrap_or(self.fed.len());
        let range: Range<usize> = bound(code as usize)..bound(code as usize + 1);
        self.fed.get(range).unwrap_or_default()
    }

    /// Chunks one after the other as columns.
    fn columns(&self, parts: Vec<Part>, n_rows: usize) -> Result<Vec<Scanned>> {
        let mut sparse: Vec<Vec<(usize, f64)>> = vec![Vec::new(); self.planned.len()];
        let mut dense: Vec<Vec<f64>> = vec![Vec::with_capacity(n_rows); self.n_dense];
        for part in parts {
            for (number, row, value) in part.sparse {
                if let Some(entries) = sparse.get_mut(number as usize) {
                    entries.push((row as usize, value));
                }
            }
            for (all, values) in dense.iter_mut().zip(part.dense) {
                all.extend(values);
            }
        }
        let mut columns = Vec::with_capacity(self.planned.len());
        for (entries, dense_of) in sparse.into_iter().zip(&self.dense_of) {
            let rows = entries.iter().map(|(row, _)| *row as u32).collect();
            let column = match dense_of.and_then(|number| dense.get_mut(number)) {
                Some(values) => Column::dense(std::mem::take(values))?,
                None => Column::sparse(n_rows, entries)?,
            };
            columns.push(Scanned { column, rows });
        }
        Ok(columns)
    }
}

/// What a chunk of rows gives.
struct Part {
    /// Feature, row and value.
    sparse: Vec<(u32, u32, f64)>,
    dense: Vec<Vec<f64>>,
}

/// Sums over the window of one row.
struct Scanner<'a> {
    plan: &'a Plan<'a>,
    counts: Vec<u32>,
    touched: Vec<u32>,
    values: Vec<Summary>,
    /// Start of the window for each look-back.
    from: Vec<Time>,
    out: Part,
}

impl<'a> Scanner<'a> {
    fn new(plan: &'a Plan<'a>, n_rows: usize) -> Self {
        Self {
            plan,
            counts: vec![0; plan.planned.len()],
            touched: Vec::new(),
            values: vec![Summary::default(); plan.n_dense],
            from: vec![Time(i64::MIN); plan.look_backs.len()],
            out: Part {
                sparse: Vec::new(),
                dense: vec![vec![f64::NAN; n_rows]; plan.n_dense],
            },
        }
    }

    /// Adds up the events of a patient before `index`.
    fn row(&mut self, rows: &[Row], index: Time, window: Window) {
        for (from, look_back) in self.from.iter_mut().zip(&self.plan.look_backs) {
            *from = look_back.map_or(Time(i64::MIN), |span| index - span);
        }
        let widest = self.from.iter().min().copied().unwrap_or(index);
        let start = rows.partition_point(|row| row.time < widest);
        let end = rows
            .partition_point(|row| row.time < index || (window.include_index && row.time == index));
        for position in start..end {
            let Some(event) = rows.get(position) else {
                break;
            };
            if !window.count_repeats && repeats(rows, position) {
                continue;
            }
            for number in self.plan.fed_by(event.code) {
                self.feed(*number as usize, event, index);
            }
        }
    }

    fn feed(&mut self, number: usize, event: &Row, index: Time) {
        let plan = self.plan;
        let (Some(feature), Some(look_back)) =
            (plan.planned.get(number), plan.look_back_of.get(number))
        else {
            return;
        };
        if self
            .from
            .get(*look_back)
            .is_some_and(|from| event.time < *from)
        {
            return;
        }
        let value = event.value();
        if feature.measure.needs_value() && value.is_none() {
            return;
        }
        let Some(count) = self.counts.get_mut(number) else {
            return;
        };
        if *count == 0 {
            self.touched.push(number as u32);
        }
        *count += 1;
        let dense = plan.dense_of.get(number).copied().flatten();
        if let Some(summary) = dense.and_then(|dense| self.values.get_mut(dense)) {
            summary.add(
                event.time,
                (event.time - index).as_days(),
                value.unwrap_or(0.0),
            );
        }
    }

    /// Writes the sums as values of a row and forgets them.
    fn write(&mut self, row: usize, offset: usize, index: Option<Time>) {
        self.touched.sort_unstable();
        for number in self.touched.drain(..) {
            let at = number as usize;
            let (Some(count), Some(feature)) = (self.counts.get_mut(at), self.plan.planned.get(at))
            else {
                continue;
            };
            let n = std::mem::take(count);
            match self.plan.dense_of.get(at).copied().flatten() {
                None => {
                    let value = match feature.measure {
                        Measure::Ever => 1.0,
                        _ => f64::from(n),
                    };
                    self.out.sparse.push((number, row as u32, value));
                }
                Some(dense) => {
                    let summary = self.values.get_mut(dense).map(std::mem::take);
                    let slot = (self.out.dense.get_mut(dense)).and_then(|c| c.get_mut(offset));
                    if let (Some(summary), Some(slot)) = (summary, slot) {
                        *slot = summary.result(feature.measure, index.unwrap_or_default());
                    }
                }
            }
        }
    }
}

/// Running summary of values in order of time.
#[derive(Debug, Clone, Default)]
struct Summary {
    n: f64,
    mean: f64,
    min: f64,
    max: f64,
    /// Latest time, with sum and number of its values.
    last: Time,
    last_sum: f64,
    last_n: f64,
    /// Mean of the days, their squares and their products with the values, about the means
    /// (Chan, Golub and LeVeque 1983, doi 10.1080/00031305.1983.10483115).
    mean_day: f64,
    day_day: f64,
    day_value: f64,
}

impl Summary {
    fn add(&mut self, time: Time, day: f64, value: f64) {
        if self.n == 0.0 {
            (self.min, self.max) = (value, value);
        }
        if self.n == 0.0 || time != self.last {
            (self.last, self.last_sum, self.last_n) = (time, 0.0, 0.0);
        }
        self.n += 1.0;
        self.last_sum += value;
        self.last_n += 1.0;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        let day_off = day - self.mean_day;
        self.mean_day += day_off / self.n;
        self.day_day += day_off * (day - self.mean_day);
        self.mean += (value - self.mean) / self.n;
        self.day_value += day_off * (value - self.mean);
    }

    fn result(&self, measure: Measure, index: Time) -> f64 {
        let value = match measure {
            Measure::Latest => self.last_sum / self.last_n,
            Measure::Min => self.min,
            Measure::Max => self.max,
            Measure::Mean => self.mean,
            Measure::Trend if self.day_day > 0.0 => self.day_value / self.day_day,
            Measure::TimeSince => (index - self.last).as_days(),
            _ => f64::NAN,
        };
        // Values near the end of the range may overflow a sum: such a result has no value.
        if value.is_finite() { value } else { f64::NAN }
    }
}
