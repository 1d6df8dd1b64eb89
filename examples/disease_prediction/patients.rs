//! From four hospitals' files to what the models read.

use std::fs::File;

use galen::ingest::TableReader;
use galen::matrix::{Column, Sensitive};
use galen::prelude::*;

pub(crate) type Outcome<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const DATA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/examples/data/heart_disease.csv"
);

const CHEST_PAIN: [(f64, &str); 4] = [
    (1.0, "typical angina"),
    (2.0, "atypical angina"),
    (3.0, "other pain"),
    (4.0, "no pain"),
];
const ECG: [(f64, &str); 3] = [
    (0.0, "normal"),
    (1.0, "ST-T abnormal"),
    (2.0, "hypertrophy"),
];
const SLOPE: [(f64, &str); 3] = [(1.0, "up"), (2.0, "flat"), (3.0, "down")];
const THALLIUM: [(f64, &str); 3] = [
    (3.0, "normal"),
    (6.0, "fixed defect"),
    (7.0, "reversible defect"),
];

/// 920 patients before coronary angiography; the event is a vessel narrowed by more than half.
pub(crate) fn read() -> Outcome<Cohort<Binary>> {
    let mut reader = TableReader::new()
        .missing_tokens(["?"])
        .site("hospital")
        .outcome("num");
    // Codes are written `1.0` by one hospital and `1` by another: as text they would be two levels.
    for column in [
        "age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak",
        "slope", "ca", "thal", "num",
    ] {
        reader = reader.declare(Feature::numeric(column));
    }
    let table = reader.read(File::open(DATA)?)?;
    let narrowed = table.outcome("num")?.to_vec();
    let target = Binary::from_flags("heart disease", narrowed.iter().map(|num| *num > 0.0));
    let raw = table.into_matrix();
    let sites = raw.keys().site_keys().ok_or("no hospitals")?;
    let keys = RowKeys::none()
        .patients(0..raw.n_rows())
        .sites((0..raw.n_rows()).map(|row| sites.label(row).to_string()));

    // Nobody lives with a cholesterol or a blood pressure of zero: it was not measured.
    let measured = |name: &str| -> Outcome<Column> {
        let zero_is_missing = |value: f64| if value == 0.0 { f64::NAN } else { value };
        let values = raw.column(name)?.to_vec().into_iter().map(zero_is_missing);
        Ok(Column::dense(values.collect::<Vec<f64>>())?)
    };
    let number = |name: &str| -> Outcome<Column> { Ok(Column::dense(raw.column(name)?.to_vec())?) };
    let named = |name: &str, names: &[(f64, &'static str)]| -> Outcome<Column> {
        let values = raw.column(name)?.to_vec();
        let level = |value: f64| names.iter().find(|(code, _)| *code == value);
        let known = values
            .iter()
            .all(|value| value.is_nan() || level(*value).is_some());
        assert!(
            known,
            "a code of {name} that the documentation does not know"
        );
        let levels = values
            .iter()
            .map(|value| level(*value).map(|(_, name)| *name));
        Ok(Column::categorical(levels))
    };
    let columns = vec![
        (
            Feature::numeric("age").unit("a").sensitive(Sensitive::Age),
            number("age")?,
        ),
        (
            Feature::flag("male").sensitive(Sensitive::Sex),
            number("sex")?,
        ),
        (Feature::category("chest pain"), named("cp", &CHEST_PAIN)?),
        (
            Feature::numeric("blood pressure").unit("mm[Hg]"),
            measured("trestbps")?,
        ),
        (
            Feature::numeric("cholesterol").unit("mg/dL"),
            measured("chol")?,
        ),
        (Feature::flag("fasting sugar above 120"), number("fbs")?),
        (Feature::category("resting ECG"), named("restecg", &ECG)?),
        (
            Feature::numeric("highest heart rate").unit("/min"),
            number("thalach")?,
        ),
        (Feature::flag("angina on exercise"), number("exang")?),
        (
            Feature::numeric("ST depression").unit("mm"),
            number("oldpeak")?,
        ),
        (Feature::category("ST slope"), named("slope", &SLOPE)?),
        (Feature::numeric("vessels in fluoroscopy"), number("ca")?),
        (
            Feature::category("thallium scan"),
            named("thal", &THALLIUM)?,
        ),
    ];
    let matrix = PatientMatrix::new(columns)?.with_keys(keys)?;
    Ok(Cohort::new(matrix, target))
}

/// The same patients, of whom only is told which values were recorded.
pub(crate) fn recorded(cohort: &Cohort<Binary>) -> Outcome<Cohort<Binary>> {
    let matrix = &cohort.records;
    let columns = matrix.schema().features().iter().enumerate();
    let columns = columns.map(|(place, feature)| {
        let view = matrix.view(place);
        let flags = (0..matrix.n_rows()).map(|row| f64::from(u8::from(!view.is_missing(row))));
        let column = Column::dense(flags.collect::<Vec<f64>>())?;
        Ok((
            Feature::flag(format!("{} recorded", feature.name())),
            column,
        ))
    });
    let flags = PatientMatrix::new(columns.collect::<galen::Result<_>>()?)?;
    let flags = flags.with_keys(matrix.keys().clone())?;
    Ok(Cohort::new(flags, cohort.targets.clone()))
}

/// Share of the patients of every hospital for whom a feature is missing.
pub(crate) fn missing(cohort: &Cohort<Binary>, feature: &str, hospital: &str) -> Outcome<f64> {
    let sites = cohort.records.keys().site_keys().ok_or("no hospitals")?;
    let view = cohort.records.column(feature)?;
    let rows: Vec<usize> = (0..view.len())
        .filter(|row| sites.label(*row) == hospital)
        .collect();
    let n = rows.iter().filter(|row| view.is_missing(**row)).count();
    Ok(n as f64 / rows.len() as f64)
}
