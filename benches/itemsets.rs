//! Itemsets: how cost grows with patients, items, support and length, and what every method takes.
//!
//! A bare run prints the short growth table, one run each, then repeats every method on every kind of
//! set. `itemsets growth` prints the whole table alone, up to 1,000,000 patients and 1,000 items.
//! Making baskets of items from the rows is timed apart. Memory is the most that a search of the fastest
//! method holds beside its baskets.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use galen::association::{
    Apriori, Eclat, FpGrowth, FrequentItemsets, ItemsetParams, ItemsetValidParams, SetKind,
};
use galen::design::{ItemParams, Items};
use linfa::ParamGuard;
use peak_alloc::PeakAlloc;

type Outcome<T> = std::result::Result<T, Box<dyn Error>>;

const SEED: u64 = 7;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fn main() -> Outcome<()> {
    let whole = std::env::args().any(|arg| arg == "growth");
    growth(whole)?;
    if whole {
        return Ok(());
    }
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    repeated(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

/// Baskets of simulated patients, and the seconds of making them from rows.
fn items(patients: usize, codes: usize) -> Outcome<(Items, f64)> {
    let rows = galen::simulate::baskets(patients, codes, SEED).to_matrix();
    let start = Instant::now();
    let items = ItemParams::default().learn(&rows)?.items(&rows)?;
    Ok((items, start.elapsed().as_secs_f64()))
}

/// One line of the growth table.
struct Line {
    patients: usize,
    codes: usize,
    support: f64,
    longest: usize,
}

const ANY: usize = usize::MAX;

/// Lines up to 100,000 patients; by patients, codes, support and length.
const SHORT: [Line; 9] = [
    line(10_000, 300, 0.01, ANY),
    line(30_000, 300, 0.01, ANY),
    line(100_000, 300, 0.01, ANY),
    line(100_000, 100, 0.01, ANY),
    line(100_000, 1_000, 0.01, ANY),
    line(100_000, 300, 0.003, ANY),
    line(100_000, 300, 0.001, ANY),
    line(100_000, 300, 0.001, 2),
    line(100_000, 300, 0.001, 3),
];

/// Lines beyond.
const LONG: [Line; 6] = [
    line(100_000, 300, 0.0003, ANY),
    line(100_000, 300, 0.0001, ANY),
    line(300_000, 300, 0.01, ANY),
    line(1_000_000, 300, 0.01, ANY),
    line(1_000_000, 1_000, 0.01, ANY),
    line(1_000_000, 1_000, 0.001, ANY),
];

const fn line(patients: usize, codes: usize, support: f64, longest: usize) -> Line {
    Line {
        patients,
        codes,
        support,
        longest,
    }
}

fn growth(whole: bool) -> Outcome<()> {
    println!(
        "{:>9} {:>6} {:>8} {:>7} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}   seconds, megabytes",
        "patients",
        "codes",
        "support",
        "longest",
        "sets",
        "baskets",
        "fastest",
        "closed",
        "maximal",
        "counted",
        "memory"
    );
    let mut held: Option<((usize, usize), (Items, f64))> = None;
    for line in SHORT.iter().chain(LONG.iter().filter(|_| whole)) {
        let sizes = (line.patients, line.codes);
        let (baskets, made) = match held.take() {
            Some((before, held)) if before == sizes => held,
            _ => items(line.patients, line.codes)?,
        };
        let params = FrequentItemsets::params()
            .min_support(line.support)
            .lengths(1..=line.longest);
        ALLOCATOR.reset_peak_usage();
        let before = ALLOCATOR.current_usage_as_mb();
        let (sets, fastest) = timed(&params, &baskets)?;
        let memory = ALLOCATOR.peak_usage_as_mb() - before;
        let (_, closed) = timed(&params.clone().kind(SetKind::Closed), &baskets)?;
        let (_, maximal) = timed(&params.clone().kind(SetKind::Maximal), &baskets)?;
        let start = Instant::now();
        let counts = params.check()?.count(&baskets)?;
        let counted = start.elapsed().as_secs_f64();
        assert_eq!(
            counts.iter().sum::<u64>(),
            sets as u64,
            "counted as collected"
        );
        let longest = match line.longest {
            ANY => "any".to_string(),
            longest => longest.to_string(),
        };
        println!(
            "{:>9} {:>6} {:>8} {longest:>7} {sets:>9} {made:>8.3} {fastest:>8.3} {closed:>8.3} \
             {maximal:>8.3} {counted:>8.3} {memory:>8.1}",
            line.patients, line.codes, line.support,
        );
        held = Some((sizes, (baskets, made)));
    }
    Ok(())
}

/// Number of sets, and seconds.
fn timed(params: &ItemsetParams, baskets: &Items) -> Outcome<(usize, f64)> {
    let start = Instant::now();
    let sets = black_box(params.mine(baskets)?);
    Ok((sets.len(), start.elapsed().as_secs_f64()))
}

/// Every method on every kind of set: 20,000 patients, 200 codes, support 0.5 %.
fn repeated(criterion: &mut Criterion) -> Outcome<()> {
    let (baskets, _) = items(20_000, 200)?;
    let methods = [
        ("apriori", Apriori::params()),
        ("fp-growth", FpGrowth::params()),
        ("eclat", Eclat::params()),
        ("fastest", FrequentItemsets::params()),
    ];
    let kinds = [
        ("frequent", SetKind::Frequent),
        ("closed", SetKind::Closed),
        ("maximal", SetKind::Maximal),
        ("generators", SetKind::Generator),
    ];
    for (kind_name, kind) in kinds {
        let mut group = criterion.benchmark_group(format!("{kind_name} sets"));
        let mut found = None;
        for (name, method) in &methods {
            let params: ItemsetValidParams =
                method.clone().min_support(0.005).kind(kind).check()?;
            let sets = params.mine(&baskets)?;
            assert_eq!(
                *found.get_or_insert(sets.len()),
                sets.len(),
                "{name}: same sets"
            );
            group.bench_function(*name, |bencher| {
                bencher.iter(|| black_box(params.mine(&baskets)));
            });
        }
        group.finish();
    }
    Ok(())
}
