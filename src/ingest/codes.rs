//! Diagnosis codes and their published groups: ICD-9-CM and ICD-10-CM, chapter, block, category.
//!
//! A column of diagnosis codes has thousands of levels, most of them rare. A classification brings
//! its own coarser levels with it, and they need no training data: a code rolls up to its category,
//! its block or its chapter by published ranges, the same way on every site and in every year.
//!
//! ```
//! use galen::ingest::codes::{CodeSystem, Level};
//!
//! let block = CodeSystem::Icd9Cm.block("250.83")?;
//! assert_eq!(block, Some("249-259 Diseases of other endocrine glands"));
//! let block = CodeSystem::Icd10Cm.roll_up("e119", Level::Block)?;
//! assert_eq!(block.as_deref(), Some("E08-E13 Diabetes mellitus"));
//! # Ok::<(), galen::Error>(())
//! ```
//!
//! # How a text is read
//!
//! White space is dropped and letters are raised. The dot may be missing.
//!
//! | text | ICD-9-CM reads | rule |
//! | --- | --- | --- |
//! | `250.83`, `E849.0`, `v45.81` | as written | with a dot, the category stands before it |
//! | `38`, `8.5` | 038, 008.5 | a spreadsheet dropped the leading zeros of a numeric category |
//! | `4019`, `25083` | 401.9, 250.83 | without a dot, the first three digits are the category |
//! | `E8490`, `V4581` | E849.0, V45.81 | E has three digits in its category, V has two |
//!
//! One ambiguity remains: a code that lost its dot *and* its leading zeros cannot be told from a
//! complete one (`0389` become `389`, or `00845` become `845`, names another category). A source
//! that writes no dots should be read with [`CodeSystem::parse_exact`]: it takes no category of
//! fewer than three characters, so a table damaged this way shows itself at its shortest codes.
//!
//! ICD-10-CM needs no such rule: three characters of category, then up to four more (`E11.9`,
//! `E119`, `S72.001A`).
//!
//! The shape of a code is checked, not its presence in a year's list: codes are added every year,
//! and a code unknown to this version still has a chapter. What falls between the published ranges
//! has no group (`None`).

mod icd10;
mod icd9;
mod strack;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};

pub use strack::{STRACK_GROUPS, strack_group};

/// A classification of diagnoses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CodeSystem {
    /// International Classification of Diseases, 9th revision, Clinical Modification (to 2015).
    Icd9Cm,
    /// International Classification of Diseases, 10th revision, Clinical Modification.
    Icd10Cm,
}

/// How coarse a group of codes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Level {
    /// Some twenty groups: `390-459 Diseases of the circulatory system`.
    Chapter,
    /// 162 (ICD-9-CM) or 285 (ICD-10-CM) groups: `410-414 Ischemic heart disease`.
    Block,
    /// Some thousand to two thousand groups: `410`, `V45`, `E849`, `I21`.
    Category,
}

/// A well-formed code; printed with its dot and all its zeros.
///
/// Codes are ordered by system, then as published lists are: numbers before letters.
///
/// ```
/// use galen::ingest::codes::CodeSystem;
///
/// let code = CodeSystem::Icd9Cm.parse("8.5")?;
/// assert_eq!(code.to_string(), "008.5");
/// assert_eq!(code.category(), "008");
/// # Ok::<(), galen::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code {
    system: CodeSystem,
    /// Upper-case ASCII letters and digits without the dot, padded with zero bytes.
    text: [u8; LONGEST],
    /// How many of the bytes belong to the category.
    category: u8,
}

/// Characters of the longest code, S72.001A without its dot.
const LONGEST: usize = 7;

impl CodeSystem {
    /// Reads a code; zeros dropped before a numeric ICD-9-CM category are put back.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] when the text has not the shape of the system, an empty text and
    /// marks of missing values included. The message never holds the text.
    pub fn parse(self, text: &str) -> Result<Code> {
        self.read(text, true)
    }

    /// Reads a code as published: a category of fewer than three characters is refused.
    ///
    /// # Errors
    /// As [`CodeSystem::parse`].
    ///
    /// ```
    /// use galen::ingest::codes::CodeSystem;
    ///
    /// assert!(CodeSystem::Icd9Cm.parse("38").is_ok());
    /// assert!(CodeSystem::Icd9Cm.parse_exact("38").is_err());
    /// ```
    pub fn parse_exact(self, text: &str) -> Result<Code> {
        self.read(text, false)
    }

    /// Chapter of a code as `range title`, `None` outside the published ranges.
    ///
    /// # Errors
    /// As [`CodeSystem::parse`].
    pub fn chapter(self, text: &str) -> Result<Option<&'static str>> {
        Ok(self.parse(text)?.chapter())
    }

    /// Block of a code as `range title`, `None` outside the published ranges.
    ///
    /// # Errors
    /// As [`CodeSystem::parse`].
    pub fn block(self, text: &str) -> Result<Option<&'static str>> {
        Ok(self.parse(text)?.block())
    }

    /// Category of a code: three characters, four for the E codes of ICD-9-CM.
    ///
    /// # Errors
    /// As [`CodeSystem::parse`].
    pub fn category(self, text: &str) -> Result<String> {
        Ok(self.parse(text)?.category().to_string())
    }

    /// Group of a code at a level, `None` outside the published ranges.
    ///
    /// Chapters and blocks cost a binary search and no allocation.
    ///
    /// # Errors
    /// As [`CodeSystem::parse`].
    pub fn roll_up(self, text: &str, level: Level) -> Result<Option<Cow<'static, str>>> {
        let code = self.parse(text)?;
        Ok(match level {
            Level::Chapter => code.chapter().map(Cow::Borrowed),
            Level::Block => code.block().map(Cow::Borrowed),
            Level::Category => Some(Cow::Owned(code.category().to_string())),
        })
    }

    /// All chapters, in the order of their codes.
    pub fn chapters(self) -> &'static [&'static str] {
        match self {
            Self::Icd9Cm => &icd9::CHAPTERS,
            Self::Icd10Cm => &icd10::CHAPTERS,
        }
    }

    /// All blocks, in the order of their codes.
    pub fn blocks(self) -> &'static [&'static str] {
        match self {
            Self::Icd9Cm => &icd9::BLOCKS,
            Self::Icd10Cm => &icd10::BLOCKS,
        }
    }

    fn read(self, text: &str, pad: bool) -> Result<Code> {
        let code = match self {
            Self::Icd9Cm => read_icd9(text, pad),
            Self::Icd10Cm => read_icd10(text),
        };
        code.ok_or_else(|| {
            let (what, rule) = match self {
                Self::Icd9Cm => (
                    "ICD-9-CM code",
                    "three digits, V and two digits, or E and three digits, then at most two \
                     decimals (one after E)",
                ),
                Self::Icd10Cm => (
                    "ICD-10-CM code",
                    "a letter, a digit, a digit or letter, then at most four letters or digits",
                ),
            };
            ErrorKind::OutOfRange {
                what,
                row: None,
                column: None,
                rule,
            }
            .into()
        })
    }
}

impl Code {
    /// The system that the code was read in.
    pub fn system(&self) -> CodeSystem {
        self.system
    }

    /// Chapter as `range title`, `None` outside the published ranges.
    pub fn chapter(&self) -> Option<&'static str> {
        let category = self.category();
        candidates(self.system.chapters(), category)
            .find(|label| within(label, category))
            .copied()
    }

    /// Block as `range title`, `None` outside the published ranges.
    pub fn block(&self) -> Option<&'static str> {
        let spelled = self.category();
        let category = match self.system {
            CodeSystem::Icd9Cm => spelled,
            CodeSystem::Icd10Cm => icd10::FILED_UNDER
                .iter()
                .find(|(lettered, _)| *lettered == spelled)
                .map_or(spelled, |(_, neighbour)| neighbour),
        };
        // A category that ends in a letter is published singly: it belongs to the block that names
        // it, never to one whose range merely encloses its spelling.
        let lettered = category.ends_with(|last: char| last.is_ascii_uppercase());
        candidates(self.system.blocks(), category)
            .find(|label| {
                let (first, last) = bounds(label);
                within(label, category) && (!lettered || category == first || category == last)
            })
            .copied()
    }

    /// Category: `250`, `V45`, `E849`, `E11`.
    pub fn category(&self) -> &str {
        self.split().0
    }

    /// What stands before and after the dot.
    fn split(&self) -> (&str, &str) {
        let length = self.text.iter().take_while(|byte| **byte != 0).count();
        // The bytes are ASCII by construction, so neither fallback is ever taken.
        let text = self.text.get(..length).unwrap_or_default();
        let text = std::str::from_utf8(text).unwrap_or_default();
        text.split_at_checked(usize::from(self.category))
            .unwrap_or((text, ""))
    }

    /// Packs a checked category and the characters after its dot.
    fn pack(system: CodeSystem, category: &[u8], rest: &[u8]) -> Option<Self> {
        let mut text = [0; LONGEST];
        let length = category.len().checked_add(rest.len())?;
        let bytes = category.iter().chain(rest);
        text.get_mut(..length)?
            .iter_mut()
            .zip(bytes)
            .for_each(|(place, byte)| *place = *byte);
        Some(Self {
            system,
            text,
            category: u8::try_from(category.len()).ok()?,
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (category, rest) = self.split();
        f.write_str(category)?;
        if !rest.is_empty() {
            write!(f, ".{rest}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.system)
    }
}

/// First and last category of a label.
fn bounds(label: &'static str) -> (&'static str, &'static str) {
    let range = label.split_once(' ').map_or(label, |(range, _)| range);
    range.split_once('-').unwrap_or((range, range))
}

fn within(label: &'static str, category: &str) -> bool {
    let (first, last) = bounds(label);
    first <= category && category <= last
}

/// The labels that start at or before a category, nearest first.
///
/// Ranges are disjoint and sorted, save that up to two lettered blocks (C7A, C7B) stand inside the
/// numbers of the range before them; three candidates are therefore enough.
fn candidates(
    table: &'static [&'static str],
    category: &str,
) -> impl Iterator<Item = &'static &'static str> {
    let end = table.partition_point(|label| bounds(label).0 <= category);
    table.iter().take(end).rev().take(3)
}

/// The characters on one side of the dot; bounded, because a cell may be arbitrarily long.
#[derive(Default)]
struct Run {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Run {
    /// `None` when the run is longer than any code.
    fn push(&mut self, byte: u8) -> Option<()> {
        *self.bytes.get_mut(self.length)? = byte;
        self.length += 1;
        Some(())
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Upper-case letters and digits before and after the dot, and whether there was one; `None` for a
/// second dot and any other character.
fn parts(text: &str) -> Option<(Run, Run, bool)> {
    let (mut head, mut tail, mut dotted) = (Run::default(), Run::default(), false);
    for character in text.chars().filter(|character| !character.is_whitespace()) {
        match character {
            '.' if !dotted => dotted = true,
            _ if character.is_ascii_alphanumeric() => {
                let byte = u8::try_from(character.to_ascii_uppercase()).ok()?;
                let side = if dotted { &mut tail } else { &mut head };
                side.push(byte)?;
            }
            _ => return None,
        }
    }
    Some((head, tail, dotted))
}

/// Splits off the category; characters that follow it take the place of a missing dot's decimals.
fn split<'a>(
    head: &'a Run,
    tail: &'a Run,
    dotted: bool,
    width: usize,
) -> Option<(&'a [u8], &'a [u8])> {
    let (category, undotted) = head.as_slice().split_at_checked(width)?;
    match dotted {
        true if undotted.is_empty() => Some((category, tail.as_slice())),
        true => None,
        false => Some((category, undotted)),
    }
}

fn read_icd9(text: &str, pad: bool) -> Option<Code> {
    let (mut head, tail, dotted) = parts(text)?;
    let (letters, width, decimals) = match head.as_slice().first()? {
        b'E' => (1, 4, 1),
        b'V' => (1, 3, 2),
        _ => (0, 3, 2),
    };
    if pad && letters == 0 {
        while head.length < width {
            head.bytes.rotate_right(1);
            head.bytes[0] = b'0';
            head.length += 1;
        }
    }
    let (category, rest) = split(&head, &tail, dotted, width)?;
    let numeric = category
        .iter()
        .skip(letters)
        .chain(rest)
        .all(u8::is_ascii_digit);
    (numeric && rest.len() <= decimals)
        .then(|| Code::pack(CodeSystem::Icd9Cm, category, rest))
        .flatten()
}

fn read_icd10(text: &str) -> Option<Code> {
    let (head, tail, dotted) = parts(text)?;
    let (category, rest) = split(&head, &tail, dotted, 3)?;
    let [letter, second, _] = category else {
        return None;
    };
    // QA0, of October 2025, is the first category with a letter in its second place.
    let shaped = letter.is_ascii_uppercase() && (second.is_ascii_digit() || category == b"QA0");
    shaped
        .then(|| Code::pack(CodeSystem::Icd10Cm, category, rest))
        .flatten()
}
