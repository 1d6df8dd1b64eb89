//! Partial dependence against numbers worked out by hand.

use ndarray::array;

use super::*;
use crate::estimator::{PatientMatrix, Rows, RowsSource};
use crate::explain::RiskOf;
use crate::matrix::{Column, Feature};

/// `2 a + a b + (3 where c is "v") + (10 where a is missing)`; b is 1 in an array.
struct Model;

impl Output for Model {
    fn label(&self) -> String {
        "Number".into()
    }

    fn numbers(&self, rows: &impl Rows) -> Result<Vec<f64>> {
        match rows.source() {
            RowsSource::Array(rows) => Ok(rows.column(0).iter().map(|a| 3.0 * a).collect()),
            RowsSource::Matrix(rows) => {
                let (a, b, c) = (rows.column("a")?, rows.column("b")?, rows.column("c")?);
                let number = |row: usize| {
                    let a = a.value(row);
                    let missing = if a.is_nan() { 10.0 } else { 0.0 };
                    let a = if a.is_nan() { 0.0 } else { a };
                    let level = if c.level(row) == Some("v") { 3.0 } else { 0.0 };
                    2.0 * a + a * b.value(row) + level + missing
                };
                Ok((0..rows.n_rows()).map(number).collect())
            }
        }
    }
}

fn matrix() -> PatientMatrix {
    PatientMatrix::new(vec![
        (
            Feature::numeric("a").unit("kg"),
            Column::dense(vec![1.0, 4.0, f64::NAN, 1.0]).unwrap(),
        ),
        (
            Feature::count("b"),
            Column::sparse(4, vec![(1, 2.0), (3, 6.0)]).unwrap(),
        ),
        (
            Feature::category("c"),
            Column::categorical([Some("u"), Some("v"), None, Some("v")]),
        ),
    ])
    .unwrap()
}

fn dependence(feature: &str, options: &DependenceOptions) -> Result<PartialDependence> {
    partial_dependence(&Model, &matrix(), feature, options)
}

fn weighted(weights: [f64; 4]) -> DependenceOptions {
    DependenceOptions {
        weights: Some(weights.to_vec()),
        ..DependenceOptions::default()
    }
}

#[test]
fn means_by_hand() {
    let found = dependence("a", &DependenceOptions::default()).unwrap();
    // b: 0, 2, 0, 6; c adds 0, 3, 0, 3.
    let means: Vec<f64> = found.points.iter().map(|point| point.mean).collect();
    assert_eq!(means, [2.0 + 2.0 + 1.5, 8.0 + 8.0 + 1.5]);
    let values: Vec<f64> = found
        .points
        .iter()
        .filter_map(|point| point.value)
        .collect();
    assert_eq!(values, [1.0, 4.0]);
    let shares: Vec<f64> = found.points.iter().map(|point| point.share).collect();
    assert_eq!(shares, [0.5, 0.25]);
    let missing = found.missing.as_ref().unwrap();
    assert_eq!(
        (missing.mean, missing.share, missing.value),
        (11.5, 0.25, None)
    );
    assert_eq!(found.unit.as_deref(), Some("kg"));
    // Numbers at 1: 2, 7, 2, 11; type 7 at 0.1 and 0.9 of four.
    let band = [found.points[0].lower, found.points[0].upper];
    assert!(
        (band[0] - 2.0).abs() < 1e-12 && (band[1] - 9.8).abs() < 1e-12,
        "{band:?}"
    );
}

#[test]
fn weights_are_repeats() {
    let found = dependence("a", &weighted([1.0, 3.0, 0.0, 0.0])).unwrap();
    let means: Vec<f64> = found.points.iter().map(|point| point.mean).collect();
    assert_eq!(means, [0.25 * 2.0 + 0.75 * 7.0, 0.25 * 8.0 + 0.75 * 19.0]);
    assert_eq!(found.points[1].share, 0.75);
    let twice = matrix().select_rows(&[0, 1, 1, 1]).unwrap();
    let options = DependenceOptions::default();
    let repeated = partial_dependence(&Model, &twice, "a", &options).unwrap();
    assert_eq!(repeated.points, found.points);
}

#[test]
fn levels_that_occur_are_asked() {
    let found = dependence("c", &DependenceOptions::default()).unwrap();
    let levels: Vec<_> = found
        .points
        .iter()
        .map(|point| point.level.as_deref())
        .collect();
    assert_eq!(levels, [Some("u"), Some("v")]);
    assert_eq!(found.points[1].mean - found.points[0].mean, 3.0);
    assert_eq!(found.points[1].share, 0.5);
    assert_eq!(found.missing.as_ref().unwrap().share, 0.25);
    // A level of the table that no row has is not.
    let few = matrix().select_rows(&[1, 3]).unwrap();
    let found = partial_dependence(&Model, &few, "c", &DependenceOptions::default()).unwrap();
    assert_eq!(found.points.len(), 1);
    assert_eq!(found.points[0].level.as_deref(), Some("v"));
    assert!(found.missing.is_none());
}

#[test]
fn points_lie_at_weighted_quantiles() {
    let values: Vec<f64> = (0..100).rev().map(f64::from).collect();
    let options = DependenceOptions {
        n_points: 5,
        ends: [0.1, 0.9],
        ..DependenceOptions::default()
    };
    assert_eq!(
        quantiles(&values, &[1.0; 100], &options),
        [9.0, 29.0, 49.0, 69.0, 89.0]
    );
    // Only those below 10 weigh.
    let weights: Vec<f64> = values
        .iter()
        .map(|v| f64::from(u8::from(*v < 10.0)))
        .collect();
    assert_eq!(
        quantiles(&values, &weights, &options),
        [0.0, 2.0, 4.0, 6.0, 8.0]
    );
    let all = DependenceOptions {
        ends: [0.0, 1.0],
        ..options
    };
    assert_eq!(
        quantiles(&values, &[1.0; 100], &all),
        [0.0, 24.0, 49.0, 74.0, 99.0]
    );
    let grid = [1.0, 3.0, 4.0];
    let near = [0.0, 2.0, 2.1, 3.5, 9.0, f64::NAN].map(|value| nearest(&grid, value));
    assert_eq!(near, [Some(0), Some(0), Some(1), Some(1), Some(2), None]);
}

#[test]
fn an_array_is_asked_as_a_matrix_is() {
    let rows = array![[1.0, 5.0], [2.0, 6.0], [f64::NAN, 7.0]];
    let options = DependenceOptions {
        grid: Some(vec![-1.0, 0.0, 8.0]),
        ..DependenceOptions::default()
    };
    let few = rows.select(ndarray::Axis(0), &[0, 1]);
    let found = partial_dependence(&Model, &few, "x0", &options).unwrap();
    let means: Vec<f64> = found.points.iter().map(|point| point.mean).collect();
    assert_eq!(means, [-3.0, 0.0, 24.0]);
    // A model that answers NaN to a missing value is told so.
    assert!(partial_dependence(&Model, &rows, "x0", &options).is_err());
    assert!(partial_dependence(&Model, &few, "x2", &options).is_err());
}

#[test]
fn a_pair_is_the_mean_at_both() {
    let options = DependenceOptions::default();
    let found = partial_dependence_pair(&Model, &matrix(), ["a", "b"], &options).unwrap();
    assert_eq!(found.grids, [vec![1.0, 4.0], vec![0.0, 2.0, 6.0]]);
    assert_eq!(found.mean, array![[3.5, 5.5, 9.5], [9.5, 17.5, 33.5]]);
    assert_eq!(found.share, array![[0.25, 0.0, 0.25], [0.0, 0.25, 0.0]]);
    assert!(partial_dependence_pair(&Model, &matrix(), ["a", "a"], &options).is_err());
    let figure = found.figure();
    let names: Vec<&str> = figure
        .series
        .iter()
        .map(|series| series.name.as_str())
        .collect();
    assert_eq!(names, ["b 0", "b 2", "b 6"]);
}

#[test]
fn curves_are_of_the_chosen_rows_and_their_mean_is_the_dependence() {
    let options = DependenceOptions::default();
    let ice = |chosen: &[usize]| ice_curves(&Model, &matrix(), "a", chosen, &options);
    let two = ice(&[3, 1]).unwrap();
    assert_eq!(two.values, array![[11.0, 35.0], [7.0, 19.0]]);
    let centred = two.centred(1).unwrap();
    assert_eq!(centred.values, array![[-24.0, 0.0], [-12.0, 0.0]]);
    assert!(two.centred(2).is_err());
    assert!(ice(&[0, 4]).is_err());
    assert_eq!(ice(&[]).unwrap().values.dim(), (0, 2));
    let all = ice(&[0, 1, 2, 3]).unwrap();
    let means = all.values.mean_axis(ndarray::Axis(0)).unwrap();
    let found = dependence("a", &options).unwrap();
    assert_eq!(means.to_vec(), [found.points[0].mean, found.points[1].mean]);
    assert!(!format!("{two:?}").contains("35"), "no numbers of patients");
    assert_eq!(centred.figure().series.len(), 3);
    assert!(centred.figure().y.label.ends_with("change"));
}

type Change = fn(&mut DependenceOptions);

#[test]
fn settings_are_checked() {
    let with = |change: fn(&mut DependenceOptions)| {
        let mut options = DependenceOptions::default();
        change(&mut options);
        dependence("a", &options)
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert_eq!(with(|_| ()), Ok(()));
    let refused: [(Change, &str); 11] = [
        (|o| o.n_points = 1, "n_points"),
        (|o| o.ends = [0.5, 0.5], "ends"),
        (|o| o.ends = [0.0, f64::NAN], "ends"),
        (|o| o.band = 1.0, "band"),
        (|o| o.grid = Some(vec![]), "grid"),
        (|o| o.grid = Some(vec![1.0, 1.0]), "grid"),
        (|o| o.grid = Some(vec![1.0, f64::INFINITY]), "grid"),
        (|o| o.weights = Some(vec![1.0]), "weights"),
        (|o| o.weights = Some(vec![-1.0; 4]), "weights"),
        (|o| o.weights = Some(vec![0.0; 4]), "weight above zero"),
        (
            |o| o.weights = Some(vec![0.0, 0.0, 1.0, 0.0]),
            "no row has a value",
        ),
    ];
    for (place, (change, text)) in refused.into_iter().enumerate() {
        let error = with(change).unwrap_err();
        assert!(error.contains(text), "{place}: {error}");
    }
    assert!(
        dependence("aa", &DependenceOptions::default())
            .unwrap_err()
            .to_string()
            .contains("`a`")
    );
    // Counts stay whole.
    let options = DependenceOptions {
        grid: Some(vec![0.5]),
        ..DependenceOptions::default()
    };
    assert!(dependence("b", &options).is_err());
    let none = matrix().select_rows(&[]).unwrap();
    assert!(partial_dependence(&Model, &none, "a", &options).is_err());
}

#[test]
fn bits_do_not_depend_on_the_threads() {
    let run = || dependence("a", &weighted([0.1, 0.7, 0.3, 0.2])).unwrap();
    let expected = run();
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        assert_eq!(pool.install(run), expected);
    }
}

#[test]
fn pictures_hold_bands_rows_and_missing_values() {
    use crate::estimator::figure::{ReferenceLine, Shape};

    let figure = dependence("a", &DependenceOptions::default())
        .unwrap()
        .figure();
    let names: Vec<&str> = figure
        .series
        .iter()
        .map(|series| series.name.as_str())
        .collect();
    assert_eq!(names, ["where rows are", "middle 80 % of rows", "mean"]);
    let ReferenceLine::Horizontal { y, label } = &figure.references[0] else {
        panic!("a horizontal line")
    };
    assert_eq!((*y, label.as_str()), (11.5, "missing (25.0 % of rows)"));
    let Shape::Histogram { edges, counts } = &figure.series[0].shape else {
        panic!("a histogram")
    };
    assert_eq!((edges.as_slice(), counts.len()), (&[1.0, 2.5, 4.0][..], 2));
    let figure = dependence("c", &DependenceOptions::default())
        .unwrap()
        .figure();
    assert_eq!(
        figure.x.categories,
        ["u (25.0 %)", "v (50.0 %)", "missing (25.0 %)"]
    );
}

/// An output of a real model must stay usable where traits meet.
fn _asks_any_risk_model<M: crate::estimator::PredictRisk + Sync>(model: &M, rows: &PatientMatrix) {
    let _ = partial_dependence(&RiskOf(model), rows, "a", &DependenceOptions::default());
}
