//! Events of patients as elements of frequent items, and where items can begin a pattern.

use super::MineError;

/// Events by patient as compressed rows; any order within a patient.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sequences<'a> {
    /// Start of every patient's events, and the end.
    pub(crate) offsets: &'a [usize],
    pub(crate) days: &'a [i32],
    pub(crate) items: &'a [u32],
    /// Items above every item, which never stand beside it on one day of a pattern; may be empty.
    pub(crate) above: &'a [Vec<u32>],
}

pub(super) const NONE: u32 = u32::MAX;

/// Elements of frequent items.
#[derive(Debug, Default)]
pub(super) struct Data {
    /// Caller's id by rank; ascending.
    pub(super) ids: Vec<u32>,
    /// First element of every patient, and the end.
    pub(super) patients: Vec<u32>,
    pub(super) days: Vec<i32>,
    /// First item of every element, and the end.
    pub(super) offsets: Vec<u32>,
    pub(super) items: Vec<u32>,
    /// Places of every item.
    pub(super) starts: Vec<usize>,
    pub(super) places: Vec<Place>,
    /// No element has two items.
    pub(super) single: bool,
    /// Items above and below every item, sorted; empty where there is no hierarchy.
    pub(super) related: Vec<Vec<u32>>,
}

/// Where a pattern can end in one patient's elements.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) patient: u32,
    pub(super) element: u32,
    /// Latest day of the first element.
    pub(super) start: i32,
}

/// Elements of the items that are frequent enough.
pub(super) fn prepare(input: &Sequences<'_>, min_support: u64) -> Result<Data, MineError> {
    let offsets = input.offsets;
    let ordered = offsets.windows(2).all(|ends| ends[0] <= ends[1]);
    let n = input.items.len();
    if offsets.first() != Some(&0) || offsets.last() != Some(&n) || !ordered {
        return Err(MineError::Input(
            "offsets: must ascend from 0 to the number of events",
        ));
    }
    if input.days.len() != n || n >= NONE as usize || offsets.len() >= NONE as usize {
        return Err(MineError::Input(
            "days: must be one per event, fewer than 2^32 - 1 events and patients",
        ));
    }
    let mut known = input.items.to_vec();
    crate::numeric::parallel::sort_keys(&mut known);
    known.dedup();
    let table = known
        .last()
        .is_some_and(|&most| (most as usize) < 4 * n + 1024);
    let mut lookup =
        vec![NONE; known.last().map_or(0, |&most| most as usize + 1) * usize::from(table)];
    if table {
        for (at, &id) in known.iter().enumerate() {
            lookup[id as usize] = at as u32;
        }
    }
    let index = |id: u32| {
        if table {
            lookup[id as usize] as usize
        } else {
            known.partition_point(|&other| other < id)
        }
    };
    let mut counts = vec![(0u64, NONE); known.len()];
    for (patient, ends) in offsets.windows(2).enumerate() {
        for &id in &input.items[ends[0]..ends[1]] {
            let slot = &mut counts[index(id)];
            if slot.1 != patient as u32 {
                *slot = (slot.0 + 1, patient as u32);
            }
        }
    }
    let mut data = Data {
        single: true,
        patients: vec![0],
        offsets: vec![0],
        ..Data::default()
    };
    let mut rank = vec![NONE; known.len()];
    for (at, &(count, _)) in counts.iter().enumerate() {
        if count >= min_support {
            rank[at] = data.ids.len() as u32;
            data.ids.push(known[at]);
        }
    }
    let mut events: Vec<(i32, u32)> = Vec::new();
    for ends in offsets.windows(2) {
        events.clear();
        for event in ends[0]..ends[1] {
            let rank = rank[index(input.items[event])];
            if rank != NONE {
                events.push((input.days[event], rank));
            }
        }
        if !events.is_sorted() {
            events.sort_unstable();
        }
        events.dedup();
        for (at, &(day, item)) in events.iter().enumerate() {
            if at > 0 && events[at - 1].0 == day {
                data.single = false;
            } else {
                if at > 0 {
                    data.offsets.push(data.items.len() as u32);
                }
                data.days.push(day);
            }
            data.items.push(item);
        }
        if !events.is_empty() {
            data.offsets.push(data.items.len() as u32);
            data.patients.push(data.days.len() as u32);
        }
    }
    data.relate(input.above);
    // Places by item, in order of patients and days.
    data.starts = vec![0; data.ids.len() + 1];
    for &item in &data.items {
        data.starts[item as usize + 1] += 1;
    }
    for item in 0..data.ids.len() {
        data.starts[item + 1] += data.starts[item];
    }
    let mut next = data.starts.clone();
    let mut places = vec![Place::default(); data.items.len()];
    for patient in 0..data.patients.len() - 1 {
        for element in data.patients[patient]..data.patients[patient + 1] {
            for &item in data.element(element) {
                places[next[item as usize]] = Place {
                    patient: patient as u32,
                    element,
                    start: data.days[element as usize],
                };
                next[item as usize] += 1;
            }
        }
    }
    data.places = places;
    Ok(data)
}

impl Data {
    fn relate(&mut self, above: &[Vec<u32>]) {
        if above.iter().all(Vec::is_empty) {
            return;
        }
        self.related = vec![Vec::new(); self.ids.len()];
        for (low, id) in self.ids.iter().enumerate() {
            for id in above.get(*id as usize).into_iter().flatten() {
                if let Ok(high) = self.ids.binary_search(id) {
                    self.related[low].push(high as u32);
                    self.related[high].push(low as u32);
                }
            }
        }
        self.related.iter_mut().for_each(|own| own.sort_unstable());
    }

    /// Whether a code would join one of its kin on the last day of a pattern.
    pub(super) fn joins_kin(&self, pattern: &[u32], code: u32) -> bool {
        if self.related.is_empty() || code & 1 == 1 {
            return false;
        }
        let kin = &self.related[(code >> 1) as usize];
        let begins = |own: &u32| own & 1 == 1;
        let day = &pattern[pattern.iter().rposition(begins).unwrap_or(0)..];
        day.iter().any(|own| kin.binary_search(&(own >> 1)).is_ok())
    }

    #[inline(always)]
    pub(super) fn element(&self, element: u32) -> &[u32] {
        let element = element as usize;
        &self.items[self.offsets[element] as usize..self.offsets[element + 1] as usize]
    }
}
