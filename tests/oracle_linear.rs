//! Linear regression against certified digits (NIST StRD), exact rational arithmetic and R.

use galen::estimator::{Cohort, Fit, Regress, Summary};
use galen::matrix::{PatientMatrix, Values};
use galen::regression::{
    Covariance, LinearRegression, LinearRegressionParams, OverallTest, RowWeights,
};
use ndarray::{Array1, Array2};
use serde_json::Value;

/// Name and values of every column of a fixture.
fn table(path: &str) -> Vec<(String, Vec<f64>)> {
    let path = format!("{}/tests/fixtures/{path}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    let mut columns: Vec<(String, Vec<f64>)> = lines
        .next()
        .unwrap()
        .split(',')
        .map(|name| (name.to_string(), Vec::new()))
        .collect();
    for line in lines {
        for (column, value) in columns.iter_mut().zip(line.split(',')) {
            column.1.push(value.parse().unwrap());
        }
    }
    columns
}

fn column<'a>(table: &'a [(String, Vec<f64>)], name: &str) -> &'a [f64] {
    &table.iter().find(|(known, _)| known == name).unwrap().1
}

fn json(path: &str) -> Value {
    let path = format!("{}/tests/fixtures/{path}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()
}

/// Matching digits: -log10 of the relative error, at most 16; of the absolute one where 0 is due.
fn digits(found: f64, expected: f64) -> f64 {
    let error = (found - expected).abs();
    let relative = if expected == 0.0 {
        error
    } else {
        error / expected.abs()
    };
    if relative.is_nan() {
        0.0
    } else {
        (-relative.log10()).clamp(0.0, 16.0)
    }
}

fn least(pairs: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    pairs
        .into_iter()
        .map(|(found, expected)| digits(found, expected))
        .fold(16.0, f64::min)
}

fn values(list: &Value) -> Vec<f64> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|item| item["value"].as_f64().unwrap())
        .collect()
}

/// Fewest matching digits: coefficients, standard errors, R2, sigma, RSS, F.
fn compare(model: &LinearRegression, expected: &Value) -> [f64; 6] {
    let one = |key: &str| expected[key]["value"].as_f64();
    let f =
        one("f_statistic").map(|f| (model.overall_test().map_or(0.0, |test| test.statistic), f));
    [
        least(
            model
                .estimates()
                .into_iter()
                .zip(values(&expected["coefficients"])),
        ),
        least(
            model
                .standard_errors()
                .into_iter()
                .zip(values(&expected["standard_errors"])),
        ),
        digits(model.r_squared().unwrap(), one("r_squared").unwrap()),
        digits(model.sigma(), one("residual_sd").unwrap()),
        digits(
            model.residual_sum_of_squares(),
            one("residual_sum_of_squares").unwrap(),
        ),
        least(f),
    ]
}

fn print_header() {
    println!(
        "{:<14} coef    se    R2 sigma   RSS     F   rcond passes",
        "set"
    );
}

fn print_line(name: &str, found: &[f64; 6], model: &LinearRegression) {
    let cells: Vec<String> = found.iter().map(|d| format!("{d:5.1}")).collect();
    println!(
        "{name:<14}{} {:7.0e} {}",
        cells.join(" "),
        model.reciprocal_condition(),
        model.refinements()
    );
}

fn powers(x: &[f64], degree: usize) -> Array2<f64> {
    let mut out = Array2::zeros((x.len(), degree));
    for (row, x) in x.iter().enumerate() {
        let mut value = 1.0;
        for power in 0..degree {
            value *= x;
            out[(row, power)] = value;
        }
    }
    out
}

#[test]
fn certified_digits_of_nist() {
    let expected = json("nist/expected.json");
    let due = [
        ("norris", 12.0),
        ("noint1", 12.0),
        ("noint2", 12.0),
        ("pontius", 10.0),
        ("longley", 9.0),
        ("wampler1", 9.0),
        ("wampler2", 10.0),
        ("wampler3", 9.0),
        ("wampler4", 8.0),
        ("wampler5", 6.0),
    ];
    print_header();
    let mut short = Vec::new();
    for (name, due) in due {
        let data = table(&format!("nist/{name}.csv"));
        let expected = &expected["regression"][name];
        let y = Array1::from(column(&data, "y").to_vec());
        let intercept = expected["intercept"].as_bool().unwrap();
        let rows = if name == "longley" {
            Array2::from_shape_fn((y.len(), 6), |(row, x)| {
                column(&data, &format!("x{}", x + 1))[row]
            })
        } else {
            let terms = expected["parameters"].as_u64().unwrap() as usize;
            powers(column(&data, "x"), terms - usize::from(intercept))
        };
        let model = LinearRegression::params()
            .intercept(intercept)
            .fit(&linfa::DatasetBase::new(rows, y))
            .unwrap();
        assert_eq!(model.df_residual(), expected["df"].as_f64().unwrap());
        assert_eq!(model.r_squared_is_centered(), intercept);
        let found = compare(&model, expected);
        print_line(name, &found, &model);
        // Where the fit is exact, the errors due are zero and are held absolutely.
        if found.iter().any(|digits| *digits < due) {
            short.push(format!("{name}: {found:?}, due {due}"));
        }
    }
    assert!(short.is_empty(), "{short:#?}");
}

#[test]
fn tenth_degree_in_exact_arithmetic() {
    let expected = json("nist_like/expected.json");
    let data = table("nist_like/tenth_degree.csv");
    let rows = powers(column(&data, "x"), 10);
    let y = Array1::from(column(&data, "y").to_vec());
    let cohort = linfa::DatasetBase::new(rows.clone(), y.clone());
    let model = LinearRegression::params().fit(&cohort).unwrap();
    print_header();
    let given = compare(&model, &expected["given"]);
    print_line("given powers", &given, &model);
    let ideal = compare(&model, &expected["ideal"]);
    print_line("ideal powers", &ideal, &model);
    assert!(
        given[0] >= 11.0 && given.iter().all(|digits| *digits >= 6.0),
        "{given:?}"
    );
    assert!(
        ideal[0] >= 8.0 && ideal.iter().all(|digits| *digits >= 6.0),
        "{ideal:?}"
    );
    assert!(model.is_ill_conditioned());
    assert!(
        model
            .warnings()
            .iter()
            .any(|text| text.contains("ill-conditioned"))
    );
    // Predictions do not lose what the coefficients hold: residuals square to the stated sum.
    let left = (&model.try_predict(&rows).unwrap() - &y)
        .mapv(|r| r * r)
        .sum();
    assert!(digits(left, model.residual_sum_of_squares()) > 10.0);
    // A tolerance as loose as that of other programs drops columns, and says which.
    let loose = LinearRegression::params()
        .tolerance(1e-5)
        .fit(&cohort)
        .unwrap();
    assert!(!loose.aliased().is_empty() && loose.aliased().contains(&"x9".to_string()));
}

/// Features and target of a case of R.
fn case(expected: &Value) -> (PatientMatrix, Values) {
    let input = format!("ols/{}", expected["input"].as_str().unwrap());
    let mut data = table(&input);
    let target = expected["target"].as_str().unwrap();
    let y = Values::new(column(&data, target).to_vec()).unwrap();
    let age: Vec<f64> = data
        .iter()
        .find(|c| c.0 == "age")
        .map_or(Vec::new(), |c| c.1.clone());
    if !age.is_empty() {
        let kidney = column(&data, "serum_creatinine")
            .iter()
            .zip(column(&data, "serum_sodium"))
            .map(|(a, b)| a + b)
            .collect();
        data.push((
            "age_months".into(),
            age.iter().map(|age| 12.0 * age).collect(),
        ));
        data.push(("kidney".into(), kidney));
    }
    let formula = expected["formula"].as_str().unwrap();
    let features: Vec<(String, Vec<f64>)> = formula
        .split('~')
        .nth(1)
        .unwrap()
        .split(['+', '-'])
        .map(str::trim)
        .filter(|name| name.parse::<f64>().is_err())
        .map(|name| (name.to_string(), column(&data, name).to_vec()))
        .collect();
    (PatientMatrix::from_columns(features).unwrap(), y)
}

fn named(values: &Value, names: &[&str]) -> Vec<f64> {
    names
        .iter()
        .map(|name| values[*name].as_f64().unwrap())
        .collect()
}

fn assert_near(what: &str, found: &[f64], expected: &[f64], digits_due: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            digits(*found, *expected) >= digits_due,
            "{what}: {found:e}, expected {expected:e}"
        );
    }
}

fn params(name: &str) -> LinearRegressionParams {
    LinearRegression::params()
        .intercept(name != "heart_failure_no_intercept")
        .row_weights(RowWeights::Precision)
}

fn cohort(name: &str, rows: PatientMatrix, y: Values) -> Cohort<Values> {
    let n = rows.n_rows();
    let cohort = Cohort::new(rows, y);
    if name != "heart_failure_weighted" {
        return cohort;
    }
    cohort.with_weights((0..n).map(|row| 1.0 + (row % 3) as f32).collect())
}

#[test]
fn every_number_of_r() {
    let all = json("ols/expected.json");
    for (name, expected) in all.as_object().unwrap() {
        let (rows, y) = case(expected);
        let cohort = cohort(name, rows, y);
        let model = params(name).fit(&cohort).unwrap();
        let names = model.names();
        let due: Vec<&str> = expected["names"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();
        assert_eq!(names, due, "{name}");
        let aliased: Vec<&str> = expected["aliased"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();
        assert_eq!(model.aliased(), aliased, "{name}");
        assert_eq!(model.rank() as u64, expected["rank"].as_u64().unwrap());
        // R gives no coefficient to terms left out; here they are listed without an error.
        let mut terms = model.terms();
        terms.retain(|term| term.standard_error.is_some());
        let of = |pick: fn(&galen::estimator::Term) -> Option<f64>| -> Vec<f64> {
            terms.iter().map(|term| pick(term).unwrap()).collect()
        };
        for (key, found, due) in [
            ("coefficients", model.estimates(), 9.0),
            ("standard_errors", model.standard_errors(), 9.0),
            ("t", of(|term| term.statistic), 8.0),
            ("p", of(|term| term.p), 8.0),
            ("t_95_lower", of(|term| term.lower), 8.0),
            ("t_95_upper", of(|term| term.upper), 8.0),
        ] {
            assert_near(
                &format!("{name} {key}"),
                &found,
                &named(&expected[key], &names),
                due,
            );
        }
        let OverallTest {
            statistic,
            df_model,
            df_residual,
            p,
        } = model.overall_test().unwrap();
        for (key, found) in [
            ("sigma", model.sigma()),
            ("df_residual", model.df_residual()),
            ("residual_sum_of_squares", model.residual_sum_of_squares()),
            ("r_squared", model.r_squared().unwrap()),
            ("adjusted_r_squared", model.adjusted_r_squared().unwrap()),
            ("f", statistic),
            ("f_df1", df_model),
            ("f_df2", df_residual),
            ("f_p", p),
        ] {
            assert_near(
                &format!("{name} {key}"),
                &[found],
                &[expected[key].as_f64().unwrap()],
                8.0,
            );
        }
        let covariance = model.covariance();
        for (row, line) in expected["vcov"].as_array().unwrap().iter().enumerate() {
            for (column, value) in line.as_array().unwrap().iter().enumerate() {
                let found = covariance[(row, column)];
                let size = (covariance[(row, row)] * covariance[(column, column)]).sqrt();
                assert!(
                    (found - value.as_f64().unwrap()).abs() <= 1e-8 * size,
                    "{name} vcov"
                );
            }
        }
        let fitted: Vec<f64> = expected["first_10_fitted"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value.as_f64().unwrap())
            .collect();
        let predicted = model.try_predict(&cohort.records).unwrap();
        assert_near(
            &format!("{name} fitted"),
            &predicted.to_vec()[..10],
            &fitted,
            9.0,
        );
    }
}

#[test]
fn robust_errors_of_the_sandwich_package() {
    let all = json("ols/expected.json");
    let mut compared = 0;
    for (name, expected) in all.as_object().unwrap() {
        let (rows, y) = case(expected);
        let cohort = cohort(name, rows, y);
        for (kind, key) in [
            (Covariance::Robust, "hc0_standard_errors"),
            (Covariance::Hc1, "hc1_standard_errors"),
            (Covariance::Hc2, "hc2_standard_errors"),
            (Covariance::Hc3, "hc3_standard_errors"),
        ] {
            if expected[key].is_null() {
                continue;
            }
            let model = params(name).covariance(kind).fit(&cohort).unwrap();
            let due = named(&expected[key], &model.names());
            assert_near(
                &format!("{name} {key}"),
                &model.standard_errors(),
                &due,
                8.0,
            );
            compared += 1;
        }
    }
    assert!(compared >= 16, "{compared}");
}

#[test]
fn weight_two_is_the_row_twice_in_every_covariance() {
    let all = json("ols/expected.json");
    let (rows, y) = case(&all["heart_failure"]);
    let n = rows.n_rows();
    let mut repeated = Vec::new();
    for row in 0..n {
        repeated.extend(std::iter::repeat_n(row, row % 3));
    }
    let twice = Cohort::new(
        rows.select_rows(&repeated).unwrap(),
        y.select_rows(&repeated).unwrap(),
    );
    let weighted = Cohort::new(rows, y).with_weights((0..n).map(|row| (row % 3) as f32).collect());
    for kind in [
        Covariance::Model,
        Covariance::Robust,
        Covariance::Hc1,
        Covariance::Hc2,
        Covariance::Hc3,
    ] {
        let params = LinearRegression::params().covariance(kind);
        let (a, b) = (params.fit(&twice).unwrap(), params.fit(&weighted).unwrap());
        assert_eq!(a.df_residual(), b.df_residual());
        assert_near("coefficients", &a.estimates(), &b.estimates(), 11.0);
        assert_near("errors", &a.standard_errors(), &b.standard_errors(), 10.0);
        let fit = [a.r_squared().unwrap(), a.overall_test().unwrap().statistic];
        let same = [b.r_squared().unwrap(), b.overall_test().unwrap().statistic];
        assert_near("R2 and F", &fit, &same, 10.0);
    }
}
