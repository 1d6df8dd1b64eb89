//! From a cohort to the printed report.

use galen::evaluation::{evaluate_sealed, groups_of, score_with};
use galen::matrix::Column;
use galen::prelude::*;
use galen::report::{ModelCard, ReportOptions, TableOne, TableOneOptions, risk_report};

/// A model of the given columns on simulated encounters, and its whole report.
fn card(columns: &[&str], n: usize) -> galen::Result<ModelCard> {
    let people = galen::simulate::readmissions(n, 7);
    let cohort = Cohort::new(people.matrix.select(columns)?, people.target);
    let (train, test) = Split::holdout(0.4, 1).apply(&cohort)?;
    let model = LogisticRegression::params().fit(&train)?;
    let scored = evaluate_sealed(&test, &model)?;
    let mut options = ReportOptions::default()
        .title("Readmission within 30 days")
        .comparator(score_with(&test, "Earlier visits alone", "prior_visits")?)
        .subgroup("sex", groups_of(&test, "sex")?);
    if let Some(bootstrap) = &mut options.bootstrap {
        bootstrap.replicates = 50;
    }
    let card = risk_report(&model, &scored, &options)?;
    Ok(card
        .intended_use("Ordering of follow-up calls after discharge.")
        .not_for("Decisions on treatment.")
        .outcome("An admission within 30 days of discharge.")
        .source("Simulated encounters; no real person stands behind any row.")
        .flow([("Encounters", n + 4, None), ("With outcome", n, None)])
        .table_one(TableOne::by_outcome(&train, &TableOneOptions::default())?)
        .data(&train.records)
        .limit("Simulated patients."))
}

fn formats(card: &ModelCard) -> [String; 4] {
    [
        card.to_text(),
        card.to_markdown(),
        card.to_html(),
        serde_json::to_string(card).expect("a card is plain data"),
    ]
}

#[test]
fn the_report_reads_as_before() -> galen::Result<()> {
    let mut card = card(&["age", "sex", "prior_visits", "creatinine"], 3_000)?;
    // The instruction level differs from machine to machine.
    card.reproducibility.retain(|(name, _)| name != "platform");
    insta::assert_snapshot!(card.to_text());
    Ok(())
}

#[cfg(feature = "report")]
#[test]
fn networks_and_flows_are_drawn_as_before() {
    use galen::estimator::figure::{Axis, Figure, FlowLink, FlowNode, GraphEdge, GraphNode};
    let nodes = vec![
        GraphNode::new("Hypertension", 1_200.0).group("circulation"),
        GraphNode::new("Chronic kidney disease", 310.0).group("kidney"),
        GraphNode::new("Diabetes", 620.0).group("metabolism"),
        GraphNode::new("Gout", 90.0).group("metabolism"),
        GraphNode::new("Migraine", 55.0),
    ];
    let edges = vec![
        GraphEdge::new(0, 1, 2.4).label("2.4").directed(),
        GraphEdge::new(1, 0, 1.1).directed(),
        GraphEdge::new(0, 2, 1.9),
        GraphEdge::new(2, 1, 2.9),
        GraphEdge::new(3, 1, -0.8),
    ];
    let network = Figure::new(
        "Comorbidity",
        Axis::new("patients"),
        Axis::new("log odds ratio"),
    )
    .caption("Diagnoses that come together.")
    .graph(nodes, edges);
    let nodes = vec![
        FlowNode::new(0, "metformin", 900.0),
        FlowNode::new(0, "none", 300.0),
        FlowNode::new(1, "metformin", 500.0),
        FlowNode::new(1, "insulin", 220.0),
        FlowNode::new(2, "insulin", 310.0),
    ];
    let links = vec![
        FlowLink::new(0, 2, 400.0),
        FlowLink::new(1, 2, 100.0),
        FlowLink::new(0, 3, 220.0),
        FlowLink::new(3, 4, 180.0),
        FlowLink::new(0, 4, 130.0),
    ];
    let flow = Figure::new("Treatment", Axis::new("patients"), Axis::new(""))
        .caption("Who changes to what.")
        .flow(["first line", "second line", "third line"], nodes, links);
    let page = galen::report::Document::new("Drawn").with(galen::report::Block::Figures(vec![
        network.clone(),
        flow.clone(),
    ]));
    insta::assert_snapshot!(page.to_text());
    insta::assert_snapshot!(galen::report::svg(&network));
    insta::assert_snapshot!(galen::report::svg(&flow));
}

#[test]
fn the_same_card_gives_the_same_bytes() -> galen::Result<()> {
    let first = formats(&card(&["age", "sex", "prior_visits"], 1_500)?);
    let again = formats(&card(&["age", "sex", "prior_visits"], 1_500)?);
    assert_eq!(first, again);
    let read: ModelCard = serde_json::from_str(&first[3]).expect("a saved card");
    assert_eq!(formats(&read), first);
    Ok(())
}

#[test]
fn the_page_runs_and_loads_nothing() -> galen::Result<()> {
    let page = card(&["age", "sex", "prior_visits"], 1_500)?.to_html();
    for tag in [
        "<script",
        "<link",
        "<img",
        "<iframe",
        "@import",
        "url(",
        "javascript:",
    ] {
        assert!(!page.to_lowercase().contains(tag), "{tag}");
    }
    assert!(!page.contains("onload=") && !page.contains("onclick=") && !page.contains("onerror="));
    assert!(!page.contains("src="));
    for place in page.split("href=\"").skip(1) {
        assert!(place.starts_with('#') || place.starts_with("https://doi.org/10."));
    }
    // The name of the SVG language is a name: nothing is fetched for it.
    let bare = page
        .replace("xmlns=\"http://www.w3.org/2000/svg\"", "")
        .replace("href=\"https://doi.org/", "");
    assert!(!bare.contains("http://") && !bare.contains("https://"));
    assert!(page.contains("<th scope=\"col\"") && page.contains("<html lang=\"en\">"));
    #[cfg(feature = "report")]
    assert_eq!(page.matches("role=\"img\" aria-label=\"").count(), 5);
    Ok(())
}

#[test]
fn hostile_names_are_printed_and_not_obeyed() -> galen::Result<()> {
    let people = galen::simulate::readmissions(800, 3);
    let name = "<b>x</b><script>alert(1)</script>|`\u{1b}[31m";
    let level = |i: usize| {
        Some(if i.is_multiple_of(2) {
            "<i>even</i>"
        } else {
            "\"odd\" onload=\""
        })
    };
    let matrix = people
        .matrix
        .select(&["age", "prior_visits"])?
        .with_column(
            Feature::category(name),
            Column::categorical((0..800).map(level)),
        )?;
    let cohort = Cohort::new(matrix, people.target);
    let (train, test) = Split::holdout(0.4, 1).apply(&cohort)?;
    let model = LogisticRegression::params().fit(&train)?;
    let options = ReportOptions {
        bootstrap: None,
        ..ReportOptions::default()
            .title(name)
            .subgroup(name, groups_of(&test, name)?)
    };
    let card = risk_report(&model, &evaluate_sealed(&test, &model)?, &options)?
        .table_one(TableOne::by_split(
            &train,
            &test,
            &TableOneOptions::default(),
        )?)
        .limit(name);
    let html = card.to_html();
    assert!(!html.contains("<script") && !html.contains("<b>x") && !html.contains("<i>even"));
    assert!(!html.contains("\"odd\" onload=\""));
    assert!(html.contains("&lt;b&gt;x&lt;/b&gt;"));
    let markdown = card.to_markdown();
    assert!(!markdown.contains("<script") && !markdown.contains("</b>|"));
    for text in [html, markdown, card.to_text()] {
        assert!(!text.contains('\u{1b}'));
    }
    Ok(())
}

#[test]
fn small_cells_are_hidden_in_every_format() -> galen::Result<()> {
    // 7 of 600 rows of the rare level; its complements would give it away.
    let level = |i: usize| {
        Some(if i % 97 == 5 {
            "rare"
        } else {
            ["one", "two"][i % 2]
        })
    };
    let flags = (0..600).map(|i| i % 3 == 0);
    let matrix = PatientMatrix::new(vec![(
        Feature::category("kind"),
        Column::categorical((0..600).map(level)),
    )])?
    .with_keys(RowKeys::none().patients(0..600))?;
    let cohort = Cohort::new(matrix, Binary::from_flags("died", flags));
    let rare = |died: bool| {
        (0..600)
            .filter(|i| i % 97 == 5 && (i % 3 == 0) == died)
            .count()
    };
    let (yes, no) = (rare(true), rare(false));
    assert!(yes > 0 && no > 0 && yes + no < 11);
    let table = TableOne::by_outcome(&cohort, &TableOneOptions::default())?;
    let card = ModelCard::new("T").table_one(table).flow([
        ("Screened", 803, Some(803)),
        ("Adults", 797, Some(797)),
        ("With outcome", 600, Some(600)),
    ]);
    // A cell as text, Markdown, HTML and JSON print it.
    let shows = |text: &str, count: usize| {
        [" ", ">"]
            .iter()
            .any(|before| text.contains(&format!("{before}{count} (")))
            || text.contains(&format!("\"n\":{count},"))
    };
    for text in formats(&card) {
        assert!(![yes, no, yes + no].iter().any(|count| shows(&text, *count)));
        assert!(!text.contains("797"));
    }
    let open = TableOneOptions {
        min_count: 1,
        ..TableOneOptions::default()
    };
    let open = ModelCard::new("T").table_one(TableOne::by_outcome(&cohort, &open)?);
    for text in formats(&open) {
        assert!([yes, no, yes + no].iter().all(|count| shows(&text, *count)));
    }
    assert!(card.to_text().contains("* Hidden") && card.to_html().contains("* Hidden"));
    Ok(())
}

#[test]
fn long_tables_fold_and_lose_nothing() -> galen::Result<()> {
    use galen::report::{Block, Document, Table};
    let mut table = Table::new("long").text("term");
    for row in 0..200 {
        table = table.row([format!("row {row}")]);
    }
    let page = Document::new("folded").with(Block::Table(table)).to_html();
    assert_eq!(page.matches("<tr>").count(), 200 + 2);
    assert!(page.contains("140 more rows") && page.contains("row 199"));
    Ok(())
}
