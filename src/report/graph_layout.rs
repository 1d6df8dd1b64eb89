//! Where the nodes of a network stand: attraction along edges, repulsion between all nodes.
//!
//! Forces are those of Fruchterman and Reingold (Softw. Pract. Exp. 21, 1991, doi
//! 10.1002/spe.4380211102), computed one after the other in the order of the data, from a circle, for a
//! fixed number of rounds: the same network has the same places each time. A weak pull to the middle
//! holds parts together that no edge joins.

/// Rounds of forces, and of pushing apart what overlaps.
const ROUNDS: usize = 300;
const PUSHES: usize = 160;
/// Pull to the middle, as a share of the attraction along an edge.
const PULL: f64 = 1.1;
/// An axis may be stretched so much more than the other to fill the frame.
const STRETCH: f64 = 1.5;
/// Pixels between what must not touch.
const SPACE: f64 = 3.0;

/// A node: a circle with a name below.
#[derive(Clone, Copy)]
pub(super) struct Body {
    pub(super) radius: f64,
    /// Width and height of the name.
    pub(super) name: [f64; 2],
}

/// An edge: its ends, and how strongly it draws, in (0, 1].
pub(super) type Bond = ([usize; 2], f64);

/// Places within a frame of this size, the corner at 0, 0. Cost: rounds times squared nodes.
pub(super) fn places(bodies: &[Body], bonds: &[Bond], frame: [f64; 2]) -> Vec<[f64; 2]> {
    let mut at = circle(&round_trip(bodies.len(), bonds), frame);
    forces(&mut at, bonds, frame);
    fit(&mut at, bodies, frame);
    push_apart(&mut at, bodies, frame);
    at
}

/// Nodes in the order of a walk along edges, part by part, the largest part first; so neighbours stand
/// near each other on the circle from the start.
fn round_trip(n: usize, bonds: &[Bond]) -> Vec<usize> {
    let mut beside: Vec<Vec<usize>> = vec![Vec::new(); n];
    for ([a, b], _) in bonds {
        if a != b {
            beside[*a].push(*b);
            beside[*b].push(*a);
        }
    }
    for list in &mut beside {
        list.sort_unstable();
        list.dedup();
    }
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut seen = vec![false; n];
    for start in 0..n {
        let mut part = Vec::new();
        let mut stack = vec![start];
        while let Some(node) = stack.pop() {
            if std::mem::replace(&mut seen[node], true) {
                continue;
            }
            part.push(node);
            stack.extend(beside[node].iter().rev());
        }
        parts.push(part);
    }
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts.concat()
}

fn circle(order: &[usize], frame: [f64; 2]) -> Vec<[f64; 2]> {
    let mut at = vec![[0.0; 2]; order.len()];
    let turn = std::f64::consts::TAU / order.len().max(1) as f64;
    for (place, node) in order.iter().enumerate() {
        let angle = turn * place as f64;
        at[*node] = [
            0.4 * frame[0] * libm::cos(angle),
            0.4 * frame[1] * libm::sin(angle),
        ];
    }
    at
}

fn forces(at: &mut [[f64; 2]], bonds: &[Bond], frame: [f64; 2]) {
    let n = at.len();
    // The distance at which both forces of a pair are equal.
    let ideal = (frame[0] * frame[1] / n.max(1) as f64).sqrt();
    let wide = frame[0] / frame[1];
    let pull = [PULL / wide, PULL * wide];
    let mut moves = vec![[0.0; 2]; n];
    for round in 0..ROUNDS {
        moves.fill([0.0; 2]);
        for a in 0..n {
            for b in a + 1..n {
                let (way, far) = between(at[a], at[b], a, b);
                let force = ideal * ideal / (far * far);
                for axis in 0..2 {
                    moves[a][axis] += way[axis] * force;
                    moves[b][axis] -= way[axis] * force;
                }
            }
        }
        for ([a, b], strength) in bonds {
            if a != b {
                let (way, far) = between(at[*a], at[*b], *a, *b);
                let force = strength * far / ideal;
                for axis in 0..2 {
                    moves[*a][axis] -= way[axis] * force;
                    moves[*b][axis] += way[axis] * force;
                }
            }
        }
        let left = 1.0 - round as f64 / ROUNDS as f64;
        let most = 0.12 * frame[0].max(frame[1]) * left * left + 0.2;
        for (place, step) in at.iter_mut().zip(&moves) {
            let step = [0, 1].map(|axis| step[axis] - pull[axis] * place[axis]);
            let far = (step[0] * step[0] + step[1] * step[1]).sqrt();
            if far > 0.0 {
                let share = far.min(most) / far;
                *place = [place[0] + step[0] * share, place[1] + step[1] * share];
            }
        }
    }
}

/// The way from `b` to `a` and its length; nodes at one place are told apart by their numbers.
fn between(a: [f64; 2], b: [f64; 2], first: usize, second: usize) -> ([f64; 2], f64) {
    let way = [a[0] - b[0], a[1] - b[1]];
    let far = (way[0] * way[0] + way[1] * way[1]).sqrt();
    if far > 1e-3 {
        return (way, far);
    }
    let angle = (31 * first + 17 * second) as f64;
    let way = [1e-3 * libm::cos(angle), 1e-3 * libm::sin(angle)];
    (way, 1e-3)
}

/// How far a node and its name reach to the left and right, above, and below.
fn reach(body: &Body) -> [f64; 3] {
    let aside = body.radius.max(0.5 * body.name[0]) + SPACE;
    let below = body.radius + body.name[1] + SPACE;
    [aside, body.radius + SPACE, below]
}

/// Where the middle of a node may stand.
fn room(body: &Body, frame: [f64; 2]) -> [[f64; 2]; 2] {
    let [aside, above, below] = reach(body);
    let middle = frame.map(|side| 0.5 * side);
    [
        [aside.min(middle[0]), (frame[0] - aside).max(middle[0])],
        [above.min(middle[1]), (frame[1] - below).max(middle[1])],
    ]
}

/// Stretches and moves all places so that they fill the frame.
fn fit(at: &mut [[f64; 2]], bodies: &[Body], frame: [f64; 2]) {
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for place in at.iter() {
        for axis in 0..2 {
            low[axis] = low[axis].min(place[axis]);
            high[axis] = high[axis].max(place[axis]);
        }
    }
    let mut most = [[0.0_f64, frame[0]], [0.0, frame[1]]];
    for body in bodies {
        let room = room(body, frame);
        for axis in 0..2 {
            most[axis] = [
                most[axis][0].max(room[axis][0]),
                most[axis][1].min(room[axis][1]),
            ];
        }
    }
    let scale = [0, 1].map(|axis| {
        let (given, taken) = (most[axis][1] - most[axis][0], high[axis] - low[axis]);
        if taken > 1e-6 {
            given / taken
        } else {
            f64::INFINITY
        }
    });
    let least = scale[0].min(scale[1]);
    let least = if least.is_finite() { least } else { 1.0 };
    for (place, body) in at.iter_mut().zip(bodies) {
        let room = room(body, frame);
        for axis in 0..2 {
            let from = place[axis] - 0.5 * (low[axis] + high[axis]);
            let to = 0.5 * (most[axis][0] + most[axis][1]);
            let moved = to + from * scale[axis].min(STRETCH * least);
            place[axis] = moved.clamp(room[axis][0], room[axis][1]);
        }
    }
}

/// Moves nodes apart that overlap with their names, each half of the shorter way out.
fn push_apart(at: &mut [[f64; 2]], bodies: &[Body], frame: [f64; 2]) {
    let n = at.len();
    let reaches: Vec<[f64; 3]> = bodies.iter().map(reach).collect();
    for _ in 0..PUSHES {
        let mut moved = false;
        for a in 0..n {
            for b in a + 1..n {
                let (one, other) = (reaches[a], reaches[b]);
                let across = one[0] + other[0] - (at[a][0] - at[b][0]).abs();
                let a_above = at[a][1] <= at[b][1];
                let (upper, lower) = if a_above { (a, b) } else { (b, a) };
                let down = reaches[upper][2] + reaches[lower][1] - (at[lower][1] - at[upper][1]);
                if across <= 0.0 || down <= 0.0 {
                    continue;
                }
                moved = true;
                let axis = usize::from(down < across);
                let (way, amount) = if axis == 0 {
                    let left = at[a][0] < at[b][0] || (at[a][0] == at[b][0] && a < b);
                    (if left { -1.0 } else { 1.0 }, across)
                } else {
                    (if a_above { -1.0 } else { 1.0 }, down)
                };
                at[a][axis] += 0.3 * way * amount;
                at[b][axis] -= 0.3 * way * amount;
                for node in [a, b] {
                    let [low, high] = room(&bodies[node], frame)[axis];
                    at[node][axis] = at[node][axis].clamp(low, high);
                }
            }
        }
        if !moved {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: Body = Body {
        radius: 8.0,
        name: [50.0, 14.0],
    };
    const FRAME: [f64; 2] = [600.0, 400.0];

    fn far(a: [f64; 2], b: [f64; 2]) -> f64 {
        ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)).sqrt()
    }

    #[test]
    fn joined_nodes_stand_nearer_than_others_and_all_inside() {
        // Two triangles without an edge between them.
        let bonds = [[0, 1], [1, 2], [2, 0], [3, 4], [4, 5], [5, 3]].map(|ends| (ends, 1.0));
        let at = places(&[BODY; 6], &bonds, FRAME);
        let joined = far(at[0], at[1])
            .max(far(at[1], at[2]))
            .max(far(at[2], at[0]));
        for a in 0..3 {
            for b in 3..6 {
                assert!(far(at[a], at[b]) > 0.9 * joined, "{a} {b}");
            }
        }
        for place in &at {
            assert!(place[0] >= 28.0 && place[0] <= 572.0);
            assert!(place[1] >= 11.0 && place[1] <= 375.0);
        }
    }

    #[test]
    fn the_same_bits_each_time() {
        let bonds: Vec<Bond> = (1..40).map(|at| ([at / 3, at], 0.5)).collect();
        let bits = || -> Vec<u64> {
            let at = places(&[BODY; 40], &bonds, FRAME);
            at.iter().flatten().map(|value| value.to_bits()).collect()
        };
        assert_eq!(bits(), bits());
    }

    #[test]
    fn nodes_and_their_names_do_not_overlap_where_there_is_room() {
        // A crowd in the middle, some at one place.
        let mut at: Vec<[f64; 2]> = (0..12)
            .map(|node| [300.0 + f64::from(node / 3), 200.0 + f64::from(node % 2)])
            .collect();
        push_apart(&mut at, &[BODY; 12], FRAME);
        for a in 0..12 {
            for b in 0..a {
                let across = (at[a][0] - at[b][0]).abs();
                let down = (at[a][1] - at[b][1]).abs();
                assert!(across > 49.0 || down > 29.0, "{a} {b}: {across} {down}");
            }
        }
    }

    #[test]
    fn few_nodes_and_nodes_at_one_place() {
        assert!(places(&[], &[], FRAME).is_empty());
        let one = places(&[BODY], &[([0, 0], 1.0)], FRAME);
        assert!((one[0][0] - 300.0).abs() < 1.0);
        let two = places(&[BODY; 2], &[([0, 1], 1.0)], FRAME);
        assert!(far(two[0], two[1]) > 20.0);
        let (way, far) = between([1.0, 1.0], [1.0, 1.0], 0, 1);
        assert!(far > 0.0 && way[0].is_finite());
        // A name wider than the frame stays in the middle.
        let wide = Body {
            radius: 900.0,
            name: [5_000.0, 900.0],
        };
        assert!(
            places(&[wide; 3], &[], FRAME)
                .iter()
                .flatten()
                .all(|v| v.is_finite())
        );
    }
}
