use super::*;
use crate::association::PairCounts;
use crate::design::{Hierarchy, ItemParams};
use crate::matrix::PatientMatrix;
use crate::numeric::seed::{stream, uniform};

fn all() -> CooccurrenceParams {
    Cooccurrence::params()
        .alpha(1.0)
        .min_count(1)
        .min_expected(0.0)
}

/// Every unit's items at random, by a share for each.
fn random(n: usize, shares: &[f64], task: u64) -> Items {
    let mut stream = stream(13, task);
    let mut pairs = Vec::new();
    for unit in 0..n {
        for (at, share) in shares.iter().enumerate() {
            if uniform(&mut stream) < *share {
                pairs.push((unit, format!("i{at:02}")));
            }
        }
    }
    Items::from_pairs(n, pairs, &Hierarchy::default()).unwrap()
}

#[test]
fn counts_are_those_of_a_plain_count() {
    let items = random(150, &[0.5, 0.1, 0.3, 0.2, 0.7, 0.02], 1);
    let strata = Strata::new((0..150).map(|unit| unit % 4));
    let (plain, within) = (
        all().find(&items).unwrap(),
        all().find_within(&items, &strata).unwrap(),
    );
    assert_eq!((plain.len(), plain.n_tests(), within.len()), (15, 15, 15));
    for pair in plain.iter().chain(within.iter()) {
        let has = |unit: usize, item: u32| items.basket(unit).any(|own| own == item);
        let count = |of: &dyn Fn(usize) -> bool| (0..150).filter(|unit| of(*unit)).count() as u64;
        let (a, b) = (|u: usize| has(u, pair.a), |u: usize| has(u, pair.b));
        let expected = PairCounts::new(150, count(&a), count(&b), count(&|u| a(u) && b(u)));
        assert_eq!(pair.counts, expected.unwrap());
    }
    let mut differ = 0;
    for pair in plain.iter() {
        assert_eq!(pair.p, pair.counts.fisher_p(Alternative::Greater));
        let same = |other: &&Pair| (other.a, other.b) == (pair.a, pair.b);
        differ += usize::from(within.iter().find(same).unwrap().p != pair.p);
    }
    assert!(differ > 10);
    assert!(plain.iter().map(|pair| pair.p).is_sorted());
}

#[test]
fn units_that_do_not_know_are_left_out() {
    let nan = f64::NAN;
    let rows = PatientMatrix::from_columns([
        ("a", vec![1.0, 1.0, 0.0, 0.0, 1.0, nan]),
        ("b", vec![1.0, 0.0, 1.0, 0.0, nan, 1.0]),
    ])
    .unwrap();
    let params = ItemParams::default().cuts("a", [0.5]).cuts("b", [0.5]);
    let items = params.learn(&rows).unwrap().items(&rows).unwrap();
    let pairs = all().find(&items).unwrap();
    // Levels of one feature exclude each other: 2 x 2 pairs of different features.
    assert_eq!(pairs.n_tests(), 4);
    let high = [
        items.find("a > 0.5").unwrap(),
        items.find("b > 0.5").unwrap(),
    ];
    let pair = pairs.iter().find(|pair| [pair.a, pair.b] == high).unwrap();
    assert_eq!(pair.counts, PairCounts::new(4, 2, 2, 1).unwrap());
    let refused = all().record_lengths(true).find(&items).unwrap_err();
    assert!(refused.to_string().contains("record_lengths"), "{refused}");
}

#[test]
fn long_records_are_no_comorbidity() {
    // A third of the units have every item seven times as often.
    let mut stream = stream(4, 0);
    let mut pairs = Vec::new();
    for unit in 0..1_500 {
        let share = if unit % 3 == 0 { 0.35 } else { 0.05 };
        for at in 0..40 {
            if uniform(&mut stream) < share {
                pairs.push((unit, format!("i{at:02}")));
            }
        }
    }
    let items = Items::from_pairs(1_500, pairs, &Hierarchy::default()).unwrap();
    let crude = Cooccurrence::params().find(&items).unwrap();
    assert!(crude.len() > 700, "{}", crude.len());
    let honest = Cooccurrence::params()
        .record_lengths(true)
        .find(&items)
        .unwrap();
    assert!(honest.is_empty(), "{honest}");
    let shown = all().record_lengths(true).find(&items).unwrap();
    let lift = |pair: &Pair| pair.records.unwrap().adjusted_lift.unwrap();
    assert!(shown.iter().all(|pair| lift(pair) < 1.5));
    assert!(shown.iter().all(|pair| pair.p >= pair.records.unwrap().p));
}

#[test]
fn what_is_never_together_is_found_from_the_other_side() {
    let pairs = (0..200).map(|unit| (unit, if unit % 2 == 0 { "m" } else { "f" }));
    let items = Items::from_pairs(200, pairs, &Hierarchy::default()).unwrap();
    assert!(Cooccurrence::params().find(&items).unwrap().is_empty());
    for alternative in [Alternative::Less, Alternative::TwoSided] {
        let found = Cooccurrence::params()
            .alternative(alternative)
            .find(&items)
            .unwrap();
        let pair = found.iter().next().unwrap();
        assert_eq!((pair.counts.n_ab(), found.len()), (0, 1));
        let network = found.network(10);
        assert!(network.edges[0].log_odds < -9.0 && network.nodes.len() == 2);
    }
}

#[test]
fn ancestors_make_no_pair() {
    let above = Hierarchy::new([("E11", "endocrine"), ("I10", "circulatory")]).unwrap();
    let pairs = (0..90).flat_map(|unit| {
        let both = [(unit, "E11"), (unit, "I10")];
        both.into_iter().take(unit % 3)
    });
    let items = Items::from_pairs(90, pairs, &above).unwrap();
    let found = all().find(&items).unwrap();
    let names: Vec<[&str; 2]> = found
        .iter()
        .map(|p| [found.name(p.a), found.name(p.b)])
        .collect();
    assert_eq!(found.n_tests(), 4, "{names:?}");
    assert!(!names.contains(&["E11", "endocrine"]));
}

#[test]
fn a_network_is_of_the_first_pairs() {
    let mut pairs = Vec::new();
    for unit in 0..300 {
        pairs.extend(
            (unit % 3 == 0)
                .then_some([(unit, "a"), (unit, "b")])
                .into_iter()
                .flatten(),
        );
        pairs.extend((unit % 5 == 0).then_some((unit, "c")));
        pairs.extend((unit % 5 == 0 || unit % 7 == 0).then_some((unit, "d")));
    }
    let items = Items::from_pairs(300, pairs, &Hierarchy::default()).unwrap();
    let found = Cooccurrence::params().find(&items).unwrap();
    assert_eq!(found.len(), 2);
    let network = found.network(1);
    let names: Vec<&str> = network
        .nodes
        .iter()
        .map(|node| node.name.as_str())
        .collect();
    assert_eq!((names, network.edges.len()), (vec!["a", "b"], 1));
    let all = found.network(9);
    assert_eq!(
        all.nodes.iter().map(|n| n.support).collect::<Vec<_>>(),
        [100, 100, 94, 60]
    );
    let edge = &all.edges[1];
    assert_eq!(
        [edge.from, edge.to].map(|at| all.nodes[at].name.as_str()),
        ["c", "d"]
    );
    assert!(found.to_string().contains("c and d"), "{found}");
}

#[test]
fn the_same_pairs_at_any_number_of_threads() {
    let items = random(400, &[0.3; 30], 7);
    let strata = Strata::new((0..400).map(|unit| unit % 3));
    let found: Vec<Pairs> = [1, 3]
        .into_iter()
        .map(|n| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(n)
                .build()
                .unwrap();
            pool.install(|| {
                all()
                    .record_lengths(true)
                    .find_within(&items, &strata)
                    .unwrap()
            })
        })
        .collect();
    assert_eq!(found[0], found[1]);
}

#[test]
fn chance_is_found_at_its_level_only() {
    let mut families = 0;
    for task in 0..200 {
        let items = random(200, &[0.2; 12], 100 + task);
        let found = Cooccurrence::params()
            .adjustment(Adjustment::Holm)
            .find(&items)
            .unwrap();
        families += usize::from(!found.is_empty());
    }
    // 0.05 of 200 and three standard errors; exact tests are below it.
    assert!((1..=19).contains(&families), "{families} of 200");
}

#[test]
fn bad_settings_are_refused() {
    let items = random(20, &[0.5, 0.5], 0);
    for params in [
        all().min_count(0),
        all().min_expected(f64::NAN),
        all().alpha(0.0),
        all().alpha(1.1),
        all().level(0.0),
    ] {
        let error = params.find(&items).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Parameter { .. }),
            "{error}"
        );
    }
    let strata = Strata::new([1, 2]);
    assert!(all().find_within(&items, &strata).is_err());
    let none = Items::from_pairs(0, Vec::<(usize, &str)>::new(), &Hierarchy::default()).unwrap();
    assert!(all().find(&none).unwrap().is_empty());
}

#[test]
fn a_network_tells_the_common_odds_of_strata() {
    let items = random(300, &[0.4, 0.4], 3);
    let strata = Strata::new((0..300).map(|unit| unit % 5));
    let found = all().find_within(&items, &strata).unwrap();
    let common = found
        .iter()
        .next()
        .unwrap()
        .stratified
        .unwrap()
        .odds_ratio
        .unwrap();
    assert_eq!(found.network(1).edges[0].log_odds, libm::log(common.value));
    let crude = all().find(&items).unwrap().network(1).edges[0].log_odds;
    assert_ne!(crude, libm::log(common.value));
}
