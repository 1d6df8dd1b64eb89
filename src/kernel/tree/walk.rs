//! Many trees laid out for walking: 16 bytes a node and its values, both children side by side.
//!
//! ```text
//!   nodes of a tree:  root | left right | left right | ...      next = child + (goes right)
//! ```
//!
//! A leaf is its own child, so that eight rows go down together until none of them moves: no branch
//! depends on a value. Rows come in blocks; a tree stays in the cache while a block passes.

use crate::kernel::tree::flat::{LevelSet, NO_SET, Tree, holds};

/// Rows that go down a tree together.
const LANES: usize = 8;

/// Rows of a block: their values and a tree fit the first cache.
const BLOCK: usize = 128;

const MISSING_LEFT: u32 = 1 << 31;
const LEVELS: u32 = 1 << 30;
const FEATURE: u32 = LEVELS - 1;

/// One node.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    /// Numbers up to it go left; where levels are asked for, the position of their set.
    cut: f64,
    /// The feature, with [`MISSING_LEFT`] and [`LEVELS`].
    ask: u32,
    /// The left child; the right one follows it.
    child: u32,
}

impl Step {
    /// Everything goes left, that is, stays.
    fn leaf(at: u32) -> Self {
        Self {
            cut: f64::INFINITY,
            ask: MISSING_LEFT,
            child: at,
        }
    }

    #[inline]
    fn next_by_number(&self, row: &[f64]) -> u32 {
        let value = row[(self.ask & FEATURE) as usize];
        let left = (value <= self.cut) | (value.is_nan() & (self.ask & MISSING_LEFT != 0));
        self.child + u32::from(!left)
    }

    #[inline]
    fn next(&self, sets: &[LevelSet], row: &[f64]) -> u32 {
        if self.ask & LEVELS == 0 {
            return self.next_by_number(row);
        }
        let value = row[(self.ask & FEATURE) as usize];
        let left = if value.is_nan() {
            self.ask & MISSING_LEFT != 0
        } else {
            holds(&sets[self.cut as usize], value as usize)
        };
        self.child + u32::from(!left)
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Walk {
    steps: Vec<Step>,
    /// Values of every leaf, as many as the walk has outputs; 0 elsewhere.
    values: Vec<f64>,
    sets: Vec<LevelSet>,
}

impl Walk {
    /// Of a tree that passes [`Tree::check`]: the outputs from `first` on, `width` of them.
    fn new(tree: &Tree, first: usize, width: usize) -> Self {
        let mut steps = vec![Step::leaf(0)];
        let mut values = vec![0.0; width];
        // Node of the tree at every step.
        let mut nodes = vec![0_usize];
        let mut at = 0;
        while at < nodes.len() {
            let node = &tree.nodes[nodes[at]];
            if node.is_leaf() {
                let of_leaf = &tree.value(nodes[at])[first..first + width];
                values[at * width..(at + 1) * width].copy_from_slice(of_leaf);
            } else {
                let child = steps.len() as u32;
                let missing = if node.missing_left { MISSING_LEFT } else { 0 };
                let (cut, levels) = match node.set {
                    NO_SET => (node.threshold, 0),
                    set => (f64::from(set), LEVELS),
                };
                steps[at] = Step {
                    cut,
                    ask: node.feature | missing | levels,
                    child,
                };
                for (offset, node) in [node.left, node.right].into_iter().enumerate() {
                    nodes.push(node as usize);
                    steps.push(Step::leaf(child + offset as u32));
                    values.extend(std::iter::repeat_n(0.0, width));
                }
            }
            at += 1;
        }
        Self {
            steps,
            values,
            sets: tree.sets.clone(),
        }
    }

    /// Adds the values of a leaf.
    #[inline(always)]
    fn add_leaf(&self, leaf: usize, outputs: usize, out: &mut [f64]) {
        if outputs == 1 {
            out[0] += self.values[leaf];
            return;
        }
        let values = &self.values[leaf * outputs..(leaf + 1) * outputs];
        for (slot, value) in out.iter_mut().zip(values) {
            *slot += value;
        }
    }

    #[inline]
    fn leaf(&self, row: &[f64]) -> usize {
        let mut at = 0;
        loop {
            let step = &self.steps[at];
            if step.child as usize == at {
                return at;
            }
            at = step.next(&self.sets, row) as usize;
        }
    }

    /// Adds the values of rows, `outputs` each, to `out` at every `stride`.
    fn add(&self, width: usize, rows: &[f64], outputs: usize, stride: usize, out: &mut [f64]) {
        let n_rows = rows.len() / width;
        let mut first = 0;
        if self.sets.is_empty() {
            while first + LANES <= n_rows {
                let part = &rows[first * width..(first + LANES) * width];
                let mut at = [0_u32; LANES];
                loop {
                    let mut moved = 0;
                    for (lane, at) in at.iter_mut().enumerate() {
                        let row = &part[lane * width..(lane + 1) * width];
                        let next = self.steps[*at as usize].next_by_number(row);
                        moved |= next ^ *at;
                        *at = next;
                    }
                    if moved == 0 {
                        break;
                    }
                }
                for (lane, at) in at.iter().enumerate() {
                    self.add_leaf(*at as usize, outputs, &mut out[(first + lane) * stride..]);
                }
                first += LANES;
            }
        }
        for row in first..n_rows {
            let leaf = self.leaf(&rows[row * width..(row + 1) * width]);
            self.add_leaf(leaf, outputs, &mut out[row * stride..]);
        }
    }
}

/// Trees by iteration, within it by output, as boosting makes them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Forest {
    walks: Vec<Walk>,
    base: Vec<f64>,
    /// Outputs of one walk.
    outputs: usize,
}

impl Forest {
    /// Of trees that pass [`Tree::check`], have one output each, and come in multiples of the
    /// outputs in `base`.
    pub(crate) fn new(base: &[f64], trees: &[Tree]) -> Self {
        Self {
            walks: trees.iter().map(|tree| Walk::new(tree, 0, 1)).collect(),
            base: base.to_vec(),
            outputs: 1,
        }
    }

    /// Sums of what trees say of one of their outputs, or of all `n_outputs`; the trees pass
    /// [`Tree::check`] and have as many.
    pub(crate) fn of_shares(trees: &[Tree], output: Option<usize>, n_outputs: usize) -> Self {
        let (first, outputs) = output.map_or((0, n_outputs), |output| (output, 1));
        let walk = |tree: &Tree| Walk::new(tree, first, outputs);
        Self {
            walks: trees.iter().map(walk).collect(),
            base: vec![0.0; outputs],
            outputs,
        }
    }

    /// Raw scores of one row into `out` (one an output), summed in the order of [`Self::scores`]. The
    /// row goes down several trees together.
    #[inline]
    pub(crate) fn score(&self, row: &[f64], out: &mut [f64]) {
        out.copy_from_slice(&self.base);
        let mut output = 0;
        for walks in self.walks.chunks(LANES) {
            let mut at = [0_u32; LANES];
            loop {
                let mut moved = 0;
                for (at, walk) in at.iter_mut().zip(walks) {
                    let next = walk.steps[*at as usize].next(&walk.sets, row);
                    moved |= next ^ *at;
                    *at = next;
                }
                if moved == 0 {
                    break;
                }
            }
            for (at, walk) in at.iter().zip(walks) {
                walk.add_leaf(*at as usize, self.outputs, &mut out[output..]);
                output += self.outputs;
                if output == out.len() {
                    output = 0;
                }
            }
        }
    }

    /// Raw scores (rows x outputs) of row-major rows of `width` values. `staged` sees the scores of a
    /// block of rows after every iteration: number of its first row, iteration, scores.
    pub(crate) fn scores(
        &self,
        width: usize,
        rows: &[f64],
        mut staged: impl FnMut(usize, usize, &[f64]),
    ) -> Vec<f64> {
        let outputs = self.base.len();
        let mut all = Vec::with_capacity(rows.len() / width * outputs);
        for block in rows.chunks(BLOCK * width) {
            let start = all.len();
            for _ in 0..block.len() / width {
                all.extend_from_slice(&self.base);
            }
            let together = (outputs / self.outputs).max(1);
            for (iteration, walks) in self.walks.chunks(together).enumerate() {
                for (at, walk) in walks.iter().enumerate() {
                    let out = &mut all[start + at * self.outputs..];
                    walk.add(width, block, self.outputs, outputs, out);
                }
                staged(start / outputs, iteration, &all[start..]);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tree::flat::Node;
    use crate::numeric::seed::{Stream, below, stream, uniform};

    /// A tree of random cuts on 3 numbers and a feature of 100 levels.
    fn random(seed: u64, levels: bool) -> Tree {
        let mut r = stream(seed, 0);
        let mut tree = Tree {
            nodes: vec![Node::leaf(1.0, 1)],
            sets: vec![],
            n_outputs: 1,
            values: vec![0.0],
        };
        for _ in 0..12 {
            let leaves: Vec<usize> = (0..tree.nodes.len())
                .filter(|at| tree.nodes[*at].is_leaf())
                .collect();
            let at = leaves[below(&mut r, leaves.len())];
            let (left, right) = (tree.nodes.len() as u32, tree.nodes.len() as u32 + 1);
            let by_levels = levels && uniform(&mut r) < 0.4;
            let set = if by_levels {
                let word = |r: &mut Stream| (uniform(r) * u64::MAX as f64) as u64;
                tree.sets.push([word(&mut r), word(&mut r), 0, 0]);
                tree.sets.len() as u32 - 1
            } else {
                NO_SET
            };
            tree.nodes[at] = Node {
                feature: if by_levels {
                    3
                } else {
                    below(&mut r, 3) as u32
                },
                threshold: uniform(&mut r),
                set,
                left,
                right,
                missing_left: uniform(&mut r) < 0.5,
                gain: 1.0,
                ..Node::leaf(1.0, 1)
            };
            for _ in 0..2 {
                tree.nodes.push(Node::leaf(1.0, 1));
                tree.values.push(uniform(&mut r));
            }
        }
        tree.check(4).unwrap();
        tree
    }

    #[test]
    fn walks_end_where_trees_do() {
        let mut r = stream(9, 0);
        let rows: Vec<f64> = (0..301 * 4)
            .map(|at| match uniform(&mut r) {
                gap if gap < 0.1 => f64::NAN,
                _ if at % 4 == 3 => below(&mut r, 130) as f64,
                value => value,
            })
            .collect();
        for levels in [false, true] {
            let trees: Vec<Tree> = (0..6).map(|seed| random(seed, levels)).collect();
            let base = [0.25, -1.0];
            let forest = Forest::new(&base, &trees);
            let mut stages = 0;
            let found = forest.scores(4, &rows, |_, _, _| stages += 1);
            assert_eq!(stages, 3 * 3, "three blocks, three iterations");
            let mut one = [0.0; 2];
            for (row, found) in rows.chunks(4).zip(found.chunks(2)) {
                let mut expected = base;
                for (at, tree) in trees.iter().enumerate() {
                    expected[at % 2] += tree.value(tree.leaf(row))[0];
                }
                assert_eq!(found, expected);
                forest.score(row, &mut one);
                assert_eq!(one, expected);
            }
        }
    }

    #[test]
    fn without_trees_the_base_is_the_score() {
        let forest = Forest::new(&[0.5], &[]);
        assert_eq!(forest.scores(2, &[1.0; 6], |_, _, _| {}), [0.5; 3]);
        assert!(forest.scores(2, &[], |_, _, _| {}).is_empty());
    }
}
