//! Settings of a preparation: what happens to missing values and levels.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::estimator::params::Checker;

/// What stands in for a missing number; learnt on training rows only.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Impute {
    /// The weighted mean of the present values.
    Mean,
    /// The weighted median of the present values.
    Median,
    /// The most frequent present value, the smallest of them on ties.
    MostFrequent,
    /// The given number.
    Constant(f64),
    /// A missing number is an error.
    Refuse,
}

/// How levels become columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Coding {
    /// Every level but the first one (sorted) has a column: identified without a penalty.
    Reference,
    /// Every level has a column: symmetric under a penalty.
    OneHot,
}

/// What a level means that training rows did not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Unseen {
    /// The pooled rare level where there is one, else the training average.
    Average,
    /// An error that names the feature and the row.
    Refuse,
}

/// How a matrix becomes a design.
///
/// ```
/// use galen::design::{Impute, Preparation, Unseen};
/// let strict = Preparation::default().impute(Impute::Refuse).unseen(Unseen::Refuse);
/// assert_ne!(strict, Preparation::default());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    pub(crate) impute: Impute,
    pub(crate) indicators: bool,
    pub(crate) min_level_rows: u64,
    pub(crate) unseen: Unseen,
    pub(crate) coding: Option<Coding>,
}

impl Default for Preparation {
    /// | setting | default | why |
    /// | --- | --- | --- |
    /// | `impute` | mean | one pass, exact over shards |
    /// | `indicators` | true | in care data, not being measured says something |
    /// | `min_level_rows` | 1 | every level counts unless the user pools rare ones |
    /// | `unseen` | average | a new ward must not stop a score; choose refuse at the point of care |
    /// | `coding` | reference without a penalty, one-hot with one | identified, then symmetric |
    fn default() -> Self {
        Self {
            impute: Impute::Mean,
            indicators: true,
            min_level_rows: 1,
            unseen: Unseen::Average,
            coding: None,
        }
    }
}

impl Preparation {
    /// Sets what stands in for a missing number.
    #[must_use]
    pub fn impute(mut self, impute: Impute) -> Self {
        self.impute = impute;
        self
    }

    /// Sets whether a feature with missing training values gets a column that marks them.
    #[must_use]
    pub fn indicators(mut self, indicators: bool) -> Self {
        self.indicators = indicators;
        self
    }

    /// Levels with fewer training rows are pooled into one.
    #[must_use]
    pub fn min_level_rows(mut self, rows: u64) -> Self {
        self.min_level_rows = rows;
        self
    }

    /// Sets what an unseen level means.
    #[must_use]
    pub fn unseen(mut self, unseen: Unseen) -> Self {
        self.unseen = unseen;
        self
    }

    /// Sets how levels become columns.
    #[must_use]
    pub fn coding(mut self, coding: Coding) -> Self {
        self.coding = Some(coding);
        self
    }

    pub(crate) fn check(&self, estimator: &'static str) -> Result<()> {
        let check = Checker::new(estimator);
        if let Impute::Constant(value) = self.impute {
            check.require(value.is_finite(), "impute", value, "a finite constant")?;
        }
        check.require(
            self.min_level_rows >= 1,
            "min_level_rows",
            self.min_level_rows,
            "at least 1",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_refused() {
        let bad = Preparation::default().impute(Impute::Constant(f64::NAN));
        assert!(bad.check("X").unwrap_err().to_string().contains("impute"));
        assert!(Preparation::default().min_level_rows(0).check("X").is_err());
        assert!(Preparation::default().check("X").is_ok());
    }
}
