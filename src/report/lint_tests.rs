use super::*;

fn ids(change: impl FnOnce(&mut Facts)) -> Vec<String> {
    let mut facts = Facts::default();
    change(&mut facts);
    lint(&facts).into_iter().map(|finding| finding.id).collect()
}

fn evaluated(change: impl FnOnce(&mut EvaluationFacts)) -> Facts {
    let mut evaluation = EvaluationFacts {
        name: "test".into(),
        relation: Some(Relation::External),
        ..EvaluationFacts::default()
    };
    change(&mut evaluation);
    Facts {
        evaluations: vec![evaluation],
        ..Facts::default()
    }
}

fn ids_of(facts: &Facts) -> Vec<String> {
    lint(facts).into_iter().map(|finding| finding.id).collect()
}

#[test]
fn nothing_known_nothing_found() {
    assert!(lint(&Facts::default()).is_empty());
    assert!(lint(&evaluated(|_| {})).is_empty());
}

#[test]
fn events_per_parameter() {
    let of = |events, parameters, penalised| {
        ids(|facts| {
            facts.n_events = Some(events);
            facts.n_parameters = Some(parameters);
            facts.penalised = Some(penalised);
        })
    };
    assert_eq!(of(99, 10, false), ["few-events-per-parameter"]);
    assert!(of(100, 10, false).is_empty());
    assert!(of(99, 10, true).is_empty());
    assert!(of(0, 0, false).is_empty());
    // With 960 events among 1,000 rows, the 40 non-events are the scarce ones.
    let common = ids(|facts| {
        facts.n_rows = Some(1000);
        facts.n_events = Some(960);
        facts.n_parameters = Some(10);
        facts.penalised = Some(false);
    });
    assert_eq!(common, ["few-events-per-parameter"]);
}

#[test]
fn expected_shrinkage() {
    let of = |statistic| {
        ids(|facts| {
            facts.likelihood_ratio = Some(statistic);
            facts.n_parameters = Some(10);
            facts.penalised = Some(false);
        })
    };
    assert_eq!(of(99.0), ["expected-shrinkage"]);
    assert_eq!(of(0.0), ["expected-shrinkage"]);
    assert!(of(100.1).is_empty());
}

#[test]
fn sight_of_the_test_side() {
    assert_eq!(ids(|f| f.tuned_on_test = true), ["tuned-on-test"]);
    assert_eq!(ids(|f| f.test_opened = true), ["test-opened"]);
    assert_eq!(ids(|f| f.test_evaluations = 2), ["test-reused"]);
    assert!(ids(|f| f.test_evaluations = 1).is_empty());
    assert_eq!(ids(|f| f.patient_keys = Some(false)), ["no-patient-keys"]);
    assert!(ids(|f| f.patient_keys = Some(true)).is_empty());
}

#[test]
fn predictors() {
    assert_eq!(
        ids(|f| f.after_index = vec!["discharge code".into()]),
        ["predictor-after-index"]
    );
    assert_eq!(
        ids(|f| f.missing = vec![("lactate".into(), 0.51)]),
        ["mostly-missing"]
    );
    assert!(ids(|f| f.missing = vec![("lactate".into(), 0.5)]).is_empty());
    assert_eq!(ids(|f| f.dropped_columns = true), ["dropped-columns"]);
}

#[test]
fn fits() {
    assert_eq!(ids(|f| f.separated = true), ["separated"]);
    assert_eq!(ids(|f| f.converged = Some(false)), ["not-converged"]);
    assert!(ids(|f| f.converged = Some(true)).is_empty());
    assert_eq!(ids(|f| f.resampled = true), ["unbalanced-probabilities"]);
    assert_eq!(
        ids(|f| f.class_weights = true),
        ["unbalanced-probabilities"]
    );
    let repaired = ids(|f| {
        f.class_weights = true;
        f.recalibrated = true;
    });
    assert!(repaired.is_empty());
}

#[test]
fn evaluations() {
    let held_out = evaluated(|e| e.relation = Some(Relation::HeldOut));
    assert_eq!(ids_of(&held_out), ["no-external-validation"]);
    let unverified = ids_of(&evaluated(|e| e.relation = Some(Relation::Unverified)));
    assert_eq!(unverified, ["unverified-rows", "no-external-validation"]);
    for (slope, fires) in [(0.79, true), (0.8, false), (1.25, false), (1.26, true)] {
        let found = ids_of(&evaluated(|e| e.slope = Some(slope)));
        assert_eq!(found == ["calibration-slope"], fires);
    }
    for (auroc, fires) in [(0.95, false), (0.951, true)] {
        let found = ids_of(&evaluated(|e| e.auroc = Some(auroc)));
        assert_eq!(found == ["suspicious-auroc"], fires);
    }
}

#[test]
fn accuracy_first() {
    let of = |headline: &str, rate: f64| {
        let mut facts = evaluated(|e| e.event_rate = Some(rate));
        facts.headline = Some(headline.into());
        ids_of(&facts)
    };
    assert_eq!(of("Accuracy", 0.1), ["accuracy-under-imbalance"]);
    assert!(of("Accuracy", 0.4).is_empty());
    assert!(of("AUROC", 0.1).is_empty());
}

#[test]
fn gaps_between_groups() {
    let of = |auroc: [f64; 3], ratio: [f64; 3]| {
        let group = |name: &str, auroc, ratio| GroupFacts {
            by: "sex".into(),
            group: name.into(),
            auroc: Some(auroc),
            observed_over_expected: Some(ratio),
        };
        ids(|facts| {
            facts.groups = Some(vec![
                group("female", [0.80, 0.78, 0.82], [1.0, 0.9, 1.1]),
                group("male", auroc, ratio),
            ]);
        })
    };
    let fair = [1.0, 0.9, 1.1];
    assert!(of([0.79, 0.77, 0.81], fair).is_empty());
    assert_eq!(of([0.70, 0.66, 0.74], fair), ["subgroup-discrimination"]);
    assert!(of([0.70, 0.58, 0.82], fair).is_empty()); // too uncertain to tell
    let level = [0.80, 0.78, 0.82];
    assert_eq!(of(level, [1.4, 1.2, 1.6]), ["subgroup-calibration"]);
    assert!(of(level, [1.4, 0.9, 2.0]).is_empty());
}

#[test]
fn the_weightiest_come_first() {
    let mut facts = evaluated(|e| e.relation = Some(Relation::HeldOut));
    facts.separated = true;
    facts.test_opened = true;
    let found = lint(&facts);
    let weights: Vec<Severity> = found.iter().map(|finding| finding.severity).collect();
    assert_eq!(
        weights,
        [Severity::Serious, Severity::Caution, Severity::Note]
    );
    assert!(
        found
            .iter()
            .all(|finding| !finding.why.is_empty() && !finding.advice.is_empty())
    );
}
