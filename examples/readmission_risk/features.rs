//! From the table of encounters to what the model reads.

use std::collections::BTreeMap;
use std::fs::File;

use galen::design::Preparation;
use galen::ingest::codes::{CodeSystem, Level, strack_group};
use galen::ingest::{CohortFlow, TableReader};
use galen::matrix::{Column, Sensitive};
use galen::prelude::*;

pub(crate) type Outcome<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const DATA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/examples/data/diabetic_data.csv.gz"
);

/// Discharge dispositions: expired, or to hospice. They cannot, or should not, come back.
const DIED_OR_HOSPICE: [&str; 6] = ["11", "13", "14", "19", "20", "21"];

/// Counts and durations; read as they are and on a log scale.
const COUNTS: [&str; 8] = [
    "time_in_hospital",
    "num_lab_procedures",
    "num_procedures",
    "num_medications",
    "number_outpatient",
    "number_emergency",
    "number_inpatient",
    "number_diagnoses",
];

const DIAGNOSES: [&str; 3] = ["diag_1", "diag_2", "diag_3"];

/// Diagnosis categories with fewer encounters get no column of their own.
const MIN_ENCOUNTERS: usize = 100;

/// Levels with fewer training rows share one column.
const MIN_LEVEL_ROWS: u64 = 50;

/// The encounters that count, and who came back within 30 days of each.
pub(crate) fn read() -> Outcome<(CohortFlow, Binary)> {
    let mut reader = TableReader::new()
        .missing_tokens(["?"]) // the text `None` means "not tested" here and stays a level
        .patient("patient_nbr")
        .outcome("readmitted")
        .ignore("encounter_id")
        .declare(Feature::category("race").sensitive(Sensitive::Race))
        .declare(Feature::category("gender").sensitive(Sensitive::Sex))
        .declare(Feature::category("age").sensitive(Sensitive::Age));
    for codes in [
        "admission_type_id",
        "discharge_disposition_id",
        "admission_source_id",
    ] {
        reader = reader.declare(Feature::category(codes));
    }
    for codes in DIAGNOSES {
        reader = reader.declare(Feature::category(codes));
    }
    let table = reader.read(File::open(DATA)?)?;
    let outcome = Binary::event("<30").of_column(table.outcome("readmitted")?)?;

    let cohort =
        CohortFlow::start(table.into_matrix()).exclude("died or went to hospice", |row| {
            row.level("discharge_disposition_id")
                .is_some_and(|code| DIED_OR_HOSPICE.contains(&code))
        })?;
    let outcome = outcome.select_rows(cohort.rows())?;
    Ok((cohort, outcome))
}

/// By patient, always: nobody stands on both sides.
pub(crate) fn by_patient() -> Split {
    Split::by_rule(|patient| patient.parse::<u64>().is_ok_and(|n| n % 5 == 0))
}

/// How features become columns.
pub(crate) fn preparation() -> Preparation {
    Preparation::default().min_level_rows(MIN_LEVEL_ROWS)
}

/// What the model reads: the table, counts on a log scale, diagnoses rolled up.
pub(crate) fn features(encounters: &PatientMatrix) -> Outcome<PatientMatrix> {
    let icd = CodeSystem::Icd9Cm;
    let n_rows = encounters.n_rows();
    let mut matrix = encounters.without(&["weight", "examide", "citoglipton"])?;
    for name in COUNTS {
        let log = Feature::numeric(format!("log {name}"));
        matrix = matrix.derive(log, &[name], |value| value[0].ln_1p())?;
    }
    let mut anywhere: BTreeMap<String, Vec<(usize, f64)>> = BTreeMap::new();
    for name in DIAGNOSES {
        let codes = encounters.column(name)?;
        let mut categories = Vec::with_capacity(n_rows);
        let mut groups = Vec::with_capacity(n_rows);
        for row in 0..n_rows {
            let Some(code) = codes.level(row) else {
                categories.push(None);
                groups.push(None);
                continue;
            };
            let category = icd
                .roll_up(code, Level::Category)?
                .map(|text| text.to_string());
            if let Some(category) = &category {
                anywhere
                    .entry(category.clone())
                    .or_default()
                    .push((row, 1.0));
            }
            categories.push(category);
            groups.push(Some(strack_group(code)?));
        }
        matrix = matrix.without(&[name])?;
        if name == "diag_1" {
            matrix =
                matrix.with_column(Feature::category(name), Column::categorical(categories))?;
        }
        let group = Feature::category(format!("{name} group"));
        matrix = matrix.with_column(group, Column::categorical(groups))?;
    }
    for (category, mut rows) in anywhere {
        rows.sort_by_key(|(row, _)| *row);
        rows.dedup_by_key(|(row, _)| *row);
        if rows.len() >= MIN_ENCOUNTERS {
            let flag = Feature::flag(format!("any {category}")).code("ICD-9-CM", category);
            matrix = matrix.with_column(flag, Column::sparse(n_rows, rows)?)?;
        }
    }
    Ok(matrix)
}

/// A score in the manner of LACE (van Walraven et al. 2010, doi 10.1503/cmaj.091117): length of
/// stay, acute admission, comorbidity (here: number of diagnoses) and emergency visits.
pub(crate) fn lace_like(encounters: &PatientMatrix) -> Outcome<Column> {
    let stay = encounters.column("time_in_hospital")?;
    let kind = encounters.column("admission_type_id")?;
    let diagnoses = encounters.column("number_diagnoses")?;
    let emergency = encounters.column("number_emergency")?;
    let points = (0..encounters.n_rows()).map(|row| {
        let length = match stay.value(row) as u32 {
            0 => 0.0,
            days @ 1..=3 => f64::from(days),
            4..=6 => 4.0,
            7..=13 => 5.0,
            _ => 7.0,
        };
        let acute = if matches!(kind.level(row), Some("1" | "2" | "7")) {
            3.0
        } else {
            0.0
        };
        let comorbidity = (diagnoses.value(row) - 4.0).clamp(0.0, 5.0);
        length + acute + comorbidity + emergency.value(row).min(4.0)
    });
    Ok(Column::dense(points.collect::<Vec<f64>>())?)
}

/// The columns that Table 1 shows.
pub(crate) fn audited(train: &Cohort<Binary>) -> Outcome<Cohort<Binary>> {
    let mut shown = vec![
        "age",
        "gender",
        "race",
        "diag_1 group",
        "A1Cresult",
        "insulin",
    ];
    shown.extend(COUNTS);
    Ok(Cohort::new(
        train.records.select(&shown)?,
        train.targets.clone(),
    ))
}
