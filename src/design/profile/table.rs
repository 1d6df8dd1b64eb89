//! The description of a matrix as data and as a table.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};
use crate::matrix::FeatureKind;

/// A number of rows, or that it is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// The number.
    Count(u64),
    /// At least one row and fewer than this.
    Below(u64),
    /// Not told, so that a small cell beside it does not follow from the total.
    Hidden,
}

impl Cell {
    /// The number, unless it is hidden.
    pub fn count(self) -> Option<u64> {
        match self {
            Self::Count(count) => Some(count),
            Self::Below(_) | Self::Hidden => None,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => f.pad(&count.to_string()),
            Self::Below(limit) => f.pad(&format!("<{limit}")),
            Self::Hidden => f.pad("hidden"),
        }
    }
}

/// Every feature of a matrix in a few numbers; prints as aligned tables, serialises as data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Rows described.
    pub rows: Cell,
    /// The limit of [`Description::suppress_below`], where it was applied.
    pub suppressed_below: Option<u64>,
    /// One profile per feature, in schema order.
    pub features: Vec<FeatureProfile>,
}

/// One feature in a few numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureProfile {
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: FeatureKind,
    /// Unit of its numbers.
    pub unit: Option<String>,
    /// Rows described: missing values, zeros and others, or missing values and levels.
    pub rows: Cell,
    /// Rows without a value.
    pub missing: Cell,
    /// What the present values are like.
    pub values: Values,
}

/// What the present values of a feature are like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Values {
    /// Of numbers.
    Numbers(NumberProfile),
    /// Of levels.
    Levels(LevelProfile),
}

/// Numbers of one feature; what is not defined or not told is `None` or absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberProfile {
    /// Rows that hold 0.
    pub zeros: Cell,
    /// Rows that hold another number.
    pub others: Cell,
    /// Mean of the present values; `None` without one, or where the sum overflows.
    pub mean: Option<f64>,
    /// Standard deviation (n - 1) of the present values; `None` below two.
    pub sd: Option<f64>,
    /// Quantiles of type 7, in increasing order; empty without present values.
    pub quantiles: Vec<Quantile>,
    /// Smallest value, where extremes were asked for.
    pub min: Option<f64>,
    /// Largest value, where extremes were asked for.
    pub max: Option<f64>,
}

impl Default for NumberProfile {
    /// Of no rows.
    fn default() -> Self {
        Self {
            zeros: Cell::Count(0),
            others: Cell::Count(0),
            mean: None,
            sd: None,
            quantiles: Vec::new(),
            min: None,
            max: None,
        }
    }
}

impl NumberProfile {
    /// The quantile at `percent`, where it is given.
    pub fn quantile(&self, percent: u32) -> Option<f64> {
        let mut quantiles = self.quantiles.iter();
        quantiles
            .find(|quantile| quantile.percent == percent)
            .map(|quantile| quantile.value)
    }

    /// The median, where it is given.
    pub fn median(&self) -> Option<f64> {
        self.quantile(50)
    }
}

/// A quantile of the present values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quantile {
    /// Share of the values below it, in per cent.
    pub percent: u32,
    /// The quantile, in the unit of the feature.
    pub value: f64,
}

/// Levels of one feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelProfile {
    /// Number of levels that occur; `None` where small ones are hidden.
    pub n_levels: Option<u64>,
    /// The most frequent levels, most rows first, in order of names on ties.
    pub levels: Vec<LevelRows>,
    /// Rows of all levels that are not listed.
    pub other: Cell,
}

/// A level and its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelRows {
    /// The level.
    pub level: String,
    /// Its rows.
    pub rows: Cell,
}

impl LevelProfile {
    /// Lists the `listed` most frequent levels.
    pub(super) fn most_frequent(mut levels: Vec<(String, u64)>, listed: usize) -> Self {
        // Levels come in order of names; the sort keeps that order on ties.
        levels.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
        let n_levels = levels.len() as u64;
        let rest = levels.split_off(listed.min(levels.len()));
        Self {
            n_levels: Some(n_levels),
            levels: levels
                .into_iter()
                .map(|(level, rows)| LevelRows {
                    level,
                    rows: Cell::Count(rows),
                })
                .collect(),
            other: Cell::Count(rest.iter().map(|(_, rows)| rows).sum()),
        }
    }
}

impl FeatureProfile {
    /// The numbers, of a feature that holds numbers.
    pub fn numbers(&self) -> Option<&NumberProfile> {
        match &self.values {
            Values::Numbers(numbers) => Some(numbers),
            Values::Levels(_) => None,
        }
    }

    /// The levels, of a feature that holds levels.
    pub fn levels(&self) -> Option<&LevelProfile> {
        match &self.values {
            Values::Numbers(_) => None,
            Values::Levels(levels) => Some(levels),
        }
    }
}

impl Description {
    /// The profile of a feature by name.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureNames`] for an unknown name.
    pub fn feature(&self, name: &str) -> Result<&FeatureProfile> {
        let mut features = self.features.iter();
        features
            .find(|feature| feature.name == name)
            .ok_or_else(|| {
                ErrorKind::FeatureNames {
                    missing: vec![name.to_string()],
                    suggestion: None,
                }
                .into()
            })
    }
}

/// Five significant digits; whole numbers up to a million in full.
fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (value.fract() == 0.0 && size < 1e6) {
        return format!("{}", value + 0.0);
    }
    if !(1e-4..1e7).contains(&size) {
        return format!("{value:.4e}");
    }
    let decimals = (4 - size.log10().floor() as i32).max(0) as usize;
    let text = format!("{value:.decimals$}");
    if decimals == 0 {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_string(), short)
}

/// Prints lines in columns: the first columns to the left, the others to the right.
fn aligned(f: &mut fmt::Formatter<'_>, lines: &[Vec<String>], left: usize) -> fmt::Result {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    for line in lines {
        let mut text = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            if column > 0 {
                text.push_str("  ");
            }
            text.push_str(&match column < left {
                true => format!("{cell:<width$}"),
                false => format!("{cell:>width$}"),
            });
        }
        writeln!(f, "{}", text.trim_end())?;
    }
    Ok(())
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_features = self.features.len();
        writeln!(f, "{} rows, {n_features} features", self.rows)?;
        let numbers: Vec<(&FeatureProfile, &NumberProfile)> = self
            .features
            .iter()
            .filter_map(|feature| Some((feature, feature.numbers()?)))
            .collect();
        if !numbers.is_empty() {
            writeln!(f)?;
            aligned(f, &number_lines(&numbers), 3)?;
        }
        let levels: Vec<(&FeatureProfile, &LevelProfile)> = self
            .features
            .iter()
            .filter_map(|feature| Some((feature, feature.levels()?)))
            .collect();
        if !levels.is_empty() {
            writeln!(f)?;
            aligned(f, &level_lines(&levels), 3)?;
        }
        if let Some(limit) = self.suppressed_below {
            writeln!(
                f,
                "\ncells of 1 to {} rows are hidden",
                limit.saturating_sub(1)
            )?;
        }
        Ok(())
    }
}

fn number_lines(features: &[(&FeatureProfile, &NumberProfile)]) -> Vec<Vec<String>> {
    let extremes = features
        .iter()
        .any(|(_, numbers)| numbers.min.is_some() || numbers.max.is_some());
    let mut percents: Vec<u32> = features
        .iter()
        .flat_map(|(_, numbers)| numbers.quantiles.iter().map(|quantile| quantile.percent))
        .collect();
    percents.sort_unstable();
    percents.dedup();
    let mut head: Vec<String> = ["feature", "kind", "unit", "missing", "zeros", "mean", "sd"]
        .map(str::to_string)
        .into();
    if extremes {
        head.push("min".into());
    }
    head.extend(percents.iter().map(|percent| format!("{percent}%")));
    if extremes {
        head.push("max".into());
    }
    let mut lines = vec![head];
    for (feature, numbers) in features {
        let mut line = start_of(feature);
        line.extend([
            feature.missing.to_string(),
            numbers.zeros.to_string(),
            optional(numbers.mean),
            optional(numbers.sd),
        ]);
        if extremes {
            line.push(optional(numbers.min));
        }
        line.extend(
            percents
                .iter()
                .map(|percent| optional(numbers.quantile(*percent))),
        );
        if extremes {
            line.push(optional(numbers.max));
        }
        lines.push(line);
    }
    lines
}

fn level_lines(features: &[(&FeatureProfile, &LevelProfile)]) -> Vec<Vec<String>> {
    let mut lines = vec![
        ["feature", "kind", "level", "rows"]
            .map(str::to_string)
            .into(),
    ];
    for (feature, profile) in features {
        let line =
            |level: String, rows: Cell| vec![String::new(), String::new(), level, rows.to_string()];
        let first = lines.len();
        for level in &profile.levels {
            lines.push(line(level.level.clone(), level.rows));
        }
        if profile.other != Cell::Count(0) {
            let listed = profile.levels.len() as u64;
            let name = match profile.n_levels {
                Some(n_levels) => format!("(other levels: {})", n_levels.saturating_sub(listed)),
                None => "(other levels)".to_string(),
            };
            lines.push(line(name, profile.other));
        }
        lines.push(line("(missing)".to_string(), feature.missing));
        for (slot, text) in start_of(feature).into_iter().take(2).enumerate() {
            if let Some(cell) = lines.get_mut(first).and_then(|line| line.get_mut(slot)) {
                *cell = text;
            }
        }
    }
    lines
}

fn start_of(feature: &FeatureProfile) -> Vec<String> {
    vec![
        feature.name.clone(),
        feature.kind.to_string(),
        feature.unit.clone().unwrap_or_default(),
    ]
}
