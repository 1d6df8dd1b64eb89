//! Machinery that several estimators share; private to the crate.

pub(crate) mod itemset;
pub(crate) mod linear;
pub(crate) mod loss;
pub(crate) mod tree;
