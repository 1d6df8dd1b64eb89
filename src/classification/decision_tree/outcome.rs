//! Classes and whole-number weights of the rows that a tree sees.

use super::params::{DecisionTreeValidParams, NAME};
use crate::classification::trees::classes::{self, event_among};
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::ClassLabel;
use crate::numeric::stable::sum;

/// Weights up to this are held as whole numbers; 2^32 rows of them still fit 64 bits.
const FINEST: f64 = (1_u64 << 30) as f64;

/// Sums of every class are held for every bin; more classes are no reading matter.
const MOST_CLASSES: usize = 1_000;

/// Bits of the exponent of a number.
const EXPONENT: u64 = 0x7ff0_0000_0000_0000;

pub(super) fn target_kind(expected: &str, found: &str) -> Error {
    classes::target_kind(NAME, expected, found)
}

/// Classes of rows with a weight above zero.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome<L> {
    /// In sorted order.
    pub(super) classes: Vec<L>,
    /// Position of the class that is the event, where one is named.
    pub(super) event: Option<usize>,
    /// Rows with a weight above zero.
    pub(super) used: Vec<u32>,
    /// Position of the class of every used row.
    pub(super) codes: Vec<u32>,
    /// Weight of every used row, class weights included.
    pub(super) weights: Vec<f64>,
}

impl<L: ClassLabel> Outcome<L> {
    /// Reads the classes of a target, of which `known` lists all labels in sorted order.
    pub(super) fn new(
        params: &DecisionTreeValidParams,
        known: Vec<L>,
        codes: &[u32],
        weights: Option<&[f64]>,
    ) -> Result<Self> {
        let weight = |row: u32| weights.map_or(1.0, |weights| weights[row as usize]);
        let used: Vec<u32> = (0..codes.len() as u32)
            .filter(|row| weight(*row) > 0.0)
            .collect();
        let mut seen = vec![false; known.len()];
        for row in &used {
            seen[codes[*row as usize] as usize] = true;
        }
        let mut position = vec![0; known.len()];
        let mut classes = Vec::new();
        for (at, label) in known.into_iter().enumerate() {
            if seen[at] {
                position[at] = classes.len() as u32;
                classes.push(label);
            }
        }
        if classes.len() < 2 {
            return Err(ErrorKind::SingleClass { what: NAME }.into());
        }
        if classes.len() > MOST_CLASSES {
            return Err(target_kind(
                "at most 1000 classes",
                &format!("{} classes", classes.len()),
            ));
        }
        let event = event_among(NAME, params.event.as_deref(), params.weighting(), &classes)?;
        let codes: Vec<u32> = used
            .iter()
            .map(|row| position[codes[*row as usize] as usize])
            .collect();
        let mut weights: Vec<f64> = used.iter().map(|row| weight(*row)).collect();
        let totals: Vec<f64> = (0..classes.len() as u32)
            .map(|class| {
                let of = codes.iter().zip(&weights);
                sum(of.filter(|(code, _)| **code == class).map(|(_, w)| *w))
            })
            .collect();
        let names: Vec<String> = classes.iter().map(ClassLabel::text).collect();
        let factors = params
            .weighting()
            .factors(&names, event.unwrap_or(1), &totals)?;
        for (weight, class) in weights.iter_mut().zip(&codes) {
            *weight *= factors[*class as usize];
        }
        Ok(Self {
            classes,
            event,
            used,
            codes,
            weights,
        })
    }

    pub(super) fn n_classes(&self) -> usize {
        self.classes.len()
    }
}

/// Weights as whole numbers and the weight that one of them stands for: sums are then the same in
/// any order. Whole weights stay as they are, others are rounded to 2^-29 of the largest.
pub(super) fn whole(weights: &[f64]) -> (Vec<u32>, f64) {
    let largest = weights.iter().fold(0.0_f64, |m, w| m.max(*w));
    let as_they_are = largest <= FINEST && weights.iter().all(|w| w.fract() == 0.0);
    let unit = if as_they_are || largest == 0.0 {
        1.0
    } else {
        // A power of two, so that halves and quarters stay exact.
        let power = f64::from_bits(largest.to_bits() & EXPONENT);
        (power / (0.5 * FINEST)).max(f64::from_bits(1))
    };
    let mut whole: Vec<u32> = weights
        .iter()
        .map(|weight| ((weight / unit).round() as u32).max(1))
        .collect();
    // A common factor of all weights is no news: the same sums whatever it is.
    let common = whole.iter().fold(0, |a, b| gcd(a, *b)).max(1);
    whole.iter_mut().for_each(|weight| *weight /= common);
    (whole, unit * f64::from(common))
}

fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::super::params::DecisionTreeParams;
    use super::*;
    use crate::classification::logistic::ClassWeights;
    use crate::estimator::ParamGuard;

    fn params() -> DecisionTreeValidParams {
        DecisionTreeParams::default().check().unwrap()
    }

    fn texts(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|label| (*label).to_string()).collect()
    }

    #[test]
    fn weights_become_whole_numbers() {
        assert_eq!(whole(&[1.0, 3.0, 2.0]), (vec![1, 3, 2], 1.0));
        assert_eq!(whole(&[2.0, 6.0, 4.0]), (vec![1, 3, 2], 2.0));
        assert_eq!(whole(&[0.25, 0.75, 0.5]), (vec![1, 3, 2], 0.25));
        let (parts, unit) = whole(&[0.1, 0.7, 1e-300]);
        let value = |at: usize| f64::from(parts[at]) * unit;
        assert!((value(0) - 0.1).abs() < 1e-9 && (value(1) - 0.7).abs() < 1e-9);
        assert_eq!(parts[2], 1, "a present row stays one");
        let (parts, unit) = whole(&[5e-324, 1.5e-323]);
        assert_eq!((parts, unit > 0.0), (vec![1, 3], true));
    }

    #[test]
    fn events_and_weights_of_classes() {
        let of = |params: &DecisionTreeValidParams| {
            Outcome::new(
                params,
                texts(&["a", "b", "c"]),
                &[0, 2, 2, 1],
                Some(&[1.0, 2.0, 1.0, 0.0]),
            )
        };
        let plain = of(&params()).unwrap();
        assert_eq!(plain.classes, ["a", "c"]);
        assert_eq!((plain.event, plain.used), (None, vec![0, 1, 2]));
        assert_eq!(plain.codes, [0, 1, 1]);
        let given = DecisionTreeValidParams {
            event: Some("a".into()),
            class_weights: ClassWeights::Given(1.0, 5.0),
            ..params()
        };
        let weighted = of(&given).unwrap();
        assert_eq!(
            (weighted.event, weighted.weights),
            (Some(0), vec![5.0, 2.0, 1.0])
        );
        let balanced = DecisionTreeValidParams {
            class_weights: ClassWeights::Balanced,
            ..params()
        };
        let weighted = of(&balanced).unwrap();
        assert_eq!(weighted.weights, [2.0, 2.0 * 2.0 / 3.0, 2.0 / 3.0]);
        let other = DecisionTreeValidParams {
            event: Some("b".into()),
            ..params()
        };
        assert!(of(&other).is_err(), "class b has no weight");
        let three = Outcome::new(&given, texts(&["a", "b", "c"]), &[0, 1, 2], None);
        assert!(matches!(
            three.unwrap_err().kind(),
            ErrorKind::TargetKind { .. }
        ));
        let one = Outcome::new(&params(), texts(&["a", "b"]), &[0, 1], Some(&[1.0, 0.0]));
        assert!(matches!(
            one.unwrap_err().kind(),
            ErrorKind::SingleClass { .. }
        ));
        let many: Vec<usize> = (0..1_001).collect();
        let codes: Vec<u32> = (0..1_001).collect();
        assert!(Outcome::new(&params(), many, &codes, None).is_err());
        let flags = Outcome::new(&params(), vec![false, true], &[0, 1], None).unwrap();
        assert_eq!(flags.event, Some(1));
    }
}
