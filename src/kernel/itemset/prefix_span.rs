//! Sequential patterns: PrefixSpan with gaps and spans in days.
//!
//! A pattern is a list of elements, each a set of items of one day; a patient supports it when
//! days with these items follow one another within the bounds. Patterns grow at the end, by an item
//! of the same day or of a later day, and each carries the places where it can end (pseudo-
//! projection: Pei et al. 2004, doi:10.1109/TKDE.2004.77). With a largest gap the first place does
//! not suffice, since a later one may reach further; so all places are kept, each with the latest
//! day on which the pattern can have begun, which serves the largest span best.
//!
//! Order: depth first; after a pattern those with one more item on its last day, by item, then those
//! with an item on a later day, by item.

use super::limits::Limits;
use super::sequence_data::{Data, NONE, Place};
use super::sink::Sink;
use super::{MineError, Miner};

/// What to mine.
#[derive(Debug, Clone)]
pub(crate) struct SequenceSettings {
    /// Least number of patients; at least one.
    pub(crate) min_support: u64,
    /// Days between consecutive elements: at least this, and at least one.
    pub(crate) min_gap: u32,
    /// At most this.
    pub(crate) max_gap: Option<u32>,
    /// Days from the first to the last element, at most.
    pub(crate) max_span: Option<u32>,
    /// Least and largest number of items of a pattern.
    pub(crate) min_length: usize,
    pub(crate) max_length: usize,
    /// Leave out patterns that another one with one more item and the same support contains.
    pub(crate) closed: bool,
    pub(crate) limits: Limits,
}

impl SequenceSettings {
    /// Patterns of any length and gap.
    pub(crate) fn new(min_support: u64) -> Self {
        Self {
            min_support,
            min_gap: 1,
            max_gap: None,
            max_span: None,
            min_length: 1,
            max_length: usize::MAX,
            closed: false,
            limits: Limits::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), MineError> {
        if self.min_support == 0 {
            return Err(MineError::Input("min_support: must be at least 1"));
        }
        if self.min_length == 0 || self.max_length < self.min_length {
            return Err(MineError::Input(
                "min_length, max_length: must be 1 <= min_length <= max_length",
            ));
        }
        if self.min_gap == 0 || self.max_gap.is_some_and(|most| most < self.min_gap) {
            return Err(MineError::Input(
                "min_gap, max_gap: must be 1 <= min_gap <= max_gap",
            ));
        }
        Ok(())
    }
}

/// The miner; sets of its sink are codes, twice the rank plus one where an element begins.
#[derive(Debug)]
pub(super) struct PrefixSpan<'a> {
    pub(super) data: &'a Data,
    pub(super) settings: &'a SequenceSettings,
    pub(super) most: usize,
    /// The first place of each patient says all.
    pub(super) first_only: bool,
}

impl Miner for PrefixSpan<'_> {
    fn tasks(&self) -> usize {
        self.data.ids.len()
    }

    fn run<S: Sink>(&self, task: usize, sink: &mut S) {
        let n = self.data.ids.len();
        let mut search = Search {
            miner: self,
            sink,
            stack: vec![2 * task as u32 + 1],
            levels: Vec::new(),
            seen: vec![0; 2 * n],
            token: 0,
            supports: vec![0; 2 * n],
            sizes: vec![0; 2 * n],
            slots: vec![NONE; 2 * n],
        };
        let all = &self.data.places[self.data.starts[task]..self.data.starts[task + 1]];
        let mut support = 0;
        let mut places = Vec::with_capacity(all.len());
        let mut last = NONE;
        for &place in all {
            let new = place.patient != last;
            support += u64::from(new);
            last = place.patient;
            if new || !self.first_only {
                places.push(place);
            }
        }
        search.grow(&places, support);
    }
}

/// Extensions of one depth, kept for reuse.
#[derive(Debug, Default)]
struct Level {
    codes: Vec<u32>,
    supports: Vec<u64>,
    ends: Vec<usize>,
    places: Vec<Place>,
}

struct Search<'a, S: Sink> {
    miner: &'a PrefixSpan<'a>,
    sink: &'a mut S,
    stack: Vec<u32>,
    levels: Vec<Level>,
    /// Last token under which a code was seen: a patient of one node.
    seen: Vec<u64>,
    token: u64,
    supports: Vec<u64>,
    sizes: Vec<usize>,
    slots: Vec<u32>,
}

impl<S: Sink> Search<'_, S> {
    /// The pattern on the stack and all that extend it.
    fn grow(&mut self, places: &[Place], support: u64) {
        self.sink.take(&self.stack, support);
        if self.sink.step() || self.stack.len() >= self.miner.most {
            return;
        }
        let miner = self.miner;
        let least = miner.settings.min_support;
        if support < least {
            return;
        }
        let mut level = self.levels.pop().unwrap_or_default();
        level.codes.clear();
        level.supports.clear();
        level.ends.clear();
        // First pass: supports and numbers of places.
        let last = self.stack[self.stack.len() - 1] >> 1;
        {
            let Self {
                seen,
                token,
                supports,
                sizes,
                ..
            } = self;
            let codes = &mut level.codes;
            miner.extend(places, last, token, |code, _, token| {
                let at = code as usize;
                if seen[at] != token {
                    seen[at] = token;
                    if supports[at] == 0 {
                        codes.push(code);
                    }
                    supports[at] += 1;
                    sizes[at] += 1;
                } else if !miner.first_only {
                    sizes[at] += 1;
                }
            });
        }
        // Same day first, then later days, each by item.
        level.codes.retain(|&code| {
            let kept =
                self.supports[code as usize] >= least && !miner.data.joins_kin(&self.stack, code);
            if !kept {
                self.supports[code as usize] = 0;
                self.sizes[code as usize] = 0;
            }
            kept
        });
        level.codes.sort_unstable_by_key(|&code| (code & 1, code));
        let mut end = 0;
        for &code in &level.codes {
            let at = code as usize;
            level.supports.push(std::mem::take(&mut self.supports[at]));
            level.ends.push(end);
            self.slots[at] = level.ends.len() as u32 - 1;
            end += std::mem::take(&mut self.sizes[at]);
        }
        if !level.codes.is_empty() {
            level.places.resize(end, Place::default());
            let Self {
                seen, token, slots, ..
            } = self;
            let (ends, out) = (&mut level.ends, &mut level.places);
            miner.extend(places, last, token, |code, place, token| {
                let slot = slots[code as usize];
                if slot != NONE && !(miner.first_only && seen[code as usize] == token) {
                    seen[code as usize] = token;
                    let end = &mut ends[slot as usize];
                    out[*end] = place;
                    *end += 1;
                }
            });
            for &code in &level.codes {
                self.slots[code as usize] = NONE;
            }
            let mut start = 0;
            for at in 0..level.codes.len() {
                self.stack.push(level.codes[at]);
                self.grow(&level.places[start..level.ends[at]], level.supports[at]);
                self.stack.pop();
                start = level.ends[at];
                if self.sink.stopped() {
                    break;
                }
            }
        }
        self.levels.push(level);
    }
}

impl PrefixSpan<'_> {
    /// Visits every item that can follow, with its place; each place of an item once.
    #[inline(always)]
    pub(super) fn extend(
        &self,
        places: &[Place],
        last: u32,
        token: &mut u64,
        mut visit: impl FnMut(u32, Place, u64),
    ) {
        let data = self.data;
        let (min_gap, max_gap) = (
            i64::from(self.settings.min_gap),
            self.settings.max_gap.map_or(i64::MAX, i64::from),
        );
        let max_span = self.settings.max_span.map_or(i64::MAX, i64::from);
        for group in places.chunk_by(|a, b| a.patient == b.patient) {
            *token += 1;
            let patient = group[0].patient;
            let end = data.patients[patient as usize + 1];
            if self.first_only {
                let first = group[0];
                let day = i64::from(data.days[first.element as usize]);
                for element in first.element + 1..end {
                    if min_gap > 1 && i64::from(data.days[element as usize]) - day < min_gap {
                        continue;
                    }
                    let place = Place { element, ..first };
                    visit(2 * data.items[element as usize] + 1, place, *token);
                }
                continue;
            }
            if !data.single {
                for &place in group {
                    for &item in data.element(place.element) {
                        if item > last {
                            visit(2 * item, place, *token);
                        }
                    }
                }
            }
            // Places from which an element is within the gaps form a window that moves on.
            let (mut from, mut to) = (0, 0);
            let mut best = i64::MIN;
            for element in group[0].element + 1..end {
                let day = i64::from(data.days[element as usize]);
                let gap = |place: &Place| day - i64::from(data.days[place.element as usize]);
                while to < group.len() && gap(&group[to]) >= min_gap {
                    best = best.max(i64::from(group[to].start));
                    to += 1;
                }
                if max_gap < i64::MAX {
                    while from < to && gap(&group[from]) > max_gap {
                        from += 1;
                    }
                    best = group[from..to]
                        .iter()
                        .map(|place| i64::from(place.start))
                        .max()
                        .unwrap_or(i64::MIN);
                }
                if from == to || day.saturating_sub(best) > max_span {
                    continue;
                }
                let place = Place {
                    patient,
                    element,
                    start: best as i32,
                };
                for &item in data.element(element) {
                    visit(2 * item + 1, place, *token);
                }
            }
        }
    }
}
