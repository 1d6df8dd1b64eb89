//! Forests as users meet them.

use linfa::DatasetBase;
use ndarray::{Array1, Array2};

use super::*;
use crate::classification::logistic::{Cell, ClassWeights};
use crate::error::{ErrorKind, Result};
use crate::estimator::{
    Classify, Cohort, Control, Fit, Model, ParamGuard, PatientMatrix, PredictRisk, Saved, Summary,
};
use crate::matrix::{Binary, Column, Feature, RowKeys};
use crate::numeric::seed::{Stream, below, stream, uniform};

fn small() -> RandomForestParams {
    RandomForest::params().n_trees(12).max_leaves(12)
}

/// Risk rises with lactate beyond 2 and depends on the ward; lactate is often missing; two rows each.
fn patients_in(order: &[usize], seed: u64) -> Cohort<Binary> {
    let wards = ["medical", "surgical", "intensive"];
    let (mut lactate, mut noise, mut ward, mut died) = (vec![], vec![], vec![], vec![]);
    for row in order {
        let mut r = stream(seed, *row as u64);
        let bell = |r: &mut Stream| (0..6).map(|_| uniform(r)).sum::<f64>() - 3.0;
        let (x, at) = (1.5 + bell(&mut r), below(&mut r, 3));
        let known = uniform(&mut r) < 0.8;
        let eta = -1.0 + 2.0 * (x - 1.5).max(0.0) + if at == 2 { 1.5 } else { 0.0 };
        died.push(uniform(&mut r) < 1.0 / (1.0 + (-eta).exp()));
        lactate.push(if known { x } else { f64::NAN });
        noise.push(bell(&mut r));
        ward.push(Some(wards[at]));
    }
    let matrix = PatientMatrix::new(vec![
        (Feature::numeric("lactate"), Column::dense(lactate).unwrap()),
        (Feature::numeric("noise"), Column::dense(noise).unwrap()),
        (Feature::category("ward"), Column::categorical(ward)),
    ])
    .unwrap()
    .with_keys(RowKeys::none().patients(order.iter().map(|row| row / 2)))
    .unwrap();
    Cohort::new(matrix, Binary::from_flags("died", died))
}

fn patients(n: usize, seed: u64) -> Cohort<Binary> {
    patients_in(&(0..n).collect::<Vec<_>>(), seed)
}

fn brier(risk: &Array1<f64>, target: &Binary) -> f64 {
    let pairs = risk.iter().zip(target.values());
    let square = |(p, y): (&f64, &bool)| (p - f64::from(u8::from(*y))).powi(2);
    pairs.map(square).sum::<f64>() / risk.len() as f64
}

#[test]
fn it_learns_and_knows_its_error() -> Result<()> {
    let (train, test) = (patients(1_600, 1), patients(1_600, 2));
    for params in [small(), small().random_cuts(true)] {
        let params = params.n_trees(40).check()?;
        let (model, oob) = params.fit_with_oob(&train, &Control::silent())?;
        let share = train.targets.values().iter().filter(|y| **y).count() as f64 / 1_600.0;
        let base = share * (1.0 - share);
        let found = brier(&model.predict_risk(&test.records)?, &test.targets);
        assert!(found < 0.93 * base, "{found} against {base}");
        assert!(
            (oob.brier() - found).abs() < 0.025,
            "{} {found}",
            oob.brier()
        );
        assert!(oob.rows() == 1_600 && oob.log_loss() < 0.69 && oob.error_rate() < 0.5);
        // The forest fits its own patients better than it answers for them out of bag.
        let own = brier(&model.predict_risk(&train.records)?, &train.targets);
        assert!(own < oob.brier());
        let importance = model.importance();
        let gain = |name: &str| importance.iter().find(|i| i.feature == name).unwrap().gain;
        assert!(gain("lactate") > gain("noise"));
        let cuts: u64 = importance.iter().map(|i| i.count).sum();
        assert_eq!(cuts as usize, model.n_leaves() - model.n_trees());
    }
    Ok(())
}

#[test]
fn out_of_bag_is_what_trees_say_of_patients_they_never_saw() -> Result<()> {
    let train = patients(120, 5);
    let params = small().n_trees(5).check()?;
    let (model, oob) = params.fit_with_oob(&train, &Control::silent())?;
    let units = super::draw::Units::new(
        &params,
        crate::estimator::RowsSource::Matrix(&train.records),
        &(0..120).collect::<Vec<_>>(),
        &[0; 120],
        2,
    );
    let values = model.wire.binner.for_values(
        crate::estimator::RowsSource::Matrix(&train.records),
        |_, values| values.to_vec(),
    )?;
    let mut seen = 0;
    for (row, values) in values.concat().chunks(3).enumerate() {
        let (mut sum, mut n) = (0.0, 0);
        for (at, tree) in model.wire.trees.iter().enumerate() {
            let drawn = units.draw(super::draw::tree_key(params.seed, at));
            if drawn[row / 2] == 0 {
                sum += tree.value(tree.leaf(values))[1];
                n += 1;
            }
        }
        assert_eq!(oob.n_trees()[row], n);
        if n == 0 {
            assert!(oob.proba()[(row, 1)].is_nan());
        } else {
            assert!((oob.proba()[(row, 1)] - sum / f64::from(n)).abs() < 1e-15);
            seen += 1;
        }
        assert_eq!(
            oob.n_trees()[row],
            oob.n_trees()[row ^ 1],
            "both rows of a patient"
        );
    }
    assert_eq!(oob.rows(), seen);
    assert!(seen > 60 && !format!("{oob:?}").contains("proba"));
    let all = small().row_share(1.0).check()?;
    let error = all.fit_with_oob(&train, &Control::silent()).unwrap_err();
    assert!(error.to_string().contains("row_share"));
    Ok(())
}

#[test]
fn keyed_rows_may_come_in_any_order_and_on_any_threads() -> Result<()> {
    let params = small().check()?;
    let order: Vec<usize> = (0..600).collect();
    let turned: Vec<usize> = (0..600).rev().collect();
    let (a, b) = (patients_in(&order, 3), patients_in(&turned, 3));
    let (model, oob) = params.fit_with_oob(&a, &Control::silent())?;
    let again = params.fit(&b)?;
    assert_eq!(model.wire.trees, again.wire.trees);
    for threads in [1, 2, 3, 7, 16] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().unwrap();
        let (other, of_other) = pool.install(|| params.fit_with_oob(&a, &Control::silent()))?;
        assert_eq!(other, model);
        let bits =
            |oob: &OutOfBag| -> Vec<u64> { oob.proba().iter().map(|p| p.to_bits()).collect() };
        assert_eq!(bits(&of_other), bits(&oob));
    }
    Ok(())
}

#[test]
fn a_model_saved_is_the_same_model() -> Result<()> {
    let train = patients(300, 9);
    let model = small().check()?.fit(&train)?;
    let risk = model.predict_risk(&train.records)?;
    let json = Saved::new(model.clone()).to_json()?;
    let again = Saved::<RandomForest>::from_json(&json)?.into_model();
    assert_eq!(again, model);
    assert_eq!(again.predict_risk(&train.records)?, risk);
    // Shares that are none are refused.
    let mut wire = (*model.wire).clone();
    wire.trees[0].values[0] = 1.5;
    assert!(RandomForest::of(wire).is_err());
    let mut wire = (*model.wire).clone();
    wire.trees.pop();
    assert!(RandomForest::of(wire).is_err());
    let mut wire = (*model.wire).clone();
    wire.modelled = 2;
    assert!(RandomForest::of(wire).is_err());
    Ok(())
}

#[test]
fn three_classes_add_up() -> Result<()> {
    let train = patients(400, 4);
    let labels: Array1<usize> = (0..400).map(|row| row % 2 + row % 5 / 4).collect();
    let cohort = DatasetBase::new(train.records, labels);
    let params = small().check()?;
    let (model, oob) = params.fit_with_oob(&cohort, &Control::silent())?;
    let all = model.predict_proba(&cohort.records)?;
    assert_eq!(all.dim(), (400, 3));
    for row in all.rows() {
        assert!((row.sum() - 1.0).abs() < 1e-12 && row.iter().all(|p| *p >= 0.0));
    }
    let values = model.wire.binner.for_values(
        crate::estimator::RowsSource::Matrix(&cohort.records),
        |_, values| values.to_vec(),
    )?;
    for (values, row) in values.concat().chunks(3).zip(all.rows()) {
        let trees = model.wire.trees.iter();
        let sum: f64 = trees.map(|tree| tree.value(tree.leaf(values))[2]).sum();
        assert!((row[2] - sum / 12.0).abs() < 1e-14);
    }
    assert!(oob.brier() < 1.0 && model.predict_risk(&cohort.records).is_err());
    // Attributions add up to the probability.
    let shap = crate::explain::tree_shap(&model, &cohort.records)?;
    let sums = shap.sum();
    for (sum, p) in sums.iter().zip(all.iter()) {
        assert!((sum - p).abs() < 1e-9);
    }
    let refused = |params: RandomForestParams| params.check()?.fit(&cohort);
    for bad in [
        small().event("1"),
        small().class_weights(ClassWeights::Given(1.0, 2.0)),
    ] {
        let error = refused(bad).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::TargetKind { .. }));
    }
    Ok(())
}

#[test]
fn weights_of_classes_and_rows() -> Result<()> {
    let n = 200;
    let x = Array2::from_shape_fn((n, 2), |(row, column)| ((row * (column + 3)) % 17) as f64);
    let y: Array1<bool> = (0..n).map(|row| row % 8 == 0).collect();
    let plain = RandomForest::extra_trees()
        .n_trees(4)
        .random_cuts(false)
        .max_depth(1);
    let mean = |params: RandomForestParams, weights: Option<Vec<f32>>| -> Result<f64> {
        let cohort = DatasetBase::new(x.clone(), y.clone());
        let cohort = match weights {
            Some(weights) => cohort.with_weights(weights.into()),
            None => cohort,
        };
        let model = params.check()?.fit(&cohort)?;
        Ok(model.wire.trees[0].value(0)[1])
    };
    assert_eq!(mean(plain.clone(), None)?, 0.125);
    let balanced = plain.clone().class_weights(ClassWeights::Balanced);
    assert!((mean(balanced, None)? - 0.5).abs() < 1e-9);
    let weights = y.iter().map(|y| if *y { 7.0 } else { 1.0 }).collect();
    assert_eq!(mean(plain.clone(), Some(weights))?, 0.5);
    // A class of weight zero is not there.
    let none = y.iter().map(|y| if *y { 0.0 } else { 1.0 }).collect();
    let error = mean(plain.clone(), Some(none)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::SingleClass { .. }));
    // Rows of weight zero are not there: the same draws without them.
    let cohort = DatasetBase::new(x.clone(), y.clone());
    let weights: Vec<f32> = (0..n).map(|row| f32::from(u8::from(row >= 60))).collect();
    let weighted = small().check()?.fit(&cohort.with_weights(weights.into()))?;
    let rest: Vec<usize> = (60..n).collect();
    let pick = |axis| (x.select(axis, &rest), y.select(axis, &rest));
    let (rest, labels) = pick(ndarray::Axis(0));
    let alone = DatasetBase::new(rest, labels);
    let alone = small().check()?.fit(&alone)?;
    assert_eq!(weighted.wire.trees, alone.wire.trees);
    Ok(())
}

#[test]
fn degenerate_inputs() -> Result<()> {
    let fit = |x: Array2<f64>, y: Vec<bool>, params: RandomForestParams| {
        params.check()?.fit(&DatasetBase::new(x, Array1::from(y)))
    };
    let flags = |n: usize| (0..n).map(|row| row % 3 == 0).collect::<Vec<bool>>();
    let one_class = fit(Array2::zeros((6, 2)), vec![true; 6], small());
    assert!(matches!(
        one_class.unwrap_err().kind(),
        ErrorKind::SingleClass { .. }
    ));
    let missing = fit(Array2::from_elem((9, 2), f64::NAN), flags(9), small())?;
    assert_eq!(missing.constant_features().len(), 2);
    assert!(
        Summary::warnings(&missing)
            .iter()
            .any(|w| w.contains("no tree has a cut"))
    );
    let two = fit(ndarray::array![[0.0], [1.0]], vec![false, true], small());
    assert_eq!(two?.n_trees(), 12);
    // One patient with the event.
    let x = Array2::from_shape_fn((50, 1), |(row, _)| row as f64);
    let rare: Vec<bool> = (0..50).map(|row| row == 20).collect();
    for params in [
        small(),
        small().balanced(true),
        RandomForest::extra_trees().n_trees(5),
    ] {
        let model = fit(x.clone(), rare.clone(), params)?;
        let risk = model.predict_risk(&x)?;
        assert!(risk.iter().all(|p| (0.0..=1.0).contains(p)));
        assert_eq!(Model::header(&model).n_events, Some(1));
    }
    // More levels than bins.
    let wards: Vec<Option<String>> = (0..900)
        .map(|r| Some(format!("ward {}", r % 300)))
        .collect();
    let matrix = PatientMatrix::new(vec![(
        Feature::category("ward"),
        Column::categorical(wards.iter().map(Option::as_deref)),
    )])?;
    let died = (0..900).map(|row| row % 300 < 40);
    let cohort = Cohort::new(matrix, Binary::from_flags("died", died.collect::<Vec<_>>()));
    let model = small().check()?.fit(&cohort)?;
    let risk = model.predict_risk(&cohort.records)?;
    let all = risk.iter().zip(cohort.targets.values());
    let (mut of_died, mut of_others) = (0.0, 0.0);
    for (p, died) in all {
        *(if *died { &mut of_died } else { &mut of_others }) += p;
    }
    assert!(of_died / 120.0 > 2.0 * of_others / 780.0);
    Ok(())
}

#[test]
fn a_fit_can_be_stopped() {
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let control = Control::silent().stop_when(stop);
    let params = small().check().unwrap();
    let error = params
        .fit_with_control(&patients(60, 1), &control)
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Cancelled));
}

#[test]
fn the_scorer_answers_as_the_model() -> Result<()> {
    let cohort = patients(400, 9);
    for params in [small(), small().random_cuts(true)] {
        let model = params.min_leaf_rows(5).check()?.fit(&cohort)?;
        let risk = model.predict_risk(&cohort.records)?;
        let scorer = model.scorer()?;
        assert_eq!(scorer.n_features(), 3);
        let number = |name: &str| cohort.records.column(name).unwrap().to_vec();
        let (lactate, noise) = (number("lactate"), number("noise"));
        let ward = cohort.records.column("ward")?;
        for row in 0..400 {
            let cells = [
                Cell::Number(lactate[row]),
                Cell::Number(noise[row]),
                ward.level(row).map_or(Cell::Missing, Cell::Level),
            ];
            assert_eq!(scorer.risk(&cells)?.to_bits(), risk[row].to_bits());
        }
        let with = |cell| scorer.risk(&[Cell::Number(1.0), Cell::Number(0.0), cell]);
        assert_eq!(with(Cell::Level("unheard of"))?, with(Cell::Missing)?);
        assert!(with(Cell::Number(1.0)).is_err() && scorer.risk(&[]).is_err());
    }
    let labels: Array1<usize> = (0..400).map(|row| row % 3).collect();
    let three = DatasetBase::new(cohort.records.clone(), labels);
    assert!(small().check()?.fit(&three)?.scorer().is_err());
    Ok(())
}

/// More features than are read without an allocation.
#[test]
fn the_scorer_reads_wide_rows() -> Result<()> {
    let x = Array2::from_shape_fn((60, 300), |(row, column)| {
        ((row * 7 + column * 3) % 11) as f64
    });
    let y: Array1<bool> = (0..60).map(|row| x[(row, 299)] > 5.0).collect();
    let params = small().min_leaf_rows(2).row_share(1.0).check()?;
    let model = params.fit(&DatasetBase::new(x.clone(), y))?;
    let risk = model.predict_risk(&x)?;
    let scorer = model.scorer()?;
    for (row, risk) in x.rows().into_iter().zip(&risk) {
        let cells: Vec<Cell<'_>> = row.iter().map(|value| Cell::Number(*value)).collect();
        assert_eq!(scorer.risk(&cells)?.to_bits(), risk.to_bits());
    }
    Ok(())
}

/// One feature without effect: what is answered are the shares of the classes by weight.
#[test]
fn classes_weigh_what_they_are_given() -> Result<()> {
    let shares = |labels: &[&str], params: RandomForestParams| {
        let labels: Array1<String> = labels.iter().map(|label| (*label).to_string()).collect();
        let rows = Array2::<f64>::zeros((labels.len(), 1));
        let cohort = DatasetBase::new(rows.clone(), labels);
        let model = params.n_trees(2).row_share(1.0).check()?.fit(&cohort)?;
        Ok::<_, crate::Error>(model.predict_proba(&rows)?.row(0).to_vec())
    };
    let near = |found: Vec<f64>, expected: &[f64]| {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-9, "{found:?}");
        }
    };
    // 1 a, 3 b, 2 c: with c four times, 1 + 3 + 8 = 12.
    let c = small().class_weight("c", 4.0);
    let three = ["b", "a", "c", "b", "c", "b"];
    near(
        shares(&three, c.clone())?,
        &[1.0 / 12.0, 3.0 / 12.0, 8.0 / 12.0],
    );
    // The event is the first of the names: 1 times 6 of 6 + 3.
    let two = ["died", "lived", "lived", "lived"];
    let given = small().class_weights(ClassWeights::Given(1.0, 6.0));
    near(shares(&two, given.event("died"))?, &[2.0 / 3.0, 1.0 / 3.0]);
    near(
        shares(&two, small().class_weight("died", 6.0))?,
        &[2.0 / 3.0, 1.0 / 3.0],
    );
    assert!(shares(&two, c).is_err(), "no class c");
    Ok(())
}

#[test]
fn forests_are_close_up_to_their_numbers() -> Result<()> {
    let cohort = patients(300, 12);
    let model = small().check()?.fit(&cohort)?;
    let moved = |by: f64| {
        let mut wire = (*model.wire).clone();
        wire.trees[0].nodes[0].threshold += by;
        RandomForest::of(wire)
    };
    approx::assert_abs_diff_eq!(moved(1e-9)?, model, epsilon = 1e-8);
    approx::assert_abs_diff_ne!(moved(1e-3)?, model, epsilon = 1e-8);
    approx::assert_relative_eq!(model.clone(), model);
    let other = small().seed(5).check()?.fit(&cohort)?;
    approx::assert_abs_diff_ne!(other, model, epsilon = 1e9);
    Ok(())
}
