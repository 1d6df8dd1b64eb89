//! A tree as a figure.

use super::model::DecisionTree;
use crate::estimator::ClassLabel;
use crate::estimator::figure::{Axis, Figure, Shape, TreeNode};

impl<L: ClassLabel> DecisionTree<L> {
    /// The tree as a picture: every node with its condition, its rows and the shares of the classes.
    /// The report draws it (`galen::report::svg`).
    pub fn figure(&self) -> Figure {
        let tree = &self.wire.tree;
        let mut nodes = vec![
            TreeNode {
                parent: None,
                label: "all rows".into(),
                detail: self.line(0),
                shares: tree.value(0).to_vec(),
            };
            tree.nodes.len()
        ];
        for (at, node) in tree.nodes.iter().enumerate() {
            if node.is_leaf() {
                continue;
            }
            for (child, left) in [(node.left, true), (node.right, false)] {
                let child = child as usize;
                nodes[child] = TreeNode {
                    parent: Some(at as u32),
                    label: self.condition(at, left).words(),
                    detail: self.line(child),
                    shares: tree.value(child).to_vec(),
                };
            }
        }
        let header = &self.wire.header;
        let caption = format!(
            "Read from the left: a row follows the condition that holds, down to a leaf. Bars show \
             the shares of the classes among the training rows of a node, by weight; {} rows in all.",
            header.n_rows
        );
        Figure::new("Decision tree", Axis::new(""), Axis::new(""))
            .caption(caption)
            .with(
                "",
                Shape::Tree {
                    classes: header.classes.clone(),
                    nodes,
                },
            )
    }
}
