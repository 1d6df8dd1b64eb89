use std::collections::BTreeMap;

use serde::Serialize;

use super::*;
use crate::matrix::Binary;

#[derive(Serialize, Clone)]
struct Visit {
    id: &'static str,
    age: Option<f64>,
    ward: u16,
    smoker: bool,
    grade: Grade,
    note: Option<String>,
    died: bool,
}

#[derive(Serialize, Clone)]
#[serde(rename_all = "lowercase")]
enum Grade {
    Low,
    High,
}

fn visits() -> Vec<Visit> {
    let visit = Visit {
        id: "a",
        age: Some(54.25),
        ward: 3,
        smoker: true,
        grade: Grade::High,
        note: None,
        died: false,
    };
    let other = Visit {
        id: "b",
        age: None,
        smoker: false,
        grade: Grade::Low,
        note: Some("250".into()),
        died: true,
        ..visit.clone()
    };
    vec![visit, other]
}

fn message<T: Serialize>(records: &[T]) -> String {
    from_records(records, &TableReader::new())
        .unwrap_err()
        .to_string()
}

#[test]
fn types_say_what_a_field_is() {
    let roles = TableReader::new()
        .patient("id")
        .outcome("died")
        .declare(Feature::category("ward"))
        .levels("grade", ["low", "high"]);
    let table = from_records(&visits(), &roles).unwrap();
    let matrix = table.matrix();
    assert_eq!(matrix.column("age").unwrap().value(0), 54.25);
    assert!(matrix.column("age").unwrap().is_missing(1));
    assert_eq!(matrix.column("ward").unwrap().level(0), Some("3"));
    assert_eq!(matrix.column("smoker").unwrap().to_vec(), [1.0, 0.0]);
    assert_eq!(matrix.column("grade").unwrap().code(0), Some(1));
    // A text stays a text even where it looks like a number.
    assert_eq!(matrix.column("note").unwrap().level(1), Some("250"));
    assert_eq!(table.outcome("died").unwrap().to_vec(), [0.0, 1.0]);
    assert!(
        Binary::event("1")
            .of_column(table.outcome("died").unwrap())
            .is_err()
    );
}

#[test]
fn every_number_comes_back_bit_by_bit() {
    let values = [0.1 + 0.2, -0.0, 1e300, 5e-324, 123_456_789.123_456_78, -7.0];
    let records: Vec<BTreeMap<&str, f64>> = values
        .iter()
        .map(|value| BTreeMap::from([("v", *value)]))
        .collect();
    let table = from_records(&records, &TableReader::new()).unwrap();
    let read: Vec<u64> = table
        .matrix()
        .column("v")
        .unwrap()
        .to_vec()
        .iter()
        .map(|v| v.to_bits())
        .collect();
    assert_eq!(read, values.map(f64::to_bits));
}

#[test]
fn a_skipped_field_is_missing() {
    let records = [BTreeMap::from([("a", 1)]), BTreeMap::from([("b", 2)])];
    let table = from_records(&records, &TableReader::new()).unwrap();
    assert!(table.matrix().column("a").unwrap().is_missing(1));
    assert!(table.matrix().column("b").unwrap().is_missing(0));
}

#[test]
fn what_is_not_a_flat_record_is_refused_by_record_and_field() {
    #[derive(Serialize)]
    struct Nested {
        id: u8,
        labs: Vec<f64>,
    }
    let nested = Nested {
        id: 1,
        labs: vec![1.0],
    };
    assert!(message(&[nested]).starts_with("line 1, column `labs`: expected a plain value"));
    assert!(message(&[1.0]).contains("expected a struct or a map"));
    assert!(message(&[("a", 1)]).contains("expected a struct or a map"));
    assert!(message(&[BTreeMap::from([(1, 2)])]).contains("keys of a map"));
    let infinite = [
        BTreeMap::from([("a", 1.0)]),
        BTreeMap::from([("a", f64::INFINITY)]),
    ];
    assert!(message(&infinite).starts_with("line 2, column `a`: expected a finite number"));
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Any {
        Number(f64),
        Text(&'static str),
    }
    let mixed = [
        BTreeMap::from([("a", Any::Number(1.0))]),
        BTreeMap::from([("a", Any::Text("secret"))]),
    ];
    let text = message(&mixed);
    assert!(text.starts_with("line 2, column `a`: the field is of another type"));
    assert!(!text.contains("secret"));
    let none: [Visit; 0] = [];
    assert!(message(&none).contains("at least 1 rows"));
}
