//! Classes of bitsets: the members of a class are the items that extend one prefix, each with the
//! rows that contain it, as bits over the rows of the prefix.
//!
//! Extending by one member intersects it with others (Zaki 2000, doi:10.1109/69.846291). Rows are
//! renumbered where a class is built, so that a prefix with few rows has few words, and words in
//! which the pivot has no row are dropped on the way down, which leaves what dense tid lists and
//! diffsets are made for: work in proportion to the support. Weighted rows are spread over sections
//! of words, one per binary digit of the weight; the digit is the section's shift.

use std::ops::Range;

use super::intersect::{Extend, Extendable};
use super::prepare::Rows;
use crate::numeric::simd::Arch;

/// One class within the arena.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Class {
    /// First member.
    pub(crate) start: usize,
    /// One past the last extension; behind it come the items passed over, without a support.
    pub(crate) passed: usize,
    /// One past the last member.
    pub(crate) end: usize,
    words: usize,
    width: usize,
    shifts: usize,
    /// Width and shifts before bits were dropped: words of the class above.
    raw: (usize, usize),
}

impl Class {
    /// Number of extensions.
    pub(crate) fn len(&self) -> usize {
        self.passed - self.start
    }
}

/// Classes stacked depth first; nothing is allocated per set, and nothing is cleared: what is behind
/// the last class is left over.
#[derive(Debug)]
pub(crate) struct Arena {
    /// Item of every extension.
    pub(crate) items: Vec<u32>,
    /// Support of every extension.
    pub(crate) supports: Vec<u64>,
    words: Vec<u64>,
    shifts: Vec<u8>,
    kept: Vec<u32>,
    /// Bit that each row of the last pivot goes to, where its class is packed.
    places: Vec<u32>,
    spare: Vec<u64>,
    arch: Arch,
}

/// Widest class whose zero words are not worth dropping.
const NARROW: usize = 3;
/// Fewest extensions that are worth packing.
const MANY: usize = 16;
/// Fewest members that are worth packing where they are known to be frequent.
const FEW: usize = 8;

impl Arena {
    pub(crate) fn new() -> Self {
        Self {
            items: Vec::new(),
            supports: Vec::new(),
            words: Vec::new(),
            shifts: Vec::new(),
            kept: Vec::new(),
            places: Vec::new(),
            spare: Vec::new(),
            arch: Arch::new(),
        }
    }

    /// Builds the first class from rows of `members` local items, as far as they have `least` of them.
    /// Extensions are those that come with a support, the others were passed over.
    pub(crate) fn root(
        &mut self,
        rows: &Rows,
        items: &[u32],
        supports: &[u64],
        members: usize,
        least: usize,
    ) -> Class {
        self.shifts.clear();
        self.room(members, 0);
        self.items[..items.len()].copy_from_slice(items);
        self.supports[..items.len()].copy_from_slice(supports);
        let width;
        if rows.weights.is_empty() {
            let enough = |row: &usize| rows.row(*row).len() >= least;
            let kept = match least {
                0 => rows.len(),
                _ => (0..rows.len()).filter(enough).count(),
            };
            width = kept.div_ceil(64);
            self.room(members, members * width);
            self.words[..members * width].fill(0);
            for (place, row) in (0..rows.len()).filter(enough).enumerate() {
                let (word, bit) = (place / 64, 1u64 << (place % 64));
                for &item in rows.row(row) {
                    self.words[item as usize * width + word] |= bit;
                }
            }
        } else {
            // Bits needed for every binary digit of the weights.
            let mut next = [0usize; 64];
            for &weight in &rows.weights {
                let mut rest = weight;
                while rest != 0 {
                    next[rest.trailing_zeros() as usize] += 1;
                    rest &= rest - 1;
                }
            }
            let mut words = 0;
            for (digit, slot) in next.iter_mut().enumerate() {
                let section = slot.div_ceil(64);
                *slot = words * 64;
                words += section;
                self.shifts.resize(words, digit as u8);
            }
            width = words;
            self.room(members, members * width);
            self.words[..members * width].fill(0);
            for (row, &weight) in rows.weights.iter().enumerate() {
                let mut rest = weight;
                while rest != 0 {
                    let slot = &mut next[rest.trailing_zeros() as usize];
                    let (word, bit) = (*slot / 64, 1u64 << (*slot % 64));
                    *slot += 1;
                    rest &= rest - 1;
                    for &item in rows.row(row) {
                        self.words[item as usize * width + word] |= bit;
                    }
                }
            }
        }
        Class {
            start: 0,
            passed: items.len(),
            end: members,
            words: 0,
            width,
            shifts: 0,
            raw: (width, 0),
        }
    }

    /// Sees to it that so many members and words fit.
    #[inline(always)]
    fn room(&mut self, members: usize, words: usize) {
        if self.items.len() < members {
            self.items.resize(members, 0);
            self.supports.resize(members, 0);
        }
        if self.words.len() < words {
            self.words.resize(words, 0);
        }
    }

    /// Words of a member.
    fn member(&self, class: &Class, member: usize) -> &[u64] {
        let at = class.words + (member - class.start) * class.width;
        &self.words[at..at + class.width]
    }

    /// Words of the members passed over by then, all in a row.
    fn behind(&self, class: &Class, member: usize) -> &[u64] {
        let at = class.words + (member + 1 - class.start) * class.width;
        &self.words[at..class.words + (class.end - class.start) * class.width]
    }

    /// Whether an item passed over holds all rows of a member.
    pub(crate) fn covered(&self, class: &Class, member: usize) -> bool {
        let own = self.member(class, member);
        let behind = self.behind(class, member);
        match own {
            [own] => behind.iter().any(|other| own & !other == 0),
            _ => behind
                .chunks_exact(class.width.max(1))
                .any(|other| own.iter().zip(other).all(|(own, other)| own & !other == 0)),
        }
    }

    /// Whether an item passed over holds rows of a member that weigh `least`.
    pub(crate) fn extendable(&self, class: &Class, member: usize, least: u64) -> bool {
        self.arch.dispatch(Extendable {
            own: self.member(class, member),
            behind: self.behind(class, member),
            shifts: self.shifts.get(class.shifts..).unwrap_or_default(),
            least,
        })
    }

    /// Appends the class of `prefix + member pivot`: the members before the pivot that reach
    /// `min_support` with it.
    pub(crate) fn extend(&mut self, class: &Class, pivot: usize, min_support: u64) -> Class {
        let mut child = self.child(class, pivot);
        self.intersect(class, pivot, class.start..pivot, &mut child, min_support);
        child.passed = child.end;
        if child.width > NARROW && child.len() >= MANY {
            self.pack(class, pivot, &mut child);
        }
        child
    }

    /// Appends the class of `prefix + member pivot` from members that are known to be frequent with
    /// it; the first of them are extensions, which come with items and supports.
    pub(crate) fn select(
        &mut self,
        class: &Class,
        pivot: usize,
        members: &[u32],
        items: &[u32],
        supports: &[u64],
    ) -> Class {
        let mut child = self.child(class, pivot);
        child.passed += items.len();
        child.end += members.len();
        self.room(child.end, child.words + members.len() * child.width);
        self.items[child.start..child.passed].copy_from_slice(items);
        self.supports[child.start..child.passed].copy_from_slice(supports);
        let (old, new) = self.words.split_at_mut(child.words);
        let row = |member: usize| &old[class.words + member * class.width..][..class.width];
        let own = row(pivot - class.start);
        for (&member, out) in members.iter().zip(new.chunks_exact_mut(child.width)) {
            let other = row(member as usize);
            if self.kept.is_empty() {
                for ((out, a), b) in out.iter_mut().zip(own).zip(other) {
                    *out = a & b;
                }
            } else {
                for (out, &at) in out.iter_mut().zip(&self.kept) {
                    *out = own[at as usize] & other[at as usize];
                }
            }
        }
        if child.width > NARROW && members.len() >= FEW {
            self.pack(class, pivot, &mut child);
        }
        child
    }

    /// A class for `prefix + member pivot`, without members; words in which the pivot has no row are
    /// dropped if there are many.
    fn child(&mut self, class: &Class, pivot: usize) -> Class {
        let pivot_words = class.words + (pivot - class.start) * class.width;
        let shifts_end = self.shifts.len();
        let weighted = !self.shifts.is_empty();
        self.kept.clear();
        if class.width > NARROW {
            let row = &self.words[pivot_words..pivot_words + class.width];
            self.kept.resize(class.width, 0);
            let mut kept = 0;
            for (at, &word) in (0..).zip(row) {
                // Written in any case and kept by moving on: no branch to mispredict.
                self.kept[kept] = at;
                kept += usize::from(word != 0);
            }
            self.kept.truncate(kept);
            if self.kept.len() * 4 > class.width * 3 {
                self.kept.clear();
            }
        }
        let mut width = class.width;
        let mut shifts = class.shifts;
        if !self.kept.is_empty() {
            width = self.kept.len();
            if weighted {
                shifts = shifts_end;
                for &at in &self.kept {
                    self.shifts.push(self.shifts[class.shifts + at as usize]);
                }
            }
        }
        Class {
            start: class.end,
            passed: class.end,
            end: class.end,
            words: class.words + (class.end - class.start) * class.width,
            width,
            shifts,
            raw: (width, shifts),
        }
    }

    /// Adds to the class of `prefix + member pivot`, the last one made, the items passed over that
    /// reach `min_support` with it.
    pub(crate) fn pass(
        &mut self,
        class: &Class,
        pivot: usize,
        child: &mut Class,
        min_support: u64,
    ) {
        let first = child.end;
        self.intersect(class, pivot, pivot + 1..class.end, child, min_support);
        if child.width != child.raw.0 {
            self.repack(child, first);
        }
    }

    /// Drops the bits in which the pivot has no row, if that halves the words of the class.
    fn pack(&mut self, class: &Class, pivot: usize, child: &mut Class) {
        let from = class.words + (pivot - class.start) * class.width;
        let weighted = !self.shifts.is_empty();
        // Only where the pivot has a row it is looked up; what else is there does not matter.
        if self.places.len() < child.raw.0 * 64 {
            self.places.resize(child.raw.0 * 64, 0);
        }
        let first = self.shifts.len();
        let (mut next, mut last) = (0_u32, 0);
        for at in 0..child.raw.0 {
            let word = self.kept.get(at).map_or(at, |&at| at as usize);
            if weighted {
                // Digits of weights do not share a word.
                let shift = self.shifts[child.raw.1 + at];
                if shift != last {
                    next = next.next_multiple_of(64);
                    last = shift;
                }
                let words = (next + self.words[from + word].count_ones()).div_ceil(64);
                self.shifts.resize(first + words as usize, shift);
            }
            let mut rest = self.words[from + word];
            while rest != 0 {
                self.places[at * 64 + rest.trailing_zeros() as usize] = next;
                next += 1;
                rest &= rest - 1;
            }
        }
        let width = next.div_ceil(64) as usize;
        if width * 2 > child.raw.0 {
            self.shifts.truncate(first);
            return;
        }
        child.width = width;
        if weighted {
            child.shifts = first;
        }
        self.repack(child, child.start);
    }

    /// Moves the bits of members from `first` on to their places.
    fn repack(&mut self, child: &Class, first: usize) {
        let start = child.words + (first - child.start) * child.width;
        for member in 0..child.end - first {
            let from = start + member * child.raw.0;
            self.spare.clear();
            self.spare
                .extend_from_slice(&self.words[from..from + child.raw.0]);
            // What is written lies before what is still to be read.
            let to = start + member * child.width;
            let own = &mut self.words[to..to + child.width];
            own.fill(0);
            for (&word, places) in self.spare.iter().zip(self.places.as_chunks::<64>().0) {
                let mut rest = word;
                while rest != 0 {
                    let place = places[rest.trailing_zeros() as usize] as usize;
                    own[place / 64] |= 1 << (place % 64);
                    rest &= rest - 1;
                }
            }
        }
    }

    /// Appends to `child` the members that reach `min_support` with the pivot.
    fn intersect(
        &mut self,
        class: &Class,
        pivot: usize,
        members: Range<usize>,
        child: &mut Class,
        min_support: u64,
    ) {
        let end = child.end;
        let words_end = child.words + (end - child.start) * child.width;
        let most = members.len();
        let place = |member: usize| class.words + (member - class.start) * class.width;
        self.room(end + most, words_end + (most + 1) * child.raw.0);
        let (old_items, new_items) = self.items.split_at_mut(end);
        let (old_words, new_words) = self.words.split_at_mut(words_end);
        let found = self.arch.dispatch(Extend {
            items: &old_items[members.clone()],
            words: &old_words[place(members.start)..place(members.end)],
            pivot: &old_words[place(pivot)..place(pivot + 1)],
            kept: &self.kept,
            shifts: if self.shifts.is_empty() {
                &[]
            } else {
                &self.shifts[child.raw.1..child.raw.1 + child.raw.0]
            },
            min_support,
            out_items: new_items,
            out_supports: &mut self.supports[end..],
            out_words: new_words,
        });
        child.end = end + found;
    }

    /// Moves a member to an earlier place of its class.
    pub(crate) fn shift(&mut self, class: &Class, member: usize, place: usize) {
        if member != place {
            self.items[place] = self.items[member];
            self.supports[place] = self.supports[member];
            let from = class.words + (member - class.start) * class.width;
            let to = class.words + (place - class.start) * class.width;
            self.words.copy_within(from..from + class.width, to);
        }
    }

    /// Forgets everything from a class on.
    pub(crate) fn drop_class(&mut self, child: &Class, parent: &Class) {
        if child.raw.1 != parent.shifts {
            self.shifts.truncate(child.raw.1);
        } else if child.shifts != parent.shifts {
            self.shifts.truncate(child.shifts);
        }
    }
}
