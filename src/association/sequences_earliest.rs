//! Where a patient first completes a sequence of steps.

use crate::design::Histories;

/// Days between consecutive steps, and from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// At least this, and at least one.
    pub(super) min_gap: u32,
    pub(super) max_gap: Option<u32>,
    pub(super) span: Option<u32>,
}

/// Days of a patient with an event, and the items of each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) days: &'a [i32],
    pub(super) items: &'a [u32],
}

impl<'a> Record<'a> {
    pub(super) fn of(histories: &'a Histories, patient: usize) -> Self {
        let starts = histories.starts();
        let own = starts[patient]..starts[patient + 1];
        Self {
            days: &histories.days()[own.clone()],
            items: &histories.items()[own],
        }
    }

    /// Every day once, with its items in increasing order.
    pub(super) fn visits(self) -> impl Iterator<Item = (i32, &'a [u32])> {
        let mut end = 0;
        self.days.chunk_by(|a, b| a == b).map(move |day| {
            let items = &self.items[end..end + day.len()];
            end += day.len();
            (day[0], items)
        })
    }
}

/// The first completion of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Earliest {
    /// Days with events up to this one, itself among them.
    pub(super) visit: u32,
    pub(super) day: i32,
    /// The latest day of the first step with which the completion is had; without a span any that serves.
    pub(super) start: i32,
}

/// The first day on which the steps are completed; `None` where they never are.
pub(super) fn earliest(record: Record<'_>, steps: &[Vec<u32>], bounds: Bounds) -> Option<Earliest> {
    if bounds.max_gap.is_none() && bounds.span.is_none() {
        return soonest(record, steps, bounds.min_gap);
    }
    let visits: Vec<(i32, &[u32])> = record.visits().collect();
    let (min_gap, max_gap) = (
        i64::from(bounds.min_gap),
        bounds.max_gap.map_or(i64::MAX, i64::from),
    );
    let span = bounds.span.map_or(i64::MAX, i64::from);
    let has = |visit: usize, step: &[u32]| holds(visits[visit].1, step);
    let (first, later) = steps.split_first()?;
    // By visit: the latest start of the steps so far that end there.
    let mut reach: Vec<Option<i32>> = (0..visits.len())
        .map(|visit| has(visit, first).then_some(visits[visit].0))
        .collect();
    for step in later {
        let (mut from, mut to) = (0, 0);
        let mut best: Option<i32> = None;
        let mut next = vec![None; visits.len()];
        for visit in 0..visits.len() {
            let gap = |other: usize| i64::from(visits[visit].0) - i64::from(visits[other].0);
            while to < visit && gap(to) >= min_gap {
                best = best.max(reach[to]);
                to += 1;
            }
            if bounds.max_gap.is_some() {
                while from < to && gap(from) > max_gap {
                    from += 1;
                }
                best = reach[from..to].iter().copied().flatten().max();
            }
            let Some(start) = best else { continue };
            let within = i64::from(visits[visit].0) - i64::from(start) <= span;
            if within && has(visit, step) {
                next[visit] = Some(start);
            }
        }
        reach = next;
    }
    let visit = reach.iter().position(Option::is_some)?;
    Some(Earliest {
        visit: visit as u32 + 1,
        day: visits[visit].0,
        start: reach[visit]?,
    })
}

fn holds(items: &[u32], step: &[u32]) -> bool {
    (step.iter()).all(|item| items.binary_search(item).is_ok())
}

/// The same where nothing but a least gap binds: every step as soon as it can be.
fn soonest(record: Record<'_>, steps: &[Vec<u32>], min_gap: u32) -> Option<Earliest> {
    let mut left = steps.iter().peekable();
    let mut start = None;
    let mut not_before = i64::MIN;
    for (visit, (day, items)) in (1..).zip(record.visits()) {
        if i64::from(day) < not_before || left.next_if(|step| holds(items, step)).is_none() {
            continue;
        }
        let start = *start.get_or_insert(day);
        if left.peek().is_none() {
            return Some(Earliest { visit, day, start });
        }
        not_before = i64::from(day) + i64::from(min_gap);
    }
    None
}

/// Patients of every item, increasing.
pub(super) fn patients_of_items(histories: &Histories) -> Vec<Vec<u32>> {
    let mut found: Vec<Vec<u32>> = vec![Vec::new(); histories.names().len()];
    for patient in 0..histories.n_patients() {
        for (_, item) in histories.events(patient) {
            let list = &mut found[item as usize];
            if list.last() != Some(&(patient as u32)) {
                list.push(patient as u32);
            }
        }
    }
    found
}
