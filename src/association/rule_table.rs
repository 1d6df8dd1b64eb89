//! The rules that a search found.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::association::saved::RawRules;
use crate::association::{Adjustment, Measure, PairCounts, Stratified};

/// One rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Items that a unit has (A), increasing.
    pub antecedent: Vec<u32>,
    /// Items that follow (B), increasing.
    pub consequent: Vec<u32>,
    /// Whether it is the lack of B that follows.
    pub absent: bool,
    /// Units by A and B among those that know all of these items; by A and "not B" for a rule of
    /// absence. Every measure comes from these: see [`Measure`].
    pub counts: PairCounts,
    /// p-value of B more often with A than without (more rarely for a rule of absence): Fisher's, or
    /// that within strata.
    pub p: f64,
    /// p-value adjusted for all tests of the search.
    pub adjusted_p: f64,
    /// Confidence less that of the best simpler rule, the one without condition among them; `None`
    /// where no unit has A.
    pub improvement: Option<f64>,
    /// What strata say, where the search had some.
    pub stratified: Option<Stratified>,
}

/// Rules, smallest p-value first; found by [`Rules::params`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawRules")]
pub struct Rules {
    pub(super) names: Vec<String>,
    pub(super) n_units: usize,
    pub(super) n_tests: u64,
    pub(super) adjustment: Adjustment,
    pub(super) alpha: f64,
    pub(super) rules: Vec<Rule>,
}

impl Rules {
    /// Number of rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Number of units, those without any item among them.
    pub fn n_units(&self) -> usize {
        self.n_units
    }

    /// Number of tests that p-values were adjusted for: all rules that could have been found.
    pub fn n_tests(&self) -> u64 {
        self.n_tests
    }

    /// What was controlled over the tests.
    pub fn adjustment(&self) -> Adjustment {
        self.adjustment
    }

    /// The largest adjusted p-value that was let through.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// The rules.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Rule> + '_ {
        self.rules.iter()
    }

    /// Names of items.
    ///
    /// # Panics
    /// When there is no such item.
    pub fn names(&self, items: &[u32]) -> Vec<&str> {
        let name = |item: &u32| self.names[*item as usize].as_str();
        items.iter().map(name).collect()
    }

    /// A rule in words: "A and B => C", "A => no C".
    ///
    /// # Panics
    /// When the rule is of other items.
    pub fn text(&self, rule: &Rule) -> String {
        let no = if rule.absent { "no " } else { "" };
        let join = |items: &[u32]| self.names(items).join(" and ");
        format!(
            "{} => {no}{}",
            join(&rule.antecedent),
            join(&rule.consequent)
        )
    }

    /// Up to `n` rules of the largest measure, largest first; of equal ones those found first. Rules of
    /// which it is undefined are left out.
    #[must_use]
    pub fn top(&self, n: usize, by: Measure) -> Self {
        let value = |rule: &Rule| by.of(&rule.counts);
        let mut order: Vec<(f64, usize)> = (self.rules.iter().enumerate())
            .filter_map(|(at, rule)| Some((value(rule)?, at)))
            .collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        order.truncate(n);
        let rules = order.iter().map(|(_, at)| self.rules[*at].clone());
        Self {
            rules: rules.collect(),
            ..self.without_rules()
        }
    }

    /// The rules for which a condition holds, in their order.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&Rule) -> bool) -> Self {
        Self {
            rules: self
                .rules
                .iter()
                .filter(|rule| keep(rule))
                .cloned()
                .collect(),
            ..self.without_rules()
        }
    }

    fn without_rules(&self) -> Self {
        Self {
            names: self.names.clone(),
            rules: Vec::new(),
            ..*self
        }
    }
}

/// Rules printed at most; the rest is counted.
const MOST_LINES: usize = 40;

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>8} {:>10} {:>7} {:>10}  rule",
            "units", "confidence", "lift", "adjusted p"
        )?;
        for rule in self.rules.iter().take(MOST_LINES) {
            let number = |value: Option<f64>| value.map_or("-".into(), |v| format!("{v:.3}"));
            writeln!(
                f,
                "{:>8} {:>10} {:>7} {:>10}  {}",
                rule.counts.n_ab(),
                number(rule.counts.confidence()),
                number(rule.counts.lift()),
                shown(rule.adjusted_p),
                self.text(rule)
            )?;
        }
        match self.rules.len().saturating_sub(MOST_LINES) {
            0 => Ok(()),
            more => writeln!(f, "... and {more} more"),
        }
    }
}

/// A p-value with two digits.
pub(super) fn shown(p: f64) -> String {
    if p >= 0.001 || p == 0.0 {
        format!("{p:.3}")
    } else {
        format!("{p:.0e}")
    }
}
