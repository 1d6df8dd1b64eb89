//! Properties on arbitrary input. Few cases by default; `PROPTEST_CASES` raises them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use galen::classification::LogisticRegression;
use galen::classification::logistic::{Cell, ClassWeights, LogisticRegressionParams};
use galen::design::{Coding, Impute, Preparation, Unseen};
use galen::estimator::{Classify, Cohort, Fit, KFold, ParamGuard, PredictRisk, Saved, Split};
use galen::evaluation::auroc;
use galen::matrix::{Binary, Column, Feature, PatientMatrix, RowKeys};
use linfa::DatasetBase;
use ndarray::{Array1, Array2};
use proptest::prelude::*;

/// Cases of a property: fewer than proptest's own default, more on request.
fn cases(default: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok();
    ProptestConfig {
        cases: asked.and_then(|text| text.parse().ok()).unwrap_or(default),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Any float, with the odd ones often enough to meet each other.
fn any_float() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -4.0..4.0,
        2 => (-3_i32..4).prop_map(f64::from),
        1 => any::<u64>().prop_map(f64::from_bits),
        1 => prop::sample::select(vec![
            0.0, -0.0, f64::NAN, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, 1e150, -1e150, 1e-150, 1e9, 1e300,
        ]),
        1 => prop::sample::select(vec![f64::INFINITY, f64::NEG_INFINITY]),
    ]
}

fn tame_float() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => -4.0..4.0,
        2 => (-2_i32..3).prop_map(f64::from),
        1 => Just(f64::NAN),
    ]
}

fn matrix_of<S: Strategy<Value = f64>>(
    value: impl Fn() -> S,
) -> impl Strategy<Value = Array2<f64>> {
    (0_usize..33, 0_usize..9).prop_flat_map(move |(rows, columns)| {
        prop::collection::vec(value(), rows * columns).prop_map(move |values| {
            Array2::from_shape_vec((rows, columns), values).expect("the size fits")
        })
    })
}

/// Finite, but of any size.
fn finite_float() -> impl Strategy<Value = f64> {
    any_float().prop_map(|value| {
        if value.is_infinite() {
            value.signum() * 7.0
        } else {
            value
        }
    })
}

/// Most matrices are tame, so that most fits are made and not refused at the door.
fn any_matrix() -> impl Strategy<Value = Array2<f64>> {
    prop_oneof![
        4 => matrix_of(tame_float),
        2 => matrix_of(|| (-1_i32..2).prop_map(f64::from)),
        2 => matrix_of(finite_float),
        1 => matrix_of(any_float),
    ]
}

fn any_settings() -> impl Strategy<Value = LogisticRegressionParams> {
    let strength = prop_oneof![6 => Just(0.0), 6 => 1e-6..1.0_f64, 1 => any_float()];
    let l1_ratio = prop_oneof![4 => Just(0.0), 4 => 0.0..1.0_f64, 2 => Just(1.0), 1 => any_float()];
    let tolerance = prop_oneof![8 => Just(1e-10), 2 => 1e-14..1e-2_f64, 1 => any_float()];
    let weights = prop_oneof![
        6 => Just(ClassWeights::None),
        2 => Just(ClassWeights::Balanced),
        2 => (0.01..9.0_f64, 0.01..9.0_f64).prop_map(|(a, b)| ClassWeights::Given(a, b)),
        1 => (any_float(), any_float()).prop_map(|(a, b)| ClassWeights::Given(a, b)),
    ];
    let impute = prop_oneof![
        4 => Just(Impute::Mean),
        1 => Just(Impute::Refuse),
        1 => any_float().prop_map(Impute::Constant),
    ];
    (
        strength,
        l1_ratio,
        tolerance,
        weights,
        impute,
        any::<(bool, bool, bool)>(),
        0_usize..200,
    )
        .prop_map(
            |(strength, l1_ratio, tolerance, weights, impute, flags, iterations)| {
                LogisticRegression::params()
                    .strength(strength)
                    .l1_ratio(l1_ratio)
                    .tolerance(tolerance)
                    .class_weights(weights)
                    .standardize(flags.0)
                    .intercept(flags.1)
                    .preparation(Preparation::default().impute(impute).indicators(flags.2))
                    .max_iterations(iterations)
            },
        )
}

/// Probabilities in [0, 1] that sum to 1.
fn lawful(all: &Array2<f64>) -> Result<(), TestCaseError> {
    for row in all.rows() {
        prop_assert!(row.iter().all(|p| (0.0..=1.0).contains(p)), "{row}");
        prop_assert!((row.sum() - 1.0).abs() <= 1e-12, "{row}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(300))]

    /// F7, F8: any matrix, any settings: an error or finite numbers, in bounded time.
    #[test]
    fn any_fit_is_refused_or_finite(
        x in any_matrix(),
        settings in any_settings(),
        other in any_matrix(),
        bits in prop::collection::vec(any::<bool>(), 33),
        weights in prop_oneof![2 => Just(None), 1 => prop::collection::vec(0_u8..4, 33).prop_map(Some)],
    ) {
        let started = Instant::now();
        let weighted = weights.is_some();
        let n = x.nrows();
        let cohort = DatasetBase::new(x.view(), Array1::from(bits[..n].to_vec()));
        let cohort = match weights {
            Some(weights) => cohort.with_weights(weights[..n].iter().map(|w| f32::from(*w)).collect()),
            None => cohort,
        };
        if let Ok(model) = settings.fit(&cohort) {
            prop_assert!(model.intercept().is_finite());
            prop_assert!(model.coefficients().iter().all(|(_, b)| b.is_finite()));
            prop_assert!(model.optimality_gap().is_finite() && model.deviance() >= 0.0);
            if let Ok(inference) = model.inference() {
                prop_assert!(model.converged() && model.separated().is_empty());
                prop_assert!(inference.standard_errors().iter().all(|error| error.is_finite() && *error >= 0.0));
                prop_assert!(inference.p().iter().all(|p| (0.0..=1.0).contains(p)));
            }
            match model.predict_proba(&x) {
                Ok(all) => lawful(&all)?,
                // A row without weight was not learnt from; it may overflow.
                Err(error) => prop_assert!(weighted && error.to_string().contains("log-odds"), "{error}"),
            }
            if let Ok(all) = model.predict_proba(&other) {
                prop_assert_eq!(all.dim(), (other.nrows(), 2));
                lawful(&all)?;
            }
            let saved = Saved::new(model.clone());
            let again = Saved::<LogisticRegression>::from_bytes(&saved.to_bytes().expect("finite")).expect("own bytes");
            prop_assert_eq!(again.model(), &model);
        }
        prop_assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }

    /// F9: an error, a flag, or the score equations hold.
    #[test]
    fn a_converged_fit_solves_its_equations(
        x in matrix_of(tame_float),
        bits in prop::collection::vec(any::<bool>(), 33),
        weights in prop::collection::vec(0_u8..3, 33),
        penalty in prop_oneof![2 => Just((0.0, 0.0)), 1 => (0.01..0.5_f64, Just(0.0))],
    ) {
        let n = x.nrows();
        let x = x.mapv(|value| if value.is_nan() { 0.25 } else { value });
        let weights: Vec<f32> = weights[..n].iter().map(|w| f32::from(*w)).collect();
        let cohort = DatasetBase::new(x.view(), Array1::from(bits[..n].to_vec())).with_weights(weights.clone().into());
        let settings = LogisticRegression::params().strength(penalty.0).l1_ratio(penalty.1);
        if let Ok(model) = settings.fit(&cohort)
            && model.converged()
        {
            let risk = model.predict_risk(&x).expect("the rows it was fitted on");
            let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
            let w: Vec<f64> = weights.iter().map(|w| f64::from(*w) / total).collect();
            let residual: Vec<f64> = (0..n).map(|row| w[row] * (risk[row] - f64::from(u8::from(bits[row])))).collect();
            prop_assert!(residual.iter().sum::<f64>().abs() < 1e-6);
            for (j, (name, b)) in model.coefficients().iter().enumerate() {
                let column = x.column(j);
                let mean: f64 = column.iter().zip(&w).map(|(x, w)| x * w).sum();
                let spread = column.iter().zip(&w).map(|(x, w)| w * (x - mean).powi(2)).sum::<f64>().sqrt();
                let slope: f64 = column.iter().zip(&residual).map(|(x, r)| (x - mean) * r).sum();
                let slope = slope / spread.max(1e-300) + penalty.0 * b * spread;
                let left_out = model.aliased().contains(&name.to_string()) && penalty.0 > 0.0;
                prop_assert!(left_out || spread < 1e-12 || slope.abs() < 1e-6, "{name}: {slope:e}");
            }
        }
    }

    /// AUROC sees ranks only.
    #[test]
    fn auroc_is_unchanged_by_increasing_maps(
        rows in prop::collection::vec((any::<bool>(), -40_i32..40), 2..80),
        weighted in any::<bool>(),
    ) {
        let truth: Vec<bool> = rows.iter().map(|row| row.0).collect();
        let weights: Vec<f64> = (0..rows.len()).map(|row| 0.5 + (row % 3) as f64).collect();
        let weights = weighted.then_some(&weights[..]);
        let scores = |map: fn(f64) -> f64| -> Vec<f64> { rows.iter().map(|row| map(f64::from(row.1))).collect() };
        let plain = auroc(&truth, &scores(|s| s), weights);
        let maps: [fn(f64) -> f64; 5] = [|s| 3.0 * s - 1e6, |s| (s / 8.0).exp(), |s| s.powi(3), f64::atan, |s| 1e-300 * s];
        for map in maps {
            prop_assert_eq!(&auroc(&truth, &scores(map), weights), &plain);
        }
        if let Ok(value) = plain {
            prop_assert!((0.0..=1.0).contains(&value));
            let against = auroc(&truth, &scores(|s| -s), weights).expect("the same classes");
            prop_assert!((against - (1.0 - value)).abs() < 1e-12);
        }
    }

    /// No patient on both sides, no row lost, none twice.
    #[test]
    fn splits_share_no_patient(
        patients in prop::collection::vec(0_u8..25, 12..80),
        fraction in 0.05..0.95_f64,
        seed in any::<u64>(),
        k in 2_usize..6,
    ) {
        let n = patients.len();
        let rows = PatientMatrix::from_columns([("row", (0..n).map(|row| row as f64).collect::<Vec<_>>())])
            .and_then(|matrix| matrix.with_keys(RowKeys::none().patients(&patients)))
            .expect("a matrix");
        let target = Binary::from_flags("event", (0..n).map(|row| row % 3 == 0));
        let cohort = Cohort::new(rows, target);
        let rows_of = |matrix: &PatientMatrix| -> Vec<usize> {
            matrix.column("row").expect("a column").to_vec().iter().map(|row| *row as usize).collect()
        };
        let mut sides = Vec::new();
        for split in [Split::holdout(fraction, seed), Split::stratified_holdout(fraction, seed)] {
            if let Ok((train, test)) = split.apply(&cohort) {
                sides.push((rows_of(&train.records), test.n_rows()));
            }
        }
        let mut tested = 0;
        if let Ok(folds) = KFold::new(k).seed(seed).split(&cohort) {
            for fold in folds {
                tested += fold.test.n_rows();
                sides.push((rows_of(&fold.train.records), fold.test.n_rows()));
            }
            prop_assert_eq!(tested, n, "every row is tested once");
        }
        for (train, test_rows) in sides {
            // The test side is sealed: it is what the training side leaves.
            let kept: BTreeSet<usize> = train.iter().copied().collect();
            prop_assert_eq!(kept.len(), train.len());
            prop_assert_eq!(kept.len() + test_rows, n);
            let train_patients: BTreeSet<u8> = train.iter().map(|row| patients[*row]).collect();
            for row in (0..n).filter(|row| !kept.contains(row)) {
                prop_assert!(!train_patients.contains(&patients[row]));
            }
        }
    }
}

/// A cohort with numbers, gaps and two categories, one with rare levels.
fn mixed(values: &[(f64, f64, u8, u8)], unseen: bool) -> PatientMatrix {
    let level = |code: u8, names: [&'static str; 4]| match code {
        0 => None,
        9 if unseen => Some("never seen"),
        code => Some(names[usize::from(code) % 4]),
    };
    PatientMatrix::new(vec![
        (
            Feature::category("ward"),
            Column::categorical(values.iter().map(|v| level(v.2, ["a", "b", "c", "d"]))),
        ),
        (
            Feature::numeric("age"),
            Column::dense(values.iter().map(|v| v.0).collect::<Vec<_>>())
                .expect("finite or missing"),
        ),
        (
            Feature::category("drug"),
            Column::categorical(values.iter().map(|v| level(v.3, ["x", "", "z", "\u{fc}"]))),
        ),
        (
            Feature::numeric("sodium"),
            Column::dense(values.iter().map(|v| v.1).collect::<Vec<_>>())
                .expect("finite or missing"),
        ),
    ])
    .expect("a matrix")
}

fn mixed_rows(n: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(f64, f64, u8, u8)>> {
    prop::collection::vec((tame_float(), tame_float(), 0_u8..10, 0_u8..10), n)
}

proptest! {
    #![proptest_config(cases(150))]

    /// The row scorer and `predict_risk` give the same bits, or both an error.
    #[test]
    fn the_row_scorer_equals_predict_risk(
        train in mixed_rows(20..60),
        new in mixed_rows(1..30),
        bits in prop::collection::vec(any::<bool>(), 60),
        strength in prop_oneof![Just(0.0), 0.001..0.3_f64],
        l1_ratio in prop_oneof![Just(0.0), Just(0.6)],
        options in (1_u64..4, any::<(bool, bool, bool, bool)>()),
    ) {
        let (rare, (indicators, one_hot, refuse_unseen, refuse_missing)) = options;
        let preparation = Preparation::default()
            .min_level_rows(rare)
            .indicators(indicators)
            .coding(if one_hot && strength > 0.0 { Coding::OneHot } else { Coding::Reference })
            .unseen(if refuse_unseen { Unseen::Refuse } else { Unseen::Average })
            .impute(if refuse_missing { Impute::Refuse } else { Impute::Mean });
        let settings = LogisticRegression::params()
            .strength(strength)
            .l1_ratio(l1_ratio)
            .preparation(preparation);
        let target = Binary::from_flags("event", bits[..train.len()].iter().copied());
        if let Ok(model) = settings.fit(&Cohort::new(mixed(&train, false), target)) {
            let scorer = model.scorer().expect("a flag is a named event");
            for row in &new {
                let one = mixed(&[*row], true);
                let number = |name: &str| one.column(name).expect("a column").value(0);
                let level = |name: &str| match one.column(name).expect("a column").level(0) {
                    Some(level) => Cell::Level(level),
                    None => Cell::Missing,
                };
                let cells = [
                    level("ward"),
                    Cell::Number(number("age")),
                    level("drug"),
                    if number("sodium").is_nan() { Cell::Missing } else { Cell::Number(number("sodium")) },
                ];
                match (scorer.risk(&cells), model.predict_risk(&one)) {
                    (Ok(risk), Ok(all)) => prop_assert_eq!(risk.to_bits(), all[0].to_bits(), "{} {}", risk, all[0]),
                    // Where two cells are wrong, either may be named.
                    (Err(_), Err(_)) => {}
                    (a, b) => prop_assert!(false, "scorer {a:?}, predict {b:?}"),
                }
            }
        }
    }
}

fn saved_model() -> (PatientMatrix, LogisticRegression) {
    let people = galen::simulate::readmissions(300, 5);
    let cohort = Cohort::new(people.matrix.clone(), people.target);
    let params = LogisticRegression::params()
        .strength(0.02)
        .check()
        .expect("settings");
    (people.matrix, params.fit(&cohort).expect("a fit"))
}

proptest! {
    #![proptest_config(cases(200))]

    /// F1-F3: a changed file is refused, or it is the same model.
    #[test]
    fn changed_files_are_refused_or_equal(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..6),
        text in any::<bool>(),
    ) {
        thread_local! {
            static SAVED: (Vec<u8>, String, LogisticRegression) = {
                let (_, model) = saved_model();
                let saved = Saved::new(model.clone());
                (saved.to_bytes().expect("bytes"), saved.to_json().expect("text"), model)
            };
        }
        SAVED.with(|(bytes, json, model)| {
            let mut file = if text { json.clone().into_bytes() } else { bytes.clone() };
            for (at, byte, how) in &changes {
                if file.is_empty() {
                    break;
                }
                let at = at.index(file.len());
                match how {
                    0 => file[at] = *byte,
                    1 => file.insert(at, *byte),
                    2 => drop(file.remove(at)),
                    _ => file.truncate(at),
                }
            }
            let loaded = if text {
                match std::str::from_utf8(&file) {
                    Ok(text) => Saved::<LogisticRegression>::from_json(text),
                    Err(_) => return Ok(()),
                }
            } else {
                Saved::<LogisticRegression>::from_bytes(&file)
            };
            if let Ok(loaded) = loaded {
                prop_assert_eq!(loaded.model(), model);
            }
            Ok(())
        })?;
    }

    /// F3 behind the checksum: a tampered model is refused, or predicts without a panic, within
    /// the laws, and saves stably.
    #[test]
    fn tampered_models_are_refused_or_lawful(
        at in any::<prop::sample::Index>(),
        with in prop::sample::select(vec![
            "null", "0", "-1", "1", "2", "4294967295", "18446744073709551615", "1e308", "-1e308", "5e-324", "1e400",
            "\"x\"", "[]", "{}", "true", "false", "[0,0]",
        ]),
    ) {
        thread_local! {
            static VALUE: (PatientMatrix, serde_json::Value) = {
                let (matrix, model) = saved_model();
                (matrix, serde_json::to_value(&model).expect("a model is data"))
            };
        }
        VALUE.with(|(matrix, value)| {
            let mut value = value.clone();
            let count = leaves(&mut value, &mut |_| ());
            let chosen = at.index(count);
            let replacement = serde_json::from_str(with).unwrap_or(serde_json::Value::Null);
            let mut number = 0;
            leaves(&mut value, &mut |leaf| {
                if number == chosen {
                    *leaf = replacement.clone();
                }
                number += 1;
            });
            if let Ok(model) = serde_json::from_value::<LogisticRegression>(value) {
                if let Ok(all) = model.predict_proba(matrix) {
                    lawful(&all)?;
                }
                let _ = (model.scorer().is_ok(), model.inference().is_ok(), model.overall_test().is_ok());
                let _ = galen::estimator::Summary::terms(&model).len();
                if let Ok(json) = Saved::new(model).to_json() {
                    let again = Saved::<LogisticRegression>::from_json(&json).expect("own text");
                    prop_assert_eq!(again.to_json().expect("own text"), json);
                }
            }
            Ok(())
        })?;
    }
}

/// Visits every scalar; the number of them.
fn leaves(value: &mut serde_json::Value, visit: &mut dyn FnMut(&mut serde_json::Value)) -> usize {
    match value {
        serde_json::Value::Array(items) => items.iter_mut().map(|item| leaves(item, visit)).sum(),
        serde_json::Value::Object(fields) => {
            fields.values_mut().map(|item| leaves(item, visit)).sum()
        }
        scalar => {
            visit(scalar);
            1
        }
    }
}
