//! From the outside world to a [`PatientMatrix`](crate::matrix::PatientMatrix): delimited text,
//! records of the caller, long coded events, and the flow of a cohort.

pub mod codes;
mod columns;
mod csv;
mod dates;
mod event_reader;
mod events;
mod fields;
mod flow;
mod matcher;
mod number;
mod options;
mod outcome;
mod records;
mod source;
mod table;
mod window;
mod window_scan;

pub use event_reader::EventReader;
pub use events::{Event, EventTable};
pub use flow::{CohortFlow, Flow, FlowCount, FlowRow, FlowStep};
pub use matcher::CodeMatcher;
pub use options::{Limits, TableReader};
pub use outcome::OutcomeSpec;
pub use records::from_records;
pub use table::{Coercion, CoercionKind, Table};
pub use window::{FeatureSpec, WindowFeatures};
