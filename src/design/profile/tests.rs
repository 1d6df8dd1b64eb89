//! Descriptions against direct computation, over shards and threads, and with small cells hidden.

use super::*;
use crate::error::ErrorKind;
use crate::estimator::rounds::{Disclosure, OwnedBatch, OwnedTarget, Parties, Party, Stream};
use crate::matrix::Column;
use crate::numeric::seed;

fn cohort(n: usize) -> PatientMatrix {
    let mut stream = seed::stream(5, 0);
    let lab: Vec<f64> = (0..n)
        .map(|_| match seed::uniform(&mut stream) {
            u if u < 0.1 => f64::NAN,
            u if u < 0.2 => 0.0,
            u => 1e6 + (u - 0.5) * 1e3,
        })
        .collect();
    let stays = (0..n)
        .filter(|row| row % 9 == 0)
        .map(|row| (row, (row % 4) as f64))
        .collect();
    let ward = (0..n).map(|row| match row % 16 {
        0 => None,
        1 => Some("b".to_string()),
        2..6 => Some("a".to_string()),
        _ => Some(format!("w{}", row % 40)),
    });
    PatientMatrix::new(vec![
        (
            Feature::numeric("lab").unit("U/L"),
            Column::dense(lab).unwrap(),
        ),
        (Feature::count("stays"), Column::sparse(n, stays).unwrap()),
        (Feature::category("ward"), Column::categorical(ward)),
        (
            Feature::numeric("none"),
            Column::dense(vec![f64::NAN; n]).unwrap(),
        ),
    ])
    .unwrap()
}

fn shards(matrix: &PatientMatrix, n: usize) -> Vec<OwnedBatch> {
    (0..n)
        .map(|shard| {
            let rows: Vec<usize> = (0..matrix.n_rows())
                .filter(|row| row % n == shard)
                .collect();
            OwnedBatch {
                rows: matrix.select_rows(&rows).unwrap(),
                target: OwnedTarget::None,
                weights: None,
            }
        })
        .collect()
}

#[test]
fn numbers_equal_direct_computation() {
    let matrix = cohort(5000);
    let description = Description::with_extremes(&matrix).unwrap();
    let lab = description.feature("lab").unwrap();
    let mut values = matrix.view(0).to_vec();
    let missing = values.iter().filter(|value| value.is_nan()).count() as u64;
    values.retain(|value| !value.is_nan());
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let numbers = lab.numbers().unwrap();
    assert_eq!(lab.missing, Cell::Count(missing));
    assert_eq!(
        numbers.zeros.count().unwrap() as usize,
        values.iter().filter(|value| **value == 0.0).count()
    );
    assert_eq!(
        numbers.zeros.count().unwrap() + numbers.others.count().unwrap() + missing,
        5000
    );
    assert!((numbers.mean.unwrap() / mean - 1.0).abs() < 1e-12);
    assert!((numbers.sd.unwrap() / sd - 1.0).abs() < 1e-12);
    assert_eq!(numbers.min, values.first().copied());
    assert_eq!(numbers.max, values.last().copied());
    for quantile in &numbers.quantiles {
        let place = (values.len() - 1) * quantile.percent as usize;
        let (low, high) = (values[place / 100], values[place / 100 + 1]);
        let expected = low + (place % 100) as f64 / 100.0 * (high - low);
        assert!((quantile.value - expected).abs() <= 1e-15 * high.abs());
        assert!((low..=high).contains(&quantile.value));
    }
    assert_eq!(numbers.quantiles.len(), 7);
    let none = description.feature("none").unwrap();
    assert_eq!(none.missing, Cell::Count(5000));
    assert_eq!(
        none.numbers().unwrap(),
        &NumberProfile::default(),
        "no value, no number"
    );
    let ward = description.feature("ward").unwrap().levels().unwrap();
    assert_eq!(
        (ward.levels.len(), ward.levels[0].level.as_str()),
        (10, "a")
    );
    // w0 to w39, a and b.
    assert_eq!(ward.n_levels, Some(42));
    let listed: u64 = ward.levels.iter().filter_map(|l| l.rows.count()).sum();
    assert_eq!(listed + ward.other.count().unwrap(), 5000 - 313);
    assert!(description.feature("age").is_err());
}

#[test]
fn shards_agree_and_empty_ones_change_nothing() {
    let matrix = cohort(900);
    let whole = matrix.describe().unwrap();
    let profile = Profile::new(matrix.schema());
    for n in [1, 4, 64] {
        let mut batches = shards(&matrix, n);
        batches.push(OwnedBatch {
            rows: matrix.select_rows(&[]).unwrap(),
            target: OwnedTarget::None,
            // Weights are not used.
            weights: Some(Vec::new()),
        });
        // Nothing but bytes passes between the sites.
        let open = Disclosure {
            smallest_count: 0,
            numbers_per_row: f64::INFINITY,
        };
        let links = batches.iter().map(|batch| {
            let mut party = Party::new(&profile, batch, open).unwrap();
            Box::new(move |question: &[u8]| party.respond(question))
                as Box<dyn FnMut(&[u8]) -> Result<Vec<u8>>>
        });
        let mut parties = Parties::new(links.collect());
        let found = profile
            .describe_over(&mut parties, &Control::silent())
            .unwrap();
        let mut close = found.clone();
        for (feature, expected) in close.features.iter_mut().zip(&whole.features) {
            let (Values::Numbers(a), Values::Numbers(b)) = (&mut feature.values, &expected.values)
            else {
                continue;
            };
            for (a, b) in [(&mut a.mean, b.mean), (&mut a.sd, b.sd)] {
                let gap = a
                    .zip(b)
                    .map_or(0.0, |(a, b)| (a - b).abs() / b.abs().max(1.0));
                assert!(gap < 1e-9);
                *a = b;
            }
        }
        assert_eq!(close, whole, "{n} shards");
    }
}

#[test]
fn any_thread_count_gives_the_same_bits() {
    let matrix = cohort(20_000);
    let json = || serde_json::to_string(&matrix.describe().unwrap()).unwrap();
    let expected = json();
    for threads in [1, 2, 7] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        assert_eq!(pool.build().unwrap().install(json), expected);
    }
    let back: Description = serde_json::from_str(&expected).unwrap();
    assert_eq!(back, matrix.describe().unwrap());
}

#[test]
fn disclosure_allows_sums_and_refuses_cells() {
    let matrix = cohort(4000).select(&["lab", "stays"]).unwrap();
    let batch = &shards(&matrix, 1)[0];
    let ask = |profile: &Profile| {
        let mut party = Party::new(profile, batch, Disclosure::default()).unwrap();
        let link = Box::new(|question: &[u8]| party.respond(question));
        profile.describe_over(&mut Parties::new(vec![link]), &Control::silent())
    };
    let profile = Profile::new(matrix.schema());
    let error = ask(&profile).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Disclosure(_)), "{error}");
    let told = ask(&profile.quantiles(false)).unwrap();
    let lab = told.feature("lab").unwrap().numbers().unwrap();
    assert!(lab.mean.is_some() && lab.quantiles.is_empty());
}

#[test]
fn shards_of_another_schema_are_refused() {
    let matrix = cohort(40);
    let other = PatientMatrix::from_columns([("lab", vec![1.0])]).unwrap();
    let mut batches = shards(&matrix, 2);
    batches[1].rows = other;
    batches[1].target = OwnedTarget::None;
    let profile = Profile::new(matrix.schema());
    let mut stream = Stream::new(|| batches.iter().cloned().map(Ok));
    let error = profile
        .describe_over(&mut stream, &Control::silent())
        .unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::FeatureMismatch { .. } | ErrorKind::FeatureNames { .. }
    ));
    let mut nothing = Stream::new(std::iter::empty::<Result<OwnedBatch>>);
    assert!(
        profile
            .describe_over(&mut nothing, &Control::silent())
            .is_err()
    );
    let empty = matrix.select_rows(&[]).unwrap().describe().unwrap();
    assert_eq!(empty.rows, Cell::Count(0));
}

#[test]
fn a_small_table_prints_as_expected() {
    let matrix = PatientMatrix::new(vec![
        (
            Feature::numeric("creatinine").unit("mg/dL"),
            Column::dense(vec![0.0, 1.5, 2.25, f64::NAN]).unwrap(),
        ),
        (
            Feature::category("ward"),
            Column::categorical([Some("icu"), None, Some("er"), Some("icu")]),
        ),
    ])
    .unwrap();
    let profile = Profile::new(matrix.schema()).levels(1).extremes(true);
    let description = in_memory(&profile, &matrix).unwrap();
    let expected = "\
4 rows, 2 features

feature     kind     unit   missing  zeros  mean      sd  min    1%    5%   25%  50%    75%    95%     99%   max
creatinine  numeric  mg/dL        1      1  1.25  1.1456    0  0.03  0.15  0.75  1.5  1.875  2.175   2.235  2.25

feature  kind      level             rows
ward     category  icu                  2
                   (other levels: 1)     1
                   (missing)            1
";
    let printed = description.to_string();
    let squeeze = |text: &str| -> Vec<String> {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(words).collect()
    };
    assert_eq!(squeeze(&printed), squeeze(expected));
    let widths: Vec<usize> = printed.lines().map(|line| line.chars().count()).collect();
    assert_eq!(widths[2], widths[3], "columns are aligned:\n{printed}");
    assert_eq!(widths[5], widths[6]);
}

#[test]
fn small_cells_are_hidden_everywhere() {
    let n = 200;
    let matrix = PatientMatrix::new(vec![
        (
            Feature::flag("dialysis"),
            Column::sparse(n, vec![(3, 1.0), (7, 1.0)]).unwrap(),
        ),
        (
            Feature::numeric("lab"),
            Column::dense(
                (0..n)
                    .map(|row| if row < 5 { f64::NAN } else { row as f64 })
                    .collect::<Vec<_>>(),
            )
            .unwrap(),
        ),
        (
            Feature::numeric("few"),
            Column::dense(
                (0..n)
                    .map(|row| if row < 8 { 1.5 * row as f64 } else { f64::NAN })
                    .collect::<Vec<_>>(),
            )
            .unwrap(),
        ),
        (
            Feature::category("ward"),
            Column::categorical((0..n).map(|row| match row {
                0..100 => Some("a"),
                100..190 => Some("b"),
                190..196 => Some("c"),
                _ => Some("d"),
            })),
        ),
    ])
    .unwrap();
    let open = Description::with_extremes(&matrix).unwrap();
    assert!(open.suppress_below(1).is_err());
    let hidden = open.suppress_below(11).unwrap();
    let flag = hidden.feature("dialysis").unwrap();
    let numbers = flag.numbers().unwrap();
    assert_eq!(
        (flag.missing, numbers.zeros, numbers.others),
        (Cell::Count(0), Cell::Hidden, Cell::Below(11))
    );
    assert_eq!((numbers.mean, numbers.sd), (None, None), "2 of 200 = 0.01");
    let lab = hidden.feature("lab").unwrap();
    let numbers = lab.numbers().unwrap();
    assert_eq!(
        (lab.missing, numbers.others),
        (Cell::Below(11), Cell::Hidden)
    );
    assert!(numbers.mean.is_some());
    assert_eq!((numbers.min, numbers.max), (None, None));
    let told: Vec<u32> = numbers.quantiles.iter().map(|q| q.percent).collect();
    assert_eq!(told, [25, 50, 75], "5% of 195 are 9 rows");
    let few = hidden.feature("few").unwrap().numbers().unwrap();
    assert!(few.mean.is_none() && few.quantiles.is_empty());
    let ward = hidden.feature("ward").unwrap().levels().unwrap();
    assert_eq!(ward.n_levels, None);
    assert_eq!(ward.levels.len(), 2, "c and d lose their names");
    assert_eq!(
        (ward.levels[0].rows, ward.levels[1].rows, ward.other),
        (Cell::Count(100), Cell::Hidden, Cell::Below(11))
    );
    let printed = hidden.to_string();
    assert!(printed.contains("<11") && printed.contains("hidden"));
    // Hiding again changes nothing that was told.
    assert_eq!(hidden.suppress_below(11).unwrap().rows, Cell::Count(200));
    let tiny = matrix.select_rows(&[1, 2, 3]).unwrap().describe().unwrap();
    let tiny = tiny.suppress_below(11).unwrap();
    assert_eq!(tiny.rows, Cell::Below(11));
    assert_eq!(tiny.feature("lab").unwrap().missing, Cell::Hidden);
    assert_eq!(tiny.feature("lab").unwrap().numbers().unwrap().mean, None);
    assert!(!tiny.to_string().contains('3'));
}

#[test]
fn a_sparse_column_is_told_as_the_same_values_stored_densely() {
    let n = 9_000;
    let value = |row: usize| ((row % 23) as f64 - 9.0) / 4.0;
    let entries: Vec<(usize, f64)> = (0..n)
        .filter(|row| row % 3 == 0)
        .map(|row| (row, value(row)))
        .collect();
    let mut values = vec![0.0; n];
    for (row, value) in &entries {
        values[*row] = *value;
    }
    let matrix = PatientMatrix::new(vec![
        (
            Feature::numeric("sparse"),
            Column::sparse(n, entries).unwrap(),
        ),
        (Feature::numeric("dense"), Column::dense(values).unwrap()),
    ])
    .unwrap();
    let some: Vec<usize> = (0..n).rev().step_by(2).chain([3, 3, 0]).collect();
    for rows in [matrix.clone(), matrix.select_rows(&some).unwrap()] {
        let told = Description::with_extremes(&rows).unwrap();
        let of = |name: &str| told.feature(name).unwrap().numbers().unwrap();
        let (sparse, dense) = (of("sparse"), of("dense"));
        assert_eq!(sparse.quantiles, dense.quantiles);
        assert_eq!((sparse.zeros, sparse.others), (dense.zeros, dense.others));
        assert_eq!((sparse.min, sparse.max), (Some(-2.25), Some(3.25)));
        assert_eq!((dense.min, dense.max), (Some(-2.25), Some(3.25)));
        assert!((sparse.mean.unwrap() - dense.mean.unwrap()).abs() < 1e-14);
        assert!((sparse.sd.unwrap() - dense.sd.unwrap()).abs() < 1e-14);
    }
}
