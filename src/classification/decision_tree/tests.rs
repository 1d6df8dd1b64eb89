//! A decision tree as users meet it.

use ndarray::{Array1, Array2, array};

use super::*;
use crate::classification::logistic::ClassWeights;
use crate::error::Result;
use crate::estimator::{
    Classify, Cohort, Fit, ParamGuard, PatientMatrix, Predict, PredictRisk, Saved, Summary,
};
use crate::matrix::{Binary, Column, Feature, RowKeys};
use crate::numeric::seed::{below, stream, uniform};
use linfa::DatasetBase;

pub(super) fn plain() -> DecisionTreeParams {
    DecisionTree::params()
        .min_leaf_rows(1)
        .pruning(Pruning::None)
}

/// Risk steps up with lactate beyond 2 and in one ward; age says where lactate stands, lactate is often
/// missing.
pub(super) fn patients(n: usize, seed: u64) -> Cohort<Binary> {
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
    // At one half the event; without one the first class.
    let (half, none) = (plain().min_leaf_rows(7).check()?, Array2::zeros((1, 2)));
    let labels = half.fit(&by_hand())?.predict(&none);
    assert!(labels[0], "6 of 12");
    let numbers = by_hand().map_targets(|y| usize::from(*y));
    assert_eq!(half.fit(&numbers)?.predict(&none)[0], 0);
    let dot = model.to_dot();
    assert_eq!(dot.matches(" -> ").count(), 4);
    assert!(dot.contains("n0 -> n1 [label=\"x0 <= 9.5 or missing\"];"));
    Ok(())
}

/// Numbers with ties and gaps, levels, whole weights; `n_classes` classes.
pub(super) fn odd(
    n: usize,
    n_classes: usize,
    seed: u64,
) -> (PatientMatrix, Array1<usize>, Vec<f32>) {
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
    for column in 0..matrix.n_columns() {
        let view = matrix.view(column);
        let mut values = vec![0.0; n];
        if view.levels().is_empty() {
            view.fill(0, &mut values);
        }
        let mut edges: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
        edges.sort_by(f64::total_cmp);
        for missing in [false, true] {
            for edge in edges
                .iter()
                .take(if view.levels().is_empty() { n } else { 0 })
            {
                let left = |v: &f64| if v.is_nan() { missing } else { *v <= *edge };
                cuts.push(values.iter().map(left).collect());
            }
            for set in 0..1_u32 << view.levels().len() {
                let left = |row: usize| view.code(row).map_or(missing, |code| set >> code & 1 == 1);
                let levels = !view.levels().is_empty();
                cuts.extend(levels.then(|| (0..n).map(left).collect()));
            }
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
        let alone = matrix.select(&["level"])?;
        // Levels alone for two classes, where the best of all sets is promised.
        for matrix in [Some(matrix), (n_classes == 2).then_some(alone)]
            .into_iter()
            .flatten()
        {
            let expected = best_of_all(&matrix, &y, &w, least);
            let cohort = DatasetBase::new(matrix, y.clone()).with_weights(w.clone().into());
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
            (&a.wire.tree, &a.wire.surrogates, &a.wire.path),
            (&b.wire.tree, &b.wire.surrogates, &b.wire.path)
        );
    }
    Ok(())
}
