use super::*;

fn curve() -> Figure {
    Figure::new(
        "Curve",
        Axis::new("Risk"),
        Axis::new("Rate").unit("%").range(0.0, 1.0),
    )
    .line("model", vec![0.0, 0.5, 1.0], vec![0.0, 0.9, 1.0])
    .segment("chance", [0.0, 0.0], [1.0, 1.0])
}

#[test]
fn the_same_figure_gives_the_same_bytes() {
    let image = svg(&curve());
    assert_eq!(image, svg(&curve()));
    assert!(image.starts_with("<svg xmlns=") && image.trim_end().ends_with("</svg>"));
    for text in [
        "Risk",
        "Rate (%)",
        "model",
        "chance",
        "aria-label=\"Curve.\"",
    ] {
        assert!(image.contains(text), "{text}");
    }
    assert_eq!(image.matches("<svg").count(), 1);
}

#[test]
fn hostile_names_are_text() {
    let mut figure = curve();
    figure.title = "\"><script>".into();
    figure.series[0].name = "<b>".into();
    let image = svg(&figure);
    assert!(!image.contains("<script") && !image.contains("<b>") && image.contains("&lt;b&gt;"));
}

#[test]
fn nothing_is_drawn_outside_the_panel() {
    let figure = Figure::new(
        "T",
        Axis::new("x").range(0.0, 1.0),
        Axis::new("y").range(0.0, 1.0),
    )
    .line("far", vec![0.0, 1.0], vec![0.5, -900.0]);
    let image = svg(&figure);
    let height = (12.0 + LEGEND_LINE + PANEL[1] + BOTTOM) * UNIT;
    for points in image.split("points=\"").skip(1) {
        let points = points.split('"').next().unwrap();
        for pair in points.split_whitespace() {
            let y: f64 = pair.split(',').nth(1).unwrap().parse().unwrap();
            assert!((0.0..=height).contains(&y));
        }
    }
}

#[test]
fn broken_numbers_leave_gaps() {
    let odd = vec![f64::NAN, 0.1, f64::INFINITY, 0.3, -1e300];
    for shape in [
        Shape::Line {
            x: odd.clone(),
            y: odd.clone(),
        },
        Shape::Steps {
            x: odd.clone(),
            y: odd.clone(),
        },
        Shape::Points {
            x: odd.clone(),
            y: odd.clone(),
            lower: odd.clone(),
            upper: Vec::new(),
        },
        Shape::Bars {
            value: odd.clone(),
            lower: Vec::new(),
            upper: Vec::new(),
        },
        Shape::Band {
            x: odd.clone(),
            lower: odd.clone(),
            upper: odd.clone(),
        },
        Shape::Histogram {
            edges: odd.clone(),
            counts: odd.clone(),
        },
    ] {
        for axis in [Axis::new("y"), Axis::new("y").logarithmic()] {
            for names in [vec![], vec!["a", "b", "c", "d", "e"]] {
                let figure = Figure::new("T", Axis::new("x").categories(names), axis.clone())
                    .with("odd", shape.clone())
                    .horizontal("none", f64::NAN)
                    .vertical("far", 1e308);
                assert!(!svg(&figure).contains("NaN"));
            }
        }
    }
    assert!(svg(&Figure::new("", Axis::new(""), Axis::new(""))).contains("</svg>"));
}

#[test]
fn categories_run_down_the_page() {
    let figure = Figure::new(
        "T",
        Axis::new("").categories(["one", "two"]),
        Axis::new("Odds ratio"),
    )
    .with(
        "",
        Shape::Points {
            x: vec![0.0, 1.0],
            y: vec![1.5, 0.7],
            lower: vec![1.1, 0.5],
            upper: vec![2.0, 0.9],
        },
    )
    .horizontal("no effect", 1.0);
    let image = svg(&figure);
    assert_eq!(image.matches("<circle").count(), 2);
    assert!(image.find("one").unwrap() < image.find("two").unwrap());
}

#[test]
fn names_in_capitals_have_room() {
    let wide = |name: &str| {
        let figure = Figure::new("", Axis::new("").categories([name]), Axis::new(""));
        let image = svg(&figure.bars("", vec![1.0]));
        let number = image.split("width=\"").nth(1).unwrap();
        let number = number.split('"').next().unwrap();
        number.parse::<f64>().unwrap()
    };
    let (small, large) = (wide("emotional distress"), wide("EMOTIONAL DISTRESS"));
    assert!(
        (large - small - 18.0 * 13.0 * 0.14).abs() <= 1.0,
        "{small} {large}"
    );
    assert_eq!(wide("Emotional distress"), small);
}
