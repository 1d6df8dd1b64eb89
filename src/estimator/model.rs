//! What every fitted model carries and answers.

use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::estimator::input::{Rows, RowsSource};
use crate::matrix::Schema;

/// A part of a model that was read off rows, with the smallest number of rows behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowDerived {
    /// Which part, for example `levels of encoded categories`.
    pub part: String,
    /// Smallest number of rows behind one of its numbers.
    pub smallest_count: u64,
}

/// Where the training rows of a model came from; holds no patient.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// Digest of the table the rows were cut from; `None` for bare arrays and shards.
    pub origin: Option<u64>,
    /// Splits whose training side was seen, outermost first; empty for the whole table.
    pub splits: Vec<u64>,
}

impl Lineage {
    /// The lineage of rows in memory.
    pub fn of(rows: RowsSource<'_>) -> Self {
        match rows {
            RowsSource::Matrix(matrix) => Self {
                origin: Some(matrix.origin()),
                splits: matrix.splits().to_vec(),
            },
            RowsSource::Array(_) => Self::default(),
        }
    }
}

/// Header of a fitted model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelHeader {
    /// Estimator, for example `LogisticRegression`.
    pub estimator: String,
    /// Version of this crate that fitted the model.
    pub crate_version: String,
    /// Target and instruction level of the machine that fitted it.
    pub platform: String,
    /// Seed of the fit.
    pub seed: u64,
    /// Features the model reads, in the order it was fitted on.
    pub schema: Schema,
    /// Whether the model was fitted on a bare array and aligns by position.
    pub positional: bool,
    /// Rows with a weight above zero.
    pub n_rows: u64,
    /// Rows with the event, for a target with one.
    pub n_events: Option<u64>,
    /// Classes of the target in the order of probabilities; empty for a numeric target.
    pub classes: Vec<String>,
    /// The class that is the event, where one is named.
    pub event: Option<String>,
    /// Where the training rows came from.
    pub lineage: Lineage,
    /// Whether the model stores rows of training patients.
    pub contains_training_rows: bool,
    /// Parts that were read off rows.
    pub row_derived: Vec<RowDerived>,
}

impl ModelHeader {
    /// A header with this crate's version and platform; the rest is for the estimator to fill.
    pub(crate) fn new(estimator: &str, schema: Schema, positional: bool) -> Self {
        Self {
            estimator: estimator.to_string(),
            crate_version: env!("CARGO_PKG_VERSION").to_string(),
            platform: platform(),
            seed: 0,
            schema,
            positional,
            n_rows: 0,
            n_events: None,
            classes: Vec::new(),
            event: None,
            lineage: Lineage::default(),
            contains_training_rows: false,
            row_derived: Vec::new(),
        }
    }
}

/// Architecture and the instruction level that run-time dispatch picks here.
fn platform() -> String {
    format!(
        "{}/{}",
        std::env::consts::ARCH,
        crate::numeric::simd::level()
    )
}

/// Any fitted model.
pub trait Model {
    /// Header with schema, counts and lineage.
    fn header(&self) -> &ModelHeader;
}

/// A fitted classifier.
pub trait Classify: Model {
    /// Probability of every class (rows x classes, in the order of the header's `classes`).
    ///
    /// # Errors
    /// Missing, renamed or re-united features, values that are not finite, unseen levels under a
    /// policy that refuses them.
    fn predict_proba(&self, rows: &impl Rows) -> Result<Array2<f64>>;
}

/// A fitted model of the risk of one named event.
pub trait PredictRisk: Model {
    /// Probability of the event (one number per row).
    ///
    /// # Errors
    /// As [`Classify::predict_proba`]; also when the event was never named.
    fn predict_risk(&self, rows: &impl Rows) -> Result<Array1<f64>>;
}

/// A fitted model of a number.
pub trait Regress: Model {
    /// Predicted value (one number per row).
    ///
    /// # Errors
    /// As [`Classify::predict_proba`].
    fn try_predict(&self, rows: &impl Rows) -> Result<Array1<f64>>;
}

/// One line of a model's table of terms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// Name of the term, for example `sex = female`.
    pub name: String,
    /// Estimate on the scale of the linear predictor, in original units.
    pub estimate: f64,
    /// Standard error, where inference is available.
    pub standard_error: Option<f64>,
    /// Test statistic of "the term is zero".
    pub statistic: Option<f64>,
    /// Two-sided p-value of "the term is zero".
    pub p: Option<f64>,
    /// Lower limit of the interval.
    pub lower: Option<f64>,
    /// Upper limit of the interval.
    pub upper: Option<f64>,
}

/// What a model card prints of a model.
pub trait Summary: Model {
    /// The full table of terms, intercept first where there is one.
    fn terms(&self) -> Vec<Term>;

    /// Settings and facts of the fit as name and text, in a fixed order.
    fn facts(&self) -> Vec<(String, String)>;

    /// Warnings that a reader must see (separation, no convergence, dropped columns).
    fn warnings(&self) -> Vec<String>;
}
