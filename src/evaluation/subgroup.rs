//! Does the model hold for everyone? Metrics by group, with intervals and small cells hidden.
//!
//! A table by group can give single patients away. Groups with few rows, events or non-events are
//! hidden, and so are further groups where a hidden one could be recovered from the totals.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};
use crate::evaluation::calibration::{brier, calibration};
use crate::evaluation::check::{self, weight_of};
use crate::evaluation::discrimination::{Auroc, auroc_delong};
use crate::evaluation::estimate::{Estimate, wilson};
use crate::evaluation::weighted::{Tally, Weighed, WeightedShare, unequal_to_one};
use crate::numeric::special::normal_quantile;
use crate::numeric::stable::Sum;

/// Settings of the tables by group.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SubgroupOptions {
    /// Confidence level of the intervals; default 0.95.
    pub level: f64,
    /// Groups with fewer rows are hidden; default 11.
    pub min_rows: usize,
    /// Groups with fewer events or fewer non-events are hidden; default 11.
    pub min_class: usize,
}

impl Default for SubgroupOptions {
    fn default() -> Self {
        Self {
            level: 0.95,
            min_rows: 11,
            min_class: 11,
        }
    }
}

/// One group; made by [`subgroups`]. A hidden group shows its name only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subgroup {
    /// Name of the group.
    pub group: String,
    /// Whether the numbers are hidden, because the group is small or to protect one that is.
    pub suppressed: bool,
    /// Number of rows with a weight above zero.
    pub n_rows: Option<usize>,
    /// Number of them with the event.
    pub n_events: Option<usize>,
    /// Share of events with its Wilson interval.
    pub event_rate: Option<Estimate>,
    /// Mean predicted risk.
    pub mean_risk: Option<f64>,
    /// AUROC with its DeLong interval.
    pub auroc: Option<Auroc>,
    /// Brier score.
    pub brier: Option<f64>,
    /// Observed over expected events; interval on the log scale.
    pub observed_over_expected: Option<Estimate>,
    /// Calibration slope; also `None` where it has no value.
    pub calibration_slope: Option<Estimate>,
    /// Calibration in the large; also `None` where it has no value.
    pub in_the_large: Option<Estimate>,
}

/// One number by group; made by [`metric_by_group`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupMetric {
    /// Name of the group.
    pub group: String,
    /// Whether the number is hidden.
    pub suppressed: bool,
    /// Number of rows; `None` when hidden.
    pub n_rows: Option<usize>,
    /// The number; `None` when hidden or without value in this group.
    pub value: Option<f64>,
}

/// Counts, event rate, discrimination and calibration by group, in the order of the names.
///
/// When groups are hidden, the smallest shown groups follow until at least two are hidden and
/// their rows, events and non-events together reach the minima: totals then give nothing away.
/// Differences between groups are not tests: look at the intervals, and at many groups expect a
/// few odd ones. With weights every number is weighted and a row is one observation in every interval
/// (see [Weights](crate::evaluation#weights)); groups are hidden by their numbers of rows.
///
/// # Errors
/// Other lengths, risks outside [0, 1], bad weights, a level outside (0, 1), no rows.
///
/// ```
/// use galen::evaluation::{SubgroupOptions, subgroups};
/// # fn main() -> galen::Result<()> {
/// let risk: Vec<f64> = (0..300).map(|i| 0.05 + 0.9 * f64::from(i) / 300.0).collect();
/// let truth: Vec<bool> = (0..300).map(|i| f64::from(i * 77 % 300) / 300.0 < risk[i as usize]).collect();
/// let site: Vec<&str> = (0..300).map(|i| if i % 3 == 0 { "north" } else { "south" }).collect();
/// let found = subgroups(&truth, &risk, None, &site, SubgroupOptions::default())?;
/// assert_eq!((found[0].group.as_str(), found[0].n_rows), ("north", Some(100)));
/// # Ok(())
/// # }
/// ```
pub fn subgroups<S: AsRef<str>>(
    truth: &[bool],
    risk: &[f64],
    weights: Option<&[f64]>,
    group: &[S],
    options: SubgroupOptions,
) -> Result<Vec<Subgroup>> {
    const WHAT: &str = "subgroups";
    check::level(WHAT, options.level)?;
    check::risk(WHAT, truth, risk, weights)?;
    check::length(WHAT, truth.len(), group.len())?;
    let rows = Weighed::of(truth, risk, weights);
    let (truth, risk, weights) = (&*rows.truth, &*rows.score, rows.weights());
    let names: Vec<&str> = group.iter().map(AsRef::as_ref).collect();
    let names = rows.select(&names);
    cells(WHAT, truth, &names, options)?
        .into_iter()
        .map(|cell| {
            if cell.suppressed {
                return Ok(Subgroup::hidden(cell.name));
            }
            let truth: Vec<bool> = cell.rows.iter().map(|row| truth[*row]).collect();
            let risk: Vec<f64> = cell.rows.iter().map(|row| risk[*row]).collect();
            let weights: Option<Vec<f64>> =
                weights.map(|weights| cell.rows.iter().map(|row| weights[*row]).collect());
            Subgroup::of(cell.name, &truth, &risk, weights.as_deref(), options.level)
        })
        .collect()
}

/// Any metric by group: `metric` gets the row numbers of each group that is shown.
///
/// Small groups are hidden as in [`subgroups`]. A metric that is undefined in a group gives `None`.
///
/// # Errors
/// Other lengths, no rows; other errors of the metric.
pub fn metric_by_group<S, F>(
    truth: &[bool],
    group: &[S],
    options: SubgroupOptions,
    metric: F,
) -> Result<Vec<GroupMetric>>
where
    S: AsRef<str>,
    F: Fn(&[usize]) -> Result<f64>,
{
    const WHAT: &str = "metric_by_group";
    cells(WHAT, truth, group, options)?
        .into_iter()
        .map(|cell| {
            let value = if cell.suppressed {
                None
            } else {
                defined(metric(&cell.rows))?
            };
            Ok(GroupMetric {
                group: cell.name.to_string(),
                suppressed: cell.suppressed,
                n_rows: (!cell.suppressed).then_some(cell.rows.len()),
                value,
            })
        })
        .collect()
}

impl Subgroup {
    fn hidden(name: &str) -> Self {
        Self {
            group: name.to_string(),
            suppressed: true,
            n_rows: None,
            n_events: None,
            event_rate: None,
            mean_risk: None,
            auroc: None,
            brier: None,
            observed_over_expected: None,
            calibration_slope: None,
            in_the_large: None,
        }
    }

    fn of(
        name: &str,
        truth: &[bool],
        risk: &[f64],
        weights: Option<&[f64]>,
        level: f64,
    ) -> Result<Self> {
        // A group whose weights are all one is a group of rows.
        let weights = unequal_to_one(weights);
        let mut tallies = [Tally::default(); 2];
        let mut expected = Sum::default();
        for row in 0..truth.len() {
            let weight = weight_of(weights, row);
            tallies[usize::from(truth[row])].add(weight);
            expected.add(weight * risk[row]);
        }
        let [others, events] = tallies;
        let (n_rows, n_events) = (truth.len(), events.rows);
        let expected = expected.value();
        let total = others.weight() + events.weight();
        let line = defined(calibration(truth, risk, weights, level))?;
        let share = match weights {
            None => None,
            Some(_) => WeightedShare::of(events, others),
        };
        let rate = match share {
            None => wilson(n_events as f64, n_rows as f64, level)?,
            Some(share) => share.wilson(level)?,
        };
        let effective = share.map_or(n_rows as f64, |share| share.effective);
        Ok(Self {
            suppressed: false,
            n_rows: Some(n_rows),
            n_events: Some(n_events),
            event_rate: Some(rate),
            mean_risk: Some(expected / total),
            auroc: defined(auroc_delong(truth, risk, weights, level))?,
            brier: Some(brier(truth, risk, weights)?),
            observed_over_expected: observed_over_expected(
                rate.value,
                effective,
                events.weight() / expected,
                level,
            ),
            calibration_slope: line.as_ref().map(|line| line.slope),
            in_the_large: line.as_ref().map(|line| line.in_the_large),
            ..Self::hidden(name)
        })
    }
}

/// Observed over expected events. The variance of the logarithm is (1 - rate) / events, with the
/// risks taken as known (Debray et al., BMJ 356, 2017, doi 10.1136/bmj.i6460); under weights the
/// events are those of the effective number of rows.
fn observed_over_expected(rate: f64, rows: f64, value: f64, level: f64) -> Option<Estimate> {
    if rate == 0.0 || !value.is_finite() {
        return None;
    }
    let se_log = ((1.0 - rate) / (rate * rows)).sqrt();
    let reach = libm::exp(normal_quantile(0.5 + 0.5 * level) * se_log);
    Some(Estimate {
        value,
        se: None,
        lower: value / reach,
        upper: value * reach,
        level,
    })
}

/// The value, or nothing where it is undefined.
fn defined<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::Undefined { .. }
                    | ErrorKind::SingleClass { .. }
                    | ErrorKind::TooFewRows { .. }
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

struct Cell<'a> {
    name: &'a str,
    rows: Vec<usize>,
    events: usize,
    suppressed: bool,
}

fn cells<'a, S: AsRef<str>>(
    what: &'static str,
    truth: &[bool],
    group: &'a [S],
    options: SubgroupOptions,
) -> Result<Vec<Cell<'a>>> {
    check::rows(what, 1, truth.len())?;
    check::length(what, truth.len(), group.len())?;
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, name) in group.iter().enumerate() {
        by_name.entry(name.as_ref()).or_default().push(row);
    }
    let mut cells: Vec<Cell> = by_name
        .into_iter()
        .map(|(name, rows)| {
            let events = rows.iter().filter(|row| truth[**row]).count();
            let small = too_small(rows.len(), events, options);
            Cell {
                name,
                rows,
                events,
                suppressed: small,
            }
        })
        .collect();
    suppress_complements(&mut cells, options);
    Ok(cells)
}

fn too_small(rows: usize, events: usize, options: SubgroupOptions) -> bool {
    rows < options.min_rows || events < options.min_class || rows - events < options.min_class
}

/// Hides further groups while the hidden ones could be recovered from the totals.
fn suppress_complements(cells: &mut [Cell], options: SubgroupOptions) {
    loop {
        let hidden = || cells.iter().filter(|cell| cell.suppressed);
        let count = hidden().count();
        let rows = hidden().map(|cell| cell.rows.len()).sum();
        let events = hidden().map(|cell| cell.events).sum();
        if count == 0 || (count > 1 && !too_small(rows, events, options)) {
            return;
        }
        let smallest = (0..cells.len())
            .filter(|place| !cells[*place].suppressed)
            .min_by_key(|place| (cells[*place].rows.len(), *place));
        match smallest {
            Some(place) => cells[place].suppressed = true,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::auroc;

    /// Groups of the given sizes, every second row an event, risks that overlap.
    fn cohort(sizes: &[(&'static str, usize)]) -> (Vec<bool>, Vec<f64>, Vec<&'static str>) {
        let mut rows = (Vec::new(), Vec::new(), Vec::new());
        for (name, size) in sizes {
            for i in 0..*size {
                rows.0.push(i % 2 == 0);
                rows.1.push(0.2 + 0.6 * ((i * 7) % 11) as f64 / 11.0);
                rows.2.push(*name);
            }
        }
        rows
    }

    fn hidden(sizes: &[(&'static str, usize)]) -> Vec<String> {
        let (truth, risk, group) = cohort(sizes);
        subgroups(&truth, &risk, None, &group, SubgroupOptions::default())
            .unwrap()
            .into_iter()
            .filter(|row| row.suppressed)
            .map(|row| row.group)
            .collect()
    }

    #[test]
    fn small_groups_are_hidden_with_a_companion() {
        assert!(hidden(&[("a", 40), ("b", 22)]).is_empty());
        // 21 rows hold ten non-events.
        assert_eq!(hidden(&[("a", 40), ("b", 21), ("c", 30)]), ["b", "c"]);
        assert_eq!(
            hidden(&[("a", 40), ("b", 4), ("c", 20), ("d", 30)]),
            ["b", "c"]
        );
        // Two tiny groups together are still tiny.
        assert_eq!(
            hidden(&[("a", 40), ("b", 3), ("c", 3), ("d", 30)]),
            ["b", "c", "d"]
        );
        assert_eq!(hidden(&[("a", 3)]), ["a"]);
    }

    #[test]
    fn a_hidden_group_shows_its_name_only() {
        let (truth, risk, group) = cohort(&[("a", 40), ("b", 4), ("c", 60)]);
        let found = subgroups(&truth, &risk, None, &group, SubgroupOptions::default()).unwrap();
        assert_eq!(found[1], Subgroup::hidden("b"));
        let shown = &found[2];
        assert_eq!((shown.n_rows, shown.n_events), (Some(60), Some(30)));
        let of_group = auroc(&truth[44..], &risk[44..], None).unwrap();
        assert_eq!(shown.auroc.as_ref().unwrap().auroc, of_group);
        let ratio = shown.observed_over_expected.unwrap();
        let expected: f64 = risk[44..].iter().sum();
        assert!((ratio.value - 30.0 / expected).abs() < 1e-12);
        assert!(
            ((ratio.upper / ratio.value).ln() - 1.959_963_984_540_054 * f64::sqrt(0.5 / 30.0))
                .abs()
                < 1e-12
        );
        assert!(shown.calibration_slope.is_some());
    }

    #[test]
    fn any_metric_by_group() {
        let (truth, risk, group) = cohort(&[("a", 40), ("b", 4), ("c", 60)]);
        let found = metric_by_group(&truth, &group, SubgroupOptions::default(), |rows| {
            Ok(rows.iter().map(|row| risk[*row]).fold(0.0, f64::max))
        })
        .unwrap();
        assert_eq!((found[1].suppressed, found[1].value), (true, None));
        assert!(found[2].value.unwrap() > 0.7);
        let undefined = metric_by_group(&truth, &group, SubgroupOptions::default(), |_| {
            Err(check::undefined("test", "by design"))
        });
        assert_eq!(undefined.unwrap()[2].value, None);
        assert!(subgroups(&truth, &risk, None, &group[1..], SubgroupOptions::default()).is_err());
    }
}
