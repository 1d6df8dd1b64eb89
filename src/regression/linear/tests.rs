use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use linfa::DatasetBase;
use linfa::traits::Predict;
use ndarray::{Array1, Array2, array};

use super::*;
use crate::design::{Impute, Preparation};
use crate::error::{Error, ErrorKind};
use crate::estimator::{
    Cohort, Control, Fit, Lineage, Model, ParamGuard, Regress, RowsSource, Summary,
};
use crate::matrix::{Column, Feature, PatientMatrix, RowKeys, Values};

/// Deterministic noise in [-1, 1).
pub(super) fn noise(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

/// Six features with offsets and correlations, one of them missing in places, one sparse, one of
/// levels; and a target that follows four of them.
pub(super) fn wide(n: usize) -> (PatientMatrix, Vec<f64>) {
    let mut next = noise(7);
    let mut columns = vec![Vec::new(); 4];
    let mut sparse = Vec::new();
    let mut wards = Vec::new();
    let mut y = Vec::new();
    for row in 0..n {
        let age = 60.0 + 20.0 * next();
        let bmi = 27.0 + 5.0 * next() + 0.05 * age;
        let sodium = 138.0 + 4.0 * next();
        let level = 1e6 + next();
        let ward = row * 7 % 5;
        columns[0].push(age);
        columns[1].push(bmi);
        columns[2].push(if row % 11 == 3 { f64::NAN } else { sodium });
        columns[3].push(level);
        if row % 13 == 0 {
            sparse.push((row, 1.0 + next()));
        }
        wards.push(Some(["a", "b", "c", "d", "e"][ward]));
        y.push(0.3 * age - 1.2 * bmi + 0.5 * ward as f64 + 2.0 * (level - 1e6) + 5.0 * next());
    }
    let dense = |values: &Vec<f64>| Column::dense(values.clone()).unwrap();
    let matrix = PatientMatrix::new(vec![
        (Feature::numeric("age"), dense(&columns[0])),
        (Feature::numeric("bmi"), dense(&columns[1])),
        (Feature::numeric("sodium"), dense(&columns[2])),
        (Feature::numeric("level"), dense(&columns[3])),
        (Feature::numeric("dose"), Column::sparse(n, sparse).unwrap()),
        (Feature::category("ward"), Column::categorical(wards)),
    ])
    .unwrap();
    (matrix, y)
}

fn line() -> (Array2<f64>, Array1<f64>) {
    (
        array![
            [1.0, 2.0],
            [2.0, 1.0],
            [3.0, 5.0],
            [4.0, 4.0],
            [5.0, 9.0],
            [6.0, 7.0]
        ],
        array![1.0, 2.5, 2.0, 4.5, 4.0, 6.5],
    )
}

fn fit(rows: Array2<f64>, y: Array1<f64>) -> Result<LinearRegression, Error> {
    LinearRegression::params().fit(&DatasetBase::new(rows, y))
}

pub(super) fn agree(a: &LinearRegression, b: &LinearRegression, tolerance: f64) {
    assert_eq!(a.names(), b.names());
    let pairs = |x: Vec<f64>, y: Vec<f64>| {
        for (x, y) in x.iter().zip(&y) {
            assert!((x - y).abs() <= tolerance * y.abs(), "{x:e} {y:e}");
        }
    };
    pairs(a.estimates(), b.estimates());
    pairs(a.standard_errors(), b.standard_errors());
    pairs(
        vec![a.sigma(), a.r_squared().unwrap()],
        vec![b.sigma(), b.r_squared().unwrap()],
    );
}

#[test]
fn hand_worked_line() {
    // x = 0, 1, 2 and y = 1, 3, 2: slope 1/2, intercept 3/2, residuals -1/2, 1, -1/2.
    let model = fit(array![[0.0], [1.0], [2.0]], array![1.0, 3.0, 2.0]).unwrap();
    assert!((model.intercept() - 1.5).abs() < 1e-15);
    assert!((model.coefficients()[0].1 - 0.5).abs() < 1e-15);
    assert!((model.residual_sum_of_squares() - 1.5).abs() < 1e-14);
    assert!((model.r_squared().unwrap() - 0.25).abs() < 1e-15);
    assert!((model.adjusted_r_squared().unwrap() + 0.5).abs() < 1e-14);
    assert!((model.sigma() - 1.5_f64.sqrt()).abs() < 1e-15);
    // Var slope = 1.5 / 2; t = 0.5 / sqrt(0.75) on one degree of freedom: p = 1 - 2 atan(t) / pi.
    let slope = &model.terms()[1];
    let t = 0.5 / 0.75_f64.sqrt();
    assert!((slope.statistic.unwrap() - t).abs() < 1e-14);
    let p = 1.0 - 2.0 * t.atan() / std::f64::consts::PI;
    assert!((slope.p.unwrap() - p).abs() < 1e-13);
    let test = model.overall_test().unwrap();
    assert!((test.statistic - 1.0 / 3.0).abs() < 1e-14 && (test.p - p).abs() < 1e-13);
    assert_eq!(
        (model.rank(), model.df_residual(), model.header().n_rows),
        (2, 1.0, 3)
    );
    assert!(!model.header().contains_training_rows);
    // Through the origin: slope 7/5, R2 about zero.
    let origin = LinearRegression::params()
        .intercept(false)
        .fit(&DatasetBase::new(
            array![[0.0], [1.0], [2.0]],
            array![1.0, 3.0, 2.0],
        ))
        .unwrap();
    assert!((origin.coefficients()[0].1 - 1.4).abs() < 1e-15 && origin.intercept() == 0.0);
    assert!((origin.r_squared().unwrap() - 9.8 / 14.0).abs() < 1e-15);
    assert!(!origin.r_squared_is_centered());
    assert!(
        origin
            .warnings()
            .iter()
            .any(|text| text.contains("no intercept"))
    );
    assert!(
        origin
            .facts()
            .iter()
            .any(|(name, _)| name == "R2 about zero")
    );
}

#[test]
fn constant_target_has_no_r_squared() {
    let (rows, _) = line();
    let model = fit(rows, Array1::from_elem(6, 1e5 + 0.1)).unwrap();
    assert_eq!(model.intercept(), 1e5 + 0.1);
    assert!(model.coefficients().iter().all(|(_, b)| *b == 0.0));
    assert_eq!(
        (model.r_squared(), model.adjusted_r_squared()),
        (None, None)
    );
    assert!(model.overall_test().is_none() && model.residual_sum_of_squares() == 0.0);
    assert!(model.terms().iter().all(|term| term.p.is_none()));
    assert!(
        model
            .warnings()
            .iter()
            .any(|text| text.contains("target is constant"))
    );
}

#[test]
fn dependent_columns_are_named_and_later_ones_dropped() {
    let (rows, y) = line();
    let mut wide = Array2::zeros((6, 5));
    for row in 0..6 {
        let (a, b) = (rows[(row, 0)], rows[(row, 1)]);
        wide.row_mut(row)
            .assign(&array![a, 7.0, 1e3 - 12.0 * a, b, a + 0.1 * b]);
    }
    let model = fit(wide, y.clone()).unwrap();
    assert_eq!(model.names(), ["intercept", "x0", "x3"]);
    assert_eq!(model.aliased(), ["x1", "x2", "x4"]);
    // The report reads this beginning.
    assert!(model.warnings()[0].starts_with("left out"));
    assert!(model.warnings()[0].contains("x1, x2, x4"));
    let terms = model.terms();
    let listed: Vec<_> = terms.iter().map(|term| &term.name[..]).collect();
    assert_eq!(listed, ["intercept", "x0", "x1", "x2", "x3", "x4"]);
    assert_eq!(terms[4].estimate, model.estimates()[2]);
    for dropped in [2, 3, 5] {
        assert_eq!(terms[dropped].estimate, 0.0);
        assert!(terms[dropped].standard_error.is_none() && terms[dropped].p.is_none());
    }
    let plain = fit(rows.clone(), y.clone()).unwrap();
    for (a, b) in model.estimates().iter().zip(plain.estimates()) {
        assert!((a - b).abs() < 1e-13);
    }
    // A column of zeros is a combination of nothing; without intercept a constant is a column.
    let zeros = array![[0.0, 7.0], [0.0, 7.0], [0.0, 7.0]];
    let model = LinearRegression::params()
        .intercept(false)
        .fit(&DatasetBase::new(zeros, array![1.0, 2.0, 6.0]))
        .unwrap();
    assert_eq!(
        (model.aliased(), model.names()),
        (&["x0".to_string()][..], vec!["x1"])
    );
    assert!((model.estimates()[0] - 3.0 / 7.0).abs() < 1e-15);
}

#[test]
fn only_constant_columns_leave_the_mean() {
    let model = fit(array![[5.0], [5.0], [5.0]], array![1.0, 2.0, 6.0]).unwrap();
    assert_eq!(
        (model.intercept(), model.aliased()),
        (3.0, &["x0".to_string()][..])
    );
    assert!(model.overall_test().is_none());
    assert!(model.r_squared().unwrap() < 1e-15);
}

#[test]
fn nearly_dependent_columns_are_solved_or_refused() {
    let mut next = noise(3);
    let build = |tiny: f64, next: &mut dyn FnMut() -> f64| {
        let mut rows = Array2::zeros((40, 2));
        let mut y = Array1::zeros(40);
        for row in 0..40 {
            let a = 2.0 + next();
            rows[(row, 0)] = a;
            rows[(row, 1)] = a + tiny * next();
            // Exact in twice the digits: both coefficients are one.
            y[row] = rows[(row, 0)] + rows[(row, 1)];
        }
        (rows, y)
    };
    let (rows, y) = build(1e-9, &mut next);
    let model = fit(rows, y).unwrap();
    assert!(model.is_ill_conditioned() && model.aliased().is_empty());
    // y itself is rounded to 4e-16, which the condition turns into 1e-7.
    assert!(
        model
            .coefficients()
            .iter()
            .all(|(_, b)| (b - 1.0).abs() < 1e-5)
    );
    let (rows, y) = build(4e-16, &mut next);
    match LinearRegression::params()
        .tolerance(0.0)
        .fit(&DatasetBase::new(rows, y))
    {
        Ok(model) => assert_eq!(model.aliased(), ["x1"]),
        Err(error) => assert!(matches!(error.kind(), ErrorKind::RankDeficient { .. })),
    }
}

#[test]
fn refused_inputs_name_the_reason() {
    let (rows, y) = line();
    let short = fit(
        rows.select(ndarray::Axis(0), &[0, 1, 2]),
        array![1.0, 2.0, 3.0],
    );
    assert!(matches!(
        short.unwrap_err().kind(),
        ErrorKind::Underdetermined {
            parameters: 3,
            rows: 3,
            ..
        }
    ));
    let error = fit(rows.clone(), array![1.0, 2.0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::LengthMismatch { .. }));
    let error = fit(Array2::zeros((6, 0)), y.clone()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoFeatures { .. }));
    for bad in [f64::NAN, f64::INFINITY] {
        let mut target = y.clone();
        target[4] = bad;
        let error = fit(rows.clone(), target).unwrap_err();
        assert!(matches!(
            error.kind(),
            ErrorKind::NonFinite { row: Some(4), .. }
        ));
    }
    let mut infinite = rows.clone();
    infinite[(2, 1)] = f64::INFINITY;
    let error = fit(infinite, y.clone()).unwrap_err().to_string();
    assert!(error.contains("row 2") && error.contains("x1"), "{error}");
    let mut gap = rows.clone();
    gap[(3, 0)] = f64::NAN;
    let strict =
        LinearRegression::params().preparation(Preparation::default().impute(Impute::Refuse));
    let error = strict.fit(&DatasetBase::new(gap, y.clone())).unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::NonFinite { row: Some(3), .. }
    ));
    for factor in [1e200, 1e-200] {
        let error = fit(rows.clone(), y.mapv(|y| y * factor)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Scale { .. }), "{error}");
    }
    // Sum of weights 1.2 as copies: fewer rows than coefficients.
    let light = DatasetBase::new(rows.clone(), y.clone())
        .with_weights(array![0.2, 0.2, 0.2, 0.2, 0.2, 0.2]);
    let error = LinearRegression::params().fit(&light).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Underdetermined { .. }));
    let precise = LinearRegression::params().row_weights(RowWeights::Precision);
    let (light, plain) = (
        precise.fit(&light).unwrap(),
        fit(rows.clone(), y.clone()).unwrap(),
    );
    approx::assert_relative_eq!(light, plain, max_relative = 1e-13);
    assert!((light.sigma() / plain.sigma() / 0.2_f32.sqrt() as f64 - 1.0).abs() < 1e-7);
    let stop = Control::silent().stop_when(Arc::new(AtomicBool::new(true)));
    let checked = LinearRegression::params().check().unwrap();
    let error = checked
        .fit_with_control(&DatasetBase::new(rows, y), &stop)
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Cancelled));
}

#[test]
fn units_are_free_and_offsets_cost_no_digits() {
    let (rows, y) = line();
    let plain = fit(rows.clone(), y.clone()).unwrap();
    // Powers of two change no digit at all.
    let scaled = fit(rows.mapv(|x| x * 1024.0), y.mapv(|y| y / 4096.0)).unwrap();
    for (a, b) in plain.coefficients().iter().zip(scaled.coefficients()) {
        assert_eq!(a.1, b.1 * 1024.0 * 4096.0);
    }
    assert_eq!(plain.sigma(), scaled.sigma() * 4096.0);
    // Whole numbers far from zero are exact: slopes keep all digits.
    let far = fit(rows.mapv(|x| x + 1e12), y.mapv(|y| y + 1e9)).unwrap();
    for (a, b) in plain.terms()[1..].iter().zip(&far.terms()[1..]) {
        assert!((a.estimate / b.estimate - 1.0).abs() < 1e-13);
        let errors = (a.standard_error.unwrap(), b.standard_error.unwrap());
        assert!((errors.0 / errors.1 - 1.0).abs() < 1e-12);
    }
}

#[test]
fn a_coefficient_of_zero_in_a_perfect_fit_settles() {
    let (rows, _) = line();
    let y = rows.column(0).mapv(|x| 3.0 + 2.0 * x);
    let model = fit(rows, y).unwrap();
    assert!((model.estimates()[1] - 2.0).abs() < 1e-15 && model.estimates()[2].abs() < 1e-18);
    assert!(model.is_perfect_fit());
    assert!(model.warnings().iter().any(|text| text.contains("perfect")));
}

#[test]
fn patients_of_one_row_are_the_corrected_sandwich() {
    let (rows, y) = line();
    let matrix = PatientMatrix::from_array(rows.clone()).unwrap();
    let keyed = |keys: [u32; 6]| {
        let matrix = matrix
            .clone()
            .with_keys(RowKeys::default().patients(keys))
            .unwrap();
        Cohort::new(matrix, Values::new(y.to_vec()).unwrap())
    };
    let clustered = LinearRegression::params().covariance(Covariance::ByPatient);
    let single = clustered.fit(&keyed([5, 4, 3, 2, 1, 0])).unwrap();
    let corrected = LinearRegression::params()
        .covariance(Covariance::Hc1)
        .fit(&DatasetBase::new(rows.clone(), y.clone()))
        .unwrap();
    agree(&single, &corrected, 1e-12);
    assert_eq!((single.df_tests(), single.df_residual()), (5.0, 3.0));
    // Every patient twice: the meat doubles with the bread's square, corrections apart.
    let twice = matrix
        .select_rows(&[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
        .unwrap();
    let twice = twice
        .with_keys(RowKeys::default().patients((0..12).map(|row| row / 2)))
        .unwrap();
    let target = y.iter().flat_map(|y| [*y, *y]);
    let doubled = clustered
        .fit(&Cohort::new(twice, Values::new(target).unwrap()))
        .unwrap();
    let factor = ((11.0 / 9.0) / (5.0 / 3.0_f64)).sqrt();
    for (a, b) in doubled
        .standard_errors()
        .iter()
        .zip(single.standard_errors())
    {
        assert!((a / b / factor - 1.0).abs() < 1e-12);
    }
    let error = clustered.fit(&keyed([1; 6])).unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::TooFewRows { required: 2, .. }
    ));
    let error = clustered
        .fit(&DatasetBase::new(rows, y.clone()))
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::MissingKeys { .. }));
    let error = clustered
        .fit(&Cohort::new(matrix.clone(), Values::new(y).unwrap()))
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::MissingKeys { .. }));
    assert!(clustered.check().unwrap().rounds(matrix.schema()).is_err());
}

#[test]
fn a_row_that_stands_alone_has_no_corrected_residual() {
    let rows = array![[0.0, 1.0], [0.0, 2.0], [0.0, 3.0], [0.0, 5.0], [1.0, 4.0]];
    let cohort = DatasetBase::new(rows, array![1.0, 2.5, 2.0, 4.0, 9.0]);
    for kind in [Covariance::Hc2, Covariance::Hc3] {
        let error = LinearRegression::params()
            .covariance(kind)
            .fit(&cohort)
            .unwrap_err();
        assert!(error.to_string().contains("leverage 1"), "{error}");
    }
    assert!(
        LinearRegression::params()
            .covariance(Covariance::Robust)
            .fit(&cohort)
            .is_ok()
    );
}

#[test]
fn weight_zero_is_absence_and_gaps_are_marked() {
    let (rows, y) = line();
    let weighted = DatasetBase::new(rows.clone(), y.clone())
        .with_weights(array![1.0, 1.0, 0.0, 1.0, 1.0, 1.0]);
    let kept = [0, 1, 3, 4, 5];
    let absent = fit(
        rows.select(ndarray::Axis(0), &kept),
        y.select(ndarray::Axis(0), &kept),
    );
    for kind in [Covariance::Model, Covariance::Hc3] {
        let params = LinearRegression::params().covariance(kind);
        let zero = params.fit(&weighted).unwrap();
        assert_eq!(zero.header().n_rows, 5);
        if kind == Covariance::Model {
            agree(&zero, absent.as_ref().unwrap(), 1e-13);
        }
    }
    // A marked gap takes its row out of the fit of the others.
    let mut gap = rows;
    gap[(2, 0)] = f64::NAN;
    let model = fit(gap.clone(), y).unwrap();
    assert_eq!(model.names(), ["intercept", "x0", "x0 = (missing)", "x1"]);
    let absent = absent.unwrap();
    assert!((model.estimates()[1] / absent.estimates()[1] - 1.0).abs() < 1e-12);
    assert!((model.estimates()[3] / absent.estimates()[2] - 1.0).abs() < 1e-12);
    assert!((model.try_predict(&gap).unwrap()[2] - 2.0).abs() < 1e-12);
}

#[test]
fn saved_models_come_back_and_tampered_ones_do_not() {
    let (matrix, y) = wide(300);
    let cohort = Cohort::new(matrix, Values::new(y).unwrap());
    let model = LinearRegression::params().fit(&cohort).unwrap();
    assert_eq!(
        model.header().lineage,
        Lineage::of(RowsSource::Matrix(&cohort.records))
    );
    let good = serde_json::to_value(&model).unwrap();
    assert_eq!(
        serde_json::from_value::<LinearRegression>(good.clone()).unwrap(),
        model
    );
    let linfa_says: Array1<f64> = model.predict(&cohort);
    assert_eq!(linfa_says, model.try_predict(&cohort.records).unwrap());
    let refused = |path: &str, value: serde_json::Value| {
        let mut bad = good.clone();
        *bad.pointer_mut(path).unwrap() = value;
        assert!(
            serde_json::from_value::<LinearRegression>(bad).is_err(),
            "{path}"
        );
    };
    refused("/header/estimator", "LogisticRegression".into());
    refused("/header/positional", true.into());
    refused("/kept/0", 1.into());
    refused("/kept/9", 999.into());
    refused("/aliased", serde_json::json!(["age"]));
    refused("/point/0", serde_json::json!({"hi": 1.0, "lo": 1.0}));
    refused("/covariance", serde_json::json!([1.0]));
    refused("/covariance/0", (-1.0).into());
    refused("/residual_squares", (-1.0).into());
    refused("/df", 0.into());
    refused("/unit", 0.into());
    refused("/level", 1.into());
    // An unknown level takes the training average, hence another column may not be missing.
    let without = cohort.records.without(&["age"]).unwrap();
    assert!(
        model
            .try_predict(&without)
            .unwrap_err()
            .to_string()
            .contains("age")
    );
}

#[test]
fn approximate_equality_compares_terms_and_errors() {
    let (rows, y) = line();
    let a = fit(rows.clone(), y.clone()).unwrap();
    let mut moved = y;
    moved[0] += 1e-9;
    let b = fit(rows, moved).unwrap();
    approx::assert_abs_diff_eq!(a, b, epsilon = 1e-8);
    approx::assert_abs_diff_ne!(a, b, epsilon = 1e-12);
    approx::assert_relative_eq!(a, b, max_relative = 1e-7);
    // The same coefficients with other standard errors are another model.
    let (rows, y) = line();
    let robust = LinearRegression::params().covariance(Covariance::Hc1);
    let robust = robust.fit(&DatasetBase::new(rows, y)).unwrap();
    assert_eq!(a.estimates(), robust.estimates());
    approx::assert_abs_diff_ne!(a, robust, epsilon = 1e-3);
    approx::assert_relative_ne!(a, robust, max_relative = 1e-3);
}
