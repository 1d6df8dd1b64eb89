use super::*;
use crate::association::{FrequentItemsets, Measure};
use crate::design::Hierarchy;
use crate::error::ErrorKind;
use crate::numeric::seed::{stream, uniform};

/// Twelve items at random; where `true` the last follows the first two.
fn items(n: usize, planted: bool, task: u64) -> Items {
    let mut stream = stream(91, task);
    let mut pairs = Vec::new();
    for unit in 0..n {
        let mut has: Vec<bool> = (0..12).map(|_| uniform(&mut stream) < 0.3).collect();
        if planted && has[0] && has[1] && uniform(&mut stream) < 0.7 {
            has[11] = true;
        }
        for (at, _) in has.iter().enumerate().filter(|(_, has)| **has) {
            pairs.push((unit, format!("i{at:02}")));
        }
    }
    Items::from_pairs(n, pairs, &Hierarchy::default()).unwrap()
}

fn found(items: &Items, alpha: f64) -> Rules {
    let sets = FrequentItemsets::params()
        .min_count(5)
        .lengths(1..=3)
        .mine(items)
        .unwrap();
    Rules::params().alpha(alpha).find(items, &sets).unwrap()
}

#[test]
fn planted_rules_are_confirmed_and_chance_is_not() {
    let (mut planted, mut chance) = (0, 0);
    for task in 0..60 {
        let rules = found(&items(600, true, task), 1.0);
        let told = rules
            .confirm(
                &items(600, true, 1_000 + task),
                None,
                &ConfirmParams::default(),
            )
            .unwrap();
        let both = told
            .rules
            .iter()
            .find(|r| rules.text(&r.rule) == "i00 and i01 => i11");
        planted += usize::from(both.is_some_and(|rule| rule.confirmed));
        let rules = found(&items(300, false, 2_000 + task), 1.0);
        let told = rules
            .confirm(
                &items(300, false, 3_000 + task),
                None,
                &ConfirmParams::default(),
            )
            .unwrap();
        chance += usize::from(told.n_confirmed() > 0);
    }
    assert!(planted >= 58, "{planted} of 60");
    // 0.05 of 60 and three standard errors.
    assert!(chance <= 8, "{chance} of 60");
}

#[test]
fn untested_rules_are_counted() {
    let rules = found(&items(600, true, 0), 1.0);
    let others = items(600, true, 1);
    let adaptive = rules
        .confirm(&others, None, &ConfirmParams::default())
        .unwrap();
    let tested = adaptive.rules.len();
    assert!(
        adaptive.n_untested > 0 && (1..200).contains(&tested),
        "{tested} of {}",
        rules.len()
    );
    assert_eq!(adaptive.rules.len() + adaptive.n_untested, rules.len());
    let params = ConfirmParams {
        adaptive: false,
        ..Default::default()
    };
    let all = rules.confirm(&others, None, &params).unwrap();
    assert_eq!((all.rules.len(), all.n_untested), (rules.len(), 0));
    // The counts are those of the other units.
    let again = found(&others, 1.0);
    for rule in all.rules.iter().take(50) {
        let same = again
            .iter()
            .find(|r| again.text(r) == rules.text(&rule.rule));
        if let Some(same) = same {
            assert_eq!(same.counts, rule.counts);
        }
    }
    let strata = Strata::new((0..600).map(|unit| unit % 2));
    let within = rules
        .top(5, Measure::Lift)
        .confirm(&others, Some(&strata), &params)
        .unwrap();
    assert!(within.rules.iter().all(|rule| rule.stratified.is_some()));
}

#[test]
fn items_are_found_by_name_and_bad_settings_refused() {
    let rules = found(&items(200, true, 0), 1.0);
    let few = Items::from_pairs(2, [(0, "i00"), (1, "i01")], &Hierarchy::default()).unwrap();
    let error = rules
        .confirm(&few, None, &ConfirmParams::default())
        .unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::FeatureNames { .. }),
        "{error}"
    );
    let others = items(50, true, 4);
    for (alpha, level) in [(0.0, 0.95), (1.0, 0.95), (f64::NAN, 0.95), (0.05, 1.0)] {
        let params = ConfirmParams {
            alpha,
            level,
            ..Default::default()
        };
        assert!(rules.confirm(&others, None, &params).is_err());
    }
    let strata = Strata::new([1]);
    assert!(
        rules
            .confirm(&others, Some(&strata), &ConfirmParams::default())
            .is_err()
    );
    let none = rules.filter(|_| false);
    let told = none
        .confirm(&others, None, &ConfirmParams::default())
        .unwrap();
    assert!(told.rules.is_empty());
}
