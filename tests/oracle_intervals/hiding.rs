//! Small cells by brute force: an attacker who knows the shown numbers and the totals.
//!
//! No reference tool applies this rule; the twin here knows nothing of the algorithm but its promise.

use galen::evaluation::{SubgroupOptions, metric_by_group};

const BOUND: usize = 3;

/// Groups of every size from 1 to 7 rows with every number of events: `n` of them.
fn every(n: usize, visit: &mut impl FnMut(&[(usize, usize)])) {
    let cells: Vec<(usize, usize)> = (1..=7)
        .flat_map(|rows| (0..=rows).map(move |events| (rows, events)))
        .collect();
    let mut place = vec![0; n];
    loop {
        let table: Vec<(usize, usize)> = place.iter().map(|k| cells[*k]).collect();
        visit(&table);
        // The order of the groups says nothing: ascending places are enough.
        let Some(next) = (0..n).rev().find(|k| place[*k] + 1 < cells.len()) else {
            return;
        };
        let value = place[next] + 1;
        place[next..].fill(value);
    }
}

/// Which groups are hidden.
fn hidden(table: &[(usize, usize)]) -> Vec<bool> {
    let (mut truth, mut group) = (Vec::new(), Vec::new());
    for (place, (rows, events)) in table.iter().enumerate() {
        for row in 0..*rows {
            truth.push(row < *events);
            group.push(place.to_string());
        }
    }
    let options = SubgroupOptions {
        min_rows: BOUND,
        min_class: BOUND,
        ..SubgroupOptions::default()
    };
    let found = metric_by_group(&truth, &group, options, |_| Ok(0.0)).unwrap();
    found.iter().map(|group| group.suppressed).collect()
}

fn small((rows, events): (usize, usize)) -> bool {
    rows < BOUND || events < BOUND || rows - events < BOUND
}

/// From a total and the shown parts: the smallest and largest value that each hidden part can have,
/// when nothing is known of it but that it is not negative.
fn reach(parts: &[usize], hidden: &[bool]) -> Option<(usize, usize)> {
    let held: Vec<usize> = (0..parts.len()).filter(|k| hidden[*k]).collect();
    let total: usize = held.iter().map(|k| parts[*k]).sum();
    match held.len() {
        0 => None,
        1 => Some((total, total)),
        _ => Some((0, total)),
    }
}

#[test]
fn no_small_group_can_be_worked_out_from_totals() {
    let mut tables = 0_u32;
    let mut companions = 0_u32;
    for n in 1..=3 {
        every(n, &mut |table| {
            tables += 1;
            let hidden = hidden(table);
            assert_eq!(hidden.len(), table.len());
            for (cell, hidden) in table.iter().zip(&hidden) {
                assert!(*hidden || !small(*cell), "{table:?}");
            }
            if !table.iter().any(|cell| small(*cell)) {
                assert!(!hidden.contains(&true), "{table:?}: nothing to hide");
                return;
            }
            companions += u32::from(
                table
                    .iter()
                    .zip(&hidden)
                    .any(|(cell, hidden)| *hidden && !small(*cell)),
            );
            if !hidden.contains(&false) {
                return; // no part is shown: a total says nothing of single groups
            }
            // Rows, events and non-events: every hidden number may be what is not small.
            for kind in 0..3 {
                let part = |cell: &(usize, usize)| [cell.0, cell.1, cell.0 - cell.1][kind];
                let parts: Vec<usize> = table.iter().map(part).collect();
                let (low, high) = reach(&parts, &hidden).unwrap();
                assert!(low < high && high >= BOUND, "{table:?} {hidden:?}");
            }
        });
    }
    assert!(
        tables > 8_000 && companions > 1_000,
        "{tables} {companions}"
    );
}
