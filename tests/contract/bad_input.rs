//! C01-C36: input that is wrong, extreme or degenerate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use galen::error::ErrorKind;
use galen::estimator::Control;
use galen::matrix::{PatientMatrix, Values};
use ndarray::{Array2, ArrayView2, Axis, Slice};

use crate::data::{b1, b1_separable, b3, b4, base, named, names};
use crate::subject::{
    Applies, Input, Subject, Task, Training, accepted, by_name, close, refused, strict,
};

const YES: Applies = Applies::Yes;

/// What a number planted in the data must never appear as.
const MARK: f64 = 987_654_321.125;

fn finite(values: &[f64]) {
    assert!(values.iter().all(|value| value.is_finite()), "{values:?}");
}

pub fn c01(subject: &dyn Subject) -> Applies {
    if subject.accepts_missing() {
        return Applies::No("missing values are accepted");
    }
    let mut data = base(subject.task());
    data.x[(7, 1)] = f64::NAN;
    let error = refused(subject.fit(data.input(), &data.y));
    assert!(
        matches!(error.kind(), ErrorKind::NonFinite { row: Some(7), .. }),
        "{error}"
    );
    YES
}

pub fn c02(subject: &dyn Subject) -> Applies {
    if !subject.accepts_missing() {
        return Applies::No("missing values are refused");
    }
    let data = base(subject.task());
    let patterns = [
        f64::NAN,
        -f64::NAN,
        f64::from_bits(0x7ff0_0000_0000_0001),
        f64::from_bits(u64::MAX),
    ];
    let mut fits = Vec::new();
    for nan in patterns {
        let mut with = data.clone();
        for row in [2, 9, 30] {
            with.x[(row, 1)] = nan;
        }
        let array = accepted(subject.fit(with.input(), &with.y));
        let matrix = with.matrix();
        let model = accepted(subject.fit(Input::Matrix(&matrix), &with.y));
        finite(&accepted(model.predict(Input::Matrix(&matrix))));
        fits.push((accepted(array.to_json()), by_name(&*model)));
    }
    for (json, parameters) in &fits {
        assert_eq!(*json, fits[0].0, "the bits of a NaN matter");
        strict(parameters, &fits[0].1);
    }
    let mut empty = data.clone();
    empty.x.column_mut(2).fill(f64::NAN);
    let model = accepted(subject.fit(empty.input(), &empty.y));
    assert!(
        model.left_out().iter().any(|name| name.contains("x2")),
        "{:?}",
        model.left_out()
    );
    finite(&accepted(model.predict(data.input())));
    YES
}

pub fn c03(subject: &dyn Subject) -> Applies {
    for bad in [f64::INFINITY, f64::NEG_INFINITY] {
        let mut data = base(subject.task());
        data.x[(11, 2)] = bad;
        let error = refused(subject.fit(data.input(), &data.y));
        match error.kind() {
            ErrorKind::NonFinite { row, column, .. } => {
                assert_eq!((*row, column.as_deref()), (Some(11), Some("x2")));
            }
            other => panic!("{other:?}"),
        }
        assert!(PatientMatrix::from_array(data.x).is_err());
    }
    YES
}

pub fn c04(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let model = accepted(subject.fit(data.input(), &data.y));
    for bad in [f64::INFINITY, f64::NEG_INFINITY] {
        let mut rows = data.x.clone();
        rows[(5, 0)] = bad;
        let error = refused(model.predict(Input::Array(rows.view())));
        assert!(
            matches!(error.kind(), ErrorKind::NonFinite { row: Some(5), .. }),
            "{error}"
        );
        if let Some(decision) = model.decision(Input::Array(rows.view())) {
            refused(decision);
        }
    }
    let mut rows = data.x.clone();
    rows[(5, 0)] = f64::NAN;
    let found = model.predict(Input::Array(rows.view()));
    if subject.accepts_missing() {
        finite(&accepted(found));
    } else {
        refused(found);
    }
    YES
}

pub fn c05(subject: &dyn Subject) -> Applies {
    if subject.task() == Task::Classify {
        return Applies::No("labels are never missing; offsets have a test of their own");
    }
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut data = base(subject.task());
        data.y[4] = bad;
        refused(subject.fit(data.input(), &data.y));
        assert!(Values::new(data.y).is_err());
    }
    YES
}

pub fn c06(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    for bad in [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        -1.0,
        -f32::MIN_POSITIVE,
    ] {
        let mut weights = vec![1.0; data.y.len()];
        weights[6] = bad;
        let error = refused(subject.fit_weighted(data.input(), &data.y, &weights));
        match error.kind() {
            ErrorKind::NonFinite { row, .. } | ErrorKind::OutOfRange { row, .. } => {
                assert_eq!(*row, Some(6))
            }
            other => panic!("{other:?}"),
        }
    }
    YES
}

pub fn c07(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let error = refused(subject.fit_weighted(data.input(), &data.y, &vec![0.0; data.y.len()]));
    assert!(
        matches!(error.kind(), ErrorKind::NoEffectiveRows { .. }),
        "{error}"
    );
    YES
}

pub fn c08(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let n = data.y.len();
    for length in [1, n - 1, n + 1] {
        let error = refused(subject.fit_weighted(data.input(), &data.y, &vec![1.0; length]));
        let expected = |error: &galen::Error| {
            matches!(error.kind(), ErrorKind::LengthMismatch { expected, found, .. }
                if (*expected, *found) == (n, length))
        };
        assert!(expected(&error), "{error}");
        let target: Vec<f64> = (0..length).map(|row| data.y[row % n]).collect();
        let error = refused(subject.fit(data.input(), &target));
        assert!(expected(&error), "{error}");
    }
    YES
}

pub fn c09(subject: &dyn Subject) -> Applies {
    let none = Array2::<f64>::zeros((0, 4));
    let error = refused(subject.fit(Input::Array(none.view()), &[]));
    assert!(
        matches!(error.kind(), ErrorKind::TooFewRows { found: 0, .. }),
        "{error}"
    );
    let empty = base(subject.task())
        .matrix()
        .select_rows(&[])
        .expect("a view of no rows");
    let error = refused(subject.fit(Input::Matrix(&empty), &[]));
    assert!(
        matches!(error.kind(), ErrorKind::TooFewRows { found: 0, .. }),
        "{error}"
    );
    YES
}

pub fn c10(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let none = Array2::<f64>::zeros((data.y.len(), 0));
    let error = refused(subject.fit(Input::Array(none.view()), &data.y));
    assert!(
        matches!(error.kind(), ErrorKind::NoFeatures { .. }),
        "{error}"
    );
    YES
}

pub fn c11(subject: &dyn Subject) -> Applies {
    let data = base(subject.task()).rows(&[2]);
    match subject.fit(data.input(), &data.y) {
        Ok(model) => finite(&accepted(model.predict(data.input()))),
        Err(error) => assert!(
            matches!(error.kind(), ErrorKind::TooFewRows { found: 1, .. }),
            "{error}"
        ),
    }
    YES
}

pub fn c12(subject: &dyn Subject) -> Applies {
    for data in [b4(subject.task()), b3(subject.task())] {
        let model = accepted(subject.fit(data.input(), &data.y));
        assert!(model.converged(), "{:?}", model.warnings());
        finite(&accepted(model.predict(data.input())));
    }
    YES
}

pub fn c13(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let wide = Array2::from_shape_fn((12, 30), |(row, column)| {
        data.x[(row * 4 + column % 5, column % data.x.ncols())]
            + ((row * 7 + column * 13) % 11) as f64
    });
    let target: Vec<f64> = match subject.task() {
        Task::Classify => (0..12).map(|row| f64::from(row % 2)).collect(),
        Task::Regress => data.y[..12].to_vec(),
    };
    match subject.fit(Input::Array(wide.view()), &target) {
        Ok(model) => {
            finite(&accepted(model.predict(Input::Array(wide.view()))));
            let flagged = !model.left_out().is_empty() || !model.has_inference();
            assert!(
                subject.penalised() || flagged,
                "more columns than rows without a flag"
            );
        }
        Err(error) => {
            assert!(!subject.penalised(), "{error}");
            assert!(
                matches!(error.kind(), ErrorKind::Underdetermined { .. }),
                "{error}"
            );
        }
    }
    YES
}

/// `data.x` with one more column.
fn widened(x: &Array2<f64>, extra: impl Fn(ArrayView2<'_, f64>, usize) -> f64) -> Array2<f64> {
    Array2::from_shape_fn((x.nrows(), x.ncols() + 1), |(row, column)| {
        if column < x.ncols() {
            x[(row, column)]
        } else {
            extra(x.view(), row)
        }
    })
}

pub fn c14(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let plain = accepted(subject.fit(data.input(), &data.y));
    for value in [0.0, 0.1, -3e8] {
        let x = widened(&data.x, |_, _| value);
        let model = accepted(subject.fit(Input::Array(x.view()), &data.y));
        let name = format!("x{}", data.x.ncols());
        assert_eq!(model.left_out(), [name.as_str()], "constant {value}");
        let found = accepted(model.predict(Input::Array(x.view())));
        close(&found, &accepted(plain.predict(data.input())), 1e-9);
        // Another constant at predict does not count either.
        let other = widened(&data.x, |_, _| 17.0);
        close(
            &accepted(model.predict(Input::Array(other.view()))),
            &found,
            1e-9,
        );
        assert!(
            model
                .warnings()
                .iter()
                .any(|warning| warning.contains(&name))
        );
    }
    YES
}

pub fn c15(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let plain = accepted(subject.fit(data.input(), &data.y));
    let fitted = accepted(plain.predict(data.input()));
    type Twin<'a> = &'a dyn Fn(ArrayView2<'_, f64>, usize) -> f64;
    let twins: [Twin<'_>; 3] = [
        &|x, row| x[(row, 0)],
        &|x, row| 2.0 * x[(row, 0)] - 3.0 * x[(row, 1)] + 5.0,
        &|x, row| -1e6 * x[(row, 2)],
    ];
    for twin in twins {
        let x = widened(&data.x, twin);
        let model = accepted(subject.fit(Input::Array(x.view()), &data.y));
        let found = accepted(model.predict(Input::Array(x.view())));
        finite(&found);
        if !subject.penalised() {
            assert_eq!(model.left_out().len(), 1, "{:?}", model.left_out());
            close(&found, &fitted, 1e-8);
            assert!(
                model
                    .terms()
                    .iter()
                    .filter(|term| term.standard_error.is_none())
                    .count()
                    == 1
            );
        }
    }
    YES
}

pub fn c16(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let same = Array2::from_shape_fn(data.x.dim(), |(_, column)| data.x[(0, column)]);
    if let Ok(model) = subject.fit(Input::Array(same.view()), &data.y) {
        let found = accepted(model.predict(Input::Array(same.view())));
        let mean = data.y.iter().sum::<f64>() / data.y.len() as f64;
        close(&found, &vec![mean; data.y.len()], 1e-9);
        assert_eq!(model.left_out().len(), data.x.ncols());
    }
    YES
}

pub fn c17(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let model = accepted(subject.fit(data.input(), &data.y));
    let n = data.x.ncols();
    for columns in [0, n - 1, n + 1, 3 * n] {
        let rows = Array2::<f64>::zeros((3, columns));
        let error = refused(model.predict(Input::Array(rows.view())));
        assert!(
            matches!(error.kind(), ErrorKind::FeatureCount { expected, found } if (*expected, *found) == (n, columns)),
            "{error}"
        );
    }
    let matrix = data.matrix();
    let model = accepted(subject.fit(Input::Matrix(&matrix), &data.y));
    let expected = accepted(model.predict(Input::Matrix(&matrix)));
    let error = refused(model.predict(Input::Matrix(&matrix.without(&["age"]).expect("columns"))));
    match error.kind() {
        ErrorKind::FeatureNames { missing, .. } => assert_eq!(*missing, ["age"]),
        other => panic!("{other:?}"),
    }
    let mut misspelt = names(n);
    misspelt[2] = "lactat".into();
    let error = refused(model.predict(Input::Matrix(&named(&data.x, &misspelt))));
    assert!(
        error.to_string().contains("did you mean `lactat`"),
        "{error}"
    );
    let wider = matrix
        .with_column(
            galen::matrix::Feature::numeric("unasked"),
            galen::matrix::Column::dense(vec![f64::NAN; data.y.len()]).expect("a column"),
        )
        .expect("another name");
    strict(&accepted(model.predict(Input::Matrix(&wider))), &expected);
    // Another unit is another feature.
    let united = matrix
        .without(&["age"])
        .and_then(|matrix| {
            matrix.with_column(
                galen::matrix::Feature::numeric("age").unit("months"),
                galen::matrix::Column::dense(data.x.column(1).to_vec())?,
            )
        })
        .expect("a matrix");
    let error = refused(model.predict(Input::Matrix(&united)));
    assert!(
        matches!(error.kind(), ErrorKind::FeatureMismatch { .. }),
        "{error}"
    );
    YES
}

pub fn c18(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let matrix = data.matrix();
    let model = accepted(subject.fit(Input::Matrix(&matrix), &data.y));
    let mut reversed = names(data.x.ncols());
    reversed.reverse();
    let turned = matrix.select(&reversed).expect("columns");
    let expected = accepted(model.predict(Input::Matrix(&matrix)));
    strict(&accepted(model.predict(Input::Matrix(&turned))), &expected);
    YES
}

pub fn c19(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let matrix = data.matrix();
    let model = accepted(subject.fit(Input::Matrix(&matrix), &data.y));
    let none = matrix.select_rows(&[]).expect("a view of no rows");
    assert!(accepted(model.predict(Input::Matrix(&none))).is_empty());
    if let Some(all) = model.probabilities(Input::Matrix(&none)) {
        assert_eq!(accepted(all).dim(), (0, 2));
    }
    assert_eq!(model.labels(&none).map_or(0, |labels| labels.len()), 0);
    let array = accepted(subject.fit(data.input(), &data.y));
    let none = Array2::<f64>::zeros((0, data.x.ncols()));
    assert!(accepted(array.predict(Input::Array(none.view()))).is_empty());
    let wrong = Array2::<f64>::zeros((0, data.x.ncols() + 1));
    refused(array.predict(Input::Array(wrong.view())));
    YES
}

pub fn c20(subject: &dyn Subject) -> Applies {
    if subject.task() != Task::Classify {
        return Applies::No("no classes");
    }
    let data = b1();
    for class in [0.0, 1.0] {
        let error = refused(subject.fit(data.input(), &vec![class; 60]));
        assert!(
            matches!(error.kind(), ErrorKind::SingleClass { .. }),
            "{error}"
        );
    }
    // A class whose rows have no weight is not there.
    let weights: Vec<f32> = data.y.iter().map(|y| *y as f32).collect();
    let error = refused(subject.fit_weighted(data.input(), &data.y, &weights));
    assert!(
        matches!(error.kind(), ErrorKind::SingleClass { .. }),
        "{error}"
    );
    YES
}

pub fn c21(subject: &dyn Subject) -> Applies {
    if subject.task() != Task::Classify {
        return Applies::No("no classes");
    }
    let data = b1();
    for class in [0.0, 1.0] {
        let mut y = vec![class; 60];
        y[7] = 1.0 - class;
        if let Ok(model) = subject.fit(data.input(), &y) {
            assert_eq!(model.header().classes, ["false", "true"]);
            let all = accepted(model.probabilities(data.input()).expect("a classifier"));
            assert_eq!(all.ncols(), 2);
            finite(&all.iter().copied().collect::<Vec<_>>());
            // Column 1 is the event: rarer class, smaller mean.
            let mean = all.column(1).mean().unwrap_or(0.5);
            assert!(
                (mean < 0.5) == (class == 0.0),
                "mean {mean} with class {class}"
            );
        }
    }
    YES
}

pub fn c22(subject: &dyn Subject) -> Applies {
    let data = b1();
    let matrix = data.matrix();
    for [no, yes] in [
        ["alive", "dead"],
        ["-1", "7"],
        ["10", "9"],
        ["", "\u{e9}v\u{e9}nement"],
    ] {
        let labels: Vec<String> = data
            .y
            .iter()
            .map(|y| if *y == 1.0 { yes } else { no }.to_string())
            .collect();
        let Some(model) = subject.fit_text(Input::Matrix(&matrix), &labels, Some(yes)) else {
            return Applies::No("no labels");
        };
        let model = accepted(model);
        assert_eq!(model.header().event.as_deref(), Some(yes));
        let found = model.labels(&matrix).expect("labels");
        assert!(found.iter().all(|label| label == no || label == yes));
        let risk = accepted(model.predict(Input::Matrix(&matrix)));
        for (label, risk) in found.iter().zip(risk) {
            assert_eq!(label == yes, risk >= 0.5);
        }
        let event = model
            .header()
            .classes
            .iter()
            .position(|class| class == yes)
            .expect("a class");
        let all = accepted(
            model
                .probabilities(Input::Matrix(&matrix))
                .expect("a classifier"),
        );
        strict(
            &all.column(event).to_vec(),
            &accepted(model.predict(Input::Matrix(&matrix))),
        );
    }
    YES
}

pub fn c23(subject: &dyn Subject) -> Applies {
    let data = b1();
    let three: Vec<String> = (0..60).map(|row| format!("class {}", row % 3)).collect();
    match subject.fit_text(data.input(), &three, Some("class 2")) {
        None => Applies::No("the type allows numbers only"),
        Some(result) => {
            let error = refused(result);
            assert!(
                matches!(error.kind(), ErrorKind::TargetKind { .. }),
                "{error}"
            );
            let two: Vec<String> = (0..60).map(|row| format!("class {}", row % 2)).collect();
            let other = subject.fit_text(data.input(), &two, Some("class 2"));
            let error = refused(other.expect("labels"));
            assert!(
                matches!(error.kind(), ErrorKind::TargetKind { .. }),
                "{error}"
            );
            YES
        }
    }
}

pub fn c24(subject: &dyn Subject) -> Applies {
    if subject.task() != Task::Regress {
        return Applies::No("classes: see C20");
    }
    let data = base(Task::Regress);
    let model = accepted(subject.fit(data.input(), &vec![4.5; data.y.len()]));
    close(
        &accepted(model.predict(data.input())),
        &vec![4.5; data.y.len()],
        1e-9,
    );
    YES
}

pub fn c27(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let expected = accepted(accepted(subject.fit(data.input(), &data.y)).predict(data.input()));
    for factor in [1e150, 1e-150, 1e200, 1e-200, 1e-300, -1e60] {
        let mut x = data.x.clone();
        x.column_mut(1).mapv_inplace(|value| factor * value);
        match subject.fit(Input::Array(x.view()), &data.y) {
            Ok(model) => close(
                &accepted(model.predict(Input::Array(x.view()))),
                &expected,
                1e-8,
            ),
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::Scale { .. }),
                "{factor}: {error}"
            ),
        }
    }
    // An offset of 1e9 rounds the values first; the same rounded values without it are the truth.
    let mut far = data.x.clone();
    far.column_mut(0).mapv_inplace(|value| value + 1e9);
    let mut near = data.x.clone();
    near.column_mut(0)
        .assign(&far.column(0).mapv(|value| value - 1e9));
    let expected = accepted(
        accepted(subject.fit(Input::Array(near.view()), &data.y))
            .predict(Input::Array(near.view())),
    );
    let model = accepted(subject.fit(Input::Array(far.view()), &data.y));
    close(
        &accepted(model.predict(Input::Array(far.view()))),
        &expected,
        1e-6,
    );
    assert!(model.left_out().is_empty());
    YES
}

pub fn c28(subject: &dyn Subject) -> Applies {
    let mut data = base(subject.task());
    for row in [0, 8, 20, 33] {
        data.x[(row, 0)] = 0.0;
        data.x[(row + 1, 2)] = 0.0;
    }
    let plain = accepted(subject.fit(data.input(), &data.y));
    let expected = accepted(plain.predict(data.input()));
    let replaced = |with: f64| {
        let x = data.x.mapv(|value| if value == 0.0 { with } else { value });
        let model = accepted(subject.fit(Input::Array(x.view()), &data.y));
        (
            accepted(model.to_json()),
            accepted(model.predict(Input::Array(x.view()))),
        )
    };
    let (json, found) = replaced(-0.0);
    strict(&found, &expected);
    assert_eq!(json, accepted(plain.to_json()));
    for subnormal in [5e-324, -5e-324, 2e-310] {
        close(&replaced(subnormal).1, &expected, 1e-12);
    }
    YES
}

pub fn c29(subject: &dyn Subject) -> Applies {
    let list = subject.refused();
    assert!(list.len() >= 5, "too few bad settings tried");
    for (name, bad) in list {
        // Refused before data are looked at: these have no rows, no columns and two lengths.
        let nothing = Array2::<f64>::from_elem((0, 0), f64::INFINITY);
        let error = refused(bad.fit(Input::Array(nothing.view()), &[MARK]));
        match error.kind() {
            ErrorKind::Parameter {
                name: found, rule, ..
            } => {
                assert_eq!(*found, name);
                assert!(!rule.is_empty());
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    YES
}

pub fn c31(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let (n, k) = data.x.dim();
    let model = accepted(subject.fit(data.input(), &data.y));
    let (json, expected) = (
        accepted(model.to_json()),
        accepted(model.predict(data.input())),
    );
    let by_columns = data.x.t().as_standard_layout().into_owned().reversed_axes();
    assert!(!by_columns.is_standard_layout());
    let mut spaced = Array2::<f64>::from_elem((2 * n, 3 * k), MARK);
    let every = |step| Slice::new(0, None, step);
    let mut part = spaced.slice_axis_mut(Axis(0), every(2));
    part.slice_axis_mut(Axis(1), every(3)).assign(&data.x);
    // Stored backwards, read forwards: strides below zero.
    let backwards = |axis| {
        let mut turned = data.x.clone();
        turned.invert_axis(axis);
        let mut stored = Array2::from_shape_fn((n, k), |at| turned[at]);
        stored.invert_axis(axis);
        assert!(stored.strides()[axis.0] < 0);
        stored
    };
    let (reversed, mirrored) = (backwards(Axis(0)), backwards(Axis(1)));
    let rows = spaced.slice_axis(Axis(0), every(2));
    for view in [
        by_columns.view(),
        rows.slice_axis(Axis(1), every(3)),
        reversed.view(),
        mirrored.view(),
    ] {
        let other = accepted(subject.fit(Input::Array(view), &data.y));
        assert_eq!(accepted(other.to_json()), json);
        strict(&accepted(model.predict(Input::Array(view))), &expected);
    }
    YES
}

pub fn c32(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let before: Vec<u64> = data
        .x
        .iter()
        .chain(&data.y)
        .map(|value| value.to_bits())
        .collect();
    let matrix = data.matrix();
    let copy = matrix.clone();
    let weights = vec![1.5_f32; data.y.len()];
    let model = accepted(subject.fit_weighted(data.input(), &data.y, &weights));
    accepted(model.predict(data.input()));
    let model = accepted(subject.fit(Input::Matrix(&matrix), &data.y));
    accepted(model.predict(Input::Matrix(&matrix)));
    let after: Vec<u64> = data
        .x
        .iter()
        .chain(&data.y)
        .map(|value| value.to_bits())
        .collect();
    assert_eq!(before, after);
    assert_eq!(weights, vec![1.5; data.y.len()]);
    assert_eq!(matrix, copy);
    YES
}

pub fn c33(subject: &dyn Subject) -> Applies {
    if subject.penalised() {
        return Applies::No("no square of the width is stored under a penalty");
    }
    let x = Array2::from_shape_fn((2_100, 2_060), |(row, column)| {
        ((row * 31 + column * 17) % 101) as f64
    });
    let y: Vec<f64> = (0..2_100).map(|row| f64::from(row % 2)).collect();
    let error = refused(subject.fit(Input::Array(x.view()), &y));
    assert!(
        matches!(error.kind(), ErrorKind::TooLarge { bytes, ceiling, .. } if bytes > ceiling),
        "{error}"
    );
    YES
}

pub fn c34(subject: &dyn Subject) -> Applies {
    if subject.task() != Task::Classify {
        return Applies::No("no classes to separate");
    }
    let data = b1_separable();
    let model = accepted(subject.fit(data.input(), &data.y));
    if subject.penalised() {
        assert!(model.converged() && model.separated().is_empty());
        finite(&by_name(&*model));
        return YES;
    }
    assert!(!model.separated().is_empty() && !model.converged() && !model.has_inference());
    assert!(
        model
            .terms()
            .iter()
            .all(|term| term.standard_error.is_none())
    );
    assert!(
        model
            .warnings()
            .iter()
            .any(|warning| warning.contains("separation"))
    );
    finite(&accepted(model.predict(data.input())));
    YES
}

pub fn c35(subject: &dyn Subject) -> Applies {
    let Some(stopped) = subject.stopped_early() else {
        return Applies::No("a closed form");
    };
    let data = base(subject.task());
    let model = accepted(stopped.fit(data.input(), &data.y));
    assert!(!model.converged());
    assert!(model.gap() > 0.0 && model.gap().is_finite());
    assert!(!model.has_inference());
    finite(&by_name(&*model));
    assert!(
        model
            .warnings()
            .iter()
            .any(|warning| warning.contains("not converged"))
    );
    YES
}

pub fn c36(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let training = Training {
        rows: data.input(),
        target: &data.y,
        weights: None,
    };
    let cancelled = |control: &Control| {
        let error = refused(subject.fit_with(&training, control));
        assert!(matches!(error.kind(), ErrorKind::Cancelled), "{error}");
    };
    cancelled(&Control::silent().stop_when(Arc::new(AtomicBool::new(true))));
    cancelled(&Control::silent().deadline(Instant::now()));
    let total = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&total);
    let control = Control::silent().on_progress(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    accepted(subject.fit_with(&training, &control));
    let total = total.load(Ordering::Relaxed);
    // One step per round at least: preparation, solution, and what follows from it.
    assert!(total >= 3, "progress was reported {total} times");
    for after in [1, total / 2, total] {
        let (stop, steps) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (signal, count) = (Arc::clone(&stop), Arc::clone(&steps));
        let control = Control::silent()
            .stop_when(Arc::clone(&stop))
            .on_progress(move |_| {
                if count.fetch_add(1, Ordering::Relaxed) + 1 >= after.max(1) {
                    signal.store(true, Ordering::Relaxed);
                }
            });
        cancelled(&control);
        assert!(
            steps.load(Ordering::Relaxed) <= after.max(1) + 1,
            "went on after the signal"
        );
    }
    YES
}

pub fn c78(subject: &dyn Subject) -> Applies {
    fn is_error<E: std::error::Error + Send + Sync + 'static>(_: &E) {}
    let mut seen = Vec::new();
    let data = base(subject.task());
    let mut planted = data.clone();
    planted.x.column_mut(1).fill(MARK);
    planted.x[(3, 0)] = f64::INFINITY;
    let model = accepted(subject.fit(data.input(), &data.y));
    seen.push(refused(subject.fit(planted.input(), &planted.y)));
    seen.push(refused(model.predict(planted.input())));
    let mut weights = vec![MARK as f32; data.y.len()];
    weights[2] = -(MARK as f32);
    seen.push(refused(subject.fit_weighted(
        data.input(),
        &data.y,
        &weights,
    )));
    let labels: Vec<String> = (0..data.y.len())
        .map(|row| format!("patient {MARK} {}", row % 3))
        .collect();
    // Trees take three classes, but not with an event among them.
    let event = subject.trees().then(|| labels[0].clone());
    if let Some(result) = subject.fit_text(data.input(), &labels, event.as_deref()) {
        seen.push(refused(result));
    }
    for error in &seen {
        is_error(error);
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains("98765432"), "{text}");
        }
    }
    YES
}
