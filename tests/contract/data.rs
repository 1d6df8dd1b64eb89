//! The data of the battery, from a fixed integer recurrence.
//!
//! B5 (survival) and B6 (transactions) come with the first estimators that read them.

use galen::matrix::PatientMatrix;
use ndarray::Array2;

use crate::subject::{Input, Task};

/// Numerical Recipes' 32-bit congruential recurrence; the upper bits are used.
pub struct Recurrence(u32);

impl Recurrence {
    pub fn new(start: u32) -> Self {
        Self(start)
    }

    /// In (0, 1).
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(self.0 >> 8) + 0.5) / f64::from(1_u32 << 24)
    }

    /// Mean 0, variance 1, bell-shaped.
    pub fn bell(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// A whole number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.unit() * n as f64) as usize
    }
}

/// Rows and a target of numbers (0 and 1 for classes).
#[derive(Clone)]
pub struct Data {
    pub x: Array2<f64>,
    pub y: Vec<f64>,
}

impl Data {
    pub fn matrix(&self) -> PatientMatrix {
        named(&self.x, &names(self.x.ncols()))
    }

    pub fn input(&self) -> Input<'_> {
        Input::Array(self.x.view())
    }

    pub fn rows(&self, rows: &[usize]) -> Self {
        Self {
            x: self.x.select(ndarray::Axis(0), rows),
            y: rows.iter().map(|row| self.y[*row]).collect(),
        }
    }
}

/// Names that do not follow the order of columns.
pub fn names(n: usize) -> Vec<String> {
    let words = ["sodium", "age", "lactate", "creatinine", "pulse", "bmi"];
    (0..n)
        .map(|j| match words.get(j) {
            Some(word) => (*word).to_string(),
            None => format!("lab_{j}"),
        })
        .collect()
}

pub fn named(x: &Array2<f64>, names: &[String]) -> PatientMatrix {
    let columns = names
        .iter()
        .zip(x.columns())
        .map(|(name, column)| (name.clone(), column.to_vec()));
    PatientMatrix::from_columns(columns).expect("finite or missing numbers")
}

/// B1: 60 x 4, three blobs; the last one is the event, five labels are turned over.
pub fn b1() -> Data {
    let mut data = b1_separable();
    for row in [3, 17, 25, 44, 58] {
        data.y[row] = 1.0 - data.y[row];
    }
    data
}

/// B1 with its own labels: a plane tells the event apart.
pub fn b1_separable() -> Data {
    let mut r = Recurrence::new(1);
    let centres = [
        [0.0, 0.0, 1.0, -2.0],
        [2.0, 3.0, 1.0, 0.0],
        [5.0, 1.0, -1.0, 3.0],
    ];
    let x = Array2::from_shape_fn((60, 4), |(row, column)| {
        centres[row % 3][column] + 0.8 * r.bell()
    });
    let y = (0..60).map(|row| f64::from(row % 3 == 2)).collect();
    Data { x, y }
}

/// B2: 50 x 3, a linear target with small noise.
pub fn b2() -> Data {
    let mut r = Recurrence::new(2);
    let x = Array2::from_shape_fn((50, 3), |_| r.bell());
    let y = x
        .rows()
        .into_iter()
        .map(|row| 1.0 + 2.0 * row[0] - 3.0 * row[1] + 0.5 * row[2] + 0.1 * r.bell())
        .collect();
    Data { x, y }
}

/// B3: 40 x 2 counts, as features.
pub fn b3(task: Task) -> Data {
    let mut r = Recurrence::new(3);
    let x = Array2::from_shape_fn((40, 2), |_| r.below(5) as f64);
    outcome(x, task, &[0.4, -0.3], &mut r)
}

/// B4: 30 x 1.
pub fn b4(task: Task) -> Data {
    let mut r = Recurrence::new(4);
    let x = Array2::from_shape_fn((30, 1), |_| 50.0 + 10.0 * r.bell());
    outcome(x, task, &[0.05], &mut r)
}

/// B7: 20,011 x 6, several chunks, the last one ragged.
pub fn b7(task: Task) -> Data {
    let mut r = Recurrence::new(7);
    let x = Array2::from_shape_fn((20_011, 6), |(_, column)| {
        column as f64 + (1.0 + column as f64) * r.bell()
    });
    outcome(x, task, &[0.5, -0.3, 0.1, 0.0, 0.05, -0.1], &mut r)
}

/// The data on which an estimator of a task is tried: B1 or B2.
pub fn base(task: Task) -> Data {
    match task {
        Task::Classify => b1(),
        Task::Regress => b2(),
    }
}

fn outcome(x: Array2<f64>, task: Task, slopes: &[f64], r: &mut Recurrence) -> Data {
    let means: Vec<f64> = x
        .columns()
        .into_iter()
        .map(|column| column.sum() / x.nrows() as f64)
        .collect();
    let y = x
        .rows()
        .into_iter()
        .map(|row| {
            let eta: f64 = (0..slopes.len())
                .map(|j| slopes[j] * (row[j] - means[j]))
                .sum();
            match task {
                Task::Classify => f64::from(r.unit() < 1.0 / (1.0 + (-eta).exp())),
                Task::Regress => eta + r.bell(),
            }
        })
        .collect();
    Data { x, y }
}

/// Row numbers in an order of their own.
pub fn shuffled(n: usize) -> Vec<usize> {
    let mut r = Recurrence::new(99);
    let mut rows: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        rows.swap(i, r.below(i + 1));
    }
    rows
}
