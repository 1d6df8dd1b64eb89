//! Networks: circles for nodes, lines for edges, names where they find room.

use plotters::style::RGBColor;

use super::{GREY, head, words};
use crate::estimator::figure::{Figure, GraphEdge, GraphNode};
use crate::report::canvas::{
    Anchor, Canvas, Letters, OTHER, QUIET, Step, Stroke, cut, in_rows, shade, width, wrapped,
};
use crate::report::graph_layout::{Body, Bond, places};
use crate::report::labels::{self, Disc, around, reaches, touch};
use crate::report::legend::COLOURS;
use crate::report::render::clean;
use crate::report::shown::{GraphShown, amount, graph_shown, meaning, sound};

const WIDTH: f64 = 860.0;
const MARGIN: f64 = 14.0;
const LEGEND_LETTER: f64 = 12.5;
const LEGEND_LINE: f64 = 21.0;
/// Width of a name before it is broken, and its lines.
const NAME: f64 = 112.0;
const NAME_LINES: usize = 2;
/// Width of a name that found no room otherwise.
const SHORT: f64 = 62.0;
/// Thinnest and thickest line of an edge.
const THIN: f64 = 0.8;
const THICK: f64 = 5.5;
/// Smallest circle.
const SMALL: f64 = 3.5;
/// Groups that have a colour of their own.
const GROUPS: usize = 14;

const EDGE: RGBColor = RGBColor(158, 167, 178);
const BELOW_ZERO: RGBColor = RGBColor(168, 62, 50);

/// A network with the places of its nodes.
struct Drawing<'a> {
    nodes: Vec<&'a GraphNode>,
    edges: Vec<(&'a GraphEdge, [usize; 2])>,
    groups: Vec<&'a str>,
    discs: Vec<Disc>,
    letter: f64,
    heaviest: f64,
    /// Width of the heaviest edge: many lines are thin.
    thick: f64,
    /// Size of the image, and where the legend ends.
    size: [f64; 2],
    top: f64,
}

pub(super) fn svg(figure: &Figure, nodes: &[GraphNode], edges: &[GraphEdge]) -> String {
    let shown = graph_shown(nodes, edges);
    let legend = Legend::new(figure, nodes, edges, &shown);
    let drawing = Drawing::new(nodes, edges, &shown, &legend);
    let mut canvas = Canvas::new(drawing.size);
    legend.draw(&mut canvas);
    let size = meaning(&figure.x, "size");
    let weight = meaning(&figure.y, "weight");
    let bends = drawing.bends();
    for (place, bend) in bends.iter().enumerate() {
        drawing.edge(&mut canvas, place, *bend, &weight);
    }
    for (place, disc) in drawing.discs.iter().enumerate() {
        let node = drawing.nodes[place];
        let tip = format!("{}: {} {size}", node.label, amount(node.size));
        let colour = drawing.colour(place);
        canvas.disc(disc.at, disc.radius, colour, &tip);
    }
    let missing = drawing.names(&mut canvas, &bends);
    if missing > 0 {
        let note = format!("Names without room: {missing}.");
        let at = [drawing.size[0] - MARGIN, drawing.size[1] - 9.0];
        let letters = Letters {
            colour: QUIET,
            ..Letters::of(11.0)
        };
        canvas.text(&note, at, Anchor::End, letters);
    }
    let pixels = drawing.size.map(|side| side.round() as u32);
    head(figure, pixels, drawing.size) + &words(figure) + &canvas.finish() + "</svg>\n"
}

/// Colours of groups and what areas and widths stand for.
struct Legend<'a> {
    groups: Vec<&'a str>,
    names: Vec<String>,
    rows: Vec<Vec<(f64, usize)>>,
    words: Vec<(Option<bool>, String)>,
    word_rows: Vec<Vec<(f64, usize)>>,
}

/// Pixels beside a name of the legend.
const BESIDE: f64 = 38.0;

impl<'a> Legend<'a> {
    fn new(
        figure: &Figure,
        nodes: &'a [GraphNode],
        edges: &[GraphEdge],
        shown: &GraphShown,
    ) -> Self {
        let mut groups: Vec<&str> = Vec::new();
        for at in &shown.nodes {
            let group = nodes[*at].group.as_str();
            if !group.is_empty() && !groups.contains(&group) {
                groups.push(group);
            }
        }
        let line = |name: &str| wrapped(name, 260.0, LEGEND_LETTER, 1).concat();
        let mut names: Vec<String> = groups
            .iter()
            .take(GROUPS)
            .map(|group| line(group))
            .collect();
        let none = |at: &usize| nodes[*at].group.is_empty();
        if groups.len() > GROUPS || (!groups.is_empty() && shown.nodes.iter().any(none)) {
            names.push("other".into());
        }
        let range = |values: &mut dyn Iterator<Item = f64>| {
            let ends = (f64::INFINITY, f64::NEG_INFINITY);
            let (low, high) =
                values.fold(ends, |(low, high), value| (low.min(value), high.max(value)));
            (low <= high).then(|| format!(", {} to {}", amount(low), amount(high)))
        };
        let mut words: Vec<(Option<bool>, String)> = Vec::new();
        let mut sizes = shown.nodes.iter().map(|at| sound(nodes[*at].size));
        let weights = || shown.edges.iter().map(|(at, _)| edges[*at].weight);
        if let Some(range) = range(&mut sizes) {
            let what = meaning(&figure.x, "size");
            words.push((None, format!("Area of circles: {what}{range}")));
        }
        let below = weights().any(|weight| weight < 0.0);
        if let Some(range) = range(&mut weights()) {
            let what = meaning(&figure.y, "weight");
            words.push((Some(false), format!("Width of lines: {what}{range}")));
        }
        if below {
            words.push((Some(true), "below zero".into()));
        }
        let words: Vec<(Option<bool>, String)> = words
            .into_iter()
            .map(|(mark, text)| (mark, wrapped(&text, 560.0, LEGEND_LETTER, 1).concat()))
            .collect();
        let most = WIDTH - 2.0 * MARGIN;
        let texts: Vec<String> = words.iter().map(|(_, text)| text.clone()).collect();
        Self {
            rows: in_rows(&names, BESIDE, LEGEND_LETTER, most),
            word_rows: in_rows(&texts, BESIDE + 12.0, LEGEND_LETTER, most),
            groups,
            names,
            words,
        }
    }

    fn height(&self) -> f64 {
        MARGIN + LEGEND_LINE * (self.rows.len() + self.word_rows.len()) as f64
    }

    fn draw(&self, canvas: &mut Canvas) {
        let letters = Letters::of(LEGEND_LETTER);
        let mut middle = MARGIN + 0.5 * LEGEND_LINE - 3.0;
        for row in &self.rows {
            for (left, place) in row {
                let left = MARGIN + left;
                let colour = if *place < self.groups.len().min(GROUPS) {
                    shade(*place)
                } else {
                    OTHER
                };
                canvas.disc([left + 6.0, middle], 6.0, colour, "");
                let at = [left + 17.0, middle];
                canvas.text(&self.names[*place], at, Anchor::Start, letters);
            }
            middle += LEGEND_LINE;
        }
        for row in &self.word_rows {
            for (left, place) in row {
                let left = MARGIN + left;
                let (mark, text) = &self.words[*place];
                match mark {
                    None => {
                        canvas.disc([left + 5.0, middle], 3.5, GREY, "");
                        canvas.disc([left + 16.0, middle], 6.5, GREY, "");
                    }
                    Some(dashed) => {
                        let stroke = Stroke {
                            colour: if *dashed { BELOW_ZERO } else { EDGE },
                            width: 2.4,
                            dashed: *dashed,
                        };
                        let end = Step::Line([left + 22.0, middle]);
                        canvas.stroke([left, middle], &[end], stroke, "");
                    }
                }
                canvas.text(text, [left + 29.0, middle], Anchor::Start, letters);
            }
            middle += LEGEND_LINE;
        }
    }
}

impl<'a> Drawing<'a> {
    fn new(
        nodes: &'a [GraphNode],
        edges: &'a [GraphEdge],
        shown: &GraphShown,
        legend: &Legend<'a>,
    ) -> Self {
        let n = shown.nodes.len();
        let nodes: Vec<&GraphNode> = shown.nodes.iter().map(|at| &nodes[*at]).collect();
        let edges: Vec<(&GraphEdge, [usize; 2])> = shown
            .edges
            .iter()
            .map(|(at, ends)| (&edges[*at], *ends))
            .collect();
        let grown = (n as f64 / 110.0).sqrt().clamp(1.0, 1.7);
        let high = (150.0 + 72.0 * (n as f64).sqrt()).clamp(260.0, WIDTH);
        let wide = (WIDTH * grown).round();
        let narrow = (340.0 + 92.0 * (n as f64).sqrt()).min(wide);
        let frame = [narrow - 2.0 * MARGIN, (high * grown).round() - 2.0 * MARGIN];
        let aside = 0.5 * (wide - frame[0]);
        let letter = if n <= 40 { 12.0 } else { 11.0 };
        let largest = nodes
            .iter()
            .map(|node| sound(node.size))
            .fold(0.0, f64::max);
        let fair = (0.055 * frame[0] * frame[1] / n.max(1) as f64 / std::f64::consts::PI).sqrt();
        let widest = (2.0 * fair).clamp(9.0, 30.0);
        let radius = |node: &&GraphNode| match largest {
            largest if largest > 0.0 => (widest * (sound(node.size) / largest).sqrt()).max(SMALL),
            _ => 0.4 * widest,
        };
        let radii: Vec<f64> = nodes.iter().map(radius).collect();
        let heaviest = edges
            .iter()
            .map(|(edge, _)| edge.weight.abs())
            .fold(0.0, f64::max);
        let bodies: Vec<Body> = nodes
            .iter()
            .zip(&radii)
            .map(|(node, radius)| Body {
                radius: *radius,
                name: name_size(&lines_of(node, letter), letter),
            })
            .collect();
        let bonds: Vec<Bond> = edges
            .iter()
            .map(|(edge, ends)| (*ends, 0.35 + 0.65 * share(edge.weight, heaviest)))
            .collect();
        let top = legend.height();
        let at = places(&bodies, &bonds, frame);
        // Empty strips above and below are cut off, room for a name above stays.
        let above = |place: usize| at[place][1] - radii[place] - 2.6 * letter;
        let below = |place: usize| at[place][1] + radii[place] + bodies[place].name[1] + 4.0;
        let first = (0..n).map(above).fold(frame[1], f64::min);
        let last = (0..n).map(below).fold(first, f64::max).max(first + 60.0);
        let discs = at.iter().zip(&radii).map(|(at, radius)| Disc {
            at: [at[0] + aside, at[1] - first + top + MARGIN],
            radius: *radius,
        });
        Self {
            discs: discs.collect(),
            groups: legend.groups.clone(),
            size: [wide, (top + last - first + 2.0 * MARGIN).round()],
            nodes,
            edges,
            letter,
            thick: (THICK * (130.0 / shown.edges.len().max(1) as f64).sqrt()).clamp(2.0, THICK),
            heaviest,
            top,
        }
    }

    fn colour(&self, node: usize) -> RGBColor {
        if self.groups.is_empty() {
            return COLOURS[0];
        }
        let group = self.nodes[node].group.as_str();
        let place = self.groups.iter().position(|known| *known == group);
        place.filter(|place| *place < GROUPS).map_or(OTHER, shade)
    }

    /// How far every line bends aside: lines between the same nodes lie side by side.
    fn bends(&self) -> Vec<f64> {
        let pair = |ends: [usize; 2]| (ends[0].min(ends[1]), ends[0].max(ends[1]));
        let mut of_pair = std::collections::BTreeMap::<(usize, usize), usize>::new();
        for (_, ends) in &self.edges {
            *of_pair.entry(pair(*ends)).or_default() += 1;
        }
        let mut before = std::collections::BTreeMap::<(usize, usize), usize>::new();
        let bend = |(_, ends): &(&GraphEdge, [usize; 2])| {
            let all = of_pair.get(&pair(*ends)).copied().unwrap_or(1);
            let mine = before.entry(pair(*ends)).or_default();
            let aside = *mine as f64 - 0.5 * (all as f64 - 1.0);
            *mine += 1;
            let turned = if ends[0] < ends[1] { 1.0 } else { -1.0 };
            turned * (aside * 0.22).clamp(-0.7, 0.7)
        };
        self.edges.iter().map(bend).collect()
    }

    /// Start, point that bends, and end of a line, from rim to rim; `None` where circles touch.
    fn ends(&self, place: usize, bend: f64) -> Option<[[f64; 2]; 3]> {
        let [a, b] = self.edges[place].1.map(|end| self.discs[end]);
        let way = [b.at[0] - a.at[0], b.at[1] - a.at[1]];
        if libm::hypot(way[0], way[1]) < a.radius + b.radius + 1.0 {
            return None;
        }
        let by = [
            0.5 * (a.at[0] + b.at[0]) - bend * way[1],
            0.5 * (a.at[1] + b.at[1]) + bend * way[0],
        ];
        let rim = |disc: Disc, space: f64| {
            let out = [by[0] - disc.at[0], by[1] - disc.at[1]];
            let far = libm::hypot(out[0], out[1]).max(1e-9);
            [0, 1].map(|axis| disc.at[axis] + out[axis] / far * (disc.radius + space))
        };
        Some([rim(a, 0.0), by, rim(b, 1.0)])
    }

    fn edge(&self, canvas: &mut Canvas, place: usize, bend: f64, weight: &str) {
        let (edge, [from, to]) = self.edges[place];
        let names = [from, to].map(|end| self.nodes[end].label.as_str());
        let joint = if edge.directed { "to" } else { "and" };
        let note = if edge.label.is_empty() {
            String::new()
        } else {
            format!(" ({})", edge.label)
        };
        let tip = format!(
            "{} {joint} {}: {weight} {}{note}",
            names[0],
            names[1],
            amount(edge.weight)
        );
        let stroke = Stroke {
            colour: if edge.weight < 0.0 { BELOW_ZERO } else { EDGE },
            width: THIN + (self.thick - THIN) * share(edge.weight, self.heaviest),
            dashed: edge.weight < 0.0,
        };
        if from == to {
            let Disc { at, radius } = self.discs[from];
            let out = radius + 16.0;
            let start = [at[0] - 0.6 * radius, at[1] - 0.8 * radius];
            let end = [at[0] + 0.6 * radius, at[1] - 0.8 * radius];
            let (left, right) = (
                [at[0] - out, at[1] - 1.6 * out],
                [at[0] + out, at[1] - 1.6 * out],
            );
            canvas.stroke(start, &[Step::Cubic(left, right, end)], stroke, &tip);
            return;
        }
        let Some([start, by, end]) = self.ends(place, bend) else {
            return;
        };
        let way = [end[0] - by[0], end[1] - by[1]];
        let far = libm::hypot(way[0], way[1]).max(1e-9);
        let ahead = way.map(|part| part / far);
        let long = 7.0 + 1.1 * stroke.width;
        let stop = if edge.directed {
            [
                end[0] - 0.8 * long * ahead[0],
                end[1] - 0.8 * long * ahead[1],
            ]
        } else {
            end
        };
        let step = if bend == 0.0 {
            Step::Line(stop)
        } else {
            Step::Quadratic(by, stop)
        };
        canvas.stroke(start, &[step], stroke, &tip);
        if edge.directed {
            let half = 0.42 * long;
            let back = [end[0] - long * ahead[0], end[1] - long * ahead[1]];
            let wing = |side: f64| {
                [
                    back[0] - side * half * ahead[1],
                    back[1] + side * half * ahead[0],
                ]
            };
            let steps = [Step::Line(wing(1.0)), Step::Line(wing(-1.0))];
            canvas.area(end, &steps, stroke.colour, 1.0, "");
        }
    }

    /// Writes the names that find room, then the notes of edges; the number of names without room.
    fn names(&self, canvas: &mut Canvas, bends: &[f64]) -> usize {
        let letter = self.letter;
        let mut names: Vec<Vec<String>> = self
            .nodes
            .iter()
            .map(|node| lines_of(node, letter))
            .collect();
        let mut sizes: Vec<[f64; 2]> = names.iter().map(|lines| name_size(lines, letter)).collect();
        let mut order: Vec<usize> = (0..names.len()).collect();
        let size = |at: usize| sound(self.nodes[at].size);
        order.sort_by(|a, b| size(*b).total_cmp(&size(*a)).then(a.cmp(b)));
        let lines: Vec<[[f64; 2]; 2]> = self
            .edges
            .iter()
            .map(|(_, ends)| ends.map(|end| self.discs[end].at))
            .collect();
        let frame = [2.0, self.top + 2.0, self.size[0] - 2.0, self.size[1] - 2.0];
        let mut found = labels::places(&self.discs, &sizes, &order, &lines, frame, &[]);
        // What found no room is tried again with a shorter name.
        for (place, found) in found.iter().enumerate() {
            if found.is_some() || names[place].is_empty() {
                sizes[place] = [0.0; 2];
                continue;
            }
            names[place] = vec![cut(&clean(&self.nodes[place].label), SHORT, letter)];
            sizes[place] = name_size(&names[place], letter);
        }
        let taken: Vec<labels::Rect> = found.iter().flatten().map(|place| place.rect).collect();
        let again = labels::places(&self.discs, &sizes, &order, &lines, frame, &taken);
        for (found, again) in found.iter_mut().zip(again) {
            *found = found.or(again);
        }
        let letters = Letters::of(letter);
        for (lines, place) in names.iter().zip(&found) {
            let Some(place) = place else {
                continue;
            };
            let [left, top, right, _] = place.rect;
            let (x, anchor) = match place.side {
                side if side > 0.0 => (left + 1.5, Anchor::Start),
                side if side < 0.0 => (right - 1.5, Anchor::End),
                _ => (0.5 * (left + right), Anchor::Middle),
            };
            for (line, text) in lines.iter().enumerate() {
                let middle = top + letter * 1.15 * (line as f64 + 0.5) + 1.0;
                canvas.text(text, [x, middle], anchor, letters);
            }
        }
        let taken = found.iter().flatten().map(|place| place.rect).collect();
        self.notes(canvas, bends, taken);
        let empty = names.iter().filter(|lines| lines.is_empty()).count();
        names.len() - empty - found.iter().flatten().count()
    }

    /// Notes of edges on their lines, the heaviest first, where nothing else stands.
    fn notes(&self, canvas: &mut Canvas, bends: &[f64], mut taken: Vec<labels::Rect>) {
        let size = self.letter - 1.5;
        let letters = Letters {
            colour: QUIET,
            ..Letters::of(size)
        };
        let mut order: Vec<usize> = (0..self.edges.len()).collect();
        let heavy = |at: usize| self.edges[at].0.weight.abs();
        order.sort_by(|a, b| heavy(*b).total_cmp(&heavy(*a)).then(a.cmp(b)));
        for place in order {
            let label = &self.edges[place].0.label;
            let Some([start, by, end]) =
                self.ends(place, bends[place]).filter(|_| !label.is_empty())
            else {
                continue;
            };
            let text = wrapped(label, NAME, size, 1).concat();
            let wide = width(&text, size);
            for along in [0.5, 0.4, 0.6, 0.3, 0.7] {
                let rest: f64 = 1.0 - along;
                let middle = [0, 1].map(|axis| {
                    rest * rest * start[axis]
                        + 2.0 * rest * along * by[axis]
                        + along * along * end[axis]
                });
                let rect = around(middle, [wide + 4.0, size * 1.2]);
                let inside = rect[0] > 2.0
                    && rect[1] > self.top
                    && rect[2] < self.size[0] - 2.0
                    && rect[3] < self.size[1] - 2.0;
                let free = inside
                    && !taken.iter().any(|other| touch(other, &rect))
                    && !self.discs.iter().any(|disc| reaches(&rect, disc, 1.0));
                if free {
                    canvas.paper(rect);
                    canvas.text(&text, middle, Anchor::Middle, letters);
                    taken.push(rect);
                    break;
                }
            }
        }
    }
}

/// A weight as a share of the heaviest one.
fn share(weight: f64, heaviest: f64) -> f64 {
    if heaviest > 0.0 {
        (weight.abs() / heaviest).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

fn lines_of(node: &GraphNode, letter: f64) -> Vec<String> {
    wrapped(&clean(&node.label), NAME, letter, NAME_LINES)
}

fn name_size(lines: &[String], letter: f64) -> [f64; 2] {
    let wide = lines
        .iter()
        .map(|line| width(line, letter))
        .fold(0.0, f64::max);
    if lines.is_empty() {
        return [0.0; 2];
    }
    [wide + 3.0, 1.15 * letter * lines.len() as f64 + 2.0]
}
