//! A tree as indented text and in the language of Graphviz.

use std::fmt::Write as _;

use super::model::DecisionTree;
use crate::estimator::ClassLabel;

impl<L: ClassLabel> DecisionTree<L> {
    /// The tree as indented lines; under surrogates also what stands in where a value is missing.
    ///
    /// ```text
    /// all: event 12.0 % of 3000 rows
    ///   age <= 64.5 years or missing: event 7.1 % of 2000 rows
    ///   age > 64.5 years: event 21.8 % of 1000 rows
    /// ```
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut stack = vec![(0, 0, "all".to_string(), String::new())];
        while let Some((at, depth, label, instead)) = stack.pop() {
            let _ = writeln!(text, "{}{label}: {}", "  ".repeat(depth), self.line(at));
            if !instead.is_empty() {
                let _ = writeln!(text, "{}  [{instead}]", "  ".repeat(depth));
            }
            let node = &self.wire.tree.nodes[at];
            if node.is_leaf() {
                continue;
            }
            for (child, left) in [(node.right, false), (node.left, true)] {
                let condition = self.condition(at, left);
                let mut instead = String::new();
                if !condition.stand_ins.is_empty() {
                    let list: Vec<String> = condition
                        .stand_ins
                        .iter()
                        .map(|other| format!("{} ({:.2})", other.words(), other.adjusted_agreement))
                        .collect();
                    let last = if condition.missing_passes {
                        ", else here"
                    } else {
                        ", else not here"
                    };
                    instead = format!("where it is missing: {}{last}", list.join(", else "));
                }
                stack.push((child as usize, depth + 1, condition.words(), instead));
            }
        }
        text
    }

    /// `event 12.0 % of 3000 rows`.
    pub(super) fn line(&self, at: usize) -> String {
        let class = self.spoken(at);
        format!(
            "{} {:.1} % of {} rows",
            self.wire.classes[class].text(),
            100.0 * self.wire.tree.value(at)[class],
            self.wire.tree.nodes[at].rows
        )
    }

    /// The tree as a graph in the DOT language, for Graphviz; left to right.
    pub fn to_dot(&self) -> String {
        let mut text = String::from(
            "digraph tree {\n  rankdir=LR;\n  node [shape=box, fontname=\"Helvetica\"];\n  \
             edge [fontname=\"Helvetica\"];\n",
        );
        for (at, node) in self.wire.tree.nodes.iter().enumerate() {
            let _ = writeln!(text, "  n{at} [label=\"{}\"];", quoted(&self.line(at)));
            if node.is_leaf() {
                continue;
            }
            for (child, left) in [(node.left, true), (node.right, false)] {
                let label = quoted(&self.condition(at, left).words());
                let _ = writeln!(text, "  n{at} -> n{child} [label=\"{label}\"];");
            }
        }
        text.push_str("}\n");
        text
    }
}

/// Text inside double quotes of DOT: names are data and end no string.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_no_string() {
        assert_eq!(quoted("a\"]; b\\n\n"), "a\\\"]; b\\\\n ");
    }
}
