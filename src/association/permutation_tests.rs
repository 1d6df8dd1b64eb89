use super::*;
use crate::association::testable::every_itemset;
use crate::association::{PairCounts, tarone};
use crate::numeric::seed::{Stream, uniform};

fn draw_items(n: usize, shares: &[f64], stream: &mut Stream) -> Vec<Vec<u64>> {
    let item = |share: &f64| {
        let mut words = vec![0_u64; n.div_ceil(64)];
        for row in 0..n {
            if uniform(stream) < *share {
                words[row / 64] |= 1 << (row % 64);
            }
        }
        words
    };
    shares.iter().map(item).collect()
}

fn has(item: &[u64], row: usize) -> bool {
    item[row / 64] >> (row % 64) & 1 == 1
}

fn fisher(cover: Cover<'_>, class: &[bool]) -> f64 {
    let both = (0..class.len())
        .filter(|row| class[*row] && has(cover.words, *row))
        .count() as u64;
    let n_class = class.iter().filter(|has| **has).count() as u64;
    let pair = PairCounts::new(class.len() as u64, cover.support, n_class, both).unwrap();
    pair.fisher_p(Alternative::TwoSided)
}

/// Whether any itemset is significant, by Tarone's and by the permutation threshold.
fn any_found(items: &[Vec<u64>], class: &[bool], stratum: Option<&[u32]>, seed: u64) -> [bool; 2] {
    let n_class = class.iter().filter(|has| **has).count() as u64;
    let testable = tarone(
        class.len() as u64,
        n_class,
        0.05,
        Alternative::TwoSided,
        |least, visit| {
            every_itemset(items, 3, least, visit);
        },
    )
    .unwrap();
    let params = PermutationParams {
        n_permutations: 199,
        seed,
        ..Default::default()
    };
    let null = westfall_young(class, stratum, &params, |least, visit| {
        every_itemset(items, 3, least, visit);
    })
    .unwrap();
    let mut found = [false; 2];
    every_itemset(items, 3, 1, &mut |cover| {
        let p = fisher(cover, class);
        found[0] |= cover.support >= testable.min_support && p <= testable.level;
        found[1] |= null.adjusted_p(p).is_some();
        assert_eq!(
            null.adjusted_p(p).is_some(),
            p < null.threshold() * (1.0 - 1e-8)
        );
        1
    });
    found
}

#[test]
fn the_chance_of_any_false_finding_is_held() {
    const SETS: u64 = 1_000;
    let mut false_sets = [0_u32; 2];
    for set in 0..SETS {
        let mut stream = stream(77, set);
        let items = draw_items(60, &[0.5, 0.4, 0.4, 0.3, 0.3, 0.2], &mut stream);
        let class: Vec<bool> = (0..60).map(|_| uniform(&mut stream) < 0.4).collect();
        let found = any_found(&items, &class, None, set);
        for (count, found) in false_sets.iter_mut().zip(found) {
            *count += u32::from(found);
        }
    }
    // 0.05 and three standard errors of 1,000 sets: up to 70; the permutations also use it up.
    assert!(false_sets[0] <= 70, "Tarone: {false_sets:?}");
    assert!(
        (25..=70).contains(&false_sets[1]),
        "permutations: {false_sets:?}"
    );
    assert!(
        false_sets[1] > false_sets[0],
        "permutations are less strict: {false_sets:?}"
    );
}

#[test]
fn planted_itemsets_are_found() {
    const SETS: u64 = 60;
    let mut found_sets = [0_u32; 2];
    for set in 0..SETS {
        let mut stream = stream(78, set);
        let items = draw_items(120, &[0.5, 0.5, 0.3, 0.3, 0.2, 0.2], &mut stream);
        // The class follows two items together, neither of them alone.
        let class: Vec<bool> = (0..120)
            .map(|row| {
                let both = has(&items[0], row) && has(&items[1], row);
                uniform(&mut stream) < if both { 0.75 } else { 0.2 }
            })
            .collect();
        let found = any_found(&items, &class, None, set);
        for (count, found) in found_sets.iter_mut().zip(found) {
            *count += u32::from(found);
        }
    }
    assert!(
        found_sets[0] >= 50 && found_sets[1] >= found_sets[0],
        "{found_sets:?}"
    );
}

#[test]
fn strata_explain_what_they_explain() {
    const SETS: u64 = 200;
    let (mut pooled, mut within) = (0, 0);
    for set in 0..SETS {
        let mut stream = stream(79, set);
        let stratum: Vec<u32> = (0..100).map(|row| row % 2).collect();
        // The old have more items and more often the class; within a stratum nothing is related.
        let young = draw_items(100, &[0.1, 0.1, 0.2, 0.2], &mut stream);
        let old = draw_items(100, &[0.6, 0.5, 0.5, 0.4], &mut stream);
        let odd = [0xAAAA_AAAA_AAAA_AAAA_u64; 2];
        let mix = |(a, b): (&Vec<u64>, &Vec<u64>)| {
            (0..2)
                .map(|w| (a[w] & !odd[w]) | (b[w] & odd[w]))
                .collect::<Vec<u64>>()
        };
        let items: Vec<Vec<u64>> = young.iter().zip(&old).map(mix).collect();
        let class: Vec<bool> = (0..100)
            .map(|row| uniform(&mut stream) < if row % 2 == 1 { 0.7 } else { 0.15 })
            .collect();
        pooled += u32::from(any_found(&items, &class, None, set)[1]);
        within += u32::from(any_found(&items, &class, Some(&stratum), set)[1]);
    }
    assert!(
        pooled > 150,
        "without strata most sets look related: {pooled}"
    );
    // 0.05 and three standard errors of 200 sets: up to 19.
    assert!(within <= 19, "within strata: {within}");
}

#[test]
fn permutations_differ_and_keep_the_classes_of_each_stratum() {
    let class: Vec<bool> = (0..150).map(|row| row % 7 < 3).collect();
    let stratum: Vec<u32> = (0..150).map(|row| row % 3 + 4).collect();
    let params = PermutationParams {
        n_permutations: 200,
        ..Default::default()
    };
    let of = |words: &[u64], s: u32| {
        (0..150)
            .filter(|row| stratum[*row] == s && has(words, *row))
            .count()
    };
    let own: Vec<usize> = (4..7)
        .map(|s| {
            (0..150)
                .filter(|row| stratum[*row] == s && class[*row])
                .count()
        })
        .collect();
    let blocks = permuted(&class, Some(&stratum), &params);
    let all: Vec<&[u64]> = blocks
        .iter()
        .flat_map(|block| block.classes.chunks_exact(3))
        .collect();
    for words in &all {
        assert_eq!((4..7).map(|s| of(words, s)).collect::<Vec<_>>(), own);
    }
    // Within each stratum by itself no two permutations are alike.
    for s in 4..7 {
        let rows = |words: &[u64]| -> Vec<bool> {
            let rows = (0..150).filter(|row| stratum[*row] == s);
            rows.map(|row| has(words, row)).collect()
        };
        let mut unlike: Vec<Vec<bool>> = all.iter().map(|words| rows(words)).collect();
        unlike.sort_unstable();
        unlike.dedup();
        assert_eq!((all.len(), unlike.len()), (200, 200));
    }
}

#[test]
fn the_light_search_is_the_full_one() {
    for set in 0..20 {
        let mut stream = stream(80, set);
        let items = draw_items(70, &[0.5, 0.4, 0.4, 0.3, 0.1, 0.05], &mut stream);
        let class: Vec<bool> = (0..70).map(|row| row % 3 == 0).collect();
        let params = PermutationParams {
            n_permutations: 119,
            seed: set,
            ..Default::default()
        };
        let light = westfall_young(&class, None, &params, |least, visit| {
            every_itemset(&items, 3, least, visit);
        })
        .unwrap();
        // An enumerator that never passes anything over: the smallest of all p-values.
        let mut full = vec![1.0_f64; 119];
        let blocks = permuted(&class, None, &params);
        let classes = blocks
            .iter()
            .flat_map(|block| block.classes.chunks_exact(2));
        for (class, least) in classes.zip(&mut full) {
            let class: Vec<bool> = (0..70).map(|row| has(class, row)).collect();
            every_itemset(&items, 3, 1, &mut |cover| {
                *least = least.min(fisher(cover, &class));
                1
            });
        }
        full.sort_by(f64::total_cmp);
        assert!(light.min_support > 1);
        let exact = full.partition_point(|p| *p < light.exact_below * (1.0 - 1e-9));
        // Six of 120 data sets may be as small as a significant one.
        let reached = full.partition_point(|p| *p <= light.exact_below * (1.0 + 1e-9));
        assert!(
            reached >= 6,
            "the quantile of alpha lies where the search is exact"
        );
        for (found, expected) in light.least_p.iter().zip(&full[..exact]) {
            assert!((found / expected - 1.0).abs() < 1e-10);
        }
    }
}

#[test]
fn threads_and_strata_of_one_change_nothing() {
    let mut stream = stream(81, 0);
    let items = draw_items(5_000, &[0.3, 0.2, 0.2, 0.1], &mut stream);
    let class: Vec<bool> = (0..5_000).map(|_| uniform(&mut stream) < 0.1).collect();
    let params = PermutationParams {
        n_permutations: 100,
        ..Default::default()
    };
    let run = |stratum: Option<&[u32]>| {
        westfall_young(&class, stratum, &params, |least, visit| {
            every_itemset(&items, 2, least, visit);
        })
        .unwrap()
    };
    let expected = run(None);
    assert_eq!(run(Some(&[7; 5_000])), expected);
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        assert_eq!(pool.install(|| run(None)), expected);
    }
}

#[test]
fn refusals() {
    let class: Vec<bool> = (0..10).map(|row| row < 5).collect();
    let params = PermutationParams::default();
    let none = |_: u64, _: &mut Visit<'_>| {};
    assert!(westfall_young(&[true; 4], None, &params, none).is_err());
    assert!(westfall_young(&class, Some(&[1]), &params, none).is_err());
    let few = PermutationParams {
        n_permutations: 18,
        ..params
    };
    assert!(westfall_young(&class, None, &few, none).is_err());
    let enough = PermutationParams {
        n_permutations: 19,
        ..params
    };
    assert!(westfall_young(&class, None, &enough, none).is_ok());
    let bad = PermutationParams {
        alpha: 0.0,
        ..params
    };
    assert!(westfall_young(&class, None, &bad, none).is_err());
    for cover in [
        Cover {
            words: &[3],
            support: 3,
        },
        Cover {
            words: &[3, 0],
            support: 2,
        },
        Cover {
            words: &[1 << 10],
            support: 1,
        },
    ] {
        let found = westfall_young(&class, None, &params, |_, visit| {
            assert_eq!(visit(cover), u64::MAX);
        });
        assert!(found.is_err());
    }
}
