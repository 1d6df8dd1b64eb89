//! Reports for people: Table 1, model cards in the shape of TRIPOD+AI, and the pictures in them.
//!
//! Everything arrives here as numbers that other floors computed; this one orders, checks, hides
//! what is too small to publish, and prints. A [`ModelCard`] becomes plain text, Markdown or one
//! self-contained HTML page; the same card gives the same bytes each time. Figures are drawn with
//! the feature `report`, which is on by default; without it the page carries their captions.
//!
//! ```
//! use galen::evaluation::evaluate_sealed;
//! use galen::prelude::*;
//! use galen::report::{ReportOptions, risk_report};
//!
//! # fn main() -> galen::Result<()> {
//! let people = galen::simulate::readmissions(2_000, 7);
//! let cohort = Cohort::new(people.matrix, people.target);
//! let (train, test) = Split::holdout(0.3, 1).apply(&cohort)?;
//! let model = LogisticRegression::params().fit(&train)?;
//!
//! let scored = evaluate_sealed(&test, &model)?;
//! # let options = ReportOptions { bootstrap: None, ..ReportOptions::default() };
//! # let _ = stringify!(
//! let options = ReportOptions::default();
//! # );
//! let card = risk_report(&model, &scored, &options)?.limit("Simulated patients.");
//! assert!(card.to_text().contains("AUROC"));
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "report")]
mod canvas;
mod card_document;
#[cfg(feature = "report")]
pub mod draw;
#[cfg(feature = "report")]
mod flow_layout;
#[cfg(feature = "report")]
mod graph_layout;
mod html;
#[cfg(feature = "report")]
mod labels;
#[cfg(feature = "report")]
mod legend;
pub mod lint;
mod markdown;
pub mod model_card;
mod number;
mod performance;
pub mod render;
mod risk;
#[cfg(feature = "report")]
mod scale;
mod shown;
mod suppress;
pub mod table_one;
mod table_one_groups;
mod text;

#[cfg(feature = "report")]
pub use draw::svg;
pub use lint::{Facts, Finding, Severity, lint};
pub use model_card::ModelCard;
pub use performance::{AlertLine, Metric, Performance};
pub use render::{Block, Document, Table};
pub use risk::{ReportOptions, risk_report};
pub use suppress::MIN_COUNT;
pub use table_one::{TableOne, TableOneOptions};
