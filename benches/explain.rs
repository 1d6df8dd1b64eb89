//! Attributions of 10,000 rows under 100 trees of 31 leaves over 50 features.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use galen::explain::{PlainNode, PlainTree, PlainTrees, interventional_shap, tree_shap};
use ndarray::{Array2, Axis};

const ROWS: usize = 10_000;
const FEATURES: usize = 50;
const TREES: usize = 100;
const LEAVES: usize = 31;

/// A fixed recurrence (xorshift64) for uniform numbers.
struct Draws(u64);

impl Draws {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        (self.uniform() * n as f64) as usize
    }
}

/// A tree grown leaf by leaf on uniform features: a large leaf is cut sooner, somewhere in the middle
/// of the range that a feature still has there.
fn tree(draws: &mut Draws) -> PlainTree {
    struct Open {
        at: usize,
        cover: f64,
        low: [f64; FEATURES],
        high: [f64; FEATURES],
    }
    let blank = || PlainNode::leaf(vec![0.0], 0.0);
    let mut nodes = vec![blank()];
    let mut open = vec![Open {
        at: 0,
        cover: 1e6,
        low: [0.0; FEATURES],
        high: [1.0; FEATURES],
    }];
    while open.len() < LEAVES {
        let weights: Vec<f64> = open
            .iter()
            .map(|leaf| leaf.cover * draws.uniform())
            .collect();
        let largest = (0..open.len()).max_by(|a, b| weights[*a].total_cmp(&weights[*b]));
        let leaf = open.swap_remove(largest.unwrap_or(0));
        let feature = draws.below(FEATURES);
        let (low, high) = (leaf.low[feature], leaf.high[feature]);
        let share = 0.1 + 0.8 * draws.uniform();
        let threshold = low + share * (high - low);
        let children = [nodes.len(), nodes.len() + 1];
        nodes[leaf.at] = PlainNode::number(feature, threshold, true, children, leaf.cover);
        nodes.extend([blank(), blank()]);
        for (at, share) in children.into_iter().zip([share, 1.0 - share]) {
            let (mut low, mut high) = (leaf.low, leaf.high);
            if at == children[0] {
                high[feature] = threshold;
            } else {
                low[feature] = threshold;
            }
            let cover = share * leaf.cover;
            open.push(Open {
                at,
                cover,
                low,
                high,
            });
        }
    }
    for leaf in open {
        nodes[leaf.at] = PlainNode::leaf(vec![0.2 * draws.uniform() - 0.1], leaf.cover);
    }
    PlainTree::new(nodes)
}

fn shapley(criterion: &mut Criterion) {
    let mut draws = Draws(0x9e37_79b9_7f4a_7c15);
    let trees = (0..TREES).map(|_| tree(&mut draws)).collect();
    let names = (0..FEATURES).map(|i| format!("x{i}"));
    let model = PlainTrees::new(names, ["log-odds"], vec![0.0], trees).expect("sound trees");
    let rows = Array2::from_shape_simple_fn((ROWS, FEATURES), || draws.uniform());
    let background = rows.select(Axis(0), &Vec::from_iter(0..100));
    let mut group = criterion.benchmark_group("shapley_1e4_rows");
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().expect("a pool");
        group.bench_function(format!("tree_shap_{threads}"), |bench| {
            bench.iter(|| pool.install(|| tree_shap(&model, black_box(&rows))));
        });
        group.bench_function(format!("interventional_100_{threads}"), |bench| {
            bench.iter(|| pool.install(|| interventional_shap(&model, &rows, &background)));
        });
    }
    group.bench_function("tree_shap_one_row", |bench| {
        let row = rows.select(Axis(0), &[0]);
        bench.iter(|| tree_shap(&model, black_box(&row)));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4));
    targets = shapley
}
criterion_main!(benches);
