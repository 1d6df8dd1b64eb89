use super::*;
use crate::matrix::Span;

#[test]
fn events_are_sorted_and_count_once() {
    let events = [
        (1, 5, "b"),
        (0, 9, "a"),
        (1, 5, "a"),
        (1, 2, "c"),
        (1, 5, "b"),
    ];
    let histories = Histories::from_days(3, events).unwrap();
    assert_eq!(
        histories.events(1).collect::<Vec<_>>(),
        [(2, 2), (5, 0), (5, 1)]
    );
    assert_eq!(histories.events(2).len(), 0);
    assert_eq!((histories.until(1), histories.until(2)), (None, None));
    assert_eq!(histories.find("c"), Some(2));
    assert_eq!(histories.find("d"), None);
}

#[test]
fn an_end_is_what_was_said_and_never_before_the_last_event() {
    let histories = || Histories::from_days(3, [(0, 50, "a"), (1, 7, "a")]).unwrap();
    assert_eq!(histories().until(0), None);
    // The last of several ends counts; one before the last event is refused by its row.
    let ended = histories()
        .followed_until([(0, 20), (0, 60), (2, 5)])
        .unwrap();
    assert_eq!(
        [0, 1, 2].map(|patient| ended.until(patient)),
        [Some(60), None, Some(5)]
    );
    for (ends, row) in [
        (vec![(1, 7), (0, 49), (0, 20)], 1),
        (vec![(1, 7), (0, 20), (0, 49)], 2),
        (vec![(2, 1), (3, 20)], 1),
    ] {
        let error = histories().followed_until(ends).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::OutOfRange { row: Some(at), .. } if *at == row),
            "{error}"
        );
    }
    // A later call may move an end on, not back.
    let ended = ended.followed_until([(0, 55)]).unwrap();
    assert_eq!(ended.until(0), Some(60));
    let last = ended.followed_to_last_event();
    assert_eq!(
        [0, 1, 2].map(|patient| last.until(patient)),
        [Some(60), Some(7), Some(5)]
    );
    assert_eq!(histories().followed_to_last_event().until(2), None);
}

#[test]
fn times_before_1970_have_their_own_day() {
    let at = [
        (0, Time(-1), "a"),
        (0, Time(0), "b"),
        (0, Time(0) + Span::hours(23), "c"),
    ];
    let histories = Histories::from_times(1, at).unwrap();
    let days: Vec<i32> = histories.events(0).map(|event| event.0).collect();
    assert_eq!(days, [-1, 0, 0]);
}

#[test]
fn patients_that_are_not_there_are_refused_by_position() {
    let error = Histories::from_days(1, [(0, 1, "a"), (1, 1, "a")]).unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::OutOfRange { row: Some(1), .. }
    ));
}

#[test]
fn what_stands_above_comes_along_or_instead() {
    let pairs = [
        ("E11.9", "E11"),
        ("E11.2", "E11"),
        ("E11", "IV"),
        ("I10", "IX"),
    ];
    let icd = Hierarchy::new(pairs).unwrap();
    let events = [
        (0, 1, "E11.9"),
        (0, 1, "E11.2"),
        (0, 5, "E11"),
        (1, 2, "drug"),
        (1, 2, "I10"),
    ];
    let histories = Histories::from_days(2, events)
        .unwrap()
        .followed_until([(0, 9)])
        .unwrap();
    let all = histories.clone().with_ancestors(&icd);
    assert_eq!(
        all.names(),
        ["E11", "E11.2", "E11.9", "I10", "IV", "IX", "drug"]
    );
    let of = |histories: &Histories, patient| histories.events(patient).collect::<Vec<_>>();
    assert_eq!(
        of(&all, 0),
        [(1, 0), (1, 1), (1, 2), (1, 4), (5, 0), (5, 4)]
    );
    assert_eq!(of(&all, 1), [(2, 3), (2, 5), (2, 6)]);
    assert_eq!(
        (all.above(1), all.above(0), all.above(6)),
        (&[0, 4][..], &[4][..], &[][..])
    );
    assert!(all.related(4, 2) && all.related(2, 4) && !all.related(1, 2));
    assert_eq!((all.until(0), all.until(1)), (Some(9), None));
    // Twice changes nothing.
    assert_eq!(all.clone().with_ancestors(&icd), all);
    // Two levels may be groups; what is below none stays.
    let up = histories.clone().rolled_up(&icd, |group| group == "E11");
    assert_eq!(up.names(), ["E11", "I10", "drug"]);
    assert_eq!(of(&up, 0), [(1, 0), (5, 0)]);
    let up = histories.rolled_up(&icd, |group| group == "E11" || group == "IV");
    assert_eq!(of(&up, 0), [(1, 0), (1, 2), (5, 0), (5, 2)]);
    assert_eq!(
        (up.names(), up.above(0)),
        (
            &["E11", "I10", "IV", "drug"].map(String::from)[..],
            &[2][..]
        )
    );
}
