//! Adjusted p-values for many tests.
//!
//! Holm (Scand. J. Stat. 6, 1979); Benjamini and Hochberg (J. R. Stat. Soc. B 57, 1995,
//! doi 10.1111/j.2517-6161.1995.tb02031.x); Benjamini and Yekutieli (Ann. Stat. 29, 2001,
//! doi 10.1214/aos/1013699998).

use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};

/// What is controlled over many tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Adjustment {
    /// Chance of any false finding, tests in any dependence; one step.
    Bonferroni,
    /// Chance of any false finding, tests in any dependence; never larger than Bonferroni.
    Holm,
    /// Expected share of false findings, tests independent or positively dependent.
    BenjaminiHochberg,
    /// Expected share of false findings, tests in any dependence.
    BenjaminiYekutieli,
}

/// Adjusted p-values in the order given; NaN (an undefined test) stays NaN and is not counted.
///
/// `tests` is how many tests were made, where `p_values` holds only those that were kept, the
/// smallest ones; `None` when all are given. Cost: a sort.
///
/// # Errors
/// [`ErrorKind::OutOfRange`] for a p-value outside [0, 1], naming its position;
/// [`ErrorKind::Parameter`] where fewer tests than p-values are declared.
pub fn adjust(p_values: &[f64], tests: Option<u64>, adjustment: Adjustment) -> Result<Vec<f64>> {
    if let Some(position) = p_values.iter().position(|p| *p < 0.0 || *p > 1.0) {
        return Err(ErrorKind::OutOfRange {
            what: "p-values",
            row: Some(position),
            column: None,
            rule: "numbers from 0 to 1",
        }
        .into());
    }
    let mut order: Vec<usize> = (0..p_values.len())
        .filter(|position| !p_values[*position].is_nan())
        .collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let given = order.len() as u64;
    let tests = tests.unwrap_or(given);
    if tests < given {
        return Err(ErrorKind::Parameter {
            estimator: "adjust",
            name: "tests",
            value: tests.to_string(),
            rule: "at least the number of p-values",
        }
        .into());
    }
    let mut adjusted = vec![f64::NAN; p_values.len()];
    let n = tests as f64;
    match adjustment {
        Adjustment::Bonferroni => {
            for position in order {
                adjusted[position] = (n * p_values[position]).min(1.0);
            }
        }
        Adjustment::Holm => {
            let mut largest = 0.0_f64;
            for (rank, position) in order.into_iter().enumerate() {
                largest = largest.max((n - rank as f64) * p_values[position]);
                adjusted[position] = largest.min(1.0);
            }
        }
        Adjustment::BenjaminiHochberg | Adjustment::BenjaminiYekutieli => {
            let price = match adjustment {
                Adjustment::BenjaminiYekutieli => harmonic(tests),
                _ => 1.0,
            };
            let mut smallest = 1.0_f64;
            for (rank, position) in order.into_iter().enumerate().rev() {
                smallest = smallest.min(price * n / (rank as f64 + 1.0) * p_values[position]);
                adjusted[position] = smallest;
            }
        }
    }
    Ok(adjusted)
}

/// 1 + 1/2 + ... + 1/n; beyond 10,000 terms by Euler and Maclaurin, to rounding.
fn harmonic(n: u64) -> f64 {
    const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
    if n <= 10_000 {
        return (1..=n).rev().map(|i| 1.0 / i as f64).sum();
    }
    let x = n as f64;
    x.ln() + EULER_GAMMA + 0.5 / x - 1.0 / (12.0 * x * x)
}

#[cfg(test)]
#[allow(clippy::excessive_precision)] // reference values as R printed them
mod tests {
    use super::*;

    const ALL: [Adjustment; 4] = [
        Adjustment::Bonferroni,
        Adjustment::Holm,
        Adjustment::BenjaminiHochberg,
        Adjustment::BenjaminiYekutieli,
    ];

    fn close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() <= 1e-14 || (found.is_nan() && expected.is_nan()),
                "{found} instead of {expected}"
            );
        }
    }

    #[test]
    fn as_r_p_adjust() {
        // R 4.2.2: p.adjust(p, method).
        let p = [0.01, 0.02, 0.03, 0.04, 0.05, 0.2, 0.9, 0.001, 0.04, 1.0];
        let bh = 0.066_666_666_666_666_666;
        let by = 0.195_264_550_264_550_25;
        let expected: [&[f64]; 4] = [
            &[0.1, 0.2, 0.3, 0.4, 0.5, 1.0, 1.0, 0.01, 0.4, 1.0],
            &[0.09, 0.16, 0.21, 0.24, 0.24, 0.6, 1.0, 0.01, 0.24, 1.0],
            &[
                0.05,
                bh,
                bh,
                bh,
                0.071_428_571_428_571_438,
                0.25,
                1.0,
                0.01,
                bh,
                1.0,
            ],
            &[
                0.146_448_412_698_412_69,
                by,
                by,
                by,
                0.209_212_018_140_589_57,
                0.732_242_063_492_063_44,
                1.0,
                0.029_289_682_539_682_539,
                by,
                1.0,
            ],
        ];
        for (adjustment, expected) in ALL.into_iter().zip(expected) {
            close(&adjust(&p, None, adjustment).unwrap(), expected);
        }
    }

    #[test]
    fn as_recorded_from_r() {
        let text = include_str!("../../tests/fixtures/association/adjusted.json");
        let all: serde_json::Value = serde_json::from_str(text).unwrap();
        for case in all.as_array().unwrap() {
            let numbers = |key: &str| -> Vec<f64> {
                let list = case[key].as_array().unwrap();
                list.iter().map(|p| p.as_f64().unwrap()).collect()
            };
            let tests = case["n"].as_u64().unwrap();
            for (adjustment, key) in ALL.into_iter().zip(["bonferroni", "holm", "bh", "by"]) {
                close(
                    &adjust(&numbers("p"), Some(tests), adjustment).unwrap(),
                    &numbers(key),
                );
            }
        }
    }

    #[test]
    fn as_statsmodels() {
        let text = include_str!("../../tests/fixtures/association/expected_python.json");
        let all: serde_json::Value = serde_json::from_str(text).unwrap();
        let numbers = |key: &str| -> Vec<f64> {
            let list = all["multiplicity"][key].as_array().unwrap();
            list.iter().map(|p| p.as_f64().unwrap()).collect()
        };
        for (adjustment, key) in ALL.into_iter().zip(["bonferroni", "holm", "bh", "by"]) {
            let found = adjust(&numbers("p"), None, adjustment).unwrap();
            close(&found, &numbers(key));
        }
    }

    #[test]
    fn undefined_tests_and_ties_as_r() {
        let p = [0.012, f64::NAN, 0.0004, 0.3, 0.012];
        let nan = f64::NAN;
        let expected = [
            [0.048, nan, 0.0016, 1.0, 0.048],
            [0.036, nan, 0.0016, 0.3, 0.036],
            [0.016, nan, 0.0016, 0.3, 0.016],
            [0.1 / 3.0, nan, 0.01 / 3.0, 0.625, 0.1 / 3.0],
        ];
        for (adjustment, expected) in ALL.into_iter().zip(expected) {
            close(&adjust(&p, None, adjustment).unwrap(), &expected);
        }
    }

    #[test]
    fn tests_that_were_not_kept_count() {
        // R 4.2.2: p.adjust(c(0.01, 0.02, 0.03), method, n = 5).
        let p = [0.01, 0.02, 0.03];
        let by = 0.114_166_666_666_666_65;
        let expected = [
            [0.05, 0.10, 0.15],
            [0.05, 0.08, 0.09],
            [0.05, 0.05, 0.05],
            [by, by, by],
        ];
        for (adjustment, expected) in ALL.into_iter().zip(expected) {
            close(&adjust(&p, Some(5), adjustment).unwrap(), &expected);
            assert!(adjust(&p, Some(2), adjustment).is_err());
            assert!(adjust(&[], None, adjustment).unwrap().is_empty());
            let error = adjust(&[0.5, 1.5], None, adjustment).unwrap_err();
            assert!(error.to_string().contains("row 1"));
        }
        // The two ways to a harmonic number meet.
        let direct = harmonic(10_000) + 1.0 / 10_001.0;
        assert!((harmonic(10_001) / direct - 1.0).abs() < 1e-15);
    }
}
