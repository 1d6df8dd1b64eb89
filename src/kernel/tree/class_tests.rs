//! Trees for classes against a twin that tries every cut, and by hand.

use std::collections::BTreeMap;

use super::class_draw::{ClassGrower, ClassGrowth, ClassRows};
use super::class_histogram::{ClassBins, Columns, whole_weights};
use super::class_split::Impurity;
use super::flat::Tree;
use super::grow::Grown;
use crate::design::binned::{Binner, Bins, MISSING};
use crate::estimator::{Control, Schema};
use crate::matrix::Feature;
use crate::numeric::seed::{below, stream, uniform};

/// Bins of features: numbers, or levels where `levels` says so.
pub(super) struct Data {
    pub(super) binner: Binner,
    pub(super) columns: Columns,
    pub(super) classes: Vec<u32>,
    pub(super) weights: Vec<f64>,
    pub(super) n_classes: usize,
}

impl Data {
    pub(super) fn new(
        columns: Vec<Vec<u8>>,
        n_bins: &[usize],
        levels: &[bool],
        classes: Vec<u32>,
    ) -> Self {
        let kinds = levels.iter().enumerate();
        let features = kinds.map(|(at, levels)| match levels {
            true => Feature::category(format!("f{at}")),
            false => Feature::numeric(format!("f{at}")),
        });
        let bins = n_bins.iter().zip(levels).map(|(n, levels)| match levels {
            true => Bins::Levels {
                levels: (0..*n).map(|level| format!("level {level}")).collect(),
                pooled: false,
            },
            false => Bins::Number((0..n - 1).map(|edge| edge as f64).collect()),
        });
        let n = classes.len();
        Self {
            binner: Binner {
                schema: Schema::new(features.collect()).unwrap(),
                positional: false,
                bins: bins.collect(),
            },
            columns: Columns {
                n_rows: n,
                bins: columns.into_iter().map(ClassBins::from).collect(),
            },
            n_classes: *classes.iter().max().unwrap() as usize + 1,
            classes,
            weights: vec![1.0; n],
        }
    }

    /// Classes that depend on the features, with noise; gaps in one value of eight.
    pub(super) fn random(
        seed: u64,
        n: usize,
        n_bins: &[usize],
        levels: &[bool],
        n_classes: usize,
    ) -> Self {
        let mut r = stream(seed, 1);
        let mut columns = vec![vec![0_u8; n]; n_bins.len()];
        let mut classes = Vec::new();
        for row in 0..n {
            let mut score = 0;
            for (column, n_bins) in columns.iter_mut().zip(n_bins) {
                let bin = below(&mut r, *n_bins);
                score += bin * bin % (n_bins / 2 + 1);
                column[row] = if uniform(&mut r) < 0.125 {
                    MISSING
                } else {
                    bin as u8
                };
            }
            let noise = uniform(&mut r) < 0.3;
            let class = if noise { below(&mut r, 97) } else { score };
            classes.push((class % n_classes) as u32);
        }
        // Every class is there.
        for (class, slot) in classes.iter_mut().enumerate().take(n_classes) {
            *slot = class as u32;
        }
        Self::new(columns, n_bins, levels, classes)
    }

    pub(super) fn grow_with(&self, growth: &ClassGrowth, share: bool) -> Grown {
        let (weights, unit) = whole_weights(&self.weights);
        let all: Vec<u32> = (0..self.classes.len() as u32).collect();
        let features = self.columns.varying(&all);
        let rows = ClassRows {
            classes: &self.classes,
            weights: &weights,
            unit,
            n_classes: self.n_classes,
        };
        let mut grower = ClassGrower::new(&self.binner, &self.columns, growth, features, share);
        // Twice: what the first tree leaves behind must not matter.
        let first = grower.grow(rows, 5, &Control::silent()).unwrap();
        let second = grower.grow(rows, 5, &Control::silent()).unwrap();
        assert_eq!(first.tree, second.tree);
        second.tree.check(self.columns.bins.len()).unwrap();
        second
    }

    pub(super) fn grow(&self, growth: &ClassGrowth) -> Tree {
        self.grow_with(growth, false).tree
    }

    pub(super) fn select(&self, rows: &[usize]) -> Self {
        let pick = |bins: &ClassBins| -> ClassBins {
            let bins: Vec<u8> = rows.iter().map(|row| bins.bin(*row)).collect();
            bins.into()
        };
        Self {
            binner: self.binner.clone(),
            columns: Columns {
                n_rows: rows.len(),
                bins: self.columns.bins.iter().map(pick).collect(),
            },
            classes: rows.iter().map(|row| self.classes[*row]).collect(),
            weights: rows.iter().map(|row| self.weights[*row]).collect(),
            n_classes: self.n_classes,
        }
    }
}

pub(super) fn growth() -> ClassGrowth {
    ClassGrowth {
        impurity: Impurity::Gini,
        max_depth: 64,
        max_leaves: None,
        min_leaf_rows: 1,
        min_leaf_weight: 0.0,
        min_split_rows: 2,
        min_gain: 0.0,
        features_per_node: usize::MAX,
        random_cuts: false,
    }
}

/// A fraction of whole numbers.
fn less(a: (i128, i128), b: (i128, i128)) -> bool {
    a.0 * b.1 < b.0 * a.1
}

/// Impurity kept by two sides, negated: sum of squares by sides, as one fraction.
fn purity(data: &Data, left: &[usize], right: &[usize]) -> (i128, i128) {
    let part = |rows: &[usize]| {
        let mut of_class = vec![0_i128; data.n_classes];
        for row in rows {
            of_class[data.classes[*row] as usize] += data.weights[*row] as i128;
        }
        let squares: i128 = of_class.iter().map(|w| w * w).sum();
        (squares, of_class.iter().sum::<i128>())
    };
    let ((a, l), (b, r)) = (part(left), part(right));
    if r == 0 {
        return (a, l);
    }
    (a * r + b * l, l * r)
}

/// Cut of a node: feature, bins on the left, whether missing values are among them.
type NaiveCut = (usize, u8, bool);

/// Tries every cut of every number.
fn naive_cut(data: &Data, rows: &[usize], growth: &ClassGrowth) -> Option<(NaiveCut, f64)> {
    let node = purity(data, rows, &[]);
    let mut best = (node, None);
    for (feature, bins) in data.columns.bins.iter().enumerate() {
        let any_missing = rows.iter().any(|row| bins.bin(*row) == MISSING);
        let n_bins = data.binner.bins[feature].len() as u8;
        for missing_left in [false, true] {
            if missing_left && !any_missing {
                continue;
            }
            for bin in 0..n_bins {
                let goes = |row: usize| match bins.bin(row) {
                    MISSING => missing_left,
                    value => value <= bin,
                };
                let (left, right): (Vec<usize>, Vec<usize>) =
                    rows.iter().partition(|row| goes(**row));
                let weight =
                    |rows: &[usize]| -> f64 { rows.iter().map(|r| data.weights[*r]).sum() };
                let small = left.len().min(right.len()) as u64;
                if small < growth.min_leaf_rows.max(1)
                    || weight(&left).min(weight(&right)) < growth.min_leaf_weight
                {
                    continue;
                }
                let new = purity(data, &left, &right);
                if less(best.0, new) {
                    // All present values on one side are all bins on it.
                    let all = right.iter().all(|row| bins.bin(*row) == MISSING);
                    let bin = if all { n_bins - 1 } else { bin };
                    best = (new, Some((feature, bin, missing_left)));
                }
            }
        }
    }
    let real = |(top, bottom): (i128, i128)| top as f64 / bottom as f64;
    best.1.map(|cut| (cut, real(best.0) - real(node)))
}

/// Follows a tree and the twin together down from the root.
fn same_as_naive(data: &Data, tree: &Tree, growth: &ClassGrowth) {
    let mut open = vec![(0, 0, (0..data.classes.len()).collect::<Vec<_>>())];
    while let Some((at, depth, rows)) = open.pop() {
        let node = &tree.nodes[at];
        assert_eq!(node.rows, rows.len() as u64);
        let weight: f64 = rows.iter().map(|row| data.weights[*row]).sum();
        assert_eq!(node.cover, weight);
        for class in 0..data.n_classes {
            let of_class = rows
                .iter()
                .filter(|row| data.classes[**row] as usize == class);
            let part: f64 = of_class.map(|row| data.weights[*row]).sum();
            assert_eq!(tree.value(at)[class], part / weight);
        }
        let may = depth < growth.max_depth && rows.len() as u64 >= growth.min_split_rows;
        let cut = naive_cut(data, &rows, growth).filter(|_| may);
        let Some(((feature, bin, missing_left), gain)) = cut else {
            assert!(node.is_leaf());
            continue;
        };
        assert_eq!(node.feature as usize, feature);
        let expected = if usize::from(bin) + 1 == data.binner.bins[feature].len() {
            f64::MAX
        } else {
            f64::from(bin)
        };
        assert_eq!(node.threshold, expected);
        assert!((node.gain - gain).abs() < 1e-9 * weight);
        let bins = &data.columns.bins[feature];
        let any_missing = rows.iter().any(|row| bins.bin(*row) == MISSING);
        if any_missing {
            assert_eq!(node.missing_left, missing_left);
        }
        let goes = |row: usize| match bins.bin(row) {
            MISSING => missing_left,
            value => value <= bin,
        };
        let (left, right): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| goes(**row));
        if !any_missing {
            let of = |side: u32| tree.nodes[side as usize].cover;
            assert_eq!(node.missing_left, of(node.left) >= of(node.right));
        }
        open.push((node.left as usize, depth + 1, left));
        open.push((node.right as usize, depth + 1, right));
    }
}

#[test]
fn trees_are_those_of_trying_every_cut() {
    for seed in 0..12 {
        let n_classes = 2 + seed as usize % 3;
        let mut data = Data::random(seed, 90, &[5, 2, 9, 30], &[false; 4], n_classes);
        if seed % 2 == 1 {
            let mut r = stream(seed, 2);
            for weight in &mut data.weights {
                *weight = 1.0 + below(&mut r, 4) as f64;
            }
        }
        for growth in [
            growth(),
            ClassGrowth {
                min_leaf_rows: 7,
                max_depth: 4,
                ..growth()
            },
            ClassGrowth {
                min_leaf_weight: 9.0,
                min_split_rows: 25,
                ..growth()
            },
        ] {
            same_as_naive(&data, &data.grow(&growth), &growth);
        }
    }
}

#[test]
fn many_rows_are_cut_as_few_are() {
    // More rows than bins: counted densely; sides of few rows are looked for again.
    let data = Data::random(77, 900, &[40, 3], &[false; 2], 2);
    for least in [1, 30, 120] {
        let growth = ClassGrowth {
            min_leaf_rows: least,
            max_depth: 3,
            ..growth()
        };
        same_as_naive(&data, &data.grow(&growth), &growth);
    }
}

/// Gain of the best of all ways to part the levels, missing values being one more.
fn best_subset(data: &Data) -> f64 {
    let bins = &data.columns.bins[0];
    let rows: Vec<usize> = (0..data.classes.len()).collect();
    let node = purity(data, &rows, &[]);
    let n = data.binner.bins[0].len();
    let mut best = node;
    for set in 1_u32..1 << (n + 1) {
        let (left, right): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| {
            let level = match bins.bin(**row) {
                MISSING => n,
                level => level as usize,
            };
            set >> level & 1 == 1
        });
        if !left.is_empty() && !right.is_empty() {
            let new = purity(data, &left, &right);
            if less(best, new) {
                best = new;
            }
        }
    }
    best.0 as f64 / best.1 as f64 - node.0 as f64 / node.1 as f64
}

#[test]
fn levels_of_two_classes_are_parted_best() {
    for seed in 0..30 {
        let data = Data::random(seed, 60, &[7], &[true], 2);
        let stump = ClassGrowth {
            max_depth: 1,
            ..growth()
        };
        let gain = data.grow(&stump).nodes[0].gain;
        assert!((gain - best_subset(&data)).abs() < 1e-9, "{seed}");
    }
    let mut close = 0;
    for seed in 0..30 {
        let data = Data::random(seed, 60, &[7], &[true], 3);
        let stump = ClassGrowth {
            max_depth: 1,
            ..growth()
        };
        let gain = data.grow(&stump).nodes[0].gain;
        let best = best_subset(&data);
        assert!(gain <= best + 1e-9);
        close += usize::from(gain >= 0.85 * best);
    }
    assert!(close >= 27, "of more classes nearly so: {close} of 30");
}

#[test]
fn a_tree_by_hand() {
    // Eight patients; the number parts 3:1 from 1:3, then the level a from the rest.
    let number = vec![0, 0, 0, 0, 1, 1, 1, 1];
    let level = vec![0, 0, 0, 1, 0, 1, 1, 1];
    let classes = vec![0, 0, 0, 1, 0, 1, 1, 1];
    let data = Data::new(
        vec![number.clone(), level],
        &[2, 2],
        &[false, true],
        classes.clone(),
    );
    let tree = data.grow(&growth());
    // 8 * 0.5 before, nothing after the level.
    assert_eq!((tree.nodes.len(), tree.nodes[0].gain), (3, 4.0));
    assert_eq!((tree.nodes[0].feature, tree.sets[0]), (1, [1, 0, 0, 0]));
    assert_eq!(tree.values, [0.5, 0.5, 1.0, 0.0, 0.0, 1.0]);
    let data = Data::new(vec![number], &[2], &[false], classes);
    let tree = data.grow(&growth());
    // 8 * 0.5 before, 2 * 4 * (2 * 3/4 * 1/4) after.
    assert_eq!((tree.nodes.len(), tree.nodes[0].gain), (3, 1.0));
    assert_eq!(tree.values, [0.5, 0.5, 0.75, 0.25, 0.25, 0.75]);
    let entropy = ClassGrowth {
        impurity: Impurity::Entropy,
        ..growth()
    };
    let gain = data.grow(&entropy).nodes[0].gain;
    let h = |p: f64| -p * p.log2() - (1.0 - p) * (1.0 - p).log2();
    assert!((gain - 8.0 * (h(0.5) - h(0.75))).abs() < 1e-14);
}

#[test]
fn entropy_finds_the_largest_decrease() {
    for seed in 0..8 {
        let data = Data::random(seed, 200, &[12, 6], &[false; 2], 3);
        let stump = ClassGrowth {
            impurity: Impurity::Entropy,
            max_depth: 1,
            ..growth()
        };
        let h = |rows: &[usize]| -> f64 {
            let mut parts: BTreeMap<u32, f64> = BTreeMap::new();
            for row in rows {
                *parts.entry(data.classes[*row]).or_default() += 1.0;
            }
            let n = rows.len() as f64;
            parts.values().map(|part| -part * (part / n).log2()).sum()
        };
        let rows: Vec<usize> = (0..200).collect();
        let mut best = 0.0_f64;
        for bins in &data.columns.bins {
            for missing_left in [false, true] {
                for bin in 0..12 {
                    let goes = |row: usize| match bins.bin(row) {
                        MISSING => missing_left,
                        value => value <= bin,
                    };
                    let (left, right): (Vec<usize>, Vec<usize>) =
                        rows.iter().partition(|row| goes(**row));
                    best = best.max(h(&rows) - h(&left) - h(&right));
                }
            }
        }
        let gain = data.grow(&stump).nodes[0].gain;
        assert!((gain - best).abs() < 1e-10 * best, "{gain} {best}");
    }
}

#[test]
fn what_parts_nothing_is_never_cut() {
    // Both bins hold a third of events, at weights whose sums round as f64.
    for scale in [1.0, 0.1, 1e9 / 7.0] {
        let bins: Vec<u8> = (0..90).map(|row| (row / 3 % 2) as u8).collect();
        let classes: Vec<u32> = (0..90).map(|row| u32::from(row % 3 == 0)).collect();
        for impurity in [Impurity::Gini, Impurity::Entropy] {
            let mut data = Data::new(vec![bins.clone()], &[2], &[false], classes.clone());
            data.weights = vec![scale; 90];
            let tree = data.grow(&ClassGrowth {
                impurity,
                ..growth()
            });
            assert_eq!(tree.nodes.len(), 1, "{impurity:?} {scale}");
        }
    }
}

#[test]
fn equal_gains_go_to_the_first_feature_and_bin() {
    // The second feature is the first one upside down; bins 1 and 3 part as well as each other.
    let bins: Vec<u8> = (0..30).map(|row| (row % 5) as u8).collect();
    let mirrored = bins.iter().map(|bin| 4 - bin).collect();
    let classes = bins.iter().map(|bin| u32::from(*bin == 2)).collect();
    let data = Data::new(vec![bins, mirrored], &[5, 5], &[false; 2], classes);
    let tree = data.grow(&growth());
    assert_eq!((tree.nodes[0].feature, tree.nodes[0].threshold), (0, 1.0));
}

#[test]
fn leaves_are_cut_by_gain_up_to_their_limit() {
    let data = Data::random(3, 600, &[30, 20, 6], &[false, false, true], 2);
    let drawn = ClassGrowth {
        features_per_node: 2,
        min_leaf_rows: 5,
        ..growth()
    };
    let whole = data.grow(&drawn);
    let limited = |most| {
        data.grow(&ClassGrowth {
            max_leaves: Some(most),
            ..drawn.clone()
        })
    };
    // A limit that is not reached leaves the same cuts: draws do not depend on the order of visits.
    let free = limited(100_000);
    let gains = |tree: &Tree| {
        let mut all: Vec<(u32, u64, u64)> = tree
            .nodes
            .iter()
            .map(|node| (node.feature, node.rows, node.gain.to_bits()))
            .collect();
        all.sort_unstable();
        all
    };
    assert_eq!(gains(&whole), gains(&free));
    let few = limited(9);
    assert_eq!(few.n_leaves(), 9);
    let least = few
        .nodes
        .iter()
        .filter(|node| !node.is_leaf())
        .map(|node| node.gain)
        .fold(f64::INFINITY, f64::min);
    // Every cut of the whole tree that gains more than the least one made has a parent that does not.
    let made = few.nodes.iter().filter(|node| !node.is_leaf()).count();
    assert_eq!(made, 8);
    let mut parent_gain = vec![f64::INFINITY; free.nodes.len()];
    let mut reached = 0;
    for (at, node) in free.nodes.iter().enumerate() {
        let way = parent_gain[at].min(node.gain);
        reached += usize::from(!node.is_leaf() && way > least);
        if !node.is_leaf() {
            parent_gain[node.left as usize] = way;
            parent_gain[node.right as usize] = way;
        }
    }
    assert!(reached <= made, "{reached} cuts on ways of larger gains");
}
