//! From a cohort to the fitted model, and on from there.

use linfa::dataset::{AsSingleTargets, DatasetBase};
use linfa::traits::Fit;

use super::model::{GradientBoosting, Wire};
use super::params::{GradientBoostingValidParams, NAME};
use super::target::{Outcome, draw_numbers, validation_rows};
use crate::classification::trees::classes::present;
use crate::design::align::{cut_sparse, lay_out, schema_of};
use crate::design::binned::{BinnedDesign, Binner, MISSING};
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::input::{RowsAccess, check_shape, check_weights, encode_classes};
use crate::estimator::{
    ClassLabel, Control, Lineage, ModelHeader, RowDerived, RowsSource, TrainingRows,
};
use crate::kernel::tree::boost::{Boosted, Labelled, boost};
use crate::kernel::tree::gradient::{Objective, class_sums, weight_unit};
use crate::numeric::parallel::map_tasks;

impl<R, T> Fit<R, T, Error> for GradientBoostingValidParams
where
    R: TrainingRows,
    T: AsSingleTargets,
    T::Elem: ClassLabel,
{
    type Object = GradientBoosting<T::Elem>;

    fn fit(&self, cohort: &DatasetBase<R, T>) -> Result<Self::Object> {
        self.fit_with_control(cohort, &Control::silent())
    }
}

impl GradientBoostingValidParams {
    /// Fits, reporting every iteration to `control`, which may cancel.
    ///
    /// # Errors
    /// [`ErrorKind::TooFewRows`], [`ErrorKind::NoFeatures`] and [`ErrorKind::LengthMismatch`] by
    /// shape; [`ErrorKind::NonFinite`] for an infinity or a weight that is not finite;
    /// [`ErrorKind::SingleClass`]; [`ErrorKind::TargetKind`] when the named event is not a class of
    /// two; [`ErrorKind::FeatureNames`] for settings that name no feature;
    /// [`ErrorKind::Cancelled`].
    pub fn fit_with_control<R, T>(
        &self,
        cohort: &DatasetBase<R, T>,
        control: &Control,
    ) -> Result<GradientBoosting<T::Elem>>
    where
        R: TrainingRows,
        T: AsSingleTargets,
        T::Elem: ClassLabel,
    {
        fit_cohort(self, None, cohort, control)
    }
}

impl<L: ClassLabel> GradientBoosting<L> {
    /// Goes on for `n_trees` more iterations with the bins, settings and classes of this model, on
    /// the same rows or on others of the same features.
    ///
    /// With early stopping the same patients are validated on, as they are drawn by key.
    ///
    /// # Errors
    /// As [`GradientBoostingValidParams::fit_with_control`]; [`ErrorKind::Schema`] for rows with
    /// other features, [`ErrorKind::TargetKind`] for a class that the model does not know,
    /// [`ErrorKind::Parameter`] when `n_trees` is 0 or more than a million in all.
    pub fn fit_further<R, T>(&self, cohort: &DatasetBase<R, T>, n_trees: usize) -> Result<Self>
    where
        R: TrainingRows,
        T: AsSingleTargets<Elem = L>,
    {
        self.fit_further_with_control(cohort, n_trees, &Control::silent())
    }

    /// [`Self::fit_further`], reporting every iteration to `control`, which may cancel.
    ///
    /// # Errors
    /// As [`Self::fit_further`]; [`ErrorKind::Cancelled`].
    pub fn fit_further_with_control<R, T>(
        &self,
        cohort: &DatasetBase<R, T>,
        n_trees: usize,
        control: &Control,
    ) -> Result<Self>
    where
        R: TrainingRows,
        T: AsSingleTargets<Elem = L>,
    {
        let mut params = self.wire.params.clone();
        params.n_trees = n_trees;
        params.check_all()?;
        // What the model then says of itself is the sum.
        params.n_trees = self.n_iterations().saturating_add(n_trees);
        params.check_all()?;
        params.n_trees = n_trees;
        fit_cohort(&params, Some(&*self.wire), cohort, control)
    }
}

/// What boosting sees of a cohort.
struct Sides {
    train: Side,
    validation: Option<Side>,
}

/// Rows with a weight above zero.
struct Side {
    design: BinnedDesign,
    classes: Vec<u32>,
    weights: Vec<f64>,
    draws: Option<Vec<u64>>,
}

impl Side {
    fn labelled(&self) -> Labelled<'_> {
        Labelled {
            design: &self.design,
            classes: &self.classes,
            weights: &self.weights,
            draws: self.draws.as_deref(),
        }
    }

    /// Weight of every class, to the same bits in any order of rows.
    fn totals(&self, n_classes: usize) -> Vec<f64> {
        let largest = self.weights.iter().fold(0.0_f64, |m, w| m.max(*w));
        let sums = class_sums(&self.classes, &self.weights, largest, n_classes);
        let unit = weight_unit(largest);
        sums.into_iter().map(|sum| sum as f64 * unit).collect()
    }

    fn weigh(&mut self, factors: &[f64]) {
        for (weight, class) in self.weights.iter_mut().zip(&self.classes) {
            *weight *= factors[*class as usize];
        }
    }
}

fn fit_cohort<L, R, T>(
    params: &GradientBoostingValidParams,
    start: Option<&Wire<L>>,
    cohort: &DatasetBase<R, T>,
    control: &Control,
) -> Result<GradientBoosting<L>>
where
    L: ClassLabel,
    R: TrainingRows,
    T: AsSingleTargets<Elem = L>,
{
    let rows = cohort.records.source();
    let target = cohort.targets.as_single_targets();
    check_shape(NAME, rows, target.len(), 2)?;
    if u32::try_from(rows.n_rows()).is_err() {
        return Err(ErrorKind::TooLarge {
            what: "row numbers of a tree",
            bytes: 8 * rows.n_rows() as u64,
            ceiling: 4 * u64::from(u32::MAX),
        }
        .into());
    }
    let weights = check_weights(NAME, cohort)?;
    let weights = weights.as_deref();
    let (known, codes) = encode_classes(target);
    let (schema, positional) = schema_of(rows)?;
    let outcome = match start {
        None => Outcome::new(params, known, codes, weights)?,
        Some(start) => {
            if start.binner.schema.len() != schema.len() {
                return Err(ErrorKind::Schema(format!(
                    "the model has {} features, the rows have {}",
                    start.binner.schema.len(),
                    schema.len()
                ))
                .into());
            }
            let classes = start.classes.clone();
            let (modelled, named) = (start.modelled as usize, start.event_named);
            Outcome::of_classes(classes, modelled, named, known, codes, weights)?
        }
    };
    let settings = params.settings(start.map_or(&schema, |start| &start.binner.schema))?;
    control.check()?;

    let owned = cut_sparse(rows);
    let laid_out = lay_out(rows);
    let source = match (&owned, &laid_out) {
        (Some(matrix), _) => RowsSource::Matrix(matrix),
        (None, Some(array)) => RowsSource::Array(array.view()),
        (None, None) => rows,
    };
    let validated = params
        .early_stopping
        .map(|_| validation_rows(rows, params.validation_share, params.seed));
    let binner = match start {
        Some(start) => start.binner.clone(),
        None => {
            let learnt = training_weights(weights, validated.as_deref(), rows.n_rows());
            let learnt = learnt.as_deref().or(weights);
            Binner::learn(schema, positional, source, learnt, params.max_bins)?
        }
    };
    let design = binner.apply(source)?;
    let draws = (settings.row_share < 1.0).then(|| draw_numbers(rows));
    let mut sides = sides(design, &outcome, weights, validated.as_deref(), draws)?;
    let totals = sides.train.totals(outcome.n_classes());
    let factors = params.weighting().factors(&outcome.names(), 1, &totals)?;
    sides.train.weigh(&factors);
    if let Some(validation) = &mut sides.validation {
        validation.weigh(&factors);
    }
    let facts = Facts::of(&sides, &binner);
    let objective = Objective::of(outcome.n_classes());
    let boosted = boost(
        &binner,
        objective,
        sides.train.labelled(),
        sides.validation.as_ref().map(Side::labelled),
        start.map(|start| (start.base.as_slice(), start.trees.as_slice())),
        &settings,
        control,
    )?;
    let fitted = Fitted {
        params,
        start,
        classes: outcome.classes,
        modelled: outcome.modelled,
        event_named: outcome.event_named,
        lineage: Lineage::of(rows),
        binner,
        facts,
        boosted,
    };
    fitted.model()
}

/// Row weights with those of validation rows at zero; `None` where nothing is validated on.
fn training_weights(
    weights: Option<&[f64]>,
    validated: Option<&[bool]>,
    n_rows: usize,
) -> Option<Vec<f64>> {
    let validated = validated?;
    let mut all = weights.map_or_else(|| vec![1.0; n_rows], <[f64]>::to_vec);
    for (weight, validated) in all.iter_mut().zip(validated) {
        if *validated {
            *weight = 0.0;
        }
    }
    Some(all)
}

/// Cuts the rows with a weight above zero into those to learn from and those to validate on.
fn sides<L: ClassLabel>(
    design: BinnedDesign,
    outcome: &Outcome<L>,
    weights: Option<&[f64]>,
    validated: Option<&[bool]>,
    draws: Option<Vec<u64>>,
) -> Result<Sides> {
    let n_rows = design.n_rows;
    let is_validated = |row: usize| validated.is_some_and(|validated| validated[row]);
    let side = |rows: Vec<u32>| Side {
        design: design.select(&rows),
        classes: rows.iter().map(|r| outcome.codes[*r as usize]).collect(),
        weights: rows
            .iter()
            .map(|row| weights.map_or(1.0, |weights| weights[*row as usize]))
            .collect(),
        draws: draws
            .as_ref()
            .map(|draws| rows.iter().map(|row| draws[*row as usize]).collect()),
    };
    let chosen = |wanted: bool| -> Vec<u32> {
        (0..n_rows)
            .filter(|row| present(weights, *row) && is_validated(*row) == wanted)
            .map(|row| row as u32)
            .collect()
    };
    let validation = match validated {
        None => None,
        Some(_) => {
            let rows = chosen(true);
            if rows.is_empty() {
                return Err(too_few("validation rows of early stopping"));
            }
            Some(side(rows))
        }
    };
    let train = chosen(false);
    let train = if train.len() == n_rows {
        Side {
            design,
            classes: outcome.codes.clone(),
            weights: weights.map_or_else(|| vec![1.0; n_rows], <[f64]>::to_vec),
            draws,
        }
    } else {
        side(train)
    };
    let mut seen = vec![false; outcome.n_classes()];
    for class in &train.classes {
        seen[*class as usize] = true;
    }
    if seen.contains(&false) {
        return Err(too_few("rows of a class to learn from"));
    }
    Ok(Sides { train, validation })
}

pub(super) fn too_few(what: &'static str) -> Error {
    ErrorKind::TooFewRows {
        what,
        required: 1,
        found: 0,
    }
    .into()
}

/// What is counted of the rows of a fit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Facts {
    pub(super) n_rows: u64,
    /// Rows of class 1.
    pub(super) n_events: u64,
    pub(super) validation_rows: u64,
    /// Features that no cut can divide: a single bin, or missing throughout.
    pub(super) constant: Vec<String>,
    /// Rows in the smallest bin that holds any.
    pub(super) smallest_bin: u64,
}

impl Facts {
    fn of(sides: &Sides, binner: &Binner) -> Self {
        let design = &sides.train.design;
        let filled = map_tasks(design.n_features, |feature| {
            let counts = design.counts(feature);
            let (present, missing) = counts.split_at(usize::from(MISSING));
            [present, missing].concat()
        });
        let all = || {
            [Some(&sides.train), sides.validation.as_ref()]
                .into_iter()
                .flatten()
        };
        let n_events = |side: &Side| side.classes.iter().filter(|class| **class == 1).count();
        let rows = |side: &Side| side.classes.len() as u64;
        Self {
            n_rows: all().map(rows).sum(),
            n_events: all().map(|side| n_events(side) as u64).sum(),
            validation_rows: sides.validation.as_ref().map_or(0, rows),
            ..Self::of_bins(&filled, binner)
        }
    }

    /// What the rows of every bin tell, those of missing values last.
    pub(super) fn of_bins(filled: &[Vec<u64>], binner: &Binner) -> Self {
        let n_filled = |counts: &[u64]| counts.iter().filter(|count| **count > 0).count();
        let features = binner.schema.features().iter().zip(filled);
        let present = filled.iter().filter_map(|counts| counts.split_last());
        let present = present.flat_map(|(_, present)| present).copied();
        Self {
            n_rows: 0,
            n_events: 0,
            validation_rows: 0,
            constant: features
                .filter(|(_, counts)| n_filled(counts) < 2)
                .map(|(feature, _)| feature.name().to_string())
                .collect(),
            smallest_bin: present.filter(|count| *count > 0).min().unwrap_or(0),
        }
    }
}

/// Everything that makes the model.
pub(super) struct Fitted<'a, L: ClassLabel> {
    pub(super) params: &'a GradientBoostingValidParams,
    pub(super) start: Option<&'a Wire<L>>,
    pub(super) classes: Vec<L>,
    pub(super) modelled: usize,
    pub(super) event_named: bool,
    pub(super) lineage: Lineage,
    pub(super) binner: Binner,
    pub(super) facts: Facts,
    pub(super) boosted: Boosted,
}

impl<L: ClassLabel> Fitted<'_, L> {
    pub(super) fn model(self) -> Result<GradientBoosting<L>> {
        let Self {
            params,
            start,
            classes,
            modelled,
            event_named,
            lineage,
            binner,
            facts,
            boosted,
        } = self;
        let texts: Vec<String> = classes.iter().map(ClassLabel::text).collect();
        let n_outputs = boosted.base.len();
        let mut params = params.clone();
        let mut train_loss = Vec::new();
        let mut validation_loss = Vec::new();
        let mut trees = boosted.trees;
        if let Some(start) = start {
            let before = start.trees.len() / n_outputs;
            params.n_trees += before;
            train_loss.extend_from_slice(start.train_loss.get(..before).unwrap_or_default());
            validation_loss
                .extend_from_slice(start.validation_loss.get(..before).unwrap_or_default());
            let mut all = start.trees.clone();
            all.append(&mut trees);
            trees = all;
        }
        train_loss.extend(boosted.train_loss);
        validation_loss.extend(boosted.validation_loss);
        let mut header = ModelHeader::new(NAME, binner.schema.clone(), binner.positional);
        header.seed = params.seed;
        header.n_rows = facts.n_rows;
        header.n_events = event_named.then_some(facts.n_events);
        header.event = event_named.then(|| texts[modelled].clone());
        header.classes = texts;
        header.lineage = match start {
            None => lineage,
            Some(start) => common(&start.header.lineage, &lineage),
        };
        let leaves = trees.iter().flat_map(|tree| &tree.nodes);
        let smallest_leaf = leaves
            .filter(|node| node.is_leaf())
            .map(|node| node.rows)
            .min()
            .unwrap_or(header.n_rows);
        let smallest_bin = match start {
            // Bins are those of the first fit.
            Some(start) => start
                .header
                .row_derived
                .first()
                .map_or(0, |part| part.smallest_count),
            None => facts.smallest_bin,
        };
        header.row_derived = vec![
            RowDerived {
                part: "edges and levels of bins".into(),
                smallest_count: smallest_bin,
            },
            RowDerived {
                part: "leaves of trees".into(),
                smallest_count: smallest_leaf,
            },
        ];
        let constant = match start {
            None => facts.constant,
            Some(start) => {
                let still = |name: &&String| facts.constant.contains(name);
                start.constant.iter().filter(still).cloned().collect()
            }
        };
        GradientBoosting::of(Wire {
            header,
            params,
            binner,
            classes,
            modelled: modelled as u32,
            event_named,
            base: boosted.base,
            trees,
            train_loss,
            validation_loss,
            validation_rows: facts.validation_rows,
            stopped_early: boosted.stopped_early,
            constant,
        })
    }
}

/// What is true of a model that learnt from both: nothing can be told of two tables; of two parts of
/// one table, that its rows were seen before they parted.
fn common(a: &Lineage, b: &Lineage) -> Lineage {
    if a.origin != b.origin {
        return Lineage::default();
    }
    let same = a.splits.iter().zip(&b.splits).take_while(|(x, y)| x == y);
    Lineage {
        origin: a.origin,
        splits: same.map(|(split, _)| *split).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lineages_meet_where_they_parted() {
        let of = |origin, splits: &[u64]| Lineage {
            origin,
            splits: splits.to_vec(),
        };
        let train = of(Some(1), &[4, 5]);
        assert_eq!(common(&train, &train), train);
        assert_eq!(common(&train, &of(Some(1), &[4, 6])), of(Some(1), &[4]));
        assert_eq!(common(&train, &of(Some(1), &[])), of(Some(1), &[]));
        assert_eq!(common(&train, &of(Some(2), &[4, 5])), Lineage::default());
    }

    #[test]
    fn nothing_is_learnt_from_validation_rows() {
        let weights = training_weights(Some(&[2.0, 3.0, 0.0]), Some(&[true, false, false]), 3);
        assert_eq!(weights.unwrap(), [0.0, 3.0, 0.0]);
        let weights = training_weights(None, Some(&[false, true]), 2);
        assert_eq!(weights.unwrap(), [1.0, 0.0]);
        assert!(training_weights(None, None, 2).is_none());
    }
}
