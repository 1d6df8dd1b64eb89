//! Small cells are hidden, and enough of the others that none of them follows from a total.

use super::table::{Cell, Description, FeatureProfile, LevelProfile, NumberProfile, Values};
use crate::error::{ErrorKind, Result};

impl Description {
    /// Hides every number that fewer than `limit` rows stand behind; 11 is usual, 0 may be shown.
    ///
    /// Of each feature, missing values, zeros and others (or levels) add up to the number of rows.
    /// Cells of 1 to `limit - 1` rows print as `<limit`; where one of them would follow from the
    /// others, the smallest cell left is hidden as well, until every hidden cell could have at
    /// least two values. Levels of fewer rows lose their name and are counted together. Mean and
    /// spread are dropped where they tell of too few rows or of a hidden cell, a quantile where
    /// fewer than `limit` rows lie on either side, extremes always. Descriptions of overlapping
    /// cohorts still tell of their difference: no rule within one table can prevent that.
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] for a limit below 2.
    pub fn suppress_below(&self, limit: u64) -> Result<Self> {
        if limit < 2 {
            return Err(ErrorKind::Parameter {
                estimator: "suppress_below",
                name: "limit",
                value: limit.to_string(),
                rule: "at least 2",
            }
            .into());
        }
        // Of an already suppressed description only what is still told can be hidden further.
        let rows = match self.rows {
            Cell::Count(rows) if rows == 0 || rows >= limit => Some(rows),
            _ => None,
        };
        let features = self.features.iter().map(|feature| match rows {
            Some(rows) => feature.suppressed(rows, limit),
            None => feature.withheld(limit),
        });
        Ok(Self {
            rows: rows.map_or(Cell::Below(limit), Cell::Count),
            suppressed_below: Some(limit.max(self.suppressed_below.unwrap_or(0))),
            features: features.collect(),
        })
    }
}

impl FeatureProfile {
    /// Nothing but name, kind and unit.
    fn withheld(&self, limit: u64) -> Self {
        Self {
            rows: Cell::Below(limit),
            missing: Cell::Hidden,
            values: match &self.values {
                Values::Numbers(_) => Values::Numbers(NumberProfile {
                    zeros: Cell::Hidden,
                    others: Cell::Hidden,
                    ..NumberProfile::default()
                }),
                Values::Levels(_) => Values::Levels(LevelProfile {
                    n_levels: None,
                    levels: Vec::new(),
                    other: Cell::Hidden,
                }),
            },
            ..self.clone()
        }
    }

    fn suppressed(&self, rows: u64, limit: u64) -> Self {
        let mut hidden = self.clone();
        match &mut hidden.values {
            Values::Numbers(numbers) => {
                let present = sum(&[numbers.zeros, numbers.others]);
                let mut cells = [hidden.missing, numbers.zeros, numbers.others];
                hide(&mut cells, rows, limit);
                [hidden.missing, numbers.zeros, numbers.others] = cells;
                numbers.drop_small(present, limit);
            }
            Values::Levels(levels) => {
                levels.pool(limit);
                let mut cells = vec![hidden.missing, levels.other];
                cells.extend(levels.levels.iter().map(|level| level.rows));
                hide(&mut cells, rows, limit);
                let mut cells = cells.into_iter();
                hidden.missing = cells.next().unwrap_or(Cell::Hidden);
                levels.other = cells.next().unwrap_or(Cell::Hidden);
                for (level, cell) in levels.levels.iter_mut().zip(cells) {
                    level.rows = cell;
                }
            }
        }
        hidden
    }
}

impl NumberProfile {
    /// Drops statistics of too few rows, and those that tell what a hidden cell holds.
    fn drop_small(&mut self, present: Option<u64>, limit: u64) {
        self.min = None;
        self.max = None;
        let n = present.unwrap_or(0);
        self.quantiles.retain(|quantile| {
            let percent = u64::from(quantile.percent.min(100 - quantile.percent.min(100)));
            n.saturating_mul(percent) / 100 >= limit
        });
        // The mean of a column of two values tells how many rows hold each of them.
        let mut distinct: Vec<f64> = self
            .quantiles
            .iter()
            .map(|quantile| quantile.value)
            .collect();
        distinct.dedup();
        let hidden = [self.zeros, self.others]
            .iter()
            .any(|cell| cell.count().is_none());
        let few = matches!(self.others, Cell::Below(_)) || n < limit;
        if few || (hidden && distinct.len() < 3) {
            self.mean = None;
            self.sd = None;
        }
    }
}

impl LevelProfile {
    /// Counts levels of fewer than `limit` rows together, without their names.
    fn pool(&mut self, limit: u64) {
        let small = |cell: Cell| cell.count().is_some_and(|rows| rows < limit);
        let pooled: Vec<Cell> = self
            .levels
            .iter()
            .map(|level| level.rows)
            .filter(|rows| small(*rows))
            .chain([self.other])
            .collect();
        self.levels.retain(|level| !small(level.rows));
        self.other = sum(&pooled).map_or(Cell::Hidden, Cell::Count);
        // How many levels are pooled could tell that each of them has one row.
        if self.other != Cell::Count(0) {
            self.n_levels = None;
        }
    }
}

fn sum(cells: &[Cell]) -> Option<u64> {
    cells.iter().map(|cell| cell.count()).sum()
}

/// Hides small cells of a partition of `rows` rows, then more until none is determined.
fn hide(cells: &mut [Cell], rows: u64, limit: u64) {
    let known: Vec<Option<u64>> = cells.iter().map(|cell| cell.count()).collect();
    for (cell, count) in cells.iter_mut().zip(&known) {
        if count.is_some_and(|count| (1..limit).contains(&count)) {
            *cell = Cell::Below(limit);
        }
    }
    while determined(cells, rows, limit) {
        // The smallest cell that is still told; a zero hides nothing.
        let next = cells
            .iter()
            .enumerate()
            .filter_map(|(place, cell)| Some((cell.count().filter(|count| *count > 0)?, place)))
            .min();
        match next {
            Some((_, place)) => cells[place] = Cell::Hidden,
            None => {
                // Not even their number is told: all cells of the feature are withheld.
                cells.fill(Cell::Hidden);
                return;
            }
        }
    }
}

/// Whether some hidden cell could have one value only, given the cells told and their total.
fn determined(cells: &[Cell], rows: u64, limit: u64) -> bool {
    let told: u64 = cells.iter().filter_map(|cell| cell.count()).sum();
    let left = rows.saturating_sub(told);
    // A cell hidden beside a small one is known to be no small one.
    let ranges: Vec<(u64, u64)> = cells
        .iter()
        .filter_map(|cell| match cell {
            Cell::Count(_) => None,
            Cell::Below(above) => Some((1, above.saturating_sub(1).max(1))),
            Cell::Hidden => Some((limit, rows)),
        })
        .collect();
    let least: u64 = ranges.iter().map(|range| range.0).sum();
    let most = ranges
        .iter()
        .fold(0_u64, |most, range| most.saturating_add(range.1));
    ranges.iter().any(|(low, high)| {
        let from = (*low).max(left.saturating_sub(most - high));
        let to = (*high).min(left.saturating_sub(least - low));
        to <= from
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(counts: &[u64]) -> Vec<String> {
        let mut cells: Vec<Cell> = counts.iter().copied().map(Cell::Count).collect();
        hide(&mut cells, counts.iter().sum(), 11);
        cells.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_small_cell_takes_a_second_one_along() {
        assert_eq!(hidden(&[0, 500, 30]), ["0", "500", "30"]);
        assert_eq!(hidden(&[3, 500, 30]), ["<11", "500", "hidden"]);
        assert_eq!(hidden(&[3, 500, 4]), ["<11", "500", "<11"]);
    }

    #[test]
    fn cells_at_the_ends_of_their_range_take_more_along() {
        // 1 + 1 = 2 and 10 + 10 = 20 have one solution each.
        assert_eq!(hidden(&[1, 500, 1]), ["<11", "hidden", "<11"]);
        assert_eq!(hidden(&[10, 500, 10]), ["<11", "hidden", "<11"]);
        // 1 of 12: the other cell has at least 11, so nothing short of silence hides it.
        assert_eq!(hidden(&[0, 1, 11]), ["hidden", "hidden", "hidden"]);
    }

    #[test]
    fn every_hidden_cell_keeps_two_values() {
        // All small tables: enumerate what a reader could think.
        let limit = 4;
        for total in limit..14 {
            for a in 0..=total {
                for b in 0..=(total - a) {
                    let counts = [a, b, total - a - b];
                    let mut cells = counts.map(Cell::Count);
                    hide(&mut cells, total, limit);
                    let silent = cells.iter().all(|cell| *cell == Cell::Hidden);
                    let fits = |guess: &[u64; 3]| {
                        cells.iter().zip(guess).all(|(cell, n)| match cell {
                            Cell::Count(count) => count == n,
                            Cell::Below(limit) => (1..*limit).contains(n),
                            Cell::Hidden => silent || *n >= limit,
                        })
                    };
                    let mut guesses = Vec::new();
                    for x in 0..=total {
                        for y in 0..=(total - x) {
                            let guess = [x, y, total - x - y];
                            if fits(&guess) {
                                guesses.push(guess);
                            }
                        }
                    }
                    assert!(guesses.contains(&counts));
                    for (place, cell) in cells.iter().enumerate() {
                        assert!(
                            !cell.count().is_some_and(|n| (1..limit).contains(&n)),
                            "{counts:?} shows a small cell"
                        );
                        let several = guesses.iter().any(|g| g[place] != counts[place]);
                        assert!(cell.count().is_some() || several, "{counts:?} {cells:?}");
                    }
                }
            }
        }
    }
}
