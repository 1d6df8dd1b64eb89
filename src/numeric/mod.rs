//! Reproducible arithmetic, private to the crate.

pub(crate) mod discrete;
pub(crate) mod exp;
pub(crate) mod hypergeometric;
pub(crate) mod linalg;
pub(crate) mod moments;
#[allow(dead_code)] // whole and proved; families use it as they come
pub(crate) mod multiple;
pub(crate) mod parallel;
pub(crate) mod poisson_binomial;
pub(crate) mod polygamma;
#[allow(dead_code)] // whole and proved; families use it as they come
pub(crate) mod product_limit;
#[allow(dead_code)] // whole and proved; families use it as they come
pub(crate) mod rank;
pub(crate) mod seed;
pub(crate) mod simd;
pub(crate) mod sketch;
#[allow(dead_code)] // whole and proved; families use it as they come
pub(crate) mod special;
pub(crate) mod stable;
pub(crate) mod twofold;
