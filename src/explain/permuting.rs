//! What permutations of features have in common: rows, donors, patients, intervals.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{ErrorKind, Result};
use crate::estimator::Rows;
use crate::estimator::changed::OwnRows;
use crate::estimator::input::{RowsAccess, check_row_weights};
use crate::explain::donors::Exchange;
use crate::explain::importance::{PermutationImportance, PermutedFeature};
use crate::explain::output::{Output, numbers};
use crate::explain::permutation::{Better, PermutationOptions};
use crate::numeric::rank::quantile_sorted;
use crate::numeric::seed::{below, stream, stream_of_key};
use crate::numeric::special::t_upper_quantile;
use crate::numeric::stable::sum;

const WHAT: &str = "permutation_importance";

impl Better {
    pub(super) fn lost(self, rise: f64) -> f64 {
        match self {
            Self::Larger => -rise,
            Self::Smaller => rise,
        }
    }
}

/// Features that are permuted together.
pub(super) struct Item {
    name: String,
    positions: Vec<usize>,
}

/// What the interval of an importance is made of.
pub(super) enum Spread {
    /// Standard error and degrees of freedom.
    Error(f64, f64),
    /// Bootstrap values, `None` where there is none.
    Samples(Vec<Option<f64>>),
    /// No interval.
    Unknown,
}

/// Checked inputs of both functions.
pub(super) struct Task<'a> {
    options: &'a PermutationOptions,
    pub(super) rows: OwnRows,
    names: Vec<String>,
    pub(super) items: Vec<Item>,
    exchange: Exchange,
    /// Patient of every row, numbered from 0.
    patients: Vec<u32>,
    n_patients: usize,
    total: f64,
}

impl<'a> Task<'a> {
    pub(super) fn new<O: Output, R: Rows>(
        output: &O,
        rows: &R,
        n_truth: usize,
        options: &'a PermutationOptions,
    ) -> Result<Self> {
        let rows = OwnRows::of(rows.source());
        let n = linfa::dataset::Records::nsamples(&rows);
        check(options, n, n_truth)?;
        let names = rows.names();
        let items = items(output.features(), &rows, &names, options)?;
        let strata = match (&options.strata, options.within_sites) {
            (Some(_), true) => {
                let rule = "false where strata are given";
                return Err(parameter("within_sites", "true", rule));
            }
            (Some(strata), false) => Some(strata.as_slice()),
            (None, true) => Some(rows.sites().ok_or(ErrorKind::MissingKeys {
                what: WHAT,
                key: "site",
            })?),
            (None, false) => None,
        };
        let weights = options.weights.as_deref();
        let exchange = Exchange::new(n, strata, weights);
        let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
        let keys = options.patients.as_deref().or(rows.patients());
        let mut numbers: BTreeMap<u32, u32> = BTreeMap::new();
        let mut patients = vec![0; n];
        // Rows of no weight are of no patient: they are neither drawn nor counted.
        for row in (0..n).filter(|row| weight(*row) > 0.0) {
            let next = numbers.len() as u32;
            let key = keys.map_or(row as u32, |keys| keys[row]);
            patients[row] = *numbers.entry(key).or_insert(next);
        }
        Ok(Self {
            options,
            names,
            items,
            exchange,
            patients,
            n_patients: numbers.len(),
            total: sum((0..n).map(weight)),
            rows,
        })
    }

    pub(super) fn n(&self) -> usize {
        self.patients.len()
    }

    fn weight(&self, row: usize) -> f64 {
        let weights = self.options.weights.as_ref();
        weights.map_or(1.0, |weights| weights[row])
    }

    pub(super) fn mean(&self, values: &[f64]) -> f64 {
        let terms = values.iter().enumerate();
        sum(terms.map(|(row, value)| self.weight(row) * value)) / self.total
    }

    /// Donors and numbers of one repeat.
    pub(super) fn permuted<O: Output>(
        &self,
        output: &O,
        item: usize,
        repeat: usize,
    ) -> Result<(Vec<u32>, Vec<f64>)> {
        let item = &self.items[item];
        let key = format!("{}\u{1f}{repeat}", item.name);
        let mut stream = stream_of_key(self.options.seed, &key);
        let donors = self.exchange.draw(&mut stream);
        let rows = self.rows.with_rows_of(&item.positions, &donors);
        Ok((donors, numbers(output, &rows)?))
    }

    pub(super) fn sample(&self, sample: usize) -> Drawn {
        let mut stream = stream(self.options.seed ^ 0x5eed_0f5a_3b1e_5000, sample as u64);
        let mut times = vec![0.0; self.n_patients];
        for _ in 0..self.n_patients {
            times[below(&mut stream, self.n_patients)] += 1.0;
        }
        Drawn(times)
    }

    pub(super) fn finish(
        &self,
        item: usize,
        rises: Vec<f64>,
        baseline: f64,
        better: Better,
        spread: Spread,
    ) -> PermutedFeature {
        let n = rises.len() as f64;
        let rise = sum(rises.iter().copied()) / n;
        let variance = sum(rises.iter().map(|value| (value - rise).powi(2))) / (n - 1.0);
        let value = better.lost(rise);
        let tail = 0.5 - 0.5 * self.options.level;
        let interval = match spread {
            Spread::Unknown => None,
            Spread::Error(se, df) => {
                let reach = t_upper_quantile(tail, df) * se;
                Some((se, value - reach, value + reach))
            }
            Spread::Samples(values) => percentiles(values, tail),
        };
        let item = &self.items[item];
        PermutedFeature {
            name: item.name.clone(),
            features: item
                .positions
                .iter()
                .map(|position| self.names[*position].clone())
                .collect(),
            value,
            permuted: baseline + rise,
            monte_carlo_se: (rises.len() > 1).then(|| (variance / n).sqrt()),
            repeats: rises.into_iter().map(|rise| better.lost(rise)).collect(),
            se: interval.map(|(se, ..)| se),
            lower: interval.map(|(_, lower, _)| lower),
            upper: interval.map(|(.., upper)| upper),
        }
    }

    pub(super) fn importance<O: Output>(
        &self,
        output: &O,
        baseline: f64,
        found: Vec<Result<PermutedFeature>>,
    ) -> Result<PermutationImportance> {
        Ok(PermutationImportance {
            output: output.label(),
            baseline,
            n_rows: (0..self.n()).filter(|row| self.weight(*row) > 0.0).count(),
            n_patients: self.n_patients,
            level: self.options.level,
            features: found.into_iter().collect::<Result<_>>()?,
        })
    }
}

/// How often every patient was drawn.
pub(super) struct Drawn(Vec<f64>);

impl Drawn {
    pub(super) fn times(&self, task: &Task<'_>, row: usize) -> f64 {
        self.0
            .get(task.patients[row] as usize)
            .copied()
            .unwrap_or(0.0)
    }

    /// Weight of a row: its own, as often as its patient was drawn.
    pub(super) fn of(&self, task: &Task<'_>, row: usize) -> f64 {
        task.weight(row) * self.times(task, row)
    }
}

fn percentiles(values: Vec<Option<f64>>, tail: f64) -> Option<(f64, f64, f64)> {
    let total = values.len();
    let mut values: Vec<f64> = values.into_iter().flatten().collect();
    if total == 0 || 2 * values.len() < total || values.len() < 2 {
        return None;
    }
    let n = values.len() as f64;
    let mean = sum(values.iter().copied()) / n;
    let variance = sum(values.iter().map(|value| (value - mean).powi(2))) / (n - 1.0);
    values.sort_by(f64::total_cmp);
    let ends = [tail, 1.0 - tail].map(|p| quantile_sorted(&values, p));
    Some((variance.sqrt(), ends[0]?, ends[1]?))
}

/// Losses after permuting, by the row that receives and by the row that gives.
pub(super) struct ByPair {
    n_repeats: f64,
    received: Vec<f64>,
    /// Weighted sum of the losses at the rows that a row gave to, and the sum of their weights.
    given: Vec<(f64, f64)>,
}

impl ByPair {
    pub(super) fn new(task: &Task<'_>) -> Self {
        Self {
            n_repeats: task.options.n_repeats as f64,
            received: vec![0.0; task.n()],
            given: vec![(0.0, 0.0); task.n()],
        }
    }

    pub(super) fn add(&mut self, task: &Task<'_>, donors: &[u32], after: &[f64]) {
        for (row, (donor, loss)) in donors.iter().zip(after).enumerate() {
            let weight = task.weight(row);
            self.received[row] += loss / self.n_repeats;
            let (sum, weights) = &mut self.given[*donor as usize];
            *sum += weight * loss / self.n_repeats;
            *weights += weight / self.n_repeats;
        }
    }

    /// Standard error by patient of the mean loss after less the mean loss before.
    pub(super) fn standard_error(&self, task: &Task<'_>, before: &[f64], baseline: f64) -> Spread {
        if task.n_patients < 2 {
            return Spread::Unknown;
        }
        let after = task.mean(&self.received);
        // What a row gives is compared within its stratum.
        let by_stratum: Vec<f64> = task
            .exchange
            .strata
            .iter()
            .map(|rows| {
                let weight = sum(rows.iter().map(|row| task.weight(*row as usize)));
                let losses = rows.iter().map(|row| {
                    let row = *row as usize;
                    task.weight(row) * self.received[row]
                });
                sum(losses) / if weight > 0.0 { weight } else { 1.0 }
            })
            .collect();
        let mut parts = vec![0.0; task.n_patients];
        for row in (0..task.n()).filter(|row| task.weight(*row) > 0.0) {
            let (losses, weights) = self.given[row];
            let stratum = task.exchange.of_row[row] as usize;
            let rises = (self.received[row] - after) - (before[row] - baseline);
            parts[task.patients[row] as usize] +=
                task.weight(row) * rises + (losses - weights * by_stratum[stratum]);
        }
        let n = task.n_patients as f64;
        let squares = sum(parts.iter().map(|part| (part / task.total).powi(2)));
        Spread::Error((squares * n / (n - 1.0)).sqrt(), n - 1.0)
    }
}

fn parameter(name: &'static str, value: impl ToString, rule: &'static str) -> crate::Error {
    ErrorKind::Parameter {
        estimator: WHAT,
        name,
        value: value.to_string(),
        rule,
    }
    .into()
}

fn check(options: &PermutationOptions, n: usize, n_truth: usize) -> Result<()> {
    if options.n_repeats == 0 {
        return Err(parameter("n_repeats", 0, "at least 1"));
    }
    if !(options.level > 0.0 && options.level < 1.0) {
        return Err(parameter("level", options.level, "above 0 and below 1"));
    }
    if (1..20).contains(&options.replicates) {
        let rule = "0 for no interval, else at least 20";
        return Err(parameter("replicates", options.replicates, rule));
    }
    let lengths = [
        ("truth", Some(n_truth)),
        ("patients", options.patients.as_ref().map(Vec::len)),
        ("strata", options.strata.as_ref().map(Vec::len)),
    ];
    for (what, found) in lengths {
        if let Some(found) = found.filter(|found| *found != n) {
            return Err(ErrorKind::LengthMismatch {
                what,
                expected: n,
                found,
            }
            .into());
        }
    }
    if n < 2 {
        return Err(ErrorKind::TooFewRows {
            what: WHAT,
            required: 2,
            found: n,
        }
        .into());
    }
    match &options.weights {
        Some(weights) => check_row_weights(WHAT, n, weights),
        None => Ok(()),
    }
}

fn items(
    read: Option<Vec<String>>,
    rows: &OwnRows,
    names: &[String],
    options: &PermutationOptions,
) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for (name, features) in &options.groups {
        if features.is_empty() {
            return Err(ErrorKind::Schema(format!("group `{name}` has no feature")).into());
        }
        let positions: Result<Vec<usize>> = features.iter().map(|f| rows.position(f)).collect();
        let positions = positions?;
        if positions.iter().collect::<BTreeSet<_>>().len() != positions.len() {
            let what = format!("a feature stands twice in group `{name}`");
            return Err(ErrorKind::Schema(what).into());
        }
        items.push(Item {
            name: name.clone(),
            positions,
        });
    }
    let grouped: BTreeSet<usize> = items
        .iter()
        .flat_map(|item| item.positions.clone())
        .collect();
    let single: Vec<usize> = match &options.features {
        Some(features) => {
            let positions: Result<Vec<usize>> = features.iter().map(|f| rows.position(f)).collect();
            positions?
        }
        None => (0..names.len())
            .filter(|at| read.as_ref().is_none_or(|read| read.contains(&names[*at])))
            .filter(|at| !grouped.contains(at))
            .collect(),
    };
    items.extend(single.into_iter().map(|position| Item {
        name: names[position].clone(),
        positions: vec![position],
    }));
    let mut seen = BTreeSet::new();
    for item in &items {
        if !seen.insert(item.name.as_str()) {
            let what = format!("`{}` stands twice among what is permuted", item.name);
            return Err(ErrorKind::Schema(what).into());
        }
    }
    if items.is_empty() {
        return Err(ErrorKind::NoFeatures { what: WHAT }.into());
    }
    Ok(items)
}
