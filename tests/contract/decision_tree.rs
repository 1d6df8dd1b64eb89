//! A decision tree as a subject: a side learnt for missing values, surrogates, exact cuts, and a path
//! pruned at a strength.

use galen::Result;
use galen::classification::DecisionTree;
use galen::classification::decision_tree::{
    Cuts, DecisionTreeParams, Impurity, MissingValues, Pruning, PruningRule,
};
use galen::classification::logistic::ClassWeights;
use galen::estimator::{ClassLabel, Control, ParamGuard, TrainingRows};
use galen::matrix::PatientMatrix;
use linfa::DatasetBase;
use ndarray::{Array1, Array2};

use crate::classifier::{self, Classifier, Settings};
use crate::subject::{Fitted, Input};

/// Rows may stand alone in a leaf, so that weights are repeated rows; no folds, which go by the number
/// of a row where there are no patients.
fn small() -> DecisionTreeParams {
    DecisionTree::params()
        .min_leaf_rows(1)
        .max_depth(4)
        .pruning(Pruning::Strength(1e-3))
}

pub fn learned_side() -> Classifier<DecisionTreeParams> {
    Classifier::trees("DecisionTree", small())
}

pub fn surrogates() -> Classifier<DecisionTreeParams> {
    let params = small()
        .impurity(Impurity::Entropy)
        .missing_values(MissingValues::Surrogate);
    Classifier::trees("DecisionTree, surrogates", params)
}

/// Takes neither missing values nor weights, and flags as categories only.
pub fn exact_cuts() -> Classifier<DecisionTreeParams> {
    let subject = Classifier::trees("DecisionTree, exact cuts", small().cuts(Cuts::Exact));
    Classifier {
        accepts_missing: false,
        accepts_weights: false,
        many_levels: false,
        ..subject
    }
}

impl Settings for DecisionTreeParams {
    type Model<L: ClassLabel> = DecisionTree<L>;

    fn with_event(self, event: &str) -> Self {
        self.event(event)
    }

    fn fit<L: ClassLabel, R: TrainingRows>(
        &self,
        cohort: &DatasetBase<R, Array1<L>>,
        control: &Control,
    ) -> Result<DecisionTree<L>> {
        self.check_ref()?.fit_with_control(cohort, control)
    }

    fn refused(&self) -> Vec<(&'static str, Self)> {
        let p = || self.clone();
        let rule = PruningRule::Minimum;
        let folds = |folds| Pruning::CrossValidated { folds, rule };
        let mut list = vec![
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
            list.push(("class_weight", p().class_weight("true", bad)));
        }
        list
    }
}

impl<L: ClassLabel> Fitted for DecisionTree<L> {
    fn predict(&self, rows: Input<'_>) -> Result<Vec<f64>> {
        classifier::risks(self, rows)
    }

    fn probabilities(&self, rows: Input<'_>) -> Option<Result<Array2<f64>>> {
        classifier::probabilities(self, rows)
    }

    fn labels(&self, rows: &PatientMatrix) -> Option<Vec<String>> {
        classifier::labels::<L>(self, rows)
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
}
