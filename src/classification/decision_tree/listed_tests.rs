//! Listed features against the same features with a byte for every row.

use super::coded::{Codes, Labelled};
use super::fit::plant;
use super::params::MissingValues;
use super::{DecisionTree, Pruning};
use crate::design::binned::{BinnedDesign, MISSING};
use crate::error::Result;
use crate::estimator::{Control, ParamGuard};
use crate::numeric::seed::{below, stream, uniform};

#[test]
fn listed_features_give_the_same_tree() -> Result<()> {
    let n = 6_000;
    let shares = [1.0, 0.05, 0.03, 0.06, 0.04, -0.05, 0.5, 0.05, 0.01, 0.06];
    let n_bins = [20, 2, 2, 9, 4, 8, 2, 2, 6, 30];
    for n_classes in [2, 3] {
        let mut r = stream(3, n_classes as u64);
        let mut columns = vec![vec![0_u8; n]; shares.len()];
        let mut classes = Vec::with_capacity(n);
        for row in 0..n {
            let mut score = 0;
            for ((column, share), n_bins) in columns.iter_mut().zip(shares).zip(n_bins) {
                let common = if share < 0.0 { MISSING } else { 1 };
                let other = uniform(&mut r) < share;
                let bin = match below(&mut r, n_bins + 1) {
                    bin if bin == n_bins => MISSING,
                    bin => bin as u8,
                };
                let other = other || uniform(&mut r) < -share;
                column[row] = if other { bin } else { common };
                score += usize::from(other) * usize::from(bin % 6);
            }
            let noise = uniform(&mut r) < 0.2;
            let class = if noise { below(&mut r, 6) } else { score / 4 };
            classes.push((class % n_classes) as u32);
        }
        let data = |design: BinnedDesign, weights: Vec<u32>| Labelled {
            codes: Codes::Bins(design),
            classes: classes.clone(),
            weights,
            n_classes,
            bins: n_bins.iter().map(|n| (*n, *n == 4 || *n == 9)).collect(),
        };
        let listed = BinnedDesign::of_columns(n, columns.clone());
        assert_eq!(listed.listed.len(), 8);
        let dense = BinnedDesign::all_dense(n, columns);
        for (missing, least) in [
            (MissingValues::LearnedSide, 1),
            (MissingValues::LearnedSide, 30),
            (MissingValues::Surrogate, 5),
        ] {
            let params = DecisionTree::params()
                .pruning(Pruning::None)
                .missing_values(missing)
                .min_leaf_rows(least)
                .max_leaves(60)
                .check()?;
            for weights in [vec![1; n], (0..n as u32).map(|row| 1 + row % 3).collect()] {
                let control = Control::silent();
                let a = plant(&data(listed.clone(), weights.clone()), &params, &control)?;
                let b = plant(&data(dense.clone(), weights), &params, &control)?;
                assert_eq!(a, b);
                let asked = a.nodes.iter().filter_map(|node| node.cut.as_ref());
                let of_list = |feature: u32| ![0, 6].contains(&feature);
                assert!(asked.filter(|cut| of_list(cut.feature)).count() > 3);
            }
        }
    }
    Ok(())
}
