//! From a cohort to the fitted forest.

use linfa::dataset::{AsSingleTargets, DatasetBase};
use linfa::traits::Fit;

use super::draw::{Units, tree_key};
use super::model::{RandomForest, Wire};
use super::oob::OutOfBag;
use super::params::{NAME, RandomForestValidParams};
use super::target::Classes;
use crate::classification::trees::classes::present;
use crate::design::align::{cut_sparse, lay_out, schema_of};
use crate::design::binned::{BinnedDesign, Binner, MISSING};
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::input::{RowsAccess, check_shape, check_weights, encode_classes};
use crate::estimator::{
    ClassLabel, Control, Lineage, ModelHeader, RowDerived, RowsSource, TrainingRows,
};
use crate::kernel::tree::class_draw::{ClassGrower, ClassRows};
use crate::kernel::tree::class_histogram::{Columns, rows_by_bin, whole_weights};
use crate::kernel::tree::flat::Tree;
use crate::numeric::parallel::map_tasks;
use crate::numeric::stable::sum;

/// Trees that grow side by side; a constant, whatever the number of threads.
const WAVE: usize = 32;

impl<R, T> Fit<R, T, Error> for RandomForestValidParams
where
    R: TrainingRows,
    T: AsSingleTargets,
    T::Elem: ClassLabel,
{
    type Object = RandomForest<T::Elem>;

    fn fit(&self, cohort: &DatasetBase<R, T>) -> Result<Self::Object> {
        self.fit_with_control(cohort, &Control::silent())
    }
}

impl RandomForestValidParams {
    /// Fits, reporting to `control`, which may cancel.
    ///
    /// # Errors
    /// [`ErrorKind::TooFewRows`], [`ErrorKind::NoFeatures`] and [`ErrorKind::LengthMismatch`] by
    /// shape; [`ErrorKind::NonFinite`] for an infinity or a weight that is not finite;
    /// [`ErrorKind::SingleClass`]; [`ErrorKind::TargetKind`] when the named event is not a class of
    /// two; [`ErrorKind::Cancelled`].
    pub fn fit_with_control<R, T>(
        &self,
        cohort: &DatasetBase<R, T>,
        control: &Control,
    ) -> Result<RandomForest<T::Elem>>
    where
        R: TrainingRows,
        T: AsSingleTargets,
        T::Elem: ClassLabel,
    {
        Ok(fit_cohort(self, cohort, control, false)?.0)
    }

    /// Fits, and estimates the error on the training patients: each is answered by the trees that did not
    /// learn from any row of theirs. The estimate holds predictions of patients: it is not kept in the
    /// model, nor saved with it.
    ///
    /// # Errors
    /// As [`Self::fit_with_control`]; [`ErrorKind::Parameter`] where every tree learns from everybody.
    pub fn fit_with_oob<R, T>(
        &self,
        cohort: &DatasetBase<R, T>,
        control: &Control,
    ) -> Result<(RandomForest<T::Elem>, OutOfBag)>
    where
        R: TrainingRows,
        T: AsSingleTargets,
        T::Elem: ClassLabel,
    {
        if self.takes_all() {
            return Err(ErrorKind::Parameter {
                estimator: NAME,
                name: "row_share",
                value: "1".into(),
                rule: "below 1, or with bootstrap, for out-of-bag estimates",
            }
            .into());
        }
        let (model, out_of_bag) = fit_cohort(self, cohort, control, true)?;
        let nothing = || Error::from(ErrorKind::SingleClass { what: NAME });
        Ok((model, out_of_bag.ok_or_else(nothing)?))
    }
}

/// A tree, and where its own bins lead.
type Grown = (Tree, Vec<[u64; 4]>);

fn fit_cohort<L, R, T>(
    params: &RandomForestValidParams,
    cohort: &DatasetBase<R, T>,
    control: &Control,
    with_oob: bool,
) -> Result<(RandomForest<L>, Option<OutOfBag>)>
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
    let outcome = Classes::new(params, known, codes, weights)?;
    let n_classes = outcome.classes.len();
    control.check()?;

    let owned = cut_sparse(rows);
    let laid_out = lay_out(rows);
    let source = match (&owned, &laid_out) {
        (Some(matrix), _) => RowsSource::Matrix(matrix),
        (None, Some(array)) => RowsSource::Array(array.view()),
        (None, None) => rows,
    };
    let (binner, design) =
        Binner::learn_and_apply(schema, positional, source, weights, params.max_bins)?;
    let used: Vec<u32> = (0..rows.n_rows())
        .filter(|row| present(weights, *row))
        .map(|row| row as u32)
        .collect();
    let design = if used.len() == design.n_rows {
        design
    } else {
        design.select(&used)
    };
    let columns = Columns::new(&design);
    let smallest_bin = smallest_bin(&design);
    drop(design);
    let classes: Vec<u32> = used.iter().map(|r| outcome.codes[*r as usize]).collect();
    let weight = |row: &u32| weights.map_or(1.0, |weights| weights[*row as usize]);
    let plain: Vec<f64> = used.iter().map(weight).collect();
    let texts: Vec<String> = outcome.classes.iter().map(ClassLabel::text).collect();
    let whole = weigh(params, &plain, &classes, (&texts, outcome.modelled))?;
    let units = Units::new(params, rows, &used, &classes, n_classes);

    let forest = Growing {
        params,
        binner: &binner,
        columns: &columns,
        classes: &classes,
        whole: &whole,
        units: &units,
        n_classes,
    };
    let grown = forest.grow(control)?;
    let out_of_bag = with_oob.then(|| forest.out_of_bag(&grown, rows.n_rows(), &used, &plain));
    let trees: Vec<Tree> = grown.into_iter().map(|(tree, _)| tree).collect();

    let mut header = ModelHeader::new(NAME, binner.schema.clone(), binner.positional);
    header.seed = params.seed;
    header.n_rows = used.len() as u64;
    let of_event = |class: &&u32| **class as usize == outcome.modelled;
    header.n_events = outcome
        .event_named
        .then(|| classes.iter().filter(of_event).count() as u64);
    header.event = outcome.event_named.then(|| texts[outcome.modelled].clone());
    header.classes = texts;
    header.lineage = Lineage::of(rows);
    let nodes = trees.iter().flat_map(|tree| &tree.nodes);
    let leaves = nodes.filter(|node| node.is_leaf()).map(|node| node.rows);
    header.row_derived = vec![
        RowDerived {
            part: "edges and levels of bins".into(),
            smallest_count: smallest_bin,
        },
        RowDerived {
            part: "leaves of trees".into(),
            smallest_count: leaves.min().unwrap_or(header.n_rows),
        },
    ];
    let varying = columns.varying(&(0..used.len() as u32).collect::<Vec<_>>());
    let features = binner.schema.features().iter().enumerate();
    let constant = features
        .filter(|(at, _)| varying.binary_search(&(*at as u32)).is_err())
        .map(|(_, feature)| feature.name().to_string())
        .collect();
    let model = RandomForest::of(Wire {
        header,
        params: params.clone(),
        binner,
        classes: outcome.classes,
        modelled: outcome.modelled as u32,
        event_named: outcome.event_named,
        trees,
        constant,
    })?;
    Ok((model, out_of_bag))
}

/// Weights of rows times those of their classes, as whole numbers.
fn weigh(
    params: &RandomForestValidParams,
    plain: &[f64],
    classes: &[u32],
    (names, modelled): (&[String], usize),
) -> Result<(Vec<i64>, f64)> {
    let totals: Vec<f64> = (0..names.len() as u32)
        .map(|class| {
            let pairs = classes.iter().zip(plain);
            sum(pairs.filter(|(code, _)| **code == class).map(|(_, w)| *w))
        })
        .collect();
    let factors = params.weighting().factors(names, modelled, &totals)?;
    let pairs = plain.iter().zip(classes);
    let weights: Vec<f64> = pairs
        .map(|(weight, class)| weight * factors[*class as usize])
        .collect();
    Ok(whole_weights(&weights))
}

/// Rows in the smallest bin that holds any.
fn smallest_bin(design: &BinnedDesign) -> u64 {
    let counted = rows_by_bin(design);
    let present = counted
        .iter()
        .flat_map(|counts| &counts[..usize::from(MISSING)]);
    let smallest = present.filter(|count| **count > 0).min();
    smallest.map_or(0, |rows| u64::from(*rows))
}

/// Everything that trees grow from.
pub(super) struct Growing<'a> {
    params: &'a RandomForestValidParams,
    binner: &'a Binner,
    pub(super) columns: &'a Columns,
    pub(super) classes: &'a [u32],
    whole: &'a (Vec<i64>, f64),
    units: &'a Units,
    pub(super) n_classes: usize,
}

impl Growing<'_> {
    /// How often each unit is drawn for a tree.
    pub(super) fn drawn(&self, tree: usize) -> Vec<u8> {
        self.units.draw(tree_key(self.params.seed, tree))
    }

    /// Unit of every row.
    pub(super) fn unit_of(&self) -> &[u32] {
        &self.units.of_row
    }

    fn grow(&self, control: &Control) -> Result<Vec<Grown>> {
        let n_features = self.columns.bins.len();
        let growth = self.params.growth(n_features);
        let all: Vec<u32> = (0..self.classes.len() as u32).collect();
        let features = self.columns.varying(&all);
        let n_trees = self.params.n_trees;
        let mut grown: Vec<Grown> = Vec::with_capacity(n_trees.min(4_096));
        while grown.len() < n_trees {
            let first = grown.len();
            let wave = map_tasks(WAVE.min(n_trees - first), |at| {
                control.check()?;
                let key = tree_key(self.params.seed, first + at);
                let drawn = self.units.draw(key);
                let times = self.units.of_row.iter().map(|unit| drawn[*unit as usize]);
                let weights: Vec<i64> = (self.whole.0.iter().zip(times))
                    .map(|(weight, times)| weight * i64::from(times))
                    .collect();
                let rows = ClassRows {
                    classes: self.classes,
                    weights: &weights,
                    unit: self.whole.1,
                    n_classes: self.n_classes,
                };
                let features = features.clone();
                let mut grower =
                    ClassGrower::new(self.binner, self.columns, &growth, features, false);
                let grown = grower.grow(rows, key, control)?;
                Ok::<_, Error>((grown.tree, grown.by_bins))
            });
            for tree in wave {
                control.step("tree", grown.len(), Some(n_trees))?;
                grown.push(tree?);
            }
        }
        Ok(grown)
    }
}
