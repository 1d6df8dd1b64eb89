//! PrefixSpan against all patterns of small random patients, and the example of its paper.

use super::MineError;
use super::limits::{Bound, Limits};
use super::prefix_span::SequenceSettings;
use super::sequence_data::Sequences;
use super::sequence_patterns::{Pattern, collect, visit};
use super::sequence_top::top;
use super::tests::Random;

type Patients = Vec<Vec<(i32, u32)>>;
type Found = Vec<(Vec<Vec<u32>>, u64)>;

struct Flat {
    offsets: Vec<usize>,
    days: Vec<i32>,
    items: Vec<u32>,
    above: Vec<Vec<u32>>,
}

impl Flat {
    fn new(patients: &Patients) -> Self {
        let mut flat = Self {
            offsets: vec![0],
            days: vec![],
            items: vec![],
            above: vec![],
        };
        for events in patients {
            for &(day, item) in events {
                flat.days.push(day);
                flat.items.push(item);
            }
            flat.offsets.push(flat.items.len());
        }
        flat
    }

    fn input(&self) -> Sequences<'_> {
        Sequences {
            offsets: &self.offsets,
            days: &self.days,
            items: &self.items,
            above: &self.above,
        }
    }
}

fn elements(pattern: &Pattern) -> Vec<Vec<u32>> {
    let mut start = 0;
    pattern
        .ends
        .iter()
        .map(|&end| {
            let element = pattern.items[start..end].to_vec();
            start = end;
            element
        })
        .collect()
}

fn mined(patients: &Patients, settings: &SequenceSettings) -> Found {
    mined_below(patients, settings, vec![])
}

fn mined_below(patients: &Patients, settings: &SequenceSettings, above: Vec<Vec<u32>>) -> Found {
    let flat = Flat {
        above,
        ..Flat::new(patients)
    };
    let mut found = Found::new();
    collect(&flat.input(), settings)
        .unwrap()
        .visit(|pattern, support| {
            found.push((elements(pattern), support));
            true
        });
    let mut visited = Found::new();
    visit(&flat.input(), settings, &mut |pattern, support| {
        visited.push((elements(pattern), support));
        true
    })
    .unwrap();
    assert_eq!(found, visited);
    found
}

/// Whether some embedding of the pattern's rest follows the days taken so far.
fn embeds(
    events: &[(i32, u32)],
    rest: &[Vec<u32>],
    first: Option<i32>,
    last: Option<i32>,
    settings: &SequenceSettings,
) -> bool {
    let Some((element, rest)) = rest.split_first() else {
        return true;
    };
    let days: std::collections::BTreeSet<i32> = events.iter().map(|event| event.0).collect();
    days.into_iter().any(|day| {
        let within = last.is_none_or(|last| {
            let gap = day - last;
            gap >= settings.min_gap as i32 && settings.max_gap.is_none_or(|most| gap <= most as i32)
        });
        let span = day - first.unwrap_or(day);
        within
            && settings.max_span.is_none_or(|most| span <= most as i32)
            && element.iter().all(|&item| events.contains(&(day, item)))
            && embeds(events, rest, first.or(Some(day)), Some(day), settings)
    })
}

/// All patterns over the items up to a length, in canonical order.
fn brute(patients: &Patients, n_items: u32, most: usize, settings: &SequenceSettings) -> Found {
    fn grow(
        pattern: &mut Vec<Vec<u32>>,
        patients: &Patients,
        n_items: u32,
        most: usize,
        settings: &SequenceSettings,
        out: &mut Found,
    ) {
        let length: usize = pattern.iter().map(Vec::len).sum();
        if length > 0 {
            let support = patients
                .iter()
                .filter(|events| embeds(events, pattern, None, None, settings))
                .count() as u64;
            // A pattern without any patient has no supported extension by definition.
            if support == 0 {
                return;
            }
            out.push((pattern.clone(), support));
        }
        if length == most {
            return;
        }
        if let Some(last) = pattern.last().and_then(|element| element.last()).copied() {
            for item in last + 1..n_items {
                pattern.last_mut().unwrap().push(item);
                grow(pattern, patients, n_items, most, settings, out);
                pattern.last_mut().unwrap().pop();
            }
        }
        for item in 0..n_items {
            pattern.push(vec![item]);
            grow(pattern, patients, n_items, most, settings, out);
            pattern.pop();
        }
    }
    let mut out = Found::new();
    grow(&mut vec![], patients, n_items, most, settings, &mut out);
    out.retain(|(_, support)| *support >= settings.min_support);
    out
}

/// Item 0 stands above 1 and 3; the last item, which may be missing, above 0.
fn hierarchy() -> Vec<Vec<u32>> {
    vec![vec![9], vec![0, 9], vec![], vec![0, 9]]
}

/// Whether no day of the pattern has an item and one above it.
fn without_kin(pattern: &[Vec<u32>]) -> bool {
    let kin = |day: &Vec<u32>| day.contains(&0) && (day.contains(&1) || day.contains(&3));
    !pattern.iter().any(kin)
}

/// Whether `long` minus one item is `short`.
fn one_more(long: &[Vec<u32>], short: &[Vec<u32>]) -> bool {
    (0..long.len()).any(|at| {
        (0..long[at].len()).any(|left_out| {
            let mut less = long.to_vec();
            less[at].remove(left_out);
            less.retain(|element| !element.is_empty());
            less == short
        })
    })
}

#[test]
fn all_patterns_of_small_patients_are_found() {
    let mut random = Random(5);
    let mut longest = 0;
    for round in 0..2_000 {
        let n_items = 1 + random.next(4) as u32;
        let single = random.next(3) == 0;
        let days = 1 + random.next(9);
        let patients: Patients = (0..random.next(7))
            .map(|_| {
                let mut events: Vec<(i32, u32)> = (0..random.next(10))
                    .map(|_| {
                        (
                            random.next(days) as i32 - 3,
                            random.next(u64::from(n_items)) as u32,
                        )
                    })
                    .collect();
                if single {
                    events.sort_unstable();
                    events.dedup_by_key(|event| event.0);
                }
                events
            })
            .collect();
        let mut settings = SequenceSettings::new(1 + random.next(3));
        settings.min_gap = 1 + random.next(3).saturating_sub(1) as u32;
        if random.next(2) == 0 {
            settings.max_gap = Some(settings.min_gap + random.next(3) as u32);
        }
        if random.next(2) == 0 {
            settings.max_span = Some(random.next(6) as u32);
        }
        let most = 4;
        let all = brute(&patients, n_items, most + 1, &settings);
        settings.max_length = most;
        settings.min_length = 1 + random.next(2) as usize;
        let length = |pattern: &[Vec<u32>]| pattern.iter().map(Vec::len).sum::<usize>();
        let mut expected = all.clone();
        expected.retain(|(p, _)| length(p) <= most && length(p) >= settings.min_length);
        assert_eq!(
            mined(&patients, &settings),
            expected,
            "round {round} {patients:?} {settings:?}"
        );
        settings.closed = true;
        expected.retain(|(p, s)| !all.iter().any(|(q, t)| s == t && one_more(q, p)));
        assert_eq!(
            mined(&patients, &settings),
            expected,
            "closed, round {round}"
        );
        // The same below a hierarchy.
        let mut all = all;
        all.retain(|(p, _)| without_kin(p));
        settings.closed = false;
        for closed in [false, true] {
            settings.closed = closed;
            let mut expected = all.clone();
            expected.retain(|(p, _)| length(p) <= most && length(p) >= settings.min_length);
            if closed {
                expected.retain(|(p, s)| !all.iter().any(|(q, t)| s == t && one_more(q, p)));
            }
            let found = mined_below(&patients, &settings, hierarchy());
            assert_eq!(found, expected, "hierarchy, round {round}");
        }
        longest = longest.max(expected.iter().map(|(p, _)| p.len()).max().unwrap_or(0));
    }
    assert_eq!(longest, 4);
}

/// The database of Pei et al. (2004), table 1: a(abc)(ac)d(cf), (ad)c(bc)(ae), (ef)(ab)(df)cb,
/// eg(af)cbc.
fn paper() -> Patients {
    let sequences: [&[&str]; 4] = [
        &["a", "abc", "ac", "d", "cf"],
        &["ad", "c", "bc", "ae"],
        &["ef", "ab", "df", "c", "b"],
        &["e", "g", "af", "c", "b", "c"],
    ];
    sequences
        .iter()
        .map(|elements| {
            let named = (0..).zip(*elements);
            named
                .flat_map(|(day, e)| e.bytes().map(move |b| (day, u32::from(b - b'a'))))
                .collect()
        })
        .collect()
}

#[test]
fn the_example_of_the_paper() {
    let found = mined(&paper(), &SequenceSettings::new(2));
    // Table 2 of the paper lists the patterns by their first item.
    let text = |pattern: &[Vec<u32>]| {
        let name = |element: &Vec<u32>| {
            let letters: String = element.iter().map(|&i| (b'a' + i as u8) as char).collect();
            if letters.len() > 1 {
                format!("({letters})")
            } else {
                letters
            }
        };
        pattern.iter().map(name).collect::<String>()
    };
    let with = |first: char| -> Vec<String> {
        let names = found.iter().map(|(pattern, _)| text(pattern));
        names
            .filter(|name| name.trim_start_matches('(').starts_with(first))
            .collect()
    };
    assert_eq!(
        with('a'),
        [
            "a", "(ab)", "(ab)c", "(ab)d", "(ab)dc", "(ab)f", "aa", "ab", "a(bc)", "a(bc)a", "aba",
            "abc", "ac", "aca", "acb", "acc", "ad", "adc", "af"
        ]
    );
    let mut b = with('b');
    b.sort();
    assert_eq!(b, ["(bc)", "(bc)a", "b", "ba", "bc", "bd", "bdc", "bf"]);
    assert_eq!(with('c'), ["c", "ca", "cb", "cc"]);
    assert_eq!(with('d'), ["d", "db", "dc", "dcb"]);
    let mut e = with('e');
    e.sort();
    assert_eq!(
        e,
        [
            "e", "ea", "eab", "eac", "eacb", "eb", "ebc", "ec", "ecb", "ef", "efb", "efc", "efcb"
        ]
    );
    let mut f = with('f');
    f.sort();
    assert_eq!(f, ["f", "fb", "fbc", "fc", "fcb"]);
}

#[test]
fn a_later_place_reaches_further_than_the_first() {
    // 1 on days 0 and 10, 2 on day 11: within two days only from the second 1.
    let patients = vec![vec![(0, 1), (10, 1), (11, 2)]];
    let mut settings = SequenceSettings::new(1);
    settings.max_gap = Some(2);
    let found = mined(&patients, &settings);
    assert!(found.contains(&(vec![vec![1], vec![2]], 1)));
    settings.max_gap = None;
    settings.max_span = Some(2);
    assert_eq!(mined(&patients, &settings).len(), 3);
}

#[test]
fn bounds_and_bad_settings_end_the_run() {
    let patients: Patients = vec![(0..30).map(|day| (day, day as u32)).collect(); 2];
    let flat = Flat::new(&patients);
    let mut settings = SequenceSettings::new(2);
    settings.limits = Limits {
        max_sets: 100_000,
        ..Limits::default()
    };
    let Err(MineError::Overrun(overrun)) = collect(&flat.input(), &settings) else {
        panic!("2^30 patterns");
    };
    assert_eq!(overrun.bound, Bound::Sets);
    for change in [
        |s: &mut SequenceSettings| s.min_support = 0,
        |s: &mut SequenceSettings| s.min_gap = 0,
        |s: &mut SequenceSettings| (s.min_gap, s.max_gap) = (3, Some(2)),
        |s: &mut SequenceSettings| s.min_length = 0,
    ] {
        let mut bad = SequenceSettings::new(1);
        change(&mut bad);
        assert!(matches!(
            collect(&flat.input(), &bad),
            Err(MineError::Input(_))
        ));
    }
}

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
