//! The contract: one list of checks run over every estimator.
//!
//! An estimator is one line in [`subjects`]; a check is one line in [`CHECKS`]. A check that does
//! not apply says why. An estimator that cannot pass a check stands in [`OPT_OUTS`] with its
//! reason, and an opt-out that passes fails.

#![allow(unreachable_pub)] // modules of one test binary

#[path = "contract/bad_input.rs"]
mod bad_input;
#[path = "contract/boosting.rs"]
mod boosting;
#[path = "contract/boosting_shards.rs"]
mod boosting_shards;
#[path = "contract/classifier.rs"]
mod classifier;
#[path = "contract/data.rs"]
mod data;
#[path = "contract/decision_tree.rs"]
mod decision_tree;
#[path = "contract/forest.rs"]
mod forest;
#[path = "contract/laws.rs"]
mod laws;
#[path = "contract/linear.rs"]
mod linear;
#[path = "contract/linear_shards.rs"]
mod linear_shards;
#[path = "contract/linfa_interop.rs"]
mod linfa_interop;
#[path = "contract/logistic.rs"]
mod logistic;
#[path = "contract/outputs.rs"]
mod outputs;
#[path = "contract/saved.rs"]
mod saved;
#[path = "contract/shards.rs"]
mod shards;
#[path = "contract/sparse.rs"]
mod sparse;
#[path = "contract/subject.rs"]
mod subject;

use std::panic::{AssertUnwindSafe, catch_unwind};

use subject::{Applies, Subject};

/// Every estimator; a new one is one line.
fn subjects() -> Vec<Box<dyn Subject>> {
    vec![
        Box::new(logistic::unpenalised()),
        Box::new(logistic::ridge()),
        Box::new(logistic::elastic_net()),
        Box::new(logistic::path()),
        Box::new(linear::ordinary()),
        Box::new(linear::careful()),
        Box::new(boosting::best_first()),
        Box::new(boosting::depth_first()),
        Box::new(decision_tree::learned_side()),
        Box::new(decision_tree::surrogates()),
        Box::new(decision_tree::exact_cuts()),
        Box::new(forest::all_rows()),
        Box::new(forest::extra_trees()),
    ]
}

/// Estimator, check, reason.
const OPT_OUTS: [(&str, &str, &str); 2] = [
    (
        "GradientBoosting",
        "C41 columns in another order",
        "of cuts that gain the same to the last bit, the one of the first column is taken",
    ),
    (
        "GradientBoosting, level by level",
        "C41 columns in another order",
        "of cuts that gain the same to the last bit, the one of the first column is taken",
    ),
];

type Check = fn(&dyn Subject) -> Applies;

const CHECKS: &[(&str, Check)] = &[
    ("C01 a missing value where none is allowed", bad_input::c01),
    ("C02 missing values", bad_input::c02),
    ("C03 infinities at fit", bad_input::c03),
    (
        "C04 infinities and missing values at predict",
        bad_input::c04,
    ),
    ("C05 a target that is not finite", bad_input::c05),
    (
        "C06 weights that are not finite or negative",
        bad_input::c06,
    ),
    ("C07 all weights zero", bad_input::c07),
    ("C08 lengths that differ", bad_input::c08),
    ("C09 no rows", bad_input::c09),
    ("C10 no columns", bad_input::c10),
    ("C11 one row", bad_input::c11),
    ("C12 one column", bad_input::c12),
    ("C13 fewer rows than columns", bad_input::c13),
    ("C14 a constant column", bad_input::c14),
    ("C15 dependent columns", bad_input::c15),
    ("C16 identical rows", bad_input::c16),
    ("C17 another number of columns at predict", bad_input::c17),
    ("C18 columns in another order at predict", bad_input::c18),
    ("C19 predict without rows", bad_input::c19),
    ("C20 one class", bad_input::c20),
    ("C21 a class with one row", bad_input::c21),
    ("C22 labels of any kind", bad_input::c22),
    ("C23 a target of another kind", bad_input::c23),
    ("C24 a constant target", bad_input::c24),
    ("C27 extreme scales", bad_input::c27),
    ("C28 negative zero and subnormal numbers", bad_input::c28),
    ("C29 settings outside their range", bad_input::c29),
    ("C31 layouts of an array", bad_input::c31),
    ("C32 the caller's data stay as they are", bad_input::c32),
    ("C33 a memory ceiling", bad_input::c33),
    ("C34 separation", bad_input::c34),
    ("C35 the iteration limit", bad_input::c35),
    ("C36 cancellation", bad_input::c36),
    ("C37 the same fit twice", laws::c37),
    ("C38 no state between fits", laws::c38),
    ("C39 any number of threads", laws::c39),
    ("C40 rows in another order", laws::c40),
    ("C41 columns in another order", laws::c41),
    ("C42 weights of one", laws::c42),
    ("C43 weights as repeated rows", laws::c43),
    ("C44 weights times a constant", laws::c44),
    ("C45 weights matter", laws::c45),
    ("C46 shifted and scaled columns", laws::c46),
    ("C47 classes renamed", laws::c47),
    ("C48 batches and single rows", laws::c48),
    ("C49 rows do not see each other", laws::c49),
    ("C51 nothing of the test side enters", laws::c51),
    ("C52 settings built again", laws::c52),
    ("C53 predict changes nothing", laws::c53),
    ("C55 finite outputs", outputs::c55),
    ("C56 probabilities", outputs::c56),
    ("C57 decision and probability agree", outputs::c57),
    ("C58 it learns", outputs::c58),
    ("C61 what a result says of itself", outputs::c61),
    ("C63 p-values", outputs::c63),
    ("C64 intervals", outputs::c64),
    ("C69 saved, loaded, the same", saved::c69),
    ("C70 every bit of every number", saved::c70),
    ("C71 no number that is not finite", saved::c71),
    ("C73 unknown versions, kinds and fields", saved::c73),
    ("C74 damaged files", saved::c74),
    ("C75 a model as wide as it gets", saved::c75),
    ("C76 no training rows inside", saved::c76),
    ("C77 shared between threads", outputs::c77),
    ("C78 errors hold no cell value", bad_input::c78),
];

fn run(subject: &dyn Subject) {
    let mut failures = Vec::new();
    let (mut applied, mut skipped) = (0, Vec::new());
    for (check, run) in CHECKS {
        let opt_out = OPT_OUTS
            .iter()
            .find(|(who, what, _)| *who == subject.name() && *what == *check);
        let started = std::time::Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| run(subject)));
        if started.elapsed().as_millis() > 500 {
            println!("{check}: {:?}", started.elapsed());
        }
        match (outcome, opt_out) {
            (Ok(Applies::Yes), None) => applied += 1,
            (Ok(Applies::No(why)), None) => skipped.push(format!("{check}: {why}")),
            (Ok(_), Some(_)) => failures.push(format!("{check}: passes, take it off the opt-outs")),
            (Err(_), Some((_, _, reason))) => skipped.push(format!("{check}: opted out: {reason}")),
            (Err(panic), None) => {
                let text = panic
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
                failures.push(format!("{check}: {}", text.unwrap_or_default()));
            }
        }
    }
    println!(
        "{}: {applied} checks of {} passed",
        subject.name(),
        CHECKS.len()
    );
    for line in &skipped {
        println!("  not for it: {line}");
    }
    assert!(
        failures.is_empty(),
        "{}: {} checks failed\n{}",
        subject.name(),
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn first_subject() {
    run(&*subjects()[0]);
}

#[test]
fn second_subject() {
    run(&*subjects()[1]);
}

#[test]
fn third_subject() {
    run(&*subjects()[2]);
}

/// The others one after the other: the harness has no tests made at run time.
#[test]
fn other_subjects() {
    for subject in &subjects()[3..6] {
        run(&**subject);
    }
}

#[test]
fn tree_subjects() {
    for subject in &subjects()[6..9] {
        run(&**subject);
    }
}

#[test]
fn more_tree_subjects() {
    for subject in &subjects()[9..] {
        run(&**subject);
    }
}

#[test]
fn opt_outs_name_checks_and_subjects() {
    let subjects = subjects();
    for (who, what, reason) in &OPT_OUTS {
        assert!(subjects.iter().any(|subject| subject.name() == *who));
        assert!(CHECKS.iter().any(|(check, _)| check == what));
        assert!(!reason.is_empty());
    }
}
