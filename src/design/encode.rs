//! The encoder: what each feature becomes, learnt on training rows, kept in the fitted model.
//!
//! A feature becomes terms, the columns of a design. A term has a name, a centre and a spread; the
//! design holds `(value - centre) / spread`, so every term has mean 0 and variance 1 on the
//! training rows, a missing number filled with its mean adds nothing, and a penalty treats all
//! terms alike.

use serde::{Deserialize, Serialize};

use crate::design::prepare::{Coding, Impute, Preparation, Unseen};
use crate::design::statistics::{FeatureSums, Statistics, Tally};
use crate::error::{ErrorKind, Result};
use crate::matrix::{Feature, Schema};

/// Spread relative to the centre below which a column counts as constant: rounding of its own sum.
const CONSTANT_SPREAD: f64 = 1e-13;

/// Largest number of terms of one design.
const MAX_TERMS: usize = 1 << 24;

/// Name of the level that pools rare ones.
pub(crate) const RARE: &str = "(rare)";

/// Name of the level of missing values.
pub(crate) const MISSING: &str = "(missing)";

/// One column of a design.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Term {
    pub(crate) name: String,
    /// Weighted mean on the training rows.
    pub(crate) mean: f64,
    /// What is taken off: the mean, or 0 in a model without intercept.
    pub(crate) center: f64,
    pub(crate) scale: f64,
    /// Constant on the training rows: its coefficient is always 0.
    pub(crate) constant: bool,
}

/// What one feature becomes; term numbers are positions in the encoder's list of terms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Encoding {
    Number {
        term: u32,
        /// Stands in for a missing value; `None` refuses one.
        fill: Option<f64>,
        /// The term that marks missing values.
        missing: Option<u32>,
    },
    Levels {
        /// Known levels, sorted, with the term of each; `None` is the reference.
        levels: Vec<(String, Option<u32>)>,
        /// All terms of this feature.
        terms: std::ops::Range<u32>,
        /// The term of missing values, where training rows had them.
        missing: Option<u32>,
        /// The term that pools rare levels.
        rare: Option<u32>,
        unseen: Unseen,
    },
}

/// The fitted preparation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub(crate) struct Encoder {
    schema: Schema,
    positional: bool,
    encodings: Vec<Encoding>,
    terms: Vec<Term>,
}

/// Plain data of an encoder; checked before it becomes one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    schema: Schema,
    positional: bool,
    encodings: Vec<Encoding>,
    terms: Vec<Term>,
}

impl From<Encoder> for Wire {
    fn from(encoder: Encoder) -> Self {
        Self {
            schema: encoder.schema,
            positional: encoder.positional,
            encodings: encoder.encodings,
            terms: encoder.terms,
        }
    }
}

impl TryFrom<Wire> for Encoder {
    type Error = crate::error::Error;

    fn try_from(wire: Wire) -> Result<Self> {
        let refuse = |what: &str| Err(ErrorKind::Saved(format!("encoder: {what}")).into());
        if wire.encodings.len() != wire.schema.len() {
            return refuse("one encoding per feature expected");
        }
        if wire.terms.iter().any(|term| {
            !term.mean.is_finite()
                || !term.center.is_finite()
                || !term.scale.is_finite()
                || term.scale <= 0.0
        }) {
            return refuse("centre and spread must be finite, spread above zero");
        }
        // Every term belongs to exactly one place, in order: nothing outside, nothing twice.
        let mut next = 0_u32;
        for (feature, encoding) in wire.schema.features().iter().zip(&wire.encodings) {
            let categorical = matches!(encoding, Encoding::Levels { .. });
            if categorical != feature.kind().is_categorical() {
                return refuse("encoding and kind of a feature disagree");
            }
            match encoding {
                Encoding::Number {
                    term,
                    fill,
                    missing,
                } => {
                    if *term != next || missing.is_some_and(|number| number != next + 1) {
                        return refuse("term numbers out of order");
                    }
                    if fill.is_some_and(|fill| !fill.is_finite()) {
                        return refuse("fill value must be finite");
                    }
                    next += 1 + u32::from(missing.is_some());
                }
                Encoding::Levels {
                    levels,
                    terms,
                    missing,
                    rare,
                    ..
                } => {
                    if terms.start != next || terms.end < terms.start {
                        return refuse("term numbers out of order");
                    }
                    if !levels.windows(2).all(|pair| pair[0].0 < pair[1].0) {
                        return refuse("levels must be sorted and unique");
                    }
                    let named = levels.iter().filter_map(|(_, term)| *term);
                    if !named
                        .chain(*missing)
                        .chain(*rare)
                        .all(|number| terms.contains(&number))
                    {
                        return refuse("term of a level outside its feature");
                    }
                    next = terms.end;
                }
            }
        }
        if next as usize != wire.terms.len() {
            return refuse("number of terms and encodings disagree");
        }
        Ok(Self {
            schema: wire.schema,
            positional: wire.positional,
            encodings: wire.encodings,
            terms: wire.terms,
        })
    }
}

impl Encoder {
    /// Concludes an encoder from the sums over all training rows. `fills` holds the value for the
    /// missing entries of each numeric feature when `impute` is a median or mode.
    pub(crate) fn conclude(
        schema: &Schema,
        positional: bool,
        preparation: &Preparation,
        coding: Coding,
        sums: &Statistics,
        fills: Option<&[f64]>,
    ) -> Result<Self> {
        let mut terms = Vec::new();
        let mut encodings = Vec::with_capacity(schema.len());
        for (position, (feature, sums_of)) in
            schema.features().iter().zip(&sums.features).enumerate()
        {
            let fill = fills.map(|fills| fills[position]);
            encodings.push(match sums_of {
                FeatureSums::Number { .. } => {
                    number(feature, sums_of, sums.weight, preparation, fill, &mut terms)?
                }
                FeatureSums::Levels { levels, missing } => levels_of(
                    feature,
                    levels.iter().map(|(level, tally)| (level.as_str(), *tally)),
                    *missing,
                    sums.weight,
                    preparation,
                    coding,
                    &mut terms,
                ),
            });
        }
        if terms.len() > MAX_TERMS {
            return Err(ErrorKind::TooLarge {
                what: "terms of a design",
                bytes: terms.len() as u64,
                ceiling: MAX_TERMS as u64,
            }
            .into());
        }
        Ok(Self {
            schema: schema.clone(),
            positional,
            encodings,
            terms,
        })
    }

    /// The same encoder without centring, for a model without intercept: a constant column is then
    /// a column like any other.
    pub(crate) fn uncentered(mut self) -> Self {
        for term in &mut self.terms {
            term.center = 0.0;
            if term.constant && term.mean != 0.0 {
                term.constant = false;
                term.scale = term.mean.abs();
            }
        }
        self
    }

    /// The same encoder without centring and with powers of two for spreads, near the root mean
    /// square of each column: the design then holds the columns' own values, scaled without
    /// rounding.
    pub(crate) fn exact(mut self) -> Self {
        for term in &mut self.terms {
            let spread = if term.constant { 0.0 } else { term.scale };
            term.center = 0.0;
            term.scale = power_of_two(term.mean.hypot(spread));
            term.constant = false;
        }
        self
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(crate) fn positional(&self) -> bool {
        self.positional
    }

    pub(crate) fn encodings(&self) -> &[Encoding] {
        &self.encodings
    }

    pub(crate) fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Whether every feature is one number that varies: terms and features are then the same.
    pub(crate) fn plain(&self) -> bool {
        self.terms.len() == self.encodings.len()
            && self.terms.iter().all(|term| !term.constant)
            && self
                .encodings
                .iter()
                .all(|encoding| matches!(encoding, Encoding::Number { missing: None, .. }))
    }

    pub(crate) fn n_terms(&self) -> usize {
        self.terms.len()
    }
}

/// A power of two near a size; 1 where it is zero.
pub(crate) fn power_of_two(size: f64) -> f64 {
    if size == 0.0 {
        return 1.0;
    }
    libm::ldexp(1.0, libm::frexp(size).1.clamp(-1000, 1000))
}

/// The name of the column that marks missing values of a feature.
fn missing_name(feature: &Feature) -> String {
    format!("{} = {MISSING}", feature.name())
}

/// A 0/1 column that is 1 with the given share of the weight.
fn share_term(name: String, share: f64) -> Term {
    let spread = (share * (1.0 - share)).max(0.0).sqrt();
    let constant = spread <= CONSTANT_SPREAD;
    Term {
        name,
        mean: share,
        center: share,
        scale: if constant { 1.0 } else { spread },
        constant,
    }
}

fn number(
    feature: &Feature,
    sums: &FeatureSums,
    weight: f64,
    preparation: &Preparation,
    fill: Option<f64>,
    terms: &mut Vec<Term>,
) -> Result<Encoding> {
    let FeatureSums::Number {
        moments,
        missing,
        varies,
        present,
    } = sums
    else {
        return Err(ErrorKind::Schema("a number was expected".into()).into());
    };
    if *present > 0 && (!moments.mean.is_finite() || !moments.squares.is_finite())
        || (*varies && moments.squares == 0.0)
    {
        return Err(ErrorKind::Scale {
            what: "preparation",
            column: feature.name().to_string(),
        }
        .into());
    }
    let fill = match preparation.impute {
        Impute::Mean => Some(moments.mean),
        Impute::Constant(value) => Some(value),
        Impute::Median | Impute::MostFrequent => Some(fill.unwrap_or(moments.mean)),
        Impute::Refuse => None,
    };
    // The column as the design shows it: present values, and the fill value for the missing ones.
    let filled = match fill {
        Some(value) => moments.merge(crate::numeric::moments::Moments::constant(
            value,
            missing.weight,
        )),
        None => *moments,
    };
    let spread = filled.variance().sqrt();
    if !filled.mean.is_finite() || !spread.is_finite() {
        return Err(ErrorKind::Scale {
            what: "preparation with its fill value",
            column: feature.name().to_string(),
        }
        .into());
    }
    let constant = *present == 0 || spread <= CONSTANT_SPREAD * filled.mean.abs() || spread == 0.0;
    let term = terms.len() as u32;
    terms.push(Term {
        name: feature.name().to_string(),
        mean: filled.mean,
        center: filled.mean,
        scale: if constant { 1.0 } else { spread },
        constant,
    });
    let missing = (preparation.indicators && fill.is_some() && missing.rows > 0).then(|| {
        terms.push(share_term(missing_name(feature), missing.weight / weight));
        term + 1
    });
    Ok(Encoding::Number {
        term,
        fill,
        missing,
    })
}

fn levels_of<'a>(
    feature: &Feature,
    levels: impl Iterator<Item = (&'a str, Tally)>,
    missing: Tally,
    weight: f64,
    preparation: &Preparation,
    coding: Coding,
    terms: &mut Vec<Term>,
) -> Encoding {
    let start = terms.len() as u32;
    let mut pooled = Tally::default();
    let mut known = Vec::new();
    let mut has_reference = coding == Coding::OneHot;
    for (level, tally) in levels {
        if tally.rows < preparation.min_level_rows {
            pooled.rows += tally.rows;
            pooled.weight += tally.weight;
            known.push((level.to_string(), None, true));
            continue;
        }
        if !has_reference {
            has_reference = true;
            known.push((level.to_string(), None, false));
            continue;
        }
        known.push((level.to_string(), Some(terms.len() as u32), false));
        let name = format!("{} = {level}", feature.name());
        terms.push(share_term(name, tally.weight / weight));
    }
    let mut extra = |name: &str, tally: Tally| {
        // Where nothing else can be the reference, the pool or the missing level is.
        if tally.rows == 0 || !std::mem::replace(&mut has_reference, true) {
            return None;
        }
        let name = format!("{} = {name}", feature.name());
        terms.push(share_term(name, tally.weight / weight));
        Some(terms.len() as u32 - 1)
    };
    let rare = extra(RARE, pooled);
    let missing = extra(MISSING, missing);
    Encoding::Levels {
        levels: known
            .into_iter()
            .map(|(level, term, is_rare)| (level, if is_rare { rare } else { term }))
            .collect(),
        terms: start..terms.len() as u32,
        missing,
        rare,
        unseen: preparation.unseen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimator::RowsSource;
    use crate::estimator::rounds::{Batch, TargetBatch};
    use crate::matrix::{Column, PatientMatrix};

    fn fit(matrix: &PatientMatrix, preparation: &Preparation, coding: Coding) -> Result<Encoder> {
        let sums = Statistics::of(
            matrix.schema(),
            &Batch {
                rows: RowsSource::Matrix(matrix),
                range: 0..matrix.n_rows(),
                target: TargetBatch::None,
                weights: None,
            },
        )?;
        Encoder::conclude(matrix.schema(), false, preparation, coding, &sums, None)
    }

    fn names(encoder: &Encoder) -> Vec<&str> {
        encoder
            .terms()
            .iter()
            .map(|term| term.name.as_str())
            .collect()
    }

    fn wards() -> PatientMatrix {
        PatientMatrix::new(vec![
            (
                Feature::numeric("age"),
                Column::dense(vec![40.0, f64::NAN, 60.0, 50.0, 50.0]).unwrap(),
            ),
            (
                Feature::category("ward"),
                Column::categorical([Some("a"), Some("b"), Some("b"), Some("c"), None]),
            ),
        ])
        .unwrap()
    }

    #[test]
    fn codings_give_the_expected_terms() {
        let encoder = fit(&wards(), &Preparation::default(), Coding::OneHot).unwrap();
        assert_eq!(
            names(&encoder),
            [
                "age",
                "age = (missing)",
                "ward = a",
                "ward = b",
                "ward = c",
                "ward = (missing)"
            ]
        );
        assert_eq!(encoder.terms()[0].center, 50.0);
        assert!((encoder.terms()[0].scale - (200.0_f64 / 5.0).sqrt()).abs() < 1e-12);
        let pooled = Preparation::default().min_level_rows(2).indicators(false);
        let encoder = fit(&wards(), &pooled, Coding::Reference).unwrap();
        assert_eq!(
            names(&encoder),
            ["age", "ward = (rare)", "ward = (missing)"]
        );
    }

    #[test]
    fn the_fill_value_is_the_one_asked_for() {
        let fill = |impute| {
            let preparation = Preparation::default().impute(impute);
            let encoder = fit(&wards(), &preparation, Coding::OneHot).unwrap();
            match encoder.encodings()[0] {
                Encoding::Number { fill, missing, .. } => {
                    // The marker is there wherever a gap is filled: 1 of 5 rows.
                    let marker = missing.map(|term| encoder.terms()[term as usize].mean);
                    assert_eq!(marker, fill.map(|_| 0.2));
                    (fill, encoder.terms()[0].mean)
                }
                Encoding::Levels { .. } => panic!("age is a number"),
            }
        };
        // 40, 60, 50 and 50 are present; filled with 0 their mean is 40.
        assert_eq!(fill(Impute::Mean), (Some(50.0), 50.0));
        assert_eq!(fill(Impute::Constant(0.0)), (Some(0.0), 40.0));
        assert_eq!(fill(Impute::Refuse), (None, 50.0));
    }

    #[test]
    fn constant_and_all_missing_columns_are_marked() {
        let matrix = PatientMatrix::from_columns([
            ("same", vec![0.1; 7]),
            ("none", vec![f64::NAN; 7]),
            ("offset", (0..7).map(|i| 1e9 + i as f64).collect()),
        ])
        .unwrap();
        let encoder = fit(&matrix, &Preparation::default(), Coding::OneHot).unwrap();
        let constant: Vec<bool> = encoder.terms().iter().map(|term| term.constant).collect();
        assert_eq!(constant, [true, true, true, false]);
    }

    #[test]
    fn spread_that_over_or_underflows_is_an_error() {
        for scale in [1e200, 1e-200] {
            let matrix =
                PatientMatrix::from_columns([("x", vec![scale, -scale, 2.0 * scale])]).unwrap();
            let error = fit(&matrix, &Preparation::default(), Coding::OneHot).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Scale { .. }), "{error}");
        }
        let matrix = PatientMatrix::from_columns([("x", vec![1e150, -1e150, 2e150])]).unwrap();
        assert!(fit(&matrix, &Preparation::default(), Coding::OneHot).is_ok());
    }

    #[test]
    fn tampered_encoders_do_not_load() {
        let encoder = fit(&wards(), &Preparation::default(), Coding::Reference).unwrap();
        let good = serde_json::to_value(&encoder).unwrap();
        assert_eq!(
            serde_json::from_value::<Encoder>(good.clone()).unwrap(),
            encoder
        );
        let mut bad = good.clone();
        bad["terms"][0]["scale"] = 0.0.into();
        assert!(serde_json::from_value::<Encoder>(bad).is_err());
        let mut bad = good.clone();
        bad["encodings"][0]["Number"]["term"] = 5.into();
        assert!(serde_json::from_value::<Encoder>(bad).is_err());
        let mut bad = good.clone();
        bad["encodings"][1]["Levels"]["levels"][1][1] = 0.into();
        assert!(serde_json::from_value::<Encoder>(bad).is_err());
        let mut bad = good;
        bad["terms"].as_array_mut().unwrap().pop();
        assert!(serde_json::from_value::<Encoder>(bad).is_err());
    }
}
