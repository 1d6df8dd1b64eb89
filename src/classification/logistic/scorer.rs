//! Scoring one patient at a time, as a service does it.

use super::model::{LogisticRegression, overflow};
use crate::design::encode::Encoding;
use crate::design::prepare::Unseen;
use crate::error::{ErrorKind, Result};
use crate::estimator::ClassLabel;
use crate::numeric::stable::logistic;

/// A model laid out for rows of one fixed shape: features in schema order, no allocation per row.
///
/// Gives the same bits as `predict_risk` on the same row. Made by
/// [`LogisticRegression::scorer`].
#[derive(Debug, Clone)]
pub struct RowScorer<'a> {
    features: Vec<FeatureScore<'a>>,
    base: f64,
    n_sparse: usize,
}

#[derive(Debug, Clone)]
enum FeatureScore<'a> {
    Number {
        name: &'a str,
        center: f64,
        scale: f64,
        constant: bool,
        coefficient: f64,
        fill: Option<f64>,
        missing: f64,
        range: Option<(f64, f64)>,
    },
    Levels {
        name: &'a str,
        levels: &'a [(String, Option<u32>)],
        start: u32,
        factors: Vec<f64>,
        means: Vec<f64>,
        missing: Option<u32>,
        rare: Option<u32>,
        unseen: Unseen,
    },
}

/// One value of an aligned row.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Cell<'a> {
    /// A number; NaN is missing.
    Number(f64),
    /// A level.
    Level(&'a str),
    /// Missing.
    Missing,
}

impl<L: ClassLabel> LogisticRegression<L> {
    /// Lays the model out for scoring one row at a time.
    ///
    /// # Errors
    /// [`ErrorKind::TargetKind`] when the event was never named or the model has an offset.
    pub fn scorer(&self) -> Result<RowScorer<'_>> {
        let wire = &self.wire;
        if wire.header.event.is_none() || wire.offset.is_some() {
            return Err(ErrorKind::TargetKind {
                what: "row scorer",
                expected: "a model with a named event and without offset".into(),
                found: "another model".into(),
            }
            .into());
        }
        let terms = wire.encoder.terms();
        let beta = |term: u32| wire.point.coefficients[term as usize];
        let factor = |term: u32| beta(term) / terms[term as usize].scale;
        let mut base = wire.point.intercept;
        let mut n_sparse = 0;
        let mut center = |term: u32| {
            n_sparse += 1;
            if beta(term) != 0.0 {
                base -= factor(term) * terms[term as usize].center;
            }
        };
        let mut features = Vec::with_capacity(wire.encoder.schema().len());
        for (feature, encoding) in wire
            .encoder
            .schema()
            .features()
            .iter()
            .zip(wire.encoder.encodings())
        {
            features.push(match encoding {
                Encoding::Number {
                    term,
                    fill,
                    missing,
                } => {
                    let spec = &terms[*term as usize];
                    if let Some(missing) = missing {
                        center(*missing);
                    }
                    FeatureScore::Number {
                        name: feature.name(),
                        center: spec.center,
                        scale: spec.scale,
                        constant: spec.constant,
                        coefficient: beta(*term),
                        fill: *fill,
                        missing: missing.map_or(0.0, factor),
                        range: feature.plausible_range(),
                    }
                }
                Encoding::Levels {
                    levels,
                    terms: range,
                    missing,
                    rare,
                    unseen,
                } => {
                    range.clone().for_each(&mut center);
                    FeatureScore::Levels {
                        name: feature.name(),
                        levels,
                        start: range.start,
                        factors: range.clone().map(factor).collect(),
                        means: range
                            .clone()
                            .map(|term| terms[term as usize].mean)
                            .collect(),
                        missing: *missing,
                        rare: *rare,
                        unseen: *unseen,
                    }
                }
            });
        }
        Ok(RowScorer {
            features,
            base,
            n_sparse,
        })
    }
}

impl RowScorer<'_> {
    /// Number of cells of a row.
    pub fn n_features(&self) -> usize {
        self.features.len()
    }

    /// Number of terms that are stored sparsely; a measure of the cost of one row.
    pub fn n_level_terms(&self) -> usize {
        self.n_sparse
    }

    /// Risk of the event for one row, cells in the order of the model's schema.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureCount`] for another number of cells, [`ErrorKind::FeatureMismatch`] for
    /// a level where a number is expected or the reverse, [`ErrorKind::NonFinite`] for an infinity
    /// or a refused missing value, [`ErrorKind::OutOfRange`] outside the plausible range of a
    /// feature, [`ErrorKind::UnseenLevel`].
    pub fn risk(&self, row: &[Cell<'_>]) -> Result<f64> {
        if row.len() != self.features.len() {
            return Err(ErrorKind::FeatureCount {
                expected: self.features.len(),
                found: row.len(),
            }
            .into());
        }
        // Numbers first, then levels and markers: the order of sums of a block.
        let mut eta = self.base;
        for (feature, cell) in self.features.iter().zip(row) {
            if let FeatureScore::Number { coefficient, .. } = feature {
                let (z, _) = feature.number(*cell)?;
                if *coefficient != 0.0 {
                    eta += coefficient * z;
                }
            }
        }
        for (feature, cell) in self.features.iter().zip(row) {
            match feature {
                FeatureScore::Number { missing, .. } => {
                    if *missing != 0.0 && feature.number(*cell)?.1 {
                        eta += missing * 1.0;
                    }
                }
                FeatureScore::Levels { .. } => feature.add_level(*cell, &mut eta)?,
            }
        }
        if !eta.is_finite() {
            return Err(overflow(0));
        }
        Ok(logistic(eta))
    }
}

impl FeatureScore<'_> {
    /// The standardised number and whether it was missing.
    fn number(&self, cell: Cell<'_>) -> Result<(f64, bool)> {
        let Self::Number {
            name,
            center,
            scale,
            constant,
            fill,
            range,
            ..
        } = self
        else {
            return Ok((0.0, false));
        };
        let non_finite = |rule| ErrorKind::NonFinite {
            what: "row",
            row: Some(0),
            column: Some(name.to_string()),
            rule,
        };
        let value = match cell {
            Cell::Number(value) if value.is_infinite() => {
                return Err(non_finite("a finite number, or missing").into());
            }
            Cell::Number(value) => value,
            Cell::Missing => f64::NAN,
            Cell::Level(_) => {
                return Err(ErrorKind::FeatureMismatch {
                    name: name.to_string(),
                    expected: "a number".into(),
                    found: "a level".into(),
                }
                .into());
            }
        };
        if let Some((low, high)) = range
            && (value < *low || value > *high)
        {
            return Err(ErrorKind::OutOfRange {
                what: "row",
                row: Some(0),
                column: Some(name.to_string()),
                rule: "a value within the plausible range of the feature",
            }
            .into());
        }
        let absent = value.is_nan();
        let value = match (absent, fill) {
            (false, _) => value,
            (true, Some(fill)) => *fill,
            (true, None) => {
                return Err(non_finite("no missing values (the preparation refuses them)").into());
            }
        };
        let z = if *constant {
            0.0
        } else {
            (value - center) / scale
        };
        Ok((z, absent))
    }

    fn add_level(&self, cell: Cell<'_>, eta: &mut f64) -> Result<()> {
        let Self::Levels {
            name,
            levels,
            start,
            factors,
            means,
            missing,
            rare,
            unseen,
        } = self
        else {
            return Ok(());
        };
        let term = match cell {
            Cell::Missing => *missing,
            Cell::Number(_) => {
                return Err(ErrorKind::FeatureMismatch {
                    name: name.to_string(),
                    expected: "a level".into(),
                    found: "a number".into(),
                }
                .into());
            }
            Cell::Level(level) => {
                match levels.binary_search_by(|(known, _)| known.as_str().cmp(level)) {
                    Ok(found) => levels[found].1,
                    Err(_) => match (unseen, rare) {
                        (Unseen::Refuse, _) => {
                            return Err(ErrorKind::UnseenLevel {
                                name: name.to_string(),
                                row: 0,
                                known: levels.len(),
                            }
                            .into());
                        }
                        (Unseen::Average, Some(rare)) => Some(*rare),
                        (Unseen::Average, None) => {
                            for (factor, mean) in factors.iter().zip(means) {
                                if *factor != 0.0 {
                                    *eta += factor * mean;
                                }
                            }
                            return Ok(());
                        }
                    },
                }
            }
        };
        if let Some(term) = term {
            let factor = factors[(term - start) as usize];
            if factor != 0.0 {
                *eta += factor * 1.0;
            }
        }
        Ok(())
    }
}
