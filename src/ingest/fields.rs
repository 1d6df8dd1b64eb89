//! Fields of one column as they are read: every distinct text is stored once and numbered.
//!
//! Clinical columns have few distinct values, so that a row costs one comparison with the field
//! above it or one probe of a small table, and a text is parsed once however often it stands.
//! A column in which nearly every field is new (identifiers, laboratory values of large tables)
//! stops searching and stores its fields one after the other.

use std::hash::{BuildHasher, RandomState};

/// Number of a distinct text that is in no slot.
const EMPTY: u32 = u32::MAX;
/// Texts of up to this many bytes are their own key.
const SHORT: usize = 7;
/// Top byte of the key of a longer text.
const LONG: u64 = 0xff << 56;
/// Distinct texts at which a column first asks whether the search pays.
const FIRST_CHECK: usize = 1 << 14;

#[derive(Debug, Clone, Copy)]
struct Slot {
    key: u64,
    code: u32,
}

/// The fields of a column, numbered by distinct text in order of first appearance.
///
/// A text may have more than one number once the column has stopped searching.
#[derive(Debug)]
pub(super) struct Fields {
    codes: Vec<u32>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    slots: Vec<Slot>,
    last: Slot,
    secret: u64,
    searching: bool,
    adaptive: bool,
}

impl Fields {
    /// No fields yet.
    pub(super) fn new() -> Self {
        Self {
            codes: Vec::new(),
            bytes: Vec::new(),
            ends: Vec::new(),
            slots: vec![
                Slot {
                    key: 0,
                    code: EMPTY
                };
                16
            ],
            last: Slot {
                key: 0,
                code: EMPTY,
            },
            // Unknown to whoever wrote the file, so that no file can aim at one slot; it moves
            // slots and never changes a number.
            secret: RandomState::new().hash_one(0_u8) | 1,
            searching: true,
            adaptive: true,
        }
    }

    /// No fields yet; searches whatever the share of new texts, so that each has one number.
    pub(super) fn whole() -> Self {
        Self {
            adaptive: false,
            ..Self::new()
        }
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.codes.len()
    }

    /// Number of the text of each row.
    pub(super) fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// Number of numbered texts.
    pub(super) fn n_texts(&self) -> usize {
        self.ends.len()
    }

    /// The text with a number; empty when there is none.
    pub(super) fn text(&self, code: u32) -> &[u8] {
        let code = code as usize;
        let start = match code {
            0 => 0,
            _ => self.ends.get(code - 1).copied().unwrap_or(0),
        };
        let end = self.ends.get(code).copied().unwrap_or(start);
        self.bytes.get(start..end).unwrap_or(&[])
    }

    /// The text with a number as a string; texts are checked when they enter.
    pub(super) fn string(&self, code: u32) -> &str {
        std::str::from_utf8(self.text(code)).unwrap_or("")
    }

    /// All numbered texts in order.
    pub(super) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.n_texts() as u32).map(|code| self.text(code))
    }

    /// First row that holds a number.
    pub(super) fn first_row(&self, code: u32) -> usize {
        self.codes.iter().position(|c| *c == code).unwrap_or(0)
    }

    /// Adds the field at `start..end` of `record`; false when it is not UTF-8.
    #[inline]
    pub(super) fn push(&mut self, record: &[u8], start: usize, end: usize) -> bool {
        let field = record.get(start..end).unwrap_or(&[]);
        if !self.searching {
            return self.append(field).is_some();
        }
        let key = if field.len() <= SHORT {
            short_key(record, start, field)
        } else {
            long_key(field, self.secret)
        };
        let last = self.last;
        if last.code != EMPTY && self.holds(last, key, field) {
            self.codes.push(last.code);
            return true;
        }
        self.search(key, field)
    }

    #[inline]
    fn holds(&self, slot: Slot, key: u64, field: &[u8]) -> bool {
        slot.key == key && (key < LONG || self.text(slot.code) == field)
    }

    fn search(&mut self, key: u64, field: &[u8]) -> bool {
        let mask = self.slots.len() - 1;
        let mut position = spread(key, self.secret) & mask;
        loop {
            let slot = self.slots[position];
            if slot.code == EMPTY {
                break;
            }
            if self.holds(slot, key, field) {
                self.codes.push(slot.code);
                self.last = slot;
                return true;
            }
            position = (position + 1) & mask;
        }
        let Some(code) = self.append(field) else {
            return false;
        };
        self.last = Slot { key, code };
        self.slots[position] = self.last;
        if self.ends.len() * 2 > self.slots.len() {
            self.grow();
        }
        true
    }

    /// Stores a text under a new number and gives the number to the row.
    fn append(&mut self, field: &[u8]) -> Option<u32> {
        std::str::from_utf8(field).ok()?;
        let code = self.ends.len() as u32;
        self.bytes.extend_from_slice(field);
        self.ends.push(self.bytes.len());
        self.codes.push(code);
        Some(code)
    }

    /// Doubles the table, or gives the search up where more than half of the fields are new.
    fn grow(&mut self) {
        if self.adaptive && self.ends.len() >= FIRST_CHECK && self.ends.len() * 2 > self.codes.len()
        {
            self.searching = false;
            self.slots = Vec::new();
            return;
        }
        let mask = self.slots.len() * 2 - 1;
        let mut slots = vec![
            Slot {
                key: 0,
                code: EMPTY
            };
            mask + 1
        ];
        for slot in self.slots.iter().filter(|slot| slot.code != EMPTY) {
            let mut position = spread(slot.key, self.secret) & mask;
            while slots[position].code != EMPTY {
                position = (position + 1) & mask;
            }
            slots[position] = *slot;
        }
        self.slots = slots;
    }

    /// The same rows with every text numbered once, whatever its share of rows.
    pub(super) fn distinct(self) -> Self {
        if self.searching {
            return self;
        }
        let mut whole = Self::whole();
        for text in self.texts() {
            whole.push(text, 0, text.len());
        }
        let number_of = std::mem::take(&mut whole.codes);
        whole.codes = self
            .codes
            .iter()
            .map(|code| number_of[*code as usize])
            .collect();
        whole
    }
}

/// Bytes and length of a short text in one word.
#[inline]
fn short_key(record: &[u8], start: usize, field: &[u8]) -> u64 {
    let length = field.len();
    let word = match record.get(start..start + 8) {
        Some(bytes) => bytes.try_into().map_or(0, u64::from_le_bytes),
        None => {
            let mut bytes = [0; 8];
            bytes
                .iter_mut()
                .zip(field)
                .for_each(|(slot, byte)| *slot = *byte);
            u64::from_le_bytes(bytes)
        }
    };
    (word & ((1_u64 << (8 * length)) - 1)) | ((length as u64) << 56)
}

/// A hash of a longer text under the secret, marked as one.
fn long_key(field: &[u8], secret: u64) -> u64 {
    let mut hash = secret ^ field.len() as u64;
    let mut chunks = field.chunks_exact(8);
    for chunk in &mut chunks {
        let word = chunk.try_into().map_or(0, u64::from_le_bytes);
        hash = fold(hash ^ word, secret);
    }
    let mut rest = [0; 8];
    rest.iter_mut()
        .zip(chunks.remainder())
        .for_each(|(slot, byte)| *slot = *byte);
    fold(hash ^ u64::from_le_bytes(rest), secret) | LONG
}

#[inline]
fn spread(key: u64, secret: u64) -> usize {
    fold(key ^ secret.rotate_left(32), secret) as usize
}

/// Both halves of the 128-bit product: every input bit reaches every output bit.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x9e37_79b9_7f4a_7c15) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(texts: &[String]) -> Fields {
        let mut fields = Fields::new();
        for text in texts {
            assert!(fields.push(text.as_bytes(), 0, text.len()));
        }
        fields
    }

    fn read_back(fields: &Fields) -> Vec<String> {
        fields
            .codes()
            .iter()
            .map(|code| fields.string(*code).to_string())
            .collect()
    }

    #[test]
    fn texts_come_back_and_are_numbered_once() {
        let texts: Vec<String> = (0..5000)
            .map(|i| match i % 3 {
                0 => format!("{}", i % 40),
                1 => format!("a much longer level {}", i % 700),
                _ => String::new(),
            })
            .collect();
        let fields = fields(&texts);
        assert_eq!(read_back(&fields), texts);
        let distinct: std::collections::BTreeSet<&String> = texts.iter().collect();
        assert_eq!(fields.n_texts(), distinct.len());
    }

    #[test]
    fn texts_that_differ_in_length_or_trailing_zero_bytes_stay_apart() {
        let texts: Vec<String> = ["a", "a\0", "aaaaaaa", "aaaaaaaa", "aaaaaaaaa", ""]
            .map(String::from)
            .to_vec();
        assert_eq!(fields(&texts).n_texts(), texts.len());
        // The same text inside a longer record and alone has the same number.
        let mut fields = Fields::new();
        assert!(fields.push(b"xNoyyyyyyyyy", 1, 3) && fields.push(b"No", 0, 2));
        assert_eq!(fields.codes(), [0, 0]);
    }

    #[test]
    fn a_column_of_unique_texts_stops_searching_and_can_still_be_numbered_once() {
        let mut texts: Vec<String> = (0..2 * FIRST_CHECK).map(|i| format!("id-{i}")).collect();
        texts.extend(texts.clone());
        let fields = fields(&texts);
        assert!(!fields.searching);
        assert_eq!(read_back(&fields), texts);
        let fields = fields.distinct();
        assert_eq!(fields.n_texts(), 2 * FIRST_CHECK);
        assert_eq!(read_back(&fields), texts);
    }

    #[test]
    fn bytes_that_are_not_text_are_refused() {
        assert!(!Fields::new().push(&[b'a', 0xff], 0, 2));
    }
}
