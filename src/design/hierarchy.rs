//! What stands above what: code, category, block, chapter; product, substance, class.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};

/// A hierarchy of names, as pairs of a name and one that stands above it.
///
/// A name may have several parents. Names that are nowhere in it stand alone: they have no ancestors.
///
/// ```
/// use galen::design::Hierarchy;
/// use galen::ingest::codes::{CodeSystem, Level};
///
/// # fn main() -> galen::Result<()> {
/// let mut pairs = Vec::new();
/// for code in ["E11.9", "E10.1", "I10"] {
///     let block = CodeSystem::Icd10Cm.roll_up(code, Level::Block)?;
///     pairs.extend(block.map(|block| (code.to_string(), block.into_owned())));
/// }
/// let hierarchy = Hierarchy::new(pairs)?;
/// assert_eq!(hierarchy.ancestors("E11.9"), hierarchy.ancestors("E10.1"));
/// assert!(hierarchy.ancestors("Z99").is_empty());
/// assert!(Hierarchy::new([("a", "b"), ("b", "a")]).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Hierarchy {
    /// All names above a name, sorted.
    above: BTreeMap<String, BTreeSet<String>>,
}

impl Hierarchy {
    /// From pairs (name, name above it), in any order; repeated pairs count once.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] naming a member of a cycle: a name that stands above itself.
    pub fn new<C, P>(pairs: impl IntoIterator<Item = (C, P)>) -> Result<Self>
    where
        C: Into<String>,
        P: Into<String>,
    {
        let mut parents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (child, parent) in pairs {
            let (child, parent) = (child.into(), parent.into());
            parents.entry(child).or_default().insert(parent);
        }
        let mut above = BTreeMap::new();
        for name in parents.keys() {
            let mut found = BTreeSet::new();
            let mut open: Vec<&String> = parents[name].iter().collect();
            while let Some(next) = open.pop() {
                if next == name {
                    return Err(ErrorKind::Schema(format!(
                        "hierarchy: `{name}` stands above itself; expected no cycle"
                    ))
                    .into());
                }
                if found.insert(next.clone()) {
                    open.extend(parents.get(next).into_iter().flatten());
                }
            }
            above.insert(name.clone(), found);
        }
        Ok(Self { above })
    }

    /// From codes whose groups are their beginnings, at these lengths: ATC codes at 1, 3, 4 and 5 letters.
    ///
    /// Lengths count letters; a beginning as long as the code is the code itself. Blanks around a code
    /// are no part of it.
    ///
    /// ```
    /// use galen::design::Hierarchy;
    ///
    /// # fn main() -> galen::Result<()> {
    /// let atc = Hierarchy::by_prefix(["A10BA02", "A10AE04"], &[1, 3, 4, 5])?;
    /// assert_eq!(atc.ancestors("A10BA02"), ["A", "A10", "A10B", "A10BA"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] for a length of zero.
    pub fn by_prefix<S: AsRef<str>>(
        codes: impl IntoIterator<Item = S>,
        lengths: &[usize],
    ) -> Result<Self> {
        if lengths.contains(&0) {
            return Err(ErrorKind::Parameter {
                estimator: "hierarchy",
                name: "lengths",
                value: "0".into(),
                rule: ">= 1",
            }
            .into());
        }
        let mut pairs = Vec::new();
        for code in codes {
            let code = code.as_ref().trim();
            for length in lengths {
                // A length beyond the code has no letter at its end.
                if let Some((end, _)) = code.char_indices().nth(*length) {
                    pairs.push((code.to_string(), code[..end].to_string()));
                }
            }
        }
        Self::new(pairs)
    }

    /// All names above a name, sorted; empty for a name that stands alone.
    pub fn ancestors(&self, name: &str) -> Vec<&str> {
        let above = self.above.get(name).into_iter().flatten();
        above.map(String::as_str).collect()
    }

    /// Whether no name stands above another.
    pub fn is_empty(&self) -> bool {
        self.above.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ancestors_are_all_that_stands_above() {
        let pairs = [
            ("E11.9", "E11"),
            ("E11", "E08-E13"),
            ("E08-E13", "IV"),
            ("E11.9", "rare"),
            ("E11.9", "E11"),
        ];
        let hierarchy = Hierarchy::new(pairs).unwrap();
        assert_eq!(
            hierarchy.ancestors("E11.9"),
            ["E08-E13", "E11", "IV", "rare"]
        );
        assert_eq!(hierarchy.ancestors("E11"), ["E08-E13", "IV"]);
        assert!(hierarchy.ancestors("IV").is_empty());
        assert!(!hierarchy.is_empty() && Hierarchy::default().is_empty());
    }

    #[test]
    fn beginnings_are_groups() {
        let found = Hierarchy::by_prefix(["A10BA02", "A10", " B01 ", "é1x"], &[3, 1]).unwrap();
        assert_eq!(found.ancestors("A10BA02"), ["A", "A10"]);
        assert_eq!(found.ancestors("A10"), ["A"]);
        assert_eq!(found.ancestors("B01"), ["B"]);
        assert_eq!(found.ancestors("é1x"), ["é"]);
        assert!(Hierarchy::by_prefix(["A"], &[0]).is_err());
    }

    #[test]
    fn cycles_are_refused_by_name() {
        for pairs in [
            vec![("a", "a")],
            vec![("x", "a"), ("a", "b"), ("b", "c"), ("c", "a")],
        ] {
            let error = Hierarchy::new(pairs).unwrap_err().to_string();
            assert!(error.contains("`a` stands above itself"), "{error}");
        }
    }
}
