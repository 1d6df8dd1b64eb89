//! More terms than a working set holds: the path ends, at the solution of a set that holds all.

use super::*;
use crate::design::block::Block;
use crate::design::encode::Term;
use crate::kernel::linear::pass::{Outcome, Scratch, add_block};
use crate::kernel::loss::Loss;
use crate::numeric::seed;

const ROWS: usize = 500;
const TERMS: usize = ALL_TERMS + 44;

struct Data {
    block: Block,
    terms: Vec<Term>,
    target: Vec<f64>,
}

fn data() -> Data {
    let mut stream = seed::stream(7, 0);
    let mut eta = [0.0; ROWS];
    let mut dense = Vec::with_capacity(ROWS * TERMS);
    for term in 0..TERMS {
        let weight = 0.4 / (1.0 + term as f64 / 10.0);
        for slot in &mut eta {
            let value = (seed::uniform(&mut stream) - 0.5) * 12_f64.sqrt();
            *slot += weight * value;
            dense.push(value);
        }
    }
    let target = eta
        .iter()
        .map(|eta| f64::from(seed::uniform(&mut stream) < 1.0 / (1.0 + (-eta).exp())))
        .collect();
    Data {
        block: Block {
            n_rows: ROWS,
            dense_terms: (0..TERMS as u32).collect(),
            dense,
            starts: vec![0],
            ..Block::default()
        },
        terms: (0..TERMS)
            .map(|_| Term {
                name: String::new(),
                mean: 0.0,
                center: 0.0,
                scale: 1.0,
                constant: false,
            })
            .collect(),
        target,
    }
}

/// Walks to the end; the solution and the largest working set that was asked for.
fn walk(data: &Data, l1_ratio: f64, strength: f64, max_set: usize) -> (Solution, usize) {
    let problem = Problem {
        weight: ROWS as f64,
        l1: vec![l1_ratio; TERMS],
        l2: vec![1.0 - l1_ratio; TERMS],
        excluded: (0..TERMS).map(|term| term == 3).collect(),
        intercept: true,
        strengths: Strengths::Given(vec![strength]),
        tolerance: 1e-7,
        max_iterations: 100,
    };
    let (mut path, first) = Path::start_with(problem, 0.1, max_set);
    let (mut request, mut largest) = (Some(first), 0);
    let weights = vec![1.0; ROWS];
    for _ in 0..3_000 {
        let Some(asked) = request else {
            return (path.solutions()[0].clone(), largest);
        };
        largest = largest.max(asked.gram.as_ref().map_or(0, Vec::len));
        let outcome = Outcome {
            target: &data.target,
            weights: &weights,
            offset: None,
        };
        let mut sums = Sums::default();
        let scratch = &mut Scratch::default();
        add_block(
            Loss::Logistic,
            &data.terms,
            &data.block,
            outcome,
            &asked,
            scratch,
            &mut sums,
        );
        request = path.advance(&sums);
    }
    panic!("the path does not end");
}

fn assert_same(a: &Solution, b: &Solution) {
    assert!(a.converged && b.converged, "{} {}", a.gap, b.gap);
    assert!((a.point.intercept - b.point.intercept).abs() < 1e-5);
    for (a, b) in a.point.coefficients.iter().zip(&b.point.coefficients) {
        assert!((a - b).abs() < 1e-5);
    }
}

#[test]
fn active_terms_beyond_the_set_are_worked_on_in_turn() {
    let data = data();
    let (whole, _) = walk(&data, 0.5, 0.05, MAX_SET);
    let active = |solution: &Solution| {
        let coefficients = &solution.point.coefficients;
        coefficients.iter().filter(|b| **b != 0.0).count()
    };
    assert!(active(&whole) > 60);
    let (turns, largest) = walk(&data, 0.5, 0.05, 40);
    assert_eq!(largest, 40);
    assert_same(&whole, &turns);
}

#[test]
fn a_ridge_beyond_the_set_needs_no_gram_matrix() {
    let data = data();
    let (whole, all) = walk(&data, 0.0, 0.05, MAX_SET);
    assert_eq!(all, TERMS - 1);
    let (slopes, largest) = walk(&data, 0.0, 0.05, 40);
    assert_eq!(largest, 0);
    assert_same(&whole, &slopes);
    assert_eq!(slopes.point.coefficients[3], 0.0, "an excluded term moved");
}
