//! The tables of `tests/fixtures/trees/data.py`.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::LazyLock;

use galen::ingest::TableReader;
use galen::matrix::{Feature, PatientMatrix};
use ndarray::Array2;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Numbers and classes; NaN is missing, levels are their position among the sorted texts.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) names: Vec<String>,
    pub(crate) x: Array2<f64>,
    pub(crate) y: Vec<usize>,
}

fn read(path: &str, texts: &[&str], outcome: &str) -> (PatientMatrix, Vec<String>) {
    let mut reader = TableReader::new()
        .missing_tokens(["?"])
        .outcome(outcome)
        .declare(Feature::category(outcome));
    for name in texts {
        reader = reader.declare(Feature::category(*name));
    }
    let file = File::open(format!("{ROOT}/{path}")).expect("a file of the repository");
    let table = reader.read(file).expect("a table");
    let column = table.outcome(outcome).expect("the outcome was named");
    let outcome = (0..table.n_rows())
        .map(|row| column.level(row).expect("an outcome").to_string())
        .collect();
    (table.into_matrix(), outcome)
}

/// The named columns of some rows; categories as positions among the sorted levels of these rows.
fn numbers(matrix: &PatientMatrix, names: &[&str], rows: &[usize]) -> Array2<f64> {
    let mut x = Array2::zeros((rows.len(), names.len()));
    for (name, mut out) in names.iter().zip(x.columns_mut()) {
        let column = matrix.column(name).expect("a column");
        let at = matrix.schema().find(name).expect("a column");
        if matrix.schema().features()[at].kind().is_categorical() {
            let seen: BTreeSet<&str> = rows.iter().filter_map(|row| column.level(*row)).collect();
            for (slot, row) in out.iter_mut().zip(rows) {
                let level = column.level(*row);
                let place = level.and_then(|level| seen.iter().position(|other| *other == level));
                *slot = place.map_or(f64::NAN, |place| place as f64);
            }
        } else {
            for (slot, row) in out.iter_mut().zip(rows) {
                *slot = column.value(*row);
            }
        }
    }
    x
}

fn select(
    matrix: &PatientMatrix,
    names: &[&str],
    rows: &[usize],
    class: impl Fn(usize) -> usize,
) -> Table {
    Table {
        names: names.iter().map(|name| name.to_string()).collect(),
        x: numbers(matrix, names, rows),
        y: rows.iter().map(|row| class(*row)).collect(),
    }
}

/// Four hospitals, all columns as numbers; the class is the finding, 0 to 4.
pub(crate) static HEART: LazyLock<Table> = LazyLock::new(|| {
    let (matrix, found) = read("examples/data/heart_disease.csv", &["hospital"], "num");
    let matrix = matrix.without(&["hospital"]).expect("a column");
    let rows: Vec<usize> = (0..matrix.n_rows()).collect();
    let names: Vec<&str> = matrix
        .schema()
        .features()
        .iter()
        .map(Feature::name)
        .collect();
    select(&matrix, &names, &rows, |row| {
        found[row].parse().expect("a number")
    })
});

pub(crate) static KIDNEY: LazyLock<Table> = LazyLock::new(|| {
    let texts = [
        "rbc", "pc", "pcc", "ba", "htn", "dm", "cad", "appet", "pe", "ane",
    ];
    let path = "tests/fixtures/trees/chronic_kidney_disease.csv";
    let (matrix, found) = read(path, &texts, "class");
    let rows: Vec<usize> = (0..matrix.n_rows()).collect();
    let names: Vec<&str> = matrix
        .schema()
        .features()
        .iter()
        .map(Feature::name)
        .collect();
    select(&matrix, &names, &rows, |row| {
        usize::from(found[row] == "ckd")
    })
});

/// All digits.
pub(crate) static BREAST: LazyLock<Table> = LazyLock::new(|| {
    let (matrix, found) = read("tests/fixtures/glmnet/input_breast.csv", &[], "malignant");
    let rows: Vec<usize> = (0..matrix.n_rows()).collect();
    let names: Vec<&str> = matrix
        .schema()
        .features()
        .iter()
        .map(Feature::name)
        .collect();
    select(&matrix, &names, &rows, |row| usize::from(found[row] == "1"))
});

/// Two digits, so that a byte counts the distinct values.
pub(crate) static BREAST_ROUNDED: LazyLock<Table> = LazyLock::new(|| {
    let mut table = BREAST.clone();
    let rounded = |v: f64| format!("{v:.1e}").parse().expect("a number");
    table.x.mapv_inplace(rounded);
    table
});

const IDENTIFIERS: [&str; 3] = [
    "admission_type_id",
    "discharge_disposition_id",
    "admission_source_id",
];

/// Encounters that did not end in death or hospice, in the order of the file.
static ENCOUNTERS: LazyLock<(PatientMatrix, Vec<String>, Vec<usize>)> = LazyLock::new(|| {
    let mut texts = IDENTIFIERS.to_vec();
    texts.extend(["diag_1", "diag_2", "diag_3"]);
    let path = "examples/data/diabetic_data.csv.gz";
    let (matrix, found) = read(path, &texts, "readmitted");
    let gone = matrix.column("discharge_disposition_id").expect("a column");
    let hospice = ["11", "13", "14", "19", "20", "21"];
    let stays = |row: &usize| {
        gone.level(*row)
            .is_some_and(|code| !hospice.contains(&code))
    };
    let rows = (0..matrix.n_rows()).filter(stays).take(20_000).collect();
    (matrix, found, rows)
});

/// 5,000 encounters by their counts.
pub(crate) static DIABETES: LazyLock<Table> = LazyLock::new(|| {
    let (matrix, found, rows) = &*ENCOUNTERS;
    let names = [
        "time_in_hospital",
        "num_lab_procedures",
        "num_procedures",
        "num_medications",
        "number_outpatient",
        "number_emergency",
        "number_inpatient",
        "number_diagnoses",
    ];
    select(matrix, &names, &rows[..5_000], |row| {
        usize::from(found[row] != "NO")
    })
});

/// 20,000 encounters by two categories of many rows a level and two counts.
pub(crate) static DIABETES_LEVELS: LazyLock<Table> = LazyLock::new(|| {
    let (matrix, found, rows) = &*ENCOUNTERS;
    let names = ["age", "diag_1", "num_medications", "number_diagnoses"];
    let mut table = select(matrix, &names, rows, |row| usize::from(found[row] != "NO"));
    let (age, code) = (matrix.column("age"), matrix.column("diag_1"));
    let (age, code) = (age.expect("a column"), code.expect("a column"));
    for (slot, row) in table.x.rows_mut().into_iter().zip(rows) {
        let decade = age
            .level(*row)
            .and_then(|text| text[1..2].parse::<f64>().ok());
        let mut slot = slot;
        slot[0] = decade.expect("an age").max(3.0);
        let number = code.level(*row).and_then(|code| code.parse::<f64>().ok());
        slot[1] = number.map_or(10.0, |number| (number / 100.0).floor());
    }
    table.names[1] = "diag_1 group".into();
    table
});

/// A table of the scripts by its name.
pub(crate) fn named(name: &str) -> &'static Table {
    match name {
        "heart" => &HEART,
        "kidney" => &KIDNEY,
        "breast" => &BREAST_ROUNDED,
        "diabetes" => &DIABETES,
        "diabetes_levels" => &DIABETES_LEVELS,
        other => panic!("no table {other}"),
    }
}
