//! Probabilities and labels of rows.

use linfa::traits::PredictInplace;
use ndarray::{Array1, Array2};

use super::model::RandomForest;
use crate::classification::trees::classes::need_event;
use crate::design::align::cut_sparse;
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::input::RowsAccess;
use crate::estimator::{ClassLabel, Classify, PredictRisk, Rows, RowsSource};
use crate::kernel::tree::model::Trees;

impl<L: ClassLabel> RandomForest<L> {
    /// Mean shares: of the modelled class in one column for two classes, else of all classes.
    fn means(&self, rows: RowsSource<'_>) -> Result<Vec<f64>> {
        let width = self.wire.binner.schema.len();
        let n_trees = self.n_trees() as f64;
        let many = self.wire.layout().many(rows.n_rows());
        let take = |values: &[f64]| {
            let mut means = many.scores(width, values);
            means.iter_mut().for_each(|sum| *sum /= n_trees);
            means
        };
        let chunks = match cut_sparse(rows) {
            Some(matrix) => self.for_values(RowsSource::Matrix(&matrix), |_, v| take(v)),
            None => self.for_values(rows, |_, values| take(values)),
        };
        Ok(chunks?.concat())
    }

    fn all(&self, rows: RowsSource<'_>) -> Result<Array2<f64>> {
        let means = self.means(rows)?;
        let n_classes = self.classes().len();
        let all = match self.modelled() {
            Some(modelled) => {
                let pair = |p: &f64| {
                    let mut pair = [1.0 - p; 2];
                    pair[modelled] = *p;
                    pair
                };
                means.iter().flat_map(pair).collect()
            }
            None => means,
        };
        Array2::from_shape_vec((rows.n_rows(), n_classes), all)
            .map_err(|error| Error::from(ErrorKind::Schema(error.to_string())))
    }

    fn label(&self, proba: &[f64]) -> &L {
        let mut best = self.modelled().unwrap_or(0);
        for (at, p) in proba.iter().enumerate() {
            if *p > proba[best] {
                best = at;
            }
        }
        &self.wire.classes[best]
    }
}

impl<L: ClassLabel> Classify for RandomForest<L> {
    fn predict_proba(&self, rows: &impl Rows) -> Result<Array2<f64>> {
        self.all(rows.source())
    }
}

impl<L: ClassLabel> PredictRisk for RandomForest<L> {
    fn predict_risk(&self, rows: &impl Rows) -> Result<Array1<f64>> {
        need_event(self.wire.event_named, "risk")?;
        Ok(self.means(rows.source())?.into())
    }
}

impl<R: Rows, L: ClassLabel> PredictInplace<R, Array1<L>> for RandomForest<L> {
    /// linfa's prediction of labels: the most probable class; of two at one half the modelled one, of
    /// more the first.
    ///
    /// # Panics
    /// Where [`Classify::predict_proba`] returns an error, as linfa's signature has none.
    fn predict_inplace<'a>(&'a self, rows: &'a R, labels: &mut Array1<L>) {
        let all = match self.all(rows.source()) {
            Ok(all) => all,
            Err(error) => panic!("predict: {error} (use predict_proba, which returns the error)"),
        };
        assert_eq!(
            all.nrows(),
            labels.len(),
            "predict: labels of another length than rows"
        );
        for (label, proba) in labels.iter_mut().zip(all.rows()) {
            if let Some(proba) = proba.as_slice() {
                *label = self.label(proba).clone();
            }
        }
    }

    fn default_target(&self, rows: &R) -> Array1<L> {
        Array1::default(rows.nsamples())
    }
}
