use super::*;
use crate::estimator::input::RowsAccess;
use crate::estimator::{Lineage, Model, ModelHeader, Regress, Rows, RowsSource, Split};
use crate::matrix::{Column, Feature, PatientMatrix, RowKeys};

/// Everyone's risk is the share of events in the training rows, plus what `bend` makes of it.
struct Prevalence {
    header: ModelHeader,
    share: f64,
    bend: fn(Array1<f64>) -> Array1<f64>,
}

fn prevalence(cohort: &Cohort<Binary>) -> Prevalence {
    let mut header = ModelHeader::new("Prevalence", cohort.records.schema().clone(), false);
    header.lineage = Lineage::of(cohort.records.source());
    Prevalence {
        header,
        share: cohort.targets.n_events() as f64 / cohort.targets.len() as f64,
        bend: |risk| risk,
    }
}

impl Model for Prevalence {
    fn header(&self) -> &ModelHeader {
        &self.header
    }
}

impl PredictRisk for Prevalence {
    fn predict_risk(&self, rows: &impl Rows) -> Result<Array1<f64>> {
        let RowsSource::Matrix(matrix) = rows.source() else {
            return Ok(Array1::zeros(0));
        };
        Ok((self.bend)(Array1::from_elem(matrix.n_rows(), self.share)))
    }
}

impl Regress for Prevalence {
    fn try_predict(&self, rows: &impl Rows) -> Result<Array1<f64>> {
        self.predict_risk(rows)
    }
}

fn cohort() -> Cohort<Binary> {
    let matrix = PatientMatrix::new(vec![
        (
            Feature::numeric("score"),
            Column::dense(vec![1.0, 2.0, 3.0, 4.0, 5.0, f64::NAN, 7.0, 8.0]).unwrap(),
        ),
        (
            Feature::category("sex"),
            Column::categorical([Some("f"), None].repeat(4)),
        ),
    ])
    .unwrap()
    .with_keys(RowKeys::none().patients(["a", "a", "b", "b", "c", "c", "d", "d"]))
    .unwrap();
    let events = [true, true, false, false, true, false, false, false];
    Cohort::new(matrix, Binary::from_flags("died", events))
        .with_weights((1..=8_u8).map(f32::from).collect())
}

#[test]
fn a_model_of_the_training_side_is_scored_with_truth_and_keys() {
    let (train, test) = Split::by_rule(|patient| patient == "b" || patient == "d")
        .apply(&cohort())
        .unwrap();
    let scored = evaluate_sealed(&test, &prevalence(&train)).unwrap();
    assert_eq!(scored.risk.to_vec(), [0.75; 4]);
    assert_eq!(scored.truth.to_vec(), [false; 4]);
    assert_eq!(scored.weights.unwrap().to_vec(), [3.0, 4.0, 7.0, 8.0]);
    let patients = scored.patients.unwrap();
    assert!(patients[0] == patients[1] && patients[1] != patients[2]);
    assert_eq!(scored.relation, Some(Relation::HeldOut));
    assert!(scored.is_probability);
    assert_eq!(scored.split.test.rows, 4);
}

#[test]
fn leaks_and_broken_models_are_refused() {
    let whole = cohort();
    let (train, test) = Split::by_rule(|patient| patient == "b")
        .apply(&whole)
        .unwrap();
    let leak = evaluate_sealed(&test, &prevalence(&whole)).unwrap_err();
    assert!(matches!(leak.kind(), ErrorKind::Leak(_)));
    let bends: [fn(Array1<f64>) -> Array1<f64>; 4] = [
        |risk| risk * f64::NAN,
        |risk| risk + 1.0,
        |risk| -risk,
        |_| Array1::zeros(1),
    ];
    for bend in bends {
        let model = Prevalence {
            bend,
            ..prevalence(&train)
        };
        assert!(evaluate_sealed(&test, &model).is_err());
    }
}

#[test]
fn a_column_is_a_comparator() {
    let (_, test) = Split::by_rule(|patient| patient == "d")
        .apply(&cohort())
        .unwrap();
    let scored = score_with(&test, "old score", "score").unwrap();
    assert_eq!(scored.risk.to_vec(), [7.0, 8.0]);
    assert_eq!(scored.name, "old score");
    assert!(!scored.is_probability && scored.relation.is_none());
    assert!(score_with(&test, "sex", "sex").is_err());
    assert!(score_with(&test, "x", "scor").is_err());
    assert_eq!(groups_of(&test, "sex").unwrap(), [Some("f".into()), None]);

    let (_, test) = Split::by_rule(|patient| patient == "c")
        .apply(&cohort())
        .unwrap();
    let error = score_with(&test, "old score", "score").unwrap_err();
    assert!(
        error.to_string().contains("row 1, column `score`"),
        "{error}"
    );
}

#[test]
fn out_of_fold_risks_stand_in_the_rows_of_the_cohort() {
    let whole = cohort();
    let folds = KFold::new(4).repeats(2);
    let result = cross_validate(&whole, &folds, |train| Ok(prevalence(train))).unwrap();
    // One patient per fold. Without a: 1 event of 6 rows; without c: 2; without b or d: 3.
    let expected = [1.0, 1.0, 3.0, 3.0, 2.0, 2.0, 3.0, 3.0].map(|events| events / 6.0);
    assert_eq!(result.risk.column(0).to_vec(), expected);
    assert_eq!(result.risk.column(1).to_vec(), expected);
    assert_eq!(result.truth, *whole.targets.values());
    assert_eq!(result.weights.as_ref().unwrap()[7], 8.0);
    assert_eq!(result.folds.len(), 8);

    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let alone = pool.install(|| cross_validate(&whole, &folds, |train| Ok(prevalence(train))));
    assert_eq!(alone.unwrap(), result);
}

#[test]
fn a_recipe_that_leaves_its_training_side_is_a_leak() {
    let whole = cohort();
    let leak = cross_validate(&whole, &KFold::new(2), |_| Ok(prevalence(&whole))).unwrap_err();
    assert!(matches!(leak.kind(), ErrorKind::Leak(_)));
    let traceless = cross_validate(&whole, &KFold::new(2), |train| {
        let mut model = prevalence(train);
        model.header.lineage = Lineage::default();
        Ok(model)
    });
    assert!(matches!(traceless.unwrap_err().kind(), ErrorKind::Leak(_)));
}

#[test]
fn numbers_are_predicted_under_the_same_seal() {
    use crate::matrix::Values;

    let whole = cohort();
    let is_test = |patient: &str| patient == "d";
    let (train, _) = Split::by_rule(is_test).apply(&whole).unwrap();
    let days = Values::new((0..8).map(f64::from)).unwrap();
    let stays = Cohort::new(whole.records.clone(), days);
    let (_, test) = Split::by_rule(is_test).apply(&stays).unwrap();
    let predicted = predict_sealed(&test, &prevalence(&train)).unwrap();
    assert_eq!(predicted.truth.values().to_vec(), [6.0, 7.0]);
    assert_eq!(predicted.predicted.to_vec(), [0.5; 2]);
    assert_eq!(predicted.relation, Relation::HeldOut);
    assert!(predict_sealed(&test, &prevalence(&whole)).is_err());
}

#[test]
fn the_weights_of_the_cohort_count_in_every_summary() {
    use crate::evaluation::{
        BootstrapOptions, RiskOptions, SubgroupOptions, bootstrap_binary, evaluate_risk, subgroups,
    };
    use crate::matrix::Binary;

    let n = 240;
    let score: Vec<f64> = (0..n)
        .map(|i| f64::from(i * 37 % n) / f64::from(n))
        .collect();
    let events: Vec<bool> = (0..n)
        .map(|i| f64::from(i * 91 % n) / f64::from(n) < score[i as usize])
        .collect();
    let weights: Vec<f32> = (0..n).map(|i| 0.5 + (i % 5) as f32).collect();
    let patients: Vec<String> = (0..n).map(|i| format!("p{}", i / 2)).collect();
    let matrix = PatientMatrix::from_columns([("score", score.clone())])
        .unwrap()
        .with_keys(RowKeys::none().patients(patients))
        .unwrap();
    let cohort =
        Cohort::new(matrix, Binary::from_flags("died", events)).with_weights(weights.into());
    let (_, test) = Split::by_rule(|patient: &str| patient.len() == 3)
        .apply(&cohort)
        .unwrap();
    let comparator = score_with(&test, "score", "score").unwrap();
    let options = RiskOptions::default();
    assert!(matches!(
        comparator.evaluate(&options).unwrap_err().kind(),
        ErrorKind::TargetKind { .. }
    ));
    let scored = ScoredTest {
        is_probability: true,
        ..comparator
    };
    let (truth, risk) = (scored.truth.to_vec(), scored.risk.to_vec());
    let weights = scored.weights.as_ref().unwrap().to_vec();
    let found = scored.evaluate(&options).unwrap();
    let weighted = evaluate_risk(&truth, &risk, Some(&weights), &options).unwrap();
    assert_eq!(found, weighted);
    assert_ne!(found, evaluate_risk(&truth, &risk, None, &options).unwrap());
    let settings = BootstrapOptions {
        replicates: 50,
        ..BootstrapOptions::default()
    };
    let codes = scored.patients.as_ref().unwrap().to_vec();
    assert_eq!(
        scored.bootstrap(0.3, settings).unwrap(),
        bootstrap_binary(&truth, &risk, Some(&weights), Some(&codes), 0.3, settings).unwrap()
    );
    let half: Vec<&str> = (0..truth.len()).map(|i| ["a", "b"][i % 2]).collect();
    let by = SubgroupOptions::default();
    assert_eq!(
        scored.subgroups(&half, by).unwrap(),
        subgroups(&truth, &risk, Some(&weights), &half, by).unwrap()
    );
}
