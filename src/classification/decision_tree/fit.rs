//! From a cohort to the fitted tree.

use linfa::dataset::{AsSingleTargets, DatasetBase};
use linfa::traits::Fit;

use super::coded::Grown;
use super::coded::{Codes, Labelled};
use super::cut::ByBins;
use super::exact::{ByValues, admit, ranks};
use super::flatten::{Flat, flatten};
use super::folds::choose;
use super::model::{DecisionTree, Wire};
use super::outcome::{Outcome, whole};
use super::params::{Cuts, DecisionTreeValidParams, MissingValues, NAME, Pruning};
use super::prune::sequence;
use crate::design::align::{cut_sparse, lay_out, schema_of};
use crate::design::binned::{BinnedDesign, Binner, Bins, MISSING};
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::input::{RowsAccess, check_shape, check_weights, encode_classes};
use crate::estimator::resample::Groups;
use crate::estimator::{
    ClassLabel, Control, Lineage, ModelHeader, RowDerived, RowsSource, TrainingRows,
};
use crate::kernel::tree::class_grow::{Limits, grow};
use crate::kernel::tree::class_histogram::rows_by_bin;
use crate::kernel::tree::class_whole::Seeking;

impl<R, T> Fit<R, T, Error> for DecisionTreeValidParams
where
    R: TrainingRows,
    T: AsSingleTargets,
    T::Elem: ClassLabel,
{
    type Object = DecisionTree<T::Elem>;

    fn fit(&self, cohort: &DatasetBase<R, T>) -> Result<Self::Object> {
        self.fit_with_control(cohort, &Control::silent())
    }
}

impl DecisionTreeValidParams {
    /// Fits, reporting to `control`, which may cancel.
    ///
    /// # Errors
    /// [`ErrorKind::TooFewRows`], [`ErrorKind::NoFeatures`] and [`ErrorKind::LengthMismatch`] by
    /// shape; [`ErrorKind::NonFinite`] for an infinity, a weight that is not finite, or a missing
    /// value where cuts are exact; [`ErrorKind::SingleClass`]; [`ErrorKind::TargetKind`] when the
    /// named event is not a class of two, for more than 1000 classes, or for three where cuts are exact;
    /// [`ErrorKind::OutOfRange`] and [`ErrorKind::FeatureMismatch`] for what exact cuts do not take
    /// ([`Cuts::Exact`]); [`ErrorKind::Cancelled`].
    pub fn fit_with_control<R, T>(
        &self,
        cohort: &DatasetBase<R, T>,
        control: &Control,
    ) -> Result<DecisionTree<T::Elem>>
    where
        R: TrainingRows,
        T: AsSingleTargets,
        T::Elem: ClassLabel,
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
        let (known, codes) = encode_classes(target);
        let outcome = Outcome::new(self, known, &codes, weights.as_deref())?;
        control.step("rows", 0, None)?;
        // Sparse views are searched for every row, and odd layouts copied by every pass.
        let (cut, array) = (cut_sparse(rows), lay_out(rows));
        let source = match (&cut, &array) {
            (Some(matrix), _) => RowsSource::Matrix(matrix),
            (None, Some(array)) => RowsSource::Array(array.view()),
            (None, None) => rows,
        };
        let (schema, positional) = schema_of(rows)?;
        let bins = Binner::learn_and_apply(
            schema,
            positional,
            source,
            weights.as_deref(),
            self.max_bins,
        )?;
        fit_used(self, rows, source, outcome, bins, control)
    }

    fn limits(&self) -> Limits {
        Limits {
            max_depth: self.max_depth,
            max_leaves: Some(self.max_leaves),
            min_leaf_rows: self.min_leaf_rows as u64,
            min_leaf_weight: 0,
            min_split_rows: 0,
        }
    }
}

/// Grows a tree that is not pruned.
///
/// # Errors
/// Those of the search; [`ErrorKind::Cancelled`].
pub(super) fn plant(
    data: &Labelled,
    params: &DecisionTreeValidParams,
    control: &Control,
) -> Result<Grown> {
    let (impurity, min_leaf_rows) = (params.impurity, params.min_leaf_rows as u64);
    let (items, limits) = (data.items(), params.limits());
    match &data.codes {
        Codes::Bins(design) => {
            let (known_only, surrogates) = match params.missing {
                MissingValues::LearnedSide => (false, 0),
                MissingValues::Surrogate => (true, params.max_surrogates),
            };
            let seeking = Seeking {
                impurity,
                min_leaf_rows,
                min_gain: params.min_gain,
                known_only,
            };
            let mut guide = ByBins::new(data, design, seeking, surrogates, &items);
            grow(&mut guide, &limits, items, data.n_classes, 0, control)
        }
        Codes::Ranks(_) => {
            let mut guide = ByValues {
                data,
                impurity,
                min_leaf_rows,
                min_gain: params.min_gain,
            };
            grow(&mut guide, &limits, items, data.n_classes, 0, control)
        }
    }
}

fn fit_used<L: ClassLabel>(
    params: &DecisionTreeValidParams,
    rows: RowsSource<'_>,
    source: RowsSource<'_>,
    outcome: Outcome<L>,
    (binner, design): (Binner, BinnedDesign),
    control: &Control,
) -> Result<DecisionTree<L>> {
    let (weights, unit) = whole(&outcome.weights);
    let bins = |bins: &Bins| (bins.len(), matches!(bins, Bins::Levels { .. }));
    let mut data = Labelled {
        codes: Codes::Ranks(Vec::new()),
        classes: outcome.codes.clone(),
        weights,
        n_classes: outcome.n_classes(),
        bins: binner.bins.iter().map(bins).collect(),
    };
    let all = outcome.used.len() == design.n_rows;
    let design = if all {
        design
    } else {
        design.select(&outcome.used)
    };
    let counted = Counted::new(&design, &binner);
    data.codes = match params.cuts {
        Cuts::Binned => Codes::Bins(design),
        Cuts::Exact => {
            admit(&binner, data.n_classes, &data.weights)?;
            ranks(&binner, source, &outcome.used)?
        }
    };
    control.step("bins", 1, None)?;
    let grown = plant(&data, params, control)?;
    control.step("growth", 1, None)?;
    let mut path = sequence(&grown, params.impurity);
    let chosen = match params.pruning {
        Pruning::None => None,
        Pruning::Strength(strength) => Some(path.at(strength)),
        Pruning::CrossValidated { folds, rule } => {
            if path.steps.len() > 1 {
                let groups = Groups::within(rows, &outcome.used, &outcome.codes);
                Some(choose(
                    &data,
                    &groups,
                    params,
                    (folds, rule),
                    &mut path,
                    control,
                )?)
            } else {
                Some(0)
            }
        }
    };
    control.step("pruning", 1, None)?;
    let strength = chosen.map(|chosen| path.steps[chosen].strength);
    let flat = flatten(
        &grown,
        &data,
        &path,
        strength,
        unit,
        &binner,
        source,
        &outcome.used,
    )?;

    let mut header = ModelHeader::new(NAME, binner.schema.clone(), binner.positional);
    header.seed = params.seed;
    header.n_rows = outcome.used.len() as u64;
    let texts: Vec<String> = outcome.classes.iter().map(ClassLabel::text).collect();
    header.n_events = outcome.event.map(|event| {
        let of_event = |code: &&u32| **code as usize == event;
        outcome.codes.iter().filter(of_event).count() as u64
    });
    header.event = outcome.event.map(|event| texts[event].clone());
    header.classes = texts;
    header.lineage = Lineage::of(rows);
    let Flat { tree, surrogates } = flat;
    let leaves = tree.nodes.iter().filter(|node| node.is_leaf());
    header.row_derived = vec![
        RowDerived {
            part: "thresholds and levels of cuts".into(),
            // A threshold of exact cuts lies between two values, however few rows have them.
            smallest_count: match params.cuts {
                Cuts::Binned => counted.smallest,
                Cuts::Exact => 1,
            },
        },
        RowDerived {
            part: "leaves of the tree".into(),
            smallest_count: leaves.map(|leaf| leaf.rows).min().unwrap_or(header.n_rows),
        },
    ];
    DecisionTree::of(Wire {
        header,
        params: params.clone(),
        binner,
        classes: outcome.classes,
        event: outcome.event.map(|event| event as u32),
        tree,
        surrogates,
        path: path.steps,
        chosen: chosen.map(|chosen| chosen as u64),
        grown_leaves: grown.nodes.iter().filter(|node| node.cut.is_none()).count() as u64,
        constant: counted.constant,
    })
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
        let mut constant = Vec::new();
        let mut smallest = design.n_rows as u64;
        let counted = rows_by_bin(design);
        for (feature, counts) in binner.schema.features().iter().zip(counted) {
            if counts.iter().filter(|count| **count > 0).count() < 2 {
                constant.push(feature.name().to_string());
            }
            let present = counts[..usize::from(MISSING)].iter();
            for count in present.filter(|count| **count > 0) {
                smallest = smallest.min(u64::from(*count));
            }
        }
        Self { constant, smallest }
    }
}
