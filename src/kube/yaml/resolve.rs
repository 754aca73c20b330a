//! What a plain scalar means: the resolution of go-yaml version 2
//! (`resolve.go`), which is YAML 1.1 with a few deviations.

use serde_json::{Number, Value};

/// The meaning of a plain (unquoted) scalar.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Resolved {
    Null,
    Bool(bool),
    Number(Number),
    /// Not a finite number (`.inf`, `.nan`), which JSON cannot hold.
    NotFinite,
    /// A date, which stays text in JSON but is quoted on the way out.
    Timestamp,
    /// `<<`
    Merge,
    Text,
}

/// Resolves a plain scalar.
pub(super) fn resolve(text: &str) -> Resolved {
    let Some(first) = text.bytes().next() else {
        return Resolved::Null;
    };
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Resolved::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Resolved::Bool(false);
        }
        "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF"
        | "-.inf" | "-.Inf" | "-.INF" => return Resolved::NotFinite,
        _ => {}
    }
    match first {
        b'.' => float(text).unwrap_or(Resolved::Text),
        b'0'..=b'9' | b'+' | b'-' => digits(text),
        _ => Resolved::Text,
    }
}

/// Whether `<<` stands for a merge when it is a plain key.
pub(super) fn resolve_key(text: &str) -> Resolved {
    if text == "<<" {
        Resolved::Merge
    } else {
        resolve(text)
    }
}

/// Base 60 numbers (`1:20`) are text to go-yaml, but it quotes them for the
/// sake of other parsers.
pub(super) fn is_base60(text: &str) -> bool {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !body.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let (whole, fraction) = match body.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (body, ""),
    };
    if !fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
        return false;
    }
    let mut parts = whole.split(':');
    let head = parts.next().unwrap_or_default();
    if head.is_empty() || !head.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
        return false;
    }
    let mut sixties = 0;
    for part in parts {
        let digits = part.as_bytes();
        let good = match digits {
            [d] => d.is_ascii_digit(),
            [tens, d] => (b'0'..=b'5').contains(tens) && d.is_ascii_digit(),
            _ => false,
        };
        if !good {
            return false;
        }
        sixties += 1;
    }
    sixties > 0
}

fn digits(text: &str) -> Resolved {
    if is_timestamp(text) {
        return Resolved::Timestamp;
    }
    let plain: String = text.chars().filter(|&c| c != '_').collect();
    if let Some(number) = integer(&plain) {
        return Resolved::Number(number);
    }
    if is_yaml_float(&plain)
        && let Some(found) = float(&plain)
    {
        return found;
    }
    Resolved::Text
}

fn float(text: &str) -> Option<Resolved> {
    // Rust also parses `inf` and `nan`, which never start with a digit, a sign
    // followed by a digit, or a dot, once the shape was checked.
    if !is_yaml_float(text) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    Number::from_f64(value).map(Resolved::Number)
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn is_yaml_float(text: &str) -> bool {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], Some(&body[at + 1..])),
        None => (body, None),
    };
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let mantissa_good = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_good = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && all_digits(e)
    });
    mantissa_good && exponent_good
}

/// An integer as Go's `strconv.ParseInt(text, 0, 64)` reads it: base by prefix.
fn integer(text: &str) -> Option<Number> {
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = body.to_ascii_lowercase();
    let (radix, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if digits.is_empty() || !digits.bytes().all(|b| (b as char).is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        let value = 0i64.checked_sub_unsigned(magnitude)?;
        Some(Number::from(value))
    } else {
        Some(Number::from(magnitude))
    }
}

/// Dates: `2006-1-2`, `2006-1-2T15:4:5Z`, `2006-1-2 15:4:5`, with a fraction
/// and (after `T`) an offset.
fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
        return false;
    }
    let rest = &text[5..];
    let (date, time) = match rest.find(['T', 't', ' ']) {
        Some(at) => (&rest[..at], Some((rest.as_bytes()[at], &rest[at + 1..]))),
        None => (rest, None),
    };
    let Some((month, day)) = date.split_once('-') else {
        return false;
    };
    let year: i16 = text[..4].parse().unwrap_or(0);
    let (Some(month), Some(day)) = (small(month, 12), small(day, 31)) else {
        return false;
    };
    if month == 0 || day == 0 || jiff::civil::Date::new(year, month, day).is_err() {
        return false;
    }
    let Some((separator, time)) = time else {
        return true;
    };
    let (clock, zone) = if separator == b' ' {
        (time, None)
    } else {
        match time.find(['Z', '+', '-']) {
            Some(at) => (&time[..at], Some(&time[at..])),
            None => return false,
        }
    };
    clock_good(clock) && zone.is_none_or(zone_good)
}

fn clock_good(clock: &str) -> bool {
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let parts: Vec<&str> = whole.split(':').collect();
    let [hour, minute, second] = parts[..] else {
        return false;
    };
    small(hour, 23).is_some()
        && small(minute, 59).is_some()
        && small(second, 59).is_some()
        && !fraction.is_empty()
        && fraction.bytes().all(|b| b.is_ascii_digit())
}

fn zone_good(zone: &str) -> bool {
    zone == "Z"
        || zone
            .strip_prefix(['+', '-'])
            .and_then(|z| z.split_once(':'))
            .is_some_and(|(h, m)| {
                h.len() == 2 && m.len() == 2 && small(h, 24).is_some() && small(m, 60).is_some()
            })
}

/// One or two digits no greater than `most`.
fn small(text: &str, most: i8) -> Option<i8> {
    if text.is_empty() || text.len() > 2 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|n| *n <= most)
}

/// How a resolved scalar looks as a JSON value; `None` when JSON has no such
/// value.
pub(super) fn to_value(resolved: Resolved, text: &str) -> Option<Value> {
    Some(match resolved {
        Resolved::Null => Value::Null,
        Resolved::Bool(b) => Value::Bool(b),
        Resolved::Number(n) => Value::Number(n),
        Resolved::NotFinite => return None,
        Resolved::Timestamp | Resolved::Merge | Resolved::Text => Value::String(text.to_owned()),
    })
}
