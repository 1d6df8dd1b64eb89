//! What a batch of rows answers in each round of a logistic fit.

use std::borrow::Cow;
use std::ops::Range;

use super::messages::{
    Answer, Ask, Information, LogisticPartial, LogisticQuestion, Margins, Plan, add,
};
use super::rounds::{LogisticRounds, missing};
use crate::design::align::{Reader, align, all_finite, row_major};
use crate::design::block::{Block, Design};
use crate::design::statistics::{Statistics, Tally};
use crate::error::{ErrorKind, Result};
use crate::estimator::Schema;
use crate::estimator::rounds::{Batch, TargetBatch};
use crate::kernel::linear::factor::Factor;
use crate::kernel::linear::pass::{
    Outcome, Point, Request, Scratch, Sums, add_block, linear_predictor, pilot_rows, scaled_columns,
};
use crate::kernel::linear::rows::add_rows;
use crate::kernel::linear::sparse_gram::SparseGram;
use crate::kernel::loss::Loss;

const NAME: &str = "LogisticRegression";

/// What a batch keeps: outcomes of its rows, and their design where one is needed.
#[derive(Debug, Default)]
pub struct LogisticLocal {
    /// Whether all values of the batch are known to be finite numbers.
    complete: bool,
    design: Option<Design>,
    target: Vec<f64>,
    weights: Vec<f64>,
    offset: Option<Vec<f64>>,
}

impl LogisticRounds {
    /// The outcomes and weights of a batch, made once for the same rows.
    fn outcomes(&self, plan: &Plan, batch: &Batch<'_>, local: &mut LogisticLocal) -> Result<()> {
        if local.target.len() == batch.range.len() {
            return Ok(());
        }
        local.design = None;
        (local.target, local.weights) = outcomes(batch, &plan.classes, plan.factors)?;
        local.offset = match &plan.offset {
            None => None,
            Some(column) => Some(read_offset(column, batch)?),
        };
        Ok(())
    }

    /// The same and the design.
    fn prepare(&self, plan: &Plan, batch: &Batch<'_>, local: &mut LogisticLocal) -> Result<()> {
        self.outcomes(plan, batch, local)?;
        if local.design.is_none() {
            local.design = Some(plan.encoder.apply(batch.rows, batch.range.clone())?);
        }
        Ok(())
    }

    fn answer_sums(
        &self,
        plan: &Plan,
        request: &Request,
        batch: &Batch<'_>,
        local: &mut LogisticLocal,
    ) -> Result<Sums> {
        let mut batch = batch.clone();
        if request.pilot {
            batch.range = pilot_rows(batch.range);
        }
        self.outcomes(plan, &batch, local)?;
        let direct = direct_rows(plan, &batch, local.complete);
        if direct.is_none() {
            self.prepare(plan, &batch, local)?;
        }
        let terms = plan.encoder.terms();
        let width = request.gram.as_ref().map_or(0, |set| set.len() + 1);
        let mut sums = Sums {
            gradient: vec![0.0; terms.len()],
            gram: vec![0.0; width * width],
            ..Sums::default()
        };
        // Not kept between rounds: the allocator hands the same pages to the next chunk.
        let mut scratch = Scratch::default();
        if let Some(rows) = direct {
            let outcome = local.outcome(0..local.target.len());
            add_rows(
                Loss::Logistic,
                terms,
                &rows,
                outcome,
                request,
                &mut scratch,
                &mut sums,
            );
            return Ok(sums);
        }
        scratch.sparse = request.gram.as_ref().and_then(|set| {
            let blocks = local
                .design
                .as_ref()
                .map_or(&[][..], |design| &design.blocks);
            SparseGram::plan(terms, blocks, set)
        });
        for (block, outcome) in local.pieces() {
            add_block(
                Loss::Logistic,
                terms,
                block,
                outcome,
                request,
                &mut scratch,
                &mut sums,
            );
        }
        if let Some(sparse) = &scratch.sparse {
            sparse.finish(terms, &mut sums.gram);
        }
        Ok(sums)
    }

    /// The answer of one batch.
    pub(super) fn answer_batch(
        &self,
        question: &LogisticQuestion,
        batch: &Batch<'_>,
        local: &mut LogisticLocal,
    ) -> Result<LogisticPartial> {
        let plan = match &question.0 {
            Ask::Sums(plan, request) => {
                let sums = self.answer_sums(plan, request, batch, local)?;
                return Ok(LogisticPartial(Answer::Sums(sums)));
            }
            Ask::Rank(plan) | Ask::Separation(plan, _) | Ask::Information(plan, _, _) => plan,
            Ask::Fill(question) => {
                let sums = question.answer(&self.schema, batch)?;
                return Ok(LogisticPartial(Answer::Fill(sums)));
            }
            Ask::Prepare => return self.answer_prepare(batch, local),
        };
        self.prepare(plan, batch, local)?;
        let terms = plan.encoder.terms();
        let rows = local.weights.iter().filter(|weight| **weight > 0.0).count() as u64;
        let mut pieces = local.pieces();
        Ok(LogisticPartial(match &question.0 {
            Ask::Rank(_) => {
                let set: Vec<u32> = (0..terms.len() as u32).collect();
                let mut columns = Vec::new();
                let factor = pieces.try_fold(Factor::default(), |factor, (block, outcome)| {
                    let roots: Vec<f64> = outcome
                        .weights
                        .iter()
                        .map(|weight| f64::from(*weight > 0.0))
                        .collect();
                    factor.merge(Factor::of_block(terms, block, &set, &roots, &mut columns))
                });
                Answer::Rank(rows, factor.unwrap_or_default())
            }
            Ask::Separation(_, direction) => {
                let mut margins = Margins {
                    rows,
                    smallest: f64::INFINITY,
                    largest: 0.0,
                };
                let mut eta = Vec::new();
                for (block, outcome) in pieces {
                    linear_predictor(terms, block, direction, None, &mut eta);
                    for (row, value) in eta.iter().enumerate() {
                        if outcome.weights[row] > 0.0 {
                            let margin = if outcome.target[row] > 0.5 {
                                *value
                            } else {
                                -value
                            };
                            margins.smallest = margins.smallest.min(margin);
                            margins.largest = margins.largest.max(margin);
                        }
                    }
                }
                Answer::Separation(margins)
            }
            Ask::Information(_, point, set) => {
                let mut information = Information {
                    rows,
                    ..Information::default()
                };
                for (block, outcome) in pieces {
                    add_information(terms, block, outcome, point, set, &mut information)?;
                }
                Answer::Information(information)
            }
            Ask::Prepare | Ask::Fill(_) | Ask::Sums(..) => {
                return Err(ErrorKind::Schema("a question answered before".into()).into());
            }
        }))
    }

    fn answer_prepare(
        &self,
        batch: &Batch<'_>,
        local: &mut LogisticLocal,
    ) -> Result<LogisticPartial> {
        let statistics = Statistics::of(&self.schema, batch)?;
        local.complete = batch.weights.is_none() && statistics.complete();
        let TargetBatch::Classes { codes, labels } = batch.target else {
            return Err(target_kind("classes", "another kind of target"));
        };
        let mut tallies = vec![Tally::default(); labels.len()];
        for row in batch.range.clone() {
            let weight = batch.weights.map_or(1.0, |weights| weights[row]);
            if weight > 0.0 {
                let tally = &mut tallies[codes[row] as usize];
                tally.rows += 1;
                tally.weight += weight;
            }
        }
        let classes = labels.iter().cloned().zip(tallies).collect();
        Ok(LogisticPartial(Answer::Prepared(statistics, classes)))
    }
}

/// 0/1 outcome and weight of every row of a batch.
fn outcomes(
    batch: &Batch<'_>,
    classes: &[String; 2],
    factors: [f64; 2],
) -> Result<(Vec<f64>, Vec<f64>)> {
    let TargetBatch::Classes { codes, labels } = batch.target else {
        return Err(target_kind("classes", "another kind of target"));
    };
    // A third class is an error unless all its rows have weight zero: those are as if absent.
    let numbers: Vec<Option<usize>> = labels
        .iter()
        .map(|label| classes.iter().position(|class| class == label))
        .collect();
    let mut target = Vec::with_capacity(batch.range.len());
    let mut weights = Vec::with_capacity(batch.range.len());
    for row in batch.range.clone() {
        let weight = batch.weights.map_or(1.0, |all| all[row]);
        let number = match numbers[codes[row] as usize] {
            Some(number) => number,
            None if weight == 0.0 => 0,
            None => return Err(target_kind("two classes", "a third class")),
        };
        target.push(number as f64);
        weights.push(weight * factors[number]);
    }
    Ok((target, weights))
}

/// The offset column of a batch, in the rows of `batch.range`.
pub(super) fn read_offset(column: &str, batch: &Batch<'_>) -> Result<Vec<f64>> {
    let feature = match batch.rows {
        crate::estimator::RowsSource::Matrix(matrix) => {
            matrix.schema().features()[matrix.schema().find(column)?].clone()
        }
        crate::estimator::RowsSource::Array(_) => {
            return Err(ErrorKind::FeatureNames {
                missing: vec![column.to_string()],
                suggestion: None,
            }
            .into());
        }
    };
    let schema = Schema::new(vec![feature.clone()])?;
    let readers = align(&schema, batch.rows)?;
    let mut values = vec![0.0; batch.range.len()];
    if let [reader @ Reader::View(_)] = &readers[..] {
        reader.fill(batch.range.start, &mut values);
    }
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(values),
        Some(row) => Err(ErrorKind::NonFinite {
            what: "offset",
            row: Some(batch.range.start + row),
            column: Some(column.to_string()),
            rule: "finite values without gaps",
        }
        .into()),
    }
}

pub(super) fn target_kind(expected: &str, found: &str) -> crate::error::Error {
    ErrorKind::TargetKind {
        what: NAME,
        expected: expected.into(),
        found: found.into(),
    }
    .into()
}

/// The rows of a batch as they lie in memory, where they need no design: a row-major array of
/// finite numbers, each a term of its own.
fn direct_rows<'a>(plan: &Plan, batch: &Batch<'a>, complete: bool) -> Option<Cow<'a, [f64]>> {
    let n_rows = batch.range.len();
    let (rows, width) = row_major(batch.rows, batch.range.start, n_rows)?;
    let plain = n_rows > 0 && plan.encoder.plain() && plan.encoder.n_terms() == width;
    (plain && (complete || all_finite(&rows))).then_some(rows)
}

impl LogisticLocal {
    fn outcome(&self, range: Range<usize>) -> Outcome<'_> {
        Outcome {
            target: &self.target[range.clone()],
            weights: &self.weights[range.clone()],
            offset: self.offset.as_ref().map(|offset| &offset[range]),
        }
    }

    /// The blocks of the design with the outcomes of their rows.
    fn pieces(&self) -> impl Iterator<Item = (&Block, Outcome<'_>)> {
        let blocks = self.design.iter().flat_map(|design| &design.blocks);
        blocks.scan(0, |start, block| {
            let range = *start..*start + block.n_rows;
            *start = range.end;
            Some((block, self.outcome(range)))
        })
    }

    /// Calls `take` with the score columns (terms of `set`, then ones) of every block, its number
    /// of rows and their weights.
    pub(super) fn visit(
        &self,
        terms: &[crate::design::encode::Term],
        point: &Point,
        loss: Loss,
        set: &[u32],
        mut take: impl FnMut(&[f64], usize, &[f64]),
    ) {
        let (mut eta, mut columns) = (Vec::new(), Vec::new());
        for (block, outcome) in self.pieces() {
            linear_predictor(terms, block, point, outcome.offset, &mut eta);
            let mut curvature = vec![0.0; block.n_rows];
            loss.evaluate(&mut eta, outcome.target, outcome.weights, &mut curvature);
            scaled_columns(terms, block, set, &eta, &mut columns);
            take(&columns, block.n_rows, outcome.weights);
        }
    }
}

fn add_information(
    terms: &[crate::design::encode::Term],
    block: &Block,
    outcome: Outcome<'_>,
    point: &Point,
    set: &[u32],
    information: &mut Information,
) -> Result<()> {
    let mut eta = Vec::new();
    linear_predictor(terms, block, point, outcome.offset, &mut eta);
    let mut curvature = vec![0.0; block.n_rows];
    Loss::Logistic.evaluate(&mut eta, outcome.target, outcome.weights, &mut curvature);
    let roots: Vec<f64> = curvature.iter().map(|h| h.sqrt()).collect();
    let mut columns = Vec::new();
    let k = set.len() + 1;
    let factor = Factor::of_block(terms, block, set, &roots, &mut columns);
    let merged = std::mem::take(&mut information.factor).merge(factor);
    information.factor = missing(merged)?;
    // eta now holds the weighted residuals: scores are residual times row.
    scaled_columns(terms, block, set, &eta, &mut columns);
    let gradient = columns
        .chunks_exact(block.n_rows)
        .map(|column| column.iter().sum());
    let before = std::mem::take(&mut information.gradient);
    information.gradient = missing(add(before, gradient.collect()))?;
    if information.meat.is_empty() {
        information.meat = vec![0.0; k * k];
    }
    crate::numeric::linalg::gram_add(&mut information.meat, &columns, block.n_rows, k);
    Ok(())
}
