use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::Fit;

use super::*;
use crate::error::Error;
use crate::estimator::input::{RowsAccess, TrainingRows};
use crate::estimator::model::Lineage;
use crate::matrix::Schema;

/// An estimator that only remembers where its rows came from.
struct Probe;
struct ProbeParams(Probe);

impl ParamGuard for ProbeParams {
    type Checked = Probe;
    type Error = Error;

    fn check_ref(&self) -> Result<&Probe> {
        Ok(&self.0)
    }

    fn check(self) -> Result<Probe> {
        Ok(self.0)
    }
}

impl<R: TrainingRows, T> Fit<R, T, Error> for Probe {
    type Object = ModelHeader;

    fn fit(&self, cohort: &DatasetBase<R, T>) -> Result<ModelHeader> {
        let mut header = ModelHeader::new("Probe", Schema::new(Vec::new())?, true);
        header.lineage = Lineage::of(cohort.records.source());
        Ok(header)
    }
}

fn cohort() -> Cohort<Binary> {
    let matrix = PatientMatrix::from_columns([("age", vec![41.5, 52.5, 63.5, 74.5])])
        .unwrap()
        .with_keys(RowKeys::none().patients(["a", "b", "c", "c"]))
        .unwrap();
    Cohort::new(
        matrix,
        Binary::from_flags("died", [true, false, true, true]),
    )
}

fn seal(
    cohort: &Cohort<Binary>,
    id: u64,
    train: &[usize],
    test: &[usize],
) -> (Train<Binary>, Test<Binary>) {
    let report = Arc::new(SplitReport::new(
        id,
        "by hand".into(),
        SideCount::default(),
        SideCount::default(),
    ));
    let cut = |rows: &[usize]| {
        Cohort::new(
            cohort.records.select_rows(rows).unwrap(),
            cohort.targets.select_rows(rows).unwrap(),
        )
    };
    let mut side = cut(train);
    side.records = side.records.with_split(id);
    (
        Train::new(side, Arc::clone(&report)),
        Test::new(cut(test), test.to_vec(), report).unwrap(),
    )
}

#[test]
fn an_estimator_fits_on_a_train_side_as_on_a_cohort() {
    let cohort = cohort();
    let (train, _) = seal(&cohort, 5, &[0, 1], &[2, 3]);
    assert_eq!(ProbeParams(Probe).fit(&train).unwrap().lineage.splits, [5]);
    assert_eq!(Probe.fit(&train).unwrap().lineage.splits, [5]);
    assert!(Probe.fit(&cohort).unwrap().lineage.splits.is_empty());
}

#[test]
fn only_the_train_side_of_this_split_passes() {
    let cohort = cohort();
    let (train, test) = seal(&cohort, 5, &[0, 1], &[2, 3]);
    assert_eq!(
        test.check(&Probe.fit(&train).unwrap()).unwrap(),
        Relation::HeldOut
    );

    let (inner_train, inner_test) = seal(&train, 6, &[0], &[1]);
    let inner = Probe.fit(&inner_train).unwrap();
    assert_eq!(inner.lineage.splits, [5, 6]);
    assert_eq!(test.check(&inner).unwrap(), Relation::HeldOut);
    assert_eq!(inner_test.check(&inner).unwrap(), Relation::HeldOut);

    let (other_train, _) = seal(&cohort, 7, &[0, 2, 3], &[1]);
    let test_side = Cohort::new(
        cohort.records.select_rows(&[2, 3]).unwrap(),
        cohort.targets.select_rows(&[2, 3]).unwrap(),
    );
    for (test, leak) in [
        (&test, Probe.fit(&cohort).unwrap()),
        (&test, Probe.fit(&test_side).unwrap()),
        (&test, Probe.fit(&other_train).unwrap()),
        (&inner_test, Probe.fit(&train).unwrap()),
    ] {
        let error = test.check(&leak).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Leak(_)), "{error}");
    }
}

#[test]
fn another_table_is_external_and_a_bare_array_unknown() {
    let (_, test) = seal(&cohort(), 5, &[0, 1], &[2, 3]);
    let other = Cohort::new(
        PatientMatrix::from_columns([("age", vec![1.0])]).unwrap(),
        (),
    );
    assert_eq!(
        test.check(&Probe.fit(&other).unwrap()).unwrap(),
        Relation::External
    );
    let bare = DatasetBase::new(ndarray::Array2::<f64>::zeros((2, 1)), ());
    assert_eq!(
        test.check(&Probe.fit(&bare).unwrap()).unwrap(),
        Relation::Unverified
    );
}

#[test]
fn debug_shows_shapes_and_no_values() {
    let (train, test) = seal(&cohort(), 5, &[0, 1], &[2, 3]);
    for text in [
        format!("{train:?}"),
        format!("{test:?}"),
        format!("{:?}", test.rows()),
        format!("{:?}", test.open()),
    ] {
        assert!(!text.contains(".5") && !text.contains("true"), "{text}");
        assert!(text.contains("n_rows: 2"), "{text}");
    }
}

#[test]
fn opening_hands_out_outcomes_and_says_so() {
    let (_, test) = seal(&cohort(), 5, &[0], &[1, 2, 3]);
    assert_eq!((test.n_rows(), test.n_patients()), (3, 2));
    assert_eq!(test.outcome_flags().to_vec(), [false, true, true]);
    assert_eq!(test.numbers("age").unwrap().to_vec(), [52.5, 63.5, 74.5]);
    let opened = test.open();
    assert!(opened.report.opened);
    assert_eq!(opened.patients.unwrap(), ["b", "c", "c"]);
    assert_eq!(opened.rows, [1, 2, 3]);
    assert_eq!(opened.target.n_events(), 2);
}

#[test]
fn groups_are_levels_or_flags() {
    use crate::matrix::{Column, Feature};

    let matrix = PatientMatrix::new(vec![
        (
            Feature::category("sex"),
            Column::categorical([Some("f"), None]),
        ),
        (
            Feature::flag("icu"),
            Column::dense(vec![1.0, f64::NAN]).unwrap(),
        ),
        (
            Feature::numeric("age"),
            Column::dense(vec![1.0, 2.0]).unwrap(),
        ),
    ])
    .unwrap();
    let cohort = Cohort::new(matrix, Binary::from_flags("died", [true, false]));
    let (_, test) = seal(&cohort, 1, &[], &[0, 1]);
    assert_eq!(test.group("sex").unwrap(), [Some("f".to_string()), None]);
    assert_eq!(test.group("icu").unwrap(), [Some("1".to_string()), None]);
    assert!(test.group("age").is_err());
    assert!(test.group("sx").is_err());
    assert!(test.patient_codes().is_none());
}
