//! From numbers to places on the page, and the numbers along an axis.

use crate::estimator::figure::{Axis, Figure, ReferenceLine, Shape};
use crate::report::number::fixed;

/// Intervals that an axis aims at.
const INTERVALS: f64 = 5.0;
/// Free space at the ends of an axis, as a share of the data, where no ends are given.
const PADDING: f64 = 0.04;
/// Logarithmic axes do not reach below.
const SMALLEST: f64 = 1e-12;

/// An axis of numbers on the page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// Ends, as logarithms on a logarithmic axis.
    low: f64,
    high: f64,
    /// Places of the ends.
    from: f64,
    to: f64,
    logarithmic: bool,
}

impl Scale {
    /// From the ends of the axis, or else from its data, between two places.
    pub(super) fn new(axis: &Axis, data: &[f64], from: f64, to: f64) -> Self {
        let logarithmic = axis.logarithmic;
        let usable = |value: &f64| value.is_finite() && (!logarithmic || *value > SMALLEST);
        let given = axis
            .range
            .filter(|range| range.iter().all(usable) && range[0] < range[1]);
        let map = |value: f64| {
            if logarithmic {
                libm::log10(value)
            } else {
                value
            }
        };
        let [low, high] = match given {
            Some([low, high]) => [map(low), map(high)],
            None => padded(
                data.iter()
                    .filter(|value| usable(value))
                    .map(|value| map(*value)),
            ),
        };
        Self {
            low,
            high,
            from,
            to,
            logarithmic,
        }
    }

    /// The place of a number; `None` where it has none.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        let value = match self.logarithmic {
            true if value <= SMALLEST => return None,
            true => libm::log10(value),
            false => value,
        };
        let share = (value - self.low) / (self.high - self.low);
        // Far outside is as good as outside: curves are cut at the edge.
        let place = self.from + share.clamp(-1e3, 1e3) * (self.to - self.from);
        place.is_finite().then_some(place)
    }

    /// Whether a place lies between the ends, half a unit apart.
    pub(super) fn holds(&self, place: f64) -> bool {
        let (least, most) = (self.from.min(self.to), self.from.max(self.to));
        place >= least - 0.5 && place <= most + 0.5
    }

    /// Ends in order of place.
    pub(super) fn edges(&self) -> [f64; 2] {
        [self.from.min(self.to), self.from.max(self.to)]
    }

    /// Numbers to print along the axis with their places.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let ticks = if self.logarithmic {
            self.powers()
        } else {
            self.steps()
        };
        let shown = ticks.into_iter().filter_map(|(value, text)| {
            let place = self.place(value)?;
            self.holds(place).then(|| (place, text.replace('-', "−")))
        });
        shown.collect()
    }

    fn steps(&self) -> Vec<(f64, String)> {
        let raw = (self.high - self.low) / INTERVALS;
        let power = libm::pow(10.0, libm::floor(libm::log10(raw)));
        let step = [1.0, 2.0, 2.5, 5.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| *step >= raw * 0.999)
            .unwrap_or(10.0 * power);
        let decimals = (0..12)
            .find(|d| {
                let scaled = step * libm::pow(10.0, f64::from(*d));
                (scaled - scaled.round()).abs() < 1e-6 * scaled
            })
            .unwrap_or(12) as usize;
        let first = (self.low / step - 1e-9).ceil();
        let count = ((self.high / step + 1e-9).floor() - first).clamp(0.0, 50.0) as usize;
        (0..=count)
            .map(|k| (first + k as f64) * step)
            .map(|value| (value, fixed(value, decimals)))
            .collect()
    }

    fn powers(&self) -> Vec<(f64, String)> {
        let span = self.high - self.low;
        let factors: &[f64] = match span {
            _ if span > 3.0 => &[1.0],
            _ if span > 1.2 => &[1.0, 2.0, 5.0],
            _ if span > 0.4 => &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
            _ => &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
        };
        let (first, last) = (self.low.floor() as i32, self.high.ceil() as i32);
        let mut ticks = Vec::new();
        for power in first..=last.min(first + 40) {
            for factor in factors {
                let value = factor * libm::pow(10.0, f64::from(power));
                let decimals =
                    usize::try_from(-power).unwrap_or(0) + usize::from(factor.fract() != 0.0);
                let text = if (-4..6).contains(&power) {
                    fixed(value, decimals)
                } else {
                    format!("{value:.0e}")
                };
                ticks.push((value, text));
            }
        }
        ticks
    }
}

/// Smallest and largest with some space around; one unit wide where all are equal.
fn padded(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low > high {
        return [0.0, 1.0];
    }
    let space = match high - low {
        width if width > 1e-12 * high.abs().max(low.abs()) => PADDING * width,
        _ => 0.5 * high.abs().max(1.0),
    };
    [low - space, high + space]
}

/// All positions and all values of a figure, for the ends of its axes.
pub(super) fn extent(figure: &Figure) -> (Vec<f64>, Vec<f64>) {
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for series in &figure.series {
        match &series.shape {
            Shape::Line { x: a, y: b } | Shape::Steps { x: a, y: b } => {
                x.extend(a);
                y.extend(b);
            }
            Shape::Points {
                x: a,
                y: b,
                lower,
                upper,
            } => {
                x.extend(a);
                y.extend(b.iter().chain(lower).chain(upper));
            }
            Shape::Bars {
                value,
                lower,
                upper,
            } => {
                y.extend(value.iter().chain(lower).chain(upper));
                y.push(0.0);
            }
            Shape::Band { x: a, lower, upper } => {
                x.extend(a);
                y.extend(lower.iter().chain(upper));
            }
            Shape::Tree { .. } | Shape::Graph { .. } | Shape::Flow { .. } => {}
            Shape::Histogram { edges, counts } => {
                x.extend(edges);
                if figure.series.len() == 1 {
                    y.extend(counts);
                    y.push(0.0);
                }
            }
        }
    }
    for line in &figure.references {
        match line {
            ReferenceLine::Horizontal { y: value, .. } => y.push(*value),
            ReferenceLine::Vertical { x: value, .. } => x.push(*value),
            ReferenceLine::Segment { from, to, .. } => {
                x.extend([from[0], to[0]]);
                y.extend([from[1], to[1]]);
            }
        }
    }
    (x, y)
}

/// The part of a straight line within a box, as shares of its length; Liang and Barsky (ACM Trans.
/// Graph. 3, 1984, doi 10.1145/357332.357333).
pub(super) fn clip(a: [f64; 2], b: [f64; 2], x: [f64; 2], y: [f64; 2]) -> Option<[[f64; 2]; 2]> {
    let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
    for (axis, [low, high]) in [x, y].into_iter().enumerate() {
        let way = b[axis] - a[axis];
        if way == 0.0 {
            if a[axis] < low || a[axis] > high {
                return None;
            }
            continue;
        }
        let (p, q) = ((low - a[axis]) / way, (high - a[axis]) / way);
        enter = enter.max(p.min(q));
        leave = leave.min(p.max(q));
    }
    let at = |share: f64| [0, 1].map(|axis| a[axis] + share * (b[axis] - a[axis]));
    (enter <= leave).then(|| [at(enter), at(leave)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis, data: &[f64]) -> Vec<String> {
        let ticks = Scale::new(axis, data, 0.0, 100.0).ticks();
        ticks.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn round_numbers_along_the_axis() {
        let axis = |low, high| Axis::new("").range(low, high);
        assert_eq!(
            labels(&axis(0.0, 1.0), &[]),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(labels(&axis(0.0, 0.3), &[]), ["0.0", "0.1", "0.2", "0.3"]);
        assert_eq!(labels(&axis(-0.5, 0.5), &[])[0], "−0.4");
        assert_eq!(
            labels(&Axis::new("").logarithmic(), &[0.2, 40.0]),
            ["0.2", "0.5", "1", "2", "5", "10", "20", "50"]
        );
        assert_eq!(labels(&Axis::new(""), &[]).len(), 6);
        assert!(!labels(&Axis::new(""), &[3.0, 3.0]).is_empty());
    }

    #[test]
    fn lines_are_cut_at_the_edge() {
        let edge = [0.0, 10.0];
        assert_eq!(
            clip([-5.0, 5.0], [15.0, 5.0], edge, edge),
            Some([[0.0, 5.0], [10.0, 5.0]])
        );
        assert_eq!(clip([-5.0, -5.0], [-1.0, 20.0], edge, edge), None);
        assert_eq!(
            clip([1.0, 1.0], [2.0, 3.0], edge, edge),
            Some([[1.0, 1.0], [2.0, 3.0]])
        );
    }
}
