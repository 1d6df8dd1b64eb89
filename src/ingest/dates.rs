//! Dates and times in text (ISO 8601) as [`Time`].

use jiff::civil;

use crate::matrix::Time;

/// A time read from text, and whether the text named an offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) time: Time,
    pub(super) zoned: bool,
}

/// What [`parse`] takes, for messages.
pub(super) const EXPECTED: &str =
    "an ISO 8601 date or date and time, such as 2014-03-31 or 2014-03-31T08:30:00";

/// Reads `2014-03-31`, `2014-03-31T08:30`, `2014-03-31 08:30:00.5`, with or without `Z` or an offset.
///
/// Times without an offset are taken as they stand; times with one are brought to UTC.
pub(super) fn parse(text: &str) -> Option<Stamp> {
    let text = text.trim();
    // The compact form 20140331 looks like a number and is not guessed at.
    if !text.contains('-') {
        return None;
    }
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Some(Stamp {
            time: Time(stamp.as_microsecond()),
            zoned: true,
        });
    }
    let civil = text.parse::<civil::DateTime>().ok()?;
    let utc = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Stamp {
        time: Time(utc.timestamp().as_microsecond()),
        zoned: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_by_hand() {
        let day = 86_400_000_000;
        let of = |text: &str| parse(text).map(|stamp| (stamp.time.0, stamp.zoned));
        assert_eq!(of("1970-01-02"), Some((day, false)));
        assert_eq!(of("1970-01-01T00:00:01.5"), Some((1_500_000, false)));
        assert_eq!(of("1970-01-02 06:00"), Some((day + day / 4, false)));
        assert_eq!(of("1970-01-01T00:00:00Z"), Some((0, true)));
        assert_eq!(of("1970-01-01T02:00:00+02:00"), Some((0, true)));
        assert_eq!(of("2000-02-29"), Some((11_016 * day, false)));
        for text in [
            "",
            "1999-02-29",
            "31/03/2014",
            "20140331",
            "2014",
            "yesterday",
            "1-2",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
