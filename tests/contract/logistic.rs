//! Logistic regression as a subject: no penalty, ridge, elastic net, and the end of a path.

use galen::Result;
use galen::classification::LogisticRegression;
use galen::classification::logistic::{ClassWeights, LogisticPathParams, LogisticRegressionParams};
use galen::design::{Impute, Preparation};
use galen::estimator::{
    ClassLabel, Classify, Cohort, Control, Model, ModelHeader, ParamGuard, PredictInplace,
    PredictRisk, Saved, Summary, Term,
};
use galen::matrix::PatientMatrix;
use linfa::DatasetBase;
use ndarray::{Array1, Array2};

use crate::subject::{Fitted, Input, Subject, Task, Training};

#[derive(Clone)]
enum Settings {
    One(LogisticRegressionParams),
    Path(LogisticPathParams),
}

#[derive(Clone)]
pub struct Logistic {
    name: &'static str,
    penalised: bool,
    settings: Settings,
}

pub fn unpenalised() -> Logistic {
    Logistic {
        name: "LogisticRegression",
        penalised: false,
        settings: Settings::One(LogisticRegression::params()),
    }
}

pub fn ridge() -> Logistic {
    Logistic {
        name: "LogisticRegression, ridge",
        penalised: true,
        settings: Settings::One(LogisticRegression::params().strength(0.02)),
    }
}

pub fn elastic_net() -> Logistic {
    Logistic {
        name: "LogisticRegression, elastic net",
        penalised: true,
        settings: Settings::One(LogisticRegression::params().strength(0.02).l1_ratio(0.5)),
    }
}

pub fn path() -> Logistic {
    Logistic {
        name: "LogisticPath, its last strength",
        penalised: true,
        settings: Settings::Path(
            LogisticRegression::path()
                .n_strengths(6)
                .min_ratio(0.05)
                .tolerance(1e-10),
        ),
    }
}

impl Logistic {
    fn with(&self, settings: Settings) -> Box<dyn Subject> {
        Box::new(Self {
            settings,
            ..self.clone()
        })
    }

    fn fit_any<L: ClassLabel>(
        &self,
        rows: Input<'_>,
        labels: Array1<L>,
        weights: Option<&[f32]>,
        event: Option<&str>,
        control: &Control,
    ) -> Result<Box<dyn Fitted>> {
        macro_rules! fit {
            ($rows:expr) => {{
                let cohort = DatasetBase::new($rows, labels);
                let cohort = match weights {
                    Some(weights) => cohort.with_weights(weights.to_vec().into()),
                    None => cohort,
                };
                match &self.settings {
                    Settings::One(params) => {
                        let params = match event {
                            Some(event) => params.clone().event(event),
                            None => params.clone(),
                        };
                        params.check()?.fit_with_control(&cohort, control)?
                    }
                    Settings::Path(params) => {
                        let params = match event {
                            Some(event) => params.clone().event(event),
                            None => params.clone(),
                        };
                        let path = params.check()?.fit_with_control(&cohort, control)?;
                        path.models()[path.models().len() - 1].clone()
                    }
                }
            }};
        }
        Ok(match rows {
            Input::Matrix(matrix) => Box::new(fit!(matrix.clone())),
            Input::Array(array) => Box::new(fit!(array)),
        })
    }
}

impl Subject for Logistic {
    fn name(&self) -> &'static str {
        self.name
    }

    fn task(&self) -> Task {
        Task::Classify
    }

    fn accepts_missing(&self) -> bool {
        true
    }

    fn penalised(&self) -> bool {
        self.penalised
    }

    fn fit_with(&self, training: &Training<'_, '_>, control: &Control) -> Result<Box<dyn Fitted>> {
        let labels = training.target.iter().map(|y| *y == 1.0).collect();
        self.fit_any::<bool>(training.rows, labels, training.weights, None, control)
    }

    fn fit_text(
        &self,
        rows: Input<'_>,
        labels: &[String],
        event: Option<&str>,
    ) -> Option<Result<Box<dyn Fitted>>> {
        let labels = Array1::from(labels.to_vec());
        Some(self.fit_any::<String>(rows, labels, None, event, &Control::silent()))
    }

    fn stopped_early(&self) -> Option<Box<dyn Subject>> {
        Some(self.with(match &self.settings {
            Settings::One(params) => Settings::One(params.clone().max_iterations(1)),
            Settings::Path(params) => Settings::Path(params.clone().max_iterations(1)),
        }))
    }

    fn rebuilt(&self) -> Box<dyn Subject> {
        self.with(match &self.settings {
            Settings::One(params) => {
                let text = serde_json::to_string(params).expect("settings are data");
                Settings::One(serde_json::from_str(&text).expect("settings are data"))
            }
            Settings::Path(params) => {
                let text = serde_json::to_string(params).expect("settings are data");
                Settings::Path(serde_json::from_str(&text).expect("settings are data"))
            }
        })
    }

    fn refused(&self) -> Vec<(&'static str, Box<dyn Subject>)> {
        let constant = Preparation::default().impute(Impute::Constant(f64::NAN));
        let rare = Preparation::default().min_level_rows(0);
        let mut list: Vec<(&'static str, Settings)> = Vec::new();
        match &self.settings {
            Settings::One(params) => {
                for bad in [-1.0, f64::NAN, f64::INFINITY] {
                    list.push(("strength", Settings::One(params.clone().strength(bad))));
                }
                for bad in [-0.1, 1.1, f64::NAN] {
                    list.push(("l1_ratio", Settings::One(params.clone().l1_ratio(bad))));
                }
                for bad in [0.0, 1.0, -1.0, f64::NAN] {
                    list.push(("level", Settings::One(params.clone().level(bad))));
                }
                for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
                    list.push(("tolerance", Settings::One(params.clone().tolerance(bad))));
                    let weights = ClassWeights::Given(1.0, bad);
                    list.push((
                        "class_weights",
                        Settings::One(params.clone().class_weights(weights)),
                    ));
                }
                list.push((
                    "max_iterations",
                    Settings::One(params.clone().max_iterations(0)),
                ));
                list.push((
                    "impute",
                    Settings::One(params.clone().preparation(constant)),
                ));
                list.push((
                    "min_level_rows",
                    Settings::One(params.clone().preparation(rare)),
                ));
            }
            Settings::Path(params) => {
                for bad in [0.0, 1.0, f64::NAN, -1.0] {
                    list.push(("min_ratio", Settings::Path(params.clone().min_ratio(bad))));
                }
                for bad in [
                    vec![],
                    vec![0.0],
                    vec![0.1, 0.2],
                    vec![f64::NAN],
                    vec![0.1, 0.1],
                ] {
                    list.push(("strengths", Settings::Path(params.clone().strengths(bad))));
                }
                list.push(("n_strengths", Settings::Path(params.clone().n_strengths(0))));
                list.push(("l1_ratio", Settings::Path(params.clone().l1_ratio(2.0))));
                list.push(("tolerance", Settings::Path(params.clone().tolerance(0.0))));
                list.push((
                    "max_iterations",
                    Settings::Path(params.clone().max_iterations(0)),
                ));
                list.push((
                    "impute",
                    Settings::Path(params.clone().preparation(constant)),
                ));
            }
        }
        list.into_iter()
            .map(|(name, settings)| (name, self.with(settings)))
            .collect()
    }

    fn load_bytes(&self, bytes: &[u8]) -> Result<Box<dyn Fitted>> {
        let saved = Saved::<LogisticRegression>::from_bytes(bytes)?;
        Ok(Box::new(saved.into_model()))
    }

    fn load_json(&self, text: &str) -> Result<Box<dyn Fitted>> {
        let saved = Saved::<LogisticRegression>::from_json(text)?;
        Ok(Box::new(saved.into_model()))
    }
}

impl<L: ClassLabel> Fitted for LogisticRegression<L> {
    fn predict(&self, rows: Input<'_>) -> Result<Vec<f64>> {
        match rows {
            Input::Matrix(matrix) => Ok(self.predict_risk(matrix)?.to_vec()),
            Input::Array(array) => Ok(self.predict_risk(&array)?.to_vec()),
        }
    }

    fn decision(&self, rows: Input<'_>) -> Option<Result<Vec<f64>>> {
        let eta = match rows {
            Input::Matrix(matrix) => LogisticRegression::decision(self, matrix),
            Input::Array(array) => LogisticRegression::decision(self, &array),
        };
        Some(eta.map(|eta| eta.to_vec()))
    }

    fn probabilities(&self, rows: Input<'_>) -> Option<Result<Array2<f64>>> {
        Some(match rows {
            Input::Matrix(matrix) => self.predict_proba(matrix),
            Input::Array(array) => self.predict_proba(&array),
        })
    }

    fn labels(&self, rows: &PatientMatrix) -> Option<Vec<String>> {
        let mut labels: Array1<L> = self.default_target(rows);
        self.predict_inplace(rows, &mut labels);
        Some(labels.iter().map(ClassLabel::text).collect())
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

    fn header(&self) -> &ModelHeader {
        Model::header(self)
    }

    fn terms(&self) -> Vec<Term> {
        Summary::terms(self)
    }

    fn facts(&self) -> Vec<(String, String)> {
        Summary::facts(self)
    }

    fn warnings(&self) -> Vec<String> {
        Summary::warnings(self)
    }

    fn to_json(&self) -> Result<String> {
        Saved::new(self.clone()).to_json()
    }

    fn to_bytes(&self) -> Result<Vec<u8>> {
        Saved::new(self.clone()).to_bytes()
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
