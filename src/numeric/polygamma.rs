//! The first two derivatives of the log-gamma function, at positive arguments.
//!
//! Recurrence up to 12, then the asymptotic series (Abramowitz and Stegun 1964, 6.3.18 and
//! 6.4.12); relative 1e-14 away from the zero of digamma.

/// Below this the recurrence raises the argument.
const FAR: f64 = 12.0;

/// Digamma: derivative of log Gamma(x), x > 0.
pub(crate) fn digamma(mut x: f64) -> f64 {
    let mut below = 0.0;
    while x < FAR {
        below += 1.0 / x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = [
        1.0 / 12.0,
        -1.0 / 120.0,
        1.0 / 252.0,
        -1.0 / 240.0,
        1.0 / 132.0,
        -691.0 / 32_760.0,
        1.0 / 12.0,
        -3_617.0 / 8_160.0,
    ];
    let tail = series
        .iter()
        .rev()
        .fold(0.0, |sum, term| sum * square + term)
        * square;
    libm::log(x) - 0.5 / x - tail - below
}

/// Trigamma: second derivative of log Gamma(x), x > 0.
pub(crate) fn trigamma(mut x: f64) -> f64 {
    let mut below = 0.0;
    while x < FAR {
        below += 1.0 / (x * x);
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = [
        1.0 / 6.0,
        -1.0 / 30.0,
        1.0 / 42.0,
        -1.0 / 30.0,
        5.0 / 66.0,
        -691.0 / 2_730.0,
        7.0 / 6.0,
        -3_617.0 / 510.0,
    ];
    let tail = series
        .iter()
        .rev()
        .fold(0.0, |sum, term| sum * square + term)
        * square
        / x;
    1.0 / x + 0.5 * square + tail + below
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    #[test]
    fn closed_forms() {
        const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
        assert!((digamma(1.0) + EULER_GAMMA).abs() < 1e-15);
        assert!((digamma(0.5) + EULER_GAMMA + 2.0 * 2.0_f64.ln()).abs() < 4e-15);
        assert!((trigamma(1.0) - PI * PI / 6.0).abs() < 4e-15);
        assert!((trigamma(0.5) - PI * PI / 2.0).abs() < 4e-15);
        for x in [0.01, 0.7, 3.3, 11.9, 12.0, 250.0, 1e6] {
            let other = statrs::function::gamma::digamma(x);
            assert!(
                (digamma(x) - other).abs() < 1e-11 * other.abs().max(1.0),
                "{x}"
            );
            assert!((digamma(x + 1.0) - digamma(x) - 1.0 / x).abs() < 1e-13 / x.min(1.0));
            let step = trigamma(x) - trigamma(x + 1.0);
            assert!((step * x * x - 1.0).abs() < 1e-13 * x.max(1.0), "{x}");
        }
    }
}
