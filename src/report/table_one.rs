//! Table 1: who the patients are, group by group.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};
use crate::estimator::input::RowsAccess;
use crate::estimator::{Cohort, RowsSource, Test, Train};
use crate::matrix::{Binary, FeatureKind, PatientMatrix};
use crate::report::number::{NONE, count, fixed, percent};
use crate::report::render::{Document, Table};
use crate::report::suppress::{HIDDEN, MIN_COUNT, hidden_note, protect_line};
use crate::report::table_one_groups::{Builder, Group};

/// Settings of a [`TableOne`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableOneOptions {
    /// Counts from 1 to one below this are hidden, with those that would give them away; default
    /// 11. At 1 nothing is hidden.
    pub min_count: u64,
    /// Whether a last column shows all rows; default true.
    pub overall: bool,
    /// At most this many levels of a category are shown, the most frequent; the rest are united.
    /// Default 12.
    pub max_levels: usize,
}

impl Default for TableOneOptions {
    fn default() -> Self {
        Self {
            min_count: MIN_COUNT,
            overall: true,
            max_levels: 12,
        }
    }
}

/// Characteristics of the rows by group, small counts hidden.
///
/// Numbers: mean (SD) and median [quartiles, type 7] of the rows that have a value. Levels: count
/// and share of *all* rows of the group, so that shares and missing add up to one. Weights are not
/// used, and the caption says so where a cohort has them. The last column is `Overall` where asked
/// for. What is hidden here is hidden in every format, JSON included.
///
/// ```
/// use galen::matrix::{Column, Feature, PatientMatrix};
/// use galen::report::{TableOne, TableOneOptions};
///
/// # fn main() -> galen::Result<()> {
/// let sex = (0..80).map(|i| Some(if i % 3 == 0 { "female" } else { "male" }));
/// let matrix = PatientMatrix::new(vec![
///     (Feature::numeric("age").unit("years"), Column::dense((0..80).map(f64::from).collect::<Vec<_>>())?),
///     (Feature::category("sex"), Column::categorical(sex)),
/// ])?;
/// let arm: Vec<&str> = (0..80).map(|i| if i < 40 { "a" } else { "b" }).collect();
/// let table = TableOne::by_group(&matrix, &arm, &TableOneOptions::default())?;
/// assert_eq!(table.columns, ["a", "b", "Overall"]);
/// assert!(table.to_text().contains("age, years: mean (SD)"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TableOne {
    /// What the groups are.
    pub caption: String,
    /// Groups, then `Overall` where asked for.
    pub columns: Vec<String>,
    /// Rows by column; `None` where hidden.
    pub n_rows: Vec<Option<u64>>,
    /// One entry per feature, in the order of the matrix.
    pub variables: Vec<Characteristic>,
    /// Counts from 1 to one below this are hidden.
    pub min_count: u64,
}

/// One feature of a [`TableOne`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Characteristic {
    /// Name of the feature.
    pub name: String,
    /// Its unit.
    pub unit: Option<String>,
    /// What is shown of it.
    pub summary: Summary,
    /// Rows without a value, by column.
    pub missing: Vec<Share>,
    /// Standardized mean difference; the largest of all pairs where there are more than two
    /// groups. `None` where it has no value or would give away what is hidden.
    pub smd: Option<f64>,
}

/// What a [`TableOne`] shows of a feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Summary {
    /// Numbers; one entry per column, `None` where hidden or without values.
    Numbers(Vec<Option<Spread>>),
    /// A flag: rows in which it is set.
    Flag(Vec<Share>),
    /// Levels, each with one entry per column.
    Levels(Vec<(String, Vec<Share>)>),
    /// Nothing: too few rows to show any of it.
    Withheld,
}

/// Centre and spread of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Standard deviation (n - 1); 0 for one value.
    pub sd: f64,
    /// Median.
    pub median: f64,
    /// First quartile.
    pub q1: f64,
    /// Third quartile.
    pub q3: f64,
}

/// A count and its share of the group; both `None` where hidden.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Rows.
    pub n: Option<u64>,
    /// Share of the rows of the group; `None` also for an empty group or a hidden size.
    pub share: Option<f64>,
}

impl TableOne {
    /// Groups by a label per row, in the order of the labels.
    ///
    /// # Errors
    /// [`ErrorKind::LengthMismatch`] for another number of labels than rows.
    pub fn by_group<S: AsRef<str>>(
        matrix: &PatientMatrix,
        group: &[S],
        options: &TableOneOptions,
    ) -> Result<Self> {
        if group.len() != matrix.n_rows() {
            return Err(ErrorKind::LengthMismatch {
                what: "groups of Table 1",
                expected: matrix.n_rows(),
                found: group.len(),
            }
            .into());
        }
        let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (row, name) in group.iter().enumerate() {
            rows.entry(name.as_ref()).or_default().push(row);
        }
        let groups = rows.into_iter().map(|(name, rows)| Group {
            name: name.to_string(),
            matrix,
            rows,
        });
        Self::of("Characteristics by group".into(), groups.collect(), options)
    }

    /// Rows without and with the event.
    ///
    /// # Errors
    /// [`ErrorKind::LengthMismatch`] for a target of another length.
    pub fn by_outcome(cohort: &Cohort<Binary>, options: &TableOneOptions) -> Result<Self> {
        let names = cohort.targets.values().iter();
        let names: Vec<&str> = names
            .map(|e| if *e { "Event" } else { "No event" })
            .collect();
        let mut table = Self::by_group(&cohort.records, &names, options)?;
        // Sorted names put the event first; readers expect the larger group there.
        if table.columns.first().is_some_and(|name| name == "Event") && names.contains(&"No event")
        {
            table.swap_first();
        }
        table.caption = format!(
            "Characteristics by outcome: {}{}",
            cohort.targets.event_name(),
            uncounted(!cohort.weights.is_empty())
        );
        Ok(table)
    }

    /// The training and the test side of a split, whose feature values stay sealed otherwise.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureNames`] when a feature stands on one side only.
    pub fn by_split<T: crate::estimator::TargetRows>(
        train: &Train<T>,
        test: &Test<T>,
        options: &TableOneOptions,
    ) -> Result<Self> {
        let mut groups = vec![Group {
            name: "Training".into(),
            matrix: &train.records,
            rows: (0..train.records.n_rows()).collect(),
        }];
        if let RowsSource::Matrix(matrix) = test.rows().source() {
            groups.push(Group {
                name: "Test".into(),
                matrix,
                rows: (0..matrix.n_rows()).collect(),
            });
        }
        let caption = format!(
            "Characteristics of both sides of the split{}",
            uncounted(!train.weights.is_empty())
        );
        Self::of(caption, groups, options)
    }

    fn of(caption: String, groups: Vec<Group<'_>>, options: &TableOneOptions) -> Result<Self> {
        let mut sizes: Vec<u64> = groups.iter().map(|group| group.rows.len() as u64).collect();
        let (mut hidden, safe) = protect_line(&sizes, options.min_count);
        sizes.push(sizes.iter().sum());
        hidden.push(!safe);
        let builder = Builder {
            groups: &groups,
            sizes: &sizes,
            hidden: &hidden,
            options,
        };
        let schema = groups.first().map(|group| group.matrix.schema());
        let features = schema.map_or(&[][..], |schema| schema.features());
        let variables = features
            .iter()
            .filter(|feature| feature.kind() != FeatureKind::Time)
            .map(|feature| builder.characteristic(feature))
            .collect::<Result<Vec<_>>>()?;
        let n_columns = groups.len() + usize::from(options.overall);
        let mut columns: Vec<String> = groups.iter().map(|group| group.name.clone()).collect();
        columns.push("Overall".into());
        columns.truncate(n_columns);
        let n_rows = sizes.iter().zip(&hidden).take(n_columns);
        Ok(Self {
            caption,
            columns,
            n_rows: n_rows
                .map(|(size, hidden)| (!hidden).then_some(*size))
                .collect(),
            variables,
            min_count: options.min_count,
        })
    }

    fn swap_first(&mut self) {
        self.columns.swap(0, 1);
        self.n_rows.swap(0, 1);
        for variable in &mut self.variables {
            variable.missing.swap(0, 1);
            match &mut variable.summary {
                Summary::Numbers(cells) => cells.swap(0, 1),
                Summary::Flag(cells) => cells.swap(0, 1),
                Summary::Levels(levels) => levels.iter_mut().for_each(|(_, c)| c.swap(0, 1)),
                Summary::Withheld => {}
            }
        }
    }

    /// The table for a [`Document`].
    pub fn to_table(&self) -> Table {
        let mut table = Table::new(self.caption.clone()).text("Characteristic");
        for name in &self.columns {
            table = table.number(name.clone());
        }
        table = table.number("SMD");
        let sizes = self.n_rows.iter();
        let sizes: Vec<String> = sizes.map(|n| n.map_or(HIDDEN.into(), count)).collect();
        push(&mut table, false, "Rows", sizes, None);
        for variable in &self.variables {
            variable.write(&mut table);
        }
        table = table.note(
            "Levels: rows (share of all rows of the group). IQR: first and third quartile. SMD: \
             standardized mean difference; above 0.1 groups differ noticeably.",
        );
        let hides = |cell: &String| cell == HIDDEN;
        if table.rows.iter().any(|row| row.cells.iter().any(hides)) {
            table = table.note(hidden_note(self.min_count));
        }
        table
    }

    fn document(&self) -> Document {
        Document::new("Table 1").with(super::render::Block::Table(self.to_table()))
    }

    /// Plain text.
    pub fn to_text(&self) -> String {
        self.document().to_text()
    }

    /// Markdown.
    pub fn to_markdown(&self) -> String {
        self.document().to_markdown()
    }
}

/// What the caption says of weights.
fn uncounted(has_weights: bool) -> &'static str {
    if has_weights {
        " (rows are counted without their weights)"
    } else {
        ""
    }
}

fn push(table: &mut Table, indented: bool, name: &str, cells: Vec<String>, smd: Option<f64>) {
    let mut row = vec![name.to_string()];
    row.extend(cells);
    row.push(smd.map_or(String::new(), |smd| fixed(smd, 3)));
    table.push(indented, row);
}

impl Characteristic {
    fn write(&self, table: &mut Table) {
        let name = match &self.unit {
            Some(unit) => format!("{}, {unit}", self.name),
            None => self.name.clone(),
        };
        match &self.summary {
            Summary::Numbers(cells) => {
                let sds = cells.iter().flatten().map(|cell| cell.sd);
                let decimals = decimals(sds.fold(0.0, f64::max));
                let shown = |text: &dyn Fn(&Spread) -> String| -> Vec<String> {
                    let cells = cells.iter().zip(&self.missing);
                    cells
                        .map(|(cell, missing)| match cell {
                            Some(cell) => text(cell),
                            None if missing.share == Some(1.0) => NONE.into(),
                            None => HIDDEN.into(),
                        })
                        .collect()
                };
                let number = |value: f64| fixed(value, decimals);
                let mean = shown(&|s| format!("{} ({})", number(s.mean), number(s.sd)));
                push(table, false, &format!("{name}: mean (SD)"), mean, self.smd);
                let median = shown(&|s| {
                    format!("{} [{}, {}]", number(s.median), number(s.q1), number(s.q3))
                });
                push(table, true, "median [IQR]", median, None);
            }
            Summary::Flag(cells) => push(table, false, &name, shares(cells), self.smd),
            Summary::Levels(levels) => {
                let empty = vec![String::new(); self.missing.len()];
                push(table, false, &name, empty, self.smd);
                for (level, cells) in levels {
                    push(table, true, level, shares(cells), None);
                }
            }
            Summary::Withheld => {
                let cells = vec![HIDDEN.to_string(); self.missing.len()];
                push(table, false, &name, cells, None);
                return;
            }
        }
        if self.missing.iter().any(|cell| cell.n != Some(0)) {
            push(table, true, "missing", shares(&self.missing), None);
        }
    }
}

fn shares(cells: &[Share]) -> Vec<String> {
    cells
        .iter()
        .map(|cell| match (cell.n, cell.share) {
            (None, _) => HIDDEN.to_string(),
            (Some(n), None) => count(n),
            (Some(n), Some(share)) => format!("{} ({})", count(n), percent(share)),
        })
        .collect()
}

/// Decimals that show a spread to two digits, at least one and at most four.
fn decimals(sd: f64) -> usize {
    [1.0, 0.1, 0.01].iter().filter(|bound| sd < **bound).count() + 1
}

#[cfg(test)]
#[path = "table_one_tests.rs"]
mod tests;
