//! Evaluation of a million scores and the bootstrap of a risk model.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use galen::evaluation::{
    BootstrapOptions, LoessOptions, auprc, auroc, auroc_delong, bootstrap_binary, calibration,
    concordance, flexible_calibration,
};

/// Risks on a fine grid in a scattered order, and outcomes drawn from them: a fixed recurrence.
fn cohort(rows: usize) -> (Vec<bool>, Vec<f64>) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..rows)
        .map(|_| {
            let risk = uniform() * uniform();
            (uniform() < risk, risk)
        })
        .unzip()
}

fn ranking(criterion: &mut Criterion) {
    let (truth, score) = cohort(1_000_000);
    let weights = vec![1.0; truth.len()];
    let times: Vec<f64> = score
        .iter()
        .map(|score| (1e3 * (1.0 - score)).round())
        .collect();
    let mut group = criterion.benchmark_group("ranking_1e6");
    group.bench_function("auroc", |bench| {
        bench.iter(|| auroc(black_box(&truth), &score, None));
    });
    group.bench_function("auroc_weighted", |bench| {
        bench.iter(|| auroc(black_box(&truth), &score, Some(&weights)));
    });
    group.bench_function("auprc", |bench| {
        bench.iter(|| auprc(black_box(&truth), &score, None));
    });
    group.bench_function("auroc_delong", |bench| {
        bench.iter(|| auroc_delong(black_box(&truth), &score, None, 0.95));
    });
    let (few, rest) = (100_000, 0.95);
    group.bench_function("concordance_1e5", |bench| {
        bench.iter(|| {
            concordance(
                black_box(&times[..few]),
                &truth[..few],
                &score[..few],
                None,
                rest,
            )
        });
    });
    group.finish();
}

fn probability(criterion: &mut Criterion) {
    let (truth, risk) = cohort(100_000);
    let mut group = criterion.benchmark_group("risk_1e5");
    group.bench_function("calibration", |bench| {
        bench.iter(|| calibration(black_box(&truth), &risk, None, 0.95));
    });
    group.bench_function("flexible_calibration", |bench| {
        bench
            .iter(|| flexible_calibration(black_box(&truth), &risk, None, LoessOptions::default()));
    });
    group.finish();
}

fn resampling(criterion: &mut Criterion) {
    let (truth, risk) = cohort(20_000);
    let patients: Vec<u32> = (0..20_000).map(|row| row / 2).collect();
    let mut group = criterion.benchmark_group("bootstrap");
    group.bench_function("binary_20k_rows_1000_resamples", |bench| {
        bench.iter(|| {
            let options = BootstrapOptions::default();
            bootstrap_binary(
                black_box(&truth),
                &risk,
                None,
                Some(&patients),
                0.3,
                options,
            )
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = ranking, probability, resampling
}
criterion_main!(benches);
