//! What trees for classes must not depend on, and what they hold.

use super::class_draw::{ClassGrower, ClassGrowth, ClassRows};
use super::class_histogram::whole_weights;
use super::class_tests::{Data, growth};
use super::flat::holds;
use super::partition::bins_of;
use crate::design::binned::MISSING;
use crate::estimator::Control;
use crate::numeric::seed::{below, stream, uniform};

#[test]
fn neither_row_order_nor_threads_matter() {
    // Enough rows and features that several threads share a node.
    let n_bins = [200, 7, 90, 20, 5, 30, 2, 60, 9, 14];
    let levels: [bool; 10] = std::array::from_fn(|feature| feature % 4 == 3);
    let mut data = Data::random(8, 5_000, &n_bins, &levels, 3);
    let mut r = stream(4, 4);
    for weight in &mut data.weights {
        *weight = 0.1 + uniform(&mut r);
    }
    for random_cuts in [false, true] {
        let growth = ClassGrowth {
            features_per_node: 9,
            random_cuts,
            min_leaf_rows: 3,
            max_leaves: Some(60),
            ..growth()
        };
        let tree = data.grow(&growth);
        let turned: Vec<usize> = (0..5_000).rev().collect();
        assert_eq!(data.select(&turned).grow(&growth), tree);
        for threads in [1, 2, 3, 7, 16] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().unwrap();
            assert_eq!(pool.install(|| data.grow_with(&growth, true).tree), tree);
        }
    }
}

#[test]
fn whole_weights_are_repeated_rows() {
    let mut data = Data::random(21, 300, &[25, 9, 5], &[false, false, true], 2);
    let mut r = stream(6, 0);
    for weight in &mut data.weights {
        *weight = below(&mut r, 4) as f64;
    }
    let rows = 0..300_usize;
    let repeated: Vec<usize> = rows
        .flat_map(|row| vec![row; data.weights[row] as usize])
        .collect();
    let mut twin = data.select(&repeated);
    twin.weights.fill(1.0);
    let growth = ClassGrowth {
        min_leaf_weight: 6.0,
        ..growth()
    };
    let (a, b) = (data.grow(&growth), twin.grow(&growth));
    assert_eq!((&a.values, &a.sets), (&b.values, &b.sets));
    for (a, b) in a.nodes.iter().zip(&b.nodes) {
        assert_eq!(
            (a.feature, a.threshold, a.cover, a.gain, a.missing_left),
            (b.feature, b.threshold, b.cover, b.gain, b.missing_left)
        );
    }
}

#[test]
fn random_cuts_are_cuts_of_the_node() {
    let data = Data::random(30, 500, &[50, 4, 12], &[false, false, true], 2);
    let mut thresholds = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let growth = ClassGrowth {
            random_cuts: true,
            features_per_node: 1 + seed % 3,
            ..growth()
        };
        let (weights, unit) = whole_weights(&data.weights);
        let rows = ClassRows {
            classes: &data.classes,
            weights: &weights,
            unit,
            n_classes: 2,
        };
        let features = vec![0, 1, 2];
        let mut grower = ClassGrower::new(&data.binner, &data.columns, &growth, features, false);
        let grown = grower.grow(rows, seed as u64, &Control::silent()).unwrap();
        for node in grown.tree.nodes.iter().filter(|node| !node.is_leaf()) {
            let of = |side: u32| grown.tree.nodes[side as usize].rows;
            assert!(of(node.left) > 0 && of(node.right) > 0 && node.gain > 0.0);
            assert_eq!(of(node.left) + of(node.right), node.rows);
            if node.feature == 0 {
                thresholds.insert(node.threshold as u64);
            }
        }
    }
    assert!(thresholds.len() > 40, "{}", thresholds.len());
}

#[test]
fn bins_lead_where_values_do() {
    let data = Data::random(14, 800, &[30, 200, 6], &[false, false, true], 3);
    for random_cuts in [false, true] {
        let growth = ClassGrowth {
            random_cuts,
            min_leaf_rows: 4,
            ..growth()
        };
        let grown = data.grow_with(&growth, false);
        assert_eq!(bins_of(&grown.tree, &data.binner), grown.by_bins);
        let mut leaf_of = vec![0; 800];
        for (leaf, start, end) in &grown.segments {
            for row in &grown.rows[*start..*end] {
                leaf_of[*row as usize] = *leaf;
            }
        }
        for (row, leaf) in leaf_of.iter().enumerate() {
            assert_eq!(data.columns.leaf(&grown.tree, &grown.by_bins, row), *leaf);
            let value = |feature: usize| match data.columns.bins[feature].bin(row) {
                MISSING => f64::NAN,
                bin => f64::from(bin),
            };
            let values: Vec<f64> = (0..3).map(value).collect();
            assert_eq!(grown.tree.leaf(&values), *leaf);
        }
    }
}

#[test]
fn levels_that_a_node_does_not_show_go_with_missing_values() {
    // Level 2 of three is in no row; five rows of level 0, three of level 1, nothing missing.
    let bins = vec![0, 0, 0, 0, 0, 1, 1, 1];
    let classes = bins.iter().map(|bin| u32::from(*bin)).collect();
    let data = Data::new(vec![bins], &[3], &[true], classes);
    let tree = data.grow(&growth());
    assert!(tree.nodes[0].missing_left, "the heavier side");
    assert!(holds(&tree.sets[0], 2) && holds(&tree.sets[0], 0) && !holds(&tree.sets[0], 1));
}

#[test]
fn degenerate_rows_make_a_leaf() {
    let alone = Data::new(vec![vec![0, 1, 2]], &[3], &[false], vec![0, 0, 0]);
    assert_eq!(alone.grow(&growth()).nodes.len(), 1);
    let missing = Data::new(vec![vec![MISSING; 4]], &[3], &[false], vec![0, 1, 0, 1]);
    let tree = missing.grow(&growth());
    assert_eq!(tree.values, [0.5, 0.5]);
    let mut nothing = Data::new(vec![vec![0, 1]], &[2], &[false], vec![0, 1]);
    nothing.weights = vec![0.0; 2];
    assert_eq!(nothing.grow(&growth()).values, [0.5, 0.5]);
    // One patient of a class among many: cut off where allowed.
    let bins = (0..200).map(|row| (row % 100) as u8).collect();
    let classes = (0..200).map(|row| u32::from(row == 55)).collect();
    let rare = Data::new(vec![bins], &[100], &[false], classes);
    let tree = rare.grow(&growth());
    assert_eq!(
        tree.n_leaves(),
        3,
        "the bin of two rows is all that is left"
    );
    let all_levels = Data::random(2, 600, &[255], &[true], 2);
    assert!(all_levels.grow(&growth()).n_leaves() > 2);
}
