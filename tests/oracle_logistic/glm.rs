//! Maximum likelihood: R `glm` with epsilon 1e-14, covariances by `sandwich`.

use galen::classification::logistic::{Covariance, LogisticRegressionParams};
use galen::estimator::{Classify, Cohort, Fit, PredictRisk, Summary};
use galen::matrix::PatientMatrix;
use galen::prelude::LogisticRegression;
use serde_json::Value;

use crate::{Differences, by_name, expected, number, numbers, read, texts};

const TOPIC: &str = "glm_logistic";

/// Names as R gives them: `cp=2` for the level 2 of `cp`.
fn r_name(name: &str) -> String {
    name.replace(" = ", "=")
}

/// How a case reads its file and what it sets.
struct Setup {
    categories: &'static [&'static str],
    left_out: &'static [&'static str],
    patient: Option<&'static str>,
    weight: Option<&'static str>,
    offset: Option<&'static str>,
}

const PLAIN: Setup = Setup {
    categories: &[],
    left_out: &[],
    patient: None,
    weight: None,
    offset: None,
};

fn setup(case: &str) -> Setup {
    match case {
        "heart_numeric" => Setup {
            left_out: &["case_weight"],
            ..PLAIN
        },
        "heart_factors" => Setup {
            categories: &["cp", "restecg", "slope", "thal"],
            left_out: &["case_weight"],
            ..PLAIN
        },
        "heart_failure" => Setup {
            left_out: &["offset"],
            ..PLAIN
        },
        "breast_five" => PLAIN,
        "diabetes_counts" => Setup {
            patient: Some("patient_nbr"),
            ..PLAIN
        },
        "heart_weighted" => Setup {
            weight: Some("case_weight"),
            ..PLAIN
        },
        "heart_failure_offset" => Setup {
            left_out: &["age"],
            offset: Some("offset"),
            ..PLAIN
        },
        other => panic!("no setup for case {other}"),
    }
}

fn params(setup: &Setup) -> LogisticRegressionParams {
    match setup.offset {
        Some(column) => LogisticRegression::params().offset(column),
        None => LogisticRegression::params(),
    }
}

/// P(chi-squared with an even number of degrees of freedom > x), in closed form.
fn upper_even(x: f64, df: usize) -> f64 {
    let (mut term, mut sum) = (1.0, 0.0);
    for i in 0..df / 2 {
        if i > 0 {
            term *= x / 2.0 / i as f64;
        }
        sum += term;
    }
    (-x / 2.0).exp() * sum
}

fn check(case: &str, reference: &Value) {
    let setup = setup(case);
    let mut weights = None;
    let input = reference["input"].as_str().expect("a file");
    let target = reference["target"].as_str().expect("a column");
    let (matrix, target) = read(TOPIC, input, target, |mut reader| {
        for name in setup.categories {
            reader = reader.declare(galen::matrix::Feature::category(*name));
        }
        for name in setup.left_out {
            reader = reader.ignore(*name);
        }
        if let Some(name) = setup.patient {
            reader = reader.patient(name);
        }
        reader
    });
    let matrix = match setup.weight {
        None => matrix,
        Some(name) => {
            let column = matrix.column(name).expect("a weight column").to_vec();
            weights = Some(column.iter().map(|w| *w as f32).collect::<Vec<f32>>());
            matrix.without(&[name]).expect("other columns are left")
        }
    };
    let cohort = |matrix: &PatientMatrix| {
        let cohort = Cohort::new(matrix.clone(), target.clone());
        match &weights {
            None => cohort,
            Some(weights) => cohort.with_weights(weights.clone().into()),
        }
    };
    let fit = |matrix: &PatientMatrix, covariance: Covariance| {
        params(&setup)
            .covariance(covariance)
            .fit(&cohort(matrix))
            .expect("the fit")
    };
    let model = fit(&matrix, Covariance::Model);
    let names = texts(&reference["names"]);
    let mut all = Differences::default();

    assert!(model.converged() && model.separated().is_empty() && model.aliased().is_empty());
    let inference = model.inference().expect("inference of a plain fit");
    let found: Vec<String> = inference.names().iter().map(|name| r_name(name)).collect();
    assert_eq!(found, names, "{case}");
    let of = |key: &str| by_name(&reference[key], &names);
    let errors = of("standard_errors");
    all.all_relative(
        "coefficient",
        inference.estimates(),
        &of("coefficients"),
        1e-8,
    );
    all.relative(
        "coefficient",
        model.intercept(),
        of("coefficients")[0],
        1e-8,
    );
    for ((name, value), at) in model.coefficients().iter().zip(1..) {
        assert_eq!(r_name(name), names[at]);
        all.relative("coefficient", *value, of("coefficients")[at], 1e-8);
    }
    all.all_relative(
        "standard error",
        &inference.standard_errors(),
        &errors,
        1e-7,
    );
    all.all_relative("z", &inference.z(), &of("z"), 1e-7);
    all.all_absolute("p", &inference.p(), &of("p"), 1e-9);
    let intervals = inference.intervals();
    for (at, (low, high)) in intervals.iter().enumerate() {
        let unit = errors[at];
        all.absolute(
            "limit / se",
            low / unit,
            of("wald_95_lower")[at] / unit,
            1e-6,
        );
        all.absolute(
            "limit / se",
            high / unit,
            of("wald_95_upper")[at] / unit,
            1e-6,
        );
    }
    let ratios: Vec<f64> = inference
        .odds_ratios()
        .iter()
        .map(|ratio| ratio.0)
        .collect();
    all.all_relative("odds ratio", &ratios, &of("odds_ratio"), 1e-7);
    let covariance = |what: &str,
                      all: &mut Differences,
                      reference: &Value,
                      found: &dyn Fn(usize, usize) -> f64| {
        let rows: Vec<Vec<f64>> = reference
            .as_array()
            .expect("rows")
            .iter()
            .map(numbers)
            .collect();
        for (i, row) in rows.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                let unit = (rows[i][i] * rows[j][j]).sqrt();
                all.absolute(what, found(i, j) / unit, value / unit, 2e-7);
            }
        }
    };
    covariance(
        "covariance / se se",
        &mut all,
        &reference["vcov"],
        &|i, j| inference.covariance(i, j),
    );
    all.relative(
        "deviance",
        model.deviance(),
        number(&reference["deviance"]),
        1e-9,
    );
    all.relative(
        "null deviance",
        model.null_deviance(),
        number(&reference["null_deviance"]),
        1e-9,
    );
    all.relative(
        "log-likelihood",
        model.log_likelihood(),
        number(&reference["log_likelihood"]),
        1e-9,
    );
    assert_eq!(model.n_parameters(), names.len());

    // The same table through the summary that model cards print.
    for (term, at) in model.terms().iter().zip(0..) {
        assert_eq!(r_name(&term.name), names[at]);
        assert_eq!(term.estimate.to_bits(), inference.estimates()[at].to_bits());
        assert_eq!(term.p, Some(inference.p()[at]));
    }

    // Robust covariances.
    for (kind, key) in [
        (Covariance::Robust, "hc0_standard_errors"),
        (Covariance::RobustCorrected, "hc1_standard_errors"),
    ] {
        let robust = fit(&matrix, kind);
        let robust = robust.inference().expect("robust inference");
        assert_eq!(robust.kind(), kind);
        all.all_relative(key, &robust.standard_errors(), &of(key), 1e-7);
        if kind == Covariance::Robust {
            covariance("hc0 / se se", &mut all, &reference["hc0_vcov"], &|i, j| {
                robust.covariance(i, j)
            });
        }
    }
    if let Some(cluster) = reference.get("cluster") {
        let clustered = fit(&matrix, Covariance::ByPatient);
        let found = clustered
            .inference()
            .expect("inference by patient")
            .standard_errors();
        let want = by_name(&cluster["hc0_standard_errors"], &names);
        all.all_relative("by patient", &found, &want, 1e-7);
        assert_eq!(cluster["hc0_factor_formula"], "G/(G-1)");
    }

    // Nested fits against `drop1`.
    for (name, row) in reference["likelihood_ratio_by_term"]
        .as_object()
        .expect("terms")
    {
        let smaller = fit(
            &matrix.without(&[name]).expect("a column"),
            Covariance::Model,
        );
        let (statistic, df, p) = model.likelihood_ratio_test(&smaller).expect("nested fits");
        assert_eq!(df as u64, row["df"].as_u64().expect("df"), "{case} {name}");
        all.relative(
            "deviance without",
            smaller.deviance(),
            number(&row["deviance_without"]),
            1e-9,
        );
        // A difference of deviances keeps the absolute accuracy of the two.
        let unit = model.deviance();
        all.absolute(
            "lr / deviance",
            statistic / unit,
            number(&row["chi_squared"]) / unit,
            1e-9,
        );
        all.absolute("lr p", p, number(&row["p"]), 1e-8);
        assert!(
            smaller.likelihood_ratio_test(&model).is_err(),
            "the wrong way round"
        );
    }

    // The overall test: its statistic is a difference of the two deviances above.
    let (statistic, df, p) = model.overall_test().expect("the overall test");
    let null = number(&reference["null_deviance"]) - number(&reference["deviance"]);
    all.relative("overall", statistic, null, 1e-8);
    assert_eq!(
        df as u64,
        reference["df_null"].as_u64().unwrap_or(0) - reference["df_residual"].as_u64().unwrap_or(0)
    );
    if df % 2 == 0 {
        all.relative("overall p", p, upper_even(null, df), 1e-7);
    }

    // Predictions.
    let ten = matrix
        .select_rows(&(0..10).collect::<Vec<_>>())
        .expect("ten rows");
    let eta = model.decision(&ten).expect("log-odds").to_vec();
    all.all_absolute(
        "linear predictor",
        &eta,
        &numbers(&reference["first_10_linear_predictors"]),
        1e-7,
    );
    let risk = model.predict_risk(&ten).expect("risk");
    let probabilities = numbers(&reference["first_10_probabilities"]);
    all.all_relative("probability", &risk.to_vec(), &probabilities, 1e-7);
    let both = model.predict_proba(&ten).expect("probabilities");
    assert!(
        both.column(1)
            .iter()
            .zip(&risk)
            .all(|(a, b)| a.to_bits() == b.to_bits())
    );
    all.settle(case);
}

macro_rules! cases {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            let all = expected(TOPIC);
            check(stringify!($name), &all[stringify!($name)]);
        }
    )*

        #[test]
        fn every_case_of_the_fixture_has_a_test() {
            let all = expected(TOPIC);
            let names: Vec<&String> = all.as_object().expect("cases").keys().collect();
            let mut tested = vec![$(stringify!($name)),*];
            tested.sort_unstable();
            assert_eq!(names, tested);
        }
    };
}

cases! {
    heart_numeric
    heart_factors
    heart_failure
    breast_five
    diabetes_counts
    heart_weighted
    heart_failure_offset
}

/// Weights count as repeats for the model-based errors: R on repeated rows gives the same table.
#[test]
fn weights_are_frequencies() {
    let all = expected(TOPIC);
    let reference = &all["heart_weighted"];
    let names = texts(&reference["names"]);
    let (matrix, target) = read(TOPIC, "input_heart.csv", "disease", |reader| reader);
    let weights = matrix.column("case_weight").expect("weights").to_vec();
    let rows: Vec<usize> = weights
        .iter()
        .enumerate()
        .flat_map(|(row, weight)| std::iter::repeat_n(row, *weight as usize))
        .collect();
    let repeated = matrix
        .without(&["case_weight"])
        .and_then(|matrix| matrix.select_rows(&rows))
        .expect("rows");
    let cohort = Cohort::new(repeated, target.select_rows(&rows).expect("rows"));
    let as_rows = &reference["as_frequencies"];
    let model = LogisticRegression::params().fit(&cohort).expect("the fit");
    let mut differences = Differences::default();
    let inference = model.inference().expect("inference");
    differences.all_relative(
        "coefficient",
        inference.estimates(),
        &by_name(&reference["coefficients"], &names),
        1e-8,
    );
    differences.all_relative(
        "standard error",
        &inference.standard_errors(),
        &by_name(&as_rows["standard_errors"], &names),
        1e-7,
    );
    differences.relative(
        "log-likelihood",
        model.log_likelihood(),
        number(&as_rows["log_likelihood"]),
        1e-9,
    );
    let robust = LogisticRegression::params()
        .covariance(Covariance::Robust)
        .fit(&cohort)
        .expect("the fit");
    let robust = robust.inference().expect("inference").standard_errors();
    differences.all_relative(
        "hc0 of repeats",
        &robust,
        &by_name(&as_rows["hc0_standard_errors"], &names),
        1e-7,
    );
    differences.settle("weights_are_frequencies");
}
