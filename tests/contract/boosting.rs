//! Gradient boosting as a subject, grown best first and level by level; and what three classes ask.

use galen::Result;
use galen::classification::boosting::{GradientBoostingParams, Growth};
use galen::classification::logistic::ClassWeights;
use galen::classification::{Direction, GradientBoosting};
use galen::estimator::{
    ClassLabel, Classify, Control, Model, ParamGuard, PredictRisk, Saved, TrainingRows,
};
use galen::matrix::PatientMatrix;
use linfa::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2};

use crate::classifier::{self, Classifier, Settings};
use crate::subject::{Described, Fitted, Input, Task, strict};

/// Small enough for the battery. Rows may stand alone in a leaf, so that weights are repeated rows;
/// no ridge, so that a constant factor of all weights falls out.
fn small() -> GradientBoostingParams {
    GradientBoosting::params()
        .n_trees(12)
        .learning_rate(0.3)
        .max_leaves(8)
        .min_leaf_rows(1)
        .l2(0.0)
}

pub fn best_first() -> Classifier<GradientBoostingParams> {
    Classifier::trees("GradientBoosting", small())
}

pub fn depth_first() -> Classifier<GradientBoostingParams> {
    let params = small().growth(Growth::DepthFirst).max_depth(3);
    Classifier::trees("GradientBoosting, level by level", params)
}

impl Settings for GradientBoostingParams {
    type Model<L: ClassLabel> = GradientBoosting<L>;

    fn with_event(self, event: &str) -> Self {
        self.event(event)
    }

    fn fit<L: ClassLabel, R: TrainingRows>(
        &self,
        cohort: &DatasetBase<R, Array1<L>>,
        control: &Control,
    ) -> Result<GradientBoosting<L>> {
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
            ("max_bins", p().max_bins(1)),
            ("max_bins", p().max_bins(256)),
            ("early_stopping", p().early_stopping(0)),
            (
                "monotone",
                p().monotone("x0", Direction::Increasing)
                    .monotone("x0", Direction::Increasing),
            ),
            ("interactions", p().interactions([Vec::<String>::new()])),
        ];
        for bad in [0.0, -0.1, 1.1, f64::NAN, f64::INFINITY] {
            list.push(("learning_rate", p().learning_rate(bad)));
            list.push(("row_share", p().row_share(bad)));
            list.push(("feature_share", p().feature_share(bad)));
            list.push(("validation_share", p().validation_share(bad)));
        }
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            list.push(("min_leaf_weight", p().min_leaf_weight(bad)));
            list.push(("min_gain", p().min_gain(bad)));
            list.push(("l1", p().l1(bad)));
            list.push(("l2", p().l2(bad)));
            let weights = ClassWeights::Given(1.0, bad);
            list.push(("class_weights", p().class_weights(weights)));
            list.push(("class_weight", p().class_weight("true", bad)));
        }
        list
    }
}

impl<L: ClassLabel> Fitted for GradientBoosting<L> {
    fn predict(&self, rows: Input<'_>) -> Result<Vec<f64>> {
        classifier::risks(self, rows)
    }

    fn decision(&self, rows: Input<'_>) -> Option<Result<Vec<f64>>> {
        let scores = match rows {
            Input::Matrix(matrix) => GradientBoosting::decision(self, matrix),
            Input::Array(array) => GradientBoosting::decision(self, &array),
        };
        Some(scores.map(|scores| scores.column(0).to_vec()))
    }

    fn probabilities(&self, rows: Input<'_>) -> Option<Result<Array2<f64>>> {
        classifier::probabilities(self, rows)
    }

    fn labels(&self, rows: &PatientMatrix) -> Option<Vec<String>> {
        classifier::labels::<L>(self, rows)
    }

    /// Losses: features that divide the rows alike may stand for each other, and so may a leaf and
    /// two of one value.
    fn parameters(&self) -> Vec<(String, f64)> {
        let losses = self.train_loss().iter().enumerate();
        losses
            .map(|(at, loss)| (format!("loss {at:03}"), *loss))
            .collect()
    }

    fn left_out(&self) -> Vec<String> {
        self.constant_features().to_vec()
    }
}

/// The laws of outputs, saving, threads and weights with three classes.
#[test]
fn three_classes() -> Result<()> {
    let data = crate::data::b1_separable();
    let text = |row: usize| ["east", "north", "west"][row % 3].to_string();
    let labels: Array1<String> = (0..60).map(text).collect();
    let cohort = DatasetBase::new(data.matrix(), labels.clone());
    let params = small().check()?;
    let model = params.fit(&cohort)?;
    assert_eq!(model.classes(), ["east", "north", "west"]);
    assert_eq!((model.n_iterations(), model.n_trees()), (12, 36));
    let all = model.predict_proba(&cohort.records)?;
    let found = model.labels(&cohort.records).expect("labels");
    for (row, found) in all.rows().into_iter().zip(&found) {
        assert!(row.iter().all(|p| (0.0..=1.0).contains(p)));
        assert!((row.sum() - 1.0).abs() <= 1e-12);
        let best = row.iter().fold(0.0_f64, |m, p| m.max(*p));
        let at = model.classes().iter().position(|class| class == found);
        assert_eq!(at.map(|at| row[at]), Some(best));
    }
    let right = found.iter().zip(&labels).filter(|(a, b)| a == b).count();
    assert!(right >= 57, "{right} of 60");
    // No event: no risk, no scorer.
    assert!(model.predict_risk(&cohort.records).is_err() && model.scorer().is_err());
    assert!(Model::header(&model).event.is_none() && Model::header(&model).n_events.is_none());
    // Saved and loaded.
    for again in [
        Saved::<GradientBoosting<String>>::from_json(&model.to_json()?)?.into_model(),
        Saved::<GradientBoosting<String>>::from_bytes(&model.to_bytes()?)?.into_model(),
    ] {
        assert_eq!(again, model);
        assert_eq!(again.predict_proba(&cohort.records)?, all);
    }
    // Stages end at the model.
    let staged = model.staged_proba(&cohort.records)?;
    assert_eq!(staged.dim(), (60, 12, 3));
    assert_eq!(staged.index_axis(ndarray::Axis(1), 11), all);
    // Weights are repeated rows, 0 is absence; names of classes do not matter.
    let weights: Vec<f32> = (0..60)
        .map(|row| [1.0, 2.0, 0.0, 3.0, 1.0][row % 5])
        .collect();
    let repeated: Vec<usize> = (0..60)
        .flat_map(|row| std::iter::repeat_n(row, weights[row] as usize))
        .collect();
    let weighted = params.fit(&cohort.with_weights(weights.into()))?;
    let rows = data.rows(&repeated);
    let other: Array1<usize> = repeated.iter().map(|row| row % 3).collect();
    let plain = params.fit(&DatasetBase::new(rows.matrix(), other))?;
    crate::subject::close(weighted.train_loss(), plain.train_loss(), 1e-9);
    // Any number of threads.
    let fit = || {
        let data = crate::data::b7(Task::Classify);
        let labels: Array1<usize> = (0..data.y.len())
            .map(|row| data.y[row] as usize + usize::from(data.x[(row, 0)] > 1.0))
            .collect();
        let cohort = DatasetBase::new(data.x, labels);
        let model = small().n_trees(3).check()?.fit(&cohort)?;
        let all = model.predict_proba(&cohort.records)?;
        Ok::<_, galen::Error>((model.to_json()?, all.iter().copied().collect::<Vec<_>>()))
    };
    let expected = fit()?;
    for threads in [1, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let (json, all) = pool.expect("a pool").install(fit)?;
        assert!(json == expected.0, "{threads} threads");
        strict(&all, &expected.1);
    }
    Ok(())
}
