use super::*;
use crate::estimator::Relation;
use crate::report::performance::Metric;

#[test]
fn a_step_that_drops_few_rows_is_hidden_with_a_neighbour() {
    let card = ModelCard::new("T").flow([
        ("all", 1000, Some(900)),
        ("adults", 995, Some(898)),
        ("with consent", 895, Some(800)),
        ("alive", 700, Some(610)),
    ]);
    let rows: Vec<Option<u64>> = card.flow.iter().map(|line| line.rows).collect();
    assert_eq!(rows, [Some(1000), None, Some(895), Some(700)]);
    let text = card.to_text();
    assert!(!text.contains("995") && !text.contains("898") && text.contains("* Hidden"));
    let two = ModelCard::new("T").flow([("all", 100, None), ("adults", 97, None)]);
    assert_eq!((two.flow[0].rows, two.flow[1].rows), (None, Some(97)));
    let open = ModelCard::new("T")
        .min_count(1)
        .flow([("all", 100, None), ("adults", 97, None)]);
    assert_eq!(open.flow[1].rows, Some(97));
}

#[test]
fn few_missing_values_have_no_share() {
    let column = |few: usize| (0..400).map(move |i| if i < few { f64::NAN } else { 1.0 });
    let matrix = PatientMatrix::from_columns([
        ("few", column(4).collect::<Vec<_>>()),
        ("many", column(230).collect()),
        ("none", column(0).collect()),
    ])
    .unwrap();
    let card = ModelCard::new("T").data(&matrix);
    assert_eq!(
        card.missing,
        [("few".into(), None), ("many".into(), Some(0.57))]
    );
    let ids: Vec<String> = card
        .findings()
        .into_iter()
        .map(|finding| finding.id)
        .collect();
    assert_eq!(ids, ["no-patient-keys", "mostly-missing"]);
}

#[test]
fn the_first_metric_is_the_headline() {
    let metric = |name: &str| Metric {
        name: name.into(),
        value: 0.9,
        interval: None,
        against: String::new(),
    };
    let card = |first: &str, second: &str| {
        ModelCard::new("T").performance(Performance {
            name: "test".into(),
            relation: Some(Relation::External),
            n_rows: 1000,
            n_events: Some(100),
            metrics: vec![metric(first), metric(second)],
            intervals: String::new(),
            figures: Vec::new(),
            decisions: Vec::new(),
            notes: Vec::new(),
            event_rate: Some(0.1),
        })
    };
    let accuracy = card("Accuracy", "AUROC").findings();
    assert_eq!(accuracy.len(), 1);
    assert_eq!(accuracy[0].id, "accuracy-under-imbalance");
    assert!(card("AUROC", "Accuracy").findings().is_empty());
}

#[test]
fn an_empty_card_is_a_title() {
    let card = ModelCard::new("Nothing yet").date("2024-05-01");
    assert!(
        card.to_text()
            .starts_with("Nothing yet\n===========\nModel card, 2024-05-01\n")
    );
    let json = serde_json::to_string(&card).unwrap();
    assert_eq!(serde_json::from_str::<ModelCard>(&json).unwrap(), card);
}
