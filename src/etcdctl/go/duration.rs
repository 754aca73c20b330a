//! `time.ParseDuration` and `Duration.String`.

use std::time::Duration;

use super::quote::quote;

/// A duration that could not be read; the text is Go's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseDurationError {
    /// No number, or something that isn't one.
    #[error("time: invalid duration {}", quote(.0))]
    Invalid(Vec<u8>),
    /// A number without its unit.
    #[error("time: missing unit in duration {}", quote(.0))]
    MissingUnit(Vec<u8>),
    /// A unit that Go does not know.
    #[error("time: unknown unit {} in duration {}", quote(.unit), quote(.text))]
    UnknownUnit {
        /// The unit as written.
        unit: Vec<u8>,
        /// The whole text.
        text: Vec<u8>,
    },
}

/// Reads a duration such as `1h15m30.5s`; nanoseconds, may be negative.
pub fn parse(text: &[u8]) -> Result<i64, ParseDurationError> {
    let invalid = || ParseDurationError::Invalid(text.to_vec());
    let (negative, mut rest) = match text.first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == b"0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: f64 = 0.0;
    while !rest.is_empty() {
        let number_len = rest
            .iter()
            .take_while(|b| b.is_ascii_digit() || **b == b'.')
            .count();
        let (number, tail) = rest.split_at(number_len);
        let number: f64 = std::str::from_utf8(number)
            .ok()
            .filter(|n| n.bytes().any(|b| b.is_ascii_digit()))
            .and_then(|n| n.parse().ok())
            .ok_or_else(invalid)?;
        let unit_len = tail
            .iter()
            .take_while(|b| !b.is_ascii_digit() && **b != b'.')
            .count();
        let (unit, tail) = tail.split_at(unit_len);
        if unit.is_empty() {
            return Err(ParseDurationError::MissingUnit(text.to_vec()));
        }
        let scale = match unit {
            b"ns" => 1.0,
            b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => 1e3,
            b"ms" => 1e6,
            b"s" => 1e9,
            b"m" => 60e9,
            b"h" => 3600e9,
            _ => {
                return Err(ParseDurationError::UnknownUnit {
                    unit: unit.to_vec(),
                    text: text.to_vec(),
                });
            }
        };
        total += number * scale;
        rest = tail;
    }
    if !total.is_finite() || total > i64::MAX as f64 {
        return Err(invalid());
    }
    let nanos = total.round() as i64;
    Ok(if negative { -nanos } else { nanos })
}

/// Writes a duration of so many nanoseconds as Go prints it: `1.139603ms`, `5s`, `1m30s`.
pub fn format(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let span = Duration::from_nanos(nanos.unsigned_abs());
    format!("{sign}{}", gowords::duration(span))
}
