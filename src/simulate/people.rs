//! The people behind patients, encounters and events: one draw, used by all three.

use super::draw::{Draw, Streams, each, rounded};
use super::{assemble, check_rows, dense, flags, levels};
use crate::matrix::{Feature, PatientMatrix, RowKeys, Sensitive};
use crate::numeric::stable::logistic;

pub(super) const SEXES: [&str; 2] = ["female", "male"];
pub(super) const PAYERS: [&str; 3] = ["private", "public", "self"];
const SMOKING: [&str; 3] = ["current", "former", "never"];
pub(super) const SITES: [&str; 6] = ["north", "east", "south", "west", "harbour", "hill"];

/// Share of patients by site.
const SITE_WEIGHTS: [f64; 6] = [0.30, 0.22, 0.18, 0.13, 0.10, 0.07];
/// Years by which a site's patients are older than average: sites differ in case mix, and only in
/// case mix.
const SITE_AGES: [f64; 6] = [0.0, -2.0, 1.0, 3.0, -4.0, 5.0];
/// Years; centre of the age terms below.
const MEAN_AGE: f64 = 62.0;

/// Odds ratio of heart failure with hypertension against without.
pub(super) const HYPERTENSION_HEART_FAILURE: f64 = 2.8;
/// Odds ratio of renal disease with diabetes against without.
pub(super) const DIABETES_RENAL: f64 = 3.2;
/// Odds of heart failure without hypertension.
pub(super) const ODDS_HEART_FAILURE: f64 = 0.08;
/// Odds of renal disease without diabetes.
pub(super) const ODDS_RENAL: f64 = 0.08;

/// A patient before any encounter.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) site: usize,
    pub(super) age: f64,
    pub(super) is_male: bool,
    pub(super) payer: usize,
    smoking: usize,
    bmi: f64,
    systolic: f64,
    pub(super) hypertension: bool,
    pub(super) diabetes: bool,
    pub(super) heart_failure: bool,
    pub(super) renal_disease: bool,
    pub(super) atrial_fibrillation: bool,
    pub(super) copd: bool,
    pub(super) cancer: bool,
    pub(super) dementia: bool,
}

/// The comorbidities in the order of their columns.
pub(super) type Comorbidity = (&'static str, &'static str, fn(&Person) -> bool);
pub(super) const COMORBIDITIES: [Comorbidity; 8] = [
    ("atrial_fibrillation", "I48", |p| p.atrial_fibrillation),
    ("cancer", "C80", |p| p.cancer),
    ("copd", "J44", |p| p.copd),
    ("dementia", "F03", |p| p.dementia),
    ("diabetes", "E11", |p| p.diabetes),
    ("heart_failure", "I50", |p| p.heart_failure),
    ("hypertension", "I10", |p| p.hypertension),
    ("renal_disease", "N18", |p| p.renal_disease),
];

impl Person {
    /// Patient `index` under `seed`, the same in every table.
    pub(super) fn draw(seed: u64, index: usize) -> Self {
        let mut draw = Streams::new("simulate/person", seed).of(index);
        let site = draw.pick(&SITE_WEIGHTS);
        let is_male = !draw.chance(0.52);
        let age = MEAN_AGE + SITE_AGES[site] + 17.0 * draw.normal();
        let age = rounded(age.clamp(18.0, 95.0), 1);
        let payer = draw.pick(&[0.28, 0.65, 0.07]);
        let smoking = draw.pick(&[0.18, 0.30, 0.52]);
        let years = age - MEAN_AGE;
        let mut with_odds = |log_odds: f64| draw.chance(logistic(log_odds));
        let hypertension = with_odds(-0.4 + 0.05 * years);
        let diabetes = with_odds(-1.6 + 0.02 * years);
        let heart_failure = with_odds(planted(
            ODDS_HEART_FAILURE,
            HYPERTENSION_HEART_FAILURE,
            hypertension,
        ));
        let renal_disease = with_odds(planted(ODDS_RENAL, DIABETES_RENAL, diabetes));
        let atrial_fibrillation = with_odds(-2.4 + 0.05 * years);
        let copd = with_odds([-1.4, -1.8, -3.2][smoking]);
        let cancer = with_odds(-2.6 + 0.03 * years);
        let dementia = with_odds(-4.2 + 0.09 * years);
        let (bmi, systolic) = vitals(&mut draw, hypertension, diabetes);
        Self {
            site,
            age,
            is_male,
            payer,
            smoking,
            bmi,
            systolic,
            hypertension,
            diabetes,
            heart_failure,
            renal_disease,
            atrial_fibrillation,
            copd,
            cancer,
            dementia,
        }
    }
}

/// Log-odds of an effect that depends on its cause and on nothing else: the odds ratio of the
/// two-by-two table is then the planted one.
pub(super) fn planted(odds_without: f64, odds_ratio: f64, cause: bool) -> f64 {
    libm::log(odds_without * if cause { odds_ratio } else { 1.0 })
}

/// Body mass index, missing for about one patient in seven whoever the patient is, and systolic
/// pressure.
fn vitals(draw: &mut Draw, hypertension: bool, diabetes: bool) -> (f64, f64) {
    let (low, high) = (15.0, 60.0);
    let bmi = 26.5 + 3.5 * f64::from(u8::from(diabetes)) + 4.5 * draw.normal();
    let systolic = 124.0 + 16.0 * f64::from(u8::from(hypertension)) + 13.0 * draw.normal();
    let bmi = if draw.chance(0.15) {
        f64::NAN
    } else {
        rounded(bmi.clamp(low, high), 1)
    };
    (bmi, systolic.clamp(75.0, 230.0).round())
}

/// The patients `1..=n` of a seed: one row each, no outcome, keyed by patient and site.
///
/// Columns: `age`, `sex`, `payer`, `smoking`, `bmi` (15 % missing, at random), `systolic_pressure`
/// and eight flags. Age raises the odds of hypertension, diabetes, atrial fibrillation, cancer
/// and dementia; smoking those of `copd`. Two pairs depend on nothing else, so that their
/// two-by-two tables show the planted odds ratio: `heart_failure` given `hypertension` 2.8,
/// `renal_disease` given `diabetes` 3.2. Sites differ in the age of their patients only, payers in
/// nothing. Cost: about a microsecond a row.
///
/// ```
/// # fn main() -> galen::Result<()> {
/// let patients = galen::simulate::patients(200, 7);
/// assert_eq!(patients.n_rows(), 200);
/// assert!(patients.column("age")?.value(0) >= 18.0);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// When `n` is 2^32 - 1 or more.
#[must_use]
pub fn patients(n: usize, seed: u64) -> PatientMatrix {
    check_rows(n);
    let people = each(n, |index| Person::draw(seed, index));
    let mut columns = vec![
        (age_feature(), dense(&people, |p| p.age)),
        (
            sex_feature(),
            levels(&people, &SEXES, |p| usize::from(p.is_male)),
        ),
        (payer_feature(), levels(&people, &PAYERS, |p| p.payer)),
        (
            Feature::category("smoking"),
            levels(&people, &SMOKING, |p| p.smoking),
        ),
        (
            Feature::numeric("bmi")
                .unit("kg/m2")
                .code("LOINC", "39156-5"),
            dense(&people, |p| p.bmi),
        ),
        (
            Feature::numeric("systolic_pressure")
                .unit("mm[Hg]")
                .code("LOINC", "8480-6"),
            dense(&people, |p| p.systolic),
        ),
    ];
    for (name, code, has) in COMORBIDITIES {
        columns.push((
            Feature::flag(name).code("ICD-10", code),
            flags(&people, has),
        ));
    }
    let keys = RowKeys::none()
        .patients(1..=n)
        .sites(people.iter().map(|person| SITES[person.site]));
    assemble(columns, keys)
}

pub(super) fn age_feature() -> Feature {
    Feature::numeric("age").unit("a").sensitive(Sensitive::Age)
}

pub(super) fn sex_feature() -> Feature {
    Feature::category("sex").sensitive(Sensitive::Sex)
}

pub(super) fn payer_feature() -> Feature {
    Feature::category("payer").sensitive(Sensitive::Payer)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Asserts that a two-by-two table shows `odds_ratio` within 4 standard errors (Woolf 1955,
    /// doi 10.1111/j.1469-1809.1955.tb01348.x).
    pub(in crate::simulate) fn assert_odds_ratio(
        pairs: impl IntoIterator<Item = (bool, bool)>,
        odds_ratio: f64,
    ) {
        let (found, error) = log_odds_ratio(pairs);
        assert!(
            (found - odds_ratio.ln()).abs() < 4.0 * error,
            "log odds ratio {found} +- {error}, planted {}",
            odds_ratio.ln()
        );
        assert!(error < 0.25, "too few rows to tell: standard error {error}");
    }

    /// Log odds ratio of (cause, effect) pairs and its standard error.
    pub(in crate::simulate) fn log_odds_ratio(
        pairs: impl IntoIterator<Item = (bool, bool)>,
    ) -> (f64, f64) {
        let mut cells = [[0.0_f64; 2]; 2];
        for (cause, effect) in pairs {
            cells[usize::from(cause)][usize::from(effect)] += 1.0;
        }
        let [[a, b], [c, d]] = cells;
        let error = (1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d).sqrt();
        ((a * d / (b * c)).ln(), error)
    }

    #[test]
    fn planted_pairs_show_their_odds_ratio() {
        let people = each(20_000, |index| Person::draw(1, index));
        let pair = |cause: fn(&Person) -> bool, effect: fn(&Person) -> bool| {
            people
                .iter()
                .map(move |p| (cause(p), effect(p)))
                .collect::<Vec<_>>()
        };
        assert_odds_ratio(
            pair(|p| p.hypertension, |p| p.heart_failure),
            HYPERTENSION_HEART_FAILURE,
        );
        assert_odds_ratio(pair(|p| p.diabetes, |p| p.renal_disease), DIABETES_RENAL);
        assert_odds_ratio(pair(|p| p.payer == 0, |p| p.diabetes), 1.0);
    }

    #[test]
    fn patients_are_plausible_and_keyed() {
        let matrix = patients(4_000, 2);
        let bmi = matrix.column("bmi").unwrap();
        let missing = (0..4_000).filter(|row| bmi.is_missing(*row)).count() as f64;
        // Binomial(4000, 0.15): standard deviation 22.6.
        assert!((missing - 600.0).abs() < 91.0, "{missing}");
        let ages = matrix.column("age").unwrap().to_vec();
        let mean = ages.iter().sum::<f64>() / 4_000.0;
        assert!((60.0..64.0).contains(&mean), "{mean}");
        assert!(ages.iter().all(|age| (18.0..=95.0).contains(age)));
        assert_eq!(matrix.keys().patient_keys().unwrap().n_distinct(), 4_000);
        assert_eq!(matrix.keys().site_keys().unwrap().n_distinct(), SITES.len());
    }

    #[test]
    fn a_patient_does_not_depend_on_how_many_there_are() {
        let (few, many) = (patients(3, 5), patients(3_000, 5));
        let head = many.select_rows(&[0, 1, 2]).unwrap();
        for index in 0..few.n_columns() {
            for row in 0..3 {
                let (a, b) = (few.view(index).value(row), head.view(index).value(row));
                assert!(a == b || (a.is_nan() && b.is_nan()));
            }
        }
    }
}
