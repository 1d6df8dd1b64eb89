//! Apriori: level by level, candidates from sets that share all but their last item, counted by
//! walking every row down the prefix tree of candidates.
//!
//! Agrawal and Srikant (1994). Pairs are counted in arrays. From three items on, the rows of one
//! first item walk the part of the tree below it, which makes the parts independent of each other.
//! All levels stay in memory; sets are read off the tree in canonical order at the end, after one
//! pass over all subsets that are smaller by one item has marked closed, maximal and generator
//! sets.

use std::ops::Range;

use super::limits::Guard;
use super::prepare::Prepared;
use super::sink::Sink;
use super::{Miner, Target};
use crate::numeric::parallel;

/// The frequent sets of one length; the children of a set are neighbours, items ascending.
#[derive(Debug, Default)]
struct Level {
    items: Vec<u32>,
    supports: Vec<u64>,
    /// First child in the level below, and the end.
    children: Vec<usize>,
    wanted: Vec<bool>,
}

/// The finished tree.
#[derive(Debug)]
pub(crate) struct Apriori<'a> {
    data: &'a Prepared,
    levels: Vec<Level>,
    root_wanted: bool,
    /// Required items that stand last among the ranks.
    fixed: usize,
}

/// Candidates of the next level: items by parent.
struct Candidates {
    starts: Vec<usize>,
    items: Vec<u32>,
}

impl<'a> Apriori<'a> {
    /// Mines all levels. For generators the data are whole, with the required items last.
    pub(crate) fn new(
        data: &'a Prepared,
        min_support: u64,
        most: usize,
        target: Target,
        guard: &Guard,
    ) -> Self {
        let n = data.n_items();
        let fixed = if target == Target::Generators {
            data.required.len().min(n)
        } else {
            0
        };
        // Whether a set is closed or maximal shows one level further down.
        let deepest = match target {
            Target::Closed | Target::Maximal => most.saturating_add(1),
            _ => most,
        }
        .saturating_sub(if fixed > 0 { 0 } else { data.required.len() });
        let (mut starts, mut lists) = (Vec::new(), Vec::new());
        data.rows.transpose(n, &mut starts, &mut lists);
        let mut levels = vec![Level {
            items: (0..n as u32).collect(),
            supports: data.supports.clone(),
            ..Level::default()
        }];
        while levels.len() < deepest && !guard.stopped() {
            let level = &levels[levels.len() - 1];
            let candidates = join(&levels);
            if candidates.items.is_empty() {
                break;
            }
            let counts = parallel::map_tasks(n, |item| {
                let list = &lists[starts[item]..starts[item + 1]];
                count(data, &levels, &candidates, item, list)
            });
            let mut next = Level::default();
            let mut children = vec![0];
            let mut at = 0;
            let mut counts = counts.into_iter().flatten();
            for parent in 0..level.items.len() {
                for _ in candidates.starts[parent]..candidates.starts[parent + 1] {
                    let support = counts.next().unwrap_or(0);
                    if support >= min_support {
                        next.items.push(candidates.items[at]);
                        next.supports.push(support);
                    }
                    at += 1;
                }
                children.push(next.items.len());
            }
            guard.report(0, (next.items.len() * 21) as u64);
            let last = levels.len() - 1;
            levels[last].children = children;
            if next.items.is_empty() {
                break;
            }
            levels.push(next);
        }
        let mut tree = Self {
            data,
            levels,
            root_wanted: true,
            fixed,
        };
        tree.mark(target);
        tree
    }

    /// Marks the sets that are wanted.
    fn mark(&mut self, target: Target) {
        let total = self.data.total;
        let mut flags: Vec<Vec<bool>> = self
            .levels
            .iter()
            .map(|level| vec![true; level.items.len()])
            .collect();
        match target {
            Target::Frequent => {}
            Target::Closed => self.root_wanted = !self.data.supports.contains(&total),
            Target::Maximal => self.root_wanted = self.data.supports.is_empty(),
            Target::Generators => {
                for (flag, &support) in flags[0].iter_mut().zip(&self.data.supports) {
                    *flag = support < total;
                }
            }
        }
        if target != Target::Frequent {
            let mut path = Vec::new();
            let roots = 0..self.levels[0].items.len();
            self.subsets(target, roots, &mut path, &mut flags);
        }
        for (level, flags) in self.levels.iter_mut().zip(flags) {
            level.wanted = flags;
        }
    }

    /// Compares every set below `nodes` with its subsets smaller by one.
    fn subsets(
        &self,
        target: Target,
        nodes: Range<usize>,
        path: &mut Vec<u32>,
        flags: &mut [Vec<bool>],
    ) {
        let depth = path.len();
        let level = &self.levels[depth];
        for node in nodes {
            path.push(level.items[node]);
            if depth > 0 {
                for left_out in 0..=depth {
                    if let Some(subset) = self.find(path, left_out) {
                        let same = self.levels[depth - 1].supports[subset] == level.supports[node];
                        match target {
                            Target::Closed if same => flags[depth - 1][subset] = false,
                            Target::Maximal => flags[depth - 1][subset] = false,
                            Target::Generators if same => flags[depth][node] = false,
                            _ => {}
                        }
                    }
                }
            }
            if let Some(children) = level.children(node) {
                self.subsets(target, children, path, flags);
            }
            path.pop();
        }
    }

    /// The node of a path without one of its items.
    fn find(&self, path: &[u32], left_out: usize) -> Option<usize> {
        let mut nodes = 0..self.levels[0].items.len();
        let mut found = None;
        let mut depth = 0;
        for (at, item) in path.iter().enumerate() {
            if at == left_out {
                continue;
            }
            let level = &self.levels[depth];
            let node = nodes.start + level.items[nodes].binary_search(item).ok()?;
            found = Some(node);
            nodes = level.children(node).unwrap_or(0..0);
            depth += 1;
        }
        found
    }

    fn walk<S: Sink>(&self, depth: usize, node: usize, set: &mut Vec<u32>, sink: &mut S) {
        if sink.step() {
            return;
        }
        let level = &self.levels[depth];
        set.push(self.data.ids[level.items[node] as usize]);
        if level.wanted[node] && depth + 1 >= self.fixed {
            let support = level.supports[node];
            if self.fixed > 0 {
                let mut named = self.data.required.clone();
                named.extend_from_slice(&set[self.fixed..]);
                sink.take(&named, support);
            } else {
                sink.take(set, support);
            }
        }
        if let Some(children) = level.children(node) {
            for child in children {
                if self.reaches(depth + 1, child) {
                    self.walk(depth + 1, child, set, sink);
                }
            }
        }
        set.pop();
    }

    /// Whether the node may lie on a path that starts with all required items.
    fn reaches(&self, depth: usize, node: usize) -> bool {
        depth >= self.fixed
            || self.levels[depth].items[node] as usize + depth + 1 == self.data.n_items()
    }
}

impl Level {
    fn children(&self, node: usize) -> Option<Range<usize>> {
        let children = *self.children.get(node)?..*self.children.get(node + 1)?;
        (!children.is_empty()).then_some(children)
    }
}

/// Candidates: each set of the last level with every smaller item that its parent also has.
fn join(levels: &[Level]) -> Candidates {
    let level = &levels[levels.len() - 1];
    let mut candidates = Candidates {
        starts: vec![0],
        items: Vec::new(),
    };
    let mut family = |members: Range<usize>| {
        for member in members.clone() {
            candidates
                .items
                .extend_from_slice(&level.items[members.start..member]);
            candidates.starts.push(candidates.items.len());
        }
    };
    match levels.len() {
        1 => family(0..level.items.len()),
        depth => {
            let above = &levels[depth - 2];
            for parent in 0..above.items.len() {
                family(above.children(parent).unwrap_or(0..0));
            }
        }
    }
    candidates
}

/// Supports of the candidates below one first item.
fn count(
    data: &Prepared,
    levels: &[Level],
    candidates: &Candidates,
    item: usize,
    list: &[u32],
) -> Vec<u64> {
    // The last level's nodes below the item.
    let mut nodes = item..item + 1;
    for level in &levels[..levels.len() - 1] {
        nodes = level.children[nodes.start]..level.children[nodes.end];
    }
    let start = candidates.starts[nodes.start];
    let mut counts = vec![0; candidates.starts[nodes.end] - start];
    if counts.is_empty() {
        return counts;
    }
    let mut walk = Walk {
        levels,
        candidates,
        start,
        counts: &mut counts,
    };
    for &row in list {
        let weight = data.rows.weight(row as usize);
        let row = data.rows.row(row as usize);
        let below = row.partition_point(|&other| (other as usize) < item);
        if below >= levels.len() {
            walk.node(0, item, &row[..below], weight);
        }
    }
    counts
}

struct Walk<'a> {
    levels: &'a [Level],
    candidates: &'a Candidates,
    start: usize,
    counts: &'a mut [u64],
}

impl Walk<'_> {
    /// Counts what lies below a node in a row's items below the node's.
    fn node(&mut self, depth: usize, node: usize, row: &[u32], weight: u64) {
        if depth + 1 == self.levels.len() {
            let range = self.candidates.starts[node]..self.candidates.starts[node + 1];
            let first = range.start - self.start;
            let items = &self.candidates.items[range];
            if depth == 0 {
                // All smaller items are candidates: the item is the place.
                for &item in row {
                    self.counts[first + item as usize] += weight;
                }
                return;
            }
            let counts = &mut self.counts[first..first + items.len()];
            meet(items, row, |at, _| counts[at] += weight);
            return;
        }
        let level = &self.levels[depth];
        let children = level.children[node]..level.children[node + 1];
        let needed = self.levels.len() - depth - 1;
        let below = &self.levels[depth + 1];
        let first = children.start;
        meet(&below.items[children], row, |at, place| {
            if place >= needed {
                self.node(depth + 1, first + at, &row[..place], weight);
            }
        });
    }
}

/// Places of the items that two ascending lists share.
#[inline(always)]
fn meet(left: &[u32], right: &[u32], mut visit: impl FnMut(usize, usize)) {
    if left.len() > 16 * right.len() {
        let mut from = 0;
        for (j, item) in right.iter().enumerate() {
            from += left[from..].partition_point(|other| other < item);
            if left.get(from) == Some(item) {
                visit(from, j);
            }
        }
        return;
    }
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        let (a, b) = (left[i], right[j]);
        if a == b {
            visit(i, j);
        }
        i += usize::from(a <= b);
        j += usize::from(b <= a);
    }
}

impl Miner for Apriori<'_> {
    fn tasks(&self) -> usize {
        self.levels[0].items.len() + 1
    }

    fn run<S: Sink>(&self, task: usize, sink: &mut S) {
        let data = self.data;
        let mut set = if self.fixed > 0 {
            Vec::new()
        } else {
            data.required.clone()
        };
        if task == 0 {
            if self.root_wanted && !set.is_empty() && data.total > 0 {
                sink.take(&set, data.total);
            }
        } else if self.reaches(0, task - 1) {
            self.walk(0, task - 1, &mut set, sink);
        }
    }
}
