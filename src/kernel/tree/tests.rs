//! Grown trees against exhaustive search and against what must not matter.

use ndarray::Array2;

use std::collections::BTreeMap;

use crate::design::align::schema_of;
use crate::design::binned::{BinnedDesign, Binner, Bins};
use crate::design::bundle::Bundles;
use crate::estimator::{Control, RowsSource};
use crate::kernel::tree::boost::{Boosted, Labelled, Order, Settings, boost};
use crate::kernel::tree::decide::Growth;
use crate::kernel::tree::gradient::Objective;
use crate::kernel::tree::grow::Grower;
use crate::kernel::tree::quantise::{Quantised, Scale};
use crate::numeric::seed::{shuffle, stream, uniform};

/// Rows of numbers and flags with gaps, and classes that depend on the first four.
fn table(n: usize, n_features: usize, seed: u64) -> (Array2<f64>, Vec<u32>) {
    let mut random = stream(seed, 0);
    let mut rows = Array2::zeros((n, n_features));
    let mut classes = Vec::with_capacity(n);
    for mut row in rows.rows_mut() {
        for (feature, slot) in row.iter_mut().enumerate() {
            let u = uniform(&mut random);
            *slot = match feature % 3 {
                0 => (40.0 * u).floor() / 4.0,
                1 => f64::from(u8::from(u < 0.3)),
                _ => u,
            };
            if feature % 4 == 3 && uniform(&mut random) < 0.2 {
                *slot = f64::NAN;
            }
        }
        let score = row[0] - 5.0 + 3.0 * row[1] + if row[3].is_nan() { 2.0 } else { -row[3] / 5.0 };
        classes.push(u32::from(
            uniform(&mut random) < 1.0 / (1.0 + (-score).exp()),
        ));
    }
    (rows, classes)
}

fn binned(rows: &Array2<f64>) -> (Binner, BinnedDesign) {
    let source = RowsSource::Array(rows.view());
    let (schema, positional) = schema_of(source).unwrap();
    let binner = Binner::learn(schema, positional, source, None, 255).unwrap();
    let design = binner.apply(source).unwrap();
    (binner, design)
}

fn settings() -> Settings {
    Settings {
        n_trees: 10,
        learning_rate: 0.3,
        max_leaves: 8,
        max_depth: 6,
        min_leaf_rows: 5,
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

fn fit(rows: &Array2<f64>, classes: &[u32], weights: &[f64], settings: &Settings) -> Boosted {
    let (binner, design) = binned(rows);
    let train = Labelled {
        design: &design,
        classes,
        weights,
        draws: None,
    };
    let objective = match classes.iter().max() {
        Some(2..) => Objective::Classes(3),
        _ => Objective::Binary,
    };
    boost(
        &binner,
        objective,
        train,
        None,
        None,
        settings,
        &Control::silent(),
    )
    .unwrap()
}

/// The largest gain of any cut of all rows, by trying each: every bin, missing values on both sides.
fn exhaustive(
    design: &BinnedDesign,
    n_bins: &[usize],
    gradients: &[f64],
    curvatures: &[f64],
    growth: &Growth,
) -> f64 {
    let worth = |g: f64, h: f64| g * g / (h + growth.l2);
    let (g, h): (f64, f64) = (gradients.iter().sum(), curvatures.iter().sum());
    let mut best = 0.0_f64;
    for (feature, n_bins) in n_bins.iter().enumerate() {
        for last in 0..*n_bins {
            for missing_left in [false, true] {
                let (mut gl, mut hl, mut n_left) = (0.0, 0.0, 0);
                for row in 0..design.n_rows {
                    let bin = design.bin(feature, row);
                    let left = if bin == 255 {
                        missing_left
                    } else {
                        bin as usize <= last
                    };
                    if left {
                        gl += gradients[row];
                        hl += curvatures[row];
                        n_left += 1;
                    }
                }
                let rows = n_left.min(design.n_rows - n_left) as u64;
                if rows >= growth.min_leaf_rows {
                    best = best.max(worth(gl, hl) + worth(g - gl, h - hl) - worth(g, h));
                }
            }
        }
    }
    best
}

#[test]
fn the_first_cut_is_the_best_of_all() {
    for seed in 0..20 {
        let (rows, classes) = table(300, 9, seed);
        let (binner, design) = binned(&rows);
        let n_bins: Vec<usize> = binner.bins.iter().map(Bins::len).collect();
        let bundles = Bundles::new(&design, &n_bins);
        let mut random = stream(seed, 9);
        let growth = Growth {
            max_leaves: 2,
            max_depth: 9,
            min_leaf_rows: [1, 40, 140][seed as usize % 3],
            min_leaf_weight: 0.0,
            min_gain: 0.0,
            l1: 0.0,
            l2: 0.5,
            level_by_level: false,
            monotone: Vec::new(),
            interactions: Vec::new(),
        };
        let curvatures: Vec<f64> = (0..300).map(|_| 0.25 * uniform(&mut random)).collect();
        let gradients: Vec<f64> = classes
            .iter()
            .map(|class| 0.4 - f64::from(*class))
            .collect();
        let mut quantised = Quantised::default();
        quantised.set(Scale::new(1.0, 0.25, 300), &gradients, &curvatures);
        let mut grower = Grower::new(&binner, &bundles, &growth);
        let all: Vec<u32> = (0..300).collect();
        let grown = grower.grow(&quantised, None, all, &[true; 9], 1.0);
        let best = exhaustive(&design, &n_bins, &gradients, &curvatures, &growth);
        let root = grown.tree.nodes[0];
        assert!(
            (root.gain - best).abs() <= 1e-3 * best.max(1e-6),
            "seed {seed}: {} of {best}",
            root.gain
        );
        let mut leaves: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for (node, start, end) in &grown.segments {
            let part = &grown.rows[*start..*end];
            assert!(part.is_sorted(), "scores are added in this order");
            leaves.entry(*node).or_default().extend(part);
        }
        assert_eq!(leaves.len(), grown.tree.n_leaves());
        for (node, part) in &leaves {
            assert!(part.len() as u64 >= growth.min_leaf_rows);
            assert_eq!(grown.tree.nodes[*node].rows, part.len() as u64);
            let sum = |of: &[f64]| part.iter().map(|row| of[*row as usize]).sum::<f64>();
            let value = -sum(&gradients) / (sum(&curvatures) + growth.l2);
            assert!((grown.tree.values[*node] - value).abs() < 1e-10);
        }
    }
}

#[test]
fn the_order_of_rows_and_the_threads_change_no_bit() {
    let (rows, classes) = table(20_000, 12, 3);
    let weights: Vec<f64> = (0..20_000).map(|row| f64::from(row % 4) / 2.0).collect();
    let plain = fit(&rows, &classes, &weights, &settings());
    assert!(plain.train_loss[9] < plain.train_loss[0] && plain.trees.len() == 10);
    let mut order: Vec<usize> = (0..20_000).collect();
    shuffle(&mut order, &mut stream(5, 5));
    let turned = fit(
        &rows.select(ndarray::Axis(0), &order),
        &order.iter().map(|row| classes[*row]).collect::<Vec<_>>(),
        &order.iter().map(|row| weights[*row]).collect::<Vec<_>>(),
        &settings(),
    );
    assert_eq!((&turned.trees, &turned.base), (&plain.trees, &plain.base));
    for threads in [1, 3, 16] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let again = pool.install(|| fit(&rows, &classes, &weights, &settings()));
        assert_eq!(again, plain);
    }
}

#[test]
fn a_weight_of_zero_is_absence_and_of_two_is_twice() {
    let (rows, classes) = table(800, 6, 4);
    let weights: Vec<f64> = (0..800).map(|row| f64::from(row % 3)).collect();
    let weighted = fit(&rows, &classes, &weights, &settings());
    let order: Vec<usize> = (0..800)
        .flat_map(|row| std::iter::repeat_n(row, row % 3))
        .collect();
    let repeated = fit(
        &rows.select(ndarray::Axis(0), &order),
        &order.iter().map(|row| classes[*row]).collect::<Vec<_>>(),
        &vec![1.0; order.len()],
        &Settings {
            min_leaf_rows: 1,
            ..settings()
        },
    );
    let weighted_by_one = fit(
        &rows,
        &classes,
        &weights,
        &Settings {
            min_leaf_rows: 1,
            ..settings()
        },
    );
    assert_ne!(
        weighted.trees, repeated.trees,
        "rows are counted, not weights"
    );
    assert!((weighted_by_one.base[0] - repeated.base[0]).abs() < 1e-9);
    assert!((weighted_by_one.train_loss[9] - repeated.train_loss[9]).abs() < 2e-3);
    let kept: Vec<usize> = (0..800).filter(|row| row % 3 > 0).collect();
    let absent = fit(
        &rows.select(ndarray::Axis(0), &kept),
        &kept.iter().map(|row| classes[*row]).collect::<Vec<_>>(),
        &kept.iter().map(|row| weights[*row]).collect::<Vec<_>>(),
        &settings(),
    );
    let gap = |a: &Boosted, b: &Boosted| (a.train_loss[9] - b.train_loss[9]).abs();
    assert!(gap(&absent, &weighted) < 2e-3);
}

#[test]
fn going_on_is_the_same_as_one_run() {
    let drawn = || Settings {
        row_share: 0.7,
        feature_share: 0.5,
        ..settings()
    };
    let (rows, mut classes) = table(1_500, 8, 6);
    for kinds in [2, 3] {
        if kinds == 3 {
            for (row, class) in classes.iter_mut().enumerate() {
                *class = if rows[(row, 2)] > 0.7 { 2 } else { *class };
            }
        }
        let weights = vec![1.0; 1_500];
        let whole = fit(&rows, &classes, &weights, &drawn());
        let half = fit(
            &rows,
            &classes,
            &weights,
            &Settings {
                n_trees: 4,
                ..drawn()
            },
        );
        let (binner, design) = binned(&rows);
        let train = Labelled {
            design: &design,
            classes: &classes,
            weights: &weights,
            draws: None,
        };
        let objective = if kinds == 2 {
            Objective::Binary
        } else {
            Objective::Classes(3)
        };
        let rest = boost(
            &binner,
            objective,
            train,
            None,
            Some((&half.base, &half.trees)),
            &Settings {
                n_trees: 6,
                ..drawn()
            },
            &Control::silent(),
        )
        .unwrap();
        let joined: Vec<_> = half.trees.iter().chain(&rest.trees).cloned().collect();
        assert_eq!(joined, whole.trees);
        assert!(whole.trees.iter().all(|tree| tree.check(8).is_ok()));
    }
}

#[test]
fn directions_and_groups_are_kept() {
    let (rows, classes) = table(3_000, 6, 8);
    let weights = vec![1.0; 3_000];
    let kept = Settings {
        monotone: vec![1, 0, -1, 0, 0, 0],
        interactions: vec![vec![0, 1], vec![2, 3, 4]],
        max_leaves: 20,
        ..settings()
    };
    let boosted = fit(&rows, &classes, &weights, &kept);
    let score = |row: &[f64]| -> f64 {
        boosted
            .trees
            .iter()
            .map(|tree| tree.value(tree.leaf(row))[0])
            .sum()
    };
    let mut widest = [0.0_f64; 2];
    for start in rows.rows().into_iter().step_by(37) {
        for (place, (feature, direction)) in [(0, 1.0), (2, -1.0)].into_iter().enumerate() {
            let mut row = start.to_vec();
            let mut first = None;
            let mut before = f64::NEG_INFINITY;
            for step in 0..50 {
                row[feature] = if feature == 0 {
                    f64::from(step) / 5.0
                } else {
                    f64::from(step) / 50.0
                };
                let now = direction * score(&row);
                assert!(now >= before - 1e-12, "feature {feature}");
                before = now;
                let span = now - *first.get_or_insert(now);
                widest[place] = widest[place].max(span);
            }
        }
    }
    assert!(
        widest.iter().all(|span| *span > 0.1),
        "scores that never move keep any direction: {widest:?}"
    );
    for tree in &boosted.trees {
        let mut asked = vec![Vec::new(); tree.nodes.len()];
        for (at, node) in tree.nodes.iter().enumerate() {
            if node.is_leaf() {
                let way: &Vec<u32> = &asked[at];
                let within = |group: &[u32]| way.iter().all(|feature| group.contains(feature));
                assert!(
                    within(&[0, 1]) || within(&[2, 3, 4]) || within(&[5]),
                    "{way:?}"
                );
                continue;
            }
            let mut way = asked[at].clone();
            way.push(node.feature);
            asked[node.left as usize] = way.clone();
            asked[node.right as usize] = way;
        }
    }
}

#[test]
fn early_stopping_keeps_the_best() {
    let (rows, classes) = table(1_200, 6, 9);
    let (binner, design) = binned(&rows);
    let weight = |held: bool| -> Vec<f64> {
        (0..1_200)
            .map(|row| f64::from(u8::from((row % 3 == 0) == held)))
            .collect()
    };
    let (train, held) = (weight(false), weight(true));
    let labelled = |weights| Labelled {
        design: &design,
        classes: &classes,
        weights,
        draws: None,
    };
    let settings = Settings {
        n_trees: 200,
        patience: 5,
        learning_rate: 0.5,
        ..settings()
    };
    let control = Control::silent();
    let found = boost(
        &binner,
        Objective::Binary,
        labelled(&train),
        Some(labelled(&held)),
        None,
        &settings,
        &control,
    )
    .unwrap();
    let best = found.trees.len();
    assert!(found.stopped_early && found.validation_loss.len() == best + 5);
    let lowest = found
        .validation_loss
        .iter()
        .copied()
        .fold(f64::INFINITY, f64::min);
    assert_eq!(found.validation_loss[best - 1], lowest);
}
