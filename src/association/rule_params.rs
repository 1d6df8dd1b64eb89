//! Settings of a search for rules.

use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

use crate::association::{Adjustment, Itemsets, Measure, Rules, Strata};
use crate::design::Items;
use crate::error::{Error, Result};
use crate::estimator::params::Checker;

const NAME: &str = "rules";

/// Settings of a search for rules, checked; made by `check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleValidParams {
    pub(crate) consequents: Vec<String>,
    pub(crate) antecedents: Vec<String>,
    pub(crate) max_consequent: usize,
    pub(crate) at_least: Vec<(Measure, f64)>,
    pub(crate) min_improvement: Option<f64>,
    pub(crate) productive: Option<f64>,
    pub(crate) min_interest: Option<f64>,
    pub(crate) absent: Option<usize>,
    pub(crate) min_expected: f64,
    pub(crate) adjustment: Adjustment,
    pub(crate) alpha: f64,
    pub(crate) level: f64,
    pub(crate) most_rules: usize,
}

/// Settings of a search for rules "who has A often has B"; made by [`Rules::params`].
///
/// | setting | default |
/// |---|---|
/// | [`consequents`](Self::consequents), [`antecedents`](Self::antecedents) | any item |
/// | [`max_consequent`](Self::max_consequent) | 1 item |
/// | [`at_least`](Self::at_least) | no measure |
/// | [`adjustment`](Self::adjustment), [`alpha`](Self::alpha) | Benjamini-Yekutieli, 0.05 |
/// | [`min_improvement`](Self::min_improvement), [`productive`](Self::productive), [`min_interest`](Self::min_interest) | off |
/// | [`absent`](Self::absent) | no rules of absence |
/// | [`level`](Self::level) | 0.95 |
/// | [`most_rules`](Self::most_rules) | 5,000,000 |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleParams(RuleValidParams);

impl RuleParams {
    pub(crate) fn new() -> Self {
        Self(RuleValidParams {
            consequents: Vec::new(),
            antecedents: Vec::new(),
            max_consequent: 1,
            at_least: Vec::new(),
            min_improvement: None,
            productive: None,
            min_interest: None,
            absent: None,
            min_expected: 5.0,
            adjustment: Adjustment::BenjaminiYekutieli,
            alpha: 0.05,
            level: 0.95,
            most_rules: 5_000_000,
        })
    }

    /// Restricts what follows to these items (classes, outcomes), which then never stand on the other
    /// side.
    #[must_use]
    pub fn consequents<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.0.consequents = names.into_iter().map(Into::into).collect();
        self
    }

    /// Restricts what rules start from to these items.
    #[must_use]
    pub fn antecedents<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.0.antecedents = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the largest number of items that follow.
    #[must_use]
    pub fn max_consequent(mut self, items: usize) -> Self {
        self.0.max_consequent = items;
        self
    }

    /// Keeps rules whose measure is defined and at least this; may be said of several measures.
    #[must_use]
    pub fn at_least(mut self, measure: Measure, value: f64) -> Self {
        self.0.at_least.push((measure, value));
        self
    }

    /// Keeps rules of at least this confidence.
    #[must_use]
    pub fn min_confidence(self, share: f64) -> Self {
        self.at_least(Measure::Confidence, share)
    }

    /// Keeps rules of at least this lift.
    #[must_use]
    pub fn min_lift(self, lift: f64) -> Self {
        self.at_least(Measure::Lift, lift)
    }

    /// Keeps rules whose confidence is larger by this than that of every simpler rule, the one without
    /// condition among them (Bayardo, Agrawal and Gunopulos 2000, doi:10.1023/A:1009895914772); 0 leaves
    /// out what is redundant, unlike no setting, where simpler rules as good.
    #[must_use]
    pub fn min_improvement(mut self, confidence: f64) -> Self {
        self.0.min_improvement = Some(confidence);
        self
    }

    /// Keeps rules every item of which matters: given the other items, Fisher's one-sided p-value of the
    /// item is at most this (productive rules: Webb 2007, doi:10.1007/s10994-007-5006-x).
    #[must_use]
    pub fn productive(mut self, alpha: f64) -> Self {
        self.0.productive = Some(alpha);
        self
    }

    /// Keeps rules that say this many times more than what stands above their items foretells: 1.1 leaves
    /// out "pneumonia, therefore ..." where "airways, therefore ..." holds alike (Srikant and Agrawal
    /// 1995, R-interesting rules).
    #[must_use]
    pub fn min_interest(mut self, ratio: f64) -> Self {
        self.0.min_interest = Some(ratio);
        self
    }

    /// Searches rules of absence too: who has A, of up to this many items, surprisingly rarely has B.
    ///
    /// Judged are items of which at least [`min_expected`](Self::min_expected) units would have A and B if
    /// they were independent, seldom or never together as they may be. Levels of one feature that
    /// exclude each other by nature are left out.
    #[must_use]
    pub fn absent(mut self, max_antecedent: usize) -> Self {
        self.0.absent = Some(max_antecedent);
        self
    }

    /// Sets the least expected number of units of rules of absence; 5 by default.
    #[must_use]
    pub fn min_expected(mut self, units: f64) -> Self {
        self.0.min_expected = units;
        self
    }

    /// Sets what is controlled over all tests.
    #[must_use]
    pub fn adjustment(mut self, adjustment: Adjustment) -> Self {
        self.0.adjustment = adjustment;
        self
    }

    /// Keeps rules of an adjusted p-value of at most this; 1 keeps all.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.0.alpha = alpha;
        self
    }

    /// Sets the confidence level of intervals within strata.
    #[must_use]
    pub fn level(mut self, level: f64) -> Self {
        self.0.level = level;
        self
    }

    /// Sets the number of rules beyond which the search ends in an error.
    #[must_use]
    pub fn most_rules(mut self, rules: usize) -> Self {
        self.0.most_rules = rules;
        self
    }

    /// Checks the settings and searches: see [`RuleValidParams::find`].
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`](crate::error::ErrorKind::Parameter) and those of the search.
    pub fn find(&self, items: &Items, sets: &Itemsets) -> Result<Rules> {
        self.check_ref()?.find(items, sets)
    }

    /// Checks the settings and searches within strata: see [`RuleValidParams::find_within`].
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn find_within(&self, items: &Items, sets: &Itemsets, strata: &Strata) -> Result<Rules> {
        self.check_ref()?.find_within(items, sets, strata)
    }
}

impl Default for RuleParams {
    fn default() -> Self {
        Self::new()
    }
}

impl ParamGuard for RuleParams {
    type Checked = RuleValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&RuleValidParams> {
        let (checker, own) = (Checker::new(NAME), &self.0);
        let share = |value: f64| value > 0.0 && value <= 1.0;
        checker.require(
            own.max_consequent >= 1,
            "max_consequent",
            own.max_consequent,
            ">= 1",
        )?;
        checker.require(share(own.alpha), "alpha", own.alpha, "in (0, 1]")?;
        let inside = own.level > 0.0 && own.level < 1.0;
        checker.require(inside, "level", own.level, "in (0, 1)")?;
        for (_, value) in &own.at_least {
            checker.require(!value.is_nan(), "at_least", value, "a number")?;
        }
        if let Some(value) = own.min_improvement {
            checker.require(value.is_finite(), "min_improvement", value, "finite")?;
        }
        if let Some(value) = own.productive {
            checker.require(share(value), "productive", value, "in (0, 1]")?;
        }
        if let Some(value) = own.min_interest {
            checker.positive("min_interest", value)?;
        }
        if let Some(value) = own.absent {
            checker.require(value >= 1, "absent", value, ">= 1")?;
        }
        checker.positive("min_expected", own.min_expected)?;
        checker.require(own.most_rules >= 1, "most_rules", own.most_rules, ">= 1")?;
        Ok(own)
    }

    fn check(self) -> Result<RuleValidParams> {
        self.check_ref()?;
        Ok(self.0)
    }
}
