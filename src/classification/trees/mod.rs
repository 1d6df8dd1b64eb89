//! What models made of trees have in common: how they are held and saved, what must hold of them, how
//! they read one patient, and which classes and weights they learn from.

pub(in crate::classification) mod cells;
pub(in crate::classification) mod check;
pub(in crate::classification) mod classes;
pub(in crate::classification) mod close;
pub(in crate::classification) mod held;
pub(in crate::classification) mod settings;
pub(in crate::classification) mod told;
