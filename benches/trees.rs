//! Trees: how cost grows with rows and columns, and what fits and predictions take.
//!
//! The growth table is printed first, binning included, one run each: boosting of 20 trees of 31 leaves,
//! a forest of 10 trees, one tree of depth 8, from 1e4 to 1e6 rows of 50 columns and from 10 to 1,000
//! columns of 1e5 rows. Then come the repeated measurements. `trees growth` prints the table alone.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use criterion::Criterion;
use galen::classification::logistic::Cell;
use galen::classification::{
    DecisionTree, DecisionTreeParams, GradientBoosting, Pruning, RandomForest,
};
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

/// Seconds of a fit.
fn seconds<T>(fit: impl FnOnce() -> galen::Result<T>) -> Outcome<f64> {
    let start = Instant::now();
    black_box(fit()?);
    Ok(start.elapsed().as_secs_f64())
}

fn growth() -> Outcome<()> {
    println!(
        "{:>9} {:>8} {:>12} {:>12} {:>12}   seconds",
        "rows", "columns", "boosting", "forest", "one tree"
    );
    let by_rows = [10_000, 30_000, 100_000, 300_000, 1_000_000].map(|rows| (rows, 50));
    let by_columns = [10, 30, 100, 300, 1_000].map(|columns| (100_000, columns));
    for (rows, columns) in by_rows.into_iter().chain(by_columns) {
        let cohort = table(rows, columns);
        let boosting = seconds(|| GradientBoosting::params().n_trees(TREES).fit(&cohort))?;
        let forest = seconds(|| RandomForest::params().n_trees(10).fit(&cohort))?;
        let tree = seconds(|| one_tree().fit(&cohort))?;
        println!("{rows:>9} {columns:>8} {boosting:>12.3} {forest:>12.3} {tree:>12.3}");
    }
    Ok(())
}

fn one_tree() -> DecisionTreeParams {
    DecisionTree::params().max_depth(8).pruning(Pruning::None)
}

fn repeated(criterion: &mut Criterion) -> Outcome<()> {
    let cohort = table(20_000, 50);
    let params = GradientBoosting::params().n_trees(TREES);
    criterion.bench_function("boosting, fit of 20 trees on 20,000 x 50", |bencher| {
        bencher.iter(|| black_box(params.clone().fit(&cohort)));
    });
    let forest = RandomForest::params().n_trees(TREES);
    criterion.bench_function("forest, fit of 20 trees on 20,000 x 50", |bencher| {
        bencher.iter(|| black_box(forest.clone().fit(&cohort)));
    });
    criterion.bench_function("one tree of depth 8 on 20,000 x 50", |bencher| {
        bencher.iter(|| black_box(one_tree().fit(&cohort)));
    });
    let pruned = DecisionTree::params();
    criterion.bench_function("one tree pruned by folds on 20,000 x 50", |bencher| {
        bencher.iter(|| black_box(pruned.clone().fit(&cohort)));
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
