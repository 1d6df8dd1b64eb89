//! Sparse columns and trees: the bytes of a model are those of the same columns stored in full, in any
//! order of rows and at any number of threads.

use galen::classification::decision_tree::Pruning;
use galen::classification::forest::FeaturesPerNode;
use galen::classification::{DecisionTree, GradientBoosting, RandomForest};
use galen::estimator::{Fit, Model};
use galen::matrix::{Column, Feature, PatientMatrix, RowKeys};
use linfa::DatasetBase;
use ndarray::Array1;
use serde::Serialize;

use crate::data::Recurrence;

const ROWS: usize = 9_000;

/// How often columns are not zero, eight of each: flags, counts and signed numbers; the last two are not worth a list.
const SHARES: [f64; 12] = [
    0.05, 0.03, 0.01, 0.04, 0.06, 0.02, 0.05, 0.001, 0.03, 0.04, 0.4, 1.0,
];

type Rows = DatasetBase<PatientMatrix, Array1<bool>>;

/// The same rows with sparse and with dense columns, and numbers beside them.
fn cohorts(weighted: bool) -> [Rows; 2] {
    let mut r = Recurrence::new(29);
    let mut scores = vec![-2.0; ROWS];
    let mut columns: Vec<(Feature, Vec<(usize, f64)>)> = Vec::new();
    let shares = std::iter::repeat_n(SHARES, 8).flatten();
    for (at, share) in shares.enumerate() {
        let mut entries = Vec::new();
        for (row, score) in scores.iter_mut().enumerate() {
            if r.unit() < share {
                let value = match at % 3 {
                    0 => 1.0,
                    1 => 1.0 + (r.unit() * 5.0).floor(),
                    _ => r.unit() - 0.5,
                };
                *score += value * ((at % 12) as f64 - 4.0) / 6.0;
                entries.push((row, value));
            }
        }
        columns.push((Feature::numeric(format!("s{at}")), entries));
    }
    let ages: Vec<f64> = (0..ROWS)
        .map(|row| {
            if row % 19 == 0 {
                f64::NAN
            } else {
                (r.unit() * 90.0).floor()
            }
        })
        .collect();
    let events: Vec<bool> = scores
        .iter()
        .map(|score| r.unit() < 1.0 / (1.0 + (-score).exp()))
        .collect();
    let weights: Vec<f32> = (0..ROWS).map(|row| [1.0, 0.0, 2.0, 1.5][row % 4]).collect();
    [true, false].map(|sparse| {
        let column = |entries: &Vec<(usize, f64)>| {
            if sparse {
                return Column::sparse(ROWS, entries.clone()).expect("entries");
            }
            let mut values = vec![0.0; ROWS];
            for (row, value) in entries {
                values[*row] = *value;
            }
            Column::dense(values).expect("finite")
        };
        let mut all = vec![(
            Feature::numeric("age"),
            Column::dense(ages.clone()).expect("finite"),
        )];
        all.extend(
            columns
                .iter()
                .map(|(f, entries)| (f.clone(), column(entries))),
        );
        let keys = RowKeys::none().patients((0..ROWS).map(|row| row / 2));
        let matrix = PatientMatrix::new(all).and_then(|matrix| matrix.with_keys(keys));
        let rows = DatasetBase::new(matrix.expect("a matrix"), Array1::from(events.clone()));
        match weighted {
            true => rows.with_weights(Array1::from(weights.clone())),
            false => rows,
        }
    })
}

/// The model as it is saved, without where its rows came from.
fn text<M: Serialize + Model>(model: &M) -> String {
    let mut value = serde_json::to_value(model).expect("plain data");
    value["header"]["lineage"] = serde_json::Value::Null;
    value.to_string()
}

fn models(rows: &Rows) -> Vec<(&'static str, String)> {
    let boosting = GradientBoosting::params()
        .n_trees(5)
        .learning_rate(0.3)
        .max_leaves(20);
    let drawn = boosting
        .clone()
        .row_share(0.7)
        .feature_share(0.8)
        .early_stopping(3);
    let forest = RandomForest::params().n_trees(6).min_leaf_rows(2);
    let all = FeaturesPerNode::Share(1.0);
    // Folds are dealt in the order of rows.
    let tree = DecisionTree::params().pruning(Pruning::None);
    vec![
        ("boosting", text(&boosting.fit(rows).expect("boosting"))),
        ("drawn", text(&drawn.fit(rows).expect("drawn"))),
        ("forest", text(&forest.fit(rows).expect("forest"))),
        (
            "all features",
            text(
                &forest
                    .max_leaves(30)
                    .features_per_node(all)
                    .fit(rows)
                    .expect("forest"),
            ),
        ),
        (
            "extra trees",
            text(
                &RandomForest::extra_trees()
                    .n_trees(4)
                    .fit(rows)
                    .expect("extra trees"),
            ),
        ),
        ("tree", text(&tree.fit(rows).expect("tree"))),
    ]
}

#[test]
fn sparse_columns_give_the_bytes_of_dense_ones() {
    for weighted in [false, true] {
        let [sparse, dense] = cohorts(weighted);
        let expected = models(&dense);
        for (a, b) in models(&sparse).into_iter().zip(&expected) {
            assert!(a.1.matches("\"s4\"").count() > 0, "{}", a.0);
            assert_eq!(&a, b, "{}", b.0);
        }
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let found = pool.expect("threads").install(|| models(&sparse));
            assert!(found == expected, "{threads} threads");
        }
    }
}

#[test]
fn rows_of_sparse_columns_may_stand_in_any_order() {
    let [sparse, dense] = cohorts(false);
    let order: Vec<usize> = (0..ROWS).map(|row| row * 4_001 % ROWS).collect();
    let turned = |rows: &Rows| {
        let targets: Array1<bool> = order.iter().map(|row| rows.targets[*row]).collect();
        DatasetBase::new(rows.records.select_rows(&order).expect("rows"), targets)
    };
    let (a, b, first) = (
        models(&turned(&sparse)),
        models(&turned(&dense)),
        models(&dense),
    );
    for ((a, b), first) in a.iter().zip(&b).zip(&first) {
        assert_eq!(a, b);
        assert_eq!(a, first);
    }
}
