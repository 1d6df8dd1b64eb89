//! The penalised generalised linear core: sums over a design, and the path of solutions.
//!
//! Minimised is, over the intercept `b0` and the coefficients `b` of standardised terms,
//!
//! ```text
//! (1 / W) sum_i w_i loss(y_i, b0 + z_i b) + strength * sum_j (l1_j |b_j| + l2_j b_j^2 / 2)
//! ```
//!
//! with `W` the sum of weights. `pass` answers a request with sums over a design, `rows` over rows
//! that need none, `quadratic` solves the local model, `path` decides what to ask next.
//! `sparse_gram` and `slopes` are for thousands of terms: Gram matrices from stored entries, and steps
//! without one.

pub(crate) mod clusters;
pub(crate) mod factor;
pub(crate) mod pass;
pub(crate) mod path;
pub(crate) mod problem;
pub(crate) mod quadratic;
pub(crate) mod rows;
pub(crate) mod slopes;
pub(crate) mod sparse_gram;
