//! Scores, probabilities and labels of rows.

use std::ops::Range;

use linfa::traits::PredictInplace;
use ndarray::{Array1, Array2, Array3};

use super::model::GradientBoosting;
use crate::classification::trees::classes::need_event;
use crate::design::align::cut_sparse;
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::input::RowsAccess;
use crate::estimator::{ClassLabel, Classify, PredictRisk, Rows, RowsSource};
use crate::numeric::stable::logistic;

impl<L: ClassLabel> GradientBoosting<L> {
    /// Raw scores (rows x outputs): the log-odds of the modelled class in one column where there are
    /// two classes, else a column for every class, whose softmax are the probabilities.
    ///
    /// # Errors
    /// As [`Classify::predict_proba`].
    pub fn decision(&self, rows: &impl Rows) -> Result<Array2<f64>> {
        self.raw(rows.source())
    }

    /// Risk of the event after every iteration (rows x iterations); the last column is
    /// [`PredictRisk::predict_risk`]. Takes 8 bytes a cell.
    ///
    /// # Errors
    /// As [`PredictRisk::predict_risk`].
    pub fn staged_risk(&self, rows: &impl Rows) -> Result<Array2<f64>> {
        self.check_event("staged risk")?;
        let staged = self.staged(rows.source(), 1, |scores, out| {
            for (slot, score) in out.iter_mut().zip(scores) {
                *slot = logistic(*score);
            }
        })?;
        Ok(staged.index_axis_move(ndarray::Axis(2), 0))
    }

    /// Probability of every class after every iteration (rows x iterations x classes). Takes 8 bytes
    /// a cell.
    ///
    /// # Errors
    /// As [`Classify::predict_proba`].
    pub fn staged_proba(&self, rows: &impl Rows) -> Result<Array3<f64>> {
        let n_classes = self.classes().len();
        self.staged(rows.source(), n_classes, |scores, out| {
            self.probabilities(scores, out);
        })
    }

    pub(super) fn check_event(&self, what: &'static str) -> Result<()> {
        need_event(self.wire.event_named, what)
    }

    fn raw(&self, rows: RowsSource<'_>) -> Result<Array2<f64>> {
        let width = self.wire.binner.schema.len();
        let many = self.wire.layout().many(rows.n_rows());
        let chunks = self.over(rows, |_, values| many.scores(width, values))?;
        shaped(Array2::from_shape_vec(
            (rows.n_rows(), self.n_outputs()),
            chunks.concat(),
        ))
    }

    /// `take` sees row-major values of chunks of rows; results in row order.
    fn over<T: Send>(
        &self,
        rows: RowsSource<'_>,
        take: impl Fn(Range<usize>, &[f64]) -> T + Sync + Send,
    ) -> Result<Vec<T>> {
        match cut_sparse(rows) {
            Some(matrix) => self
                .wire
                .binner
                .for_values(RowsSource::Matrix(&matrix), take),
            None => self.wire.binner.for_values(rows, take),
        }
    }

    /// `read` turns the scores of a row into `depth` numbers.
    fn staged(
        &self,
        rows: RowsSource<'_>,
        depth: usize,
        read: impl Fn(&[f64], &mut [f64]) + Sync + Send,
    ) -> Result<Array3<f64>> {
        let width = self.wire.binner.schema.len();
        let (n_iterations, n_outputs) = (self.n_iterations(), self.n_outputs());
        let chunks = self.over(rows, |range, values| {
            let mut all = vec![0.0; range.len() * n_iterations * depth];
            self.wire
                .layout()
                .staged(width, values, |first, iteration, scores| {
                    for (row, scores) in scores.chunks(n_outputs).enumerate() {
                        let at = ((first + row) * n_iterations + iteration) * depth;
                        read(scores, &mut all[at..at + depth]);
                    }
                });
            all
        })?;
        shaped(Array3::from_shape_vec(
            (rows.n_rows(), n_iterations, depth),
            chunks.concat(),
        ))
    }

    /// Probabilities of the classes from the raw scores of a row.
    pub(super) fn probabilities(&self, scores: &[f64], out: &mut [f64]) {
        match (self.modelled(), scores) {
            (Some(modelled), [score]) => {
                out[modelled] = logistic(*score);
                out[1 - modelled] = logistic(-*score);
            }
            _ => softmax(scores, out),
        }
    }

    fn label(&self, scores: &[f64]) -> &L {
        let class = match (self.modelled(), scores) {
            (Some(modelled), [score]) if *score >= 0.0 => modelled,
            (Some(modelled), _) => 1 - modelled,
            (None, _) => largest(scores),
        };
        &self.wire.classes[class]
    }
}

fn shaped<A>(array: std::result::Result<A, ndarray::ShapeError>) -> Result<A> {
    array.map_err(|error| Error::from(ErrorKind::Schema(error.to_string())))
}

/// Position of the largest score, the first of equal ones.
fn largest(scores: &[f64]) -> usize {
    let mut best = 0;
    for (at, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = at;
        }
    }
    best
}

fn softmax(scores: &[f64], out: &mut [f64]) {
    let top = scores
        .iter()
        .fold(f64::NEG_INFINITY, |m, score| m.max(*score));
    let mut sum = 0.0;
    for (slot, score) in out.iter_mut().zip(scores) {
        *slot = libm::exp(score - top);
        sum += *slot;
    }
    out.iter_mut().for_each(|p| *p /= sum);
}

impl<L: ClassLabel> Classify for GradientBoosting<L> {
    fn predict_proba(&self, rows: &impl Rows) -> Result<Array2<f64>> {
        let scores = self.raw(rows.source())?;
        let mut out = Array2::zeros((scores.nrows(), self.classes().len()));
        let mut buffer = vec![0.0; self.classes().len()];
        for (mut row, scores) in out.rows_mut().into_iter().zip(scores.rows()) {
            if let Some(scores) = scores.as_slice() {
                self.probabilities(scores, &mut buffer);
            }
            for (slot, p) in row.iter_mut().zip(&buffer) {
                *slot = *p;
            }
        }
        Ok(out)
    }
}

impl<L: ClassLabel> PredictRisk for GradientBoosting<L> {
    fn predict_risk(&self, rows: &impl Rows) -> Result<Array1<f64>> {
        self.check_event("risk")?;
        let scores = self.raw(rows.source())?;
        Ok(scores.iter().map(|score| logistic(*score)).collect())
    }
}

impl<R: Rows, L: ClassLabel> PredictInplace<R, Array1<L>> for GradientBoosting<L> {
    /// linfa's prediction of labels: the most probable class; of two at one half the modelled one, of
    /// more the first.
    ///
    /// # Panics
    /// Where [`Classify::predict_proba`] returns an error, as linfa's signature has none.
    fn predict_inplace<'a>(&'a self, rows: &'a R, labels: &mut Array1<L>) {
        let scores = match self.raw(rows.source()) {
            Ok(scores) => scores,
            Err(error) => panic!("predict: {error} (use predict_proba, which returns the error)"),
        };
        assert_eq!(
            scores.nrows(),
            labels.len(),
            "predict: labels of another length than rows"
        );
        for (label, scores) in labels.iter_mut().zip(scores.rows()) {
            if let Some(scores) = scores.as_slice() {
                *label = self.label(scores).clone();
            }
        }
    }

    fn default_target(&self, rows: &R) -> Array1<L> {
        Array1::default(rows.nsamples())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_holds_at_any_size() {
        let mut out = [0.0; 3];
        softmax(&[0.0, 0.0, 0.0], &mut out);
        assert_eq!(out, [1.0 / 3.0; 3]);
        softmax(&[1e300, -1e300, 1e300], &mut out);
        assert_eq!(out, [0.5, 0.0, 0.5]);
        softmax(&[f64::ln(1.0), f64::ln(2.0), f64::ln(5.0)], &mut out);
        for (p, expected) in out.iter().zip([0.125, 0.25, 0.625]) {
            assert!((p - expected).abs() < 1e-15);
        }
        assert_eq!(largest(&[1.0, 3.0, 3.0]), 1);
    }
}
