//! Permutation importance: what a model loses when a feature is cut loose from its patient.

use crate::error::{ErrorKind, Result};
use crate::estimator::Rows;
use crate::explain::importance::PermutationImportance;
use crate::explain::output::{Output, numbers};
use crate::explain::permuting::{ByPair, Spread, Task};
use crate::numeric::parallel::map_tasks;
use crate::numeric::stable::sum;

/// Settings of [`permutation_importance`] and [`permutation_importance_by`].
#[derive(Debug, Clone, PartialEq)]
pub struct PermutationOptions {
    /// Number of permutations of every feature, at least 1; default 10.
    pub n_repeats: usize,
    /// Seed; default 0. A feature's permutations depend on the seed and on its name alone.
    pub seed: u64,
    /// Confidence level of the intervals; default 0.95.
    pub level: f64,
    /// Features that are permuted one by one; default those the model reads, without those that stand
    /// in a group.
    pub features: Option<Vec<String>>,
    /// Groups of features that are permuted together, each with a name; default none.
    pub groups: Vec<(String, Vec<String>)>,
    /// A weight per row; default none. A weight of 2 is two equal rows in every estimate.
    pub weights: Option<Vec<f64>>,
    /// A patient number per row; default the patient keys of the rows, without them every row is a
    /// patient.
    pub patients: Option<Vec<u32>>,
    /// A number per row; values are permuted between rows of one number only. Default none.
    pub strata: Option<Vec<u32>>,
    /// Whether the sites of the rows are the strata; default false.
    pub within_sites: bool,
    /// Resamples of patients behind the intervals of [`permutation_importance_by`], 0 for no interval,
    /// else at least 20; default 200.
    pub replicates: usize,
}

impl Default for PermutationOptions {
    fn default() -> Self {
        Self {
            n_repeats: 10,
            seed: 0,
            level: 0.95,
            features: None,
            groups: Vec::new(),
            weights: None,
            patients: None,
            strata: None,
            within_sites: false,
            replicates: 200,
        }
    }
}

impl PermutationOptions {
    /// With a group of features that are permuted together: correlated measurements, the columns of
    /// one category.
    #[must_use]
    pub fn group<N: Into<String>>(
        mut self,
        name: impl Into<String>,
        features: impl IntoIterator<Item = N>,
    ) -> Self {
        let features = features.into_iter().map(Into::into).collect();
        self.groups.push((name.into(), features));
        self
    }
}

/// Which way a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Larger is better: AUROC, explained variance.
    Larger,
    /// Smaller is better: log loss, errors.
    Smaller,
}

/// Importance of features by permutation, under a loss that rows have one by one.
///
/// The values of a feature are permuted between the rows, missing ones too, while outcomes, other
/// features and row keys stay; the importance is the mean loss after less the mean loss before. Use
/// rows that the model was not fitted on: on training rows, what was learnt by heart counts as
/// important. `loss` is called with the truth of a row and its number; see
/// [`log_loss_of_row`](crate::explain::log_loss_of_row) and its neighbours.
///
/// Two features that say the same stand in for each other, and both look unimportant: permute them
/// together as a [group](PermutationOptions::group). Permuting also makes patients that do not exist
/// (pregnant men); [strata](PermutationOptions::strata) keep values among their like. The importance
/// is that of a feature for this model, not for the disease.
///
/// Intervals are by patient. The loss after permuting is a mean over pairs of rows, one receiving and
/// one giving (a U-statistic), so that a patient adds to its error in both parts; the standard error
/// is the root of the summed squares of the patients' first-order contributions, with quantiles of t
/// on one degree of freedom less than patients. The model and its features are taken as given. Few
/// repeats widen the interval, never narrow it.
///
/// Cost: features times repeats predictions of all rows, features in parallel; each holds a copy of
/// its columns (of all columns for an array). The same bits at any number of threads.
///
/// Breiman, Mach. Learn. 45, 2001, doi 10.1023/A:1010933404324; Fisher, Rudin and Dominici, J. Mach.
/// Learn. Res. 20(177), 2019 (model reliance); Hoeffding, Ann. Math. Stat. 19, 1948, doi
/// 10.1214/aoms/1177730196 (the contributions).
///
/// # Errors
/// [`ErrorKind::Parameter`] for settings outside their ranges, [`ErrorKind::FeatureNames`] for unknown
/// features, [`ErrorKind::Schema`] for an empty group and for a name that stands twice,
/// [`ErrorKind::LengthMismatch`] for truth, weights, patients or strata of another length,
/// [`ErrorKind::MissingKeys`] for sites that are not there, [`ErrorKind::TooFewRows`] for fewer than two
/// rows, [`ErrorKind::NonFinite`] for a loss that is not finite; what the model refuses.
///
/// ```
/// use galen::explain::{PermutationOptions, RiskOf, log_loss_of_row, permutation_importance};
/// use galen::prelude::*;
/// # fn main() -> galen::Result<()> {
/// let age: Vec<f64> = (0..200).map(|i| 40.0 + f64::from(i * 7 % 50)).collect();
/// let noise: Vec<f64> = (0..200).map(|i| f64::from(i * 13 % 17)).collect();
/// let died: Vec<bool> = age.iter().zip(&noise).map(|(age, u)| *age + u > 72.0).collect();
/// let matrix = PatientMatrix::from_columns([("age", age), ("ward", noise.clone())])?;
/// let cohort = Cohort::new(matrix.clone(), Binary::from_flags("died", died.clone()));
/// let model = LogisticRegression::params().strength(0.01).fit(&cohort)?;
///
/// let options = PermutationOptions::default();
/// let found =
///     permutation_importance(&RiskOf(&model), &matrix, &died, log_loss_of_row, &options)?;
/// let first = found.ranked()[0];
/// assert_eq!(first.name, "age");
/// assert!(first.lower > Some(0.0));
/// # Ok(())
/// # }
/// ```
pub fn permutation_importance<O: Output, R: Rows, T: Sync>(
    output: &O,
    rows: &R,
    truth: &[T],
    loss: impl Fn(&T, f64) -> f64 + Sync,
    options: &PermutationOptions,
) -> Result<PermutationImportance> {
    let task = Task::new(output, rows, truth.len(), options)?;
    let losses = |found: &[f64]| -> Result<Vec<f64>> {
        let losses = truth.iter().zip(found).map(|(truth, x)| loss(truth, *x));
        let losses: Vec<f64> = losses.collect();
        match losses.iter().position(|loss| !loss.is_finite()) {
            None => Ok(losses),
            row => Err(ErrorKind::NonFinite {
                what: "loss",
                row,
                column: None,
                rule: "finite losses",
            }
            .into()),
        }
    };
    let before = losses(&numbers(output, &task.rows)?)?;
    let baseline = task.mean(&before);
    let found = map_tasks(task.items.len(), |item| {
        let mut by_pair = ByPair::new(&task);
        let mut repeats = Vec::with_capacity(options.n_repeats);
        for repeat in 0..options.n_repeats {
            let (donors, found) = task.permuted(output, item, repeat)?;
            let after = losses(&found)?;
            by_pair.add(&task, &donors, &after);
            repeats.push(task.mean(&after) - baseline);
        }
        let se = by_pair.standard_error(&task, &before, baseline);
        Ok(task.finish(item, repeats, baseline, Better::Smaller, se))
    });
    task.importance(output, baseline, found)
}

/// Importance of features by permutation, under a metric of all rows such as the AUROC.
///
/// `metric` is called with the truth, the numbers of the rows and a weight per row (none where rows
/// count alike), as the functions of [`galen::evaluation`](crate::evaluation) are. As
/// [`permutation_importance`] otherwise, with one difference: intervals are percentiles over
/// [`replicates`](PermutationOptions::replicates) bootstrap samples of patients, in which a pair of a
/// receiving and a giving row counts as often as both were drawn; the standard error is their standard
/// deviation. That needs replicates times features times repeats calls of the metric. Where the metric
/// fails in more than half of the samples there is no interval.
///
/// # Errors
/// As [`permutation_importance`]; what the metric refuses of all rows.
///
/// ```
/// use galen::evaluation::auroc;
/// use galen::explain::{Better, Output, PermutationOptions, permutation_importance_by};
/// use galen::estimator::Rows;
/// use ndarray::{Array2, array};
///
/// struct First;
/// impl Output for First {
///     fn label(&self) -> String {
///         "First column".into()
///     }
///     fn numbers(&self, rows: &impl Rows) -> galen::Result<Vec<f64>> {
///         # use galen::explain::{PlainNode, PlainTree, PlainTrees};
///         # let tree = PlainTree::new(vec![
///         #     PlainNode::number(0, 0.5, true, [1, 2], 4.0),
///         #     PlainNode::leaf(vec![0.0], 2.0),
///         #     PlainNode::leaf(vec![1.0], 2.0),
///         # ]);
///         # let trees = PlainTrees::new(["a", "b"], ["score"], vec![0.0], vec![tree])?;
///         # Ok(trees.raw(rows)?.column(0).to_vec())
///         // ... asks a model of yours
///     }
/// }
///
/// # fn main() -> galen::Result<()> {
/// let rows = Array2::from_shape_fn((40, 2), |(i, j)| ((i + j) % 2) as f64);
/// let truth: Vec<bool> = (0..40).map(|i| i % 2 == 1).collect();
/// let options = PermutationOptions::default();
/// let found =
///     permutation_importance_by(&First, &rows, &truth, auroc, Better::Larger, &options)?;
/// assert_eq!(found.baseline, 1.0);
/// assert!((found.features[0].value - 0.5).abs() < 0.1);
/// assert_eq!(found.features[1].value, 0.0);
/// # Ok(())
/// # }
/// ```
pub fn permutation_importance_by<O: Output, R: Rows, T: Sync>(
    output: &O,
    rows: &R,
    truth: &[T],
    metric: impl Fn(&[T], &[f64], Option<&[f64]>) -> Result<f64> + Sync,
    better: Better,
    options: &PermutationOptions,
) -> Result<PermutationImportance> {
    let task = Task::new(output, rows, truth.len(), options)?;
    let before = numbers(output, &task.rows)?;
    let weights = options.weights.as_deref();
    let baseline = finite_metric(metric(truth, &before, weights)?)?;
    let weighed = |found: &[f64], weights: &[f64]| {
        let value = metric(truth, found, Some(weights)).ok()?;
        value.is_finite().then_some(value)
    };
    let before_by_sample = map_tasks(options.replicates, |sample| {
        let drawn = task.sample(sample);
        let weights: Vec<f64> = (0..task.n()).map(|row| drawn.of(&task, row)).collect();
        weighed(&before, &weights)
    });
    let found = map_tasks(task.items.len(), |item| {
        let mut repeats = Vec::with_capacity(options.n_repeats);
        let mut pairs = Vec::with_capacity(options.n_repeats);
        for repeat in 0..options.n_repeats {
            let (donors, found) = task.permuted(output, item, repeat)?;
            let after = finite_metric(metric(truth, &found, weights)?)?;
            repeats.push(after - baseline);
            pairs.push((donors, found));
        }
        let values = map_tasks(options.replicates, |sample| {
            let before = before_by_sample[sample]?;
            let drawn = task.sample(sample);
            let mut after = Vec::with_capacity(pairs.len());
            for (donors, found) in &pairs {
                let weights = donors
                    .iter()
                    .enumerate()
                    .map(|(row, donor)| drawn.of(&task, row) * drawn.times(&task, *donor as usize));
                let weights: Vec<f64> = weights.collect();
                after.push(weighed(found, &weights)?);
            }
            let after = sum(after.iter().copied()) / pairs.len() as f64;
            Some(better.lost(after - before))
        });
        Ok(task.finish(item, repeats, baseline, better, Spread::Samples(values)))
    });
    task.importance(output, baseline, found)
}

fn finite_metric(value: f64) -> Result<f64> {
    if value.is_finite() {
        return Ok(value);
    }
    Err(ErrorKind::Undefined {
        what: "permutation_importance_by",
        reason: "the metric is not finite",
    }
    .into())
}

#[cfg(test)]
#[path = "permutation_tests.rs"]
mod tests;
