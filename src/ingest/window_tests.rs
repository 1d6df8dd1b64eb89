use proptest::prelude::*;

use super::*;
use crate::ingest::Event;
use crate::matrix::{FeatureKind, RowKeys, Time};

fn day(n: i64) -> Time {
    Time(0) + Span::days(n)
}

fn index(rows: &[(&str, i64)]) -> PatientMatrix {
    let keys = RowKeys::none()
        .patients(rows.iter().map(|(patient, _)| patient))
        .times(rows.iter().map(|(_, time)| day(*time)));
    PatientMatrix::from_columns([("x", vec![1.0; rows.len()])])
        .unwrap()
        .with_keys(keys)
        .unwrap()
}

fn lab(patient: &str, time: i64, value: f64) -> Event {
    Event::new(patient, day(time), "lab")
        .value(value)
        .unit("mg/dL")
}

fn one(spec: FeatureSpec, rows: &[(&str, i64)], events: &[Event]) -> Vec<f64> {
    let events = EventTable::new(events.to_vec()).unwrap();
    let features = WindowFeatures::new().feature(spec.named("f"));
    let matrix = features.compute(&index(rows), &events).unwrap();
    matrix.column("f").unwrap().to_vec()
}

#[test]
fn every_measure_by_hand() {
    // Days 80, 90, 90, 96 before an index at day 100; one event at the index, one after.
    let events = [
        lab("a", 80, 1.0),
        lab("a", 90, 4.0),
        lab("a", 90, 6.0),
        lab("a", 96, 3.0),
        lab("a", 100, 50.0),
        lab("a", 101, 60.0),
        Event::new("a", day(97), "lab"), // without a value
    ];
    let rows = [("a", 100), ("b", 100)];
    let of = |spec: FeatureSpec| one(spec, &rows, &events)[0];
    assert_eq!(of(FeatureSpec::count("lab")), 5.0);
    assert_eq!(of(FeatureSpec::ever("lab")), 1.0);
    assert_eq!(of(FeatureSpec::latest("lab")), 3.0);
    assert_eq!(of(FeatureSpec::min("lab")), 1.0);
    assert_eq!(of(FeatureSpec::max("lab")), 6.0);
    assert_eq!(of(FeatureSpec::mean("lab")), 3.5);
    assert_eq!(of(FeatureSpec::time_since("lab")), 3.0);
    // Days 80, 90, 90, 96: mean 89, squares 81+1+1+49 = 132, products with values about 3.5:
    // (-9)(-2.5) + (1)(0.5) + (1)(2.5) + (7)(-0.5) = 22.
    assert!((of(FeatureSpec::trend("lab")) - 22.0 / 132.0).abs() < 1e-14);
    // From day 90 on; an event exactly at the start of the window is in it.
    let within = |spec: FeatureSpec| of(spec.within(Span::days(10)));
    assert_eq!(within(FeatureSpec::count("lab")), 4.0);
    assert_eq!(within(FeatureSpec::min("lab")), 3.0);
    assert_eq!(within(FeatureSpec::latest("lab")), 3.0);
    // Two values at the latest time: their mean, in either order.
    assert_eq!(
        one(FeatureSpec::latest("lab"), &[("a", 95)], &events),
        [5.0]
    );
    // Without events: 0 or missing; a trend needs two times.
    let without = |spec: FeatureSpec| one(spec, &rows, &events)[1];
    assert_eq!(without(FeatureSpec::count("lab")), 0.0);
    assert!(without(FeatureSpec::latest("lab")).is_nan());
    assert!(without(FeatureSpec::time_since("lab")).is_nan());
    assert!(one(FeatureSpec::trend("lab"), &[("a", 81)], &events)[0].is_nan());
}

#[test]
fn the_index_time_is_outside_unless_asked_for() {
    let events = EventTable::new([lab("a", 10, 1.0)]).unwrap();
    let rows = index(&[("a", 10)]);
    let features = WindowFeatures::new().feature(FeatureSpec::count("lab").named("n"));
    let count = |features: &WindowFeatures| {
        let matrix = features.compute(&rows, &events).unwrap();
        matrix.column("n").unwrap().value(0)
    };
    assert_eq!(count(&features), 0.0);
    assert_eq!(count(&features.include_index(true)), 1.0);
}

#[test]
fn identical_events_are_one_unless_asked_for() {
    let events = EventTable::new([lab("a", 1, 1.0), lab("a", 1, 1.0), lab("a", 1, 2.0)]).unwrap();
    let features = WindowFeatures::new().feature(FeatureSpec::count("lab").named("n"));
    let count = |features: &WindowFeatures| {
        let matrix = features.compute(&index(&[("a", 10)]), &events).unwrap();
        matrix.column("n").unwrap().value(0)
    };
    assert_eq!(count(&features), 2.0);
    assert_eq!(count(&features.count_repeats(true)), 3.0);
}

#[test]
fn columns_have_the_kind_the_unit_and_the_storage_of_their_measure() {
    let events = EventTable::new([lab("a", 1, 1.0), lab("a", 2, 1.0)]).unwrap();
    let features = WindowFeatures::new().features([
        FeatureSpec::count("l*").within(Span::hours(36)),
        FeatureSpec::ever("lab"),
        FeatureSpec::mean("lab"),
        FeatureSpec::trend("lab"),
        FeatureSpec::time_since("lab"),
    ]);
    let rows = index(&[("a", 10)]);
    let matrix = features.add_to(&rows, &events).unwrap();
    let found: Vec<_> = (matrix.schema().features().iter().skip(1))
        .map(|f| (f.name(), f.kind(), f.unit_name()))
        .collect();
    use FeatureKind::{Count, Flag, Numeric};
    assert_eq!(
        found,
        [
            ("count(l*, 1.5 d)", Count, None),
            ("ever(lab)", Flag, None),
            ("mean(lab)", Numeric, Some("mg/dL")),
            ("trend(lab)", Numeric, Some("mg/dL/d")),
            ("time_since(lab)", Numeric, Some("d")),
        ]
    );
    assert!(matrix.column("ever(lab)").unwrap().is_sparse());
    assert!(!matrix.column("mean(lab)").unwrap().is_sparse());
    assert_eq!(matrix.origin(), rows.origin());
}

#[test]
fn units_that_differ_are_refused_by_the_name_of_the_feature() {
    let other = Event::new("b", day(50), "lab").value(5.0).unit("mmol/L");
    let none = Event::new("b", day(50), "lab").value(5.0);
    let refused = |spec: FeatureSpec, events: Vec<Event>| {
        let events = EventTable::new(events).unwrap();
        let features = WindowFeatures::new().feature(spec.named("glucose"));
        features
            .compute(&index(&[("a", 10)]), &events)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(
            FeatureSpec::mean("lab"),
            vec![lab("a", 1, 1.0), other.clone()]
        ),
        "feature `glucose`: expected values in one unit, found `mg/dL` and `mmol/L`"
    );
    assert!(refused(FeatureSpec::mean("lab"), vec![lab("a", 1, 1.0), none]).contains("no unit"));
    assert_eq!(
        refused(
            FeatureSpec::latest("lab").unit("mmol/L"),
            vec![lab("a", 1, 1.0)]
        ),
        "feature `glucose`: expected values in `mmol/L`, found `mg/dL`"
    );
    // Counting asks for no unit.
    assert_eq!(
        one(
            FeatureSpec::count("lab"),
            &[("b", 99)],
            &[lab("a", 1, 1.0), other]
        ),
        [1.0]
    );
}

#[test]
fn all_codes_are_chosen_once_and_applied_anywhere() {
    let events = EventTable::new([
        Event::new("a", day(1), "x"),
        Event::new("a", day(2), "x"),
        Event::new("b", day(1), "x"),
        Event::new("a", day(1), "y"),
        Event::new("a", day(2), "y"),
        Event::new("b", day(9), "y"), // after the index time: does not count
    ])
    .unwrap();
    let training = index(&[("a", 5), ("b", 5), ("a", 6)]);
    let all = WindowFeatures::new().all_codes(2, None);
    let matrix = all.compute(&training, &events).unwrap();
    assert_eq!(matrix.n_columns(), 1);
    assert_eq!(matrix.column("count(x)").unwrap().to_vec(), [2.0, 1.0, 2.0]);
    let chosen = all.chosen_on(&training, &events).unwrap();
    let other = EventTable::new([Event::new("c", day(1), "y")]).unwrap();
    let applied = chosen.compute(&index(&[("c", 5)]), &other).unwrap();
    assert_eq!(applied.schema(), matrix.schema());
    let text = serde_json::to_string(&chosen).unwrap();
    assert_eq!(
        serde_json::from_str::<WindowFeatures>(&text).unwrap(),
        chosen
    );
}

#[test]
fn wrong_requests_are_refused() {
    let events = EventTable::new([lab("a", 1, 1.0)]).unwrap();
    let rows = index(&[("a", 10)]);
    let refused = |features: WindowFeatures, rows: &PatientMatrix| {
        features
            .compute(rows, &events)
            .map(|_| ())
            .unwrap_err()
            .into_kind()
    };
    let count = || FeatureSpec::count("lab");
    assert!(matches!(
        refused(WindowFeatures::new(), &rows),
        ErrorKind::NoFeatures { .. }
    ));
    let backwards = WindowFeatures::new().feature(count().within(Span::days(-1)));
    assert!(matches!(
        refused(backwards, &rows),
        ErrorKind::Parameter { name: "within", .. }
    ));
    let twice = WindowFeatures::new().features([count(), count()]);
    assert!(matches!(refused(twice, &rows), ErrorKind::Schema(_)));
    let bare = PatientMatrix::from_columns([("x", vec![1.0])]).unwrap();
    let features = WindowFeatures::new().feature(count());
    assert!(matches!(
        refused(features, &bare),
        ErrorKind::MissingKeys { .. }
    ));
}

fn all_measures() -> WindowFeatures {
    let codes = || CodeMatcher::from(["x", "y*"]);
    WindowFeatures::new()
        .features([
            FeatureSpec::count(codes()),
            FeatureSpec::ever(codes()).within(Span::days(7)),
            FeatureSpec::latest(codes()).within(Span::days(20)),
            FeatureSpec::min(codes()),
            FeatureSpec::max(codes()),
            FeatureSpec::mean(codes()).within(Span::days(15)),
            FeatureSpec::trend(codes()),
            FeatureSpec::time_since(codes()),
        ])
        .all_codes(1, Some(Span::days(9)))
}

/// Patient, day, code and value.
type Drawn = (u8, i64, u8, Option<i8>);

fn event((patient, time, code, value): Drawn, index: i64, shift: i64) -> Event {
    let late = if time >= index { shift } else { 0 };
    let event = Event {
        value: value.map(f64::from),
        ..Event::new(
            format!("p{patient}"),
            day(time + late),
            ["x", "y1", "z"][code as usize % 3],
        )
    };
    event.unit("mg")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn events_on_the_wrong_side_of_the_index_time_change_nothing(
        drawn in prop::collection::vec((0_u8..4, 0_i64..40, 0_u8..3, prop::option::of(any::<i8>())), 1..60),
        time in 1_i64..40,
        shift in 1_i64..1000,
    ) {
        let rows = index(&[("p0", time), ("p1", time), ("p2", time), ("p9", time)]);
        let matrix = |shift: i64, reversed: bool| {
            let mut events: Vec<Event> = drawn.iter().map(|d| event(*d, time, shift)).collect();
            if reversed {
                events.reverse();
            }
            all_measures().compute(&rows, &EventTable::new(events).unwrap()).unwrap()
        };
        let expected = matrix(0, false);
        for other in [matrix(shift, false), matrix(0, true)] {
            prop_assert_eq!(other.schema(), expected.schema());
            for column in 0..expected.n_columns() {
                let bits = |m: &PatientMatrix| m.view(column).to_vec().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(&other), bits(&expected));
            }
        }
    }

    #[test]
    fn counts_and_extremes_agree_with_a_plain_loop(
        drawn in prop::collection::vec((0_u8..3, 0_i64..30, 0_u8..3, prop::option::of(any::<i8>())), 0..60),
        time in 0_i64..32,
        back in 1_i64..32,
    ) {
        let events: Vec<Event> = drawn.iter().map(|d| event(*d, 0, 0)).collect();
        let mut distinct = drawn.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let seen: Vec<&Drawn> = distinct
            .iter()
            .filter(|(p, t, c, _)| *p == 1 && *t < time && *t >= time - back && *c % 3 != 2)
            .collect();
        let spec = |spec: FeatureSpec| one(spec.within(Span::days(back)), &[("p1", time)], &events)[0];
        let codes = || CodeMatcher::from(["x", "y*"]);
        prop_assert_eq!(spec(FeatureSpec::count(codes())), seen.len() as f64);
        let values = seen.iter().filter_map(|(_, _, _, v)| v.map(f64::from));
        let least = values.reduce(f64::min);
        let found = spec(FeatureSpec::min(codes()));
        prop_assert_eq!(least, (!found.is_nan()).then_some(found));
    }
}
