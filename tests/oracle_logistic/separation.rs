//! Separation: each separated case carries a direction that proves it, checked exactly when the
//! fixture was made; `near` was shown not separated by linear programming.

use galen::error::ErrorKind;
use galen::estimator::{Cohort, Fit, Summary};
use galen::matrix::{Binary, PatientMatrix};
use galen::prelude::LogisticRegression;
use serde_json::Value;

use crate::{Differences, expected, number, read, texts};

const TOPIC: &str = "separation";

fn input(reference: &Value) -> (PatientMatrix, Binary) {
    let file = reference["input"].as_str().expect("a file");
    read(TOPIC, file, "y", |reader| reader)
}

fn fit(matrix: PatientMatrix, target: &Binary) -> LogisticRegression {
    LogisticRegression::params()
        .fit(&Cohort::new(matrix, target.clone()))
        .expect("separation is a flag, not an error")
}

/// Coefficients of a fit that is not separated.
fn same(case: &str, model: &LogisticRegression, reference: &Value) {
    let mut all = Differences::default();
    assert!(model.converged() && model.separated().is_empty(), "{case}");
    let want = reference.as_object().expect("coefficients");
    assert_eq!(want.len(), model.n_parameters(), "{case}");
    all.relative(
        "coefficient",
        model.intercept(),
        number(&want["intercept"]),
        1e-8,
    );
    for (name, value) in model.coefficients() {
        all.relative("coefficient", value, number(&want[name]), 1e-8);
    }
    all.settle(case);
}

fn separated(case: &str) {
    let all = expected(TOPIC);
    let reference = &all[case];
    let (matrix, target) = input(reference);
    let model = fit(matrix.clone(), &target);
    let columns = texts(&reference["columns"]);
    for column in &columns {
        assert!(
            model.separated().contains(column),
            "{case}: {:?}",
            model.separated()
        );
    }
    assert!(!model.converged(), "a separated fit has not converged");
    let error = model
        .inference()
        .expect_err("no table of infinite estimates");
    assert!(matches!(error.kind(), ErrorKind::NoInference { .. }));
    assert!(model.overall_test().is_err());
    let warning = model.warnings().join(" ");
    assert!(
        columns.iter().all(|column| warning.contains(column)),
        "{warning}"
    );
    assert!(
        model
            .terms()
            .iter()
            .all(|term| term.standard_error.is_none() && term.p.is_none())
    );

    // Weights, scale and direction of the columns and the order of rows do not hide it.
    let weights: Vec<f32> = (0..target.len())
        .map(|row| 0.5 + (row % 3) as f32)
        .collect();
    let cohort = Cohort::new(matrix.clone(), target.clone()).with_weights(weights.into());
    let weighted = LogisticRegression::params().fit(&cohort).expect("a flag");
    assert!(
        columns
            .iter()
            .all(|column| weighted.separated().contains(column))
    );
    let names: Vec<String> = matrix
        .schema()
        .features()
        .iter()
        .map(|f| f.name().to_string())
        .collect();
    let scaled = names.iter().enumerate().map(|(at, name)| {
        let factor = [-1e6, 1e-4, 37.0][at % 3];
        let values = matrix.column(name).expect("a column").to_vec();
        (
            name.clone(),
            values
                .into_iter()
                .map(|x| factor * x + 11.0)
                .collect::<Vec<f64>>(),
        )
    });
    let scaled = fit(
        PatientMatrix::from_columns(scaled).expect("columns"),
        &target,
    );
    assert!(
        columns
            .iter()
            .all(|column| scaled.separated().contains(column)),
        "{:?}",
        scaled.separated()
    );
    // Class flipped: the same directions, reversed.
    let flipped = Binary::from_flags("flipped", target.values().iter().map(|event| !event));
    let flipped = fit(matrix.clone(), &flipped);
    assert!(
        columns
            .iter()
            .all(|column| flipped.separated().contains(column))
    );

    // A small penalty is the way out, and it is finite.
    let ridge = LogisticRegression::params()
        .strength(1e-3)
        .fit(&Cohort::new(matrix.clone(), target.clone()))
        .expect("ridge");
    assert!(ridge.converged() && ridge.separated().is_empty());
    assert!(ridge.coefficients().iter().all(|(_, b)| b.is_finite()));

    // Without the named columns nothing is separated.
    let without = &reference["without_columns"];
    if columns.len() < matrix.n_columns() {
        let rest = fit(matrix.without(&columns).expect("columns"), &target);
        same(&format!("{case} without"), &rest, &without["coefficients"]);
        let mut all = Differences::default();
        all.relative(
            "deviance",
            rest.deviance(),
            number(&without["deviance"]),
            1e-9,
        );
        all.settle(case);
    }
}

#[test]
fn complete() {
    separated("complete");
}

#[test]
fn quasi_complete() {
    separated("quasi_complete");
    // The finite coefficients tend to the fit on the unexposed rows.
    let all = expected(TOPIC);
    let reference = &all["quasi_complete"];
    let (matrix, target) = input(reference);
    let model = fit(matrix.clone(), &target);
    assert_eq!(model.separated(), ["exposed"]);
    let limit = &reference["limit"];
    let exposed = matrix.column("exposed").expect("a column").to_vec();
    let rows: Vec<usize> = (0..matrix.n_rows())
        .filter(|row| exposed[*row] == 0.0)
        .collect();
    let unexposed = matrix
        .without(&["exposed"])
        .and_then(|matrix| matrix.select_rows(&rows))
        .expect("rows");
    let finite = fit(unexposed, &target.select_rows(&rows).expect("rows"));
    same("quasi_complete limit", &finite, &limit["coefficients"]);
}

#[test]
fn combination() {
    separated("combination");
    let all = expected(TOPIC);
    let reference = &all["combination"];
    let (matrix, target) = input(reference);
    for (dropped, key) in [("b", "alone_a"), ("a", "alone_b")] {
        let alone = fit(matrix.without(&[dropped]).expect("columns"), &target);
        same(key, &alone, &reference[key]);
    }
}

/// Large but finite estimates are estimates.
#[test]
fn near() {
    let all = expected(TOPIC);
    let reference = &all["near"];
    assert_eq!(reference["separated"], false);
    let (matrix, target) = input(reference);
    let model = fit(matrix, &target);
    same("near", &model, &reference["coefficients"]);
    let mut all = Differences::default();
    let inference = model.inference().expect("finite estimates have errors");
    for (name, error) in inference.names().iter().zip(inference.standard_errors()) {
        all.relative(
            "standard error",
            error,
            number(&reference["standard_errors"][name]),
            1e-7,
        );
    }
    all.relative(
        "deviance",
        model.deviance(),
        number(&reference["deviance"]),
        1e-9,
    );
    all.relative(
        "log-likelihood",
        model.log_likelihood(),
        number(&reference["log_likelihood"]),
        1e-9,
    );
    all.settle("near");
}

/// A looser tolerance must not turn a separated fit into a table of finite errors.
#[test]
fn a_loose_tolerance_does_not_hide_separation() {
    let all = expected(TOPIC);
    for case in ["complete", "quasi_complete", "combination"] {
        let (matrix, target) = input(&all[case]);
        for tolerance in [1e-8, 1e-6, 1e-4, 1e-3, 1e-2] {
            let model = LogisticRegression::params()
                .tolerance(tolerance)
                .fit(&Cohort::new(matrix.clone(), target.clone()))
                .expect("a flag");
            assert!(
                !model.separated().is_empty() && model.inference().is_err(),
                "{case} at tolerance {tolerance}: {:?}",
                model.coefficients()
            );
        }
        for iterations in [1, 2, 5, 12, 30] {
            let model = LogisticRegression::params()
                .max_iterations(iterations)
                .fit(&Cohort::new(matrix.clone(), target.clone()))
                .expect("a flag");
            assert!(
                model.inference().is_err(),
                "{case} after {iterations} steps"
            );
        }
    }
}
