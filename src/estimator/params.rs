//! Range checks of settings with one wording.

use std::ops::RangeInclusive;

use crate::error::{ErrorKind, Result};

/// Checks settings of one estimator; the first that fails is the error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checker {
    estimator: &'static str,
}

impl Checker {
    pub(crate) fn new(estimator: &'static str) -> Self {
        Self { estimator }
    }

    fn refuse<V: ToString>(self, name: &'static str, value: V, rule: &'static str) -> Result<()> {
        Err(ErrorKind::Parameter {
            estimator: self.estimator,
            name,
            value: value.to_string(),
            rule,
        }
        .into())
    }

    /// `holds` is the rule in code, `rule` the same in words.
    pub(crate) fn require<V: ToString>(
        self,
        holds: bool,
        name: &'static str,
        value: V,
        rule: &'static str,
    ) -> Result<()> {
        if holds {
            return Ok(());
        }
        self.refuse(name, value, rule)
    }

    /// Finite and above zero.
    pub(crate) fn positive(self, name: &'static str, value: f64) -> Result<()> {
        self.require(
            value.is_finite() && value > 0.0,
            name,
            value,
            "finite and > 0",
        )
    }

    /// Finite and zero or above.
    pub(crate) fn not_negative(self, name: &'static str, value: f64) -> Result<()> {
        self.require(
            value.is_finite() && value >= 0.0,
            name,
            value,
            "finite and >= 0",
        )
    }

    /// Within [0, 1].
    pub(crate) fn fraction(self, name: &'static str, value: f64) -> Result<()> {
        self.require((0.0..=1.0).contains(&value), name, value, "within [0, 1]")
    }

    /// A share of which something is left: within (0, 1].
    pub(crate) fn share(self, name: &'static str, value: f64) -> Result<()> {
        let holds = value > 0.0 && value <= 1.0;
        self.require(holds, name, value, "within (0, 1]")
    }

    /// Something of both sides: within (0, 1).
    pub(crate) fn inside_unit(self, name: &'static str, value: f64) -> Result<()> {
        let holds = value > 0.0 && value < 1.0;
        self.require(holds, name, value, "within (0, 1)")
    }

    /// A whole number within limits; `rule` is the range in words.
    pub(crate) fn within(
        self,
        name: &'static str,
        value: usize,
        range: RangeInclusive<usize>,
        rule: &'static str,
    ) -> Result<()> {
        self.require(range.contains(&value), name, value, rule)
    }

    /// At least one.
    pub(crate) fn at_least_one(self, name: &'static str, value: usize) -> Result<()> {
        self.require(value >= 1, name, value, "at least 1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wording() {
        let error = Checker::new("LogisticRegression")
            .positive("strength", -1.0)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "LogisticRegression: strength = -1, must be finite and > 0"
        );
        for bad in [f64::NAN, f64::INFINITY, 0.0] {
            assert!(Checker::new("X").positive("a", bad).is_err());
        }
        assert!(Checker::new("X").fraction("a", f64::NAN).is_err());
        assert!(Checker::new("X").not_negative("a", -0.0).is_ok());
        assert!(Checker::new("X").at_least_one("a", 0).is_err());
        for (value, share, inside) in [
            (0.0, false, false),
            (0.5, true, true),
            (1.0, true, false),
            (f64::NAN, false, false),
        ] {
            assert_eq!(Checker::new("X").share("a", value).is_ok(), share);
            assert_eq!(Checker::new("X").inside_unit("a", value).is_ok(), inside);
        }
        for (value, holds) in [(1, false), (2, true), (3, true), (4, false)] {
            let found = Checker::new("X").within("a", value, 2..=3, "2 or 3");
            assert_eq!(found.is_ok(), holds);
        }
    }
}
