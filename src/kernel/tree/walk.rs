//! Many trees laid out for walking: 16 bytes a node and its values, both children side by side.
//!
//! ```text
//!   nodes of a tree:  root | left right | left right | ...      next = child + (goes right)
//! ```
//!
//! Small trees are turned into masks where many rows come ([`crate::kernel::tree::masks`]); the others
//! are walked. A leaf is its own child, so that eight rows go down together until none of them moves: no branch
//! depends on a value. Rows come in blocks; a tree stays in the cache while a block passes.

use crate::kernel::tree::flat::{LevelSet, NO_SET, Tree, holds};
use crate::kernel::tree::masks::Masks;

/// Rows that go down a tree together.
const LANES: usize = 8;

/// Rows of a block: their values and a tree fit the first cache.
const BLOCK: usize = 128;

/// Rows from which masks are worth making.
const MANY: usize = 16_384;

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

/// What a node asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) feature: u32,
    /// A threshold, or with `levels` the position of a set.
    pub(crate) cut: f64,
    pub(crate) levels: bool,
    pub(crate) missing_left: bool,
    /// The left child; the right one follows it.
    pub(crate) child: usize,
}

/// One tree.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Walk {
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

    /// Inner nodes and what they ask, from the root down.
    pub(crate) fn asks(&self) -> impl Iterator<Item = (usize, Ask)> + '_ {
        let inner = |(at, step): &(usize, &Step)| step.child as usize != *at;
        let steps = self.steps.iter().enumerate().filter(inner);
        steps.map(|(at, step)| {
            let ask = Ask {
                feature: step.ask & FEATURE,
                cut: step.cut,
                levels: step.ask & LEVELS != 0,
                missing_left: step.ask & MISSING_LEFT != 0,
                child: step.child as usize,
            };
            (at, ask)
        })
    }

    pub(crate) fn sets(&self) -> &[LevelSet] {
        &self.sets
    }

    pub(crate) fn n_leaves(&self) -> usize {
        self.steps.len().div_ceil(2)
    }

    /// The leaves below every node, numbered from left to right.
    pub(crate) fn leaf_ranges(&self) -> Vec<(u32, u32)> {
        let mut counts = vec![1_u32; self.steps.len()];
        let mut inner: Vec<(usize, usize)> = self.asks().map(|(at, ask)| (at, ask.child)).collect();
        for (at, child) in inner.iter().rev() {
            counts[*at] = counts[*child] + counts[child + 1];
        }
        let mut ranges = vec![(0, counts[0]); self.steps.len()];
        for (at, child) in inner.drain(..) {
            let (start, end) = ranges[at];
            let middle = start + counts[child];
            ranges[child] = (start, middle);
            ranges[child + 1] = (middle, end);
        }
        ranges
    }

    /// Values of the leaves from left to right, of trees with one output.
    pub(crate) fn leaf_values(&self) -> Vec<f64> {
        let mut values = vec![0.0; self.n_leaves()];
        for (at, (start, _)) in self.leaf_ranges().into_iter().enumerate() {
            if self.steps[at].child as usize == at {
                values[start as usize] = self.values[at];
            }
        }
        values
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

/// How many rows are scored: by masks of the leaves, or by walking.
#[derive(Debug)]
pub(crate) struct Many<'a> {
    forest: &'a Forest,
    masks: Option<Masks>,
}

impl Many<'_> {
    /// Raw scores (rows x outputs) of row-major rows of `width` values, as [`Forest::staged`] ends.
    pub(crate) fn scores(&self, width: usize, rows: &[f64]) -> Vec<f64> {
        let Some(masks) = &self.masks else {
            return self.forest.staged(width, rows, |_, _, _| {});
        };
        let base = &self.forest.base;
        let mut all = base.repeat(rows.len() / width);
        masks.add(width, rows, base.len(), &mut all);
        all
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

    /// What scores `n_rows` rows: masks take the time of some thousand rows to make.
    pub(crate) fn many(&self, n_rows: usize) -> Many<'_> {
        let worth = n_rows >= MANY && self.outputs == 1;
        Many {
            forest: self,
            masks: if worth { Masks::new(&self.walks) } else { None },
        }
    }

    /// Raw scores (rows x outputs) of row-major rows of `width` values. `staged` sees the scores of a
    /// block of rows after every iteration: number of its first row, iteration, scores.
    pub(crate) fn staged(
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
    fn random(seed: u64, levels: bool, cuts: usize) -> Tree {
        let mut r = stream(seed, 0);
        let mut tree = Tree {
            nodes: vec![Node::leaf(1.0, 1)],
            sets: vec![],
            n_outputs: 1,
            values: vec![0.0],
        };
        for _ in 0..cuts {
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

    const ROWS: usize = 1_027;

    #[test]
    fn walks_end_where_trees_do() {
        let mut r = stream(9, 0);
        let rows: Vec<f64> = (0..ROWS * 4)
            .map(|at| match uniform(&mut r) {
                gap if gap < 0.1 => f64::NAN,
                _ if at % 4 == 3 => below(&mut r, 300) as f64,
                value => value,
            })
            .collect();
        for (levels, cuts) in [(false, 12), (true, 12), (false, 40), (true, 63), (true, 64)] {
            let trees: Vec<Tree> = (0..39).map(|seed| random(seed, levels, cuts)).collect();
            let base = [0.25, -1.0, 3.0];
            let forest = Forest::new(&base, &trees);
            let mut stages = 0;
            let found = forest.staged(4, &rows, |_, _, _| stages += 1);
            assert_eq!(
                stages,
                ROWS.div_ceil(BLOCK) * 13,
                "of every block and iteration"
            );
            let many = forest.many(MANY);
            assert_eq!(many.scores(4, &rows), found, "by masks");
            assert_eq!(many.masks.is_some(), cuts < 64);
            assert_eq!(
                forest.many(10).scores(4, &rows[..40]),
                found[..30],
                "few rows are walked"
            );
            let mut one = [0.0; 3];
            for (row, found) in rows.chunks(4).zip(found.chunks(3)) {
                let mut expected = base;
                for (at, tree) in trees.iter().enumerate() {
                    expected[at % 3] += tree.value(tree.leaf(row))[0];
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
        assert_eq!(forest.many(3).scores(2, &[1.0; 6]), [0.5; 3]);
        assert!(forest.many(MANY).scores(2, &[]).is_empty());
    }
}
