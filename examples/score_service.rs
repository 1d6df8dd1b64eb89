//! A scoring service: JSON lines of patients in, JSON lines of risks or reasons for refusal out.
//!
//! ```text
//! cargo run --release --example score_service                                  # shows itself
//! cargo run --release --example score_service < patients.jsonl                 # simulated model
//! cargo run --release --example score_service -- model.json < patients.jsonl   # your saved model
//! ```
//!
//! A patient is one line, `{"id": ..., feature: value, ...}`. Every feature of the model must be
//! there; one that was not measured is `null`. A feature with a unit is written
//! `{"value": 1.2, "unit": "mg/dL"}`, and another unit is refused rather than converted. No line
//! ends the service, and no value of a patient appears in a reason.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use galen::classification::logistic::{Cell, RowScorer};
use galen::design::{Preparation, Unseen};
use galen::error::ErrorKind;
use galen::estimator::Saved;
use galen::matrix::{Column, FeatureKind, Schema};
use galen::prelude::*;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest line that is read as a patient, in bytes.
const MAX_LINE: usize = 64 * 1024;

/// Longest id that is sent back, in bytes.
const MAX_ID: usize = 128;

/// How long the demonstration waits for a first line before it shows itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a clinic would believe; outside it the model is not asked.
const RANGES: [(&str, f64, f64); 6] = [
    ("age", 18.0, 110.0),
    ("length_of_stay", 0.0, 365.0),
    ("prior_visits", 0.0, 200.0),
    ("creatinine", 0.1, 20.0),
    ("hemoglobin", 3.0, 25.0),
    ("sodium", 100.0, 180.0),
];

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("score_service: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    let path = match &given {
        Some(path) => path.clone(),
        None => train()?,
    };
    let model = load(&path)?;
    let service = Service::new(&model)?;
    let lines = match io::stdin().is_terminal() {
        true if given.is_some() => return Err("pipe JSON lines of patients into it".into()),
        true => return demonstrate(&service),
        false => read_in_background(),
    };
    // Nothing in the pipe: with a model that is a job of no patients, without one a curious user.
    let first = match given {
        Some(_) => lines.recv().map_err(|_| RecvTimeoutError::Disconnected),
        None => lines.recv_timeout(PATIENCE),
    };
    match first {
        Ok(first) => serve(&service, std::iter::once(first).chain(lines)),
        Err(_) if given.is_some() => Ok(()),
        Err(_) => demonstrate(&service),
    }
}

/// A small model of simulated encounters.
fn fit() -> galen::Result<LogisticRegression> {
    let people = galen::simulate::readmissions(20_000, 1);
    let mut matrix = people.matrix.without(&["payer"])?;
    for (name, lowest, highest) in RANGES {
        let feature = matrix.schema().features()[matrix.schema().find(name)?].clone();
        let values = matrix.column(name)?.to_vec();
        matrix = matrix.with_column(feature.range(lowest, highest), Column::dense(values)?)?;
    }
    let (train, _) = Split::holdout(0.25, 1).apply(&Cohort::new(matrix, people.target))?;
    LogisticRegression::params()
        .strength(0.001)
        .preparation(Preparation::default().unseen(Unseen::Refuse))
        .fit(&train)
}

/// Fits the small model and saves it for the service to load.
fn train() -> Result<PathBuf, Failure> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    std::fs::create_dir_all(&directory)?;
    let path = directory.join("score_service.json");
    // Written aside and renamed: a service that starts now never reads half a model.
    let aside = directory.join(format!("score_service.{}.tmp", std::process::id()));
    std::fs::write(&aside, Saved::new(fit()?).to_json()?)?;
    std::fs::rename(&aside, &path)?;
    eprintln!(
        "no model given: fitted one on simulated encounters, saved as {}",
        path.display()
    );
    Ok(path)
}

/// A saved model in either form; its envelope, checksum and invariants are checked.
fn load(path: &Path) -> Result<LogisticRegression, Failure> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let saved = match std::str::from_utf8(&bytes) {
        Ok(text) if text.trim_start().starts_with('{') => Saved::from_json(text)?,
        _ => Saved::from_bytes(&bytes)?,
    };
    Ok(saved.into_model())
}

/// A model ready to answer lines.
struct Service<'m> {
    schema: &'m Schema,
    scorer: RowScorer<'m>,
}

/// One line of the answer: a risk, or why there is none.
#[derive(Debug, PartialEq, Serialize)]
struct Answer {
    id: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    risk: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refusal>,
}

/// Why a line got no risk.
#[derive(Debug, PartialEq, Serialize)]
struct Refusal {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    feature: Option<String>,
    reason: String,
}

impl<'m> Service<'m> {
    fn new(model: &'m LogisticRegression) -> galen::Result<Self> {
        Ok(Self {
            schema: &model.header().schema,
            scorer: model.scorer()?,
        })
    }

    /// The answer to one line; never fails, never panics.
    fn answer(&self, line: &Line) -> Answer {
        let bytes = match line {
            Line::Patient(bytes) => bytes,
            Line::TooLong => {
                return Answer::refused(
                    Value::Null,
                    Refusal::new(
                        "too_long",
                        None,
                        format!("expected at most {MAX_LINE} bytes"),
                    ),
                );
            }
        };
        let record: Record = match serde_json::from_slice(bytes) {
            Ok(record) => record,
            Err(error) => {
                // serde_json's own message may quote the line: only its place is passed on.
                let reason = format!(
                    "expected one JSON object with distinct names, stopped at byte {}",
                    error.column()
                );
                return Answer::refused(Value::Null, Refusal::new("malformed", None, reason));
            }
        };
        let id = record.id();
        match self.score(&record) {
            Ok(risk) => Answer {
                id,
                risk: Some(risk),
                refused: None,
            },
            Err(refusal) => Answer::refused(id, refusal),
        }
    }

    fn score(&self, record: &Record) -> Result<f64, Refusal> {
        let missing: Vec<String> = (self.schema.features().iter())
            .filter(|feature| !record.0.contains_key(feature.name()))
            .map(|feature| feature.name().to_string())
            .collect();
        if let Some(first) = missing.first() {
            let given = record.0.keys().filter(|name| !name.is_empty());
            let given = Schema::new(given.map(Feature::numeric).collect())?;
            let suggestion = given
                .nearest(first)
                .filter(|name| self.schema.position(name).is_none());
            return Err(galen::Error::from(ErrorKind::FeatureNames {
                missing,
                suggestion,
            })
            .into());
        }
        let cells = (self.schema.features().iter())
            .map(|feature| cell(feature, &record.0[feature.name()]))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(self.scorer.risk(&cells)?)
    }
}

/// The value of a feature, if it is of the right shape and in the right unit.
fn cell<'v>(feature: &Feature, value: &'v Value) -> Result<Cell<'v>, Refusal> {
    let refuse = |kind, reason: String| {
        Err(Refusal::new(
            kind,
            Some(feature.name().to_string()),
            format!("feature `{}`: {reason}", feature.name()),
        ))
    };
    let mut value = value;
    let mut unit = None;
    if let Value::Object(parts) = value {
        let known = |name: &String| name == "value" || name == "unit";
        let Some(inner) = parts.get("value").filter(|_| parts.keys().all(known)) else {
            return refuse("wrong_kind", "expected `value` and `unit`".into());
        };
        unit = parts.get("unit");
        value = inner;
    }
    if value.is_null() {
        return Ok(Cell::Missing);
    }
    if unit.and_then(Value::as_str) != feature.unit_name() || unit == Some(&Value::Null) {
        let expected = match feature.unit_name() {
            Some(unit) => format!("expected unit {unit}"),
            None => "expected no unit".into(),
        };
        let found = if unit.is_some() { "another" } else { "none" };
        return refuse("wrong_unit", format!("{expected}, found {found}"));
    }
    match (feature.kind(), value) {
        (kind, Value::String(level)) if kind.is_categorical() => Ok(Cell::Level(level)),
        (FeatureKind::Flag, Value::Bool(set)) => Ok(Cell::Number(f64::from(u8::from(*set)))),
        (kind, Value::Number(number)) if !kind.is_categorical() => {
            let number = number.as_f64().unwrap_or(f64::INFINITY);
            let fits = match kind {
                FeatureKind::Flag => number == 0.0 || number == 1.0,
                FeatureKind::Count => number >= 0.0 && number.fract() == 0.0,
                _ => true,
            };
            match fits {
                true => Ok(Cell::Number(number)),
                false => refuse("out_of_range", format!("expected a {kind}")),
            }
        }
        (kind, _) => refuse("wrong_kind", format!("expected a {kind}")),
    }
}

impl Answer {
    fn refused(id: Value, refusal: Refusal) -> Self {
        Self {
            id,
            risk: None,
            refused: Some(refusal),
        }
    }
}

impl Refusal {
    fn new(kind: &'static str, feature: Option<String>, reason: String) -> Self {
        Self {
            kind,
            feature,
            reason,
        }
    }
}

impl From<galen::Error> for Refusal {
    fn from(error: galen::Error) -> Self {
        let (kind, feature) = match error.kind() {
            ErrorKind::FeatureNames { missing, .. } => {
                ("missing_feature", missing.first().cloned())
            }
            ErrorKind::FeatureMismatch { name, .. } => ("wrong_kind", Some(name.clone())),
            ErrorKind::UnseenLevel { name, .. } => ("unseen_level", Some(name.clone())),
            ErrorKind::OutOfRange { column, .. } => ("out_of_range", column.clone()),
            ErrorKind::NonFinite { column, .. } => ("not_finite", column.clone()),
            _ => ("refused", None),
        };
        Self::new(kind, feature, error.to_string())
    }
}

/// The fields of a line; a name that stands twice is an error, because one of the two is wrong.
struct Record(BTreeMap<String, Value>);

impl Record {
    fn id(&self) -> Value {
        match self.0.get("id") {
            Some(Value::String(id)) if id.len() <= MAX_ID => Value::String(id.clone()),
            Some(Value::Number(id)) => Value::Number(id.clone()),
            _ => Value::Null,
        }
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Record;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some((name, value)) = map.next_entry()? {
                    if fields.insert(name, value).is_some() {
                        return Err(de::Error::custom("a name stands twice"));
                    }
                }
                Ok(Record(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A line of the input.
#[derive(Debug, PartialEq)]
enum Line {
    Patient(Vec<u8>),
    TooLong,
}

/// The next line that is not blank; a longer one than allowed is passed over, not kept.
fn next_line(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    loop {
        let mut line = Vec::new();
        let limit = MAX_LINE as u64 + 1;
        if io::Read::take(&mut *input, limit).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if line.len() > MAX_LINE && !line.ends_with(b"\n") {
            skip_line(input)?;
            return Ok(Some(Line::TooLong));
        }
        if !line.trim_ascii().is_empty() {
            return Ok(Some(Line::Patient(line)));
        }
    }
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let length = buffer.len();
        match buffer.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                input.consume(end + 1);
                return Ok(());
            }
            None if length == 0 => return Ok(()),
            None => input.consume(length),
        }
    }
}

/// Lines of standard input, read by a thread so that an idle pipe can be told from work.
fn read_in_background() -> Receiver<io::Result<Line>> {
    let (sender, lines) = sync_channel(64);
    thread::spawn(move || {
        let mut input = io::stdin().lock();
        while let Some(line) = next_line(&mut input).transpose() {
            let broken = line.is_err();
            if sender.send(line).is_err() || broken {
                return;
            }
        }
    });
    lines
}

/// Answers every line as it comes.
fn serve(
    service: &Service<'_>,
    lines: impl Iterator<Item = io::Result<Line>>,
) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let (mut scored, mut refused) = (0_u64, 0_u64);
    for line in lines {
        let answer = service.answer(&line?);
        match answer.risk {
            Some(_) => scored += 1,
            None => refused += 1,
        }
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        match out.write_all(&text).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            other => other?,
        }
    }
    eprintln!("{scored} scored, {refused} refused");
    Ok(())
}

/// A patient of the simulated model.
const PATIENT: &str = r#"{"id": "p1", "age": {"value": 71, "unit": "a"}, "sex": "female",
 "ward": "medicine", "emergency": true, "length_of_stay": {"value": 6, "unit": "d"},
 "prior_visits": 2, "creatinine": {"value": 1.2, "unit": "mg/dL"},
 "hemoglobin": {"value": 11.9, "unit": "g/dL"}, "sodium": null, "atrial_fibrillation": false,
 "cancer": false, "copd": true, "dementia": false, "diabetes": true, "heart_failure": true,
 "hypertension": true, "renal_disease": false}"#;

/// The patient with one thing wrong at a time, and the kind of refusal it meets.
const MISTAKES: [(&str, &str, &str); 7] = [
    (r#""prior_visits""#, r#""prior_vists""#, "missing_feature"),
    (
        r#"1.2, "unit": "mg/dL""#,
        r#"106, "unit": "umol/L""#,
        "wrong_unit",
    ),
    (r#"{"value": 71, "unit": "a"}"#, "71", "wrong_unit"),
    ("medicine", "dermatology", "unseen_level"),
    (r#""value": 71"#, r#""value": 710"#, "out_of_range"),
    (r#""copd": true"#, r#""copd": "yes""#, "wrong_kind"),
    (
        r#""sodium": null, "#,
        r#""sodium": null, "age": 1, "#,
        "malformed",
    ),
];

fn demonstrate(service: &Service<'_>) -> Result<(), Failure> {
    eprintln!(
        "usage: score_service [model.json] < patients.jsonl; without input, a demonstration\n"
    );
    let right = PATIENT.replace('\n', "");
    let wrong = MISTAKES.map(|(from, to, _)| right.replace(from, to));
    let lines = std::iter::once(right)
        .chain(wrong)
        .chain(["not JSON".to_string()])
        .map(|text| Line::Patient(text.into_bytes()))
        .chain([Line::TooLong]);
    serve(service, lines.map(Ok))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The model that the demonstration makes, saved and loaded.
    fn model() -> LogisticRegression {
        let text = Saved::new(fit().unwrap()).to_json().unwrap();
        Saved::from_json(&text).unwrap().into_model()
    }

    fn line(text: &str) -> Line {
        Line::Patient(text.as_bytes().to_vec())
    }

    fn kind(answer: &Answer) -> &'static str {
        answer
            .refused
            .as_ref()
            .map_or("scored", |refusal| refusal.kind)
    }

    #[test]
    fn a_whole_patient_gets_the_risk_that_the_matrix_gives() {
        let model = model();
        let people = galen::simulate::readmissions(200, 5).matrix;
        let expected = model.predict_risk(&people).unwrap();
        let service = Service::new(&model).unwrap();
        for (row, expected) in expected.iter().enumerate() {
            let mut record = serde_json::Map::new();
            record.insert("id".into(), row.into());
            for feature in people.schema().features() {
                let column = people.column(feature.name()).unwrap();
                let value = match column.level(row) {
                    Some(level) => Value::from(level),
                    None => serde_json::to_value(column.value(row)).unwrap(),
                };
                let value = match feature.unit_name() {
                    Some(unit) => serde_json::json!({"value": value, "unit": unit}),
                    None => value,
                };
                record.insert(feature.name().to_string(), value);
            }
            let answer = service.answer(&line(&Value::Object(record).to_string()));
            assert_eq!(answer.id, Value::from(row));
            assert_eq!(answer.risk, Some(*expected), "{answer:?}");
        }
    }

    #[test]
    fn every_mistake_is_refused_by_kind_without_its_value() {
        let model = model();
        let service = Service::new(&model).unwrap();
        let right = PATIENT.replace('\n', "");
        assert_eq!(kind(&service.answer(&line(&right))), "scored");
        for (from, to, expected) in MISTAKES {
            let wrong = right.replace(from, to);
            assert_ne!(wrong, right, "{from}");
            let answer = service.answer(&line(&wrong));
            assert_eq!(kind(&answer), expected, "{to}: {answer:?}");
            let text = serde_json::to_string(&answer).unwrap();
            for value in ["106", "710", "dermatology", "umol", "yes"] {
                assert!(!text.contains(value), "{text}");
            }
        }
        let misspelt = service.answer(&line(&right.replace("prior_visits", "prior_vists")));
        let refusal = misspelt.refused.unwrap();
        assert_eq!(refusal.feature.as_deref(), Some("prior_visits"));
        assert!(
            refusal.reason.contains("did you mean `prior_vists`"),
            "{refusal:?}"
        );
        assert_eq!(misspelt.id, Value::from("p1"));
    }

    #[test]
    fn no_line_ends_the_service() {
        let model = model();
        let service = Service::new(&model).unwrap();
        let right = PATIENT.replace('\n', "");
        let deep = "[".repeat(20_000);
        for text in [
            "null",
            "[]",
            "7",
            "\"p1\"",
            "{",
            "{}",
            "{\"id\": []}",
            "{\"\": 1}",
            deep.as_str(),
            "{\"id\": \"p1\"} {\"id\": \"p2\"}",
            "\u{feff}{}",
        ] {
            assert!(service.answer(&line(text)).risk.is_none(), "{text:.40}");
        }
        assert!(
            service
                .answer(&Line::Patient(vec![0xff, 0xfe, 0]))
                .risk
                .is_none()
        );
        assert_eq!(kind(&service.answer(&Line::TooLong)), "too_long");
        for (from, to) in [
            ("71", "1e999"),
            ("71", "-1e308"),
            (r#""value": 71"#, r#""value": "71""#),
            (r#""unit": "a""#, r#""unit": null"#),
            (r#""unit": "a""#, r#""unit": 1"#),
            (r#""unit": "a""#, r#""unit": "a", "more": 1"#),
            ("\"female\"", "1"),
            ("\"prior_visits\": 2", "\"prior_visits\": 2.5"),
            ("\"prior_visits\": 2", "\"prior_visits\": -1"),
            ("\"emergency\": true", "\"emergency\": 2"),
            ("\"emergency\": true", "\"emergency\": {}"),
        ] {
            let wrong = right.replace(from, to);
            assert_ne!(wrong, right);
            assert!(service.answer(&line(&wrong)).risk.is_none(), "{to}");
        }
        for end in 0..right.len() {
            assert_eq!(kind(&service.answer(&line(&right[..end]))), "malformed");
        }
    }

    #[test]
    fn long_lines_are_passed_over_and_the_next_one_is_read() {
        let mut text = vec![b'x'; 3 * MAX_LINE];
        text.extend_from_slice(b"\n\r\n  \n{}\r\n{\"id\": 1}");
        let mut input = io::BufReader::with_capacity(100, text.as_slice());
        assert_eq!(next_line(&mut input).unwrap(), Some(Line::TooLong));
        assert_eq!(next_line(&mut input).unwrap(), Some(line("{}\r\n")));
        assert_eq!(next_line(&mut input).unwrap(), Some(line("{\"id\": 1}")));
        assert_eq!(next_line(&mut input).unwrap(), None);
        let longest = vec![b' '; MAX_LINE - 1];
        let text = [longest.as_slice(), b"1\n2"].concat();
        let mut input = text.as_slice();
        assert!(matches!(next_line(&mut input), Ok(Some(Line::Patient(_)))));
        assert_eq!(next_line(&mut input).unwrap(), Some(line("2")));
    }
}
