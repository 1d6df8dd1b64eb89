//! Sequential patterns that were found, and how they read.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::association::saved::RawSequences;

/// One sequential pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// Items of every step, increasing within one.
    pub steps: Vec<Vec<u32>>,
    /// Number of patients.
    pub support: u64,
}

/// Sequential patterns with their supports; made by
/// [`PrefixSpanParams::mine`](crate::association::PrefixSpanParams::mine).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawSequences")]
pub struct Sequences {
    pub(super) names: Vec<String>,
    pub(super) n_patients: usize,
    /// Days between steps, and from the first to the last, of the search.
    pub(super) gap: (u32, Option<u32>),
    pub(super) span: Option<u32>,
    pub(super) sequences: Vec<Sequence>,
}

impl Sequences {
    /// Number of patterns.
    pub fn len(&self) -> usize {
        self.sequences.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sequences.is_empty()
    }

    /// Number of patients, those without events among them.
    pub fn n_patients(&self) -> usize {
        self.n_patients
    }

    /// The patterns.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Sequence> + '_ {
        self.sequences.iter()
    }

    /// Up to `n` patterns of the largest support, of equal ones the first.
    pub fn top(&self, n: usize) -> Vec<&Sequence> {
        let mut order: Vec<&Sequence> = self.sequences.iter().collect();
        order.sort_by_key(|sequence| std::cmp::Reverse(sequence.support));
        order.truncate(n);
        order
    }

    /// A pattern in words: "E11 > metformin + diet".
    ///
    /// # Panics
    /// When the pattern is of other items.
    pub fn text(&self, sequence: &Sequence) -> String {
        let name = |item: &u32| self.names[*item as usize].as_str();
        let step = |step: &Vec<u32>| step.iter().map(name).collect::<Vec<_>>().join(" + ");
        sequence
            .steps
            .iter()
            .map(step)
            .collect::<Vec<_>>()
            .join(" > ")
    }
}

/// Patterns printed at most; the rest is counted.
const MOST_LINES: usize = 40;

impl fmt::Display for Sequences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>8} {:>7}  sequence", "patients", "share")?;
        for sequence in self.top(MOST_LINES) {
            let share = 100.0 * sequence.support as f64 / self.n_patients as f64;
            writeln!(
                f,
                "{:>8} {:>5.1} %  {}",
                sequence.support,
                share,
                self.text(sequence)
            )?;
        }
        match self.len().saturating_sub(MOST_LINES) {
            0 => Ok(()),
            more => writeln!(f, "... and {more} more"),
        }
    }
}
