//! Who will be back within 30 days?
//!
//! From a hospital's CSV to an audited readmission model: 101,766 encounters of diabetic patients
//! in 130 US hospitals (Strack et al. 2014, doi 10.1155/2014/781670; data: Clore et al. 2014, doi
//! 10.24432/C5230J, CC BY 4.0). Run with `cargo run --release --example readmission_risk`.

mod compare;
mod features;

use std::time::Instant;

use galen::estimator::Saved;
use galen::evaluation::{
    Estimate, ThresholdReport, evaluate_sealed, groups_of, score_with, threshold_for_fraction,
    threshold_report,
};
use galen::prelude::*;
use galen::report::{Document, ReportOptions, TableOne, TableOneOptions, risk_report};

use compare::{boosting, compare};
use features::{Outcome, audited, by_patient, features, lace_like, preparation, read};

const REPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/readmission_risk.html");

fn main() -> Outcome<()> {
    let start = Instant::now();
    let (cohort, outcome) = read()?;
    println!("{cohort}");
    let flow: Vec<(String, usize, Option<usize>)> = flow_lines(cohort.flow());
    let encounters = cohort.into_matrix();
    let features = features(&encounters)?;
    let lace = lace_like(&encounters)?;

    let (train, test) = by_patient().apply(&Cohort::new(features, outcome.clone()))?;
    println!("{}\n", train.report());

    let choice = LogisticRegression::path()
        .l1_ratio(0.5)
        .n_strengths(30)
        .min_ratio(0.02)
        .preparation(preparation())
        .choose(&train, &KFold::new(5).seed(1))?;
    let model = choice.best()?;
    println!(
        "elastic net chosen by 5 folds of patients: {} of {} terms, strength {:.5}\n",
        model.n_active(),
        model.coefficients().len(),
        model.strength()
    );

    // Saved, loaded, and equal to the bit.
    let bytes = Saved::new(model.clone()).to_bytes()?;
    let loaded = Saved::<LogisticRegression>::from_bytes(&bytes)?.into_model();
    assert_eq!(&loaded, model, "a loaded model is the saved one");
    assert_eq!(
        loaded.predict_risk(test.rows())?,
        model.predict_risk(test.rows())?
    );
    println!(
        "saved model: {} bytes, loaded and equal to the bit",
        bytes.len()
    );

    // The sealed test rows, against simple comparators on the same rows.
    let scored = evaluate_sealed(&test, &loaded)?;
    let simple = encounters
        .select(&["number_inpatient"])?
        .with_column(Feature::numeric("lace"), lace)?;
    let (_, simple) = by_patient().apply(&Cohort::new(simple, outcome))?;
    let mut options = ReportOptions::default()
        .title("Readmission within 30 days of discharge")
        .comparator(score_with(
            &simple,
            "Prior inpatient visits alone",
            "number_inpatient",
        )?)
        .comparator(score_with(&simple, "LACE-like score", "lace")?);
    for group in ["race", "gender", "age"] {
        options = options.subgroup(group, groups_of(&test, group)?);
    }
    let card = risk_report(&loaded, &scored, &options)?
        .intended_use("Ranking discharged diabetic inpatients for follow-up by a care team.")
        .not_for("Deciding on care without a clinician; other diseases; other countries.")
        .source("Diabetes 130-US hospitals 1999-2008, UCI 296, doi 10.24432/C5230J, CC BY 4.0.")
        .outcome("Readmission to any of the hospitals within 30 days (level `<30`).")
        .flow(flow)
        .missing_policy("Missing numbers: training mean and a marker; missing levels: a level.")
        .table_one(TableOne::by_outcome(
            &audited(&train)?,
            &TableOneOptions::default(),
        )?)
        .limit("One disease; admissions of 1999 to 2008; practice has changed since.")
        .limit("No hospital key: transport between hospitals could not be tested.")
        .limit("Readmissions to hospitals outside the network, and deaths at home, are unseen.");
    println!("{}", card.to_text());
    let comparison = compare(&test, &scored, &boosting(&train)?)?;
    println!("{}\n", comparison.line);

    let (truth, risk) = (scored.truth.to_vec(), scored.risk.to_vec());
    let top = threshold_for_fraction(&risk, None, 0.1)?;
    let alerts = threshold_report(&truth, &risk, top.threshold, None, 0.95)?;
    print_alerts(&alerts);

    std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/target"))?;
    let page = comparison
        .blocks
        .into_iter()
        .fold(card.document(), Document::with);
    std::fs::write(REPORT, page.to_html())?;
    println!("report: {REPORT}");
    println!("finished in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// The tenth at highest risk, as a care team sees it.
fn print_alerts(alerts: &ThresholdReport) {
    let percent = |rate: &Option<Estimate>| match rate {
        Some(rate) => format!(
            "{:.1} % ({:.1} to {:.1})",
            100.0 * rate.value,
            100.0 * rate.lower,
            100.0 * rate.upper
        ),
        None => "undefined".into(),
    };
    println!("The tenth of discharges at highest risk, as a care team sees it:");
    println!("  come back within 30 days   {}", percent(&alerts.ppv));
    println!(
        "  of all who come back       {}",
        percent(&alerts.sensitivity)
    );
    if let Some(patients) = alerts.number_needed_to_evaluate {
        println!("  to look at for one return  {patients:.1}");
    }
    println!();
}

/// Rows and patients left after each step.
fn flow_lines(flow: &galen::ingest::Flow) -> Vec<(String, usize, Option<usize>)> {
    let start = (
        "encounters read".to_string(),
        flow.start.rows,
        flow.start.patients,
    );
    let steps = flow.steps.iter().map(|step| {
        let label = format!("without those who {}", step.reason);
        (label, step.left.rows, step.left.patients)
    });
    std::iter::once(start).chain(steps).collect()
}
