//! Every miner and target against all subsets of small random baskets.

use std::collections::BTreeMap;

use super::Miner;
use super::drive::{Table, collect, count, visit};
use super::eclat::{Eclat, Kind};
use super::limits::Guard;
use super::limits::{Bound, Limits};
use super::prepare::Baskets;
use super::prepare::prepare;
use super::sink::{Direct, Lengths};
use super::top::top;
use super::{Algorithm, MineError, Settings, Target};

pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 16) % below
    }
}

pub(super) struct Data {
    pub(super) offsets: Vec<usize>,
    pub(super) items: Vec<u32>,
    pub(super) weights: Option<Vec<u64>>,
}

impl Data {
    pub(super) fn baskets(&self) -> Baskets<'_> {
        Baskets {
            offsets: &self.offsets,
            items: &self.items,
            weights: self.weights.as_deref(),
        }
    }

    fn random(random: &mut Random) -> Self {
        let n_items = 1 + random.next(9);
        // Now and then enough rows for several words.
        let most = [700, 40][random.next(8).min(1) as usize];
        let rows = random.next(most);
        let density = 1 + random.next(9);
        let weighted = random.next(3) == 0;
        // Some ids beyond any table.
        let stretch = if random.next(4) == 0 { 400_000_001 } else { 3 };
        let copies = random.next(2) == 0;
        let mut data = Self {
            offsets: vec![0],
            items: vec![],
            weights: weighted.then(Vec::new),
        };
        let always = random.next(12);
        let mut last: Vec<u32> = Vec::new();
        for _ in 0..rows {
            if !(copies && random.next(2) == 0) {
                last.clear();
                for item in 0..n_items {
                    if random.next(10) < density || item == always {
                        last.push((item * stretch) as u32);
                    }
                }
                for i in (1..last.len()).rev() {
                    last.swap(i, random.next(i as u64 + 1) as usize);
                }
            }
            data.items.extend_from_slice(&last);
            data.offsets.push(data.items.len());
            if let Some(weights) = &mut data.weights {
                weights.push(random.next(6));
            }
        }
        data
    }
}

pub(super) type Sets = Vec<(Vec<u32>, u64)>;

/// All sets wanted, by definition, in canonical order.
fn brute(data: &Data, settings: &Settings) -> Sets {
    let mut ids: Vec<u32> = data.items.clone();
    ids.sort_unstable();
    ids.dedup();
    ids.retain(|id| !settings.forbidden.contains(id));
    if settings.required.iter().any(|id| !ids.contains(id)) {
        return vec![];
    }
    let rows: Vec<(usize, u64)> = (0..data.offsets.len() - 1)
        .map(|row| {
            let items = &data.items[data.offsets[row]..data.offsets[row + 1]];
            let mask = (0..ids.len()).filter(|&at| items.contains(&ids[at]));
            let weight = data.weights.as_ref().map_or(1, |w| w[row]);
            (mask.fold(0, |mask, at| mask | 1 << at), weight)
        })
        .collect();
    let support = |set: usize| -> u64 {
        rows.iter()
            .filter(|(row, _)| row & set == set)
            .map(|(_, w)| w)
            .sum()
    };
    let supports: Vec<u64> = (0..1usize << ids.len()).map(support).collect();
    let required = (0..ids.len())
        .filter(|&at| settings.required.contains(&ids[at]))
        .fold(0usize, |mask, at| mask | 1 << at);
    let mut order: Vec<usize> = (0..ids.len())
        .filter(|at| required & 1 << at == 0)
        .collect();
    order.sort_by_key(|&at| (std::cmp::Reverse(supports[required | 1 << at]), ids[at]));
    let mut found: BTreeMap<usize, (Vec<u32>, u64)> = BTreeMap::new();
    for set in 1..1usize << ids.len() {
        let own = supports[set];
        if own < settings.min_support || set & required != required {
            continue;
        }
        let length = set.count_ones() as usize;
        if length < settings.min_length || length > settings.max_length {
            continue;
        }
        let mut above = (0..ids.len())
            .filter(|at| set & 1 << at == 0)
            .map(|at| set | 1 << at);
        let mut below = (0..ids.len())
            .filter(|at| set & 1 << at != 0)
            .map(|at| set & !(1 << at));
        let wanted = match settings.target {
            Target::Frequent => true,
            Target::Closed => above.all(|other| supports[other] < own),
            Target::Maximal => above.all(|other| supports[other] < settings.min_support),
            Target::Generators => below.all(|other| supports[other] > own),
        };
        if wanted {
            let mut named: Vec<u32> = (0..ids.len())
                .filter(|at| set & required & 1 << at != 0)
                .map(|at| ids[at])
                .collect();
            let mut key = 0;
            for (rank, &at) in order.iter().enumerate().rev() {
                if set & 1 << at != 0 {
                    named.push(ids[at]);
                    key |= 1 << rank;
                }
            }
            found.insert(key, (named, own));
        }
    }
    found.into_values().collect()
}

pub(super) fn rows(table: &Table) -> Sets {
    table
        .offsets
        .windows(2)
        .zip(&table.supports)
        .map(|(ends, &support)| (table.items[ends[0]..ends[1]].to_vec(), support))
        .collect()
}

/// Eclat with another choice between lists and bitsets.
pub(super) fn by_costs(data: &Data, settings: &Settings, (cost, bits): (f64, f64)) -> Sets {
    let (required, forbidden) = (&settings.required, &settings.forbidden);
    let least = settings.min_support;
    let data = prepare(&data.baskets(), least, required, forbidden, false).unwrap();
    let kind = match settings.target {
        Target::Closed => Kind::Closed,
        Target::Maximal => Kind::Maximal,
        _ => Kind::Frequent,
    };
    let miner = Eclat::new(&data, least, settings.max_length, kind).with_costs(cost, bits);
    let guard = Guard::new(Limits::default());
    let lengths = Lengths {
        least: settings.min_length,
        most: settings.max_length,
    };
    let mut sets = Vec::new();
    let mut keep = |set: &[u32], support| {
        sets.push((set.to_vec(), support));
        true
    };
    let mut sink = Direct::new(&guard, lengths, &mut keep);
    for task in 0..miner.tasks() {
        miner.run(task, &mut sink);
    }
    drop(sink);
    sets
}

const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::Auto,
    Algorithm::Apriori,
    Algorithm::FpGrowth,
    Algorithm::Eclat,
];
const TARGETS: [Target; 4] = [
    Target::Frequent,
    Target::Closed,
    Target::Maximal,
    Target::Generators,
];

fn compare(rounds: u64, seed: u64) {
    let mut random = Random(seed);
    for round in 0..rounds {
        let data = Data::random(&mut random);
        let mut settings = Settings::new(1 + random.next(6));
        if random.next(3) == 0 {
            settings.max_length = 1 + random.next(4) as usize;
            settings.min_length = 1 + random.next(settings.max_length as u64) as usize;
        }
        for _ in 0..random.next(6).saturating_sub(3) {
            if let Some(&item) = data.items.get(random.next(40) as usize) {
                settings.required.push(item);
            }
        }
        if random.next(4) == 0
            && let Some(&item) = data.items.get(random.next(40) as usize)
        {
            settings.forbidden.push(item);
        }
        for target in TARGETS {
            settings.target = target;
            let expected = brute(&data, &settings);
            for algorithm in ALGORITHMS {
                settings.algorithm = algorithm;
                let found = collect(&data.baskets(), &settings).unwrap();
                let found = rows(&found.table());
                assert_eq!(
                    found, expected,
                    "round {round} {settings:?} {:?} {:?} {:?}",
                    data.offsets, data.items, data.weights
                );
                if algorithm == Algorithm::Eclat && target != Target::Generators {
                    let costs = [(0.0, 0.0), (0.0, 1e9), (0.1, 0.5), (0.2, 1e9), (1e9, 1.0)];
                    let costs = costs[random.next(5) as usize];
                    assert_eq!(by_costs(&data, &settings, costs), expected, "{costs:?}");
                }
                let by_length = count(&data.baskets(), &settings).unwrap();
                assert_eq!(by_length.iter().sum::<u64>() as usize, expected.len());
            }
            settings.algorithm = Algorithm::Auto;
            let mut visited = Vec::new();
            let stop = random.next(expected.len() as u64 + 2) as usize;
            visit(&data.baskets(), &settings, &mut |set, support| {
                visited.push((set.to_vec(), support));
                visited.len() < stop
            })
            .unwrap();
            assert_eq!(visited[..], expected[..stop.max(1).min(expected.len())]);
            let k = 1 + random.next(20) as usize;
            let mut best = expected.clone();
            best.sort_by_key(|(_, support)| std::cmp::Reverse(*support));
            best.truncate(k);
            let found = rows(&top(&data.baskets(), &settings, k).unwrap());
            assert_eq!(found, best, "round {round} k {k} {settings:?}");
        }
    }
}

#[test]
fn every_miner_finds_what_all_subsets_show() {
    compare(2_000, 1);
}

#[test]
fn sets_beyond_counting_are_refused_at_once() {
    let n = 5_000;
    let data = Data {
        offsets: (0..=n).map(|row| row * 60).collect(),
        items: (0..n as u32 * 60).map(|at| at % 60).collect(),
        weights: None,
    };
    let mut settings = Settings::new(50);
    for algorithm in ALGORITHMS {
        settings.algorithm = algorithm;
        let Err(MineError::Overrun(overrun)) = collect(&data.baskets(), &settings) else {
            panic!("2^60 sets");
        };
        assert_eq!((overrun.bound, overrun.longest), (Bound::Sets, 60));
        assert_eq!(overrun.at_least, (1u64 << 60) as f64);
    }
    settings.algorithm = Algorithm::Auto;
    settings.target = Target::Closed;
    let closed = collect(&data.baskets(), &settings).unwrap().table();
    assert_eq!((closed.supports, closed.items.len()), (vec![5_000], 60));
}

#[test]
fn the_first_of_sets_beyond_counting_are_found() {
    let (n, items) = (300, 70);
    // All baskets have 70 items in common, every third one more.
    let mut data = Data {
        offsets: vec![0],
        items: vec![],
        weights: None,
    };
    for row in 0..n {
        data.items.extend(0..items + u32::from(row % 3 == 0));
        data.offsets.push(data.items.len());
    }
    for algorithm in ALGORITHMS {
        let mut settings = Settings::new(50);
        settings.algorithm = algorithm;
        let found = rows(&top(&data.baskets(), &settings, 5).unwrap());
        let first: Sets = [vec![0], vec![1], vec![1, 0], vec![2], vec![2, 0]]
            .map(|set| (set, n as u64))
            .into();
        assert_eq!(found, first);
        settings.target = Target::Closed;
        let found = top(&data.baskets(), &settings, 5).unwrap();
        assert_eq!((found.supports, found.items.len()), (vec![300, 100], 141));
    }
}

#[test]
fn a_run_ends_at_the_bound_on_sets_and_bytes() {
    let mut random = Random(7);
    let mut data = Data {
        offsets: vec![0],
        items: vec![],
        weights: None,
    };
    for _ in 0..2_000 {
        data.items.extend((0..40).filter(|_| random.next(4) == 0));
        data.offsets.push(data.items.len());
    }
    for algorithm in ALGORITHMS {
        let mut settings = Settings::new(4);
        settings.algorithm = algorithm;
        settings.max_length = 5;
        settings.limits = Limits {
            max_sets: 20_000,
            ..Limits::default()
        };
        let Err(MineError::Overrun(overrun)) = collect(&data.baskets(), &settings) else {
            panic!("more sets than allowed");
        };
        assert!(overrun.bound == Bound::Sets && overrun.at_least > 20_000.0);
        settings.limits.max_sets = u64::MAX;
        settings.limits.max_bytes = 100_000;
        let Err(MineError::Overrun(overrun)) = collect(&data.baskets(), &settings) else {
            panic!("more bytes than allowed");
        };
        assert_eq!(overrun.bound, Bound::Bytes);
    }
}

#[test]
fn threads_change_nothing() {
    let mut random = Random(11);
    let mut data = Data {
        offsets: vec![0],
        items: vec![],
        weights: None,
    };
    for _ in 0..3_000 {
        data.items
            .extend((0..60).filter(|&item| random.next(u64::from(item) + 2) < 2));
        data.offsets.push(data.items.len());
    }
    let mut settings = Settings::new(12);
    for target in TARGETS {
        settings.target = target;
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let mut visited = Vec::new();
                visit(&data.baskets(), &settings, &mut |set, support| {
                    visited.push((set.to_vec(), support));
                    true
                })
                .unwrap();
                (
                    rows(&collect(&data.baskets(), &settings).unwrap().table()),
                    visited,
                )
            })
        };
        let one = run(1);
        assert!(one.0.len() > 1000 && one.0 == one.1);
        assert!(run(3) == one);
    }
}

#[test]
fn bad_input_is_refused() {
    let mut settings = Settings::new(1);
    let bad = |offsets: &[usize], items: &[u32], weights: Option<&[u64]>, settings: &Settings| {
        let baskets = Baskets {
            offsets,
            items,
            weights,
        };
        matches!(collect(&baskets, settings), Err(MineError::Input(_)))
    };
    assert!(!bad(&[0, 2], &[5, 9], None, &settings));
    assert!(bad(&[], &[], None, &settings));
    assert!(bad(&[0, 3], &[5, 9], None, &settings));
    assert!(bad(&[0, 2, 1, 2], &[5, 9], None, &settings));
    assert!(bad(&[0, 2], &[5, 9], Some(&[]), &settings));
    assert!(bad(&[0, 1, 2], &[5, 9], Some(&[u64::MAX, 2]), &settings));
    settings.min_length = 3;
    settings.max_length = 2;
    assert!(bad(&[0, 2], &[5, 9], None, &settings));
    settings.min_length = 1;
    settings.min_support = 0;
    assert!(bad(&[0, 2], &[5, 9], None, &settings));
}
