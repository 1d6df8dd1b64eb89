//! The strength of pruning that serves patients not seen.
//!
//! Every fold is grown and pruned without its patients; they are then judged by each of its subtrees.
//! A step of the whole tree is judged at the geometric mean of its strength and the next one's
//! (Breiman et al. 1984, section 3.4.2). The loss is the Brier score summed over classes: it is what
//! the Gini impurity estimates, and it is finite where a leaf is sure and wrong.

use super::coded::Labelled;
use super::fit::plant;
use super::params::{DecisionTreeValidParams, PruningRule};
use super::prune::{Sequence, sequence};
use crate::error::{ErrorKind, Result};
use crate::estimator::Control;
use crate::estimator::resample::{Groups, KFold};
use crate::numeric::parallel::map_tasks;

/// Judges every step of `whole` over folds of patients and returns the position of the one to take.
///
/// # Errors
/// [`ErrorKind::TooFewRows`] for fewer than two patients; those of growing.
pub(super) fn choose(
    data: &Labelled,
    groups: &Groups,
    params: &DecisionTreeValidParams,
    (folds, rule): (usize, PruningRule),
    whole: &mut Sequence,
    control: &Control,
) -> Result<usize> {
    let folds = folds.min(groups.n_groups());
    if folds < 2 {
        return Err(ErrorKind::TooFewRows {
            what: "DecisionTree: patients to choose a pruning by",
            required: 2,
            found: groups.n_groups(),
        }
        .into());
    }
    let strengths = between(whole);
    let of_row = KFold::new(folds).seed(params.seed).deal_rows(groups);
    let judged = map_tasks(folds, |fold| {
        let rows = |test: bool| -> Vec<u32> {
            (0..of_row.len() as u32)
                .filter(|row| (of_row[*row as usize] == fold) == test)
                .collect()
        };
        judge(
            &data.select(&rows(false)),
            &data.select(&rows(true)),
            params,
            &strengths,
            control,
        )
    });
    let judged = judged.into_iter().collect::<Result<Vec<Judged>>>()?;
    control.step("folds", folds, Some(folds))?;
    let weight: f64 = judged.iter().map(|fold| fold.weight).sum();
    for (at, step) in whole.steps.iter_mut().enumerate() {
        let mean = judged.iter().map(|fold| fold.loss[at]).sum::<f64>() / weight;
        let spread: f64 = judged
            .iter()
            .map(|fold| fold.weight * (fold.loss[at] / fold.weight - mean).powi(2))
            .sum();
        step.validation = Some(mean);
        step.standard_error = Some((spread / weight / (folds - 1) as f64).sqrt());
    }
    Ok(pick(whole, rule))
}

/// The smallest tree with the lowest loss, or with a loss not above the lowest and its error.
fn pick(sequence: &Sequence, rule: PruningRule) -> usize {
    let loss = |at: usize| sequence.steps[at].validation.unwrap_or(f64::INFINITY);
    let mut best = 0;
    for at in 1..sequence.steps.len() {
        if loss(at) <= loss(best) {
            best = at;
        }
    }
    let limit = match rule {
        PruningRule::Minimum => return best,
        PruningRule::OneStandardError => {
            loss(best) + sequence.steps[best].standard_error.unwrap_or(0.0)
        }
    };
    (best..sequence.steps.len())
        .rev()
        .find(|at| loss(*at) <= limit)
        .unwrap_or(best)
}

/// The strength that stands for each step.
fn between(sequence: &Sequence) -> Vec<f64> {
    let strengths: Vec<f64> = sequence.steps.iter().map(|step| step.strength).collect();
    let mut list: Vec<f64> = strengths
        .windows(2)
        .map(|pair| (pair[0] * pair[1]).sqrt())
        .collect();
    list.push(f64::INFINITY);
    list
}

struct Judged {
    /// By strength, weighted sums over the rows left out.
    loss: Vec<f64>,
    weight: f64,
}

fn judge(
    train: &Labelled,
    test: &Labelled,
    params: &DecisionTreeValidParams,
    strengths: &[f64],
    control: &Control,
) -> Result<Judged> {
    let grown = plant(train, params, control)?;
    let pruned = sequence(&grown, params.impurity);
    // By node, the first strength at which it is a leaf or gone.
    let from: Vec<usize> = pruned
        .strength
        .iter()
        .map(|strength| strengths.partition_point(|other| other < strength))
        .collect();
    // Which trees a row of a node is judged by there depends on the node alone: weights are whole
    // numbers, added up before they meet a loss, hence in any order.
    let n_classes = train.n_classes;
    let mut weights = vec![0_u64; grown.nodes.len() * n_classes];
    let mut judged = Judged {
        loss: vec![0.0; strengths.len()],
        weight: 0.0,
    };
    for row in 0..test.n_rows() {
        let (class, weight) = (test.classes[row] as usize, u64::from(test.weights[row]));
        judged.weight += weight as f64;
        grown.way(&test.codes, row, |node| {
            weights[node * n_classes + class] += weight;
        });
    }
    let mut ends = vec![strengths.len(); grown.nodes.len()];
    for (at, node) in grown.nodes.iter().enumerate() {
        let start = from[at].min(ends[at]);
        if node.cut.is_some() {
            ends[node.left as usize] = start;
            ends[node.right as usize] = start;
        }
        let shares: Vec<f64> = (0..n_classes).map(|class| grown.share(at, class)).collect();
        let squares: f64 = shares.iter().map(|share| share * share).sum();
        let of_classes = weights[at * n_classes..].iter().zip(&shares);
        let loss: f64 = of_classes
            .map(|(weight, share)| *weight as f64 * (1.0 - 2.0 * share + squares))
            .sum();
        for sum in &mut judged.loss[start..ends[at]] {
            *sum += loss;
        }
    }
    Ok(judged)
}

#[cfg(test)]
mod tests {
    use super::super::prune::PruningStep;
    use super::*;

    fn steps(list: &[(f64, f64, f64)]) -> Sequence {
        let of = |(at, (strength, loss, error)): (usize, &(f64, f64, f64))| PruningStep {
            strength: *strength,
            leaves: 9 - at as u64,
            cost: 0.1,
            validation: Some(*loss),
            standard_error: Some(*error),
        };
        Sequence {
            steps: list.iter().enumerate().map(of).collect(),
            strength: Vec::new(),
        }
    }

    #[test]
    fn the_smallest_tree_that_serves_is_taken() {
        let s = steps(&[
            (0.0, 0.30, 0.02),
            (0.1, 0.20, 0.02),
            (0.2, 0.20, 0.02),
            (0.3, 0.22, 0.02),
            (0.4, 0.221, 0.02),
        ]);
        assert_eq!(pick(&s, PruningRule::Minimum), 2);
        assert_eq!(pick(&s, PruningRule::OneStandardError), 3);
        let means = between(&s);
        assert_eq!((means[0], means[4]), (0.0, f64::INFINITY));
        assert!((means[2] - 0.06_f64.sqrt()).abs() < 1e-15);
    }
}
