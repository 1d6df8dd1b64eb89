//! The nine groups of primary diagnoses in the study of 130 United States hospitals.

use super::CodeSystem;
use crate::error::Result;

/// The groups that [`strack_group`] names, in the order of the paper.
pub const STRACK_GROUPS: [&str; 9] = [
    "Circulatory",
    "Respiratory",
    "Digestive",
    "Diabetes",
    "Injury",
    "Musculoskeletal",
    "Genitourinary",
    "Neoplasms",
    "Other",
];

/// Group of an ICD-9-CM code among the nine of Strack et al.; E and V codes are `Other`.
///
/// | group | categories |
/// | --- | --- |
/// | Circulatory | 390-459, 785 |
/// | Respiratory | 460-519, 786 |
/// | Digestive | 520-579, 787 |
/// | Diabetes | 250 |
/// | Injury | 800-999 |
/// | Musculoskeletal | 710-739 |
/// | Genitourinary | 580-629, 788 |
/// | Neoplasms | 140-239 |
/// | Other | everything else |
///
/// # Errors
/// [`OutOfRange`](crate::error::ErrorKind::OutOfRange) when the text has not the shape of an
/// ICD-9-CM code, marks of missing values included.
///
/// # Source
/// Strack, DeShazo, Gennings, Olmo, Ventura, Cios, Clore, Impact of HbA1c measurement on hospital
/// readmission rates, BioMed Research International 2014, table 2, doi 10.1155/2014/781670.
///
/// ```
/// use galen::ingest::codes::strack_group;
///
/// assert_eq!(strack_group("250.83")?, "Diabetes");
/// assert_eq!(strack_group("428")?, "Circulatory");
/// assert_eq!(strack_group("V57")?, "Other");
/// # Ok::<(), galen::Error>(())
/// ```
pub fn strack_group(text: &str) -> Result<&'static str> {
    let code = CodeSystem::Icd9Cm.parse(text)?;
    // E and V categories do not parse as a number.
    Ok(match code.category().parse::<u16>().unwrap_or(0) {
        390..=459 | 785 => "Circulatory",
        460..=519 | 786 => "Respiratory",
        520..=579 | 787 => "Digestive",
        250 => "Diabetes",
        800..=999 => "Injury",
        710..=739 => "Musculoskeletal",
        580..=629 | 788 => "Genitourinary",
        140..=239 => "Neoplasms",
        _ => "Other",
    })
}
