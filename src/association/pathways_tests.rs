use super::*;

/// Ward stays by day: letters of one day stand together.
fn histories(patients: &[&[(i32, &str)]]) -> Histories {
    let mut events = Vec::new();
    for (patient, days) in patients.iter().enumerate() {
        for (day, items) in *days {
            events.extend(items.chars().map(|c| (patient, *day, c.to_string())));
        }
    }
    Histories::from_days(patients.len(), events).unwrap()
}

fn wards() -> Histories {
    histories(&[
        &[(1, "a"), (3, "b"), (4, "b"), (9, "a")],
        &[(1, "a"), (5, "b")],
        &[(1, "a"), (2, "b"), (3, "c"), (8, "d")],
        &[(2, "bc")],
        &[],
    ])
}

fn told(params: PathwayParams) -> Vec<(String, u64)> {
    let found = params.min_count(1).count(&wards()).unwrap();
    found
        .pathways
        .iter()
        .map(|way| (found.text(way), way.n))
        .collect()
}

#[test]
fn steps_are_what_is_new_or_changed_or_every_day() {
    let own = |ways: &[(&str, u64)]| -> Vec<(String, u64)> {
        ways.iter()
            .map(|(text, n)| (text.to_string(), *n))
            .collect()
    };
    let new = told(Pathways::params());
    assert_eq!(new, own(&[("a > b", 2), ("a > b > c", 1), ("b + c", 1)]));
    let changed = told(Pathways::params().steps(Steps::Changed).longest(9));
    let expected = own(&[
        ("a > b", 1),
        ("a > b > a", 1),
        ("a > b > c > d", 1),
        ("b + c", 1),
    ]);
    assert_eq!(changed, expected);
    let every = told(Pathways::params().steps(Steps::Every).longest(9));
    assert!(every.contains(&("a > b > b > a".into(), 1)));
    let from_b = told(Pathways::params().start("b").longest(2));
    assert_eq!(
        from_b,
        own(&[("b", 1), ("b > a", 1), ("b > c", 1), ("b + c", 1)])
    );
}

#[test]
fn rare_ways_are_told_together_and_days_are_medians() {
    let found = Pathways::params().min_count(2).count(&wards()).unwrap();
    assert_eq!(
        (found.pathways.len(), found.n_patients, found.n_without),
        (1, 4, 1)
    );
    assert_eq!((found.n_other_ways, found.n_others), (2, 2));
    let way = &found.pathways[0];
    assert_eq!(
        (way.n, way.share, way.median_days.as_slice()),
        (2, 0.5, &[3.0][..])
    );
    let text = found.to_string();
    assert!(
        text.contains("50.0 %") && text.contains("2 patients on 2 rarer ways"),
        "{text}"
    );
    let figure = found.figure("Wards");
    assert!(figure.caption.contains("2 of 4 patients"));
    assert!(crate::report::svg(&figure).contains("Wards"));
}

#[test]
fn bad_input_is_refused() {
    for params in [
        Pathways::params().longest(0),
        Pathways::params().min_count(0),
    ] {
        let error = params.count(&wards()).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Parameter { .. }),
            "{error}"
        );
    }
    assert!(Pathways::params().start("z").count(&wards()).is_err());
    let none = Pathways::params().count(&histories(&[])).unwrap();
    assert_eq!((none.n_patients, none.pathways.len()), (0, 0));
}
