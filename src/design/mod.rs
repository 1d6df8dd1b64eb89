//! Prepared views of a matrix: learnt on training rows, kept in the fitted model, applied to any
//! rows. Items of patients stand beside these, for rules.

pub(crate) mod align;
pub mod baskets;
pub(crate) mod binned;
pub(crate) mod block;
pub(crate) mod bundle;
pub(crate) mod edges;
pub(crate) mod encode;
pub(crate) mod fills;
mod gather;
pub(crate) mod held;
pub mod hierarchy;
pub mod histories;
mod item_rule;
pub mod items;
mod items_saved;
pub(crate) mod learn;
pub(crate) mod listed;
pub(crate) mod lookup;
pub mod prepare;
pub mod profile;
pub(crate) mod statistics;
pub(crate) mod stored;
mod together;

pub use baskets::Items;
pub use hierarchy::Hierarchy;
pub use histories::Histories;
pub use items::{ItemParams, Itemizer, Unit};
pub use prepare::{Coding, Impute, Preparation, Unseen};
pub use profile::{Description, Profile};
