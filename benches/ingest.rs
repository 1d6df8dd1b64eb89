//! Reading a wide table, and features of long events.
//!
//! The table is `examples/data/diabetic_data.csv.gz` (101,766 rows x 50 columns) where it is there,
//! and a synthetic text of the same shape elsewhere.
#![allow(missing_docs)] // what criterion's macros expand to

use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use galen::ingest::{Event, EventTable, FeatureSpec, TableReader, WindowFeatures};
use galen::matrix::{Feature, PatientMatrix, RowKeys, Span, Time};

const PATH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/examples/data/diabetic_data.csv.gz"
);

fn flagship() -> Option<(Vec<u8>, TableReader)> {
    let bytes = std::fs::read(PATH).ok()?;
    let reader = ["diag_1", "diag_2", "diag_3"]
        .into_iter()
        .map(Feature::category)
        .fold(TableReader::new(), TableReader::declare)
        .missing_tokens(["?"])
        .outcome("readmitted");
    Some((bytes, reader))
}

fn synthetic() -> (Vec<u8>, TableReader) {
    let mut text = (0..50)
        .map(|column| format!("c{column}"))
        .collect::<Vec<_>>()
        .join(",");
    for row in 0..100_000_u64 {
        write!(text, "\n{row}").expect("a string takes any text");
        for column in 1..50_u64 {
            let draw = row
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(column * 97)
                >> 40;
            let level = if draw % 8 == 0 { draw % 13 } else { 0 };
            match column % 3 {
                0 => write!(text, ",{}", draw % 80),
                _ => write!(text, ",level{level}"),
            }
            .expect("a string takes any text");
        }
    }
    (text.into_bytes(), TableReader::new())
}

fn table(c: &mut Criterion) {
    let (bytes, reader) = flagship().unwrap_or_else(synthetic);
    let mut group = c.benchmark_group("ingest");
    group.sample_size(20);
    group.bench_function("table_100k_x_50", |b| {
        b.iter(|| black_box(reader.read(bytes.as_slice()).expect("the text is a table")));
    });
    group.finish();
}

fn events(c: &mut Criterion) {
    const PATIENTS: u64 = 100_000;
    const PER_PATIENT: u64 = 50;
    let drawn = |patient: u64, number: u64| {
        let draw = (patient * PER_PATIENT + number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        let event = Event::new(
            format!("p{patient}"),
            Time(0) + Span::days((draw % 2000) as i64),
            format!("c{}", draw / 2000 % 1000),
        );
        event.value((draw % 97) as f64)
    };
    let all = || (0..PATIENTS).flat_map(|p| (0..PER_PATIENT).map(move |n| drawn(p, n)));
    let table = EventTable::new(all()).expect("values are finite");
    let keys = RowKeys::none()
        .patients((0..PATIENTS).map(|patient| format!("p{patient}")))
        .times((0..PATIENTS).map(|patient| Time(0) + Span::days(1000 + (patient % 900) as i64)));
    let index = PatientMatrix::from_columns([("age", vec![50.0; PATIENTS as usize])])
        .and_then(|matrix| matrix.with_keys(keys))
        .expect("one row per patient");
    let year = Span::days(365);
    let features = WindowFeatures::new()
        .features([
            FeatureSpec::count("c1*").within(year),
            FeatureSpec::ever("c2*"),
            FeatureSpec::latest("c3*").within(year),
            FeatureSpec::mean("c4*"),
            FeatureSpec::trend("c5*"),
            FeatureSpec::time_since("c*"),
        ])
        .all_codes(20, Some(year));
    let mut group = c.benchmark_group("ingest");
    group.sample_size(10);
    group.bench_function("events_5m_sort", |b| {
        b.iter(|| black_box(EventTable::new(all()).expect("values are finite")));
    });
    group.bench_function("events_5m_features_100k_rows", |b| {
        b.iter(|| {
            black_box(
                features
                    .compute(&index, &table)
                    .expect("the request is sound"),
            )
        });
    });
    group.finish();
}

criterion_group!(benches, table, events);
criterion_main!(benches);
