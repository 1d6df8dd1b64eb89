//! Laws of rounds: parties that exchange bytes only, and what may not leave one.

use galen::Result;
use galen::classification::LogisticRegression;
use galen::classification::logistic::{Covariance, LogisticRegressionParams};
use galen::error::ErrorKind;
use galen::estimator::rounds::{Disclosure, OwnedBatch, OwnedTarget, Parties, Party, Stream};
use galen::estimator::{Cohort, Control, Fit, ParamGuard};
use galen::matrix::{Binary, Column, Feature, PatientMatrix, Schema};

use crate::data::{Recurrence, b7};
use crate::subject::{Described, Task, by_name, close, strict};

pub const OPEN: Disclosure = Disclosure {
    smallest_count: 1,
    numbers_per_row: f64::INFINITY,
};

pub type Link<'a> = Box<dyn FnMut(&[u8]) -> Result<Vec<u8>> + 'a>;

/// B7 with gaps, a sparse count and a category.
pub fn cohort() -> (PatientMatrix, Vec<bool>) {
    let mut data = b7(Task::Classify);
    let n = data.y.len();
    for row in (0..n).step_by(13) {
        data.x[(row, 3)] = f64::NAN;
    }
    let mut r = Recurrence::new(17);
    let visits: Vec<(usize, f64)> = (0..n)
        .filter(|_| r.unit() < 0.05)
        .map(|row| (row, 1.0 + (row % 4) as f64))
        .collect();
    let wards = (0..n)
        .map(|row| (row % 29 != 0).then_some(["east", "north", "south", "west"][row * 7 % 11 % 4]));
    let matrix = data
        .matrix()
        .with_column(
            Feature::count("visits"),
            Column::sparse(n, visits).expect("entries"),
        )
        .and_then(|matrix| {
            matrix.with_column(Feature::category("ward"), Column::categorical(wards))
        })
        .expect("a matrix");
    (matrix, data.y.iter().map(|y| *y == 1.0).collect())
}

/// Rows of a party; class numbers follow the party's own table.
fn batch(matrix: &PatientMatrix, events: &[bool], rows: &[usize], turned: bool) -> OwnedBatch {
    let labels = if turned {
        ["true", "false"]
    } else {
        ["false", "true"]
    };
    OwnedBatch {
        rows: matrix.select_rows(rows).expect("rows"),
        target: OwnedTarget::Classes(
            rows.iter()
                .map(|row| u32::from(events[*row] != turned))
                .collect(),
            labels.map(String::from).to_vec(),
        ),
        weights: None,
    }
}

/// Cuts of unequal size.
pub fn cut(n: usize, shards: usize) -> Vec<Vec<usize>> {
    let mut parts = vec![Vec::new(); shards];
    for row in 0..n {
        let part = if shards == 1 {
            0
        } else {
            (row * row / 7 + row / 3) % (shards + 1) % shards
        };
        parts[part].push(row);
    }
    parts
}

fn settings() -> Vec<LogisticRegressionParams> {
    vec![
        LogisticRegression::params(),
        LogisticRegression::params().covariance(Covariance::Robust),
        LogisticRegression::params().strength(0.01),
        LogisticRegression::params().strength(0.02).l1_ratio(0.7),
    ]
}

fn over_parties(
    params: &LogisticRegressionParams,
    schema: &Schema,
    batches: &[OwnedBatch],
    disclosure: Disclosure,
) -> Result<LogisticRegression> {
    let valid = params.check_ref()?;
    let rounds = valid.rounds(schema)?;
    let mut parties = batches
        .iter()
        .map(|batch| Party::new(&rounds, batch, disclosure))
        .collect::<Result<Vec<_>>>()?;
    let links = parties
        .iter_mut()
        .map(|party| -> Link<'_> { Box::new(|question: &[u8]| party.respond(question)) })
        .collect();
    valid.fit_over(&rounds, &mut Parties::new(links), &Control::silent())
}

fn errors_of(model: &LogisticRegression) -> Vec<f64> {
    model
        .terms()
        .iter()
        .filter_map(|term| term.standard_error)
        .collect()
}

#[test]
fn one_four_and_sixty_four_shards_agree() {
    let (matrix, events) = cohort();
    let target = Binary::from_flags("event", events.iter().copied());
    let whole = Cohort::new(matrix.clone(), target);
    for params in settings() {
        let memory = params.fit(&whole).expect("in memory");
        for shards in [1, 4, 64] {
            let batches: Vec<OwnedBatch> = cut(events.len(), shards)
                .iter()
                .enumerate()
                .map(|(at, rows)| batch(&matrix, &events, rows, at % 2 == 1))
                .collect();
            let model = over_parties(&params, matrix.schema(), &batches, OPEN).expect("parties");
            close(&by_name(&model), &by_name(&memory), 1e-9);
            close(&errors_of(&model), &errors_of(&memory), 1e-9);
            close(&[model.deviance()], &[memory.deviance()], 1e-9);
            assert_eq!(model.header().n_rows, memory.header().n_rows);
            assert_eq!(model.header().n_events, memory.header().n_events);
            assert_eq!(model.header().event, memory.header().event);
        }
    }
}

#[test]
fn any_thread_count_gives_the_same_bits() {
    let (matrix, events) = cohort();
    let batches: Vec<OwnedBatch> = cut(events.len(), 4)
        .iter()
        .map(|rows| batch(&matrix, &events, rows, false))
        .collect();
    let fits: Vec<Vec<f64>> = [1, 2, 5]
        .iter()
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(*threads)
                .build()
                .expect("a pool");
            pool.install(|| {
                by_name(
                    &over_parties(&settings()[0], matrix.schema(), &batches, OPEN)
                        .expect("parties"),
                )
            })
        })
        .collect();
    strict(&fits[1], &fits[0]);
    strict(&fits[2], &fits[0]);
}

#[test]
fn an_empty_shard_changes_nothing() {
    let (matrix, events) = cohort();
    let mut batches: Vec<OwnedBatch> = cut(events.len(), 3)
        .iter()
        .map(|rows| batch(&matrix, &events, rows, false))
        .collect();
    for params in settings() {
        let plain = over_parties(&params, matrix.schema(), &batches, OPEN).expect("parties");
        batches.push(batch(&matrix, &events, &[], false));
        let model = over_parties(&params, matrix.schema(), &batches, OPEN)
            .expect("an empty shard is allowed");
        close(&by_name(&model), &by_name(&plain), 1e-12);
        assert_eq!(model.header().n_rows, plain.header().n_rows);
        // An empty party may always answer, whatever the disclosure rule.
        let rounds = params
            .check_ref()
            .and_then(|valid| valid.rounds(matrix.schema()))
            .expect("rounds");
        let empty = batches.pop().expect("the empty one");
        assert!(Party::new(&rounds, &empty, Disclosure::default()).is_ok());
    }
}

#[test]
fn a_shard_of_another_schema_is_refused() {
    let (matrix, events) = cohort();
    let rows: Vec<usize> = (0..2_000).collect();
    let good = batch(&matrix, &events, &rows, false);
    let renamed = matrix
        .derive(Feature::numeric("age2"), &["age"], |x| x[0])
        .and_then(|matrix| matrix.without(&["age"]));
    let renamed = renamed.expect("a matrix");
    let in_months = matrix
        .without(&["age"])
        .and_then(|rest| {
            let values = Column::dense(matrix.column("age")?.to_vec())?;
            rest.with_column(Feature::numeric("age").unit("months"), values)
        })
        .expect("a matrix");
    for other in [renamed, in_months] {
        let bad = batch(&other, &events, &rows, false);
        let error = over_parties(&settings()[0], matrix.schema(), &[good.clone(), bad], OPEN)
            .expect_err("another schema");
        assert!(
            matches!(
                error.kind(),
                ErrorKind::FeatureNames { .. }
                    | ErrorKind::FeatureMismatch { .. }
                    | ErrorKind::Schema(_)
            ),
            "{error}"
        );
    }
    // Lengths and class numbers are checked where a party is made.
    let rounds = settings()[0]
        .check_ref()
        .and_then(|valid| valid.rounds(matrix.schema()))
        .expect("rounds");
    let mut short = good.clone();
    short.weights = Some(vec![1.0; 3]);
    assert!(Party::new(&rounds, &short, OPEN).is_err());
    let mut outside = good;
    outside.target = OwnedTarget::Classes(vec![7; 2_000], vec!["false".into(), "true".into()]);
    assert!(Party::new(&rounds, &outside, OPEN).is_err());
}

#[test]
fn disclosure_refuses_small_counts() {
    let (matrix, events) = cohort();
    let wide: Vec<usize> = (0..events.len()).collect();
    let numbers = matrix.without(&["ward", "visits"]).expect("columns");
    let full = |rows: &[usize], matrix: &PatientMatrix| {
        let batches = [
            batch(matrix, &events, &wide[2_000..], false),
            batch(matrix, &events, rows, false),
        ];
        over_parties(
            &settings()[2],
            matrix.schema(),
            &batches,
            Disclosure::default(),
        )
    };
    assert!(full(&wide[..2_000], &numbers).is_ok());
    let few = full(&wide[..10], &numbers).expect_err("ten rows");
    assert!(matches!(few.kind(), ErrorKind::Disclosure(_)), "{few}");
    assert!(few.to_string().contains("11"), "{few}");
    // Many rows, but one ward with ten of them.
    let mut wards = vec![Some("common"); events.len()];
    wards[..10].fill(Some("rare ward"));
    let rare = numbers
        .with_column(Feature::category("unit"), Column::categorical(wards))
        .expect("a matrix");
    let error = full(&wide[..2_000], &rare).expect_err("a level with ten rows");
    assert!(matches!(error.kind(), ErrorKind::Disclosure(_)), "{error}");
    assert!(!error.to_string().contains("rare ward"), "{error}");
    // Ten events among many rows.
    let order: Vec<usize> = (0..2_000)
        .filter(|row| !events[*row])
        .chain((0..2_000).filter(|row| events[*row]).take(10))
        .collect();
    let error = full(&order, &numbers).expect_err("ten events");
    assert!(matches!(error.kind(), ErrorKind::Disclosure(_)), "{error}");
    // More numbers than rows.
    let ratio = Disclosure {
        numbers_per_row: 0.001,
        ..Disclosure::default()
    };
    let one = [batch(&numbers, &events, &wide[..3_000], false)];
    let error = over_parties(&settings()[0], numbers.schema(), &one, ratio).expect_err("a ratio");
    assert!(matches!(error.kind(), ErrorKind::Disclosure(_)), "{error}");
}

#[test]
fn questions_that_are_no_questions() {
    let (matrix, events) = cohort();
    let rows: Vec<usize> = (0..500).collect();
    let batch = batch(&matrix, &events, &rows, false);
    let rounds = settings()[0]
        .check_ref()
        .and_then(|valid| valid.rounds(matrix.schema()))
        .expect("rounds");
    let mut r = Recurrence::new(5);
    for length in 0..300 {
        let noise: Vec<u8> = (0..length % 40).map(|_| r.below(256) as u8).collect();
        let mut party = Party::new(&rounds, &batch, OPEN).expect("a party");
        if let Err(error) = party.respond(&noise) {
            assert!(matches!(error.kind(), ErrorKind::Saved(_)), "{error}");
        }
    }
}

#[test]
fn a_stream_equals_memory() {
    let (matrix, events) = cohort();
    let target = Binary::from_flags("event", events.iter().copied());
    let whole = Cohort::new(matrix.clone(), target);
    let all: Vec<usize> = (0..events.len()).collect();
    for params in settings() {
        let memory = params.fit(&whole).expect("in memory");
        let valid = params.check_ref().expect("settings");
        let rounds = valid.rounds(matrix.schema()).expect("rounds");
        let mut stream = Stream::new(|| {
            all.chunks(3_000)
                .map(|rows| Ok(batch(&matrix, &events, rows, false)))
        });
        let model: LogisticRegression = valid
            .fit_over(&rounds, &mut stream, &Control::silent())
            .expect("a stream");
        close(&by_name(&model), &by_name(&memory), 1e-9);
    }
    let by_patient = LogisticRegression::params()
        .covariance(Covariance::ByPatient)
        .check()
        .expect("settings");
    assert!(
        by_patient.rounds(matrix.schema()).is_err(),
        "patients may be spread over batches"
    );
}
