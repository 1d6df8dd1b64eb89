//! From the fields of one column to its values: declared kinds, the sniffing rule, coercions.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::ingest::dates;
use crate::ingest::fields::Fields;
use crate::ingest::number::{self, Loss, Parsed};
use crate::ingest::table::{Coercion, CoercionKind};
use crate::matrix::column::{CategoricalColumn, MISSING_CODE};
use crate::matrix::{Column, Feature, FeatureKind, KeyColumn, Time};

/// How the fields of a column are to be understood.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) name: &'a str,
    pub(super) declared: Option<&'a Feature>,
    pub(super) levels: Option<&'a [String]>,
    pub(super) missing: &'a BTreeSet<String>,
    pub(super) max_levels: usize,
}

/// Lines of the file by row: stored only where a row is not on the line after the row above it.
#[derive(Debug, Default)]
pub(super) struct Lines {
    breaks: Vec<(usize, u64)>,
}

impl Lines {
    /// Notes the line of the next row.
    pub(super) fn note(&mut self, row: usize, line: u64) {
        if self.line(row) != line {
            self.breaks.push((row, line));
        }
    }

    /// First line of a row.
    pub(super) fn line(&self, row: usize) -> u64 {
        let after = self.breaks.partition_point(|(first, _)| *first <= row);
        match after.checked_sub(1).and_then(|i| self.breaks.get(i)) {
            Some((first, line)) => line + (row - first) as u64,
            None => row as u64 + 2,
        }
    }
}

/// An error at a place of the file.
pub(super) fn at(line: u64, column: Option<&str>, message: impl Into<String>) -> Error {
    ErrorKind::Ingest {
        line,
        column: column.map(str::to_string),
        message: message.into(),
    }
    .into()
}

/// What a distinct text of the column is.
#[derive(Debug, Clone, Copy)]
enum Class {
    Missing,
    Number(f64),
    Infinite,
    Text,
}

/// One column while it is understood.
pub(super) struct Reading<'a> {
    fields: Fields,
    rules: Rules<'a>,
    lines: &'a Lines,
    counts: OnceCell<Vec<usize>>,
    coercions: BTreeMap<u8, (CoercionKind, usize)>,
}

/// A column, understood.
pub(super) struct Understood {
    pub(super) feature: Feature,
    pub(super) column: Column,
    pub(super) coercions: Vec<Coercion>,
}

impl<'a> Reading<'a> {
    /// Fields with the rules for them.
    pub(super) fn new(fields: Fields, rules: Rules<'a>, lines: &'a Lines) -> Self {
        Self {
            fields,
            rules,
            lines,
            counts: OnceCell::new(),
            coercions: BTreeMap::new(),
        }
    }

    /// A feature or an outcome.
    pub(super) fn column(mut self) -> Result<Understood> {
        let feature = match self.rules.declared {
            Some(feature) => feature.clone(),
            None => Feature::new(self.rules.name, self.sniff()?),
        };
        let column = match feature.kind() {
            FeatureKind::Category | FeatureKind::Ordinal => self.levels()?,
            FeatureKind::Flag => self.flags()?,
            FeatureKind::Time => self.days()?,
            FeatureKind::Count => self.numbers("a whole number of zero or more", |value| {
                value >= 0.0 && value.fract() == 0.0
            })?,
            _ => self.numbers(
                "a finite decimal number without thousands marks, or a named missing token",
                |_| true,
            )?,
        };
        Ok(Understood {
            feature,
            column,
            coercions: self.counted(),
        })
    }

    /// Row weights: numbers of zero or more, none missing.
    pub(super) fn weights(mut self) -> Result<(Arc<[f64]>, Vec<Coercion>)> {
        const RULE: &str = "a weight: a finite number of zero or more, never missing";
        self.refuse_missing(RULE)?;
        let Column::Dense(values) = self.numbers(RULE, |value| value >= 0.0)? else {
            return Err(at(0, Some(self.rules.name), RULE));
        };
        Ok((values, self.counted()))
    }

    /// Fields that are keys: none missing, every text numbered once.
    pub(super) fn keyed(self) -> Result<Fields> {
        self.refuse_missing("a key, never missing")?;
        Ok(self.fields.distinct())
    }

    /// Row keys, none missing.
    pub(super) fn keys(self) -> Result<KeyColumn> {
        let fields = self.keyed()?;
        let labels = (0..fields.n_texts() as u32).map(|code| fields.string(code).to_string());
        Ok(KeyColumn::from_codes(
            fields.codes().to_vec(),
            labels.collect(),
        ))
    }

    /// Index times, none missing.
    pub(super) fn times(self) -> Result<Vec<Time>> {
        self.refuse_missing("a time, never missing")?;
        let stamps = self.stamps()?;
        let time = |code: &u32| stamps.get(*code as usize).copied().flatten();
        Ok(self
            .fields
            .codes()
            .iter()
            .map(|code| time(code).unwrap_or_default())
            .collect())
    }

    fn is_missing(&self, text: &[u8]) -> bool {
        text.is_empty()
            || std::str::from_utf8(text).is_ok_and(|text| self.rules.missing.contains(text))
    }

    fn refuse_missing(&self, expected: &str) -> Result<()> {
        match self.fields.texts().position(|text| self.is_missing(text)) {
            None => Ok(()),
            Some(code) => Err(self.wrong(code, expected)),
        }
    }

    /// The error for the first row with a text.
    fn wrong(&self, code: usize, expected: &str) -> Error {
        let line = self.lines.line(self.fields.first_row(code as u32));
        at(line, Some(self.rules.name), format!("expected {expected}"))
    }

    /// Rows with a text; counted once, and only in a column that asks.
    fn count(&self, code: usize) -> usize {
        let counts = self.counts.get_or_init(|| {
            let mut counts = vec![0; self.fields.n_texts()];
            for code in self.fields.codes() {
                if let Some(count) = counts.get_mut(*code as usize) {
                    *count += 1;
                }
            }
            counts
        });
        counts.get(code).copied().unwrap_or(0)
    }

    fn note(&mut self, kind: CoercionKind, code: usize) {
        let count = self.count(code);
        if count > 0 {
            self.coercions.entry(kind as u8).or_insert((kind, 0)).1 += count;
        }
    }

    fn note_missing(&mut self, code: usize, text_is_empty: bool) {
        let kind = match text_is_empty {
            true => CoercionKind::EmptyToMissing,
            false => CoercionKind::TokenToMissing,
        };
        self.note(kind, code);
    }

    fn counted(&self) -> Vec<Coercion> {
        self.coercions
            .values()
            .map(|(kind, count)| Coercion {
                column: self.rules.name.to_string(),
                kind: *kind,
                count: *count,
            })
            .collect()
    }

    fn classes(&self) -> Vec<Class> {
        self.fields
            .texts()
            .map(|text| {
                if self.is_missing(text) {
                    return Class::Missing;
                }
                match number::parse(text) {
                    Parsed::Finite(value) => Class::Number(value),
                    Parsed::Infinite => Class::Infinite,
                    Parsed::Text => Class::Text,
                }
            })
            .collect()
    }

    /// The kind of an undeclared column; see [`TableReader`](crate::ingest::TableReader).
    fn sniff(&mut self) -> Result<FeatureKind> {
        if self.rules.levels.is_some() {
            return Ok(FeatureKind::Category);
        }
        let classes = self.classes();
        let is_text = |class: &Class| matches!(class, Class::Text);
        let is_number = |class: &Class| matches!(class, Class::Number(_));
        if let Some(code) = classes.iter().position(|c| matches!(c, Class::Infinite)) {
            return Err(self.wrong(code, "a finite number"));
        }
        let Some(first_text) = classes.iter().position(is_text) else {
            if !classes.iter().any(is_number) {
                let empty = (CoercionKind::NoValues, self.fields.len());
                self.coercions.insert(CoercionKind::NoValues as u8, empty);
            }
            return Ok(FeatureKind::Numeric);
        };
        if !classes.iter().any(is_number) {
            return Ok(FeatureKind::Category);
        }
        let rows_of = |wanted: &dyn Fn(&Class) -> bool| -> usize {
            let chosen = classes
                .iter()
                .enumerate()
                .filter(|(_, class)| wanted(class));
            chosen.map(|(code, _)| self.count(code)).sum()
        };
        let (numbers, texts) = (rows_of(&is_number), rows_of(&is_text));
        if numbers > texts {
            let line = self.lines.line(self.fields.first_row(first_text as u32));
            return Err(at(
                line,
                Some(self.rules.name),
                format!(
                    "{numbers} fields are numbers and {texts} are not, the first of them here; \
                     declare the column as a category or as numeric, or name its missing tokens"
                ),
            ));
        }
        for (code, class) in classes.iter().enumerate() {
            if matches!(class, Class::Number(_)) {
                self.note(CoercionKind::NumberToLevel, code);
            }
        }
        Ok(FeatureKind::Category)
    }

    /// One number per row by the value of each distinct text.
    fn spread(&self, values: &[f64]) -> Column {
        let value = |code: &u32| values.get(*code as usize).copied().unwrap_or(f64::NAN);
        Column::Dense(self.fields.codes().iter().map(value).collect())
    }

    fn numbers(&mut self, expected: &str, allowed: fn(f64) -> bool) -> Result<Column> {
        let mut values = Vec::with_capacity(self.fields.n_texts());
        for (code, class) in self.classes().into_iter().enumerate() {
            let text = self.fields.text(code as u32);
            match class {
                Class::Missing => {
                    let empty = text.is_empty();
                    self.note_missing(code, empty);
                    values.push(f64::NAN);
                }
                Class::Number(value) if allowed(value) => {
                    if let Some(loss) = number::loss(text, value) {
                        let kind = match loss {
                            Loss::Blanks => CoercionKind::BlanksDropped,
                            Loss::LeadingZeros => CoercionKind::LeadingZerosDropped,
                            Loss::Digits => CoercionKind::DigitsLost,
                        };
                        self.note(kind, code);
                    }
                    values.push(value);
                }
                _ => return Err(self.wrong(code, expected)),
            }
        }
        Ok(self.spread(&values))
    }

    fn flags(&mut self) -> Result<Column> {
        let mut values = Vec::with_capacity(self.fields.n_texts());
        for code in 0..self.fields.n_texts() {
            let text = self.fields.text(code as u32);
            let (empty, plain) = (text.is_empty(), matches!(text, b"0" | b"1"));
            values.push(match number::flag(text) {
                _ if self.is_missing(text) => {
                    self.note_missing(code, empty);
                    f64::NAN
                }
                Some(flag) => {
                    if !plain {
                        self.note(CoercionKind::WordToFlag, code);
                    }
                    f64::from(u8::from(flag))
                }
                None => return Err(self.wrong(code, "a flag: 0 or 1, true or false, yes or no")),
            });
        }
        Ok(self.spread(&values))
    }

    /// Days: numbers as they are, or dates from 1970-01-01 on; not both in one column.
    fn days(&mut self) -> Result<Column> {
        let rule = "a number of days";
        if self.classes().iter().any(|c| matches!(c, Class::Number(_))) {
            return self.numbers(rule, |_| true);
        }
        let stamps = self.stamps()?;
        let mut values = Vec::with_capacity(stamps.len());
        for (code, stamp) in stamps.into_iter().enumerate() {
            let empty = self.fields.text(code as u32).is_empty();
            values.push(match stamp {
                Some(time) => {
                    self.note(CoercionKind::DateToDays, code);
                    (time - Time(0)).as_days()
                }
                None => {
                    self.note_missing(code, empty);
                    f64::NAN
                }
            });
        }
        Ok(self.spread(&values))
    }

    /// Time of each distinct text, `None` where missing.
    fn stamps(&self) -> Result<Vec<Option<Time>>> {
        let mut times = Vec::with_capacity(self.fields.n_texts());
        let mut zoned = None;
        for code in 0..self.fields.n_texts() {
            let text = self.fields.text(code as u32);
            if self.is_missing(text) {
                times.push(None);
                continue;
            }
            let Some(stamp) = dates::parse(self.fields.string(code as u32)) else {
                return Err(self.wrong(code, dates::EXPECTED));
            };
            if *zoned.get_or_insert(stamp.zoned) != stamp.zoned {
                return Err(self.wrong(
                    code,
                    "all times of a column with an offset from UTC, or none",
                ));
            }
            times.push(Some(stamp.time));
        }
        Ok(times)
    }

    fn levels(&mut self) -> Result<Column> {
        let fields = std::mem::replace(&mut self.fields, Fields::new()).distinct();
        // Distinct texts may have new numbers now.
        *self = Self {
            coercions: std::mem::take(&mut self.coercions),
            ..Self::new(fields, self.rules, self.lines)
        };
        let mut present = Vec::with_capacity(self.fields.n_texts());
        for code in 0..self.fields.n_texts() {
            let text = self.fields.text(code as u32);
            if self.is_missing(text) {
                let empty = text.is_empty();
                self.note_missing(code, empty);
            } else {
                present.push(code);
            }
        }
        if present.len() > self.rules.max_levels {
            let code = present.get(self.rules.max_levels).copied().unwrap_or(0);
            let limit = self.rules.max_levels;
            return Err(self.wrong(
                code,
                &format!("at most {limit} levels; ignore an identifier or free text, or raise `max_levels`"),
            ));
        }
        let mut number_of = vec![MISSING_CODE; self.fields.n_texts()];
        let levels: Vec<String> = match self.rules.levels {
            Some(declared) => {
                let position: BTreeMap<&[u8], u32> =
                    (declared.iter().map(String::as_bytes)).zip(0..).collect();
                if position.len() != declared.len() {
                    let message = "a declared level stands twice";
                    return Err(at(0, Some(self.rules.name), message));
                }
                for code in present {
                    match position.get(self.fields.text(code as u32)) {
                        Some(number) => number_of[code] = *number,
                        None => return Err(self.wrong(code, "one of the declared levels")),
                    }
                }
                declared.to_vec()
            }
            None => {
                present.sort_unstable_by(|a, b| {
                    let text = |code: &usize| self.fields.text(*code as u32);
                    text(a).cmp(text(b))
                });
                for (number, code) in present.iter().enumerate() {
                    number_of[*code] = number as u32;
                }
                present
                    .iter()
                    .map(|code| self.fields.string(*code as u32).to_string())
                    .collect()
            }
        };
        let number = |code: &u32| {
            number_of
                .get(*code as usize)
                .copied()
                .unwrap_or(MISSING_CODE)
        };
        Ok(Column::Categorical(CategoricalColumn {
            codes: self.fields.codes().iter().map(number).collect(),
            levels: levels.into(),
        }))
    }
}
