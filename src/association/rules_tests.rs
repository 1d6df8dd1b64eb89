use super::*;
use crate::association::{Adjustment, FrequentItemsets, Measure, SetKind};
use crate::design::{Hierarchy, ItemParams};
use crate::matrix::PatientMatrix;
use crate::numeric::seed::{stream, uniform};

/// Baskets by their items' letters.
fn items(baskets: &[&str]) -> Items {
    let pairs = baskets.iter().enumerate();
    let pairs = pairs.flat_map(|(unit, basket)| basket.chars().map(move |c| (unit, c.to_string())));
    Items::from_pairs(baskets.len(), pairs, &Hierarchy::default()).unwrap()
}

fn all() -> RuleParams {
    Rules::params().alpha(1.0)
}

fn texts(rules: &Rules) -> Vec<String> {
    let mut texts: Vec<String> = rules.iter().map(|rule| rules.text(rule)).collect();
    texts.sort();
    texts
}

#[test]
fn rules_of_a_textbook_table() {
    // Five baskets (Tan, Steinbach and Kumar, Introduction to Data Mining, 2005, table 6.1), as letters:
    // bread, milk, nappies (d), beer (e), eggs, cola.
    let items = items(&["bm", "bdeg", "mdec", "bmde", "bmdc"]);
    let sets = FrequentItemsets::params()
        .min_count(3)
        .mine(&items)
        .unwrap();
    let rules = all().min_confidence(0.75).find(&items, &sets).unwrap();
    let expected = [
        "b => d", "b => m", "d => b", "d => e", "d => m", "e => d", "m => b", "m => d",
    ];
    assert_eq!(texts(&rules), expected);
    let rule = rules
        .iter()
        .find(|rule| rules.text(rule) == "e => d")
        .unwrap();
    assert_eq!(rule.counts, PairCounts::new(5, 3, 4, 3).unwrap());
    assert!((rule.improvement.unwrap() - 0.2).abs() < 1e-15);
    assert!((rule.p - 4.0 / 10.0).abs() < 1e-14); // C(4,3) of C(5,3)
    // Frequent: b, m, d, e alone and four pairs. With one item before: 3 others each; with two before: 2.
    assert_eq!(rules.n_tests(), 4 * 3 + 4 * 2);
}

/// Some items at random, one of them depending on two others; `missing` of the values are.
fn random(n: usize, k: usize, missing: f64, task: u64) -> (PatientMatrix, Vec<Vec<Option<bool>>>) {
    let mut stream = stream(31, task);
    let mut rows = Vec::new();
    for _ in 0..n {
        let mut row: Vec<Option<bool>> = Vec::new();
        for at in 0..k {
            let pull = at == k - 1 && row[0] == Some(true) && row[1] == Some(true);
            let has = uniform(&mut stream) < if pull { 0.9 } else { 0.4 };
            row.push((uniform(&mut stream) >= missing).then_some(has));
        }
        rows.push(row);
    }
    let column = |at: usize| rows.iter().map(|row| row[at]).collect();
    let table: Vec<Vec<Option<bool>>> = (0..k).map(column).collect();
    let names: Vec<String> = (0..k).map(|at| format!("x{at}")).collect();
    let columns = table.iter().map(|column| {
        let value = |cell: &Option<bool>| cell.map_or(f64::NAN, |has| f64::from(u8::from(has)));
        column.iter().map(value).collect::<Vec<f64>>()
    });
    let columns = names.iter().map(String::as_str).zip(columns);
    (PatientMatrix::from_columns(columns).unwrap(), table)
}

/// Only "above one half" makes items: the other interval is left out by its name.
fn flags(rows: &PatientMatrix, k: usize) -> (Items, Vec<u32>) {
    let cut = |params: ItemParams, at: usize| params.cuts(format!("x{at}"), [0.5]);
    let params = (0..k).fold(ItemParams::default(), cut);
    let items = params.learn(rows).unwrap().items(rows).unwrap();
    let found = (0..k).map(|at| items.find(&format!("x{at} > 0.5")).unwrap());
    let found = found.collect();
    (items, found)
}

#[test]
fn counts_are_those_of_a_plain_count() {
    for (task, missing) in [(0, 0.0), (1, 0.0), (2, 0.2), (3, 0.2), (4, 0.5)] {
        let k = 5;
        let (rows, table) = random(60, k, missing, task);
        let (items, ids) = flags(&rows, k);
        let sets = FrequentItemsets::params()
            .min_count(2)
            .mine(&items)
            .unwrap();
        let strata = Strata::new((0..60).map(|unit| unit % 3));
        let plain = all().max_consequent(2).find(&items, &sets).unwrap();
        let within = all()
            .max_consequent(2)
            .find_within(&items, &sets, &strata)
            .unwrap();
        assert_eq!(plain.len(), within.len());
        assert!(plain.n_tests() >= plain.len() as u64 && plain.len() > 100);
        for rule in plain.iter().chain(within.iter()) {
            // Items of the lower interval are the upper one's lack.
            let state = |item: &u32, unit: usize| {
                let upper = ids.iter().position(|id| id == item);
                let lower = ids.iter().position(|id| *id == item + 1);
                match (upper, lower) {
                    (Some(at), _) => table[at][unit],
                    (None, at) => table[at.unwrap()][unit].map(|has| !has),
                }
            };
            let mut expected = [0; 4];
            for unit in 0..60 {
                let side = |set: &[u32]| -> Option<bool> {
                    let states: Option<Vec<bool>> =
                        set.iter().map(|item| state(item, unit)).collect();
                    states.map(|states| states.into_iter().all(|has| has))
                };
                if let (Some(a), Some(b)) = (side(&rule.antecedent), side(&rule.consequent)) {
                    expected[0] += 1;
                    expected[1] += u64::from(a);
                    expected[2] += u64::from(b);
                    expected[3] += u64::from(a && b);
                }
            }
            assert_eq!(rule.counts, counts(expected, false).unwrap());
            assert_eq!(
                rule.stratified.is_some(),
                within.iter().any(|other| std::ptr::eq(other, rule))
            );
        }
        let plain_p = plain.iter().map(|rule| rule.p);
        assert!(plain_p.is_sorted());
        let fisher = plain
            .iter()
            .map(|rule| rule.counts.fisher_p(Alternative::Greater));
        assert!(
            plain
                .iter()
                .zip(fisher)
                .all(|(rule, p)| (rule.p - p).abs() < 1e-12)
        );
    }
}

#[test]
fn any_kind_of_sets_gives_the_same_counts() {
    let (rows, _) = random(80, 5, 0.1, 9);
    let (items, _) = flags(&rows, 5);
    let frequent = FrequentItemsets::params().min_count(4);
    let closed = frequent.clone().kind(SetKind::Closed).mine(&items).unwrap();
    let frequent = frequent.mine(&items).unwrap();
    assert!(frequent.is_complete() && !closed.is_complete());
    let rules = all().find(&items, &frequent).unwrap();
    let of_closed = all().find(&items, &closed).unwrap();
    assert!(of_closed.n_tests() > rules.n_tests());
    for rule in of_closed.iter() {
        let same = |other: &&Rule| {
            (&other.antecedent, &other.consequent) == (&rule.antecedent, &rule.consequent)
        };
        let other = rules.iter().find(same).unwrap();
        assert_eq!(
            (rule.counts, rule.improvement),
            (other.counts, other.improvement)
        );
    }
}

#[test]
fn classes_follow_and_never_lead() {
    let items = items(&["abX", "abX", "aY", "bY", "abX", "Y", "aX", "abY"]);
    let sets = FrequentItemsets::params()
        .min_count(1)
        .mine(&items)
        .unwrap();
    let rules = all().consequents(["X", "Y"]).find(&items, &sets).unwrap();
    assert_eq!(
        texts(&rules),
        [
            "a => X",
            "a => Y",
            "a and b => X",
            "a and b => Y",
            "b => X",
            "b => Y"
        ]
    );
    // a, b and both, each with two classes.
    assert_eq!(rules.n_tests(), 6);
    let only = all()
        .consequents(["X"])
        .antecedents(["b"])
        .find(&items, &sets)
        .unwrap();
    assert_eq!(
        (texts(&only), only.n_tests()),
        (vec!["b => X".to_string()], 1)
    );
    assert!(all().consequents(["Z"]).find(&items, &sets).is_err());
}

#[test]
fn improvement_and_productivity_leave_out_what_adds_nothing() {
    // c follows a; b is noise beside it.
    let mut baskets = Vec::new();
    for at in 0..40 {
        baskets.push(match (at % 4, at < 20) {
            (0, _) => "abc",
            (1, _) => "ac",
            (2, true) => "b",
            (2, false) => "bc",
            _ => "d",
        });
    }
    let items = items(&baskets);
    let sets = FrequentItemsets::params()
        .min_count(2)
        .mine(&items)
        .unwrap();
    let c = ["c"];
    let rules = all().consequents(c).find(&items, &sets).unwrap();
    assert_eq!(texts(&rules), ["a => c", "a and b => c", "b => c"]);
    let improving = all()
        .consequents(c)
        .min_improvement(0.0)
        .find(&items, &sets)
        .unwrap();
    // b: 15 of 20, above 25 of 40; a and b no better than a.
    assert_eq!(texts(&improving), ["a => c", "b => c"]);
    let found = |text: &str| rules.iter().find(|rule| rules.text(rule) == text).unwrap();
    assert_eq!(found("a and b => c").improvement, Some(0.0));
    assert!((found("b => c").improvement.unwrap() - (0.75 - 0.625)).abs() < 1e-15);
    assert!((found("a => c").improvement.unwrap() - 0.375).abs() < 1e-15);
    let productive = all()
        .consequents(c)
        .productive(0.05)
        .find(&items, &sets)
        .unwrap();
    assert_eq!(texts(&productive), ["a => c"]);
}

#[test]
fn what_is_rarely_together_is_told() {
    // 200 units: half have m; f is common without m and almost never with it.
    let unit = |at: usize| match at {
        0..100 => {
            if at < 2 {
                "mf"
            } else {
                "m"
            }
        }
        100..160 => "f",
        _ => "x",
    };
    let baskets: Vec<&str> = (0..200).map(unit).collect();
    let items = items(&baskets);
    let sets = FrequentItemsets::params()
        .min_count(20)
        .mine(&items)
        .unwrap();
    let rules = Rules::params().absent(2).find(&items, &sets).unwrap();
    let lacks: Vec<String> = rules
        .iter()
        .filter(|r| r.absent)
        .map(|r| rules.text(r))
        .collect();
    assert_eq!(lacks.len(), 6, "{lacks:?}");
    let rule = rules
        .iter()
        .find(|rule| rules.text(rule) == "m => no f")
        .unwrap();
    assert_eq!(rule.counts, PairCounts::new(200, 100, 138, 98).unwrap());
    let lack = PairCounts::new(200, 100, 62, 2)
        .unwrap()
        .fisher_p(Alternative::Less);
    assert!((rule.p / lack - 1.0).abs() < 1e-9);
    // Three items: presence 3 x 2, absence 3 x 2.
    assert_eq!(rules.n_tests(), 12);
    assert!((rule.improvement.unwrap() - (0.98 - 0.69)).abs() < 1e-15);
    let few = Rules::params()
        .absent(1)
        .min_expected(50.0)
        .find(&items, &sets)
        .unwrap();
    assert!(few.is_empty());
}

#[test]
fn levels_that_exclude_each_other_are_no_finding() {
    let category: Vec<f64> = (0..300).map(|at| f64::from(at % 3)).collect();
    let flag: Vec<f64> = (0..300)
        .map(|at| f64::from(u8::from(at % 3 == 0)))
        .collect();
    let rows = PatientMatrix::from_columns([("age", category), ("late", flag)]).unwrap();
    let params = ItemParams::default()
        .cuts("age", [0.5, 1.5])
        .cuts("late", [0.5]);
    let items = params.learn(&rows).unwrap().items(&rows).unwrap();
    let sets = FrequentItemsets::params().mine(&items).unwrap();
    let rules = Rules::params().absent(2).find(&items, &sets).unwrap();
    let lacks: Vec<String> = rules
        .iter()
        .filter(|r| r.absent)
        .map(|r| rules.text(r))
        .collect();
    assert!(
        lacks
            .iter()
            .any(|text| text == "age <= 0.5 => no late <= 0.5")
    );
    assert!(
        lacks.iter().all(|text| text.matches("age").count() == 1),
        "{lacks:?}"
    );
    assert!(
        lacks.iter().all(|text| text.matches("late").count() == 1),
        "{lacks:?}"
    );
}

#[test]
fn strata_take_away_what_age_brings_about() {
    let mut found = [0, 0];
    for task in 0..100 {
        let mut stream = stream(5, task);
        let (mut pairs, mut old) = (Vec::new(), Vec::new());
        for unit in 0..1_000 {
            let is_old = unit % 2 == 0;
            old.push(is_old);
            for name in ["grey", "deaf"] {
                if uniform(&mut stream) < if is_old { 0.6 } else { 0.05 } {
                    pairs.push((unit, name));
                }
            }
        }
        let items = Items::from_pairs(1_000, pairs, &Hierarchy::default()).unwrap();
        let sets = FrequentItemsets::params().mine(&items).unwrap();
        let strata = Strata::new(old);
        let plain = Rules::params().find(&items, &sets).unwrap();
        let within = Rules::params().find_within(&items, &sets, &strata).unwrap();
        found[0] += usize::from(!plain.is_empty());
        found[1] += usize::from(!within.is_empty());
        let shown = all().find_within(&items, &sets, &strata).unwrap();
        let rule = shown.iter().next().unwrap();
        let odds = rule.stratified.unwrap().odds_ratio.unwrap();
        assert_eq!(rule.p < 0.02, odds.lower > 1.0 && rule.p < 0.02);
        assert!(odds.value < 2.5 && rule.counts.lift() > Some(1.5));
    }
    // Confounded pairs are always found without strata; within them at 0.05 of 100, with three
    // standard errors.
    assert!(found[0] == 100 && found[1] <= 11, "{found:?}");
    let items = items(&["ab", "ab", "c"]);
    let sets = FrequentItemsets::params().mine(&items).unwrap();
    let other = Strata::new([1, 2]);
    assert!(Rules::params().find_within(&items, &sets, &other).is_err());
}

#[test]
fn what_a_chapter_foretells_is_no_news() {
    // "respiratory" leads to cough in half of the cases, pneumonia alike, asthma always.
    let mut pairs = Vec::new();
    for unit in 0..400 {
        let (name, coughs) = match unit {
            0..100 => ("pneumonia", unit % 2 == 0),
            100..200 => ("bronchitis", unit % 4 == 0),
            200..220 => ("asthma", true),
            _ => ("other", unit % 50 == 0),
        };
        pairs.push((unit, name));
        if coughs {
            pairs.push((unit, "cough"));
        }
    }
    let above = ["pneumonia", "bronchitis", "asthma"].map(|name| (name, "respiratory"));
    let items = Items::from_pairs(400, pairs, &Hierarchy::new(above).unwrap()).unwrap();
    let sets = FrequentItemsets::params()
        .min_count(10)
        .mine(&items)
        .unwrap();
    let cough = all().consequents(["cough"]).min_lift(1.0);
    let plain = texts(&cough.clone().find(&items, &sets).unwrap());
    assert_eq!(
        plain,
        [
            "asthma => cough",
            "bronchitis => cough",
            "pneumonia => cough",
            "respiratory => cough"
        ]
    );
    let news = texts(&cough.min_interest(1.3).find(&items, &sets).unwrap());
    assert_eq!(news, ["asthma => cough", "respiratory => cough"]);
}

#[test]
fn only_what_survives_all_tests_is_found_among_noise() {
    let mut false_findings = 0;
    for task in 0..200 {
        let mut stream = stream(77, task);
        let mut pairs = Vec::new();
        for unit in 0..200 {
            pairs.extend(
                (0..15)
                    .filter(|_| uniform(&mut stream) < 0.3)
                    .map(|item| (unit, format!("{item}"))),
            );
        }
        let items = Items::from_pairs(200, pairs, &Hierarchy::default()).unwrap();
        let sets = FrequentItemsets::params()
            .min_count(24)
            .lengths(1..=3)
            .mine(&items)
            .unwrap();
        let found = Rules::params()
            .adjustment(Adjustment::Holm)
            .find(&items, &sets)
            .unwrap();
        false_findings += usize::from(!found.is_empty());
        // Adjusted for the rules found alone, chance would be a finding: only the largest joint counts
        // are frequent at all.
        assert!(found.n_tests() as usize > 2 * sets.len());
    }
    // 0.05 of 200 and three standard errors.
    assert!(false_findings <= 19, "{false_findings} of 200");
}

#[test]
fn rules_are_the_same_at_any_number_of_threads_and_when_saved() {
    let (rows, _) = random(500, 8, 0.1, 3);
    let (items, _) = flags(&rows, 8);
    let sets = FrequentItemsets::params()
        .min_count(10)
        .lengths(1..=4)
        .mine(&items)
        .unwrap();
    let params = Rules::params()
        .absent(2)
        .max_consequent(2)
        .min_improvement(0.0);
    let found: Vec<Rules> = [1, 3]
        .into_iter()
        .map(|n| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(n)
                .build()
                .unwrap();
            pool.install(|| params.find(&items, &sets).unwrap())
        })
        .collect();
    assert!(!found[0].is_empty() && found[0] == found[1]);
    let text = serde_json::to_string(&found[0]).unwrap();
    let read: Rules = serde_json::from_str(&text).unwrap();
    assert_eq!(read.len(), found[0].len());
    let shown = read.top(2, Measure::Lift).to_string();
    assert_eq!(shown.lines().count(), 3, "{shown}");
}

#[test]
fn bad_settings_are_refused() {
    let items = items(&["ab", "ab", "c"]);
    let sets = FrequentItemsets::params().mine(&items).unwrap();
    let refused = [
        all().max_consequent(0),
        Rules::params().alpha(0.0),
        Rules::params().alpha(f64::NAN),
        all().at_least(Measure::Lift, f64::NAN),
        all().min_improvement(f64::INFINITY),
        all().productive(0.0),
        all().min_interest(-1.0),
        all().absent(0),
        all().min_expected(0.0),
        all().level(1.0),
        all().most_rules(0),
    ];
    for params in refused {
        let error = params.find(&items, &sets).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Parameter { .. }),
            "{error}"
        );
    }
    let error = all().most_rules(1).find(&items, &sets).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Explosion { .. }));
    let other = self::items(&["xy", "xy", "z"]);
    let error = all().find(&other, &sets).unwrap_err();
    assert!(error.to_string().contains("other items"), "{error}");
}
