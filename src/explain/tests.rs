//! Attributions of trees against their definition, in whole numbers and fractions.

use std::ops::{Add, Mul};

use ndarray::{Array2, ArrayView1, Axis, array};

use super::random_trees::{Shape, model, rows};
use super::{Attributions, PlainNode, PlainTree, PlainTrees, interventional_shap, tree_shap};
use crate::kernel::tree::flat::Tree;
use crate::kernel::tree::model::Trees;

/// A reduced fraction; an overflow panics.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Fraction(i128, i128);

const NONE: Fraction = Fraction(0, 1);

fn divisor(a: i128, b: i128) -> i128 {
    if b == 0 { a.abs() } else { divisor(b, a % b) }
}

impl Fraction {
    fn new(above: i128, below: i128) -> Self {
        let by = divisor(above, below).max(1);
        Self(above / by, below / by)
    }

    /// A whole number, or a multiple of a quarter.
    fn of(value: f64) -> Self {
        assert_eq!(value * 4.0, (value * 4.0).round());
        Self::new((value * 4.0) as i128, 4)
    }

    fn value(self) -> f64 {
        self.0 as f64 / self.1 as f64
    }
}

impl Add for Fraction {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let by = divisor(self.1, other.1);
        let below = (self.1 / by).checked_mul(other.1).unwrap();
        let a = self.0.checked_mul(below / self.1).unwrap();
        let b = other.0.checked_mul(below / other.1).unwrap();
        Self::new(a.checked_add(b).unwrap(), below)
    }
}

impl Mul for Fraction {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let a = Self::new(self.0, other.1);
        let b = Self::new(other.0, self.1);
        Self(a.0.checked_mul(b.0).unwrap(), a.1.checked_mul(b.1).unwrap())
    }
}

/// Shapley values of a game among `n` players, by all their subsets.
fn shapley(n: usize, worth: impl Fn(usize) -> Fraction) -> Vec<Fraction> {
    let factorial = |k: u32| (1..=i128::from(k)).product::<i128>();
    let worths: Vec<Fraction> = (0..1 << n).map(worth).collect();
    (0..n)
        .map(|player| {
            (0..1_usize << n)
                .filter(|set| set >> player & 1 == 0)
                .map(|set| {
                    let size = set.count_ones();
                    let share = factorial(size) * factorial(n as u32 - 1 - size);
                    let share = Fraction::new(share, factorial(n as u32));
                    let minus = Fraction(-1, 1) * worths[set];
                    share * (worths[set | 1 << player] + minus)
                })
                .fold(NONE, Add::add)
        })
        .collect()
}

/// The prediction of a tree where only some features are known, others being averaged by cover.
fn by_cover(tree: &Tree, row: &[f64], known: usize, at: usize, output: usize) -> Fraction {
    let node = &tree.nodes[at];
    if node.is_leaf() {
        return Fraction::of(tree.value(at)[output]);
    }
    let (left, right) = (node.left as usize, node.right as usize);
    let below = |child: usize| by_cover(tree, row, known, child, output);
    if known >> node.feature & 1 == 1 {
        let child = match tree.goes_left(node, row[node.feature as usize]) {
            true => left,
            false => right,
        };
        return below(child);
    }
    let covers = [left, right].map(|child| tree.nodes[child].cover as i128);
    let [a, b] = if covers == [0, 0] { [1, 1] } else { covers };
    Fraction::new(a, a + b) * below(left) + Fraction::new(b, a + b) * below(right)
}

const SMALL: Shape = Shape {
    n_features: 5,
    n_leaves: 7,
    n_values: 4,
    max_cover: 3,
    n_outputs: 1,
    chain: false,
};

fn assert_close(found: f64, exact: Fraction, what: &dyn Fn() -> String) {
    let exact = exact.value();
    let close = (found - exact).abs() <= 1e-12 * exact.abs().max(1.0);
    assert!(close, "{}: {found} instead of {exact}", what());
}

#[test]
fn hundreds_of_small_trees_are_as_enumerated() {
    let mut n_zero = 0;
    for seed in 0..300 {
        let shape = Shape {
            n_leaves: 1 + seed as usize % 8,
            n_outputs: 1 + seed as usize % 3 / 2,
            ..SMALL
        };
        let model = model(shape, 1, seed);
        // Many rows share tables, few do not.
        let rows = rows(shape, if seed % 4 == 0 { 3 } else { 50 }, seed);
        let found = tree_shap(&model, &rows).unwrap();
        let rows = first(&rows, 3);
        let ensemble = model.ensemble();
        let tree = &ensemble.trees[0];
        n_zero += tree.nodes.iter().filter(|node| node.cover == 0.0).count();
        for output in 0..shape.n_outputs {
            let base = by_cover(tree, &[], 0, 0, output) + Fraction::of(ensemble.base[output]);
            assert_close(found.base()[output], base, &|| format!("base of {seed}"));
            for (at, row) in rows.rows().into_iter().enumerate() {
                let row = row.to_vec();
                let exact = shapley(5, |known| by_cover(tree, &row, known, 0, output));
                for (feature, exact) in exact.into_iter().enumerate() {
                    let value = found.values()[[at, feature, output]];
                    let what = || format!("seed {seed} row {at} feature {feature}");
                    assert_close(value, exact, &what);
                }
            }
        }
    }
    assert!(n_zero > 100, "nodes without training rows are among them");
}

#[test]
fn small_trees_are_as_enumerated_against_a_background() {
    for seed in 0..200 {
        let shape = Shape {
            n_leaves: 1 + seed as usize % 8,
            n_outputs: 1 + seed as usize % 3 / 2,
            ..SMALL
        };
        let model = model(shape, 2, seed);
        let rows = rows(shape, if seed % 4 == 0 { 2 } else { 50 }, seed);
        let background = super::random_trees::rows(shape, 4, seed + 1000);
        let found = interventional_shap(&model, &rows, &background).unwrap();
        let rows = first(&rows, 2);
        let trees = model.ensemble().trees;
        for output in 0..shape.n_outputs {
            let base = model.raw(&background).unwrap().column(output).sum() / 4.0;
            assert!((found.base()[output] - base).abs() < 1e-12);
            for (at, row) in rows.rows().into_iter().enumerate() {
                let worth = |known: usize| {
                    let mut sum = NONE;
                    for other in background.rows() {
                        let mixed: Vec<f64> = (0..5)
                            .map(|k| {
                                if known >> k & 1 == 1 {
                                    row[k]
                                } else {
                                    other[k]
                                }
                            })
                            .collect();
                        for tree in trees {
                            let value = tree.value(tree.leaf(&mixed))[output];
                            sum = sum + Fraction::of(value);
                        }
                    }
                    sum * Fraction(1, 4)
                };
                for (feature, exact) in shapley(5, worth).into_iter().enumerate() {
                    let value = found.values()[[at, feature, output]];
                    let what = || format!("seed {seed} row {at} feature {feature}");
                    assert_close(value, exact, &what);
                }
            }
        }
    }
}

/// Largest distance between base plus attributions and the raw prediction.
fn gap(model: &PlainTrees, found: &Attributions, rows: &Array2<f64>) -> f64 {
    let raw = model.raw(rows).unwrap();
    let gaps = (found.sum() - &raw) / raw.mapv(|raw| raw.abs().max(1.0));
    gaps.iter().fold(0.0, |most, gap| gap.abs().max(most))
}

const LARGE: Shape = Shape {
    n_features: 50,
    n_leaves: 31,
    n_values: 12,
    max_cover: 200,
    n_outputs: 1,
    chain: false,
};

#[test]
fn attributions_sum_to_predictions() {
    let large = model(LARGE, 100, 1);
    let many = rows(LARGE, 300, 2);
    let found = tree_shap(&large, &many).unwrap();
    assert!(gap(&large, &found, &many) < 1e-12);
    let found = interventional_shap(&large, &many, &rows(LARGE, 40, 3)).unwrap();
    assert!(gap(&large, &found, &many) < 1e-12);
}

fn first(rows: &Array2<f64>, n: usize) -> Array2<f64> {
    rows.select(Axis(0), &Vec::from_iter(0..n))
}

/// Ways of 9 to 16, 17 to 64 and more than 64 features take other roads through the tables.
#[test]
fn long_ways_sum_to_predictions() {
    for (n_leaves, n_features) in [(14, 13), (40, 30), (200, 150)] {
        let shape = Shape {
            n_features,
            n_leaves,
            chain: true,
            max_cover: 9,
            ..LARGE
        };
        let model = model(shape, 2, 4);
        let rows = rows(shape, 700, 5);
        let found = tree_shap(&model, &rows).unwrap();
        assert!(gap(&model, &found, &rows) < 1e-12, "{n_leaves}");
        let background = first(&rows, 30);
        let against = interventional_shap(&model, &rows, &background).unwrap();
        assert!(gap(&model, &against, &rows) < 1e-12, "{n_leaves}");
        // Without tables.
        let alone = first(&rows, 5);
        let few = tree_shap(&model, &alone).unwrap();
        assert_eq!(
            few.values(),
            found.values().slice_axis(Axis(0), (0..5).into())
        );
        let few = interventional_shap(&model, &alone, &background).unwrap();
        assert_eq!(
            few.values(),
            against.values().slice_axis(Axis(0), (0..5).into())
        );
    }
}

/// More than eight features on a way: two bytes of conditions, two chunks of points.
#[test]
fn longer_ways_are_as_enumerated() {
    let mut longest = 0;
    for seed in 0..6 {
        let shape = Shape {
            n_features: 12,
            n_leaves: 16,
            max_cover: 1,
            chain: true,
            ..SMALL
        };
        let model = model(shape, 1, seed);
        let rows = rows(shape, 40, seed);
        let found = tree_shap(&model, &rows).unwrap();
        let tree = &model.ensemble().trees[0];
        let identity: Vec<u32> = (0..12).collect();
        super::paths::for_ways(tree, &identity, |way| {
            longest = longest.max(way.columns.len())
        });
        let row = rows.row(0).to_vec();
        let exact = shapley(12, |known| by_cover(tree, &row, known, 0, 0));
        for (feature, exact) in exact.into_iter().enumerate() {
            let what = || format!("seed {seed} feature {feature}");
            assert_close(found.values()[[0, feature, 0]], exact, &what);
        }
    }
    assert!(longest > 8, "{longest}");
}

/// A product of `n` conditions, known in closed form: `n` interchangeable features.
#[test]
fn interchangeable_features_share_alike_at_any_length() {
    for n in [2, 8, 9, 16, 17, 40, 70] {
        let mut nodes = Vec::new();
        for k in 0..n {
            let cover = (n - k) as f64 + 1.0;
            let children = [2 * k + 1, 2 * k + 2];
            nodes.push(PlainNode::number(k, 0.5, false, children, cover));
            nodes.push(PlainNode::leaf(vec![0.0], 1.0));
        }
        nodes.push(PlainNode::leaf(vec![1.0], 1.0));
        // Node 2k is the k-th question, its left child a leaf of no value.
        let tree = PlainTree::new(nodes);
        let names = (0..n + 1).map(|k| format!("x{k}"));
        let model = PlainTrees::new(names, ["y"], vec![0.0], vec![tree]).unwrap();
        let row = Array2::ones((1, n + 1));
        let against = interventional_shap(&model, &row, &Array2::zeros((1, n + 1))).unwrap();
        for k in 0..n {
            let value = against.values()[[0, k, 0]];
            assert!((value * n as f64 - 1.0).abs() < 1e-12, "{n}: {value}");
        }
        assert_eq!(against.values()[[0, n, 0]], 0.0, "no tree asks it");
        // One row of the background meets all conditions but those of two features.
        let mut background = Array2::ones((1, n + 1));
        background[[0, 0]] = 0.0;
        background[[0, n - 1]] = 0.0;
        let against = interventional_shap(&model, &row, &background).unwrap();
        assert_eq!(against.values()[[0, 0, 0]], 0.5);
        assert_eq!(against.values()[[0, n - 1, 0]], 0.5);
        assert!((against.values().sum() - 1.0).abs() < 1e-12);
        let found = tree_shap(&model, &row).unwrap();
        assert!((found.sum()[[0, 0]] - 1.0).abs() < 1e-12);
        assert_eq!(found.values()[[0, n, 0]], 0.0);
    }
}

#[test]
fn equal_roles_get_equal_attributions_and_missing_rows_too() {
    // Twice the same tree with the features exchanged: each is used as the other.
    let tree = |a, b| {
        PlainTree::new(vec![
            PlainNode::number(a, 1.0, true, [1, 2], 10.0),
            PlainNode::number(b, 1.0, true, [3, 4], 6.0),
            PlainNode::leaf(vec![3.0], 4.0),
            PlainNode::leaf(vec![-1.0], 1.0),
            PlainNode::leaf(vec![2.0], 5.0),
        ])
    };
    let trees = vec![tree(0, 1), tree(1, 0)];
    let model = PlainTrees::new(["a", "b", "c"], ["y"], vec![0.0], trees).unwrap();
    let rows = array![[0.0, 0.0, 9.0], [2.0, 2.0, 9.0], [f64::NAN, 0.5, f64::NAN]];
    let found = tree_shap(&model, &rows).unwrap();
    for row in found.output(0).unwrap().rows() {
        assert!((row[0] - row[1]).abs() < 1e-15 && row[0].abs() > 0.1);
        assert_eq!(row[2], 0.0);
    }
    let row = |row| found.values().index_axis_move(Axis(0), row).to_owned();
    assert_eq!(row(0), row(2));
}

#[test]
fn a_row_has_the_same_bits_alone_and_at_any_number_of_threads() {
    let shape = Shape {
        n_outputs: 2,
        n_leaves: 40,
        ..LARGE
    };
    let model = model(shape, 6, 7);
    let rows = rows(shape, 4200, 8);
    let background = first(&rows, 20);
    let both = || {
        let a = tree_shap(&model, &rows).unwrap();
        (a, interventional_shap(&model, &rows, &background).unwrap())
    };
    let (by_cover, against) = both();
    let bits = |row: ArrayView1<'_, f64>| row.mapv(f64::to_bits);
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let found = pool.build().unwrap().install(both);
        for (found, first) in [(found.0, &by_cover), (found.1, &against)] {
            let pairs = found.output(1).unwrap().into_owned();
            let firsts = first.output(1).unwrap();
            for (a, b) in pairs.rows().into_iter().zip(firsts.rows()) {
                assert_eq!(bits(a), bits(b));
            }
        }
    }
    for row in [0, 1023, 1024, 4199] {
        let one = rows.row(row).insert_axis(Axis(0)).to_owned();
        let alone = tree_shap(&model, &one).unwrap();
        let first = by_cover.output(0).unwrap();
        assert_eq!(bits(alone.output(0).unwrap().row(0)), bits(first.row(row)));
    }
}

#[test]
fn trees_feed_the_outputs_they_name_and_edges_hold() {
    let stump = |value: f64, output| {
        PlainTree::new(vec![
            PlainNode::number(0, 0.0, false, [1, 2], 4.0),
            PlainNode::leaf(vec![-value], 1.0),
            PlainNode::leaf(vec![value], 3.0),
        ])
        .output(output)
    };
    let only = PlainTree::new(vec![PlainNode::leaf(vec![5.0], 0.0)]).output(1);
    let trees = vec![stump(1.0, 0), stump(2.0, 1), only];
    let model = PlainTrees::new(["a"], ["u", "v"], vec![0.0, 10.0], trees).unwrap();
    let found = tree_shap(&model, &array![[1.0]]).unwrap();
    assert_eq!(found.base(), [0.5, 16.0]);
    assert!(
        (found.sum() - array![[1.0, 17.0]])
            .iter()
            .all(|gap| gap.abs() < 1e-14)
    );
    let none = Array2::<f64>::zeros((0, 1));
    assert_eq!(tree_shap(&model, &none).unwrap().values().dim(), (0, 1, 2));
    assert!(interventional_shap(&model, &array![[1.0]], &none).is_err());
    assert!(tree_shap(&model, &array![[1.0, 2.0]]).is_err());
    assert!(tree_shap(&model, &array![[f64::INFINITY]]).is_err());
    let without = PlainTrees::new(["a"], ["y"], vec![1.5], vec![]).unwrap();
    let found = tree_shap(&without, &array![[1.0], [2.0]]).unwrap();
    assert_eq!(found.sum(), array![[1.5], [1.5]]);
}
