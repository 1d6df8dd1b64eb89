//! Points in time and spans: microseconds, as Arrow and MEDS hold them.

use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// A point in time: microseconds since 1970-01-01T00:00:00 (no time zone is kept).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Time(pub i64);

/// A length of time in microseconds; a clinic counts days, an intensive-care unit minutes.
///
/// ```
/// use galen::matrix::{Span, Time};
/// assert_eq!(Time(0) + Span::days(2) - Span::hours(24), Time(0) + Span::days(1));
/// assert_eq!((Time(90_000_000) - Time(30_000_000)), Span::minutes(1));
/// ```
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Span(pub i64);

const MICROS_PER_MINUTE: i64 = 60_000_000;
const MICROS_PER_HOUR: i64 = 60 * MICROS_PER_MINUTE;
const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;

impl Span {
    /// A span of whole minutes; saturates at the ends of the range.
    pub const fn minutes(n: i64) -> Self {
        Self(n.saturating_mul(MICROS_PER_MINUTE))
    }

    /// A span of whole hours; saturates at the ends of the range.
    pub const fn hours(n: i64) -> Self {
        Self(n.saturating_mul(MICROS_PER_HOUR))
    }

    /// A span of whole days of 24 hours; saturates at the ends of the range.
    pub const fn days(n: i64) -> Self {
        Self(n.saturating_mul(MICROS_PER_DAY))
    }

    /// The span in days, with a fraction.
    pub fn as_days(self) -> f64 {
        self.0 as f64 / MICROS_PER_DAY as f64
    }
}

impl Add<Span> for Time {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Time {
    type Output = Self;

    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Sub for Time {
    type Output = Span;

    fn sub(self, other: Self) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(Time(i64::MAX) + Span::days(1), Time(i64::MAX));
        assert_eq!(Span::days(i64::MAX), Span(i64::MAX));
        assert_eq!(Span::hours(36).as_days(), 1.5);
    }
}
