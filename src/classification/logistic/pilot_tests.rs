//! Fits that a pilot on part of the rows starts, against fits that none starts.

use linfa::traits::Fit;
use ndarray::{Array1, Array2};

use super::messages::{Answer, Ask};
use super::{LogisticLocal, LogisticPartial, LogisticQuestion, LogisticRegression, LogisticRounds};
use crate::error::Result;
use crate::estimator::rounds::{Memory, Source, TargetBatch, drive};
use crate::estimator::{Cohort, Control, RowsSource};
use crate::matrix::{Column, Feature, PatientMatrix};
use crate::numeric::parallel::CHUNK_ROWS;
use crate::numeric::stable::logistic;

const ROWS: usize = 9 * CHUNK_ROWS + 77;
const COLUMNS: usize = 3;

/// Numbers in 0..1 from a fixed recurrence.
fn uniform(state: &mut u64) -> f64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 11) as f64 / (1_u64 << 53) as f64
}

/// Rows of unequal scales and far means, and a target drawn from a logistic model.
fn table() -> (Array2<f64>, Vec<bool>) {
    let mut state = 7;
    let mut target = Vec::with_capacity(ROWS);
    let mut rows = Array2::zeros((ROWS, COLUMNS));
    for mut row in rows.rows_mut() {
        let z: Vec<f64> = (0..COLUMNS)
            .map(|_| 2.0 * uniform(&mut state) - 1.0)
            .collect();
        target.push(uniform(&mut state) < logistic(-1.5 + z[0] - 0.7 * z[1]));
        for (j, (slot, z)) in row.iter_mut().zip(z).enumerate() {
            *slot = 1e3 * j as f64 + 10_f64.powi(j as i32) * z;
        }
    }
    (rows, target)
}

fn as_matrix(rows: &Array2<f64>) -> PatientMatrix {
    let column = |j: usize| Column::dense(rows.column(j).to_vec()).unwrap();
    let columns = (0..COLUMNS).map(|j| (Feature::numeric(format!("x{j}")), column(j)));
    PatientMatrix::new(columns.collect()).unwrap()
}

/// The same with an offset of zero, which changes nothing but that no pilot runs.
fn without_pilot(rows: &Array2<f64>, target: &[bool], strength: f64) -> LogisticRegression<bool> {
    let zero = Column::dense(vec![0.0; target.len()]).unwrap();
    let matrix = as_matrix(rows)
        .with_column(Feature::numeric("zero"), zero)
        .unwrap();
    LogisticRegression::params()
        .strength(strength)
        .offset("zero")
        .fit(&Cohort::new(matrix, Array1::from(target.to_vec())))
        .unwrap()
}

fn close(a: &LogisticRegression<bool>, b: &LogisticRegression<bool>) {
    assert!(a.converged() && b.converged());
    for ((name, x), (_, y)) in a.coefficients().iter().zip(b.coefficients().iter()) {
        assert!((x - y).abs() <= 1e-8 * (1.0 + y.abs()), "{name}: {x} {y}");
    }
    assert!((a.deviance() / b.deviance() - 1.0).abs() < 1e-12);
    assert!((a.null_deviance() / b.null_deviance() - 1.0).abs() < 1e-12);
}

/// A source that writes down what is asked: whether of a pilot, and rows answered for.
struct Watched<'a>(Memory<'a, LogisticLocal>, Vec<(bool, u64)>);

impl Source<LogisticRounds> for Watched<'_> {
    fn ask(
        &mut self,
        rounds: &LogisticRounds,
        question: &LogisticQuestion,
    ) -> Result<LogisticPartial> {
        let partial = self.0.ask(rounds, question)?;
        if let (Ask::Sums(_, request), Answer::Sums(sums)) = (&question.0, &partial.0) {
            self.1.push((request.pilot, sums.rows));
        }
        Ok(partial)
    }
}

#[test]
fn a_pilot_changes_the_way_and_not_the_end() {
    let (rows, target) = table();
    for strength in [0.0, 1e-3] {
        let params = LogisticRegression::params().strength(strength);
        let cohort = linfa::Dataset::new(rows.clone(), Array1::from(target.clone()));
        let from_array = params.clone().fit(&cohort).unwrap();
        let cohort = Cohort::new(as_matrix(&rows), Array1::from(target.clone()));
        let from_matrix = params.fit(&cohort).unwrap();
        let plain = without_pilot(&rows, &target, strength);
        close(&from_array, &plain);
        close(&from_matrix, &plain);
    }
}

#[test]
fn a_pilot_reads_an_eighth_and_spares_passes() {
    let (rows, target) = table();
    let codes: Vec<u32> = target.iter().map(|event| u32::from(*event)).collect();
    let labels = ["false".to_string(), "true".to_string()];
    let mut rounds = {
        use linfa::ParamGuard;
        let params = LogisticRegression::params().strength(1e-3).tolerance(1e-6);
        let schema = as_matrix(&rows).schema().clone();
        params.check().unwrap().rounds(&schema).unwrap()
    };
    let classes = TargetBatch::Classes {
        codes: &codes,
        labels: &labels,
    };
    // Rounds made for other sources run none: a site would disclose sums over part of its rows.
    let ask = |rounds: &LogisticRounds| {
        let memory = Memory::new(RowsSource::Array(rows.view()), classes, None);
        let mut watched = Watched(memory, Vec::new());
        drive(rounds, &mut watched, &Control::silent()).unwrap();
        watched
    };
    assert!(!rounds.pilot && ask(&rounds).1.iter().all(|(pilot, _)| !pilot));
    rounds.pilot = true;
    let watched = ask(&rounds);
    let (pilot, whole): (Vec<_>, Vec<_>) = watched.1.iter().partition(|(pilot, _)| *pilot);
    // The ragged last chunk answers whole.
    assert!(
        pilot
            .iter()
            .all(|(_, rows)| *rows == 9 * CHUNK_ROWS as u64 / 8 + 77)
    );
    assert!(whole.iter().all(|(_, rows)| *rows == ROWS as u64));
    assert!(!pilot.is_empty() && whole.len() <= 4, "{:?}", watched.1);
}

#[test]
fn rows_whose_first_part_misleads_are_fitted_all_the_same() {
    let (rows, mut target) = table();
    // No event where a pilot looks, but for the ragged end.
    for (row, event) in target.iter_mut().enumerate() {
        *event &= row % CHUNK_ROWS >= CHUNK_ROWS / 8;
    }
    let cohort = linfa::Dataset::new(rows.clone(), Array1::from(target.clone()));
    for strength in [0.0, 1e-3] {
        let model = LogisticRegression::params().strength(strength);
        close(
            &model.fit(&cohort).unwrap(),
            &without_pilot(&rows, &target, strength),
        );
    }
    // All events there.
    let target: Vec<bool> = (0..ROWS).map(|row| row % CHUNK_ROWS < 300).collect();
    let cohort = linfa::Dataset::new(rows.clone(), Array1::from(target.clone()));
    let model = LogisticRegression::params().strength(1e-3);
    close(
        &model.fit(&cohort).unwrap(),
        &without_pilot(&rows, &target, 1e-3),
    );
}

#[test]
fn gaps_weights_of_zero_and_layouts_keep_their_meaning() {
    let (rows, target) = table();
    let labels = Array1::from(target.clone());
    let params = LogisticRegression::params().strength(1e-3);
    let plain = params
        .clone()
        .fit(&linfa::Dataset::new(rows.clone(), labels.clone()))
        .unwrap();
    // The same rows by columns, and every second row of a table twice as long.
    let mut by_columns = Array2::zeros((COLUMNS, ROWS)).reversed_axes();
    by_columns.assign(&rows);
    let turned = params
        .clone()
        .fit(&linfa::Dataset::new(by_columns, labels.clone()))
        .unwrap();
    for ((_, a), (_, b)) in plain
        .coefficients()
        .iter()
        .zip(turned.coefficients().iter())
    {
        assert_eq!(a.to_bits(), b.to_bits());
    }
    // A gap in a row of weight zero is as if absent; one in a row that counts is imputed.
    let mut gap = rows.clone();
    gap[(5, 1)] = f64::NAN;
    let mut weights = Array1::ones(ROWS);
    weights[5] = 0.0;
    let ignored = linfa::Dataset::new(gap.clone(), labels.clone()).with_weights(weights.clone());
    let absent = linfa::Dataset::new(rows.clone(), labels.clone()).with_weights(weights);
    close(
        &params.clone().fit(&ignored).unwrap(),
        &params.clone().fit(&absent).unwrap(),
    );
    let imputed = params.fit(&linfa::Dataset::new(gap, labels)).unwrap();
    assert!(imputed.converged() && imputed.coefficients().len() == COLUMNS + 1);
}

#[test]
fn the_bits_do_not_depend_on_threads() {
    let (rows, target) = table();
    let cohort = linfa::Dataset::new(rows, Array1::from(target));
    let bits = |threads: usize| -> Vec<u64> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let model = pool
            .install(|| LogisticRegression::params().fit(&cohort))
            .unwrap();
        let coefficients = model.coefficients();
        coefficients
            .iter()
            .map(|(_, value)| value.to_bits())
            .collect()
    };
    let one = bits(1);
    for threads in [2, 3, 7] {
        assert_eq!(bits(threads), one);
    }
}
