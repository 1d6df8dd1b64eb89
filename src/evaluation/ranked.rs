//! Rows in the order of their score, tied rows gathered: what every ranking metric walks over.
//!
//! Scores become integers that sort as the scores do. Without weights, events and non-events are
//! sorted apart and merged, so that no label has to travel with a key; with weights, keys carry
//! their row.

use crate::numeric::parallel::sort_keys;
use crate::numeric::stable::Sum;

/// Rows that share one score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Group {
    /// The score.
    pub(crate) score: f64,
    /// Weight of the events.
    pub(crate) events: f64,
    /// Weight of the non-events.
    pub(crate) nonevents: f64,
}

/// An integer that sorts as the finite `value` does; -0.0 sorts as 0.0.
#[inline]
pub(crate) fn key(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    let flip = ((bits as i64) >> 63) as u64 | (1 << 63);
    bits ^ flip
}

/// The value of a [`key`].
#[inline]
pub(crate) fn value(key: u64) -> f64 {
    let flip = if key >> 63 == 1 { 1 << 63 } else { u64::MAX };
    f64::from_bits(key ^ flip)
}

/// Visits the groups from the highest score to the lowest; rows of weight zero do not exist.
pub(crate) fn descending(
    truth: &[bool],
    score: &[f64],
    weights: Option<&[f64]>,
    visit: impl FnMut(Group),
) {
    match weights {
        None => descending_counts(truth, score, visit),
        Some(weights) => descending_weights(truth, score, weights, visit),
    }
}

/// The groups, highest score first.
pub(crate) fn groups(truth: &[bool], score: &[f64], weights: Option<&[f64]>) -> Vec<Group> {
    let mut groups = Vec::new();
    descending(truth, score, weights, |group| groups.push(group));
    groups
}

fn descending_counts(truth: &[bool], score: &[f64], mut visit: impl FnMut(Group)) {
    let n_events = truth.iter().filter(|event| **event).count();
    let mut events = Vec::with_capacity(n_events);
    let mut nonevents = Vec::with_capacity(truth.len() - n_events);
    for (&event, &score) in truth.iter().zip(score) {
        if event {
            events.push(key(score));
        } else {
            nonevents.push(key(score));
        }
    }
    sort_keys(&mut events);
    sort_keys(&mut nonevents);
    let (mut i, mut j) = (events.len(), nonevents.len());
    while i > 0 || j > 0 {
        // 0 lies below the key of every finite number.
        let event = if i > 0 { events[i - 1] } else { 0 };
        let nonevent = if j > 0 { nonevents[j - 1] } else { 0 };
        let top = event.max(nonevent);
        let (from_i, from_j) = (i, j);
        while i > 0 && events[i - 1] == top {
            i -= 1;
        }
        while j > 0 && nonevents[j - 1] == top {
            j -= 1;
        }
        visit(Group {
            score: value(top),
            events: (from_i - i) as f64,
            nonevents: (from_j - j) as f64,
        });
    }
}

fn descending_weights(
    truth: &[bool],
    score: &[f64],
    weights: &[f64],
    mut visit: impl FnMut(Group),
) {
    let mut keys: Vec<(u64, usize)> = (0..truth.len())
        .filter(|row| weights[*row] > 0.0)
        .map(|row| (key(score[row]), row))
        .collect();
    sort_keys(&mut keys);
    let mut rest = keys.as_slice();
    while let Some(&(top, _)) = rest.last() {
        let start = rest.partition_point(|(key, _)| *key < top);
        let (mut events, mut nonevents) = (Sum::default(), Sum::default());
        for &(_, row) in &rest[start..] {
            if truth[row] {
                events.add(weights[row]);
            } else {
                nonevents.add(weights[row]);
            }
        }
        visit(Group {
            score: value(top),
            events: events.value(),
            nonevents: nonevents.value(),
        });
        rest = &rest[..start];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_values() {
        let values = [f64::MIN, -1.5, -1e-310, 0.0, 1e-310, 0.25, 1.0, f64::MAX];
        for pair in values.windows(2) {
            assert!(key(pair[0]) < key(pair[1]));
        }
        for v in values {
            assert_eq!(value(key(v)), v);
        }
        assert_eq!(key(-0.0), key(0.0));
    }

    #[test]
    fn groups_gather_ties_and_weights_of_one_change_nothing() {
        let truth = [true, false, true, false, false];
        let score = [0.5, 0.5, 0.9, -1.0, 0.5];
        let group = |score, events, nonevents| Group {
            score,
            events,
            nonevents,
        };
        let expected = vec![
            group(0.9, 1.0, 0.0),
            group(0.5, 1.0, 2.0),
            group(-1.0, 0.0, 1.0),
        ];
        assert_eq!(groups(&truth, &score, None), expected);
        assert_eq!(groups(&truth, &score, Some(&[1.0; 5])), expected);
        let without = groups(&truth, &score, Some(&[1.0, 0.0, 0.0, 2.0, 1.0]));
        assert_eq!(without, vec![group(0.5, 1.0, 1.0), group(-1.0, 0.0, 2.0)]);
    }
}
