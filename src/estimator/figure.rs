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
    /// A network; fills the figure. The horizontal axis names what sizes of nodes mean, the vertical
    /// one what weights of edges mean; other series are not drawn. A picture holds the 500 largest
    /// nodes and the 3,000 heaviest edges between them, the tables of a report hold all. Sizes are printed
    /// as they are: who makes the figure leaves out counts too small to publish.
    Graph {
        /// Nodes; of equal sizes the first ones count as larger.
        nodes: Vec<GraphNode>,
        /// Edges between positions of `nodes`; those that lead nowhere are not drawn.
        edges: Vec<GraphEdge>,
    },
    /// What flows from step to step, from left to right; fills the figure. The horizontal axis names
    /// what sizes mean; other series are not drawn. A picture holds 24 steps, the 30 largest nodes of
    /// each and the 400 largest links between them, the tables of a report hold all. Sizes are printed as
    /// they are: who makes the figure leaves out counts too small to publish.
    Flow {
        /// Names of the steps.
        steps: Vec<String>,
        /// Nodes of all steps.
        nodes: Vec<FlowNode>,
        /// Links between positions of `nodes`, each to a later step; others are not drawn.
        links: Vec<FlowLink>,
    },
}

/// A node of a [`Shape::Graph`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GraphNode {
    /// Name.
    pub label: String,
    /// Area of the circle, for example a number of patients.
    pub size: f64,
    /// What its colour stands for; empty for none.
    pub group: String,
}

/// An edge of a [`Shape::Graph`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GraphEdge {
    /// Position of the node at one end; the start, where the edge has a direction.
    pub from: u32,
    /// Position of the node at the other end.
    pub to: u32,
    /// Width of the line; below zero the line is dashed.
    pub weight: f64,
    /// What stands at the line; empty for nothing.
    pub label: String,
    /// Whether it leads from `from` to `to` and not back; drawn with an arrowhead.
    pub directed: bool,
}

/// A node of a [`Shape::Flow`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowNode {
    /// Position of its step.
    pub step: u32,
    /// Name; equal names have equal colours.
    pub label: String,
    /// Height, for example a number of patients; what flows in or out where that is more.
    pub size: f64,
}

/// A link of a [`Shape::Flow`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FlowLink {
    /// Position of the node on the left.
    pub from: u32,
    /// Position of the node on the right.
    pub to: u32,
    /// Width of the ribbon, in the unit of the nodes.
    pub size: f64,
}

impl GraphNode {
    /// A node without a group.
    pub fn new(label: impl Into<String>, size: f64) -> Self {
        Self {
            label: label.into(),
            size,
            group: String::new(),
        }
    }

    /// With a group.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = group.into();
        self
    }
}

impl GraphEdge {
    /// An edge without direction and label.
    pub fn new(from: u32, to: u32, weight: f64) -> Self {
        Self {
            from,
            to,
            weight,
            label: String::new(),
            directed: false,
        }
    }

    /// With a label.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// With a direction.
    pub fn directed(mut self) -> Self {
        self.directed = true;
        self
    }
}

impl FlowNode {
    /// A node of a step.
    pub fn new(step: u32, label: impl Into<String>, size: f64) -> Self {
        let label = label.into();
        Self { step, label, size }
    }
}

impl FlowLink {
    /// A link.
    pub fn new(from: u32, to: u32, size: f64) -> Self {
        Self { from, to, size }
    }
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

    /// Adds a network.
    ///
    /// ```
    /// use galen::estimator::figure::{Axis, Figure, GraphEdge, GraphNode};
    ///
    /// let nodes = vec![
    ///     GraphNode::new("Hypertension", 1_200.0).group("circulation"),
    ///     GraphNode::new("Chronic kidney disease", 310.0).group("kidney"),
    /// ];
    /// let edges = vec![GraphEdge::new(0, 1, 2.4)];
    /// let figure = Figure::new("Comorbidity", Axis::new("patients"), Axis::new("odds ratio"))
    ///     .graph(nodes, edges);
    /// assert_eq!(figure.series.len(), 1);
    /// ```
    pub fn graph(self, nodes: Vec<GraphNode>, edges: Vec<GraphEdge>) -> Self {
        self.with("", Shape::Graph { nodes, edges })
    }

    /// Adds a flow between steps.
    ///
    /// ```
    /// use galen::estimator::figure::{Axis, Figure, FlowLink, FlowNode};
    ///
    /// let nodes = vec![
    ///     FlowNode::new(0, "metformin", 900.0),
    ///     FlowNode::new(1, "insulin", 120.0),
    /// ];
    /// let figure = Figure::new("Treatment", Axis::new("patients"), Axis::new(""))
    ///     .flow(["first line", "second line"], nodes, vec![FlowLink::new(0, 1, 120.0)]);
    /// assert_eq!(figure.series.len(), 1);
    /// ```
    pub fn flow<T: Into<String>>(
        self,
        steps: impl IntoIterator<Item = T>,
        nodes: Vec<FlowNode>,
        links: Vec<FlowLink>,
    ) -> Self {
        let steps = steps.into_iter().map(Into::into).collect();
        let shape = Shape::Flow {
            steps,
            nodes,
            links,
        };
        self.with("", shape)
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

    #[test]
    fn networks_and_flows_survive_json() {
        let nodes = vec![
            GraphNode::new("a", 3.0).group("g"),
            GraphNode::new("b", 1.0),
        ];
        let edge = GraphEdge::new(0, 1, -0.5).label("r").directed();
        assert!(edge.directed && edge.label == "r" && nodes[0].group == "g");
        let steps = vec![FlowNode::new(0, "a", 3.0), FlowNode::new(1, "b", 2.0)];
        let figure = Figure::new("T", Axis::new("patients"), Axis::new("weight"))
            .graph(nodes, vec![edge])
            .flow(["1", "2"], steps, vec![FlowLink::new(0, 1, 2.0)]);
        let text = serde_json::to_string(&figure).unwrap();
        assert!(text.contains("\"graph\"") && text.contains("\"flow\""));
        assert_eq!(serde_json::from_str::<Figure>(&text).unwrap(), figure);
    }
}
