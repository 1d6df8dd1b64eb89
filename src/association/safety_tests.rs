use std::collections::BTreeSet;

use super::*;
use crate::association::{GammaMixture, InteractionCounts, ReportRows};
use crate::numeric::seed::{below, stream};

/// Settings whose prior is fitted from two starts only.
fn quick() -> SafetyParams {
    let usual = GammaPoissonParams::default();
    SafetySignals::params().prior(GammaPoissonParams {
        starts: usual.starts[..2].to_vec(),
        max_iterations: 60,
        ..usual
    })
}

const KNOWN: GammaMixture = GammaMixture {
    shape: [3.0, 2.0],
    rate: [0.4, 1.9],
    share: 0.07,
};

type Row = (u32, String, String, String);

/// Rows with repeats: 300 reports of up to three of nine drugs and up to four of eleven events; drug
/// 2 brings event 5, drugs 0 and 1 together bring event 6.
fn rows() -> Vec<Row> {
    let mut stream = stream(11, 0);
    let mut rows = Vec::new();
    for report in 0..300_u32 {
        let mut draw = |n: usize| below(&mut stream, n);
        let drugs: BTreeSet<usize> = (0..1 + draw(3)).map(|_| draw(9)).collect();
        let mut events: BTreeSet<usize> = (0..1 + draw(4)).map(|_| draw(11)).collect();
        if drugs.contains(&2) && draw(3) > 0 {
            events.insert(5);
        }
        if drugs.contains(&0) && drugs.contains(&1) {
            events.insert(6);
        }
        let stratum = ["women", "men", "unknown"][draw(3)];
        for drug in &drugs {
            for event in &events {
                for _ in 0..1 + draw(2) {
                    rows.push((
                        report,
                        format!("drug {drug}"),
                        format!("event {event}"),
                        stratum.into(),
                    ));
                }
            }
        }
    }
    rows
}

fn plain(rows: &[Row]) -> Reports {
    Reports::new(rows.iter().map(|row| (row.0, &row.1, &row.2))).unwrap()
}

fn stratified(rows: &[Row]) -> Reports {
    Reports::stratified(rows.iter().map(|row| (row.0, &row.1, &row.2, &row.3))).unwrap()
}

/// Reports that have all of some drugs and an event.
fn n_with(rows: &[Row], drugs: &[&str], without: &[&str], event: Option<&str>) -> u64 {
    let having = |keep: &dyn Fn(&Row) -> bool| -> BTreeSet<u32> {
        let rows = rows.iter().filter(|row| keep(row));
        rows.map(|row| row.0).collect()
    };
    let mut found = having(&|_| true);
    for drug in drugs {
        found = &found & &having(&|row| row.1 == **drug);
    }
    for drug in without {
        found = &found - &having(&|row| row.1 == **drug);
    }
    if let Some(event) = event {
        found = &found & &having(&|row| row.2 == event);
    }
    found.len() as u64
}

#[test]
fn every_pair_as_its_parts_say() {
    let rows = rows();
    let found = quick().min_reports(1).find(&stratified(&rows)).unwrap();
    assert_eq!(
        (found.n_reports, found.n_drugs, found.n_events),
        (300, 9, 11)
    );
    assert_eq!(found.signals.len(), found.n_pairs);
    assert!(found.stratified && found.fit.is_some());
    let prior = found.prior.unwrap();
    for signal in &found.signals {
        let drug: &str = &signal.drug;
        let n = n_with(&rows, &[drug], &[], Some(&signal.event));
        assert_eq!(signal.counts.n_ab(), n);
        assert_eq!(signal.counts.n_a(), n_with(&rows, &[drug], &[], None));
        assert_eq!(
            signal.counts.n_b(),
            n_with(&rows, &[], &[], Some(&signal.event))
        );
        let crude = disproportionality(&signal.counts, &EvansCriteria::default(), 0.95).unwrap();
        assert_eq!((signal.prr, signal.ror), (crude.prr, crude.ror));
        assert_eq!(signal.verdicts.evans, crude.signal);
        let ic = information_component(n, signal.expected, 0.95).unwrap();
        assert_eq!((signal.ic, signal.verdicts.ic), (ic, ic.lower > 0.0));
        let score = prior.score(n, signal.expected).unwrap();
        assert_eq!(signal.ebgm, Some(score));
        assert_eq!(signal.verdicts.ebgm, score.eb05 > 2.0);
        assert_eq!(signal.verdicts.ror, crude.ror.unwrap().lower > 1.0);
    }
    let crude = plain(&rows);
    let crude = quick().min_reports(1).find(&crude).unwrap();
    assert!(!crude.stratified);
    let differ = found.signals.iter().any(|signal| {
        let same = |other: &&Signal| (&other.drug, &other.event) == (&signal.drug, &signal.event);
        let other = crude.signals.iter().find(same).unwrap();
        assert_eq!(other.counts, signal.counts);
        assert!((other.expected - signal.counts.expected()).abs() < 1e-12);
        other.expected != signal.expected
    });
    assert!(differ, "strata change expectations");
}

#[test]
fn planted_pairs_come_first() {
    let found = quick().find(&plain(&rows())).unwrap();
    for measure in SignalMeasure::ALL {
        let top = found.top(3, measure);
        assert_eq!((&*top[0].drug, &*top[0].event), ("drug 2", "event 5"));
        assert!(top[0].verdicts.by(measure), "{}", measure.word());
        let lower = |signal: &Signal| signal.estimate(measure).unwrap().lower;
        assert!(lower(top[0]) >= lower(top[1]) && lower(top[1]) >= lower(top[2]));
        assert_eq!(found.n_found_by(measure), found.found_by(measure).count());
        assert!(found.n_found_by(measure) >= 1);
    }
    assert_eq!(
        found.top(usize::MAX, SignalMeasure::Ic).len(),
        found.signals.len()
    );
    assert_eq!(found.signals[0].verdicts.n_methods(), 4);
}

#[test]
fn order_and_repetition_of_rows_do_not_matter() {
    let rows = rows();
    let mut other: Vec<Row> = rows.iter().rev().cloned().collect();
    other.extend_from_slice(&rows[..100]);
    let params = quick();
    let (first, again) = (stratified(&rows), stratified(&other));
    assert_eq!(params.find(&first).unwrap(), params.find(&again).unwrap());
    assert_eq!(
        params.interactions(&first).unwrap(),
        params.interactions(&again).unwrap()
    );
}

#[test]
fn codes_of_one_name_are_one_drug() {
    let rows = ReportRows {
        report: &[9, 9, 4, 5],
        drug: &[0, 3, 1, 3],
        event: &[1, 1, 0, 1],
        stratum: None,
    };
    let drugs = ["aspirin", "zinc", "not used", "aspirin"];
    let reports = Reports::from_codes(rows, &drugs, &["rash", "bleeding"]).unwrap();
    let names = ["aspirin", "bleeding"];
    let by_name = Reports::new([
        ("a", names[0], names[1]),
        ("a", names[0], names[1]),
        ("b", "zinc", "rash"),
        ("c", names[0], names[1]),
    ]);
    assert_eq!(reports, by_name.unwrap());
    let found = quick().min_reports(2).find(&reports).unwrap();
    assert_eq!((found.signals.len(), found.n_pairs), (1, 2));
    assert_eq!(found.signals[0].counts.n_ab(), 2);
    assert_eq!(found.signals[0].prr.unwrap().value, f64::INFINITY);
    assert!(found.prior.is_none() && found.signals[0].ebgm.is_none());
    assert!(!found.signals[0].verdicts.ebgm && !found.signals[0].verdicts.ror);
}

#[test]
fn rare_pairs_are_counted_and_not_listed() {
    let reports = plain(&rows());
    let params = quick();
    let all = params.clone().min_reports(1).find(&reports).unwrap();
    let some = params.min_reports(8).find(&reports).unwrap();
    assert_eq!(all.fit, some.fit);
    let mut kept = all.signals.clone();
    kept.retain(|signal| signal.counts.n_ab() >= 8);
    assert!(kept.len() < all.signals.len());
    assert_eq!(kept, some.signals);
    assert_eq!(all.n_pairs, some.n_pairs);
}

#[test]
fn settings_reach_the_verdicts() {
    let reports = plain(&rows());
    let params = quick();
    let usual = params.find(&reports).unwrap();
    let strict = EvansCriteria {
        min_chi_squared: 1e6,
        ..EvansCriteria::default()
    };
    let found = params.clone().evans(strict).find(&reports).unwrap();
    assert_eq!(found.n_found_by(SignalMeasure::Prr), 0);
    let found = params.clone().min_eb05(1e6).find(&reports).unwrap();
    assert_eq!(found.n_found_by(SignalMeasure::Ebgm), 0);
    let wide = params.clone().level(0.999).find(&reports).unwrap();
    assert!(wide.signals[0].ic.lower < usual.signals[0].ic.lower);
    let found = params.clone().without_prior().find(&reports).unwrap();
    assert!(found.prior.is_none() && found.signals[0].ebgm.is_none());
    let found = params.clone().known_prior(KNOWN).find(&reports).unwrap();
    assert_eq!((found.prior, found.fit), (Some(KNOWN), None));
    let with_zeros = GammaPoissonParams {
        zeros: ZeroCounts::Included,
        max_iterations: 1,
        starts: vec![KNOWN],
        ..GammaPoissonParams::default()
    };
    let found = params.prior(with_zeros).find(&reports).unwrap();
    assert_ne!(found.prior, usual.prior);
    assert!(found.to_string().contains("EBGM is doubtful"), "one step");
}

#[test]
fn interactions_as_counted_with_sets() {
    let rows = rows();
    let params = quick().min_reports(2);
    let found = params.interactions(&plain(&rows)).unwrap();
    let mut n_listed = 0;
    for first in 0..9 {
        for second in first + 1..9 {
            for event in 0..11 {
                let names = [format!("drug {first}"), format!("drug {second}")];
                let [first, second] = [&*names[0], &*names[1]];
                let event = format!("event {event}");
                let count = |with: &[&str], without: &[&str]| {
                    (
                        n_with(&rows, with, without, None),
                        n_with(&rows, with, without, Some(&event)),
                    )
                };
                let counts = InteractionCounts {
                    neither: count(&[], &[first, second]),
                    first: count(&[first], &[second]),
                    second: count(&[second], &[first]),
                    both: count(&[first, second], &[]),
                };
                let listed = found.interactions.iter().find(|found| {
                    (&*found.first, &*found.second, &*found.event) == (first, second, &*event)
                });
                assert_eq!(listed.is_some(), counts.both.1 >= 2);
                if let Some(listed) = listed {
                    n_listed += 1;
                    assert_eq!(listed.counts, counts);
                    assert_eq!(listed.signal, listed.measure.omega.lower > 0.0);
                }
            }
        }
    }
    assert_eq!((n_listed, 0), (found.n_tested, found.n_undefined));
    let first = &found.interactions[0];
    assert_eq!(
        (&*first.first, &*first.second, &*first.event, first.signal),
        ("drug 0", "drug 1", "event 6", true)
    );
    let text = found.to_string();
    assert!(
        text.contains("drug 0") && text.contains("no cause"),
        "{text}"
    );
}

#[test]
fn drugs_that_never_stand_alone_have_no_measure() {
    let both = |report| [(report, "a", "rash"), (report, "b", "rash")];
    let mut rows: Vec<_> = (0..4).flat_map(both).collect();
    rows.push((9, "c", "rash"));
    let found = quick().interactions(&Reports::new(rows).unwrap()).unwrap();
    assert_eq!((found.n_tested, found.n_undefined), (1, 1));
    assert!(found.interactions.is_empty() && found.to_string().contains("1 without"));
}

#[test]
fn text_and_figure() {
    let found = quick().known_prior(KNOWN);
    let found = found.find(&plain(&rows())).unwrap();
    let text = found.to_string();
    assert!(
        text.starts_with("300 reports of 9 drugs and 11 events: "),
        "{text}"
    );
    assert!(text.contains("drug 2") && text.contains("PRI."), "{text}");
    assert_eq!(text.lines().count(), 2 + 1 + 10 + 2, "{text}");
    assert_eq!(
        found.table(3, SignalMeasure::Ror).lines().count(),
        2 + 1 + 3 + 2
    );
    for measure in SignalMeasure::ALL {
        let figure = found.figure(4, measure);
        assert_eq!(figure.x.categories[0], "drug 2, event 5");
        assert_eq!(figure.y.logarithmic, measure != SignalMeasure::Ic);
        let crate::estimator::figure::Shape::Points { x, y, lower, upper } =
            &figure.series[0].shape
        else {
            panic!("points");
        };
        assert_eq!((x.len(), y.len(), lower.len(), upper.len()), (4, 4, 4, 4));
        assert!((0..4).all(|at| lower[at] < y[at] && y[at] < upper[at]));
    }
    let none = quick().min_reports(999);
    let none = none.find(&plain(&rows())).unwrap();
    assert!(none.signals.is_empty() && none.to_string().contains("EBGM 0"));
    assert!(none.figure(4, SignalMeasure::Prr).x.categories.is_empty());
}

#[test]
fn long_names_are_cut() {
    let long = "a product with a very long name, sold in bottles";
    let rows = (0..3).map(|report| (report, long, "an event whose name is long too"));
    let found = quick().find(&Reports::new(rows).unwrap()).unwrap();
    let figure = found.figure(1, SignalMeasure::Ic);
    assert_eq!(figure.x.categories[0], "a product wit…, an event whose na…");
    assert!(figure.x.categories[0].chars().count() <= 36);
    assert!(!found.to_string().contains(long));
}

#[test]
fn refusals() {
    let reports = plain(&rows());
    let params = quick;
    for bad in [
        params().min_reports(0),
        params().level(1.0),
        params().level(f64::NAN),
        params().min_eb05(-1.0),
        params().evans(EvansCriteria {
            min_prr: f64::NAN,
            ..EvansCriteria::default()
        }),
        params().known_prior(GammaMixture {
            shape: [1.0, 1.0],
            rate: [0.0, 1.0],
            share: 0.5,
        }),
        params().prior(GammaPoissonParams {
            starts: Vec::new(),
            ..GammaPoissonParams::default()
        }),
    ] {
        assert!(bad.find(&reports).is_err(), "{bad:?}");
    }
    assert!(params().level(0.0).interactions(&reports).is_err());
    assert!(Reports::new(Vec::<(u32, &str, &str)>::new()).is_err());
    let told = |error: crate::Error| error.to_string();
    let blank = Reports::new([(1, "secret", "rash"), (1, "secret", " ")]);
    let blank = told(blank.unwrap_err());
    assert!(blank.contains("row 1, column `event`"), "{blank}");
    let no_stratum = Reports::stratified([(1, "secret", "rash", "")]);
    let no_stratum = told(no_stratum.unwrap_err());
    assert!(
        no_stratum.contains("row 0, column `stratum`"),
        "{no_stratum}"
    );
    let two = Reports::stratified([(1, "secret", "rash", "men"), (1, "secret", "rash", "women")]);
    let two = told(params().find(&two.unwrap()).unwrap_err());
    assert!(two.contains("row 1"), "{two}");
    let rows = ReportRows {
        report: &[1, 2],
        drug: &[0, 1],
        event: &[0, 0],
        stratum: None,
    };
    let unnamed = told(Reports::from_codes(rows, &["secret"], &["rash"]).unwrap_err());
    assert!(unnamed.contains("row 1, column `drug`"), "{unnamed}");
    let short = ReportRows {
        event: &[0],
        ..rows
    };
    assert!(Reports::from_codes(short, &["a", "b"], &["rash"]).is_err());
    assert!(Reports::from_codes(rows, &["a", ""], &["rash"]).is_err());
    for message in [blank, no_stratum, two, unnamed] {
        assert!(
            !message.contains("secret") && !message.contains("men"),
            "{message}"
        );
    }
}
