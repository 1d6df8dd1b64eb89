//! Prepared views of a matrix: learnt on training rows, kept in the fitted model, applied to any
//! rows. Binned designs for trees and item designs for rules will stand beside these.

pub(crate) mod align;
pub(crate) mod binned;
pub(crate) mod block;
pub(crate) mod bundle;
pub(crate) mod edges;
pub(crate) mod encode;
pub(crate) mod fills;
pub(crate) mod held;
pub(crate) mod learn;
pub(crate) mod listed;
pub(crate) mod lookup;
pub mod prepare;
pub mod profile;
pub(crate) mod statistics;
pub(crate) mod stored;

pub use prepare::{Coding, Impute, Preparation, Unseen};
pub use profile::{Description, Profile};
