//! Linear regression as a subject: with the covariance of textbooks, and with a robust one.

use galen::Result;
use galen::design::{Impute, Preparation};
use galen::estimator::{
    Control, Model, ModelHeader, ParamGuard, PredictInplace, Regress, Saved, Summary, Term,
};
use galen::matrix::PatientMatrix;
use galen::regression::LinearRegression;
use galen::regression::linear::{Covariance, LinearRegressionParams};
use linfa::DatasetBase;
use ndarray::{Array1, Array2};

use crate::subject::{Fitted, Input, Subject, Task, Training};

#[derive(Clone)]
pub struct Linear {
    name: &'static str,
    params: LinearRegressionParams,
}

pub fn ordinary() -> Linear {
    Linear {
        name: "LinearRegression",
        params: LinearRegression::params(),
    }
}

/// One more round, for the scores, and medians for missing values: one more question each.
pub fn careful() -> Linear {
    Linear {
        name: "LinearRegression, HC3 and medians",
        params: LinearRegression::params()
            .covariance(Covariance::Hc3)
            .preparation(Preparation::default().impute(Impute::Median)),
    }
}

impl Linear {
    fn with(&self, params: LinearRegressionParams) -> Box<dyn Subject> {
        Box::new(Self {
            params,
            ..self.clone()
        })
    }
}

impl Subject for Linear {
    fn name(&self) -> &'static str {
        self.name
    }

    fn task(&self) -> Task {
        Task::Regress
    }

    fn accepts_missing(&self) -> bool {
        true
    }

    fn penalised(&self) -> bool {
        false
    }

    fn fit_with(&self, training: &Training<'_, '_>, control: &Control) -> Result<Box<dyn Fitted>> {
        let target = Array1::from(training.target.to_vec());
        macro_rules! fit {
            ($rows:expr) => {{
                let cohort = DatasetBase::new($rows, target);
                let cohort = match training.weights {
                    Some(weights) => cohort.with_weights(weights.to_vec().into()),
                    None => cohort,
                };
                self.params
                    .check_ref()?
                    .fit_with_control(&cohort, control)?
            }};
        }
        Ok(Box::new(match training.rows {
            Input::Matrix(matrix) => fit!(matrix.clone()),
            Input::Array(array) => fit!(array),
        }))
    }

    fn fit_text(
        &self,
        _: Input<'_>,
        _: &[String],
        _: Option<&str>,
    ) -> Option<Result<Box<dyn Fitted>>> {
        None
    }

    fn stopped_early(&self) -> Option<Box<dyn Subject>> {
        None
    }

    fn rebuilt(&self) -> Box<dyn Subject> {
        let text = serde_json::to_string(&self.params).expect("settings are data");
        self.with(serde_json::from_str(&text).expect("settings are data"))
    }

    fn refused(&self) -> Vec<(&'static str, Box<dyn Subject>)> {
        let mut list = Vec::new();
        for bad in [0.0, 1.0, -1.0, f64::NAN, f64::INFINITY] {
            list.push(("level", self.params.clone().level(bad)));
        }
        for bad in [-1e-12, 1.0, f64::NAN, f64::INFINITY] {
            list.push(("tolerance", self.params.clone().tolerance(bad)));
        }
        let constant = Preparation::default().impute(Impute::Constant(f64::NAN));
        let rare = Preparation::default().min_level_rows(0);
        list.push(("impute", self.params.clone().preparation(constant)));
        list.push(("min_level_rows", self.params.clone().preparation(rare)));
        list.into_iter()
            .map(|(name, params)| (name, self.with(params)))
            .collect()
    }

    fn load_bytes(&self, bytes: &[u8]) -> Result<Box<dyn Fitted>> {
        let saved = Saved::<LinearRegression>::from_bytes(bytes)?;
        Ok(Box::new(saved.into_model()))
    }

    fn load_json(&self, text: &str) -> Result<Box<dyn Fitted>> {
        let saved = Saved::<LinearRegression>::from_json(text)?;
        Ok(Box::new(saved.into_model()))
    }
}

impl Fitted for LinearRegression {
    fn predict(&self, rows: Input<'_>) -> Result<Vec<f64>> {
        let values = match rows {
            Input::Matrix(matrix) => {
                let values = self.try_predict(matrix)?;
                // linfa's way says the same.
                let mut in_place: Array1<f64> = self.default_target(matrix);
                self.predict_inplace(matrix, &mut in_place);
                crate::subject::strict(&in_place.to_vec(), &values.to_vec());
                values
            }
            Input::Array(array) => self.try_predict(&array)?,
        };
        Ok(values.to_vec())
    }

    fn decision(&self, _: Input<'_>) -> Option<Result<Vec<f64>>> {
        None
    }

    fn probabilities(&self, _: Input<'_>) -> Option<Result<Array2<f64>>> {
        None
    }

    fn labels(&self, _: &PatientMatrix) -> Option<Vec<String>> {
        None
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
        Vec::new()
    }

    fn converged(&self) -> bool {
        true
    }

    fn gap(&self) -> f64 {
        0.0
    }

    fn has_inference(&self) -> bool {
        true
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
