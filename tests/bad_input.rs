//! Files as they arrive: each defect is an error that names its place and holds no cell value.

use galen::error::{Error, ErrorKind};
use galen::ingest::TableReader;
use galen::matrix::{Binary, Column, Feature, PatientMatrix, RowKeys, Time};

/// Stands in cells of every file; must stand in no message.
const MARK: &str = "987654321";

fn read(text: &str) -> galen::Result<galen::ingest::Table> {
    TableReader::new()
        .patient("id")
        .time("admitted")
        .outcome("readmitted")
        .declare(Feature::category("readmitted"))
        .read(text.as_bytes())
}

fn table(rows: &[&str]) -> String {
    let mut text = String::from("id,admitted,sbp,sodium,readmitted\n");
    for row in rows {
        text.push_str(row);
        text.push('\n');
    }
    text
}

const GOOD: [&str; 4] = [
    "p987654321,2014-01-01,987654321,140,no",
    "p2,2014-01-02,120,987654321,yes",
    "p3,2014-01-03,130,,no",
    "p4,2014-01-04,140,138,yes",
];

/// The message has every part and no planted value, in both renderings.
#[track_caller]
fn says(error: &Error, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    for text in [text, format!("{error:?}")] {
        assert!(!text.contains(&MARK[..7]), "a cell value: {text}");
    }
}

#[track_caller]
fn line_and_column(error: &Error, at: u64, name: Option<&str>) {
    match error.kind() {
        ErrorKind::Ingest { line, column, .. } => {
            assert_eq!((*line, column.as_deref()), (at, name), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_good_file_is_read() {
    let table = read(&table(&GOOD)).expect("a table");
    assert_eq!((table.n_rows(), table.matrix().n_columns()), (4, 2));
}

#[cfg(feature = "gzip")]
#[test]
fn truncated_gzip() {
    let many: Vec<String> = (0..3_000)
        .map(|i| format!("p{i},2014-01-01,{MARK},{i},no"))
        .collect();
    let text = table(&many.iter().map(String::as_str).collect::<Vec<_>>());
    use std::io::Write;
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(text.as_bytes()).expect("in memory");
    let whole = writer.finish().expect("in memory");
    let reader = TableReader::new().ignore("admitted").ignore("id");
    assert_eq!(
        reader.read(&whole[..]).expect("the whole file").n_rows(),
        3_000
    );
    for length in [whole.len() - 1, whole.len() - 9, whole.len() / 2, 30, 11, 2] {
        let error = reader.read(&whole[..length]).expect_err("half a file");
        assert!(
            matches!(error.kind(), ErrorKind::Ingest { .. }),
            "{length}: {error}"
        );
        says(&error, &["gzip"]);
    }
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    says(
        &reader.read(&damaged[..]).expect_err("a flipped byte"),
        &["line"],
    );
}

#[test]
fn wrong_delimiter() {
    let text = table(&GOOD).replace(',', ";");
    says(&read(&text).expect_err("semicolons"), &["delimiter"]);
    let plain = TableReader::new()
        .read(text.as_bytes())
        .expect_err("semicolons");
    says(&plain, &["delimiter"]);
    let tabs = TableReader::new()
        .delimiter(b'\t')
        .read(table(&GOOD).as_bytes());
    says(&tabs.expect_err("commas"), &["delimiter"]);
}

#[test]
fn ragged_rows() {
    for (bad, found) in [
        ("p9,2014-02-01,987654321,140", "4"),
        ("p9,2014-02-01,987654321,140,no,987654321", "6"),
    ] {
        let error = read(&table(&[GOOD[0], GOOD[1], bad])).expect_err("ragged");
        line_and_column(&error, 4, None);
        says(&error, &["line 4", "expected 5 fields", found]);
    }
}

#[test]
fn mixed_types() {
    let error = read(&table(&[
        GOOD[0],
        GOOD[1],
        GOOD[2],
        "p9,2014-02-01,about 987654321,140,no",
    ]))
    .expect_err("text");
    line_and_column(&error, 5, Some("sbp"));
    says(&error, &["line 5", "`sbp`"]);
    for bad in [
        "1,987654321",
        "987.654.321",
        "987654321 mmHg",
        "0x987654321",
        "98765432-1",
    ] {
        let row = format!("p9,2014-02-01,\"{bad}\",140,no");
        let error = read(&table(&[GOOD[0], GOOD[1], GOOD[2], &row])).expect_err(bad);
        line_and_column(&error, 5, Some("sbp"));
        says(&error, &["`sbp`"]);
    }
    let error = read(&table(&[GOOD[0], "p9,987654321-13-45,120,140,no"])).expect_err("no date");
    line_and_column(&error, 3, Some("admitted"));
    says(&error, &["`admitted`"]);
}

#[test]
fn duplicate_patient_and_time() {
    let again = "p987654321,2014-01-01,121,139,no";
    let error = read(&table(&[GOOD[0], GOOD[1], GOOD[2], again])).expect_err("twice");
    match error.kind() {
        ErrorKind::Duplicate { row, first, .. } => assert_eq!((*row, *first), (3, 0)),
        other => panic!("{other:?}"),
    }
    says(&error, &["row 3", "row 0"]);
    let matrix = PatientMatrix::from_columns([("sbp", vec![1.0, 2.0])]).expect("a matrix");
    let keys = RowKeys::none()
        .patients([MARK, MARK])
        .times([Time(5), Time(5)]);
    says(
        &matrix.with_keys(keys).expect_err("twice"),
        &["row 1", "row 0"],
    );
}

#[test]
fn a_third_level_of_the_target() {
    let third = format!("p9,2014-02-01,120,140,perhaps {MARK}");
    let table = read(&table(&[GOOD[0], GOOD[1], &third])).expect("a table");
    let column = table.outcome("readmitted").expect("named");
    let error = Binary::event("yes")
        .against("no")
        .of_column(column)
        .expect_err("three levels");
    assert!(matches!(error.kind(), ErrorKind::TargetKind { .. }));
    says(&error, &["`yes`", "`no`", "third level"]);
    let error = Binary::event("dead")
        .of_column(column)
        .expect_err("no such event");
    says(&error, &["`dead`"]);
    let error = table.outcome("sbp").expect_err("no outcome");
    says(&error, &["sbp"]);
}

#[test]
fn infinite_values() {
    for bad in ["inf", "-Infinity", "1e999"] {
        let row = format!("p9,2014-02-01,{bad},{MARK},no");
        let error = read(&table(&[GOOD[0], GOOD[1], GOOD[2], &row])).expect_err(bad);
        line_and_column(&error, 5, Some("sbp"));
        says(&error, &["line 5", "`sbp`"]);
    }
    let number: f64 = MARK.parse().expect("a number");
    let error = Column::dense(vec![number, f64::INFINITY]).expect_err("infinite");
    says(&error, &["row 1"]);
    let error =
        PatientMatrix::from_columns([("sbp", vec![number]), ("sodium", vec![f64::NEG_INFINITY])]);
    says(&error.expect_err("infinite"), &["row 0", "sodium"]);
    let matrix = PatientMatrix::from_columns([("sbp", vec![number])]).expect("a matrix");
    let derived = matrix.derive(Feature::numeric("ratio"), &["sbp"], |x| x[0] / 0.0);
    says(&derived.expect_err("infinite"), &["row 0", "ratio"]);
}

#[test]
fn empty_files() {
    for text in ["", "\n", "\n\n\n", "\u{feff}"] {
        let error = TableReader::new().read(text.as_bytes()).expect_err("empty");
        says(&error, &["empty"]);
    }
    let error = read(&table(&[])).expect_err("a header alone");
    assert!(
        matches!(error.kind(), ErrorKind::TooFewRows { found: 0, .. }),
        "{error}"
    );
}

#[test]
fn names_and_roles() {
    let error = TableReader::new()
        .patient("patient")
        .read(table(&GOOD).as_bytes());
    says(&error.expect_err("no such column"), &["patient"]);
    let twice = "sbp,sbp\n987654321,1\n";
    says(
        &TableReader::new()
            .read(twice.as_bytes())
            .expect_err("a name twice"),
        &["sbp"],
    );
    let unnamed = "sbp,,x\n987654321,1,2\n";
    says(
        &TableReader::new()
            .read(unnamed.as_bytes())
            .expect_err("no name"),
        &["line 1"],
    );
    let bytes = b"sbp,x\n98765432\xff1,2\n";
    let error = TableReader::new().read(&bytes[..]).expect_err("not UTF-8");
    says(&error, &["line 2", "UTF-8"]);
    let open = format!("sbp,x\n\"{MARK},2\n3,4\n");
    let error = TableReader::new()
        .read(open.as_bytes())
        .expect_err("an open quote");
    says(&error, &["line"]);
}
