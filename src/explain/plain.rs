//! Trees given as plain data: models of other programs, and of tests.

use std::ops::Range;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};
use crate::estimator::input::RowsAccess;
use crate::estimator::{Rows, RowsSource};
use crate::kernel::tree::flat::{LevelSet, NO_SET, Node, Tree};
use crate::kernel::tree::model::{Ensemble, Trees};
use crate::numeric::parallel::map_chunks;

/// One node of a [`PlainTree`]; children are numbers of nodes that stand behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PlainNode {
    /// Numbers up to a threshold go left.
    Number {
        /// Position of the feature.
        feature: usize,
        /// Largest number that goes left.
        threshold: f64,
        /// Whether missing values go left.
        missing_left: bool,
        /// Left child, right child.
        children: [usize; 2],
        /// Weight of the training rows that came here.
        cover: f64,
    },
    /// Some levels go left, all others right.
    Levels {
        /// Position of the feature.
        feature: usize,
        /// Codes (0 to 255) of the levels that go left.
        left: Vec<u8>,
        /// Whether missing values go left.
        missing_left: bool,
        /// Left child, right child.
        children: [usize; 2],
        /// Weight of the training rows that came here.
        cover: f64,
    },
    /// The end of a way.
    Leaf {
        /// One number for each output that the tree feeds.
        values: Vec<f64>,
        /// Weight of the training rows that came here.
        cover: f64,
    },
}

impl PlainNode {
    /// A cut of a number.
    pub fn number(
        feature: usize,
        threshold: f64,
        missing_left: bool,
        children: [usize; 2],
        cover: f64,
    ) -> Self {
        Self::Number {
            feature,
            threshold,
            missing_left,
            children,
            cover,
        }
    }

    /// A cut between levels.
    pub fn levels(
        feature: usize,
        left: Vec<u8>,
        missing_left: bool,
        children: [usize; 2],
        cover: f64,
    ) -> Self {
        Self::Levels {
            feature,
            left,
            missing_left,
            children,
            cover,
        }
    }

    /// A leaf.
    pub fn leaf(values: Vec<f64>, cover: f64) -> Self {
        Self::Leaf { values, cover }
    }
}

/// A tree as plain data, its root first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlainTree {
    /// The nodes.
    pub nodes: Vec<PlainNode>,
    /// Output that the first value of a leaf feeds; the others feed those behind it.
    pub output: usize,
}

impl PlainTree {
    /// A tree that feeds the outputs from the first one on.
    pub fn new(nodes: Vec<PlainNode>) -> Self {
        Self { nodes, output: 0 }
    }

    /// Feeding the outputs from this one on.
    #[must_use]
    pub fn output(mut self, output: usize) -> Self {
        self.output = output;
        self
    }

    fn flat(&self) -> Result<Tree> {
        let width = self.nodes.iter().find_map(|node| match node {
            PlainNode::Leaf { values, .. } => Some(values.len()),
            _ => None,
        });
        let width = width.filter(|width| *width > 0);
        let width = width.ok_or_else(|| refuse("has no leaf with a value"))?;
        let mut tree = Tree {
            n_outputs: small(width)?,
            ..Tree::default()
        };
        for node in &self.nodes {
            let mut inner = |feature: usize, missing_left, children: &[usize; 2], cover| {
                tree.values.extend(std::iter::repeat_n(0.0, width));
                Ok::<Node, crate::Error>(Node {
                    feature: small(feature)?,
                    missing_left,
                    left: small(children[0])?,
                    right: small(children[1])?,
                    ..Node::leaf(cover, 0)
                })
            };
            let node = match node {
                PlainNode::Number {
                    feature,
                    threshold,
                    missing_left,
                    children,
                    cover,
                } => Node {
                    threshold: *threshold,
                    ..inner(*feature, *missing_left, children, *cover)?
                },
                PlainNode::Levels {
                    feature,
                    left,
                    missing_left,
                    children,
                    cover,
                } => {
                    let node = inner(*feature, *missing_left, children, *cover)?;
                    let mut set: LevelSet = [0; 4];
                    for code in left {
                        set[usize::from(*code) / 64] |= 1 << (code % 64);
                    }
                    tree.sets.push(set);
                    let set = small(tree.sets.len() - 1)?;
                    Node { set, ..node }
                }
                PlainNode::Leaf { values, cover } => {
                    if values.len() != width {
                        return Err(refuse("has leaves with different numbers of values"));
                    }
                    tree.values.extend(values);
                    Node::leaf(*cover, 0)
                }
            };
            tree.nodes.push(node);
        }
        Ok(tree)
    }
}

fn refuse(what: &str) -> crate::Error {
    ErrorKind::Saved(format!("a tree {what}")).into()
}

fn small(number: usize) -> Result<u32> {
    u32::try_from(number)
        .ok()
        .filter(|number| *number != NO_SET)
        .ok_or_else(|| refuse("with a number that is too large"))
}

/// A model of trees given as plain data: the raw prediction of an output is its base value plus the
/// sum of the leaves that feed it.
///
/// Rows are arrays of numbers, rows x features: NaN is a missing value, a level stands as its code.
///
/// ```
/// use galen::explain::{PlainNode, PlainTree, PlainTrees};
/// use ndarray::array;
/// # fn main() -> galen::Result<()> {
/// let tree = PlainTree::new(vec![
///     PlainNode::levels(0, vec![0, 3], false, [1, 2], 10.0),
///     PlainNode::leaf(vec![0.5], 4.0),
///     PlainNode::leaf(vec![-0.5], 6.0),
/// ]);
/// let model = PlainTrees::new(["ward"], ["log-odds"], vec![0.1], vec![tree])?;
/// assert_eq!(model.raw(&array![[3.0], [f64::NAN]])?, array![[0.6], [-0.4]]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PlainTrees {
    features: Vec<String>,
    outputs: Vec<String>,
    base: Vec<f64>,
    trees: Vec<Tree>,
    feeds: Vec<u32>,
}

impl PlainTrees {
    /// The model of these features, outputs, base values (one an output) and trees.
    ///
    /// # Errors
    /// [`ErrorKind::LengthMismatch`] for another number of base values than outputs;
    /// [`ErrorKind::Saved`] for trees that are not sound, naming what does not hold.
    pub fn new<F: Into<String>, O: Into<String>>(
        features: impl IntoIterator<Item = F>,
        outputs: impl IntoIterator<Item = O>,
        base: Vec<f64>,
        trees: Vec<PlainTree>,
    ) -> Result<Self> {
        let features: Vec<String> = features.into_iter().map(Into::into).collect();
        let outputs: Vec<String> = outputs.into_iter().map(Into::into).collect();
        if base.len() != outputs.len() {
            return Err(ErrorKind::LengthMismatch {
                what: "base values of trees",
                expected: outputs.len(),
                found: base.len(),
            }
            .into());
        }
        if base.iter().any(|base| !base.is_finite()) {
            return Err(refuse("model with a base value that is not finite"));
        }
        let mut flat = Vec::with_capacity(trees.len());
        let mut feeds = Vec::with_capacity(trees.len());
        for tree in &trees {
            let found = tree.flat()?;
            found.check(features.len())?;
            let end = tree.output.checked_add(found.n_outputs as usize);
            if end.is_none_or(|end| end > outputs.len()) {
                return Err(refuse("that feeds outputs which the model does not have"));
            }
            feeds.push(small(tree.output)?);
            flat.push(found);
        }
        Ok(Self {
            features,
            outputs,
            base,
            trees: flat,
            feeds,
        })
    }

    /// Raw predictions, rows x outputs.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureCount`], [`ErrorKind::NonFinite`] for an infinity, [`ErrorKind::Schema`] for
    /// rows that are not an array.
    pub fn raw<R: Rows>(&self, rows: &R) -> Result<Array2<f64>> {
        let (width, n_outputs) = (self.features.len(), self.outputs.len());
        let chunks = self.for_values(rows.source(), |range, values| {
            let mut sums = Vec::with_capacity(range.len() * n_outputs);
            for row in 0..range.len() {
                let first = sums.len();
                sums.extend(&self.base);
                let row = &values[row * width..][..width];
                for (tree, feeds) in self.trees.iter().zip(&self.feeds) {
                    let values = tree.value(tree.leaf(row));
                    let sums: &mut [f64] = &mut sums[first + *feeds as usize..];
                    sums.iter_mut()
                        .zip(values)
                        .for_each(|(sum, value)| *sum += value);
                }
            }
            sums
        })?;
        let mut raw = Array2::zeros((rows.source().n_rows(), n_outputs));
        for (slot, value) in raw.iter_mut().zip(chunks.into_iter().flatten()) {
            *slot = value;
        }
        Ok(raw)
    }
}

impl Trees for PlainTrees {
    fn ensemble(&self) -> Ensemble<'_> {
        Ensemble {
            trees: &self.trees,
            feeds: self.feeds.clone(),
            scale: 1.0,
            base: self.base.clone(),
            outputs: self.outputs.clone(),
            features: self.features.clone(),
        }
    }

    fn for_values<T: Send>(
        &self,
        rows: RowsSource<'_>,
        take: impl Fn(Range<usize>, &[f64]) -> T + Sync + Send,
    ) -> Result<Vec<T>> {
        let RowsSource::Array(array) = rows else {
            let what = "trees given as plain data read arrays of numbers, not named columns";
            return Err(ErrorKind::Schema(what.to_string()).into());
        };
        let width = self.features.len();
        if array.ncols() != width {
            return Err(ErrorKind::FeatureCount {
                expected: width,
                found: array.ncols(),
            }
            .into());
        }
        let chunks = map_chunks(array.nrows(), |range| {
            let mut values: Vec<f64> = Vec::with_capacity(range.len() * width);
            for row in range.clone() {
                values.extend(array.row(row).iter());
            }
            if let Some(place) = values.iter().position(|value| value.is_infinite()) {
                return Err(ErrorKind::NonFinite {
                    what: "rows",
                    row: Some(range.start + place / width),
                    column: Some(self.features[place % width].clone()),
                    rule: "finite values or NaN",
                }
                .into());
            }
            Ok(take(range, &values))
        });
        chunks.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn cut(children: [usize; 2]) -> PlainNode {
        PlainNode::number(0, 1.0, false, children, 2.0)
    }

    fn leaf(value: f64) -> PlainNode {
        PlainNode::leaf(vec![value], 1.0)
    }

    fn model(tree: PlainTree) -> Result<PlainTrees> {
        PlainTrees::new(["a"], ["y"], vec![0.0], vec![tree])
    }

    #[test]
    fn unsound_trees_are_refused() {
        let sound = PlainTree::new(vec![cut([1, 2]), leaf(1.0), leaf(2.0)]);
        assert!(model(sound.clone()).is_ok());
        assert!(model(sound.clone().output(1)).is_err());
        assert!(model(sound.output(usize::MAX)).is_err());
        for nodes in [
            vec![],
            vec![cut([1, 2])],
            vec![cut([0, 1]), leaf(1.0)],
            vec![cut([1, 9]), leaf(1.0), leaf(1.0)],
            vec![cut([1, 1]), leaf(1.0), leaf(1.0)],
            vec![cut([1, 2]), leaf(f64::NAN), leaf(1.0)],
            vec![cut([1, usize::MAX]), leaf(1.0), leaf(1.0)],
            vec![cut([1, 2]), leaf(1.0), PlainNode::leaf(vec![1.0, 2.0], 1.0)],
            vec![PlainNode::leaf(vec![], 1.0)],
            vec![PlainNode::leaf(vec![1.0], -1.0)],
        ] {
            assert!(model(PlainTree::new(nodes.clone())).is_err(), "{nodes:?}");
        }
        assert!(PlainTrees::new(["a"], ["y"], vec![], vec![]).is_err());
        assert!(PlainTrees::new(["a"], ["y"], vec![f64::NAN], vec![]).is_err());
    }

    #[test]
    fn rows_are_checked() {
        let model = model(PlainTree::new(vec![cut([1, 2]), leaf(1.0), leaf(2.0)])).unwrap();
        assert_eq!(
            model.raw(&array![[1.0], [1.5]]).unwrap(),
            array![[1.0], [2.0]]
        );
        assert!(model.raw(&array![[1.0, 2.0]]).is_err());
        let error = model.raw(&array![[0.0], [f64::INFINITY]]).unwrap_err();
        let place = matches!(error.kind(), ErrorKind::NonFinite { row: Some(1), .. });
        assert!(place, "{error}");
    }
}
