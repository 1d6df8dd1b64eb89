use super::*;
use crate::matrix::time::Time;
use approx::{AbsDiffEq, RelativeEq};
use ndarray::array;

fn visits() -> PatientMatrix {
    PatientMatrix::new(vec![
        (
            Feature::numeric("age"),
            Column::dense(vec![40.0, 41.0, 70.0, f64::NAN]).unwrap(),
        ),
        (
            Feature::category("ward"),
            Column::categorical([Some("icu"), Some("med"), None, Some("med")]),
        ),
        (
            Feature::count("falls"),
            Column::sparse(4, vec![(1, 2.0), (3, 1.0)]).unwrap(),
        ),
    ])
    .unwrap()
    .with_keys(RowKeys::none().patients(["a", "a", "b", "c"]).times([
        Time(1),
        Time(2),
        Time(1),
        Time(1),
    ]))
    .unwrap()
}

#[test]
fn views_of_views_show_the_right_rows() {
    let matrix = visits();
    let view = matrix.select_rows(&[3, 1, 1]).unwrap();
    let again = view.select_rows(&[1, 0]).unwrap();
    assert_eq!(again.column("falls").unwrap().to_vec(), [2.0, 1.0]);
    assert_eq!(again.column("ward").unwrap().level(0), Some("med"));
    assert_eq!(again.keys().patient_keys().unwrap().label(1), "c");
    assert_eq!(again.origin(), matrix.origin());
    assert!(again.materialize().abs_diff_eq(&again, 0.0));
    assert!(matrix.select_rows(&[4]).is_err());
}

#[test]
fn approximate_equality_looks_at_every_value() {
    let matrix = visits();
    let with = |age: [f64; 4], ward: [Option<&str>; 4]| {
        matrix
            .with_column(
                Feature::numeric("age"),
                Column::dense(age.to_vec()).unwrap(),
            )
            .and_then(|other| {
                other.with_column(Feature::category("ward"), Column::categorical(ward))
            })
            .unwrap()
    };
    let ward = [Some("icu"), Some("med"), None, Some("med")];
    let near = with([40.0, 41.0 + 1e-9, 70.0, f64::NAN], ward);
    assert!(matrix.abs_diff_eq(&near, 1e-8) && !matrix.abs_diff_eq(&near, 1e-10));
    assert!(matrix.relative_eq(&near, 0.0, 1e-10) && !matrix.relative_eq(&near, 0.0, 1e-11));
    for other in [
        with([40.0, 41.0, 70.0, 70.0], ward),
        with([40.0, f64::NAN, 70.0, f64::NAN], ward),
        with(
            [40.0, 41.0, 70.0, f64::NAN],
            [Some("icu"), Some("med"), Some("med"), None],
        ),
        matrix.without(&["falls"]).unwrap(),
        matrix.select_rows(&[0, 1, 2]).unwrap(),
        matrix.clone().with_keys(RowKeys::none()).unwrap(),
    ] {
        assert!(!matrix.abs_diff_eq(&other, 1.0));
    }
}

#[test]
fn columns_are_found_by_name_only() {
    let matrix = visits();
    assert_eq!(matrix.select(&["falls", "age"]).unwrap().n_columns(), 2);
    assert!(
        matrix
            .select(&["fals"])
            .unwrap_err()
            .to_string()
            .contains("`falls`")
    );
    assert!(matrix.select(&["age", "age"]).is_err());
    assert_eq!(matrix.without(&["ward"]).unwrap().n_columns(), 2);
}

#[test]
fn derive_and_replace() {
    let matrix = visits().select_rows(&[2, 1]).unwrap();
    let decades = matrix
        .derive(Feature::numeric("decades"), &["age"], |values| {
            values[0] / 10.0
        })
        .unwrap();
    assert_eq!(decades.column("decades").unwrap().to_vec(), [7.0, 4.1]);
    assert_eq!(decades.column("ward").unwrap().level(1), Some("med"));
    assert_eq!(decades.column("falls").unwrap().to_vec(), [0.0, 2.0]);
    let error = matrix
        .derive(Feature::numeric("bad"), &["age"], |_| f64::INFINITY)
        .unwrap_err();
    assert!(error.to_string().contains("column `bad`"));
}

#[test]
fn concat_checks_schema_and_keys() {
    let matrix = visits();
    let top = matrix.select_rows(&[0, 1]).unwrap();
    let rest = matrix.select_rows(&[2, 3]).unwrap();
    let whole = PatientMatrix::concat(&[&top, &rest]).unwrap();
    assert!(whole.abs_diff_eq(&matrix.materialize(), 0.0));
    assert!(
        PatientMatrix::concat(&[&top, &top]).is_err(),
        "same patient and time twice"
    );
    let metres = PatientMatrix::new(vec![(
        Feature::numeric("height").unit("m"),
        Column::dense(vec![1.7]).unwrap(),
    )])
    .unwrap();
    let centimetres = PatientMatrix::new(vec![(
        Feature::numeric("height").unit("cm"),
        Column::dense(vec![170.0]).unwrap(),
    )])
    .unwrap();
    let error = PatientMatrix::concat(&[&metres, &centimetres]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "feature `height`: expected numeric in m, found numeric in cm"
    );
}

#[test]
fn join_matches_patient_and_time() {
    let matrix = visits();
    let labs = PatientMatrix::from_columns([("crp", vec![5.0, 7.0])])
        .unwrap()
        .with_keys(
            RowKeys::none()
                .patients(["b", "a"])
                .times([Time(1), Time(2)]),
        )
        .unwrap();
    let joined = matrix.join(&labs).unwrap();
    let crp = joined.column("crp").unwrap().to_vec();
    assert!(crp[0].is_nan() && crp[1] == 7.0 && crp[2] == 5.0 && crp[3].is_nan());
    // Without index times a patient's one row goes to all of its visits.
    let histories = PatientMatrix::new(vec![
        (
            Feature::count("falls before"),
            Column::sparse(2, vec![(1, 3.0)]).unwrap(),
        ),
        (
            Feature::category("region"),
            Column::categorical([Some("north"), Some("south")]),
        ),
    ])
    .unwrap()
    .with_keys(RowKeys::none().patients(["b", "a"]))
    .unwrap();
    let joined = joined.join(&histories).unwrap();
    let falls = joined.column("falls before").unwrap().to_vec();
    assert_eq!(falls, [3.0, 3.0, 0.0, 0.0]);
    let region = joined.column("region").unwrap();
    let found: Vec<Option<&str>> = (0..4).map(|row| region.level(row)).collect();
    assert_eq!(found, [Some("south"), Some("south"), Some("north"), None]);
    assert!(joined.join(&labs).is_err(), "name on both sides");
}

#[test]
fn counts_and_flags_have_domains() {
    let count = |value: f64| {
        PatientMatrix::new(vec![(
            Feature::count("n"),
            Column::dense(vec![0.0, value]).unwrap(),
        )])
    };
    assert!(count(3.0).is_ok() && count(f64::NAN).is_ok());
    for bad in [-1.0, 0.5] {
        assert!(
            count(bad)
                .unwrap_err()
                .to_string()
                .contains("row 1, column `n`")
        );
    }
    assert!(
        PatientMatrix::new(vec![(
            Feature::flag("f"),
            Column::dense(vec![2.0]).unwrap()
        )])
        .is_err()
    );
    assert!(
        PatientMatrix::new(vec![(
            Feature::category("c"),
            Column::dense(vec![2.0]).unwrap()
        )])
        .is_err()
    );
}

#[test]
fn arrays_of_any_layout_give_the_same_matrix() {
    let array = array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    let matrix = PatientMatrix::from_array(array.view()).unwrap();
    assert_eq!(matrix.to_array(), array);
    let mut reversed = array.view();
    reversed.invert_axis(ndarray::Axis(0));
    let matrix = PatientMatrix::from_array(reversed).unwrap();
    assert_eq!(matrix.column("x0").unwrap().to_vec(), [5.0, 3.0, 1.0]);
}
