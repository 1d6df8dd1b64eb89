//! Inference of an unpenalised fit: standard errors, tests, intervals, odds ratios.

use serde::{Deserialize, Serialize};

use super::messages::Information;
use super::params::Covariance;
use crate::design::encode::Encoder;
use crate::error::{ErrorKind, Result};
use crate::kernel::linear::pass::Point;
use crate::numeric::linalg::{inverse_of_normal, reciprocal_condition, sandwich};
use crate::numeric::special::{chi_squared_upper, normal_upper, normal_upper_quantile};

/// Covariance of the coefficients and what follows from it.
///
/// Order of all arrays: intercept first (where there is one), then the terms of
/// [`Self::names`]; terms that are constant or combinations of others are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inference {
    pub(super) names: Vec<String>,
    pub(super) estimates: Vec<f64>,
    pub(super) covariance: Vec<f64>,
    pub(super) kind: Covariance,
    pub(super) level: f64,
    pub(super) reciprocal_condition: f64,
}

impl Inference {
    #[allow(clippy::too_many_arguments)] // one caller, which has them all at hand
    /// From the factor of the information of standardised terms, in original units.
    pub(super) fn new(
        encoder: &Encoder,
        point: &Point,
        intercept: bool,
        set: &[u32],
        information: &Information,
        kind: Covariance,
        level: f64,
        meat: Option<&[f64]>,
    ) -> Result<Self> {
        let whole = set.len() + 1;
        let k = set.len() + usize::from(intercept);
        let (factor, meat) = if intercept {
            (
                information.factor.r.clone(),
                meat.unwrap_or(&information.meat).to_vec(),
            )
        } else {
            // The column of ones is the last of the factor: without it, the leading block.
            let lead = |m: &[f64]| -> Vec<f64> {
                (0..k)
                    .flat_map(|column| m[column * whole..column * whole + k].to_vec())
                    .collect()
            };
            (
                lead(&information.factor.r),
                lead(meat.unwrap_or(&information.meat)),
            )
        };
        let mut meat = meat;
        crate::numeric::linalg::mirror_lower(&mut meat, k);
        let bread = inverse_of_normal(&factor, k);
        let rows = information.rows as f64;
        let standardised = match kind {
            Covariance::Model => bread,
            Covariance::Robust | Covariance::ByPatient => sandwich(&bread, &meat, k),
            Covariance::RobustCorrected => {
                let mut robust = sandwich(&bread, &meat, k);
                let factor = rows / (rows - k as f64);
                robust.iter_mut().for_each(|value| *value *= factor);
                robust
            }
        };
        // Original units: coefficient / scale, and the intercept takes the centres.
        let mut transform = vec![0.0; k * k];
        let terms = encoder.terms();
        let shift = usize::from(intercept);
        for (position, term) in set.iter().enumerate() {
            let spec = &terms[*term as usize];
            transform[position * k + position + shift] = 1.0 / spec.scale;
            if intercept {
                transform[position * k] = -spec.center / spec.scale;
            }
        }
        if intercept {
            transform[(k - 1) * k] = 1.0;
        }
        let covariance = sandwich(&transform, &standardised, k);
        let mut names = Vec::with_capacity(k);
        let mut estimates = Vec::with_capacity(k);
        if intercept {
            names.push("intercept".to_string());
            estimates.push(raw_intercept(encoder, point));
        }
        for term in set {
            let spec = &terms[*term as usize];
            names.push(spec.name.clone());
            estimates.push(point.coefficients[*term as usize] / spec.scale);
        }
        let inference = Self {
            names,
            estimates,
            covariance,
            kind,
            level,
            reciprocal_condition: reciprocal_condition(&factor, k),
        };
        if inference
            .standard_errors()
            .iter()
            .any(|error| !error.is_finite())
        {
            return Err(ErrorKind::NoInference {
                what: "LogisticRegression",
                reason: "the information matrix is singular",
            }
            .into());
        }
        Ok(inference)
    }

    /// Names of the intercept and the terms.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Coefficients in original units (log-odds per unit).
    pub fn estimates(&self) -> &[f64] {
        &self.estimates
    }

    /// Which covariance it is.
    pub fn kind(&self) -> Covariance {
        self.kind
    }

    /// Level of the intervals.
    pub fn level(&self) -> f64 {
        self.level
    }

    /// Covariance of two coefficients by position.
    ///
    /// # Panics
    /// When a position is not below the number of names.
    pub fn covariance(&self, a: usize, b: usize) -> f64 {
        self.covariance[b * self.names.len() + a]
    }

    /// Standard errors.
    pub fn standard_errors(&self) -> Vec<f64> {
        (0..self.names.len())
            .map(|j| self.covariance(j, j).sqrt())
            .collect()
    }

    /// Wald statistics: estimate over standard error.
    pub fn z(&self) -> Vec<f64> {
        self.estimates
            .iter()
            .zip(self.standard_errors())
            .map(|(estimate, error)| estimate / error)
            .collect()
    }

    /// Two-sided p-values of "the coefficient is zero" from the normal distribution; never 0: below
    /// the smallest normal number, that number stands for "smaller still".
    pub fn p(&self) -> Vec<f64> {
        self.z()
            .iter()
            .map(|z| (2.0 * normal_upper(z.abs())).clamp(f64::MIN_POSITIVE, 1.0))
            .collect()
    }

    /// Wald intervals of the coefficients.
    pub fn intervals(&self) -> Vec<(f64, f64)> {
        let reach = normal_upper_quantile((1.0 - self.level) / 2.0);
        self.estimates
            .iter()
            .zip(self.standard_errors())
            .map(|(estimate, error)| (estimate - reach * error, estimate + reach * error))
            .collect()
    }

    /// Odds ratios with their intervals; the first is the odds at zero where there is an
    /// intercept.
    pub fn odds_ratios(&self) -> Vec<(f64, f64, f64)> {
        self.estimates
            .iter()
            .zip(self.intervals())
            .map(|(estimate, (low, high))| (libm::exp(*estimate), libm::exp(low), libm::exp(high)))
            .collect()
    }

    /// Wald test that the named coefficients are all zero: statistic, degrees of freedom, p.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureNames`] for a name that is not among the terms,
    /// [`ErrorKind::NoInference`] when their covariance is singular.
    pub fn wald_test<N: AsRef<str>>(&self, names: &[N]) -> Result<(f64, usize, f64)> {
        let mut at = Vec::with_capacity(names.len());
        for name in names {
            match self.names.iter().position(|known| known == name.as_ref()) {
                Some(position) => at.push(position),
                None => {
                    return Err(ErrorKind::FeatureNames {
                        missing: vec![name.as_ref().to_string()],
                        suggestion: None,
                    }
                    .into());
                }
            }
        }
        let part = crate::numeric::linalg::submatrix(&self.covariance, self.names.len(), &at);
        let mut solved: Vec<f64> = at.iter().map(|j| self.estimates[*j]).collect();
        crate::numeric::linalg::Cholesky::new(&part, at.len())
            .ok_or(ErrorKind::NoInference {
                what: "Wald test",
                reason: "the covariance of these terms is singular",
            })?
            .solve(&mut solved);
        let statistic: f64 = at
            .iter()
            .zip(&solved)
            .map(|(j, x)| self.estimates[*j] * x)
            .sum();
        Ok((
            statistic,
            at.len(),
            chi_squared_upper(statistic, at.len() as f64),
        ))
    }

    /// Reciprocal condition number of the information's factor, on standardised terms.
    pub fn reciprocal_condition(&self) -> f64 {
        self.reciprocal_condition
    }

    pub(super) fn check(&self) -> Result<()> {
        let k = self.names.len();
        let finite = self
            .estimates
            .iter()
            .chain(&self.covariance)
            .all(|x| x.is_finite());
        let sizes = self.estimates.len() == k && k.checked_mul(k) == Some(self.covariance.len());
        let positive = sizes && (0..k).all(|j| self.covariance[j * k + j] >= 0.0);
        let level = self.level > 0.0 && self.level < 1.0;
        if !positive || !level || !self.reciprocal_condition.is_finite() || !finite {
            return Err(ErrorKind::Saved("inference: sizes or values do not fit".into()).into());
        }
        Ok(())
    }
}

/// The intercept in original units.
pub(super) fn raw_intercept(encoder: &Encoder, point: &Point) -> f64 {
    encoder
        .terms()
        .iter()
        .zip(&point.coefficients)
        .fold(point.intercept, |sum, (term, b)| {
            sum - b / term.scale * term.center
        })
}
