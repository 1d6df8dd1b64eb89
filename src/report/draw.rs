//! Figures as SVG: one style, the same bytes each time.
//!
//! Places are rounded to a tenth of a pixel before they are written, so that the last bits of the
//! arithmetic do not reach the picture. A categorical axis always runs down the page, because names
//! are read from left to right.

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Rectangle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontTransform, IntoFont, IntoTextStyle, RGBAColor, RGBColor};

use crate::estimator::figure::{Axis, Figure, ReferenceLine, Shape};
use crate::report::html::escape;
use crate::report::legend::{LEGEND_LINE, Legend, Mark, colour, is_strip};
use crate::report::render::clean;
use crate::report::scale::{Scale, clip, extent};
use crate::report::shown::caption;

#[path = "draw_flow.rs"]
mod flow;
#[path = "draw_graph.rs"]
mod graph;
#[path = "draw_tree.rs"]
mod tree;

/// Units per pixel: the back end writes whole numbers.
const UNIT: f64 = 10.0;
pub(super) const FONT: &str =
    "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif";
/// Pixels of a letter of labels; the plotting crate writes sizes divided by 1.24.
pub(super) const LETTER: f64 = 13.0;
const SIZE_FACTOR: f64 = 1.24;
/// Mean width of a letter as a share of its size, rather too wide than too narrow.
pub(super) const WIDE: f64 = 0.54;
const WIDE_CAPITALS: f64 = 0.68;

pub(super) const INK: RGBColor = RGBColor(28, 32, 38);
pub(super) const GREY: RGBColor = RGBColor(122, 130, 140);
const GRID: RGBColor = RGBColor(231, 234, 239);
/// Lengths of dashes and of gaps, reference line by reference line.
const DASHES: [[f64; 2]; 3] = [[6.0, 4.0], [1.6, 3.0], [11.0, 4.0]];

/// Pixels around the panel: left of the tick labels, right, and below.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 18.0;
const BOTTOM: f64 = 52.0;
const PANEL: [f64; 2] = [376.0, 316.0];
/// Pixels of a row of a categorical axis.
const ROW: f64 = 21.0;
/// Names of categories are cut after so many letters.
const LONGEST_NAME: usize = 36;
/// Share of the panel under a curve for the histogram that goes with it.
const STRIP: f64 = 0.14;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The figure as an SVG image with a text for those who cannot see it.
///
/// Series of unequal lengths are cut to the shorter one, numbers that are not finite leave gaps.
///
/// ```
/// use galen::estimator::figure::{Axis, Figure};
///
/// let figure = Figure::new("ROC curve", Axis::new("1 - specificity"), Axis::new("Sensitivity"))
///     .line("model", vec![0.0, 0.2, 1.0], vec![0.0, 0.8, 1.0])
///     .segment("chance", [0.0, 0.0], [1.0, 1.0]);
/// let image = galen::report::svg(&figure);
/// assert!(image.starts_with("<svg") && image.contains("Sensitivity"));
/// ```
pub fn svg(figure: &Figure) -> String {
    let whole = figure.series.iter().find_map(|series| match &series.shape {
        Shape::Tree { classes, nodes } => Some(tree::svg(figure, classes, nodes)),
        Shape::Graph { nodes, edges } => Some(graph::svg(figure, nodes, edges)),
        Shape::Flow {
            steps,
            nodes,
            links,
        } => Some(flow::svg(figure, steps, nodes, links)),
        _ => None,
    });
    if let Some(image) = whole {
        return image;
    }
    let names = categories(figure);
    let legend = Legend::of(figure);
    let left = match names.iter().map(|name| width(name)).max_by(f64::total_cmp) {
        Some(widest) => 16.0 + widest,
        None => LEFT,
    };
    let panel = if names.is_empty() {
        PANEL
    } else {
        [PANEL[0] + 54.0, ROW * names.len() as f64 + 8.0]
    };
    let size = [left + panel[0] + RIGHT, 0.0];
    let top = 12.0 + LEGEND_LINE * legend.lines(size[0] - left - RIGHT).len() as f64;
    let size = [size[0], top + panel[1] + BOTTOM];
    let units = size.map(|pixels| (pixels * UNIT).round() as u32);
    let mut body = String::new();
    {
        let area = SVGBackend::with_string(&mut body, (units[0], units[1])).into_drawing_area();
        let frame = Frame {
            area: &area,
            x: [left, left + panel[0]],
            y: [top, top + panel[1]],
        };
        if names.is_empty() {
            frame.curves(figure);
        } else {
            frame.rows(figure, &names);
        }
        frame.legend(&legend, size[0] - left - RIGHT);
        // Writing to a string does not fail.
        let _ = area.present();
    }
    head(figure, units, size) + body.split_once('>').map_or("", |(_, rest)| rest)
}

/// The opening tag with the size in pixels and a text in place of the picture.
fn head(figure: &Figure, units: [u32; 2], size: [f64; 2]) -> String {
    let text = escape(&format!("{}. {}", figure.title, caption(figure)));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" height=\"{:.0}\" \
         viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
        size[0],
        size[1],
        units[0],
        units[1],
        text.trim_end()
    )
}

/// Title and description within an image, for what reads images apart from pages.
fn words(figure: &Figure) -> String {
    let (title, text) = (escape(&figure.title), escape(&caption(figure)));
    format!("<title>{title}</title>\n<desc>{text}</desc>\n")
}

/// Names of the positions of a categorical axis, cut to a length that fits.
fn categories(figure: &Figure) -> Vec<String> {
    let cut = |name: &String| {
        let name = clean(name);
        match name.chars().count() {
            n if n > LONGEST_NAME => name.chars().take(LONGEST_NAME - 1).chain(['…']).collect(),
            _ => name,
        }
    };
    figure.x.categories.iter().map(cut).collect()
}

/// Pixels of a label, rather too many; names written in capitals are wider.
fn width(name: &str) -> f64 {
    let n = name.chars().count();
    let capitals = name.chars().filter(|letter| letter.is_uppercase()).count();
    LETTER
        * n as f64
        * if 2 * capitals > n {
            WIDE_CAPITALS
        } else {
            WIDE
        }
}

fn units(place: [f64; 2]) -> (i32, i32) {
    let [x, y] = place.map(|pixels| (pixels * UNIT).round() as i32);
    (x, y)
}

fn length(pixels: f64) -> u32 {
    (pixels * UNIT).round() as u32
}

/// The panel on the page, in pixels.
struct Frame<'a, 'b> {
    area: &'a Area<'b>,
    x: [f64; 2],
    y: [f64; 2],
}

impl Frame<'_, '_> {
    /// A figure of numbers against numbers.
    fn curves(&self, figure: &Figure) {
        let (x_data, y_data) = extent(figure);
        let strip = figure.series.iter().any(|series| is_strip(figure, series));
        let height = self.y[1] - self.y[0];
        let floor = if strip {
            self.y[1] - (STRIP + 0.03) * height
        } else {
            self.y[1]
        };
        let x = Scale::new(&figure.x, &x_data, self.x[0], self.x[1]);
        let y = Scale::new(&figure.y, &y_data, floor, self.y[0]);
        self.grid(&x, &y);
        self.below(&x, &figure.x);
        self.beside(&y, &figure.y);
        for series in figure
            .series
            .iter()
            .filter(|series| is_strip(figure, series))
        {
            self.strip(&x, &series.shape, STRIP * height);
        }
        for (place, line) in figure.references.iter().enumerate() {
            let [left, right] = x.edges();
            let [top, bottom] = y.edges();
            let ends = match line {
                ReferenceLine::Horizontal { y: value, .. } => {
                    y.place(*value).map(|at| [[left, at], [right, at]])
                }
                ReferenceLine::Vertical { x: value, .. } => {
                    x.place(*value).map(|at| [[at, bottom], [at, top]])
                }
                ReferenceLine::Segment { from, to, .. } => point(&x, &y, from[0], from[1])
                    .zip(point(&x, &y, to[0], to[1]))
                    .map(|(from, to)| [from, to]),
            };
            if let Some([from, to]) = ends.and_then(|[a, b]| clip(a, b, x.edges(), y.edges())) {
                self.dashed(from, to, place);
            }
        }
        for (place, series) in figure.series.iter().enumerate() {
            if !is_strip(figure, series) {
                let width = stroke(figure, &series.name);
                self.series(&x, &y, &series.shape, colour(figure, place), width);
            }
        }
    }

    /// A figure of numbers by category, one row each.
    fn rows(&self, figure: &Figure, names: &[String]) {
        let (_, data) = extent(figure);
        let x = Scale::new(&figure.y, &data, self.x[0], self.x[1]);
        let row = |place: f64| self.y[0] + 4.0 + ROW * (place + 0.5);
        for (place, _) in x.ticks() {
            self.path(&[[place, self.y[0]], [place, self.y[1]]], GRID, 1.0);
        }
        for (place, name) in names.iter().enumerate() {
            let at = [self.x[0] - 9.0, row(place as f64)];
            self.text(name, at, HPos::Right, VPos::Center, INK, false);
        }
        self.below(&x, &figure.y);
        for (place, line) in figure.references.iter().enumerate() {
            if let ReferenceLine::Horizontal { y: value, .. } = line
                && let Some(at) = x.place(*value).filter(|at| x.holds(*at))
            {
                self.dashed([at, self.y[1]], [at, self.y[0]], place);
            }
        }
        let n = figure.series.len().max(1) as f64;
        for (place, series) in figure.series.iter().enumerate() {
            let colour = colour(figure, place);
            let shift = (place as f64 + 0.5) / n - 0.5;
            match &series.shape {
                Shape::Points {
                    x: at,
                    y: values,
                    lower,
                    upper,
                } => {
                    for (i, (position, value)) in at.iter().zip(values).enumerate() {
                        let height = row(position + 0.7 * shift);
                        let ends = lower.get(i).zip(upper.get(i));
                        self.whisker(&x, ends, height, colour);
                        if let Some(place) = x.place(*value).filter(|p| x.holds(*p)) {
                            self.dot([place, height], 3.6, colour);
                        }
                    }
                }
                Shape::Bars {
                    value,
                    lower,
                    upper,
                } => {
                    let origin = x
                        .place(0.0)
                        .unwrap_or(self.x[0])
                        .clamp(self.x[0], self.x[1]);
                    for (i, value) in value.iter().enumerate() {
                        let height = row(i as f64 + 0.8 * shift);
                        let half = 0.34 * ROW / n;
                        if let Some(end) = x.place(*value) {
                            let end = end.clamp(self.x[0], self.x[1]);
                            let corners = [[origin, height - half], [end, height + half]];
                            self.block(corners, &colour.mix(0.85));
                        }
                        let ends = lower.get(i).zip(upper.get(i));
                        self.whisker(&x, ends, height, INK);
                    }
                }
                _ => {}
            }
        }
    }

    /// A horizontal interval, cut at the edge of the panel.
    fn whisker(&self, x: &Scale, ends: Option<(&f64, &f64)>, height: f64, colour: RGBColor) {
        let Some((from, to)) = ends.and_then(|(a, b)| x.place(*a).zip(x.place(*b))) else {
            return;
        };
        let [left, right] = x.edges();
        if let Some(line) = clip(
            [from, height],
            [to, height],
            [left, right],
            [height, height],
        ) {
            self.path(&line, colour, 1.4);
        }
    }

    fn series(&self, x: &Scale, y: &Scale, shape: &Shape, colour: RGBColor, width: f64) {
        match shape {
            Shape::Line { x: a, y: b } => {
                let points: Vec<_> = a.iter().zip(b).map(|(a, b)| point(x, y, *a, *b)).collect();
                self.line(x, y, &points, colour, width);
            }
            Shape::Steps { x: a, y: b } => {
                let mut points = Vec::with_capacity(2 * a.len());
                let mut before = None;
                for (a, b) in a.iter().zip(b) {
                    if let Some(before) = before {
                        points.push(point(x, y, *a, before));
                    }
                    points.push(point(x, y, *a, *b));
                    before = Some(*b);
                }
                self.line(x, y, &points, colour, width);
            }
            Shape::Points {
                x: a,
                y: b,
                lower,
                upper,
            } => {
                for (i, (a, b)) in a.iter().zip(b).enumerate() {
                    if let Some((low, high)) = lower.get(i).zip(upper.get(i)) {
                        let ends = point(x, y, *a, *low).zip(point(x, y, *a, *high));
                        let ends = ends.and_then(|(a, b)| clip(a, b, x.edges(), y.edges()));
                        if let Some(line) = ends {
                            self.path(&line, colour, 1.3);
                        }
                    }
                    if let Some(at) = point(x, y, *a, *b).filter(|p| x.holds(p[0]) && y.holds(p[1]))
                    {
                        self.dot(at, 3.4, colour);
                    }
                }
            }
            Shape::Band { x: a, lower, upper } => {
                let [top, bottom] = y.edges();
                let edge = |b: &[f64]| -> Vec<[f64; 2]> {
                    let points = a.iter().zip(b).filter_map(|(a, b)| point(x, y, *a, *b));
                    let points = points.filter(|p| x.holds(p[0]));
                    points.map(|p| [p[0], p[1].clamp(top, bottom)]).collect()
                };
                let mut outline = edge(upper);
                outline.extend(edge(lower).into_iter().rev());
                let outline: Vec<(i32, i32)> = outline.into_iter().map(units).collect();
                if outline.len() > 2 {
                    let _ = self
                        .area
                        .draw(&Polygon::new(outline, colour.mix(0.2).filled()));
                }
            }
            Shape::Histogram { edges, counts } => {
                let [top, bottom] = y.edges();
                let floor = y.place(0.0).unwrap_or(bottom).clamp(top, bottom);
                for (pair, count) in edges.windows(2).zip(counts) {
                    let ends = x.place(pair[0]).zip(x.place(pair[1])).zip(y.place(*count));
                    if let Some(((from, to), height)) = ends
                        && x.holds(from)
                        && x.holds(to)
                    {
                        let height = height.clamp(top, bottom);
                        self.block([[from + 0.5, height], [to - 0.5, floor]], &colour.mix(0.85));
                    }
                }
            }
            Shape::Bars { value, .. } => {
                // Bars without names stand at 0, 1, 2, ...
                let positions = (0..value.len()).map(|i| i as f64);
                let shape = Shape::Histogram {
                    edges: positions
                        .chain([value.len() as f64])
                        .map(|i| i - 0.5)
                        .collect(),
                    counts: value.clone(),
                };
                self.series(x, y, &shape, colour, width);
            }
            Shape::Tree { .. } | Shape::Graph { .. } | Shape::Flow { .. } => {}
        }
    }

    /// A histogram at the foot of the panel, its highest bar as high as the strip.
    fn strip(&self, x: &Scale, shape: &Shape, height: f64) {
        let Shape::Histogram { edges, counts } = shape else {
            return;
        };
        let most = counts
            .iter()
            .copied()
            .filter(|c| c.is_finite())
            .fold(0.0, f64::max);
        for (pair, count) in edges.windows(2).zip(counts) {
            let ends = x.place(pair[0]).zip(x.place(pair[1]));
            if let Some((from, to)) = ends
                && x.holds(from)
                && x.holds(to)
                && *count > 0.0
            {
                let top = self.y[1] - height * count / most;
                self.block([[from + 0.6, top], [to - 0.6, self.y[1]]], &GREY.mix(0.6));
            }
        }
    }

    /// Points joined as far as they lie within the panel; gaps where a point is absent.
    fn line(
        &self,
        x: &Scale,
        y: &Scale,
        points: &[Option<[f64; 2]>],
        colour: RGBColor,
        width: f64,
    ) {
        let mut run: Vec<[f64; 2]> = Vec::new();
        let flush = |run: &mut Vec<[f64; 2]>| {
            if run.len() > 1 {
                self.path(run, colour, width);
            }
            run.clear();
        };
        for pair in points.windows(2) {
            let [Some(a), Some(b)] = pair else {
                flush(&mut run);
                continue;
            };
            match clip(*a, *b, x.edges(), y.edges()) {
                None => flush(&mut run),
                Some([from, to]) => {
                    if run.last() != Some(&from) {
                        flush(&mut run);
                        run.push(from);
                    }
                    run.push(to);
                }
            }
        }
        flush(&mut run);
    }

    fn grid(&self, x: &Scale, y: &Scale) {
        for (place, _) in x.ticks() {
            self.path(&[[place, self.y[0]], [place, self.y[1]]], GRID, 1.0);
        }
        for (place, _) in y.ticks() {
            self.path(&[[self.x[0], place], [self.x[1], place]], GRID, 1.0);
        }
    }

    /// The axis below the panel.
    fn below(&self, x: &Scale, axis: &Axis) {
        let floor = self.y[1];
        self.path(&[[self.x[0], floor], [self.x[1], floor]], INK, 1.0);
        let mut free = f64::NEG_INFINITY;
        for (place, label) in x.ticks() {
            self.path(&[[place, floor], [place, floor + 4.0]], INK, 1.0);
            let half = 0.5 * WIDE * LETTER * label.chars().count() as f64;
            if place - half > free {
                let at = [place, floor + 8.0];
                self.text(&label, at, HPos::Center, VPos::Top, INK, false);
                free = place + half + 3.0;
            }
        }
        let middle = [0.5 * (self.x[0] + self.x[1]), floor + 29.0];
        self.text(&title(axis), middle, HPos::Center, VPos::Top, INK, false);
    }

    /// The axis to the left of the panel.
    fn beside(&self, y: &Scale, axis: &Axis) {
        let [top, bottom] = y.edges();
        self.path(&[[self.x[0], top], [self.x[0], bottom]], INK, 1.0);
        for (place, label) in y.ticks() {
            self.path(&[[self.x[0] - 4.0, place], [self.x[0], place]], INK, 1.0);
            let at = [self.x[0] - 8.0, place];
            self.text(&label, at, HPos::Right, VPos::Center, INK, false);
        }
        let middle = [self.x[0] - 54.0, 0.5 * (top + bottom)];
        self.text(&title(axis), middle, HPos::Center, VPos::Center, INK, true);
    }

    fn legend(&self, legend: &Legend, width: f64) {
        for (line, entries) in legend.lines(width).into_iter().enumerate() {
            let height = 12.0 + LEGEND_LINE * line as f64;
            for (offset, place) in entries {
                let (mark, name) = &legend.0[place];
                let from = self.x[0] + offset;
                let ends = [[from, height], [from + 24.0, height]];
                match mark {
                    Mark::Line(colour) => self.path(&ends, *colour, 1.9),
                    Mark::Dashes(style) => self.dashed(ends[0], ends[1], *style),
                    Mark::Dot(colour) => self.dot([from + 18.0, height], 3.4, *colour),
                    Mark::Block(colour) => {
                        self.block(
                            [[from + 8.0, height - 5.0], [from + 24.0, height + 5.0]],
                            colour,
                        );
                    }
                }
                let at = [from + 30.0, height];
                self.text(name, at, HPos::Left, VPos::Center, INK, false);
            }
        }
    }

    /// A straight line in dashes; `style` picks their length.
    fn dashed(&self, from: [f64; 2], to: [f64; 2], style: usize) {
        let [dash, gap] = DASHES[style % DASHES.len()];
        let way = [to[0] - from[0], to[1] - from[1]];
        let whole = libm::hypot(way[0], way[1]);
        let at = |done: f64| [0, 1].map(|axis| from[axis] + way[axis] * (done / whole).min(1.0));
        let mut done = 0.0;
        while done < whole {
            self.path(&[at(done), at(done + dash)], GREY, 1.3);
            done += dash + gap;
        }
    }

    fn path(&self, points: &[[f64; 2]], colour: RGBColor, width: f64) {
        let points: Vec<(i32, i32)> = points.iter().copied().map(units).collect();
        let style = colour.stroke_width(length(width));
        let _ = self.area.draw(&PathElement::new(points, style));
    }

    fn dot(&self, at: [f64; 2], radius: f64, colour: RGBColor) {
        let _ = self
            .area
            .draw(&Circle::new(units(at), length(radius), colour.filled()));
    }

    fn block(&self, corners: [[f64; 2]; 2], colour: &RGBAColor) {
        let [a, b] = corners;
        let low = units([a[0].min(b[0]), a[1].min(b[1])]);
        let high = units([a[0].max(b[0]), a[1].max(b[1])]);
        let _ = self
            .area
            .draw(&Rectangle::new([low, high], colour.filled()));
    }

    fn text(&self, text: &str, at: [f64; 2], h: HPos, v: VPos, colour: RGBColor, upright: bool) {
        let mut font = (FONT, LETTER * UNIT * SIZE_FACTOR).into_font();
        if upright {
            font = font.transform(FontTransform::Rotate270);
        }
        let style = font
            .color(&colour)
            .pos(Pos::new(h, v))
            .into_text_style(self.area);
        let _ = self.area.draw_text(text, &style, units(at));
    }
}

/// Width of the lines of a name: many lines of one name are thin.
fn stroke(figure: &Figure, name: &str) -> f64 {
    const MANY: usize = 8;
    let same = figure.series.iter().filter(|series| series.name == name);
    if !name.is_empty() && same.take(MANY + 1).count() > MANY {
        0.6
    } else {
        1.9
    }
}

fn point(x: &Scale, y: &Scale, a: f64, b: f64) -> Option<[f64; 2]> {
    x.place(a).zip(y.place(b)).map(|(x, y)| [x, y])
}

/// Label of an axis with its unit.
fn title(axis: &Axis) -> String {
    clean(&match &axis.unit {
        Some(unit) => format!("{} ({unit})", axis.label),
        None => axis.label.clone(),
    })
}

#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "draw_whole_tests.rs"]
mod whole_tests;
