//! The fit as rounds: census, bins, then trees, each grown from merged sums of whole numbers.
//!
//! ```text
//!   census -> cells of keys (some rounds) -> bins -> | nodes (about as often as a tree is deep) |
//!                                                    | leaves                                   | x trees
//! ```
//!
//! Every sum is a whole number, and all decisions are those of a fit in memory: the model is the same
//! to the last bit, however the rows are dealt.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use super::answer::BoostingLocal;
use super::fit::{Facts, Fitted, too_few};
use super::messages::{
    Answer, Ask, BinCounts, BoostingPartial, BoostingQuestion, CellsAsked, Job, Losses, Plan,
    Start, Tally, differ,
};
use super::model::GradientBoosting;
use super::params::{GradientBoostingValidParams, NAME};
use super::target::{event, target_kind};
use crate::design::binned::{Binner, Bins, MAX_BINS, level_bins};
use crate::design::edges::{Cell, Search};
use crate::error::{ErrorKind, Result};
use crate::estimator::rounds::{Batch, Next, Rounds, Source, drive};
use crate::estimator::{ClassLabel, Control, Lineage, Schema};
use crate::kernel::tree::answer::{BinSum, Layout, LeafSum, Step, steps_of};
use crate::kernel::tree::boost::{Boosted, Settings, Watch};
use crate::kernel::tree::decide::{Growth, Rules};
use crate::kernel::tree::gradient::{LossScale, Objective, weight_unit};
use crate::kernel::tree::quantise::Scale;
use crate::kernel::tree::shared::{Ground, Growing};

/// What a round leads to.
type Then<L> = Next<BoostingQuestion, BoostingOutcome<L>>;

/// A boosting fit over rounds; see [`crate::estimator::rounds`]. `L` is the type of class labels.
///
/// Rows may be dealt to shards in any way: the model has the bytes of a fit in memory, but for its
/// lineage, which shards do not tell. With `row_share` or early stopping every shard needs patient
/// keys, by which rows are drawn.
///
/// **Disclosure.** What leaves a site are counts of bins and sums of their rows, and the smallest and
/// largest value of cells of the key grid: with features of many values some of them come from single
/// rows, and [`Disclosure`](crate::estimator::rounds::Disclosure) refuses them at any limit above 1.
/// All its presets (11, 5, 3) pass only where every bin of every node holds so many rows: flags and
/// levels that are all frequent, and `min_leaf_rows` to match.
#[derive(Debug, Clone)]
pub struct BoostingRounds<L: ClassLabel = bool> {
    pub(super) params: GradientBoostingValidParams,
    pub(super) settings: Settings,
    growth: Growth,
    pub(super) schema: Schema,
    label: PhantomData<fn() -> L>,
}

/// What the rounds conclude.
#[derive(Debug, Clone)]
pub struct BoostingOutcome<L: ClassLabel> {
    classes: Vec<L>,
    modelled: usize,
    event_named: bool,
    binner: Binner,
    facts: Facts,
    boosted: Boosted,
}

/// What the coordinator remembers.
#[derive(Debug)]
pub struct BoostingState<L: ClassLabel> {
    classes: Vec<L>,
    modelled: usize,
    event_named: bool,
    /// In the order of the kernel.
    texts: Vec<String>,
    tallies: Vec<Tally>,
    levels: Vec<BTreeMap<String, u64>>,
    /// Of numbers; none for categories.
    searches: Vec<Option<Search>>,
    range: (f64, f64),
    sums: Vec<i64>,
    facts: Option<Facts>,
    trees: Arc<Vec<Vec<Step>>>,
    growing: Vec<Growing>,
    /// Whether the losses after the trees so far are still to come.
    unheard: bool,
    boosted: Boosted,
    watch: Watch,
}

impl GradientBoostingValidParams {
    /// The rounds of this fit, for rows that are not in memory; `schema` lists the features.
    ///
    /// # Errors
    /// [`ErrorKind::NoFeatures`]; [`ErrorKind::FeatureNames`] and [`ErrorKind::FeatureMismatch`] for
    /// settings that the features do not fit.
    pub fn rounds<L: ClassLabel>(&self, schema: &Schema) -> Result<BoostingRounds<L>> {
        if schema.is_empty() {
            return Err(ErrorKind::NoFeatures { what: NAME }.into());
        }
        let settings = self.settings(schema)?;
        Ok(BoostingRounds {
            params: self.clone(),
            growth: settings.growth(),
            settings,
            schema: schema.clone(),
            label: PhantomData,
        })
    }

    /// Fits over any source of rows; the model of [`Self::fit_with_control`] on all of them, but for
    /// its lineage.
    ///
    /// Questions hold the trees so far: over a network a fit of `t` trees sends about
    /// `t^2 x leaves x depth x 6` bytes to every site, and receives up to `24 x bins` bytes a node. A
    /// [`Stream`](crate::estimator::rounds::Stream) keeps nothing between rounds and makes bins and
    /// scores anew in each.
    ///
    /// # Errors
    /// As [`Self::fit_with_control`], and those of the source; [`ErrorKind::MissingKeys`] where rows
    /// are to be drawn by patient and have no keys; [`ErrorKind::TargetKind`] for classes that are not
    /// of type `L`.
    pub fn fit_over<L, S>(
        &self,
        rounds: &BoostingRounds<L>,
        source: &mut S,
        control: &Control,
    ) -> Result<GradientBoosting<L>>
    where
        L: ClassLabel,
        S: Source<BoostingRounds<L>>,
    {
        let outcome = drive(rounds, source, control)?;
        let fitted = Fitted {
            params: self,
            start: None,
            classes: outcome.classes,
            modelled: outcome.modelled,
            event_named: outcome.event_named,
            lineage: Lineage::default(),
            binner: outcome.binner,
            facts: outcome.facts,
            boosted: outcome.boosted,
        };
        fitted.model()
    }
}

impl<L: ClassLabel> Rounds for BoostingRounds<L> {
    type Question = BoostingQuestion;
    type State = BoostingState<L>;
    type Partial = BoostingPartial;
    type Local = BoostingLocal;
    type Outcome = BoostingOutcome<L>;

    fn open(&self) -> Result<(Self::Question, Self::State)> {
        let max_bins = self.params.max_bins.min(MAX_BINS);
        let features = self.schema.features().iter();
        let searches = features
            .map(|feature| (!feature.kind().is_categorical()).then(|| Search::new(max_bins)))
            .collect();
        let state = BoostingState {
            classes: Vec::new(),
            modelled: 0,
            event_named: false,
            texts: Vec::new(),
            tallies: Vec::new(),
            levels: Vec::new(),
            searches,
            range: (0.0, 0.0),
            sums: Vec::new(),
            facts: None,
            trees: Arc::default(),
            growing: Vec::new(),
            unheard: false,
            boosted: Boosted {
                base: Vec::new(),
                trees: Vec::new(),
                train_loss: Vec::new(),
                validation_loss: Vec::new(),
                stopped_early: false,
            },
            watch: Watch::new(self.settings.patience),
        };
        Ok((BoostingQuestion(Ask::Census), state))
    }

    fn answer(
        &self,
        question: &Self::Question,
        batch: &Batch<'_>,
        local: &mut Self::Local,
    ) -> Result<Self::Partial> {
        self.answer_batch(question, batch, local)
    }

    fn conclude(
        &self,
        state: &mut Self::State,
        question: Self::Question,
        total: Self::Partial,
    ) -> Result<Next<Self::Question, Self::Outcome>> {
        match (question.0, total.answer) {
            (Ask::Census, Answer::Census(classes, levels)) => {
                self.conclude_census(state, &classes, levels)
            }
            (Ask::Cells(asked), Answer::Cells(sums, cells)) => {
                self.conclude_cells(state, asked, sums, cells)
            }
            (Ask::Bins(plan), Answer::Bins(bins)) => self.conclude_bins(state, plan, &bins),
            (Ask::Nodes(start, trees, jobs), Answer::Nodes(losses, sums)) => {
                drop(trees);
                self.conclude_nodes(state, &start, &jobs, losses, sums)
            }
            (Ask::Leaves(start, trees, shapes), Answer::Leaves(sums)) => {
                drop(trees);
                if sums.len() != shapes.len() {
                    return Err(differ());
                }
                self.conclude_leaves(state, &start, &sums)
            }
            _ => Err(differ()),
        }
    }
}

impl<L: ClassLabel> BoostingRounds<L> {
    fn conclude_census(
        &self,
        state: &mut BoostingState<L>,
        found: &BTreeMap<String, Tally>,
        levels: Vec<BTreeMap<String, u64>>,
    ) -> Result<Then<L>> {
        let other = || target_kind("labels of the asked type", "other text");
        let mut classes = Vec::new();
        for (text, tally) in found {
            if tally.rows > 0 || tally.validated > 0 {
                classes.push((L::from_text(text).ok_or_else(other)?, text, tally));
            }
        }
        classes.sort_by(|a, b| a.0.cmp(&b.0));
        if classes.len() < 2 {
            return Err(ErrorKind::SingleClass { what: NAME }.into());
        }
        if levels.len() != self.schema.len() {
            return Err(differ());
        }
        state.classes = classes.iter().map(|(class, _, _)| class.clone()).collect();
        (state.modelled, state.event_named) = event(&self.params, &state.classes)?;
        if classes.len() == 2 && state.modelled == 0 {
            // In the order of the kernel, class 1 is the modelled one.
            classes.reverse();
        }
        let validated: u64 = classes.iter().map(|(_, _, tally)| tally.validated).sum();
        if self.params.early_stopping.is_some() && validated == 0 {
            return Err(too_few("validation rows of early stopping"));
        }
        if classes.iter().any(|(_, _, tally)| tally.rows == 0) {
            return Err(too_few("rows of a class to learn from"));
        }
        state.texts = classes.iter().map(|(_, text, _)| (*text).clone()).collect();
        state.tallies = classes.iter().map(|(_, _, tally)| **tally).collect();
        state.levels = levels;
        let ranges = state.tallies.iter().map(|tally| tally.range);
        state.range = ranges.fold((f64::INFINITY, 0.0), |all, range| {
            (all.0.min(range.0), all.1.max(range.1))
        });
        Ok(Self::ask_cells(state, true))
    }

    fn ask_cells(state: &BoostingState<L>, first: bool) -> Then<L> {
        let asked = |search: &Option<Search>| {
            search
                .as_ref()
                .map_or_else(Vec::new, |search| search.asked().to_vec())
        };
        Next::Ask(BoostingQuestion(Ask::Cells(CellsAsked {
            classes: state.texts.clone(),
            range: state.range,
            first,
            stretches: state.searches.iter().map(asked).collect(),
        })))
    }

    fn conclude_cells(
        &self,
        state: &mut BoostingState<L>,
        asked: CellsAsked,
        sums: Vec<i64>,
        cells: Vec<Vec<Cell>>,
    ) -> Result<Then<L>> {
        if cells.len() != state.searches.len() {
            return Err(differ());
        }
        if asked.first {
            state.sums = sums;
        }
        let mut more = false;
        for (search, cells) in state.searches.iter_mut().zip(cells) {
            if let Some(search) = search.as_mut().filter(|search| !search.asked().is_empty()) {
                search.advance(cells);
                more |= !search.asked().is_empty();
            }
        }
        if more {
            return Ok(Self::ask_cells(state, false));
        }
        let unit = weight_unit(state.range.1);
        let totals: Vec<f64> = state.sums.iter().map(|sum| *sum as f64 * unit).collect();
        if totals.len() != state.texts.len() {
            return Err(differ());
        }
        let factors = self.params.weighting().factors(&state.texts, 1, &totals)?;
        let max_bins = self.params.max_bins.min(MAX_BINS);
        let searches = state.searches.iter().zip(std::mem::take(&mut state.levels));
        let bins = searches.map(|(search, levels)| match search {
            Some(search) => Bins::Number(search.edges()),
            None => level_bins(levels, max_bins),
        });
        let largest = |of: fn(&Tally) -> f64| {
            let weighed = state.tallies.iter().zip(&factors);
            let weighed = weighed.map(|(tally, factor)| of(tally) * factor);
            weighed.fold(0.0_f64, f64::max)
        };
        let plan = Plan {
            binner: Binner {
                schema: self.schema.clone(),
                positional: false,
                bins: bins.collect(),
            },
            classes: state.texts.clone(),
            largest: largest(|tally| tally.range.1),
            largest_validation: largest(|tally| tally.largest_validation),
            factors,
        };
        Ok(Next::Ask(BoostingQuestion(Ask::Bins(Arc::new(plan)))))
    }

    fn conclude_bins(
        &self,
        state: &mut BoostingState<L>,
        plan: Arc<Plan>,
        bins: &BinCounts,
    ) -> Result<Then<L>> {
        let n_classes = plan.classes.len();
        let lengths = [bins.sums.len(), bins.validation_sums.len()];
        if lengths != [n_classes; 2] || bins.filled.len() != plan.binner.bins.len() {
            return Err(differ());
        }
        let objective = Objective::of(n_classes);
        let count = |of: fn(&Tally) -> u64| state.tallies.iter().map(of);
        state.facts = Some(Facts {
            n_rows: count(|tally| tally.rows + tally.validated).sum(),
            n_events: count(|tally| tally.rows + tally.validated)
                .nth(1)
                .unwrap_or(0),
            validation_rows: count(|tally| tally.validated).sum(),
            ..Facts::of_bins(&bins.filled, &plan.binner)
        });
        let base = objective.base_scores(&bins.sums, plan.largest);
        state.boosted.base.clone_from(&base);
        let start = Arc::new(Start {
            losses: LossScale::new(&bins.sums, plan.largest),
            validation: LossScale::new(&bins.validation_sums, plan.largest_validation),
            base,
            rows: bins.used,
            plan,
        });
        Ok(self.next_trees(state, &start))
    }

    /// Asks about the roots of the next trees; about nothing but losses after the last ones.
    fn next_trees(&self, state: &mut BoostingState<L>, start: &Arc<Start>) -> Then<L> {
        let n_outputs = start.base.len();
        let all = state.trees.len() / n_outputs >= self.settings.n_trees;
        let n_growing = if all { 0 } else { n_outputs };
        state.growing = (0..n_growing).map(|_| Growing::new()).collect();
        Self::ask_nodes(state, start)
    }

    fn ask_nodes(state: &BoostingState<L>, start: &Arc<Start>) -> Then<L> {
        let growing = state.growing.iter().enumerate();
        let jobs = growing
            .filter(|(_, growing)| !growing.asked().is_empty())
            .map(|(output, growing)| Job {
                output: output as u32,
                steps: growing.steps(),
                asked: growing.asked().to_vec(),
            });
        let (start, trees) = (Arc::clone(start), Arc::clone(&state.trees));
        Next::Ask(BoostingQuestion(Ask::Nodes(start, trees, jobs.collect())))
    }

    fn scale(start: &Start) -> Scale {
        let objective = Objective::of(start.plan.classes.len());
        objective.scale(start.plan.largest, start.rows as usize)
    }

    fn rules<'r>(&'r self, start: &'r Start) -> Rules<'r> {
        Rules {
            binner: &start.plan.binner,
            growth: &self.growth,
        }
    }

    fn conclude_nodes(
        &self,
        state: &mut BoostingState<L>,
        start: &Arc<Start>,
        jobs: &[Job],
        losses: Losses,
        sums: Vec<Vec<Vec<BinSum>>>,
    ) -> Result<Then<L>> {
        if std::mem::take(&mut state.unheard) {
            let train = start.losses.mean(losses.train);
            let watched = self.params.early_stopping.is_some();
            let validation = watched.then(|| start.validation.mean(losses.validation));
            let ends = state.watch.ends(&mut state.boosted, train, validation);
            if ends || jobs.is_empty() {
                return self.finish(state, start);
            }
        }
        if sums.len() != jobs.len() {
            return Err(differ());
        }
        let allowed = self.allowed(state.trees.len() / start.base.len());
        let layout = Layout::new(&start.plan.binner, &allowed);
        let scale = Self::scale(start);
        let ground = Ground {
            rules: self.rules(start),
            layout: &layout,
            scale: &scale,
        };
        for (job, sums) in jobs.iter().zip(sums) {
            let growing = state.growing.get_mut(job.output as usize);
            growing.ok_or_else(differ)?.take(ground, sums)?;
        }
        if state
            .growing
            .iter()
            .any(|growing| !growing.asked().is_empty())
        {
            return Ok(Self::ask_nodes(state, start));
        }
        let binner = &start.plan.binner;
        let shapes = state
            .growing
            .iter()
            .map(|growing| growing.final_steps(binner));
        let (start, trees) = (Arc::clone(start), Arc::clone(&state.trees));
        let shapes = shapes.collect();
        Ok(Next::Ask(BoostingQuestion(Ask::Leaves(
            start, trees, shapes,
        ))))
    }

    fn conclude_leaves(
        &self,
        state: &mut BoostingState<L>,
        start: &Arc<Start>,
        sums: &[Vec<LeafSum>],
    ) -> Result<Then<L>> {
        let rules = self.rules(start);
        let scale = Self::scale(start);
        let unit = weight_unit(start.plan.largest);
        for (growing, sums) in state.growing.iter_mut().zip(sums) {
            let (draft, leaves) = growing.done().ok_or_else(differ)?;
            if sums.len() != draft.tree.nodes.len() {
                return Err(differ());
            }
            let valued = leaves.iter().map(|leaf| {
                let sum = &sums[leaf.node];
                let value = rules.value(sum.gradient, sum.curvature, &scale, leaf.bounds);
                (leaf.node, value, sum.weight as f64 * unit)
            });
            let valued: Vec<(usize, f64, f64)> = valued.collect();
            let (tree, by_bins) = draft.finish(valued, self.settings.learning_rate);
            let steps = steps_of(&tree, &by_bins, &start.plan.binner);
            Arc::make_mut(&mut state.trees).push(steps);
            state.boosted.trees.push(tree);
        }
        state.unheard = true;
        Ok(self.next_trees(state, start))
    }

    fn finish(&self, state: &mut BoostingState<L>, start: &Start) -> Result<Then<L>> {
        state.watch.finish(&mut state.boosted);
        let empty = Boosted {
            base: Vec::new(),
            trees: Vec::new(),
            train_loss: Vec::new(),
            validation_loss: Vec::new(),
            stopped_early: false,
        };
        Ok(Next::Done(BoostingOutcome {
            classes: std::mem::take(&mut state.classes),
            modelled: state.modelled,
            event_named: state.event_named,
            binner: start.plan.binner.clone(),
            facts: state.facts.take().ok_or_else(differ)?,
            boosted: std::mem::replace(&mut state.boosted, empty),
        }))
    }
}
