use super::*;
use crate::association::{Alternative, PairCounts};
use crate::numeric::seed::{Stream, stream, uniform};

const USUAL: RecordModelParams = RecordModelParams {
    tolerance: 1e-9,
    max_iterations: 2_000,
};

/// Tables of patients with a propensity of their own; items are independent given the patient.
/// The last item copies the first in a share of the patients.
fn cohort(patients: usize, items: usize, copied: f64, stream: &mut Stream) -> Vec<Vec<bool>> {
    (0..patients)
        .map(|_| {
            let skew: f64 = (0..6).map(|_| uniform(stream)).sum::<f64>() - 3.0;
            let mut record: Vec<bool> = (0..items)
                .map(|item| {
                    let weight = -2.5 - (item % 7) as f64 * 0.25;
                    uniform(stream) < logistic(weight + 2.0 * skew)
                })
                .collect();
            if record[0] && uniform(stream) < copied {
                record[items - 1] = true;
            }
            record
        })
        .collect()
}

fn margins(table: &[Vec<bool>]) -> (Vec<u64>, Vec<u64>) {
    let lengths = table
        .iter()
        .map(|row| row.iter().filter(|has| **has).count() as u64)
        .collect();
    let counts = (0..table[0].len())
        .map(|item| table.iter().filter(|row| row[item]).count() as u64)
        .collect();
    (lengths, counts)
}

#[test]
fn long_records_make_no_comorbidity() {
    let table = cohort(2_000, 40, 0.5, &mut stream(8, 0));
    let (lengths, counts) = margins(&table);
    let model = RecordModel::fit(&lengths, &counts, &USUAL).unwrap();
    assert!(
        model.converged(),
        "{} after {}",
        model.gap(),
        model.n_iterations()
    );
    let (mut raw, mut adjusted, mut pairs) = (0, 0, 0);
    let mut planted = None;
    for a in 0..40 {
        for b in a + 1..40 {
            let both = table.iter().filter(|row| row[a] && row[b]).count() as u64;
            let plain = PairCounts::new(2_000, counts[a], counts[b], both).unwrap();
            let null = model.pair(a, b).unwrap();
            let p = null.upper_tail(both);
            if (a, b) == (0, 39) {
                planted = Some(p.p);
                continue;
            }
            pairs += 1;
            raw += usize::from(plain.fisher_p(Alternative::Greater) < 0.01);
            adjusted += usize::from(p.p < 0.01);
        }
    }
    // Of 779 pairs that are independent given the patient.
    assert!(raw * 2 > pairs, "the raw test finds {raw} of {pairs}");
    assert!(
        adjusted <= 20,
        "the adjusted test finds {adjusted} of {pairs}"
    );
    assert!(planted.unwrap() < 1e-6, "{planted:?}");
}

#[test]
fn z_is_standard_normal_without_relation() {
    let table = cohort(2_000, 150, 0.0, &mut stream(8, 5));
    let (lengths, counts) = margins(&table);
    let model = RecordModel::fit(&lengths, &counts, &USUAL).unwrap();
    let (mut found, mut large, mut small_tails) = (Vec::new(), 0, 0);
    for a in 0..40 {
        for b in a + 1..40 {
            let both = table.iter().filter(|row| row[a] && row[b]).count() as u64;
            let null = model.pair(a, b).unwrap();
            let z = null.z(both).unwrap();
            assert!(null.conditional_variance().unwrap() < null.variance());
            large += u32::from(z > 1.644_853_626_951_472_6);
            small_tails += u32::from(null.upper_tail(both).p < 0.05);
            found.push(z);
        }
    }
    let n = found.len() as f64;
    let mean = found.iter().sum::<f64>() / n;
    let sd = (found.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / n).sqrt();
    assert!(mean.abs() < 0.15 && (sd - 1.0).abs() < 0.1, "{mean} {sd}");
    // 780 pairs at 0.05: 39 expected, three standard errors 18; tails are stricter.
    assert!(
        (21..=57).contains(&large) && small_tails < large,
        "{large} {small_tails}"
    );
}

#[test]
fn margins_are_matched_patient_by_patient() {
    let table = cohort(300, 12, 0.0, &mut stream(9, 0));
    let (lengths, counts) = margins(&table);
    let model = RecordModel::fit(&lengths, &counts, &USUAL).unwrap();
    for (patient, length) in lengths.iter().enumerate() {
        let fitted: f64 = (0..12)
            .map(|item| model.probability(patient, item).unwrap())
            .sum();
        assert!((fitted - *length as f64).abs() < 1e-7);
    }
    for (item, count) in counts.iter().enumerate() {
        let fitted: f64 = (0..300)
            .map(|patient| model.probability(patient, item).unwrap())
            .sum();
        assert!((fitted - *count as f64).abs() < 1e-6);
    }
    // The pair's null is made of the same probabilities.
    let null = model.pair(2, 5).unwrap();
    let both =
        |patient| model.probability(patient, 2).unwrap() * model.probability(patient, 5).unwrap();
    let mean: f64 = (0..300).map(both).sum();
    let variance: f64 = (0..300)
        .map(|patient| both(patient) * (1.0 - both(patient)))
        .sum();
    assert!((null.expected() - mean).abs() < 1e-10);
    assert!((null.variance() - variance).abs() < 1e-10);
    let total = null.upper_tail(4).p + null.lower_tail(3).p;
    assert!((total - 1.0).abs() < 1e-12);
    assert_eq!(model.probability(300, 0), None);
}

#[test]
fn full_and_empty_margins_are_certain() {
    // Patient 0 has all, patient 3 none; item 2 is nobody's but patient 0's, item 0 of all others.
    let table = [
        [true, true, true, true],
        [true, false, false, true],
        [true, true, false, false],
        [false, false, false, false],
        [true, true, false, false],
    ];
    let table: Vec<Vec<bool>> = table.iter().map(|row| row.to_vec()).collect();
    let (lengths, counts) = margins(&table);
    let model = RecordModel::fit(&lengths, &counts, &USUAL).unwrap();
    for item in 0..4 {
        assert_eq!(model.probability(0, item), Some(1.0));
        assert_eq!(model.probability(3, item), Some(0.0));
    }
    // A universal item.
    let model = RecordModel::fit(&[1, 2, 2, 1], &[4, 1, 1], &USUAL).unwrap();
    for patient in 0..4 {
        assert_eq!(model.probability(patient, 0), Some(1.0));
    }
    assert!((model.pair(1, 2).unwrap().expected() - 0.5).abs() < 1e-6);
    assert_eq!(model.pair(0, 1).unwrap().adjusted_lift(1), Some(1.0));
    let none = RecordModel::fit(&[0, 0], &[0, 0], &USUAL).unwrap();
    assert_eq!(none.pair(0, 1).unwrap().adjusted_lift(0), None);
}

#[test]
fn equal_records_are_the_binomial_of_independence() {
    let model = RecordModel::fit(&[2; 50], &[40, 25, 20, 15], &USUAL).unwrap();
    let null = model.pair(0, 1).unwrap();
    assert!((null.expected() - 50.0 * 0.8 * 0.5).abs() < 1e-7);
    // Of fixed items' counts: the hypergeometric variance but for a factor 49/50.
    assert!((null.conditional_variance().unwrap() - 50.0 * 0.8 * 0.2 * 0.5 * 0.5).abs() < 1e-6);
    assert!((null.z(22).unwrap() - 2.0_f64.sqrt()).abs() < 1e-6);
    assert!(model.itemset(&[0, 1, 2]).unwrap().z(3).is_none());
    let expected = crate::numeric::special::binomial_upper(25, 50, 0.4);
    assert!((null.upper_tail(25).p / expected - 1.0).abs() < 1e-6);
}

#[test]
fn refusals() {
    let fit = |lengths: &[u64], counts: &[u64]| RecordModel::fit(lengths, counts, &USUAL);
    assert!(fit(&[], &[1]).is_err());
    assert!(fit(&[1], &[]).is_err());
    assert!(fit(&[1, 3], &[2, 2]).is_err());
    assert!(fit(&[2, 2], &[3, 1]).is_err());
    assert!(fit(&[1, 1], &[2, 1]).is_err());
    // A full record beside an item of nobody; a universal item beside an empty record.
    assert!(fit(&[2, 0], &[2, 0]).is_err());
    let one = fit(&[0, 2, 0], &[1, 1]).unwrap();
    assert_eq!(
        (one.probability(1, 1), one.probability(2, 1)),
        (Some(1.0), Some(0.0))
    );
    let tight = RecordModelParams {
        tolerance: 0.0,
        ..USUAL
    };
    assert!(RecordModel::fit(&[1], &[1], &tight).is_err());
    let model = fit(&[1, 1], &[1, 1]).unwrap();
    assert!(model.pair(0, 2).is_err() && model.pair(1, 1).is_err());
}
