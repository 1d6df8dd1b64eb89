//! A decision tree: one tree that a reader can follow from the question to the answer.
//!
//! ```text
//! all: readmitted 12.0 % of 3000 rows
//!   age <= 64.5 years or missing: readmitted 7.1 % of 2000 rows
//!   age > 64.5 years: readmitted 21.8 % of 1000 rows
//! ```
//!
//! **Prefer it** when the rule itself is the result: to be read, argued about, put on a wall, or checked
//! by hand. **Prefer [`GradientBoosting`](super::GradientBoosting)** when the risk must be as exact as
//! the data allow: a single tree jumps at its cuts, and another sample of patients gives other cuts.
//! **Prefer [`LogisticRegression`](super::LogisticRegression)** when effects add up and intervals are
//! asked for; cuts chosen by looking have none.
//!
//! A tree is grown cut by cut ([`Impurity`]), then pruned: of the nested subtrees, the one is taken that
//! serves patients left out ([`Pruning`], [`PruningStep`]). Probabilities are the shares of the classes
//! among the training rows of a leaf, without smoothing: `min_leaf_rows` keeps them from standing on
//! few patients. Numbers are cut between at most 255 bins, in the middle of the gap at the node, or
//! between any two values ([`Cuts`]). Levels are cut into sets. Missing values go to a learnt side or
//! follow stand-ins ([`MissingValues`]); levels that training did not show count as missing. Row
//! weights and class weights are honoured: weight 0 is absence, and 2 is a row twice except for
//! `min_leaf_rows`, which counts rows. They are held as whole numbers (fractions to 2^-29 of the
//! largest), hence sums are exact and no order of rows changes the tree; without patient keys the
//! folds of pruning go by the number of a row.
//!
//! The bins of the folds are those of all training rows; they are learnt without the outcome. A fit
//! costs `rows x features` for every level of the tree, once and for every fold; surrogates double it.
//!
//! Sources: Breiman, Friedman, Olshen and Stone, *Classification and Regression Trees*, 1984, ISBN
//! 978-0412048418 (cuts, pruning, surrogates); Therneau and Atkinson, *An introduction to recursive
//! partitioning using the RPART routines*, Mayo Foundation, 2023 (surrogates and folds in practice);
//! Twala, Jones and Hand, Pattern Recognit. Lett. 29(7), 2008, doi 10.1016/j.patrec.2008.01.010
//! (missing values as news).

#[cfg(test)]
mod answers_tests;
mod check;
mod coded;
mod cut;
mod exact;
mod explain;
mod fit;
mod flatten;
mod folds;
#[cfg(test)]
mod listed_tests;
mod model;
mod outcome;
mod params;
mod picture;
mod predict;
mod prune;
mod rules;
mod scorer;
mod surrogate;
#[cfg(test)]
mod tests;
mod text;

pub use model::DecisionTree;
pub use params::{
    Cuts, DecisionTreeParams, DecisionTreeValidParams, Impurity, MissingValues, Pruning,
    PruningRule,
};
pub use prune::PruningStep;
pub use rules::{Condition, Rule, StandInRule, Test};
pub use scorer::TreeScorer;
