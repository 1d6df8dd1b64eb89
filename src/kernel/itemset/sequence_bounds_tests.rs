//! Sequences beyond counting: the look ahead, the bounds, and the largest of them.

use super::MineError;
use super::limits::Bound;
use super::prefix_span::SequenceSettings;
use super::sequence_patterns::{Pattern, collect, visit};
use super::sequence_tests::{Flat, Patients};
use super::sequence_top::top;
use super::tests::Random;

/// The same 60 items in the same order in every patient, among rare ones.
#[test]
fn patterns_beyond_counting_are_refused_at_once() {
    let orders: [fn(i32) -> (i32, u32); 3] = [
        |at| (at, at as u32),
        // Three a day.
        |at| (at / 3, 60 - at as u32),
        // Three items, again and again.
        |at| (at, at as u32 % 3),
    ];
    for order in orders {
        let patients: Patients = (0..40)
            .map(|patient| {
                let rare = (61, 100 + patient);
                // Most have this last: it must not end the look ahead.
                let last = (patient > 3).then_some((99, 99));
                (0..60).map(order).chain([rare]).chain(last).collect()
            })
            .collect();
        let flat = Flat::new(&patients);
        let mut settings = SequenceSettings::new(5);
        settings.limits.max_sets = 1_000_000;
        for closed in [false, true] {
            settings.closed = closed;
            let mut seen = 0;
            let found = visit(&flat.input(), &settings, &mut |_, _| {
                seen += 1;
                true
            });
            let Err(MineError::Overrun(overrun)) = found else {
                panic!("beyond counting");
            };
            assert_eq!((overrun.bound, seen), (Bound::Sets, 0));
            assert!(
                overrun.at_least > 1e6 && overrun.longest > 10,
                "{overrun:?}"
            );
        }
        settings.closed = false;
        settings.max_span = Some(70);
        assert!(collect(&flat.input(), &settings).is_err());
        settings.max_length = 3;
        assert!(collect(&flat.input(), &settings).is_ok());
    }
    // Under a largest gap: one day of 40 items; 60 days, each within the gap of three more.
    let one_day: Patients = vec![(0..40).map(|item| (0, item)).collect(); 9];
    let in_order: Patients = (0..9)
        .map(|late| (0..60).map(|at| (at + late, at as u32)).collect())
        .collect();
    for patients in [one_day, in_order] {
        let flat = Flat::new(&patients);
        let mut settings = SequenceSettings::new(9);
        settings.limits.max_sets = 1_000_000;
        settings.max_gap = Some(3);
        let mut seen = 0;
        let found = visit(&flat.input(), &settings, &mut |_, _| {
            seen += 1;
            true
        });
        let Err(MineError::Overrun(overrun)) = found else {
            panic!("beyond counting");
        };
        assert_eq!(seen, 0);
        assert!(
            overrun.at_least > 1e6 && overrun.longest > 10,
            "{overrun:?}"
        );
    }
}

/// The look ahead never claims more patterns than there are.
#[test]
fn what_the_look_ahead_proves_is_there() {
    let mut random = Random(9);
    let mut refused = 0;
    for round in 0..600 {
        let n_items = 1 + random.next(5) as u32;
        let days = 1 + random.next(8);
        let patients: Patients = (0..1 + random.next(5))
            .map(|_| {
                let n = random.next(14);
                let event = |_| {
                    let day = random.next(days) as i32;
                    (day, random.next(u64::from(n_items)) as u32)
                };
                (0..n).map(event).collect()
            })
            .collect();
        let flat = Flat::new(&patients);
        let mut settings = SequenceSettings::new(1 + random.next(3));
        settings.min_gap = 1 + random.next(2) as u32;
        settings.max_gap = (random.next(3) == 0).then(|| settings.min_gap + random.next(3) as u32);
        settings.max_span = (random.next(3) == 0).then(|| random.next(6) as u32);
        settings.min_length = 1 + random.next(3) as usize;
        settings.max_length = settings.min_length + random.next(4) as usize;
        let mut n = 0;
        let mut count = |_: &Pattern, _: u64| {
            n += 1;
            true
        };
        visit(&flat.input(), &settings, &mut count).unwrap();
        settings.limits.max_sets = n;
        assert!(
            collect(&flat.input(), &settings).is_ok(),
            "round {round}: {n} patterns of {patients:?} under {settings:?}"
        );
        if n > 1 {
            settings.limits.max_sets = n / 2;
            let Err(MineError::Overrun(overrun)) = collect(&flat.input(), &settings) else {
                panic!("round {round}");
            };
            assert!(
                overrun.longest > 0 && overrun.at_least <= n as f64,
                "round {round}"
            );
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused}");
    // A day may be left out in one patient but not in the other: ten items make 55 runs.
    let patients: Patients = [1, 3]
        .map(|days| (0..10).map(|at| (days * at, at as u32)).collect())
        .into();
    let flat = Flat::new(&patients);
    let mut settings = SequenceSettings::new(2);
    settings.max_gap = Some(3);
    settings.limits.max_sets = 55;
    let mut n = 0;
    let found = collect(&flat.input(), &settings).unwrap();
    found.visit(|_, _| {
        n += 1;
        true
    });
    assert_eq!(n, 55);
}

/// What finds the closed patterns counts against the bound on bytes.
#[test]
fn closed_patterns_keep_within_their_bytes() {
    let patients: Patients = vec![(0..13).map(|day| (day, day as u32)).collect(); 2];
    let flat = Flat::new(&patients);
    let mut settings = SequenceSettings::new(2);
    settings.limits.max_bytes = 200_000;
    assert!(
        collect(&flat.input(), &settings).is_ok(),
        "8,191 patterns of some bytes"
    );
    settings.closed = true;
    let Err(MineError::Overrun(overrun)) = collect(&flat.input(), &settings) else {
        panic!("a table of all patterns in 200 kB");
    };
    assert_eq!(overrun.bound, Bound::Bytes);
    assert!(overrun.longest > 0);
    settings.limits.max_bytes = 2_000_000;
    assert!(collect(&flat.input(), &settings).is_ok());
}

/// The largest supports, whatever the ties and however many patterns there are.
#[test]
fn the_largest_are_those_of_a_sort_of_all() {
    let mut random = Random(21);
    for round in 0..300 {
        let n = 1 + random.next(12);
        let patients: Patients = (0..n)
            .map(|_| {
                let n = random.next(10);
                let event = |_| (random.next(6) as i32, random.next(4) as u32);
                (0..n).map(event).collect()
            })
            .collect();
        let flat = Flat::new(&patients);
        let mut settings = SequenceSettings::new(1 + random.next(3));
        settings.closed = random.next(2) == 0;
        settings.max_length = 3;
        settings.min_length = 1 + random.next(2) as usize;
        let mut all: Vec<(Pattern, u64)> = Vec::new();
        let mut keep = |pattern: &Pattern, support: u64| {
            all.push((pattern.clone(), support));
            true
        };
        visit(&flat.input(), &settings, &mut keep).unwrap();
        all.sort_by_key(|(_, support)| std::cmp::Reverse(*support));
        let k = 1 + random.next(all.len() as u64 + 3) as usize;
        all.truncate(k);
        assert_eq!(
            top(&flat.input(), &settings, k).unwrap(),
            all,
            "round {round}, {k}"
        );
    }
}

/// Closed patterns at a support where all patterns are too many are found above it.
#[test]
fn the_largest_closed_ones_keep_clear_of_the_blow_up() {
    // Fifty of a hundred patients have 40 items in order, all have two of them.
    let patients: Patients = (0..100)
        .map(|patient| {
            let n = if patient % 2 == 0 {
                40
            } else {
                2 + patient / 9
            };
            (0..n).map(|day| (day, day as u32)).collect()
        })
        .collect();
    let flat = Flat::new(&patients);
    let mut settings = SequenceSettings::new(1);
    settings.limits.max_sets = 5_000;
    let open = top(&flat.input(), &settings, 4).unwrap();
    assert!(open.iter().all(|(_, support)| *support > 90));
    settings.closed = true;
    let found = top(&flat.input(), &settings, 4).unwrap();
    assert_eq!(found[0].0.items, [0, 1]);
    assert_eq!(found.len(), 4);
    // Ties beyond counting: 2^40 patterns of fifty patients, of which few are missing.
    settings.closed = false;
    let open = top(&flat.input(), &settings, 9_000).unwrap();
    assert_eq!((open.len(), open[8_999].1), (9_000, 50));
    settings.closed = true;
    let Err(MineError::Overrun(_)) = top(&flat.input(), &settings, 100) else {
        panic!("the hundredth closed pattern is not within 5,000 patterns");
    };
}
