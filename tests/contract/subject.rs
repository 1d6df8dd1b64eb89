//! What the checks need of an estimator.

use galen::Result;
use galen::estimator::{Control, Model, ModelHeader, Persist, Saved, Summary, Term};
use galen::matrix::PatientMatrix;
use linfa::DatasetBase;
use linfa::dataset::Records;
use ndarray::{Array1, Array2, ArrayView2};

/// Whether a check was run.
pub enum Applies {
    Yes,
    No(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// A target of 0 and 1, where 1 is the event.
    Classify,
    /// A target of numbers.
    Regress,
}

/// Rows in one of the two shapes that estimators read.
#[derive(Clone, Copy)]
pub enum Input<'a> {
    Matrix(&'a PatientMatrix),
    Array(ArrayView2<'a, f64>),
}

/// What is learnt from.
pub struct Training<'r, 'a> {
    pub rows: Input<'r>,
    pub target: &'a [f64],
    pub weights: Option<&'a [f32]>,
}

pub trait Subject: Sync {
    fn name(&self) -> &'static str;
    fn task(&self) -> Task;
    /// Missing numbers are imputed or native.
    fn accepts_missing(&self) -> bool;
    /// Row weights are honoured; where not, they are refused.
    fn accepts_weights(&self) -> bool {
        true
    }
    /// Categories may have any number of levels; where not, two.
    fn many_levels(&self) -> bool {
        true
    }
    /// Identified at any width.
    fn penalised(&self) -> bool;
    /// Trees: cuts by rank instead of a slope for every column, and any number of classes.
    fn trees(&self) -> bool {
        false
    }
    /// Fits, reporting to `control`.
    fn fit_with(&self, training: &Training<'_, '_>, control: &Control) -> Result<Box<dyn Fitted>>;
    /// Fits text labels; `None` where the target is a number.
    fn fit_text(
        &self,
        _rows: Input<'_>,
        _labels: &[String],
        _event: Option<&str>,
    ) -> Option<Result<Box<dyn Fitted>>> {
        None
    }
    /// The same estimator stopped after one step; `None` where there are no steps.
    fn stopped_early(&self) -> Option<Box<dyn Subject>> {
        None
    }
    /// The same estimator from its settings written and read again.
    fn rebuilt(&self) -> Box<dyn Subject>;
    /// The same estimator with one bad setting, and the name that the error must hold.
    fn refused(&self) -> Vec<(&'static str, Box<dyn Subject>)>;
    /// Loads a model of this kind from the compact form.
    fn load_bytes(&self, bytes: &[u8]) -> Result<Box<dyn Fitted>>;
    /// Loads a model of this kind from JSON.
    fn load_json(&self, text: &str) -> Result<Box<dyn Fitted>>;

    fn fit(&self, rows: Input<'_>, target: &[f64]) -> Result<Box<dyn Fitted>> {
        self.fit_with(
            &Training {
                rows,
                target,
                weights: None,
            },
            &Control::silent(),
        )
    }

    fn fit_weighted(
        &self,
        rows: Input<'_>,
        target: &[f64],
        weights: &[f32],
    ) -> Result<Box<dyn Fitted>> {
        self.fit_with(
            &Training {
                rows,
                target,
                weights: Some(weights),
            },
            &Control::silent(),
        )
    }
}

pub trait Fitted: Described + Send + Sync {
    /// One number per row: risk of the event, or the value.
    fn predict(&self, rows: Input<'_>) -> Result<Vec<f64>>;
    /// Log-odds where there are classes.
    fn decision(&self, _: Input<'_>) -> Option<Result<Vec<f64>>> {
        None
    }
    fn probabilities(&self, _: Input<'_>) -> Option<Result<Array2<f64>>> {
        None
    }
    /// Predicted labels as text.
    fn labels(&self, _: &PatientMatrix) -> Option<Vec<String>> {
        None
    }
    /// Intercept and coefficients by name, in original units; of trees what does not change where
    /// features stand for each other.
    fn parameters(&self) -> Vec<(String, f64)>;
    /// Columns left out as constant or dependent.
    fn left_out(&self) -> Vec<String>;
    /// Columns along which the classes are separated.
    fn separated(&self) -> Vec<String> {
        Vec::new()
    }
    fn converged(&self) -> bool {
        true
    }
    /// Slope left, 0 for closed forms.
    fn gap(&self) -> f64 {
        0.0
    }
    /// Whether standard errors are given.
    fn has_inference(&self) -> bool {
        false
    }
}

/// What every fitted model says of itself, and writes.
pub trait Described {
    fn header(&self) -> &ModelHeader;
    fn terms(&self) -> Vec<Term>;
    fn facts(&self) -> Vec<(String, String)>;
    fn warnings(&self) -> Vec<String>;
    fn to_json(&self) -> Result<String>;
    fn to_bytes(&self) -> Result<Vec<u8>>;
}

impl<M: Model + Summary + Persist + Clone> Described for M {
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

/// Rows with a target, and with weights where there are any.
pub fn cohort<R: Records, E>(
    rows: R,
    target: Array1<E>,
    weights: Option<&[f32]>,
) -> DatasetBase<R, Array1<E>> {
    let cohort = DatasetBase::new(rows, target);
    match weights {
        Some(weights) => cohort.with_weights(weights.to_vec().into()),
        None => cohort,
    }
}

/// `|a - b| <= r max(1, |b|)` for every element.
#[track_caller]
pub fn close(a: &[f64], b: &[f64], r: f64) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        let within = (a - b).abs() <= r * b.abs().max(1.0);
        assert!(within, "element {i}: {a:e} against {b:e}");
    }
}

/// The same bits.
#[track_caller]
pub fn strict(a: &[f64], b: &[f64]) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert_eq!(a.to_bits(), b.to_bits(), "element {i}: {a:e} against {b:e}");
    }
}

/// Values of parameters in the order of their names.
pub fn by_name(model: &dyn Fitted) -> Vec<f64> {
    let mut parameters = model.parameters();
    parameters.sort_by(|a, b| a.0.cmp(&b.0));
    parameters.into_iter().map(|(_, value)| value).collect()
}

/// The error of a fit that must fail; boxed models have no `Debug` for `unwrap_err`.
#[track_caller]
pub fn refused<T>(result: Result<T>) -> galen::Error {
    match result {
        Ok(_) => panic!("accepted"),
        Err(error) => error,
    }
}

#[track_caller]
pub fn accepted<T>(result: Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("refused: {error}"),
    }
}
