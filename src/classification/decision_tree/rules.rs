//! A tree as rules: one for every leaf, as data and as text.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::flatten::ANY;
use super::model::DecisionTree;
use crate::design::binned::Bins;
use crate::estimator::ClassLabel;
use crate::kernel::tree::flat::{LevelSet, NO_SET, Node, holds};

/// What is asked of a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Test {
    /// A number up to this one.
    AtMost(f64),
    /// A number above this one.
    Above(f64),
    /// A number above the first and up to the second.
    Between(f64, f64),
    /// One of these levels.
    In(Vec<String>),
    /// A level seen in training, and none of these.
    NotIn(Vec<String>),
    /// Any value that is there.
    Known,
    /// No value, or a level not seen in training.
    Missing,
}

/// A cut that stands in where a value is missing, as it reads on one side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StandInRule {
    /// The feature that is asked instead.
    pub feature: String,
    /// Its unit, where it has one.
    pub unit: Option<String>,
    /// What sends a row to this side.
    pub test: Test,
    /// Share of the training weight that it sends as the cut itself does.
    pub agreement: f64,
    /// The part it gets right of what the majority gets wrong, 0 to 1.
    pub adjusted_agreement: f64,
}

/// One condition of a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Condition {
    /// The feature that is asked.
    pub feature: String,
    /// Its unit, where it has one.
    pub unit: Option<String>,
    /// What its value must be.
    pub test: Test,
    /// Whether rows pass whose value is missing, or a level not seen in training; with stand-ins, where
    /// those are missing too.
    pub missing_passes: bool,
    /// What is asked instead where the value is missing, best first.
    pub stand_ins: Vec<StandInRule>,
}

/// The way to a leaf and what holds there; says nothing of a single patient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rule {
    /// Number of the leaf, as [`DecisionTree::apply`] gives it.
    pub node: usize,
    /// All of them hold; none at a root without cuts.
    pub conditions: Vec<Condition>,
    /// Share of every class, in the order of [`DecisionTree::classes`].
    pub probabilities: Vec<f64>,
    /// The class that `probability` and `lift` speak of: the event, else the most probable class.
    pub class: String,
    /// Its share among the rows of the leaf, by weight.
    pub probability: f64,
    /// That share over the share among all training rows.
    pub lift: f64,
    /// Training rows of the leaf.
    pub rows: u64,
    /// Their weight.
    pub weight: f64,
}

impl<L: ClassLabel> DecisionTree<L> {
    /// One rule for every leaf, in the order of [`Self::to_text`]; each row meets exactly one.
    ///
    /// Bounds on one number along a way are drawn together, unless stand-ins are asked for it.
    pub fn rules(&self) -> Vec<Rule> {
        let mut rules = Vec::new();
        let mut stack = vec![(0, Vec::new())];
        while let Some((at, conditions)) = stack.pop() {
            let node = &self.wire.tree.nodes[at];
            if node.is_leaf() {
                rules.push(self.rule(at, draw_together(conditions)));
                continue;
            }
            for (child, left) in [(node.right, false), (node.left, true)] {
                let mut way = conditions.clone();
                way.push(self.condition(at, left));
                stack.push((child as usize, way));
            }
        }
        rules
    }

    fn rule(&self, at: usize, conditions: Vec<Condition>) -> Rule {
        let tree = &self.wire.tree;
        let class = self.spoken(at);
        let (probability, everywhere) = (tree.value(at)[class], tree.value(0)[class]);
        Rule {
            node: at,
            conditions,
            probabilities: tree.value(at).to_vec(),
            class: self.wire.classes[class].text(),
            probability,
            lift: probability / everywhere,
            rows: tree.nodes[at].rows,
            weight: tree.nodes[at].cover,
        }
    }

    /// The class that a node speaks of: the event, else the most probable one.
    pub(super) fn spoken(&self, at: usize) -> usize {
        match self.wire.event {
            Some(event) => event as usize,
            None => self.largest(at),
        }
    }

    /// What is asked on one side of an inner node.
    pub(super) fn condition(&self, at: usize, left: bool) -> Condition {
        let node = &self.wire.tree.nodes[at];
        let (feature, unit) = self.named(node.feature);
        let stand_ins = self.wire.surrogates[at].iter().map(|other| {
            let (feature, unit) = self.named(other.feature);
            let inside = other.side_left == left;
            let test = match &other.set {
                Some(set) => self.levels(other.feature, set, inside),
                None => number(other.threshold, inside),
            };
            StandInRule {
                feature,
                unit,
                test,
                agreement: other.agreement,
                adjusted_agreement: other.adjusted,
            }
        });
        Condition {
            feature,
            unit,
            test: self.test(node, left),
            missing_passes: node.missing_left == left,
            stand_ins: stand_ins.collect(),
        }
    }

    fn named(&self, feature: u32) -> (String, Option<String>) {
        let feature = &self.wire.binner.schema.features()[feature as usize];
        (
            feature.name().to_string(),
            feature.unit_name().map(str::to_string),
        )
    }

    fn test(&self, node: &Node, left: bool) -> Test {
        if node.set == NO_SET {
            return match (node.threshold == ANY, left) {
                (true, true) => Test::Known,
                (true, false) => Test::Missing,
                (false, _) => number(node.threshold, left),
            };
        }
        let set = &self.wire.tree.sets[node.set as usize];
        self.levels(node.feature, set, left)
    }

    fn levels(&self, feature: u32, set: &LevelSet, inside: bool) -> Test {
        let bins = &self.wire.binner.bins[feature as usize];
        let names: Vec<String> = match bins {
            Bins::Levels { levels, pooled } => {
                let rest = pooled.then(|| "all rarer levels".to_string());
                levels.iter().cloned().chain(rest).collect()
            }
            Bins::Number(_) => Vec::new(),
        };
        let all = names.len();
        let mut listed: Vec<String> = names
            .into_iter()
            .enumerate()
            .filter(|(bin, _)| holds(set, *bin))
            .map(|(_, name)| name)
            .collect();
        if listed.len() == all {
            return if inside { Test::Known } else { Test::Missing };
        }
        listed.sort();
        if inside {
            Test::In(listed)
        } else {
            Test::NotIn(listed)
        }
    }
}

fn number(threshold: f64, low: bool) -> Test {
    if low {
        Test::AtMost(threshold)
    } else {
        Test::Above(threshold)
    }
}

/// Bounds on one number become one condition, at the place of the first.
fn draw_together(conditions: Vec<Condition>) -> Vec<Condition> {
    let mut list: Vec<Condition> = Vec::new();
    for next in conditions {
        let known = list.iter_mut().find(|known| {
            known.feature == next.feature && known.stand_ins.is_empty() && next.stand_ins.is_empty()
        });
        match known.and_then(|known| Some((bounds(&known.test)?, bounds(&next.test)?, known))) {
            Some((a, b, known)) => {
                known.test = match (a.0.max(b.0), a.1.min(b.1)) {
                    (f64::NEG_INFINITY, high) => Test::AtMost(high),
                    (low, f64::INFINITY) => Test::Above(low),
                    (low, high) => Test::Between(low, high),
                };
                known.missing_passes &= next.missing_passes;
            }
            None => list.push(next),
        }
    }
    list
}

fn bounds(test: &Test) -> Option<(f64, f64)> {
    match test {
        Test::AtMost(high) => Some((f64::NEG_INFINITY, *high)),
        Test::Above(low) => Some((*low, f64::INFINITY)),
        Test::Between(low, high) => Some((*low, *high)),
        _ => None,
    }
}

impl Condition {
    /// `age > 64.5 years`, with `or missing` where missing values pass.
    pub(super) fn words(&self) -> String {
        let mut text = words(&self.feature, self.unit.as_deref(), &self.test);
        if self.missing_passes && self.stand_ins.is_empty() && self.test != Test::Missing {
            text.push_str(" or missing");
        }
        text
    }
}

impl StandInRule {
    pub(super) fn words(&self) -> String {
        words(&self.feature, self.unit.as_deref(), &self.test)
    }
}

fn words(feature: &str, unit: Option<&str>, test: &Test) -> String {
    let unit = unit.map_or(String::new(), |unit| format!(" {unit}"));
    match test {
        Test::AtMost(high) => format!("{feature} <= {}{unit}", short(*high)),
        Test::Above(low) => format!("{feature} > {}{unit}", short(*low)),
        Test::Between(low, high) => {
            format!("{} < {feature} <= {}{unit}", short(*low), short(*high))
        }
        Test::In(levels) if levels.len() == 1 => format!("{feature} is {}", levels[0]),
        Test::NotIn(levels) if levels.len() == 1 => format!("{feature} is not {}", levels[0]),
        Test::In(levels) => format!("{feature} in {{{}}}", levels.join(", ")),
        Test::NotIn(levels) => format!("{feature} not in {{{}}}", levels.join(", ")),
        Test::Known => format!("{feature} is known"),
        Test::Missing => format!("{feature} is missing"),
    }
}

/// Six significant digits; the data of a rule hold all of them.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e9).contains(&size) {
        let text = format!("{value:.5e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{power}", trimmed(digits));
    }
    let whole = if size < 1.0 {
        0
    } else {
        size.log10().floor() as usize
    };
    let decimals = if size < 1.0 && size > 0.0 {
        5 + (-size.log10()).ceil() as usize
    } else {
        5_usize.saturating_sub(whole)
    };
    trimmed(&format!("{value:.decimals$}")).to_string()
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    }
}

/// `IF ... AND ... THEN event 31.0 % (412 rows, lift 2.80)`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conditions: Vec<String> = self.conditions.iter().map(Condition::words).collect();
        let when = if conditions.is_empty() {
            "always".to_string()
        } else {
            conditions.join(" AND ")
        };
        write!(
            f,
            "IF {when} THEN {} {:.1} % ({} rows, lift {:.2})",
            self.class,
            100.0 * self.probability,
            self.rows,
            self.lift
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (64.5, "64.5"),
            (0.0, "0"),
            (-2.25, "-2.25"),
            (1.0 / 3.0, "0.333333"),
            (123_456.78, "123457"),
            (0.001_234_567_8, "0.00123457"),
            (1e-7, "1e-7"),
            (1.5e12, "1.5e12"),
            (10.0, "10"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn bounds_of_one_number_are_one_condition() {
        let condition = |feature: &str, test: Test, missing_passes: bool| Condition {
            feature: feature.into(),
            unit: Some("years".into()),
            test,
            missing_passes,
            stand_ins: Vec::new(),
        };
        let list = draw_together(vec![
            condition("age", Test::Above(40.0), true),
            condition("ward", Test::In(vec!["a".into(), "b".into()]), false),
            condition("age", Test::AtMost(80.0), true),
            condition("age", Test::Above(60.0), false),
        ]);
        assert_eq!(list.len(), 2);
        assert_eq!(list[0].test, Test::Between(60.0, 80.0));
        assert!(!list[0].missing_passes);
        assert_eq!(list[0].words(), "60 < age <= 80 years");
        assert_eq!(list[1].words(), "ward in {a, b}");
    }
}
