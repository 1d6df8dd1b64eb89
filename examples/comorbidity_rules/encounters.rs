//! From encounters to items of patients: diagnoses by block of ICD-9-CM, drugs, age and sex.

use std::collections::BTreeMap;
use std::fs::File;

use galen::design::{Hierarchy, ItemParams, Itemizer, Items};
use galen::ingest::TableReader;
use galen::ingest::codes::{CodeSystem, Level};
use galen::prelude::*;

pub(crate) type Outcome<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const DATA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/examples/data/diabetic_data.csv.gz"
);

const DIAGNOSES: [&str; 3] = ["diag_1", "diag_2", "diag_3"];

/// Drugs with their levels "No", "Steady", "Up" and "Down".
const DRUGS: [&str; 10] = [
    "metformin",
    "repaglinide",
    "nateglinide",
    "glimepiride",
    "glipizide",
    "glyburide",
    "pioglitazone",
    "rosiglitazone",
    "acarbose",
    "insulin",
];

/// Every encounter, and whether the patient came back within 30 days.
pub(crate) fn read() -> Outcome<Cohort<Binary>> {
    let mut reader = TableReader::new()
        .missing_tokens(["?"])
        .patient("patient_nbr")
        .outcome("readmitted");
    for codes in DIAGNOSES {
        reader = reader.declare(Feature::category(codes));
    }
    let table = reader.read(File::open(DATA)?)?;
    let outcome = Binary::event("<30").of_column(table.outcome("readmitted")?)?;
    Ok(Cohort::new(table.into_matrix(), outcome))
}

/// What makes items, learnt on the training side: every code, what stands above it, every drug.
pub(crate) fn items(train: &PatientMatrix) -> Outcome<Itemizer> {
    let mut above = Vec::new();
    for column in DIAGNOSES {
        for code in train.column(column)?.levels() {
            if let Some(block) = CodeSystem::Icd9Cm.roll_up(code, Level::Block)? {
                above.push((format!("diagnosis {code}"), block.into_owned()));
            }
        }
    }
    for drug in DRUGS {
        above
            .extend(["Steady", "Up", "Down"].map(|use_| (format!("{drug} = {use_}"), drug.into())));
    }
    let params = ItemParams::default()
        .only(DIAGNOSES)
        .only(DRUGS)
        .codes("diagnosis", DIAGNOSES)
        .hierarchy(Hierarchy::new(above)?);
    let no = |params: ItemParams, drug| params.leave_out_level(drug, "No");
    Ok(DRUGS.into_iter().fold(params, no).learn(train)?)
}

/// Blocks and drugs only: what stands above codes and doses.
pub(crate) fn rolled_up(items: &Items) -> Items {
    items.keep(|name| !name.starts_with("diagnosis ") && !name.contains(" = "))
}

/// What strata are of.
pub(crate) fn age_and_sex(train: &PatientMatrix) -> Outcome<Itemizer> {
    Ok(ItemParams::default().only(["age", "gender"]).learn(train)?)
}

/// The chapter of a block, or that it is a drug.
pub(crate) fn chapter(name: &str) -> String {
    let code = name.split(['-', ' ']).next().unwrap_or_default();
    let chapter = CodeSystem::Icd9Cm.chapter(code).ok().flatten();
    match chapter.and_then(|chapter| chapter.split_once(' ')) {
        Some((_, title)) => title.to_string(),
        None => "Drugs".into(),
    }
}

/// A patient, the number of an encounter, and the chapter of its first diagnosis.
pub(crate) type Step = (usize, i32, String);

/// Chapters of the first diagnoses of patients with two encounters and more: number of these patients, and
/// their steps. The table has no dates; encounters are numbered in the
/// order of their keys.
pub(crate) fn steps(encounters: &PatientMatrix) -> Outcome<(usize, Vec<Step>)> {
    let first = encounters.column("diag_1")?;
    let order = encounters.column("encounter_id")?;
    let patients = encounters.keys().patient_keys().ok_or("no patients")?;
    let mut by_patient: BTreeMap<u32, Vec<(f64, usize)>> = BTreeMap::new();
    for (row, key) in patients.codes().iter().enumerate() {
        by_patient
            .entry(*key)
            .or_default()
            .push((order.value(row), row));
    }
    by_patient.retain(|_, rows| rows.len() > 1);
    let mut steps = Vec::new();
    for (patient, rows) in by_patient.values_mut().enumerate() {
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (number, (_, row)) in rows.iter().enumerate() {
            if let Some(code) = first.level(*row)
                && let Some(chapter) = CodeSystem::Icd9Cm.chapter(code)?
            {
                let title = chapter.split_once(' ').map_or(chapter, |(_, title)| title);
                let short = title.trim_start_matches("Diseases of the ");
                steps.push((patient, number as i32, short.to_string()));
            }
        }
    }
    Ok((by_patient.len(), steps))
}
