//! Delimited text, plain or gzip, into a [`Table`].

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Mutex;

use csv::{ByteRecord, Reader, ReaderBuilder};

use crate::error::{Error, Result};
use crate::ingest::columns::{Lines, Reading, at};
use crate::ingest::fields::Fields;
use crate::ingest::options::{Limits, Role, TableReader};
use crate::ingest::source::{Refused, Source};
use crate::ingest::table::{Parts, Table};
use crate::matrix::Feature;
use crate::numeric::parallel;

/// Bytes asked for at once: large enough that a call is cheap, small enough for the cache.
const BUFFER: usize = 1 << 16;

impl TableReader {
    /// Reads a table with a header line from any reader; gzip is recognised by its first bytes.
    ///
    /// Lines may end in LF or CRLF, fields may be quoted and then hold line breaks, a byte-order
    /// mark is dropped, blank lines are skipped. Columns are understood in parallel. Cost: one pass
    /// over the bytes; memory of about 4 bytes per field, plus the distinct texts of each column.
    ///
    /// # Errors
    /// [`ErrorKind::Ingest`](crate::error::ErrorKind::Ingest) with line and column for text that is
    /// not a table (empty, ragged, unnamed or repeated columns, a wrong delimiter, not UTF-8,
    /// truncated or damaged gzip), for a field that does not fit its column, and for anything over
    /// the [`Limits`]; `FeatureNames` for a role or declaration whose column is not there;
    /// `Parameter` for a column with two roles; `TooFewRows` for a header alone; `Duplicate` for a
    /// patient with two rows at one index time. No message holds a cell value.
    ///
    /// # Examples
    /// ```
    /// # use galen::ingest::TableReader;
    /// # fn main() -> galen::Result<()> {
    /// let text = "id,admitted,sbp\np1,2014-03-31,128\np1,2014-06-02,131\n";
    /// let table = TableReader::new().patient("id").time("admitted").read(text.as_bytes())?;
    /// assert_eq!(table.matrix().column("sbp")?.to_vec(), [128.0, 131.0]);
    ///
    /// let error = TableReader::new().read("age\n54\n1,2\n".as_bytes()).unwrap_err();
    /// assert!(error.to_string().starts_with("line 3: expected 1 field, found 2"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn read(&self, reader: impl Read) -> Result<Table> {
        let raw = read_fields(reader, self.delimiter, self.limits, |header| {
            let roles = self.roles_of(header)?;
            let wanted = |role: &Option<Role>| *role != Some(Role::Ignored);
            Ok(roles.iter().map(wanted).collect())
        })?;
        self.assemble(raw, &[])
    }

    /// The table of raw fields; `kinds` says what a column is where the caller declared nothing.
    pub(super) fn assemble(&self, raw: RawTable, kinds: &[Feature]) -> Result<Table> {
        let roles = self.roles_of(&raw.header)?;
        // Every column is an independent task; each takes its own fields out of its own slot.
        let slots: Vec<Mutex<Option<Fields>>> = raw.columns.into_iter().map(Mutex::new).collect();
        let understood = parallel::map_tasks(slots.len(), |index| {
            let fields = slots.get(index)?.lock().ok()?.take()?;
            let mut rules = self.rules(raw.header.get(index)?);
            rules.declared = rules.declared.or(kinds.get(index));
            let reading = Reading::new(fields, rules, &raw.lines);
            let mut parts = Parts::default();
            let role = roles.get(index).copied().flatten();
            Some(place(reading, role, &mut parts).map(|()| parts))
        });
        let mut parts = Parts::default();
        for part in understood.into_iter().flatten() {
            parts.append(part?);
        }
        parts.finish(raw.n_rows)
    }
}

/// Understands a column and puts it where its role says.
fn place(reading: Reading<'_>, role: Option<Role>, parts: &mut Parts) -> Result<()> {
    match role {
        Some(Role::Patient) => parts.patients = Some(reading.keys()?),
        Some(Role::Site) => parts.sites = Some(reading.keys()?),
        Some(Role::Time) => parts.times = Some(reading.times()?),
        Some(Role::Ignored) => {}
        Some(Role::Weight) => {
            let (weights, coercions) = reading.weights()?;
            parts.weights = Some(weights);
            parts.coercions = coercions;
        }
        Some(Role::Outcome) | None => {
            let understood = reading.column()?;
            let column = (understood.feature, understood.column);
            match role {
                Some(_) => parts.outcomes.push(column),
                None => parts.features.push(column),
            }
            parts.coercions = understood.coercions;
        }
    }
    Ok(())
}

/// The fields of a table by column; `None` for columns that are not wanted.
pub(super) struct RawTable {
    pub(super) header: Vec<String>,
    pub(super) columns: Vec<Option<Fields>>,
    pub(super) lines: Lines,
    pub(super) n_rows: usize,
}

/// Reads all rows; `wanted` says for a header which columns to keep.
pub(super) fn read_fields(
    reader: impl Read,
    delimiter: u8,
    limits: Limits,
    wanted: impl FnOnce(&[String]) -> Result<Vec<bool>>,
) -> Result<RawTable> {
    let source = Source::new(reader, limits).map_err(|error| io_error(&error, 0))?;
    let mut csv = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(BUFFER)
        .from_reader(source);
    let mut record = ByteRecord::new();
    if !next(&mut csv, &mut record)? {
        return Err(at(1, None, "the file is empty; expected a header line"));
    }
    let header = header_of(&record, delimiter, limits)?;
    let wanted = wanted(&header)?;
    if let Some(index) =
        (header.iter().zip(&wanted)).position(|(n, wanted)| *wanted && n.is_empty())
    {
        let message = format!(
            "column {} has no name; expected a name for every column",
            index + 1
        );
        return Err(at(1, None, message));
    }
    let mut columns: Vec<Option<Fields>> = wanted
        .iter()
        .map(|wanted| wanted.then(Fields::new))
        .collect();
    let mut counter = LineCounter::after_header(&csv, &record);
    let mut lines = Lines::default();
    let mut n_rows = 0;
    while next(&mut csv, &mut record)? {
        let line = counter.line_of(&csv, &record);
        lines.note(n_rows, line);
        if record.len() != header.len() {
            return Err(ragged(line, header.len(), record.len()));
        }
        if n_rows >= limits.max_rows {
            let message = format!("more rows than the limit of {}", limits.max_rows);
            return Err(at(line, None, message));
        }
        let bytes = record.as_slice();
        for (index, column) in columns.iter_mut().enumerate() {
            let (Some(fields), Some(range)) = (column, record.range(index)) else {
                continue;
            };
            if range.len() > limits.max_field_bytes || !fields.push(bytes, range.start, range.end) {
                let message = if range.len() > limits.max_field_bytes {
                    format!(
                        "a field above the limit of {} bytes",
                        limits.max_field_bytes
                    )
                } else {
                    "bytes that are not UTF-8; expected the file to be saved as UTF-8".into()
                };
                return Err(at(line, header.get(index).map(String::as_str), message));
            }
        }
        n_rows += 1;
    }
    Ok(RawTable {
        header,
        columns,
        lines,
        n_rows,
    })
}

/// Reads one record; false at the end.
fn next<R: Read>(csv: &mut Reader<Source<R>>, record: &mut ByteRecord) -> Result<bool> {
    let more = csv.read_byte_record(record).map_err(|error| {
        let line = csv.position().line();
        match error.into_kind() {
            csv::ErrorKind::Io(error) => io_error(&error, line),
            _ => at(line, None, "the text could not be cut into fields"),
        }
    })?;
    csv.get_mut().record_done();
    Ok(more)
}

/// What went wrong below the text, in words that hold no bytes of it.
fn io_error(error: &io::Error, line: u64) -> Error {
    let own = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Refused>());
    let message = match (own, error.kind()) {
        (Some(refused), _) => refused.to_string(),
        (None, io::ErrorKind::UnexpectedEof) => {
            "the compressed data end early; expected a complete gzip file".into()
        }
        (None, io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
            "the compressed data are damaged; expected a valid gzip file".into()
        }
        (None, kind) => format!("reading failed: {kind}"),
    };
    at(line, None, message)
}

fn ragged(line: u64, expected: usize, found: usize) -> Error {
    let plural = if expected == 1 { "" } else { "s" };
    let message = format!("expected {expected} field{plural}, found {found}");
    at(line, None, message)
}

fn header_of(record: &ByteRecord, delimiter: u8, limits: Limits) -> Result<Vec<String>> {
    if record.len() > limits.max_columns {
        let message = format!("more columns than the limit of {}", limits.max_columns);
        return Err(at(1, None, message));
    }
    let mut header = Vec::with_capacity(record.len());
    let mut seen = BTreeMap::new();
    for (index, field) in record.iter().enumerate() {
        let Ok(name) = std::str::from_utf8(field) else {
            let message = format!("the name of column {} is not UTF-8", index + 1);
            return Err(at(1, None, message));
        };
        let name = name.trim().to_string();
        if let Some(first) = seen.insert(name.clone(), index) {
            let message = format!(
                "the name stands twice, at columns {} and {}; expected unique names",
                first + 1,
                index + 1
            );
            return Err(at(1, Some(&name), message));
        }
        header.push(name);
    }
    if let [name] = header.as_slice() {
        let other = [
            (b';', "a semicolon"),
            (b'\t', "a tab"),
            (b'|', "a vertical bar"),
            (b',', "a comma"),
        ]
        .into_iter()
        .find(|(byte, _)| *byte != delimiter && name.as_bytes().contains(byte));
        if let Some((_, likely)) = other {
            let message = format!(
                "one column whose name holds {likely}; expected another delimiter, likely {likely}"
            );
            return Err(at(1, None, message));
        }
    }
    Ok(header)
}

/// Lines of records: the parser counts line feeds, and leaves the one of a CRLF to the next record.
struct LineCounter {
    /// Line feeds consumed before this record, plus one.
    before: u64,
    /// Line on which the next record starts when no line is blank.
    next: u64,
}

impl LineCounter {
    fn after_header<R: Read>(csv: &Reader<Source<R>>, header: &ByteRecord) -> Self {
        Self {
            before: csv.position().line(),
            next: 2 + line_feeds(header),
        }
    }

    /// The line on which `record`, just read, starts.
    fn line_of<R: Read>(&mut self, csv: &Reader<Source<R>>, record: &ByteRecord) -> u64 {
        let after = csv.position().line();
        let consumed = after - self.before;
        self.before = after;
        let (mut line, mut inside) = (self.next, 0);
        if consumed > 1 {
            inside = line_feeds(record);
            line += consumed.saturating_sub(1 + inside);
        }
        self.next = line + inside + 1;
        line
    }
}

fn line_feeds(record: &ByteRecord) -> u64 {
    record.as_slice().iter().filter(|b| **b == b'\n').count() as u64
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
