//! What comes together in patients with diabetes, and what of it survives a statistician?
//!
//! Diagnoses (three an encounter, rolled up by block of ICD-9-CM) and drugs of 101,766 encounters in 130
//! hospitals (Strack et al. 2014, doi 10.1155/2014/781670; CC BY 4.0) are mined by patient: pairs beyond
//! what chance, age, sex and the length of a record explain; rules that improve on simpler ones; what is
//! surprisingly rare together. All are searched in one half of the patients and put to the test in the
//! other. Run with `cargo run --release --example comorbidity_rules`.

mod encounters;
#[cfg(test)]
mod tests;

use std::time::Instant;

use galen::association::{
    Adjustment, ConfirmParams, Cooccurrence, FrequentItemsets, Itemsets, PairCounts, Pairs,
    Pathways, Rules, Steps, Strata, TimeTo,
};
use galen::design::{Histories, Items};
use galen::prelude::*;
use galen::report::{Block, Document, Table};

use encounters::{Outcome, age_and_sex, chapter, items, read, rolled_up, steps};

const REPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/comorbidity_rules.html");

/// Pairs beyond chance, then beyond age and sex, then beyond the length of the record.
fn pairs(items: &Items, strata: &Strata) -> Outcome<[Pairs; 3]> {
    let params = Cooccurrence::params().min_count(50);
    let crude = params.find(items)?;
    let within = params.find_within(items, strata)?;
    let honest = params.record_lengths(true).find_within(items, strata)?;
    Ok([crude, within, honest])
}

/// Rules in which every item matters.
fn rules(items: &Items, strata: &Strata) -> Outcome<(Itemsets, Rules)> {
    let sets = FrequentItemsets::params()
        .min_support(0.002)
        .lengths(1..=3)
        .mine(items)?;
    let rules = Rules::params()
        .adjustment(Adjustment::Holm)
        .min_lift(1.2)
        .min_improvement(0.01)
        .productive(0.01)
        .absent(1)
        .find_within(items, &sets, strata)?;
    Ok((sets, rules))
}

fn main() -> Outcome<()> {
    let start = Instant::now();
    let cohort = read()?;
    let half = Split::by_rule(|patient| patient.parse::<u64>().is_ok_and(|n| n % 2 == 1));
    let (train, held_out) = half.apply(&cohort)?;

    let itemizer = items(&train.records)?;
    let (items, together) = rolled_up(&itemizer.items(&train.records)?).collapsed();
    let ages = age_and_sex(&train.records)?;
    let strata = Strata::of_items(&ages.items(&train.records)?);
    println!(
        "{} patients to search in, {} items, {} strata of age and sex; always together: {together:?}\n",
        items.n_units(),
        items.n_items(),
        strata.len()
    );

    let [crude, within, honest] = pairs(&items, &strata)?;
    println!(
        "{} pairs judged: {} survive chance, {} also age and sex, {} also the length of records\n",
        crude.n_tests(),
        crude.len(),
        within.len(),
        honest.len()
    );
    println!("{honest}");

    let (sets, rules) = rules(&items, &strata)?;
    let told = rules.confirm_in(
        &itemizer,
        held_out.rows(),
        Some(&ages),
        &ConfirmParams::default(),
    )?;
    println!(
        "{} itemsets, {} rules tried, {} found, {} tested in other patients, {} confirmed\n",
        sets.len(),
        rules.n_tests(),
        rules.len(),
        told.rules.len(),
        told.n_confirmed()
    );
    let mut table = Table::new("Rules that other patients confirmed, within age and sex")
        .text("Rule")
        .number("Patients")
        .number("Confidence")
        .number("Odds ratio (95 %)")
        .number("Held out")
        .number("p, held out");
    for rule in told.rules.iter().filter(|rule| rule.confirmed).take(25) {
        let odds = rule.rule.stratified.and_then(|within| within.odds_ratio);
        let share =
            |counts: &PairCounts| format!("{:.1} %", 100.0 * counts.confidence().unwrap_or(0.0));
        table = table.row([
            rules.text(&rule.rule),
            rule.rule.counts.n_ab().to_string(),
            share(&rule.rule.counts),
            odds.map_or("-".into(), |odds| {
                format!("{:.2} ({:.2} to {:.2})", odds.value, odds.lower, odds.upper)
            }),
            share(&rule.counts),
            format!("{:.0e}", rule.adjusted_p),
        ]);
    }

    // Pathways: the first diagnoses of those who came back, by chapter. The table has no dates, so that
    // "days" count encounters.
    let (n_patients, visits) = steps(&train.records)?;
    let histories = Histories::from_days(n_patients, visits)?;
    let ways = Pathways::params().steps(Steps::Every).count(&histories)?;
    println!("{ways}");
    // Nothing is known of patients but their encounters: curves would be biased, orders are told alone.
    let histories = histories.followed_to_last_event();
    let orders = TimeTo::params().window(5).min_count(30).find(&histories)?;
    println!(
        "Orders that are more than chance, within five encounters: {}",
        orders.len()
    );
    for order in orders.iter().take(10) {
        let [first, then] = &order.names;
        let share = order
            .direction
            .as_ref()
            .map_or(0.5, |test| test.share.value);
        println!(
            "   {:>4} patients, {:>3.0} % in this order: {first}, then {then}",
            order.n_followed,
            100.0 * share
        );
    }
    println!();

    let network = honest.network(40);
    let page = Document::new("Comorbidity in diabetes")
        .with(Block::Paragraph(format!(
            "{} patients. Pairs of diagnoses and drugs that come together more often than age, sex \
             and the length of a record explain; associations, not causes.",
            items.n_units()
        )))
        .with(Block::Figures(vec![
            network.figure("Pairs beyond chance, age, sex and record length", chapter),
            ways.figure("First diagnoses of successive encounters, patients who came back"),
        ]))
        .with(Block::Table(table));
    println!("{}", page.to_text());
    std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/target"))?;
    std::fs::write(REPORT, page.to_html())?;
    println!("report: {REPORT}");
    println!("finished in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}
