//! Rounds: a fit as questions about sums over rows, so that it runs in memory, over a stream of
//! batches, or across parties that share only statistics.
//!
//! ```text
//!   open -> question --> answer(batch 0) -> partial \
//!              ^         answer(batch 1) -> partial  merge -> total -> conclude -> model
//!              |         ...                        /                     |
//!              +---------------------- next question --------------------+
//! ```
//!
//! What leaves a party is a [`Partial`] as bytes, judged by [`Disclosure`] before it goes. The
//! coordinator's own memory of the fit (its `State`) never leaves it.

use std::ops::Range;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};
use crate::estimator::control::Control;
use crate::estimator::input::RowsSource;
use crate::matrix::PatientMatrix;
use crate::numeric::parallel;

/// The target of a batch, aligned with the rows of the whole source.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum TargetBatch<'a> {
    /// No target: profiles, clusterings.
    None,
    /// Class number of every row and the classes as text.
    Classes {
        /// Class number by row.
        codes: &'a [u32],
        /// Classes as text.
        labels: &'a [String],
    },
    /// A number by row.
    Values(&'a [f64]),
}

/// Some rows of a source: everything an answer may read.
#[derive(Debug, Clone)]
pub struct Batch<'a> {
    /// All rows of the source.
    pub rows: RowsSource<'a>,
    /// The rows of this batch.
    pub range: Range<usize>,
    /// The target of all rows.
    pub target: TargetBatch<'a>,
    /// Weights of all rows.
    pub weights: Option<&'a [f64]>,
}

/// Sums over some rows.
pub trait Partial: Serialize + DeserializeOwned + Send + Sized {
    /// The sums over the rows of both; associative, and commutative up to rounding.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] when the two were made from different schemas.
    fn merge(self, other: Self) -> Result<Self>;

    /// Number of rows behind it.
    fn n_rows(&self) -> u64;

    /// Smallest number of rows behind any single number in it, zero rows apart.
    fn smallest_count(&self) -> u64 {
        self.n_rows()
    }

    /// Number of free numbers in it.
    fn n_numbers(&self) -> usize;
}

/// What follows from the answers to a question.
#[derive(Debug)]
pub enum Next<Q, M> {
    /// The next question.
    Ask(Q),
    /// The result.
    Done(M),
}

/// A fit written as rounds.
pub trait Rounds: Sync {
    /// What is asked of every batch; small, holds no patient rows.
    type Question: Serialize + DeserializeOwned + Sync;
    /// What the coordinator remembers between questions.
    type State;
    /// The answer of a batch.
    type Partial: Partial;
    /// What a holder of rows keeps between rounds: the prepared design of a batch.
    type Local: Default + Send;
    /// What the fit gives.
    type Outcome;

    /// The first question.
    ///
    /// # Errors
    /// None in most fits.
    fn open(&self) -> Result<(Self::Question, Self::State)>;

    /// Sums over one batch; pure but for `local`, which only caches what the question fixes.
    ///
    /// # Errors
    /// What is wrong with the rows.
    fn answer(
        &self,
        question: &Self::Question,
        batch: &Batch<'_>,
        local: &mut Self::Local,
    ) -> Result<Self::Partial>;

    /// The next question, or the result.
    ///
    /// # Errors
    /// What the sums do not allow.
    fn conclude(
        &self,
        state: &mut Self::State,
        question: Self::Question,
        total: Self::Partial,
    ) -> Result<Next<Self::Question, Self::Outcome>>;
}

/// Whoever holds the rows.
pub trait Source<R: Rounds> {
    /// The merged answers of all rows.
    ///
    /// # Errors
    /// What is wrong with the rows, or with the way to them.
    fn ask(&mut self, rounds: &R, question: &R::Question) -> Result<R::Partial>;
}

/// The one loop that every such fit runs in.
///
/// # Errors
/// Those of the fit and of the source; [`ErrorKind::Cancelled`] through `control`.
pub fn drive<R: Rounds, S: Source<R>>(
    rounds: &R,
    source: &mut S,
    control: &Control,
) -> Result<R::Outcome> {
    let (mut question, mut state) = rounds.open()?;
    let mut round = 0;
    loop {
        control.step("round", round, None)?;
        let total = source.ask(rounds, &question)?;
        match rounds.conclude(&mut state, question, total)? {
            Next::Ask(next) => question = next,
            Next::Done(outcome) => return Ok(outcome),
        }
        round += 1;
    }
}

/// Rows in memory, in chunks of fixed length answered in parallel and merged in a fixed order.
#[derive(Debug)]
pub struct Memory<'a, L> {
    rows: RowsSource<'a>,
    target: TargetBatch<'a>,
    weights: Option<&'a [f64]>,
    locals: Vec<L>,
}

impl<'a, L: Default> Memory<'a, L> {
    /// The given rows, target and weights, checked by the caller to have one length.
    pub fn new(rows: RowsSource<'a>, target: TargetBatch<'a>, weights: Option<&'a [f64]>) -> Self {
        let n_chunks = parallel::n_chunks(rows.n_rows()).max(1);
        Self {
            rows,
            target,
            weights,
            locals: (0..n_chunks).map(|_| L::default()).collect(),
        }
    }
}

impl<L> Memory<'_, L> {
    /// What the chunks keep, in row order.
    pub(crate) fn locals(&self) -> &[L] {
        &self.locals
    }
}

impl<R: Rounds> Source<R> for Memory<'_, R::Local> {
    fn ask(&mut self, rounds: &R, question: &R::Question) -> Result<R::Partial> {
        let (rows, target, weights) = (self.rows, self.target, self.weights);
        let n_rows = rows.n_rows();
        // Merged as they come: a Gram matrix of thousands of terms is held a few times, not once
        // per chunk.
        parallel::map_merge(
            &mut self.locals,
            |index, local| {
                let batch = Batch {
                    rows,
                    range: parallel::chunk(n_rows, index),
                    target,
                    weights,
                };
                rounds.answer(question, &batch, local)
            },
            merge_two,
        )
        .unwrap_or_else(no_rows)
    }
}

/// The first error in order is the error.
fn merge_two<P: Partial>(left: Result<P>, right: Result<P>) -> Result<P> {
    left?.merge(right?)
}

fn no_rows<P>() -> Result<P> {
    Err(ErrorKind::TooFewRows {
        what: "rounds",
        required: 1,
        found: 0,
    }
    .into())
}

/// Merges answers in a fixed tree; the first error in order is the error.
fn merge_all<P: Partial>(answers: Vec<Result<P>>) -> Result<P> {
    parallel::merge_tree(answers, merge_two).unwrap_or_else(no_rows)
}

/// A batch that owns its rows, as streams and parties hold them.
#[derive(Debug, Clone)]
pub struct OwnedBatch {
    /// Rows.
    pub rows: PatientMatrix,
    /// Target.
    pub target: OwnedTarget,
    /// Weights, one per row.
    pub weights: Option<Vec<f64>>,
}

/// The target of an [`OwnedBatch`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum OwnedTarget {
    /// No target.
    None,
    /// Class number by row and classes as text.
    Classes(Vec<u32>, Vec<String>),
    /// A number by row.
    Values(Vec<f64>),
}

impl OwnedBatch {
    fn memory<L: Default>(&self) -> Memory<'_, L> {
        let target = match &self.target {
            OwnedTarget::None => TargetBatch::None,
            OwnedTarget::Classes(codes, labels) => TargetBatch::Classes { codes, labels },
            OwnedTarget::Values(values) => TargetBatch::Values(values),
        };
        Memory::new(
            RowsSource::Matrix(&self.rows),
            target,
            self.weights.as_deref(),
        )
    }

    fn check(&self) -> Result<()> {
        let n_rows = self.rows.n_rows();
        let target = match &self.target {
            OwnedTarget::None => n_rows,
            OwnedTarget::Classes(codes, labels) => {
                if codes.iter().any(|code| *code as usize >= labels.len()) {
                    return Err(ErrorKind::Schema("class number outside its table".into()).into());
                }
                codes.len()
            }
            OwnedTarget::Values(values) => values.len(),
        };
        for (what, found) in [
            ("target", target),
            ("weights", self.weights.as_ref().map_or(n_rows, Vec::len)),
        ] {
            if found != n_rows {
                return Err(ErrorKind::LengthMismatch {
                    what,
                    expected: n_rows,
                    found,
                }
                .into());
            }
        }
        Ok(())
    }
}

/// A stream of batches that can be read again for every round; never in memory as a whole.
pub struct Stream<F> {
    open: F,
}

impl<F> std::fmt::Debug for Stream<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stream")
    }
}

impl<F, I> Stream<F>
where
    F: FnMut() -> I,
    I: Iterator<Item = Result<OwnedBatch>>,
{
    /// `open` starts the stream from its beginning, once per round.
    pub fn new(open: F) -> Self {
        Self { open }
    }
}

impl<R, F, I> Source<R> for Stream<F>
where
    R: Rounds,
    F: FnMut() -> I,
    I: Iterator<Item = Result<OwnedBatch>>,
{
    fn ask(&mut self, rounds: &R, question: &R::Question) -> Result<R::Partial> {
        let mut total: Option<R::Partial> = None;
        for batch in (self.open)() {
            let batch = batch?;
            batch.check()?;
            let answer = batch.memory::<R::Local>().ask(rounds, question)?;
            total = Some(match total {
                Some(sum) => sum.merge(answer)?,
                None => answer,
            });
        }
        merge_all(total.map(Ok).into_iter().collect())
    }
}

/// When a partial may leave its site.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disclosure {
    /// Smallest number of rows behind any number; presets are 11, 5 and 3.
    pub smallest_count: u64,
    /// Largest ratio of numbers to rows in one partial of sums.
    pub numbers_per_row: f64,
}

impl Default for Disclosure {
    /// At least 11 rows behind every number and at most one number per row.
    fn default() -> Self {
        Self {
            smallest_count: 11,
            numbers_per_row: 1.0,
        }
    }
}

impl Disclosure {
    /// Judges one partial.
    ///
    /// # Errors
    /// [`ErrorKind::Disclosure`] naming the rule; an empty partial may always leave.
    pub fn judge<P: Partial>(&self, partial: &P) -> Result<()> {
        let rows = partial.n_rows();
        if rows == 0 {
            return Ok(());
        }
        let smallest = partial.smallest_count();
        if smallest < self.smallest_count {
            return Err(ErrorKind::Disclosure(format!(
                "a number with fewer than {} rows behind it",
                self.smallest_count
            ))
            .into());
        }
        let allowed = self.numbers_per_row * rows as f64;
        if partial.n_numbers() as f64 > allowed {
            return Err(ErrorKind::Disclosure(format!(
                "{} numbers about {rows} rows, allowed are {allowed:.0}",
                partial.n_numbers()
            ))
            .into());
        }
        Ok(())
    }
}

/// A site that answers questions as bytes and never gives its rows away.
#[derive(Debug)]
pub struct Party<'a, R: Rounds> {
    rounds: &'a R,
    memory: Memory<'a, R::Local>,
    disclosure: Disclosure,
}

impl<'a, R: Rounds> Party<'a, R> {
    /// A site with its rows and its disclosure rule.
    ///
    /// # Errors
    /// [`ErrorKind::LengthMismatch`] where target or weights have another length than the rows.
    pub fn new(rounds: &'a R, batch: &'a OwnedBatch, disclosure: Disclosure) -> Result<Self> {
        batch.check()?;
        Ok(Self {
            rounds,
            memory: batch.memory(),
            disclosure,
        })
    }

    /// Answers a question.
    ///
    /// # Errors
    /// [`ErrorKind::Saved`] for bytes that are no question of this fit, [`ErrorKind::Disclosure`]
    /// where the rule refuses.
    pub fn respond(&mut self, question: &[u8]) -> Result<Vec<u8>> {
        let question = decode::<R::Question>(question)?;
        let partial = self.memory.ask(self.rounds, &question)?;
        self.disclosure.judge(&partial)?;
        encode(&partial)
    }
}

/// Sites behind the caller's own transport; each entry sends a question and returns the answer.
pub struct Parties<'a> {
    links: Vec<Link<'a>>,
}

type Link<'a> = Box<dyn FnMut(&[u8]) -> Result<Vec<u8>> + 'a>;

impl std::fmt::Debug for Parties<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parties({})", self.links.len())
    }
}

impl<'a> Parties<'a> {
    /// One link per site.
    pub fn new(links: Vec<Link<'a>>) -> Self {
        Self { links }
    }
}

impl<R: Rounds> Source<R> for Parties<'_> {
    fn ask(&mut self, rounds: &R, question: &R::Question) -> Result<R::Partial> {
        let _ = rounds;
        let question = encode(question)?;
        let answers = self
            .links
            .iter_mut()
            .map(|link| decode::<R::Partial>(&link(&question)?))
            .collect();
        merge_all(answers)
    }
}

/// Bytes of a question or partial.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(|error| unreadable(&error))
}

/// A question or partial from bytes; trailing bytes are an error.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|error| unreadable(&error))?;
    if !rest.is_empty() {
        return Err(ErrorKind::Saved("bytes after the end of a message".into()).into());
    }
    Ok(value)
}

fn unreadable(error: &postcard::Error) -> Error {
    ErrorKind::Saved(format!("message between rounds: {error}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Serialize, Deserialize)]
    struct Seen {
        rows: u64,
        positions: u64,
    }

    impl Partial for Seen {
        fn merge(self, other: Self) -> Result<Self> {
            Ok(Self {
                rows: self.rows + other.rows,
                positions: self.positions + other.positions,
            })
        }

        fn n_rows(&self) -> u64 {
            self.rows
        }

        fn n_numbers(&self) -> usize {
            2
        }
    }

    /// Asks twice for the number of rows and the sum of their positions.
    struct Census;

    impl Rounds for Census {
        type Question = bool;
        type State = Vec<(u64, u64)>;
        type Partial = Seen;
        type Local = Option<Range<usize>>;
        type Outcome = Vec<(u64, u64)>;

        fn open(&self) -> Result<(bool, Self::State)> {
            Ok((false, Vec::new()))
        }

        fn answer(&self, _: &bool, batch: &Batch<'_>, local: &mut Self::Local) -> Result<Seen> {
            // What was kept in the round before belongs to the same rows.
            assert_eq!(*local.get_or_insert(batch.range.clone()), batch.range);
            Ok(Seen {
                rows: batch.range.len() as u64,
                positions: batch.range.clone().map(|row| row as u64).sum(),
            })
        }

        fn conclude(
            &self,
            state: &mut Self::State,
            last: bool,
            total: Seen,
        ) -> Result<Next<bool, Self::Outcome>> {
            state.push((total.rows, total.positions));
            Ok(match last {
                true => Next::Done(std::mem::take(state)),
                false => Next::Ask(true),
            })
        }
    }

    #[test]
    fn memory_shows_every_row_once_in_every_round() {
        for n in [
            0,
            1,
            parallel::CHUNK_ROWS + 1,
            33 * parallel::CHUNK_ROWS + 5,
        ] {
            let rows = ndarray::Array2::<f64>::zeros((n, 1));
            let source = RowsSource::Array(rows.view());
            let mut memory = Memory::new(source, TargetBatch::None, None);
            let found = drive(&Census, &mut memory, &Control::silent()).unwrap();
            let n = n as u64;
            let expected = (n, n * n.saturating_sub(1) / 2);
            assert_eq!(found, [expected, expected]);
        }
    }
}
