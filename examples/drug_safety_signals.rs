//! Which supplements are reported with which events more often than expected, and what that says.
//!
//! Reports of adverse events of dietary supplements, United States 2012 (FDA CAERS, a work of the US
//! government, public domain; as packaged in openEBGM, Canida and Ihrie 2017, doi
//! 10.32614/RJ-2017-063). Four methods in use by drug regulators judge every pair of product and event;
//! expected counts are summed over the sexes (the file holds no age). Then: what shrinkage takes back,
//! what strata change, products that stand out together, and what a signal is not.
//!
//! ```text
//! cargo run --release --example drug_safety_signals
//! ```

use std::error::Error;
use std::fs::File;
use std::time::Instant;

use galen::association::{
    ReportRows, Reports, SafetySignals, Signal, SignalMeasure, Signals, Verdicts,
};
use galen::ingest::TableReader;
use galen::prelude::*;

type Outcome<T> = Result<T, Box<dyn Error>>;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");
const DATA: &str = "examples/data/caers/caers_2012.csv.gz";
const PICTURE: &str = "target/drug_safety_signals.svg";

/// Pairs and signals by the criteria of Evans, as R counts them.
const RECORDED: (usize, usize) = (17_189, 319);

fn main() -> Outcome<()> {
    let start = Instant::now();
    let reports = read()?;
    let signals = SafetySignals::params().min_reports(3).find(&reports)?;
    println!("{}", signals.table(12, SignalMeasure::Ebgm));
    check(&signals)?;

    small_counts(&signals);
    strata(&reports, &signals)?;
    interactions(&reports)?;

    let figure = signals.figure(20, SignalMeasure::Ebgm);
    std::fs::create_dir_all(format!("{FOLDER}/target"))?;
    std::fs::write(format!("{FOLDER}/{PICTURE}"), galen::report::svg(&figure))?;
    println!("picture: {PICTURE}\n");

    println!("What a signal is not");
    for line in NOT {
        println!("- {line}");
    }
    println!("finished in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

const NOT: [&str; 5] = [
    "No rate: nobody knows how many people took a product, or had the event and told nobody.",
    "No comparison of products: news, lawsuits and firms that report dutifully change who reports.",
    "No cause: people choke on large tablets, and people who are ill take supplements.",
    "No absence: a pair that many other reports hide (masking), or that is rare, is not seen here.",
    "FDA: reports show what was reported, no conclusion of FDA that a product caused an event.",
];

/// One line per report; products and events are lists.
fn read() -> Outcome<Reports> {
    let mut reader = TableReader::new();
    for name in ["sex", "products", "events"] {
        reader = reader.declare(Feature::category(name));
    }
    let table = reader.read(File::open(format!("{FOLDER}/{DATA}"))?)?;
    let matrix = table.into_matrix();
    let (sex, products, events) = (
        matrix.column("sex")?,
        matrix.column("products")?,
        matrix.column("events")?,
    );
    let mut rows = Vec::new();
    for report in 0..matrix.n_rows() {
        let sex = sex.level(report).ok_or("a report without sex")?;
        let products = products.level(report).ok_or("a report without products")?;
        let events = events.level(report).ok_or("a report without events")?;
        for product in products.split('|') {
            rows.extend(events.split('|').map(|event| (report, product, event, sex)));
        }
    }
    Ok(Reports::stratified(rows)?)
}

/// The counts that R finds in the same reports.
fn check(signals: &Signals) -> Outcome<()> {
    let found = (signals.n_pairs, signals.n_found_by(SignalMeasure::Prr));
    if found != RECORDED {
        return Err(format!("R counts {RECORDED:?} pairs and signals, here are {found:?}").into());
    }
    println!(
        "{} pairs, {} signals by the criteria of Evans: as R counts them\n",
        found.0, found.1
    );
    Ok(())
}

/// Ratios of few reports are wild; shrinkage takes them back.
fn small_counts(signals: &Signals) {
    println!("What shrinkage takes back");
    println!("  reports of the pair   signals by PRR   of them by IC   by EBGM");
    for (words, least, most) in [("3", 3, 3), ("4 to 9", 4, 9), ("10 and more", 10, u64::MAX)] {
        let by = |wanted: fn(&Verdicts) -> bool| {
            let found = signals.found_by(SignalMeasure::Prr);
            let found = found.filter(|signal| (least..=most).contains(&signal.counts.n_ab()));
            found.filter(|signal| wanted(&signal.verdicts)).count()
        };
        let counts = [by(|_| true), by(|it| it.ic), by(|it| it.ebgm)];
        println!(
            "  {words:<19} {:>16} {:>15} {:>9}",
            counts[0], counts[1], counts[2]
        );
    }
    println!();
}

/// What summing expectations over the sexes changes.
fn strata(reports: &Reports, stratified: &Signals) -> Outcome<()> {
    let (drugs, events) = (reports.drugs(), reports.events());
    let rows = ReportRows {
        stratum: None,
        ..reports.rows()
    };
    let crude = SafetySignals::params().find(&Reports::from_codes(rows, drugs, events)?)?;
    let same = |signal: &Signal| {
        let mut others = crude.signals.iter();
        others.find(|other| (&other.drug, &other.event) == (&signal.drug, &signal.event))
    };
    let shift = |signal: &Signal| same(signal).map_or(1.0, |it| signal.expected / it.expected);
    let pairs = stratified.signals.iter();
    let most = pairs.max_by(|a, b| shift(a).ln().abs().total_cmp(&shift(b).ln().abs()));
    println!("What strata of sex change");
    for measure in [SignalMeasure::Ic, SignalMeasure::Ebgm] {
        println!(
            "  signals by {:<5} {:>4} with strata, {:>4} without",
            measure.word(),
            stratified.n_found_by(measure),
            crude.n_found_by(measure)
        );
    }
    if let Some((most, other)) = most.and_then(|most| Some((most, same(most)?))) {
        println!(
            "  most changed: {} with {}, {:.2} expected instead of {:.2}",
            most.drug, most.event, most.expected, other.expected
        );
    }
    println!(
        "  Reports without sex are few and a stratum of their own: what stands out in them is"
    );
    println!("  no longer held against all reports.\n");
    Ok(())
}

/// Two products with an event that neither explains.
fn interactions(reports: &Reports) -> Outcome<()> {
    println!("Two products together");
    let found = SafetySignals::params().interactions(reports)?;
    println!("{found}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_counts() -> Outcome<()> {
        let reports = read()?;
        let signals = SafetySignals::params().min_reports(1).find(&reports)?;
        check(&signals)?;
        assert_eq!(signals.signals.len(), RECORDED.0);
        let pair = |drug: &str, event: &str| {
            let mut pairs = signals.signals.iter();
            pairs.find(|pair| (&*pair.drug, &*pair.event) == (drug, event))
        };
        // Values recorded with the data set.
        for (drug, event, n, prr, chi_squared) in [
            (
                "HYDROXYCUT REGULAR RAPID RELEASE CAPLETS",
                "EMOTIONAL DISTRESS",
                19,
                37.163_095_2,
                357.428_045,
            ),
            (
                "HYDROXYCUT REGULAR RAPID RELEASE CAPLETS",
                "ANXIETY",
                18,
                11.266_285_7,
                131.108_264,
            ),
            (
                "CENTRUM SILVER WOMEN'S 50+ MULTIMINERALS MULTIVITAMINS TABLET",
                "CHOKING",
                42,
                3.862_833_3,
                109.373_406,
            ),
        ] {
            let found = pair(drug, event).ok_or("a recorded pair")?;
            assert_eq!(found.counts.n_ab(), n);
            assert!((found.prr.ok_or("PRR")?.value - prr).abs() < 1e-7);
            let test = found.chi_squared.ok_or("chi-squared")?;
            assert!((test.statistic - chi_squared).abs() < 1e-6);
            assert!(found.verdicts.evans && found.verdicts.ic);
        }
        Ok(())
    }
}
