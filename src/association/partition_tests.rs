use super::*;
use crate::association::{Apriori, FpGrowth, FrequentItemsets};
use crate::design::{Hierarchy, ItemParams};
use crate::estimator::rounds::Disclosure;
use crate::numeric::seed::{stream, uniform};

fn sent<T: Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let bytes = postcard::to_allocvec(value).unwrap();
    postcard::from_bytes(&bytes).unwrap()
}

/// Three rounds in which nothing but bytes passes.
fn over(params: &ItemsetParams, shards: &[Items]) -> Result<Itemsets> {
    let rounds = ItemsetRounds::new(params)?;
    let (mut question, mut state) = rounds.open();
    loop {
        let mut total: Option<ItemsetPartial> = None;
        for shard in shards {
            let answer = sent(&rounds.answer(&sent(&question), shard)?);
            total = Some(match total {
                Some(total) => total.merge(answer)?,
                None => answer,
            });
        }
        match rounds.conclude(&mut state, question, total.unwrap())? {
            Next::Ask(next) => question = next,
            Next::Done(sets) => return Ok(sets),
        }
    }
}

fn pairs(n: usize, task: u64) -> Vec<(usize, String)> {
    let mut stream = stream(61, task);
    let mut pairs = Vec::new();
    for unit in 0..n {
        for at in 0..9 {
            if uniform(&mut stream) < 0.15 + 0.05 * at as f64 {
                pairs.push((unit, format!("c{at}")));
            }
        }
    }
    pairs
}

fn shards(pairs: &[(usize, String)], n: usize, of: usize, above: &Hierarchy) -> Vec<Items> {
    let shard = |at: usize| {
        let own = pairs.iter().filter(|(unit, _)| unit % of == at);
        let own = own.map(|(unit, name)| (unit / of, name.as_str()));
        Items::from_pairs((n - at).div_ceil(of), own, above).unwrap()
    };
    (0..of).map(shard).collect()
}

#[test]
fn shards_give_what_one_search_gives() {
    let above =
        Hierarchy::new([("c0", "low"), ("c1", "low"), ("c7", "high"), ("c8", "high")]).unwrap();
    let base = FrequentItemsets::params().min_support(0.04);
    let settings = [
        base.clone(),
        base.clone().lengths(2..=3),
        base.clone().kind(SetKind::Closed),
        base.clone().kind(SetKind::Closed).lengths(1..=3),
        base.clone().kind(SetKind::Maximal),
        base.clone().kind(SetKind::Maximal).lengths(1..=3),
        base.clone().kind(SetKind::Generator),
        base.clone().must_have("c8"),
        base.clone().must_not_have("c8"),
        base.clone()
            .must_have("c5")
            .must_not_have("c6")
            .kind(SetKind::Closed),
        base.clone().top(17),
        Apriori::params().min_count(5),
        FpGrowth::params().min_count(5).kind(SetKind::Closed),
    ];
    let mut n_sets = 0;
    for (task, hierarchy) in [(0, Hierarchy::default()), (1, above)] {
        let n = 101;
        let all = pairs(n, task);
        let whole =
            Items::from_pairs(n, all.iter().map(|(u, c)| (*u, c.as_str())), &hierarchy).unwrap();
        for params in &settings {
            if !hierarchy.is_empty() && *params == base.clone().top(17) {
                continue; // a bound on sets of several levels is taken before these are thinned
            }
            let expected = params.mine(&whole).unwrap();
            n_sets += expected.len();
            for of in [1, 4, 64] {
                let found = over(params, &shards(&all, n, of, &hierarchy)).unwrap();
                assert_eq!(found, expected, "{params:?} over {of}");
            }
        }
    }
    assert!(n_sets > 1_000, "{n_sets}");
}

#[test]
fn shards_of_one_itemizer_keep_its_order() {
    let rows = crate::simulate::patients(400, 5);
    let itemizer = ItemParams::default().learn(&rows).unwrap();
    let whole = itemizer.items(&rows).unwrap();
    let mut parts = Vec::new();
    for at in 0..4 {
        let own: Vec<usize> = (0..400).filter(|row| row % 4 == at).collect();
        parts.push(itemizer.items(&rows.select_rows(&own).unwrap()).unwrap());
    }
    let params = FrequentItemsets::params().min_support(0.2).lengths(1..=3);
    assert_eq!(over(&params, &parts).unwrap(), params.mine(&whole).unwrap());
}

#[test]
fn an_empty_shard_changes_nothing() {
    let all = pairs(50, 3);
    let none = Hierarchy::default();
    let mut two = shards(&all, 50, 2, &none);
    let params = FrequentItemsets::params().min_support(0.1);
    let expected = over(&params, &two).unwrap();
    two.push(Items::from_pairs(0, Vec::<(usize, &str)>::new(), &none).unwrap());
    assert_eq!(over(&params, &two).unwrap(), expected);
    let nobody = over(&params, &two[2..]).unwrap_err();
    assert!(
        matches!(nobody.kind(), ErrorKind::TooFewRows { .. }),
        "{nobody}"
    );
}

#[test]
fn small_counts_are_seen_by_the_guard() {
    let all = pairs(60, 4);
    let shard = &shards(&all, 60, 1, &Hierarchy::default())[0];
    let rounds = ItemsetRounds::new(&FrequentItemsets::params().min_support(0.5)).unwrap();
    let (question, _) = rounds.open();
    let names = rounds.answer(&question, shard).unwrap();
    let least = shard.supports().into_iter().min().unwrap();
    assert_eq!(names.smallest_count(), least);
    let strict = Disclosure {
        smallest_count: least + 1,
        numbers_per_row: 1.0,
    };
    assert!(
        strict.judge(&names).is_err()
            && Disclosure::default().judge(&names).is_ok() == (least >= 11)
    );
}

#[test]
fn answers_to_other_questions_are_refused() {
    let all = pairs(40, 5);
    let shard = &shards(&all, 40, 1, &Hierarchy::default())[0];
    let rounds = ItemsetRounds::new(&FrequentItemsets::params().min_support(0.3)).unwrap();
    let (question, mut state) = rounds.open();
    let names = rounds.answer(&question, shard).unwrap();
    let Next::Ask(sets) = rounds
        .conclude(&mut state, question, names.clone())
        .unwrap()
    else {
        panic!("a second question");
    };
    let found = rounds.answer(&sets, shard).unwrap();
    let Next::Ask(counts) = rounds.conclude(&mut state, sets, found).unwrap() else {
        panic!("a third question");
    };
    assert!(
        rounds
            .conclude(&mut state, counts.clone(), names.clone())
            .is_err()
    );
    let counted = rounds.answer(&counts, shard).unwrap();
    assert!(counted.merge(names).is_err());
    let hostile = ItemsetQuestion {
        names: vec!["c0".into()],
        ask: Ask::Counts(vec![vec![7]]),
    };
    assert!(rounds.answer(&hostile, shard).is_err());
    assert!(ItemsetRounds::new(&FrequentItemsets::params().min_support(0.0)).is_err());
}
