//! The hospital encounters of `examples/data`: published facts must come out of the reader.

use std::fs::File;

use galen::error::ErrorKind;
use galen::ingest::{CoercionKind, Table, TableReader};
use galen::matrix::{Binary, Feature, FeatureKind};

const PATH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/examples/data/diabetic_data.csv.gz"
);

fn reader() -> TableReader {
    let codes = [
        "diag_1",
        "diag_2",
        "diag_3",
        "admission_type_id",
        "discharge_disposition_id",
        "admission_source_id",
    ];
    codes
        .into_iter()
        .map(Feature::category)
        .fold(TableReader::new(), TableReader::declare)
        .missing_tokens(["?"])
        .patient("patient_nbr")
        .outcome("readmitted")
        .ignore("encounter_id")
}

fn table() -> Table {
    let file = File::open(PATH).expect("examples/data is part of the repository");
    reader().read(file).expect("the file is a table")
}

#[test]
fn facts_of_the_file() {
    let table = table();
    let matrix = table.matrix();
    assert_eq!((matrix.n_rows(), matrix.n_columns()), (101_766, 47));
    let patients = matrix.keys().patient_keys().expect("patients were named");
    assert_eq!(patients.n_distinct(), 71_518);

    let missing = |name: &str| {
        let column = matrix.column(name).expect("a column of the file");
        (0..column.len())
            .filter(|row| column.is_missing(*row))
            .count()
    };
    for (name, count) in [
        ("weight", 98_569),
        ("medical_specialty", 49_949),
        ("payer_code", 40_256),
        ("race", 2_273),
        ("diag_3", 1_423),
        ("diag_2", 358),
        ("diag_1", 21),
        ("max_glu_serum", 0),
        ("A1Cresult", 0),
        ("time_in_hospital", 0),
    ] {
        assert_eq!(missing(name), count, "{name}");
    }
    let having = |name: &str, level: &str| {
        let column = matrix.column(name).expect("a column of the file");
        (0..column.len())
            .filter(|row| column.level(*row) == Some(level))
            .count()
    };
    assert_eq!(having("max_glu_serum", "None"), 96_420);
    assert_eq!(having("A1Cresult", "None"), 84_748);
    assert_eq!(having("gender", "Unknown/Invalid"), 3);
    assert_eq!(having("race", "Caucasian"), 76_099);
    let levels = |name: &str| matrix.column(name).map(|column| column.levels().len());
    assert_eq!(levels("diag_1"), Ok(716)); // 717 with the missing token
    assert_eq!(levels("diag_3"), Ok(789));
    assert_eq!(levels("examide"), Ok(1));
}

#[test]
fn outcomes_kinds_and_numbers() {
    let table = table();
    let target = Binary::event("<30")
        .of_column(table.outcome("readmitted").expect("it was named"))
        .expect("no label is missing");
    assert_eq!(target.n_events(), 11_357);

    let matrix = table.matrix();
    let stay = matrix
        .column("time_in_hospital")
        .expect("a column")
        .to_vec();
    let mean = stay.iter().sum::<f64>() / stay.len() as f64;
    assert!((mean - 4.396).abs() < 5e-4, "{mean}");
    let kind = |name: &str| {
        let schema = matrix.schema();
        schema.features()[schema.position(name).expect("a column")].kind()
    };
    assert_eq!(kind("num_medications"), FeatureKind::Numeric);
    assert_eq!(kind("admission_type_id"), FeatureKind::Category);
    assert_eq!(kind("age"), FeatureKind::Category);
    assert!(matrix.schema().position("readmitted").is_none());
    assert!(matrix.schema().position("patient_nbr").is_none());

    let changed = |column: &str| {
        table
            .coercions()
            .iter()
            .filter(|coercion| coercion.column == column)
            .map(|coercion| (coercion.kind, coercion.count))
            .collect::<Vec<_>>()
    };
    assert_eq!(changed("race"), [(CoercionKind::TokenToMissing, 2_273)]);
    assert_eq!(changed("num_medications"), []);
}

#[test]
fn diagnosis_codes_are_not_guessed_at() {
    let file = File::open(PATH).expect("examples/data is part of the repository");
    let error = TableReader::new()
        .missing_tokens(["?"])
        .read(file)
        .expect_err("most ICD-9 codes look like numbers");
    match error.kind() {
        ErrorKind::Ingest { line, column, .. } => {
            assert_eq!(column.as_deref(), Some("diag_1"));
            assert!(*line > 1);
        }
        other => panic!("unexpected kind {other:?}"),
    }
}
