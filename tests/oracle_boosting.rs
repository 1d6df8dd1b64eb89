//! Gradient boosting against LightGBM, XGBoost, scikit-learn and CatBoost: single trees and short
//! runs cut by cut, then what the models are worth on rows that they did not see.
//!
//! `tests/fixtures/trees` holds the data, the scripts and what they recorded; its README says how far
//! each comparison holds. `--nocapture` prints the largest differences and all areas.

#[path = "oracle_boosting/data.rs"]
mod data;
#[path = "oracle_boosting/exact.rs"]
mod exact;
#[path = "../examples/readmission_risk/features.rs"]
#[allow(dead_code)] // columns of the report
mod features;
#[path = "oracle_boosting/heldout.rs"]
mod heldout;
#[path = "oracle_boosting/splits.rs"]
mod splits;
#[path = "oracle_boosting/twin.rs"]
mod twin;

use std::fs::File;

use serde_json::Value;

/// A recorded file of the fixture folder.
fn recorded(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/trees/{name}", env!("CARGO_MANIFEST_DIR"));
    let file = File::open(path).expect("the fixture is part of the repository");
    serde_json::from_reader(std::io::BufReader::new(file)).expect("the fixture is JSON")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}
