//! Random forests and extra trees: many deep trees, each on a draw of patients, averaged.
//!
//! ```text
//! probability(x) = mean over trees of the class shares in the leaf of x
//! ```
//!
//! Every tree learns from its own draw of the patients and asks a few drawn features at each node;
//! the mean over trees that err apart errs less than each of them. Extra trees cut every drawn feature
//! at random, and learn from all patients: smoother, and less prone to noise in a single feature.
//!
//! **Prefer it** when a model must be good without tuning, when an estimate of its error is wanted
//! without a second sample ([`OutOfBag`]), or when a few hundred events are all there is.
//! **Prefer [`GradientBoosting`](super::GradientBoosting)** for the last hundredths of AUROC on many
//! patients, and [`LogisticRegression`](super::LogisticRegression) when effects must be read. A forest
//! never answers beyond the shares that its leaves saw.
//!
//! Numbers are cut into at most 255 bins by rank. Missing values are native: every cut sends them to the
//! side where they fit better; levels are cut into sets, and levels that training did not show count as
//! missing. Row weights and class weights enter the shares and the gains; weight 0 is absence, and 2 is
//! a row twice within every draw, except for the settings that count rows. Draws themselves do not
//! depend on weights: each patient's rows come together, by a hash of seed, tree and patient key (of the
//! row's number where there are no keys, or where [`RandomForestParams::by_patient`] is off), hence the
//! order of keyed rows changes nothing. Each patient is drawn on their own: once or not at all, by default
//! half of them for a tree, or with `bootstrap` a Poisson number of times, the limit of drawing with
//! replacement (Oza and Russell, KDD 2001,
//! doi 10.1145/502512.502565). A fit costs about `trees x depth x rows x features per node`; trees grow
//! side by side.
//!
//! Sources: Breiman, Mach. Learn. 45, 2001, doi 10.1023/A:1010933404324 (random forests, out of bag);
//! Geurts, Ernst and Wehenkel, Mach. Learn. 63, 2006, doi 10.1007/s10994-006-6226-1 (extra trees); Chen,
//! Liaw and Breiman, *Using random forest to learn imbalanced data*, University of California, Berkeley,
//! report 666, 2004 (balanced draws).

mod check;
mod draw;
mod fit;
mod model;
mod oob;
mod params;
mod predict;
mod scorer;
mod target;
#[cfg(test)]
mod tests;

pub use model::RandomForest;
pub use oob::OutOfBag;
pub use params::{FeaturesPerNode, RandomForestParams, RandomForestValidParams};
pub use scorer::ForestScorer;
