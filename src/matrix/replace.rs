//! Columns whose values are replaced while everything else stays: by those of other rows, or by one.

use crate::error::Result;
use crate::matrix::column::{CategoricalColumn, Column, ColumnView, MISSING_CODE, Selection};
use crate::matrix::patients::{PatientMatrix, check_column};

impl PatientMatrix {
    /// Row `i` takes the values of the columns at `positions` from row `donors[i]`, missing ones too;
    /// other columns and the keys stay. Positions and donors are those of this matrix, one donor a row.
    pub(crate) fn with_rows_of(&self, positions: &[usize], donors: &[u32]) -> Self {
        let whole = self.materialize();
        let selection = Selection::new(donors.to_vec());
        let mut columns = whole.columns.to_vec();
        for position in positions {
            let taken = ColumnView {
                column: &whole.columns[*position],
                selection: Some(&selection),
            };
            columns[*position] = taken.to_column();
        }
        Self {
            columns: columns.into(),
            ..whole
        }
    }

    /// All rows have one value in the column at `position`: a number, or the code of a level; NaN is
    /// missing.
    ///
    /// # Errors
    /// As [`Self::with_column`], [`OutOfRange`](crate::error::ErrorKind::OutOfRange) for a code that no
    /// level has.
    pub(crate) fn with_value(&self, position: usize, value: f64) -> Result<Self> {
        let whole = self.materialize();
        let column = match &whole.columns[position] {
            Column::Categorical(categorical) => {
                let code = if value.is_nan() {
                    MISSING_CODE
                } else {
                    code_of(value, categorical.levels.len())?
                };
                Column::Categorical(CategoricalColumn {
                    codes: vec![code; whole.n_rows].into(),
                    levels: categorical.levels.clone(),
                })
            }
            _ => Column::Dense(vec![value; whole.n_rows].into()),
        };
        check_column(&whole.schema.features()[position], &column, whole.n_rows)?;
        let mut columns = whole.columns.to_vec();
        columns[position] = column;
        Ok(Self {
            columns: columns.into(),
            ..whole
        })
    }
}

fn code_of(value: f64, n_levels: usize) -> Result<u32> {
    if value >= 0.0 && value.fract() == 0.0 && value < n_levels as f64 {
        return Ok(value as u32);
    }
    Err(crate::error::ErrorKind::OutOfRange {
        what: "code of a level",
        row: None,
        column: None,
        rule: "codes below the number of levels",
    }
    .into())
}

#[cfg(test)]
mod tests {
    use crate::matrix::{Column, Feature, PatientMatrix, RowKeys};

    fn matrix() -> PatientMatrix {
        PatientMatrix::new(vec![
            (
                Feature::numeric("a"),
                Column::dense(vec![1.0, f64::NAN, 3.0]).unwrap(),
            ),
            (
                Feature::count("b"),
                Column::sparse(3, vec![(2, 5.0)]).unwrap(),
            ),
            (
                Feature::category("c"),
                Column::categorical([Some("u"), None, Some("v")]),
            ),
            (
                Feature::numeric("d"),
                Column::dense(vec![7.0, 8.0, 9.0]).unwrap(),
            ),
        ])
        .unwrap()
        .with_keys(RowKeys::none().patients(["p", "q", "r"]))
        .unwrap()
    }

    fn shown(matrix: &PatientMatrix) -> Vec<String> {
        (0..matrix.n_columns())
            .map(|column| format!("{:?}", matrix.view(column).to_vec()))
            .collect()
    }

    #[test]
    fn values_move_with_their_missingness_and_keys_stay() {
        let whole = matrix();
        let moved = whole.with_rows_of(&[0, 1, 2], &[2, 0, 1]);
        let expected = [
            "[3.0, 1.0, NaN]",
            "[5.0, 0.0, 0.0]",
            "[1.0, 0.0, NaN]",
            "[7.0, 8.0, 9.0]",
        ];
        assert_eq!(shown(&moved), expected);
        assert_eq!(moved.keys(), whole.keys());
        assert_eq!(moved.origin(), whole.origin());
        assert!(moved.view(1).is_sparse());
        // Rows and donors of a view are those of the view.
        let view = whole.select_rows(&[2, 1]).unwrap();
        assert_eq!(
            shown(&view.with_rows_of(&[0], &[1, 0])),
            ["[NaN, 3.0]", "[5.0, 0.0]", "[1.0, NaN]", "[9.0, 8.0]"]
        );
    }

    #[test]
    fn one_value_for_all_rows_is_checked() {
        let whole = matrix();
        let set = |position, value| whole.with_value(position, value);
        assert_eq!(shown(&set(0, 4.0).unwrap())[0], "[4.0, 4.0, 4.0]");
        assert_eq!(shown(&set(0, f64::NAN).unwrap())[0], "[NaN, NaN, NaN]");
        assert_eq!(shown(&set(1, 2.0).unwrap())[1], "[2.0, 2.0, 2.0]");
        assert_eq!(set(2, 1.0).unwrap().view(2).level(0), Some("v"));
        assert!(set(2, f64::NAN).unwrap().view(2).is_missing(0));
        for (position, value) in [(0, f64::INFINITY), (1, 0.5), (1, -1.0), (2, 2.0), (2, 0.5)] {
            assert!(set(position, value).is_err(), "{position}, {value}");
        }
    }
}
