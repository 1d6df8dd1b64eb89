//! Medians and most frequent values: a fit with gaps equals the fit on a table filled by hand.

use std::collections::BTreeMap;

use galen::classification::LogisticRegression;
use galen::classification::logistic::LogisticRegressionParams;
use galen::design::{Impute, Preparation};
use galen::estimator::rounds::{Disclosure, OwnedBatch, OwnedTarget, Parties, Party};
use galen::estimator::{Cohort, Control, Fit, ParamGuard, PredictRisk};
use galen::matrix::{Binary, PatientMatrix};

use crate::Differences;

const ROWS: usize = 240;

/// A skewed count with gaps, a second one with other gaps, a column without, and events.
struct Table {
    columns: [Vec<f64>; 3],
    events: Vec<bool>,
    weights: Vec<f32>,
}

fn table() -> Table {
    let mut state = 12_345_u32;
    let mut unit = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1_u32 << 24)
    };
    let mut columns = [const { Vec::new() }; 3];
    let (mut events, mut weights) = (Vec::new(), Vec::new());
    for row in 0..ROWS {
        let visits = (12.0 * unit() * unit()).floor();
        let stay = (30.0 * unit().powi(3)).round() / 2.0;
        let age = 50.0 + 20.0 * unit();
        let eta = 0.25 * (visits - 3.0) - 0.1 * (stay - 3.0) + 0.05 * (age - 60.0);
        events.push(unit() < 1.0 / (1.0 + (-eta).exp()));
        weights.push([1.0, 0.0, 2.0, 3.0, 1.0][row % 5]);
        columns[0].push(if row % 7 == 3 { f64::NAN } else { visits });
        columns[1].push(if row % 11 == 5 { f64::NAN } else { stay });
        columns[2].push(age);
    }
    Table {
        columns,
        events,
        weights,
    }
}

/// Present values in order, each as often as its weight says.
fn expanded(values: &[f64], weights: Option<&[f32]>) -> Vec<f64> {
    let times = |row: usize| weights.map_or(1, |weights| weights[row] as usize);
    let mut all: Vec<f64> = (0..values.len())
        .filter(|row| !values[*row].is_nan())
        .flat_map(|row| std::iter::repeat_n(values[row], times(row)))
        .collect();
    all.sort_by(f64::total_cmp);
    all
}

fn by_hand(values: &[f64], weights: Option<&[f32]>, impute: Impute) -> f64 {
    let all = expanded(values, weights);
    if impute == Impute::Median {
        let n = all.len();
        return (all[(n - 1) / 2] + all[n / 2]) / 2.0;
    }
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    for value in &all {
        // Not negative: the order of the bits is that of the values.
        *counts.entry(value.to_bits()).or_default() += 1;
    }
    let most = *counts.values().max().expect("values");
    let first = counts.iter().find(|(_, count)| **count == most);
    f64::from_bits(*first.expect("values").0)
}

fn matrix(columns: Vec<(&str, Vec<f64>)>) -> PatientMatrix {
    PatientMatrix::from_columns(columns).expect("a matrix")
}

fn cohort(matrix: &PatientMatrix, table: &Table, weighted: bool) -> Cohort<Binary> {
    let target = Binary::from_flags("event", table.events.iter().copied());
    let cohort = Cohort::new(matrix.clone(), target);
    if weighted {
        cohort.with_weights(table.weights.clone().into())
    } else {
        cohort
    }
}

fn parameters(model: &LogisticRegression) -> Vec<f64> {
    let slopes = model.coefficients().into_iter().map(|(_, b)| b);
    [model.intercept()].into_iter().chain(slopes).collect()
}

fn over_parties(
    params: &LogisticRegressionParams,
    gappy: &PatientMatrix,
    table: &Table,
    weighted: bool,
    shards: usize,
) -> LogisticRegression {
    let valid = params.check_ref().expect("settings");
    let rounds = valid.rounds(gappy.schema()).expect("rounds");
    let batches: Vec<OwnedBatch> = (0..shards)
        .map(|shard| {
            let rows: Vec<usize> = (0..ROWS)
                .filter(|row| (row * row / 7 + row / 3) % shards == shard)
                .collect();
            let code = |row: &usize| u32::from(table.events[*row]);
            OwnedBatch {
                rows: gappy.select_rows(&rows).expect("rows"),
                target: OwnedTarget::Classes(
                    rows.iter().map(code).collect(),
                    vec!["false".into(), "true".into()],
                ),
                weights: weighted.then(|| {
                    let weight = |row: &usize| f64::from(table.weights[*row]);
                    rows.iter().map(weight).collect()
                }),
            }
        })
        .collect();
    let open = Disclosure {
        smallest_count: 1,
        numbers_per_row: f64::INFINITY,
    };
    let mut parties: Vec<_> = batches
        .iter()
        .map(|batch| Party::new(&rounds, batch, open).expect("a party"))
        .collect();
    type Link<'a> = Box<dyn FnMut(&[u8]) -> galen::Result<Vec<u8>> + 'a>;
    let links = parties
        .iter_mut()
        .map(|party| -> Link<'_> { Box::new(|question: &[u8]| party.respond(question)) })
        .collect();
    valid
        .fit_over(&rounds, &mut Parties::new(links), &Control::silent())
        .expect("a fit")
}

#[test]
fn gaps_are_filled_as_by_hand() {
    let table = table();
    let [visits, stay, age] = &table.columns;
    let gappy = matrix(vec![
        ("visits", visits.clone()),
        ("stay", stay.clone()),
        ("age", age.clone()),
    ]);
    let mut fills_seen = Vec::new();
    for impute in [Impute::Median, Impute::MostFrequent] {
        for weighted in [false, true] {
            let weights = weighted.then_some(&table.weights[..]);
            let fills = [visits, stay].map(|values| by_hand(values, weights, impute));
            let means = [visits, stay].map(|values| {
                let all = expanded(values, weights);
                all.iter().sum::<f64>() / all.len() as f64
            });
            // Otherwise the mean in their place would pass.
            assert!((fills[0] - means[0]).abs() > 0.2 && (fills[1] - means[1]).abs() > 0.2);
            fills_seen.push(fills);
            let filled = |values: &[f64], fill: f64| -> Vec<f64> {
                let one = |value: &f64| if value.is_nan() { fill } else { *value };
                values.iter().map(one).collect()
            };
            let marks = |values: &[f64]| -> Vec<f64> {
                let one = |value: &f64| f64::from(u8::from(value.is_nan()));
                values.iter().map(one).collect()
            };
            for marked in [false, true] {
                let mut columns = vec![("visits", filled(visits, fills[0]))];
                if marked {
                    columns.push(("visits gone", marks(visits)));
                }
                columns.push(("stay", filled(stay, fills[1])));
                if marked {
                    columns.push(("stay gone", marks(stay)));
                }
                columns.push(("age", age.clone()));
                let whole = matrix(columns);
                for strength in [0.0, 0.05] {
                    let plain = LogisticRegression::params().strength(strength);
                    let preparation = Preparation::default().impute(impute).indicators(marked);
                    let params = plain.clone().preparation(preparation);
                    let expected = plain
                        .fit(&cohort(&whole, &table, weighted))
                        .expect("by hand");
                    let found = params
                        .fit(&cohort(&gappy, &table, weighted))
                        .expect("with gaps");
                    let case = format!(
                        "{impute:?}, weights {weighted}, marks {marked}, strength {strength}"
                    );
                    let mut all = Differences::default();
                    let due = parameters(&expected);
                    all.all_relative("coefficients", &parameters(&found), &due, 1e-8);
                    all.all_absolute(
                        "risk",
                        &found.predict_risk(&gappy).expect("risk").to_vec(),
                        &expected.predict_risk(&whole).expect("risk").to_vec(),
                        1e-9,
                    );
                    let one = over_parties(&params, &gappy, &table, weighted, 1);
                    let four = over_parties(&params, &gappy, &table, weighted, 4);
                    let (one, four) = (parameters(&one), parameters(&four));
                    all.all_relative("one party", &one, &parameters(&found), 1e-9);
                    all.all_relative("four parties", &four, &one, 1e-9);
                    all.settle(&case);
                }
            }
        }
    }
    // Weights move the fill values, and the two rules differ: no case repeats another.
    assert!(fills_seen[0] != fills_seen[1] && fills_seen[2] != fills_seen[0]);
}
