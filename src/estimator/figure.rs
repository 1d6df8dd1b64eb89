//! Figures: pictures as plain data.
//!
//! Whatever explains or evaluates returns a [`Figure`]; only the report draws it. So numbers behind
//! a picture can be saved, compared and drawn by other tools.

use serde::{Deserialize, Serialize};

/// An axis with its label and unit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// What is shown.
    pub label: String,
    /// Unit, where there is one: `years`, `mmol/L`, `%`.
    pub unit: Option<String>,
    /// Ends of the axis; from the data when `None`.
    pub range: Option<[f64; 2]>,
    /// Names of the positions 0, 1, 2, ... of a categorical axis; empty for numbers.
    pub categories: Vec<String>,
    /// Whether the axis is logarithmic.
    pub logarithmic: bool,
}

impl Axis {
    /// An axis of numbers without unit, its ends from the data.
    pub fn new(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            ..Self::default()
        }
    }

    /// With a unit.
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// With fixed ends.
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some([low, high]);
        self
    }

    /// With named positions.
    pub fn categories<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.categories = names.into_iter().map(Into::into).collect();
        self
    }

    /// On a logarithmic scale.
    pub fn logarithmic(mut self) -> Self {
        self.logarithmic = true;
        self
    }
}

/// What a series draws; all vectors of one kind have the same length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Shape {
    /// Points joined by straight lines.
    Line {
        /// Horizontal positions.
        x: Vec<f64>,
        /// Vertical positions.
        y: Vec<f64>,
    },
    /// Separate points, with vertical error bars where given.
    Points {
        /// Horizontal positions.
        x: Vec<f64>,
        /// Vertical positions.
        y: Vec<f64>,
        /// Lower ends of the error bars; empty for none.
        lower: Vec<f64>,
        /// Upper ends of the error bars; empty for none.
        upper: Vec<f64>,
    },
    /// A step function that keeps each value until the next position.
    Steps {
        /// Horizontal positions, ascending.
        x: Vec<f64>,
        /// Values from each position on.
        y: Vec<f64>,
    },
    /// One bar per position of a categorical axis.
    Bars {
        /// Heights of the bars.
        value: Vec<f64>,
        /// Lower ends of the error bars; empty for none.
        lower: Vec<f64>,
        /// Upper ends of the error bars; empty for none.
        upper: Vec<f64>,
    },
    /// An area between two lines.
    Band {
        /// Horizontal positions, ascending.
        x: Vec<f64>,
        /// Lower line.
        lower: Vec<f64>,
        /// Upper line.
        upper: Vec<f64>,
    },
    /// Counts between edges; one edge more than counts.
    Histogram {
        /// Edges, ascending.
        edges: Vec<f64>,
        /// Counts or weights.
        counts: Vec<f64>,
    },
    /// A tree of conditions; fills the figure, whose axes and other series are not drawn.
    Tree {
        /// Names of the classes whose shares the nodes hold.
        classes: Vec<String>,
        /// Root first, parents before their children.
        nodes: Vec<TreeNode>,
    },
}

/// A node of a [`Shape::Tree`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TreeNode {
    /// Position of the parent; `None` for the root.
    pub parent: Option<u32>,
    /// The condition that leads here.
    pub label: String,
    /// What holds here, in words.
    pub detail: String,
    /// Share of every class, in the order of `classes`.
    pub shares: Vec<f64>,
}

/// A named series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Name for the legend; empty for none.
    pub name: String,
    /// What is drawn.
    pub shape: Shape,
}

/// A line to read the figure against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReferenceLine {
    /// At one height.
    Horizontal {
        /// The height.
        y: f64,
        /// What it stands for.
        label: String,
    },
    /// At one position.
    Vertical {
        /// The position.
        x: f64,
        /// What it stands for.
        label: String,
    },
    /// From point to point, for example the diagonal of perfect calibration.
    Segment {
        /// Start, x then y.
        from: [f64; 2],
        /// End, x then y.
        to: [f64; 2],
        /// What it stands for.
        label: String,
    },
}

/// A picture as plain data.
///
/// ```
/// use galen::estimator::figure::{Axis, Figure};
///
/// let figure = Figure::new("ROC curve", Axis::new("1 - specificity"), Axis::new("Sensitivity"))
///     .line("model", vec![0.0, 0.2, 1.0], vec![0.0, 0.8, 1.0])
///     .segment("chance", [0.0, 0.0], [1.0, 1.0]);
/// assert_eq!(figure.series.len(), 1);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Title.
    pub title: String,
    /// One sentence on how to read it; may be empty.
    pub caption: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Series, drawn in order.
    pub series: Vec<Series>,
    /// Reference lines, drawn below the series.
    pub references: Vec<ReferenceLine>,
}

impl Figure {
    /// An empty figure.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self {
            title: title.into(),
            caption: String::new(),
            x,
            y,
            series: Vec::new(),
            references: Vec::new(),
        }
    }

    /// With a sentence on how to read it.
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }

    /// Adds a series.
    pub fn with(mut self, name: impl Into<String>, shape: Shape) -> Self {
        self.series.push(Series {
            name: name.into(),
            shape,
        });
        self
    }

    /// Adds a line through points.
    pub fn line(self, name: impl Into<String>, x: Vec<f64>, y: Vec<f64>) -> Self {
        self.with(name, Shape::Line { x, y })
    }

    /// Adds points without error bars.
    pub fn points(self, name: impl Into<String>, x: Vec<f64>, y: Vec<f64>) -> Self {
        let (lower, upper) = (Vec::new(), Vec::new());
        self.with(name, Shape::Points { x, y, lower, upper })
    }

    /// Adds bars without error bars.
    pub fn bars(self, name: impl Into<String>, value: Vec<f64>) -> Self {
        let (lower, upper) = (Vec::new(), Vec::new());
        self.with(
            name,
            Shape::Bars {
                value,
                lower,
                upper,
            },
        )
    }

    /// Adds a horizontal reference line.
    pub fn horizontal(mut self, label: impl Into<String>, y: f64) -> Self {
        let label = label.into();
        self.references.push(ReferenceLine::Horizontal { y, label });
        self
    }

    /// Adds a vertical reference line.
    pub fn vertical(mut self, label: impl Into<String>, x: f64) -> Self {
        let label = label.into();
        self.references.push(ReferenceLine::Vertical { x, label });
        self
    }

    /// Adds a reference line between two points.
    pub fn segment(mut self, label: impl Into<String>, from: [f64; 2], to: [f64; 2]) -> Self {
        let label = label.into();
        self.references
            .push(ReferenceLine::Segment { from, to, label });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_survives_json() {
        let figure = Figure::new(
            "Age",
            Axis::new("Age").unit("years").range(0.0, 100.0),
            Axis::new("Rows").logarithmic(),
        )
        .caption("Half of the rows are older than 70.")
        .with(
            "rows",
            Shape::Histogram {
                edges: vec![0.0, 50.0, 100.0],
                counts: vec![3.0, 7.0],
            },
        )
        .bars("share", vec![0.3, 0.7])
        .points("p", vec![0.1], vec![0.2])
        .vertical("median", 70.0)
        .horizontal("none", 0.0);
        let text = serde_json::to_string(&figure).unwrap();
        assert!(text.contains("\"histogram\""));
        assert_eq!(serde_json::from_str::<Figure>(&text).unwrap(), figure);
    }
}
