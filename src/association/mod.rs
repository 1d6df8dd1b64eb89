//! Statistics of associations between items of patients' records.
//!
//! Plain data in, plain data out: counts, days, bits of patients. What enumerates itemsets plugs in
//! as a closure.
//!
//! | question | here |
//! |---|---|
//! | Which items come together? | [`FrequentItemsets`]; [`Eclat`], [`FpGrowth`], [`Apriori`] |
//! | How strong is one pair, one rule, and is it chance? | [`PairCounts`] |
//! | And within strata of age, sex, site? | [`mantel_haenszel`], [`mantel_haenszel_test`], [`breslow_day`] |
//! | And given that some patients have long records? | [`RecordModel`] |
//! | Which of all itemsets can be significant, and at what level? | [`tarone`], [`westfall_young`] |
//! | Which of two comes first? | [`order_counts`], [`direction_test`], [`null_order_share`] |
//! | Which drugs and events are reported together too often? | [`SafetySignals`]; its parts [`count_reports`], [`disproportionality`], [`information_component`], [`fit_gamma_poisson`], [`omega`] |

mod contingency;
mod direction;
mod disproportionality;
mod expected;
mod information;
mod interaction;
mod itemsets;
mod permutation;
mod safety;
mod safety_interactions;
mod safety_reports;
mod safety_show;
mod shrinkage;
mod shrinkage_fit;
mod signals;
mod strata;
mod testable;

pub use contingency::{Alternative, ChiSquaredTest, HalfCorrection, PairCounts};
pub use direction::{DirectionTest, OrderCounts, direction_test, null_order_share, order_counts};
pub use disproportionality::{Disproportionality, EvansCriteria, disproportionality};
pub use expected::{PairNull, RecordModel, RecordModelParams, TailProbability};
pub use information::{bcpnn, information_component};
pub use interaction::{Interaction, InteractionCounts, omega};
pub use itemsets::{
    Apriori, Eclat, FpGrowth, FrequentItemsets, Itemset, ItemsetParams, ItemsetValidParams,
    Itemsets, SetKind,
};
pub use permutation::{PermutationNull, PermutationParams, westfall_young};
pub use safety::{
    SafetyParams, SafetySignals, SafetyValidParams, Signal, SignalMeasure, Signals, Verdicts,
};
pub use safety_interactions::{DrugInteraction, DrugInteractions};
pub use safety_reports::Reports;
pub use shrinkage::{CountCell, GammaMixture, ShrunkRatio, squash};
pub use shrinkage_fit::{GammaPoissonFit, GammaPoissonParams, ZeroCounts, fit_gamma_poisson};
pub use signals::{ReportCounts, ReportRows, ReportedPair, WeightedExpectation, count_reports};
pub use strata::{MantelHaenszel, breslow_day, mantel_haenszel, mantel_haenszel_test};
pub use testable::{Attainable, Cover, Testable, Visit, tarone};
