//! Stand-ins of a cut: cuts on other features that send rows the same way.
//!
//! Source: Breiman, Friedman, Olshen and Stone, *Classification and Regression Trees*, 1984,
//! section 5.3, ISBN 978-0412048418.

use super::coded::{Codes, Cut, Labelled, NO_VALUE, Side, StandIn};
use super::cut::known;
use crate::kernel::tree::class_histogram::Item;
use crate::kernel::tree::flat::LevelSet;
use crate::numeric::parallel::map_tasks;

/// The best cut of every other feature that agrees with `cut` better than the majority does, best
/// first, at most `most`. Agreement is counted among the rows that have the value of the cut; one
/// that lacks the value of the stand-in counts as sent to the heavier side.
pub(super) fn stand_ins(data: &Labelled, cut: &Cut, items: &[Item], most: usize) -> Vec<StandIn> {
    let Codes::Bins(_) = &data.codes else {
        return Vec::new();
    };
    let feature = cut.feature as usize;
    let sides: Vec<(Item, bool)> = known(&data.codes, feature, items)
        .map(|(item, code)| (item, cut.side.holds(code)))
        .collect();
    let mut all = [0_u64; 2];
    for (item, left) in &sides {
        all[usize::from(*left)] += item.weight as u64;
    }
    let majority = usize::from(all[1] > all[0]);
    let found = map_tasks(data.codes.n_features(), |other| {
        (other != feature).then(|| {
            // Weight by code and side; the last slot is that of missing values.
            let mut sums = vec![[0_u64; 2]; 257];
            for (item, left) in &sides {
                let code = data.codes.code(other, item.row as usize);
                let slot = if code == NO_VALUE { 256 } else { code as usize };
                sums[slot][usize::from(*left)] += item.weight as u64;
            }
            (other, sums)
        })
    });
    let mut list: Vec<StandIn> = Vec::new();
    for (other, sums) in found.into_iter().flatten() {
        let (agree, side, same) = best(&sums[..256], data.is_level(other));
        let agree = agree + sums[256][majority];
        let weight = all[0] + all[1];
        let by_majority = all[majority];
        if agree > by_majority {
            list.push(StandIn {
                feature: other as u32,
                side,
                same,
                agreement: agree as f64 / weight as f64,
                adjusted: (agree - by_majority) as f64 / (weight - by_majority) as f64,
            });
        }
    }
    list.sort_by(|a, b| {
        b.adjusted
            .total_cmp(&a.adjusted)
            .then(a.feature.cmp(&b.feature))
    });
    list.truncate(most);
    list
}

/// The cut of these codes that agrees best: weight in agreement, side, and whether it goes left.
fn best(sums: &[[u64; 2]], levels: bool) -> (u64, Side, bool) {
    if levels {
        let mut set: LevelSet = [0; 4];
        let mut agree = 0;
        for (code, [right, left]) in sums.iter().enumerate() {
            agree += right.max(left);
            if left > right {
                set[code / 64] |= 1 << (code % 64);
            }
        }
        return (agree, Side::In(set), true);
    }
    let whole = sums.iter().fold([0, 0], |a, b| [a[0] + b[0], a[1] + b[1]]);
    let mut best = (0, Side::UpTo(0), true);
    let mut low = [0, 0];
    for (code, sum) in sums.iter().enumerate() {
        low = [low[0] + sum[0], low[1] + sum[1]];
        if *sum == [0, 0] || low == whole {
            continue;
        }
        let same = low[1] + (whole[0] - low[0]);
        let turned = low[0] + (whole[1] - low[1]);
        for (agree, goes_left) in [(same, true), (turned, false)] {
            if agree > best.0 {
                best = (agree, Side::UpTo(code as u32), goes_left);
            }
        }
    }
    best
}
