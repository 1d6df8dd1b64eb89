//! Coded events in time: diagnoses, drugs, laboratory values and a reaction to a drug.

use super::check_rows;
use super::draw::{Draw, Streams, each, rounded};
use super::people::{
    COMORBIDITIES, DIABETES_RENAL, HYPERTENSION_HEART_FAILURE, ODDS_HEART_FAILURE, ODDS_RENAL,
    Person, planted,
};
use crate::matrix::{Span, Time};
use crate::numeric::stable::logistic;

/// 2020-01-01.
const INDEX_TIME: Time = Time(1_577_836_800_000_000);
const LOOK_BACK_DAYS: f64 = 730.0;
const OUTCOME_DAYS: f64 = 90.0;
const MINUTES_PER_DAY: f64 = 1440.0;

const WARFARIN: &str = "ATC/B01AA03";
const METFORMIN: &str = "ATC/A10BA02";
const BLEEDING: &str = "ICD-10/K92.2";
const FIBRILLATION: &str = "ICD-10/I48";
const INR: &str = "LOINC/6301-6";
const HBA1C: &str = "LOINC/4548-4";
const HEMOGLOBIN: &str = "LOINC/718-7";

/// Odds ratio of bleeding within 90 days on warfarin against without.
const WARFARIN_BLEEDING: f64 = 4.0;
/// Odds of bleeding without warfarin.
const ODDS_BLEEDING: f64 = 0.03;
/// Shares of patients on warfarin and on metformin: without the indication, with it.
const ON_WARFARIN: [f64; 2] = [0.02, 0.60];
const ON_METFORMIN: [f64; 2] = [0.01, 0.65];

/// Codes that follow from nothing and lead to nothing.
const BACKGROUND: [&str; 10] = [
    "ICD-10/H52",
    "ICD-10/J06",
    "ICD-10/K02",
    "ICD-10/L30",
    "ICD-10/M54",
    "ICD-10/R05",
    "ICD-10/R51",
    "ICD-10/S93",
    "ICD-10/Z00",
    "ICD-10/Z23",
];
const BACKGROUND_MEAN: f64 = 3.0;

/// One event: whose, when, which code, and a value with its unit where one was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct CodedEvent {
    /// Number of the patient, from 1; the patient key of the simulated matrices.
    pub patient: u32,
    /// When it happened.
    pub time: Time,
    /// Terminology and code, for example `ICD-10/E11`.
    pub code: &'static str,
    /// Measured value.
    pub value: Option<f64>,
    /// Unit of the value in UCUM.
    pub unit: Option<&'static str>,
}

/// Histories of coded events about one index time; made by [`events`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Histories {
    /// Patient by patient, each in time order.
    pub events: Vec<CodedEvent>,
    /// Number of patients; one without events still counts.
    pub n_patients: usize,
    /// Index time of every patient: 2020-01-01. Causes lie in the 730 days before it.
    pub index_time: Time,
    /// Time at risk after the index time: 90 days. The reaction lies in it.
    pub time_at_risk: Span,
    /// What is planted, and one pair that only looks so.
    pub associations: Vec<PlantedAssociation>,
}

/// A pair of codes whose odds ratio over patients is known.
#[derive(Debug, Clone, PartialEq)]
pub struct PlantedAssociation {
    /// Code in the look-back.
    pub cause: &'static str,
    /// Code in the look-back or in the time at risk.
    pub effect: &'static str,
    /// Only patients with this code; without the restriction the pair is confounded.
    pub among: Option<&'static str>,
    /// Odds ratio of having the effect at all, with the cause against without.
    pub odds_ratio: f64,
    /// Risk of the effect without the cause.
    pub risk_without: f64,
}

/// Coded events of the patients `1..=n_patients` of a seed: two years before an index time and 90
/// days after it.
///
/// Each comorbidity of a patient is coded once or more in the look-back. Planted pairs, as odds
/// ratios between patients: I10 and I50 2.8; E11 and N18 3.2; warfarin (B01AA03) in the look-back
/// and bleeding (K92.2) in the time at risk 4.0. Warfarin is given to 60 % of patients with atrial
/// fibrillation and 2 % of the others, so I48 precedes bleeding through the drug alone. Metformin
/// (A10BA02) goes with N18 because both follow diabetes; among patients with E11 its odds ratio
/// is 1. Warfarin raises the INR, bleeding lowers hemoglobin, ten further codes mean nothing.
/// About a dozen events per patient. Cost: some microseconds a patient, in parallel.
///
/// ```
/// let histories = galen::simulate::events(100, 42);
/// let before = |event: &&galen::simulate::CodedEvent| event.time <= histories.index_time;
/// assert!(histories.events.iter().filter(before).count() > 500);
/// assert_eq!(histories.associations[2].odds_ratio, 4.0);
/// ```
///
/// # Panics
/// When `n_patients` is 2^32 - 1 or more.
#[must_use]
pub fn events(n_patients: usize, seed: u64) -> Histories {
    check_rows(n_patients);
    let streams = Streams::new("simulate/events", seed);
    let histories = each(n_patients, |index| {
        let mut history = History {
            patient: index as u32 + 1,
            events: Vec::with_capacity(16),
            draw: streams.of(index),
        };
        history.fill(&Person::draw(seed, index));
        history.events
    });
    let mut events = Vec::with_capacity(histories.iter().map(Vec::len).sum());
    histories
        .into_iter()
        .for_each(|history| events.extend(history));
    Histories {
        events,
        n_patients,
        index_time: INDEX_TIME,
        time_at_risk: Span::days(OUTCOME_DAYS as i64),
        associations: associations(),
    }
}

fn associations() -> Vec<PlantedAssociation> {
    let pair = |cause, effect, odds_ratio, odds: f64| PlantedAssociation {
        cause,
        effect,
        among: None,
        odds_ratio,
        risk_without: odds / (1.0 + odds),
    };
    vec![
        pair(
            "ICD-10/I10",
            "ICD-10/I50",
            HYPERTENSION_HEART_FAILURE,
            ODDS_HEART_FAILURE,
        ),
        pair("ICD-10/E11", "ICD-10/N18", DIABETES_RENAL, ODDS_RENAL),
        pair(WARFARIN, BLEEDING, WARFARIN_BLEEDING, ODDS_BLEEDING),
        PlantedAssociation {
            among: Some("ICD-10/E11"),
            ..pair(METFORMIN, "ICD-10/N18", 1.0, ODDS_RENAL * DIABETES_RENAL)
        },
    ]
}

/// The events of one patient while they are made.
struct History {
    patient: u32,
    events: Vec<CodedEvent>,
    draw: Draw,
}

impl History {
    fn fill(&mut self, person: &Person) {
        for (position, (_, _, has)) in COMORBIDITIES.into_iter().enumerate() {
            if has(person) {
                let times = 1 + self.draw.poisson(0.8);
                self.repeat(times, DIAGNOSES[position]);
            }
        }
        let background = self.draw.poisson(BACKGROUND_MEAN);
        for _ in 0..background {
            let code = BACKGROUND[self.draw.below(BACKGROUND.len())];
            self.repeat(1, code);
        }
        let metformin = ON_METFORMIN[usize::from(person.diabetes)];
        if self.draw.chance(metformin) {
            self.dispense(METFORMIN);
        }
        let on_warfarin = self
            .draw
            .chance(ON_WARFARIN[usize::from(person.atrial_fibrillation)]);
        if on_warfarin {
            self.dispense(WARFARIN);
        }
        self.measure(person, on_warfarin);
        let odds = planted(ODDS_BLEEDING, WARFARIN_BLEEDING, on_warfarin);
        if self.draw.chance(logistic(odds)) {
            self.bleed();
        }
        self.events.sort_by_key(|event| event.time);
    }

    /// `times` events of a code, anywhere in the look-back.
    fn repeat(&mut self, times: u32, code: &'static str) {
        for _ in 0..times {
            let day = -LOOK_BACK_DAYS * self.draw.uniform();
            self.push(day, code, None);
        }
    }

    /// A prescription in the last year, renewed every 90 days up to the index time.
    fn dispense(&mut self, code: &'static str) {
        let mut day = -365.0 * self.draw.uniform();
        while day < 0.0 {
            self.push(day, code, None);
            day += 90.0;
        }
    }

    fn measure(&mut self, person: &Person, on_warfarin: bool) {
        if on_warfarin {
            let inr = (2.4 + 0.5 * self.draw.normal()).clamp(1.0, 8.0);
            let day = -14.0 * self.draw.uniform();
            self.push(day, INR, Some((rounded(inr, 1), "1")));
        }
        for _ in 0..self.draw.poisson(if person.diabetes { 2.0 } else { 0.2 }) {
            let mean = if person.diabetes { 7.4 } else { 5.4 };
            let percent = (mean + 0.9 * self.draw.normal()).clamp(4.0, 15.0);
            let day = -LOOK_BACK_DAYS * self.draw.uniform();
            self.push(day, HBA1C, Some((rounded(percent, 1), "%")));
        }
        for _ in 0..self.draw.poisson(1.0) {
            let day = -LOOK_BACK_DAYS * self.draw.uniform();
            self.hemoglobin(day, 13.6);
        }
    }

    /// Bleeding in the time at risk, with a low hemoglobin within the day.
    fn bleed(&mut self) {
        let day = OUTCOME_DAYS * self.draw.uniform();
        // Nothing lies at the index time itself: before and after are never in doubt.
        let day = day.clamp(1.0 / 24.0, OUTCOME_DAYS - 1.0);
        self.push(day, BLEEDING, None);
        let later = day + self.draw.uniform();
        self.hemoglobin(later, 9.5);
    }

    fn hemoglobin(&mut self, day: f64, mean: f64) {
        let value = (mean + 1.4 * self.draw.normal()).clamp(4.0, 19.0);
        self.push(day, HEMOGLOBIN, Some((rounded(value, 1), "g/dL")));
    }

    /// An event `day` days from the index time, to the minute, never at it.
    fn push(&mut self, day: f64, code: &'static str, measured: Option<(f64, &'static str)>) {
        let minute = (day * MINUTES_PER_DAY) as i64;
        self.events.push(CodedEvent {
            patient: self.patient,
            time: INDEX_TIME + Span::minutes(if day < 0.0 { minute - 1 } else { minute }),
            code,
            value: measured.map(|(value, _)| value),
            unit: measured.map(|(_, unit)| unit),
        });
    }
}

/// Codes of [`COMORBIDITIES`] with their terminology.
const DIAGNOSES: [&str; 8] = [
    FIBRILLATION,
    "ICD-10/C80",
    "ICD-10/J44",
    "ICD-10/F03",
    "ICD-10/E11",
    "ICD-10/I50",
    "ICD-10/I10",
    "ICD-10/N18",
];

#[cfg(test)]
mod tests {
    use super::super::people::tests::{assert_odds_ratio, log_odds_ratio};
    use super::*;

    /// Whether each patient has the code.
    fn having(histories: &Histories, code: &str) -> Vec<bool> {
        let mut has = vec![false; histories.n_patients];
        for event in histories.events.iter().filter(|event| event.code == code) {
            has[event.patient as usize - 1] = true;
        }
        has
    }

    #[test]
    fn planted_associations_are_found() {
        let histories = events(20_000, 1);
        for planted in &histories.associations {
            let cause = having(&histories, planted.cause);
            let effect = having(&histories, planted.effect);
            let within = match planted.among {
                Some(code) => having(&histories, code),
                None => vec![true; histories.n_patients],
            };
            let rows = || (0..histories.n_patients).filter(|row| within[*row]);
            assert_odds_ratio(
                rows().map(|row| (cause[row], effect[row])),
                planted.odds_ratio,
            );
            let (mut n, mut hits) = (0.0, 0.0);
            for row in rows().filter(|row| !cause[*row]) {
                n += 1.0;
                hits += f64::from(u8::from(effect[row]));
            }
            let p = planted.risk_without;
            assert!((hits / n - p).abs() < 4.0 * (p * (1.0 - p) / n).sqrt());
        }
    }

    #[test]
    fn the_confounded_pair_looks_like_an_effect() {
        let histories = events(20_000, 2);
        let confounded = &histories.associations[3];
        let cause = having(&histories, confounded.cause);
        let effect = having(&histories, confounded.effect);
        let (found, error) = log_odds_ratio(cause.into_iter().zip(effect));
        assert!(found > 4.0 * error && found > 0.5, "{found} +- {error}");
        // Fibrillation and bleeding: through warfarin alone, and visible.
        let (found, error) = log_odds_ratio(
            having(&histories, FIBRILLATION)
                .into_iter()
                .zip(having(&histories, BLEEDING)),
        );
        assert!(found > 4.0 * error, "{found} +- {error}");
    }

    #[test]
    fn events_stand_in_order_and_within_their_windows() {
        let histories = events(2_000, 3);
        let end = histories.index_time + histories.time_at_risk;
        let start = histories.index_time - Span::days(LOOK_BACK_DAYS as i64 + 1);
        for pair in histories.events.windows(2) {
            assert!((pair[0].patient, pair[0].time) <= (pair[1].patient, pair[1].time));
        }
        for event in &histories.events {
            assert!(event.time > start && event.time <= end && event.time != INDEX_TIME);
            assert_eq!(
                event.code == BLEEDING,
                event.time > INDEX_TIME && event.value.is_none()
            );
            assert_eq!(event.value.is_some(), event.unit.is_some());
            assert_eq!(event.value.is_some(), event.code.starts_with("LOINC"));
        }
        for (position, (_, code, _)) in COMORBIDITIES.into_iter().enumerate() {
            assert_eq!(DIAGNOSES[position], format!("ICD-10/{code}"));
        }
    }
}
