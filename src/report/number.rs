//! Numbers as a journal prints them.

/// Stands where there is no number.
pub(super) const NONE: &str = "–";

/// A fixed number of decimals, never a negative zero.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    if value.is_nan() {
        return NONE.to_string();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞" } else { "-∞" }.to_string();
    }
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|byte| byte == b'0' || byte == b'.') => rest.to_string(),
        _ => text,
    }
}

/// About three significant digits; powers of ten for what is very large or very small.
pub(super) fn significant(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() || size == 0.0 => fixed(value, 0),
        _ if !(1e-4..1e6).contains(&size) => format!("{value:.2e}"),
        _ if size >= 100.0 => fixed(value, 0),
        _ if size >= 10.0 => fixed(value, 1),
        _ if size >= 1.0 => fixed(value, 2),
        _ if size >= 0.1 => fixed(value, 3),
        _ if size >= 0.01 => fixed(value, 4),
        _ => fixed(value, 5),
    }
}

/// An interval with the decimals of its estimate.
pub(super) fn interval(lower: f64, upper: f64, decimals: usize) -> String {
    format!("{} to {}", fixed(lower, decimals), fixed(upper, decimals))
}

/// A count with commas between thousands.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share as a percentage with one decimal.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", fixed(100.0 * share, 1))
}

/// A p-value with three decimals, `< 0.001` below.
pub(super) fn p_value(p: f64) -> String {
    match p {
        _ if p.is_nan() => NONE.to_string(),
        _ if p < 0.001 => "< 0.001".to_string(),
        _ => fixed(p, 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_printed() {
        assert_eq!(fixed(-0.0004, 2), "0.00");
        assert_eq!(fixed(-0.5, 1), "-0.5");
        assert_eq!(fixed(f64::NAN, 2), NONE);
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(percent(0.1234), "12.3 %");
        assert_eq!(p_value(0.0004), "< 0.001");
        assert_eq!(p_value(0.0406), "0.041");
        assert_eq!(
            [123.4, 12.34, 1.234, 0.1234, 0.01234, 1e-5, 0.0].map(significant),
            ["123", "12.3", "1.23", "0.123", "0.0123", "1.00e-5", "0"]
        );
    }
}
