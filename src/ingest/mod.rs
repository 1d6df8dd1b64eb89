//! From tables, events and codes of the outside world to a patient-feature matrix.

pub mod codes;
