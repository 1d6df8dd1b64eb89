//! C69-C76: saved models.

use galen::matrix::{Column, Feature, PatientMatrix};
use ndarray::Array2;

use crate::data::{Recurrence, b1, base};
use crate::subject::{Applies, Fitted, Input, Subject, accepted, by_name, refused, strict};

const YES: Applies = Applies::Yes;

/// A model with missing values, levels and a constant column in it.
fn rich(subject: &dyn Subject) -> (PatientMatrix, Box<dyn Fitted>) {
    let data = base(subject.task());
    let n = data.y.len();
    let mut x = data.x.clone();
    if subject.accepts_missing() {
        x[(4, 0)] = f64::NAN;
        x[(9, 0)] = f64::NAN;
    }
    let matrix = crate::data::named(&x, &crate::data::names(x.ncols()));
    let n_levels = if subject.many_levels() { 3 } else { 2 };
    let wards = (0..n).map(|row| Some(["east", "north", "west"][row % 7 % n_levels]));
    let matrix = matrix
        .with_column(Feature::category("ward"), Column::categorical(wards))
        .and_then(|matrix| {
            matrix.with_column(Feature::numeric("constant"), Column::dense(vec![0.1; n])?)
        })
        .expect("a matrix");
    let model = accepted(subject.fit(Input::Matrix(&matrix), &data.y));
    (matrix, model)
}

pub fn c69(subject: &dyn Subject) -> Applies {
    let (matrix, model) = rich(subject);
    let expected = accepted(model.predict(Input::Matrix(&matrix)));
    let (json, bytes) = (accepted(model.to_json()), accepted(model.to_bytes()));
    for again in [
        accepted(subject.load_json(&json)),
        accepted(subject.load_bytes(&bytes)),
    ] {
        strict(&accepted(again.predict(Input::Matrix(&matrix))), &expected);
        assert_eq!(accepted(again.to_json()), json);
        assert_eq!(accepted(again.to_bytes()), bytes);
        assert_eq!(again.facts(), model.facts());
        assert_eq!(again.terms(), model.terms());
        assert_eq!(again.header(), model.header());
    }
    YES
}

pub fn c70(subject: &dyn Subject) -> Applies {
    // Coefficients of many sizes and no round number among them.
    let data = base(subject.task());
    let mut x = data.x.clone();
    for (column, factor) in [1e-120, 1e90, 1.0 / 3.0].iter().enumerate() {
        x.column_mut(column).mapv_inplace(|value| value * factor);
    }
    let model = accepted(subject.fit(Input::Array(x.view()), &data.y));
    let json = accepted(subject.load_json(&accepted(model.to_json())));
    let bytes = accepted(subject.load_bytes(&accepted(model.to_bytes())));
    strict(&by_name(&*json), &by_name(&*model));
    strict(&by_name(&*bytes), &by_name(&*model));
    YES
}

/// JSON whose checksum is right although `change` was made: what a careful tamperer writes.
fn tampered(json: &str, change: impl FnOnce(&str) -> String) -> String {
    let start = json.find("\"model\":").expect("an envelope") + "\"model\":".len();
    let model = change(&json[start..json.len() - 1]);
    format!("{}{model}}}", &json[..start])
}

pub fn c71(subject: &dyn Subject) -> Applies {
    let (_, model) = rich(subject);
    let json = accepted(model.to_json());
    for bad in ["1e999", "null", "-1e999", "\"NaN\"", "NaN"] {
        let text = tampered(&json, |model| replace_first_number(model, bad));
        assert_ne!(text, json);
        refused(subject.load_json(&text));
    }
    assert!(!json.contains("NaN"));
    YES
}

/// Replaces the first number with a fraction.
fn replace_first_number(text: &str, with: &str) -> String {
    let dot = text
        .char_indices()
        .position(|(at, c)| {
            c == '.'
                && text[..at].ends_with(|c: char| c.is_ascii_digit())
                && text[at + 1..].starts_with(|c: char| c.is_ascii_digit())
                && !text[..at]
                    .rsplit(['{', ',', '[', ':'])
                    .next()
                    .unwrap_or_default()
                    .contains('"')
        })
        .expect("a number");
    let numeric = |c: char| c.is_ascii_digit() || ".-+eE".contains(c);
    let start = text[..dot].rfind(|c| !numeric(c)).map_or(0, |at| at + 1);
    let end = dot + text[dot..].find(|c| !numeric(c)).expect("an end");
    format!("{}{with}{}", &text[..start], &text[end..])
}

pub fn c73(subject: &dyn Subject) -> Applies {
    let (_, model) = rich(subject);
    let json = accepted(model.to_json());
    let own = env!("CARGO_PKG_VERSION");
    let later = json.replacen("\"format\":1", "\"format\":9", 1).replacen(
        &format!("\"crate_version\":\"{own}\""),
        "\"crate_version\":\"7.7.7\"",
        1,
    );
    let error = refused(subject.load_json(&later)).to_string();
    assert!(
        error.contains("7.7.7") && error.contains(own) && error.contains('9'),
        "{error}"
    );
    let mut bytes = accepted(model.to_bytes());
    bytes[8] = 9;
    assert!(
        refused(subject.load_bytes(&bytes))
            .to_string()
            .contains(own)
    );
    let kind = json.find("\"kind\":\"").expect("a kind") + 8;
    let other = format!("{}x{}", &json[..kind], &json[kind..]);
    refused(subject.load_json(&other));
    let field = json.replacen("\"head\":{", "\"surprise\":1,\"head\":{", 1);
    refused(subject.load_json(&field));
    let inner = tampered(&json, |model| model.replacen('{', "{\"surprise\":1,", 1));
    refused(subject.load_json(&inner));
    refused(subject.load_json("{}"));
    refused(subject.load_json(""));
    refused(subject.load_bytes(&[]));
    YES
}

pub fn c74(subject: &dyn Subject) -> Applies {
    let (matrix, model) = rich(subject);
    let expected = accepted(model.predict(Input::Matrix(&matrix)));
    let (json, bytes) = (accepted(model.to_json()), accepted(model.to_bytes()));
    let check = |loaded: galen::Result<Box<dyn Fitted>>| {
        if let Ok(loaded) = loaded {
            strict(&accepted(loaded.predict(Input::Matrix(&matrix))), &expected);
        }
    };
    let mut r = Recurrence::new(74);
    for length in (0..bytes.len()).step_by(37) {
        refused(subject.load_bytes(&bytes[..length]));
        refused(subject.load_json(json.get(..length).unwrap_or("")));
    }
    for _ in 0..400 {
        let mut changed = bytes.clone();
        for _ in 0..=r.below(3) {
            let at = r.below(changed.len());
            changed[at] ^= 1 << r.below(8);
        }
        check(subject.load_bytes(&changed));
        let mut text = json.clone().into_bytes();
        let at = r.below(text.len());
        text[at] = b"0123456789-.eE{}[],:\"x"[r.below(22)];
        if let Ok(text) = std::str::from_utf8(&text) {
            check(subject.load_json(text));
        }
    }
    // Lengths that promise more than there is.
    let magic = 8 + 2 + 1 + env!("CARGO_PKG_VERSION").len() + 4;
    for at in magic..magic + 12 {
        let mut changed = bytes.clone();
        changed[at] = 0xff;
        refused(subject.load_bytes(&changed));
    }
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    refused(subject.load_json(&nested));
    YES
}

pub fn c75(subject: &dyn Subject) -> Applies {
    let (rows, width) = if subject.penalised() {
        (40, 1_000)
    } else {
        (400, 150)
    };
    let mut r = Recurrence::new(75);
    let x = Array2::from_shape_fn((rows, width), |_| r.bell());
    let y: Vec<f64> = (0..rows)
        .map(|_| f64::from(u8::from(r.unit() < 0.5)))
        .collect();
    let model = accepted(subject.fit(Input::Array(x.view()), &y));
    let again = accepted(subject.load_bytes(&accepted(model.to_bytes())));
    let expected = accepted(model.predict(Input::Array(x.view())));
    strict(&accepted(again.predict(Input::Array(x.view()))), &expected);
    let json = accepted(model.to_json());
    assert_eq!(accepted(accepted(subject.load_json(&json)).to_json()), json);
    YES
}

pub fn c76(subject: &dyn Subject) -> Applies {
    // Every cell is a value of its own that nothing else would produce.
    let data = b1();
    let target = if subject.task() == crate::subject::Task::Classify {
        data.y
    } else {
        crate::data::b2().y
    };
    let n = target.len();
    let mut r = Recurrence::new(76);
    let x = Array2::from_shape_fn((n, 3), |_| 1_000.0 + 1_000.0 * r.unit());
    let model = accepted(subject.fit(Input::Array(x.view()), &target));
    assert!(!model.header().contains_training_rows);
    let (json, bytes) = (accepted(model.to_json()), accepted(model.to_bytes()));
    for value in &x {
        assert!(
            !json.contains(&format!("{value}")),
            "a training value in the text"
        );
        let pattern = value.to_le_bytes();
        assert!(
            !bytes.windows(8).any(|window| window == pattern),
            "a training value in the bytes"
        );
    }
    assert!(
        !model.header().row_derived.is_empty(),
        "means are read off rows, and say so"
    );
    YES
}
