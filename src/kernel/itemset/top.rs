//! The k sets of largest support.
//!
//! The support of the k-th set is found by mining at falling supports, each run cut short soon
//! after k sets. Sets above that support are fewer than k and all taken; of those at it, which may be
//! beyond counting, the first in canonical order, and the search ends there. The answer does not depend
//! on how the search went.

use super::drive::{Table, visit};
use super::limits::Bound;
use super::prepare::Baskets;
use super::{Algorithm, MineError, Settings, Target};

/// The `k` sets of largest support with at least `settings.min_support`, largest first and then in
/// canonical order of the support that just suffices. Maximal sets are those of
/// `settings.min_support`.
pub(crate) fn top(
    baskets: &Baskets<'_>,
    settings: &Settings,
    k: usize,
) -> Result<Table, MineError> {
    if settings.min_support == 0 {
        return Err(MineError::Input("min_support: must be at least 1"));
    }
    let mut run = settings.clone();
    // What is kept is bounded by k, and no run goes on after it: depth first, there is no explosion.
    run.limits.max_sets = u64::MAX;
    run.limits.max_bytes = u64::MAX;
    run.look_ahead = false;
    run.algorithm = Algorithm::Eclat;
    let mut kept = Vec::new();
    if settings.target == Target::Maximal {
        all_maximal(baskets, &run, k, settings.limits.max_sets, &mut kept)?;
    } else {
        let least = threshold(baskets, &run, k)?;
        run.min_support = least.saturating_add(1);
        visit(baskets, &run, &mut |set, support| {
            kept.push((support, set.to_vec()));
            true
        })?;
        run.min_support = least;
        let mut open = k.saturating_sub(kept.len());
        visit(baskets, &run, &mut |set, support| {
            if support == least && open > 0 {
                kept.push((support, set.to_vec()));
                open -= 1;
            }
            open > 0
        })?;
    }
    kept.sort_by_key(|(support, _)| std::cmp::Reverse(*support));
    kept.truncate(k);
    let mut table = Table {
        offsets: vec![0],
        ..Table::default()
    };
    for (support, set) in kept {
        table.items.extend_from_slice(&set);
        table.offsets.push(table.items.len());
        table.supports.push(support);
    }
    Ok(table)
}

/// The best of all maximal sets, of which there may be `most`: a larger support has others.
fn all_maximal(
    baskets: &Baskets<'_>,
    run: &Settings,
    k: usize,
    most: u64,
    kept: &mut Vec<(u64, Vec<u32>)>,
) -> Result<(), MineError> {
    let mut seen = 0;
    visit(baskets, run, &mut |set, support| {
        seen += 1;
        kept.push((support, set.to_vec()));
        if kept.len() >= 4 * k.max(64) {
            kept.sort_by_key(|(support, _)| std::cmp::Reverse(*support));
            kept.truncate(k);
        }
        seen <= most
    })?;
    if seen <= most {
        return Ok(());
    }
    Err(MineError::Overrun(super::limits::Overrun {
        bound: Bound::Sets,
        at_least: seen as f64,
        longest: 0,
    }))
}

/// The largest support that at least `k` sets reach, or the least allowed one.
fn threshold(baskets: &Baskets<'_>, settings: &Settings, k: usize) -> Result<u64, MineError> {
    let most = match baskets.weights {
        Some(weights) => weights.iter().fold(0u64, |sum, &w| sum.saturating_add(w)),
        None => baskets.offsets.len() as u64,
    };
    // `low` is reached by k sets or is the least allowed; `high` is not reached by k sets.
    let (mut low, mut high) = (settings.min_support, most.saturating_add(1));
    let enough = 4 * k + 1024;
    let mut exact = false;
    while low + 1 < high {
        // Falling first; between known ends the middle of the logarithms.
        let middle = if exact {
            ((low as f64 * high as f64).sqrt() as u64).clamp(low + 1, high - 1)
        } else {
            (high / 2).clamp(low + 1, high - 1)
        };
        let mut run = settings.clone();
        run.min_support = middle;
        let mut supports = Vec::new();
        visit(baskets, &run, &mut |_, support| {
            supports.push(support);
            supports.len() < enough
        })?;
        if supports.len() < k {
            high = middle;
        } else {
            // k of those seen reach this, whatever else there is.
            supports.sort_unstable_by(|a, b| b.cmp(a));
            let reached = supports[k.max(1) - 1].max(middle);
            low = reached;
            if supports.len() < enough {
                return Ok(reached);
            }
            exact = true;
        }
    }
    Ok(low)
}
