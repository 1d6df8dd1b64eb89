//! Measures of a rule by name: to filter, to sort, to print.

use serde::{Deserialize, Serialize};

use crate::association::{HalfCorrection, PairCounts};
use crate::error::Result;
use crate::evaluation::{Estimate, wilson};

/// A measure of "A, therefore B".
///
/// | measure | 0 or 1 means | interval |
/// |---|---|---|
/// | support, confidence | shares | Wilson |
/// | lift | 1: independent | delta method |
/// | leverage, phi, Zhang | 0: independent | none |
/// | conviction | 1: independent, infinite: never fails | none |
/// | odds ratio, relative risk | 1: independent | of the logarithm |
/// | risk difference | 0: independent | Newcombe |
/// | Jaccard, Kulczynski | 0: never together | none |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Measure {
    /// Share of units with A and B.
    Support,
    /// Share with B among those with A.
    Confidence,
    /// Units with both over those expected under independence.
    Lift,
    /// Support less the support expected under independence.
    Leverage,
    /// How many times more often the rule would fail under independence.
    Conviction,
    /// Odds of B with A over those without.
    OddsRatio,
    /// Risk of B with A over that without.
    RelativeRisk,
    /// Risk of B with A less that without.
    RiskDifference,
    /// Correlation of A and B.
    Phi,
    /// Zhang's measure, from -1 to 1.
    Zhang,
    /// Share with both among those with either.
    Jaccard,
    /// Mean of both confidences.
    Kulczynski,
}

impl Measure {
    /// All measures.
    pub const ALL: [Self; 12] = [
        Self::Support,
        Self::Confidence,
        Self::Lift,
        Self::Leverage,
        Self::Conviction,
        Self::OddsRatio,
        Self::RelativeRisk,
        Self::RiskDifference,
        Self::Phi,
        Self::Zhang,
        Self::Jaccard,
        Self::Kulczynski,
    ];

    /// Its name in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Support => "support",
            Self::Confidence => "confidence",
            Self::Lift => "lift",
            Self::Leverage => "leverage",
            Self::Conviction => "conviction",
            Self::OddsRatio => "odds ratio",
            Self::RelativeRisk => "relative risk",
            Self::RiskDifference => "risk difference",
            Self::Phi => "phi",
            Self::Zhang => "Zhang",
            Self::Jaccard => "Jaccard",
            Self::Kulczynski => "Kulczynski",
        }
    }

    /// Its value; `None` where it is 0/0. Infinite where a positive number stands over zero.
    pub fn of(self, counts: &PairCounts) -> Option<f64> {
        let value = |estimate: Result<Estimate>| estimate.ok().map(|estimate| estimate.value);
        match self {
            Self::Support => Some(counts.support()),
            Self::Confidence => counts.confidence(),
            Self::Lift => counts.lift(),
            Self::Leverage => Some(counts.leverage()),
            Self::Conviction => counts.conviction(),
            Self::OddsRatio => value(counts.odds_ratio(0.95, HalfCorrection::Never)),
            Self::RelativeRisk => value(counts.relative_risk(0.95, HalfCorrection::Never)),
            Self::RiskDifference => value(counts.risk_difference(0.95)),
            Self::Phi => counts.phi(),
            Self::Zhang => counts.zhang(),
            Self::Jaccard => counts.jaccard(),
            Self::Kulczynski => counts.kulczynski(),
        }
    }

    /// Its value with an interval, where the measure has one and it is defined.
    pub fn interval(self, counts: &PairCounts, level: f64) -> Option<Estimate> {
        match self {
            Self::Support => wilson(counts.n_ab() as f64, counts.n() as f64, level),
            Self::Confidence => counts.confidence_interval(level),
            Self::Lift => counts.lift_interval(level),
            Self::OddsRatio => counts.odds_ratio(level, HalfCorrection::Never),
            Self::RelativeRisk => counts.relative_risk(level, HalfCorrection::Never),
            Self::RiskDifference => counts.risk_difference(level),
            _ => return None,
        }
        .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_by_hand() {
        let counts = PairCounts::new(100, 20, 25, 10).unwrap();
        let (a, b, c, d) = (10.0, 10.0, 15.0, 65.0_f64);
        let expected = [
            0.1,
            0.5,
            2.0,
            0.05,
            0.75 / 0.5,
            a * d / (b * c),
            0.5 / (15.0 / 80.0),
            0.5 - 15.0 / 80.0,
            (a * d - b * c) / (20.0 * 80.0 * 25.0 * 75.0_f64).sqrt(),
            (0.1 - 0.05) / (0.1 * 0.8_f64).max(0.2 * 0.15),
            10.0 / 35.0,
            0.5 * (0.5 + 0.4),
        ];
        for (measure, expected) in Measure::ALL.into_iter().zip(expected) {
            let found = measure.of(&counts).unwrap();
            assert!((found - expected).abs() < 1e-14, "{}", measure.name());
            if let Some(interval) = measure.interval(&counts, 0.95) {
                assert!((interval.value - expected).abs() < 1e-14);
                assert!(interval.lower < expected && expected < interval.upper);
            }
        }
        let with = Measure::ALL
            .into_iter()
            .filter(|m| m.interval(&counts, 0.9).is_some());
        assert_eq!(with.count(), 6);
    }

    #[test]
    fn undefined_is_none() {
        let nobody = PairCounts::new(10, 0, 4, 0).unwrap();
        assert_eq!(Measure::Confidence.of(&nobody), None);
        assert_eq!(Measure::Lift.of(&nobody), None);
        assert_eq!(Measure::Support.of(&nobody), Some(0.0));
        let never_fails = PairCounts::new(10, 4, 6, 4).unwrap();
        assert_eq!(Measure::Conviction.of(&never_fails), Some(f64::INFINITY));
    }
}
