//! Colours of the series of a figure, and the lines above it that name them.

use plotters::style::{Color, RGBAColor, RGBColor};

use crate::estimator::figure::{Figure, ReferenceLine, Series, Shape};
use crate::report::draw::{GREY, LETTER, WIDE};
use crate::report::render::clean;

/// Pixels of a line of the legend.
pub(super) const LEGEND_LINE: f64 = 22.0;
/// Colours of series: told apart also by colour-blind readers and in grey.
pub(super) const COLOURS: [RGBColor; 5] = [
    RGBColor(24, 78, 128),
    RGBColor(201, 111, 24),
    RGBColor(74, 134, 102),
    RGBColor(128, 76, 128),
    RGBColor(96, 96, 96),
];

/// Colour of a series: by its name, so that a line and its band match.
pub(super) fn colour(figure: &Figure, place: usize) -> RGBColor {
    let mut names: Vec<&str> = Vec::new();
    for series in &figure.series[..=place] {
        if matches!(series.shape, Shape::Histogram { .. }) && figure.series.len() > 1 {
            continue;
        }
        if series.name.is_empty() || !names.contains(&series.name.as_str()) {
            names.push(&series.name);
        }
    }
    let name = figure.series[place].name.as_str();
    let at = names
        .iter()
        .position(|known| *known == name && !name.is_empty());
    COLOURS[at.unwrap_or(names.len().saturating_sub(1)) % COLOURS.len()]
}

/// Whether a histogram goes below other series instead of filling the panel.
pub(super) fn is_strip(figure: &Figure, series: &Series) -> bool {
    figure.series.len() > 1 && matches!(series.shape, Shape::Histogram { .. })
}

/// The sign before a name.
pub(super) enum Mark {
    Line(RGBColor),
    Dashes(usize),
    Dot(RGBColor),
    Block(RGBAColor),
}

/// Signs and names in the order of drawing.
pub(super) struct Legend(pub(super) Vec<(Mark, String)>);

impl Legend {
    pub(super) fn of(figure: &Figure) -> Self {
        let mut entries: Vec<(Mark, String)> = Vec::new();
        for (place, series) in figure.series.iter().enumerate() {
            let known = entries.iter().any(|(_, name)| *name == series.name);
            if series.name.is_empty() || known {
                continue;
            }
            let colour = colour(figure, place);
            let mark = match series.shape {
                Shape::Line { .. } | Shape::Steps { .. } => Mark::Line(colour),
                Shape::Points { .. } => Mark::Dot(colour),
                Shape::Band { .. } => Mark::Block(colour.mix(0.2)),
                _ if is_strip(figure, series) => Mark::Block(GREY.mix(0.6)),
                _ => Mark::Block(colour.mix(0.85)),
            };
            entries.push((mark, series.name.clone()));
        }
        for (place, line) in figure.references.iter().enumerate() {
            let (ReferenceLine::Horizontal { label, .. }
            | ReferenceLine::Vertical { label, .. }
            | ReferenceLine::Segment { label, .. }) = line;
            if !label.is_empty() {
                entries.push((Mark::Dashes(place), label.clone()));
            }
        }
        Self(
            entries
                .into_iter()
                .map(|(mark, name)| (mark, clean(&name)))
                .collect(),
        )
    }

    /// Offsets of the entries, line by line.
    pub(super) fn lines(&self, width: f64) -> Vec<Vec<(f64, usize)>> {
        let mut lines: Vec<Vec<(f64, usize)>> = Vec::new();
        let mut used = f64::INFINITY;
        for (place, (_, name)) in self.0.iter().enumerate() {
            let wide = 44.0 + WIDE * LETTER * name.chars().count() as f64;
            if used + wide > width {
                lines.push(Vec::new());
                used = 0.0;
            }
            if let Some(line) = lines.last_mut() {
                line.push((used, place));
            }
            used += wide;
        }
        lines
    }
}
