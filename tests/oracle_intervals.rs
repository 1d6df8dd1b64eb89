//! Weighted metrics, intervals and Table 1 against R (survey, boot, glm) and Python (scikit-learn,
//! SciPy, dcurves, tableone) on real encounters.
//!
//! The reference values, their tools and versions stand in `tests/fixtures/intervals`.

#[path = "oracle_intervals/bootstrap.rs"]
mod bootstrap;
#[path = "oracle_intervals/hiding.rs"]
mod hiding;
#[path = "oracle_intervals/table_one.rs"]
mod table_one;
#[path = "oracle_intervals/weights.rs"]
mod weights;

use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/intervals");

fn expected() -> Value {
    let text = std::fs::read_to_string(format!("{FOLDER}/expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The encounters, column by column as text.
struct Input {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Input {
    fn read() -> Self {
        let text = std::fs::read_to_string(format!("{FOLDER}/input.csv")).unwrap();
        let mut lines = text
            .lines()
            .map(|line| line.split(',').map(String::from).collect::<Vec<_>>());
        Self {
            names: lines.next().unwrap(),
            rows: lines.collect(),
        }
    }

    fn text(&self, name: &str) -> Vec<String> {
        let place = self.names.iter().position(|other| other == name).unwrap();
        self.rows.iter().map(|row| row[place].clone()).collect()
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        let cells = self.text(name);
        cells.iter().map(|cell| cell.parse().unwrap()).collect()
    }

    fn truth(&self) -> Vec<bool> {
        self.text("label").iter().map(|cell| cell == "1").collect()
    }
}

/// Absolute for numbers below one, relative above.
#[track_caller]
fn near(found: f64, expected: &Value, tolerance: f64) {
    let expected = expected.as_f64().unwrap();
    let error = (found - expected).abs() / expected.abs().max(1.0);
    assert!(
        error <= tolerance,
        "{found} is not {expected} (off by {error:e})"
    );
}

/// Relative.
#[track_caller]
fn close(found: f64, expected: &Value, tolerance: f64) {
    let expected = expected.as_f64().unwrap();
    let error = (found / expected - 1.0).abs();
    assert!(
        error <= tolerance,
        "{found} is not {expected} (off by {error:e})"
    );
}
