//! Gradient boosting as users meet it.

use ndarray::{Array1, Array2};

use super::*;
use crate::classification::logistic::{Cell, ClassWeights};
use crate::error::{ErrorKind, Result};
use crate::estimator::{
    Classify, Cohort, Fit, Model, ParamGuard, PatientMatrix, PredictRisk, Saved, Summary,
};
use crate::matrix::{Binary, Column, Feature, RowKeys};
use crate::numeric::seed::{Stream, below, stream, uniform};
use linfa::DatasetBase;

fn small() -> GradientBoostingParams {
    GradientBoosting::params().n_trees(10).max_leaves(6)
}

/// Risk rises with lactate beyond 2, bends with age, depends on the ward; lactate is often missing.
fn patients(n: usize, seed: u64) -> Cohort<Binary> {
    let mut r = stream(seed, 1);
    let bell = |r: &mut Stream| (0..6).map(|_| uniform(r)).sum::<f64>() - 3.0;
    let wards = ["medical", "surgical", "intensive"];
    let (mut lactate, mut age, mut noise, mut ward, mut died) =
        (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..n {
        let (x, years, at) = (
            1.5 + bell(&mut r),
            60.0 + 15.0 * bell(&mut r),
            below(&mut r, 3),
        );
        let known = uniform(&mut r) < 0.8;
        let eta = -1.0
            + 1.5 * (x - 2.0).max(0.0)
            + ((years - 60.0) / 15.0).powi(2)
            + if at == 2 { 1.0 } else { 0.0 };
        died.push(uniform(&mut r) < 1.0 / (1.0 + (-eta).exp()));
        lactate.push(if known { x } else { f64::NAN });
        age.push(years);
        noise.push(bell(&mut r));
        ward.push(Some(wards[at]));
    }
    let matrix = PatientMatrix::new(vec![
        (Feature::numeric("lactate"), Column::dense(lactate).unwrap()),
        (
            Feature::numeric("age").range(-200.0, 400.0),
            Column::dense(age).unwrap(),
        ),
        (Feature::numeric("noise"), Column::dense(noise).unwrap()),
        (Feature::category("ward"), Column::categorical(ward)),
    ])
    .unwrap()
    .with_keys(RowKeys::none().patients((0..n).map(|row| row / 2)))
    .unwrap();
    Cohort::new(matrix, Binary::from_flags("died", died))
}

fn log_loss(risk: &Array1<f64>, target: &Binary) -> f64 {
    let pairs = risk.iter().zip(target.values());
    let loss = |(p, y): (&f64, &bool)| -if *y { p.ln() } else { (1.0 - p).ln() };
    pairs.map(loss).sum::<f64>() / risk.len() as f64
}

#[test]
fn it_learns_bends_and_levels() -> Result<()> {
    let (train, test) = (patients(1_500, 1), patients(800, 2));
    let model = small().n_trees(25).check()?.fit(&train)?;
    let risk = model.predict_risk(&test.records)?;
    let share = train.targets.values().iter().filter(|y| **y).count() as f64 / 1_500.0;
    let base = log_loss(&Array1::from_elem(800, share), &test.targets);
    let found = log_loss(&risk, &test.targets);
    assert!(found < 0.93 * base, "{found} against {base}");
    let importance = model.importance();
    let gain = |name: &str| importance.iter().find(|i| i.feature == name).unwrap().gain;
    assert!(gain("lactate") > gain("noise") && gain("age") > gain("noise"));
    assert!((importance.iter().map(|i| i.share).sum::<f64>() - 1.0).abs() < 1e-12);
    let cuts: u64 = importance.iter().map(|i| i.count).sum();
    assert_eq!(cuts as usize, model.n_leaves() - model.n_trees());
    assert!(model.train_loss().windows(2).all(|pair| pair[1] < pair[0]));
    let at_end = log_loss(&model.predict_risk(&train.records)?, &train.targets);
    assert!((at_end - model.train_loss()[24]).abs() < 1e-6);
    Ok(())
}

#[test]
fn stages_end_at_the_model() -> Result<()> {
    let cohort = patients(300, 3);
    let model = small().check()?.fit(&cohort)?;
    let staged = model.staged_risk(&cohort.records)?;
    assert_eq!(staged.dim(), (300, 10));
    assert_eq!(staged.column(9), model.predict_risk(&cohort.records)?);
    let fewer = small().n_trees(4).check()?.fit(&cohort)?;
    assert_eq!(staged.column(3), fewer.predict_risk(&cohort.records)?);
    let all = model.staged_proba(&cohort.records)?;
    assert_eq!(all.dim(), (300, 10, 2));
    let fourth = all.index_axis(ndarray::Axis(1), 3);
    assert_eq!(fourth.column(1), staged.column(3));
    Ok(())
}

#[test]
fn going_on_is_going_through() -> Result<()> {
    let cohort = patients(400, 4);
    let whole = small().check()?.fit(&cohort)?;
    let half = small().n_trees(6).check()?.fit(&cohort)?;
    let further = half.fit_further(&cohort, 4)?;
    assert_eq!((further.n_trees(), further.settings().n_trees), (10, 10));
    assert_eq!(further.train_loss().len(), 10);
    let (a, b) = (
        whole.predict_risk(&cohort.records)?,
        further.predict_risk(&cohort.records)?,
    );
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6));
    assert!(approx::relative_eq!(
        further,
        whole,
        max_relative = 1e-4,
        epsilon = 1e-6
    ));
    // Other rows, another schema, no more trees, an unknown class.
    half.fit_further(&patients(200, 5), 2)?;
    let without = Cohort::new(cohort.records.without(&["noise"])?, cohort.targets.clone());
    assert!(matches!(
        half.fit_further(&without, 2).unwrap_err().kind(),
        ErrorKind::Schema(_)
    ));
    let other = cohort.records.without(&["noise"])?;
    let other = other.with_column(Feature::numeric("other"), Column::dense(vec![0.0; 400])?)?;
    let other = Cohort::new(other, cohort.targets.clone());
    assert!(matches!(
        half.fit_further(&other, 2).unwrap_err().kind(),
        ErrorKind::FeatureNames { .. }
    ));
    assert!(half.fit_further(&cohort, 0).is_err());
    let text = |n: usize| -> Array1<usize> { (0..400).map(|row| row % n).collect() };
    let two = DatasetBase::new(cohort.records.clone(), text(2));
    let model = small().check()?.fit(&two)?;
    let three = DatasetBase::new(cohort.records.clone(), text(3));
    assert!(matches!(
        model.fit_further(&three, 1).unwrap_err().kind(),
        ErrorKind::TargetKind { .. }
    ));
    Ok(())
}

#[test]
fn early_stopping_keeps_the_best_iteration() -> Result<()> {
    let cohort = patients(600, 6);
    let params = small()
        .n_trees(200)
        .learning_rate(0.5)
        .min_leaf_rows(2)
        .early_stopping(5)
        .validation_share(0.3);
    let model = params.clone().check()?.fit(&cohort)?;
    let losses = model.validation_loss();
    assert!(model.stopped_early() && losses.len() < 200);
    let best = losses.iter().fold(f64::INFINITY, |m, loss| m.min(*loss));
    assert_eq!(losses[model.n_iterations() - 1], best);
    assert_eq!(losses.len(), model.n_iterations() + 5);
    assert_eq!(model.header().n_rows, 600);
    assert!(
        model
            .facts()
            .iter()
            .any(|(name, _)| name == "validation loss")
    );
    // Nothing of a validation patient is learnt from: another outcome changes no tree before the
    // best iteration of either.
    let rows = crate::estimator::RowsSource::Matrix(&cohort.records);
    let drawn = target::validation_rows(rows, 0.3, 0);
    let flags = cohort.targets.values().iter().zip(&drawn);
    let flipped = Binary::from_flags("died", flags.map(|(y, drawn)| y ^ drawn));
    let other = Cohort::new(cohort.records.clone(), flipped);
    let other = params.check()?.fit(&other)?;
    let n = model.n_iterations().min(other.n_iterations());
    assert_eq!(model.train_loss()[..n], other.train_loss()[..n]);
    assert_ne!(model.validation_loss()[0], other.validation_loss()[0]);
    let few = small().early_stopping(3).validation_share(1e-9);
    assert!(matches!(
        few.check()?.fit(&cohort).unwrap_err().kind(),
        ErrorKind::TooFewRows { .. }
    ));
    Ok(())
}

#[test]
fn a_monotone_risk_never_turns() -> Result<()> {
    let cohort = patients(800, 7);
    let params = small().n_trees(20).min_leaf_rows(5);
    let risk_over_age = |params: GradientBoostingParams| -> Result<Vec<f64>> {
        let model = params.check()?.fit(&cohort)?;
        let n = 121;
        let wards = (0..n).map(|_| Some("surgical"));
        let rows = PatientMatrix::new(vec![
            (Feature::numeric("lactate"), Column::dense(vec![1.0; n])?),
            (
                Feature::numeric("age").range(-200.0, 400.0),
                Column::dense((0..n).map(|age| age as f64).collect::<Vec<_>>())?,
            ),
            (Feature::numeric("noise"), Column::dense(vec![0.0; n])?),
            (Feature::category("ward"), Column::categorical(wards)),
        ])?;
        Ok(model.predict_risk(&rows)?.to_vec())
    };
    let free = risk_over_age(params.clone())?;
    let turns = |risk: &[f64]| risk.windows(2).any(|pair| pair[1] < pair[0]);
    assert!(turns(&free), "the risk falls before it rises");
    let up = risk_over_age(params.clone().monotone("age", Direction::Increasing))?;
    assert!(!turns(&up) && up[0] < up[120]);
    let mut down = risk_over_age(params.monotone("age", Direction::Decreasing))?;
    down.reverse();
    assert!(!turns(&down) && down[0] < down[120]);
    Ok(())
}

#[test]
fn features_in_different_groups_do_not_interact() -> Result<()> {
    let cohort = patients(800, 8);
    let model = small()
        .min_leaf_rows(5)
        .interactions([["age", "ward"]])
        .check()?
        .fit(&cohort)?;
    let apart = [[0_u32, 1], [0, 3], [0, 2], [2, 1], [2, 3]];
    for tree in &model.wire.trees {
        let mut ways: Vec<Vec<u32>> = vec![vec![]; tree.nodes.len()];
        for (at, node) in tree.nodes.iter().enumerate() {
            if node.is_leaf() {
                continue;
            }
            let mut way = ways[at].clone();
            way.push(node.feature);
            for pair in &apart {
                assert!(!pair.iter().all(|feature| way.contains(feature)), "{way:?}");
            }
            ways[node.left as usize] = way.clone();
            ways[node.right as usize] = way;
        }
    }
    Ok(())
}

#[test]
fn the_scorer_answers_as_the_model() -> Result<()> {
    let cohort = patients(500, 9);
    let model = small().min_leaf_rows(5).check()?.fit(&cohort)?;
    let risk = model.predict_risk(&cohort.records)?;
    let scorer = model.scorer()?;
    assert_eq!(scorer.n_features(), 4);
    let number = |name: &str| cohort.records.column(name).unwrap().to_vec();
    let (lactate, age, noise) = (number("lactate"), number("age"), number("noise"));
    let ward = cohort.records.column("ward")?;
    for row in 0..500 {
        let cells = [
            Cell::Number(lactate[row]),
            Cell::Number(age[row]),
            Cell::Number(noise[row]),
            ward.level(row).map_or(Cell::Missing, Cell::Level),
        ];
        assert_eq!(scorer.risk(&cells)?.to_bits(), risk[row].to_bits());
    }
    let with = |at: usize, cell: Cell<'static>| {
        let mut cells = [
            Cell::Missing,
            Cell::Number(60.0),
            Cell::Number(0.0),
            Cell::Level("medical"),
        ];
        cells[at] = cell;
        scorer.risk(&cells)
    };
    assert_eq!(with(0, Cell::Number(f64::NAN))?, with(0, Cell::Missing)?);
    assert_eq!(with(3, Cell::Level("unheard of"))?, with(3, Cell::Missing)?);
    for (at, cell) in [
        (0, Cell::Number(f64::INFINITY)),
        (0, Cell::Level("medical")),
        (1, Cell::Number(1e4)),
        (3, Cell::Number(1.0)),
    ] {
        assert!(with(at, cell).is_err());
    }
    assert!(scorer.risk(&[Cell::Missing]).is_err());
    Ok(())
}

#[test]
fn unsound_files_are_refused() -> Result<()> {
    let cohort = patients(300, 10);
    let model = small().min_leaf_rows(5).check()?.fit(&cohort)?;
    let again = Saved::<GradientBoosting>::from_json(&Saved::new(model.clone()).to_json()?)?;
    assert_eq!(again.into_model(), model);
    assert!(model.wire.check_all().is_ok());
    type Change = fn(&mut model::Wire<bool>);
    let changes: [Change; 16] = [
        |wire| wire.base[0] = f64::NAN,
        |wire| wire.base.push(0.0),
        |wire| wire.base.clear(),
        |wire| wire.trees[0].nodes[0].left = 0,
        |wire| wire.trees[0].nodes[0].feature = 4,
        |wire| wire.trees[0].n_outputs = 2,
        |wire| {
            let values = wire.trees.iter_mut().flat_map(|tree| &mut tree.values);
            values.for_each(|value| *value = f64::MAX)
        },
        |wire| {
            let node = wire.trees.iter_mut().flat_map(|tree| &mut tree.nodes);
            node.filter(|node| !node.is_leaf())
                .for_each(|node| node.feature = 3);
        },
        |wire| wire.binner.bins.truncate(3),
        |wire| wire.binner.bins.swap(0, 3),
        |wire| wire.classes.reverse(),
        |wire| wire.modelled = 2,
        |wire| wire.header.event = None,
        |wire| wire.params.learning_rate = 0.0,
        |wire| wire.train_loss.truncate(3),
        |wire| wire.constant.push("nobody".into()),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut wire = (*model.wire).clone();
        change(&mut wire);
        assert!(wire.check_all().is_err(), "change {at}");
        assert!(GradientBoosting::of(wire).is_err());
    }
    Ok(())
}

#[test]
fn class_weights_shift_the_risk() -> Result<()> {
    let cohort = patients(600, 11);
    let mean = |weights| -> Result<f64> {
        let model = small().class_weights(weights).check()?.fit(&cohort)?;
        assert_eq!(model.warnings().is_empty(), weights == ClassWeights::None);
        Ok(model.predict_risk(&cohort.records)?.mean().unwrap())
    };
    let plain = mean(ClassWeights::None)?;
    let share = cohort.targets.values().iter().filter(|y| **y).count() as f64 / 600.0;
    assert!((plain - share).abs() < 0.02);
    assert!((mean(ClassWeights::Balanced)? - 0.5).abs() < 0.03);
    assert!(mean(ClassWeights::Given(1.0, 5.0))? > plain + 0.1);
    // The same as rows weighted by hand.
    let weights: Vec<f32> = cohort
        .targets
        .values()
        .iter()
        .map(|y| if *y { 5.0 } else { 1.0 })
        .collect();
    let by_hand = small()
        .check()?
        .fit(&cohort.clone().with_weights(weights.into()))?;
    let given = small().class_weights(ClassWeights::Given(1.0, 5.0));
    let given = given.check()?.fit(&cohort)?;
    let (a, b) = (
        by_hand.predict_risk(&cohort.records)?,
        given.predict_risk(&cohort.records)?,
    );
    // Bins are by row weight, hence not the very same.
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 0.2));
    Ok(())
}

#[test]
fn drawn_rows_and_features_follow_the_seed() -> Result<()> {
    let cohort = patients(500, 12);
    let params = small().row_share(0.5).feature_share(0.5);
    let fit = |seed| -> Result<Array1<f64>> {
        let model = params.clone().seed(seed).check()?.fit(&cohort)?;
        assert_eq!(model.header().seed, seed);
        model.predict_risk(&cohort.records)
    };
    assert_eq!(fit(1)?, fit(1)?);
    assert_ne!(fit(1)?, fit(2)?);
    let whole = small().check()?.fit(&cohort)?;
    assert_ne!(whole.predict_risk(&cohort.records)?, fit(1)?);
    Ok(())
}

#[test]
fn text_classes_without_event_have_no_risk() -> Result<()> {
    let cohort = patients(200, 13);
    let labels: Array1<String> = cohort
        .targets
        .values()
        .iter()
        .map(|y| if *y { "died" } else { "survived" }.to_string())
        .collect();
    let data = DatasetBase::new(cohort.records.clone(), labels);
    let unnamed = small().check()?.fit(&data)?;
    assert!(unnamed.predict_risk(&cohort.records).is_err());
    assert!(unnamed.staged_risk(&cohort.records).is_err() && unnamed.scorer().is_err());
    assert!(unnamed.header().event.is_none());
    let named = small().event("died").check()?.fit(&data)?;
    assert_eq!(named.header().event.as_deref(), Some("died"));
    let flags = small().check()?.fit(&cohort)?;
    let risk = named.predict_risk(&cohort.records)?;
    assert_eq!(risk, flags.predict_risk(&cohort.records)?);
    // Columns in the order of classes: died, survived.
    assert_eq!(named.predict_proba(&cohort.records)?.column(0), risk);
    let all: Array2<f64> = unnamed.predict_proba(&cohort.records)?;
    assert!(
        all.column(0)
            .iter()
            .zip(&risk)
            .all(|(a, b)| (a - b).abs() < 1e-6)
    );
    Ok(())
}

/// One feature without effect: what is answered are the shares of the classes by weight.
#[test]
fn classes_weigh_what_they_are_given() -> Result<()> {
    let shares = |labels: &[&str], params: GradientBoostingParams| {
        let labels: Array1<String> = labels.iter().map(|label| (*label).to_string()).collect();
        let rows = Array2::<f64>::zeros((labels.len(), 1));
        let cohort = DatasetBase::new(rows.clone(), labels);
        let model = params.n_trees(1).check()?.fit(&cohort)?;
        Ok::<_, crate::Error>(model.predict_proba(&rows)?.row(0).to_vec())
    };
    let near = |found: Vec<f64>, expected: &[f64]| {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-9, "{found:?}");
        }
    };
    // 2 a, 6 b, 4 c: with c four times, 2 + 6 + 16 = 24. (A class lighter than half of the heaviest row
    // would start as if it were that heavy.)
    let three = ["b", "a", "c", "b", "c", "b"].repeat(2);
    let c = || GradientBoosting::params().class_weight("c", 4.0);
    near(shares(&three, c())?, &[1.0 / 12.0, 3.0 / 12.0, 8.0 / 12.0]);
    // On top of balance: 4 a, 4 b, 16 c.
    let balanced = c().class_weights(ClassWeights::Balanced);
    near(
        shares(&three, balanced)?,
        &[1.0 / 6.0, 1.0 / 6.0, 4.0 / 6.0],
    );
    // Two classes, the event first in the order of names: 1 times 6 of 6 + 3.
    let two = ["died", "lived", "lived", "lived"];
    for params in [
        GradientBoosting::params().class_weight("died", 6.0),
        GradientBoosting::params()
            .event("died")
            .class_weight("died", 6.0),
        GradientBoosting::params()
            .event("died")
            .class_weights(ClassWeights::Given(1.0, 6.0)),
    ] {
        near(shares(&two, params)?, &[2.0 / 3.0, 1.0 / 3.0]);
    }
    assert!(shares(&two, c()).is_err(), "no class c");
    Ok(())
}
