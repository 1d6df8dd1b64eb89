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

/// Numbers of patients by way, each letter a day of its own.
fn cohort(ways: &[(&str, usize)]) -> Histories {
    let mut events = Vec::new();
    let mut patient = 0;
    for (way, n) in ways {
        for _ in 0..*n {
            let days = (0..).zip(way.chars());
            events.extend(days.map(|(day, item)| (patient, 10 * day, item.to_string())));
            patient += 1;
        }
    }
    Histories::from_days(patient, events).unwrap()
}

fn texts(found: &Pathways) -> Vec<(String, u64)> {
    let told = found.pathways.iter();
    told.map(|way| (found.text(way), way.n)).collect()
}

#[test]
fn rare_ways_are_folded_into_their_beginnings() {
    let own = |ways: &[(&str, u64)]| -> Vec<(String, u64)> {
        ways.iter()
            .map(|(text, n)| (text.to_string(), *n))
            .collect()
    };
    let five = |ways: &[(&str, usize)]| {
        Pathways::params()
            .min_count(5)
            .count(&cohort(ways))
            .unwrap()
    };
    // Two of three steps each too rare: their beginning is told; a way that ends there is told apart.
    let found = five(&[("abc", 4), ("abd", 3), ("ab", 6), ("x", 5)]);
    let expected = [("a > b > ...", 7), ("a > b", 6), ("x", 5)];
    assert_eq!(texts(&found), own(&expected));
    assert_eq!(
        (found.n_patients, found.n_others, found.n_without),
        (18, 0, 0)
    );
    assert_eq!(found.pathways[0].median_days, [10.0]);
    // Those who end at the beginning are too few: they are of it.
    let found = five(&[("abc", 4), ("abd", 3), ("ab", 2), ("x", 5)]);
    assert_eq!(texts(&found), own(&[("a > b > ...", 9), ("x", 5)]));
    // Folded twice; what is left over is the others.
    let found = five(&[
        ("abc", 2),
        ("ade", 2),
        ("af", 1),
        ("p", 2),
        ("q", 3),
        ("", 6),
    ]);
    assert_eq!(texts(&found), own(&[("a > ...", 5)]));
    assert_eq!(
        (found.n_patients, found.n_others, found.n_without),
        (10, 5, 6)
    );
    let figure = found.figure("Wards");
    assert!(
        figure.caption.contains("5 of 10 patients"),
        "{}",
        figure.caption
    );
    let text = found.to_string();
    assert!(
        text.contains("50.0 %") && text.contains("5 others"),
        "{text}"
    );
    assert!(crate::report::svg(&figure).contains("Wards"));
    // Names of what is not told are not kept.
    let saved = serde_json::to_string(&found).unwrap();
    assert!(saved.contains("\"a\"") && !saved.contains("\"p\"") && !saved.contains("\"b\""));
    assert_eq!(serde_json::from_str::<Pathways>(&saved).unwrap(), found);
}

#[test]
fn others_that_are_too_few_take_in_the_smallest_ways() {
    let five = |ways: &[(&str, usize)]| {
        Pathways::params()
            .min_count(5)
            .count(&cohort(ways))
            .unwrap()
    };
    let numbers = |found: &Pathways| (found.n_patients, found.n_others, found.n_without);
    let found = five(&[("ab", 9), ("c", 6), ("d", 2)]);
    assert_eq!(
        (texts(&found), numbers(&found)),
        (vec![("a > b".into(), 9)], (17, 8, 0))
    );
    // Patients without a step are a group too.
    let found = five(&[("ab", 9), ("c", 6), ("", 2)]);
    assert_eq!(
        (texts(&found), numbers(&found)),
        (vec![("a > b".into(), 9)], (17, 8, 0))
    );
    let found = five(&[("d", 2), ("", 9)]);
    assert_eq!((found.pathways.len(), numbers(&found)), (0, (11, 11, 0)));
    let found = five(&[("d", 3), ("", 1)]);
    assert_eq!((found.pathways.len(), numbers(&found)), (0, (4, 4, 0)));
}

/// Every group of a table has nobody or enough patients, they are all patients, and each is
/// where it belongs.
#[test]
fn no_number_tells_of_too_few() {
    use crate::numeric::seed::{stream, uniform};
    let mut random = stream(3, 0);
    let mut draw = |n: usize| (n as f64 * uniform(&mut random)) as usize;
    let (mut opened, mut whole, mut silent) = (0, 0, 0);
    for round in 0..400 {
        let least = 2 + draw(9);
        let n_items = 1 + draw(4);
        let ways: Vec<(String, usize)> = (0..1 + draw(8))
            .map(|_| {
                let letter = |_| char::from(b'a' + draw(n_items) as u8);
                let way: String = (0..4).map(letter).collect();
                (way[..draw(5)].to_string(), 1 + draw(8))
            })
            .collect();
        let ways: Vec<(&str, usize)> = ways.iter().map(|(way, n)| (way.as_str(), *n)).collect();
        let histories = cohort(&ways);
        let params = Pathways::params()
            .min_count(least as u64)
            .steps(Steps::Every);
        let found = params.longest(3).count(&histories).unwrap();
        let told: u64 = found.pathways.iter().map(|way| way.n).sum();
        let total = histories.n_patients() as u64;
        assert_eq!(
            told + found.n_others + found.n_without,
            total,
            "round {round}"
        );
        assert_eq!(found.n_patients, total - found.n_without);
        let groups = found.pathways.iter().map(|way| way.n);
        let groups = groups.chain([found.n_others, found.n_without]);
        let everybody = found.pathways.is_empty() && found.n_without == 0;
        for n in groups {
            assert!(
                n == 0 || n >= least as u64 || everybody,
                "{n} of {least}: {ways:?}"
            );
        }
        let mut seen = std::collections::BTreeSet::new();
        for way in &found.pathways {
            assert!(seen.insert((way.steps.clone(), way.open)));
            opened += usize::from(way.open);
            whole += usize::from(!way.open);
            let text = found.text(way).replace(" > ", "");
            let beginning = text.trim_end_matches("...");
            let fits = |own: &str| {
                let own = &own[..own.len().min(3)];
                if way.open {
                    own.starts_with(beginning)
                } else {
                    own == beginning
                }
            };
            let of: usize = ways
                .iter()
                .filter(|(own, _)| fits(own))
                .map(|(_, n)| n)
                .sum();
            assert!(if way.open {
                of >= way.n as usize
            } else {
                of == way.n as usize
            });
        }
        silent += usize::from(everybody);
    }
    assert!(
        opened > 50 && whole > 200 && silent > 50,
        "{opened} {whole} {silent}"
    );
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
