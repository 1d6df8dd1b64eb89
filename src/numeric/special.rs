//! Tails and quantiles of the normal, chi-squared, t, F, beta and binomial distributions.
//!
//! The only file that names an outside function of a distribution. Every tail is computed as
//! itself, never as one minus the other, so that small p-values keep their digits (relative 1e-12
//! in the body, 1e-10 down to 1e-300).
//!
//! The incomplete gamma and beta integrals stand here because those of statrs 0.18 form upper tails
//! as differences and stop after 140 terms of the continued fraction, too few beyond some ten
//! thousand trials. Prefactors are in saddle-point form (Loader, Fast and accurate computation of
//! binomial probabilities, 2000), which keeps its digits where differences of log-gammas lose them.
//! Quantiles are roots of the logarithm of the smaller tail, by safeguarded Newton steps.

use std::f64::consts::{PI, SQRT_2};

use crate::numeric::stable::logistic;

/// Terms after which a series or continued fraction is cut; they need some square roots of the
/// largest parameter.
const MAX_TERMS: u32 = 200_000;

/// P(Z > x) of the standard normal.
pub(crate) fn normal_upper(x: f64) -> f64 {
    0.5 * libm::erfc(x / SQRT_2)
}

/// The x with P(Z > x) = p; infinite at p of 0 and 1.
pub(crate) fn normal_upper_quantile(p: f64) -> f64 {
    if p > 0.5 {
        return -normal_upper_quantile(1.0 - p);
    }
    if p == 0.5 {
        return 0.0;
    }
    if p <= 0.0 || p.is_nan() {
        return if p == 0.0 { f64::INFINITY } else { f64::NAN };
    }
    let mut x = SQRT_2 * statrs::function::erf::erfc_inv(2.0 * p);
    for _ in 0..3 {
        let density = libm::exp(-0.5 * x * x) / (2.0 * PI).sqrt();
        // In the middle the distance from one half carries the digits, in the tail the logarithm.
        x += if p > 0.25 {
            (libm::erf(x / SQRT_2) - (1.0 - 2.0 * p)) / (-2.0 * density)
        } else {
            let tail = normal_upper(x);
            libm::log(tail / p) * tail / density
        };
    }
    x
}

/// The x with P(Z <= x) = p.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    -normal_upper_quantile(p)
}

/// P(X > x) of the chi-squared distribution with `df` degrees of freedom.
pub(crate) fn chi_squared_upper(x: f64, df: f64) -> f64 {
    gamma_tails(0.5 * df, 0.5 * x).1
}

/// The x with P(X > x) = p of the chi-squared distribution.
pub(crate) fn chi_squared_upper_quantile(p: f64, df: f64) -> f64 {
    2.0 * gamma_upper_quantile(0.5 * df, p)
}

/// P(T > x) of Student's t with `df` degrees of freedom.
pub(crate) fn t_upper(x: f64, df: f64) -> f64 {
    if x == 0.0 {
        return 0.5;
    }
    let odds = 2.0 * libm::log(x.abs()) - libm::log(df);
    let (inside, outside) = beta_tails(0.5, 0.5 * df, odds);
    if x > 0.0 {
        0.5 * outside
    } else {
        0.5 + 0.5 * inside
    }
}

/// The x with P(T > x) = p of Student's t.
pub(crate) fn t_upper_quantile(p: f64, df: f64) -> f64 {
    if p > 0.5 {
        return -t_upper_quantile(1.0 - p, df);
    }
    if p == 0.5 {
        return 0.0;
    }
    let odds = beta_log_odds(0.5, 0.5 * df, 1.0 - 2.0 * p, 2.0 * p);
    df.sqrt() * libm::exp(0.5 * odds)
}

/// P(F > x) of the F distribution.
pub(crate) fn f_upper(x: f64, df1: f64, df2: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    beta_tails(0.5 * df1, 0.5 * df2, libm::log(x) + libm::log(df1 / df2)).1
}

/// The x with P(F > x) = p of the F distribution.
pub(crate) fn f_upper_quantile(p: f64, df1: f64, df2: f64) -> f64 {
    df2 / df1 * libm::exp(beta_log_odds(0.5 * df1, 0.5 * df2, 1.0 - p, p))
}

/// P(X <= x) of the beta distribution.
pub(crate) fn beta_lower(a: f64, b: f64, x: f64) -> f64 {
    beta_at(a, b, x).0
}

/// P(X > x) of the beta distribution.
pub(crate) fn beta_upper(a: f64, b: f64, x: f64) -> f64 {
    beta_at(a, b, x).1
}

/// The x with P(X <= x) = p of the beta distribution.
pub(crate) fn beta_quantile(a: f64, b: f64, p: f64) -> f64 {
    logistic(beta_log_odds(a, b, p, 1.0 - p))
}

/// The x with P(X > x) = p of the beta distribution.
pub(crate) fn beta_upper_quantile(a: f64, b: f64, p: f64) -> f64 {
    logistic(beta_log_odds(a, b, 1.0 - p, p))
}

/// P(X <= k) of the binomial distribution.
pub(crate) fn binomial_lower(k: u64, n: u64, p: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    beta_upper(k as f64 + 1.0, (n - k) as f64, p)
}

/// P(X >= k) of the binomial distribution: `k` itself counts.
pub(crate) fn binomial_upper(k: u64, n: u64, p: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    if k > n {
        return 0.0;
    }
    beta_lower(k as f64, (n - k) as f64 + 1.0, p)
}

/// Lower and upper regularised incomplete gamma at `x`.
pub(crate) fn gamma_tails(a: f64, x: f64) -> (f64, f64) {
    if x <= 0.0 {
        return (0.0, 1.0);
    }
    if x == f64::INFINITY {
        return (1.0, 0.0);
    }
    let front = poisson_like(a, x);
    if x < a + 1.0 {
        let (mut term, mut total) = (1.0, 1.0);
        for k in 1..MAX_TERMS {
            term *= x / (a + f64::from(k));
            total += term;
            if term <= total * 1e-17 {
                break;
            }
        }
        let lower = (front * total).min(1.0);
        (lower, 1.0 - lower)
    } else {
        let upper = (front * a * gamma_fraction(a, x)).min(1.0);
        (1.0 - upper, upper)
    }
}

/// Legendre's continued fraction of the upper incomplete gamma, by modified Lentz steps.
fn gamma_fraction(a: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / nonzero(b, TINY);
    let mut h = d;
    for k in 1..MAX_TERMS {
        let k = f64::from(k);
        let numerator = -k * (k - a);
        b += 2.0;
        d = 1.0 / nonzero(numerator * d + b, TINY);
        c = nonzero(b + numerator / c, TINY);
        let step = d * c;
        h *= step;
        if (step - 1.0).abs() < 1e-16 {
            break;
        }
    }
    h
}

pub(crate) fn gamma_upper_quantile(a: f64, p: f64) -> f64 {
    if p >= 1.0 {
        return 0.0;
    }
    if p <= 0.0 {
        return f64::INFINITY;
    }
    let u = if p <= 0.5 {
        solve(libm::log(a), |u| {
            let x = libm::exp(u);
            let tail = gamma_tails(a, x).1;
            (
                libm::log(p) - libm::log(tail),
                poisson_like(a, x) * a / tail,
            )
        })
    } else {
        solve(libm::log(a), |u| {
            let x = libm::exp(u);
            let tail = gamma_tails(a, x).0;
            let log_p = libm::log1p(-p);
            (libm::log(tail) - log_p, poisson_like(a, x) * a / tail)
        })
    };
    libm::exp(u)
}

fn beta_at(a: f64, b: f64, x: f64) -> (f64, f64) {
    if x <= 0.0 {
        return (0.0, 1.0);
    }
    if x >= 1.0 {
        return (1.0, 0.0);
    }
    beta_both(a, b, x, 1.0 - x)
}

/// Lower and upper tail of Beta(a, b) at log odds `u` of x.
fn beta_tails(a: f64, b: f64, u: f64) -> (f64, f64) {
    // Far out the smaller of x and 1 - x leaves the range of f64; one term of the series is exact.
    if u > 600.0 {
        let upper = far_tail(b, a, u);
        return (1.0 - upper, upper);
    }
    if u < -600.0 {
        let lower = far_tail(a, b, -u);
        return (lower, 1.0 - lower);
    }
    beta_both(a, b, logistic(u), logistic(-u))
}

fn far_tail(a: f64, b: f64, u: f64) -> f64 {
    libm::exp(-a * u - libm::log(a) - log_beta(a, b))
}

/// Both tails at x with y = 1 - x given apart.
fn beta_both(a: f64, b: f64, x: f64, y: f64) -> (f64, f64) {
    let front = beta_front(a, b, x, y);
    // Distance of x below the mean, times a + b, from the smaller of x and y.
    let below = if x < y {
        a - (a + b) * x
    } else {
        (a + b) * y - b
    };
    if below >= 0.0 {
        let lower = (front * beta_fraction(a, b, x, y, below)).min(1.0);
        (lower, 1.0 - lower)
    } else {
        let upper = (front * beta_fraction(b, a, y, x, -below)).min(1.0);
        (1.0 - upper, upper)
    }
}

/// Continued fraction of the incomplete beta below its mean, in the form without cancellation of
/// DiDonato and Morris (ACM Trans. Math. Softw. 18, 1992, doi 10.1145/131766.131776).
fn beta_fraction(a: f64, b: f64, x: f64, y: f64, below: f64) -> f64 {
    let c = 1.0 + below;
    let c1 = 1.0 + 1.0 / a;
    // Numerators and denominators of two convergents, scaled so that the last denominator is 1.
    let (mut before, mut before_denominator) = (0.0, 1.0 / (c / c1));
    let mut last = c1 / c;
    let mut p = 1.0;
    for n in 1..MAX_TERMS {
        let n = f64::from(n);
        let t = n / a;
        let s = a + 2.0 * n - 1.0;
        let w = n * (b - n) * x;
        let shrink = a / s;
        let alpha = p * (p + b / a) * shrink * shrink * (w * x);
        let beta = n + w / s + (1.0 + t) / (c1 + 2.0 * t) * (c + n * (1.0 + y));
        p = 1.0 + t;
        let numerator = alpha * before + beta * last;
        let denominator = alpha * before_denominator + beta;
        let next = numerator / denominator;
        let settled = (next - last).abs() <= 1e-16 * next;
        before = last / denominator;
        before_denominator = 1.0 / denominator;
        last = next;
        if settled {
            break;
        }
    }
    last
}

/// Log odds of the quantile whose lower tail is `p` and upper tail `q` (p + q = 1).
fn beta_log_odds(a: f64, b: f64, p: f64, q: f64) -> f64 {
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if q <= 0.0 {
        return f64::INFINITY;
    }
    let start = libm::log(a / b);
    // Density by log odds, in the far tails from the tail itself.
    let density = |u: f64, tail: f64| {
        if u > 600.0 {
            b * tail
        } else if u < -600.0 {
            a * tail
        } else {
            beta_front(a, b, logistic(u), logistic(-u))
        }
    };
    if p <= q {
        solve(start, |u| {
            let tail = beta_tails(a, b, u).0;
            (libm::log(tail) - libm::log(p), density(u, tail) / tail)
        })
    } else {
        solve(start, |u| {
            let tail = beta_tails(a, b, u).1;
            (libm::log(q) - libm::log(tail), density(u, tail) / tail)
        })
    }
}

/// Root of an increasing function given with its slope: bracket, then Newton, bisecting when a
/// step leaves the bracket.
fn solve(start: f64, f: impl Fn(f64) -> (f64, f64)) -> f64 {
    let (mut low, mut high, mut step) = (start, start, 1.0);
    while f(low).0 > 0.0 && step < 1e9 {
        low -= step;
        step *= 2.0;
    }
    step = 1.0;
    while f(high).0 < 0.0 && step < 1e9 {
        high += step;
        step *= 2.0;
    }
    let mut at = if low < start { low } else { high };
    for _ in 0..300 {
        let (value, slope) = f(at);
        if value > 0.0 {
            high = high.min(at);
        } else {
            low = low.max(at);
        }
        let newton = at - value / slope;
        let next = if newton >= low && newton <= high {
            newton
        } else {
            0.5 * (low + high)
        };
        if (next - at).abs() <= 4e-16 * next.abs().max(0.25) {
            return next;
        }
        at = next;
    }
    at
}

fn nonzero(value: f64, tiny: f64) -> f64 {
    if value.abs() < tiny { tiny } else { value }
}

/// x^a e^-x / Gamma(a + 1).
pub(crate) fn poisson_like(a: f64, x: f64) -> f64 {
    if a < 1.0 {
        return libm::exp(a * libm::log(x) - x - libm::lgamma(a + 1.0));
    }
    libm::exp(-stirling_error(a) - deviance(a, x)) / (2.0 * PI * a).sqrt()
}

/// x^a y^b / B(a, b), where y = 1 - x.
fn beta_front(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let n = a + b;
    let log = stirling_error(n)
        - stirling_error(a)
        - stirling_error(b)
        - deviance(a, n * x)
        - deviance(b, n * y);
    libm::exp(log) * (a * b / (2.0 * PI * n)).sqrt()
}

fn log_beta(a: f64, b: f64) -> f64 {
    libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b)
}

/// log Gamma(a + 1) minus Stirling's formula.
pub(crate) fn stirling_error(a: f64) -> f64 {
    if a < 16.0 {
        return libm::lgamma(a + 1.0) - (a + 0.5) * libm::log(a) + a - 0.5 * libm::log(2.0 * PI);
    }
    let square = a * a;
    let series = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1260.0,
        -1.0 / 1680.0,
        1.0 / 1188.0,
        -691.0 / 360_360.0,
        1.0 / 156.0,
    ];
    series
        .iter()
        .rev()
        .fold(0.0, |sum, term| sum / square + term)
        / a
}

/// a log(a / m) + m - a without cancellation near a = m.
pub(crate) fn deviance(a: f64, m: f64) -> f64 {
    if (a - m).abs() >= 0.1 * (a + m) {
        return a * libm::log(a / m) + m - a;
    }
    let v = (a - m) / (a + m);
    let mut total = (a - m) * v;
    let mut power = 2.0 * a * v;
    for k in 1..1000 {
        power *= v * v;
        let next = total + power / f64::from(2 * k + 1);
        if next == total {
            break;
        }
        total = next;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_and_both_tails() {
        assert!((normal_quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-15);
        assert_eq!(normal_quantile(0.5), 0.0);
        assert_eq!(normal_upper_quantile(0.0), f64::INFINITY);
        assert_eq!(chi_squared_upper(0.0, 3.0), 1.0);
        // Exponential and uniform cases in closed form.
        assert!((chi_squared_upper(1400.0, 2.0) / libm::exp(-700.0) - 1.0).abs() < 1e-12);
        assert!((beta_lower(1.0, 1.0, 0.3) - 0.3).abs() < 1e-15);
        assert!((beta_upper(1.0, 5.0, 0.9) / 1e-5 - 1.0).abs() < 1e-12);
        assert!((t_upper(1.0, 1.0) - 0.25).abs() < 1e-15);
        assert_eq!(t_upper_quantile(0.5, 4.0), 0.0);
        assert!((binomial_upper(1, 3, 0.5) - 0.875).abs() < 1e-15);
        assert!((binomial_lower(0, 3, 0.5) - 0.125).abs() < 1e-15);
        assert_eq!(
            (binomial_upper(0, 3, 0.2), binomial_lower(3, 3, 0.2)),
            (1.0, 1.0)
        );
    }

    #[test]
    fn quantiles_invert_their_tails() {
        for p in [1e-300, 1e-30, 1e-6, 0.025, 0.3, 0.5, 0.8, 0.999] {
            let near = |found: f64| assert!((found / p - 1.0).abs() < 1e-10, "{p}: {found}");
            near(normal_upper(normal_upper_quantile(p)));
            for df in [1.0, 2.5, 40.0, 1e4] {
                near(chi_squared_upper(chi_squared_upper_quantile(p, df), df));
                near(t_upper(t_upper_quantile(p, df), df));
                // With one degree of freedom the quantile of 1e-300 leaves the range of f64.
                near(f_upper(f_upper_quantile(p, 3.0, df + 2.0), 3.0, df + 2.0));
                near(beta_lower(df, 7.0, beta_quantile(df, 7.0, p)));
            }
        }
        let x = beta_upper_quantile(7.0, 40.0, 1e-30);
        assert!((beta_upper(7.0, 40.0, x) / 1e-30 - 1.0).abs() < 1e-10);
    }

    /// Arguments and value of each case of the committed 60-digit table.
    fn table(name: &str) -> Vec<(Vec<f64>, f64)> {
        let text = include_str!("../../tests/fixtures/special/expected.json");
        let all: serde_json::Value = serde_json::from_str(text).unwrap();
        let number = |case: &serde_json::Value, key: &str| case[key].as_f64();
        all[name]
            .as_array()
            .unwrap()
            .iter()
            .map(|case| {
                let keys = ["x", "p", "df", "a", "b", "df1", "df2"];
                let arguments = keys.iter().filter_map(|key| number(case, key)).collect();
                (arguments, number(case, "value").unwrap_or(f64::NAN))
            })
            .collect()
    }

    fn check(name: &str, f: impl Fn(&[f64]) -> f64) {
        for (arguments, value) in table(name) {
            let found = f(&arguments);
            // Subnormal numbers have lost their digits in the table already.
            let allowed = if value.abs() < 1e-300 {
                1e-6
            } else if value.abs() < 1e-30 {
                1e-10
            } else {
                1e-12
            };
            let good = if value == 0.0 {
                found == 0.0
            } else {
                (found / value - 1.0).abs() < allowed
            };
            assert!(
                good,
                "{name} {arguments:?}: {found:e}, expected {value:e}, off by {:e}",
                found / value - 1.0
            );
        }
    }

    #[test]
    fn equal_to_sixty_digit_arithmetic() {
        check("normal_upper_tail", |v| normal_upper(v[0]));
        check("normal_upper_quantile", |v| normal_upper_quantile(v[0]));
        check("chi_squared_upper_tail", |v| chi_squared_upper(v[0], v[1]));
        check("chi_squared_upper_quantile", |v| {
            chi_squared_upper_quantile(v[0], v[1])
        });
        check("t_upper_tail", |v| t_upper(v[0], v[1]));
        check("t_upper_quantile", |v| t_upper_quantile(v[0], v[1]));
        check("f_upper_tail", |v| f_upper(v[0], v[1], v[2]));
        check("f_upper_quantile", |v| f_upper_quantile(v[0], v[1], v[2]));
        check("beta_lower_quantile", |v| beta_quantile(v[1], v[2], v[0]));
        let text = include_str!("../../tests/fixtures/special/expected.json");
        let all: serde_json::Value = serde_json::from_str(text).unwrap();
        for case in all["beta_tails"].as_array().unwrap() {
            let at = |key: &str| case[key].as_f64().unwrap();
            let (a, b, x) = (at("a"), at("b"), at("x"));
            for (found, side) in [
                (beta_lower(a, b, x), "lower"),
                (beta_upper(a, b, x), "upper"),
            ] {
                let value = case[side]["value"].as_f64().unwrap();
                let allowed = if value < 1e-30 { 1e-10 } else { 1e-12 };
                assert!(
                    (found / value - 1.0).abs() < allowed,
                    "{side} {a} {b} {x}: {found:e} {value:e}"
                );
            }
        }
    }

    #[test]
    fn large_parameters_are_summed_to_the_end() {
        // Symmetry: the median of Beta(a, a) is one half, far beyond 140 terms.
        for a in [1e3, 1e5, 1e7] {
            assert!((beta_lower(a, a, 0.5) - 0.5).abs() < 1e-12);
        }
        // One more trial at a time: P(X >= k) - P(X >= k + 1) = P(X = k).
        let n = 200_000;
        let drop = binomial_upper(100_000, n, 0.5) - binomial_upper(100_001, n, 0.5);
        let exact = 1.0 / (PI * 1e5).sqrt() * (1.0 - 1.0 / (8.0 * 1e5));
        assert!((drop / exact - 1.0).abs() < 1e-8);
    }
}
