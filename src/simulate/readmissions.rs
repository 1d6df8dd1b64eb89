//! Encounters of a hospital stay with a 30-day readmission, risk known.

use super::draw::{Draw, Streams, each, rounded};
use super::people::{
    COMORBIDITIES, PAYERS, Person, SEXES, SITES, age_feature, payer_feature, sex_feature,
};
use super::{Coefficient, assemble, check_rows, dense, flags, levels};
use crate::matrix::{Binary, Column, Feature, PatientMatrix, RowKeys, Span, Time};
use crate::numeric::seed::{shuffle, stream};
use crate::numeric::stable::logistic;

/// First admissions fall within three years of 2015-01-01.
const REGISTRY_START: Time = Time(1_420_070_400_000_000);
const MINUTES_PER_DAY: i64 = 24 * 60;
const RECRUITMENT_DAYS: usize = 3 * 365;
/// Days after discharge within which an admission counts.
const RISK_DAYS: i64 = 30;

/// Set so that 11 % of rows are events; `tests::event_rate` holds it there.
const INTERCEPT: f64 = 2.222;
const AGE: f64 = 0.02;
const MALE: f64 = 0.15;
const EMERGENCY: f64 = 0.35;
const LENGTH_OF_STAY: f64 = 0.04;
const PRIOR_VISITS: f64 = 0.22;
const CREATININE: f64 = 0.35;
const HEMOGLOBIN: f64 = -0.10;
const SODIUM: f64 = -0.04;

const WARDS: [&str; 4] = ["cardiology", "medicine", "oncology", "surgery"];
const WARD: [f64; 4] = [0.25, 0.0, 0.45, -0.35];
const SURGERY: usize = 3;
/// In the order of [`COMORBIDITIES`]; hypertension has no effect of its own.
const COMORBIDITY: [f64; 8] = [0.10, 0.30, 0.30, 0.25, 0.20, 0.45, 0.0, 0.25];

/// Encounters, whether a readmission followed within 30 days, and the risk each was drawn from.
///
/// Made by [`readmissions`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Readmissions {
    /// One row per encounter at its discharge; keys patient, site and index time; laboratory
    /// values missing where they were not ordered.
    pub matrix: PatientMatrix,
    /// The same rows with every laboratory value that was hidden; all other columns are shared.
    pub complete: PatientMatrix,
    /// Whether the patient was readmitted within 30 days.
    pub target: Binary,
    /// The probability from which each outcome was drawn, by row.
    pub true_risk: Vec<f64>,
    /// True log-odds, intercept first, every level of a category listed; a logistic model of the
    /// columns of `complete` with these coefficients is the truth.
    pub coefficients: Vec<Coefficient>,
}

impl Readmissions {
    /// True log-odds of a term: `intercept`, a feature, or `feature=level`.
    #[must_use]
    pub fn log_odds(&self, term: &str) -> Option<f64> {
        Coefficient::find(&self.coefficients, term)
    }
}

/// One encounter.
#[derive(Debug)]
struct Stay {
    patient: usize,
    site: usize,
    discharge: Time,
    age: f64,
    is_male: bool,
    payer: usize,
    ward: usize,
    emergency: bool,
    length_of_stay: f64,
    prior_visits: f64,
    labs: [f64; 3],
    hidden: [bool; 3],
    comorbidities: [bool; 8],
    risk: f64,
    readmitted: bool,
}

/// `n` encounters of `0.7 n` patients with a readmission within 30 days in about 11 % of rows.
///
/// Columns: `age`, `sex`, `payer`, `ward`, `emergency`, `length_of_stay`, `prior_visits`,
/// `creatinine`, `hemoglobin`, `sodium` and eight comorbidity flags. The outcome follows a logistic
/// model without interactions, whose log-odds are in [`Readmissions::coefficients`]; `payer` and
/// `hypertension` have no effect. Creatinine and sodium are ordered together, more often in
/// emergencies and when creatinine is high, so that their absence carries information; hemoglobin
/// is seldom absent on the surgical ward. Rows stand patient by patient in time order, a later
/// encounter begins within 30 days of discharge exactly where the target of the earlier one is
/// true, and patient `i` is patient `i` of [`super::patients`] under the same seed. Cost: some
/// microseconds a row, in parallel.
///
/// ```
/// # fn main() -> galen::Result<()> {
/// let cohort = galen::simulate::readmissions(1_000, 42);
/// assert_eq!(cohort.target.event_name(), "readmitted within 30 days");
/// assert_eq!(cohort.true_risk.len(), 1_000);
/// assert_eq!(cohort.log_odds("sex=male"), Some(0.15));
/// assert_eq!(cohort.matrix.column("ward")?.levels().len(), 4);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// When `n` is 2^32 - 1 or more.
#[must_use]
pub fn readmissions(n: usize, seed: u64) -> Readmissions {
    check_rows(n);
    let n_stays = stays_per_patient(n, seed);
    let streams = Streams::new("simulate/readmissions", seed);
    let stays: Vec<Stay> = each(n_stays.len(), |patient| {
        stays_of(patient, n_stays[patient], seed, streams.of(patient))
    })
    .into_iter()
    .flatten()
    .collect();

    let keys = RowKeys::none()
        .patients(stays.iter().map(|stay| stay.patient + 1))
        .sites(stays.iter().map(|stay| SITES[stay.site]))
        .times(stays.iter().map(|stay| stay.discharge));
    let mut columns = context_columns(&stays);
    let first_lab = columns.len();
    for (lab, feature) in lab_features().into_iter().enumerate() {
        columns.push((feature, dense(&stays, |stay| stay.labs[lab])));
    }
    for (index, (name, code, _)) in COMORBIDITIES.into_iter().enumerate() {
        let feature = Feature::flag(name).code("ICD-10", code);
        columns.push((feature, flags(&stays, |stay| stay.comorbidities[index])));
    }
    let complete = assemble(columns.clone(), keys.clone());
    for lab in 0..3 {
        columns[first_lab + lab].1 = dense(&stays, |stay| match stay.hidden[lab] {
            true => f64::NAN,
            false => stay.labs[lab],
        });
    }
    Readmissions {
        matrix: assemble(columns, keys),
        complete,
        target: Binary::from_flags(
            "readmitted within 30 days",
            stays.iter().map(|stay| stay.readmitted),
        ),
        true_risk: stays.iter().map(|stay| stay.risk).collect(),
        coefficients: coefficients(),
    }
}

/// Every patient has one stay; half of the further ones fall on a fifth of the patients.
fn stays_per_patient(n: usize, seed: u64) -> Vec<usize> {
    // Seven tenths, without overflow at the largest n.
    let n_patients = n - n / 10 * 3 - n % 10 * 3 / 10;
    let n_frequent = n_patients.div_ceil(5);
    let mut stays = vec![1; n_patients];
    let mut draw = Streams::new("simulate/readmissions/number", seed).of(0);
    for _ in n_patients..n {
        let among = if draw.chance(0.5) {
            n_frequent
        } else {
            n_patients
        };
        stays[draw.below(among)] += 1;
    }
    shuffle(&mut stays, &mut stream(seed, 1));
    stays
}

/// The encounters of a patient in time order.
fn stays_of(patient: usize, n: usize, seed: u64, mut draw: Draw) -> Vec<Stay> {
    let person = Person::draw(seed, patient);
    let comorbidities = COMORBIDITIES.map(|(_, _, has)| has(&person));
    let burden = comorbidities.iter().filter(|set| **set).count() as f64;
    let before = draw.poisson(0.2 + 0.25 * burden);
    let start = REGISTRY_START + minutes(draw.below(RECRUITMENT_DAYS * MINUTES_PER_DAY as usize));
    let mut admission = start;
    let mut stays = Vec::with_capacity(n);
    for visit in 0..n {
        let emergency = draw.chance(0.55);
        let ward = draw_ward(&person, &mut draw);
        let length_of_stay = draw_length(&person, &mut draw);
        let labs = draw_labs(&person, &mut draw);
        let hidden = draw_hidden(labs, emergency, ward, &mut draw);
        let years = (admission - start).as_days() / 365.25;
        let mut stay = Stay {
            patient,
            site: person.site,
            discharge: admission + Span::days(length_of_stay as i64),
            age: rounded(person.age + years, 1),
            is_male: person.is_male,
            payer: person.payer,
            ward,
            emergency,
            length_of_stay,
            prior_visits: f64::from(before) + visit as f64,
            labs,
            hidden,
            comorbidities,
            risk: 0.0,
            readmitted: false,
        };
        stay.risk = logistic(log_odds(&stay));
        stay.readmitted = draw.chance(stay.risk);
        let risk_minutes = (RISK_DAYS * MINUTES_PER_DAY) as usize;
        admission = stay.discharge
            + if stay.readmitted {
                minutes(1 + draw.below(risk_minutes))
            } else {
                let later = draw.exponential(200.0) * MINUTES_PER_DAY as f64;
                minutes(risk_minutes + 1 + later as usize)
            };
        stays.push(stay);
    }
    stays
}

fn minutes(n: usize) -> Span {
    Span::minutes(n as i64)
}

fn draw_ward(person: &Person, draw: &mut Draw) -> usize {
    let cardiology = if person.heart_failure { 4.0 } else { 1.0 };
    let oncology = if person.cancer { 6.0 } else { 0.3 };
    draw.pick(&[cardiology, 3.0, oncology, 2.0])
}

/// Whole days, 1 to 60.
fn draw_length(person: &Person, draw: &mut Draw) -> f64 {
    let longer = if person.heart_failure { 0.25 } else { 0.0 };
    (1.0 + libm::exp(0.9 + longer + 0.7 * draw.normal()))
        .floor()
        .min(60.0)
}

/// Creatinine, hemoglobin, sodium, rounded as reported.
fn draw_labs(person: &Person, draw: &mut Draw) -> [f64; 3] {
    let one = |set: bool| f64::from(u8::from(set));
    let (renal, male) = (one(person.renal_disease), one(person.is_male));
    let creatinine = libm::exp(-0.1 + 0.1 * male + 0.55 * renal + 0.22 * draw.normal());
    let hemoglobin =
        13.2 + 0.9 * male - 0.8 * renal - 1.2 * one(person.cancer) + 1.5 * draw.normal();
    let sodium = 139.0 - 1.2 * one(person.heart_failure) + 3.0 * draw.normal();
    [
        rounded(creatinine.clamp(0.2, 12.0), 2),
        rounded(hemoglobin.clamp(5.0, 19.0), 1),
        sodium.clamp(115.0, 155.0).round(),
    ]
}

/// Which laboratory values were not ordered.
fn draw_hidden(labs: [f64; 3], emergency: bool, ward: usize, draw: &mut Draw) -> [bool; 3] {
    let [creatinine, ..] = labs;
    let acute = if emergency { -0.6 } else { 0.0 };
    let panel = draw.chance(logistic(-0.7 + acute - 1.4 * (creatinine - 1.0)));
    let count = draw.chance(if ward == SURGERY { 0.05 } else { 0.18 });
    let lost = draw.chance(0.03);
    [panel, count, panel || lost]
}

/// The linear predictor of the outcome.
fn log_odds(stay: &Stay) -> f64 {
    let one = |set: bool| f64::from(u8::from(set));
    let [creatinine, hemoglobin, sodium] = stay.labs;
    let mut sum = INTERCEPT
        + AGE * stay.age
        + MALE * one(stay.is_male)
        + WARD[stay.ward]
        + EMERGENCY * one(stay.emergency)
        + LENGTH_OF_STAY * stay.length_of_stay
        + PRIOR_VISITS * stay.prior_visits
        + CREATININE * creatinine
        + HEMOGLOBIN * hemoglobin
        + SODIUM * sodium;
    for (set, effect) in stay.comorbidities.iter().zip(COMORBIDITY) {
        sum += effect * one(*set);
    }
    sum
}

fn coefficients() -> Vec<Coefficient> {
    let mut all = vec![
        Coefficient::new("intercept", INTERCEPT),
        Coefficient::new("age", AGE),
        Coefficient::new("sex=female", 0.0),
        Coefficient::new("sex=male", MALE),
    ];
    all.extend(PAYERS.map(|payer| Coefficient::new(format!("payer={payer}"), 0.0)));
    for (ward, effect) in WARDS.into_iter().zip(WARD) {
        all.push(Coefficient::new(format!("ward={ward}"), effect));
    }
    all.extend([
        Coefficient::new("emergency", EMERGENCY),
        Coefficient::new("length_of_stay", LENGTH_OF_STAY),
        Coefficient::new("prior_visits", PRIOR_VISITS),
        Coefficient::new("creatinine", CREATININE),
        Coefficient::new("hemoglobin", HEMOGLOBIN),
        Coefficient::new("sodium", SODIUM),
    ]);
    for ((name, ..), effect) in COMORBIDITIES.into_iter().zip(COMORBIDITY) {
        all.push(Coefficient::new(name, effect));
    }
    all
}

fn context_columns(stays: &[Stay]) -> Vec<(Feature, Column)> {
    vec![
        (age_feature(), dense(stays, |stay| stay.age)),
        (
            sex_feature(),
            levels(stays, &SEXES, |stay| usize::from(stay.is_male)),
        ),
        (payer_feature(), levels(stays, &PAYERS, |stay| stay.payer)),
        (
            Feature::category("ward"),
            levels(stays, &WARDS, |stay| stay.ward),
        ),
        (
            Feature::flag("emergency"),
            flags(stays, |stay| stay.emergency),
        ),
        (
            Feature::numeric("length_of_stay").unit("d"),
            dense(stays, |stay| stay.length_of_stay),
        ),
        (
            Feature::count("prior_visits"),
            dense(stays, |stay| stay.prior_visits),
        ),
    ]
}

fn lab_features() -> [Feature; 3] {
    [
        Feature::numeric("creatinine")
            .unit("mg/dL")
            .code("LOINC", "2160-0"),
        Feature::numeric("hemoglobin")
            .unit("g/dL")
            .code("LOINC", "718-7"),
        Feature::numeric("sodium")
            .unit("mmol/L")
            .code("LOINC", "2951-2"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sum of (outcome - risk) over `rows` in its own standard deviations.
    fn surplus(cohort: &Readmissions, keep: impl Fn(usize) -> bool) -> f64 {
        let (mut sum, mut variance) = (0.0, 0.0);
        for (row, risk) in cohort
            .true_risk
            .iter()
            .enumerate()
            .filter(|(row, _)| keep(*row))
        {
            sum += f64::from(u8::from(cohort.target.values()[row])) - risk;
            variance += risk * (1.0 - risk);
        }
        sum / f64::sqrt(variance)
    }

    #[test]
    fn event_rate() {
        let cohort = readmissions(40_000, 1);
        let mean = cohort.true_risk.iter().sum::<f64>() / 40_000.0;
        assert!((mean - 0.11).abs() < 0.004, "mean risk {mean}");
        assert!(surplus(&cohort, |_| true).abs() < 4.0);
        // The risk is right in every part, not only on average.
        for tenth in 0..10 {
            let (low, high) = (f64::from(tenth) * 0.04, f64::from(tenth + 1) * 0.04);
            let within = |row: usize| (low..high).contains(&cohort.true_risk[row]);
            assert!(surplus(&cohort, within).abs() < 4.0, "risk {low} to {high}");
        }
    }

    #[test]
    fn risk_is_the_logistic_model_of_the_complete_columns() {
        let cohort = readmissions(3_000, 9);
        let mut sums = vec![cohort.log_odds("intercept").unwrap(); 3_000];
        for (index, feature) in cohort.complete.schema().features().iter().enumerate() {
            let view = cohort.complete.view(index);
            for (row, sum) in sums.iter_mut().enumerate() {
                *sum += match view.level(row) {
                    Some(level) => {
                        let term = format!("{}={level}", feature.name());
                        cohort.log_odds(&term).unwrap()
                    }
                    None => cohort.log_odds(feature.name()).unwrap() * view.value(row),
                };
            }
        }
        for (sum, risk) in sums.into_iter().zip(&cohort.true_risk) {
            assert!((logistic(sum) - risk).abs() < 1e-12);
        }
    }

    #[test]
    fn the_next_admission_agrees_with_the_target() {
        let cohort = readmissions(6_000, 4);
        let keys = cohort.matrix.keys();
        let patients = keys.patient_keys().unwrap();
        let times = keys.index_times().unwrap();
        let stay = cohort.matrix.column("length_of_stay").unwrap();
        assert_eq!(patients.n_distinct(), 4_200);
        let (mut early, mut late) = (0, 0);
        for row in 1..6_000 {
            if patients.codes()[row] != patients.codes()[row - 1] {
                continue;
            }
            let admission = times[row] - Span::days(stay.value(row) as i64);
            let days = (admission - times[row - 1]).as_days();
            assert!(days > 0.0);
            assert_eq!(days <= 30.0, cohort.target.values()[row - 1]);
            early += usize::from(days <= 30.0);
            late += usize::from(days > 30.0);
        }
        assert_eq!(early + late, 1_800);
        assert!(early > 100 && late > 100);
    }

    #[test]
    fn missing_laboratory_values_carry_information() {
        let cohort = readmissions(20_000, 5);
        let (seen, complete) = (
            cohort.matrix.column("creatinine").unwrap(),
            cohort.complete.column("creatinine").unwrap(),
        );
        let mean = |hidden: bool| {
            let rows: Vec<usize> = (0..20_000)
                .filter(|row| seen.is_missing(*row) == hidden)
                .collect();
            assert!(rows.len() > 4_000, "{}", rows.len());
            rows.iter().map(|row| complete.value(*row)).sum::<f64>() / rows.len() as f64
        };
        // Creatinine has a spread of 0.4 mg/dL: the standard error of the difference is 0.007.
        assert!(mean(false) - mean(true) > 0.05);
        let sodium = cohort.matrix.column("sodium").unwrap();
        assert!((0..20_000).all(|row| !seen.is_missing(row) || sodium.is_missing(row)));
        assert!((0..20_000).all(|row| !complete.is_missing(row)));
    }

    #[test]
    fn patients_are_those_of_the_static_table() {
        let cohort = readmissions(500, 8);
        let people = super::super::patients(350, 8)
            .select(&["bmi", "smoking"])
            .unwrap();
        let joined = cohort.matrix.join(&people).unwrap();
        assert!((0..500).all(|row| joined.column("smoking").unwrap().level(row).is_some()));
    }
}
