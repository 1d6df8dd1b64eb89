//! Logistic regression as a subject: no penalty, ridge, elastic net, and the end of a path.

use galen::Result;
use galen::classification::LogisticRegression;
use galen::classification::logistic::{ClassWeights, LogisticPathParams, LogisticRegressionParams};
use galen::design::{Impute, Preparation};
use galen::estimator::{ClassLabel, Cohort, Control, ParamGuard, PredictRisk, TrainingRows};
use galen::matrix::PatientMatrix;
use linfa::DatasetBase;
use ndarray::{Array1, Array2};

use crate::classifier::{self, Classifier, Settings};
use crate::subject::{Fitted, Input};

pub fn unpenalised() -> Classifier<LogisticRegressionParams> {
    Classifier::linear("LogisticRegression", LogisticRegression::params(), false)
}

pub fn ridge() -> Classifier<LogisticRegressionParams> {
    let params = LogisticRegression::params().strength(0.02);
    Classifier::linear("LogisticRegression, ridge", params, true)
}

pub fn elastic_net() -> Classifier<LogisticRegressionParams> {
    let params = LogisticRegression::params().strength(0.02).l1_ratio(0.5);
    Classifier::linear("LogisticRegression, elastic net", params, true)
}

pub fn path() -> Classifier<LogisticPathParams> {
    let params = LogisticRegression::path()
        .n_strengths(6)
        .min_ratio(0.05)
        .tolerance(1e-10);
    Classifier::linear("LogisticPath, its last strength", params, true)
}

/// A constant that is none, and levels without rows.
fn bad_preparations() -> [(&'static str, Preparation); 2] {
    let plain = Preparation::default;
    [
        ("impute", plain().impute(Impute::Constant(f64::NAN))),
        ("min_level_rows", plain().min_level_rows(0)),
    ]
}

impl Settings for LogisticRegressionParams {
    type Model<L: ClassLabel> = LogisticRegression<L>;

    fn with_event(self, event: &str) -> Self {
        self.event(event)
    }

    fn fit<L: ClassLabel, R: TrainingRows>(
        &self,
        cohort: &DatasetBase<R, Array1<L>>,
        control: &Control,
    ) -> Result<LogisticRegression<L>> {
        self.check_ref()?.fit_with_control(cohort, control)
    }

    fn refused(&self) -> Vec<(&'static str, Self)> {
        let p = || self.clone();
        let mut list = vec![("max_iterations", p().max_iterations(0))];
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            list.push(("strength", p().strength(bad)));
        }
        for bad in [-0.1, 1.1, f64::NAN] {
            list.push(("l1_ratio", p().l1_ratio(bad)));
        }
        for bad in [0.0, 1.0, -1.0, f64::NAN] {
            list.push(("level", p().level(bad)));
        }
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            list.push(("tolerance", p().tolerance(bad)));
            let weights = ClassWeights::Given(1.0, bad);
            list.push(("class_weights", p().class_weights(weights)));
        }
        for (name, bad) in bad_preparations() {
            list.push((name, p().preparation(bad)));
        }
        list
    }

    fn stopped_early(&self) -> Option<Self> {
        Some(self.clone().max_iterations(1))
    }
}

/// Stands for the end of its path.
impl Settings for LogisticPathParams {
    type Model<L: ClassLabel> = LogisticRegression<L>;

    fn with_event(self, event: &str) -> Self {
        self.event(event)
    }

    fn fit<L: ClassLabel, R: TrainingRows>(
        &self,
        cohort: &DatasetBase<R, Array1<L>>,
        control: &Control,
    ) -> Result<LogisticRegression<L>> {
        let path = self.check_ref()?.fit_with_control(cohort, control)?;
        Ok(path.models()[path.models().len() - 1].clone())
    }

    fn refused(&self) -> Vec<(&'static str, Self)> {
        let p = || self.clone();
        let mut list = vec![
            ("n_strengths", p().n_strengths(0)),
            ("l1_ratio", p().l1_ratio(2.0)),
            ("tolerance", p().tolerance(0.0)),
            ("max_iterations", p().max_iterations(0)),
        ];
        for bad in [0.0, 1.0, f64::NAN, -1.0] {
            list.push(("min_ratio", p().min_ratio(bad)));
        }
        let lists: [&[f64]; 5] = [&[], &[0.0], &[0.1, 0.2], &[f64::NAN], &[0.1, 0.1]];
        for bad in lists {
            list.push(("strengths", p().strengths(bad)));
        }
        for (name, bad) in bad_preparations() {
            list.push((name, p().preparation(bad)));
        }
        list
    }

    fn stopped_early(&self) -> Option<Self> {
        Some(self.clone().max_iterations(1))
    }
}

impl<L: ClassLabel> Fitted for LogisticRegression<L> {
    fn predict(&self, rows: Input<'_>) -> Result<Vec<f64>> {
        classifier::risks(self, rows)
    }

    fn decision(&self, rows: Input<'_>) -> Option<Result<Vec<f64>>> {
        let eta = match rows {
            Input::Matrix(matrix) => LogisticRegression::decision(self, matrix),
            Input::Array(array) => LogisticRegression::decision(self, &array),
        };
        Some(eta.map(|eta| eta.to_vec()))
    }

    fn probabilities(&self, rows: Input<'_>) -> Option<Result<Array2<f64>>> {
        classifier::probabilities(self, rows)
    }

    fn labels(&self, rows: &PatientMatrix) -> Option<Vec<String>> {
        classifier::labels::<L>(self, rows)
    }

    fn parameters(&self) -> Vec<(String, f64)> {
        let mut list = vec![("(intercept)".to_string(), self.intercept())];
        list.extend(
            self.coefficients()
                .into_iter()
                .map(|(name, b)| (name.to_string(), b)),
        );
        list
    }

    fn left_out(&self) -> Vec<String> {
        self.aliased().to_vec()
    }

    fn separated(&self) -> Vec<String> {
        LogisticRegression::separated(self).to_vec()
    }

    fn converged(&self) -> bool {
        LogisticRegression::converged(self)
    }

    fn gap(&self) -> f64 {
        self.optimality_gap()
    }

    fn has_inference(&self) -> bool {
        self.inference().is_ok()
    }
}

/// An offset is added with coefficient 1, is no feature, and must be finite.
#[test]
fn offsets() {
    let data = crate::data::b1();
    let matrix = data.matrix();
    let flags = || data.y.iter().map(|y| *y == 1.0);
    let with = |offset: Vec<f64>| {
        let feature = galen::matrix::Feature::numeric("exposure");
        let column = galen::matrix::Column::dense(offset)?;
        let matrix = matrix.with_column(feature, column)?;
        let target = galen::matrix::Binary::from_flags("event", flags());
        let params = LogisticRegression::params().offset("exposure").check()?;
        let cohort = Cohort::new(matrix.clone(), target);
        let model = params.fit_with_control(&cohort, &Control::silent())?;
        let eta = LogisticRegression::decision(&model, &matrix)?;
        Ok::<_, galen::Error>((model, eta))
    };
    let n = data.y.len();
    let (plain, eta) = with(vec![0.0; n]).expect("an offset of zero");
    let (shifted, same) = with(vec![0.7; n]).expect("a constant offset");
    assert!((plain.intercept() - 0.7 - shifted.intercept()).abs() < 1e-9);
    crate::subject::close(&same.to_vec(), &eta.to_vec(), 1e-9);
    assert_eq!(plain.coefficients().len(), matrix.n_columns());
    let mut gap = vec![0.0; n];
    gap[5] = f64::NAN;
    let error = with(gap)
        .expect_err("an offset is never missing")
        .to_string();
    assert!(
        error.contains("row 5") && error.contains("exposure"),
        "{error}"
    );
    assert!(
        plain.predict_risk(&matrix).is_err(),
        "the offset is needed at predict"
    );
    assert!(plain.scorer().is_err());
}
