//! Prefix trees of weighted rows: arrays of nodes, linked upwards and along each item.
//!
//! Rows come in lexicographic order or nearly so; a row shares the nodes of its prefix with the
//! row just before, which needs no search for children. A projection visits the nodes of an item
//! in the order of creation, hence its paths come nearly sorted again (compare Borgelt 2005,
//! doi:10.1145/1133905.1133907; Grahne and Zhu 2003).

const NONE: u32 = u32::MAX;

/// A tree over items `0..n`; items ascend from the root.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    item: Vec<u32>,
    parent: Vec<u32>,
    count: Vec<u64>,
    next: Vec<u32>,
    head: Vec<u32>,
    tail: Vec<u32>,
    /// Nodes of the row inserted last.
    path: Vec<u32>,
}

impl Tree {
    /// Empties the tree.
    pub(crate) fn reset(&mut self, n_items: usize) {
        self.item.clear();
        self.parent.clear();
        self.count.clear();
        self.next.clear();
        self.path.clear();
        self.head.clear();
        self.head.resize(n_items, NONE);
        self.tail.clear();
        self.tail.resize(n_items, NONE);
    }

    /// Adds a row of ascending items.
    #[inline]
    pub(crate) fn insert(&mut self, row: &[u32], weight: u64) {
        let mut shared = 0;
        for (&node, &item) in self.path.iter().zip(row) {
            if self.item[node as usize] != item {
                break;
            }
            self.count[node as usize] += weight;
            shared += 1;
        }
        self.path.truncate(shared);
        let mut parent = self.path.last().copied().unwrap_or(NONE);
        for &item in &row[shared..] {
            let node = self.item.len() as u32;
            self.item.push(item);
            self.parent.push(parent);
            self.count.push(weight);
            self.next.push(NONE);
            let tail = &mut self.tail[item as usize];
            if *tail == NONE {
                self.head[item as usize] = node;
            } else {
                self.next[*tail as usize] = node;
            }
            *tail = node;
            self.path.push(node);
            parent = node;
        }
    }

    /// Nodes of an item with their counts.
    #[inline]
    pub(crate) fn nodes(&self, item: usize) -> impl Iterator<Item = (u32, u64)> + '_ {
        let mut node = self.head[item];
        std::iter::from_fn(move || {
            (node != NONE).then(|| {
                let this = node;
                node = self.next[this as usize];
                (this, self.count[this as usize])
            })
        })
    }

    /// Items above a node, from the nearest up.
    #[inline(always)]
    pub(crate) fn above(&self, node: u32, mut visit: impl FnMut(u32)) {
        let mut at = self.parent[node as usize];
        while at != NONE {
            visit(self.item[at as usize]);
            at = self.parent[at as usize];
        }
    }
}
