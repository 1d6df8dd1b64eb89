//! How the values of one feature become items.

use serde::{Deserialize, Serialize};

use crate::matrix::Feature;

/// How values of a feature become items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Rule {
    Present,
    Levels(Vec<String>),
    /// The name of a list of codes, and codes.
    Codes(String, Vec<String>),
    Cuts(Vec<f64>),
    Range(f64, f64),
}

impl Rule {
    /// Ends of intervals are finite and increase.
    pub(super) fn is_sound(&self) -> bool {
        match self {
            Self::Present | Self::Levels(_) | Self::Codes(..) => true,
            Self::Cuts(ends) => {
                ends.iter().all(|end| end.is_finite()) && ends.windows(2).all(|e| e[0] < e[1])
            }
            Self::Range(low, high) => low.is_finite() && high.is_finite() && low < high,
        }
    }

    /// Whether the rule is one for such a feature.
    pub(super) fn fits(&self, feature: &Feature) -> bool {
        let of_levels = matches!(self, Self::Levels(_) | Self::Codes(..));
        of_levels == feature.kind().is_categorical()
    }

    pub(super) fn names(&self, feature: &Feature) -> Vec<String> {
        let name = feature.name();
        let unit = feature
            .unit_name()
            .map(|unit| format!(" {unit}"))
            .unwrap_or_default();
        match self {
            Self::Present => vec![name.into()],
            Self::Levels(levels) => levels
                .iter()
                .map(|level| format!("{name} = {level}"))
                .collect(),
            Self::Codes(list, codes) => codes.iter().map(|code| format!("{list} {code}")).collect(),
            Self::Range(low, high) => vec![
                format!("{name} < {low}{unit}"),
                format!("{low} <= {name} <= {high}{unit}"),
                format!("{name} > {high}{unit}"),
            ],
            Self::Cuts(ends) => match (ends.first(), ends.last()) {
                (Some(first), Some(last)) => {
                    let between = ends
                        .windows(2)
                        .map(|pair| format!("{} < {name} <= {}{unit}", pair[0], pair[1]));
                    let lowest = std::iter::once(format!("{name} <= {first}{unit}"));
                    lowest
                        .chain(between)
                        .chain([format!("{name} > {last}{unit}")])
                        .collect()
                }
                _ => vec![format!("{name} known")],
            },
        }
    }

    /// The item of a number that is not missing.
    pub(super) fn of_number(&self, value: f64) -> Option<u32> {
        match self {
            Self::Present => (value > 0.0).then_some(0),
            Self::Levels(_) | Self::Codes(..) => None,
            Self::Cuts(ends) => Some(ends.partition_point(|end| *end < value) as u32),
            Self::Range(low, high) => Some(u32::from(value >= *low) + u32::from(value > *high)),
        }
    }
}
