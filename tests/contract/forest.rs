//! Random forests as a subject, without draws of patients; and extra trees.

use galen::Result;
use galen::classification::RandomForest;
use galen::classification::forest::{FeaturesPerNode, RandomForestParams};
use galen::classification::logistic::ClassWeights;
use galen::estimator::{ClassLabel, Control, ParamGuard, TrainingRows};
use galen::matrix::PatientMatrix;
use linfa::DatasetBase;
use ndarray::{Array1, Array2};

use crate::classifier::{self, Classifier, Settings};
use crate::subject::{Fitted, Input};

/// Without draws: weights are repeated rows then, and names of features do not matter.
pub fn all_rows() -> Classifier<RandomForestParams> {
    let params = RandomForest::params()
        .n_trees(3)
        .max_leaves(8)
        .min_leaf_rows(1)
        .row_share(1.0)
        .features_per_node(FeaturesPerNode::Share(1.0));
    Classifier::trees("RandomForest", params)
}

/// Cuts are drawn for all features of a node, hence names of features do not matter either.
pub fn extra_trees() -> Classifier<RandomForestParams> {
    let params = RandomForest::extra_trees()
        .n_trees(20)
        .max_leaves(None)
        .min_leaf_rows(1)
        .features_per_node(FeaturesPerNode::Share(1.0));
    Classifier::trees("RandomForest, extra trees", params)
}

impl Settings for RandomForestParams {
    type Model<L: ClassLabel> = RandomForest<L>;

    fn with_event(self, event: &str) -> Self {
        self.event(event)
    }

    fn fit<L: ClassLabel, R: TrainingRows>(
        &self,
        cohort: &DatasetBase<R, Array1<L>>,
        control: &Control,
    ) -> Result<RandomForest<L>> {
        self.check_ref()?.fit_with_control(cohort, control)
    }

    fn refused(&self) -> Vec<(&'static str, Self)> {
        let p = || self.clone();
        let mut list = vec![
            ("n_trees", p().n_trees(0)),
            ("n_trees", p().n_trees(usize::MAX)),
            ("max_leaves", p().max_leaves(1)),
            ("max_leaves", p().max_leaves(usize::MAX)),
            ("max_depth", p().max_depth(0)),
            ("min_leaf_rows", p().min_leaf_rows(0)),
            ("min_split_rows", p().min_split_rows(1)),
            ("max_bins", p().max_bins(1)),
            ("max_bins", p().max_bins(256)),
        ];
        for bad in [0.0, -0.1, 1.1, f64::NAN, f64::INFINITY] {
            list.push(("row_share", p().row_share(bad)));
            let share = FeaturesPerNode::Share(bad);
            list.push(("features_per_node", p().features_per_node(share)));
        }
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            list.push(("min_leaf_weight", p().min_leaf_weight(bad)));
            list.push(("min_gain", p().min_gain(bad)));
            let weights = ClassWeights::Given(1.0, bad);
            list.push(("class_weights", p().class_weights(weights)));
            list.push(("class_weight", p().class_weight("true", bad)));
        }
        list
    }
}

impl<L: ClassLabel> Fitted for RandomForest<L> {
    fn predict(&self, rows: Input<'_>) -> Result<Vec<f64>> {
        classifier::risks(self, rows)
    }

    fn probabilities(&self, rows: Input<'_>) -> Option<Result<Array2<f64>>> {
        classifier::probabilities(self, rows)
    }

    fn labels(&self, rows: &PatientMatrix) -> Option<Vec<String>> {
        classifier::labels::<L>(self, rows)
    }

    /// Gains: features that divide the rows alike may stand for each other.
    fn parameters(&self) -> Vec<(String, f64)> {
        let gain = self.importance().iter().map(|feature| feature.gain).sum();
        vec![("gain".to_string(), gain)]
    }

    fn left_out(&self) -> Vec<String> {
        self.constant_features().to_vec()
    }
}
