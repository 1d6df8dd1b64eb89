//! What the example claims: every adjustment takes pairs away, and other patients agree with the rules.

use std::collections::BTreeSet;

use galen::estimator::{Test, Train};

use super::*;

fn halves() -> Outcome<(Train<Binary>, Test<Binary>)> {
    let half = Split::by_rule(|patient| patient.parse::<u64>().is_ok_and(|n| n % 2 == 1));
    Ok(half.apply(&read()?)?)
}

#[test]
fn findings_survive_adjustment_and_other_patients() -> Outcome<()> {
    let (train, held_out) = halves()?;
    let itemizer = items(&train.records)?;
    let (items, _) = rolled_up(&itemizer.items(&train.records)?).collapsed();
    let ages = age_and_sex(&train.records)?;
    let strata = Strata::of_items(&ages.items(&train.records)?);
    let found = pairs(&items, &strata)?;
    let names = |pairs: &Pairs| -> BTreeSet<(u32, u32)> {
        pairs.iter().map(|pair| (pair.a, pair.b)).collect()
    };
    let [crude, within, honest] = found.each_ref().map(names);
    assert_eq!([crude.len(), within.len(), honest.len()], [357, 319, 139]);
    // Long records bring most pairs together; what is left was there without them.
    assert!(honest.difference(&within).count() * 20 < honest.len());

    let (_, rules) = rules(&items, &strata)?;
    let confirm =
        |test: &ConfirmParams| rules.confirm_in(&itemizer, held_out.rows(), Some(&ages), test);
    let told = confirm(&ConfirmParams::default())?;
    assert_eq!((rules.len(), told.n_confirmed()), (880, 858));
    for rule in &told.rules {
        // Counts are those of the other patients: about as many, never the same ones.
        assert_ne!(rule.counts, rule.rule.counts);
        assert!(!rule.confirmed || rule.adjusted_p <= 0.05);
    }
    Ok(())
}

#[test]
fn ways_tell_of_no_small_group() -> Outcome<()> {
    let (train, _) = halves()?;
    let (n_patients, visits) = steps(&train.records)?;
    let histories = Histories::from_days(n_patients, visits)?;
    let ways = Pathways::params().steps(Steps::Every).count(&histories)?;
    let told: u64 = ways.pathways.iter().map(|way| way.n).sum();
    assert!(ways.pathways.iter().all(|way| way.n >= 11));
    assert_eq!(told + ways.n_others, ways.n_patients);
    for few in [ways.n_others, ways.n_without] {
        assert!(few == 0 || few >= 11, "{few}");
    }
    Ok(())
}
