//! Counting and comparing the groups of a Table 1.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::matrix::{ColumnView, Feature, FeatureKind, PatientMatrix};
use crate::report::suppress::{Margins, protect_line};
use crate::report::table_one::{Characteristic, Share, Spread, Summary, TableOneOptions};

/// A group: rows of a matrix.
pub(super) struct Group<'a> {
    pub(super) name: String,
    pub(super) matrix: &'a PatientMatrix,
    pub(super) rows: Vec<usize>,
}

pub(super) struct Builder<'a> {
    pub(super) groups: &'a [Group<'a>],
    /// Rows by group, then of all.
    pub(super) sizes: &'a [u64],
    /// Which of them are hidden.
    pub(super) hidden: &'a [bool],
    pub(super) options: &'a TableOneOptions,
}

impl Builder<'_> {
    pub(super) fn characteristic(&self, feature: &Feature) -> Result<Characteristic> {
        let columns = self
            .groups
            .iter()
            .map(|group| Ok((group.matrix.column(feature.name())?, group.rows.as_slice())))
            .collect::<Result<Vec<_>>>()?;
        let (summary, missing, smd) = match feature.kind() {
            FeatureKind::Numeric | FeatureKind::Count => self.numbers(&columns),
            FeatureKind::Flag => self.flag(&columns),
            _ => self.levels(&columns),
        };
        Ok(Characteristic {
            name: feature.name().to_string(),
            unit: feature.unit_name().map(str::to_string),
            summary,
            missing,
            smd,
        })
    }

    fn numbers(&self, columns: &[(ColumnView<'_>, &[usize])]) -> Parts {
        let mut values: Vec<Vec<f64>> = columns
            .iter()
            .map(|(column, rows)| {
                let values = rows.iter().map(|row| column.value(*row));
                values.filter(|value| !value.is_nan()).collect()
            })
            .collect();
        let present: Vec<u64> = values.iter().map(|v| v.len() as u64).collect();
        values.push(values.concat());
        let Some((cells, _)) = self.shares(std::slice::from_ref(&present), &[false]) else {
            return self.withheld();
        };
        // A mean of few rows is as telling as their count.
        let (mut secret, safe) = protect_line(&present, self.options.min_count);
        secret.push(!safe);
        let spreads: Vec<Option<Spread>> = values
            .iter_mut()
            .zip(secret)
            .map(|(values, secret)| if secret { None } else { spread(values) })
            .collect();
        let groups = &spreads[..columns.len()];
        let complete: Option<Vec<Spread>> = groups.iter().copied().collect();
        let smd = complete.and_then(|groups| {
            let pairs = |a: &Spread, b: &Spread| {
                ratio(
                    (a.mean - b.mean).abs(),
                    ((a.sd * a.sd + b.sd * b.sd) / 2.0).sqrt(),
                )
            };
            largest(&groups, pairs)
        });
        let shown = spreads.into_iter().take(self.n_columns()).collect();
        (Summary::Numbers(shown), self.last(cells), smd)
    }

    fn flag(&self, columns: &[(ColumnView<'_>, &[usize])]) -> Parts {
        let tally = |set: bool| -> Vec<u64> {
            let of = |(column, rows): &(ColumnView<'_>, &[usize])| {
                let values = rows.iter().map(|row| column.value(*row));
                values.filter(|v| !v.is_nan() && (*v != 0.0) == set).count() as u64
            };
            columns.iter().map(of).collect()
        };
        let counts = [tally(true), tally(false)];
        let smd = self.smd(&counts);
        // The unset flags are not printed, but set and missing ones would give them away.
        match self.shares(&counts, &[true, true]) {
            None => self.withheld(),
            Some((mut cells, whole)) => {
                let set = std::mem::take(&mut cells[0]);
                (Summary::Flag(set), self.last(cells), smd.filter(|_| whole))
            }
        }
    }

    fn levels(&self, columns: &[(ColumnView<'_>, &[usize])]) -> Parts {
        let mut names: Vec<&str> = Vec::new();
        let mut counts: Vec<Vec<u64>> = Vec::new();
        for (column, _) in columns {
            for level in column.levels() {
                if !names.contains(&level.as_str()) {
                    names.push(level);
                    counts.push(vec![0; columns.len()]);
                }
            }
        }
        let places: BTreeMap<&str, usize> = names.iter().copied().zip(0..).collect();
        for (group, (column, rows)) in columns.iter().enumerate() {
            for level in rows.iter().filter_map(|row| column.level(*row)) {
                if let Some(place) = places.get(level) {
                    counts[*place][group] += 1;
                }
            }
        }
        let (names, counts) = unite(names, counts, self.options.max_levels);
        let smd = self.smd(&counts);
        match self.shares(&counts, &vec![true; counts.len()]) {
            None => self.withheld(),
            Some((mut cells, whole)) => {
                let missing = cells.pop().unwrap_or_default();
                let levels = names.into_iter().zip(cells).collect();
                (Summary::Levels(levels), missing, smd.filter(|_| whole))
            }
        }
    }

    /// Counts and shares by row and printed column, the missing last, and whether all are shown;
    /// `None` where all of it must be withheld.
    fn shares(&self, counts: &[Vec<u64>], printed: &[bool]) -> Option<(Vec<Vec<Share>>, bool)> {
        let n_groups = self.groups.len();
        let mut rows: Vec<Vec<u64>> = counts.to_vec();
        let seen = |group: usize| counts.iter().map(|row| row[group]).sum::<u64>();
        rows.push(
            (0..n_groups)
                .map(|group| self.sizes[group] - seen(group))
                .collect(),
        );
        for row in &mut rows {
            row.push(row.iter().sum());
        }
        rows.push(self.sizes.to_vec());
        let mut printed = printed.to_vec();
        printed.push(true);
        let hidden = Margins {
            counts: &rows,
            printed_rows: &printed,
            printed_total: self.options.overall,
            hidden_totals: self.hidden,
            min_count: self.options.min_count,
        }
        .protect()?;
        let share = |row: usize, column: usize| {
            if hidden[row][column] {
                return Share::default();
            }
            let (n, size) = (rows[row][column], self.sizes[column]);
            let share = (size > 0 && !self.hidden[column]).then(|| n as f64 / size as f64);
            Share { n: Some(n), share }
        };
        let columns = self.n_columns();
        let table: Vec<Vec<Share>> = (0..=counts.len())
            .map(|row| (0..columns).map(|column| share(row, column)).collect())
            .collect();
        let whole = table.iter().flatten().all(|cell| cell.n.is_some());
        Some((table, whole && !self.hidden.contains(&true)))
    }

    /// Standardized difference of distributions; binary ones are the case of two levels.
    ///
    /// With the mean covariance S of two multinomials and x the difference of their shares, Yang &
    /// Dalton take d^2 = x' S^-1 x (SAS Global Forum 2012, paper 335). S is the covariance of the
    /// averaged shares q less x x' / 4, so by Sherman and Morrison d^2 = a / (1 - a / 4) with
    /// a = sum of x_k^2 / q_k over all levels. For two levels it is the form of Austin (Stat. Med.
    /// 28, 2009, doi 10.1002/sim.3697).
    fn smd(&self, counts: &[Vec<u64>]) -> Option<f64> {
        let groups: Vec<usize> = (0..self.groups.len()).collect();
        let share = |group: usize| -> Option<Vec<f64>> {
            let total: u64 = counts.iter().map(|row| row[group]).sum();
            let of = |row: &Vec<u64>| row[group] as f64 / total as f64;
            (total > 0).then(|| counts.iter().map(of).collect())
        };
        largest(&groups, |a, b| {
            let (p, q) = (share(*a)?, share(*b)?);
            let terms = p.iter().zip(&q).filter(|(p, q)| **p + **q > 0.0);
            let a: f64 = terms.map(|(p, q)| (p - q) * (p - q) * 2.0 / (p + q)).sum();
            ratio(a, 1.0 - a / 4.0).map(f64::sqrt)
        })
    }

    fn n_columns(&self) -> usize {
        self.groups.len() + usize::from(self.options.overall)
    }

    fn last(&self, mut cells: Vec<Vec<Share>>) -> Vec<Share> {
        cells.pop().unwrap_or_default()
    }

    fn withheld(&self) -> Parts {
        (
            Summary::Withheld,
            vec![Share::default(); self.n_columns()],
            None,
        )
    }
}

/// What is shown, the missing by column, and the difference between groups.
type Parts = (Summary, Vec<Share>, Option<f64>);

/// Keeps the most frequent levels in their order and unites the others; empty levels go.
fn unite(names: Vec<&str>, counts: Vec<Vec<u64>>, most: usize) -> (Vec<String>, Vec<Vec<u64>>) {
    let total = |row: &Vec<u64>| row.iter().sum::<u64>();
    let mut order: Vec<usize> = (0..names.len())
        .filter(|i| total(&counts[*i]) > 0)
        .collect();
    order.sort_by_key(|i| (std::cmp::Reverse(total(&counts[*i])), *i));
    let rest = if order.len() > most.max(1) {
        order.split_off(most.max(1))
    } else {
        Vec::new()
    };
    order.sort_unstable();
    let mut kept: Vec<String> = order.iter().map(|i| names[*i].to_string()).collect();
    let mut table: Vec<Vec<u64>> = order.iter().map(|i| counts[*i].clone()).collect();
    if let Some(first) = rest.first() {
        kept.push(format!("{} other levels", rest.len()));
        let columns = 0..counts[*first].len();
        table.push(
            columns
                .map(|c| rest.iter().map(|i| counts[*i][c]).sum())
                .collect(),
        );
    }
    (kept, table)
}

/// The largest value over all pairs; `None` when a pair has none.
fn largest<T>(items: &[T], of: impl Fn(&T, &T) -> Option<f64>) -> Option<f64> {
    let mut best: Option<f64> = None;
    for (place, a) in items.iter().enumerate() {
        for b in &items[place + 1..] {
            best = Some(of(a, b)?.max(best.unwrap_or(0.0)));
        }
    }
    best
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    match part {
        0.0 => Some(0.0),
        _ if whole > 1e-12 => Some(part / whole), // below this the groups do not overlap
        _ => None,
    }
}

pub(super) fn spread(values: &mut [f64]) -> Option<Spread> {
    if values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values
        .iter()
        .map(|value| (value - mean) * (value - mean))
        .sum();
    let quantile = |share: f64| {
        let place = share * (n - 1.0);
        let low = values[place.floor() as usize];
        low + (place - place.floor()) * (values[place.ceil() as usize] - low)
    };
    Some(Spread {
        mean,
        sd: if n > 1.0 {
            (squares / (n - 1.0)).sqrt()
        } else {
            0.0
        },
        median: quantile(0.5),
        q1: quantile(0.25),
        q3: quantile(0.75),
    })
}
