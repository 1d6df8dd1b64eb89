//! Which codes a feature or an outcome is about.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A set of codes: exact codes, and prefixes.
///
/// A text that ends in `*` is a prefix, any other text is one exact code; case and dots count.
///
/// ```
/// use galen::ingest::CodeMatcher;
/// let diabetes = CodeMatcher::from(["E10*", "E11*", "250"]);
/// assert!(diabetes.matches("E11.9") && diabetes.matches("250"));
/// assert!(!diabetes.matches("250.0") && !diabetes.matches("e11"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeMatcher {
    exact: BTreeSet<String>,
    prefixes: BTreeSet<String>,
}

impl CodeMatcher {
    /// One code as it stands, even where it ends in `*`.
    pub fn exact(code: impl Into<String>) -> Self {
        Self::default().or_exact(code)
    }

    /// All codes that begin with a text; the empty text matches every code.
    pub fn prefix(prefix: impl Into<String>) -> Self {
        Self::default().or_prefix(prefix)
    }

    /// All codes.
    pub fn any() -> Self {
        Self::prefix("")
    }

    /// Adds one exact code.
    #[must_use]
    pub fn or_exact(mut self, code: impl Into<String>) -> Self {
        self.exact.insert(code.into());
        self
    }

    /// Adds a prefix.
    #[must_use]
    pub fn or_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefixes.insert(prefix.into());
        self
    }

    /// Whether a code is in the set.
    pub fn matches(&self, code: &str) -> bool {
        self.exact.contains(code) || self.prefixes.iter().any(|prefix| code.starts_with(prefix))
    }

    /// Positions of the matching codes among sorted codes, in order.
    pub(super) fn positions(&self, sorted: &[String]) -> Vec<u32> {
        let mut found = BTreeSet::new();
        for code in &self.exact {
            if let Ok(position) = sorted.binary_search(code) {
                found.insert(position as u32);
            }
        }
        for prefix in &self.prefixes {
            let start = sorted.partition_point(|code| code < prefix);
            let matching = (sorted.iter().enumerate().skip(start))
                .take_while(|(_, code)| code.starts_with(prefix));
            found.extend(matching.map(|(position, _)| position as u32));
        }
        found.into_iter().collect()
    }
}

impl From<&str> for CodeMatcher {
    fn from(pattern: &str) -> Self {
        match pattern.strip_suffix('*') {
            Some(prefix) => Self::prefix(prefix),
            None => Self::exact(pattern),
        }
    }
}

impl From<String> for CodeMatcher {
    fn from(pattern: String) -> Self {
        pattern.as_str().into()
    }
}

impl<S: AsRef<str>> FromIterator<S> for CodeMatcher {
    fn from_iter<I: IntoIterator<Item = S>>(patterns: I) -> Self {
        let mut all = Self::default();
        for pattern in patterns {
            let one = Self::from(pattern.as_ref());
            all.exact.extend(one.exact);
            all.prefixes.extend(one.prefixes);
        }
        all
    }
}

impl<S: AsRef<str>, const N: usize> From<[S; N]> for CodeMatcher {
    fn from(patterns: [S; N]) -> Self {
        patterns.into_iter().collect()
    }
}

impl<S: AsRef<str>> From<&[S]> for CodeMatcher {
    fn from(patterns: &[S]) -> Self {
        patterns.iter().collect()
    }
}

impl<S: AsRef<str>> From<Vec<S>> for CodeMatcher {
    fn from(patterns: Vec<S>) -> Self {
        patterns.into_iter().collect()
    }
}

/// The patterns, separated by `|`; the first three, then how many more.
impl fmt::Display for CodeMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        let prefixes = self.prefixes.iter().map(|prefix| format!("{prefix}*"));
        let all: Vec<String> = self.exact.iter().cloned().chain(prefixes).collect();
        let shown = all.get(..SHOWN.min(all.len())).unwrap_or_default();
        f.write_str(&shown.join("|"))?;
        match all.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "|+{more}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_agree_with_matches() {
        let codes: Vec<String> = ["", "250", "250.83", "E11", "E11.9", "E12", "Z*"]
            .map(String::from)
            .to_vec();
        for matcher in [
            CodeMatcher::from("E11*"),
            CodeMatcher::from(["250", "E1*", "E11*"]),
            CodeMatcher::exact("Z*"),
            CodeMatcher::any(),
            CodeMatcher::from("nothing"),
        ] {
            let expected: Vec<u32> = (0..codes.len() as u32)
                .filter(|position| matcher.matches(&codes[*position as usize]))
                .collect();
            assert_eq!(matcher.positions(&codes), expected, "{matcher}");
        }
        assert_eq!(
            CodeMatcher::from(["c", "a*", "b", "d", "e"]).to_string(),
            "b|c|d|+2"
        );
    }
}
