//! Bins of a feature that are nearly all the same one: only the rows of the other bins are listed.
//!
//! ```text
//!   bins:   0 0 0 0 1 0 0 0 0 0 2 0 ...        most frequent: 0
//!   list:   row 4 -> 1, row 10 -> 2            five bytes a row that differs
//! ```
//!
//! What is counted over a list is completed by the rows that it leaves out: sums are whole numbers, hence
//! the sum of all less those listed is exact.

/// A feature is listed where at most one row in so many has another than its most frequent bin. At one
/// in eight a list is as large as a byte for every row and its copy for counting; below half of that
/// it is also counted faster.
pub(crate) const LISTED_SHARE: usize = 16;

/// The rows of a feature that are not in its most frequent bin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The bin of all other rows.
    pub(crate) common: u8,
    /// In rising order.
    pub(crate) rows: Vec<u32>,
    /// The bin of every listed row.
    pub(crate) bins: Vec<u8>,
}

impl Listed {
    /// A column as a list, where it is worth it; of bins equally frequent the lowest is the common one.
    pub(crate) fn of_column(column: &[u8]) -> Option<Self> {
        let mut counts = [0_usize; 256];
        for bin in column {
            counts[usize::from(*bin)] += 1;
        }
        let common = (0..256).rev().max_by_key(|bin| counts[*bin]).unwrap_or(0);
        let n_listed = column.len() - counts[common];
        if n_listed * LISTED_SHARE > column.len() {
            return None;
        }
        let mut listed = Self {
            common: common as u8,
            rows: Vec::with_capacity(n_listed),
            bins: Vec::with_capacity(n_listed),
        };
        for (row, bin) in column.iter().enumerate() {
            if usize::from(*bin) != common {
                listed.rows.push(row as u32);
                listed.bins.push(*bin);
            }
        }
        Some(listed)
    }

    /// Whether so few of the rows are listed that it pays.
    pub(crate) fn worth_it(&self, n_rows: usize) -> bool {
        self.rows.len() * LISTED_SHARE <= n_rows
    }

    /// The bin of every row.
    pub(crate) fn to_column(&self, n_rows: usize) -> Vec<u8> {
        let mut column = vec![self.common; n_rows];
        for (row, bin) in self.rows.iter().zip(&self.bins) {
            column[*row as usize] = *bin;
        }
        column
    }

    /// The bin of a row.
    pub(crate) fn bin(&self, row: u32) -> u8 {
        match self.rows.binary_search(&row) {
            Ok(place) => self.bins[place],
            Err(_) => self.common,
        }
    }

    /// Bins of rows that are asked for in rising order.
    pub(crate) fn cursor(&self) -> Cursor<'_> {
        Cursor {
            listed: self,
            place: 0,
        }
    }

    /// Calls `found` with the place and bin of every listed row among `n` rows in rising order; the
    /// cost is in proportion to the shorter of both lists.
    #[inline]
    pub(crate) fn among(
        &self,
        n: usize,
        row_of: impl Fn(usize) -> u32,
        mut found: impl FnMut(usize, u8),
    ) {
        if n < self.rows.len() {
            let mut at = 0;
            for place in 0..n {
                let row = row_of(place);
                at = first_from(at, self.rows.len(), |at| self.rows[at] < row);
                if self.rows.get(at) == Some(&row) {
                    found(place, self.bins[at]);
                }
            }
        } else {
            let mut place = 0;
            for (row, bin) in self.rows.iter().zip(&self.bins) {
                place = first_from(place, n, |place| row_of(place) < *row);
                if place == n {
                    return;
                }
                if row_of(place) == *row {
                    found(place, *bin);
                }
            }
        }
    }

    /// The given rows; `places` has the new place of every row where they are in rising order.
    pub(crate) fn select(&self, rows: &[u32], places: Option<&[u32]>) -> Self {
        let mut out = Self {
            common: self.common,
            rows: Vec::new(),
            bins: Vec::new(),
        };
        match places {
            Some(places) => {
                for (row, bin) in self.rows.iter().zip(&self.bins) {
                    let place = places[*row as usize];
                    if place != u32::MAX {
                        out.rows.push(place);
                        out.bins.push(*bin);
                    }
                }
            }
            None => {
                for (place, row) in rows.iter().enumerate() {
                    let bin = self.bin(*row);
                    if bin != self.common {
                        out.rows.push(place as u32);
                        out.bins.push(bin);
                    }
                }
            }
        }
        out
    }
}

/// Where a walk along rising rows stands in a list.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    listed: &'a Listed,
    place: usize,
}

impl Cursor<'_> {
    /// The bin of a row, no lower than any asked for before.
    #[inline]
    pub(crate) fn bin(&mut self, row: u32) -> u8 {
        let rows = &self.listed.rows;
        self.place = first_from(self.place, rows.len(), |at| rows[at] < row);
        match rows.get(self.place) {
            Some(listed) if *listed == row => self.listed.bins[self.place],
            _ => self.listed.common,
        }
    }
}

/// The first of the places from `from` on that does not lie before, `n` where all do: in steps that
/// double, then by halves.
#[inline]
fn first_from(from: usize, n: usize, before: impl Fn(usize) -> bool) -> usize {
    if from >= n || !before(from) {
        return from;
    }
    let (mut low, mut step) = (from, 1);
    while low + step < n && before(low + step) {
        low += step;
        step *= 2;
    }
    // `low` lies before, `high` does not.
    let mut high = (low + step).min(n);
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_along_a_list_find_what_every_row_holds() {
        let column: Vec<u8> = (0..3_000_usize)
            .map(|row| match row % 97 {
                0 => 9,
                5 if row > 1_000 => 255,
                _ => 4,
            })
            .collect();
        let listed = Listed::of_column(&column).unwrap();
        assert_eq!(listed.common, 4);
        assert_eq!(listed.to_column(3_000), column);
        // More rows than entries, fewer, none, with repeats, beyond the last entry.
        let choices: [Vec<u32>; 5] = [
            (0..3_000).collect(),
            (0..3_000).filter(|row| row % 291 < 2).collect(),
            vec![],
            vec![0, 0, 97, 97, 98, 2_813, 2_813, 2_999],
            (2_950..3_000).collect(),
        ];
        for rows in choices {
            let expected: Vec<u8> = rows.iter().map(|row| column[*row as usize]).collect();
            let mut cursor = listed.cursor();
            let by_cursor: Vec<u8> = rows.iter().map(|row| cursor.bin(*row)).collect();
            assert_eq!(by_cursor, expected);
            let one_by_one: Vec<u8> = rows.iter().map(|row| listed.bin(*row)).collect();
            assert_eq!(one_by_one, expected);
            if rows.windows(2).all(|pair| pair[0] < pair[1]) {
                let mut among = vec![4; rows.len()];
                listed.among(
                    rows.len(),
                    |place| rows[place],
                    |place, bin| among[place] = bin,
                );
                assert_eq!(among, expected);
            }
        }
    }

    #[test]
    fn a_list_is_made_where_few_rows_differ() {
        let column = |n: usize| -> Vec<u8> { (0..160).map(|row| u8::from(row < n)).collect() };
        assert!(Listed::of_column(&column(10)).is_some());
        assert!(Listed::of_column(&column(11)).is_none());
        assert_eq!(Listed::of_column(&column(155)).unwrap().common, 1);
        assert!(Listed::of_column(&[]).unwrap().rows.is_empty());
    }
}
