//! Flows: a column for every step, a block for every node, ribbons between them.

use std::collections::BTreeMap;

use super::{head, words};
use crate::estimator::figure::{Figure, FlowLink, FlowNode};
use crate::report::canvas::{Anchor, Canvas, Letters, QUIET, Step, cut, mixed, shade, width};
use crate::report::flow_layout::{Input, Piece, Placed, Ribbon, place};
use crate::report::render::clean;
use crate::report::shown::{FlowShown, amount, flow_shown, meaning, sound};

const MARGIN: f64 = 14.0;
const HEAD: f64 = 30.0;
const LETTER: f64 = 12.0;
/// Width of a node; least distance from column to column.
const BLOCK: f64 = 14.0;
const APART: f64 = 150.0;
const WIDTH: f64 = 860.0;
/// Room for names left of the first column and right of the last one.
const NAME: f64 = 190.0;
/// Room that a line of a name needs, and space between nodes.
const LINE: f64 = 15.0;
const SPACE: f64 = 9.0;
/// How much of its colour a ribbon has.
const FAINT: f64 = 0.34;

struct Drawing<'a> {
    nodes: Vec<&'a FlowNode>,
    links: Vec<(&'a FlowLink, [usize; 2])>,
    steps: Vec<String>,
    /// Number of the colour of every node.
    colours: Vec<usize>,
    placed: Placed,
    /// Left edges of the columns.
    columns: Vec<f64>,
    size: [f64; 2],
    unit: String,
}

pub(super) fn svg(
    figure: &Figure,
    steps: &[String],
    nodes: &[FlowNode],
    links: &[FlowLink],
) -> String {
    let shown = flow_shown(steps, nodes, links);
    let unit = meaning(&figure.x, "");
    let drawing = Drawing::new(steps, nodes, links, &shown, unit);
    let mut canvas = Canvas::new(drawing.size);
    for (place, ribbon) in drawing.placed.ribbons.iter().enumerate() {
        drawing.ribbon(&mut canvas, place, ribbon);
    }
    for piece in &drawing.placed.pieces {
        drawing.block(&mut canvas, piece);
    }
    drawing.names(&mut canvas);
    let pixels = drawing.size.map(|side| side.round() as u32);
    head(figure, pixels, drawing.size) + &words(figure) + &canvas.finish() + "</svg>\n"
}

impl<'a> Drawing<'a> {
    fn new(
        steps: &[String],
        nodes: &'a [FlowNode],
        links: &'a [FlowLink],
        shown: &FlowShown,
        unit: String,
    ) -> Self {
        let nodes: Vec<&FlowNode> = shown.nodes.iter().map(|at| &nodes[*at]).collect();
        let links = shown.links.iter().map(|(at, ends)| (&links[*at], *ends));
        let links: Vec<(&FlowLink, [usize; 2])> = links.collect();
        let mut order: Vec<usize> = (0..nodes.len()).collect();
        order.sort_by(|a, b| {
            let (a, b) = (nodes[*a], nodes[*b]);
            sound(b.size)
                .total_cmp(&sound(a.size))
                .then(a.label.cmp(&b.label))
        });
        let sizes: Vec<(usize, f64)> = nodes
            .iter()
            .map(|node| (node.step as usize, sound(node.size)))
            .collect();
        let of_step = |step: usize| sizes.iter().filter(|(column, _)| *column == step).count();
        let most = (0..shown.n_steps).map(of_step).max().unwrap_or(0);
        let height = (42.0 * most as f64).clamp(240.0, 1_260.0);
        let flows: Vec<([usize; 2], f64)> = links
            .iter()
            .map(|(link, ends)| (*ends, link.size))
            .collect();
        let placed = place(&Input {
            n_columns: shown.n_steps,
            nodes: &sizes,
            order: &order,
            links: &flows,
            height,
            space: SPACE,
            least: LINE,
        });
        let steps: Vec<String> = steps.iter().take(shown.n_steps).map(|s| clean(s)).collect();
        let (columns, wide) = columns(&nodes, &steps);
        Self {
            colours: colours(&nodes),
            size: [wide, (HEAD + height + 2.0 * MARGIN).round()],
            nodes,
            links,
            steps,
            placed,
            columns,
            unit,
        }
    }

    /// The page height of a height in the layout.
    fn down(&self, height: f64) -> f64 {
        MARGIN + HEAD + height
    }

    fn ribbon(&self, canvas: &mut Canvas, place: usize, ribbon: &Ribbon) {
        let (link, [from, to]) = self.links[place];
        let colour = mixed(shade(self.colours[from]), 1.0);
        // From the right side of a column to the left side of the next one.
        let across: Vec<[f64; 2]> = ribbon
            .edge
            .iter()
            .enumerate()
            .map(|(at, (column, top))| {
                let side = if at % 2 == 0 { BLOCK } else { 0.0 };
                [self.columns[*column] + side, self.down(*top)]
            })
            .collect();
        let (Some(first), Some(last)) = (across.first(), across.last()) else {
            return;
        };
        let thick = ribbon.width.max(0.7);
        let mut steps = curve(&across);
        let below: Vec<[f64; 2]> = across
            .iter()
            .rev()
            .map(|at| [at[0], at[1] + thick])
            .collect();
        steps.push(Step::Line([last[0], last[1] + thick]));
        steps.extend(curve(&below));
        let names = [from, to].map(|end| self.nodes[end].label.as_str());
        let tip = format!(
            "{} to {}: {} {}",
            names[0],
            names[1],
            amount(link.size),
            self.unit
        );
        canvas.area(*first, &steps, colour, FAINT, tip.trim_end());
    }

    fn block(&self, canvas: &mut Canvas, piece: &Piece) {
        let Some(node) = piece.node else {
            return;
        };
        let colour = shade(self.colours[node]);
        let node = self.nodes[node];
        let tip = format!("{}: {} {}", node.label, amount(node.size), self.unit);
        let corner = [self.columns[piece.column], self.down(piece.top)];
        let size = [BLOCK, piece.height.max(1.5)];
        canvas.block(corner, size, colour, tip.trim_end());
    }

    /// Names of steps and nodes; sizes below or behind the names of nodes.
    fn names(&self, canvas: &mut Canvas) {
        let last = self.columns.len().saturating_sub(1);
        let apart = self
            .columns
            .get(1)
            .map_or(WIDTH, |second| second - self.columns[0]);
        for (step, left) in self.steps.iter().zip(&self.columns) {
            let letters = Letters {
                bold: true,
                ..Letters::of(LETTER)
            };
            let text = cut(step, apart - 8.0, LETTER);
            let half = 0.5 * width(&text, LETTER);
            let middle =
                (left + 0.5 * BLOCK).clamp(half + 4.0, (self.size[0] - half - 4.0).max(half + 4.0));
            canvas.text(&text, [middle, MARGIN + 7.0], Anchor::Middle, letters);
        }
        for piece in &self.placed.pieces {
            let Some(node) = piece.node.map(|node| self.nodes[node]) else {
                continue;
            };
            let before = piece.column == 0 && last > 0;
            let outside = before || piece.column == last;
            let most = if outside { NAME } else { apart - BLOCK - 16.0 };
            let left = self.columns[piece.column];
            let (x, anchor) = if before {
                (left - 6.0, Anchor::End)
            } else {
                (left + BLOCK + 6.0, Anchor::Start)
            };
            let middle = self.down(piece.top + 0.5 * piece.height);
            let size = amount(node.size);
            let quiet = Letters {
                colour: QUIET,
                ..Letters::of(LETTER - 1.0)
            };
            let label = clean(&node.label);
            if piece.height >= 2.0 * LINE {
                let name = cut(&label, most, LETTER);
                canvas.text(&name, [x, middle - 0.5 * LINE], anchor, Letters::of(LETTER));
                canvas.text(&size, [x, middle + 0.5 * LINE], anchor, quiet);
                continue;
            }
            let behind = width(&size, LETTER - 1.0) + 12.0;
            let name = cut(&label, (most - behind).max(40.0), LETTER);
            canvas.text_and(&name, &size, [x, middle], anchor, Letters::of(LETTER));
        }
    }
}

/// Left edges of the columns and the width of the image.
fn columns(nodes: &[&FlowNode], steps: &[String]) -> (Vec<f64>, f64) {
    let last = steps.len().saturating_sub(1);
    let widest = |step: usize| {
        let of_step = nodes.iter().filter(|node| node.step as usize == step);
        let wide = of_step.map(|node| {
            let size = width(&amount(node.size), LETTER - 1.0) + 12.0;
            width(&clean(&node.label), LETTER) + size
        });
        wide.fold(0.0, f64::max).min(NAME) + 10.0
    };
    let right = MARGIN + widest(last);
    let left = if last > 0 { MARGIN + widest(0) } else { MARGIN };
    let gaps = last.max(1) as f64;
    let inner = (1..last).map(widest).fold(0.0, f64::max) + BLOCK + 14.0;
    let apart = ((WIDTH - left - right - BLOCK) / gaps)
        .max(APART)
        .max(inner);
    let columns: Vec<f64> = (0..steps.len())
        .map(|step| left + apart * step as f64)
        .collect();
    let end = columns.last().copied().unwrap_or(left);
    (columns, (end + BLOCK + right).ceil().max(320.0))
}

/// Numbers of colours: equal names have equal ones, names that hold most come first.
fn colours(nodes: &[&FlowNode]) -> Vec<usize> {
    let mut held: BTreeMap<&str, f64> = BTreeMap::new();
    for node in nodes {
        *held.entry(&node.label).or_default() += sound(node.size);
    }
    let mut order: Vec<(&str, f64)> = held.into_iter().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    let place = |node: &&FlowNode| order.iter().position(|(name, _)| *name == node.label);
    nodes
        .iter()
        .map(|node| place(node).unwrap_or(usize::MAX))
        .collect()
}

/// A smooth line through points: curved between columns, straight across them.
fn curve(points: &[[f64; 2]]) -> Vec<Step> {
    let mut steps = Vec::new();
    for pair in points.windows(2) {
        let [from, to] = [pair[0], pair[1]];
        if (to[0] - from[0]).abs() <= BLOCK + 1e-6 {
            steps.push(Step::Line(to));
            continue;
        }
        let middle = 0.5 * (from[0] + to[0]);
        steps.push(Step::Cubic([middle, from[1]], [middle, to[1]], to));
    }
    steps
}
