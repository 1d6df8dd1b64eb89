//! What attributions read of the model.

use std::ops::Range;

use super::model::GradientBoosting;
use crate::error::Result;
use crate::estimator::{ClassLabel, RowsSource};
use crate::kernel::tree::model::{Ensemble, Trees};

impl<L: ClassLabel> Trees for GradientBoosting<L> {
    /// Raw scores: the log-odds of the modelled class, or a score for every class.
    fn ensemble(&self) -> Ensemble<'_> {
        let wire = &self.wire;
        let n_outputs = wire.base.len();
        let names: Vec<String> = wire.classes.iter().map(ClassLabel::text).collect();
        let outputs = match n_outputs {
            1 => names
                .into_iter()
                .skip(wire.modelled as usize)
                .take(1)
                .collect(),
            _ => names,
        };
        Ensemble {
            trees: &wire.trees,
            feeds: (0..wire.trees.len())
                .map(|tree| (tree % n_outputs.max(1)) as u32)
                .collect(),
            scale: 1.0,
            base: wire.base.clone(),
            outputs,
            features: wire
                .binner
                .schema
                .features()
                .iter()
                .map(|feature| feature.name().to_string())
                .collect(),
        }
    }

    fn for_values<T: Send>(
        &self,
        rows: RowsSource<'_>,
        take: impl Fn(Range<usize>, &[f64]) -> T + Sync + Send,
    ) -> Result<Vec<T>> {
        self.wire.binner.for_values(rows, take)
    }
}

#[cfg(test)]
mod tests {
    use crate::classification::GradientBoosting;
    use crate::estimator::Cohort;
    use linfa::traits::Fit;

    #[test]
    fn attributions_add_up_to_the_raw_score() -> crate::Result<()> {
        let people = crate::simulate::readmissions(1_500, 3);
        let cohort = Cohort::new(people.matrix, people.target);
        let model = GradientBoosting::params().n_trees(30).fit(&cohort)?;
        let raw = model.decision(&cohort.records)?;
        let found: Vec<f64> = model
            .wire
            .binner
            .for_values(
                crate::estimator::RowsSource::Matrix(&cohort.records),
                |range, values| {
                    let width = model.wire.binner.schema.len();
                    let score = |row: usize| -> f64 {
                        let row = &values[row * width..(row + 1) * width];
                        model
                            .wire
                            .trees
                            .iter()
                            .map(|tree| tree.value(tree.leaf(row))[0])
                            .sum()
                    };
                    (0..range.len())
                        .map(|row| model.wire.base[0] + score(row))
                        .collect::<Vec<_>>()
                },
            )?
            .concat();
        for (a, b) in raw.iter().zip(found) {
            assert!((a - b).abs() < 1e-12);
        }
        Ok(())
    }
}
