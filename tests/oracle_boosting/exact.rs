//! Trees cut by cut: ours against the plain twin and against LightGBM, XGBoost and scikit-learn on
//! the same settings (`tests/fixtures/trees/exact.py`).
//!
//! Two trees are the same when every node asks the same feature and sends the same training rows to
//! the left; thresholds between two neighbouring values differ from package to package.

use std::collections::BTreeMap;

use galen::classification::boosting::Growth;
use galen::matrix::Column;
use galen::prelude::*;
use linfa::DatasetBase;
use ndarray::Array1;
use serde_json::Value;

use crate::data::{Table, named};
use crate::twin::{self, Cut, Goes, Node, Settings};
use crate::{number, recorded};

/// Sums of leaves are of whole numbers below 1e-14 in size.
const TWIN_VALUES: f64 = 1e-10;
/// Others sum gradients in single precision, and add ten trees.
const PEER_VALUES: f64 = 1e-5;
/// Relative to a cut's gain and the node's worth: 17 bits of a gradient. Where directions bind, values
/// are cut off at the middle of two such sums and their error shows in the leaves.
const GAINS: f64 = 2e-4;
/// Single precision. scikit-learn takes the worth of a node from its rounded value: a hundredth. With
/// directions LightGBM takes the worth of a node as if they did not bind it, and with levels without
/// their penalty, which it also keeps in the leaves: no gains, and with levels no leaves, are compared.
const PEER_GAINS: f64 = 1e-5;

/// Trees of our model, and its base.
fn ours(table: &Table, settings: &Settings) -> (Vec<f64>, Vec<Vec<Node>>) {
    let s = settings;
    let columns = table
        .names
        .iter()
        .zip(table.x.columns())
        .map(|(name, values)| {
            if s.levels.contains(name) {
                let levels: Vec<Option<String>> = values
                    .iter()
                    .map(|value| Some(format!("{value}")))
                    .collect();
                (
                    Feature::category(name.as_str()),
                    Column::categorical(levels),
                )
            } else {
                let dense = Column::dense(values.to_vec()).expect("a column");
                (Feature::numeric(name.as_str()), dense)
            }
        });
    let matrix = PatientMatrix::new(columns.collect()).expect("a matrix");
    let mut params = GradientBoosting::params()
        .n_trees(s.n_trees)
        .learning_rate(s.learning_rate)
        .max_leaves(s.max_leaves)
        .max_depth(s.max_depth)
        .min_leaf_rows(s.min_leaf_rows)
        .min_leaf_weight(s.min_leaf_weight)
        .min_gain(s.min_gain)
        .l1(s.l1)
        .l2(s.l2)
        .interactions(s.interactions.clone());
    if s.depth_first {
        params = params.growth(Growth::DepthFirst);
    }
    for (name, direction) in &s.monotone {
        let direction = if *direction > 0 {
            galen::classification::Direction::Increasing
        } else {
            galen::classification::Direction::Decreasing
        };
        params = params.monotone(name, direction);
    }
    let y = table.y.iter().map(|y| *y.min(&(s.classes - 1)));
    let weights = twin::weights(&s.weights, &table.y);
    let weights: Array1<f32> = weights.iter().map(|w| *w as f32).collect();
    let json = if s.weights == "events twice" {
        let params = params.class_weights(galen::classification::ClassWeights::Given(1.0, 2.0));
        let labels: Array1<usize> = y.collect();
        let cohort = DatasetBase::new(matrix, labels);
        serde_json::to_value(params.fit(&cohort).expect("a fit"))
    } else {
        let labels: Array1<usize> = y.collect();
        let cohort = DatasetBase::new(matrix, labels).with_weights(weights);
        serde_json::to_value(params.fit(&cohort).expect("a fit"))
    };
    let json = json.expect("plain data");
    let base = json["base"].as_array().expect("a list").iter().map(number);
    let trees = json["trees"].as_array().expect("trees").iter();
    (
        base.collect(),
        trees
            .map(|tree| our_nodes(tree, &json["binner"]["bins"]))
            .collect(),
    )
}

fn index(value: &Value) -> usize {
    value.as_u64().expect("a whole number") as usize
}

fn our_nodes(tree: &Value, bins: &Value) -> Vec<Node> {
    let nodes = tree["nodes"].as_array().expect("nodes").iter().enumerate();
    nodes
        .map(|(at, node)| {
            if index(&node["feature"]) == u32::MAX as usize {
                return Node::Leaf(number(&tree["values"][at]));
            }
            let feature = index(&node["feature"]);
            let goes = if index(&node["set"]) == u32::MAX as usize {
                Goes::UpTo(number(&node["threshold"]))
            } else {
                let words = &tree["sets"][index(&node["set"])];
                let levels = bins[feature]["Levels"]["levels"]
                    .as_array()
                    .expect("levels");
                let left = levels.iter().enumerate().filter(|(bin, _)| {
                    words[bin / 64].as_u64().expect("bits") >> (bin % 64) & 1 == 1
                });
                let code = |level: &Value| level.as_str().and_then(|text| text.parse().ok());
                Goes::Levels(
                    left.map(|(_, level)| code(level).expect("a code"))
                        .collect(),
                )
            };
            Node::Cut(Cut {
                feature,
                goes,
                missing_left: node["missing_left"].as_bool().expect("a flag"),
                left: index(&node["left"]),
                right: index(&node["right"]),
                gain: number(&node["gain"]),
                scale: f64::NAN,
            })
        })
        .collect()
}

/// Nodes as the scripts wrote them.
fn their_nodes(nodes: &Value) -> Vec<Node> {
    let nodes = nodes.as_array().expect("nodes").iter();
    nodes
        .map(|node| {
            if let Some(value) = node["leaf"].as_f64() {
                return Node::Leaf(value);
            }
            let goes = match node["levels"].as_array() {
                Some(levels) => Goes::Levels(levels.iter().map(index).collect()),
                None => Goes::UpTo(number(&node["threshold"])),
            };
            Node::Cut(Cut {
                feature: index(&node["feature"]),
                goes,
                missing_left: node["missing_left"].as_bool().expect("a flag"),
                left: index(&node["left"]),
                right: index(&node["right"]),
                gain: number(&node["gain"]),
                scale: f64::NAN,
            })
        })
        .collect()
}

/// Largest differences of two trees that cut alike.
#[derive(Default, Clone, Copy)]
struct Apart {
    value: f64,
    gain: f64,
}

/// Walks both trees side by side; where they cut differently, says so. `shift` is what the leaves of
/// the second hold beyond those of the first.
fn compare(table: &Table, twin: &[Node], other: &[Node], shift: f64) -> Result<Apart, String> {
    let mut apart = Apart::default();
    let all: Vec<usize> = (0..table.y.len()).collect();
    let mut open = vec![(0, 0, all)];
    while let Some((at, at_other, rows)) = open.pop() {
        match (&twin[at], &other[at_other]) {
            (Node::Leaf(x), Node::Leaf(y)) => {
                apart.value = apart.value.max((x + shift - y).abs());
            }
            (Node::Cut(x), Node::Cut(y)) => {
                let side = |cut: &Cut| -> (Vec<usize>, Vec<usize>) {
                    rows.iter().partition(|row| cut.left(&table.x, **row))
                };
                let ((left, right), theirs) = (side(x), side(y));
                // LightGBM puts missing values alone on the left where we put them on the right.
                let turned = theirs.0 == right;
                if x.feature != y.feature || !(turned || theirs.0 == left) {
                    return Err(format!(
                        "{} rows: {} {:?} gains {}, {} {:?} gains {}",
                        rows.len(),
                        table.names[x.feature],
                        x.goes,
                        x.gain,
                        table.names[y.feature],
                        y.goes,
                        y.gain
                    ));
                }
                apart.gain = apart.gain.max((x.gain - y.gain).abs() / x.scale);
                let (first, second) = if turned {
                    (y.right, y.left)
                } else {
                    (y.left, y.right)
                };
                open.push((x.left, first, left));
                open.push((x.right, second, right));
            }
            (x, y) => return Err(format!("{} rows: {x:?} and {y:?}", rows.len())),
        }
    }
    Ok(apart)
}

#[test]
fn trees_are_those_of_the_twin_and_of_other_packages() {
    let recorded = recorded("exact.json");
    let mut by_peer: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in recorded["cases"].as_array().expect("cases") {
        let settings: Settings =
            serde_json::from_value(case["settings"].clone()).expect("settings");
        let table = named(case["table"].as_str().expect("a table"));
        let mut table = table.clone();
        for y in &mut table.y {
            *y = (*y).min(settings.classes - 1);
        }
        let peer = case["peer"].as_str().expect("a package");
        let name = format!("{} ({peer})", case["name"].as_str().expect("a name"));
        let twin = twin::boost(&table.x, &table.y, &table.names, &settings);
        let (base, trees) = ours(&table, &settings);
        let theirs = case["trees"].as_array().expect("trees");
        let n_outputs = base.len();
        for (ours, plain) in base.iter().zip(&twin.base) {
            assert!((ours - plain).abs() < 1e-9, "{name}: base {ours}, {plain}");
        }
        if let Some(recorded) = case["base"].as_f64() {
            assert!((base[0] - recorded).abs() < 1e-6, "{name}: {recorded}");
        }
        // LightGBM has the logarithms of the shares as they are.
        let weights = twin::weights(&settings.weights, &table.y);
        let total: f64 = weights.iter().sum();
        let share = |class: usize| -> f64 {
            let own = table.y.iter().zip(&weights).filter(|(y, _)| **y == class);
            (own.map(|(_, w)| w).sum::<f64>() / total).ln()
        };
        let (mut of_ours, mut of_peer) = (Apart::default(), Apart::default());
        for tree in 0..twin.sure {
            let shift = match (case["base"].is_null() && tree < n_outputs, n_outputs) {
                (false, _) => 0.0,
                (true, 1) => share(1) - share(0),
                (true, _) => share(tree),
            };
            let found = [
                compare(&table, &twin.trees[tree], &trees[tree], 0.0),
                compare(
                    &table,
                    &twin.trees[tree],
                    &their_nodes(&theirs[tree]),
                    shift,
                ),
            ];
            for ((found, whose), most) in found
                .into_iter()
                .zip(["ours", peer])
                .zip([&mut of_ours, &mut of_peer])
            {
                match found {
                    Ok(apart) => {
                        most.value = most.value.max(apart.value);
                        most.gain = most.gain.max(apart.gain);
                    }
                    Err(text) => wrong.push(format!("{name}, tree {tree}, {whose}: {text}")),
                }
            }
        }
        println!(
            "{name:<52} {:>2} of {:>2} trees; leaves apart by {:.1e} and {:.1e}, gains {:.1e} and {:.1e}",
            twin.sure,
            trees.len(),
            of_ours.value,
            of_peer.value,
            of_ours.gain,
            of_peer.gain
        );
        let directions = !settings.monotone.is_empty();
        let levels = !settings.levels.is_empty();
        let sklearn = peer == "sklearn, histograms";
        for (what, found, most) in [
            (
                "our leaves",
                of_ours.value,
                if directions { GAINS } else { TWIN_VALUES },
            ),
            (
                "their leaves",
                of_peer.value,
                if levels { f64::INFINITY } else { PEER_VALUES },
            ),
            ("our gains", of_ours.gain, GAINS),
            (
                "their gains",
                of_peer.gain,
                match peer {
                    "lightgbm" if levels || directions => f64::INFINITY,
                    _ if sklearn => 1e-2,
                    _ => PEER_GAINS,
                },
            ),
        ] {
            if found.is_nan() || found > most {
                wrong.push(format!("{name}: {what} apart by {found:e}"));
            }
        }
        let entry = by_peer.entry(peer.to_string()).or_default();
        // Rounding leaves something to compare in every case.
        assert!(twin.sure > 0, "{name}");
        entry.0 += twin.sure;
        entry.1 += trees.len();
    }
    println!("{by_peer:?}");
    for (peer, (sure, _)) in by_peer {
        let least = if peer == "sklearn, tree" { 4 } else { 30 };
        assert!(sure >= least, "{peer}: {sure} trees compared");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
