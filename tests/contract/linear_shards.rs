//! Laws of rounds for linear regression; the data and cuts are those of the logistic ones.

use galen::Result;
use galen::design::{Impute, Preparation};
use galen::error::ErrorKind;
use galen::estimator::rounds::{Disclosure, OwnedBatch, OwnedTarget, Parties, Party, Stream};
use galen::estimator::{Cohort, Control, Fit, ParamGuard};
use galen::matrix::{Column, Feature, PatientMatrix, Schema, Values};
use galen::regression::LinearRegression;
use galen::regression::linear::{Covariance, LinearRegressionParams};

use crate::data::Recurrence;
use crate::shards::{Link, OPEN, cut};
use crate::subject::{by_name, close, strict};

/// Gaps, a sparse count, a category; the target follows one column, with noise.
fn cohort() -> (PatientMatrix, Vec<f64>) {
    let (matrix, events) = crate::shards::cohort();
    let age = matrix.column("age").expect("a column").to_vec();
    let mut r = Recurrence::new(23);
    let y = age
        .iter()
        .zip(&events)
        .map(|(age, event)| 100.0 + 2.0 * age + 5.0 * f64::from(u8::from(*event)) + r.bell())
        .collect();
    (matrix, y)
}

fn batch(matrix: &PatientMatrix, y: &[f64], rows: &[usize]) -> OwnedBatch {
    OwnedBatch {
        rows: matrix.select_rows(rows).expect("rows"),
        target: OwnedTarget::Values(rows.iter().map(|row| y[*row]).collect()),
        weights: None,
    }
}

fn settings() -> Vec<LinearRegressionParams> {
    let filled = |impute| Preparation::default().impute(impute);
    vec![
        LinearRegression::params(),
        LinearRegression::params().covariance(Covariance::Hc3),
        LinearRegression::params().preparation(filled(Impute::Median)),
        LinearRegression::params().intercept(false),
    ]
}

fn over_parties(
    params: &LinearRegressionParams,
    schema: &Schema,
    batches: &[OwnedBatch],
    disclosure: Disclosure,
) -> Result<LinearRegression> {
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

#[track_caller]
fn same(a: &LinearRegression, b: &LinearRegression, r: f64) {
    close(&by_name(a), &by_name(b), r);
    close(&a.standard_errors(), &b.standard_errors(), r);
    close(&[a.sigma()], &[b.sigma()], r);
    assert_eq!(a.names(), b.names());
    assert_eq!((a.df_residual(), a.rank()), (b.df_residual(), b.rank()));
}

#[test]
fn any_shards_and_streams_agree_with_memory() {
    let (matrix, y) = cohort();
    let whole = Cohort::new(matrix.clone(), Values::new(y.clone()).expect("finite"));
    for params in settings() {
        let memory = params.fit(&whole).expect("in memory");
        for shards in [1, 4, 64] {
            let parts = cut(y.len(), shards);
            let mut batches: Vec<_> = parts.iter().map(|r| batch(&matrix, &y, r)).collect();
            let fit = |batches: &[OwnedBatch]| {
                over_parties(&params, matrix.schema(), batches, OPEN).expect("parties")
            };
            let model = fit(&batches);
            same(&model, &memory, 1e-9);
            if shards == 4 {
                batches.insert(2, batch(&matrix, &y, &[]));
                same(&fit(&batches), &model, 1e-12);
            }
        }
        let valid = params.check_ref().expect("settings");
        let rounds = valid.rounds(matrix.schema()).expect("rounds");
        let all: Vec<usize> = (0..y.len()).collect();
        let mut stream = Stream::new(|| all.chunks(3_000).map(|r| Ok(batch(&matrix, &y, r))));
        let model = valid.fit_over(&rounds, &mut stream, &Control::silent());
        same(&model.expect("a stream"), &memory, 1e-9);
    }
}

#[test]
fn any_thread_count_gives_the_same_bits() {
    let (matrix, y) = cohort();
    let parts = cut(y.len(), 4);
    let batches: Vec<_> = parts.iter().map(|r| batch(&matrix, &y, r)).collect();
    let fits: Vec<Vec<f64>> = [1, 2, 5]
        .iter()
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(*threads);
            pool.build().expect("a pool").install(|| {
                let model = over_parties(&settings()[1], matrix.schema(), &batches, OPEN);
                by_name(&model.expect("parties"))
            })
        })
        .collect();
    strict(&fits[1], &fits[0]);
    strict(&fits[2], &fits[0]);
}

#[test]
fn strangers_are_refused() {
    let (matrix, y) = cohort();
    let rows: Vec<usize> = (0..2_000).collect();
    let good = batch(&matrix, &y, &rows);
    let ages = matrix.column("age").expect("a column").to_vec();
    let months = Feature::numeric("age").unit("months");
    let rest = matrix.without(&["age"]).expect("columns");
    let column = Column::dense(ages).expect("finite");
    let in_months = rest.with_column(months, column).expect("a matrix");
    for other in [rest, in_months] {
        let bad = batch(&other, &y, &rows);
        let parts = [good.clone(), bad];
        let error = over_parties(&settings()[0], matrix.schema(), &parts, OPEN);
        let error = error.expect_err("another schema");
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
    let mut classes = good.clone();
    classes.target = OwnedTarget::Classes(vec![0; 2_000], vec!["a".into()]);
    let error = over_parties(&settings()[0], matrix.schema(), &[classes], OPEN);
    let error = error.expect_err("classes");
    assert!(
        matches!(error.kind(), ErrorKind::TargetKind { .. }),
        "{error}"
    );
    let rounds = settings()[0]
        .check_ref()
        .and_then(|valid| valid.rounds(matrix.schema()))
        .expect("rounds");
    let mut short = good.clone();
    short.weights = Some(vec![1.0; 3]);
    assert!(Party::new(&rounds, &short, OPEN).is_err());
    // Questions that are no questions.
    let mut r = Recurrence::new(5);
    for length in 0..300 {
        let noise: Vec<u8> = (0..length % 40).map(|_| r.below(256) as u8).collect();
        let mut party = Party::new(&rounds, &good, OPEN).expect("a party");
        if let Err(error) = party.respond(&noise) {
            assert!(matches!(error.kind(), ErrorKind::Saved(_)), "{error}");
        }
    }
}

#[test]
fn disclosure_refuses_small_counts() {
    let (matrix, y) = cohort();
    let all: Vec<usize> = (0..y.len()).collect();
    let numbers = matrix.without(&["ward", "visits"]).expect("columns");
    let fit = |rows: &[usize], matrix: &PatientMatrix, rule: Disclosure| {
        let parts = [batch(matrix, &y, &all[2_000..]), batch(matrix, &y, rows)];
        over_parties(&settings()[0], matrix.schema(), &parts, rule)
    };
    let rule = Disclosure::default();
    assert!(fit(&all[..2_000], &numbers, rule).is_ok());
    let few = fit(&all[..10], &numbers, rule).expect_err("ten rows");
    assert!(matches!(few.kind(), ErrorKind::Disclosure(_)), "{few}");
    let mut wards = vec![Some("common"); y.len()];
    wards[..10].fill(Some("rare ward"));
    let rare = numbers
        .with_column(Feature::category("unit"), Column::categorical(wards))
        .expect("a matrix");
    let error = fit(&all[..2_000], &rare, rule).expect_err("a level with ten rows");
    assert!(matches!(error.kind(), ErrorKind::Disclosure(_)), "{error}");
    assert!(!error.to_string().contains("rare ward"), "{error}");
    let ratio = Disclosure {
        numbers_per_row: 0.001,
        ..rule
    };
    let error = fit(&all[..2_000], &numbers, ratio).expect_err("a ratio");
    assert!(matches!(error.kind(), ErrorKind::Disclosure(_)), "{error}");
}
