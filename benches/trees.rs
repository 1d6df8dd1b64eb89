//! Gradient boosting: how cost grows with rows and columns, and what fits and predictions take.
//!
//! The growth table is printed first: 20 trees of 31 leaves, binning included, one run each, from 1e4
//! to 1e6 rows of 50 columns and from 10 to 1,000 columns of 1e5 rows. Then come the repeated
//! measurements. `trees growth` prints the table alone.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use criterion::Criterion;
use galen::classification::GradientBoosting;
use galen::classification::logistic::Cell;
use galen::prelude::*;
use ndarray::{Array1, Array2};

type Outcome<T> = std::result::Result<T, Box<dyn Error>>;

const TREES: usize = 20;

fn main() -> Outcome<()> {
    growth()?;
    if std::env::args().any(|arg| arg == "growth") {
        return Ok(());
    }
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    repeated(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

/// A fixed recurrence (xorshift64) for uniform numbers.
struct Draws(u64);

impl Draws {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Half of the columns are numbers, one in ten of them missing; the others are flags. Five of each
/// change the risk.
fn table(rows: usize, columns: usize) -> linfa::Dataset<f64, bool, ndarray::Ix1> {
    let mut draws = Draws(0x9E37_79B9_7F4A_7C15);
    let mut x = Array2::zeros((rows, columns));
    let mut y = Array1::from_elem(rows, false);
    for (mut row, event) in x.rows_mut().into_iter().zip(&mut y) {
        let mut score = -2.0;
        for (column, value) in row.iter_mut().enumerate() {
            let drawn = draws.uniform();
            if column % 2 == 1 {
                *value = f64::from(u8::from(drawn < 0.2));
                score += if column < 10 { 0.5 * *value } else { 0.0 };
                continue;
            }
            *value = (drawn * 1e4).round() / 1e4;
            score += if column < 10 { drawn * drawn } else { 0.0 };
            if draws.uniform() < 0.1 {
                *value = f64::NAN;
            }
        }
        *event = draws.uniform() < 1.0 / (1.0 + (-score).exp());
    }
    linfa::Dataset::new(x, y)
}

fn cell(value: f64) -> Cell<'static> {
    if value.is_nan() {
        Cell::Missing
    } else {
        Cell::Number(value)
    }
}

fn growth() -> Outcome<()> {
    println!(
        "{:>9} {:>8} {:>9} {:>22}",
        "rows", "columns", "seconds", "ns a value and tree"
    );
    let by_rows = [10_000, 30_000, 100_000, 300_000, 1_000_000].map(|rows| (rows, 50));
    let by_columns = [10, 30, 100, 300, 1_000].map(|columns| (100_000, columns));
    for (rows, columns) in by_rows.into_iter().chain(by_columns) {
        let cohort = table(rows, columns);
        let start = Instant::now();
        let model = GradientBoosting::params().n_trees(TREES).fit(&cohort)?;
        let seconds = start.elapsed().as_secs_f64();
        black_box(model);
        let values = (rows * columns * TREES) as f64;
        println!(
            "{rows:>9} {columns:>8} {seconds:>9.3} {:>22.3}",
            seconds * 1e9 / values
        );
    }
    Ok(())
}

fn repeated(criterion: &mut Criterion) -> Outcome<()> {
    let cohort = table(20_000, 50);
    let params = GradientBoosting::params().n_trees(TREES);
    criterion.bench_function("boosting, fit of 20 trees on 20,000 x 50", |bencher| {
        bencher.iter(|| black_box(params.clone().fit(&cohort)));
    });
    let model = GradientBoosting::params().fit(&cohort)?;
    let many = table(100_000, 50);
    criterion.bench_function("boosting, 100,000 predictions by 100 trees", |bencher| {
        bencher.iter(|| black_box(model.predict_risk(many.records())));
    });
    let head = many.records().rows().into_iter().take(256);
    let rows: Vec<Vec<Cell<'_>>> = head
        .map(|row| row.iter().map(|value| cell(*value)).collect())
        .collect();
    let scorer = model.scorer()?;
    let mut turn = 0;
    criterion.bench_function("boosting, one row by 100 trees", |bencher| {
        bencher.iter(|| {
            turn = (turn + 1) % rows.len();
            black_box(scorer.risk(&rows[turn]))
        });
    });
    Ok(())
}
