use super::*;
use crate::association::{PrefixSpan, PrefixSpanParams};
use crate::numeric::seed::{Stream, stream, uniform};

/// Letters of one day stand together; days are weeks apart.
fn paper() -> Histories {
    let patients: [&[&str]; 4] = [
        &["a", "abc", "ac", "d", "cf"],
        &["ad", "c", "bc", "ae"],
        &["ef", "ab", "df", "c", "b"],
        &["e", "g", "af", "c", "b", "c"],
    ];
    let mut events = Vec::new();
    for (patient, days) in patients.iter().enumerate() {
        for (day, items) in (0..).zip(*days) {
            events.extend(items.chars().map(|c| (patient, 7 * day, c.to_string())));
        }
    }
    Histories::from_days(4, events).unwrap()
}

#[track_caller]
fn rule(histories: &Histories, params: PrefixSpanParams, text: &str) -> SequenceRule {
    let found = params.mine(histories).unwrap();
    let mut rules = found.rules(histories, 0.0).unwrap().into_iter();
    rules
        .find(|rule| found.text(&rule.sequence) == text)
        .unwrap()
}

#[test]
fn rules_part_a_pattern_before_its_last_step() {
    let (histories, params) = (paper(), PrefixSpan::params().min_count(2));
    let found = params.mine(&histories).unwrap();
    let rules = found.rules(&histories, 0.0).unwrap();
    // First d: on the 4th day of the first patient, the 1st of the second, the 3rd of the third. c comes
    // after the 4th day in two of four (the first and the last), after the 1st in all, after the 3rd
    // in all but the second.
    let d_c = rule(&histories, params.clone(), "d > c");
    assert_eq!((d_c.n_first, d_c.confidence, d_c.n_followed), (3, 1.0, 3));
    let expected = (0.5 + 1.0 + 0.75) / 3.0;
    assert!((d_c.expected - expected).abs() < 1e-15);
    assert!((d_c.lift.unwrap() - 1.0 / expected).abs() < 1e-15);
    let d_c_b = rule(&histories, params.clone(), "d > c > b");
    assert_eq!((d_c_b.n_first, d_c_b.sequence.support), (3, 2));
    let high = found.rules(&histories, 0.9).unwrap();
    assert!(!high.is_empty() && high.iter().all(|rule| rule.confidence >= 0.9));
    assert!(rules.iter().all(|rule| rule.sequence.steps.len() > 1));
    // In the order of the patterns.
    let mut patterns = found.iter().map(|sequence| &sequence.steps);
    assert!(
        rules
            .iter()
            .all(|rule| patterns.any(|steps| *steps == rule.sequence.steps))
    );
}

#[test]
fn no_rule_is_lost_with_patterns_that_were_not_asked_for() {
    let histories = paper();
    let params = PrefixSpan::params().min_count(2);
    let all = params
        .mine(&histories)
        .unwrap()
        .rules(&histories, 0.0)
        .unwrap();
    let wanted = |rule: &&SequenceRule| rule.sequence.steps.iter().flatten().count() >= 2;
    let longer = params
        .clone()
        .lengths(2..=usize::MAX)
        .mine(&histories)
        .unwrap();
    let longer = longer.rules(&histories, 0.0).unwrap();
    assert_eq!(
        longer,
        all.iter().filter(wanted).cloned().collect::<Vec<_>>()
    );
    assert!(longer.len() > 20);
    // Closed: the same numbers for every pattern that is there.
    let closed = params.closed(true).mine(&histories).unwrap();
    let of_closed = closed.rules(&histories, 0.0).unwrap();
    let ends_in_one = |own: &&Sequence| own.steps.len() > 1 && own.steps.last().unwrap().len() == 1;
    assert_eq!(of_closed.len(), closed.iter().filter(ends_in_one).count());
    assert!(of_closed.iter().all(|rule| all.contains(rule)));
}

/// Days of a patient with random items, gaps between them, and a length that differs between patients.
fn unrelated(n: usize, pull: f64, random: &mut Stream) -> Histories {
    let shares = [("a", 0.05), ("b", 0.1), ("c", 0.2), ("d", 0.4)];
    let mut events = Vec::new();
    for patient in 0..n {
        let length = 1 + (40.0 * uniform(random).powi(3)) as usize;
        let (mut day, mut pulled) = (0, false);
        for _ in 0..length {
            day += 1 + (60.0 * uniform(random)) as i32;
            events.push((patient, day, "visit"));
            let has = shares.map(|(_, share)| uniform(random) < share);
            let own = shares.iter().zip(has).filter(|(_, has)| *has);
            events.extend(own.map(|((name, _), _)| (patient, day, *name)));
            if pulled && !has[1] {
                events.push((patient, day, "b"));
            }
            pulled = has[0] && uniform(random) < pull;
        }
    }
    Histories::from_days(n, events).unwrap()
}

#[test]
fn what_has_nothing_to_do_with_each_other_has_a_lift_of_one() {
    let histories = unrelated(4_000, 0.0, &mut stream(41, 0));
    let params = PrefixSpan::params().min_count(40).lengths(1..=3);
    for params in [
        params.clone(),
        params.clone().gap(1..=90),
        params.clone().gap(5..=120).span(200),
    ] {
        let found = params.mine(&histories).unwrap();
        let rules = found.rules(&histories, 0.0).unwrap();
        let (mut far, mut naive) = (0, 0);
        for rule in &rules {
            let n = rule.n_first as f64;
            let error = (rule.expected * (1.0 - rule.expected) / n).sqrt();
            let share = rule.n_followed as f64 / n;
            far += usize::from((share - rule.expected).abs() > 4.0 * error);
            let last = &rule.sequence.steps[rule.sequence.steps.len() - 1];
            let ever = patients_of_items(&histories)[last[0] as usize].len() as f64 / 4_000.0;
            naive += usize::from((share - ever).abs() > 4.0 * error);
        }
        assert!(rules.len() > 60, "{}", rules.len());
        assert!(
            far == 0 && 2 * naive > rules.len(),
            "{far}, {naive} of {}",
            rules.len()
        );
        let d_b = rule(&histories, params, "d > b");
        assert!((d_b.lift.unwrap() - 1.0).abs() < 0.1, "{d_b:?}");
    }
}

#[test]
fn what_follows_has_a_lift() {
    let histories = unrelated(4_000, 0.6, &mut stream(41, 1));
    let params = PrefixSpan::params().min_count(40).lengths(2..=2);
    let lift = |params: PrefixSpanParams, text| rule(&histories, params, text).lift.unwrap();
    assert!(lift(params.clone(), "a > b") > 1.15);
    assert!(lift(params.clone().gap(1..=60), "a > b") > 3.0);
    assert!(lift(params.gap(1..=60), "a > c") < 1.2);
}

/// Patients, places and shares as the definition says, one by one.
#[test]
fn rules_are_those_of_a_plain_count() {
    let mut random = stream(43, 0);
    let mut rules_seen = 0;
    for round in 0..150 {
        let mut draw = |n: u32| (f64::from(n) * uniform(&mut random)) as u32;
        let n = 3 + draw(8) as usize;
        let events: Vec<(usize, i32, String)> = (0..n * 5)
            .map(|_| {
                let item = char::from(b'a' + draw(3) as u8).to_string();
                (draw(n as u32) as usize, draw(12) as i32 - 4, item)
            })
            .collect();
        let histories = Histories::from_days(n, events).unwrap();
        let mut params = PrefixSpan::params().min_count(1).lengths(1..=3);
        let min_gap = 1 + draw(2);
        let max_gap = (draw(2) == 0).then(|| min_gap + draw(4));
        if min_gap > 1 || max_gap.is_some() {
            params = params.gap(min_gap..=max_gap.unwrap_or(u32::MAX));
        }
        let span = (draw(2) == 0).then(|| draw(8));
        if let Some(span) = span {
            params = params.span(span);
        }
        let found = params.mine(&histories).unwrap();
        let supports: BTreeMap<&[Vec<u32>], u64> = found
            .iter()
            .map(|own| (own.steps.as_slice(), own.support))
            .collect();
        let days = |patient: usize| -> Vec<i32> {
            let mut days: Vec<i32> = histories.events(patient).map(|event| event.0).collect();
            days.dedup();
            days
        };
        for rule in found.rules(&histories, 0.0).unwrap() {
            let (last, first) = rule.sequence.steps.split_last().unwrap();
            assert_eq!(rule.n_first, supports[first], "round {round}");
            // All ways to place the first steps, of which the earliest end with the latest start counts.
            let place = |patient: usize| {
                let days = days(patient);
                let has = |day: i32, step: &Vec<u32>| {
                    (step.iter()).all(|item| histories.events(patient).any(|e| e == (day, *item)))
                };
                let mut ways: Vec<(i32, i32)> = vec![];
                let mut open: Vec<Vec<i32>> = vec![vec![]];
                while let Some(way) = open.pop() {
                    if way.len() == first.len() {
                        ways.push((way[way.len() - 1], -way[0]));
                        continue;
                    }
                    for day in &days {
                        let gap = way.last().map(|last| day - last);
                        let far = gap.is_none_or(|gap| {
                            gap >= min_gap as i32 && max_gap.is_none_or(|most| gap <= most as i32)
                        });
                        let start = way.first().unwrap_or(day);
                        let short = span.is_none_or(|most| day - start <= most as i32);
                        if far && short && has(*day, &first[way.len()]) {
                            open.push(way.iter().copied().chain([*day]).collect());
                        }
                    }
                }
                ways.into_iter().min().map(|(end, start)| (end, -start))
            };
            let within = |patient: usize, day: i32, left: i32| {
                histories.events(patient).any(|(other, item)| {
                    item == last[0] && other - day >= min_gap as i32 && other - day <= left
                })
            };
            let (mut followed, mut expected) = (0, 0.0);
            for patient in 0..n {
                let Some((end, start)) = place(patient) else {
                    continue;
                };
                let left = span.map_or(i32::MAX, |span| span as i32 - (end - start));
                let left = left.min(max_gap.map_or(i32::MAX, |gap| gap as i32));
                let visit = days(patient).iter().position(|day| *day == end).unwrap();
                followed += u64::from(within(patient, end, left));
                let reached: Vec<usize> = (0..n).filter(|own| days(*own).len() > visit).collect();
                let later = reached
                    .iter()
                    .filter(|own| within(**own, days(**own)[visit], left));
                expected += later.count() as f64 / reached.len() as f64;
            }
            assert_eq!(rule.n_followed, followed, "round {round}: {rule:?}");
            assert!((rule.expected - expected / rule.n_first as f64).abs() < 1e-12);
            rules_seen += 1;
        }
    }
    assert!(rules_seen > 2_000, "{rules_seen}");
}

#[test]
fn other_histories_are_refused_and_threads_change_nothing() {
    let histories = unrelated(500, 0.0, &mut stream(44, 0));
    let found = PrefixSpan::params()
        .min_count(20)
        .lengths(1..=3)
        .mine(&histories)
        .unwrap();
    for share in [-0.1, 1.1, f64::NAN] {
        let error = found.rules(&histories, share).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Parameter { .. }),
            "{error}"
        );
    }
    let error = found.rules(&paper(), 0.0).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Schema(_)), "{error}");
    let run = |n| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(n)
            .build()
            .unwrap();
        pool.install(|| found.rules(&histories, 0.0).unwrap())
    };
    assert_eq!(run(1), run(3));
}
