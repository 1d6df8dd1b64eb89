//! Measures of rules against mlxtend, statsmodels and SciPy on mushroom.
//!
//! The reference values, their tools and versions stand in `tests/fixtures/rules`.

use std::collections::BTreeMap;
use std::io::Read;

use galen::association::{Alternative, FrequentItemsets, HalfCorrection, PairCounts, Rules};
use galen::design::{Hierarchy, Items};
use galen::evaluation::Estimate;
use serde_json::Value;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

fn expected() -> Value {
    let text = std::fs::read_to_string(format!("{FIXTURES}/rules/expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Values of one rule by name; `None` where there is none.
fn values<'a>(all: &'a Value, rule: &Value) -> BTreeMap<&'a str, Option<f64>> {
    let names = all["measures"].as_array().unwrap().iter();
    let values = rule[4].as_array().unwrap();
    assert_eq!(names.len(), values.len());
    names
        .zip(values)
        .map(|(name, value)| {
            let value = match value.as_str() {
                Some("inf") => Some(f64::INFINITY),
                Some(other) => panic!("{other}"),
                None => value.as_f64(),
            };
            (name.as_str().unwrap(), value)
        })
        .collect()
}

fn counts(rule: &Value) -> PairCounts {
    let at = |place: usize| rule[2][place].as_u64().unwrap();
    PairCounts::new(at(0), at(1), at(2), at(3)).unwrap()
}

/// Relative, and absolute for numbers below `floor`.
#[track_caller]
fn near(what: &str, found: Option<f64>, expected: Option<f64>, tolerance: f64, floor: f64) {
    match (found, expected) {
        (None, None) => {}
        (Some(found), Some(expected)) => {
            let gap = (found - expected).abs();
            assert!(
                found == expected || gap <= tolerance * expected.abs().max(floor),
                "{what}: {found:e} instead of {expected:e}"
            );
        }
        _ => panic!("{what}: {found:?} instead of {expected:?}"),
    }
}

#[test]
fn measures_of_rules() {
    let all = expected();
    let rules = all["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 250);
    for rule in rules {
        let (pair, wanted) = (counts(rule), values(&all, rule));
        let ratio = |name: &str, found| near(name, found, wanted[name], 1e-11, 1e-3);
        ratio("support", Some(pair.support()));
        ratio("confidence", pair.confidence());
        ratio("lift", pair.lift());
        ratio("leverage", Some(pair.leverage()));
        // mlxtend divides by a rounded 1 - confidence, and has infinity where an item that all have
        // makes conviction 0/0.
        let conviction = pair
            .conviction()
            .or((pair.n_b() == pair.n()).then_some(f64::INFINITY));
        near("conviction", conviction, wanted["conviction"], 1e-9, 1e-3);
        ratio("jaccard", pair.jaccard());
        ratio("kulczynski", pair.kulczynski());
        ratio("phi", pair.phi());
        // mlxtend has 0 where an item that all have makes Zhang's measure 0/0.
        let zhang = pair.zhang().or((pair.n_a() == pair.n()).then_some(0.0));
        ratio("zhang", zhang);

        let plain = pair.chi_squared(false);
        ratio("chi_squared", plain.map(|test| test.statistic));
        let p = plain.map(|test| test.p);
        near("chi_squared_p", p, wanted["chi_squared_p"], 1e-9, 1e-300);
        ratio("yates", pair.chi_squared(true).map(|test| test.statistic));
        let fisher = Some(pair.fisher_p(Alternative::TwoSided));
        near("fisher", fisher, wanted["fisher"], 1e-9, 1e-300);
        let upper = Some(pair.fisher_log_p(Alternative::Greater));
        let name = "fisher_log_greater";
        near(name, upper, wanted[name], 1e-9, 1e-3);
    }
}

#[test]
fn ratios_of_rules_with_limits() {
    let all = expected();
    let limits = |value: &str,
                  lower: &str,
                  upper: &str,
                  found: Option<Estimate>,
                  wanted: &BTreeMap<&str, Option<f64>>| {
        near(value, found.map(|it| it.value), wanted[value], 1e-11, 1e-3);
        for (name, found) in [
            (lower, found.map(|it| it.lower)),
            (upper, found.map(|it| it.upper)),
        ] {
            // The reference has no limits where a cell is zero.
            if wanted[name].is_some() {
                near(name, found, wanted[name], 1e-10, 1e-3);
            }
        }
        u32::from(wanted[lower].is_some())
    };
    let mut n_limits = 0;
    for rule in all["rules"].as_array().unwrap() {
        let (pair, wanted) = (counts(rule), values(&all, rule));
        let never = HalfCorrection::Never;
        let odds = pair.odds_ratio(0.95, never).ok();
        n_limits += limits("odds_ratio", "odds_lower", "odds_upper", odds, &wanted);
        let risk = pair.relative_risk(0.95, never).ok();
        n_limits += limits("relative_risk", "risk_lower", "risk_upper", risk, &wanted);
        let (value, lower, upper) = ("risk_difference", "difference_lower", "difference_upper");
        let difference = pair.risk_difference(0.95).ok();
        n_limits += limits(value, lower, upper, difference, &wanted);
    }
    assert!(n_limits > 300, "{n_limits}");
}

fn baskets() -> Vec<Vec<u64>> {
    let file = std::fs::File::open(format!("{FIXTURES}/itemsets/mushroom.dat.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    let basket = |line: &str| {
        let cells = line.split_whitespace();
        cells.map(|cell| cell.parse().unwrap()).collect()
    };
    text.lines().map(basket).collect()
}

/// 64-bit FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Number of rules and a digest that does not hang on their order.
fn digest(rules: &Rules) -> (usize, String) {
    let sum = rules.iter().fold(0_u64, |sum, rule| {
        let mut left: Vec<u32> = rules
            .names(&rule.antecedent)
            .iter()
            .map(|n| n.parse().unwrap())
            .collect();
        left.sort_unstable();
        let left: Vec<String> = left.iter().map(u32::to_string).collect();
        let right = rules.names(&rule.consequent).join(" ");
        let (n_a, n_ab) = (rule.counts.n_a(), rule.counts.n_ab());
        sum.wrapping_add(hash(&format!("{}>{right}:{n_a} {n_ab}", left.join(" "))))
    });
    (rules.len(), format!("{sum:016x}"))
}

/// All rules of mushroom, and those not redundant, are those of the packages and of the definition.
#[test]
fn rules_of_mushroom() {
    let wanted = expected();
    let baskets = baskets();
    let pairs = baskets.iter().enumerate();
    let pairs = pairs.flat_map(|(unit, own)| own.iter().map(move |item| (unit, item.to_string())));
    let items = Items::from_pairs(baskets.len(), pairs, &Hierarchy::default()).unwrap();
    let least = wanted["min_count"].as_u64().unwrap();
    let sets = FrequentItemsets::params()
        .min_count(least)
        .lengths(1..=4)
        .mine(&items)
        .unwrap();
    let params = Rules::params().alpha(1.0).min_confidence(0.8);
    let text = |name: &str| wanted[name].as_str().unwrap().to_string();
    let number = |name: &str| wanted[name].as_u64().unwrap() as usize;
    let all = params.find(&items, &sets).unwrap();
    assert_eq!(digest(&all), (number("n_rules"), text("digest")));
    for length in 2..=4 {
        let own = all
            .iter()
            .filter(|rule| rule.antecedent.len() + 1 == length);
        assert_eq!(
            own.count() as u64,
            wanted["n_by_length"][length - 2].as_u64().unwrap()
        );
    }
    let name = "n_not_redundant_of_none";
    let told = params
        .clone()
        .min_improvement(0.0)
        .find(&items, &sets)
        .unwrap();
    assert_eq!(
        digest(&told),
        (number(name), text("digest_not_redundant_of_none"))
    );
    let any = params.max_consequent(3).find(&items, &sets).unwrap();
    assert_eq!(any.len(), number("n_rules_any_right_side"));
}

/// The fixture's counts are those of the baskets.
#[test]
fn counts_of_rules() {
    let baskets = baskets();
    for rule in expected()["rules"].as_array().unwrap().iter().step_by(10) {
        let left: Vec<u64> = serde_json::from_value(rule[0].clone()).unwrap();
        let right = vec![rule[1].as_u64().unwrap()];
        let both = [left.clone(), right.clone()].concat();
        let count = |items: &[u64]| {
            let has = |basket: &&Vec<u64>| items.iter().all(|item| basket.contains(item));
            baskets.iter().filter(has).count() as u64
        };
        let pair = counts(rule);
        assert_eq!(pair.n(), baskets.len() as u64);
        let found = [&left, &right, &both].map(|items| count(items));
        assert_eq!([pair.n_a(), pair.n_b(), pair.n_ab()], found);
    }
}
