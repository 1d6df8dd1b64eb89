//! Boosting written down plainly: no bins, no whole numbers, every cut of every leaf tried, sums in
//! f64. It also says where a cut is a matter of rounding, so that nothing is compared there.

use std::collections::BTreeSet;

use ndarray::Array2;
use serde::Deserialize;

/// Cuts whose worth is closer than this share are one to rounding: whole gradients have 17 bits, and
/// other packages sum single precision.
const CLOSE: f64 = 1e-4;

/// Added to curvature where levels are sorted, and to the penalty where they are more than four.
const SMOOTHING: f64 = 10.0;

/// As in `exact.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) n_trees: usize,
    pub(crate) learning_rate: f64,
    pub(crate) max_leaves: usize,
    pub(crate) max_depth: usize,
    pub(crate) min_leaf_rows: usize,
    pub(crate) min_leaf_weight: f64,
    pub(crate) min_gain: f64,
    pub(crate) l1: f64,
    pub(crate) l2: f64,
    pub(crate) depth_first: bool,
    pub(crate) monotone: std::collections::BTreeMap<String, i8>,
    pub(crate) interactions: Vec<Vec<String>>,
    pub(crate) weights: String,
    pub(crate) classes: usize,
    pub(crate) levels: Vec<String>,
}

/// One node of anybody's tree.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Leaf(f64),
    Cut(Cut),
}

#[derive(Clone, Debug)]
pub(crate) struct Cut {
    pub(crate) feature: usize,
    pub(crate) goes: Goes,
    pub(crate) missing_left: bool,
    pub(crate) left: usize,
    pub(crate) right: usize,
    pub(crate) gain: f64,
    /// Its gain and what the node itself is worth; what rounding is relative to.
    pub(crate) scale: f64,
}

#[derive(Clone, Debug)]
pub(crate) enum Goes {
    UpTo(f64),
    Levels(BTreeSet<usize>),
}

impl Cut {
    pub(crate) fn left(&self, x: &Array2<f64>, row: usize) -> bool {
        let value = x[(row, self.feature)];
        if value.is_nan() {
            return self.missing_left;
        }
        match &self.goes {
            Goes::UpTo(threshold) => value <= *threshold,
            Goes::Levels(levels) => levels.contains(&(value as usize)),
        }
    }
}

/// A run: trees by iteration, within it by output.
pub(crate) struct Run {
    pub(crate) base: Vec<f64>,
    pub(crate) trees: Vec<Vec<Node>>,
    /// Number of trees before the first that rounding could change.
    pub(crate) sure: usize,
}

/// A way to cut a leaf.
#[derive(Clone)]
struct Choice {
    cut: Cut,
    /// Values of the children.
    values: (f64, f64),
    /// Whether no other cut comes close.
    alone: bool,
}

struct Open {
    node: usize,
    depth: usize,
    rows: Vec<usize>,
    bounds: (f64, f64),
    path: Vec<usize>,
    choice: Option<Choice>,
}

struct Grower<'a> {
    x: &'a Array2<f64>,
    gradients: &'a [f64],
    curvatures: &'a [f64],
    names: &'a [String],
    settings: &'a Settings,
}

impl Grower<'_> {
    fn shrunk(&self, g: f64) -> f64 {
        (g.abs() - self.settings.l1).max(0.0).copysign(g)
    }

    fn value(&self, g: f64, h: f64, bounds: (f64, f64)) -> f64 {
        (-self.shrunk(g) / (h + self.settings.l2)).clamp(bounds.0, bounds.1)
    }

    /// Twice the decrease of the objective by a leaf of these sums.
    fn worth(&self, g: f64, h: f64, extra: f64, bounds: (f64, f64)) -> f64 {
        let l2 = self.settings.l2 + extra;
        let value = (-self.shrunk(g) / (h + l2)).clamp(bounds.0, bounds.1);
        -(2.0 * self.shrunk(g) * value + (h + l2) * value * value)
    }

    fn sums(&self, rows: &[usize]) -> (f64, f64) {
        rows.iter().fold((0.0, 0.0), |(g, h), row| {
            (g + self.gradients[*row], h + self.curvatures[*row])
        })
    }

    fn allowed(&self, feature: usize, path: &[usize]) -> bool {
        let groups = &self.settings.interactions;
        if groups.is_empty() || path.iter().all(|other| *other == feature) {
            return true;
        }
        let within = |group: &Vec<String>, feature: usize| group.contains(&self.names[feature]);
        groups
            .iter()
            .any(|group| within(group, feature) && path.iter().all(|other| within(group, *other)))
    }

    /// Every way to cut these rows by one feature: rows of the left, and how.
    fn ways(&self, feature: usize, rows: &[usize]) -> Vec<(Vec<usize>, Goes, bool, bool)> {
        let value = |row: &usize| self.x[(*row, feature)];
        let (missing, mut present): (Vec<usize>, Vec<usize>) =
            rows.iter().partition(|row| value(row).is_nan());
        let mut ways = Vec::new();
        if self.settings.levels.contains(&self.names[feature]) {
            assert!(missing.is_empty(), "levels without missing values only");
            let levels: BTreeSet<usize> = present.iter().map(|row| value(row) as usize).collect();
            let mut order: Vec<(f64, usize)> = levels
                .iter()
                .map(|level| {
                    let of_level = |row: &usize| value(row) as usize == *level;
                    let own: Vec<usize> = present.iter().copied().filter(of_level).collect();
                    let (g, h) = self.sums(&own);
                    (g / (h + SMOOTHING), *level)
                })
                .collect();
            order.sort_by(|a, b| a.0.total_cmp(&b.0));
            let spread = order.last().map_or(0.0, |last| last.0 - order[0].0);
            for n in 1..order.len() {
                let set: BTreeSet<usize> = order[..n].iter().map(|(_, level)| *level).collect();
                let left = |row: &usize| set.contains(&(value(row) as usize));
                let left = present.iter().copied().filter(left).collect();
                let clear = order[n].0 - order[n - 1].0 > CLOSE * spread;
                ways.push((left, Goes::Levels(set), false, clear));
            }
            return ways;
        }
        present.sort_by(|a, b| value(a).total_cmp(&value(b)));
        for n in 1..=present.len() {
            let last = n == present.len();
            if (last && missing.is_empty())
                || (!last && value(&present[n]) == value(&present[n - 1]))
            {
                continue;
            }
            let threshold = if last {
                f64::MAX
            } else {
                (value(&present[n - 1]) + value(&present[n])) / 2.0
            };
            ways.push((present[..n].to_vec(), Goes::UpTo(threshold), false, true));
            if !missing.is_empty() && !last {
                let left = [&present[..n], &missing].concat();
                ways.push((left, Goes::UpTo(threshold), true, true));
            }
        }
        ways
    }

    fn choose(&self, leaf: &Open) -> Option<Choice> {
        let s = self.settings;
        if leaf.depth >= s.max_depth {
            return None;
        }
        let (g, h) = self.sums(&leaf.rows);
        let mut found: Vec<Choice> = Vec::new();
        let mut few_levels = false;
        for feature in 0..self.x.ncols() {
            if !self.allowed(feature, &leaf.path) {
                continue;
            }
            let direction = s.monotone.get(&self.names[feature]).copied().unwrap_or(0);
            let ways = self.ways(feature, &leaf.rows);
            let extra = match ways.first() {
                Some((_, Goes::Levels(_), ..)) if ways.len() > 3 => SMOOTHING,
                _ => 0.0,
            };
            let node = self.worth(g, h, extra, leaf.bounds);
            few_levels |= extra == 0.0 && matches!(ways.first(), Some((_, Goes::Levels(_), ..)));
            for (left, goes, missing_left, clear) in ways {
                let (gl, hl) = self.sums(&left);
                let (gr, hr) = (g - gl, h - hl);
                let n_left = left.len().min(leaf.rows.len() - left.len());
                if n_left < s.min_leaf_rows || hl.min(hr) < s.min_leaf_weight {
                    continue;
                }
                let values = (
                    self.value(gl, hl, leaf.bounds),
                    self.value(gr, hr, leaf.bounds),
                );
                if f64::from(direction) * (values.1 - values.0) < 0.0 {
                    continue;
                }
                let gain = self.worth(gl, hl, extra, leaf.bounds)
                    + self.worth(gr, hr, extra, leaf.bounds)
                    - node;
                found.push(Choice {
                    cut: Cut {
                        feature,
                        goes,
                        missing_left,
                        left: 0,
                        right: 0,
                        gain,
                        scale: gain + node.abs(),
                    },
                    values,
                    alone: clear,
                });
            }
        }
        let by_gain = |a: &Choice, b: &Choice| b.cut.gain.total_cmp(&a.cut.gain);
        found.sort_by(by_gain);
        let mut best = found.first()?.clone();
        let close = |gain: f64| (best.cut.gain - gain).abs() <= CLOSE * best.cut.scale;
        // Four levels or fewer are no longer sorted by LightGBM.
        best.alone &= !few_levels;
        best.alone &= found.get(1).is_none_or(|next| !close(next.cut.gain)) && !close(s.min_gain);
        // Rounding may also make a cut out of none.
        (best.cut.gain > s.min_gain || close(s.min_gain)).then_some(best)
    }

    /// The tree, and whether no cut in it is a matter of rounding.
    fn grow(&self) -> (Vec<Node>, bool) {
        let s = self.settings;
        let mut nodes = vec![Node::Leaf(0.0)];
        let mut root = Open {
            node: 0,
            depth: 0,
            rows: (0..self.x.nrows()).collect(),
            bounds: (f64::NEG_INFINITY, f64::INFINITY),
            path: Vec::new(),
            choice: None,
        };
        root.choice = self.choose(&root);
        let mut open = vec![root];
        let (mut sure, mut gains) = (true, Vec::new());
        while open.len() < s.max_leaves {
            let key = |leaf: &Open| {
                let depth = if s.depth_first { leaf.depth } else { 0 };
                leaf.choice.as_ref().map(|choice| (depth, choice.cut.gain))
            };
            let candidates = (0..open.len()).filter(|at| open[*at].choice.is_some());
            let next = candidates.min_by(|a, b| {
                let (a, b) = (key(&open[*a]).expect("cut"), key(&open[*b]).expect("cut"));
                a.0.cmp(&b.0).then(b.1.total_cmp(&a.1))
            });
            let Some(next) = next else { break };
            let leaf = open.remove(next);
            let mut choice = leaf.choice.expect("a cut");
            sure &= choice.alone;
            gains.push(choice.cut.gain);
            let (left, right): (Vec<usize>, Vec<usize>) = leaf
                .rows
                .iter()
                .partition(|row| choice.cut.left(self.x, **row));
            (choice.cut.left, choice.cut.right) = (nodes.len(), nodes.len() + 1);
            let middle = (choice.values.0 + choice.values.1) / 2.0;
            let (below, above) = ((leaf.bounds.0, middle), (middle, leaf.bounds.1));
            let name = &self.names[choice.cut.feature];
            let bounds = match s.monotone.get(name).copied().unwrap_or(0) {
                0 => [leaf.bounds; 2],
                1.. => [below, above],
                _ => [above, below],
            };
            let path = [&leaf.path[..], &[choice.cut.feature]].concat();
            nodes[leaf.node] = Node::Cut(choice.cut);
            for (rows, bounds) in [left, right].into_iter().zip(bounds) {
                let mut child = Open {
                    node: nodes.len(),
                    depth: leaf.depth + 1,
                    rows,
                    bounds,
                    path: path.clone(),
                    choice: None,
                };
                child.choice = self.choose(&child);
                nodes.push(Node::Leaf(0.0));
                open.push(child);
            }
        }
        for leaf in &open {
            // A leaf left whole for want of leaves, as good as one that was cut.
            if let Some(choice) = &leaf.choice {
                let gain = choice.cut.gain;
                sure &= gains
                    .iter()
                    .all(|other| (other - gain).abs() > CLOSE * choice.cut.scale);
            }
            let (g, h) = self.sums(&leaf.rows);
            nodes[leaf.node] = Node::Leaf(self.value(g, h, leaf.bounds) * s.learning_rate);
        }
        (nodes, sure)
    }
}

pub(crate) fn weights(kind: &str, y: &[usize]) -> Vec<f64> {
    let weight = |(row, class): (usize, &usize)| match kind {
        "ones" => 1.0,
        "by row" => 0.5 + (row % 4) as f64,
        "events twice" => 1.0 + f64::from(u8::from(*class > 0)),
        other => panic!("no weights {other}"),
    };
    y.iter().enumerate().map(weight).collect()
}

/// Value that a row gets from a tree.
pub(crate) fn answer(nodes: &[Node], x: &Array2<f64>, row: usize) -> f64 {
    let mut at = 0;
    loop {
        match &nodes[at] {
            Node::Leaf(value) => return *value,
            Node::Cut(cut) => {
                at = if cut.left(x, row) {
                    cut.left
                } else {
                    cut.right
                }
            }
        }
    }
}

/// Boosts until rounding could change a tree.
pub(crate) fn boost(x: &Array2<f64>, y: &[usize], names: &[String], settings: &Settings) -> Run {
    let weights = weights(&settings.weights, y);
    let n_classes = settings.classes;
    let of_class = |class: usize| -> f64 {
        let own = y.iter().zip(&weights).filter(|(y, _)| **y == class);
        own.map(|(_, w)| w).sum::<f64>().ln()
    };
    let outputs: Vec<usize> = if n_classes == 2 {
        vec![1]
    } else {
        (0..n_classes).collect()
    };
    let mean = (0..n_classes).map(of_class).sum::<f64>() / n_classes as f64;
    let base: Vec<f64> = match n_classes {
        2 => vec![of_class(1) - of_class(0)],
        _ => outputs
            .iter()
            .map(|class| of_class(*class) - mean)
            .collect(),
    };
    let mut scores: Vec<Vec<f64>> = base.iter().map(|base| vec![*base; y.len()]).collect();
    let mut run = Run {
        base,
        trees: Vec::new(),
        sure: 0,
    };
    for _ in 0..settings.n_trees {
        let risk = |row: usize, output: usize| {
            if n_classes == 2 {
                return 1.0 / (1.0 + (-scores[0][row]).exp());
            }
            let total: f64 = scores.iter().map(|scores| scores[row].exp()).sum();
            scores[output][row].exp() / total
        };
        let factor = if n_classes == 2 {
            1.0
        } else {
            n_classes as f64 / (n_classes as f64 - 1.0)
        };
        let mut grown = Vec::new();
        for (output, class) in outputs.iter().enumerate() {
            let risks: Vec<f64> = (0..y.len()).map(|row| risk(row, output)).collect();
            let rows = || risks.iter().zip(y).zip(&weights);
            let gradients: Vec<f64> = rows()
                .map(|((p, y), w)| w * (p - f64::from(u8::from(y == class))))
                .collect();
            let curvatures: Vec<f64> = rows()
                .map(|((p, _), w)| w * factor * p * (1.0 - p))
                .collect();
            let grower = Grower {
                x,
                gradients: &gradients,
                curvatures: &curvatures,
                names,
                settings,
            };
            grown.push(grower.grow());
        }
        for ((nodes, sure), scores) in grown.into_iter().zip(&mut scores) {
            for (row, score) in scores.iter_mut().enumerate() {
                *score += answer(&nodes, x, row);
            }
            run.trees.push(nodes);
            if !sure {
                return run;
            }
            run.sure += 1;
        }
    }
    run
}
