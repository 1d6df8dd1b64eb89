//! Items of patients, for itemsets and rules: learnt on training rows, then found in any.
//!
//! ```text
//!   feature                  items
//!   flag, count              the name, where it is above zero
//!   category, ordinal        "name = level", one a level
//!   columns of codes         "name code", one a code, whichever of the columns it stands in
//!   number                   intervals: "name <= 40", "40 < name <= 65", "name > 65"
//!   an item of a hierarchy   also all that stands above it
//! ```
//!
//! The unit is the patient: it has an item if any of its rows has it. Missing is not absent: a unit none of
//! whose rows knows a feature is *unknown* for all items of that feature, and left out where a rule is
//! judged by them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::design::align::{Reader, align, cut_sparse, refuse_infinite, schema_of};
use crate::design::baskets::{Feature as Column, Items, Sorted};
use crate::design::hierarchy::Hierarchy;
use crate::design::item_rule::Rule;
use crate::design::items_saved::RawItemizer;
use crate::error::{ErrorKind, Result};
use crate::estimator::input::RowsAccess;
use crate::estimator::{Rows, RowsSource, TrainingRows};
use crate::matrix::column::MISSING_CODE;
use crate::matrix::{Feature, FeatureKind, Schema};
use crate::numeric::parallel::map_tasks;
use crate::numeric::rank::quantile_sorted;

const NAME: &str = "items";

/// What counts as one basket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Unit {
    /// All rows of a patient together; a table without patient keys has a patient a row.
    #[default]
    Patient,
    /// Every row: a visit, an encounter.
    Row,
}

/// How a number becomes items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Cut {
    /// Upper ends of intervals, increasing; the last interval has none.
    At(Vec<f64>),
    /// Ends of intervals that hold about equally many training rows.
    Quantiles(usize),
    /// Below, within and above.
    Range(f64, f64),
}

/// How items are made; [`ItemParams::learn`] checks it.
///
/// ```
/// use galen::design::ItemParams;
/// use galen::matrix::PatientMatrix;
///
/// # fn main() -> galen::Result<()> {
/// let rows = PatientMatrix::from_columns([
///     ("age", vec![34.0, 71.0, 66.0]),
///     ("sodium", vec![128.0, 140.0, f64::NAN]),
/// ])?;
/// let itemizer = ItemParams::default()
///     .cuts("age", [40.0, 65.0])
///     .range("sodium", 135.0, 145.0)
///     .learn(&rows)?;
/// let items = itemizer.items(&rows)?;
/// let names: Vec<&str> = items.basket(0).map(|item| items.name(item)).collect();
/// assert_eq!(names, ["age <= 40", "sodium < 135"]);
/// assert_eq!(items.basket(2).count(), 1); // sodium is unknown there, not normal
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemParams {
    unit: Unit,
    cuts: BTreeMap<String, Cut>,
    others: usize,
    /// Columns of one list of codes, by column: the name of the list.
    pools: BTreeMap<String, String>,
    only: BTreeSet<String>,
    left_out: BTreeSet<String>,
    left_out_levels: BTreeSet<(String, String)>,
    hierarchy: Hierarchy,
}

impl Default for ItemParams {
    fn default() -> Self {
        Self {
            unit: Unit::Patient,
            cuts: BTreeMap::new(),
            others: 4,
            pools: BTreeMap::new(),
            only: BTreeSet::new(),
            left_out: BTreeSet::new(),
            left_out_levels: BTreeSet::new(),
            hierarchy: Hierarchy::default(),
        }
    }
}

impl ItemParams {
    /// Sets what a basket is; patients by default.
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// Cuts a number into intervals at these values, each the upper end of one.
    #[must_use]
    pub fn cuts(mut self, feature: impl Into<String>, at: impl IntoIterator<Item = f64>) -> Self {
        self.cuts
            .insert(feature.into(), Cut::At(at.into_iter().collect()));
        self
    }

    /// Cuts a number into intervals of about equally many training rows.
    #[must_use]
    pub fn quantiles(mut self, feature: impl Into<String>, intervals: usize) -> Self {
        self.cuts.insert(feature.into(), Cut::Quantiles(intervals));
        self
    }

    /// Cuts a number by its reference range: below `lowest`, within, above `highest`.
    #[must_use]
    pub fn range(mut self, feature: impl Into<String>, lowest: f64, highest: f64) -> Self {
        self.cuts
            .insert(feature.into(), Cut::Range(lowest, highest));
        self
    }

    /// Sets the number of quantile intervals of numbers that nothing else is said of; 4 by default.
    #[must_use]
    pub fn other_numbers(mut self, intervals: usize) -> Self {
        self.others = intervals;
        self
    }

    /// Reads columns as one list of codes (first, second, third diagnosis): an item is a code, whichever
    /// column it stands in, and an empty place is no code rather than an unknown one.
    ///
    /// ```
    /// use galen::design::ItemParams;
    /// use galen::matrix::{Column, Feature, PatientMatrix};
    ///
    /// # fn main() -> galen::Result<()> {
    /// let codes = |of: [Option<&str>; 2]| Column::categorical(of.map(|code| code.map(String::from)));
    /// let rows = PatientMatrix::from_columns([("age", vec![61.0, 58.0])])?
    ///     .with_column(Feature::category("first"), codes([Some("I10"), Some("E11")]))?
    ///     .with_column(Feature::category("second"), codes([Some("E11"), None]))?
    ///     .without(&["age"])?;
    /// let items = ItemParams::default().codes("diagnosis", ["first", "second"]).learn(&rows)?.items(&rows)?;
    /// assert_eq!(items.names(), ["diagnosis E11", "diagnosis I10"]);
    /// assert_eq!(items.supports(), [2, 1]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn codes<S: Into<String>>(
        mut self,
        name: impl Into<String>,
        columns: impl IntoIterator<Item = S>,
    ) -> Self {
        let name = name.into();
        for column in columns {
            self.pools.insert(column.into(), name.clone());
        }
        self
    }

    /// Makes items of these features only.
    #[must_use]
    pub fn only<S: Into<String>>(mut self, features: impl IntoIterator<Item = S>) -> Self {
        self.only.extend(features.into_iter().map(Into::into));
        self
    }

    /// Makes no items of a feature.
    #[must_use]
    pub fn leave_out(mut self, feature: impl Into<String>) -> Self {
        self.left_out.insert(feature.into());
        self
    }

    /// Makes no item of a level: of "none", "no", "not taken".
    #[must_use]
    pub fn leave_out_level(mut self, feature: impl Into<String>, level: impl Into<String>) -> Self {
        self.left_out_levels.insert((feature.into(), level.into()));
        self
    }

    /// Sets what stands above items, by their names.
    #[must_use]
    pub fn hierarchy(mut self, hierarchy: Hierarchy) -> Self {
        self.hierarchy = hierarchy;
        self
    }

    fn check(&self, schema: &Schema) -> Result<()> {
        let refuse = |name: &'static str, value: String, rule: &'static str| {
            Err(ErrorKind::Parameter {
                estimator: NAME,
                name,
                value,
                rule,
            }
            .into())
        };
        if self.others == 0 {
            return refuse("other_numbers", "0".into(), ">= 1");
        }
        let named = self
            .cuts
            .keys()
            .chain(&self.left_out)
            .chain(self.pools.keys());
        for name in named.chain(self.left_out_levels.iter().map(|(name, _)| name)) {
            schema.find(name)?;
        }
        for name in self.pools.keys() {
            if !schema.features()[schema.find(name)?]
                .kind()
                .is_categorical()
            {
                return refuse("codes", format!("`{name}`"), "columns of categories");
            }
        }
        for (name, cut) in &self.cuts {
            let of = |text: &str| format!("{text} for `{name}`");
            let kind = schema.features()[schema.find(name)?].kind();
            if kind.is_categorical() {
                return refuse("cuts", of("intervals"), "given for numbers only");
            }
            match cut {
                Cut::At(at) => {
                    let increasing = at.windows(2).all(|pair| pair[0] < pair[1]);
                    if at.is_empty() || !increasing || at.iter().any(|end| !end.is_finite()) {
                        return refuse("cuts", of("values"), "finite and increasing, one at least");
                    }
                }
                Cut::Quantiles(intervals) if *intervals == 0 => {
                    return refuse("quantiles", of("0"), ">= 1");
                }
                Cut::Range(low, high) if !(low < high && low.is_finite() && high.is_finite()) => {
                    return refuse("range", of("ends"), "finite, the lowest below the highest");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Learns the items of training rows: levels that occur, ends of quantiles.
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`]; [`ErrorKind::FeatureNames`] for a setting of a feature that is not
    /// there; [`ErrorKind::NonFinite`] for an infinity; [`ErrorKind::NoFeatures`].
    pub fn learn<R: TrainingRows>(&self, rows: &R) -> Result<Itemizer> {
        let source = rows.source();
        let (schema, _) = schema_of(source)?;
        self.check(&schema)?;
        let kept: Vec<Feature> = schema
            .features()
            .iter()
            .filter(|f| !self.left_out.contains(f.name()))
            .filter(|f| self.only.is_empty() || self.only.contains(f.name()))
            .cloned()
            .collect();
        let schema = Schema::new(kept)?;
        if schema.is_empty() {
            return Err(ErrorKind::NoFeatures { what: NAME }.into());
        }
        let readers = align(&schema, source)?;
        let learnt = map_tasks(schema.len(), |at| {
            self.learn_feature(&schema.features()[at], &readers[at], source.n_rows())
        });
        let mut itemizer = Itemizer {
            schema,
            unit: self.unit,
            rules: learnt.into_iter().collect::<Result<_>>()?,
            names: Vec::new(),
            ids: Vec::new(),
            above: Vec::new(),
        };
        itemizer.name(&self.hierarchy);
        Ok(itemizer)
    }

    fn learn_feature(&self, feature: &Feature, reader: &Reader<'_>, n_rows: usize) -> Result<Rule> {
        let name = feature.name();
        if feature.kind().is_categorical() {
            let Reader::View(view) = reader else {
                return Ok(Rule::Levels(Vec::new()));
            };
            let mut codes = vec![MISSING_CODE; n_rows];
            view.fill_codes(0, &mut codes);
            let mut seen = vec![false; view.levels().len()];
            for code in codes.into_iter().filter(|code| *code != MISSING_CODE) {
                seen[code as usize] = true;
            }
            let levels = view.levels().iter().zip(seen).filter(|(_, seen)| *seen);
            let left_out =
                |level: &str| self.left_out_levels.contains(&(name.into(), level.into()));
            let kept = levels
                .map(|(level, _)| level.clone())
                .filter(|level| !left_out(level));
            let mut kept: Vec<String> = kept.collect();
            return Ok(match self.pools.get(name) {
                Some(pool) => {
                    kept.sort();
                    Rule::Codes(pool.clone(), kept)
                }
                None => Rule::Levels(kept),
            });
        }
        let cut = match (self.cuts.get(name), feature.kind()) {
            (None, FeatureKind::Flag | FeatureKind::Count) => return Ok(Rule::Present),
            (None, _) => &Cut::Quantiles(self.others),
            (Some(cut), _) => cut,
        };
        Ok(match cut {
            Cut::At(at) => Rule::Cuts(at.clone()),
            Cut::Range(low, high) => Rule::Range(*low, *high),
            Cut::Quantiles(intervals) => {
                let mut values = vec![0.0; n_rows];
                reader.fill(0, &mut values);
                refuse_infinite(feature, 0, &values)?;
                values.retain(|value| !value.is_nan());
                values.sort_unstable_by(f64::total_cmp);
                let share = |at: usize| at as f64 / *intervals as f64;
                let ends = (1..*intervals).filter_map(|at| quantile_sorted(&values, share(at)));
                let mut ends: Vec<f64> = ends.collect();
                ends.dedup();
                // An end at the largest value has nothing above it.
                ends.retain(|end| values.last().is_some_and(|last| end < last));
                Rule::Cuts(ends)
            }
        })
    }
}

/// What an item of new rows is; made by [`ItemParams::learn`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawItemizer")]
pub struct Itemizer {
    pub(super) schema: Schema,
    pub(super) unit: Unit,
    pub(super) rules: Vec<Rule>,
    pub(super) names: Vec<String>,
    /// The items of every feature; columns of one list of codes share them.
    pub(super) ids: Vec<Vec<u32>>,
    /// Items above every item, increasing.
    pub(super) above: Vec<Vec<u32>>,
}

impl Itemizer {
    /// Names of all items: those of features in order, then what only stands above others.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    fn name(&mut self, hierarchy: &Hierarchy) {
        let mut known: BTreeMap<String, u32> = BTreeMap::new();
        for (rule, feature) in self.rules.iter().zip(self.schema.features()) {
            let mut ids = Vec::new();
            for name in rule.names(feature) {
                let next = self.names.len() as u32;
                let item = match (rule, known.get(&name)) {
                    (Rule::Codes(..), Some(item)) => *item,
                    _ => {
                        self.names.push(name.clone());
                        known.entry(name).or_insert(next);
                        next
                    }
                };
                ids.push(item);
            }
            self.ids.push(ids);
        }
        let own = self.names.len();
        for item in 0..own {
            let names = hierarchy.ancestors(&self.names[item]);
            let above: BTreeSet<u32> = names
                .into_iter()
                .map(|name| {
                    *known.entry(name.into()).or_insert_with(|| {
                        self.names.push(name.into());
                        self.names.len() as u32 - 1
                    })
                })
                .collect();
            self.above.push(above.into_iter().collect());
        }
        for item in own..self.names.len() {
            let names = hierarchy.ancestors(&self.names[item]);
            let above: BTreeSet<u32> = names
                .into_iter()
                .filter_map(|name| known.get(name).copied())
                .collect();
            self.above.push(above.into_iter().collect());
        }
    }

    /// The items of rows; columns are found by name. A level that training did not show has no item.
    ///
    /// Cost: in proportion to the values, stored ones for sparse columns; features in parallel.
    ///
    /// Rows of a sealed test side have none to show:
    ///
    /// ```compile_fail,E0277
    /// use galen::design::Itemizer;
    /// use galen::estimator::TestRows;
    ///
    /// fn study(itemizer: &Itemizer, rows: &TestRows) {
    ///     let _ = itemizer.items(rows);
    /// }
    /// ```
    ///
    /// Those of training have:
    ///
    /// ```
    /// use galen::design::Itemizer;
    /// use galen::matrix::PatientMatrix;
    ///
    /// fn study(itemizer: &Itemizer, rows: &PatientMatrix) {
    ///     let _ = itemizer.items(rows);
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::FeatureNames`], [`ErrorKind::FeatureMismatch`]; [`ErrorKind::NonFinite`] for an
    /// infinity.
    pub fn items<R: TrainingRows>(&self, rows: &R) -> Result<Items> {
        self.items_of(rows)
    }

    /// The items of any rows, sealed ones too: never handed to a caller.
    pub(crate) fn items_of<R: Rows>(&self, rows: &R) -> Result<Items> {
        let source = rows.source();
        let owned = cut_sparse(source);
        let read = owned.as_ref().map_or(source, RowsSource::Matrix);
        let readers = align(&self.schema, read)?;
        let n_rows = source.n_rows();
        let units = self.units(source);
        let columns = map_tasks(readers.len(), |at| {
            self.column(at, &readers[at], n_rows, &units)
        });
        let columns = columns.into_iter().collect::<Result<Vec<Column>>>()?;
        let features = self.feature_of_items();
        Ok(Items::new(
            self.names.clone(),
            self.above.clone(),
            features,
            units,
            columns,
        ))
    }

    /// The feature of every item that has one.
    fn feature_of_items(&self) -> Vec<Option<u32>> {
        let mut features = vec![None; self.names.len()];
        for (feature, (rule, ids)) in self.rules.iter().zip(&self.ids).enumerate() {
            if !matches!(rule, Rule::Codes(..)) {
                for item in ids {
                    features[*item as usize] = Some(feature as u32);
                }
            }
        }
        features
    }

    /// Units by row, and rows by unit.
    fn units(&self, source: RowsSource<'_>) -> Sorted {
        let keys = match (self.unit, source) {
            (Unit::Patient, RowsSource::Matrix(matrix)) => matrix.keys().patient_keys().cloned(),
            _ => None,
        };
        Sorted::new(source.n_rows(), keys.as_ref().map(|keys| keys.codes()))
    }

    fn column(
        &self,
        at: usize,
        reader: &Reader<'_>,
        n_rows: usize,
        units: &Sorted,
    ) -> Result<Column> {
        let (rule, feature, ids) = (&self.rules[at], &self.schema.features()[at], &self.ids[at]);
        let mut found = Column::default();
        if let Rule::Levels(levels) | Rule::Codes(_, levels) = rule {
            let Reader::View(view) = reader else {
                return Ok(found);
            };
            let known: BTreeMap<&str, u32> = levels
                .iter()
                .enumerate()
                .map(|(at, l)| (l.as_str(), at as u32))
                .collect();
            let table: Vec<Option<u32>> = view
                .levels()
                .iter()
                .map(|l| known.get(l.as_str()).copied())
                .collect();
            let mut codes = vec![MISSING_CODE; n_rows];
            view.fill_codes(0, &mut codes);
            for (row, code) in codes.into_iter().enumerate() {
                let item = table.get(code as usize).copied().flatten();
                let unknown = code == MISSING_CODE && matches!(rule, Rule::Levels(_));
                found.see(units, row, item.map(|item| ids[item as usize]), unknown);
            }
            found.end(units);
            return Ok(found);
        }
        if let (Rule::Present, Reader::View(view)) = (rule, reader)
            && let Some((rows, values)) = view.stored_between(0, n_rows)
        {
            // Sparse columns hold no missing values and no infinities.
            for (row, _) in rows.iter().zip(values).filter(|(_, value)| **value > 0.0) {
                found.see(units, *row as usize, Some(ids[0]), false);
            }
            found.end(units);
            return Ok(found);
        }
        let mut values = vec![0.0; n_rows];
        reader.fill(0, &mut values);
        refuse_infinite(feature, 0, &values)?;
        for (row, value) in values.into_iter().enumerate() {
            let item = if value.is_nan() {
                None
            } else {
                rule.of_number(value)
            };
            found.see(
                units,
                row,
                item.map(|item| ids[item as usize]),
                value.is_nan(),
            );
        }
        found.end(units);
        Ok(found)
    }
}

#[cfg(test)]
#[path = "items_tests.rs"]
mod tests;
