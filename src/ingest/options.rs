//! How a table is read: roles, declarations, missing tokens and limits.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{ErrorKind, Result};
use crate::ingest::columns::Rules;
use crate::matrix::{Feature, Schema};

/// What a column is for, where it is not a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Patient,
    Site,
    Time,
    Outcome,
    Weight,
    Ignored,
}

/// Sizes above which reading stops with an error instead of filling the memory.
///
/// ```
/// use galen::ingest::Limits;
/// let limits = Limits { max_rows: 1_000_000, ..Limits::default() };
/// assert_eq!(limits.max_levels, 100_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one field; default 1 MiB.
    pub max_field_bytes: usize,
    /// Bytes of one row, as an unclosed quote would make it; default 16 MiB.
    pub max_record_bytes: u64,
    /// Columns; default 100,000.
    pub max_columns: usize,
    /// Rows; default 4,294,967,294, which is what a matrix holds.
    pub max_rows: usize,
    /// Bytes of the whole table after decompression; default 64 GiB.
    pub max_bytes: u64,
    /// Decompressed bytes per compressed byte, looked at from 16 MiB on; default 300.
    pub max_ratio: u32,
    /// Levels of one categorical column; default 100,000.
    pub max_levels: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_field_bytes: 1 << 20,
            max_record_bytes: 16 << 20,
            max_columns: 100_000,
            max_rows: u32::MAX as usize - 1,
            max_bytes: 64 << 30,
            max_ratio: 300,
            max_levels: 100_000,
        }
    }
}

/// Reads wide tables: a row is a patient at an index time, a column is a feature or has a role.
///
/// Columns that are not declared are sniffed, by one rule and without guesses:
///
/// * every field that is not missing is a finite number: numeric;
/// * at most half of them are numbers: a category, numbers kept as levels;
/// * more than half but not all are numbers, or one is infinite: an error, because either a missing
///   token is not named or the numbers are codes (ICD-9 `250.83` beside `V45`). Name the token or
///   declare the column.
///
/// Thousands marks, decimal commas and dates are never guessed at. A field is missing when it is
/// empty or when a caller's token says so: `None`, `NA` and `NULL` are values until then. What was
/// changed on the way is counted in [`Table::coercions`](crate::ingest::Table::coercions).
///
/// ```
/// use galen::ingest::TableReader;
/// use galen::matrix::{Binary, Feature};
///
/// # fn main() -> galen::Result<()> {
/// let text = "\
/// visit,id,age,ward,hba1c,readmitted
/// 1,p1,54,3,None,NO
/// 2,p2,61,1,>8,<30
/// 3,p1,?,3,None,NO
/// ";
/// let table = TableReader::new()
///     .missing_tokens(["?"])
///     .patient("id")
///     .outcome("readmitted")
///     .ignore("visit")
///     .declare(Feature::numeric("age").unit("a"))
///     .declare(Feature::category("ward")) // a code that looks like a number
///     .read(text.as_bytes())?;
/// assert_eq!(table.matrix().schema().len(), 3);
/// assert!(table.matrix().column("age")?.is_missing(2));
/// assert_eq!(table.matrix().column("hba1c")?.level(0), Some("None"));
/// let target = Binary::event("<30").of_column(table.outcome("readmitted")?)?;
/// assert_eq!(target.n_events(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TableReader {
    roles: Vec<(String, Role)>,
    declared: BTreeMap<String, Feature>,
    levels: BTreeMap<String, Vec<String>>,
    missing: BTreeSet<String>,
    missing_of: BTreeMap<String, BTreeSet<String>>,
    pub(super) limits: Limits,
    pub(super) delimiter: u8,
}

impl Default for TableReader {
    fn default() -> Self {
        Self::new()
    }
}

impl TableReader {
    /// A reader of comma-separated text with a header line, every column a feature.
    pub fn new() -> Self {
        Self {
            roles: Vec::new(),
            declared: BTreeMap::new(),
            levels: BTreeMap::new(),
            missing: BTreeSet::new(),
            missing_of: BTreeMap::new(),
            limits: Limits::default(),
            delimiter: b',',
        }
    }

    /// Sets the delimiter, one byte; default a comma.
    #[must_use]
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// Adds texts that stand for missing in every column; the empty field always does.
    #[must_use]
    pub fn missing_tokens<S: Into<String>>(mut self, tokens: impl IntoIterator<Item = S>) -> Self {
        self.missing.extend(tokens.into_iter().map(Into::into));
        self
    }

    /// Sets the texts that stand for missing in one column, in place of those of all columns.
    #[must_use]
    pub fn missing_tokens_of<S: Into<String>>(
        mut self,
        column: impl Into<String>,
        tokens: impl IntoIterator<Item = S>,
    ) -> Self {
        let tokens = tokens.into_iter().map(Into::into).collect();
        self.missing_of.insert(column.into(), tokens);
        self
    }

    /// Names the column of patient identifiers; it becomes a row key, never a feature.
    #[must_use]
    pub fn patient(self, column: impl Into<String>) -> Self {
        self.role(column, Role::Patient)
    }

    /// Names the column of sites; it becomes a row key, never a feature.
    #[must_use]
    pub fn site(self, column: impl Into<String>) -> Self {
        self.role(column, Role::Site)
    }

    /// Names the column of index times (ISO 8601); it becomes a row key, never a feature.
    #[must_use]
    pub fn time(self, column: impl Into<String>) -> Self {
        self.role(column, Role::Time)
    }

    /// Names a column that is to be predicted; it is kept apart, never a feature. May be repeated.
    #[must_use]
    pub fn outcome(self, column: impl Into<String>) -> Self {
        self.role(column, Role::Outcome)
    }

    /// Names the column of row weights (zero or more); it is kept apart, never a feature.
    #[must_use]
    pub fn weight(self, column: impl Into<String>) -> Self {
        self.role(column, Role::Weight)
    }

    /// Names a column that is not read.
    #[must_use]
    pub fn ignore(self, column: impl Into<String>) -> Self {
        self.role(column, Role::Ignored)
    }

    fn role(mut self, column: impl Into<String>, role: Role) -> Self {
        self.roles.push((column.into(), role));
        self
    }

    /// Declares a feature or outcome by name: its kind is taken, not sniffed.
    ///
    /// Numeric columns take decimal numbers; counts whole numbers of zero or more; flags 0/1,
    /// true/false and yes/no in any case; categories any text; times a number of days, or ISO 8601
    /// dates that become days since 1970-01-01.
    #[must_use]
    pub fn declare(mut self, feature: Feature) -> Self {
        self.declared.insert(feature.name().to_string(), feature);
        self
    }

    /// Declares every feature of a schema, for example that of a fitted model.
    #[must_use]
    pub fn declare_all(self, schema: &Schema) -> Self {
        schema.features().iter().cloned().fold(self, Self::declare)
    }

    /// Names the levels of a category in order; any other level is then an error.
    ///
    /// Without it levels stand in byte order. An undeclared column with levels is a category.
    #[must_use]
    pub fn levels<S: Into<String>>(
        mut self,
        column: impl Into<String>,
        levels: impl IntoIterator<Item = S>,
    ) -> Self {
        let levels = levels.into_iter().map(Into::into).collect();
        self.levels.insert(column.into(), levels);
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Role of every column of a header; checks every name that the caller gave against it.
    pub(super) fn roles_of(&self, header: &[String]) -> Result<Vec<Option<Role>>> {
        let named = (self.roles.iter().map(|(name, _)| name))
            .chain(self.declared.keys())
            .chain(self.levels.keys())
            .chain(self.missing_of.keys());
        let known: BTreeSet<&String> = header.iter().collect();
        let mut missing: Vec<String> = named
            .filter(|name| !known.contains(name))
            .cloned()
            .collect();
        missing.sort_unstable();
        missing.dedup();
        if !missing.is_empty() {
            let features = header.iter().filter(|name| !name.is_empty());
            let schema = Schema::new(features.map(Feature::numeric).collect())?;
            return Err(schema.unknown(missing));
        }
        let mut roles = vec![None; header.len()];
        for (position, name) in header.iter().enumerate() {
            for (_, role) in self.roles.iter().filter(|(named, _)| named == name) {
                let shared = |other: &Option<Role>| *other == Some(*role);
                let alone = !matches!(role, Role::Outcome | Role::Ignored);
                if roles[position].is_some_and(|other| other != *role)
                    || alone && roles.iter().any(shared)
                {
                    return Err(ErrorKind::Parameter {
                        estimator: "TableReader",
                        name: "role",
                        value: name.clone(),
                        rule: "one role per column, and one column each as patient, site, time and weight",
                    }
                    .into());
                }
                roles[position] = Some(*role);
            }
        }
        Ok(roles)
    }

    /// How the fields of a column are to be understood.
    pub(super) fn rules<'a>(&'a self, name: &'a str) -> Rules<'a> {
        Rules {
            name,
            declared: self.declared.get(name),
            levels: self.levels.get(name).map(Vec::as_slice),
            missing: self.missing_of.get(name).unwrap_or(&self.missing),
            max_levels: self.limits.max_levels,
        }
    }
}
