//! Standardized mean differences of Table 1.

use galen::matrix::{Column, Feature, PatientMatrix};
use galen::report::{TableOne, TableOneOptions};
use serde_json::Value;

use crate::{Input, expected, near};

const NUMBERS: [&str; 3] = ["risk", "days", "medications"];
const LEVELS: [&str; 3] = ["sex", "race", "age"];

fn matrix(input: &Input) -> PatientMatrix {
    let mut columns = Vec::new();
    for name in NUMBERS {
        columns.push((
            Feature::numeric(name),
            Column::dense(input.numbers(name)).unwrap(),
        ));
    }
    for name in LEVELS {
        let cells = input.text(name).into_iter();
        let cells = cells.map(|cell| (!cell.is_empty()).then_some(cell));
        columns.push((Feature::category(name), Column::categorical(cells)));
    }
    PatientMatrix::new(columns).unwrap()
}

fn difference(table: &TableOne, name: &str) -> f64 {
    let found = table.variables.iter().find(|v| v.name == name).unwrap();
    found.smd.unwrap()
}

#[test]
fn standardized_differences_equal_those_of_tableone() {
    let input = Input::read();
    // Nothing is hidden, and every level of age has a row of its own.
    let options = TableOneOptions {
        min_count: 1,
        ..TableOneOptions::default()
    };
    let matrix = matrix(&input);
    let reference = &expected()["table_one"];
    let visits = input.numbers("inpatient");
    let group: Vec<&str> = visits
        .iter()
        .map(|visits| if *visits == 0.0 { "none" } else { "some" })
        .collect();
    let table = TableOne::by_group(&matrix, &group, &options).unwrap();
    let of = |kind: &str, name: &str| -> Value { reference[kind][name].clone() };
    for name in NUMBERS {
        near(difference(&table, name), &of("numbers", name), 1e-12);
    }
    for name in LEVELS {
        near(difference(&table, name), &of("levels", name), 1e-12);
    }
    let third: Vec<&str> = input
        .numbers("patient")
        .iter()
        .map(|patient| ["x", "y", "z"][(*patient / 200.0) as usize])
        .collect();
    let table = TableOne::by_group(&matrix, &third, &options).unwrap();
    for name in ["days", "age"] {
        near(difference(&table, name), &of("three_groups", name), 1e-12);
    }
}
