//! What trees make of data that are hardly data: refused by kind, or answered with finite numbers.

use galen::classification::GradientBoosting;
use galen::classification::boosting::GradientBoostingParams;
use galen::error::ErrorKind;
use galen::estimator::{Classify, Cohort, Fit, Model, PredictRisk, Saved, Summary};
use galen::matrix::{Binary, Column, Feature, PatientMatrix};
use linfa::DatasetBase;
use ndarray::{Array1, Array2, array};
use serde_json::{Value, json};

fn small() -> GradientBoostingParams {
    GradientBoosting::params()
        .n_trees(8)
        .max_leaves(6)
        .min_leaf_rows(1)
}

/// A plain stream of numbers in [0, 1).
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / f64::from(1_u32 << 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() * n as f64) as usize
    }
}

/// A ward for every row, the event in all rows of the first half of the wards.
fn wards(names: &[Option<String>]) -> PatientMatrix {
    let n = names.len();
    PatientMatrix::new(vec![
        (
            Feature::category("ward"),
            Column::categorical(names.iter().map(Option::as_deref)),
        ),
        (
            Feature::numeric("age"),
            Column::dense((0..n).map(|row| (row % 7) as f64).collect::<Vec<_>>()).expect("numbers"),
        ),
    ])
    .expect("a matrix")
}

fn risk(model: &GradientBoosting, rows: &PatientMatrix) -> Vec<f64> {
    let risk = model.predict_risk(rows).expect("risks").to_vec();
    assert!(risk.iter().all(|risk| (0.0..=1.0).contains(risk)));
    risk
}

/// More levels than a byte counts: the 254 most frequent keep a bin, all others share one, and with
/// them a level that nobody has seen.
#[test]
fn three_hundred_levels() -> galen::Result<()> {
    // Level k stands in 20 rows up to 253, in 3 rows beyond.
    let rows: Vec<usize> = (0..300)
        .flat_map(|level| vec![level; if level < 254 { 20 } else { 3 }])
        .collect();
    let names: Vec<Option<String>> = rows
        .iter()
        .map(|level| Some(format!("w{level:03}")))
        .collect();
    let event = |level: usize| level % 2 == 1 || level >= 254;
    let target = Binary::from_flags("event", rows.iter().map(|level| event(*level)));
    let model = small()
        .n_trees(30)
        .fit(&Cohort::new(wards(&names), target))?;
    let found = risk(&model, &wards(&names));
    for (level, risk) in rows.iter().zip(&found) {
        assert_eq!(*risk > 0.5, event(*level), "level {level}: {risk}");
    }
    let one = |name: Option<&str>| risk(&model, &wards(&[name.map(String::from)]))[0];
    let rare = one(Some("w254"));
    assert_eq!(one(Some("w299")), rare);
    assert_eq!(one(Some("never seen")), rare);
    one(None);
    assert!(
        Saved::<GradientBoosting>::from_bytes(&Saved::new(model.clone()).to_bytes()?)?.into_model()
            == model
    );
    Ok(())
}

#[test]
fn a_class_of_one_row() -> galen::Result<()> {
    let x = Array2::from_shape_fn((200, 2), |(row, column)| {
        ((row * (37 + column)) % 211) as f64
    });
    let flags: Array1<bool> = (0..200).map(|row| row == 77).collect();
    let model = small().fit(&DatasetBase::new(x.clone(), flags))?;
    let found = model.predict_risk(&x)?;
    assert!(found.iter().all(|risk| *risk > 0.0 && *risk < 1.0));
    let best = (0..200).max_by(|a, b| found[*a].total_cmp(&found[*b]));
    assert_eq!(best, Some(77));
    // Larger leaves than the class: only the base is left to say.
    let flags: Array1<bool> = (0..200).map(|row| row == 77).collect();
    let model = small()
        .min_leaf_rows(150)
        .fit(&DatasetBase::new(x.clone(), flags))?;
    assert!(
        model
            .predict_risk(&x)?
            .iter()
            .all(|risk| (risk - 0.005).abs() < 1e-12)
    );
    assert!(
        model
            .warnings()
            .iter()
            .any(|text| text.contains("no tree has a cut"))
    );
    // Of three.
    let classes: Array1<usize> = (0..200)
        .map(|row| if row == 77 { 2 } else { row % 2 })
        .collect();
    let model = small().fit(&DatasetBase::new(x.clone(), classes))?;
    let all = model.predict_proba(&x)?;
    assert!(all.iter().all(|p| *p > 0.0 && *p < 1.0));
    Ok(())
}

#[test]
fn a_column_without_a_value() -> galen::Result<()> {
    let columns = |empty: Vec<f64>| {
        PatientMatrix::from_columns([
            ("lactate", (0..60).map(|row| f64::from(row % 9)).collect()),
            ("never measured", empty),
        ])
    };
    let rows = columns(vec![f64::NAN; 60])?;
    let target = Binary::from_flags("event", (0..60).map(|row| row % 9 > 4));
    let model = small().fit(&Cohort::new(rows.clone(), target))?;
    assert_eq!(model.constant_features(), ["never measured"]);
    let measured = columns((0..60).map(f64::from).collect())?;
    assert_eq!(
        risk(&model, &rows),
        risk(&model, &measured),
        "nothing was learnt of it"
    );
    // A category without a level.
    let none = wards(&vec![None; 60]);
    let target = Binary::from_flags("event", (0..60).map(|row| row % 7 > 3));
    let model = small().fit(&Cohort::new(none.clone(), target))?;
    assert_eq!(model.constant_features(), ["ward"]);
    let found = risk(&model, &wards(&vec![Some("surgical".to_string()); 60]));
    assert_eq!(found, risk(&model, &none));
    // Nothing but missing values.
    let nothing = array![[f64::NAN], [f64::NAN], [f64::NAN], [f64::NAN]];
    let flags = array![true, false, false, false];
    let model = small().fit(&DatasetBase::new(nothing.clone(), flags))?;
    assert!(
        model
            .predict_risk(&nothing)?
            .iter()
            .all(|risk| (risk - 0.25).abs() < 1e-12)
    );
    Ok(())
}

#[test]
fn a_class_without_weight() -> galen::Result<()> {
    let x = Array2::from_shape_fn((40, 1), |(row, _)| (row % 5) as f64);
    let weights: Array1<f32> = (0..40)
        .map(|row| if row % 2 == 0 { 0.0 } else { 1.5 })
        .collect();
    let flags: Array1<bool> = (0..40).map(|row| row % 2 == 0).collect();
    let cohort = DatasetBase::new(x.clone(), flags).with_weights(weights.clone());
    let error = small().fit(&cohort).expect_err("one class");
    assert!(
        matches!(error.kind(), ErrorKind::SingleClass { .. }),
        "{error}"
    );
    // The third of three classes is not there: two are left.
    let classes: Array1<usize> = (0..40)
        .map(|row| if row % 2 == 0 { 2 } else { row / 2 % 2 })
        .collect();
    let model = small().fit(&DatasetBase::new(x.clone(), classes).with_weights(weights))?;
    assert_eq!(model.classes(), [0, 1]);
    assert_eq!(
        (model.header().n_rows, model.predict_proba(&x)?.ncols()),
        (20, 2)
    );
    Ok(())
}

/// A level or a gap that training did not show goes where most training rows went.
#[test]
fn levels_and_gaps_that_training_did_not_show() -> galen::Result<()> {
    let names: Vec<Option<String>> = (0..90)
        .map(|row| Some(if row % 3 == 0 { "intensive" } else { "medical" }.to_string()))
        .collect();
    let target = Binary::from_flags("event", (0..90).map(|row| row % 3 == 0));
    let stump = small().n_trees(1).max_leaves(2);
    let model = stump.clone().fit(&Cohort::new(wards(&names), target))?;
    let one = |name: Option<&str>| risk(&model, &wards(&[name.map(String::from)]))[0];
    assert!(one(Some("intensive")) > one(Some("medical")));
    assert_eq!(one(Some("never seen")), one(Some("medical")));
    assert_eq!(one(None), one(Some("medical")));
    for (cut, larger) in [(30.0, 80.0), (60.0, 10.0)] {
        let ages = (0..90).map(f64::from).collect::<Vec<_>>();
        let target = Binary::from_flags("event", ages.iter().map(|age| *age > cut));
        let matrix = PatientMatrix::from_columns([("age", ages)])?;
        let model = stump.clone().fit(&Cohort::new(matrix, target))?;
        let at = |age: f64| -> galen::Result<f64> {
            Ok(risk(&model, &PatientMatrix::from_columns([("age", vec![age])])?)[0])
        };
        assert_eq!(at(f64::NAN)?, at(larger)?, "most rows are there");
        assert_ne!(at(10.0)?, at(80.0)?);
    }
    Ok(())
}

#[test]
fn infinities_are_refused_by_row() {
    let x = array![[1.0], [2.0], [f64::INFINITY], [4.0]];
    let flags = array![true, false, true, false];
    let error = small()
        .fit(&DatasetBase::new(x.clone(), flags.clone()))
        .expect_err("an infinity");
    assert!(
        matches!(error.kind(), ErrorKind::NonFinite { .. }),
        "{error}"
    );
    let finite = array![[1.0], [2.0], [3.0], [4.0]];
    let model = small()
        .fit(&DatasetBase::new(finite, flags))
        .expect("a fit");
    let error = model.predict_risk(&x).expect_err("an infinity");
    assert!(
        matches!(error.kind(), ErrorKind::NonFinite { .. }),
        "{error}"
    );
}

#[test]
fn ten_thousand_trees_are_saved_and_loaded() -> galen::Result<()> {
    let mut stream = Stream(5);
    let x = Array2::from_shape_fn((60, 3), |_| (stream.next() * 20.0).floor());
    let flags: Array1<bool> = x
        .rows()
        .into_iter()
        .map(|row| row[0] + row[1] > 18.0)
        .collect();
    let params = small().n_trees(10_000).learning_rate(0.01).max_leaves(3);
    let model = params.fit(&DatasetBase::new(x.clone(), flags))?;
    assert_eq!(model.n_trees(), 10_000);
    let saved = Saved::new(model.clone());
    let (bytes, text) = (saved.to_bytes()?, saved.to_json()?);
    println!("{} bytes, {} as text", bytes.len(), text.len());
    let found = model.predict_risk(&x)?;
    for again in [
        Saved::<GradientBoosting>::from_bytes(&bytes)?.into_model(),
        Saved::<GradientBoosting>::from_json(&text)?.into_model(),
    ] {
        assert!(again == model);
        assert_eq!(again.predict_risk(&x)?, found);
    }
    assert!(Saved::<GradientBoosting>::from_bytes(&bytes[..bytes.len() / 2]).is_err());
    Ok(())
}

/// A model as plain data, levels and missing values among them.
fn plain() -> (GradientBoosting, PatientMatrix, Value) {
    let names: Vec<Option<String>> = (0..120)
        .map(|row| (row % 11 > 0).then(|| format!("w{}", row % 6)))
        .collect();
    let rows = wards(&names);
    let target = Binary::from_flags("event", (0..120).map(|row| (row % 6 + row % 7) % 3 == 0));
    let model = small()
        .fit(&Cohort::new(rows.clone(), target))
        .expect("a fit");
    let value = serde_json::to_value(&model).expect("plain data");
    (model, rows, value)
}

fn load(value: &Value) -> Result<GradientBoosting, serde_json::Error> {
    serde_json::from_value(value.clone())
}

/// Number of a leaf, of a cut of a number and of a cut of levels, each with its tree.
fn places(value: &Value) -> [(usize, usize); 3] {
    let none = u64::from(u32::MAX);
    let find = |wanted: &dyn Fn(&Value) -> bool| {
        let trees = value["trees"].as_array().expect("trees");
        let found = trees.iter().enumerate().find_map(|(tree, nodes)| {
            let nodes = nodes["nodes"].as_array().expect("nodes");
            nodes.iter().position(wanted).map(|node| (tree, node))
        });
        found.expect("such a node")
    };
    let leaf = |node: &Value| node["feature"] == none;
    [
        find(&leaf),
        find(&|node| !leaf(node) && node["set"] == none),
        find(&|node| !leaf(node) && node["set"] != none),
    ]
}

#[test]
fn hostile_trees_are_refused() {
    let (model, _, value) = plain();
    assert!(load(&value).expect("sound") == model);
    let [leaf, number, levels] = places(&value);
    let n_nodes = |tree: usize| {
        value["trees"][tree]["nodes"]
            .as_array()
            .expect("nodes")
            .len()
    };
    let changes: Vec<(&str, (usize, usize), &str, Value)> = vec![
        ("a node as its own child", number, "left", json!(number.1)),
        ("a way back to the root", levels, "right", json!(0)),
        (
            "a child beyond the nodes",
            number,
            "left",
            json!(n_nodes(number.0)),
        ),
        ("a child far beyond", number, "right", json!(u32::MAX)),
        (
            "a child larger than its type",
            number,
            "right",
            json!(1_u64 << 40),
        ),
        (
            "both children one",
            number,
            "left",
            value["trees"][number.0]["nodes"][number.1]["right"].clone(),
        ),
        ("a feature beyond the schema", number, "feature", json!(2)),
        ("a leaf that asks", leaf, "feature", json!(1)),
        ("a number asked for levels", number, "set", json!(0)),
        ("a set beyond the sets", levels, "set", json!(1_000)),
        ("levels asked for a number", levels, "set", json!(u32::MAX)),
        ("a negative cover", leaf, "cover", json!(-1.0)),
        (
            "a threshold that is no number",
            number,
            "threshold",
            Value::Null,
        ),
        ("a field nobody knows", leaf, "colour", json!(1)),
    ];
    for (what, (tree, node), field, new) in changes {
        let mut hostile = value.clone();
        hostile["trees"][tree]["nodes"][node][field] = new;
        assert!(load(&hostile).is_err(), "{what}");
    }
    for (what, path, new) in [
        ("no values", "values", json!([])),
        ("no nodes", "nodes", json!([])),
        ("sets lost", "sets", json!([])),
        ("two outputs", "n_outputs", json!(2)),
        ("no output", "n_outputs", json!(0)),
    ] {
        let mut hostile = value.clone();
        hostile["trees"][levels.0][path] = new;
        assert!(load(&hostile).is_err(), "{what}");
    }
    let mut hostile = value.clone();
    hostile["trees"][0]["values"][0] = json!(f64::MAX);
    hostile["trees"][1]["values"][0] = json!(f64::MAX);
    assert!(load(&hostile).is_err(), "sums that are not finite");
}

/// Whatever one field says, the model is refused or answers with finite numbers.
#[test]
fn changed_trees_are_refused_or_answer() {
    let (_, rows, value) = plain();
    let mut stream = Stream(11);
    let trees = value["trees"].as_array().expect("trees");
    let fields = [
        "feature",
        "left",
        "right",
        "set",
        "threshold",
        "cover",
        "rows",
        "gain",
    ];
    let numbers = [
        json!(0),
        json!(1),
        json!(2),
        json!(3),
        json!(7),
        json!(255),
        json!(u32::MAX),
        json!(-1),
        json!(0.5),
        json!(1e308),
        json!(u64::MAX),
        Value::Null,
        json!("x"),
        json!([1]),
    ];
    let (mut refused, mut answered) = (0, 0);
    for _ in 0..1_500 {
        let mut changed = value.clone();
        let tree = stream.below(trees.len());
        let nodes = trees[tree]["nodes"].as_array().expect("nodes").len();
        let (node, field) = (stream.below(nodes), fields[stream.below(fields.len())]);
        changed["trees"][tree]["nodes"][node][field] = numbers[stream.below(numbers.len())].clone();
        match load(&changed) {
            Err(_) => refused += 1,
            Ok(model) => {
                risk(&model, &rows);
                answered += 1;
            }
        }
    }
    println!("{refused} refused, {answered} answered");
    assert!(refused > 300 && answered > 100);
}
