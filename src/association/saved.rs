//! What is read of saved results before they are checked: items that are named, sets that are sets.
//!
//! Results are handed about as text; a damaged or made-up one is refused here and can then no longer lead a
//! lookup astray.

use serde::Deserialize;

use crate::association::itemset_table::Itemsets;
use crate::association::pair_table::{Pair, Pairs};
use crate::association::rule_table::{Rule, Rules};
use crate::association::sequences_table::{Sequence, Sequences};
use crate::association::{Adjustment, Strata};
use crate::error::{Error, ErrorKind, Result};

/// Refuses what does not hold together.
fn require(holds: bool, what: &str) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(ErrorKind::Saved(format!("{what}: parts contradict one another")).into())
}

/// Increasing items, each of which has a name.
fn named(set: &[u32], names: &[String]) -> bool {
    let increasing = set.windows(2).all(|pair| pair[0] < pair[1]);
    increasing && set.last().is_none_or(|item| (*item as usize) < names.len())
}

/// A number that a p-value can be.
fn chance(p: f64) -> bool {
    (0.0..=1.0).contains(&p)
}

#[derive(Deserialize)]
pub(super) struct RawItemsets {
    names: Vec<String>,
    n_units: usize,
    starts: Vec<usize>,
    items: Vec<u32>,
    supports: Vec<u64>,
    complete: bool,
    longest: usize,
}

impl TryFrom<RawItemsets> for Itemsets {
    type Error = Error;

    fn try_from(raw: RawItemsets) -> Result<Self> {
        const WHAT: &str = "itemsets";
        let ends = (raw.starts.first(), raw.starts.last()) == (Some(&0), Some(&raw.items.len()));
        require(ends && raw.starts.len() == raw.supports.len() + 1, WHAT)?;
        let mut found = Self::new(&raw.names, raw.n_units, raw.complete, raw.longest);
        for (range, support) in raw.starts.windows(2).zip(&raw.supports) {
            let set = raw.items.get(range[0]..range[1]).unwrap_or_default();
            let sound = range[0] < range[1] && named(set, &raw.names);
            require(sound && *support <= raw.n_units as u64, WHAT)?;
            found.push(set, *support);
        }
        Ok(found)
    }
}

#[derive(Deserialize)]
pub(super) struct RawRules {
    names: Vec<String>,
    n_units: usize,
    n_tests: u64,
    adjustment: Adjustment,
    alpha: f64,
    rules: Vec<Rule>,
}

impl TryFrom<RawRules> for Rules {
    type Error = Error;

    fn try_from(raw: RawRules) -> Result<Self> {
        for rule in &raw.rules {
            let sides = [&rule.antecedent, &rule.consequent];
            let sound = sides
                .into_iter()
                .all(|side| !side.is_empty() && named(side, &raw.names));
            let within = rule.counts.n() <= raw.n_units as u64;
            require(
                sound && within && chance(rule.p) && chance(rule.adjusted_p),
                "rules",
            )?;
        }
        Ok(Self {
            names: raw.names,
            n_units: raw.n_units,
            n_tests: raw.n_tests,
            adjustment: raw.adjustment,
            alpha: raw.alpha,
            rules: raw.rules,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct RawPairs {
    names: Vec<String>,
    supports: Vec<u64>,
    n_units: usize,
    n_tests: u64,
    adjustment: Adjustment,
    alpha: f64,
    pairs: Vec<Pair>,
}

impl TryFrom<RawPairs> for Pairs {
    type Error = Error;

    fn try_from(raw: RawPairs) -> Result<Self> {
        const WHAT: &str = "pairs";
        require(raw.supports.len() == raw.names.len(), WHAT)?;
        for pair in &raw.pairs {
            let sound = named(&[pair.a, pair.b], &raw.names);
            require(sound && chance(pair.p) && chance(pair.adjusted_p), WHAT)?;
        }
        Ok(Self {
            names: raw.names,
            supports: raw.supports,
            n_units: raw.n_units,
            n_tests: raw.n_tests,
            adjustment: raw.adjustment,
            alpha: raw.alpha,
            pairs: raw.pairs,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct RawSequences {
    names: Vec<String>,
    n_patients: usize,
    gap: (u32, Option<u32>),
    span: Option<u32>,
    sequences: Vec<Sequence>,
}

impl TryFrom<RawSequences> for Sequences {
    type Error = Error;

    fn try_from(raw: RawSequences) -> Result<Self> {
        let (least, most) = raw.gap;
        require(
            least > 0 && most.is_none_or(|most| least <= most),
            "sequences",
        )?;
        for sequence in &raw.sequences {
            let step = |step: &Vec<u32>| !step.is_empty() && named(step, &raw.names);
            let sound = !sequence.steps.is_empty() && sequence.steps.iter().all(step);
            require(
                sound && sequence.support <= raw.n_patients as u64,
                "sequences",
            )?;
        }
        Ok(Self {
            names: raw.names,
            n_patients: raw.n_patients,
            gap: raw.gap,
            span: raw.span,
            sequences: raw.sequences,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct RawStrata {
    of_unit: Vec<u32>,
    n: usize,
}

impl TryFrom<RawStrata> for Strata {
    type Error = Error;

    fn try_from(raw: RawStrata) -> Result<Self> {
        let found = Self::new(raw.of_unit.iter().copied());
        // Numbers in use are those from 0 on: nothing was renumbered.
        let same = (raw.of_unit.iter().enumerate()).all(|(unit, own)| found.of(unit) == *own);
        require(same && found.len() == raw.n, "strata")?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use crate::association::{
        Cooccurrence, FrequentItemsets, Itemsets, Pairs, PrefixSpan, Rules, Sequences, Strata,
    };
    use crate::design::{Histories, Items};
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    /// Saved and read again; then with each of some replacements, all of which are to be refused.
    #[track_caller]
    fn refuses<T>(value: &T, breaks: &[(&str, &str)])
    where
        T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        let text = serde_json::to_string(value).unwrap();
        assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
        for (from, to) in breaks {
            assert!(text.contains(from), "{from} is not in {text}");
            let broken = text.replacen(from, to, 1);
            let error = serde_json::from_str::<T>(&broken).unwrap_err().to_string();
            assert!(error.contains("contradict"), "{from}: {error}");
        }
    }

    #[test]
    fn results_that_contradict_themselves_are_refused() {
        let both = (0..40).flat_map(|unit| [(unit, "a"), (unit, "b")]);
        let items = Items::from_pairs(60, both, &Default::default()).unwrap();
        let sets: Itemsets = FrequentItemsets::params().mine(&items).unwrap();
        refuses(
            &sets,
            &[
                ("\"starts\":[0,1", "\"starts\":[1,1"),
                ("\"starts\":[0,1", "\"starts\":[0,7"),
                ("\"items\":[0", "\"items\":[9"),
                ("\"supports\":[40", "\"supports\":[61"),
                ("\"supports\":[40,", "\"supports\":["),
                ("[\"a\",\"b\"]", "[\"a\"]"),
            ],
        );
        let rules: Rules = Rules::params().find(&items, &sets).unwrap();
        refuses(
            &rules,
            &[
                ("\"antecedent\":[", "\"antecedent\":[5,"),
                ("\"consequent\":[0]", "\"consequent\":[]"),
                ("\"n_units\":60", "\"n_units\":3"),
                ("\"adjusted_p\":", "\"adjusted_p\":-1"),
            ],
        );
        let pairs: Pairs = Cooccurrence::params().find(&items).unwrap();
        refuses(
            &pairs,
            &[
                ("\"b\":1", "\"b\":0"),
                ("\"b\":1", "\"b\":2"),
                ("[40,40]", "[40]"),
            ],
        );
        let events = (0..5).flat_map(|patient| [(patient, 0, "a"), (patient, 9, "b")]);
        let histories = Histories::from_days(5, events).unwrap();
        let found: Sequences = PrefixSpan::params().mine(&histories).unwrap();
        refuses(
            &found,
            &[
                ("\"steps\":[[0]]", "\"steps\":[[2]]"),
                ("\"steps\":[[0]]", "\"steps\":[[]]"),
                ("\"support\":5", "\"support\":6"),
                ("\"gap\":[1", "\"gap\":[0"),
            ],
        );
        refuses(
            &Strata::new([4, 2, 2]),
            &[
                ("[1,0,0]", "[1,0,2]"),
                ("[1,0,0]", "[7,0,0]"),
                ("\"n\":2", "\"n\":1"),
            ],
        );
    }
}
