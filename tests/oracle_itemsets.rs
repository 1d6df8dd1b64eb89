//! Itemsets against Borgelt's PyFIM on mushroom and against definitions on small tables.
//!
//! The reference values, their tools and versions stand in `tests/fixtures/itemsets`.

use std::io::Read;
use std::sync::OnceLock;

use galen::association::{
    Apriori, Eclat, FpGrowth, FrequentItemsets, ItemsetParams, Itemsets, SetKind,
};
use galen::design::{Hierarchy, Items};
use galen::estimator::ParamGuard;
use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/itemsets");

fn expected() -> &'static Value {
    static ALL: OnceLock<Value> = OnceLock::new();
    ALL.get_or_init(|| {
        let text = std::fs::read_to_string(format!("{FOLDER}/expected.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    })
}

/// Baskets of numbers, as items named by them.
fn items(baskets: &[Vec<u32>]) -> Items {
    let pairs = baskets.iter().enumerate().flat_map(|(unit, basket)| {
        let named = basket.iter().map(ToString::to_string);
        named.map(move |name| (unit, name))
    });
    Items::from_pairs(baskets.len(), pairs, &Hierarchy::default()).unwrap()
}

fn mushroom() -> &'static Items {
    static ALL: OnceLock<Items> = OnceLock::new();
    ALL.get_or_init(|| {
        let file = std::fs::File::open(format!("{FOLDER}/mushroom.dat.gz")).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(file)
            .read_to_string(&mut text)
            .unwrap();
        let baskets: Vec<Vec<u32>> = text
            .lines()
            .map(|line| {
                let cells = line.split_whitespace();
                cells.map(|cell| cell.parse().unwrap()).collect()
            })
            .collect();
        assert_eq!(baskets.len(), 8_124);
        items(&baskets)
    })
}

fn kind(name: &Value) -> SetKind {
    match name.as_str().unwrap() {
        "frequent" => SetKind::Frequent,
        "closed" => SetKind::Closed,
        "maximal" => SetKind::Maximal,
        "generator" => SetKind::Generator,
        other => panic!("{other}"),
    }
}

fn miners() -> [(&'static str, ItemsetParams); 4] {
    [
        ("Apriori", Apriori::params()),
        ("FpGrowth", FpGrowth::params()),
        ("Eclat", Eclat::params()),
        ("FrequentItemsets", FrequentItemsets::params()),
    ]
}

/// Each set by its numbers, increasing, with its support; sorted by length, then numbers.
fn told(sets: &Itemsets) -> Vec<(Vec<u32>, u64)> {
    let mut told: Vec<(Vec<u32>, u64)> = sets
        .iter()
        .map(|set| {
            let names = sets.names(set.items).into_iter();
            let mut numbers: Vec<u32> = names.map(|name| name.parse().unwrap()).collect();
            numbers.sort_unstable();
            (numbers, set.support)
        })
        .collect();
    told.sort_by(|a, b| (a.0.len(), &a.0).cmp(&(b.0.len(), &b.0)));
    told
}

/// Sum of FNV-1a hashes of lines of items and support, as `make.py` has it.
fn digest(sets: &[(Vec<u32>, u64)]) -> String {
    let hash = |(items, support): &(Vec<u32>, u64)| {
        let items: Vec<String> = items.iter().map(ToString::to_string).collect();
        let line = format!("{}:{support}", items.join(" "));
        line.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |state, byte| {
            (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
        })
    };
    let sum = sets
        .iter()
        .fold(0_u64, |sum, set| sum.wrapping_add(hash(set)));
    format!("{sum:016x}")
}

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    pool.install(work)
}

/// All searches of one kind of mushroom by all miners, at one and at three threads.
fn mushroom_as_recorded(wanted: SetKind) {
    let items = mushroom();
    let mut n_cases = 0;
    for case in expected()["mushroom"].as_array().unwrap() {
        if kind(&case["kind"]) != wanted {
            continue;
        }
        n_cases += 1;
        let least = case["min_count"].as_u64().unwrap();
        for (name, params) in miners() {
            // The textbook's way is slow where sets are long.
            if (name == "Apriori" && least < 2_000 && wanted != SetKind::Frequent)
                || (name == "FpGrowth" && least < 1_000)
            {
                continue;
            }
            let params = params.kind(wanted).min_count(least);
            let found = with_threads(1, || params.mine(items).unwrap());
            assert_eq!(
                with_threads(3, || params.mine(items).unwrap()),
                found,
                "{name}: sets and order at three threads"
            );
            let sets = told(&found);
            assert_eq!(sets.len() as u64, case["n"], "{name}: {case}");
            let supports: u64 = sets.iter().map(|set| set.1).sum();
            assert_eq!(supports, case["supports"], "{name}: {case}");
            assert_eq!(digest(&sets), case["digest"], "{name}: {case}");
            let by_length = params.check().unwrap().count(items).unwrap();
            assert_eq!(serde_json::json!(by_length), case["by_length"], "{name}");
        }
    }
    assert!(n_cases >= 4);
}

#[test]
fn frequent_sets_of_mushroom() {
    mushroom_as_recorded(SetKind::Frequent);
}

#[test]
fn closed_sets_of_mushroom() {
    mushroom_as_recorded(SetKind::Closed);
}

#[test]
fn maximal_sets_of_mushroom() {
    mushroom_as_recorded(SetKind::Maximal);
}

#[test]
fn generators_of_mushroom() {
    mushroom_as_recorded(SetKind::Generator);
}

#[test]
fn shares_are_counts_rounded_up() {
    let sets = |params: ItemsetParams| params.mine(mushroom()).unwrap();
    let by_share = sets(FrequentItemsets::params().min_support(0.4));
    assert_eq!(by_share.len(), 565);
    // Two fifths of 8,124 are 3,249.6 baskets.
    assert_eq!(by_share, sets(FrequentItemsets::params().min_count(3_250)));
    assert!(by_share.iter().any(|set| set.support == 8_124));
}

#[test]
fn whole_lists_of_small_tables() {
    let mut n_sets = 0;
    for (table, case) in expected()["small"].as_array().unwrap().iter().enumerate() {
        let baskets: Vec<Vec<u32>> = serde_json::from_value(case["baskets"].clone()).unwrap();
        let items = items(&baskets);
        for (of, sets) in case["sets"].as_object().unwrap() {
            let sets: Vec<(Vec<u32>, u64)> = serde_json::from_value(sets.clone()).unwrap();
            n_sets += sets.len();
            for (name, params) in miners() {
                let params = params
                    .kind(kind(&Value::from(of.clone())))
                    .min_count(case["min_count"].as_u64().unwrap());
                for threads in [1, 3] {
                    let found = with_threads(threads, || params.mine(&items).unwrap());
                    assert_eq!(told(&found), sets, "table {table}, {of} by {name}");
                }
            }
        }
    }
    assert_eq!(n_sets, 837);
}
