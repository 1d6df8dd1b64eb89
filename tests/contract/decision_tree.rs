//! A decision tree as a subject: a side learnt for missing values, surrogates, and a path pruned at a
//! strength.

use galen::Result;
use galen::classification::DecisionTree;
use galen::classification::decision_tree::{
    Cuts, DecisionTreeParams, Impurity, MissingValues, Pruning, PruningRule,
};
use galen::classification::logistic::ClassWeights;
use galen::estimator::{
    ClassLabel, Classify, Control, Model, ModelHeader, ParamGuard, PredictInplace, PredictRisk,
    Saved, Summary, Term,
};
use galen::matrix::PatientMatrix;
use linfa::DatasetBase;
use ndarray::{Array1, Array2};

use crate::subject::{Fitted, Input, Subject, Task, Training};

#[derive(Clone)]
pub struct OneTree {
    name: &'static str,
    params: DecisionTreeParams,
}

/// Rows may stand alone in a leaf, so that weights are repeated rows; no folds, which go by the number
/// of a row where there are no patients.
fn small() -> DecisionTreeParams {
    DecisionTree::params()
        .min_leaf_rows(1)
        .max_depth(4)
        .pruning(Pruning::Strength(1e-3))
}

pub fn learned_side() -> OneTree {
    OneTree {
        name: "DecisionTree",
        params: small(),
    }
}

pub fn surrogates() -> OneTree {
    OneTree {
        name: "DecisionTree, surrogates",
        params: small()
            .impurity(Impurity::Entropy)
            .missing_values(MissingValues::Surrogate),
    }
}

impl OneTree {
    fn with(&self, params: DecisionTreeParams) -> Box<dyn Subject> {
        Box::new(Self {
            params,
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
        let params = match event {
            Some(event) => self.params.clone().event(event),
            None => self.params.clone(),
        };
        let params = params.check()?;
        macro_rules! fit {
            ($rows:expr) => {{
                let cohort = DatasetBase::new($rows, labels);
                let cohort = match weights {
                    Some(weights) => cohort.with_weights(weights.to_vec().into()),
                    None => cohort,
                };
                params.fit_with_control(&cohort, control)?
            }};
        }
        Ok(match rows {
            Input::Matrix(matrix) => Box::new(fit!(matrix.clone())),
            Input::Array(array) => Box::new(fit!(array)),
        })
    }
}

impl Subject for OneTree {
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
        true
    }

    fn trees(&self) -> bool {
        true
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
        None
    }

    fn rebuilt(&self) -> Box<dyn Subject> {
        let text = serde_json::to_string(&self.params).expect("settings are data");
        self.with(serde_json::from_str(&text).expect("settings are data"))
    }

    fn refused(&self) -> Vec<(&'static str, Box<dyn Subject>)> {
        let p = || self.params.clone();
        let rule = PruningRule::Minimum;
        let folds = |folds| Pruning::CrossValidated { folds, rule };
        let mut list: Vec<(&'static str, DecisionTreeParams)> = vec![
            ("max_depth", p().max_depth(0)),
            ("max_depth", p().max_depth(usize::MAX)),
            ("max_leaves", p().max_leaves(1)),
            ("max_leaves", p().max_leaves(usize::MAX)),
            ("min_leaf_rows", p().min_leaf_rows(0)),
            ("max_bins", p().max_bins(1)),
            ("max_bins", p().max_bins(256)),
            ("max_surrogates", p().max_surrogates(0)),
            ("pruning", p().pruning(folds(1))),
            ("pruning", p().pruning(folds(usize::MAX))),
            (
                "missing_values",
                p().cuts(Cuts::Exact)
                    .missing_values(MissingValues::Surrogate),
            ),
        ];
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            list.push(("min_gain", p().min_gain(bad)));
            list.push(("pruning", p().pruning(Pruning::Strength(bad))));
            let weights = ClassWeights::Given(1.0, bad);
            list.push(("class_weights", p().class_weights(weights)));
        }
        list.into_iter()
            .map(|(name, params)| (name, self.with(params)))
            .collect()
    }

    fn load_bytes(&self, bytes: &[u8]) -> Result<Box<dyn Fitted>> {
        let saved = Saved::<DecisionTree>::from_bytes(bytes)?;
        Ok(Box::new(saved.into_model()))
    }

    fn load_json(&self, text: &str) -> Result<Box<dyn Fitted>> {
        let saved = Saved::<DecisionTree>::from_json(text)?;
        Ok(Box::new(saved.into_model()))
    }
}

impl<L: ClassLabel> Fitted for DecisionTree<L> {
    fn predict(&self, rows: Input<'_>) -> Result<Vec<f64>> {
        match rows {
            Input::Matrix(matrix) => Ok(self.predict_risk(matrix)?.to_vec()),
            Input::Array(array) => Ok(self.predict_risk(&array)?.to_vec()),
        }
    }

    /// None: shares are all there is.
    fn decision(&self, _: Input<'_>) -> Option<Result<Vec<f64>>> {
        None
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

    /// The pruning path: features that divide the rows alike may stand for each other.
    fn parameters(&self) -> Vec<(String, f64)> {
        let steps = self.pruning_path().iter().enumerate();
        steps
            .flat_map(|(at, step)| {
                [
                    (format!("cost {at:03}"), step.cost),
                    (format!("strength {at:03}"), step.strength),
                ]
            })
            .collect()
    }

    fn left_out(&self) -> Vec<String> {
        self.constant_features().to_vec()
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
        false
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
