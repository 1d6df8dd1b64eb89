//! The bins of some rows, feature by feature.
//!
//! ```text
//!   rows of 8 features side by side:  | f0 f1 ... f7 | f0 f1 ... f7 | ...   group 0
//!                                     | f8 f10 ...   |                      group 1
//!   features nearly all of one bin:   f9: row 4 -> 1, row 10 -> 2           a list each
//! ```
//!
//! Which features are listed depends on their bins alone, not on how a column is stored. A few of them
//! are not: they share a byte with others where they are counted, which costs less than a list.

use std::sync::Arc;

use crate::design::listed::Listed;
use crate::numeric::parallel::{CHUNK_ROWS, map_tasks};

/// Features whose bins stand side by side: one read brings all of them.
pub(crate) const GROUP: usize = 8;

/// Where the bins of a feature are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Among those side by side: `place / GROUP` is the group, the rest the lane.
    Dense(u32),
    /// Among the listed ones.
    Listed(u32),
}

/// Fewer features than these are not listed.
pub(crate) const LEAST_LISTED: usize = 64;

/// The bins of some rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct BinnedDesign {
    pub(crate) n_rows: usize,
    pub(crate) n_features: usize,
    places: Vec<Place>,
    /// The features of every lane, group by group.
    pub(crate) dense: Vec<u32>,
    /// Groups of [`GROUP`] features; the last one is filled up with bin 0.
    pub(crate) groups: Vec<Vec<[u8; GROUP]>>,
    /// The other features in their order.
    pub(crate) listed: Vec<(u32, Arc<Listed>)>,
}

/// The bins of one feature, as they are held.
#[derive(Debug)]
pub(crate) enum Held<'a> {
    /// A group and the lane in it.
    Dense(&'a [[u8; GROUP]], usize),
    Listed(&'a Listed),
}

impl BinnedDesign {
    /// The features of columns of bins, each of `n_rows` rows.
    #[cfg(test)]
    pub(crate) fn of_columns(n_rows: usize, columns: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut filling = Filling::new(n_rows, 0);
        for column in columns {
            filling.push(vec![Column::of(column)]);
        }
        filling.finish()
    }

    /// The same with no feature listed.
    #[cfg(test)]
    pub(crate) fn all_dense(n_rows: usize, columns: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut filling = Filling::new(n_rows, 0);
        for column in columns {
            filling.push(vec![Column::Dense(column)]);
        }
        filling.finish()
    }

    /// Groups of all features side by side, none of them listed.
    pub(crate) fn of_groups(
        n_rows: usize,
        n_features: usize,
        groups: Vec<Vec<[u8; GROUP]>>,
    ) -> Self {
        Self {
            n_rows,
            n_features,
            places: (0..n_features as u32).map(Place::Dense).collect(),
            dense: (0..n_features as u32).collect(),
            groups,
            listed: Vec::new(),
        }
    }

    /// The given rows.
    pub(crate) fn select(&self, rows: &[u32]) -> Self {
        let rising = rows.windows(2).all(|pair| pair[0] < pair[1]);
        let places = (rising && !self.listed.is_empty()).then(|| {
            let mut places = vec![u32::MAX; self.n_rows];
            for (place, row) in rows.iter().enumerate() {
                places[*row as usize] = place as u32;
            }
            places
        });
        Self {
            n_rows: rows.len(),
            n_features: self.n_features,
            places: self.places.clone(),
            dense: self.dense.clone(),
            groups: map_tasks(self.groups.len(), |group| {
                let group = &self.groups[group];
                rows.iter().map(|row| group[*row as usize]).collect()
            }),
            listed: map_tasks(self.listed.len(), |at| {
                let (feature, listed) = &self.listed[at];
                (*feature, Arc::new(listed.select(rows, places.as_deref())))
            }),
        }
    }

    /// All features in their order, none of them listed.
    fn side_by_side(&self) -> Self {
        let groups = map_tasks(self.n_features.div_ceil(GROUP), |group| {
            let mut out = vec![[0_u8; GROUP]; self.n_rows];
            let first = group * GROUP;
            for feature in first..self.n_features.min(first + GROUP) {
                let to = feature - first;
                match self.held(feature) {
                    Held::Dense(from, lane) => {
                        for (row, bins) in out.iter_mut().zip(from) {
                            row[to] = bins[lane];
                        }
                    }
                    Held::Listed(listed) => {
                        out.iter_mut().for_each(|row| row[to] = listed.common);
                        for (row, bin) in listed.rows.iter().zip(&listed.bins) {
                            out[*row as usize][to] = *bin;
                        }
                    }
                }
            }
            out
        });
        Self::of_groups(self.n_rows, self.n_features, groups)
    }

    /// Number of rows in every bin of a feature.
    pub(crate) fn counts(&self, feature: usize) -> [u64; 256] {
        let mut counts = [0; 256];
        match self.held(feature) {
            Held::Dense(group, lane) => {
                for row in group {
                    counts[row[lane] as usize] += 1;
                }
            }
            Held::Listed(listed) => {
                for bin in &listed.bins {
                    counts[*bin as usize] += 1;
                }
                counts[listed.common as usize] += (self.n_rows - listed.rows.len()) as u64;
            }
        }
        counts
    }

    /// The bins of a feature, as they are held.
    #[inline]
    pub(crate) fn held(&self, feature: usize) -> Held<'_> {
        match self.places[feature] {
            Place::Dense(place) => {
                let place = place as usize;
                Held::Dense(&self.groups[place / GROUP], place % GROUP)
            }
            Place::Listed(place) => Held::Listed(&self.listed[place as usize].1),
        }
    }

    /// The list of a feature, if it is listed.
    pub(crate) fn list(&self, feature: usize) -> Option<Arc<Listed>> {
        match self.places[feature] {
            Place::Dense(_) => None,
            Place::Listed(place) => Some(Arc::clone(&self.listed[place as usize].1)),
        }
    }

    /// The bin of a feature in a row.
    #[inline]
    pub(crate) fn bin(&self, feature: usize, row: usize) -> u8 {
        match self.held(feature) {
            Held::Dense(group, lane) => group[row][lane],
            Held::Listed(listed) => listed.bin(row as u32),
        }
    }

    /// The bins of a feature, row by row.
    pub(crate) fn column(&self, feature: usize) -> Vec<u8> {
        match self.held(feature) {
            Held::Dense(group, lane) => group.iter().map(|row| row[lane]).collect(),
            Held::Listed(listed) => listed.to_column(self.n_rows),
        }
    }
}

/// The bins of one feature on their way into a design.
#[derive(Debug)]
pub(crate) enum Column {
    Dense(Vec<u8>),
    Listed(Listed),
}

impl Column {
    pub(crate) fn of(column: Vec<u8>) -> Self {
        match Listed::of_column(&column) {
            Some(listed) => Self::Listed(listed),
            None => Self::Dense(column),
        }
    }

    /// Of a sparse column: the bins of its stored values, and that of all other rows.
    pub(crate) fn of_stored(n_rows: usize, rows: &[u32], bins: Vec<u8>, rest: u8) -> Self {
        let listed = |(row, bin): (&u32, u8)| (bin != rest).then_some((*row, bin));
        let (rows, bins): (Vec<u32>, Vec<u8>) = rows.iter().zip(bins).filter_map(listed).unzip();
        let listed = Listed {
            common: rest,
            rows,
            bins,
        };
        match listed.worth_it(n_rows) {
            true => Self::Listed(listed),
            false => Self::of(listed.to_column(n_rows)),
        }
    }
}

/// A design while it is filled, feature by feature.
pub(crate) struct Filling {
    design: BinnedDesign,
    /// Columns that do not make a group yet.
    waiting: Vec<Vec<u8>>,
    /// So many features are listed, or none.
    least_listed: usize,
}

impl Filling {
    pub(crate) fn new(n_rows: usize, least_listed: usize) -> Self {
        Self {
            design: BinnedDesign {
                n_rows,
                ..BinnedDesign::default()
            },
            waiting: Vec::new(),
            least_listed,
        }
    }

    /// The next features.
    pub(crate) fn push(&mut self, columns: Vec<Column>) {
        for column in columns {
            let design = &mut self.design;
            let feature = design.n_features as u32;
            design.n_features += 1;
            match column {
                Column::Dense(column) => {
                    design.places.push(Place::Dense(design.dense.len() as u32));
                    design.dense.push(feature);
                    self.waiting.push(column);
                }
                Column::Listed(listed) => {
                    design
                        .places
                        .push(Place::Listed(design.listed.len() as u32));
                    design.listed.push((feature, Arc::new(listed)));
                }
            }
        }
        self.group(self.waiting.len() / GROUP);
    }

    /// Lays the first groups of the waiting columns side by side.
    fn group(&mut self, n: usize) {
        let rest = self.waiting.split_off((n * GROUP).min(self.waiting.len()));
        let columns = std::mem::replace(&mut self.waiting, rest);
        let n_rows = self.design.n_rows;
        self.design.groups.extend(map_tasks(n, |group| {
            let mut out = vec![[0_u8; GROUP]; n_rows];
            for (start, part) in out.chunks_mut(CHUNK_ROWS).enumerate() {
                let columns = columns.iter().skip(group * GROUP).take(GROUP);
                for (lane, column) in columns.enumerate() {
                    for (slot, bin) in part.iter_mut().zip(&column[start * CHUNK_ROWS..]) {
                        slot[lane] = *bin;
                    }
                }
            }
            out
        }));
    }

    pub(crate) fn finish(mut self) -> BinnedDesign {
        self.group(self.waiting.len().div_ceil(GROUP));
        let design = self.design;
        match design.listed.len() {
            0 => design,
            n if n < self.least_listed => design.side_by_side(),
            _ => design,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_come_back_however_they_are_held() {
        let n = 4_500;
        let columns: Vec<Vec<u8>> = (0..21_usize)
            .map(|feature| {
                let bin = |row: usize| match feature % 3 {
                    0 => (row * (feature + 1) % 11) as u8,
                    1 => u8::from(row % 40 == feature) * 3,
                    _ if row.is_multiple_of(feature + 20) => (row % 5) as u8,
                    _ => 255,
                };
                (0..n).map(bin).collect()
            })
            .collect();
        let design = BinnedDesign::of_columns(n, columns.clone());
        assert_eq!((design.dense.len(), design.listed.len()), (7, 14));
        let plain = BinnedDesign::all_dense(n, columns.clone());
        assert!(plain.listed.is_empty());
        let rising: Vec<u32> = (0..n as u32).filter(|row| row % 7 < 3).collect();
        let mixed: Vec<u32> = (0..900).map(|row| (row * 31 + 5) % n as u32).collect();
        let repeated = vec![8, 8, 3, 4_499, 0];
        let all: Vec<u32> = (0..n as u32).collect();
        for rows in [all, rising, mixed, repeated] {
            let (some, other) = (design.select(&rows), plain.select(&rows));
            for (feature, column) in columns.iter().enumerate() {
                let expected: Vec<u8> = rows.iter().map(|row| column[*row as usize]).collect();
                assert_eq!(some.column(feature), expected, "{feature}");
                assert_eq!(some.counts(feature), other.counts(feature));
                for place in (0..rows.len()).step_by(17) {
                    assert_eq!(some.bin(feature, place), expected[place]);
                }
            }
        }
    }
}
