//! Pictures of attributions.

use ndarray::ArrayView2;

use crate::error::{ErrorKind, Result};
use crate::estimator::figure::{Axis, Figure, Shape};
use crate::explain::attribution::Attributions;

/// Points of a feature in a beeswarm, and of a dependence plot, at most.
const MOST_POINTS: usize = 400;
/// Places along the axis within which points of a beeswarm are laid side by side.
const SLOTS: f64 = 60.0;

impl Attributions {
    /// Features by mean absolute attribution, largest first, `top` of them.
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] for an output that there is not.
    pub fn bar(&self, output: usize, top: usize) -> Result<Figure> {
        let order = self.order(output, top)?;
        let means = self.mean_abs();
        let values = order.iter().map(|feature| means[[*feature, output]]);
        let label = format!("Mean absolute attribution to {}", self.outputs()[output]);
        let caption = format!(
            "Means over {} rows.{}",
            self.n_rows(),
            self.left_out(&order)
        );
        Ok(Figure::new(
            "Importance of features",
            self.names(&order),
            Axis::new(label),
        )
        .caption(caption)
        .bars("", values.collect()))
    }

    /// A point for every feature and row, features by mean absolute attribution, `top` of them.
    ///
    /// With the rows' values (rows x features), points fall in three series: the lowest, the middle and
    /// the highest third of the values of their feature. Of many rows, 400 at even distances are shown.
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] for an output that there is not, [`ErrorKind::LengthMismatch`] for values
    /// of another shape.
    pub fn beeswarm(
        &self,
        output: usize,
        top: usize,
        values: Option<ArrayView2<'_, f64>>,
    ) -> Result<Figure> {
        if let Some(values) = values {
            self.fits("rows of values", self.n_rows(), values.nrows())?;
            self.fits("columns of values", self.features().len(), values.ncols())?;
        }
        let order = self.order(output, top)?;
        let found = self.output(output)?;
        let rows = shown(self.n_rows());
        let mut series: Vec<(&str, Vec<f64>, Vec<f64>)> = match values {
            None => vec![("", Vec::new(), Vec::new())],
            Some(_) => ["low values", "middle values", "high values", "missing"]
                .map(|name| (name, Vec::new(), Vec::new()))
                .into(),
        };
        let all = order
            .iter()
            .flat_map(|feature| rows.iter().map(|row| found[[*row, *feature]]));
        let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        for (place, feature) in order.iter().enumerate() {
            let cuts = values.as_ref().map(|values| {
                let column = values.column(*feature);
                (thirds(column.iter().copied()), column)
            });
            let mut counts = vec![0_usize; SLOTS as usize + 1];
            for row in &rows {
                let value = found[[*row, *feature]];
                let slot = ((value - low) / (high - low) * SLOTS) as usize;
                let count = &mut counts[slot.min(SLOTS as usize)];
                // 0, 1, -1, 2, -2, ... steps off the middle line.
                let steps = count.div_ceil(2) as f64 * if *count % 2 == 1 { 1.0 } else { -1.0 };
                *count += 1;
                let of = match &cuts {
                    None => 0,
                    Some((_, column)) if !column[*row].is_finite() => 3,
                    Some((cuts, column)) => third(*cuts, column[*row]),
                };
                series[of]
                    .1
                    .push(place as f64 + (0.03 * steps).clamp(-0.4, 0.4));
                series[of].2.push(value);
            }
        }
        let label = format!("Attribution to {}", self.outputs()[output]);
        let caption = format!("{}{}", self.shown_of(rows.len()), self.left_out(&order));
        let figure = Figure::new(
            "Attributions by feature",
            self.names(&order),
            Axis::new(label),
        );
        let series = series.into_iter().filter(|(_, x, _)| !x.is_empty());
        Ok(series
            .fold(figure, |figure, (name, x, y)| figure.points(name, x, y))
            .caption(caption)
            .horizontal("no attribution", 0.0))
    }

    /// The way from the base value to the prediction of one row: the `top` features of largest
    /// absolute attribution, then all others in one step. A bar runs from the sum before to the sum
    /// after, a dot stands at the latter.
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] for a row or an output that there is not.
    pub fn waterfall(&self, row: usize, output: usize, top: usize) -> Result<Figure> {
        self.known("row", row, self.n_rows())?;
        let found = self.output(output)?;
        let found = found.row(row);
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_by(|a, b| found[*b].abs().total_cmp(&found[*a].abs()).then(a.cmp(b)));
        let rest = order.split_off(top.min(order.len()));
        let mut steps: Vec<(String, f64)> = order
            .iter()
            .map(|feature| (self.features()[*feature].clone(), found[*feature]))
            .collect();
        if !rest.is_empty() {
            let sum = rest.iter().map(|feature| found[*feature]).sum();
            steps.push((format!("{} others", rest.len()), sum));
        }
        let mut at = self.base()[output];
        let mut ways = [(); 2].map(|()| [(); 4].map(|()| Vec::new()));
        for (place, (_, step)) in steps.iter().enumerate() {
            let next = at + step;
            let numbers = [place as f64, next, at.min(next), at.max(next)];
            for (list, number) in ways[usize::from(*step < 0.0)].iter_mut().zip(numbers) {
                list.push(number);
            }
            at = next;
        }
        let names = Axis::new("Feature").categories(steps.into_iter().map(|(name, _)| name));
        let label = format!("Raw prediction of {}", self.outputs()[output]);
        let mut figure = Figure::new("Attributions of one row", names, Axis::new(label))
            .caption("From the base value, feature by feature, to the prediction of the row.")
            .horizontal("base value", self.base()[output])
            .horizontal("prediction", at);
        for (name, [x, y, lower, upper]) in ["raises", "lowers"].into_iter().zip(ways) {
            if !x.is_empty() {
                figure = figure.with(name, Shape::Points { x, y, lower, upper });
            }
        }
        Ok(figure)
    }

    /// Attributions of one feature against its values (one a row); missing values are left out.
    ///
    /// Of many rows, 400 at even distances are shown.
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] for a feature or an output that there is not,
    /// [`ErrorKind::LengthMismatch`] for another number of values than rows.
    pub fn dependence(&self, feature: usize, output: usize, values: &[f64]) -> Result<Figure> {
        self.known("feature", feature, self.features().len())?;
        self.fits("values", self.n_rows(), values.len())?;
        let found = self.output(output)?;
        let present: Vec<usize> = (0..values.len())
            .filter(|row| values[*row].is_finite())
            .collect();
        let rows: Vec<usize> = shown(present.len())
            .into_iter()
            .map(|i| present[i])
            .collect();
        let x = rows.iter().map(|row| values[*row]).collect();
        let y = rows.iter().map(|row| found[[*row, feature]]).collect();
        let name = &self.features()[feature];
        let label = format!("Attribution to {}", self.outputs()[output]);
        let missing = match values.len() - present.len() {
            0 => String::new(),
            n => format!(" {n} rows with missing values are left out."),
        };
        Ok(Figure::new(
            format!("Attributions of {name}"),
            Axis::new(name),
            Axis::new(label),
        )
        .caption(format!("{}{missing}", self.shown_of(rows.len())))
        .points("", x, y)
        .horizontal("no attribution", 0.0))
    }

    /// Features by mean absolute attribution, ties by position.
    fn order(&self, output: usize, top: usize) -> Result<Vec<usize>> {
        self.known("output", output, self.outputs().len())?;
        let means = self.mean_abs();
        let mean = |feature: usize| means[[feature, output]];
        let mut order: Vec<usize> = (0..self.features().len()).collect();
        order.sort_by(|a, b| mean(*b).total_cmp(&mean(*a)).then(a.cmp(b)));
        order.truncate(top);
        Ok(order)
    }

    fn names(&self, order: &[usize]) -> Axis {
        Axis::new("Feature").categories(order.iter().map(|at| self.features()[*at].as_str()))
    }

    fn left_out(&self, order: &[usize]) -> String {
        match self.features().len() - order.len() {
            0 => String::new(),
            n => format!(" {n} features of smaller mean are left out."),
        }
    }

    fn shown_of(&self, n: usize) -> String {
        format!("{n} of {} rows are shown.", self.n_rows())
    }

    fn fits(&self, what: &'static str, expected: usize, found: usize) -> Result<()> {
        if expected == found {
            return Ok(());
        }
        Err(ErrorKind::LengthMismatch {
            what,
            expected,
            found,
        }
        .into())
    }
}

/// At most [`MOST_POINTS`] of `n` positions, at even distances.
fn shown(n: usize) -> Vec<usize> {
    let most = n.min(MOST_POINTS);
    (0..most).map(|i| i * n / most).collect()
}

/// The largest finite value of the lowest third and the smallest of the highest.
fn thirds(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len();
    [n.div_ceil(3).max(1) - 1, 2 * n / 3].map(|at| values.get(at).copied().unwrap_or(0.0))
}

/// Which third a value is in; values that fill a third and more are in the middle one, so that those
/// below and above are told from them.
fn third([low, high]: [f64; 2], value: f64) -> usize {
    if value < low || (value == low && low < high) {
        0
    } else if value > high || (value == high && low < high) {
        2
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    fn found() -> Attributions {
        let values = vec![0.1, -1.0, 0.5, 0.3, 2.0, -0.5];
        Attributions::new(["a", "b", "c"], ["log-odds"], vec![-2.0], values).unwrap()
    }

    fn points(figure: &Figure, series: usize) -> (&[f64], &[f64], &[f64], &[f64]) {
        match &figure.series[series].shape {
            Shape::Points { x, y, lower, upper } => (x, y, lower, upper),
            shape => panic!("{shape:?}"),
        }
    }

    #[test]
    fn bars_are_means_in_order() {
        let figure = found().bar(0, 2).unwrap();
        assert_eq!(figure.x.categories, ["b", "c"]);
        let Shape::Bars { value, .. } = &figure.series[0].shape else {
            panic!("bars")
        };
        assert_eq!(value, &[1.5, 0.5]);
        assert!(figure.caption.contains("1 features"), "{}", figure.caption);
        assert!(found().bar(1, 2).is_err());
    }

    #[test]
    fn a_waterfall_ends_at_the_prediction() {
        let figure = found().waterfall(0, 0, 2).unwrap();
        assert_eq!(figure.x.categories, ["b", "c", "1 others"]);
        let (x, y, lower, upper) = points(&figure, 0);
        assert_eq!((x, y), (&[1.0, 2.0][..], &[-2.5, -2.4][..]));
        assert_eq!((lower, upper), (&[-3.0, -2.5][..], &[-2.5, -2.4][..]));
        let (_, y, lower, upper) = points(&figure, 1);
        assert_eq!((y, lower, upper), (&[-3.0][..], &[-3.0][..], &[-2.0][..]));
        assert!(found().waterfall(2, 0, 2).is_err());
    }

    #[test]
    fn a_beeswarm_shows_every_row_once() {
        let figure = found().beeswarm(0, 3, None).unwrap();
        let (x, y, ..) = points(&figure, 0);
        assert_eq!(y, [-1.0, 2.0, 0.5, -0.5, 0.1, 0.3]);
        let rounded: Vec<f64> = x.iter().map(|x| x.round()).collect();
        assert_eq!(rounded, [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
        let values =
            Array2::from_shape_vec((2, 3), vec![1.0, 5.0, 1.0, 2.0, f64::NAN, 1.0]).unwrap();
        let figure = found().beeswarm(0, 3, Some(values.view())).unwrap();
        let names: Vec<&str> = figure
            .series
            .iter()
            .map(|series| series.name.as_str())
            .collect();
        assert_eq!(
            names,
            ["low values", "middle values", "high values", "missing"]
        );
        let n: usize = (0..4).map(|series| points(&figure, series).0.len()).sum();
        assert_eq!(n, 6);
        assert!(
            found()
                .beeswarm(0, 3, Some(Array2::zeros((1, 3)).view()))
                .is_err()
        );
    }

    #[test]
    fn rare_values_are_told_from_common_ones() {
        let of = |values: &[f64]| {
            let cuts = thirds(values.iter().copied());
            values
                .iter()
                .map(|value| third(cuts, *value))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&[0.0, 1.0, 1.0, 1.0, 1.0]), [0, 1, 1, 1, 1]);
        assert_eq!(of(&[0.0, 0.0, 0.0, 0.0, 1.0]), [1, 1, 1, 1, 2]);
        assert_eq!(of(&[0.0, 1.0]), [0, 2]);
        assert_eq!(of(&[3.0, 1.0, 5.0, 2.0, 4.0, 6.0]), [1, 0, 2, 0, 1, 2]);
    }

    #[test]
    fn many_rows_are_thinned_and_missing_values_told() {
        let n = 5 * MOST_POINTS;
        let values = (0..n).map(|i| i as f64).collect();
        let found = Attributions::new(["a"], ["y"], vec![0.0], values).unwrap();
        let mut at: Vec<f64> = (0..n).map(|i| i as f64).collect();
        at[0] = f64::NAN;
        let figure = found.dependence(0, 0, &at).unwrap();
        let (x, y, ..) = points(&figure, 0);
        assert_eq!(x.len(), MOST_POINTS);
        assert_eq!(x, y);
        assert!(
            figure.caption.contains("1 rows with missing"),
            "{}",
            figure.caption
        );
        assert!(found.dependence(1, 0, &at).is_err());
        assert!(found.dependence(0, 0, &at[1..]).is_err());
    }

    #[test]
    fn nothing_to_show_is_no_panic() {
        let none = Attributions::new(["a"], ["y"], vec![0.0], vec![]).unwrap();
        assert!(none.beeswarm(0, 5, None).unwrap().series.is_empty());
        assert!(none.bar(0, 0).is_ok());
        assert!(none.dependence(0, 0, &[]).is_ok());
        assert!(none.waterfall(0, 0, 5).is_err());
    }
}
