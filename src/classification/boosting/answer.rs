//! What a batch of rows answers in each round of a boosting fit.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::messages::{
    Answer, Ask, BinCounts, BoostingPartial, BoostingQuestion, CellsAsked, Losses, Plan, Start,
    Tally, differ,
};
use super::params::NAME;
use super::rounds::BoostingRounds;
use super::target::{is_validated, target_kind};
use crate::design::align::{align, refuse_infinite, refuse_infinite_stored};
use crate::design::binned::{BinnedDesign, level_counts};
use crate::design::edges::{count, count_stored, whole_weight as key_weight};
use crate::design::stored::stored_rows;
use crate::error::{ErrorKind, Result};
use crate::estimator::rounds::{Batch, TargetBatch};
use crate::estimator::{ClassLabel, RowsSource};
use crate::kernel::tree::answer::{Layout, LeafSum, Step, Walk};
use crate::kernel::tree::boost::{Draw, drawn_features};
use crate::kernel::tree::gradient::{
    Gradients, LossScale, Objective, class_sums, weight_unit, whole_weight,
};
use crate::kernel::tree::quantise::Quantised;
use crate::numeric::seed::text_code;

/// What a batch keeps: its bins, scores and gradients, all of which a question can make again.
#[derive(Debug, Default)]
pub struct BoostingLocal {
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    plan: Arc<Plan>,
    train: Part,
    validation: Part,
    start: Option<Arc<Start>>,
    /// Trees that the scores hold.
    walked: usize,
    quantised: Vec<Quantised>,
    losses: Losses,
}

/// Rows of one side.
#[derive(Debug)]
struct Part {
    design: BinnedDesign,
    classes: Vec<u32>,
    weights: Vec<f64>,
    draws: Vec<u64>,
    scores: Vec<Vec<f64>>,
}

impl Part {
    fn start(&mut self, base: &[f64]) {
        let n_rows = self.design.n_rows;
        self.scores = base.iter().map(|base| vec![*base; n_rows]).collect();
    }

    fn take(&self, objective: Objective, losses: &LossScale) -> (Gradients, i128) {
        let mut gradients = Gradients::new(objective.n_outputs(), self.design.n_rows);
        let (classes, weights) = (&self.classes, &self.weights);
        let sum = gradients.take(objective, classes, weights, &self.scores, losses);
        (gradients, sum)
    }
}

/// Which side the rows of a batch are on and what they are drawn by, from the first of its rows on.
struct Sides {
    start: usize,
    validated: Option<Vec<bool>>,
    draws: Option<Vec<u64>>,
}

impl Sides {
    fn validated(&self, row: usize) -> bool {
        let sides = self.validated.as_ref();
        sides.is_some_and(|sides| sides[row - self.start])
    }

    fn draw(&self, row: usize) -> u64 {
        let draws = self.draws.as_ref();
        draws.map_or(0, |draws| draws[row - self.start])
    }
}

/// Something of the patient of every row of a batch.
fn of_patients<T>(batch: &Batch<'_>, of: impl Fn(&str) -> T) -> Result<Vec<T>> {
    let keys = match batch.rows {
        RowsSource::Matrix(matrix) => Some(matrix.keys().require_patients(NAME)?),
        RowsSource::Array(_) => None,
    };
    let keys = keys.ok_or(ErrorKind::MissingKeys {
        what: NAME,
        key: "patient",
    })?;
    Ok(batch.range.clone().map(|row| of(keys.label(row))).collect())
}

fn weight(batch: &Batch<'_>, row: usize) -> f64 {
    batch.weights.map_or(1.0, |weights| weights[row])
}

fn classes<'a>(batch: &Batch<'a>) -> Result<(&'a [u32], &'a [String])> {
    match batch.target {
        TargetBatch::Classes { codes, labels } => Ok((codes, labels)),
        _ => Err(target_kind("classes", "another kind of target")),
    }
}

impl<L: ClassLabel> BoostingRounds<L> {
    /// The answer of one batch.
    pub(super) fn answer_batch(
        &self,
        question: &BoostingQuestion,
        batch: &Batch<'_>,
        local: &mut BoostingLocal,
    ) -> Result<BoostingPartial> {
        let answer = match &question.0 {
            Ask::Census => self.census(batch)?,
            Ask::Cells(asked) => self.cells(asked, batch)?,
            Ask::Bins(plan) => {
                let held = self.hold(plan, batch)?;
                let answer = held.bins();
                local.held = Some(held);
                answer
            }
            Ask::Nodes(start, trees, jobs) => {
                let held = self.walk(start, trees, batch, local)?;
                let turn = trees.len() / start.base.len().max(1);
                let allowed = self.allowed(turn);
                let layout = Layout::new(&start.plan.binner, &allowed);
                let rows = self.drawn(held, turn);
                let mut sums = Vec::with_capacity(jobs.len());
                for job in jobs {
                    let walk = Walk::new(&job.steps, held.train.design.n_features)?;
                    let words = &held
                        .quantised
                        .get(job.output as usize)
                        .ok_or_else(differ)?
                        .words;
                    let design = &held.train.design;
                    sums.push(layout.count(design, &walk, &job.asked, &rows, words));
                }
                Answer::Nodes(held.losses, sums)
            }
            Ask::Leaves(start, trees, shapes) => {
                let held = self.walk(start, trees, batch, local)?;
                let rows = self.drawn(held, trees.len() / start.base.len().max(1));
                let unit = weight_unit(start.plan.largest);
                let mut sums = Vec::with_capacity(shapes.len());
                for (steps, quantised) in shapes.iter().zip(&held.quantised) {
                    let walk = Walk::new(steps, held.train.design.n_features)?;
                    let leaf_of = walk.leaves(&held.train.design);
                    let mut leaves = vec![LeafSum::default(); walk.n_nodes()];
                    for row in &rows {
                        let row = *row as usize;
                        let (gradient, curvature) = quantised.fine[row];
                        leaves[leaf_of[row] as usize].add(&LeafSum {
                            gradient,
                            curvature,
                            weight: whole_weight(held.train.weights[row], unit),
                            rows: 1,
                        });
                    }
                    sums.push(leaves);
                }
                Answer::Leaves(sums)
            }
        };
        let present = batch.range.clone().filter(|row| weight(batch, *row) > 0.0);
        Ok(BoostingPartial {
            rows: present.count() as u64,
            answer,
        })
    }

    pub(super) fn allowed(&self, turn: usize) -> Vec<bool> {
        drawn_features(self.schema.len(), &self.settings, turn)
    }

    fn sides(&self, batch: &Batch<'_>) -> Result<Sides> {
        let params = &self.params;
        let is = |key: &str| is_validated(key, params.validation_share, params.seed);
        let validated = params.early_stopping.map(|_| of_patients(batch, is));
        let drawn = self.settings.row_share < 1.0;
        let draws = drawn.then(|| of_patients(batch, text_code));
        Ok(Sides {
            start: batch.range.start,
            validated: validated.transpose()?,
            draws: draws.transpose()?,
        })
    }

    fn census(&self, batch: &Batch<'_>) -> Result<Answer> {
        let (codes, labels) = classes(batch)?;
        let sides = self.sides(batch)?;
        let mut tallies = vec![Tally::default(); labels.len()];
        let mut learnt = Vec::new();
        for row in batch.range.clone() {
            let weight = weight(batch, row);
            if !(weight >= 0.0 && weight.is_finite()) {
                return Err(ErrorKind::NonFinite {
                    what: "weights",
                    row: Some(row),
                    column: None,
                    rule: "finite weights of zero or more",
                }
                .into());
            }
            if weight == 0.0 {
                continue;
            }
            let tally = &mut tallies[codes[row] as usize];
            if sides.validated(row) {
                tally.validated += 1;
                tally.largest_validation = tally.largest_validation.max(weight);
            } else {
                tally.rows += 1;
                tally.range = (tally.range.0.min(weight), tally.range.1.max(weight));
                learnt.push(row);
            }
        }
        let readers = align(&self.schema, batch.rows)?;
        let levels = self.schema.features().iter().zip(&readers);
        let levels = levels
            .map(|(feature, reader)| match feature.kind().is_categorical() {
                true => level_counts(reader, learnt.iter().copied()),
                false => BTreeMap::new(),
            })
            .collect();
        let classes = labels.iter().cloned().zip(tallies);
        let seen = classes.filter(|(_, tally)| tally.rows + tally.validated > 0);
        Ok(Answer::Census(seen.collect(), levels))
    }

    fn cells(&self, asked: &CellsAsked, batch: &Batch<'_>) -> Result<Answer> {
        let features = self.schema.features();
        if asked.stretches.len() != features.len() {
            return Err(differ());
        }
        let sides = self.sides(batch)?;
        let learnt = |row: usize| weight(batch, row) > 0.0 && !sides.validated(row);
        if batch
            .range
            .clone()
            .any(|row| learnt(row) && weight(batch, row) > asked.range.1)
        {
            return Err(differ());
        }
        let readers = align(&self.schema, batch.rows)?;
        let (rows, range) = (batch.range.clone(), asked.range);
        let weights: Option<Vec<u64>> = (range.0 < range.1).then(|| {
            rows.clone()
                .map(|row| key_weight(weight(batch, row), range))
                .collect()
        });
        let whole = |at: usize| weights.as_ref().map_or(1, |weights| weights[at]);
        let n_learnt = rows
            .clone()
            .filter(|row| learnt(*row))
            .fold((0, 0), |(n, sum), row| {
                (n + 1, sum + whole(row - rows.start))
            });
        let mut column = vec![0.0; rows.len()];
        let mut cells = Vec::with_capacity(features.len());
        for ((feature, reader), stretches) in features.iter().zip(&readers).zip(&asked.stretches) {
            if stretches.is_empty() {
                cells.push(Vec::new());
                continue;
            }
            if let Some((at, values)) = stored_rows(reader, rows.start, rows.len()) {
                refuse_infinite_stored(feature, at, values)?;
                let kept = at.iter().zip(values);
                let kept = kept.filter(|(row, _)| learnt(**row as usize));
                let (at, values): (Vec<u32>, Vec<f64>) = kept.unzip();
                let of = |at: &u32| whole(*at as usize - rows.start);
                let weights: Option<Vec<u64>> =
                    weights.as_ref().map(|_| at.iter().map(of).collect());
                let zeros = n_learnt.0 - at.len() as u64;
                let weight = weights
                    .as_ref()
                    .map_or(zeros, |w| n_learnt.1 - w.iter().sum::<u64>());
                let zeros = (zeros, weight);
                let weights = weights.as_deref();
                cells.push(count_stored(
                    &values,
                    weights,
                    zeros,
                    stretches,
                    asked.first,
                ));
                continue;
            }
            reader.fill(rows.start, &mut column);
            refuse_infinite(feature, rows.start, &column)?;
            for (row, value) in rows.clone().zip(&mut column) {
                *value = if learnt(row) { *value } else { f64::NAN };
            }
            cells.push(count(&column, weights.as_deref(), stretches, asked.first));
        }
        let mut sums = Vec::new();
        if asked.first {
            sums = vec![0; asked.classes.len()];
            let (codes, labels) = classes(batch)?;
            let numbers = numbers(labels, &asked.classes);
            let unit = weight_unit(range.1);
            for row in rows.filter(|row| learnt(*row)) {
                let class = numbers[codes[row] as usize].ok_or_else(differ)?;
                sums[class as usize] += whole_weight(weight(batch, row), unit);
            }
        }
        Ok(Answer::Cells(sums, cells))
    }

    /// The bins, classes and weights of a batch.
    fn hold(&self, plan: &Arc<Plan>, batch: &Batch<'_>) -> Result<Held> {
        let (codes, labels) = classes(batch)?;
        plan.binner.check()?;
        if plan.factors.len() != plan.classes.len() || plan.binner.schema != self.schema {
            return Err(differ());
        }
        let numbers = numbers(labels, &plan.classes);
        let sides = self.sides(batch)?;
        let design = plan.binner.apply_range(batch.rows, batch.range.clone())?;
        let part = |wanted: bool| -> Result<Part> {
            let start = batch.range.start;
            let rows: Vec<u32> = batch
                .range
                .clone()
                .filter(|row| weight(batch, *row) > 0.0 && sides.validated(*row) == wanted)
                .map(|row| (row - start) as u32)
                .collect();
            let of_rows = || rows.iter().map(|row| start + *row as usize);
            let classes = of_rows()
                .map(|row| numbers[codes[row] as usize])
                .collect::<Option<Vec<u32>>>()
                .ok_or_else(differ)?;
            let weights = of_rows().zip(&classes);
            Ok(Part {
                design: design.select(&rows),
                weights: weights
                    .map(|(row, class)| weight(batch, row) * plan.factors[*class as usize])
                    .collect(),
                classes,
                draws: of_rows().map(|row| sides.draw(row)).collect(),
                scores: Vec::new(),
            })
        };
        let (train, validation) = (part(false)?, part(true)?);
        for (part, largest) in [
            (&train, plan.largest),
            (&validation, plan.largest_validation),
        ] {
            if !largest.is_finite() || part.weights.iter().any(|weight| *weight > largest) {
                return Err(differ());
            }
        }
        Ok(Held {
            plan: Arc::clone(plan),
            train,
            validation,
            start: None,
            walked: 0,
            quantised: Vec::new(),
            losses: Losses::default(),
        })
    }

    /// Brings scores and gradients to where the given trees lead.
    fn walk<'l>(
        &self,
        start: &Arc<Start>,
        trees: &[Vec<Step>],
        batch: &Batch<'_>,
        local: &'l mut BoostingLocal,
    ) -> Result<&'l mut Held> {
        let held = match local.held.take() {
            Some(held) if same(&held.plan, &start.plan) => held,
            _ => self.hold(&start.plan, batch)?,
        };
        let held = local.held.insert(held);
        let n_outputs = start.base.len();
        let objective = Objective::of(start.plan.classes.len());
        if n_outputs != objective.n_outputs() || start.base.iter().any(|base| !base.is_finite()) {
            return Err(differ());
        }
        let started = held
            .start
            .as_ref()
            .is_some_and(|before| same(before, start));
        let at_once = started && held.walked == trees.len();
        if !started || held.walked > trees.len() {
            held.start = Some(Arc::clone(start));
            held.walked = 0;
            held.train.start(&start.base);
            held.validation.start(&start.base);
        }
        if at_once {
            return Ok(held);
        }
        for (place, steps) in trees.iter().enumerate().skip(held.walked) {
            let walk = Walk::new(steps, held.train.design.n_features)?;
            for part in [&mut held.train, &mut held.validation] {
                walk.add_to(&part.design, &mut part.scores[place % n_outputs]);
            }
        }
        held.walked = trees.len();
        let scale = objective.scale(start.plan.largest, start.rows as usize);
        let (gradients, train) = held.train.take(objective, &start.losses);
        let (_, validation) = held.validation.take(objective, &start.validation);
        held.losses = Losses { train, validation };
        held.quantised.resize_with(n_outputs, Quantised::default);
        let by_output = gradients.gradients.iter().zip(&gradients.curvatures);
        for (quantised, (gradients, curvatures)) in held.quantised.iter_mut().zip(by_output) {
            quantised.set(scale, gradients, curvatures);
        }
        Ok(held)
    }

    /// Rows that a tree grows on.
    fn drawn(&self, held: &Held, turn: usize) -> Vec<u32> {
        let train = &held.train;
        let used = (0..train.design.n_rows).filter(|row| train.weights[*row] > 0.0);
        let rows: Vec<u32> = match Draw::new(&self.settings, turn) {
            None => used.map(|row| row as u32).collect(),
            Some(draw) => used
                .filter(|row| draw.takes(train.draws[*row]))
                .map(|row| row as u32)
                .collect(),
        };
        rows
    }
}

impl Held {
    fn bins(&self) -> Answer {
        let (plan, train) = (&self.plan, &self.train);
        let filled = plan.binner.bins.iter().enumerate().map(|(feature, bins)| {
            let n_bins = bins.len();
            let counts = train.design.counts(feature);
            let mut filled = counts[..n_bins].to_vec();
            filled.push(counts[255]);
            filled
        });
        let n_classes = plan.classes.len();
        let sums =
            |part: &Part, largest| class_sums(&part.classes, &part.weights, largest, n_classes);
        Answer::Bins(BinCounts {
            filled: filled.collect(),
            sums: sums(train, plan.largest),
            validation_sums: sums(&self.validation, plan.largest_validation),
            used: train.weights.iter().filter(|weight| **weight > 0.0).count() as u64,
        })
    }
}

fn same<T: PartialEq>(a: &Arc<T>, b: &Arc<T>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

/// Number of every label among the classes.
fn numbers(labels: &[String], classes: &[String]) -> Vec<Option<u32>> {
    let number = |label: &String| classes.iter().position(|class| class == label);
    labels
        .iter()
        .map(|label| number(label).map(|number| number as u32))
        .collect()
}
