//! One hospital at a time is the new one: models learn from the other three.

use galen::evaluation::{
    Auroc, Calibration, auroc, auroc_delong, calibration, cross_validate, evaluate_sealed,
};
use galen::prelude::*;

use crate::patients::Outcome;

/// Every so many-th patient of the new hospital is used to recalibrate, the others to judge.
const LOCAL: usize = 4;

pub(crate) fn logistic(train: &Cohort<Binary>) -> galen::Result<LogisticRegression> {
    LogisticRegression::params().strength(0.02).fit(train)
}

pub(crate) fn boosting(train: &Cohort<Binary>) -> galen::Result<GradientBoosting> {
    GradientBoosting::params()
        .n_trees(150)
        .learning_rate(0.05)
        .max_leaves(5)
        .min_leaf_rows(15)
        .feature_share(0.5)
        .fit(train)
}

/// A model at a hospital it has not seen.
pub(crate) struct Away {
    /// Share of the patients with the disease.
    pub(crate) rate: f64,
    pub(crate) auroc: Auroc,
    /// Of all patients of the hospital.
    pub(crate) calibration: Calibration,
    /// Of three quarters of them, the log-odds moved by what the other quarter tells.
    pub(crate) after: Calibration,
}

/// Judges the model on the sealed hospital.
pub(crate) fn judge<M: PredictRisk>(
    test: &galen::estimator::Test<Binary>,
    model: &M,
) -> Outcome<Away> {
    let scored = evaluate_sealed(test, model)?;
    let (truth, risk) = (scored.truth.to_vec(), scored.risk.to_vec());
    let (local, rest): (Vec<usize>, Vec<usize>) =
        (0..truth.len()).partition(|row| row % LOCAL == 0);
    let of = |rows: &[usize], risk: &[f64]| {
        let truth: Vec<bool> = rows.iter().map(|row| truth[*row]).collect();
        let risk: Vec<f64> = rows.iter().map(|row| risk[*row]).collect();
        calibration(&truth, &risk, None, 0.95)
    };
    // Recalibration in the large: one number, the intercept, is learnt from few patients; the slope
    // would need more of them.
    let shift = of(&local, &risk)?.in_the_large.value;
    let moved = |risk: &f64| {
        let odds = risk / (1.0 - risk) * shift.exp();
        odds / (1.0 + odds)
    };
    let moved: Vec<f64> = risk.iter().map(moved).collect();
    let n_events = truth.iter().filter(|event| **event).count();
    Ok(Away {
        rate: n_events as f64 / truth.len() as f64,
        auroc: auroc_delong(&truth, &risk, None, 0.95)?,
        calibration: calibration(&truth, &risk, None, 0.95)?,
        after: of(&rest, &moved)?,
    })
}

/// AUROC at the sealed hospital.
pub(crate) fn area<M: PredictRisk>(
    test: &galen::estimator::Test<Binary>,
    model: &M,
) -> Outcome<f64> {
    let scored = evaluate_sealed(test, model)?;
    let (truth, risk) = (scored.truth.to_vec(), scored.risk.to_vec());
    Ok(auroc(&truth, &risk, None)?)
}

/// Mean AUROC over five folds of all patients, hospitals mixed.
pub(crate) fn mixed<M: PredictRisk + Send>(
    cohort: &Cohort<Binary>,
    fit: impl Fn(&Cohort<Binary>) -> galen::Result<M> + Sync + Send,
) -> Outcome<f64> {
    let folds = cross_validate(cohort, &KFold::new(5).seed(1), |train| fit(train))?.folds;
    let mut sum = 0.0;
    for fold in &folds {
        let (truth, risk) = (fold.scored.truth.to_vec(), fold.scored.risk.to_vec());
        sum += auroc(&truth, &risk, None)?;
    }
    Ok(sum / folds.len() as f64)
}
