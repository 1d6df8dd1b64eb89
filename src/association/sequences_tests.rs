use super::*;
use crate::error::ErrorKind;

/// The example of the paper (Pei et al. 2004, table 1): letters of one day stand together.
fn paper() -> Histories {
    let patients: [&[&str]; 4] = [
        &["a", "abc", "ac", "d", "cf"],
        &["ad", "c", "bc", "ae"],
        &["ef", "ab", "df", "c", "b"],
        &["e", "g", "af", "c", "b", "c"],
    ];
    let mut events = Vec::new();
    for (patient, days) in patients.iter().enumerate() {
        for (day, items) in days.iter().enumerate() {
            events.extend(
                items
                    .chars()
                    .map(|c| (patient, 7 * day as i32, c.to_string())),
            );
        }
    }
    Histories::from_days(4, events).unwrap()
}

#[test]
fn the_example_of_the_paper() {
    let found = PrefixSpan::params().min_count(2).mine(&paper()).unwrap();
    assert_eq!(found.len(), 53);
    let texts: Vec<String> = found.iter().map(|s| found.text(s)).collect();
    // Patterns that begin with b and with d, as the paper lists them.
    let with = |first: char| -> Vec<&str> {
        let own = texts.iter().filter(|text| text.starts_with(first));
        own.map(String::as_str).collect()
    };
    assert_eq!(
        with('b'),
        [
            "b",
            "b + c",
            "b + c > a",
            "b > a",
            "b > c",
            "b > d",
            "b > d > c",
            "b > f"
        ]
    );
    assert_eq!(with('d'), ["d", "d > b", "d > c", "d > c > b"]);
    let counts = PrefixSpan::params().min_count(2);
    let counts = counts.check_ref().unwrap().count(&paper()).unwrap();
    assert_eq!((counts[0], counts.iter().sum::<u64>()), (6, 53));
    let a = found
        .iter()
        .find(|s| found.text(s) == "a > b + c > a")
        .unwrap();
    assert_eq!(a.support, 2);
}

#[test]
fn gaps_and_spans_are_in_days() {
    let texts = |params: PrefixSpanParams| -> Vec<String> {
        let found = params.min_count(2).lengths(2..=2).mine(&paper()).unwrap();
        found.iter().map(|s| found.text(s)).collect()
    };
    let near = texts(PrefixSpan::params().gap(1..=7));
    assert!(
        near.contains(&"a > c".into()) && !near.contains(&"d > b".into()),
        "{near:?}"
    );
    let far = texts(PrefixSpan::params().gap(14..=70));
    assert!(
        far.contains(&"a > c".into()) && !far.contains(&"d > c".into()),
        "{far:?}"
    );
    let short = texts(PrefixSpan::params().span(7));
    assert_eq!(short, near);
}

#[test]
fn closed_patterns_stand_for_all() {
    let all = PrefixSpan::params().min_count(2).mine(&paper()).unwrap();
    let closed = PrefixSpan::params()
        .min_count(2)
        .closed(true)
        .mine(&paper())
        .unwrap();
    let within = |small: &Sequence, large: &Sequence| {
        let mut steps = large.steps.iter();
        (small.steps.iter()).all(|own| steps.any(|step| own.iter().all(|item| step.contains(item))))
    };
    for pattern in all.iter() {
        let covers = |other: &&Sequence| other.support == pattern.support && within(pattern, other);
        assert!(
            closed.iter().any(|other| covers(&other)),
            "{}",
            all.text(pattern)
        );
        let larger = |other: &&Sequence| other != &pattern && covers(other);
        let is_closed = !all.iter().any(|other| larger(&other));
        assert_eq!(closed.iter().any(|other| other == pattern), is_closed);
    }
}

#[test]
fn visiting_may_end_early_and_the_best_come_first() {
    let params = PrefixSpan::params().min_count(2);
    let mut seen = 0;
    let checked = params.check_ref().unwrap();
    checked
        .visit(&paper(), |_| {
            seen += 1;
            if seen == 5 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .unwrap();
    assert_eq!(seen, 5);
    let found = params.mine(&paper()).unwrap();
    let top = found.top(3);
    assert_eq!(top.iter().map(|s| s.support).collect::<Vec<_>>(), [4, 4, 4]);
    assert!(found.to_string().contains("100.0 %"), "{found}");
}

#[test]
fn bad_settings_and_explosions_are_refused() {
    for params in [
        PrefixSpan::params().min_support(0.0),
        PrefixSpan::params().min_support(f64::NAN),
        PrefixSpan::params().min_support(1.5),
        PrefixSpan::params().min_count(0),
        PrefixSpan::params().lengths(0..=2),
        PrefixSpan::params().gap(0..=2),
        PrefixSpan::params().top(0),
        PrefixSpan::params().most_seconds(f64::NAN),
        PrefixSpan::params().most_seconds(f64::INFINITY),
    ] {
        let error = params.mine(&paper()).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Parameter { .. }),
            "{error}"
        );
    }
    let error = PrefixSpan::params()
        .min_count(2)
        .most_sets(10)
        .mine(&paper())
        .unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Explosion { .. }),
        "{error}"
    );
    let told = error.to_string();
    assert!(
        told.contains("longest seen has") && !told.contains(" 0 items"),
        "{told}"
    );
    let bytes = PrefixSpan::params()
        .min_count(2)
        .closed(true)
        .most_bytes(100);
    let error = bytes.mine(&paper()).unwrap_err();
    assert!(error.to_string().contains("most_bytes"), "{error}");
    let none = Histories::from_days(3, Vec::<(usize, i32, &str)>::new()).unwrap();
    assert!(PrefixSpan::params().mine(&none).unwrap().is_empty());
}

#[test]
fn no_item_stands_beside_its_ancestor() {
    use crate::association::{Pathways, TimeTo};
    use crate::design::Hierarchy;
    let mut events = Vec::new();
    for patient in 0..30 {
        let code = if patient % 2 == 0 { "E11.9" } else { "E11.2" };
        events.extend([
            (patient, 0, code),
            (patient, 0, "I10"),
            (patient, 9, "E11.9"),
        ]);
    }
    let icd = Hierarchy::new([("E11.9", "E11"), ("E11.2", "E11")]).unwrap();
    let histories = Histories::from_days(30, events)
        .unwrap()
        .with_ancestors(&icd);
    let found = PrefixSpan::params().min_count(12).mine(&histories).unwrap();
    let texts: Vec<String> = found.iter().map(|sequence| found.text(sequence)).collect();
    for text in [
        "E11 > E11",
        "E11 + I10 > E11.9",
        "E11.9 > E11",
        "E11.2 + I10 > E11.9",
    ] {
        assert!(texts.iter().any(|own| own == text), "{text}");
    }
    assert!(
        !texts.iter().any(|text| text.contains("E11 + E11.")),
        "{texts:?}"
    );
    let ways = Pathways::params().min_count(5).count(&histories).unwrap();
    let texts: Vec<String> = ways.pathways.iter().map(|way| ways.text(way)).collect();
    assert_eq!(texts, ["E11.2 + I10 > E11.9", "E11.9 + I10"]);
    let pairs = TimeTo::params()
        .alpha(1.0)
        .find(&histories.followed_to_last_event())
        .unwrap();
    assert!(pairs.iter().all(|pair| !pair.names.contains(&"E11".into())));
}

#[test]
fn the_largest_are_those_of_a_plain_sort() {
    for params in [
        PrefixSpan::params().min_count(1),
        PrefixSpan::params().min_count(2).lengths(2..=3),
        PrefixSpan::params().min_count(2).closed(true),
        PrefixSpan::params().min_count(1).gap(1..=14).span(20),
    ] {
        let all = params.mine(&paper()).unwrap();
        for k in [1, 2, 3, 7, 20, 10_000] {
            let best = params.clone().top(k).mine(&paper()).unwrap();
            let plain: Vec<&Sequence> = all.top(k);
            assert_eq!(best.iter().collect::<Vec<_>>(), plain, "{k}");
            let counts = params
                .clone()
                .top(k)
                .check()
                .unwrap()
                .count(&paper())
                .unwrap();
            assert_eq!(counts.iter().sum::<u64>() as usize, plain.len());
        }
    }
}
