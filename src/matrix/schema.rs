//! Features and their schema: what a column is called, of which kind, in which unit.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};
use crate::numeric::seed::text_code;

/// What the numbers of a column mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FeatureKind {
    /// A measured quantity: labs, vitals, age.
    Numeric,
    /// A whole number of events, zero or more.
    Count,
    /// Present (1) or absent (0).
    Flag,
    /// One of several levels without order.
    Category,
    /// One of several levels in order.
    Ordinal,
    /// A point or span of time, in days.
    Time,
}

impl FeatureKind {
    /// Whether values of this kind are levels rather than numbers.
    pub fn is_categorical(self) -> bool {
        matches!(self, Self::Category | Self::Ordinal)
    }
}

impl fmt::Display for FeatureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Numeric => "numeric",
            Self::Count => "count",
            Self::Flag => "flag",
            Self::Category => "category",
            Self::Ordinal => "ordinal",
            Self::Time => "time",
        })
    }
}

/// Code of a feature in a terminology.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureCode {
    /// Terminology, for example `LOINC`.
    pub system: String,
    /// Code in it, for example `4548-4`.
    pub code: String,
}

/// Attribute by which a result is audited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Sensitive {
    /// Sex or gender.
    Sex,
    /// Race or ethnicity.
    Race,
    /// Age or age band.
    Age,
    /// Insurance or payer.
    Payer,
    /// Language, income, place: any other attribute that must be audited.
    Other,
}

/// A described variable.
///
/// A plausible range says which values a model may be asked about: scoring one patient refuses a
/// value outside it, while a matrix keeps whatever was recorded.
///
/// ```
/// use galen::matrix::{Feature, Sensitive};
/// let hba1c = Feature::numeric("hba1c").unit("%").code("LOINC", "4548-4");
/// let sex = Feature::category("sex").sensitive(Sensitive::Sex);
/// assert_eq!(hba1c.unit_name(), Some("%"));
/// assert!(sex.kind().is_categorical());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    name: String,
    kind: FeatureKind,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    code: Option<FeatureCode>,
    #[serde(default)]
    sensitive: Option<Sensitive>,
    #[serde(default)]
    range: Option<(f64, f64)>,
}

impl Feature {
    /// A feature of the given kind.
    pub fn new(name: impl Into<String>, kind: FeatureKind) -> Self {
        Self {
            name: name.into(),
            kind,
            unit: None,
            code: None,
            sensitive: None,
            range: None,
        }
    }

    /// A measured quantity.
    pub fn numeric(name: impl Into<String>) -> Self {
        Self::new(name, FeatureKind::Numeric)
    }

    /// A count of events.
    pub fn count(name: impl Into<String>) -> Self {
        Self::new(name, FeatureKind::Count)
    }

    /// Present or absent.
    pub fn flag(name: impl Into<String>) -> Self {
        Self::new(name, FeatureKind::Flag)
    }

    /// Levels without order.
    pub fn category(name: impl Into<String>) -> Self {
        Self::new(name, FeatureKind::Category)
    }

    /// Levels in order.
    pub fn ordinal(name: impl Into<String>) -> Self {
        Self::new(name, FeatureKind::Ordinal)
    }

    /// Sets the unit, in UCUM where there is one (`mg/dL`).
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// Sets the code in a terminology.
    #[must_use]
    pub fn code(mut self, system: impl Into<String>, code: impl Into<String>) -> Self {
        self.code = Some(FeatureCode {
            system: system.into(),
            code: code.into(),
        });
        self
    }

    /// Marks an attribute by which results are audited.
    #[must_use]
    pub fn sensitive(mut self, role: Sensitive) -> Self {
        self.sensitive = Some(role);
        self
    }

    /// Sets the plausible range, both ends included.
    #[must_use]
    pub fn range(mut self, lowest: f64, highest: f64) -> Self {
        self.range = Some((lowest, highest));
        self
    }

    /// The same feature under another name.
    #[must_use]
    pub fn renamed(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Name, unique in a schema.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Kind.
    pub fn kind(&self) -> FeatureKind {
        self.kind
    }

    /// Unit, if one is set.
    pub fn unit_name(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    /// Code, if one is set.
    pub fn terminology(&self) -> Option<&FeatureCode> {
        self.code.as_ref()
    }

    /// Role in an audit, if one is set.
    pub fn sensitive_role(&self) -> Option<Sensitive> {
        self.sensitive
    }

    /// Plausible range, if one is set.
    pub fn plausible_range(&self) -> Option<(f64, f64)> {
        self.range
    }

    /// Checks that `other` may stand where this feature was expected: same name, kind and unit.
    pub(crate) fn check_same(&self, other: &Self) -> Result<()> {
        let describe = |feature: &Self| match &feature.unit {
            Some(unit) => format!("{} in {unit}", feature.kind),
            None => feature.kind.to_string(),
        };
        if self.kind != other.kind || self.unit != other.unit {
            return Err(ErrorKind::FeatureMismatch {
                name: self.name.clone(),
                expected: describe(self),
                found: describe(other),
            }
            .into());
        }
        Ok(())
    }
}

/// The features of a matrix in column order; names are unique.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Feature>", into = "Vec<Feature>")]
pub struct Schema {
    features: Arc<[Feature]>,
    index: Arc<BTreeMap<String, usize>>,
}

impl Schema {
    /// A schema of the given features.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] for an empty or repeated name.
    pub fn new(features: Vec<Feature>) -> Result<Self> {
        let mut index = BTreeMap::new();
        for (position, feature) in features.iter().enumerate() {
            if feature.name.is_empty() {
                return Err(
                    ErrorKind::Schema(format!("feature {position} has an empty name")).into(),
                );
            }
            if let Some(first) = index.insert(feature.name.clone(), position) {
                return Err(ErrorKind::Schema(format!(
                    "feature name `{}` stands twice, at columns {first} and {position}",
                    feature.name
                ))
                .into());
            }
        }
        Ok(Self {
            features: features.into(),
            index: Arc::new(index),
        })
    }

    /// Features in column order.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.features.len()
    }

    /// Whether there are no columns.
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }

    /// Column of a name, if it exists.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// Column of a name.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureNames`] with the nearest name when there is no such column.
    pub fn find(&self, name: &str) -> Result<usize> {
        self.position(name)
            .ok_or_else(|| self.unknown(vec![name.to_string()]))
    }

    /// The error for names that are not there, with a suggestion for the first of them.
    pub(crate) fn unknown(&self, missing: Vec<String>) -> crate::error::Error {
        let suggestion = missing.first().and_then(|name| self.nearest(name));
        ErrorKind::FeatureNames {
            missing,
            suggestion,
        }
        .into()
    }

    /// The nearest existing name within a third of the length in edits.
    pub fn nearest(&self, name: &str) -> Option<String> {
        let limit = name.chars().count().div_ceil(3).max(1);
        self.features
            .iter()
            .map(|feature| {
                (
                    edits(&name.to_lowercase(), &feature.name.to_lowercase()),
                    feature,
                )
            })
            .filter(|(distance, _)| *distance <= limit)
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, feature)| feature.name.clone())
    }

    /// A stable 64-bit code of names, kinds and units, in order.
    pub fn fingerprint(&self) -> u64 {
        let mut text = String::new();
        for feature in self.features.iter() {
            text.push_str(&feature.name);
            text.push('\u{1f}');
            text.push_str(&feature.kind.to_string());
            text.push('\u{1f}');
            text.push_str(feature.unit.as_deref().unwrap_or(""));
            text.push('\u{1e}');
        }
        text_code(&text)
    }
}

impl TryFrom<Vec<Feature>> for Schema {
    type Error = crate::error::Error;

    fn try_from(features: Vec<Feature>) -> Result<Self> {
        Self::new(features)
    }
}

impl From<Schema> for Vec<Feature> {
    fn from(schema: Schema) -> Self {
        schema.features.to_vec()
    }
}

/// Levenshtein distance (Levenshtein 1966), two rows at a time.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = above[0];
        above[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = above[j + 1];
            above[j + 1] = replaced.min(above[j] + 1).min(diagonal + 1);
        }
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_get_a_suggestion() {
        let schema =
            Schema::new(vec![Feature::numeric("age"), Feature::count("n_visits")]).unwrap();
        assert_eq!(schema.nearest("n_vists").as_deref(), Some("n_visits"));
        assert_eq!(schema.nearest("AGE").as_deref(), Some("age"));
        assert_eq!(schema.nearest("cholesterol"), None);
        let error = schema.find("n_vists").unwrap_err();
        assert!(error.to_string().contains("did you mean `n_visits`?"));
    }

    #[test]
    fn repeated_names_are_refused() {
        let error = Schema::new(vec![Feature::numeric("a"), Feature::flag("a")]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("stands twice, at columns 0 and 1")
        );
        assert!(Schema::new(vec![Feature::numeric("")]).is_err());
    }

    #[test]
    fn fingerprint_sees_name_kind_unit_and_order() {
        let of = |features: Vec<Feature>| Schema::new(features).unwrap().fingerprint();
        let (a, b) = (Feature::numeric("a"), Feature::numeric("b"));
        let base = of(vec![a.clone(), b.clone()]);
        assert_ne!(base, of(vec![b.clone(), a.clone()]));
        assert_ne!(base, of(vec![a.clone().unit("kg"), b.clone()]));
        assert_ne!(base, of(vec![a, Feature::count("b")]));
    }

    #[test]
    fn edit_distance_by_hand() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
    }
}
