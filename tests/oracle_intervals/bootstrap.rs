//! Percentile, basic and BCa intervals from the very resamples that this library draws.

use std::sync::Mutex;

use galen::evaluation::{BootstrapOptions, Resampled, bootstrap, bootstrap_binary};

use crate::{FOLDER, Input, close, expected, near};

const PATIENTS: usize = 150;
fn options() -> BootstrapOptions {
    BootstrapOptions {
        replicates: 399,
        seed: 2014,
        level: 0.95,
        bca: true,
    }
}

/// Truth, risk and patient of the encounters of the first patients.
fn rows() -> (Vec<bool>, Vec<f64>, Vec<u32>) {
    let input = Input::read();
    let patients: Vec<u32> = input
        .text("patient")
        .iter()
        .map(|p| p.parse().unwrap())
        .collect();
    let n = patients
        .iter()
        .filter(|p| (**p as usize) < PATIENTS)
        .count();
    (
        input.truth()[..n].to_vec(),
        input.numbers("risk")[..n].to_vec(),
        patients[..n].to_vec(),
    )
}

/// How often each patient was drawn, one line per resample, sorted: their order does not matter.
fn draws() -> String {
    let (_, _, patients) = rows();
    let seen = Mutex::new(Vec::new());
    let plain = BootstrapOptions {
        bca: false,
        ..options()
    };
    bootstrap(patients.len(), Some(&patients), plain, |times| {
        let mut of_patient = vec![0; PATIENTS];
        for (patient, times) in patients.iter().zip(times) {
            of_patient[*patient as usize] = *times as u32;
        }
        let line: String = of_patient.iter().map(u32::to_string).collect();
        seen.lock().unwrap().push(line);
        Ok(vec![times[0]])
    })
    .unwrap();
    let mut lines = seen.into_inner().unwrap();
    // The first call sees every patient once: the estimate itself.
    let ones = "1".repeat(PATIENTS);
    let place = lines.iter().position(|line| *line == ones).unwrap();
    lines.remove(place);
    lines.sort();
    lines.join("\n") + "\n"
}

#[test]
fn draws_are_those_on_record() {
    let recorded = std::fs::read_to_string(format!("{FOLDER}/draws.txt")).unwrap();
    assert_eq!(recorded.lines().count(), options().replicates);
    assert!(recorded.lines().all(|line| line.len() == PATIENTS));
    let drawn = draws();
    if drawn != recorded {
        // What make.R and make.py would have to read, should the draws change on purpose.
        let place = concat!(env!("CARGO_TARGET_TMPDIR"), "/draws.txt");
        std::fs::write(place, drawn).unwrap();
        panic!("other patients are drawn than were recorded; they are in {place}");
    }
}

#[test]
fn intervals_equal_those_of_boot_and_scipy() {
    let (truth, risk, patients) = rows();
    let threshold = 0.15;
    let found =
        bootstrap_binary(&truth, &risk, None, Some(&patients), threshold, options()).unwrap();
    let named = [
        ("auroc", &found.auroc),
        ("auprc", &found.auprc),
        ("brier", &found.brier),
        ("in_the_large", &found.in_the_large),
        ("slope", &found.slope),
        ("sensitivity", &found.sensitivity),
        ("specificity", &found.specificity),
        ("ppv", &found.ppv),
        ("npv", &found.npv),
        ("net_benefit", &found.net_benefit),
    ];
    let expected = expected();
    for (name, of) in named {
        let of: &Resampled = of.as_ref().unwrap();
        let reference = &expected["bootstrap"][name];
        // The fits of R and of this library settle within 1e-9 of each other.
        let tolerance = 1e-8;
        near(of.estimate, &reference["estimate"], tolerance);
        close(of.se, &reference["se"], 1e-7);
        let scipy = &reference["scipy"];
        near(of.lower, &scipy["percentile"][0], tolerance);
        near(of.upper, &scipy["percentile"][1], tolerance);
        near(of.basic_lower, &scipy["basic"][0], tolerance);
        near(of.basic_upper, &scipy["basic"][1], tolerance);
        let [lower, upper] = of.bca.unwrap();
        near(lower, &scipy["bca"][0], 1e-7);
        near(upper, &scipy["bca"][1], 1e-7);
        // boot interpolates between order statistics on the normal scale, type 7 on the plain one,
        // and at other places: both lie between the same neighbours.
        let boot = &reference["boot"];
        if boot["tied"].is_null() {
            continue; // R has no average precision
        }
        for (found, side) in [(of.lower, "lower"), (of.upper, "upper")] {
            let around = &boot["percentile"][side];
            let [from, to] = [0, 1].map(|k| around["between"][k].as_f64().unwrap());
            assert!((from - 1e-8..=to + 1e-8).contains(&found), "{name} {side}");
            let limit = around["limit"].as_f64().unwrap();
            assert!((from..=to).contains(&limit), "{name} {side}");
        }
        // Where a resample has the estimate's very value, boot does not count it as half below.
        if boot["tied"].as_u64() == Some(0) {
            for (found, side) in [(lower, "lower"), (upper, "upper")] {
                let around = &boot["bca_type_7"][side];
                let [from, to] = [0, 1].map(|k| around[k].as_f64().unwrap());
                assert!((from - 1e-8..=to + 1e-8).contains(&found), "{name} {side}");
                assert!(to - from < 0.01, "the place is known well: {name} {side}");
            }
        }
    }
}
