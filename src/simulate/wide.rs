//! Many sparse columns of codes, few of which matter.

use super::draw::{Draw, Streams, each, logit};
use super::{Coefficient, assemble_rows};
use crate::error::{Error, ErrorKind, Result};
use crate::matrix::{Binary, Column, Feature, PatientMatrix, RowKeys};
use crate::numeric::parallel::map_tasks;
use crate::numeric::stable::logistic;

/// Columns that matter, at most.
const MAX_EFFECTS: usize = 20;
/// Every fourth column counts events, the others say whether there was one.
const COUNT_EVERY: usize = 4;
/// Further events of a code that is present, on average.
const FURTHER_EVENTS: f64 = 0.5;
/// Risk of a row whose linear predictor is average.
const TYPICAL_RISK: f64 = 0.15;
/// Bytes of an entry while a column is made, and the most that a table may need.
const ENTRY_BYTES: f64 = 28.0;
const CEILING_BYTES: u64 = 1 << 36;

/// A wide table of codes with a two-class target; made by [`wide_codes`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WideCodes {
    /// Sparse flags and counts named `code_00000`, ...; one row per patient.
    pub matrix: PatientMatrix,
    /// The outcome.
    pub target: Binary,
    /// The probability from which each outcome was drawn, by row.
    pub true_risk: Vec<f64>,
    /// True log-odds that are not 0, the intercept first.
    pub coefficients: Vec<Coefficient>,
}

impl WideCodes {
    /// True log-odds of a term: `intercept` or a column; 0 for a column without effect.
    #[must_use]
    pub fn log_odds(&self, term: &str) -> Option<f64> {
        Coefficient::find(&self.coefficients, term)
            .or_else(|| self.matrix.schema().position(term).map(|_| 0.0))
    }
}

/// `n_rows` patients and `n_columns` sparse columns of which at most 20 matter.
///
/// A cell is present with a probability that falls linearly from 1.5 to 0.5 times `density` over
/// the columns, so that `density` is the mean; every fourth column is a count (1 and a Poisson
/// number of mean 0.5 where present), the others are flags. The columns that matter are spread
/// evenly, their log-odds alternate in sign and lie between 0.4 and 1.2 in size; the intercept
/// holds the risk of an average row at 15 %. Cost: proportional to the entries present, columns in
/// parallel.
///
/// ```
/// # fn main() -> galen::Result<()> {
/// let table = galen::simulate::wide_codes(500, 200, 0.02, 1)?;
/// assert!(table.matrix.column("code_00000")?.is_sparse());
/// assert_eq!(table.coefficients.len(), 21);
/// assert_eq!(table.log_odds("code_00001"), Some(0.0));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`ErrorKind::Parameter`] for a density outside 0 to 0.5, [`ErrorKind::TooLarge`] for 2^32 - 1
/// rows or more or a table that would need more than 64 GiB.
pub fn wide_codes(n_rows: usize, n_columns: usize, density: f64, seed: u64) -> Result<WideCodes> {
    check(n_rows, n_columns, density)?;
    let streams = Streams::new("simulate/wide/columns", seed);
    let entries = map_tasks(n_columns, |column| {
        let p = presence(column, n_columns, density);
        column_entries(n_rows, p, is_count(column), streams.of(column))
    });
    let effects = effects(n_columns, density);

    let mut sums = vec![effects.intercept; n_rows];
    for (column, effect) in &effects.columns {
        for (row, value) in &entries[*column] {
            sums[*row] += effect * value;
        }
    }
    let true_risk: Vec<f64> = sums.into_iter().map(logistic).collect();
    let outcomes = Streams::new("simulate/wide/outcomes", seed);
    let happened = each(n_rows, |row| outcomes.of(row).chance(true_risk[row]));

    let mut columns = Vec::with_capacity(n_columns);
    for (column, entries) in entries.into_iter().enumerate() {
        let feature = match is_count(column) {
            true => Feature::count(name(column)),
            false => Feature::flag(name(column)),
        };
        columns.push((feature, Column::sparse(n_rows, entries)?));
    }
    let mut coefficients = vec![Coefficient::new("intercept", effects.intercept)];
    for (column, effect) in effects.columns {
        coefficients.push(Coefficient::new(name(column), effect));
    }
    Ok(WideCodes {
        matrix: assemble_rows(n_rows, columns, RowKeys::none().patients(1..=n_rows)),
        target: Binary::from_flags("event", happened),
        true_risk,
        coefficients,
    })
}

fn check(n_rows: usize, n_columns: usize, density: f64) -> Result<()> {
    if !(0.0..=0.5).contains(&density) {
        return Err(ErrorKind::Parameter {
            estimator: "simulate::wide_codes",
            name: "density",
            value: density.to_string(),
            rule: "between 0 and 0.5",
        }
        .into());
    }
    crate::matrix::column::check_row_count(n_rows)?;
    // A column costs some hundred bytes even when it is empty.
    let cells = n_rows as f64 * n_columns as f64 * density;
    let bytes = (cells * ENTRY_BYTES + n_columns as f64 * 256.0) as u64;
    if bytes > CEILING_BYTES {
        return Err(Error::from(ErrorKind::TooLarge {
            what: "simulated table",
            bytes,
            ceiling: CEILING_BYTES,
        }));
    }
    Ok(())
}

fn name(column: usize) -> String {
    format!("code_{column:05}")
}

fn is_count(column: usize) -> bool {
    column % COUNT_EVERY == COUNT_EVERY - 1
}

/// Probability that a cell of the column is present; `density` on average over the columns.
fn presence(column: usize, n_columns: usize, density: f64) -> f64 {
    density * (1.5 - (column as f64 + 0.5) / n_columns as f64)
}

/// Entries of one column in row order: jumps from one present row to the next.
fn column_entries(n_rows: usize, p: f64, counts: bool, mut draw: Draw) -> Vec<(usize, f64)> {
    let mut entries = Vec::with_capacity((n_rows as f64 * p * 1.1) as usize);
    let mut row = draw.failures(p);
    while row < n_rows {
        let further = if counts {
            draw.poisson(FURTHER_EVENTS)
        } else {
            0
        };
        entries.push((row, 1.0 + f64::from(further)));
        row = row.saturating_add(1).saturating_add(draw.failures(p));
    }
    entries
}

struct Effects {
    intercept: f64,
    columns: Vec<(usize, f64)>,
}

/// Effects by position alone, so that two tables of one shape have the same truth.
fn effects(n_columns: usize, density: f64) -> Effects {
    let n_effects = n_columns.min(MAX_EFFECTS);
    let columns: Vec<(usize, f64)> = (0..n_effects)
        .map(|rank| {
            let size = 0.4 + 0.2 * (rank % 5) as f64;
            let effect = if rank % 2 == 0 { size } else { -size };
            (rank * n_columns / n_effects, effect)
        })
        .collect();
    let average = columns.iter().fold(0.0, |sum, (column, effect)| {
        let value = if is_count(*column) {
            1.0 + FURTHER_EVENTS
        } else {
            1.0
        };
        sum + effect * value * presence(*column, n_columns, density)
    });
    Effects {
        intercept: logit(TYPICAL_RISK) - average,
        columns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn density_risk_and_effects_are_as_said() {
        let (n_rows, n_columns, density) = (8_000, 100, 0.05);
        let table = wide_codes(n_rows, n_columns, density, 2).unwrap();
        let n_entries: usize = (0..n_columns)
            .map(|c| table.matrix.view(c).entries().unwrap().len())
            .sum();
        let cells = (n_rows * n_columns) as f64;
        let error = (density * (1.0 - density) / cells).sqrt();
        assert!((n_entries as f64 / cells - density).abs() < 4.0 * error);

        let mean = table.true_risk.iter().sum::<f64>() / n_rows as f64;
        assert!((0.14..0.20).contains(&mean), "{mean}");
        let variance: f64 = table.true_risk.iter().map(|p| p * (1.0 - p)).sum();
        let surplus = table.target.n_events() as f64 - table.true_risk.iter().sum::<f64>();
        assert!(surplus.abs() < 4.0 * variance.sqrt());

        for rank in [0, 1, 6] {
            let coefficient = &table.coefficients[rank + 1];
            let column = table.matrix.column(&coefficient.term).unwrap();
            let rows = |present: bool| {
                (0..n_rows).filter(move |row| (column.value(*row) > 0.0) == present)
            };
            let rate = |present: bool| {
                let events = rows(present)
                    .filter(|row| table.target.values()[*row])
                    .count();
                logit(events as f64 / rows(present).count() as f64)
            };
            let found = rate(true) - rate(false);
            assert_eq!(
                found > 0.0,
                coefficient.log_odds > 0.0,
                "{}",
                coefficient.term
            );
        }
    }

    #[test]
    fn risk_follows_the_coefficients() {
        let table = wide_codes(600, 40, 0.2, 5).unwrap();
        for row in 0..600 {
            let sum: f64 = table.coefficients[1..]
                .iter()
                .map(|c| c.log_odds * table.matrix.column(&c.term).unwrap().value(row))
                .sum::<f64>()
                + table.log_odds("intercept").unwrap();
            assert!((logistic(sum) - table.true_risk[row]).abs() < 1e-12);
        }
        assert_eq!(table.log_odds("code_99999"), None);
    }

    #[test]
    fn impossible_settings_are_refused_before_work() {
        for density in [f64::NAN, -0.1, 0.6] {
            let error = wide_codes(10, 10, density, 0).unwrap_err();
            assert!(matches!(
                error.kind(),
                ErrorKind::Parameter {
                    name: "density",
                    ..
                }
            ));
        }
        assert!(wide_codes(usize::MAX, 1, 0.1, 0).is_err());
        assert!(wide_codes(1_000_000, usize::MAX, 0.1, 0).is_err());
        assert_eq!(wide_codes(10, 3, 0.0, 0).unwrap().matrix.n_columns(), 3);
    }
}
