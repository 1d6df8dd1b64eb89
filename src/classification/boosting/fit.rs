//! From a cohort to the fitted model, and on from there.

use linfa::dataset::{AsSingleTargets, DatasetBase};
use linfa::traits::Fit;

use super::model::{GradientBoosting, Wire};
use super::params::{GradientBoostingValidParams, NAME};
use super::target::{Outcome, class_factors, present, validation_rows};
use crate::design::align::{cut_sparse, lay_out, schema_of};
use crate::design::binned::{BinnedDesign, Binner, MISSING};
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::input::{RowsAccess, check_shape, check_weights, encode_classes};
use crate::estimator::{
    ClassLabel, Control, Lineage, ModelHeader, RowDerived, RowsSource, TrainingRows,
};
use crate::kernel::tree::boost::{Boosted, Labelled, Objective, boost};
use crate::numeric::parallel::map_tasks;
use crate::numeric::stable::sum;

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
        fit_cohort(&params, Some(&self.wire), cohort, control)
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
}

impl Side {
    fn labelled(&self) -> Labelled<'_> {
        Labelled {
            design: &self.design,
            classes: &self.classes,
            weights: &self.weights,
        }
    }

    /// Weight of every class.
    fn totals(&self, n_classes: usize) -> Vec<f64> {
        (0..n_classes as u32)
            .map(|class| {
                let pairs = self.classes.iter().zip(&self.weights);
                sum(pairs.filter(|(code, _)| **code == class).map(|(_, w)| *w))
            })
            .collect()
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
    let mut sides = sides(design, &outcome, weights, validated.as_deref())?;
    let factors = class_factors(
        params.class_weights,
        &sides.train.totals(outcome.n_classes()),
    )?;
    sides.train.weigh(&factors);
    if let Some(validation) = &mut sides.validation {
        validation.weigh(&factors);
    }
    let counted = Counted::new(&sides.train.design, &binner);
    let objective = match outcome.n_classes() {
        2 => Objective::Binary,
        n => Objective::Classes(n as u32),
    };
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
        outcome,
        lineage: Lineage::of(rows),
        binner,
        sides,
        counted,
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

fn too_few(what: &'static str) -> Error {
    ErrorKind::TooFewRows {
        what,
        required: 1,
        found: 0,
    }
    .into()
}

/// What the bins of the training rows hold.
struct Counted {
    /// Features that no cut can divide: a single bin, or missing throughout.
    constant: Vec<String>,
    /// Rows in the smallest bin that holds any.
    smallest: u64,
}

impl Counted {
    fn new(design: &BinnedDesign, binner: &Binner) -> Self {
        let counts = map_tasks(design.n_features, |feature| {
            let counts = design.counts(feature);
            let filled = counts.iter().filter(|count| **count > 0);
            let present = counts.iter().take(usize::from(MISSING));
            let smallest = present.copied().filter(|count| *count > 0).min();
            (filled.count() < 2, smallest)
        });
        let features = binner.schema.features().iter().zip(&counts);
        Self {
            constant: features
                .filter(|(_, (constant, _))| *constant)
                .map(|(feature, _)| feature.name().to_string())
                .collect(),
            smallest: counts
                .iter()
                .filter_map(|(_, smallest)| *smallest)
                .min()
                .unwrap_or(0),
        }
    }
}

/// Everything that makes the model.
struct Fitted<'a, L: ClassLabel> {
    params: &'a GradientBoostingValidParams,
    start: Option<&'a Wire<L>>,
    outcome: Outcome<L>,
    lineage: Lineage,
    binner: Binner,
    sides: Sides,
    counted: Counted,
    boosted: Boosted,
}

impl<L: ClassLabel> Fitted<'_, L> {
    fn model(self) -> Result<GradientBoosting<L>> {
        let Self {
            params,
            start,
            outcome,
            lineage,
            binner,
            sides,
            counted,
            boosted,
        } = self;
        let texts: Vec<String> = outcome.classes.iter().map(ClassLabel::text).collect();
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
        let validation_rows = sides.validation.as_ref().map_or(0, |s| s.classes.len());
        let all_classes = || {
            let validated = sides.validation.iter().flat_map(|side| &side.classes);
            sides.train.classes.iter().chain(validated)
        };

        let mut header = ModelHeader::new(NAME, binner.schema.clone(), binner.positional);
        header.seed = params.seed;
        header.n_rows = all_classes().count() as u64;
        header.n_events = outcome
            .event_named
            .then(|| all_classes().filter(|class| **class == 1).count() as u64);
        header.event = outcome.event_named.then(|| texts[outcome.modelled].clone());
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
            None => counted.smallest,
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
            None => counted.constant,
            Some(start) => {
                let still = |name: &&String| counted.constant.contains(name);
                start.constant.iter().filter(still).cloned().collect()
            }
        };
        GradientBoosting::of(Wire {
            header,
            params,
            binner,
            classes: outcome.classes,
            modelled: outcome.modelled as u32,
            event_named: outcome.event_named,
            base: boosted.base,
            trees,
            train_loss,
            validation_loss,
            validation_rows: validation_rows as u64,
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
