//! One number that a model says of every row, and how wrong it is.

use crate::error::{ErrorKind, Result};
use crate::estimator::{Classify, ModelHeader, PredictRisk, Regress, Rows};
use crate::numeric::stable::logit;

/// One number per row that is explained: [`RiskOf`], [`LogOddsOf`], [`ProbabilityOf`] or [`ValueOf`] a
/// model, or one of your own, for example a risk that is recalibrated after the model.
///
/// ```
/// use galen::estimator::Rows;
/// use galen::explain::Output;
///
/// /// A rule at the bedside, as far as it can see: each row counts alike.
/// struct Always(f64);
///
/// impl Output for Always {
///     fn label(&self) -> String {
///         "Risk".into()
///     }
///     fn numbers(&self, rows: &impl Rows) -> galen::Result<Vec<f64>> {
///         Ok(vec![self.0; rows.nsamples()])
///     }
/// }
/// ```
pub trait Output: Sync {
    /// What the number is, as it stands at an axis.
    fn label(&self) -> String;

    /// Names of the features that are read, where they are known; else all columns are taken to be.
    fn features(&self) -> Option<Vec<String>> {
        None
    }

    /// The number of every row.
    ///
    /// # Errors
    /// What the model refuses.
    fn numbers(&self, rows: &impl Rows) -> Result<Vec<f64>>;
}

/// The risk of the event of a model.
#[derive(Debug, Clone, Copy)]
pub struct RiskOf<'a, M>(
    /// The model.
    pub &'a M,
);

/// The log-odds of the event of a model: the scale on which linear terms and boosted trees add up.
#[derive(Debug, Clone, Copy)]
pub struct LogOddsOf<'a, M>(
    /// The model.
    pub &'a M,
);

/// The probability of one class of a classifier.
#[derive(Debug, Clone, Copy)]
pub struct ProbabilityOf<'a, M> {
    model: &'a M,
    class: usize,
}

/// The predicted value of a regression.
#[derive(Debug, Clone, Copy)]
pub struct ValueOf<'a, M>(
    /// The model.
    pub &'a M,
);

impl<'a, M: Classify> ProbabilityOf<'a, M> {
    /// Of the class of this name.
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] for a class that the model does not know.
    pub fn class(model: &'a M, class: &str) -> Result<Self> {
        let classes = &model.header().classes;
        match classes.iter().position(|known| known == class) {
            Some(class) => Ok(Self { model, class }),
            None => Err(ErrorKind::Parameter {
                estimator: "ProbabilityOf",
                name: "class",
                value: class.into(),
                rule: "a class of the model",
            }
            .into()),
        }
    }
}

fn features(header: &ModelHeader) -> Option<Vec<String>> {
    let features = header.schema.features().iter();
    (!header.positional).then(|| features.map(|feature| feature.name().into()).collect())
}

/// `Risk of death`; `Risk` where the event has no name of its own.
fn of_event(what: &str, header: &ModelHeader) -> String {
    match header.event.as_deref() {
        None | Some("true") => what.into(),
        Some(event) => format!("{what} of {event}"),
    }
}

impl<M: PredictRisk + Sync> Output for RiskOf<'_, M> {
    fn label(&self) -> String {
        of_event("Risk", self.0.header())
    }

    fn features(&self) -> Option<Vec<String>> {
        features(self.0.header())
    }

    fn numbers(&self, rows: &impl Rows) -> Result<Vec<f64>> {
        Ok(self.0.predict_risk(rows)?.to_vec())
    }
}

impl<M: PredictRisk + Sync> Output for LogOddsOf<'_, M> {
    fn label(&self) -> String {
        of_event("Log-odds", self.0.header())
    }

    fn features(&self) -> Option<Vec<String>> {
        features(self.0.header())
    }

    fn numbers(&self, rows: &impl Rows) -> Result<Vec<f64>> {
        let risk = self.0.predict_risk(rows)?;
        let numbers: Vec<f64> = risk.iter().map(|risk| logit(*risk)).collect();
        if numbers.iter().all(|number| number.is_finite()) {
            return Ok(numbers);
        }
        Err(ErrorKind::Undefined {
            what: "log-odds",
            reason: "a risk is 0 or 1; explain the risk itself",
        }
        .into())
    }
}

impl<M: Classify + Sync> Output for ProbabilityOf<'_, M> {
    fn label(&self) -> String {
        format!("Probability of {}", self.model.header().classes[self.class])
    }

    fn features(&self) -> Option<Vec<String>> {
        features(self.model.header())
    }

    fn numbers(&self, rows: &impl Rows) -> Result<Vec<f64>> {
        Ok(self.model.predict_proba(rows)?.column(self.class).to_vec())
    }
}

impl<M: Regress + Sync> Output for ValueOf<'_, M> {
    fn label(&self) -> String {
        "Predicted value".into()
    }

    fn features(&self) -> Option<Vec<String>> {
        features(self.0.header())
    }

    fn numbers(&self, rows: &impl Rows) -> Result<Vec<f64>> {
        Ok(self.0.try_predict(rows)?.to_vec())
    }
}

/// The numbers of an output, one a row and finite.
pub(super) fn numbers(output: &impl Output, rows: &impl Rows) -> Result<Vec<f64>> {
    let found = output.numbers(rows)?;
    if found.len() != rows.nsamples() {
        return Err(ErrorKind::LengthMismatch {
            what: "numbers of an output",
            expected: rows.nsamples(),
            found: found.len(),
        }
        .into());
    }
    match found.iter().position(|number| !number.is_finite()) {
        None => Ok(found),
        row => Err(ErrorKind::NonFinite {
            what: "numbers of an output",
            row,
            column: None,
            rule: "finite numbers",
        }
        .into()),
    }
}

/// Log loss of one row, natural logarithm; a risk of 0 or 1 is moved 1e-15 away from it.
pub fn log_loss_of_row(event: &bool, risk: f64) -> f64 {
    let risk = risk.clamp(1e-15, 1.0 - 1e-15);
    if *event {
        -libm::log(risk)
    } else {
        -libm::log1p(-risk)
    }
}

/// Brier score of one row.
pub fn brier_of_row(event: &bool, risk: f64) -> f64 {
    (f64::from(u8::from(*event)) - risk).powi(2)
}

/// Squared error of one row.
pub fn squared_error_of_row(truth: &f64, predicted: f64) -> f64 {
    (truth - predicted).powi(2)
}

/// Absolute error of one row.
pub fn absolute_error_of_row(truth: &f64, predicted: f64) -> f64 {
    (truth - predicted).abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array2, Axis, array};

    /// Two classes; the risk is the first column.
    struct Known(ModelHeader);

    impl crate::estimator::Model for Known {
        fn header(&self) -> &ModelHeader {
            &self.0
        }
    }

    impl Classify for Known {
        fn predict_proba(&self, rows: &impl Rows) -> Result<Array2<f64>> {
            let risk = self.predict_risk(rows)?.insert_axis(Axis(1));
            Ok(ndarray::concatenate![Axis(1), risk.mapv(|p| 1.0 - p), risk])
        }
    }

    impl PredictRisk for Known {
        fn predict_risk(&self, rows: &impl Rows) -> Result<Array1<f64>> {
            use crate::estimator::input::RowsAccess;
            match rows.source() {
                crate::estimator::RowsSource::Array(rows) => Ok(rows.column(0).to_owned()),
                _ => Err(ErrorKind::Schema("an array".into()).into()),
            }
        }
    }

    impl Regress for Known {
        fn try_predict(&self, rows: &impl Rows) -> Result<Array1<f64>> {
            Ok(self.predict_risk(rows)? * 10.0)
        }
    }

    fn known(event: Option<&str>) -> Known {
        let schema = crate::estimator::Schema::new(vec![]).unwrap();
        let mut header = ModelHeader::new("Known", schema, true);
        header.classes = vec!["alive".into(), "dead".into()];
        header.event = event.map(Into::into);
        Known(header)
    }

    #[test]
    fn outputs_are_those_of_the_model() {
        let model = known(Some("dead"));
        let rows = array![[0.25], [0.5]];
        assert_eq!(RiskOf(&model).numbers(&rows).unwrap(), [0.25, 0.5]);
        assert_eq!(RiskOf(&model).label(), "Risk of dead");
        assert_eq!(RiskOf(&known(Some("true"))).label(), "Risk");
        let odds = LogOddsOf(&model).numbers(&rows).unwrap();
        assert!((odds[0] + 3.0_f64.ln()).abs() < 1e-15 && odds[1] == 0.0);
        let error = LogOddsOf(&model).numbers(&array![[1.0]]).unwrap_err();
        assert!(error.to_string().contains("a risk is 0 or 1"), "{error}");
        let alive = ProbabilityOf::class(&model, "alive").unwrap();
        assert_eq!(alive.numbers(&rows).unwrap(), [0.75, 0.5]);
        assert_eq!(alive.label(), "Probability of alive");
        assert!(ProbabilityOf::class(&model, "lost").is_err());
        assert_eq!(ValueOf(&model).numbers(&rows).unwrap(), [2.5, 5.0]);
        assert_eq!(ValueOf(&model).features(), None, "by position");
        assert!(numbers(&RiskOf(&model), &array![[f64::NAN]]).is_err());
    }

    #[test]
    fn losses_by_hand() {
        assert!((log_loss_of_row(&true, 0.25) - 4.0_f64.ln()).abs() < 1e-15);
        assert!((log_loss_of_row(&false, 0.25) - (4.0_f64 / 3.0).ln()).abs() < 1e-15);
        assert!((log_loss_of_row(&true, 0.0) - 1e15_f64.ln()).abs() < 1e-9);
        assert!(log_loss_of_row(&false, 1.0) < 35.0);
        assert_eq!(brier_of_row(&true, 0.25), 0.5625);
        assert_eq!(squared_error_of_row(&1.0, 3.0), 4.0);
        assert_eq!(absolute_error_of_row(&1.0, 3.0), 2.0);
    }
}
