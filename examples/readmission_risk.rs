//! Who will be back within 30 days? From a hospital's CSV to an audited readmission model.
use std::fs::File;
use std::time::Instant;

use galen::design::Preparation;
use galen::evaluation::{auroc_delong, brier, calibration, evaluate_sealed};
use galen::ingest::TableReader;
use galen::ingest::codes::{CodeSystem, Level, strack_group};
use galen::matrix::{Column, FeatureKind};
use galen::prelude::*;

const DATA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/examples/data/diabetic_data.csv.gz"
);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let table = TableReader::new()
        .missing_tokens(["?"])
        .patient("patient_nbr")
        .ignore("encounter_id")
        .outcome("readmitted")
        .declare(Feature::category("admission_type_id"))
        .declare(Feature::category("discharge_disposition_id"))
        .declare(Feature::category("admission_source_id"))
        .declare(Feature::category("diag_1"))
        .declare(Feature::category("diag_2"))
        .declare(Feature::category("diag_3"))
        .read(File::open(DATA)?)?;
    eprintln!("read {:?}", start.elapsed());
    let target = Binary::event("<30").of_column(table.outcome("readmitted")?)?;
    let matrix = table.into_matrix();
    let died = ["11", "13", "14", "19", "20", "21"];
    let keep: Vec<usize> = {
        let d = matrix.column("discharge_disposition_id")?;
        (0..matrix.n_rows())
            .filter(|row| !d.level(*row).is_some_and(|l| died.contains(&l)))
            .collect()
    };
    let matrix = matrix.select_rows(&keep)?;
    let target = target.select_rows(&keep)?;
    eprintln!(
        "{} rows {} events {:?}",
        matrix.n_rows(),
        target.n_events(),
        start.elapsed()
    );
    let mut m = matrix.without(&["weight", "examide", "citoglipton"])?;
    for name in [
        "time_in_hospital",
        "num_lab_procedures",
        "num_procedures",
        "num_medications",
        "number_outpatient",
        "number_emergency",
        "number_inpatient",
        "number_diagnoses",
    ] {
        m = m.derive(Feature::numeric(format!("log {name}")), &[name], |v| {
            (1.0 + v[0]).ln()
        })?;
    }
    let n = m.n_rows();
    let icd = CodeSystem::Icd9Cm;
    let mut flags: std::collections::BTreeMap<String, Vec<(usize, f64)>> = Default::default();
    for d in ["diag_1", "diag_2", "diag_3"] {
        let col = m.column(d)?;
        let mut cats = Vec::new();
        let mut groups = Vec::new();
        for row in 0..n {
            match col.level(row) {
                Some(code) => {
                    cats.push(icd.roll_up(code, Level::Category)?.map(|c| c.to_string()));
                    groups.push(Some(strack_group(code)?.to_string()));
                    if let Some(block) = icd.roll_up(code, Level::Category)? {
                        let e = flags.entry(block.to_string()).or_default();
                        if e.last().is_none_or(|(r, _)| *r != row) {
                            e.push((row, 1.0));
                        }
                    }
                }
                None => {
                    cats.push(None);
                    groups.push(None);
                }
            }
        }
        m = m.with_column(
            Feature::category(d),
            Column::categorical(if d == "diag_1" { cats } else { groups.clone() }),
        )?;
        m = m.with_column(
            Feature::category(format!("{d} group")),
            Column::categorical(groups),
        )?;
    }
    for (block, mut entries) in flags {
        entries.sort_by_key(|(r, _)| *r);
        entries.dedup_by_key(|(r, _)| *r);
        if entries.len() >= 100 {
            m = m.with_column(
                Feature::new(format!("any {block}"), FeatureKind::Flag),
                Column::sparse(n, entries)?,
            )?;
        }
    }
    eprintln!("{} features {:?}", m.n_columns(), start.elapsed());
    let cohort = Cohort::new(m, target);
    let (train, test) =
        Split::by_rule(|p| p.parse::<u64>().is_ok_and(|p| p % 5 == 0)).apply(&cohort)?;
    eprintln!("{:?} {:?}", train.report(), start.elapsed());
    let l1: f64 = std::env::var("L1").map_or(0.5, |v| v.parse().unwrap());
    let params = LogisticRegression::path()
        .l1_ratio(l1)
        .n_strengths(50)
        .preparation(Preparation::default().min_level_rows(50));
    let path = params.fit(&train)?;
    eprintln!("path {:?}", start.elapsed());
    for model in path.models().iter().step_by(5) {
        let scored = evaluate_sealed(&test, model)?;
        let (y, p) = (
            scored.truth.as_slice().unwrap(),
            scored.risk.as_slice().unwrap(),
        );
        let c = calibration(y, p, None, 0.95);
        let Ok(c) = c else { continue };
        eprintln!(
            "{:.6} {} it {} auroc {:.5} brier {:.6} slope {:.3}",
            model.strength(),
            model.n_active(),
            model.iterations(),
            auroc_delong(y, p, 0.95)?.auroc,
            brier(y, p, None)?,
            c.slope.value
        );
    }
    let choice = params.choose(&train, &KFold::new(5).seed(1))?;
    eprintln!("cv {:?}", start.elapsed());
    for model in [choice.best()?, choice.one_standard_error()?] {
        let scored = evaluate_sealed(&test, model)?;
        let (y, p) = (
            scored.truth.as_slice().unwrap(),
            scored.risk.as_slice().unwrap(),
        );
        let c = calibration(y, p, None, 0.95);
        let Ok(c) = c else { continue };
        println!(
            "{:.6} {} auroc {:.5} brier {:.6} slope {:.3}",
            model.strength(),
            model.n_active(),
            auroc_delong(y, p, 0.95)?.auroc,
            brier(y, p, None)?,
            c.slope.value
        );
    }
    Ok(())
}
