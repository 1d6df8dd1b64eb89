//! Safety signals against R and against the published estimates of openEBGM, on the dietary
//! supplement reports that openEBGM is shown with.
//!
//! The reference values, their tools and versions stand in `tests/fixtures/safety`.

use std::io::Read;
use std::sync::OnceLock;

use galen::association::{
    CountCell, EvansCriteria, GammaMixture, GammaPoissonFit, GammaPoissonParams, InteractionCounts,
    ReportCounts, ReportRows, Reports, SafetySignals, SignalMeasure, ZeroCounts, bcpnn,
    count_reports, disproportionality, fit_gamma_poisson, information_component, omega, squash,
};
use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/safety");

fn expected() -> &'static Value {
    static ALL: OnceLock<Value> = OnceLock::new();
    ALL.get_or_init(|| {
        let text = std::fs::read_to_string(format!("{FOLDER}/expected.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    })
}

/// Report, drug, event, stratum of every row.
fn columns() -> [Vec<u32>; 4] {
    let file = std::fs::File::open(format!("{FOLDER}/input.csv.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    let mut columns = [const { Vec::new() }; 4];
    for line in text.lines().skip(1) {
        for (column, cell) in columns.iter_mut().zip(line.split(',')) {
            column.push(cell.parse::<u32>().unwrap());
        }
    }
    columns
}

/// Counts without and with strata.
fn counts() -> &'static [ReportCounts; 2] {
    static ALL: OnceLock<[ReportCounts; 2]> = OnceLock::new();
    ALL.get_or_init(|| {
        let [report, drug, event, stratum] = &columns();
        [None, Some(&stratum[..])].map(|stratum| {
            count_reports(ReportRows {
                report,
                drug,
                event,
                stratum,
            })
            .unwrap()
        })
    })
}

fn cells(counts: &ReportCounts) -> Vec<CountCell> {
    counts
        .pairs
        .iter()
        .map(|pair| CountCell {
            count: pair.counts.n_ab(),
            expected: pair.expected,
            weight: 1.0,
        })
        .collect()
}

#[track_caller]
fn near(found: f64, expected: &Value, tolerance: f64) {
    let expected = match expected.as_str() {
        Some("inf") => f64::INFINITY,
        _ => expected.as_f64().unwrap(),
    };
    assert!(
        found == expected || (found - expected).abs() <= tolerance * expected.abs().max(1e-3),
        "{found:e} instead of {expected:e}"
    );
}

#[test]
fn counts_and_evans_signals() {
    let all = expected();
    let found = &counts()[0];
    assert_eq!(found.n_reports, all["n_reports"].as_u64().unwrap());
    assert_eq!((found.n_reports, found.pairs.len()), (3_356, 17_189));
    assert_eq!(found.drugs.len() as u64, all["n_drugs"].as_u64().unwrap());
    assert_eq!(found.events.len() as u64, all["n_events"].as_u64().unwrap());
    let (mut signals, mut infinite, mut chi2) = (0, 0, 0.0);
    for pair in &found.pairs {
        let found = disproportionality(&pair.counts, &EvansCriteria::default(), 0.95).unwrap();
        signals += u64::from(found.signal);
        infinite += u64::from(found.prr.unwrap().value == f64::INFINITY);
        chi2 += found.chi_squared.unwrap().statistic;
    }
    assert_eq!((signals, infinite), (319, 1_159));
    assert_eq!(all["n_signals"], 319);
    near(chi2, &all["sums"]["chi2"], 1e-10);
    for (counts, name) in counts().iter().zip(["expected", "stratified"]) {
        let sum: f64 = counts.pairs.iter().map(|pair| pair.expected).sum();
        near(sum, &all["sums"][name], 1e-11);
    }
    let zeros: u64 = found
        .unreported()
        .unwrap()
        .iter()
        .map(|cell| cell.n_pairs)
        .sum();
    assert_eq!(
        zeros + 17_189,
        found.drugs.len() as u64 * found.events.len() as u64
    );
}

#[test]
fn measures_of_chosen_pairs_as_r() {
    let all = expected();
    let prior = published_prior(&all["theta"]);
    let [plain, stratified] = counts();
    let mut above = 0;
    for pair in &stratified.pairs {
        let found = information_component(pair.counts.n_ab(), pair.expected, 0.95).unwrap();
        above += u64::from(found.lower > 0.0);
    }
    assert_eq!(all["n_ic025_above_0"], above);
    for row in all["pairs"].as_array().unwrap() {
        let code = |place: usize| row[place].as_u64().unwrap();
        let place = plain
            .pairs
            .iter()
            .position(|pair| u64::from(pair.drug) == code(0) && u64::from(pair.event) == code(1))
            .unwrap();
        let (pair, other) = (&plain.pairs[place], &stratified.pairs[place]);
        assert_eq!(pair.counts.n_ab(), code(2));
        assert_eq!((pair.counts.n_a(), pair.counts.n_b()), (code(3), code(4)));
        near(pair.expected, &row[5], 1e-13);
        near(other.expected, &row[6], 1e-12);
        let found = disproportionality(&pair.counts, &EvansCriteria::default(), 0.95).unwrap();
        for (estimate, place) in [(found.prr, 7), (found.ror, 9)] {
            let estimate = estimate.unwrap();
            near(estimate.value, &row[place], 1e-12);
            if let Some(se) = estimate.se {
                near(se, &row[place + 1], 1e-11);
            }
        }
        near(found.chi_squared.unwrap().statistic, &row[11], 1e-10);
        let ic = information_component(code(2), other.expected, 0.95).unwrap();
        near(ic.value, &row[12], 1e-11);
        near(ic.lower, &row[13], 1e-10);
        near(ic.upper, &row[14], 1e-10);
        let old = bcpnn(&pair.counts, 0.95).unwrap();
        near(old.value, &row[15], 1e-10);
        near(old.se.unwrap(), &row[16], 1e-10);
        let score = prior.score(code(2), pair.expected).unwrap();
        near(score.share, &row[17], 1e-10);
        near(score.ebgm, &row[18], 1e-11);
        near(score.eb05, &row[19], 1e-9);
        near(score.eb95, &row[20], 1e-9);
    }
}

fn published_prior(theta: &Value) -> GammaMixture {
    let at = |place: usize| theta[place].as_f64().unwrap();
    GammaMixture {
        shape: [at(0), at(2)],
        rate: [at(1), at(3)],
        share: at(4),
    }
}

#[test]
fn all_scores_add_up_as_r() {
    let all = expected();
    let cells = cells(&counts()[0]);
    let scores = published_prior(&all["theta"]).scores(&cells).unwrap();
    let sums = &all["sums"];
    near(
        scores.iter().map(|score| score.ebgm).sum(),
        &sums["ebgm"],
        1e-11,
    );
    near(
        scores.iter().map(|score| score.eb05).sum(),
        &sums["eb05"],
        1e-9,
    );
    near(
        scores.iter().map(|score| score.eb95).sum(),
        &sums["eb95"],
        1e-9,
    );
    let above = scores.iter().filter(|score| score.eb05 > 2.0).count();
    assert_eq!(all["n_eb05_above_2"].as_u64().unwrap(), above as u64);
}

/// The likelihood is flat: parameters of equal likelihood differ in the fifth digit.
#[track_caller]
fn same_fit(found: &GammaPoissonFit, expected: &Value, tolerance: f64) {
    assert!(
        found.converged && !found.at_bound && found.n_agreeing >= 2,
        "{found:?}"
    );
    near(found.log_likelihood, &expected["log_likelihood"], 1e-9);
    assert!(found.log_likelihood >= expected["log_likelihood"].as_f64().unwrap() - 1e-6);
    let prior = found.prior;
    let theta = [
        prior.shape[0],
        prior.rate[0],
        prior.shape[1],
        prior.rate[1],
        prior.share,
    ];
    for (found, expected) in theta.into_iter().zip(expected["theta"].as_array().unwrap()) {
        near(found, expected, tolerance);
    }
}

#[test]
fn the_prior_as_r_and_as_published() {
    let all = expected();
    let cells = cells(&counts()[0]);
    let params = GammaPoissonParams::default();
    let full = fit_gamma_poisson(&cells, &params).unwrap();
    same_fit(&full, &all["fits"]["full"], 1e-3);
    // From its own starts openEBGM ends on a lower summit: its handbook prints these parameters and
    // -log-likelihood 4162.456, R's search from the same starts finds the same.
    let handbook = GammaPoissonParams {
        starts: params.starts[1..4].to_vec(),
        ..params.clone()
    };
    let fit = fit_gamma_poisson(&cells, &handbook).unwrap();
    same_fit(&fit, &all["fits"]["of_handbook"], 1e-4);
    assert!((fit.log_likelihood + 4_162.456).abs() < 5e-4);
    assert!(full.log_likelihood > fit.log_likelihood + 0.2);
    let published = [
        3.255_966_85,
        0.399_989_94,
        2.023_761_39,
        1.906_141_08,
        0.065_307_55,
    ];
    let prior = fit.prior;
    let theta = [
        prior.shape[0],
        prior.rate[0],
        prior.shape[1],
        prior.rate[1],
        prior.share,
    ];
    for (found, published) in theta.into_iter().zip(published) {
        assert!(
            (found / published - 1.0).abs() < 1e-5,
            "{found} {published}"
        );
    }
    let once = squash(&cells, 1, 50, 100).unwrap();
    assert_eq!(once.len(), 1_568);
    let fit = fit_gamma_poisson(&once, &handbook).unwrap();
    same_fit(&fit, &all["fits"]["squashed_once"], 1e-4);
    // nlm of the handbook ended at 4162.496 on these 1,568 points.
    assert!((fit.log_likelihood + 4_162.496).abs() < 5e-4);
    let twice = squash(&once, 2, 10, 50).unwrap();
    assert_eq!(
        all["n_squashed_twice"].as_u64().unwrap(),
        twice.len() as u64
    );
    let fit = fit_gamma_poisson(&twice, &handbook).unwrap();
    same_fit(&fit, &all["fits"]["squashed_twice"], 1e-4);
    assert!((fit.log_likelihood + 4_161.93).abs() < 5e-3);
}

#[test]
fn the_prior_with_strata_and_with_zeros_as_r() {
    let all = expected();
    let [plain, stratified] = counts();
    let params = GammaPoissonParams::default();
    let fit = fit_gamma_poisson(&cells(stratified), &params).unwrap();
    same_fit(&fit, &all["fits"]["stratified"], 1e-4);
    let mut with_zeros = cells(plain);
    with_zeros.extend(plain.unreported().unwrap().iter().map(|cell| CountCell {
        count: 0,
        expected: cell.expected,
        weight: cell.n_pairs as f64,
    }));
    let params = GammaPoissonParams {
        zeros: ZeroCounts::Included,
        ..params
    };
    let fit = fit_gamma_poisson(&with_zeros, &params).unwrap();
    same_fit(&fit, &all["fits"]["with_zeros"], 1e-4);
}

#[test]
fn interactions_as_r() {
    for row in expected()["omega"].as_array().unwrap() {
        let group = |place: usize| {
            (
                row[place].as_u64().unwrap(),
                row[place + 1].as_u64().unwrap(),
            )
        };
        let found = omega(
            &InteractionCounts {
                neither: group(0),
                first: group(2),
                second: group(4),
                both: group(6),
            },
            0.95,
        )
        .unwrap();
        near(found.expected, &row[8], 1e-12);
        near(found.omega.value, &row[9], 1e-11);
        near(found.omega.lower, &row[10], 1e-10);
        near(found.omega.upper, &row[11], 1e-10);
        near(found.normal_lower, &row[12], 1e-11);
    }
}

/// The front door finds what its parts find, at any number of threads.
#[test]
fn safety_signals_as_r() {
    let all = expected();
    let columns = columns();
    let [report, drug, event, stratum] = &columns;
    let names = |column: &[u32]| -> Vec<String> {
        let codes = 0..=*column.iter().max().unwrap();
        codes.map(|code| format!("{code:04}")).collect()
    };
    let reports = |stratum| {
        let rows = ReportRows {
            report,
            drug,
            event,
            stratum,
        };
        Reports::from_codes(rows, &names(drug), &names(event)).unwrap()
    };
    let (plain, stratified) = (reports(None), reports(Some(&stratum[..])));
    let params = SafetySignals::params()
        .min_reports(1)
        .known_prior(published_prior(&all["theta"]));
    let found = params.find(&plain).unwrap();
    assert_eq!((found.n_reports, found.n_pairs), (3_356, 17_189));
    assert_eq!(all["n_signals"], found.n_found_by(SignalMeasure::Prr));
    assert_eq!(all["n_eb05_above_2"], found.n_found_by(SignalMeasure::Ebgm));
    let scores = found.signals.iter().map(|signal| signal.ebgm.unwrap());
    near(
        scores.map(|score| score.eb05).sum(),
        &all["sums"]["eb05"],
        1e-9,
    );
    let fitted = SafetySignals::params().min_reports(1);
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| {
            (
                fitted.find(&stratified).unwrap(),
                fitted.clone().min_reports(3).interactions(&plain).unwrap(),
            )
        })
    };
    let (found, interactions) = with_threads(1);
    assert_eq!(all["n_ic025_above_0"], found.n_found_by(SignalMeasure::Ic));
    same_fit(&found.fit.unwrap(), &all["fits"]["stratified"], 1e-4);
    assert!(interactions.n_tested > 10, "{interactions}");
    assert_eq!(with_threads(3), (found, interactions));
}
