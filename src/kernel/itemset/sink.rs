//! Where found sets go: counted, kept front-coded, or handed to a visitor.

use super::limits::{Guard, Meter};

/// Receives the sets of one task in canonical order.
pub(crate) trait Sink {
    /// Takes one set, its items in canonical order, with its support.
    fn take(&mut self, set: &[u32], support: u64);
    /// A step of the search; true when it should end.
    fn step(&mut self) -> bool;
    /// Whether the search should end.
    fn stopped(&self) -> bool;
}

/// Lengths that are wanted; both ends included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths {
    pub(crate) least: usize,
    pub(crate) most: usize,
}

impl Lengths {
    #[inline(always)]
    pub(crate) fn holds(self, length: usize) -> bool {
        length >= self.least && length <= self.most
    }
}

/// Counts sets by length.
#[derive(Debug)]
pub(crate) struct Counter<'a> {
    meter: Meter<'a>,
    lengths: Lengths,
    /// Number of sets by length.
    pub(crate) by_length: Vec<u64>,
}

impl<'a> Counter<'a> {
    pub(crate) fn new(guard: &'a Guard, lengths: Lengths) -> Self {
        Self {
            meter: Meter::new(guard),
            lengths,
            by_length: vec![0; 16],
        }
    }
}

impl Sink for Counter<'_> {
    #[inline(always)]
    fn take(&mut self, set: &[u32], _support: u64) {
        let length = set.len();
        if self.lengths.holds(length) {
            if length >= self.by_length.len() {
                self.by_length.resize(2 * length, 0);
            }
            self.by_length[length] += 1;
            self.meter.set(0);
        }
    }

    #[inline(always)]
    fn step(&mut self) -> bool {
        self.meter.step()
    }

    #[inline(always)]
    fn stopped(&self) -> bool {
        self.meter.stopped()
    }
}

/// Sets front-coded: length of the prefix shared with the set before, the items that follow and
/// the support, all as variable-length integers; some six bytes a set.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Coded {
    bytes: Vec<u8>,
    sets: usize,
    items: usize,
}

impl Coded {
    /// Number of sets.
    pub(crate) fn len(&self) -> usize {
        self.sets
    }

    /// Number of items in all sets.
    #[cfg(test)]
    pub(crate) fn n_items(&self) -> usize {
        self.items
    }

    /// Gives back what was reserved.
    pub(crate) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Hands the sets over in order until the visitor says no; false when it did.
    pub(crate) fn visit(&self, mut visitor: impl FnMut(&[u32], u64) -> bool) -> bool {
        let mut set: Vec<u32> = Vec::new();
        let mut bytes = self.bytes.iter();
        for _ in 0..self.sets {
            let shared = read(&mut bytes) as usize;
            set.truncate(shared);
            for _ in 0..read(&mut bytes) {
                set.push(read(&mut bytes) as u32);
            }
            let support = read(&mut bytes);
            if !visitor(&set, support) {
                return false;
            }
        }
        true
    }
}

#[inline(always)]
fn write(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[inline(always)]
fn read(bytes: &mut std::slice::Iter<'_, u8>) -> u64 {
    let mut value = 0;
    let mut shift = 0;
    for &byte in bytes.by_ref() {
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
        shift += 7;
    }
    value
}

/// Keeps sets front-coded, up to a number of bytes.
#[derive(Debug)]
pub(crate) struct Buffer<'a> {
    meter: Meter<'a>,
    lengths: Lengths,
    last: Vec<u32>,
    most_bytes: usize,
    /// More sets came than the buffer may hold.
    pub(crate) full: bool,
    /// What was kept.
    pub(crate) coded: Coded,
}

impl<'a> Buffer<'a> {
    pub(crate) fn new(guard: &'a Guard, lengths: Lengths, most_bytes: usize) -> Self {
        Self {
            meter: Meter::new(guard),
            lengths,
            last: Vec::new(),
            most_bytes,
            full: false,
            coded: Coded::default(),
        }
    }
}

impl Sink for Buffer<'_> {
    #[inline]
    fn take(&mut self, set: &[u32], support: u64) {
        if !self.lengths.holds(set.len()) || self.full {
            return;
        }
        let before = self.coded.bytes.len();
        let shared = set
            .iter()
            .zip(&self.last)
            .take_while(|(new, old)| new == old)
            .count();
        self.last.truncate(shared);
        let bytes = &mut self.coded.bytes;
        write(bytes, shared as u64);
        write(bytes, (set.len() - shared) as u64);
        for &item in &set[shared..] {
            write(bytes, u64::from(item));
            self.last.push(item);
        }
        write(bytes, support);
        self.coded.sets += 1;
        self.coded.items += set.len();
        self.meter.set((bytes.len() - before) as u64);
        self.full = bytes.len() > self.most_bytes;
    }

    #[inline(always)]
    fn step(&mut self) -> bool {
        self.meter.step() || self.full
    }

    #[inline(always)]
    fn stopped(&self) -> bool {
        self.meter.stopped() || self.full
    }
}

/// Hands every set to a visitor at once.
pub(crate) struct Direct<'a, 'v> {
    meter: Meter<'a>,
    lengths: Lengths,
    visitor: &'v mut dyn FnMut(&[u32], u64) -> bool,
}

impl<'a, 'v> Direct<'a, 'v> {
    pub(crate) fn new(
        guard: &'a Guard,
        lengths: Lengths,
        visitor: &'v mut dyn FnMut(&[u32], u64) -> bool,
    ) -> Self {
        Self {
            meter: Meter::new(guard),
            lengths,
            visitor,
        }
    }
}

impl Sink for Direct<'_, '_> {
    #[inline]
    fn take(&mut self, set: &[u32], support: u64) {
        if self.lengths.holds(set.len()) && !self.meter.stopped() {
            self.meter.set(0);
            if !self.meter.stopped() && !(self.visitor)(set, support) {
                self.meter.stop();
            }
        }
    }

    #[inline(always)]
    fn step(&mut self) -> bool {
        self.meter.step()
    }

    #[inline(always)]
    fn stopped(&self) -> bool {
        self.meter.stopped()
    }
}
