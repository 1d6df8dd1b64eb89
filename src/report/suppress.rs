//! Small numbers are hidden, together with those that would give them away.
//!
//! A hidden count counts as safe when at least one other table with the same shown numbers exists
//! in which it is different: four hidden cells in the corners of a rectangle, of which one can be
//! raised and its neighbours lowered without changing any sum or falling below zero.

/// Counts from 1 to one below this are hidden unless other bounds are set; zero may be shown. The
/// rule of the Centers for Medicare & Medicaid Services for published cells.
pub const MIN_COUNT: u64 = 11;

/// Stands for a hidden number in every format.
pub(super) const HIDDEN: &str = "*";

/// The note that explains [`HIDDEN`].
pub(super) fn hidden_note(min_count: u64) -> String {
    format!(
        "{HIDDEN} Hidden: below {min_count}, or a number from which such a one could be worked out."
    )
}

pub(super) fn is_small(count: u64, min_count: u64) -> bool {
    count > 0 && count < min_count
}

/// Which counts of a list with a known sum to hide: the small ones, and the smallest others until
/// two are hidden that together reach the bound. `false` as second answer: even hiding all would
/// not do, so the sum must go as well.
pub(super) fn protect_line(counts: &[u64], min_count: u64) -> (Vec<bool>, bool) {
    let mut hidden: Vec<bool> = counts.iter().map(|c| is_small(*c, min_count)).collect();
    loop {
        let of = |flag: bool| (0..counts.len()).filter(move |i| counts[*i] > 0 && flag);
        let held: Vec<usize> = of(true).filter(|i| hidden[*i]).collect();
        let sum: u64 = held.iter().map(|i| counts[*i]).sum();
        if held.is_empty() || (held.len() > 1 && sum >= min_count) {
            return (hidden, true);
        }
        match of(true)
            .filter(|i| !hidden[*i])
            .min_by_key(|i| (counts[*i], *i))
        {
            Some(next) => hidden[next] = true,
            None => return (hidden, false),
        }
    }
}

/// Row and column of the corners of a rectangle; the first and the last lie across.
type Corners = [(usize, usize); 4];
/// Whether it says too much, the sum of counts that it hides, and its place.
type Rank = (bool, u64, usize, usize);

/// A table of counts with a row of totals at the bottom and a column of totals at the right.
#[derive(Debug)]
pub(super) struct Margins<'a> {
    /// Rows of counts, the totals last; the total of all stands in the corner.
    pub counts: &'a [Vec<u64>],
    /// Whether each row is printed at all; what is not printed needs no star.
    pub printed_rows: &'a [bool],
    /// Whether the column of totals is printed.
    pub printed_total: bool,
    /// Which totals at the bottom are hidden already.
    pub hidden_totals: &'a [bool],
    /// Counts from 1 to one below this are hidden.
    pub min_count: u64,
}

impl Margins<'_> {
    /// Which cells to hide, row by row and without the row of totals; `None` when nothing short of
    /// leaving the table out would do.
    pub(super) fn protect(&self) -> Option<Vec<Vec<bool>>> {
        let last = self.counts.len() - 1;
        let n_columns = self.counts[last].len();
        let mut hidden: Vec<Vec<bool>> = (0..=last)
            .map(|row| {
                (0..n_columns)
                    .map(|column| self.starts_hidden(row, column))
                    .collect()
            })
            .collect();
        for row in 0..=last {
            for column in 0..n_columns {
                if !is_small(self.counts[row][column], self.min_count) {
                    continue;
                }
                let corners = self.cheapest(&hidden, row, column)?;
                for (i, j) in corners {
                    hidden[i][j] = true;
                }
            }
        }
        hidden.truncate(last);
        Some(hidden)
    }

    fn starts_hidden(&self, row: usize, column: usize) -> bool {
        let (last, end) = (self.counts.len() - 1, self.counts[row].len() - 1);
        if row == last {
            return self.hidden_totals[column];
        }
        !self.printed_rows[row]
            || (column == end && !self.printed_total)
            || is_small(self.counts[row][column], self.min_count)
    }

    /// The corners of the rectangle around a cell that costs the fewest shown numbers.
    fn cheapest(&self, hidden: &[Vec<bool>], row: usize, column: usize) -> Option<Corners> {
        let last = self.counts.len() - 1;
        let mut best: Option<(Rank, Corners)> = None;
        for i in (0..=last).filter(|i| *i != row) {
            for j in (0..self.counts[last].len()).filter(|j| *j != column) {
                let corners = [(row, column), (row, j), (i, column), (i, j)];
                // Totals at the bottom belong to all tables: they are not ours to hide.
                if corners.iter().any(|(r, c)| *r == last && !hidden[*r][*c]) {
                    continue;
                }
                if !self.can_move(corners) {
                    continue;
                }
                let cost: u64 = corners
                    .iter()
                    .filter(|(r, c)| !hidden[*r][*c])
                    .map(|(r, c)| 1 + self.counts[*r][*c])
                    .sum();
                let rank = (self.is_weak(corners), cost, i, j);
                if best.is_none_or(|(known, _)| rank < known) {
                    best = Some((rank, corners));
                }
            }
        }
        best.map(|(_, corners)| corners)
    }

    /// Whether the hidden neighbours of the first corner say that it is below the bound: their sum
    /// with it, which a shown total tells, does not reach the bound itself.
    fn is_weak(&self, corners: Corners) -> bool {
        let (last, end) = (self.counts.len() - 1, self.counts[0].len() - 1);
        let of = |(r, c): (usize, usize)| self.counts[r][c];
        let [cell, beside, below, _] = corners;
        let in_row = beside.1 != end && cell.1 != end && of(cell) + of(beside) < self.min_count;
        let in_column = below.0 != last && cell.0 != last && of(cell) + of(below) < self.min_count;
        in_row || in_column
    }

    /// Whether one step around the rectangle leaves every sum and no count below zero. Totals
    /// stand on the other side of the equation, hence move against the sign.
    fn can_move(&self, corners: Corners) -> bool {
        let last = self.counts.len() - 1;
        let end = self.counts[last].len() - 1;
        let sign = |place: usize| {
            let (r, c) = corners[place];
            let around = if place == 0 || place == 3 { 1 } else { -1 };
            let total = (if r == last { -1 } else { 1 }) * (if c == end { -1 } else { 1 });
            around * total
        };
        [1, -1].into_iter().any(|way| {
            (0..4).all(|place| {
                let (r, c) = corners[place];
                way * sign(place) > 0 || self.counts[r][c] > 0
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_two_hidden_that_are_not_small_together() {
        assert_eq!(protect_line(&[40, 0, 30], 11), (vec![false; 3], true));
        assert_eq!(
            protect_line(&[40, 4, 30, 0], 11).0,
            [false, true, true, false]
        );
        assert_eq!(
            protect_line(&[40, 2, 3, 30], 11).0,
            [false, true, true, true]
        );
        assert_eq!(protect_line(&[5, 0], 11), (vec![true, false], false));
        assert_eq!(protect_line(&[5, 12], 1).0, [false, false]);
    }

    /// All tables of non-negative counts with the shown numbers and sums in which every hidden
    /// count is at most one away, by trying.
    fn feasible(counts: &[Vec<u64>], hidden: &[Vec<bool>], total_shown: bool) -> Vec<Vec<u64>> {
        let (last, end) = (counts.len() - 1, counts[0].len() - 1);
        let free: Vec<(usize, usize)> = (0..last)
            .flat_map(|r| (0..end).map(move |c| (r, c)))
            .filter(|(r, c)| hidden[*r][*c])
            .collect();
        let mut found = Vec::new();
        let mut guess = vec![0_u64; free.len()];
        loop {
            let mut table = counts.to_vec();
            for ((r, c), value) in free.iter().zip(&guess) {
                table[*r][*c] = (counts[*r][*c] + value).wrapping_sub(1);
            }
            let valid = free.iter().all(|(r, c)| table[*r][*c] != u64::MAX);
            let columns = valid
                && (0..end).all(|c| (0..last).map(|r| table[r][c]).sum::<u64>() == counts[last][c]);
            let rows = valid
                && (0..last).all(|r| {
                    !total_shown
                        || hidden[r][end]
                        || table[r][..end].iter().sum::<u64>() == counts[r][end]
                });
            if columns && rows {
                found.push(free.iter().map(|(r, c)| table[*r][*c]).collect());
            }
            let Some(place) = guess.iter().position(|g| *g < 2) else {
                return found;
            };
            guess[place] += 1;
            guess[..place].fill(0);
        }
    }

    fn with_margins(inner: &[[u64; 2]]) -> Vec<Vec<u64>> {
        let mut table: Vec<Vec<u64>> = inner
            .iter()
            .map(|r| vec![r[0], r[1], r[0] + r[1]])
            .collect();
        let total = (0..3).map(|c| table.iter().map(|r| r[c]).sum()).collect();
        table.push(total);
        table
    }

    #[test]
    fn every_hidden_small_count_has_two_feasible_values() {
        for inner in [
            [[3, 20], [25, 14], [12, 18]],
            [[3, 20], [25, 2], [12, 18]],
            [[1, 0], [25, 14], [12, 18]],
            [[1, 1], [1, 1], [28, 27]],
            [[10, 11], [11, 0], [0, 19]],
        ] {
            let counts = with_margins(&inner);
            for total_shown in [false, true] {
                let hidden = Margins {
                    counts: &counts,
                    printed_rows: &[true; 3],
                    printed_total: total_shown,
                    hidden_totals: &[false; 3],
                    min_count: 11,
                }
                .protect()
                .unwrap();
                let tables = feasible(&counts, &hidden, total_shown);
                let small: Vec<u64> = (0..3)
                    .flat_map(|r| (0..2).map(move |c| (r, c)))
                    .filter(|(r, c)| hidden[*r][*c])
                    .map(|(r, c)| counts[r][c])
                    .collect();
                for (place, truth) in small.iter().enumerate() {
                    if is_small(*truth, 11) {
                        assert!(tables.iter().any(|t| t[place] != *truth), "{inner:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_is_hidden_without_need() {
        let counts = with_margins(&[[30, 20], [0, 14], [12, 18]]);
        let margins = Margins {
            counts: &counts,
            printed_rows: &[true; 3],
            printed_total: true,
            hidden_totals: &[false; 3],
            min_count: 11,
        };
        assert_eq!(margins.protect().unwrap(), vec![vec![false; 3]; 3]);
    }

    #[test]
    fn a_table_without_a_way_out_says_so() {
        let counts = vec![vec![3, 3], vec![3, 3]];
        let margins = Margins {
            counts: &counts,
            printed_rows: &[true],
            printed_total: true,
            hidden_totals: &[false; 2],
            min_count: 11,
        };
        assert_eq!(margins.protect(), None);
    }
}
