//! Logistic regression against R `glm`, `sandwich` and `glmnet`, and against proved separation.
//!
//! Each folder under `tests/fixtures` says how its numbers were made and how far they hold; the
//! tolerances below are those of its README. `--nocapture` prints the largest difference per case.

#[path = "oracle_logistic/glm.rs"]
mod glm;
#[path = "oracle_logistic/imputation.rs"]
mod imputation;
#[path = "oracle_logistic/paths.rs"]
mod paths;
#[path = "oracle_logistic/separation.rs"]
mod separation;

use std::collections::BTreeMap;
use std::fs::File;

use galen::ingest::TableReader;
use galen::matrix::{Binary, Feature, PatientMatrix};
use serde_json::Value;

/// The expected numbers of a fixture folder.
fn expected(topic: &str) -> Value {
    let path = format!(
        "{}/tests/fixtures/{topic}/expected.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let file = File::open(path).expect("the fixture is part of the repository");
    serde_json::from_reader(std::io::BufReader::new(file)).expect("the fixture is JSON")
}

/// Features and target of an input file; `roles` adds what is not a plain number.
fn read(
    topic: &str,
    input: &str,
    target: &str,
    roles: impl FnOnce(TableReader) -> TableReader,
) -> (PatientMatrix, Binary) {
    let path = format!(
        "{}/tests/fixtures/{topic}/{input}",
        env!("CARGO_MANIFEST_DIR")
    );
    let file = File::open(path).expect("the fixture is part of the repository");
    let reader = TableReader::new()
        .outcome(target)
        .declare(Feature::category(target));
    let table = roles(reader).read(file).expect("the fixture is a table");
    let column = table.outcome(target).expect("the outcome was named");
    let target = Binary::event("1").of_column(column).expect("two levels");
    (table.into_matrix(), target)
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(number)
        .collect()
}

fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().expect("text").to_string();
    value.as_array().expect("a list").iter().map(text).collect()
}

/// `map` of a fixture, in the order of `names`.
fn by_name(map: &Value, names: &[String]) -> Vec<f64> {
    names.iter().map(|name| number(&map[name])).collect()
}

/// Largest difference per quantity; a difference above its tolerance fails the test at the end, so
/// that one run shows all of them.
#[derive(Default)]
struct Differences {
    worst: BTreeMap<String, (f64, f64)>,
}

impl Differences {
    fn note(&mut self, what: &str, difference: f64, tolerance: f64) {
        let entry = self
            .worst
            .entry(what.to_string())
            .or_insert((0.0, tolerance));
        // A NaN must not hide behind a comparison.
        if difference > entry.0 || difference.is_nan() {
            entry.0 = difference;
        }
    }

    fn relative(&mut self, what: &str, found: f64, expected: f64, tolerance: f64) {
        let scale = if expected == 0.0 { 1.0 } else { expected.abs() };
        self.note(what, (found - expected).abs() / scale, tolerance);
    }

    fn absolute(&mut self, what: &str, found: f64, expected: f64, tolerance: f64) {
        self.note(what, (found - expected).abs(), tolerance);
    }

    fn all_relative(&mut self, what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(found.len(), expected.len(), "{what}");
        for (found, expected) in found.iter().zip(expected) {
            self.relative(what, *found, *expected, tolerance);
        }
    }

    fn all_absolute(&mut self, what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(found.len(), expected.len(), "{what}");
        for (found, expected) in found.iter().zip(expected) {
            self.absolute(what, *found, *expected, tolerance);
        }
    }

    fn settle(self, case: &str) {
        let mut broken = Vec::new();
        for (what, (difference, tolerance)) in &self.worst {
            println!("{case:<44} {what:<28} {difference:9.2e} of {tolerance:.0e}");
            if difference > tolerance || difference.is_nan() {
                broken.push(format!("{what}: {difference:.3e} above {tolerance:.0e}"));
            }
        }
        assert!(broken.is_empty(), "{case}: {}", broken.join("; "));
    }
}
