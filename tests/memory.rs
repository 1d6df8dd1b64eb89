//! What a damaged file may cost before it is refused: at most twice its size and a megabyte.

use galen::estimator::Saved;
use galen::matrix::Column;
use galen::prelude::*;
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Bytes above what was held before, at most, while `work` ran.
fn peak(work: impl FnOnce()) -> usize {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    work();
    ALLOCATOR.peak_usage().saturating_sub(before)
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn refusing_a_damaged_file_is_cheap() {
    // Few terms with long names: a large file that is fitted at once.
    let level = |row: usize| format!("{:04}{}", row % 300, "n".repeat(1_500));
    let levels: Vec<String> = (0..900).map(level).collect();
    let matrix = PatientMatrix::new(vec![(
        Feature::category("ward"),
        Column::categorical(levels.iter().map(Some)),
    )])
    .expect("a matrix");
    let target = Binary::from_flags("event", (0..900).map(|row| row * row % 7 < 3));
    let model = LogisticRegression::params()
        .strength(0.1)
        .fit(&Cohort::new(matrix, target))
        .expect("a fit");
    let saved = Saved::new(model);
    let bytes = saved.to_bytes().expect("bytes");
    let json = saved.to_json().expect("text");
    assert!(bytes.len() > 200_000 && json.len() > 400_000);

    type Loaded = Saved<LogisticRegression<bool>>;
    let mut state = 11_u64;
    let mut below = |limit: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    let allowed = |size: usize| 2 * size + (1 << 20);
    for round in 0..60 {
        let mut damaged = bytes.clone();
        // Every second time near the front, where lengths stand.
        let range = if round % 2 == 0 { 200 } else { damaged.len() };
        for _ in 0..3 {
            let at = below(range);
            damaged[at] = 0xff;
        }
        damaged.truncate(damaged.len() - below(9));
        let used = peak(|| assert!(Loaded::from_bytes(&damaged).is_err()));
        assert!(
            used <= allowed(damaged.len()),
            "bytes, round {round}: {used}"
        );

        let mut text = json.clone();
        let at = below(text.len());
        text.replace_range(at..=at, "[");
        let used = peak(|| assert!(Loaded::from_json(&text).is_err()));
        assert!(used <= allowed(text.len()), "text, round {round}: {used}");
    }
    // Whole files cost no more than that beside the model they give.
    let used = peak(|| drop(Loaded::from_bytes(&bytes).expect("whole")));
    println!("whole bytes: {used} for {}", bytes.len());
    let hostile = format!("[{}0]", "0,".repeat(4_000_000));
    let used = peak(|| assert!(Loaded::from_json(&hostile).is_err()));
    assert!(used <= allowed(hostile.len()), "zeros: {used}");
}
