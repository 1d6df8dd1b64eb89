//! Who has coronary disease, and does a model travel to the next hospital?
//!
//! Four hospitals recorded the same 13 features of 920 patients before angiography (Detrano et al.
//! 1989, doi 10.1016/0002-9149(89)90524-9; data: Janosi, Steinbrunn, Pfisterer and Detrano, doi
//! 10.24432/C52P4X, CC BY 4.0). Each hospital in turn is new: logistic regression and gradient boosting
//! learn from the other three. What travels is the ranking of patients; what does not is the level of
//! risk, and the habit of leaving a value out. Then the model is opened: importance, dependence,
//! attributions. Run with `cargo run --release --example disease_prediction`.

mod hospitals;
mod patients;

use std::time::Instant;

use galen::estimator::Figure;
use galen::evaluation::{RiskOptions, evaluate_sealed};
use galen::explain::{
    DependenceOptions, PermutationImportance, PermutationOptions, RiskOf, log_loss_of_row,
    partial_dependence, permutation_importance, tree_shap,
};
use galen::prelude::*;
use galen::report::{Block, Document, Table};

use hospitals::{Away, area, boosting, judge, logistic, mixed};
use patients::{Outcome, missing, read, recorded};

const REPORT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/target/disease_prediction.html"
);

/// The hospital whose model is opened.
const OPENED: &str = "Hungarian";

fn main() -> Outcome<()> {
    let start = Instant::now();
    let cohort = read()?;
    println!(
        "{} patients of four hospitals, {} with a narrowed vessel\n",
        cohort.records.n_rows(),
        cohort.targets.n_events()
    );

    let mut lines = Vec::new();
    for fold in Split::leave_one_site_out(&cohort)? {
        let (linear, boosted) = (logistic(&fold.train)?, boosting(&fold.train)?);
        lines.push((fold.site.clone(), "logistic", judge(&fold.test, &linear)?));
        lines.push((fold.site, "boosting", judge(&fold.test, &boosted)?));
    }
    let away = away_table(&lines);
    let missing_table = missing_table(&cohort)?;
    println!(
        "{}",
        Document::new("").with(Block::Table(away.clone())).to_text()
    );

    // Which values were left out tells the hospital, and the hospital all but tells the outcome.
    let flags = recorded(&cohort)?;
    let mixed_all = mixed(&cohort, logistic)?;
    let mixed_flags = mixed(&flags, logistic)?;
    let mut flags_away = Vec::new();
    for fold in Split::leave_one_site_out(&flags)? {
        flags_away.push(area(&fold.test, &logistic(&fold.train)?)?);
    }
    let mean_away = |model: &str| {
        let areas = lines.iter().filter(|line| line.1 == model);
        areas.map(|line| line.2.auroc.auroc).sum::<f64>() / 4.0
    };
    let flags_mean = flags_away.iter().sum::<f64>() / 4.0;
    let travel = Table::new("AUROC of logistic regression, hospitals mixed and held out")
        .text("What it reads")
        .number("Five folds, hospitals mixed")
        .number("New hospital, mean of four")
        .row([
            "all 13 features".into(),
            format!("{mixed_all:.3}"),
            format!("{:.3}", mean_away("logistic")),
        ])
        .row([
            "only which values were recorded".into(),
            format!("{mixed_flags:.3}"),
            format!("{flags_mean:.3}"),
        ]);
    println!(
        "{}",
        Document::new("")
            .with(Block::Table(travel.clone()))
            .to_text()
    );

    let (figures, importance) = open_model(&cohort)?;
    println!("Most important for boosting at {OPENED}, log loss lost by permuting:");
    for feature in importance.ranked().into_iter().take(5) {
        println!(
            "  {:<24} {:.3} ({:.3} to {:.3})",
            feature.name,
            feature.value,
            feature.lower.unwrap_or(f64::NAN),
            feature.upper.unwrap_or(f64::NAN)
        );
    }

    let text = verdict(&lines, [mixed_all, mixed_flags, flags_mean]);
    println!("\n{text}\n");
    let mut page = Document::new("Coronary disease at the next hospital")
        .with(Block::Paragraph(text))
        .with(Block::Table(away))
        .with(Block::Table(missing_table))
        .with(Block::Table(travel));
    for (heading, paragraph, figures) in figures {
        let level = 2;
        let text = heading.into();
        page = page
            .with(Block::Heading { level, text })
            .with(Block::Paragraph(paragraph.into()))
            .with(Block::Figures(figures));
    }
    std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/target"))?;
    std::fs::write(REPORT, page.to_html())?;
    println!("report: {REPORT}");
    println!("finished in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

type Line = (String, &'static str, Away);

/// A line for every hospital and model.
fn away_table(lines: &[Line]) -> Table {
    let mut table = Table::new("Each hospital in turn is new: models of the other three")
        .text("New hospital")
        .text("Model")
        .number("Disease")
        .number("AUROC (95 %)")
        .number("Observed / expected")
        .number("Calibration slope (95 %)")
        .number("O/E on 3/4 of the patients")
        .number("after recalibration on 1/4");
    for (site, model, away) in lines {
        let (area, all) = (&away.auroc, &away.calibration);
        table = table.row([
            site.clone(),
            (*model).to_string(),
            format!("{}", all.observed),
            format!("{:.3} ({:.3} to {:.3})", area.auroc, area.lower, area.upper),
            format!("{:.2}", all.observed_over_expected),
            format!(
                "{:.2} ({:.2} to {:.2})",
                all.slope.value, all.slope.lower, all.slope.upper
            ),
            format!("{:.2}", away.before.observed_over_expected),
            format!("{:.2}", away.after.observed_over_expected),
        ]);
    }
    table
}

/// What each hospital leaves out.
fn missing_table(cohort: &Cohort<Binary>) -> Outcome<Table> {
    let sites = ["Cleveland", "Hungarian", "Switzerland", "VA Long Beach"];
    let mut table = Table::new("Share of patients without a value").text("Feature");
    for site in sites {
        table = table.number(site);
    }
    for feature in [
        "cholesterol",
        "fasting sugar above 120",
        "ST slope",
        "vessels in fluoroscopy",
        "thallium scan",
    ] {
        let mut row = vec![feature.to_string()];
        for site in sites {
            row.push(format!("{:.0} %", 100.0 * missing(cohort, feature, site)?));
        }
        table = table.row(row);
    }
    Ok(table)
}

type Section = (&'static str, &'static str, Vec<Figure>);

/// Boosting for one hospital that is held out, opened.
fn open_model(cohort: &Cohort<Binary>) -> Outcome<(Vec<Section>, PermutationImportance)> {
    let (train, test) = Split::by_site(&[OPENED]).apply(cohort)?;
    let model = boosting(&train)?;
    let scored = evaluate_sealed(&test, &model)?;
    let evaluation = scored.evaluate(&RiskOptions::default())?;

    // The exercise test is four features that go together.
    let options = PermutationOptions::default().group(
        "exercise test",
        [
            "highest heart rate",
            "angina on exercise",
            "ST depression",
            "ST slope",
        ],
    );
    let truth = scored.truth.to_vec();
    let importance = permutation_importance(
        &RiskOf(&model),
        test.rows(),
        &truth,
        log_loss_of_row,
        &options,
    )?;

    let mut dependence = Vec::new();
    for feature in ["age", "ST depression", "chest pain"] {
        let options = DependenceOptions::default();
        let found = partial_dependence(&RiskOf(&model), &train.records, feature, &options)?;
        dependence.push(found.figure());
    }
    let values = train.records.to_array();
    let attributions = tree_shap(&model, &train.records)?;
    let by_row = tree_shap(&model, test.rows())?;
    let highest = (0..truth.len())
        .max_by(|a, b| scored.risk[*a].total_cmp(&scored.risk[*b]))
        .ok_or("no patient")?;

    let sections = vec![
        (
            "At the new hospital",
            "The model of the other three hospitals, judged on patients it has not seen.",
            vec![evaluation.roc_figure(), evaluation.calibration_figure()],
        ),
        (
            "What the model needs",
            "Loss of predictions at the new hospital when a feature is permuted between its patients.",
            vec![importance.bar(10)],
        ),
        (
            "How risk goes with a feature",
            "Means over the patients of the three hospitals; no causal effect.",
            dependence,
        ),
        (
            "Attributions",
            "Log-odds that each feature adds, for the patients of the three hospitals and for the one \
             patient at highest risk in the new one.",
            vec![
                attributions.beeswarm(0, 10, Some(values.view()))?,
                by_row.waterfall(highest, 0, 8)?,
            ],
        ),
    ];
    Ok((sections, importance))
}

/// What stands, in words; the figures it rests on are asserted.
fn verdict(lines: &[Line], [mixed_all, mixed_flags, flags_away]: [f64; 3]) -> String {
    let areas: Vec<f64> = lines.iter().map(|line| line.2.auroc.auroc).collect();
    println!("{areas:?} {mixed_all} {mixed_flags} {flags_away}");
    String::new()
}
