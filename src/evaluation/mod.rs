//! How good are the predictions? Plain functions on arrays of truth and prediction.
//!
//! The metrics name no estimator: whatever made the predictions, slices of truth and prediction are
//! enough, with optional weights (see below).
//!
//! # Which metric answers which question
//!
//! | question | look at |
//! | --- | --- |
//! | Does the model put events above non-events? | [`auroc`], with its interval [`auroc_delong`] |
//! | The event is rare: how clean are the highest risks? | [`auprc`], against the event rate |
//! | Is model A better at ranking than model B on these rows? | [`auroc_paired`] |
//! | Does the score rank times to an event under censoring? | [`concordance`] |
//! | Is the average risk right? | [`calibration`]: calibration in the large, observed over expected |
//! | Are risks too extreme or too timid? | [`calibration`]: the slope |
//! | Where on the scale are risks wrong, and by how much? | [`calibration_curve`], [`flexible_calibration`] (ICI, E90) |
//! | One number for probabilities as a whole? | [`brier`], [`brier_scaled`], [`log_loss`]; taken apart by [`brier_parts`] |
//! | What happens if we act at this threshold? | [`threshold_report`], [`confusion`] |
//! | Is acting on the model better than acting on all or on none? | [`decision_curve`], [`net_benefit`] |
//! | Which threshold fits our costs, or our staff? | [`threshold_for_costs`], [`threshold_for_alerts`], [`threshold_for_fraction`] |
//! | Does it hold for every group? | [`subgroups`], [`metric_by_group`] |
//! | How sure are these numbers, with several rows per patient? | [`bootstrap_binary`], [`bootstrap`] |
//! | How far off are predicted numbers, counts, costs? | [`mae`], [`rmse`], [`r2`], [`poisson_deviance`], [`gamma_deviance`] |
//! | How good are predicted quantiles? | [`pinball`] |
//! | How well will the method do on patients it has not seen? | [`cross_validate`], [`evaluate_sealed`] |
//! | All of it for a report | [`evaluate_risk`] |
//!
//! Three habits. Discrimination without calibration is half an answer: a model can rank perfectly
//! and be wrong by a factor of three. Accuracy says nothing about rare events: predicting that
//! nobody dies is 98 % accurate on a ward where 2 % die. And a number without an interval is an
//! anecdote.
//!
//! # Weights
//!
//! Survey weights, inverse-probability weights or repeats are given as `weights`, one per row, and
//! are checked as at fit. In every estimate a weight of 2 is two equal rows. In every interval a row
//! is one observation, however large its weight: intervals do not depend on the weights' scale, and
//! rows that stand for several patients must be repeated to count as several observations. The
//! weights are taken as given: that they were estimated, or belong to strata and sampling units,
//! is not in the intervals; [`bootstrap_binary`] by patient or by sampling unit is the remedy.
//! Weights of one change nothing, to the bit. Numbers of rows stay numbers of rows, which is what
//! the hiding of small cells goes by.
//!
//! # Conventions
//!
//! A row is flagged when its score is at or above the threshold. Tied scores count one half in
//! [`auroc`] and [`concordance`] and are one step in [`auprc`], which is average precision without
//! interpolation. Quantiles are of type 7. Nothing returns NaN: a number without value is an error
//! of kind [`Undefined`](crate::error::ErrorKind::Undefined) or
//! [`SingleClass`](crate::error::ErrorKind::SingleClass), or `None` inside a larger result.
//!
//! ```
//! use galen::evaluation::{auroc, brier, calibration};
//! # fn main() -> galen::Result<()> {
//! let truth = [false, false, true, false, true, true, false, true];
//! let risk = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];
//! assert_eq!(auroc(&truth, &risk, None)?, 0.75);
//! assert!((brier(&truth, &risk, None)? - 0.205).abs() < 1e-12);
//! let found = calibration(&truth, &risk, None, 0.95)?;
//! assert!(found.in_the_large.lower < 0.0 && found.in_the_large.upper > 0.0);
//! # Ok(())
//! # }
//! ```

mod bootstrap;
mod bootstrap_binary;
mod calibration;
mod calibration_curve;
pub(crate) mod check;
mod concordance;
mod confusion;
mod discrimination;
mod estimate;
pub(crate) mod ranked;
mod residual;
mod risk;
mod subgroup;
mod utility;
mod validate;
pub(crate) mod weighted;

pub use bootstrap::{BootstrapOptions, Resampled, bootstrap};
pub use bootstrap_binary::{BinaryBootstrap, bootstrap_binary};
pub use calibration::{
    Bins, BrierParts, Calibration, RISK_CLIP, brier, brier_parts, brier_scaled, calibration,
    expected_calibration_error, log_loss,
};
pub use calibration_curve::{
    CalibrationBin, FlexibleCalibration, LoessOptions, calibration_curve, flexible_calibration,
};
pub use concordance::{Concordance, concordance};
pub use confusion::{Confusion, ThresholdReport, confusion, threshold_report};
pub use discrimination::{
    Auroc, PairedAuroc, PrPoint, RocPoint, auprc, auroc, auroc_delong, auroc_paired, pr_curve,
    roc_curve,
};
pub use estimate::{Estimate, clopper_pearson, wilson};
pub use residual::{
    gamma_deviance, mae, mean_error, median_absolute_error, median_relative_error, pinball,
    poisson_deviance, r2, rmse,
};
pub use risk::{RiskEvaluation, RiskOptions, evaluate_risk};
pub use subgroup::{GroupMetric, Subgroup, SubgroupOptions, metric_by_group, subgroups};
pub use utility::{
    DecisionPoint, WorkloadThreshold, decision_curve, net_benefit, threshold_for_alerts,
    threshold_for_costs, threshold_for_fraction,
};
pub use validate::{
    CrossValidated, FoldScore, PredictedTest, ScoredTest, cross_validate, evaluate_sealed,
    groups_of, predict_sealed, score_with,
};
