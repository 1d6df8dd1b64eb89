//! Pictures of partial dependence.

use crate::estimator::figure::{Axis, Figure, Shape};
use crate::explain::dependence::{IceCurves, PairDependence, PartialDependence};

/// Lines of the second feature in the picture of a pair, at most.
const MOST_LINES: usize = 5;
/// Curves of single rows, at most.
const MOST_CURVES: usize = 200;

impl PartialDependence {
    /// The mean with its band. Below a number, where the rows are; a category has a dot for every
    /// level. Missing values are a dashed line, or a level.
    pub fn figure(&self) -> Figure {
        let band = format!("middle {:.0} % of rows", 100.0 * self.band);
        let by_level = self.points.iter().any(|point| point.level.is_some());
        let title = format!("Partial dependence on {}", self.feature);
        let caption = format!(
            "Mean over {} rows, had each of them this value.",
            self.n_rows
        );
        if by_level {
            let points = self.points.iter().chain(&self.missing);
            let names = points.clone().map(|point| {
                let name = point.level.as_deref().unwrap_or("missing");
                format!("{name} ({})", percent(point.share))
            });
            let x = Axis::new(&self.feature).categories(names);
            return Figure::new(title, x, Axis::new(&self.output))
                .caption(format!(
                    "{caption} Lines: {band}. In brackets: share of the rows."
                ))
                .with(
                    "",
                    Shape::Points {
                        x: (0..points.clone().count()).map(|at| at as f64).collect(),
                        y: points.clone().map(|point| point.mean).collect(),
                        lower: points.clone().map(|point| point.lower).collect(),
                        upper: points.map(|point| point.upper).collect(),
                    },
                );
        }
        let x: Vec<f64> = self.points.iter().filter_map(|point| point.value).collect();
        let of = |pick: fn(&super::DependencePoint) -> f64| self.points.iter().map(pick).collect();
        let lower: Vec<f64> = of(|point| point.lower);
        let upper = of(|point| point.upper);
        let shares: Vec<f64> = of(|point| point.share);
        let mut figure = Figure::new(
            title,
            axis(&self.feature, &self.unit),
            Axis::new(&self.output),
        )
        .caption(caption);
        if let Some(strip) = density(&x, &shares) {
            figure = figure.with("where rows are", strip);
        }
        figure = figure
            .with(
                band,
                Shape::Band {
                    x: x.clone(),
                    lower,
                    upper,
                },
            )
            .line("mean", x, of(|point| point.mean));
        match &self.missing {
            None => figure,
            Some(missing) => figure.horizontal(
                format!("missing ({} of rows)", percent(missing.share)),
                missing.mean,
            ),
        }
    }
}

impl PairDependence {
    /// Lines along the first feature, one for each of at most five values of the second.
    pub fn figure(&self) -> Figure {
        let [first, second] = &self.features;
        let n = self.grids[1].len();
        let shown = n.min(MOST_LINES);
        let places = (0..shown).map(|i| {
            if shown > 1 {
                i * (n - 1) / (shown - 1)
            } else {
                0
            }
        });
        let x = &self.grids[0];
        let x_axis = match &self.levels[0] {
            Some(levels) => {
                Axis::new(first).categories(x.iter().map(|code| name_of(levels, *code)))
            }
            None => axis(first, &self.units[0]),
        };
        let title = format!("Partial dependence on {first} and {second}");
        let figure = Figure::new(title, x_axis, Axis::new(&self.output))
            .caption("Lines that do not run in parallel show an interaction.");
        places.fold(figure, |figure, place| {
            let value = self.grids[1][place];
            let name = match &self.levels[1] {
                Some(levels) => name_of(levels, value),
                None => format!("{second} {}", short(value)),
            };
            let means = self.mean.column(place).to_vec();
            if self.levels[0].is_some() {
                figure.points(name, (0..x.len()).map(|at| at as f64).collect(), means)
            } else {
                figure.line(name, x.clone(), means)
            }
        })
    }
}

impl IceCurves {
    /// Thin lines, one for each row (the first 200), and their mean.
    ///
    /// **Each line is a patient**: see [`ice_curves`](crate::explain::ice_curves()).
    pub fn figure(&self) -> Figure {
        let n = self.values.nrows();
        let label = if self.centred {
            format!("{}, change", self.output)
        } else {
            self.output.clone()
        };
        let (x, x_axis): (Vec<f64>, Axis) = match &self.levels {
            Some(levels) => {
                let names: Vec<String> = self
                    .grid
                    .iter()
                    .map(|code| name_of(levels, *code))
                    .collect();
                let places = (0..names.len()).map(|at| at as f64).collect();
                (places, Axis::new(&self.feature).categories(names))
            }
            None => (self.grid.clone(), axis(&self.feature, &self.unit)),
        };
        let title = format!("Each patient by {}", self.feature);
        let mut figure = Figure::new(title, x_axis, Axis::new(label)).caption(format!(
            "{} of {n} curves and the mean of all. Each curve is a patient.",
            n.min(MOST_CURVES)
        ));
        let means: Option<Vec<f64>> = self
            .values
            .columns()
            .into_iter()
            .map(|c| c.mean())
            .collect();
        let mut lines: Vec<(&str, Vec<f64>)> = Vec::new();
        let curves = self.values.rows().into_iter().take(MOST_CURVES);
        lines.extend(curves.map(|curve| ("patients", curve.to_vec())));
        lines.extend(means.map(|means| ("mean", means)));
        for (name, y) in lines {
            figure = if self.levels.is_some() {
                figure.points(name, x.clone(), y)
            } else {
                figure.line(name, x.clone(), y)
            };
        }
        figure
    }
}

fn axis(name: &str, unit: &Option<String>) -> Axis {
    let axis = Axis::new(name);
    match unit {
        Some(unit) => axis.unit(unit),
        None => axis,
    }
}

fn name_of(levels: &[String], code: f64) -> String {
    levels.get(code as usize).cloned().unwrap_or_default()
}

/// Shares between the middles of neighbouring values, over their width.
fn density(values: &[f64], shares: &[f64]) -> Option<Shape> {
    let (first, last) = (*values.first()?, *values.last()?);
    if values.len() < 2 {
        return None;
    }
    let middles = values.windows(2).map(|pair| 0.5 * pair[0] + 0.5 * pair[1]);
    let edges: Vec<f64> = std::iter::once(first)
        .chain(middles)
        .chain([last])
        .collect();
    let widths = edges.windows(2).map(|pair| pair[1] - pair[0]);
    let counts = shares
        .iter()
        .zip(widths)
        .map(|(share, width)| share / width);
    Some(Shape::Histogram {
        counts: counts.collect(),
        edges,
    })
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// Three significant digits, without trailing zeros.
fn short(value: f64) -> String {
    if value == 0.0 || !(1e-4..1e7).contains(&value.abs()) {
        return format!("{value:e}").replace("e0", "");
    }
    let digits = (2 - value.abs().log10().floor() as i32).max(0) as usize;
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').into(),
        false => text,
    }
}
