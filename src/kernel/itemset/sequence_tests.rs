//! PrefixSpan against all patterns of small random patients, and the example of its paper.

use super::MineError;
use super::limits::{Bound, Limits};
use super::prefix_span::SequenceSettings;
use super::sequence_data::Sequences;
use super::sequence_patterns::{Pattern, collect, visit};
use super::tests::Random;

pub(super) type Patients = Vec<Vec<(i32, u32)>>;
type Found = Vec<(Vec<Vec<u32>>, u64)>;

pub(super) struct Flat {
    offsets: Vec<usize>,
    days: Vec<i32>,
    items: Vec<u32>,
    above: Vec<Vec<u32>>,
}

impl Flat {
    pub(super) fn new(patients: &Patients) -> Self {
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

    pub(super) fn input(&self) -> Sequences<'_> {
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
