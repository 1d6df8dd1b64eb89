//! Features of few bins share one byte: their bins together are one code, whose sums are added up
//! again to sums of each feature.
//!
//! ```text
//!   sex (2 bins), smoker (2 + missing), ward (40)   ->   code = sex + 2 smoker + 6 ward  < 240
//! ```
//!
//! Care data are full of flags: a histogram then costs one addition where it cost seven. Sums are whole
//! numbers, hence those of a feature come out exactly.

use std::ops::Range;
use std::sync::Arc;

use crate::design::binned::{BinnedDesign, GROUP, Held, MISSING};
use crate::design::listed::Listed;
use crate::numeric::parallel::{CHUNK_ROWS, map_each, map_tasks};

/// Codes of one column.
pub(crate) const CODES: usize = 256;

/// Bytes of a line of memory: what one read of a row brings.
const LINE: usize = 64;

/// Where a feature stands: `code / stride % size` is its bin, the last of them that of missing values
/// where training had any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) column: u32,
    pub(crate) stride: u32,
    pub(crate) size: u32,
    pub(crate) missing: bool,
}

/// Where a listed feature stands: in no column.
const NOWHERE: Place = Place {
    column: u32::MAX,
    stride: 1,
    size: 1,
    missing: false,
};

impl Place {
    /// The bin of the feature in a code.
    #[inline]
    pub(crate) fn bin(&self, code: usize) -> u8 {
        let bin = code as u32 / self.stride % self.size;
        if self.missing && bin + 1 == self.size {
            MISSING
        } else {
            bin as u8
        }
    }
}

/// The columns of a training design.
#[derive(Debug, Clone)]
pub(crate) struct Bundles {
    pub(crate) n_rows: usize,
    /// By feature; a listed one has the place [`NOWHERE`].
    pub(crate) places: Vec<Place>,
    /// Features that stay as they are listed.
    pub(crate) listed: Vec<(u32, Arc<Listed>)>,
    /// Number of codes of every column, and its features; a column that only fills up its group has
    /// none.
    pub(crate) columns: Vec<(usize, Vec<u32>)>,
    /// Codes of the columns of some groups, row by row: a row of them is one line of memory.
    pub(crate) panels: Vec<Panel>,
    /// Codes of every column.
    pub(crate) by_column: Vec<Vec<u8>>,
}

/// The codes of some groups, row by row.
#[derive(Debug, Clone)]
pub(crate) struct Panel {
    pub(crate) groups: Range<usize>,
    /// Those of row `i` and the group in place `j` stand at `i * groups.len() + j`.
    pub(crate) codes: Vec<[u8; GROUP]>,
}

impl Bundles {
    /// Bundles features of `n_bins` bins of present values each: the largest first, each into the
    /// first column that holds it.
    pub(crate) fn new(design: &BinnedDesign, n_bins: &[usize]) -> Self {
        let missing = with_missing(design);
        let sizes: Vec<usize> = n_bins
            .iter()
            .zip(&missing)
            .map(|(bins, missing)| (bins + usize::from(*missing)).max(1))
            .collect();
        let mut order: Vec<usize> = design.dense.iter().map(|f| *f as usize).collect();
        order.sort_by(|a, b| sizes[*b].cmp(&sizes[*a]).then(a.cmp(b)));
        let mut columns: Vec<(usize, Vec<u32>)> = Vec::new();
        let mut places = vec![NOWHERE; sizes.len()];
        for feature in order {
            let size = sizes[feature];
            let fits = columns.iter().position(|(codes, _)| codes * size <= CODES);
            let column = fits.unwrap_or_else(|| {
                columns.push((1, Vec::new()));
                columns.len() - 1
            });
            let (codes, features) = &mut columns[column];
            places[feature] = Place {
                column: column as u32,
                stride: *codes as u32,
                size: size as u32,
                missing: missing[feature],
            };
            *codes *= size;
            features.push(feature as u32);
        }
        let columns = deal(columns, &mut places);
        let by_column = map_tasks(columns.len(), |column| {
            let (_, features) = &columns[column];
            let mut out = vec![
                0;
                if features.is_empty() {
                    0
                } else {
                    design.n_rows
                }
            ];
            for feature in features {
                let feature = *feature as usize;
                add_feature(design, feature, places[feature], &mut out);
            }
            out
        });
        let panels = panels(&by_column, design.n_rows);
        Self {
            n_rows: design.n_rows,
            places,
            listed: design.listed.clone(),
            columns,
            panels,
            by_column,
        }
    }

    /// The panel that holds a group.
    pub(crate) fn panel_of(&self, group: usize) -> &Panel {
        let place = self
            .panels
            .partition_point(|panel| panel.groups.end <= group);
        &self.panels[place]
    }

    pub(crate) fn n_groups(&self) -> usize {
        self.columns.len() / GROUP
    }

    /// The list of a feature that is in no column.
    pub(crate) fn listed(&self, feature: usize) -> Option<&Listed> {
        if self.places[feature] != NOWHERE {
            return None;
        }
        let of = |(listed, _): &(u32, Arc<Listed>)| *listed;
        let at = self.listed.binary_search_by_key(&(feature as u32), of);
        at.ok().map(|at| &*self.listed[at].1)
    }

    /// The bin of a feature in a row.
    #[inline]
    pub(crate) fn bin(&self, feature: usize, row: usize) -> u8 {
        if let Some(listed) = self.listed(feature) {
            return listed.bin(row as u32);
        }
        let place = self.places[feature];
        place.bin(self.by_column[place.column as usize][row] as usize)
    }

    /// Lanes of a group that hold features.
    pub(crate) fn lanes(&self, group: usize) -> usize {
        self.columns[group * GROUP..(group + 1) * GROUP]
            .iter()
            .take_while(|(_, features)| !features.is_empty())
            .count()
    }
}

/// Deals columns to groups of equal number and work: those of many features are the last ones, and cost
/// most to search.
fn deal(columns: Vec<(usize, Vec<u32>)>, places: &mut [Place]) -> Vec<(usize, Vec<u32>)> {
    let n_groups = columns.len().div_ceil(GROUP);
    let mut dealt = vec![(1, Vec::new()); n_groups * GROUP];
    for (position, column) in columns.into_iter().enumerate() {
        let to = position % n_groups * GROUP + position / n_groups;
        for feature in &column.1 {
            places[*feature as usize].column = to as u32;
        }
        dealt[to] = column;
    }
    dealt
}

/// Rows of all columns side by side, a panel to a line of memory.
fn panels(by_column: &[Vec<u8>], n_rows: usize) -> Vec<Panel> {
    let n_groups = by_column.len() / GROUP;
    let n_panels = n_groups.div_ceil(LINE / GROUP);
    (0..n_panels)
        .map(|panel| {
            let groups = panel * n_groups / n_panels..(panel + 1) * n_groups / n_panels;
            let width = groups.len();
            let mut codes = vec![[0; GROUP]; n_rows * width];
            let mut parts: Vec<_> = codes.chunks_mut(CHUNK_ROWS * width).collect();
            map_each(&mut parts, true, |chunk, part| {
                let start = chunk * CHUNK_ROWS;
                for (place, group) in groups.clone().enumerate() {
                    for lane in 0..GROUP {
                        // Columns that only fill up a group have no codes: nothing is written.
                        let column = by_column[group * GROUP + lane].get(start..);
                        let slots = part[place..].iter_mut().step_by(width);
                        for (slot, code) in slots.zip(column.unwrap_or_default()) {
                            slot[lane] = *code;
                        }
                    }
                }
            });
            Panel { groups, codes }
        })
        .collect()
}

fn add_feature(design: &BinnedDesign, feature: usize, place: Place, out: &mut [u8]) {
    let Held::Dense(from, from_lane) = design.held(feature) else {
        return;
    };
    let table: [u8; 256] = std::array::from_fn(|bin| {
        let bin = if bin == MISSING as usize && place.missing {
            place.size - 1
        } else {
            (bin as u32).min(place.size - 1)
        };
        (bin * place.stride) as u8
    });
    for (slot, bins) in out.iter_mut().zip(from) {
        *slot += table[bins[from_lane] as usize];
    }
}

/// Whether each feature has missing values; of those side by side.
fn with_missing(design: &BinnedDesign) -> Vec<bool> {
    let mut found = vec![[false; GROUP]; design.groups.len()];
    map_each(&mut found, design.n_rows >= CHUNK_ROWS, |group, found| {
        for bins in &design.groups[group] {
            for (found, bin) in found.iter_mut().zip(bins) {
                *found |= *bin == MISSING;
            }
        }
    });
    let mut of_features = vec![false; design.n_features];
    for (feature, found) in design.dense.iter().zip(found.into_iter().flatten()) {
        of_features[*feature as usize] = found;
    }
    of_features
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundled_bins_come_back() {
        let n_bins = [2, 255, 3, 40, 1, 7, 100, 2, 2, 12, 255];
        let n = 5_000;
        let bin = |row: usize, feature: usize| {
            let gap = feature % 3 == 2 && row % 11 == feature;
            if gap {
                MISSING
            } else {
                ((row * (feature + 3) / 2) % n_bins[feature]) as u8
            }
        };
        let columns =
            (0..n_bins.len()).map(|feature| (0..n).map(|row| bin(row, feature)).collect());
        let design = BinnedDesign::of_columns(n, columns);
        let bundles = Bundles::new(&design, &n_bins);
        let held = bundles
            .columns
            .iter()
            .filter(|(_, features)| !features.is_empty());
        assert!(held.count() < n_bins.len() - 3);
        assert!(bundles.columns.iter().all(|(codes, _)| *codes <= CODES));
        for row in 0..n {
            for feature in 0..n_bins.len() {
                assert_eq!(bundles.bin(feature, row), bin(row, feature));
            }
        }
    }
}
