//! `strconv.ParseInt`, `ParseUint`, `ParseBool` with Go's error texts.

use super::quote::quote;

/// A number, or truth value, that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("strconv.{function}: parsing {}: {reason}", quote(text))]
pub struct ParseError {
    function: &'static str,
    text: Vec<u8>,
    reason: &'static str,
}

const SYNTAX: &str = "invalid syntax";
const RANGE: &str = "value out of range";

/// Reads a signed number of 64 bits. `base` 0 means that the text says which
/// (`0x`, `0o`, `0b`, a leading `0`), with underscores allowed.
pub fn parse_i64(text: &[u8], base: u32) -> Result<i64, ParseError> {
    let fail = |reason| ParseError {
        function: "ParseInt",
        text: text.to_vec(),
        reason,
    };
    let (negative, digits) = match text.first() {
        Some(b'+') => (false, &text[1..]),
        Some(b'-') => (true, &text[1..]),
        _ => (false, text),
    };
    let magnitude = parse_magnitude(digits, base).map_err(fail)?;
    let value = if negative {
        -i128::from(magnitude)
    } else {
        i128::from(magnitude)
    };
    i64::try_from(value).map_err(|_| fail(RANGE))
}

/// Reads an unsigned number of 64 bits; `base` as for [`parse_i64`].
pub fn parse_u64(text: &[u8], base: u32) -> Result<u64, ParseError> {
    parse_magnitude(text, base).map_err(|reason| ParseError {
        function: "ParseUint",
        text: text.to_vec(),
        reason,
    })
}

/// Reads what Go takes for a truth value.
pub fn parse_bool(text: &[u8]) -> Result<bool, ParseError> {
    match text {
        b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => Ok(true),
        b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => Ok(false),
        _ => Err(ParseError {
            function: "ParseBool",
            text: text.to_vec(),
            reason: SYNTAX,
        }),
    }
}

fn parse_magnitude(text: &[u8], base: u32) -> Result<u64, &'static str> {
    let (base, digits, underscores) = match base {
        0 => {
            let (base, digits) = detect_base(text);
            (base, digits, true)
        }
        base => (base, text, false),
    };
    if digits.is_empty() {
        return Err(SYNTAX);
    }
    let mut value: u64 = 0;
    let mut overflow = false;
    for &byte in digits {
        if underscores && byte == b'_' {
            continue;
        }
        let digit = (byte as char).to_digit(base).ok_or(SYNTAX)?;
        match value
            .checked_mul(u64::from(base))
            .and_then(|v| v.checked_add(u64::from(digit)))
        {
            Some(next) => value = next,
            None => overflow = true,
        }
    }
    if overflow { Err(RANGE) } else { Ok(value) }
}

fn detect_base(text: &[u8]) -> (u32, &[u8]) {
    match text {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', b'o' | b'O', rest @ ..] => (8, rest),
        [b'0', b'b' | b'B', rest @ ..] => (2, rest),
        [b'0', rest @ ..] if !rest.is_empty() => (8, rest),
        _ => (10, text),
    }
}
