//! The two ordinary sizes: 1,000,000 x 50 dense and 100,000 x 10,000 sparse.
//!
//! Every step is run once and printed with its time and, where the system tells it, the largest
//! memory of the process during the step. `sizes dense` or `sizes sparse` runs one of the two.

use std::error::Error;
use std::time::Instant;

use galen::classification::{GradientBoosting, LogisticPath, LogisticRegression};
use galen::evaluation::auroc;
use galen::matrix::Column;
use galen::prelude::*;

type Outcome<T> = std::result::Result<T, Box<dyn Error>>;

const DENSE_ROWS: usize = 1_000_000;
const DENSE_FEATURES: usize = 50;
const SPARSE_ROWS: usize = 100_000;
const CODES: usize = 10_000;
/// Codes that change the risk.
const PLANTED: usize = 50;

fn main() -> Outcome<()> {
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let wanted = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    if wanted("dense") {
        dense()?;
    }
    if wanted("sparse") {
        sparse()?;
    }
    Ok(())
}

/// A fixed recurrence (xorshift64) for uniform and normal numbers.
struct Draws(u64);

impl Draws {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Sum of four uniforms, standardised: close enough to normal for a benchmark.
    fn bell(&mut self) -> f64 {
        let sum: f64 = (0..4).map(|_| self.uniform()).sum();
        (sum - 2.0) * 3_f64.sqrt()
    }
}

/// Runs a step and prints its time and its largest memory.
fn step<T>(name: &str, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    // Sets the recorded maximum back to the present size; only Linux has it.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let start = Instant::now();
    let result = work()?;
    let seconds = start.elapsed().as_secs_f64();
    match peak_megabytes() {
        Some(peak) => println!("{name:<58} {seconds:>8.3} s {peak:>7.0} MB"),
        None => println!("{name:<58} {seconds:>8.3} s"),
    }
    Ok(result)
}

fn peak_megabytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1000.0)
}

fn risk(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

fn dense() -> Outcome<()> {
    println!("-- {DENSE_ROWS} x {DENSE_FEATURES} dense");
    let mut draws = Draws(0x9e37_79b9_7f4a_7c15);
    let mut log_odds = vec![-1.5; DENSE_ROWS];
    let mut columns = Vec::new();
    for feature in 0..DENSE_FEATURES {
        let weight = if feature % 3 == 0 { 0.3 } else { 0.02 };
        let mut values = Vec::with_capacity(DENSE_ROWS);
        for slot in &mut log_odds {
            let value = draws.bell();
            *slot += weight * value;
            values.push(value);
        }
        columns.push((format!("x{feature}"), values));
    }
    let events: Vec<bool> = log_odds
        .iter()
        .map(|value| draws.uniform() < risk(*value))
        .collect();
    let matrix = step("matrix from columns, two rows a patient", || {
        let matrix = PatientMatrix::from_columns(columns)?;
        let patients = (0..DENSE_ROWS).map(|row| row / 2);
        let times = (0..DENSE_ROWS).map(|row| Time(0) + Span::days((row % 2) as i64));
        Ok(matrix.with_keys(RowKeys::none().patients(patients).times(times))?)
    })?;
    step("select 25 columns", || {
        let names: Vec<String> = (0..25).map(|feature| format!("x{feature}")).collect();
        Ok(matrix.select(&names)?)
    })?;
    step("filter by a value", || {
        let column = matrix.column("x0")?;
        Ok(matrix.filter(|row| column.value(row) > 0.0)?)
    })?;
    step("describe (five passes)", || Ok(matrix.describe()?))?;
    let cohort = Cohort::new(matrix.clone(), Binary::from_flags("event", events.clone()));
    let (train, _test) = step("split by patient", || {
        Ok(Split::holdout(0.25, 1).apply(&cohort)?)
    })?;
    step("ridge fit on the training side", || {
        Ok(LogisticRegression::params().strength(1e-3).fit(&train)?)
    })?;
    let model = step("ridge fit on all rows", || {
        Ok(LogisticRegression::params().strength(1e-3).fit(&cohort)?)
    })?;
    let scores = step("predict_risk on all rows", || {
        Ok(model.predict_risk(&matrix)?)
    })?;
    let area = step("AUROC", || Ok(auroc(&events, &scores.to_vec(), None)?))?;
    println!("   AUROC {area:.4}");
    Ok(())
}

/// Flags of codes with frequencies by Zipf's law, 20 to 50 draws a row.
fn codes() -> (Vec<Vec<(usize, f64)>>, Vec<bool>) {
    let mut draws = Draws(0x2545_f491_4f6c_dd1d);
    let mut cumulative = Vec::with_capacity(CODES);
    let mut total = 0.0;
    for rank in 1..=CODES {
        total += 1.0 / rank as f64;
        cumulative.push(total);
    }
    // The planted ones are of middling frequency: every twentieth code from the tenth on.
    let mut weight = vec![0.0; CODES];
    for number in 0..PLANTED {
        let sign = if number % 2 == 0 { 1.0 } else { -1.0 };
        weight[10 + 20 * number] = sign * (0.5 + number as f64 / PLANTED as f64);
    }
    let mut entries = vec![Vec::new(); CODES];
    let mut events = Vec::with_capacity(SPARSE_ROWS);
    for row in 0..SPARSE_ROWS {
        let drawn = 20 + (draws.uniform() * 31.0) as usize;
        let mut present: Vec<usize> = (0..drawn)
            .map(|_| {
                let at = draws.uniform() * total;
                cumulative.partition_point(|upto| *upto < at).min(CODES - 1)
            })
            .collect();
        present.sort_unstable();
        present.dedup();
        let log_odds: f64 = present.iter().map(|code| weight[*code]).sum();
        events.push(draws.uniform() < risk(log_odds - 1.5));
        for code in present {
            entries[code].push((row, 1.0));
        }
    }
    (entries, events)
}

fn sparse() -> Outcome<()> {
    let (entries, events) = codes();
    let stored: usize = entries.iter().map(Vec::len).sum();
    println!("-- {SPARSE_ROWS} x {CODES} sparse, {stored} stored entries");
    let matrix = step("matrix from entries", || {
        let mut columns = Vec::with_capacity(CODES);
        for (code, entries) in entries.into_iter().enumerate() {
            let feature = Feature::flag(format!("code {code}"));
            columns.push((feature, Column::sparse(SPARSE_ROWS, entries)?));
        }
        let keys = RowKeys::none().patients(0..SPARSE_ROWS);
        Ok(PatientMatrix::new(columns)?.with_keys(keys)?)
    })?;
    step("describe (five passes)", || Ok(matrix.describe()?))?;
    let cohort = Cohort::new(matrix.clone(), Binary::from_flags("event", events.clone()));
    let (train, test) = step("split by patient", || {
        Ok(Split::holdout(0.25, 1).apply(&cohort)?)
    })?;
    let report = |name: &str, model: &LogisticRegression, truth: &[bool], risk: &[f64]| {
        let area = auroc(truth, risk, None)?;
        println!("   {name}: {} terms, AUROC {area:.4}", model.n_active());
        Ok::<(), Box<dyn Error>>(())
    };
    let net = step("elastic net, one strength, training side", || {
        let params = LogisticRegression::params().strength(0.005).l1_ratio(0.9);
        Ok(params.fit(&train)?)
    })?;
    let scores = step(
        "predict_risk on all rows",
        || Ok(net.predict_risk(&matrix)?),
    )?;
    report("elastic net", &net, &events, &scores.to_vec())?;
    step("gradient boosting, 100 trees, training side", || {
        Ok(GradientBoosting::params().n_trees(100).fit(&train)?)
    })?;
    let path: LogisticPath = step("elastic-net path of 20 strengths, training side", || {
        let params = LogisticRegression::path().l1_ratio(0.9).n_strengths(20);
        Ok(params.min_ratio(0.05).fit(&train)?)
    })?;
    if let Some(last) = path.models().last() {
        let scores = step("predict_risk on the test side", || {
            Ok(last.predict_risk(test.rows())?)
        })?;
        let truth = test.open().target.values().to_vec();
        report("last of the path", last, &truth, &scores.to_vec())?;
    }
    let ridge = step("ridge fit with all codes, training side", || {
        Ok(LogisticRegression::params().strength(0.01).fit(&train)?)
    })?;
    let scores = ridge.predict_risk(&matrix)?;
    report("ridge", &ridge, &events, &scores.to_vec())?;
    Ok(())
}
