//! Baskets gathered from pairs of units and items. Pairs in the order of their units are written where
//! they belong at once; only what comes out of order is kept aside and sorted.

/// Baskets as they are gathered.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// Ends of the baskets that are complete.
    ends: Vec<usize>,
    members: Vec<u32>,
    /// Pairs from the first out of order on.
    late: Vec<(u32, u32)>,
}

impl Gather {
    pub(super) fn push(&mut self, unit: usize, item: u32) {
        if unit < self.ends.len() || !self.late.is_empty() {
            self.late.push((unit as u32, item));
            return;
        }
        while self.ends.len() < unit {
            self.ends.push(self.members.len());
        }
        self.members.push(item);
    }

    /// Where the baskets begin and end, and their items: increasing, each once.
    pub(super) fn end(mut self, n_units: usize) -> (Vec<usize>, Vec<u32>) {
        if !self.late.is_empty() {
            let mut all = std::mem::take(&mut self.late);
            let mut unit = 0;
            for (at, item) in self.members.iter().enumerate() {
                while self.ends.get(unit).is_some_and(|end| *end <= at) {
                    unit += 1;
                }
                all.push((unit as u32, *item));
            }
            all.sort_unstable();
            self = Self::default();
            for (unit, item) in all {
                self.push(unit as usize, item);
            }
        }
        let mut starts = vec![0];
        starts.append(&mut self.ends);
        starts.resize(n_units + 1, self.members.len());
        tidy(&mut starts, &mut self.members);
        (starts, self.members)
    }
}

/// Sorts every basket in its place and takes out repeated items.
pub(super) fn tidy(starts: &mut [usize], members: &mut Vec<u32>) {
    let (mut from, mut to) = (0, 0);
    for start in starts.iter_mut().skip(1) {
        let end = std::mem::replace(start, 0);
        let own = &mut members[from..end];
        if own.windows(2).all(|pair| pair[0] < pair[1]) {
            if to < from {
                members.copy_within(from..end, to);
            }
            to += end - from;
        } else {
            own.sort_unstable();
            let first = to;
            for at in from..end {
                let item = members[at];
                if to == first || members[to - 1] != item {
                    members[to] = item;
                    to += 1;
                }
            }
        }
        *start = to;
        from = end;
    }
    members.truncate(to);
    members.shrink_to_fit();
}
