//! Trees on binned features: histograms of gradients, the best cut of a node, growth, flat storage.
//!
//! ```text
//!   gradients of all rows -> whole numbers -> histogram of a node -> best cut -> two children
//!                                               |  smaller child is counted,
//!                                               +- larger child = parent - smaller
//! ```
//!
//! Trees for classes are grown by `class_grow`; their cuts are found by `class_draw` among features drawn
//! at every node, or by `class_whole` among all. Trees for gradients: `decide` says which leaf is cut and where; `grow` counts for it in memory, `shared` from what
//! holders of rows `answer`.
//!
//! Sums are whole numbers, hence the same in any order: at any number of threads, in any shards.

pub(crate) mod answer;
pub(crate) mod boost;
pub(crate) mod class_draw;
pub(crate) mod class_grow;
pub(crate) mod class_histogram;
#[cfg(test)]
mod class_law_tests;
pub(crate) mod class_levels;
pub(crate) mod class_pairs;
pub(crate) mod class_search;
pub(crate) mod class_split;
#[cfg(test)]
mod class_tests;
pub(crate) mod class_whole;
pub(crate) mod decide;
pub(crate) mod flat;
pub(crate) mod gradient;
pub(crate) mod grow;
pub(crate) mod histogram;
pub(crate) mod listed;
#[cfg(test)]
mod listed_tests;
pub(crate) mod masks;
pub(crate) mod model;
pub(crate) mod partition;
pub(crate) mod quantise;
pub(crate) mod shared;
pub(crate) mod split;
#[cfg(test)]
mod tests;
pub(crate) mod walk;
