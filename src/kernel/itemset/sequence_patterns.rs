//! Runs of PrefixSpan: collected or visited, all patterns or closed ones.

use std::collections::HashMap;

use super::MineError;
use super::drive::{self, Itemsets};
use super::limits::{Bound, Guard, Limits, Overrun};
use super::prefix_span::{PrefixSpan, SequenceSettings};
use super::sequence_data::{Data, Sequences, prepare};
use super::sequence_probe::{Probe, probe};
use super::sink::Lengths;

/// A pattern as it is handed out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Pattern {
    /// Items of all elements, ascending within one.
    pub(crate) items: Vec<u32>,
    /// End of every element in `items`.
    pub(crate) ends: Vec<usize>,
}

/// Collected patterns, front-coded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patterns {
    ids: Vec<u32>,
    coded: Itemsets,
    /// Patterns left out, by place; all are in where empty.
    dropped: Vec<bool>,
    lengths: Option<Lengths>,
}

pub(super) fn decode(ids: &[u32], codes: &[u32], pattern: &mut Pattern) {
    pattern.items.clear();
    pattern.ends.clear();
    for (at, &code) in codes.iter().enumerate() {
        if at > 0 && code & 1 == 1 {
            pattern.ends.push(at);
        }
        pattern.items.push(ids[(code >> 1) as usize]);
    }
    pattern.ends.push(codes.len());
}

impl Patterns {
    /// Hands the patterns over in order until the visitor says no.
    pub(crate) fn visit(&self, mut visitor: impl FnMut(&Pattern, u64) -> bool) {
        let mut pattern = Pattern::default();
        let mut at = 0;
        self.coded.visit(|codes, support| {
            let wanted = !self.dropped.get(at).is_some_and(|&dropped| dropped)
                && self
                    .lengths
                    .is_none_or(|lengths| lengths.holds(codes.len()));
            at += 1;
            if !wanted {
                return true;
            }
            decode(&self.ids, codes, &mut pattern);
            visitor(&pattern, support)
        });
    }
}

fn outcome<T>(guard: &Guard, limits: &Limits, seen: Probe, output: T) -> Result<T, MineError> {
    match guard.met() {
        None => Ok(output),
        Some(bound) => Err(MineError::Overrun(Overrun {
            bound,
            at_least: seen.at_least.max(match bound {
                Bound::Sets => limits.max_sets as f64 + 1.0,
                _ => guard.sets() as f64,
            }),
            longest: seen.longest,
        })),
    }
}

/// Refuses at once what one long pattern proves to be too much.
fn look_ahead(
    miner: &PrefixSpan<'_>,
    limits: &Limits,
    lengths: Lengths,
) -> Result<Probe, MineError> {
    if limits.max_sets == u64::MAX {
        return Ok(Probe::default());
    }
    let seen = probe(miner, lengths, limits.max_sets as f64);
    if seen.at_least > limits.max_sets as f64 {
        return Err(MineError::Overrun(Overrun {
            bound: Bound::Sets,
            at_least: seen.at_least,
            longest: seen.longest,
        }));
    }
    Ok(seen)
}

pub(super) fn first_only(data: &Data, settings: &SequenceSettings) -> bool {
    data.single && settings.max_gap.is_none() && settings.max_span.is_none()
}

/// All patterns, collected.
pub(crate) fn collect(
    input: &Sequences<'_>,
    settings: &SequenceSettings,
) -> Result<Patterns, MineError> {
    settings.check()?;
    let data = prepare(input, settings.min_support)?;
    let guard = Guard::new(settings.limits);
    // Whether a pattern is closed shows in those with one more item.
    let more = usize::from(settings.closed);
    let miner = PrefixSpan {
        data: &data,
        settings,
        most: settings.max_length.saturating_add(more),
        first_only: first_only(&data, settings),
    };
    let lengths = Lengths {
        least: if settings.closed {
            1
        } else {
            settings.min_length
        },
        most: miner.most,
    };
    let limits = &settings.limits;
    let seen = look_ahead(&miner, limits, lengths)?;
    let coded = drive::collect_from(&miner, &guard, lengths);
    let coded = outcome(&guard, limits, seen, coded)?;
    let mut patterns = Patterns {
        coded,
        ..Patterns::default()
    };
    if settings.closed {
        let dropped = not_closed(&patterns.coded, &guard);
        patterns.dropped = outcome(&guard, limits, seen, dropped)?;
        patterns.lengths = Some(Lengths {
            least: settings.min_length,
            most: settings.max_length,
        });
    }
    patterns.ids = data.ids;
    Ok(patterns)
}

/// Hands every pattern over in order until the visitor returns false, without holding them all;
/// closed patterns are collected first.
pub(crate) fn visit(
    input: &Sequences<'_>,
    settings: &SequenceSettings,
    visitor: &mut dyn FnMut(&Pattern, u64) -> bool,
) -> Result<(), MineError> {
    if settings.closed {
        collect(input, settings)?.visit(visitor);
        return Ok(());
    }
    settings.check()?;
    let data = prepare(input, settings.min_support)?;
    let guard = Guard::new(settings.limits);
    let miner = PrefixSpan {
        data: &data,
        settings,
        most: settings.max_length,
        first_only: first_only(&data, settings),
    };
    let lengths = Lengths {
        least: settings.min_length,
        most: settings.max_length,
    };
    let seen = look_ahead(&miner, &settings.limits, lengths)?;
    let mut pattern = Pattern::default();
    drive::visit_from(&miner, &guard, lengths, &mut |codes, support| {
        decode(&data.ids, codes, &mut pattern);
        visitor(&pattern, support)
    });
    outcome(&guard, &settings.limits, seen, ())
}

/// Bytes of a table of patterns: the keys beside it have a length of their own.
fn bytes_of_table(patterns: usize) -> u64 {
    let slots = (patterns as u64).saturating_mul(8) / 7;
    let slot = size_of::<(Box<[u32]>, (usize, u64))>() as u64 + 1;
    slots.saturating_add(1).next_power_of_two() * slot + patterns as u64
}

/// Marks patterns that have the support of one with one more item. The table of all patterns counts against the
/// bound on bytes; where that is met nothing is marked.
fn not_closed(coded: &Itemsets, guard: &Guard) -> Vec<bool> {
    const BATCH: u64 = 1 << 16;
    guard.report(0, bytes_of_table(coded.len()));
    if guard.stopped() {
        return Vec::new();
    }
    let mut places: HashMap<Box<[u32]>, (usize, u64)> = HashMap::with_capacity(coded.len());
    let mut bytes = 0;
    coded.visit(|codes, support| {
        // An allocation takes whole blocks of 16 bytes, one of them its own.
        bytes += (size_of_val(codes) as u64).next_multiple_of(16) + 16;
        if bytes >= BATCH {
            guard.report(0, std::mem::take(&mut bytes));
        }
        places.insert(codes.into(), (places.len(), support));
        !guard.stopped()
    });
    guard.report(0, bytes);
    if guard.stopped() {
        return Vec::new();
    }
    let mut dropped = vec![false; places.len()];
    let mut shorter = Vec::new();
    coded.visit(|codes, support| {
        for left_out in 0..codes.len() {
            shorter.clear();
            shorter.extend_from_slice(&codes[..left_out]);
            shorter.extend_from_slice(&codes[left_out + 1..]);
            // The next item of the element now begins it.
            if codes[left_out] & 1 == 1
                && let Some(next) = shorter.get_mut(left_out)
            {
                *next |= 1;
            }
            if let Some(&(at, own)) = places.get(shorter.as_slice()) {
                dropped[at] |= own == support;
            }
        }
        true
    });
    dropped
}
