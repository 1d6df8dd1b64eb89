//! Reproducible arithmetic, private to the crate.

pub(crate) mod exp;
pub(crate) mod linalg;
pub(crate) mod moments;
pub(crate) mod parallel;
pub(crate) mod seed;
pub(crate) mod simd;
pub(crate) mod sketch;
pub(crate) mod stable;
