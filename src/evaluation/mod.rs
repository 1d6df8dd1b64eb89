//! How good are the predictions? Plain functions on arrays of truth and prediction.

mod calibration;
pub(crate) mod check;
mod discrimination;
mod estimate;
pub(crate) mod ranked;

pub use calibration::{
    Bins, BrierParts, Calibration, RISK_CLIP, brier, brier_parts, brier_scaled, calibration,
    expected_calibration_error, log_loss,
};
pub use discrimination::{
    Auroc, PairedAuroc, PrPoint, RocPoint, auprc, auroc, auroc_delong, auroc_paired, pr_curve,
    roc_curve,
};
pub use estimate::{Estimate, clopper_pearson, wilson};
mod validate;

pub use validate::{
    CrossValidated, FoldScore, PredictedTest, ScoredTest, cross_validate, evaluate_sealed,
    groups_of, predict_sealed, score_with,
};
