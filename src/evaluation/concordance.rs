//! Does the score rank times to an event? Harrell's concordance.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::evaluation::check::{self, weight_of};
use crate::evaluation::estimate::Estimate;
use crate::numeric::rank::order;
use crate::numeric::stable::sum;

/// Harrell's concordance; made by [`concordance`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Concordance {
    /// Share of comparable pairs in which the earlier event has the higher score, ties counted one
    /// half; standard error by the infinitesimal jackknife, interval normal and cut to [0, 1].
    pub concordance: Estimate,
    /// Weight of the comparable pairs ranked right.
    pub concordant: f64,
    /// Weight of the comparable pairs ranked wrong.
    pub discordant: f64,
    /// Weight of the comparable pairs with equal scores.
    pub tied: f64,
}

/// Harrell's concordance of `score` (higher means earlier events) with censored `times`.
///
/// A pair is comparable when one row has an event before the other's time; at equal times an event
/// comes before a censoring, and two events are not comparable. Harrell et al., JAMA 247, 1982, doi
/// 10.1001/jama.1982.03320430047030; ties one half and variance by the infinitesimal jackknife as in
/// R's `survival::concordance`. It depends on the censoring when follow-up differs between cohorts.
/// O(n log n).
///
/// # Errors
/// Other lengths, negative times, non-finite scores, bad weights; undefined without a comparable
/// pair.
///
/// ```
/// use galen::evaluation::concordance;
/// # fn main() -> galen::Result<()> {
/// let found = concordance(&[2.0, 4.0, 3.0], &[true, true, false], &[0.9, 0.1, 0.9], None, 0.95)?;
/// // Row 0 beats row 1 and ties with row 2.
/// assert_eq!(found.concordance.value, 0.75);
/// # Ok(())
/// # }
/// ```
pub fn concordance(
    times: &[f64],
    events: &[bool],
    score: &[f64],
    weights: Option<&[f64]>,
    level: f64,
) -> Result<Concordance> {
    const WHAT: &str = "concordance";
    check::level(WHAT, level)?;
    check::rows(WHAT, 2, times.len())?;
    check::length(WHAT, times.len(), events.len())?;
    check::each(WHAT, times, "times of zero or more", |time| time >= 0.0)?;
    check::ranking(WHAT, events, score, weights)?;
    let pairs = pairs_of_rows(times, events, score, weights);
    // Each pair stands at both of its rows.
    let total = |part: usize| {
        0.5 * sum(pairs
            .iter()
            .enumerate()
            .map(|(row, pair)| weight_of(weights, row) * pair[part]))
    };
    let [concordant, discordant, tied] = [total(0), total(1), total(2)];
    let comparable = concordant + discordant + tied;
    if comparable <= 0.0 {
        return Err(check::undefined(WHAT, "no pair of rows is comparable"));
    }
    let value = (concordant + 0.5 * tied) / comparable;
    let variance = sum(pairs.iter().enumerate().map(|(row, [won, lost, even])| {
        let influence = won + 0.5 * even - value * (won + lost + even);
        (weight_of(weights, row) * influence / comparable).powi(2)
    }));
    let mut estimate = Estimate::wald(value, variance.sqrt(), level);
    estimate.lower = estimate.lower.max(0.0);
    estimate.upper = estimate.upper.min(1.0);
    Ok(Concordance {
        concordance: estimate,
        concordant,
        discordant,
        tied,
    })
}

/// By row: weight of the rows it is ranked right, wrong and equal with.
///
/// Two sweeps over time with a tree of weights by score: backwards, events meet the rows that last
/// longer; forwards, every row meets the events before it.
fn pairs_of_rows(
    times: &[f64],
    events: &[bool],
    score: &[f64],
    weights: Option<&[f64]>,
) -> Vec<[f64; 3]> {
    let place = dense_ranks(score);
    let n_places = place.iter().max().map_or(0, |last| last + 1);
    let by_time = order(times);
    let groups: Vec<&[usize]> = by_time.chunk_by(|a, b| times[*a] == times[*b]).collect();
    let mut pairs = vec![[0.0; 3]; times.len()];

    let mut later = Tree::new(n_places);
    for group in groups.iter().rev() {
        let of = |event: bool| group.iter().filter(move |row| events[**row] == event);
        of(false).for_each(|row| later.add(place[*row], weight_of(weights, *row)));
        for &row in of(true) {
            // The earlier event should score higher: rows below it are right.
            let (below, equal, above) = later.split(place[row]);
            pairs[row] = [below, above, equal];
        }
        of(true).for_each(|row| later.add(place[*row], weight_of(weights, *row)));
    }
    let mut earlier = Tree::new(n_places);
    for group in &groups {
        let of = |event: bool| group.iter().filter(move |row| events[**row] == event);
        let mut meet = |row: usize, earlier: &Tree| {
            let (below, equal, above) = earlier.split(place[row]);
            let pair = &mut pairs[row];
            pair[0] += above;
            pair[1] += below;
            pair[2] += equal;
        };
        of(true).for_each(|row| meet(*row, &earlier));
        of(true).for_each(|row| earlier.add(place[*row], weight_of(weights, *row)));
        of(false).for_each(|row| meet(*row, &earlier));
    }
    pairs
}

/// Ranks from 0 without gaps; equal values share one.
fn dense_ranks(values: &[f64]) -> Vec<usize> {
    let rows = order(values);
    let mut ranks = vec![0; values.len()];
    for (rank, tied) in rows.chunk_by(|a, b| values[*a] == values[*b]).enumerate() {
        tied.iter().for_each(|row| ranks[*row] = rank);
    }
    ranks
}

/// Binary indexed tree of weights (Fenwick, Softw. Pract. Exp. 24, 1994, doi
/// 10.1002/spe.4380240306).
struct Tree {
    sums: Vec<f64>,
    single: Vec<f64>,
    total: f64,
}

impl Tree {
    fn new(places: usize) -> Self {
        Self {
            sums: vec![0.0; places + 1],
            single: vec![0.0; places],
            total: 0.0,
        }
    }

    fn add(&mut self, place: usize, weight: f64) {
        self.single[place] += weight;
        self.total += weight;
        let mut node = place + 1;
        while node < self.sums.len() {
            self.sums[node] += weight;
            node += node & node.wrapping_neg();
        }
    }

    /// Weight below, at and above a place.
    fn split(&self, place: usize) -> (f64, f64, f64) {
        let mut below = 0.0;
        let mut node = place;
        while node > 0 {
            below += self.sums[node];
            node &= node - 1;
        }
        let equal = self.single[place];
        (below, equal, (self.total - below - equal).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::seed::stream;
    use rand::Rng;

    #[test]
    fn equal_to_the_definition_by_pairs() {
        let mut random = stream(3, 0);
        let n = 120;
        let times: Vec<f64> = (0..n).map(|_| f64::from(random.gen_range(0..25))).collect();
        let events: Vec<bool> = (0..n).map(|_| random.gen_bool(0.5)).collect();
        let score: Vec<f64> = (0..n).map(|_| f64::from(random.gen_range(0..12))).collect();
        let weights: Vec<f64> = (0..n)
            .map(|_| f64::from(random.gen_range(0_u32..3)))
            .collect();
        let mut expected = [0.0; 3];
        for i in 0..n {
            for j in 0..n {
                let first = times[i] < times[j] || (times[i] == times[j] && !events[j]);
                if events[i] && first {
                    let part = match score[i].total_cmp(&score[j]) {
                        std::cmp::Ordering::Greater => 0,
                        std::cmp::Ordering::Less => 1,
                        std::cmp::Ordering::Equal => 2,
                    };
                    expected[part] += weights[i] * weights[j];
                }
            }
        }
        let found = concordance(&times, &events, &score, Some(&weights), 0.95).unwrap();
        assert_eq!([found.concordant, found.discordant, found.tied], expected);
        // The jackknife's derivative by the weight of one row, by a difference quotient.
        let value = |shift: f64| {
            let mut moved = weights.clone();
            moved[7] += shift;
            let found = concordance(&times, &events, &score, Some(&moved), 0.95).unwrap();
            found.concordance.value
        };
        let slope = (value(1e-4) - value(-0.0)) / 1e-4;
        let pair = pairs_of_rows(&times, &events, &score, Some(&weights))[7];
        let comparable: f64 = expected.iter().sum();
        let c = found.concordance.value;
        let influence = (pair[0] + 0.5 * pair[2] - c * (pair[0] + pair[1] + pair[2])) / comparable;
        assert!((slope - influence).abs() < 1e-6);
    }

    #[test]
    fn without_comparable_pairs_there_is_no_value() {
        assert!(concordance(&[1.0, 2.0], &[false, false], &[0.1, 0.2], None, 0.95).is_err());
        assert!(concordance(&[1.0, 1.0], &[true, true], &[0.1, 0.2], None, 0.95).is_err());
        assert!(concordance(&[1.0, -1.0], &[true, true], &[0.1, 0.2], None, 0.95).is_err());
        let tie = concordance(&[1.0, 1.0], &[true, false], &[0.1, 0.2], None, 0.95).unwrap();
        assert_eq!((tie.concordance.value, tie.discordant), (0.0, 1.0));
    }
}
