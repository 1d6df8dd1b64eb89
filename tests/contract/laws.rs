//! C37-C53: laws of a fit.

use galen::estimator::{Cohort, KFold};
use galen::matrix::{Binary, RowKeys, Values};
use linfa::dataset::AsSingleTargets;
use ndarray::{Array2, Axis, Slice};

use crate::data::{Data, b1, b2, b7, base, named, names, shuffled};
use crate::subject::{
    Applies, Input, Subject, Task, Training, accepted, by_name, close, refused, strict,
};

const YES: Applies = Applies::Yes;

pub fn c37(subject: &dyn Subject) -> Applies {
    for data in [base(subject.task()), b7(subject.task())] {
        let fit = || accepted(accepted(subject.fit(data.input(), &data.y)).to_json());
        assert_eq!(fit(), fit());
    }
    YES
}

pub fn c38(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let alone = accepted(accepted(subject.rebuilt().fit(data.input(), &data.y)).to_json());
    let other = b7(subject.task()).rows(&(0..500).collect::<Vec<_>>());
    accepted(subject.fit(other.input(), &other.y));
    assert_eq!(
        accepted(accepted(subject.fit(data.input(), &data.y)).to_json()),
        alone
    );
    YES
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("a pool")
}

pub fn c39(subject: &dyn Subject) -> Applies {
    let data = b7(subject.task());
    let matrix = data.matrix();
    let run = || {
        let model = accepted(subject.fit(Input::Matrix(&matrix), &data.y));
        let risk = accepted(model.predict(Input::Matrix(&matrix)));
        let bits: Vec<u64> = risk.iter().map(|value| value.to_bits()).collect();
        (accepted(model.to_bytes()), bits)
    };
    let expected = run();
    for threads in [1, 2, 3, 7, 16] {
        assert!(pool(threads).install(run) == expected, "{threads} threads");
    }
    // Under load, and from within a task of the caller's pool.
    let busy = pool(3);
    let nested = busy.install(|| {
        rayon::join(
            || {
                rayon::join(run, || {
                    (0..2_000_000_u64).fold(0, |a, b| a ^ b.wrapping_mul(a | 1))
                })
                .0
            },
            run,
        )
    });
    assert!(nested.0 == expected && nested.1 == expected, "under load");
    YES
}

pub fn c40(subject: &dyn Subject) -> Applies {
    for data in [base(subject.task()), b7(subject.task())] {
        let order = shuffled(data.y.len());
        let plain = accepted(subject.fit(data.input(), &data.y));
        let turned = data.rows(&order);
        let other = accepted(subject.fit(turned.input(), &turned.y));
        close(&by_name(&*other), &by_name(&*plain), 1e-9);
    }
    YES
}

pub fn c41(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let matrix = data.matrix();
    let mut reversed = names(data.x.ncols());
    reversed.reverse();
    let turned = matrix.select(&reversed).expect("columns");
    let plain = accepted(subject.fit(Input::Matrix(&matrix), &data.y));
    let other = accepted(subject.fit(Input::Matrix(&turned), &data.y));
    close(&by_name(&*other), &by_name(&*plain), 1e-9);
    YES
}

pub fn c42(subject: &dyn Subject) -> Applies {
    for data in [base(subject.task()), b7(subject.task())] {
        let plain = accepted(subject.fit(data.input(), &data.y));
        let ones = vec![1.0; data.y.len()];
        let weighted = accepted(subject.fit_weighted(data.input(), &data.y, &ones));
        strict(&by_name(&*weighted), &by_name(&*plain));
        assert_eq!(accepted(weighted.to_json()), accepted(plain.to_json()));
    }
    YES
}

fn counts(n: usize) -> Vec<f32> {
    (0..n)
        .map(|row| [1.0, 2.0, 0.0, 3.0, 1.0][row % 5])
        .collect()
}

pub fn c43(subject: &dyn Subject) -> Applies {
    let small = b7(subject.task()).rows(&(0..900).collect::<Vec<_>>());
    for data in [base(subject.task()), small] {
        let mut weights = counts(data.y.len());
        if !subject.accepts_weights() {
            refused(subject.fit_weighted(data.input(), &data.y, &weights));
            // Presence and absence are no weights.
            weights
                .iter_mut()
                .for_each(|weight| *weight = weight.min(1.0));
        }
        let repeated: Vec<usize> = (0..data.y.len())
            .flat_map(|row| std::iter::repeat_n(row, weights[row] as usize))
            .collect();
        let weighted = accepted(subject.fit_weighted(data.input(), &data.y, &weights));
        let rows = data.rows(&repeated);
        let plain = accepted(subject.fit(rows.input(), &rows.y));
        close(&by_name(&*weighted), &by_name(&*plain), 1e-9);
        let errors = |model: &dyn crate::subject::Fitted| -> Vec<f64> {
            model
                .terms()
                .iter()
                .filter_map(|term| term.standard_error)
                .collect()
        };
        close(&errors(&*weighted), &errors(&*plain), 1e-8);
        // Weight zero is absence, whatever stands there.
        let mut odd = data.clone();
        for row in (2..odd.y.len()).step_by(5) {
            odd.x.row_mut(row).fill(1e12);
            odd.y[row] = 1.0 - odd.y[row];
        }
        let absent = accepted(subject.fit_weighted(odd.input(), &odd.y, &weights));
        strict(&by_name(&*absent), &by_name(&*weighted));
    }
    YES
}

const UNWEIGHTED: Applies = Applies::No("weights other than 0 and 1 are refused");

pub fn c44(subject: &dyn Subject) -> Applies {
    if !subject.accepts_weights() {
        return UNWEIGHTED;
    }
    let data = base(subject.task());
    let weights: Vec<f32> = (0..data.y.len())
        .map(|row| 1.0 + (row % 4) as f32)
        .collect();
    let plain = accepted(subject.fit_weighted(data.input(), &data.y, &weights));
    for factor in [0.25_f32, 1024.0, 3.0] {
        let scaled: Vec<f32> = weights.iter().map(|weight| factor * weight).collect();
        let other = accepted(subject.fit_weighted(data.input(), &data.y, &scaled));
        close(&by_name(&*other), &by_name(&*plain), 1e-9);
    }
    YES
}

pub fn c45(subject: &dyn Subject) -> Applies {
    if !subject.accepts_weights() {
        return UNWEIGHTED;
    }
    let data = base(subject.task());
    let plain = accepted(subject.fit(data.input(), &data.y));
    let weights: Vec<f32> = (0..data.y.len())
        .map(|row| if row < 20 { 5.0 } else { 1.0 })
        .collect();
    let weighted = accepted(subject.fit_weighted(data.input(), &data.y, &weights));
    let differ = by_name(&*plain)
        .iter()
        .zip(by_name(&*weighted))
        .any(|(a, b)| (a - b).abs() > 1e-3);
    assert!(differ, "weights change nothing");
    YES
}

pub fn c46(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let plain = accepted(subject.fit(data.input(), &data.y));
    let expected = accepted(plain.predict(data.input()));
    for (shift, factor) in [(100.0, 1.0), (0.0, 1e-3), (-7.0, -40.0)] {
        let mut x = data.x.clone();
        x.column_mut(1).mapv_inplace(|value| shift + factor * value);
        let model = accepted(subject.fit(Input::Array(x.view()), &data.y));
        close(
            &accepted(model.predict(Input::Array(x.view()))),
            &expected,
            1e-9,
        );
        if subject.trees() {
            continue;
        }
        let slope = |model: &dyn crate::subject::Fitted| model.parameters()[2].1;
        close(&[slope(&*model) * factor], &[slope(&*plain)], 1e-9);
    }
    if subject.task() == Task::Regress {
        let data = b2();
        let y: Vec<f64> = data.y.iter().map(|y| 3.0 * y - 20.0).collect();
        let model = accepted(subject.fit(data.input(), &y));
        let found: Vec<f64> = accepted(model.predict(data.input()))
            .iter()
            .map(|y| (y + 20.0) / 3.0)
            .collect();
        close(&found, &expected, 1e-9);
    }
    YES
}

pub fn c47(subject: &dyn Subject) -> Applies {
    let data = b1();
    let risk = |no: &str, yes: &str| {
        let text = |y: &f64| if *y == 1.0 { yes } else { no }.to_string();
        let labels: Vec<String> = data.y.iter().map(text).collect();
        let model = subject.fit_text(data.input(), &labels, Some(yes))?;
        Some(accepted(accepted(model).predict(data.input())))
    };
    let Some(expected) = risk("a", "b") else {
        return Applies::No("no classes");
    };
    for (no, yes) in [("x", "y"), ("b", "a"), ("10", "9")] {
        strict(&risk(no, yes).expect("labels"), &expected);
    }
    YES
}

pub fn c48(subject: &dyn Subject) -> Applies {
    let data = b7(subject.task());
    let mut x = data.x.clone();
    if subject.accepts_missing() {
        for row in (0..x.nrows()).step_by(17) {
            x[(row, row % 6)] = f64::NAN;
        }
    }
    let fitted = Data {
        x: x.clone(),
        y: data.y.clone(),
    };
    let model = accepted(subject.fit(fitted.input(), &fitted.y));
    let whole = accepted(model.predict(Input::Array(x.view())));
    for row in (0..400).chain(4_090..4_110).chain(20_000..20_011) {
        let one = accepted(model.predict(Input::Array(
            x.slice_axis(Axis(0), Slice::from(row..row + 1)),
        )));
        strict(&one, &whole[row..row + 1]);
    }
    for length in [7, 255, 4_096, 5_000] {
        let mut parts = Vec::new();
        for chunk in x.axis_chunks_iter(Axis(0), length) {
            parts.extend(accepted(model.predict(Input::Array(chunk))));
        }
        strict(&parts, &whole);
    }
    let order = shuffled(x.nrows());
    let turned = x.select(Axis(0), &order);
    let found = accepted(model.predict(Input::Array(turned.view())));
    let expected: Vec<f64> = order.iter().map(|row| whole[*row]).collect();
    strict(&found, &expected);
    YES
}

pub fn c49(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let model = accepted(subject.fit(data.input(), &data.y));
    let expected = accepted(model.predict(data.input()));
    let mut others = data.x.clone();
    for row in (0..others.nrows()).filter(|row| row % 10 != 4) {
        others.row_mut(row).fill(1e6);
    }
    let found = accepted(model.predict(Input::Array(others.view())));
    for row in (4..others.nrows()).step_by(10) {
        strict(&found[row..=row], &expected[row..=row]);
    }
    YES
}

pub fn c51(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let n = data.y.len();
    let fit_fold = |x: &Array2<f64>| {
        let matrix = named(x, &names(x.ncols()))
            .with_keys(RowKeys::none().patients(0..n as u32))
            .expect("keys");
        let folds = KFold::new(5).seed(3);
        let (records, y) = match subject.task() {
            Task::Classify => {
                let target = Binary::from_flags("event", data.y.iter().map(|y| *y == 1.0));
                let folds = folds.split(&Cohort::new(matrix, target)).expect("folds");
                let train = &folds[0].train;
                let events = train.targets.values().iter();
                let y: Vec<f64> = events.map(|event| f64::from(u8::from(*event))).collect();
                (train.records.clone(), y)
            }
            Task::Regress => {
                let target = Values::new(data.y.clone()).expect("finite");
                let folds = folds.split(&Cohort::new(matrix, target)).expect("folds");
                let train = &folds[0].train;
                (
                    train.records.clone(),
                    train.targets.as_single_targets().to_vec(),
                )
            }
        };
        let model = accepted(subject.fit(Input::Matrix(&records), &y));
        let patients = records.keys().patient_keys().expect("patients");
        let kept: Vec<usize> = (0..y.len())
            .map(|row| patients.label(row).parse().expect("a number"))
            .collect();
        (by_name(&*model), kept)
    };
    let (expected, kept) = fit_fold(&data.x);
    // By hand, on the same rows.
    let rows = data.rows(&kept);
    let matrix = rows.matrix();
    let by_hand = accepted(subject.fit(Input::Matrix(&matrix), &rows.y));
    strict(&by_name(&*by_hand), &expected);
    // Other values on the test side: the same model.
    let mut other = data.x.clone();
    for row in (0..n).filter(|row| !kept.contains(row)) {
        other.row_mut(row).fill(-1e5);
    }
    let (found, again) = fit_fold(&other);
    assert_eq!(again, kept);
    strict(&found, &expected);
    YES
}

pub fn c52(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let plain = accepted(accepted(subject.fit(data.input(), &data.y)).to_json());
    let again = subject.rebuilt().rebuilt();
    assert_eq!(
        accepted(accepted(again.fit(data.input(), &data.y)).to_json()),
        plain
    );
    YES
}

pub fn c53(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let model = accepted(subject.fit_with(
        &Training {
            rows: data.input(),
            target: &data.y,
            weights: None,
        },
        &galen::estimator::Control::silent(),
    ));
    let before = accepted(model.to_json());
    let first = accepted(model.predict(data.input()));
    let wrong = Array2::<f64>::zeros((2, 99));
    assert!(model.predict(Input::Array(wrong.view())).is_err());
    strict(&accepted(model.predict(data.input())), &first);
    assert_eq!(accepted(model.to_json()), before);
    YES
}
