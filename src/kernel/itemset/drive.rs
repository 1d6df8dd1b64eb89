//! Runs of a miner: collect, visit, count; in parallel, always in canonical order.

use super::apriori::Apriori;
use super::eclat::{Eclat, Kind};
use super::fp_growth::FpGrowth;
use super::generators::Generators;
use super::limits::{Bound, Guard, Limits, Overrun, subsets};
use super::prepare::{Baskets, Prepared, prepare};
use super::sink::{Buffer, Coded, Counter, Direct, Lengths};
use super::{Algorithm, MineError, Miner, Settings, Target};
use crate::numeric::parallel;

/// Collected sets, front-coded; a few bytes a set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Itemsets {
    parts: Vec<Coded>,
}

/// Sets as compressed rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) offsets: Vec<usize>,
    pub(crate) items: Vec<u32>,
    pub(crate) supports: Vec<u64>,
}

impl Itemsets {
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(Coded::len).sum()
    }

    /// Hands the sets over in order until the visitor says no.
    pub(crate) fn visit(&self, mut visitor: impl FnMut(&[u32], u64) -> bool) {
        for part in &self.parts {
            if !part.visit(&mut visitor) {
                return;
            }
        }
    }

    /// All sets uncoded.
    #[cfg(test)]
    pub(crate) fn table(&self) -> Table {
        let mut table = Table {
            offsets: Vec::with_capacity(self.len() + 1),
            items: Vec::with_capacity(self.parts.iter().map(Coded::n_items).sum()),
            supports: Vec::with_capacity(self.len()),
        };
        table.offsets.push(0);
        self.visit(|set, support| {
            table.items.extend_from_slice(set);
            table.offsets.push(table.items.len());
            table.supports.push(support);
            true
        });
        table
    }
}

/// Something to do with a miner whose type is not known before the data are.
trait Job {
    type Output;
    fn run(self, miner: &impl Miner) -> Self::Output;
}

/// Prepares the data, picks the miner, checks the bounds before and after.
fn with_miner<J: Job>(
    baskets: &Baskets<'_>,
    settings: &Settings,
    guard: &Guard,
    job: J,
) -> Result<J::Output, MineError> {
    if settings.min_support == 0 {
        return Err(MineError::Input("min_support: must be at least 1"));
    }
    if settings.min_length == 0 || settings.max_length < settings.min_length {
        return Err(MineError::Input(
            "min_length, max_length: must be 1 <= min_length <= max_length",
        ));
    }
    let data = prepare(
        baskets,
        settings.min_support,
        &settings.required,
        &settings.forbidden,
        settings.target == Target::Generators,
    )?;
    // Level by level all frequent sets are passed, whichever are wanted.
    let all = settings.target == Target::Frequent || settings.algorithm == Algorithm::Apriori;
    if all && settings.look_ahead && explodes(&data, settings) {
        let longest = probe(&data, settings, &settings.limits);
        let at_least = many(&data, settings, longest);
        if at_least > settings.limits.max_sets as f64 {
            return Err(MineError::Overrun(Overrun {
                bound: Bound::Sets,
                at_least,
                longest: longest + data.required.len(),
            }));
        }
    }
    let (least, most) = (settings.min_support, settings.max_length);
    let kind = match settings.target {
        Target::Closed => Kind::Closed,
        Target::Maximal => Kind::Maximal,
        _ => Kind::Frequent,
    };
    let output = match (settings.algorithm, settings.target) {
        (Algorithm::Apriori, target) => job.run(&Apriori::new(&data, least, most, target, guard)),
        (Algorithm::FpGrowth, Target::Generators) => {
            let part = prepare(
                baskets,
                least,
                &settings.required,
                &settings.forbidden,
                false,
            )?;
            job.run(&FpGrowth::new(
                &part,
                &data,
                least,
                most,
                Target::Generators,
            ))
        }
        (Algorithm::FpGrowth, target) => job.run(&FpGrowth::new(&data, &data, least, most, target)),
        (_, Target::Generators) => job.run(&Generators::new(&data, least, most)),
        _ => job.run(&Eclat::new(&data, least, most, kind)),
    };
    let Some(bound) = guard.met() else {
        return Ok(output);
    };
    let longest = if all {
        probe(&data, settings, &settings.limits)
    } else {
        0
    };
    Err(MineError::Overrun(Overrun {
        bound,
        at_least: many(&data, settings, longest).max(match bound {
            Bound::Sets => settings.limits.max_sets as f64 + 1.0,
            _ => guard.sets() as f64,
        }),
        longest: longest + if longest > 0 { data.required.len() } else { 0 },
    }))
}

/// Whether a set so long that it alone stands for too many may be frequent: only then it is looked for.
fn explodes(data: &Prepared, settings: &Settings) -> bool {
    let too_many = |longest: usize| many(data, settings, longest) > settings.limits.max_sets as f64;
    let (mut fits, mut breaks) = (0, data.n_items() + 1);
    while fits + 1 < breaks {
        let middle = fits.midpoint(breaks);
        if too_many(middle) {
            breaks = middle;
        } else {
            fits = middle;
        }
    }
    let rows = (0..data.rows.len()).filter(|row| data.rows.row(*row).len() >= breaks);
    let weight: u64 = rows.map(|row| data.rows.weight(row)).sum();
    breaks <= data.n_items() && weight >= settings.min_support
}

/// Number of sets that one frequent set of `longest` items beside the required ones stands for.
fn many(data: &Prepared, settings: &Settings, longest: usize) -> f64 {
    let fixed = data.required.len();
    subsets(
        longest,
        settings.min_length.saturating_sub(fixed),
        settings.max_length.saturating_sub(fixed),
    )
}

/// Length of a long frequent set, found greedily: the most frequent item first, then again among
/// the rows left. Ends as soon as it proves more sets than allowed.
fn probe(data: &Prepared, settings: &Settings, limits: &Limits) -> usize {
    let rows = &data.rows;
    let mut left: Vec<u32> = (0..rows.len() as u32).collect();
    let mut taken = vec![false; data.n_items()];
    let mut counts = data.supports.clone();
    let mut length = 0;
    loop {
        let mut best = None;
        for (item, &count) in counts.iter().enumerate() {
            if !taken[item] && count >= settings.min_support {
                best = match best {
                    Some((most, _)) if most >= count => best,
                    _ => Some((count, item)),
                };
            }
        }
        let Some((most, item)) = best else {
            return length;
        };
        let weight: u64 = left.iter().map(|&row| rows.weight(row as usize)).sum();
        if most == weight {
            // Everything that all rows left have in common.
            for (item, &count) in counts.iter().enumerate() {
                if !taken[item] && count == most {
                    taken[item] = true;
                    length += 1;
                }
            }
        } else {
            taken[item] = true;
            length += 1;
            left.retain(|&row| rows.row(row as usize).binary_search(&(item as u32)).is_ok());
        }
        if many(data, settings, length) > limits.max_sets as f64 {
            return length;
        }
        counts.fill(0);
        for &row in &left {
            for &item in rows.row(row as usize) {
                counts[item as usize] += rows.weight(row as usize);
            }
        }
    }
}

fn lengths(settings: &Settings) -> Lengths {
    Lengths {
        least: settings.min_length,
        most: settings.max_length,
    }
}

/// All sets, collected.
pub(crate) fn collect(baskets: &Baskets<'_>, settings: &Settings) -> Result<Itemsets, MineError> {
    struct Collect<'a>(&'a Guard, Lengths);
    impl Job for Collect<'_> {
        type Output = Itemsets;

        fn run(self, miner: &impl Miner) -> Itemsets {
            collect_from(miner, self.0, self.1)
        }
    }
    let guard = Guard::new(settings.limits);
    with_miner(
        baskets,
        settings,
        &guard,
        Collect(&guard, lengths(settings)),
    )
}

/// Number of sets by length.
pub(crate) fn count(baskets: &Baskets<'_>, settings: &Settings) -> Result<Vec<u64>, MineError> {
    struct Count<'a>(&'a Guard, Lengths);
    impl Job for Count<'_> {
        type Output = Vec<u64>;

        fn run(self, miner: &impl Miner) -> Vec<u64> {
            let parts = parallel::map_tasks(miner.tasks(), |task| {
                let mut counter = Counter::new(self.0, self.1);
                miner.run(task, &mut counter);
                std::mem::take(&mut counter.by_length)
            });
            let mut total: Vec<u64> = Vec::new();
            for part in parts {
                if part.len() > total.len() {
                    total.resize(part.len(), 0);
                }
                for (sum, count) in total.iter_mut().zip(part) {
                    *sum += count;
                }
            }
            while total.last() == Some(&0) {
                total.pop();
            }
            total
        }
    }
    let guard = Guard::new(settings.limits);
    with_miner(baskets, settings, &guard, Count(&guard, lengths(settings)))
}

/// Largest buffer of one task while visiting; a larger task is run again at its turn, straight
/// into the visitor.
const HELD: usize = 4 << 20;
/// Tasks held at a time by each thread.
const WAVE: usize = 8;

/// Hands every set over as `(items, support)` in canonical order until the visitor returns false.
/// Sets are never held all at once.
pub(crate) fn visit(
    baskets: &Baskets<'_>,
    settings: &Settings,
    visitor: &mut dyn FnMut(&[u32], u64) -> bool,
) -> Result<(), MineError> {
    struct Visit<'a, 'v>(&'a Guard, Lengths, &'v mut dyn FnMut(&[u32], u64) -> bool);
    impl Job for Visit<'_, '_> {
        type Output = ();

        fn run(self, miner: &impl Miner) {
            visit_from(miner, self.0, self.1, self.2);
        }
    }
    let guard = Guard::new(settings.limits);
    with_miner(
        baskets,
        settings,
        &guard,
        Visit(&guard, lengths(settings), visitor),
    )
}

/// Runs all tasks and keeps what they find.
pub(crate) fn collect_from(miner: &impl Miner, guard: &Guard, lengths: Lengths) -> Itemsets {
    let parts = parallel::map_tasks(miner.tasks(), |task| {
        let mut buffer = Buffer::new(guard, lengths, usize::MAX);
        miner.run(task, &mut buffer);
        let mut coded = std::mem::take(&mut buffer.coded);
        coded.shrink();
        coded
    });
    Itemsets { parts }
}

/// Runs all tasks and hands over what they find, wave by wave.
pub(crate) fn visit_from(
    miner: &impl Miner,
    guard: &Guard,
    lengths: Lengths,
    visitor: &mut dyn FnMut(&[u32], u64) -> bool,
) {
    let tasks = miner.tasks();
    let threads = parallel::threads();
    if threads == 1 {
        let mut direct = Direct::new(guard, lengths, visitor);
        for task in 0..tasks {
            miner.run(task, &mut direct);
        }
        return;
    }
    let mut next = 0;
    while next < tasks && !guard.stopped() {
        let wave = (threads * WAVE).min(tasks - next);
        // Sets count when they are handed over; here only time and the end of the run do.
        let ahead = Guard::new(Limits {
            max_sets: u64::MAX,
            max_bytes: u64::MAX,
            max_time: guard.time_left(),
        });
        let parts = parallel::map_tasks(wave, |at| {
            let mut buffer = Buffer::new(&ahead, lengths, HELD);
            miner.run(next + at, &mut buffer);
            (!buffer.full).then(|| std::mem::take(&mut buffer.coded))
        });
        if ahead.stopped() {
            guard.report(0, 0);
            return;
        }
        for (at, part) in parts.into_iter().enumerate() {
            match part {
                None => miner.run(next + at, &mut Direct::new(guard, lengths, &mut *visitor)),
                Some(coded) => {
                    let mut direct = Direct::new(guard, lengths, &mut *visitor);
                    coded.visit(|set, support| {
                        super::sink::Sink::take(&mut direct, set, support);
                        !super::sink::Sink::stopped(&direct)
                    });
                }
            }
            if guard.stopped() {
                return;
            }
        }
        next += wave;
    }
}
