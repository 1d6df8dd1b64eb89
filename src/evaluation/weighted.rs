//! What weights mean, written once.
//!
//! In every estimate a row counts by its weight: a weight of 2 is two equal rows. In every interval
//! a row is one observation, however large its weight, as survey weights and inverse-probability
//! weights ask for: variances are those of linearised estimates (Binder, Int. Stat. Rev. 51, 1983,
//! doi 10.2307/1402588) and do not change when all weights are multiplied by one number. Weights
//! that are all one are no weights, to the bit.

use std::borrow::Cow;

use crate::error::Result;
use crate::evaluation::check;
use crate::evaluation::estimate::Estimate;
use crate::numeric::special::{beta_quantile, beta_upper_quantile};
use crate::numeric::stable::{Sum, sum};

/// The weights, unless all are one.
pub(crate) fn unequal_to_one(weights: Option<&[f64]>) -> Option<&[f64]> {
    weights.filter(|weights| weights.iter().any(|weight| *weight != 1.0))
}

/// Rows that exist: those with a weight above zero.
pub(crate) struct Weighed<'a> {
    pub(crate) truth: Cow<'a, [bool]>,
    pub(crate) score: Cow<'a, [f64]>,
    weights: Option<Cow<'a, [f64]>>,
    /// Their numbers among the rows given; `None` where all exist.
    kept: Option<Vec<usize>>,
}

impl<'a> Weighed<'a> {
    /// The arrays are checked by the caller.
    pub(crate) fn of(truth: &'a [bool], score: &'a [f64], weights: Option<&'a [f64]>) -> Self {
        let weights = unequal_to_one(weights);
        let Some(given) = weights.filter(|weights| weights.contains(&0.0)) else {
            return Self {
                truth: Cow::Borrowed(truth),
                score: Cow::Borrowed(score),
                weights: weights.map(Cow::Borrowed),
                kept: None,
            };
        };
        let kept: Vec<usize> = (0..given.len()).filter(|row| given[*row] > 0.0).collect();
        let left: Vec<f64> = kept.iter().map(|row| given[*row]).collect();
        Self {
            truth: kept.iter().map(|row| truth[*row]).collect(),
            score: kept.iter().map(|row| score[*row]).collect(),
            weights: (left.iter().any(|weight| *weight != 1.0)).then_some(Cow::Owned(left)),
            kept: Some(kept),
        }
    }

    pub(crate) fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// The entries of another array that belong to these rows.
    pub(crate) fn select<T: Clone>(&self, values: &'a [T]) -> Cow<'a, [T]> {
        match &self.kept {
            None => Cow::Borrowed(values),
            Some(kept) => kept.iter().map(|row| values[*row].clone()).collect(),
        }
    }
}

/// Kish's effective number of rows: the square of the sum of weights over the sum of squares.
pub(crate) fn effective_rows(weights: &[f64]) -> f64 {
    // By the largest, so that no square overflows.
    let largest = weights.iter().copied().fold(0.0, f64::max);
    let total = sum(weights.iter().map(|weight| weight / largest));
    total * total / sum(weights.iter().map(|weight| (weight / largest).powi(2)))
}

/// Rows of one kind: how many, their weight, the sum of squared weights.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) rows: usize,
    weight: Sum,
    squares: Sum,
}

impl Tally {
    pub(crate) fn add(&mut self, weight: f64) {
        self.rows += 1;
        self.weight.add(weight);
        self.squares.add(weight * weight);
    }

    pub(crate) fn weight(self) -> f64 {
        self.weight.value()
    }

    pub(crate) fn squares(self) -> f64 {
        self.squares.value()
    }

    /// Both together.
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.rows += other.rows;
        self.weight.add(other.weight.value());
        self.squares.add(other.squares.value());
        self
    }
}

/// A share of weighted rows, with the number of unweighted ones that would know it as well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct WeightedShare {
    pub(crate) share: f64,
    /// p (1 - p) over the linearised variance (Korn and Graubard, Surv. Methodol. 24, 1998); Kish's
    /// number for shares of 0 and 1. Equal weights give the number of rows.
    pub(crate) effective: f64,
}

impl WeightedShare {
    /// `None` without weight.
    pub(crate) fn of(part: Tally, rest: Tally) -> Option<Self> {
        let total = part.weight() + rest.weight();
        if total <= 0.0 {
            return None;
        }
        let share = (part.weight() / total).min(1.0);
        let other = (rest.weight() / total).min(1.0);
        let squares = part.squares() * other * other + rest.squares() * share * share;
        let effective = if share > 0.0 && other > 0.0 {
            share * other * (total / squares) * total
        } else {
            total / (part.squares() + rest.squares()) * total
        };
        Some(Self { share, effective })
    }

    /// Exact interval of Clopper and Pearson at the effective number of rows.
    pub(crate) fn exact(self, level: f64) -> Estimate {
        let (tail, n) = (0.5 * (1.0 - level), self.effective);
        let (hits, misses) = (self.share * n, (1.0 - self.share) * n);
        Estimate {
            value: self.share,
            se: None,
            lower: if self.share == 0.0 {
                0.0
            } else {
                beta_quantile(hits, misses + 1.0, tail).min(self.share)
            },
            upper: if self.share == 1.0 {
                1.0
            } else {
                beta_upper_quantile(hits + 1.0, misses, tail).max(self.share)
            },
            level,
        }
    }

    /// Wilson's interval at the effective number of rows.
    pub(crate) fn wilson(self, level: f64) -> Result<Estimate> {
        let hits = (self.share * self.effective).min(self.effective);
        let found = crate::evaluation::estimate::wilson(hits, self.effective, level)?;
        Ok(Estimate {
            value: self.share,
            ..found
        })
    }
}

/// Variance of the weighted mean of `values` about `mean`: that of R's `survey::svymean`.
///
/// `total` is the sum of the weights. Two rows at least, which the caller has checked.
pub(crate) fn variance_of_mean(
    rows: impl Iterator<Item = (f64, f64)>,
    mean: f64,
    total: f64,
) -> f64 {
    let mut n = 0.0;
    let squares = sum(rows.map(|(value, weight)| {
        n += 1.0;
        (weight / total * (value - mean)).powi(2)
    }));
    squares * n / (n - 1.0)
}

/// Refuses classes that hold fewer than two rows with weight.
pub(crate) fn two_of_each(
    what: &'static str,
    truth: &[bool],
    weights: Option<&[f64]>,
) -> Result<(f64, f64)> {
    let (events, nonevents) = check::both_classes(what, truth, weights)?;
    let count = |class: bool| match weights {
        None if class => events,
        None => nonevents,
        Some(weights) => {
            let rows = truth.iter().zip(weights);
            rows.filter(|(event, weight)| **event == class && **weight > 0.0)
                .count() as f64
        }
    };
    if count(true) < 2.0 || count(false) < 2.0 {
        return Err(check::undefined(
            what,
            "the variance needs two events and two non-events",
        ));
    }
    Ok((events, nonevents))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::{clopper_pearson, wilson};

    fn tally(weights: &[f64]) -> Tally {
        let mut found = Tally::default();
        weights.iter().for_each(|weight| found.add(*weight));
        found
    }

    #[test]
    fn equal_weights_are_rows() {
        for (hits, misses) in [(3, 14), (0, 5), (6, 0), (1, 1)] {
            let share = WeightedShare::of(tally(&vec![7.5; hits]), tally(&vec![7.5; misses]));
            let share = share.unwrap();
            let n = hits + misses;
            assert!((share.effective - n as f64).abs() < 1e-12);
            let exact = clopper_pearson(hits as u64, n as u64, 0.9).unwrap();
            let found = share.exact(0.9);
            assert!((found.lower - exact.lower).abs() < 1e-12);
            assert!((found.upper - exact.upper).abs() < 1e-12);
            let score = wilson(hits as f64, n as f64, 0.9).unwrap();
            let found = share.wilson(0.9).unwrap();
            assert!((found.lower - score.lower).abs() < 1e-12);
            assert!((found.upper - score.upper).abs() < 1e-12);
        }
        assert_eq!(WeightedShare::of(Tally::default(), Tally::default()), None);
    }

    #[test]
    fn effective_numbers_worked_by_hand() {
        assert!((effective_rows(&[1.0, 1.0, 2.0]) - 16.0 / 6.0).abs() < 1e-15);
        assert!((effective_rows(&[1e200; 5]) - 5.0).abs() < 1e-12);
        // p = 3/4; v = (5 / 16 + 9 / 16) / 16 = 14 / 256 with weights 1 and 2 against 1.
        let share = WeightedShare::of(tally(&[1.0, 2.0]), tally(&[1.0])).unwrap();
        assert_eq!(share.share, 0.75);
        assert!((share.effective - (3.0 / 16.0) / (14.0 / 256.0)).abs() < 1e-14);
    }

    #[test]
    fn rows_without_weight_do_not_exist() {
        let (truth, score) = ([true, false, true], [0.1, 0.2, 0.3]);
        let found = Weighed::of(&truth, &score, Some(&[2.0, 0.0, 1.0]));
        assert_eq!((found.truth.len(), found.weights().unwrap().len()), (2, 2));
        assert_eq!(found.select(&['a', 'b', 'c']).to_vec(), ['a', 'c']);
        assert_eq!(Weighed::of(&truth, &score, Some(&[1.0; 3])).weights(), None);
        let ones = Weighed::of(&truth, &score, Some(&[1.0, 0.0, 1.0]));
        assert_eq!((ones.truth.len(), ones.weights()), (2, None));
    }
}
