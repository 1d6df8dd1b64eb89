//! Names beside circles: where they cross least, and never on each other.

use crate::report::scale::clip;

/// A box: left, top, right, bottom.
pub(super) type Rect = [f64; 4];

/// A circle that names must not touch.
#[derive(Clone, Copy)]
pub(super) struct Disc {
    pub(super) at: [f64; 2],
    pub(super) radius: f64,
}

/// Rounds of choosing again while others stay.
const ROUNDS: usize = 8;
/// Cost of touching a circle or another name; of a line behind a name.
const TOUCH: f64 = 100.0;
const LINE: f64 = 1.0;
/// Pixels between a circle and its name.
const GAP: f64 = 2.0;
/// Directions and what they cost: below, above, right, left, then the corners.
const SIDES: [([f64; 2], f64); 8] = [
    ([0.0, 1.0], 0.0),
    ([0.0, -1.0], 0.4),
    ([1.0, 0.0], 0.5),
    ([-1.0, 0.0], 0.7),
    ([0.8, 0.8], 0.9),
    ([-0.8, 0.8], 1.0),
    ([0.8, -0.8], 1.1),
    ([-0.8, -0.8], 1.2),
];

/// A name that found room: its box, and to which side of the circle it stands (-1, 0 or 1).
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Place {
    pub(super) rect: Rect,
    pub(super) side: f64,
}

/// The place of every name, the first ones first; `None` where it found none. Boxes that come back
/// touch neither each other nor a circle nor what is taken, and lie within the frame. A name of no width
/// is none. Cost: names times the sum of names and lines.
pub(super) fn places(
    discs: &[Disc],
    names: &[[f64; 2]],
    order: &[usize],
    lines: &[[[f64; 2]; 2]],
    frame: Rect,
    taken: &[Rect],
) -> Vec<Option<Place>> {
    let options: Vec<Vec<(Place, f64)>> = names
        .iter()
        .enumerate()
        .map(|(at, size)| options(at, *size, discs, lines, frame))
        .collect();
    let mut chosen: Vec<Option<Place>> = vec![None; names.len()];
    for _ in 0..ROUNDS {
        let mut changed = false;
        for at in order {
            let best = best(*at, &options[*at], &chosen);
            changed |= best != chosen[*at];
            chosen[*at] = best;
        }
        if !changed {
            break;
        }
    }
    // Names that still touch something go, the last ones first to yield.
    let mut kept: Vec<Option<Place>> = vec![None; names.len()];
    for at in order {
        let held = kept.iter().flatten().map(|kept| &kept.rect);
        let held: Vec<&Rect> = held.chain(taken).collect();
        let free = |place: &Place| !held.iter().any(|held| touch(held, &place.rect));
        let mut left: Vec<&(Place, f64)> = options[*at]
            .iter()
            .filter(|(place, cost)| *cost < TOUCH && free(place))
            .collect();
        left.sort_by(|a, b| a.1.total_cmp(&b.1));
        let wanted = chosen[*at].filter(|wanted| left.iter().any(|(place, _)| place == wanted));
        kept[*at] = wanted.or(left.first().map(|(place, _)| *place));
    }
    kept
}

/// All places of a name within the frame, with what circles and lines make them cost.
fn options(
    at: usize,
    size: [f64; 2],
    discs: &[Disc],
    lines: &[[[f64; 2]; 2]],
    frame: Rect,
) -> Vec<(Place, f64)> {
    let Disc { at: middle, radius } = discs[at];
    let mut found = Vec::new();
    if size[0] <= 0.0 {
        return found;
    }
    for (side, cost) in SIDES {
        let corner = side[0] != 0.0 && side[1] != 0.0;
        let away = if corner { 0.9 * radius } else { radius + GAP };
        let centre = [0, 1].map(|axis| {
            let half = 0.5 * size[axis];
            middle[axis]
                + side[axis] * away
                + side[axis].signum() * half * f64::from(side[axis] != 0.0)
        });
        let rect = around(centre, size);
        let inside = rect[0] >= frame[0]
            && rect[1] >= frame[1]
            && rect[2] <= frame[2]
            && rect[3] <= frame[3];
        if !inside {
            continue;
        }
        let circles = discs.iter().enumerate();
        let touched = circles.filter(|(other, disc)| {
            let space = if *other == at { 0.0 } else { 1.5 };
            reaches(&rect, disc, space)
        });
        let crossed = lines.iter().filter(|line| crosses(&rect, line)).count();
        let cost = cost + TOUCH * touched.count() as f64 + LINE * (crossed as f64).min(20.0);
        let side = side[0].signum() * f64::from(side[0] != 0.0);
        found.push((Place { rect, side }, cost));
    }
    found
}

fn best(at: usize, options: &[(Place, f64)], chosen: &[Option<Place>]) -> Option<Place> {
    let mut best: Option<(Place, f64)> = None;
    for (place, cost) in options {
        let others = chosen.iter().enumerate().filter(|(other, _)| *other != at);
        let touched =
            others.filter(|(_, other)| other.is_some_and(|other| touch(&other.rect, &place.rect)));
        let cost = cost + TOUCH * touched.count() as f64;
        if best.is_none_or(|(_, least)| cost < least) {
            best = Some((*place, cost));
        }
    }
    best.map(|(place, _)| place)
}

/// A box around its middle.
pub(super) fn around(middle: [f64; 2], size: [f64; 2]) -> Rect {
    let [x, y] = [0.5 * size[0], 0.5 * size[1]];
    [middle[0] - x, middle[1] - y, middle[0] + x, middle[1] + y]
}

pub(super) fn touch(a: &Rect, b: &Rect) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

/// Whether a circle, so much wider, reaches into a box.
pub(super) fn reaches(rect: &Rect, disc: &Disc, space: f64) -> bool {
    let x = disc.at[0].clamp(rect[0], rect[2]) - disc.at[0];
    let y = disc.at[1].clamp(rect[1], rect[3]) - disc.at[1];
    let far = disc.radius + space;
    x * x + y * y < far * far
}

fn crosses(rect: &Rect, line: &[[f64; 2]; 2]) -> bool {
    clip(line[0], line[1], [rect[0], rect[2]], [rect[1], rect[3]]).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Rect = [0.0, 0.0, 200.0, 100.0];

    #[test]
    fn a_name_stands_below_unless_something_is_in_the_way() {
        let disc = |x: f64, y: f64| Disc {
            at: [x, y],
            radius: 5.0,
        };
        let alone = places(&[disc(50.0, 50.0)], &[[40.0, 12.0]], &[0], &[], FRAME, &[]);
        let place = alone[0].unwrap();
        assert_eq!((place.rect, place.side), ([30.0, 57.0, 70.0, 69.0], 0.0));
        // A circle below.
        let discs = [disc(50.0, 50.0), disc(50.0, 64.0)];
        let both = places(
            &discs,
            &[[40.0, 12.0], [0.0, 0.0]],
            &[0, 1],
            &[],
            FRAME,
            &[],
        );
        assert!(both[0].unwrap().rect[3] < 50.0 && both[1].is_none());
        // A line below, another above.
        let lines = [[[0.0, 63.0], [200.0, 63.0]], [[0.0, 37.0], [200.0, 37.0]]];
        let beside = places(
            &[disc(50.0, 50.0)],
            &[[40.0, 12.0]],
            &[0],
            &lines,
            FRAME,
            &[],
        );
        assert_eq!(beside[0].unwrap().side, 1.0);
        // The edge of the frame.
        let corner = places(&[disc(195.0, 95.0)], &[[40.0, 12.0]], &[0], &[], FRAME, &[]);
        assert_eq!(corner[0].unwrap().side, -1.0);
    }

    #[test]
    fn names_never_touch_and_the_first_ones_stay() {
        let disc = Disc {
            at: [100.0, 50.0],
            radius: 5.0,
        };
        let discs: Vec<Disc> = (0..40)
            .map(|at| Disc {
                at: [100.0 + f64::from(at % 8), 50.0 + f64::from(at / 8)],
                ..disc
            })
            .collect();
        let names = vec![[40.0, 12.0]; 40];
        let order: Vec<usize> = (0..40).rev().collect();
        let found = places(&discs, &names, &order, &[], FRAME, &[]);
        assert!(found[39].is_some() && found.iter().flatten().count() < 40);
        let kept: Vec<&Place> = found.iter().flatten().collect();
        for (at, one) in kept.iter().enumerate() {
            assert!(
                kept[..at]
                    .iter()
                    .all(|other| !touch(&one.rect, &other.rect))
            );
            assert!(discs.iter().all(|disc| !reaches(&one.rect, disc, 0.0)));
        }
    }
}
