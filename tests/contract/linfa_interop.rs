//! linfa's own datasets, traits and idioms, with labels of every kind.

use galen::classification::LogisticRegression;
use galen::error::ErrorKind;
use galen::estimator::{Classify, ParamGuard, PredictRisk};
use linfa::dataset::{Dataset, DatasetBase};
use linfa::traits::{Fit, Predict, PredictInplace};
use ndarray::{Array1, Array2};

use crate::data::b1;

fn dataset<L: Clone>(no: &L, yes: &L) -> Dataset<f64, L, ndarray::Ix1> {
    let data = b1();
    let labels: Array1<L> = data
        .y
        .iter()
        .map(|y| if *y == 1.0 { yes } else { no }.clone())
        .collect();
    Dataset::new(data.x, labels)
}

fn agreement<L: PartialEq>(found: &Array1<L>, truth: &Array1<L>) -> f64 {
    found.iter().zip(truth).filter(|(a, b)| a == b).count() as f64 / truth.len() as f64
}

#[test]
fn flags() -> galen::Result<()> {
    let data = dataset(&false, &true);
    let model = LogisticRegression::params().fit(&data)?;
    let by_reference = model.predict(&data);
    let by_records: Array1<bool> = model.predict(data.records());
    let mut in_place = Array1::from_elem(60, false);
    model.predict_inplace(data.records(), &mut in_place);
    assert_eq!(by_reference, by_records);
    assert_eq!(by_reference, in_place);
    assert!(agreement(&by_reference, data.targets()) >= 0.9);
    let with_labels = model.predict(data.clone());
    assert_eq!(with_labels.targets(), &by_reference);
    // A flag needs no naming of the event.
    let risk = model.predict_risk(data.records())?;
    assert!(
        risk.iter()
            .zip(&by_reference)
            .all(|(risk, flag)| (*risk >= 0.5) == *flag)
    );
    Ok(())
}

#[test]
fn numbers_and_text() -> galen::Result<()> {
    // 10 and 9: as text 10 comes first, as numbers 9 does.
    for (no, yes) in [(0_usize, 1_usize), (10, 9), (9, 10), (2, 30)] {
        let data = dataset(&no, &yes);
        let model = LogisticRegression::params().fit(&data)?;
        let mut classes = [no, yes];
        classes.sort_unstable();
        assert_eq!(model.classes(), classes);
        assert!(agreement(&model.predict(&data), data.targets()) >= 0.9);
        let all = model.predict_proba(data.records())?;
        let column = classes.iter().position(|class| *class == yes).unwrap_or(0);
        let right = all
            .column(column)
            .iter()
            .zip(data.targets())
            .filter(|(p, y)| (**p >= 0.5) == (**y == yes))
            .count();
        assert!(right >= 54, "probabilities follow the classes: {right}");
        let named = LogisticRegression::params()
            .event(yes.to_string())
            .fit(&data)?;
        let risk = named.predict_risk(data.records())?;
        for (risk, p) in risk.iter().zip(all.column(column)) {
            assert!((risk - p).abs() < 1e-9);
        }
    }
    let data = dataset(&"stayed".to_string(), &"left".to_string());
    let model = LogisticRegression::params().event("left").fit(&data)?;
    assert_eq!(model.classes(), ["left", "stayed"]);
    assert!(agreement(&model.predict(&data), data.targets()) >= 0.9);
    Ok(())
}

#[test]
fn risk_needs_a_named_event() -> galen::Result<()> {
    let data = dataset(&"a".to_string(), &"b".to_string());
    let model = LogisticRegression::params().fit(&data)?;
    let error = model
        .predict_risk(data.records())
        .expect_err("no event was named");
    assert!(
        matches!(error.kind(), ErrorKind::TargetKind { .. }),
        "{error}"
    );
    assert!(error.to_string().contains(".event("), "{error}");
    assert!(model.scorer().is_err());
    assert!(model.predict_proba(data.records()).is_ok());
    let error = LogisticRegression::params()
        .event("c")
        .fit(&data)
        .expect_err("no such class");
    assert!(
        matches!(error.kind(), ErrorKind::TargetKind { .. }),
        "{error}"
    );
    Ok(())
}

#[test]
fn a_third_class_is_a_typed_error() -> galen::Result<()> {
    let data = b1();
    let three: Array1<usize> = (0..60).map(|row| row % 3).collect();
    let cohort = Dataset::new(data.x.clone(), three.clone());
    let error = LogisticRegression::params()
        .fit(&cohort)
        .expect_err("three classes");
    assert!(
        matches!(error.kind(), ErrorKind::TargetKind { .. }),
        "{error}"
    );
    // Without weight it is as if absent.
    let weights: Array1<f32> = three
        .iter()
        .map(|class| f32::from(u8::from(*class != 1)))
        .collect();
    let model = LogisticRegression::params()
        .strength(0.1)
        .fit(&cohort.with_weights(weights))?;
    assert_eq!(model.classes(), [0, 2]);
    Ok(())
}

#[test]
fn views_splits_and_folds_of_linfa() -> galen::Result<()> {
    let data = dataset(&false, &true);
    let valid = LogisticRegression::params().strength(0.02).check()?;
    let whole = valid.fit(&data)?;
    let view = valid.fit(&data.view())?;
    assert_eq!(whole, view);
    let (train, test) = data.clone().split_with_ratio(0.7);
    let model = valid.fit(&train)?;
    assert_eq!(model.predict(&test).len(), test.targets().len());
    for (train, test) in data.fold(3) {
        let model = valid.fit(&train)?;
        assert!(agreement(&model.predict(&test), test.targets()) > 0.6);
    }
    approx::assert_relative_eq!(whole, view);
    approx::assert_abs_diff_ne!(whole, model, epsilon = 1e-6);
    Ok(())
}

/// linfa's signature has no error: its panic says what the fallible method would have said.
#[test]
fn predict_of_linfa_panics_with_the_message_of_the_error() {
    let data = dataset(&false, &true);
    let model = LogisticRegression::params().fit(&data).expect("a fit");
    let wrong = Array2::<f64>::zeros((2, 9));
    let error = model
        .predict_proba(&wrong)
        .expect_err("another width")
        .to_string();
    let panic = std::panic::catch_unwind(|| -> Array1<bool> { model.predict(&wrong) });
    let panic = panic.expect_err("linfa has no error to return");
    let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(text.contains(&error), "{text}");
    let wrong = DatasetBase::new(
        Array2::<f64>::zeros((3, 2)),
        Array1::from(vec![true, false]),
    );
    assert!(LogisticRegression::params().fit(&wrong).is_err());
}

/// A matrix goes into linfa's own trees and clusters: one array type, one linfa.
#[test]
fn matrices_feed_trees_and_clusters_of_linfa() -> galen::Result<()> {
    let data = b1();
    let matrix = galen::matrix::PatientMatrix::from_array(data.x.clone())?;
    let rows = matrix.to_array();
    let classes: Array1<usize> = data.y.iter().map(|y| usize::from(*y == 1.0)).collect();
    let tree = linfa_trees::DecisionTree::params()
        .max_depth(Some(4))
        .fit(&Dataset::new(rows.clone(), classes.clone()))
        .expect("a tree");
    assert!(agreement(&tree.predict(&data.x), &classes) > 0.8);
    let clusters = linfa_clustering::KMeans::params(2)
        .max_n_iterations(50)
        .fit(&DatasetBase::from(rows.clone()))
        .expect("clusters");
    let found = clusters.predict(&rows);
    assert!(found.iter().any(|label| *label == 0) && found.iter().any(|label| *label == 1));
    Ok(())
}
