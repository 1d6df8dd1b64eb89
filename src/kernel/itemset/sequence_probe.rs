//! A look ahead: one long pattern, and how many shorter ones it stands for.
//!
//! Whatever is left out of a pattern, its patients have the rest too. A pattern of 60 different items
//! thus proves 2^60 - 1, and a pattern of repeated ones as many as it has different subsequences. Under a
//! largest gap days may be left out only as far as the gap reaches in every patient who has the pattern:
//! then the ways are counted that reach from day to day, all items being different.

use std::collections::BTreeMap;

use super::limits::subsets;
use super::prefix_span::PrefixSpan;
use super::sequence_data::{Data, Place};
use super::sink::Lengths;

/// What a long pattern proves.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Probe {
    /// Its number of items.
    pub(super) longest: usize,
    /// Patterns that there are at least.
    pub(super) at_least: f64,
}

/// Items of the pattern at most: enough to prove what can be proved in time.
const MOST: usize = 256;
/// The same where all items have to be different: 2^40 is proof enough.
const MOST_OF_GAPS: usize = 40;
/// Patients looked at, in multiples of the least support; what many have shows in them.
const SAMPLE: u64 = 16;

/// Grows one pattern, each time by what leaves most days to go on with, until it proves more than `most`
/// patterns or nothing follows.
pub(super) fn probe(miner: &PrefixSpan<'_>, lengths: Lengths, most: f64) -> Probe {
    let data = miner.data;
    let n = data.ids.len();
    let ends = |patient: u32| data.patients[patient as usize + 1];
    let mut found = Probe::default();
    if conceivable(n, lengths.most) <= most {
        return found;
    }
    let least = miner.settings.min_support;
    let stride = (data.patients.len() as u64 / least.saturating_mul(SAMPLE)).max(1);
    let looked_at = |place: &Place| u64::from(place.patient) % stride == 0;
    let gaps = miner.settings.max_gap;
    let longest = gaps.map_or(MOST, |_| MOST_OF_GAPS);
    let mut proved = Proved::default();
    let mut pattern: Vec<u32> = Vec::new();
    // Places of the pattern, and under a largest gap of its beginnings.
    let mut steps: Vec<Vec<Place>> = Vec::new();
    let (mut seen, mut token) = (vec![0_u64; 2 * n], 0);
    while found.longest < longest && found.at_least <= most {
        // Patients, and days that they have left, by what could come next.
        let mut next: Vec<(u64, u64)> = vec![(0, 0); 2 * n];
        let last = pattern.last().copied();
        let mut count = |code: u32, place: Place, token: u64| {
            let at = code as usize;
            if seen[at] != token {
                seen[at] = token;
                next[at].0 += 1;
                next[at].1 += u64::from(ends(place.patient) - place.element);
            }
        };
        match last {
            Some(code) => miner.extend(here(&steps), code >> 1, &mut token, count),
            None => {
                for item in 0..n {
                    let all = &data.places[data.starts[item]..data.starts[item + 1]];
                    for own in all.chunk_by(|a, b| a.patient == b.patient) {
                        token += 1;
                        if looked_at(&own[0]) {
                            count(2 * item as u32 + 1, own[0], token);
                        }
                    }
                }
            }
        }
        let repeats = |code: u32| pattern.iter().any(|own| own >> 1 == code >> 1);
        let best = (0..2 * n)
            .filter(|code| next[*code].0 >= least)
            .filter(|code| gaps.is_none() || !repeats(*code as u32))
            .filter(|code| !data.joins_kin(&pattern, *code as u32))
            .max_by_key(|code| (next[*code].1, std::cmp::Reverse((code & 1, *code))));
        let Some(best) = best.map(|code| code as u32) else {
            break;
        };
        let mut taken = Vec::new();
        match last {
            Some(code) => {
                miner.extend(here(&steps), code >> 1, &mut token, |code, place, token| {
                    let first = seen[code as usize] != token;
                    if code == best && (first || !miner.first_only) {
                        seen[code as usize] = token;
                        taken.push(place);
                    }
                })
            }
            None => {
                let item = (best >> 1) as usize;
                let all = &data.places[data.starts[item]..data.starts[item + 1]];
                taken.extend(all.iter().copied().filter(looked_at));
                if miner.first_only {
                    taken.dedup_by_key(|place| place.patient);
                }
            }
        }
        pattern.push(best);
        found.longest += 1;
        if gaps.is_none() {
            steps.clear();
            proved.push(best);
            found.at_least = proved.at_least(lengths);
        }
        steps.push(taken);
    }
    if let Some(most) = gaps {
        let gaps = [i64::from(miner.settings.min_gap), i64::from(most)];
        found.at_least = leaps(data, &pattern, &steps, gaps, lengths);
    }
    found
}

fn here(steps: &[Vec<Place>]) -> &[Place] {
    steps.last().map_or(&[], Vec::as_slice)
}

/// Patterns that one of different items contains, whose days are as far apart as allowed in one embedding of
/// each of its patients. `steps` are the places of its beginnings.
fn leaps(
    data: &Data,
    pattern: &[u32],
    steps: &[Vec<Place>],
    [least, most]: [i64; 2],
    lengths: Lengths,
) -> f64 {
    // Items of every day of the pattern, and the places of its beginning up to that day.
    let mut sizes: Vec<usize> = Vec::new();
    let mut places: Vec<&[Place]> = Vec::new();
    for (code, own) in pattern.iter().zip(steps) {
        if code & 1 == 1 {
            sizes.push(0);
            places.push(&[]);
        }
        let last = sizes.len() - 1;
        sizes[last] += 1;
        places[last] = own;
    }
    let n = sizes.len();
    // The last day that can follow a day at once, in every patient.
    let mut reach: Vec<usize> = vec![n; n];
    let mut days = vec![0_i64; n];
    for own in here(steps).chunk_by(|a, b| a.patient == b.patient) {
        let mut place = own[0];
        let day = |place: Place| i64::from(data.days[place.element as usize]);
        for at in (0..n).rev() {
            if at + 1 < n {
                let of = |other: &Place| other.patient.cmp(&place.patient);
                let from = places[at].partition_point(|other| of(other).is_lt());
                let to = places[at].partition_point(|other| of(other).is_le());
                // The latest that the next day was reached from; it is there.
                let before = |other: &&Place| {
                    let gap = day(place) - day(**other);
                    gap >= least && gap <= most && other.start >= place.start
                };
                let Some(found) = places[at][from..to].iter().rev().find(before) else {
                    return 0.0;
                };
                place = *found;
            }
            days[at] = day(place);
        }
        for at in 0..n {
            let end = days.partition_point(|day| *day <= days[at] + most);
            reach[at] = reach[at].min(end);
        }
    }
    // Ways that end on a day, by number of items: some of its items, after a day that reaches it.
    let total: usize = sizes.iter().sum();
    let mut ways = vec![vec![0.0; total + 1]; n];
    for at in 0..n {
        let mut before = vec![0.0; total + 1];
        before[0] = 1.0;
        for from in (0..at).filter(|from| reach[*from] > at) {
            (before.iter_mut().zip(&ways[from])).for_each(|(sum, own)| *sum += own);
        }
        let mut choices = 1.0;
        for taken in 1..=sizes[at] {
            choices *= (sizes[at] + 1 - taken) as f64 / taken as f64;
            for length in taken..=total {
                ways[at][length] += choices * before[length - taken];
            }
        }
    }
    let held = |(length, _): &(usize, &f64)| lengths.holds(*length);
    let sum =
        |own: &Vec<f64>| -> f64 { own.iter().enumerate().filter(held).map(|own| own.1).sum() };
    ways.iter().map(sum).sum()
}

/// Patterns of so many items that there can be, as far as f64 counts: each begins a day or does not.
fn conceivable(items: usize, longest: usize) -> f64 {
    let (mut all, mut ways) = (0.0, 1.0);
    for _ in 0..longest.min(MOST) {
        ways *= 2.0 * items as f64;
        all += ways;
        if all > u64::MAX as f64 {
            break;
        }
    }
    all
}

/// Patterns that one pattern contains, counted from below.
#[derive(Debug, Default)]
struct Proved {
    /// Different subsequences of one item a day, by length; the empty one is there.
    all: Vec<f64>,
    /// The same before the last day.
    before: Vec<f64>,
    /// The same as each item last continued them; its keys are the different items.
    continued: BTreeMap<u32, Vec<f64>>,
}

impl Proved {
    /// One more item, given as the miner codes it.
    fn push(&mut self, code: u32) {
        if self.all.is_empty() {
            self.all.push(1.0);
        }
        if code & 1 == 1 {
            self.before.clone_from(&self.all);
        }
        let item = self.continued.entry(code >> 1).or_default();
        self.all.push(0.0);
        for (length, ways) in self.before.iter().enumerate() {
            // Those that this item has continued already are no new ones.
            self.all[length + 1] += ways - item.get(length).copied().unwrap_or(0.0);
        }
        item.clone_from(&self.before);
    }

    fn at_least(&self, lengths: Lengths) -> f64 {
        let held = (1..self.all.len()).filter(|length| lengths.holds(*length));
        let singles: f64 = held.map(|length| self.all[length]).sum();
        // Every item once: any choice of them is a pattern of its own.
        singles.max(subsets(self.continued.len(), lengths.least, lengths.most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Different subsequences of one item a day, one by one.
    fn listed(days: &[&[u32]]) -> Vec<f64> {
        let mut all = std::collections::BTreeSet::from([vec![]]);
        for day in days {
            let own: Vec<Vec<u32>> = all.iter().cloned().collect();
            for way in own {
                all.extend(day.iter().map(|item| [way.as_slice(), &[*item]].concat()));
            }
        }
        let longest: usize = days.iter().map(|day| day.len()).sum();
        let mut counts = vec![0.0; longest + 1];
        all.iter().for_each(|way| counts[way.len()] += 1.0);
        counts
    }

    #[test]
    fn repeated_items_count_once() {
        let cases: [&[&[u32]]; 6] = [
            &[&[0], &[1], &[2]],
            &[&[0], &[0], &[0]],
            &[&[0], &[1], &[0], &[1], &[1], &[0]],
            &[&[0, 1, 2]],
            &[&[0, 1], &[1, 2], &[0, 2]],
            &[&[0, 2], &[1], &[0, 1, 2], &[2], &[0, 1]],
        ];
        for days in cases {
            let mut proved = Proved::default();
            for day in days {
                for (at, item) in day.iter().enumerate() {
                    proved.push(2 * item + u32::from(at == 0));
                }
            }
            assert_eq!(proved.all, listed(days), "{days:?}");
        }
    }
}
