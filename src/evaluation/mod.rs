//! How good are the predictions? Plain functions on arrays of truth and prediction.

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
    CrossValidated, FoldScore, ScoredTest, cross_validate, evaluate_sealed, groups_of, score_with,
};
