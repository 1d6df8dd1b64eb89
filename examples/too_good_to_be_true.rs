//! An AUROC of 0.998 that is worth nothing, the errors that stop it, and the honest figure.
//!
//! Readmissions are rare, so tutorials balance the classes first: repeat the rows with the event
//! until both classes have the same number, then split the rows into train and test. Copies of one
//! encounter now stand on both sides. Any learner that can remember an encounter is asked about
//! rows it was shown, and seems to know the future. Here the remembering is done in the open, by
//! target encoding of a crossed category (diagnoses, age, number of drugs, length of stay), learnt on
//! the training rows only, as the textbook asks; deep trees and nearest neighbours do the same
//! where nobody looks.
//!
//! ```text
//! cargo run --release --example too_good_to_be_true
//! ```
//!
//! Data: Diabetes 130-US Hospitals, CC BY 4.0, attribution in `examples/data/README.md`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;

use galen::design::Preparation;
use galen::error::ErrorKind;
use galen::evaluation::{BootstrapOptions, auroc, bootstrap, evaluate_sealed};
use galen::ingest::TableReader;
use galen::ingest::codes::{CodeSystem, Level};
use galen::matrix::Column;
use galen::prelude::*;

const DATA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/examples/data/diabetic_data.csv.gz"
);

/// Discharged to die: these patients cannot come back.
const DEATH_OR_HOSPICE: [&str; 6] = ["11", "13", "14", "19", "20", "21"];

/// Crossed, these single out nearly every encounter.
const PROFILE: [&str; 6] = [
    "diag_1",
    "diag_2",
    "diag_3",
    "age",
    "num_medications",
    "time_in_hospital",
];

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

/// Pseudo-rows by which an encoded level is drawn to the event rate.
const SMOOTHING: f64 = 5.0;

fn main() -> Result<(), Box<dyn Error>> {
    let cohort = read()?;
    let (n, n_events) = (cohort.records.n_rows(), cohort.targets.n_events());
    println!("{n} encounters, {n_events} with a readmission within 30 days\n");

    println!("1. Balance the classes, then split the rows");
    let oversampled = oversample(&cohort.targets);
    let (test, train) = oversampled.iter().enumerate().fold(
        (Vec::new(), Vec::new()),
        |(mut test, mut train), (place, row)| {
            if pick(place) < 0.2 {
                &mut test
            } else {
                &mut train
            }
            .push(*row);
            (test, train)
        },
    );
    println!("   {} rows after balancing", oversampled.len());
    let area = memorise(&cohort, &train, &test)?;
    println!("   AUROC {}\n", told(area, "0.998")?);

    println!("2. What galen says to that");
    let balanced = Cohort::new(
        cohort.records.select_rows(&oversampled)?,
        cohort.targets.select_rows(&oversampled)?,
    );
    refused(
        "split the balanced table",
        Split::holdout(0.2, 1).apply(&balanced),
    )?;
    refused(
        "split the table by rows",
        Split::rows(0.2, 1).apply(&cohort),
    )?;
    let by_patient = Split::by_rule(|patient| patient.parse::<u64>().is_ok_and(|key| key % 5 == 0));
    let (train, test) = by_patient.apply(&cohort)?;
    let everyone = LogisticRegression::params()
        .strength(0.01)
        .fit(&Cohort::new(
            cohort.records.select(&COUNTS)?,
            cohort.targets.clone(),
        ))?;
    refused(
        "evaluate a model that was fitted on everyone",
        evaluate_sealed(&test, &everyone),
    )?;

    println!("\n3. The same learner, asked about patients it has not met");
    let keys = cohort.records.keys().patient_keys().ok_or("no patients")?;
    let in_test = |row: &usize| {
        keys.label(*row)
            .parse::<u64>()
            .is_ok_and(|key| key % 5 == 0)
    };
    let (strangers, known): (Vec<usize>, Vec<usize>) = (0..n).partition(in_test);
    let area = memorise(&cohort, &known, &strangers)?;
    println!("   AUROC {}\n", told(area, "0.628")?);

    println!("4. An honest model: what was learnt must hold for other patients");
    let choice = LogisticRegression::path()
        .l1_ratio(0.5)
        .n_strengths(20)
        .min_ratio(0.02)
        .tolerance(1e-5)
        .preparation(Preparation::default().min_level_rows(50))
        .choose(&train, &KFold::new(3).seed(1))?;
    let scored = evaluate_sealed(&test, choice.best()?)?;
    let (truth, risk) = (scored.truth.to_vec(), scored.risk.to_vec());
    let patients = scored.patients.ok_or("no patients")?.to_vec();
    let options = BootstrapOptions {
        replicates: 200,
        ..BootstrapOptions::default()
    };
    let found = bootstrap(truth.len(), Some(&patients), options, |weights| {
        Ok(vec![auroc(&truth, &risk, Some(weights))?])
    })?;
    println!(
        "   {} patients to learn from, {} others to test on",
        train.report().train.patients,
        test.n_patients()
    );
    println!(
        "   AUROC {} (95 % interval {} to {}, by patient)",
        told(found[0].estimate, "0.668")?,
        told(found[0].lower, "0.655")?,
        told(found[0].upper, "0.681")?
    );
    Ok(())
}

/// The table with its patient key; death and hospice excluded.
fn read() -> Result<Cohort<Binary>, Box<dyn Error>> {
    let mut reader = TableReader::new()
        .missing_tokens(["?"])
        .patient("patient_nbr")
        .ignore("encounter_id")
        .ignore("weight")
        .ignore("examide")
        .ignore("citoglipton")
        .outcome("readmitted");
    for name in [
        "admission_type_id",
        "discharge_disposition_id",
        "admission_source_id",
        "diag_1",
        "diag_2",
        "diag_3",
    ] {
        reader = reader.declare(Feature::category(name));
    }
    let table = reader.read(File::open(DATA)?)?;
    let target = Binary::event("<30").of_column(table.outcome("readmitted")?)?;
    let matrix = table.into_matrix();
    let discharge = matrix.column("discharge_disposition_id")?;
    let keep: Vec<usize> = (0..matrix.n_rows())
        .filter(|row| {
            !discharge
                .level(*row)
                .is_some_and(|to| DEATH_OR_HOSPICE.contains(&to))
        })
        .collect();
    let mut matrix = matrix.select_rows(&keep)?;
    for name in COUNTS {
        let feature = Feature::numeric(format!("log {name}"));
        matrix = matrix.derive(feature, &[name], |value| value[0].ln_1p())?;
    }
    for name in ["diag_1", "diag_2", "diag_3"] {
        let codes = matrix.column(name)?;
        let blocks = (0..matrix.n_rows())
            .map(|row| match codes.level(row) {
                Some(code) => CodeSystem::Icd9Cm.roll_up(code, Level::Category),
                None => Ok(None),
            })
            .collect::<galen::Result<Vec<_>>>()?;
        let feature = Feature::category(format!("{name} category"));
        matrix = matrix.with_column(feature, Column::categorical(blocks))?;
    }
    Ok(Cohort::new(matrix, target.select_rows(&keep)?))
}

/// All rows once, then the rows with the event again and again until the classes balance.
fn oversample(target: &Binary) -> Vec<usize> {
    let events = (0..target.len()).filter(|row| target.values()[*row]);
    let missing = target.len() - 2 * target.n_events();
    (0..target.len())
        .chain(events.cycle().take(missing))
        .collect()
}

/// A number in [0, 1) for a place in the balanced table: a split by row (Fibonacci hashing).
fn pick(place: usize) -> f64 {
    let mixed = (place as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

/// AUROC on `test` rows of a ridge logistic regression of the counts and the encoded profile.
fn memorise(
    cohort: &Cohort<Binary>,
    train: &[usize],
    test: &[usize],
) -> Result<f64, Box<dyn Error>> {
    let matrix = &cohort.records;
    let happened = cohort.targets.values();
    let columns = PROFILE
        .iter()
        .map(|name| matrix.column(name))
        .collect::<galen::Result<Vec<_>>>()?;
    let profile = |row: usize| -> Vec<u64> {
        let values = columns.iter().map(|column| column.value(row));
        values.map(f64::to_bits).collect()
    };
    let mut seen: BTreeMap<Vec<u64>, (f64, f64)> = BTreeMap::new();
    let mut n_events = 0.0;
    for row in train {
        let event = f64::from(u8::from(happened[*row]));
        let (rows, events) = seen.entry(profile(*row)).or_default();
        *rows += 1.0;
        *events += event;
        n_events += event;
    }
    let rate = n_events / train.len() as f64;
    let encoded: Vec<f64> = (0..matrix.n_rows())
        .map(|row| {
            let (rows, events) = seen.get(&profile(row)).copied().unwrap_or_default();
            (events + SMOOTHING * rate) / (rows + SMOOTHING)
        })
        .collect();
    let matrix = matrix
        .select(&COUNTS)?
        .with_column(Feature::numeric("profile"), Column::dense(encoded)?)?;
    let model = LogisticRegression::params()
        .strength(0.01)
        .fit(&Cohort::new(
            matrix.select_rows(train)?,
            cohort.targets.select_rows(train)?,
        ))?;
    let risk = model.predict_risk(&matrix.select_rows(test)?)?;
    let truth = cohort.targets.select_rows(test)?;
    Ok(auroc(&truth.values().to_vec(), &risk.to_vec(), None)?)
}

/// A figure as the README tells it; it is an error of this example if it has become another.
fn told(value: f64, figure: &'static str) -> Result<&'static str, Box<dyn Error>> {
    if format!("{value:.3}") == figure {
        return Ok(figure);
    }
    Err(format!("the README tells {figure}, found {value:.4}").into())
}

/// Prints the typed refusal; it is an error of this example if there is none.
fn refused<T>(attempt: &str, result: galen::Result<T>) -> Result<(), Box<dyn Error>> {
    match result {
        Err(error) if matches!(error.kind(), ErrorKind::Leak(_)) => {
            println!("   {attempt}:\n      ErrorKind::Leak, {error}");
            Ok(())
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err(format!("not refused: {attempt}").into()),
    }
}
