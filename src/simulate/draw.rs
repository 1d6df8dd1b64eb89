//! Draws from a stream that belongs to one patient, one column or one basket.

use crate::numeric::parallel::map_chunks;
use crate::numeric::seed::{Stream, stream, text_code, uniform};

/// Streams of one purpose under one seed: two tables made from one seed share no draws unless
/// they name the same purpose.
#[derive(Debug, Clone, Copy)]
pub(super) struct Streams(u64);

impl Streams {
    pub(super) fn new(purpose: &str, seed: u64) -> Self {
        Self(seed ^ text_code(purpose))
    }

    /// The draws of patient, column or basket `index`.
    pub(super) fn of(self, index: usize) -> Draw {
        Draw(stream(self.0, index as u64))
    }
}

/// Draws in sequence; transcendental functions come from libm, so bits do not depend on the
/// platform's C library.
#[derive(Debug)]
pub(super) struct Draw(Stream);

impl Draw {
    /// Uniform in [0, 1).
    pub(super) fn uniform(&mut self) -> f64 {
        uniform(&mut self.0)
    }

    /// True with probability `p`.
    pub(super) fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// A whole number in `0..n`; 0 when `n` is 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((self.uniform() * n as f64) as usize).min(n.saturating_sub(1))
    }

    /// Standard normal (Box and Muller, Ann. Math. Stat. 29(2), 1958, doi 10.1214/aoms/1177706645).
    /// The second number of the pair is dropped: a draw then has no memory.
    pub(super) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    /// Exponential with the given mean.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.uniform())
    }

    /// Poisson by inversion, for small means.
    pub(super) fn poisson(&mut self, mean: f64) -> u32 {
        let u = self.uniform();
        let mut mass = libm::exp(-mean);
        let mut total = mass;
        let mut count = 0;
        // The mass falls below the resolution of `u` long before 1000 for the means used here.
        while u >= total && count < 1000 {
            count += 1;
            mass *= mean / f64::from(count);
            total += mass;
        }
        count
    }

    /// Position drawn in proportion to weights.
    pub(super) fn pick(&mut self, weights: &[f64]) -> usize {
        let mut rest = self.uniform() * weights.iter().sum::<f64>();
        for (position, weight) in weights.iter().enumerate() {
            rest -= weight;
            if rest < 0.0 {
                return position;
            }
        }
        weights.len().saturating_sub(1)
    }

    /// Failures before the next success of probability `p`; saturates when it never comes.
    pub(super) fn failures(&mut self, p: f64) -> usize {
        if p >= 1.0 {
            return 0;
        }
        // `as` saturates: division by zero at p = 0 means no success in any table.
        (libm::log(1.0 - self.uniform()) / libm::log1p(-p)).abs() as usize
    }
}

/// `make(0), make(1), ..., make(n - 1)`, in parallel, in order.
pub(super) fn each<T: Send>(n: usize, make: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    let parts = map_chunks(n, |range| range.map(&make).collect::<Vec<T>>());
    let mut all = Vec::with_capacity(n);
    parts.into_iter().for_each(|part| all.extend(part));
    all
}

/// Rounds to `digits` decimals, as a laboratory reports.
pub(super) fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

/// log(p / (1 - p)).
pub(super) fn logit(p: f64) -> f64 {
    libm::log(p / (1.0 - p))
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = 40_000;

    /// Mean of `n` draws within 4 standard errors of `mean`.
    fn assert_mean(mean: f64, deviation: f64, mut draw: impl FnMut(&mut Draw) -> f64) {
        let mut source = Streams::new("test", 11).of(0);
        let found = (0..N).map(|_| draw(&mut source)).sum::<f64>() / N as f64;
        let error = deviation / (N as f64).sqrt();
        assert!(
            (found - mean).abs() < 4.0 * error,
            "mean {found}, expected {mean}"
        );
    }

    #[test]
    fn draws_have_their_moments() {
        assert_mean(0.5, 12_f64.sqrt().recip(), Draw::uniform);
        assert_mean(0.0, 1.0, Draw::normal);
        assert_mean(1.0, 2_f64.sqrt(), |draw| draw.normal().powi(2));
        assert_mean(3.0, 3.0, |draw| draw.exponential(3.0));
        assert_mean(2.5, 2.5_f64.sqrt(), |draw| f64::from(draw.poisson(2.5)));
        // Geometric: mean (1 - p) / p, variance (1 - p) / p^2.
        assert_mean(4.0, 20_f64.sqrt(), |draw| draw.failures(0.2) as f64);
        // Levels 0, 1, 2 with probability 1/4, 1/4, 1/2.
        assert_mean(1.25, 0.6875_f64.sqrt(), |draw| {
            draw.pick(&[1.0, 1.0, 2.0]) as f64
        });
        assert_mean(2.0, 2_f64.sqrt(), |draw| draw.below(5) as f64);
    }

    #[test]
    fn edges_of_draws() {
        let mut draw = Streams::new("test", 0).of(0);
        assert_eq!(draw.failures(1.0), 0);
        assert_eq!(draw.failures(0.0), usize::MAX);
        assert_eq!(draw.below(0), 0);
        assert_eq!(draw.poisson(0.0), 0);
        assert_eq!(draw.pick(&[0.0, 1.0]), 1);
        assert!(!draw.chance(0.0) && draw.chance(1.0));
        assert_eq!(rounded(1.256, 2), 1.26);
    }

    #[test]
    fn purposes_and_indices_have_streams_of_their_own() {
        let first = |purpose, seed, index| Streams::new(purpose, seed).of(index).uniform();
        assert_eq!(first("a", 1, 2), first("a", 1, 2));
        assert_ne!(first("a", 1, 2), first("b", 1, 2));
        assert_ne!(first("a", 1, 2), first("a", 2, 2));
        assert_ne!(first("a", 1, 2), first("a", 1, 3));
    }
}
