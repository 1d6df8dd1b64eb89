//! Elastic-net paths: R `glmnet`, polished to rounding error when the fixture was made.

use galen::classification::logistic::LogisticPathParams;
use galen::estimator::{Cohort, Fit};
use galen::matrix::{Binary, PatientMatrix};
use galen::prelude::LogisticRegression;
use serde_json::Value;

use crate::{Differences, expected, number, numbers, read, texts};

const TOPIC: &str = "glmnet";

struct Case {
    cohort: Cohort<Binary>,
    /// Columns, target and weights as plain numbers, for the definition of the objective.
    columns: Vec<Vec<f64>>,
    events: Vec<f64>,
    weights: Vec<f64>,
    alpha: f64,
    standardize: bool,
    spreads: Vec<f64>,
}

impl Case {
    fn new(reference: &Value) -> Self {
        let input = reference["input"].as_str().expect("a file");
        let target = reference["target"].as_str().expect("a column");
        let (matrix, target) = read(TOPIC, input, target, |reader| reader);
        let features = texts(&reference["features"]);
        let matrix: PatientMatrix = matrix.select(&features).expect("the features");
        let columns: Vec<Vec<f64>> = (0..features.len())
            .map(|j| matrix.view(j).to_vec())
            .collect();
        let n = matrix.n_rows();
        let weighted = reference["weights"] != "none";
        let weights: Vec<f64> = (0..n)
            .map(|row| {
                if weighted {
                    1.0 + (row % 3) as f64
                } else {
                    1.0
                }
            })
            .collect();
        let total: f64 = weights.iter().sum();
        let spreads = columns
            .iter()
            .map(|column| {
                let mean = column.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>() / total;
                let squares = column
                    .iter()
                    .zip(&weights)
                    .map(|(x, w)| w * (x - mean).powi(2));
                (squares.sum::<f64>() / total).sqrt()
            })
            .collect();
        let events = target
            .values()
            .iter()
            .map(|event| f64::from(u8::from(*event)))
            .collect();
        let cohort = Cohort::new(matrix, target);
        let cohort = if weighted {
            cohort.with_weights(
                weights
                    .iter()
                    .map(|w| *w as f32)
                    .collect::<Vec<f32>>()
                    .into(),
            )
        } else {
            cohort
        };
        Self {
            cohort,
            columns,
            events,
            weights,
            alpha: number(&reference["alpha"]),
            standardize: reference["standardize"].as_bool().expect("a flag"),
            spreads,
        }
    }

    fn params(&self) -> LogisticPathParams {
        LogisticRegression::path()
            .l1_ratio(self.alpha)
            .standardize(self.standardize)
    }

    /// Scale on which the penalty sees a coefficient.
    fn scale(&self, j: usize) -> f64 {
        if self.standardize {
            self.spreads[j]
        } else {
            1.0
        }
    }

    /// The objective and the largest violation of its optimality conditions, by definition.
    fn optimality(&self, strength: f64, intercept: f64, b: &[f64]) -> (f64, f64) {
        let total: f64 = self.weights.iter().sum();
        let (mut loss, mut residuals) = (0.0, Vec::new());
        for row in 0..self.events.len() {
            let eta = intercept
                + b.iter()
                    .zip(&self.columns)
                    .map(|(b, x)| b * x[row])
                    .sum::<f64>();
            let (y, w) = (self.events[row], self.weights[row] / total);
            loss += w * (eta.max(0.0) - y * eta + (-eta.abs()).exp().ln_1p());
            residuals.push(w * (1.0 / (1.0 + (-eta).exp()) - y));
        }
        let mut violation = residuals.iter().sum::<f64>().abs();
        let mut penalty = 0.0;
        for (j, coefficient) in b.iter().enumerate() {
            let scale = self.scale(j);
            let (b, l1) = (coefficient * scale, strength * self.alpha);
            penalty += self.alpha * b.abs() + (1.0 - self.alpha) / 2.0 * b * b;
            let slope = self.columns[j]
                .iter()
                .zip(&residuals)
                .map(|(x, r)| x * r)
                .sum::<f64>()
                / scale
                + strength * (1.0 - self.alpha) * b;
            violation = violation.max(if b == 0.0 {
                (slope.abs() - l1).max(0.0)
            } else {
                (slope + l1 * b.signum()).abs()
            });
        }
        (loss + strength * penalty, violation)
    }
}

/// Gap asked of the solver where the reference itself is exact to rounding.
const TIGHT: f64 = 1e-12;

fn check(name: &str) {
    let all = expected(TOPIC);
    let reference = &all[name];
    let case = Case::new(reference);
    let strengths = numbers(&reference["lambda"]);
    let mut differences = Differences::default();
    let tight = case
        .params()
        .strengths(strengths.clone())
        .tolerance(TIGHT)
        .fit(&case.cohort)
        .expect("the path");
    assert_eq!(tight.strengths(), strengths);
    let plain = case
        .params()
        .strengths(strengths.clone())
        .fit(&case.cohort)
        .expect("the path at the default tolerance");
    for (at, (model, loose)) in tight.models().iter().zip(plain.models()).enumerate() {
        assert!(loose.converged(), "{name} {at}");
        let want = numbers(&reference["coefficients"][at]);
        let found: Vec<f64> = model.coefficients().iter().map(|(_, b)| *b).collect();
        let rough: Vec<f64> = loose.coefficients().iter().map(|(_, b)| *b).collect();
        for j in 0..want.len() {
            let unit = case.spreads[j];
            differences.absolute("coefficient x sd", found[j] * unit, want[j] * unit, 1e-8);
            differences.absolute(
                "default coefficient x sd",
                rough[j] * unit,
                want[j] * unit,
                2e-2,
            );
        }
        let zeros = |b: &[f64]| b.iter().map(|b| *b == 0.0).collect::<Vec<bool>>();
        assert_eq!(zeros(&found), zeros(&want), "{name} {at}: zeros");
        assert_eq!(
            model.n_active() as u64,
            reference["nonzero"][at].as_u64().expect("a count")
        );
        let (objective, violation) = case.optimality(strengths[at], model.intercept(), &found);
        differences.relative(
            "objective",
            objective,
            number(&reference["objective"][at]),
            1e-10,
        );
        // Columns are not centred here: a mean of many spreads multiplies what the intercept leaves.
        let unit = if case.standardize {
            1.0
        } else {
            case.spreads.iter().copied().fold(1.0, f64::max)
        };
        differences.note("violation", violation / unit, 1e-10);
        let (objective, _) = case.optimality(strengths[at], loose.intercept(), &rough);
        differences.relative(
            "default objective",
            objective,
            number(&reference["objective"][at]),
            1e-7,
        );
        let loss = number(&reference["mean_negative_log_likelihood"][at]);
        let total: f64 = case.weights.iter().sum();
        differences.relative("loss", model.deviance() / 2.0 / total, loss, 1e-9);
    }
    let automatic = case
        .params()
        .n_strengths(3)
        .min_ratio(0.9)
        .fit(&case.cohort)
        .expect("the automatic path");
    let first = number(&reference["default_first_lambda"]);
    differences.relative("first strength", automatic.strengths()[0], first, 1e-7);
    // Equal steps on the log scale, down to the ratio.
    for (at, share) in [(1, 0.9_f64.sqrt()), (2, 0.9)] {
        let want = automatic.strengths()[0] * share;
        differences.relative("automatic strength", automatic.strengths()[at], want, 1e-14);
    }

    // A single fit is the path's point at its strength.
    for at in [strengths.len() / 3, 2 * strengths.len() / 3] {
        let single = LogisticRegression::params()
            .l1_ratio(case.alpha)
            .standardize(case.standardize)
            .strength(strengths[at])
            .tolerance(TIGHT)
            .fit(&case.cohort)
            .expect("a single fit");
        let want = numbers(&reference["coefficients"][at]);
        for (j, (_, b)) in single.coefficients().iter().enumerate() {
            let unit = case.spreads[j];
            differences.absolute("single coefficient x sd", b * unit, want[j] * unit, 1e-8);
        }
    }
    differences.settle(name);
}

macro_rules! cases {
    ($($name:ident $file:literal)*) => {$(
        #[test]
        fn $name() {
            check($file);
        }
    )*

        /// Penalty factors by column are not offered; every other case is tested.
        #[test]
        fn every_case_of_the_fixture_has_a_test() {
            let all = expected(TOPIC);
            let mut names: Vec<&str> = all.as_object().expect("cases").keys().map(String::as_str).collect();
            names.retain(|name| !name.contains("_factors_"));
            let mut tested = vec![$($file),*];
            tested.sort_unstable();
            assert_eq!(names, tested);
        }
    };
}

cases! {
    heart_failure_lasso "heart_failure_alpha1_standardised"
    heart_failure_lasso_raw "heart_failure_alpha1_raw"
    heart_failure_net "heart_failure_alpha0.5_standardised"
    heart_failure_net_raw "heart_failure_alpha0.5_raw"
    heart_failure_ridge "heart_failure_alpha0_standardised"
    heart_failure_ridge_raw "heart_failure_alpha0_raw"
    breast_lasso "breast_alpha1_standardised"
    breast_lasso_raw "breast_alpha1_raw"
    breast_net "breast_alpha0.5_standardised"
    breast_net_raw "breast_alpha0.5_raw"
    breast_ridge "breast_alpha0_standardised"
    breast_ridge_raw "breast_alpha0_raw"
    diabetes_lasso "diabetes_alpha1_standardised"
    diabetes_lasso_raw "diabetes_alpha1_raw"
    diabetes_net "diabetes_alpha0.5_standardised"
    diabetes_net_raw "diabetes_alpha0.5_raw"
    diabetes_ridge "diabetes_alpha0_standardised"
    diabetes_ridge_raw "diabetes_alpha0_raw"
    weighted_lasso "heart_failure_weighted_alpha1_standardised"
    weighted_net "heart_failure_weighted_alpha0.5_standardised"
    weighted_ridge "heart_failure_weighted_alpha0_standardised"
}
