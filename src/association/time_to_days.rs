//! First days of items, and how often one comes before another.

use std::collections::BTreeMap;

use crate::association::{OrderCounts, order_counts};
use crate::design::Histories;
use crate::error::Result;
use crate::numeric::parallel::map_tasks;

/// The first day of every item of every patient.
pub(super) struct FirstDays {
    /// By item: patients and days, by patient.
    pub(super) of_item: Vec<Vec<(u32, i32)>>,
    /// By patient: items, increasing.
    of_patient: Vec<Vec<u32>>,
}

impl FirstDays {
    pub(super) fn new(histories: &Histories) -> Self {
        let mut of_item = vec![Vec::new(); histories.names().len()];
        let mut of_patient = Vec::with_capacity(histories.n_patients());
        for patient in 0..histories.n_patients() {
            let mut own = Vec::new();
            for (day, item) in histories.events(patient) {
                let list: &mut Vec<(u32, i32)> = &mut of_item[item as usize];
                if list.last().is_none_or(|last| last.0 != patient as u32) {
                    list.push((patient as u32, day));
                    own.push(item);
                }
            }
            own.sort_unstable();
            of_patient.push(own);
        }
        Self {
            of_item,
            of_patient,
        }
    }

    /// Pairs that enough patients have, none of an item and what stands above it.
    pub(super) fn pairs(&self, histories: &Histories, min_count: u64) -> Vec<(u32, u32)> {
        let frequent = |item: usize| self.of_item[item].len() as u64 >= min_count;
        let found = map_tasks(self.of_item.len(), |a| {
            if !frequent(a) {
                return Vec::new();
            }
            let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
            for (patient, _) in &self.of_item[a] {
                let own = &self.of_patient[*patient as usize];
                let later = own.partition_point(|item| *item <= a as u32);
                let later = own[later..].iter();
                for item in later.filter(|item| !histories.related(a as u32, **item)) {
                    *counts.entry(*item).or_default() += 1;
                }
            }
            let enough = counts.into_iter().filter(|(_, count)| *count >= min_count);
            enough.map(|(b, _)| (a as u32, b)).collect::<Vec<_>>()
        });
        found.into_iter().flatten().collect()
    }
}

/// Days of A and of B of all patients with either; patients increase in both.
pub(super) fn both(a: &[(u32, i32)], b: &[(u32, i32)]) -> [Vec<Option<i64>>; 2] {
    let mut days = [Vec::new(), Vec::new()];
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let left = a.get(i).map_or(u32::MAX, |entry| entry.0);
        let right = b.get(j).map_or(u32::MAX, |entry| entry.0);
        days[0].push((left <= right).then(|| i64::from(a[i].1)));
        days[1].push((right <= left).then(|| i64::from(b[j].1)));
        i += usize::from(left <= right);
        j += usize::from(right <= left);
    }
    days
}

/// Patients with A and B from `least` to `most` days apart, by their order.
pub(super) fn orders(
    a: &[Option<i64>],
    b: &[Option<i64>],
    least: u32,
    most: u32,
) -> Result<OrderCounts> {
    let mut counts = order_counts(a, b, u64::from(most))?;
    if least > 1 {
        let near = order_counts(a, b, u64::from(least - 1))?;
        counts.a_first -= near.a_first;
        counts.b_first -= near.b_first;
    }
    Ok(counts)
}

/// The share of A first that the times of A and of B bring about, from `least` to `most` days apart: see
/// [`null_order_share`](crate::association::null_order_share). `None` where none are so far apart.
pub(super) fn null_share(
    a: &[Option<i64>],
    b: &[Option<i64>],
    least: u32,
    most: u32,
) -> Option<f64> {
    let mut b: Vec<i64> = b.iter().flatten().copied().collect();
    b.sort_unstable();
    let (least, most) = (i64::from(least.max(1)), i64::from(most));
    let (mut a_first, mut b_first) = (0_u64, 0_u64);
    for day in a.iter().flatten() {
        let between = |first: i64, last: i64| {
            let end = b.partition_point(|other| *other <= last);
            (end - b.partition_point(|other| *other < first).min(end)) as u64
        };
        a_first += between(day + least, day + most);
        b_first += between(day - most, day - least);
    }
    let n = a_first + b_first;
    (n > 0).then(|| a_first as f64 / n as f64)
}
