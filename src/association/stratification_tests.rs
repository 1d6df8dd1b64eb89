use super::*;

fn pair(cells: [u64; 4]) -> PairCounts {
    let [a, b, c, d] = cells;
    PairCounts::new(a + b + c + d, a + b, a + c, a).unwrap()
}

#[test]
fn one_stratum_is_fishers_test() {
    let table = pair([8, 2, 5, 25]);
    for alternative in [
        Alternative::Greater,
        Alternative::Less,
        Alternative::TwoSided,
    ] {
        let (p, exact) = stratified_p(&[table], alternative);
        assert!(exact);
        let fisher = table.fisher_p(alternative);
        assert!(
            (p - fisher).abs() <= 1e-12 * fisher,
            "{p} instead of {fisher}"
        );
    }
}

#[test]
fn two_small_strata_by_hand() {
    // Each stratum: two of four with A, two with B; joint counts 0, 1, 2 with weights 1, 4, 1.
    let strata = [pair([2, 0, 0, 2]), pair([1, 1, 1, 1])];
    // Sums 0 to 4 have weights 1, 8, 18, 8, 1 of 36; observed 3.
    let (greater, _) = stratified_p(&strata, Alternative::Greater);
    let (less, _) = stratified_p(&strata, Alternative::Less);
    let (both, _) = stratified_p(&strata, Alternative::TwoSided);
    assert!((greater - 9.0 / 36.0).abs() < 1e-14);
    assert!((less - 35.0 / 36.0).abs() < 1e-14);
    assert!((both - 18.0 / 36.0).abs() < 1e-14);
}

#[test]
fn large_strata_are_nearly_exact() {
    let near = |k: u64| {
        [
            pair([60 + k, 240, 190, 510]),
            pair([130, 270 - k, 260, 340]),
        ]
    };
    for k in [0, 20, 45] {
        let strata = near(k);
        let (large, exact) = stratified_p(&strata, Alternative::Greater);
        assert!(!exact);
        let varying: Vec<(Hypergeometric, u64)> = strata
            .iter()
            .map(|s| (Hypergeometric::new(s.n(), s.n_a(), s.n_b()), s.n_ab()))
            .collect();
        let exact = convolved_p(&varying, Alternative::Greater);
        assert!(
            (large / exact - 1.0).abs() < 0.05,
            "{large} instead of {exact}"
        );
    }
}

#[test]
fn constant_items_say_nothing() {
    let (p, exact) = stratified_p(
        &[pair([3, 0, 4, 0]), pair([0, 0, 2, 2])],
        Alternative::Greater,
    );
    assert_eq!((p, exact), (1.0, true));
    let found = Stratified::new(&[pair([3, 0, 4, 0])], Alternative::Greater, 0.95).unwrap();
    assert_eq!((found.odds_ratio, found.n_informative), (None, 0));
    assert!(Stratified::new(&[pair([1, 2, 3, 4])], Alternative::Greater, 1.0).is_err());
}

#[test]
fn strata_are_numbered_by_their_labels() {
    let strata = Strata::new(["b", "a", "c", "a"]);
    let numbers: Vec<u32> = (0..4).map(|unit| strata.of(unit)).collect();
    assert_eq!(numbers, [1, 0, 2, 0]);
    assert!(strata.check(3).is_err() && strata.check(4).is_ok());
    assert!(Strata::new(Vec::<u8>::new()).is_empty());
}
