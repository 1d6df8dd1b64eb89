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
/// use galen::ingest::{CodeSystem, Level};
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
