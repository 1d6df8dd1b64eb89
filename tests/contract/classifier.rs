//! What all classifiers do alike as subjects: labels of any type, rows in both shapes, settings as
//! data, saved models, and risks of one named event. A file of its own says what is a classifier's own.

use galen::Result;
use galen::estimator::{
    ClassLabel, Classify, Control, Persist, PredictInplace, PredictRisk, Saved, TrainingRows,
};
use galen::matrix::PatientMatrix;
use linfa::DatasetBase;
use ndarray::{Array1, Array2};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::subject::{Fitted, Input, Subject, Task, Training, cohort};

/// Settings of a classifier, before their check.
pub trait Settings: Clone + Sync + Serialize + DeserializeOwned + 'static {
    type Model<L: ClassLabel>: Fitted + Persist + 'static;

    /// The same settings with the event named.
    fn with_event(self, event: &str) -> Self;

    /// Checks the settings and fits.
    fn fit<L: ClassLabel, R: TrainingRows>(
        &self,
        cohort: &DatasetBase<R, Array1<L>>,
        control: &Control,
    ) -> Result<Self::Model<L>>;

    /// One bad setting each, with the name that the error must hold.
    fn refused(&self) -> Vec<(&'static str, Self)>;

    /// The same stopped after one step; `None` where there are no steps.
    fn stopped_early(&self) -> Option<Self> {
        None
    }
}

/// A classifier as a subject.
#[derive(Clone)]
pub struct Classifier<S> {
    pub name: &'static str,
    pub settings: S,
    pub accepts_missing: bool,
    pub accepts_weights: bool,
    pub many_levels: bool,
    pub penalised: bool,
    pub trees: bool,
}

impl<S: Settings> Classifier<S> {
    /// Sums of effects.
    pub fn linear(name: &'static str, settings: S, penalised: bool) -> Self {
        Self {
            name,
            settings,
            accepts_missing: true,
            accepts_weights: true,
            many_levels: true,
            penalised,
            trees: false,
        }
    }

    pub fn trees(name: &'static str, settings: S) -> Self {
        Self {
            trees: true,
            ..Self::linear(name, settings, true)
        }
    }

    fn with(&self, settings: S) -> Box<dyn Subject> {
        Box::new(Self {
            settings,
            ..self.clone()
        })
    }

    fn fit_labels<L: ClassLabel>(
        &self,
        rows: Input<'_>,
        labels: Array1<L>,
        weights: Option<&[f32]>,
        event: Option<&str>,
        control: &Control,
    ) -> Result<Box<dyn Fitted>> {
        let settings = match event {
            Some(event) => self.settings.clone().with_event(event),
            None => self.settings.clone(),
        };
        Ok(Box::new(match rows {
            Input::Matrix(matrix) => {
                settings.fit(&cohort(matrix.clone(), labels, weights), control)?
            }
            Input::Array(array) => settings.fit(&cohort(array, labels, weights), control)?,
        }))
    }
}

impl<S: Settings> Subject for Classifier<S> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn task(&self) -> Task {
        Task::Classify
    }

    fn accepts_missing(&self) -> bool {
        self.accepts_missing
    }

    fn accepts_weights(&self) -> bool {
        self.accepts_weights
    }

    fn many_levels(&self) -> bool {
        self.many_levels
    }

    fn penalised(&self) -> bool {
        self.penalised
    }

    fn trees(&self) -> bool {
        self.trees
    }

    fn fit_with(&self, training: &Training<'_, '_>, control: &Control) -> Result<Box<dyn Fitted>> {
        let labels = training.target.iter().map(|y| *y == 1.0).collect();
        self.fit_labels::<bool>(training.rows, labels, training.weights, None, control)
    }

    fn fit_text(
        &self,
        rows: Input<'_>,
        labels: &[String],
        event: Option<&str>,
    ) -> Option<Result<Box<dyn Fitted>>> {
        let labels = Array1::from(labels.to_vec());
        Some(self.fit_labels::<String>(rows, labels, None, event, &Control::silent()))
    }

    fn stopped_early(&self) -> Option<Box<dyn Subject>> {
        Some(self.with(self.settings.stopped_early()?))
    }

    fn rebuilt(&self) -> Box<dyn Subject> {
        let text = serde_json::to_string(&self.settings).expect("settings are data");
        self.with(serde_json::from_str(&text).expect("settings are data"))
    }

    fn refused(&self) -> Vec<(&'static str, Box<dyn Subject>)> {
        let list = self.settings.refused().into_iter();
        list.map(|(name, settings)| (name, self.with(settings)))
            .collect()
    }

    fn load_bytes(&self, bytes: &[u8]) -> Result<Box<dyn Fitted>> {
        let saved = Saved::<S::Model<bool>>::from_bytes(bytes)?;
        Ok(Box::new(saved.into_model()))
    }

    fn load_json(&self, text: &str) -> Result<Box<dyn Fitted>> {
        let saved = Saved::<S::Model<bool>>::from_json(text)?;
        Ok(Box::new(saved.into_model()))
    }
}

/// [`Fitted::predict`] of a classifier.
pub fn risks(model: &impl PredictRisk, rows: Input<'_>) -> Result<Vec<f64>> {
    Ok(match rows {
        Input::Matrix(matrix) => model.predict_risk(matrix)?.to_vec(),
        Input::Array(array) => model.predict_risk(&array)?.to_vec(),
    })
}

/// [`Fitted::probabilities`] of a classifier.
pub fn probabilities(model: &impl Classify, rows: Input<'_>) -> Option<Result<Array2<f64>>> {
    Some(match rows {
        Input::Matrix(matrix) => model.predict_proba(matrix),
        Input::Array(array) => model.predict_proba(&array),
    })
}

/// [`Fitted::labels`] of a classifier.
pub fn labels<L: ClassLabel>(
    model: &impl PredictInplace<PatientMatrix, Array1<L>>,
    rows: &PatientMatrix,
) -> Option<Vec<String>> {
    let mut labels = model.default_target(rows);
    model.predict_inplace(rows, &mut labels);
    Some(labels.iter().map(ClassLabel::text).collect())
}
