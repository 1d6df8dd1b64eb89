//! Laws of rounds for gradient boosting: the bytes of the model are those of a fit in memory.

use galen::Result;
use galen::classification::boosting::{BoostingRounds, GradientBoostingParams, Growth};
use galen::classification::logistic::ClassWeights;
use galen::classification::{Direction, GradientBoosting};
use galen::error::ErrorKind;
use galen::estimator::rounds::{Disclosure, OwnedBatch, OwnedTarget, Parties, Party, Stream};
use galen::estimator::{ClassLabel, Control, Fit, ParamGuard, Saved};
use galen::matrix::{Column, Feature, PatientMatrix, RowKeys, Schema};
use linfa::DatasetBase;
use ndarray::Array1;

use crate::data::Recurrence;
use crate::shards::{Link, OPEN, cut};

/// Rows of some patients, three each, with gaps, a count, a category and weights.
struct Rows {
    matrix: PatientMatrix,
    labels: Vec<String>,
    weights: Option<Vec<f64>>,
}

fn rows(classes: &[&str], weighted: bool) -> Rows {
    let (matrix, events) = crate::shards::cohort();
    let first: Vec<usize> = (0..6_000).collect();
    let matrix = matrix.select_rows(&first).expect("rows");
    let offset: Vec<f64> = matrix.column("age").expect("a column").to_vec();
    let offset = offset.iter().map(|age| 1e9 + (age * 16.0).round() / 16.0);
    let matrix = matrix
        .with_column(
            Feature::numeric("offset"),
            Column::dense(offset.collect::<Vec<f64>>()).expect("finite"),
        )
        .and_then(|m| m.with_keys(RowKeys::none().patients((0..6_000).map(|row| row / 3))))
        .expect("a matrix");
    let mut r = Recurrence::new(3);
    let labels = events[..6_000].iter().map(|event| {
        let at = usize::from(*event) + usize::from(classes.len() > 2 && r.unit() < 0.3);
        classes[at].to_string()
    });
    let labels = labels.collect();
    // As a cohort holds them.
    let weights = [0.0_f32, 0.3, 1.0, 2.7].map(f64::from);
    let weights = weighted.then(|| (0..6_000).map(|row| weights[row % 4]).collect());
    Rows {
        matrix,
        labels,
        weights,
    }
}

impl Rows {
    /// Rows of a shard; class numbers follow the shard's own table.
    fn batch(&self, rows: &[usize], turned: bool) -> OwnedBatch {
        let mut table: Vec<String> = self.labels.clone();
        table.sort();
        table.dedup();
        if turned {
            table.reverse();
        }
        let code = |row: &usize| table.iter().position(|label| *label == self.labels[*row]);
        OwnedBatch {
            rows: self.matrix.select_rows(rows).expect("rows"),
            target: OwnedTarget::Classes(
                rows.iter()
                    .map(|row| code(row).expect("a class") as u32)
                    .collect(),
                table.clone(),
            ),
            weights: self
                .weights
                .as_ref()
                .map(|all| rows.iter().map(|row| all[*row]).collect()),
        }
    }

    fn batches(&self, shards: usize) -> Vec<OwnedBatch> {
        let parts = cut(self.labels.len(), shards);
        let parts = parts.iter().enumerate();
        parts
            .map(|(at, rows)| self.batch(rows, at % 2 == 1))
            .collect()
    }

    fn in_memory<L: ClassLabel>(
        &self,
        params: &GradientBoostingParams,
        order: &[usize],
    ) -> GradientBoosting<L> {
        let labels = order.iter().map(|row| L::from_text(&self.labels[*row]));
        let labels: Option<Array1<L>> = labels.collect();
        let mut cohort = DatasetBase::new(
            self.matrix.select_rows(order).expect("rows"),
            labels.expect("labels of this type"),
        );
        if let Some(weights) = &self.weights {
            let weights: Vec<f32> = order.iter().map(|row| weights[*row] as f32).collect();
            cohort = cohort.with_weights(Array1::from_vec(weights));
        }
        params.fit(&cohort).expect("in memory")
    }
}

/// The saved model without where its rows came from, which shards do not tell.
fn text<L: ClassLabel>(model: &GradientBoosting<L>) -> String {
    let mut value = serde_json::to_value(model).expect("plain data");
    value["header"]["lineage"] = serde_json::Value::Null;
    value.to_string()
}

fn over_parties<L: ClassLabel>(
    params: &GradientBoostingParams,
    schema: &Schema,
    batches: &[OwnedBatch],
    disclosure: Disclosure,
) -> Result<GradientBoosting<L>> {
    let valid = params.check_ref()?;
    let rounds: BoostingRounds<L> = valid.rounds(schema)?;
    let mut parties = batches
        .iter()
        .map(|batch| Party::new(&rounds, batch, disclosure))
        .collect::<Result<Vec<_>>>()?;
    let links = parties
        .iter_mut()
        .map(|party| -> Link<'_> { Box::new(|question: &[u8]| party.respond(question)) })
        .collect();
    valid.fit_over(&rounds, &mut Parties::new(links), &Control::silent())
}

fn small() -> GradientBoostingParams {
    GradientBoosting::params()
        .n_trees(4)
        .learning_rate(0.3)
        .max_leaves(12)
}

fn settings() -> Vec<GradientBoostingParams> {
    vec![
        small(),
        small()
            .growth(Growth::DepthFirst)
            .max_depth(3)
            .max_bins(20)
            .l1(0.5)
            .class_weights(ClassWeights::Balanced),
        small()
            .row_share(0.6)
            .feature_share(0.5)
            .seed(9)
            .min_leaf_rows(200),
        small()
            .n_trees(30)
            .learning_rate(0.8)
            .early_stopping(2)
            .validation_share(0.3),
        small()
            .monotone("age", Direction::Increasing)
            .monotone("offset", Direction::Decreasing)
            .interactions([["age", "ward"], ["offset", "visits"]])
            .min_leaf_weight(30.0),
    ]
}

#[test]
fn any_shards_give_the_bytes_of_a_fit_in_memory() {
    let all: Vec<usize> = (0..6_000).collect();
    for weighted in [false, true] {
        let rows = rows(&["false", "true"], weighted);
        for (at, params) in settings().iter().enumerate() {
            let memory = rows.in_memory::<bool>(params, &all);
            assert!(
                memory.n_leaves() > 2 * memory.n_trees(),
                "setting {at} grows trees"
            );
            assert_eq!(memory.stopped_early(), at == 3, "setting {at}");
            let mut saved: Vec<Vec<u8>> = Vec::new();
            let shards: &[usize] = if weighted { &[4] } else { &[1, 4, 64] };
            for shards in shards {
                let batches = rows.batches(*shards);
                let model = over_parties::<bool>(params, rows.matrix.schema(), &batches, OPEN);
                let model = model.expect("parties");
                assert_eq!(text(&model), text(&memory), "setting {at}, {shards} shards");
                saved.push(Saved::new(model).to_bytes().expect("bytes"));
            }
            assert!(saved.windows(2).all(|pair| pair[0] == pair[1]));
        }
    }
}

#[test]
fn so_do_three_classes_whose_text_is_in_another_order() {
    let all: Vec<usize> = (0..6_000).collect();
    let rows = rows(&["2", "10", "9"], true);
    let params = small().n_trees(3);
    let memory = rows.in_memory::<usize>(&params, &all);
    assert_eq!(memory.classes(), [2, 9, 10]);
    let model = over_parties::<usize>(&params, rows.matrix.schema(), &rows.batches(5), OPEN);
    assert_eq!(text(&model.expect("parties")), text(&memory));
    let flags = over_parties::<bool>(&params, rows.matrix.schema(), &rows.batches(5), OPEN);
    let error = flags.expect_err("numbers are no flags");
    assert!(
        matches!(error.kind(), ErrorKind::TargetKind { .. }),
        "{error}"
    );
}

#[test]
fn the_order_of_rows_changes_nothing() {
    let all: Vec<usize> = (0..6_000).collect();
    let mut shuffled = all.clone();
    let mut r = Recurrence::new(8);
    for last in (1..shuffled.len()).rev() {
        shuffled.swap(last, r.below(last + 1));
    }
    let rows = rows(&["false", "true"], true);
    for (at, params) in settings().iter().enumerate() {
        let model = rows.in_memory::<bool>(params, &all);
        let other = rows.in_memory::<bool>(params, &shuffled);
        assert_eq!(text(&other), text(&model), "setting {at}");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let rows = rows(&["false", "true"], true);
    let batches = rows.batches(3);
    let all: Vec<usize> = (0..6_000).collect();
    let expected = text(&rows.in_memory::<bool>(&settings()[2], &all));
    for threads in [1, 2, 3, 7, 16] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().expect("a pool").install(|| {
            let model = over_parties::<bool>(&settings()[2], rows.matrix.schema(), &batches, OPEN);
            assert_eq!(
                text(&model.expect("parties")),
                expected,
                "{threads} threads"
            );
        });
    }
}

#[test]
fn streams_and_empty_shards_change_nothing() {
    let rows = rows(&["false", "true"], false);
    let all: Vec<usize> = (0..6_000).collect();
    let params = small().n_trees(2);
    let memory = rows.in_memory::<bool>(&params, &all);
    let mut batches = rows.batches(3);
    batches.insert(1, rows.batch(&[], false));
    let schema = rows.matrix.schema();
    let model = over_parties::<bool>(&params, schema, &batches, OPEN).expect("parties");
    assert_eq!(text(&model), text(&memory));
    let valid = params.check_ref().expect("settings");
    let rounds: BoostingRounds = valid.rounds(schema).expect("rounds");
    let mut stream = Stream::new(|| all.chunks(2_500).map(|part| Ok(rows.batch(part, false))));
    let model = valid.fit_over(&rounds, &mut stream, &Control::silent());
    assert_eq!(text(&model.expect("a stream")), text(&memory));
}

#[test]
fn a_tree_takes_about_as_many_rounds_as_it_is_deep() {
    let rows = rows(&["false", "true"], false);
    let batch = rows.batch(&(0..6_000).collect::<Vec<_>>(), false);
    for params in [
        small().n_trees(1).max_leaves(31),
        small().n_trees(5).max_leaves(31),
    ] {
        let valid = params.check().expect("settings");
        let rounds: BoostingRounds = valid.rounds(rows.matrix.schema()).expect("rounds");
        let mut party = Party::new(&rounds, &batch, OPEN).expect("a party");
        let mut questions = 0;
        let link: Link<'_> = Box::new(|question: &[u8]| {
            questions += 1;
            party.respond(question)
        });
        let mut parties = Parties::new(vec![link]);
        let model = valid.fit_over(&rounds, &mut parties, &Control::silent());
        let model = model.expect("a party");
        drop(parties);
        // Census, cells and bins; then a round a level, some for leaves that were not foreseen, and
        // one for the values of every tree.
        let most = 10 + model.n_trees() * (model.depth() + 6);
        assert!(
            questions <= most,
            "{questions} rounds, depth {}",
            model.depth()
        );
    }
}

#[test]
fn strangers_are_refused() {
    let rows = rows(&["false", "true"], false);
    let schema = rows.matrix.schema();
    let good = rows.batch(&(0..2_000).collect::<Vec<_>>(), false);
    let fit = |params: &GradientBoostingParams, batches: &[OwnedBatch]| {
        over_parties::<bool>(params, schema, batches, OPEN).expect_err("a stranger")
    };
    let mut other = good.clone();
    other.rows = good.rows.without(&["age"]).expect("columns");
    let error = fit(&small(), &[good.clone(), other]);
    assert!(
        matches!(error.kind(), ErrorKind::FeatureNames { .. }),
        "{error}"
    );
    let mut values = good.clone();
    values.target = OwnedTarget::Values(vec![0.0; 2_000]);
    let error = fit(&small(), &[good.clone(), values]);
    assert!(
        matches!(error.kind(), ErrorKind::TargetKind { .. }),
        "{error}"
    );
    let mut negative = good.clone();
    negative.weights = Some(vec![-1.0; 2_000]);
    let error = fit(&small(), &[good.clone(), negative]);
    assert!(
        matches!(error.kind(), ErrorKind::NonFinite { .. }),
        "{error}"
    );
    // Rows are drawn by patient: without keys they could not be drawn alike.
    let mut nameless = good.clone();
    nameless.rows = nameless.rows.with_keys(RowKeys::none()).expect("keys");
    for params in [small().row_share(0.5), small().early_stopping(2)] {
        let error = fit(&params, &[nameless.clone()]);
        assert!(
            matches!(error.kind(), ErrorKind::MissingKeys { .. }),
            "{error}"
        );
    }
    let rounds: BoostingRounds = small()
        .check()
        .and_then(|v| v.rounds(schema))
        .expect("rounds");
    let mut r = Recurrence::new(5);
    for length in 0..300 {
        let noise: Vec<u8> = (0..length % 40).map(|_| r.below(256) as u8).collect();
        let mut party = Party::new(&rounds, &good, OPEN).expect("a party");
        if let Err(error) = party.respond(&noise) {
            assert!(matches!(error.kind(), ErrorKind::Saved(_)), "{error}");
        }
    }
}

#[test]
fn disclosure_refuses_values_of_single_rows() {
    let rows = rows(&["false", "true"], false);
    let refused = |disclosure| {
        let batches = rows.batches(2);
        let model = over_parties::<bool>(&small(), rows.matrix.schema(), &batches, disclosure);
        let error = model.expect_err("cells of single rows");
        assert!(matches!(error.kind(), ErrorKind::Disclosure(_)), "{error}");
    };
    for smallest_count in [2, 3, 5, 11] {
        refused(Disclosure {
            smallest_count,
            numbers_per_row: f64::INFINITY,
        });
    }
    // Flags and frequent levels, trees of one cut: every preset lets them go.
    let n = 6_000;
    let flag = |every: usize| -> Vec<f64> {
        (0..n)
            .map(|row| f64::from(u8::from(row / 2 % every == 0)))
            .collect()
    };
    let matrix = PatientMatrix::from_columns([("smoker", flag(3)), ("diabetes", flag(7))])
        .expect("a matrix");
    let flags = Rows {
        labels: (0..n)
            .map(|row| (row % 5 < 2 && row / 2 % 3 != 1).to_string())
            .collect(),
        matrix,
        weights: None,
    };
    let all: Vec<usize> = (0..n).collect();
    let params = small().max_leaves(2);
    let batches = [
        flags.batch(&all[..3_000], false),
        flags.batch(&all[3_000..], true),
    ];
    let schema = flags.matrix.schema();
    let model = over_parties::<bool>(&params, schema, &batches, Disclosure::default());
    let memory = flags.in_memory::<bool>(&params, &all);
    assert!(memory.n_leaves() == 2 * memory.n_trees());
    assert_eq!(text(&model.expect("may leave")), text(&memory));
    // Ten rows of a flag are too few.
    let mut rare = vec![0.0; n];
    rare[..10].fill(1.0);
    let with_rare = flags
        .matrix
        .with_column(
            Feature::numeric("rare"),
            Column::dense(rare).expect("finite"),
        )
        .expect("a matrix");
    let rare = Rows {
        matrix: with_rare,
        ..flags
    };
    let batches = [rare.batch(&all, false)];
    let model = over_parties::<bool>(
        &params,
        rare.matrix.schema(),
        &batches,
        Disclosure::default(),
    );
    let error = model.expect_err("ten rows");
    assert!(matches!(error.kind(), ErrorKind::Disclosure(_)), "{error}");
}
