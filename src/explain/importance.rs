//! Permutation importance as data, with its picture.

use serde::{Deserialize, Serialize};

use crate::estimator::figure::{Axis, Figure, Shape};

/// How much worse predictions get when a feature, or a group of them, is permuted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PermutedFeature {
    /// Name of the feature or of the group.
    pub name: String,
    /// The features permuted together; one, but for a group.
    pub features: Vec<String>,
    /// The importance: what is lost by permuting, mean over the repeats. About 0 for a feature that is
    /// of no use here, below 0 by chance or where the model does better without.
    pub value: f64,
    /// The loss or metric after permuting, mean over the repeats.
    pub permuted: f64,
    /// The importance in each repeat.
    pub repeats: Vec<f64>,
    /// Standard error of `value` that comes from the permutations alone and shrinks with their number;
    /// `None` for one repeat.
    pub monte_carlo_se: Option<f64>,
    /// Standard error by patient; `None` where it has no value.
    pub se: Option<f64>,
    /// Lower end of the interval by patient.
    pub lower: Option<f64>,
    /// Upper end of the interval by patient.
    pub upper: Option<f64>,
}

impl PermutedFeature {
    /// Model reliance as a ratio: loss after permuting over loss before (Fisher, Rudin and Dominici's
    /// own scale); `None` where the loss before is not above zero.
    pub fn ratio(&self, baseline: f64) -> Option<f64> {
        (baseline > 0.0).then_some(self.permuted / baseline)
    }
}

/// Permutation importance of the features of a model; made by
/// [`permutation_importance`](crate::explain::permutation_importance()) and
/// [`permutation_importance_by`](crate::explain::permutation_importance_by()).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PermutationImportance {
    /// What the model predicts.
    pub output: String,
    /// Loss or metric on the rows as they are.
    pub baseline: f64,
    /// Number of rows with a weight above zero.
    pub n_rows: usize,
    /// Number of their patients.
    pub n_patients: usize,
    /// Confidence level of the intervals.
    pub level: f64,
    /// Groups in the order given, then features in the order of columns.
    pub features: Vec<PermutedFeature>,
}

impl PermutationImportance {
    /// The features, most important first, ties in their order.
    pub fn ranked(&self) -> Vec<&PermutedFeature> {
        let mut ranked: Vec<&PermutedFeature> = self.features.iter().collect();
        ranked.sort_by(|a, b| b.value.total_cmp(&a.value));
        ranked
    }

    /// The feature or group of a name.
    pub fn get(&self, name: &str) -> Option<&PermutedFeature> {
        self.features.iter().find(|feature| feature.name == name)
    }

    /// Bars with intervals by patient, most important first, `top` of them.
    pub fn bar(&self, top: usize) -> Figure {
        let ranked = self.ranked();
        let left_out = match ranked.len().saturating_sub(top) {
            0 => String::new(),
            n => format!(" {n} features of smaller importance are left out."),
        };
        let shown = &ranked[..top.min(ranked.len())];
        let end = |pick: fn(&PermutedFeature) -> Option<f64>| -> Vec<f64> {
            let ends: Option<Vec<f64>> = shown.iter().map(|feature| pick(feature)).collect();
            ends.unwrap_or_default()
        };
        let (lower, upper) = (end(|f| f.lower), end(|f| f.upper));
        let intervals = if lower.is_empty() {
            String::new()
        } else {
            format!(" Lines: {:.0} % intervals by patient.", 100.0 * self.level)
        };
        let names = shown.iter().map(|feature| feature.name.as_str());
        Figure::new(
            "Permutation importance",
            Axis::new("Feature").categories(names),
            Axis::new("What is lost by permuting"),
        )
        .caption(format!(
            "{}: {} rows of {} patients.{intervals}{left_out}",
            self.output, self.n_rows, self.n_patients
        ))
        .with(
            "",
            Shape::Bars {
                value: shown.iter().map(|feature| feature.value).collect(),
                lower,
                upper,
            },
        )
    }
}
