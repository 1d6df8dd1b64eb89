//! Who will be back within 30 days?
//!
//! From a hospital's CSV to an audited readmission model: 101,766 encounters of diabetic patients
//! in 130 US hospitals (Strack et al. 2014, doi 10.1155/2014/781670; data: Clore et al. 2014, doi
//! 10.24432/C5230J, CC BY 4.0). Run with `cargo run --release --example readmission_risk`.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::Instant;

use galen::design::Preparation;
use galen::estimator::Saved;
use galen::evaluation::{
    evaluate_sealed, groups_of, score_with, threshold_for_fraction, threshold_report,
};
use galen::ingest::codes::{CodeSystem, Level, strack_group};
use galen::ingest::{CohortFlow, TableReader};
use galen::matrix::{Column, Sensitive};
use galen::prelude::*;
use galen::report::{ReportOptions, TableOne, TableOneOptions, risk_report};

type Outcome<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const DATA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/examples/data/diabetic_data.csv.gz"
);
const REPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/readmission_risk.html");

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

fn main() -> Outcome<()> {
    let start = Instant::now();
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

    let cohort = CohortFlow::start(table.into_matrix()).exclude("died or to hospice", |row| {
        row.level("discharge_disposition_id")
            .is_some_and(|code| DIED_OR_HOSPICE.contains(&code))
    })?;
    let outcome = outcome.select_rows(cohort.rows())?;
    println!("{cohort}");
    let flow: Vec<(String, usize, Option<usize>)> = flow_lines(cohort.flow());
    let encounters = cohort.into_matrix();
    let features = features(&encounters)?;
    let lace = lace_like(&encounters)?;

    // By patient, always: nobody stands on both sides.
    let by_patient = || Split::by_rule(|patient| patient.parse::<u64>().is_ok_and(|n| n % 5 == 0));
    let (train, test) = by_patient().apply(&Cohort::new(features, outcome.clone()))?;
    println!("{}\n", train.report());

    let choice = LogisticRegression::path()
        .l1_ratio(0.5)
        .n_strengths(30)
        .min_ratio(0.02)
        .preparation(Preparation::default().min_level_rows(50))
        .choose(&train, &KFold::new(5).seed(1))?;
    let model = choice.best()?;
    println!(
        "elastic net chosen by 5 folds of patients: {} of {} terms, strength {:.5}\n",
        model.n_active(),
        model.coefficients().len(),
        model.strength()
    );

    // Saved, loaded, and equal to the bit.
    let bytes = Saved::new(model.clone()).to_bytes()?;
    let loaded = Saved::<LogisticRegression>::from_bytes(&bytes)?.into_model();
    assert_eq!(&loaded, model, "a loaded model is the saved one");
    assert_eq!(
        loaded.predict_risk(test.rows())?,
        model.predict_risk(test.rows())?
    );
    println!(
        "saved model: {} bytes, loaded and equal to the bit",
        bytes.len()
    );

    // The sealed test rows, against simple comparators on the same rows.
    let scored = evaluate_sealed(&test, &loaded)?;
    let simple = encounters
        .select(&["number_inpatient"])?
        .with_column(Feature::numeric("lace"), lace)?;
    let (_, simple) = by_patient().apply(&Cohort::new(simple, outcome))?;
    let mut options = ReportOptions::default()
        .title("Readmission within 30 days of discharge")
        .comparator(score_with(
            &simple,
            "Prior inpatient visits alone",
            "number_inpatient",
        )?)
        .comparator(score_with(&simple, "LACE-like score", "lace")?);
    for group in ["race", "gender", "age"] {
        options = options.subgroup(group, groups_of(&test, group)?);
    }
    let card = risk_report(&loaded, &scored, &options)?
        .intended_use("Ranking discharged diabetic inpatients for follow-up by a care team.")
        .not_for("Deciding on care without a clinician; other diseases; other countries.")
        .source("Diabetes 130-US hospitals 1999-2008, UCI 296, doi 10.24432/C5230J, CC BY 4.0.")
        .outcome("Readmission to any of the hospitals within 30 days (level `<30`).")
        .flow(flow)
        .missing_policy("Missing numbers: training mean and a marker; missing levels: a level.")
        .table_one(TableOne::by_outcome(
            &audited(&train)?,
            &TableOneOptions::default(),
        )?)
        .limit("One disease; admissions of 1999 to 2008; practice has changed since.")
        .limit("No hospital key: transport between hospitals could not be tested.")
        .limit("Readmissions to hospitals outside the network, and deaths at home, are unseen.");
    println!("{}", card.to_text());

    let (truth, risk) = (scored.truth.to_vec(), scored.risk.to_vec());
    let top = threshold_for_fraction(&risk, 0.1)?;
    let alerts = threshold_report(&truth, &risk, top.threshold, 0.95)?;
    println!("the tenth at highest risk, as a care team sees it:\n{alerts:#?}\n");

    std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/target"))?;
    std::fs::write(REPORT, card.to_html())?;
    println!("report: {REPORT}");
    println!("finished in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn flow_lines(flow: &galen::ingest::Flow) -> Vec<(String, usize, Option<usize>)> {
    let start = ("Encounters read".to_string(), flow.start.rows, None);
    let steps = flow.steps.iter().map(|step| {
        let label = format!("of these {}, dropped", step.reason);
        (label, step.dropped, Some(flow.start.rows))
    });
    std::iter::once(start).chain(steps).collect()
}

/// What the model reads: the table, counts on a log scale, diagnoses rolled up.
fn features(encounters: &PatientMatrix) -> Outcome<PatientMatrix> {
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
fn lace_like(encounters: &PatientMatrix) -> Outcome<Column> {
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
fn audited(train: &Cohort<Binary>) -> Outcome<Cohort<Binary>> {
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
