use super::*;
use crate::numeric::seed::{Stream, stream, uniform};
use crate::numeric::special::gamma_upper_quantile;

fn poisson(mean: f64, stream: &mut Stream) -> u64 {
    let (mut left, mut n) = (uniform(stream), 0_u64);
    let mut term = libm::exp(-mean);
    while left > term && n < 10_000 {
        left -= term;
        n += 1;
        term *= mean / n as f64;
    }
    n
}

/// Cells drawn from a known prior.
fn drawn(n: usize, prior: &GammaMixture, zeros: bool) -> Vec<CountCell> {
    let mut stream = stream(41, 0);
    let mut cells = Vec::new();
    for i in 0..n {
        let expected = 0.05 * libm::exp(5.0 * uniform(&mut stream));
        let c = usize::from(uniform(&mut stream) >= prior.share);
        let ratio = gamma_upper_quantile(prior.shape[c], uniform(&mut stream).max(1e-12));
        let count = poisson(ratio / prior.rate[c] * expected, &mut stream);
        if count > 0 || zeros {
            cells.push(CountCell {
                count,
                expected,
                weight: 1.0 + f64::from(u8::from(i % 5 == 0)),
            });
        }
    }
    cells
}

const TRUE: GammaMixture = GammaMixture {
    shape: [3.0, 4.0],
    rate: [0.5, 4.5],
    share: 0.1,
};

#[test]
fn slopes_are_those_of_the_value() {
    for zeros in [ZeroCounts::Truncated, ZeroCounts::Included] {
        let cells = drawn(300, &TRUE, zeros == ZeroCounts::Included);
        let data = Gathered::new(&cells, zeros);
        let at = [0.3, -0.7, 1.1, 0.9, -1.3];
        let (_, slopes) = data.value(&at);
        for i in 0..5 {
            let shifted = |by: f64| {
                let mut there = at;
                there[i] += by;
                data.value(&there).0
            };
            let rise = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
            assert!(
                (rise - slopes[i]).abs() < 1e-5 * (1.0 + rise.abs()),
                "{i}: {rise} {}",
                slopes[i]
            );
        }
    }
}

#[test]
fn a_planted_prior_is_found_with_and_without_zeros() {
    for zeros in [ZeroCounts::Truncated, ZeroCounts::Included] {
        let cells = drawn(1_500, &TRUE, zeros == ZeroCounts::Included);
        let params = GammaPoissonParams {
            zeros,
            ..Default::default()
        };
        let fit = fit_gamma_poisson(&cells, &params).unwrap();
        assert!(
            fit.converged && !fit.at_bound && fit.n_agreeing >= 3,
            "{fit:?}"
        );
        // At the truth the likelihood is no higher, and not far below.
        let data = Gathered::new(&cells, zeros);
        let truth = -data.value(&to_free(&TRUE)).0;
        assert!(fit.log_likelihood >= truth && fit.log_likelihood - truth < 10.0);
        assert!((fit.prior.share - 0.1).abs() < 0.06, "{fit:?}");
        let means = [0, 1].map(|c| fit.prior.shape[c] / fit.prior.rate[c]);
        assert!(
            (means[0] - 6.0).abs() < 2.5 && (means[1] - 0.889).abs() < 0.15,
            "{fit:?}"
        );
    }
}

#[test]
fn weight_two_is_the_cell_twice() {
    let cells = drawn(400, &TRUE, false);
    let mut twice = Vec::new();
    for cell in &cells {
        for _ in 0..cell.weight as usize {
            twice.push(CountCell {
                weight: 1.0,
                ..*cell
            });
        }
    }
    let params = GammaPoissonParams::default();
    assert_eq!(
        fit_gamma_poisson(&cells, &params).unwrap(),
        fit_gamma_poisson(&twice, &params).unwrap()
    );
}

#[test]
fn counts_without_excess_do_not_break_the_search() {
    // Poisson counts around their expectation: both components may collapse into one point.
    let prior = GammaMixture {
        shape: [1e5, 1e5],
        rate: [1e5, 1e5],
        share: 0.5,
    };
    let cells = drawn(500, &prior, true);
    let params = GammaPoissonParams {
        zeros: ZeroCounts::Included,
        ..Default::default()
    };
    let fit = fit_gamma_poisson(&cells, &params).unwrap();
    let score = fit.prior.score(3, 3.0).unwrap();
    assert!((score.ebgm - 1.0).abs() < 0.1, "{fit:?}");
}

#[test]
fn refusals() {
    let params = GammaPoissonParams::default();
    let cells = drawn(100, &TRUE, true);
    let error = fit_gamma_poisson(&cells, &params).unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::OutOfRange { row: Some(_), .. }
    ));
    assert!(fit_gamma_poisson(&cells[..4], &params).is_err());
    let none = GammaPoissonParams {
        starts: vec![],
        ..params.clone()
    };
    assert!(fit_gamma_poisson(&cells, &none).is_err());
    let zero = GammaPoissonParams {
        max_iterations: 0,
        ..params.clone()
    };
    assert!(fit_gamma_poisson(&cells, &zero).is_err());
    let mut bad = cells;
    bad[7].weight = f64::NAN;
    assert!(fit_gamma_poisson(&bad, &params).is_err());
}
