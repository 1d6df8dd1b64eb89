//! Sums and functions that keep their digits.

/// Compensated sum (Neumaier, ZAMM 54, 1974, doi 10.1002/zamm.19740540106).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    /// Adds one term.
    #[inline]
    pub(crate) fn add(&mut self, term: f64) {
        let total = self.total + term;
        self.lost += if self.total.abs() >= term.abs() {
            (self.total - total) + term
        } else {
            (term - total) + self.total
        };
        self.total = total;
    }

    /// The value.
    pub(crate) fn value(self) -> f64 {
        self.total + self.lost
    }
}

impl FromIterator<f64> for Sum {
    fn from_iter<I: IntoIterator<Item = f64>>(terms: I) -> Self {
        let mut sum = Self::default();
        terms.into_iter().for_each(|term| sum.add(term));
        sum
    }
}

/// Compensated sum of an iterator.
pub(crate) fn sum(terms: impl IntoIterator<Item = f64>) -> f64 {
    terms.into_iter().collect::<Sum>().value()
}

/// log(1 + exp(x)) without overflow.
#[inline]
pub(crate) fn log1p_exp(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

/// 1 / (1 + exp(-x)) without overflow; keeps relative precision in both tails.
#[inline]
pub(crate) fn logistic(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + libm::exp(-x))
    } else {
        let e = libm::exp(x);
        e / (1.0 + e)
    }
}

/// log(p / (1 - p)).
#[inline]
pub(crate) fn logit(p: f64) -> f64 {
    libm::log(p) - libm::log1p(-p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compensation_keeps_small_terms() {
        let mut terms = vec![1.0];
        terms.extend(std::iter::repeat_n(1e-16, 10_000));
        assert!((sum(terms.iter().copied()) - (1.0 + 1e-12)).abs() < 1e-16);
        assert!(
            (terms.iter().sum::<f64>() - 1.0).abs() < 1e-16,
            "the plain sum loses them"
        );
    }

    #[test]
    fn logistic_keeps_its_tails() {
        assert_eq!(logistic(0.0), 0.5);
        assert!((logistic(-700.0) / libm::exp(-700.0) - 1.0).abs() < 1e-14);
        assert_eq!(logistic(800.0), 1.0);
        assert_eq!(log1p_exp(800.0), 800.0);
        assert!((log1p_exp(-50.0) / libm::exp(-50.0) - 1.0).abs() < 1e-14);
        assert!((logit(logistic(2.5)) - 2.5).abs() < 1e-14);
    }
}
