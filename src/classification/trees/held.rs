//! How a model is held: plain data that were checked, as they are saved, and what is laid out of them.

use std::ops::Deref;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Result;

/// Plain data of a model.
pub(in crate::classification) trait Form:
    Serialize + DeserializeOwned
{
    /// What predictions use instead of the plain data; made of them, never saved.
    type Layout;

    /// Checks every invariant, wherever the data come from.
    ///
    /// # Errors
    /// [`ErrorKind::Saved`](crate::error::ErrorKind::Saved), naming what does not hold.
    fn check(&self) -> Result<()>;

    /// Lays out data that were checked.
    fn lay_out(&self) -> Self::Layout;
}

/// Checked data and their layout: what is made or loaded is sound.
#[derive(Clone, PartialEq)]
pub(in crate::classification) struct Held<W: Form> {
    wire: W,
    layout: W::Layout,
}

impl<W: Form> Held<W> {
    pub(in crate::classification) fn new(wire: W) -> Result<Self> {
        wire.check()?;
        let layout = wire.lay_out();
        Ok(Self { wire, layout })
    }

    pub(in crate::classification) fn layout(&self) -> &W::Layout {
        &self.layout
    }
}

impl<W: Form> Deref for Held<W> {
    type Target = W;

    fn deref(&self) -> &W {
        &self.wire
    }
}

impl<W: Form> Serialize for Held<W> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.wire.serialize(serializer)
    }
}

impl<'de, W: Form> Deserialize<'de> for Held<W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Self::new(W::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
