//! An SVG image written mark by mark: curves, names with a rim that keeps them readable, and tips.
//!
//! Places are rounded to a tenth of a pixel and kept inside the image, so that neither the last bits
//! of the arithmetic nor a number without an end reaches the picture.

use plotters::style::RGBColor;

use crate::report::draw::{FONT, INK};
use crate::report::html::escape;
use crate::report::legend::COLOURS;
use crate::report::render::clean;

/// Words that say less than names.
pub(super) const QUIET: RGBColor = RGBColor(90, 98, 110);
/// Where there are more groups than colours can tell apart.
pub(super) const OTHER: RGBColor = RGBColor(176, 184, 194);

/// The first colours are full, the next ones paler; `OTHER` where they end.
pub(super) fn shade(place: usize) -> RGBColor {
    const FULL: [f64; 3] = [1.0, 0.55, 0.3];
    match FULL.get(place / COLOURS.len()) {
        Some(full) => mixed(COLOURS[place % COLOURS.len()], *full),
        None => OTHER,
    }
}

/// A colour on white, `full` of it.
pub(super) fn mixed(colour: RGBColor, full: f64) -> RGBColor {
    let on_white = |part: u8| (255.0 - full * (255.0 - f64::from(part))).round() as u8;
    RGBColor(on_white(colour.0), on_white(colour.1), on_white(colour.2))
}

/// A number in tenths.
struct Tenth(f64);

impl std::fmt::Display for Tenth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenths = (self.0.clamp(-1e6, 1e6) * 10.0).round() as i64;
        let sign = if tenths < 0 { "-" } else { "" };
        let (whole, rest) = (tenths.abs() / 10, tenths.abs() % 10);
        match rest {
            0 => write!(f, "{sign}{whole}"),
            _ => write!(f, "{sign}{whole}.{rest}"),
        }
    }
}

fn hex(colour: RGBColor) -> String {
    format!("#{:02x}{:02x}{:02x}", colour.0, colour.1, colour.2)
}

/// Where the given place of a text stands.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Clone, Copy)]
pub(super) struct Letters {
    pub(super) size: f64,
    pub(super) colour: RGBColor,
    pub(super) bold: bool,
}

impl Letters {
    pub(super) fn of(size: f64) -> Self {
        let (colour, bold) = (INK, false);
        Self { size, colour, bold }
    }
}

/// How a line looks.
#[derive(Clone, Copy)]
pub(super) struct Stroke {
    pub(super) colour: RGBColor,
    pub(super) width: f64,
    pub(super) dashed: bool,
}

/// A curve through points, given as what follows its start.
pub(super) enum Step {
    Line([f64; 2]),
    Quadratic([f64; 2], [f64; 2]),
    Cubic([f64; 2], [f64; 2], [f64; 2]),
}

pub(super) struct Canvas {
    size: [f64; 2],
    body: String,
}

impl Canvas {
    pub(super) fn new(size: [f64; 2]) -> Self {
        let body = String::new();
        Self { size, body }
    }

    /// The marks so far, to stand in an image of this size.
    pub(super) fn finish(self) -> String {
        self.body
    }

    fn put(&self, place: [f64; 2]) -> String {
        let inside = |at: usize| {
            let value = if place[at].is_finite() {
                place[at]
            } else {
                0.0
            };
            Tenth(value.clamp(0.0, self.size[at]))
        };
        format!("{} {}", inside(0), inside(1))
    }

    fn curve(&self, start: [f64; 2], steps: &[Step]) -> String {
        let mut path = format!("M{}", self.put(start));
        for step in steps {
            path.push_str(&match step {
                Step::Line(to) => format!("L{}", self.put(*to)),
                Step::Quadratic(by, to) => format!("Q{} {}", self.put(*by), self.put(*to)),
                Step::Cubic(a, b, to) => {
                    format!("C{} {} {}", self.put(*a), self.put(*b), self.put(*to))
                }
            });
        }
        path
    }

    /// A mark; with a tip where there is one.
    fn mark(&mut self, mark: &str, tip: &str) {
        if tip.is_empty() {
            self.body.push_str(&format!("<{mark}/>\n"));
            return;
        }
        let name = mark.split(' ').next().unwrap_or_default();
        let tip = escape(tip);
        self.body
            .push_str(&format!("<{mark}><title>{tip}</title></{name}>\n"));
    }

    pub(super) fn stroke(&mut self, start: [f64; 2], steps: &[Step], stroke: Stroke, tip: &str) {
        let dashes = if stroke.dashed {
            let [dash, gap] = [3.5 + 1.4 * stroke.width, 2.5 + stroke.width];
            format!(" stroke-dasharray=\"{} {}\"", Tenth(dash), Tenth(gap))
        } else {
            String::new()
        };
        let mark = format!(
            "path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"{dashes}",
            self.curve(start, steps),
            hex(stroke.colour),
            Tenth(stroke.width)
        );
        self.mark(&mark, tip);
    }

    /// An area within a curve; `full` of 1 hides what lies below.
    pub(super) fn area(
        &mut self,
        start: [f64; 2],
        steps: &[Step],
        colour: RGBColor,
        full: f64,
        tip: &str,
    ) {
        let opacity = match full {
            full if full < 1.0 => format!(" fill-opacity=\"{full:.2}\""),
            _ => String::new(),
        };
        let curve = self.curve(start, steps);
        let mark = format!("path d=\"{curve}Z\" fill=\"{}\"{opacity}", hex(colour));
        self.mark(&mark, tip);
    }

    /// A disc with a white rim.
    pub(super) fn disc(&mut self, at: [f64; 2], radius: f64, colour: RGBColor, tip: &str) {
        let place = self.put(at);
        let (x, y) = place.split_once(' ').unwrap_or(("0", "0"));
        let mark = format!(
            "circle cx=\"{x}\" cy=\"{y}\" r=\"{}\" fill=\"{}\" stroke=\"#ffffff\" stroke-width=\"1.4\"",
            Tenth(radius),
            hex(colour)
        );
        self.mark(&mark, tip);
    }

    /// Paper under a text that stands on a line.
    pub(super) fn paper(&mut self, rect: [f64; 4]) {
        let [left, top, right, bottom] = rect;
        let place = self.put([left, top]);
        let (x, y) = place.split_once(' ').unwrap_or(("0", "0"));
        let (wide, high) = (Tenth(right - left), Tenth(bottom - top));
        let mark = format!(
            "rect x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{high}\" rx=\"3\" fill=\"#ffffff\" \
             fill-opacity=\"0.86\""
        );
        self.mark(&mark, "");
    }

    pub(super) fn block(&mut self, corner: [f64; 2], size: [f64; 2], colour: RGBColor, tip: &str) {
        let place = self.put(corner);
        let (x, y) = place.split_once(' ').unwrap_or(("0", "0"));
        let mark = format!(
            "rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" fill=\"{}\"",
            Tenth(size[0]),
            Tenth(size[1]),
            hex(colour)
        );
        self.mark(&mark, tip);
    }

    /// A text whose middle stands at the height given, with a white rim around its letters.
    pub(super) fn text(&mut self, text: &str, at: [f64; 2], anchor: Anchor, letters: Letters) {
        self.text_and(text, "", at, anchor, letters);
    }

    /// A text, and quieter words behind it.
    pub(super) fn text_and(
        &mut self,
        text: &str,
        behind: &str,
        at: [f64; 2],
        anchor: Anchor,
        letters: Letters,
    ) {
        let place = self.put([at[0], at[1] + 0.36 * letters.size]);
        let (x, y) = place.split_once(' ').unwrap_or(("0", "0"));
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let bold = if letters.bold {
            " font-weight=\"600\""
        } else {
            ""
        };
        let behind = if behind.is_empty() {
            String::new()
        } else {
            let (fill, size) = (hex(QUIET), Tenth(letters.size - 1.0));
            let behind = escape(behind);
            format!(" <tspan dx=\"3\" fill=\"{fill}\" font-size=\"{size}\">{behind}</tspan>")
        };
        self.body.push_str(&format!(
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" font-family=\"{FONT}\" \
             font-size=\"{}\"{bold} fill=\"{}\" stroke=\"#ffffff\" stroke-width=\"3\" \
             stroke-linejoin=\"round\" paint-order=\"stroke\">{}{behind}</text>\n",
            Tenth(letters.size),
            hex(letters.colour),
            escape(text)
        ));
    }
}

/// Width of a text, rather too wide than too narrow: which font a reader has is not known.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let letter = |c: char| match c {
        'i' | 'j' | 'l' | '\'' | '.' | ',' | ':' | ';' | '|' | '!' => 0.31,
        'f' | 't' | 'r' | ' ' | '(' | ')' | '[' | ']' | '-' | '/' | 'I' => 0.4,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '—' | '…' => 0.98,
        'A'..='Z' => 0.71,
        c if (c as u32) < 0x1100 => 0.62,
        _ => 1.05,
    };
    size * text.chars().map(letter).sum::<f64>()
}

/// A text that is at most so wide, cut where it is wider.
pub(super) fn cut(text: &str, most: f64, size: f64) -> String {
    if width(text, size) <= most {
        return text.to_string();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if width(&kept, size) + width("…", size) > most {
            kept.pop();
            break;
        }
    }
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// Lines of a name, broken between words; the last one takes the rest and is cut.
pub(super) fn wrapped(text: &str, most: f64, size: f64, most_lines: usize) -> Vec<String> {
    let text = clean(text);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let count = lines.len();
        if let Some(line) = lines.last_mut()
            && (count == most_lines
                || width(line, size) + width(" ", size) + width(word, size) <= most)
        {
            line.push(' ');
            line.push_str(word);
            continue;
        }
        lines.push(word.to_string());
    }
    lines.iter().map(|line| cut(line, most, size)).collect()
}

/// Offsets of names that stand side by side, line by line; each takes its width and `beside`.
pub(super) fn in_rows(
    names: &[String],
    beside: f64,
    size: f64,
    most: f64,
) -> Vec<Vec<(f64, usize)>> {
    let mut rows: Vec<Vec<(f64, usize)>> = Vec::new();
    let mut used = f64::INFINITY;
    for (place, name) in names.iter().enumerate() {
        let wide = beside + width(name, size);
        if used + wide > most {
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

    #[test]
    fn numbers_have_one_decimal_and_no_lone_minus() {
        let text = |value: f64| Tenth(value).to_string();
        assert_eq!([text(1.25), text(-0.04), text(-2.36)], ["1.3", "0", "-2.4"]);
        assert_eq!(text(f64::NAN), "0");
    }

    #[test]
    fn marks_stay_inside_and_names_are_text() {
        let mut canvas = Canvas::new([100.0, 50.0]);
        canvas.disc([f64::NAN, 900.0], 3.0, INK, "<b> & co");
        canvas.text("<script>", [-5.0, 20.0], Anchor::End, Letters::of(10.0));
        let body = canvas.finish();
        assert!(body.contains("cx=\"0\" cy=\"50\"") && body.contains("&lt;b&gt; &amp; co"));
        assert!(body.contains("x=\"0\"") && body.contains("&lt;script&gt;"));
        assert!(!body.contains("<script") && !body.contains("<b>"));
    }

    #[test]
    fn names_are_broken_between_words_and_cut() {
        let name = "Chronic obstructive pulmonary disease with acute exacerbation";
        let lines = wrapped(name, 110.0, 11.0, 2);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("Chronic") && lines[1].ends_with('…'));
        assert!(lines.iter().all(|line| width(line, 11.0) <= 110.0));
        assert_eq!(wrapped("asthma", 110.0, 11.0, 2), ["asthma"]);
        assert!(wrapped("", 110.0, 11.0, 2).is_empty());
        assert_eq!(cut(&"x".repeat(400), 60.0, 11.0).chars().last(), Some('…'));
    }

    #[test]
    fn colours_grow_paler_and_then_end() {
        assert_eq!(shade(0), COLOURS[0]);
        assert_ne!(shade(5), shade(0));
        assert_eq!((shade(15), shade(usize::MAX)), (OTHER, OTHER));
        assert_eq!(mixed(RGBColor(0, 100, 255), 0.0), RGBColor(255, 255, 255));
    }
}
