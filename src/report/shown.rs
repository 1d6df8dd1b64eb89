//! Networks and flows beside their pictures: what a picture holds, and tables that hold all.

use std::cmp::Ordering;

use crate::estimator::figure::{Axis, Figure, FlowLink, FlowNode, GraphEdge, GraphNode, Shape};
use crate::report::number::{NONE, count, significant};
use crate::report::render::Table;

/// Most nodes and edges of the picture of a network.
pub(super) const MOST_NODES: usize = 500;
pub(super) const MOST_EDGES: usize = 3_000;
/// Most steps of the picture of a flow, nodes of a step, and links.
pub(super) const MOST_STEPS: usize = 24;
pub(super) const MOST_OF_STEP: usize = 30;
pub(super) const MOST_LINKS: usize = 400;

/// A size as it is drawn: nothing below zero, and nothing without an end.
pub(super) fn sound(size: f64) -> f64 {
    if size.is_finite() { size.max(0.0) } else { 0.0 }
}

/// Positions by falling size, of equal ones the first.
fn largest(n: usize, most: usize, size: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| size(*b).total_cmp(&size(*a)).then(a.cmp(b)));
    order.truncate(most);
    order.sort_unstable();
    order
}

/// What the picture of a network holds, as positions in the order of the data.
pub(super) struct GraphShown {
    pub(super) nodes: Vec<usize>,
    /// Edge, and its ends as positions in `nodes`.
    pub(super) edges: Vec<(usize, [usize; 2])>,
}

pub(super) fn graph_shown(nodes: &[GraphNode], edges: &[GraphEdge]) -> GraphShown {
    let kept = largest(nodes.len(), MOST_NODES, |at| sound(nodes[at].size));
    let place = |end: u32| kept.binary_search(&(end as usize)).ok();
    let found = edges.iter().enumerate().filter_map(|(at, edge)| {
        let ends = place(edge.from).zip(place(edge.to));
        let ends = ends.filter(|_| edge.weight.is_finite());
        ends.map(|(from, to)| (at, [from, to]))
    });
    let found: Vec<(usize, [usize; 2])> = found.collect();
    let weight = |at: usize| edges[found[at].0].weight.abs();
    let heaviest = largest(found.len(), MOST_EDGES, weight);
    GraphShown {
        edges: heaviest.into_iter().map(|at| found[at]).collect(),
        nodes: kept,
    }
}

/// What the picture of a flow holds, as positions in the order of the data.
pub(super) struct FlowShown {
    pub(super) n_steps: usize,
    pub(super) nodes: Vec<usize>,
    /// Link, and its ends as positions in `nodes`.
    pub(super) links: Vec<(usize, [usize; 2])>,
}

pub(super) fn flow_shown(steps: &[String], nodes: &[FlowNode], links: &[FlowLink]) -> FlowShown {
    let n_steps = steps.len().min(MOST_STEPS);
    let mut by_step: Vec<Vec<usize>> = vec![Vec::new(); n_steps];
    for (at, node) in nodes.iter().enumerate() {
        if let Some(of_step) = by_step.get_mut(node.step as usize) {
            of_step.push(at);
        }
    }
    let mut kept = Vec::new();
    for of_step in &by_step {
        let size = |at: usize| sound(nodes[of_step[at]].size);
        let best = largest(of_step.len(), MOST_OF_STEP, size);
        kept.extend(best.into_iter().map(|at| of_step[at]));
    }
    kept.sort_unstable();
    let place = |end: u32| kept.binary_search(&(end as usize)).ok();
    let found = links.iter().enumerate().filter_map(|(at, link)| {
        let (from, to) = place(link.from).zip(place(link.to))?;
        let forward = nodes[kept[from]].step < nodes[kept[to]].step;
        (forward && sound(link.size) > 0.0).then_some((at, [from, to]))
    });
    let found: Vec<(usize, [usize; 2])> = found.collect();
    let widest = largest(found.len(), MOST_LINKS, |at| links[found[at].0].size);
    FlowShown {
        n_steps,
        links: widest.into_iter().map(|at| found[at]).collect(),
        nodes: kept,
    }
}

/// The caption, and what the picture leaves out.
pub(super) fn caption(figure: &Figure) -> String {
    let mut text = figure.caption.trim_end().to_string();
    for note in figure
        .series
        .iter()
        .find_map(left_out)
        .into_iter()
        .flatten()
    {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&note);
    }
    text
}

/// Sentences on what the picture of a network or a flow leaves out; `None` for other series.
fn left_out(series: &crate::estimator::figure::Series) -> Option<Vec<String>> {
    let mut notes = Vec::new();
    let mut note = |drawn: usize, all: usize, what: &str| {
        if drawn < all {
            let (drawn, all) = (count(drawn as u64), count(all as u64));
            notes.push(format!("Drawn are {drawn} of {all} {what}."));
        }
    };
    match &series.shape {
        Shape::Graph { nodes, edges } => {
            let shown = graph_shown(nodes, edges);
            note(shown.nodes.len(), nodes.len(), "nodes, the largest");
            note(shown.edges.len(), edges.len(), "edges");
        }
        Shape::Flow {
            steps,
            nodes,
            links,
        } => {
            let shown = flow_shown(steps, nodes, links);
            note(shown.n_steps, steps.len(), "steps");
            note(shown.nodes.len(), nodes.len(), "nodes");
            note(shown.links.len(), links.len(), "links");
        }
        _ => return None,
    }
    Some(notes)
}

/// A size or a weight in words.
pub(super) fn amount(value: f64) -> String {
    if !value.is_finite() {
        return NONE.to_string();
    }
    let size = value.abs();
    if size == size.trunc() && size < 1e15 {
        let sign = if value < 0.0 { "-" } else { "" };
        return format!("{sign}{}", count(size as u64));
    }
    significant(value)
}

/// What sizes or weights mean, with the unit.
pub(super) fn meaning(axis: &Axis, otherwise: &str) -> String {
    match (&axis.unit, axis.label.as_str()) {
        (_, "") => otherwise.to_string(),
        (Some(unit), label) => format!("{label} ({unit})"),
        (None, label) => label.to_string(),
    }
}

/// The numbers behind the picture of a network or a flow, the largest first.
pub(super) fn tables(figure: &Figure) -> Vec<Table> {
    let falling = |a: f64, b: f64| -> Ordering { sound(b).total_cmp(&sound(a)) };
    let found = figure.series.iter().find_map(|series| match &series.shape {
        Shape::Graph { nodes, edges } => Some(graph_tables(figure, nodes, edges, falling)),
        Shape::Flow {
            steps,
            nodes,
            links,
        } => Some(flow_tables(figure, steps, nodes, links, falling)),
        _ => None,
    });
    found.unwrap_or_default()
}

type Falling = fn(f64, f64) -> Ordering;

fn graph_tables(
    figure: &Figure,
    nodes: &[GraphNode],
    edges: &[GraphEdge],
    falling: Falling,
) -> Vec<Table> {
    let grouped = nodes.iter().any(|node| !node.group.is_empty());
    let mut order: Vec<&GraphNode> = nodes.iter().collect();
    order.sort_by(|a, b| falling(a.size, b.size));
    let mut table = Table::new("Nodes").text("Node");
    if grouped {
        table = table.text("Group");
    }
    table = table.number(meaning(&figure.x, "size"));
    for node in order {
        let group = grouped.then(|| node.group.clone());
        let cells = [Some(node.label.clone()), group, Some(amount(node.size))];
        table = table.row(cells.into_iter().flatten());
    }
    let labelled = edges.iter().any(|edge| !edge.label.is_empty());
    let heads = if edges.iter().any(|edge| edge.directed) {
        ["From", "To"]
    } else {
        ["Node", "Other node"]
    };
    let mut order: Vec<&GraphEdge> = edges.iter().collect();
    order.sort_by(|a, b| falling(a.weight.abs(), b.weight.abs()));
    let mut lines = Table::new("Edges").text(heads[0]).text(heads[1]);
    lines = lines.number(meaning(&figure.y, "weight"));
    if labelled {
        lines = lines.text("Note");
    }
    let name = |end: u32| {
        let node = nodes.get(end as usize);
        node.map_or(NONE.to_string(), |node| node.label.clone())
    };
    for edge in order {
        let note = labelled.then(|| edge.label.clone());
        let cells = [
            Some(name(edge.from)),
            Some(name(edge.to)),
            Some(amount(edge.weight)),
            note,
        ];
        lines = lines.row(cells.into_iter().flatten());
    }
    vec![table, lines]
}

fn flow_tables(
    figure: &Figure,
    steps: &[String],
    nodes: &[FlowNode],
    links: &[FlowLink],
    falling: Falling,
) -> Vec<Table> {
    let size = meaning(&figure.x, "size");
    let step = |node: &FlowNode| match steps.get(node.step as usize) {
        Some(name) => name.clone(),
        None => NONE.to_string(),
    };
    let mut order: Vec<&FlowNode> = nodes.iter().collect();
    order.sort_by(|a, b| a.step.cmp(&b.step).then(falling(a.size, b.size)));
    let mut table = Table::new("Nodes")
        .text("Step")
        .text("Node")
        .number(size.clone());
    for node in order {
        table = table.row([step(node), node.label.clone(), amount(node.size)]);
    }
    let mut order: Vec<&FlowLink> = links.iter().collect();
    order.sort_by(|a, b| falling(a.size, b.size));
    let mut lines = Table::new("Links").text("From").text("Step").text("To");
    lines = lines.text("Step").number(size);
    let end = |end: u32| match nodes.get(end as usize) {
        Some(node) => [node.label.clone(), step(node)],
        None => [NONE.to_string(), NONE.to_string()],
    };
    for link in order {
        let [from, first] = end(link.from);
        let [to, second] = end(link.to);
        lines = lines.row([from, first, to, second, amount(link.size)]);
    }
    vec![table, lines]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(n: usize) -> (Vec<GraphNode>, Vec<GraphEdge>) {
        let nodes = (0..n).map(|at| GraphNode::new(format!("node {at}"), at as f64));
        let edges = (1..n as u32).map(|at| GraphEdge::new(at - 1, at, f64::from(at)));
        (nodes.collect(), edges.collect())
    }

    #[test]
    fn the_largest_nodes_and_edges_between_them_are_drawn() {
        let (nodes, edges) = network(520);
        let shown = graph_shown(&nodes, &edges);
        assert_eq!((shown.nodes[0], shown.nodes.len()), (20, 500));
        assert_eq!((shown.edges[0], shown.edges.len()), ((20, [0, 1]), 499));
        let figure = Figure::new("T", Axis::new(""), Axis::new(""))
            .caption("A chain.")
            .graph(nodes, edges);
        let expected =
            "A chain. Drawn are 500 of 520 nodes, the largest. Drawn are 499 of 519 edges.";
        assert_eq!(caption(&figure), expected);
        let tables = tables(&figure);
        assert_eq!((tables[0].rows.len(), tables[1].rows.len()), (520, 519));
        assert_eq!(tables[1].rows[0].cells, ["node 518", "node 519", "519"]);
    }

    #[test]
    fn edges_and_links_that_lead_nowhere_are_not_drawn_but_listed() {
        let nodes = vec![GraphNode::new("a", f64::NAN), GraphNode::new("b", -3.0)];
        let edges = vec![
            GraphEdge::new(0, 7, 1.0),
            GraphEdge::new(0, 1, f64::NAN),
            GraphEdge::new(1, 0, -2.5).label("seldom"),
        ];
        let shown = graph_shown(&nodes, &edges);
        assert_eq!(shown.edges, [(2, [1, 0])]);
        let figure = Figure::new("T", Axis::new("n"), Axis::new("r").unit("%")).graph(nodes, edges);
        let found = tables(&figure);
        assert_eq!(found[0].rows[0].cells, ["a", "–"]);
        assert_eq!(found[1].columns[2].heading, "r (%)");
        assert_eq!(found[1].rows[0].cells, ["b", "a", "-2.50", "seldom"]);
        assert_eq!(found[1].rows[1].cells, ["a", "–", "1", ""]);

        let nodes = vec![
            FlowNode::new(0, "a", 5.0),
            FlowNode::new(1, "b", 4.0),
            FlowNode::new(9, "c", 1.0),
        ];
        let links = vec![
            FlowLink::new(0, 1, 4.0),
            FlowLink::new(1, 0, 4.0),
            FlowLink::new(0, 1, f64::NAN),
            FlowLink::new(0, 2, 1.0),
            FlowLink::new(0, 3, 1.0),
        ];
        let steps = ["1".to_string(), "2".to_string()];
        let shown = flow_shown(&steps, &nodes, &links);
        assert_eq!((shown.nodes, shown.links), (vec![0, 1], vec![(0, [0, 1])]));
        let figure = Figure::new("T", Axis::new(""), Axis::new("")).flow(steps, nodes, links);
        assert_eq!(
            caption(&figure),
            "Drawn are 2 of 3 nodes. Drawn are 1 of 5 links."
        );
        let found = tables(&figure);
        assert_eq!(found[0].rows[2].cells, ["–", "c", "1"]);
        assert_eq!(found[1].rows[0].cells, ["a", "1", "b", "2", "4"]);
        assert_eq!(found[1].rows[4].cells[4], "–");
    }

    #[test]
    fn amounts_read_as_people_write_them() {
        assert_eq!(amount(12_345.0), "12,345");
        assert_eq!(amount(-2.0), "-2");
        assert_eq!(amount(0.25), "0.250");
        assert_eq!(amount(f64::INFINITY), "–");
        assert_eq!(amount(1e300), "1.00e300");
    }
}
