//! Several matrices to one: rows below each other, columns beside each other.

use std::sync::Arc;

use crate::error::{ErrorKind, Result};
use crate::matrix::column::{CategoricalColumn, Column, ColumnView, MISSING_CODE};
use crate::matrix::patients::PatientMatrix;
use crate::matrix::rows::RowKeys;
use crate::matrix::time::Time;

impl PatientMatrix {
    /// Rows of several matrices one after the other; schemas must agree in names, kinds and units,
    /// in any column order.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureNames`] or [`ErrorKind::FeatureMismatch`] where schemas disagree,
    /// [`ErrorKind::Duplicate`] where a patient and index time stand in two parts.
    pub fn concat(parts: &[&Self]) -> Result<Self> {
        let Some(first) = parts.first() else {
            return Self::new(Vec::new());
        };
        let mut columns = Vec::with_capacity(first.n_columns());
        for feature in first.schema.features() {
            let mut views = Vec::with_capacity(parts.len());
            for part in parts {
                let position = part.schema.find(feature.name())?;
                feature.check_same(&part.schema.features()[position])?;
                views.push(part.view(position));
            }
            columns.push((feature.clone(), concat_columns(&views)?));
        }
        for part in parts {
            if part.n_columns() != first.n_columns() {
                return Err(ErrorKind::FeatureCount {
                    expected: first.n_columns(),
                    found: part.n_columns(),
                }
                .into());
            }
        }
        let keys: Vec<&RowKeys> = parts.iter().map(|part| &part.keys).collect();
        let mut joined = Self::new(columns)?;
        joined.n_rows = parts.iter().map(|part| part.n_rows).sum();
        let mut joined = joined.with_keys(RowKeys::concat(&keys))?;
        // Parts of one table stay parts of it, with the splits that all of them passed.
        if parts.iter().all(|part| part.origin == first.origin) {
            joined.origin = first.origin;
            let shared = (0..first.splits.len())
                .take_while(|depth| {
                    parts
                        .iter()
                        .all(|part| part.splits.get(*depth) == first.splits.get(*depth))
                })
                .count();
            joined.splits = first.splits[..shared].into();
        }
        Ok(joined)
    }

    /// The columns of `other` beside these, matched by patient and index time (by patient alone
    /// where `other` has no index times); rows without a partner are missing there, 0 in a sparse
    /// column.
    ///
    /// # Errors
    /// [`ErrorKind::MissingKeys`] without patient keys, [`ErrorKind::Duplicate`] where `other` has
    /// two rows of one key, [`ErrorKind::Schema`] for a name on both sides.
    pub fn join(&self, other: &Self) -> Result<Self> {
        let partners = other.keys.rows_by_key("join")?;
        let patients = self.keys.require_patients("join")?;
        let by_time = other.keys.index_times().is_some();
        if by_time && self.keys.index_times().is_none() {
            return Err(ErrorKind::MissingKeys {
                what: "join",
                key: "index time",
            }
            .into());
        }
        let times = self.keys.index_times().filter(|_| by_time);
        let partner: Vec<Option<usize>> = (0..self.n_rows)
            .map(|row| {
                let time = times.map_or(Time(0), |times| times[row]);
                partners.get(&(patients.label(row), time)).copied()
            })
            .collect();
        let mut joined = self.materialize();
        for (index, feature) in other.schema.features().iter().enumerate() {
            if joined.schema.position(feature.name()).is_some() {
                return Err(ErrorKind::Schema(format!(
                    "feature `{}` is on both sides of a join",
                    feature.name()
                ))
                .into());
            }
            let view = other.view(index);
            let column = match view.column {
                Column::Dense(_) => Column::Dense(
                    partner
                        .iter()
                        .map(|row| row.map_or(f64::NAN, |row| view.value(row)))
                        .collect(),
                ),
                Column::Sparse(_) => Column::sparse(
                    self.n_rows,
                    partner
                        .iter()
                        .enumerate()
                        .filter_map(|(row, base)| base.map(|base| (row, view.value(base))))
                        .collect(),
                )?,
                Column::Categorical(categorical) => Column::Categorical(CategoricalColumn {
                    codes: partner
                        .iter()
                        .map(|row| row.and_then(|row| view.code(row)).unwrap_or(MISSING_CODE))
                        .collect(),
                    levels: Arc::clone(&categorical.levels),
                }),
            };
            joined = joined.with_column(feature.clone(), column)?;
        }
        Ok(joined)
    }
}

fn concat_columns(views: &[ColumnView<'_>]) -> Result<Column> {
    let n_rows = views.iter().map(ColumnView::len).sum();
    if views
        .iter()
        .all(|view| !view.levels().is_empty() || view.code(0).is_some())
    {
        let levels = views
            .iter()
            .flat_map(|view| (0..view.len()).map(move |row| view.level(row)));
        return Ok(Column::categorical(levels));
    }
    if views.iter().all(ColumnView::is_sparse) {
        let mut entries = Vec::new();
        let mut offset = 0;
        for view in views {
            let part = view.entries().unwrap_or_default();
            entries.extend(
                part.into_iter()
                    .map(|(row, value)| (row as usize + offset, value)),
            );
            offset += view.len();
        }
        return Column::sparse(n_rows, entries);
    }
    if views
        .iter()
        .any(|view| matches!(view.column, Column::Categorical(_)))
    {
        let levels = views
            .iter()
            .flat_map(|view| (0..view.len()).map(move |row| view.level(row)));
        return Ok(Column::categorical(levels));
    }
    Ok(Column::Dense(
        views.iter().flat_map(ColumnView::to_vec).collect(),
    ))
}
