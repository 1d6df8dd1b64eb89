//! One tree against scikit-learn: cuts, counts, pruning and probabilities on the Wisconsin breast
//! cancer data. Every reference tree is the only best one, whatever the order of features.

use galen::classification::decision_tree::{Impurity, Pruning, Rule, Test};
use galen::classification::{Cuts, DecisionTree};
use galen::estimator::{Classify, ParamGuard, Predict};
use linfa::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, Axis};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    missing: Vec<Vec<usize>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    features: Vec<usize>,
    settings: Settings,
    nodes: Vec<Node>,
    alphas: Vec<f64>,
    impurities: Vec<f64>,
    strength: f64,
    pruned_leaves: usize,
    leaves: Vec<usize>,
    first_class: Vec<f64>,
    pruned_first_class: Vec<f64>,
}

#[derive(Deserialize)]
struct Settings {
    criterion: String,
    max_depth: usize,
    min_samples_leaf: usize,
}

#[derive(Deserialize)]
struct Node {
    feature: Option<usize>,
    threshold: Option<f64>,
    left: i64,
    right: i64,
    rows: u64,
    weight: f64,
    shares: Vec<f64>,
}

struct Data {
    x: Array2<f64>,
    malignant: Array1<usize>,
    three: Array1<usize>,
}

fn data() -> Data {
    let text = std::fs::read_to_string("tests/fixtures/decision_tree/input_breast.csv").unwrap();
    let rows: Vec<Vec<f64>> = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect())
        .collect();
    let class = |column: usize| rows.iter().map(|row| row[column] as usize).collect();
    Data {
        x: Array2::from_shape_fn((rows.len(), 30), |(row, column)| rows[row][column]),
        malignant: class(30),
        three: class(31),
    }
}

fn reference() -> Reference {
    let text = std::fs::read_to_string("tests/fixtures/decision_tree/expected.json").unwrap();
    serde_json::from_str(&text).unwrap()
}

fn near(a: f64, b: f64, within: f64) -> bool {
    (a - b).abs() <= within * b.abs().max(1.0)
}

fn fit(
    case: &Case,
    reference: &Reference,
    cuts: Cuts,
    pruning: Pruning,
) -> (DecisionTree<usize>, Array2<f64>) {
    let data = data();
    let mut x = data.x.clone();
    if case.name.starts_with("missing") {
        for (row, columns) in reference.missing.iter().enumerate() {
            columns
                .iter()
                .for_each(|column| x[(row, *column)] = f64::NAN);
        }
    }
    let x = x.select(Axis(1), &case.features);
    let target = if case.name == "three" {
        data.three
    } else {
        data.malignant
    };
    let impurity = match case.settings.criterion.as_str() {
        "gini" => Impurity::Gini,
        _ => Impurity::Entropy,
    };
    let cohort = DatasetBase::new(x.clone(), target);
    let cohort = if case.name == "weighted" {
        let weights = (0..x.nrows()).map(|row| (row % 3 + 1) as f32).collect();
        cohort.with_weights(weights)
    } else {
        cohort
    };
    let params = DecisionTree::params()
        .impurity(impurity)
        .cuts(cuts)
        .max_depth(case.settings.max_depth)
        .min_leaf_rows(case.settings.min_samples_leaf)
        .pruning(pruning)
        .check()
        .unwrap();
    (params.fit(&cohort).unwrap(), x)
}

/// Rules of the reference tree in the same order, to be compared condition by condition.
fn ways(case: &Case) -> Vec<(usize, Vec<(usize, f64, bool)>)> {
    let mut ways = Vec::new();
    let mut stack = vec![(0_usize, Vec::new())];
    while let Some((at, way)) = stack.pop() {
        let node = &case.nodes[at];
        let Some(feature) = node.feature else {
            ways.push((at, way));
            continue;
        };
        let threshold = node.threshold.unwrap_or(f64::MAX);
        for (child, left) in [(node.right, false), (node.left, true)] {
            let mut way = way.clone();
            way.push((feature, threshold, left));
            stack.push((child as usize, way));
        }
    }
    ways
}

/// Bounds that a way puts on one feature.
fn bounds(way: &[(usize, f64, bool)], feature: usize) -> (f64, f64) {
    let mut bounds = (f64::NEG_INFINITY, f64::INFINITY);
    for (of, threshold, left) in way.iter().filter(|(of, ..)| *of == feature) {
        let _ = of;
        if *left {
            bounds.1 = bounds.1.min(*threshold);
        } else {
            bounds.0 = bounds.0.max(*threshold);
        }
    }
    bounds
}

fn same_rule(rule: &Rule, case: &Case, at: usize, way: &[(usize, f64, bool)]) {
    let node = &case.nodes[at];
    assert_eq!((rule.node, rule.rows), (at, node.rows), "{}", case.name);
    assert!(near(rule.weight, node.weight, 1e-9));
    for (a, b) in rule.probabilities.iter().zip(&node.shares) {
        assert!(near(*a, *b, 1e-9), "{}: {a} against {b}", case.name);
    }
    let mut asked: Vec<usize> = way.iter().map(|(feature, ..)| *feature).collect();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(rule.conditions.len(), asked.len());
    for condition in &rule.conditions {
        let feature: usize = condition.feature[1..].parse().unwrap();
        let (low, high) = bounds(way, feature);
        let found = match condition.test {
            Test::AtMost(high) => (f64::NEG_INFINITY, high),
            Test::Above(low) => (low, f64::INFINITY),
            Test::Between(low, high) => (low, high),
            ref other => panic!("{}: {other:?}", case.name),
        };
        let same = |a: f64, b: f64| a == b || near(a, b, 1e-12);
        assert!(
            same(found.0, low) && same(found.1, high),
            "{}: {found:?}",
            case.name
        );
    }
}

fn check(case: &Case, reference: &Reference, cuts: Cuts) {
    let (tree, x) = fit(case, reference, cuts, Pruning::None);
    let ways = ways(case);
    let rules = tree.rules();
    assert_eq!(rules.len(), ways.len(), "{}", case.name);
    for (rule, (at, way)) in rules.iter().zip(&ways) {
        same_rule(rule, case, *at, way);
    }
    // Every row ends in the same leaf with the same share.
    assert_eq!(
        tree.apply(&x).unwrap().to_vec(),
        case.leaves,
        "{}",
        case.name
    );
    let shares = tree.predict_proba(&x).unwrap();
    for (found, expected) in shares.column(0).iter().zip(&case.first_class) {
        assert!(near(*found, *expected, 1e-9));
    }
    // The pruning path; of steps of one strength the last.
    let mut steps: Vec<(f64, f64)> = Vec::new();
    for (alpha, impurity) in case.alphas.iter().zip(&case.impurities) {
        match steps.last_mut() {
            Some(last) if (alpha - last.0).abs() <= 1e-10 * last.0 => *last = (*alpha, *impurity),
            _ => steps.push((*alpha, *impurity)),
        }
    }
    let path = tree.pruning_path();
    assert_eq!(path.len(), steps.len(), "{}", case.name);
    for (step, (alpha, impurity)) in path.iter().zip(steps) {
        assert!(
            (step.strength - alpha).abs() <= 1e-9,
            "{}: {step:?}",
            case.name
        );
        assert!(
            (step.cost - impurity).abs() <= 1e-9,
            "{}: {step:?}",
            case.name
        );
    }
    // The tree of one strength.
    let (pruned, _) = fit(case, reference, cuts, Pruning::Strength(case.strength));
    assert_eq!(pruned.n_leaves(), case.pruned_leaves, "{}", case.name);
    let shares = pruned.predict_proba(&x).unwrap();
    for (found, expected) in shares.column(0).iter().zip(&case.pruned_first_class) {
        assert!(near(*found, *expected, 1e-9));
    }
    let labels: Array1<usize> = pruned.predict(&x);
    assert_eq!(labels.len(), x.nrows());
}

#[test]
fn trees_are_those_of_the_reference() {
    let reference = reference();
    assert_eq!(reference.cases.len(), 7);
    for case in &reference.cases {
        check(case, &reference, Cuts::Binned);
    }
}

#[test]
fn so_are_those_of_exact_cuts() {
    let reference = reference();
    for name in ["gini", "gini_small_leaves", "entropy"] {
        let case = reference.cases.iter().find(|case| case.name == name);
        check(case.unwrap(), &reference, Cuts::Exact);
    }
}
