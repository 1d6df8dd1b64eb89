//! A decision tree as users meet it.

use ndarray::{Array1, Array2, array};

use super::*;
use crate::classification::logistic::ClassWeights;
use crate::error::{ErrorKind, Result};
use crate::estimator::{
    Classify, Cohort, Fit, Model, ParamGuard, PatientMatrix, PredictInplace, PredictRisk, Saved,
    Summary,
};
use crate::matrix::{Binary, Column, Feature, RowKeys};
use crate::numeric::seed::{below, stream, uniform};
use linfa::DatasetBase;

fn plain() -> DecisionTreeParams {
    DecisionTree::params()
        .min_leaf_rows(1)
        .pruning(Pruning::None)
}

/// Risk steps up with lactate beyond 2 and in one ward; age says where lactate stands, lactate is often
/// missing.
fn patients(n: usize, seed: u64) -> Cohort<Binary> {
    let mut r = stream(seed, 1);
    let wards = ["medical", "surgical", "intensive"];
    let (mut lactate, mut age, mut noise, mut ward, mut died) =
        (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..n {
        let (x, at) = (4.0 * uniform(&mut r), below(&mut r, 3));
        let risk = if x > 2.0 { 0.5 } else { 0.1 } + if at == 2 { 0.3 } else { 0.0 };
        let known = uniform(&mut r) < 0.8;
        died.push(uniform(&mut r) < risk);
        lactate.push(if known { x } else { f64::NAN });
        age.push(40.0 + 10.0 * x + 20.0 * uniform(&mut r));
        noise.push(uniform(&mut r));
        ward.push(Some(wards[at]));
    }
    let matrix = PatientMatrix::new(vec![
        (
            Feature::numeric("lactate").unit("mmol/L"),
            Column::dense(lactate).unwrap(),
        ),
        (
            Feature::numeric("age").unit("years"),
            Column::dense(age).unwrap(),
        ),
        (Feature::numeric("noise"), Column::dense(noise).unwrap()),
        (Feature::category("ward"), Column::categorical(ward)),
    ])
    .unwrap()
    .with_keys(RowKeys::none().patients(0..n))
    .unwrap();
    Cohort::new(matrix, Binary::from_flags("died", died))
}

/// Twelve rows whose tree is worked by hand below.
fn by_hand() -> DatasetBase<Array2<f64>, Array1<bool>> {
    let x = array![
        [1.0, 0.0],
        [2.0, 0.0],
        [3.0, 0.0],
        [4.0, 0.0],
        [5.0, 0.0],
        [6.0, 0.0],
        [9.0, 0.0],
        [10.0, 1.0],
        [11.0, 1.0],
        [12.0, 1.0],
        [13.0, 0.0],
        [14.0, 1.0],
    ];
    let y = (0..12).map(|row| [7, 8, 9, 10, 11].contains(&row) || row == 2);
    DatasetBase::new(x, y.collect())
}

#[test]
fn a_tree_worked_by_hand() -> Result<()> {
    let model = plain().max_depth(2).check()?.fit(&by_hand())?;
    // Root 6 of 12: impurity 1/2. x0 <= 9.5 leaves 1 of 7 and 5 of 5: impurity 12/49 x 7/12 = 1/7.
    // There x0 <= 3.5 leaves 1 of 3 and 0 of 4: impurity 4/9 x 3/12 = 1/9; x0 <= 2.5 leaves 0 of 2 and
    // 1 of 5: 8/25 x 5/12 = 2/15. The first is taken.
    assert_eq!(
        model.to_text(),
        "all: true 50.0 % of 12 rows\n\
         \x20 x0 <= 9.5 or missing: true 14.3 % of 7 rows\n\
         \x20   x0 <= 3.5: true 33.3 % of 3 rows\n\
         \x20   x0 > 3.5 or missing: true 0.0 % of 4 rows\n\
         \x20 x0 > 9.5: true 100.0 % of 5 rows\n"
    );
    let path = model.pruning_path();
    let expected = [
        (0.0, 3, 1.0 / 9.0),
        (2.0 / 63.0, 2, 1.0 / 7.0),
        (5.0 / 14.0, 1, 0.5),
    ];
    assert_eq!(path.len(), 3);
    for (step, (strength, leaves, cost)) in path.iter().zip(expected) {
        assert!((step.strength - strength).abs() < 1e-15, "{step:?}");
        assert!(step.leaves == leaves && (step.cost - cost).abs() < 1e-15);
    }
    let gains: f64 = model.importance().iter().map(|item| item.gain).sum();
    assert!((gains - (0.5 - 1.0 / 9.0)).abs() < 1e-15);
    assert_eq!(
        (model.importance()[0].count, model.importance()[1].count),
        (2, 0)
    );
    // Below and above the strengths.
    for (strength, leaves) in [(2.0 / 63.0 + 1e-12, 2), (0.0317, 3), (0.36, 1)] {
        let pruned = plain().max_depth(2).pruning(Pruning::Strength(strength));
        assert_eq!(pruned.check()?.fit(&by_hand())?.n_leaves(), leaves);
    }
    let rules = model.rules();
    assert_eq!(
        rules[1].to_string(),
        "IF 3.5 < x0 <= 9.5 or missing THEN true 0.0 % (4 rows, lift 0.00)"
    );
    assert_eq!(rules[2].lift, 2.0);
    let dot = model.to_dot();
    assert_eq!(dot.matches(" -> ").count(), 4);
    assert!(dot.contains("n0 -> n1 [label=\"x0 <= 9.5 or missing\"];"));
    Ok(())
}

/// Numbers with ties and gaps, levels, whole weights; `n_classes` classes.
fn odd(n: usize, n_classes: usize, seed: u64) -> (PatientMatrix, Array1<usize>, Vec<f32>) {
    let mut r = stream(seed, 3);
    let levels = ["a", "b", "c", "d", "e"];
    let (mut x, mut z, mut level, mut y, mut w) = (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..n {
        let (value, at) = (below(&mut r, 9), below(&mut r, 5));
        let gap = uniform(&mut r);
        x.push(if gap < 0.2 {
            f64::NAN
        } else {
            value as f64 / 3.0
        });
        z.push(uniform(&mut r));
        level.push((uniform(&mut r) < 0.9).then_some(levels[at]));
        let push = usize::from(value > 4) + usize::from(at % 2 == 0) + usize::from(gap < 0.2);
        y.push((push + below(&mut r, 2)) % n_classes);
        w.push(1.0 + below(&mut r, 3) as f32);
    }
    let matrix = PatientMatrix::new(vec![
        (Feature::numeric("x"), Column::dense(x).unwrap()),
        (Feature::numeric("z"), Column::dense(z).unwrap()),
        (Feature::category("level"), Column::categorical(level)),
    ])
    .unwrap();
    (matrix, y.into(), w)
}

/// Gini impurity times weight, of rows on one side.
fn spread(rows: &[bool], y: &Array1<usize>, w: &[f32], side: bool) -> f64 {
    let mut counts = [0.0; 4];
    for (at, _) in rows.iter().enumerate().filter(|(_, left)| **left == side) {
        counts[y[at]] += f64::from(w[at]);
    }
    let whole: f64 = counts.iter().sum();
    if whole == 0.0 {
        return 0.0;
    }
    whole - counts.iter().map(|c| c * c).sum::<f64>() / whole
}

/// The gain of the best of all first cuts, by trying every one.
fn best_of_all(matrix: &PatientMatrix, y: &Array1<usize>, w: &[f32], least: usize) -> f64 {
    let n = y.len();
    let mut cuts: Vec<Vec<bool>> = Vec::new();
    for column in [0, 1] {
        let mut values = vec![0.0; n];
        matrix.view(column).fill(0, &mut values);
        let mut edges: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
        edges.sort_by(f64::total_cmp);
        for edge in edges {
            for missing in [false, true] {
                let left = |v: &f64| if v.is_nan() { missing } else { *v <= edge };
                cuts.push(values.iter().map(left).collect());
            }
        }
    }
    let view = matrix.view(2);
    for set in 0..1_u32 << view.levels().len() {
        for missing in [false, true] {
            let left = |row: usize| view.code(row).map_or(missing, |code| set >> code & 1 == 1);
            cuts.push((0..n).map(left).collect());
        }
    }
    let whole: f64 = w.iter().map(|w| f64::from(*w)).sum();
    let node = spread(&vec![true; n], y, w, true);
    let mut best = 0.0_f64;
    for cut in cuts {
        let left = cut.iter().filter(|left| **left).count();
        if left.min(n - left) >= least {
            let gain = node - spread(&cut, y, w, true) - spread(&cut, y, w, false);
            best = best.max(gain / whole);
        }
    }
    best
}

#[test]
fn the_first_cut_is_the_best_of_all() -> Result<()> {
    for (n_classes, seed, least) in [
        (2, 1, 1),
        (2, 2, 20),
        (2, 3, 40),
        (2, 4, 7),
        (3, 5, 5),
        (4, 6, 3),
    ] {
        let (matrix, y, w) = odd(150, n_classes, seed);
        let expected = best_of_all(&matrix, &y, &w, least);
        let cohort = DatasetBase::new(matrix, y).with_weights(w.into());
        let model = plain()
            .max_depth(1)
            .min_leaf_rows(least)
            .check()?
            .fit(&cohort)?;
        let gain: f64 = model.importance().iter().map(|item| item.gain).sum();
        assert!(
            (gain - expected).abs() < 1e-12,
            "{gain} against {expected}, seed {seed}"
        );
        assert!(gain > 0.0);
    }
    Ok(())
}

#[test]
fn rows_without_weights_are_counted_alike() -> Result<()> {
    let (matrix, y, _) = odd(300, 2, 41);
    let plain_fit = plain().max_depth(5).check()?;
    let plain_fit = plain_fit.fit(&DatasetBase::new(matrix.clone(), y.clone()))?;
    // All of weight 2, one of them as two of weight 1: counted the general way.
    let rows: Vec<usize> = (0..300).chain([0]).collect();
    let labels: Array1<usize> = rows.iter().map(|row| y[*row]).collect();
    let mut weights = vec![2.0_f32; 301];
    (weights[0], weights[300]) = (1.0, 1.0);
    let again = DatasetBase::new(matrix.select_rows(&rows)?, labels).with_weights(weights.into());
    let again = plain().max_depth(5).check()?.fit(&again)?;
    assert_eq!(
        again.predict_proba(&matrix)?,
        plain_fit.predict_proba(&matrix)?
    );
    Ok(())
}

/// The least cost of a subtree plus `strength` a leaf, and the fewest leaves that reach it.
fn least(tree: &crate::kernel::tree::flat::Tree, at: usize, strength: f64) -> (f64, u64) {
    let node = &tree.nodes[at];
    let shares = tree.value(at).iter().map(|p| p * (1.0 - p)).sum::<f64>();
    let alone = (shares * node.cover / tree.nodes[0].cover + strength, 1);
    if node.is_leaf() {
        return alone;
    }
    let (a, b) = (
        least(tree, node.left as usize, strength),
        least(tree, node.right as usize, strength),
    );
    let both = (a.0 + b.0, a.1 + b.1);
    if both.0 < alone.0 - 1e-13 {
        both
    } else {
        alone
    }
}

#[test]
fn every_pruned_tree_is_the_best_subtree() -> Result<()> {
    let (matrix, y, w) = odd(200, 3, 7);
    let cohort = DatasetBase::new(matrix, y).with_weights(w.into());
    let params = plain().max_depth(7).min_leaf_rows(3);
    let whole = params.clone().check()?.fit(&cohort)?;
    let path = whole.pruning_path().to_vec();
    assert!(path.len() > 8, "{} steps", path.len());
    assert_eq!(path[0].leaves as usize, whole.n_leaves());
    for (at, step) in path.iter().enumerate() {
        let next = path
            .get(at + 1)
            .map_or(2.0 * step.strength, |next| next.strength);
        for strength in [step.strength, 0.5 * (step.strength + next)] {
            let pruned = params
                .clone()
                .pruning(Pruning::Strength(strength))
                .check()?
                .fit(&cohort)?;
            let (cost, leaves) = least(&whole.wire.tree, 0, strength);
            assert_eq!(
                (pruned.n_leaves() as u64, pruned.n_leaves() as u64),
                (leaves, step.leaves)
            );
            assert!((step.cost + strength * leaves as f64 - cost).abs() < 1e-12);
            assert_eq!(pruned.pruning_step(), Some(at));
        }
    }
    Ok(())
}

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
fn pruning_by_folds_keeps_what_serves() -> Result<()> {
    let cohort = patients(3_000, 2);
    let model = DecisionTree::params().check()?.fit(&cohort)?;
    let cuts: Vec<String> = model
        .importance()
        .into_iter()
        .filter(|item| item.count > 0)
        .map(|item| item.feature)
        .collect();
    assert!(cuts.contains(&"ward".to_string()) && !cuts.contains(&"noise".to_string()));
    let at = model.pruning_step().unwrap();
    let path = model.pruning_path();
    assert!(at > 0 && path[at].leaves as usize == model.n_leaves());
    let loss = |at: usize| path[at].validation.unwrap();
    let lowest = (0..path.len()).map(loss).fold(f64::INFINITY, f64::min);
    let best = (0..path.len())
        .rev()
        .find(|at| loss(*at) == lowest)
        .unwrap();
    assert!(loss(at) <= lowest + path[best].standard_error.unwrap());
    let rule = PruningRule::Minimum;
    let minimum = DecisionTree::params().pruning(Pruning::CrossValidated { folds: 10, rule });
    assert_eq!(minimum.check()?.fit(&cohort)?.pruning_step(), Some(best));
    // Fitted without the row's fold, hence above the cost on the training rows.
    assert!(loss(0) > path[0].cost);
    // A target that hangs on nothing.
    let mut r = stream(9, 9);
    let noise = Binary::from_flags("died", (0..3_000).map(|_| uniform(&mut r) < 0.2));
    let model = DecisionTree::params()
        .check()?
        .fit(&Cohort::new(cohort.records, noise))?;
    assert_eq!(model.n_leaves(), 1);
    assert!(model.warnings()[0].contains("pruning left no cut"));
    Ok(())
}

/// Ten rows of every patient with the patient's own number and outcome: within a patient the number
/// tells the outcome, across patients it says nothing.
#[test]
fn folds_keep_patients_together() -> Result<()> {
    let mut r = stream(4, 4);
    let person: Vec<(f64, bool)> = (0..60)
        .map(|_| (uniform(&mut r), uniform(&mut r) < 0.5))
        .collect();
    let matrix = PatientMatrix::from_columns([(
        "own",
        (0..600).map(|row| person[row / 10].0).collect::<Vec<f64>>(),
    )])?;
    let target = Binary::from_flags("died", (0..600).map(|row| person[row / 10].1));
    let leaves = |matrix: PatientMatrix| -> Result<usize> {
        let params = DecisionTree::params().min_leaf_rows(5);
        let cohort = Cohort::new(matrix, target.clone());
        Ok(params.check()?.fit(&cohort)?.n_leaves())
    };
    let keyed = matrix
        .clone()
        .with_keys(RowKeys::none().patients((0..600).map(|row| row / 10)))?;
    assert_eq!(leaves(keyed)?, 1);
    assert!(leaves(matrix)? > 8);
    Ok(())
}

#[test]
fn weights_are_repeated_rows_and_classes_may_be_weighted() -> Result<()> {
    let (matrix, y, w) = odd(200, 2, 21);
    let absent: Vec<f32> = w
        .iter()
        .enumerate()
        .map(|(at, w)| if at % 7 == 0 { 0.0 } else { *w })
        .collect();
    let repeated: Vec<usize> = (0..200)
        .flat_map(|row| std::iter::repeat_n(row, absent[row] as usize))
        .collect();
    let params = plain().max_depth(4).check()?;
    let weighted = DatasetBase::new(matrix.clone(), y.clone()).with_weights(absent.clone().into());
    let weighted = params.fit(&weighted)?;
    let again = matrix.select_rows(&repeated)?;
    let labels: Array1<usize> = repeated.iter().map(|row| y[*row]).collect();
    let plain_fit = params.fit(&DatasetBase::new(again, labels))?;
    assert_eq!(
        weighted.predict_proba(&matrix)?,
        plain_fit.predict_proba(&matrix)?
    );
    assert_eq!(weighted.pruning_path(), plain_fit.pruning_path());
    let balanced = plain()
        .max_depth(1)
        .class_weights(ClassWeights::Balanced)
        .event("1");
    let model = balanced
        .check()?
        .fit(&DatasetBase::new(matrix.clone(), y))?;
    let root = &model.wire.tree.value(0);
    assert!((root[0] - 0.5).abs() < 1e-8 && model.warnings()[0].contains("class weights"));
    assert!(model.predict_risk(&matrix).is_ok());
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
fn threads_and_the_order_of_rows_change_no_bit() -> Result<()> {
    let cohort = patients(3_000, 17);
    let fit = |cohort: &Cohort<Binary>, missing| -> Result<String> {
        let params = DecisionTree::params().missing_values(missing);
        Saved::new(params.check()?.fit(cohort)?).to_json()
    };
    for missing in [MissingValues::LearnedSide, MissingValues::Surrogate] {
        let expected = fit(&cohort, missing)?;
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            assert!(
                pool.install(|| fit(&cohort, missing))? == expected,
                "{threads} threads"
            );
        }
        // Folds go by patient key, hence not by the order of rows.
        let order: Vec<usize> = (0..3_000).map(|row| (row * 1_009) % 3_000).collect();
        let records = cohort.records.select_rows(&order)?;
        let targets = cohort.targets.select_rows(&order)?;
        let turned = Cohort::new(records, targets);
        let model = DecisionTree::params().missing_values(missing).check()?;
        let (a, b) = (model.fit(&cohort)?, model.fit(&turned)?);
        assert_eq!(
            (a.wire.tree, a.wire.surrogates),
            (b.wire.tree, b.wire.surrogates)
        );
    }
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
        let mut wire = model.wire.clone();
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
    assert!(!sound(&|wire| drop(wire.surrogates.pop())));
    assert!(!sound(&|wire| drop(wire.path.pop())));
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
