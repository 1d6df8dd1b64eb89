//! Reproducible arithmetic, private to the crate.

pub(crate) mod parallel;
pub(crate) mod rank;
pub(crate) mod seed;
pub(crate) mod simd;
pub(crate) mod special;
pub(crate) mod stable;
