//! What comes together in patients' records, in which order, and what of it is more than chance.
//!
//! ```text
//!   rows --ItemParams--> Items ----> Itemsets --> Rules --> confirmed in other patients
//!                              \--> Pairs --> Network
//!   events ----------> Histories --> Sequences, FollowUp (time to), Pathways
//!   reports ---------> Reports ----> Signals
//! ```
//!
//! | question | here |
//! |---|---|
//! | Which items come together? | [`FrequentItemsets`]; [`Eclat`], [`FpGrowth`], [`Apriori`]; [`ItemsetRounds`] over shards |
//! | Who has A, what does he often have, or surprisingly rarely? | [`Rules`] |
//! | Which pairs are beyond chance, age, sex, long records? | [`Cooccurrence`], as a graph [`Network`] |
//! | Which itemsets of any size come with a class? | [`SignificantItemsets`] |
//! | Do rules hold in other patients? | [`Rules::confirm`], [`Rules::confirm_in`] |
//! | Which drugs and events are reported together too often? | [`SafetySignals`] |
//! | What do many go through in the same order? | [`PrefixSpan`] |
//! | What follows what, how soon, and is the order more than chance? | [`TimeTo`] |
//! | Which ways do patients take? | [`Pathways`] |
//!
//! How sure one may be is a choice:
//!
//! | what is claimed | how |
//! |---|---|
//! | no false finding among all itemsets, however rare | [`SignificantItemsets`]: permutations, or Tarone's count |
//! | no false rule among those of frequent sets | [`Adjustment::Holm`] |
//! | few false rules among those found | [`Adjustment::BenjaminiYekutieli`] (the default); [`Adjustment::BenjaminiHochberg`] where tests are not negatively dependent |
//! | the rules hold elsewhere | confirmation in patients that the search did not see: the most convincing, and the least costly in power |
//!
//! The parts, for those who build their own:
//!
//! | question | here |
//! |---|---|
//! | How strong is one pair, one rule, and is it chance? | [`PairCounts`], [`Measure`] |
//! | And within strata of age, sex, site? | [`mantel_haenszel`], [`mantel_haenszel_test`], [`breslow_day`] |
//! | And given that some patients have long records? | [`RecordModel`] |
//! | Which of all itemsets can be significant, and at what level? | [`tarone`], [`westfall_young`] |
//! | And for so many tests? | [`adjust`] |
//! | Which of two comes first? | [`order_counts`], [`direction_test`], [`null_order_share`] |
//! | Which drugs and events are reported together too often? | [`count_reports`], [`disproportionality`], [`information_component`], [`fit_gamma_poisson`], [`omega`] |

mod confirmation;
mod contingency;
mod cooccurrence;
mod cover_search;
mod covers;
mod direction;
mod disproportionality;
mod expected;
mod information;
mod interaction;
mod itemset_choice;
mod itemset_table;
mod itemsets;
mod measure;
mod pair_table;
mod partition;
mod pathways;
mod pathways_told;
mod permutation;
mod rule_filter;
mod rule_params;
mod rule_space;
mod rule_table;
mod rules;
mod safety;
mod safety_interactions;
mod safety_reports;
mod safety_show;
mod saved;
mod sequences;
mod sequences_earliest;
mod sequences_rules;
mod sequences_table;
mod shrinkage;
mod shrinkage_fit;
mod signals;
mod significant;
mod strata;
mod stratification;
mod supports;
mod testable;
mod time_to;
mod time_to_days;
mod time_to_follow_up;

pub use crate::numeric::multiple::{Adjustment, adjust};
pub use confirmation::{ConfirmParams, Confirmation, Confirmed};
pub use contingency::{Alternative, ChiSquaredTest, HalfCorrection, PairCounts};
pub use cooccurrence::{Cooccurrence, CooccurrenceParams, CooccurrenceValidParams};
pub use direction::{DirectionTest, OrderCounts, direction_test, null_order_share, order_counts};
pub use disproportionality::{Disproportionality, EvansCriteria, disproportionality};
pub use expected::{PairNull, RecordModel, RecordModelParams, TailProbability};
pub use information::{bcpnn, information_component};
pub use interaction::{Interaction, InteractionCounts, omega};
pub use itemset_choice::SetMeasure;
pub use itemset_table::{Itemset, Itemsets};
pub use itemsets::{
    Apriori, Eclat, FpGrowth, FrequentItemsets, ItemsetParams, ItemsetValidParams, SetKind,
};
pub use measure::Measure;
pub use pair_table::{Edge, Network, Node, Pair, Pairs, RecordExpectation};
pub use partition::{ItemsetPartial, ItemsetQuestion, ItemsetRounds, ItemsetState};
pub use pathways::{Pathway, PathwayParams, PathwayValidParams, Pathways, Steps};
pub use permutation::{PermutationNull, PermutationParams, westfall_young};
pub use rule_params::{RuleParams, RuleValidParams};
pub use rule_table::{Rule, Rules};
pub use safety::{
    SafetyParams, SafetySignals, SafetyValidParams, Signal, SignalMeasure, Signals, Verdicts,
};
pub use safety_interactions::{DrugInteraction, DrugInteractions};
pub use safety_reports::Reports;
pub use sequences::{PrefixSpan, PrefixSpanParams, PrefixSpanValidParams};
pub use sequences_rules::SequenceRule;
pub use sequences_table::{Sequence, Sequences};
pub use shrinkage::{CountCell, GammaMixture, ShrunkRatio, squash};
pub use shrinkage_fit::{GammaPoissonFit, GammaPoissonParams, ZeroCounts, fit_gamma_poisson};
pub use signals::{ReportCounts, ReportRows, ReportedPair, WeightedExpectation, count_reports};
pub use significant::{
    SignificantItemset, SignificantItemsets, SignificantParams, SignificantValidParams,
};
pub use strata::{MantelHaenszel, breslow_day, mantel_haenszel, mantel_haenszel_test};
pub use stratification::{Strata, Stratified};
pub use testable::{Attainable, Cover, Testable, Visit, tarone};
pub use time_to::{TimeTo, TimeToParams, TimeToValidParams};
pub use time_to_follow_up::{CurvePoint, FollowUp};
