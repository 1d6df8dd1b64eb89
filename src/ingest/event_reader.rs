//! Long coded events from delimited text.

use std::io::Read;

use crate::error::Result;
use crate::ingest::columns::{Reading, at};
use crate::ingest::csv::{RawTable, read_fields};
use crate::ingest::events::{EventParts, EventTable, NO_UNIT, NO_VALUE, Row, code_at, to_order};
use crate::ingest::fields::Fields;
use crate::ingest::options::{Limits, TableReader};
use crate::matrix::{Column, Feature};

/// Reads events from delimited text: one event per line, columns by name.
///
/// Other columns are ignored. Reading follows the rules of [`TableReader`]: gzip is recognised,
/// patient, time and code are never missing, an empty value or unit is none.
///
/// ```
/// use galen::ingest::EventReader;
/// # fn main() -> galen::Result<()> {
/// let text = "pid,when,what,result,unit\np1,2014-03-31,4548-4,7.2,%\np1,2014-04-02,I10,,\n";
/// let events = EventReader::new("pid", "when", "what")
///     .value("result")
///     .unit("unit")
///     .read(text.as_bytes())?;
/// assert_eq!(events.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct EventReader {
    table: TableReader,
    /// Patient, time, code.
    keys: [String; 3],
    value: Option<String>,
    unit: Option<String>,
}

impl EventReader {
    /// Names the columns of patient, time and code.
    pub fn new(
        patient: impl Into<String>,
        time: impl Into<String>,
        code: impl Into<String>,
    ) -> Self {
        Self {
            table: TableReader::new(),
            keys: [patient.into(), time.into(), code.into()],
            value: None,
            unit: None,
        }
    }

    /// Names the column of values.
    #[must_use]
    pub fn value(mut self, column: impl Into<String>) -> Self {
        self.value = Some(column.into());
        self
    }

    /// Names the column of units.
    #[must_use]
    pub fn unit(mut self, column: impl Into<String>) -> Self {
        self.unit = Some(column.into());
        self
    }

    /// Adds texts that stand for no value or no unit.
    #[must_use]
    pub fn missing_tokens<S: Into<String>>(mut self, tokens: impl IntoIterator<Item = S>) -> Self {
        self.table = self.table.missing_tokens(tokens);
        self
    }

    /// Sets the delimiter, one byte; default a comma.
    #[must_use]
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.table = self.table.delimiter(delimiter);
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.table = self.table.limits(limits);
        self
    }

    /// Reads all events.
    ///
    /// # Errors
    /// As [`TableReader::read`]; a file without events is an empty table.
    pub fn read(&self, reader: impl Read) -> Result<EventTable> {
        let names = (self.keys.iter()).chain(&self.value).chain(&self.unit);
        let names: Vec<&String> = names.collect();
        // Declared, so that a wrong name is refused with a suggestion.
        let declared = (names.iter()).fold(self.table.clone(), |table, name| {
            table.declare(Feature::numeric(name.as_str()))
        });
        let mut raw = read_fields(reader, self.table.delimiter, self.table.limits, |header| {
            declared.roles_of(header)?;
            Ok(header.iter().map(|name| names.contains(&name)).collect())
        })?;
        let [patient, time, code] = &self.keys;
        let patients = self.fields(&mut raw, patient)?;
        let times = self.fields(&mut raw, time)?;
        let codes = self.fields(&mut raw, code)?;
        let values = self.value.as_ref().map(|name| self.fields(&mut raw, name));
        let units = self.unit.as_ref().map(|name| self.fields(&mut raw, name));
        let reading = |fields, name| Reading::new(fields, declared.rules(name), &raw.lines);
        let times = reading(times, time).times()?;
        let values = match (values.transpose()?, &self.value) {
            (Some(fields), Some(name)) => reading(fields, name).column()?.column,
            _ => Column::Dense(Vec::new().into()),
        };
        let units = match (units.transpose()?, &self.unit) {
            (Some(fields), Some(name)) => {
                let missing = declared.rules(name).missing.clone();
                Some((fields.distinct(), missing))
            }
            _ => None,
        };
        let patients = reading(patients, patient).keyed()?;
        let codes = reading(codes, code).keyed()?;
        let parts = EventParts {
            rows: (0..raw.n_rows)
                .map(|row| Row {
                    patient: code_at(&patients, row),
                    time: times.get(row).copied().unwrap_or_default(),
                    code: code_at(&codes, row),
                    unit: units.as_ref().map_or(NO_UNIT, |(f, _)| code_at(f, row)),
                    value: match &values {
                        Column::Dense(values) => to_order(values.get(row).copied()),
                        _ => NO_VALUE,
                    },
                })
                .collect(),
            patients,
            codes,
            no_unit: units
                .as_ref()
                .map(|(_, missing)| missing.clone())
                .unwrap_or_default(),
            units: units.map_or_else(Fields::new, |(fields, _)| fields),
        };
        Ok(parts.sorted())
    }

    /// Takes the fields of a column out of a raw table.
    fn fields(&self, raw: &mut RawTable, name: &str) -> Result<Fields> {
        let position = raw.header.iter().position(|n| n == name);
        let slot = position.and_then(|position| raw.columns.get_mut(position));
        slot.and_then(Option::take)
            .ok_or_else(|| at(1, Some(name), "expected one use per column"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Event;
    use crate::matrix::Time;

    #[test]
    fn text_and_iterator_make_the_same_table() {
        let text = "who,t,c,extra,v,u\nb,1970-01-02,x,9,1.5,mg\na,1970-01-01,y,9,NA,\n";
        let reader = EventReader::new("who", "t", "c")
            .value("v")
            .unit("u")
            .missing_tokens(["NA"]);
        let day = crate::matrix::Span::days(1);
        let expected = EventTable::new([
            Event::new("a", Time(0), "y"),
            Event::new("b", Time(0) + day, "x").value(1.5).unit("mg"),
        ]);
        assert_eq!(reader.read(text.as_bytes()), expected);
        let error = reader.read("who,t,c,v,uu\n".as_bytes()).unwrap_err();
        assert!(error.to_string().contains("missing feature `u`"), "{error}");
        let error = reader
            .read(text.replace("1.5", "1,5").as_bytes())
            .unwrap_err();
        assert!(error.to_string().starts_with("line 2"), "{error}");
        let error = reader
            .read(text.replace("1.5", "high").as_bytes())
            .unwrap_err();
        assert!(
            error.to_string().starts_with("line 2, column `v`"),
            "{error}"
        );
        assert!(reader.read("who,t,c,v,u\n".as_bytes()).unwrap().is_empty());
    }
}
