//! Logistic regression and gradient boosting on the same sealed rows.

use galen::estimator::Test;
use galen::evaluation::{
    RiskEvaluation, RiskOptions, ScoredTest, SubgroupOptions, auroc_paired, evaluate_sealed,
    groups_of,
};
use galen::prelude::*;
use galen::report::{Block, Table};

use crate::features::Outcome;

/// Small steps of small trees on few columns each: risks of a rare event stay calibrated.
pub(crate) fn boosting(train: &Cohort<Binary>) -> galen::Result<GradientBoosting> {
    GradientBoosting::params()
        .n_trees(200)
        .learning_rate(0.05)
        .max_leaves(16)
        .min_leaf_rows(100)
        .feature_share(0.3)
        .fit(train)
}

/// Tables of both models: ranking, calibration, groups.
pub(crate) struct Comparison {
    pub(crate) blocks: Vec<Block>,
    /// One line for the terminal.
    pub(crate) line: String,
}

pub(crate) fn compare(
    test: &Test<Binary>,
    linear: &ScoredTest,
    boosted: &GradientBoosting,
) -> Outcome<Comparison> {
    let boosted = evaluate_sealed(test, boosted)?;
    let of = |scored: &ScoredTest| scored.evaluate(&RiskOptions::default());
    let both = [
        ("Logistic regression", of(linear)?),
        ("Gradient boosting", of(&boosted)?),
    ];
    let (truth, a, b) = (
        linear.truth.to_vec(),
        boosted.risk.to_vec(),
        linear.risk.to_vec(),
    );
    let paired = auroc_paired(&truth, &a, &b, None, 0.95)?;
    let slope = |found: &RiskEvaluation| found.calibration.as_ref().map(|c| c.slope.value);
    let [linear_slope, boosted_slope] = [slope(&both[0].1), slope(&both[1].1)];
    let (linear_slope, boosted_slope) = linear_slope.zip(boosted_slope).ok_or("no slope")?;
    let line = format!(
        "boosting against logistic regression: AUROC {:.4} and {:.4}, difference {:.4} ({:.4} to {:.4}); \
         calibration slope {boosted_slope:.3} and {linear_slope:.3}",
        paired.auroc_a, paired.auroc_b, paired.difference, paired.lower, paired.upper,
    );
    // The figures that the README tells.
    assert!((paired.auroc_a - 0.676).abs() < 0.004, "{line}");
    assert!(paired.lower > 0.0, "{line}");
    assert!((0.9..1.1).contains(&boosted_slope), "{line}");

    let mut whole = Table::new("Both models on the sealed patients")
        .text("Model")
        .number("AUROC (95 %)")
        .number("AUPRC")
        .number("Brier score")
        .number("Observed / expected")
        .number("Calibration slope")
        .number("ICI");
    for (name, found) in &both {
        whole = whole.row(row_of(name, found));
    }
    let p = match paired.p {
        p if p < 0.0001 => "p < 0.0001".to_string(),
        p => format!("p = {p:.4}"),
    };
    let whole = whole.note(format!(
        "Difference of the AUROCs {:.4} ({:.4} to {:.4}), {p}, DeLong's test of correlated areas; rows \
         taken as independent.",
        paired.difference, paired.lower, paired.upper
    ));
    let mut groups = Table::new("AUROC and observed over expected by group")
        .text("Group")
        .number("Logistic: AUROC")
        .number("O/E")
        .number("Boosting: AUROC")
        .number("O/E");
    for column in ["race", "gender"] {
        let group: Vec<String> = groups_of(test, column)?
            .into_iter()
            .map(|group| group.unwrap_or_else(|| "missing".into()))
            .collect();
        let found =
            [linear, &boosted].map(|scored| scored.subgroups(&group, SubgroupOptions::default()));
        let [linear, boosted] = found;
        for (a, b) in linear?.iter().zip(&boosted?) {
            let mut cells = vec![format!("{column}: {}", a.group)];
            for found in [a, b] {
                let area = found.auroc.as_ref().map(|area| area.auroc);
                let ratio = found.observed_over_expected.map(|ratio| ratio.value);
                let shown = |value: Option<f64>, digits| {
                    value.map_or("hidden".into(), |value| format!("{value:.digits$}"))
                };
                cells.extend([shown(area, 3), shown(ratio, 2)]);
            }
            groups = groups.row(cells);
        }
    }
    let figures = vec![
        both[0].1.calibration_figure(),
        both[1].1.calibration_figure(),
    ];
    let blocks = vec![
        Block::Heading {
            level: 2,
            text: "Logistic regression against gradient boosting".into(),
        },
        Block::Paragraph(
            "The same patients, columns and sealed rows. Boosting ranks a little better; both are \
             calibrated; the logistic model is a table that a person can read. Calibration: logistic \
             regression left, boosting right."
                .into(),
        ),
        Block::Table(whole),
        Block::Table(groups),
        Block::Figures(figures),
    ];
    Ok(Comparison { blocks, line })
}

fn row_of(name: &str, found: &RiskEvaluation) -> Vec<String> {
    let area = &found.auroc;
    let shown = |value: Option<f64>, digits: usize| {
        value.map_or("undefined".into(), |value| format!("{value:.digits$}"))
    };
    let calibration = found.calibration.as_ref();
    vec![
        name.into(),
        format!("{:.3} ({:.3} to {:.3})", area.auroc, area.lower, area.upper),
        format!("{:.3}", found.auprc),
        format!("{:.4}", found.brier),
        shown(calibration.map(|c| c.observed_over_expected), 3),
        shown(calibration.map(|c| c.slope.value), 3),
        shown(found.flexible_calibration.as_ref().map(|f| f.ici), 4),
    ]
}
