//! Random trees for tests.

use ndarray::Array2;

use crate::explain::plain::{PlainNode, PlainTree, PlainTrees};
use crate::numeric::seed::{Stream, below, stream, uniform};

/// What a tree may look like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) n_features: usize,
    pub(super) n_leaves: usize,
    /// Numbers are whole, from 0 to below it; a feature with an odd position is one of levels.
    pub(super) n_values: usize,
    /// Covers of leaves are whole, from 0 on.
    pub(super) max_cover: usize,
    pub(super) n_outputs: usize,
    /// Whether the leaf that came last is always cut: a chain.
    pub(super) chain: bool,
}

/// A tree with whole leaf values from -9 to 9.
pub(super) fn tree(shape: Shape, stream: &mut Stream) -> PlainTree {
    let blank = PlainNode::leaf(Vec::new(), 0.0);
    let mut nodes = vec![blank.clone()];
    let mut leaves = vec![0];
    while leaves.len() < shape.n_leaves {
        let chosen = match shape.chain {
            true => leaves.len() - 1,
            false => below(stream, leaves.len()),
        };
        let at = leaves.swap_remove(chosen);
        let children = [nodes.len(), nodes.len() + 1];
        let feature = below(stream, shape.n_features);
        let missing_left = below(stream, 2) == 0;
        nodes[at] = if feature % 2 == 1 {
            let codes = (0..shape.n_values.min(256)).filter(|_| below(stream, 2) == 0);
            let codes = codes.map(|code| code as u8).collect();
            PlainNode::levels(feature, codes, missing_left, children, 0.0)
        } else {
            let threshold = below(stream, shape.n_values) as f64 - 0.5;
            PlainNode::number(feature, threshold, missing_left, children, 0.0)
        };
        nodes.extend([blank.clone(), blank.clone()]);
        leaves.extend(children);
    }
    let mut covers = vec![0.0; nodes.len()];
    for at in (0..nodes.len()).rev() {
        covers[at] = match &mut nodes[at] {
            PlainNode::Leaf { values, cover } => {
                *values = (0..shape.n_outputs)
                    .map(|_| below(stream, 19) as f64 - 9.0)
                    .collect();
                *cover = below(stream, shape.max_cover + 1) as f64;
                *cover
            }
            PlainNode::Number {
                children, cover, ..
            }
            | PlainNode::Levels {
                children, cover, ..
            } => {
                *cover = covers[children[0]] + covers[children[1]];
                *cover
            }
        };
    }
    PlainTree::new(nodes)
}

/// A model of such trees.
pub(super) fn model(shape: Shape, n_trees: usize, seed: u64) -> PlainTrees {
    let trees = (0..n_trees).map(|i| tree(shape, &mut stream(seed, i as u64)));
    let base = (0..shape.n_outputs).map(|output| output as f64 + 0.25);
    PlainTrees::new(
        (0..shape.n_features).map(|i| format!("x{i}")),
        (0..shape.n_outputs).map(|i| format!("y{i}")),
        base.collect(),
        trees.collect(),
    )
    .unwrap()
}

/// Rows of whole numbers, a tenth of them missing.
pub(super) fn rows(shape: Shape, n: usize, seed: u64) -> Array2<f64> {
    let mut stream = stream(seed, u64::MAX);
    Array2::from_shape_simple_fn((n, shape.n_features), || {
        let value = below(&mut stream, shape.n_values) as f64;
        if uniform(&mut stream) < 0.1 {
            f64::NAN
        } else {
            value
        }
    })
}
