//! How good are the predictions? Plain functions on arrays of truth and prediction.

pub(crate) mod check;
mod discrimination;
pub(crate) mod ranked;

pub use discrimination::{
    Auroc, PairedAuroc, PrPoint, RocPoint, auprc, auroc, auroc_delong, auroc_paired, pr_curve,
    roc_curve,
};
