//! Where the nodes and ribbons of a flow stand: columns by step, few crossings, even ribbons.
//!
//! A column starts with its largest node on top. Sweeps then order it by the mean places of what its
//! nodes are joined to (Sugiyama, Tagawa and Toda, IEEE Trans. Syst. Man Cybern. 11, 1981, doi
//! 10.1109/TSMC.1981.4308636); of all orders seen, the first with the fewest crossings stays. A ribbon
//! that passes a step takes room there like a node.

/// Sweeps over all columns for the order, and for the heights.
const SWEEPS: usize = 12;
const EVENINGS: usize = 16;

/// What a column holds: a node, or the place where a ribbon passes.
#[derive(Clone)]
pub(super) struct Piece {
    pub(super) column: usize,
    /// Position of the node; `None` for a ribbon that passes.
    pub(super) node: Option<usize>,
    value: f64,
    pub(super) top: f64,
    pub(super) height: f64,
    /// Room it takes, at least its height.
    slot: f64,
}

/// A ribbon between neighbouring columns; offsets are those from the tops of its pieces.
#[derive(Clone)]
struct Part {
    from: usize,
    to: usize,
    size: f64,
    link: usize,
    offsets: [f64; 2],
}

/// One link: the pieces it touches from left to right, and where its upper edge leaves and arrives.
pub(super) struct Ribbon {
    pub(super) width: f64,
    /// Column and upper edge on the right side of the first piece, then on both sides of those passed,
    /// then on the left side of the last one.
    pub(super) edge: Vec<(usize, f64)>,
}

pub(super) struct Placed {
    pub(super) pieces: Vec<Piece>,
    pub(super) ribbons: Vec<Ribbon>,
}

/// What is to be placed.
pub(super) struct Input<'a> {
    pub(super) n_columns: usize,
    /// Column and size of every node.
    pub(super) nodes: &'a [(usize, f64)],
    /// Nodes from the first in a column to the last, before crossings are looked at.
    pub(super) order: &'a [usize],
    /// Ends, from a lower to a higher column, and size of every link.
    pub(super) links: &'a [([usize; 2], f64)],
    /// Height of all columns, space between pieces, and room that the name of a node needs.
    pub(super) height: f64,
    pub(super) space: f64,
    pub(super) least: f64,
}

/// Cost: sweeps times steps times squared links.
pub(super) fn place(input: &Input<'_>) -> Placed {
    let (mut pieces, mut parts) = pieces(input);
    let mut columns: Vec<Vec<usize>> = vec![Vec::new(); input.n_columns];
    for at in input
        .order
        .iter()
        .copied()
        .chain(input.nodes.len()..pieces.len())
    {
        columns[pieces[at].column].push(at);
    }
    order(&mut columns, &pieces, &parts);
    let scale = heights(&mut pieces, &columns, input);
    even(&mut pieces, &columns, &parts, input);
    offsets(&pieces, &mut parts, scale);
    let ribbons = ribbons(&pieces, &parts, scale, input);
    Placed { pieces, ribbons }
}

fn pieces(input: &Input<'_>) -> (Vec<Piece>, Vec<Part>) {
    let mut flows = vec![[0.0_f64; 2]; input.nodes.len()];
    for ([from, to], size) in input.links {
        flows[*from][0] += size;
        flows[*to][1] += size;
    }
    let piece = |column: usize, node: Option<usize>, value: f64| Piece {
        column,
        node,
        value,
        top: 0.0,
        height: 0.0,
        slot: 0.0,
    };
    let nodes = input.nodes.iter().zip(&flows).enumerate();
    let mut pieces: Vec<Piece> = nodes
        .map(|(at, ((column, size), flows))| {
            piece(*column, Some(at), size.max(flows[0]).max(flows[1]))
        })
        .collect();
    let mut parts = Vec::new();
    for (link, ([from, to], size)) in input.links.iter().enumerate() {
        let mut before = *from;
        for column in pieces[*from].column + 1..=pieces[*to].column {
            let next = if column == pieces[*to].column {
                *to
            } else {
                pieces.push(piece(column, None, *size));
                pieces.len() - 1
            };
            parts.push(Part {
                from: before,
                to: next,
                size: *size,
                link,
                offsets: [0.0; 2],
            });
            before = next;
        }
    }
    (pieces, parts)
}

/// Position of every piece in its column.
fn ranks(columns: &[Vec<usize>], n: usize) -> Vec<usize> {
    let mut ranks = vec![0; n];
    for column in columns {
        for (rank, at) in column.iter().enumerate() {
            ranks[*at] = rank;
        }
    }
    ranks
}

fn order(columns: &mut Vec<Vec<usize>>, pieces: &[Piece], parts: &[Part]) {
    let n = pieces.len();
    let mut best = (crossings(columns, pieces, parts), columns.clone());
    for sweep in 0..SWEEPS {
        let forward = sweep % 2 == 0;
        for step in 1..columns.len() {
            let at = if forward {
                step
            } else {
                columns.len() - 1 - step
            };
            let ranks = ranks(columns, n);
            // Mean places, weighted by what flows.
            let mut means = vec![[0.0_f64; 2]; n];
            for part in parts {
                let (mine, other) = if forward {
                    (part.to, part.from)
                } else {
                    (part.from, part.to)
                };
                let beside = &columns[pieces[other].column];
                let place = (ranks[other] as f64 + 0.5) / beside.len() as f64;
                means[mine][0] += part.size * place;
                means[mine][1] += part.size;
            }
            let long = columns[at].len() as f64;
            let mean = |piece: usize| match means[piece] {
                [sum, all] if all > 0.0 => sum / all,
                _ => (ranks[piece] as f64 + 0.5) / long,
            };
            columns[at].sort_by(|a, b| mean(*a).total_cmp(&mean(*b)));
        }
        let crossed = crossings(columns, pieces, parts);
        if crossed < best.0 {
            best = (crossed, columns.clone());
        }
    }
    *columns = best.1;
}

/// How much crosses: products of the sizes of ribbons that do.
fn crossings(columns: &[Vec<usize>], pieces: &[Piece], parts: &[Part]) -> f64 {
    let ranks = ranks(columns, pieces.len());
    let mut by_column: Vec<Vec<&Part>> = vec![Vec::new(); columns.len()];
    for part in parts {
        by_column[pieces[part.from].column].push(part);
    }
    let mut crossed = 0.0;
    for parts in &by_column {
        for (at, a) in parts.iter().enumerate() {
            for b in &parts[..at] {
                let left = ranks[a.from].cmp(&ranks[b.from]);
                let right = ranks[a.to].cmp(&ranks[b.to]);
                if left.reverse() == right && left != std::cmp::Ordering::Equal {
                    crossed += (a.size * b.size).sqrt();
                }
            }
        }
    }
    crossed
}

/// The largest scale at which the fullest column fits, heights by it.
fn heights(pieces: &mut [Piece], columns: &[Vec<usize>], input: &Input<'_>) -> f64 {
    let room = |piece: &Piece, scale: f64| match piece.node {
        Some(_) => (scale * piece.value).max(input.least),
        None => scale * piece.value,
    };
    let fits = |scale: f64| {
        columns.iter().all(|column| {
            let taken: f64 = column.iter().map(|at| room(&pieces[*at], scale)).sum();
            taken + input.space * column.len().saturating_sub(1) as f64 <= input.height
        })
    };
    let fullest = columns
        .iter()
        .map(|column| column.iter().map(|at| pieces[*at].value).sum());
    let fullest: f64 = fullest.fold(0.0, f64::max);
    let mut low = 0.0;
    let mut high = if fullest > 0.0 {
        input.height / fullest
    } else {
        0.0
    };
    if high.is_finite() {
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if fits(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
    }
    for piece in pieces.iter_mut() {
        piece.height = low * piece.value;
        piece.slot = match piece.node {
            Some(_) => piece.height.max(input.least),
            None => piece.height,
        };
    }
    low
}

/// Moves pieces to the heights of what they are joined to, without changing their order.
fn even(pieces: &mut [Piece], columns: &[Vec<usize>], parts: &[Part], input: &Input<'_>) {
    // `top` is that of the slot until the end.
    for column in columns {
        let taken: f64 = column.iter().map(|at| pieces[*at].slot).sum();
        let free = input.height - taken - input.space * column.len().saturating_sub(1) as f64;
        let mut top = 0.5 * free.max(0.0);
        for at in column {
            pieces[*at].top = top;
            top += pieces[*at].slot + input.space;
        }
    }
    let middle = |piece: &Piece| piece.top + 0.5 * piece.slot;
    for round in 0..EVENINGS {
        let forward = round % 2 == 0;
        let pace = 0.9 - 0.6 * round as f64 / EVENINGS as f64;
        for step in 1..columns.len() {
            let at = if forward {
                step
            } else {
                columns.len() - 1 - step
            };
            let mut wanted = vec![[0.0_f64; 2]; pieces.len()];
            for part in parts {
                let (mine, other) = if forward {
                    (part.to, part.from)
                } else {
                    (part.from, part.to)
                };
                wanted[mine][0] += part.size * middle(&pieces[other]);
                wanted[mine][1] += part.size;
            }
            for piece in &columns[at] {
                if let [sum, all] = wanted[*piece]
                    && all > 0.0
                {
                    let way = sum / all - middle(&pieces[*piece]);
                    pieces[*piece].top += pace * way;
                }
            }
            settle(pieces, &columns[at], input);
        }
    }
    for piece in pieces.iter_mut() {
        piece.top += 0.5 * (piece.slot - piece.height);
    }
}

/// Pushes pieces of a column down from each other, then up from the lower end.
fn settle(pieces: &mut [Piece], column: &[usize], input: &Input<'_>) {
    let mut free = 0.0_f64;
    for at in column {
        pieces[*at].top = pieces[*at].top.max(free);
        free = pieces[*at].top + pieces[*at].slot + input.space;
    }
    let mut floor = input.height;
    for at in column.iter().rev() {
        pieces[*at].top = pieces[*at].top.min(floor - pieces[*at].slot).max(0.0);
        floor = pieces[*at].top - input.space;
    }
}

/// Where ribbons leave and arrive: from the top down in the order of their other ends.
fn offsets(pieces: &[Piece], parts: &mut [Part], scale: f64) {
    for end in 0..2 {
        let other = |part: &Part| if end == 0 { part.to } else { part.from };
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by(|a, b| {
            let (a, b) = (&parts[*a], &parts[*b]);
            pieces[other(a)]
                .top
                .total_cmp(&pieces[other(b)].top)
                .then(a.link.cmp(&b.link))
        });
        let mut used = vec![0.0_f64; pieces.len()];
        for at in order {
            let part = &mut parts[at];
            let mine = if end == 0 { part.from } else { part.to };
            part.offsets[end] = used[mine];
            used[mine] += scale * part.size;
        }
    }
}

fn ribbons(pieces: &[Piece], parts: &[Part], scale: f64, input: &Input<'_>) -> Vec<Ribbon> {
    let ribbon = |(_, size): &([usize; 2], f64)| Ribbon {
        width: scale * size,
        edge: Vec::new(),
    };
    let mut ribbons: Vec<Ribbon> = input.links.iter().map(ribbon).collect();
    for part in parts {
        let ribbon = &mut ribbons[part.link];
        for (end, piece) in [part.from, part.to].into_iter().enumerate() {
            let piece = &pieces[piece];
            ribbon
                .edge
                .push((piece.column, piece.top + part.offsets[end]));
        }
    }
    ribbons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input<'a>(
        nodes: &'a [(usize, f64)],
        order: &'a [usize],
        links: &'a [([usize; 2], f64)],
    ) -> Input<'a> {
        Input {
            n_columns: nodes
                .iter()
                .map(|(column, _)| column + 1)
                .max()
                .unwrap_or(0),
            nodes,
            order,
            links,
            height: 200.0,
            space: 10.0,
            least: 20.0,
        }
    }

    #[test]
    fn crossed_nodes_change_places() {
        let nodes = [(0, 6.0), (0, 4.0), (1, 6.0), (1, 4.0)];
        // The largest first in both columns, though what flows goes straight.
        let links = [([0, 3], 4.0), ([1, 2], 4.0)];
        let placed = place(&input(&nodes, &[0, 1, 2, 3], &links));
        let top = |at: usize| placed.pieces[at].top;
        assert_eq!(top(0) < top(1), top(3) < top(2));
        // 200 pixels, 10 of them space, for ten units.
        assert!((placed.pieces[0].height - 19.0 * 6.0).abs() < 1e-6);
    }

    #[test]
    fn ribbons_pass_steps_beside_their_nodes() {
        let nodes = [(0, 10.0), (1, 6.0), (2, 10.0)];
        let links = [([0, 1], 6.0), ([1, 2], 6.0), ([0, 2], 4.0)];
        let placed = place(&input(&nodes, &[0, 1, 2], &links));
        assert_eq!(placed.pieces.len(), 4);
        let (node, passing) = (&placed.pieces[1], &placed.pieces[3]);
        assert_eq!((passing.node, passing.column), (None, 1));
        let apart = node.top + node.height + 9.9 <= passing.top
            || passing.top + passing.height + 9.9 <= node.top;
        assert!(apart);
        let columns: Vec<usize> = placed.ribbons[2].edge.iter().map(|(c, _)| *c).collect();
        assert_eq!(columns, [0, 1, 1, 2]);
        // Both ribbons that leave the first node fill it.
        let widths = placed.ribbons[0].width + placed.ribbons[2].width;
        assert!((widths - placed.pieces[0].height).abs() < 1e-6);
    }

    #[test]
    fn pieces_lie_within_the_height_and_apart() {
        let nodes: Vec<(usize, f64)> = (0..24).map(|at| (at / 8, 1.0 + (at % 5) as f64)).collect();
        let links: Vec<([usize; 2], f64)> = (0..16)
            .flat_map(|from| {
                let next = (from / 8 + 1) * 8;
                [
                    ([from, next + (3 * from) % 8], 0.7),
                    ([from, next + (from + 5) % 8], 0.2),
                ]
            })
            .collect();
        let order: Vec<usize> = (0..24).collect();
        let placed = place(&Input {
            height: 400.0,
            ..input(&nodes, &order, &links)
        });
        for a in &placed.pieces {
            assert!(a.top >= -1e-9 && a.top + a.height <= 400.0 + 1e-9);
            for b in &placed.pieces {
                if a.column == b.column && a.node < b.node {
                    let apart = a.top + a.height < b.top + 1e-9 || b.top + b.height < a.top + 1e-9;
                    assert!(apart);
                }
            }
        }
    }

    #[test]
    fn nothing_and_zeros_have_places_too() {
        assert!(place(&input(&[], &[], &[])).pieces.is_empty());
        let placed = place(&input(&[(0, 0.0), (1, 0.0)], &[0, 1], &[]));
        assert!(
            placed
                .pieces
                .iter()
                .all(|p| p.height == 0.0 && p.top.is_finite())
        );
        let huge = place(&input(&[(0, 1e308), (0, 1e308)], &[0, 1], &[]));
        assert!(huge.pieces.iter().all(|p| p.top.is_finite()));
    }
}
