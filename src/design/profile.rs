//! Describing the features of a matrix, by rounds: in memory, over a stream, across parties.

mod hide;
mod table;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::design::align::{align, cut_sparse};
use crate::design::statistics::{FeatureSums, Statistics};
use crate::design::stored::stored;
use crate::error::{ErrorKind, Result};
use crate::estimator::rounds::{Batch, Memory, Next, Partial, Rounds, Source, TargetBatch, drive};
use crate::estimator::{Control, RowsSource};
use crate::matrix::{Feature, PatientMatrix, Schema};
use crate::numeric::sketch::{Cells, Counts, QuantileSearch, Rule, Scratch, Share};
pub use table::{
    Cell, Description, FeatureProfile, LevelProfile, LevelRows, NumberProfile, Quantile, Values,
};

/// Shares at which quantiles are given, in per cent.
const PERCENTS: [u32; 7] = [1, 5, 25, 50, 75, 95, 99];

/// Levels that are listed one by one.
const LEVELS: usize = 10;

/// How a matrix is described; a fit by rounds whose outcome is a [`Description`].
///
/// | setting | default | why |
/// | --- | --- | --- |
/// | `quantiles` | true | skewed laboratory values are not told by mean and spread |
/// | `extremes` | false | a smallest or largest value belongs to one patient |
/// | `levels` | 10 | the most frequent levels; all are counted |
///
/// Every row counts once: weights are not used. With quantiles the rows are read five times,
/// without them once. Counts of rows by cell of values stand behind the quantiles, most of them
/// small: a [`Disclosure`](crate::estimator::rounds::Disclosure) rule refuses them, so parties that
/// keep one describe with `quantiles(false)`.
///
/// ```
/// use galen::design::Profile;
/// use galen::estimator::Control;
/// use galen::estimator::rounds::{OwnedBatch, OwnedTarget, Stream};
/// use galen::matrix::PatientMatrix;
///
/// # fn main() -> galen::Result<()> {
/// let shard = |ages: Vec<f64>| PatientMatrix::from_columns([("age", ages)]);
/// let shards = [shard(vec![60.0, 50.0])?, shard(vec![f64::NAN, 70.0])?];
/// let batches = || shards.iter().map(|rows| Ok(OwnedBatch {
///     rows: rows.clone(), target: OwnedTarget::None, weights: None,
/// }));
/// let profile = Profile::new(shards[0].schema());
/// let description = profile.describe_over(&mut Stream::new(batches), &Control::silent())?;
/// let age = description.feature("age")?.numbers().unwrap();
/// assert_eq!((age.mean, age.median()), (Some(60.0), Some(60.0)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    schema: Schema,
    quantiles: bool,
    extremes: bool,
    levels: usize,
}

impl Profile {
    /// A profile of the features of `schema` with the default settings.
    pub fn new(schema: &Schema) -> Self {
        Self {
            schema: schema.clone(),
            quantiles: true,
            extremes: false,
            levels: LEVELS,
        }
    }

    /// Sets whether quantiles are given (1, 5, 25, 50, 75, 95 and 99 per cent, type 7).
    #[must_use]
    pub fn quantiles(mut self, quantiles: bool) -> Self {
        self.quantiles = quantiles;
        self
    }

    /// Sets whether the smallest and the largest value are given; each belongs to one patient.
    #[must_use]
    pub fn extremes(mut self, extremes: bool) -> Self {
        self.extremes = extremes;
        self
    }

    /// Sets how many levels of a feature are listed one by one, the most frequent first.
    #[must_use]
    pub fn levels(mut self, levels: usize) -> Self {
        self.levels = levels;
        self
    }

    /// Describes the rows of a source. Cost: one pass, or five with quantiles or extremes.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureNames`] or [`ErrorKind::FeatureMismatch`] for rows of another schema,
    /// [`ErrorKind::NonFinite`] for an infinity, [`ErrorKind::Cancelled`] through `control`, and
    /// those of the source.
    pub fn describe_over<S: Source<Self>>(
        &self,
        source: &mut S,
        control: &Control,
    ) -> Result<Description> {
        drive(self, source, control)
    }

    fn counts_cells(&self, feature: &Feature) -> bool {
        (self.quantiles || self.extremes) && !feature.kind().is_categorical()
    }

    /// Shares looked for: the quantiles, between the extremes where these are wanted.
    fn shares(&self) -> Vec<Share> {
        let mut percents = Vec::new();
        if self.extremes {
            percents.push(0);
        }
        if self.quantiles {
            percents.extend(PERCENTS);
        }
        if self.extremes {
            percents.push(100);
        }
        percents.into_iter().map(Share::percent).collect()
    }
}

impl PatientMatrix {
    /// Describes every feature: missing values, mean, spread, quantiles, levels.
    ///
    /// Give numbers to others only after [`Description::suppress_below`].
    ///
    /// ```
    /// use galen::matrix::{Column, Feature, PatientMatrix};
    ///
    /// # fn main() -> galen::Result<()> {
    /// let matrix = PatientMatrix::new(vec![
    ///     (Feature::numeric("age").unit("a"), Column::dense(vec![54.0, 61.0, f64::NAN])?),
    ///     (Feature::category("sex"), Column::categorical([Some("f"), Some("m"), Some("f")])),
    /// ])?;
    /// let description = matrix.describe()?;
    /// let age = description.feature("age")?;
    /// assert_eq!(age.missing.count(), Some(1));
    /// assert_eq!(age.numbers().unwrap().mean, Some(57.5));
    /// println!("{description}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// None for a matrix that was accepted on entry.
    pub fn describe(&self) -> Result<Description> {
        in_memory(&Profile::new(self.schema()), self)
    }
}

impl Description {
    /// As [`PatientMatrix::describe`], with the smallest and the largest value of each feature.
    /// Each of them belongs to one patient: not for publication.
    ///
    /// # Errors
    /// None for a matrix that was accepted on entry.
    pub fn with_extremes(matrix: &PatientMatrix) -> Result<Self> {
        in_memory(&Profile::new(matrix.schema()).extremes(true), matrix)
    }
}

fn in_memory(profile: &Profile, matrix: &PatientMatrix) -> Result<Description> {
    let owned = cut_sparse(RowsSource::Matrix(matrix));
    let rows = RowsSource::Matrix(owned.as_ref().unwrap_or(matrix));
    let mut memory = Memory::new(rows, TargetBatch::None, None);
    profile.describe_over(&mut memory, &Control::silent())
}

/// What a [`Profile`] asks of every batch; holds no patient rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfileQuestion {
    /// Whether the sums of one pass are asked for.
    sums: bool,
    /// What is asked of each feature whose quantiles are looked for.
    cells: Vec<Option<Cells>>,
}

/// What some rows answer to a [`ProfileQuestion`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfileSums {
    fingerprint: u64,
    rows: u64,
    sums: Option<(Statistics, Vec<u64>)>,
    counts: Vec<Counts>,
}

impl Partial for ProfileSums {
    fn merge(mut self, other: Self) -> Result<Self> {
        if self.fingerprint != other.fingerprint || self.counts.len() != other.counts.len() {
            return Err(foreign());
        }
        self.rows = self.rows.saturating_add(other.rows);
        self.sums = match (self.sums, other.sums) {
            (Some((a, zeros)), Some((b, more))) if zeros.len() == more.len() => {
                let zeros = zeros.iter().zip(&more).map(|(a, b)| a.saturating_add(*b));
                Some((a.merge(b)?, zeros.collect()))
            }
            (None, None) => None,
            _ => return Err(foreign()),
        };
        let pairs = self.counts.into_iter().zip(other.counts);
        self.counts = pairs.map(|(a, b)| a.merge(b)).collect();
        Ok(self)
    }

    fn n_rows(&self) -> u64 {
        self.rows
    }

    fn smallest_count(&self) -> u64 {
        let mut counts = vec![self.rows];
        if let Some((statistics, zeros)) = &self.sums {
            counts.push(statistics.smallest_count());
            counts.extend(zeros.iter().filter(|zeros| **zeros > 0));
        }
        counts.extend(self.counts.iter().filter_map(Counts::smallest_count));
        counts.into_iter().min().unwrap_or(0)
    }

    fn n_numbers(&self) -> usize {
        let cells: usize = self.counts.iter().map(Counts::len).sum();
        let sums = self.sums.as_ref().map_or(0, |(statistics, zeros)| {
            statistics.n_numbers() + zeros.len()
        });
        cells + sums
    }
}

/// What the coordinator of a [`Profile`] remembers between rounds.
#[derive(Debug, Default)]
pub struct ProfileState {
    sums: Option<(Statistics, Vec<u64>)>,
    searches: Vec<Option<QuantileSearch>>,
}

impl Rounds for Profile {
    type Question = ProfileQuestion;
    type State = ProfileState;
    type Partial = ProfileSums;
    type Local = ();
    type Outcome = Description;

    fn open(&self) -> Result<(ProfileQuestion, ProfileState)> {
        let searches: Vec<Option<QuantileSearch>> = self
            .schema
            .features()
            .iter()
            .map(|feature| {
                self.counts_cells(feature)
                    .then(|| QuantileSearch::new(Rule::Linear, self.shares()))
            })
            .collect();
        let question = ProfileQuestion {
            sums: true,
            cells: questions(&searches),
        };
        Ok((
            question,
            ProfileState {
                sums: None,
                searches,
            },
        ))
    }

    fn answer(
        &self,
        question: &ProfileQuestion,
        batch: &Batch<'_>,
        _local: &mut (),
    ) -> Result<ProfileSums> {
        if question.cells.len() != self.schema.len() {
            return Err(ErrorKind::Saved("question about another schema".into()).into());
        }
        let batch = Batch {
            weights: None,
            ..batch.clone()
        };
        let statistics = match question.sums {
            true => Some(Statistics::of(&self.schema, &batch)?),
            false => None,
        };
        let readers = align(&self.schema, batch.rows)?;
        let start = batch.range.start;
        let mut buffer = vec![0.0; batch.range.len()];
        let mut scratch = Scratch::default();
        let mut zeros = Vec::new();
        let mut counts = Vec::with_capacity(self.schema.len());
        let asked = self.schema.features().iter().zip(&question.cells);
        for ((feature, cells), reader) in asked.zip(&readers) {
            let number = !feature.kind().is_categorical();
            if let Some(stored) = stored(reader, start, buffer.len()) {
                let absent = buffer.len() - stored.len();
                if question.sums {
                    zeros.push((absent + zero_rows(stored)) as u64);
                }
                counts.push(match cells {
                    Some(cells) => scratch.count_sparse(cells, stored, absent as u32)?,
                    None => Counts::default(),
                });
                continue;
            }
            if number && (question.sums || cells.is_some()) {
                reader.fill(start, &mut buffer);
            }
            if question.sums {
                let zero = |number: bool| number as usize * zero_rows(&buffer);
                zeros.push(zero(number) as u64);
            }
            counts.push(match cells {
                Some(cells) if number => scratch.count(cells, &buffer, None, start)?,
                _ => Counts::default(),
            });
        }
        Ok(ProfileSums {
            fingerprint: self.schema.fingerprint(),
            rows: batch.range.len() as u64,
            sums: statistics.map(|statistics| (statistics, zeros)),
            counts,
        })
    }

    fn conclude(
        &self,
        state: &mut ProfileState,
        _question: ProfileQuestion,
        total: ProfileSums,
    ) -> Result<Next<ProfileQuestion, Description>> {
        let known = total.fingerprint == self.schema.fingerprint();
        if !known || total.counts.len() != state.searches.len() {
            return Err(foreign());
        }
        if let Some((statistics, zeros)) = total.sums {
            if statistics.features.len() != self.schema.len() || zeros.len() != self.schema.len() {
                return Err(foreign());
            }
            state.sums = Some((statistics, zeros));
        }
        for (search, counts) in state.searches.iter_mut().zip(&total.counts) {
            if let Some(search) = search
                && search.question().is_some()
            {
                search.advance(counts)?;
            }
        }
        let cells = questions(&state.searches);
        if cells.iter().any(Option::is_some) {
            return Ok(Next::Ask(ProfileQuestion { sums: false, cells }));
        }
        self.tell(state).map(Next::Done)
    }
}

fn questions(searches: &[Option<QuantileSearch>]) -> Vec<Option<Cells>> {
    searches
        .iter()
        .map(|search| search.as_ref().and_then(QuantileSearch::question))
        .collect()
}

fn zero_rows(values: &[f64]) -> usize {
    values.iter().filter(|value| **value == 0.0).count()
}

fn foreign() -> crate::error::Error {
    ErrorKind::Schema("partials of different schemas or rounds".into()).into()
}

impl Profile {
    /// The description, once everything is known.
    fn tell(&self, state: &ProfileState) -> Result<Description> {
        let (statistics, zeros) = state.sums.as_ref().ok_or_else(foreign)?;
        let mut features = Vec::with_capacity(self.schema.len());
        let sums = statistics.features.iter().zip(zeros).zip(&state.searches);
        for (feature, ((sums, zeros), search)) in self.schema.features().iter().zip(sums) {
            let (missing, values) = match sums {
                FeatureSums::Number {
                    moments,
                    present,
                    missing,
                    ..
                } => {
                    let found = match search {
                        Some(search) => search.values()?.unwrap_or_default(),
                        None => Vec::new(),
                    };
                    let finite = |value: f64| value.is_finite().then_some(value);
                    let spread = (moments.squares / (*present as f64 - 1.0)).sqrt();
                    let mut numbers = NumberProfile {
                        zeros: Cell::Count(*zeros),
                        others: Cell::Count(present.saturating_sub(*zeros)),
                        mean: finite(moments.mean).filter(|_| *present > 0),
                        sd: finite(spread).filter(|_| *present > 1),
                        ..NumberProfile::default()
                    };
                    self.place(&found, &mut numbers);
                    (missing.rows, Values::Numbers(numbers))
                }
                FeatureSums::Levels { levels, missing } => {
                    let rows = levels
                        .iter()
                        .map(|(level, tally)| (level.clone(), tally.rows));
                    let profile = LevelProfile::most_frequent(rows.collect(), self.levels);
                    (missing.rows, Values::Levels(profile))
                }
            };
            features.push(FeatureProfile {
                name: feature.name().to_string(),
                kind: feature.kind(),
                unit: feature.unit_name().map(str::to_string),
                rows: Cell::Count(statistics.rows),
                missing: Cell::Count(missing),
                values,
            });
        }
        Ok(Description {
            rows: Cell::Count(statistics.rows),
            suppressed_below: None,
            features,
        })
    }

    /// Puts the numbers found at [`Self::shares`] where they belong.
    fn place(&self, found: &[f64], numbers: &mut NumberProfile) {
        let mut found = found.iter().copied();
        if self.extremes {
            numbers.min = found.next();
        }
        if self.quantiles {
            let quantiles = PERCENTS.into_iter().zip(found.by_ref());
            numbers.quantiles = quantiles
                .map(|(percent, value)| Quantile { percent, value })
                .collect();
        }
        if self.extremes {
            numbers.max = found.next();
        }
    }
}
