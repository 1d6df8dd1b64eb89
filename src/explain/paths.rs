//! Ways from the root to the leaves, and which of their conditions rows meet.

use crate::kernel::tree::flat::{NO_SET, Node, Tree};

/// One question on a way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    /// Which of the way's features is asked.
    pub(super) at: u32,
    pub(super) node: u32,
    pub(super) left: bool,
}

/// The way to a leaf. Questions to one feature are one condition: all of them are met, or it is not.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Way {
    pub(super) leaf: usize,
    /// Columns of the features on the way, each once.
    pub(super) columns: Vec<u32>,
    /// For each of them, the share of training rows that its questions let pass.
    pub(super) shares: Vec<f64>,
    /// All questions, those of one feature side by side.
    pub(super) steps: Vec<Step>,
}

/// Shares of training rows that go left and right at a node; halves where none came.
pub(super) fn shares(tree: &Tree, node: &Node) -> [f64; 2] {
    let covers = [node.left, node.right].map(|child| tree.nodes[child as usize].cover);
    let sum = covers[0] + covers[1];
    if sum > 0.0 {
        covers.map(|cover| cover / sum)
    } else {
        [0.5, 0.5]
    }
}

/// Calls `visit` with the way to every leaf, in the order of the nodes. `column_of` tells the column
/// of a feature.
pub(super) fn for_ways(tree: &Tree, column_of: &[u32], mut visit: impl FnMut(&Way)) {
    let mut parents = vec![0_u32; tree.nodes.len()];
    for (at, node) in tree.nodes.iter().enumerate() {
        if !node.is_leaf() {
            parents[node.left as usize] = at as u32;
            parents[node.right as usize] = at as u32;
        }
    }
    let mut way = Way::default();
    for (leaf, node) in tree.nodes.iter().enumerate() {
        if !node.is_leaf() {
            continue;
        }
        way.leaf = leaf;
        way.columns.clear();
        way.shares.clear();
        way.steps.clear();
        let mut at = leaf;
        while at != 0 {
            let above = parents[at] as usize;
            let node = &tree.nodes[above];
            let left = node.left as usize == at;
            let share = shares(tree, node)[usize::from(!left)];
            let column = column_of[node.feature as usize];
            let known = way.columns.iter().position(|other| *other == column);
            let position = known.unwrap_or(way.columns.len());
            if known.is_none() {
                way.columns.push(column);
                way.shares.push(1.0);
            }
            way.shares[position] *= share;
            way.steps.push(Step {
                at: position as u32,
                node: above as u32,
                left,
            });
            at = above;
        }
        way.steps.sort_by_key(|step| step.at);
        visit(&way);
    }
}

/// For every node and every row, whether the row would go left there: 1 or 0, node by node.
/// `columns` are column-major.
pub(super) fn answers(
    tree: &Tree,
    column_of: &[u32],
    columns: &[f64],
    n: usize,
    out: &mut Vec<u8>,
) {
    out.clear();
    out.resize(tree.nodes.len() * n, 0);
    for (node, out) in tree.nodes.iter().zip(out.chunks_mut(n.max(1))) {
        if node.is_leaf() {
            continue;
        }
        let first = column_of[node.feature as usize] as usize * n;
        let values = &columns[first..first + n];
        if node.set != NO_SET {
            for (slot, value) in out.iter_mut().zip(values) {
                *slot = u8::from(tree.goes_left(node, *value));
            }
        } else if node.missing_left {
            for (slot, value) in out.iter_mut().zip(values) {
                *slot = u8::from((*value <= node.threshold) | value.is_nan());
            }
        } else {
            for (slot, value) in out.iter_mut().zip(values) {
                *slot = u8::from(*value <= node.threshold);
            }
        }
    }
}

/// Which conditions of a way every row meets: bit `k % 8` of byte `k / 8 * n + row` is feature `k`.
pub(super) fn conditions(
    way: &Way,
    answers: &[u8],
    n: usize,
    met: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    out.clear();
    out.resize(way.columns.len().div_ceil(8) * n, 0);
    met.clear();
    met.resize(n, 0);
    for questions in way.steps.chunk_by(|a, b| a.at == b.at) {
        let at = questions[0].at as usize;
        let plane = &mut out[at / 8 * n..][..n];
        let bit = at % 8;
        if let [step] = questions {
            let flip = u8::from(!step.left);
            let answers = &answers[step.node as usize * n..][..n];
            for (slot, answer) in plane.iter_mut().zip(answers) {
                *slot |= (answer ^ flip) << bit;
            }
            continue;
        }
        met.fill(1);
        for step in questions {
            let flip = u8::from(!step.left);
            let answers = &answers[step.node as usize * n..][..n];
            for (slot, answer) in met.iter_mut().zip(answers) {
                *slot &= answer ^ flip;
            }
        }
        for (slot, met) in plane.iter_mut().zip(met.iter()) {
            *slot |= met << bit;
        }
    }
}

/// The conditions that one row meets, as bits.
pub(super) fn pattern(planes: &[u8], n: usize, row: usize, words: &mut [u64]) {
    words.fill(0);
    for (place, plane) in planes.chunks(n.max(1)).enumerate() {
        words[place / 8] |= u64::from(plane[row]) << (place % 8 * 8);
    }
}

/// Words that the bits of `n_features` conditions fill.
pub(super) fn n_words(n_features: usize) -> usize {
    n_features.div_ceil(64).max(1)
}

/// Whether condition `k` is met.
#[inline(always)]
pub(super) fn holds(words: &[u64], k: usize) -> bool {
    words[k / 64] >> (k % 64) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_to_one_feature_are_one_condition() {
        // x0 <= 2 ? (x1 <= 0 ? a : (x0 <= 1 ? b : c)) : d
        let cut = |feature, threshold, left, right, missing_left, cover| Node {
            feature,
            threshold,
            left,
            right,
            missing_left,
            ..Node::leaf(cover, 0)
        };
        let tree = Tree {
            nodes: vec![
                cut(0, 2.0, 1, 2, true, 8.0),
                cut(1, 0.0, 3, 4, false, 6.0),
                Node::leaf(2.0, 0),
                Node::leaf(2.0, 0),
                cut(0, 1.0, 5, 6, false, 4.0),
                Node::leaf(1.0, 0),
                Node::leaf(3.0, 0),
            ],
            sets: Vec::new(),
            n_outputs: 1,
            values: vec![0.0; 7],
        };
        let mut ways = Vec::new();
        for_ways(&tree, &[0, 1], |way| ways.push(way.clone()));
        let leaves: Vec<usize> = ways.iter().map(|way| way.leaf).collect();
        assert_eq!(leaves, [2, 3, 5, 6]);
        let way = &ways[2];
        assert_eq!(way.columns, [0, 1]);
        assert!((way.shares[0] - 0.75 * 0.25).abs() < 1e-15);
        assert!((way.shares[1] - 4.0 / 6.0).abs() < 1e-15);

        // Rows (1, 1), (1.5, 1), (NaN, 1), (1, NaN), column by column.
        let nan = f64::NAN;
        let columns = [1.0, 1.5, nan, 1.0, 1.0, 1.0, 1.0, nan];
        let (mut asked, mut met, mut planes) = (Vec::new(), Vec::new(), Vec::new());
        answers(&tree, &[0, 1], &columns, 4, &mut asked);
        conditions(way, &asked, 4, &mut met, &mut planes);
        assert_eq!(planes, [0b11, 0b10, 0b10, 0b11]);
        conditions(&ways[3], &asked, 4, &mut met, &mut planes);
        assert_eq!(planes, [0b10, 0b11, 0b11, 0b10]);
    }

    #[test]
    fn nodes_without_training_rows_are_halved() {
        let mut tree = Tree {
            nodes: vec![Node::leaf(0.0, 0); 3],
            sets: Vec::new(),
            n_outputs: 1,
            values: vec![0.0; 3],
        };
        tree.nodes[0] = Node {
            feature: 0,
            left: 1,
            right: 2,
            ..Node::leaf(0.0, 0)
        };
        assert_eq!(shares(&tree, &tree.nodes[0]), [0.5, 0.5]);
        tree.nodes[2].cover = 3.0;
        assert_eq!(shares(&tree, &tree.nodes[0]), [0.0, 1.0]);
    }

    #[test]
    fn bits_of_long_ways_fill_words() {
        let planes: Vec<u8> = (0..9).map(|plane| 1 << (plane % 8)).collect();
        let mut words = [0; 2];
        pattern(&planes, 1, 0, &mut words);
        assert_eq!(n_words(72), 2);
        assert!(holds(&words, 0) && holds(&words, 9) && holds(&words, 64));
        assert_eq!(words.iter().map(|word| word.count_ones()).sum::<u32>(), 9);
    }
}
