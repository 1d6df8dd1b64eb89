//! Linear regression as a subject: with the covariance of textbooks, and with a robust one.

use galen::Result;
use galen::design::{Impute, Preparation};
use galen::estimator::{Control, ParamGuard, PredictInplace, Regress, Saved};
use galen::regression::LinearRegression;
use galen::regression::linear::{Covariance, LinearRegressionParams};
use ndarray::Array1;

use crate::subject::{Fitted, Input, Subject, Task, Training, cohort};

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
        let (params, weights) = (self.params.check_ref()?, training.weights);
        Ok(Box::new(match training.rows {
            Input::Matrix(matrix) => {
                params.fit_with_control(&cohort(matrix.clone(), target, weights), control)?
            }
            Input::Array(array) => {
                params.fit_with_control(&cohort(array, target, weights), control)?
            }
        }))
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

    fn has_inference(&self) -> bool {
        true
    }
}
