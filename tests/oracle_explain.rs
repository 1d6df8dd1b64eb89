//! Attributions of trees against `shap` and LightGBM on the Cleveland heart disease data.

use galen::explain::{Attributions, PlainTree, PlainTrees, interventional_shap, tree_shap};
use ndarray::Array2;
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    features: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    outputs: Vec<String>,
    base: Vec<f64>,
    trees: Vec<PlainTree>,
    rows: Vec<Vec<Option<f64>>>,
    background: Option<Vec<Vec<Option<f64>>>>,
    expected_base: Vec<f64>,
    expected: Vec<Vec<Vec<f64>>>,
}

fn table(rows: &[Vec<Option<f64>>]) -> Array2<f64> {
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(row, column)| {
        rows[row][column].unwrap_or(f64::NAN)
    })
}

fn reference() -> Reference {
    let text = std::fs::read_to_string("tests/fixtures/tree_shap/expected.json").unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Largest distance from the reference, base values among it.
fn gap(found: &Attributions, case: &Case) -> f64 {
    assert_eq!(found.n_rows(), case.expected.len());
    let base = found.base().iter().zip(&case.expected_base);
    let values = found.values();
    let expected = case.expected.iter().flatten().flatten();
    values
        .iter()
        .zip(expected)
        .chain(base)
        .fold(0.0, |most, (a, b)| (a - b).abs().max(most))
}

#[test]
fn attributions_are_those_of_the_reference() {
    let reference = reference();
    let names: Vec<&str> = reference
        .cases
        .iter()
        .map(|case| case.name.as_str())
        .collect();
    assert_eq!(names.len(), 4, "{names:?}");
    for case in &reference.cases {
        let trees = case.trees.clone();
        let features = reference.features.clone();
        let model = PlainTrees::new(features, case.outputs.clone(), case.base.clone(), trees);
        let model = model.unwrap();
        let rows = table(&case.rows);
        let found = match &case.background {
            None => tree_shap(&model, &rows),
            Some(background) => interventional_shap(&model, &rows, &table(background)),
        };
        let gap = gap(&found.unwrap(), case);
        assert!(gap < 1e-9, "{}: {gap:e}", case.name);
    }
}

#[test]
fn the_cases_hold_missing_values_and_sets_of_levels() {
    let reference = reference();
    let missing = |case: &Case| case.rows.iter().flatten().filter(|v| v.is_none()).count();
    assert!(missing(&reference.cases[2]) > 4);
    let json = serde_json::to_string(&reference.cases[3].trees).unwrap();
    assert!(json.matches("\"levels\"").count() > 10);
}

#[cfg(feature = "report")]
#[test]
fn all_figures_are_drawn() {
    let reference = reference();
    let case = &reference.cases[0];
    let features = reference.features.clone();
    let trees = case.trees.clone();
    let model = PlainTrees::new(features, case.outputs.clone(), case.base.clone(), trees).unwrap();
    let rows = table(&case.rows);
    let found = tree_shap(&model, &rows).unwrap();
    let age = rows.column(0).to_vec();
    for (figure, word) in [
        (found.bar(0, 8), "thal"),
        (found.beeswarm(0, 8, Some(rows.view())), "high values"),
        (found.waterfall(3, 0, 6), "7 others"),
        (found.dependence(0, 0, &age), "age"),
    ] {
        let image = galen::report::svg(&figure.unwrap());
        assert!(image.contains(word), "{word}");
        let marks = ["<circle", "<rect", "<poly"].map(|mark| image.matches(mark).count());
        assert!(marks.iter().sum::<usize>() > 7, "{word}: {marks:?}");
    }
}
