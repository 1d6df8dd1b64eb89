//! Intersections of bitsets: one with many, counted.

use crate::numeric::simd::NullaryFnOnce;

/// Intersections of one pivot with a run of members.
pub(super) struct Extend<'a> {
    pub(super) items: &'a [u32],
    pub(super) words: &'a [u64],
    pub(super) pivot: &'a [u64],
    pub(super) kept: &'a [u32],
    pub(super) shifts: &'a [u8],
    pub(super) min_support: u64,
    pub(super) out_items: &'a mut [u32],
    pub(super) out_supports: &'a mut [u64],
    pub(super) out_words: &'a mut [u64],
}

impl NullaryFnOnce for Extend<'_> {
    type Output = usize;

    #[inline(always)]
    fn call(self) -> usize {
        match (
            self.kept.is_empty(),
            self.shifts.is_empty(),
            self.pivot.len(),
        ) {
            (true, true, 1) => self.narrow::<1>(),
            (true, true, 2) => self.narrow::<2>(),
            (true, true, 3) => self.narrow::<3>(),
            (true, true, _) => self.wide(|member, pivot, _, _, out| {
                let mut count = 0;
                for ((&a, &b), out) in member.iter().zip(pivot).zip(out) {
                    *out = a & b;
                    count += u64::from((a & b).count_ones());
                }
                count
            }),
            (true, false, _) => self.wide(|member, pivot, _, shifts, out| {
                let mut count = 0;
                for (((&a, &b), out), &shift) in member.iter().zip(pivot).zip(out).zip(shifts) {
                    *out = a & b;
                    count += u64::from((a & b).count_ones()) << (shift & 63);
                }
                count
            }),
            (false, true, _) => self.wide(|member, pivot, kept, _, out| {
                let mut count = 0;
                for (&at, out) in kept.iter().zip(out) {
                    let word = member[at as usize] & pivot[at as usize];
                    *out = word;
                    count += u64::from(word.count_ones());
                }
                count
            }),
            (false, false, _) => self.wide(|member, pivot, kept, shifts, out| {
                let mut count = 0;
                for ((&at, out), &shift) in kept.iter().zip(out).zip(shifts) {
                    let word = member[at as usize] & pivot[at as usize];
                    *out = word;
                    count += u64::from(word.count_ones()) << (shift & 63);
                }
                count
            }),
        }
    }
}

impl Extend<'_> {
    #[inline(always)]
    fn narrow<const W: usize>(self) -> usize {
        let (members, _) = self.words.as_chunks::<W>();
        let (out_words, _) = self.out_words.as_chunks_mut::<W>();
        let Some(pivot) = self.pivot.first_chunk::<W>() else {
            return 0;
        };
        let mut found = 0;
        for (&item, member) in self.items.iter().zip(members) {
            let mut word = [0; W];
            let mut count = 0;
            for at in 0..W {
                word[at] = member[at] & pivot[at];
                count += u64::from(word[at].count_ones());
            }
            // Written in any case and kept by moving on: no branch to mispredict.
            out_words[found] = word;
            self.out_items[found] = item;
            self.out_supports[found] = count;
            found += usize::from(count >= self.min_support);
        }
        found
    }

    #[inline(always)]
    fn wide(self, intersect: impl Fn(&[u64], &[u64], &[u32], &[u8], &mut [u64]) -> u64) -> usize {
        let old = self.pivot.len();
        let new = if self.kept.is_empty() {
            old
        } else {
            self.kept.len()
        };
        let mut found = 0;
        if old == 0 {
            return 0;
        }
        for (&item, member) in self.items.iter().zip(self.words.chunks_exact(old)) {
            let out = &mut self.out_words[found * new..(found + 1) * new];
            let count = intersect(member, self.pivot, self.kept, self.shifts, out);
            if count >= self.min_support {
                self.out_items[found] = item;
                self.out_supports[found] = count;
                found += 1;
            }
        }
        found
    }
}

/// The search for a member that holds enough rows of another.
pub(super) struct Extendable<'a> {
    pub(super) own: &'a [u64],
    pub(super) behind: &'a [u64],
    pub(super) shifts: &'a [u8],
    pub(super) least: u64,
}

impl NullaryFnOnce for Extendable<'_> {
    type Output = bool;

    #[inline(always)]
    fn call(self) -> bool {
        let (own, shifts) = (self.own, self.shifts);
        let joint = |other: &[u64]| -> u64 {
            let words = own
                .iter()
                .zip(other)
                .map(|(a, b)| u64::from((a & b).count_ones()));
            if shifts.is_empty() {
                words.sum()
            } else {
                words
                    .zip(shifts)
                    .map(|(count, shift)| count << (shift & 63))
                    .sum()
            }
        };
        let mut others = self.behind.chunks_exact(own.len().max(1));
        if let ([own], true) = (own, shifts.is_empty()) {
            let joint = |other: &u64| u64::from((own & other).count_ones());
            return self.behind.iter().any(|other| joint(other) >= self.least);
        }
        others.any(|other| joint(other) >= self.least)
    }
}
