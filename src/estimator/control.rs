//! Progress out, cancellation in.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::error::{ErrorKind, Result};

type Report = Arc<dyn Fn(&Progress) + Send + Sync>;

/// What a fit is doing; sent once per round, tree or fold, never per row.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// What is counted, for example `round` or `fold`.
    pub stage: &'static str,
    /// How many are done.
    pub done: usize,
    /// How many there will be, where that is known.
    pub total: Option<usize>,
}

/// Listens to a fit and can stop it.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::AtomicBool;
/// use galen::estimator::Control;
///
/// let stop = Arc::new(AtomicBool::new(true));
/// assert!(Control::silent().stop_when(Arc::clone(&stop)).check().is_err());
/// ```
#[derive(Clone, Default)]
pub struct Control {
    report: Option<Report>,
    stop: Option<Arc<AtomicBool>>,
    deadline: Option<Instant>,
}

impl Control {
    /// Neither listens nor stops.
    pub fn silent() -> Self {
        Self::default()
    }

    /// Calls `report` once per outer step.
    #[must_use]
    pub fn on_progress(mut self, report: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.report = Some(Arc::new(report));
        self
    }

    /// Stops within one outer step after `stop` was set to true.
    #[must_use]
    pub fn stop_when(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Stops within one outer step after `deadline` (not on targets without a clock).
    #[must_use]
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Reports a step, then checks whether to go on.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn step(&self, stage: &'static str, done: usize, total: Option<usize>) -> Result<()> {
        if let Some(report) = &self.report {
            report(&Progress { stage, done, total });
        }
        self.check()
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`] once the stop signal is set or the deadline has passed.
    pub fn check(&self) -> Result<()> {
        let stopped = self
            .stop
            .as_ref()
            .is_some_and(|stop| stop.load(Ordering::Relaxed));
        let late = self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline);
        if stopped || late {
            return Err(ErrorKind::Cancelled.into());
        }
        Ok(())
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("reports", &self.report.is_some())
            .field("stops", &self.stop.is_some())
            .field("deadline", &self.deadline)
            .finish()
    }
}
