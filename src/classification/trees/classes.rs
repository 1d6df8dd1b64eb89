//! The classes that trees learn to tell apart, and what each of them weighs.

use std::collections::BTreeSet;

use crate::classification::logistic::ClassWeights;
use crate::error::{Error, ErrorKind, Result};
use crate::estimator::ClassLabel;
use crate::estimator::params::Checker;
use crate::numeric::stable::sum;

/// A target of another kind than the settings ask for.
pub(in crate::classification) fn target_kind(
    what: &'static str,
    expected: &str,
    found: &str,
) -> Error {
    ErrorKind::TargetKind {
        what,
        expected: expected.into(),
        found: found.into(),
    }
    .into()
}

/// Refuses to speak of a risk where no event was named.
///
/// # Errors
/// [`ErrorKind::TargetKind`] unless the event is named.
pub(in crate::classification) fn need_event(named: bool, what: &'static str) -> Result<()> {
    if named {
        return Ok(());
    }
    Err(target_kind(
        what,
        "two classes and a named event (`.event(..)` in the params, or a target of flags)",
        "classes without a named event",
    ))
}

/// Whether a row is there at all.
pub(in crate::classification) fn present(weights: Option<&[f64]>, row: usize) -> bool {
    weights.is_none_or(|weights| weights[row] > 0.0)
}

/// The classes of rows that are there; `known` lists all labels in sorted order.
///
/// # Errors
/// [`ErrorKind::SingleClass`].
pub(in crate::classification) fn classes_present<L: ClassLabel>(
    what: &'static str,
    known: &[L],
    codes: &[u32],
    weights: Option<&[f64]>,
) -> Result<Vec<L>> {
    let mut seen = vec![false; known.len()];
    for (row, code) in codes.iter().enumerate() {
        seen[*code as usize] |= present(weights, row);
    }
    let classes = known.iter().zip(&seen).filter(|(_, seen)| **seen);
    let classes: Vec<L> = classes.map(|(class, _)| class.clone()).collect();
    if classes.len() < 2 {
        return Err(ErrorKind::SingleClass { what }.into());
    }
    Ok(classes)
}

/// Position of the event: the one that is named, or `true`; `None` where there is none.
///
/// # Errors
/// [`ErrorKind::TargetKind`] for an event that is not one of two classes, and for weights of classes
/// that are not there.
pub(in crate::classification) fn event_among<L: ClassLabel>(
    what: &'static str,
    event: Option<&str>,
    weighting: Weighting<'_>,
    classes: &[L],
) -> Result<Option<usize>> {
    let position = |text: &str| classes.iter().position(|class| class.text() == text);
    let two = classes.len() == 2;
    if event.is_some() && !two {
        let expected = "two classes, as an event is named";
        return Err(target_kind(what, expected, "more than two"));
    }
    if matches!(weighting.classes, ClassWeights::Given(..)) && !two {
        let expected = "two classes, as weights of two are given (`class_weight` goes by name)";
        return Err(target_kind(what, expected, "more than two"));
    }
    if weighting
        .named
        .iter()
        .any(|(class, _)| position(class).is_none())
    {
        let expected = "every class with a weight of its own among the classes";
        return Err(target_kind(what, expected, "other classes"));
    }
    match event {
        Some(event) => match position(event) {
            Some(position) => Ok(Some(position)),
            None => Err(target_kind(
                what,
                "the named event among the classes",
                "other classes",
            )),
        },
        None => Ok((two && L::natural_event().as_ref() == Some(&classes[1])).then_some(1)),
    }
}

/// What classes weigh by the settings, on top of row weights.
#[derive(Debug, Clone, Copy)]
pub(in crate::classification) struct Weighting<'a> {
    pub(in crate::classification) classes: ClassWeights,
    /// Factors of classes by name, on top of that.
    pub(in crate::classification) named: &'a [(String, f64)],
}

impl Weighting<'_> {
    /// Whether any class may weigh other than its rows.
    pub(in crate::classification) fn is_some(self) -> bool {
        self.classes != ClassWeights::None || !self.named.is_empty()
    }

    /// The rule of these settings.
    pub(in crate::classification) fn check(self, checker: Checker) -> Result<()> {
        self.classes.check(checker)?;
        for (_, factor) in self.named {
            checker.positive("class_weight", *factor)?;
        }
        let names: BTreeSet<&String> = self.named.iter().map(|(name, _)| name).collect();
        checker.require(
            names.len() == self.named.len(),
            "class_weight",
            "a list",
            "one weight for a class",
        )
    }

    /// Factor of every class, from their names and the weights of their rows, both in one order;
    /// `event` is the place in it of the event, or of the class that stands for it.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] where a sum of weights is 0 or not finite.
    pub(in crate::classification) fn factors(
        self,
        names: &[String],
        event: usize,
        totals: &[f64],
    ) -> Result<Vec<f64>> {
        let mut factors: Vec<f64> = match self.classes {
            ClassWeights::Given(other, of_event) => (0..totals.len())
                .map(|class| if class == event { of_event } else { other })
                .collect(),
            ClassWeights::Balanced => {
                let fair = sum(totals.iter().copied()) / totals.len() as f64;
                totals.iter().map(|total| fair / total).collect()
            }
            ClassWeights::None => vec![1.0; totals.len()],
        };
        for (factor, class) in factors.iter_mut().zip(names) {
            let named = self.named.iter().find(|(name, _)| name == class);
            *factor *= named.map_or(1.0, |(_, named)| *named);
        }
        let parts = totals.iter().zip(&factors).map(|(a, b)| a * b);
        let sound = parts.clone().all(|part| part > 0.0) && sum(parts).is_finite();
        if sound && factors.iter().all(|factor| factor.is_finite()) {
            return Ok(factors);
        }
        Err(ErrorKind::OutOfRange {
            what: "class weights times row weights",
            row: None,
            column: None,
            rule: "sums that f64 holds",
        }
        .into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|label| (*label).to_string()).collect()
    }

    #[test]
    fn factors_by_hand() {
        let abc = texts(&["a", "b", "c"]);
        let of = |classes, named: &[(String, f64)], event, totals: &[f64]| {
            Weighting { classes, named }.factors(&abc[..totals.len()], event, totals)
        };
        let balanced = of(ClassWeights::Balanced, &[], 1, &[1.0, 3.0, 2.0]).unwrap();
        assert_eq!(balanced, [2.0, 2.0 / 3.0, 1.0]);
        let given = ClassWeights::Given(1.0, 5.0);
        assert_eq!(of(given, &[], 1, &[1.0, 3.0]).unwrap(), [1.0, 5.0]);
        assert_eq!(of(given, &[], 0, &[1.0, 3.0]).unwrap(), [5.0, 1.0]);
        let c = [("c".to_string(), 4.0)];
        let plain = of(ClassWeights::None, &c, 1, &[1.0; 3]).unwrap();
        assert_eq!(plain, [1.0, 1.0, 4.0]);
        let on_top = of(ClassWeights::Balanced, &c, 1, &[1.0, 3.0, 2.0]).unwrap();
        assert_eq!(on_top, [2.0, 2.0 / 3.0, 4.0]);
        let huge = ClassWeights::Given(1.0, 1e300);
        assert!(of(huge, &[], 1, &[1.0, 1e300]).is_err());
    }

    #[test]
    fn events_and_weighted_classes_are_classes() {
        let (two, three) = (texts(&["a", "b"]), texts(&["a", "b", "c"]));
        let plain = ClassWeights::None;
        let of = |classes: &[String], event, given, named: &[(String, f64)]| {
            let weighting = Weighting {
                classes: given,
                named,
            };
            event_among("fit", event, weighting, classes)
        };
        assert_eq!(of(&two, Some("a"), plain, &[]).unwrap(), Some(0));
        assert_eq!(of(&two, None, plain, &[]).unwrap(), None);
        assert!(of(&two, Some("c"), plain, &[]).is_err());
        assert!(of(&three, Some("a"), plain, &[]).is_err());
        assert!(of(&three, None, ClassWeights::Given(1.0, 2.0), &[]).is_err());
        let c = [("c".to_string(), 4.0)];
        assert_eq!(of(&three, None, plain, &c).unwrap(), None);
        let error = of(&two, None, plain, &c).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::TargetKind { .. }));
        let flags = Weighting {
            classes: plain,
            named: &[],
        };
        let event = event_among("fit", None, flags, &[false, true]);
        assert_eq!(event.unwrap(), Some(1));
    }

    #[test]
    fn weights_outside_their_range_are_named() {
        let check = |named: &[(String, f64)]| {
            let classes = ClassWeights::None;
            Weighting { classes, named }.check(Checker::new("X"))
        };
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = check(&[("a".into(), bad)]).unwrap_err().to_string();
            assert!(error.contains("class_weight ="), "{error}");
        }
        assert!(check(&[("a".into(), 1.0), ("a".into(), 2.0)]).is_err());
        assert!(check(&[("a".into(), 1.0), ("b".into(), 2.0)]).is_ok());
    }
}
