//! Reproducible arithmetic, private to the crate.

pub(crate) mod exp;
pub(crate) mod linalg;
pub(crate) mod moments;
pub(crate) mod parallel;
pub(crate) mod rank;
pub(crate) mod seed;
pub(crate) mod simd;
pub(crate) mod special;
pub(crate) mod stable;
pub(crate) mod twofold;
