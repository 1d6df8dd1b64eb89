//! A decision tree as it is read, used and refused.

use ndarray::{Array1, Array2};

use super::tests::{odd, patients, plain};
use super::*;
use crate::classification::logistic::{Cell, ClassWeights};
use crate::error::{ErrorKind, Result};
use crate::estimator::{
    Classify, Cohort, Fit, Model, ParamGuard, PatientMatrix, PredictInplace, PredictRisk, Summary,
};
use crate::matrix::{Binary, Column, Feature};
use crate::numeric::seed::{below, stream, uniform};
use linfa::DatasetBase;

/// Whether a value passes, read off the data of a rule.
fn passes(test: &Test, value: f64, level: Option<&str>) -> bool {
    let named =
        |list: &[String]| level.is_some_and(|level| list.iter().any(|other| other == level));
    let there = level.is_some() || !value.is_nan();
    match test {
        Test::AtMost(high) => value <= *high,
        Test::Above(low) => value > *low,
        Test::Between(low, high) => value > *low && value <= *high,
        Test::In(list) => named(list),
        Test::NotIn(list) => level.is_some() && !named(list),
        Test::Known => there,
        Test::Missing => !there,
    }
}

/// Leaves by the rules alone: stand-ins in order, then the side of the missing.
fn by_rules(
    model: &DecisionTree<impl crate::estimator::ClassLabel>,
    matrix: &PatientMatrix,
) -> Vec<usize> {
    let rules = model.rules();
    let read = |feature: &str, row: usize| -> (f64, Option<String>) {
        let view = matrix.column(feature).unwrap();
        if !view.levels().is_empty() {
            let level = view
                .code(row)
                .map(|code| view.levels()[code as usize].clone());
            return (f64::NAN, level);
        }
        let mut value = [0.0];
        view.fill(row, &mut value);
        (value[0], None)
    };
    (0..matrix.n_rows())
        .map(|row| {
            let meets = |condition: &Condition| {
                let (value, level) = read(&condition.feature, row);
                if level.is_some() || !value.is_nan() {
                    return passes(&condition.test, value, level.as_deref());
                }
                for other in &condition.stand_ins {
                    let (value, level) = read(&other.feature, row);
                    if level.is_some() || !value.is_nan() {
                        return passes(&other.test, value, level.as_deref());
                    }
                }
                condition.missing_passes
            };
            let met: Vec<usize> = rules
                .iter()
                .filter(|rule| rule.conditions.iter().all(meets))
                .map(|rule| rule.node)
                .collect();
            assert_eq!(met.len(), 1, "row {row} meets {met:?}");
            met[0]
        })
        .collect()
}

#[test]
fn every_row_meets_the_rule_of_its_leaf_and_no_other() -> Result<()> {
    for missing in [MissingValues::LearnedSide, MissingValues::Surrogate] {
        let (matrix, y, w) = odd(400, 3, 11);
        let cohort = DatasetBase::new(matrix.clone(), y.clone()).with_weights(w.clone().into());
        let params = plain().max_depth(5).missing_values(missing).check()?;
        let model = params.fit(&cohort)?;
        assert!(model.n_leaves() > 8);
        let leaves = model.apply(&matrix)?.to_vec();
        assert_eq!(by_rules(&model, &matrix), leaves);
        // What a rule says of its rows is what they say.
        for rule in model.rules() {
            let mut weight = [0.0; 3];
            let rows = (0..400).filter(|row| leaves[*row] == rule.node);
            rows.clone()
                .for_each(|row| weight[y[row]] += f64::from(w[row]));
            let whole: f64 = weight.iter().sum();
            assert_eq!((rows.count() as u64, whole), (rule.rows, rule.weight));
            for (class, share) in rule.probabilities.iter().enumerate() {
                assert!((share - weight[class] / whole).abs() < 1e-12);
            }
        }
    }
    Ok(())
}

#[test]
fn stand_ins_send_rows_as_the_cut_would() -> Result<()> {
    let cohort = patients(2_000, 5);
    let params = plain()
        .max_depth(1)
        .missing_values(MissingValues::Surrogate);
    let model = params.clone().check()?.fit(&cohort)?;
    let rules = model.rules();
    let condition = &rules[1].conditions[0];
    assert_eq!(
        (condition.feature.as_str(), condition.missing_passes),
        ("lactate", true)
    );
    let Test::Above(threshold) = condition.test else {
        panic!("{condition:?}");
    };
    assert!((threshold - 2.0).abs() < 0.1);
    let first = &condition.stand_ins[0];
    assert_eq!(first.feature, "age");
    assert!(first.adjusted_agreement > 0.6 && condition.stand_ins.len() <= 3);
    // Agreement by plain counting, a missing stand-in being none here.
    let read = |name: &str| {
        let mut values = vec![0.0; 2_000];
        cohort.records.column(name).unwrap().fill(0, &mut values);
        values
    };
    let (lactate, age) = (read("lactate"), read("age"));
    let known: Vec<usize> = (0..2_000).filter(|row| !lactate[*row].is_nan()).collect();
    let above = |row: &usize| lactate[*row] > threshold;
    let agree = known
        .iter()
        .filter(|row| passes(&first.test, age[**row], None) == above(row));
    let agreement = agree.count() as f64 / known.len() as f64;
    assert!((first.agreement - agreement).abs() < 1e-12);
    let most = known.iter().filter(|row| above(row)).count();
    let most = most.max(known.len() - most) as f64 / known.len() as f64;
    assert!((first.adjusted_agreement - (agreement - most) / (1.0 - most)).abs() < 1e-12);
    // A reversed stand-in is found as well.
    let turned = cohort.records.without(&["age"])?.with_column(
        Feature::numeric("youth"),
        Column::dense(age.iter().map(|age| -age).collect::<Vec<f64>>())?,
    )?;
    let other = Cohort::new(turned, cohort.targets.clone());
    let reversed = params.check()?.fit(&other)?;
    let first_turned = &reversed.rules()[1].conditions[0].stand_ins[0];
    assert_eq!(first_turned.feature, "youth");
    assert!((first_turned.agreement - agreement).abs() < 1e-12);
    // Without age and lactate, the heavier side.
    let nothing = PatientMatrix::new(vec![
        (
            Feature::numeric("lactate").unit("mmol/L"),
            Column::dense(vec![f64::NAN; 2])?,
        ),
        (
            Feature::numeric("age").unit("years"),
            Column::dense(vec![f64::NAN, 90.0])?,
        ),
        (Feature::numeric("noise"), Column::dense(vec![f64::NAN; 2])?),
        (
            Feature::category("ward"),
            Column::categorical(vec![None::<&str>, None]),
        ),
    ])?;
    let leaves = model.apply(&nothing)?;
    assert_eq!(leaves[1], rules[1].node);
    assert!(model.to_text().contains("where it is missing: age > "));
    // Attributions cannot follow a stand-in, and say so; without missing values they add up.
    let error = crate::explain::tree_shap(&model, &cohort.records).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NonFinite { .. }));
    let whole = cohort.records.select_rows(&known)?;
    let found = crate::explain::tree_shap(&model, &whole)?;
    let shares = model.predict_proba(&whole)?;
    for (sum, share) in found.sum().iter().zip(&shares) {
        assert!((sum - share).abs() < 1e-12);
    }
    Ok(())
}

#[test]
fn odd_data_end_well() -> Result<()> {
    // 300 levels, a column without values, a class of one row, a class without weight.
    let n = 900;
    let level: Vec<Option<String>> = (0..n).map(|row| Some(format!("l{}", row % 300))).collect();
    let matrix = PatientMatrix::new(vec![
        (Feature::category("many"), Column::categorical(level)),
        (Feature::numeric("never"), Column::dense(vec![f64::NAN; n])?),
    ])?;
    let y: Array1<usize> = (0..n)
        .map(|row| {
            if row == 5 {
                2
            } else if row == 6 {
                3
            } else {
                usize::from(row % 300 < 100)
            }
        })
        .collect();
    let mut weights = vec![1.0_f32; n];
    weights[6] = 0.0;
    let cohort = DatasetBase::new(matrix.clone(), y.clone()).with_weights(weights.into());
    for missing in [MissingValues::LearnedSide, MissingValues::Surrogate] {
        let model = plain().missing_values(missing).check()?.fit(&cohort)?;
        assert_eq!(model.classes(), [0, 1, 2]);
        assert_eq!(model.constant_features(), ["never"]);
        assert!(model.n_leaves() > 1);
        let shares = model.predict_proba(&matrix)?;
        assert!(
            shares
                .rows()
                .into_iter()
                .all(|row| (row.sum() - 1.0).abs() < 1e-12)
        );
        let mut labels: Array1<usize> = model.default_target(&matrix);
        model.predict_inplace(&matrix, &mut labels);
        let right = labels.iter().zip(&y).filter(|(a, b)| a == b).count();
        assert!(right > 800, "{right}");
    }
    let default = DecisionTree::params().check()?.fit(&cohort)?;
    assert!(default.n_leaves() >= 1);
    // Levels and gaps that training did not show.
    let cohort = patients(500, 8);
    let model = DecisionTree::params().check()?.fit(&cohort)?;
    let rows = PatientMatrix::new(vec![
        (
            Feature::numeric("lactate").unit("mmol/L"),
            Column::dense(vec![1.0, 1.0])?,
        ),
        (
            Feature::numeric("age").unit("years"),
            Column::dense(vec![50.0, f64::NAN])?,
        ),
        (
            Feature::numeric("noise"),
            Column::dense(vec![0.5, f64::NAN])?,
        ),
        (
            Feature::category("ward"),
            Column::categorical(vec![Some("new"), None]),
        ),
    ])?;
    let risk = model.predict_risk(&rows)?;
    assert!(risk.iter().all(|risk| (0.0..=1.0).contains(risk)));
    // Bare labels have no event, hence no risk.
    let text = DatasetBase::new(
        cohort.records.clone(),
        (0..500).map(|row| row % 2).collect::<Array1<usize>>(),
    );
    let unnamed = DecisionTree::params().check()?.fit(&text)?;
    assert!(matches!(
        unnamed.predict_risk(&cohort.records).unwrap_err().kind(),
        ErrorKind::TargetKind { .. }
    ));
    Ok(())
}

#[test]
fn exact_cuts_are_those_of_bins_that_hold_every_value() -> Result<()> {
    // Values within 1e-5 of each other, whole numbers with ties, a category of two levels.
    let mut r = stream(31, 1);
    let n = 240;
    let (mut near, mut ties, mut sex, mut y) = (vec![], vec![], vec![], vec![]);
    for _ in 0..n {
        let (a, b, s) = (below(&mut r, 200), below(&mut r, 12), below(&mut r, 2));
        near.push(1.0 + a as f64 * 1e-9);
        ties.push(b as f64);
        sex.push(Some(["female", "male"][s]));
        let risk = 0.1 + 0.4 * f64::from(a > 120) + 0.3 * f64::from(b > 5 && s == 1);
        y.push(uniform(&mut r) < risk);
    }
    let matrix = PatientMatrix::new(vec![
        (Feature::numeric("near"), Column::dense(near)?),
        (Feature::numeric("ties"), Column::dense(ties)?),
        (Feature::category("sex"), Column::categorical(sex)),
    ])?;
    let cohort = Cohort::new(matrix.clone(), Binary::from_flags("died", y));
    for impurity in [Impurity::Gini, Impurity::Entropy] {
        let params = plain().impurity(impurity).max_depth(4).min_leaf_rows(12);
        let bins = params.clone().check()?.fit(&cohort)?;
        let exact = params.cuts(Cuts::Exact).check()?.fit(&cohort)?;
        assert!(bins.n_leaves() > 5);
        assert_eq!(exact.wire.tree.nodes, bins.wire.tree.nodes);
        assert_eq!(exact.wire.tree.values, bins.wire.tree.values);
        assert_eq!(exact.to_text(), bins.to_text());
    }
    let folds = DecisionTree::params().cuts(Cuts::Exact).check()?;
    let model = folds.fit(&cohort)?;
    assert_eq!(model.header().row_derived[0].smallest_count, 1);
    assert!(model.pruning_path()[0].validation.is_some());
    Ok(())
}

#[test]
fn exact_cuts_refuse_what_they_cannot_hold() -> Result<()> {
    let exact = plain().cuts(Cuts::Exact).check()?;
    let refused = |cohort: &Cohort<Binary>| exact.fit(cohort).unwrap_err();
    let cohort = patients(100, 1);
    let gap = refused(&Cohort::new(
        cohort.records.without(&["ward"])?,
        cohort.targets.clone(),
    ));
    assert!(
        matches!(gap.kind(), ErrorKind::NonFinite { .. }) && gap.to_string().contains("lactate")
    );
    let whole = cohort.records.without(&["lactate"])?;
    let levels = refused(&Cohort::new(whole.clone(), cohort.targets.clone()));
    assert!(matches!(levels.kind(), ErrorKind::FeatureMismatch { .. }));
    let numbers = whole.without(&["ward"])?;
    let weights: Vec<f32> = (0..100).map(|row| 1.0 + (row % 2) as f32).collect();
    let sound = Cohort::new(numbers.clone(), cohort.targets.clone());
    let weighted = refused(&sound.clone().with_weights(weights.into()));
    assert!(matches!(weighted.kind(), ErrorKind::OutOfRange { .. }));
    let three: Array1<usize> = (0..100).map(|row| row % 3).collect();
    let three = exact
        .fit(&DatasetBase::new(numbers.clone(), three))
        .unwrap_err();
    assert!(matches!(three.kind(), ErrorKind::TargetKind { .. }));
    // One weight for all is no weight; a missing value at prediction is an error.
    let model = exact.fit(&sound.clone().with_weights(vec![0.5; 100].into()))?;
    assert_eq!(
        model.predict_risk(&numbers)?,
        exact.fit(&sound)?.predict_risk(&numbers)?
    );
    let rows = PatientMatrix::new(vec![
        (
            Feature::numeric("age").unit("years"),
            Column::dense(vec![50.0, f64::NAN])?,
        ),
        (Feature::numeric("noise"), Column::dense(vec![0.5, 0.5])?),
    ])?;
    let error = model.predict_risk(&rows).unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::NonFinite { row: Some(1), .. }
    ));
    Ok(())
}

#[test]
fn hostile_models_are_refused() -> Result<()> {
    let cohort = patients(600, 3);
    let params = plain()
        .max_depth(3)
        .missing_values(MissingValues::Surrogate);
    let model = params.check()?.fit(&cohort)?;
    let sound = |change: &dyn Fn(&mut super::model::Wire<bool>)| {
        let mut wire = (*model.wire).clone();
        change(&mut wire);
        let text = serde_json::to_string(&wire).unwrap();
        serde_json::from_str::<DecisionTree>(&text).is_ok()
    };
    assert!(sound(&|_| ()));
    let inner = (0..model.wire.tree.nodes.len())
        .find(|at| !model.wire.surrogates[*at].is_empty())
        .unwrap();
    let leaf = model
        .wire
        .tree
        .nodes
        .iter()
        .position(|node| node.is_leaf())
        .unwrap();
    assert!(!sound(&|wire| wire.tree.nodes[0].left = 0));
    assert!(!sound(&|wire| wire.tree.nodes[0].feature = 77));
    assert!(!sound(&|wire| wire.tree.nodes[0].rows += 1));
    assert!(!sound(&|wire| wire.tree.nodes[1].rows += 1));
    assert!(!sound(&|wire| wire.tree.nodes[0].gain = -1.0));
    assert!(!sound(&|wire| wire.tree.nodes[leaf].cover = 0.0));
    assert!(!sound(&|wire| wire.tree.values[0] += 0.1));
    assert!(!sound(&|wire| wire.tree.values[0] = -0.1));
    assert!(!sound(&|wire| wire.tree.n_outputs = 3));
    assert!(!sound(&|wire| wire.params.max_depth = 1));
    assert!(!sound(&|wire| wire.params.max_leaves = 2));
    assert!(!sound(&|wire| wire.surrogates[inner][0].feature = 99));
    assert!(!sound(
        &|wire| wire.surrogates[inner][0].feature = wire.tree.nodes[inner].feature
    ));
    assert!(!sound(&|wire| wire.surrogates[inner][0].agreement = 1.5));
    assert!(!sound(&|wire| {
        let other = &mut wire.surrogates[inner][0];
        other.set = if other.set.is_some() {
            None
        } else {
            Some([1; 4])
        };
    }));
    assert!(!sound(
        &|wire| wire.surrogates[leaf] = wire.surrogates[inner].clone()
    ));
    assert!(!sound(&|wire| wire.surrogates.truncate(2)));
    assert!(!sound(&|wire| wire.path.truncate(wire.path.len() - 1)));
    assert!(!sound(&|wire| wire.path[1].strength = 0.0));
    assert!(!sound(&|wire| wire.chosen = Some(99)));
    assert!(!sound(&|wire| wire.chosen = Some(1)));
    assert!(!sound(&|wire| wire.event = Some(2)));
    assert!(!sound(&|wire| wire.event = None));
    assert!(!sound(&|wire| wire.classes.reverse()));
    assert!(!sound(
        &|wire| wire.header.estimator = "GradientBoosting".into()
    ));
    assert!(!sound(&|wire| wire.header.n_rows = 1));
    assert!(!sound(&|wire| wire.constant.push("nobody".into())));
    Ok(())
}

#[test]
fn the_picture_shows_every_node() -> Result<()> {
    let cohort = patients(2_000, 4);
    let model = DecisionTree::params().max_depth(3).check()?.fit(&cohort)?;
    let figure = model.figure();
    let crate::estimator::figure::Shape::Tree { classes, nodes } = &figure.series[0].shape else {
        panic!("a tree");
    };
    assert_eq!(classes, &["false", "true"]);
    assert_eq!(nodes.len(), 2 * model.n_leaves() - 1);
    assert!(nodes.iter().skip(1).all(|node| node.parent.is_some()));
    assert!(
        nodes
            .iter()
            .all(|node| (node.shares.iter().sum::<f64>() - 1.0).abs() < 1e-12)
    );
    assert!(nodes.iter().any(|node| node.label.contains("mmol/L")));
    let text = serde_json::to_string(&figure).unwrap();
    let again: crate::estimator::Figure = serde_json::from_str(&text).unwrap();
    assert_eq!(again, figure);
    Ok(())
}

#[test]
fn the_scorer_answers_as_the_model() -> Result<()> {
    let cohort = patients(500, 9);
    for missing in [MissingValues::LearnedSide, MissingValues::Surrogate] {
        let params = plain().max_depth(6).missing_values(missing);
        let model = params.check()?.fit(&cohort)?;
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
        assert!(scorer.risk(&[Cell::Missing]).is_err());
    }
    // Exact cuts refuse a missing value here as well.
    let x = Array2::from_shape_fn((40, 1), |(row, _)| row as f64);
    let y: Array1<bool> = (0..40).map(|row| row >= 25).collect();
    let params = plain().cuts(Cuts::Exact).check()?;
    let model = params.fit(&DatasetBase::new(x, y))?;
    let scorer = model.scorer()?;
    assert_eq!(scorer.risk(&[Cell::Number(24.0)])?, 0.0);
    assert_eq!(scorer.risk(&[Cell::Number(25.0)])?, 1.0);
    let error = scorer.risk(&[Cell::Missing]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NonFinite { .. }));
    Ok(())
}

/// One feature without effect: what is answered are the shares of the classes by weight.
#[test]
fn classes_weigh_what_they_are_given() -> Result<()> {
    let shares = |labels: &[&str], params: DecisionTreeParams| {
        let labels: Array1<String> = labels.iter().map(|label| (*label).to_string()).collect();
        let rows = Array2::<f64>::zeros((labels.len(), 1));
        let cohort = DatasetBase::new(rows.clone(), labels);
        let model = params.check()?.fit(&cohort)?;
        assert!(!model.warnings().is_empty());
        Ok::<_, crate::Error>(model.predict_proba(&rows)?.row(0).to_vec())
    };
    // 1 a, 3 b, 2 c: with c four times, 1 + 3 + 8 = 12.
    let c = plain().class_weight("c", 4.0);
    let three = ["b", "a", "c", "b", "c", "b"];
    assert_eq!(
        shares(&three, c.clone())?,
        [1.0 / 12.0, 3.0 / 12.0, 8.0 / 12.0]
    );
    // The event is the first of the names: 1 times 6 of 6 + 3.
    let two = ["died", "lived", "lived", "lived"];
    let given = plain().class_weights(ClassWeights::Given(1.0, 6.0));
    assert_eq!(shares(&two, given.event("died"))?, [6.0 / 9.0, 3.0 / 9.0]);
    let named = plain().class_weight("died", 6.0);
    assert_eq!(shares(&two, named)?, [6.0 / 9.0, 3.0 / 9.0]);
    assert!(shares(&two, c).is_err(), "no class c");
    assert!(
        plain()
            .cuts(Cuts::Exact)
            .class_weight("a", 2.0)
            .check()
            .is_err()
    );
    Ok(())
}
