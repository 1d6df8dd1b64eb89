//! Gradient boosting: many small trees, each correcting those before it.
//!
//! ```text
//! score(x) = base + tree_1(x) + tree_2(x) + ...       risk = 1 / (1 + exp(-score))
//! ```
//!
//! Two classes give one score, the log-odds of the event; more give a score each, and probabilities
//! are their softmax. Numbers are cut into at most 255 bins by rank, hence any monotone change of a
//! unit leaves the model as it is.
//!
//! **Prefer it** when effects bend or interact and nobody has listed how, with some hundreds of
//! events or more. **Prefer [`LogisticRegression`](super::LogisticRegression)** when effects must be
//! read, when events are few, or when values beyond those seen must be answered: trees are flat
//! outside the range of training.
//!
//! The order of rows and the number of threads change no bit of a model: gradients, weights and losses
//! are added up as whole numbers, edges of bins come from counts, and rows are drawn by their
//! patient's key. Hence [`rounds`](GradientBoostingValidParams::rounds) over shards give the bytes of a
//! fit in memory; see [`BoostingRounds`] for what that discloses.
//!
//! Missing values are native: every cut sends them to the side where they fit better. Levels are cut
//! into sets; levels that training did not show count as missing, and where a node holds more than
//! sixteen levels, those of about ten events or fewer stay on the right of a cut: each by itself would
//! fit noise. Row weights and class weights are
//! honoured; weight 0 is absence, and 2 is a row twice except for `min_leaf_rows`, which counts rows.
//! The settings `l1`, `l2`, `min_gain` and `min_leaf_weight` are on the scale of the weights. A fit
//! costs about `trees x rows x features` for the first level of
//! every tree and half of that or less for each of the next ones; a prediction `trees x depth`
//! comparisons a row.
//!
//! Sources: Friedman, Ann. Stat. 29(5), 2001, doi 10.1214/aos/1013203451 (boosting, shrinkage,
//! importance); Friedman, Comput. Stat. Data Anal. 38(4), 2002, doi 10.1016/S0167-9473(01)00065-2
//! (drawing rows); Chen and Guestrin, KDD 2016, doi 10.1145/2939672.2939785 (second-order gains,
//! missing values); Ke et al., *LightGBM*, NeurIPS 30, 2017 (bins, leaves best first).

mod answer;
mod check;
mod explain;
mod fit;
pub(in crate::classification) mod importance;
mod messages;
mod model;
mod params;
mod predict;
mod rounds;
mod scorer;
pub(in crate::classification) mod target;
#[cfg(test)]
mod tests;

pub use answer::BoostingLocal;
pub use importance::FeatureImportance;
pub use messages::{BoostingPartial, BoostingQuestion};
pub use model::GradientBoosting;
pub use params::{Direction, GradientBoostingParams, GradientBoostingValidParams, Growth};
pub use rounds::{BoostingOutcome, BoostingRounds, BoostingState};
pub use scorer::BoostingScorer;
