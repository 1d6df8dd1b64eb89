//! Two drugs together: more reports of an event than either drug explains.

use serde::{Deserialize, Serialize};

use crate::association::information_component;
use crate::error::{ErrorKind, Result};
use crate::evaluation::{Estimate, check};
use crate::numeric::special::normal_quantile;

/// Reports, and those with the event among them, by exposure to two drugs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InteractionCounts {
    /// Reports with neither drug: all, with the event.
    pub neither: (u64, u64),
    /// Reports with the first drug only: all, with the event.
    pub first: (u64, u64),
    /// Reports with the second drug only: all, with the event.
    pub second: (u64, u64),
    /// Reports with both drugs: all, with the event.
    pub both: (u64, u64),
}

/// The interaction measure of two drugs and an event; made by [`omega`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interaction {
    /// Reports with both drugs and the event that the drugs one by one explain.
    pub expected: f64,
    /// Omega: log2((O + 1/2) / (E + 1/2)) with the credible interval of its gamma posterior, bits.
    pub omega: Estimate,
    /// The published lower limit at `level`: Omega less z / (ln 2 sqrt(O)), minus infinity without
    /// reports.
    pub normal_lower: f64,
}

/// Interaction of two drugs on the additive scale of their excess odds.
///
/// The expected share of reports with the event under both drugs adds what either drug adds to the
/// odds of neither, drugs that lower the odds adding nothing. Source: Norén, Sundberg, Bate and
/// Edwards, Stat. Med. 27, 2008, doi 10.1002/sim.3247. The exact interval is that of
/// [`information_component`], which shares its form; the paper's normal limit is given beside it.
///
/// # Errors
/// [`ErrorKind::OutOfRange`] for more events than reports; [`ErrorKind::Undefined`] where one of
/// the three groups without both drugs is empty; [`ErrorKind::Parameter`] for a level outside
/// (0, 1).
///
/// ```
/// use galen::association::{InteractionCounts, omega};
/// # fn main() -> galen::Result<()> {
/// let found = omega(
///     &InteractionCounts {
///         neither: (10_000, 100),
///         first: (500, 10),
///         second: (400, 8),
///         both: (50, 12),
///     },
///     0.95,
/// )?;
/// assert!(found.expected < 2.0 && found.omega.lower > 0.0);
/// # Ok(())
/// # }
/// ```
pub fn omega(counts: &InteractionCounts, level: f64) -> Result<Interaction> {
    const WHAT: &str = "omega";
    check::level(WHAT, level)?;
    let groups = [counts.neither, counts.first, counts.second, counts.both];
    if groups.iter().any(|(all, events)| events > all) {
        return Err(ErrorKind::OutOfRange {
            what: WHAT,
            row: None,
            column: None,
            rule: "no more reports with the event than reports",
        }
        .into());
    }
    if groups[..3].iter().any(|(all, _)| *all == 0) {
        return Err(check::undefined(
            WHAT,
            "there are no reports with neither drug or with one of them alone",
        ));
    }
    let odds = |(all, events): (u64, u64)| events as f64 / (all - events) as f64;
    let neither = odds(counts.neither);
    let excess = |group| (odds(group) - neither).max(0.0);
    let share = if neither.is_infinite() {
        1.0
    } else {
        let total = neither + excess(counts.first) + excess(counts.second);
        1.0 - 1.0 / (1.0 + total)
    };
    let (reports, observed) = counts.both;
    let expected = share * reports as f64;
    let omega = information_component(observed, expected, level)?;
    let z = normal_quantile(0.5 + 0.5 * level);
    Ok(Interaction {
        expected,
        omega,
        normal_lower: omega.value - z / (std::f64::consts::LN_2 * (observed as f64).sqrt()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: InteractionCounts = InteractionCounts {
        neither: (1_000, 100),
        first: (200, 40),
        second: (100, 5),
        both: (40, 20),
    };

    #[test]
    fn expected_share_by_hand() {
        // Odds 1/9, 1/4, and 1/19, which is below 1/9 and adds nothing: total 1/4, share 1/5.
        let found = omega(&BASE, 0.95).unwrap();
        assert!((found.expected - 8.0).abs() < 1e-12);
        assert!((found.omega.value - (20.5_f64 / 8.5).log2()).abs() < 1e-14);
        let published =
            found.omega.value - 1.959_963_984_540_054 / (2.0_f64.ln() * 20.0_f64.sqrt());
        assert!((found.normal_lower - published).abs() < 1e-14);
        assert!((found.omega.lower - published).abs() < 0.1);
    }

    #[test]
    fn drugs_are_exchangeable_and_extremes_finite() {
        let swapped = InteractionCounts {
            first: BASE.second,
            second: BASE.first,
            ..BASE
        };
        assert_eq!(omega(&BASE, 0.95).unwrap(), omega(&swapped, 0.95).unwrap());
        let always = InteractionCounts {
            first: (10, 10),
            ..BASE
        };
        assert_eq!(omega(&always, 0.95).unwrap().expected, 40.0);
        let background = InteractionCounts {
            neither: (10, 10),
            ..BASE
        };
        assert_eq!(omega(&background, 0.95).unwrap().expected, 40.0);
        let none = InteractionCounts {
            both: (40, 0),
            ..BASE
        };
        assert_eq!(omega(&none, 0.95).unwrap().normal_lower, f64::NEG_INFINITY);
    }

    #[test]
    fn refusals() {
        let refused = |counts| assert!(omega(&counts, 0.95).is_err());
        refused(InteractionCounts {
            first: (0, 0),
            ..BASE
        });
        refused(InteractionCounts {
            second: (3, 4),
            ..BASE
        });
        assert!(omega(&BASE, 0.0).is_err());
    }
}
