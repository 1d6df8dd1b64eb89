//! Permutation importance against numbers worked out by hand and against its own definition.

use ndarray::{Array2, array};

use super::*;
use crate::error::ErrorKind;
use crate::estimator::{PatientMatrix, Rows};
use crate::explain::{PlainNode, PlainTree, PlainTrees, brier_of_row, squared_error_of_row};
use crate::numeric::seed::{stream, uniform};

/// A sum of the first columns times slopes, through trees with as many leaves as values: a model that
/// reads arrays.
struct Linear(Vec<f64>);

impl Output for Linear {
    fn label(&self) -> String {
        "Sum".into()
    }

    fn numbers(&self, rows: &impl Rows) -> Result<Vec<f64>> {
        use crate::estimator::input::RowsAccess;
        let crate::estimator::RowsSource::Array(rows) = rows.source() else {
            return Err(ErrorKind::Schema("an array".into()).into());
        };
        let row =
            |row: ndarray::ArrayView1<'_, f64>| row.iter().zip(&self.0).map(|(x, b)| x * b).sum();
        Ok(rows.rows().into_iter().map(row).collect())
    }
}

/// About normal: a sum of uniform numbers, variance 1.
fn noise(stream: &mut crate::numeric::seed::Stream) -> f64 {
    (0..12).map(|_| uniform(stream)).sum::<f64>() - 6.0
}

#[test]
fn the_mean_over_repeats_is_the_mean_over_all_pairs() {
    let rows = array![[1.0, 0.5], [2.0, -1.0], [4.0, 0.0], [-1.0, 3.0], [0.0, 1.0]];
    let truth = [1.5, 2.0, 3.0, 0.0, 1.0];
    let model = Linear(vec![1.0, 0.5]);
    let options = PermutationOptions {
        n_repeats: 20_000,
        ..PermutationOptions::default()
    };
    let run = |weights: Option<Vec<f64>>| {
        let options = PermutationOptions {
            weights,
            ..options.clone()
        };
        permutation_importance(&model, &rows, &truth, squared_error_of_row, &options).unwrap()
    };
    // Every row with the value of every row, weighted by both.
    let pairs = |weights: &[f64], feature: usize| {
        let total: f64 = weights.iter().sum();
        let mut mean = 0.0;
        for i in 0..5 {
            for j in 0..5 {
                let mut row = rows.row(i).to_vec();
                row[feature] = rows[[j, feature]];
                let loss = (truth[i] - row[0] - 0.5 * row[1]).powi(2);
                mean += weights[i] * weights[j] * loss / total / total;
            }
        }
        mean
    };
    for weights in [
        vec![1.0; 5],
        vec![2.0, 1.0, 0.5, 1.0, 0.5],
        vec![0.0, 1.0, 2.0, 1.0, 1.0],
    ] {
        let found = run(Some(weights.clone()));
        for (feature, importance) in found.features.iter().enumerate() {
            let expected = pairs(&weights, feature);
            let apart = (importance.permuted - expected).abs();
            let error = importance.monte_carlo_se.unwrap();
            assert!(apart < 4.5 * error && error < 0.06, "{apart} {error}");
            assert!((importance.value - (importance.permuted - found.baseline)).abs() < 1e-12);
        }
    }
}

#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    // y = 1.0 x + e: permuting x raises the squared error by 2 var(x) = 2.
    let (n, n_runs) = (80, 300);
    let mut held = [0; 2];
    for run in 0..n_runs {
        let mut stream = stream(11, run);
        let x: Vec<f64> = (0..n).map(|_| noise(&mut stream)).collect();
        let truth: Vec<f64> = x.iter().map(|x| x + 0.5 * noise(&mut stream)).collect();
        let rows = Array2::from_shape_vec((n, 1), x).unwrap();
        let options = PermutationOptions {
            n_repeats: 5,
            level: 0.9,
            replicates: 60,
            seed: run,
            ..PermutationOptions::default()
        };
        let model = Linear(vec![1.0]);
        let by_row = permutation_importance(&model, &rows, &truth, squared_error_of_row, &options);
        let mse = |truth: &[f64], found: &[f64], weights: Option<&[f64]>| {
            let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
            let terms = (0..truth.len()).map(|row| weight(row) * (truth[row] - found[row]).powi(2));
            Ok(terms.sum::<f64>() / (0..truth.len()).map(weight).sum::<f64>())
        };
        let by_metric =
            permutation_importance_by(&model, &rows, &truth, mse, Better::Smaller, &options);
        for (held, found) in held.iter_mut().zip([by_row.unwrap(), by_metric.unwrap()]) {
            let found = &found.features[0];
            *held += usize::from(found.lower < Some(2.0) && Some(2.0) < found.upper);
        }
    }
    let shares = held.map(|held| held as f64 / n_runs as f64);
    // Half as wide, they would hold it in some 60 of 100.
    assert!(
        shares.iter().all(|share| (0.84..0.97).contains(share)),
        "{shares:?}"
    );
}

#[test]
fn copies_of_a_patient_are_no_new_patients() {
    let mut stream = stream(2, 0);
    let x: Vec<f64> = (0..60).map(|_| noise(&mut stream)).collect();
    let truth: Vec<f64> = x.iter().map(|x| x + noise(&mut stream)).collect();
    let four = |values: &[f64]| values.iter().flat_map(|v| [*v; 4]).collect::<Vec<f64>>();
    let run = |x: Vec<f64>, truth: Vec<f64>, patients: Option<Vec<u32>>| {
        let rows = Array2::from_shape_vec((x.len(), 1), x).unwrap();
        let options = PermutationOptions {
            n_repeats: 40,
            patients,
            ..PermutationOptions::default()
        };
        let model = Linear(vec![1.0]);
        let found = permutation_importance(&model, &rows, &truth, squared_error_of_row, &options);
        found.unwrap()
    };
    let once = run(x.clone(), truth.clone(), None).features[0].se.unwrap();
    let patients = (0..240).map(|row| 1000 - row / 4).collect();
    let copied = run(four(&x), four(&truth), Some(patients));
    assert_eq!(copied.n_patients, 60);
    let copied = copied.features[0].se.unwrap();
    let as_rows = run(four(&x), four(&truth), None).features[0].se.unwrap();
    assert!((copied / once - 1.0).abs() < 0.1, "{copied} {once}");
    assert!((as_rows / once - 0.5).abs() < 0.1, "{as_rows} {once}");
}

fn matrix() -> PatientMatrix {
    let column = |step: usize| {
        (0..60)
            .map(|i| (i * step % 13) as f64)
            .collect::<Vec<f64>>()
    };
    let keys = crate::matrix::RowKeys::none()
        .patients((0..60).map(|i| i / 2))
        .sites((0..60).map(|i| i % 3));
    PatientMatrix::from_columns([("a", column(5)), ("b", column(5)), ("c", column(7))])
        .unwrap()
        .with_keys(keys)
        .unwrap()
}

/// Mean of `a` and `b`, as a share of 12.
struct Both;

impl Output for Both {
    fn label(&self) -> String {
        "Risk".into()
    }

    fn features(&self) -> Option<Vec<String>> {
        Some(vec!["a".into(), "b".into()])
    }

    fn numbers(&self, rows: &impl Rows) -> Result<Vec<f64>> {
        use crate::estimator::input::RowsAccess;
        let crate::estimator::RowsSource::Matrix(rows) = rows.source() else {
            return Err(ErrorKind::Schema("a matrix".into()).into());
        };
        let (a, b) = (rows.column("a")?, rows.column("b")?);
        Ok((0..rows.n_rows())
            .map(|row| (a.value(row) + b.value(row)) / 24.0)
            .collect())
    }
}

fn truth() -> Vec<bool> {
    (0..60).map(|i| i * 5 % 13 > 6).collect()
}

fn importance(options: &PermutationOptions) -> Result<PermutationImportance> {
    permutation_importance(&Both, &matrix(), &truth(), brier_of_row, options)
}

#[test]
fn features_that_say_the_same_are_seen_as_a_group() {
    let alone = importance(&PermutationOptions::default()).unwrap();
    let names: Vec<&str> = alone.features.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["a", "b"], "what the model reads");
    assert_eq!((alone.n_rows, alone.n_patients), (60, 30));
    let options = PermutationOptions::default().group("both", ["a", "b"]);
    let together = importance(&options).unwrap();
    assert_eq!(together.features.len(), 1);
    let both = together.get("both").unwrap();
    assert_eq!(both.features, ["a", "b"]);
    assert!(both.value > 2.0 * alone.get("a").unwrap().value);
    let options = PermutationOptions {
        features: Some(vec!["c".into(), "a".into()]),
        ..options
    };
    let named = importance(&options).unwrap();
    let names: Vec<&str> = named.features.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["both", "c", "a"]);
    assert_eq!(named.get("c").unwrap().value, 0.0);
    assert_eq!(named.get("a"), alone.get("a"), "whatever stands beside it");
    assert_eq!(named.ranked()[0].name, "both");
    assert!(both.ratio(together.baseline).unwrap() > 1.0);
}

#[test]
fn what_a_stratum_tells_stays() {
    // Permuted within groups of equal `a`, nothing changes.
    let strata = (0..60).map(|i| i * 5 % 13).collect();
    let options = PermutationOptions {
        strata: Some(strata),
        ..PermutationOptions::default()
    };
    let found = importance(&options).unwrap();
    assert_eq!(found.get("a").unwrap().repeats, [0.0; 10]);
    let options = PermutationOptions {
        within_sites: true,
        ..PermutationOptions::default()
    };
    let by_site = importance(&options).unwrap();
    assert!(by_site.get("a").unwrap().value > 0.0);
    let options = PermutationOptions {
        strata: Some((0..60).map(|i| 7 + i % 3).collect()),
        ..PermutationOptions::default()
    };
    assert_eq!(importance(&options).unwrap(), by_site);
}

#[test]
fn bits_depend_on_the_seed_and_not_on_the_threads() {
    let run = |seed| {
        let options = PermutationOptions {
            seed,
            replicates: 40,
            ..PermutationOptions::default()
        };
        let brier = |truth: &[bool], found: &[f64], weights: Option<&[f64]>| {
            let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
            let terms =
                (0..truth.len()).map(|row| weight(row) * brier_of_row(&truth[row], found[row]));
            Ok(terms.sum::<f64>() / (0..truth.len()).map(weight).sum::<f64>())
        };
        let (rows, truth) = (matrix(), truth());
        let by = permutation_importance_by(&Both, &rows, &truth, brier, Better::Smaller, &options);
        (importance(&options).unwrap(), by.unwrap())
    };
    let (by_row, by_metric) = run(4);
    for (a, b) in by_row.features.iter().zip(&by_metric.features) {
        assert!((a.value - b.value).abs() < 1e-12);
        assert!(
            (a.se.unwrap() / b.se.unwrap() - 1.0).abs() < 0.4,
            "{a:?} {b:?}"
        );
    }
    assert_ne!(run(5).0, by_row);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        assert_eq!(pool.install(|| run(4)), (by_row.clone(), by_metric.clone()));
    }
}

#[test]
fn a_metric_that_is_better_when_larger_loses_as_one_that_is_smaller() {
    let (rows, truth) = (matrix(), truth());
    let metric = |sign: f64| {
        move |truth: &[bool], found: &[f64], _: Option<&[f64]>| {
            let terms = truth.iter().zip(found).map(|(t, x)| brier_of_row(t, *x));
            Ok(sign * terms.sum::<f64>())
        }
    };
    let options = PermutationOptions {
        replicates: 0,
        ..PermutationOptions::default()
    };
    let run = |sign, better| {
        permutation_importance_by(&Both, &rows, &truth, metric(sign), better, &options).unwrap()
    };
    let smaller = run(1.0, Better::Smaller);
    let larger = run(-1.0, Better::Larger);
    assert!(smaller.features[0].value > 0.0 && smaller.features[0].lower.is_none());
    assert_eq!(larger.features[0].value, smaller.features[0].value);
    assert_eq!(larger.features[0].permuted, -smaller.features[0].permuted);
}

type Change = fn(&mut PermutationOptions);

#[test]
fn what_cannot_be_permuted_is_refused() {
    let with = |change: fn(&mut PermutationOptions)| {
        let mut options = PermutationOptions::default();
        change(&mut options);
        importance(&options)
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert_eq!(with(|_| ()), Ok(()));
    let refused: [(Change, &str); 14] = [
        (|o| o.n_repeats = 0, "n_repeats"),
        (|o| o.level = 1.0, "level"),
        (|o| o.level = f64::NAN, "level"),
        (|o| o.replicates = 19, "replicates"),
        (
            |o| o.features = Some(vec!["d".into()]),
            "missing feature `d`",
        ),
        (|o| o.features = Some(vec![]), "no feature columns"),
        (
            |o| o.features = Some(vec!["a".into(), "a".into()]),
            "stands twice",
        ),
        (
            |o| o.groups = vec![("g".into(), vec![])],
            "`g` has no feature",
        ),
        (
            |o| o.groups = vec![("g".into(), vec!["a".into(), "a".into()])],
            "stands twice",
        ),
        (
            |o| o.weights = Some(vec![1.0; 59]),
            "weights: expected length 60, found 59",
        ),
        (|o| o.weights = Some(vec![0.0; 60]), "no row has a weight"),
        (
            |o| o.patients = Some(vec![1; 59]),
            "patients: expected length 60",
        ),
        (
            |o| o.strata = Some(vec![1; 61]),
            "strata: expected length 60",
        ),
        (
            |o| {
                o.strata = Some(vec![1; 60]);
                o.within_sites = true;
            },
            "within_sites",
        ),
    ];
    for (place, (change, text)) in refused.into_iter().enumerate() {
        let error = with(change).unwrap_err();
        assert!(error.contains(text), "{place}: {error}");
    }
    let options = PermutationOptions {
        within_sites: true,
        ..PermutationOptions::default()
    };
    let rows = array![[1.0], [2.0]];
    let model = Linear(vec![1.0]);
    let run = |truth: &[f64], options| {
        let found = permutation_importance(&model, &rows, truth, squared_error_of_row, options);
        found.map_err(|error| error.to_string())
    };
    assert!(
        run(&[1.0, 2.0], &options)
            .unwrap_err()
            .contains("no site keys")
    );
    let options = PermutationOptions::default();
    assert!(run(&[1.0], &options).unwrap_err().contains("truth"));
    assert!(
        run(&[1.0, f64::NAN], &options)
            .unwrap_err()
            .contains("row 1")
    );
    let one = array![[1.0]];
    assert!(permutation_importance(&model, &one, &[1.0], squared_error_of_row, &options).is_err());
    let failing = |_: &[f64], _: &[f64], _: Option<&[f64]>| Ok(f64::NAN);
    let found = permutation_importance_by(
        &model,
        &rows,
        &[1.0, 2.0],
        failing,
        Better::Larger,
        &options,
    );
    assert!(found.unwrap_err().to_string().contains("not finite"));
    // One patient: a value, and no interval.
    let options = PermutationOptions {
        patients: Some(vec![3, 3]),
        ..PermutationOptions::default()
    };
    assert_eq!(run(&[1.0, 2.0], &options).unwrap().features[0].se, None);
}

#[test]
fn missing_values_are_permuted_too() {
    let tree = PlainTree::new(vec![
        PlainNode::number(0, 9.0, false, [1, 2], 4.0),
        PlainNode::leaf(vec![0.0], 2.0),
        PlainNode::leaf(vec![1.0], 2.0),
    ]);
    struct Missing(PlainTrees);
    impl Output for Missing {
        fn label(&self) -> String {
            "Risk".into()
        }
        fn numbers(&self, rows: &impl Rows) -> Result<Vec<f64>> {
            Ok(self.0.raw(rows)?.column(0).to_vec())
        }
    }
    // The model reads nothing but whether the value is there.
    let model = Missing(PlainTrees::new(["a"], ["y"], vec![0.0], vec![tree]).unwrap());
    let rows = Array2::from_shape_fn((40, 1), |(i, _)| if i % 2 == 0 { f64::NAN } else { 1.0 });
    let truth: Vec<bool> = (0..40).map(|i| i % 2 == 0).collect();
    let options = PermutationOptions::default();
    let found = permutation_importance(&model, &rows, &truth, brier_of_row, &options).unwrap();
    assert_eq!(found.baseline, 0.0);
    assert!((found.features[0].value - 0.5).abs() < 0.1);
}

#[test]
fn the_picture_holds_the_most_important() {
    let options = PermutationOptions {
        features: Some(vec!["c".into(), "a".into(), "b".into()]),
        ..PermutationOptions::default()
    };
    let found = importance(&options).unwrap();
    let figure = found.bar(2);
    assert_eq!(figure.x.categories.len(), 2);
    assert!(!figure.x.categories.contains(&"c".to_string()));
    assert!(
        figure
            .caption
            .contains("60 rows of 30 patients. Lines: 95 % intervals")
    );
    assert!(figure.caption.contains("1 features"), "{}", figure.caption);
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(
        serde_json::from_str::<PermutationImportance>(&text).unwrap(),
        found
    );
}
