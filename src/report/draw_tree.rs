//! Trees: left to right, a box for every node, class shares as bars.

use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{RGBAColor, RGBColor};

use plotters::backend::SVGBackend;
use plotters::drawing::IntoDrawingArea;

use super::{Frame, GREY, INK, LETTER, UNIT, WIDE, head};
use crate::estimator::figure::{Figure, TreeNode};
use crate::report::legend::COLOURS;
use crate::report::render::clean;

/// Pixels of a box and of what stands around it.
const BOX: f64 = 252.0;
const BETWEEN: f64 = 30.0;
const ABOVE: f64 = 12.0;
const LINE: f64 = 17.0;
const BAR: f64 = 9.0;
const PAD: f64 = 8.0;
const MARGIN: f64 = 14.0;
/// Lines of a condition; longer ones are cut.
const MOST_LINES: usize = 3;

const PAPER: RGBColor = RGBColor(249, 250, 252);
const EDGE: RGBColor = RGBColor(176, 184, 194);
/// The class that is not the event, of two.
const QUIET: RGBColor = RGBColor(203, 209, 217);

/// Colour of a class: five in full, then paler ones.
fn colour(class: usize, n_classes: usize) -> RGBAColor {
    match (n_classes, class) {
        (2, 0) => QUIET.mix(1.0),
        (2, _) => COLOURS[1].mix(0.95),
        _ => {
            let paler = [0.9, 0.55, 0.3];
            let round = (class / COLOURS.len()).min(paler.len() - 1);
            COLOURS[class % COLOURS.len()].mix(paler[round])
        }
    }
}

pub(super) fn svg(figure: &Figure, classes: &[String], nodes: &[TreeNode]) -> String {
    let labels: Vec<Vec<String>> = nodes.iter().map(|node| wrapped(&node.label)).collect();
    let n_lines = labels.iter().map(Vec::len).max().unwrap_or(1);
    let height = PAD + LINE * (n_lines + 1) as f64 + BAR + PAD;
    let legend: Vec<String> = classes.iter().map(|name| cut(&clean(name), 40)).collect();
    let places = Places::new(nodes);
    let width = MARGIN * 2.0 + (BOX + BETWEEN) * places.columns as f64 - BETWEEN;
    let width = width.max(420.0);
    let rows = legend_rows(&legend, width - 2.0 * MARGIN);
    let top = MARGIN + LINE * 1.25 * rows.len() as f64 + 6.0;
    let tall = top + (height + ABOVE) * places.rows.max(1) as f64 - ABOVE + MARGIN;
    let size = [width, tall];
    let units = size.map(|pixels| (pixels * UNIT).round() as u32);
    let mut body = String::new();
    {
        let area = SVGBackend::with_string(&mut body, (units[0], units[1])).into_drawing_area();
        let frame = Frame {
            area: &area,
            x: [0.0, width],
            y: [0.0, tall],
        };
        for (line, entries) in rows.iter().enumerate() {
            let middle = MARGIN + LINE * (1.25 * line as f64 + 0.5);
            for (left, class) in entries {
                let left = MARGIN + left;
                let corners = [[left, middle - 5.0], [left + 16.0, middle + 5.0]];
                frame.block(corners, &colour(*class, classes.len()));
                let at = [left + 22.0, middle];
                frame.text(&legend[*class], at, HPos::Left, VPos::Center, INK, false);
            }
        }
        let corner = |at: usize| {
            let (column, row) = places.of[at];
            [
                MARGIN + (BOX + BETWEEN) * column as f64,
                top + (height + ABOVE) * row,
            ]
        };
        for (at, node) in nodes.iter().enumerate() {
            if let Some(parent) = parent(node, at) {
                let (from, to) = (corner(parent), corner(at));
                let (y, end) = (from[1] + height / 2.0, to[1] + height / 2.0);
                let middle = to[0] - BETWEEN / 2.0;
                let points = [[from[0] + BOX, y], [middle, y], [middle, end], [to[0], end]];
                frame.path(&points, GREY, 1.2);
            }
        }
        for (at, node) in nodes.iter().enumerate() {
            frame.tree_node(corner(at), height, &labels[at], node, classes.len());
        }
        // Writing to a string does not fail.
        let _ = area.present();
    }
    head(figure, units, size) + body.split_once('>').map_or("", |(_, rest)| rest)
}

impl Frame<'_, '_> {
    fn tree_node(&self, at: [f64; 2], height: f64, label: &[String], node: &TreeNode, n: usize) {
        let [left, top] = at;
        let (right, bottom) = (left + BOX, top + height);
        self.block([[left, top], [right, bottom]], &PAPER.mix(1.0));
        let outline = [
            [left, top],
            [right, top],
            [right, bottom],
            [left, bottom],
            [left, top],
        ];
        self.path(&outline, EDGE, 1.0);
        let mut middle = top + PAD + LINE / 2.0;
        for line in label {
            let at = [left + PAD, middle];
            self.text(line, at, HPos::Left, VPos::Center, INK, false);
            middle += LINE;
        }
        let bar = bottom - PAD - BAR;
        let detail = cut(&clean(&node.detail), letters());
        let at = [left + PAD, bar - LINE / 2.0 - 1.0];
        self.text(&detail, at, HPos::Left, VPos::Center, INK, false);
        let whole = BOX - 2.0 * PAD;
        let mut from = left + PAD;
        for (class, share) in node.shares.iter().take(n).enumerate() {
            let wide = if share.is_finite() {
                whole * share.clamp(0.0, 1.0)
            } else {
                0.0
            };
            let to = (from + wide).min(left + PAD + whole);
            if to > from {
                self.block([[from, bar], [to, bar + BAR]], &colour(class, n));
            }
            from = to;
        }
    }
}

/// The parent, where it stands before its child.
fn parent(node: &TreeNode, at: usize) -> Option<usize> {
    node.parent
        .map(|parent| parent as usize)
        .filter(|parent| *parent < at)
}

/// Column and row of every node; leaves one below the other, parents in the middle of their children.
struct Places {
    of: Vec<(usize, f64)>,
    columns: usize,
    rows: usize,
}

impl Places {
    fn new(nodes: &[TreeNode]) -> Self {
        let n = nodes.len();
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); n];
        let mut column = vec![0; n];
        let mut roots = Vec::new();
        for (at, node) in nodes.iter().enumerate() {
            match parent(node, at) {
                Some(parent) => {
                    column[at] = column[parent] + 1;
                    children[parent].push(at);
                }
                None => roots.push(at),
            }
        }
        let mut row = vec![0.0; n];
        let mut rows = 0;
        let mut stack: Vec<usize> = roots.into_iter().rev().collect();
        while let Some(at) = stack.pop() {
            if children[at].is_empty() {
                row[at] = rows as f64;
                rows += 1;
            }
            stack.extend(children[at].iter().rev());
        }
        for at in (0..n).rev() {
            if let (Some(first), Some(last)) = (children[at].first(), children[at].last()) {
                row[at] = (row[*first] + row[*last]) / 2.0;
            }
        }
        Self {
            columns: column.iter().max().map_or(1, |column| column + 1),
            of: column.into_iter().zip(row).collect(),
            rows,
        }
    }
}

/// Letters of a line of a box.
fn letters() -> usize {
    ((BOX - 2.0 * PAD) / (WIDE * LETTER)) as usize
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_string();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// Lines of a condition, broken between words where there are any.
fn wrapped(label: &str) -> Vec<String> {
    let most = letters();
    let label = clean(label);
    let mut lines: Vec<String> = vec![String::new()];
    for word in label.split_whitespace() {
        let mut word = word.to_string();
        loop {
            let full = lines.len() == MOST_LINES;
            let Some(line) = lines.last_mut() else {
                return lines;
            };
            let used = line.chars().count();
            let space = usize::from(used > 0);
            if used + space + word.chars().count() <= most {
                if space == 1 {
                    line.push(' ');
                }
                line.push_str(&word);
                break;
            }
            if full {
                let text = format!("{line}{}{word}", " ".repeat(space));
                *line = cut(&text, most);
                return lines;
            }
            if used == 0 {
                // A word longer than a line is broken.
                *line = word.chars().take(most).collect();
                word = word.chars().skip(most).collect();
            }
            lines.push(String::new());
        }
    }
    lines
}

/// Offsets of the names of classes, line by line.
fn legend_rows(names: &[String], width: f64) -> Vec<Vec<(f64, usize)>> {
    let mut rows: Vec<Vec<(f64, usize)>> = Vec::new();
    let mut used = f64::INFINITY;
    for (place, name) in names.iter().enumerate() {
        let wide = 40.0 + WIDE * LETTER * name.chars().count() as f64;
        if used + wide > width {
            rows.push(Vec::new());
            used = 0.0;
        }
        if let Some(row) = rows.last_mut() {
            row.push((used, place));
        }
        used += wide;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimator::figure::{Axis, Shape};
    use crate::report::svg;

    fn node(parent: Option<u32>, label: &str, shares: &[f64]) -> TreeNode {
        TreeNode {
            parent,
            label: label.into(),
            detail: "event 10.0 % of 40 rows".into(),
            shares: shares.to_vec(),
        }
    }

    fn figure(nodes: Vec<TreeNode>) -> Figure {
        Figure::new("Tree", Axis::new(""), Axis::new("")).with(
            "",
            Shape::Tree {
                classes: vec!["no".into(), "<yes>".into()],
                nodes,
            },
        )
    }

    #[test]
    fn boxes_stand_in_columns_and_names_are_text() {
        let image = svg(&figure(vec![
            node(None, "all rows", &[0.9, 0.1]),
            node(Some(0), "age <= 60 years", &[1.0, 0.0]),
            node(Some(0), "age > 60 years", &[0.5, 0.5]),
            node(Some(2), "ward is <b>icu</b>", &[0.25, 0.75]),
            node(Some(2), "ward is not <b>icu</b>", &[0.75, 0.25]),
        ]));
        assert!(image.starts_with("<svg xmlns=") && image.trim_end().ends_with("</svg>"));
        assert!(image.contains("age &lt;= 60 years") && image.contains("&lt;yes&gt;"));
        assert!(!image.contains("<b>"));
        assert_eq!(image.matches("event 10.0 % of 40 rows").count(), 5);
        // Five boxes, nine bars of a share above zero, two of the legend.
        assert_eq!(image.matches("<rect").count(), 5 + 9 + 2);
        // Three columns of boxes and three rows of leaves.
        let places = Places::new(match &figure(Vec::new()).series[0].shape {
            Shape::Tree { nodes, .. } => nodes,
            _ => panic!("a tree"),
        });
        assert_eq!((places.columns, places.rows), (1, 0));
    }

    #[test]
    fn parents_stand_in_the_middle_of_their_children() {
        let places = Places::new(&[
            node(None, "", &[]),
            node(Some(0), "", &[]),
            node(Some(0), "", &[]),
            node(Some(2), "", &[]),
            node(Some(2), "", &[]),
        ]);
        assert_eq!((places.columns, places.rows), (3, 3));
        let expected = [(0, 0.75), (1, 0.0), (1, 1.5), (2, 1.0), (2, 2.0)];
        assert_eq!(places.of, expected);
    }

    #[test]
    fn long_conditions_are_broken_and_cut() {
        assert_eq!(wrapped("age <= 60 years"), ["age <= 60 years"]);
        let most = letters();
        let lines = wrapped(&"admission_type in {emergency, urgent, elective} ".repeat(4));
        assert_eq!(lines.len(), MOST_LINES);
        assert!(lines.iter().all(|line| line.chars().count() <= most));
        assert!(lines[MOST_LINES - 1].ends_with('…'));
        let lines = wrapped(&"x".repeat(2 * most + 3));
        assert_eq!(lines.concat(), "x".repeat(2 * most + 3));
        assert_eq!(wrapped(""), [""]);
    }

    #[test]
    fn broken_trees_are_drawn_as_far_as_they_go() {
        let image = svg(&figure(vec![
            node(Some(7), "a", &[f64::NAN, 2.0, 3.0]),
            node(Some(1), "b", &[-1.0]),
            node(Some(0), "c", &[]),
        ]));
        assert!(image.contains("</svg>") && !image.contains("NaN"));
        assert!(svg(&figure(Vec::new())).contains("</svg>"));
    }
}
