use super::*;
use crate::design::Hierarchy;

fn items(baskets: &[&str], hierarchy: &Hierarchy) -> Items {
    let pairs = baskets.iter().enumerate().flat_map(|(unit, basket)| {
        basket
            .split_whitespace()
            .map(move |item| (unit, item.to_string()))
    });
    Items::from_pairs(baskets.len(), pairs, hierarchy).unwrap()
}

/// The nine transactions of Han, Kamber and Pei (Data Mining, 3rd edition, table 6.1).
fn textbook() -> Items {
    let baskets = [
        "I1 I2 I5",
        "I2 I4",
        "I2 I3",
        "I1 I2 I4",
        "I1 I3",
        "I2 I3",
        "I1 I3",
        "I1 I2 I3 I5",
        "I1 I2 I3",
    ];
    items(&baskets, &Hierarchy::default())
}

fn told_sets(sets: &Itemsets) -> Vec<(String, u64)> {
    let mut told: Vec<_> = sets
        .iter()
        .map(|set| (sets.names(set.items).join(" "), set.support))
        .collect();
    told.sort();
    told
}

#[test]
fn the_sets_of_the_textbook() {
    let expected = [
        ("I1", 6),
        ("I1 I2", 4),
        ("I1 I2 I3", 2),
        ("I1 I2 I5", 2),
        ("I1 I3", 4),
        ("I1 I5", 2),
        ("I2", 7),
        ("I2 I3", 4),
        ("I2 I4", 2),
        ("I2 I5", 2),
        ("I3", 6),
        ("I4", 2),
        ("I5", 2),
    ];
    let items = textbook();
    let all = [
        FrequentItemsets::params(),
        Apriori::params(),
        FpGrowth::params(),
        Eclat::params(),
    ];
    let first = all[0].clone().min_count(2).mine(&items).unwrap();
    for params in all {
        let sets = params.clone().min_count(2).mine(&items).unwrap();
        assert_eq!(sets, first, "sets and their order");
        let told = told_sets(&sets);
        assert_eq!(
            told,
            expected.map(|(set, support)| (set.to_string(), support))
        );
        // Two ninths of nine units are two, whatever rounding says.
        assert_eq!(
            params.clone().min_support(2.0 / 9.0).mine(&items).unwrap(),
            sets
        );
        let valid = params.clone().min_count(2).check().unwrap();
        assert_eq!(valid.count(&items).unwrap(), [5, 6, 2]);
        let some = params
            .clone()
            .min_count(2)
            .lengths(2..=2)
            .must_have("I5")
            .must_not_have("I1");
        assert_eq!(
            told_sets(&some.mine(&items).unwrap()),
            [("I2 I5".to_string(), 2)]
        );
        let top = params.clone().min_count(2).top(3).mine(&items).unwrap();
        assert_eq!(
            told_sets(&top),
            [("I1".into(), 6), ("I2".into(), 7), ("I3".into(), 6)]
        );
        let maximal = params
            .min_count(2)
            .kind(SetKind::Maximal)
            .mine(&items)
            .unwrap();
        let expected = ["I1 I2 I3", "I1 I2 I5", "I2 I4"].map(|set| (set.to_string(), 2));
        assert_eq!(told_sets(&maximal), expected);
    }
    let kinds = |kind| {
        told_sets(
            &FrequentItemsets::params()
                .min_count(2)
                .kind(kind)
                .mine(&items)
                .unwrap(),
        )
    };
    let closed = kinds(SetKind::Closed);
    assert!(closed.contains(&("I1 I2 I5".into(), 2)) && !closed.iter().any(|(set, _)| set == "I5"));
    let generators = kinds(SetKind::Generator);
    assert!(
        generators.contains(&("I5".into(), 2))
            && !generators.iter().any(|(set, _)| set == "I1 I2 I5")
    );
}

#[test]
fn sets_do_not_say_the_same_twice() {
    let above = Hierarchy::new([("E11", "diabetes"), ("E10", "diabetes")]).unwrap();
    let items = items(&["E11 I10", "E10 I10", "E11 I10", "I10"], &above);
    let mine = |kind| {
        told_sets(
            &FpGrowth::params()
                .min_count(2)
                .kind(kind)
                .mine(&items)
                .unwrap(),
        )
    };
    let of = |list: &[(&str, u64)]| -> Vec<(String, u64)> {
        list.iter()
            .map(|(set, support)| (set.to_string(), *support))
            .collect()
    };
    assert_eq!(
        mine(SetKind::Frequent),
        of(&[
            ("E11", 2),
            ("E11 I10", 2),
            ("I10", 4),
            ("I10 diabetes", 3),
            ("diabetes", 3)
        ])
    );
    assert_eq!(
        mine(SetKind::Closed),
        of(&[("E11 I10", 2), ("I10", 4), ("I10 diabetes", 3)])
    );
    assert_eq!(mine(SetKind::Maximal), of(&[("E11 I10", 2)]));
    let valid = FpGrowth::params().min_count(2).check().unwrap();
    assert_eq!(valid.count(&items).unwrap(), [3, 2]);
}

#[test]
fn odd_input_ends_well() {
    let refused = |params: ItemsetParams| params.mine(&textbook()).unwrap_err().to_string();
    for share in [0.0, f64::NAN, -0.1, 1.5] {
        assert!(refused(Apriori::params().min_support(share)).contains("min_support"));
    }
    assert!(refused(Apriori::params().min_count(0)).contains("min_count"));
    assert!(refused(Apriori::params().lengths(0..=2)).contains("lengths"));
    #[allow(clippy::reversed_empty_ranges)]
    let upside_down = 3..=2;
    assert!(refused(Apriori::params().lengths(upside_down)).contains("lengths"));
    assert!(refused(Apriori::params().top(0)).contains("top"));
    assert!(refused(Apriori::params().must_have("I9")).contains("I9"));
    let nothing = items(&["", ""], &Hierarchy::default());
    assert!(Eclat::params().mine(&nothing).unwrap().is_empty());
    assert!(
        Eclat::params()
            .mine(&items(&[], &Hierarchy::default()))
            .unwrap()
            .is_empty()
    );
    let one = items(&["a", "a b", "a"], &Hierarchy::default());
    assert_eq!(
        told_sets(&Eclat::params().min_support(1.0).mine(&one).unwrap()),
        [("a".into(), 3)]
    );
}

#[test]
fn an_explosion_is_told_before_it_happens() {
    let names: Vec<String> = (0..60).map(|item| format!("c{item:02}")).collect();
    let basket = names.join(" ");
    let items = items(&[basket.as_str(); 200], &Hierarchy::default());
    for params in [
        FrequentItemsets::params(),
        Apriori::params(),
        FpGrowth::params(),
        Eclat::params(),
    ] {
        let error = params.clone().mine(&items).unwrap_err();
        let ErrorKind::Explosion {
            at_least,
            longest: 60,
            ..
        } = error.kind()
        else {
            panic!("{error}");
        };
        assert!(*at_least > 1e18, "{error}");
        // Closed sets say it in one line, but level by level all frequent ones are passed.
        let by_level = params == Apriori::params();
        let closed = params.kind(SetKind::Closed).mine(&items);
        if by_level {
            let error = closed.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Explosion { .. }));
            continue;
        }
        let closed = closed.unwrap();
        assert_eq!(
            (closed.len(), closed.iter().next().unwrap().items.len()),
            (1, 60)
        );
    }
    let few = FrequentItemsets::params()
        .lengths(1..=2)
        .most_sets(100)
        .mine(&items);
    assert!(matches!(
        few.unwrap_err().kind(),
        ErrorKind::Explosion { .. }
    ));
    let pairs = FrequentItemsets::params()
        .lengths(1..=2)
        .mine(&items)
        .unwrap();
    assert_eq!(pairs.len(), 60 + 60 * 59 / 2);
}

#[test]
fn the_best_by_a_measure_are_those_of_a_plain_sort() {
    use crate::association::{Itemset, SetMeasure};
    let items = items(
        &[
            "a b c", "a b", "a b d", "a c", "b d", "c d", "a b c d", "d", "a", "b e", "e c",
        ],
        &Hierarchy::default(),
    );
    let params = FrequentItemsets::params().min_count(1).lengths(2..=4);
    let all = params.mine(&items).unwrap();
    let n = items.n_units() as f64;
    for measure in [
        SetMeasure::Lift,
        SetMeasure::Leverage,
        SetMeasure::AllConfidence,
        SetMeasure::Support,
    ] {
        let value = |set: &Itemset<'_>| {
            let shares = set.items.iter().map(|item| items.support(*item) as f64);
            let expected = shares.clone().fold(n, |product, share| product * share / n);
            let support = set.support as f64;
            match measure {
                SetMeasure::Lift => support / expected,
                SetMeasure::Leverage => (support - expected) / n,
                SetMeasure::AllConfidence => support / shares.fold(0.0, f64::max),
                SetMeasure::Support => support,
            }
        };
        let mut sorted: Vec<Itemset<'_>> = all.iter().collect();
        sorted.sort_by(|a, b| value(b).total_cmp(&value(a)));
        let found = params.top_by(4, measure, &items).unwrap();
        let found: Vec<Itemset<'_>> = found.iter().collect();
        assert_eq!(found, sorted[..4], "{measure:?}");
    }
}
