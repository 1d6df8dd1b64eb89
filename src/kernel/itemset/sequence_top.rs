//! The k patterns of largest support.
//!
//! The support of the k-th pattern is found by halving between supports that k patterns reach and
//! supports that they do not; a run ends when it has some more than k, and a run that has them without
//! being ended has the answer. Else those above that support, which are fewer than k, and as many of
//! those at it as are missing. So ties beyond counting need no memory, and the answer does not
//! depend on how the search went.

use std::time::Instant;

use super::limits::{Bound, Guard, Limits, Meter, Overrun};
use super::prefix_span::{PrefixSpan, SequenceSettings};
use super::sequence_data::{Sequences, prepare};
use super::sequence_patterns::{Pattern, decode, first_only, visit};
use super::sink::{Lengths, Sink};
use super::{MineError, Miner};
use crate::numeric::parallel;

/// The `k` patterns of largest support with at least `settings.min_support`, the largest first and then in
/// canonical order. The bound on sets holds where closed patterns are asked for.
pub(crate) fn top(
    input: &Sequences<'_>,
    settings: &SequenceSettings,
    k: usize,
) -> Result<Vec<(Pattern, u64)>, MineError> {
    settings.check()?;
    let mut settings = settings.clone();
    if !settings.closed {
        // What is kept is bounded by k.
        settings.limits = Limits {
            max_sets: u64::MAX,
            max_bytes: u64::MAX,
            ..settings.limits
        };
    }
    // One bound on time for all runs.
    let ends = settings.limits.max_time.map(|time| (Instant::now(), time));
    let least = match threshold(input, &settings, k)? {
        Threshold::Passed(mut found) => {
            found.sort_by_key(|(_, support)| std::cmp::Reverse(*support));
            found.truncate(k);
            return Ok(found);
        }
        Threshold::At(support) => support,
    };
    settings.limits.max_time = ends.map(|(start, time)| time.saturating_sub(start.elapsed()));
    settings.min_support = least.saturating_add(1);
    let mut found = first(input, &settings, k, None)?;
    found.sort_by_key(|(_, support)| std::cmp::Reverse(*support));
    if found.len() < k {
        settings.min_support = least;
        found.extend(first(input, &settings, k - found.len(), Some(least))?);
    }
    Ok(found)
}

/// What the search for the support of the k-th pattern came upon.
enum Threshold {
    /// All patterns of some support, k of them at least.
    Passed(Vec<(Pattern, u64)>),
    /// The largest support that k patterns reach, or the least allowed one.
    At(u64),
}

fn threshold(
    input: &Sequences<'_>,
    settings: &SequenceSettings,
    k: usize,
) -> Result<Threshold, MineError> {
    let ends = settings.limits.max_time.map(|time| (Instant::now(), time));
    let enough = k.saturating_mul(4).saturating_add(1024);
    // `low` is reached by k patterns, or is the least allowed; `high` is not reached by k.
    let (mut low, mut high) = (settings.min_support, input.offsets.len() as u64);
    let mut reached = false;
    let mut beyond = None;
    while low + 1 < high {
        // Falling first: a run at too small a support is the dear one.
        let middle = if reached || beyond.is_some() {
            low + (high - low) / 2
        } else {
            (high / 2).max(low + 1)
        };
        let mut run = settings.clone();
        run.min_support = middle;
        run.limits.max_time = ends.map(|(start, time)| time.saturating_sub(start.elapsed()));
        match first(input, &run, enough, None) {
            Ok(found) if found.len() < k => high = middle,
            Ok(found) if found.len() < enough => return Ok(Threshold::Passed(found)),
            Ok(found) => {
                // k of these reach this, whatever else there is.
                let mut supports: Vec<u64> = found.iter().map(|(_, support)| *support).collect();
                supports.sort_unstable_by(|a, b| b.cmp(a));
                low = supports[k.saturating_sub(1)];
                (reached, beyond) = (true, None);
            }
            // All patterns there are too many to look for closed ones; perhaps above.
            Err(MineError::Overrun(overrun)) if settings.closed && overrun.bound != Bound::Time => {
                low = middle;
                beyond = Some(MineError::Overrun(overrun));
            }
            Err(error) => return Err(error),
        }
    }
    match beyond {
        None => Ok(Threshold::At(low)),
        Some(error) => Err(error),
    }
}

/// The first `k` patterns in canonical order; those of one support where it is given.
fn first(
    input: &Sequences<'_>,
    settings: &SequenceSettings,
    k: usize,
    support: Option<u64>,
) -> Result<Vec<(Pattern, u64)>, MineError> {
    let mut found = Vec::new();
    if settings.closed {
        visit(input, settings, &mut |pattern, own| {
            if support.is_none_or(|support| support == own) {
                found.push((pattern.clone(), own));
            }
            found.len() < k
        })?;
        return Ok(found);
    }
    let data = prepare(input, settings.min_support)?;
    let guard = Guard::new(settings.limits);
    let miner = PrefixSpan {
        data: &data,
        settings,
        most: settings.max_length,
        first_only: first_only(&data, settings),
    };
    // No task has to tell more than k; a wave of them runs ahead of what may suffice.
    let wave = 8 * parallel::threads();
    let mut next = 0;
    while next < miner.tasks() && found.len() < k {
        let tasks = wave.min(miner.tasks() - next);
        let parts = parallel::map_tasks(tasks, |at| {
            let mut few = Few {
                meter: Meter::new(&guard),
                lengths: Lengths {
                    least: settings.min_length,
                    most: settings.max_length,
                },
                support,
                most: k,
                found: Vec::new(),
            };
            miner.run(next + at, &mut few);
            few.found
        });
        for (codes, support) in parts.into_iter().flatten().take(k - found.len()) {
            let mut pattern = Pattern::default();
            decode(&data.ids, &codes, &mut pattern);
            found.push((pattern, support));
        }
        next += tasks;
    }
    match guard.met() {
        None => Ok(found),
        Some(bound) => Err(MineError::Overrun(Overrun {
            bound,
            at_least: found.len() as f64,
            longest: 0,
        })),
    }
}

/// Keeps some patterns and then ends its task.
struct Few<'a> {
    meter: Meter<'a>,
    lengths: Lengths,
    support: Option<u64>,
    most: usize,
    found: Vec<(Vec<u32>, u64)>,
}

impl Sink for Few<'_> {
    fn take(&mut self, set: &[u32], support: u64) {
        let wanted = self.support.is_none_or(|own| own == support);
        if wanted && self.lengths.holds(set.len()) && self.found.len() < self.most {
            self.found.push((set.to_vec(), support));
        }
    }

    fn step(&mut self) -> bool {
        self.meter.step() || self.found.len() >= self.most
    }

    fn stopped(&self) -> bool {
        self.meter.stopped() || self.found.len() >= self.most
    }
}
