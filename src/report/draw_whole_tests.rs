//! Networks and flows: what every drawing of them must keep.

use super::*;
use crate::estimator::figure::{FlowLink, FlowNode, GraphEdge, GraphNode};

/// Numbers in [0, 1) by a fixed recurrence.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() * n as f64) as usize
    }
}

/// A network with a node in three broken and an edge in ten leading nowhere.
fn network(n: usize, n_edges: usize, seed: u64) -> Figure {
    let mut draws = Draws(seed);
    let odd = [f64::NAN, f64::INFINITY, -5.0, 0.0, 1e300];
    let nodes = (0..n).map(|at| {
        let size = match at % 3 {
            0 => odd[draws.below(odd.len())],
            _ => 1.0 + (draws.next() * 900.0).round(),
        };
        let group = ["", "<b>", "heart", "kidney"][draws.below(4)];
        GraphNode::new(format!("Disease of organ {at}"), size).group(group)
    });
    let nodes: Vec<GraphNode> = nodes.collect();
    let edges = (0..n_edges).map(|at| {
        let to = if at % 10 == 9 { n + at } else { draws.below(n) };
        let weight = match at % 7 {
            6 => odd[draws.below(odd.len())],
            _ => draws.next() - 0.2,
        };
        let edge = GraphEdge::new(draws.below(n) as u32, to as u32, weight).label("1 y");
        if at % 2 == 0 { edge.directed() } else { edge }
    });
    let edges: Vec<GraphEdge> = edges.collect();
    Figure::new("Net", Axis::new("patients"), Axis::new("log odds")).graph(nodes, edges)
}

fn flow(n_steps: usize, per_step: usize, seed: u64) -> Figure {
    let mut draws = Draws(seed);
    let odd = [f64::NAN, f64::NEG_INFINITY, 0.0, 1e300];
    let mut nodes = Vec::new();
    for step in 0..n_steps {
        for at in 0..per_step {
            let size = if at % 5 == 4 {
                odd[draws.below(4)]
            } else {
                100.0 * draws.next()
            };
            nodes.push(FlowNode::new(step as u32, format!("Treatment {at}"), size));
        }
    }
    nodes.push(FlowNode::new(u32::MAX, "nowhere", 3.0));
    let links = (0..4 * nodes.len()).map(|at| {
        let [from, to] = [draws.below(nodes.len() + 2), draws.below(nodes.len())];
        let size = if at % 6 == 5 {
            odd[draws.below(4)]
        } else {
            20.0 * draws.next()
        };
        FlowLink::new(from as u32, to as u32, size)
    });
    let links: Vec<FlowLink> = links.collect();
    let steps: Vec<String> = (0..n_steps).map(|step| format!("Step {step}")).collect();
    Figure::new("Flow", Axis::new("patients"), Axis::new("")).flow(steps, nodes, links)
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next().map(str::to_string)
}

/// All places of an image with their tags, the whole tag checked to be sound.
fn places(image: &str) -> Vec<([f64; 2], String)> {
    let mut found = Vec::new();
    for tag in image
        .split('<')
        .skip(1)
        .map(|tag| tag.split('>').next().unwrap())
    {
        assert!(!tag.contains("NaN") && !tag.contains("inf"), "{tag}");
        let number = |name: &str| attribute(tag, name).map(|text| text.parse::<f64>().unwrap());
        if let Some((x, y)) = number("x").zip(number("y")) {
            found.push(([x, y], tag.to_string()));
            let far = number("width").zip(number("height"));
            if let Some((wide, high)) = far {
                assert!(wide >= 0.0 && high >= 0.0, "{tag}");
                found.push(([x + wide, y + high], tag.to_string()));
            }
        }
        if let (Some(x), Some(y), Some(r)) = (number("cx"), number("cy"), number("r")) {
            assert!(r > 0.0);
            found.push(([x - r, y - r], tag.to_string()));
            found.push(([x + r, y + r], tag.to_string()));
        }
        if let Some(path) = attribute(tag, "d") {
            let plain = path.replace(['M', 'L', 'Q', 'C', 'Z'], " ");
            let numbers: Vec<f64> = plain
                .split_whitespace()
                .map(|n| n.parse().unwrap())
                .collect();
            assert!(numbers.len().is_multiple_of(2));
            let pairs = numbers
                .chunks(2)
                .map(|pair| ([pair[0], pair[1]], tag.to_string()));
            found.extend(pairs);
        }
    }
    found
}

fn check(figure: &Figure) -> String {
    let image = svg(figure);
    assert_eq!(image, svg(figure));
    assert!(image.starts_with("<svg xmlns=") && image.trim_end().ends_with("</svg>"));
    assert_eq!(image.matches("<svg").count(), 1);
    let head = image.split('>').next().unwrap();
    let side = |name| attribute(head, name).unwrap().parse::<f64>().unwrap();
    let [wide, high] = [side("width"), side("height")];
    assert!(wide >= 300.0 && high > 0.0 && wide < 9_000.0 && high < 9_000.0);
    for ([x, y], tag) in places(&image) {
        let inside = x >= -0.1 && y >= -0.1 && x <= wide + 0.1 && y <= high + 0.1;
        assert!(inside, "{wide} x {high}: {x}, {y}: {tag}");
    }
    image
}

#[test]
fn marks_lie_within_the_image_whatever_the_data() {
    for (n, edges) in [
        (0, 0),
        (1, 0),
        (2, 1),
        (3, 9),
        (17, 30),
        (60, 400),
        (130, 200),
    ] {
        for seed in 0..3 {
            check(&network(n, if n == 0 { 0 } else { edges }, seed));
        }
    }
    for (steps, nodes) in [(0, 0), (1, 4), (2, 3), (3, 7), (6, 12), (30, 2), (3, 45)] {
        for seed in 0..3 {
            check(&flow(steps, nodes, seed));
        }
    }
}

#[test]
fn too_many_nodes_are_left_out_and_the_caption_says_so() {
    let nodes: Vec<GraphNode> = (0..620)
        .map(|at| GraphNode::new(format!("n{at}"), f64::from(at)))
        .collect();
    let image = check(&Figure::new("Net", Axis::new(""), Axis::new("")).graph(nodes, Vec::new()));
    // Two more circles stand in the legend.
    assert_eq!(image.matches("<circle").count(), 502);
    assert!(image.contains("n619: 619 size") && !image.contains("n119: 119 size"));
    assert_eq!(
        image
            .matches("Drawn are 500 of 620 nodes, the largest.")
            .count(),
        2
    );
}

#[test]
fn signs_directions_and_groups_can_be_told_apart() {
    let nodes = vec![
        GraphNode::new("Heart failure", 400.0).group("heart"),
        GraphNode::new("Kidney failure", 100.0).group("kidney"),
        GraphNode::new("Gout", 100.0),
    ];
    let edges = vec![
        GraphEdge::new(0, 1, 2.0).directed().label("after 2 years"),
        GraphEdge::new(1, 0, 1.0).directed(),
        GraphEdge::new(1, 2, -1.0),
    ];
    let image =
        check(&Figure::new("N", Axis::new("patients"), Axis::new("beta")).graph(nodes, edges));
    // Once at the edge and once in the legend.
    assert_eq!(image.matches("stroke-dasharray").count(), 2);
    for text in [
        ">heart<",
        ">kidney<",
        ">other<",
        ">below zero<",
        "Area of circles: patients, 100 to 400",
        "Width of lines: beta, -1 to 2",
        "<title>Heart failure to Kidney failure: beta 2 (after 2 years)</title>",
        "<title>Kidney failure and Gout: beta -1</title>",
        "<title>Gout: 100 patients</title>",
    ] {
        assert!(image.contains(text), "{text}");
    }
    // There and back are two curves.
    assert_eq!(
        image.matches(" fill=\"none\" stroke=\"#9ea7b2\"").count(),
        3
    );
    let radius = |name: &str| -> f64 {
        let (before, _) = image.split_once(&format!("<title>{name}:")).unwrap();
        let tag = before.rsplit('<').next().unwrap();
        attribute(tag, "r").unwrap().parse().unwrap()
    };
    let share = radius("Heart failure") / radius("Gout");
    assert!((share - 2.0).abs() < 0.05, "area goes by size: {share}");
}

#[test]
fn blocks_and_ribbons_go_by_size() {
    let nodes = vec![
        FlowNode::new(0, "metformin", 800.0),
        FlowNode::new(0, "none", 200.0),
        FlowNode::new(1, "insulin", 400.0),
        FlowNode::new(
            1,
            "a treatment with a name that is much longer than its column",
            600.0,
        ),
    ];
    let links = vec![
        FlowLink::new(0, 2, 400.0),
        FlowLink::new(0, 3, 400.0),
        FlowLink::new(1, 3, 200.0),
    ];
    let figure = Figure::new("F", Axis::new("patients"), Axis::new("")).flow(
        ["first", "next"],
        nodes,
        links,
    );
    let image = check(&figure);
    let height = |name: &str| -> f64 {
        let (before, _) = image.split_once(&format!("<title>{name}: ")).unwrap();
        let tag = before.rsplit('<').next().unwrap();
        attribute(tag, "height").unwrap().parse().unwrap()
    };
    assert!((height("metformin") / height("none") - 4.0).abs() < 0.05);
    assert!(image.contains("<title>metformin to insulin: 400 patients</title>"));
    assert!(image.contains("…") && image.contains(">first<") && image.contains(">next<"));
    assert_eq!(image.matches("fill-opacity").count(), 3);
}

#[test]
fn hostile_names_are_printed_and_not_obeyed() {
    let bad = "\"><script>alert(1)</script>\u{202e}\u{1b}";
    let nodes = vec![
        GraphNode::new(bad, 1.0).group(bad),
        GraphNode::new(bad, 2.0),
    ];
    let edges = vec![GraphEdge::new(0, 1, 1.0).label(bad)];
    let net = Figure::new(bad, Axis::new(bad), Axis::new(bad).unit(bad)).caption(bad);
    let steps = vec![FlowNode::new(0, bad, 1.0), FlowNode::new(1, bad, 1.0)];
    let flow = net
        .clone()
        .flow([bad, bad], steps, vec![FlowLink::new(0, 1, 1.0)]);
    for figure in [net.graph(nodes, edges), flow] {
        let image = check(&figure);
        assert!(image.contains("&lt;script&gt;"));
        assert!(
            !image.contains("<script") && !image.contains("\u{202e}") && !image.contains('\u{1b}')
        );
    }
}

#[test]
fn names_in_a_network_do_not_touch() {
    let figure = network(45, 90, 5);
    let image = check(&figure);
    // Lines of names with their boxes; lines of one name stand below each other.
    let mut boxes: Vec<[f64; 4]> = Vec::new();
    let circles = image.split("<circle").last().unwrap();
    for (tag, text) in circles.split("<text").skip(1).filter_map(|tag| {
        let (tag, rest) = tag.split_once('>')?;
        Some((tag, rest.split('<').next()?))
    }) {
        let number = |name: &str| -> f64 { attribute(tag, name).unwrap().parse().unwrap() };
        let (x, y, size) = (number("x"), number("y"), number("font-size"));
        let wide = 0.5 * size * text.chars().count() as f64;
        let left = match attribute(tag, "text-anchor").unwrap().as_str() {
            "start" => x,
            "end" => x - wide,
            _ => x - 0.5 * wide,
        };
        boxes.push([left, y - 0.7 * size, left + wide, y]);
    }
    assert!(boxes.len() > 45);
    for (at, a) in boxes.iter().enumerate() {
        for b in &boxes[..at] {
            let apart = a[0] >= b[2] || b[0] >= a[2] || a[1] >= b[3] || b[1] >= a[3];
            assert!(apart, "{a:?} {b:?}");
        }
    }
}
