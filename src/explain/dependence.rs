//! Partial dependence and individual conditional expectation: how a prediction goes with a feature.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};
use crate::estimator::TrainingRows;
use crate::estimator::changed::OwnRows;
use crate::estimator::input::{RowsAccess, check_row_weights};
use crate::explain::output::{Output, numbers};
use crate::numeric::parallel::map_tasks;
use crate::numeric::rank::weighted_quantile;
use crate::numeric::stable::sum;

/// Settings of [`partial_dependence`], [`partial_dependence_pair`] and [`ice_curves`].
#[derive(Debug, Clone, PartialEq)]
pub struct DependenceOptions {
    /// Values of a number at which the model is asked, at most, at least 2; default 20. A number with
    /// no more distinct values is asked at each of them.
    pub n_points: usize,
    /// Weighted shares of the rows between whose quantiles the points lie; default 0.02 and 0.98, so
    /// that a patient's extreme value is not shown. Levels, and the values of a number that is asked at
    /// each of them, are all shown: give a grid where one of them is rare enough to point at a patient.
    pub ends: [f64; 2],
    /// Own values instead, ascending; for a pair those of the first feature. Default none.
    pub grid: Option<Vec<f64>>,
    /// Share of the rows in the middle, whose numbers the band holds; default 0.8.
    pub band: f64,
    /// A weight per row; default none.
    pub weights: Option<Vec<f64>>,
}

impl Default for DependenceOptions {
    fn default() -> Self {
        Self {
            n_points: 20,
            ends: [0.02, 0.98],
            grid: None,
            band: 0.8,
            weights: None,
        }
    }
}

/// The mean number of all rows, had each of them this value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DependencePoint {
    /// The value; `None` for a missing one and for a level.
    pub value: Option<f64>,
    /// The level, for a category.
    pub level: Option<String>,
    /// Weighted mean over the rows.
    pub mean: f64,
    /// Lower end of the band: the quantile of the rows' numbers.
    pub lower: f64,
    /// Upper end of the band.
    pub upper: f64,
    /// Weighted share of the rows whose own value is this one, or nearer to it than to any other
    /// point: where it is small, the model is asked about patients that hardly exist.
    pub share: f64,
}

/// Partial dependence of a model on one feature; made by [`partial_dependence`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartialDependence {
    /// Name of the feature.
    pub feature: String,
    /// Its unit, where one is set.
    pub unit: Option<String>,
    /// What the model predicts.
    pub output: String,
    /// Points by ascending value, or one for every level.
    pub points: Vec<DependencePoint>,
    /// All rows with the value missing; `None` where no row misses it.
    pub missing: Option<DependencePoint>,
    /// Share of the rows whose numbers the band holds.
    pub band: f64,
    /// Number of rows.
    pub n_rows: usize,
}

/// Partial dependence of a model on two features at once; made by [`partial_dependence_pair`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairDependence {
    /// Names of the features.
    pub features: [String; 2],
    /// Units, where they are set.
    pub units: [Option<String>; 2],
    /// What the model predicts.
    pub output: String,
    /// Values of both features, codes for levels.
    pub grids: [Vec<f64>; 2],
    /// Names of the levels, where a feature has levels.
    pub levels: [Option<Vec<String>>; 2],
    /// Weighted mean of the rows, values of the first feature x values of the second.
    pub mean: Array2<f64>,
    /// Weighted share of the rows nearest to each pair of values; a missing value is nearest to none.
    pub share: Array2<f64>,
}

/// Curves of single rows; made by [`ice_curves`].
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct IceCurves {
    /// Name of the feature.
    pub feature: String,
    /// Its unit, where one is set.
    pub unit: Option<String>,
    /// What the model predicts.
    pub output: String,
    /// Values of the feature, codes for levels.
    pub grid: Vec<f64>,
    /// Names of the levels, where the feature has levels.
    pub levels: Option<Vec<String>>,
    /// Numbers, chosen rows x values.
    pub values: Array2<f64>,
    /// Whether curves were moved to 0 at one value.
    pub centred: bool,
}

impl std::fmt::Debug for IceCurves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceCurves")
            .field("feature", &self.feature)
            .field("n_curves", &self.values.nrows())
            .field("n_values", &self.values.ncols())
            .finish_non_exhaustive()
    }
}

impl IceCurves {
    /// Centred curves: each less its number at one value of the grid, so that curves of patients at
    /// high and at low risk can be compared. Curves that then run apart show an interaction.
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] for a place that the grid does not have.
    pub fn centred(&self, place: usize) -> Result<Self> {
        if place >= self.grid.len() {
            return Err(parameter("place", place, "below the number of values"));
        }
        let mut centred = self.clone();
        for mut curve in centred.values.rows_mut() {
            let start = curve[place];
            curve.mapv_inplace(|value| value - start);
        }
        centred.centred = true;
        Ok(centred)
    }
}

/// Partial dependence of a model on one feature: the mean prediction of all rows, had each of them
/// this value and its own values of everything else.
///
/// Numbers are asked at weighted quantiles of the rows, categories at the levels that occur, and where
/// rows miss the value, at a missing one. The band is not an uncertainty: it holds the predictions of
/// the middle 80 % of the rows. Where features go together, the mean is over patients that do not exist
/// (a creatinine of 8 on every healthy kidney); [`share`](DependencePoint::share) says where rows are.
/// It is no causal effect.
///
/// The rows must be rows to learn from: points lie at their quantiles, and sealed test rows show none.
///
/// Cost: points times one prediction of all rows, points in parallel; each holds a copy of the changed
/// column (of all columns for an array). The same bits at any number of threads.
///
/// Friedman, Ann. Stat. 29, 2001, doi 10.1214/aos/1013203451.
///
/// # Errors
/// [`ErrorKind::FeatureNames`] for an unknown feature, [`ErrorKind::Parameter`] for settings outside
/// their ranges, [`ErrorKind::TooFewRows`] without rows, [`ErrorKind::Undefined`] for a feature without a
/// value; weights as at fit; what the model refuses.
///
/// ```
/// use galen::explain::{DependenceOptions, LogOddsOf, partial_dependence};
/// use galen::prelude::*;
/// # fn main() -> galen::Result<()> {
/// let age: Vec<f64> = (0..200).map(|i| 40.0 + f64::from(i * 7 % 50)).collect();
/// let died = age.iter().enumerate().map(|(i, age)| age + (i * 13 % 31) as f64 > 80.0);
/// let died = Binary::from_flags("died", died);
/// let matrix = PatientMatrix::from_columns([("age", age)])?;
/// let model = LogisticRegression::params()
///     .strength(0.01)
///     .fit(&Cohort::new(matrix.clone(), died))?;
///
/// let found =
///     partial_dependence(&LogOddsOf(&model), &matrix, "age", &DependenceOptions::default())?;
/// let [first, second] = [&found.points[0], &found.points[1]];
/// let slope = (second.mean - first.mean) / (second.value.unwrap() - first.value.unwrap());
/// assert!((slope - model.coefficients()[0].1).abs() < 1e-9);
/// # Ok(())
/// # }
/// ```
pub fn partial_dependence<O: Output, R: TrainingRows>(
    output: &O,
    rows: &R,
    feature: &str,
    options: &DependenceOptions,
) -> Result<PartialDependence> {
    let rows = OwnRows::of(rows.source());
    check(&rows, options)?;
    let axis = Values::of(&rows, feature, options, options.grid.as_deref())?;
    let has_missing = axis.nearest.contains(&None);
    let mut asked = axis.grid.clone();
    if has_missing {
        asked.push(f64::NAN);
    }
    let n = linfa::dataset::Records::nsamples(&rows);
    let weights = weights_of(options, n);
    let total = sum(weights.iter().copied());
    let points = map_tasks(asked.len(), |place| {
        let found = numbers(output, &rows.with_value(axis.position, asked[place])?)?;
        let mean = weighted_mean(&found, &weights, total);
        let end = |p: f64| weighted_quantile(&found, &weights, p).unwrap_or(mean);
        let nearest = (place < axis.grid.len()).then_some(place);
        let near = axis.nearest.iter().zip(&weights);
        let near = near.filter(|(own, _)| **own == nearest);
        Ok(DependencePoint {
            value: Some(asked[place]).filter(|value| axis.levels.is_none() && !value.is_nan()),
            level: axis.level(asked[place]),
            mean,
            lower: end(0.5 - 0.5 * options.band),
            upper: end(0.5 + 0.5 * options.band),
            share: sum(near.map(|(_, weight)| *weight)) / total,
        })
    });
    let mut points = points.into_iter().collect::<Result<Vec<_>>>()?;
    let missing = if has_missing { points.pop() } else { None };
    Ok(PartialDependence {
        feature: feature.into(),
        unit: rows.unit(axis.position).map(Into::into),
        output: output.label(),
        points,
        missing,
        band: options.band,
        n_rows: n,
    })
}

/// Partial dependence of a model on two features at once: whether they act together.
///
/// As [`partial_dependence`], at every pair of values; a number without own grid is asked at most at
/// `n_points` values. Where the lines of one feature run in parallel along the other, the model lets
/// them act apart on this scale.
///
/// # Errors
/// As [`partial_dependence`]; [`ErrorKind::Parameter`] for one feature twice.
///
/// ```
/// use galen::explain::{DependenceOptions, RiskOf, partial_dependence_pair};
/// use galen::prelude::*;
/// # fn main() -> galen::Result<()> {
/// let age: Vec<f64> = (0..200).map(|i| 40.0 + f64::from(i * 7 % 50)).collect();
/// let beats: Vec<f64> = (0..200).map(|i| 60.0 + f64::from(i * 11 % 40)).collect();
/// let died = age.iter().zip(&beats).map(|(age, beats)| age + beats > 150.0);
/// let died = Binary::from_flags("died", died);
/// let matrix = PatientMatrix::from_columns([("age", age), ("beats", beats)])?;
/// let model = GradientBoosting::params()
///     .n_trees(20)
///     .fit(&Cohort::new(matrix.clone(), died))?;
///
/// let options = DependenceOptions {
///     n_points: 5,
///     ..DependenceOptions::default()
/// };
/// let found = partial_dependence_pair(&RiskOf(&model), &matrix, ["age", "beats"], &options)?;
/// assert_eq!(found.mean.dim(), (5, 5));
/// assert!(found.mean[[4, 4]] > found.mean[[0, 0]] + 0.5);
/// # Ok(())
/// # }
/// ```
pub fn partial_dependence_pair<O: Output, R: TrainingRows>(
    output: &O,
    rows: &R,
    features: [&str; 2],
    options: &DependenceOptions,
) -> Result<PairDependence> {
    let rows = OwnRows::of(rows.source());
    check(&rows, options)?;
    let a = Values::of(&rows, features[0], options, options.grid.as_deref())?;
    let b = Values::of(&rows, features[1], options, None)?;
    if a.position == b.position {
        return Err(parameter("features", features[0], "two features"));
    }
    let weights = weights_of(options, linfa::dataset::Records::nsamples(&rows));
    let total = sum(weights.iter().copied());
    let shape = (a.grid.len(), b.grid.len());
    let means = map_tasks(shape.0, |place| {
        let changed = rows.with_value(a.position, a.grid[place])?;
        let means = b.grid.iter().map(|value| {
            let found = numbers(output, &changed.with_value(b.position, *value)?)?;
            Ok(weighted_mean(&found, &weights, total))
        });
        means.collect::<Result<Vec<f64>>>()
    });
    let mut mean = Array2::zeros(shape);
    for (mut row, means) in mean.rows_mut().into_iter().zip(means) {
        row.assign(&ndarray::Array1::from(means?));
    }
    let mut share = Array2::zeros(shape);
    for (row, weight) in weights.iter().enumerate() {
        if let (Some(i), Some(j)) = (a.nearest[row], b.nearest[row]) {
            share[[i, j]] += weight / total;
        }
    }
    Ok(PairDependence {
        features: features.map(Into::into),
        units: [&a, &b].map(|axis| rows.unit(axis.position).map(Into::into)),
        output: output.label(),
        grids: [a.grid, b.grid],
        levels: [a.levels, b.levels],
        mean,
        share,
    })
}

/// Individual conditional expectation: the prediction of each chosen row, had it this value of the
/// feature and its own values of everything else.
///
/// **Each curve is a patient.** Together with the model, a curve can give away what a patient's other
/// values are. Curves are made only for rows that you name, for your own eyes; what leaves your desk
/// is better a [`partial_dependence`] with its band. The grid and its settings are those of
/// [`partial_dependence`], made from all rows; weights only move the grid.
///
/// Goldstein, Kapelner, Bleich and Pitkin, J. Comput. Graph. Stat. 24, 2015, doi
/// 10.1080/10618600.2014.907095.
///
/// # Errors
/// As [`partial_dependence`]; [`ErrorKind::OutOfRange`] for a row that does not exist.
///
/// ```
/// use galen::explain::{DependenceOptions, RiskOf, ice_curves};
/// use galen::prelude::*;
/// # fn main() -> galen::Result<()> {
/// let age: Vec<f64> = (0..200).map(|i| 40.0 + f64::from(i * 7 % 50)).collect();
/// let died = Binary::from_flags("died", age.iter().map(|age| *age > 66.0));
/// let matrix = PatientMatrix::from_columns([("age", age)])?;
/// let model = GradientBoosting::params()
///     .n_trees(10)
///     .fit(&Cohort::new(matrix.clone(), died))?;
///
/// let options = DependenceOptions::default();
/// let curves = ice_curves(&RiskOf(&model), &matrix, "age", &[0, 7, 9], &options)?;
/// assert_eq!(curves.values.dim(), (3, curves.grid.len()));
/// assert_eq!(curves.centred(0)?.values[[2, 0]], 0.0);
/// # Ok(())
/// # }
/// ```
pub fn ice_curves<O: Output, R: TrainingRows>(
    output: &O,
    rows: &R,
    feature: &str,
    chosen: &[usize],
    options: &DependenceOptions,
) -> Result<IceCurves> {
    let rows = OwnRows::of(rows.source());
    check(&rows, options)?;
    let n = linfa::dataset::Records::nsamples(&rows);
    if let Some(position) = chosen.iter().position(|row| *row >= n) {
        return Err(ErrorKind::OutOfRange {
            what: "chosen rows",
            row: Some(position),
            column: None,
            rule: "row numbers below the number of rows",
        }
        .into());
    }
    let axis = Values::of(&rows, feature, options, options.grid.as_deref())?;
    let few = rows.take(chosen)?;
    let curves = map_tasks(axis.grid.len(), |place| {
        numbers(output, &few.with_value(axis.position, axis.grid[place])?)
    });
    let mut values = Array2::zeros((chosen.len(), axis.grid.len()));
    for (mut column, found) in values.columns_mut().into_iter().zip(curves) {
        column.assign(&ndarray::Array1::from(found?));
    }
    Ok(IceCurves {
        feature: feature.into(),
        unit: rows.unit(axis.position).map(Into::into),
        output: output.label(),
        grid: axis.grid,
        levels: axis.levels,
        values,
        centred: false,
    })
}

/// The values at which a feature is asked.
struct Values {
    position: usize,
    grid: Vec<f64>,
    /// All levels of the column; those of the grid are the ones that occur.
    levels: Option<Vec<String>>,
    /// Place in the grid nearest to each row's own value, `None` for a missing one.
    nearest: Vec<Option<usize>>,
}

impl Values {
    fn of(
        rows: &OwnRows,
        feature: &str,
        options: &DependenceOptions,
        own: Option<&[f64]>,
    ) -> Result<Self> {
        let position = rows.position(feature)?;
        let (values, levels) = rows.column(position);
        let weights = weights_of(options, values.len());
        let counted: Vec<usize> = (0..values.len())
            .filter(|row| !values[*row].is_nan() && weights[*row] > 0.0)
            .collect();
        let mut distinct: Vec<f64> = counted.iter().map(|row| values[*row]).collect();
        distinct.sort_unstable_by(f64::total_cmp);
        distinct.dedup();
        let grid = match own {
            Some(own) => own.to_vec(),
            None if levels.is_some() || distinct.len() <= options.n_points => distinct,
            None => {
                let values: Vec<f64> = counted.iter().map(|row| values[*row]).collect();
                let weights: Vec<f64> = counted.iter().map(|row| weights[*row]).collect();
                quantiles(&values, &weights, options)
            }
        };
        if grid.is_empty() {
            return Err(ErrorKind::Undefined {
                what: "partial dependence",
                reason: "no row has a value of the feature",
            }
            .into());
        }
        let nearest = values.iter().map(|value| nearest(&grid, *value)).collect();
        Ok(Self {
            position,
            grid,
            levels,
            nearest,
        })
    }

    fn level(&self, value: f64) -> Option<String> {
        let levels = self.levels.as_ref()?;
        // NaN has no level.
        (value >= 0.0).then(|| levels.get(value as usize).cloned())?
    }
}

/// Values that occur, at even weighted shares: the first at which the weight reaches the share.
fn quantiles(values: &[f64], weights: &[f64], options: &DependenceOptions) -> Vec<f64> {
    let order = crate::numeric::rank::order(values);
    let total = sum(weights.iter().copied());
    let [low, high] = options.ends;
    let last = options.n_points - 1;
    let mut grid: Vec<f64> = Vec::with_capacity(options.n_points);
    let mut rows = order.iter();
    let mut reached = 0.0;
    let mut value = f64::NAN;
    for place in 0..=last {
        let share = low + (high - low) * place as f64 / last as f64;
        while value.is_nan() || reached < share * total * (1.0 - 1e-12) {
            let Some(row) = rows.next() else { break };
            reached += weights[*row];
            value = values[*row];
        }
        if grid.last() != Some(&value) {
            grid.push(value);
        }
    }
    grid
}

/// Place of the nearest value of an ascending grid, the lower of two.
fn nearest(grid: &[f64], value: f64) -> Option<usize> {
    if value.is_nan() {
        return None;
    }
    let above = grid.partition_point(|known| *known < value);
    let nearer = match (above.checked_sub(1), grid.get(above)) {
        (Some(below), Some(next)) if value - grid[below] <= next - value => below,
        (Some(below), None) => below,
        _ => above,
    };
    Some(nearer)
}

fn weights_of(options: &DependenceOptions, n: usize) -> Vec<f64> {
    options.weights.clone().unwrap_or_else(|| vec![1.0; n])
}

fn weighted_mean(values: &[f64], weights: &[f64], total: f64) -> f64 {
    sum(values
        .iter()
        .zip(weights)
        .map(|(value, weight)| value * weight))
        / total
}

fn parameter(name: &'static str, value: impl ToString, rule: &'static str) -> crate::Error {
    ErrorKind::Parameter {
        estimator: "partial_dependence",
        name,
        value: value.to_string(),
        rule,
    }
    .into()
}

fn check(rows: &OwnRows, options: &DependenceOptions) -> Result<()> {
    if options.n_points < 2 {
        return Err(parameter("n_points", options.n_points, "at least 2"));
    }
    let [low, high] = options.ends;
    if !(0.0 <= low && low < high && high <= 1.0) {
        return Err(parameter(
            "ends",
            format!("{low} and {high}"),
            "ascending, from 0 to 1",
        ));
    }
    if !(options.band > 0.0 && options.band < 1.0) {
        return Err(parameter("band", options.band, "above 0 and below 1"));
    }
    if let Some(grid) = &options.grid {
        let ascending = grid.windows(2).all(|pair| pair[0] < pair[1]);
        if grid.is_empty() || !ascending || grid.iter().any(|value| !value.is_finite()) {
            let rule = "one value or more, finite and ascending";
            return Err(parameter("grid", format!("{} values", grid.len()), rule));
        }
    }
    let n = linfa::dataset::Records::nsamples(rows);
    if n == 0 {
        return Err(ErrorKind::TooFewRows {
            what: "partial_dependence",
            required: 1,
            found: 0,
        }
        .into());
    }
    match &options.weights {
        Some(weights) => check_row_weights("partial_dependence", n, weights),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "dependence_tests.rs"]
mod tests;
