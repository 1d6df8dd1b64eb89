//! Gauss-Legendre rules on (0, 1).

/// Points of a chunk: what one step of arithmetic handles.
pub(super) const LANES: usize = 4;

/// `LANES` points of a rule.
pub(super) type Lanes = [f64; LANES];

/// Points `t` of a rule in chunks, with `1 - t` and the weights (their sum is 1).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    pub(super) points: Vec<Lanes>,
    pub(super) rests: Vec<Lanes>,
    pub(super) weights: Vec<Lanes>,
}

impl Rule {
    /// The rule of `LANES * n_chunks` points: exact for polynomials of a degree below twice as many.
    pub(super) fn new(n_chunks: usize) -> Self {
        let n = LANES * n_chunks.max(1);
        let mut points = vec![0.0; n];
        let mut weights = vec![0.0; n];
        for i in 0..n / 2 {
            let (x, slope) = root(n, i);
            let weight = 1.0 / ((1.0 - x * x) * slope * slope);
            points[i] = (1.0 - x) / 2.0;
            points[n - 1 - i] = (1.0 + x) / 2.0;
            weights[i] = weight;
            weights[n - 1 - i] = weight;
        }
        let rests: Vec<f64> = points.iter().rev().copied().collect();
        let chunks = |list: &[f64]| list.as_chunks::<LANES>().0.to_vec();
        Self {
            points: chunks(&points),
            rests: chunks(&rests),
            weights: chunks(&weights),
        }
    }
}

/// The `i`-th positive root of the Legendre polynomial of even degree `n`, largest first, by Newton
/// steps, and the slope there.
fn root(n: usize, i: usize) -> (f64, f64) {
    let degree = n as f64;
    let mut x = libm::cos(std::f64::consts::PI * (i as f64 + 0.75) / (degree + 0.5));
    let mut slope = 1.0;
    for _ in 0..8 {
        let (mut before, mut value) = (1.0, x);
        for k in 2..=n {
            let k = k as f64;
            (before, value) = (
                value,
                ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k,
            );
        }
        slope = degree * (before - x * value) / (1.0 - x * x);
        x -= value / slope;
    }
    (x, slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integral(rule: &Rule, of: impl Fn(f64) -> f64) -> f64 {
        let points = rule.points.iter().flatten();
        let terms = points.zip(rule.weights.iter().flatten());
        terms.map(|(point, weight)| weight * of(*point)).sum()
    }

    #[test]
    fn four_points_are_the_published_ones() {
        // Abramowitz and Stegun, table 25.4, n = 4, on (-1, 1).
        let rule = Rule::new(1);
        let expected = [
            (-0.861_136_311_594_053, 0.347_854_845_137_454),
            (-0.339_981_043_584_856, 0.652_145_154_862_546),
        ];
        for (i, (x, weight)) in expected.into_iter().enumerate() {
            assert!((2.0 * rule.points[0][i] - 1.0 - x).abs() < 1e-15);
            assert!((2.0 * rule.weights[0][i] - weight).abs() < 1e-15);
        }
    }

    #[test]
    fn polynomials_below_twice_the_points_are_exact() {
        for n_chunks in [1, 2, 4, 16] {
            let rule = Rule::new(n_chunks);
            let highest = 2 * LANES * n_chunks - 1;
            for degree in [0, 1, highest / 2, highest] {
                let exact = 1.0 / (degree as f64 + 1.0);
                let found = integral(&rule, |t| t.powi(degree as i32));
                assert!(
                    (found / exact - 1.0).abs() < 2e-14,
                    "{n_chunks} {degree} {found}"
                );
            }
            let beyond = integral(&rule, |t| t.powi(highest as i32 + 1));
            let exact = 1.0 / (highest as f64 + 2.0);
            assert!(n_chunks > 1 || (beyond / exact - 1.0).abs() > 1e-9);
        }
    }
}
