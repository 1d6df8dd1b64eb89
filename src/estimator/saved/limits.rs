//! Limits that hold before anything is parsed.

use crate::error::{ErrorKind, Result};

/// What a file may cost before it is believed.
///
/// | limit | default |
/// | --- | --- |
/// | `max_bytes` | 256 MiB |
/// | `max_depth` of JSON | 32 |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Largest size of a file in bytes.
    pub max_bytes: usize,
    /// Deepest nesting of arrays and objects in JSON.
    pub max_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 256 << 20,
            max_depth: 32,
        }
    }
}

impl Limits {
    /// Sets the largest size in bytes.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets the deepest nesting of JSON.
    #[must_use]
    pub fn max_depth(mut self, depth: usize) -> Self {
        self.max_depth = depth;
        self
    }

    pub(super) fn check_size(self, bytes: usize) -> Result<()> {
        if bytes <= self.max_bytes {
            return Ok(());
        }
        Err(ErrorKind::TooLarge {
            what: "saved model",
            bytes: bytes as u64,
            ceiling: self.max_bytes as u64,
        }
        .into())
    }

    /// Counts brackets outside strings, before any parser recurses.
    pub(super) fn check_depth(self, text: &str) -> Result<()> {
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        for byte in text.bytes() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => depth = depth.saturating_add(1),
                b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > self.max_depth {
                return super::refuse(format!(
                    "nested deeper than the limit of {} levels",
                    self.max_depth
                ));
            }
        }
        Ok(())
    }
}
