//! Tables of more rows and items than all subsets can be asked of: every miner finds the same sets, and
//! closed and maximal ones are those that the frequent ones say.

use std::collections::HashMap;

use super::drive::{collect, count};
use super::tests::{Data, Random, Sets, by_costs, rows};
use super::{Algorithm, Settings, Target};

/// Rows around a few patterns, so that items come together in many ways.
fn patterns(random: &mut Random, weighted: bool) -> Data {
    let n_items = 20 + random.next(60);
    let n_rows = 300 + random.next(2_500);
    let of = |random: &mut Random, many: u64| -> Vec<u32> {
        (0..many).map(|_| random.next(n_items) as u32).collect()
    };
    let lengths = 3 + random.next(5);
    let patterns: Vec<Vec<u32>> = (0..12).map(|_| of(random, lengths)).collect();
    let mut data = Data {
        offsets: vec![0],
        items: vec![],
        weights: weighted.then(Vec::new),
    };
    for _ in 0..n_rows {
        for pattern in &patterns {
            if random.next(9) == 0 {
                let kept = pattern.iter().filter(|_| random.next(10) > 0);
                data.items.extend(kept);
            }
        }
        let more = random.next(6);
        let noise = of(random, more);
        data.items.extend(noise);
        data.offsets.push(data.items.len());
        if let Some(weights) = &mut data.weights {
            weights.push(random.next(11));
        }
    }
    data
}

/// The sets of a target by definition.
fn told(frequent: &Sets, target: Target) -> Sets {
    let key = |set: &[u32]| {
        let mut key = set.to_vec();
        key.sort_unstable();
        key
    };
    // The largest support of a set with one more item.
    let mut above: HashMap<Vec<u32>, u64> = HashMap::new();
    for (set, support) in frequent {
        for out in 0..set.len() {
            let mut less = set.clone();
            less.remove(out);
            let most = above.entry(key(&less)).or_default();
            *most = (*most).max(*support);
        }
    }
    let wanted = |(set, support): &&(Vec<u32>, u64)| match target {
        Target::Closed => above.get(&key(set)).is_none_or(|most| most < support),
        Target::Maximal => !above.contains_key(&key(set)),
        _ => true,
    };
    frequent.iter().filter(wanted).cloned().collect()
}

#[test]
fn wide_tables_give_the_sets_that_the_frequent_ones_say() {
    let mut random = Random(29);
    let mut most = 0;
    for round in 0..40 {
        let data = patterns(&mut random, round % 3 == 0);
        let total: u64 = match &data.weights {
            Some(weights) => weights.iter().sum(),
            None => data.offsets.len() as u64 - 1,
        };
        let mut settings = Settings::new(total);
        settings.limits.max_sets = 12_000;
        // As low a support as few enough sets have.
        while count(&data.baskets(), &settings).is_ok() && settings.min_support > 2 {
            settings.min_support = settings.min_support * 4 / 5;
        }
        settings.min_support = settings.min_support * 5 / 4 + 1;
        settings.algorithm = Algorithm::Apriori;
        let frequent = rows(&collect(&data.baskets(), &settings).unwrap().table());
        most = most.max(frequent.len());
        for target in [Target::Frequent, Target::Closed, Target::Maximal] {
            settings.target = target;
            let expected = told(&frequent, target);
            for algorithm in [Algorithm::FpGrowth, Algorithm::Eclat] {
                settings.algorithm = algorithm;
                let found = rows(&collect(&data.baskets(), &settings).unwrap().table());
                assert!(found == expected, "round {round} {target:?} {algorithm:?}");
            }
            for costs in [(0.0, 0.0), (0.0, 1e9), (0.3, 0.0), (1e9, 0.0)] {
                let found = by_costs(&data, &settings, costs);
                assert!(found == expected, "round {round} {target:?} {costs:?}");
            }
        }
    }
    assert!(most > 5_000, "{most}: too few sets to say much");
}
