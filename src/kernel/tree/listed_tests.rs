//! Listed features against the same features with a byte for every row: not one bit may differ.

use crate::design::binned::{BinnedDesign, Binner, Bins, MISSING};
use crate::estimator::{Control, Schema};
use crate::kernel::tree::answer::{Layout, Walk, steps_of};
use crate::kernel::tree::boost::{Boosted, Labelled, Order, Settings, boost};
use crate::kernel::tree::class_draw::ClassGrowth;
use crate::kernel::tree::class_histogram::{ClassBins, Columns};
use crate::kernel::tree::class_split::Impurity;
use crate::kernel::tree::class_tests::Data;
use crate::kernel::tree::gradient::Objective;
use crate::kernel::tree::partition::bins_of;
use crate::matrix::Feature;
use crate::numeric::seed::{below, stream, uniform};

const ROWS: usize = 9_000;

/// Features and the share of rows outside the most frequent bin: numbers of few and many bins, flags,
/// levels, and numbers that are mostly missing.
const SHARES: [(usize, bool, f64); 14] = [
    (40, false, 1.0),
    (2, false, 0.05),
    (2, false, 0.01),
    (2, false, 0.03),
    (30, false, 0.06),
    (3, true, 1.0),
    (5, true, 0.05),
    (12, true, 0.03),
    (20, false, -0.05),
    (2, false, -0.03),
    (4, false, 0.04),
    (1, false, 0.0),
    (2, false, 0.4),
    (255, false, 0.06),
];

/// Bins by feature and a class for every row; a share below zero is that of values that are there.
fn bins(n_classes: usize) -> (Vec<Vec<u8>>, Vec<u32>) {
    let mut r = stream(11, 2);
    let mut columns = vec![vec![0; ROWS]; SHARES.len()];
    let mut classes = Vec::with_capacity(ROWS);
    for row in 0..ROWS {
        let mut score = 0.0;
        for (column, (n_bins, _, share)) in columns.iter_mut().zip(SHARES) {
            let common = if share < 0.0 {
                MISSING
            } else {
                (n_bins / 2) as u8
            };
            let other = uniform(&mut r) < share.abs();
            let bin = match below(&mut r, n_bins + 1) {
                bin if bin == n_bins => MISSING,
                bin => bin as u8,
            };
            column[row] = if other { bin } else { common };
            score += if other { f64::from(bin % 7) - 2.5 } else { 0.0 };
        }
        let noise = uniform(&mut r) < 0.2;
        let class = if noise {
            below(&mut r, 9)
        } else {
            (score + 40.0) as usize / 3
        };
        classes.push((class % n_classes) as u32);
    }
    (columns, classes)
}

fn binner() -> Binner {
    let kinds = SHARES.iter().enumerate();
    let features = kinds.map(|(at, (_, levels, _))| match levels {
        true => Feature::category(format!("f{at}")),
        false => Feature::numeric(format!("f{at}")),
    });
    let bins = SHARES.iter().map(|(n, levels, _)| match levels {
        true => Bins::Levels {
            levels: (0..*n).map(|level| format!("level {level}")).collect(),
            pooled: false,
        },
        false => Bins::Number((0..n - 1).map(|edge| edge as f64).collect()),
    });
    Binner {
        schema: Schema::new(features.collect()).unwrap(),
        positional: false,
        bins: bins.collect(),
    }
}

fn settings() -> Settings {
    Settings {
        n_trees: 6,
        learning_rate: 0.3,
        max_leaves: 20,
        max_depth: 12,
        min_leaf_rows: 20,
        min_leaf_weight: 1e-3,
        min_gain: 0.0,
        l1: 0.0,
        l2: 1.0,
        order: Order::BestFirst,
        row_share: 1.0,
        feature_share: 1.0,
        monotone: Vec::new(),
        interactions: Vec::new(),
        patience: 0,
        seed: 1,
    }
}

fn designs(columns: &[Vec<u8>]) -> [BinnedDesign; 2] {
    let columns = || columns.iter().cloned();
    let designs = [
        BinnedDesign::of_columns(ROWS, columns()),
        BinnedDesign::all_dense(ROWS, columns()),
    ];
    assert_eq!(designs[0].listed.len(), 11);
    designs
}

fn fit(
    design: &BinnedDesign,
    classes: &[u32],
    weights: &[f64],
    settings: &Settings,
    start: Option<&Boosted>,
) -> Boosted {
    let rows: Vec<u32> = (0..ROWS as u32).filter(|row| row % 5 == 2).collect();
    let watched = design.select(&rows);
    let of_rows: Vec<u32> = rows.iter().map(|row| classes[*row as usize]).collect();
    let labelled = |design, classes, weights| Labelled {
        design,
        classes,
        weights,
        draws: None,
    };
    let ones = vec![1.0; rows.len()];
    boost(
        &binner(),
        Objective::of(*classes.iter().max().unwrap() as usize + 1),
        labelled(design, classes, weights),
        Some(labelled(&watched, &of_rows, &ones)),
        start.map(|start| (start.base.as_slice(), start.trees.as_slice())),
        settings,
        &Control::silent(),
    )
    .unwrap()
}

#[test]
fn boosting_finds_the_same_to_the_bit() {
    let base = settings();
    let mut variants = vec![(2, base.clone())];
    let mut with = |n_classes, change: &dyn Fn(&mut Settings)| {
        let mut changed = base.clone();
        change(&mut changed);
        variants.push((n_classes, changed));
    };
    with(3, &|s| s.n_trees = 3);
    with(2, &|s| s.min_leaf_rows = 1);
    with(2, &|s| (s.min_leaf_rows, s.min_leaf_weight) = (1, 0.0));
    with(2, &|s| s.min_leaf_rows = 90);
    with(2, &|s| (s.row_share, s.feature_share) = (0.6, 0.7));
    with(2, &|s| (s.l1, s.order) = (0.5, Order::DepthFirst));
    with(2, &|s| s.monotone = (0..14).map(|f| f % 3 - 1).collect());
    with(2, &|s| {
        s.interactions = vec![vec![0, 1, 2, 7], vec![3, 4, 8, 9, 13]]
    });
    let mut asked = [false; SHARES.len()];
    for (n_classes, settings) in variants {
        let (columns, classes) = bins(n_classes);
        let [listed, dense] = designs(&columns);
        let ones = vec![1.0; ROWS];
        let weights: Vec<f64> = (0..ROWS).map(|row| (row % 4) as f64 * 0.7).collect();
        for weights in [&ones, &weights] {
            let first = fit(&listed, &classes, weights, &settings, None);
            assert_eq!(first, fit(&dense, &classes, weights, &settings, None));
            let more = fit(&listed, &classes, weights, &settings, Some(&first));
            assert_eq!(
                more,
                fit(&dense, &classes, weights, &settings, Some(&first))
            );
            for node in first.trees.iter().flat_map(|tree| &tree.nodes) {
                if let Some(asked) = asked.get_mut(node.feature as usize) {
                    *asked = true;
                }
            }
        }
    }
    // Listed features of every kind were asked.
    for feature in [1, 4, 6, 7, 8, 10, 13] {
        assert!(asked[feature], "{feature}");
    }
}

#[test]
fn holders_of_rows_answer_the_same() {
    let (columns, classes) = bins(2);
    let [listed, dense] = designs(&columns);
    let binner = binner();
    let boosted = fit(&dense, &classes, &vec![1.0; ROWS], &settings(), None);
    let words: Vec<i64> = (0..ROWS as i64)
        .map(|row| ((row % 23 - 11) << 32) + row % 6)
        .collect();
    let rows: Vec<u32> = (0..ROWS as u32).filter(|row| row % 8 != 3).collect();
    let allowed: Vec<bool> = (0..SHARES.len()).map(|feature| feature != 3).collect();
    let layout = Layout::new(&binner, &allowed);
    for tree in &boosted.trees {
        let steps = steps_of(tree, &bins_of(tree, &binner), &binner);
        let walk = Walk::new(&steps, SHARES.len()).unwrap();
        let asked: Vec<u32> = (0..steps.len() as u32)
            .filter(|node| node % 3 == 0)
            .collect();
        let counted = layout.count(&listed, &walk, &asked, &rows, &words);
        assert!(counted == layout.count(&dense, &walk, &asked, &rows, &words));
        assert!(counted.iter().flatten().any(|sum| sum.rows > 0));
        let (mut scores, mut others) = (vec![0.5; ROWS], vec![0.5; ROWS]);
        walk.add_to(&listed, &mut scores);
        walk.add_to(&dense, &mut others);
        assert_eq!(scores, others);
    }
}

#[test]
fn trees_of_classes_are_the_same() {
    let n_bins = SHARES.map(|(n, _, _)| n);
    let levels = SHARES.map(|(_, levels, _)| levels);
    for n_classes in [2, 4] {
        let (columns, classes) = bins(n_classes);
        let listed = Data::new(columns.clone(), &n_bins, &levels, classes.clone());
        let mut dense = Data::new(columns.clone(), &n_bins, &levels, classes);
        dense.columns = Columns {
            n_rows: ROWS,
            bins: columns.into_iter().map(ClassBins::Dense).collect(),
        };
        assert!(matches!(listed.columns.bins[1], ClassBins::Listed(_)));
        let mut n_lists = 0;
        let rows: Vec<u32> = (0..ROWS as u32).step_by(3).collect();
        assert_eq!(listed.columns.varying(&rows), dense.columns.varying(&rows));
        for (random_cuts, features_per_node, max_leaves, min_leaf_rows) in [
            (false, 14, Some(40), 1),
            (false, 4, None, 5),
            (true, 4, None, 1),
            (false, 5, None, 40),
        ] {
            let growth = ClassGrowth {
                impurity: Impurity::Gini,
                max_depth: 20,
                max_leaves,
                min_leaf_rows,
                min_leaf_weight: 0.0,
                min_split_rows: 2,
                min_gain: 0.0,
                features_per_node,
                random_cuts,
            };
            let (a, b) = (
                listed.grow_with(&growth, true),
                dense.grow_with(&growth, false),
            );
            assert_eq!((&a.tree, &a.by_bins), (&b.tree, &b.by_bins));
            let lists = a.tree.nodes.iter().filter(|node| {
                !node.is_leaf()
                    && matches!(
                        listed.columns.bins[node.feature as usize],
                        ClassBins::Listed(_)
                    )
            });
            n_lists += lists.count();
            for row in (0..ROWS).step_by(7) {
                let leaf = listed.columns.leaf(&a.tree, &a.by_bins, row);
                assert_eq!(leaf, dense.columns.leaf(&b.tree, &b.by_bins, row));
            }
        }
        assert!(n_lists > 20, "{n_lists}");
    }
}
