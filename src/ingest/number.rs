//! Numbers in text: what counts as one, and what is noted about how it was written.

/// What a field says when it is read as a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Parsed {
    /// A finite number.
    Finite(f64),
    /// A number beyond f64, or the word infinity.
    Infinite,
    /// Anything else: words, dates, thousands marks, NaN.
    Text,
}

/// Longest run of digits that an f64 holds exactly whatever the digits are.
const EXACT_DIGITS: usize = 15;

/// Reads a field as a number; blanks around it are allowed.
pub(super) fn parse(field: &[u8]) -> Parsed {
    let field = trim(field);
    let (negative, digits) = match field {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, field),
    };
    // Most clinical numbers are short whole numbers: no general parser is needed for them.
    if !digits.is_empty() && digits.len() <= EXACT_DIGITS && digits.iter().all(u8::is_ascii_digit) {
        let whole = digits
            .iter()
            .fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        let value = whole as f64;
        return Parsed::Finite(if negative { -value } else { value });
    }
    match std::str::from_utf8(field).map(str::parse::<f64>) {
        Ok(Ok(value)) if value.is_finite() => Parsed::Finite(value),
        Ok(Ok(value)) if value.is_infinite() => Parsed::Infinite,
        _ => Parsed::Text,
    }
}

/// What the text of a finite number had that its value has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Blanks around it.
    Blanks,
    /// Zeros in front, as codes and postal codes have them.
    LeadingZeros,
    /// More digits of a whole number than f64 holds.
    Digits,
}

/// Names what is lost when the number in `field` is kept as `value`.
pub(super) fn loss(field: &[u8], value: f64) -> Option<Loss> {
    let trimmed = trim(field);
    let digits = match trimmed {
        [b'-' | b'+', rest @ ..] => rest,
        _ => trimmed,
    };
    if matches!(digits, [b'0', second, ..] if second.is_ascii_digit()) {
        return Some(Loss::LeadingZeros);
    }
    if digits.len() > EXACT_DIGITS && digits.iter().all(u8::is_ascii_digit) {
        // The decimal text of an f64 below 1e300 is exact: a difference is a lost digit.
        let kept = format!("{:.0}", value.abs());
        if kept.as_bytes() != digits {
            return Some(Loss::Digits);
        }
    }
    (trimmed.len() < field.len()).then_some(Loss::Blanks)
}

/// A flag in words: 0/1, true/false, yes/no, in any case.
pub(super) fn flag(field: &[u8]) -> Option<bool> {
    let field = trim(field);
    let is = |word: &str| field.eq_ignore_ascii_case(word.as_bytes());
    if is("1") || is("true") || is("yes") {
        Some(true)
    } else if is("0") || is("false") || is("no") {
        Some(false)
    } else {
        match parse(field) {
            Parsed::Finite(1.0) => Some(true),
            Parsed::Finite(0.0) => Some(false),
            _ => None,
        }
    }
}

/// The field without blanks at its ends.
fn trim(field: &[u8]) -> &[u8] {
    match field {
        [b' ' | b'\t', ..] | [.., b' ' | b'\t'] => field.trim_ascii(),
        _ => field,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_plain_decimals_only() {
        for (text, value) in [
            ("0", 0.0),
            ("-7", -7.0),
            ("250.83", 250.83),
            ("1e3", 1000.0),
            (" 5 ", 5.0),
            ("123456789012345", 123_456_789_012_345.0),
            ("1234567890123456", 1_234_567_890_123_456.0),
            ("+2.5", 2.5),
        ] {
            assert_eq!(parse(text.as_bytes()), Parsed::Finite(value), "{text}");
        }
        for text in [
            "",
            "-",
            "1,000",
            "1 000",
            "1_0",
            "0x1f",
            "V45",
            "NaN",
            "2020-01-02",
            "5%",
            "\u{663}",
        ] {
            assert_eq!(parse(text.as_bytes()), Parsed::Text, "{text}");
        }
        for text in ["inf", "-Infinity", "1e400", "-1e999"] {
            assert_eq!(parse(text.as_bytes()), Parsed::Infinite, "{text}");
        }
    }

    #[test]
    fn what_a_number_loses_is_named() {
        let of = |text: &str| match parse(text.as_bytes()) {
            Parsed::Finite(value) => loss(text.as_bytes(), value),
            _ => panic!("{text} is a number"),
        };
        assert_eq!(of("02134"), Some(Loss::LeadingZeros));
        assert_eq!(of("0.5"), None);
        assert_eq!(of("0"), None);
        assert_eq!(of("5 "), Some(Loss::Blanks));
        assert_eq!(of("9007199254740993"), Some(Loss::Digits));
        assert_eq!(of("9007199254740992"), None);
    }

    #[test]
    fn flags_in_words() {
        assert_eq!(flag(b"YES"), Some(true));
        assert_eq!(flag(b"0"), Some(false));
        assert_eq!(flag(b"1.0"), Some(true));
        assert_eq!(flag(b"2"), None);
        assert_eq!(flag(b"maybe"), None);
    }
}
