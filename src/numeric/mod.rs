//! Reproducible arithmetic, private to the crate.

pub(crate) mod exp;
pub(crate) mod linalg;
pub(crate) mod moments;
pub(crate) mod multiple;
pub(crate) mod parallel;
pub(crate) mod product_limit;
pub(crate) mod rank;
pub(crate) mod seed;
pub(crate) mod simd;
pub(crate) mod sketch;
pub(crate) mod special;
pub(crate) mod stable;
pub(crate) mod twofold;
