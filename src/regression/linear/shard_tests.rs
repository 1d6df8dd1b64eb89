use super::tests::{agree, wide};
use super::*;
use crate::design::{Impute, Preparation};
use crate::error::{Error, ErrorKind};
use crate::estimator::rounds::{Disclosure, OwnedBatch, OwnedTarget, Parties, Party, Stream};
use crate::estimator::{Cohort, Control, Fit, ParamGuard, Regress};
use crate::matrix::{PatientMatrix, Values};

fn shards(matrix: &PatientMatrix, y: &[f64], n: usize) -> Vec<OwnedBatch> {
    (0..n)
        .map(|shard| {
            let rows: Vec<usize> = (0..y.len())
                .filter(|row| row * n / y.len() == shard)
                .collect();
            OwnedBatch {
                rows: matrix.select_rows(&rows).unwrap(),
                target: OwnedTarget::Values(rows.iter().map(|row| y[*row]).collect()),
                weights: None,
            }
        })
        .collect()
}

#[test]
fn shards_streams_and_parties_agree_with_memory() {
    let (matrix, y) = wide(20_011);
    let cohort = Cohort::new(matrix.clone(), Values::new(y.clone()).unwrap());
    for kind in [Covariance::Model, Covariance::Hc3] {
        let params = LinearRegression::params().covariance(kind).check().unwrap();
        let whole = params.fit(&cohort).unwrap();
        assert_eq!(whole.rank(), 11);
        let rounds = params.rounds(matrix.schema()).unwrap();
        for n in [1, 4, 64] {
            let parts = shards(&matrix, &y, n);
            let mut sites: Vec<_> = parts
                .iter()
                .map(|part| Party::new(&rounds, part, Disclosure::default()).unwrap())
                .collect();
            let links = sites.iter_mut().map(|site| {
                Box::new(move |question: &[u8]| site.respond(question))
                    as Box<dyn FnMut(&[u8]) -> Result<Vec<u8>, Error>>
            });
            let mut parties = Parties::new(links.collect());
            let model = params
                .fit_over(&rounds, &mut parties, &Control::silent())
                .unwrap();
            agree(&model, &whole, 1e-9);
        }
        let mut parts = shards(&matrix, &y, 3);
        parts.insert(
            1,
            OwnedBatch {
                rows: matrix.select_rows(&[]).unwrap(),
                target: OwnedTarget::Values(Vec::new()),
                weights: None,
            },
        );
        let mut stream = Stream::new(|| parts.clone().into_iter().map(Ok));
        let model = params
            .fit_over(&rounds, &mut stream, &Control::silent())
            .unwrap();
        agree(&model, &whole, 1e-9);
    }
}

#[test]
fn strangers_and_small_sites_are_refused() {
    let (matrix, y) = wide(60);
    let params = LinearRegression::params().check().unwrap();
    let rounds = params.rounds(matrix.schema()).unwrap();
    let mut other = shards(&matrix, &y, 2);
    other[1].rows = other[1].rows.without(&["dose"]).unwrap();
    let mut stream = Stream::new(|| other.clone().into_iter().map(Ok));
    assert!(
        params
            .fit_over(&rounds, &mut stream, &Control::silent())
            .is_err()
    );
    let mut classes = shards(&matrix, &y, 1);
    classes[0].target = OwnedTarget::None;
    let mut stream = Stream::new(|| classes.clone().into_iter().map(Ok));
    let error = params
        .fit_over(&rounds, &mut stream, &Control::silent())
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TargetKind { .. }));
    let small = shards(&matrix, &y, 10);
    let mut site = Party::new(&rounds, &small[0], Disclosure::default()).unwrap();
    let mut parties = Parties::new(vec![Box::new(move |question: &[u8]| {
        site.respond(question)
    })]);
    let error = params
        .fit_over(&rounds, &mut parties, &Control::silent())
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Disclosure(_)));
}

#[test]
fn same_bits_at_any_number_of_threads() {
    let (matrix, y) = wide(20_011);
    let cohort = Cohort::new(matrix, Values::new(y).unwrap());
    let run = || {
        let params = LinearRegression::params().covariance(Covariance::Hc2);
        let model = params.fit(&cohort).unwrap();
        let predicted = model.try_predict(&cohort.records).unwrap();
        let bits: Vec<u64> = predicted.iter().map(|value| value.to_bits()).collect();
        (serde_json::to_string(&model).unwrap(), bits)
    };
    let expected = run();
    for threads in [1, 2, 7] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        assert!(pool.install(run) == expected);
    }
}

#[test]
fn medians_and_modes_equal_a_table_filled_by_hand() {
    let gap = f64::NAN;
    let lab = vec![1.0, 9.0, gap, 2.0, 2.0, 30.0, gap, 4.0, 2.0, 5.0, gap, 7.0];
    let age: Vec<f64> = (0..12).map(|row| f64::from(row * row % 17)).collect();
    let y: Vec<f64> = (0..12).map(|row| f64::from(row * 7 % 12)).collect();
    let weights = [
        1.0, 2.0, 1.0, 0.0, 1.0, 1.0, 2.0, 1.0, 0.0, 3.0, 1.0, 1.0_f32,
    ];
    let build =
        |lab: Vec<f64>| PatientMatrix::from_columns([("lab", lab), ("age", age.clone())]).unwrap();
    let cohort = |matrix: PatientMatrix, weighted: bool| {
        let cohort = Cohort::new(matrix, Values::new(y.clone()).unwrap());
        match weighted {
            true => cohort.with_weights(weights.to_vec().into()),
            false => cohort,
        }
    };
    // Present, unweighted: 1 2 2 2 4 5 7 9 30. With weights: 1 2 4 5 5 5 7 9 9 30.
    for (impute, weighted, fill) in [
        (Impute::Median, false, 4.0),
        (Impute::MostFrequent, false, 2.0),
        (Impute::Median, true, 5.0),
        (Impute::MostFrequent, true, 5.0),
    ] {
        let preparation = Preparation::default().impute(impute).indicators(false);
        let params = LinearRegression::params()
            .preparation(preparation)
            .check()
            .unwrap();
        let by_hand = lab.iter().map(|x| if x.is_nan() { fill } else { *x });
        let by_hand = cohort(build(by_hand.collect()), weighted);
        let expected = LinearRegression::params().fit(&by_hand).unwrap();
        let gappy = build(lab.clone());
        let found = params.fit(&cohort(gappy.clone(), weighted)).unwrap();
        agree(&found, &expected, 1e-12);
        for n in [1, 4] {
            let mut parts = shards(&gappy, &y, n);
            for (shard, part) in parts.iter_mut().enumerate().filter(|_| weighted) {
                let own = (0..12).filter(|row| row * n / 12 == shard);
                part.weights = Some(own.map(|row| f64::from(weights[row])).collect());
            }
            let rounds = params.rounds(gappy.schema()).unwrap();
            let mut stream = Stream::new(|| parts.clone().into_iter().map(Ok));
            let model = params
                .fit_over(&rounds, &mut stream, &Control::silent())
                .unwrap();
            agree(&model, &expected, 1e-12);
        }
    }
}
