use super::*;
use crate::estimator::figure::Shape;
use crate::numeric::seed::{stream, uniform};

#[test]
fn a_curve_by_hand() {
    // A at day 0 of all. B after 5 and 9 days; observed for 7, 12 and 30; one with B before A.
    let events = [
        (0, 0, "a"),
        (0, 5, "b"),
        (1, 0, "a"),
        (1, 9, "b"),
        (1, 11, "b"),
        (2, 0, "a"),
        (3, 0, "a"),
        (4, 0, "a"),
        (5, 0, "a"),
        (5, 0, "b"),
        (6, -3, "b"),
        (6, 0, "a"),
        (6, 4, "b"),
        (7, 3, "b"),
    ];
    let histories = Histories::from_days(8, events)
        .unwrap()
        .followed_until([(2, 7), (3, 12), (4, 30)])
        .unwrap()
        .followed_to_last_event();
    let found = TimeTo::params()
        .window(20)
        .of(&histories, "a", "b")
        .unwrap();
    assert_eq!((found.n_a, found.n_at_risk, found.n_followed), (7, 5, 2));
    let steps: Vec<(f64, u64, u64, f64)> = found
        .curve
        .iter()
        .map(|p| (p.day, p.at_risk, p.events, p.share))
        .collect();
    let after = 0.8 * (1.0 - 1.0 / 3.0);
    assert_eq!(steps.len(), 5);
    for (found, expected) in steps.iter().zip([
        (5.0, 5, 1, 0.8),
        (7.0, 4, 0, 0.8),
        (9.0, 3, 1, after),
        (12.0, 2, 0, after),
        (20.0, 1, 0, after), // the window ends before day 30
    ]) {
        assert_eq!(
            (found.0, found.1, found.2),
            (expected.0, expected.1, expected.2)
        );
        assert!((found.3 - expected.3).abs() < 1e-15);
    }
    assert_eq!(found.median, None);
    let lower = found.median_interval.0;
    assert_eq!((lower, found.median_interval.1), (Some(5.0), None));
    assert_eq!(found.names, ["a", "b"]);
    let drawing = crate::report::svg(&found.figure());
    assert!(drawing.contains("From a to b"));
}

/// Patients with A and B at random times; `pull` of those with A get B soon after.
fn cohort(pull: f64, task: u64) -> Histories {
    let mut stream = stream(17, task);
    let mut events = Vec::new();
    for patient in 0..400 {
        let mut day = || (1_000.0 * uniform(&mut stream)) as i32;
        let (a, b) = (day(), day());
        events.push((patient, a, "a"));
        if uniform(&mut stream) < pull {
            events.push((patient, a + 1 + (40.0 * uniform(&mut stream)) as i32, "b"));
        } else if uniform(&mut stream) < 0.5 {
            events.push((patient, b, "b"));
        }
        events.push((patient, (1_000.0 * uniform(&mut stream)) as i32, "c"));
    }
    let ends = (0..400).map(|patient| (patient, 1_041));
    let histories = Histories::from_days(400, events).unwrap();
    histories.followed_until(ends).unwrap()
}

#[test]
fn what_follows_is_found_and_chance_is_not() {
    let (mut found, mut chance) = (0, 0);
    for task in 0..100 {
        let planted = TimeTo::params().find(&cohort(0.4, task)).unwrap();
        found += usize::from(planted.iter().any(|rule| rule.names == ["a", "b"]));
        chance += usize::from(
            !TimeTo::params()
                .find(&cohort(0.0, 500 + task))
                .unwrap()
                .is_empty(),
        );
    }
    // Families of three pairs at 0.05 of 100, and three standard errors.
    assert!(found >= 99 && chance <= 11, "{found}, {chance}");
}

#[test]
fn the_same_at_any_number_of_threads() {
    let histories = cohort(0.3, 1);
    let run = |n| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(n)
            .build()
            .unwrap();
        pool.install(|| TimeTo::params().alpha(1.0).find(&histories).unwrap())
    };
    let found = run(1);
    assert_eq!((found.len(), &found), (3, &run(3)));
    assert!(found.iter().all(|rule| rule.direction.is_some()));
}

#[test]
fn bad_input_is_refused() {
    let histories = cohort(0.3, 2);
    for params in [
        TimeTo::params().window(0),
        TimeTo::params().min_count(0),
        TimeTo::params().alpha(f64::NAN),
        TimeTo::params().level(1.0),
        TimeTo::params().landmark(30).window(20),
    ] {
        let error = params.find(&histories).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Parameter { .. }),
            "{error}"
        );
    }
    let error = TimeTo::params().of(&histories, "a", "d").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::FeatureNames { .. }));
    let all_before = Histories::from_days(1, [(0, 1, "b"), (0, 2, "a")]).unwrap();
    let all_before = all_before.followed_to_last_event();
    let error = TimeTo::params().of(&all_before, "a", "b").unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Undefined { .. }),
        "{error}"
    );
    // Nothing after A: at risk for no time.
    let alone = Histories::from_days(1, [(0, 2, "a"), (0, 1, "c"), (0, 1, "b")]).unwrap();
    let alone = alone.followed_to_last_event();
    assert!(TimeTo::params().of(&alone, "c", "a").is_ok());
    let none = Histories::from_days(0, Vec::<(usize, i32, &str)>::new()).unwrap();
    assert!(TimeTo::params().find(&none).unwrap().is_empty());
}

/// Who is well comes no more: without ends of follow-up there is no honest curve.
#[test]
fn ends_of_follow_up_are_asked_for() {
    let events = [(1, 0, "a"), (1, 5, "b"), (2, 0, "a"), (2, 3, "c")];
    let histories = Histories::from_days(3, events).unwrap();
    let some = histories.clone().followed_until([(1, 30)]).unwrap();
    let params = TimeTo::params();
    for (histories, patient) in [(&histories, 1), (&some, 2)] {
        for found in [
            params.of(histories, "a", "b").map(|_| ()),
            params.find(histories).map(|_| ()),
        ] {
            let error = found.unwrap_err();
            let told = error.to_string();
            assert!(told.contains("followed_until") && told.contains("followed_to_last_event"));
            assert!(
                matches!(error.kind(), ErrorKind::OutOfRange { row: Some(row), .. } if *row == patient),
                "{error}"
            );
        }
    }
    let curve = |histories: Histories| {
        let found = params.of(&histories, "a", "b").unwrap();
        (
            found.curve[0].day,
            found.curve[0].at_risk,
            found.curve[0].share,
        )
    };
    // The second patient is observed for three days, or for thirty: at risk on day five or not.
    assert_eq!(curve(some.clone().followed_to_last_event()), (3.0, 2, 1.0));
    assert_eq!(
        curve(some.followed_until([(2, 30)]).unwrap()),
        (5.0, 2, 0.5)
    );
}

/// B from the third to the twentieth day after A.
#[test]
fn a_window_may_begin_later() {
    let b_days = [Some(1), Some(3), Some(8), Some(21), None, None, None];
    let ends = [30, 30, 30, 30, 2, 3, 40];
    let mut events = Vec::new();
    for (patient, b) in b_days.iter().enumerate() {
        events.push((patient, 100, "a"));
        events.extend(b.map(|day| (patient, 100 + day, "b")));
    }
    let ends = ends
        .iter()
        .enumerate()
        .map(|(patient, day)| (patient, 100 + day));
    let histories = Histories::from_days(7, events)
        .unwrap()
        .followed_until(ends)
        .unwrap();
    let found = TimeTo::params()
        .landmark(3)
        .window(20)
        .of(&histories, "a", "b")
        .unwrap();
    // Not at risk: B on day 1, and the one seen for two days.
    assert_eq!(
        (found.n_a, found.n_at_risk, found.n_followed, found.landmark),
        (7, 5, 2, 3)
    );
    let steps: Vec<(f64, u64, u64, u64)> = found
        .curve
        .iter()
        .map(|p| (p.day, p.at_risk, p.events, p.censored))
        .collect();
    assert_eq!(steps, [(3.0, 5, 1, 1), (8.0, 3, 1, 0), (20.0, 2, 0, 2)]);
    let Shape::Steps { x, .. } = &found.figure().series[0].shape else {
        panic!("a curve");
    };
    assert_eq!(x[0], 3.0);
    assert!(
        TimeTo::params()
            .landmark(41)
            .of(&histories, "a", "b")
            .is_err()
    );
}

/// Orders nearer than the landmark count neither in the test nor in what it is tested against.
#[test]
fn near_orders_count_neither_way_before_a_landmark() {
    let (a, b) = (
        [Some(10), Some(10), Some(10), None],
        [Some(11), Some(15), Some(3), Some(13)],
    );
    let counts = orders(&a, &b, 5, 30).unwrap();
    assert_eq!((counts.a_first, counts.b_first), (1, 1));
    // Every a (three of day 10) against every b: after 5 days and more only 15, before only 3.
    assert_eq!(null_share(&a, &b, 5, 30), Some(0.5));
    assert_eq!(null_share(&a, &b, 4, 30), Some(0.5));
    assert_eq!(null_share(&a, &b, 3, 30), Some(2.0 / 3.0));
    assert_eq!(null_share(&a, &b, 8, 30), None);
    use crate::association::null_order_share;
    for least in [0, 1] {
        assert_eq!(
            null_share(&a, &b, least, 6),
            null_order_share(&a, &b, 6).ok()
        );
    }
}

/// Time zero is the first day on which all steps are complete.
#[test]
fn several_steps_come_before() {
    let events = [
        // x and y on one day only the second time, then z; b on day 30.
        (0, 0, "x"),
        (0, 1, "y"),
        (0, 5, "x"),
        (0, 5, "y"),
        (0, 9, "z"),
        (0, 12, "z"),
        (0, 30, "b"),
        // z too early; without the steps.
        (1, 0, "z"),
        (1, 4, "x"),
        (1, 4, "y"),
        (1, 9, "b"),
        // b before the steps are complete.
        (2, 0, "x"),
        (2, 0, "y"),
        (2, 2, "b"),
        (2, 3, "z"),
        (2, 8, "b"),
        // Far apart.
        (3, 0, "x"),
        (3, 0, "y"),
        (3, 90, "z"),
    ];
    let histories = Histories::from_days(4, events).unwrap();
    let histories = histories
        .followed_until((0..4).map(|patient| (patient, 100)))
        .unwrap();
    let steps: [&[&str]; 2] = [&["y", "x"], &["z"]];
    let of = |params: TimeToParams| params.of_sequence(&histories, &steps, "b").unwrap();
    let found = of(TimeTo::params());
    assert_eq!(found.names, ["x + y > z", "b"]);
    assert_eq!((found.n_a, found.n_at_risk, found.n_followed), (3, 2, 1));
    let days: Vec<f64> = found.curve.iter().map(|point| point.day).collect();
    assert_eq!(days, [10.0, 21.0]);
    assert_eq!(of(TimeTo::params().span(20)).n_a, 2);
    for steps in [&[][..], &[&["x"][..], &[]]] {
        let error = TimeTo::params()
            .of_sequence(&histories, steps, "b")
            .unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Parameter { .. }),
            "{error}"
        );
    }
    // One item is one step of it.
    let single = TimeTo::params().of(&histories, "x", "b").unwrap();
    let x = histories.find("x").unwrap();
    assert_eq!((single.a, single.n_a), (vec![vec![x]], 4));
}
