use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::matrix::{Binary, Classes, Column, Feature, PatientMatrix, RowKeys, Values};
use crate::numeric::seed::uniform_of_key;

fn cohort(patients: &[&str], events: &[bool]) -> Cohort<Binary> {
    let rows: Vec<f64> = (0..patients.len()).map(|row| row as f64).collect();
    let matrix = PatientMatrix::from_columns([("row", rows)])
        .unwrap()
        .with_keys(RowKeys::none().patients(patients))
        .unwrap();
    Cohort::new(matrix, Binary::from_flags("died", events.iter().copied()))
}

/// `n` patients of two rows each, far apart in row order; each fourth patient has an event.
fn pairs(n: usize) -> Cohort<Binary> {
    let names: Vec<String> = (0..2 * n).map(|row| format!("p{}", row % n)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let events: Vec<bool> = (0..2 * n).map(|row| (row % n).is_multiple_of(4)).collect();
    cohort(&names, &events)
}

fn patients_of<T>(train: &Cohort<T>) -> BTreeSet<String> {
    let keys = train.records.keys().patient_keys().unwrap();
    (0..keys.len())
        .map(|row| keys.label(row).to_string())
        .collect()
}

fn tested<T: TargetRows>(test: Test<T>) -> BTreeSet<String> {
    test.open().patients.unwrap().into_iter().collect()
}

fn is_leak<V: fmt::Debug>(result: Result<V>) -> String {
    let error = result.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Leak(_)), "{error}");
    error.to_string()
}

#[test]
fn holdout_belongs_to_patients_not_to_rows() {
    let whole = pairs(50);
    let (train, test) = Split::holdout(0.3, 9).apply(&whole).unwrap();
    assert_eq!(train.records.splits(), [train.report().id]);
    let trained = patients_of(&train);
    let test_side = tested(test);
    assert!(trained.is_disjoint(&test_side));
    assert_eq!(trained.len() + test_side.len(), 50);

    let order: Vec<usize> = (0..100).rev().collect();
    let turned = Cohort::new(
        whole.records.select_rows(&order).unwrap(),
        whole.targets.select_rows(&order).unwrap(),
    );
    let (train, test) = Split::holdout(0.3, 9).apply(&turned).unwrap();
    assert_eq!(patients_of(&train), trained);
    assert_eq!(tested(test), test_side);

    let (_, larger) = Split::holdout(0.3, 9).apply(&pairs(80)).unwrap();
    assert!(tested(larger).is_superset(&test_side));
    let (_, other) = Split::holdout(0.3, 10).apply(&whole).unwrap();
    assert_ne!(tested(other), test_side);
}

#[test]
fn stratified_holdout_takes_the_fraction_of_each_outcome() {
    let (train, _) = Split::stratified_holdout(0.2, 1).apply(&pairs(60)).unwrap();
    // 15 of 60 patients have events: 3 of them and 9 of the other 45, two rows each.
    let report = train.report();
    assert_eq!((report.test.patients, report.test.events), (12, Some(6)));
    assert_eq!((report.train.rows, report.train.events), (96, Some(24)));
    assert!(report.to_string().starts_with(
        "split: holdout of 0.2 of patients, stratified, seed 1\ntrain: 96 rows, 48 patients, 24 events\n"
    ));
}

#[test]
fn patient_keys_are_required_unless_rows_are_declared_independent() {
    let matrix =
        PatientMatrix::from_columns([("x", (0..40).map(f64::from).collect::<Vec<_>>())]).unwrap();
    let values = Values::new((0..40).map(f64::from)).unwrap();
    let plain = Cohort::new(matrix, values);
    for split in [
        Split::holdout(0.5, 1),
        Split::rows(0.5, 1),
        Split::by_rule(|_| true),
    ] {
        let error = split.apply(&plain).unwrap_err();
        assert!(matches!(
            error.kind(),
            ErrorKind::MissingKeys { key: "patient", .. }
        ));
    }
    assert!(KFold::new(2).split(&plain).is_err());
    assert!(Bootstrap::new(2).split(&plain).is_err());

    let by_row = Split::by_row_i_know_that_rows_are_independent(0.5, 1);
    let (train, test) = by_row.apply(&plain).unwrap();
    assert_eq!(train.report().train.events, None);
    assert_eq!(train.records.n_rows() + test.n_rows(), 40);
    let folds = KFold::new(4).i_know_that_rows_are_independent();
    assert!(
        folds
            .split(&plain)
            .unwrap()
            .iter()
            .all(|fold| fold.test.n_rows() == 10)
    );

    // A view splits by the rows of its table, whatever their order.
    let order: Vec<usize> = (0..40).rev().collect();
    let view = Cohort::new(
        plain.records.select_rows(&order).unwrap(),
        plain.targets.select_rows(&order).unwrap(),
    );
    let (_, turned) = by_row.apply(&view).unwrap();
    let mut rows: Vec<f64> = turned.numbers("x").unwrap().to_vec();
    rows.sort_by(f64::total_cmp);
    assert_eq!(rows, test.numbers("x").unwrap().to_vec());
    assert_eq!(turned.report().id, test.report().id);

    is_leak(by_row.apply(&pairs(10)));
    is_leak(folds.split(&pairs(10)));
    is_leak(
        Bootstrap::new(2)
            .i_know_that_rows_are_independent()
            .split(&pairs(10)),
    );
}

#[test]
fn a_split_by_rows_names_the_patients_on_both_sides() {
    let shared = (0..30)
        .filter(|patient| {
            let side = |row: usize| uniform_of_key(5, &row.to_string()) < 0.4;
            side(*patient) != side(*patient + 30)
        })
        .count();
    assert!(shared > 0);
    let text = is_leak(Split::rows(0.4, 5).apply(&pairs(30)));
    assert!(text.contains(&format!("{shared} of 30 patients")), "{text}");

    let single: Vec<String> = (0..30).map(|row| row.to_string()).collect();
    let single: Vec<&str> = single.iter().map(String::as_str).collect();
    assert!(
        Split::rows(0.4, 5)
            .apply(&cohort(&single, &[true; 30]))
            .is_ok()
    );
}

#[test]
fn oversampled_rows_are_refused() {
    let whole = pairs(10);
    let rows: Vec<usize> = (0..20).chain([3, 3, 7]).collect();
    let matrix = whole.records.select_rows(&rows).unwrap();
    let over = Cohort::new(matrix, whole.targets.select_rows(&rows).unwrap());
    for error in [
        is_leak(Split::holdout(0.5, 1).apply(&over)),
        is_leak(KFold::new(2).split(&over)),
        is_leak(Bootstrap::new(1).split(&over)),
    ] {
        assert!(error.contains("3 rows repeat"), "{error}");
    }

    // A derived column gives the view storage of its own; the index times still tell.
    let keys = RowKeys::none()
        .patients(["a", "b", "c"])
        .times([Time(1), Time(2), Time(3)]);
    let matrix = PatientMatrix::from_columns([("x", vec![1.0, 2.0, 3.0])])
        .unwrap()
        .with_keys(keys)
        .unwrap()
        .select_rows(&[0, 1, 2, 2])
        .unwrap()
        .derive(Feature::numeric("y"), &["x"], |x| x[0])
        .unwrap();
    let over = Cohort::new(matrix, Binary::from_flags("died", [true; 4]));
    assert!(is_leak(Split::holdout(0.5, 1).apply(&over)).contains("1 rows repeat"));
}

fn sites_and_times() -> Cohort<Binary> {
    let day = |n| Time(0) + Span::days(n);
    let matrix = PatientMatrix::new(vec![(
        Feature::numeric("x"),
        Column::dense(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap(),
    )])
    .unwrap()
    .with_keys(
        RowKeys::none()
            .patients(["a", "b", "c", "a", "d", "e"])
            .sites(["n", "n", "s", "s", "s", "n"])
            .times([day(0), day(9), day(10), day(12), day(13), day(12)]),
    )
    .unwrap();
    Cohort::new(
        matrix,
        Binary::from_flags("died", [true, false, true, true, false, false]),
    )
}

#[test]
fn patients_of_two_sites_lose_one_side() {
    let whole = sites_and_times();
    let (train, test) = Split::by_site(&["s"]).apply(&whole).unwrap();
    assert_eq!(test.positions(), [2, 3, 4]);
    assert_eq!(patients_of(&train), ["b", "e"].map(String::from).into());
    let dropped = &train.report().dropped;
    assert_eq!(dropped.len(), 1);
    assert_eq!((dropped[0].rows, dropped[0].patients), (1, 1));
    assert_eq!(dropped[0].why, TRAIN_OVERLAP);

    let keeping = Split::by_site(&["s"]).overlap(Overlap::DropTest);
    let (train, test) = keeping.apply(&whole).unwrap();
    assert_eq!(test.positions(), [2, 4]);
    assert_eq!(train.records.n_rows(), 3);
    assert_eq!(train.report().dropped[0].why, TEST_OVERLAP);

    let folds = Split::leave_one_site_out(&whole).unwrap();
    assert_eq!(folds.len(), 2);
    assert_eq!(folds[0].site, "n");
    assert_eq!(folds[0].test.positions(), [0, 1, 5]);
    assert_eq!(folds[1].test.positions(), [2, 3, 4]);

    let all = Split::by_site(&["s", "n"]).apply(&whole).unwrap_err();
    assert!(matches!(all.kind(), ErrorKind::TooFewRows { .. }), "{all}");
    assert!(Split::by_site(&["x"]).apply(&whole).is_err());
    assert!(Split::by_site::<&str>(&[]).apply(&whole).is_err());
    let error = Split::by_site(&["s"]).apply(&pairs(4)).unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::MissingKeys { key: "site", .. }
    ));
}

#[test]
fn the_gap_belongs_to_neither_side() {
    let whole = sites_and_times();
    let cut = Time(0) + Span::days(10);
    let (train, test) = Split::by_time(cut, Span::days(2)).apply(&whole).unwrap();
    // Day 9 trains, day 10 is in the gap, day 12 tests; patient a returns, so day 0 goes.
    assert_eq!(test.positions(), [3, 4, 5]);
    assert_eq!(patients_of(&train), ["b".to_string()].into());
    let reasons: Vec<(&str, usize)> = train
        .report()
        .dropped
        .iter()
        .map(|dropped| (dropped.why.as_str(), dropped.rows))
        .collect();
    assert_eq!(reasons, [(IN_GAP, 1), (TRAIN_OVERLAP, 1)]);

    let (_, test) = Split::by_time(cut, Span(0)).apply(&whole).unwrap();
    assert_eq!(test.positions(), [2, 3, 4, 5]);
    assert!(Split::by_time(cut, Span(-1)).apply(&whole).is_err());
    assert!(Split::by_time(Time(0), Span(0)).apply(&whole).is_err());
    let error = Split::by_time(cut, Span(0)).apply(&pairs(4)).unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::MissingKeys {
            key: "index time",
            ..
        }
    ));

    let both = Split::by_time(cut, Span(0)).and(Split::by_site(&["s"]));
    let (train, test) = both.apply(&whole).unwrap();
    assert_eq!(test.positions(), [2, 3, 4]);
    assert_eq!(patients_of(&train), ["b".to_string()].into());
    assert_eq!(train.report().dropped[1].why, MIXED);
}

#[test]
fn fractions_are_checked_before_rows() {
    let whole = pairs(4);
    for bad in [0.0, 1.0, -0.1, f64::NAN] {
        for split in [Split::holdout(bad, 0), Split::rows(bad, 0)] {
            let error = split.apply(&whole).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Parameter { .. }));
        }
    }
    assert!(matches!(
        Split::by_rule(|_| false).apply(&whole).unwrap_err().kind(),
        ErrorKind::TooFewRows { .. }
    ));
    let mut short = pairs(4);
    short.targets = Binary::from_flags("died", [true]);
    assert!(Split::holdout(0.5, 0).apply(&short).is_err());
    let short = pairs(4).with_weights(vec![1.0].into());
    assert!(Split::holdout(0.5, 0).apply(&short).is_err());
}

#[test]
fn weights_go_with_their_rows() {
    let whole = pairs(3).with_weights((1..=6_u8).map(f32::from).collect());
    let (train, test) = Split::by_rule(|patient| patient == "p1")
        .apply(&whole)
        .unwrap();
    assert_eq!(train.weights.to_vec(), [1.0, 3.0, 4.0, 6.0]);
    assert_eq!(test.weights().unwrap().to_vec(), [2.0, 5.0]);
}

#[test]
fn folds_are_balanced_and_cover_every_row_once() {
    // 12 patients with 1 to 4 rows, 5 of whom have one event each.
    let mut names = Vec::new();
    let mut events = Vec::new();
    for patient in 0..12 {
        for row in 0..=(patient % 4) {
            names.push(format!("p{patient:02}"));
            events.push(row == 0 && patient < 5);
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let whole = cohort(&names, &events);
    let folds = KFold::new(3).seed(2).repeats(2).split(&whole).unwrap();
    assert_eq!(folds.len(), 6);
    for repeat in 0..2 {
        let of_repeat = folds.iter().filter(|fold| fold.repeat == repeat);
        let mut rows = Vec::new();
        for fold in of_repeat {
            let report = fold.test.report();
            assert!((1..=2).contains(&report.test.events.unwrap()), "{report}");
            assert!((8..=12).contains(&report.test.rows), "{report}");
            assert!(
                fold.test.check(&header_of(&fold.train)).is_ok()
                    && fold.test.check(&header_of(&whole)).is_err()
            );
            rows.extend_from_slice(fold.test.positions());
        }
        rows.sort_unstable();
        assert_eq!(rows, (0..names.len()).collect::<Vec<_>>());
    }
    assert_ne!(folds[0].test.positions(), folds[3].test.positions());
    let other = KFold::new(3).seed(3).split(&whole).unwrap();
    assert_ne!(folds[0].test.positions(), other[0].test.positions());

    let few = KFold::new(13).split(&whole).unwrap_err();
    assert!(matches!(
        few.kind(),
        ErrorKind::TooFewRows {
            required: 13,
            found: 12,
            ..
        }
    ));
    assert!(
        KFold::new(12)
            .split(&whole)
            .unwrap()
            .iter()
            .all(|fold| fold.test.n_patients() == 1)
    );
    assert!(KFold::new(1).split(&whole).is_err());
    assert!(KFold::new(2).repeats(0).split(&whole).is_err());
}

fn header_of<T>(cohort: &Cohort<T>) -> crate::estimator::ModelHeader {
    use crate::estimator::input::RowsAccess;
    let schema = cohort.records.schema().clone();
    let mut header = crate::estimator::ModelHeader::new("Probe", schema, false);
    header.lineage = crate::estimator::Lineage::of(cohort.records.source());
    header
}

#[test]
fn classes_are_balanced_too() {
    let labels: Vec<String> = (0..30).map(|row| format!("c{}", row % 3)).collect();
    let whole = pairs(15);
    let classes = Cohort::new(whole.records, Classes::new(labels));
    for fold in KFold::new(5).split(&classes).unwrap() {
        assert_eq!(fold.test.n_rows(), 6);
        let opened = fold.test.open();
        for class in ["c0", "c1", "c2"] {
            assert_eq!(
                opened
                    .target
                    .values()
                    .iter()
                    .filter(|c| *c == class)
                    .count(),
                2
            );
        }
    }
}

#[test]
fn inner_folds_belong_to_the_outer_training_side() {
    let whole = pairs(12);
    let nested = KFold::new(3).nested(&whole, &KFold::new(2)).unwrap();
    assert_eq!((nested.len(), nested[0].inner.len()), (3, 2));
    let outer = &nested[0].outer;
    let inner = &nested[0].inner[0];
    let header = header_of(&inner.train);
    assert_eq!(header.lineage.splits.len(), 2);
    assert!(inner.test.check(&header).is_ok() && outer.test.check(&header).is_ok());
    is_leak(inner.test.check(&header_of(&outer.train)));
    is_leak(nested[1].outer.test.check(&header));
}

#[test]
fn bootstrap_draws_patients_and_seals_the_rest() {
    let whole = pairs(20);
    let bootstrap = Bootstrap::new(8).seed(4);
    let samples = bootstrap.split(&whole).unwrap();
    let (again, _) = bootstrap.draw(&whole, 5).unwrap();
    assert_eq!(again.records, samples[5].0.records);
    let rows = |sample: usize| samples[sample].0.records.column("row").unwrap().to_vec();
    assert_ne!(rows(0), rows(1));
    let other = Bootstrap::new(8).seed(5).draw(&whole, 0).unwrap().0;
    assert_ne!(rows(0), other.records.column("row").unwrap().to_vec());
    let mut out = 0;
    for (train, test) in samples {
        assert_eq!(train.records.n_rows(), 40);
        let trained = patients_of(&train);
        assert_eq!(trained.len() + test.n_patients(), 20);
        out += test.n_patients();
        // A bootstrap sample may be split again: repeats of a patient stay together.
        let (inner, inner_test) = Split::holdout(0.5, 1).apply(&train).unwrap();
        assert!(patients_of(&inner).is_disjoint(&tested(inner_test)));
        assert!(trained.is_disjoint(&tested(test)));
    }
    // Expected share out of the bag is (1 - 1/20)^20 = 0.358, 57 of 160; three standard errors.
    assert!((40..=75).contains(&out), "{out}");
    assert!(bootstrap.draw(&whole, 8).is_err());
    assert!(Bootstrap::new(0).split(&whole).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_patient_on_both_sides_and_no_row_lost(
        rows in prop::collection::vec((0_u8..12, 0_u8..3, any::<bool>()), 4..40),
        seed in any::<u64>(),
        keep in any::<bool>(),
    ) {
        let matrix = PatientMatrix::from_columns([("x", vec![0.5; rows.len()])]).unwrap()
            .with_keys(RowKeys::none()
                .patients(rows.iter().map(|row| row.0))
                .sites(rows.iter().map(|row| row.1)))
            .unwrap();
        let whole = Cohort::new(matrix, Binary::from_flags("e", rows.iter().map(|row| row.2)));
        let overlap = if keep { Overlap::DropTest } else { Overlap::DropTraining };
        let sited = Split::by_site(&[rows[0].1.to_string()]).overlap(overlap);
        let mut cuts: Vec<(Train<Binary>, Test<Binary>)> = [
            Split::holdout(0.4, seed),
            Split::stratified_holdout(0.4, seed),
            sited.clone(),
            sited.and(Split::holdout(0.6, seed)),
        ]
        .iter()
        .filter_map(|split| split.apply(&whole).ok())
        .collect();
        if let Ok(folds) = KFold::new(3).seed(seed).split(&whole) {
            cuts.extend(folds.into_iter().map(|fold| (fold.train, fold.test)));
        }
        for (train, test) in cuts {
            let report = train.report();
            let dropped: usize = report.dropped.iter().map(|part| part.rows).sum();
            prop_assert_eq!(report.train.rows + report.test.rows + dropped, rows.len());
            prop_assert!(patients_of(&train).is_disjoint(&tested(test)));
        }
    }
}
