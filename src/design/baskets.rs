//! Which unit has which items: baskets, with what is not known of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::gather::{Gather, tidy};
use crate::error::{ErrorKind, Result};

/// Rows sorted by the unit they belong to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sorted {
    /// Unit of every row.
    unit_of: Vec<u32>,
    n_units: usize,
    /// Rows of every unit.
    sizes: Vec<u32>,
    /// The first row of every unit.
    firsts: Vec<u32>,
}

impl Sorted {
    /// Units in the order of their first rows; every row is one without keys.
    pub(crate) fn new(n_rows: usize, keys: Option<&[u32]>) -> Self {
        let Some(keys) = keys else {
            return Self {
                unit_of: (0..n_rows as u32).collect(),
                n_units: n_rows,
                sizes: vec![1; n_rows],
                firsts: (0..n_rows as u32).collect(),
            };
        };
        let mut numbers: BTreeMap<u32, u32> = BTreeMap::new();
        let (mut sizes, mut firsts) = (Vec::new(), Vec::new());
        let unit_of = keys.iter().enumerate().map(|(row, key)| {
            let unit = *numbers.entry(*key).or_insert_with(|| {
                sizes.push(0);
                firsts.push(row as u32);
                firsts.len() as u32 - 1
            });
            sizes[unit as usize] += 1;
            unit
        });
        let unit_of: Vec<u32> = unit_of.collect();
        Self {
            n_units: firsts.len(),
            unit_of,
            sizes,
            firsts,
        }
    }
}

/// The items of one feature while rows are read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Feature {
    /// (unit, item), then sorted and each once.
    has: Vec<(u32, u32)>,
    /// Units by rows that miss the feature, then units none of whose rows knows it.
    unknown: Vec<u32>,
}

impl Feature {
    /// One row: its item, or that it misses the feature.
    pub(crate) fn see(&mut self, units: &Sorted, row: usize, item: Option<u32>, missing: bool) {
        if let Some(item) = item {
            self.has.push((units.unit_of[row], item));
        }
        if missing {
            self.unknown.push(units.unit_of[row]);
        }
    }

    /// All rows were seen.
    pub(crate) fn end(&mut self, units: &Sorted) {
        self.has.sort_unstable();
        self.has.dedup();
        self.unknown.sort_unstable();
        let mut none_knows = Vec::new();
        for run in self.unknown.chunk_by(|a, b| a == b) {
            if run.len() as u32 == units.sizes[run[0] as usize] {
                none_knows.push(run[0]);
            }
        }
        self.unknown = none_knows;
    }
}

/// An item, and units that have it.
///
/// Made by [`Itemizer::items`](crate::design::Itemizer::items), or from codes by [`Items::from_pairs`].
#[derive(Debug, Clone, PartialEq)]
pub struct Items {
    names: Vec<String>,
    above: Vec<Vec<u32>>,
    /// Feature of an item; only items of features can be unknown.
    features: Vec<Option<u32>>,
    /// Units none of whose rows knows a feature, increasing, by feature.
    unknown: Vec<Vec<u32>>,
    /// Whether no unit has two items of a feature, by feature.
    single: Vec<bool>,
    starts: Vec<usize>,
    members: Vec<u32>,
    first_rows: Vec<u32>,
}

impl Items {
    pub(crate) fn new(
        names: Vec<String>,
        above: Vec<Vec<u32>>,
        features: Vec<Option<u32>>,
        units: Sorted,
        columns: Vec<Feature>,
    ) -> Self {
        let mut counts = vec![0_usize; units.n_units + 1];
        for (unit, item) in columns.iter().flat_map(|column| &column.has) {
            counts[*unit as usize + 1] += 1 + above[*item as usize].len();
        }
        for at in 1..counts.len() {
            counts[at] += counts[at - 1];
        }
        let mut ends = counts.clone();
        let mut members = vec![0; counts[units.n_units]];
        let mut unknown = Vec::with_capacity(columns.len());
        let mut single = Vec::with_capacity(columns.len());
        for column in columns {
            single.push(column.has.windows(2).all(|pair| pair[0].0 != pair[1].0));
            for (unit, item) in column.has {
                let own = [item];
                for item in own.iter().chain(&above[item as usize]) {
                    members[ends[unit as usize]] = *item;
                    ends[unit as usize] += 1;
                }
            }
            unknown.push(column.unknown);
        }
        let mut starts = counts;
        tidy(&mut starts, &mut members);
        Self {
            names,
            above,
            features,
            unknown,
            single,
            starts,
            members,
            first_rows: units.firsts,
        }
    }

    /// Baskets of named items from pairs (unit, item), in any order; repeated pairs count once. Items are
    /// numbered in the order of their names, `n_units` counts units without items too.
    ///
    /// ```
    /// use galen::design::{Hierarchy, Items};
    ///
    /// # fn main() -> galen::Result<()> {
    /// let block = Hierarchy::new([("E11.9", "diabetes"), ("E10.1", "diabetes")])?;
    /// let codes = [(0, "E11.9"), (1, "I10"), (0, "I10"), (2, "E10.1"), (0, "I10")];
    /// let items = Items::from_pairs(4, codes, &block)?;
    /// assert_eq!(items.names(), ["E10.1", "E11.9", "I10", "diabetes"]);
    /// assert_eq!(items.support(3), 2);
    /// assert_eq!(items.basket(0).collect::<Vec<_>>(), [1, 2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for a unit that is not below `n_units`.
    pub fn from_pairs<S: AsRef<str>>(
        n_units: usize,
        pairs: impl IntoIterator<Item = (usize, S)>,
        hierarchy: &crate::design::Hierarchy,
    ) -> Result<Self> {
        // Names are looked up by hash and numbered in their order afterwards.
        let mut known: HashMap<String, u32> = HashMap::new();
        let mut has = Vec::new();
        for (at, (unit, name)) in pairs.into_iter().enumerate() {
            if unit >= n_units || u32::try_from(unit).is_err() {
                return Err(ErrorKind::OutOfRange {
                    what: "pairs of units and items",
                    row: Some(at),
                    column: None,
                    rule: "units below the number of units",
                }
                .into());
            }
            let next = known.len() as u32;
            let item = match known.get(name.as_ref()) {
                Some(item) => *item,
                None => {
                    known.insert(name.as_ref().into(), next);
                    next
                }
            };
            has.push((unit as u32, item));
        }
        let own: BTreeSet<String> = known.keys().cloned().collect();
        let ancestors = own.iter().flat_map(|name| hierarchy.ancestors(name));
        let mut names: Vec<String> = ancestors
            .map(Into::into)
            .chain(own.iter().cloned())
            .collect();
        names.sort();
        names.dedup();
        let number = |name: &str| names.partition_point(|known| known.as_str() < name) as u32;
        let above = names
            .iter()
            .map(|name| hierarchy.ancestors(name).into_iter().map(number).collect());
        let above: Vec<Vec<u32>> = above.collect();
        let mut places = vec![0; known.len()];
        for (name, first) in &known {
            places[*first as usize] = number(name);
        }
        let mut own = Gather::default();
        for (unit, item) in has {
            own.push(unit as usize, places[item as usize]);
        }
        Ok(Self::of_codes(n_units, own, names, above))
    }

    /// Baskets from pairs (unit, position of a name), in any order; repeated pairs count once. Items are
    /// numbered as the names, what stands above them and is not among them follows in order.
    ///
    /// The fastest way in for codes that are numbered already: nothing is looked up by text.
    ///
    /// ```
    /// use galen::design::{Hierarchy, Items};
    ///
    /// # fn main() -> galen::Result<()> {
    /// let names = ["I10", "E11"].map(String::from);
    /// let items = Items::from_codes(2, [(0, 1), (1, 0), (0, 0)], &names, &Hierarchy::default())?;
    /// assert_eq!(items.supports(), [2, 1]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for a unit or a position that is not there; [`ErrorKind::Schema`] for a
    /// name that is there twice.
    pub fn from_codes(
        n_units: usize,
        pairs: impl IntoIterator<Item = (usize, u32)>,
        names: &[String],
        hierarchy: &crate::design::Hierarchy,
    ) -> Result<Self> {
        let mut has = Gather::default();
        for (at, (unit, item)) in pairs.into_iter().enumerate() {
            if unit >= n_units || u32::try_from(unit).is_err() || item as usize >= names.len() {
                return Err(ErrorKind::OutOfRange {
                    what: "pairs of units and items",
                    row: Some(at),
                    column: None,
                    rule: "units below the number of units, positions below that of names",
                }
                .into());
            }
            has.push(unit, item);
        }
        let mut known: BTreeMap<&str, u32> = BTreeMap::new();
        for (item, name) in names.iter().enumerate() {
            if known.insert(name, item as u32).is_some() {
                let text = format!("items: `{name}` is there twice; expected each name once");
                return Err(ErrorKind::Schema(text).into());
            }
        }
        let mut all = names.to_vec();
        let above: BTreeSet<&str> = names.iter().flat_map(|n| hierarchy.ancestors(n)).collect();
        for name in above {
            known.entry(name).or_insert_with(|| {
                all.push(name.into());
                all.len() as u32 - 1
            });
        }
        let above = |name: &String| {
            let mut above: Vec<u32> = hierarchy
                .ancestors(name)
                .into_iter()
                .map(|name| known[name])
                .collect();
            above.sort_unstable();
            above
        };
        let above = all.iter().map(above).collect();
        Ok(Self::of_codes(n_units, has, all, above))
    }

    /// Items that no feature stands behind.
    fn of_codes(n_units: usize, has: Gather, names: Vec<String>, above: Vec<Vec<u32>>) -> Self {
        let (mut starts, mut members) = has.end(n_units);
        let single = starts.windows(2).all(|ends| ends[1] - ends[0] < 2);
        if above.iter().any(|above| !above.is_empty()) {
            let own = std::mem::take(&mut members);
            let mut from = 0;
            for start in starts.iter_mut().skip(1) {
                for item in &own[from..*start] {
                    members.push(*item);
                    members.extend_from_slice(&above[*item as usize]);
                }
                from = std::mem::replace(start, members.len());
            }
            tidy(&mut starts, &mut members);
        }
        Self {
            features: vec![None; names.len()],
            names,
            above,
            unknown: vec![Vec::new()],
            single: vec![single],
            starts,
            members,
            first_rows: Sorted::new(n_units, None).firsts,
        }
    }

    /// Number of units: patients, or rows.
    pub fn n_units(&self) -> usize {
        self.first_rows.len()
    }

    /// Number of items.
    pub fn n_items(&self) -> usize {
        self.names.len()
    }

    /// Names of all items.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name of an item.
    ///
    /// # Panics
    /// When there is no such item.
    pub fn name(&self, item: u32) -> &str {
        &self.names[item as usize]
    }

    /// The item of a name.
    pub fn find(&self, name: &str) -> Option<u32> {
        let found = self.names.iter().position(|known| known == name);
        found.map(|item| item as u32)
    }

    /// Items above an item in the hierarchy, increasing.
    ///
    /// # Panics
    /// When there is no such item.
    pub fn above(&self, item: u32) -> &[u32] {
        &self.above[item as usize]
    }

    /// Items of a unit, increasing.
    ///
    /// # Panics
    /// When there is no such unit.
    pub fn basket(&self, unit: usize) -> impl Iterator<Item = u32> + '_ {
        self.members[self.starts[unit]..self.starts[unit + 1]]
            .iter()
            .copied()
    }

    /// The first row of every unit: where to read what is the same in all of its rows.
    pub fn first_rows(&self) -> &[u32] {
        &self.first_rows
    }

    /// Number of units that have an item.
    pub fn support(&self, item: u32) -> u64 {
        self.members
            .iter()
            .filter(|member| **member == item)
            .count() as u64
    }

    /// Some of the items, renumbered in their order.
    pub(crate) fn only(&self, kept: &[bool]) -> Self {
        let mut places = vec![None; self.n_items()];
        let own = (0..self.n_items()).filter(|item| kept[*item]);
        for (place, item) in (0_u32..).zip(own) {
            places[item] = Some(place);
        }
        let place = |item: &u32| places[*item as usize];
        let own = |item: &usize| kept[*item];
        let mut starts = vec![0];
        let mut members = Vec::new();
        for range in self.starts.windows(2) {
            members.extend(self.members[range[0]..range[1]].iter().filter_map(place));
            starts.push(members.len());
        }
        let all = || (0..self.n_items()).filter(own);
        Self {
            names: all().map(|item| self.names[item].clone()).collect(),
            above: all()
                .map(|item| self.above[item].iter().filter_map(place).collect())
                .collect(),
            features: all().map(|item| self.features[item]).collect(),
            unknown: self.unknown.clone(),
            single: self.single.clone(),
            starts,
            members,
            first_rows: self.first_rows.clone(),
        }
    }

    /// Number of units of every item.
    pub fn supports(&self) -> Vec<u64> {
        let mut supports = vec![0; self.names.len()];
        for item in &self.members {
            supports[*item as usize] += 1;
        }
        supports
    }

    /// Where the baskets begin in [`Self::members`], and where the last one ends.
    pub(crate) fn starts(&self) -> &[usize] {
        &self.starts
    }

    pub(crate) fn members(&self) -> &[u32] {
        &self.members
    }

    /// The feature that an item is about; `None` for items of codes and of a hierarchy.
    pub(crate) fn feature(&self, item: u32) -> Option<usize> {
        self.features[item as usize].map(|feature| feature as usize)
    }

    /// Number of features that items are about.
    pub(crate) fn n_features(&self) -> usize {
        self.unknown.len()
    }

    /// Units none of whose rows knows a feature, increasing.
    pub(crate) fn unknown_units(&self, feature: usize) -> &[u32] {
        &self.unknown[feature]
    }

    /// Whether no unit can have both: levels of one feature that no unit has two of.
    pub(crate) fn exclude(&self, a: u32, b: u32) -> bool {
        let feature = self.feature(a);
        feature.is_some_and(|feature| self.single[feature]) && feature == self.feature(b)
    }

    /// Whether one of two items stands above the other.
    pub(crate) fn related(&self, a: u32, b: u32) -> bool {
        let above = |a: u32, b: u32| self.above[b as usize].binary_search(&a).is_ok();
        above(a, b) || above(b, a)
    }

    /// The items of names.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureNames`] for a name that is no item.
    pub(crate) fn find_all(&self, names: &[String]) -> Result<Vec<u32>> {
        let missing = |name: &String| ErrorKind::FeatureNames {
            missing: vec![name.clone()],
            suggestion: None,
        };
        let find = |name: &String| self.find(name).ok_or_else(|| missing(name).into());
        names.iter().map(find).collect()
    }

    /// Units of which is not known whether they have an item, increasing.
    ///
    /// # Panics
    /// When there is no such item.
    pub fn unknown(&self, item: u32) -> &[u32] {
        let feature = self.features[item as usize];
        feature.map_or(&[], |feature| &self.unknown[feature as usize])
    }
}
